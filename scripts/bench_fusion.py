#!/usr/bin/env python3
"""What fusion buys: programs compiled by Inductor as they are written and fused, in turns, at shapes of decoding and of
prefill. And how far a fused SwiGLU is from PyTorch's.

usage: bench_fusion.py [--seconds S]: about how long each line may take (default 2); a table in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

import kvant

PAGES, PAGE, HEADS, DIM, HIDDEN = 512, 16, 8, 128, 4096


def symmetric_int8(caches: list[Tensor], slots: Tensor, k: Tensor, v: Tensor) -> None:
    for x, (codes, scales, _) in ((k, caches[:3]), (v, caches[3:])):
        y, scale = kvant.dynamic_quant(x, symmetric=True)
        kvant.scatter_update_(codes, slots, y, axis=1, index_mode="slot")
        kvant.scatter_update_(scales, slots, scale, axis=1, index_mode="slot")


def asymmetric_int4(caches: list[Tensor], slots: Tensor, k: Tensor, v: Tensor) -> None:
    for x, (codes, scales, offsets) in ((k, caches[:3]), (v, caches[3:])):
        y, scale, offset = kvant.dynamic_quant(x, dst_type="int4")
        kvant.scatter_update_(codes, slots, y, axis=1, index_mode="slot")
        kvant.scatter_update_(scales, slots, scale, axis=1, index_mode="slot")
        kvant.scatter_update_(offsets, slots, -offset, axis=1, index_mode="slot")


def static_formula(caches: list[Tensor], slots: Tensor, k: Tensor, v: Tensor) -> None:
    for x, (codes, scales, _) in ((k, caches[:3]), (v, caches[3:])):
        y = (x.float() / scales[0, 0, :1]).round().clamp(-128, 127).to(torch.int8)
        kvant.scatter_update_(codes, slots, y, axis=1, index_mode="slot")


def swiglu(x: Tensor, weight_scale: Tensor, activation_scale: Tensor) -> tuple[Tensor, Tensor]:
    act, lin = (x.float() * weight_scale * activation_scale[:, None]).chunk(2, -1)
    return kvant.dynamic_quant(F.silu(act) * lin, symmetric=True)


def cache_arguments(run: Callable[..., Any], tokens: int) -> tuple[Any, ...]:
    packed = run is asymmetric_int4
    caches = []
    for _ in range(2):
        caches.append(
            torch.zeros(PAGES, PAGE, HEADS, DIM // 2 if packed else DIM).to(torch.uint8 if packed else torch.int8)
        )
        caches += [torch.full((PAGES, PAGE, HEADS), 0.1), torch.zeros(PAGES, PAGE, HEADS)]
    rows = (torch.randn(tokens, HEADS, DIM, dtype=torch.bfloat16) for _ in range(2))
    return caches, torch.randperm(PAGES * PAGE)[:tokens], *rows


def swiglu_arguments(_: Callable[..., Any], tokens: int) -> tuple[Any, ...]:
    """Products as of INT8 rows of 4096: gates of about 1."""
    x = (torch.randn(tokens, 2 * HIDDEN) * 30000).to(torch.int32)
    return x, torch.rand(2 * HIDDEN) * 1e-3, torch.rand(tokens) * 0.1 + 0.02


def measure(run: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> tuple[float, float, float]:
    """Microseconds of a call as written and fused, and the ratio: medians of rounds in turns."""
    torch._dynamo.reset()
    kvant.fusion.clear()
    plain = torch.compile(run, fullgraph=True, dynamic=False)
    fast = torch.compile(run, backend="kvant", fullgraph=True, dynamic=False, options={"inexact": "swiglu"})
    for compiled in (plain, fast, plain, fast):
        compiled(*args)
    assert kvant.fusion.report().fused
    assert not kvant.fusion.report().left
    start = time.perf_counter()
    plain(*args)
    number = max(1, int(seconds / 80 / (time.perf_counter() - start)))
    rounds: list[tuple[float, float]] = []
    for _ in range(30):
        times = []
        for compiled in (plain, fast):
            start = time.perf_counter()
            for _ in range(number):
                compiled(*args)
            times.append((time.perf_counter() - start) / number * 1e6)
        rounds.append((times[0], times[1]))
    ratio = statistics.median(a / b for a, b in rounds)
    return statistics.median(a for a, _ in rounds), statistics.median(b for _, b in rounds), ratio


def difference(compiled: bool, rows: int = 4096, times: int = 8) -> tuple[int, int, int, float, float]:
    """Of a fused SwiGLU from PyTorch's: codes, how many differ, by how much at most; of scales the share that differs,
    and by how much at most, relatively."""
    run = torch.compile(swiglu) if compiled else swiglu
    codes, scales = [], []
    for _ in range(times):
        x, weight_scale, activation_scale = swiglu_arguments(swiglu, rows)
        y, scale = run(x, weight_scale, activation_scale)
        named: dict[str, Any] = {"weight_scale": weight_scale, "activation_scale": activation_scale}
        got, got_scale = kvant.dequant_swiglu_quant(x, **named, activate_left=True, quant_mode="dynamic")
        apart = (got.int() - y.int()).abs()
        codes.append((int((apart != 0).sum()), int(apart.max())))
        relative = (got_scale.double() - scale.double()).abs() / scale.double()
        scales.append((relative.count_nonzero().item() / rows, relative.max().item()))
    total = times * rows * HIDDEN
    share = statistics.mean(s for s, _ in scales)
    return total, sum(n for n, _ in codes), max(n for _, n in codes), share, max(r for _, r in scales)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    seconds = parser.parse_args().seconds
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s)\n")
    print("| program | tokens | as written, us | fused, us | ratio |\n|---|--:|--:|--:|--:|")
    cases = [(run, cache_arguments, (1, 8, 64, 512, 4096)) for run in (symmetric_int8, asymmetric_int4, static_formula)]
    cases.append((swiglu, swiglu_arguments, (1, 8, 64, 512)))
    for run, arguments, sizes in cases:
        for tokens in sizes:
            before, after, ratio = measure(run, arguments(run, tokens), seconds)
            print(f"| {run.__name__} | {tokens} | {before:.1f} | {after:.1f} | {ratio:.2f} |", flush=True)
    print("\n| SwiGLU of PyTorch | codes | that differ | by at most | scales that differ | by at most |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, compiled in (("eager", False), ("Inductor", True)):
        codes, apart, largest, share, relative = difference(compiled)
        print(f"| {name} | {codes:,} | {apart} | {largest} | {share:.1%} | {relative:.1e} |", flush=True)


if __name__ == "__main__":
    main()
