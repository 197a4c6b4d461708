#!/usr/bin/env python3
"""Checks who may include what; the rules are the table below.

core <- numerics <- formats <- rowwise <- ops <- graph <- {C API, torch.cc, cli, python}: a file includes its own layer
and those before it. Other libraries are let in by name. Includes of the project are written in full, "kvant/...", never
relative.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

LAYERS = ["core", "numerics", "formats", "rowwise", "ops", "graph"]
SUFFIXES = {".h", ".cc", ".c", ".inc", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
TARGET_INCLUDE = re.compile(r'^\s*#\s*define\s+HWY_TARGET_INCLUDE\s+"([^"]+)"')

# Who may include a library: pattern of the include, pattern of the including file, the rule in words.
LIBRARIES = [
    (
        r"^(torch|ATen|c10)/",
        r"(^|/)torch\.cc$|^kvant/torch/|^examples/cpp_deploy/",
        "PyTorch is for torch.cc, kvant/torch and examples/cpp_deploy",
    ),
    (r"^kvant/torch/", r"(^|/)torch\.cc$|^kvant/torch/", "the bindings are for torch.cc and kvant/torch"),
    (
        r"^hwy/",
        r"(^|/)cpu[a-z0-9_]*\.cc$|-inl\.h$|^kvant/core/target\.cc$|^kvant/numerics/dispatch\.h$|[/_](test|bench)\.cc$",
        "Highway is for cpu*.cc, *-inl.h, core/target.cc, numerics/dispatch.h and tests",
    ),
    (r"^(cuda|cub/|thrust/|cooperative_groups)", r"\.cuh?$", "CUDA is for .cu and .cuh"),
    (r"^omp\.h$", r"^kvant/core/parallel\.cc$|^cli/.*\.cc$|[/_](test|bench)\.cc$", "OpenMP is for core/parallel.cc"),
    (r"^fmt/", r"\.cc$|^cli/|^kvant/.*(plan|rules)\.h$|-inl\.h$", "fmt is not for public headers"),
    (r"^(gtest|gmock)/", r"[/_]test\.cc$|test_util[a-z_]*\.h$|^kvant/testing/|^tests/", "GoogleTest is for tests"),
    (r"^benchmark/", r"[/_]bench\.cc$|bench_util[a-z_]*\.h$", "Google Benchmark is for benchmarks"),
    (r"^(CLI/|nlohmann/)", r"^cli/", "CLI11 and nlohmann-json are for cli/"),
    (r"(^|/)dlpack\.h$", r"^kvant/(cuda_)?c_api|^python/|torch\.cc$|^tests/", "DLPack is for the C API and bindings"),
]


def is_test(path: str) -> bool:
    return re.search(r"[/_](test|bench)\.cc$|_test_util\.h$", path) is not None


def layer(path: str) -> int:
    """Position in LAYERS; files of kvant/ itself, torch.cc and everything outside come after the last."""
    parts = PurePosixPath(path).parts
    if parts[-1] == "torch.cc":
        return len(LAYERS)
    if len(parts) > 2 and parts[0] == "kvant" and parts[1] in LAYERS:
        return LAYERS.index(parts[1])
    return len(LAYERS)


def broken_rules(root: Path, path: str, line: str, target: str) -> Iterator[str]:
    """What is wrong with `line` of `path`, which includes `target`."""
    for library, allowed, rule in LIBRARIES:
        if re.search(library, target) and not re.search(allowed, path):
            yield rule
    if not target.startswith(("kvant/", "cli/")):
        if '"' in line and ((root / path).parent / target).exists():
            yield "write the path from the top of the repository"
        return
    if not (root / target).exists():
        yield "no such file"
    if path.startswith("kvant/"):
        if target.startswith("cli/"):
            yield "the library does not know cli/"
        elif layer(target) > layer(path) and not is_test(path):
            yield f"{PurePosixPath(path).parts[1]} may not include what is built on it"
    if target.endswith("-inl.h") and not (
        path.endswith("-inl.h") or re.search(r"(^|/)cpu[a-z0-9_]*\.cc$", path) or is_test(path)
    ):
        yield "-inl.h is for cpu*.cc, other -inl.h and tests"


def problems(root: Path, path: str) -> list[str]:
    found = []
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line) or TARGET_INCLUDE.match(line)
        if match is not None:
            target = next(group for group in match.groups() if group)
            found += [f"{path}:{number}: {text}: {target}" for text in broken_rules(root, path, line, target)]
    return found


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    files = sorted(
        p
        for p in set(listed)
        if Path(p).suffix in SUFFIXES and not p.startswith("third_party/") and (root / p).is_file()
    )
    found = [text for path in files for text in problems(root, path)]
    print("\n".join(found) if found else f"include rules: {len(files)} files, no problem")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
