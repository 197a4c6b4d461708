"""torch_npu and torchair as modules, as far as scripts that quantize need them."""

import logging
import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

import kvant.torch_npu
from kvant.npu._emulated import Emulated, Options
from kvant.npu._npu import npu_module

# As of torch_npu it begins with that of torch.
VERSION = f"{torch.__version__.partition('+')[0]}+kvant{kvant.__version__}"


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
    npu = npu_module()
    drop_in = {name: getattr(kvant.torch_npu, name) for name in kvant.torch_npu.__all__}
    config = Emulated("torchair.configs.compiler_config", CompilerConfig=CompilerConfig)
    found: dict[str, ModuleType] = {
        "torch_npu": Emulated("torch_npu", npu=npu, __version__=VERSION, **drop_in),
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
