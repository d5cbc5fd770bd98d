"""asinh, acosh, atanh and hypot.

The inverse hyperbolic functions are logarithms of w = |x| + sqrt(x² + 1), |x| + sqrt(x² - 1) and
(1 + |x|) / (1 - |x|), taken of w as an unevaluated sum, so that w - 1 has all its digits where the
result is small.
"""

from __future__ import annotations

from .exponential import LN2, divide
from .expr import (
    BIAS,
    INF,
    MANTISSA,
    NAN,
    X,
    bitcast,
    clamp_above,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    select,
    sqrt,
    two_product,
    two_sum,
)
from .library import define
from .logarithm import log_tail, normal_parts

LARGE = {"f64": 2.0**28, "f32": 2.0**13}
"""From here on w is 2 |x|; below its inverse the result is x."""


def log_of_sum(w: X, low: X, doubled: X | None = None) -> X:
    """log(w + low) for a normal w; log(2 w) in the lanes of the mask `doubled`, if there is one."""
    dtype = w.dtype
    width, bias = MANTISSA[dtype], BIAS[dtype]
    hi, lo = LN2[dtype]
    exponent, m = normal_parts(w)
    # 2^(1-k), as in log1p
    down = bitcast(((2 * bias + 1) - (exponent.bits() & (2 * bias + 1))) << width, dtype)
    f, f_low = fast_two_sum(m - 1.0, low * 0.5 * down)
    top = 2.0**width + bias
    k = exponent - (top if doubled is None else select(doubled, w.constant(top - 1.0), top))
    half_square = f * f * 0.5
    # f_low / (1 + f) to the first order
    tail = fma(k, lo, log_tail(f, half_square) + fma(-f_low, f, f_low))
    return fma(k, hi, f - (half_square - tail))


def _root(square: X, low: X) -> tuple[X, X]:
    """sqrt(square + low) as an unevaluated sum; zero of zero."""
    s = sqrt(square)
    rest = fma(-s, s, square) + low
    return s, rest / (s + s + 2.0 ** (1 - BIAS[s.dtype]))


def asinh(x: X) -> X:
    """Inverse hyperbolic sine."""
    a = fabs(x)
    large = a > LARGE[x.dtype]
    v = clamp_above(a, LARGE[x.dtype])
    q, q_low = two_product(v, v)
    t, t_low = two_sum(q, 1.0)
    s, s_low = _root(t, t_low + q_low)
    w, w_low = two_sum(s, v)
    result = log_of_sum(
        select(large, a, w), select(large, w.constant(0.0), w_low + s_low), large
    )  # fmt: skip
    usual = (a > 1.0 / LARGE[x.dtype]) & (a < INF)
    return select(usual, copysign(result, x), x)


def acosh(x: X) -> X:
    """Inverse hyperbolic cosine; NaN below 1."""
    large = x > LARGE[x.dtype]
    v = clamp_above(x, LARGE[x.dtype])
    q, q_low = two_product(v, v)
    t, t_low = two_sum(q, -1.0)
    s, s_low = _root(*fast_two_sum(t, t_low + q_low))
    w, w_low = two_sum(s, v)
    result = log_of_sum(
        select(large, x, w), select(large, w.constant(0.0), w_low + s_low), large
    )  # fmt: skip
    return select((x >= 1.0) & (x < INF), result, select(x < 1.0, NAN, x))


def atanh(x: X) -> X:
    """Inverse hyperbolic tangent; infinite at 1, NaN beyond."""
    a = fabs(x)
    plus, plus_low = fast_two_sum(a.constant(1.0), a)
    minus, minus_low = fast_two_sum(a.constant(1.0), -a)
    q, q_low = divide(plus, plus_low, minus, minus_low)
    w, w_low = fast_two_sum(q, q_low)
    result = log_of_sum(w, w_low) * 0.5
    result = select(a < 1.0, result, select(a.eq(1.0), result.constant(INF), NAN))
    return select(a > 1.0 / LARGE[x.dtype], copysign(result, x), x)


def hypot(x: X, y: X) -> X:
    """sqrt(x² + y²); both scaled by a power of two where the square of the larger is not good."""
    a, b = fabs(x), fabs(y)
    wide = a > b
    large, small = select(wide, a, b), select(wide, b, a)
    top, step = BIAS[x.dtype] // 2, {"f64": 600, "f32": 100}[x.dtype]
    high = large > 2.0**top
    low = large < 2.0 ** (MANTISSA[x.dtype] - top)
    up = select(low, x.constant(2.0**step), 1.0)
    down = select(low, x.constant(2.0**-step), 1.0)
    up, down = select(high, 2.0**-step, up), select(high, 2.0**step, down)
    large, small = large * up, small * up
    result = sqrt(fma(large, large, small * small)) * down
    return select(a.eq(INF) | b.eq(INF), INF, result)


define("asinh", 1, asinh)
define("acosh", 1, acosh)
define("atanh", 1, atanh)
define("hypot", 2, hypot)
