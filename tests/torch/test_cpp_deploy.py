"""examples/cpp_deploy: a program without Python prints what Python prints."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import kvant

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "cpp_deploy"


def run(*command: str | Path, **named: Any) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **named)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_same_numbers(tmp_path: Path) -> None:
    package, build = tmp_path / "model.pt2", tmp_path / "build"
    said = run(sys.executable, FOLDER / "export.py", package)
    where = f"-Dkvant_DIR={kvant.get_cmake_path()}", f"-DTORCH_ROOT={Path(torch.__file__).parent}"
    run("cmake", "-S", FOLDER, "-B", build, *where)
    run("cmake", "--build", build)
    libraries = [line.split()[0] for line in run("ldd", build / "decode").splitlines()]
    assert [name for name in libraries if "python" in name] == []
    nothing = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    assert run(build / "decode", package, env=nothing) == said

    # And Python, uncompiled and not fused, decodes the same.
    spec = importlib.util.spec_from_file_location("cpp_deploy_export", FOLDER / "export.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    steps = [line.split() for line in said.splitlines()]
    for (number, token, logit), (step, (plain, value)) in zip(
        steps, enumerate(example.decode(example.model())), strict=True
    ):
        assert (int(number), int(token)) == (step, plain)
        assert float(logit) == pytest.approx(value, abs=1e-4)
    assert len({token for _, token, _ in steps}) > 5
