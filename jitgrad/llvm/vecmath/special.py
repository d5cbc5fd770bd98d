"""erf, cbrt, sqrt."""

from __future__ import annotations

from .exponential import EXP, power_of_two, reduce
from .expr import (
    INF,
    X,
    clamp_above,
    copysign,
    fabs,
    fma,
    magic,
    poly,
    select,
    sqrt,
    two_product,
)
from .library import define
from .logarithm import exponent_and_significand

ERF = {
    "f64": (
        0.1283791670955126, -0.3761263890318409, 0.11283791670970753, -0.026866170647966082,
        0.005223977652098876, -0.0008548328504838538, 0.00012055385197335368,
        -1.4926861008566306e-05, 1.6480789638071106e-06, -1.655492189636568e-07,
        1.6002820611827022e-08, -1.6441861291340474e-09, 1.4334263630731245e-10,
    ),
    "f32": (
        0.12837916612625122, -0.3761262595653534, 0.11283578723669052, -0.026853354647755623,
        0.005187200848013163, -0.0007998463697731495, 7.809921953594312e-05,
    ),
}  # fmt: skip
"""erf(x)/x - 1 in powers of x², |x| <= 1, relative error 2^-56.3 and 2^-29.4 (f32)."""
LOG_ERFC = {
    "f64": (
        -1.8496055099332482, -2.6389675142347837, -0.8431072563591049, -0.04156109803027671,
        0.010033825226575829, -0.001977901479935994, 0.00023731739901363975,
        2.6293905720879756e-05, -2.719465680079201e-05, 9.665803235453185e-06,
        -2.1266641650187574e-06, 2.0113893882578576e-07, 5.988369930094833e-08,
        -3.407951496504281e-08, 8.695966467833338e-09, -1.3493444008133623e-09,
        1.2239279338684113e-10, -5.004655569849545e-12,
    ),
    "f32": (
        -1.8496055603027344, -2.6389658451080322, -0.8431029319763184, -0.041700053960084915,
        0.010587052442133427, -0.0028411056846380234, 0.000834124453831464,
        -0.00014888371515553445,
    ),
}  # fmt: skip
"""log(erfc(x)) in powers of x - 1, 1 <= x <= TOP; error relative to erf 2^-56.9, 2^-26.6 (f32)."""
TOP = {"f64": 5.95, "f32": 4.0}
"""erf rounds to 1 from here on."""

CBRT = (
    0.4516690671443939, 0.9047815203666687, -0.535534143447876, 0.21684880554676056,
    -0.0377609059214592,
)  # fmt: skip
"""The cube root on sqrt(1/2) .. sqrt(2), relative error 2^-16.7."""


def erf(x: X) -> X:
    """The error function: x + x P(x²) up to 1, 1 - exp(Q(x)) beyond. Fits as in exponential."""
    a = clamp_above(fabs(x), TOP[x.dtype])
    near = fma(a, poly(a * a, ERF[x.dtype]), a)
    v = poly(a - 1.0, LOG_ERFC[x.dtype])
    bits, r, _ = reduce(v)
    far = 1.0 - poly(r, EXP[x.dtype]) * power_of_two(bits, x.dtype)
    return copysign(select(a > 1.0, far, near), x)


def cbrt(x: X) -> X:
    """The real cube root: a polynomial, then two corrections by the relative residual."""
    a = fabs(x)
    k, m = exponent_and_significand(a)
    t = fma(k, 1 / 3, magic(x.dtype))
    third = t - magic(x.dtype)
    left = fma(third, -3.0, k)  # -1, 0 or 1
    up, down = left > 0.0, left < 0.0
    c = m * select(up, 2.0, select(down, m.constant(0.5), 1.0))
    y = poly(m, CBRT)
    y = y * select(up, 1.2599210498948732, select(down, y.constant(0.7937005259840998), 1.0))
    inverse = (1 / 3) / c
    e = fma(y * y, y, -c) * inverse
    y = fma(y * e, fma(e, 2.0, -1.0), y)  # (1 + 3e)^(-1/3) to e²
    square, square_low = two_product(y, y)
    rest = fma(y, square, -c) + y * square_low
    y = fma(-(rest * inverse), y, y)
    root = copysign(y * power_of_two(t.bits(), x.dtype), x)
    return select((a > 0.0) & (a < INF), root, x)


define("erf", 1, erf)
define("cbrt", 1, cbrt)
define("sqrt", 1, sqrt, needs_fma=False)
