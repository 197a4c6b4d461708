"""Ways in: a backend of torch.compile, and exported programs."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import GraphModule

from kvant.fusion import _report
from kvant.fusion._alias import copy_of, separate
from kvant.fusion._fuse import Inexact, fuse_graph, fuse_places, permissions


def backend(
    gm: GraphModule,
    example_inputs: list[Any],
    *,
    options: dict[str, Any] | None = None,
    mode: str | None = None,
) -> Callable[..., Any]:
    """torch.compile(model, backend="kvant"): fuses, and leaves the rest to Inductor.

    options: {"backend": name} of another backend, such as "eager" or "aot_eager"; {"inexact": as of `fuse_graph`}; all
        others, and the mode, go to that backend.
    """
    others = dict(options or {})
    inner, inexact = others.pop("backend", "inductor"), others.pop("inexact", ())
    plain = copy_of(gm)
    with _report.unless_it_fails():
        if not fuse_graph(gm.graph, inexact=inexact):
            return _compiled(gm, example_inputs, inner, others, mode)
        gm.recompile()
        return separate(plain, _compiled(gm, example_inputs, inner, others, mode))


def _compiled(
    gm: GraphModule, example_inputs: list[Any], inner: str, others: dict[str, Any], mode: str | None
) -> Callable[..., Any]:
    if inner == "inductor":
        from torch._inductor import list_mode_options
        from torch._inductor.compile_fx import compile_fx

        patches = {**(list_mode_options(mode) if mode and mode != "default" else {}), **others}
        compiled: Any = compile_fx(gm, example_inputs, config_patches=patches or None)
        return cast(Callable[..., Any], compiled)
    kwargs = {name: given for name, given in (("options", others), ("mode", mode)) if given}
    run: Callable[..., Any] = torch._dynamo.lookup_backend(inner)(gm, example_inputs, **kwargs)
    return run


_MUTATIONS = (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION)


def fuse(program: ExportedProgram, *, inexact: Inexact = ()) -> ExportedProgram:
    """Fuses in an exported program, in place, and returns it.

    inexact: as of `fuse_graph`, what may be fused although its last bits differ.

    >>> import torch, kvant
    >>> class Write(torch.nn.Module):
    ...     def forward(self, cache, scales, slots, x):
    ...         y, scale = kvant.dynamic_quant(x, symmetric=True)
    ...         kvant.scatter_update_(cache, slots, y, index_mode="slot")
    ...         kvant.scatter_update_(scales, slots, scale, axis=1, index_mode="slot")
    >>> args = torch.zeros(4, 8, 64, dtype=torch.int8), torch.zeros(4, 8), torch.tensor([3, 9]), torch.randn(2, 64)
    >>> program = kvant.fuse(torch.export.export(Write(), args))
    >>> [node.name for node in program.graph.nodes if "kvant" in str(node.target)]
    ['dynamic_quant_update_scatter__default']
    """
    if not isinstance(program, ExportedProgram):
        raise TypeError(
            f"fuse: program is {type(program).__name__}, expected an ExportedProgram of torch.export.export"
        )
    graph = program.graph
    before = list(graph.output_node().args[0])
    specs = program.graph_signature.output_specs
    returned = {node for node, spec in zip(before, specs, strict=True) if spec.kind in _MUTATIONS}
    if fuse_places(graph, permissions(inexact), returned):
        after = list(graph.output_node().args[0])
        for old, new in zip(before, after, strict=True):
            if old is not new:
                program.graph_signature.replace_all_uses(getattr(old, "name", ""), getattr(new, "name", ""))
        program.graph_module.recompile()
        program.validate()  # type: ignore[no-untyped-call]
    return program
