"""Plots what `./run bench --cuda` measured: shares of the copy by row length and by operator, and times of few rows.

pip install matplotlib
python3 scripts/plot_cuda.py [build/speed/cuda.json [build/speed/cuda_peers.json [build/speed/cuda.svg]]]
"""

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

CONTENDERS = ("kvant", "compile", "triton")
GOAL_SHARE, GOAL_MICROS = 90, 3
FORMATS = ("int8", "int4", "float8_e4m3fn")


def op(case: dict) -> str:
    return case["name"].split("/")[0]


def shape(case: dict) -> list[int]:
    return [int(n) for n in case["name"].split("/")[1].split("x")]


def of_copy(case: dict, of: str) -> float:
    return 100 * case["copy_us"] / case["times"][of]


def by_length(cases: list[dict], of: str) -> list[dict]:
    """One for each row length, the one that moves most bytes, in order."""
    found = {shape(c)[1]: c for c in sorted(cases, key=lambda c: c["bytes"]) if of in c["times"]}
    return [found[n] for n in sorted(found)]


def dynamic_quant(cases: list[dict], ending: str) -> list[dict]:
    return [c for c in cases if op(c) == "dynamic_quant" and c["name"].endswith(f"/bfloat16/{ending}")]


def draw_lengths(axes: Axes, cases: list[dict]) -> None:
    for dst in FORMATS:
        for of in CONTENDERS:
            if points := by_length(dynamic_quant(cases, dst), of):
                style = {"kvant": "o-", "compile": "x:", "triton": "+--"}[of]
                color = f"C{FORMATS.index(dst)}"
                shares = [of_copy(c, of) for c in points]
                axes.plot([shape(c)[1] for c in points], shares, style, color=color, label=f"{of} {dst}")
    axes.axhline(GOAL_SHARE, color="gray", linewidth=0.8)
    axes.set(
        xscale="log", xlabel="elements of a row", ylabel="% of a copy, 64 MiB and more", title="dynamic_quant, bfloat16"
    )


def draw_operators(axes: Axes, cases: list[dict]) -> None:
    ops = sorted({op(c) for c in cases}, reverse=True)
    for of in CONTENDERS:
        points = [
            (y, of_copy(c, of)) for y, name in enumerate(ops) for c in cases if op(c) == name and of in c["times"]
        ]
        if points:
            shift = 0.2 * (1 - CONTENDERS.index(of))
            axes.plot(
                [p for _, p in points], [y + shift for y, _ in points], "|", color=f"C{CONTENDERS.index(of)}", label=of
            )
    for y, name in enumerate(ops):
        middle = statistics.median(of_copy(c, "kvant") for c in cases if op(c) == name)
        axes.plot([middle], [y + 0.2], "o", color="C0")
    axes.axvline(GOAL_SHARE, color="gray", linewidth=0.8)
    axes.set(
        yticks=range(len(ops)),
        yticklabels=ops,
        xlabel="% of a copy, 64 MiB and more",
        title="every case; dots: medians",
    )


def draw_few(axes: Axes, cases: list[dict]) -> None:
    usual = [c for c in dynamic_quant(cases, "int8") if shape(c)[1] <= 16384]
    for rows, style in ((16, "o-"), (1, "x:")):
        for of in CONTENDERS:
            if points := by_length([c for c in usual if shape(c)[0] == rows], of):
                color = f"C{CONTENDERS.index(of)}"
                times = [c["times"][of] for c in points]
                axes.plot([shape(c)[1] for c in points], times, style, color=color, label=f"{of}, rows: {rows}")
    axes.axhline(GOAL_MICROS, color="gray", linewidth=0.8)
    axes.set(xscale="log", xlabel="elements of a row", ylabel="microseconds", title="dynamic_quant, bfloat16 to INT8")


def main() -> None:
    given = [Path(a) for a in sys.argv[1:]]
    names = ["build/speed/cuda.json", "build/speed/cuda_peers.json", "build/speed/cuda.svg"]
    cases_file, peers_file, out = [*given, *(Path(n) for n in names[len(given) :])]
    data = json.loads(cases_file.read_text())
    peers = json.loads(peers_file.read_text()) if peers_file.exists() else {}
    cases = [c for c in data["cases"] if c["us"] > 0]
    for case in cases:
        case["times"] = {"kvant": case["us"], **peers.get(case["name"], {})}
    large = [c for c in cases if c["bytes"] >= 64 << 20]
    figure, panels = plt.subplots(1, 3, figsize=(18, 5))
    figure.suptitle(data["device"])
    for axes, draw, of in zip(panels, (draw_lengths, draw_operators, draw_few), (large, large, cases), strict=True):
        draw(axes, of)
        axes.set(xlim=(0, None)) if draw is draw_operators else axes.set(ylim=(0, None))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out)
    print(out)


if __name__ == "__main__":
    main()
