"""torch_npu and torchair as modules, as far as scripts that quantize need them."""

import logging
import time
import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

import kvant.torch_npu
from kvant.npu._device import target


class Emulated(ModuleType):
    """A module with the given contents. Anything else in it fails with a sentence."""

    def __init__(self, name: str, **contents: Any) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that submodules are looked for, and missed in the same way
        self.__dict__.update(contents)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"kvant.npu does not emulate {self.__name__}.{name}")


# torch.npu and torch_npu.npu


class Options:
    """Settings of the NPU and its compiler: they change no result, so all are taken, and none does anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = Options()
        self.__dict__[name] = found
        return found


def _nothing(*args: Any, **kwargs: Any) -> None:
    """What tunes, awaits or releases an NPU has nothing to do."""


def _synchronize(*args: Any, **kwargs: Any) -> None:  # noqa: ARG001
    if target().type == "cuda":
        torch.cuda.synchronize()


def _no_bytes(*args: Any, **kwargs: Any) -> int:  # noqa: ARG001
    return 0


class Stream:
    """One of many names for one stream: nothing on it waits for another."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def query(self) -> bool:
        return True

    wait_event = wait_stream = _nothing
    synchronize = _synchronize


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


def _npu() -> Emulated:
    return Emulated(
        "torch.npu",
        Event=Event,
        Stream=Stream,
        config=Options(),
        current_device=lambda: 0,
        current_stream=Stream,
        default_stream=Stream,
        device_count=lambda: 1,
        empty_cache=_nothing,
        get_device_name=lambda device=None: f"{target()} in the place of an NPU",  # noqa: ARG005
        init=_nothing,
        is_available=lambda: True,
        is_bf16_supported=lambda: True,
        is_initialized=lambda: True,
        manual_seed=torch.manual_seed,
        manual_seed_all=torch.manual_seed,
        max_memory_allocated=_no_bytes,
        max_memory_reserved=_no_bytes,
        memory_allocated=_no_bytes,
        memory_reserved=_no_bytes,
        reset_peak_memory_stats=_nothing,
        set_compile_mode=_nothing,
        set_device=_set_device,
        set_option=_nothing,
        stream=lambda stream: stream,
        synchronize=_synchronize,
    )


# torch_npu.testing


class TestCase(unittest.TestCase):
    def assertRtolEqual(self, x: Any, y: Any, prec: float = 1e-4, prec16: float = 1e-3) -> None:  # noqa: N802
        """Nearly equal, of two tensors or arrays."""
        a, b = torch.as_tensor(x), torch.as_tensor(y)
        tolerance = prec16 if torch.float16 in (a.dtype, b.dtype) else prec
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, check_dtype=False)


class SupportedDevices:
    """Decorates tests for certain NPUs. Here they all run."""

    def __init__(self, devices: list[str]) -> None:
        self.devices = devices

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        return test


def run_tests() -> None:
    unittest.main()


# torchair


class CompilerConfig(Options):
    pass


def get_npu_backend(
    *,
    compiler_config: CompilerConfig | None = None,  # noqa: ARG001
    custom_decompositions: dict[Any, Any] | None = None,
) -> Callable[..., Any]:
    """A backend for torch.compile that runs the captured graph, operator by operator."""
    if custom_decompositions:
        raise NotImplementedError("kvant.npu does not emulate custom_decompositions of torchair.get_npu_backend")

    def backend(graph: torch.fx.GraphModule, example_inputs: Any) -> Callable[..., Any]:  # noqa: ARG001
        return graph.forward

    return backend


def modules() -> dict[str, ModuleType]:
    """What goes into sys.modules, by name."""
    npu = _npu()
    drop_in = {name: getattr(kvant.torch_npu, name) for name in kvant.torch_npu.__all__}
    config = Emulated("torchair.configs.compiler_config", CompilerConfig=CompilerConfig)
    found: dict[str, ModuleType] = {
        "torch_npu": Emulated("torch_npu", npu=npu, __version__=f"kvant {kvant.__version__}", **drop_in),
        "torch_npu.npu": npu,
        "torch_npu.testing": Emulated("torch_npu.testing"),
        "torch_npu.testing.testcase": Emulated("torch_npu.testing.testcase", TestCase=TestCase, run_tests=run_tests),
        "torch_npu.testing.common_utils": Emulated("torch_npu.testing.common_utils", SupportedDevices=SupportedDevices),
        "torchair": Emulated("torchair", get_npu_backend=get_npu_backend, CompilerConfig=CompilerConfig),
        "torchair.configs": Emulated("torchair.configs"),
        "torchair.configs.compiler_config": config,
        "torchair.core": Emulated("torchair.core"),
        "torchair.core.utils": Emulated("torchair.core.utils", logger=logging.getLogger("torchair")),
    }
    for name, module in found.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(found[parent], child, module)
    return found
