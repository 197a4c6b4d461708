"""What stands for the modules and the settings of torch_npu."""

from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Emulated(ModuleType):
    """A module with the given contents. Anything else in it fails with a sentence."""

    def __init__(self, name: str, **contents: Any) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, origin=__file__, is_package=True)
        self.__file__ = __file__
        self.__path__: list[str] = []  # so that submodules are looked for, and missed in the same way
        self.__dict__.update(contents)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"kvant.npu does not emulate {self.__name__}.{name}")


class Options:
    """Settings of the NPU and its compiler: they change no result, so all are taken, and none does anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = Options()
        self.__dict__[name] = found
        return found
