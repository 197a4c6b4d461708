#!/usr/bin/env python3
"""Checks the compile commands of a build: every file of the library has -ffp-contract=off, none has fast-math.

usage: check_flags.py BUILD_DIR...
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def forbidden_flags() -> re.Pattern[str]:
    lines = (ROOT / "cmake" / "forbidden_flags.txt").read_text(encoding="utf-8").splitlines()
    return re.compile("|".join(line for line in lines if line.startswith("-")))


def main(build_dirs: list[str]) -> int:
    forbidden = forbidden_flags()
    found, count = [], 0
    for build in build_dirs:
        for entry in json.loads((Path(build) / "compile_commands.json").read_text(encoding="utf-8")):
            source = (Path(entry["directory"]) / entry["file"]).resolve()
            if not source.is_relative_to(ROOT):
                continue
            name = source.relative_to(ROOT)
            flags = shlex.split(entry["command"])
            count += 1
            found += [f"{build}: {name}: {flag}" for flag in flags if forbidden.fullmatch(flag)]
            for needed in ("-ffp-contract=off", "-fno-fast-math"):
                if needed not in flags:
                    found.append(f"{build}: {name}: {needed} is missing")
    if count == 0:
        found.append("no compile command found: configure a build first")
    print("\n".join(found) if found else f"floating-point flags: {count} compile commands, no problem")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
