"""Rows that read or write at computed places: gather and scatter-add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike
from ..types import BOOL, TensorType, tensor
from .base import Case, define

Types = Sequence[TensorType]


def _check(name: str, idx: TensorType, axis: int, rank: int) -> None:
    if idx.dtype.name != "i64":
        raise DTypeError(f"{name} takes i64 indices, not {idx.dtype}")
    if not 0 <= axis < rank:
        raise ShapeError(f"{name}: no axis {axis}")


def _gather_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x, idx), axis = types, attrs["axis"]
    _check(name, idx, axis, x.rank)
    return (x.with_shape((*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])),)


def _gather_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k:
        return None
    x, idx, axis = op.operands[0].type, op.operands[1], op.attrs["axis"]
    if ct.type.dtype is BOOL:  # a mask is scattered by counting
        count = b.cast(ct, idx.type.dtype)
        base = b.zeros(tensor(count.type.dtype, x.shape))
        return b("gt", b("scatter_add", base, idx, count, axis=axis), base)
    return b("scatter_add", b.zeros(x.with_dtype(ct.type.dtype)), idx, ct, axis=axis)


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
                            Case(("f64[2, 3]", "i64"), {"axis": 1})),
       edges="indices are in range: `wrap_index` checked them")  # fmt: skip


def _scatter_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x, idx, upd), axis = types, attrs["axis"]
    _check(name, idx, axis, x.rank)
    want = x.with_shape((*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :]))
    if upd is not want:
        raise ShapeError(f"scatter_add into {x} at {idx} takes {want}, not {upd}")
    return (x,)


def _scatter_add(v: Any, i: Any, u: Any, *, axis: int) -> Any:
    out = np.array(v)
    np.add.at(out, (*(slice(None),) * axis, i), u)
    return out


def _scatter_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k == 0:
        return ct
    return b("gather", ct, op.operands[1], axis=op.attrs["axis"]) if k == 2 else None


def _scatter_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, idx, upd = ins
    axis = op.attrs["axis"]
    x, upd = (v if f else b.broadcast_front(v, size) for v, f in ((x, flags[0]), (upd, flags[2])))
    if not flags[1]:
        return (b("scatter_add", x, idx, upd, axis=axis + 1),)
    k = idx.type.rank
    perm = (0, axis + 1, *range(1, axis + 1), *range(axis + 2, x.type.rank))
    front = b.transpose(x, perm)
    rows = front.type.shape[1]
    flat = b.reshape(front, (size * rows, *front.type.shape[2:]))
    moved = b.transpose(upd, (0, *range(axis + 1, axis + k), *range(1, axis + 1),
                              *range(axis + k, upd.type.rank)))  # fmt: skip
    out = b("scatter_add", flat, _flat_index(b, idx, rows, size), moved, axis=0)
    out = b.reshape(out, front.type.shape)
    return (b.transpose(out, tuple(sorted(range(len(perm)), key=perm.__getitem__))),)


define("scatter_add", "index", 3, _scatter_types, _scatter_add,
       "x with the updates z added at the indices y along an axis; repeats add up",
       attrs={"axis": "int"}, linear=(0, 2), transpose=_scatter_transpose, batch=_scatter_batch,
       emit="scatter", cases=(Case(("f64[4, 3]", "i64[2, 5]", "f64[2, 5, 3]"), {"axis": 0}),
                              Case(("f64[2, 3]", "i64[4]", "f64[2, 4]"), {"axis": 1})),
       edges="indices are in range: `wrap_index` checked them")  # fmt: skip
