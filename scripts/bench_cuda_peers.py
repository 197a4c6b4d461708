"""What the cases of `./run bench --cuda` take as torch.compile of the formula and as a straightforward Triton kernel.

    python3 scripts/bench_cuda_peers.py build/speed/cuda.json [--filter TEXT] [--all] [--seconds N] [--json FILE]
    TRITON_INTERPRET=1 python3 scripts/bench_cuda_peers.py --check

Needs a PyTorch with CUDA, and Triton. Reads the names of cases from the file and measures as kvant_cuda_bench does:
sets of buffers take turns so that none is in the L2 cache when its turn comes again, medians of events, and below
64 MiB calls in a CUDA graph. Each shape is compiled and tuned on its own, which takes seconds: so by default only the
cases of kvant_cuda_bench --quick are taken, and none is begun after five minutes. --check compares the Triton kernels
with the formulas, on the CPU too.
"""

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from cuda_works import Work
from formulas import RANGES

CALLS, GRAPH_BELOW, MOST_SETS, MOST_MEMORY = 40, 64 << 20, 4096, 8 << 30
CONTENDERS = {"compile": "torch.compile", "triton": "Triton", "eager": "eager PyTorch"}
INTERPRETED = not torch.cuda.is_available()


def micros(calls: list[Callable[[], object]], moved: int) -> float:
    for call in calls:
        call()
    torch.cuda.synchronize()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    if moved < GRAPH_BELOW:
        graph, repeats = torch.cuda.CUDAGraph(), max(len(calls), 200)
        with torch.cuda.graph(graph):
            # What calls return is kept, or all of them would write the same memory.
            kept = [calls[i % len(calls)]() for i in range(repeats)]
        for _ in range(4):
            begin.record()
            graph.replay()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) * 1e3 / repeats)
        del kept
        return min(times[1:])  # the first one uploads the graph
    for i in range(CALLS):
        # The device is kept busy for longer than Python takes to launch the calls; the one that is measured waits
        # behind others of its kind.
        torch.cuda._sleep(2_000_000)
        for j in range(2):
            calls[(3 * i + j) % len(calls)]()
        begin.record()
        calls[(3 * i + 2) % len(calls)]()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3)
    return statistics.median(times)


def measure(name: str, moved: int) -> dict[str, float]:
    first = Work(name, "cuda")
    if not first.known:
        return {}
    if wrong := first.check():
        print(f"{name}: the Triton kernel is wrong: {wrong}", file=sys.stderr)
        first.triton = None
    sets = min(max(2 * torch.cuda.get_device_properties(0).L2_cache_size // moved + 1, 2), MOST_SETS)
    works = [first, *(Work(name, "cuda") for _ in range(1, min(sets, max(MOST_MEMORY // first.bytes(), 1))))]
    torch._dynamo.reset()
    compiled = torch.compile(first.compiled, dynamic=False, mode="max-autotune-no-cudagraphs")
    times = {"compile": micros([lambda w=w: compiled(*w.inputs) for w in works], moved)}
    if first.triton is not None:
        times["triton"] = micros([w.triton for w in works], moved)
    if first.eager:
        times["eager"] = micros([lambda w=w: w.run(*w.inputs) for w in works], moved)
    return times


def in_time(cases: list[dict], seconds: float) -> Iterator[dict]:
    """The cases, rare kinds first. Each kind gets its share of the time that is left, so that all have some."""
    kinds: dict[tuple[str, str], list[dict]] = {}
    for case in cases:
        kinds.setdefault((case["name"].split("/")[0], case.get("goal", "")), []).append(case)
    end, left_out = time.monotonic() + seconds, 0
    for n, kind in enumerate(ordered := sorted(kinds.values(), key=len)):
        now = time.monotonic()
        until = now + max(end - now, 0) / (len(ordered) - n)
        for case in kind:
            if time.monotonic() < until:
                yield case
            else:
                left_out += 1
    if left_out:
        print(f"\n{left_out} of {len(cases)} cases left out after {seconds:.0f} seconds: --seconds")


def check() -> int:
    # Triton's interpreter loses the carry of what rounds up to a power of two.
    formats = [d for d in RANGES if not (INTERPRETED and d == "float8_e4m3fn")]
    channels, kinds = ("", "/per_channel"), ("", "/symmetric")
    names = [f"dynamic_quant/{s}/{t}/{d}{y}" for s in ("3x128", "2x96", "2x1000")
             for t in ("float16", "bfloat16", "float32") for d in formats for y in kinds]  # fmt: skip
    names += [f"quantize/{s}/bfloat16/{d}{c}" for s in ("3x128", "2x1000") for d in formats for c in channels]
    names += [f"dequantize/{s}/{t}/{d}{y}{g}" for s in ("3x128", "2x96") for t in ("float16", "bfloat16")
              for d in RANGES for y in kinds for g in ("", "/group32")]  # fmt: skip
    names += [f"dequantize_gather/5x3x64/bfloat16/{d}{g}" for d in RANGES for g in ("", "/symmetric", "/group32")]
    names += [f"scatter_update_/5x3x64/{t}" for t in ("bfloat16", "int8")]
    names += [f"dynamic_quant_update_scatter_/5x3x64/bfloat16/{d}{y}" for d in ("int8", "int4") for y in kinds]
    names += [f"quant_scatter_/5x3x64/bfloat16/{d}{c}" for d in formats if d != "int4" for c in channels]
    names += [f"dequant_swiglu_quant/4x96/int32/{d}/dynamic" for d in formats if d != "int4"]
    torch.manual_seed(0)
    wrong = [f"{name}: {text}" for name in names if (text := Work(name, "cpu" if INTERPRETED else "cuda").check())]
    print("\n".join(wrong) if wrong else f"{len(names)} cases agree with the formulas")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="?", default=Path("build/speed/cuda.json"))
    parser.add_argument("--filter", default="", help="regular expression")
    parser.add_argument("--all", action="store_true", help="not only the cases of kvant_cuda_bench --quick")
    parser.add_argument("--seconds", type=float, default=300, help="begin no case after that long (300)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        return check()
    if INTERPRETED:
        print("skipped: no CUDA device")
        return 0
    cases = [c for c in json.loads(options.cases.read_text())["cases"] if re.search(options.filter, c["name"])]
    cases = [c for c in cases if c["us"] > 0 and (options.all or c.get("quick", True))]
    results = {}
    print(f"| case | kvant us | copy us | {' | '.join(CONTENDERS.values())} |\n|---|---|---|---|---|---|")
    for case in in_time(cases, options.seconds):
        try:
            times = measure(case["name"], case["bytes"])
        except Exception as error:  # of a compiler, say: the other cases are worth having
            print(f"{case['name']}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if not times:
            continue
        results[case["name"]] = times
        texts = [f"{times[k]:.2f} ({times[k] / case['us']:.2f}x)" if k in times else "" for k in CONTENDERS]
        print(f"| {case['name']} | {case['us']:.2f} | {case['copy_us']:.2f} | {' | '.join(texts)} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
