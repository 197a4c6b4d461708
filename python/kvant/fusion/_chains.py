"""From a result of a quantization to the write that takes it: views, copies and a negation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

from kvant.fusion._graph import (
    CONVERT,
    COPY,
    equal,
    is_basic_index,
    is_metadata,
    is_neg,
    is_view,
    name_of,
    same_shape,
    tensor,
    value,
)
from kvant.fusion._writes import Write

_RESHAPES = frozenset(
    {
        *("view", "view_as", "_unsafe_view", "reshape", "reshape_as", "unsqueeze", "squeeze", "flatten", "unflatten"),
        *("ravel", "detach", *COPY, *CONVERT),
    }
)
# They are reshapes where the result has as many elements as before.
_PARTS = frozenset({"select", "slice", "narrow", "expand", "expand_as"})
_PERMUTATIONS = frozenset(
    {
        *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"),
        *("t", "T", "numpy_T", "H", "mT", "mH", "adjoint"),
    }
)
# Rows before a permutation, and where they go; dimensions of one element do not count.
Permutation = tuple[list[Any], list[int]]


class NotFusedError(Exception):
    """The reason why a place stays as it is."""


@dataclass
class Chain:
    source: Node
    write: Write
    nodes: list[Node] = field(default_factory=list)  # from the one after source to the one that is written
    negated: bool = False


def follow(source: Node, writes: dict[Node, Write], what: str) -> Chain:
    nodes: list[Node] = []
    node, negated = source, False
    verb = "are" if what.endswith("s") else "is"
    while True:
        users = [user for user in node.users if user.users or user in writes or not _is_idle(user)]
        if len(users) != 1:
            readers = "nothing" if not users else " and ".join(sorted(user.name for user in users))
            raise NotFusedError(f"{what} should have one reader, a scatter_update, and {verb} read by {readers}")
        (user,) = users
        write = writes.get(user)
        if write is not None and write.updates is node and write.indices is not node:
            return Chain(source, write, nodes, negated)
        if is_neg(user):
            negated = not negated
        elif not user.args or user.args[0] is not node or not (_permutation(user) or _is_reshape(user)):
            raise NotFusedError(
                f"{what} {verb} read by {user.name}, which is no view and no write of kvant's to a cache"
            )
        nodes.append(user)
        node = user


def _is_idle(node: Node) -> bool:
    """Without effect where nobody uses it."""
    return is_view(node) or is_metadata(node)


def _is_reshape(node: Node) -> bool:
    before, after = tensor(node.args[0]) if node.args else None, tensor(node)
    if before is None or after is None or before.dtype != after.dtype or before.device != after.device:
        return False
    if name_of(node) in _PARTS or (name_of(node) == "getitem" and is_basic_index(node.args[1])):
        return equal(before.numel(), after.numel())
    return name_of(node) in _RESHAPES


def _permutation(node: Node) -> list[int] | None:
    """Dimensions of the argument in the order in which the result has them."""
    before = tensor(node.args[0]) if node.args else None
    name = name_of(node)
    if before is None or before.dim() == 0 or name not in _PERMUTATIONS:
        return None
    order = list(range(before.dim()))
    if name in ("t", "T", "numpy_T", "H"):
        return order[::-1]
    if name in ("mT", "mH", "adjoint"):
        return [*order[:-2], *order[:-3:-1]]
    if name in ("movedim", "moveaxis"):
        given = [node.kwargs.get(key) for key in ("source", "destination")[len(node.args) - 1 :]]
        source, target = (_dimensions(part, order) for part in (*node.args[1:], *given))
        if source is None or target is None:
            return None
        moved, others = dict(zip(target, source, strict=True)), (d for d in order if d not in source)
        return [moved[d] if d in moved else next(others) for d in order]
    # By name they are two that change places, or all of them.
    numbers = _dimensions((*node.args[1:], *node.kwargs.values()), order)
    if name == "permute" or numbers is None:
        return numbers
    a, b = numbers
    order[a], order[b] = order[b], order[a]
    return order


def _dimensions(given: Any, order: list[int]) -> list[int] | None:
    """From the front; given as a number, several, or a list."""
    numbers = given if isinstance(given, tuple | list) else (given,)
    if len(numbers) == 1 and isinstance(numbers[0], tuple | list):
        numbers = numbers[0]
    return [order[number] for number in numbers] if all(isinstance(number, int) for number in numbers) else None


def permutations(chain: Chain, *, rows_only: bool) -> list[Permutation]:
    """In which order the rows come. rows_only: every dimension is one of rows, else the last one stays where it is."""
    found: list[Permutation] = []
    for node in chain.nodes:
        before, after = tensor(node.args[0]), tensor(node)
        assert before is not None
        assert after is not None
        order = _permutation(node)
        if not rows_only:
            moved = order is not None and order[-1] != before.dim() - 1
            if moved or before.dim() == 0 or after.dim() == 0 or not equal(before.shape[-1], after.shape[-1]):
                raise NotFusedError(f"{node.name} takes rows apart")
        if order is None:
            continue
        shape = list(before.shape) if rows_only else list(before.shape[:-1])
        kept = [d for d, size in enumerate(shape) if not equal(size, 1)]
        target = [kept.index(d) for d in order if d in kept]
        if target != sorted(target):
            found.append(([shape[d] for d in kept], target))
    return found


def same_rows(a: list[Permutation], b: list[Permutation]) -> bool:
    return len(a) == len(b) and all(same_shape(x[0], y[0]) and x[1] == y[1] for x, y in zip(a, b, strict=True))


def _sizes(arguments: Any) -> list[Any]:
    """The numbers that a call names: constants and nodes."""
    if isinstance(arguments, tuple | list):
        return [size for part in arguments for size in _sizes(part)]
    return [arguments] if type(arguments) is int or isinstance(arguments, Node) else []


class Builder:
    """New nodes before another one, with the values that the graph carries."""

    def __init__(self, before: Node) -> None:
        self.before = before
        self.graph = before.graph

    def call(self, target: Any, *args: Any, kwargs: dict[str, Any] | None = None, known: Any = None) -> Node:
        with self.graph.inserting_before(self.before):
            node = self.graph.call_function(target, args, kwargs or {})
        if "stack_trace" in self.before.meta:
            node.meta["stack_trace"] = self.before.meta["stack_trace"]
        like = next((n for n in node.all_input_nodes if tensor(n) is not None), None)
        if like is None:
            return node
        key = "example_value" if "example_value" in like.meta else "val"
        if isinstance(target, torch._ops.OpOverload) and target._schema.returns:
            mode = tensor(like).fake_mode  # type: ignore[union-attr]
            with mode:
                node.meta[key] = target(*torch.fx.map_arg(args, value))
        else:
            node.meta[key] = known
        return node

    def size(self, wanted: Any, sources: Sequence[Any]) -> Any:
        """A number of the graph that is `wanted`: a constant, one of the sources, or a size of one; None without."""
        if isinstance(wanted, int):
            return wanted
        for source in sources:
            number = value(source) if isinstance(source, Node) else source
            if isinstance(number, int | torch.SymInt) and equal(number, wanted):
                return source
            held = tensor(source)
            for d in range(0 if held is None else held.dim()):
                if held is not None and equal(held.shape[d], wanted):
                    return self.call(torch.ops.aten.sym_size.int, source, d)
        return None

    def reshape(self, x: Node, shape: Sequence[Any], sources: Sequence[Any]) -> Node:
        held = tensor(x)
        assert held is not None
        if same_shape(held.shape, shape):
            return x
        sizes = [self.size(size, [x, *sources]) for size in shape]
        unknown = [d for d, size in enumerate(sizes) if size is None]
        if unknown:
            others = [size for d, size in enumerate(shape) if d not in unknown]
            if len(unknown) > 1 or not all(statically_known_true(size > 0) for size in others):
                raise NotFusedError(f"the size {shape[unknown[0]]} is not that of an input")
            sizes[unknown[0]] = -1
        return self.call(torch.ops.aten.reshape.default, x, sizes)

    def replay(self, chain: Chain, x: Node, inputs: Sequence[Node]) -> Node:
        """x, whose rows are those of the chain's source, with its rows where the chain brings them."""
        held = tensor(x)
        assert held is not None
        sources = [*inputs, *(size for node in chain.nodes for size in _sizes(node.args[1:]))]
        width, shape = held.shape[-1], held.shape
        for node in chain.nodes:
            order, before, after = _permutation(node), tensor(node.args[0]), tensor(node)
            assert before is not None
            assert after is not None
            if order is not None:
                x = self.reshape(x, (*before.shape[:-1], width), sources)
                x = self.call(torch.ops.aten.permute.default, x, order)
            shape = (*after.shape[:-1], width)  # type: ignore[assignment]
        return self.reshape(x, shape, sources)
