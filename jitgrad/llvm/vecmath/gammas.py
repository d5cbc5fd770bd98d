"""gammaln and gamma.

Up to 4.5 the argument is brought to 3/2 .. 5/2 by at most two factors, where both are polynomials
in the distance from 2; their logarithm, or they themselves, stand beside it. Beyond, it is
Stirling's series with a fitted remainder. Below -1/2, behind a branch, the reflection formula.
Fits made as in :mod:`.exponential`.
"""

from __future__ import annotations

from .exponential import divide, exp_parts, scale
from .expr import (
    INF,
    NAN,
    X,
    clamp_above,
    convert,
    copysign,
    fabs,
    fast_two_sum,
    floor,
    fma,
    intrinsic,
    magic,
    number,
    poly,
    select,
    two_product,
    two_sum,
)
from .library import define, rarely
from .logarithm import log_sum_parts
from .power import log_parts

SERIES = 4.5
"""Stirling's series from here on."""
LGAMMA_2 = {
    "f64": (0.42278433509846713, 4.942915152430645e-18),
    "f32": (0.42278432846069336, 6.637773886097875e-09),
}
"""1 - Euler's constant."""
LGAMMA = {
    "f64": (
        0.3224670334241132, -0.06735230105319812, 0.02058080842778708, -0.007385551028670142,
        0.002890510330596566, -0.0011927539119310517, 0.000509669528816541, -0.0002231547520313532,
        9.945744780884265e-05, -4.492633747020997e-05, 2.0507843002304148e-05,
        -9.438545130798558e-06, 4.371052088170221e-06, -2.044596865400526e-06,
        9.69404035629152e-07, -4.310141964937308e-07, 1.8094424544315858e-07,
        -1.3356561560307015e-07, 8.174102691485651e-08,
    ),
    "f32": (
        0.32246702909469604, -0.0673522874712944, 0.020580939948558807, -0.007386079989373684,
        0.00288935168646276, -0.0011863925028592348, 0.0005124880699440837, -0.0002528296899981797,
        0.0001048229169100523,
    ),
}  # fmt: skip
"""(log gamma(2 + u) / u - LGAMMA_2) / u, |u| <= 1/2, error 2^-59.6 and 2^-29.8 (f32)."""
GAMMA = (
    0.42278433509846713, 0.4118403304264397, 0.08157691924708728, 0.0742490107535149,
    -0.0002669820688167081, 0.011154045718035606, -0.002852645818644063, 0.0021039333444760402,
    -0.000919573889425234, 0.0004903883706755696, -0.00024094080278706405, 0.00012167481978790825,
    -6.079799494387329e-05, 3.044556068120237e-05, -1.5208181522319088e-05, 7.661432695343729e-06,
    -3.901567589986401e-06, 1.7872017717619967e-06, -7.73765037035778e-07, 6.717039929991405e-07,
    -4.248877340120569e-07,
)  # fmt: skip
"""(gamma(2 + u) - 1) / u, |u| <= 1/2, error 2^-62.6."""
STIRLING = {
    "f64": (
        0.08333333333333087, -0.002777777776380229, 0.0007936505068363255, -0.0005952085160224827,
        0.000840003585442574, -0.0018547899988804618, 0.0050098022369702054, -0.009975846487709357,
    ),
    "f32": (
        0.0833333358168602, -0.0027779839001595974, 0.000797909451648593, -0.000580364081542939,
    ),
}  # fmt: skip
"""x times what log gamma(x) is more than (x - 1/2) log x - x + log(2 pi)/2, by 1/x², x >= 4.5;
error 2^-60.5 and 2^-37 of log gamma."""
HALF_LOG_2PI = {
    "f64": (0.9189385332046728, -3.8782941580672414e-17),
    "f32": (0.9189385175704956, 1.563417661998301e-08),
}
LOG_PI = {
    "f64": (1.1447298858494002, 1.0265951162707826e-17),
    "f32": (1.1447298526763916, 3.317300922844879e-08),
}
PI = {
    "f64": (3.141592653589793, 1.2246467991473532e-16),
    "f32": (3.1415927410125732, -8.742277657347586e-08),
}
SIN_PI = {
    "f64": (
        -5.16771278004997, 2.5501640398773677, -0.5992645293216061, 0.08214588662620965,
        -0.007370431104977161, 0.00046630380507435223, -2.1919033075470576e-05,
        8.025026974203578e-07, -2.8773089174797045e-08,
    ),
    "f32": (
        -5.167712688446045, 2.5501608848571777, -0.5992264747619629, 0.0819392129778862,
        -0.006858780514448881,
    ),
}  # fmt: skip
"""(sin(pi r)/r - pi) / r² in powers of r², |r| <= 1/2, error 2^-61.9 and 2^-31.7 (f32)."""


def sin_pi(r: X) -> tuple[X, X]:
    """sin(pi r) as an unevaluated sum, |r| <= 1/2."""
    high, low = PI[r.dtype]
    cubic, *higher = SIN_PI[r.dtype]
    z, z_low = two_product(r, r)
    a, a_low = two_product(z, cubic)
    s, s_low = fast_two_sum(r.constant(high), a)
    s_low = s_low + fma(z * z, poly(z, tuple(higher)), a_low + fma(z_low, cubic, low))
    p, p_low = two_product(r, s)
    return fast_two_sum(p, fma(r, s_low, p_low))


def from_integer(a: X) -> tuple[X, X]:
    """The nearest integer, and the rest, exactly; NaN for infinities."""
    n = intrinsic("rint", a)
    return n, a - n


def product(a: X, a_low: X, b: X, b_low: X) -> tuple[X, X]:
    """(a + a_low) (b + b_low) as an unevaluated sum."""
    p, low = two_product(a, b)
    return fast_two_sum(p, low + fma(a, b_low, a_low * b))


def shifted(v: X) -> tuple[X, X, X, X]:
    """For -1/2 < v <= 4.5: lanes to divide instead of multiply, distance from 2, |factor|."""
    n = (v + magic(v.dtype)) - magic(v.dtype)
    less = n < 1.5
    one = v.constant(1.0)
    first = select(less, fabs(v), select(n > 2.5, v - 1.0, one))
    second, second_low = fast_two_sum(one, v)
    zero = n < 0.5
    second = select(zero, second, select(n > 3.5, v - 2.0, one))
    w, w_low = two_product(first, second)
    return less, v - n, w, fma(first, select(zero, second_low, 0.0), w_low)


def lgamma_parts(a: X) -> tuple[X, X]:
    """log |gamma(a)| as an unevaluated sum, a > -1/2 and finite."""
    d = a.dtype
    large = a > SERIES
    less, u, w, w_low = shifted(clamp_above(a, SERIES))
    high, low = log_sum_parts(select(large, a, w), select(large, 0.0, w_low))
    # u (c + …) ± log, or a (log - 1) - log/2 + …
    c, c_low = LGAMMA_2[d]
    less_1, less_1_low = fast_two_sum(high, high.constant(-1.0))
    inverse = 1.0 / a
    series = fma(high, -0.5, inverse * poly(inverse * inverse, STIRLING[d])) + HALF_LOG_2PI[d][0]
    flip = select(less, a.constant(-1.0), 1.0)
    factor = select(large, a, u)
    p, p_low = two_product(factor, select(large, less_1, c))
    rest = select(large, less_1_low + low, fma(u, poly(u, LGAMMA[d]), c_low))
    p_low = fma(factor, rest, number(p_low))
    total, total_low = two_sum(p, select(large, series, high * flip))
    return total, number(total_low + (p_low + select(large, 0.0, low * flip)))


def gammaln(x: X) -> X:
    """log |gamma(x)|; infinite at the poles and both infinities."""
    a = fabs(x)
    negative = x <= -0.5
    high, low = lgamma_parts(select(negative, a, x))
    usual = select(x.eq(0.0) | a.eq(INF), INF, high + low)

    def reflected() -> X:
        _, r = from_integer(a)
        p, p_low = product(*sin_pi(fabs(r)), a, a.constant(0.0))
        log, log_low = log_sum_parts(p, p_low)
        c, c_low = LOG_PI[x.dtype]
        first, rest = two_sum(-log, c)
        second, rest_2 = two_sum(first, -high)
        result = second + (number(rest + rest_2 - (low + log_low)) + c_low)
        pole = r.eq(0.0) | a.eq(INF)
        return select(negative, select(pole, INF, result), usual)

    return rarely(negative, usual, reflected)


def gamma(x: X) -> X:
    """The gamma function; NaN at negative integers, infinite at zeros."""
    if x.dtype == "f32":
        return convert(gamma(convert(x, "f64")), "f32")
    a = fabs(x)
    negative = x <= -0.5
    v = select(negative, a, x)
    less, u, w, w_low = shifted(clamp_above(v, SERIES))
    p, p_low = fast_two_sum(u.constant(1.0), u * poly(u, GAMMA))
    up, up_low = product(p, p_low, w, w_low)
    one, zero = u.constant(1.0), u.constant(0.0)
    small, small_low = divide(
        select(less, p, up), select(less, p_low, up_low),
        select(less, w, one), select(less, w_low, zero),
    )  # fmt: skip
    # the exponent of Stirling's formula; infinite, or zero by reflection, well before 200
    b = clamp_above(v, 200.0)
    log, log_low = fast_two_sum(*log_parts(select(v > SERIES, b, SERIES)))
    less_1, less_1_low = fast_two_sum(log, log.constant(-1.0))
    e, e_low = two_product(b, less_1)
    e_low = fma(b, less_1_low, fma(b - 0.5, log_low, e_low))
    inverse = 1.0 / b
    c, c_low = HALF_LOG_2PI["f64"]
    c_high, c_rest = fast_two_sum(
        u.constant(c), inverse * poly(inverse * inverse, STIRLING["f64"])
    )  # fmt: skip
    e, rest = two_sum(e, log * -0.5)
    e, rest_2 = two_sum(e, c_high)
    rest = rest + rest_2 + (e_low + (c_rest + c_low))
    bits, m, m_low = exp_parts(*fast_two_sum(e, rest))
    large = v > SERIES
    m, m_low = select(large, m, small), select(large, m_low, small_low)
    whole = bits.constant(magic_bits())
    bits = select(large, bits, whole)
    # tiny: 1/x, infinite in time
    usual = copysign(scale(m + m_low, bits), x)
    usual = select(a < 2.0**-60, 1.0 / x, usual)

    def reflected() -> X:
        n, r = from_integer(a)
        s, s_low = sin_pi(r)
        d, d_low = product(*product(s, s_low, a, zero), m, m_low)
        q, q_low = divide(u.constant(PI["f64"][0]), u.constant(PI["f64"][1]), d, d_low)
        half = n * 0.5
        odd = floor(half).ne(half)
        result = scale(q + q_low, (whole << 1) - bits)
        result = select(odd, result, -result)
        return select(negative, select(r.ne(0.0), result, NAN), usual)

    return rarely(negative, usual, reflected)


def magic_bits() -> int:
    """The bits of :func:`magic` of f64, as a signed integer."""
    return (1023 + 52) << 52 | 1 << 51


define("gammaln", 1, gammaln, libm=False)
define("gamma", 1, gamma, libm=False)
