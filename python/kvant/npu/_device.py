"""Where "npu" is: the device that stands for it, in every argument that names one."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils._device import DeviceContext, _device_constructors

# Methods of tensors that only take a device by name.
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


def _is_npu(device: Any) -> bool:
    """A number is an NPU too: it means the accelerator."""
    if isinstance(device, torch.device):
        return device.type == "npu"
    if isinstance(device, str):
        return device.partition(":")[0] == "npu"
    return isinstance(device, int) and not isinstance(device, bool)


def mapped(device: Any) -> Any:
    """`device`, or what stands for it if it is an NPU; anything that is no device comes back as it is."""
    return target() if _is_npu(device) else device


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


def _names_device(first: Any) -> bool:
    return isinstance(first, torch.device | str) or _is_npu(first)


def _to(to: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Between an NPU and a CPU a tensor is copied; so it is here, where both are one."""

    @wraps(to)
    def moved(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs.get("device") is not None:
            kwargs["device"] = mapped(kwargs["device"])
        elif args and _names_device(args[0]):
            args = (mapped(args[0]), *args[1:])
        else:
            return to(self, *args, **kwargs)
        if target().type == "cpu":
            # By position copy comes after device, dtype and non_blocking.
            args, kwargs = args[:3], {**kwargs, "copy": True}
        return to(self, *args, **kwargs)

    return moved


def _cpu(self: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return self.to("cpu", memory_format=memory_format)


def _npu(self: Any, device: Any = None, non_blocking: bool = False) -> Any:  # noqa: ARG001
    return self.to(target())


def _as_tensor(as_tensor: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What is named a device shares no memory with an array."""

    @wraps(as_tensor)
    def made(data: Any, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:
        if not _is_npu(device):
            return as_tensor(data, dtype=dtype, device=device)
        return as_tensor(data, dtype=dtype).to(target())

    return made


def _pin_memory(self: Tensor, device: Any = None) -> Tensor:  # noqa: ARG001
    return self.clone()


def _record_stream(self: Tensor, stream: Any) -> None:
    """There is one stream."""


def _load(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        location = {k: mapped(v) for k, v in map_location.items()} if isinstance(map_location, dict) else map_location
        return function(f, mapped(location), *args, **kwargs)

    return load


class _Generators(type):
    """The class of torch's generators, as calls and isinstance() see it."""

    original = torch.Generator

    def __call__(cls, device: Any = "cpu") -> torch.Generator:
        return cls.original(mapped(device))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.original)


def _autocast(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def checked(self: Any, device_type: Any, *args: Any, **kwargs: Any) -> None:
        if _is_npu(device_type):
            raise NotImplementedError("kvant.npu does not emulate torch.autocast on an NPU")
        init(self, device_type, *args, **kwargs)

    return checked


def _current_accelerator(check_available: bool = False) -> torch.device | None:  # noqa: ARG001
    device = target()
    return None if device.type == "cpu" else device


def map_devices() -> None:
    """Makes "npu" a device that torch knows by name, and what makes, moves and loads tensors take it."""
    # The compiler knows torch's functions by identity: it has to have looked before they are replaced.
    import torch._dynamo.trace_rules

    torch._dynamo.trace_rules.get_torch_obj_rule_map()
    torch.utils.rename_privateuse1_backend("npu")  # type: ignore[attr-defined]
    # The name alone would make torch believe in streams of an NPU.
    torch.accelerator.current_accelerator = _current_accelerator
    constructors = {id(f) for f in (*_device_constructors(), *(getattr(torch, name) for name in _LIKE))}
    for module in (torch, torch.fft, torch.nested):
        for name, f in [(name, f) for name, f in vars(module).items() if id(f) in constructors]:
            setattr(module, name, _with_device(f))
    for name in _NAMED:
        setattr(Tensor, name, _with_device(getattr(Tensor, name)))
    torch.as_tensor = _as_tensor(torch.as_tensor)
    Tensor.to = _to(Tensor.to)  # type: ignore[method-assign]
    torch.nn.Module.to = _with_device(torch.nn.Module.to, first=True)  # type: ignore[method-assign]
    if target().type == "cpu":
        Tensor.cpu = _cpu  # type: ignore[assignment,method-assign]
        Tensor.pin_memory = _pin_memory  # type: ignore[assignment,method-assign]
        Tensor.record_stream = _record_stream  # type: ignore[assignment,method-assign]
    torch.load = _load(torch.load)
    # torch.set_default_device, and torch.device in a with statement.
    DeviceContext.__init__ = _with_device(DeviceContext.__init__, first=True)  # type: ignore[method-assign]
    torch.Generator = _Generators("Generator", (), {"__module__": "torch"})  # type: ignore[misc,assignment]
    torch.autocast.__init__ = _autocast(torch.autocast.__init__)  # type: ignore[method-assign]
    Tensor.npu = _npu  # type: ignore[attr-defined]
    Tensor.is_npu = property(lambda self: self.device.type == target().type)  # type: ignore[attr-defined]
    torch.nn.Module.npu = _npu  # type: ignore[attr-defined]
