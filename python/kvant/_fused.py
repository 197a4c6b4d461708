"""Dynamic quantization on the way into a cache."""

from typing import TypeAlias, overload

import torch
from torch import Tensor

from kvant._call import call
from kvant._codes import Format, IndexMode, IndexPolicy, format_code, index_mode_code, index_policy_code

_in_place = torch.ops.kvant.dynamic_quant_update_scatter_.default

Second: TypeAlias = tuple[Tensor, Tensor, Tensor | None, Tensor]


@overload
def dynamic_quant_update_scatter_(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    updates: Tensor,
    *,
    dst_type: Format,
    axis: int = -2,
    smooth_scales: Tensor | None = None,
    group_size: int = 0,
    negate_offset: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
    second: None = None,
) -> tuple[Tensor, Tensor, Tensor | None]: ...
@overload
def dynamic_quant_update_scatter_(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    updates: Tensor,
    *,
    dst_type: Format,
    axis: int = -2,
    smooth_scales: Tensor | None = None,
    group_size: int = 0,
    negate_offset: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
    second: Second,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor, Tensor | None]: ...
@overload
def dynamic_quant_update_scatter_(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    updates: Tensor,
    *,
    dst_type: Format,
    axis: int = -2,
    smooth_scales: Tensor | None = None,
    group_size: int = 0,
    negate_offset: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
    second: Second | None,
) -> tuple[Tensor | None, ...]: ...
def dynamic_quant_update_scatter_(
    var: Tensor,
    var_scale: Tensor,
    var_offset: Tensor | None,
    indices: Tensor,
    updates: Tensor,
    *,
    dst_type: Format,
    axis: int = -2,
    smooth_scales: Tensor | None = None,
    group_size: int = 0,
    negate_offset: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
    second: Second | None = None,
) -> tuple[Tensor | None, ...]:
    """Quantizes each row of updates and writes codes, scale and offset to the places that indices name, in one pass.

    What `dynamic_quant` (pertoken) and a `scatter_update_` of each of its results would do, bit by bit; without
    var_offset symmetric. In a 16-bit table scale and offset are rounded, and the codes follow from the rounded ones.

    Args:
        var: codes [.., H], rank >= 3: int8, or INT4 as uint8 [.., H/2] or int32 [.., H/8].
        var_scale, var_offset: float32, float16 or bfloat16 of shape var.shape[:-1], with a group_size one more
            dimension of H/group_size. var_offset None: symmetric.
        indices, axis, index_mode, index_policy: as in `scatter_update_`, for var.
        updates: float16, bfloat16 or float32, H elements to a row.
        dst_type: "int8" or "int4".
        smooth_scales: [H], multiplied before; those of `second` too.
        group_size: elements with one scale, a divisor of H; 0 is the whole row.
        negate_offset: the table gets minus the offset, for readers that add it.
        second: (var, var_scale, var_offset, updates) of a second cache written with the same indices: K and V in one
            call.

    Returns:
        (var, var_scale, var_offset), with `second` followed by its three tables.

    Raises:
        TypeError: a dtype that is not listed. ValueError: shapes that do not agree, tables that overlap. IndexError:
        an index that points outside; nothing has been written.

    >>> import torch, kvant
    >>> var, scale, offset = torch.zeros(1, 2, 4, dtype=torch.int8), torch.zeros(1, 2), torch.zeros(1, 2)
    >>> x = torch.tensor([[[0.0, 1.0, 2.0, 2.55]]])
    >>> _ = kvant.dynamic_quant_update_scatter_(var, scale, offset, torch.tensor([1]), x, dst_type="int8",
    ...                                         index_mode="batch")
    >>> var[0, 1], scale, offset
    (tensor([-128,  -28,   72,  127], dtype=torch.int8), tensor([[0.0000, 0.0100]]), tensor([[   0., -128.]]))
    """
    if second is not None and len(second) != 4:
        text = f"second has {len(second)} tensors, expected (var, var_scale, var_offset, updates)"
        raise ValueError(f"dynamic_quant_update_scatter_: {text}")
    other = (None, None, None, None) if second is None else second
    written = (var, var_scale, var_offset) if second is None else (var, var_scale, var_offset, *second[:3])
    numbers = (
        format_code("dynamic_quant_update_scatter_", dst_type),
        axis,
        group_size,
        index_mode_code("dynamic_quant_update_scatter_", index_mode),
        index_policy_code("dynamic_quant_update_scatter_", index_policy),
    )
    inputs = (var, var_scale, var_offset, indices, updates, smooth_scales, *other)
    call(_in_place, *inputs, *numbers, negate_offset, writes=[t for t in written if t is not None])
    return written
