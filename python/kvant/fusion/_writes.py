"""Writes of updates to places of a destination: the forms that graphs spell them in, read as one.

raw             scatter_update_(dest, indices, updates, ..)                      of kvant and of npu
copied          dest.copy_(scatter_update(dest, ..)), dest[:] = scatter_update(dest, ..)
functionalized  auto_functionalized(_v2)(scatter_update_, ..), its results with getitem
functional      scatter_update(dest, ..), in graphs without writes one of them; copy(dest, scatter_update(dest, ..))
returned        the same, of results that the program copies back to its inputs, as its signature says
"""

import operator
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._higher_order_ops.auto_functionalize import auto_functionalized, auto_functionalized_v2
from torch.fx import Node

from kvant.fusion._graph import FUNCTIONALIZED, Call, call_of, name_of, overload, tensor

SCATTERS = ("kvant.scatter_update", "npu.scatter_update")


@dataclass(frozen=True)
class Write:
    """`node` is where dest has been written; `start` where it was first looked at."""

    start: Node
    node: Node
    base: Node  # dest, of functionalized writes the value that dest is a view of
    shape: tuple[Any, ...]  # of dest
    strides: tuple[Any, ...]
    indices: Node
    updates: Node
    axis: int  # counted from the front
    mode: int
    policy: int
    kind: str
    view: dict[str, Any]  # v2: how dest lies in base, without the name of the argument

    @property
    def functionalized(self) -> bool:
        """Leaves dest alone, and has results instead."""
        return self.kind in ("v1", "v2", "functional", "returned")

    def results(self) -> list[Node]:
        """Of a functionalized write: the nodes that are dest (v2: its base) afterwards."""
        if self.kind in ("functional", "returned"):
            return [self.node]
        return [user for user in self.node.users if user.target is operator.getitem and user.args[1] == 1]


def of_one_form(writes: list[Write], returned: Collection[Node]) -> list[Write]:
    """Between functionalized writes a copied one is functional: what copies its result comes after all of them.

    returned: results that the program copies back to its inputs.
    """
    if all(write.kind == "functional" and write.node in returned for write in writes):
        return [replace(write, kind="returned") for write in writes]
    if not any(write.kind in ("v1", "v2") for write in writes):
        return writes
    return [replace(w, node=w.start, kind="functional") if w.kind == "copied" else w for w in writes]


def writes_of(nodes: list[Node]) -> dict[Node, Write]:
    """By their last nodes, and the functional scatters of copied ones by theirs as well."""
    found: dict[Node, Write] = {}
    for node in nodes:
        write = _write(node)
        if write is not None:
            found[write.start] = found[write.node] = write
    return found


def _write(node: Node) -> Write | None:
    if node.target in FUNCTIONALIZED:
        return _functionalized(node)
    call = call_of(node)
    if call is None:
        return None
    if call.name in ("kvant.scatter_update_", "npu.scatter_update_"):
        dest = call.args.get("dest", call.args.get("self"))
        return _make(call, dest, node, node, "raw")
    if call.name in SCATTERS:
        dest = call.args.get("dest", call.args.get("self"))
        copy = copied_to(node, dest)
        if copy is not None:
            return _make(call, dest, node, copy, "copied")
        return _make(call, dest, node, _functional_copy(node, dest) or node, "functional")
    return None


def copied_to(scatter: Node, dest: Any) -> Node | None:
    """The node that copies the result of a functional operator back onto its input, its only reader."""
    users = list(scatter.users)
    if len(users) != 1 or not isinstance(dest, Node):
        return None
    (user,) = users
    if name_of(user) == "copy_" and user.args[:2] == (dest, scatter):
        return user
    whole = (slice(None), Ellipsis, (slice(None),), (Ellipsis,))
    if user.target is operator.setitem and user.args[0] is dest and user.args[2] is scatter and user.args[1] in whole:
        return user
    return None


def _functional_copy(scatter: Node, dest: Any) -> Node | None:
    """What functionalization makes of dest.copy_(scatter_update(dest, ..))."""
    if len(scatter.users) != 1:
        return None
    (user,) = scatter.users
    is_copy = user.target is torch.ops.aten.copy.default and user.args == (dest, scatter) and not user.kwargs
    return user if is_copy else None


def _functionalized(node: Node) -> Write | None:
    op = overload(node.args[0])
    if op is None or op._schema.name != "kvant::scatter_update_":
        return None
    args = dict(node.kwargs)
    if node.target is auto_functionalized:
        return _make(Call("", args), args["dest"], node, node, "v1")
    assert node.target is auto_functionalized_v2
    bases = args["_all_bases"]
    assert isinstance(bases, list | tuple)
    base = bases[args["_dest_base_index"]]  # type: ignore[index]
    view = {key.removeprefix("_dest_"): args[key] for key in args if key.startswith("_dest_")}
    return _make(Call("", args), base, node, node, "v2", view)


def _make(
    call: Call, dest: Any, start: Node, node: Node, kind: str, view: dict[str, Any] | None = None
) -> Write | None:
    args, view = call.args, view or {}
    held, indices = tensor(dest), tensor(args["indices"])
    if held is None or indices is None or tensor(args["updates"]) is None or "slice_dim" in view:
        return None
    shape, strides = tuple(view.get("size", held.shape)), tuple(view.get("stride", held.stride()))
    axis, mode = args["axis"], args.get("index_mode", indices.dim() - 1)
    if not isinstance(axis, int) or not isinstance(mode, int):
        return None
    axis = axis + len(shape) if axis < 0 else axis
    policy = args.get("index_policy", 0)
    return Write(
        start, node, dest, shape, strides, args["indices"], args["updates"], axis, mode, policy, kind, view
    )  # fmt: skip
