#!/usr/bin/env python3
"""Checks the PTX inside CUDA libraries: every operation rounds as it is written.

usage: check_ptx.py LIBRARY...

Nothing approximate, nothing that flushes subnormals, and no fma but those that formulas ask for by name, which
numerics/lanes_cuda.cuh marks. Which formulas may ask is checked in the sources: the table ALLOWED. nvcc has to be run
with --no-compress, so that PTX lies in the library as text.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Who may use MulAdd and NegMulAdd: exp, the correction of quotients, and what defines or tests these verbs.
ALLOWED = re.compile(
    r"^kvant/numerics/(swish\.inc|quotient\.inc|lanes_[a-z_]+[-a-z]*\.(h|cuh)|quad_lanes-inl\.h|[a-z_]*test\.cc)$"
    r"|^kvant/testing/cuda_lanes\.cuh$"
)
FORBIDDEN = re.compile(r"\b\w+(?:\.\w+)*\.(?:approx|full|ftz)\b[\w.]*")
FUSED = re.compile(r"\b(?:fma|mad)\.(?:rn|rz|rm|rp)\.(?:ftz\.)?f(?:16|32|64)\w*")
MARK = re.compile(r"\{\s*fma\.rn\.f32")
ENTRY = re.compile(r"\.(?:entry|func)\s+(?:\([^)]*\)\s*)?([\w$]+)")


def modules(library: Path) -> list[str]:
    """The PTX modules of a file: texts from .version to the next byte that is no text."""
    data = library.read_bytes()
    found = []
    for match in re.finditer(rb"\.version \d+\.\d+\s", data):
        end = match.end()
        while end < len(data) and (data[end] >= 0x20 or data[end] in b"\t\n\r"):
            end += 1
        found.append(data[match.start() : end].decode("ascii", "replace"))
    return found


def problems(module: str) -> tuple[list[str], dict[str, int]]:
    found: list[str] = []
    counts = {"entries": 0, "fused": 0, "divisions": 0}
    where = "?"
    for line in module.splitlines():
        if entry := ENTRY.search(line):
            where = entry.group(1)
            counts["entries"] += ".entry" in line
        code, _, _ = line.partition("//")
        if bad := FORBIDDEN.search(code):
            found.append(f"{where}: {bad.group(0)}")
        if fused := FUSED.search(code):
            counts["fused"] += 1
            if not MARK.search(code):
                found.append(f"{where}: {fused.group(0)} that no formula asked for")
        counts["divisions"] += "div.rn.f32" in code
    return found, counts


def source_problems(root: Path) -> list[str]:
    verbs = re.compile(r"\bL::(?:Neg)?MulAdd\(|\b(?:__)?fmaf?(?:_rn)?\(|\bstd::fma\(")
    found = []
    for path in sorted((root / "kvant").rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix not in {".inc", ".cuh", ".cu"} or ALLOWED.match(name):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if verbs.search(line):
                found.append(f"{name}:{number}: fma is for exp and the correction of quotients")
    return found


def main(libraries: list[str]) -> int:
    found = source_problems(Path(__file__).resolve().parent.parent)
    totals: dict[str, int] = {}
    for name in libraries:
        texts = modules(Path(name))
        if not texts:
            found.append(f"{name}: holds no PTX as text")
        for text in texts:
            bad, counts = problems(text)
            found += [f"{name}: {line}" for line in bad]
            for key, value in counts.items():
                totals[key] = totals.get(key, 0) + value
    for key in ("entries", "fused", "divisions") if libraries else ():
        if not totals.get(key):
            found.append(f"no {key} found: the check does not see what it should")
    print("\n".join(found[:50]) if found else f"PTX: {totals}, no problem")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
