"""kvant.fusion and SwiGLU written in PyTorch: by permission only, with the bits of kvant's operator."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

import kvant
import kvant.torch_npu  # defines torch.ops.npu
from cases import values
from kvant import fusion
from support import assert_same
from test_fusion import functionalized

pytestmark = pytest.mark.usefixtures("fresh")
ROWS, H = 6, 16
Result = tuple[Tensor, Tensor]


def inputs(rows: int = ROWS) -> tuple[Tensor, ...]:
    """x, weight scales, activation scales, bias, int32 bias, smooth scales, and bfloat16 rows like x."""
    x = torch.randint(-30000, 30000, (rows, 2 * H), dtype=torch.int32, generator=torch.Generator().manual_seed(rows))
    scales = values((2 * H,)).abs() * 1e-3, values((rows,), seed=1).abs() * 0.1
    biases = values((2 * H,), torch.bfloat16), torch.arange(2 * H, dtype=torch.int32) * 9
    return x, *scales, *biases, values((H,)).abs() + 0.1, values((rows, 2 * H), torch.bfloat16)


def quant(s: Tensor, **named: Any) -> Result:
    return kvant.dynamic_quant(s, symmetric=True, **named)


def chunked(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    act, lin = (x.float() * w * a[:, None]).chunk(2, dim=-1)
    return quant(F.silu(act) * lin)


def split_right(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    lin, act = torch.split(x.to(torch.float32).mul(w).mul(a.unsqueeze(-1)) + b, H, -1)
    return quant(lin * torch.nn.SiLU()(act), smooth_scales=m)


def sliced(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    v = (x + ib).to(torch.float32) * w.view(1, -1) * a.view(-1, 1)
    return torch.ops.npu.npu_dynamic_quant(F.silu(v[:, :H]) * v[:, H:] * m)  # type: ignore[no-any-return]


def sigmoid_of_rows(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    """Three dimensions, promoted without a word, and the gate as its formula."""
    v = x.view(2, -1, 2 * H) * w * a.view(2, -1, 1)
    gate = v[..., H:]
    return quant(m * (torch.sigmoid(gate) * gate * v[..., :H]), dst_type="float8_e4m3fn")


def exponential(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    v = w * x.float() + b
    act, lin = v.narrow(-1, 0, H), v.narrow(-1, H, H)
    return quant(act / (1 + torch.exp(-act)) * lin, dst_type="hifloat8")


def of_bfloat16(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    act, lin = h.float().chunk(2, -1)
    return quant(F.silu(act) * lin)


def of_halves(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    lin, act = h.chunk(2, -1)
    return quant(F.silu(act.float()) * lin.float())


def of_float32(x: Tensor, w: Tensor, a: Tensor, b: Tensor, ib: Tensor, m: Tensor, h: Tensor) -> Result:
    act, lin = w.expand(3, -1).chunk(2, -1)
    return quant(F.silu(act) * lin)


def direct(x: Tensor, left: bool, dst_type: Any = "int8", **named: Any) -> Result:
    return kvant.dequant_swiglu_quant(x, activate_left=left, quant_mode="dynamic", dst_type=dst_type, **named)


def scaled(w: Tensor, a: Tensor, **named: Any) -> dict[str, Any]:
    return {"weight_scale": w, "activation_scale": a, **named}


SAME: dict[Callable[..., Result], Callable[..., Result]] = {
    chunked: lambda x, w, a, *_: direct(x, True, **scaled(w, a)),
    split_right: lambda x, w, a, b, _, m, __: direct(x, False, **scaled(w, a, bias=b, quant_scale=m)),
    sliced: lambda x, w, a, _, b, m, __: direct(x, True, **scaled(w, a, bias=b, quant_scale=m)),
    sigmoid_of_rows: lambda x, w, a, _, __, m, ___: direct(
        x.view(2, -1, 2 * H), False, "float8_e4m3fn", **scaled(w, a, quant_scale=m)
    ),
    exponential: lambda x, w, _, b, *__: direct(x, True, "hifloat8", weight_scale=w, bias=b),
    of_bfloat16: lambda *tensors: direct(tensors[6], True),
    of_halves: lambda *tensors: direct(tensors[6], False),
    of_float32: lambda _, w, *__: direct(w.expand(3, -1), True),
}
PROGRAMS = pytest.mark.parametrize("run", SAME, ids=lambda v: v.__name__)


def one_fused() -> None:
    report = fusion.report()
    assert [entry.fused for entry in report] == ["dequant_swiglu_quant"], str(report)
    assert report.entries[0].found.startswith("swiglu and ")


@PROGRAMS
def test_compiled(run: Callable[..., Result]) -> None:
    """For the second number of rows a graph is made that takes the third as well."""
    fast = torch.compile(run, backend="kvant", options={"backend": "eager", "inexact": "swiglu"}, fullgraph=True)
    for rows in (ROWS, 4, 8):
        assert_same(fast(*inputs(rows)), SAME[run](*inputs(rows)))
    assert {entry.fused for entry in fusion.report()} == {"dequant_swiglu_quant"}, str(fusion.report())
    assert len(fusion.report().entries) == (1 if run is of_float32 else 2)


@PROGRAMS
def test_functionalized(run: Callable[..., Result]) -> None:
    def backend(module: torch.fx.GraphModule, given: list[Tensor]) -> Callable[..., Any]:
        return functionalized(module, given, [], inexact=["swiglu"])

    assert_same(torch.compile(run, backend=backend, fullgraph=True, dynamic=False)(*inputs()), SAME[run](*inputs()))
    one_fused()


class Module(torch.nn.Module):
    def __init__(self, run: Callable[..., Result]) -> None:
        super().__init__()
        self.run = run

    def forward(self, *args: Tensor) -> Result:
        return self.run(*args)


@PROGRAMS
@pytest.mark.parametrize("decomposed", [False, True])
def test_exported(run: Callable[..., Result], decomposed: bool) -> None:
    program = torch.export.export(Module(run), inputs())
    if decomposed:
        program = program.run_decompositions()
    fast = kvant.fuse(program, inexact=("swiglu",)).module()
    assert_same(fast(*inputs()), SAME[run](*inputs()))
    one_fused()


@pytest.mark.parametrize("run", [split_right, sigmoid_of_rows])
def test_inductor(run: Callable[..., Result]) -> None:
    """As a backend and as a pass, whose key says what is allowed."""
    keys = {fusion.FusionPass(inexact=names).uuid() for names in ((), "swiglu", ["swiglu"])}
    assert len(keys) == 2
    as_pass: Any = {"options": {"post_grad_custom_pre_pass": fusion.FusionPass(inexact="swiglu")}}
    with torch._inductor.utils.fresh_inductor_cache():
        for how in ({"backend": "kvant", "options": {"inexact": "swiglu"}}, as_pass):
            torch._dynamo.reset()
            fusion.clear()
            assert_same(torch.compile(run, fullgraph=True, **how)(*inputs()), SAME[run](*inputs()))
            one_fused()


@pytest.mark.parametrize("run", [chunked, split_right, sliced, exponential])
def test_how_far_it_is_from_torch(run: Callable[..., Result]) -> None:
    """Scales by a few units in the last place; codes by one, in places where the quotient lies between two."""
    expected, got = run(*inputs(3000)), SAME[run](*inputs(3000))
    assert ((got[1] - expected[1]).abs() <= 2**-21 * expected[1]).all()
    if got[0].dtype == torch.int8:
        apart = (got[0].int() - expected[0].int()).abs()
        assert apart.max() <= 1
        assert (apart != 0).float().mean() < 1e-4


def test_not_without_permission() -> None:
    fast = torch.compile(chunked, backend="kvant", options={"backend": "eager"}, fullgraph=True)
    assert_same(fast(*inputs()), chunked(*inputs()))
    (entry,) = fusion.report().left
    assert entry.reason == "the fused operator has other last bits; inexact='swiglu' allows it"


@pytest.mark.parametrize(
    "call",
    [
        lambda: fusion.FusionPass(inexact="silu"),
        lambda: kvant.fuse(torch.export.export(Module(chunked), inputs()), inexact=["swiglu", "silu"]),
        lambda: torch.compile(chunked, backend="kvant", options={"inexact": "silu"})(*inputs()),
    ],
)
def test_other_permissions(call: Callable[[], Any]) -> None:
    with pytest.raises(Exception, match="inexact names 'silu', expected 'swiglu'"):
        call()


def test_codes_for_a_cache_are_fused_exactly() -> None:
    """A quantization that is written is fused with the writes, whatever else is allowed."""

    def run(c: Tensor, s: Tensor, i: Tensor, *rest: Tensor) -> None:
        act, lin = rest[0].float().chunk(2, -1)
        y, scale = quant(F.silu(act) * lin)
        kvant.scatter_update_(c, i, y, axis=1, index_mode="slot")
        kvant.scatter_update_(s, i, scale, axis=1, index_mode="slot")

    caches = [[torch.zeros(2, 8, H, dtype=torch.int8), torch.zeros(2, 8), torch.arange(ROWS)] for _ in range(2)]
    options = {"backend": "eager", "inexact": "swiglu"}
    run(*caches[0], inputs()[6])
    torch.compile(run, backend="kvant", options=options, fullgraph=True)(*caches[1], inputs()[6])
    assert_same(caches[1], caches[0])
    assert [entry.fused for entry in fusion.report()] == ["dynamic_quant_update_scatter_"]
