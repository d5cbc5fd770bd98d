"""Elementwise functions of NumPy that are no ufuncs: clip, round, nan_to_num, isclose …"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..frontend.ops import cast, emit, lift, result_dtype
from ..frontend.ops import where as select
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, Tracer
from ..frontend.ufuncs import CLIP, UFUNCS
from ..ir.types import F64
from ._base import no_out, one, public

_NO_VALUE = np._NoValue
_clipped = UFUNCS[CLIP]


@public(np.clip)
def _clip(a: Any, a_min: Any = _NO_VALUE, a_max: Any = _NO_VALUE, out: Any = None, *,
          min: Any = _NO_VALUE, max: Any = _NO_VALUE) -> Tracer:  # fmt: skip
    no_out("clip", out)
    given = a_min is not _NO_VALUE or a_max is not _NO_VALUE
    if given and (min is not _NO_VALUE or max is not _NO_VALUE):
        raise ValueError(at("Passing `min` or `max` keyword argument when `a_min` and `a_max` are "
                            "provided is forbidden.", here()))  # fmt: skip
    low, high = (a_min, a_max) if given else (min, max)
    low, high = (None if v is _NO_VALUE else v for v in (low, high))
    _, x = one(a, low, high)
    dtype = x.value.type.dtype
    if dtype.kind in "iu":
        info = np.iinfo(dtype.np)
        low = None if low.__class__ is int and low <= info.min else low
        high = None if high.__class__ is int and high >= info.max else high
    if low is None or high is None:
        if low is not None:
            return FUNCTIONS["maximum"](x, low)
        return x if high is None else FUNCTIONS["minimum"](x, high)
    return _clipped(x, low, high)


@public(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None,
                neginf: Any = None) -> Tracer:  # fmt: skip
    root, t = one(x, nan, posinf, neginf)
    dtype = t.value.type.dtype
    if not dtype.inexact:
        return t
    info = np.finfo(dtype.np)
    posinf = float(info.max) if posinf is None else posinf
    neginf = float(info.min) if neginf is None else neginf
    for where, value in (
        (FUNCTIONS["isnan"](t), nan),
        (t == np.inf, posinf),
        (t == -np.inf, neginf),
    ):
        t = select(where, cast(lift(value, root), dtype), t)
    return t


@public(np.round)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Tracer:
    no_out("round", out)
    _, x = one(a)
    dtype = x.value.type.dtype
    if dtype.kind in "iu":
        if decimals >= 0:
            return x
        scale = 10.0**-decimals
        return cast(FUNCTIONS["rint"](cast(x, F64) / scale) * scale, dtype)
    if decimals == 0:
        return FUNCTIONS["rint"](x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return FUNCTIONS["rint"](x * scale) / scale
    return FUNCTIONS["rint"](x / scale) * scale


public(np.around)(_round)


@public(np.fix)
def _fix(x: Any, out: Any = None) -> Tracer:
    no_out("fix", out)
    return FUNCTIONS["trunc"](x)


@public(np.isposinf)
def _isposinf(x: Any, out: Any = None) -> Tracer:
    no_out("isposinf", out)
    _, t = one(x)
    return FUNCTIONS["isinf"](t) & (t > 0)


@public(np.isneginf)
def _isneginf(x: Any, out: Any = None) -> Tracer:
    no_out("isneginf", out)
    _, t = one(x)
    return FUNCTIONS["isinf"](t) & (t < 0)


@public(np.sinc)
def _sinc(x: Any) -> Tracer:
    _, t = one(x)
    if t.value.type.dtype.kind != "f":
        t = cast(t, F64)
    return emit(t.root, "sinc", t, form=t.form)


@public(np.isclose)
def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Tracer:
    root, x = one(a, b, rtol, atol)
    y = lift(b, root)
    if not y.value.type.dtype.inexact:  # |y| of the least int would be negative
        y = lift(float(b), root) if isinstance(b, int) else cast(y, result_dtype((y, 1.0)))
    near = abs(x - y) <= atol + rtol * abs(y)
    same = (near & FUNCTIONS["isfinite"](y)) | (x == y)
    if equal_nan:
        same = same | (FUNCTIONS["isnan"](x) & FUNCTIONS["isnan"](y))
    return same


@public(np.allclose)
def _allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    return bool(FUNCTIONS["all"](_isclose(a, b, rtol, atol, equal_nan)))
