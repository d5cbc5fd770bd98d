"""Elementwise rows of mathematical functions: exponentials, powers, trigonometry, error functions.

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
    cos,
    eq,
    exp,
    log,
    log1p,
    maximum,
    ne,
    not_,
    out,
    select,
    sigmoid,
    sin,
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


def _erf(v: Any) -> Any:
    # NumPy has none; Python's is the C library's, good to an ULP
    v = np.asarray(v)
    return np.array([math.erf(a) for a in v.ravel().tolist()], v.dtype).reshape(v.shape)


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
row("log", 1, same("float"), np.log, "natural logarithm", deriv=(t / x,), emit="math",
     domain=(POS,), edges="-inf at 0, NaN below")  # fmt: skip
row("log1p", 1, same("float"), np.log1p, "log(1 + x) without cancellation",
     deriv=(t / (1 + x),), emit="math", domain=((-0.9, 4.0),), edges="-inf at -1")  # fmt: skip
row("sqrt", 1, same("float"), np.sqrt, "square root", deriv=(t * 0.5 / out,), emit="sqrt",
     domain=(POS,), edges="-0.0 stays, NaN below; the derivative at 0 is infinite")  # fmt: skip
row("pow", 2, same("float"), np.power, "x to the y", deriv=_pow_grad, emit="math",
     domain=(POS, R), edges="C99: x**0 is 1 and 1**y is 1, even for NaN; NaN for a negative x "
     "and a y that is no integer")  # fmt: skip
row("sin", 1, same("float"), np.sin, "sine", deriv=(t * cos(x),), emit="math")
row("cos", 1, same("float"), np.cos, "cosine", deriv=(-(t * sin(x)),), emit="math")
row("tan", 1, same("float"), np.tan, "tangent", deriv=(t * (1 + out * out),), emit="math",
     domain=((-1.2, 1.2),), edges="never infinite: no float is a pole")  # fmt: skip
row("tanh", 1, same("float"), np.tanh, "hyperbolic tangent", deriv=(t * (1 - out * out),),
     emit="math", edges="the derivative 1 - tanh² rounds to 0 for |x| > 19")  # fmt: skip
row("erf", 1, same("float"), _erf, "the error function", emit="math",
     deriv=(t * (2 / math.sqrt(math.pi)) * exp(-(x * x)),),
     edges="±1 from |x| = 6 on (f64)")  # fmt: skip
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
