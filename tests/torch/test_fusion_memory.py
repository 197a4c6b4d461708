"""kvant.fusion leaves alone what shares memory, or is read or written between a quantization and its writes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import kvant
from kvant import fusion
from support import assert_same
from test_fusion import tensors
from test_fusion_guards import assert_left_alone, write

pytestmark = pytest.mark.usefixtures("fresh")


def same_table(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    write(s, i, scale)
    write(s, i, offset)


def halves_of_one_table(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """They overlap, and the later one wins."""
    y, scale, offset = kvant.dynamic_quant(x[:2])
    write(c[:2], i[:2], y)
    write(s[:2], i[:2], scale)
    write(s[1:3], i[:2], offset)


def input_in_a_cache(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, smooth_scales=s.view(-1)[:16], symmetric=True)
    write(c, i, y)
    write(s, i, scale)


def a_write_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    c[0].fill_(7)
    write(s, i, scale)
    write(o, i, offset)


def a_read_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    copy = c.view(-1) + 1
    write(s, i, scale)
    write(o, i, offset)
    return copy


def a_copy_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    """reshape looks like a view, and is none here."""
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(s, i, scale)
    copy = s.transpose(0, 2).reshape(-1)
    write(c, i, y)
    s.zero_()
    return copy


def rows_changed_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    x[0].mul_(2)
    write(s, i, scale)
    write(o, i, offset)


def rows_changed_by_an_operator(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    torch.add(x, 1, out=x)
    torch.nn.functional.relu(x, True)
    write(c, i, y)
    write(s, i, scale)
    write(o, i, offset)


def indices_changed_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x)
    write(c, i, y)
    i += 1
    write(s, i, scale)
    write(o, i, offset)


def copy_of_an_old_cache(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    new = kvant.scatter_update(c, i, x.to(torch.int8), 2, index_mode="batch")
    c[3].fill_(5)
    c.copy_(new)


def caches_of_two(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Two quantizations write one cache of codes, in turns."""
    first, first_scale = kvant.dynamic_quant(x, symmetric=True)
    second, second_scale = kvant.dynamic_quant(-x, symmetric=True)
    write(c, i, first)
    write(c, i, second)
    write(s, i, first_scale)
    write(o, i, second_scale)


def rows_gathered_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
    """What attention reads: new codes with old scales."""
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, y)
    read = kvant.dequantize_gather(c, s, None, i, dst_type="int8", index_mode="batch")
    write(s, i, scale)
    return read


def an_operator_writes_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(s, i, scale)
    kvant.quant_scatter_(c, i, x, o[0, 0, :1], axis=2, index_mode="batch")
    write(c, i, y)


def smooth_changed_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    smooth = o.view(-1)[:16]
    y, scale = kvant.dynamic_quant(x, symmetric=True, smooth_scales=smooth)
    write(c, i, y)
    o[0, 0, 0] = 3
    write(s, i, scale)


def static_rows_changed(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = kvant.quantize(x, s[0, 0, :1])
    x.zero_()
    write(c, i, codes)


def static_scale_in_the_cache(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    write(c, i, kvant.quantize(x, c.view(torch.float32)[0, 0, 0, :1]))


def rows_renormalised_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """max_norm changes the rows that are looked up."""
    rows = x.view(-1, 16)
    y, scale = kvant.dynamic_quant(x, symmetric=True)
    write(c, i, y)
    torch.nn.functional.embedding_bag(torch.tensor([[0, 1]]), rows, max_norm=0.01)
    write(s, i, scale)


def statistics_updated_between(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    smooth = o.view(-1)[:16]
    y, scale = kvant.dynamic_quant(x, symmetric=True, smooth_scales=smooth)
    write(c, i, y)
    torch.native_batch_norm(x.view(-1, 16), None, None, smooth, o.view(-1)[16:32], True, 0.1, 1e-5)
    write(s, i, scale)


REASONS: dict[Callable[..., Any], str] = {
    same_table: r"may share memory",
    halves_of_one_table: r"may share memory",
    input_in_a_cache: r"may share memory",
    a_write_between: r"a cache is used in between, at .*test_fusion_memory.py:\d+ \(c\[0\].fill_\(7\)\)",
    a_read_between: r"a cache is used in between, at .*c\.view",
    a_copy_between: r"a cache is used in between, at .*reshape",
    rows_changed_between: r"written in between, at .*x\[0\].mul_",
    rows_changed_by_an_operator: r"written in between, at .*torch.add",
    indices_changed_between: r"written in between|the indices differ",
    copy_of_an_old_cache: r"a cache is used in between",
    caches_of_two: r"in between, at .*scatter_update_",
    rows_gathered_between: r"a cache is used in between, at .*dequantize_gather",
    an_operator_writes_between: r"in between, at .*quant_scatter_",
    smooth_changed_between: r"written in between, at .*o\[0, 0, 0\] = 3",
    static_rows_changed: r"written in between, at .*x.zero_",
    static_scale_in_the_cache: r"may share memory",
    rows_renormalised_between: r"written in between, at .*embedding_bag",
    statistics_updated_between: r"written in between, at .*native_batch_norm",
}


@pytest.mark.parametrize(("run", "reason"), REASONS.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_left_alone(run: Callable[..., Any], reason: str) -> None:
    assert_left_alone(run, reason)


def halves_of_caches(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """As keys and values of one tensor, both quantized before the first is written."""
    first, first_scale = kvant.dynamic_quant(x[:2], symmetric=True)
    second, second_scale = kvant.dynamic_quant(-x[:2], symmetric=True)
    write(c[:2], i[:2], first)
    write(s[:2], i[:2], first_scale)
    write(c[2:], i[:2], second)
    write(s[2:], i[:2], second_scale)


def interleaved_tables(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """A scale and its offset are neighbours."""
    table = o.view(2, 2, 5, 2)
    y, scale, offset = kvant.dynamic_quant(x[:2])
    write(c[:2], i[:2], y)
    write(table[..., 0], i[:2], scale)
    write(table[..., 1], i[:2], offset)


@pytest.mark.parametrize(
    ("run", "count", "dynamic"),
    [(halves_of_caches, 2, False), (halves_of_caches, 2, True), (interleaved_tables, 1, False)],
)
def test_parts_that_do_not_meet(run: Callable[..., Any], count: int, dynamic: bool) -> None:
    expected, got = tensors(), tensors()
    run(*expected)
    torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True, dynamic=dynamic)(*got)
    assert_same(got, expected)
    report = fusion.report()
    assert [entry.fused for entry in report.fused] == ["dynamic_quant_update_scatter_"] * count, str(report)
    assert report.left == []
