"""Scatters against the oracle: the same bytes, on every SIMD target of this machine."""

from functools import partial

import ml_dtypes
import numpy as np
import pytest

import inputs
import kvant_c
import oracle
import oracle_scatter
from checks import assert_same, on_every_target
from inputs import DTYPES, Array
from scatter_problem import (
    MODES,
    POLICIES,
    STORAGE,
    Problem,
    any_layout,
    any_rows,
    expect_in_place,
    layouts_for,
    modes,
    policies,
    random_bytes,
    seeds,
    spread,
)

# scatter_update


def test_the_oracle_by_hand() -> None:
    """Two rows of three places of one number."""
    self = np.arange(6, dtype=np.int8).reshape(2, 3, 1)
    two = np.array([[[70], [71]], [[80], [81]]], np.int8)
    one = np.array([[70], [80], [90]], np.int8)
    cases = [
        ("batch", [1, 0], two, [[0, 70, 71], [80, 81, 5]]),
        ("pair", [[1, 0], [1, 1]], two, [[0, 1, 2], [70, 80, 81]]),
        ("pair", [[1, 1], [1, 0]], two, [[0, 1, 2], [80, 81, 71]]),
        ("pair", [[1, -1], [-1, 0]], two, [[0, 1, 2], [3, 4, 5]]),
        ("slot", [5, -1, 1], one, [[0, 90, 2], [3, 4, 70]]),
        ("slot", [2, 3, 2], one, [[0, 1, 90], [80, 4, 5]]),
    ]
    for mode, indices, updates, expected in cases:
        given = np.array(indices)
        found = oracle_scatter.scatter_update(self, given, updates, index_mode=mode)
        assert found[..., 0].tolist() == expected, (mode, indices)
    for mode, indices, updates, expected in (
        ("batch", [2, 0], two, [[0, 1, 2], [80, 81, 5]]),
        ("pair", [[2, 0], [0, -2]], two, [[0, 1, 2], [3, 4, 5]]),
        ("slot", [6, -2, 0], one, [[90, 1, 2], [3, 4, 5]]),
    ):
        given = np.array(indices)
        with pytest.raises(IndexError):
            oracle_scatter.scatter_update(self, given, updates, index_mode=mode)
        found = oracle_scatter.scatter_update(self, given, updates, index_mode=mode, index_policy="skip")
        assert found[..., 0].tolist() == expected, (mode, indices)

    # A range of 255 steps of 1e6, a scale that float16 does not have: 65504 is the most, so 0 and 255e6 become 127.
    x = np.array([[0, 255e6]], np.float32)
    codes, scale, offset = oracle_scatter.cache_rows(x, np.float16)
    assert (scale[0], offset[0]) == (65504, np.float16(127 - 255e6 / 65504))
    assert codes.tolist() == [[-128, 127]]
    # A scale below the smallest normal one.
    codes, scale, offset = oracle_scatter.cache_rows(np.array([[0, 2.0**-20]], np.float32), np.float16)
    assert (scale[0], offset[0]) == (2.0**-14, 127)
    assert codes.tolist() == [[127, 127]]
    negated = oracle_scatter.cache_rows(x, np.float16, negate_offset=True)[2]
    assert negated is not None
    assert negated[0] == -np.float16(127 - 255e6 / 65504)


@seeds
@modes
@policies
def test_scatter_update(mode, policy, seed) -> None:
    rng = np.random.default_rng((1, MODES.index(mode), POLICIES.index(policy), seed))
    kinds = (np.int8, np.uint8, np.int32, np.int64, *DTYPES, ml_dtypes.float8_e5m2)
    for _ in range(25):
        p = Problem(rng, mode, policy, whole_rows=False)
        dtype = kinds[rng.integers(len(kinds))]
        before = random_bytes(rng, tuple(p.shape), dtype)
        updates = spread(rng, random_bytes(rng, tuple(p.updates), dtype))
        expected = oracle_scatter.scatter_update(before, p.indices, updates, **p.where())
        how = {"threads": int(rng.integers(1, 5))}
        self, guarded = spread(rng, before), inputs.Guarded(any_layout(rng))
        on_every_target(
            partial(kvant_c.scatter_update, self, p.indices, updates, **p.where(), alloc=guarded, how=how),
            expected,
            f"scatter_update, {p}",
        )
        assert_same(self, before, "self of scatter_update")
        guarded.check()
        expect_in_place(
            partial(kvant_c.scatter_update_, indices=p.indices, updates=updates, **p.where(), how=how),
            [before],
            layouts_for(rng, [before], False),
            (expected,),
            f"scatter_update_, {p}",
        )


# quant_scatter


@seeds
@modes
@policies
@pytest.mark.parametrize("dst_type", [name for name in oracle.FORMATS if name != "int4"])
def test_quant_scatter(dst_type, mode, policy, seed) -> None:
    rng = np.random.default_rng((2, MODES.index(mode), POLICIES.index(policy), seed))
    for _ in range(6):
        p = Problem(rng, mode, policy, whole_rows=True)
        h = p.shape[-1]
        dtype, scale_dtype = (DTYPES[i] for i in rng.integers(len(DTYPES), size=2))
        updates = spread(rng, any_rows(rng, tuple(p.updates), dtype))
        scales = inputs.numbers(rng, (int(rng.choice([1, h])),), scale_dtype, -4, 4)
        if rng.random() < 0.2:
            scales[0] = rng.choice([0, -0.0, np.inf, np.nan])
        zeros: Array | None = None
        if rng.random() < 0.7:
            zero_dtype = (np.int32, *DTYPES)[rng.integers(4)]
            points = rng.integers(-300, 300, rng.choice([1, h])) / (1 if zero_dtype == np.int32 else 8)
            zeros = points.astype(zero_dtype)
        round_modes = ("rint", "round", "hybrid") if dst_type == "hifloat8" else ("rint",)
        attributes = {
            **p.where(),
            "dst_type": dst_type,
            "reciprocal_scale": bool(rng.integers(2)),
            "round_mode": str(rng.choice(round_modes)),
        }
        storage = STORAGE[dst_type][rng.integers(len(STORAGE[dst_type]))]
        before = random_bytes(rng, tuple(p.shape), storage)
        given = {
            "indices": p.indices,
            "updates": updates,
            "quant_scales": spread(rng, scales),
            "quant_zero_points": None if zeros is None else spread(rng, zeros),
            **attributes,
        }
        expected = oracle_scatter.quant_scatter(before, **given)
        how = {"threads": int(rng.integers(1, 5))}
        self, guarded = spread(rng, before), inputs.Guarded(any_layout(rng))
        what = f"{attributes}, {p}"
        on_every_target(partial(kvant_c.quant_scatter, self, **given, alloc=guarded, how=how), expected, what)
        assert_same(self, before, "self of quant_scatter")
        guarded.check()
        expect_in_place(
            partial(kvant_c.quant_scatter_, **given, how=how),
            [before],
            layouts_for(rng, [before], False),
            (expected,),
            f"in place, {what}",
        )


# dynamic_quant_update_scatter_ and dequantize_gather


@pytest.mark.parametrize("threads", [1, 3, 8])
@pytest.mark.parametrize("mode", ["pair", "slot"])
def test_many_duplicates_on_many_threads(mode, threads) -> None:
    """Whatever the number of threads, the last update of a place stays."""
    rng = np.random.default_rng(8)
    n, h = 1500, 96
    shape = (3, 7, 2, h)
    x = inputs.activations(rng, (n, 2, 2, h) if mode == "pair" else (n, 2, h), np.float16)
    indices = rng.integers(-1, 21, n)
    if mode == "pair":
        indices = np.stack([rng.integers(-1, 3, n), rng.integers(-1, 6, n)], axis=1)
    where, how = {"axis": 1, "index_mode": mode}, {"threads": threads}
    tables = [random_bytes(rng, s, d) for s, d in ((shape, np.int8), *[(shape[:-1], np.float32)] * 2)]
    expect_in_place(
        lambda *t: kvant_c.dynamic_quant_update_scatter_(*t, indices, x, how=how, **where),
        tables,
        [0, 0, 0],
        oracle_scatter.dynamic_quant_update_scatter_(*tables, indices, x, **where),
        "dynamic_quant_update_scatter_",
    )
    scales = np.array([0.05], np.float32)
    expect_in_place(
        lambda t: kvant_c.quant_scatter_(t, indices, x, scales, how=how, **where),
        tables[:1],
        [0],
        (oracle_scatter.quant_scatter(tables[0], indices, x, scales, **where),),
        "quant_scatter_",
    )
    halves = random_bytes(rng, shape, np.float16)
    expect_in_place(
        lambda t: kvant_c.scatter_update_(t, indices, x, how=how, **where),
        [halves],
        [0],
        (oracle_scatter.scatter_update(halves, indices, x, **where),),
        "scatter_update_",
    )


@modes
def test_bad_indices_are_named_and_nothing_is_written(mode) -> None:
    rng = np.random.default_rng((9, MODES.index(mode)))
    seen = 0
    for _ in range(200):
        p = Problem(rng, mode, "skip", whole_rows=True)
        p.policy = "error"
        x = any_rows(rng, tuple(p.updates), np.float32)
        codes = random_bytes(rng, tuple(p.shape), np.int8)
        params = [random_bytes(rng, tuple(p.shape[:-1]), np.float32) for _ in range(2)]
        one = np.ones(1, np.float32)
        try:
            oracle_scatter.quant_scatter(codes, p.indices, x, one, **p.where())
            continue
        except IndexError as error:
            expected = str(error)
        seen += 1
        same = random_bytes(rng, tuple(p.shape), np.float32)
        written = [codes, *params, same]
        copies = [t.copy() for t in written]
        for name, call in (
            ("quant_scatter_", partial(kvant_c.quant_scatter_, codes, p.indices, x, one, **p.where())),
            ("quant_scatter", partial(kvant_c.quant_scatter, codes, p.indices, x, one, **p.where())),
            ("scatter_update_", partial(kvant_c.scatter_update_, same, p.indices, x, **p.where())),
            ("scatter_update", partial(kvant_c.scatter_update, same, p.indices, x, **p.where())),
            (
                "dynamic_quant_update_scatter_",
                partial(kvant_c.dynamic_quant_update_scatter_, codes, *params, p.indices, x, **p.where()),
            ),
            (
                "dequantize_gather",
                partial(kvant_c.dequantize_gather, codes, *params, p.indices, length=max(p.length, 1), **p.where()),
            ),
        ):
            if name == "dequantize_gather" and p.length == 0:
                continue
            with pytest.raises(IndexError) as raised:
                call()
            assert str(raised.value) == f"{name}: {expected}", repr(p)
            for now, before in zip(written, copies, strict=True):
                assert_same(now, before, name)
    assert seen > 40
