"""The formats of the oracle against the golden vectors and against two public dtype libraries."""

import subprocess
import sys

import en_dtypes
import ml_dtypes
import numpy as np
import pytest

import golden
import oracle

ENCODINGS = {
    "int8": ("int8", "rint"),
    "int4": ("int4", "rint"),
    "float8_e4m3fn": ("float8_e4m3fn", "rint"),
    "float8_e5m2": ("float8_e5m2", "rint"),
    "hifloat8_round": ("hifloat8", "round"),
    "hifloat8_hybrid": ("hifloat8", "hybrid"),
}
# Format -> (public dtype, first magnitude that it does not saturate, its code there, its NaN).
# Up to that magnitude, and for every code that is not a NaN, it has to agree with us.
PUBLIC = {
    "float8_e4m3fn": (
        ml_dtypes.float8_e4m3fn,
        np.nextafter(np.float32(464), np.float32(500)),
        0x7F,
        0x7F,
    ),
    "float8_e5m2": (ml_dtypes.float8_e5m2, np.float32(61440), 0x7C, 0x7E),
    "hifloat8": (en_dtypes.hifloat8, np.float32(40960), 0x6F, 0x80),
}
LARGEST_CODE = {"float8_e4m3fn": 0x7E, "float8_e5m2": 0x7B, "hifloat8": 0x6E}
NAN_CODE = {"float8_e4m3fn": 0x7F, "float8_e5m2": 0x7F, "hifloat8": 0x00}


def code_byte(codes: np.ndarray, dst_type: str) -> np.ndarray:
    """Codes as the golden files print them."""
    return codes.view(np.uint8) & (0xF if dst_type == "int4" else 0xFF)


def floats(bits: list[int] | np.ndarray) -> np.ndarray:
    return np.array(bits, dtype=np.uint32).view(np.float32)


def every_value_of(dtype: type) -> np.ndarray:
    return oracle.to_f32(np.arange(1 << 16, dtype=np.uint16).view(dtype))


def test_golden_files_are_what_the_generator_writes() -> None:
    subprocess.run([sys.executable, golden.GENERATOR, "--check"], check=True)


@pytest.mark.parametrize("name", ENCODINGS)
def test_encode_equals_golden(name: str) -> None:
    dst_type, round_mode = ENCODINGS[name]
    lines = golden.lines(name)
    assert len(lines) > 2000
    x = floats([int(bits, 16) for bits, _ in lines])
    expected = [int(code, 16) for _, code in lines]
    np.testing.assert_array_equal(code_byte(oracle.encode(x, dst_type, round_mode), dst_type), expected)


@pytest.mark.parametrize("name", ENCODINGS)
def test_encode_equals_the_generator_anywhere(name: str) -> None:
    """Random bit patterns that the files do not hold, half of them where the format has its steps."""
    dst_type, round_mode = ENCODINGS[name]
    rng = np.random.default_rng(7)
    anywhere = rng.integers(0, 1 << 32, 4000, dtype=np.uint32)
    exponent = rng.integers(127 - 25, 127 + 18, 4000, dtype=np.uint32)
    inside = (anywhere & np.uint32(0x807FFFFF)) | exponent << np.uint32(23)
    bits = np.concatenate([anywhere, inside])
    encode = golden.encoder(name)
    expected = [encode(int(b)) for b in bits]
    np.testing.assert_array_equal(code_byte(oracle.encode(floats(bits), dst_type, round_mode), dst_type), expected)


@pytest.mark.parametrize("src_type", oracle.FORMATS)
def test_decode_equals_golden(src_type: str) -> None:
    lines = [(code, bits) for name, code, bits in golden.lines("decode") if name == src_type]
    assert [int(code, 16) for code, _ in lines] == list(range(16 if src_type == "int4" else 256))
    codes = np.array([int(code, 16) for code, _ in lines], dtype=np.uint8)
    if src_type == "int4":
        codes = oracle.unpack_int4(codes)[0::2]
    expected = [int(bits, 16) for _, bits in lines]
    np.testing.assert_array_equal(oracle.decode(codes, src_type).view(np.uint32), expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("dst_type", PUBLIC)
def test_encode_equals_public_library_on_every_16_bit_input(dst_type: str, dtype: type) -> None:
    public, overflow, overflow_code, nan_code = PUBLIC[dst_type]
    x = every_value_of(dtype)
    with np.errstate(all="ignore"):
        theirs = x.astype(public).view(np.uint8)
    ours = oracle.encode(x, dst_type)
    nan, beyond = np.isnan(x), np.abs(x) >= overflow
    shared = ~nan & ~beyond
    assert shared.sum() > 30000
    np.testing.assert_array_equal(ours[shared], theirs[shared])

    # The exclusions: there the public library leaves the finite range and kvant saturates.
    sign = np.signbit(x).astype(np.uint8) << 7
    assert nan.any() and beyond.any()
    np.testing.assert_array_equal(theirs[beyond], (overflow_code | sign)[beyond])
    np.testing.assert_array_equal(ours[beyond], (LARGEST_CODE[dst_type] | sign)[beyond])
    np.testing.assert_array_equal(theirs[nan] & (0xFF if nan_code == 0x80 else 0x7F), nan_code)
    np.testing.assert_array_equal(ours[nan], NAN_CODE[dst_type])


@pytest.mark.parametrize("src_type", PUBLIC)
def test_decode_equals_public_library(src_type: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    theirs = codes.view(PUBLIC[src_type][0]).astype(np.float32)
    np.testing.assert_array_equal(
        oracle.decode(codes, src_type).view(np.uint32), oracle.canonical(theirs).view(np.uint32)
    )


@pytest.mark.parametrize("round_mode", ["round", "hybrid"])
def test_hifloat8_codes_are_fixed_points(round_mode: str) -> None:
    codes = np.delete(np.arange(256, dtype=np.uint8), [0x6F, 0x80, 0xEF])
    values = oracle.decode(codes, "hifloat8")
    np.testing.assert_array_equal(oracle.encode(values, "hifloat8", round_mode), codes)


@pytest.mark.parametrize("dst_type", ["float8_e4m3fn", "float8_e5m2"])
def test_float8_codes_are_fixed_points(dst_type: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    values = oracle.decode(codes, dst_type)
    finite = np.isfinite(values)
    assert finite.sum() == 2 * (LARGEST_CODE[dst_type] + 1)
    np.testing.assert_array_equal(oracle.encode(values, dst_type)[finite], codes[finite])


def test_hybrid_differs_from_round_only_outside_the_middle() -> None:
    x = every_value_of(np.float16)
    x = x[np.isfinite(x)] * np.float32(1.2345678)
    differs = oracle.encode(x, "hifloat8", "hybrid") != oracle.encode(x, "hifloat8", "round")
    middle = (np.abs(x) >= 2**-3) & (np.abs(x) < 2**4)
    assert not differs[middle].any()
    assert differs[~middle].mean() > 0.1


def test_int4_packing_is_low_nibble_first() -> None:
    codes = np.array([1, -1, -8, 7, 0, 2, 3, -4], dtype=np.int8)
    np.testing.assert_array_equal(oracle.pack_int4(codes), [0xF1, 0x78, 0x20, 0xC3])
    np.testing.assert_array_equal(oracle.pack_int4(codes, as_int32=True).view(np.uint32), [0xC32078F1])


def test_int4_unpacks_both_forms() -> None:
    packed = np.arange(256, dtype=np.uint8).reshape(4, 64)
    codes = oracle.unpack_int4(packed)
    assert codes.shape == (4, 128) and codes.min() == -8 and codes.max() == 7
    np.testing.assert_array_equal(oracle.pack_int4(codes), packed)
    np.testing.assert_array_equal(oracle.unpack_int4(packed.view(np.int32)), codes)


@pytest.mark.parametrize(
    "call",
    [
        lambda: oracle.encode(np.zeros(1, np.float64), "int8"),
        lambda: oracle.to_f32(np.zeros(1, np.int32)),
        lambda: oracle.unpack_int4(np.zeros(1, np.int64)),
    ],
)
def test_wrong_dtype_is_an_error(call) -> None:
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: oracle.pack_int4(np.zeros(3, np.int8)),
        lambda: oracle.pack_int4(np.zeros(4, np.int8), as_int32=True),
        lambda: oracle.encode(np.zeros(1, np.float32), "int8", "hybrid"),
        lambda: oracle.encode(np.zeros(1, np.float32), "float8_e4m3"),
        lambda: oracle.decode(np.zeros(1, np.uint8), "float8_e4m3"),
    ],
)
def test_wrong_value_is_an_error(call) -> None:
    with pytest.raises(ValueError):
        call()
