"""The operators as PyTorch users write them, for benches that compare with eager PyTorch and torch.compile."""

from collections.abc import Callable

import torch

# D and R of a format
RANGES = {"int8": (127.0, 255.0), "int4": (7.0, 15.0), "float8_e4m3fn": (448.0, 896.0)}


def encode(v: torch.Tensor, dst: str) -> torch.Tensor:
    """Codes of numbers within the format's range, or of any if it is an integer format."""
    if dst == "float8_e4m3fn":
        return v.to(torch.float8_e4m3fn)
    d = RANGES[dst][0]
    q = v.round().clamp(-d - 1, d).to(torch.int8)
    return (q[..., 0::2] & 15) | (q[..., 1::2] << 4) if dst == "int4" else q


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
        return encode(v, dst), *params

    return run


def static_formula(dst: str) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]:
    """quantize with scales for the last dimension."""

    def run(x: torch.Tensor, scales: torch.Tensor) -> tuple[torch.Tensor, ...]:
        v = x.float() / scales
        return (encode(v.clamp(-448, 448) if dst == "float8_e4m3fn" else v, dst),)

    return run


def dequantize_formula(dst: str, group_size: int, dtype: torch.dtype) -> Callable[..., tuple[torch.Tensor, ...]]:
    """dequantize: of codes, scales and, if there are any, offsets; group_size 0: one scale for a row."""

    def run(codes: torch.Tensor, scales: torch.Tensor, offsets: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        if dst == "int4":
            codes = torch.stack(((codes << 4) >> 4, codes >> 4), -1).flatten(-2)
        v = codes.float().unflatten(-1, (-1, group_size or codes.shape[-1]))
        scales = scales.view(v.shape[:-1])
        if offsets is not None:
            v = v - offsets.view(v.shape[:-1]).unsqueeze(-1)
        return ((v * scales.unsqueeze(-1)).flatten(-2).to(dtype),)

    return run


def swiglu(
    x: torch.Tensor,
    weight_scale: torch.Tensor | None,
    activation_scale: torch.Tensor | None,
    quant_scale: torch.Tensor,
    counts: list[int],
    dst: str = "int8",
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
        scale = s.abs().amax(-1) / RANGES[dst][0]
        codes.append(encode(s / scale.unsqueeze(-1), dst))
        scales.append(scale)
    return (codes[0], scales[0]) if len(codes) == 1 else (torch.cat(codes), torch.cat(scales))
