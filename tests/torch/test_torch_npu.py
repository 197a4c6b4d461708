"""The drop-in: torch_npu's names, signatures, defaults, format codes, result shapes and dtypes."""

import inspect
import re
from typing import Any

import pytest
import torch
from torch.library import opcheck

import kvant
from cases import values
from kvant import torch_npu
from support import assert_same

CODES: list[tuple[Any, torch.dtype, int]] = [
    (None, torch.int8, 1),
    (1, torch.int8, 1),
    (torch.int8, torch.int8, 1),
    (16, torch.int32, 8),
    (torch.quint4x2, torch.int32, 8),
    (285, torch.uint8, 2),
    (torch_npu.int4, torch.uint8, 2),
    (290, torch.uint8, 1),
    (torch_npu.hifloat8, torch.uint8, 1),
    (23, torch.float8_e5m2, 1),
    (291, torch.float8_e5m2, 1),
    (torch.float8_e5m2, torch.float8_e5m2, 1),
    (24, torch.float8_e4m3fn, 1),
    (292, torch.float8_e4m3fn, 1),
    (torch.float8_e4m3fn, torch.float8_e4m3fn, 1),
]
NAMES = {"torch.int8": "int8", "torch.int32": "int4", "torch.float8_e5m2": "float8_e5m2"}
NAMES["torch.float8_e4m3fn"] = "float8_e4m3fn"


@pytest.mark.parametrize(("code", "dtype", "count"), CODES)
def test_codes_of_dynamic_quantization(code: Any, dtype: torch.dtype, count: int) -> None:
    x = values((2, 3, 16), torch.float16)
    name: Any = NAMES.get(str(dtype), "int4" if count == 2 else "hifloat8")
    y, scale, offset = torch_npu.npu_dynamic_quant_asymmetric(x, dst_type=code)
    assert (y.dtype, y.shape) == (dtype, (2, 3, 16 // count))
    expected = kvant.dynamic_quant(x, dst_type=name)
    assert_same((y.view(torch.uint8) if name == "int4" else y, scale, offset), expected)
    y, scale = torch_npu.npu_dynamic_quant(x, dst_type=code)
    symmetric = kvant.dynamic_quant(x, dst_type=name, symmetric=True)
    assert_same((y.view(torch.uint8) if name == "int4" else y, scale), symmetric)


@pytest.mark.parametrize(
    "code", [0, 2, 3, 12, torch.qint8, 29, 34, 35, 36, 293, 296, -1, True, "int8", torch.float16, torch.uint8]
)
def test_any_other_code_is_an_error(code: Any) -> None:
    """The graph's codes, 2, 29, 34 to 36, are not torch_npu's."""
    with pytest.raises(ValueError, match="dst_type is") as caught:
        torch_npu.npu_dynamic_quant(values((2, 8)), dst_type=code)
    known = str(caught.value).partition("expected one of ")[2].split(", ")
    assert set(known) == {repr(c) for c, _, _ in CODES if c is not None}


def test_shapes_of_modes_and_experts() -> None:
    x = values((4, 8))
    smooth, ends = values((2, 8)), torch.tensor([1, 4], dtype=torch.int32)
    got = torch_npu.npu_dynamic_quant_asymmetric(x, smooth_scales=smooth, group_index=ends)
    assert_same(got, kvant.dynamic_quant(x, smooth_scales=smooth, group_index=ends))
    _, scale = torch_npu.npu_dynamic_quant(x, quant_mode="pertensor")
    assert scale.shape == (1,)
    with pytest.raises(ValueError, match="int32 holds 8 codes of int4"):
        torch_npu.npu_dynamic_quant(values((2, 12)), dst_type=torch.quint4x2)


def scatter(pair: bool = False) -> tuple[torch.Tensor, ...]:
    indices = torch.tensor([[1, 2]]) if pair else torch.tensor([2])
    return torch.zeros(2, 4, 8, dtype=torch.int8), indices, values((1, 1, 8)), values((8,)).abs(), values((8,))


@pytest.mark.parametrize("pair", [False, True])
def test_quant_scatter(pair: bool) -> None:
    args = scatter(pair)
    mode: Any = "pair" if pair else "batch"
    expected = kvant.quant_scatter(*args, index_mode=mode)
    before = args[0].clone()
    assert_same(torch_npu.npu_quant_scatter(*args), expected)
    assert_same(torch_npu.npu_quant_scatter(*args, -2, -1, "update", 1, "rint"), expected)
    assert_same(args[0], before)
    assert torch_npu.npu_quant_scatter_(*args) is args[0]
    assert_same(args[0], expected)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"self": torch.zeros(2, 4, 8).half()},
            TypeError,
            "self is float16, expected int8, float8_e4m3fn, float8_e5m2",
        ),
        (
            {"self": torch.zeros(2, 4, 8).byte()},
            ValueError,
            "self is uint8, whose format has to be named: dst_type=290",
        ),
        ({"self": None}, TypeError, "self is None, expected a Tensor"),
        ({"indices": None}, TypeError, "indices is None, expected a Tensor"),
        ({"indices": [0, 1]}, TypeError, "indices is list, expected a Tensor"),
        ({"indices": torch.zeros(2, 1).long()}, ValueError, "indices has shape [2, 1], expected [n] or [n, 2]"),
        ({"indices": torch.zeros(1, 1, 2).long()}, ValueError, "indices has shape [1, 1, 2], expected [n] or [n, 2]"),
        ({"updates": torch.ones(2, 1, 8, device="meta")}, ValueError, "updates is on meta, but self is on cpu"),
    ],
)
def test_quant_scatter_says_what_is_wrong(change: dict[str, Any], kind: type[Exception], message: str) -> None:
    cache, indices, updates, scales, _ = scatter()
    given = {"self": cache, "indices": indices, "updates": updates, "quant_scales": scales, **change}
    for function in (torch_npu.npu_quant_scatter, torch_npu.npu_quant_scatter_):
        with pytest.raises(kind, match=re.escape(message)):
            function(**given)


@pytest.mark.parametrize("pair", [False, True])
def test_scatter_update(pair: bool) -> None:
    _, indices, updates, _, _ = scatter(pair)
    cache = torch.zeros(2, 4, 8)
    mode: Any = "pair" if pair else "batch"
    expected = kvant.scatter_update(cache, indices, updates, index_mode=mode)
    assert_same(torch_npu.scatter_update(cache, indices, updates, -2), expected)
    assert_same(torch_npu.scatter_update(data=cache, indices=indices, updates=updates, axis=-2), expected)
    assert torch_npu.scatter_update_(cache, indices, updates, axis=-2) is cache
    assert_same(cache, expected)


def test_quantize() -> None:
    x, scale, zero = values((2, 16)), values((16,)).abs() + 0.1, torch.arange(16, dtype=torch.int32)
    npu = torch.ops.npu.npu_quantize
    assert_same(torch_npu.npu_quantize(x, scale, zero, torch.qint8), kvant.quantize(x, scale, zero))
    with pytest.raises(ValueError, match=r"dtype is torch\.quint8, expected one of 1"):
        torch_npu.npu_quantize(x, scale, zero, torch.quint8)
    for dtype, name in ((torch.int8, "int8"), (torch.float8_e5m2, "float8_e5m2")):
        expected = kvant.quantize(x, scale, zero, dst_type=dtype)
        assert str(expected.dtype) == f"torch.{name}"
        assert_same(torch_npu.npu_quantize(x, scale, zero, dtype), expected)
        assert_same(npu(x, scale, zero, dtype), expected)
    assert_same(npu(x, scale, zero, torch.qint8), kvant.quantize(x, scale, zero))
    expected = kvant.quantize(x, scale[:2], None, axis=0, dst_type="int4", reciprocal_scale=True)
    got = torch_npu.npu_quantize(x, scale[:2], None, torch.quint4x2, axis=0, div_mode=False)
    assert_same(got, expected.view(torch.int32))


def test_names_of_arguments_in_several_releases() -> None:
    x = values((2, 8))
    for function in (torch_npu.npu_dynamic_quant, torch_npu.npu_dynamic_quant_asymmetric):
        for name in ("x", "input"):
            assert_same(function(**{name: x}), function(x))
    cache, indices, updates, scales, _ = scatter()
    named = {"indices": indices, "updates": updates, "quant_scales": scales}
    expected = torch_npu.npu_quant_scatter(cache, indices, updates, scales)
    for name in ("self", "input"):
        assert_same(torch_npu.npu_quant_scatter(**{name: cache}, **named), expected)
    with pytest.raises(TypeError, match="input and self are the same argument"):
        torch_npu.npu_quant_scatter(self=cache, **named, input=cache)


def test_one_index_without_dimensions() -> None:
    cache, indices, updates, scales, _ = scatter()
    expected = torch_npu.npu_quant_scatter(cache, indices, updates, scales)
    assert_same(torch_npu.npu_quant_scatter(cache, indices[0], updates, scales), expected)
    assert_same(torch_npu.npu_quant_scatter_(cache.clone(), indices[0], updates, scales), expected)
    plain = torch.zeros(2, 4, 8), indices, updates
    expected = torch_npu.scatter_update(*plain, -2)
    assert_same(torch_npu.scatter_update(plain[0], indices[0], updates, -2), expected)
    assert_same(torch_npu.scatter_update_(plain[0], indices[0], updates, -2), expected)


def test_errors_name_what_was_called() -> None:
    x = values((2, 8))
    with pytest.raises(TypeError, match="npu_dynamic_quant: input is None"):
        torch_npu.npu_dynamic_quant(None)
    with pytest.raises(TypeError, match="npu_dynamic_quant: input is int32"):
        torch_npu.npu_dynamic_quant(x.int())
    with pytest.raises(TypeError, match="npu_dynamic_quant_asymmetric: x is int32"):
        torch_npu.npu_dynamic_quant_asymmetric(x.int())
    with pytest.raises(TypeError, match="quantize: scales is float"):
        torch_npu.npu_quantize(x, 0.5, None, torch.int8)  # type: ignore[arg-type]


def test_name_of_the_scale_of_activations() -> None:
    x, weight, activation = torch.arange(-16, 16, dtype=torch.int32).view(2, 16), values((1, 16)), values((2,))
    given = {"weight_scale": weight, "quant_mode": 1}
    expected = torch_npu.npu_dequant_swiglu_quant(x, activation_scale=activation, **given)
    assert_same(torch_npu.npu_dequant_swiglu_quant(x, activate_scale=activation, **given), expected)


def test_defaults() -> None:
    for function in (torch_npu.npu_quant_scatter, torch_npu.npu_quant_scatter_):
        defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        assert [defaults[n] for n in ("axis", "quant_axis", "reduce", "dst_type", "round_mode")] == [
            -2, -1, "update", None, "rint"]  # fmt: skip
        assert defaults["quant_zero_points"] is None
    for function in (torch_npu.npu_dynamic_quant, torch_npu.npu_dynamic_quant_asymmetric):
        parameters = inspect.signature(function).parameters
        assert parameters["dst_type"].default is None
        assert parameters["quant_mode"].default == "pertoken"
        assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[1:])


def test_errors_are_kvants() -> None:
    cache, _, updates, scales, _ = scatter()
    with pytest.raises(IndexError, match="indices"):
        torch_npu.npu_quant_scatter_(cache, torch.tensor([9]), updates, scales)
    with pytest.raises(ValueError, match="reduce is 'add'"):
        torch_npu.npu_quant_scatter(cache, torch.tensor([0]), updates, scales, reduce="add")
    with pytest.raises(ValueError, match="self is uint8, whose format has to be named"):
        torch_npu.npu_quant_scatter(cache.view(torch.uint8), torch.tensor([0]), updates, scales)


def test_operators_of_torch() -> None:
    """With today's schemas; a dtype becomes a number on the way."""
    x, npu = values((2, 16)), torch.ops.npu
    assert_same(npu.npu_dynamic_quant(x), torch_npu.npu_dynamic_quant(x))
    words = npu.npu_dynamic_quant_asymmetric(x, dst_type=torch.quint4x2)
    assert_same(words, torch_npu.npu_dynamic_quant_asymmetric(x, dst_type=16))
    assert_same(npu.npu_dynamic_quant(x, dst_type=torch.int8), torch_npu.npu_dynamic_quant(x))
    args = scatter()
    expected = torch_npu.npu_quant_scatter(*args)
    assert_same(npu.npu_quant_scatter(*args), expected)
    update = args[0], args[1], expected[:1, 2:3], -2
    assert_same(npu.scatter_update(*update), torch_npu.scatter_update(*update))
    npu.npu_quant_scatter_(*args)
    assert_same(args[0], expected)
    args[0].zero_()
    npu.scatter_update_(*update)
    assert_same(args[0], expected)


def test_opcheck_of_operators_of_torch() -> None:
    npu, args = torch.ops.npu, scatter()
    opcheck(npu.npu_dynamic_quant.default, (values((2, 16)),), {"dst_type": 16})
    opcheck(npu.npu_dynamic_quant_asymmetric.default, (values((2, 16)),), {"smooth_scales": values((16,))})
    opcheck(npu.npu_quantize.default, (values((2, 16)), values((16,)), None, torch.int8))
    opcheck(npu.npu_quant_scatter.default, args)
    opcheck(npu.npu_quant_scatter_.default, args)
    update = torch.zeros(2, 4, 8), args[1], args[2], -2
    opcheck(npu.scatter_update.default, update)
    opcheck(npu.scatter_update_.default, update)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles(backend: str) -> None:
    def run(x: torch.Tensor, cache: torch.Tensor, indices: torch.Tensor, scales: torch.Tensor) -> tuple[Any, ...]:
        words = torch_npu.npu_dynamic_quant_asymmetric(x, dst_type=torch.quint4x2)
        torch_npu.npu_quant_scatter_(cache, indices, x[:1, None], scales)
        torch.ops.npu.npu_quant_scatter_(cache, indices + 1, x[:1, None], scales)
        return *words, *torch.ops.npu.npu_dynamic_quant(x)

    torch._dynamo.reset()
    fast = torch.compile(run, fullgraph=True, dynamic=True, backend=backend)
    for n in (3, 5):
        x = values((n, 8))
        cache, indices, _, scales, _ = scatter()
        other = cache.clone()
        assert_same(fast(x, cache, indices, scales), run(x, other, indices, scales))
        assert_same(cache, other)
