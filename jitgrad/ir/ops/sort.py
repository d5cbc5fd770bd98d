"""Rows that sort along an axis, and search in what is sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike
from ..types import I64, TensorType, tensor
from .base import Case, check_dtype, define
from .running import along_batch, check_axis
from .shape import must_match

Types = Sequence[TensorType]


def _sort_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,) = types
    check_axis(name, x, attrs["axis"])
    check_dtype(name, x, "any")
    return (tensor(I64, x.shape) if name == "argsort" else x,)


def _sort_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    (dx,), (x,), axis = tangents, op.operands, op.attrs["axis"]
    if dx is None:
        return (None,)
    return (b("take_along", dx, b("argsort", x, axis=axis), axis=axis),)


_CASES = (Case(("f64[3, 4]",), {"axis": 0}), Case(("f64[7]",), {"axis": 0}),
          Case(("f64[2, 5]",), {"axis": 1}))  # fmt: skip

define("sort", "sort", 1, _sort_types, lambda v, *, axis: np.sort(v, axis, "stable"),
       "elements in ascending order along an axis; each takes its derivative along",
       attrs={"axis": "int"}, jvp=_sort_jvp, batch=along_batch, emit="sort", cases=_CASES,
       edges="stable (0.0 and -0.0 are equal), NaN last")  # fmt: skip
define("argsort", "sort", 1, _sort_types, lambda v, *, axis: np.argsort(v, axis, "stable"),
       "the indices that sort along an axis; equal elements stay in order", attrs={"axis": "int"},
       nondiff="its result is an integer", batch=along_batch, emit="sort", cases=_CASES,
       edges="NaN last, in their order")  # fmt: skip


def _search_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    x, y = types
    if x.rank < 1 or y.rank < x.rank - 1:
        raise ShapeError(f"{name} in {x} for {y}")
    if x.dtype is not y.dtype:
        raise DTypeError(f"{name} in {x} for {y}: dtypes differ")
    check_dtype(name, x, "any")
    for i, (a, c) in enumerate(zip(x.shape[:-1], y.shape)):
        must_match(name, f"axis {i}:", a, c, x, y)
    return (tensor(I64, y.shape),)


def _search(v: Any, w: Any, *, right: bool) -> Any:
    v, w = np.asarray(v), np.asarray(w)
    side: Any = "right" if right else "left"
    out = np.empty(w.shape, np.int64)
    for i in np.ndindex(*v.shape[:-1]):
        out[i] = np.searchsorted(v[i], w[i], side)
    return out


def _search_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, y = ins
    if flags[1] and not flags[0] and x.type.rank == 1:
        return (b("searchsorted", x, y, right=op.attrs["right"]),)
    x, y = (v if f else b.broadcast_front(v, size) for v, f in zip(ins, flags))
    return (b("searchsorted", x, y, right=op.attrs["right"]),)


define("searchsorted", "sort", 2, _search_types, _search,
       "where y's elements belong in x, sorted along its last axis: before their equals, or behind",
       attrs={"right": "bool"}, nondiff="its result is an integer", batch=_search_batch,
       emit="search",
       cases=(Case(("f64[6]", "f64[2, 3]"), {"right": False}),
              Case(("f64[4]", "f64"), {"right": True}),
              Case(("f64[2, 5]", "f64[2, 3]"), {"right": False})),
       edges="axes of x before its last are axes of y too; NaN counts as the largest")  # fmt: skip
