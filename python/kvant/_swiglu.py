"""The activation between the two matrix products of a mixture of experts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kvant._call import call, results
from kvant._codes import Format, ScaleSource, format_code, scale_source_code

_functional = torch.ops.kvant.dequant_swiglu_quant.default
_into = torch.ops.kvant.dequant_swiglu_quant_out.default


def dequant_swiglu_quant(
    x: Tensor,
    *,
    weight_scale: Tensor | None = None,
    activation_scale: Tensor | None = None,
    bias: Tensor | None = None,
    quant_scale: Tensor | None = None,
    quant_offset: Tensor | None = None,
    group_index: Tensor | None = None,
    activate_left: bool = False,
    quant_mode: ScaleSource = 0,
    dst_type: Format = "int8",
    swiglu_mode: int = 0,
    clamp_limit: float = 7.0,
    glu_alpha: float = 1.702,
    glu_bias: float = 1.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Dequantizes int32 products, applies SwiGLU and quantizes again, in one pass.

    For every row, with g its parameter row:

        v = float(x + bias[g])                                  int32 bias
        v = (v * weight_scale[g]) * activation_scale[row]       x int32
        v = v + bias[g]                                         floating bias
        act, lin = halves of v                                  activate_left: act first, else lin first
        mode 0       s = (act / (1 + exp(-act))) * lin
        modes 1, 2   a = min(act, L), b = clamp(lin, -L, L) + glu_bias, s = (a / (1 + exp(-(glu_alpha * a)))) * b;
                     in mode 1 act are the even elements of a row and lin the odd ones
        dynamic      s = s * quant_scale[g], scale = max|s| / D, y = cast(s / scale)
        static       y = cast(s / quant_scale[g] + quant_offset[g]), scale is 0

    Args:
        x: int32, bfloat16, float16 or float32 [..., 2H]. Only int32 takes weight_scale, activation_scale and bias.
        weight_scale: float32 [2H], [1, 2H] or [P, 2H].
        activation_scale: float32, an element for each row.
        bias: int32, float32, float16 or bfloat16, shaped like weight_scale.
        quant_scale, quant_offset: float32, float16 or bfloat16 [H], [1, H], [P, H], or one number for all columns: [1],
            [P], [P, 1]. quant_offset is for static quantization.
        group_index: int32 or int64. [G]: how many rows each group has; [G, 2]: (parameter row, how many rows). Rows
            past the last group give codes and a scale of 0.
        quant_mode: 0 or "static", 1 or "dynamic".
        dst_type: "int8", "float8_e4m3fn", "float8_e5m2", "hifloat8", or the torch dtype.
        swiglu_mode, clamp_limit (L), glu_alpha, glu_bias: as above; mode 0 takes the defaults of the last three alone.
        out: (y, scale) to write to, of any strides.

    Returns:
        (y, scale): codes [..., H], float32 x.shape[:-1].

    Raises:
        TypeError: a dtype that is not listed. ValueError: shapes or attributes that do not agree. IndexError: a
        group_index with a negative count, more rows than x has, or a parameter row that there is not.

    >>> import torch, kvant
    >>> x = torch.tensor([[1.0, 2.0, 0.5, 4.0]])
    >>> y, scale = kvant.dequant_swiglu_quant(x, quant_mode="dynamic")
    >>> y
    tensor([[  5, 127]], dtype=torch.int8)
    """
    inputs = (x, weight_scale, activation_scale, bias, quant_scale, quant_offset, group_index)
    numbers = (
        scale_source_code("dequant_swiglu_quant", quant_mode),
        format_code("dequant_swiglu_quant", dst_type),
        swiglu_mode,
    )
    attributes = (clamp_limit, glu_alpha, glu_bias, activate_left)
    if out is not None:
        y, scale = results("dequant_swiglu_quant", out, ("y", "scale"))
        call(_into, *inputs, y, scale, *numbers, *attributes, writes=(y, scale))
        return y, scale
    made: tuple[Tensor, Tensor] = call(_functional, *inputs, *numbers, *attributes)
    return made
