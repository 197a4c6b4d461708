"""For people who have a pass manager of their own."""

from pathlib import Path

from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph

from kvant.fusion._fuse import Inexact, fuse_graph, permissions


class FusionPass(CustomGraphPass):
    """torch.compile(model, options={"post_grad_custom_pre_pass": FusionPass()}).

    inexact: as of `fuse_graph`. What Inductor takes from its cache was fused when it was put there, and this version of
    the pass and `inexact` are part of the key; `report` then has nothing to say.
    """

    def __init__(self, *, inexact: Inexact = ()) -> None:
        super().__init__()
        self._inexact = permissions(inexact)

    def __call__(self, graph: Graph) -> None:
        fuse_graph(graph, inexact=self._inexact)

    def uuid(self) -> bytes:
        folder = Path(__file__).resolve().parent
        files = [*sorted(folder.glob("*.py")), folder.parent / "_codes.py"]
        key: bytes = get_hash_for_files(tuple(map(str, files)), ",".join(sorted(self._inexact)))
        return key
