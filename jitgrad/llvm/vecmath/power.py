"""pow: exp(y log|x|) with the logarithm to about 66 bits, then C99's rules for signs and edges.

log m = 2 s (1 + z/3 + z² P(z)), s = (m - 1) / (m + 1), z = s², in unevaluated sums of two numbers
(Dekker 1971) up to the term z/3. f32 is computed in f64, where plain arithmetic is enough.
"""

from __future__ import annotations

from .exponential import EXP, LN2, LOG2E, power_of_two, scale
from .expr import (
    BIAS,
    INF,
    MANTISSA,
    NAN,
    SIGN,
    X,
    bitcast,
    clamp_above,
    clamp_below,
    convert,
    fabs,
    fast_two_sum,
    floor,
    fma,
    magic,
    poly,
    residue,
    select,
    two_product,
)
from .library import define, rarely
from .logarithm import exponent_and_significand, normal_parts

P = (
    0.20000000000001134, 0.14285714285046874, 0.11111111260516249, 0.09090892132405232,
    0.07693381132477452, 0.06628349008143003, 0.06598741388958812,
)  # fmt: skip
"""atanh(s)/s = 1 + z/3 + z² P(z), error 2^-66.3; fitted as in :mod:`.exponential`."""
THIRD = (0.3333333333333333, 1.850371707708594e-17)

R_F32 = (0.6666666667584547, 0.3999999560477454, 0.2857211114367217, 0.2217609903639678,
         0.19585531076727555)  # fmt: skip
"""R(z) / z of :mod:`.logarithm`, error 2^-44.9."""
EXP_F32 = (1.0, 1.0, 0.5, 0.1666666680541386, 0.041666459252809374, 0.008333275395103834,
           0.0013935432735255166, 0.00019913011216816148)  # fmt: skip
"""e^r, error 2^-33.2."""


def log_parts(x: X) -> tuple[X, X]:
    """log(x) as an unevaluated sum, relative error about 2^-65; x positive and finite."""
    k, m = exponent_and_significand(x)
    f = m - 1.0
    d, d_low = fast_two_sum(f.constant(2.0), f)
    inverse = 1.0 / d
    s = f * inverse
    s_low = fma(s, d_low, residue(s, d, f)) * -inverse
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    # the factor 1/3 + z P(z), then v = s z times it
    c, c_low = fast_two_sum(z.constant(THIRD[0]), z * poly(z, P))
    c_low = c_low + THIRD[1]
    w, w_low = two_product(s, z)
    w_low = fma(s, z_low, fma(s_low, z, w_low))
    v, v_low = two_product(w, c)
    v_low = fma(w, c_low, fma(w_low, c, v_low))
    high, low = LN2["f64"]
    first, rest = fast_two_sum(k * high, s + s)
    first, rest_2 = fast_two_sum(first, v + v)
    tail = fma(k, low, fma(s_low + v_low, 2.0, rest + rest_2))
    return first, tail


def exp_of_sum(high: X, low: X) -> X:
    """exp(high + low); a `high` beyond the range must come with a zero `low`."""
    t = fma(high, LOG2E, magic("f64"))
    n = t - magic("f64")
    r = fma(n, -LN2["f64"][0], high)
    r = r + fma(n, -LN2["f64"][1], low)
    return scale(poly(r, EXP["f64"]), t.bits())


def magnitude_f64(a: X, y: X) -> X:
    """a**y for 0 < a < inf and finite y."""
    high, low = log_parts(a)
    p, p_low = two_product(y, high)
    p_low = fma(y, low, p_low)
    p_low = select(fabs(p) < 800.0, p_low, 0.0)
    return exp_of_sum(clamp_below(clamp_above(p, 710.0), -746.0), p_low)


def magnitude_f32(a32: X, y32: X) -> X:
    """a**y for 0 < a < inf and finite y; every f32 is a normal f64."""
    a, y = convert(a32, "f64"), convert(y32, "f64")
    k, m = normal_parts(a)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    log_m = fma(s, z * poly(z, R_F32), s + s)
    k = k - (2.0 ** MANTISSA["f64"] + BIAS["f64"])
    p = y * fma(k, 0.6931471805599453, log_m)
    p = clamp_below(clamp_above(p, 89.0), -104.0)
    t = fma(p, LOG2E, magic("f64"))
    r = fma(t - magic("f64"), -0.6931471805599453, p)
    return convert(poly(r, EXP_F32) * power_of_two(t.bits(), "f64"), "f32")


def pow(x: X, y: X) -> X:
    """x to the y."""
    a = fabs(x)
    result = magnitude_f64(a, y) if x.dtype == "f64" else magnitude_f32(a, y)
    usual = (x > 0.0) & (x < INF) & (fabs(y) < INF)
    return rarely(~usual, result, lambda: edges(x, y, a, result))


def edges(x: X, y: X, a: X, result: X) -> X:
    """C99's pow where x is not a positive number or y is infinite; `result` is that of |x|."""
    steps = fabs(y)
    infinite = steps.eq(INF)
    end = a.eq(0.0) | a.eq(INF)
    # 0, inf: by the sign of y; y infinite: by that of log|x| times y
    result = select(end, select((y > 0.0) ^ a.eq(0.0), INF, x.constant(0.0)), result)
    grows = select((y > 0.0) ^ (a < 1.0), INF, x.constant(0.0))
    result = select(infinite, select(a.eq(1.0), 1.0, grows), result)
    integer = floor(y).eq(y)
    half = y * 0.5
    odd = integer & floor(half).ne(half)
    negative = (x.bits() & SIGN[x.dtype]).ne(0)
    flipped = bitcast(result.bits() ^ SIGN[x.dtype], x.dtype)
    result = select(negative & odd, flipped, result)
    result = select((x < 0.0) & (a < INF) & ~integer, NAN, result)
    result = select(x.ne(x) | y.ne(y), NAN, result)
    return select(x.eq(1.0) | y.eq(0.0), 1.0, result)


define("pow", 2, pow)
