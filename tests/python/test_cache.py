"""Caches against the oracle, written in one pass and read back: the same bytes, on every SIMD target of the machine."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import inputs
import kvant_c
import oracle_scatter
from checks import dtypes, formats, on_every_target, symmetries
from inputs import BF16, DTYPES, INTEGERS, Array, laid_out
from scatter_problem import (
    MODES,
    POLICIES,
    STORAGE,
    Problem,
    any_layout,
    any_rows,
    caches,
    expect_in_place,
    layouts_for,
    modes,
    policies,
    random_bytes,
    seeds,
    spread,
)


def random_cache(
    rng: np.random.Generator, p: Problem, storage: Any, table: Any, group_size: int, symmetric: bool
) -> list[Any]:
    """Tables of random bytes. The last dimension of the problem's shape counts codes."""
    codes = {np.int32: 8, np.uint8: 2}.get(storage, 1)
    params = (*p.shape[:-1], *([p.shape[-1] // group_size] if group_size else []))
    var = random_bytes(rng, (*p.shape[:-1], p.shape[-1] // codes), storage)
    scale = random_bytes(rng, params, table)
    return [var, scale, None if symmetric else random_bytes(rng, params, table)]


def any_group_size(rng: np.random.Generator, h: int, dst_type: str) -> int:
    sizes = [g for g in range(1, h + 1) if h % g == 0 and not (dst_type == "int4" and g % 2)]
    return int(rng.choice(sizes)) if rng.random() < 0.5 else 0


@seeds
@modes
@policies
@caches
def test_dynamic_quant_update_scatter(dst_type, table, symmetric, mode, policy, seed) -> None:
    rng = np.random.default_rng((3, MODES.index(mode), POLICIES.index(policy), seed, DTYPES.index(table), symmetric))
    for _ in range(3):
        storage = np.int8 if dst_type == "int8" else (np.uint8, np.int32)[rng.integers(2)]
        p = Problem(rng, mode, policy, whole_rows=True, columns={np.int8: 1, np.uint8: 2, np.int32: 8}[storage])
        h, dtype = p.shape[-1], DTYPES[rng.integers(3)]
        group_size = any_group_size(rng, h, dst_type)
        attributes = {
            **p.where(),
            "dst_type": dst_type,
            "symmetric": symmetric,
            "group_size": group_size,
            "negate_offset": bool(rng.integers(2)) and not symmetric,
        }
        if rng.random() < 0.4:
            smooth = inputs.numbers(rng, (h,), DTYPES[rng.integers(3)], -8, 8)
            attributes["smooth_scales"] = spread(rng, smooth)
        before = random_cache(rng, p, storage, table, group_size, symmetric)
        updates = spread(rng, any_rows(rng, tuple(p.updates), dtype))
        values: Array | None = None
        second = None
        if rng.random() < 0.4:
            before += random_cache(rng, p, storage, table, group_size, symmetric)
            values = spread(rng, any_rows(rng, tuple(p.updates), dtype))
            second = (*before[3:], values)
        expected = oracle_scatter.dynamic_quant_update_scatter_(
            *before[:3], p.indices, updates, second=second, **attributes
        )
        how = {"threads": int(rng.integers(1, 5))}

        def call(*t: Array | None, p=p, updates=updates, values=values, attributes=attributes, how=how) -> None:
            second = None if values is None else (*t[3:], values)
            kvant_c.dynamic_quant_update_scatter_(*t[:3], p.indices, updates, second=second, how=how, **attributes)

        layouts = layouts_for(rng, before, dst_type == "int4")
        expect_in_place(call, before, layouts, expected, f"{attributes}, {p}")


@dtypes
@caches
def test_numbers_in_every_table(dst_type, symmetric, table, dtype) -> None:
    """Scales of every size, at thresholds and beyond what a table can hold."""
    rng = np.random.default_rng(4)
    for h in (2, 40):
        x = np.concatenate(
            [
                inputs.extreme_rows(rng, dtype, h),
                inputs.scale_sweep(rng, dtype, h),
                inputs.threshold_rows(rng, dtype, dst_type, h),
                inputs.boundary_rows(rng, dtype, dst_type, symmetric, 40, h),
            ]
        )
        n = len(x)
        codes = h if dst_type == "int8" else h // 2
        before: list[Array | None] = [
            random_bytes(rng, (n, 2, codes), np.int8 if dst_type == "int8" else np.uint8),
            random_bytes(rng, (n, 2), table),
            None if symmetric else random_bytes(rng, (n, 2), table),
        ]
        slots = 2 * rng.permutation(n) + rng.integers(0, 2, n)
        attributes = {"dst_type": dst_type, "symmetric": symmetric, "index_mode": "slot"}
        for negate in (False,) if symmetric else (False, True):
            attributes["negate_offset"] = negate
            expected = oracle_scatter.dynamic_quant_update_scatter_(*before, slots, x, **attributes)
            expect_in_place(
                partial(kvant_c.dynamic_quant_update_scatter_, indices=slots, updates=x, **attributes),
                before,
                [0, 0, 0],
                expected,
                f"{attributes}",
            )


@symmetries
def test_shapes_of_the_source(symmetric) -> None:
    """x (B, 1, H), var (B, S, 1, H), tables (B, S) or (B, S, 1); symmetric also with one more dimension of 1."""
    rng = np.random.default_rng(5)
    b, s, h = 3, 6, 16
    x, indices = inputs.activations(rng, (b, 1, h), BF16), np.array([5, 0, 2], np.int32)
    p = {"index_mode": "batch", "symmetric": symmetric}
    var, scale, offset = (random_bytes(rng, shape, np.float32) for shape in ((b, s, 1, h // 4), (b, s, 1), (b, s, 1)))
    before = [var.view(np.int8), scale, None if symmetric else offset]
    usual = oracle_scatter.dynamic_quant_update_scatter_(*before, indices, x.reshape(b, 1, 1, h), axis=1, **p)
    for shape in ((b, s), (b, s, 1), *([(b, s, 1, 1)] if symmetric else [])):
        given = [t if t is None or i == 0 else t.reshape(shape) for i, t in enumerate(before)]
        expected = tuple(t if t is None or i == 0 else t.reshape(shape) for i, t in enumerate(usual))
        for updates in (x, x.reshape(b, 1, 1, h)):
            expect_in_place(
                partial(kvant_c.dynamic_quant_update_scatter_, indices=indices, updates=updates, axis=1, **p),
                given,
                [0, 0, 0],
                expected,
                f"updates {updates.shape}, tables {shape}",
            )


@seeds
@modes
@policies
@formats
def test_dequantize_gather(dst_type, mode, policy, seed) -> None:
    rng = np.random.default_rng((6, MODES.index(mode), POLICIES.index(policy), seed))
    for _ in range(8):
        storage = STORAGE[dst_type][rng.integers(len(STORAGE[dst_type]))]
        columns = {np.int32: 8, np.uint8: 2}.get(storage, 1) if dst_type == "int4" else 1
        p = Problem(rng, mode, policy, whole_rows=True, columns=columns)
        if p.length == 0:
            continue
        group_size = any_group_size(rng, p.shape[-1], dst_type) if dst_type in INTEGERS else 0
        plain = bool(rng.integers(2))
        var, scale, offset = random_cache(rng, p, storage, DTYPES[rng.integers(3)], group_size, plain)
        if dst_type != "int4":
            var = random_bytes(rng, tuple(p.shape), storage)
        var = laid_out(var, any_layout(rng, dst_type == "int4"))
        given = (var, spread(rng, scale), None if offset is None else spread(rng, offset), p.indices)
        attributes = {
            **p.where(),
            "dst_type": dst_type,
            "length": p.length,
            "group_size": group_size,
            "negate_offset": bool(rng.integers(2)) and not plain,
            "dtype": DTYPES[rng.integers(3)],
        }
        expected = oracle_scatter.dequantize_gather(*given, **attributes)
        guarded = inputs.Guarded(any_layout(rng))
        how = {"threads": int(rng.integers(1, 5))}
        on_every_target(
            partial(kvant_c.dequantize_gather, *given, **attributes, alloc=guarded, how=how),
            expected,
            f"{attributes}, {p}",
        )
        guarded.check()


@dtypes
@pytest.mark.parametrize("table", DTYPES[:2], ids=["float16", "bfloat16"])
def test_every_16_bit_parameter_is_read(table, dtype) -> None:
    rng = np.random.default_rng(7)
    every = np.arange(1 << 16, dtype=np.uint16)
    slots = np.arange(1 << 16, dtype=np.int32)
    var = random_bytes(rng, (256, 256, 2), np.int8)
    scale, offset = (rng.permutation(every).view(table).reshape(256, 256) for _ in range(2))
    for o, negate in ((None, False), (offset, False), (offset, True)):
        attributes = {"index_mode": "slot", "dtype": dtype, "negate_offset": negate}
        expected = oracle_scatter.dequantize_gather(var, scale, o, slots, **attributes)
        on_every_target(partial(kvant_c.dequantize_gather, var, scale, o, slots, **attributes), expected, f"{negate}")


# All of them
