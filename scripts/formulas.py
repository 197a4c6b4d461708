"""The operators as PyTorch users write them, for benches that compare with eager PyTorch and torch.compile."""

from collections.abc import Callable

import torch

# D and R of a format
RANGES = {"int8": (127.0, 255.0), "int4": (7.0, 15.0), "float8_e4m3fn": (448.0, 896.0)}


def formula(dst: str, symmetric: bool) -> Callable[[torch.Tensor], tuple[torch.Tensor, ...]]:
    """dynamic_quant: codes, scale and, if not symmetric, offset."""
    d, r = RANGES[dst]

    def run(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if symmetric:
            params = (x.abs().amax(-1).float() / d,)
            v = x.float() / params[0].unsqueeze(-1)
        else:
            high, low = x.amax(-1).float(), x.amin(-1).float()
            scale = ((high - low) / r).clamp_min(1e-12)
            params = (scale, d - high / scale)
            v = x.float() / scale.unsqueeze(-1) + params[1].unsqueeze(-1)
        if dst == "float8_e4m3fn":
            return v.to(torch.float8_e4m3fn), *params
        q = v.round().clamp(-d - 1, d).to(torch.int8)
        if dst == "int4":
            q = (q[..., 0::2] & 15) | (q[..., 1::2] << 4)
        return q, *params

    return run


def static_formula(dst: str) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]:
    """quantize with scales for the last dimension."""

    def run(x: torch.Tensor, scales: torch.Tensor) -> tuple[torch.Tensor, ...]:
        v = x.float() / scales
        if dst == "float8_e4m3fn":
            return (v.clamp(-448, 448).to(torch.float8_e4m3fn),)
        return (v.round().clamp(-128, 127).to(torch.int8),)

    return run


def swiglu(
    x: torch.Tensor,
    weight_scale: torch.Tensor | None,
    activation_scale: torch.Tensor | None,
    quant_scale: torch.Tensor,
    counts: list[int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """dequant_swiglu_quant, dynamic and activate_left: a group at a time."""
    codes, scales, first = [], [], 0
    for g, count in enumerate(counts):
        rows = slice(first, first + count)
        first += count
        v = x[rows].float()
        if weight_scale is not None and activation_scale is not None:
            v = v * weight_scale[g] * activation_scale[rows, None]
        act, lin = v.chunk(2, -1)
        s = torch.nn.functional.silu(act) * lin * quant_scale[g]
        scale = s.abs().amax(-1) / 127.0
        codes.append((s / scale.unsqueeze(-1)).round().clamp(-128, 127).to(torch.int8))
        scales.append(scale)
    return (codes[0], scales[0]) if len(codes) == 1 else (torch.cat(codes), torch.cat(scales))
