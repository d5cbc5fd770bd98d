"""Elementwise rows of rounding, division with remainder, and the parts of a float.

`t`, `x`, `y`, `z` and `out` as in the rows of `elementwise`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..terms import Term, app, eq, gt, ldexp, lt, ne, out, select, sign, t, x, y, z
from .base import predicate, same
from .elementwise import POS, R, extreme_grads, row

# -- rounding -------------------------------------------------------------------------------------


def _round_away(v: Any) -> Any:
    # half less an ULP: 0.49999999999999994 must not become 1, and every half still does
    v = np.asarray(v)
    return np.trunc(v + np.copysign(np.nextafter(v.dtype.type(0.5), v.dtype.type(0)), v))


_ONE = (1.1, 1.9)  # no jump of what cuts off a fraction, nor of an exponent
for _name, _ref, _span, _doc in (
    ("floor", np.floor, _ONE, "round down"),
    ("ceil", np.ceil, _ONE, "round up"),
    ("trunc", np.trunc, _ONE, "round towards zero"),
    ("rint", np.rint, (1.6, 2.4), "round to the nearest integer, halves to the even one"),
    ("round_away", _round_away, (1.6, 2.4), "round to the nearest integer, halves away from zero"),
):
    row(_name, 1, same("float"), _ref, _doc, deriv=(None,), emit=_name, domain=(_span,),
         edges="infinities and NaN stay; a zero has the sign of x")  # fmt: skip


def _frac(v: Any) -> Any:
    return np.modf(v)[0]


def _trunc(v: Term) -> Term:
    return app("trunc", v)


def _copysign(v: Any, w: Term) -> Term:
    return app("copysign", v, w)


row("frac", 1, same("float"), _frac, "x without its integral part: x - trunc(x)", deriv=(t,),
     expand=_copysign(select(app("isinf", x), 0.0, x - _trunc(x)), x), emit="expand",
     domain=(_ONE,), edges="has the sign of x, zeros too; 0 of an infinity")  # fmt: skip

# -- division with remainder ----------------------------------------------------------------------

_OVER_ONE = ((4.2, 5.8), (2.95, 4.1))  # quotients between 1 and 2
row("fmod", 2, same("num"), np.fmod, "the remainder of x / y with the sign of x",
     deriv=(t, -(t * _trunc(x / y))), emit={"f": "math", "i": "fmod", "u": "fmod"},
     domain=_OVER_ONE,
     edges="exact; NaN where y is 0 or x infinite, x where y is infinite; of ints by 0 it is "
     "0")  # fmt: skip

# NumPy's formulas (Python's): floor(x / y) is made from the exact remainder
_rest = app("fmod", x, y)
_unlike = app("xor", lt(y, 0.0), lt(_rest, 0.0))
row("mod", 2, same("num"), np.remainder, "the remainder of x / y with the sign of y",
     deriv=(t, -(t * app("floordiv", x, y))),
     expand=select(ne(_rest, 0.0), select(_unlike, _rest + y, _rest), _copysign(0.0, y)),
     emit={"f": "expand", "i": "mod", "u": "fmod"}, domain=_OVER_ONE,
     edges="NaN where y is 0 or x infinite; a tiny x of the other sign gives y, rounded, itself; "
     "zero has the sign of y; of ints by 0 it is 0")  # fmt: skip
_exact = (x - _rest) / y
_down = select(ne(_rest, 0.0) & _unlike, _exact - 1, _exact)
_near = app("floor", _down)
row("floordiv", 2, same("num"), np.floor_divide, "x / y rounded down",
     deriv=(None, None),
     expand=select(eq(y, 0.0), x / y, select(
         ne(_down, 0.0), select(gt(_down - _near, 0.5), _near + 1, _near),
         _copysign(0.0, x / y))),
     emit={"f": "expand", "i": "floordiv", "u": "floordiv"}, domain=_OVER_ONE,
     edges="x / 0 is a signed infinity or NaN; NaN of an infinite x; of ints by 0 it is 0, the "
     "least int by -1 itself")  # fmt: skip

# -- sign and neighbours --------------------------------------------------------------------------

row("copysign", 2, same("float"), np.copysign, "|x| with the sign of y, of zero and NaN too",
     deriv=(select(ne(x, 0.0), t * _copysign(sign(x), x) * _copysign(1.0, y), 0.0), None),
     emit="copysign", domain=(R, POS), edges="the derivative by x is 0 at 0")  # fmt: skip
row("signbit", 1, predicate("float"), np.signbit, "whether the sign bit is set, of zero and NaN "
     "too", deriv=(None,), emit="signbit")  # fmt: skip
row("nextafter", 2, same("float"), np.nextafter, "the next float from x on the way to y",
     deriv=(t, None), emit="nextafter",
     edges="y where they are equal; NaN if either is")  # fmt: skip
row("spacing", 1, same("float"), np.spacing, "the distance to the next float away from zero, with "
     "the sign of x", deriv=(None,), emit="spacing", domain=(_ONE,),
     edges="infinite at the largest float, NaN of infinities; of ±0 the least positive "
     "float")  # fmt: skip


def _exponents(v: Any) -> Any:
    v = np.asarray(v)
    limit = v.dtype.type(10_000)
    return np.where(np.isnan(v), 0, np.clip(np.trunc(v), -limit, limit)).astype(np.int32)


def _ldexp(v: Any, n: Any) -> Any:
    n = np.asarray(n)
    return np.where(np.isnan(n), n, np.ldexp(v, _exponents(n)))


row("ldexp", 2, same("float"), _ldexp, "x * 2 to the y, y truncated to an integer, rounded once",
     deriv=(ldexp(t, y), None), emit="ldexp", domain=(R, _ONE),
     edges="0, infinity and NaN in x stay; NaN for a NaN in y")  # fmt: skip


def _mantissa(v: Any) -> Any:
    return np.frexp(v)[0]


def _exponent(v: Any) -> Any:
    v = np.asarray(v)
    return np.where(np.isfinite(v), np.frexp(v)[1], 0).astype(v.dtype)


row("mantissa", 1, same("float"), _mantissa, "m of x = m * 2**exponent(x), 0.5 <= |m| < 1",
     deriv=(select(ne(x, 0.0), t * out / x, 0.0),), emit="mantissa", domain=(_ONE,),
     edges="0, infinities and NaN stay; the exponent counts as a constant")  # fmt: skip
row("exponent", 1, same("float"), _exponent, "n of x = mantissa(x) * 2**n, as a float",
     deriv=(None,), emit="exponent", domain=(_ONE,),
     edges="0 of 0, infinities and NaN")  # fmt: skip

# -- predicates -----------------------------------------------------------------------------------

row("isnan", 1, predicate("float"), np.isnan, "whether x is NaN", deriv=(None,), emit="isnan")
row("isinf", 1, predicate("float"), np.isinf, "whether x is an infinity", deriv=(None,),
     emit="isinf")  # fmt: skip
row("isfinite", 1, predicate("float"), np.isfinite, "whether x is neither infinite nor NaN",
     deriv=(None,), emit="isfinite")  # fmt: skip

# -- choices --------------------------------------------------------------------------------------


def _fmax(holds: Any) -> tuple[Term, ...]:
    # of a number and a NaN it is the number
    return extreme_grads(lambda mine, other: holds(mine, other) | ne(other, other), nan=False)


row("fmax", 2, same("any"), np.fmax, "the larger, ignoring NaN; equal operands share the "
     "derivative", deriv=_fmax(lambda mine, other: mine >= other),
     expand=select((x > y) | ne(y, y), x, y), props=("commutative", "associative"),
     emit={"f": "expand", "i": "maximum", "u": "maximum", "b": "maximum"},
     edges="NaN only if both are; which of -0.0 and 0.0 it gives is not said")  # fmt: skip
row("fmin", 2, same("any"), np.fmin, "the smaller, ignoring NaN; equal operands share the "
     "derivative", deriv=_fmax(lambda mine, other: mine <= other),
     expand=select((x < y) | ne(y, y), x, y), props=("commutative", "associative"),
     emit={"f": "expand", "i": "minimum", "u": "minimum", "b": "minimum"},
     edges="NaN only if both are; which of -0.0 and 0.0 it gives is not said")  # fmt: skip


def _clip(v: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(v, low), high)


_within = (x >= y) & (x <= z)
row("clip", 3, same("any"), _clip, "x within [y, z]: minimum(maximum(x, y), z); at a bound the "
     "derivative is x's",
     deriv=(select(_within | ne(x, x), t, 0.0), select(((x < y) & (y <= z)) | ne(y, y), t, 0.0),
            select((x > z) | (y > z) | ne(z, z), t, 0.0)),
     expand=app("minimum", app("maximum", x, y), z), emit="expand", domain=(R, (-3.0, -1.0),
     (1.0, 3.0)), edges="z where y > z; NaN if any is")  # fmt: skip
row("heaviside", 2, same("float"), np.heaviside, "0 for x < 0, y at 0, 1 for x > 0",
     deriv=(None, select(eq(x, 0.0), t, 0.0)), emit="expand", domain=(POS, R),
     expand=select(lt(x, 0.0), 0.0, select(eq(x, 0.0), y, select(gt(x, 0.0), 1.0, x))),
     edges="NaN for a NaN in x")  # fmt: skip
