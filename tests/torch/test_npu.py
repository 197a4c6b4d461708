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


def test_spellings_of_the_device() -> None:
    done = run(
        """
import kvant.npu
import torch
generator = torch.Generator()
kvant.npu.install()
cpu, x = kvant.npu.target(), torch.ones(3)
torch.set_default_device("npu")
assert torch.zeros(2).device == cpu and torch.get_default_device().type == cpu.type
torch.set_default_device(None)
for name in (torch.device("npu"), torch.device("npu:0"), torch.device("npu", 0)):
    with name:
        assert torch.zeros(2).device == cpu and torch.nn.Linear(2, 2).weight.device == cpu
for t in (x.to(0), x.to(0, torch.float16), x.to(device=0), torch.nn.Linear(2, 2).to(0).weight, torch.zeros(2, device=0),
          torch.fft.fftfreq(3, device="npu"), torch.fft.rfftfreq(3, device="npu:0"),
          torch.nested.nested_tensor([x], device="npu")):
    assert t.device == cpu, t
g = torch.Generator(device="npu")
assert g.device.type == cpu.type and torch.Generator("npu:0").device.type == cpu.type
assert torch.Generator().device.type == "cpu"
first = torch.rand(4, generator=g.manual_seed(3), device="npu")
assert torch.equal(first, torch.rand(4, generator=g.manual_seed(3), device="npu"))
for one in (g, generator, torch.default_generator):
    assert isinstance(one, torch.Generator)
assert not isinstance(3, torch.Generator)
with torch.autocast("cpu", dtype=torch.bfloat16):
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
def run(x):
    return x.to(0) + torch.fft.fftfreq(3, device="npu") + torch.zeros(3, device="npu")
assert torch.equal(torch.compile(run, fullgraph=True)(x), run(x))
print("fine")
""",
        "-c",
    )
    assert done.stdout == "fine\n", done.stderr


def test_copies_between_devices() -> None:
    done = run(
        """
import kvant.npu
kvant.npu.install()
import numpy, torch
cpu = kvant.npu.target().type == "cpu"
array = numpy.zeros(3, numpy.float32)
host = torch.from_numpy(array)
model = torch.nn.Linear(2, 2)
weight = model.weight.detach()
def place(x):
    return x.to("npu"), x.cpu()
for new in (host.npu(), host.to("npu"), host.to("npu:0", torch.float32), host.to(device="npu"), host.cpu(),
            host.to("cpu"), host.to("npu", torch.float32, True, False), host.to(0), host.npu().cpu(),
            torch.as_tensor(array, device="npu"), *torch.compile(place, fullgraph=True, backend="aot_eager")(host)):
    new += 1
assert not host.any()
if cpu:
    host.pin_memory().add_(1)
    assert not host.any()
assert host.to(torch.float32) is host and host.to(host) is host and torch.as_tensor(array).sum() == 0
torch.as_tensor(array).add_(1)
assert host.all()
with torch.no_grad():
    model.npu().weight.add_(1)
    assert not torch.equal(model.weight, weight)
    moved = model.weight.detach()
    model.cpu().weight.add_(1)
    assert not torch.equal(model.weight, moved)
print("fine")
""",
        "-c",
    )
    assert done.stdout == "fine\n", done.stderr


def test_what_applications_ask_first() -> None:
    done = run(
        """
import importlib.metadata, importlib.util, warnings
import kvant.npu
kvant.npu.install()
import torch, torch_npu
for name in ("torch_npu", "torchair", "torch_npu.npu"):
    assert importlib.util.find_spec(name) is not None
version = torch_npu.__version__
assert version == importlib.metadata.version("torch_npu") and torch_npu.__file__
assert version.partition("+")[0] == torch.__version__.partition("+")[0] and "+kvant" in version
assert "torch_npu" not in [d.name for d in importlib.metadata.distributions()]
with warnings.catch_warnings():
    warnings.simplefilter("error")
    torch.manual_seed(3)
first = torch.rand(4, device="npu")
torch.npu.manual_seed_all(3)
assert torch.equal(first, torch.rand(4, device="npu"))
state = torch.npu.get_rng_state()
with torch.random.fork_rng(device_type="npu"):
    inner = torch.rand(4, device="npu")
assert torch.equal(inner, torch.rand(4, device="npu"))
torch.npu.set_rng_state(state)
assert torch.equal(inner, torch.rand(4, device="npu"))
stream = torch.npu.Stream()
default = torch.npu.current_stream()
assert default is torch.npu.default_stream() and default.npu_stream == 0
event = default.record_event()
stream.wait_event(event)
assert stream.record_event(event) is event
with torch.npu.stream(stream), torch.npu.stream(None), torch.npu.device("npu:0"):
    assert torch.npu.current_stream() == stream != default
assert torch.npu.current_stream() == default
torch.npu.set_stream(stream)
assert torch.npu.current_stream() == stream and torch.npu.default_stream() == default
first.record_stream(stream)
free, total = torch.npu.mem_get_info()
assert 0 < free <= total == torch.npu.get_device_properties(0).total_memory
assert torch.npu.get_soc_version() == 220 and torch.npu.memory_stats()["allocated_bytes.all.peak"] == 0
torch.npu.reset_max_memory_allocated()
torch.npu.matmul.allow_hf32 = False
assert torch_npu.get_npu_format(torch_npu.npu_format_cast(first, 29)) == 2
print("fine")
""",
        "-c",
    )
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("torch_npu.npu_linear", "AttributeError: kvant.npu does not emulate torch_npu.npu_linear"),
        ("torch.npu.NPUGraph()", "AttributeError: kvant.npu does not emulate torch.npu.NPUGraph"),
        ("import torch_npu.contrib", "ModuleNotFoundError: kvant.npu does not emulate torch_npu.contrib"),
        ("from torchair import ge", "ModuleNotFoundError: kvant.npu does not emulate torchair.ge"),
        ("torch.autocast('npu')", "NotImplementedError: kvant.npu does not emulate torch.autocast on an NPU"),
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


def test_modules_and_commands_as_of_python(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import sys, torch_npu\nprint(__name__, sys.argv[1:])\nsys.exit(3)\n")
    command = [sys.executable, "-m", "kvant.npu"]
    text = "import sys, torch_npu, helper"
    for arguments, printed in ((["-m", "helper", "-c"], "__main__ ['-c']\n"), (["-c", text, "a"], "helper ['a']\n")):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (3, printed), done.stderr
    done = subprocess.run([*command, "-m"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing after -m" in done.stderr
