"""kvant/c_api*.h for ctypes: their structs, NumPy arrays as DLPack tensors, and calls that raise.

The library is the file that KVANT_LIBRARY names, else the one in the build folder that KVANT_BUILD_DIR names, else the
newest one below build/.
"""

import contextlib
import ctypes as ct
import math
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Spec = tuple[tuple[int, ...], Any]  # shape, dtype

ROOT = Path(__file__).parents[2]
NUMBERS = {
    "dst_type": ("int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8"),
    "quant_mode": ("pertoken", "pertensor", "perchannel"),
    "round_mode": ("rint", "round", "hybrid"),
    "stores": ("auto", "normal", "streaming"),
    "index_mode": (None, "batch", "pair", "slot"),
    "index_policy": ("error", "skip"),
}
ERRORS = {1: ValueError, 2: TypeError, 3: IndexError, 4: RuntimeError, 5: MemoryError}

# DLPack's (code, bits) of each dtype; kvant knows all but the last two.
DTYPES: dict[Any, tuple[int, int]] = {
    np.dtype(dtype): code
    for dtype, code in (
        (np.float16, (2, 16)),
        (ml_dtypes.bfloat16, (4, 16)),
        (np.float32, (2, 32)),
        (np.int8, (0, 8)),
        (np.uint8, (1, 8)),
        (np.int32, (0, 32)),
        (np.int64, (0, 64)),
        (ml_dtypes.float8_e4m3fn, (10, 8)),
        (ml_dtypes.float8_e5m2, (12, 8)),
        (np.float64, (2, 64)),
        (np.int16, (0, 16)),
    )
}
DTYPE_OF_CODE = {code: dtype for dtype, code in DTYPES.items()}


class Device(ct.Structure):
    _fields_ = [("type", ct.c_int32), ("id", ct.c_int32)]


class DataType(ct.Structure):
    _fields_ = [("code", ct.c_uint8), ("bits", ct.c_uint8), ("lanes", ct.c_uint16)]


class Tensor(ct.Structure):
    _fields_ = [
        ("data", ct.c_void_p),
        ("device", Device),
        ("ndim", ct.c_int32),
        ("dtype", DataType),
        ("shape", ct.POINTER(ct.c_int64)),
        ("strides", ct.POINTER(ct.c_int64)),
        ("byte_offset", ct.c_uint64),
    ]


class TensorSpec(ct.Structure):
    _fields_ = [("dtype", DataType), ("ndim", ct.c_int32), ("shape", ct.c_int64 * 32), ("bytes", ct.c_int64)]


Body = ct.CFUNCTYPE(None, ct.c_void_p, ct.c_int)
Run = ct.CFUNCTYPE(None, ct.c_void_p, ct.c_int, Body, ct.c_void_p)


class ParallelFor(ct.Structure):
    _fields_ = [("num_threads", ct.c_int32), ("pool", ct.c_void_p), ("run", Run)]


def _structs() -> dict[str, Any]:
    """Structs by name, of arguments and of caches: read from the headers, so that they cannot differ from them."""
    types = {
        "size_t": ct.c_size_t,
        "int32_t": ct.c_int32,
        "int64_t": ct.c_int64,
        "double": ct.c_double,
        "void*": ct.c_void_p,
        "const DLTensor*": ct.POINTER(Tensor),
        "const kvant_parallel_for*": ct.POINTER(ParallelFor),
    }
    headers = (ROOT / "kvant" / name for name in ("c_api_types.h", "c_api_scatter.h", "c_api_swiglu.h", "c_api.h"))
    text = re.sub(r"//[^\n]*", "", "".join(header.read_text() for header in headers))
    types |= dict.fromkeys(re.findall(r"typedef int32_t (\w+);", text), ct.c_int32)
    for name, body in re.findall(r"typedef struct (\w+) \{\s*((?:size_t struct|const DLTensor).*?)\}", text, re.DOTALL):
        fields = [re.fullmatch(r"(.*\W)(\w+)", field.strip()) for field in body.split(";") if field.strip()]
        types[name] = type(name, (ct.Structure,), {"_fields_": [(f[2], types[f[1].strip()]) for f in fields if f]})
    return {name: struct for name, struct in types.items() if name.startswith("kvant_") and struct is not ct.c_int32}


STRUCTS = _structs()


def _library() -> Path:
    if path := os.environ.get("KVANT_LIBRARY"):
        return Path(path)
    if folder := os.environ.get("KVANT_BUILD_DIR"):
        return Path(folder) / "libkvant.so"
    # The ones left out need a sanitizer's runtime, or another processor.
    found = [p for p in ROOT.glob("build/*/libkvant.so") if p.parent.name not in ("sanitize", "fuzz", "aarch64")]
    if not found:
        raise FileNotFoundError("no build/*/libkvant.so: build kvant, or set KVANT_LIBRARY")
    return max(found, key=lambda p: p.stat().st_mtime)


lib = ct.CDLL(str(_library()))
for _name in ("kvant_last_error", "kvant_version", "kvant_active_target"):
    getattr(lib, _name).restype = ct.c_char_p
lib.kvant_supported_targets.restype = ct.POINTER(ct.c_char_p)
lib.kvant_set_target.argtypes = [ct.c_char_p]


def check(status: int) -> None:
    if status != 0:
        raise ERRORS[status](lib.kvant_last_error().decode())


def tensor(a: Array) -> Tensor:
    """A view of the array's memory; it keeps the array alive."""
    if any(stride % a.itemsize for stride in a.strides):
        raise ValueError(f"strides of {a.strides} bytes are not multiples of {a.itemsize}")
    shape = (ct.c_int64 * a.ndim)(*a.shape)
    strides = (ct.c_int64 * a.ndim)(*(stride // a.itemsize for stride in a.strides))
    dtype = DataType(*DTYPES[a.dtype], 1)
    t = Tensor(a.ctypes.data, Device(1, 0), a.ndim, dtype)
    t.shape = ct.cast(shape, ct.POINTER(ct.c_int64))
    t.strides = ct.cast(strides, ct.POINTER(ct.c_int64))
    t.owners = (a, shape, strides)
    return t


def fill(struct: str, **fields: Any) -> ct.Structure:
    """A struct with its size. Arrays become tensors, names of formats and modes numbers; None is absent, and a dict is
    a struct inside."""
    args = STRUCTS[struct]()
    if hasattr(args, "struct_size"):
        args.struct_size = ct.sizeof(args)
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value = tensor(value)
        if isinstance(value, str):
            value = NUMBERS[name].index(value)
        if isinstance(value, dict):
            setattr(args, name, fill(type(getattr(args, name)).__name__, **value))
        elif value is not None:
            setattr(args, name, ct.pointer(value) if isinstance(value, ct.Structure) else value)
    return args


def run_threads(_pool: int, tasks: int, body: Any, arg: int) -> None:
    """All tasks at once, the last one started first."""
    threads = [threading.Thread(target=body, args=(arg, t)) for t in reversed(range(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def call(op: str, *, threads: int | None = None, stores: str = "auto", **fields: Any) -> None:
    """Runs an operator; its results are among the fields. Without `threads` it uses the library's pool."""
    function = getattr(lib, f"kvant_{op}")
    struct = "row_stats" if op.startswith("row_") else op.removesuffix("_in_place")
    struct = "group_counts" if op in ("counts_from_ends", "ends_from_counts") else struct
    args = fill(f"kvant_{struct}_args", **fields)
    if op.startswith("params_") or struct == "group_counts":
        return check(function(ct.byref(args)))
    pool = None if threads is None else ParallelFor(threads, None, Run(run_threads))
    return check(function(ct.byref(args), ct.byref(fill("kvant_exec", stores=stores, parallel=pool))))


def infer(op: str, results: int, dtype: Any = None, **fields: Any) -> list[Spec | None]:
    """(shape, dtype) of each result, None for one that there is not. `op` is part of the function's name."""
    specs = [TensorSpec() for _ in range(results)]
    extra = [] if dtype is None else [DataType(*DTYPES[np.dtype(dtype)], 1)]
    args = fill(f"kvant_{op}_args", **fields)
    check(getattr(lib, f"kvant_infer_{op}")(ct.byref(args), *extra, *map(ct.byref, specs)))
    found: list[Spec | None] = []
    for s in specs:
        if s.ndim == -1:
            found.append(None)
            continue
        shape, kind = tuple(s.shape[: s.ndim]), DTYPE_OF_CODE[(s.dtype.code, s.dtype.bits)]
        assert s.bytes == math.prod(shape) * kind.itemsize
        found.append((shape, kind))
    return found


def supported_targets() -> list[str]:
    names: list[str] = []
    for name in lib.kvant_supported_targets():
        if name is None:
            break
        names.append(name.decode())
    return names


@contextlib.contextmanager
def target(name: str) -> Iterator[None]:
    check(lib.kvant_set_target(name.encode()))
    try:
        yield
    finally:
        check(lib.kvant_set_target(b"auto"))
