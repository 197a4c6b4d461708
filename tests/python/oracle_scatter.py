"""Scatters and gathers in NumPy, element by element, transcribed from their definitions.

Operators that write return what the tables hold afterwards and leave those that they were given alone. A bad index
raises IndexError with what the library says about it.
"""

from typing import Any

import ml_dtypes
import numpy as np

import oracle
from oracle_formats import F32, Array, canonical, to_f32

Place = tuple[int, int]  # the position in dimension 0 and the first one along the axis


def _expected(count: int) -> str:
    return "nothing" if count == 0 else "0" if count == 1 else f"0 to {count - 1}"


def places(
    indices: Array, shape: tuple[int, ...], axis: int, length: int, index_mode: str, index_policy: str
) -> list[Place | None]:
    """Where each update goes, None for one that is skipped; `shape` is that of the destination."""
    firsts, positions = shape[0], shape[axis]
    starts = positions - length + 1  # how many are legal, from 0 on
    found: list[Place | None] = []
    for i, entry in enumerate(np.asarray(indices).tolist()):
        padding = False
        if index_mode == "batch":
            first, start = i, entry
            bad = f"indices[{i}] is {entry}, expected {_expected(starts)}"
            legal = 0 <= start < starts
        elif index_mode == "pair":
            first, start = entry
            padding = first == -1 or start == -1
            if not 0 <= first < firsts:
                bad = f"indices[{i}, 0] is {first}, expected {_expected(firsts)}, or -1 for padding"
            else:
                bad = f"indices[{i}, 1] is {start}, expected {_expected(starts)}, or -1 for padding"
            legal = 0 <= first < firsts and 0 <= start < starts
        else:
            padding = entry == -1
            bad = f"indices[{i}] is {entry}, expected {_expected(firsts * positions)}, or -1 for padding"
            legal = 0 <= entry < firsts * positions
            first, start = divmod(entry, positions) if legal else (-1, -1)
        if not legal and not padding and index_policy == "error":
            raise IndexError(bad)
        found.append((first, start) if legal else None)
    return found


def _where(place: Place, at: tuple[int, ...], axis: int, index_mode: str) -> tuple[int, ...]:
    """The element of the destination that belongs to element `at` of an update."""
    first, start = place
    if index_mode == "slot":
        return (first, *at[: axis - 1], start, *at[axis - 1 :])
    where = [first, *at]
    where[axis] += start
    return tuple(where)


def _bits(a: Array) -> Array:
    return a.view(f"u{a.itemsize}")


def _scattered(table: Array, found: list[Place | None], updates: Array, axis: int, index_mode: str) -> Array:
    """The table with the updates in it, in ascending order: the last of several in one place stays."""
    result = np.array(_bits(table))
    source = _bits(updates)
    for i, place in enumerate(found):
        if place is not None:
            for at in np.ndindex(updates.shape[1:]):
                result[_where(place, at, axis, index_mode)] = source[(i, *at)]
    return result.view(table.dtype)


def _axis_and_length(axis: int, destination: Array, updates: Array, index_mode: str) -> tuple[int, int]:
    axis %= destination.ndim
    return axis, 1 if index_mode == "slot" else updates.shape[axis]


def scatter_update(
    self: Array, indices: Array, updates: Array, axis: int = -2, *, index_mode: str, index_policy: str = "error"
) -> Array:
    axis, length = _axis_and_length(axis, self, updates, index_mode)
    found = places(indices, self.shape, axis, length, index_mode, index_policy)
    return _scattered(self, found, updates, axis, index_mode)


def quant_scatter(
    self: Array,
    indices: Array,
    updates: Array,
    quant_scales: Array,
    quant_zero_points: Array | None = None,
    *,
    dst_type: str = "int8",
    axis: int = -2,
    reciprocal_scale: bool = False,
    round_mode: str = "rint",
    index_mode: str,
    index_policy: str = "error",
) -> Array:
    codes = oracle.quantize(
        updates,
        quant_scales,
        quant_zero_points,
        dst_type=dst_type,
        reciprocal_scale=reciprocal_scale,
        round_mode=round_mode,
    )
    return scatter_update(self, indices, codes, axis, index_mode=index_mode, index_policy=index_policy)


# Tables


def kept(values: F32, table: Any, is_scale: bool) -> F32:
    """What a table holds of float32 values. One of 16 bits holds the nearest of its finite values, of a scale none
    below the smallest normal one; NaN stays NaN."""
    if np.dtype(table) == np.float32:
        return values
    info = ml_dtypes.finfo(table)
    largest, normal = np.float32(info.max), np.float32(info.tiny)
    with np.errstate(all="ignore"):
        nearest = values.astype(table).astype(np.float32)
    nearest = np.where(nearest > largest, largest, nearest)
    nearest = np.where(nearest < -largest, -largest, nearest)
    if is_scale:
        nearest = np.where(nearest < normal, normal, nearest)
    return canonical(nearest)


def _as_table(values: F32, table: Any, negate: bool = False) -> Array:
    stored = canonical(values).astype(table)
    bits = _bits(stored)
    nan = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC00000}[np.dtype(table).name]
    bits = np.where(np.isnan(values), bits.dtype.type(nan), bits)
    if negate:
        bits = bits ^ bits.dtype.type(1 << (8 * bits.itemsize - 1))
    return bits.view(stored.dtype)


def cache_rows(
    x: Array,
    table: Any,
    *,
    dst_type: str = "int8",
    symmetric: bool = False,
    smooth_scales: Array | None = None,
    group_size: int = 0,
    negate_offset: bool = False,
) -> tuple[Array, Array, Array | None]:
    """(codes as stored, scale, offset) of rows for tables of the dtype `table`."""
    shared: dict[str, Any] = {"smooth_scales": smooth_scales, "group_size": group_size}
    offset: F32 | None = None
    stored_offset: Array | None = None
    if symmetric:
        amax = oracle.row_amax(x, **shared)
        scale = kept(oracle.params_from_amax(amax, dst_type=dst_type), table, True)
    else:
        low, high = oracle.row_minmax(x, **shared)
        scale = kept(oracle.params_from_minmax(low, high, dst_type=dst_type)[0], table, True)
        largest, _ = oracle.limits(dst_type)
        empty = (low == np.inf) & (high == -np.inf)
        with np.errstate(all="ignore"):
            exact = largest - np.where(empty, np.float32(0), high) / scale
        offset = kept(canonical(exact), table, False)
        stored_offset = _as_table(offset, table, negate_offset)
    codes = oracle.quantize_with_params(x, scale, offset, dst_type=dst_type, **shared)
    return codes, _as_table(scale, table), stored_offset


def dynamic_quant_update_scatter_(
    var: Array,
    var_scale: Array,
    var_offset: Array | None,
    indices: Array,
    updates: Array,
    *,
    axis: int = -2,
    second: tuple[Array, Array, Array | None, Array] | None = None,
    index_mode: str,
    index_policy: str = "error",
    **attributes: Any,
) -> tuple[Array | None, ...]:
    """What the tables hold afterwards, with `second` six of them."""
    axis, length = _axis_and_length(axis, var, updates, index_mode)
    found = places(indices, var.shape, axis, length, index_mode, index_policy)
    results: list[Array | None] = []
    caches = [(var, var_scale, var_offset, updates)]
    for codes_table, scale_table, offset_table, x in caches if second is None else [*caches, second]:
        codes, scale, offset = cache_rows(x, scale_table.dtype, **attributes)
        if codes_table.dtype == np.int32:
            codes = oracle.pack_int4(oracle.unpack_int4(codes), as_int32=True)
        for table, written in ((codes_table, codes), (scale_table, scale), (offset_table, offset)):
            known = table is not None and written is not None
            results.append(_scattered(table, found, written, axis, index_mode) if known else None)
    return tuple(results)


def dequantize_gather(
    var: Array,
    var_scale: Array,
    var_offset: Array | None,
    indices: Array,
    *,
    dst_type: str = "int8",
    length: int = 1,
    group_size: int = 0,
    negate_offset: bool = False,
    axis: int = -2,
    index_mode: str,
    index_policy: str = "error",
    dtype: Any = np.float32,
) -> Array:
    """All of the cache as numbers, and of those the ones that indices name."""
    axis %= var.ndim
    offset = None if var_offset is None else to_f32(var_offset)
    numbers = oracle.dequantize(
        var,
        to_f32(var_scale),
        offset,
        dst_type=dst_type,
        group_size=group_size,
        negate_offset=negate_offset,
        dtype=dtype,
    )
    shape = [len(indices), *numbers.shape[1:]]
    if index_mode == "slot":
        del shape[axis]
    else:
        shape[axis] = length
    source = _bits(numbers)
    result = np.zeros(shape, source.dtype)
    for i, place in enumerate(places(indices, var.shape, axis, length, index_mode, index_policy)):
        if place is not None:
            for at in np.ndindex(result.shape[1:]):
                result[(i, *at)] = source[_where(place, at, axis, index_mode)]
    return result.view(numbers.dtype)
