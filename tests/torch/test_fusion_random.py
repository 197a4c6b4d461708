"""Fused and not fused, random programs give the same bits: as they are, functionalized, exported and compiled.

KVANT_LONG_TESTS=1 (./run test --long) tries twenty times as many.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.fx import GraphModule

from kvant import fusion
from kvant.fusion import _chains, _fuse, _guards
from random_graphs import run_of
from random_programs import Program
from test_fusion import functionalized

pytestmark = pytest.mark.usefixtures("fresh")
MANY = 20 if os.environ.get("KVANT_LONG_TESTS") else 1


def try_one(number: int) -> int:
    """How many places of that program were fused."""
    program = Program(number)
    expected = program.outcome(run_of(program.graph))
    count = fusion.fuse_graph(program.graph)
    program.check(run_of(program.graph), expected, f"program {number}, {program.troubles}:\n{program.graph}")
    return count


def test_graphs() -> None:
    """As Dynamo makes them, run one node after the other."""
    programs = 2000 * MANY
    fused = sum(try_one(number) > 0 for number in range(programs))
    # With nothing but trouble, or nothing but programs without any, this would test little.
    assert 0.6 * programs < fused < 0.95 * programs


def careless(chain: Callable[..., _chains.Chain]) -> Callable[..., _chains.Chain]:
    def follow(*args: Any) -> _chains.Chain:
        found = chain(*args)
        found.negated = False
        return found

    return follow


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (_fuse, "check_memory", lambda *_: None),
        (_fuse, "check_agreement", lambda *_: None),
        (_fuse, "check_tables", lambda *_: None),
        (_fuse, "same_rows", lambda *_: True),
        (_fuse, "follow", careless(_chains.follow)),
        (_guards, "may_alias", lambda *_: False),
        (_guards, "written", lambda *_: []),
        (_guards, "between", lambda *_: []),
        (_guards, "same_value", lambda *_: True),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_without_a_guard_they_differ(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Any) -> None:
    """So the programs have what the guard is for, and a mistake in it would be seen."""
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(AssertionError, match="program"):
        sum(try_one(number) for number in range(2000))


@pytest.mark.parametrize("v2", [True, False])
def test_functionalized(v2: bool) -> None:
    programs, counts = 150 * MANY, list[int]()
    with torch._inductor.config.patch(enable_auto_functionalized_v2=v2):
        for number in range(programs):
            program = Program(number)
            expected = program.outcome(run_of(program.graph))
            if expected[1] is not None:
                module = GraphModule(torch.nn.Module(), program.graph)
                run = functionalized(module, program.arguments()[1], counts)
                program.check(run, expected, f"program {number}")
    assert sum(count > 0 for count in counts) > 0.4 * programs


class Module(torch.nn.Module):
    def __init__(self, graph: torch.fx.Graph) -> None:
        super().__init__()
        self.run = run_of(graph)

    def forward(self, *args: torch.Tensor) -> Any:
        return self.run(*args)


@pytest.mark.parametrize("decomposed", [False, True])
def test_exported(decomposed: bool) -> None:
    programs, fused = 30 * MANY, 0
    for number in range(programs):
        program = Program(number)
        expected = program.outcome(run_of(program.graph))
        if expected[1] is None:
            continue
        exported = torch.export.export(Module(program.graph), tuple(program.arguments()[1]))
        if decomposed:
            exported = exported.run_decompositions()
        fusion.clear()
        program.check(kvant_fused(exported), expected, f"program {number}")
        fused += len(fusion.report().fused) > 0
    assert fused > 0.4 * programs


def kvant_fused(exported: torch.export.ExportedProgram) -> Callable[..., Any]:
    return fusion.fuse(exported).module()


@pytest.mark.parametrize(("inner", "programs"), [("eager", 40), ("inductor", 4)])
def test_compiled(inner: str, programs: int) -> None:
    fused = 0
    for number in range(programs * MANY):
        program = Program(number)
        expected = program.outcome(run_of(program.graph))
        module = GraphModule(torch.nn.Module(), program.graph)
        torch._dynamo.reset()
        fusion.clear()
        fast = torch.compile(module, backend="kvant", options={"backend": inner}, fullgraph=True, dynamic=False)
        program.check(fast, expected, f"program {number}")
        fused += len(fusion.report().fused) > 0
    assert fused > 0.5 * programs * MANY
