"""Where the operators' formulas meet zeros, infinities, NaNs, empty tensors and given parameters."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

import oracle

BF16 = ml_dtypes.bfloat16
NAN = np.float32(np.nan)
INF = np.float32(np.inf)
DATA = Path(__file__).parents[2] / "data"


def f32(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def bits(x: np.ndarray) -> list[int]:
    return np.atleast_1d(x).view({2: np.uint16, 4: np.uint32}[x.dtype.itemsize]).tolist()


# Statistics


def test_row_minmax_orders_negative_zero_below_positive_zero() -> None:
    for row in (f32(0.0, -0.0), f32(-0.0, 0.0)):
        low, high = oracle.row_minmax(row)
        assert bits(low) == [0x80000000] and bits(high) == [0]
    assert bits(oracle.row_amax(f32(-0.0))) == [0]


def test_row_minmax_tells_neighbours_apart() -> None:
    for value in f32(-1, 1, -1e-40, 1e-40):
        below, above = np.nextafter(value, -INF), np.nextafter(value, INF)
        for low, high in ((below, value), (value, above)):
            for row in (f32(low, high), f32(high, low)):
                assert oracle.row_minmax(row) == (low, high)


def test_statistics_of_nothing() -> None:
    nothing = np.zeros((2, 0), np.float16)
    low, high = oracle.row_minmax(nothing)
    assert (low == INF).all() and (high == -INF).all()
    assert bits(oracle.row_amax(nothing)) == [0, 0]


def test_nan_takes_the_statistics_in_its_canonical_form() -> None:
    odd_nan = np.uint32(0xFF812345).view(np.float32)
    x = np.array([[1, odd_nan, INF], [1, 2, -INF]], dtype=np.float32)
    low, high = oracle.row_minmax(x)
    assert bits(low) == [0x7FC00000, 0xFF800000] and bits(high) == [0x7FC00000, 0x40000000]
    assert bits(oracle.row_amax(x)) == [0x7FC00000, 0x7F800000]


# dynamic_quant


@pytest.mark.parametrize("dst_type", oracle.FORMATS)
def test_zero_rows_symmetric(dst_type: str) -> None:
    """Minus zero too: its code is 0x00, not the minus zero of FP8."""
    y, scale, _ = oracle.dynamic_quant(np.array([[0.0, -0.0]] * 2, np.float16), dst_type, True)
    assert not y.view(np.uint8).any() and bits(scale) == [0, 0]


def test_codes_come_from_a_division() -> None:
    """Every element is a tie in exact arithmetic; multiplying by 1 / 41 would move some of them off it."""
    halves = np.arange(127, dtype=np.float32) + np.float32(0.5)
    y, scale, _ = oracle.dynamic_quant(np.append(halves * 41, np.float32(127 * 41)), symmetric=True)
    assert scale == 41 and y.tolist() == [*np.rint(halves).tolist(), 127]
    assert (np.rint(halves * 41 * (np.float32(1) / np.float32(41))) != y[:-1]).any()


def test_scale_that_underflows_makes_zero_codes() -> None:
    y, scale, _ = oracle.dynamic_quant(f32(1e-45, -6e-44), "int8", True)
    assert scale == 0 and y.tolist() == [0, 0]


@pytest.mark.parametrize(("dst_type", "largest"), [("int8", 127), ("int4", 7)])
def test_constant_rows_asymmetric(dst_type: str, largest: int) -> None:
    x = np.array([[0, 0], [3, 3], [-0.25, -0.25]], np.float16)
    y, scale, offset = oracle.dynamic_quant(x, dst_type)
    assert bits(scale) == [0x2B8CBCCC] * 3
    assert offset[0] == largest and offset[1] < -1e12
    np.testing.assert_array_equal(oracle.dequantize(y, scale, offset, dst_type=dst_type, dtype=np.float16), x)


def test_nan_in_a_row_reaches_all_of_it_and_no_other_row() -> None:
    x = np.array([[1, np.nan, 2, 3], [1, 5, 2, 3]], dtype=np.float16)
    for dst_type, code in (
        ("int8", 0),
        ("int4", 0),
        ("float8_e4m3fn", 0x7F),
        ("float8_e5m2", 0x7F),
        ("hifloat8", 0),
    ):
        y, scale, offset = oracle.dynamic_quant(x, dst_type)
        assert set(y[0].view(np.uint8).tolist()) == {code}
        assert bits(scale)[0] == bits(offset)[0] == 0x7FC00000
        alone = oracle.dynamic_quant(x[1], dst_type)
        assert y[1].tobytes() == alone[0].tobytes()
        assert (bits(scale)[1], bits(offset)[1]) == (bits(alone[1])[0], bits(alone[2])[0])
        y, scale, _ = oracle.dynamic_quant(x, dst_type, True)
        assert set(y[0].view(np.uint8).tolist()) == {code} and bits(scale)[0] == 0x7FC00000


def test_infinities_follow_from_the_formulas() -> None:
    y, scale, offset = oracle.dynamic_quant(f32(INF, 1, -2))
    assert bits(scale) == [0x7F800000] and bits(offset) == [0x7FC00000] and y.tolist() == [0, 0, 0]
    y, scale, _ = oracle.dynamic_quant(f32(INF, 1, -2), "float8_e4m3fn", True)
    assert bits(scale) == [0x7F800000] and y.tolist() == [0x7F, 0x00, 0x80]


def test_range_that_overflows_is_not_rescued() -> None:
    y, scale, offset = oracle.dynamic_quant(f32(3e38, -3e38))
    assert bits(scale) == [0x7F800000] and offset == 127 and y.tolist() == [127, 127]


def test_empty_tensors() -> None:
    y, scale, offset = oracle.dynamic_quant(np.zeros((0, 4), np.float16), "int4")
    assert (y.shape, scale.shape, offset.shape) == ((0, 2), (0,), (0,))
    y, scale, offset = oracle.dynamic_quant(np.zeros((2, 0), np.float16))
    assert y.shape == (2, 0) and bits(scale) == [0x2B8CBCCC] * 2 and offset.tolist() == [127, 127]
    _, scale, offset = oracle.dynamic_quant(np.zeros((0, 4), np.float16), quant_mode="pertensor")
    assert bits(scale) == [0x2B8CBCCC] and offset.tolist() == [127]
    _, scale, _ = oracle.dynamic_quant(np.zeros((0, 3), np.float16), symmetric=True, quant_mode="perchannel")
    assert scale.tolist() == [0, 0, 0]


def test_published_example_with_smooth_scales() -> None:
    """From the operator page of npu_dynamic_quant; it prints the scale with four digits."""
    x = np.array([0.6680, 0.9492, 0.0845], np.float16)
    smooth = np.array([0.8042, 0.0884, 0.8901], np.float16)
    y, scale, _ = oracle.dynamic_quant(x, symmetric=True, smooth_scales=smooth)
    assert y.tolist() == [127, 20, 18] and round(float(scale), 4) == 0.0042


def test_hifloat8_range_is_an_attribute() -> None:
    x = f32(-4, 1, 8)
    assert oracle.dynamic_quant(x, "hifloat8", True, dst_type_max=15.0)[1] == np.float32(8) / np.float32(15)
    for zero in (0.0, 9e-7):
        assert oracle.dynamic_quant(x, "hifloat8", True, dst_type_max=zero)[1] == np.float32(8 / 32768)
    _, scale, offset = oracle.dynamic_quant(x, "hifloat8", dst_type_max=16.0)
    assert scale == np.float32(12 / 32) and offset == np.float32(16) - np.float32(8) / scale


# Given parameters


def test_quantize_saturates_and_defines_zero_scales() -> None:
    x = f32(1, -1, 0, 1e9, -1e9)
    assert oracle.quantize(x, f32(0), dst_type="int8").tolist() == [127, -128, 0, 127, -128]
    assert oracle.quantize(x, f32(0), dst_type="float8_e4m3fn").tolist() == [
        0x7E,
        0xFE,
        0x7F,
        0x7E,
        0xFE,
    ]
    assert oracle.quantize(x, f32(1), dst_type="float8_e5m2").tolist() == [
        0x3C,
        0xBC,
        0x00,
        0x7B,
        0xFB,
    ]
    assert oracle.quantize(x, f32(1), dst_type="hifloat8").tolist() == [
        0x08,
        0x88,
        0x00,
        0x6E,
        0xEE,
    ]


def test_an_absent_zero_point_keeps_minus_zero() -> None:
    x = f32(-0.0)
    assert oracle.quantize(x, f32(1), dst_type="float8_e4m3fn").tolist() == [0x80]
    zero = np.zeros(1, np.int32)
    assert oracle.quantize(x, f32(1), zero, dst_type="float8_e4m3fn").tolist() == [0x00]


def test_quantize_parameters() -> None:
    x = np.array([[3, 3, 3], [-5, -5, -5]], np.float16)
    scales = np.array([1, 2, 4], BF16)
    points = np.array([0, 0.25, -1.5], BF16)
    assert oracle.quantize(x, scales, points).tolist() == [[3, 2, -1], [-5, -2, -3]]
    assert oracle.quantize(x, scales, points, reciprocal_scale=True).tolist() == [
        [3, 6, 10],
        [-5, -10, -22],
    ]
    down = f32(1, 2).reshape(1, 2, 1)
    assert oracle.quantize(x, down, np.array([100], np.int32), axis=0).tolist() == [
        [103] * 3,
        [98] * 3,
    ]
    # 2^24 + 1 is a tie in fp32 and goes to the even 2^24.
    wide = np.array([16777217], np.int32)
    assert oracle.quantize(f32(-16777200), f32(1), wide).tolist() == [16]
    assert oracle.quantize(f32(-1, 1), f32(1), dst_type="int4").tolist() == [0x1F]


def test_quantize_round_modes() -> None:
    # 16 + 2^-19: hybrid compares the top 14 discarded bits (0) with the low 14 (1); nearest stays too.
    # 17.5: top 14 of 0x0C0000 are 6144, low 14 are 0, so hybrid goes up where nearest stays.
    x = f32(np.float32(16) + np.float32(2**-19), 17.5)
    assert oracle.quantize(x, f32(1), dst_type="hifloat8", round_mode="hybrid").tolist() == [
        0x40,
        0x41,
    ]
    for mode in ("rint", "round"):
        assert oracle.quantize(x, f32(1), dst_type="hifloat8", round_mode=mode).tolist() == [
            0x40,
            0x40,
        ]


# Back


def test_dequantize_rounds_once_at_the_end() -> None:
    y = np.array([[3, -2], [127, -128]], np.int8)
    scale, offset = f32(0.1, 1e-3), f32(0.3, -1e4)
    q = (y.astype(np.float32) - offset[:, None]) * scale[:, None]
    for dtype in (np.float32, np.float16, BF16):
        back = oracle.dequantize(y, scale, offset, dst_type="int8", dtype=dtype)
        assert back.dtype == dtype and back.tobytes() == q.astype(dtype).tobytes()
        negated = oracle.dequantize(y, scale, -offset, dst_type="int8", negate_offset=True, dtype=dtype)
        assert negated.tobytes() == back.tobytes()
    assert (q.astype(np.float16) != q).all()


def test_dequantize_nan_is_canonical_and_overflow_is_infinite() -> None:
    y = np.array([[1, -1]], np.int8)
    for dtype, nan, inf in (
        (np.float32, 0x7FC00000, 0x7F800000),
        (np.float16, 0x7E00, 0x7C00),
        (BF16, 0x7FC0, 0x7F80),
    ):
        odd_nan = np.array([0xFF800001], np.uint32).view(np.float32)
        assert set(bits(oracle.dequantize(y, odd_nan, dst_type="int8", dtype=dtype)[0])) == {nan}
        assert bits(oracle.dequantize(y, f32(INF), dst_type="int8", dtype=dtype)[0])[0] == inf
    assert bits(oracle.dequantize(y, f32(70000), dst_type="int8", dtype=np.float16)[0]) == [
        0x7C00,
        0xFC00,
    ]
    # An infinity of HiFloat8 times a scale of 0.
    assert bits(oracle.dequantize(np.array([[0x6F]], np.uint8), f32(0), dst_type="hifloat8")[0]) == [0x7FC00000]


@pytest.mark.parametrize("name", ["minilm_fp16", "minilm_bf16"])
@pytest.mark.parametrize(("dst_type", "span"), [("int8", 255), ("int4", 15)])
def test_captured_activations_reconstruct(name: str, dst_type: str, span: int) -> None:
    tensors = load_file(DATA / f"{name}.safetensors")
    assert len(tensors) >= 7
    for x in tensors.values():
        y, scale, offset = oracle.dynamic_quant(x, dst_type)
        back = oracle.dequantize(y, scale, offset, dst_type=dst_type).astype(np.float64)
        bound = scale.astype(np.float64) * (0.5 + 2.0**-22 * (np.abs(offset.astype(np.float64)) + span))
        assert (np.abs(back - x.astype(np.float64)) <= bound[..., None]).all()
