"""Plots what `./run bench --cuda` measured: shares of the copy by row length, and times of few rows.

    pip install matplotlib
    python3 scripts/plot_cuda.py [build/speed/cuda.json [build/speed/cuda_peers.json [build/speed/cuda.svg]]]
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

LARGE = 64 << 20


def main() -> None:
    given = [Path(a) for a in sys.argv[1:]]
    names = ["build/speed/cuda.json", "build/speed/cuda_peers.json", "build/speed/cuda.svg"]
    cases_file, peers_file, out = [*given, *(Path(n) for n in names[len(given) :])]
    data = json.loads(cases_file.read_text())
    peers = json.loads(peers_file.read_text()) if peers_file.exists() else {}
    cases = [c for c in data["cases"] if c["us"] > 0]
    for case in cases:
        case["times"] = {"kvant": case["us"], **peers.get(case["name"], {})}
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    figure.suptitle(data["device"])

    def series(keep: list[dict], of: str) -> list[tuple[int, dict]]:
        found = [(int(c["name"].split("/")[1].split("x")[1]), c) for c in keep if of in c["times"]]
        return sorted(found, key=lambda pair: pair[0])

    rows = [c for c in cases if c["name"].startswith("dynamic_quant/") and c["name"].endswith("/bfloat16/int8")]
    for of in ("kvant", "compile", "triton"):
        if points := series([c for c in rows if c["bytes"] >= LARGE], of):
            shares = [100 * c["copy_us"] / c["times"][of] for _, c in points]
            left.plot([n for n, _ in points], shares, marker="o", label=of)
        if points := series([c for c in rows if c["name"].split("/")[1].startswith("16x")], of):
            right.plot([n for n, _ in points], [c["times"][of] for _, c in points], marker="o", label=of)
    for axes, text in ((left, "% of a copy, 64 MiB and more"), (right, "microseconds, 16 rows")):
        axes.set(xscale="log", xlabel="elements of a row", ylabel=text, title="dynamic_quant, bfloat16 to INT8", ylim=(0, None))
        if axes.lines:
            axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out)
    print(out)


if __name__ == "__main__":
    main()
