"""The Python package of a finished CMake build, without pip: for a machine that has no scikit-build-core.

usage: stage_torch_cuda.py BUILD DIR; then PYTHONPATH=DIR. BUILD is a build folder with KVANT_TORCH whose targets are
built: kvant_torch, with KVANT_CUDA kvant_torch_cuda too.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    text = (ROOT / "kvant" / "core" / "version.h").read_text()
    return text.partition('KVANT_VERSION_STRING "')[2].partition('"')[0]


def entry_points() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = project.get("entry-points", {}).items()
    return "\n".join(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for group, names in groups)


def main(build: str, to: str) -> None:
    folder = Path(to).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "python" / "kvant", folder / "kvant", ignore=ignore)
    install = ["cmake", "--install", build, "--prefix", str(folder / "kvant")]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    info = folder / f"kvant-{version()}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kvant\nVersion: {version()}\n")
    (info / "entry_points.txt").write_text(entry_points() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
