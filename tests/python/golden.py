"""The golden vectors, and the generator that they come from."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "kvant" / "numerics" / "golden"
GENERATOR = FOLDER / "make_golden.py"

_spec = importlib.util.spec_from_file_location("make_golden", GENERATOR)
assert _spec is not None and _spec.loader is not None
make_golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_golden)


def lines(name: str) -> list[list[str]]:
    """The fields of each line of <name>.txt, comments left out."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def encoder(name: str) -> Callable[[int], int]:
    """fp32 bits -> code, by exact rational arithmetic; `name` is that of a file."""
    encode: Callable[[int], int] = make_golden.FORMATS[name][0]
    return encode
