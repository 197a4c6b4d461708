"""Random programs over caches: quantizations and writes in the spellings that models use, in random order, and with
some of what makes fusing them wrong."""

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

import kvant.torch_npu  # noqa: F401  defines torch.ops.npu
from cases import values
from random_graphs import (
    LAYOUTS,
    Recorder,
    Steps,
    brought,
    brought_back,
    changed,
    interleaved,
    negated,
    read,
    shape_of,
    untouched,
)

ops, npu = torch.ops.kvant, torch.ops.npu
BATCH, PAIR, SLOT = 0, 1, 2
WIDTH, PLACES, CACHES = 16, 5, 4
# What makes fusing wrong, most often. Those named several times are drawn more often.
TROUBLES = (
    *(
        "reader",
        *["between"] * 8,
        "same table",
        "same cache",
        "overlap",
        "indices",
        "axis",
        "policy",
        "negated",
        "twice",
    ),
    *("missing", "fp8", "experts", "permuted", "permuted", "functional", "pertensor", "no such place", "room"),
)


@dataclass
class Writer:
    """Quantizes x into a cache: inputs of the program by their positions, and how it is done."""

    x: int
    dests: list[int]  # codes, scale, offset
    smooth: int | None
    ends: int | None
    dst_type: int
    symmetric: bool
    group_size: int
    layout: str
    deep: bool  # tables have one more dimension


@dataclass
class Setting:
    """Where the rows of all writers go."""

    mode: int
    policy: int
    lead: list[int]  # of updates, without what each row has
    caches: list[int]  # of codes and tables, likewise
    axis: int
    npu: bool  # torch_npu's names, which have no index_mode
    indices: int = 0
    other_indices: int = 1
    spare: int = 2
    nodes: list[Node] = field(default_factory=list)


class Program(Recorder):
    """The same one for the same number. troubles: the ones that it has."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        wanted = self.random.sample(TROUBLES, self.random.choice((0, 0, 1, 1, 2)))
        self.waiting, self.troubles = set(wanted), set[str]()
        self.outputs: list[Node] = []
        setting = _setting(self)
        writers = [_writer(self, setting) for _ in range(self.random.choice((1, 1, 2)))]
        _overlap(self, writers)
        setting.nodes = self.placeholders()
        for _ in interleaved(self, [_noise(self, setting, writers), *(_steps(self, setting, w) for w in writers)]):
            pass
        self.graph.output(tuple(self.outputs))
        self.graph.lint()

    def has(self, trouble: str, probability: float = 0.5) -> bool:
        """For the one who would make it; nobody after that."""
        if trouble not in self.waiting or not self.chance(probability):
            return False
        self.waiting.remove(trouble)
        self.troubles.add(trouble)
        return True


def _setting(p: Program) -> Setting:
    r, n, heads = p.random, p.random.choice((1, 2, 2, 3)), 2
    mode = r.choice((BATCH, BATCH, PAIR, SLOT))
    if "axis" in p.waiting:  # the only mode in which another axis is legal too
        mode, heads = SLOT, PLACES
    kind = r.choice((torch.int32, torch.int64))
    for _ in range(2):
        if mode == PAIR:
            rows = [[r.randrange(-1, CACHES), r.randrange(PLACES)] for _ in range(n)]
        else:
            rows = [r.randrange(PLACES if mode == BATCH else CACHES * PLACES) for _ in range(n)]  # type: ignore[misc]
        index = torch.tensor(rows, dtype=kind)
        if p.has("no such place", 0.2):
            index[-1] = 99
        p.input(p.buffer(index))
    p.input(p.buffer(torch.ones(3, 4)))
    policy = r.choice((0, 1))
    if mode == SLOT:
        return Setting(mode, policy, [n, heads], [CACHES, PLACES, heads], 1, False)
    by_npu = p.chance(0.2)
    return Setting(mode, 0 if by_npu else policy, [n, heads, 1], [CACHES, heads, PLACES], 2, by_npu)


def _writer(p: Program, s: Setting) -> Writer:
    r = p.random
    dst_type = 24 if p.has("fp8") else r.choice((1, 1, 285, 16))
    group_size = r.choice((0, 0, 0, 8)) if dst_type != 24 and not s.npu else 0
    dtype = r.choice((torch.float32, torch.float16, torch.bfloat16))
    x = values((*s.lead, WIDTH), dtype, r.randrange(1000))
    x[0] *= r.choice((0.0, 1.0, 1.0, 100.0, float("inf")))
    storage, count = {1: (torch.int8, 1), 285: (torch.uint8, 2), 16: (torch.int32, 8)}.get(
        dst_type, (torch.float8_e4m3fn, 1)
    )
    tables = [*s.caches, *([WIDTH // group_size] if group_size else [])]
    deep = not group_size and p.chance(0.2)
    symmetric, dests = r.choice((True, False)), []
    for shape, kind in (([*s.caches, WIDTH // count], storage), (tables, torch.float32), (tables, torch.float32)):
        shape = [*shape, 1] if deep and kind == torch.float32 else shape
        if p.has("room"):  # for more sequences than the others have
            shape = [shape[0] + 1, *shape[1:]]
        turned = kind != torch.int32 and not count > 1 and p.chance(0.1)
        buffer = p.buffer(torch.ones([shape[0], shape[2], shape[1], *shape[3:]] if turned else shape).to(kind))
        dests.append(p.input(buffer, (lambda t: t.transpose(1, 2)) if turned else (lambda t: t)))
    smooth = p.input(p.buffer(values((WIDTH,), r.choice((dtype, torch.float32)), 5).abs())) if p.chance(0.3) else None
    ends = None
    if p.has("experts"):
        rows = x.numel() // WIDTH
        ends = p.input(p.buffer(torch.tensor([rows // 2, rows])))
        smooth = p.input(p.buffer(values((2, WIDTH)).abs()))
        group_size = 0
    layout = r.choice(LAYOUTS)
    return Writer(p.input(p.buffer(x)), dests, smooth, ends, dst_type, symmetric, group_size, layout, deep)


def _overlap(p: Program, writers: list[Writer]) -> None:
    """Destinations that share memory with one another or with what is read."""
    first, last = writers[0], writers[-1]
    if p.has("same cache"):
        kind = p.arguments()[1]
        same = [a for a in first.dests if kind[a].shape == kind[last.dests[0]].shape]
        last.dests[0] = (same or last.dests)[0]
    if p.has("same table"):
        last.dests[2] = (
            first.dests[1] if first.deep == last.deep and first.group_size == last.group_size else last.dests[1]
        )
    if p.has("overlap"):
        shape = list(p.arguments()[1][first.dests[1]].shape)
        room = p.buffer(torch.ones(shape[0] + 1, *shape[1:]))
        first.dests[1] = p.input(room, lambda t: t[1:])
        if p.chance(0.5):
            first.dests[2] = p.input(room, lambda t: t[:-1])
        else:
            first.smooth, first.ends = p.input(room, lambda t: t.view(-1)[:WIDTH]), None


def _steps(p: Program, s: Setting, w: Writer) -> Steps:
    node = s.nodes[w.x]
    if p.chance(0.3):
        node = p.call(operator.mul, node, 2)
    if p.chance(0.2):
        yield from _static(p, s, w, node)
        return
    rows = brought(p, w.layout, node)
    yield
    quantized = _quantize(p, s, w, rows)
    yield
    count = 2 if w.symmetric else 3
    parts = [p.call(operator.getitem, quantized, i) for i in range(count)]
    tails = [shape_of(parts[0])[-1:], *([[WIDTH // w.group_size] if w.group_size else []] * 2)]
    steps = [_part(p, s, w, parts[i], w.dests[i], tails[i], i) for i in range(count)]
    if p.has("missing"):
        steps.pop(p.random.randrange(count))
    yield from interleaved(p, steps)


def _quantize(p: Program, s: Setting, w: Writer, rows: Node) -> Node:
    smooth, ends = (None if i is None else s.nodes[i] for i in (w.smooth, w.ends))
    mode = 1 if p.has("pertensor") else 0
    if s.npu:
        op = npu.npu_dynamic_quant if w.symmetric else npu.npu_dynamic_quant_asymmetric
        return p.call(op, rows, smooth_scales=smooth, group_index=ends, dst_type=w.dst_type)
    op = ops.dynamic_quant_symmetric if w.symmetric else ops.dynamic_quant
    op = p.random.choice((op, op.default))
    if p.chance(0.5):
        return p.call(op, rows, smooth, ends, w.dst_type, mode, w.group_size)
    return p.call(op, rows, smooth, ends, dst_type=w.dst_type, quant_mode=mode, group_size=w.group_size)


def _part(p: Program, s: Setting, w: Writer, part: Node, dest: int, tail: list[int], which: int) -> Steps:
    """One result: perhaps negated and copied, brought into the shape of updates, written."""
    if p.has("reader", 0.3):
        p.outputs.append(part if p.chance(0.3) else read(p, part))
    if (which == 2 and p.chance(0.5)) or (which < 2 and shape_of(part) and p.has("negated")):
        part = negated(p, part)
        yield
    layout = w.layout
    if p.has("permuted") and s.lead[0] == s.lead[1]:
        layout = "same" if layout == "swapped" else "swapped" if layout == "same" else layout
    whole = shape_of(part) == [1]
    part = p.method("expand", part, *s.lead) if whole else brought_back(p, layout, part, s.lead, tail)
    yield
    while p.chance(0.3):
        part = untouched(p, part)
        yield
    if w.deep and which > 0:
        part = p.method("unsqueeze", part, -1)
    _write(p, s, s.nodes[dest], part)
    yield
    if p.has("twice"):
        _write(p, s, s.nodes[dest], part)
        yield


def _write(p: Program, s: Setting, dest: Node, updates: Node) -> None:
    indices, axis, policy = s.nodes[s.indices], s.axis, s.policy
    if p.has("indices"):
        other = s.nodes[s.other_indices]
        indices = p.any_of(lambda: other, lambda: p.call(operator.mul, indices, 1), lambda: p.method("clone", indices))
    if p.has("axis"):
        axis = 2
    if p.has("policy") and not s.npu:
        policy = 1 - policy
    if p.chance(0.3):
        axis -= len(shape_of(dest))
    where: tuple[Any, ...] = (dest, indices, updates, axis, *(() if s.npu else (s.mode, policy)))
    library = npu if s.npu else ops
    if p.has("functional", 0.3):
        p.outputs.append(p.call(library.scatter_update.default, *where))
    elif p.chance(0.3):
        new = p.call(p.random.choice((library.scatter_update, library.scatter_update.default)), *where)
        p.any_of(lambda: p.method("copy_", dest, new), lambda: p.call(operator.setitem, dest, slice(None), new))
    else:
        p.call(p.random.choice((library.scatter_update_, library.scatter_update_.default)), *where)


def _static(p: Program, s: Setting, w: Writer, x: Node) -> Steps:
    """Given scales: those in the first table."""
    cache, table = s.nodes[w.dests[0]], s.nodes[w.dests[1]]
    if cache.meta["example_value"].dtype != torch.int8:
        return
    scale = p.call(operator.getitem, p.method("reshape", table, -1), slice(0, 1))
    yield
    if s.mode == BATCH and p.chance(0.3):
        new = p.call(ops.quant_scatter.default, cache, s.nodes[s.indices], x, scale, None, 1, s.axis, -1, 0, BATCH, 0)
        yield
        p.method("copy_", cache, new)
        return
    rows = brought(p, w.layout, x)
    yield
    if p.chance(0.5) and x.meta["example_value"].dtype == torch.float32:
        steps = ("round", {}), ("clamp", {"min": -128, "max": 127}), ("to", {"dtype": torch.int8})
        codes = p.call(operator.truediv, rows, scale)
        for name, named in steps:
            codes = p.method(name, codes, **named)
            yield
    else:
        codes = p.call(ops.quantize.default, rows, scale, None, 1)
    yield from _part(p, s, w, codes, w.dests[0], [WIDTH], 0)


def _noise(p: Program, s: Setting, writers: list[Writer]) -> Steps:
    """Reads and writes elsewhere, views; as trouble, of what the writers need."""
    mine = [i for w in writers for i in (*w.dests, w.x, *([w.smooth] if w.smooth is not None else []))]
    views: list[Node] = []
    for _ in range(10):
        if p.chance(0.5):
            yield
        if p.has("between", 0.2):
            node = p.random.choice([*views, *(s.nodes[i] for i in (*mine, s.indices))])
            if p.chance(0.5):
                changed(p, node)
            else:
                p.outputs.append(read(p, node))
        elif p.chance(0.1):
            changed(p, s.nodes[s.spare])
        elif p.chance(0.1):
            p.outputs.append(read(p, s.nodes[p.random.choice([s.spare, *(w.x for w in writers)])]))
        elif p.chance(0.3):
            node = s.nodes[p.random.choice(mine)]
            views.append(
                p.any_of(lambda n=node: p.call(operator.getitem, n, slice(0, 1)), lambda n=node: p.method("detach", n))
            )  # type: ignore[misc]
        yield
