"""The number formats, one NumPy element at a time: float32 to code and back.

Codes are unpacked here: int8 for the integer formats (INT4 as -8..7) and uint8 for the others.
`to_storage` and `from_storage` convert to and from what a tensor holds.
"""

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F32 = NDArray[np.float32]

FORMATS = ("int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8")
INTEGER_RANGE = {"int8": (-128, 127), "int4": (-8, 7)}

# Mantissa bits, smallest normal exponent, code of the largest finite value.
FLOAT8 = {"float8_e4m3fn": (3, -6, 0x7E), "float8_e5m2": (2, -14, 0x7B)}

HIFLOAT8_MAX_CODE = 0x6E
HIFLOAT8_OVERFLOW = 40960.0
CANONICAL_NAN = np.uint32(0x7FC00000)


def to_f32(x: Array) -> F32:
    """An exact conversion; other dtypes are an error because they would round or mean something else."""
    x = np.asarray(x)
    if x.dtype not in (np.float16, ml_dtypes.bfloat16, np.float32):
        raise TypeError(f"expected fp16, bf16 or fp32, got {x.dtype}")
    with np.errstate(invalid="ignore"):
        return x.astype(np.float32)


def canonical(x: Array) -> F32:
    """The same values with every NaN as 0x7FC00000."""
    bits = np.array(x, dtype=np.float32).view(np.uint32)
    bits[np.isnan(x)] = CANONICAL_NAN
    return bits.view(np.float32)


# Encoding


def encode(x: Array, dst_type: str, round_mode: str = "rint") -> Array:
    x = np.asarray(x)
    if x.dtype != np.float32:
        raise TypeError(f"encode takes float32, got {x.dtype}")
    if round_mode not in (("rint", "round", "hybrid") if dst_type == "hifloat8" else ("rint",)):
        raise ValueError(f"round_mode {round_mode!r} does not exist for {dst_type}")
    with np.errstate(all="ignore"):
        if dst_type in INTEGER_RANGE:
            return _encode_integer(x, *INTEGER_RANGE[dst_type])
        if dst_type in FLOAT8:
            return _encode_float8(x, *FLOAT8[dst_type])
        if dst_type == "hifloat8":
            return _encode_hifloat8(x, hybrid=round_mode == "hybrid")
    raise ValueError(f"unknown format {dst_type!r}")


def _encode_integer(x: F32, low: int, high: int) -> Array:
    rounded = np.where(np.isnan(x), np.float32(0), np.rint(x))
    return np.clip(rounded, low, high).astype(np.int8)


def _encode_float8(x: F32, mantissa_bits: int, min_exponent: int, max_code: int) -> Array:
    # In float64 the scaling by a power of two is exact for every fp32, subnormals included, so
    # np.rint is the only rounding.
    magnitude = np.abs(x.astype(np.float64))
    magnitude = np.where(np.isfinite(magnitude), magnitude, 2.0**120)
    # frexp gives 0 the exponent 0; the smallest magnitudes share the smallest normal exponent.
    exponent = np.where(magnitude > 0, np.frexp(magnitude)[1] - 1, min_exponent)
    exponent = np.maximum(exponent, min_exponent)
    steps = np.rint(np.ldexp(magnitude, mantissa_bits - exponent)).astype(np.int64)
    # The implicit 1 of a normal number adds one to the exponent field, and so does a carry.
    code = ((exponent.astype(np.int64) - min_exponent) << mantissa_bits) + steps
    code = np.minimum(code, max_code) | (np.signbit(x).astype(np.int64) << 7)
    return np.where(np.isnan(x), 0x7F, code).astype(np.uint8)


def _encode_hifloat8(x: F32, hybrid: bool) -> Array:
    bits = x.view(np.uint32).astype(np.int64)
    exponent = ((bits >> 23) & 0xFF) - 127
    significand = (bits & 0x7FFFFF) | 1 << 23
    # From here on everything outside [2^-23, 40960) is a harmless 1.0; its code is patched in below.
    magnitude = np.abs(x)
    in_range = (magnitude >= np.float32(2.0**-23)) & (magnitude < np.float32(HIFLOAT8_OVERFLOW))
    exponent = np.where(in_range, exponent, 0)
    significand = np.where(in_range, significand, 1 << 23)

    kept = _hifloat8_mantissa_bits(exponent)
    # At 2^-23 the implicit 1 is discarded as well: 24 bits, measured against the step 2^-22.
    half_denormal = exponent == -23
    dropped = np.where(half_denormal, 24, 23 - kept)
    rest = significand & ((np.int64(1) << dropped) - 1)
    up = (rest >> (dropped - 1)) & 1
    if hybrid:
        by_own_bits = (rest != 0) & ((rest >> (dropped - 14)) >= (rest & 0x3FFF))
        up = np.where(np.abs(exponent) < 4, up, by_own_bits)
    steps = (significand >> dropped) + up
    carry = np.where(half_denormal, steps == 1, steps >> (kept + 1) == 1)
    exponent = exponent + carry
    mantissa = np.where(carry, 0, steps & ((np.int64(1) << kept) - 1))

    code = _hifloat8_code(exponent, mantissa)
    code = np.where(exponent < -22, 0, np.where(code == 0x6F, HIFLOAT8_MAX_CODE, code))
    code = np.where(magnitude < np.float32(2.0**-23), 0, code)
    code = np.where(magnitude >= np.float32(HIFLOAT8_OVERFLOW), HIFLOAT8_MAX_CODE, code)
    code = np.where(np.isnan(x), 0, code)
    sign = np.where(code == 0, 0, np.signbit(x).astype(np.int64) << 7)
    return (code | sign).astype(np.uint8)


def _hifloat8_mantissa_bits(exponent: Array) -> Array:
    distance = np.abs(exponent)
    return np.select([distance < 4, distance < 8, distance < 16], [3, 2, 1], 0).astype(np.int64)


def _hifloat8_code(exponent: Array, mantissa: Array) -> Array:
    """Positive code of a representable value; `mantissa` is as wide as the exponent says."""
    distance = np.abs(exponent)
    negative = (exponent < 0).astype(np.int64)
    d1 = 0x10 | negative << 3 | mantissa
    d2 = 0x20 | negative << 4 | (distance - 2) << 3 | mantissa
    d3 = 0x40 | negative << 4 | (distance - 4) << 2 | mantissa
    d4 = 0x60 | negative << 4 | (distance - 8) << 1 | mantissa
    rows = [distance == 0, distance == 1, distance < 4, distance < 8, distance < 16]
    return np.select(rows, [0x08 | mantissa, d1, d2, d3, d4], exponent + 23)


# Decoding


def decode(codes: Array, src_type: str) -> F32:
    if src_type in INTEGER_RANGE:
        return np.asarray(codes, dtype=np.int8).astype(np.float32)
    codes = np.asarray(codes, dtype=np.uint8)
    if src_type in FLOAT8:
        table = _float8_table(*FLOAT8[src_type], infinity=src_type == "float8_e5m2")
    elif src_type == "hifloat8":
        table = _hifloat8_table()
    else:
        raise ValueError(f"unknown format {src_type!r}")
    return table[codes]


def _float8_table(mantissa_bits: int, min_exponent: int, max_code: int, infinity: bool) -> F32:
    code = np.arange(128)
    field = code >> mantissa_bits
    steps = (code & ((1 << mantissa_bits) - 1)) + np.where(field > 0, 1 << mantissa_bits, 0)
    exponent = np.maximum(field - 1, 0) + min_exponent - mantissa_bits
    values = np.ldexp(steps.astype(np.float32), exponent).astype(np.float32)
    values[max_code + 1 :] = np.nan
    if infinity:
        values[max_code + 1] = np.inf
    return canonical(np.concatenate([values, -values]))


def _hifloat8_table() -> F32:
    values = np.zeros(128, dtype=np.float32)
    for p in range(1, 128):
        # The rows of the layout: (width of the exponent's low part, mantissa bits).
        if p < 0x08:
            values[p] = 2.0 ** (p - 23)
            continue
        if p < 0x10:
            values[p] = 1 + (p & 7) / 8
            continue
        low, width = (0, 3) if p < 0x20 else (1, 3) if p < 0x40 else (2, 2) if p < 0x60 else (3, 1)
        fields = p >> width
        exponent = (1 << low) | (fields & ((1 << low) - 1))
        if fields >> low & 1:
            exponent = -exponent
        values[p] = 2.0**exponent * (1 + (p & ((1 << width) - 1)) / (1 << width))
    values[0x6F] = np.inf
    table = np.concatenate([values, -values])
    table[0x80] = np.nan
    return canonical(table)


# Storage


def to_storage(codes: Array, dst_type: str) -> Array:
    return pack_int4(codes) if dst_type == "int4" else codes


def from_storage(stored: Array, src_type: str) -> Array:
    if src_type == "int4":
        return unpack_int4(stored)
    expected = np.int8 if src_type == "int8" else np.uint8
    stored = np.asarray(stored)
    if stored.dtype.itemsize != 1:
        raise TypeError(f"{src_type} codes are one byte each, got {stored.dtype}")
    return stored.view(expected)


def pack_int4(codes: Array, as_int32: bool = False) -> Array:
    """Element 2k in the low nibble of byte k; the int32 form is that byte stream read little-endian."""
    codes = np.asarray(codes)
    per_unit = 8 if as_int32 else 2
    if codes.ndim == 0 or codes.shape[-1] % per_unit:
        raise ValueError(f"last dimension of {codes.shape} is not a multiple of {per_unit}")
    nibbles = codes.astype(np.uint8) & 0xF
    packed = np.ascontiguousarray(nibbles[..., 0::2] | nibbles[..., 1::2] << 4)
    return packed.view("<i4") if as_int32 else packed


def unpack_int4(packed: Array) -> NDArray[np.int8]:
    packed = np.ascontiguousarray(packed)
    if packed.dtype not in (np.uint8, np.int32):
        raise TypeError(f"packed INT4 is uint8 or int32, got {packed.dtype}")
    packed = packed.astype(packed.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    shape = (*packed.shape[:-1], 2 * packed.shape[-1])
    nibbles = np.stack([packed & 0xF, packed >> 4], axis=-1).reshape(shape)
    # Moving the nibble to the top of the byte and back extends its sign.
    return (nibbles << 4).view(np.int8) >> 4
