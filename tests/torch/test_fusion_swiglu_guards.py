"""SwiGLU that is not quite the operator's stays as it is, though it would be allowed to have other last bits."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

import kvant
from kvant import fusion
from support import assert_same
from test_fusion_swiglu import Result, inputs, quant

pytestmark = pytest.mark.usefixtures("fresh")


def gate(v: Tensor) -> Tensor:
    act, lin = v.chunk(2, -1)
    return F.silu(act) * lin


def silu_in_bfloat16(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(h))


def product_in_bfloat16(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    act, lin = h.chunk(2, -1)
    return quant((F.silu(act.float()).bfloat16() * lin).float())


def rounded_before(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.half() * w.half()).float())


def rounded_afterwards(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w).half())


def rounded_and_back(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w).half().float())


def rounded_with_smooth(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant((gate(x.float() * w).half() * m).half())


def rows_before_columns(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * a[:, None] * w))


def scales_multiplied_first(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * (w * a[:, None])))


def bias_before_scales(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate((x.float() + b) * w))


def scaled_twice(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w * w))


def half_weight_scale(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w.bfloat16()))


def one_activation_scale(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w * a[0]))


def scaled_by_a_number(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * 0.01))


def scaled_floats(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(h.float() * w))


def number_as_smooth(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w) * 2.0)


def smooth_of_rows(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w) * a[:, None])


def smoothed_twice(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w) * m, smooth_scales=m)


def every_second(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    v = x.float() * w
    return quant(F.silu(v[:, ::2]) * v[:, 1::2])


def overlapping(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    v = x.float() * w
    return quant(F.silu(v[:, :16]) * v[:, 15:31])


def one_half_twice(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    act, _ = (x.float() * w).chunk(2, -1)
    return quant(F.silu(act) * act)


def of_two_values(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(F.silu((x.float() * w)[:, :16]) * h.float()[:, 16:])


def halves_of_rows(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    act, lin = (x.float() * w).chunk(2, 0)
    return quant(F.silu(act) * lin)


def product_read(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    s = gate(x.float() * w)
    return *quant(s), s


def value_read(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    v = x.float() * w
    return *quant(gate(v)), v.amax()


def value_written(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    """Between the silu of one half and the product with the other."""
    act, lin = (x.float() * w).chunk(2, -1)
    s = F.silu(act)
    lin.neg_()
    return quant(s * lin)


def rows_written(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    s = gate(x.float() * w)
    x.zero_()
    return quant(s)


def scale_written(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    s = gate(x.float() * w * a[:, None]) * m
    a[0] = 1
    return quant(s)


def asymmetric(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    return kvant.dynamic_quant(gate(x.float() * w))


def in_groups(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w), group_size=8)


def int4(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w), dst_type="int4")


def pertensor(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w), quant_mode="pertensor")


def experts(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w), smooth_scales=m.expand(2, -1), group_index=torch.tensor([2, 6]))


def other_largest_value(x: Tensor, w: Tensor, a: Tensor, b: Tensor, m: Tensor, h: Tensor) -> Result:
    return quant(gate(x.float() * w), dst_type="hifloat8", dst_type_max=15.0)


FLOAT32, ORDER, HALVES = "only arithmetic in float32 is fused", "is not the next of these", "are not the two halves"
REASONS: dict[Callable[..., Any], str] = {
    silu_in_bfloat16: "bfloat16, and " + FLOAT32,
    product_in_bfloat16: FLOAT32,
    rounded_before: "float16, and " + FLOAT32,
    rounded_afterwards: FLOAT32,
    rounded_and_back: FLOAT32,
    rounded_with_smooth: FLOAT32,
    rows_before_columns: ORDER,
    scales_multiplied_first: ORDER,
    bias_before_scales: ORDER,
    scaled_twice: ORDER,
    half_weight_scale: ORDER,
    one_activation_scale: ORDER,
    scaled_by_a_number: ORDER,
    scaled_floats: "bfloat16, and only int32 is dequantized",
    number_as_smooth: r"nor that times smooth scales \[H\]",
    smooth_of_rows: r"nor that times smooth scales \[H\]",
    smoothed_twice: "two multiplications by smooth scales",
    every_second: HALVES,
    overlapping: HALVES,
    one_half_twice: HALVES,
    of_two_values: HALVES,
    halves_of_rows: HALVES,
    product_read: "is read by output as well",
    value_read: "is read by amax as well",
    value_written: "is read by neg_ as well",
    rows_written: "l_x_ is written in between, at .*x.zero_",
    scale_written: r"is written in between, at .*a\[0\] = 1",
    asymmetric: "dynamic_quant is not symmetric",
    in_groups: "it has a group_size",
    int4: "dst_type is 285",
    pertensor: "quant_mode is 1",
    experts: "expert groups",
    other_largest_value: "dst_type_max is 15",
}


@pytest.mark.parametrize(("run", "reason"), REASONS.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_left_alone(run: Callable[..., Any], reason: str) -> None:
    expected, got = (inputs()[:4] + inputs()[5:] for _ in range(2))
    fast = torch.compile(run, backend="kvant", options={"backend": "eager", "inexact": "swiglu"}, fullgraph=True)
    assert_same(fast(*got), run(*expected))
    assert_same(got, expected)
    (entry,) = fusion.report()
    assert entry.fused is None
    assert re.search(reason, entry.reason), entry.reason
