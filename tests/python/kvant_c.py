"""The operators of libkvant by the names and arguments that they have in oracle.py, NumPy arrays in and out.

`how` is the number of threads and the kind of stores, `alloc` makes the results.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kvant_abi import Array, Spec, call, infer, supported_targets, target

__all__ = [
    "call",
    "counts_from_ends",
    "dequant_swiglu_quant",
    "dequantize",
    "dequantize_gather",
    "dynamic_quant",
    "dynamic_quant_update_scatter_",
    "ends_from_counts",
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
    "supported_targets",
    "target",
    "unpack_int4",
]

Alloc = Callable[[tuple[int, ...], Any], Array]


def poisoned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory whose every byte is 0xA5, so that one that is not written shows."""
    return np.frombuffer(bytearray(b"\xa5" * (math.prod(shape) * np.dtype(dtype).itemsize)), dtype).reshape(shape)


def _run(op: str, results: dict[str, Spec | None], alloc: Alloc, how: dict[str, Any], **fields: Any) -> list[Any]:
    out: dict[str, Any] = {name: alloc(*spec) for name, spec in results.items() if spec is not None}
    call(op, **how, **fields, **out)
    return [out.get(name) for name in results]


def _in_words(spec: Spec | None) -> Spec:
    assert spec is not None
    return (*spec[0][:-1], spec[0][-1] // 4), np.int32


def dynamic_quant(
    x: Array,
    dst_type: str = "int8",
    symmetric: bool = False,
    quant_mode: str = "pertoken",
    smooth_scales: Array | None = None,
    *,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> tuple[Array, Array, Array | None]:
    """`words`: INT4 as int32."""
    attributes |= {"quant_mode": quant_mode, "smooth_scales": smooth_scales}
    fields = {"x": x, "dst_type": dst_type, "symmetric": symmetric, **attributes}
    y, scale, offset = infer("dynamic_quant", 3, **fields)
    results = {"y": _in_words(y) if words else y, "scale": scale, "offset": offset}
    codes, scales, offsets = _run("dynamic_quant", results, alloc, how or {}, **fields)
    return codes, scales, offsets


def row_minmax(x: Array, *, alloc: Alloc = poisoned, how: Any = None, **attributes: Any) -> tuple[Array, Array]:
    (spec,) = infer("row_stats", 1, x=x, **attributes)
    low, high = _run("row_minmax", {"min": spec, "max": spec}, alloc, how or {}, x=x, **attributes)
    return low, high


def row_amax(x: Array, *, alloc: Alloc = poisoned, how: Any = None, **attributes: Any) -> Array:
    (spec,) = infer("row_stats", 1, x=x, **attributes)
    return _run("row_amax", {"amax": spec}, alloc, how or {}, x=x, **attributes)[0]


def params_from_amax(amax: Array, *, alloc: Alloc = poisoned, **attributes: Any) -> Array:
    return _run("params_from_amax", {"scale": (amax.shape, np.float32)}, alloc, {}, amax=amax, **attributes)[0]


def params_from_minmax(low: Array, high: Array, *, alloc: Alloc = poisoned, **attributes: Any) -> tuple[Array, Array]:
    spec = (low.shape, np.float32)
    fields = {"min": low, "max": high, **attributes}
    scale, offset = _run("params_from_minmax", {"scale": spec, "offset": spec}, alloc, {}, **fields)
    return scale, offset


def quantize_with_params(
    x: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"x": x, "scale": scale, "offset": offset, **attributes}
    (y,) = infer("quantize_with_params", 1, **fields)
    return _run("quantize_with_params", {"y": _in_words(y) if words else y}, alloc, how or {}, **fields)[0]


def quantize(
    x: Array,
    scales: Array,
    zero_points: Array | None = None,
    *,
    axis: int = -1,
    words: bool = False,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"x": x, "quant_scales": scales, "quant_zero_points": zero_points, "axis": axis, **attributes}
    (y,) = infer("quantize", 1, **fields)
    return _run("quantize", {"y": _in_words(y) if words else y}, alloc, how or {}, **fields)[0]


def dequantize(
    y: Array,
    scale: Array,
    offset: Array | None = None,
    *,
    dtype: Any = np.float32,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"y": y, "scale": scale, "offset": offset, **attributes}
    (x,) = infer("dequantize", 1, dtype, **fields)
    return _run("dequantize", {"x": x}, alloc, how or {}, **fields)[0]


def pack_int4(codes: Array, as_int32: bool = False, *, alloc: Alloc = poisoned, how: Any = None) -> Array:
    (packed,) = infer("pack_int4", 1, np.int32 if as_int32 else np.uint8, codes=codes)
    return _run("pack_int4", {"packed": packed}, alloc, how or {}, codes=codes)[0]


def unpack_int4(packed: Array, *, alloc: Alloc = poisoned, how: Any = None) -> Array:
    (codes,) = infer("unpack_int4", 1, packed=packed)
    return _run("unpack_int4", {"codes": codes}, alloc, how or {}, packed=packed)[0]


def scatter_update(
    self: Array,
    indices: Array,
    updates: Array,
    axis: int = -2,
    *,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    fields = {"self": self, "indices": indices, "updates": updates, "axis": axis, **attributes}
    (out,) = infer("scatter_update", 1, **fields)
    return _run("scatter_update", {"out": out}, alloc, how or {}, **fields)[0]


def scatter_update_(
    self: Array, indices: Array, updates: Array, axis: int = -2, *, how: Any = None, **attributes: Any
) -> Array:
    call("scatter_update_in_place", self=self, indices=indices, updates=updates, axis=axis, **(how or {}), **attributes)
    return self


def _quant_scatter_fields(
    self: Array,
    indices: Array,
    updates: Array,
    quant_scales: Array,
    quant_zero_points: Array | None = None,
    *,
    axis: int = -2,
    quant_axis: int = -1,
    **attributes: Any,
) -> dict[str, Any]:
    return {
        "self": self,
        "indices": indices,
        "updates": updates,
        "quant_scales": quant_scales,
        "quant_zero_points": quant_zero_points,
        "axis": axis,
        "quant_axis": quant_axis,
        **attributes,
    }


def quant_scatter(*args: Any, alloc: Alloc = poisoned, how: Any = None, **attributes: Any) -> Array:
    fields = _quant_scatter_fields(*args, **attributes)
    (out,) = infer("quant_scatter", 1, **fields)
    return _run("quant_scatter", {"out": out}, alloc, how or {}, **fields)[0]


def quant_scatter_(self: Array, *args: Any, how: Any = None, **attributes: Any) -> Array:
    call("quant_scatter_in_place", **(how or {}), **_quant_scatter_fields(self, *args, **attributes))
    return self


def dynamic_quant_update_scatter_(
    var: Array,
    var_scale: Array,
    var_offset: Array | None,
    indices: Array,
    updates: Array,
    *,
    axis: int = -2,
    second: tuple[Array, Array, Array | None, Array] | None = None,
    how: Any = None,
    **attributes: Any,
) -> tuple[Array | None, ...]:
    """`second`: var, var_scale, var_offset and updates of a second cache. All tables, with it six, come back."""
    names = ("var", "var_scale", "var_offset", "updates")
    fields = {**dict(zip(names, (var, var_scale, var_offset, updates), strict=True)), "indices": indices, "axis": axis}
    if second is not None:
        fields["second"] = dict(zip(names, second, strict=True))
    call("dynamic_quant_update_scatter", **(how or {}), **fields, **attributes)
    return (var, var_scale, var_offset, *(second or ())[:3])


def dequantize_gather(
    var: Array,
    var_scale: Array,
    var_offset: Array | None,
    indices: Array,
    *,
    length: int = 1,
    axis: int = -2,
    dtype: Any = np.float32,
    alloc: Alloc = poisoned,
    how: Any = None,
    **attributes: Any,
) -> Array:
    tables = {"var": var, "var_scale": var_scale, "var_offset": var_offset}
    fields = {**tables, "indices": indices, "length": length, "axis": axis, **attributes}
    (x,) = infer("dequantize_gather", 1, dtype, **fields)
    return _run("dequantize_gather", {"x": x}, alloc, how or {}, **fields)[0]


DEFAULTS = {"clamp_limit": 7.0, "glu_alpha": 1.702, "glu_bias": 1.0}


def dequant_swiglu_quant(
    x: Array, *, quant_mode: int = 0, alloc: Alloc = poisoned, how: Any = None, **attributes: Any
) -> tuple[Array, Array]:
    fields = {"x": x, "quant_mode": quant_mode, **DEFAULTS, **attributes}
    y, scale = infer("dequant_swiglu_quant", 2, **fields)
    codes, scales = _run("dequant_swiglu_quant", {"y": y, "scale": scale}, alloc, how or {}, **fields)
    return codes, scales


def counts_from_ends(ends: Array, dtype: Any = np.int64) -> Array:
    counts = poisoned(ends.shape, dtype)
    call("counts_from_ends", ends=ends, counts=counts)
    return counts


def ends_from_counts(counts: Array, dtype: Any = np.int64) -> Array:
    ends = poisoned(counts.shape, dtype)
    call("ends_from_counts", counts=counts, ends=ends)
    return ends
