"""The operators in NumPy, transcribed from their definitions step by step.

Every operation is one float32 ufunc, in the order in which the definition writes it: NumPy rounds
after each and fuses nothing, so these are the bits that every backend has to produce.
"""

from typing import Any

import ml_dtypes
import numpy as np

from oracle_formats import (
    F32,
    FORMATS,
    Array,
    canonical,
    decode,
    encode,
    from_storage,
    pack_int4,
    to_f32,
    to_storage,
    unpack_int4,
)
from oracle_rows import along_blocks, blocks_of, extreme, group_of_row, smoothed

__all__ = [
    "FORMATS",
    "canonical",
    "decode",
    "dequantize",
    "dynamic_quant",
    "encode",
    "from_storage",
    "group_of_row",
    "limits",
    "pack_int4",
    "params_from_amax",
    "params_from_minmax",
    "quantize",
    "quantize_with_params",
    "row_amax",
    "row_minmax",
    "to_f32",
    "to_storage",
    "unpack_int4",
]

MIN_ASYMMETRIC_SCALE = np.uint32(0x2B8CBCCC).view(np.float32)  # 1e-12f
LARGEST = {"int8": 127, "int4": 7, "float8_e4m3fn": 448, "float8_e5m2": 57344}
RANGE = {"int8": 255, "int4": 15, "float8_e4m3fn": 896, "float8_e5m2": 114688}


def limits(dst_type: str, dst_type_max: float = 0.0) -> tuple[np.float32, np.float32]:
    """(D, R): the code that the largest magnitude becomes, and the span of the codes."""
    largest = np.float32(dst_type_max)
    if dst_type != "hifloat8":
        if largest != 0:
            raise ValueError(f"dst_type_max = {dst_type_max} goes with hifloat8, not with {dst_type}")
        return np.float32(LARGEST[dst_type]), np.float32(RANGE[dst_type])
    if not 0 <= largest <= 32768:
        raise ValueError(f"dst_type_max = {dst_type_max} is not within [0, 32768]")
    if largest < np.float32(1e-6):
        largest = np.float32(32768)
    return largest, np.float32(2) * largest


def row_minmax(
    x: Array,
    *,
    smooth_scales: Array | None = None,
    group_index: Array | None = None,
    quant_mode: str = "pertoken",
    group_size: int = 0,
) -> tuple[F32, F32]:
    """(min, max) of each block; NaN if it holds one, (+inf, -inf) if it is empty."""
    blocks, axis = blocks_of(smoothed(x, smooth_scales, group_index, quant_mode), quant_mode, group_size)
    return extreme(blocks, axis, np.minimum, np.inf), extreme(blocks, axis, np.maximum, -np.inf)


def row_amax(
    x: Array,
    *,
    smooth_scales: Array | None = None,
    group_index: Array | None = None,
    quant_mode: str = "pertoken",
    group_size: int = 0,
) -> F32:
    """max|x| of each block; NaN if it holds one, 0 if it is empty."""
    blocks, axis = blocks_of(smoothed(x, smooth_scales, group_index, quant_mode), quant_mode, group_size)
    return extreme(np.abs(blocks), axis, np.maximum, 0.0)


# Parameters


def params_from_amax(amax: F32, *, dst_type: str = "int8", dst_type_max: float = 0.0) -> F32:
    largest, _ = limits(dst_type, dst_type_max)
    with np.errstate(all="ignore"):
        return canonical(np.asarray(amax, dtype=np.float32) / largest)


def params_from_minmax(
    minimum: F32, maximum: F32, *, dst_type: str = "int8", dst_type_max: float = 0.0
) -> tuple[F32, F32]:
    """(scale, offset). The statistics of nothing, (+inf, -inf), count as the single value 0."""
    largest, span = limits(dst_type, dst_type_max)
    minimum = np.asarray(minimum, dtype=np.float32)
    maximum = np.asarray(maximum, dtype=np.float32)
    empty = (minimum == np.inf) & (maximum == -np.inf)
    minimum = np.where(empty, np.float32(0), minimum)
    maximum = np.where(empty, np.float32(0), maximum)
    with np.errstate(all="ignore"):
        t = (maximum - minimum) / span
        scale = np.where(t < MIN_ASYMMETRIC_SCALE, MIN_ASYMMETRIC_SCALE, t)
        offset = largest - maximum / scale
    return canonical(scale), canonical(offset)


# Operators


def quantize_with_params(
    x: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    dst_type: str = "int8",
    smooth_scales: Array | None = None,
    group_index: Array | None = None,
    quant_mode: str = "pertoken",
    group_size: int = 0,
) -> Array:
    """The codes as stored; without an offset a scale of 0 makes them 0x00."""
    if group_size and dst_type not in ("int8", "int4"):
        raise ValueError(f"group_size = {group_size} goes with int8 and int4, not with {dst_type}")
    values = smoothed(x, smooth_scales, group_index, quant_mode)
    blocks, axis = blocks_of(values, quant_mode, group_size)
    s = along_blocks(scale, blocks, axis, "scale")
    with np.errstate(all="ignore"):
        v = blocks / s
        if offset is not None:
            v = v + along_blocks(offset, blocks, axis, "offset")
    codes = encode(v, dst_type)
    if offset is None:
        codes = np.where(s == 0, codes.dtype.type(0), codes)
    return to_storage(codes.reshape(values.shape), dst_type)


def dynamic_quant(
    x: Array,
    dst_type: str = "int8",
    symmetric: bool = False,
    quant_mode: str = "pertoken",
    smooth_scales: Array | None = None,
    group_index: Array | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
) -> tuple[Array, F32, F32 | None]:
    """(codes as stored, scale, offset); offset is None when symmetric."""
    shared: dict[str, Any] = {
        "smooth_scales": smooth_scales,
        "group_index": group_index,
        "quant_mode": quant_mode,
        "group_size": group_size,
    }
    offset: F32 | None = None
    if symmetric:
        scale = params_from_amax(row_amax(x, **shared), dst_type=dst_type, dst_type_max=dst_type_max)
    else:
        low, high = row_minmax(x, **shared)
        scale, offset = params_from_minmax(low, high, dst_type=dst_type, dst_type_max=dst_type_max)
    return quantize_with_params(x, scale, offset, dst_type=dst_type, **shared), scale, offset


def quantize(
    x: Array,
    scales: Array,
    zero_points: Array | None = None,
    *,
    dst_type: str = "int8",
    axis: int = -1,
    reciprocal_scale: bool = False,
    round_mode: str = "rint",
) -> Array:
    """Given parameters: one scale and zero point, or one for each position along `axis`."""
    values = to_f32(x)

    def along_axis(parameter: F32, name: str) -> F32:
        if parameter.size == 1:
            return parameter.reshape(())
        if parameter.size != values.shape[axis]:
            raise ValueError(f"{name} has {parameter.size} elements, expected 1 or {values.shape[axis]}")
        shape = [1] * values.ndim
        shape[axis] = parameter.size
        return parameter.reshape(shape)

    scale = along_axis(to_f32(scales), "scales")
    if zero_points is None:
        zero = np.array(-0.0, dtype=np.float32)
    elif np.asarray(zero_points).dtype == np.int32:
        zero = along_axis(np.asarray(zero_points).astype(np.float32), "zero_points")
    else:
        zero = along_axis(to_f32(zero_points), "zero_points")
    with np.errstate(all="ignore"):
        v = (values * scale if reciprocal_scale else values / scale) + zero
    return to_storage(encode(v, dst_type, round_mode), dst_type)


def dequantize(
    y: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    dst_type: str,
    quant_mode: str = "pertoken",
    group_size: int = 0,
    negate_offset: bool = False,
    dtype: Any = np.float32,
) -> Array:
    """(y - offset) * scale in fp32, then one rounding to `dtype`."""
    if np.dtype(dtype) not in (np.float16, ml_dtypes.bfloat16, np.float32):
        raise TypeError(f"dtype must be fp16, bf16 or fp32, got {dtype}")
    q = decode(from_storage(y, dst_type), dst_type)
    blocks, axis = blocks_of(q, quant_mode, group_size)
    with np.errstate(all="ignore"):
        if offset is not None:
            o = along_blocks(offset, blocks, axis, "offset")
            blocks = blocks - (-o if negate_offset else o)
        value = canonical(blocks * along_blocks(scale, blocks, axis, "scale"))
        return value.reshape(q.shape).astype(dtype)
