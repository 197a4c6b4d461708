"""The operators as straightforward Triton kernels: a program to a row, the row in registers, num_warps tuned.

TRITON_INTERPRET=1 runs them on the CPU.
"""

import os
from collections.abc import Callable

import torch
import triton
import triton.language as tl
from formulas import RANGES

KINDS = {"int8": 0, "int4": 1, "float8_e4m3fn": 2}
# An interpreter has nothing to tune.
WARPS = (4,) if os.environ.get("TRITON_INTERPRET") == "1" else (1, 2, 4, 8, 16)


def bench(call: Callable[[], object], quantiles: list[float]) -> object:
    """Times of one choice: shorter than Triton's own, which takes 125 milliseconds for each."""
    return triton.testing.do_bench(call, warmup=5, rep=20, quantiles=quantiles)


def tuned(*key: str) -> Callable[[object], object]:
    """Few rows (FEW) are tuned on their own."""
    configs = [triton.Config({}, num_warps=warps) for warps in WARPS]
    return triton.autotune(configs=configs, key=["columns", "FEW", *key], do_bench=bench)


@triton.jit
def code(v, KIND: tl.constexpr, D: tl.constexpr):
    if KIND == 2:
        return v.to(tl.float8e4nv)
    else:
        # Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even.
        rounded = (v + 12582912.0) - 12582912.0
        return tl.minimum(tl.maximum(rounded, -D - 1.0), D).to(tl.int8)


@triton.jit
def place(slots, row, per_slot: tl.constexpr, SCATTER: tl.constexpr):
    if SCATTER:
        return tl.load(slots + row // per_slot) * per_slot + row % per_slot
    else:
        return row.to(tl.int64)


@tuned("KIND", "ASYMMETRIC", "SCATTER")
@triton.jit
def quantize_rows(
    x, y, scales, offsets, slots, columns, per_slot: tl.constexpr,
    KIND: tl.constexpr, ASYMMETRIC: tl.constexpr, SCATTER: tl.constexpr, D: tl.constexpr, R: tl.constexpr,
    BLOCK: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    to = place(slots, row, per_slot, SCATTER)
    x += row.to(tl.int64) * columns
    i = tl.arange(0, BLOCK)
    if KIND == 1:  # even and odd elements
        low = tl.load(x + 2 * i, mask=2 * i < columns, other=0).to(tl.float32)
        high = tl.load(x + 2 * i + 1, mask=2 * i + 1 < columns, other=0).to(tl.float32)
        inside = 2 * i < columns
        most = tl.maximum(low, high)
        least = tl.minimum(low, high)
    else:
        inside = i < columns
        low = tl.load(x + i, mask=inside, other=0).to(tl.float32)
        high = low
        most = low
        least = low
    if ASYMMETRIC:
        top = tl.max(tl.where(inside, most, float("-inf")))
        bottom = tl.min(tl.where(inside, least, float("inf")))
        scale = tl.maximum((top - bottom) / R, 1e-12)
        offset = D - top / scale
        tl.store(offsets + to, offset)
    else:
        scale = tl.max(tl.where(inside, tl.maximum(tl.abs(most), tl.abs(least)), 0.0)) / D
        offset = 0.0
    tl.store(scales + to, scale)
    if KIND == 1:
        a = code(low / scale + offset, KIND, D)
        b = code(high / scale + offset, KIND, D)
        tl.store(y + to * (columns // 2) + i, (a & 15) | (b << 4), mask=inside)
    else:
        tl.store(y + to * columns + i, code(low / scale + offset, KIND, D), mask=inside)


@tuned("KIND", "PER_COLUMN", "SCATTER")
@triton.jit
def quantize_static(
    x, y, scales, slots, columns, per_slot: tl.constexpr, KIND: tl.constexpr, PER_COLUMN: tl.constexpr,
    SCATTER: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    to = place(slots, row, per_slot, SCATTER)
    x += row.to(tl.int64) * columns
    i = tl.arange(0, BLOCK)
    if KIND == 1:
        inside = 2 * i < columns
        low = tl.load(x + 2 * i, mask=inside, other=0).to(tl.float32)
        high = tl.load(x + 2 * i + 1, mask=inside, other=0).to(tl.float32)
        low /= tl.load(scales + 2 * i, mask=inside, other=1) if PER_COLUMN else tl.load(scales)
        high /= tl.load(scales + 2 * i + 1, mask=inside, other=1) if PER_COLUMN else tl.load(scales)
        bits = (code(low, KIND, D) & 15) | (code(high, KIND, D) << 4)
        tl.store(y + to * (columns // 2) + i, bits, mask=inside)
    else:
        inside = i < columns
        v = tl.load(x + i, mask=inside, other=0).to(tl.float32)
        v /= tl.load(scales + i, mask=inside, other=1) if PER_COLUMN else tl.load(scales)
        tl.store(y + to * columns + i, code(v, KIND, D), mask=inside)


@tuned("KIND", "GROUP", "GATHER")
@triton.jit
def dequantize_rows(
    codes, scales, offsets, slots, x, columns, per_slot: tl.constexpr, KIND: tl.constexpr, GROUP: tl.constexpr,
    OFFSET: tl.constexpr, GATHER: tl.constexpr, BLOCK: tl.constexpr, FEW: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    at = place(slots, row, per_slot, GATHER)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    if KIND == 1:
        half = tl.arange(0, BLOCK // 2)
        pairs = tl.load(codes + at * (columns // 2) + half, mask=2 * half < columns)
        v = tl.interleave((pairs << 4) >> 4, pairs >> 4).to(tl.float32)
    else:
        v = tl.load(codes + at * columns + i, mask=inside).to(tl.float32)
    if GROUP == 0:
        v = (v - tl.load(offsets + at) if OFFSET else v) * tl.load(scales + at)
    else:
        group = at * (columns // GROUP) + i // GROUP
        if OFFSET:
            v -= tl.load(offsets + group, mask=inside, other=0)
        v *= tl.load(scales + group, mask=inside, other=0)
    tl.store(x + row.to(tl.int64) * columns + i, v.to(x.dtype.element_ty), mask=inside)


@tuned()
@triton.jit
def scatter_rows(x, y, slots, columns, BLOCK: tl.constexpr, FEW: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    v = tl.load(x + row.to(tl.int64) * columns + i, mask=inside)
    tl.store(y + tl.load(slots + row) * columns + i, v, mask=inside)


@tuned("KIND")
@triton.jit
def swiglu_rows(
    x, weight_scale, activation_scale, y, scales, columns, KIND: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr,
    FEW: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    x += row * 2 * columns
    by = tl.load(activation_scale + row)
    lin = tl.load(x + i, mask=inside, other=0).to(tl.float32) * tl.load(weight_scale + i, mask=inside, other=0) * by
    act = tl.load(x + columns + i, mask=inside, other=0).to(tl.float32)
    act = act * tl.load(weight_scale + columns + i, mask=inside, other=0) * by
    s = act / (1.0 + tl.exp(-act)) * lin
    scale = tl.max(tl.where(inside, tl.abs(s), 0.0)) / D
    tl.store(scales + row, scale)
    tl.store(y + row * columns + i, code(s / scale, KIND, D), mask=inside)


def few(rows: int) -> bool:
    return rows <= 256


def launch_rows(x, y, scales, offsets, slots, per_slot: int, dst: str) -> None:
    """dynamic_quant of [rows, columns], offsets None: symmetric; with slots each per_slot rows go to one of them."""
    rows, columns = x.shape
    d, r = RANGES[dst]
    block = triton.next_power_of_2(columns // 2 if dst == "int4" else columns)
    quantize_rows[(rows,)](
        x, y, scales, offsets if offsets is not None else scales, slots if slots is not None else scales, columns,
        per_slot, KINDS[dst], offsets is not None, slots is not None, d, r, block, few(rows),
    )  # fmt: skip


def launch_static(x, y, scales, slots, per_slot: int, dst: str) -> None:
    """quantize with one scale, or one for each column; slots as above."""
    rows, columns = x.shape
    quantize_static[(rows,)](
        x, y, scales, slots if slots is not None else scales, columns, per_slot, KINDS[dst], scales.numel() > 1,
        slots is not None, RANGES[dst][0], triton.next_power_of_2(columns // 2 if dst == "int4" else columns),
        few(rows),
    )  # fmt: skip


def launch_dequantize(codes, scales, offsets, slots, x, per_slot: int, group_size: int, dst: str) -> None:
    """dequantize to x of [rows, columns], offsets None: without; with slots each per_slot rows come from one of them;
    group_size 0: a scale for a row."""
    rows, columns = x.shape
    dequantize_rows[(rows,)](
        codes, scales, offsets if offsets is not None else scales, slots if slots is not None else scales, x, columns,
        per_slot, KINDS[dst], group_size, offsets is not None, slots is not None, triton.next_power_of_2(columns),
        few(rows),
    )  # fmt: skip


def launch_scatter(x, y, slots) -> None:
    """scatter_update_ of rows."""
    rows, columns = x.shape
    scatter_rows[(rows,)](x, y, slots, columns, triton.next_power_of_2(columns), few(rows))


def launch_swiglu(x, weight_scale, activation_scale, y, scales, dst: str) -> None:
    rows, columns = x.shape[0], x.shape[1] // 2
    swiglu_rows[(rows,)](
        x, weight_scale, activation_scale, y, scales, columns, KINDS[dst], RANGES[dst][0],
        triton.next_power_of_2(columns), few(rows),
    )  # fmt: skip


def torch_dtype(dst: str) -> torch.dtype:
    return torch.float8_e4m3fn if dst == "float8_e4m3fn" else torch.int8
