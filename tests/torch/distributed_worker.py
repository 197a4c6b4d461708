"""What each process of test_distributed.py does. Every function is a test: all processes run it, with the same data."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

import kvant
import kvant.distributed
from cases import CACHE, codes, values, where
from support import FORMATS, assert_same


def part(t: Tensor, dim: int = -1) -> Tensor:
    return t.chunk(dist.get_world_size(), dim)[dist.get_rank()]


def together(t: Tensor, dim: int = -1) -> Tensor:
    """The parts of all processes side by side; as bytes, which gloo knows."""
    parts = [torch.empty_like(t.contiguous().view(torch.uint8)) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, t.contiguous().view(torch.uint8))
    return torch.cat([p.view(t.dtype) for p in parts], dim)


def whole(t: Any) -> Tensor:
    """Of a DTensor; full_tensor would ask gloo to send FP8."""
    (placement,) = t.placements
    return together(t.to_local(), placement.dim) if isinstance(placement, Shard) else t.to_local()


def rows() -> Tensor:
    """Usual rows, and rows with zeros of both signs, infinities and NaNs in one part or another."""
    x = values((12, 32), torch.float32)
    x[3] = -0.0
    x[3, 1] = 0.0
    x[4] = 0.0
    x[4, 30] = -0.0
    x[5, 31] = float("nan")
    x[6, 0] = float("nan")
    x[7, 9] = float("inf")
    x[8, 20] = float("-inf")
    x[9] = torch.arange(32) + 100
    x[10] = -x[9]
    return x


def last_dimension_is_split() -> None:
    x, smooth = rows(), values((32,), seed=3)
    for dst_type in FORMATS:
        for symmetric in (False, True):
            for mode in ("pertoken", "pertensor", "perchannel"):
                named: dict[str, Any] = {"dst_type": dst_type, "symmetric": symmetric, "quant_mode": mode}
                for scales in (None, smooth) if mode != "perchannel" else (None,):
                    alone = kvant.dynamic_quant(x, smooth_scales=scales, **named)
                    mine = kvant.distributed.dynamic_quant(
                        part(x), smooth_scales=None if scales is None else part(scales), **named
                    )
                    assert_same(together(mine[0]), alone[0], f"{named}")
                    for got, expected in zip(mine[1:], alone[1:], strict=True):
                        assert_same(together(got) if mode == "perchannel" else got, expected, f"{named}")
    grouped = kvant.dynamic_quant(x, group_size=4)
    mine = kvant.distributed.dynamic_quant(part(x), group_size=4, group=dist.group.WORLD)
    assert_same([together(t) for t in mine], grouped)


def there_is_no_gradient_and_it_says_so() -> None:
    """In every result, also in those that were numbers of all processes on the way."""
    for named in ({}, {"symmetric": True}, {"smooth_scales": values((16,))}, {"dst_type": "float8_e5m2"}):
        x = values((4, 16)).requires_grad_()
        results = kvant.distributed.dynamic_quant(x, **named)
        for result in results[0 if "dst_type" in named else 1 :]:
            with pytest.raises(RuntimeError, match="kvant: quantization has no gradient"):
                (result.float().sum() + x.sum()).backward()
        with torch.no_grad():
            assert not any(t.requires_grad for t in kvant.distributed.dynamic_quant(x, **named))
    smooth = values((16,)).requires_grad_()
    assert kvant.distributed.dynamic_quant(values((4, 16)), smooth_scales=smooth)[2].requires_grad


def a_part_may_be_empty() -> None:
    x = rows()
    mine = x if dist.get_rank() == 0 else x[:, :0]
    got = kvant.distributed.dynamic_quant(mine)
    assert_same(got[1:], kvant.dynamic_quant(x)[1:])


def it_compiles_with_one_collective() -> None:
    seen: list[Any] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        seen.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    x = rows()
    fast = torch.compile(lambda t: kvant.distributed.dynamic_quant(t), backend=backend, fullgraph=True)
    assert_same(fast(part(x)), kvant.distributed.dynamic_quant(part(x)))
    assert sum("all_reduce" in name for name in seen) == 1


def dtensors_have_the_bits_of_one_machine() -> None:
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    x = values((4, 8, 16))

    def split(t: Tensor, dim: int) -> Any:
        return distribute_tensor(t, mesh, [Shard(dim)])

    def check(run: Callable[..., Any], *args: tuple[Tensor, int], stays: int | None = None) -> None:
        """run on tensors that are split, and on whole ones; `stays`: how the first result is to be split."""
        got = run(*(split(t, dim) for t, dim in args))
        expected = run(*(t for t, _ in args))
        results = got if isinstance(got, tuple) else (got,)
        assert all(isinstance(t, DTensor) for t in results)
        if stays is not None:
            assert results[0].placements == (Shard(stays),), results[0].placements
        elif stays is None:
            assert results[0].placements == (Replicate(),), results[0].placements
        assert_same(tuple(map(whole, results)), expected if isinstance(expected, tuple) else (expected,))

    for dst_type in FORMATS:
        name: Any = dst_type
        for symmetric in (False, True):
            quant = lambda t, n=name, s=symmetric: kvant.dynamic_quant(t, dst_type=n, symmetric=s)  # noqa: E731
            check(quant, (x, 0), stays=0)
            check(quant, (x, 1), stays=1)
            check(quant, (x, 2))
    check(lambda t: kvant.dynamic_quant(t, quant_mode="pertensor"), (x, 0))
    check(lambda t: kvant.dynamic_quant(t, quant_mode="perchannel"), (x, 2), stays=2)
    check(lambda t: kvant.dynamic_quant(t, quant_mode="perchannel"), (x, 1))
    check(lambda t: kvant.dynamic_quant(t, group_size=4, dst_type="int4"), (x, 1), stays=1)
    check(kvant.row_minmax, (x, 0), stays=0)
    check(kvant.row_amax, (x, 2))
    low, high = kvant.row_minmax(x)
    check(kvant.params_from_minmax, (low, 0), (high, 0), stays=0)
    check(kvant.params_from_amax, (high, 1), stays=1)
    check(kvant.quantize_with_params, (x, 1), (high, 1), stays=1)
    y, scale, offset = kvant.dynamic_quant(x)
    check(lambda *t: kvant.dequantize(*t, dst_type="int8"), (y, 0), (scale, 0), (offset, 0), stays=0)
    check(kvant.pack_int4, (y, 1), stays=1)
    check(kvant.unpack_int4, (kvant.pack_int4(y), 0), stays=0)
    swiglu = lambda t, **k: kvant.dequant_swiglu_quant(t, quant_mode="dynamic", **k)  # noqa: E731
    check(swiglu, (x, 1), stays=1)
    check(swiglu, (x, 2))
    products = (1000 * x).to(torch.int32)
    scaled = lambda t, a: swiglu(t, activation_scale=a)  # noqa: E731
    check(scaled, (products, 0), (values((4, 8)).abs(), 0), stays=0)
    static = values((16,)).abs() + 0.1
    one = distribute_tensor(static, mesh, [Replicate()])
    mixed = kvant.quantize(split(x, 0), one)
    assert mixed.placements == (Shard(0),)
    assert_same(whole(mixed), kvant.quantize(x, static))


def caches_are_split_by_heads() -> None:
    """Dimension 1 of the cache; indices are the same everywhere."""
    heads = dist.get_world_size()
    mesh = init_device_mesh("cpu", (heads,))
    shape = (CACHE[0], heads, *CACHE[2:])
    for mode, head in (("batch", 1), ("pair", 1), ("slot", 1)):
        name: Any = mode
        indices, small = where(mode)
        updates = values((small[0], heads, *small[2:]))
        everywhere = distribute_tensor(indices, mesh, [Replicate()])
        dense = values(shape, seed=7)
        cache, fresh = distribute_tensor(dense, mesh, [Shard(1)]), distribute_tensor(updates, mesh, [Shard(head)])
        got = kvant.scatter_update(cache, everywhere, fresh, index_mode=name)
        assert got.placements == (Shard(1),)
        assert_same(whole(got), kvant.scatter_update(dense, indices, updates, index_mode=name))
        scale = values((16,)).abs() + 0.1
        static = distribute_tensor(codes("int8", shape), mesh, [Shard(1)])
        args = (everywhere, fresh, distribute_tensor(scale, mesh, [Replicate()]))
        expected = kvant.quant_scatter(codes("int8", shape), indices, updates, scale, index_mode=name)
        got = kvant.quant_scatter(static, *args, index_mode=name)
        assert got.placements == (Shard(1),)
        assert_same(whole(got), expected)
        table = values(shape[:-1]).abs()
        named: dict[str, Any] = {"dst_type": "int8", "index_mode": name}
        split_table = distribute_tensor(table, mesh, [Shard(1)])
        read = kvant.dequantize_gather(static, split_table, None, everywhere, **named)
        assert read.placements == (Shard(1),)
        assert_same(whole(read), kvant.dequantize_gather(codes("int8", shape), table, None, indices, **named))


def in_place_operators_are_for_local_tensors() -> None:
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    cache = distribute_tensor(torch.zeros(2, dist.get_world_size(), 4, 8), mesh, [Shard(1)])
    updates = distribute_tensor(torch.ones(1, dist.get_world_size(), 1, 8), mesh, [Shard(1)])
    indices = torch.tensor([2])
    kvant.scatter_update_(cache.to_local(), indices, updates.to_local(), index_mode="batch")
    assert whole(cache).sum() == dist.get_world_size() * 8
    with pytest.raises(Exception, match=r"kvant\.scatter_update_"):  # of which kind is torch's business
        kvant.scatter_update_(cache, indices, updates, index_mode="batch")


TESTS = (
    last_dimension_is_split,
    there_is_no_gradient_and_it_says_so,
    a_part_may_be_empty,
    it_compiles_with_one_collective,
    dtensors_have_the_bits_of_one_machine,
    caches_are_split_by_heads,
    in_place_operators_are_for_local_tensors,
)


def run(rank: int, size: int, meeting: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    for test in TESTS:
        test()
    dist.destroy_process_group()
