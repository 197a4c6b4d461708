"""Every Python example of the operators' source documents, run as it stands by `python -m kvant.npu`.

The documents are not part of this repository: they are looked for beside it, or in the folder that KVANT_SEEDS names.
An example is what stands between ```python and ``` there, without the indentation of its list. Two things that are not
Python are taken away, and nothing else is touched:

1. In a block with `>>>` prompts: the prompts, and every line without one, which is printed output.
2. In any other block: from a comment on that says that what the code prints follows.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(os.environ.get("KVANT_SEEDS", ROOT.parent / "shared" / "seeds"))
OUTPUT_FOLLOWS = "# 执行上述代码的输出类似如下"
# What the documents hold; another number means that the rule above has missed something.
EXAMPLES = {"npu_quant_scatter.md": 2, "npu_dynamic_quant_asymmetric.md": 5, "npu_dequant_swiglu_quant.md": 2}
needs_seeds = pytest.mark.skipif(not SEEDS.is_dir(), reason="the source documents are not beside this repository")


def examples(document: str) -> list[str]:
    text = (SEEDS / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^[ \t]*```python\n(.*?)^[ \t]*```", text, re.DOTALL | re.MULTILINE)
    return [as_script(block) for block in blocks]


def as_script(block: str) -> str:
    if ">>>" in block:
        lines = (line.strip() for line in block.splitlines())
        return "".join(f"{line.removeprefix('>>>').removeprefix(' ')}\n" for line in lines if line.startswith(">>>"))
    return textwrap.dedent(block).partition(OUTPUT_FOLLOWS)[0]


def test_the_rule() -> None:
    assert as_script("   >>> a = 1\n   >>>\n   >>> a\n   1\n") == "a = 1\n\na\n"
    assert as_script(f"    if a:\n        b()\n\n    {OUTPUT_FOLLOWS}\n    1 2\n") == "if a:\n    b()\n\n"


@needs_seeds
def test_all_examples_are_found() -> None:
    assert {name: len(examples(name)) for name in EXAMPLES} == EXAMPLES


@needs_seeds
@pytest.mark.parametrize(("document", "number"), [(d, n) for d in EXAMPLES for n in range(EXAMPLES[d])])
def test_example(document: str, number: int, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(examples(document)[number], encoding="utf-8")
    command = [sys.executable, "-m", "kvant.npu", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "graph break" not in done.stderr.lower()
