"""kvant compare: errors of one file's tensors against another's; text for people and JSON for machines."""

from pathlib import Path

import numpy as np
import pytest

from kvant_cli import ROOT, as_json, kvant, load, save

DATA = ROOT / "data"


def test_compare(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((6, 5, 12)).astype(np.float32)
    source, codes, back = (tmp_path / f"{name}.safetensors" for name in ("in", "codes", "back"))
    save(source, {"x": a, "same": a, "a": a})
    for mode in ("pertoken", "pertensor", "perchannel"):
        kvant("quantize", source, "-o", codes, "--mode", mode, "--tensor", "x")
        kvant("dequantize", codes, "-o", back, "--dtype", "float32")
        b = load(back)[0]["x"].astype(np.float64)
        error = np.abs(a - b)
        for block in (64_000_000, 100):
            # The codes, and the numbers that dequantize makes of them, are equally far away.
            for other in (codes, back):
                report = as_json("compare", source, other, "--block-bytes", block)
                one = {tensor["name"]: tensor for tensor in report["tensors"]}
                assert one["same"]["equal"] and one["same"]["max_error"] == 0 and one["same"]["sqnr_db"] is None
                x = one["x"]
                assert x["max_error"] == error.max() and x["max_error_at"] == error.argmax() and not x["equal"]
                wide = a.astype(np.float64)
                assert x["sqnr_db"] == pytest.approx(10 * np.log10((wide**2).sum() / (error**2).sum()), rel=1e-12)
                cosine = (wide * b).sum() / np.sqrt((wide**2).sum() * (b**2).sum())
                assert x["cosine"] == pytest.approx(cosine, rel=1e-12)


def test_compare_special_values_and_names(tmp_path: Path) -> None:
    a = np.array([[np.nan, np.inf, 1, 2], [np.nan, -np.inf, 3, 0]], np.float32)
    b = np.array([[np.nan, np.inf, 1, 2], [1, np.inf, 3, 0]], np.float32)
    first = save(tmp_path / "a.safetensors", {"x": a, "only here": a})
    second = save(tmp_path / "b.safetensors", {"x": b, "there": a})
    report = as_json("compare", first, second)
    assert report["only_in_a"] == ["only here"] and report["only_in_b"] == ["there"]
    (x,) = report["tensors"]
    assert x["nan_or_inf_on_one_side"] == 2 and x["max_error"] == 0 and not x["equal"]
    text = kvant("compare", first, second)
    assert "2 NaN or inf on one side only" in text and f"only in {second}: there" in text
    # One tensor each: whatever the names.
    np.save(tmp_path / "c.npy", b)
    np.save(tmp_path / "d.npy", a)
    assert len(as_json("compare", tmp_path / "c.npy", tmp_path / "d.npy")["tensors"]) == 1


def test_compare_of_zeros_and_of_shapes_that_differ(tmp_path: Path) -> None:
    first = save(tmp_path / "a.safetensors", {"x": np.zeros((3, 3), np.float32), "y": np.ones((2, 3), np.float32)})
    second = save(tmp_path / "b.safetensors", {"x": np.ones((3, 3), np.float32), "y": np.ones((3, 2), np.float32)})
    lines = [line.split() for line in kvant("compare", first, second).splitlines()]
    assert lines[1][-3:] == ["1.00", "-inf", "-"]  # all error
    assert " ".join(lines[2]) == "y float32 float32 [2, 3] - - - shapes differ: [3, 2] in b"
    x, y = as_json("compare", first, second)["tensors"]
    assert (x["equal"], x["sqnr_db"], x["cosine"]) == (False, None, None)
    assert y == {
        "name": "y",
        "a": "float32",
        "b": "float32",
        "shape": [2, 3],
        "smooth_a": "",
        "smooth_b": "",
        "shape_b": [3, 2],
        "equal": False,
    }


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_compare_of_integers_that_a_double_rounds(tmp_path: Path, dtype: type) -> None:
    first = save(tmp_path / "a.safetensors", {"x": np.array([2**53, 2**62], dtype)})
    second = save(tmp_path / "b.safetensors", {"x": np.array([2**53 + 1, 2**62], np.int64)})
    for a, b in ((first, second), (second, first)):
        (x,) = as_json("compare", a, b)["tensors"]
        assert (x["equal"], x["max_error"], x["max_error_at"]) == (False, 1, 0)
    assert as_json("compare", first, first)["tensors"][0]["equal"]


def test_compare_says_when_codes_are_of_smoothed_values(tmp_path: Path) -> None:
    data, codes = DATA / "minilm_fp16.safetensors", tmp_path / "codes.safetensors"
    smooth = f"{DATA / 'smooth.safetensors'}:smooth.hidden"
    kvant("quantize", data, "-o", codes, "--tensor", "layer2.hidden", "--smooth", smooth)
    name = "layer2.hidden"
    assert kvant("inspect", codes).splitlines()[-1] == f"{name} holds x * smooth ({smooth})"
    said = kvant("quantize", data, "-o", codes, "--tensor", name, "--smooth", smooth)
    assert f" to int8 pertoken asymmetric, x * smooth ({smooth})" in said
    seen = {tensor["name"]: tensor for tensor in as_json("compare", data, codes)["tensors"]}
    assert (seen[name]["smooth_a"], seen[name]["smooth_b"]) == ("", smooth)
    lines = kvant("compare", data, codes).splitlines()
    assert [line for line in lines if "x * smooth" in line] == [line for line in lines if "layer2.hidden" in line]
    lines = kvant("dequantize", codes, "-o", tmp_path / "back.safetensors").splitlines()
    assert lines[1:] == [f"layer2.hidden holds x * smooth ({smooth})"]
    report = as_json("dequantize", codes, "-o", tmp_path / "back.safetensors")
    assert [tensor["smooth"] for tensor in report["tensors"]] == [smooth]
