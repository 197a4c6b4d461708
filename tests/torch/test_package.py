"""The package itself: docstrings, errors, threads, gradients, what it says about itself."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import kvant
from cases import values
from kvant import _codes, _config
from support import assert_same, on_threads

PACKAGE = Path(kvant.__file__).parent
MODULES = ["kvant", *(f"kvant.{m.name}" for m in pkgutil.iter_modules(kvant.__path__) if not m.name.startswith("__"))]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_wrapper_has_an_example() -> None:
    for name in kvant.__all__:
        if callable(wrapper := getattr(kvant, name)):
            assert ">>>" in (wrapper.__doc__ or ""), name


def cache() -> tuple[torch.Tensor, torch.Tensor]:
    """Four positions and an index that is none of them."""
    return torch.ones(1, 4, 2), torch.tensor([4])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3), dst_type="int4"),
            ValueError,
            "dynamic_quant: x.shape[-1] is 3, int4 packs pairs and needs an even one",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), smooth_scales=torch.ones(3)),
            ValueError,
            "dynamic_quant: smooth_scales has shape [3], expected [4] to match x.shape[-1]",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3, dtype=torch.float64)),
            TypeError,
            "dynamic_quant: x is float64, expected float16, bfloat16 or float32",
        ),
        (
            lambda: kvant.quantize(torch.ones(2, 4), torch.ones(3)),
            ValueError,
            "quantize: quant_scales has 3 elements, expected 1 or x.shape[-1] = 4",
        ),
        (
            lambda: kvant.quantize(torch.ones(2, 4), torch.ones(4), torch.ones(3)),
            ValueError,
            "quantize: quant_zero_points has 3 elements, expected 1 or x.shape[-1] = 4",
        ),
        (
            lambda: kvant.dequantize(
                torch.ones(2, 4, dtype=torch.int8), torch.ones(2), dst_type="int8", out=torch.ones(2, 4).double()
            ),
            TypeError,
            "dequantize: out is float64, expected",
        ),
        (
            lambda: kvant.dynamic_quant(
                torch.ones(4, 8), smooth_scales=torch.ones(2, 8), group_index=torch.tensor([1, 3])
            ),
            IndexError,
            "dynamic_quant: group_index[1] is 3, the last end, but x has 4 rows",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 3, dtype=torch.int32)),
            TypeError,
            "dynamic_quant: x is int32, expected float16, bfloat16 or float32",
        ),
        (
            lambda: kvant.scatter_update_(*cache(), torch.ones(1, 1, 2), index_mode="batch"),
            IndexError,
            "scatter_update_: indices[0] is 4, expected 0 to 3",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), dst_type="int5"),  # type: ignore[call-overload]
            ValueError,
            "dst_type is 'int5', expected one of 'int8', 'int4'",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), quant_mode="row"),  # type: ignore[call-overload]
            ValueError,
            "quant_mode is 'row', expected one of 'pertoken', 'pertensor', 'perchannel'",
        ),
        (
            lambda: kvant.dequantize(torch.ones(2, 4), torch.ones(2), dst_type="int8", dtype=torch.int8),
            TypeError,
            "dtype is torch.int8, expected torch.float32, torch.float16 or torch.bfloat16",
        ),
        (
            lambda: kvant.dynamic_quant([1.0, 2.0]),  # type: ignore[call-overload]
            TypeError,
            "Expected a value of type 'Tensor' for argument 'x'",
        ),
        (
            lambda: kvant.dynamic_quant(torch.ones(2, 4), out=(torch.ones(2, 4), torch.ones(2))),
            ValueError,
            "dynamic_quant: out has 2 tensors, expected (y, scale, offset)",
        ),
        (
            lambda: kvant.quant_scatter(*cache(), torch.ones(1, 1, 2), torch.ones(1), reduce="add", index_mode="batch"),
            ValueError,
            "quant_scatter: reduce is 'add', expected 'update'",
        ),
    ],
)
def test_errors_are_pythons_with_the_message_of_the_core(call: Callable[[], Any], kind: Any, message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)
    assert type(caught.value) is kind


def test_raw_operators_raise_runtime_errors_that_name_the_kind() -> None:
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: x.shape\[-1\] is 3, int4"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), dst_type=285)
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: dst_type is 2, expected 1 \(int8\)"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), dst_type=2)
    with pytest.raises(RuntimeError, match=r"^ValueError: dynamic_quant: quant_mode is 3, expected 0..2"):
        torch.ops.kvant.dynamic_quant(torch.ones(2, 3), quant_mode=3)


def writers(cache: torch.Tensor) -> list[Callable[[], Any]]:
    """Calls that overwrite `cache`, float32 [2, 3, 4]."""
    codes, scale = torch.ones(2, 3, 4, dtype=torch.int8), torch.ones(2, 3)
    return [
        lambda: kvant.scatter_update_(cache, torch.tensor([0, 1]), torch.ones(2, 1, 4), index_mode="batch"),
        lambda: kvant.dequantize(codes, scale, dst_type="int8", out=cache),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_autograd_knows_what_was_overwritten(which: int) -> None:
    cache, weight = torch.rand(2, 3, 4), torch.ones(2, 3, 4, requires_grad=True)
    loss = (weight * cache).sum()
    before = cache._version
    writers(cache)[which]()
    assert cache._version > before
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]
    for owner in (weight, weight * 2):
        with pytest.raises(RuntimeError, match="requires grad would be overwritten"):
            writers(owner)[which]()
        with torch.no_grad():
            writers(owner)[which]()
    with torch.inference_mode():  # whose tensors have no versions
        frozen = torch.zeros(2, 3, 4)
        writers(frozen)[which]()
        assert frozen.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: kvant.dynamic_quant(None), "dynamic_quant: x is None, expected a Tensor"),  # type: ignore[call-overload]
        (
            lambda x: kvant.quant_scatter_(x.to(torch.int8), torch.tensor([0]), x, None, index_mode="batch"),  # type: ignore[arg-type]
            "quant_scatter_: quant_scales is None, expected a Tensor",
        ),
    ],
)
def test_what_has_to_be_given(call: Callable[[torch.Tensor], Any], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        call(torch.ones(1, 4, 8))


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: kvant.dynamic_quant(x, smooth_scales=meta(8)),
            "dynamic_quant: smooth_scales is on meta, but x is on",
        ),
        (lambda x: kvant.dynamic_quant(meta(4, 8), smooth_scales=x[0]), "x is on meta, but smooth_scales is on cpu"),
        (lambda x: kvant.quantize(x, meta(8)), "quantize: quant_scales is on meta, but x is on cpu"),
        (lambda x: kvant.dequantize(x.to(torch.int8), torch.ones(4), meta(4), dst_type="int8"), "offset is on meta"),
        (
            lambda x: kvant.dynamic_quant(x, out=(meta(4, 8, dtype=torch.int8), meta(4), meta(4))),
            "dynamic_quant_out: y is on meta, but x is on cpu",
        ),
        (
            lambda x: kvant.scatter_update_(x, meta(4, dtype=torch.int64), torch.ones(4, 1), index_mode="batch"),
            "scatter_update_: indices is on meta",
        ),
    ],
)
def test_tensors_without_memory_are_not_mixed_with_others(call: Callable[[torch.Tensor], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(torch.ones(4, 8))


def test_what_is_illegal_fails_when_it_runs_not_when_shapes_are_asked_for() -> None:
    """On meta and while tracing there are only shapes; the core speaks when the graph runs."""
    ops = torch.ops.kvant
    assert ops.dynamic_quant(meta(), dst_type=1)[0].shape == ()
    assert ops.dynamic_quant(meta(2, 8), dst_type=2)[0].shape == (2, 8)
    assert ops.dynamic_quant(meta(2, 8), group_size=-2)[0].shape == (2, 8)
    assert ops.pack_int4(meta(dtype=torch.int8)).shape == ()
    assert ops.row_amax(meta(8), quant_mode=2).shape == (8,)
    compiled = torch.compile(lambda c: kvant.pack_int4(c), fullgraph=True, dynamic=True)
    with pytest.raises(RuntimeError, match="pack_int4: codes has no dimensions"):
        compiled(torch.tensor(1, dtype=torch.int8))
    compiled = torch.compile(lambda x: kvant.dynamic_quant(x, group_size=-2), fullgraph=True)
    with pytest.raises(RuntimeError, match="group_size is -2"):
        compiled(torch.ones(2, 8))


def test_nothing_is_written_when_an_index_is_bad() -> None:
    cache = torch.zeros(2, 4, 2)
    with pytest.raises(IndexError):
        kvant.scatter_update_(cache, torch.tensor([0, 4]), torch.ones(2, 1, 2), index_mode="batch")
    assert not cache.any()
    kvant.scatter_update_(cache, torch.tensor([0, 4]), torch.ones(2, 1, 2), index_mode="batch", index_policy="skip")
    assert cache.sum() == 2


def test_numbers_of_formats_are_those_of_the_core() -> None:
    text = (PACKAGE / "include" / "kvant" / "formats" / "format_list.h").read_text()
    rows = [line.split("(")[1].split(")")[0].split(", ") for line in text.splitlines() if line.startswith("  X(")]
    assert len(rows) == 5
    for _, name, _, _, npu, _ in rows:
        code = _codes.format_code(name.strip('"'))  # type: ignore[arg-type]
        assert code == (_codes.INT4_BYTES if int(npu) == _codes.INT4_WORDS else int(npu))


def test_as_many_threads_as_torch_has() -> None:
    """Every task of a call notes its thread; results do not depend on their number."""
    script = """
import os, sys, torch, kvant
x = torch.randn(4096, 1024)
expected = None
def threads(): return len(os.listdir("/proc/self/task"))
torch.set_num_threads(1)
before = threads()
one = kvant.dynamic_quant(x)
assert threads() == before, "one thread, but others were started"
torch.set_num_threads(3)
three = kvant.dynamic_quant(x)
assert threads() == before + 2, f"{threads() - before} threads were started, expected 2"
assert all(torch.equal(a, b) for a, b in zip(one, three))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_results_do_not_depend_on_threads() -> None:
    x = values((4096, 513), torch.bfloat16)
    expected = on_threads(1, lambda: kvant.dynamic_quant(x))
    assert_same(on_threads(4, lambda: kvant.dynamic_quant(x)), expected)


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_there_is_no_gradient_and_it_says_so(backend: str) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        y, scale, offset = kvant.dynamic_quant(x)
        return kvant.dequantize(y, scale, offset, dst_type="int8")

    torch._dynamo.reset()
    run = model if backend == "eager" else torch.compile(model, backend=backend, fullgraph=True)
    x = values((3, 16)).requires_grad_()
    result = run(x)
    assert_same(result.detach(), model(x.detach()))
    with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
        result.sum().backward()
    with torch.no_grad():
        assert not run(x).requires_grad


def test_gradients_of_every_functional_operator() -> None:
    x, s = values((3, 16)).requires_grad_(), values((3,)).abs().requires_grad_()
    y = kvant.dynamic_quant(x.detach())[0]
    cache, place = values((1, 4, 16)), torch.tensor([1])
    results = [
        kvant.dynamic_quant(x)[2],
        kvant.dynamic_quant(x, symmetric=True)[1],
        kvant.dynamic_quant(x.detach(), smooth_scales=values((16,)).requires_grad_())[1],
        *kvant.row_minmax(x),
        kvant.row_amax(x),
        *kvant.params_from_minmax(s, s),
        kvant.params_from_amax(s),
        kvant.dequantize(y, s, dst_type="int8"),
        kvant.dequantize_gather(y[None], s[None], None, place, dst_type="int8", index_mode="batch"),
        kvant.scatter_update(cache, place, x[None, :1], index_mode="batch"),
        kvant.quantize(x, s[:1], dst_type="float8_e5m2").float(),
        kvant.quantize_with_params(x, s, dst_type="float8_e4m3fn").float(),
    ]
    for result in results:
        with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
            result.sum().backward()


def test_what_it_says_about_itself() -> None:
    text = kvant.show_config()
    assert text.startswith(f"kvant {kvant.__version__}\n")
    assert "in use: " in text
    assert torch.__version__ in text
    assert (PACKAGE / "py.typed").exists()
    header = Path(kvant.get_include()) / "kvant" / "core" / "version.h"
    assert f'KVANT_VERSION_STRING "{kvant.__version__}"' in header.read_text()


def test_an_old_torch_gets_one_sentence() -> None:
    """Before the library is loaded, which would fail with the name of a missing symbol."""
    script = "import torch; torch.__version__ = '2.10.0'; import kvant"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.strip().endswith("ImportError: kvant needs PyTorch 2.11 or newer, and this is PyTorch 2.10.0")


def test_importing_kvant_leaves_graphs_and_compilers_alone() -> None:
    """They take longer to import than all of kvant; kvant.fuse and kvant.fusion come when they are asked for."""
    script = """
import sys, torch
before = set(sys.modules)
import kvant
new = set(sys.modules) - before
print(sorted(m for m in new if m.startswith(("kvant.fusion", "torch._inductor", "torch._dynamo"))))
print(kvant.fuse is kvant.fusion.fuse)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
    with pytest.raises(AttributeError, match="module 'kvant' has no attribute 'no_such_name'"):
        _ = kvant.no_such_name


def test_the_library_needs_neither_python_nor_private_parts_of_torch() -> None:
    """Of torch only functions of its C interface; of Python nothing: so one file serves every version of both."""
    listing = subprocess.run(
        ["nm", "-D", "--undefined-only", str(_config.TORCH_LIBRARY)], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[-1].split("@")[0] for line in listing.splitlines()]
    assert [name for name in names if name.startswith(("Py", "_Py"))] == []
    foreign = [name for name in names if "c10" in name or "at4" in name or "torch" in name]
    assert foreign
    assert [name for name in foreign if not name.startswith(("aoti_torch_", "torch_"))] == []


def test_cplusplus_from_the_wheel(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.24)\nproject(consumer CXX)\nset(CMAKE_CXX_STANDARD 20)\n"
        "find_package(kvant REQUIRED)\nadd_executable(consumer main.cc)\n"
        "target_link_libraries(consumer kvant::kvant)\n"
    )
    (tmp_path / "main.cc").write_text(
        '#include <cstdio>\n#include "kvant/c_api.h"\n#include "kvant/kvant.h"\n'
        "int main() { std::puts(kvant_version()); }\n"
    )
    build = tmp_path / "build"
    configure = ["cmake", "-S", str(tmp_path), "-B", str(build), f"-Dkvant_DIR={kvant.get_cmake_path()}"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(build)], check=True, capture_output=True)
    said = subprocess.run([str(build / "consumer")], check=True, capture_output=True, text=True).stdout
    assert said.strip() == kvant.__version__
