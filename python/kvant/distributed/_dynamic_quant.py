"""Dynamic quantization of a tensor that is split along its last dimension."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed._functional_collectives import all_reduce

import kvant
from kvant._call import no_gradient
from kvant._codes import Format, QuantMode


def _ordered(t: Tensor) -> Tensor:
    """Float32 bits as int32 that are ordered like the numbers: -0 below +0, and above everything kvant's NaN.

    Its own inverse, on the bits.
    """
    bits = t.view(torch.int32) if t.dtype == torch.float32 else t
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _largest(t: Tensor, group: Any) -> Tensor:
    """The maximum over all machines. Of integers, so that it is exact and a NaN is a number like others."""
    largest: Tensor = all_reduce(t, "max", group)
    return largest


def _min_max(low: Tensor, high: Tensor, group: Any) -> tuple[Tensor, Tensor]:
    """Of all machines, in one collective: the maximum of (max, -min)."""
    both = _largest(torch.stack([_ordered(high), ~_ordered(low)]), group)
    high, low = (_ordered(bits).view(torch.float32) for bits in (both[0], ~both[1]))
    # A NaN anywhere makes both NaN; as a minimum it has lost against every number.
    return torch.where(high.isnan(), high, low), high


def dynamic_quant(
    x: Tensor,
    *,
    group: Any = None,
    dst_type: Format = "int8",
    symmetric: bool = False,
    quant_mode: QuantMode = "pertoken",
    smooth_scales: Tensor | None = None,
    group_index: Tensor | None = None,
    group_size: int = 0,
    dst_type_max: float = 0.0,
) -> tuple[Tensor, ...]:
    """`kvant.dynamic_quant` of the tensor whose last dimension is split over the machines of `group`.

    Each gives its part of x, and of smooth_scales along H, and gets its part of the codes; scale and offset are those
    of the whole tensor, equal on all. Put together, the results have the bits that one machine gives: between
    `kvant.row_minmax` and `kvant.params_from_minmax` is one MAX all-reduce of integers. With quant_mode "perchannel" or
    a group_size every scale belongs to one machine, and nothing is sent.

    Args:
        group: a process group, a DeviceMesh of one dimension, or None: all processes.
        The others are those of `kvant.dynamic_quant`.

    Returns:
        (y, scale, offset), symmetric (y, scale).

    Raises:
        RuntimeError: torch.distributed has not been initialized. Otherwise what `kvant.dynamic_quant` raises.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError("kvant.distributed.dynamic_quant needs torch.distributed: call init_process_group first")
    shared: dict[str, Any] = {"quant_mode": quant_mode, "smooth_scales": smooth_scales, "group_index": group_index}
    if quant_mode == "perchannel" or group_size != 0:
        return kvant.dynamic_quant(
            x, dst_type=dst_type, symmetric=symmetric, group_size=group_size, dst_type_max=dst_type_max, **shared
        )
    where = dist.group.WORLD if group is None else group
    limits: dict[str, Any] = {"dst_type": dst_type, "dst_type_max": dst_type_max}
    if symmetric:
        amax = _ordered(_largest(_ordered(kvant.row_amax(x, **shared)), where)).view(torch.float32)
        scale = kvant.params_from_amax(amax, **limits)
        y = kvant.quantize_with_params(x, scale, dst_type=dst_type, **shared)
        return y, no_gradient(scale, x, smooth_scales)
    low, high = _min_max(*kvant.row_minmax(x, **shared), where)
    scale, offset = kvant.params_from_minmax(low, high, **limits)
    y = kvant.quantize_with_params(x, scale, offset, dst_type=dst_type, **shared)
    return y, no_gradient(scale, x, smooth_scales), no_gradient(offset, x, smooth_scales)
