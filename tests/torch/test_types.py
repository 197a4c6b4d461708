"""What a type checker says of programs that use kvant: py.typed promises that it notices what is wrong."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="there is no mypy")
# torch itself is of no interest here, and takes a minute.
SETTINGS = "[mypy]\nstrict = true\n[mypy-torch.*]\nfollow_imports = skip\n"
HEAD = """
import torch
from torch import Tensor

import kvant
import kvant.fusion
import kvant.torch_npu as torch_npu

x, cache, table, slots = torch.ones(2, 8), torch.ones(1, 2, 8), torch.ones(1, 2), torch.tensor([0, 1])
"""
RIGHT = """
def wrapper(x: Tensor, dst_type: kvant.Format, quant_mode: kvant.QuantMode) -> Tensor:
    y, _, _ = kvant.dynamic_quant(x, dst_type=dst_type, quant_mode=quant_mode)
    return y


def write(mode: kvant.IndexMode, policy: kvant.IndexPolicy, rounding: kvant.RoundMode) -> Tensor:
    return kvant.quant_scatter_(cache, slots, x, x, index_mode=mode, index_policy=policy, round_mode=rounding)


def activation(source: kvant.ScaleSource) -> tuple[Tensor, Tensor]:
    return kvant.dequant_swiglu_quant(x, quant_mode=source)


def update(one: bool) -> Tensor:
    var, scale, offset = kvant.dynamic_quant_update_scatter_(
        cache, table, None, slots, x, dst_type="int8", index_mode="slot"
    )
    _, _, _, key, _, _ = kvant.dynamic_quant_update_scatter_(
        cache, table, None, slots, x, dst_type="int8", index_mode="slot", second=(cache, table, None, x)
    )
    return var if one else key


wrapper(x, torch.int8, "pertoken")
torch_npu.npu_dynamic_quant(x=x)
torch_npu.scatter_update(data=cache, indices=slots, updates=x, axis=1)
kvant.cuda.check_errors()
kvant.fusion.FusionPass().uuid()
version: str = kvant.__version__
"""
WRONG = {
    "kvant.dynamc_quant(x)": 'Module has no attribute "dynamc_quant"',
    "kvant.fusion.fus(x)": 'Module has no attribute "fus"',
    "kvant.fusion.FusionPass(inexat=())": 'Unexpected keyword argument "inexat"',
    'kvant.dynamic_quant(x, quant_mode="row")': "No overload variant",
    'kvant.quant_scatter_(cache, slots, x, x, reduce="add", index_mode="slot")': "expected \"Literal['update']\"",
    'a, b = kvant.dynamic_quant_update_scatter_(cache, table, None, slots, x, dst_type="int8", index_mode="slot")': (
        "Too many values to unpack (2 expected, 3 provided)"
    ),
}


def check(folder: Path, program: str) -> list[str]:
    """What mypy finds in a program, a line each."""
    (folder / "mypy.ini").write_text(SETTINGS)
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


@needs_mypy
def test_what_is_right_is_accepted_and_what_is_wrong_is_not(tmp_path: Path) -> None:
    """In one program, since mypy takes its time to begin."""
    program = HEAD + RIGHT
    first = len(program.splitlines()) + 1
    found = check(tmp_path, program + "".join(f"{line}\n" for line in WRONG))
    said: dict[int, str] = {}
    for text in found:
        number = int(text.split(":")[1])
        said[number] = said.get(number, "") + text
    assert [text for number, text in said.items() if number < first] == []
    for number, (line, message) in enumerate(WRONG.items(), first):
        assert message in said.get(number, "nothing"), f"{line}: {said.get(number)}"
