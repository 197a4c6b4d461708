"""The operators of libkvant by the names and arguments that they have in oracle.py, NumPy arrays in and out.

`how` is the number of threads and the kind of stores, `alloc` makes the results.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kvant_abi import Array, Spec, call, infer, supported_targets, target

__all__ = [
    "call",
    "dequantize",
    "dynamic_quant",
    "pack_int4",
    "params_from_amax",
    "params_from_minmax",
    "quantize",
    "quantize_with_params",
    "row_amax",
    "row_minmax",
    "supported_targets",
    "target",
    "unpack_int4",
]

Alloc = Callable[[tuple[int, ...], Any], Array]


def poisoned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory whose every byte is 0xA5, so that one that is not written shows."""
    return np.frombuffer(bytearray(b"\xa5" * (math.prod(shape) * np.dtype(dtype).itemsize)), dtype).reshape(shape)


def _run(op: str, results: dict[str, Spec | None], alloc: Alloc, how: dict[str, Any], **fields: Any) -> list[Any]:
    out: dict[str, Any] = {name: alloc(*spec) for name, spec in results.items() if spec is not None}
    call(op, **how, **fields, **out)
    return [out.get(name) for name in results]


def _in_words(spec: Spec | None) -> Spec:
    assert spec is not None
    return (*spec[0][:-1], spec[0][-1] // 4), np.int32


def dynamic_quant(
    x: Array,
    dst_type: str = "int8",
    symmetric: bool = False,
    quant_mode: str = "pertoken",
    smooth_scales: Array | None = None,
    *,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> tuple[Array, Array, Array | None]:
    """`words`: INT4 as int32."""
    attributes |= {"quant_mode": quant_mode, "smooth_scales": smooth_scales}
    fields = {"x": x, "dst_type": dst_type, "symmetric": symmetric, **attributes}
    y, scale, offset = infer("dynamic_quant", 3, **fields)
    results = {"y": _in_words(y) if words else y, "scale": scale, "offset": offset}
    codes, scales, offsets = _run("dynamic_quant", results, alloc, how or {}, **fields)
    return codes, scales, offsets


def row_minmax(x: Array, *, alloc: Alloc = poisoned, how: Any = None, **attributes: Any) -> tuple[Array, Array]:
    (spec,) = infer("row_stats", 1, x=x, **attributes)
    low, high = _run("row_minmax", {"min": spec, "max": spec}, alloc, how or {}, x=x, **attributes)
    return low, high


def row_amax(x: Array, *, alloc: Alloc = poisoned, how: Any = None, **attributes: Any) -> Array:
    (spec,) = infer("row_stats", 1, x=x, **attributes)
    return _run("row_amax", {"amax": spec}, alloc, how or {}, x=x, **attributes)[0]


def params_from_amax(amax: Array, *, alloc: Alloc = poisoned, **attributes: Any) -> Array:
    return _run("params_from_amax", {"scale": (amax.shape, np.float32)}, alloc, {}, amax=amax, **attributes)[0]


def params_from_minmax(low: Array, high: Array, *, alloc: Alloc = poisoned, **attributes: Any) -> tuple[Array, Array]:
    spec = (low.shape, np.float32)
    fields = {"min": low, "max": high, **attributes}
    scale, offset = _run("params_from_minmax", {"scale": spec, "offset": spec}, alloc, {}, **fields)
    return scale, offset


def quantize_with_params(
    x: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"x": x, "scale": scale, "offset": offset, **attributes}
    (y,) = infer("quantize_with_params", 1, **fields)
    return _run("quantize_with_params", {"y": _in_words(y) if words else y}, alloc, how or {}, **fields)[0]


def quantize(
    x: Array,
    scales: Array,
    zero_points: Array | None = None,
    *,
    axis: int = -1,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"x": x, "scales": scales, "zero_points": zero_points, "axis": axis, **attributes}
    (y,) = infer("quantize", 1, **fields)
    return _run("quantize", {"y": _in_words(y) if words else y}, alloc, how or {}, **fields)[0]


def dequantize(
    y: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    dtype: Any = np.float32,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"y": y, "scale": scale, "offset": offset, **attributes}
    (x,) = infer("dequantize", 1, dtype, **fields)
    return _run("dequantize", {"x": x}, alloc, how or {}, **fields)[0]


def pack_int4(codes: Array, as_int32: bool = False, *, alloc: Alloc = poisoned, how: Any = None) -> Array:
    (packed,) = infer("pack_int4", 1, np.int32 if as_int32 else np.uint8, codes=codes)
    return _run("pack_int4", {"packed": packed}, alloc, how or {}, codes=codes)[0]


def unpack_int4(packed: Array, *, alloc: Alloc = poisoned, how: Any = None) -> Array:
    (codes,) = infer("unpack_int4", 1, packed=packed)
    return _run("unpack_int4", {"codes": codes}, alloc, how or {}, packed=packed)[0]
