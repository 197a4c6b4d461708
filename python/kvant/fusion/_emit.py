"""The fused operator in the place of what it replaces."""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch._higher_order_ops.auto_functionalize import auto_functionalized, auto_functionalized_v2
from torch.fx import Node

from kvant.fusion._chains import Builder
from kvant.fusion._graph import between, is_metadata, same_shape, tensor, value
from kvant.fusion._writes import Write


def emit(
    op: Any, written: dict[str, Write | None], shapes: dict[str, Sequence[Any]], arguments: dict[str, Any]
) -> None:
    """Calls op after the last write, in the form of the writes. written: names of its destinations, in order."""
    writes = {name: write for name, write in written.items() if write is not None}
    last = max(write.node for write in writes.values())
    builder = Builder(last)
    if all(not write.functionalized for write in writes.values()):
        for name in written:
            arguments[name] = _dest(builder, writes[name], shapes[name]) if name in writes else None
        builder.call(op, *(arguments[argument.name] for argument in op._schema.arguments))
        for write in writes.values():
            write.node.replace_all_uses_with(write.base)
        return
    (kind,) = {write.kind for write in writes.values()} - {"functional"}
    kwargs = {argument.name: arguments.get(argument.name) for argument in op._schema.arguments}
    dests = {name: write.base for name, write in writes.items()}
    if kind == "v1":
        dests = {name: _dest(builder, write, shapes[name]) for name, write in writes.items()}
        kwargs.update({name: dests.get(name) for name in written})
        target: Any = auto_functionalized
        mutable = [a.name for a in op._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        places = {name: 1 + mutable.index(name) for name in writes}
        results: Any = (None, *(value(dests.get(name)) for name in mutable))
    else:
        for argument in op._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                del kwargs[argument.name]
                kwargs[f"_{argument.name}_base_index"] = None
        for position, (name, write) in enumerate(writes.items()):
            kwargs.update(_view(name, position, write, shapes[name]))
        kwargs["_all_bases"] = [write.base for write in writes.values()]
        target = auto_functionalized_v2
        places = {name: 1 + position for position, name in enumerate(writes)}
        results = (None, *(value(write.base) for write in writes.values()))
    fused = builder.call(target, op, kwargs=kwargs, known=results)
    made = [fused]
    for name, write in writes.items():
        for old in write.results():
            new = builder.call(operator.getitem, fused, places[name])
            new.meta = dict(old.meta)
            if dests[name] is not write.base:
                new.meta = dict(dests[name].meta)
                new = builder.reshape(new, write.shape, [write.base])
            old.replace_all_uses_with(new)
            made.append(new)
    _sink(min(write.start for write in writes.values()), made)


def _sink(first: Node, made: list[Node]) -> None:
    """Views of results that were there before the last write go behind the new ones. Nothing there has effects."""
    late = set(made)
    for node in list(between(first, made[0])) if first < made[0] else []:
        if not late.isdisjoint(node.all_input_nodes):
            made[-1].append(node)
            made.append(node)
            late.add(node)


def _dest(builder: Builder, write: Write, shape: Sequence[Any]) -> Node:
    """The destination in the shape that the operator takes: itself, or a view."""
    if same_shape(write.shape, shape):
        return write.base
    if len(write.shape) > len(shape):
        return builder.call(torch.ops.aten.squeeze.dim, write.base, -1)
    return builder.call(torch.ops.aten.unsqueeze.default, write.base, -1)


def _view(name: str, position: int, write: Write, shape: Sequence[Any]) -> dict[str, Any]:
    """How v2 says that a destination lies in its base."""
    view = {**write.view, "base_index": position}
    if not same_shape(write.shape, shape):
        held = tensor(write.base)
        assert held is not None
        drop = len(write.shape) > len(shape)
        view.pop("alias", None)
        view["size"] = tuple(shape)
        view["stride"] = write.strides[:-1] if drop else (*write.strides, 1)
        view.setdefault("storage_offset", held.storage_offset())
    return {f"_{name}_{key}": item for key, item in view.items()}


def erase(nodes: set[Node]) -> None:
    """Those that nobody uses any more, and what only looked at their shapes."""
    for node in sorted(nodes, reverse=True):
        for user in list(node.users):
            if is_metadata(user) and not user.users:
                user.graph.erase_node(user)
        if not node.users:
            node.graph.erase_node(node)
