"""Functions of torch_npu that stand beside those of quantization: `kvant.torch_npu` has them under the same names."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from kvant._call import call, check_tensor
from kvant._dequantize import unpack_int4

R = TypeVar("R")

ND = 2  # torch_npu's number for the format of memory that torch has everywhere


def also(**names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Accepts arguments by their names in other releases: also(input="self") takes input= for self.

    For type checkers the function then takes anything: no signature says that an argument has one of two names.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> R:
            for other, name in names.items():
                if other in kwargs:
                    if name in kwargs:
                        raise TypeError(f"{function.__name__}: {other} and {name} are the same argument")
                    kwargs[name] = kwargs.pop(other)
            return function(*args, **kwargs)

        return renamed

    return decorate


def _check_nd(op: str, self: Tensor, indices: Tensor, updates: Tensor) -> int:
    """How many dimensions of self a row of indices names."""
    for name, given in (("self", self), ("indices", indices), ("updates", updates)):
        check_tensor(op, name, given)
    k = indices.shape[-1] if indices.dim() > 1 else 0
    if not 1 <= k <= self.dim():
        wanted = f"[.., k] with two dimensions or more and k from 1 to {self.dim()}"
        raise ValueError(f"{op}: indices has shape {list(indices.shape)}, expected {wanted}")
    expected = [*indices.shape[:-1], *self.shape[k:]]
    # A graph leaves the sizes to the operator: not all of them need be known yet.
    if updates.dim() != len(expected) or (not torch.compiler.is_compiling() and list(updates.shape) != expected):
        raise ValueError(f"{op}: updates has shape {list(updates.shape)}, expected {expected}")
    return int(k)


def _first_of_pair(indices: Tensor, sizes: list[int]) -> Tensor:
    """Rows of more than two indices: all but the last as one, -1 for padding, and outside where one of them is."""
    leading = indices[:, :-1]
    first, inside = torch.zeros_like(leading[:, 0], dtype=torch.int64), torch.ones_like(leading[:, 0], dtype=torch.bool)
    total = 1
    for d, size in enumerate(sizes):
        first = first * size + leading[:, d]
        inside = inside & (leading[:, d] >= 0) & (leading[:, d] < size)
        total = total * size
    return torch.where((indices == -1).any(1), -1, torch.where(inside, first, total))


def _scatter_nd(op: str, in_place: bool, self: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """As slots of a cache of one page, or as pairs, which is what fusion knows."""
    k = _check_nd(op, self, indices, updates)
    rows, values = indices.flatten(0, -2), updates.flatten(0, indices.dim() - 2)
    if k == 1:
        cache, rows, mode = self.unsqueeze(0), rows.squeeze(1), 2
    else:
        cache, values, mode = self.flatten(0, k - 2), values.unsqueeze(1), 1
        if k > 2:
            rows = torch.stack([_first_of_pair(rows, list(self.shape[: k - 1])), rows[:, -1].long()], 1)
    args = cache, rows, values, 1, mode
    kvants = "scatter_update_" if in_place else "scatter_update"
    function = getattr(torch.ops.kvant, kvants).default
    try:
        written = call(function, *args, names={kvants: op}, writes=(cache,) if in_place else ())
    except IndexError:
        if k <= 2:
            raise
        raise IndexError(
            f"{op}: a row of indices points outside of self.shape[:{k}] = {list(self.shape[:k])}"
        ) from None
    if not in_place:
        return written.view(self.shape)  # type: ignore[no-any-return]
    if k > 2 and not _merges(self, k - 1):
        self.copy_(cache.view(self.shape))
    return self


def _merges(x: Tensor, count: int) -> bool:
    """Whether its first dimensions can be looked at as one, without a copy."""
    return all(x.stride(d) == x.stride(d + 1) * x.shape[d + 1] for d in range(count - 1))


@also(input="self")
def npu_scatter_nd_update(self: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """A copy of self with updates at indices (see `npu_scatter_nd_update_`)."""
    return _scatter_nd("npu_scatter_nd_update", False, self, indices, updates)


@also(input="self")
def npu_scatter_nd_update_(self: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """self[indices[i, 0], .., indices[i, k - 1]] = updates[i] for the rows of indices [.., k]; returns self.

    updates: indices.shape[:-1] + self.shape[k:]. -1 anywhere in a row is padding; of two updates of one place the later
    one wins.
    """
    return _scatter_nd("npu_scatter_nd_update_", True, self, indices, updates)


@also(self="input", x="input")
def npu_swiglu(input: Tensor, dim: int = -1) -> Tensor:
    """silu(left) * right, of the halves of input along dim, as PyTorch computes it."""
    check_tensor("npu_swiglu", "input", input)
    if not -input.dim() <= dim < input.dim():
        raise ValueError(f"npu_swiglu: dim is {dim}, but input has {input.dim()} dimensions")
    if input.shape[dim] % 2:
        raise ValueError(f"npu_swiglu: input.shape[{dim}] is {input.shape[dim]}, expected an even number")
    left, right = input.chunk(2, dim)
    return torch.nn.functional.silu(left) * right


def npu_anti_quant(
    x: Tensor,
    scale: Tensor,
    *,
    offset: Tensor | None = None,
    dst_dtype: torch.dtype | None = None,
    src_dtype: torch.dtype | None = None,
) -> Tensor:
    """(x + offset) * scale in float32, then dst_dtype, float16 without one; int32 holds eight INT4 values."""
    op = "npu_anti_quant"
    check_tensor(op, "x", x)
    check_tensor(op, "scale", scale)
    wanted = {torch.int8: torch.int8, torch.int32: torch.quint4x2}.get(x.dtype)
    if wanted is None:
        raise TypeError(f"{op}: x is {x.dtype}, expected torch.int8, or torch.int32 with eight INT4 values each")
    if src_dtype not in (None, wanted):
        raise TypeError(f"{op}: src_dtype is {src_dtype}, but x is {x.dtype}: expected {wanted}")
    if dst_dtype not in (None, torch.float16, torch.bfloat16, torch.float32):
        raise TypeError(f"{op}: dst_dtype is {dst_dtype}, expected torch.float16, torch.bfloat16 or torch.float32")
    values = (x if x.dtype == torch.int8 else unpack_int4(x)).float()
    if offset is not None:
        check_tensor(op, "offset", offset)
        values = values + offset.float()
    return (values * scale.float()).to(dst_dtype or torch.float16)


def npu_format_cast(self: Tensor, acl_format: int) -> Tensor:  # noqa: ARG001
    """self: the formats of an NPU's memory are no formats here."""
    check_tensor("npu_format_cast", "self", self)
    return self


def get_npu_format(self: Tensor) -> int:
    """2, ND, of any tensor."""
    check_tensor("get_npu_format", "self", self)
    return ND


@also(input="self")
def npu_prefetch(self: Tensor, dependency: Tensor | None, max_size: int, offset: int = 0) -> None:
    """Nothing: a cache of an NPU has nothing to get."""


# Today's schemas of torch_npu.
SCHEMAS: dict[str, Callable[..., object]] = {
    "npu_anti_quant(Tensor x, Tensor scale, *, Tensor? offset=None, ScalarType? dst_dtype=None, "
    "ScalarType? src_dtype=None) -> Tensor": npu_anti_quant,
    "npu_format_cast(Tensor(a) self, int acl_format) -> Tensor(a)": npu_format_cast,
    "npu_prefetch(Tensor self, Tensor? dependency, int max_size, int offset=0) -> ()": npu_prefetch,
    "npu_scatter_nd_update(Tensor self, Tensor indices, Tensor updates) -> Tensor": npu_scatter_nd_update,
    "npu_scatter_nd_update_(Tensor(a!) self, Tensor indices, Tensor updates) -> Tensor(a!)": npu_scatter_nd_update_,
    "npu_swiglu(Tensor self, int dim=-1) -> Tensor": npu_swiglu,
}
