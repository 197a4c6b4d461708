"""How operators behave on a CUDA device: errors, duplicates, streams, graphs, several devices, gradients."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import kvant
from cases import CASES, Case, codes, ids, tables, values, where
from device import DEVICE, HOST, IS_CUDA, assert_like_cpu, check_errors, moved, need_device, only_cuda, tensors
from support import assert_same

need_device()

# Of every operator the case with the most tensors.
FULLEST = {c.operator: c for c in sorted(CASES, key=lambda c: len(list(tensors(c.make()))))}


def told(message: str, run: Callable[..., Any], *args: Any) -> Any:
    """IndexError with that message: on the CPU from the call, on a device from check_errors, which then forgets it.

    Returns what run gave on a device, moved to the CPU.
    """
    results: list[Any] = []

    def call() -> None:
        results.append(run(*args))
        check_errors()

    with pytest.raises(IndexError) as caught:
        call()
    assert str(caught.value) == message
    check_errors()
    return moved(results[0], "cpu") if results else None


@pytest.mark.parametrize(
    ("mode", "indices", "bad", "message"),
    [
        ("slot", [3, 7, 80, 12], 2, "indices[2] is 80, expected 0 to 79, or -1 for padding"),
        ("slot", [3, -2, 7, 12], 1, "indices[1] is -2, expected 0 to 79, or -1 for padding"),
        ("pair", [[0, 1], [1, 2], [2, 3], [4, 16]], 3, "indices[3, 1] is 16, expected 0 to 15, or -1 for padding"),
        ("pair", [[5, 1], [1, 2], [2, 3], [4, 1]], 0, "indices[0, 0] is 5, expected 0 to 4, or -1 for padding"),
        ("batch", [3, 0, 15, 16], 3, "indices[3] is 16, expected 0 to 15"),
    ],
)
def test_bad_indices(mode: Any, indices: Any, bad: int, message: str) -> None:
    """Nothing is written for the bad one; the others are written only on a device."""
    place, x, one = torch.tensor(indices), values((4, 64) if mode == "slot" else (4, 1, 64)), torch.ones(1)
    named: dict[str, Any] = {"index_mode": mode, "axis": 1}

    def fused(var: Tensor, scale: Tensor, offset: Tensor, i: Tensor, x: Tensor) -> None:
        kvant.dynamic_quant_update_scatter_(var, scale, offset, i, x, dst_type="int8", **named)

    def static(table: Tensor, s: Tensor, i: Tensor, x: Tensor) -> None:
        kvant.quant_scatter_(table, i, x, s, **named)

    def plain(table: Tensor, i: Tensor, x: Tensor) -> None:
        kvant.scatter_update_(table, i, x, **named)

    good = [i for i in range(4) if i != bad]
    var = codes("int8", (5, 16, 64))
    for name, run, given in (
        ("dynamic_quant_update_scatter_", fused, (var.clone(), values((5, 16)), values((5, 16)))),
        ("quant_scatter_", static, (var, one)),
        ("scatter_update_", plain, (values((5, 16, 64)),)),
    ):
        there = moved((*given, place, x))
        told(f"{name}: {message}", run, *there)
        if IS_CUDA:
            run(*given, place[good], x[good])
        assert_same(moved(there[: len(given)], "cpu"), given, name)


def test_bad_indices_of_a_gather_read_zero() -> None:
    given = codes("int8", (5, 16, 64)), values((5, 16)), None, torch.tensor([3, 80])
    named: dict[str, Any] = {"dst_type": "int8", "index_mode": "slot", "axis": 1}
    message = "dequantize_gather: indices[1] is 80, expected 0 to 79, or -1 for padding"
    result = told(message, lambda *args: kvant.dequantize_gather(*args, **named), *moved(given))
    expected = kvant.dequantize_gather(*given, **named, index_policy="skip")
    assert not expected[1].any()
    if IS_CUDA:
        assert_same(result, expected)
    assert_like_cpu(lambda *args: kvant.dequantize_gather(*args, **named, index_policy="skip"), *given)


@pytest.mark.parametrize(
    ("ends", "legal", "message"),
    [
        ([1, 3], 3, "group_index[1] is 3, the last end, but x has 4 rows"),
        ([1, 5], 4, "group_index[1] is 5, outside the 0..4 rows of x"),
        ([3, 1, 4], None, "group_index[1] is 1, but group_index[0] is 3: cumulative end rows cannot decrease"),
    ],
)
def test_bad_ends_of_groups(ends: list[int], legal: int | None, message: str) -> None:
    """Rows without a group get zeros."""

    def run(x: Tensor, smooth: Tensor, ends: Tensor) -> tuple[Tensor, ...]:
        return kvant.dynamic_quant(x, smooth_scales=smooth, group_index=ends)

    x, smooth = values((4, 64)), values((len(ends), 64), seed=1)
    result = told(f"dynamic_quant: {message}", run, *moved((x, smooth, torch.tensor(ends))))
    if IS_CUDA and legal is not None:
        assert_same([t[:legal] for t in result], run(x[:legal], smooth, torch.tensor([ends[0], legal])))
        assert not any(t[legal:].any() for t in result)


def test_bad_counts_of_groups() -> None:
    """From the bad one on rows get zeros."""

    def run(x: Tensor, counts: Tensor) -> tuple[Tensor, ...]:
        return kvant.dequant_swiglu_quant(x, group_index=counts, quant_mode="dynamic")

    x, message = values((4, 64)), "dequant_swiglu_quant: group_index[1] is -1, a number of rows cannot be negative"
    result = told(message, run, *moved((x, torch.tensor([1, -1]))))
    if IS_CUDA:
        assert_same([t[:1] for t in result], kvant.dequant_swiglu_quant(x[:1], quant_mode="dynamic"))
        assert not any(t[1:].any() for t in result)


@pytest.fixture
def deterministic() -> Iterator[None]:
    if IS_CUDA:
        kvant.cuda.set_deterministic(True)
    yield
    if IS_CUDA:
        kvant.cuda.set_deterministic(False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("mode", ["slot", "pair"])
def test_the_later_of_two_updates_wins(mode: Any) -> None:
    """Thousands of updates of seven places; in pairs they overlap by parts as well."""
    n = 4000
    place = torch.arange(n) * 37 % 7
    i = place if mode == "slot" else torch.stack([place % 2, place], dim=1)
    x, other = (values((n, 64) if mode == "slot" else (n, 3, 64), torch.float16, seed) for seed in (0, 1))

    def run(plain: Tensor, static: Tensor, k: list[Tensor], v: list[Tensor], i: Tensor, x: Tensor, y: Tensor) -> None:
        named: dict[str, Any] = {"index_mode": mode, "axis": 1}
        kvant.scatter_update_(plain, i, x, **named)
        kvant.quant_scatter_(static, i, x, x[0, ..., :1].reshape(-1)[:1], **named)
        kvant.dynamic_quant_update_scatter_(*k, i, x, dst_type="int8", second=(*v, y), **named)

    k, v = ([codes("int8", (2, 16, 64)), values((2, 16)), values((2, 16))] for _ in range(2))
    assert_like_cpu(run, values((2, 16, 64), torch.float16), codes("int8", (2, 16, 64)), k, v, i, x, other)


NAMES = {"dest": "self"} | {f"second_{name}": f"second.var_{name}" for name in ("scale", "offset")}
NAMES |= {f"second_{name}": f"second.{name}" for name in ("var", "updates")}


@only_cuda
@pytest.mark.parametrize("case", [c for name, c in FULLEST.items() if name.removesuffix("_out") not in HOST], ids=ids)
def test_a_tensor_on_the_cpu_is_told_by_name(case: Case) -> None:
    args = case.make()
    there = moved(args)
    positions = [i for i, argument in enumerate(args) if isinstance(argument, Tensor)]
    for i in positions if len(positions) > 1 else ():
        name = case.op._schema.arguments[i].name
        operator = case.operator.removesuffix("_out").removesuffix("_symmetric")
        with pytest.raises(RuntimeError) as caught:
            case.op(*there[:i], args[i], *there[i + 1 :])
        assert str(caught.value).startswith(f"ValueError: {operator}: {NAMES.get(name, name)} is not a CUDA tensor")


@only_cuda
def test_errors_of_wrappers_are_pythons() -> None:
    x, smooth = values((4, 64)), values((64,))
    with pytest.raises(ValueError, match=r"^dynamic_quant: smooth_scales is not a CUDA tensor$"):
        kvant.dynamic_quant(moved(x), smooth_scales=smooth)
    with pytest.raises(ValueError, match=r"^dynamic_quant: x is not a CUDA tensor$"):
        kvant.dynamic_quant(x, smooth_scales=moved(smooth))
    with pytest.raises(ValueError, match=re.escape("smooth_scales has shape [63], expected [64]")):
        kvant.dynamic_quant(moved(x), smooth_scales=moved(smooth)[1:])
    with pytest.raises(NotImplementedError):
        kvant.counts_from_ends(moved(torch.tensor([1, 2])))


def decode(k: Tensor, scales: Tensor, offsets: Tensor, slots: Tensor, x: Tensor) -> list[Tensor]:
    """A step with operators of every kind, one of which needs workspace."""
    named: dict[str, Any] = {"dst_type": "int4", "index_mode": "slot"}
    kvant.dynamic_quant_update_scatter_(k, scales, offsets, slots, x, **named)
    return [
        kvant.dequantize_gather(k, scales, offsets, slots, **named),
        *kvant.dynamic_quant(x, quant_mode="pertensor"),
        *kvant.dynamic_quant(x, dst_type="float8_e4m3fn", symmetric=True),
        *kvant.dequant_swiglu_quant(x, quant_mode="dynamic"),
    ]


@only_cuda
def test_a_graph_is_replayed_with_other_inputs() -> None:
    scale, offset = tables(False, torch.float32)
    assert offset is not None
    slots, shape = where("slot")
    args = [codes("int4", (3, 2, 5, 16)), scale, offset, slots, values(shape)]
    there, stream = moved(args), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        decode(*moved(args))  # loads the kernels
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = decode(*there)
    assert_same(moved(there, "cpu"), args, "after the capture")
    for seed in range(3):
        args[3], args[4] = slots.roll(seed), values(shape, seed=seed)
        for old, new in zip(there[3:], args[3:], strict=True):
            old.copy_(new)
        graph.replay()
        assert_same(moved(results, "cpu"), decode(*args), f"replay {seed}")
        assert_same(moved(there, "cpu"), args, f"tables after replay {seed}")
    check_errors()
    there[3].copy_(torch.tensor([4, 15, -1]))
    graph.replay()
    with pytest.raises(IndexError, match=re.escape("indices[1] is 15")):
        check_errors()


@only_cuda
def test_a_side_stream() -> None:
    """What is called there waits for what was put there before, and for nothing else."""
    x, later = values((300, 4096)), values((300, 4096), seed=1)
    (there, source), stream = moved((x, later)), torch.cuda.Stream()
    table, slots, rows = moved((torch.zeros(4, 8, 4096), torch.tensor([3, 32]), later[:2]))
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        there.copy_(source)
        results = [*kvant.dynamic_quant(there), *kvant.dynamic_quant(there, quant_mode="pertensor")]
        kvant.scatter_update_(table, slots, rows, axis=1, index_mode="slot")
        with pytest.raises(IndexError, match=re.escape("indices[1] is 32")):
            check_errors()
    stream.synchronize()
    expected = [*kvant.dynamic_quant(later), *kvant.dynamic_quant(later, quant_mode="pertensor")]
    assert_same(moved(results, "cpu"), expected)
    assert_same(moved(table, "cpu")[0, 3], later[0])


@only_cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
def test_tensors_of_a_device_that_is_not_the_current_one() -> None:
    x, smooth, table, slots = values((40, 4096)), values((4096,)), torch.zeros(4, 8, 4096), torch.tensor([3, 32])
    there, on_1, table_1, slots_1 = moved((x, smooth, table, slots), "cuda:1")
    for mode in ("pertoken", "pertensor"):
        result = kvant.dynamic_quant(there, quant_mode=mode)  # type: ignore[call-overload]
        assert {str(t.device) for t in result} == {"cuda:1"}
        assert_same(moved(result, "cpu"), kvant.dynamic_quant(x, quant_mode=mode))  # type: ignore[call-overload]
    assert torch.cuda.current_device() == 0
    with pytest.raises(ValueError, match="smooth_scales is on cuda:0, but another tensor is on cuda:1"):
        kvant.dynamic_quant(there, smooth_scales=moved(smooth, "cuda:0"))
    result = kvant.dynamic_quant(there, smooth_scales=on_1)
    assert_same(moved(result, "cpu"), kvant.dynamic_quant(x, smooth_scales=smooth))
    kvant.scatter_update_(table_1, slots_1, there[:2], axis=1, index_mode="slot")
    kvant.cuda.check_errors()
    with pytest.raises(IndexError, match=re.escape("indices[1] is 32")):
        kvant.cuda.check_errors("cuda:1")
    assert torch.cuda.current_device() == 0


def test_there_is_no_gradient_and_it_says_so() -> None:
    x, slots = moved((values((3, 16)), torch.tensor([1, 0, 2])))
    x.requires_grad_()
    y, scale, offset = kvant.dynamic_quant(x)
    result = kvant.dequantize(y, scale, offset, dst_type="int8")
    assert result.device.type == DEVICE
    with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
        result.sum().backward()  # type: ignore[no-untyped-call]
    table = moved(torch.zeros(1, 4, 16))
    before = table._version
    kvant.scatter_update_(table, slots, x, axis=1, index_mode="slot")
    assert table._version > before
    with pytest.raises(RuntimeError, match="requires grad would be overwritten"):
        kvant.scatter_update_(table.requires_grad_(), slots, x, axis=1, index_mode="slot")


@only_cuda
def test_an_emulated_npu_is_the_device(tmp_path: Path) -> None:
    """Where torch believes that it is an NPU."""
    script = tmp_path / "script.py"
    script.write_text("""
import torch, torch_npu
x, cache = torch.randn(4, 64).npu(), torch.zeros(2, 4, 64).npu()
codes, scale = torch_npu.npu_dynamic_quant(x)
assert codes.device.type == scale.device.type == "cuda", codes.device
torch_npu.scatter_update_(cache, torch.tensor([1, 2]).npu(), x[:2, None], -2)
assert torch.equal(cache.cpu()[1, 2], x.cpu()[1])
""")
    subprocess.run([sys.executable, "-m", "kvant.npu", str(script)], check=True)
