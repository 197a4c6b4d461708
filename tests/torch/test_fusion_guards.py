"""kvant.fusion leaves alone what it may not change, gives the reason, and the results stay those of eager mode."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

import kvant
from kvant import fusion
from support import assert_same
from test_fusion import plain, tensors

pytestmark = pytest.mark.usefixtures("fresh")


def write(where: Tensor, i: Tensor, what: Tensor, **named: Any) -> None:
    kvant.scatter_update_(where, i, what, **{"index_mode": "batch", "axis": 2, **named})


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


def copy_of_an_old_cache(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    new = kvant.scatter_update(c, i, x.to(torch.int8), 2, index_mode="batch")
    c[3].fill_(5)
    c.copy_(new)


REASONS: dict[Callable[..., Any], str] = {
    other_reader: r"the codes should have one reader, a scatter_update",
    reader_of_the_scale: r"the scale should have one reader, .* is read by new_zeros and scatter_update",
    arithmetic_on_the_offset: r"the offset is read by mul",
    written_twice: r"the offset should have one reader",
    missing_offset: r"the offset is not used",
    same_table: r"may share memory",
    halves_of_one_table: r"may share memory",
    input_in_a_cache: r"may share memory",
    a_write_between: r"a cache is used in between, at .*test_fusion_guards.py:\d+ \(c\[0\].fill_\(7\)\)",
    a_read_between: r"a cache is used in between, at .*c\.view",
    a_copy_between: r"a cache is used in between, at .*reshape",
    rows_changed_between: r"written in between, at .*x\[0\].mul_",
    rows_changed_by_an_operator: r"written in between, at .*torch.add",
    indices_changed_between: r"written in between|the indices differ",
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
    copy_of_an_old_cache: r"a cache is used in between",
}


@pytest.mark.parametrize(("run", "reason"), REASONS.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_left_alone(run: Callable[..., Any], reason: str) -> None:
    expected, got = tensors(), tensors()
    result = run(*expected)
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)
    assert_same(fast(*got), result)
    assert_same(got, expected)
    report = fusion.report()
    assert report.fused == [], str(report)
    (entry,) = report.left
    assert re.search(reason, entry.reason), entry.reason
    assert "test_fusion_guards.py:" in entry.where


def test_what_is_harmless_in_between() -> None:
    """Reads of the rows, views, and work on other tensors."""

    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> Tensor:
        y, scale, offset = kvant.dynamic_quant(x)
        write(c, i.view(-1), y)
        view, other = c.view(-1), torch.nn.functional.silu(x)
        other.add_(1)
        write(s, i.view(-1), scale)
        write(o, i.view(-1), offset)
        return other + view.sum()

    expected, got = tensors(), tensors()
    result = run(*expected)
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)
    assert_same(fast(*got), result)
    assert_same(got, expected)
    assert len(fusion.report().fused) == 1


def test_keys_and_values() -> None:
    """Two quantizations with one index become two calls, whatever the order of the writes."""

    def run(c: Tensor, s: Tensor, c2: Tensor, s2: Tensor, i: Tensor, x: Tensor) -> None:
        k, k_scale = kvant.dynamic_quant(x, symmetric=True)
        v, v_scale = kvant.dynamic_quant(x * 2, symmetric=True)
        write(c, i, k)
        write(c2, i, v)
        write(s, i, k_scale)
        write(s2, i, v_scale)

    def args() -> list[Tensor]:
        return [*tensors()[:2], *tensors()[:2], *tensors()[3:]]

    expected, got = args(), args()
    run(*expected)
    torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True)(*got)
    assert_same(got, expected)
    assert len(fusion.report().fused) == 2


def test_a_graph_break_in_the_middle() -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        y, scale = kvant.dynamic_quant(x, symmetric=True)
        write(c, i, y)
        torch._dynamo.graph_break()
        write(s, i, scale)

    expected, got = tensors(), tensors()
    run(*expected)
    torch.compile(run, backend="kvant", options={"backend": "eager"})(*got)
    assert_same(got, expected)
    (entry,) = fusion.report()
    assert "the scale is read by output" in entry.reason


def test_recompilation() -> None:
    """Each graph is looked at anew: one that may be fused, one whose caches are views of one tensor, one more."""

    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        write(s, i, x[..., 0])
        y, scale, offset = kvant.dynamic_quant(x)
        write(c, i, y)
        write(s, i, scale)
        write(o, i, offset)

    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True, dynamic=False)
    for n, fused in ((3, 1), (2, 1)):
        expected, got = tensors(n), tensors(n)
        run(*expected)
        fast(*got)
        assert_same(got, expected)
        assert len(fusion.report().fused) == fused
        fusion.clear()
    got = tensors()
    both = torch.ones(2, 4, 2, 5)
    with pytest.raises(RuntimeError, match="share memory"):
        fast(got[0], both[0], both[0].view(4, 2, 5), *got[3:])


def test_views_of_one_tensor_from_the_start() -> None:
    """Inputs that share memory when a graph is made are known to do so."""
    both = torch.ones(2, 4, 2, 5)
    got = tensors()
    torch.compile(plain, backend="kvant", options={"backend": "eager"})(got[0], both[0], both[1], *got[3:])
    (entry,) = fusion.report()
    assert "may share memory" in entry.reason


def test_a_device_without_kernels() -> None:
    def run(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
        torch.ops.kvant.scatter_update_(c, i, torch.ops.kvant.dynamic_quant_symmetric(x)[0], 2, 0)

    with torch.device("meta"):
        args = [torch.empty_like(t, device="meta") for t in tensors()]
    graph = make_fx(run, tracing_mode="fake")(*args).graph
    assert fusion.fuse_graph(graph) == 0
    (entry,) = fusion.report()
    assert entry.reason == "kvant has no kernel for meta"


def test_gradients_are_left_to_be_refused() -> None:
    """The wrapper of a quantization whose input has a gradient reads the scale."""
    args = tensors()
    args[4].requires_grad_()
    run = torch.compile(plain, backend="kvant", options={"backend": "eager"})
    run(*args)
    assert fusion.report().fused == []


def test_the_report_reads_well() -> None:
    assert str(fusion.report()) == "nothing that can be fused was seen"
    torch.compile(missing_offset, backend="kvant", options={"backend": "eager"})(*tensors())
    text = str(fusion.report())
    assert text.endswith(": dynamic_quant: left as it is: the offset is not used")
    assert "y, scale, _ = kvant.dynamic_quant(x)" in text
