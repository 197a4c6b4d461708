"""Inputs that were separate when a graph was fused and share memory later: then the graph runs as it was written."""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, GraphModule
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from kvant.fusion._graph import tensor, written


def copy_of(gm: GraphModule) -> GraphModule:
    """Its graph as it is now, with its parameters."""
    graph = Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    return GraphModule(gm, graph)


def separate(plain: GraphModule, fused: Callable[..., Any]) -> Callable[..., Any]:
    """fused, where what plain writes to shares memory with no more of its inputs than when it was traced; else plain.

    What is compared are storages. Parameters are left out: models have many, and write caches nowhere near them.
    """
    changed = {_memory(tensor(argument)) for node in plain.graph.nodes for argument in written(node)}
    writes, reads = list[tuple[int, int]](), list[tuple[int, int]]()
    for position, node in enumerate(plain.graph.find_nodes(op="placeholder")):
        held = tensor(node)
        owner = None if isinstance(held, torch.nn.Parameter) else _memory(held)
        if owner is not None:
            (writes if owner in changed else reads).append((position, owner))

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


def _memory(t: torch.Tensor | None) -> int | None:
    """Which storage it is; None for what has none of its own."""
    return None if t is None or is_traceable_wrapper_subclass(t) else t.untyped_storage()._cdata
