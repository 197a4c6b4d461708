"""torch.compile and torch.export: the bits of eager mode, whole graphs, and no copy of a cache."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._inductor.utils import run_and_get_code

import kvant
from cases import MODES, codes, tables, values
from support import FORMATS, assert_same, rows_apart, strided

pytestmark = pytest.mark.usefixtures("fresh")
backends = pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
# Each layout compiles anew, which is what takes time here: strided ones are tried where they differ most.
quantizing = [(name, torch.clone) for name in FORMATS] + [("int8", strided), ("int4", strided)]
writing = [(mode, torch.clone) for mode in MODES] + [("slot", strided)]


def compiled(run: Callable[..., Any], backend: str) -> Callable[..., Any]:
    return torch.compile(run, fullgraph=True, dynamic=True, backend=backend)


@backends
@pytest.mark.parametrize(("dst_type", "layout"), quantizing)
def test_quantize_and_back(backend: str, dst_type: Any, layout: Any) -> None:
    def run(x: Tensor, smooth: Tensor) -> tuple[Tensor, ...]:
        y, scale, offset = kvant.dynamic_quant(x + 1, dst_type=dst_type, smooth_scales=smooth)
        symmetric = kvant.dynamic_quant(x, dst_type=dst_type, symmetric=True, quant_mode="perchannel")
        back = kvant.dequantize(y, scale, offset, dst_type=dst_type, dtype=torch.bfloat16)
        low, high = kvant.row_minmax(back)
        again = kvant.quantize_with_params(
            back, *kvant.params_from_minmax(low, high, dst_type=dst_type), dst_type=dst_type
        )
        static = kvant.quantize(x, smooth, dst_type=dst_type)
        return y, scale, offset, *symmetric, back, again, kvant.params_from_amax(kvant.row_amax(x)), static

    fast = compiled(run, backend)
    for tokens in (5, 9, 1):
        args = layout(values((tokens, 16), torch.float16)), values((16,), seed=1)
        assert_same(fast(*args), run(*args))


@backends
def test_int4_words_and_groups(backend: str) -> None:
    def run(x: Tensor, ends: Tensor, experts: Tensor) -> tuple[Tensor, ...]:
        y, scale, _ = kvant.dynamic_quant(x, dst_type="int4", group_size=8)
        packed = kvant.pack_int4(kvant.unpack_int4(y), as_int32=True)
        return packed, y.view(torch.int32), scale, *kvant.dynamic_quant(x, smooth_scales=experts, group_index=ends)

    fast = compiled(run, backend)
    for tokens in (6, 11):
        args = values((tokens, 16)), torch.tensor([2, tokens]), values((2, 16))
        result = run(*args)
        assert_same(result[0], result[1])
        assert_same(fast(*args), result)


def updates(mode: str, n: int) -> tuple[Tensor, Tensor]:
    """Indices into caches [12, 2, 5, 16] and what goes there."""
    index = torch.arange(n)
    if mode == "pair":
        index = torch.stack([index, index % 3], dim=1)
    return index % 4 if mode == "batch" else index, values(
        (n, 2, 16) if mode == "slot" else (n, 2, 1, 16), torch.float16
    )


def caches(layout: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
    scale, offset = (t.repeat(4, 1, 1) for t in tables(False, torch.float32) if t is not None)
    dense = layout(values((12, 2, 5, 16), torch.float16, 3))
    return rows_apart(codes("int4", (12, 2, 5, 16))), scale, offset, dense, layout(codes("int8", (12, 2, 5, 16)))


def write(mode: Any, *args: Tensor) -> Tensor:
    var, scale, offset, dense, static, s, indices, x = args
    kvant.dynamic_quant_update_scatter_(var, scale, offset, indices, x * 2, dst_type="int4", index_mode=mode)
    kvant.scatter_update_(dense, indices, x + 1, index_mode=mode)
    kvant.quant_scatter_(static, indices, x, s, index_mode=mode)
    return kvant.dequantize_gather(var, scale, offset, indices, dst_type="int4", index_mode=mode)


def copied(mode: Any, dense: Tensor, static: Tensor, s: Tensor, indices: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    changed = kvant.scatter_update(dense, indices, x, index_mode=mode)
    return changed, kvant.quant_scatter(static, indices, x, s, index_mode=mode)


@backends
@pytest.mark.parametrize(("mode", "layout"), writing)
def test_caches(backend: str, mode: Any, layout: Any) -> None:
    fast = compiled(lambda *args: write(mode, *args), backend)
    fast_copy = compiled(lambda *args: copied(mode, *args), backend)
    for n in (3, 7):
        s, work = values((16,)).abs() + 0.1, updates(mode, n)
        expected, got = caches(layout), caches(layout)
        read = write(mode, *expected, s, *work)
        assert_same(fast(*got, s, *work), read)
        assert_same([t.contiguous() for t in got], [t.contiguous() for t in expected])
        assert_same(fast_copy(*got[3:], s, *work), copied(mode, *expected[3:], s, *work))


@pytest.mark.parametrize("mode", MODES)
def test_generated_code_holds_no_copy_of_a_cache(mode: Any) -> None:
    """All that it allocates are results and temporaries of the size of the updates."""
    cache, work = caches(torch.clone), updates(mode, 3)
    fast = torch.compile(lambda *args: write(mode, *args), fullgraph=True, dynamic=False, backend="inductor")
    _, sources = run_and_get_code(fast, *cache, torch.ones(16), *work)
    (source,) = sources
    body = source[source.index("def call(") : source.index("def get_args")]
    assert "kvant.dynamic_quant_update_scatter_.default(" in body
    shapes = re.findall(r"empty_strided\w*\(\(([\d, ]*)\)", body)
    assert shapes, "temporaries were expected"
    for shape in shapes:
        assert "12" not in shape.split(", "), f"something as large as a cache is allocated: {shape}"
    assert "clone" not in body
    assert "copy_" not in body


def test_generated_code_holds_no_copy_of_keys_and_values_in_one_tensor() -> None:
    """Two views of one tensor, written by one call."""

    def run(kv: Tensor, scales: Tensor, slots: Tensor, k: Tensor, v: Tensor) -> None:
        other = (kv[1], scales[1], None, v)
        named: dict[str, Any] = {"dst_type": "int8", "index_mode": "slot", "second": other}
        kvant.dynamic_quant_update_scatter_(kv[0], scales[0], None, slots, k, **named)

    work = torch.tensor([2, 9, 30]), values((3, 16), seed=1), values((3, 16), seed=2)
    expected, got = ((torch.zeros(2, 4, 8, 16, dtype=torch.int8), torch.zeros(2, 4, 8)) for _ in range(2))
    run(*expected, *work)
    _, sources = run_and_get_code(torch.compile(run, fullgraph=True, backend="inductor"), *got, *work)
    assert_same(got, expected)
    body = sources[0][sources[0].index("def call(") : sources[0].index("def get_args")]
    assert "kvant.dynamic_quant_update_scatter_.default(" in body
    assert re.search("empty_strided|clone|copy_", body) is None


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cache", torch.zeros(4, 2, 8, 16, dtype=torch.int8))
        self.register_buffer("scales", torch.zeros(4, 2, 8))

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        cache, scales = self.get_buffer("cache"), self.get_buffer("scales")
        kvant.dynamic_quant_update_scatter_(cache, scales, None, slots, x, dst_type="int8", index_mode="slot")
        y, scale, offset = kvant.dynamic_quant(x, dst_type="int4")
        back = kvant.dequantize_gather(cache, scales, None, slots, dst_type="int8", index_mode="slot")
        return back + kvant.dequantize(y, scale, offset, dst_type="int4")


def exported() -> tuple[Any, tuple[Tensor, Tensor]]:
    args = values((3, 2, 16)), torch.tensor([2, 9, 30])
    n = torch.export.Dim("n", min=1, max=32)
    return torch.export.export(Layer(), args, dynamic_shapes={"x": {0: n}, "slots": {0: n}}), args


def test_export(tmp_path: Path) -> None:
    program, args = exported()
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert "kvant.dynamic_quant_update_scatter_.default" in names
    torch.export.save(program, tmp_path / "layer.pt2")
    loaded = torch.export.load(tmp_path / "layer.pt2").module()
    for x, slots in (args, (values((5, 2, 16), seed=3), torch.arange(5))):
        assert_same(loaded(x, slots), Layer()(x, slots))


def test_ahead_of_time(tmp_path: Path) -> None:
    program, args = exported()
    package = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "layer.pt2"))
    run = torch._inductor.aoti_load_package(package)
    assert_same(run(*args), Layer()(*args))


def test_errors_of_compiled_graphs_are_runtime_errors() -> None:
    run = compiled(lambda c, i, x: kvant.scatter_update_(c, i, x, index_mode="batch"), "aot_eager")
    with pytest.raises(RuntimeError, match="IndexError: scatter_update_: indices"):
        run(torch.zeros(2, 4, 8), torch.tensor([7]), torch.zeros(1, 1, 8))
