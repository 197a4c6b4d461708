"""From a result of a quantization to the write that takes it: views, copies and a negation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from kvant.fusion._graph import equal, is_metadata, is_neg, is_view, name_of, same_shape, tensor, value
from kvant.fusion._writes import Write

_RESHAPES = frozenset(
    {"view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "contiguous", "alias", "clone"}
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
    while True:
        users = [user for user in node.users if user.users or user in writes or not _is_idle(user)]
        if len(users) != 1:
            readers = "nothing" if not users else " and ".join(sorted(user.name for user in users))
            raise NotFusedError(f"{what} should have one reader, a scatter_update, and is read by {readers}")
        (user,) = users
        write = writes.get(user)
        if write is not None and write.updates is node and write.indices is not node:
            return Chain(source, write, nodes, negated)
        if is_neg(user):
            negated = not negated
        elif _permutation(user) is None and not _is_reshape(user):
            raise NotFusedError(f"{what} is read by {user.name}, which is neither a write nor a view")
        nodes.append(user)
        node = user


def _is_idle(node: Node) -> bool:
    """Without effect where nobody uses it."""
    return is_view(node) or is_metadata(node)


def _is_reshape(node: Node) -> bool:
    before, after = tensor(node.args[0]) if node.args else None, tensor(node)
    if before is None or after is None or before.dtype != after.dtype:
        return False
    if name_of(node) == "getitem":
        parts = node.args[1] if isinstance(node.args[1], tuple | list) else (node.args[1],)
        return all(part is None or part is Ellipsis or part == slice(None) for part in parts)
    return name_of(node) in _RESHAPES


def _permutation(node: Node) -> list[int] | None:
    """Dimensions of the argument in the order in which the result has them."""
    before = tensor(node.args[0]) if node.args else None
    name, arguments = name_of(node), node.args[1:]
    if before is None or node.kwargs:
        return None
    rank = before.dim()
    numbers: Any = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments
    if not all(isinstance(number, int) for number in numbers):
        return None
    order = list(range(rank))
    if name in ("transpose", "swapaxes") and len(numbers) == 2:
        a, b = numbers
        order[a], order[b] = order[b], order[a]
        return order
    if name == "permute" and len(numbers) == rank:
        return [order[number] for number in numbers]
    return None


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

    def size(self, wanted: Any, sources: Sequence[Node]) -> Any:
        """A number of the graph that is `wanted`: a constant, or the size of something."""
        if isinstance(wanted, int):
            return wanted
        for source in sources:
            held = tensor(source)
            for d in range(0 if held is None else held.dim()):
                if held is not None and equal(held.shape[d], wanted):
                    return self.call(torch.ops.aten.sym_size.int, source, d)
        raise NotFusedError(f"the size {wanted} is not that of an input")

    def reshape(self, x: Node, shape: Sequence[Any], sources: Sequence[Node]) -> Node:
        held = tensor(x)
        assert held is not None
        if same_shape(held.shape, shape):
            return x
        return self.call(torch.ops.aten.reshape.default, x, [self.size(size, [x, *sources]) for size in shape])

    def replay(self, chain: Chain, x: Node, sources: Sequence[Node]) -> Node:
        """x, whose rows are those of the chain's source, with its rows where the chain brings them."""
        held = tensor(x)
        assert held is not None
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
