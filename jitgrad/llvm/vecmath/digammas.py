"""digamma and polygamma.

digamma on 1 .. 2 is its distance from the zero there times a polynomial; one reciprocal brings
0 .. 1 and 2 .. 3 to it, and beyond it is log(x - 1/2) and a fitted series. polygamma of any order
is a sum of powers and Euler & Maclaurin's remainder. Negative arguments go by reflection, behind a
branch. Fits made as in :mod:`.exponential`.
"""

from __future__ import annotations

import math

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
    poly,
    residue,
    select,
    two_product,
    two_sum,
)
from .gammas import PI, from_integer, number, product, sin_pi
from .library import define, rarely
from .logarithm import log_sum_parts

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
@@
}  # fmt: skip
"""The same less that by u = x - 3/2, over u, |u| <= 1/2; error 2^-59.6 and 2^-29.3 (f32)."""
SERIES = 3.0
FAR = {
@@
}  # fmt: skip
"""(digamma(y + 1/2) - log(y)) y² in powers of 1/y², y >= 5/2; error 2^-58 and 2^-38 (f32)."""


def _cot_pi(r: X) -> tuple[X, X]:
    """pi cot(pi r) as an unevaluated sum, |r| <= 1/2."""
    d = r.dtype
    a = fabs(r)
    c, c_low = product(*sin_pi(0.5 - a), *(a.constant(v) for v in PI[d]))
    q, q_low = divide(c, c_low, *sin_pi(a))
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
        q, q_low = _cot_pi(r)
        add = select(below, zero, 1.0 / a)
        h, h_low = select(below, near, total), select(below, near_low, total_low)
        first, rest_1 = two_sum(q, h)
        second, rest_2 = two_sum(first, add)
        result = second + number(rest_1 + rest_2 + (h_low + number(q_low)))
        return select(negative, select(r.ne(0.0), result, NAN), usual)

    return rarely(negative, usual, reflected)


def _power(a: X, a_low: X, n: int) -> tuple[X, X]:
    """(a + a_low)^n as an unevaluated sum, whose second part may be NaN; n >= 1."""
    p, p_low = a, a_low
    for bit in bin(n)[3:]:
        p, p_low = product(p, p_low, p, p_low)
        if bit == "1":
            p, p_low = product(p, p_low, a, a_low)
    return p, p_low


def _plan(n: int) -> tuple[int, list[float]]:
    """From where on Euler & Maclaurin's sum is good to 2^-58, and its coefficients by n!."""
    c = [p / q * math.comb(2 * k + n - 1, n) / (2 * k) for k, (p, q) in enumerate(BERNOULLI, 1)]
    least = 2
    while abs(c[-1]) * n > 2.0**-58 * float(least) ** (2 * len(c)):
        least += 1
    return least, c[:-1]


def polygamma(x: X, n: int) -> X:
    """The n-th derivative of digamma, n >= 1; f32 by way of f64.

    Everything is taken of 1/x times a power of two that keeps n! and n-th powers in range.
    """
    if x.dtype == "f32":
        return convert(polygamma(convert(x, "f64"), n), "f32")
    least, coefficients = _plan(n)
    factorial = math.factorial(n)
    step = (factorial.bit_length() - 1) // n
    up = 2.0**step
    factor = math.ldexp(float(factorial >> step * n), 0) if step == 0 else factorial / 2 ** (step * n)
    a = fabs(x)
    small = a < float(least)
    zero = a.constant(0.0)

    def inverse(v: X) -> tuple[X, X]:
        q = up / v
        return q, number(residue(q, v, v.constant(up)) * (q * (-1 / up)))

    q, q_low = inverse(a)
    first, first_low = _power(q, q_low, n + 1)  # n! / a^(n+1) by `factor` over `up`
    total = zero
    for k in range(least - 1, 0, -1):
        v = up / (a + float(k))
        p = v
        for bit in bin(n + 1)[3:]:
            p = p * p
            p = p * v if bit == "1" else p
        total = total + p
    # the remainder, at y = a or a + least
    y, y_low = fast_two_sum(a.constant(float(least)), a)
    y, y_low = select(small, y, a), select(small, y_low, 0.0)
    r, r_low = inverse(y)
    r_low = r_low - y_low * (r * r * (1 / up))
    power, power_low = _power(r, r_low, n)
    v = r * (1 / up)
    z = v * v
    tail = fma(z, poly(z, tuple(coefficients)), v * 0.5)
    head, head_low = two_product(power, 1 / n)
    head_low = number(head_low) + fma(power, 1 / n - 0.0, zero) * 0.0 + fma(power, tail, power_low * (1 / n))
    # head has no factor 1/up, the sums have
    whole = select(small, total * (1 / up), zero)
    sum_1, low_1 = two_sum(head, whole)
    lead = select(small, first * (1 / up), zero)
    lead_low = select(small, number(first_low) * (1 / up), zero)
    sum_2, low_2 = two_sum(sum_1, lead)
    low = number(low_1 + low_2 + (head_low + lead_low))
    usual = (sum_2 + low) * factor
    usual = usual if n % 2 else -usual
    end = INF if n % 2 else -INF
    usual = select(a.eq(0.0), end, usual)
    negative = x < 0.0

    def reflected() -> X:
        # (-1)^n polygamma(x) = polygamma(a + 1) + derivative of pi cot(pi a), if the sum was used
        _, t = from_integer(a)
        c, c_low = _cot_pi(t)
        c = (c + number(c_low)) * (1 / math.pi)
        terms = cotangent_derivative(n)[(n + 1) % 2 :: 2]
        scaled = tuple(-abs(k) * math.pi ** (n + 1) for k in terms)
        slope = poly(c * c, scaled)
        if (n + 1) % 2:
            slope = slope * c
        slope = slope if n % 2 else -slope
        rest = select(small, sum_1, sum_2) * factor
        beyond = select(small, zero, first * (factor / up))
        # of n odd: -(rest - beyond + slope); else: -rest + beyond + slope
        result = (beyond - rest) - slope if n % 2 else (beyond - rest) + slope
        return select(negative, select(t.ne(0.0), result, select(a.eq(INF), NAN, end)), usual)

    return rarely(negative, usual, reflected)


define("digamma", 1, digamma, libm=False)
define("polygamma", 1, polygamma, libm=False)
