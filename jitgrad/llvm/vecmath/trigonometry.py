"""sin, cos, tan.

x = n pi/2 + r, |r| <= pi/4, with pi/2 in three parts and products exact by FMA, so that r is good
to more than working precision for |x| up to :data:`LIMIT` (Cody & Waite 1980). Lanes beyond it go
to the C library, which reduces by Payne & Hanek's method.
Polynomials are near-minimax fits made as in :mod:`.exponential`.
"""

from __future__ import annotations

from ..text import BITS
from .exponential import divide
from .expr import (
    SIGN,
    X,
    fabs,
    fast_two_sum,
    flip_sign,
    fma,
    magic,
    poly,
    select,
    two_product,
    two_sum,
)
from .library import by_libm, define, rarely

LIMIT = {"f64": 2.0**36, "f32": 2.0**17}
"""Largest |x| of the vector path."""

TWO_OVER_PI = 0.6366197723675814
PI_2 = {
    "f64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
    "f32": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
}
"""pi/2 as an unevaluated sum."""

SIN = {
    "f64": (
        -0.16666666666666632, 0.008333333333322458, -0.00019841269829817213,
        2.7557313689024768e-06, -2.505075694816606e-08, 1.5896695391637254e-10,
    ),
    "f32": (-0.16666655242443085, 0.008332190103828907, -0.0001951840822584927),
}  # fmt: skip
"""(sin(r)/r - 1) / r² in powers of r², error relative to sin 2^-58.0 and 2^-28.0 (f32)."""
COS = {
    "f64": (
        0.0416666666666666, -0.0013888888888874441, 2.4801587289636226e-05,
        -2.755731438743735e-07, 2.0875727056480873e-09, -1.135980255054501e-11,
    ),
    "f32": (0.04166664555668831, -0.00138873013202101, 2.4430672056041658e-05),
}  # fmt: skip
"""(cos(r) - 1 + r²/2) / r⁴ in powers of r², error 2^-64.2 and 2^-33.1 (f32)."""


def reduce(x: X) -> tuple[X, X, X]:
    """The bits of n, and r as an unevaluated sum."""
    first, second, third = PI_2[x.dtype]
    t = fma(x, TWO_OVER_PI, magic(x.dtype))
    n = t - magic(x.dtype)
    exact = fma(n, -first, x)
    product, product_low = two_product(n, -second)
    r, low = two_sum(exact, product)
    return t.bits(), r, fma(n, -third, low + product_low)


def sin_parts(r: X, low: X, z: X) -> tuple[X, X]:
    """sin(r + low) as an unevaluated sum, z = r²."""
    return r, fma(r * z, poly(z, SIN[r.dtype]), low)


def cos_parts(r: X, low: X, z: X, z_low: X | None = None) -> tuple[X, X]:
    """cos(r + low) as an unevaluated sum, z (+ z_low) = r²."""
    high = fma(z, -0.5, 1.0)
    rest = fma(z, -0.5, 1.0 - high)
    if z_low is not None:
        rest = fma(z_low, -0.5, rest)
    return high, rest + fma(z * z, poly(z, COS[r.dtype]), -(r * low))


def _or_libm(name: str, x: X, usual: X) -> X:
    """`usual` up to :data:`LIMIT`; the lanes beyond it, and only those, from the C library."""
    large = fabs(x) > LIMIT[x.dtype]
    return rarely(large, usual, lambda: select(large, by_libm(name, x), usual))


def _second_bit_as_sign(n: X, dtype: str) -> X:
    """The sign bit where bit 1 of `n` is set, else 0."""
    return (n << (BITS[dtype] - 2)) & SIGN[dtype]


def sin(x: X) -> X:
    """Sine."""
    n, r, low = reduce(fabs(x))
    sign = (x.bits() & SIGN[x.dtype]) ^ _second_bit_as_sign(n, x.dtype)
    return _or_libm("sin", x, _quadrant(n, r, low, sign))


def cos(x: X) -> X:
    """Cosine, as the sine a quarter turn further."""
    n, r, low = reduce(fabs(x))
    n = n + 1
    return _or_libm("cos", x, _quadrant(n, r, low, _second_bit_as_sign(n, x.dtype)))


def _quadrant(n: X, r: X, low: X, sign: X) -> X:
    """sin(r + low) or, for odd n, cos(r + low), with the sign bit flipped by `sign`."""
    z = r * r
    s_high, s_low = sin_parts(r, low, z)
    c_high, c_low = cos_parts(r, low, z)
    odd = (n & 1).ne(0)
    return flip_sign(select(odd, c_high + c_low, s_high + s_low), sign)


def tan(x: X) -> X:
    """Tangent: sin/cos, or -cos/sin for odd n, divided with the rounding errors at hand."""
    n, r, low = reduce(fabs(x))
    z, z_low = two_product(r, r)
    s_high, s_low = fast_two_sum(*sin_parts(r, low, z))
    c_high, c_low = fast_two_sum(*cos_parts(r, low, z, z_low))
    odd = (n & 1).ne(0)
    q, q_low = divide(
        select(odd, c_high, s_high), select(odd, c_low, s_low),
        select(odd, s_high, c_high), select(odd, s_low, c_low),
    )  # fmt: skip
    sign = (x.bits() & SIGN[x.dtype]) ^ _second_bit_as_sign(n << 1, x.dtype)
    return _or_libm("tan", x, flip_sign(q + q_low, sign))


define("sin", 1, sin)
define("cos", 1, cos)
define("tan", 1, tan)
