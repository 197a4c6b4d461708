"""Pieces of formulas that are written in PyTorch: conversions, factors of rows and of columns, silu, halves."""

from typing import Any

import torch
from torch.fx import Node

from kvant.fusion._chains import NotFusedError
from kvant.fusion._graph import CONVERT, COPY, equal, is_view, name_of, same_shape, same_value, tensor

FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def check_float32(node: Node) -> None:
    held = tensor(node)
    if held is None:
        raise NotFusedError("the graph carries no shapes")
    if held.dtype != torch.float32:
        raise NotFusedError(f"{node.name} is {held.dtype}, and only arithmetic in float32 is fused")


def is_call(node: Any, *names: str) -> bool:
    return isinstance(node, Node) and node.op in ("call_function", "call_method") and name_of(node) in names


def is_binary(node: Any, *names: str) -> bool:
    return is_call(node, *names) and len(node.args) == 2 and not node.kwargs


def copied(node: Node, nodes: set[Node]) -> Node:
    """What a node copies, all of it."""
    while (is_call(node, *COPY) or is_call(node, *CONVERT)) and isinstance(node.args[0], Node):
        before, after = tensor(node.args[0]), tensor(node)
        if before is None or after is None or before.dtype != after.dtype or before.device != after.device:
            return node
        nodes.add(node)
        node = node.args[0]
    return node


def converted(node: Node, nodes: set[Node]) -> Node:
    """What a node converts to float32, which is as the operator does it."""
    if not is_call(node, *CONVERT):
        return node
    before, after = tensor(node.args[0]), tensor(node)
    if before is None or after is None or after.dtype != torch.float32 or before.device != after.device:
        return node
    if before.dtype not in (torch.int32, torch.float16, torch.bfloat16):
        return node
    nodes.add(node)
    return node.args[0]  # type: ignore[return-value]


def swiglu_product(node: Node) -> tuple[Node, Node, list[Node]] | None:
    """act, lin and what computes silu(act), of silu(act) * lin."""
    if not is_binary(node, "mul"):
        return None
    for gate, lin in (node.args, node.args[::-1]):
        silu = silu_of(gate)
        if silu is not None and isinstance(lin, Node):
            return silu[0], lin, silu[1]
    return None


def silu_of(node: Any) -> tuple[Node, list[Node]] | None:
    """a and the nodes of silu(a), a * sigmoid(a) or a / (1 + exp(-a))."""
    if is_call(node, "silu") and len(node.args) == 1 and not any(node.kwargs.values()):
        return node.args[0], [node]
    if is_binary(node, "mul"):
        for a, gate in (node.args, node.args[::-1]):
            if is_call(gate, "sigmoid") and len(gate.args) == 1 and isinstance(a, Node) and same_value(gate.args[0], a):
                return a, [node, gate, *_other(gate.args[0], a)]
    if is_binary(node, "truediv", "div", "true_divide") and is_binary(node.args[1], "add"):
        a, total = node.args
        for one, exp in (total.args, total.args[::-1]):
            if (
                type(one) in (int, float)
                and one == 1
                and is_call(exp, "exp")
                and is_call(exp.args[0], "neg", "negative")
            ):
                minus = exp.args[0]
                if isinstance(a, Node) and same_value(minus.args[0], a):
                    return a, [node, total, exp, minus, *_other(minus.args[0], a)]
    return None


def _other(same: Any, a: Node) -> list[Node]:
    return [] if same is a else [same]


def of_columns(t: Any, shape: Any, *dtypes: torch.dtype) -> bool:
    """A number for each column: [.., 1, H]."""
    held = tensor(t)
    if held is None or held.dim() == 0 or held.dim() > len(shape) or held.dtype not in dtypes:
        return False
    return equal(held.shape[-1], shape[-1]) and all(equal(size, 1) for size in held.shape[:-1])


def of_rows(t: Any, shape: Any) -> bool:
    """A float32 number for each row: [.., 1]."""
    held = tensor(t)
    return held is not None and held.dtype == torch.float32 and same_shape(held.shape, (*shape[:-1], 1))


def is_full(t: Any, shape: Any) -> bool:
    held = tensor(t)
    return held is not None and same_shape(held.shape, shape)


def whole_of(act: Node, lin: Node, nodes: set[Node]) -> tuple[Node, bool]:
    """The value of which act and lin are the two halves, and whether act is the first."""
    left, right = _ancestors(act), _ancestors(lin)
    whole = next((n for n in left if n in right and tensor(n) is not None), None)
    held, first, second = tensor(whole), tensor(act), tensor(lin)
    wrong = NotFusedError(f"{act.name} and {lin.name} are not the two halves of the last dimension of one value")
    if whole is None or held is None or first is None or second is None or whole in (act, lin):
        raise wrong
    width = first.shape[-1] if first.dim() else 0
    for part in (first, second):
        if not same_shape(part.shape, (*held.shape[:-1], width)) or not equal(held.shape[-1], 2 * width):
            raise wrong
        strides = zip(part.shape, part.stride(), held.stride(), strict=True)
        if not all(equal(size, 1) or equal(a, b) for size, a, b in strides):
            raise wrong
    at, middle = held.storage_offset(), width * held.stride(-1)
    nodes.update(n for path in (left, right) for n in path[: path.index(whole)])
    for activate_left, a, b in ((True, first, second), (False, second, first)):
        if equal(a.storage_offset(), at) and equal(b.storage_offset(), at + middle):
            return whole, activate_left
    raise wrong


def _ancestors(node: Node) -> list[Node]:
    """The node, and what it is a view of."""
    found = [node]
    while is_view(found[-1]) and found[-1].args and isinstance(found[-1].args[0], Node):
        found.append(found[-1].args[0])
    return found
