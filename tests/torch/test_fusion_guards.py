"""kvant.fusion leaves alone what it may not change, gives the reason, and the results stay those of eager mode."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import kvant
import kvant.torch_npu  # defines torch.ops.npu
from kvant import fusion
from support import assert_same
from test_fusion import tensors

pytestmark = pytest.mark.usefixtures("fresh")


def write(where: Tensor, i: Tensor, what: Tensor, **named: Any) -> None:
    kvant.scatter_update_(where, i, what, **{"index_mode": "batch", "axis": 2, **named})


def assert_left_alone(run: Callable[..., Any], reason: str) -> None:
    """reason: of one entry; there is one for each quantization."""
    expected, got = tensors(), tensors()
    result = run(*expected)
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)
    assert_same(fast(*got), result)
    assert_same(got, expected)
    report = fusion.report()
    assert report.fused == [], str(report)
    for entry in report.left:
        assert re.search(reason, entry.reason), entry.reason
        assert f"{run.__module__}.py:" in entry.where
    assert report.left


def other_reader(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)
    write(o, i, offset)
    return y + 1


def reader_of_the_scale(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)
    write(o, i, offset)
    return scale.new_zeros(3)


def arithmetic_on_the_offset(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)
    write(o, i, offset * 2)


def written_twice(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)
    write(o, i, offset)
    write(o, i, offset)


def missing_offset(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, _ = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)


def different_indices(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i + 1, scale)
    write(o, i, offset)


def different_policy(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, y)
    write(s, i, scale, index_policy="skip")


def wrong_axis(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x[:, :, :, :5].expand(3, 2, 5, 5), symmetric=True)
    j = i - i
    write(c[..., :5], j, y)
    write(s, j, scale, axis=1)


def permuted(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x[:2, :, 0], symmetric=True)
    write(c, i[:2], y.unsqueeze(2))
    write(s, i[:2], scale.transpose(0, 1).unsqueeze(2))


def negated_scale(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, y)
    write(s, i, -scale)


def experts(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    ends = torch.tensor([2, 6])
    y, scale = kvant.dynamic_quant(x, smooth_scales=x[:2, 0, 0], group_index=ends, symmetric=True)
    write(c, i, y)
    write(s, i, scale)


def pertensor(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, quant_mode="pertensor", symmetric=True)
    write(c, i, y)
    write(s, i[:1], scale.view(1, 1, 1).expand(1, 2, 1))


def fp8(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, dst_type="float8_e5m2", symmetric=True)
    write(c.view(torch.float8_e5m2), i, y)
    write(s, i, scale)


def static_of_rows(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    write(c, i, kvant.quantize(x, s[0, :, 0], axis=1))


def static_read(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    codes = kvant.quantize(x, s[0, 0, :1])
    write(c, i, codes)
    return codes.clone()


def negated_codes(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, -y)
    write(s, i, scale)


def rows_taken_apart(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c.view(4, 2, 10, 8), i, y.view(3, 2, 2, 8))
    write(s, i, scale)


def table_with_more_room(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    table = torch.zeros(4, 2, 6)
    write(c, i, y)
    write(table, i, scale)
    return table


def packed_codes_apart(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    """INT4 codes of a row that do not lie side by side."""
    y, scale = kvant.dynamic_quant(x, dst_type="int4", symmetric=True)
    cache = torch.zeros(4, 2, 8, 5, dtype=torch.uint8)
    write(cache.transpose(2, 3), i, y)
    write(s, i, scale)
    return cache


def different_mode(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c.transpose(1, 2), i, y.squeeze(2), axis=1, index_mode="slot")
    write(s, i, scale)


def not_copied_back(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, y)
    return kvant.scatter_update(s, i, scale, 2, index_mode="batch")


def nothing_copied_back(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    return kvant.scatter_update(c, i, y, 2, index_mode="batch"), kvant.scatter_update(
        s, i, scale, 2, index_mode="batch"
    )


def perchannel(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale = kvant.dynamic_quant(x, quant_mode="perchannel", symmetric=True)
    table = torch.zeros(4, 2, 16)
    write(c, i, y)
    write(table, i - i, scale)
    return table


def hifloat8(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, dst_type="hifloat8", symmetric=True)
    write(c.view(torch.uint8), i, y)
    write(s, i, scale)


def fp8_of_npu(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = torch.ops.npu.npu_dynamic_quant(x, dst_type=torch.float8_e4m3fn)
    torch.ops.npu.scatter_update_(c.view(torch.float8_e4m3fn), i, y, 2)
    torch.ops.npu.scatter_update_(s, i, scale, 2)


def static_int4(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    write(c.view(torch.uint8)[..., :8], i, kvant.quantize(x, s[0, 0, :1], dst_type="int4"))


def static_negated(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    write(c, i, kvant.quantize(x, s[0, 0, :1]).neg())


REASONS: dict[Callable[..., Any], str] = {
    other_reader: r"the codes should have one reader, a scatter_update",
    reader_of_the_scale: r"the scale should have one reader, .* is read by new_zeros and scatter_update",
    arithmetic_on_the_offset: r"the offset is read by mul",
    written_twice: r"the offset should have one reader",
    missing_offset: r"the offset is not used",
    different_indices: r"the indices differ",
    different_policy: r"policies differ",
    wrong_axis: r"the axis differs: 2 and 1",
    permuted: r"permuted differently",
    negated_scale: r"are negated",
    experts: r"expert groups",
    pertensor: r"quant_mode is 1",
    fp8: r"only int8 and int4",
    static_of_rows: r"along dimension 1",
    static_read: r"the codes should have one reader",
    negated_codes: r"are negated",
    rows_taken_apart: r"takes rows apart",
    table_with_more_room: r"a table of shape \[4, 2, 6\] does not belong",
    packed_codes_apart: r"not contiguous along the rows",
    different_mode: r"index modes or policies differ",
    not_copied_back: r"some writes are in place and others are not",
    nothing_copied_back: r"nothing copies them back",
    perchannel: r"quant_mode is 2",
    hifloat8: r"only int8 and int4",
    fp8_of_npu: r"only int8 and int4",
    static_int4: r"dst_type is 285, which quant_scatter_ does not have",
    static_negated: r"codes are negated",
}


@pytest.mark.parametrize(("run", "reason"), REASONS.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_left_alone(run: Callable[..., Any], reason: str) -> None:
    assert_left_alone(run, reason)
