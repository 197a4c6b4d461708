"""Which elements of a tensor share a scale, smooth scale or expert, and the statistics over them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle_formats import F32, Array, canonical, to_f32


def blocks_of(x: Array, quant_mode: str, group_size: int) -> tuple[Array, int]:
    """x seen so that the elements which share a scale lie along one axis, and that axis."""
    if group_size and quant_mode != "pertoken":
        raise ValueError(f"group_size = {group_size} goes with pertoken, not with {quant_mode}")
    if quant_mode == "pertensor":
        return x.reshape(1, x.size), -1
    if quant_mode == "perchannel":
        if x.ndim < 2:
            raise ValueError(f"perchannel needs rank 2, got shape {x.shape}")
        return x, -2
    if quant_mode != "pertoken":
        raise ValueError(f"unknown quant_mode {quant_mode!r}")
    if group_size == 0:
        return x, -1
    if group_size < 0 or x.shape[-1] % group_size:
        raise ValueError(f"group_size = {group_size} does not divide the last dimension {x.shape[-1]}")
    return x.reshape(*x.shape[:-1], x.shape[-1] // group_size, group_size), -1


def along_blocks(params: Any, blocks: Array, axis: int, name: str) -> F32:
    """One parameter per block, made to broadcast against the blocks."""
    params = to_f32(params)
    expected = np.delete(np.array(blocks.shape), axis)
    if params.shape != tuple(expected):
        raise ValueError(f"{name} has shape {params.shape}, expected {tuple(expected)}")
    return np.expand_dims(params, axis)


def group_of_row(group_index: Array, rows: int) -> NDArray[np.int64]:
    """The first i with group_index[i] > r, for every row r."""
    ends = np.asarray(group_index)
    if ends.dtype not in (np.int32, np.int64) or ends.ndim != 1:
        raise TypeError(f"group_index must be int32 or int64 [E], got {ends.dtype} {ends.shape}")
    ends = ends.astype(np.int64)
    previous = 0
    for i, end in enumerate(ends):
        if not previous <= end <= rows:
            raise ValueError(f"group_index[{i}] = {end} is not within [{previous}, {rows}]")
        previous = end
    if previous != rows:
        raise ValueError(f"group_index[{ends.size - 1}] = {previous} is not the number of rows {rows}")
    return np.searchsorted(ends, np.arange(rows), side="right").astype(np.int64)


def smoothed(x: Array, smooth_scales: Array | None, group_index: Array | None, quant_mode: str) -> F32:
    x = to_f32(x)
    if x.ndim == 0:
        raise ValueError("x needs rank 1")
    if smooth_scales is None:
        if group_index is not None:
            raise ValueError("group_index needs smooth_scales [E, H]")
        return x
    smooth = to_f32(smooth_scales)
    if group_index is not None:
        if quant_mode == "perchannel":
            raise ValueError("group_index does not go with perchannel")
        rows = int(np.prod(x.shape[:-1], dtype=np.int64))
        group = group_of_row(group_index, rows)
        expected: tuple[int, ...] = (len(group_index), x.shape[-1])
    elif quant_mode == "perchannel":
        expected = x.shape[-2:-1]
    else:
        expected = (x.shape[-1],)
    if smooth.shape != expected:
        raise ValueError(f"smooth_scales has shape {smooth.shape}, expected {expected}")
    if group_index is not None:
        smooth = smooth[group].reshape(x.shape)
    elif quant_mode == "perchannel":
        smooth = smooth[:, None]
    with np.errstate(all="ignore"):
        return x * smooth


def _ordered(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    """float bits <-> integers in the order of the floats, -0 below +0; its own inverse."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def extreme(blocks: F32, axis: int, reduce: np.ufunc, empty: float) -> F32:
    start = _ordered(np.array(empty, dtype=np.float32).view(np.int32))
    keys = _ordered(np.ascontiguousarray(blocks).view(np.int32))
    found = _ordered(reduce.reduce(keys, axis=axis, initial=start)).view(np.float32)
    return canonical(np.where(np.isnan(blocks).any(axis=axis), np.float32(np.nan), found))
