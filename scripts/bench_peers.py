"""kvant beside what people call today: PyTorch eager, torch.compile, torch.quantize_per_tensor, onnxruntime.

    pip install torch onnxruntime onnx -r tests/python/requirements.txt
    python scripts/bench_peers.py [--op OPERATOR] [--threads N] [--json FILE]

Every contender of a cell is timed in the same process, in shuffled rounds, and the cell shows medians in microseconds
and how many times faster kvant is. A contender that does less is marked: torch.quantize_per_tensor gets its scale for
free, onnxruntime's DynamicQuantizeLinear has one scale for the whole tensor and takes only float32 (kvant then does the
same).
"""

import argparse
import ctypes as ct
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

# rows, columns of x, groups
SWIGLU_SHAPES = [
    *((1, 4096, 1), (64, 4096, 1), (64, 4096, 8), (4608, 2048, 1), (4608, 2048, 64)),
    *((4096, 14336, 1), (4096, 14336, 8), (8192, 4608, 1)),
]
SHAPES = [(1, 4096), (16, 4096), (128, 7168), (4096, 4096), (4096, 7168), (65536, 128)]
FORMATS = ["int8 asymmetric", "int8 symmetric", "int4 asymmetric", "int4 symmetric", "float8_e4m3fn symmetric"]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--op", choices=["dynamic_quant", "dequant_swiglu_quant"], default="dynamic_quant")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
parser.add_argument("--json", type=Path)
parser.add_argument("--seconds", type=float, default=1.0, help="time per contender and cell")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python"))
import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from formulas import formula, swiglu  # noqa: E402

import kvant_abi  # noqa: E402

if options.op == "dynamic_quant":
    import onnx
    import onnxruntime

torch.set_num_threads(options.threads)
Call = Callable[[], object]


def kvant_call(x: np.ndarray, dst: str, symmetric: bool, mode: str = "pertoken") -> Call:
    """One call of the C API with everything prepared, as an engine would hold it."""
    fields = {"x": x, "dst_type": dst, "symmetric": symmetric, "quant_mode": mode}
    specs = kvant_abi.infer("dynamic_quant", 3, **fields)
    y, scale, offset = (None if s is None else np.zeros(*s) for s in specs)
    args = kvant_abi.fill("kvant_dynamic_quant_args", **fields, y=y, scale=scale, offset=None if symmetric else offset)
    pointer, function = ct.byref(args), kvant_abi.lib.kvant_dynamic_quant

    def run() -> None:
        kvant_abi.check(function(pointer, None))

    run.keep = (args, y, scale, offset)
    return run


def onnx_session() -> "onnxruntime.InferenceSession":
    def value(name: str, kind: int, shape: list[str] | list[int]) -> "onnx.ValueInfoProto":
        return onnx.helper.make_tensor_value_info(name, kind, shape)

    kinds = onnx.TensorProto
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])],
        "quantize",
        [value("x", kinds.FLOAT, ["r", "c"])],
        [value("y", kinds.UINT8, ["r", "c"]), value("s", kinds.FLOAT, []), value("z", kinds.UINT8, [])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = options.threads
    return onnxruntime.InferenceSession(model.SerializeToString(), how, providers=["CPUExecutionProvider"])


def medians(contenders: dict[str, Call]) -> dict[str, float]:
    """Seconds a call. Rounds are shuffled, and each contender warms up in every round."""
    repeat = {}
    for name, call in contenders.items():
        for _ in range(3):
            call()
        start = time.perf_counter()
        call()
        repeat[name] = max(1, int(options.seconds / 10 / (time.perf_counter() - start + 1e-9)))
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(9):
        for name in random.sample(list(contenders), len(contenders)):
            contenders[name]()
            start = time.perf_counter()
            for _ in range(repeat[name]):
                contenders[name]()
            samples[name].append((time.perf_counter() - start) / repeat[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def cell(rows: int, columns: int, what: str, session: "onnxruntime.InferenceSession") -> dict[str, float]:
    torch.manual_seed(0)
    x = torch.randn(rows, columns).to(getattr(torch, options.dtype))
    numpy_dtype = np.float16 if options.dtype == "float16" else ml_dtypes.bfloat16
    x_numpy = x.view(torch.int16).numpy().view(numpy_dtype)
    dst, symmetric = what.split()[0], what.endswith(" symmetric")
    run = formula(dst, symmetric)
    torch._dynamo.reset()  # or it gives up on compiling after eight cells
    compiled = torch.compile(run, dynamic=False)
    contenders: dict[str, Call] = {
        "kvant": kvant_call(x_numpy, dst, symmetric),
        "eager": lambda: run(x),
        "compile": lambda: compiled(x),
    }
    if what == "int8 asymmetric":
        wide = x.float()
        contenders["kvant pertensor fp32"] = kvant_call(wide.numpy(), dst, symmetric, "pertensor")
        contenders["quantize_per_tensor fp32"] = lambda: torch.quantize_per_tensor(wide, 0.03, 0, torch.qint8)
        contenders["onnxruntime fp32"] = lambda: session.run(None, {"x": wide.numpy()})
    return medians(contenders)


def show(name: str, times: dict[str, float]) -> None:
    texts = []
    for contender, seconds in times.items():
        mine = times["kvant pertensor fp32" if "fp32" in contender else "kvant"]
        ratio = "" if contender.startswith("kvant") else f" ({seconds / mine:.1f}x)"
        texts.append(f"{contender} {seconds * 1e6:.2f}{ratio}")
    print(f"{name:36} " + "  ".join(texts), flush=True)


def swiglu_cell(rows: int, columns: int, groups: int, dtype: str) -> dict[str, float]:
    torch.manual_seed(0)
    weight_scale = activation_scale = None
    if dtype == "int32":
        x = (torch.randn(rows, columns) * 8192).to(torch.int32)
        weight_scale = (1 + 0.1 * torch.randn(groups, columns)) * 2 / 8192
        activation_scale = 1 + 0.1 * torch.randn(rows)
        numpy_x = x.numpy()
    else:
        x = (torch.randn(rows, columns) * 2).bfloat16()
        numpy_x = x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    quant_scale = 1 + 0.1 * torch.randn(groups, columns // 2)
    counts = [rows // groups] * groups
    fields = {"x": numpy_x, "quant_mode": 1, "activate_left": True, "quant_scale": quant_scale.numpy()}
    fields |= {"clamp_limit": 7.0, "glu_alpha": 1.702, "glu_bias": 1.0, "group_index": np.array(counts, np.int64)}
    if weight_scale is not None and activation_scale is not None:
        fields |= {"weight_scale": weight_scale.numpy(), "activation_scale": activation_scale.numpy()}
    y, scale = (np.zeros(*spec) for spec in kvant_abi.infer("dequant_swiglu_quant", 2, **fields))
    args = kvant_abi.fill("kvant_dequant_swiglu_quant_args", **fields, y=y, scale=scale)
    pointer, function = ct.byref(args), kvant_abi.lib.kvant_dequant_swiglu_quant
    torch._dynamo.reset()
    compiled = torch.compile(swiglu, dynamic=False)
    given = (x, weight_scale, activation_scale, quant_scale, counts)
    expected, _ = swiglu(*given)
    kvant_abi.check(function(pointer, None))
    assert np.abs(y.astype(np.int32) - expected.numpy()).max() <= 1
    return medians(
        {
            "kvant": lambda: kvant_abi.check(function(pointer, None)),
            "eager": lambda: swiglu(*given),
            "compile": lambda: compiled(*given),
        }
    )


def swiglu_main() -> None:
    print(f"torch {torch.__version__}, {options.threads} thread(s), dequant_swiglu_quant")
    results = {}
    for dtype in ("int32", "bfloat16"):
        for rows, columns, groups in SWIGLU_SHAPES:
            times = swiglu_cell(rows, columns, groups, dtype)
            results[f"{dtype} {rows}x{columns} groups {groups}"] = times
            texts = [f"{name} {seconds * 1e6:.2f} ({seconds / times['kvant']:.1f}x)" for name, seconds in times.items()]
            print(f"{dtype:8} {rows:>5}x{columns:<6} groups {groups:<3} " + "  ".join(texts), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def main() -> None:
    if options.op == "dequant_swiglu_quant":
        swiglu_main()
        return
    session = onnx_session()
    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"{versions}, {options.threads} thread(s), {options.dtype}")
    results = {}
    for what in FORMATS:
        for rows, columns in SHAPES:
            name = f"{what} {rows}x{columns}"
            results[name] = cell(rows, columns, what, session)
            show(name, results[name])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
