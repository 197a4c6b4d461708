"""What goes wrong ends in one clear line and exit code 2, and leaves nothing behind."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kvant_cli import ROOT, info, kvant, load, refused, save


@pytest.fixture
def files(tmp_path: Path) -> Path:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    save(tmp_path / "in.safetensors", {"x": x, "i": np.arange(4), "v": x[0], "s": np.array(1.0, np.float32)})
    save(tmp_path / "ends.safetensors", {"e": np.array([2, 1]), "w": np.ones((2, 6), np.float32)})
    kvant("quantize", tmp_path / "in.safetensors", "-o", tmp_path / "q.safetensors", "--tensor", "x", "--dst", "int4")
    save(tmp_path / "odd.safetensors", {"odd": np.ones((2, 3), np.float32)})
    save(tmp_path / "many.safetensors", {"x": x, **{f"n{i}": x[i % 4] for i in range(6)}})
    kvant("quantize", tmp_path / "odd.safetensors", "-o", tmp_path / "done.safetensors")
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "empty.safetensors").touch()
    return tmp_path


CASES = [
    # arguments, the line (a pattern; F is the folder)
    ("", r"give a command: quantize, .* or demo \(kvant --help\)"),
    ("fly", r"no command 'fly': give quantize, .* or demo \(kvant --help\)"),
    ("quant F/in.safetensors -o F/o.safetensors", r"no command 'quant': give quantize, .*"),
    ("quantize", r"quantize: .*required.*\(kvant quantize --help\)"),
    ("quantize F/in.safetensors", r"quantize: .*--output.*required.*"),
    ("quantize F/in.safetensors -o F/o.safetensors --dst int5", r"quantize: --dst: 'int5' is not int8, int4, .*"),
    ("quantize F/in.safetensors -o F/o.safetensors --mode row", r"quantize: --mode: 'row' is not pertoken, .*"),
    ("quantize F/in.safetensors -o F/o.safetensors --symmetric --asymmetric", r"quantize: .*symmetric.*"),
    (
        "quantize F/in.safetensors -o F/o.safetensors --threads 0",
        r"quantize: --threads: '0' is not a whole number from 1 to .*",
    ),
    ("quantize F/in.safetensors -o F/o.safetensors --threads x", r"quantize: .*--threads.*x.*"),
    ("quantize F/in.safetensors -o F/o.safetensors --block-bytes -1", r"quantize: --block-bytes: .*"),
    ("inspect F/in.safetensors --outliers nan", r"inspect: --outliers: 'nan' is not a positive number .*"),
    ("inspect F/in.safetensors --outliers -1", r"inspect: --outliers: '-1' is not a positive number .*"),
    (
        "quantize F/odd.safetensors -o F/o.safetensors --dst int4",
        r"F/odd.safetensors: tensor 'odd': .* is 3, int4 packs "
        r"pairs and needs an even one \(--except NAME leaves a tensor as it is\)",
    ),
    ("quantize F/in.safetensors -o F/o.safetensors --fast", r"quantize: .*--fast.*"),
    ("quantize F/none.safetensors -o F/o.safetensors", r"F/none.safetensors: cannot open: No such file or directory"),
    ("quantize F -o F/o.safetensors", r"F: .*"),
    ("quantize F/empty.safetensors -o F/o.safetensors", r"F/empty.safetensors: .*"),
    ("quantize F/in.safetensors -o F/o.bin", r"F/o.bin: does not end in .safetensors or .npy, .*"),
    (
        "quantize F/in.safetensors -o F/no/o.safetensors",
        r"F/no/o.safetensors: cannot create: No such file or directory",
    ),
    ("quantize F/in.safetensors -o F/o.npy", r"F/o.npy: a .npy file holds one tensor, this would be 2; choose .*"),
    ("quantize F/in.safetensors -o F/o.safetensors --tensor y", r"F/in.safetensors: has no tensor 'y'"),
    ("quantize F/in.safetensors -o F/o.safetensors --match y*", r"F/in.safetensors: has no tensor that matches 'y\*'"),
    ("quantize F/in.safetensors -o F/o.safetensors --except y", r"F/in.safetensors: has no tensor that matches 'y'"),
    ("quantize F/in.safetensors -o F/o.safetensors --tensor i", r"F/in.safetensors: tensor 'i': is I64; .*"),
    ("quantize F/in.safetensors -o F/o.safetensors --tensor s", r"F/in.safetensors: tensor 's': has no dimensions, .*"),
    ("quantize F/in.safetensors -o F/o.safetensors --match i", r"F/in.safetensors: has no chosen tensor of F16, .*"),
    (
        "quantize F/q.safetensors -o F/o.safetensors --tensor x",
        r"F/q.safetensors: tensor 'x': is quantized already: int4 pertoken asymmetric",
    ),
    (
        "quantize F/q.safetensors -o F/o.safetensors --tensor x.scale",
        r"F/q.safetensors: tensor 'x.scale': is the scale or offset of 'x'; choose 'x'",
    ),
    (
        "inspect F/q.safetensors --tensor x.offset",
        r"F/q.safetensors: tensor 'x.offset': is the scale or offset of 'x'.*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --except *",
        r"F/in.safetensors: --except leaves no tensor of those.*",
    ),
    (
        "compare F/in.safetensors F/in.safetensors --tensor x --except x",
        r"F/in.safetensors: --except leaves no tensor .*",
    ),
    ("quantize F/done.safetensors -o F/o.safetensors", r"F/done.safetensors: all its tensors are quantized already"),
    (
        "quantize F/in.safetensors -o F/o.safetensors --mode perchannel",
        r"F/in.safetensors: tensor 'v': dynamic_quant: "
        r".*perchannel needs at least 2 \(--except NAME leaves a tensor as it is\)",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --group-size 4",
        r"F/in.safetensors: tensor 'x': dynamic_quant: group_size is 4, which does not divide x.shape\[-1\] = 6; "
        r"nor do 'v' fit \(--except NAME leaves a tensor as it is\)",
    ),
    (
        "quantize F/many.safetensors -o F/o.safetensors --mode perchannel",
        r"F/many.safetensors: tensor 'n0': .*needs at least 2; nor do 'n1', 'n2', 'n3' and 2 more fit \(--except .*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --dst-type-max 3",
        r"F/in.safetensors: tensor '.': dynamic_quant: dst_type_max is 3, but dst_type is int8: it is for hifloat8",
    ),
    ("quantize F/in.safetensors -o F/o.safetensors --smooth w", r"F/in.safetensors: has no tensor 'w'"),
    (
        "quantize F/in.safetensors -o F/o.safetensors --smooth F/none:w",
        r"F/none: cannot open: No such file or directory",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --smooth F/ends.safetensors:z",
        r"F/ends.safetensors: has no tensor 'z'",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --smooth F/ends.safetensors",
        r"F/ends.safetensors: has 2 tensors; say which: F/ends.safetensors:NAME",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --smooth F/ends.safetensors:w",
        r".*smooth_scales has shape \[2, 6\].*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --tensor x --smooth F/ends.safetensors:w "
        "--group-index F/ends.safetensors:e",
        r".*group_index\[1\] is 1, but group_index\[0\] is 2: .*",
    ),
    ("dequantize F/in.safetensors -o F/o.safetensors", r"F/in.safetensors: has no quantized tensor \(.*\)"),
    ("dequantize F/q.safetensors -o F/o.safetensors --tensor i", r"F/q.safetensors: has no chosen quantized tensor .*"),
    ("dequantize F/q.safetensors -o F/o.safetensors --dtype int8", r"dequantize: --dtype: 'int8' is not float16, .*"),
    (
        "dequantize F/q.safetensors -o F/o.npy --dtype bfloat16",
        r"F/o.npy: tensor 'o': .npy cannot hold BF16; use .safetensors or --dtype float32",
    ),
    ("dequantize F/x.npy -o F/o.npy", r"F/x.npy: has no file F/x.kvant.json beside it that says how to read its codes"),
    ("compare F/in.safetensors F/ends.safetensors", r"F/in.safetensors: has no tensor of the same name as one in .*"),
    ("inspect F/none", r"F/none: cannot open: No such file or directory"),
    ("bench --shape 4x0", r"bench: --shape: '4x0' is not ROWSxCOLUMNS, like 128x7168 .*"),
    ("bench --shape 4x4x", r"bench: --shape: .*"),
    ("bench --shape 3x5 --dst int4 --seconds 0.01", r".*int4 packs pairs and needs an even one"),
    ("bench --quant-mode row", r"bench: --mode: 'row' is not pertoken, pertensor or perchannel .*"),
    ("bench --shape 4x4 --dst hifloat8 --group-size 2", r".*group_size is 2, but dst_type is hifloat8: groups are .*"),
    ("bench --shape 4x4 --mode pertensor --group-size 2", r".*group_size is 2, but quant_mode is pertensor: groups .*"),
    ("demo --data F", r"F/minilm_fp16.safetensors: cannot open: No such file or directory"),
    ("targets extra", r"targets: unexpected argument: extra \(kvant targets --help\)"),
    ("targets one two", r"targets: unexpected arguments: one two .*"),
    ("quantize F/in.safetensors -o F/o.safetensors targets", r"quantize: unexpected argument: targets .*"),
    (
        "inspect F/in.safetensors compare F/in.safetensors F/in.safetensors",
        r"inspect: unexpected arguments: compare .*",
    ),
    ("inspect F/in.safetensors targets", r"inspect: unexpected argument: targets .*"),
    ("targets inspect F/in.safetensors", r"targets: unexpected arguments: inspect .*"),
    ("inspect F/in.safetensors --outliers", r"inspect: --outliers needs a value .*"),
    ("inspect F/in.safetensors --tensor", r"inspect: --tensor needs a value .*"),
    ("inspect F/in.safetensors --tensor x --tensor", r"inspect: --tensor needs a value .*"),
    (
        "quantize F/in.safetensors -o F/o.safetensors --dst int4 --dst int8",
        r"quantize: --dst is given more than once .*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors -o F/p.safetensors",
        r"quantize: --output is given more than once .*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --dst-type-max abc",
        r"quantize: --dst-type-max: 'abc' is not a number .*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --group-size 1.5",
        r"quantize: --group-size: '1.5' is not a whole number .*",
    ),
    (
        "quantize F/in.safetensors -o F/o.safetensors --block-bytes 64MB",
        r"quantize: --block-bytes: '64MB' is not a whole number of bytes from .*",
    ),
    ("bench --seconds nan", r"bench: --seconds: 'nan' is not a number of seconds from .*"),
    ("bench-swiglu --mode 3", r"bench-swiglu: --mode: '3' is not 0, 1 or 2 .*"),
]


@pytest.mark.parametrize(("words", "line"), CASES, ids=[words or "nothing" for words, _ in CASES])
def test_one_line(files: Path, words: str, line: str) -> None:
    before = sorted(files.iterdir())
    said = refused(*(word.replace("F", str(files)) if "/" in word or word == "F" else word for word in words.split()))
    assert re.fullmatch(
        line.replace("F/", re.escape(f"{files}/")).replace("F:", f"{files}:"), said.removeprefix("kvant ")
    ), said
    assert sorted(files.iterdir()) == before


def test_run_demo_takes_no_arguments() -> None:
    done = subprocess.run([ROOT / "run", "demo", "--x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "run: demo: unknown argument --x\n")


def test_a_target_that_does_not_exist(files: Path) -> None:
    before = sorted(files.iterdir())
    source, target = files / "in.safetensors", files / "o.safetensors"
    for words in (
        ["targets"],
        ["quantize", source, "-o", target],
        ["dequantize", files / "q.safetensors", "-o", target],
        ["bench", "--seconds", "0.01"],
        ["demo", "--data", ROOT / "data"],
    ):
        assert "nonsense" in refused(*words, KVANT_TARGET="nonsense")
    assert sorted(files.iterdir()) == before


def test_names_that_would_meet(tmp_path: Path) -> None:
    x = np.zeros((2, 2), np.float32)
    source = save(tmp_path / "in.safetensors", {"x": x, "x.scale": x})
    said = refused("quantize", source, "-o", tmp_path / "o.safetensors", "--tensor", "x")
    assert said.endswith("would have two tensors named 'x.scale'; leave one out (--only, --except)")
    kvant("quantize", source, "-o", tmp_path / "o.safetensors", "--tensor", "x", "--only")


def test_an_error_stays_on_one_line(tmp_path: Path) -> None:
    source = save(tmp_path / "in.safetensors", {"a\nb\x1b[31m": np.zeros((2, 3), np.float32)})
    said = refused("quantize", source, "-o", tmp_path / "o.safetensors", "--dst", "int4")
    assert "tensor 'a\\nb\\x1b[31m'" in said and "\x1b" not in said
    assert "\x1b" not in refused("quantize", "a\x1b[31m\nb", "-o", "x\n.npy", "--dst", "\x1b\n")
    assert "a\\nb\\x1b[31m" in refused("targets", KVANT_TARGET="a\nb\x1b[31m")
    assert refused("inspect", "") == "'': cannot open: No such file or directory"


LIES: list[tuple[dict[str, Any], str]] = [
    ({"format": "int3"}, "unknown format 'int3'"),
    ({"format": 4}, "'format' is not a string"),
    ({"format": "int8"}, "is U8, which does not hold codes of int8"),
    ({"format": "hifloat8"}, "has shape [4, 3], but its metadata say hifloat8 of [4, 6]"),
    ({"shape": [4, 8]}, "has shape [4, 3], but its metadata say int4 of [4, 8]"),
    ({"mode": "perrow"}, "unknown mode 'perrow'"),
    ({"mode": "pertensor"}, "its scale 'x.scale' is F32 [4], expected F32 [1]"),
    ({"dtype": "int8"}, "'int8' is not a dtype of real numbers"),
    ({"shape": [4, 7]}, "ends in an odd size"),
    ({"shape": [4, -6]}, "'shape' is not a whole number"),
    ({"shape": [4, 6.5]}, "'shape' is not a whole number"),
    ({"shape": []}, "'shape' is not a list of sizes"),
    ({"shape": [4, 2**63]}, "'shape' is not a whole number"),
    ({"group_size": 4}, "group_size 4 does not fit int4 pertoken of shape [4, 6]"),
    ({"group_size": 3}, "group_size 3 does not fit"),
    ({"group_size": 2}, "its scale 'x.scale' is F32 [4], expected F32 [4, 3]"),
    ({"scale": "y"}, "its scale 'y' is missing"),
    ({"scale": "i"}, "its scale 'i' is I64"),
    ({"offset": "y"}, "its offset 'y' is missing"),
    ({"mode": "perchannel", "shape": [12]}, "is too short for perchannel"),
]


@pytest.mark.parametrize(("lie", "words"), LIES, ids=[json.dumps(lie) for lie, _ in LIES])
def test_metadata_that_lie(files: Path, lie: dict[str, Any], words: str) -> None:
    tensors, metadata = load(files / "q.safetensors")
    about = {**info(metadata, "x"), **lie}
    bad = save(files / "bad.safetensors", tensors, {"kvant:x": json.dumps(about)})
    for command in (
        ["dequantize", bad, "-o", files / "o.safetensors"],
        ["inspect", bad],
        ["compare", bad, bad],
        ["quantize", bad, "-o", files / "o.safetensors"],
    ):
        said = refused(*command)
        assert said.startswith(f"{bad}: tensor 'x': ") and words in said, said


def test_metadata_that_are_not_json(files: Path) -> None:
    tensors, _ = load(files / "q.safetensors")
    for text in ("", "{", "[]", "null", "[" * 100_000, '{"format": NaN}'):
        bad = save(files / "bad.safetensors", tensors, {"kvant:x": text})
        assert refused("inspect", bad).endswith("its metadata 'kvant:x': not a JSON object")
    bad = save(files / "bad.safetensors", tensors, {"kvant:y": metadata_of(files)})
    assert refused("inspect", bad).endswith("tensor 'y': metadata describe it, but the file does not have it")


def metadata_of(files: Path) -> str:
    return load(files / "q.safetensors")[1]["kvant:x"]


def test_npy_companions(files: Path) -> None:
    kvant("quantize", files / "x.npy", "-o", files / "y.npy")
    (files / "y.scale.npy").rename(files / "moved.npy")
    assert "y.scale.npy: cannot open" in refused("inspect", files / "y.npy")
    np.save(files / "y.scale.npy", np.zeros(3, np.float32))
    assert "its scale 'y.scale' is F32 [3], expected F32 [4]" in refused("inspect", files / "y.npy")
    (files / "y.kvant.json").write_text("{}")
    assert refused("inspect", files / "y.npy").endswith("y.kvant.json: no member 'format'")
