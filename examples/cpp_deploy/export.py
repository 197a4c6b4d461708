"""Exports a small decoder with a quantized KV cache, fuses it, compiles it and decodes with it.

usage: export.py MODEL.pt2: writes the package, and prints a token and the logit that chose it for every step, as the
C++ program does. The weights are random numbers of a fixed seed: what comes out means nothing, but is always the same.
"""

import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import kvant

LAYERS, HEADS, DIM, TOKENS, PLACES, STEPS = 2, 4, 16, 97, 64, 48
WIDTH = HEADS * DIM


class Layer(nn.Module):
    """Attention that writes new keys and values as INT8, and reads what the cache has of all tokens so far."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, place: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
        """x [1, WIDTH], place [1]; codes [2, 1, PLACES, HEADS, DIM] of keys and values, scales without DIM."""
        q, *kv = self.qkv(self.norm(x)).view(3, 1, HEADS, DIM)
        read = []
        for i, rows in enumerate(kv):
            y, scale = kvant.dynamic_quant(rows, symmetric=True)
            kvant.scatter_update_(codes[i], place, y, axis=1, index_mode="slot")
            kvant.scatter_update_(scales[i], place, scale, axis=1, index_mode="slot")
            read.append(kvant.dequantize(codes[i, 0], scales[i, 0], dst_type="int8"))
        score = torch.einsum("nhd,phd->hp", q, read[0]) * DIM**-0.5
        score = score.masked_fill(torch.arange(PLACES) > place, float("-inf")).softmax(-1)
        x = x + self.out(torch.einsum("hp,phd->hd", score, read[1]).reshape(1, WIDTH))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    """The cache is an input, which the program changes in place: it belongs to the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.places = nn.Embedding(TOKENS, WIDTH), nn.Embedding(PLACES, WIDTH)
        self.layers, self.head = nn.ModuleList(Layer() for _ in range(LAYERS)), nn.Linear(WIDTH, TOKENS)

    def forward(self, token: Tensor, place: Tensor, *cache: Tensor) -> Tensor:
        """token [1], place [1], then codes and scales of each layer; logits [TOKENS]."""
        x = self.embed(token) + self.places(place)
        for i, layer in enumerate(self.layers):
            x = layer(x, place, *cache[2 * i : 2 * i + 2])
        return self.head(x)[0]


def empty_cache() -> list[Tensor]:
    shape = (2, 1, PLACES, HEADS, DIM)
    return [t for _ in range(LAYERS) for t in (torch.zeros(shape, dtype=torch.int8), torch.zeros(shape[:-1]))]


def decode(run: Callable[..., Tensor]) -> Iterator[tuple[int, float]]:
    """From token 1 and an empty cache: each next token, and its logit."""
    token, cache = torch.tensor([1]), empty_cache()
    for step in range(STEPS):
        logits = run(token, torch.tensor([step]), *cache)
        token = logits.argmax(0, keepdim=True)
        yield int(token), float(logits[token])


def model() -> Decoder:
    torch.manual_seed(2024)
    return Decoder().eval().requires_grad_(False)


def main() -> None:
    package = sys.argv[1]
    torch.set_num_threads(1)  # matrix products may add in another order with more
    arguments = torch.tensor([1]), torch.tensor([0]), *empty_cache()
    program = kvant.fuse(torch.export.export(model(), arguments))
    if len(kvant.fusion.report().fused) != 2 * LAYERS:
        raise SystemExit(f"not everything was fused:\n{kvant.fusion.report()}")
    # What the C++ program has to know travels with the package.
    shape = ",".join(map(str, arguments[2].shape))
    known = {"layers": str(LAYERS), "codes": shape, "steps": str(STEPS)}
    options = {"aot_inductor.metadata": known}
    torch._inductor.aoti_compile_and_package(program, package_path=package, inductor_configs=options)
    for step, (token, logit) in enumerate(decode(torch._inductor.aoti_load_package(package))):
        print(f"{step} {token} {logit:.9g}")


if __name__ == "__main__":
    main()
