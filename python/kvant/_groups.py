"""Groups of consecutive rows, told as end rows (`dynamic_quant`) or as row counts (`dequant_swiglu_quant`)."""

import torch
from torch import Tensor

from kvant._call import call

_ops = torch.ops.kvant


def counts_from_ends(ends: Tensor, *, out: Tensor | None = None) -> Tensor:
    """counts[i] = ends[i] - ends[i - 1], with ends[-1] = 0; int32 or int64 [G], the dtype of ends.

    `out` is a tensor to write to, int32 or int64. Raises TypeError for another dtype, IndexError for ends that decrease
    or are negative.

    >>> import torch, kvant
    >>> kvant.counts_from_ends(torch.tensor([2, 2, 5]))
    tensor([2, 0, 3])
    """
    if out is not None:
        call(_ops.counts_from_ends_out.default, ends, out, writes=(out,))
        return out
    counts: Tensor = call(_ops.counts_from_ends.default, ends)
    return counts


def ends_from_counts(counts: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ends[i] = counts[0] + ... + counts[i]; int32 or int64 [G], the dtype of counts.

    `out` is a tensor to write to, int32 or int64. Raises TypeError for another dtype, IndexError for a negative count
    or a sum that the dtype cannot hold.

    >>> import torch, kvant
    >>> kvant.ends_from_counts(torch.tensor([2, 0, 3]))
    tensor([2, 2, 5])
    """
    if out is not None:
        call(_ops.ends_from_counts_out.default, counts, out, writes=(out,))
        return out
    ends: Tensor = call(_ops.ends_from_counts.default, counts)
    return ends
