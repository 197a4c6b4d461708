"""The commands that print: inspect, targets, bench, demo; text for people and JSON for machines."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inputs import BF16
from kvant_cli import ROOT, as_json, environment, kvant, load, program, refused, save

DATA = ROOT / "data"


def test_inspect(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (3, 20, 8)).astype(np.float16)
    x[..., 0] = 1  # every row's amax
    x[1, 4, 3], x[2, 19, 0], x[0, 0, 1], x[0, 0, 2], x[0, 1, 2] = -30, 60, np.nan, -np.inf, np.inf
    tensors = {
        "x": x,
        "b": rng.standard_normal(7).astype(BF16),
        "i": np.array([[-(2**40), 3]], np.int64),
        "d": np.array([1e300, -2.5]),
        "nothing": np.zeros((0, 4), np.float32),
        "nan": np.full((2, 2), np.nan, np.float32),
    }
    source = save(tmp_path / "in.safetensors", tensors, {"format": "pt"})
    for block in (64_000_000, 50):
        report = as_json("inspect", source, "--block-bytes", block)
        assert report["metadata"] == {"format": "pt"} and report["file_bytes"] == source.stat().st_size
        seen = {tensor.pop("name"): tensor for tensor in report["tensors"]}
        assert list(seen) == sorted(tensors)
        for name, tensor in tensors.items():
            assert seen[name]["shape"] == list(tensor.shape) and seen[name]["bytes"] == tensor.nbytes
            wide = tensor.astype(np.float64)
            finite = wide[np.isfinite(wide)]
            assert seen[name]["nan"] == np.isnan(wide).sum() and seen[name]["inf"] == np.isinf(wide).sum()
            assert seen[name]["min"] == (finite.min() if finite.size else None)
            assert seen[name]["max"] == (finite.max() if finite.size else None)
        assert seen["x"]["median_row_amax"] == 1.0
        assert seen["b"]["median_row_amax"] is None  # of one row
        assert seen["x"]["outlier_rows"] == [
            {"row": 59, "amax": 60.0, "times_median": 60.0},
            {"row": 24, "amax": 30.0, "times_median": 30.0},
        ]
    assert as_json("inspect", source, "--tensor", "x", "--outliers", "40")["tensors"][0]["outlier_row_count"] == 1

    lines = kvant("inspect", source).splitlines()
    assert lines[0].startswith(f"{source}: 6 tensors, ") and lines[1] == "metadata format: pt"
    assert lines[2].split() == ["tensor", "type", "shape", "bytes", "min", "max", "NaN", "inf", "outlier", "rows"]
    assert " ".join(lines[-1].split()) == "x float16 [3, 20, 8] 960 -30 60 1 2 2 (row 59: 60.0x)"
    header = kvant("inspect", source, "--header")
    assert "outlier" not in header and "[3, 20, 8]" in header


def test_inspect_shows_codes_as_what_they_stand_for(tmp_path: Path) -> None:
    x = np.linspace(-3, 5, 64, dtype=np.float32).reshape(4, 16)
    source, codes, back = (tmp_path / f"{name}.safetensors" for name in ("in", "codes", "back"))
    save(source, {"x": x})
    kvant("quantize", source, "-o", codes, "--dst", "int4")
    kvant("dequantize", codes, "-o", back)
    restored = load(back)[0]["x"]
    (seen,) = as_json("inspect", codes)["tensors"]
    assert (seen["min"], seen["max"]) == (float(restored.min()), float(restored.max()))
    assert seen["shape"] == [4, 16] and seen["stored_as"] == "U8" and seen["bytes"] == 32 + 16 + 16
    assert seen["quantized"]["format"] == "int4"
    assert "int4 of float32" in kvant("inspect", codes)


def test_inspect_of_rows_without_elements(tmp_path: Path) -> None:
    """No memory for a trillion rows that hold nothing."""
    header = b'{"a":{"dtype":"F16","shape":[1099511627776,0],"data_offsets":[0,0]}}'
    source = tmp_path / "in.safetensors"
    source.write_bytes(len(header).to_bytes(8, "little") + header)
    for block in (64_000_000, 16):
        assert kvant("inspect", source, "--block-bytes", block).splitlines()[-1].split()[-5:] == [
            "-",
            "-",
            "0",
            "0",
            "0",
        ]
        assert as_json("compare", source, source, "--block-bytes", block)["tensors"][0]["equal"]


def test_inspect_of_an_outlier_among_zeros(tmp_path: Path) -> None:
    x = np.zeros((3, 4), np.float32)
    x[1, 2] = -5
    source = save(tmp_path / "in.safetensors", {"x": x})
    assert kvant("inspect", source).splitlines()[-1].endswith("1 (row 1: amax 5.00)")


def test_targets() -> None:
    report = as_json("targets")
    assert report["targets"][0] == report["in_use"] and report["targets"][-1] == "scalar" and report["threads"] >= 1
    assert as_json("targets", KVANT_TARGET="scalar")["in_use"] == "scalar"
    version = kvant("--version").strip()
    assert version == f"kvant {report['version']}"
    text = kvant("targets", KVANT_TARGET="scalar")
    assert "scalar (in use)" in text and report["version"] in text
    assert as_json("targets", OMP_NUM_THREADS="3")["threads"] == 3


def test_bench() -> None:
    words = ("bench", "--shape", "3x64", "--shape", "2x32", "--dst", "int4", "--dtype", "bfloat16", "--seconds", "0.01")
    report = as_json(*words, "--threads", "2")
    assert [(line["rows"], line["columns"]) for line in report["results"]] == [(3, 64), (2, 32)]
    assert report["dtype"] == "bfloat16" and report["threads"] == 2
    for line in report["results"]:
        assert line["dst_type"] == "int4" and not line["symmetric"]
        elements = line["rows"] * line["columns"]
        assert line["elements_per_second"] == pytest.approx(elements / line["seconds"])
        moved = elements * 2.5 + 8 * line["rows"]
        assert line["bytes_per_second"] == pytest.approx(moved / line["seconds"])
        assert line["of_copy"] > 0 and line["of_streaming_copy"] > 0
    lines = kvant(*words, "--symmetric").splitlines()
    assert len(lines) == 4 and lines[2].startswith("3x64   int4    symmetric")


@pytest.mark.parametrize(("name", "scales"), [("pertoken", 6), ("pertensor", 1), ("perchannel", 64)])
def test_bench_modes(name: str, scales: int) -> None:
    words = ("bench", "--shape", "6x64", "--dst", "int8", "--seconds", "0.01")
    for option in ("--quant-mode", "--mode"):
        report = as_json(*words, option, name)
        assert (report["quant_mode"], report["group_size"]) == (name, 0)
        (line,) = report["results"]
        moved = 6 * 64 * 3 + 8 * scales
        assert line["bytes_per_second"] == pytest.approx(moved / line["seconds"])
    assert kvant(*words, "--mode", name).startswith(f"dynamic_quant of float16, {name}; target ")


def test_bench_groups() -> None:
    words = ("bench", "--shape", "6x64", "--seconds", "0.01", "--group-size", "32")
    report = as_json(*words)
    assert (report["quant_mode"], report["group_size"]) == ("pertoken", 32)
    assert [line["dst_type"] for line in report["results"]] == ["int8", "int4"]
    for line, code_bytes in zip(report["results"], (1, 0.5), strict=True):
        moved = 6 * 64 * (2 + code_bytes) + 8 * 6 * 2
        assert line["bytes_per_second"] == pytest.approx(moved / line["seconds"])
    assert kvant(*words).startswith("dynamic_quant of float16, pertoken/32; target ")


def test_symmetry_by_default(tmp_path: Path) -> None:
    """bench and quantize differ, as their help says."""
    formats = ("int8", "int4", "float8_e4m3fn", "float8_e5m2", "hifloat8")
    chosen = [word for name in formats for word in ("--dst", name)]
    report = as_json("bench", "--shape", "2x32", "--seconds", "0.01", *chosen)
    assert [line["symmetric"] for line in report["results"]] == [False, False, True, True, True]
    source = save(tmp_path / "in.safetensors", {"x": np.ones((2, 4), np.float32)})
    for name in formats:
        kvant("quantize", source, "-o", tmp_path / "out.safetensors", "--dst", name)
        assert "x.offset" in load(tmp_path / "out.safetensors")[0]
    said = {command: " ".join(kvant(command, "--help").split()) for command in ("quantize", "bench")}
    assert "(code - offset) * scale; default, of FP8 and hifloat8 too" in said["quantize"]
    assert "code * scale; default of FP8 and hifloat8, not so in quantize" in said["bench"]
    assert "(code - offset) * scale; default of int8 and int4" in said["bench"]


def test_help_lists_formats_and_dtypes() -> None:
    formats, dtypes = "int8, int4, float8_e4m3fn, float8_e5m2 or hifloat8;", "float16, bfloat16 or float32;"
    for command in ("quantize", "bench", "bench-cache", "bench-swiglu"):
        assert f"--dst FORMAT {formats}" in " ".join(kvant(command, "--help").split()), command
    for command in ("dequantize", "bench", "bench-cache"):
        assert f"--dtype DTYPE {dtypes}" in " ".join(kvant(command, "--help").split()), command


def test_bench_cache() -> None:
    words = ("bench-cache", "--shape", "3x2x64", "--group-size", "32", "--slots", "10", "--seconds", "0.01")
    report = as_json(*words, "--threads", "2")
    assert report["dtype"] == "float16" and report["threads"] == 2 and report["group_size"] == 32
    dynamic = ["dynamic_quant_update_scatter_", "dequantize_gather"]
    expected = {"int8": ["scatter_update_", "quant_scatter_", *dynamic], "int4": ["scatter_update_", *dynamic]}
    assert [(line["operator"], line["dst_type"]) for line in report["results"]] == [
        (op, dst_type) for dst_type, ops in expected.items() for op in ops
    ]
    for line in report["results"]:
        assert line["elements_per_second"] == pytest.approx(3 * 2 * 64 / line["seconds"])
        assert line["slots"] == 10
        assert line["of_copy"] > 0 and line["of_streaming_copy"] > 0
    few = as_json(*words[:3], "--slots", "2", "--dst", "float8_e5m2", "--seconds", "0.01")
    assert [line["slots"] for line in few["results"]] == [3, 3]  # at least the tokens
    lines = kvant(*words[:3], "--dst", "float8_e5m2", "--seconds", "0.01").splitlines()
    assert len(lines) == 4 and lines[3].startswith("quant_scatter_   3x2x64  float8_e5m2")
    for name in ("hifloat8", "float8_e5m2"):
        said = refused(*words, "--dst", "int8", "--dst", name)
        assert said == f"bench-cache: --group-size is 32, but --dst is {name}: groups are for int8 and int4"
    assert "--group-size is 48, which does not divide the 64 of 3x2x64" in refused(*words[:3], "--group-size", "48")
    assert "'3x64' is not TOKENSxHEADSxDIM, like 64x8x128" in refused("bench-cache", "--shape", "3x64")
    # Rows that are not whole cache lines, and more threads than tokens.
    for shape in ("3x1x72", "3x5x32776"):
        assert kvant("bench-cache", "--shape", shape, "--slots", "9", "--seconds", "0.01", "--threads", "5")


def test_bench_swiglu() -> None:
    words = ("bench-swiglu", "--shape", "6x64", "--groups", "4", "--seconds", "0.01")
    report = as_json(*words, "--threads", "2", "--mode", "2", "--dst", "float8_e4m3fn")
    assert report["operator"] == "dequant_swiglu_quant" and report["dst_type"] == "float8_e4m3fn"
    assert (report["groups"], report["swiglu_mode"], report["quant_mode"], report["threads"]) == (4, 2, "dynamic", 2)
    assert [line["dtype"] for line in report["results"]] == ["int32", "bfloat16"]
    for line in report["results"]:
        assert line["results_per_second"] == pytest.approx(6 * 32 / line["seconds"])
        assert line["of_copy"] > 0 and line["of_streaming_copy"] > 0
    lines = kvant(*words, "--dtype", "float16", "--static").splitlines()
    assert lines[0].startswith("dequant_swiglu_quant to int8, static, mode 0, 4 groups; target ")
    assert len(lines) == 3 and lines[2].startswith("6x64  float16")
    assert "dst_type is int4" in refused(*words, "--dst", "int4")
    assert "x.shape[-1] is 63" in refused("bench-swiglu", "--shape", "6x63", "--seconds", "0.01")
    assert "'int64' is not int32, float16, bfloat16 or float32" in refused("bench-swiglu", "--dtype", "int64")
    assert "--mode: '3' is not 0, 1 or 2" in refused("bench-swiglu", "--mode", "3")


def test_demo(tmp_path: Path) -> None:
    text = kvant("demo", "--data", DATA, TMPDIR=str(tmp_path))
    lines = text.splitlines()
    steps = lines.index("How to go on:") + 1
    assert max(map(len, lines[:steps])) <= 120
    values = [line.split() for line in lines if re.match(r"  (int|float|hifloat)", line)]
    assert len(values) == 76
    assert "Checked, all 76 lines" in text
    assert len([line for line in lines if line.startswith("  cache int")]) == 10
    assert len([line for line in lines if line.startswith("  dequant_swiglu_quant")]) == 1
    commands = [line.strip() for line in lines[steps:]]
    assert [shlex.split(command)[1] for command in commands] == ["quantize", "compare", "dequantize"]
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment(), check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (tmp_path / "minilm_back.safetensors").exists()


def test_demo_as_json_agrees_with_the_other_commands(tmp_path: Path) -> None:
    report = as_json("demo", "--data", DATA)
    assert len(report["results"]) == 76 and all(line["checked"] for line in report["results"])
    targets = as_json("targets")
    assert (report["version"], report["target"], report["targets"]) == tuple(
        targets[key] for key in ("version", "in_use", "targets")
    )
    caches = {(line["layer"], line["cache"]): line for line in report["caches"]}
    assert len(caches) == 10
    for (layer, cache), line in caches.items():
        assert line["attention_cosine"] > (0.99 if cache.startswith("int4") else 0.998), (layer, cache)
        assert line["attention_relative_error"] < (0.15 if cache.startswith("int4") else 0.07)
        if cache == "int4 g32":
            assert line["sqnr_db"] > caches[layer, "int4 row"]["sqnr_db"] + 3
            assert line["bytes_after"] == line["bytes_before"] / 4 * (1 + 2 * 8 / 32)
    experts = report["experts"]
    assert (experts["tokens"], experts["counts"]) == (256, [64, 0, 96, 96])
    assert experts["relative_error"] < 0.05 and experts["cosine"] > 0.999
    assert experts["codes_that_differ_apart"] < experts["codes"] / 1000
    assert abs(experts["relative_error"] - experts["relative_error_apart"]) < 1e-3
    assert all(time > 0 for time in experts["microseconds"].values())
    codes = tmp_path / "codes.safetensors"
    source = DATA / "minilm_bf16.safetensors"
    quantized = as_json("quantize", source, "-o", codes, "--dst", "int4", "--group-size", 32)
    sizes = {tensor["name"]: tensor["bytes_after"] for tensor in quantized["tensors"]}
    compared = {tensor["name"]: tensor["sqnr_db"] for tensor in as_json("compare", source, codes)["tensors"]}
    lines = [line for line in report["results"] if line["group_size"] == 32 and line["dtype"] == "bfloat16"]
    assert {line["tensor"] for line in lines} == {"layer2.ffn", "layer2.hidden", "layer5.hidden"}
    for line in lines:
        assert line["bytes_after"] == sizes[line["tensor"]]
        assert line["sqnr_db"] == pytest.approx(compared[line["tensor"]], rel=1e-9)
        assert 0.4 < line["largest_error_in_scales"] <= 0.5001


def test_help_has_examples_that_parse() -> None:
    commands = [
        "quantize",
        "dequantize",
        "inspect",
        "compare",
        "targets",
        "bench",
        "bench-cache",
        "bench-swiglu",
        "demo",
    ]
    for command in commands:
        text = kvant(command, "--help")
        assert max(map(len, text.splitlines())) <= 120
        examples = [line.strip() for line in text.splitlines() if re.match(r"  (KVANT_TARGET=\w+ )?kvant ", line)]
        assert examples, command
        for example in examples:
            words = [word for word in shlex.split(example) if not word.startswith("KVANT_TARGET")][1:]
            assert words[0] == command
            # Read by the same parser, up to the file that is not there.
            if command in ("quantize", "dequantize", "compare") or "model" in example:
                assert "No such file or directory" in refused(*words)
    assert "smooth.safetensors" in kvant("demo", "--help")  # all that the demo reads
    top = kvant("--help")
    assert "Exit code" in top and all(re.search(rf"^  {command} ", top, re.MULTILINE) for command in commands)


def test_output_that_cannot_be_written_is_an_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    for words in (["targets"], ["--help"], ["quantize", "--help"], ["--version"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [program(), *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
            )
        assert done.returncode == 2, words
        assert done.stderr == "kvant: standard output: cannot write: No space left on device\n"


def test_errors_that_cannot_be_written_are_user_errors_all_the_same() -> None:
    for words in ("inspect nope", "bogus", "quantize --dst int4"):
        for where in ("2>&-", "2>/dev/full"):
            command = f"{shlex.quote(program())} {words} {where}"
            assert subprocess.run(command, shell=True, env=environment(), check=False).returncode == 2, command
