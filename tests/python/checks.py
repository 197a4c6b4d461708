"""kvant against the oracle: the same bytes, on every target."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import kvant_c
import oracle
from inputs import DTYPES, Array

# The same examples in every run.
repeatable = settings(derandomize=True, database=None, deadline=None)

MODES = ("pertoken", "pertensor", "perchannel")

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
formats = pytest.mark.parametrize("dst_type", oracle.FORMATS)
symmetries = pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])

# D and R of the integer formats.
RANGES = {"int8": (127, 255), "int4": (7, 15)}


def data_bytes(a: Array) -> Array:
    return np.ascontiguousarray(a).reshape(-1).view(np.uint8)


def assert_same(got: Any, expected: Any, what: str) -> None:
    """Equal shape and bytes, for arrays and tuples of them."""
    if isinstance(expected, tuple):
        assert len(got) == len(expected), what
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            assert_same(g, e, f"{what}, result {i}")
        return
    if expected is None:
        assert got is None, what
        return
    assert got.shape == expected.shape and got.itemsize == expected.itemsize, f"{what}: {got.shape} {expected.shape}"
    differs = data_bytes(got) != data_bytes(expected)
    if differs.any():
        i = int(np.flatnonzero(differs.reshape(-1, expected.itemsize).any(axis=1))[0])
        g, e = (data_bytes(a)[i * a.itemsize : (i + 1) * a.itemsize][::-1].tobytes().hex() for a in (got, expected))
        where = tuple(map(int, np.unravel_index(i, expected.shape)))
        raise AssertionError(f"{what}: {differs.sum()} bytes differ, the first at {where}: 0x{g}, expected 0x{e}")


def on_every_target(call: Callable[[], Any], expected: Any, what: str) -> None:
    for name in kvant_c.supported_targets():
        with kvant_c.target(name):
            got = call()
        assert_same(got, expected, f"{what} on {name}")


def shown(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)


def compare(op: str, *args: Any, how: dict[str, Any] | None = None, alloc: Any = None, **attributes: Any) -> Any:
    """Runs kvant and the oracle on the same arguments; returns what both computed."""
    with np.errstate(all="ignore"):
        expected = getattr(oracle, op)(*args, **attributes)
    extra = {name: value for name, value in (("how", how), ("alloc", alloc)) if value is not None}
    named = [
        *(shown(a) for a in args),
        *(f"{name}={shown(value)}" for name, value in attributes.items()),
        f"{how or ''}",
    ]
    on_every_target(lambda: getattr(kvant_c, op)(*args, **attributes, **extra), expected, f"{op}({', '.join(named)})")
    return expected


def assert_within_bound(x: Array, back: Array, scale: Any, offset: Any, dst_type: str) -> None:
    """|x - back| <= scale * (0.5 + 2^-22 * (|offset| + R)) for one row, in exact arithmetic."""
    s, o = Fraction(float(scale)), Fraction(0 if offset is None else float(offset))
    bound = s * (Fraction(1, 2) + Fraction(1, 1 << 22) * (abs(o) + RANGES[dst_type][1]))
    for value, restored in zip(x, back, strict=True):
        error = abs(Fraction(float(restored)) - Fraction(float(value)))
        assert error <= bound, f"{value} came back as {restored}: scale {scale}, offset {offset}"
