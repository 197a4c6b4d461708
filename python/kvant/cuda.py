"""The operators on CUDA tensors."""

from kvant._config import TORCH_CUDA_LIBRARY


def is_available() -> bool:
    """Whether this kvant has its CUDA backend and torch has a device."""
    import torch

    return TORCH_CUDA_LIBRARY.exists() and torch.cuda.is_available()


def _load() -> None:
    import torch

    if is_available():
        torch.ops.load_library(str(TORCH_CUDA_LIBRARY))  # type: ignore[no-untyped-call]


def check_errors() -> None:
    """Raises IndexError for the first bad index or group boundary that an operator found on the current device.

    With its position and value; it is forgotten then. Waits for the current stream: operators on CUDA tensors skip what
    is bad and do not wait.
    """
    import torch

    from kvant._call import call

    call(torch.ops.kvant._cuda_check_errors)


def set_deterministic(deterministic: bool) -> None:
    """Whether of two updates of one place the later one wins, as on the CPU.

    Off by default: then places have to be distinct.
    """
    import torch

    torch.ops.kvant._cuda_set_deterministic(deterministic)
