"""What operators are tested on: rows that are hard to quantize, and memory layouts."""

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

import oracle
from oracle_formats import Array

BF16 = ml_dtypes.bfloat16
DTYPES = (np.float16, BF16, np.float32)
INTEGERS = ("int8", "int4")

# Exponents of the smallest subnormal and of the largest number.
EXPONENTS = {np.float16: (-24, 15), BF16: (-133, 127), np.float32: (-149, 127)}


def unsigned(dtype: Any) -> Any:
    return {2: np.uint16, 4: np.uint32}[np.dtype(dtype).itemsize]


def special(dtype: Any) -> dict[str, Any]:
    """Bit patterns by name."""
    sign = 1 << (8 * np.dtype(dtype).itemsize - 1)
    info = ml_dtypes.finfo(dtype)
    inf = int(np.array(np.inf, dtype).view(unsigned(dtype)))
    normal = int(np.array(info.tiny, dtype).view(unsigned(dtype)))
    return {"sign": sign, "inf": inf, "largest": inf - 1, "normal": normal, "quiet": inf | normal >> 1}


def neighbours(x: Array, steps: Array | int) -> Array:
    """x moved by `steps` representable numbers; finite results only."""
    bits = x.view(unsigned(x.dtype)).astype(np.int64)
    sign, inf = (special(x.dtype)[name] for name in ("sign", "inf"))
    order = np.where(bits >= sign, sign - bits, bits) + steps
    order = np.clip(order, -(inf - 1), inf - 1)
    return np.where(order < 0, sign - order, order).astype(unsigned(x.dtype)).view(x.dtype)


def rounded(x: Array, dtype: Any) -> Array:
    """To the dtype, at most its largest number."""
    largest = float(ml_dtypes.finfo(dtype).max)
    return np.asarray(np.clip(np.asarray(x, np.float64), -largest, largest).astype(dtype))


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, low: int, high: int) -> Array:
    """Both signs, exponents from low to high, fractions of any length."""
    fraction = rng.integers(1 << 23, 1 << 24, shape) & -(1 << rng.integers(0, 24, shape))
    sign = rng.choice([-1.0, 1.0], shape)
    values = sign * np.ldexp(fraction.astype(np.float64), rng.integers(low, high + 1, shape) - 23)
    return rounded(values, dtype)


def activations(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Rows of different scale and mean, a few outliers."""
    x = rng.standard_normal(shape) * np.exp(rng.standard_normal((*shape[:-1], 1)) * 3)
    x += rng.choice([0, 0, 0, 4, -40], (*shape[:-1], 1)) * np.exp(rng.standard_normal((*shape[:-1], 1)))
    x *= rng.choice([1, 1, 1, 1, 1, 1, 20], shape)
    return np.clip(x, -60000, 60000).astype(dtype)


def extreme_rows(rng: np.random.Generator, dtype: Any, n: int) -> Array:
    """Zeros, constants, one sign only, NaNs of every kind, infinities, overflowing ranges, subnormals."""
    s, u = special(dtype), unsigned(dtype)
    sign, inf, largest, normal = s["sign"], s["inf"], s["largest"], s["normal"]
    tiny, one = 1, int(np.array(1, dtype).view(u))
    rows = [
        np.full(n, v) for v in (0, sign, one, sign | one, one + 1, largest, sign | largest, tiny, sign | tiny, normal)
    ]
    rows += [
        rng.choice(values, n) for values in ([0, sign], [0, sign, tiny], [largest, sign | largest], [one, one + 1])
    ]
    rows += [rng.integers(0, normal, n), rng.integers(0, normal, n) | sign]  # subnormals of one sign
    rows += [rng.integers(normal, inf, n), rng.integers(normal, inf, n) | sign]
    rows += [rng.integers(0, 2 * normal, n) | rng.choice([0, sign], n) for _ in range(3)]
    finite = rng.integers(0, inf, (30, n)) | rng.choice([0, sign], (30, n))
    plain = activations(rng, (30, n), dtype).view(u).astype(np.int64)
    rows += [*finite[:8], np.where(rng.random(n) < 0.5, rng.integers(0, normal, n), plain[0])]
    nans = [s["quiet"], sign | s["quiet"], inf + 1, sign | inf + 1, sign - 1, 2 * sign - 1]
    for i, v in enumerate([*nans, inf, sign | inf]):
        for place in (0, n // 2, n - 1):
            row = plain[i].copy()
            row[place] = v
            rows.append(row)
    both = plain[9].copy()
    both[[0, n - 1]] = inf, sign | inf
    rows += [both, rng.choice([inf, sign | inf, nans[0]], n), rng.choice(nans, n), np.full(n, inf)]
    return np.stack(rows).astype(u).view(dtype)


def scale_sweep(rng: np.random.Generator, dtype: Any, n: int) -> Array:
    """A row for every exponent that the largest magnitude can have, its elements within 2^-40 of it."""
    low, high = EXPONENTS[dtype]
    return np.concatenate([numbers(rng, (1, n), dtype, max(e - 40, low), e) for e in range(low, high + 1)])


def threshold_rows(rng: np.random.Generator, dtype: Any, dst_type: str, n: int) -> Array:
    """Scales at powers of two and beside them, where implementations may change their method.

    Ranges are around zero, on one side of it and far away, so that offsets are 0, small, and beyond 2^18.
    """
    low, high = EXPONENTS[dtype]
    largest, span = (float(v) for v in oracle.limits(dst_type))
    wanted = [
        -149,
        -148,
        -127,
        -126,
        -125,
        -102,
        -101,
        -100,
        -99,
        -98,
        -77,
        -76,
        -75,
        -52,
        -51,
        -50,
        -49,
        -44,
        -26,
        -14,
    ]
    rows = []
    for exponent in [e for e in [*wanted, -1, 0, 7, 90, 118, 119, 123, 124, 125, 126] if low <= e <= high]:
        unit = 2.0**exponent
        for first, last in ((-largest, largest), (largest - span, largest), (0, span), (-span, 0)):
            if max(abs(first), abs(last)) * unit > float(ml_dtypes.finfo(dtype).max):
                continue
            ends = neighbours((np.array([first, last]) * unit).astype(dtype), rng.integers(-1, 2, 2))
            inside = rng.uniform(first, last, n) * unit * np.exp2(-rng.integers(0, 60, n) * (rng.random(n) < 0.3))
            rows.append(np.clip(inside.astype(dtype), *ends))
            rows[-1][[0, n - 1]] = ends
    for mean in np.exp2([10, 15, 16, 17, 17.9, 18, 18.1, 20, 23]) if dtype == np.float32 else [3, 50, 300]:
        x = rng.choice([-1, 1]) * (mean + rng.uniform(0, 1, n))
        rows.append(np.clip(x, -60000, 60000).astype(dtype))
    return np.stack(rows)


def boundary_rows(rng: np.random.Generator, dtype: Any, dst_type: str, symmetric: bool, rows: int, n: int) -> Array:
    """Elements at the boundaries between two codes, as exactly as the dtype has them, and one step beside."""
    if dst_type in INTEGERS:
        low, high = {"int8": (-128, 127), "int4": (-8, 7)}[dst_type]
        boundaries = np.arange(low, high) + 0.5
    else:
        values = oracle.decode(np.arange(256, dtype=np.uint8), dst_type).astype(np.float64)
        values = np.unique(values[np.isfinite(values)])
        boundaries = (values[1:] + values[:-1]) / 2
    e = EXPONENTS[dtype]
    ends = numbers(rng, (rows, 2), dtype, max(e[0] // 2, -60), min(e[1] - 2, 60))
    # In a third of the rows scales are powers of two, so that boundaries are exact ties.
    unit = np.exp2(rng.integers(-8, 2, (rows, 1)).astype(np.float64))
    largest, span = (float(v) for v in oracle.limits(dst_type))
    exact = np.concatenate([unit * -largest if symmetric else unit * (largest - span), unit * largest], axis=1)
    fits = np.abs(exact).max(axis=1, keepdims=True) <= float(ml_dtypes.finfo(dtype).max)
    ends = np.where(fits & (rng.random((rows, 1)) < 0.33), np.where(fits, exact, 0).astype(dtype), ends)
    ends = np.sort(ends.astype(np.float32), axis=1).astype(dtype)
    _, scale, offset = oracle.dynamic_quant(ends, dst_type, symmetric)
    with np.errstate(all="ignore"):
        v = rng.choice(boundaries, (rows, n)) - (0 if offset is None else offset[:, None].astype(np.float64))
        x = (v * scale[:, None].astype(np.float64)).astype(dtype)
    x = neighbours(x, rng.integers(-1, 2, x.shape))
    if symmetric:
        bound = np.abs(ends.astype(np.float32)).max(axis=1, keepdims=True)
        x = np.clip(x.astype(np.float32), -bound, bound).astype(dtype)
    else:
        x = np.clip(x.astype(np.float32), *(ends[:, i, None].astype(np.float32) for i in (0, 1))).astype(dtype)
    x[:, [0, n - 1]] = ends
    return x


# Layouts: the same values elsewhere in memory.


def _padded(a: Array) -> Array:
    """Rows apart from one another, the first one not where memory was allocated."""
    big = np.zeros((*a.shape[:-1], a.shape[-1] + 5), a.dtype)
    big[..., 3:-2] = a
    return big[..., 3:-2]


def _sliced(a: Array) -> Array:
    big = np.zeros((*(2 * extent + 1 for extent in a.shape[:-1]), 3 * a.shape[-1] + 2), a.dtype)
    view = big[(slice(1, None, 2),) * (a.ndim - 1) + (slice(2, None, 3),)]
    view[...] = a
    return view


def _reversed(a: Array) -> Array:
    backwards = (slice(None, None, -1),) * a.ndim
    return a[backwards].copy()[backwards]


def _transposed(a: Array) -> Array:
    return a.transpose().copy().transpose()


LAYOUTS = {"padded": _padded, "sliced": _sliced, "reversed": _reversed, "transposed": _transposed}


def laid_out(a: Array, layout: str | int) -> Array:
    """By name, or contiguous that many elements after the start of the memory."""
    if isinstance(layout, int):
        memory = np.zeros(layout + a.size + 64, a.dtype)
        view = memory[layout : layout + a.size].reshape(a.shape)
        view[...] = a
        return view
    return LAYOUTS[layout](a) if a.ndim > 0 else a.copy()


class Guarded:
    """Makes results of one layout inside poisoned memory; `check` says whether anything around them was written."""

    def __init__(self, layout: str | int) -> None:
        self.layout = layout
        self.made: list[tuple[Array, Array]] = []

    def __call__(self, shape: tuple[int, ...], dtype: Any) -> Array:
        a = laid_out(np.zeros(shape, dtype), self.layout)
        whole = a
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        whole.reshape(-1).view(np.uint8)[...] = 0xA5
        self.made.append((a, whole))
        return a

    def check(self) -> None:
        for a, whole in self.made:
            a.view(f"u{a.itemsize}")[...] = int("a5" * a.itemsize, 16)
            assert (whole.reshape(-1).view(np.uint8) == 0xA5).all(), "memory around a result was written"


def group_ends(rng: np.random.Generator, groups: int, rows: int) -> Iterator[Array]:
    """Cumulative ends, some groups empty, as int32 and as int64."""
    ends = np.sort(rng.integers(0, rows + 1, groups))
    ends[-1] = rows
    for dtype in (np.int32, np.int64):
        yield ends.astype(dtype)
