"""dequant_swiglu_quant, written in PyTorch: [dequantization,] silu(one half) * other half, dynamic_quant.

PyTorch's silu has other last bits than kvant's, so this is fused only by permission. Everything else is as exact as
elsewhere: all steps in float32, in the order of the operator.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from kvant.fusion._chains import Builder, NotFusedError
from kvant.fusion._emit import erase
from kvant.fusion._formula import (
    FLOATS,
    check_float32,
    converted,
    copied,
    is_binary,
    is_call,
    is_full,
    of_columns,
    of_rows,
    silu_of,
    swiglu_product,
    whole_of,
)
from kvant.fusion._graph import CONVERT, COPY, is_metadata, is_view, name_of, nodes_in, tensor
from kvant.fusion._guards import check_device, check_unwritten
from kvant.fusion._quants import Dynamic, dynamic, require_zero

OPERATOR = "dequant_swiglu_quant"
PERMISSION = "swiglu"
_FORMATS = {
    1: "int8",
    23: "float8_e5m2",
    24: "float8_e4m3fn",
    290: "hifloat8",
    291: "float8_e5m2",
    292: "float8_e4m3fn",
}
_SAME = {291: 23, 292: 24}


@dataclass
class Match:
    quant: Dynamic
    x: Node
    activate_left: bool
    nodes: set[Node] = field(default_factory=set)  # between x and the quantization
    weight_scale: Node | None = None
    activation_scale: Node | None = None
    bias: Node | None = None
    smooth: Node | None = None


def looks_like_swiglu(quant: Node) -> bool:
    """Quantizes a product of which one factor is a silu, perhaps with conversions and another product in between."""
    nodes: list[Any] = [quant.args[0]] if quant.args else []
    for _ in range(5):
        nodes = [a for node in nodes if is_call(node, "mul", *CONVERT, *COPY) for a in node.args]
        if any(silu_of(node) is not None for node in nodes):
            return True
    return False


def fuse_swiglu(allowed: bool, node: Node) -> None:
    found = _match(node)
    quant, own = found.quant, {node, *found.nodes}
    inputs = nodes_in((found.x, found.weight_scale, found.activation_scale, found.bias, found.smooth))
    check_device(found.x, OPERATOR)
    _check_readers(found.nodes, own)
    check_unwritten(min(own), node, inputs, own)
    require_zero(quant.zero)
    if not allowed:
        raise NotFusedError(f"the fused operator has other last bits; inexact={PERMISSION!r} allows it")
    builder = Builder(node)
    weight_scale, bias, smooth = (_flat(builder, t) for t in (found.weight_scale, found.bias, found.smooth))
    values = {
        "x": found.x,
        "weight_scale": weight_scale,
        "activation_scale": found.activation_scale,
        "bias": bias,
        "quant_scale": smooth,
        "group_index": None,
        "quant_mode": 1,
        "dst_type": _SAME.get(quant.dst_type, quant.dst_type),
        "activate_left": found.activate_left,
    }
    op = torch.ops.kvant.dequant_swiglu_quant.default
    arguments = [values.get(a.name, a.default_value) for a in op._schema.arguments]
    node.replace_all_uses_with(builder.call(op, *arguments))
    erase(own)


def _flat(builder: Builder, t: Node | None) -> Node | None:
    held = tensor(t)
    return t if t is None or held is None or held.dim() == 1 else builder.reshape(t, [held.shape[-1]], [t])


def _match(node: Node) -> Match:
    quant = dynamic(node, _FORMATS)
    if not quant.symmetric:
        raise NotFusedError(f"dynamic_quant is not symmetric, as {OPERATOR} is")
    if quant.group_size != 0:
        raise NotFusedError("it has a group_size")
    nodes: set[Node] = set()
    product, smooth = copied(quant.x, nodes), quant.smooth
    factors = swiglu_product(product)
    if factors is None:
        product, smooth = _smoothed(product, quant, nodes)
        factors = swiglu_product(product)
    if factors is None:
        raise NotFusedError(f"{product.name} is not silu(one half) * other half")
    act, lin, inner = factors
    nodes.update((product, *inner))
    for part in (quant.x, product, *inner):
        check_float32(part)
    halves = [converted(copied(part, nodes), nodes) for part in (act, lin)]
    for part in (act, lin):
        check_float32(part)
    value, activate_left = whole_of(halves[0], halves[1], nodes)
    found = Match(quant, value, activate_left, nodes, smooth=smooth)
    _dequantized(found)
    return found


def _check_readers(nodes: set[Node], own: set[Node]) -> None:
    for node in sorted(nodes):
        for user in node.users:
            idle = is_metadata(user) or (is_view(user) and not user.users)
            if user not in own and not idle:
                raise NotFusedError(f"{node.name} is read by {user.name} as well")


def _smoothed(node: Node, quant: Dynamic, nodes: set[Node]) -> tuple[Node, Node]:
    """The product before it is multiplied by smooth [H], and smooth."""
    held = tensor(node)
    if is_binary(node, "mul") and held is not None:
        for inner, smooth in (node.args, node.args[::-1]):
            if (
                isinstance(inner, Node)
                and swiglu_product(copied(inner, set()))
                and of_columns(smooth, held.shape, *FLOATS)
            ):
                check_float32(node)
                if quant.smooth is not None:
                    raise NotFusedError("there are two multiplications by smooth scales")
                nodes.add(node)
                return copied(inner, nodes), smooth  # type: ignore[return-value]
    check_float32(node)
    source: Any = node.args[0] if is_call(node, *CONVERT) else None
    if isinstance(source, Node):
        check_float32(source)
    raise NotFusedError(f"{node.name} is neither silu(one half) * other half, nor that times smooth scales [H]")


def _dequantized(found: Match) -> None:
    """Follows what makes found.x back to the int32 that is dequantized, or the value that is converted, if any is."""
    nodes = set[Node]()
    node = copied(found.x, nodes)
    held = tensor(node)
    assert held is not None
    shape, left = held.shape, list(_STEPS)
    while held is not None and held.dtype == torch.float32 and is_binary(node, "add", "mul"):
        inner, other = node.args if is_full(node.args[0], shape) else node.args[::-1]
        step = next((s for s in left if name_of(node) == s[1] and s[2](other, shape)), None)
        if step is None or not isinstance(inner, Node) or not is_full(inner, shape):
            raise NotFusedError(f"{node.name} is not the next of these: {_ORDER}")
        del left[: left.index(step) + 1]
        setattr(found, step[0], other)
        nodes.add(node)
        node = copied(inner, nodes)
        held = tensor(node)
    node = converted(node, nodes)
    held = tensor(node)
    assert held is not None
    if held.dtype == torch.int32 and is_binary(node, "add") and found.bias is None:
        inner, bias = node.args if is_full(node.args[0], shape) else node.args[::-1]
        if isinstance(inner, Node) and is_full(inner, shape) and of_columns(bias, shape, torch.int32):
            nodes.add(node)
            node, found.bias = inner, bias  # type: ignore[assignment]
    elif held.dtype != torch.int32 and len(left) < len(_STEPS):
        raise NotFusedError(f"{node.name} is {held.dtype}, and only int32 is dequantized")
    found.nodes |= nodes
    found.x = node


def _adds(t: Any, shape: Any) -> bool:
    return of_columns(t, shape, *FLOATS)


def _scales(t: Any, shape: Any) -> bool:
    return of_columns(t, shape, torch.float32)


# Argument, operation and what it is with, the last step first.
_STEPS = (("bias", "add", _adds), ("activation_scale", "mul", of_rows), ("weight_scale", "mul", _scales))
_ORDER = "int32 times float32 weight scales [2H], times float32 activation scales [.., 1], plus a bias [2H]"
