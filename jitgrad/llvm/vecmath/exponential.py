"""Exponentials: exp, exp2, expm1, tanh, sinh, cosh.

x = n ln 2 + r with |r| <= ln 2 / 2 (Cody & Waite 1980) and e^r by a polynomial: near-minimax fits,
weighted least squares at Chebyshev points with Lawson's reweighting in 300 bits, coefficients
rounded to the dtype one after the other and the rest refitted.
"""

from __future__ import annotations

from .expr import (
    BIAS,
    MANTISSA,
    X,
    bitcast,
    clamp_above,
    clamp_below,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    magic,
    poly,
    residue,
    select,
    two_product,
    two_sum,
)
from .library import define

LOG2E = 1.4426950408889634
LN2 = {
    "f64": (0.6931471805598903, 5.497923018708371e-14),
    "f32": (0.693145751953125, 1.428606765330187e-06),
}
"""ln 2 in two parts; n times the first is exact for every exponent n."""

EXP = {
    "f64": (
        1.0, 1.0, 0.5, 0.16666666666666685, 0.0416666666666027, 0.008333333333314645,
        0.0013888888927313333, 0.0001984126990346323, 2.4801508027042447e-05,
        2.755722730511316e-06, 2.7625448624268804e-07, 2.5114721787017706e-08,
    ),
    "f32": (
        1.0, 1.0, 0.5, 0.1666651964187622, 0.04166640341281891, 0.008368821814656258,
        0.0013940518256276846,
    ),
}  # fmt: skip
"""e^r, relative error 2^-57.3 and 2^-28.2 (f32)."""

EXPM1 = {
    "f64": (
        0.5, 0.16666666666666677, 0.04166666666666668, 0.008333333333321433,
        0.0013888888888877121, 0.000198412698865996, 2.4801587341732926e-05,
        2.7557243753086437e-06, 2.7557257967082067e-07, 2.5109190609361505e-08,
        2.0919946277402704e-09,
    ),
    "f32": (
        0.5, 0.1666666716337204, 0.04166648909449577, 0.008333208039402962,
        0.0013932674191892147, 0.00019944238010793924,
    ),
}  # fmt: skip
"""(e^r - 1 - r) / r², error relative to e^r - 1."""

OVERFLOW = {"f64": 710.0, "f32": 89.0}
"""exp is infinite from here on."""
UNDERFLOW = {"f64": -746.0, "f32": -104.0}
"""exp is zero from here down."""


def power_of_two(low_bits: X, dtype: str, offset: int = 0) -> X:
    """2**(n + offset), exactly, for n in the low bits of an integer; must be a normal number."""
    return bitcast((low_bits + (BIAS[dtype] + offset)) << MANTISSA[dtype], dtype)


def scale(p: X, n: X) -> X:
    """p * 2**n, also into the denormals with one rounding: two factors of about 2**(n/2).

    `n` are integers that hold it in their low bits on top of those of :func:`magic`, which stay
    out of the low bits when shifted right by one.
    """
    half = n >> 1
    return p * power_of_two(half, p.dtype) * power_of_two(n - half, p.dtype)


def reduce(v: X) -> tuple[X, X, X]:
    """n on top of the bits of :func:`magic`, r and its rounding error, for v = n ln 2 + r."""
    hi, lo = LN2[v.dtype]
    t = fma(v, LOG2E, magic(v.dtype))
    n = t - magic(v.dtype)
    exact = fma(n, -hi, v)
    r = fma(n, -lo, exact)
    return t.bits(), r, fma(n, -lo, exact - r)


def exp(x: X) -> X:
    """e to the x."""
    v = clamp_below(clamp_above(x, OVERFLOW[x.dtype]), UNDERFLOW[x.dtype])
    bits, r, _ = reduce(v)
    return scale(poly(r, EXP[x.dtype]), bits)


def exp_parts(v: X, low: X) -> tuple[X, X, X]:
    """The bits of n on top of those of :func:`magic`; e^(v + low) 2^-n as an unevaluated sum."""
    bits, r, r_low = reduce(v)
    r, r_low = two_sum(r, r_low + low)
    tail = fma(r * r, poly(r, EXPM1[v.dtype]), fma(r_low, r, r_low))
    one, rest = fast_two_sum(1.0, r)
    return bits, *fast_two_sum(one, rest + tail)


LN2_NEAREST = 0.6931471805599453


def exp2(x: X) -> X:
    """2 to the x."""
    top = BIAS[x.dtype] + 1.0
    v = clamp_below(clamp_above(x, top), -top - MANTISSA[x.dtype] - 1)
    t = v + magic(x.dtype)
    n = t - magic(x.dtype)
    return scale(poly((v - n) * LN2_NEAREST, EXP[x.dtype]), t.bits())


def expm1_parts(v: X, shift: int) -> tuple[X, X]:
    """(e**v - 1) * 2**-shift as an unevaluated sum whose second part need not be small.

    With s = 2**n the sum s·r + (s - 1) is exact in its parts, since |s - 1| >= |s·r| or s = 1.
    """
    bits, r, r_low = reduce(v)
    s = power_of_two(bits, v.dtype, -shift)
    less = s - 2.0**-shift
    less_low = (s - less) - 2.0**-shift
    high, low = fast_two_sum(less, s * r)
    square, square_low = two_product(r, r)
    tail = fma(square, poly(r, EXPM1[v.dtype]), fma(square_low, 0.5, r_low))
    return high, fma(s, tail, low + less_low)


def expm1(x: X) -> X:
    """exp(x) - 1 without cancellation."""
    v = clamp_below(clamp_above(x, OVERFLOW[x.dtype]), -40.0)
    high, low = expm1_parts(v, 1)
    # for tiny x the result is x, and halving it would lose a denormal's last bit
    return select(fabs(x) < 2.0 ** -(MANTISSA[x.dtype] + 2), x, (high + low) * 2.0)


def divide(high: X, low: X, d_high: X, d_low: X) -> tuple[X, X]:
    """(high + low) / (d_high + d_low) as an unevaluated sum."""
    inverse = 1.0 / d_high
    q = high * inverse
    rest = (low - q * d_low) - residue(q, d_high, high)
    return q, rest * inverse


def tanh(x: X) -> X:
    """Hyperbolic tangent: (e^2|x| - 1) / (e^2|x| + 1)."""
    a = clamp_above(fabs(x), 20.0)
    high, low = fast_two_sum(*expm1_parts(a + a, 0))
    d, d_low = two_sum(high, 2.0)
    q, q_low = divide(high, low, d, d_low + low)
    return copysign(q + q_low, x)


def sinh(x: X) -> X:
    """Hyperbolic sine: (m + m / (m + 1)) / 2 with m = e^|x| - 1, everything a fourth."""
    a = clamp_above(fabs(x), OVERFLOW[x.dtype] + 0.5)
    high, low = fast_two_sum(*expm1_parts(a, 2))
    d, d_low = two_sum(high, 0.25)
    q, q_low = divide(high, low, d, d_low + low)
    total, rest = fast_two_sum(high, q * 0.25)
    result = copysign((total + (rest + fma(q_low, 0.25, low))) * 2.0, x)
    return select(fabs(x) < 2.0 ** -(MANTISSA[x.dtype] // 2 + 2), x, result)


def cosh(x: X) -> X:
    """Hyperbolic cosine: (e^|x| + e^-|x|) / 2, everything a half."""
    a = clamp_above(fabs(x), OVERFLOW[x.dtype] + 0.5)
    high, low = fast_two_sum(*expm1_parts(a, 2))
    e, e_low = two_sum(high, 0.25)
    total, rest = fast_two_sum(e, 0.0625 / e)
    return (total + (rest + (e_low + low))) * 2.0


define("exp", 1, exp)
define("exp2", 1, exp2)
define("expm1", 1, expm1)
define("tanh", 1, tanh)
define("sinh", 1, sinh)
define("cosh", 1, cosh)
