"""Reductions: sums, products, extremes, truths, and where extremes are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..frontend.ops import cast, lift, spread, truth
from ..frontend.ops import where as select
from ..frontend.protocol import METHODS
from ..frontend.source import here
from ..frontend.trace import ARRAY, SCALAR, Root, Tracer, wrap
from ..ir.core import Value
from ._base import FUNCTIONS, axes_of, axis_of, no_out, one, public, without


def _finish(root: Root, v: Value, x: Tracer, axes: tuple[int, ...], keepdims: Any) -> Tracer:
    """A reduced value with the axes that `keepdims` asks for."""
    v = root.b.reshape(v, without(x.value.type.shape, axes, bool(keepdims)))
    return wrap(root, v, x.mask, ARRAY if v.type.shape else SCALAR)


def widened(x: Tracer, dtype: Any) -> Tracer:
    """What NumPy sums: small ints and bools as int64."""
    if dtype is not None:
        return cast(x, dtype)
    d = x.value.type.dtype
    if d.kind == "b" or (d.kind == "i" and d.bits < 64):
        return cast(x, np.int64)
    return cast(x, np.uint64) if d.kind == "u" and d.bits < 64 else x


def _masked(x: Tracer, where: Any, fill: Any) -> Tracer:
    return x if where is True or where is np._NoValue else select(where, x, fill)


def given(v: Any) -> bool:
    return v is not None and v is not np._NoValue


@public(np.sum)
def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
         initial: Any = None, where: Any = True) -> Tracer:  # fmt: skip
    no_out("sum", out)
    root, x = one(a)
    x = _masked(widened(x, dtype), where, 0)
    axes = axes_of(axis, x.ndim)
    result = _finish(root, root.b.sum(x.value, axes), x, axes, keepdims)
    return result + initial if given(initial) else result


@public(np.prod)
def _prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          initial: Any = None, where: Any = True) -> Tracer:  # fmt: skip
    no_out("prod", out)
    root, x = one(a)
    x = _masked(widened(x, dtype), where, 1)
    axes = axes_of(axis, x.ndim)
    v = root.b("prod", x.value, axes=axes) if axes else x.value
    result = _finish(root, v, x, axes, keepdims)
    return result * initial if given(initial) else result


def _extreme(
    name: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Tracer:
    no_out(name, out)
    root, x = one(a)
    if where is not True and where is not np._NoValue:
        if not given(initial):
            raise ValueError(f"{name} with a where mask needs an initial value")
        x = _masked(x, where, initial)
    axes = axes_of(axis, x.ndim)
    if any(root.compare(x.value.type.shape[i], "eq", 0) for i in axes):
        if not given(initial):
            raise ValueError(at(f"zero-size array to reduction operation {name}imum which has no "
                                "identity", here()))  # fmt: skip
        start = cast(lift(initial, root), x.dtype)
        v = spread(root, start.value, without(x.value.type.shape, axes, False))
        return _finish(root, v, x, axes, keepdims)
    v = root.b(name, x.value, axes=axes) if axes else x.value
    result = _finish(root, v, x, axes, keepdims)
    return FUNCTIONS[name + "imum"](result, initial) if given(initial) else result


@public(np.max)
def _max(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
         where: Any = True) -> Tracer:  # fmt: skip
    return _extreme("max", a, axis, out, keepdims, initial, where)


@public(np.min)
def _min(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
         where: Any = True) -> Tracer:  # fmt: skip
    return _extreme("min", a, axis, out, keepdims, initial, where)


public(np.amax)(_max)
public(np.amin)(_min)


@public(np.ptp)
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Tracer:
    return _max(a, axis, out, keepdims) - _min(a, axis, out, keepdims)


def _logical(name: str, a: Any, axis: Any, out: Any, keepdims: Any, where: Any) -> Tracer:
    no_out(name, out)
    root, x = one(a)
    x = _masked(truth(x), where, name == "all")
    axes = axes_of(axis, x.ndim)
    v = root.b(name, x.value, axes=axes) if axes else x.value
    return _finish(root, v, x, axes, keepdims)


@public(np.any)
def _any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *,
         where: Any = True) -> Tracer:  # fmt: skip
    return _logical("any", a, axis, out, keepdims, where)


@public(np.all)
def _all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *,
         where: Any = True) -> Tracer:  # fmt: skip
    return _logical("all", a, axis, out, keepdims, where)


@public(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Tracer:
    return _sum(truth(one(a)[1]), axis, keepdims=keepdims)


# -- where the extremes are -----------------------------------------------------------------------


def _place(name: str, root: Root, x: Tracer, axis: Any, out: Any, keepdims: Any) -> Tracer:
    no_out(name, out)
    ranked = x
    if axis is None or not axes_of(axis, x.ndim):
        ranked, at_axis, axis = FUNCTIONS["ravel"](x), 0, None
    else:
        at_axis = axis_of(axis, x.ndim)
    if root.compare(ranked.value.type.shape[at_axis], "eq", 0):
        raise ValueError(at(f"attempt to get {name} of an empty sequence", here()))
    v = root.b(name, ranked.value, axis=at_axis)
    axes = tuple(range(x.ndim)) if axis is None else (at_axis,)
    return _finish(root, v, x, axes, keepdims)


@public(np.argmax)
def _argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tracer:
    root, x = one(a)
    return _place("argmax", root, x, axis, out, keepdims)


@public(np.argmin)
def _argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tracer:
    root, x = one(a)
    return _place("argmin", root, x, axis, out, keepdims)


METHODS.update({
    ("add", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=None,
    where=True: _sum(a, axis, dtype, out, keepdims, initial, where),
    ("multiply", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=None,
    where=True: _prod(a, axis, dtype, out, keepdims, initial, where),
    ("maximum", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=None,
    where=True: _max(a, axis, out, keepdims, initial, where),
    ("minimum", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=None,
    where=True: _min(a, axis, out, keepdims, initial, where),
    ("logical_and", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False,
    **kw: _all(a, axis, out, keepdims),
    ("logical_or", "reduce"): lambda a, axis=0, dtype=None, out=None, keepdims=False,
    **kw: _any(a, axis, out, keepdims),
})  # fmt: skip
