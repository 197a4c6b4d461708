"""kvant.distributed with gloo, on 2 and 4 processes; what they do is in distributed_worker.py."""

from pathlib import Path

import pytest
import torch
from torch.multiprocessing.spawn import spawn

import distributed_worker
import kvant.distributed
from cases import CASES
from kvant.distributed._sharding import _RULES


@pytest.mark.parametrize("size", [2, 4])
def test_processes(size: int, tmp_path: Path) -> None:
    spawn(distributed_worker.run, args=(size, str(tmp_path / "meeting")), nprocs=size)


def test_every_functional_operator_has_a_rule() -> None:
    functional = {case.op for case in CASES if not case.op._schema.is_mutable}
    assert functional == set(_RULES)


def test_it_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="call init_process_group first"):
        kvant.distributed.dynamic_quant(torch.ones(2, 4))
