"""Random scatters and gathers, and how their results are compared on every SIMD target of this machine."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import inputs
from checks import on_every_target
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
