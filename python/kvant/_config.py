"""Where the package lies and what it was built with."""

import ctypes
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TORCH_LIBRARY = ROOT / "lib" / "libkvant_torch.so"
TORCH_CUDA_LIBRARY = ROOT / "lib" / "libkvant_torch_cuda.so"

__version__ = version("kvant")


def get_include() -> str:
    """The folder for a C++ compiler's -I: `#include "kvant/kvant.h"` works with it.

    >>> from pathlib import Path
    >>> from kvant import get_include
    >>> (Path(get_include()) / "kvant" / "kvant.h").exists()
    True
    """
    return str(ROOT / "include")


def get_cmake_path() -> str:
    """The folder of kvantConfig.cmake, for `cmake -Dkvant_DIR=...` and find_package(kvant).

    >>> from pathlib import Path
    >>> from kvant import get_cmake_path
    >>> (Path(get_cmake_path()) / "kvantConfig.cmake").exists()
    True
    """
    return str(ROOT / "lib" / "cmake" / "kvant")


def show_config() -> str:
    """The version, the SIMD targets of this machine, the one in use, and the torch that is loaded.

    >>> from kvant import show_config
    >>> print(show_config().splitlines()[0].split()[0])
    kvant
    """
    import torch

    library = ctypes.CDLL(str(ROOT / "lib" / "libkvant.so"))
    library.kvant_active_target.restype = ctypes.c_char_p
    library.kvant_supported_targets.restype = ctypes.POINTER(ctypes.c_char_p)
    targets: list[str] = []
    for name in library.kvant_supported_targets():
        if name is None:
            break
        targets.append(name.decode())
    return "\n".join(
        [
            f"kvant {__version__}",
            f"targets: {', '.join(targets)}; in use: {library.kvant_active_target().decode()}",
            "backends: CPU" + (", CUDA" if TORCH_CUDA_LIBRARY.exists() else ""),
            f"torch: {torch.__version__} (built for the stable ABI of 2.11), {torch.get_num_threads()} threads",
            f"library: {TORCH_LIBRARY}",
        ]
    )
