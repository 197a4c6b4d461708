"""How DTensor may shard the functional operators: which placements of inputs give which placements of results.

What reduces over a dimension, packs it or is placed by indices along it is not sharded there: DTensor gathers it first.
In-place operators have no rule: a cache belongs to its machine, which calls them on its own part.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch.distributed.tensor.experimental import register_sharding
from torch.distributed.tensor.placement_types import Placement, Replicate, Shard

from kvant._codes import INT4_BYTES, INT4_WORDS

# Placements of the results, and of the arguments (None: no tensor).
Rule: TypeAlias = tuple[list[Placement | None], list[Placement | None]]

_ops = torch.ops.kvant
_PERTOKEN, _PERTENSOR, _PERCHANNEL = range(3)
_SLOT = 2


def _dims(t: Any) -> int:
    return len(t.shape)


def _like(argument: Any, placement: Placement) -> Placement | None:
    return None if argument is None or not hasattr(argument, "shape") else placement


def _replicated(results: int, args: Sequence[Any]) -> Rule:
    return [Replicate()] * results, [_like(a, Replicate()) for a in args]


def _rule(results: list[Placement], args: Sequence[Any], sharded: dict[int, Placement]) -> Rule:
    """Arguments by their numbers; the others are replicated."""
    return list(results), [_like(a, sharded.get(i, Replicate())) for i, a in enumerate(args)]


def _is_int4(dst_type: int) -> bool:
    return dst_type in (INT4_BYTES, INT4_WORDS)


def _rows(x: Any, quant_mode: int, group_index: Any) -> Iterator[tuple[int, int]]:
    """Dimensions of x along which rows may be split, and where those are in its scales."""
    if quant_mode == _PERTENSOR or group_index is not None:
        return
    leading = _dims(x) - (2 if quant_mode == _PERCHANNEL else 1)
    yield from ((d, d) for d in range(leading))


def _dynamic(results: int, codes: bool) -> Callable[..., list[Rule]]:
    """dynamic_quant and the statistics; `codes`: the first result has the shape of x."""

    def rules(*args: Any) -> list[Rule]:
        x, _, group_index, *numbers = args
        quant_mode = numbers[1] if codes else numbers[0]
        found = [_replicated(results, args)]
        for d, s in _rows(x, quant_mode, group_index):
            placements: list[Placement] = [Shard(s)] * results
            if codes:
                placements[0] = Shard(d)
            found.append(_rule(placements, args, {0: Shard(d)}))
        if quant_mode == _PERCHANNEL and not (codes and _is_int4(numbers[0])):
            last = _dims(x) - 1
            placements = [Shard(last - 1)] * results
            if codes:
                placements[0] = Shard(last)
            found.append(_rule(placements, args, {0: Shard(last)}))
        return found

    return rules


def _elementwise(results: int) -> Callable[..., list[Rule]]:
    """params_from_*: all tensors have one shape."""

    def rules(*args: Any) -> list[Rule]:
        tensors = [i for i, a in enumerate(args) if hasattr(a, "shape")]
        split = [_rule([Shard(d)] * results, args, dict.fromkeys(tensors, Shard(d))) for d in range(_dims(args[0]))]
        return [_replicated(results, args), *split]

    return rules


def _with_params(*args: Any) -> list[Rule]:
    """quantize_with_params(x, scale, offset, smooth_scales, group_index, dst_type, quant_mode, group_size)."""
    x, _, _, _, group_index, dst_type, quant_mode, group_size = args
    found = [_replicated(1, args)]
    for d, s in _rows(x, quant_mode, group_index):
        found.append(_rule([Shard(d)], args, {0: Shard(d), 1: Shard(s), 2: Shard(s)}))
    if quant_mode == _PERTOKEN and group_index is None and group_size == 0 and not _is_int4(dst_type):
        last = _dims(x) - 1
        found.append(_rule([Shard(last)], args, {0: Shard(last), 3: Shard(0)}))
    return found


def _static(*args: Any) -> list[Rule]:
    """quantize(x, quant_scales, quant_zero_points, dst_type, axis, ...)."""
    x, _, _, dst_type, axis, *_ = args
    last = _dims(x) - 1
    free = [d for d in range(last + 1) if d != axis % (last + 1) and not (d == last and _is_int4(dst_type))]
    return [_replicated(1, args), *(_rule([Shard(d)], args, {0: Shard(d)}) for d in free)]


def _dequantize(*args: Any) -> list[Rule]:
    """dequantize(y, scale, offset, dst_type, quant_mode, ...)."""
    y, _, _, _, quant_mode, *_ = args
    rows = _rows(y, quant_mode, None)
    return [_replicated(1, args), *(_rule([Shard(d)], args, {0: Shard(d), 1: Shard(s), 2: Shard(s)}) for d, s in rows)]


def _swiglu(*args: Any) -> list[Rule]:
    """dequant_swiglu_quant(x, weight_scale, activation_scale, bias, quant_scale, quant_offset, group_index, ...)."""
    x, _, activation_scale, _, _, _, group_index, *_ = args
    rows = tuple(x.shape[:-1])
    known = activation_scale is None or tuple(activation_scale.shape) in (rows, (*rows, 1))
    free = range(len(rows)) if known and group_index is None else ()
    return [_replicated(2, args), *(_rule([Shard(d), Shard(d)], args, {0: Shard(d), 2: Shard(d)}) for d in free)]


def _whole(*args: Any) -> list[Rule]:
    """Groups are those of all rows."""
    return [_replicated(1, args)]


def _leading(*args: Any) -> list[Rule]:
    """pack_int4 and unpack_int4: every dimension but the last."""
    return [_replicated(1, args), *(_rule([Shard(d)], args, {0: Shard(d)}) for d in range(_dims(args[0]) - 1))]


def _free(cache: Any, axis: int, index_mode: int, whole_rows: bool) -> Iterator[tuple[int, int]]:
    """Dimensions of a cache that indices do not name, such as its heads, and where those are in updates."""
    rank = _dims(cache)
    axis %= rank
    for d in range(1, rank - 1 if whole_rows else rank):
        if d != axis:
            yield d, d - 1 if index_mode == _SLOT and d > axis else d


def _scatter(*args: Any) -> list[Rule]:
    """scatter_update(dest, indices, updates, axis, index_mode, index_policy)."""
    dest, _, _, axis, index_mode, *_ = args
    free = _free(dest, axis, index_mode, False)
    return [_replicated(1, args), *(_rule([Shard(d)], args, {0: Shard(d), 2: Shard(u)}) for d, u in free)]


def _quant_scatter(*args: Any) -> list[Rule]:
    """quant_scatter(dest, indices, updates, scales, zeros, dst_type, axis, quant_axis, round_mode, index_mode, ...)."""
    dest, axis, index_mode = args[0], args[6], args[9]
    free = _free(dest, axis, index_mode, True)
    return [_replicated(1, args), *(_rule([Shard(d)], args, {0: Shard(d), 2: Shard(u)}) for d, u in free)]


def _gather(*args: Any) -> list[Rule]:
    """dequantize_gather(var, var_scale, var_offset, indices, dst_type, axis, length, group_size, index_mode, ...)."""
    var, axis, index_mode = args[0], args[5], args[8]
    free = _free(var, axis, index_mode, True)
    return [_replicated(1, args), *(_rule([Shard(x)], args, {i: Shard(d) for i in range(3)}) for d, x in free)]


_RULES: dict[Any, Callable[..., list[Rule]]] = {
    _ops.dynamic_quant.default: _dynamic(3, codes=True),
    _ops.dynamic_quant_symmetric.default: _dynamic(2, codes=True),
    _ops.row_minmax.default: _dynamic(2, codes=False),
    _ops.row_amax.default: _dynamic(1, codes=False),
    _ops.params_from_minmax.default: _elementwise(2),
    _ops.params_from_amax.default: _elementwise(1),
    _ops.quantize_with_params.default: _with_params,
    _ops.quantize.default: _static,
    _ops.dequantize.default: _dequantize,
    _ops.dequant_swiglu_quant.default: _swiglu,
    _ops.pack_int4.default: _leading,
    _ops.unpack_int4.default: _leading,
    _ops.counts_from_ends.default: _whole,
    _ops.ends_from_counts.default: _whole,
    _ops.scatter_update.default: _scatter,
    _ops.quant_scatter.default: _quant_scatter,
    _ops.dequantize_gather.default: _gather,
}


def _with_defaults(op: Any, rules: Callable[..., list[Rule]]) -> Callable[..., list[Rule]]:
    """Arguments that have their defaults do not reach a rule: they are put back."""
    arguments = op._schema.arguments

    def complete(*args: Any, **kwargs: Any) -> list[Rule]:
        rest = [kwargs.get(a.name, a.default_value) for a in arguments[len(args) :]]
        return rules(*args, *rest)

    return complete


def register() -> None:
    for op, rules in _RULES.items():
        register_sharding(op)(_with_defaults(op, rules))
