"""The wrappers against NumPy oracles, byte by byte. The core is tested at length elsewhere: here it is the binding that
is, so each argument and each layout once."""

from typing import Any

import numpy as np
import pytest
import torch

import kvant
import oracle
import oracle_scatter
from cases import CACHE, INTEGERS, MODES, codes, tables, values, where, zeros_of
from support import FLOATS, FORMATS, array, assert_same, rows_apart, strided

formats = pytest.mark.parametrize("dst_type", FORMATS)
layouts = pytest.mark.parametrize("layout", [torch.clone, strided])
modes = pytest.mark.parametrize("mode", MODES)


def both(op: str, *args: Any, **attributes: Any) -> Any:
    """Compares the wrapper with its oracle and returns what the wrapper gave."""
    got = getattr(kvant, op)(*args, **attributes)
    source: Any = oracle_scatter if hasattr(oracle_scatter, op) else oracle
    plain = {name: array(v) if isinstance(v, torch.Tensor) else v for name, v in attributes.items()}
    expected = getattr(source, op)(*map(array, args), **plain)
    if op == "dynamic_quant" and attributes.get("symmetric"):
        expected = expected[:2]
    assert_same(got, expected, op)
    return got


@formats
@layouts
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dynamic_quant(dst_type: Any, layout: Any, symmetric: bool, dtype: torch.dtype) -> None:
    x = layout(values((2, 3, 16), dtype))
    shared: dict[str, Any] = {"dst_type": dst_type, "symmetric": symmetric}
    both("dynamic_quant", x, **shared)
    smooth, ends = layout(values((2, 16), torch.bfloat16, 1)), layout(torch.tensor([4, 6], dtype=torch.int32))
    both("dynamic_quant", x, smooth_scales=smooth[0], quant_mode="pertensor", **shared)
    both("dynamic_quant", x, smooth_scales=smooth, group_index=ends, **shared)
    both("dynamic_quant", x, smooth_scales=values((3,)), quant_mode="perchannel", **shared)
    if dst_type in INTEGERS:
        both("dynamic_quant", x, group_size=4, **shared)
    if dst_type == "hifloat8":
        both("dynamic_quant", x, dst_type_max=15.0, **shared)


@formats
@layouts
def test_the_parts(dst_type: Any, layout: Any) -> None:
    x, smooth = layout(values((2, 3, 16), torch.float16)), values((16,), seed=2)
    for mode in ("pertoken", "pertensor"):
        shared: dict[str, Any] = {"smooth_scales": smooth, "quant_mode": mode}
        low, high = both("row_minmax", x, **shared)
        amax = both("row_amax", x, **shared)
        scale, offset = both("params_from_minmax", low, high, dst_type=dst_type)
        y = both("quantize_with_params", x, scale, offset, dst_type=dst_type, **shared)
        assert_same((y, scale, offset), kvant.dynamic_quant(x, dst_type=dst_type, **shared))
        scale = both("params_from_amax", amax, dst_type=dst_type)
        both("quantize_with_params", x, scale, dst_type=dst_type, **shared)


@formats
@layouts
def test_quantize(dst_type: Any, layout: Any) -> None:
    x, scale = layout(values((4, 16))), layout(values((16,), torch.float16, 1).abs() + 0.1)
    both("quantize", x, scale, dst_type=dst_type)
    both("quantize", x, scale, torch.arange(16, dtype=torch.int32), dst_type=dst_type)
    both("quantize", x, scale, values((16,), torch.bfloat16), dst_type=dst_type, reciprocal_scale=True)
    both("quantize", x, values((4,)).abs() + 0.1, dst_type=dst_type, axis=0)
    if dst_type == "hifloat8":
        both("quantize", x, scale, dst_type=dst_type, round_mode="hybrid")


@formats
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", [torch.clone, rows_apart])
def test_dequantize(dst_type: Any, dtype: torch.dtype, layout: Any) -> None:
    y, scale, offset = kvant.dynamic_quant(values((3, 5, 16)), dst_type=dst_type)
    y = layout(y)
    got = kvant.dequantize(y, scale, offset, dst_type=dst_type, dtype=dtype)
    expected = oracle.dequantize(array(y), array(scale), array(offset), dst_type=dst_type, dtype=_numpy_of(dtype))
    assert got.dtype == dtype
    assert_same(got, expected)
    got = kvant.dequantize(y, scale, offset, dst_type=dst_type, dtype=dtype, negate_offset=True)
    expected = oracle.dequantize(
        array(y), array(scale), array(offset), dst_type=dst_type, dtype=_numpy_of(dtype), negate_offset=True
    )
    assert_same(got, expected)


def _numpy_of(dtype: torch.dtype) -> Any:
    return array(torch.empty(0, dtype=dtype)).dtype


def test_pack_int4() -> None:
    y = strided(codes("int8", (3, 16)) % 16 - 8)
    for as_int32 in (False, True):
        packed = kvant.pack_int4(y, as_int32=as_int32)
        assert_same(packed, oracle.pack_int4(array(y), as_int32))
        assert_same(kvant.unpack_int4(packed), y.contiguous())


@modes
@layouts
@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, torch.float8_e5m2])
def test_scatter_update(mode: Any, layout: Any, dtype: torch.dtype) -> None:
    indices, shape = where(mode)
    cache = layout(codes("int8", CACHE).to(dtype))
    updates = layout(torch.ones(shape).to(dtype))
    before = cache.clone()
    expected = both("scatter_update", cache, layout(indices), updates, index_mode=mode)
    assert_same(cache.contiguous(), before.contiguous(), "the functional form left its argument alone")
    assert kvant.scatter_update_(cache, layout(indices), updates, index_mode=mode) is cache
    assert_same(cache.contiguous(), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bool, torch.complex64, torch.int16, torch.uint16])
def test_scatter_update_copies_dtypes_that_kvant_does_not_calculate_with(dtype: torch.dtype) -> None:
    cache, updates = strided(torch.zeros(1, 4, 3, dtype=dtype)), torch.ones(1, 1, 3, dtype=dtype)
    expected = torch.zeros(1, 4, 3, dtype=dtype)
    expected[0, 2] = 1
    assert torch.equal(kvant.scatter_update(cache, torch.tensor([2]), updates, index_mode="batch"), expected)
    kvant.scatter_update_(cache, torch.tensor([2]), updates, index_mode="batch")
    assert torch.equal(cache, expected)


@modes
@layouts
@pytest.mark.parametrize("dst_type", [name for name in FORMATS if name != "int4"])
def test_quant_scatter(mode: Any, layout: Any, dst_type: Any) -> None:
    indices, shape = where(mode)
    cache, updates = layout(codes(dst_type, CACHE)), layout(values(shape, torch.bfloat16))
    scale, zero = layout(values((1, 1, 16)).abs() + 0.1), layout(values((16,), seed=3))
    named: dict[str, Any] = {"dst_type": dst_type, "index_mode": mode}
    for args in ((scale, zero), (scale,), (scale[..., :1], zero)):
        expected = both("quant_scatter", cache, indices, updates, *args, **named)
    both("quant_scatter", cache, indices, updates, scale, zero, reciprocal_scale=True, **named)
    if dst_type == "hifloat8":
        both("quant_scatter", cache, indices, updates, scale, zero, round_mode="hybrid", **named)
    else:
        named["dst_type"] = None
    assert kvant.quant_scatter_(cache, indices, updates, scale[..., :1], zero, **named) is cache
    assert_same(cache.contiguous(), expected)


@modes
@pytest.mark.parametrize("dst_type", INTEGERS)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("group_size", [0, 8])
@pytest.mark.parametrize("layout", [torch.clone, rows_apart])
def test_dynamic_quant_update_scatter(mode: Any, dst_type: Any, symmetric: bool, group_size: int, layout: Any) -> None:
    indices, shape = where(mode)
    smooth = values((16,), seed=4)

    def caches() -> list[Any]:
        found = []
        for table in (torch.float32, torch.float16):
            scale, offset = tables(symmetric, table, group_size)
            found.append([layout(codes(dst_type, CACHE)), layout(scale), None if offset is None else layout(offset)])
        return found

    updates = [layout(values(shape, torch.float16, seed)) for seed in (5, 6)]
    named: dict[str, Any] = {"dst_type": dst_type, "group_size": group_size, "index_mode": mode}
    first, second = caches()
    known = {**named, "symmetric": symmetric, "smooth_scales": array(smooth)}
    for cache, update in zip((first, second), updates, strict=True):
        expected = oracle_scatter.dynamic_quant_update_scatter_(
            *map(array, cache), array(indices), array(update), negate_offset=not symmetric, **known
        )
        got = kvant.dynamic_quant_update_scatter_(
            *cache, indices, update, smooth_scales=smooth, negate_offset=not symmetric, **named
        )
        assert all(a is b for a, b in zip(got, cache, strict=True))
        assert_same(got, expected)


def test_two_caches_in_one_call() -> None:
    indices, shape = where("slot")
    alone = [(codes("int4", CACHE), *tables(False, torch.float32)) for _ in range(2)]
    together = [tuple(t.clone() for t in cache if t is not None) for cache in alone]
    k, v = values(shape, seed=1), values(shape, seed=2)
    for cache, update in zip(alone, (k, v), strict=True):
        kvant.dynamic_quant_update_scatter_(*cache, indices, update, dst_type="int4", index_mode="slot")
    got = kvant.dynamic_quant_update_scatter_(
        *together[0], indices, k, dst_type="int4", index_mode="slot", second=(*together[1], v)
    )
    assert_same(got, (*alone[0], *alone[1]))


@modes
@formats
@pytest.mark.parametrize("layout", [torch.clone, rows_apart])
def test_dequantize_gather(mode: Any, dst_type: Any, layout: Any) -> None:
    indices, _ = where(mode)
    scale, offset = tables(False, torch.float32)
    named: dict[str, Any] = {"dst_type": dst_type, "index_mode": mode, "length": 1 if mode == "slot" else 2}
    args = (layout(codes(dst_type, CACHE)), layout(scale), layout(offset), layout(indices))
    got = both("dequantize_gather", *args, **named)
    half = kvant.dequantize_gather(*args, dtype=torch.float16, **named)
    assert half.dtype == torch.float16
    assert half.shape == got.shape


def test_out_is_written_whatever_its_strides() -> None:
    x = values((3, 5, 16))
    expected = kvant.dynamic_quant(x, dst_type="int8")
    out = tuple(strided(torch.zeros_like(t)) for t in expected)
    got = kvant.dynamic_quant(x, dst_type="int8", out=out)
    assert all(a is b for a, b in zip(got, out, strict=True))
    assert_same([t.contiguous() for t in out], expected)
    y, scale, offset = expected
    low, high = kvant.row_minmax(x, out=(torch.empty(3, 5), torch.empty(3, 5)))
    assert_same((low, high), kvant.row_minmax(x))
    assert_same(kvant.row_amax(x, out=torch.empty(3, 5)), kvant.row_amax(x))
    assert_same(kvant.params_from_amax(high, out=torch.empty(3, 5)), kvant.params_from_amax(high))
    assert_same(kvant.params_from_minmax(low.clone(), high.clone(), out=(low, high)), (scale, offset))
    codes8 = torch.empty(3, 5, 16, dtype=torch.int8)
    assert_same(kvant.quantize_with_params(x, scale, offset, out=codes8), y)
    assert_same(kvant.quantize(x, scale[0, :1], out=codes8), kvant.quantize(x, scale[0, :1]))
    real = torch.empty(3, 5, 16, dtype=torch.float16)
    again = kvant.dequantize(y, scale, offset, dst_type="int8", dtype=torch.float16)
    assert_same(kvant.dequantize(y, scale, offset, dst_type="int8", out=real), again)
    words = torch.empty(3, 5, 2, dtype=torch.int32)
    assert_same(kvant.pack_int4(y, out=words), kvant.pack_int4(y, as_int32=True))
    assert_same(kvant.unpack_int4(words, out=codes8), kvant.unpack_int4(words))
    into = zeros_of("int4", (3, 5, 16), words=True)
    kvant.dynamic_quant(x, dst_type="int4", symmetric=True, out=(into, low))
    assert_same(into.view(torch.uint8), kvant.dynamic_quant(x, dst_type="int4", symmetric=True)[0])
    gathered = torch.empty(1, 1, 16)
    args = (y, scale, offset, torch.tensor([2]))
    named: dict[str, Any] = {"dst_type": "int8", "index_mode": "batch"}
    assert_same(kvant.dequantize_gather(*args, out=gathered, **named), kvant.dequantize_gather(*args, **named))


def test_formats_by_dtype_and_by_name() -> None:
    x = values((3, 16))
    for dtype in (torch.int8, torch.float8_e4m3fn, torch.float8_e5m2):
        name = str(dtype).removeprefix("torch.")
        got = kvant.dynamic_quant(x, dst_type=dtype)
        assert got[0].dtype == dtype
        assert_same(got, kvant.dynamic_quant(x, dst_type=name))  # type: ignore[call-overload]
    assert kvant.dynamic_quant(x, dst_type="hifloat8")[0].dtype == torch.uint8
    assert kvant.dynamic_quant(x, dst_type="int4")[0].shape == (3, 8)
    assert np.array_equal(array(kvant.dynamic_quant(x)[0]), array(kvant.dynamic_quant(x, dst_type="int8")[0]))
