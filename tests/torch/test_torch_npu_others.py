"""The drop-in's functions beside those of quantization: scatter_nd, swiglu, anti_quant, and what does nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.library import opcheck

import kvant
from cases import values
from kvant import fusion, torch_npu
from support import assert_same

npu = torch.ops.npu


def scatter(k: int, turned: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A cache, rows of k indices with padding and one place twice, updates, and what the cache should be then."""
    cache = torch.zeros(6, 3, 4, 5).permute(3, 2, 1, 0) if turned else torch.zeros(5, 4, 3, 6)
    indices = torch.stack([(torch.arange(8).view(2, 4) * (2 * d + 1)) % cache.shape[d] for d in range(k)], -1)
    indices[0, 1, k - 1], indices[1, 3] = -1, indices[1, 2]
    updates = values((2, 4, *cache.shape[k:]))
    expected = cache.clone()
    for row, update in zip(indices.view(-1, k).tolist(), updates.flatten(0, 1), strict=True):
        if -1 not in row:
            expected[tuple(row)] = update
    return cache, indices, updates, expected


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_scatter_nd(k: int, turned: bool) -> None:
    cache, indices, updates, expected = scatter(k, turned)
    before = cache.clone()
    assert_same(torch_npu.npu_scatter_nd_update(cache, indices, updates), expected)
    assert_same(npu.npu_scatter_nd_update(cache, indices.int(), updates), expected)
    assert_same(cache, before)
    wrong = indices.clone()
    wrong[1, 1, 0] = 9
    with pytest.raises(IndexError, match="npu_scatter_nd_update_: "):
        torch_npu.npu_scatter_nd_update_(cache, wrong, updates)
    assert_same(cache, before)
    assert torch_npu.npu_scatter_nd_update_(input=cache, indices=indices, updates=updates) is cache
    assert_same(cache, expected)
    npu.npu_scatter_nd_update_(before, indices, updates)
    assert_same(before, expected)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_scatter_nd_compiles(k: int) -> None:
    torch._dynamo.reset()
    cache, indices, updates, expected = scatter(k, False)
    other = cache.clone()
    for function in (torch_npu.npu_scatter_nd_update_, npu.npu_scatter_nd_update_):
        fast = torch.compile(lambda *args, f=function: f(*args), fullgraph=True, dynamic=True, backend="aot_eager")
        for written in (cache.zero_(), other.zero_()):
            fast(written, indices, updates)
            assert_same(written, expected)


def test_scatter_nd_says_what_is_wrong() -> None:
    cache, index = torch.zeros(5, 4), torch.zeros(2, 1).long()
    for indices, updates, kind, message in (
        (index[:, 0], torch.ones(2, 4), ValueError, r"indices has shape \[2\], expected \[.., k\]"),
        (index.expand(2, 3), torch.ones(2), ValueError, r"indices has shape \[2, 3\], .* k from 1 to 2"),
        (index, torch.ones(2, 3), ValueError, r"updates has shape \[2, 3\], expected \[2, 4\]"),
        (index, torch.ones(2, 4).half(), TypeError, "updates is float16, expected float32"),
        (index.float(), torch.ones(2, 4), TypeError, "indices is float32, expected int32 or int64"),
        (None, torch.ones(2, 4), TypeError, "indices is None"),
    ):
        for function in (torch_npu.npu_scatter_nd_update, torch_npu.npu_scatter_nd_update_):
            with pytest.raises(kind, match=f"{function.__name__}: {message}"):
                function(cache, indices, updates)


@pytest.mark.usefixtures("fresh")
def test_scatter_nd_is_fused() -> None:
    def write(codes: Tensor, scales: Tensor, slots: Tensor, x: Tensor) -> None:
        y, scale = torch_npu.npu_dynamic_quant(x)
        torch_npu.npu_scatter_nd_update_(codes.view(-1, 16), slots.view(-1, 1), y.view(-1, 16))
        torch_npu.npu_scatter_nd_update_(scales.view(-1, 1), slots.view(-1, 1), scale.view(-1, 1))

    slots, x = torch.tensor([3, 5, -1], dtype=torch.int32), values((3, 16))
    mine, others = ((torch.zeros(4, 2, 1, 16, dtype=torch.int8), torch.zeros(4, 2, 1, 1)) for _ in range(2))
    torch.compile(write, fullgraph=True, backend="kvant", options={"backend": "aot_eager"})(*mine, slots, x)
    write(*others, slots, x)
    assert_same(mine, others)
    assert "fused into dynamic_quant_update_scatter_" in str(fusion.report())


def test_swiglu() -> None:
    x = values((3, 4, 8), torch.float16)
    expected = torch.nn.functional.silu(x[:, :2]) * x[:, 2:]
    for got in (torch_npu.npu_swiglu(x, dim=1), torch_npu.npu_swiglu(self=x, dim=-2), npu.npu_swiglu(x, 1)):
        assert_same(got, expected)
    with pytest.raises(ValueError, match=r"input\.shape\[0\] is 3, expected an even number"):
        torch_npu.npu_swiglu(x, 0)
    with pytest.raises(ValueError, match="dim is 3, but input has 3 dimensions"):
        torch_npu.npu_swiglu(x, 3)


def test_anti_quant() -> None:
    codes = torch.arange(-8, 8, dtype=torch.int8).view(2, 8)
    scale, offset = values((8,)), values((8,), seed=2)
    expected = (codes.float() + offset) * scale
    words = kvant.pack_int4(codes, as_int32=True)
    for x, src in ((codes, torch.int8), (words, torch.quint4x2)):
        assert_same(torch_npu.npu_anti_quant(x, scale, offset=offset), expected.half())
        given: Any = {"offset": offset, "dst_dtype": torch.bfloat16, "src_dtype": src}
        assert_same(torch_npu.npu_anti_quant(x, scale, **given), expected.bfloat16())
        assert_same(npu.npu_anti_quant(x, scale, **given), expected.bfloat16())
    assert_same(torch_npu.npu_anti_quant(codes, scale[:1]), (codes * scale[:1]).half())
    with pytest.raises(TypeError, match=r"src_dtype is torch\.int8, but x is torch\.int32"):
        torch_npu.npu_anti_quant(words, scale, src_dtype=torch.int8)
    with pytest.raises(TypeError, match=r"x is torch\.float32"):
        torch_npu.npu_anti_quant(scale, scale)


@pytest.mark.parametrize("raw", [False, True])
def test_others_compile(raw: bool) -> None:
    torch._dynamo.reset()
    functions = npu if raw else torch_npu

    def run(x: Tensor, codes: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        functions.npu_prefetch(codes, x, 1024)
        weight = functions.npu_format_cast(codes, 29)
        return functions.npu_swiglu(x), functions.npu_anti_quant(weight, scale, dst_dtype=torch.bfloat16)

    fast = torch.compile(run, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (3, 5):
        args = values((n, 8)), torch.ones(n, 8, dtype=torch.int8), values((8,))
        assert_same(fast(*args), run(*args))


def test_opcheck() -> None:
    cache, indices, updates, _ = scatter(2, False)
    opcheck(npu.npu_scatter_nd_update.default, (cache, indices, updates))
    opcheck(npu.npu_scatter_nd_update_.default, (cache, indices, updates))
    opcheck(npu.npu_swiglu.default, (values((2, 8)),))
    opcheck(npu.npu_anti_quant.default, (torch.ones(2, 8, dtype=torch.int8), values((8,))))


def test_formats_of_memory() -> None:
    x = values((2, 8))
    assert torch_npu.npu_format_cast(x, 29) is x
    assert torch_npu.get_npu_format(x) == 2
    torch_npu.npu_prefetch(x, None, 1024, offset=8)
