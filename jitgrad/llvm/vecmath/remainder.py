"""fmod: the exact remainder of a division.

With q = trunc(|x| / |y|) < 2^53 (2^24 for f32), which is the quotient's integer part or one more,
|x| - q |y| is a float, so that FMA gives it without error, and a negative one lacks |y|. Larger
quotients are the C library's.
"""

from __future__ import annotations

from .expr import INF, MANTISSA, X, copysign, fabs, fma, intrinsic, select
from .library import by_libm, define, rarely


def fmod(x: X, y: X) -> X:
    """The remainder of x / y with the sign of x; NaN where y is 0 or x infinite."""
    a, b = fabs(x), fabs(y)
    q = intrinsic("trunc", a / b)
    rest = fma(-q, b, a)
    rest = select(rest < 0.0, rest + b, rest)
    rest = copysign(select(b.eq(INF) & (a < INF), a, rest), x)
    large = ~(q < 2.0 ** (MANTISSA[x.dtype] + 1)) & b.ne(0.0) & (a < INF) & (b < INF)
    return rarely(large, rest, lambda: select(large, by_libm("fmod", x, y), rest))


define("fmod", 2, fmod)
