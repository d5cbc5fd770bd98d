"""Inverse trigonometric functions: atan, atan2, asin, acos.

An arc is c + p(t), c a multiple of pi/4 in two parts and t small; t = (1 - q) / (1 + q) brings a
ratio q > tan(pi/8) below it, asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)) an x above 1/2.
Polynomials are near-minimax fits made as in :mod:`.exponential`.
"""

from __future__ import annotations

from .exponential import divide
from .expr import (
    BIAS,
    INF,
    MANTISSA,
    NAN,
    SIGN,
    X,
    bitcast,
    clamp_above,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    poly,
    select,
    sqrt,
)
from .library import define
from .trigonometry import PI_2

ATAN = {
    "f64": (
        -0.333333333333332, 0.19999999999953763, -0.14285714280211653, 0.11111110784125788,
        -0.09090897774783266, 0.07692060483733186, -0.06663106714848219, 0.05847905823370934,
        -0.0503936609279483, 0.03806579186283563, -0.01790820433508958,
    ),
    "f32": (
        -0.33333316445350647, 0.1999852955341339, -0.14244426786899567, 0.10599425435066223,
        -0.06090613454580307,
    ),
}  # fmt: skip
"""(atan(t)/t - 1) / t² in powers of t², |t| <= tan(pi/8), error 2^-59.5 and 2^-30.4 (f32)."""
ASIN = {
    "f64": (
        0.16666666666666763, 0.07499999999970144, 0.044642857175236576, 0.030381942677837115,
        0.02237221582946557, 0.017351596945347086, 0.013981000399711766, 0.011397447642950184,
        0.010788422301244006, 0.0036756931981356713, 0.021781859038395968,
        -0.021103955814866956, 0.03269399379904772,
    ),
    "f32": (
        0.16666753590106964, 0.07495249807834625, 0.04547654092311859, 0.024148816242814064,
        0.04221846163272858,
    ),
}  # fmt: skip
"""(asin(t)/t - 1) / t² in powers of t², |t| <= 1/2, error 2^-59.8 and 2^-27.6 (f32)."""
TAN_PI_8 = 0.41421356237309503


def _multiple(quarters: X, x: X) -> tuple[X, X]:
    """`quarters` times pi/4 in two parts, for 0, 1, 2, 3 and 4."""
    high, low, _ = PI_2[x.dtype]
    first = quarters * (high / 2)
    return first, fma(quarters, high / 2, -first) + quarters * (low / 2)


def _arc(quarters: X, t: X, tail: X) -> X:
    """quarters pi/4 + t + tail."""
    c, c_low = _multiple(quarters, t)
    high, low = fast_two_sum(c, t)
    return high + (low + (c_low + tail))


def _ratio(small: X, large: X) -> tuple[X, X, X]:
    """atan(small / large) as far * pi/4 + t + tail, for 0 <= small <= large; far is 0 or 1."""
    plus, plus_low = fast_two_sum(large, small)
    minus, minus_low = fast_two_sum(large, -small)
    far = small > large * TAN_PI_8
    t, t_low = divide(
        select(far, -minus, small), select(far, -minus_low, 0.0),
        select(far, plus, large), select(far, plus_low, 0.0),
    )  # fmt: skip
    z = t * t
    return select(far, t.constant(1.0), 0.0), t, fma(t * z, poly(z, ATAN[t.dtype]), t_low)


def atan(x: X) -> X:
    """Arc tangent."""
    a = clamp_above(fabs(x), 2.0**60)
    steep = a > 1.0
    far, t, tail = _ratio(select(steep, 1.0, a), select(steep, a, 1.0))
    # pi/2 less the arc where the ratio was turned over
    quarters = select(steep, 2.0 - far, far)
    flip = select(steep, x.bits().constant(SIGN[x.dtype]), 0)
    t, tail = (bitcast(v.bits() ^ flip, x.dtype) for v in (t, tail))
    return copysign(_arc(quarters, t, tail), x)


def atan2(y: X, x: X) -> X:
    """The angle of the point (x, y)."""
    a, b = fabs(y), fabs(x)
    steep = a > b
    small, large = select(steep, b, a), select(steep, a, b)
    # infinities, and zero over zero, by numbers of the same angle
    endless = large.eq(INF)
    small = select(endless, select(small.eq(INF), 1.0, small.constant(0.0)), small)
    large = select(endless | large.eq(0.0), 1.0, large)
    # away from both ends of the range, where 1 / large and the sum are not good
    top = float(BIAS[x.dtype] // 2)
    factor = select(large < 2.0**-top, x.constant(2.0**top), 1.0)
    factor = select(large > 2.0**top, 2.0**-top, factor)
    small, large = small * factor, large * factor
    # a ratio that will be denormal is made larger, so as to be rounded once
    width = MANTISSA[x.dtype]
    tiny = small < 2.0 ** (4 - BIAS[x.dtype] + width)
    far, t, tail = _ratio(small * select(tiny, x.constant(2.0**width), 1.0), large)
    down = select(tiny, x.constant(2.0**-width), 1.0)
    t, tail = t * down, tail * down
    quarters = select(steep, 2.0 - far, far)
    back = (x.bits() & SIGN[x.dtype]).ne(0)
    quarters = select(back, 4.0 - quarters, quarters)
    flip = select(steep ^ back, x.bits().constant(SIGN[x.dtype]), 0)
    t, tail = (bitcast(v.bits() ^ flip, x.dtype) for v in (t, tail))
    result = copysign(_arc(quarters, t, tail), y)
    return select(x.ne(x) | y.ne(y), NAN, result)


def _asin_parts(a: X) -> tuple[X, X, X]:
    """Lanes with a <= 1/2, and asin(a) there, asin(sqrt((1 - a) / 2)) elsewhere, in two parts."""
    near = a <= 0.5
    z = select(near, a * a, fma(a, -0.5, 0.5))
    root = sqrt(z)
    # what the root lacks; the addend keeps 0/0 away
    root_low = fma(-root, root, z) / (root + root + 2.0 ** (1 - BIAS[a.dtype]))
    t = select(near, a, root)
    return near, t, fma(t * z, poly(z, ASIN[a.dtype]), select(near, 0.0, root_low))


def asin(x: X) -> X:
    """Arc sine; NaN beyond 1."""
    near, t, tail = _asin_parts(fabs(x))
    factor = select(near, x.constant(1.0), -2.0)
    quarters = select(near, x.constant(0.0), 2.0)
    return copysign(_arc(quarters, t * factor, tail * factor), x)


def acos(x: X) -> X:
    """Arc cosine; NaN beyond 1."""
    near, t, tail = _asin_parts(fabs(x))
    # pi/2 - asin(x) near 0; else twice the half angle, or pi less that for negative x
    negative = x < 0.0
    quarters = select(near, 2.0, select(negative, x.constant(4.0), 0.0))
    factor = select(near, x.constant(-1.0), 2.0)
    factor = select(negative, -factor, factor)
    return _arc(quarters, t * factor, tail * factor)


define("atan", 1, atan)
define("atan2", 2, atan2)
define("asin", 1, asin)
define("acos", 1, acos)
