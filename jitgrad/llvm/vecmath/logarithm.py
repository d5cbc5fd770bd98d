"""Logarithms: log, log2, log10, log1p, log1mexp.

x = 2^k m with sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f), and
log m = f - f²/2 + s (f²/2 + R(s²)), R(s²) = log((1 + s) / (1 - s)) / s - 2. R is a near-minimax fit
made as in :mod:`.exponential`. The shape of the sum is that of FDLIBM (Ng 1993).
"""

from __future__ import annotations

from .exponential import LN2, UNDERFLOW, exp_parts, power_of_two, scale
from .expr import (
    BIAS,
    INF,
    MANTISSA,
    NAN,
    SIGN,
    X,
    bitcast,
    clamp_below,
    copysign,
    fabs,
    fast_two_sum,
    fma,
    poly,
    select,
    two_product,
    two_sum,
)
from .library import define

R = {
    "f64": (
        0.6666666666666735, 0.39999999999409674, 0.28571428743538013, 0.2222219845121881,
        0.18183570877080946, 0.1531387735464363, 0.14797739648847447,
    ),
    "f32": (0.6666677594184875, 0.3997757136821747, 0.29871347546577454),
}  # fmt: skip
"""R(z) / z on 0 <= z < 0.0295, relative error 2^-59.5 and 2^-30.2 (f32)."""

ROOT_HALF = {"f64": 0x3FE6A09E00000000, "f32": 0x3F3504F3}
"""The bits of about sqrt(1/2)."""
SHIFT_UP = {"f64": 54, "f32": 25}
"""Denormals are multiplied by two to this."""

LOG2E = {
    "f64": (1.4426950408889634, 2.0355273740931033e-17),
    "f32": (1.4426950216293335, 1.925963033500011e-08),
}
LOG10E = {
    "f64": (0.4342944819032518, 1.098319650216765e-17),
    "f32": (0.4342944920063019, -1.0103049952192578e-08),
}
LOG10_2 = {
    "f64": (0.30102999566395283, 2.8363394551044964e-14),
    "f32": (0.301025390625, 4.605039066518657e-06),
}
"""log10(2) in two parts; k times the first is exact."""


def exponent_and_significand(x: X) -> tuple[X, X]:
    """k, as a float, and m for x = 2^k m; x positive and finite, denormals included."""
    dtype = x.dtype
    width, bias = MANTISSA[dtype], BIAS[dtype]
    tiny = x < 2.0 ** (1 - bias)
    normal = select(tiny, x * 2.0 ** SHIFT_UP[dtype], x)
    k, m = normal_parts(normal)
    top = 2.0**width + bias
    return k - select(tiny, x.constant(top + SHIFT_UP[dtype]), top), m


def normal_parts(x: X) -> tuple[X, X]:
    """2^width + bias + k, as a float, and m for x = 2^k m; x positive and normal."""
    dtype = x.dtype
    width, bias = MANTISSA[dtype], BIAS[dtype]
    shifted = x.bits() + ((bias << width) - ROOT_HALF[dtype])
    # the integer in the low bits of 2^width is the float's value: no 64-bit int conversion
    k = bitcast((shifted >> width) | ((bias + width) << width), dtype)
    m = bitcast((shifted & ((1 << width) - 1)) + ROOT_HALF[dtype], dtype)
    return k, m


def log_tail(f: X, half_square: X) -> X:
    """s (f²/2 + R): what log(1 + f) is more than f - f²/2."""
    s = f / (f + 2.0)
    z = s * s
    return s * fma(z, poly(z, R[f.dtype]), half_square)


def edges(x: X, result: X) -> X:
    """`result` where 0 < x < inf; -inf at zeros, NaN below, inf and NaN where x is."""
    other = select(x < 0.0, NAN, select(x.eq(0.0), -INF, x))
    inner = x.bits() + (SIGN[x.dtype] - 1)  # in signed order: 0 < x <= inf, no NaN
    return select(inner < _last(x.dtype), result, other)


def _last(dtype: str) -> int:
    infinity = (2 * BIAS[dtype] + 1) << MANTISSA[dtype]
    return infinity - 1 - SIGN[dtype]


def log(x: X) -> X:
    """Natural logarithm."""
    return edges(x, log_positive(x))


def log_positive(x: X) -> X:
    """log(x) for 0 < x < inf."""
    hi, lo = LN2[x.dtype]
    k, m = exponent_and_significand(x)
    f = m - 1.0
    half_square = f * f * 0.5
    tail = fma(k, lo, log_tail(f, half_square))
    return fma(k, hi, f - (half_square - tail))


def log_parts(m: X) -> tuple[X, X]:
    """log(m) as an unevaluated sum."""
    f = m - 1.0
    square, square_low = two_product(f * 0.5, f)
    high, low = fast_two_sum(f, -square)
    return fast_two_sum(high, low + (log_tail(f, square) - square_low))


def log_sum_parts(x: X, low: X | None = None) -> tuple[X, X]:
    """log(x + low) as an unevaluated sum, good to 2^-58 or so (2^-29); x positive and finite."""
    k, m = exponent_and_significand(x)
    high, rest = log_parts(m)
    if low is not None:
        rest = rest + low / x
    first, second = fast_two_sum(k * LN2[x.dtype][0], high)
    return fast_two_sum(first, second + fma(k, LN2[x.dtype][1], rest))


def log_base(x: X, per_e: tuple[float, float], per_2: tuple[float, float]) -> X:
    """k times log(2) in that base, plus log(m) times log(e) in it."""
    k, m = exponent_and_significand(x)
    high, low = log_parts(m)
    product, rest = two_product(high, high.constant(per_e[0]))
    rest = fma(high, per_e[1], fma(low, per_e[0], rest))
    if per_2[1]:
        rest = fma(k, per_2[1], rest)
        k = k * per_2[0]
    total, low = fast_two_sum(k, product)
    return edges(x, total + (low + rest))


def log2(x: X) -> X:
    """Logarithm to base 2; exact at powers of two."""
    return log_base(x, LOG2E[x.dtype], (1.0, 0.0))


def log10(x: X) -> X:
    """Logarithm to base 10."""
    return log_base(x, LOG10E[x.dtype], LOG10_2[x.dtype])


def log1p(x: X) -> X:
    """log(1 + x) without cancellation: 1 + x as a sum of two parts, both scaled by 2^-k."""
    dtype = x.dtype
    width, bias = MANTISSA[dtype], BIAS[dtype]
    hi, lo = LN2[dtype]
    larger = x > 1.0
    u, u_low = fast_two_sum(select(larger, x, 1.0), select(larger, 1.0, x))
    exponent, m = normal_parts(u)
    # 2^(1-k), zero at the very top where u_low no longer matters
    down = bitcast(((2 * bias + 1) - (exponent.bits() & (2 * bias + 1))) << width, dtype)
    low = u_low * 0.5 * down
    f, f_low = fast_two_sum(m - 1.0, low)
    k = exponent - (2.0**width + bias)
    half_square = f * f * 0.5
    tail = fma(k, lo, log_tail(f, half_square) + f_low)
    result = copysign(fma(k, hi, f - (half_square - tail)), x)
    result = select(fabs(x) < 2.0 ** -(width + 2), x, result)
    other = select(x < -1.0, NAN, select(x.eq(-1.0), -INF, x))
    return select((x > -1.0) & (x < INF), result, other)


def log1mexp(x: X) -> X:
    """log(1 - exp(x)) for x < 0: 1 - exp(x) as a sum of two parts; -exp(x) where that is lost."""
    v = clamp_below(x, UNDERFLOW[x.dtype])
    bits, e, e_low = exp_parts(v, v.constant(0.0))
    tiny = x < -40.0
    s = select(tiny, e.constant(0.0), power_of_two(bits, x.dtype))
    high, low = two_sum(e * -s, 1.0)
    high, low = log_sum_parts(*fast_two_sum(high, fma(e_low, -s, low)))
    result = select(tiny, -scale(e + e_low, bits), high + low)
    return select(x < 0.0, result, select(x.eq(0.0), result.constant(-INF), NAN))


define("log", 1, log)
define("log1mexp", 1, log1mexp, libm=False)
define("log2", 1, log2)
define("log10", 1, log10)
define("log1p", 1, log1p)
