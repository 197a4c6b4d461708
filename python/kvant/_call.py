"""What every wrapper does around its operator: errors as Python's, and no silent gradient."""

from typing import Any

import torch

_ERRORS: dict[str, type[Exception]] = {
    "ValueError": ValueError,
    "TypeError": TypeError,
    "IndexError": IndexError,
    "MemoryError": MemoryError,
    "NotImplementedError": NotImplementedError,
}


def call(op: Any, *args: Any) -> Any:
    """Runs an operator of torch.ops.kvant; its RuntimeErrors become the exceptions that they name."""
    try:
        return op(*args)
    except RuntimeError as error:
        text = str(error)
        name, _, message = text.partition(": ")
        if name in _ERRORS:
            raise _ERRORS[name](message) from None
        if "Expected a value of type" in text:
            raise TypeError(text.partition("\n")[0]) from None
        raise


class _NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, result: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        return result.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # noqa: ARG004
        return torch.ops.kvant._no_gradient(grad)


def no_gradient(result: torch.Tensor) -> torch.Tensor:
    """Of a result that torch thinks has a gradient: backpropagation through it says that it has none."""
    tracked: torch.Tensor = _NoGradient.apply(result)  # type: ignore[no-untyped-call]
    return tracked
