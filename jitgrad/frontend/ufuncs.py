"""NumPy's ufuncs as ops of the table or short, accurate compositions of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.ops import TABLE
from ..ir.types import BOOL, F64, tensor
from .ops import Build, Elementwise, nonzero, row_builder
from .source import here

UFUNCS: dict[np.ufunc, Elementwise] = {}


def _simple(*names: str) -> None:
    for name in names:
        ufunc, _, op = name.partition(":")
        fn = getattr(np, ufunc)
        UFUNCS[fn] = Elementwise(fn, row_builder(TABLE[op or ufunc]))


_simple("subtract:sub", "true_divide:div", "negative:neg", "sign", "maximum", "minimum", "exp",
        "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "tanh", "logaddexp", "equal:eq",
        "not_equal:ne", "less:lt", "less_equal:le", "greater:gt", "greater_equal:ge",
        "bitwise_and:and", "bitwise_or:or", "bitwise_xor:xor", "invert:not")  # fmt: skip


def ufunc(*fns: np.ufunc) -> Callable[[Build], Build]:
    """Enter a builder for ufuncs."""

    def enter(build: Build) -> Build:
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
    if _isint(x):
        if x.type.dtype.kind != "i":
            return b("cast", b("eq", x, _c(b, 1, x)), dtype=x.type.dtype)
        unit = b("le", b("abs", x), _c(b, 1, x))  # 1/x without its fraction; 1/0 is undefined
        return b.select(unit, x, _c(b, 0, x))
    return b("div", _c(b, 1, x), x)


@ufunc(np.floor)
def _floor(b: Builder, x: Value) -> Value:
    return x if _isint(x) else b("floor", x)


@ufunc(np.ceil)
def _ceil(b: Builder, x: Value) -> Value:
    return x if _isint(x) else b("neg", b("floor", b("neg", x)))


@ufunc(np.trunc)
def _trunc(b: Builder, x: Value) -> Value:
    if _isint(x):
        return x
    return b.select(b("lt", x, _c(b, 0, x)), _ceil(b, x), b("floor", x))


@ufunc(np.rint)
def _rint(b: Builder, x: Value) -> Value:
    # adding and taking away 2**52 rounds to even; the derivative is 0
    x = b("stop_gradient", x)
    big = _c(b, 2.0**52 if x.type.dtype is F64 else 2.0**23, x)
    zero, size = _c(b, 0, x), b("abs", x)
    near = b("sub", b.add(size, big), big)
    near = b.select(b("lt", x, zero), b("neg", near), near)
    exact = b("or", b("not", b("lt", size, big)), b("eq", x, zero))
    return b.select(exact, x, near)


@ufunc(np.power, np.float_power)
def _power(b: Builder, x: Value, y: Value) -> Value:
    exponent = y.op.attrs["value"] if y.op is not None and y.op.name == "constant" else None
    if exponent.__class__ in (int, float) and exponent == 2:
        return b.mul(x, x)
    if not _isint(x):
        return b("pow", x, y)
    if exponent.__class__ is not int:
        raise DTypeError(at("an integer to the power of a traced integer is not supported; "
                            "make one of them a float", here()))  # fmt: skip
    if exponent < 0:
        raise ValueError(at("Integers to negative integer powers are not allowed.", here()))
    out, base = None, x
    while exponent:
        if exponent & 1:
            out = base if out is None else b.mul(out, base)
        exponent >>= 1
        if exponent:
            base = b.mul(base, base)
    return _c(b, 1, x) if out is None else out


@ufunc(np.floor_divide)
def _floor_divide(b: Builder, x: Value, y: Value) -> Value:
    return _divmod(b, x, y)[0]


@ufunc(np.remainder)
def _remainder(b: Builder, x: Value, y: Value) -> Value:
    return _divmod(b, x, y)[1]


def _divmod(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    if not _isint(x):
        return _float_divmod(b, x, y)
    # the quotient by float64, twice, the second time of the exact rest: at most one off then
    wide = tensor(F64, x.type.shape)
    zero, one = _c(b, 0, x), _c(b, 1, x)
    safe = b.select(b("eq", y, zero), one, y)
    yf = b.cast(safe, F64)

    def part(v: Value) -> Value:
        q = b("floor", b("div", b.cast(v, F64), yf))
        limit = b.const(2.0**62, wide)
        return b.cast(b("minimum", b("maximum", q, b("neg", limit)), limit), x.type.dtype)

    q = part(x)
    q = b.add(q, part(b("sub", x, b.mul(q, safe))))
    rest = b("sub", x, b.mul(q, safe))
    below = b("and", b("ne", rest, zero), b("ne", b("lt", rest, zero), b("lt", safe, zero)))
    q, rest = b.select(below, b("sub", q, one), q), b.select(below, b.add(rest, safe), rest)
    over = b("ge", b("abs", rest), b("abs", safe))
    q, rest = b.select(over, b.add(q, one), q), b.select(over, b("sub", rest, safe), rest)
    none = b("eq", y, zero)
    return b.select(none, zero, q), b.select(none, zero, rest)


def _float_divmod(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    # x - q*y with the rounding error of q*y taken back (Dekker 1971): exact while q < 2**52; the
    # quotient is a constant for derivatives, so that d(x % y) = dx - q dy
    q = b("floor", b("div", b("stop_gradient", x), b("stop_gradient", y)))
    split = _c(b, 2.0**27 + 1 if x.type.dtype is F64 else 2.0**12 + 1, x)

    def halves(v: Value) -> tuple[Value, Value]:
        c = b.mul(split, v)
        high = b("sub", c, b("sub", c, v))
        return high, b("sub", v, high)

    flat = b("stop_gradient", y)
    product = b.mul(q, flat)
    (qh, ql), (yh, yl) = halves(q), halves(flat)
    error = b.add(b.add(b.add(b("sub", b.mul(qh, yh), product), b.mul(qh, yl)), b.mul(ql, yh)),
                  b.mul(ql, yl))  # fmt: skip
    zero = _c(b, 0, x)
    rest = b("sub", b("sub", x, b.mul(q, y)), error)
    wrong = b("and", b("ne", rest, zero), b("ne", b("lt", rest, zero), b("lt", y, zero)))
    q, rest = b.select(wrong, b("sub", q, _c(b, 1, x)), q), b.select(wrong, b.add(rest, y), rest)
    # the quotient rounded up to the next integer leaves a rest as large as y
    over = b("ge", b("abs", rest), b("abs", y))
    fix = b("and", over, b("ne", y, zero))
    q = b.select(fix, b.add(q, _c(b, 1, x)), q)
    rest = b.select(fix, b("sub", rest, y), rest)
    # finite x by an infinite y of the same sign: q is 0 and the rest x; of another sign -1 and y
    inf = b("and", b("eq", b("abs", y), _c(b, math.inf, x)),
            b("lt", b("abs", x), _c(b, math.inf, x)))  # fmt: skip
    other = b("and", b("ne", x, zero), b("ne", b("lt", x, zero), b("lt", y, zero)))
    rest = b.select(inf, b.select(other, y, x), rest)
    q = b.select(inf, b.select(other, _c(b, -1, x), b("floor", b("div", x, y))), q)
    endless = b("and", b("eq", b("abs", x), _c(b, math.inf, x)), b("ne", y, zero))
    return b("stop_gradient", b.select(endless, _c(b, math.nan, x), q)), rest


# -- exponentials and trigonometry ----------------------------------------------------------------


@ufunc(np.exp2)
def _exp2(b: Builder, x: Value) -> Value:
    return b("pow", _c(b, 2, x), x)


@ufunc(np.log2)
def _log2(b: Builder, x: Value) -> Value:
    return b("div", b("log", x), _c(b, math.log(2), x))


@ufunc(np.log10)
def _log10(b: Builder, x: Value) -> Value:
    return b("div", b("log", x), _c(b, math.log(10), x))


@ufunc(np.sinh)
def _sinh(b: Builder, x: Value) -> Value:
    return b.mul(_c(b, 0.5, x), b("sub", b("expm1", x), b("expm1", b("neg", x))))


@ufunc(np.cosh)
def _cosh(b: Builder, x: Value) -> Value:
    return b.mul(_c(b, 0.5, x), b.add(b("exp", x), b("exp", b("neg", x))))


@ufunc(np.arctanh)
def _arctanh(b: Builder, x: Value) -> Value:
    return b.mul(_c(b, 0.5, x), b("sub", b("log1p", x), b("log1p", b("neg", x))))


@ufunc(np.arcsinh)
def _arcsinh(b: Builder, x: Value) -> Value:
    def positive(v: Value) -> Value:
        one, limit = _c(b, 1, v), _c(b, 1e8, v)
        huge = b("gt", v, limit)
        u = b.select(huge, one, v)
        sq = b.mul(u, u)
        near = b("log1p", b.add(u, b("div", sq, b.add(one, b("sqrt", b.add(one, sq))))))
        return b.select(huge, b.add(b("log", b.select(huge, v, one)), _c(b, math.log(2), v)), near)

    low = b("lt", x, _c(b, 0, x))
    one = _c(b, 1, x)
    return b.select(low, b("neg", positive(b.select(low, b("neg", x), one))),
                    positive(b.select(low, one, x)))  # fmt: skip


@ufunc(np.arccosh)
def _arccosh(b: Builder, x: Value) -> Value:
    u = b("sub", x, _c(b, 1, x))
    return b("log1p", b.add(u, b.mul(b("sqrt", u), b("sqrt", b.add(u, _c(b, 2, x))))))


@ufunc(np.hypot)
def _hypot(b: Builder, x: Value, y: Value) -> Value:
    # larger * sqrt(1 + (smaller/larger)**2): no overflow; 0 and its derivative 0 at the origin
    p, q = b("abs", x), b("abs", y)
    m, n = b("maximum", p, q), b("minimum", p, q)
    zero, one, inf = _c(b, 0, x), _c(b, 1, x), _c(b, math.inf, x)
    ratio = b("div", n, b.select(b("eq", m, zero), one, m))
    out = b.select(b("ne", m, zero), b.mul(m, b("sqrt", b.add(one, b.mul(ratio, ratio)))), zero)
    return b.select(b("or", b("eq", p, inf), b("eq", q, inf)), inf, out)


@ufunc(np.logaddexp2)
def _logaddexp2(b: Builder, x: Value, y: Value) -> Value:
    ln2 = _c(b, math.log(2), x)
    return b("div", b("logaddexp", b.mul(x, ln2), b.mul(y, ln2)), ln2)


@ufunc(np.deg2rad, np.radians)
def _radians(b: Builder, x: Value) -> Value:
    return b.mul(x, _c(b, math.pi / 180, x))


@ufunc(np.rad2deg, np.degrees)
def _degrees(b: Builder, x: Value) -> Value:
    return b.mul(x, _c(b, 180 / math.pi, x))


@ufunc(np.heaviside)
def _heaviside(b: Builder, x: Value, y: Value) -> Value:
    zero = _c(b, 0, x)
    flat = b.select(b("lt", x, zero), zero, b.select(b("eq", x, zero), y, _c(b, 1, x)))
    return b.select(b("isnan", x), b("stop_gradient", x), flat)


@ufunc(np.fmax)
def _fmax(b: Builder, x: Value, y: Value) -> Value:
    return _nan_aside(b, "maximum", x, y)


@ufunc(np.fmin)
def _fmin(b: Builder, x: Value, y: Value) -> Value:
    return _nan_aside(b, "minimum", x, y)


def _nan_aside(b: Builder, name: str, x: Value, y: Value) -> Value:
    out = b(name, x, y)
    if _isint(x):
        return out
    return b.select(b("isnan", x), y, b.select(b("isnan", y), x, out))


# -- predicates -----------------------------------------------------------------------------------


def _all(b: Builder, value: bool, x: Value) -> Value:
    return b.const(value, tensor(BOOL, x.type.shape))


@ufunc(np.isnan)
def _isnan(b: Builder, x: Value) -> Value:
    return _all(b, False, x) if _isint(x) else b("isnan", x)


@ufunc(np.isinf)
def _isinf(b: Builder, x: Value) -> Value:
    return _all(b, False, x) if _isint(x) else b("eq", b("abs", x), _c(b, math.inf, x))


@ufunc(np.isfinite)
def _isfinite(b: Builder, x: Value) -> Value:
    return _all(b, True, x) if _isint(x) else b("lt", b("abs", x), _c(b, math.inf, x))


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
