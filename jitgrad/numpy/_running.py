"""Running sums, products and extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..frontend.ops import emit
from ..frontend.protocol import METHODS
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, Tracer
from ._base import axes_of, axis_of, no_out, one, public
from ._reduce import widened


def _running(name: str, x: Tracer, axis: Any) -> Tracer:
    if axis is None or not axes_of(axis, x.ndim):
        x, axis = FUNCTIONS["ravel"](x), 0
    return emit(x.root, name, x, axis=axis_of(axis, x.ndim))


@public(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    no_out("cumsum", out)
    return _running("cumsum", widened(one(a)[1], dtype), axis)


@public(np.cumprod)
def _cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tracer:
    no_out("cumprod", out)
    return _running("cumprod", widened(one(a)[1], dtype), axis)


def _cumulative(name: str, x: Any, axis: Any, dtype: Any, out: Any, initial: bool) -> Tracer:
    no_out(name, out)
    _, v = one(x)
    if axis is None:
        if v.ndim > 1:
            raise ValueError(at("For arrays which have more than one dimension ``axis`` argument "
                                "is required.", here()))  # fmt: skip
        axis = 0
    axis = axis_of(axis, v.ndim)
    found = _running("cumsum" if name == "cumulative_sum" else "cumprod", widened(v, dtype), axis)
    if not initial:
        return found
    shape = [1 if i == axis else n for i, n in enumerate(found.shape)]
    first = FUNCTIONS["full"](shape, 0 if name == "cumulative_sum" else 1, found.dtype)
    return FUNCTIONS["concatenate"]([first, found], axis=axis)


if hasattr(np, "cumulative_sum"):  # since NumPy 2.1

    @public(np.cumulative_sum)
    def _cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
                        include_initial: bool = False) -> Tracer:  # fmt: skip
        return _cumulative("cumulative_sum", x, axis, dtype, out, include_initial)

    @public(np.cumulative_prod)
    def _cumulative_prod(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
                         include_initial: bool = False) -> Tracer:  # fmt: skip
        return _cumulative("cumulative_prod", x, axis, dtype, out, include_initial)


METHODS.update({
    ("add", "accumulate"): lambda a, axis=0, dtype=None, out=None: _cumsum(a, axis, dtype, out),
    ("multiply", "accumulate"): lambda a, axis=0, dtype=None, out=None: _cumprod(
        a, axis, dtype, out),
    ("maximum", "accumulate"): lambda a, axis=0, dtype=None, out=None: _accumulated(
        "cummax", a, axis, dtype, out),
    ("minimum", "accumulate"): lambda a, axis=0, dtype=None, out=None: _accumulated(
        "cummin", a, axis, dtype, out),
})  # fmt: skip


def _accumulated(name: str, a: Any, axis: Any, dtype: Any, out: Any) -> Tracer:
    no_out("accumulate", out)
    x = one(a)[1]
    return _running(name, x if dtype is None else FUNCTIONS["astype"](x, dtype), axis)
