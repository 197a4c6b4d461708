"""kvant.fusion: what is fused gives the bits of what was written, however it was written, and copies no cache."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._inductor.utils import run_and_get_code

import kvant
import kvant.torch_npu
from cases import values
from kvant import fusion
from support import assert_same

npu = torch.ops.npu


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    fusion.clear()
    yield
    fusion.clear()


def tensors(n: int = 3, codes: torch.dtype = torch.int8, width: int = 16) -> list[Tensor]:
    """Codes, scales and offsets of caches [4, 2, 5, 16], positions of n rows each, and the rows."""
    shape = (4, 2, 5)
    fresh = [torch.ones(*shape, width).to(codes), torch.ones(shape), torch.ones(shape)]
    return [*fresh, torch.arange(n) % 4, values((n, 2, 1, 16), seed=n)]


def plain(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x + 1)
    kvant.scatter_update_(c, i, y, index_mode="batch")
    kvant.scatter_update_(s, i, scale, axis=-1, index_mode="batch")
    kvant.scatter_update_(o, i, offset, axis=-1, index_mode="batch")


def negated_int4(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = kvant.dynamic_quant(x, dst_type="int4", smooth_scales=x[0, 0, 0])
    kvant.scatter_update_(o, i, torch.neg(offset), axis=2, index_mode="batch", index_policy="skip")
    kvant.scatter_update_(s, i, scale, axis=2, index_mode="batch", index_policy="skip")
    kvant.scatter_update_(c, i, y, axis=2, index_mode="batch", index_policy="skip")


def views(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Rows in another order and shape, and tables with one more dimension."""
    rows = x.transpose(0, 1).reshape(2, -1, 16)
    y, scale, offset = kvant.dynamic_quant(rows)
    kvant.scatter_update_(c, i, y.transpose(0, 1).unsqueeze(2), index_mode="batch")
    kvant.scatter_update_(s[..., None], i, scale.unsqueeze(-1).permute(1, 0, 2)[:, :, None], index_mode="batch")
    kvant.scatter_update_(o.unsqueeze(-1), i, (-offset).transpose(0, 1)[..., None, None], index_mode="batch")


def slots(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """Symmetric; the pages are views of the caches, two places of one page are written at once."""
    y, scale = kvant.dynamic_quant(x.squeeze(2), symmetric=True)
    kvant.scatter_update_(c.transpose(1, 2), i, y, axis=1, index_mode="slot")
    kvant.scatter_update_(s.transpose(1, 2), i, scale, axis=1, index_mode="slot")


def groups(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    """A scale for eight elements: the table has one more dimension."""
    y, scale = kvant.dynamic_quant(x, symmetric=True, group_size=8)
    kvant.scatter_update_(c, i, y, index_mode="batch")
    kvant.scatter_update_(s, i, scale, index_mode="batch")


def of_npu(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale, offset = npu.npu_dynamic_quant_asymmetric(x, dst_type=torch.int8)
    npu.scatter_update_(c, i, y, -2)
    npu.scatter_update_(s, i, scale, -1)
    o.copy_(npu.scatter_update(o, i, -offset, -1))


def of_npu_symmetric(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    y, scale = npu.npu_dynamic_quant(x)
    pairs = torch.stack([i, i], 1)
    npu.scatter_update_(c, pairs, y, -2)
    s[:] = npu.scatter_update(s, pairs, scale, -1)


DYNAMIC = [plain, negated_int4, views, slots, groups, of_npu, of_npu_symmetric]


def static(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = kvant.quantize(x, x[0, 0, 0].abs(), x[0, 0, 0], reciprocal_scale=True)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def static_npu(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = npu.npu_quantize(x.view(-1, 2, 16), s[0, 0, :1], None, torch.int8, axis=-1)
    npu.scatter_update_(c, i, codes.view(-1, 2, 1, 16), -2)


def formula(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    scale = x[:1, :1].abs() / 100
    codes = (x / scale + o[0, 0, :1]).round().clamp(-128, 127).to(torch.int8)
    kvant.scatter_update_(c, i, codes, index_mode="batch")


def formula_of_functions(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    codes = torch.clamp(torch.round(torch.div(x, s[0, 0, :1])), min=-128, max=127).to(dtype=torch.int8)
    c.copy_(kvant.scatter_update(c, i, codes, index_mode="batch"))


def copied_back(c: Tensor, s: Tensor, o: Tensor, i: Tensor, x: Tensor) -> None:
    s.copy_(kvant.scatter_update(s, i, x[..., 0], axis=-1, index_mode="batch"))
    c[:] = kvant.quant_scatter(c, i, x, o[0, 0, :1], index_mode="batch")


STATIC = [static, static_npu, formula, formula_of_functions]
INTO = {
    **{run: ["dynamic_quant_update_scatter_"] for run in DYNAMIC},
    **{run: ["quant_scatter_"] for run in STATIC},
    copied_back: ["scatter_update_", "quant_scatter_"],
}


def work(run: Callable[..., None], n: int = 3) -> list[Tensor]:
    made = tensors(n, torch.uint8, 8) if run is negated_int4 else tensors(n)
    if run is groups:
        made[1] = torch.ones(4, 2, 5, 2)
    return made


def check(fast: Callable[..., Any], run: Callable[..., None], n: int = 3) -> None:
    expected, got = work(run, n), work(run, n)
    run(*expected)
    fast(*got)
    assert_same(got, expected)
    assert not torch.equal(got[0], work(run, n)[0])


def assert_fused(run: Callable[..., None]) -> None:
    report = fusion.report()
    assert [entry.fused for entry in report.fused] == INTO[run], str(report)
    assert report.left == []


@pytest.mark.parametrize("run", INTO)
@pytest.mark.parametrize("dynamic", [False, True])
def test_eager(run: Callable[..., None], dynamic: bool) -> None:
    fast = torch.compile(run, backend="kvant", options={"backend": "eager"}, fullgraph=True, dynamic=dynamic)
    check(fast, run)
    assert_fused(run)
    if dynamic:
        check(fast, run, 2)
        assert_fused(run)


@pytest.mark.parametrize("run", [views, of_npu, formula])
def test_aot_eager(run: Callable[..., None]) -> None:
    check(torch.compile(run, backend="kvant", options={"backend": "aot_eager"}, fullgraph=True), run)
    assert_fused(run)


def assert_no_copy(source: str, operator: str) -> None:
    """All that is allocated is of the size of the updates."""
    body = source[source.index("def call(") : source.index("def get_args")]
    assert f"kvant.{operator}.default(" in body
    assert "scatter_update_.default(" not in body.replace("dynamic_quant_update_scatter_", "")
    for shape in re.findall(r"empty_strided\w*\(\(([\d, ]*)\)", body):
        assert "5" not in shape.split(", "), f"something as large as a cache is allocated: {shape}"
    assert re.search("clone|copy_", body) is None


@pytest.mark.parametrize("run", [plain, of_npu])
def test_inductor_copies_no_cache(run: Callable[..., None]) -> None:
    expected, got = work(run), work(run)
    run(*expected)
    _, sources = run_and_get_code(torch.compile(run, backend="kvant", fullgraph=True), *got)
    assert_same(got, expected)
    assert_fused(run)
    assert_no_copy(sources[0], INTO[run][0])


def test_a_pass_of_inductor_and_its_cache() -> None:
    """Functionalized writes. What comes from the cache was fused when it was put there."""
    options = {"post_grad_custom_pre_pass": fusion.FusionPass()}
    with torch._inductor.utils.fresh_inductor_cache():
        for found in (1, 0):
            torch._dynamo.reset()
            fusion.clear()
            expected, got = work(plain), work(plain)
            plain(*expected)
            _, sources = run_and_get_code(torch.compile(plain, fullgraph=True, options=options), *got)
            assert_same(got, expected)
            assert len(fusion.report().fused) == found
            assert_no_copy(sources[0], INTO[plain][0])


def test_the_key_of_the_pass_is_its_source() -> None:
    assert fusion.FusionPass().uuid() == fusion.FusionPass().uuid()
    assert len(fusion.FusionPass().uuid()) >= 16


class Model(torch.nn.Module):
    def __init__(self, run: Callable[..., None]) -> None:
        super().__init__()
        self.run = run
        for name, buffer in zip("cso", work(run)[:3], strict=True):
            self.register_buffer(name, buffer)

    def forward(self, i: Tensor, x: Tensor) -> None:
        self.run(self.c, self.s, self.o, i, x)


def targets(program: Any) -> list[str]:
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("run", [views, negated_int4, of_npu, static_npu, formula, copied_back])
@pytest.mark.parametrize("functionalized", [False, True])
def test_export(run: Callable[..., None], functionalized: bool) -> None:
    n = torch.export.Dim("n", min=2, max=4)
    program = torch.export.export(Model(run), tuple(work(run)[3:]), dynamic_shapes=({0: n}, {0: n}))
    if functionalized:
        if run is copied_back:
            pytest.skip("functional writes are what such a graph has anyway")
        program = program.run_decompositions()
    assert kvant.fuse(program) is program
    assert_fused(run)
    module = program.module()
    for count in (3, 4):
        expected = work(run, count)
        run(*expected)
        for buffer, fresh in zip(module.buffers(), work(run)[:3], strict=True):
            buffer.copy_(fresh)
        module(*expected[3:])
        assert_same(list(module.buffers()), expected[:3])
    if not functionalized:
        names = [name for name in targets(program) if name.startswith(("kvant.", "npu."))]
        assert [name.split(".")[1] for name in names] == INTO[run]


def test_first_version_of_functionalization() -> None:
    """auto_functionalized, as torch.compile makes it with auto_functionalized_v2 switched off."""
    with torch._inductor.config.patch(enable_auto_functionalized_v2=False):
        program = torch.export.export(Model(plain), tuple(work(plain)[3:])).run_decompositions()
    assert targets(program).count("auto_functionalized") == 3
    kvant.fuse(program)
    assert targets(program).count("auto_functionalized") == 1
    expected, module = work(plain), program.module()
    plain(*expected)
    module(*expected[3:])
    assert_same(list(module.buffers()), expected[:3])


def test_other_options_reach_inductor() -> None:
    with pytest.raises(Exception, match="no_such_option"):
        torch.compile(plain, backend="kvant", options={"no_such_option": True})(*work(plain))
