"""The operators on CUDA tensors.

They run on the device of their tensors, on torch's current stream there. `torch.ops.kvant` and every function of kvant
take them, `counts_from_ends` and `ends_from_counts` apart.

>>> import torch, kvant
>>> device = "cuda" if kvant.cuda.is_available() else "cpu"
>>> cache, scales = torch.zeros(1, 4, 8, dtype=torch.int8, device=device), torch.zeros(1, 4, device=device)
>>> slots, x = torch.tensor([2], device=device), torch.ones(1, 8, device=device)
>>> _ = kvant.dynamic_quant_update_scatter_(cache, scales, None, slots, x, dst_type="int8", index_mode="slot")
>>> if device == "cuda":
...     kvant.cuda.check_errors()
>>> cache[0, :, 0].tolist()
[0, 0, 127, 0]
"""

from typing import Any

from kvant._config import TORCH_CUDA_LIBRARY


def is_available() -> bool:
    """Whether this kvant has its CUDA backend and torch has a device."""
    import torch

    return TORCH_CUDA_LIBRARY.exists() and torch.cuda.is_available()


def _load() -> None:
    """Where torch has CUDA. No device is asked for: that would keep this process from forking."""
    import torch

    if TORCH_CUDA_LIBRARY.exists() and torch.version.cuda is not None:
        torch.ops.load_library(str(TORCH_CUDA_LIBRARY))  # type: ignore[no-untyped-call]


def _operator(name: str) -> Any:
    import torch

    if not hasattr(torch.ops.kvant, name):
        raise RuntimeError("kvant.cuda: this kvant was built without KVANT_CUDA, or this PyTorch without CUDA")
    return getattr(torch.ops.kvant, name).default


def check_errors(device: Any = None) -> None:
    """Raises IndexError for the first bad index or group boundary that an operator found on a device.

    With its position and value; it is forgotten then. Waits for the current stream: operators on CUDA tensors skip what
    is bad and do not wait. `device` is one as torch takes it; None is the current one.
    """
    import torch

    from kvant._call import call

    op = _operator("_cuda_check_errors")
    torch.cuda.init()  # type: ignore[no-untyped-call]  # has words for what is missing
    with torch.cuda.device(device):
        call(op)


def set_deterministic(deterministic: bool) -> None:
    """Whether of two updates of one place the later one wins, as on the CPU.

    Off by default: then places have to be distinct.
    """
    _operator("_cuda_set_deterministic")(deterministic)
