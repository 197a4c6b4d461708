"""Static quantization."""

import torch
from torch import Tensor

from kvant._call import call
from kvant._codes import Format, RoundMode, format_code, round_mode_code

_functional = torch.ops.kvant.quantize.default
_into = torch.ops.kvant.quantize_out.default


def quantize(
    x: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    *,
    dst_type: Format = "int8",
    axis: int = -1,
    reciprocal_scale: bool = False,
    round_mode: RoundMode = "rint",
    out: Tensor | None = None,
) -> Tensor:
    """y = cast(x / scale[k] + zero_point[k]), with reciprocal_scale cast(x * scale[k] + zero_point[k]).

    k runs along `axis`.

    Args:
        x: float16, bfloat16 or float32, rank >= 1, any strides.
        quant_scales: float16, bfloat16 or float32: x.shape[axis] elements in any shape, or one.
        quant_zero_points: int32, float16, bfloat16 or float32: likewise; fractions count.
        dst_type: the format, as in `dynamic_quant`.
        axis: of x; negative from the end.
        reciprocal_scale: multiply by the scale.
        round_mode: "rint"; with HIFLOAT8 "round" (which "rint" means there) or "hybrid".
        out: a tensor to write to, of any strides.

    Returns:
        y: the shape of x in the dtype of the format; INT4 uint8 [..., H/2].

    Raises:
        TypeError: a dtype that is not listed.
        ValueError: an axis that x does not have, parameters of another size, an odd H for INT4.

    >>> import torch, kvant
    >>> kvant.quantize(torch.tensor([[1.0, 2.0, 300.0]]), torch.tensor([0.5]), torch.tensor([10.0]))
    tensor([[ 12,  14, 127]], dtype=torch.int8)
    """
    code = format_code("quantize", dst_type)
    rounding = round_mode_code("quantize", round_mode)
    if out is not None:
        numbers = (code, axis, rounding, reciprocal_scale)
        call(_into, x, quant_scales, quant_zero_points, out, *numbers, writes=(out,))
        return out
    inputs = (x, quant_scales, quant_zero_points)
    y: Tensor = call(_functional, *inputs, code, axis, rounding, reciprocal_scale)
    return y
