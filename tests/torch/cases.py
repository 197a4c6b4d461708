"""Arguments for every operator of torch.ops.kvant: contiguous and strided, optional ones both ways, no tokens, every
format. A case makes its tensors anew each time, so that operators may write to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kvant import _codes
from support import FLOATS, FORMATS, rows_apart, strided

ops = torch.ops.kvant
CODE: dict[str, int] = {name: _codes.format_code("test", name) for name in FORMATS}  # type: ignore[arg-type]
INTEGERS = ("int8", "int4")
MODES = {"batch": 0, "pair": 1, "slot": 2}


@dataclass
class Case:
    name: str
    op: Any
    make: Callable[[], tuple[Any, ...]]

    @property
    def operator(self) -> str:
        return str(self.op._opname)


def values(shape: tuple[int, ...], dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def zeros_of(dst_type: str, shape: tuple[int, ...], words: bool = False) -> Tensor:
    """Where codes of that logical shape go."""
    dtype, count = _codes.STORAGE[_codes.INT4_WORDS if words else CODE[dst_type]]
    return torch.zeros((*shape[:-1], shape[-1] // count), dtype=torch.uint8).to(dtype)


def codes(dst_type: str, shape: tuple[int, ...], words: bool = False) -> Tensor:
    """Codes that are there already."""
    target = zeros_of(dst_type, shape, words)
    size = target.numel() * target.element_size()
    return (torch.arange(size) * 37 % 120).to(torch.uint8).view(target.dtype).reshape(target.shape)


def _dynamic_quant() -> Iterator[Case]:
    smooth, experts = (lambda: values((16,), seed=1)), (lambda: values((2, 16), torch.float16, 1))
    ends = lambda: torch.tensor([2, 6])  # noqa: E731
    for op in (ops.dynamic_quant.default, ops.dynamic_quant_symmetric.default):
        for dst_type in FORMATS:
            code = CODE[dst_type]
            for layout in (torch.clone, strided):
                at = "strided" if layout is strided else "contiguous"
                yield Case(f"{dst_type} {at}", op, lambda c=code, m=layout: (m(values((2, 3, 16))), None, None, c))
            yield Case(f"{dst_type} empty", op, lambda c=code: (values((0, 16)), None, None, c))
            yield Case(f"{dst_type} pertensor", op, lambda c=code: (values((6, 16)), smooth(), None, c, 1))
            yield Case(f"{dst_type} perchannel", op, lambda c=code: (values((6, 16)), None, None, c, 2))
        for dtype in FLOATS:
            yield Case(f"{dtype} experts", op, lambda d=dtype: (values((6, 16), d), experts(), ends(), 1))
        for dst_type in INTEGERS:
            yield Case(f"{dst_type} groups", op, lambda c=CODE[dst_type]: (values((6, 16)), smooth(), None, c, 0, 4))
        yield Case("int4 words", op, lambda: (values((6, 16)), None, None, 16))
        yield Case("hifloat8 max", op, lambda: (values((6, 16)), None, None, 290, 0, 0, 15.0))


def _parts() -> Iterator[Case]:
    smooth = lambda: values((16,), seed=1)  # noqa: E731
    scales = lambda: (values((2, 3)).abs(), values((2, 3), seed=3))  # noqa: E731
    for op in (ops.row_minmax.default, ops.row_amax.default):
        for layout in (torch.clone, strided):
            yield Case(layout.__name__, op, lambda m=layout: (m(values((2, 3, 16), torch.float16)), None, None))
        yield Case("smooth", op, lambda: (values((6, 16)), smooth(), None))
        yield Case("experts", op, lambda: (values((6, 16)), values((2, 16)), torch.tensor([1, 6], dtype=torch.int32)))
        yield Case("groups", op, lambda: (values((6, 16)), None, None, 0, 8))
        for mode in (1, 2):
            yield Case(f"mode {mode}", op, lambda m=mode: (values((6, 16)), None, None, m))
        yield Case("empty", op, lambda: (values((0, 16)), None, None))
    for dst_type in FORMATS:
        code = CODE[dst_type]
        for layout in (torch.clone, strided):
            at = f"{dst_type} {layout.__name__}"
            yield Case(at, ops.params_from_amax.default, lambda c=code, m=layout: (m(values((2, 3)).abs()), c))
            minmax = ops.params_from_minmax.default
            yield Case(at, minmax, lambda c=code, m=layout: (m(-values((2, 3)).abs()), m(values((2, 3)).abs()), c))
            for op in (ops.quantize_with_params.default,):
                yield Case(at, op, lambda c=code, m=layout: (m(values((2, 3, 16))), *scales(), None, None, c))
                yield Case(
                    f"{at} symmetric", op, lambda c=code: (values((2, 3, 16)), scales()[0], None, smooth(), None, c)
                )
        op = ops.quantize_with_params.default
        yield Case(f"{dst_type} empty", op, lambda c=code: (values((0, 16)), values((0,)), None, None, None, c))
    yield Case("empty", ops.params_from_amax.default, lambda: (values((0,)),))
    yield Case("empty", ops.params_from_minmax.default, lambda: (values((0,)), values((0,))))


def _quantize_dequantize() -> Iterator[Case]:
    op = ops.quantize.default
    scale = lambda: values((16,), torch.bfloat16, 1).abs()  # noqa: E731
    zero = lambda: torch.arange(16, dtype=torch.int32)  # noqa: E731
    for dst_type in FORMATS:
        code = CODE[dst_type]
        yield Case(dst_type, op, lambda c=code: (values((3, 16)), scale(), None, c))
        yield Case(f"{dst_type} strided", op, lambda c=code: (strided(values((3, 16))), strided(scale()), zero(), c))
        yield Case(f"{dst_type} empty", op, lambda c=code: (values((0, 16)), scale(), None, c, -1, 0, True))
        for words in (False, True) if dst_type == "int4" else (False,):
            for layout in (torch.clone, rows_apart):
                make = lambda c=code, n=dst_type, w=words, m=layout: (  # noqa: E731
                    m(codes(n, (3, 16), w)), m(values((3,))), m(values((3,))), c)  # fmt: skip
                yield Case(f"{dst_type} words={words} {layout.__name__}", ops.dequantize.default, make)
        make = lambda c=code, n=dst_type: (codes(n, (0, 16)), values((0,)), None, c, 0, 0, 5)  # noqa: E731
        yield Case(f"{dst_type} empty", ops.dequantize.default, make)
    yield Case(
        "negated",
        ops.dequantize.default,
        lambda: (codes("int8", (3, 16)), values((3, 4)), values((3, 4)), 1, 0, 4, 15, True),
    )
    yield Case("axis", op, lambda: (values((3, 16)), values((3,)), None, 1, 0))
    yield Case("hybrid", op, lambda: (values((3, 16)), values((1,)), None, 290, -1, 2))
    for as_int32 in (False, True):
        yield Case(f"int32={as_int32}", ops.pack_int4.default, lambda w=as_int32: (strided(codes("int8", (3, 16))), w))
        yield Case(f"int32={as_int32}", ops.unpack_int4.default, lambda w=as_int32: (codes("int4", (3, 16), w),))
    yield Case("empty", ops.pack_int4.default, lambda: (codes("int8", (0, 16)), False))
    yield Case("empty", ops.unpack_int4.default, lambda: (rows_apart(codes("int4", (0, 16))),))


def where(mode: str) -> tuple[Tensor, tuple[int, ...]]:
    """Indices into a cache [3, 2, 5, 16] and the shape of what they place, axis -2."""
    if mode == "batch":
        return torch.tensor([1, 3]), (2, 2, 2, 16)
    if mode == "pair":
        return torch.tensor([[2, 0], [0, 3], [-1, 0]], dtype=torch.int32), (3, 2, 2, 16)
    return torch.tensor([4, 12, -1]), (3, 2, 16)


CACHE = (3, 2, 5, 16)


def _scatter() -> Iterator[Case]:
    for mode, number in MODES.items():
        for dtype in (torch.float16, torch.float64, torch.bool):
            for layout in (torch.clone, strided):
                make = lambda m=mode, i=number, d=dtype, at=layout: (  # noqa: E731
                    at(torch.zeros(CACHE, dtype=d)), at(where(m)[0]), at(torch.ones(where(m)[1], dtype=d)),
                    -2, i)  # fmt: skip
                for op in (ops.scatter_update.default, ops.scatter_update_.default):
                    yield Case(f"{mode} {dtype} {layout.__name__}", op, make)
        for dst_type in FORMATS:
            if dst_type == "int4":
                continue
            for layout in (torch.clone, strided):
                make = lambda m=mode, i=number, n=dst_type, at=layout: (  # noqa: E731
                    at(codes(n, CACHE)), at(where(m)[0]), at(values(where(m)[1])), at(values((16,)).abs()),
                    None if m == "slot" else at(values((16,))), CODE[n], 2, -1, 0, i)  # fmt: skip
                for op in (ops.quant_scatter.default, ops.quant_scatter_.default):
                    yield Case(f"{mode} {dst_type} {layout.__name__}", op, make)
    none = lambda: (torch.zeros(CACHE), torch.zeros(0, dtype=torch.int64), values((0, 2, 1, 16)), -2, 0)  # noqa: E731
    for op in (ops.scatter_update.default, ops.scatter_update_.default):
        yield Case("empty", op, none)


def tables(symmetric: bool, dtype: torch.dtype, group_size: int = 0) -> tuple[Tensor, Tensor | None]:
    shape = CACHE[:-1] if group_size == 0 else (*CACHE[:-1], CACHE[-1] // group_size)
    return values(shape, dtype).abs(), None if symmetric else values(shape, dtype)


def _fused() -> Iterator[Case]:
    op, gather = ops.dynamic_quant_update_scatter_.default, ops.dequantize_gather.default
    for mode, number in MODES.items():
        for dst_type in INTEGERS:
            for symmetric in (False, True):
                for layout in (torch.clone, rows_apart):
                    make = lambda m=mode, i=number, n=dst_type, s=symmetric, at=layout: (  # noqa: E731
                        at(codes(n, CACHE)), *tables(s, torch.float32), at(where(m)[0]), at(values(where(m)[1])),
                        values((16,)) if s else None, None, None, None, None, CODE[n], -2, 0, i)  # fmt: skip
                    yield Case(f"{mode} {dst_type} symmetric={symmetric} {layout.__name__}", op, make)
        for dst_type in FORMATS:
            for layout in (torch.clone, rows_apart):
                make = lambda m=mode, i=number, n=dst_type, at=layout: (  # noqa: E731
                    at(codes(n, CACHE)), *tables(i == 1, torch.float16), at(where(m)[0]), CODE[n], -2,
                    1 if m == "slot" else 2, 0, i, 0, 6)  # fmt: skip
                yield Case(f"{mode} {dst_type} {layout.__name__}", gather, make)
    two = lambda: (  # noqa: E731
        codes("int4", CACHE, True), *tables(False, torch.float16, 8), where("slot")[0], values((3, 2, 16)), None,
        codes("int4", CACHE, True), *tables(False, torch.float16, 8), values((3, 2, 16), seed=5),
        16, -2, 8, 2, 0, True)  # fmt: skip
    yield Case("two caches", op, two)


def _swiglu() -> Iterator[Case]:
    op = ops.dequant_swiglu_quant.default
    products = lambda: torch.arange(4 * 16, dtype=torch.int32).reshape(4, 16) * 37 % 101 - 50  # noqa: E731
    scales = lambda p: (values((p, 16)).abs(), values((4,), seed=1).abs(), values((p, 16), torch.bfloat16))  # noqa: E731
    for dst_type in FORMATS:
        if dst_type == "int4":
            continue
        code = CODE[dst_type]
        for layout in (torch.clone, strided):
            at = f"{dst_type} {layout.__name__}"
            yield Case(at, op, lambda c=code, m=layout: (m(values((2, 2, 16))), *[None] * 6, 1, c))
            make = lambda c=code, m=layout: (m(products()), *map(m, scales(1)), values((8,)).abs(), None, None, 1, c)  # noqa: E731
            yield Case(f"{at} int32", op, make)
        yield Case(f"{dst_type} empty", op, lambda c=code: (values((0, 16)), *[None] * 6, 0, c))
    groups = lambda: torch.tensor([1, 2])  # noqa: E731
    yield Case("groups", op, lambda: (products(), *scales(2), values((2, 8)).abs(), None, groups(), 1))
    yield Case("static", op, lambda: (products(), *scales(1), values((8,)).abs(), values((8,)), None, 0))
    for mode in (1, 2):
        yield Case(f"mode {mode}", op, lambda m=mode: (values((4, 16)), *[None] * 6, 1, 1, m, 2.0, 1.5, 0.5, m == 2))
    y, scale = (lambda: torch.zeros(4, 8, dtype=torch.int8)), (lambda: torch.zeros(4))
    out = ops.dequant_swiglu_quant_out.default
    yield Case("", out, lambda: (values((4, 16)), *[None] * 6, strided(y()), strided(scale()), 1))


def _groups() -> Iterator[Case]:
    for name in ("counts_from_ends", "ends_from_counts"):
        op, out = getattr(ops, name).default, getattr(ops, f"{name}_out").default
        for dtype in (torch.int32, torch.int64):
            yield Case(f"{dtype}", op, lambda d=dtype: (strided(torch.tensor([2, 2, 5], dtype=d)),))
        yield Case("empty", op, lambda: (torch.empty(0, dtype=torch.int64),))
        yield Case("", out, lambda: (torch.tensor([2, 2, 5]), strided(torch.zeros(3, dtype=torch.int32))))


def _out() -> Iterator[Case]:
    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return strided(torch.zeros(shape, dtype=dtype))

    x = lambda: values((3, 16))  # noqa: E731
    yield Case(
        "", ops.dynamic_quant_out.default, lambda: (x(), None, None, empty(3, 16, dtype=torch.int8), empty(3), empty(3))
    )
    yield Case(
        "symmetric",
        ops.dynamic_quant_out.default,
        lambda: (x(), values((16,)), None, zeros_of("int4", (3, 16)), empty(3), None, 285),
    )
    yield Case("", ops.row_minmax_out.default, lambda: (x(), None, None, empty(3), empty(3)))
    yield Case("", ops.row_amax_out.default, lambda: (x(), None, None, empty(3)))
    yield Case("", ops.params_from_amax_out.default, lambda: (values((3,)), empty(3)))
    yield Case("", ops.params_from_minmax_out.default, lambda: (values((3,)), values((3,)), empty(3), empty(3)))
    yield Case(
        "",
        ops.quantize_with_params_out.default,
        lambda: (x(), values((3,)), None, None, None, empty(3, 16, dtype=torch.int8)),
    )
    yield Case("", ops.quantize_out.default, lambda: (x(), values((1,)), None, empty(3, 16, dtype=torch.int8)))
    yield Case("", ops.dequantize_out.default, lambda: (codes("int8", (3, 16)), values((3,)), None, empty(3, 16), 1))
    yield Case("", ops.pack_int4_out.default, lambda: (codes("int8", (3, 16)), torch.zeros(3, 2, dtype=torch.int32)))
    yield Case("", ops.unpack_int4_out.default, lambda: (codes("int4", (3, 16)), empty(3, 16, dtype=torch.int8)))
    yield Case(
        "",
        ops.dequantize_gather_out.default,
        lambda: (
            codes("int8", CACHE),
            *tables(False, torch.float32),
            where("slot")[0],
            empty(3, 2, 16),
            1,
            -2,
            1,
            0,
            2,
        ),
    )


_PARTS = (_dynamic_quant, _parts, _quantize_dequantize, _scatter, _fused, _swiglu, _groups, _out)
CASES: list[Case] = [case for make in _PARTS for case in make()]


def ids(case: Case) -> str:
    return f"{case.operator}: {case.name}"
