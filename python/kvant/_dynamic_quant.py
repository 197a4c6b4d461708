"""Dynamic quantization."""

from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor

from kvant._call import call, results
from kvant._codes import Format, QuantMode, format_code, quant_mode_code

_asymmetric = torch.ops.kvant.dynamic_quant.default
_symmetric = torch.ops.kvant.dynamic_quant_symmetric.default
_into = torch.ops.kvant.dynamic_quant_out.default


@overload
def dynamic_quant(
    x: Tensor,
    *,
    dst_type: Format = "int8",
    symmetric: Literal[False] = False,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def dynamic_quant(
    x: Tensor,
    *,
    dst_type: Format = "int8",
    symmetric: Literal[True],
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]: ...
@overload
def dynamic_quant(
    x: Tensor,
    *,
    dst_type: Format = "int8",
    symmetric: bool,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, ...]: ...
def dynamic_quant(
    x: Tensor,
    *,
    dst_type: Format = "int8",
    symmetric: bool = False,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, ...]:
    """Measures scale (and offset) and quantizes with them, in one pass.

    With x' = x * smooth_scales, D the largest code and R the range of codes of `dst_type`:

        symmetric    scale = max|x'| / D                          y = cast(x' / scale)
        asymmetric   scale = max((max x' - min x') / R, 1e-12)    offset = D - max x' / scale
                                                                  y = cast(x' / scale + offset)

    Reconstruct with (y - offset) * scale, which is `dequantize`.

    Args:
        x: float16, bfloat16 or float32 of shape [..., H], any strides.
        dst_type: "int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8", or the torch dtype.
        symmetric: no offset.
        quant_mode: one scale for each row of the last dimension ("pertoken"), for the whole tensor ("pertensor"), or
            for each column, over dimension -2 ("perchannel").
        smooth_scales: float16, bfloat16 or float32 [H]; with `group_index` [E, H]; perchannel [x.shape[-2]].
        group_index: int32 or int64 [E]: the end rows of the experts, the last equal to the number of rows.
        group_size: pertoken, INT8 and INT4: elements with one scale, a divisor of H; 0 is the whole row.
        dst_type_max: HIFLOAT8: D, at most 32768; 0 means 32768.
        out: (y, scale, offset), symmetric (y, scale), to write to, of any strides.

    Returns:
        (y, scale, offset), symmetric (y, scale). y has the shape of x and the dtype of the format; "int4" is uint8
        [..., H/2] with two codes to a byte, "hifloat8" uint8. scale and offset are float32: x.shape[:-1], with a
        group_size [..., H/group_size]; pertensor (1,); perchannel x.shape without dimension -2.

    Raises:
        TypeError: a dtype that is not listed.
        ValueError: shapes that do not agree, an odd H for INT4, a group_size that does not divide H, results that
            overlap one another or an input.
        IndexError: a group_index that decreases or does not end at the number of rows.

    >>> import torch, kvant
    >>> y, scale = kvant.dynamic_quant(torch.tensor([[-1.0, 0.5, 0.25, 2.0]]), symmetric=True)
    >>> y
    tensor([[-64,  32,  16, 127]], dtype=torch.int8)
    >>> scale
    tensor([0.0157])
    """
    code = format_code("dynamic_quant", dst_type)
    mode = quant_mode_code("dynamic_quant", quant_mode)
    if not isinstance(symmetric, bool):  # "no" would be true
        raise TypeError(f"dynamic_quant: symmetric is {symmetric!r}, expected True or False")
    if out is not None:
        into = results("dynamic_quant", out, ("y", "scale") if symmetric else ("y", "scale", "offset"))
        offset = None if symmetric else into[2]
        numbers = (code, mode, group_size, dst_type_max)
        call(_into, x, smooth_scales, group_index, into[0], into[1], offset, *numbers, writes=into)
        return into
    op = _symmetric if symmetric else _asymmetric
    made: tuple[Tensor, ...] = call(op, x, smooth_scales, group_index, code, mode, group_size, dst_type_max)
    return made
