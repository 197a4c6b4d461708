"""What nodes of FX graphs are, compute, write and share memory with, however they are spelled."""

import inspect
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._higher_order_ops.auto_functionalize import auto_functionalized, auto_functionalized_v2
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

FUNCTIONALIZED = (auto_functionalized, auto_functionalized_v2)


@dataclass(frozen=True)
class Call:
    """An operator of a library, with the arguments as its schema names them."""

    name: str
    args: dict[str, Any]


def value(node: Any) -> Any:
    """The fake tensor, or number, that the graph carries for a node."""
    if not isinstance(node, Node):
        return None
    return node.meta.get("example_value", node.meta.get("val"))


def tensor(node: Any) -> Tensor | None:
    found = value(node)
    return found if isinstance(found, Tensor) else None


def overload(target: Any) -> torch._ops.OpOverload[Any, Any] | None:
    if isinstance(target, torch._ops.OpOverloadPacket):
        target = getattr(target, "default", None)
    return target if isinstance(target, torch._ops.OpOverload) else None


def call_of(node: Node) -> Call | None:
    """Of calls of torch.ops.<library>.<operator>; of others None."""
    op = overload(node.target) if node.op == "call_function" else None
    if op is None:
        return None
    bound: dict[str, Any] = {}
    for position, argument in enumerate(op._schema.arguments):
        if position < len(node.args):
            bound[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            bound[argument.name] = node.kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
        else:
            return None
    return Call(f"{op.namespace}.{op._opname}", bound)


def name_of(node: Node) -> str:
    """The function, method or attribute without its library, for spellings that differ only in that."""
    if node.op == "call_method":
        return str(node.target)
    if node.target is getattr:
        return str(node.args[1])
    op = overload(node.target)
    return op._opname if op is not None else str(getattr(node.target, "__name__", node.target))


_VIEWS = frozenset(
    {
        *("view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "transpose", "permute", "movedim"),
        *("moveaxis", "swapaxes", "swapdims", "t", "T", "numpy_T", "mT", "H", "mH", "adjoint", "select", "slice"),
        *("narrow", "alias", "detach", "expand", "expand_as", "view_as", "reshape_as", "ravel", "as_strided"),
        *("diagonal", "unbind", "split", "split_with_sizes", "chunk"),
    }
)
_MAY_COPY = frozenset({"reshape", "reshape_as", "flatten", "ravel"})  # what they cannot look at otherwise
# Of the same dtype they are copies, or nothing at all.
CONVERT = frozenset({"to", "type", "type_as", "char", "float", "half", "bfloat16", "_to_copy", "convert_element_type"})
COPY = frozenset({"contiguous", "clone", "alias"})
_METADATA = frozenset(
    {
        *("size", "dim", "stride", "numel", "sym_size", "sym_stride", "sym_numel", "is_contiguous"),
        *("storage_offset", "_assert_tensor_metadata"),
    }
)
_ATTRIBUTES = frozenset({"shape", "dtype", "device", "ndim", "requires_grad", "layout"})


def is_basic_index(index: Any) -> bool:
    parts = index if isinstance(index, tuple | list) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)


def is_view(node: Node) -> bool:
    """Looks at memory of its first argument without reading it, or is one of several results."""
    if node.target is operator.getitem:
        return is_basic_index(node.args[1])
    if node.op == "call_function" and overload(node.target) is None and not _of_torch(node.target):
        return False
    if node.op not in ("call_function", "call_method") or name_of(node) not in _VIEWS:
        return False
    return name_of(node) not in _MAY_COPY or _share_storage(node, node.args[0])


def is_metadata(node: Node) -> bool:
    if node.target is getattr:
        return bool(node.args[1] in _ATTRIBUTES)
    return node.op in ("call_function", "call_method") and name_of(node) in _METADATA


def is_neg(node: Node) -> bool:
    return node.op in ("call_function", "call_method") and name_of(node) in ("neg", "negative")


def _of_torch(target: Any) -> bool:
    module = getattr(target, "__module__", None) or ""
    return module == "" or module.split(".")[0] in ("torch", "_operator", "math", "builtins")


_IN_PLACE = {
    operator.setitem, operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv,
    operator.imod, operator.ipow, operator.iand, operator.ior, operator.ixor, operator.ilshift, operator.irshift,
    operator.imatmul,
}  # fmt: skip
# In names of functions that write to arguments, and of operators that do so though their schemas do not say it: running
# statistics, and rows that are longer than max_norm.
_STATEFUL_FUNCTIONS = ("batch_norm", "instance_norm", "embedding", "moving_avg", "set_grad_enabled")
_STATEFUL_OPERATORS = ("batch_norm", "instance_norm")


def _holds(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)


def _may_be_in_place(node: Node) -> bool:
    """Of a function that is not an operator of a library."""
    name = name_of(node)
    if not _of_torch(node.target) or name.endswith("_") or _holds(name, _STATEFUL_FUNCTIONS):
        return True
    if node.kwargs.get("out") is not None or node.kwargs.get("inplace"):
        return True
    try:
        parameters = inspect.signature(node.target).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return "inplace" in parameters and any(argument is True for argument in node.args)


def written(node: Node) -> list[Node]:
    """The arguments that a node may write to: in doubt, all of them."""
    inputs = node.all_input_nodes
    if node.op in ("placeholder", "get_attr", "output") or node.target in FUNCTIONALIZED:
        return []
    if node.op == "call_method":
        name = str(node.target)
        in_place = (name.endswith("_") and not name.endswith("__")) or name == "__setitem__"
        return inputs[:1] if in_place else inputs if node.kwargs.get("out") is not None else []
    call = call_of(node)
    if call is not None:
        op = overload(node.target)
        assert op is not None
        writes = [a.name for a in op._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        if not writes and _holds(name_of(node), _STATEFUL_OPERATORS) and call.args.get("training") is not False:
            return inputs
        return [n for name in writes for n in nodes_in(call.args[name])]
    if node.target in _IN_PLACE:
        return inputs[:1]
    if node.op == "call_function" and not isinstance(node.target, torch._ops.OperatorBase):
        return inputs if _may_be_in_place(node) else []
    return inputs


def nodes_in(argument: Any) -> list[Node]:
    if isinstance(argument, Node):
        return [argument]
    if isinstance(argument, tuple | list):
        return [node for part in argument for node in nodes_in(part)]
    return []


def root(node: Node) -> Node:
    while node.args and isinstance(node.args[0], Node) and is_view(node):
        node = node.args[0]
    return node


def may_alias(a: Node, b: Node) -> bool:
    """Views of one value, but for parts that never meet, or of memory that the fake tensors share.

    Inputs that share some may meet in another call.
    """
    shared = _share_storage(a, b)
    return shared if root(a) is not root(b) else not (shared and _apart(tensor(a), tensor(b)))


def _apart(a: Any, b: Any) -> bool:
    """Of views of one tensor: one ends before the other begins, or they are interleaved, as t[..., 0] and t[..., 1]
    are."""
    if a.dtype.itemsize != b.dtype.itemsize:
        return False
    if any(statically_known_true(_end(s) <= t.storage_offset()) for s, t in ((a, b), (b, a))):
        return True
    steps = [stride for t in (a, b) for size, stride in zip(t.shape, t.stride(), strict=True) if not equal(size, 1)]
    distance = a.storage_offset() - b.storage_offset()
    if not all(isinstance(number, int) for number in (*steps, distance)):
        return False
    step = math.gcd(*steps)
    return bool(distance != 0 if step == 0 else distance % step != 0)


def _end(t: Tensor) -> Any:
    return t.storage_offset() + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True)) + 1


def _share_storage(a: Any, b: Any) -> bool:
    first, second = tensor(a), tensor(b)
    if first is None or second is None:
        return False
    return bool(first.untyped_storage()._cdata == second.untyped_storage()._cdata)


def between(first: Node, last: Node) -> Iterable[Node]:
    node = first.next
    while node is not last:
        yield node
        node = node.next


def equal(a: Any, b: Any) -> bool:
    """Of sizes: the same for every input for which the graph is valid."""
    return a is b or bool(statically_known_true(a == b))


def same_shape(a: Iterable[Any], b: Iterable[Any]) -> bool:
    left, right = list(a), list(b)
    return len(left) == len(right) and all(map(equal, left, right))


def same_value(a: Any, b: Any) -> bool:
    """One node, or equal views of one node."""
    if a is b:
        return True
    if not (isinstance(a, Node) and isinstance(b, Node)):
        return isinstance(a, int | slice | None) and type(a) is type(b) and bool(a == b)
    if a.target != b.target or not is_view(a) or a.kwargs or b.kwargs or len(a.args) != len(b.args):
        return False
    return all(
        all(map(same_value, x, y)) if isinstance(x, tuple | list) and isinstance(y, tuple | list) and len(x) == len(y)
        else same_value(x, y)
        for x, y in zip(a.args, b.args, strict=True)
    )  # fmt: skip
