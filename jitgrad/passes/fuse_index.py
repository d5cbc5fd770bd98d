"""Indices in kernels: how each inline op turns the index of its result into that of its operand.

An op here gets the nest that is under construction, the index at which its result is wanted, the
mask under which memory may be touched, and `get`, which gives an operand's element at an index or
notes that it is missing (then the result is None, and the op is asked again).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike, symbol
from ..ir.types import tensor

if TYPE_CHECKING:
    from .fuse_build import Nest

Index = tuple[DimLike, ...]
_VARS = [symbol(f"i{k}") for k in range(64)]


def squeezed(shape: Sequence[DimLike]) -> tuple[DimLike, ...]:
    return tuple(d for d in shape if d.__class__ is Dim or d != 1)


def full_index(space: Sequence[DimLike]) -> Index:
    """The element itself: a loop variable an axis, 0 for axes of size 1."""
    return tuple([_VARS[a] if d.__class__ is Dim or d != 1 else 0 for a, d in enumerate(space)])


# -- inline ops: from the index of the result to that of the operand ------------------------------


def _constant(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    type_ = op.attrs["type"]
    return n.const(op.attrs["value"], tensor(type_.dtype, ()))


def _iota(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    here = n.position(index[op.attrs["axis"]])
    dtype = op.attrs["type"].dtype
    return here if dtype.name == "i64" else n.apply("cast", here, dtype=dtype)


def _dim(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    return n.position(op.attrs["expr"])


def _fill(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    return get(op.operands[1], (), mask)


def _broadcast(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    x, shape = op.operands[0], op.attrs["shape"]
    at = tuple([index[d] if size is shape[d] or size == shape[d] else 0
                for size, d in zip(x.type.shape, op.attrs["dims"])])  # fmt: skip
    return get(x, at, mask)


def _transpose(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    perm = op.attrs["perm"]
    at: list[DimLike] = [0] * len(perm)
    for i, p in enumerate(perm):
        at[p] = index[i]
    return get(op.operands[0], tuple(at), mask)


def _reverse(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    x, axes = op.operands[0], op.attrs["axes"]
    at = tuple([size - 1 - i if a in axes else i
                for a, (i, size) in enumerate(zip(index, x.type.shape))])  # fmt: skip
    return get(x, at, mask)


def _slice(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    at = tuple([a + i * s for i, a, s in zip(index, op.attrs["starts"], op.attrs["steps"])])
    return get(op.operands[0], at, mask)


def _refine(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    return get(op.operands[0], index, mask)


def _reshape(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value:
    """Only axes of size 1 come or go."""
    x = op.operands[0]
    real = [i for i, d in zip(index, op.results[0].type.shape) if d.__class__ is Dim or d != 1]
    at, k = [], 0
    for d in x.type.shape:
        if d.__class__ is Dim or d != 1:
            at.append(real[k])
            k += 1
        else:
            at.append(0)
    return get(x, tuple(at), mask)


def _both(n: Nest, a: Value | None, b: Value) -> Value:
    if a is None:
        return b
    key = ("and", id(a), id(b))
    made = n.memo.get(key)
    if made is None:
        made = n.memo[key] = n.apply("and", a, b)
    return made


def _test(n: Nest, name: str, left: DimLike, right: DimLike) -> Value:
    key = (name, left, right)
    made = n.memo.get(key)
    if made is None:
        made = n.memo[key] = n.apply(name, n.position(left), n.position(right))
    return made


def _pad(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value | None:
    x, fill = op.operands
    inside: Value | None = None
    at: list[DimLike] = []
    for i, size, lo, hi, gap in zip(index, x.type.shape, op.attrs["lo"], op.attrs["hi"],
                                    op.attrs["interior"]):  # fmt: skip
        if lo == 0 and hi == 0 and gap == 0:
            at.append(i)
            continue
        j = i - lo
        if lo != 0:
            inside = _both(n, inside, _test(n, "ge", j, 0))
        if gap:
            inside = _both(n, inside, _test(n, "eq", j % (gap + 1), 0))
            j = j // (gap + 1)
        inside = _both(n, inside, _test(n, "lt", j, size))
        at.append(j)
    other = get(fill, (), mask)
    if inside is None:
        return get(x, tuple(at), mask)
    got = get(x, tuple(at), _both(n, mask, inside))
    if got is None or other is None:
        return None
    return n.apply("select", inside, got, other)


def _gather(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value | None:
    x, idx = op.operands
    axis, k = op.attrs["axis"], idx.type.rank
    row = get(idx, index[axis : axis + k], mask)
    if row is None:
        return None
    at = (*index[:axis], symbol("$0"), *index[axis + k :])
    leaf = n.buffers.env.get(id(x))
    assert leaf is not None
    return n.load(leaf, at, mask, (row,))


def _take_along(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value | None:
    x, idx = op.operands
    axis = op.attrs["axis"]
    row = get(idx, index, mask)
    if row is None:
        return None
    leaf = n.buffers.env.get(id(x))
    assert leaf is not None
    return n.load(leaf, (*index[:axis], symbol("$0"), *index[axis + 1 :]), mask, (row,))


def _dynamic_slice(n: Nest, op: Op, index: Index, mask: Any, get: Any) -> Value | None:
    x, *starts = op.operands
    found = [get(s, (), mask) for s in starts]
    if None in found:
        return None
    at = [
        _bounded(n, "minimum", _bounded(n, "maximum", s, 0), size - length)
        for s, size, length in zip(found, x.type.shape, op.attrs["sizes"])
    ]
    leaf = n.buffers.env.get(id(x))
    assert leaf is not None
    return n.load(leaf, tuple([symbol(f"${k}") + i for k, i in enumerate(index)]), mask, at)


def _bounded(n: Nest, name: str, v: Value, bound: DimLike) -> Value:
    key = (name, id(v), bound)
    made = n.memo.get(key)
    if made is None:
        made = n.memo[key] = n.apply(name, v, n.position(bound))
    return made


INDEX_MAPS = {"broadcast": _broadcast, "transpose": _transpose, "reverse": _reverse,
              "slice": _slice, "refine": _refine, "reshape": _reshape, "fill": _fill}  # fmt: skip
INLINE = {"constant": _constant, "iota": _iota, "dim": _dim, "fill": _fill, "pad": _pad,
           "broadcast": _broadcast, "transpose": _transpose, "reverse": _reverse, "slice": _slice,
           "refine": _refine, "reshape": _reshape, "gather": _gather,
           "take_along": _take_along, "dynamic_slice": _dynamic_slice}  # fmt: skip
