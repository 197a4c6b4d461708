#!/usr/bin/env python3
"""Prints the sources of this repository that a build compiles, one a line. usage: list_sources.py BUILD_DIR"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(build_dir: str) -> None:
    root = Path(__file__).resolve().parent.parent
    build = Path(build_dir).resolve()
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    paths = {(Path(e["directory"]) / e["file"]).resolve() for e in entries}
    for path in sorted(p for p in paths if p.is_relative_to(root) and not p.is_relative_to(build)):
        print(path.relative_to(root))


if __name__ == "__main__":
    main(sys.argv[1])
