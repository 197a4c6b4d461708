"""Rows to places of a cache that indices name.

For n updates along axis a, U positions each, 0 <= t < U:

    batch   indices [n]      self[i, .., indices[i] + t, ..] = updates[i, .., t, ..]; n is at most self.shape[0]
    pair    indices [n, 2]   self[indices[i, 0], .., indices[i, 1] + t, ..] = updates[i, .., t, ..]
    slot    indices [n]      self[s // P, .., s % P, ..] = updates[i, ..], s = indices[i], P = self.shape[a]: caches of
                             pages of P positions; updates lack dimension a

-1, in either element of a pair, marks padding: that update is skipped. Any other index that points outside is an error
before anything is written, or skipped with index_policy="skip". What no index names keeps every byte.
"""

from typing import Literal

import torch
from torch import Tensor

from kvant._call import call
from kvant._codes import (
    Format,
    IndexMode,
    IndexPolicy,
    RoundMode,
    check_reduce,
    format_code,
    format_of_cache,
    index_mode_code,
    index_policy_code,
    round_mode_code,
)

_update = torch.ops.kvant.scatter_update.default
_update_in_place = torch.ops.kvant.scatter_update_.default
_quant = torch.ops.kvant.quant_scatter.default
_quant_in_place = torch.ops.kvant.quant_scatter_.default


def scatter_update(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = -2,
    *,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
) -> Tensor:
    """A copy of self with updates written to the places that indices name (see `scatter_update_`).

    >>> import torch, kvant
    >>> kvant.scatter_update(torch.zeros(1, 3, 2), torch.tensor([1]), torch.ones(1, 1, 2), index_mode="batch")
    tensor([[[0., 0.],
             [1., 1.],
             [0., 0.]]])
    """
    mode = index_mode_code("scatter_update", index_mode)
    out: Tensor = call(_update, self, indices, updates, axis, mode, index_policy_code("scatter_update", index_policy))
    return out


def scatter_update_(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = -2,
    *,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
) -> Tensor:
    """Copies updates, as bytes, to the places of self that indices name; returns self.

    Args:
        self: any dtype, rank >= 2, any strides.
        indices: int32 or int64, any strides: [n], for "pair" [n, 2].
        updates: dtype of self, any strides.
        axis: of self, not its first dimension; negative from the end.
        index_mode: "batch", "pair" or "slot".
            batch   self[i, .., indices[i] + t, ..] = updates[i, .., t, ..]
            pair    self[indices[i, 0], .., indices[i, 1] + t, ..] = updates[i, .., t, ..]
            slot    self[s // P, .., s % P, ..] = updates[i, ..], s = indices[i], P = self.shape[axis]
            -1 in either element of a pair, or as a slot, is padding. Of two updates of one place the later one wins.
        index_policy: an index that points outside is an "error", and nothing is written, or its update is left out
            ("skip").

    Raises:
        TypeError: indices or updates of another dtype.
        ValueError: an illegal axis, shapes that do not agree, a self that overlaps itself or an input.
        IndexError: an index that points outside; names the first one.

    >>> import torch, kvant
    >>> cache = torch.zeros(2, 2, 2)
    >>> kvant.scatter_update_(cache, torch.tensor([3]), torch.ones(1, 2), index_mode="slot")
    tensor([[[0., 0.],
             [0., 0.]],
    <BLANKLINE>
            [[0., 0.],
             [1., 1.]]])
    """
    mode = index_mode_code("scatter_update_", index_mode)
    call(
        _update_in_place,
        self,
        indices,
        updates,
        axis,
        mode,
        index_policy_code("scatter_update_", index_policy),
        writes=(self,),
    )
    return self


def _code_of(op: str, self: Tensor, dst_type: Format | None) -> int:
    return format_code(op, format_of_cache(op, self, "'hifloat8'") if dst_type is None else dst_type)


def quant_scatter(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    *,
    axis: int = -2,
    quant_axis: int = -1,
    reduce: Literal["update"] = "update",
    dst_type: Format | None = None,
    round_mode: RoundMode = "rint",
    reciprocal_scale: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
) -> Tensor:
    """A copy of self with quantized updates written to the places that indices name (see `quant_scatter_`).

    >>> import torch, kvant
    >>> cache = torch.zeros(1, 2, 2, dtype=torch.int8)
    >>> kvant.quant_scatter(cache, torch.tensor([1]), torch.ones(1, 1, 2), torch.tensor([0.25]), index_mode="batch")
    tensor([[[0, 0],
             [4, 4]]], dtype=torch.int8)
    """
    check_reduce("quant_scatter", reduce)
    code = _code_of("quant_scatter", self, dst_type)
    rounding = round_mode_code("quant_scatter", round_mode)
    mode = index_mode_code("quant_scatter", index_mode)
    policy = index_policy_code("quant_scatter", index_policy)
    numbers = (code, axis, quant_axis, rounding, mode, policy)
    out: Tensor = call(_quant, self, indices, updates, quant_scales, quant_zero_points, *numbers, reciprocal_scale)
    return out


def quant_scatter_(
    self: Tensor,
    indices: Tensor,
    updates: Tensor,
    quant_scales: Tensor,
    quant_zero_points: Tensor | None = None,
    *,
    axis: int = -2,
    quant_axis: int = -1,
    reduce: Literal["update"] = "update",
    dst_type: Format | None = None,
    round_mode: RoundMode = "rint",
    reciprocal_scale: bool = False,
    index_mode: IndexMode,
    index_policy: IndexPolicy = "error",
) -> Tensor:
    """Writes cast(updates / scale + zero_point) to the places of self that indices name; returns self.

    With reciprocal_scale it is cast(updates * scale + zero_point). The bits are those of `quantize` followed by
    `scatter_update_`.

    Args:
        self: int8, float8_e4m3fn, float8_e5m2, or hifloat8 codes as uint8; rank >= 3, any strides.
        indices, axis, index_mode, index_policy: as in `scatter_update_`; the axis is not the last dimension either.
        updates: float16, bfloat16 or float32.
        quant_scales: float16, bfloat16 or float32: H elements in any shape, or one.
        quant_zero_points: int32, float16, bfloat16 or float32: likewise; fractions count.
        quant_axis: the last dimension of updates.
        reduce: "update".
        dst_type: the format of self. None takes it from the dtype; a uint8 self needs it.
        round_mode: "rint"; with HIFLOAT8 "round" (which "rint" means there) or "hybrid".

    Raises:
        TypeError: a dtype that is not listed. ValueError: shapes or attributes that do not agree. IndexError: an index
        that points outside; nothing has been written.

    >>> import torch, kvant
    >>> cache = torch.zeros(1, 2, 2, dtype=torch.int8)
    >>> _ = kvant.quant_scatter_(cache, torch.tensor([0]), torch.ones(1, 1, 2), torch.tensor([0.5]), index_mode="batch")
    >>> cache
    tensor([[[2, 2],
             [0, 0]]], dtype=torch.int8)
    """
    check_reduce("quant_scatter_", reduce)
    code = _code_of("quant_scatter_", self, dst_type)
    rounding = round_mode_code("quant_scatter_", round_mode)
    mode = index_mode_code("quant_scatter_", index_mode)
    policy = index_policy_code("quant_scatter_", index_policy)
    numbers = (code, axis, quant_axis, rounding, mode, policy)
    inputs = (self, indices, updates, quant_scales, quant_zero_points)
    call(_quant_in_place, *inputs, *numbers, reciprocal_scale, writes=(self,))
    return self
