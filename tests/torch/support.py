"""Tensors to NumPy and back, comparison byte by byte, and memory layouts."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

FORMATS = ("int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8")
FLOATS = (torch.float16, torch.bfloat16, torch.float32)

_AS = {
    torch.bfloat16: (torch.int16, ml_dtypes.bfloat16),
    torch.float8_e4m3fn: (torch.uint8, ml_dtypes.float8_e4m3fn),
    torch.float8_e5m2: (torch.uint8, ml_dtypes.float8_e5m2),
}


def array(t: Tensor | None) -> Any:
    """The same values in NumPy; None stays None."""
    if t is None:
        return None
    if t.dtype not in _AS:
        return t.detach().contiguous().numpy()
    view, dtype = _AS[t.dtype]
    return t.detach().contiguous().view(view).numpy().view(dtype)


def data_bytes(t: Any) -> Any:
    a = array(t) if isinstance(t, Tensor) else np.ascontiguousarray(t)
    return np.ascontiguousarray(a).reshape(-1).view(np.uint8)


def assert_same(got: Any, expected: Any, what: str = "") -> None:
    """Equal shapes and bytes, of tensors and arrays, one or several; None equals None."""
    if isinstance(expected, tuple | list):
        assert len(got) == len(expected), what
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            assert_same(g, e, f"{what}, result {i}")
        return
    if expected is None or got is None:
        assert got is expected, what
        return
    assert tuple(got.shape) == tuple(expected.shape), f"{what}: {tuple(got.shape)}, expected {tuple(expected.shape)}"
    if isinstance(got, Tensor) and isinstance(expected, Tensor):
        assert got.dtype == expected.dtype, f"{what}: {got.dtype}, expected {expected.dtype}"
    g, e = data_bytes(got), data_bytes(expected)
    assert g.size == e.size, f"{what}: {g.size} bytes, expected {e.size}"
    assert np.array_equal(g, e), f"{what}: {int((g != e).sum())} of {g.size} bytes differ"


def strided(t: Tensor) -> Tensor:
    """The same values, dimensions laid out in reverse order and with gaps."""
    if t.dim() == 0:
        return t
    room = torch.empty([2 * n for n in reversed(t.shape)], dtype=t.dtype)
    view = room[tuple(slice(0, 2 * n, 2) for n in reversed(t.shape))].permute(*reversed(range(t.dim())))
    view.copy_(t)
    return view


def rows_apart(t: Tensor) -> Tensor:
    """The same values with gaps between rows: what is packed stays contiguous along its last dimension."""
    room = torch.zeros((*t.shape[:-1], t.shape[-1] + 3), dtype=t.dtype)
    view = room[..., : t.shape[-1]]
    view.copy_(t)
    return view


def on_threads(count: int, run: Callable[[], Any]) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return run()
    finally:
        torch.set_num_threads(before)
