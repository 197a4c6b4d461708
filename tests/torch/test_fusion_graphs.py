"""kvant.fusion and whole graphs: several places, breaks, recompilation, what inputs share, devices, the report."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

import kvant
from kvant import fusion
from support import assert_same
from test_fusion import plain, tensors
from test_fusion_guards import missing_offset, write

pytestmark = pytest.mark.usefixtures("fresh")


def test_what_is_harmless_in_between() -> None:
    """Reads of the rows, views, and work on other tensors."""

    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
        y, scale, offset = kvant.dynamic_quant(x)
        write(c, i.view(-1), y)
        view, other = c.view(-1), torch.nn.functional.silu(x)
        other.add_(1)
        write(s, i.view(-1), scale)
        write(o, i.view(-1), offset)
        return other + view.sum()

    expected, got = tensors(), tensors()
    result = run(*expected)
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)
    assert_same(fast(*got), result)
    assert_same(got, expected)
    assert len(fusion.report().fused) == 1


def test_keys_and_values() -> None:
    """Two quantizations with one index become two calls, whatever the order of the writes."""

    def run(c: Tensor, s: Tensor, c2: Tensor, s2: Tensor, i: Tensor, x: Tensor) -> None:
        k, k_scale = kvant.dynamic_quant(x, symmetric=True)
        v, v_scale = kvant.dynamic_quant(x * 2, symmetric=True)
        write(c, i, k)
        write(c2, i, v)
        write(s, i, k_scale)
        write(s2, i, v_scale)

    def args() -> list[Tensor]:
        return [*tensors()[:2], *tensors()[:2], *tensors()[3:]]

    expected, got = args(), args()
    run(*expected)
    torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)(*got)
    assert_same(got, expected)
    assert len(fusion.report().fused) == 2


def test_a_graph_break_in_the_middle() -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        y, scale = kvant.dynamic_quant(x, symmetric=True)
        write(c, i, y)
        torch._dynamo.graph_break()
        write(s, i, scale)

    expected, got = tensors(), tensors()
    run(*expected)
    torch.compile(run, backend="kvant", options={"backend": "eager"})(*got)
    assert_same(got, expected)
    (entry,) = fusion.report()
    assert "the scale is read by output" in entry.reason


def test_recompilation() -> None:
    """Each graph is looked at anew: one that may be fused, one whose caches are views of one tensor, one more."""

    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        write(s, i, x[..., 0])
        y, scale, offset = kvant.dynamic_quant(x)
        write(c, i, y)
        write(s, i, scale)
        write(o, i, offset)

    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True, dynamic=False)
    for n, fused in ((3, 1), (2, 1)):
        expected, got = tensors(n), tensors(n)
        run(*expected)
        fast(*got)
        assert_same(got, expected)
        assert len(fusion.report().fused) == fused
        fusion.clear()


def aliased(kind: str) -> list[Tensor]:
    c, s, o, i, x = tensors()
    room = torch.ones(5, 2, 5)
    if kind == "tables that overlap":
        s, o = room[1:], room[:-1]
    elif kind == "a table in the rows":
        s = x.view(-1)[:40].view(4, 2, 5)
    elif kind == "a reader of a cache":
        i = c.view(torch.int64).view(-1)[:3]
        i.copy_(torch.arange(3))
    return [c, s, o, i, x]


@pytest.mark.parametrize("inner", ["eager", "inductor"])
@pytest.mark.parametrize("kind", ["separate", "tables that overlap", "a table in the rows", "a reader of a cache"])
def test_inputs_that_share_memory_later(kind: str, inner: str) -> None:
    """They run as they are written; eager mode says what that is, if it is legal."""

    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        y, scale, offset = kvant.dynamic_quant(x)
        write(c, i, y)
        write(s, i, scale)
        write(o, i, offset)

    fast = torch.compile(run, backend="kvant", options={"backend": inner}, fullgraph=True, dynamic=False)
    fast(*tensors())
    assert len(fusion.report().fused) == 1
    expected, got = aliased(kind), aliased(kind)
    outcome: list[str] = []
    for call, args in ((run, expected), (fast, got)):
        try:
            call(*args)
            outcome.append("runs")
        except (ValueError, RuntimeError) as error:
            outcome.append(str(error).removeprefix("ValueError: "))
    assert outcome[0] == outcome[1]
    assert len(fusion.report().entries) == 1  # the graph of before
    assert_same([t.contiguous() for t in got], [t.contiguous() for t in expected])


def test_views_of_one_tensor_from_the_start() -> None:
    """Inputs that share memory when a graph is made are known to do so."""
    both = torch.ones(2, 4, 2, 5)
    got = tensors()
    torch.compile(plain, backend="kvant", options={"backend": "eager"})(got[0], both[0], both[1], *got[3:])
    (entry,) = fusion.report()
    assert "may share memory" in entry.reason


def test_a_device_without_kernels() -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        torch.ops.kvant.scatter_update_(c, i, torch.ops.kvant.dynamic_quant_symmetric(x)[0], 2, 0)

    with torch.device("meta"):
        args = [torch.empty_like(t, device="meta") for t in tensors()]
    graph = make_fx(run, tracing_mode="fake")(*args).graph
    assert fusion.fuse_graph(graph) == 0
    (entry,) = fusion.report()
    assert entry.reason == "kvant has no kernel for meta"


def test_gradients_are_left_to_be_refused() -> None:
    """The wrapper of a quantization whose input has a gradient reads the scale."""
    args = tensors()
    args[4].requires_grad_()
    run = torch.compile(plain, backend="kvant", options={"backend": "eager"})
    run(*args)
    assert fusion.report().fused == []


def test_the_report_reads_well() -> None:
    assert str(fusion.report()) == "nothing that can be fused was seen"
    torch.compile(missing_offset, backend="kvant", options={"backend": "eager"})(*tensors())
    text = str(fusion.report())
    assert text.endswith(": dynamic_quant: left as it is: the offset is not used")
    assert "y, scale, _ = kvant.dynamic_quant(x)" in text
