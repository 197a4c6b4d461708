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
