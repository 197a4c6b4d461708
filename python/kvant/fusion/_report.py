"""What was fused, what was not, and why."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.fx import Node

from kvant._config import ROOT

_HIDDEN = (str(ROOT), str(Path(torch.__file__).resolve().parent))
_FRAME = re.compile(r'File "([^"]+)", line (\d+)[^\n]*(?:\n\s+(?!File )([^\n]*))?')


@dataclass(frozen=True)
class Entry:
    """One place of a graph. `fused`: into what; None where it was left as it is, for `reason`."""

    found: str
    where: str
    fused: str | None
    reason: str = ""

    def __str__(self) -> str:
        result = f"fused into {self.fused}" if self.fused else f"left as it is: {self.reason}"
        return f"{self.where}: {self.found}: {result}"


class Report:
    """The entries, oldest first."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    @property
    def fused(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.fused]

    @property
    def left(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.fused]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries)) or "nothing that can be fused was seen"

    def __repr__(self) -> str:
        return str(self)


_entries: deque[Entry] = deque(maxlen=10_000)


def add(entry: Entry) -> None:
    _entries.append(entry)


@contextmanager
def unless_it_fails() -> Iterator[None]:
    """Forgets what was added inside where an exception ends it: compilers begin anew with one."""
    before = list(_entries)
    try:
        yield
    except BaseException:
        _entries.clear()
        _entries.extend(before)
        raise


def report() -> Report:
    """What was fused since the start or the last `clear()`, what was not, and why, with source lines.

    A graph that a compiler takes from its cache is not seen again by a pass of that compiler.
    """
    return Report(list(_entries))


def clear() -> None:
    """Forgets what `report` would say."""
    _entries.clear()


def source_line(node: Node) -> str:
    """The innermost line of the caller's own code that made the node."""
    frames = [
        (file, number, code)
        for file, number, code in _FRAME.findall(node.meta.get("stack_trace") or "")
        if not file.startswith(_HIDDEN)
    ]
    if not frames:
        return f"node {node.name}"
    file, number, code = frames[-1]
    return f"{file}:{number}" + (f" ({code.strip()})" if code else "")
