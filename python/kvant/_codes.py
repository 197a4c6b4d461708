"""Names of formats, modes and dtypes as the numbers that operators take.

Formats have the numbers of torch_npu, so that raw torch.ops.kvant.* and npu_* functions agree.
"""

from typing import Literal, NoReturn, TypeAlias

import torch

from kvant._call import check_tensor

Format: TypeAlias = Literal["int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8"] | torch.dtype
QuantMode: TypeAlias = Literal["pertoken", "pertensor", "perchannel"]
RoundMode: TypeAlias = Literal["rint", "round", "hybrid"]
IndexMode: TypeAlias = Literal["batch", "pair", "slot"]
IndexPolicy: TypeAlias = Literal["error", "skip"]
ScaleSource: TypeAlias = Literal[0, 1, "static", "dynamic"]

INT4_WORDS = 16  # INT4 as int32, eight to an element
INT4_BYTES = 285  # INT4 as uint8, two to an element

# The dtype in which the codes of a format are returned, and how many of them an element holds.
STORAGE: dict[int, tuple[torch.dtype, int]] = {
    1: (torch.int8, 1),
    INT4_WORDS: (torch.int32, 8),
    23: (torch.float8_e5m2, 1),
    24: (torch.float8_e4m3fn, 1),
    INT4_BYTES: (torch.uint8, 2),
    290: (torch.uint8, 1),
    291: (torch.float8_e5m2, 1),
    292: (torch.float8_e4m3fn, 1),
}
_DTYPE_FORMATS: dict[object, int] = {torch.int8: 1, torch.float8_e4m3fn: 24, torch.float8_e5m2: 23}
_FORMATS: dict[object, int] = {
    "int8": 1,
    "int4": INT4_BYTES,
    "float8_e4m3fn": 24,
    "float8_e5m2": 23,
    "hifloat8": 290,
    **_DTYPE_FORMATS,
}
if hasattr(torch, "int4"):
    _FORMATS[torch.int4] = INT4_BYTES
# What torch_npu takes.
_NPU_FORMATS: dict[object, int] = {**{number: number for number in STORAGE}, **_DTYPE_FORMATS}
if hasattr(torch, "quint4x2"):
    _NPU_FORMATS[torch.quint4x2] = INT4_WORDS
# What npu_quantize takes. A qint8 result is a plain int8 tensor there too, and 12 is what torch makes of torch.qint8
# where the schema of an operator has a number.
_NPU_QUANTIZE_FORMATS: dict[object, int] = {**_NPU_FORMATS, 12: 1, torch.qint8: 1}

_QUANT_MODES: dict[object, int] = {"pertoken": 0, "pertensor": 1, "perchannel": 2}
_ROUND_MODES: dict[object, int] = {"rint": 0, "round": 1, "hybrid": 2}
_INDEX_MODES: dict[object, int] = {"batch": 0, "pair": 1, "slot": 2}
_INDEX_POLICIES: dict[object, int] = {"error": 0, "skip": 1}
_SCALE_SOURCES: dict[object, int] = {0: 0, 1: 1, "static": 0, "dynamic": 1}
# torch's own numbers.
_DTYPES: dict[object, int] = {torch.float16: 5, torch.float32: 6, torch.bfloat16: 15}

DTYPE_OF_NUMBER = {number: dtype for dtype, number in _DTYPES.items() if isinstance(dtype, torch.dtype)}


def _unknown(op: str, table: dict[object, int], name: str, value: object) -> NoReturn:
    known = ", ".join(repr(key) for key in table)
    raise ValueError(f"{op}: {name} is {value!r}, expected one of {known}")


# Each function looks up by itself: one in between took 0.1 us of every call, twice.
def format_code(op: str, dst_type: Format) -> int:
    number = _FORMATS.get(dst_type)
    return _unknown(op, _FORMATS, "dst_type", dst_type) if number is None else number


def _npu_formats(op: str) -> dict[object, int]:
    return _NPU_QUANTIZE_FORMATS if op == "npu_quantize" else _NPU_FORMATS


def npu_format(op: str, dst_type: int | torch.dtype | None) -> int | None:
    """Of what `op` of torch_npu takes for a format; None is INT8. None for anything else."""
    if dst_type is None:
        return 1
    # True is 1 to a dictionary.
    return None if isinstance(dst_type, bool) else _npu_formats(op).get(dst_type)


def npu_format_code(op: str, dst_type: int | torch.dtype | None, name: str = "dst_type") -> int:
    number = npu_format(op, dst_type)
    return _unknown(op, _npu_formats(op), name, dst_type) if number is None else number


def format_of_cache(op: str, self: torch.Tensor, hifloat8: str) -> torch.dtype:
    """Of a call that names no format. uint8 could be two, so there it has to be named: `hifloat8` says how."""
    check_tensor(op, "self", self)
    if self.dtype in (torch.int8, torch.float8_e4m3fn, torch.float8_e5m2):
        return self.dtype
    if self.dtype == torch.uint8:
        raise ValueError(f"{op}: self is uint8, whose format has to be named: dst_type={hifloat8}")
    dtype = str(self.dtype).removeprefix("torch.")
    raise TypeError(f"{op}: self is {dtype}, expected int8, float8_e4m3fn, float8_e5m2, or uint8 for hifloat8")


def quant_mode_code(op: str, quant_mode: QuantMode) -> int:
    number = _QUANT_MODES.get(quant_mode)
    return _unknown(op, _QUANT_MODES, "quant_mode", quant_mode) if number is None else number


def round_mode_code(op: str, round_mode: RoundMode) -> int:
    number = _ROUND_MODES.get(round_mode)
    return _unknown(op, _ROUND_MODES, "round_mode", round_mode) if number is None else number


def index_mode_code(op: str, index_mode: IndexMode) -> int:
    number = _INDEX_MODES.get(index_mode)
    return _unknown(op, _INDEX_MODES, "index_mode", index_mode) if number is None else number


def index_policy_code(op: str, index_policy: IndexPolicy) -> int:
    number = _INDEX_POLICIES.get(index_policy)
    return _unknown(op, _INDEX_POLICIES, "index_policy", index_policy) if number is None else number


def scale_source_code(op: str, quant_mode: ScaleSource) -> int:
    number = _SCALE_SOURCES.get(quant_mode)
    return _unknown(op, _SCALE_SOURCES, "quant_mode", quant_mode) if number is None else number


def check_reduce(op: str, reduce: str) -> None:
    if reduce != "update":
        raise ValueError(f"{op}: reduce is {reduce!r}, expected 'update'")


def dtype_code(op: str, dtype: torch.dtype) -> int:
    number = _DTYPES.get(dtype)
    if number is None:
        raise TypeError(f"{op}: dtype is {dtype}, expected torch.float32, torch.float16 or torch.bfloat16")
    return number
