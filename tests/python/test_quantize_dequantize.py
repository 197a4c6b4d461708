"""quantize and dequantize against the oracle and public dtype libraries, on every SIMD target of this machine."""

from pathlib import Path
from typing import Any

import en_dtypes
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import inputs
import kvant_c
import oracle
from checks import MODES, RANGES, assert_within_bound, compare, dtypes, formats, on_every_target, repeatable, symmetries
from inputs import BF16, DTYPES, INTEGERS, LAYOUTS, laid_out

DATA = Path(__file__).parents[2] / "data"
# Public dtypes, and the magnitude up to which they do what kvant does: beyond it they do not saturate.
PUBLIC = {
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, 448),
    "float8_e5m2": (ml_dtypes.float8_e5m2, 57344),
    "hifloat8": (en_dtypes.hifloat8, 32768),
}


def every_value(dtype: Any) -> np.ndarray:
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def public_codes(x: np.ndarray, dst_type: str) -> np.ndarray:
    """Codes of values that public libraries round as kvant does."""
    if dst_type in INTEGERS:
        low, high = (-128, 127) if dst_type == "int8" else (-8, 7)
        return np.clip(np.rint(x.astype(np.float32)), low, high).astype(np.int8).view(np.uint8)
    return x.astype(np.float32).astype(PUBLIC[dst_type][0]).view(np.uint8)


def unpacked(y: np.ndarray, dst_type: str) -> np.ndarray:
    return oracle.from_storage(y, dst_type).view(np.uint8)


# quantize


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=["float16", "bfloat16"])
@formats
def test_every_16_bit_value(dst_type, dtype) -> None:
    """By the oracle all of them; by public libraries those that they treat alike; both ways to quantize."""
    x = every_value(dtype)
    one = np.ones(1, np.float32)
    for mode in ("rint", "round", "hybrid") if dst_type == "hifloat8" else ("rint",):
        compare("quantize", x, one, dst_type=dst_type, round_mode=mode)
        compare(
            "quantize",
            x,
            np.array([3.14159], np.float32),
            np.array([-7.3], np.float32),
            dst_type=dst_type,
            round_mode=mode,
        )

    values = x.astype(np.float32)
    largest = float(oracle.limits(dst_type)[0])
    shared = x[~np.isnan(values) if dst_type in INTEGERS else np.abs(values) <= largest]
    shared = shared[: len(shared) & ~1]
    assert len(shared) > 30000
    expected = public_codes(shared, dst_type)
    on_every_target(
        lambda: unpacked(kvant_c.quantize(shared, one, dst_type=dst_type), dst_type), expected, "public codes"
    )

    # A row whose largest magnitude is D has the scale 1.
    rows = x[np.abs(values) <= largest]
    rows = np.append(rows, np.array([largest] * (-len(rows) % 256 or 256), dtype)).reshape(-1, 256)
    rows[:, 0] = largest
    expected = public_codes(rows, dst_type)
    if dst_type in INTEGERS:
        expected = expected.reshape(rows.shape)
    on_every_target(
        lambda: unpacked(kvant_c.dynamic_quant(rows, dst_type, True)[0], dst_type),
        expected,
        "public codes, dynamically",
    )


@dtypes
@formats
@pytest.mark.parametrize("reciprocal", [False, True])
def test_parameters_of_every_dtype(dtype, dst_type, reciprocal) -> None:
    rng = np.random.default_rng(40)
    x = inputs.activations(rng, (3, 5, 36), dtype)
    for scale_dtype in DTYPES:
        for zero_dtype in (None, np.int32, *DTYPES):
            for axis in (-1, 0, 1, 2, -2):
                extent = x.shape[axis]
                for n, shape in ((1, ()), (1, (1, 1)), (extent, (extent,)), (extent, (1, extent, 1))):
                    scales = inputs.numbers(rng, (n,), scale_dtype, -4, 4).reshape(shape)
                    zeros = None
                    if zero_dtype is not None:
                        zeros = (rng.integers(-300, 300, n) / (1 if zero_dtype == np.int32 else 8)).astype(zero_dtype)
                    compare("quantize", x, scales, zeros, dst_type=dst_type, axis=axis, reciprocal_scale=reciprocal)


@dtypes
@formats
def test_ties_and_extremes(dtype, dst_type) -> None:
    rng = np.random.default_rng(41)
    odd = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, 2**-126, -1, 2**-100], np.float32)
    for n in (2, 18, 130):
        x = np.concatenate(
            [inputs.extreme_rows(rng, dtype, n), inputs.boundary_rows(rng, dtype, dst_type, True, 50, n)]
        )
        scale = oracle.dynamic_quant(x, dst_type, True)[1]
        for mode in ("rint", "hybrid") if dst_type == "hifloat8" else ("rint",):
            for reciprocal in (False, True):
                shared = {"dst_type": dst_type, "round_mode": mode, "reciprocal_scale": reciprocal}
                compare("quantize", x, scale, axis=0, **shared)
                compare("quantize", x, scale, np.full(len(x), -0.0, np.float32), axis=0, **shared)
                compare("quantize", x, rng.choice(odd, n), rng.choice(odd, n), **shared)
                for value in odd:
                    compare("quantize", x, value.reshape(1), **shared)


@formats
def test_quantize_large_tensors(dst_type) -> None:
    rng = np.random.default_rng(42)
    for shape, axis in (((2, 200002), -1), ((2, 200002), 0), ((40000, 6), 1), ((5, 300, 96), 1)):
        x = inputs.activations(rng, shape, BF16)
        scales = np.exp(rng.standard_normal(shape[axis])).astype(np.float32)
        for threads, stores in ((1, "streaming"), (5, "normal")):
            how = {"threads": threads, "stores": stores}
            compare("quantize", x, scales, dst_type=dst_type, axis=axis, how=how)


@pytest.mark.parametrize("y_layout", LAYOUTS)
@pytest.mark.parametrize("x_layout", LAYOUTS)
def test_quantize_layouts(x_layout, y_layout) -> None:
    rng = np.random.default_rng(43)
    for dtype, shape in ((np.float16, (5, 24)), (BF16, (3, 4, 40)), (np.float32, (2, 1, 3, 130)), (np.float32, (7,))):
        x = laid_out(inputs.activations(rng, shape, dtype), x_layout)
        for axis in range(len(shape)):
            scales = laid_out(inputs.numbers(rng, (shape[axis],), np.float32, -2, 2), x_layout)
            zeros = laid_out(rng.integers(-9, 9, shape[axis], np.int32), x_layout)
            guarded = inputs.Guarded(y_layout)
            compare("quantize", x, scales, zeros, dst_type="float8_e4m3fn", axis=axis, alloc=guarded)
            guarded.check()


@formats
@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (2, 0, 4)])
def test_quantize_nothing(shape, dst_type) -> None:
    x = np.zeros(shape, np.float32)
    for axis in range(len(shape)):
        compare("quantize", x, np.ones(1, np.float32), dst_type=dst_type, axis=axis)
        compare("quantize", x, np.ones(shape[axis], np.float32), dst_type=dst_type, axis=axis)


# dequantize


def all_codes(dst_type: str) -> np.ndarray:
    return np.arange(256, dtype=np.uint8).view(np.int8 if dst_type == "int8" else np.uint8)


@dtypes
@formats
def test_every_code(dst_type, dtype) -> None:
    """Each with scales and offsets of every exponent, and with those that are no numbers."""
    rng = np.random.default_rng(44)
    odd = np.array([0, -0.0, np.inf, -np.inf, np.nan, -1, 1], np.float32)
    odd = np.append(odd, np.array([0xFFC12345, 0x7F800001], np.uint32).view(np.float32))
    scale = np.concatenate([inputs.scale_sweep(rng, np.float32, 1)[:, 0], np.repeat(odd, len(odd))])
    offset = np.concatenate([inputs.numbers(rng, (277,), np.float32, -30, 30), np.tile(odd, len(odd))])
    y = np.tile(all_codes(dst_type), (len(scale), 1))
    compare("dequantize", y, scale, dst_type=dst_type, dtype=dtype)
    for negate in (False, True):
        compare("dequantize", y, scale, offset, dst_type=dst_type, negate_offset=negate, dtype=dtype)
    columns = np.ascontiguousarray(y.T)[:, : len(scale) & ~1]
    if dst_type == "int4":
        scale, offset = (np.append(v, v)[: 2 * columns.shape[1]] for v in (scale, offset))
    else:
        scale, offset = (v[: columns.shape[1]] for v in (scale, offset))
    compare("dequantize", columns, scale, offset, dst_type=dst_type, quant_mode="perchannel", dtype=dtype)


@formats
@symmetries
def test_dequantize_what_was_quantized(dst_type, symmetric) -> None:
    rng = np.random.default_rng(45)
    x = inputs.activations(rng, (3, 6, 40), np.float32)
    cases: list[dict[str, Any]] = [{"quant_mode": mode} for mode in MODES]
    if dst_type in INTEGERS:
        cases += [{"group_size": size} for size in (2, 8, 20, 40)]
    for attributes in cases:
        y, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, **attributes)
        for dtype in DTYPES:
            for threads in (1, 3):
                how = {"threads": threads}
                compare("dequantize", y, scale, offset, dst_type=dst_type, dtype=dtype, how=how, **attributes)
        if dst_type == "int4":
            words = oracle.pack_int4(oracle.unpack_int4(y), as_int32=True)
            compare("dequantize", words, scale, offset, dst_type=dst_type, **attributes)
        if dst_type.startswith("float8"):
            typed = y.view(PUBLIC[dst_type][0])
            compare("dequantize", typed, scale, offset, dst_type=dst_type, **attributes)


@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("y_layout", LAYOUTS)
def test_dequantize_layouts(y_layout, x_layout) -> None:
    rng = np.random.default_rng(46)
    for shape in ((7, 70), (2, 3, 36), (9,)):
        for mode in MODES if len(shape) > 1 else MODES[:2]:
            for dst_type, dtype in (("int8", np.float16), ("hifloat8", BF16), ("float8_e5m2", np.float32)):
                codes = oracle.dynamic_quant(inputs.activations(rng, shape, np.float32), dst_type, quant_mode=mode)
                guarded = inputs.Guarded(x_layout)
                given = [laid_out(v, y_layout) for v in codes if v is not None]
                compare("dequantize", *given, dst_type=dst_type, quant_mode=mode, dtype=dtype, alloc=guarded)
                guarded.check()


@dtypes
@formats
def test_streaming_to_every_alignment(dst_type, dtype) -> None:
    rng = np.random.default_rng(48)
    for n in (130, 520):
        y, scale, offset = oracle.dynamic_quant(inputs.activations(rng, (3, n), dtype), dst_type)
        x = inputs.activations(rng, (3, n), dtype)
        for start in range(65):
            how = {"threads": 1, "stores": "streaming"}
            guarded = inputs.Guarded(start)
            compare("dequantize", y, scale, offset, dst_type=dst_type, dtype=dtype, how=how, alloc=guarded)
            compare("quantize", x, scale[:1], offset[:1], dst_type=dst_type, how=how, alloc=guarded)
            guarded.check()


@formats
@pytest.mark.parametrize("mode", MODES)
def test_dequantize_large_tensors(mode, dst_type) -> None:
    rng = np.random.default_rng(47)
    for shape in ((2, 200002), (40000, 6), (5, 300, 96)):
        y, scale, offset = oracle.dynamic_quant(inputs.activations(rng, shape, BF16), dst_type, quant_mode=mode)
        for threads, stores in ((1, "streaming"), (5, "normal")):
            how = {"threads": threads, "stores": stores}
            compare("dequantize", y, scale, offset, dst_type=dst_type, quant_mode=mode, dtype=BF16, how=how)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (2, 0, 4)])
def test_dequantize_nothing(shape) -> None:
    for dst_type in oracle.FORMATS:
        for mode in MODES if len(shape) > 1 else MODES[:2]:
            codes = oracle.dynamic_quant(np.zeros(shape, np.float32), dst_type, quant_mode=mode)
            compare("dequantize", *codes, dst_type=dst_type, quant_mode=mode)


@repeatable
@given(data=st.data(), dst_type=st.sampled_from(INTEGERS), dtype=st.sampled_from(DTYPES))
def test_round_trip_is_within_the_bound(data, dst_type, dtype) -> None:
    """A spread around a mean that may be far larger than it."""
    largest = 30000.0 if dtype == np.float16 else 2.0**66
    mean = data.draw(st.floats(-largest, largest))
    spread = data.draw(st.floats(1e-8, 1.0))
    steps = data.draw(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
    x = np.array([mean + mean * spread * v for v in steps[: len(steps) & ~1]]).astype(dtype)
    for symmetric in (True, False):
        y, scale, offset = kvant_c.dynamic_quant(x, dst_type, symmetric)
        if scale >= ml_dtypes.finfo(np.float32).tiny:
            back = kvant_c.dequantize(y, scale, offset, dst_type=dst_type)
            assert_within_bound(x, back, scale, offset, dst_type)


@pytest.mark.parametrize("file", ["minilm_fp16", "minilm_bf16"])
@pytest.mark.parametrize("dst_type", INTEGERS)
def test_captured_activations_come_back(file, dst_type) -> None:
    for name, x in load_file(DATA / f"{file}.safetensors").items():
        y, scale, offset = kvant_c.dynamic_quant(x, dst_type)
        back = compare("dequantize", y, scale, offset, dst_type=dst_type)
        # Far from the exact bound doubles decide as rationals do; assert_within_bound is for the close calls.
        bound = scale.astype(np.float64) * (0.5 + 2.0**-22 * (np.abs(offset.astype(np.float64)) + RANGES[dst_type][1]))
        error = np.abs(back.astype(np.float64) - x.astype(np.float64))
        assert (error <= bound[..., None] * (1 + 1e-9)).all(), name
