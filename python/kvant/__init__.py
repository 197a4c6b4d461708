"""kvant: fused quantization operators for LLM inference, bit-identical on every backend.

>>> import torch, kvant
>>> y, scale, offset = kvant.dynamic_quant(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), dst_type="int8")
>>> y
tensor([[-128,  -43,   42,  127]], dtype=torch.int8)

Every operator is also torch.ops.kvant.<name>, with numbers in the place of names and RuntimeError as its only error.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kvant._config import __version__, get_cmake_path, get_include, show_config
from kvant._load import load as _load

_load()

from kvant import _fake as _fake  # noqa: E402
from kvant._codes import Format, IndexMode, IndexPolicy, QuantMode, RoundMode, ScaleSource  # noqa: E402
from kvant._dequantize import dequantize, dequantize_gather, pack_int4, unpack_int4  # noqa: E402
from kvant._dynamic_quant import dynamic_quant  # noqa: E402
from kvant._fused import dynamic_quant_update_scatter_  # noqa: E402
from kvant._groups import counts_from_ends, ends_from_counts  # noqa: E402
from kvant._parts import (  # noqa: E402
    params_from_amax,
    params_from_minmax,
    quantize_with_params,
    row_amax,
    row_minmax,
)
from kvant._quantize import quantize  # noqa: E402
from kvant._scatter import quant_scatter, quant_scatter_, scatter_update, scatter_update_  # noqa: E402
from kvant._swiglu import dequant_swiglu_quant  # noqa: E402

if TYPE_CHECKING:
    from kvant import cuda as cuda
    from kvant import fusion as fusion
    from kvant.fusion import fuse as fuse

__all__ = [
    "Format",
    "IndexMode",
    "IndexPolicy",
    "QuantMode",
    "RoundMode",
    "ScaleSource",
    "__version__",
    "counts_from_ends",
    "dequant_swiglu_quant",
    "dequantize",
    "dequantize_gather",
    "dynamic_quant",
    "dynamic_quant_update_scatter_",
    "ends_from_counts",
    "fuse",
    "get_cmake_path",
    "get_include",
    "pack_int4",
    "params_from_amax",
    "params_from_minmax",
    "quant_scatter",
    "quant_scatter_",
    "quantize",
    "quantize_with_params",
    "row_amax",
    "row_minmax",
    "scatter_update",
    "scatter_update_",
    "show_config",
    "unpack_int4",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "fusion"} - {"Any", "TYPE_CHECKING", "import_module"})


if not TYPE_CHECKING:  # to a type checker every name would be in a module that has it

    def __getattr__(name: str) -> Any:
        if name in ("fuse", "fusion"):  # imports torch's symbolic shapes and higher-order operators
            fusion = import_module("kvant.fusion")
            return fusion if name == "fusion" else fusion.fuse
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
