"""Cases of kvant_cuda_bench, by name, as PyTorch functions and as Triton kernels on tensors of their own."""

from collections.abc import Callable

import torch
import triton_kernels as kernels
from formulas import RANGES, dequantize_formula, formula, static_formula, swiglu

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8}


class Work:
    """One case on one set of buffers: a function for torch.compile with its tensors, and a Triton call.

    `known` says whether there is one for the name. `run(*inputs)` is what `check` compares `results` of `triton` with;
    `compiled` is what to time, if it differs; `eager` says whether the function is worth timing uncompiled.
    """

    def __init__(self, name: str, device: str) -> None:
        op, shape, *rest = name.split("/")
        self.device, self.sizes = device, [int(n) for n in shape.split("x")]
        self.dst = next((t for t in rest if t in RANGES), "")
        self.dtype = DTYPES.get(rest[0], torch.float32)
        self.symmetric, self.per_channel = "symmetric" in rest, "per_channel" in rest
        self.group = next((int(t.removeprefix("group")) for t in rest if t.startswith("group")), 0)
        self.triton: Callable[[], object] | None = None
        self.compiled: Callable[..., object] | None = None
        self.results: list[torch.Tensor] = []
        self.eager = False
        make = getattr(self, op.rstrip("_"), None)
        self.known = make is not None and (self.dst != "" or op == "scatter_update_")
        if self.known:
            make()
            self.compiled = self.compiled or self.run

    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (*self.inputs, *self.results))

    def randn(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=self.device).to(self.dtype)

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.zeros(*shape, dtype=dtype, device=self.device)

    def codes(self, rows: int, columns: int) -> torch.Tensor:
        width = columns // 2 if self.dst == "int4" else columns
        return self.empty(rows, width, dtype=kernels.torch_dtype(self.dst))

    def random_codes(self, rows: int, columns: int) -> torch.Tensor:
        if self.dst == "float8_e4m3fn":
            return torch.randn(rows, columns, device=self.device).to(torch.float8_e4m3fn)
        width = columns // 2 if self.dst == "int4" else columns
        return torch.randint(-128, 128, (rows, width), dtype=torch.int8, device=self.device)

    def slots(self) -> tuple[int, torch.Tensor]:
        """As many as kvant_cuda_bench has in its cache, and the tokens' ones."""
        tokens = self.sizes[0]
        count = 64 if tokens < 16 else 4 * tokens
        return count, torch.randperm(count, device=self.device)[:tokens]

    def scales(self, rows: int, columns: int) -> list[torch.Tensor]:
        """Scales and, if there are any, offsets."""
        groups = columns // self.group if self.group else 1
        scale = torch.rand(rows, groups, device=self.device) * 0.01 + 0.005
        return [scale] if self.symmetric else [scale, torch.randn(rows, groups, device=self.device)]

    def dynamic_quant(self) -> None:
        (rows, columns), dst = self.sizes, self.dst
        x, y, scale = self.randn(rows, columns), self.codes(rows, columns), self.empty(rows)
        offset = None if self.symmetric else self.empty(rows)
        # A program holds its row in registers: not for the longest.
        if columns <= 65536:
            self.triton = lambda: kernels.launch_rows(x, y, scale, offset, None, 1, dst)
        self.results = [y, scale, *([] if offset is None else [offset])]
        self.run, self.inputs = formula(dst, self.symmetric), (x,)

    def quantize(self) -> None:
        (rows, columns), dst = self.sizes, self.dst
        x, y = self.randn(rows, columns), self.codes(rows, columns)
        scales = torch.full((columns if self.per_channel else 1,), 0.03, device=self.device)
        self.triton = lambda: kernels.launch_static(x, y, scales, None, 1, dst)
        self.results = [y]
        self.run, self.inputs = static_formula(dst), (x, scales)

    def dequantize(self) -> None:
        (rows, columns), dst, group = self.sizes, self.dst, self.group
        x, codes = self.empty(rows, columns, dtype=self.dtype), self.random_codes(rows, columns)
        tables = self.scales(rows, columns)
        scale, offset = tables[0], None if self.symmetric else tables[1]
        self.triton = lambda: kernels.launch_dequantize(codes, scale, offset, None, x, 1, group, dst)
        self.results = [x]
        self.run, self.inputs = dequantize_formula(dst, group, self.dtype), (codes, *tables)

    def dequantize_gather(self) -> None:
        (tokens, heads, dim), dst, group = self.sizes, self.dst, self.group
        count, index = self.slots()
        x, codes = self.empty(tokens * heads, dim, dtype=self.dtype), self.random_codes(count * heads, dim)
        tables = self.scales(count * heads, dim)
        scale, offset = tables[0], None if self.symmetric else tables[1]
        self.triton = lambda: kernels.launch_dequantize(codes, scale, offset, index, x, heads, group, dst)
        self.results = [x]
        dequantize = dequantize_formula(dst, group, self.dtype)

        def run(index: torch.Tensor, *tables: torch.Tensor) -> tuple[torch.Tensor, ...]:
            # PyTorch gathers no FP8.
            rows = (t.view(torch.int8)[index].view(t.dtype) if t.element_size() == 1 else t[index] for t in tables)
            return dequantize(*rows)

        self.run, self.inputs = run, (index, *(t.view(count, heads, -1) for t in (codes, *tables)))

    def scatter_update(self) -> None:
        tokens, heads, dim = self.sizes
        count, index = self.slots()
        x, y = (self.randn(n, heads * dim) for n in (tokens, count))
        self.triton = lambda: kernels.launch_scatter(x, y, index)
        self.results, self.eager = [y], True

        def run(table: torch.Tensor, index: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (table.index_copy_(0, index, x),)

        self.run, self.inputs = run, (y.clone(), index, x)

    def dynamic_quant_update_scatter(self) -> None:
        (tokens, heads, dim), dst = self.sizes, self.dst
        count, index = self.slots()
        x, y = self.randn(tokens * heads, dim), self.codes(count * heads, dim)
        scale = self.empty(count * heads)
        offset = None if self.symmetric else self.empty(count * heads)
        self.triton = lambda: kernels.launch_rows(x, y, scale, offset, index, heads, dst)
        self.results = [y, scale, *([] if offset is None else [offset])]
        quantize = formula(dst, self.symmetric)

        def run(x: torch.Tensor, index: torch.Tensor, *tables: torch.Tensor) -> tuple[torch.Tensor, ...]:
            for table, values in zip(tables, quantize(x), strict=True):
                table.index_copy_(0, index, values.reshape(tokens, -1))
            return tables

        tables = [t.clone().view(count, -1) for t in self.results]
        self.run, self.inputs = run, (x, index, *tables)

    def quant_scatter(self) -> None:
        (tokens, heads, dim), dst = self.sizes, self.dst
        count, index = self.slots()
        x, y = self.randn(tokens * heads, dim), self.codes(count * heads, dim)
        scales = torch.full((dim if self.per_channel else 1,), 0.03, device=self.device)
        self.triton = lambda: kernels.launch_static(x, y, scales, index, heads, dst)
        self.results = [y]
        quantize, table = static_formula(dst), y.clone().view(count, -1)

        def run(x: torch.Tensor, scales: torch.Tensor, index: torch.Tensor, table: torch.Tensor) -> tuple[torch.Tensor]:
            bits = quantize(x, scales)[0].reshape(tokens, -1).view(torch.int8)
            table.view(torch.int8).index_copy_(0, index, bits)
            return (table,)

        self.run, self.inputs = run, (x, scales, index, table)

    def dequant_swiglu_quant(self) -> None:
        (rows, columns), dst = self.sizes, self.dst
        x = (torch.randn(rows, 2 * columns, device=self.device) * 3000).to(torch.int32)
        weight = torch.rand(1, 2 * columns, device=self.device) * 1e-3
        activation = torch.rand(rows, device=self.device)
        y, scale = self.codes(rows, columns), self.empty(rows)
        self.triton = lambda: kernels.launch_swiglu(x, weight, activation, y, scale, dst)
        self.results = [y, scale]
        ones = torch.ones(1, columns, device=self.device)

        def run(x: torch.Tensor, weight: torch.Tensor, activation: torch.Tensor) -> tuple[torch.Tensor, ...]:
            # The kernel activates the right half.
            halves, weights = torch.roll(x, columns, -1), torch.roll(weight, columns, -1)
            return swiglu(halves, weights, activation, ones, [rows], dst)

        def compiled(x: torch.Tensor, weight: torch.Tensor, activation: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return swiglu(x, weight, activation, ones, [rows], dst)

        self.run, self.inputs, self.compiled = run, (x, weight, activation), compiled

    def check(self) -> str:
        """What the Triton kernel gets wrong, beyond a code or a last bit by rounding."""
        if self.triton is None:
            return ""
        self.triton()
        for got, want in zip(self.results, self.run(*self.inputs), strict=False):
            far = self.far(got.reshape(want.shape), want)
            if far.any():
                return f"{int(far.sum())} of {far.numel()} differ"
        return ""

    def far(self, got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
        if self.eager:  # a copy
            return got != want
        if got.dtype in (torch.float32, torch.float16, torch.bfloat16):
            last = max(torch.finfo(got.dtype).eps, 1e-5)
            return ~torch.isclose(got.float(), want.float(), rtol=last, atol=1e-5)
        if self.dst == "int4":
            got, want = (torch.stack(((t << 4) >> 4, t >> 4), -1) for t in (got, want))
        code = (want.float().abs() / 8).clamp_min(2**-9) if self.dst == "float8_e4m3fn" else 1
        return (got.float() - want.float()).abs() > 1.01 * code
