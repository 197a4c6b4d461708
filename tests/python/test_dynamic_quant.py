"""dynamic_quant against the oracle, on every SIMD target of this machine."""

import functools
from typing import Any

import numpy as np
import pytest

import inputs
import kvant_c
import oracle
from checks import MODES, compare, dtypes, formats, on_every_target, symmetries
from inputs import BF16, DTYPES, INTEGERS, LAYOUTS, laid_out


@dtypes
@formats
@symmetries
def test_every_combination_of_attributes(dtype, dst_type, symmetric) -> None:
    rng = np.random.default_rng(1)
    x = inputs.activations(rng, (3, 7, 48), dtype)
    shared = {"dst_type": dst_type, "symmetric": symmetric}
    for mode in MODES:
        compare("dynamic_quant", x, quant_mode=mode, **shared)
        for smooth in DTYPES:
            scales = inputs.activations(rng, (7 if mode == "perchannel" else 48,), smooth)
            compare("dynamic_quant", x, quant_mode=mode, smooth_scales=scales, **shared)
            if mode != "perchannel":
                experts = inputs.activations(rng, (6, 48), smooth)
                for ends in inputs.group_ends(rng, 6, 21):
                    compare("dynamic_quant", x, quant_mode=mode, smooth_scales=experts, group_index=ends, **shared)
    if dst_type in INTEGERS:
        experts = inputs.activations(rng, (4, 48), dtype)
        ends = next(inputs.group_ends(rng, 4, 21))
        for size in (2, 4, 6, 16, 24, 48):
            compare("dynamic_quant", x, group_size=size, **shared)
            compare("dynamic_quant", x, group_size=size, smooth_scales=experts[0], **shared)
            compare("dynamic_quant", x, group_size=size, smooth_scales=experts, group_index=ends, **shared)


@dtypes
@formats
@symmetries
def test_extreme_rows(dtype, dst_type, symmetric) -> None:
    rng = np.random.default_rng(2)
    for n in (2, 16, 66, 130, 300):
        x = inputs.extreme_rows(rng, dtype, n)
        shared = {"dst_type": dst_type, "symmetric": symmetric}
        compare("dynamic_quant", x, **shared)
        compare("dynamic_quant", x, smooth_scales=inputs.extreme_rows(rng, dtype, n)[-40], **shared)
        compare("dynamic_quant", x.repeat(2, axis=0).T.copy(), quant_mode="perchannel", **shared)
        for row in x:  # what is special in it is in the statistics of the whole tensor
            compare("dynamic_quant", row, quant_mode="pertensor", **shared)


@dtypes
@formats
@symmetries
def test_every_exponent_of_the_scale(dtype, dst_type, symmetric) -> None:
    rng = np.random.default_rng(3)
    for n in (18, 140):
        x = inputs.scale_sweep(rng, dtype, n)
        compare("dynamic_quant", x, dst_type, symmetric)
        compare("dynamic_quant", np.ascontiguousarray(x[: len(x) & ~1].T), dst_type, symmetric, "perchannel")


@dtypes
@formats
@symmetries
def test_smooth_scales_of_every_exponent(dtype, dst_type, symmetric) -> None:
    """Products are ordinary, large or subnormal; so are their factors, one of them or both."""
    rng = np.random.default_rng(4)
    for n in (16, 66, 130):
        x = inputs.scale_sweep(rng, dtype, n)
        for low, high in ((-3, 3), (0, 0), (-149, -120), (-149, 127), (20, 60), (110, 127)):
            scales = inputs.numbers(rng, (n,), np.float32, low, high)
            compare("dynamic_quant", x, dst_type, symmetric, smooth_scales=scales)
        scales = inputs.numbers(rng, (len(x),), np.float32, -149, 127)
        compare("dynamic_quant", x, dst_type, symmetric, "perchannel", scales)


@pytest.mark.parametrize("mode", MODES)
@formats
@symmetries
def test_a_subnormal_factor_counts(symmetric, dst_type, mode) -> None:
    """A product is an ordinary number although one of its factors is subnormal, or both are small."""
    for dtype, x, scales in (
        (np.float32, [1, 1e-40], [1e-10, 1e38]),
        (BF16, [1, 1e-40], [1e-10, 1e38]),
        (np.float32, [1, 1e30], [1e-10, 1e-40]),
        (np.float32, [2e-38, 3e-39], [1, 8]),
        (np.float16, [1, 60000], [2**-84, 9e-39]),
        (np.float16, [1, -60000], [2**-84, 9e-39]),
        (np.float32, [2**-60, 2**-63], [2**-60, 2**-65]),
    ):
        row = np.array([x] * 2, dtype)
        if mode == "perchannel":
            row = row.T.copy()
        compare("dynamic_quant", row, dst_type, symmetric, mode, np.array(scales, np.float32))


@dtypes
@formats
def test_scales_where_a_method_may_change(dtype, dst_type) -> None:
    rng = np.random.default_rng(5)
    for n in (16, 66, 260):
        x = inputs.threshold_rows(rng, dtype, dst_type, n)
        for symmetric in (True, False):
            compare("dynamic_quant", x, dst_type, symmetric)
            compare("dynamic_quant", x, dst_type, symmetric, smooth_scales=np.ones(n, np.float32))
            compare("dynamic_quant", x[: len(x) & ~1].T.copy(), dst_type, symmetric, "perchannel")


@dtypes
@formats
@symmetries
def test_elements_between_two_codes(dtype, dst_type, symmetric) -> None:
    rng = np.random.default_rng(6)
    for n in (16, 128, 514):
        x = inputs.boundary_rows(rng, dtype, dst_type, symmetric, 150, n)
        _, scale, _ = compare("dynamic_quant", x, dst_type, symmetric)
        compare("dynamic_quant", x, dst_type, symmetric, smooth_scales=np.ones(n, np.float16))
        quotients = x.astype(np.float64) / scale[:, None].astype(np.float64)
        if symmetric and dst_type in INTEGERS:
            assert (np.abs(quotients) % 1 == 0.5).sum() > 100  # exact ties are among them


@dtypes
@pytest.mark.parametrize("dst_type", ["int8", "int4", "float8_e4m3fn", "hifloat8"])
def test_row_lengths(dtype, dst_type) -> None:
    rng = np.random.default_rng(7)
    step = 2 if dst_type == "int4" else 1
    lengths = [
        *range(step, 140, step),
        *range(500, 528, 4),
        1000,
        1022,
        1024,
        1026,
        2050,
        4094,
        4096,
        4098,
        8200,
        70002,
    ]
    for n in lengths:
        x = inputs.activations(rng, (2 if n > 5000 else 5, n), dtype)
        compare("dynamic_quant", x, dst_type, symmetric=n // step % 2 == 0)
        if n < 140:
            scales = inputs.activations(rng, (n,), np.float32)
            compare("dynamic_quant", x, dst_type, symmetric=n // step % 2 == 1, smooth_scales=scales)
            compare("dynamic_quant", np.tile(x, (4, 1)), dst_type, n % 2 == 0, "perchannel")


@pytest.mark.parametrize("dst_type", ["int8", "int4", "hifloat8"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1, 400002), (3, 140000), (70000, 6), (9, 50, 514), (3, 700, 200)])
def test_threads_and_stores(shape, mode, dst_type) -> None:
    """Work large enough to be cut, and a NaN that only one task sees."""
    rng = np.random.default_rng(8)
    x = inputs.activations(rng, shape, np.float32)
    x.reshape(-1)[x.size // 3] = np.nan
    scales = inputs.activations(rng, (shape[-2 if mode == "perchannel" else -1],), BF16)
    for symmetric, smooth, dtype in ((True, None, BF16), (False, scales, np.float32)):
        arguments = x.astype(dtype), dst_type, symmetric, mode, smooth
        expected: Any = None
        for threads, stores in ((1, "normal"), (2, "streaming"), (5, "auto")):
            expected = compare("dynamic_quant", *arguments, how={"threads": threads, "stores": stores})
        on_every_target(functools.partial(kvant_c.dynamic_quant, *arguments), expected, "the library's own threads")


@formats
def test_streaming_to_every_alignment(dst_type) -> None:
    rng = np.random.default_rng(16)
    for n in (130, 516, 1500):
        x = inputs.activations(rng, (3, n), BF16)
        for start in range(65):
            guarded = inputs.Guarded(start)
            how = {"threads": 1, "stores": "streaming"}
            compare("dynamic_quant", x, dst_type, start % 2 == 0, how=how, alloc=guarded)
            guarded.check()


@pytest.mark.parametrize("y_layout", LAYOUTS)
@pytest.mark.parametrize("x_layout", LAYOUTS)
def test_layouts(x_layout, y_layout) -> None:
    rng = np.random.default_rng(9)
    for dtype, shape in ((np.float16, (5, 24)), (BF16, (3, 4, 40)), (np.float32, (2, 1, 3, 130)), (np.float32, (7,))):
        x = inputs.activations(rng, shape, dtype)
        smooth = {"pertensor": laid_out(inputs.activations(rng, (shape[-1],), BF16), x_layout), "pertoken": None}
        if len(shape) > 1:
            smooth["perchannel"] = laid_out(inputs.activations(rng, (shape[-2],), np.float32), x_layout)
        for mode, scales in smooth.items():
            for dst_type, symmetric in (("int8", False), ("float8_e5m2", True)):
                guarded = inputs.Guarded(y_layout)
                compare("dynamic_quant", laid_out(x, x_layout), dst_type, symmetric, mode, scales, alloc=guarded)
                guarded.check()


@pytest.mark.parametrize("words", [False, True], ids=["bytes", "words"])
@pytest.mark.parametrize("mode", MODES)
def test_int4_storage(mode, words) -> None:
    """Packed rows apart from one another, as bytes and as 32-bit words; scales scattered."""
    x = inputs.activations(np.random.default_rng(10), (6, 9, 48), np.float32)
    for group_size in (0, 2, 12) if mode == "pertoken" else (0,):
        attributes: dict[str, Any] = {"quant_mode": mode, "group_size": group_size}
        y, scale, offset = oracle.dynamic_quant(x, "int4", **attributes)
        if words:
            y = oracle.pack_int4(oracle.unpack_int4(y), as_int32=True)
        guards = {True: inputs.Guarded("padded"), False: inputs.Guarded("sliced")}

        def alloc(shape, dtype, guards=guards):
            return guards[dtype in (np.uint8, np.int32)](shape, dtype)

        on_every_target(
            lambda a=alloc, k=attributes: kvant_c.dynamic_quant(x, "int4", words=words, alloc=a, **k),
            (y, scale, offset),
            f"{mode} {group_size}",
        )
        for guard in guards.values():
            guard.check()


def test_broadcast_inputs() -> None:
    rng = np.random.default_rng(11)
    row, column = inputs.activations(rng, (1, 70), np.float16), inputs.activations(rng, (6, 1), BF16)
    scales = np.broadcast_to(inputs.activations(rng, (1,), np.float32), (70,))
    ends = np.broadcast_to(np.array([6], np.int64), (3,))
    experts = np.broadcast_to(inputs.activations(rng, (70,), np.float32), (3, 70))
    for x in (np.broadcast_to(row, (6, 70)), np.broadcast_to(column, (6, 70)), np.broadcast_to(row[:, :1], (6, 70))):
        for mode in MODES:
            compare("dynamic_quant", x, quant_mode=mode)
        compare("dynamic_quant", x, smooth_scales=scales)
        compare("dynamic_quant", x, smooth_scales=experts, group_index=ends)


@formats
@symmetries
@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (2, 0, 4), (0, 0), (4, 2, 0), (1, 0, 0, 8)])
def test_empty_tensors(shape, dst_type, symmetric) -> None:
    x = np.zeros(shape, np.float16)
    for mode in MODES if len(shape) > 1 else MODES[:2]:
        compare("dynamic_quant", x, dst_type, symmetric, mode)
    if len(shape) == 2:
        experts = np.ones((2, shape[1]), np.float32)
        ends = np.array([0, shape[0]], np.int32)
        compare("dynamic_quant", x, dst_type, symmetric, smooth_scales=experts, group_index=ends)
    if dst_type in INTEGERS and shape[-1] == 0:
        compare("dynamic_quant", x, dst_type, symmetric, group_size=2)


@dtypes
def test_experts(dtype) -> None:
    """Every way to cut five rows into four groups, ends strided and backwards."""
    rng = np.random.default_rng(12)
    x = inputs.activations(rng, (5, 34), dtype)
    experts = inputs.activations(rng, (4, 34), BF16)
    for a in range(6):
        for b in range(a, 6):
            for c in range(b, 6):
                ends = np.array([a, b, c, 5], np.int64)
                compare("dynamic_quant", x, smooth_scales=experts, group_index=ends)
    for layout in LAYOUTS.values():
        ends = layout(np.array([0, 2, 2, 5], np.int32))
        compare("dynamic_quant", x, smooth_scales=layout(experts), group_index=ends)


@pytest.mark.parametrize("largest", [32768.0, 15.0, 1.5, 1e-3, 1.1e-6, 9e-7, 0.1, 224.0])
@symmetries
def test_hifloat8_range_is_an_attribute(largest, symmetric) -> None:
    rng = np.random.default_rng(13)
    for dtype in DTYPES:
        x = np.concatenate([inputs.activations(rng, (20, 66), dtype), inputs.extreme_rows(rng, dtype, 66)])
        compare("dynamic_quant", x, "hifloat8", symmetric, dst_type_max=largest)
