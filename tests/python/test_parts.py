"""The parts of dynamic_quant, and INT4 packing, against the oracle, on every SIMD target of this machine."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import inputs
import kvant_c
import oracle
from checks import MODES, assert_same, compare, dtypes, formats, on_every_target, repeatable, symmetries
from inputs import BF16, DTYPES, INTEGERS, LAYOUTS, laid_out

# Statistics


@dtypes
@pytest.mark.parametrize("op", ["row_minmax", "row_amax"])
def test_statistics(op, dtype) -> None:
    rng = np.random.default_rng(20)
    for n in (1, 2, 7, 16, 33, 64, 130, 515):
        rows = [inputs.extreme_rows(rng, dtype, max(n, 2))[:, :n], inputs.scale_sweep(rng, dtype, n)]
        x = np.concatenate(rows)
        compare(op, x)
        compare(op, x.T.copy(), quant_mode="perchannel")
        for smooth in DTYPES:
            for low, high in ((-8, 8), (-149, -100), (20, 127)):
                compare(op, x, smooth_scales=inputs.numbers(rng, (n,), smooth, low, high))
        for row in x[::3]:
            compare(op, row, quant_mode="pertensor")
    x = inputs.activations(rng, (4, 5, 36), dtype)
    for ends in inputs.group_ends(rng, 7, 20):
        for mode in MODES[:2]:
            scales = inputs.activations(rng, (7, 36), BF16)
            compare(op, x, quant_mode=mode, smooth_scales=scales, group_index=ends)
    for size in (1, 2, 3, 9, 36):
        compare(op, x, group_size=size)
        compare(op, x, group_size=size, smooth_scales=inputs.activations(rng, (36,), dtype))


@pytest.mark.parametrize("op", ["row_minmax", "row_amax"])
@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (2, 0, 4), (0, 0)])
def test_statistics_of_nothing(op, shape) -> None:
    for mode in MODES if len(shape) > 1 else MODES[:2]:
        compare(op, np.zeros(shape, BF16), quant_mode=mode)


@pytest.mark.parametrize("op", ["row_minmax", "row_amax"])
@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_large_tensors(op, mode) -> None:
    rng = np.random.default_rng(21)
    for shape in ((2, 200001), (40000, 5), (5, 300, 90)):
        x = inputs.activations(rng, shape, BF16)
        for threads in (1, 2, 6):
            compare(op, x, quant_mode=mode, how={"threads": threads})


@pytest.mark.parametrize("out_layout", LAYOUTS)
@pytest.mark.parametrize("x_layout", LAYOUTS)
def test_statistics_layouts(x_layout, out_layout) -> None:
    rng = np.random.default_rng(22)
    for dtype, shape in ((np.float16, (5, 24)), (np.float32, (2, 3, 130)), (BF16, (9,))):
        x = laid_out(inputs.activations(rng, shape, dtype), x_layout)
        for mode in MODES if len(shape) > 1 else MODES[:2]:
            for op in ("row_minmax", "row_amax"):
                guarded = inputs.Guarded(out_layout)
                compare(op, x, quant_mode=mode, alloc=guarded)
                guarded.check()


# Parameters


def statistics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Minima and maxima of all kinds, those of nothing and impossible ones too."""
    special = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, -3.4e38, 1e-12, 2.55e-10])
    special = np.append(special.astype(np.float32), np.array([0xFFC12345, 0x7F800001], np.uint32).view(np.float32))
    a, b = np.meshgrid(special, special)
    wide = np.sort(inputs.numbers(rng, (2000, 2), np.float32, -149, 127), axis=1)
    near = inputs.numbers(rng, (2000, 1), np.float32, -60, 60)
    near = np.sort(np.concatenate([near, inputs.neighbours(near, rng.integers(-100, 100, near.shape))], axis=1), axis=1)
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1), wide, near])
    return pairs[:, 0].copy(), pairs[:, 1].copy()


@formats
def test_params(dst_type) -> None:
    low, high = statistics(np.random.default_rng(23))
    compare("params_from_minmax", low, high, dst_type=dst_type)
    compare("params_from_amax", high, dst_type=dst_type)
    compare("params_from_amax", np.abs(low), dst_type=dst_type)
    if dst_type == "hifloat8":
        for largest in (32768.0, 15.0, 1e-3, 9e-7):
            compare("params_from_minmax", low, high, dst_type=dst_type, dst_type_max=largest)
            compare("params_from_amax", high, dst_type=dst_type, dst_type_max=largest)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3), (2, 3, 4)])
def test_params_layouts(shape, layout) -> None:
    rng = np.random.default_rng(24)
    low, high = (laid_out(inputs.numbers(rng, shape, np.float32, -9, 9), layout) for _ in range(2))
    guarded = inputs.Guarded(layout)
    compare("params_from_minmax", low, high, alloc=guarded)
    compare("params_from_amax", high, alloc=guarded)
    guarded.check()


def test_params_in_place() -> None:
    low, high = statistics(np.random.default_rng(25))
    expected = oracle.params_from_minmax(low, high, dst_type="int4")
    a, b = low.copy(), high.copy()
    kvant_c.call("params_from_minmax", min=a, max=b, dst_type="int4", scale=a, offset=b)
    assert_same((a, b), expected, "in place")
    a, b = low.copy(), high.copy()
    kvant_c.call("params_from_minmax", min=a, max=b, dst_type="int4", scale=b, offset=a)
    assert_same((b, a), expected, "in place, crosswise")
    b = high.copy()
    kvant_c.call("params_from_amax", amax=b, dst_type="int4", scale=b)
    assert_same(b, oracle.params_from_amax(high, dst_type="int4"), "in place")
    with pytest.raises(ValueError, match=r"^params_from_amax: amax and scale share memory$"):
        kvant_c.call("params_from_amax", amax=b[1:], scale=b[:-1])


# Codes


@dtypes
@formats
@symmetries
def test_parts_make_the_whole(dtype, dst_type, symmetric) -> None:
    """Statistics of two halves, reduced outside, give dynamic_quant's results."""
    rng = np.random.default_rng(26)
    halves = [inputs.extreme_rows(rng, dtype, 70) for _ in range(2)]
    x = np.concatenate(halves, axis=1)
    whole = kvant_c.dynamic_quant(x, dst_type, symmetric)
    if symmetric:
        amax = np.stack([kvant_c.row_amax(h) for h in halves])
        # As integers: a NaN is the largest.
        scale = kvant_c.params_from_amax(amax.view(np.int32).max(axis=0).view(np.float32), dst_type=dst_type)
        params: tuple[Any, ...] = (scale, None)
    else:
        low, high = zip(*(kvant_c.row_minmax(h) for h in halves), strict=True)
        # A NaN wins both; of two zeros -0 is the minimum, which makes no difference to the parameters.
        params = kvant_c.params_from_minmax(np.minimum(*low), np.maximum(*high), dst_type=dst_type)
    on_every_target(
        lambda: (kvant_c.quantize_with_params(x, *params, dst_type=dst_type), *params), whole, "parts of dynamic_quant"
    )


@dtypes
@formats
@symmetries
def test_given_params(dtype, dst_type, symmetric) -> None:
    """Parameters that are not the rows' own: codes saturate, scales are zero, negative, subnormal, infinite, NaN."""
    rng = np.random.default_rng(27)
    odd = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, 1, -1, 1e-38], np.float32)
    for n in (2, 18, 66, 130, 520):
        x = np.concatenate([inputs.extreme_rows(rng, dtype, n), inputs.scale_sweep(rng, dtype, n)])
        _, scale, offset = oracle.dynamic_quant(x, dst_type)
        with np.errstate(all="ignore"):
            factor = np.exp2(rng.integers(-12, 13, scale.shape)).astype(np.float32) * rng.choice(
                [1, 1, -1], scale.shape
            )
            scales = np.where(rng.random(scale.shape) < 0.7, scale * factor, rng.choice(odd, scale.shape))
            offsets = offset + rng.choice([0, 0.5, -1000, 3e5], scale.shape)
            offsets = np.where(rng.random(scale.shape) < 0.8, offsets, rng.choice(odd, scale.shape))
            scales, offsets = scales.astype(np.float32), None if symmetric else offsets.astype(np.float32)
        smooth = inputs.numbers(rng, (n,), np.float32, -30, 30)
        compare("quantize_with_params", x, scales, offsets, dst_type=dst_type)
        compare("quantize_with_params", x, scales, offsets, dst_type=dst_type, smooth_scales=smooth)
        columns = np.ascontiguousarray(x[: len(x) & ~1].T)
        given = scales[: len(x) & ~1], None if offsets is None else offsets[: len(x) & ~1]
        compare("quantize_with_params", columns, *given, dst_type=dst_type, quant_mode="perchannel")
        for r in range(0, len(x), 11):
            one = scales[r : r + 1], None if offsets is None else offsets[r : r + 1]
            compare("quantize_with_params", x[r], *one, dst_type=dst_type, quant_mode="pertensor")


@formats
@symmetries
def test_given_params_with_attributes(dst_type, symmetric) -> None:
    rng = np.random.default_rng(28)
    x = inputs.activations(rng, (3, 6, 40), np.float16)
    experts = inputs.activations(rng, (3, 40), BF16)
    cases: list[dict[str, Any]] = [{"smooth_scales": experts[0], "quant_mode": mode} for mode in MODES[:2]]
    cases.append({"smooth_scales": experts[0, :6], "quant_mode": "perchannel"})
    for ends in inputs.group_ends(rng, 3, 18):
        cases += [{"smooth_scales": experts, "group_index": ends, "quant_mode": mode} for mode in MODES[:2]]
    if dst_type in INTEGERS:
        cases += [{"group_size": size} for size in (2, 8, 40)]
        cases.append({"group_size": 10, "smooth_scales": experts, "group_index": next(inputs.group_ends(rng, 3, 18))})
    for attributes in cases:
        codes, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, **attributes)
        found = compare("quantize_with_params", x, scale, offset, dst_type=dst_type, **attributes)
        assert_same(found, codes, "with the parameters of dynamic_quant")
        wider = scale * np.float32(0.7), offset
        for threads in (1, 3):
            compare("quantize_with_params", x, *wider, dst_type=dst_type, how={"threads": threads}, **attributes)


@pytest.mark.parametrize("mode", MODES)
def test_given_params_of_large_tensors(mode) -> None:
    rng = np.random.default_rng(29)
    for shape in ((2, 200002), (40000, 6), (3, 300, 96)):
        x = inputs.activations(rng, shape, np.float32)
        for dst_type, symmetric in (("int8", False), ("int4", True), ("float8_e5m2", False)):
            _, scale, offset = oracle.dynamic_quant(x, dst_type, symmetric, mode)
            for threads, stores in ((1, "streaming"), (5, "normal")):
                how = {"threads": threads, "stores": stores}
                given = scale * np.float32(0.9), offset
                compare("quantize_with_params", x, *given, dst_type=dst_type, quant_mode=mode, how=how)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_params_layouts(layout) -> None:
    rng = np.random.default_rng(30)
    x = inputs.activations(rng, (3, 4, 50), BF16)
    for mode in MODES:
        _, *params = oracle.dynamic_quant(x, quant_mode=mode)
        guarded = inputs.Guarded(layout)
        given = [laid_out(v, layout) for v in (x, *params)]
        compare("quantize_with_params", *given, quant_mode=mode, alloc=guarded)
        guarded.check()


# INT4


@repeatable
@given(hnp.arrays(np.int8, hnp.array_shapes(max_dims=3, max_side=9).map(lambda s: (*s[:-1], 8 * s[-1]))))
def test_any_int4(codes) -> None:
    for words in (False, True):
        packed = compare("pack_int4", codes, words)
        unpacked = compare("unpack_int4", packed)
        np.testing.assert_array_equal(unpacked, (codes << 4).astype(np.int8) >> 4)


def test_every_byte_and_length_of_int4() -> None:
    compare("unpack_int4", np.arange(256, dtype=np.uint8))
    compare("pack_int4", np.arange(-128, 128, dtype=np.int16).astype(np.int8))
    rng = np.random.default_rng(31)
    for n in [*range(0, 300, 2), 1026, 70000, 200002]:
        codes = rng.integers(-8, 8, (3, n), np.int8)
        for words in (False, True) if n % 8 == 0 else (False,):
            compare("unpack_int4", compare("pack_int4", codes, words))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_int4_layouts(layout) -> None:
    """The packed dimension has to be contiguous, nothing else."""
    codes = np.random.default_rng(32).integers(-8, 8, (3, 5, 48), np.int8)
    for words in (False, True):
        guarded, packed_guard = inputs.Guarded(layout), inputs.Guarded("padded")
        packed = compare("pack_int4", laid_out(codes, layout), words, alloc=packed_guard)
        compare("unpack_int4", laid_out(packed, "padded"), alloc=guarded)
        guarded.check()
        packed_guard.check()


def test_int4_on_threads() -> None:
    codes = np.random.default_rng(33).integers(-8, 8, (7, 100, 1000), np.int8)
    for threads in (1, 2, 5):
        compare("unpack_int4", compare("pack_int4", codes, how={"threads": threads}), how={"threads": threads})
