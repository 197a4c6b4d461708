"""dequant_swiglu_quant from Python: the wrapper against the C API, the drop-in, and the compiler.

The C API of the same library gives the bits; its own tests hold it to an oracle, whose exp is another one.
"""

import os
from typing import Any

import pytest
import torch

import kvant
from cases import values
from kvant import _config, torch_npu
from support import array, assert_same, strided

os.environ.setdefault("KVANT_LIBRARY", str(_config.ROOT / "lib" / "libkvant.so"))
import kvant_c

FORMATS = ("int8", "float8_e4m3fn", "float8_e5m2", "hifloat8")
ROWS, H, P = 6, 8, 3


def products() -> torch.Tensor:
    return torch.randint(-5000, 5000, (ROWS, 2 * H), dtype=torch.int32, generator=torch.Generator().manual_seed(0))


def tables(p: int) -> dict[str, torch.Tensor]:
    return {
        "weight_scale": values((p, 2 * H)).abs() * 1e-3,
        "activation_scale": values((ROWS, 1)).abs(),
        "bias": values((p, 2 * H), torch.bfloat16),
    }


def both(x: torch.Tensor, **attributes: Any) -> Any:
    got = kvant.dequant_swiglu_quant(x, **attributes)
    plain = {name: array(v) if isinstance(v, torch.Tensor) else v for name, v in attributes.items()}
    if "quant_mode" in plain:
        plain["quant_mode"] = {"static": 0, "dynamic": 1}[plain["quant_mode"]]
    assert_same(got, kvant_c.dequant_swiglu_quant(array(x), **plain))
    return got


@pytest.mark.parametrize("dst_type", FORMATS)
@pytest.mark.parametrize("layout", [torch.clone, strided])
def test_against_the_c_api(dst_type: Any, layout: Any) -> None:
    smooth, offset = values((H,)).abs() + 0.1, values((H,), torch.float16)
    named: dict[str, Any] = {"dst_type": dst_type}
    both(layout(products()), **tables(1), quant_scale=smooth, quant_mode="dynamic", activate_left=True, **named)
    both(layout(products()), **tables(1), quant_scale=smooth, quant_offset=offset, quant_mode="static", **named)
    both(layout(values((2, 3, 2 * H), torch.bfloat16)), quant_mode="dynamic", **named)
    groups = layout(torch.tensor([2, 0, 3]))
    smooth = values((P, H)).abs() + 0.1
    both(layout(products()), **tables(P), quant_scale=smooth, group_index=groups, quant_mode="dynamic", **named)
    pairs = torch.tensor([[2, 1], [0, 4]], dtype=torch.int32)
    both(layout(products()), **tables(P), quant_scale=smooth, group_index=pairs, quant_mode="dynamic", **named)
    for mode in (1, 2):
        clamped = {"swiglu_mode": mode, "clamp_limit": 2.0, "glu_alpha": 1.5, "glu_bias": 0.5}
        both(values((ROWS, 2 * H)), quant_mode="dynamic", **clamped, **named)


def test_out_and_errors() -> None:
    expected = kvant.dequant_swiglu_quant(values((4, 16)), quant_mode=1)
    out = strided(torch.zeros(4, 8, dtype=torch.int8)), strided(torch.zeros(4))
    kvant.dequant_swiglu_quant(values((4, 16)), quant_mode="dynamic", out=out)
    assert_same([t.contiguous() for t in out], expected)
    with pytest.raises(ValueError, match="quant_mode is 'row'"):
        kvant.dequant_swiglu_quant(values((4, 16)), quant_mode="row")  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="group_index"):
        kvant.dequant_swiglu_quant(values((4, 16)), group_index=torch.tensor([5]), quant_mode=1)


def test_groups_as_ends_and_as_counts() -> None:
    ends = strided(torch.tensor([1, 1, 4, 6], dtype=torch.int32))
    counts = kvant.counts_from_ends(ends)
    assert_same(counts, torch.tensor([1, 0, 3, 2], dtype=torch.int32))
    assert_same(kvant.ends_from_counts(counts), ends.contiguous())
    wide = torch.zeros(4, dtype=torch.int64)
    assert kvant.counts_from_ends(ends, out=wide) is wide
    assert_same(wide, counts.long())
    assert_same(kvant.ends_from_counts(counts, out=wide), ends.contiguous().long())
    with pytest.raises(IndexError, match="counts_from_ends"):
        kvant.counts_from_ends(torch.tensor([2, 1]))
    with pytest.raises(TypeError, match="ends_from_counts"):
        kvant.ends_from_counts(torch.tensor([2.0]))


def test_drop_in() -> None:
    named: dict[str, Any] = {**tables(1), "quant_scale": values((1, H)).abs(), "activate_left": False, "quant_mode": 1}
    expected = kvant.dequant_swiglu_quant(products(), **named)
    assert_same(torch_npu.npu_dequant_swiglu_quant(products(), **named), expected)
    assert_same(torch.ops.npu.npu_dequant_swiglu_quant(products(), **named), expected)
    named |= {"dst_type": 290, "round_mode": 0, "activate_dim": -1}
    assert torch_npu.npu_dequant_swiglu_quant(products(), **named)[0].dtype == torch.uint8
    for wrong in ({"round_mode": 3}, {"activate_dim": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            torch_npu.npu_dequant_swiglu_quant(products(), **{**named, **wrong})
    with pytest.raises(TypeError, match="npu_dequant_swiglu_quant: x is list, expected a Tensor"):
        torch_npu.npu_dequant_swiglu_quant([1], activate_dim=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles(backend: str) -> None:
    def run(x: torch.Tensor, smooth: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, scale = kvant.dequant_swiglu_quant(2 * x, quant_scale=smooth, quant_mode="dynamic")
        return y, scale, kvant.dequantize(y, scale, dst_type="int8")

    torch._dynamo.reset()
    fast = torch.compile(run, fullgraph=True, dynamic=True, backend=backend)
    for rows in (3, 7):
        args = values((rows, 2 * H), torch.bfloat16), values((H,)).abs()
        assert_same(fast(*args), run(*args))
