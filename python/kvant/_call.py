"""What every wrapper does around its operator: errors as Python's, and no silent gradient."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.graph import increment_version

_ERRORS: dict[str, type[Exception]] = {
    "ValueError": ValueError,
    "TypeError": TypeError,
    "IndexError": IndexError,
    "MemoryError": MemoryError,
    "NotImplementedError": NotImplementedError,
}


def _name(op: Any) -> str:
    return str(op.name()).removeprefix("kvant::").removesuffix(".default")


def argument_name(name: str) -> str:
    """The functions' name for an argument of an operator: torch has reserved self."""
    return "self" if name == "dest" else name


def check_tensor(op: str, name: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        found = "None" if value is None else type(value).__name__
        raise TypeError(f"{op}: {name} is {found}, expected a Tensor")


def _refuse_gradients(op: Any) -> None:
    raise RuntimeError(
        f"{_name(op)}: a tensor that requires grad would be overwritten, and kvant has no gradients; work under "
        "torch.no_grad(), or on its detach()"
    )


def _check_given(op: Any, args: tuple[Any, ...]) -> None:
    for argument, value in zip(op._schema.arguments, args, strict=False):
        if value is None and str(argument.type) == "Tensor":
            check_tensor(_name(op), argument_name(argument.name), value)


def call(op: Any, *args: Any, names: dict[str, str] | None = None, writes: Sequence[torch.Tensor] = ()) -> Any:
    """Runs an operator of torch.ops.kvant; its RuntimeErrors become the exceptions that they name.

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
        return result
    except RuntimeError as error:
        text = str(error)
        name, _, message = text.partition(": ")
        if name in _ERRORS:
            for core, here in (names or {}).items():
                message = re.sub(rf"(?<![\w.]){core}\b", here, message)
            raise _ERRORS[name](message) from None
        _check_given(op, args)
        if "Expected a value of type" in text:
            raise TypeError(text.partition("\n")[0]) from None
        raise


class _NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(source)
        return result.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        (source,) = ctx.saved_tensors
        return torch.ops.kvant._no_gradient(grad, source), None


def no_gradient(result: torch.Tensor, *inputs: torch.Tensor | None) -> torch.Tensor:
    """Of a result of inputs that have gradients: backpropagation through it says that kvant has none."""
    source = next(t for t in inputs if t is not None and t.requires_grad)
    tracked: torch.Tensor = _NoGradient.apply(source, result.detach())  # type: ignore[no-untyped-call]
    return tracked
