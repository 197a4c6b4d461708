"""dequant_swiglu_quant against its NumPy transcription, on every SIMD target of this machine: codes within one step,
scales to 1e-6, and among the targets the same bytes."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import inputs
import kvant_c
import oracle_swiglu
from checks import assert_same
from inputs import BF16, LAYOUTS, Array, laid_out

FORMATS = ("int8", "float8_e4m3fn", "float8_e5m2", "hifloat8")
FLOATS = (np.float16, BF16, np.float32)
X_DTYPES = (np.int32, *FLOATS)
WIDTHS = (1, 63, 64, 65, 2880, 10496, 18432)
MODES = (0, 1, 2)

x_dtypes = pytest.mark.parametrize("dtype", X_DTYPES, ids=lambda dtype: np.dtype(dtype).name)
widths = pytest.mark.parametrize("h", WIDTHS)
formats = pytest.mark.parametrize("dst_type", FORMATS)
swiglu_modes = pytest.mark.parametrize("mode", MODES)
quant_modes = pytest.mark.parametrize("quant_mode", [0, 1], ids=["static", "dynamic"])


def check(x: Array, *, alloc: Any = kvant_c.poisoned, how: Any = None, **arguments: Any) -> tuple[Array, Array]:
    """Runs every target; returns codes and scale."""
    dst_type = arguments.get("dst_type", "int8")
    expected, expected_scale = oracle_swiglu.dequant_swiglu_quant(x, **arguments)
    first: Any = None
    for name in kvant_c.supported_targets():
        with kvant_c.target(name):
            y, scale = kvant_c.dequant_swiglu_quant(x, alloc=alloc, how=how, **arguments)
        if first is None:
            first = np.array(y.view(np.uint8)), np.array(scale)
        assert_same((y.view(np.uint8), scale), first, name)
    codes, scale = first
    codes = codes.view(expected.dtype)
    assert codes.shape == expected.shape and scale.shape == expected_scale.shape
    assert oracle_swiglu.worst_step(codes, expected, dst_type) <= 1
    np.testing.assert_array_equal(np.isnan(scale), np.isnan(expected_scale))
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-6, atol=0)
    return codes, scale


def matmul_result(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """As an INT8 product of some hundred terms."""
    return np.rint(rng.normal(0, 4000, shape)).astype(np.int32)


def hidden(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, deviation: float = 2) -> Array:
    return rng.normal(0, deviation, shape).astype(np.float32).astype(dtype)


def any_x(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    return matmul_result(rng, shape) if dtype == np.int32 else hidden(rng, shape, dtype)


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return (rng.uniform(0.2, 2, shape) * 1e-3).astype(np.float32)


def scales_for(rng: np.random.Generator, x: Array) -> dict[str, Any]:
    """weight_scale and activation_scale that make values of ordinary size."""
    if x.dtype != np.int32:
        return {}
    rows = int(np.prod(x.shape[:-1]))
    return {
        "weight_scale": weights(rng, (x.shape[-1],)),
        "activation_scale": rng.uniform(0.1, 1.5, (rows,)).astype(np.float32),
    }


@x_dtypes
@widths
@swiglu_modes
@quant_modes
def test_widths(dtype, h, mode, quant_mode) -> None:
    rng = np.random.default_rng(h * 10 + mode)
    x = any_x(rng, (3, 2 * h), dtype)
    scales = scales_for(rng, x)
    for left in (False, True):
        quant_scale = rng.uniform(0.5, 2, (h,)).astype(np.float32) * np.float32(1 if quant_mode else 0.02)
        arguments = {"quant_mode": quant_mode, "swiglu_mode": mode, "activate_left": left}
        check(x, **scales, **arguments)
        check(x, **scales, quant_scale=quant_scale, **arguments)
        if h < 100:
            for dst_type in FORMATS:
                check(x, **scales, quant_scale=quant_scale, dst_type=dst_type, **arguments)


@formats
@quant_modes
@swiglu_modes
def test_optional_inputs(dst_type, quant_mode, mode) -> None:
    """Each present and absent, in every listed shape and dtype."""
    rng = np.random.default_rng(5)
    t, h = 6, 40
    x = matmul_result(rng, (2, 3, 2 * h))
    attributes = {"dst_type": dst_type, "quant_mode": quant_mode, "swiglu_mode": mode}
    if mode:
        attributes |= {"clamp_limit": 5.5, "glu_alpha": 1.3, "glu_bias": -0.75}
    for weight_shape in (None, (2 * h,), (1, 2 * h)):
        for activation_shape in (None, (t,), (2, 3), (t, 1), (1, 3, 1, 2)):
            weight = None if weight_shape is None else weights(rng, weight_shape)
            activation = None if activation_shape is None else rng.uniform(0.1, 2, activation_shape).astype(np.float32)
            biases: list[Any] = [None, rng.integers(-3000, 3000, (2 * h,)).astype(np.int32)]
            biases += [rng.normal(0, 1, (1, 2 * h)).astype(np.float32).astype(d) for d in FLOATS]
            for bias in biases:
                dtype = FLOATS[rng.integers(3)]
                shape = [(h,), (1, h), (1,), (1, 1)][rng.integers(4)]
                scale = rng.uniform(0.5, 1.5, shape).astype(np.float32)
                given: dict[str, Any] = {"weight_scale": weight, "activation_scale": activation, "bias": bias}
                if rng.random() < 0.7:
                    given["quant_scale"] = (scale * (1 if quant_mode else 0.05)).astype(dtype)
                if quant_mode == 0 and rng.random() < 0.7:
                    given["quant_offset"] = rng.normal(0, 5, shape).astype(np.float32).astype(FLOATS[rng.integers(3)])
                check(x, **{k: v for k, v in given.items() if v is not None}, **attributes)


def test_int32_bias_wraps() -> None:
    x = np.array([[2**31 - 1, 5, -(2**31), 7]], np.int32)
    bias = np.array([1, 0, -1, 0], np.int32)
    codes, _ = check(x, bias=bias, weight_scale=np.full(4, 1e-9, np.float32), quant_mode=1)
    assert (
        codes.tolist()
        == oracle_swiglu.dequant_swiglu_quant(
            np.array([[-(2**31), 5, 2**31 - 1, 7]], np.int32), weight_scale=np.full(4, 1e-9, np.float32), quant_mode=1
        )[0].tolist()
    )


def group_vectors(rng: np.random.Generator, groups: int, rows: int) -> list[Array]:
    """Counts that take all rows, or stop early; most groups empty where there are many; as int32, int64 and pairs."""
    found = []
    for used in (rows, rows // 2, 0):
        counts = np.zeros(groups, np.int64)
        busy = rng.choice(groups, max(1, groups // 5), replace=False)
        np.add.at(counts, rng.choice(busy, used), 1)
        for dtype in (np.int32, np.int64):
            found.append(counts.astype(dtype))
            found.append(np.stack([rng.integers(0, groups, groups), counts], axis=1).astype(dtype))
    return found


@x_dtypes
@quant_modes
@pytest.mark.parametrize("groups", [1, 7, 256])
def test_groups(dtype, quant_mode, groups) -> None:
    rng = np.random.default_rng(groups)
    rows, h = 50, 33
    x = any_x(rng, (rows, 2 * h), dtype)
    for i, group_index in enumerate(group_vectors(rng, groups, rows)):
        given: dict[str, Any] = {}
        if dtype == np.int32:
            given["weight_scale"] = weights(rng, (groups, 2 * h))
            given["activation_scale"] = rng.uniform(0.1, 2, (rows, 1)).astype(np.float32)
            if i % 3 == 0:
                given["bias"] = rng.integers(-3000, 3000, (groups, 2 * h)).astype(np.int32)
            elif i % 3 == 1:
                given["bias"] = rng.normal(0, 1, (groups, 2 * h)).astype(np.float32).astype(FLOATS[i % 2])
        shapes = [(groups, h), (groups, 1), (groups,), (h,), (1, h), (1,)]
        if group_index.ndim == 2 and dtype != np.int32 and groups > 1:
            # Nothing else says how many parameter rows there are, or [1, h] says 1.
            shapes.remove((groups,))
            shapes.remove((1, h))
        for shape in shapes:
            table = rng.uniform(0.5, 2, shape).astype(np.float32)
            if quant_mode:
                check(x, **given, quant_scale=table.astype(FLOATS[i % 3]), quant_mode=1, group_index=group_index)
            else:
                table = (table * 0.05).astype(FLOATS[i % 3])
                offset = rng.normal(0, 3, shape).astype(np.float32)
                check(x, **given, quant_scale=table, quant_offset=offset, group_index=group_index)


def test_one_dimension_means_groups_even_where_it_fits_columns() -> None:
    """[P] with P = H: one number for each group in counts, one for each column in pairs."""
    rng = np.random.default_rng(2)
    h = rows = 4
    x = hidden(rng, (rows, 2 * h), np.float32)
    scale = np.array([1, 2, 4, 8], np.float32)
    counts = np.ones(4, np.int64)
    pairs = np.stack([np.arange(4), counts], axis=1)
    by_group, _ = check(x, quant_scale=scale, group_index=counts)
    table = np.repeat(scale[:, None], h, axis=1)
    assert_same(by_group, check(x, quant_scale=table, group_index=counts)[0], "counts")
    by_column, _ = check(x, quant_scale=scale, quant_offset=np.zeros((4, h), np.float32), group_index=pairs)
    assert_same(by_column, check(x, quant_scale=scale)[0], "pairs")


@x_dtypes
@formats
@quant_modes
@swiglu_modes
def test_special_rows(dtype, dst_type, quant_mode, mode) -> None:
    """Zeros, NaNs, infinities, subnormals, gates up to 1e4 in magnitude and around where exp ends."""
    rng = np.random.default_rng(9)
    h = 70
    rows = []
    if dtype == np.int32:
        x = matmul_result(rng, (12, 2 * h))
        x[0] = 0
        x[1, :h] = 0
        x[2, h:] = 0
        x[3] = np.iinfo(np.int32).max
        x[4] = np.iinfo(np.int32).min
        activation = np.array([1, 1, 1, 1e-3, 1e-3, np.nan, np.inf, 0, -1, 1e-30, 2.5, 1e30], np.float32)
        weight = weights(rng, (2 * h,)) * np.float32(30)
        arguments: dict[str, Any] = {"weight_scale": weight, "activation_scale": activation}
    else:
        special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e4, -1e4, 88.7, -88.7, 88.8, -88.8, 100, -100, 1e-30, -1e-38]
        for first in special:
            for second in (0.0, -0.0, np.nan, np.inf, -np.inf, 1.5, -3.0, 1e4, 1e-38):
                row = rng.normal(0, 2, 2 * h)
                row[rng.integers(h)] = first
                row[h + rng.integers(h)] = second
                rows.append(row)
                rows.append(np.concatenate([np.full(h, first), np.full(h, second)]))
        with np.errstate(all="ignore"):
            x = np.array(rows, np.float32).astype(dtype)
        subnormal = inputs.extreme_rows(rng, dtype, 2 * h)
        x = np.concatenate([x, subnormal]).astype(dtype)
        arguments = {}
    arguments |= {"swiglu_mode": mode, "quant_mode": quant_mode, "dst_type": dst_type}
    for left in (False, True):
        check(x, **arguments, activate_left=left)
    if quant_mode == 0:
        wild = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e-38, -1e-38, 1e30, 1, -1] * 7, np.float32)
        check(x, **arguments, quant_scale=wild)
        check(x, **arguments, quant_scale=np.full(h, 1e-3, np.float32), quant_offset=wild)


@pytest.mark.parametrize("deviation", [2, 40, 80, 1e4])
@x_dtypes
@formats
def test_large_gates(deviation, dtype, dst_type) -> None:
    """Rows in which results underflow, and where that matters: tiny scales of everything."""
    rng = np.random.default_rng(3)
    h = 200
    for quant_mode in (0, 1):
        if dtype == np.int32:
            x = np.rint(rng.normal(0, deviation * 1000, (4, 2 * h))).astype(np.int32)
            given: dict[str, Any] = {"activation_scale": np.array([1e-3, 1e-3, 1e-38, 1e-20], np.float32)}
            given["weight_scale"] = np.full(2 * h, 1, np.float32)
            given["weight_scale"][h:] = 1e-30
        else:
            x = np.clip(rng.normal(0, deviation, (4, 2 * h)), -60000, 60000).astype(np.float32)
            x[1, :h] *= 1e-36
            x[2] *= 1e-22
            x = x.astype(dtype)
            given = {}
        for factor in (1, 1e-30, 1e30):
            quant_scale = np.full(h, factor, np.float32)
            check(x, **given, quant_scale=quant_scale, quant_mode=quant_mode, dst_type=dst_type)
        if quant_mode == 0:
            check(x, **given, quant_offset=np.zeros(1, np.float32), dst_type=dst_type)


@x_dtypes
@quant_modes
def test_layouts(dtype, quant_mode) -> None:
    """Any strides of every tensor; nothing around the results is written."""
    rng = np.random.default_rng(8)
    known: list[Any] = [0, 1, *LAYOUTS]
    for i in range(40):
        h = int(rng.choice([1, 5, 64, 70, 129]))
        lead = ((), (3,), (2, 3))[i % 3]
        rows = int(np.prod(lead, dtype=np.int64))
        spread = lambda a: laid_out(a, known[rng.integers(len(known))])  # noqa: E731
        x = spread(any_x(rng, (*lead, 2 * h), dtype))
        given: dict[str, Any] = {}
        if dtype == np.int32:
            given["weight_scale"] = spread(weights(rng, (1, 2 * h)))
            given["activation_scale"] = spread(rng.uniform(0.1, 2, (rows, 1)).astype(np.float32))
            given["bias"] = spread(rng.integers(-3000, 3000, (1, 2 * h)).astype((np.int32, np.float32)[i % 2]))
        given["quant_scale"] = spread(rng.uniform(0.5, 2, (1, h)).astype(FLOATS[i % 3]))
        if quant_mode == 0:
            given["quant_offset"] = spread(rng.normal(0, 9, (1, h)).astype(np.float32).astype(FLOATS[i % 3]))
        if rows:
            counts = np.array([rows // 2, 0], np.int64) if i % 2 else np.array([rows], np.int32)
            given["group_index"] = spread(counts)
        guarded = inputs.Guarded(known[rng.integers(len(known))])
        check(x, **given, quant_mode=quant_mode, swiglu_mode=i % 3, activate_left=i % 5 < 2, alloc=guarded)
        guarded.check()


def test_empty() -> None:
    codes, scale = check(np.zeros((0, 8), np.float32))
    assert codes.shape == (0, 4) and scale.shape == (0,)
    for quant_mode in (0, 1):
        codes, scale = check(np.zeros((3, 0), np.float32), quant_mode=quant_mode)
        assert codes.shape == (3, 0) and scale.tolist() == [0, 0, 0]
    codes, scale = check(np.ones((3, 4), np.float32), group_index=np.zeros(0, np.int64), quant_mode=1)
    assert not codes.any() and scale.tolist() == [0, 0, 0]


@quant_modes
def test_threads(quant_mode) -> None:
    """Rows shared among threads, one long row cut, and groups that end early."""
    rng = np.random.default_rng(4)
    for shape in ((40, 2 * 2000), (1, 2 * 70000), (3, 2 * 30001)):
        x = matmul_result(rng, shape)
        given = scales_for(rng, x)
        for threads in (1, 2, 3, 8):
            how = {"threads": threads, "stores": ("auto", "streaming")[threads % 2]}
            check(x, **given, quant_mode=quant_mode, how=how, group_index=np.array([shape[0] // 3 + 1], np.int64))


def test_counts_and_ends() -> None:
    ends = np.array([3, 3, 8], np.int32)
    counts = kvant_c.counts_from_ends(ends)
    assert counts.tolist() == [3, 0, 5]
    assert kvant_c.ends_from_counts(counts, np.int32).tolist() == ends.tolist()
    with pytest.raises(IndexError, match=r"look like cumulative end rows, row counts are wanted"):
        kvant_c.dequant_swiglu_quant(np.ones((8, 4), np.float32), group_index=ends)
    kvant_c.dequant_swiglu_quant(np.ones((8, 4), np.float32), group_index=counts)


def test_ml_dtypes_storage() -> None:
    """FP8 codes also as plain bytes."""
    x = np.linspace(-3, 3, 64, dtype=np.float32).reshape(2, 32)
    y, _ = kvant_c.dequant_swiglu_quant(x, dst_type="float8_e4m3fn", quant_mode=1)
    assert y.dtype == ml_dtypes.float8_e4m3fn
