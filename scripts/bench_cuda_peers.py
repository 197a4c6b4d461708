"""What the cases of `./run bench --cuda` take as torch.compile of the formula and as a straightforward Triton kernel.

    python3 scripts/bench_cuda_peers.py build/speed/cuda.json [--filter TEXT] [--json FILE]
    TRITON_INTERPRET=1 python3 scripts/bench_cuda_peers.py --check

Needs a PyTorch with CUDA, and Triton. Reads the names of cases from the file and measures as kvant_cuda_bench does:
buffers take turns so that none is in the L2 cache when its turn comes again, medians of events, and below 32 MB calls
in a CUDA graph. --check compares the Triton kernels with the formulas, on the CPU too.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import triton_kernels as kernels
from formulas import RANGES, formula, static_formula, swiglu

CALLS, GRAPH_BELOW = 40, 32 << 20
Call = Callable[[], object]


class Work:
    """One case on one set of buffers: a function for torch.compile with its tensors, and a Triton call."""

    def __init__(self, name: str, device: str) -> None:
        op, shape, *rest = name.split("/")
        self.device, self.sizes = device, [int(n) for n in shape.split("x")]
        self.dst = next((t for t in rest if t in RANGES), "")
        self.dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(rest[0], torch.float32)
        self.symmetric, self.per_channel = "symmetric" in rest, "per_channel" in rest
        make = getattr(self, op.rstrip("_"), None)
        self.known = make is not None and self.dst != ""
        if self.known:
            make()

    def randn(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=self.device).to(self.dtype)

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.zeros(*shape, dtype=dtype, device=self.device)

    def codes(self, rows: int, columns: int) -> torch.Tensor:
        width = columns // 2 if self.dst == "int4" else columns
        return self.empty(rows, width, dtype=kernels.torch_dtype(self.dst))

    def dynamic_quant(self) -> None:
        rows, columns = self.sizes
        x, y, scale = self.randn(rows, columns), self.codes(rows, columns), self.empty(rows)
        offset = None if self.symmetric else self.empty(rows)
        # A program holds its row in registers: not for the longest.
        self.triton = None if columns > 65536 else lambda: kernels.launch_rows(x, y, scale, offset, None, 1, self.dst)
        self.results = [y, scale, *([] if offset is None else [offset])]
        self.run, self.inputs = formula(self.dst, self.symmetric), (x,)

    def slots(self) -> tuple[int, torch.Tensor]:
        count = max(2 * self.sizes[0], 1024)
        return count, torch.randperm(count, device=self.device)[: self.sizes[0]]

    def dynamic_quant_update_scatter(self) -> None:
        tokens, heads, dim = self.sizes
        count, index = self.slots()
        x, y = self.randn(tokens * heads, dim), self.codes(count * heads, dim)
        scale, offset = self.empty(count * heads), self.empty(count * heads)
        self.triton = lambda: kernels.launch_rows(x, y, scale, offset, index, heads, self.dst)
        self.results = [y, scale, offset]
        quantize = formula(self.dst, False)

        def run(x: torch.Tensor, index: torch.Tensor, *tables: torch.Tensor) -> tuple[torch.Tensor, ...]:
            for table, values in zip(tables, quantize(x), strict=True):
                table.index_copy_(0, index, values.reshape(tokens, -1))
            return tables

        tables = [t.clone().view(count, -1) for t in self.results]
        self.run, self.inputs = run, (x, index, *tables)

    def quant_scatter(self) -> None:
        tokens, heads, dim = self.sizes
        count, index = self.slots()
        x, y = self.randn(tokens * heads, dim), self.codes(count * heads, dim)
        scales = torch.full((dim if self.per_channel else 1,), 0.03, device=self.device)
        self.triton = lambda: kernels.launch_static(x, y, scales, index, heads, self.dst)
        self.results = [y]
        quantize, table = static_formula(self.dst), y.clone().view(count, -1)

        def run(x: torch.Tensor, scales: torch.Tensor, index: torch.Tensor, table: torch.Tensor) -> tuple[torch.Tensor]:
            bits = quantize(x, scales)[0].reshape(tokens, -1).view(torch.int8)
            table.view(torch.int8).index_copy_(0, index, bits)
            return (table,)

        self.run, self.inputs = run, (x, scales, index, table)

    def dequant_swiglu_quant(self) -> None:
        rows, columns = self.sizes
        x = (torch.randn(rows, 2 * columns, device=self.device) * 3000).to(torch.int32)
        weight = torch.rand(1, 2 * columns, device=self.device) * 1e-3
        activation = torch.rand(rows, device=self.device)
        y, scale = self.codes(rows, columns), self.empty(rows)
        self.triton = lambda: kernels.launch_swiglu(x, weight, activation, y, scale, self.dst)
        self.results = [y, scale]
        ones = torch.ones(1, columns, device=self.device)

        def run(x: torch.Tensor, weight: torch.Tensor, activation: torch.Tensor) -> tuple[torch.Tensor, ...]:
            # The kernel activates the right half.
            halves, weights = torch.roll(x, columns, -1), torch.roll(weight, columns, -1)
            return swiglu(halves, weights, activation, ones, [rows])

        def compiled(x: torch.Tensor, weight: torch.Tensor, activation: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return swiglu(x, weight, activation, ones, [rows])

        self.run, self.inputs, self.timed_run = run, (x, weight, activation), compiled
        if self.dst != "int8":
            self.timed_run = None

    def check(self) -> str:
        """What the Triton kernel gets wrong, beyond a code by rounding."""
        if self.triton is None:
            return ""
        self.triton()
        expected = self.run(*self.inputs)
        for got, want in zip(self.results, expected, strict=False):
            got, want = got.reshape(want.shape), want
            if got.dtype == torch.int8 and self.dst == "int4":
                got, want = (torch.stack(((t << 4) >> 4, t >> 4), -1) for t in (got.int(), want.int()))
            code = (want.float().abs() / 8).clamp_min(2**-9) if self.dst == "float8_e4m3fn" else 1
            far = (got.float() - want.float()).abs() > 1.01 * code
            if got.dtype == torch.float32:
                far = ~torch.isclose(got, want, rtol=1e-5, atol=1e-5)
            if far.any():
                return f"{int(far.sum())} of {far.numel()} differ"
        return ""


def micros(calls: list[Call], moved: int) -> float:
    for call in calls:
        call()
    torch.cuda.synchronize()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    if moved < GRAPH_BELOW:
        graph, repeats = torch.cuda.CUDAGraph(), max(2 * len(calls), 200)
        with torch.cuda.graph(graph):
            for i in range(repeats):
                calls[i % len(calls)]()
        times = []
        for _ in range(5):
            begin.record()
            graph.replay()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) * 1e3 / repeats)
        return statistics.median(times)
    times = []
    for i in range(CALLS):
        begin.record()
        calls[i % len(calls)]()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3)
    return statistics.median(times)


def measure(name: str, moved: int) -> dict[str, float]:
    sets = max(2, min(256, 2 * torch.cuda.get_device_properties(0).L2_cache_size // moved + 1))
    works = [Work(name, "cuda") for _ in range(sets)]
    if not works[0].known:
        return {}
    if wrong := works[0].check():
        sys.exit(f"{name}: the Triton kernel is wrong: {wrong}")
    times = {}
    run = getattr(works[0], "timed_run", works[0].run)
    if run is not None:
        torch._dynamo.reset()
        compiled = torch.compile(run, dynamic=False, mode="max-autotune-no-cudagraphs")
        times["compile"] = micros([lambda w=w: compiled(*w.inputs) for w in works], moved)
    if works[0].triton is not None:
        times["triton"] = micros([w.triton for w in works], moved)
    return times


def check() -> int:
    # Triton's interpreter loses the carry of what rounds up to a power of two.
    formats = [d for d in RANGES if not (INTERPRETED and d == "float8_e4m3fn")]
    names = [f"dynamic_quant/{s}/{t}/{d}{y}" for s in ("3x128", "2x96", "2x1000") for t in ("float16", "bfloat16", "float32")
             for d in formats for y in ("", "/symmetric")]  # fmt: skip
    names += [f"dynamic_quant_update_scatter_/5x3x64/bfloat16/{d}" for d in ("int8", "int4")]
    names += [f"quant_scatter_/5x3x64/bfloat16/{d}{c}" for d in formats if d != "int4" for c in ("", "/per_channel")]
    names += ["dequant_swiglu_quant/4x96/int32/int8/dynamic"]
    torch.manual_seed(0)
    wrong = [f"{name}: {text}" for name in names if (text := Work(name, "cpu" if INTERPRETED else "cuda").check())]
    print("\n".join(wrong) if wrong else f"{len(names)} cases agree with the formulas")
    return 1 if wrong else 0


INTERPRETED = not torch.cuda.is_available()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="?", default=Path("build/speed/cuda.json"))
    parser.add_argument("--filter", default="", help="regular expression")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        return check()
    if not torch.cuda.is_available():
        print("skipped: no CUDA device")
        return 0
    results = {}
    print("| case | kvant us | copy us | torch.compile | Triton |\n|---|---|---|---|---|")
    for case in json.loads(options.cases.read_text())["cases"]:
        if not re.search(options.filter, case["name"]):
            continue
        times = measure(case["name"], case["bytes"])
        if not times:
            continue
        results[case["name"]] = times
        texts = [f"{times[k]:.2f} ({times[k] / case['us']:.2f}x)" if k in times else "" for k in ("compile", "triton")]
        print(f"| {case['name']} | {case['us']:.2f} | {case['copy_us']:.2f} | {' | '.join(texts)} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
