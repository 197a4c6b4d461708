"""Names of formats, modes and dtypes as the numbers that operators take.

Formats have the numbers of torch_npu, so that raw torch.ops.kvant.* and npu_* functions agree.
"""

from typing import Literal, TypeAlias

import torch

from kvant._call import check_tensor

Format: TypeAlias = Literal["int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8"] | torch.dtype
QuantMode: TypeAlias = Literal["pertoken", "pertensor", "perchannel"]
RoundMode: TypeAlias = Literal["rint", "round", "hybrid"]
IndexMode: TypeAlias = Literal["batch", "pair", "slot"]
IndexPolicy: TypeAlias = Literal["error", "skip"]

INT4_WORDS = 16  # INT4 as int32, eight to an element
INT4_BYTES = 285  # INT4 as uint8, two to an element

_FORMATS: dict[object, int] = {
    "int8": 1,
    "int4": INT4_BYTES,
    "float8_e4m3fn": 24,
    "float8_e5m2": 23,
    "hifloat8": 290,
    torch.int8: 1,
    torch.float8_e4m3fn: 24,
    torch.float8_e5m2: 23,
}
if hasattr(torch, "int4"):
    _FORMATS[torch.int4] = INT4_BYTES

_QUANT_MODES: dict[object, int] = {"pertoken": 0, "pertensor": 1, "perchannel": 2}
_ROUND_MODES: dict[object, int] = {"rint": 0, "round": 1, "hybrid": 2}
_INDEX_MODES: dict[object, int] = {"batch": 0, "pair": 1, "slot": 2}
_INDEX_POLICIES: dict[object, int] = {"error": 0, "skip": 1}
# torch's own numbers.
_DTYPES: dict[object, int] = {torch.float16: 5, torch.float32: 6, torch.bfloat16: 15}

# The dtype in which the codes of a format are returned, and how many of them an element holds.
STORAGE: dict[int, tuple[torch.dtype, int]] = {
    1: (torch.int8, 1),
    INT4_WORDS: (torch.int32, 8),
    INT4_BYTES: (torch.uint8, 2),
    23: (torch.float8_e5m2, 1),
    291: (torch.float8_e5m2, 1),
    24: (torch.float8_e4m3fn, 1),
    292: (torch.float8_e4m3fn, 1),
    290: (torch.uint8, 1),
}
DTYPE_OF_NUMBER = {number: dtype for dtype, number in _DTYPES.items() if isinstance(dtype, torch.dtype)}


def _number(table: dict[object, int], name: str, value: object) -> int:
    number = table.get(value)
    if number is None:
        known = ", ".join(repr(key) for key in table)
        raise ValueError(f"{name} is {value!r}, expected one of {known}")
    return number


def format_code(dst_type: Format) -> int:
    return _number(_FORMATS, "dst_type", dst_type)


def format_of_cache(op: str, self: torch.Tensor, hifloat8: str) -> torch.dtype:
    """Of a call that names no format. uint8 could be two, so there it has to be named: `hifloat8` says how."""
    check_tensor(op, "self", self)
    if self.dtype in (torch.int8, torch.float8_e4m3fn, torch.float8_e5m2):
        return self.dtype
    if self.dtype == torch.uint8:
        raise ValueError(f"{op}: self is uint8, whose format has to be named: dst_type={hifloat8}")
    dtype = str(self.dtype).removeprefix("torch.")
    raise TypeError(f"{op}: self is {dtype}, expected int8, float8_e4m3fn, float8_e5m2, or uint8 for hifloat8")


def quant_mode_code(quant_mode: QuantMode) -> int:
    return _number(_QUANT_MODES, "quant_mode", quant_mode)


def round_mode_code(round_mode: RoundMode) -> int:
    return _number(_ROUND_MODES, "round_mode", round_mode)


def index_mode_code(index_mode: IndexMode) -> int:
    return _number(_INDEX_MODES, "index_mode", index_mode)


def index_policy_code(index_policy: IndexPolicy) -> int:
    return _number(_INDEX_POLICIES, "index_policy", index_policy)


def dtype_code(dtype: torch.dtype) -> int:
    number = _DTYPES.get(dtype)
    if number is None:
        raise TypeError(f"dtype is {dtype}, expected torch.float32, torch.float16 or torch.bfloat16")
    return number
