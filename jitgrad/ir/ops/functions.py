"""Elementwise rows of mathematical functions: exponentials, powers, trigonometry, logistics.

`t`, `x`, `y` and `out` as in the rows of `elementwise`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Op
from ..terms import (
    Term,
    abs_,
    atanh,
    cos,
    cosh,
    eq,
    exp,
    exp2,
    expm1,
    hypot,
    lift,
    log,
    log1p,
    maximum,
    ne,
    not_,
    out,
    select,
    sigmoid,
    sin,
    sinh,
    sqrt,
    t,
    x,
    y,
)
from .base import same
from .elementwise import POS, R, row

# -- exponentials, powers, trigonometry -----------------------------------------------------------


def _softplus(v: Any) -> Any:
    return np.logaddexp(v, np.zeros((), np.asarray(v).dtype))


def _sigmoid(v: Any) -> Any:
    # exp of a non-positive argument never overflows
    v = np.asarray(v)
    e = np.exp(-np.abs(v))
    one = v.dtype.type(1)
    return np.where(v >= 0, one, e) / (one + e) if v.dtype.kind == "f" else 1 / (1 + e)


_POW_X = t * y * x ** (y - 1)
# 0**0 is 1 and x**0 is flat: 0 * 0**-1 must not become NaN. (With x not 0 nothing goes wrong, and
# d/dy of this is 1/x at y = 0: masking every y = 0 would lose it.)
_POW_X_SAFE = select(ne(x, 0.0) | ne(y, 0.0), _POW_X, 0.0)
# at x = 0 the result does not move with y > 0: out * log(0) must not become NaN
_POW_Y = select(ne(x, 0.0) | not_(y > 0.0), t * out * log(x), 0.0)


def _pow_grad(op: Op, k: int) -> Term:
    if k == 1:
        return _POW_Y
    exponent = op.operands[1].op
    if exponent is not None and exponent.opdef.name == "constant":
        value = exponent.attrs["value"]
        if not isinstance(value, np.ndarray) and value != 0:
            return _POW_X
    return _POW_X_SAFE


row("exp", 1, same("float"), np.exp, "e to the x", deriv=(t * out,), emit="math")
row("expm1", 1, same("float"), np.expm1, "exp(x) - 1 without cancellation", deriv=(t * exp(x),),
     emit="math")  # fmt: skip
row("exp2", 1, same("float"), np.exp2, "2 to the x", deriv=(t * (out * math.log(2)),),
     emit="math", edges="exact for integers")  # fmt: skip
row("log", 1, same("float"), np.log, "natural logarithm", deriv=(t / x,), emit="math",
     domain=(POS,), edges="-inf at 0, NaN below")  # fmt: skip
row("log2", 1, same("float"), np.log2, "logarithm to base 2", deriv=(t / x / math.log(2),),
     emit="math", domain=(POS,), edges="-inf at 0, NaN below; exact at powers of two")  # fmt: skip
row("log10", 1, same("float"), np.log10, "logarithm to base 10", deriv=(t / x / math.log(10),),
     emit="math", domain=(POS,), edges="-inf at 0, NaN below")  # fmt: skip
row("log1p", 1, same("float"), np.log1p, "log(1 + x) without cancellation",
     deriv=(t / (1 + x),), emit="math", domain=((-0.9, 4.0),), edges="-inf at -1")  # fmt: skip
row("sqrt", 1, same("float"), np.sqrt, "square root", deriv=(t * 0.5 / out,), emit="sqrt",
     domain=(POS,), edges="-0.0 stays, NaN below; the derivative at 0 is infinite")  # fmt: skip
row("cbrt", 1, same("float"), np.cbrt, "the real cube root", deriv=(t / (3 * out * out),),
     emit="math", domain=(POS,), edges="odd: -0.0 and -inf stay; the derivative at 0 is "
     "infinite")  # fmt: skip
row("pow", 2, same("float"), np.power, "x to the y", deriv=_pow_grad, emit="math",
     domain=(POS, R), edges="C99: x**0 is 1 and 1**y is 1, even for NaN; NaN for a negative x "
     "and a y that is no integer")  # fmt: skip
row("sin", 1, same("float"), np.sin, "sine", deriv=(t * cos(x),), emit="math")
row("cos", 1, same("float"), np.cos, "cosine", deriv=(-(t * sin(x)),), emit="math")
row("tan", 1, same("float"), np.tan, "tangent", deriv=(t * (1 + out * out),), emit="math",
     domain=((-1.2, 1.2),), edges="never infinite: no float is a pole")  # fmt: skip
row("asin", 1, same("float"), np.arcsin, "arc sine, in [-pi/2, pi/2]",
     deriv=(t / sqrt((1 - x) * (1 + x)),), emit="math", domain=((-0.9, 0.9),),
     edges="NaN beyond ±1, where the derivative is infinite")  # fmt: skip
row("acos", 1, same("float"), np.arccos, "arc cosine, in [0, pi]",
     deriv=(-(t / sqrt((1 - x) * (1 + x))),), emit="math", domain=((-0.9, 0.9),),
     edges="NaN beyond ±1, where the derivative is infinite; 0.0 at 1")  # fmt: skip
row("atan", 1, same("float"), np.arctan, "arc tangent, in [-pi/2, pi/2]",
     deriv=(t / (1 + x * x),), emit="math")  # fmt: skip
# 1/h twice: the square of h may overflow; where h is 0 or infinite the angle has no slope to give
_h = hypot(x, y)
_turns = ne(_h, 0.0) & ne(_h, math.inf)
row("atan2", 2, same("float"), np.arctan2, "the angle of the point with ordinate x and abscissa y, "
     "in [-pi, pi]", deriv=(select(_turns, t * (y / _h / _h), 0.0),
                            select(_turns, -(t * (x / _h / _h)), 0.0)),
     emit="math", domain=(R, POS),
     edges="C99: all signs of zeros and infinities count; the derivatives at (0, 0) are taken "
     "as 0, and at infinite points they are 0")  # fmt: skip
row("sinh", 1, same("float"), np.sinh, "hyperbolic sine", deriv=(t * cosh(x),), emit="math",
     edges="infinite only where the result is: no overflow within")  # fmt: skip
row("cosh", 1, same("float"), np.cosh, "hyperbolic cosine", deriv=(t * sinh(x),), emit="math",
     edges="infinite only where the result is: no overflow within")  # fmt: skip
row("tanh", 1, same("float"), np.tanh, "hyperbolic tangent", deriv=(t * (1 - out * out),),
     emit="math", edges="the derivative 1 - tanh² rounds to 0 for |x| > 19")  # fmt: skip
row("asinh", 1, same("float"), np.arcsinh, "inverse hyperbolic sine", emit="math",
     deriv=(t / hypot(x, 1.0),), edges="odd: -0.0 and infinities stay")  # fmt: skip
row("acosh", 1, same("float"), np.arccosh, "inverse hyperbolic cosine, not negative", emit="math",
     deriv=(t / (sqrt(x - 1) * sqrt(x + 1)),), domain=((1.2, 8.0),),
     edges="NaN below 1; 0.0 at 1, where the derivative is infinite")  # fmt: skip
row("atanh", 1, same("float"), np.arctanh, "inverse hyperbolic tangent", emit="math",
     deriv=(t / ((1 - x) * (1 + x)),), domain=((-0.9, 0.9),),
     edges="±inf at ±1, NaN beyond; -0.0 stays")  # fmt: skip
row("hypot", 2, same("float"), np.hypot, "sqrt(x² + y²) without overflow or underflow within",
     deriv=(select(ne(out, 0.0), t * (x / out), 0.0), select(ne(out, 0.0), t * (y / out), 0.0)),
     emit="math", props=("commutative",),
     edges="C99: infinite if x or y is, even if the other is NaN; the derivatives at (0, 0) are 0, "
     "as that of |x| is")  # fmt: skip
row("sigmoid", 1, same("float"), _sigmoid, "the logistic function 1/(1 + exp(-x))",
     deriv=(t * (sigmoid(x) * sigmoid(-x)),),
     expand=select(x >= 0.0, 1.0, exp(-abs_(x))) / (1 + exp(-abs_(x))), emit="expand",
     edges="no overflow; the derivative s(x)·s(-x) keeps its digits at both ends")  # fmt: skip
row("softplus", 1, same("float"), _softplus, "log(1 + exp(x))", deriv=(t * sigmoid(x),),
     expand=maximum(x, 0.0) + log1p(exp(-abs_(x))), emit="expand",
     edges="x for large x, exp(x) for very negative x")  # fmt: skip
# x - y, but 0 for two equal infinities (for them only: the gap of equal numbers has a derivative)
_apart = ne(x, y) | eq(x - y, x - y)
_gap, _gap_back = select(_apart, x - y, 0.0), select(_apart, y - x, 0.0)
row("logaddexp", 2, same("float"), np.logaddexp, "log(exp(x) + exp(y))",
     deriv=(t * sigmoid(_gap), t * sigmoid(_gap_back)),
     expand=maximum(x, y) + log1p(exp(-abs_(_gap))), emit="expand", props=("commutative",),
     edges="two equal infinities give that infinity")  # fmt: skip
row("logaddexp2", 2, same("float"), np.logaddexp2, "log2(2**x + 2**y)",
     deriv=(t * sigmoid(_gap * math.log(2)), t * sigmoid(_gap_back * math.log(2))),
     expand=maximum(x, y) + log1p(exp2(-abs_(_gap))) / math.log(2), emit="expand",
     props=("commutative",), edges="two equal infinities give that infinity")  # fmt: skip


def _log1mexp(v: Any) -> Any:
    # Mächler, "Accurately computing log(1 - exp(-|a|))", 2012: the branches meet at -log 2
    v = np.asarray(v)
    return np.where(v > -math.log(2), np.log(-np.expm1(v)), np.log1p(-np.exp(v)))


row("log1mexp", 1, same("float"), _log1mexp, "log(1 - exp(x)) of negative x",
     deriv=(-(t / expm1(-x)),), domain=((-8.0, -0.05),), emit="math",
     edges="-inf at 0, NaN above; -exp(x) where that is lost beside 1, -0.0 at last")  # fmt: skip


def _logit(v: Any) -> Any:
    # 2v - 1 is exact around 1/2, where the quotient would be near 1
    v = np.asarray(v)
    return np.where(np.abs(v - 0.5) < 0.25, 2 * np.arctanh(2 * v - 1), np.log(v / (1 - v)))


row("logit", 1, same("float"), _logit, "log(x / (1 - x)), the inverse of sigmoid",
     deriv=(t / (x * (1 - x)),), domain=((0.05, 0.95),), emit="expand",
     expand=select(abs_(x - 0.5) < 0.25, 2 * atanh(2 * x - 1), log(x / (1 - x))),
     edges="-inf at 0, inf at 1, NaN outside; its digits stay near 1/2")  # fmt: skip

# (cos(pi x) - sinc(x)) / x cancels near 0; its series in x² up to |x| = 1/2, to the last digit
_sinc = [(-1) ** n * math.pi ** (2 * n) * 2 * n / math.factorial(2 * n + 1) for n in range(12)]
_slope = lift(_sinc[11])
for _c in _sinc[10:0:-1]:
    _slope = _c + _slope * (x * x)
row("sinc", 1, same("float"), np.sinc, "sin(pi x) / (pi x)",
     deriv=(t * select(abs_(x) < 0.5, _slope * x, (cos(math.pi * x) - out) / x),), emit="expand",
     expand=select(eq(x, 0.0), 1.0, sin(math.pi * x) / (math.pi * x)),
     edges="1 at 0; NaN at infinities, as NumPy's; the derivative at 0 is 0")  # fmt: skip
