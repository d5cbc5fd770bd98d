"""Means, variances and their relatives; the same with NaNs left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..frontend.ops import cast, lift, truth
from ..frontend.ops import where as select
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, SCALAR, Root, Tracer, as_number, size_of, wrap
from ..ir.dims import Dim, product
from ..ir.types import F64, DType
from ._base import axes_of, axis_of, no_out, one, public
from ._reduce import _all, _max, _min, _prod, _sum, given
from ._running import _cumprod, _cumsum


def _count(root: Root, x: Tracer, axes: tuple[int, ...], dtype: DType) -> Any:
    """How many elements a mean is over, as a number of the result's dtype."""
    n = product(x.value.type.shape[i] for i in axes)
    return cast(as_number(size_of(n, root)), dtype) if isinstance(n, Dim) else float(n)


def _inexact(x: Tracer, dtype: Any) -> Tracer:
    """What a mean is taken of: floats as they are, others as float64."""
    if dtype is not None:
        return cast(x, dtype)
    return x if x.value.type.dtype.inexact else cast(x, F64)


@public(np.mean)
def _mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *,
          where: Any = True) -> Tracer:  # fmt: skip
    no_out("mean", out)
    root, x = one(a)
    x = _inexact(x, dtype)
    axes = axes_of(axis, x.ndim)
    total = _sum(x, axes, keepdims=keepdims, where=where)
    if where is True or where is np._NoValue:
        return _form(total / _count(root, x, axes, x.value.type.dtype))
    n = _sum(FUNCTIONS["broadcast_to"](truth(lift(where, root)), x.shape), axes, keepdims=keepdims)
    return _form(total / cast(n, x.dtype))


def _form(x: Tracer) -> Tracer:
    return x if x.value.type.shape or x.form == SCALAR else Tracer(x.value, x.root, SCALAR, x.mask)


@public(np.var)
def _var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False, *, where: Any = True, mean: Any = None,
         correction: Any = None) -> Tracer:  # fmt: skip
    no_out("var", out)
    root, x = one(a)
    x = _inexact(x, dtype)
    axes = axes_of(axis, x.ndim)
    ddof = correction if given(correction) else ddof
    center = mean if given(mean) else _mean(x, axes, keepdims=True, where=where)
    d = x - center
    total = _sum(d * d, axes, keepdims=keepdims, where=where)
    if where is True or where is np._NoValue:
        n = _count(root, x, axes, x.value.type.dtype)
    else:
        n = cast(_sum(FUNCTIONS["broadcast_to"](truth(lift(where, root)), x.shape), axes,
                      keepdims=keepdims), x.dtype)  # fmt: skip
    rest = n - ddof
    rest = max(rest, 0.0) if isinstance(rest, float) else FUNCTIONS["maximum"](rest, 0.0)
    return _form(total / rest)


def root_at_zero(x: Tracer) -> Tracer:
    """sqrt with derivative 0 at 0, which is what std and norm of constant data need."""
    root = x.root
    root.b.loc = here()
    b, v = root.b, x.value
    zero = root.const(0, v.type)
    return wrap(root, b.select(b("ne", v, zero), b("sqrt", v), zero), x.mask, x.form)


@public(np.std)
def _std(*args: Any, **kwargs: Any) -> Tracer:
    return root_at_zero(_var(*args, **kwargs))


@public(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
             keepdims: Any = False) -> Any:  # fmt: skip
    root, x = one(a, weights)
    if weights is None:
        out = _mean(x, axis, keepdims=keepdims)
        n = size_of(product(x.value.type.shape[i] for i in axes_of(axis, x.ndim)), root)
        scale: Any = FUNCTIONS["full_like"](out, n)
    else:
        w = lift(weights, root)
        if w.ndim == 1 and x.ndim > 1:
            shape = [1] * x.ndim
            shape[axis_of(axis, x.ndim)] = w.shape[0]
            w = w.reshape(shape)
        w = w + FUNCTIONS["zeros_like"](x)
        scale = _sum(w, axis, keepdims=keepdims)
        out = _sum(x * w, axis, keepdims=keepdims) / scale
    return (out, scale) if returned else out


# -- with NaNs left out ---------------------------------------------------------------------------


def _nan_free(a: Any, fill: Any) -> tuple[Tracer, Tracer]:
    root, x = one(a)
    bad = FUNCTIONS["isnan"](x)
    return select(bad, cast(lift(fill, root), x.dtype), x), bad


@public(np.nansum)
def _nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
            **kw: Any) -> Tracer:  # fmt: skip
    return _sum(_nan_free(a, 0)[0], axis, dtype, out, keepdims, **kw)


@public(np.nanmean)
def _nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
             keepdims: Any = False) -> Tracer:  # fmt: skip
    x, bad = _nan_free(a, 0)
    n = _sum(~bad, axis, keepdims=keepdims)
    return _sum(_inexact(x, dtype), axis, None, out, keepdims) / cast(n, _inexact(x, dtype).dtype)


@public(np.nanvar)
def _nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0,
            keepdims: Any = False) -> Tracer:  # fmt: skip
    _, x = one(a)
    return _var(_nan_free(a, 0)[0], axis, dtype, out, ddof, keepdims,
                where=~FUNCTIONS["isnan"](x))  # fmt: skip


@public(np.nanstd)
def _nanstd(*args: Any, **kwargs: Any) -> Tracer:
    return root_at_zero(_nanvar(*args, **kwargs))


@public(np.nanmax)
def _nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Tracer:
    return _nan_extreme(_max, -np.inf, a, axis, out, keepdims)


@public(np.nanmin)
def _nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Tracer:
    return _nan_extreme(_min, np.inf, a, axis, out, keepdims)


def _nan_extreme(extreme: Any, fill: float, a: Any, axis: Any, out: Any, keepdims: Any) -> Tracer:
    _, x = one(a)
    if not x.value.type.dtype.inexact:
        return extreme(x, axis, out, keepdims)
    x, bad = _nan_free(x, fill)
    found = extreme(x, axis, out, keepdims)
    picked = select(_all(bad, axis, keepdims=keepdims), np.nan, found)
    return Tracer(picked.value, picked.root, found.form, picked.mask)


@public(np.nanprod)
def _nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
             **kw: Any) -> Tracer:  # fmt: skip
    return _prod(_nan_free(a, 1)[0], axis, dtype, out, keepdims, **kw)


@public(np.nancumsum)
def _nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    return _cumsum(_nan_free(a, 0)[0], axis, dtype, out)


@public(np.nancumprod)
def _nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    return _cumprod(_nan_free(a, 1)[0], axis, dtype, out)
