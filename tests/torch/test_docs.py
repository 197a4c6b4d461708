"""Every Python block of the documents is a program that runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("README.md", "docs/PYTHON.md", "docs/FROM_TORCH_NPU.md", "docs/FUSION.md", "docs/DISTRIBUTED.md")
BLOCKS = [
    (path, number, block)
    for path in PATHS
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", (ROOT / path).read_text(), re.DOTALL | re.MULTILINE)
    )
]


@pytest.mark.parametrize(("path", "number", "block"), BLOCKS, ids=lambda v: str(v) if len(str(v)) < 30 else "")
def test_block(path: str, number: int, block: str) -> None:
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{path}, block {number}: {done.stderr}"


def test_every_document_has_one() -> None:
    assert {path for path, _, _ in BLOCKS} == set(PATHS)
