"""`numpy.linalg`: norm and multi_dot in traces too, the rest as NumPy's own outside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ..errors import at
from ..frontend.ops import cast, truth
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, Tracer
from ._base import axes_of, axis_of, dispatch, implements, one, unsupported
from ._statistics import root_at_zero


@implements(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    _, t = one(x)
    if not t.value.type.dtype.inexact:
        t = t.astype(float)
    if axis is None and ord is None:
        axis = tuple(range(t.ndim))
    if axis is None:
        axis = tuple(range(t.ndim))
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if ord == "fro" and len(axes) != 2:
        raise ValueError(at("Invalid norm order 'fro' for vectors", here()))
    if len(axes) == 1 or ord in (None, "fro"):
        if ord in (None, 2, "fro"):
            return root_at_zero(FUNCTIONS["sum"](t * t, axes, keepdims=keepdims))
        a = abs(t)
        if ord in (np.inf, -np.inf):
            return _extreme(a, axes, ord, keepdims)
        if ord == 0:
            return FUNCTIONS["sum"](cast(truth(t), t.dtype), axes, keepdims=keepdims)
        if ord == 1:
            return FUNCTIONS["sum"](a, axes, keepdims=keepdims)
        total = FUNCTIONS["sum"](a**ord, axes, keepdims=keepdims)
        return total ** (1.0 / ord)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        first, last = (axis_of(a, t.ndim) for a in (axes if abs(ord) == 1 else axes[::-1]))
        sums = FUNCTIONS["sum"](abs(t), first, keepdims=keepdims)
        return _extreme(sums, last - (not keepdims and first < last), ord, keepdims)
    raise ValueError(at(f"norm of order {ord!r} is not supported for traced arrays", here()))


def _extreme(a: Tracer, axes: Any, ord: Any, keepdims: bool) -> Tracer:
    """The largest (order > 0; of nothing 0) or smallest of what is not negative."""
    if ord < 0:
        return FUNCTIONS["min"](a, axes, keepdims=keepdims)
    sizes = [a.value.type.shape[i] for i in axes_of(axes, a.ndim)]
    nothing = any(a.root.compare(n, "eq", 0) for n in sizes)
    return FUNCTIONS["max"](a, axes, keepdims=keepdims, initial=0.0 if nothing else None)


@implements(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: Any = None) -> Tracer:
    first, *rest = arrays
    for a in rest:
        first = FUNCTIONS["dot"](first, a)
    return first


norm = dispatch(np.linalg.norm, _norm)
multi_dot = dispatch(np.linalg.multi_dot, _multi_dot)


def __getattr__(name: str) -> Any:
    value = getattr(np.linalg, name)
    return unsupported(value) if callable(value) and not isinstance(value, type) else value


__all__ = ["LinAlgError", "multi_dot", "norm"]
