"""Sorting, searching in what is sorted, and what follows from the order: median, quantile."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..frontend.ops import broadcast_shapes, cast, emit, lift, result_dtype, spread
from ..frontend.ops import where as select
from ..frontend.source import here
from ..frontend.trace import ARRAY, FUNCTIONS, SCALAR, Tracer, size_of, wrap
from ..ir.types import F64, I64
from ._base import axes_of, axis_of, no_out, one, public


def _line(a: Any, axis: Any) -> tuple[Tracer, int]:
    _, x = one(a)
    if axis is None:
        return FUNCTIONS["ravel"](x), 0
    return x, axis_of(axis, x.ndim)


def _no_order(name: str, order: Any) -> None:
    if order is not None:
        raise ValueError(at(f"{name}(order=…) is for structured arrays", here()))


@public(np.sort)
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
          stable: Any = None) -> Tracer:  # fmt: skip
    _no_order("sort", order)
    x, axis = _line(a, axis)
    return emit(x.root, "sort", x, axis=axis)


@public(np.argsort)
def _argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
             stable: Any = None) -> Tracer:  # fmt: skip
    _no_order("argsort", order)
    x, axis = _line(a, axis)
    return wrap(x.root, x.root.b("argsort", x.value, axis=axis), 0, ARRAY)


def _check_kth(x: Tracer, kth: Any, axis: int) -> None:
    n = x.value.type.shape[axis]
    for k in np.ravel(kth) if kth.__class__ is not Tracer else ():
        if x.root.compare(int(k), "ge", n) or x.root.compare(n + int(k), "lt", 0):
            raise ValueError(at(f"kth(={int(k)}) out of bounds ({x.root.sizes((n,))[0]})", here()))


@public(np.partition)
def _partition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect",
               order: Any = None) -> Tracer:  # fmt: skip
    """All sorted, which is a partition at every k."""
    _no_order("partition", order)
    x, axis = _line(a, axis)
    _check_kth(x, kth, axis)
    return _sort(x, axis)


@public(np.argpartition)
def _argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect",
                  order: Any = None) -> Tracer:  # fmt: skip
    _no_order("argpartition", order)
    x, axis = _line(a, axis)
    _check_kth(x, kth, axis)
    return _argsort(x, axis)


@public(np.lexsort)
def _lexsort(keys: Any, axis: Any = -1) -> Tracer:
    """Sorted by the first key, then stably by each that follows: the last one decides."""
    parts = list(keys) if isinstance(keys, (list, tuple)) else [keys[i] for i in range(len(keys))]
    root, first = one(parts[0], *parts[1:])
    axis = axis_of(axis, first.ndim)
    order: Tracer | None = None
    for key in parts:
        x = lift(key, root)
        if order is None:
            order = _argsort(x, axis)
        else:
            again = _argsort(FUNCTIONS["take_along_axis"](x, order, axis), axis)
            order = FUNCTIONS["take_along_axis"](order, again, axis)
    assert order is not None
    return order


@public(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tracer:
    if side not in ("left", "right"):
        raise ValueError(at(f"side is 'left' or 'right', not {side!r}", here()))
    root, _ = one(a, v, sorter)
    dtype = result_dtype((a, v))
    x, y = cast(lift(a, root), dtype), cast(lift(v, root), dtype)
    if x.ndim != 1:
        raise ValueError(at(f"searchsorted looks in an array of one axis, not of {x.ndim}", here()))
    if sorter is not None:
        x = FUNCTIONS["take"](x, sorter)
    found = root.b("searchsorted", x.value, y.value, right=side == "right")
    return wrap(root, found, 0, ARRAY if y.ndim else SCALAR)


@public(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Tracer:
    """Bins may run either way; that they do run one way cannot be checked in a trace."""
    root, edges = one(bins, x)
    side = "left" if right else "right"
    up = _searchsorted(edges, x, side)
    n = edges.value.type.shape[0]
    if root.compare(n, "eq", 0):
        return up
    down = size_of(n, root) - _searchsorted(edges[::-1], x, side)
    out = select(edges[0] <= edges[-1], up, cast(lift(down, root), I64))
    return out if out.ndim else Tracer(out.value, root, SCALAR, out.mask)


@public(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Tracer:
    root, x = one(arr, indices)
    idx = lift(indices, root)
    if idx.value.type.dtype.kind not in "iu":
        raise IndexError(at("`indices` must be an integer array", here()))
    idx = cast(idx, I64)
    if axis is None:
        x, axis = FUNCTIONS["ravel"](x), 0
    axis = axis_of(axis, x.ndim)
    if x.ndim != idx.ndim:
        raise ValueError(at("`indices` and `arr` must have the same number of dimensions", here()))
    b, n = root.b, x.value.type.shape[axis]

    def others(t: Tracer) -> tuple:
        shape = t.value.type.shape
        return (*shape[:axis], 1, *shape[axis + 1 :])

    full = broadcast_shapes(root, [others(x), others(idx)], "take_along_axis")

    def spread_to(t: Tracer) -> Any:
        shape = (*full[:axis], t.value.type.shape[axis], *full[axis + 1 :])
        return root.refine(spread(root, t.value, shape), shape)

    places = b("wrap_index", spread_to(idx), size=n)
    return wrap(root, b("take_along", spread_to(x), places, axis=axis), x.mask, ARRAY)


# -- what stands in the middle --------------------------------------------------------------------


def _ordered(a: Any, axis: Any, keepdims: Any) -> tuple[Tracer, Any]:
    """The elements sorted along one last axis, floats; and how a result gets its axes back."""
    root, x = one(a)
    if not x.value.type.dtype.inexact:
        x = cast(x, F64)
    axes = axes_of(axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    shape = x.shape
    kept = tuple(1 if i in axes else shape[i] for i in range(x.ndim))
    moved = FUNCTIONS["transpose"](x, (*rest, *axes)) if x.ndim else x
    lines = FUNCTIONS["reshape"](moved, (*[shape[i] for i in rest], -1))

    def back(y: Tracer, lead: int = 0) -> Tracer:
        if keepdims:
            y = FUNCTIONS["reshape"](y, (*y.shape[:lead], *kept))
        return (
            y if y.value.type.shape or y.form == SCALAR else Tracer(y.value, root, SCALAR, y.mask)
        )

    return _sort(lines, -1), back


@public(np.median)
def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
            keepdims: Any = False) -> Tracer:  # fmt: skip
    no_out("median", out)
    x, back = _ordered(a, axis, keepdims)
    n = x.shape[-1]
    if n == 0:
        return back(FUNCTIONS["full"](x.shape[:-1], np.nan, x.dtype))
    low, high, last = x[..., (n - 1) // 2], x[..., n // 2], x[..., n - 1]
    return back(select(FUNCTIONS["isnan"](last), last, (low + high) / 2))


def _quantiles(name: str, a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any,
               weights: Any) -> Tracer:  # fmt: skip
    no_out(name, out)
    if method != "linear" or weights is not None:
        raise TraceError(at(f"{name} of a traced array knows method='linear' and no weights",
                            here()))  # fmt: skip
    x, back = _ordered(a, axis, keepdims)
    root = x.root
    t = cast(lift(q, root), F64 if lift(q, root).form != ARRAY else result_dtype((q, x)))
    known = t.concrete() if root.kind == "eager" or q.__class__ is not Tracer else None
    values = np.asarray(q) if q.__class__ is not Tracer else known
    if values is not None and not np.all((values >= 0) & (values <= 1)):
        what = "Quantiles must be in the range [0, 1]"
        raise ValueError(at(what if name == "quantile" else "Percentiles must be in the range "
                            "[0, 100]", here()))  # fmt: skip
    n = x.shape[-1]
    if n == 0:
        raise IndexError(at(f"{name} of an empty axis", here()))
    place = t * (n - 1)
    below = FUNCTIONS["floor"](place)
    part = cast(place - below, x.dtype)
    first = cast(below, I64)
    lead = t.ndim
    order = (x.ndim - 1, *range(x.ndim - 1))
    front = FUNCTIONS["transpose"](x, order)
    low = FUNCTIONS["take"](front, first, 0)
    high = FUNCTIONS["take"](front, FUNCTIONS["minimum"](first + 1, n - 1), 0)
    part = FUNCTIONS["reshape"](part, (*part.shape, *[1] * (x.ndim - 1)))
    gap = high - low
    mixed = select(part < 0.5, low + gap * part, high - gap * (1 - part))
    mixed = select(gap == 0, low, mixed)
    last = front[n - 1]
    return back(select(FUNCTIONS["isnan"](last), last, mixed), lead)


@public(np.quantile)
def _quantile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
              method: str = "linear", keepdims: Any = False, *,
              weights: Any = None) -> Tracer:  # fmt: skip
    return _quantiles("quantile", a, q, axis, out, method, keepdims, weights)


@public(np.percentile)
def _percentile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
                method: str = "linear", keepdims: Any = False, *,
                weights: Any = None) -> Tracer:  # fmt: skip
    part = q / 100 if q.__class__ is Tracer else np.true_divide(q, 100)
    return _quantiles("percentile", a, part, axis, out, method, keepdims, weights)
