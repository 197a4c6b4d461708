"""The pass over a graph."""

import operator
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.fx import Graph, Node

from kvant.fusion import _report
from kvant.fusion import _swiglu as swiglu
from kvant.fusion._chains import Builder, Chain, NotFusedError, follow, permutations, same_rows
from kvant.fusion._emit import emit, erase
from kvant.fusion._graph import call_of, name_of, nodes_in, same_shape, tensor
from kvant.fusion._guards import check_agreement, check_device, check_memory, check_tables
from kvant.fusion._quants import INTEGERS, check_static, dynamic, is_dynamic, is_static, require_zero, result, static
from kvant.fusion._swiglu import fuse_swiglu, looks_like_swiglu
from kvant.fusion._writes import Write, copied_to, of_one_form, writes_of

Inexact: TypeAlias = str | Collection[str]
_FUSED = "dynamic_quant_update_scatter_"


def fuse_graph(graph: Graph, *, inexact: Inexact = ()) -> int:
    """Rewrites a graph in place; the number of places where it did.

    Args:
        graph: a graph that carries fake tensors, as Dynamo, torch.export and Inductor make them.
        inexact: "swiglu", or names: what may be fused although its last bits differ (docs/FUSION.md).

    Raises:
        ValueError: inexact has another name. TypeError: graph is no graph.
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"fuse_graph: graph is {type(graph).__name__}, expected a torch.fx.Graph")
    return fuse_places(graph, permissions(inexact))


def fuse_places(graph: Graph, allowed: Collection[str], returned: Collection[Node] = ()) -> int:
    """As `fuse_graph`; returned: results that the program copies back to its inputs."""
    count = 0
    for node in list(graph.nodes):
        if not is_dynamic(node):
            continue
        if looks_like_swiglu(node) and not _codes_are_written(node):
            found = f"swiglu and {name_of(node)}"
            count += _try(node, found, swiglu.OPERATOR, partial(fuse_swiglu, swiglu.PERMISSION in allowed))
        else:
            count += _try(node, name_of(node), _FUSED, partial(_fuse_dynamic, returned))
    for node in list(graph.nodes):
        if is_static(node) and _is_written(node, writes_of(list(graph.nodes))):
            count += _try(node, name_of(node), "quant_scatter_", _fuse_static)
    for node in list(graph.nodes):
        if _in_place(node) is not None:
            count += _try(node, f"{name_of(node)} and copy_", f"{name_of(node)}_", _fuse_copy)
    if count:
        graph.lint()
    return count


def permissions(inexact: Inexact) -> frozenset[str]:
    """The names in inexact; ValueError for one that is not known."""
    names = frozenset((inexact,) if isinstance(inexact, str) else inexact)
    for name in sorted(names - {swiglu.PERMISSION}):
        raise ValueError(f"inexact names {name!r}, expected {swiglu.PERMISSION!r}")
    return names


def _try(node: Node, found: str, into: str, rewrite: Callable[[Node], None]) -> int:
    where, before = _report.source_line(node), set(node.graph.nodes)
    graph = node.graph
    try:
        rewrite(node)
    except NotFusedError as reason:
        erase(set(graph.nodes) - before)
        _report.add(_report.Entry(found, where, None, str(reason)))
        return 0
    _report.add(_report.Entry(found, where, into))
    return 1


def _fuse_dynamic(returned: Collection[Node], node: Node) -> None:
    quant = dynamic(node, INTEGERS)
    check_device(quant.x, _FUSED)
    writes = writes_of(list(node.graph.nodes))
    names = ("the codes", "the scale") if quant.symmetric else ("the codes", "the scale", "the offset")
    chains: list[Chain] = []
    for position, name in enumerate(names):
        source = result(node, position)
        if source is None:
            raise NotFusedError(f"{name} {'are' if name.endswith('s') else 'is'} not used")
        chains.append(follow(source, writes, name))
    if chains[0].negated or chains[1].negated:
        raise NotFusedError("codes or scales are negated")
    parts = of_one_form([chain.write for chain in chains], returned)
    if len({write.node for write in parts}) != len(parts):
        raise NotFusedError("one write has several results")
    check_agreement(parts)
    rows = permutations(chains[0], rows_only=False)
    grouped = quant.group_size != 0
    if not all(same_rows(rows, permutations(chain, rows_only=not grouped)) for chain in chains[1:]):
        raise NotFusedError("codes and scales are permuted differently")
    codes = tensor(parts[0].updates)
    assert codes is not None
    _check_updates(codes, chains[1:], grouped)
    # That the last dimension of a table is H / group_size is what its scatter_update asks for.
    tail: list[object] = [parts[1].shape[-1]] if grouped else []
    check_tables(parts[0], parts[1:], tail)
    if quant.dst_type != 1 and parts[0].strides[-1] != 1:
        raise NotFusedError("INT4 codes are not contiguous along the rows of the cache")
    own = {node, *(n for chain in chains for n in (chain.source, *chain.nodes))}
    own.update(n for write in parts for n in (write.start, write.node))
    inputs = nodes_in((quant.x, quant.smooth, parts[0].indices))
    check_memory([node], parts, inputs, own)
    require_zero(quant.zero)
    builder = Builder(max(write.node for write in parts))
    updates = builder.replay(chains[0], quant.x, [parts[0].base, parts[0].indices])
    table = [*parts[0].shape[:-1], *tail]
    shapes = {"var": parts[0].shape, "var_scale": table, "var_offset": table}
    written = {"var": parts[0], "var_scale": parts[1], "var_offset": None if quant.symmetric else parts[2]}
    numbers = {
        "dst_type": quant.dst_type,
        "axis": parts[0].axis,
        "group_size": quant.group_size,
        "index_mode": parts[0].mode,
        "index_policy": parts[0].policy,
        "negate_offset": not quant.symmetric and chains[2].negated,
    }
    tensors = {"indices": parts[0].indices, "updates": updates, "smooth_scales": quant.smooth}
    second = dict.fromkeys(("second_var", "second_scale", "second_offset", "second_updates"))
    op = torch.ops.kvant.dynamic_quant_update_scatter_.default
    emit(op, written, shapes, {**tensors, **second, **numbers})
    _finish(parts, own)


def _check_updates(codes: torch.Tensor, tables: list[Chain], grouped: bool) -> None:
    rows = [size for size in codes.shape[:-1] if not _is_one(size)]
    for chain in tables:
        held = tensor(chain.write.updates)
        assert held is not None
        shape = held.shape[:-1] if grouped else held.shape
        if not same_shape([size for size in shape if not _is_one(size)], rows):
            raise NotFusedError(f"updates of {list(held.shape)} do not belong to codes of {list(codes.shape)}")


def _is_one(size: Any) -> bool:
    return isinstance(size, int) and size == 1


def _finish(parts: list[Write], own: set[Node]) -> None:
    for write in parts:
        own.update(write.results() if write.functionalized else ())
    erase(own)


def _codes_are_written(quant: Node) -> bool:
    codes = [user for user in quant.users if user.target is operator.getitem and user.args[1] == 0]
    writes = writes_of(list(quant.graph.nodes))
    return any(_is_written(node, writes) for node in codes)


def _is_written(node: Node, writes: dict[Node, Write]) -> bool:
    """Codes that no write takes: if they are static, they are everybody's and no news."""
    seen = set[Node]()
    while node not in seen:
        seen.add(node)
        if any(user in writes and writes[user].updates is node for user in node.users):
            return True
        node = next(iter(node.users), node)
    return False


def _fuse_static(node: Node) -> None:
    quant = static(node)
    check_static(quant)
    check_device(quant.x, "quant_scatter_")
    chain = follow(quant.y, writes_of(list(quant.y.graph.nodes)), "the codes")
    write = chain.write
    if chain.negated:
        raise NotFusedError("codes are negated")
    check_agreement([write])
    permutations(chain, rows_only=False)
    own = {*quant.nodes, *chain.nodes, write.start, write.node}
    inputs = nodes_in((quant.x, quant.scales, quant.zero_points, write.indices))
    check_memory(quant.nodes, [write], inputs, own)
    builder = Builder(write.node)
    updates = builder.replay(chain, quant.x, [write.base, write.indices])
    arguments = {
        "indices": write.indices,
        "updates": updates,
        "quant_scales": quant.scales,
        "quant_zero_points": quant.zero_points,
        "dst_type": quant.dst_type,
        "axis": write.axis,
        "quant_axis": -1,
        "round_mode": quant.round_mode,
        "index_mode": write.mode,
        "index_policy": write.policy,
        "reciprocal_scale": quant.reciprocal,
    }
    if write.kind == "functional":
        op = torch.ops.kvant.quant_scatter.default
        values = [write.base if a.name == "dest" else arguments[a.name] for a in op._schema.arguments]
        write.node.replace_all_uses_with(builder.call(op, *values))
    else:
        emit(torch.ops.kvant.quant_scatter_.default, {"dest": write}, {"dest": write.shape}, arguments)
    _finish([write], own)


_FUNCTIONAL = ("kvant.scatter_update", "kvant.quant_scatter", "npu.scatter_update", "npu.npu_quant_scatter")


def _in_place(node: Node) -> Node | None:
    call = call_of(node)
    if call is None or call.name not in _FUNCTIONAL:
        return None
    return copied_to(node, call.args.get("dest", call.args.get("self")))


def _fuse_copy(node: Node) -> None:
    call, copy = call_of(node), _in_place(node)
    assert call is not None
    assert copy is not None
    dest = next(iter(call.args.values()))
    others = nodes_in(list(call.args.values())[1:])
    write = Write(node, copy, dest, (), (), others[0], others[1], 0, 0, 0, "copied", {})
    check_memory([node], [write], others, {node, copy})
    library, name = call.name.split(".")
    op = getattr(getattr(torch.ops, library), f"{name}_").default
    positional = [call.args[a.name] for a in op._schema.arguments if not a.kwarg_only]
    Builder(copy).call(op, *positional)
    copy.replace_all_uses_with(dest)
    erase({node, copy})
