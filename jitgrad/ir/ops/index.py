"""Rows that read or write at computed places: gathers and scatters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike
from ..types import BOOL, I64, TensorType, tensor
from .base import Case, check_dtype, define
from .running import along_batch, shifted
from .shape import must_match

Types = Sequence[TensorType]
_RANGE = "indices are in range: `wrap_index` checked them"


def _check(name: str, idx: TensorType, axis: int, rank: int) -> None:
    if idx.dtype is not I64:
        raise DTypeError(f"{name} takes i64 indices, not {idx.dtype}")
    if not 0 <= axis < rank:
        raise ShapeError(f"{name}: no axis {axis}")


# -- gather ---------------------------------------------------------------------------------------


def _gather_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x, idx), axis = types, attrs["axis"]
    _check(name, idx, axis, x.rank)
    return (x.with_shape((*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])),)


def _gather_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k:
        return None
    x, idx, axis = op.operands[0].type, op.operands[1], op.attrs["axis"]
    name = "scatter_max" if ct.type.dtype is BOOL else "scatter_add"  # a mask: active if any is
    return b(name, b.zeros(x.with_dtype(ct.type.dtype)), idx, ct, axis=axis)


def _flat_index(b: Any, idx: Value, rows: DimLike, size: DimLike) -> Value:
    """Batched indices into (size, n, …) as indices into (size * n, …)."""
    type_ = idx.type
    row = b("iota", type=type_, axis=0)
    n = b.broadcast(b("dim", expr=rows), type_.shape, ())
    return b.add(b.mul(row, n), idx)


def _gather_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, idx = ins
    axis = op.attrs["axis"]
    if not flags[1]:
        return (b("gather", x, idx, axis=axis + 1),)
    if not flags[0]:
        out = b("gather", x, idx, axis=axis)
        perm = (axis, *range(axis), *range(axis + 1, out.type.rank))
        return (b.transpose(out, perm),)
    # both batched: fold the batch axis into the gathered one
    perm = (0, axis + 1, *range(1, axis + 1), *range(axis + 2, x.type.rank))
    front = b.transpose(x, perm)
    rows = front.type.shape[1]
    flat = b.reshape(front, (size * rows, *front.type.shape[2:]))
    out = b("gather", flat, _flat_index(b, idx, rows, size), axis=0)
    k = idx.type.rank  # result: (size, idx…, before…, after…)
    back = (0, *range(k, k + axis), *range(1, k), *range(k + axis, out.type.rank))
    return (b.transpose(out, back),)


define("gather", "index", 2, _gather_types, lambda v, i, *, axis: np.take(v, i, axis),
       "x taken at the indices y along an axis; y's axes stand in its place",
       attrs={"axis": "int"}, linear=(0,), transpose=_gather_transpose, batch=_gather_batch,
       emit="index", cases=(Case(("f64[4, 3]", "i64[2, 5]"), {"axis": 0}),
                            Case(("f64[2, 3]", "i64"), {"axis": 1})), edges=_RANGE)  # fmt: skip


def along_index(b: Any, x: TensorType, idx: Value, axis: int) -> Value:
    """Indices along an axis of `x`, one an element of `idx` (whose other axes are x's), as indices
    into `x` seen as one long axis."""
    where: Value | None = None
    shape = idx.type.shape
    for a, n in enumerate(x.shape):
        here = idx if a == axis else b("iota", type=idx.type, axis=a)
        if where is not None:
            size = b.broadcast(b("dim", expr=n), shape, ())
            here = b.add(b.mul(where, size), here)
        where = here
    assert where is not None
    return where


def _along_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x, idx), axis = types, attrs["axis"]
    _check(name, idx, axis, x.rank)
    if x.rank != idx.rank:
        raise ShapeError(f"{name} of {x} at {idx}: ranks differ")
    for i, (a, c) in enumerate(zip(x.shape, idx.shape)):
        if i != axis:
            must_match(name, f"axis {i}:", a, c, x, idx)
    return (x.with_shape(idx.shape),)


def _along_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k:
        return None
    x, idx = op.operands[0].type.with_dtype(ct.type.dtype), op.operands[1]
    name = "scatter_max" if ct.type.dtype is BOOL else "scatter_add"
    where = along_index(b, x, idx, op.attrs["axis"])
    base = b.zeros(x.with_shape((x.size,)))
    size = (ct.type.size,)
    out = b(name, base, b.reshape(where, size), b.reshape(ct, size), axis=0)
    return b.reshape(out, x.shape)


define("take_along", "index", 2, _along_types,
       lambda v, i, *, axis: np.take_along_axis(np.asarray(v), np.asarray(i), axis),
       "x taken at the indices y along an axis, each line of y in the same line of x",
       attrs={"axis": "int"}, linear=(0,), transpose=_along_transpose, batch=along_batch,
       emit="index", cases=(Case(("f64[4, 3]", "i64[2, 3]"), {"axis": 0}),
                            Case(("f64[2, 3]", "i64[2, 5]"), {"axis": 1})),
       edges=_RANGE)  # fmt: skip

# -- scatter --------------------------------------------------------------------------------------


def _scatter_types(cls: str) -> Any:
    def rule(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
        (x, idx, upd), axis = types, attrs["axis"]
        _check(name, idx, axis, x.rank)
        check_dtype(name, x, cls)
        want = x.with_shape((*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :]))
        if upd is not want:
            raise ShapeError(f"{name} into {x} at {idx} takes {want}, not {upd}")
        return (x,)

    return rule


def _scatter(ufunc: Any) -> Any:
    def reference(v: Any, i: Any, u: Any, *, axis: int) -> Any:
        out = np.array(v)
        where = (*(slice(None),) * axis, i)
        if ufunc is None:
            out[where] = u
        else:
            ufunc.at(out, where, u)
        return out

    return reference


def _scatter_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, idx, upd = ins
    name, axis = op.opdef.name, op.attrs["axis"]
    x, upd = (v if f else b.broadcast_front(v, size) for v, f in ((x, flags[0]), (upd, flags[2])))
    if not flags[1]:
        return (b(name, x, idx, upd, axis=axis + 1),)
    k = idx.type.rank
    perm = (0, axis + 1, *range(1, axis + 1), *range(axis + 2, x.type.rank))
    front = b.transpose(x, perm)
    rows = front.type.shape[1]
    flat = b.reshape(front, (size * rows, *front.type.shape[2:]))
    moved = b.transpose(upd, (0, *range(axis + 1, axis + k), *range(1, axis + 1),
                              *range(axis + k, upd.type.rank)))  # fmt: skip
    out = b(name, flat, _flat_index(b, idx, rows, size), moved, axis=0)
    out = b.reshape(out, front.type.shape)
    return (b.transpose(out, tuple(sorted(range(len(perm)), key=perm.__getitem__))),)


def _row(name: str, cls: str, ufunc: Any, doc: str, edges: str, **kw: Any) -> None:
    define(name, "index", 3, _scatter_types(cls), _scatter(ufunc), doc, attrs={"axis": "int"},
           batch=_scatter_batch, emit="scatter",
           cases=(Case(("f64[4, 3]", "i64[2, 5]", "f64[2, 5, 3]"), {"axis": 0}),
                  Case(("f64[2, 3]", "i64[4]", "f64[2, 4]"), {"axis": 1}),
                  Case(("f64[3]", "i64", "f64"), {"axis": 0})),
           edges=f"{edges}; {_RANGE}" if edges else _RANGE, **kw)  # fmt: skip


def _add_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k == 0:
        return ct
    return b("gather", ct, op.operands[1], axis=op.attrs["axis"]) if k == 2 else None


_row("scatter_add", "num", np.add,
     "x with the updates z added at the indices y along an axis; repeats add up", "",
     linear=(0, 2), transpose=_add_transpose)  # fmt: skip


def _over_line(b: Any, mask: Value, op: Op) -> Value:
    """A mask of the shape of the indices as one of the shape of the updates."""
    axis, upd = op.attrs["axis"], op.operands[2].type
    return b.broadcast(mask, upd.shape, range(axis, axis + mask.type.rank))


def _set_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    """What was overwritten gets nothing, nor does an update that another one overwrote."""
    (x, idx, upd), axis = op.operands, op.attrs["axis"]
    zeros = b.zeros(upd.type.with_dtype(ct.type.dtype))
    if k == 0:
        return b("scatter", ct, idx, zeros, axis=axis)
    if k == 1:
        return None
    got = b("gather", ct, idx, axis=axis)
    if not idx.type.shape:
        return got
    count = idx.type.size
    numbers = b.reshape(b("iota", type=tensor(I64, (count,)), axis=0), idx.type.shape)
    line = b.zeros(tensor(I64, (x.type.shape[axis],)))
    last = b("gather", b("scatter", line, idx, numbers, axis=0), idx, axis=0)
    return b.select(_over_line(b, b("eq", last, numbers), op), got, zeros)


_row("scatter", "any", None, "x with the updates z written at the indices y along an axis",
     "of repeats the last one stays, and has the derivative", linear=(0, 2),
     transpose=_set_transpose)  # fmt: skip


def _extreme_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    dx, _, du = tangents
    (x, idx, upd), out, axis = op.operands, op.result, op.attrs["axis"]
    if dx is None and du is None:
        return (None,)
    zero, none = b.zeros(x.type), b.zeros(upd.type)
    hits = [(b("eq", v, w), v) for v, w in ((x, out), (upd, b("gather", out, idx, axis=axis)))]
    mine, theirs = (b("or", h, b("isnan", v)) for h, v in hits)  # a NaN wins
    ones = b.select(mine, b.const(1, x.type), zero), b.select(theirs, b.const(1, upd.type), none)
    count = b("scatter_add", ones[0], idx, ones[1], axis=axis)
    total = zero if dx is None else b.select(mine, dx, zero)
    if du is not None:
        total = b("scatter_add", total, idx, b.select(theirs, du, none), axis=axis)
    return (b("div", total, count),)


for _name, _ufunc in (("scatter_max", np.maximum), ("scatter_min", np.minimum)):
    _row(_name, "any", _ufunc,
         f"the {_name[8:]}imum of x and of the updates z at the indices y along an axis",
         "NaN if any is; equal ones share the derivative", jvp=_extreme_jvp)  # fmt: skip


def _mul_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if ct.type.dtype is BOOL:
        return ct
    return b("scatter_mul", ct, *op.operands[1:], axis=op.attrs["axis"])


def _mul_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    """By an update: the product of all else at its place. The updates are sorted by place; what
    stands before one, and what behind, are running products that start anew at each place."""
    dx, _, du = tangents
    (x, idx, upd), axis = op.operands, op.attrs["axis"]
    out = None if dx is None else b("scatter_mul", dx, idx, upd, axis=axis)
    if du is None:
        return (out,)
    k, rank = idx.type.rank, upd.type.rank
    rows = (*range(axis, axis + k), *range(axis), *range(axis + k, rank))
    count = idx.type.size
    line = b.reshape(idx, (count,))
    order = b("argsort", line, axis=0)
    places = b("gather", line, order, axis=0)

    def front(v: Value) -> Value:
        moved = b.transpose(v, rows)
        return b("gather", b.reshape(moved, (count, *moved.type.shape[k:])), order, axis=0)

    u, du = front(upd), front(du)
    others = (axis, *range(axis), *range(axis + 1, x.type.rank))
    base = b("gather", b.transpose(x, others), places, axis=0)
    first = b("ne", places, shifted(b, places, 0, -1))
    back = b("reverse", places, axes=(0,))
    last = b("ne", back, shifted(b, back, 0, -1))
    first, last = (b.broadcast(m, u.type.shape, (0,)) for m in (first, last))
    zeros = b.zeros(u.type)
    before = b("recurrence", shifted(b, u, 0, 1), b.select(first, base, zeros), first, axis=0)
    behind = b("recurrence", shifted(b, b("reverse", u, axes=(0,)), 0, 1),
               b.select(last, b.const(1, u.type), zeros), last, axis=0)  # fmt: skip
    part = b.mul(du, b.mul(before, b("reverse", behind, axes=(0,))))
    moved = b.zeros(tensor(x.type.dtype, tuple([x.type.shape[i] for i in others])))
    more = b("scatter_add", moved, places, part, axis=0)
    more = b.transpose(more, tuple(sorted(range(len(others)), key=others.__getitem__)))
    return (more if out is None else b.add(out, more),)


_row("scatter_mul", "num", np.multiply,
     "x multiplied by the updates z at the indices y along an axis, repeats one by one",
     "the derivative by an update is the product of all else at its place, never a quotient",
     linear=(0,), transpose=_mul_transpose, jvp=_mul_jvp)  # fmt: skip
