"""Quantizing into a KV cache: kvant beside the same formula in PyTorch with index_copy_, eager and compiled.

    python scripts/bench_peers_cache.py [--threads N] [--dtype DTYPE] [--seconds S] [--json FILE]

Needs what bench_peers.py needs, and measures like it. The cache has 65536 slots, the tokens go to random ones, the same
each time; index_put_ instead of index_copy_ makes no difference that shows.
"""

import ctypes as ct
import json

# Reads the command line, and limits the threads before torch is loaded.
import bench_peers as peers
import numpy as np
import torch
from bench_peers import Call, kvant_abi
from formulas import formula, static_formula

SHAPES = [(1, 8, 128), (8, 8, 128), (64, 8, 128), (4096, 8, 128), (64, 1, 4096)]
# What is written, and with how many elements to a scale.
KINDS = ["int4 row", "int4 g32", "int8 row", "int8 static"]
SLOTS = 65536


def prepared(op: str, struct: str, **fields: object) -> Call:
    args = kvant_abi.fill(struct, **fields)
    pointer, function = ct.byref(args), getattr(kvant_abi.lib, f"kvant_{op}")

    def run() -> None:
        kvant_abi.check(function(pointer, None))

    run.keep = args
    return run


def into(cache: list[torch.Tensor], make: Call, index: torch.Tensor) -> Call:
    """make(x) -> codes and parameters, each copied to its table."""

    def run(x: torch.Tensor) -> None:
        for table, values in zip(cache, make(x), strict=True):
            table.index_copy_(0, index, values)

    return run


def cell(shape: tuple[int, int, int], kind: str) -> dict[str, float]:
    tokens, heads, dim = shape
    dst, how = kind.split()
    slots = SLOTS if tokens * heads * dim < 1 << 22 else 2 * tokens
    group = int(how[1:]) if how[0] == "g" else 0
    rng = np.random.default_rng(0)
    index = rng.permutation(slots)[:tokens]
    x = torch.randn(tokens, heads, dim).to(getattr(torch, peers.options.dtype))
    bits = np.float16 if peers.options.dtype == "float16" else peers.ml_dtypes.bfloat16
    width = dim // 2 if dst == "int4" else dim
    params = (1, slots, heads) + ((dim // group,) if group else ())
    codes = np.zeros((1, slots, heads, width), np.uint8 if dst == "int4" else np.int8)
    where = {"axis": 1, "index_mode": "slot", "dst_type": dst, "indices": index}
    where["updates"] = x.view(torch.int16).numpy().view(bits)
    if how == "static":
        scales = np.full(dim, 0.05, np.float32)
        fields = {"self": codes, "quant_scales": scales, "quant_axis": -1, "round_mode": "rint", **where}
        mine = prepared("quant_scatter_in_place", "kvant_quant_scatter_args", **fields)
        scale, quantize_static = torch.from_numpy(scales), static_formula("int8")

        def make(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return quantize_static(t, scale)

    else:
        tables = {"var_scale": np.zeros(params, np.float32), "var_offset": np.zeros(params, np.float32)}
        struct = "kvant_dynamic_quant_update_scatter_args"
        mine = prepared("dynamic_quant_update_scatter", struct, var=codes, group_size=group, **tables, **where)
        quantize = formula(dst, False)

        def make(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y, s, o = quantize(t.unflatten(-1, (-1, group)) if group else t)
            return (y.flatten(-2) if group else y), s, o

    cache = [torch.zeros((slots, *v.shape[1:]), dtype=v.dtype) for v in make(x)]
    eager = into(cache, make, torch.from_numpy(index))
    torch._dynamo.reset()
    compiled = torch.compile(eager, dynamic=False)
    return peers.medians({"kvant": mine, "eager": lambda: eager(x), "compile": lambda: compiled(x)})


def main() -> None:
    print(f"torch {torch.__version__}, {peers.options.threads} thread(s), {peers.options.dtype}")
    results = {}
    for kind in KINDS:
        for shape in SHAPES:
            name = f"{kind} {'x'.join(map(str, shape))}"
            results[name] = cell(shape, kind)
            peers.show(name, results[name])
    if peers.options.json:
        peers.options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
