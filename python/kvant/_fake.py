"""Shapes and dtypes of results for torch.compile and torch.export, without running anything.

Which arguments are legal is the core's business; what is wrong there fails when the graph runs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from kvant._call import argument_name, operator_name
from kvant._codes import DTYPE_OF_NUMBER, INT4_BYTES, INT4_WORDS, STORAGE


def _check_devices(op: Any, given: dict[str, Any]) -> None:
    """Tensors without memory cannot be mixed with others: torch would ask for shapes and compute nothing."""
    tensors = {argument_name(key): value for key, value in given.items() if isinstance(value, Tensor)}
    meta = [key for key, t in tensors.items() if t.is_meta]
    if meta and len(meta) < len(tensors):
        other = next(key for key, t in tensors.items() if not t.is_meta)
        raise ValueError(f"{operator_name(op)}: {meta[0]} is on meta, but {other} is on {tensors[other].device}")


def register_fake(op: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    name = op.removeprefix("kvant::")

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def checked(*args: Any, **kwargs: Any) -> Any:
            operator = getattr(torch.ops.kvant, name).default
            names = (a.name for a in operator._schema.arguments)
            _check_devices(operator, dict(zip(names, args, strict=False)) | kwargs)
            return f(*args, **kwargs)

        torch.library.register_fake(op, checked)
        return f

    return register


def _divided(x: Tensor, count: int) -> tuple[int, ...]:
    """The shape with the last dimension divided, where that is legal; what is not fails when it runs."""
    return tuple(x.shape) if count < 1 or x.dim() == 0 else (*x.shape[:-1], x.shape[-1] // count)


def _codes(x: Tensor, dst_type: int) -> Tensor:
    dtype, count = STORAGE.get(dst_type, STORAGE[1])
    return x.new_empty(_divided(x, count), dtype=dtype)


def _params(x: Tensor, quant_mode: int, group_size: int) -> Tensor:
    shape: tuple[int, ...]
    if quant_mode == 1:
        shape = (1,)
    elif quant_mode == 2:
        shape = (*x.shape[:-2], *x.shape[-1:])
    else:
        shape = tuple(x.shape[:-1]) if group_size == 0 else _divided(x, group_size)
    return x.new_empty(shape, dtype=torch.float32)


def _unpacked(y: Tensor, dst_type: int) -> tuple[int, ...]:
    if dst_type not in (INT4_BYTES, INT4_WORDS) or y.dim() == 0:
        return tuple(y.shape)
    return (*y.shape[:-1], y.shape[-1] * (8 if y.dtype == torch.int32 else 2))


@register_fake("kvant::dynamic_quant")
def _(
    x: Tensor,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: int = 1,
    quant_mode: int = 0,
    group_size: int = 0,
    dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    return _codes(x, dst_type), _params(x, quant_mode, group_size), _params(x, quant_mode, group_size)


@register_fake("kvant::dynamic_quant_symmetric")
def _(
    x: Tensor,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: int = 1,
    quant_mode: int = 0,
    group_size: int = 0,
    dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor]:
    return _codes(x, dst_type), _params(x, quant_mode, group_size)


@register_fake("kvant::row_minmax")
def _(
    x: Tensor,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    quant_mode: int = 0,
    group_size: int = 0,
) -> tuple[Tensor, Tensor]:
    return _params(x, quant_mode, group_size), _params(x, quant_mode, group_size)


@register_fake("kvant::row_amax")
def _(
    x: Tensor,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    quant_mode: int = 0,
    group_size: int = 0,
) -> Tensor:
    return _params(x, quant_mode, group_size)


@register_fake("kvant::params_from_amax")
def _(amax: Tensor, dst_type: int = 1, dst_type_max: float = 0.0) -> Tensor:
    return amax.new_empty(amax.shape)


@register_fake("kvant::params_from_minmax")
def _(
    min: Tensor,
    max: Tensor,
    dst_type: int = 1,
    dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor]:
    return min.new_empty(min.shape), min.new_empty(min.shape)


@register_fake("kvant::quantize_with_params")
def _(
    x: Tensor,
    scale: Tensor,
    offset: Tensor | None = None,
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    dst_type: int = 1,
    quant_mode: int = 0,
    group_size: int = 0,
) -> Tensor:
    return _codes(x, dst_type)


@register_fake("kvant::quantize")
def _(
    x: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    dst_type: int = 1,
    axis: int = -1,
    round_mode: int = 0,
    reciprocal_scale: bool = False,
) -> Tensor:
    return _codes(x, dst_type)


@register_fake("kvant::dequantize")
def _(
    y: Tensor,
    scale: Tensor,
    offset: Tensor | None,
    dst_type: int,
    quant_mode: int = 0,
    group_size: int = 0,
    dtype: int = 6,
    negate_offset: bool = False,
) -> Tensor:
    return y.new_empty(_unpacked(y, dst_type), dtype=DTYPE_OF_NUMBER.get(dtype, torch.float32))


@register_fake("kvant::pack_int4")
def _(codes: Tensor, as_int32: bool = False) -> Tensor:
    return _codes(codes, INT4_WORDS if as_int32 else INT4_BYTES)


@register_fake("kvant::unpack_int4")
def _(packed: Tensor) -> Tensor:
    return packed.new_empty(_unpacked(packed, INT4_BYTES), dtype=torch.int8)


@register_fake("kvant::counts_from_ends")
@register_fake("kvant::ends_from_counts")
def _(groups: Tensor) -> Tensor:
    return groups.new_empty(groups.shape)


@register_fake("kvant::scatter_update")
def _(dest: Tensor, *_args: Any) -> Tensor:
    return dest.new_empty(dest.shape)


@register_fake("kvant::quant_scatter")
def _(dest: Tensor, *_args: Any) -> Tensor:
    return dest.new_empty(dest.shape)


@register_fake("kvant::dequantize_gather")
def _(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    dst_type: int,
    axis: int,
    length: int,
    group_size: int,
    index_mode: int,
    index_policy: int = 0,
    dtype: int = 6,
    negate_offset: bool = False,
) -> Tensor:
    shape = list(_unpacked(var, dst_type))
    if not (indices.dim() > 0 and -len(shape) <= axis < len(shape)):
        return var.new_empty(tuple(shape), dtype=DTYPE_OF_NUMBER.get(dtype, torch.float32))
    shape[0] = indices.shape[0]
    if index_mode == 2:
        del shape[axis]
    else:
        shape[axis] = max(length, 0)
    return var.new_empty(tuple(shape), dtype=DTYPE_OF_NUMBER.get(dtype, torch.float32))


@register_fake("kvant::dequant_swiglu_quant")
def _(
    x: Tensor,
    weight_scale: Tensor | None = None,
    activation_scale: Tensor | None = None,
    bias: Tensor | None = None,
    quant_scale: Tensor | None = None,
    quant_offset: Tensor | None = None,
    group_index: Tensor | None = None,
    quant_mode: int = 0,
    dst_type: int = 1,
    swiglu_mode: int = 0,
    clamp_limit: float = 7.0,
    glu_alpha: float = 1.702,
    glu_bias: float = 1.0,
    activate_left: bool = False,
) -> tuple[Tensor, Tensor]:
    y = x.new_empty(_divided(x, 2), dtype=STORAGE.get(dst_type, STORAGE[1])[0])
    return y, x.new_empty(tuple(x.shape[:-1]), dtype=torch.float32)


@register_fake("kvant::_no_gradient")
def _(grad: Tensor, source: Tensor) -> Tensor:
    return source.new_empty(source.shape)


def _writes(*_args: Any, **_kwargs: Any) -> None:
    """Of operators that return nothing: they change the tensors that their schemas name."""


for _name in (
    "counts_from_ends_out",
    "dequant_swiglu_quant_out",
    "dequantize_gather_out",
    "dequantize_out",
    "dynamic_quant_out",
    "dynamic_quant_update_scatter_",
    "ends_from_counts_out",
    "pack_int4_out",
    "params_from_amax_out",
    "params_from_minmax_out",
    "quant_scatter_",
    "quantize_out",
    "quantize_with_params_out",
    "row_amax_out",
    "row_minmax_out",
    "scatter_update_",
    "unpack_int4_out",
):
    register_fake(f"kvant::{_name}")(_writes)
