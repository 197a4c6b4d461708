#!/usr/bin/env python3
"""What a call of kvant from Python costs at 1x128, in microseconds: the wrapper, torch.ops alone, and an
operator of the same schema that is registered the same way, allocates the same results and computes nothing.

usage: bench_torch.py [--library FOLDER]; the no-op is compiled with g++ into FOLDER (default: a temporary one).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

import torch

import kvant

SOURCE = r"""
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>
#include <optional>
#include <tuple>
namespace {
using torch::stable::Tensor;
using Maybe = std::optional<Tensor>;
Tensor Empty(int64_t rank, const int64_t* shape, const int64_t* strides, int32_t dtype) {
  AtenTensorHandle handle = nullptr;
  aoti_torch_empty_strided(rank, shape, strides, dtype, aoti_torch_device_type_cpu(), 0, &handle);
  return Tensor(handle);
}
using Results = std::tuple<Tensor, Tensor, Tensor>;
Results Noop(const Tensor& x, const Maybe&, const Maybe&, int64_t, int64_t, int64_t, double) {
  const int64_t shape[] = {x.size(0), x.size(1)}, strides[] = {x.size(1), 1};
  return {Empty(2, shape, strides, aoti_torch_dtype_int8()), Empty(1, shape, strides + 1, aoti_torch_dtype_float32()),
          Empty(1, shape, strides + 1, aoti_torch_dtype_float32())};
}
STABLE_TORCH_LIBRARY(kvant_noop, m) {
  m.def("dynamic_quant(Tensor x, Tensor? smooth_scales=None, Tensor? group_index=None, int dst_type=1, "
        "int quant_mode=0, int group_size=0, float dst_type_max=0.0) -> (Tensor, Tensor, Tensor)");
}
STABLE_TORCH_LIBRARY_IMPL(kvant_noop, CPU, m) { m.impl("dynamic_quant", TORCH_BOX(&Noop)); }
}  // namespace
"""


def compile_noop(folder: Path) -> Path:
    root = Path(torch.__file__).parent
    source, library = folder / "noop.cc", folder / "libnoop.so"
    source.write_text(SOURCE)
    command = ["g++", "-std=c++20", "-O2", "-shared", "-fPIC", "-DTORCH_TARGET_VERSION=0x020b000000000000"]
    where = [f"-isystem{root / 'include'}", f"-L{root / 'lib'}"]
    subprocess.run([*command, *where, "-o", str(library), str(source), "-ltorch_cpu"], check=True)
    return library


def microseconds(calls: dict[str, Callable[[], object]], number: int = 20000, rounds: int = 15) -> dict[str, float]:
    """The fastest of several rounds of each, in turns: what else runs on the machine only ever adds."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            best[name] = min(best[name], timeit.timeit(call, number=number) / number * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path)
    folder = parser.parse_args().library
    with tempfile.TemporaryDirectory() as temporary:
        torch.ops.load_library(str(compile_noop(folder or Path(temporary))))
    x = torch.randn(1, 128).to(torch.float16)
    noop, op = torch.ops.kvant_noop.dynamic_quant.default, torch.ops.kvant.dynamic_quant.default
    args = (x, None, None, 1, 0, 0, 0.0)
    y, scale, offset = kvant.dynamic_quant(x)
    into = (x, None, None, y, scale, offset, 1, 0, 0, 0.0)
    best = microseconds(
        {
            "no-op of the same schema": lambda: noop(*args),
            "torch.ops.kvant.dynamic_quant": lambda: op(*args),
            "kvant.dynamic_quant": lambda: kvant.dynamic_quant(x),
            "kvant.dynamic_quant, out=": lambda: kvant.dynamic_quant(x, out=(y, scale, offset)),
            "torch.ops.kvant.dynamic_quant_out": lambda: torch.ops.kvant.dynamic_quant_out.default(*into),
        }
    )
    base = best["no-op of the same schema"]
    for name, time in best.items():
        print(f"{name:36} {time:6.2f} us   {time / base:5.2f} of the no-op")
    kernel = best["torch.ops.kvant.dynamic_quant"] - base
    print(f"{'so: checks, plan and kernel':36} {kernel:6.2f} us")
    print(f"{'so: the wrapper without them':36} {best['kvant.dynamic_quant'] - kernel:6.2f} us   "
          f"{(best['kvant.dynamic_quant'] - kernel) / base:5.2f} of the no-op")  # fmt: skip


if __name__ == "__main__":
    main()
