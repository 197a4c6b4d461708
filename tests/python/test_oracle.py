"""The operators of the oracle: against exact rational arithmetic, by their properties, and at the edges."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
import oracle

BF16 = ml_dtypes.bfloat16
DTYPES = [np.float16, BF16, np.float32]
RANGES = {
    "int8": (127, 255),
    "int4": (7, 15),
    "float8_e4m3fn": (448, 896),
    "float8_e5m2": (57344, 114688),
    "hifloat8": (32768, 65536),
}
INT_RANGES = [(name, *RANGES[name]) for name in ("int8", "int4")]
FLOOR = Fraction(float(np.uint32(0x2B8CBCCC).view(np.float32)))
# The same examples in every run.
repeatable = settings(derandomize=True, database=None, max_examples=200, deadline=None)


def bits(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=np.float32).view(np.uint32)


def same(a: Any, b: Any) -> None:
    """The same bytes, shape and dtype, for arrays and tuples of them."""
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    elif a is None:
        assert b is None
    else:
        assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def nearest_fp32(value: Fraction) -> Fraction:
    """An fp32 rounding that shares nothing with NumPy's."""
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length() - 24
    quantum = Fraction(2) ** max(exponent, -149)
    while abs(value) >= quantum * (1 << 24):
        quantum *= 2
    return round(value / quantum) * quantum


def exact_dynamic_quant(row: list[Fraction], dst_type: str, symmetric: bool):
    largest, span = RANGES[dst_type]
    encode = golden.encoder("hifloat8_round" if dst_type == "hifloat8" else dst_type)
    rn = nearest_fp32
    if symmetric:
        scale, offset = rn(max(map(abs, row)) / largest), None
        values = [rn(x / scale) for x in row]
    else:
        scale = max(rn(rn(max(row) - min(row)) / span), FLOOR)
        offset = rn(largest - rn(max(row) / scale))
        values = [rn(rn(x / scale) + offset) for x in row]
    return [encode(int(bits(float(v)))) for v in values], scale, offset


def activations(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Rows of different scale and mean, a few outliers."""
    x = rng.standard_normal(shape) * np.exp(rng.standard_normal((*shape[:-1], 1)) * 4)
    x += rng.choice([0, 0, 30, -1000], (*shape[:-1], 1)) * np.abs(x).max(axis=-1, keepdims=True)
    x *= rng.choice([1, 1, 1, 1, 20], shape)
    return np.clip(x, -60000, 60000).astype(dtype)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dst_type", oracle.FORMATS)
def test_dynamic_quant_equals_exact_rationals(dst_type, dtype, smooth, symmetric) -> None:
    rng = np.random.default_rng(11)
    x = activations(rng, (40, 16), dtype)
    scales = np.exp(rng.standard_normal(16)).astype(dtype) if smooth else None
    y, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, smooth_scales=scales)
    codes = oracle.from_storage(y, dst_type).view(np.uint8) & (0xF if dst_type == "int4" else 0xFF)
    for r in range(40):
        row = [Fraction(float(v)) for v in x[r]]
        if scales is not None:
            row = [nearest_fp32(v * Fraction(float(s))) for v, s in zip(row, scales, strict=True)]
        expected_codes, expected_scale, expected_offset = exact_dynamic_quant(row, dst_type, symmetric)
        assert Fraction(float(scale[r])) == expected_scale
        assert list(codes[r]) == expected_codes
        assert (None if offset is None else Fraction(float(offset[r]))) == expected_offset


# Properties


def rows_of(dtype: Any) -> st.SearchStrategy[np.ndarray]:
    """Short rows: any finite values, or a spread around a mean that may be far larger than it."""
    largest = 60000.0 if dtype == np.float16 else float(2**66)
    wide = st.lists(st.floats(-largest, largest, width=32), min_size=2, max_size=12)
    shifted = st.tuples(
        st.floats(-largest / 2, largest / 2),
        st.floats(1e-8, 1.0),
        st.lists(st.floats(-1, 1), min_size=2, max_size=12),
    ).map(lambda t: [t[0] + t[0] * t[1] * v for v in t[2]])
    return st.one_of(wide, shifted).map(lambda v: np.array(v[: len(v) // 2 * 2]).astype(dtype))


def assert_reconstructs(x: np.ndarray, y: np.ndarray, scale: Any, offset: Any, name: str, span: int) -> None:
    back = oracle.dequantize(y, scale, offset, dst_type=name)
    s = Fraction(float(scale))
    o = Fraction(0) if offset is None else Fraction(float(offset))
    bound = s * (Fraction(1, 2) + Fraction(1, 1 << 22) * (abs(o) + span))
    codes = oracle.from_storage(y, name)
    for value, code, restored in zip(x, codes, back, strict=True):
        exact = Fraction(float(value))
        assert abs((int(code) - o) * s - exact) <= bound
        assert abs(Fraction(float(restored)) - exact) <= bound


@pytest.mark.parametrize(("name", "span"), [(name, span) for name, _, span in INT_RANGES])
@repeatable
@given(data=st.data())
def test_asymmetric_round_trip_is_within_the_bound(name: str, span: int, data) -> None:
    x = data.draw(rows_of(data.draw(st.sampled_from(DTYPES))))
    y, scale, offset = oracle.dynamic_quant(x, name)
    assert scale >= np.float32(1e-12)
    assert_reconstructs(x, y, scale, offset, name, span)


@pytest.mark.parametrize(("name", "largest", "span"), INT_RANGES)
@repeatable
@given(data=st.data())
def test_symmetric_round_trip_is_within_the_bound(name: str, largest: int, span: int, data) -> None:
    x = data.draw(rows_of(data.draw(st.sampled_from(DTYPES))))
    y, scale, _ = oracle.dynamic_quant(x, name, True)
    assert np.abs(oracle.from_storage(y, name)).max() <= largest
    # A subnormal scale has lost bits of max|x| / D, so the bound starts at the normal numbers.
    if scale >= np.finfo(np.float32).tiny:
        assert np.abs(oracle.from_storage(y, name)).max() == largest
        assert_reconstructs(x, y, scale, None, name, span)


@repeatable
@given(data=st.data(), k=st.integers(-20, 20))
def test_a_power_of_two_moves_only_the_scale(data, k: int) -> None:
    x = data.draw(st.lists(st.floats(2**-10, 2**10, width=32), min_size=2, max_size=12))
    x = np.array(x, dtype=np.float32)
    x[0] = -x[0]
    y, scale, offset = oracle.dynamic_quant(x)
    same(oracle.dynamic_quant(np.ldexp(x, k)), (y, np.ldexp(scale, k), offset))


# One definition, different ways of cutting a tensor


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dst_type", oracle.FORMATS)
def test_modes_are_per_token_on_another_view(dst_type: str, symmetric: bool) -> None:
    rng = np.random.default_rng(3)
    x = activations(rng, (4, 6, 8), np.float16)
    whole = oracle.dynamic_quant(x.reshape(-1), dst_type, symmetric)
    y, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, "pertensor")
    same(y.reshape(-1), whole[0])
    assert scale.shape == (1,) and bits(scale)[0] == bits(whole[1])
    assert symmetric or bits(offset)[0] == bits(whole[2])

    y, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, "perchannel")
    turned = oracle.dynamic_quant(x.swapaxes(1, 2), dst_type, symmetric)
    codes = oracle.from_storage(turned[0], dst_type).swapaxes(1, 2)
    same(y, oracle.to_storage(np.ascontiguousarray(codes), dst_type))
    same((scale, offset), turned[1:])
    assert scale.shape == (4, 8)

    if dst_type in ("int8", "int4"):
        same(
            oracle.dynamic_quant(x, dst_type, symmetric, group_size=8)[0],
            oracle.dynamic_quant(x, dst_type, symmetric)[0],
        )
        y, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, group_size=2)
        assert scale.shape == (4, 6, 4)
        cut = oracle.dynamic_quant(x.reshape(4, 6, 4, 2), dst_type, symmetric)
        same((y.reshape(cut[0].shape), scale, offset), cut)


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_groups_are_the_experts_one_by_one(index_dtype: type) -> None:
    rng = np.random.default_rng(4)
    x = activations(rng, (2, 5, 8), BF16)
    smooth = np.exp(rng.standard_normal((4, 8))).astype(np.float16)
    ends = np.array([3, 3, 7, 10], dtype=index_dtype)
    y, scale, offset = oracle.dynamic_quant(x, smooth_scales=smooth, group_index=ends)
    rows = x.reshape(10, 8)
    parts = [
        oracle.dynamic_quant(rows[a:b], smooth_scales=smooth[i])
        for i, (a, b) in enumerate([(0, 3), (3, 3), (3, 7), (7, 10)])
    ]
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    same((y.reshape(10, 8), scale.reshape(10), offset.reshape(10)), tuple(joined))

    y, scale, offset = oracle.dynamic_quant(x, quant_mode="pertensor", smooth_scales=smooth, group_index=ends)
    product = rows.astype(np.float32) * smooth[[0, 0, 0, 2, 2, 2, 2, 3, 3, 3]].astype(np.float32)
    same((y.reshape(10, 8), scale, offset), oracle.dynamic_quant(product, quant_mode="pertensor"))


def test_per_channel_smooth_scales_multiply_the_row() -> None:
    rng = np.random.default_rng(5)
    x = activations(rng, (6, 4), np.float32)
    smooth = np.exp(rng.standard_normal(6)).astype(np.float32)
    same(
        oracle.dynamic_quant(x, quant_mode="perchannel", smooth_scales=smooth),
        oracle.dynamic_quant(x * smooth[:, None], quant_mode="perchannel"),
    )


@pytest.mark.parametrize("dst_type", oracle.FORMATS)
def test_parts_reduced_over_shards_give_the_whole(dst_type: str) -> None:
    x = activations(np.random.default_rng(6), (9, 12), np.float16)
    shards = [x[:, :4], x[:, 4:4], x[:, 4:]]
    lows, highs = zip(*(oracle.row_minmax(s) for s in shards), strict=True)
    scale, offset = oracle.params_from_minmax(np.minimum.reduce(lows), np.maximum.reduce(highs), dst_type=dst_type)
    y, *whole = oracle.dynamic_quant(x, dst_type)
    same((scale, offset), tuple(whole))
    same(oracle.quantize_with_params(x, scale, offset, dst_type=dst_type), y)

    amax = np.maximum.reduce([oracle.row_amax(s) for s in shards])
    y, scale, _ = oracle.dynamic_quant(x, dst_type, True)
    same(oracle.params_from_amax(amax, dst_type=dst_type), scale)
    same(oracle.quantize_with_params(x, scale, dst_type=dst_type), y)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: oracle.dynamic_quant(x, smooth_scales=np.ones(3, np.float32)),
        lambda x: oracle.dynamic_quant(x, smooth_scales=np.ones((1, 4), np.float32)),
        lambda x: oracle.dynamic_quant(x, group_index=np.array([2])),
        lambda x: oracle.dynamic_quant(x, quant_mode="pertokens"),
        lambda x: oracle.dynamic_quant(x[0], quant_mode="perchannel"),
        lambda x: oracle.dynamic_quant(x, group_size=3),
        lambda x: oracle.dynamic_quant(x, "hifloat8", group_size=2),
        lambda x: oracle.dynamic_quant(x, quant_mode="pertensor", group_size=2),
        lambda x: oracle.dynamic_quant(x, dst_type_max=15.0),
        lambda x: oracle.dynamic_quant(x, "hifloat8", dst_type_max=32769.0),
        lambda x: oracle.dynamic_quant(x, "hifloat8", dst_type_max=float("nan")),
        lambda x: oracle.dynamic_quant(x[:, :3], "int4"),
        lambda x: oracle.quantize(x, np.ones(3, np.float32)),
        lambda _: oracle.dequantize(np.zeros((2, 4), np.int8), np.ones(3, np.float32), dst_type="int8"),
    ],
)
def test_illegal_arguments_are_errors(call: Callable[[np.ndarray], Any]) -> None:
    with pytest.raises(ValueError):
        call(np.ones((2, 4), np.float32))


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ([1, 3], r"group_index\[1\] = 3 is not within \[1, 2\]"),
        ([1, 0, 2], r"group_index\[1\] = 0 is not within \[1, 2\]"),
        ([-1, 2], r"group_index\[0\] = -1 is not within \[0, 2\]"),
        ([0, 1], r"group_index\[1\] = 1 is not the number of rows 2"),
    ],
)
def test_group_index_errors_name_the_place(ends: list[int], message: str) -> None:
    smooth = np.ones((len(ends), 4), np.float32)
    with pytest.raises(ValueError, match=message):
        oracle.dynamic_quant(np.ones((2, 4), np.float32), smooth_scales=smooth, group_index=np.array(ends))
