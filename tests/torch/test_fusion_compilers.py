"""kvant.fusion and the compilers after it: aot_eager, Inductor with its cache, and export."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._inductor.utils import run_and_get_code

import kvant
import test_fusion_guards
import test_fusion_memory
from kvant import _codes, fusion
from kvant.fusion import _inductor
from support import assert_same
from test_fusion import (
    DYNAMIC,
    INTO,
    STATIC,
    assert_fused,
    check,
    copied_back,
    copied_parts,
    formula,
    formula_of_half,
    functionalized,
    negated_int4,
    of_npu,
    plain,
    regrouped,
    same_elements,
    static_npu,
    turned,
    turned_by_attributes,
    views,
    work,
)

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.mark.parametrize("run", [views, of_npu, formula])
def test_aot_eager(run: Callable[..., None]) -> None:
    check(torch.compile(run, backend="kvant", options={"backend": "aot_eager"}, fullgraph=True), run)
    assert_fused(run)


def assert_no_copy(source: str, operator: str) -> None:
    """All that is allocated is of the size of the updates."""
    body = source[source.index("def call(") : source.index("def get_args")]
    assert f"kvant.{operator}.default(" in body
    assert "scatter_update_.default(" not in body.replace("dynamic_quant_update_scatter_", "")
    for shape in re.findall(r"empty_strided\w*\(\(([\d, ]*)\)", body):
        assert "5" not in shape.split(", "), f"something as large as a cache is allocated: {shape}"
    assert re.search("clone|copy_", body) is None


@pytest.mark.parametrize("run", [plain, of_npu])
def test_inductor_copies_no_cache(run: Callable[..., None]) -> None:
    expected, got = work(run), work(run)
    run(*expected)
    _, sources = run_and_get_code(torch.compile(run, backend="kvant", fullgraph=True), *got)
    assert_same(got, expected)
    assert_fused(run)
    assert_no_copy(sources[0], INTO[run][0])


def test_a_pass_of_inductor_and_its_cache() -> None:
    """Functionalized writes. What comes from the cache was fused when it was put there."""
    options = {"post_grad_custom_pre_pass": fusion.FusionPass()}
    with torch._inductor.utils.fresh_inductor_cache():
        for found in (1, 0):
            torch._dynamo.reset()
            fusion.clear()
            expected, got = work(plain), work(plain)
            plain(*expected)
            _, sources = run_and_get_code(torch.compile(plain, fullgraph=True, options=options), *got)
            assert_same(got, expected)
            assert len(fusion.report().fused) == found
            assert_no_copy(sources[0], INTO[plain][0])


@pytest.mark.parametrize("run", [formula, formula_of_half, turned, same_elements, copied_parts])
def test_what_inductor_makes_of_it(run: Callable[..., None]) -> None:
    """Its own clamps and conversions, decomposed views, copies at the end."""
    options = {"post_grad_custom_pre_pass": fusion.FusionPass()}
    with torch._inductor.utils.fresh_inductor_cache():
        check(torch.compile(run, fullgraph=True, options=options), run)
    assert_fused(run)


def test_the_key_of_the_pass_is_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the numbers of formats, which it reads from another folder."""
    assert fusion.FusionPass().uuid() == fusion.FusionPass().uuid()
    assert len(fusion.FusionPass().uuid()) >= 16
    hashed: list[str] = []
    monkeypatch.setattr(_inductor, "get_hash_for_files", lambda paths, _: hashed.extend(paths) or b"")
    fusion.FusionPass().uuid()
    assert {_codes.__file__, _inductor.__file__} <= set(hashed)


class Model(torch.nn.Module):
    def __init__(self, run: Callable[..., None]) -> None:
        super().__init__()
        self.run = run
        for name, buffer in zip("cso", work(run)[:3], strict=True):
            self.register_buffer(name, buffer)

    def forward(self, i: Tensor, x: Tensor) -> None:
        self.run(self.c, self.s, self.o, i, x)


def targets(program: Any) -> list[str]:
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    ("run", "functionalized"),
    [
        (copied_back, False),
        *((r, f) for r in (views, negated_int4, of_npu, static_npu, formula) for f in (False, True)),
        *((r, f) for r in (turned, turned_by_attributes, same_elements, regrouped) for f in (False, True)),
        *((copied_parts, f) for f in (False, True)),
    ],
)
def test_export(run: Callable[..., None], functionalized: bool) -> None:
    n = torch.export.Dim("n", min=2, max=4)
    program = torch.export.export(Model(run), tuple(work(run)[3:]), dynamic_shapes=({0: n}, {0: n}))
    if functionalized:
        program = program.run_decompositions()
    assert kvant.fuse(program) is program
    assert_fused(run)
    module = program.module()
    for count in (3, 4):
        expected = work(run, count)
        run(*expected)
        for buffer, fresh in zip(module.buffers(), work(run)[:3], strict=True):
            buffer.copy_(fresh)
        module(*expected[3:])
        assert_same(list(module.buffers()), expected[:3])
    if not functionalized:
        names = [name for name in targets(program) if name.startswith(("kvant.", "npu."))]
        assert [name.split(".")[1] for name in names] == INTO[run]


@pytest.mark.parametrize("run", [copied_parts, test_fusion_guards.nothing_copied_back])
def test_export_of_caches_that_are_inputs(run: Callable[..., Any]) -> None:
    """Functional writes: fused if the program copies their results back, as its signature says."""
    program = torch.export.export(Given(run), tuple(work(run))).run_decompositions()
    kvant.fuse(program)
    assert len(fusion.report().fused) == (run is copied_parts), str(fusion.report())
    expected, got = work(run), work(run)
    results = run(*expected)
    assert_same(program.module()(*got), results)
    assert_same(got, expected)


class Given(torch.nn.Module):
    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run

    def forward(self, c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Any:
        return self.run(c, s, o, i, x)


# What they write in between is another value after functionalization.
HARMLESS = (
    test_fusion_guards.not_copied_back,
    test_fusion_memory.rows_changed_between,
    test_fusion_memory.rows_changed_by_an_operator,
    test_fusion_memory.caches_of_two,
    test_fusion_memory.an_operator_writes_between,
    test_fusion_memory.smooth_changed_between,
    test_fusion_memory.rows_renormalised_between,
    test_fusion_memory.static_rows_changed,
)


@pytest.mark.parametrize("v2", [True, False])
@pytest.mark.parametrize("run", [*DYNAMIC, *STATIC, *test_fusion_guards.REASONS, *test_fusion_memory.REASONS])
def test_functionalized(run: Callable[..., Any], v2: bool) -> None:
    """With both versions of auto_functionalized. What may not be fused is not, whatever it looks like now."""
    counts: list[int] = []
    expected, got = work(run), work(run)
    results = run(*expected)
    with torch._inductor.config.patch(enable_auto_functionalized_v2=v2):
        backend = partial(functionalized, counts=counts)
        assert_same(torch.compile(run, backend=backend, fullgraph=True, dynamic=False)(*got), results)
    assert_same(got, expected)
    # AOTAutograd itself copies back what functional operators give, after the graph.
    fused = (run in INTO and run is not copied_parts) or run in HARMLESS
    assert bool(sum(counts)) == fused, str(fusion.report())


def test_the_cache_of_inductor() -> None:
    """What was fused has another key than what was not; the second time both come from the cache."""
    with torch._inductor.utils.fresh_inductor_cache():
        for hits in (0, 1):
            for backend, calls in (("inductor", 3), ("kvant", 1)):
                torch._dynamo.reset()
                torch._dynamo.utils.counters.clear()
                expected, got = work(plain), work(plain)
                plain(*expected)
                _, sources = run_and_get_code(torch.compile(plain, backend=backend, fullgraph=True), *got)
                assert_same(got, expected)
                assert torch._dynamo.utils.counters["inductor"]["fxgraph_cache_hit"] == hits
                assert (
                    sources[0].count("scatter_update_.default(") + sources[0].count("update_scatter_.default(") == calls
                )


def test_other_options_reach_inductor() -> None:
    with pytest.raises(Exception, match="no_such_option"):
        torch.compile(plain, backend="kvant", options={"no_such_option": True})(*work(plain))
