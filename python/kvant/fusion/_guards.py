"""When several writes may become one at the place of the last of them."""

from collections.abc import Iterator, Sequence

import torch
from torch.fx import Node

from kvant.fusion._chains import NotFusedError
from kvant.fusion._graph import between, equal, is_metadata, is_view, may_alias, root, same_value, tensor, written
from kvant.fusion._report import source_line
from kvant.fusion._writes import Write


def check_device(x: Node, operator: str) -> None:
    held = tensor(x)
    assert held is not None
    key = {"cpu": "CPU", "cuda": "CUDA"}.get(held.device.type)
    if key is None or not torch._C._dispatch_has_kernel_for_dispatch_key(f"kvant::{operator}", key):
        raise NotFusedError(f"kvant has no kernel for {held.device.type}")


def check_agreement(writes: Sequence[Write]) -> None:
    """One index, one mode, one policy, one axis; all in place or all functionalized."""
    first = writes[0]
    for write in writes[1:]:
        if not same_value(write.indices, first.indices):
            raise NotFusedError(f"the indices differ: {first.indices.name} and {write.indices.name}")
        if write.mode != first.mode or write.policy != first.policy:
            raise NotFusedError("the index modes or policies differ")
        if write.axis != first.axis:
            raise NotFusedError(f"the axis differs: {first.axis} and {write.axis}")
    kinds = {write.kind for write in writes}
    if not any(kinds <= one for one in ({"raw", "copied"}, {"v1", "functional"}, {"v2", "functional"}, {"returned"})):
        raise NotFusedError("some writes are in place and others are not")
    if kinds == {"functional"} and len(writes) > 1:
        raise NotFusedError("the writes give new tensors, and nothing copies them back")
    if not 1 <= first.axis <= len(first.shape) - 2:
        raise NotFusedError(f"axis {first.axis} of {len(first.shape)} dimensions is not before the rows and after 0")


def check_tables(var: Write, others: Sequence[Write], tail: list[object]) -> None:
    """The tables have a place for each row of var: var.shape[:-1] and `tail`, or one 1 more or less before it."""
    lead = list(var.shape[:-1])
    for write in others:
        if not any(_same(write.shape, shape) for shape in table_shapes(lead, tail)):
            raise NotFusedError(f"a table of shape {list(write.shape)} does not belong to codes of {list(var.shape)}")


def table_shapes(lead: list[object], tail: list[object]) -> list[list[object]]:
    """The one that the operator takes, then those of which it is a view."""
    if tail:
        return [[*lead, *tail]]
    shapes = [lead, [*lead, 1]]
    return [*shapes, lead[:-1]] if len(lead) > 2 and equal(lead[-1], 1) else shapes


def _same(a: Sequence[object], b: Sequence[object]) -> bool:
    return len(a) == len(b) and all(map(equal, a, b))


def check_memory(quant: Sequence[Node], writes: Sequence[Write], inputs: Sequence[Node], own: set[Node]) -> None:
    """No alias, and nobody looks at a destination or changes an input between the first and the last node."""
    for i, write in enumerate(writes):
        for other in writes[i + 1 :]:
            if may_alias(write.base, other.base):
                raise NotFusedError(f"{write.base.name} and {other.base.name} may share memory")
            if root(other.base) in (write.node, *write.results()) or root(write.base) in (other.node, *other.results()):
                raise NotFusedError("one write is of the result of another")
        for read in inputs:
            if may_alias(write.base, read):
                raise NotFusedError(f"{write.base.name} and {read.name} may share memory")
    last = max(write.node for write in writes)
    first, begin = min(write.start for write in writes), min([*quant, *(write.start for write in writes)])
    writers = {node for write in writes for node in (write.node, *write.results())}
    for node in _at_work(begin, last, own | writers):
        if node > first:
            for argument in node.all_input_nodes:
                if root(argument) in writers or any(may_alias(argument, write.base) for write in writes):
                    raise NotFusedError(f"a cache is used in between, at {source_line(node)}")
    check_unwritten(begin, last, (*inputs, *(write.base for write in writes)), own | writers)
    for write in writes:
        for user in write.node.users:
            if user < last and user not in own and not (write.functionalized and user in write.results()):
                raise NotFusedError(f"a cache is used in between, at {source_line(user)}")


def check_unwritten(begin: Node, last: Node, read: Sequence[Node], own: set[Node]) -> None:
    """What is read at the first node may as well be read at the last."""
    for node in _at_work(begin, last, own):
        changed = written(node)
        for argument in read:
            if any(may_alias(write, argument) for write in changed):
                raise NotFusedError(f"{argument.name} is written in between, at {source_line(node)}")


def _at_work(begin: Node, last: Node, own: set[Node]) -> Iterator[Node]:
    for node in between(begin, last):
        if node not in own and not is_view(node) and not is_metadata(node):
            yield node
