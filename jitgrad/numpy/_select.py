"""Choosing among elements, comparing arrays, and questions about them: where, select, take …"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..frontend.indexing import take
from ..frontend.ops import broadcast_shapes, find_root, lift, result_dtype, spread
from ..frontend.ops import where as select
from ..frontend.source import here
from ..frontend.trace import ARRAY, FUNCTIONS, SCALAR, WEAK, Tracer, wrap
from ..ir.types import BOOL
from ._base import axis_of, one, public


@public(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return _nonzero(condition)
    return select(condition, x, y)


@public(np.nonzero)
def _nonzero(a: Any) -> Any:
    root, x = one(a)
    got = x.concrete() if root.kind == "eager" else None
    if got is None:
        raise TraceError(at("nonzero (where with one argument) makes arrays whose size depends on "
                            "values; use jitgrad.numpy.where(mask, x, y)", here()))  # fmt: skip
    return np.nonzero(got)


@public(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Tracer:
    out = default
    for c, v in zip(reversed(condlist), reversed(choicelist)):
        out = select(c, v, out)
    return out


@public(np.take)
def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Tracer:
    root, x = one(a, indices)
    return take(x, lift(indices, root), axis, out, mode)


@public(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tracer:
    _, x = one(a)
    axis = axis_of(axis, x.ndim)
    ends = [e for e in (prepend, append) if e is not None and e is not np._NoValue]
    if ends:
        raise TraceError(at("diff with prepend or append: concatenate them first", here()))
    lead = (slice(None),) * axis
    for _ in range(n):
        upper, lower = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = upper != lower if x.value.type.dtype is BOOL else upper - lower
    return x


@public(np.array_equal)
def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    root, x = one(a1, a2)
    y = lift(a2, root)
    same = x.ndim == y.ndim and all(
        root.compare(c, "eq", d) for c, d in zip(x.value.type.shape, y.value.type.shape)
    )
    return same and bool(FUNCTIONS["all"](x == y))


@public(np.meshgrid)
def _meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> list[Tracer]:
    root = find_root(xi)
    xs = [FUNCTIONS["ravel"](lift(x, root)) for x in xi]
    rank = len(xs)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    out = []
    for x, spot in zip(xs, order):
        shape = [1] * rank
        shape[spot] = -1
        out.append(FUNCTIONS["reshape"](x, shape))
    if sparse:
        return out
    full = broadcast_shapes(root, [x.value.type.shape for x in out], "meshgrid")
    return [wrap(root, spread(root, x.value, full), x.mask, ARRAY) for x in out]


# -- asking ---------------------------------------------------------------------------------------


@public(np.shape)
def _shape(a: Any) -> Any:
    return one(a)[1].shape


@public(np.ndim)
def _ndim(a: Any) -> int:
    return one(a)[1].ndim


@public(np.size)
def _size(a: Any, axis: Any = None) -> Any:
    x = one(a)[1]
    return x.size if axis is None else x.shape[axis]


@public(np.result_type)
def _result_type(*args: Any) -> np.dtype:
    return result_dtype(args)


@public(np.iscomplexobj)
def _iscomplexobj(x: Any) -> bool:
    return one(x)[1].dtype.kind == "c"


@public(np.isscalar)
def _isscalar(element: Any) -> bool:
    return element.__class__ is not Tracer or element.form in (SCALAR, WEAK)


@public(np.real)
def _real(val: Any) -> Tracer:
    return one(val)[1]


@public(np.imag)
def _imag(val: Any) -> Tracer:
    return FUNCTIONS["zeros_like"](val)
