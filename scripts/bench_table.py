"""The speed tables of docs/SPEED.md from `kvant_bench --benchmark_format=json`.

    build/release/kvant_bench --benchmark_format=json > bench.json
    python3 scripts/bench_table.py bench.json [peers.json ...]

A cell is thousand million elements a second and the share of the copy's speed. Peers' files come from bench_peers.py
and bench_peers_cache.py with --json; the name of a file becomes a heading.
"""

import json
import sys
from pathlib import Path

COLUMNS = {
    "INT8 asym": "int8/asymmetric",
    "INT8 sym": "int8/symmetric",
    "INT4 asym": "int4/asymmetric",
    "INT4 sym": "int4/symmetric",
    "FP8 E4M3": "float8_e4m3fn/symmetric",
    "HIFLOAT8": "hifloat8/symmetric",
}


def table(head: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


Cells = dict[str, dict[str, float]]


def dynamic_quant(cells: Cells) -> None:
    shapes = list(dict.fromkeys(name.split("/")[1] for name in cells if name.startswith("dynamic_quant/")))
    for stores, threads, dtype in [
        ("normal", "1", "float16"),
        ("normal", "1", "bfloat16"),
        ("streaming", "1", "float16"),
        ("normal", "threads", "float16"),
    ]:
        rows = []
        for shape in shapes:
            texts = []
            for column in COLUMNS.values():
                fmt, symmetry = column.split("/")
                run = cells.get(f"dynamic_quant/{shape}/{dtype}/{fmt}/{symmetry}/{stores}/{threads}")
                if run is None:
                    texts.append("")
                elif threads == "1":
                    texts.append(share(run))
                else:
                    alone = cells[f"dynamic_quant/{shape}/{dtype}/{fmt}/{symmetry}/{stores}/1"]
                    texts.append(f"{run['items_per_second'] / alone['items_per_second']:.2f}x")
            if any(texts):
                rows.append([shape, *texts])
        if threads != "1":
            print("## Two threads over one\n\nfloat16. Below 64 Ki elements a second thread is not used.\n")
        else:
            heading = "## One thread\n\n" if (stores, dtype) == ("normal", "float16") else ""
            print(f"{heading}{dtype}, {stores} stores:\n")
        table(["rows x columns", *COLUMNS], rows)


def share(run: dict[str, float]) -> str:
    return f"{run['items_per_second'] * 1e-9:.2g} ({run['of_copy'] * 100:.0f} %)"


def groups(cells: Cells) -> None:
    """dynamic_quant with a scale for each group of a row."""
    rows = []
    for shape in ("16x4096", "4096x4096"):
        for dtype in ("float16", "bfloat16", "float32"):
            starts = [f"dynamic_quant/{shape}/{dtype}/{fmt}/asymmetric/normal/1" for fmt in ("int8", "int4")]
            runs = [cells[f"{start}/group{n}"] for start in starts for n in (128, 64, 32)]
            rows.append([shape, dtype, *map(share, runs)])
    print("## Groups\n\nAsymmetric, normal stores, one thread; the copy writes scales and offsets too:\n")
    table(
        ["rows x columns", "dtype", *(f"{fmt}, groups of {n}" for fmt in ("INT8", "INT4") for n in (128, 64, 32))], rows
    )


def static(cells: Cells) -> None:
    """quantize with one scale or one for each column, and dequantize with one for each row or column."""
    shapes = list(dict.fromkeys(name.split("/")[1] for name in cells if name.startswith("quantize/")))
    for op, kinds, start in (
        ("quantize", ("pertensor", "axis=-1"), "quantize/{shape}/float16/{fmt}/{kind}/normal/1"),
        ("dequantize", ("pertoken", "perchannel"), "dequantize/{shape}/{fmt}/float16/{kind}/normal/1"),
    ):
        names = {"INT8": "int8", "INT4": "int4", "FP8 E4M3": "float8_e4m3fn", "HIFLOAT8": "hifloat8"}
        columns = [(fmt, kind) for fmt in names.values() for kind in kinds]
        rows = [[s, *(share(cells[start.format(shape=s, fmt=f, kind=k)]) for f, k in columns)] for s in shapes]
        if op == "quantize":
            print("## Static scales, and back\n\n`quantize`, float16, normal stores, one thread:\n")
        else:
            print("`dequantize` to float16, with offsets, normal stores, one thread:\n")
        table(["rows x columns", *(head + of for head in names for of in ("", ", per channel"))], rows)


def cache(cells: Cells) -> None:
    """Writers and the reader of a cache: the copy is one of the codes alone, to or from the same slots."""
    fused, written, read = "dynamic_quant_update_scatter", "quant_scatter", "dequantize_gather"
    places = list(dict.fromkeys((n.split("/")[1], n.split("/")[4]) for n in cells if n.startswith(fused + "/")))
    rows, others = [], []
    for shape, slots in places:
        start, row, other = f"{fused}/{shape}/float16", [shape, slots], [shape, slots]
        for fmt in ("int4", "int8"):
            row.append(share(cells[f"{start}/{fmt}/{slots}/float32/group0/beside_copy/1"]))
            dense = cells[f"{start}/{fmt}/{slots}/float32/group0/beside_dense/1"]
            row.append(f"{1 / dense['of_copy']:.2f}")
        for params, group in (("float32", 32), ("float16", 32), ("float32", 64), ("float32", 128)):
            row.append(share(cells[f"{start}/int4/{slots}/{params}/group{group}/beside_copy/1"]))
        one, two = (cells[f"{start}/int4/{slots}/float32/group0/beside_copy/{n}"] for n in ("1", "threads"))
        row.append(f"{two['items_per_second'] / one['items_per_second']:.2f}x")
        rows.append(row)
        for fmt in ("int8", "float8_e4m3fn", "hifloat8"):
            other.append(share(cells[f"{written}/{shape}/float16/{fmt}/perchannel/{slots}"]))
        for fmt, group in (("int8", 0), ("int4", 0), ("int4", 32), ("float8_e4m3fn", 0)):
            other.append(share(cells[f"{read}/{shape}/float16/{fmt}/{slots}/group{group}"]))
        others.append(other)
    print("## Into a KV cache, and back\n\n`dynamic_quant_update_scatter_`, float16, one thread:\n")
    head = ["tokens x heads x dim", "slots", "INT4", "over dense", "INT8", "over dense", "INT4 g32"]
    table([*head, "g32, float16 tables", "g64", "g128", "two threads, INT4"], rows)
    print("`quant_scatter_` with a scale per channel, and `dequantize_gather`, float16, one thread:\n")
    head = ["tokens x heads x dim", "slots", "static INT8", "static FP8 E4M3", "static HIFLOAT8"]
    table([*head, "read INT8", "read INT4", "read INT4 g32", "read FP8 E4M3"], others)


def swiglu(cells: Cells) -> None:
    """dequant_swiglu_quant to INT8, dynamic but for one column of each type."""
    start = "dequant_swiglu_quant"
    shapes = list(dict.fromkeys(name.split("/")[1] for name in cells if name.startswith(start + "/")))

    def cell(shape: str, dtype: str, groups: int, rest: str) -> dict[str, float] | None:
        return cells.get(f"{start}/{shape}/{dtype}/groups:{groups}/{rest}")

    rows, gates = [], []
    for shape in shapes:
        row = [shape]
        for dtype in ("int32", "bfloat16"):
            for groups in (1, 8, 64):
                one = cell(shape, dtype, groups, "int8/dynamic/1")
                row.append(share(one) if one else "")
            one, two = (cell(shape, dtype, 8, f"int8/dynamic/{threads}") for threads in ("1", "threads"))
            row.append(f"{two['items_per_second'] / one['items_per_second']:.2f}x" if one and two else "")
            given = cell(shape, dtype, 1, "int8/static/1")
            row.append(share(given) if given else "")
        steps = cell(shape, "int32", 1, "int8/dynamic/1/over_three_steps")
        row.append(f"{steps['times_unfused']:.2f}x" if steps else "")
        for fmt in ("float8_e4m3fn", "hifloat8"):
            other = cell(shape, "int32", 1, f"{fmt}/dynamic/1")
            row.append(share(other) if other else "")
        rows.append(row)
        for dtype, groups in (("int32", 1), ("int32", 8), ("bfloat16", 1), ("bfloat16", 8)):
            plain = cell(shape, dtype, groups, "int8/dynamic/1")
            large = [cell(shape, dtype, groups, f"int8/dynamic/1/deviation:{d}") for d in (40, 80)]
            if plain and all(large):
                speeds = [f"{run['items_per_second'] / plain['items_per_second']:.2f}" for run in large if run]
                gates.append([shape, dtype, str(groups), *speeds])
    print("## The activation of a mixture of experts\n\n`dequant_swiglu_quant`, thousand million results a second:\n")
    variants = ("", ", 8 groups", ", 64 groups", ", two threads", ", static")
    head = [dtype + variant for dtype in ("int32", "bfloat16") for variant in variants]
    table(["x", *head, "three steps", "int32 to FP8 E4M3", "int32 to HIFLOAT8"], rows)
    print("Speed with gates of standard deviation 40 and 80 over that with 2:\n")
    table(["x", "dtype", "groups", "40", "80"], gates)


def peers(path: Path) -> None:
    results = json.loads(path.read_text())
    names = [n for n in dict.fromkeys(n for times in results.values() for n in times) if not n.startswith("kvant")]
    rows = []
    for cell, times in results.items():
        texts = []
        for name in names:
            mine = times["kvant pertensor fp32" if "fp32" in name else "kvant"] if name in times else 1
            texts.append(f"{times[name] / mine:.1f}x" if name in times else "")
        rows.append([cell, f"{times['kvant'] * 1e6:.4g}", *texts])
    print(f"## {path.stem.replace('_', ' ').capitalize()}\n")
    table(["cell", "kvant, us", *names], rows)


cells = {run["name"].split("/iterations:")[0]: run for run in json.loads(Path(sys.argv[1]).read_text())["benchmarks"]}
dynamic_quant(cells)
groups(cells)
static(cells)
cache(cells)
swiglu(cells)
for name in sys.argv[2:]:
    peers(Path(name))
