"""`numpy.linalg`: norm and multi_dot in traces too, the rest as NumPy's own outside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ..errors import at
from ..frontend.ops import cast, truth
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, Tracer
from ._base import dispatch, implements, one, unsupported
from ._reduce import root_at_zero


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
    if len(axes) == 1 or ord in (None, "fro"):
        if ord in (None, 2, "fro"):
            return root_at_zero(FUNCTIONS["sum"](t * t, axes, keepdims=keepdims))
        a = abs(t)
        if ord in (np.inf, -np.inf):
            return FUNCTIONS["max" if ord > 0 else "min"](a, axes, keepdims=keepdims)
        if ord == 0:
            return FUNCTIONS["sum"](cast(truth(t), t.dtype), axes, keepdims=keepdims)
        if ord == 1:
            return FUNCTIONS["sum"](a, axes, keepdims=keepdims)
        total = FUNCTIONS["sum"](a**ord, axes, keepdims=keepdims)
        return total ** (1.0 / ord)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        first, last = (axes[0], axes[1]) if abs(ord) == 1 else (axes[1], axes[0])
        sums = FUNCTIONS["sum"](abs(t), first, keepdims=True)
        out = FUNCTIONS["max" if ord > 0 else "min"](sums, last, keepdims=True)
        return out if keepdims else FUNCTIONS["squeeze"](out, axes)
    raise ValueError(at(f"norm of order {ord!r} is not supported for traced arrays", here()))


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
