"""Scatters and gathers against the oracle: the same bytes, on every SIMD target of this machine."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import inputs
import kvant_c
import oracle
import oracle_scatter
from checks import assert_same, dtypes, formats, on_every_target, symmetries
from inputs import BF16, DTYPES, INTEGERS, LAYOUTS, Array, laid_out

MODES = ("batch", "pair", "slot")
POLICIES = ("error", "skip")
modes = pytest.mark.parametrize("mode", MODES)
policies = pytest.mark.parametrize("policy", POLICIES)
seeds = pytest.mark.parametrize("seed", range(6))
# bfloat16 has too few bits for offsets of INT8.
caches = pytest.mark.parametrize(
    ("dst_type", "symmetric", "table"),
    [
        (dst_type, symmetric, table)
        for dst_type in INTEGERS
        for symmetric in (True, False)
        for table in DTYPES
        if symmetric or dst_type == "int4" or table != BF16
    ],
    ids=lambda value: getattr(value, "__name__", None),
)

# What codes may be kept in.
STORAGE: dict[str, tuple[Any, ...]] = {
    "int8": (np.int8,),
    "int4": (np.uint8, np.int32),
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, np.uint8),
    "float8_e5m2": (ml_dtypes.float8_e5m2, np.uint8),
    "hifloat8": (np.uint8,),
}


def random_bytes(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return np.frombuffer(bytearray(rng.bytes(size)), dtype).reshape(shape)


def any_layout(rng: np.random.Generator, packed: bool = False) -> str | int:
    """Of what is packed, the last dimension stays contiguous."""
    known: list[str | int] = [0, 3, "padded"] if packed else [0, 1, *LAYOUTS]
    return known[rng.integers(len(known))]


def spread(rng: np.random.Generator, a: Array) -> Array:
    return laid_out(a, any_layout(rng))


def any_rows(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Rows of all kinds, extreme ones among them."""
    h = shape[-1]
    if h == 0:
        return np.zeros(shape, dtype)
    count = int(np.prod(shape[:-1], dtype=np.int64))
    usual = inputs.activations(rng, (count, h), dtype)
    extreme = inputs.extreme_rows(rng, dtype, h)
    rows = np.where(rng.random((count, 1)) < 0.6, usual, extreme[rng.integers(0, len(extreme), count)])
    return rows.astype(dtype).reshape(shape)


class Problem:
    """Shapes of a destination and its updates, and indices that say what goes where."""

    def __init__(self, rng: np.random.Generator, mode: str, policy: str, *, whole_rows: bool, columns: int = 1) -> None:
        """`columns`: what the last dimension is a multiple of."""
        self.mode, self.policy = mode, policy
        rank = int(rng.integers(3 if whole_rows else 2, 6))
        self.shape = [int(v) for v in rng.choice([1, 2, 3, 4], rank)]
        self.shape[-1] = columns * int(rng.choice([1, 2, 3, 8, 9])) if whole_rows else int(rng.integers(1, 12))
        self.axis = int(rng.integers(1, rank - 1 if whole_rows else rank))
        if whole_rows or self.axis != rank - 1:
            self.shape[self.axis] = int(rng.integers(1, 9))
        firsts, positions = self.shape[0], self.shape[self.axis]
        self.length = 1 if mode == "slot" else int(rng.choice([1, 1, rng.integers(0, positions + 1)]))
        n = int(rng.integers(0, firsts + 1)) if mode == "batch" else int(rng.integers(0, 14))
        self.indices = self._indices(rng, n, firsts, positions)
        self.updates = [n, *self.shape[1:]]
        if mode == "slot":
            del self.updates[self.axis]
        else:
            self.updates[self.axis] = self.length
        # Both ways to say it.
        self.given_axis = self.axis - (rank if rng.random() < 0.5 else 0)

    def _indices(self, rng: np.random.Generator, n: int, firsts: int, positions: int) -> Array:
        starts = positions - self.length + 1
        if self.mode == "batch":
            indices = rng.integers(0, starts, n)
        elif self.mode == "pair":
            indices = np.stack([rng.integers(0, firsts, n), rng.integers(0, starts, n)], axis=1).reshape(n, 2)
        else:
            indices = rng.integers(0, firsts * positions, n)
        dtype = rng.choice([np.int32, np.int64])
        if self.mode != "batch":
            indices = np.where(rng.random(indices.shape) < 0.1, -1, indices)
            if rng.random() < 0.3:
                indices = np.sort(indices, axis=0)
        if self.policy == "skip":
            limits = np.iinfo(dtype)
            outside = [-1, -2, starts, firsts, firsts * positions, limits.min, limits.max]
            indices = np.where(rng.random(indices.shape) < 0.2, rng.choice(outside, indices.shape), indices)
        return spread(rng, indices.astype(dtype))

    def where(self) -> dict[str, Any]:
        return {"axis": self.given_axis, "index_mode": self.mode, "index_policy": self.policy}

    def __repr__(self) -> str:
        return f"{self.mode}, {self.policy}: {self.updates} to {self.shape} axis {self.axis}, {self.indices.tolist()}"


def expect_in_place(call: Any, before: list[Array | None], layouts: list[Any], expected: Any, what: str) -> None:
    """call(*tables) on every target, each time on copies of `before` in memory of which nothing else may be written."""

    def run() -> tuple[Array | None, ...]:
        results: list[Array | None] = []
        guards = []
        given: list[Array | None] = []
        for table, layout in zip(before, layouts, strict=True):
            if table is None:
                given.append(None)
                continue
            guards.append(inputs.Guarded(layout))
            copy = guards[-1](table.shape, table.dtype)
            copy.view(f"u{table.itemsize}")[...] = table.view(f"u{table.itemsize}")
            given.append(copy)
        call(*given)
        for table in given:
            bits = None if table is None else np.array(table.view(f"u{table.itemsize}"))
            results.append(bits if bits is None or table is None else bits.view(table.dtype))
        for guard in guards:
            guard.check()
        return tuple(results)

    on_every_target(run, expected, what)


def layouts_for(rng: np.random.Generator, before: list[Array | None], packed: bool) -> list[str | int]:
    """`packed`: the tables of codes, every third one, are."""
    return [any_layout(rng, packed and i % 3 == 0) for i in range(len(before))]


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
            lambda: kvant_c.scatter_update(self, p.indices, updates, **p.where(), alloc=guarded, how=how),
            expected,
            f"scatter_update, {p}",
        )
        assert_same(self, before, "self of scatter_update")
        guarded.check()
        expect_in_place(
            lambda table: kvant_c.scatter_update_(table, p.indices, updates, **p.where(), how=how),
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
        given = (p.indices, updates, spread(rng, scales), None if zeros is None else spread(rng, zeros))
        expected = oracle_scatter.quant_scatter(before, *given, **attributes)
        how = {"threads": int(rng.integers(1, 5))}
        self, guarded = spread(rng, before), inputs.Guarded(any_layout(rng))
        what = f"{attributes}, {p}"
        on_every_target(
            lambda: kvant_c.quant_scatter(self, *given, **attributes, alloc=guarded, how=how), expected, what
        )
        assert_same(self, before, "self of quant_scatter")
        guarded.check()
        expect_in_place(
            lambda table: kvant_c.quant_scatter_(table, *given, **attributes, how=how),
            [before],
            layouts_for(rng, [before], False),
            (expected,),
            f"in place, {what}",
        )


# dynamic_quant_update_scatter_ and dequantize_gather


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
                lambda *t: kvant_c.dynamic_quant_update_scatter_(*t, slots, x, **attributes),
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
                lambda *t: kvant_c.dynamic_quant_update_scatter_(*t, indices, updates, axis=1, **p),
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
            lambda: kvant_c.dequantize_gather(*given, **attributes, alloc=guarded, how=how),
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
        on_every_target(lambda: kvant_c.dequantize_gather(var, scale, o, slots, **attributes), expected, f"{negate}")


# All of them


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
            ("quant_scatter_", lambda: kvant_c.quant_scatter_(codes, p.indices, x, one, **p.where())),
            ("quant_scatter", lambda: kvant_c.quant_scatter(codes, p.indices, x, one, **p.where())),
            ("scatter_update_", lambda: kvant_c.scatter_update_(same, p.indices, x, **p.where())),
            ("scatter_update", lambda: kvant_c.scatter_update(same, p.indices, x, **p.where())),
            (
                "dynamic_quant_update_scatter_",
                lambda: kvant_c.dynamic_quant_update_scatter_(codes, *params, p.indices, x, **p.where()),
            ),
            (
                "dequantize_gather",
                lambda: kvant_c.dequantize_gather(codes, *params, p.indices, length=max(p.length, 1), **p.where()),
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
