"""NumPy's ufuncs as ops of the table or short, accurate compositions of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..errors import at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.ops import TABLE
from ..ir.types import BOOL, DTYPES, F64, tensor
from .compare import UFUNC, compare
from .elementwise import Build, Comparison, Elementwise, row_builder
from .ops import nonzero
from .source import here

_Build = TypeVar("_Build", bound=Build)
UFUNCS: dict[np.ufunc, Elementwise] = {}
CLIP: np.ufunc = np._core.umath.clip  # type: ignore[attr-defined]  # what np.clip calls


def _simple(*names: str) -> None:
    for name in names:
        ufunc, _, op = name.partition(":")
        fn = getattr(np, ufunc)
        UFUNCS[fn] = Elementwise(fn, row_builder(TABLE[op or ufunc]))


_simple("subtract:sub", "true_divide:div", "negative:neg", "sign", "maximum", "minimum", "fmax",
        "fmin", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "sin",
        "cos", "tan", "arcsin:asin", "arccos:acos", "arctan:atan", "arctan2:atan2", "sinh", "cosh",
        "tanh", "arcsinh:asinh", "arccosh:acosh", "arctanh:atanh", "hypot", "logaddexp",
        "logaddexp2", "bitwise_and:and", "bitwise_or:or", "bitwise_xor:xor", "invert:not",
        "left_shift:shl", "right_shift:shr", "bitwise_count", "gcd", "lcm",
        "floor_divide:floordiv", "remainder:mod", "fmod", "rint", "copysign", "signbit",
        "nextafter", "spacing", "heaviside")  # fmt: skip
UFUNCS[CLIP] = Elementwise(CLIP, row_builder(TABLE["clip"]))


def _comparison(op: str, fn: np.ufunc) -> None:
    def build(b: Builder, x: Value, y: Value) -> Value:
        return compare(b, op, x, y)

    UFUNCS[fn] = Comparison(fn, build)


for _op, _fn in UFUNC.items():
    _comparison(_op, _fn)


def ufunc(*fns: np.ufunc) -> Callable[[_Build], _Build]:
    """Enter a builder for ufuncs."""

    def enter(build: _Build) -> _Build:
        for fn in fns:
            UFUNCS[fn] = Elementwise(fn, build)
        return build

    return enter


def _c(b: Builder, value: Any, v: Value) -> Value:
    return b.const(value, v.type)


def _isbool(v: Value) -> bool:
    return v.type.dtype is BOOL


def _isint(v: Value) -> bool:
    return v.type.dtype.kind in "iub"


def _all(b: Builder, value: bool, x: Value) -> Value:
    return b.const(value, tensor(BOOL, x.type.shape))


@ufunc(np.add)
def _add(b: Builder, x: Value, y: Value) -> Value:
    return b("or", x, y) if _isbool(x) else b.add(x, y)


@ufunc(np.multiply)
def _mul(b: Builder, x: Value, y: Value) -> Value:
    return b("and", x, y) if _isbool(x) else b.mul(x, y)


@ufunc(np.positive, np.conjugate)
def _same(b: Builder, x: Value) -> Value:
    return x


@ufunc(np.absolute, np.fabs)
def _abs(b: Builder, x: Value) -> Value:
    return x if _isbool(x) else b("abs", x)


@ufunc(np.square)
def _square(b: Builder, x: Value) -> Value:
    return _mul(b, x, x)


@ufunc(np.reciprocal)
def _reciprocal(b: Builder, x: Value) -> Value:
    if not _isint(x):
        return b("div", _c(b, 1, x), x)
    wide = b.cast(x, F64)  # NumPy's way: 1/x without its fraction, and what a cast makes of 1/0
    return b.cast(b("div", _c(b, 1, wide), wide), x.type.dtype)


def _rounding(name: str) -> None:
    def build(b: Builder, x: Value) -> Value:
        return x if _isint(x) else b(name, x)

    fn = getattr(np, name)
    UFUNCS[fn] = Elementwise(fn, build)


for _name in ("floor", "ceil", "trunc"):
    _rounding(_name)


@ufunc(np.power, np.float_power)
def _power(b: Builder, x: Value, y: Value) -> Value:
    exponent = y.op.attrs["value"] if y.op is not None and y.op.name == "constant" else None
    if exponent.__class__ in (int, float) and exponent == 2:
        return b.mul(x, x)
    if not _isint(x):
        return b("pow", x, y)
    if exponent.__class__ is not int:
        if y.type.dtype.kind == "i":
            y = b("nonnegative", y)
        return b("ipow", x, y)
    if exponent < 0:
        raise ValueError(at("Integers to negative integer powers are not allowed.", here()))
    if exponent >= 64:
        return b("ipow", x, y)
    out, base = None, x
    while exponent:
        if exponent & 1:
            out = base if out is None else b.mul(out, base)
        exponent >>= 1
        if exponent:
            base = b.mul(base, base)
    return _c(b, 1, x) if out is None else out


# -- two results ----------------------------------------------------------------------------------


@ufunc(np.divmod)
def _divmod(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    return b("floordiv", x, y), b("mod", x, y)


@ufunc(np.modf)
def _modf(b: Builder, x: Value) -> tuple[Value, Value]:
    return b("frac", x), b("trunc", x)


@ufunc(np.frexp)
def _frexp(b: Builder, x: Value) -> tuple[Value, Value]:
    return b("mantissa", x), b.cast(b("exponent", x), DTYPES["i32"])


@ufunc(np.ldexp)
def _ldexp(b: Builder, x: Value, n: Value) -> Value:
    return b("ldexp", x, b.cast(n, x.type.dtype))


# -- angles ---------------------------------------------------------------------------------------


@ufunc(np.deg2rad, np.radians)
def _radians(b: Builder, x: Value) -> Value:
    return b.mul(x, _c(b, math.pi / 180, x))


@ufunc(np.rad2deg, np.degrees)
def _degrees(b: Builder, x: Value) -> Value:
    return b.mul(x, _c(b, 180 / math.pi, x))


# -- predicates -----------------------------------------------------------------------------------


def _question(name: str, of_ints: bool) -> None:
    def build(b: Builder, x: Value) -> Value:
        return _all(b, of_ints, x) if _isint(x) else b(name, x)

    fn = getattr(np, name)
    UFUNCS[fn] = Elementwise(fn, build)


for _name, _of_ints in (("isnan", False), ("isinf", False), ("isfinite", True)):
    _question(_name, _of_ints)


def _logical(ufn: np.ufunc, op: str) -> None:
    def build(b: Builder, x: Value, y: Value) -> Value:
        return b(op, nonzero(b, x), nonzero(b, y))

    UFUNCS[ufn] = Elementwise(ufn, build)


_logical(np.logical_and, "and")
_logical(np.logical_or, "or")
_logical(np.logical_xor, "xor")


@ufunc(np.logical_not)
def _logical_not(b: Builder, x: Value) -> Value:
    return b("not", nonzero(b, x))
