"""torch.compile, its backend kvant, and torch's own checks of operators, on a CUDA device."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.library import opcheck

import kvant
from cases import CASES, Case, ids, values
from device import HOST, IS_CUDA, check_errors, moved, need_device
from kvant import fusion, torch_npu
from support import assert_same
from test_compile import caches, updates, write
from test_fusion import INTO, groups, negated_int4, of_npu, plain, slots, static, views, work
from test_opcheck import FLOAT8

need_device()
pytestmark = pytest.mark.usefixtures("fresh")

FIRST = {c.operator: c for c in reversed(CASES) if c.operator.removesuffix("_out") not in HOST}


@pytest.mark.parametrize("case", FIRST.values(), ids=ids)
def test_opcheck(case: Case) -> None:
    """Schema, fake kernel and tracing: devices of results among them."""
    args = moved(case.make())
    assert not any(t.dtype in FLOAT8 for t in args if isinstance(t, Tensor))
    opcheck(case.op, args)


def quantize_and_back(x: Tensor, smooth: Tensor) -> tuple[Tensor, ...]:
    """What torch itself computes in between is exact."""
    y, scale, offset = kvant.dynamic_quant(x * 2, smooth_scales=smooth * 0.5)
    back = kvant.dequantize(y, scale, offset, dst_type="int8", dtype=torch.bfloat16)
    words = torch_npu.npu_dynamic_quant_asymmetric(-back, dst_type=torch.quint4x2)
    return y, scale * 4, back, *words, *kvant.dequant_swiglu_quant(back, quant_mode="dynamic")


@pytest.mark.parametrize("options", [{"backend": "aot_eager"}, {}, {"mode": "reduce-overhead", "dynamic": False}])
def test_quantize_and_back(options: dict[str, Any]) -> None:
    """With CUDA graphs too, which "reduce-overhead" makes."""
    fast = torch.compile(quantize_and_back, **{"fullgraph": True, "dynamic": True, **options})
    for tokens in (5, 5, 5, 9):
        args = values((tokens, 64), torch.float16, tokens), values((64,), seed=1)
        assert_same(moved(fast(*moved(args)), "cpu"), quantize_and_back(*args), f"{tokens} tokens")


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("mode", ["slot", "pair"])
def test_caches(backend: str, mode: Any) -> None:
    fast = torch.compile(lambda *args: write(mode, *args), fullgraph=True, dynamic=True, backend=backend)
    for n in (3, 7):
        args = [*caches(torch.clone), values((16,)).abs() + 0.1, *updates(mode, n)]
        there = moved(args)
        assert_same(moved(fast(*there), "cpu"), write(mode, *args))
        assert_same(moved(there, "cpu"), args)
    check_errors()


def test_an_index_that_is_bad_in_a_compiled_graph() -> None:
    fast = torch.compile(lambda c, i, x: kvant.scatter_update_(c, i, x, index_mode="batch"), fullgraph=True)

    def run() -> None:
        fast(*moved((torch.zeros(2, 4, 8), torch.tensor([7]), torch.zeros(1, 1, 8))))
        check_errors()

    with pytest.raises(IndexError if IS_CUDA else RuntimeError, match=r"indices\[0\] is 7"):
        run()


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("run", [plain, negated_int4, views, slots, groups, of_npu, static])
def test_fusion(run: Callable[..., None], dynamic: bool) -> None:
    """The backend kvant fuses on a device as on the CPU, and the bits are those of the program on the CPU."""
    fast = torch.compile(run, backend="kvant", fullgraph=True, dynamic=dynamic)
    expected = work(run)
    there = moved(expected)
    fast(*there)
    run(*expected)
    check_errors()
    assert_same(moved(there, "cpu"), expected)
    assert {entry.fused for entry in fusion.report().fused} == set(INTO[run]), str(fusion.report())
    assert fusion.report().left == []
