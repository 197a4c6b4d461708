"""What the commands write: never over what they read, complete or not at all, and nothing left behind."""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from kvant_cli import as_json, environment, kvant, program, refused, save


@pytest.fixture
def files(tmp_path: Path) -> Path:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    save(tmp_path / "in.safetensors", {"x": x})
    save(tmp_path / "s.safetensors", {"s": np.ones((1, 6), np.float32)})
    save(tmp_path / "e.safetensors", {"e": np.array([4])})
    for name in ("x", "x.scale", "x.offset", "a.scale"):
        np.save(tmp_path / f"{name}.npy", x)
    kvant("quantize", tmp_path / "in.safetensors", "-o", tmp_path / "q.safetensors")
    kvant("quantize", tmp_path / "x.npy", "-o", tmp_path / "q.npy")
    (tmp_path / "link.safetensors").symlink_to("in.safetensors")
    os.link(tmp_path / "q.safetensors", tmp_path / "hard.safetensors")
    (tmp_path / "y.kvant.json").symlink_to("q.kvant.json")
    return tmp_path


OVERWRITING = [
    # arguments, the input that the output would replace
    ("quantize F/in.safetensors -o F/in.safetensors", "in.safetensors"),
    ("quantize F/in.safetensors -o F/link.safetensors", "link.safetensors"),
    ("quantize F/a.scale.npy -o F/a.npy", "a.scale.npy"),
    ("quantize F/x.offset.npy -o F/x.npy", "x.offset.npy"),
    (
        "quantize F/in.safetensors -o F/s.safetensors --smooth F/s.safetensors:s --group-index F/e.safetensors",
        "s.safetensors",
    ),
    (
        "quantize F/in.safetensors -o F/s.safetensors --smooth F/s.safetensors --group-index F/e.safetensors",
        "s.safetensors",
    ),
    (
        "quantize F/in.safetensors -o F/e.safetensors --smooth F/s.safetensors --group-index F/e.safetensors:e",
        "e.safetensors",
    ),
    ("dequantize F/q.safetensors -o F/q.safetensors", "q.safetensors"),
    ("dequantize F/q.safetensors -o F/hard.safetensors", "hard.safetensors"),
    ("dequantize F/q.npy -o F/q.npy", "q.npy"),
    ("dequantize F/q.npy -o F/q.scale.npy", "q.scale.npy"),
    ("dequantize F/q.npy -o F/q.offset.npy", "q.offset.npy"),
    ("dequantize F/q.npy -o F/y.npy", "y.kvant.json"),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("words", "input_file"), OVERWRITING, ids=[words for words, _ in OVERWRITING])
def test_an_input_is_not_overwritten(files: Path, words: str, input_file: str) -> None:
    before = contents(files)
    said = refused(*(word.replace("F/", f"{files}/") for word in words.split()))
    assert said == f"{files / input_file}: is an input; give the output another name"
    assert contents(files) == before


def test_what_lies_beside_an_output_may_be_replaced(files: Path) -> None:
    kvant("quantize", files / "x.npy", "-o", files / "a.npy")
    assert np.load(files / "a.scale.npy").shape == (4,)


def test_names_that_are_too_long_show_before_the_work(files: Path) -> None:
    before = contents(files)
    for length in (252, 256, 260):  # with ".npy": x.npy is short enough, x.kvant.json or x.scale.npy is not; none is
        for ending in (".npy", ".safetensors"):
            if ending == ".safetensors" and length == 252:
                continue
            name = "n" * (length - len(ending)) + ending
            said = refused("quantize", files / "x.npy", "-o", files / name)
            assert re.fullmatch(r".*/n+[.a-z]+: cannot create: File name too long", said)
            assert contents(files) == before


def test_a_link_to_nothing(files: Path) -> None:
    (files / "o.safetensors").symlink_to("real.safetensors")
    said = refused("quantize", files / "x.npy", "-o", files / "o.safetensors")
    assert said == f"{files}/o.safetensors: points to real.safetensors, which does not exist"


def test_a_description_that_is_of_another_file(files: Path) -> None:
    np.save(files / "q.npy", np.zeros((4, 6), np.float16))
    said = refused("inspect", files / "q.npy")
    assert said.endswith(f"; delete {files}/q.kvant.json if {files}/q.npy is not what kvant wrote")
    assert f"{files}/q.kvant.json: tensor 'q': is F16, which does not hold codes of int8" in said


def test_sizes_are_of_all_files(files: Path) -> None:
    total = sum((files / f"q{ending}.npy").stat().st_size for ending in ("", ".scale", ".offset"))
    assert as_json("inspect", files / "q.npy")["file_bytes"] == total
    assert as_json("dequantize", files / "q.npy", "-o", files / "back.npy")["file_bytes_before"] == total
    assert as_json("quantize", files / "x.npy", "-o", files / "z.npy")["file_bytes_after"] == total


def test_threads_that_cannot_be_started_leave_no_file(files: Path) -> None:
    before = contents(files)
    x = np.zeros((4000, 1000), np.float32)
    np.save(files / "large.npy", x)
    command = (
        f"ulimit -v 1000000; exec {shlex.quote(program())} quantize {files}/large.npy -o {files}/o.npy --threads 4096"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode != 0 and "Thread creation failed" in done.stderr
    (files / "large.npy").unlink()
    assert contents(files) == before


def large(path: Path, megabytes: int) -> Path:
    """A float32 .npy of zeros that costs no disk."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (megabytes * 1000, 250)}
        )
        file.truncate(file.tell() + megabytes * 1_000_000)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_an_interrupted_run_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    source, target = large(tmp_path / "in.npy", 400), tmp_path / "out.npy"
    target.write_bytes(b"what was there")
    words = [program(), "quantize", str(source), "-o", str(target), "--block-bytes", "4000", "--threads", "1"]

    def heed() -> None:  # a shell's background jobs ignore SIGINT, and so do their children
        signal.signal(number, signal.SIG_DFL)

    pipe = subprocess.PIPE
    child = subprocess.Popen(words, env=environment(), stdout=pipe, stderr=pipe, preexec_fn=heed)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".kvant-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert child.poll() is None, "it ended before it could be interrupted"
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == -number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "out.npy"]
    assert target.read_bytes() == b"what was there"


def test_a_full_disk_shows_before_the_work(tmp_path: Path) -> None:
    source = large(tmp_path / "in.npy", 100)
    limited = f"ulimit -f 1000; trap '' XFSZ; exec {program()} quantize {source} -o {tmp_path / 'out.npy'}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


@pytest.mark.parametrize(
    ("arguments", "total"), [("quantize IN -o OUT", 200), ("inspect IN", 200), ("compare IN IN", 400)]
)
def test_progress_is_for_terminals(tmp_path: Path, arguments: str, total: int) -> None:
    source = large(tmp_path / "in.npy", 200)
    arguments = arguments.replace("IN", str(source)).replace("OUT", str(tmp_path / "out.npy"))
    words = [program(), *arguments.split(), "--block-bytes", "20000"]
    master, slave = pty.openpty()
    with subprocess.Popen(words, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=slave) as child:
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 60)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        assert child.wait(timeout=60) == 0
    os.close(master)
    assert re.search(rf"{arguments.split()[0]} +\d+% \[=*>? *\] [\d.]+ [kM]?B of {total} MB".encode(), shown)
    assert shown.endswith(b"\r\x1b[K")  # and is gone at the end
    kvant(*words[1:])  # into a pipe: nothing on standard error
