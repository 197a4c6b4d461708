"""dynamic_quant on any bits, by its properties, and on real activations, on every SIMD target of this machine."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import inputs
import kvant_c
import oracle
from checks import (
    MODES,
    RANGES,
    assert_same,
    assert_within_bound,
    compare,
    dtypes,
    formats,
    on_every_target,
    repeatable,
    symmetries,
)
from inputs import BF16, DTYPES, INTEGERS

DATA = Path(__file__).parents[2] / "data"

PATTERNS = {np.float16: 16, BF16: 16, np.float32: 32}


@st.composite
def problems(draw: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """A small tensor of any bit patterns, near one another or not, and attributes that fit."""
    dtype = draw(st.sampled_from(DTYPES))
    dst_type = draw(st.sampled_from(oracle.FORMATS))
    step = 2 if dst_type == "int4" else 1
    shape = (draw(st.integers(1, 4)), step * draw(st.integers(1, 20)))
    bits = PATTERNS[dtype]
    pattern = st.integers(0, (1 << bits) - 1)
    if draw(st.booleans()):
        base = draw(pattern)
        pattern = st.integers(0, 1 << bits // 3).map(lambda v: (base + v) % (1 << bits))
    flat = draw(st.lists(pattern, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    x = np.array(flat, inputs.unsigned(dtype)).view(dtype).reshape(shape)
    mode = draw(st.sampled_from(MODES))
    attributes: dict[str, Any] = {"dst_type": dst_type, "symmetric": draw(st.booleans()), "quant_mode": mode}
    if draw(st.booleans()):
        length = shape[0 if mode == "perchannel" else 1]
        scales = draw(st.lists(st.floats(width=32), min_size=length, max_size=length))
        attributes["smooth_scales"] = np.array(scales, np.float32)
    if dst_type in INTEGERS and mode == "pertoken":
        sizes = [g for g in range(step, shape[1] + 1, step) if shape[1] % g == 0]
        attributes["group_size"] = draw(st.sampled_from([0, *sizes]))
    return x, attributes


@repeatable
@given(problems())
def test_any_bits(problem) -> None:
    x, attributes = problem
    compare("dynamic_quant", x, **attributes)


@symmetries
@dtypes
@pytest.mark.parametrize("dst_type", INTEGERS)
def test_reconstruction_is_within_the_bound(dst_type, dtype, symmetric) -> None:
    rng = np.random.default_rng(14)
    rows = [inputs.activations(rng, (12, 32), dtype), inputs.scale_sweep(rng, dtype, 32)]
    rows.append(inputs.boundary_rows(rng, dtype, dst_type, symmetric, 20, 32))
    rows.append(inputs.threshold_rows(rng, dtype, dst_type, 32))
    x = np.concatenate(rows)
    y, scale, offset = kvant_c.dynamic_quant(x, dst_type, symmetric)
    back = kvant_c.dequantize(y, scale, offset, dst_type=dst_type)
    # A subnormal symmetric scale has lost bits of max|x| / D.
    tested = np.isfinite(scale) & (scale >= ml_dtypes.finfo(np.float32).tiny)
    assert tested.sum() > 40
    for r in np.flatnonzero(tested):
        assert_within_bound(x[r], back[r], scale[r], None if offset is None else offset[r], dst_type)
        if symmetric:
            assert np.abs(oracle.from_storage(y[r], dst_type).astype(int)).max() == RANGES[dst_type][0]


@formats
@symmetries
def test_rows_do_not_depend_on_one_another(dst_type, symmetric) -> None:
    rng = np.random.default_rng(15)
    for dtype in DTYPES:
        x = np.concatenate([inputs.extreme_rows(rng, dtype, 130), inputs.scale_sweep(rng, dtype, 130)])
        order = rng.permutation(len(x))
        results = kvant_c.dynamic_quant(x, dst_type, symmetric)
        moved = tuple(None if r is None else r[order] for r in results)
        on_every_target(lambda v=x[order]: kvant_c.dynamic_quant(v, dst_type, symmetric), moved, "permuted")
        for r in range(0, len(x), 7):
            one = tuple(None if v is None else v[r : r + 1] for v in results)
            assert_same(kvant_c.dynamic_quant(x[r : r + 1], dst_type, symmetric), one, f"row {r} alone")


@pytest.mark.parametrize("file", ["minilm_fp16", "minilm_bf16"])
@formats
def test_captured_activations(file, dst_type) -> None:
    tensors = load_file(DATA / f"{file}.safetensors")
    smooth = load_file(DATA / "smooth.safetensors")
    assert len(tensors) == 7
    for name, x in tensors.items():
        for symmetric in (True, False):
            compare("dynamic_quant", x, dst_type, symmetric)
            if name == "layer5.k":
                compare("dynamic_quant", x, dst_type, symmetric, "pertensor")
                compare("dynamic_quant", x, dst_type, symmetric, "perchannel")
            if name == "layer2.v" and dst_type in INTEGERS:
                compare("dynamic_quant", x, dst_type, symmetric, group_size=8)
            if name == "layer2.hidden":
                attributes = {"smooth_scales": smooth["smooth.experts"], "group_index": smooth["group_index"]}
                compare("dynamic_quant", x, dst_type, symmetric, smooth_scales=smooth["smooth.hidden"])
                compare("dynamic_quant", x, dst_type, symmetric, **attributes)
