"""Reductions and running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..frontend.ops import cast, emit, lift, spread, truth
from ..frontend.ops import where as select
from ..frontend.protocol import METHODS
from ..frontend.source import here
from ..frontend.trace import ARRAY, SCALAR, Root, Tracer, as_number, size_of, wrap
from ..ir.build import Builder
from ..ir.core import Value, block
from ..ir.dims import Dim, product
from ..ir.types import BOOL, F64, DType, dtype_of, scalar
from ._base import FUNCTIONS, axes_of, axis_of, no_out, one, public, without


def _finish(root: Root, v: Value, x: Tracer, axes: tuple[int, ...], keepdims: Any) -> Tracer:
    """A reduced value with the axes that `keepdims` asks for."""
    v = root.b.reshape(v, without(x.value.type.shape, axes, bool(keepdims)))
    return wrap(root, v, x.mask, ARRAY if v.type.shape else SCALAR)


def _widened(x: Tracer, dtype: Any) -> Tracer:
    """What NumPy sums: small ints and bools as int64."""
    if dtype is not None:
        return cast(x, dtype)
    d = x.value.type.dtype
    if d.kind == "b" or (d.kind == "i" and d.bits < 64):
        return cast(x, np.int64)
    return cast(x, np.uint64) if d.kind == "u" and d.bits < 64 else x


def _masked(x: Tracer, where: Any, fill: Any) -> Tracer:
    return x if where is True or where is np._NoValue else select(where, x, fill)


def _given(v: Any) -> bool:
    return v is not None and v is not np._NoValue


@public(np.sum)
def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
         initial: Any = None, where: Any = True) -> Tracer:  # fmt: skip
    no_out("sum", out)
    root, x = one(a)
    x = _masked(_widened(x, dtype), where, 0)
    axes = axes_of(axis, x.ndim)
    result = _finish(root, root.b.sum(x.value, axes), x, axes, keepdims)
    return result + initial if _given(initial) else result


def _extreme(
    name: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Tracer:
    no_out(name, out)
    root, x = one(a)
    if where is not True and where is not np._NoValue:
        if not _given(initial):
            raise ValueError(f"{name} with a where mask needs an initial value")
        x = _masked(x, where, initial)
    axes = axes_of(axis, x.ndim)
    if any(root.compare(x.value.type.shape[i], "eq", 0) for i in axes):
        if not _given(initial):
            raise ValueError(at(f"zero-size array to reduction operation {name}imum which has no "
                                "identity", here()))  # fmt: skip
        start = cast(lift(initial, root), x.dtype)
        v = spread(root, start.value, without(x.value.type.shape, axes, False))
        return _finish(root, v, x, axes, keepdims)
    v = root.b(name, x.value, axes=axes) if axes else x.value
    result = _finish(root, v, x, axes, keepdims)
    return FUNCTIONS[name + "imum"](result, initial) if _given(initial) else result


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
    ddof = correction if _given(correction) else ddof
    center = mean if _given(mean) else _mean(x, axes, keepdims=True, where=where)
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


# -- where the extremes are -----------------------------------------------------------------------


def _argmax_of(name: str, root: Root, x: Tracer, axis: Any, out: Any, keepdims: Any) -> Tracer:
    no_out(name, out)
    ranked = x
    if axis is None or not axes_of(axis, x.ndim):
        ranked, at_axis, axis = FUNCTIONS["ravel"](x), 0, None
    else:
        at_axis = axis_of(axis, x.ndim)
    if root.compare(ranked.value.type.shape[at_axis], "eq", 0):
        raise ValueError(at(f"attempt to get {name} of an empty sequence", here()))
    v = root.b("argmax", ranked.value, axis=at_axis)
    axes = tuple(range(x.ndim)) if axis is None else (at_axis,)
    return _finish(root, v, x, axes, keepdims)


@public(np.argmax)
def _argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tracer:
    root, x = one(a)
    return _argmax_of("argmax", root, x, axis, out, keepdims)


@public(np.argmin)
def _argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tracer:
    root, x = one(a)
    d = x.value.type.dtype
    # ~x turns the order of ints around without overflow
    turned = emit(root, "neg" if d.inexact else "not", x, form=x.form)
    return _argmax_of("argmin", root, turned, axis, out, keepdims)


# -- running sums and products --------------------------------------------------------------------


@public(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    no_out("cumsum", out)
    root, x = one(a)
    x = _widened(x, dtype)
    if axis is None or not axes_of(axis, x.ndim):
        x, axis = FUNCTIONS["ravel"](x), 0
    return emit(root, "cumsum", x, axis=axis_of(axis, x.ndim))


def _running_product(x: Tracer, axis: int, stacked: bool) -> Tracer:
    """A loop along an axis: the product of all, or (stacked) of each beginning."""
    root = x.root
    b = root.b
    order = (axis, *(i for i in range(x.ndim) if i != axis))
    v = b.transpose(x.value, order)
    item = v.type.with_shape(v.type.shape[1:])
    inner = Builder(b.loc)
    carry, step = Value(item), Value(item)
    product_ = inner.mul(carry, step)
    body = block([carry, step], [product_, product_] if stacked else [product_])
    loop = b.op("scan", b.const(1, item), v, regions=(body,), length=v.type.shape[0], carries=1,
                consts=0, reverse=False)  # fmt: skip
    out = loop.results[-1]
    if stacked:
        out = b.transpose(out, tuple(sorted(range(len(order)), key=order.__getitem__)))
    return wrap(root, out, x.mask, ARRAY)


@public(np.prod)
def _prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          initial: Any = None, where: Any = True) -> Tracer:  # fmt: skip
    no_out("prod", out)
    root, x = one(a)
    x = _masked(_widened(x, dtype), where, 1)
    axes = axes_of(axis, x.ndim)
    full = x
    if len(axes) == x.ndim and x.ndim > 1:
        full, left = FUNCTIONS["ravel"](x), [0]
    else:
        left = list(axes)
    v = full
    for i in reversed(left):
        v = (
            _halves(v, i)
            if not isinstance(v.value.type.shape[i], Dim)
            else _running_product(v, i, False)
        )
    result = _finish(root, v.value, x, axes, keepdims)
    return result * initial if _given(initial) else result


def _halves(x: Tracer, axis: int) -> Tracer:
    """A product along an axis of known size: the two halves multiplied, until one is left."""
    root = x.root
    b, v = root.b, x.value
    n = v.type.shape[axis]
    assert isinstance(n, int)
    rest = tuple(d for i, d in enumerate(v.type.shape) if i != axis)
    if n == 0:
        return wrap(root, b.const(1, v.type.with_shape(rest)), x.mask, ARRAY)

    def part(v: Value, start: int, stop: int) -> Value:
        starts, stops = [0] * v.type.rank, list(v.type.shape)
        starts[axis], stops[axis] = start, stop
        return b("slice", v, starts=tuple(starts), stops=tuple(stops), steps=(1,) * v.type.rank)

    odd: Value | None = None
    while n > 1:
        if n % 2:
            last = part(v, n - 1, n)
            odd = last if odd is None else b.mul(odd, last)
        n //= 2
        v = b.mul(part(v, 0, n), part(v, n, 2 * n))
    if odd is not None:
        v = b.mul(v, odd)
    return wrap(root, b.reshape(v, rest), x.mask, ARRAY)


@public(np.cumprod)
def _cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    no_out("cumprod", out)
    _, x = one(a)
    x = _widened(x, dtype)
    if axis is None or not axes_of(axis, x.ndim):
        x, axis = FUNCTIONS["ravel"](x), 0
    return _running_product(x, axis_of(axis, x.ndim), True)


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
    ("add", "accumulate"): lambda a, axis=0, dtype=None, out=None: _cumsum(a, axis, dtype, out),
    ("multiply", "accumulate"): lambda a, axis=0, dtype=None, out=None: _cumprod(
        a, axis, dtype, out),
})  # fmt: skip
__all__ = ["BOOL", "dtype_of", "root_at_zero", "scalar"]
