"""The parts of dynamic quantization, for callers that reduce in between."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kvant._call import call, results
from kvant._codes import Format, QuantMode, format_code, quant_mode_code

_ops = torch.ops.kvant


def row_minmax(
    x: Tensor,
    *,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """(min, max) of x' = x * smooth_scales over what shares one scale in `dynamic_quant`, which has the arguments.

    Both are float32 in the shape of that scale. A NaN makes both NaN; no elements give (inf, -inf). `out` is (min,
    max) to write to. Raises what `dynamic_quant` does.

    >>> import torch, kvant
    >>> kvant.row_minmax(torch.tensor([[-1.0, 0.5], [3.0, 2.0]]))
    (tensor([-1.,  2.]), tensor([0.5000, 3.0000]))
    """
    mode = quant_mode_code("row_minmax", quant_mode)
    if out is not None:
        low, high = results("row_minmax", out, ("min", "max"))
        inputs = (x, smooth_scales, group_index)
        call(_ops.row_minmax_out.default, *inputs, low, high, mode, group_size, writes=(low, high))
        return low, high
    found: tuple[Tensor, Tensor] = call(_ops.row_minmax.default, x, smooth_scales, group_index, mode, group_size)
    return found


def row_amax(
    x: Tensor,
    *,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """max|x'| over what shares one scale in `dynamic_quant`, which has the arguments.

    It is float32 in the shape of that scale. A NaN makes it NaN; no elements give 0. `out` is a tensor to write to.
    Raises what `dynamic_quant` does.

    >>> import torch, kvant
    >>> kvant.row_amax(torch.tensor([[-1.0, 0.5], [3.0, 2.0]]))
    tensor([1., 3.])
    """
    mode = quant_mode_code("row_amax", quant_mode)
    if out is not None:
        call(_ops.row_amax_out.default, x, smooth_scales, group_index, out, mode, group_size, writes=(out,))
        return out
    amax: Tensor = call(_ops.row_amax.default, x, smooth_scales, group_index, mode, group_size)
    return amax


def params_from_minmax(
    min: Tensor,
    max: Tensor,
    *,
    dst_type: Format = "int8",
    dst_type_max: float = 0.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """(scale, offset) from min and max: scale = max((max - min) / R, 1e-12), offset = D - max / scale.

    All are float32 of one shape; (inf, -inf), no elements, counts as the single value 0. `out` is (scale, offset) to
    write to and may be (min, max) itself. Raises TypeError for another dtype, ValueError for shapes that differ.

    >>> import torch, kvant
    >>> kvant.params_from_minmax(torch.tensor([-1.0]), torch.tensor([1.55]))
    (tensor([0.0100]), tensor([-28.]))
    """
    code = format_code("params_from_minmax", dst_type)
    if out is not None:
        scale, offset = results("params_from_minmax", out, ("scale", "offset"))
        call(_ops.params_from_minmax_out.default, min, max, scale, offset, code, dst_type_max, writes=(scale, offset))
        return scale, offset
    found: tuple[Tensor, Tensor] = call(_ops.params_from_minmax.default, min, max, code, dst_type_max)
    return found


def params_from_amax(
    amax: Tensor, *, dst_type: Format = "int8", dst_type_max: float = 0.0, out: Tensor | None = None
) -> Tensor:
    """scale = amax / D, float32 of the shape of amax, which is float32 too.

    `out` is a tensor to write to and may be amax itself. Raises TypeError for another dtype.

    >>> import torch, kvant
    >>> kvant.params_from_amax(torch.tensor([254.0]))
    tensor([2.])
    """
    code = format_code("params_from_amax", dst_type)
    if out is not None:
        call(_ops.params_from_amax_out.default, amax, out, code, dst_type_max, writes=(out,))
        return out
    scale: Tensor = call(_ops.params_from_amax.default, amax, code, dst_type_max)
    return scale


def quantize_with_params(
    x: Tensor,
    scale: Tensor,
    offset: Tensor | None = None,
    *,
    dst_type: Format = "int8",
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """y = cast(x' / scale + offset), without offset cast(x' / scale): `dynamic_quant` with given parameters.

    scale and offset are float32 in the shape that `dynamic_quant` gives them; the other arguments, the result and the
    errors are its own. A scale of 0 without offset makes every code 0. `out` is a tensor to write to.

    >>> import torch, kvant
    >>> kvant.quantize_with_params(torch.tensor([[1.0, -2.0]]), torch.tensor([0.5]))
    tensor([[ 2, -4]], dtype=torch.int8)
    """
    code = format_code("quantize_with_params", dst_type)
    mode = quant_mode_code("quantize_with_params", quant_mode)
    if out is not None:
        into = _ops.quantize_with_params_out.default
        call(into, x, scale, offset, smooth_scales, group_index, out, code, mode, group_size, writes=(out,))
        return out
    op = _ops.quantize_with_params.default
    y: Tensor = call(op, x, scale, offset, smooth_scales, group_index, code, mode, group_size)
    return y
