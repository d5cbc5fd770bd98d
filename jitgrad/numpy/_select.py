"""Choosing among elements, comparing arrays, and questions about them: where, clip, take …"""

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


@public(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None,
          max: Any = None) -> Tracer:  # fmt: skip
    _, x = one(a, a_min, a_max)
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is not None and low is not np._NoValue:
        x = FUNCTIONS["maximum"](x, low)
    if high is not None and high is not np._NoValue:
        x = FUNCTIONS["minimum"](x, high)
    return x


@public(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Tracer:
    out = default
    for c, v in zip(reversed(condlist), reversed(choicelist)):
        out = select(c, v, out)
    return out


@public(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None,
                neginf: Any = None) -> Tracer:  # fmt: skip
    _, t = one(x)
    if not t.value.type.dtype.inexact:
        return t
    info = np.finfo(t.dtype)
    posinf = float(info.max) if posinf is None else posinf
    neginf = float(info.min) if neginf is None else neginf
    t = select(FUNCTIONS["isnan"](t), nan, t)
    return select(t == np.inf, posinf, select(t == -np.inf, neginf, t))


@public(np.round)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Tracer:
    _, x = one(a)
    if x.value.type.dtype.kind in "iub":
        return x
    if decimals == 0:
        return FUNCTIONS["rint"](x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return FUNCTIONS["rint"](x * scale) / scale
    return FUNCTIONS["rint"](x / scale) * scale


public(np.around)(_round)


@public(np.take)
def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Tracer:
    root, x = one(a, indices)
    return take(x, lift(indices, root), axis, out, mode)


@public(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Tracer:
    root, x = one(arr, indices)
    idx = lift(indices, root)
    if axis is None:
        x, axis = FUNCTIONS["ravel"](x), 0
    axis = axis_of(axis, x.ndim)
    where: list[Any] = []
    for i in range(x.ndim):
        shape = [1] * x.ndim
        shape[i] = -1
        where.append(idx if i == axis else FUNCTIONS["reshape"](
            lift(FUNCTIONS["arange"](x.shape[i]), root), shape))  # fmt: skip
    return x[tuple(where)]


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


@public(np.isclose)
def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Tracer:
    root, x = one(a, b)
    y = lift(b, root)
    near = abs(x - y) <= atol + rtol * abs(y)
    same = (near & FUNCTIONS["isfinite"](y)) | (x == y)
    if equal_nan:
        same = same | (FUNCTIONS["isnan"](x) & FUNCTIONS["isnan"](y))
    return same


@public(np.allclose)
def _allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    return bool(FUNCTIONS["all"](_isclose(a, b, rtol, atol, equal_nan)))


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
