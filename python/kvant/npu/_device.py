"""Where "npu" is: the device that stands for it, in every argument that names one."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils._device import _device_constructors

# Methods of tensors whose first argument may be a device, and those that only take it by name.
_FIRST = ("to",)
_NAMED = ("new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros")
_LIKE = ("empty_like", "full_like", "ones_like", "rand_like", "randint_like", "randn_like", "zeros_like")


# CUDA where kvant has kernels for it and there is a device.
_has_kernels = torch._C._dispatch_has_kernel_for_dispatch_key("kvant::dynamic_quant", "CUDA")
_TARGET = torch.device("cuda" if _has_kernels and torch.cuda.is_available() else "cpu")


def target() -> torch.device:
    """The device that stands for an NPU.

    >>> target().type in ("cpu", "cuda")
    True
    """
    return _TARGET


def mapped(device: Any) -> Any:
    """`device`, or what stands for it if it is an NPU; anything that is no device comes back as it is."""
    if isinstance(device, torch.device):
        is_npu = device.type == "npu"
    else:
        is_npu = isinstance(device, str) and device.partition(":")[0] == "npu"
    return target() if is_npu else device


def _with_device(function: Callable[..., Any], first: bool = False) -> Callable[..., Any]:
    """The same function, its `device` mapped; with `first` also the first argument after the tensor or module."""

    @wraps(function)
    def moved(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("device") is not None:
            kwargs["device"] = mapped(kwargs["device"])
        if first and len(args) > 1:
            args = (args[0], mapped(args[1]), *args[2:])
        return function(*args, **kwargs)

    return moved


def _npu(self: Any, device: Any = None, non_blocking: bool = False) -> Any:  # noqa: ARG001
    return self.to(target())


def _load(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        location = {k: mapped(v) for k, v in map_location.items()} if isinstance(map_location, dict) else map_location
        return function(f, mapped(location), *args, **kwargs)

    return load


def _current_accelerator(check_available: bool = False) -> torch.device | None:  # noqa: ARG001
    device = target()
    return None if device.type == "cpu" else device


def map_devices() -> None:
    """Makes "npu" a device that torch knows by name, and every function that takes a device take it."""
    # The compiler knows torch's functions by identity: it has to have looked before they are replaced.
    import torch._dynamo.trace_rules

    torch._dynamo.trace_rules.get_torch_obj_rule_map()
    torch.utils.rename_privateuse1_backend("npu")  # type: ignore[attr-defined]
    # The name alone would make torch believe in streams of an NPU.
    torch.accelerator.current_accelerator = _current_accelerator
    constructors = set(_device_constructors())
    for name in {f.__name__ for f in constructors if getattr(torch, f.__name__, None) in constructors} | set(_LIKE):
        setattr(torch, name, _with_device(getattr(torch, name)))
    for name in _NAMED:
        setattr(Tensor, name, _with_device(getattr(Tensor, name)))
    for name in _FIRST:
        setattr(Tensor, name, _with_device(getattr(Tensor, name), first=True))
        setattr(torch.nn.Module, name, _with_device(getattr(torch.nn.Module, name), first=True))
    torch.load = _load(torch.load)
    Tensor.npu = _npu  # type: ignore[attr-defined]
    Tensor.is_npu = property(lambda self: self.device.type == target().type)  # type: ignore[attr-defined]
    torch.nn.Module.npu = _npu  # type: ignore[attr-defined]
