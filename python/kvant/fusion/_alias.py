"""Inputs that were separate when a graph was fused and share memory later: then the graph runs as it was written."""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from kvant.fusion._graph import root, tensor, written


def copy_of(gm: GraphModule) -> GraphModule:
    """Its graph as it is now, with its parameters."""
    graph = Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    return GraphModule(gm, graph)


def separate(plain: GraphModule, fused: Callable[..., Any]) -> Callable[..., Any]:
    """fused, where what plain writes to shares memory with no more of its inputs than when it was traced; else plain.

    What is compared are storages. Parameters are left out: models have many, and write caches nowhere near them.
    """
    places: list[Node] = [node for node in plain.graph.nodes if node.op == "placeholder"]
    changed = {root(argument) for node in plain.graph.nodes for argument in written(node)}
    writes, reads = list[tuple[int, int]](), list[tuple[int, int]]()
    for position, node in enumerate(places):
        held = tensor(node)
        if held is None or isinstance(held, torch.nn.Parameter) or is_traceable_wrapper_subclass(held):
            continue
        (writes if node in changed else reads).append((position, held.untyped_storage()._cdata))

    def run(*args: Any) -> Any:
        owners: dict[int, int] = {}
        for position, owner in writes:
            if owners.setdefault(args[position].untyped_storage()._cdata, owner) != owner:
                return plain(*args)
        for position, owner in reads:
            if owners.get(args[position].untyped_storage()._cdata, owner) != owner:
                return plain(*args)
        return fused(*args)

    return run
