"""torch_npu's quantization functions by their own names, signatures and format codes, on kvant.

`import kvant.torch_npu as torch_npu` in the place of `import torch_npu`. Where an argument has had several names over
the releases of torch_npu, both are accepted. torch.ops.npu.* is defined as well where nobody else has done it: where
the real torch_npu is installed, import it first.

Formats (`dst_type`): 1 or torch.int8 (`npu_quantize` also torch.qint8); 16 or torch.quint4x2, INT4 as int32 with eight
values each; 285, INT4 as uint8 with two; 290, HIFLOAT8; 23, 291 or torch.float8_e5m2; 24, 292 or torch.float8_e4m3fn.
Errors are kvant's.

>>> import torch
>>> import kvant.torch_npu as torch_npu
>>> y, scale, offset = torch_npu.npu_dynamic_quant_asymmetric(torch.rand(3, 8), dst_type=torch.quint4x2)
>>> y.shape, y.dtype
(torch.Size([3, 1]), torch.int32)
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

import kvant  # noqa: F401, loads the operators
from kvant._call import call, check_tensor
from kvant._codes import (
    QuantMode,
    RoundMode,
    check_reduce,
    format_of_cache,
    npu_format_code,
    quant_mode_code,
    round_mode_code,
)
from kvant._npu_others import (
    SCHEMAS,
    also,
    get_npu_format,
    npu_anti_quant,
    npu_format_cast,
    npu_prefetch,
    npu_scatter_nd_update,
    npu_scatter_nd_update_,
    npu_swiglu,
)

__all__ = [
    "float8_e4m3fn",
    "float8_e5m2",
    "get_npu_format",
    "hifloat8",
    "int4",
    "npu_anti_quant",
    "npu_dequant_swiglu_quant",
    "npu_dynamic_quant",
    "npu_dynamic_quant_asymmetric",
    "npu_format_cast",
    "npu_prefetch",
    "npu_quant_scatter",
    "npu_quant_scatter_",
    "npu_quantize",
    "npu_scatter_nd_update",
    "npu_scatter_nd_update_",
    "npu_swiglu",
    "scatter_update",
    "scatter_update_",
]

DstType: TypeAlias = int | torch.dtype

# torch_npu's names for formats that torch has no dtype for.
int4 = 285
hifloat8 = 290
float8_e5m2 = 291
float8_e4m3fn = 292

_ops = torch.ops.kvant


@also(x="input")
def npu_dynamic_quant(
    input: Tensor,
    *,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: DstType | None = None,
    quant_mode: QuantMode = "pertoken",
    dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """(y, scale) of symmetric dynamic quantization: `kvant.dynamic_quant` with symmetric=True."""
    check_tensor("npu_dynamic_quant", "input", input)
    op = _ops.dynamic_quant_symmetric.default
    numbers = (
        npu_format_code("npu_dynamic_quant", dst_type),
        quant_mode_code("npu_dynamic_quant", quant_mode),
        0,
        dst_type_max,
    )
    names = {"dynamic_quant": "npu_dynamic_quant", "x": "input"}
    y, scale = call(op, input, smooth_scales, group_index, *numbers, names=names)
    return y, scale


@also(input="x")
def npu_dynamic_quant_asymmetric(
    x: Tensor,
    *,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: DstType | None = None,
    quant_mode: QuantMode = "pertoken",
    dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, scale, offset) of asymmetric dynamic quantization: `kvant.dynamic_quant`."""
    op = _ops.dynamic_quant.default
    numbers = (
        npu_format_code("npu_dynamic_quant_asymmetric", dst_type),
        quant_mode_code("npu_dynamic_quant_asymmetric", quant_mode),
        0,
        dst_type_max,
    )
    names = {"dynamic_quant": "npu_dynamic_quant_asymmetric"}
    y, scale, offset = call(op, x, smooth_scales, group_index, *numbers, names=names)
    return y, scale, offset


def _places(op: str, indices: Tensor) -> tuple[Tensor, int]:
    """Indices and their mode: one dimension is a position for each update, none that of the only one; two are pairs."""
    check_tensor(op, "indices", indices)
    shape = list(indices.shape)
    if len(shape) > 2 or (len(shape) == 2 and isinstance(shape[1], int) and shape[1] != 2):
        raise ValueError(f"{op}: indices has shape {shape}, expected [n] or [n, 2]")
    return (indices.reshape(1), 0) if not shape else (indices, len(shape) - 1)


def _quant_scatter_places(
    op: str,
    self: Tensor,
    indices: Tensor,
    axis: int,
    quant_axis: int,
    reduce: Literal["update"],
    dst_type: DstType | None,
    round_mode: RoundMode | None,
) -> tuple[Tensor, tuple[int, ...]]:
    """Indices, and the numbers of the operator."""
    check_reduce(op, reduce)
    code = npu_format_code(op, format_of_cache(op, self, "290") if dst_type is None else dst_type)
    places, mode = _places(op, indices)
    return places, (code, axis, quant_axis, round_mode_code(op, round_mode or "rint"), mode)


@also(input="self")
def npu_quant_scatter(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    axis: int = -2,
    quant_axis: int = -1,
    reduce: Literal["update"] = "update",
    dst_type: DstType | None = None,
    round_mode: RoundMode | None = "rint",
) -> Tensor:
    """A copy of self with quantized updates at indices, [n] or [n, 2]: `kvant.quant_scatter`.

    dst_type None is the dtype of self; a uint8 self needs it.
    """
    options = (axis, quant_axis, reduce, dst_type, round_mode)
    places, numbers = _quant_scatter_places("npu_quant_scatter", self, indices, *options)
    out: Tensor = call(_ops.quant_scatter.default, self, places, updates, quant_scales, quant_zero_points, *numbers)
    return out


@also(input="self")
def npu_quant_scatter_(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    axis: int = -2,
    quant_axis: int = -1,
    reduce: Literal["update"] = "update",
    dst_type: DstType | None = None,
    round_mode: RoundMode | None = "rint",
) -> Tensor:
    """`npu_quant_scatter` into self, which is returned: `kvant.quant_scatter_`."""
    options = (axis, quant_axis, reduce, dst_type, round_mode)
    places, numbers = _quant_scatter_places("npu_quant_scatter_", self, indices, *options)
    call(_ops.quant_scatter_.default, self, places, updates, quant_scales, quant_zero_points, *numbers, writes=(self,))
    return self


@also(input="self", data="self")
def scatter_update(self: Tensor, indices: Tensor, updates: Tensor, axis: int) -> Tensor:
    """A copy of self with updates at indices, [n] or [n, 2]: `kvant.scatter_update`."""
    places, mode = _places("scatter_update", indices)
    out: Tensor = call(_ops.scatter_update.default, self, places, updates, axis, mode)
    return out


@also(input="self", data="self")
def scatter_update_(self: Tensor, indices: Tensor, updates: Tensor, axis: int) -> Tensor:
    """`scatter_update` into self, which is returned: `kvant.scatter_update_`."""
    places, mode = _places("scatter_update_", indices)
    call(_ops.scatter_update_.default, self, places, updates, axis, mode, writes=(self,))
    return self


@also(input="self", x="self")
def npu_quantize(
    self: Tensor,
    scales: Tensor,
    zero_points: Tensor | None,
    dtype: DstType,
    axis: int = 1,
    div_mode: bool = True,
) -> Tensor:
    """cast(self / scales + zero_points), without div_mode cast(self * scales + zero_points): `kvant.quantize`."""
    if dtype is None:
        raise TypeError("npu_quantize: dtype is None, expected the dtype or number of a format, as torch.int8")
    code = npu_format_code("npu_quantize", dtype, "dtype")
    names = {"x": "self", "quant_scales": "scales", "quant_zero_points": "zero_points"}
    y: Tensor = call(_ops.quantize.default, self, scales, zero_points, code, axis, 0, not div_mode, names=names)
    return y


@also(activate_scale="activation_scale")
def npu_dequant_swiglu_quant(
    x: Tensor,
    *,
    weight_scale: Tensor | None = None,
    activation_scale: Tensor | None = None,
    bias: Tensor | None = None,
    quant_scale: Tensor | None = None,
    quant_offset: Tensor | None = None,
    group_index: Tensor | None = None,
    activate_left: bool = False,
    quant_mode: int = 0,
    dst_type: DstType | None = None,
    round_mode: int | None = None,
    activate_dim: int | None = None,
    swiglu_mode: int = 0,
    clamp_limit: float = 7.0,
    glu_alpha: float = 1.702,
    glu_bias: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """(y [.., H], scale) of x [.., 2H]: `kvant.dequant_swiglu_quant`, whose help has every shape and the formula.

    group_index: [G] counts of rows, or [G, 2] with a parameter row and a count each; never cumulative ends. round_mode
    is 0, to nearest even; activate_dim the last dimension.
    """
    if round_mode not in (None, 0):
        raise ValueError(f"npu_dequant_swiglu_quant: round_mode is {round_mode}, expected 0 (to nearest even)")
    if activate_dim not in (None, -1):
        check_tensor("npu_dequant_swiglu_quant", "x", x)
        if activate_dim != x.dim() - 1:
            text = f"activate_dim is {activate_dim}, expected -1, the last dimension"
            raise ValueError(f"npu_dequant_swiglu_quant: {text}")
    inputs = (x, weight_scale, activation_scale, bias, quant_scale, quant_offset, group_index)
    numbers = (
        quant_mode,
        npu_format_code("npu_dequant_swiglu_quant", dst_type),
        swiglu_mode,
        clamp_limit,
        glu_alpha,
        glu_bias,
        activate_left,
    )
    y, scale = call(_ops.dequant_swiglu_quant.default, *inputs, *numbers)
    return y, scale


_SCATTER = (
    "Tensor indices, Tensor updates, Tensor quant_scales, Tensor? quant_zero_points=None, int axis=-2, "
    "int quant_axis=-1, str reduce='update', int? dst_type=None, str? round_mode='rint'"
)
_DYNAMIC = (
    "*, Tensor? smooth_scales=None, Tensor? group_index=None, int? dst_type=None, str quant_mode='pertoken', "
    "float dst_type_max=0.0"
)
_SWIGLU = (
    "Tensor x, *, Tensor? weight_scale=None, Tensor? activation_scale=None, Tensor? bias=None, "
    "Tensor? quant_scale=None, Tensor? quant_offset=None, Tensor? group_index=None, bool activate_left=False, "
    "int quant_mode=0, int? dst_type=None, int? round_mode=None, int? activate_dim=None, int swiglu_mode=0, "
    "float clamp_limit=7.0, float glu_alpha=1.702, float glu_bias=1.0"
)
# Today's schemas of torch_npu.
_SCHEMAS: dict[str, Callable[..., object]] = {
    **SCHEMAS,
    f"npu_dequant_swiglu_quant({_SWIGLU}) -> (Tensor, Tensor)": npu_dequant_swiglu_quant,
    f"npu_dynamic_quant(Tensor input, {_DYNAMIC}) -> (Tensor, Tensor)": npu_dynamic_quant,
    f"npu_dynamic_quant_asymmetric(Tensor input, {_DYNAMIC}) -> (Tensor, Tensor, Tensor)": npu_dynamic_quant_asymmetric,
    f"npu_quant_scatter(Tensor self, {_SCATTER}) -> Tensor": npu_quant_scatter,
    f"npu_quant_scatter_(Tensor(a!) self, {_SCATTER}) -> Tensor(a!)": npu_quant_scatter_,
    "npu_quantize(Tensor self, Tensor scales, Tensor? zero_points, ScalarType dtype, int axis=1, bool div_mode=True) "
    "-> Tensor": npu_quantize,
    "scatter_update(Tensor self, Tensor indices, Tensor updates, int axis) -> Tensor": scatter_update,
    "scatter_update_(Tensor(a!) self, Tensor indices, Tensor updates, int axis) -> Tensor(a!)": scatter_update_,
}


def _define() -> torch.library.Library:
    """torch.ops.npu.* in terms of kvant's operators, which is what compilers get to see."""
    library = torch.library.Library("npu", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema, function in _SCHEMAS.items():
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.npu, name):
            library.define(schema)  # type: ignore[no-untyped-call]
            library.impl(name, function, "CompositeImplicitAutograd")  # type: ignore[no-untyped-call]
    return library


_library = _define()
