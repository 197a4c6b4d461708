"""torch's own checks of every operator: schema, fake kernel, tracing with symbolic shapes."""

from typing import Any

import pytest
import torch
from torch.library import opcheck

from cases import CASES, Case, ids

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def is_float8(argument: Any) -> bool:
    return isinstance(argument, torch.Tensor) and argument.dtype in FLOAT8


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_opcheck(case: Case) -> None:
    args = case.make()
    if any(map(is_float8, args)):
        # test_schema compares inputs by arithmetic that torch does not have for FP8; as bytes they are legal too.
        opcheck(
            case.op, args, test_utils=("test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
        )
        args = tuple(a.view(torch.uint8) if is_float8(a) else a for a in args)
    opcheck(case.op, args)


def test_every_operator_has_a_case() -> None:
    every = {
        name.removeprefix("kvant::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("kvant::")
    }
    without = {"_no_gradient", "_cuda_check_errors", "_cuda_set_deterministic"}
    assert every - without == {case.operator for case in CASES}


def test_numbers_come_after_tensors_and_no_text() -> None:
    """Text leaks before torch 2.14, and DTensor caches by what follows the first number."""
    rank = {"Tensor": 0, "Optional[Tensor]": 0, "int": 1, "float": 2, "bool": 2}
    for case in CASES:
        kinds: list[Any] = [rank[str(a.type)] for a in case.op._schema.arguments]
        assert kinds == sorted(kinds), str(case.op._schema)


def test_what_writes_returns_nothing() -> None:
    for case in CASES:
        schema = case.op._schema
        assert schema.is_mutable == (len(schema.returns) == 0), str(schema)
        assert schema.is_mutable == case.operator.endswith(("_", "_out")), str(schema)
