"""The package itself: docstrings, threads, gradients, what it says about itself."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import kvant
from cases import values
from kvant import _codes, _config, torch_npu
from support import assert_same, on_threads

PACKAGE = Path(kvant.__file__).parent
MODULES = ["kvant", *(m.name for m in pkgutil.walk_packages(kvant.__path__, "kvant."))]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_modules_of_modules_are_among_them() -> None:
    assert {"kvant.cuda", "kvant.fusion._entry", "kvant.npu._device", "kvant.npu.__main__"} <= set(MODULES)


def test_every_wrapper_has_an_example() -> None:
    for name in kvant.__all__:
        if inspect.isfunction(wrapper := getattr(kvant, name)):
            assert ">>>" in (wrapper.__doc__ or ""), name


def test_numbers_of_formats_are_those_of_the_core() -> None:
    text = (PACKAGE / "include" / "kvant" / "formats" / "format_list.h").read_text()
    rows = [line.split("(")[1].split(")")[0].split(", ") for line in text.splitlines() if line.startswith("  X(")]
    assert len(rows) == 5
    for _, name, _, _, npu, _ in rows:
        code = _codes.format_code("test", name.strip('"'))  # type: ignore[arg-type]
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
        kvant.quantize(x, s[:1], dst_type="float8_e5m2"),
        kvant.quantize_with_params(x, s, dst_type="float8_e4m3fn"),
        *kvant.dynamic_quant(x, dst_type="float8_e4m3fn"),
        *kvant.dynamic_quant(x, dst_type="float8_e5m2", symmetric=True),
        *kvant.dequant_swiglu_quant(x, quant_mode="dynamic", dst_type="float8_e4m3fn"),
        *torch_npu.npu_dynamic_quant(x, dst_type=23),
        *torch_npu.npu_dynamic_quant_asymmetric(x, dst_type=24),
        *torch_npu.npu_dequant_swiglu_quant(x, quant_mode=1, dst_type=292),
        torch.ops.npu.npu_dynamic_quant(x, dst_type=24)[0],
    ]
    for result in results:
        with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
            (result.float().sum() + x.sum()).backward()


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_codes_of_fp8_have_no_gradient_in_compiled_programs(backend: str) -> None:
    torch._dynamo.reset()
    run = torch.compile(
        lambda x: kvant.dynamic_quant(x, dst_type="float8_e4m3fn")[0].float().sum() + x.sum(),
        backend=backend,
        fullgraph=True,
    )
    with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
        run(values((3, 16)).requires_grad_()).backward()


def test_transforms_of_functions_have_no_gradient_either() -> None:
    def scale(x: torch.Tensor) -> torch.Tensor:
        return kvant.dynamic_quant(x, symmetric=True)[1].sum()

    with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
        torch.func.grad(scale)(values((3, 16)))
    torch._dynamo.reset()
    with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
        torch.compile(torch.func.grad(scale), backend="aot_eager", fullgraph=True)(values((3, 16)))


def test_what_is_detached_passes_transforms_of_functions() -> None:
    def straight_through(x: torch.Tensor) -> torch.Tensor:
        y, scale = kvant.dynamic_quant(x, symmetric=True)
        return (x + (kvant.dequantize(y, scale, dst_type="int8") - x).detach()).sum()

    assert_same(torch.func.grad(straight_through)(values((3, 16))), torch.ones(3, 16))


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
