"""Operators on CUDA tensors give the bytes of those on CPU tensors: every case of cases.py, and larger problems."""

from typing import Any

import pytest
import torch
from torch import Tensor

import kvant
from cases import CASES, INTEGERS, Case, codes, ids, values
from device import HOST, IS_CUDA, assert_like_cpu, moved, need_device
from kvant import torch_npu
from support import FLOATS, FORMATS, rows_apart, strided

need_device()

LENGTHS = (128, 4096, 8192, 16384, 65536, 1000, 4098)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_every_case(case: Case) -> None:
    """Results, tensors that are written and the bytes around them."""
    if IS_CUDA and case.operator.removesuffix("_out") in HOST:
        with pytest.raises(NotImplementedError):
            case.op(*moved(case.make()))
    else:
        assert_like_cpu(case.op, *case.make())


def rows(n: int, length: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Random rows of very different sizes; some are what formulas treat apart."""
    x = values((n, length), seed=seed) * torch.logspace(-6, 4, n)[:, None]
    x[0] = 0
    special = (torch.nan, torch.inf, -torch.inf, 1e-42, 3e38, -0.0)
    for i, v in enumerate(special[: max(n - 2, 0)]):
        x[i + 1, i * 7 % length] = v
    x[-1] = 3
    return x.to(dtype)


def count(length: int) -> int:
    """As many rows as make a small problem; of short ones more than a device runs at once."""
    return max(9, min(70000, 2**20 // length))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dst_type", FORMATS)
def test_rows(dst_type: Any, length: int) -> None:
    """Quantized by row, with statistics of their own, and back."""

    def run(x: Tensor, smooth: Tensor) -> list[Any]:
        results: list[Any] = []
        for symmetric in (False, True):
            y, scale, *offset = kvant.dynamic_quant(x, dst_type=dst_type, symmetric=symmetric, smooth_scales=smooth)
            again = kvant.quantize_with_params(x, scale, *offset, dst_type=dst_type, smooth_scales=smooth)
            back = kvant.dequantize(y, scale, *offset, dst_type=dst_type, dtype=x.dtype)
            results += [y, scale, *offset, again, back]
        low, high = kvant.row_minmax(x)
        amax = kvant.row_amax(x)
        parts = kvant.params_from_minmax(low, high, dst_type=dst_type), kvant.params_from_amax(amax, dst_type=dst_type)
        return [*results, low, high, amax, *parts]

    smooth = values((length,), seed=1).abs() + 0.1
    for dtype in FLOATS:
        assert_like_cpu(run, rows(count(length), length, dtype), smooth)


@pytest.mark.parametrize("length", LENGTHS[:-2])
@pytest.mark.parametrize("group_size", [32, 128])
@pytest.mark.parametrize("dst_type", INTEGERS)
def test_groups_of_elements(dst_type: Any, group_size: int, length: int) -> None:
    def run(x: Tensor) -> list[Any]:
        named: dict[str, Any] = {"dst_type": dst_type, "group_size": group_size}
        y, scale, offset = kvant.dynamic_quant(x, **named)
        back = kvant.dequantize(y, scale, offset, **named, dtype=torch.bfloat16)
        symmetric = kvant.dynamic_quant(x, symmetric=True, **named)
        return [y, scale, offset, back, *symmetric, *kvant.row_minmax(x, group_size=group_size)]

    for dtype in FLOATS:
        assert_like_cpu(run, rows(count(length), length, dtype))


@pytest.mark.parametrize("layout", [torch.clone, strided])
@pytest.mark.parametrize("mode", ["pertensor", "perchannel"])
@pytest.mark.parametrize("shape", [(5, 65536), (3000, 128), (257, 4097), (2, 3, 500, 64)])
def test_whole_tensors_and_columns(shape: tuple[int, ...], mode: Any, layout: Any) -> None:
    """What is reduced over many blocks."""

    def run(x: Tensor) -> list[Any]:
        y, scale, offset = kvant.dynamic_quant(x, quant_mode=mode)
        back = kvant.dequantize(y, scale, offset, dst_type="int8", quant_mode=mode)
        floats = kvant.dynamic_quant(x, dst_type="float8_e4m3fn", quant_mode=mode, symmetric=True)
        return [y, scale, offset, back, *floats, kvant.row_amax(x, quant_mode=mode)]

    for dtype in FLOATS:
        assert_like_cpu(run, layout(values(shape, dtype)))


@pytest.mark.parametrize("dst_type", FORMATS)
def test_strided_rows(dst_type: Any) -> None:
    """Elements apart, rows apart, and rows that start at odd addresses; results into strided memory."""

    def run(x: Tensor, y: Tensor, scale: Tensor, offset: Tensor) -> None:
        kvant.dynamic_quant(x, dst_type=dst_type, out=(y, scale, offset))

    for n, length in ((300, 1024), (9, 20000)):
        for layout in (strided, rows_apart):
            x = rows(n, length, torch.float16)
            y = kvant.dynamic_quant(x, dst_type=dst_type)[0]
            there = rows_apart(y) if dst_type == "int4" else layout(y)
            assert_like_cpu(run, layout(x), there, layout(torch.zeros(n)), layout(torch.zeros(n)))


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
def test_experts(index: torch.dtype) -> None:
    """A smooth scale for each group of rows; one group is empty."""
    ends = torch.tensor([100, 100, 431, 2000], dtype=index)

    def run(x: Tensor, smooth: Tensor, ends: Tensor) -> list[Any]:
        named = {"smooth_scales": smooth, "group_index": ends}
        return [*kvant.dynamic_quant(x, **named), *kvant.row_minmax(x, **named)]

    for dtype in FLOATS:
        assert_like_cpu(run, rows(2000, 512, dtype), values((4, 512), dtype, 1), ends)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("dst_type", FORMATS)
def test_static(dst_type: Any, axis: int) -> None:
    def run(x: Tensor, scales: Tensor, zeros: Tensor, whole: Tensor) -> list[Any]:
        named: dict[str, Any] = {"dst_type": dst_type, "axis": axis}
        along = kvant.quantize(x, scales, **named), kvant.quantize(x, scales, zeros, **named)
        reciprocal = kvant.quantize(x, scales, zeros, reciprocal_scale=True, **named)
        return [*along, reciprocal, kvant.quantize(x, scales[:1], whole, dst_type=dst_type)]

    n = 4096 if axis else 300
    zeros = torch.arange(n, dtype=torch.int32) % 7
    for dtype in FLOATS:
        scales = values((n,), dtype, 1).abs() + 0.01
        assert_like_cpu(run, rows(300, 4096, dtype), scales, zeros, torch.tensor([0.5]))


def test_nibbles() -> None:
    def run(c: Tensor) -> list[Any]:
        packed, words = kvant.pack_int4(c), kvant.pack_int4(c, as_int32=True)
        return [packed, words, kvant.unpack_int4(packed), kvant.unpack_int4(words)]

    for layout in (torch.clone, strided):
        assert_like_cpu(run, layout(codes("int8", (513, 4096))))


PAGES = (40, 4, 16, 128)


def places(mode: str, n: int) -> tuple[Tensor, tuple[int, ...]]:
    """n distinct places in tables of PAGES in no order, every fifth left out (a batch has no padding)."""
    pages, heads, size, width = PAGES
    generator = torch.Generator().manual_seed(n)
    if mode == "batch":
        n = min(n, pages)
        return torch.randint(0, size - 2, (n,), generator=generator), (n, heads, 3, width)
    slots = torch.randperm(pages * size, generator=generator)[:n]
    shape: tuple[int, ...] = (n, heads, width)
    if mode == "pair":
        slots, shape = torch.stack([slots // size, slots % size], dim=1), (n, heads, 1, width)
    slots[::5] = -1
    return slots, shape


@pytest.mark.parametrize("n", [1, 33, 640])
@pytest.mark.parametrize("mode", ["batch", "pair", "slot"])
def test_scatters(mode: Any, n: int) -> None:
    """As they are and quantized, into copies and in place, of dense and strided tables."""
    indices, shape = places(mode, n)

    def run(table: Tensor, static: Tensor, floats: Tensor, i: Tensor, x: Tensor, s: Tensor) -> list[Any]:
        copy = kvant.scatter_update(table, i, x, index_mode=mode)
        quantized = kvant.quant_scatter(static, i, x, s, index_mode=mode)
        kvant.scatter_update_(table, i, x, index_mode=mode)
        kvant.quant_scatter_(static, i, x, s, index_mode=mode)
        kvant.quant_scatter_(floats, i, x, s, s, index_mode=mode, reciprocal_scale=True)
        return [copy, quantized]

    for dtype in FLOATS:
        for layout in (torch.clone, strided):
            floats = layout(codes("float8_e5m2", PAGES))
            given = layout(values(PAGES, dtype)), layout(codes("int8", PAGES)), floats
            assert_like_cpu(run, *given, indices, layout(values(shape, dtype, 3)), values((128,), seed=4).abs() + 0.1)


@pytest.mark.parametrize("n", [1, 640])
@pytest.mark.parametrize("mode", ["batch", "pair", "slot"])
@pytest.mark.parametrize("group_size", [0, 32, 128])
@pytest.mark.parametrize("dst_type", INTEGERS)
def test_rows_into_caches_and_back(dst_type: Any, group_size: int, mode: Any, n: int) -> None:
    """K and V in one call, with float16 tables too; then both back."""
    indices, shape = places(mode, n)
    named: dict[str, Any] = {"dst_type": dst_type, "group_size": group_size, "index_mode": mode}

    def run(k: list[Any], v: list[Any], i: Tensor, x: Tensor, other: Tensor) -> list[Any]:
        kvant.dynamic_quant_update_scatter_(*k, i, x, second=(*v, other), **named)
        length = 1 if mode == "slot" else shape[2]
        return [kvant.dequantize_gather(*t, i, length=length, dtype=torch.float16, **named) for t in (k, v)]

    for dtype in (torch.float32, torch.float16):
        for symmetric in (False, True):
            k, v = (cache(dst_type, group_size, symmetric, dtype, seed) for seed in (0, 1))
            assert_like_cpu(run, k, v, indices, values(shape, torch.bfloat16), values(shape, torch.bfloat16, 7))


def cache(dst_type: str, group_size: int, symmetric: bool, dtype: torch.dtype, seed: int) -> list[Any]:
    shape = PAGES[:-1] if group_size == 0 else (*PAGES[:-1], PAGES[-1] // group_size)
    scale = values(shape, dtype, seed).abs()
    return [codes(dst_type, PAGES), scale, None if symmetric else values(shape, dtype, seed + 2)]


@pytest.mark.parametrize("dst_type", [name for name in FORMATS if name != "int4"])
@pytest.mark.parametrize("width", [64, 2048, 8192])
def test_swiglu(dst_type: Any, width: int) -> None:
    """Four experts, one of them without rows; int32 products and floats."""
    n = 300
    products = torch.randint(-(2**20), 2**20, (n, 2 * width), generator=torch.Generator().manual_seed(1)).int()
    weights, bias = values((4, 2 * width)).abs() * 1e-4, values((4, 2 * width), torch.bfloat16, 2)
    activation, smooth = values((n,), seed=3).abs(), values((4, width), seed=4).abs()
    counts = torch.tensor([100, 0, 7, 150])

    def grouped(x: Tensor, w: Tensor, a: Tensor, b: Tensor, s: Tensor, counts: Tensor) -> list[Any]:
        named: dict[str, Any] = {"dst_type": dst_type, "group_index": counts, "quant_scale": s, "bias": b}
        dynamic = kvant.dequant_swiglu_quant(x, weight_scale=w, activation_scale=a, quant_mode="dynamic", **named)
        static = kvant.dequant_swiglu_quant(
            x, weight_scale=w, activation_scale=a, quant_mode="static", activate_left=True, **named
        )
        return [*dynamic, static[0]]

    def plain(x: Tensor) -> list[Any]:
        clamped = kvant.dequant_swiglu_quant(x, dst_type=dst_type, quant_mode="dynamic", swiglu_mode=2)
        return [*kvant.dequant_swiglu_quant(x, dst_type=dst_type, quant_mode="dynamic"), *clamped]

    assert_like_cpu(grouped, products, weights, activation, bias, smooth, counts)
    for dtype in FLOATS:
        assert_like_cpu(plain, rows(n, 2 * width, dtype))


def test_names_of_torch_npu() -> None:
    """Its functions, and torch.ops.npu.*."""
    npu = torch.ops.npu

    def run(x: Tensor, table: Tensor, floats: Tensor, i: Tensor, scale: Tensor) -> list[Any]:
        torch_npu.npu_quant_scatter_(table, i, x[:2, None], scale, scale)
        torch_npu.scatter_update_(floats, i, x[:2, None], -2)
        npu.scatter_update_(floats, i, x[2:4, None], -2)
        return [
            *torch_npu.npu_dynamic_quant(x, dst_type=torch_npu.hifloat8),
            *torch_npu.npu_dynamic_quant_asymmetric(x, dst_type=torch.quint4x2),
            *npu.npu_dynamic_quant_asymmetric(x, smooth_scales=scale),
            torch_npu.npu_quant_scatter(table, i, x[:2, None], scale),
            torch_npu.scatter_update(floats, i, x[:2, None], -2),
            torch_npu.npu_quantize(x, scale, None, torch.qint8, axis=-1),
            npu.npu_quantize(x, scale, scale, torch.float8_e5m2, axis=-1),
            *torch_npu.npu_dequant_swiglu_quant(x, quant_mode=1),
        ]

    for pair in (False, True):
        indices = torch.tensor([[1, 2], [3, 0]]) if pair else torch.tensor([2, 1])
        table, scale = torch.zeros(4, 5, 64, dtype=torch.int8), values((64,)).abs() + 0.1
        assert_like_cpu(run, values((6, 64)), table, values((4, 5, 64)), indices, scale)
