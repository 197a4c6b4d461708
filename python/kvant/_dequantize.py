"""Codes back to real numbers, and INT4 between one and two codes to a byte."""

import torch
from torch import Tensor

from kvant._call import call
from kvant._codes import (
    Format,
    IndexMode,
    IndexPolicy,
    QuantMode,
    dtype_code,
    format_code,
    index_mode_code,
    index_policy_code,
    quant_mode_code,
)

_ops = torch.ops.kvant
_OUT = {"x": "out"}


def dequantize(
    y: Tensor,
    scale: Tensor,
    offset: Tensor | None = None,
    *,
    dst_type: Format,
    quant_mode: QuantMode = "pertoken",
    group_size: int = 0,
    negate_offset: bool = False,
    dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
) -> Tensor:
    """x = (y - offset) * scale, without offset y * scale, in float32 and rounded once to `dtype`.

    Args:
        y: codes as `dynamic_quant` gives them, any strides; INT4 as uint8 or int32, contiguous in its last dimension.
        scale: float32, float16 or bfloat16: y's logical shape[:-1], with a group_size one more dimension; pertensor
            (1,); perchannel the shape without dimension -2.
        offset: like scale.
        dst_type: the format of the codes. It is never guessed.
        quant_mode, group_size: as given to `dynamic_quant`.
        negate_offset: the offset tensor holds minus the offset.
        dtype: of the result: torch.float32, torch.float16 or torch.bfloat16. Not looked at with `out`.
        out: a tensor to write to, of any strides.

    Raises:
        TypeError: a dtype that is not listed, or one that does not hold codes of dst_type.
        ValueError: shapes that do not agree, negate_offset without an offset.

    >>> import torch, kvant
    >>> x = torch.tensor([[-1.0, 0.0, 0.5, 2.0]])
    >>> y, scale, offset = kvant.dynamic_quant(x, dst_type="int4")
    >>> kvant.dequantize(y, scale, offset, dst_type="int4")
    tensor([[-1.0000,  0.0000,  0.6000,  2.0000]])
    """
    code = format_code("dequantize", dst_type)
    mode = quant_mode_code("dequantize", quant_mode)
    if out is not None:
        numbers = (code, mode, group_size, negate_offset)
        call(_ops.dequantize_out.default, y, scale, offset, out, *numbers, names=_OUT, writes=(out,))
        return out
    number = dtype_code("dequantize", dtype)
    x: Tensor = call(_ops.dequantize.default, y, scale, offset, code, mode, group_size, number, negate_offset)
    return x


def dequantize_gather(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    *,
    dst_type: Format,
    length: int = 1,
    axis: int = -2,
    group_size: int = 0,
    negate_offset: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
    dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
) -> Tensor:
    """Rows of a quantized cache back: the places that indices name, `length` positions from each on.

        batch   x[i, .., t, ..] = value(var[i, .., indices[i] + t, ..])
        pair    x[i, .., t, ..] = value(var[indices[i, 0], .., indices[i, 1] + t, ..])
        slot    x[i, ..] = value(var[s // P, .., s % P, ..]), s = indices[i], P = var.shape[axis], length 1

    value(q) = (q - offset) * scale as in `dequantize`. Padding (-1) and what the policy "skip" skips read as 0.

    Args:
        var: codes [.., H], rank >= 3; INT4 uint8 [.., H/2] or int32 [.., H/8].
        var_scale, var_offset: float32, float16 or bfloat16: var.shape[:-1], with a group_size one more dimension.
        indices: int32 or int64: [n], for "pair" [n, 2].
        dst_type: the format of the codes. It is never guessed.
        length: positions from each index on; "slot" has 1.
        axis: of var; neither its first dimension nor its last.
        group_size: elements with one scale, a divisor of H; 0 is the whole row.
        negate_offset: var_offset holds minus the offset.
        index_mode: "batch", "pair" or "slot", as above.
        index_policy: an index that points outside is an "error", or read as 0 ("skip").
        dtype: of the result: torch.float32, torch.float16 or torch.bfloat16. Not looked at with `out`.
        out: a tensor to write to, of any strides.

    Raises:
        TypeError: a dtype that is not listed. ValueError: shapes that do not agree. IndexError: an index outside.

    >>> import torch, kvant
    >>> cache = torch.arange(8, dtype=torch.int8).reshape(1, 4, 2)
    >>> kvant.dequantize_gather(cache, torch.full((1, 4), 0.5), None, torch.tensor([2]), dst_type="int8",
    ...                         index_mode="batch")
    tensor([[[2.0000, 2.5000]]])
    """
    code = format_code("dequantize_gather", dst_type)
    mode = index_mode_code("dequantize_gather", index_mode)
    policy = index_policy_code("dequantize_gather", index_policy)
    tables = (var, var_scale, var_offset, indices)
    numbers = (code, axis, length, group_size, mode, policy)
    if out is not None:
        call(_ops.dequantize_gather_out.default, *tables, out, *numbers, negate_offset, names=_OUT, writes=(out,))
        return out
    x: Tensor = call(
        _ops.dequantize_gather.default, *tables, *numbers, dtype_code("dequantize_gather", dtype), negate_offset
    )
    return x


def pack_int4(codes: Tensor, *, as_int32: bool = False, out: Tensor | None = None) -> Tensor:
    """int8 codes [..., H] in -8..7 as uint8 [..., H/2], or as int32 [..., H/8].

    Element 2k is the low nibble of byte k. `out` is a tensor to write to, uint8 or int32. Raises ValueError for an H
    that does not fill whole elements, TypeError for another dtype.

    >>> import torch, kvant
    >>> kvant.pack_int4(torch.tensor([1, -1], dtype=torch.int8))
    tensor([241], dtype=torch.uint8)
    """
    if out is not None:
        call(_ops.pack_int4_out.default, codes, out, writes=(out,))
        return out
    packed: Tensor = call(_ops.pack_int4.default, codes, as_int32)
    return packed


def unpack_int4(packed: Tensor, *, out: Tensor | None = None) -> Tensor:
    """uint8 [..., H/2] or int32 [..., H/8] as int8 codes [..., H]. `out` is a tensor to write to.

    Raises ValueError for a last dimension that is not contiguous, TypeError for another dtype.

    >>> import torch, kvant
    >>> kvant.unpack_int4(torch.tensor([241], dtype=torch.uint8))
    tensor([ 1, -1], dtype=torch.int8)
    """
    if out is not None:
        call(_ops.unpack_int4_out.default, packed, out, writes=(out,))
        return out
    codes: Tensor = call(_ops.unpack_int4.default, packed)
    return codes
