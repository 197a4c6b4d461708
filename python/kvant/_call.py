"""What every wrapper does around its operator: errors as Python's, and no silent gradient."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

_ERRORS: dict[str, type[Exception]] = {
    "ValueError": ValueError,
    "TypeError": TypeError,
    "IndexError": IndexError,
    "MemoryError": MemoryError,
    "NotImplementedError": NotImplementedError,
}


def operator_name(op: Any) -> str:
    """As its function is called, also of the form that writes to given results."""
    return str(op.name()).removeprefix("kvant::").removesuffix("_out")


def argument_name(name: str) -> str:
    """The functions' name for an argument of an operator: torch has reserved self."""
    return "self" if name == "dest" else name


def check_tensor(op: str, name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        found = "None" if value is None else type(value).__name__
        raise TypeError(f"{op}: {name} is {found}, expected a Tensor")


def results(op: str, out: Sequence[Tensor], names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The tensors of an `out` that has several."""
    if len(out) != len(names):
        raise ValueError(f"{op}: out has {len(out)} tensors, expected ({', '.join(names)})")
    for i, t in enumerate(out):
        if not isinstance(t, Tensor):
            check_tensor(op, f"out[{i}]", t)
    return tuple(out)


def _refuse_gradients(op: Any) -> None:
    raise RuntimeError(
        f"{operator_name(op)}: a tensor that requires grad would be overwritten, and kvant has no gradients; work "
        "under torch.no_grad(), or on its detach()"
    )


def _check_given(op: Any, args: tuple[Any, ...], names: dict[str, str]) -> None:
    for argument, value in zip(op._schema.arguments, args, strict=False):
        kind = str(argument.type)
        if kind == "Tensor" or (kind == "Optional[Tensor]" and value is not None):
            check_tensor(operator_name(op), names.get(argument.name, argument_name(argument.name)), value)


def call(op: Any, *args: Any, names: dict[str, str] | None = None, writes: Sequence[Tensor] = ()) -> Any:
    """Runs an operator of torch.ops.kvant; its RuntimeErrors become the exceptions that they name.

    Backpropagation through any of its results says that there is no gradient.

    `names`: arguments that the caller knows by other names than the core. `writes`: tensors that it changes; autograd
    is told, so that a backward pass which needs what they held before raises.
    """
    for t in writes:
        # What is no tensor at all is the operator's to refuse.
        if getattr(t, "requires_grad", False) and torch.is_grad_enabled():
            _refuse_gradients(op)
    try:
        result = op(*args)
        if writes and not torch.compiler.is_compiling():
            increment_version(writes[0] if len(writes) == 1 else writes)
    except RuntimeError as error:
        text = str(error)
        name, _, message = text.partition(": ")
        if name in _ERRORS:
            for core, here in (names or {}).items():
                message = re.sub(rf"(?<![\w.]){core}\b", here, message)
            raise _ERRORS[name](message) from None
        _check_given(op, args, names or {})
        if "Expected a value of type" in text:
            raise TypeError(text.partition("\n")[0]) from None
        raise
    if type(result) is tuple:
        # The last of several is floating whatever the format, so it has a gradient if any of them has.
        return _tracked(result, args) if result[-1].requires_grad else result
    if result is not None and result.requires_grad:
        return no_gradient(result, *args)
    return result


def _tracked(several: tuple[Tensor, ...], inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return tuple(no_gradient(t, *inputs) if t.requires_grad else t for t in several)


class _NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(source: Tensor, result: Tensor) -> Tensor:  # noqa: ARG004
        return result.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (source,) = ctx.saved_tensors
        return torch.ops.kvant._no_gradient(grad, source), None


def no_gradient(result: Tensor, *inputs: Any) -> Tensor:
    """A result of these inputs; where one of them has a gradient, backpropagation says that the result has none."""
    if not torch.is_grad_enabled():
        return result
    source = next((t for t in inputs if isinstance(t, Tensor) and t.requires_grad), None)
    if source is not None:
        tracked: Tensor = _NoGradient.apply(source, result.detach())  # type: ignore[no-untyped-call]
        return tracked
    if result.requires_grad:
        # The compiler hides there which input has a gradient, and would give zeros.
        raise RuntimeError("kvant: quantization has no gradient, and cannot be part of a compiled torch.func.grad")
    return result
