"""Quantizations: the forms that graphs spell them in, read as one."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from kvant._codes import npu_format
from kvant.fusion._chains import NotFusedError
from kvant.fusion._formula import FLOATS, converted, is_call
from kvant.fusion._graph import CONVERT, Call, call_of, equal, name_of, tensor, value

INTEGERS = {1: "int8", 16: "int4", 285: "int4"}
_STATIC = (1, 23, 24, 290, 291, 292)


@dataclass(frozen=True)
class Dynamic:
    node: Node
    x: Node
    smooth: Node | None
    dst_type: int
    group_size: int
    symmetric: bool
    zero: Any  # dst_type_max, which has to be 0


@dataclass(frozen=True)
class Static:
    y: Node
    x: Node
    scales: Node
    zero_points: Node | None
    dst_type: int
    axis: int
    round_mode: int
    reciprocal: bool
    nodes: list[Node] = field(default_factory=list)  # what computes y


def _code(call: Call, name: str) -> int:
    """The number of a format, which torch_npu's operators take in other spellings too."""
    given = call.args[name]
    library, _, op = call.name.partition(".")
    number = npu_format(op, given) if library == "npu" else given
    if type(number) is not int:
        raise NotFusedError(f"{name} is {given}, which is no format")
    return number


_DYNAMIC = {
    "kvant.dynamic_quant": False,
    "kvant.dynamic_quant_symmetric": True,
    "npu.npu_dynamic_quant": True,
    "npu.npu_dynamic_quant_asymmetric": False,
}


def is_dynamic(node: Node) -> bool:
    call = call_of(node)
    return call is not None and call.name in _DYNAMIC


def dynamic(node: Node, formats: Mapping[int, str]) -> Dynamic:
    """Raises NotFusedError for what the fused operators do not have. formats: those of one, by their numbers."""
    call = call_of(node)
    assert call is not None
    args, code = call.args, _code(call, "dst_type")
    if code not in formats:
        names = " and ".join(sorted(set(formats.values()), reverse=True))
        raise NotFusedError(f"dst_type is {args['dst_type']}, and only {names} are fused")
    if args["quant_mode"] not in (0, "pertoken"):
        raise NotFusedError(f"quant_mode is {args['quant_mode']}, and only pertoken is fused")
    if args["group_index"] is not None:
        raise NotFusedError("it has expert groups (group_index)")
    group_size, x = args.get("group_size", 0), args.get("x", args.get("input"))
    if type(group_size) is not int:
        raise NotFusedError("group_size is no constant")
    smooth, held = args["smooth_scales"], tensor(x)
    factor = tensor(smooth)
    if smooth is not None and (factor is None or factor.dim() != 1):
        raise NotFusedError("smooth_scales is not [H]")
    if held is None or not isinstance(x, Node):
        raise NotFusedError("the graph carries no shapes")
    return Dynamic(node, x, smooth, code, group_size, _DYNAMIC[call.name], args["dst_type_max"])


def require_zero(number: Any) -> None:
    """dst_type_max, which is for HIFLOAT8. Where it is an input of the graph, the graph is from now on for 0 alone."""
    number = value(number) if isinstance(number, Node) else number
    if not bool(number == 0.0):
        raise NotFusedError(f"dst_type_max is {number}")


_QUANTIZE = ("kvant.quantize", "npu.npu_quantize")


def is_static(node: Node) -> bool:
    """An operator, or a conversion of what is rounded or clamped to int8, as formulas end with."""
    call, held = call_of(node), tensor(node)
    if call is not None and call.name in _QUANTIZE:
        return True
    if held is None or held.dtype != torch.int8 or not is_call(node, *CONVERT):
        return False
    before = tensor(node.args[0])
    return before is not None and before.is_floating_point() and is_call(node.args[0], "round", *_LIMITS)


def static(node: Node) -> Static:
    """Of a node that is_static(); raises NotFusedError for formulas that quantize does not compute."""
    call = call_of(node)
    if call is None or call.name not in _QUANTIZE:
        return _formula(node)
    args = call.args
    if call.name == "kvant.quantize":
        scales, zero, code = args["quant_scales"], args["quant_zero_points"], args["dst_type"]
        return Static(
            node, args["x"], scales, zero, code, args["axis"], args["round_mode"], args["reciprocal_scale"], [node]
        )
    code, axis, reciprocal = _code(call, "dtype"), args["axis"], not args["div_mode"]
    return Static(node, args["self"], args["scales"], args["zero_points"], code, axis, 0, reciprocal, [node])


def check_static(quant: Static) -> None:
    held = tensor(quant.x)
    if quant.dst_type not in _STATIC:
        raise NotFusedError(f"dst_type is {quant.dst_type}, which quant_scatter_ does not have")
    if held is None:
        raise NotFusedError("the graph carries no shapes")
    if quant.axis not in (-1, held.dim() - 1):
        raise NotFusedError(f"the scales are along dimension {quant.axis}, and only the last one is fused")


def _check_along_rows(t: Any, width: Any) -> None:
    """One element or one for each of the last dimension; no Python number, which torch may treat otherwise."""
    held = tensor(t)
    if held is None:
        raise NotFusedError(f"{getattr(t, 'name', t)} is no tensor")
    shape = held.shape or [1]
    rows = all(equal(size, 1) for size in shape[:-1]) and (equal(shape[-1], 1) or equal(shape[-1], width))
    if held.dtype != torch.float32 or not rows:
        found = f"{t.name} is {held.dtype} {list(held.shape)}"
        raise NotFusedError(f"{found}, expected torch.float32, one element or one for each of the last dimension")


_LIMITS = {"clamp": ("min", "max"), "clip": ("min", "max"), "clamp_min": ("min",), "clamp_max": ("max",)}


def _clamped(node: Any) -> tuple[Any, list[Node], dict[str, Any]]:
    """What is clamped, the one or two nodes that do it, the last one first, and the limits."""
    nodes, limits = list[Node](), dict[str, Any]()
    while is_call(node, *_LIMITS) and node.args:
        names = _LIMITS[name_of(node)]
        given = {**dict(zip(names, node.args[1:], strict=False)), **node.kwargs}
        if not limits.keys().isdisjoint(given) or not given.keys() <= set(names):
            break
        limits.update(given)
        nodes.append(node)
        node = node.args[0]
    return node, nodes, limits


_FORM = "(x / s + z).round().clamp(-128, 127)"


def _formula(node: Node) -> Static:
    """(x / s + z).round().clamp(-128, 127).to(torch.int8) in float32, with or without z."""
    result = tensor(node)
    assert result is not None
    rounded, clamps, limits = _clamped(node.args[0])
    if limits != {"min": -128, "max": 127}:
        given = f"clamps to {limits.get('min')}..{limits.get('max')}" if limits else "does not end with a clamp"
        raise NotFusedError(f"it {given}, and only {_FORM} is fused")
    if not is_call(rounded, "round") or len(rounded.args) != 1 or rounded.kwargs:
        raise NotFusedError(f"what is clamped is {_called(rounded)}, and only {_FORM} is fused")
    nodes, total = [rounded, *clamps[::-1], node], rounded.args[0]
    zero = None
    if is_call(total, "add") and len(total.args) == 2 and not total.kwargs:
        nodes.insert(0, total)
        total, zero = total.args
    if not is_call(total, "truediv", "div", "true_divide") or len(total.args) != 2 or total.kwargs:
        raise NotFusedError(f"what is rounded is {_called(total)}, and only {_FORM} is fused")
    nodes.insert(0, total)
    x, scales = total.args
    held, quotient = tensor(x), tensor(total)
    if held is None or quotient is None or not isinstance(x, Node):
        raise NotFusedError(f"{getattr(x, 'name', x)} is no tensor")
    if held.device.type != "cpu" or result.device != held.device:
        raise NotFusedError(f"x is on {held.device}, and the formula is fused on the CPU")
    if held.dim() < 2 or quotient.dim() != held.dim() or result.dim() != held.dim():
        raise NotFusedError(f"x has shape {list(held.shape)}, its codes {list(result.shape)}")
    # float16 and bfloat16 become float32 where s has dimensions.
    if quotient.dtype != torch.float32 or held.dtype not in FLOATS:
        raise NotFusedError(f"x is {held.dtype} and x / s {quotient.dtype}, and only arithmetic in float32 is fused")
    _check_along_rows(scales, held.shape[-1])
    if zero is not None:
        _check_along_rows(zero, held.shape[-1])
    for part in nodes[:-1]:
        if not _has_one_reader(part):
            raise NotFusedError(f"{part.name} has another reader")
    conversion, before = set[Node](), tensor(x.args[0]) if x.args else None
    if before is not None and before.dtype != torch.int32 and _has_one_reader(x):
        x = converted(x, conversion)  # quant_scatter_ converts as well, and reads half as much
    nodes[:0] = conversion
    assert isinstance(scales, Node)
    return Static(node, x, scales, zero if isinstance(zero, Node) else None, 1, -1, 0, False, nodes)


def _called(node: Any) -> str:
    return f"a result of {name_of(node)}" if isinstance(node, Node) else str(node)


def _has_one_reader(node: Node) -> bool:
    return len([user for user in node.users if name_of(user) != "_assert_tensor_metadata"]) == 1


def result(node: Node, position: int) -> Node | None:
    """Result `position` of an operator that has several, if it is used."""
    found = [u for u in node.users if u.target is operator.getitem and u.args[1] == position and u.users]
    if len(found) > 1:
        raise NotFusedError(f"result {position} is taken {len(found)} times")
    return found[0] if found else None
