"""Special functions in NumPy's widest float: what the rows that NumPy lacks mean.

Each takes an array of `WIDE` (NumPy's longdouble) and gives one. Where that has 64 bits, as on x86,
or more, the result rounded to f64 is the nearest float but for a few times in a thousand, save
next to the zeros of `lgamma` and `digamma` at negative numbers and of what `polygamma` has there.
Where it is no wider than f64 a few ULP are lost.

Series and recurrences are those of Abramowitz & Stegun, *Handbook of Mathematical Functions*, 1964,
chapters 6 and 7; constants to 22 digits by multi-precision arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

WIDE = np.longdouble
Array = Any

PI = WIDE("3.141592653589793238462643")
EULER = WIDE("0.5772156649015328606065121")
HALF_LOG_2PI = WIDE("0.9189385332046727417803297")
ROOT_PI = np.sqrt(PI)
LARGE = 14
"""From here on Stirling's series are good to 70 bits with the terms there are."""

_ZETA_1 = (
    "0.6449340668482264364724",
    "0.2020569031595942853997",
    "8.232323371113819151600e-2",
    "3.692775514336992633137e-2",
    "1.734306198444913971452e-2",
    "8.349277381922826839798e-3",
    "4.077356197944339378685e-3",
    "2.008392826082214417853e-3",
    "9.945751278180853371460e-4",
    "4.941886041194645587023e-4",
    "2.460865533080482986380e-4",
    "1.227133475784891467518e-4",
    "6.124813505870482925855e-5",
    "3.058823630702049355173e-5",
    "1.528225940865187173257e-5",
    "7.637197637899762273600e-6",
    "3.817293264999839856462e-6",
    "1.908212716553938925657e-6",
    "9.539620338727961131520e-7",
    "4.769329867878064631167e-7",
    "2.384505027277329900036e-7",
    "1.192199259653110730678e-7",
    "5.960818905125947961244e-8",
    "2.980350351465228018606e-8",
    "1.490155482836504123466e-8",
    "7.450711789835429491981e-9",
    "3.725334024788457054819e-9",
    "1.862659723513049006404e-9",
    "9.313274324196681828718e-10",
    "4.656629065033784072989e-10",
    "2.328311833676505492001e-10",
    "1.164155017270051977593e-10",
    "5.820772087902700889244e-11",
    "2.910385044497099686929e-11",
)
"""zeta(k) - 1 for k = 2, 3 …"""
BERNOULLI = ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510),
              (43867, 798), (-174611, 330), (854513, 138), (-236364091, 2730))  # fmt: skip
"""B(2), B(4) …"""
_ROOT = (1.4616321449683622, WIDE("9.549995429965697715184e-17"))
"""The positive zero of digamma."""
_AT_ROOT = (
    "0.9676722454476211704274",
    "-0.4427631689835921060929",
    "0.2584997609556510106244",
    "-0.1639427054424065275043",
    "0.1078240506912623657572",
    "-7.219956125645471092612e-2",
    "4.880428816414310722509e-2",
    "-3.316112647484735929226e-2",
    "2.259764823221810465962e-2",
    "-1.542476590494895913880e-2",
    "1.053879161661217538812e-2",
    "-7.204534386356868240970e-3",
    "4.926781395729853446354e-3",
    "-3.369801655439328082793e-3",
)
"""Taylor coefficients of digamma at its zero, from the first power on."""


def _wide(texts: tuple[str, ...]) -> list[Any]:
    return [WIDE(text) for text in texts]


def _poly(v: Array, coefficients: list[Any]) -> Array:
    p = np.zeros_like(v) + coefficients[-1]
    for c in coefficients[-2::-1]:
        p = p * v + c
    return p


def reference(f: Callable[..., Array]) -> Callable[..., Array]:
    """`f` on arrays of any float dtype, computed in `WIDE` and rounded once to that dtype."""

    def call(v: Array, **attrs: Any) -> Array:
        v = np.asarray(v)
        with np.errstate(all="ignore"):
            out: Array = np.asarray(f(np.atleast_1d(v).astype(WIDE), **attrs))
            return out.astype(v.dtype).reshape(v.shape)

    call.__name__ = f.__name__
    return call


def _where(mask: Array, f: Callable[..., Array], out: Array, *args: Array) -> None:
    """f of the elements of `args` under the mask, written to `out` there."""
    if mask.any():
        out[mask] = f(*[a[mask] for a in args])


def log1mexp(v: Array) -> Array:
    """log(1 - exp(v)), v <= 0 (Mächler 2012)."""
    return np.where(v > -math.log(2), np.log(-np.expm1(v)), np.log1p(-np.exp(v)))


# -- error functions ------------------------------------------------------------------------------


def _exp_square(v: Array, sign: int) -> Array:
    """exp(±v²) with the square to twice the precision; zero or infinite from |v| = 110 on."""
    v = np.clip(v, -110, 110)
    high = v.astype(np.float32).astype(WIDE)
    return np.exp(sign * high * high) * np.exp(sign * (v - high) * (v + high))


def erf(v: Array) -> Array:
    """2/sqrt(pi) exp(-v²) sum 2^n v^(2n+1) / (1·3·5 … (2n+1)): terms of one sign."""
    a = np.minimum(np.abs(v), 8)
    square = a * a
    term, total = np.ones_like(a), np.ones_like(a)
    for n in range(1, 400):
        term = term * (2 * square) / (2 * n + 1)
        total = total + term
        if not (term > total * 1e-21).any():
            break
    out = np.where(a < 7, 2 / ROOT_PI * a * _exp_square(a, -1) * total, 1)
    return np.where(np.isnan(v), v, np.copysign(out, v))


def _fraction(v: Array) -> Array:
    """erfcx for v >= 1 by its continued fraction (7.1.14)."""
    least = float(np.min(v, initial=1e9))
    tail = np.zeros_like(v)
    for k in range(int(280 / least**2) + 8, 0, -1):
        tail = (0.5 * k) / (v + tail)
    return 1 / (v + tail) / ROOT_PI


def erfc(v: Array) -> Array:
    """1 - erf(v), the digits kept where that is small."""
    out = 1 - erf(np.minimum(v, 1))
    _where(v > 1, lambda w: _fraction(w) * _exp_square(w, -1), out, v)
    return out


def erfcx(v: Array) -> Array:
    """exp(v²) erfc(v)."""
    w = np.minimum(v, 1)
    out = np.where(w < -100, np.inf, _exp_square(np.maximum(w, -100), 1) * erfc(w))
    _where(v > 1, _fraction, out, v)
    return np.where(np.isnan(v), v, out)


def _halley(y: Array, residual: Callable[[Array], Array]) -> Array:
    """Three steps of Halley's for a zero of a residual whose slope is that of erf."""
    for _ in range(3):
        d = residual(y) * (ROOT_PI / 2) * _exp_square(y, 1)
        y = y - d / (1 + y * d)
    return y


def _erfcinv_small(z: Array) -> Array:
    """The y with erfc(y) = z, 0 < z < 0.5; erfc underflows nowhere in between."""
    r = np.sqrt(-np.log(z))
    y = r - np.log(r * ROOT_PI + 0.5) / (2 * r)
    for _ in range(4):  # of log erfc, whose second derivative is small
        scaled = erfcx(y)
        d = (np.log(scaled) - y * y - np.log(z)) * scaled * (ROOT_PI / 2)
        y = y + d
    scaled = erfcx(y)
    ratio = _exp_square(y, -1) * scaled / z
    return np.where(z > 0, y + (ratio - 1) * scaled * (ROOT_PI / 2), np.inf)


def erfinv(v: Array) -> Array:
    """The inverse of erf; NaN beyond 1."""
    a = np.abs(v)
    out = np.full_like(v, np.nan)
    out[a == 1] = np.inf
    s = ROOT_PI / 2
    _where(
        a <= 0.5,
        lambda w: _halley(s * w * (1 + s * s * w * w / 3), lambda y: erf(y) - w),
        out, a,
    )  # fmt: skip
    _where((a > 0.5) & (a < 1), lambda w: _erfcinv_small(1 - w), out, a)
    return np.copysign(out, v)


def erfcinv(v: Array) -> Array:
    """The inverse of erfc; NaN outside [0, 2]."""
    out = erfinv(np.where((v >= 0.5) & (v <= 2), 1 - v, np.nan))
    _where((v > 0) & (v < 0.5), _erfcinv_small, out, v)
    out[v == 0] = np.inf
    return out


# -- the gamma function and its logarithmic derivatives -------------------------------------------


def _sin_pi(v: Array) -> Array:
    near = np.rint(v)
    out = np.sin(PI * (v - near))
    return np.where(near % 2 == 0, out, -out)


def _stirling(v: Array) -> Array:
    """log gamma(v) - (v - 1/2) log v + v - log(2 pi)/2 for v >= 14 (6.1.40)."""
    z = 1 / (v * v)
    terms = [WIDE(p) / q / (2 * k * (2 * k - 1)) for k, (p, q) in enumerate(BERNOULLI, 1)]
    return _poly(z, terms) / v


def _down(v: Array) -> tuple[Array, Array]:
    """v less an integer, in [3/2, 5/2), and the product of the factors between; v < 16."""
    product, v = np.ones_like(v), v.copy()
    for _ in range(LARGE):
        big = v >= 2.5
        v = np.where(big, v - 1, v)
        product = np.where(big, product * v, product)
    return v, product


def _lgamma_small(v: Array) -> Array:
    """log |gamma(v)|, -1/2 < v < 14: the series at 2 (6.1.33), factors beside it."""
    n = np.where(v < 0.5, 2, np.where(v < 1.5, 1, 0))
    below = np.where(n == 2, v * (v + 1), np.where(n == 1, v, 1))
    y, above = _down(np.where(n == 0, v, 2))
    e = np.where(n == 2, v, np.where(n == 1, v - 1, y - 2))
    zeta = _wide(_ZETA_1)
    terms = [1 - EULER, *[c * (-1) ** k / k for k, c in enumerate(zeta, 2)]]
    return e * _poly(e, terms) + np.log(above) - np.log(np.abs(below))


def lgamma(v: Array) -> Array:
    """log |gamma(v)|; infinite at the poles."""
    a = np.abs(v)
    out = np.array((a - 0.5) * (np.log(a) - 1) + (HALF_LOG_2PI - 0.5) + _stirling(a))
    out[a == np.inf] = np.inf
    _where(a < LARGE, _lgamma_small, out, np.where(v <= -0.5, a, v))
    negative = v <= -0.5
    _where(
        negative,
        lambda w, g: np.where(
            w == np.floor(w), np.inf, np.log(PI / (w * np.abs(_sin_pi(w)))) - g
        ),
        out, a, np.array(out),
    )  # fmt: skip
    return np.where(v == 0, np.inf, out)


def _gamma_positive(v: Array) -> Array:
    """gamma(v), v > -1/2 and no pole."""
    half = np.power(v, (v - 0.5) / 2)  # its square may be too large
    out = np.array(half * np.exp(-v) * np.exp(HALF_LOG_2PI + _stirling(v)) * half)

    def small(w: Array) -> Array:
        y, above = _down(np.maximum(w, 1.5))
        below = np.where(w < 0.5, w * (w + 1), np.where(w < 1.5, w, 1))
        y = np.where(w < 0.5, w + 2, np.where(w < 1.5, w + 1, y))
        return np.exp(_lgamma_small(y)) * above / below

    _where(v < LARGE, small, out, v)
    return out


def gamma(v: Array) -> Array:
    """The gamma function; NaN at negative integers and -inf, infinite with its sign at zeros."""
    a = np.minimum(np.abs(v), 2000)  # infinite, as its inverse is zero, in any WIDE
    out = _gamma_positive(np.where(v <= -0.5, a, np.minimum(v, 2000)))
    negative = v <= -0.5
    _where(negative, lambda w, g: -PI / (w * _sin_pi(w)) / g, out, -v, np.array(out))
    out = np.where(negative & (v == np.floor(v)), np.nan, out)
    return np.where(v == 0, np.copysign(np.inf, v), out)


def digamma(v: Array) -> Array:
    """The derivative of log gamma; NaN at negative integers, -inf at 0.0, inf at -0.0."""
    a = np.abs(v)
    out = np.log(a) - 0.5 / a
    z = 1 / (a * a)
    out = out - z * _poly(z, [WIDE(p) / q / (2 * k) for k, (p, q) in enumerate(BERNOULLI, 1)])
    _where(a < LARGE, _digamma_small, out, a)
    _where(v < 0, lambda w, g: g + 1 / w + PI * _cot_pi(w), out, a, np.array(out))
    out = np.where((v < 0) & (v == np.floor(v)), np.nan, out)
    return np.where(v == 0, np.copysign(np.inf, -v), out)


def _digamma_small(v: Array) -> Array:
    terms = [c * (-1) ** k for k, c in enumerate(_wide(_ZETA_1), 2)]
    total, y = np.where(v < 1.5, -1 / v, 0), np.where(v < 1.5, v + 1, v)
    low = np.where(v < 0.5, -1 / (v + 1), 0)
    y, e = np.where(v < 0.5, y + 1, y), np.where(v < 0.5, v, np.where(v < 1.5, v - 1, 0))
    for _ in range(LARGE):
        big = y >= 2.5
        y = np.where(big, y - 1, y)
        total = np.where(big, total + 1 / y, total)
    e = np.where(v < 1.5, e, y - 2)
    out = e * _poly(e, terms) + (1 - EULER) + low + total
    gap = (v - _ROOT[0]) - _ROOT[1]
    return np.where(np.abs(gap) < 0.05, gap * _poly(gap, _wide(_AT_ROOT)), out)


def _cot_pi(v: Array) -> Array:
    """cot(pi v), with all its digits where it is small too."""
    r = v - np.rint(v)
    a = np.abs(r)
    tangent = np.tan(PI * np.where(a > 0.25, 0.5 - a, a))
    return np.copysign(np.where(a > 0.25, tangent, 1 / tangent), r)


def cotangent_derivative(n: int) -> list[int]:
    """The n-th derivative of cot(x) as a polynomial in cot(x); coefficients by power.

    >>> cotangent_derivative(1), cotangent_derivative(2)
    ([-1, 0, -1], [0, 2, 0, 2])
    """
    c = [0, 1]
    for _ in range(n):
        slope = [k * a for k, a in enumerate(c)][1:]
        c = [0] * (len(c) + 1)
        for k, a in enumerate(slope):
            c[k] -= a
            c[k + 2] -= a
    return c


def _power(v: Array, n: int) -> Array:
    out = np.ones_like(v)
    for bit in bin(n)[2:]:
        out = out * out
        out = out * v if bit == "1" else out
    return out


def polygamma(v: Array, *, n: int) -> Array:
    """The n-th derivative of digamma, n >= 1; at the poles +inf for odd n and -inf for even."""
    a = np.abs(v)
    least = LARGE + n
    total = np.zeros_like(a)
    y = a.copy()
    for k in range(least):
        small = y < least
        # of a negative number the first term is not wanted, see _reflected
        total = total + np.where(small & ((v > 0) | (k > 0)), 1 / _power(y, n + 1), 0)
        y = np.where(small, y + 1, y)
    # the sum of Euler and Maclaurin (6.4.11), by n!
    z = 1 / (y * y)
    terms = [WIDE(p) / q * math.comb(2 * k + n - 1, n) / (2 * k) for k, (p, q)
             in enumerate(BERNOULLI, 1)]  # fmt: skip
    inverse = 1 / y
    tail = WIDE(1) / n + inverse / 2 + z * _poly(z, terms)
    factorial = WIDE(str(math.factorial(n)))
    out = factorial * (total + tail * _power(inverse, n))
    out = out if n % 2 else -out
    _where(v < 0, lambda w, g: _reflected(w, g, n), out, a, np.array(out))
    pole = (v <= 0) & (v == np.floor(v)) & (v > -np.inf)
    return np.where(pole, np.inf if n % 2 else -np.inf, out)


def _reflected(a: Array, g: Array, n: int) -> Array:
    """polygamma(-a) of g = polygamma(a), or polygamma(a + 1) if a < 14 + n (6.4.7)."""
    c = _wide(tuple(str(k) for k in cotangent_derivative(n)))
    slope = _power(np.full_like(a, PI), n + 1) * _poly(_cot_pi(a), c)
    first = np.where(a < LARGE + n, 0, WIDE(str(math.factorial(n))) / _power(a, n + 1))
    # (-1)^n times the n-th derivative of digamma(-a) = digamma(a) + 1/a + pi cot(pi a)
    return -(g - first + slope) if n % 2 else g + first + slope
