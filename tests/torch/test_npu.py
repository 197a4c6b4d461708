"""The emulation of an NPU, each time in a process of its own: it changes torch."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments, script], capture_output=True, text=True, check=False)


def test_install() -> None:
    done = run(
        """
import kvant.npu
kvant.npu.install()
kvant.npu.install()
import torch, torch_npu, torchair
cpu = kvant.npu.target()
for t in (torch.zeros(2, device="npu"), torch.rand(3, device="npu:0"), torch.tensor([1], device=torch.device("npu")),
          torch.ones(2).npu(), torch.ones(2).to("npu"), torch.ones(2).to(torch.device("npu", 0), torch.float16),
          torch.ones(2).to(device="npu:0"), torch.zeros_like(torch.ones(2), device="npu"),
          torch.ones(2).new_zeros(3, device="npu"), torch.nn.Linear(2, 2).to("npu").weight,
          torch.nn.Linear(2, 2).npu().weight, torch.arange(4, device="npu"), torch.full((2,), 1.0, device="npu")):
    assert t.device == cpu, t
assert torch.ones(2).npu().is_npu
assert torch.ones(2).to(torch.float16).dtype == torch.float16
assert torch.npu.is_available() and torch.npu.device_count() == 1 and torch.npu.current_device() == 0
torch.npu.set_device("npu:0"); torch_npu.npu.set_device(torch.device("npu:0")); torch.npu.synchronize()
torch.npu.config.allow_internal_format = False
torch.npu.set_option({"ACL_PRECISION_MODE": "must_keep_origin_dtype"})
begin, end = torch.npu.Event(enable_timing=True), torch.npu.Event(enable_timing=True)
begin.record()
with torch.npu.stream(torch.npu.Stream()):
    y, scale = torch_npu.npu_dynamic_quant(torch.rand(2, 8, device="npu"))
torch.npu.current_stream().synchronize()
end.record(); end.synchronize()
assert begin.elapsed_time(end) > 0 and torch.npu.memory_allocated() == 0 and torch.npu.is_bf16_supported()
assert y.dtype == torch.int8
model = torch.compile(lambda x: torch_npu.npu_dynamic_quant(x + torch.ones(8, device="npu"))[0],
                      backend=torchair.get_npu_backend(), fullgraph=True, dynamic=True)
x = torch.rand(3, 8)
assert torch.equal(model(x), torch_npu.npu_dynamic_quant(x + 1)[0])
fast = torch.compile(lambda x: torch_npu.npu_dynamic_quant(x)[0], fullgraph=True)
assert torch.equal(fast(x), torch_npu.npu_dynamic_quant(x)[0])
print("fine")
""",
        "-c",
    )
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("torch_npu.npu_format_cast", "AttributeError: kvant.npu does not emulate torch_npu.npu_format_cast"),
        ("torch.npu.mem_get_info()", "AttributeError: kvant.npu does not emulate torch.npu.mem_get_info"),
        ("import torch_npu.contrib", "ModuleNotFoundError: kvant.npu does not emulate torch_npu.contrib"),
        ("from torchair import ge", "ModuleNotFoundError: kvant.npu does not emulate torchair.ge"),
        ("torch.npu.set_device(1)", "ValueError: kvant.npu emulates one device, npu:0, not npu:1"),
        (
            "import torchair; torchair.get_npu_backend(custom_decompositions={1: 2})",
            "NotImplementedError: kvant.npu does not emulate custom_decompositions of torchair.get_npu_backend",
        ),
    ],
)
def test_what_is_not_emulated_says_so(line: str, message: str) -> None:
    done = run(f"import kvant.npu; kvant.npu.install(); import torch, torch_npu\n{line}", "-c")
    assert done.returncode != 0
    assert message in done.stderr


def test_nothing_to_emulate_where_the_real_thing_is(tmp_path: Path) -> None:
    (tmp_path / "torch_npu.py").write_text("")
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import kvant.npu; kvant.npu.install()", "-c")
    assert "RuntimeError: kvant.npu: torch_npu itself is installed" in done.stderr


def test_scripts_see_their_own_arguments_and_folder(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("name = 'helped'\n")
    script = tmp_path / "script.py"
    script.write_text("import sys, torch_npu, helper\nprint(__name__, sys.argv[1:], helper.name)\nsys.exit(3)\n")
    command = [sys.executable, "-m", "kvant.npu", str(script), "a", "-b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == "__main__ ['a', '-b'] helped\n"
    done = subprocess.run([*command[:3], str(tmp_path / "none.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such file" in done.stderr
