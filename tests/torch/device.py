"""The device of test_cuda*.py, and how tensors get there and back with every byte of their memory.

KVANT_TEST_DEVICE=cpu runs those tests on CPU tensors, as far as they make sense there: a check of the tests themselves.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

import kvant.cuda
from support import assert_same

DEVICE = os.environ.get("KVANT_TEST_DEVICE", "cuda")
IS_CUDA = DEVICE != "cpu"
HOST = ("counts_from_ends", "ends_from_counts")  # operators that have no kernel for CUDA tensors
only_cuda = pytest.mark.skipif(not IS_CUDA, reason="on CPU tensors there is nothing to test")


def need_device() -> None:
    """Skips the file that calls it where there is no device."""
    if IS_CUDA and not kvant.cuda.is_available():
        pytest.skip("skipped: no CUDA device", allow_module_level=True)


def memory(t: Tensor) -> Tensor:
    """Every byte of the storage that a tensor is a view of."""
    return torch.empty(0, dtype=torch.uint8, device=t.device).set_(t.untyped_storage())


def moved(given: Any, device: Any = DEVICE) -> Any:
    """Copies on a device of a tensor, or of a tuple or list of anything.

    They have the same strides, in copies of whole storages; what shared memory does so there.
    """
    rooms: dict[int, Tensor] = {}

    def move(t: Any) -> Any:
        if isinstance(t, tuple | list):
            return type(t)(map(move, t))
        if not isinstance(t, Tensor):
            return t
        storage = t.untyped_storage()._cdata
        if storage not in rooms:
            rooms[storage] = memory(t).to(device, copy=True)
        return rooms[storage].view(t.dtype).as_strided(t.shape, t.stride(), t.storage_offset())

    return move(given)


def tensors(given: Any) -> Iterable[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, tuple | list):
        for part in given:
            yield from tensors(part)


def assert_like_cpu(run: Callable[..., Any], *args: Any) -> Any:
    """The same bytes and strides on both devices, and the same in all the memory of the arguments.

    Returns what run gave on the device.
    """
    there = moved(args)
    expected, got = run(*args), run(*there)
    check_errors()
    for result, like in zip(tensors(got), tensors(expected), strict=True):
        assert result.device.type == DEVICE
        assert result.stride() == like.stride()
    assert_same(moved(got, "cpu"), expected, "results")
    for i, (after, like) in enumerate(zip(tensors(there), tensors(args), strict=True)):
        assert_same(memory(after).cpu(), memory(like), f"memory of tensor {i}")
    return got


def check_errors() -> None:
    """What a call on CPU tensors has raised by now."""
    if IS_CUDA:
        kvant.cuda.check_errors()
