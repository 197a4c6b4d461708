"""What is known of operators on CUDA tensors without a CUDA device: results of fake tensors, and what is refused."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import kvant
from cases import CASES, Case, ids
from device import tensors
from kvant import _config, fusion
from test_fusion import INTO, groups, negated_int4, plain, slots, static, views, work

HAS_LIBRARY = _config.TORCH_CUDA_LIBRARY.exists() and torch.version.cuda is not None


def faked(given: Any, mode: FakeTensorMode, device: str) -> Any:
    def fake(t: Any) -> Any:
        if not isinstance(t, Tensor):
            return t
        with mode:
            return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=device)

    return tuple(map(fake, given))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_results_are_on_the_device_of_the_arguments(case: Case) -> None:
    args = case.make()
    with FakeTensorMode() as mode:
        got = list(tensors(case.op(*faked(args, mode, "cuda:1"))))
    for result, like in zip(got, tensors(case.op(*args)), strict=True):
        assert (result.shape, result.dtype, result.stride()) == (like.shape, like.dtype, like.stride())
        assert str(result.device) == "cuda:1"


@pytest.mark.skipif(not HAS_LIBRARY, reason="kvant without CUDA, or PyTorch without it")
@pytest.mark.parametrize("run", [plain, negated_int4, views, slots, groups, static])
def test_graphs_for_a_device_are_fused(run: Any) -> None:
    with FakeTensorMode() as mode:
        args = faked(work(run), mode, "cuda")
        graph = make_fx(run)(*args)
    assert fusion.fuse_graph(graph.graph) == 1, str(fusion.report())
    assert INTO[run][0] in str(graph.graph)


@pytest.mark.skipif(not HAS_LIBRARY, reason="kvant without CUDA, or PyTorch without it")
def test_every_operator_has_a_kernel() -> None:
    """Those that work on rows of numbers apart: group_counts is for the host."""
    have = torch._C._dispatch_has_kernel_for_dispatch_key
    for case in CASES:
        expected = not case.operator.startswith(("counts_from_ends", "ends_from_counts"))
        assert have(case.op.name(), "CUDA") == expected, case.operator
    kvant.cuda.set_deterministic(False)


@pytest.mark.skipif(HAS_LIBRARY, reason="kvant with CUDA")
def test_without_the_backend_it_says_so() -> None:
    assert not kvant.cuda.is_available()
    for call in (kvant.cuda.check_errors, lambda: kvant.cuda.set_deterministic(True)):
        with pytest.raises(RuntimeError, match="built without KVANT_CUDA, or this PyTorch without CUDA"):
            call()
