"""The speed tables of docs/SPEED.md from `kvant_bench --benchmark_format=json`.

    build/release/kvant_bench --benchmark_filter=dynamic_quant --benchmark_format=json > bench.json
    python3 scripts/bench_table.py bench.json [peers.json ...]

A cell is thousand million elements a second and the share of the copy's speed. Peers' files come from bench_peers.py
--json.
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


def own(path: Path) -> None:
    cells = {}
    for run in json.loads(path.read_text())["benchmarks"]:
        cells[run["name"].split("/iterations:")[0]] = run
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
                    texts.append(f"{run['items_per_second'] * 1e-9:.2g} ({run['of_copy'] * 100:.0f} %)")
                else:
                    alone = cells[f"dynamic_quant/{shape}/{dtype}/{fmt}/{symmetry}/{stores}/1"]
                    texts.append(f"{run['items_per_second'] / alone['items_per_second']:.2f}x")
            if any(texts):
                rows.append([shape, *texts])
        what = "two threads over one" if threads != "1" else f"one thread, {stores} stores"
        print(f"{dtype}, {what}:\n")
        table(["rows x columns", *COLUMNS], rows)


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
    print(f"{path.stem}:\n")
    table(["cell", "kvant, us", *names], rows)


own(Path(sys.argv[1]))
for name in sys.argv[2:]:
    peers(Path(name))
