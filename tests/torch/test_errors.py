"""What is refused, and in which words: arguments, devices, gradients that do not exist."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

import kvant


def cache() -> tuple[torch.Tensor, torch.Tensor]:
    """Four positions and an index that is none of them."""
    return torch.ones(1, 4, 2), torch.tensor([4])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3), dst_type="int4"),
            ValueError,
            "dynamic_quant: x.shape[-1] is 3, int4 packs pairs and needs an even one",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), smooth_scales=torch.ones(3)),
            ValueError,
            "dynamic_quant: smooth_scales has shape [3], expected [4] to match x.shape[-1]",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3, dtype=torch.float64)),
            TypeError,
            "dynamic_quant: x is float64, expected float16, bfloat16 or float32",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), symmetric="no"),  # type: ignore[call-overload]
            TypeError,
            "dynamic_quant: symmetric is 'no', expected True or False",
        ),
        (
            lambda: kvant.quantize(torch.ones(2, 4), torch.ones(3)),
            ValueError,
            "quantize: quant_scales has 3 elements, expected 1 or x.shape[-1] = 4",
        ),
        (
            lambda: kvant.quantize(torch.ones(2, 4), torch.ones(4), torch.ones(3)),
            ValueError,
            "quantize: quant_zero_points has 3 elements, expected 1 or x.shape[-1] = 4",
        ),
        (
            lambda: kvant.dequantize(
                torch.ones(2, 4, dtype=torch.int8), torch.ones(2), dst_type="int8", out=torch.ones(2, 4).double()
            ),
            TypeError,
            "dequantize: out is float64, expected",
        ),
        (
            lambda: kvant.dynamic_quant(
                torch.ones(4, 8), smooth_scales=torch.ones(2, 8), group_index=torch.tensor([1, 3])
            ),
            IndexError,
            "dynamic_quant: group_index[1] is 3, the last end, but x has 4 rows",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3, dtype=torch.int32)),
            TypeError,
            "dynamic_quant: x is int32, expected float16, bfloat16 or float32",
        ),
        (
            lambda: kvant.scatter_update_(*cache(), torch.ones(1, 1, 2), index_mode="batch"),
            IndexError,
            "scatter_update_: indices[0] is 4, expected 0 to 3",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), dst_type="int5"),  # type: ignore[call-overload]
            ValueError,
            "dst_type is 'int5', expected one of 'int8', 'int4'",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), quant_mode="row"),  # type: ignore[call-overload]
            ValueError,
            "quant_mode is 'row', expected one of 'pertoken', 'pertensor', 'perchannel'",
        ),
        (
            lambda: kvant.dequantize(torch.ones(2, 4), torch.ones(2), dst_type="int8", dtype=torch.int8),
            TypeError,
            "dtype is torch.int8, expected torch.float32, torch.float16 or torch.bfloat16",
        ),
        (
            lambda: kvant.dynamic_quant([1.0, 2.0]),  # type: ignore[call-overload]
            TypeError,
            "dynamic_quant: x is list, expected a Tensor",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), out=(torch.ones(2, 4), torch.ones(2))),
            ValueError,
            "dynamic_quant: out has 2 tensors, expected (y, scale, offset)",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), symmetric=True, out=[torch.ones(2)] * 3),
            ValueError,
            "dynamic_quant: out has 3 tensors, expected (y, scale)",
        ),
        (
            lambda: kvant.row_minmax(torch.ones(2, 4), out=[torch.ones(2)] * 3),
            ValueError,
            "row_minmax: out has 3 tensors, expected (min, max)",
        ),
        (
            lambda: kvant.params_from_minmax(torch.ones(2), torch.ones(2), out=(torch.ones(2),)),
            ValueError,
            "params_from_minmax: out has 1 tensors, expected (scale, offset)",
        ),
        (
            lambda: kvant.dequant_swiglu_quant(torch.ones(2, 4), out=()),
            ValueError,
            "dequant_swiglu_quant: out has 0 tensors, expected (y, scale)",
        ),
        (
            lambda: kvant.quant_scatter(*cache(), torch.ones(1, 1, 2), torch.ones(1), index_mode="batch"),
            TypeError,
            "quant_scatter: self is float32, expected int8, float8_e4m3fn, float8_e5m2, or uint8 for hifloat8",
        ),
        (
            lambda: kvant.quant_scatter(*cache(), torch.ones(1, 1, 2), torch.ones(1), reduce="add", index_mode="batch"),
            ValueError,
            "quant_scatter: reduce is 'add', expected 'update'",
        ),
    ],
)
def test_errors_are_pythons_with_the_message_of_the_core(call: Callable[[], Any], kind: Any, message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)
    assert type(caught.value) is kind


def test_raw_operators_raise_runtime_errors_that_name_the_kind() -> None:
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: x.shape\[-1\] is 3, int4"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), dst_type=285)
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: dst_type is 2, expected 1 \(int8\)"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), dst_type=2)
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: quant_mode is 3, expected 0..2"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), quant_mode=3)


def writers(cache: torch.Tensor) -> list[Callable[[], Any]]:
    """Calls that overwrite `cache`, float32 [2, 3, 4]."""
    codes, scale = torch.ones(2, 3, 4, dtype=torch.int8), torch.ones(2, 3)
    return [
        lambda: kvant.scatter_update_(cache, torch.tensor([0, 1]), torch.ones(2, 1, 4), index_mode="batch"),
        lambda: kvant.dequantize(codes, scale, dst_type="int8", out=cache),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_autograd_knows_what_was_overwritten(which: int) -> None:
    cache, weight = torch.rand(2, 3, 4), torch.ones(2, 3, 4, requires_grad=True)
    loss = (weight * cache).sum()
    before = cache._version
    writers(cache)[which]()
    assert cache._version > before
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]
    name = ("scatter_update_", "dequantize")[which]
    for owner in (weight, weight * 2):
        with pytest.raises(RuntimeError, match=f"^{name}: a tensor that requires grad would be overwritten"):
            writers(owner)[which]()
        with torch.no_grad():
            writers(owner)[which]()
    with torch.inference_mode():  # whose tensors have no versions
        frozen = torch.zeros(2, 3, 4)
        writers(frozen)[which]()
        assert frozen.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: kvant.scatter_update_(None, *cache(), index_mode="batch"), "self is None, expected a Tensor"),  # type: ignore[arg-type]
        (
            lambda x: kvant.dynamic_quant(x, out=(None, torch.ones(1, 4), torch.ones(1, 4))),  # type: ignore[call-overload]
            "dynamic_quant: out[0] is None, expected a Tensor",
        ),
        (lambda _: kvant.dynamic_quant(None), "dynamic_quant: x is None, expected a Tensor"),  # type: ignore[call-overload]
        (
            lambda x: kvant.quant_scatter_(x.to(torch.int8), torch.tensor([0]), x, None, index_mode="batch"),  # type: ignore[arg-type]
            "quant_scatter_: quant_scales is None, expected a Tensor",
        ),
        (
            lambda x: kvant.scatter_update_([1.0], torch.tensor([0]), x, index_mode="batch"),  # type: ignore[arg-type]
            "scatter_update_: self is list, expected a Tensor",
        ),
        (
            lambda x: kvant.dynamic_quant(x, smooth_scales=[1.0]),  # type: ignore[call-overload]
            "dynamic_quant: smooth_scales is list, expected a Tensor",
        ),
        (
            lambda x: kvant.dequantize(x.to(torch.int8), None, dst_type="int8", out=x),  # type: ignore[arg-type]
            "dequantize: scale is None, expected a Tensor",
        ),
        (
            lambda x: kvant.dequantize(x.to(torch.int8), x[..., 0], dst_type="int8", out=[1.0]),  # type: ignore[arg-type]
            "dequantize: out is list, expected a Tensor",
        ),
        (
            lambda x: kvant.row_minmax(x, out=(torch.ones(1, 4), 1.0)),  # type: ignore[arg-type]
            "row_minmax: out[1] is float, expected a Tensor",
        ),
    ],
)
def test_what_has_to_be_given(call: Callable[[torch.Tensor], Any], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        call(torch.ones(1, 4, 8))


def test_the_message_begins_with_it() -> None:
    """Nothing of torch's words is in front of the name of the function."""
    with pytest.raises(TypeError, match=r"^scatter_update_: updates is int, expected a Tensor$"):
        kvant.scatter_update_(*cache(), 1, index_mode="batch")  # type: ignore[arg-type]


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: kvant.dynamic_quant(x, smooth_scales=meta(8)),
            "dynamic_quant: smooth_scales is on meta, but x is on",
        ),
        (lambda x: kvant.dynamic_quant(meta(4, 8), smooth_scales=x[0]), "x is on meta, but smooth_scales is on cpu"),
        (lambda x: kvant.quantize(x, meta(8)), "quantize: quant_scales is on meta, but x is on cpu"),
        (lambda x: kvant.dequantize(x.to(torch.int8), torch.ones(4), meta(4), dst_type="int8"), "offset is on meta"),
        (
            lambda x: kvant.dynamic_quant(x, out=(meta(4, 8, dtype=torch.int8), meta(4), meta(4))),
            "dynamic_quant: y is on meta, but x is on cpu",
        ),
        (
            lambda x: kvant.scatter_update_(x, meta(4, dtype=torch.int64), torch.ones(4, 1), index_mode="batch"),
            "scatter_update_: indices is on meta",
        ),
    ],
)
def test_tensors_without_memory_are_not_mixed_with_others(call: Callable[[torch.Tensor], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(torch.ones(4, 8))


def test_what_is_illegal_fails_when_it_runs_not_when_shapes_are_asked_for() -> None:
    """On meta and while tracing there are only shapes; the core speaks when the graph runs."""
    ops = torch.ops.kvant
    assert ops.dynamic_quant(meta(), dst_type=1)[0].shape == ()
    assert ops.dynamic_quant(meta(2, 8), dst_type=2)[0].shape == (2, 8)
    assert ops.dynamic_quant(meta(2, 8), group_size=-2)[0].shape == (2, 8)
    assert ops.pack_int4(meta(dtype=torch.int8)).shape == ()
    assert ops.row_amax(meta(8), quant_mode=2).shape == (8,)
    compiled = torch.compile(lambda c: kvant.pack_int4(c), fullgraph=True, dynamic=True)
    with pytest.raises(RuntimeError, match="pack_int4: codes has no dimensions"):
        compiled(torch.tensor(1, dtype=torch.int8))
    compiled = torch.compile(lambda x: kvant.dynamic_quant(x, group_size=-2), fullgraph=True)
    with pytest.raises(RuntimeError, match="group_size is -2"):
        compiled(torch.ones(2, 8))


def test_nothing_is_written_when_an_index_is_bad() -> None:
    cache = torch.zeros(2, 4, 2)
    with pytest.raises(IndexError):
        kvant.scatter_update_(cache, torch.tensor([0, 4]), torch.ones(2, 1, 2), index_mode="batch")
    assert not cache.any()
    kvant.scatter_update_(cache, torch.tensor([0, 4]), torch.ones(2, 1, 2), index_mode="batch", index_policy="skip")
    assert cache.sum() == 2
