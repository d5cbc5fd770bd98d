"""digamma and polygamma.

digamma on 1 .. 2 is its distance from the zero there times a polynomial; one reciprocal brings
0 .. 1 and 2 .. 3 to it, and beyond it is log(x - 1/2) and a fitted series. polygamma of any order
is a sum of powers and Euler & Maclaurin's remainder. Negative arguments go by reflection, behind a
branch. Fits made as in :mod:`.exponential`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...ir.special import BERNOULLI, cotangent_derivative
from .exponential import divide
from .expr import (
    INF,
    NAN,
    X,
    convert,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    number,
    poly,
    residue,
    select,
    two_product,
    two_sum,
)
from .gammas import PI, from_integer, product, sin_pi
from .library import define, rarely
from .logarithm import log_sum_parts

if TYPE_CHECKING:
    from fractions import Fraction

ROOT = {
    "f64": (1.4616321449683622, 9.549995429965697e-17),
    "f32": (1.4616321325302124, 1.243815006546356e-08),
}
"""The positive zero, in two parts; those of it less and plus 1 below."""
ROOT_LESS = {
    "f64": (0.46163214496836236, -1.5522348162858677e-17),
    "f32": (0.4616321325302124, 1.243815006546356e-08),
}
ROOT_MORE = {
    "f64": (2.4616321449683625, -1.2654465062537432e-16),
    "f32": (2.461632251739502, -1.0677113948531769e-07),
}
MIDDLE = {
    "f64": (0.9510558760318328, 4.330743078649653e-17),
    "f32": (0.9510558843612671, -8.329434031395522e-09),
}
"""digamma(x) / (x - root) at 3/2."""
NEAR = {
    "f64": (
        -0.42362742128146047, 0.24054248424078722, -0.14840492305392383, 0.0949887244528437,
        -0.06192213327114166, 0.040760833943983533, -0.026975796865506784, 0.017907248212759262,
        -0.011908214666116926, 0.007927023799784489, -0.005280025397139582, 0.003518082829643612,
        -0.0023445760039131802, 0.0015635494056345975, -0.001042742340437422,
        0.0006900535046403189, -0.0004579090941668046, 0.00032658071822150075,
        -0.0002234141130903045, 9.209071746936115e-05, -5.257022667360038e-05,
        0.00012206466034339917, -8.734369849281294e-05,
    ),
    "f32": (
        -0.42362740635871887, 0.24054260551929474, -0.14840589463710785, 0.09498193860054016,
        -0.06190061196684837, 0.04088328778743744, -0.02719767577946186, 0.016956288367509842,
        -0.010752175934612751, 0.011163529939949512, -0.008157424628734589,
    ),
}  # fmt: skip
"""The same less that by u = x - 3/2, over u, |u| <= 1/2; error 2^-59.6 and 2^-29.3 (f32)."""
SERIES = 3.0
FAR = {
    "f64": (
        0.04166666666665081, -0.007291666659293291, 0.0038442447790567637, -0.004134003745974888,
        0.007554985215170056, -0.020867367793555667, 0.07781374323904446, -0.33732949705022325,
        1.4334046737762227, -5.130032925224555, 13.562693451949016, -22.745074684699457,
        17.85416975527609,
    ),
    "f32": (
        0.0416666641831398, -0.007291391026228666, 0.0038332908879965544, -0.003919251728802919,
        0.005185914691537619, -0.0047599212266504765,
    ),
}  # fmt: skip
"""(digamma(y + 1/2) - log(y)) y² in powers of 1/y², y >= 5/2; error 2^-58 and 2^-38 (f32)."""


PI_LONG = "3.14159265358979323846264338327950288419716939937510"


def _cot_pi(r: X) -> tuple[X, X]:
    """cot(pi r) as an unevaluated sum, |r| <= 1/2."""
    a = fabs(r)
    far = a > 0.25
    b = select(far, 0.5 - a, a)  # exact
    s, s_low = sin_pi(b)
    half, half_low = sin_pi(b * 0.5)
    q, q_low = product(half, half_low, half * 2.0, half_low * 2.0)
    c, c_low = fast_two_sum(a.constant(1.0), -q)
    c_low = c_low - q_low
    q, q_low = divide(
        select(far, s, c), select(far, s_low, c_low), select(far, c, s), select(far, c_low, s_low)
    )
    return copysign(q, r), select(r < 0.0, -q_low, q_low)


def digamma(x: X) -> X:
    """The derivative of log gamma; NaN at negative integers, infinite at zeros."""
    d = x.dtype
    a = fabs(x)
    below, above, large = a < 1.0, a >= 2.0, a >= SERIES
    one, zero = a.constant(1.0), a.constant(0.0)

    def by_range(values: tuple[float, float, float]) -> X:
        return select(below, values[0], select(above, a.constant(values[2]), values[1]))

    root = [by_range((low, mid, up)) for low, mid, up in zip(ROOT_LESS[d], ROOT[d], ROOT_MORE[d])]
    gap, gap_low = two_sum(a, -root[0])
    u = a - by_range((0.5, 1.5, 2.5))
    c, c_low = MIDDLE[d]
    s, s_low = fast_two_sum(a.constant(c), fma(u, poly(u, NEAR[d]), c_low))
    near, near_low = product(gap, gap_low - root[1], s, s_low)
    y = a - 0.5
    divisor = select(large, y * y, select(below, a, a - 1.0))
    inverse = 1.0 / divisor
    rest = number(residue(inverse, divisor, one) * -inverse)
    sign = by_range((-1.0, 0.0, 1.0))
    total, total_low = two_sum(near, select(sign.eq(0.0), zero, inverse * sign))
    total_low = number(total_low + fma(rest, sign, near_low))
    log, log_low = log_sum_parts(y)
    total = select(large, log, total)
    total_low = select(large, fma(inverse, poly(inverse, FAR[d]), log_low), total_low)
    usual = select(a.eq(INF), INF, total + total_low)
    usual = select(a.eq(0.0), copysign(a.constant(INF), -x), usual)
    negative = x < 0.0

    def reflected() -> X:
        # digamma(a) + 1/a + pi cot(pi a), and the first two are digamma(a + 1)
        _, r = from_integer(a)
        q, q_low = product(*_cot_pi(r), *(a.constant(v) for v in PI[d]))
        add = select(below, zero, 1.0 / a)
        h, h_low = select(below, near, total), select(below, near_low, total_low)
        first, rest_1 = two_sum(q, h)
        second, rest_2 = two_sum(first, add)
        result = second + number(rest_1 + rest_2 + (h_low + number(q_low)))
        result = select(a < 2.0**-60, 1.0 / a, result)  # before cot becomes infinite
        return select(negative, select(r.ne(0.0), result, NAN), usual)

    return rarely(negative, usual, reflected)


def _power(a: X, a_low: X, n: int, multiply: Callable[..., tuple[X, X]]) -> tuple[X, X]:
    """(a + a_low)^n as an unevaluated sum; n >= 1."""
    p, p_low = a, a_low
    for bit in bin(n)[3:]:
        p, p_low = multiply(p, p_low, p, p_low)
        if bit == "1":
            p, p_low = multiply(p, p_low, a, a_low)
    return p, p_low


def _product(a: X, a_low: X, b: X, b_low: X) -> tuple[X, X]:
    """As :func:`product`, and infinite without NaN."""
    p, low = two_product(a, b)
    p, low = fast_two_sum(p, number(low + fma(a, b_low, a_low * b)))
    return p, number(low)


def _parts(value: Fraction) -> tuple[float, float]:
    """A number as an unevaluated sum."""
    high = float(value)
    return high, float(value - value.from_float(high))


def _plan(n: int) -> tuple[int, list[float]]:
    """From where on Euler & Maclaurin's sum is good to 2^-58, and its coefficients by n!."""
    c = [p / q * math.comb(2 * k + n - 1, n) / (2 * k) for k, (p, q) in enumerate(BERNOULLI, 1)]
    least = 2
    while abs(c[-1]) * n > 2.0**-58 * float(least) ** (2 * len(c)):
        least += 1
    return least, c[:-1]


def polygamma(x: X, n: int) -> X:
    """The n-th derivative of digamma, n >= 1; f32 by way of f64.

    Everything is by n! and of 1/x times a power of two, `up`, that leaves little of n!: neither
    powers nor n! leave the range before the result does. Large x take twice `up`.
    """
    from fractions import Fraction  # takes 3 ms to load

    if x.dtype == "f32":
        return convert(polygamma(convert(x, "f64"), n), "f32")
    least, coefficients = _plan(n)
    factorial = math.factorial(n)
    step = (factorial.bit_length() - 1) // n
    up, down = 2.0**step, 2.0**-step
    factor, factor_low = _parts(Fraction(factorial, 1 << step * n))
    a = fabs(x)
    small = a < float(least)
    zero = a.constant(0.0)

    def inverse(v: X, v_low: X) -> tuple[X, X]:
        q = up / v
        return q, fma(q, v_low, residue(q, v, v.constant(up))) * (q * -down)

    q, q_low = inverse(a, zero)
    first, first_low = _power(q, number(q_low), n + 1, _product)
    first, first_low = first * down, first_low * down
    total, total_low = zero, zero
    for k in range(least - 1, 0, -1):
        p, p_low = _power(*inverse(*two_sum(a, float(k))), n + 1, product)
        total, rest = two_sum(total, p)
        total_low = total_low + (rest + p_low)
    # the rest of the sum at y = a or a + least
    y, y_low = fast_two_sum(a.constant(float(least)), a)
    y, y_low = select(small, y, a), select(small, y_low, 0.0)
    q, q_low = inverse(y, y_low)
    v = q * down
    twice = select(small, a.constant(1.0), 2.0)
    power, power_low = _power(q * twice, number(q_low) * twice, n, product)
    part, part_low = _parts(Fraction(1, n))
    tail = fma(v * v, poly(v * v, tuple(coefficients)), fma(v, 0.5, part_low))
    head, head_low = two_product(power, part)
    head_low = fma(power, tail, fma(power_low, part, head_low))
    others, low = two_sum(head, select(small, total * down, zero))
    others, low = fast_two_sum(others, low + head_low + select(small, total_low * down, zero))
    whole, rest = two_sum(others, select(small, first, zero))
    rest = number(rest) + (low + select(small, first_low, zero))
    less = select(small, a.constant(1.0), 2.0**-n)
    by, by_low = less * factor, less * factor_low
    usual = fma(whole, by, number(fma(whole, by_low, rest * by)))
    usual = usual if n % 2 else -usual
    end = INF if n % 2 else -INF
    usual = select(a.eq(0.0), end, usual)
    negative = x < 0.0

    def reflected() -> X:
        # (-1)^n times the n-th derivative of digamma(-a) = digamma(a) + 1/a + pi cot(pi a); of
        # the first two that is the sum without its first term
        _, r = from_integer(a)
        c, c_low = _cot_pi(r)
        square, square_low = _product(c, c_low, c, c_low)
        terms = [
            abs(k) * Fraction(PI_LONG) ** (n + 1) for k in cotangent_derivative(n)[(n + 1) % 2 :: 2]
        ]
        slope, slope_low = (a.constant(v) for v in _parts(terms[-1]))
        for term in terms[-2::-1]:
            high, last = _parts(term)
            slope, slope_low = _product(slope, slope_low, square, square_low)
            slope, more = two_sum(slope, high)
            slope, slope_low = fast_two_sum(slope, number(more) + (slope_low + last))
        if n % 2 == 0:
            slope, slope_low = _product(slope, slope_low, c, c_low)
        p, p_low = _product(others, low, by, by_low)
        result, rest = two_sum(slope, -p)
        result = result + number(rest + (slope_low - p_low))
        result = result + select(small, zero, first * factor)
        return select(negative, select(r.ne(0.0), result, end), usual)

    return rarely(negative, usual, reflected)


define("digamma", 1, digamma, libm=False)
define("polygamma", 1, polygamma, libm=False)
