"""dequant_swiglu_quant in NumPy, transcribed from its definition step by step: every operation is one float32 ufunc, in
the order in which the definition writes it, but exp, which is float64's rounded once."""

import numpy as np

from oracle_formats import F32, Array, canonical, decode, encode, to_f32

D = {"int8": 127, "float8_e4m3fn": 448, "float8_e5m2": 57344, "hifloat8": 32768}


def exp(x: F32) -> F32:
    return np.exp(x.astype(np.float64)).astype(np.float32)


def groups_of(group_index: Array | None, rows: int) -> list[tuple[int, int, int]]:
    """(parameter row, first row, end) of each group."""
    if group_index is None:
        return [(0, 0, rows)]
    groups, first = [], 0
    for i, item in enumerate(np.asarray(group_index).tolist()):
        row, count = item if isinstance(item, list) else (i, item)
        groups.append((row, first, first + count))
        first += count
    assert first <= rows
    return groups


def halves(v: Array, activate_left: bool, swiglu_mode: int) -> tuple[Array, Array]:
    """act, lin."""
    if swiglu_mode == 1:
        return v[:, 0::2], v[:, 1::2]
    h = v.shape[1] // 2
    left, right = v[:, :h], v[:, h:]
    return (left, right) if activate_left else (right, left)


def swiglu(act: F32, lin: F32, swiglu_mode: int, clamp_limit: float, glu_alpha: float, glu_bias: float) -> F32:
    one = np.float32(1)
    if swiglu_mode == 0:
        return (act / (one + exp(-act))) * lin
    limit, alpha, bias = np.float32(clamp_limit), np.float32(glu_alpha), np.float32(glu_bias)
    a = np.minimum(act, limit)
    b = np.maximum(np.minimum(lin, limit), -limit) + bias
    return (a / (one + exp(-(alpha * a)))) * b


def parameter(t: Array | None, row: int, columns: int, grouping: str | None, tables: int | None) -> Array | None:
    """The numbers of a parameter row, [columns] or [1]. `tables`: how many rows tables have."""
    if t is None:
        return None
    if t.ndim == 1:
        n = t.shape[0]
        per_row = n == tables and (grouping == "counts" or (grouping == "pairs" and n != columns))
        return t[row : row + 1] if per_row else t
    return t[row if t.shape[0] > 1 else 0]


def dequant_swiglu_quant(
    x: Array,
    *,
    weight_scale: Array | None = None,
    activation_scale: Array | None = None,
    bias: Array | None = None,
    quant_scale: Array | None = None,
    quant_offset: Array | None = None,
    group_index: Array | None = None,
    activate_left: bool = False,
    quant_mode: int = 0,
    dst_type: str = "int8",
    swiglu_mode: int = 0,
    clamp_limit: float = 7.0,
    glu_alpha: float = 1.702,
    glu_bias: float = 1.0,
) -> tuple[Array, F32]:
    """(codes, scale)."""
    rows, h = int(np.prod(x.shape[:-1], dtype=np.int64)), x.shape[-1] // 2
    flat = np.ascontiguousarray(x).reshape(rows, 2 * h)
    grouping = None if group_index is None else "counts" if group_index.ndim == 1 else "pairs"
    tables = None
    if group_index is not None and grouping == "counts":
        tables = group_index.shape[0]
    elif grouping == "pairs":
        two = [t.shape[0] for t in (weight_scale, bias, quant_scale, quant_offset) if t is not None and t.ndim == 2]
        tables = max(two, default=None)
    codes = np.zeros((rows, h), np.int8 if dst_type == "int8" else np.uint8)
    scales = np.zeros(rows, np.float32)
    activation = None if activation_scale is None else np.ascontiguousarray(activation_scale).reshape(rows, 1)
    with np.errstate(all="ignore"):
        for row, first, end in groups_of(group_index, rows):
            if first == end:
                continue
            part = flat[first:end]
            b = parameter(bias, row, 2 * h, grouping, tables)
            if x.dtype == np.int32:
                if b is not None and b.dtype == np.int32:
                    part = part + b
                v = part.astype(np.float32)
                w = parameter(weight_scale, row, 2 * h, grouping, tables)
                v = v * (np.float32(1) if w is None else w)
                v = v * (np.float32(1) if activation is None else activation[first:end])
                if b is not None and b.dtype != np.int32:
                    v = v + to_f32(b)
            else:
                v = to_f32(part)
            act, lin = halves(v, activate_left, swiglu_mode)
            s = swiglu(act, lin, swiglu_mode, clamp_limit, glu_alpha, glu_bias)
            q = parameter(quant_scale, row, h, grouping, tables)
            if quant_mode == 1:
                if q is not None:
                    s = s * to_f32(q)
                scale = np.max(np.abs(s), axis=1, initial=0) / np.float32(D[dst_type])
                zero = scale == 0
                scales[first:end] = canonical(scale)
                made = encode(s / scale[:, None], dst_type)
                made[zero] = 0
            else:
                if q is not None:
                    s = s / to_f32(q)
                o = parameter(quant_offset, row, h, grouping, tables)
                if o is not None:
                    s = s + to_f32(o)
                made = encode(s, dst_type)
            codes[first:end] = made
    return codes.reshape(*x.shape[:-1], h), scales.reshape(x.shape[:-1])


def _ranks(dst_type: str) -> Array:
    """For each of the 256 patterns of a code its place among the values, NaN beyond all."""
    patterns = np.arange(256, dtype=np.uint8)
    values = decode(patterns.view(np.int8) if dst_type == "int8" else patterns, dst_type).astype(np.float64)
    order = np.unique(values[~np.isnan(values)] + 0.0)
    return np.where(np.isnan(values), 10000, np.searchsorted(order, values + 0.0))


def worst_step(got: Array, expected: Array, dst_type: str) -> int:
    """By how many steps of the format codes differ at most."""
    ranks = _ranks(dst_type)
    g, e = (ranks[np.ascontiguousarray(c).view(np.uint8)] for c in (got, expected))
    return int(np.abs(g - e).max(initial=0))
