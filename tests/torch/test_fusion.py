"""kvant.fusion: what is fused gives the bits of what was written, however it was written, and copies no cache."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor
from torch._functorch.aot_autograd import aot_module_simplified
from torch.fx import GraphModule, Interpreter

import kvant
import kvant.torch_npu
from cases import values
from kvant import fusion
from support import assert_same

npu = torch.ops.npu

pytestmark = pytest.mark.usefixtures("fresh")


def tensors(n: int = 3, codes: torch.dtype = torch.int8, width: int = 16) -> list[Tensor]:
    """Codes, scales and offsets of caches [4, 2, 5, 16], positions of n rows each, and the rows."""
    shape = (4, 2, 5)
    fresh = [torch.ones(*shape, width).to(codes), torch.ones(shape), torch.ones(shape)]
    return [*fresh, torch.arange(n) % 4, values((n, 2, 1, 16), seed=n)]


def plain(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x + 1)
    kvant.scatter_update_(c, i, y, index_mode="batch")
    kvant.scatter_update_(s, i, scale, axis=-1, index_mode="batch")
    kvant.scatter_update_(o, i, offset, axis=-1, index_mode="batch")


def negated_int4(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x, dst_type="int4", smooth_scales=x[0, 0, 0])
    kvant.scatter_update_(o, i, torch.neg(offset), axis=2, index_mode="batch", index_policy="skip")
    kvant.scatter_update_(s, i, scale, axis=2, index_mode="batch", index_policy="skip")
    kvant.scatter_update_(c, i, y, axis=2, index_mode="batch", index_policy="skip")


def views(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Rows in another order and shape, and tables with one more dimension."""
    rows = x.transpose(0, 1).reshape(2, -1, 16)
    y, scale, offset = kvant.dynamic_quant(rows)
    kvant.scatter_update_(c, i, y.transpose(0, 1).unsqueeze(2), index_mode="batch")
    kvant.scatter_update_(s[..., None], i, scale.unsqueeze(-1).permute(1, 0, 2)[:, :, None], index_mode="batch")
    kvant.scatter_update_(o.unsqueeze(-1), i, (-offset).transpose(0, 1)[..., None, None], index_mode="batch")


def slots(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Symmetric; the pages are views of the caches, two places of one page are written at once."""
    y, scale = kvant.dynamic_quant(x.squeeze(2), symmetric=True)
    kvant.scatter_update_(c.transpose(1, 2), i, y, axis=1, index_mode="slot")
    kvant.scatter_update_(s.transpose(1, 2), i, scale, axis=1, index_mode="slot")


def groups(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """A scale for eight elements: the table has one more dimension."""
    y, scale = kvant.dynamic_quant(x, symmetric=True, group_size=8)
    kvant.scatter_update_(c, i, y, index_mode="batch")
    kvant.scatter_update_(s, i, scale, index_mode="batch")


def of_npu(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = npu.npu_dynamic_quant_asymmetric(x, dst_type=torch.int8)
    npu.scatter_update_(c, i, y, -2)
    npu.scatter_update_(s, i, scale, -1)
    o.copy_(npu.scatter_update(o, i, -offset, -1))


def of_npu_symmetric(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = npu.npu_dynamic_quant(x, dst_type=torch.int8)
    pairs = torch.stack([i, i], 1)
    npu.scatter_update_(c, pairs, y, -2)
    s[:] = npu.scatter_update(s, pairs, scale, -1)


def turned(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Other names of permutations."""
    y, scale, offset = kvant.dynamic_quant(x[:, :, 0].transpose(0, 1))
    kvant.scatter_update_(c, i, y.swapdims(0, 1).unsqueeze(2), index_mode="batch")
    kvant.scatter_update_(s, i, scale.t().unsqueeze(2), axis=-1, index_mode="batch")
    kvant.scatter_update_(o, i, torch.movedim(offset, (0, 1), (1, 0))[..., None], axis=-1, index_mode="batch")


def turned_by_attributes(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """What swaps the last two dimensions does so before there is one more."""
    y, scale, offset = kvant.dynamic_quant(x[:, :, 0].transpose(0, 1))
    kvant.scatter_update_(c, i, y.movedim(source=0, destination=-2)[:, :, None], index_mode="batch")
    kvant.scatter_update_(s, i, scale.T.unsqueeze(2), axis=-1, index_mode="batch")
    kvant.scatter_update_(o, i, -offset.mT.unsqueeze(2), axis=-1, index_mode="batch")


def same_elements(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Conversions that convert nothing, parts that are the whole, and shapes of others."""
    y, scale, offset = kvant.dynamic_quant(x[:, :, 0].unsqueeze(0))
    kvant.scatter_update_(c, i, y.detach().to(torch.int8)[0].view_as(x), index_mode="batch")
    kvant.scatter_update_(s, i, scale.float().select(0, 0).reshape_as(x[..., 0]), axis=-1, index_mode="batch")
    part = offset.type(torch.float32).narrow(0, 0, 1)[-1, :, :, None]
    kvant.scatter_update_(o, i, part, axis=-1, index_mode="batch")


def regrouped(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Sizes of updates that are quotients where the sizes of inputs are symbols."""
    n = x.shape[0]
    y, scale, offset = kvant.dynamic_quant(x.view(n, 32).view(-1, 16))
    kvant.scatter_update_(c, i, y.view(n, -1, 1, 16), index_mode="batch")
    kvant.scatter_update_(s, i, scale.view(n, 2, 1), axis=-1, index_mode="batch")
    kvant.scatter_update_(o, i, offset.view(n, -1, 1), axis=-1, index_mode="batch")


def copied_parts(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    c.copy_(kvant.scatter_update(c, i, y, index_mode="batch"))
    s[:] = kvant.scatter_update(s, i, scale, axis=-1, index_mode="batch")
    o.copy_(kvant.scatter_update(o, i, offset, axis=-1, index_mode="batch"))


DYNAMIC = [
    *(plain, negated_int4, views, slots, groups, of_npu, of_npu_symmetric),
    *(turned, turned_by_attributes, same_elements, regrouped, copied_parts),
]


def static(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = kvant.quantize(x, x[0, 0, 0].abs(), x[0, 0, 0], reciprocal_scale=True)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def static_npu(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = npu.npu_quantize(x.view(-1, 2, 16), s[0, 0, :1], None, torch.qint8, axis=-1)
    npu.scatter_update_(c, i, codes.view(-1, 2, 1, 16), -2)


def formula(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    scale = x[:1, :1].abs() / 100
    codes = (x / scale + o[0, 0, :1]).round().clamp(-128, 127).to(torch.int8)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def formula_of_functions(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = torch.clamp(torch.round(torch.div(x, s[0, 0, :1])), min=-128, max=127).to(dtype=torch.int8)
    c.copy_(kvant.scatter_update(c, i, codes, index_mode="batch"))


def formula_of_half(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """The conversion is a part of quant_scatter_."""
    codes = (x.to(torch.bfloat16).float() / s[0, 0, :1] + o[0, 0, :1]).round().clamp(-128, 127).to(torch.int8)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def formula_of_bfloat16(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """A float32 scale that has dimensions makes the quotient float32."""
    codes = (x.to(torch.bfloat16) / s[0, 0, :1]).round().clamp(-128, 127).to(torch.int8)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def formula_of_numbers(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Tensors without dimensions."""
    codes = (x / s[0, 0, 0] + o[0, 0, 0]).round().clamp(-128, 127).to(torch.int8)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def copied_back(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    s.copy_(kvant.scatter_update(s, i, x[..., 0], axis=-1, index_mode="batch"))
    c[:] = kvant.quant_scatter(c, i, x, o[0, 0, :1], index_mode="batch")


STATIC = [
    *(static, static_npu, formula, formula_of_functions, formula_of_half),
    *(formula_of_bfloat16, formula_of_numbers),
]
INTO = {
    **{run: ["dynamic_quant_update_scatter_"] for run in DYNAMIC},
    **{run: ["quant_scatter_"] for run in STATIC},
    copied_back: ["scatter_update_", "quant_scatter_"],
}


def work(run: Callable[..., None], n: int = 3) -> list[Tensor]:
    made = tensors(n, torch.uint8, 8) if run is negated_int4 else tensors(n)
    if run is groups:
        made[1] = torch.ones(4, 2, 5, 2)
    return made


def check(fast: Callable[..., Any], run: Callable[..., None], n: int = 3) -> None:
    expected, got = work(run, n), work(run, n)
    run(*expected)
    fast(*got)
    assert_same(got, expected)
    assert not torch.equal(got[0], work(run, n)[0])


def functionalized(module: GraphModule, inputs: list[Tensor], counts: list[int], **options: Any) -> Callable[..., Any]:
    """A backend that makes a graph without writes, fuses it and runs it node by node. counts gets how many places."""

    def compiler(graph_module: GraphModule, _: Any) -> Any:
        counts.append(fusion.fuse_graph(graph_module.graph, **options))
        return make_boxed_func(Interpreter(graph_module).run)

    run: Callable[..., Any] = aot_module_simplified(module, inputs, fw_compiler=compiler)
    return run


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (lambda x, s: (x / s).round().clamp(-127, 127), "it clamps to -127..127, and only"),
        (lambda x, s: (x / s).round(), "it does not end with a clamp, and only"),
        (lambda x, s: (x / s).clamp(-128, 127), "what is clamped is a result of truediv, and only"),
        (lambda x, s: (x * s).round().clamp(-128, 127), "what is rounded is a result of mul, and only"),
        (
            lambda x, s: (x.half() / s[0]).round().clamp(-128, 127),
            "x is torch.float16 and x / s torch.float16, and only",
        ),
        (
            lambda x, s: (x / s.half()).round().clamp(-128, 127),
            "torch.float16 [1], expected torch.float32, one element",
        ),
    ],
)
def test_a_formula_that_is_not_fused_has_a_reason(codes: Callable[[Tensor, Tensor], Tensor], reason: str) -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        kvant.scatter_update_(c, i, codes(x, s[0, 0, :1]).to(torch.int8), index_mode="batch")

    check(torch.compile(run, backend="kvant", options={"backend": "eager"}), run)
    (entry,) = fusion.report()
    assert entry.found == "to"
    assert reason in entry.reason


def test_a_formula_that_adds_dimensions_is_left() -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        codes = (x / s[0, 0, :1] + o[None, None, :1, :1, :1]).round().clamp(-128, 127).to(torch.int8)
        kvant.scatter_update_(c, i, codes[0], index_mode="batch")

    check(torch.compile(run, backend="kvant", options={"backend": "eager"}), run)
    (entry,) = fusion.report()
    assert "its codes [1, " in entry.reason


@pytest.mark.parametrize("inner", ["eager", "aot_eager"])
def test_a_compiler_that_begins_anew_is_reported_once(inner: str) -> None:
    check(torch.compile(plain, backend="kvant", dynamic=True, options={"backend": inner}), plain)
    assert len(fusion.report().fused) == 1
    assert repr(fusion.report()) == str(fusion.report())


def test_what_is_no_graph() -> None:
    module = torch.nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"fuse: program is Linear, expected an ExportedProgram"):
        kvant.fuse(module)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"fuse_graph: graph is Linear, expected a torch\.fx\.Graph"):
        fusion.fuse_graph(module)  # type: ignore[arg-type]


def test_a_conversion_that_is_folded() -> None:
    graph: list[str] = []

    def backend(module: GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        fusion.fuse_graph(module.graph)
        graph.extend(str(node.target) for node in module.graph.nodes)
        return Interpreter(module).run

    torch.compile(formula_of_half, backend=backend, fullgraph=True)(*work(formula_of_half))
    assert "float" not in graph


def assert_fused(run: Callable[..., None]) -> None:
    report = fusion.report()
    assert [entry.fused for entry in report.fused] == INTO[run], str(report)
    assert report.left == []


@pytest.mark.parametrize("run", INTO)
@pytest.mark.parametrize("dynamic", [False, True])
def test_eager(run: Callable[..., None], dynamic: bool) -> None:
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True, dynamic=dynamic)
    check(fast, run)
    assert_fused(run)
    if dynamic:
        check(fast, run, 2)
        assert_fused(run)
