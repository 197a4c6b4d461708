"""Finds sequences of operators that kvant has fused operators for, in the graphs of PyTorch, and rewrites them.

    torch.compile(model, backend="kvant")                    rewritten, then compiled by Inductor
    kvant.fuse(torch.export.export(model, args))             an exported program
    FusionPass()                                             a pass for Inductor's configuration

`report()` says what was fused, what was not, and why. docs/FUSION.md is the page for users.
"""

from typing import TYPE_CHECKING, Any

from kvant.fusion._entry import backend, fuse
from kvant.fusion._fuse import fuse_graph
from kvant.fusion._report import Entry, Report, clear, report

if TYPE_CHECKING:
    from kvant.fusion._inductor import FusionPass

__all__ = ["Entry", "FusionPass", "Report", "backend", "clear", "fuse", "fuse_graph", "report"]

if not TYPE_CHECKING:  # to a type checker every name would be in a module that has it

    def __getattr__(name: str) -> Any:
        if name == "FusionPass":  # imports Inductor
            from kvant.fusion._inductor import FusionPass

            return FusionPass
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
