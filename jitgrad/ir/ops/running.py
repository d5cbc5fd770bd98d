"""Rows that run along an axis, each element made of those before it: sums, products, extremes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike
from ..types import BOOL, I64, TensorType, tensor
from .base import Case, check_dtype, check_same, define

Types = Sequence[TensorType]


def check_axis(name: str, x: TensorType, axis: int) -> None:
    """`ShapeError` where `x` has no such axis."""
    if not 0 <= axis < x.rank:
        raise ShapeError(f"{name} of {x}: no axis {axis}")


def _along(cls: str) -> Any:
    def rule(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
        (x,) = types
        check_axis(name, x, attrs["axis"])
        check_dtype(name, x, cls)
        return (x,)

    return rule


def along_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple[Value, ...]:
    """All operands with the batch axis in front, and the axis one further."""
    ins = [v if f else b.broadcast_front(v, size) for v, f in zip(ins, flags)]
    return (b(op.opdef.name, *ins, axis=op.attrs["axis"] + 1),)


def shifted(b: Any, v: Value, axis: int, fill: Any) -> Value:
    """The elements of `v` one place later along an axis, `fill` in front, the last one gone."""
    rank, shape = v.type.rank, v.type.shape
    zeros = (0,) * rank
    lo = (*zeros[:axis], 1, *zeros[axis + 1 :])
    longer = b("pad", v, b.const(fill, tensor(v.type.dtype, ())), lo=lo, hi=zeros, interior=zeros)
    return b("slice", longer, starts=zeros, stops=shape, steps=(1,) * rank)


# -- sums -----------------------------------------------------------------------------------------


def _cumsum_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    axis = op.attrs["axis"]
    if ct.type.dtype is BOOL:
        return _any_later(b, ct, axis)
    back = b("reverse", ct, axes=(axis,))
    return b("reverse", b("cumsum", back, axis=axis), axes=(axis,))


def _any_later(b: Any, mask: Value, axis: int) -> Value:
    """Where an element or any behind it is set."""
    back = b("reverse", mask, axes=(axis,))
    return b("reverse", b("cummax", back, axis=axis), axes=(axis,))


_AXES = (Case(("f64[3, 4]",), {"axis": 0}), Case(("f64[5]",), {"axis": 0}),
         Case(("f64[2, 3, 4]",), {"axis": 1}))  # fmt: skip

define("cumsum", "running", 1, _along("num"),
       lambda v, *, axis: np.cumsum(v, axis=axis, dtype=np.asarray(v).dtype),
       "running sum along an axis", attrs={"axis": "int"}, linear=(0,),
       transpose=_cumsum_transpose, batch=along_batch, emit="running", cases=_AXES)  # fmt: skip

# -- products and linear recurrences --------------------------------------------------------------


def _cumprod_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    """y[i] = y[i-1] x[i], so dy[i] = x[i] dy[i-1] + y[i-1] dx[i]: right with any zeros."""
    (dx,), (x,), axis = tangents, op.operands, op.attrs["axis"]
    if dx is None:
        return (None,)
    before = shifted(b, op.result, axis, 1)
    return (b("recurrence", x, b.mul(dx, before), axis=axis),)


define("cumprod", "running", 1, _along("num"),
       lambda v, *, axis: np.cumprod(v, axis=axis, dtype=np.asarray(v).dtype),
       "running product along an axis", attrs={"axis": "int"}, jvp=_cumprod_jvp,
       batch=along_batch, emit="running", cases=_AXES,
       edges="the derivative multiplies, and never divides, by what else is in the product: it is "
             "right where elements are 0")  # fmt: skip


def _recurrence_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    if len(types) not in (2, 3):
        raise ShapeError(f"{name} takes 2 or 3 operands, not {len(types)}")
    a = check_same(name, types[:2])
    check_axis(name, a, attrs["axis"])
    check_dtype(name, a, "num")
    if len(types) == 3 and types[2] is not tensor(BOOL, a.shape):
        raise DTypeError(f"{name} of {a} takes {tensor(BOOL, a.shape)}, not {types[2]}")
    return (a,)


def _recurrence(a: Any, v: Any, fresh: Any = None, *, axis: int) -> Any:
    a, v = np.moveaxis(np.asarray(a), axis, 0), np.moveaxis(np.asarray(v), axis, 0)
    out = v.copy()
    again = None if fresh is None else np.moveaxis(np.asarray(fresh), axis, 0)
    for i in range(1, len(out)):
        made = a[i] * out[i - 1] + v[i]
        out[i] = made if again is None else np.where(again[i], v[i], made)
    return np.moveaxis(out, 0, axis)


def _recurrence_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    """The same from behind: g[i] = ct[i] + a[i+1] g[i+1], unless y[i+1] starts anew."""
    axis = op.attrs["axis"]
    if ct.type.dtype is BOOL:
        return _any_later(b, ct, axis)
    back = [b("reverse", v, axes=(axis,)) for v in (ct, op.operands[0], *op.operands[2:])]
    following = [shifted(b, v, axis, 0) for v in back[1:]]
    out = b("recurrence", following[0], back[0], *following[1:], axis=axis)
    return b("reverse", out, axes=(axis,))


def _recurrence_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    axis = op.attrs["axis"]
    (da, db), rest = tangents[:2], op.operands[2:]
    if da is not None:
        more = b.mul(da, shifted(b, op.result, axis, 0))
        for fresh in rest:
            more = b.select(fresh, b.zeros(more.type), more)
        db = more if db is None else b.add(db, more)
    return (None if db is None else b("recurrence", op.operands[0], db, *rest, axis=axis),)


define("recurrence", "running", None, _recurrence_types, _recurrence,
       "out[i] = x[i] out[i-1] + y[i] along an axis; y[i] alone at 0 and where the bools z say so",
       attrs={"axis": "int"}, linear=(1,), transpose=_recurrence_transpose, jvp=_recurrence_jvp,
       batch=along_batch, emit="running",
       cases=(Case(("f64[3, 4]", "f64[3, 4]"), {"axis": 0}),
              Case(("f64[5]", "f64[5]"), {"axis": 0}),
              Case(("f64[2, 5]", "f64[2, 5]", "bool[2, 5]"), {"axis": 1})),
       edges="linear in y; where it starts anew nothing of before matters, be it NaN")  # fmt: skip

# -- extremes -------------------------------------------------------------------------------------


def _extreme_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    """The tangent of the element that set the record, which an integer cummax finds."""
    (dx,), (x,), axis = tangents, op.operands, op.attrs["axis"]
    if dx is None:
        return (None,)
    before = shifted(b, op.result, axis, 0)
    here = b("iota", type=tensor(I64, x.type.shape), axis=axis)
    record = b("gt" if op.opdef.name == "cummax" else "lt", x, before)
    record = b("or", record, b("and", b("isnan", x), b("not", b("isnan", before))))
    places = b("cummax", b.select(record, here, b.zeros(here.type)), axis=axis)
    return (b("take_along", dx, places, axis=axis),)


for _name, _ref in (("cummax", np.maximum), ("cummin", np.minimum)):
    define(_name, "running", 1, _along("any"),
           (lambda ref: lambda v, *, axis: ref.accumulate(v, axis=axis))(_ref),
           f"running {_name[3:]} along an axis; its first element has the derivative",
           attrs={"axis": "int"}, jvp=_extreme_jvp, batch=along_batch, emit="running", cases=_AXES,
           edges="NaN from the first NaN on")  # fmt: skip
