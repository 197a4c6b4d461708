"""FX graphs made node by node, as Dynamo makes them: with fake tensors, in spellings drawn at random, and run on fresh
inputs each time."""

import operator
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import Graph, Interpreter, Node

from support import assert_same

aten = torch.ops.aten
# The buffers after a run, and what it returned, None if it failed.
Outcome = tuple[list[Tensor], Any]
# Makes some nodes between one yield and the next.
Steps = Iterator[None]


def interleaved(p: "Recorder", steps: list[Steps]) -> Steps:
    while steps:
        one = p.random.choice(steps)
        if next(one, True):
            steps.remove(one)
        yield


def run_of(graph: Graph, root: torch.nn.Module | None = None) -> Callable[..., Any]:
    return Interpreter(root or torch.nn.Module(), graph=graph).run


class Recorder:
    def __init__(self, number: int) -> None:
        self.number = number
        self.random = Random(number)
        self.buffers: list[Tensor] = []
        self.views: list[tuple[int, Callable[[Tensor], Tensor]]] = []  # the inputs: parts of buffers
        self.mode = FakeTensorMode()
        self.graph = Graph()

    # Inputs.

    def buffer(self, tensor: Tensor) -> int:
        self.buffers.append(tensor)
        return len(self.buffers) - 1

    def input(self, buffer: int, view: Callable[[Tensor], Tensor] = lambda t: t) -> int:
        self.views.append((buffer, view))
        return len(self.views) - 1

    def arguments(self) -> tuple[list[Tensor], list[Tensor]]:
        """Fresh buffers, and the inputs that look at them."""
        fresh = [buffer.clone() for buffer in self.buffers]
        return fresh, [view(fresh[buffer]) for buffer, view in self.views]

    def placeholders(self) -> list[Node]:
        """One for each input; fake tensors share memory where the real ones do."""
        nodes = [self.graph.placeholder(f"arg{position}") for position in range(len(self.views))]
        for node, real in zip(nodes, self.arguments()[1], strict=True):
            node.meta["example_value"] = self.mode.from_tensor(real)
        return nodes

    # Nodes.

    def call(self, target: Any, *args: Any, **kwargs: Any) -> Node:
        return self._made(self.graph.call_function(target, args, kwargs), target)

    def method(self, name: str, *args: Any, **kwargs: Any) -> Node:
        node = self.graph.call_method(name, args, kwargs)
        return self._made(node, lambda x, *more, **named: getattr(x, name)(*more, **named))

    def any_of(self, *spellings: Callable[[], Node]) -> Node:
        return self.random.choice(spellings)()

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _made(self, node: Node, run: Callable[..., Any]) -> Node:
        args = torch.fx.map_arg(node.args, lambda n: n.meta["example_value"])
        kwargs = torch.fx.map_arg(node.kwargs, lambda n: n.meta["example_value"])
        with self.mode:
            node.meta["example_value"] = run(*args, **kwargs)
        return node

    # Running.

    def outcome(self, run: Callable[..., Any]) -> Outcome:
        buffers, inputs = self.arguments()
        try:
            return buffers, run(*inputs)
        except (RuntimeError, IndexError, ValueError):
            return buffers, None

    def check(self, run: Callable[..., Any], expected: Outcome, what: str = "") -> None:
        """That run does what is expected; where that is to fail, that it fails."""
        buffers, results = self.outcome(run)
        assert (results is None) == (expected[1] is None), f"{what}: one fails, the other does not"
        if results is not None:
            for got, wanted in ((buffers, expected[0]), (results, expected[1])):
                assert_same([t.contiguous() for t in got], [t.contiguous() for t in wanted], what)


# Spellings.


def shape_of(node: Node) -> list[int]:
    return list(node.meta["example_value"].shape)


def reshaped(p: Recorder, x: Node, shape: list[int]) -> Node:
    return p.any_of(
        lambda: p.method("reshape", x, *shape),
        lambda: p.method("reshape", x, tuple(shape)),
        lambda: p.call(torch.reshape, x, shape),
        lambda: p.call(aten.reshape.default, x, shape),
        lambda: p.method("view", p.method("contiguous", x), *shape),
    )


def swapped(p: Recorder, x: Node) -> Node:
    """The first two dimensions."""
    order = list(range(len(shape_of(x))))
    order[:2] = 1, 0
    return p.any_of(
        lambda: p.method("transpose", x, 0, 1),
        lambda: p.call(torch.transpose, x, 1, 0),
        lambda: p.method("permute", x, *order),
        lambda: p.call(aten.permute.default, x, order),
        lambda: p.method("swapaxes", x, 0, 1),
        lambda: p.call(aten.swapdims.default, x, 1, 0),
        lambda: p.method("movedim", x, 0, 1),
        lambda: p.call(torch.moveaxis, x, (0, 1), (1, 0)),
        lambda: _last_two_swapped(p, x) if len(order) == 2 else p.method("swapdims", x, 0, 1),
    )


def _last_two_swapped(p: Recorder, x: Node) -> Node:
    return p.any_of(
        lambda: p.method("t", x),
        lambda: p.call(getattr, x, "T"),
        lambda: p.call(getattr, x, "mT"),
        lambda: p.call(aten.t.default, x),
    )


def untouched(p: Recorder, x: Node) -> Node:
    """The same values, by way of views and copies."""
    return p.any_of(
        lambda: p.method("contiguous", x),
        lambda: p.method("clone", x),
        lambda: p.method("squeeze", p.method("unsqueeze", x, -1), -1),
        lambda: p.call(operator.getitem, x, (Ellipsis, slice(None))),
        lambda: p.call(operator.getitem, x, slice(None)),
        lambda: swapped(p, swapped(p, x)) if len(shape_of(x)) > 1 else p.call(torch.clone, x),
        lambda: p.call(aten.alias.default, x),
        lambda: p.method("to", x, x.meta["example_value"].dtype),
        lambda: p.method("detach", x),
        lambda: p.call(operator.getitem, p.method("unsqueeze", x, 0), 0),
        lambda: p.method("narrow", x, 0, 0, shape_of(x)[0]),
    )


# A way to bring rows [.., H] into a quantization, and its results back.
LAYOUTS = ("same", "same", "flat", "swapped", "squeezed")


def brought(p: Recorder, layout: str, x: Node) -> Node:
    if layout == "flat":
        return reshaped(p, x, [-1, shape_of(x)[-1]])
    if layout == "swapped":
        return swapped(p, x)
    if layout == "squeezed" and len(shape_of(x)) == 4:
        return p.method("squeeze", x, 2)
    return x


def brought_back(p: Recorder, layout: str, part: Node, lead: list[int], tail: list[int]) -> Node:
    """tail: what each row has; of scales mostly nothing."""
    if layout == "flat":
        return reshaped(p, part, [*lead, *tail])
    if layout == "swapped":
        return swapped(p, part)
    if layout == "squeezed" and len(lead) == 3:
        two = (slice(None), slice(None), None)
        return p.any_of(lambda: p.method("unsqueeze", part, 2), lambda: p.call(operator.getitem, part, two))
    return part


def negated(p: Recorder, x: Node) -> Node:
    return p.any_of(
        lambda: p.call(operator.neg, x),
        lambda: p.call(torch.neg, x),
        lambda: p.method("neg", x),
        lambda: p.call(aten.neg.default, x),
    )


def changed(p: Recorder, x: Node) -> Node:
    """Written to in place, in a way that changes it and keeps positions in range."""
    return p.any_of(
        lambda: p.method("fill_", p.call(operator.getitem, x, 0), 1),
        lambda: p.call(operator.setitem, x, 0, 1),
        lambda: p.method("zero_", x),
        lambda: p.call(aten.zero_.default, x),
        lambda: p.call(torch.neg, x, out=p.call(operator.getitem, x, Ellipsis)) if _signed(x) else p.method("zero_", x),
    )


def _signed(x: Node) -> bool:
    return bool(x.meta["example_value"].dtype.is_floating_point)


def read(p: Recorder, x: Node) -> Node:
    return p.any_of(
        lambda: p.method("clone", x),
        lambda: p.call(operator.add, x, x) if _signed(x) else p.method("clone", x),
        lambda: p.call(aten.clone.default, x),
        lambda: p.method("reshape", p.method("flip", x, 0), -1),
    )
