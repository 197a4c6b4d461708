"""torch.npu, which is torch_npu.npu: devices, streams, events, seeds and memory."""

import os
import time
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch

from kvant.npu._device import target
from kvant.npu._emulated import Emulated, Options

SOC_VERSION = 220  # an Atlas A2


def _nothing(*args: Any, **kwargs: Any) -> None:
    """What tunes, awaits or releases an NPU has nothing to do."""


def _synchronize(*args: Any, **kwargs: Any) -> None:  # noqa: ARG001
    if target().type == "cuda":
        torch.cuda.synchronize()


def _no_bytes(*args: Any, **kwargs: Any) -> int:  # noqa: ARG001
    return 0


class Stream:
    """One of many names for one stream: nothing on it waits for another."""

    npu_stream = 0  # its address

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> "Stream":
        _streams.append(self)
        return self

    def __exit__(self, *args: object) -> None:
        _streams.pop()

    def query(self) -> bool:
        return True

    def record_event(self, event: "Event | None" = None) -> "Event":
        event = Event() if event is None else event
        event.record(self)
        return event

    wait_event = wait_stream = _nothing
    synchronize = _synchronize


_streams = [Stream()]  # the default one, and those that are current since


def _current_stream(device: Any = None) -> Stream:  # noqa: ARG001
    return _streams[-1]


def _default_stream(device: Any = None) -> Stream:  # noqa: ARG001
    return _streams[0]


def _set_stream(stream: Stream) -> None:
    if len(_streams) == 1:
        _streams.append(stream)
    _streams[-1] = stream


class Event:
    """A point in time, when all work before it is done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._seconds = 0.0

    def record(self, stream: Any = None) -> None:  # noqa: ARG002
        _synchronize()
        self._seconds = time.perf_counter()

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds."""
        return (end._seconds - self._seconds) * 1e3

    def query(self) -> bool:
        return True

    synchronize = wait = _nothing


def _set_device(device: Any) -> None:
    index = device.index if isinstance(device, torch.device) else device
    if isinstance(index, str):
        index = int(index.partition(":")[2] or 0)
    if index not in (None, 0):
        raise ValueError(f"kvant.npu emulates one device, npu:0, not npu:{index}")


class Device:
    """torch.npu.device(..) in a with statement."""

    def __init__(self, device: Any) -> None:
        _set_device(device)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


def _seed(seed: int) -> None:
    """torch.manual_seed calls it for its part of an NPU."""
    torch.default_generator.manual_seed(int(seed))
    if target().type == "cuda":
        torch.cuda.manual_seed_all(seed)


def _get_rng_state(device: Any = None) -> torch.Tensor:  # noqa: ARG001
    return torch.cuda.get_rng_state() if target().type == "cuda" else torch.get_rng_state()


def _set_rng_state(state: torch.Tensor, device: Any = None) -> None:  # noqa: ARG001
    (torch.cuda if target().type == "cuda" else torch).set_rng_state(state)


def _mem_get_info(device: Any = None) -> tuple[int, int]:  # noqa: ARG001
    """Free and all bytes."""
    if target().type == "cuda":
        return torch.cuda.mem_get_info()
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page


def _device_name(device: Any = None) -> str:  # noqa: ARG001
    return f"{target()} in the place of an NPU"


def _device_properties(device: Any = None) -> SimpleNamespace:  # noqa: ARG001
    return SimpleNamespace(name=_device_name(), total_memory=_mem_get_info()[1])


def npu_module() -> Emulated:
    return Emulated(
        "torch.npu",
        Event=Event,
        Stream=Stream,
        _is_in_bad_fork=lambda: False,
        config=Options(),
        current_device=lambda: 0,
        current_stream=_current_stream,
        default_stream=_default_stream,
        device=Device,
        device_count=lambda: 1,
        empty_cache=_nothing,
        get_device_name=_device_name,
        get_device_properties=_device_properties,
        get_rng_state=_get_rng_state,
        get_soc_version=lambda: SOC_VERSION,
        init=_nothing,
        is_available=lambda: True,
        is_bf16_supported=lambda: True,
        is_initialized=lambda: True,
        manual_seed=_seed,
        manual_seed_all=_seed,
        matmul=Options(),
        max_memory_allocated=_no_bytes,
        max_memory_reserved=_no_bytes,
        mem_get_info=_mem_get_info,
        memory_allocated=_no_bytes,
        memory_reserved=_no_bytes,
        memory_stats=lambda device=None: Counter(),  # noqa: ARG005
        reset_max_memory_allocated=_nothing,
        reset_peak_memory_stats=_nothing,
        set_compile_mode=_nothing,
        set_device=_set_device,
        set_option=_nothing,
        set_rng_state=_set_rng_state,
        set_stream=_set_stream,
        stream=lambda stream: nullcontext() if stream is None else stream,
        synchronize=_synchronize,
    )
