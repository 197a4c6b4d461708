"""Loads libkvant_torch, which defines torch.ops.kvant.*."""

from kvant import cuda
from kvant._config import TORCH_LIBRARY

OLDEST_TORCH = (2, 11)


def check_torch(version: str) -> None:
    """Raises ImportError if `version` of torch is too old.

    >>> check_torch("2.13.0+cpu")
    >>> check_torch("2.10.1")
    Traceback (most recent call last):
    ImportError: kvant needs PyTorch 2.11 or newer, and this is PyTorch 2.10.1
    """
    major, minor = version.split("+")[0].split(".")[:2]
    if (int(major), int(minor)) < OLDEST_TORCH:
        wanted = ".".join(map(str, OLDEST_TORCH))
        raise ImportError(f"kvant needs PyTorch {wanted} or newer, and this is PyTorch {version}")


def load() -> None:
    import torch

    check_torch(torch.__version__)
    torch.ops.load_library(str(TORCH_LIBRARY))  # type: ignore[no-untyped-call]
    cuda._load()
