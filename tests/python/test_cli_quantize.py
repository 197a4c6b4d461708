"""kvant quantize and kvant dequantize: the bytes of the oracle, from files of any kind, in blocks of any size."""

import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import oracle
from checks import assert_same
from inputs import BF16, DTYPES, numbers
from kvant_cli import ROOT, as_json, environment, info, kvant, load, program, save

FORMATS = ("int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8")
MODES = ("pertoken", "pertensor", "perchannel")
BLOCKS = (1, 60, 1000)


def flags(options: dict[str, Any]) -> list[str]:
    """The keyword arguments of the oracle as a command line."""
    words = ["--symmetric" if options.get("symmetric") else "--asymmetric"]
    for name, option in (("dst_type", "--dst"), ("quant_mode", "--mode"), ("group_size", "--group-size")):
        if name in options:
            words += [option, str(options[name])]
    if "dst_type_max" in options:
        words += ["--dst-type-max", str(options["dst_type_max"])]
    return words


def difficult(dtype: Any, *shape: int, seed: int = 1) -> Any:
    """Rows of every size, among them one with a NaN, one with infinities, one of zeros and one of subnormals."""
    x = numbers(np.random.default_rng(seed), shape, dtype, -6, 9)
    rows = x.reshape(-1, shape[-1]) if x.size else x[:0]
    for row, value in enumerate((np.nan, np.inf, -np.inf)):
        if len(rows) > row + 5:
            rows[row + 2, shape[-1] // 2] = value
    if len(rows) > 8:
        rows[8] = 0
        rows[7] = ml_dtypes.finfo(dtype).tiny / 4
        rows[6, 0] = -0.0
    return x


def check(tmp_path: Path, x: Any, options: dict[str, Any], *more: Any, **oracle_only: Any) -> Path:
    """Quantizes x and compares codes, scale, offset and metadata with the oracle; any block size: the same file."""
    source, target = save(tmp_path / "in.safetensors", {"x": x}), tmp_path / "out.safetensors"
    kvant("quantize", source, "-o", target, *flags(options), *more)
    with np.errstate(all="ignore"):
        codes, scale, offset = oracle.dynamic_quant(x, **options, **oracle_only)
    tensors, metadata = load(target)
    assert_same(tensors.pop("x"), codes, f"codes of {options}")
    assert_same(tensors.pop("x.scale"), scale, f"scale of {options}")
    assert_same(tensors.pop("x.offset", None), offset, f"offset of {options}")
    assert not tensors
    about = info(metadata, "x")
    assert about["format"] == options.get("dst_type", "int8") and about["shape"] == list(x.shape)
    assert about["dtype"] == np.dtype(x.dtype).name and about["mode"] == options.get("quant_mode", "pertoken")
    for block in BLOCKS:
        streamed = tmp_path / f"streamed{block}.safetensors"
        kvant("quantize", source, "-o", streamed, *flags(options), *more, "--block-bytes", block)
        assert streamed.read_bytes() == target.read_bytes(), f"{options}, blocks of {block} bytes"
    return target


@pytest.mark.parametrize("dst_type", FORMATS)
@pytest.mark.parametrize("quant_mode", MODES)
def test_codes_are_those_of_the_oracle(tmp_path: Path, dst_type: str, quant_mode: str) -> None:
    for dtype, symmetric in itertools.product(DTYPES, (False, True)):
        options = {"dst_type": dst_type, "symmetric": symmetric, "quant_mode": quant_mode}
        check(tmp_path, difficult(dtype, 4, 5, 34), options)


@pytest.mark.parametrize(
    "shape", [(64,), (2,), (3, 0), (0, 4), (2, 0, 4), (0,), (1, 2), (9, 130), (2, 3, 1, 6)], ids=str
)
def test_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for quant_mode in MODES if len(shape) > 1 else MODES[:2]:
        for dst_type in ("int4", "float8_e5m2"):
            check(tmp_path, difficult(np.float16, *shape), {"dst_type": dst_type, "quant_mode": quant_mode})


@pytest.mark.parametrize("shape", [(0, 32), (0, 64), (4, 0, 32), (3, 0), (2, 0, 4)], ids=str)
def test_tensors_without_elements_in_small_blocks(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Rows longer than a block: no place of theirs is inside the file."""
    x, back = np.zeros(shape, np.float16), tmp_path / "back.safetensors"
    for options in ({"group_size": 2}, {"quant_mode": "perchannel"}, {"quant_mode": "pertensor"}):
        for block in (*BLOCKS, 16):
            target = check(tmp_path, x, options)
            kvant("dequantize", target, "-o", back, "--block-bytes", block)
            assert load(back)[0]["x"].shape == shape
            (seen,) = as_json("inspect", target, "--block-bytes", block)["tensors"]
            assert (seen["min"], seen["max"], seen["outlier_row_count"]) == (None, None, 0)
            (one,) = as_json("compare", target, back, "--block-bytes", block)["tensors"]
            assert one["equal"]


@pytest.mark.parametrize("dst_type", ["int8", "int4"])
@pytest.mark.parametrize("group_size", [2, 6, 24])
def test_groups_of_elements(tmp_path: Path, dst_type: str, group_size: int) -> None:
    check(tmp_path, difficult(BF16, 3, 4, 24), {"dst_type": dst_type, "group_size": group_size})


def test_dst_type_max(tmp_path: Path) -> None:
    options = {"dst_type": "hifloat8", "dst_type_max": 15.0, "symmetric": True}
    about = info(load(check(tmp_path, difficult(np.float32, 10, 8), options))[1], "x")
    assert about["dst_type_max"] == 15.0
    # Less than 1e-6 is not used, and not recorded.
    kvant(
        "quantize",
        tmp_path / "in.safetensors",
        "-o",
        tmp_path / "o.safetensors",
        *flags(options | {"dst_type_max": 1e-9}),
    )
    assert "dst_type_max" not in info(load(tmp_path / "o.safetensors")[1], "x")


@pytest.mark.parametrize("quant_mode", MODES)
def test_smooth_scales(tmp_path: Path, quant_mode: str) -> None:
    x = difficult(np.float16, 3, 4, 10)
    smooth = numbers(np.random.default_rng(2), (4 if quant_mode == "perchannel" else 10,), np.float32, -2, 2)
    other = save(tmp_path / "smooth:1.safetensors", {"s": smooth, "t": smooth})
    target = check(tmp_path, x, {"quant_mode": quant_mode}, "--smooth", f"{other}:s", smooth_scales=smooth)
    assert info(load(target)[1], "x")["smooth"] == f"{other}:s"


def test_smooth_scales_of_the_input_itself_are_not_quantized(tmp_path: Path) -> None:
    x, smooth = np.ones((4, 6), np.float32), np.full(6, 0.5, np.float32)
    source, target = save(tmp_path / "in.safetensors", {"x": x, "s": smooth}), tmp_path / "out.safetensors"
    for name in ("s", f"{source}:s", f"{source.parent}/./{source.name}:s"):
        report = as_json("quantize", source, "-o", target, "--smooth", name)
        assert ([tensor["name"] for tensor in report["tensors"]], report["copied"]) == (["x"], ["s"])
        assert_same(load(target)[0]["s"], smooth, name)


@pytest.mark.parametrize("quant_mode", MODES[:2])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_experts(tmp_path: Path, quant_mode: str, dtype: Any) -> None:
    x = difficult(np.float16, 4, 4, 10)
    smooth = numbers(np.random.default_rng(2), (4, 10), BF16, -2, 2)
    ends = np.array([3, 3, 11, 16], dtype)
    np.save(tmp_path / "ends.npy", ends)
    other = save(tmp_path / "smooth.safetensors", {"s": smooth})
    more = ("--smooth", other, "--group-index", tmp_path / "ends.npy")
    check(tmp_path, x, {"quant_mode": quant_mode}, *more, smooth_scales=smooth, group_index=ends)


def test_threads_and_targets_change_nothing(tmp_path: Path) -> None:
    source = save(tmp_path / "in.safetensors", {"x": difficult(np.float16, 300, 700)})
    files = []
    for target, threads in itertools.product(as_json("targets")["targets"], (1, 3)):
        files.append(tmp_path / f"{target}{threads}.safetensors")
        kvant("quantize", source, "-o", files[-1], "--dst", "int4", "--threads", threads, KVANT_TARGET=target)
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("dst_type", FORMATS)
@pytest.mark.parametrize("quant_mode", MODES)
def test_dequantize(tmp_path: Path, dst_type: str, quant_mode: str) -> None:
    x = difficult(BF16, 4, 5, 34)
    group_size = 2 if quant_mode == "pertoken" and dst_type in ("int8", "int4") else 0
    source = save(tmp_path / "in.safetensors", {"x": x}, {"made by": "a test"})
    codes, back = tmp_path / "codes.safetensors", tmp_path / "back.safetensors"
    options: dict[str, Any] = {"dst_type": dst_type, "quant_mode": quant_mode, "group_size": group_size}
    kvant("quantize", source, "-o", codes, *flags(options))
    stored = load(codes)[0]
    for dtype in (None, *DTYPES):
        more = () if dtype is None else ("--dtype", np.dtype(dtype).name)
        with np.errstate(all="ignore"):
            y, scale, offset = (stored[name] for name in ("x", "x.scale", "x.offset"))
            expected = oracle.dequantize(y, scale, offset, **options, dtype=dtype or BF16)
        for block in (64_000_000, *BLOCKS):
            kvant("dequantize", codes, "-o", back, *more, "--block-bytes", block)
            tensors, metadata = load(back)
            assert list(tensors) == ["x"] and metadata == {"made by": "a test"}
            assert_same(tensors["x"], expected, f"{options}, {dtype}, blocks of {block}")


def test_npy(tmp_path: Path) -> None:
    x = difficult(np.float32, 6, 16)
    np.save(tmp_path / "x.npy", x)
    for dst_type, symmetric in itertools.product(FORMATS, (False, True)):
        options = {"dst_type": dst_type, "symmetric": symmetric}
        kvant("quantize", tmp_path / "x.npy", "-o", tmp_path / "y.npy", *flags(options))
        with np.errstate(all="ignore"):
            codes, scale, offset = oracle.dynamic_quant(x, **options)
            expected = oracle.dequantize(codes, scale, offset, dst_type=dst_type)
        stored = codes if dst_type == "int8" else codes.view(np.uint8)  # .npy has no FP8
        assert_same(np.load(tmp_path / "y.npy"), stored, f"{options}")
        assert_same(np.load(tmp_path / "y.scale.npy"), scale, f"{options}")
        assert symmetric or offset is not None
        if offset is not None:
            assert_same(np.load(tmp_path / "y.offset.npy"), offset, f"{options}")
        kvant("dequantize", tmp_path / "y.npy", "-o", tmp_path / "back.npy")
        assert_same(np.load(tmp_path / "back.npy"), expected, f"{options}")
    # Over other codes: what said that z.npy was codes goes away.
    kvant("quantize", tmp_path / "x.npy", "-o", tmp_path / "z.npy")
    kvant("dequantize", tmp_path / "y.npy", "-o", tmp_path / "z.npy")
    assert_same(np.load(tmp_path / "z.npy"), expected, "over other codes")
    assert not (tmp_path / "z.kvant.json").exists()
    kvant("quantize", tmp_path / "x.npy", "-o", tmp_path / "x.safetensors")
    assert set(load(tmp_path / "x.safetensors")[0]) == {"x", "x.scale", "x.offset"}
    kvant("dequantize", tmp_path / "x.safetensors", "-o", tmp_path / "again.npy")
    assert np.load(tmp_path / "again.npy").shape == x.shape


def test_what_is_quantized_and_what_is_copied(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tensors = {
        "a.k": rng.standard_normal((4, 6)).astype(np.float16),
        "a.v": rng.standard_normal((4, 6)).astype(BF16),
        "b.k": rng.standard_normal((2, 6)).astype(np.float32),
        "ids": np.arange(5, dtype=np.int64),
        "scalar": np.array(3.0, np.float32),
        "": np.ones((2, 4), np.float32),
    }
    source, target = save(tmp_path / "in.safetensors", tensors, {"format": "pt"}), tmp_path / "out.safetensors"

    def quantized(*selection: str) -> set[str]:
        report = as_json("quantize", source, "-o", target, *selection)
        got, metadata = load(target)
        assert metadata["format"] == "pt"
        names = {key.removeprefix("kvant:") for key in metadata if key != "format"}
        assert names == {tensor["name"] for tensor in report["tensors"]}
        for name, tensor in tensors.items():
            if name not in names and "--only" not in selection:
                assert_same(got.pop(name), tensor, name)
        assert set(got) == {name + ending for name in names for ending in ("", ".scale", ".offset")}
        return names

    assert quantized() == {"", "a.k", "a.v", "b.k"}
    assert quantized("--tensor", "a.k", "--tensor", "b.k") == {"a.k", "b.k"}
    assert quantized("--match", "*.k", "--match", "a*") == {"a.k", "a.v", "b.k"}
    assert quantized("--match", "*.k", "--except", "a*", "--only") == {"b.k"}
    assert quantized("--only") == {"", "a.k", "a.v", "b.k"}

    # What is quantized already is copied, with what belongs to it, and can be read back from the result.
    quantized("--match", "a*")
    twice, back = tmp_path / "twice.safetensors", tmp_path / "back.safetensors"
    report = as_json("quantize", target, "-o", twice, "--dst", "float8_e4m3fn")
    assert [tensor["name"] for tensor in report["tensors"]] == ["", "b.k"]
    assert info(load(twice)[1], "a.k")["format"] == "int8" and info(load(twice)[1], "b.k")["format"] == "float8_e4m3fn"
    kvant("dequantize", twice, "-o", back, "--match", "a*")
    got, metadata = load(back)
    assert set(got) == {*tensors, ".scale", ".offset", "b.k.scale", "b.k.offset"}
    assert set(metadata) == {"format", "kvant:", "kvant:b.k"}
    assert got["a.v"].dtype == BF16 and got["b.k"].dtype == ml_dtypes.float8_e4m3fn


def test_a_tensor_without_a_name_survives(tmp_path: Path) -> None:
    tensors = {"": np.arange(3, dtype=np.int32), "w": np.ones((2, 4), np.float32)}
    source, codes, back = (tmp_path / f"{name}.safetensors" for name in ("in", "codes", "back"))
    save(source, tensors)
    kvant("quantize", source, "-o", codes, "--symmetric")
    kvant("dequantize", codes, "-o", back)
    got = load(back)[0]
    assert set(got) == {"", "w"}
    assert_same(got[""], tensors[""], "the tensor without a name")


def test_the_reference_implementation_reads_it(tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    kvant("quantize", ROOT / "data" / "minilm_fp16.safetensors", "-o", target, "--dst", "int4", "--group-size", 32)
    theirs, ours = safetensors.numpy.load_file(target), load(target)[0]
    assert set(theirs) == set(ours) and len(ours) == 21
    for name, tensor in ours.items():
        assert_same(theirs[name], tensor, name)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """256 MB of zeros, which cost no disk, through blocks of 1 MB; row by row, and twice over for one scale."""
    source, target = tmp_path / "in.npy", tmp_path / "out.npy"
    rows, columns = 1 << 16, 1024
    with source.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)})
        file.truncate(file.tell() + rows * columns * 4)
    for mode in ("pertoken", "pertensor"):
        words = ["quantize", source, "-o", target, "--block-bytes", "1000000", "--mode", mode]
        child = subprocess.Popen([program(), *map(str, words)], env=environment(), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        # Linux counts the parent's memory, this Python's, until the child has begun.
        assert usage.ru_maxrss < 180_000, f"{mode}: {usage.ru_maxrss} kB"
        assert target.stat().st_size == rows * columns + 128
