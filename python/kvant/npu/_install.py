"""Puts the emulation where Python and torch look for the real thing."""

import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import torch

from kvant.npu._device import map_devices
from kvant.npu._modules import VERSION, modules


class _Distribution(importlib.metadata.Distribution):
    """Of torch_npu, for those who ask for its version."""

    def read_text(self, filename: str) -> str | None:
        return f"Name: torch_npu\nVersion: {VERSION}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return path


class _Missing(importlib.metadata.DistributionFinder):
    """Says which part of torch_npu or torchair is not there, and which version it is."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in ("torch_npu", "torchair"):
            # Without a name: `from torchair import ge` would hide the sentence of an error that has one.
            raise ModuleNotFoundError(f"kvant.npu does not emulate {fullname}")
        return None

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterator[importlib.metadata.Distribution]:
        if context is not None and context.name in ("torch_npu", "torch-npu"):
            yield _Distribution()


def install() -> None:
    """Makes `import torch_npu`, `import torchair` and the device "npu" work in this process. Twice is once.

    Raises RuntimeError where the real torch_npu is installed: scripts run on it as they are.
    """
    if any(isinstance(finder, _Missing) for finder in sys.meta_path):
        return
    for name in ("torch_npu", "torchair"):
        if name in sys.modules or importlib.util.find_spec(name) is not None:
            raise RuntimeError(f"kvant.npu: {name} itself is installed, so there is nothing to emulate")
    map_devices()
    found = modules()
    sys.modules.update(found)
    torch._register_device_module("npu", found["torch_npu.npu"])  # type: ignore[no-untyped-call]
    sys.meta_path.insert(0, _Missing())
