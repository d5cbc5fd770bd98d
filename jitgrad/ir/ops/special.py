"""Elementwise rows of the special functions: error functions, the gamma function's relatives.

`t`, `x`, `y` and `out` as in the rows of `elementwise`. Where NumPy and Python have no reference
good to an ULP it is a function of `ir/special.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError
from .. import special
from ..core import Op
from ..terms import Term, app, digamma, exp, gt, log, log1p, out, select, t, x
from .base import check_dtype, same
from .elementwise import row

# -- error functions ------------------------------------------------------------------------------


def _from_python(f: Callable[[float], float]) -> Callable[[Any], Any]:
    # the C library's, good to an ULP
    def call(v: Any) -> Any:
        v = np.asarray(v)
        return np.array([f(a) for a in v.ravel().tolist()], v.dtype).reshape(v.shape)

    return call


_TWO_PER_ROOT_PI = 2 / math.sqrt(math.pi)
_erf, _erfcx = _from_python(math.erf), special.reference(special.erfcx)

row("erf", 1, same("float"), _from_python(math.erf), "the error function", emit="math",
     deriv=(t * _TWO_PER_ROOT_PI * exp(-(x * x)),),
     edges="±1 from |x| = 6 on (f64)")  # fmt: skip
row("erfc", 1, same("float"), _from_python(math.erfc), "1 - erf(x) without cancellation",
     emit="math", deriv=(-(t * _TWO_PER_ROOT_PI * exp(-(x * x))),),
     edges="0 from x = 27.3 on (f64), 2 from -6 down")  # fmt: skip

# 2 x erfcx(x) - 2/sqrt(pi) cancels for large x: from 16 on the asymptotic series (A&S 7.1.23)
_u = 1 / (x * x)
_series: Any = 0.0
for _k in range(9, 0, -1):
    _c = (-1) ** _k * math.prod(range(1, 2 * _k, 2)) / 2**_k * _TWO_PER_ROOT_PI
    _series = _u * (_c + _series) if _k < 9 else _u * _c
row("erfcx", 1, same("float"), special.reference(special.erfcx), "exp(x²) erfc(x)", emit="math",
     deriv=(t * select(gt(x, 16.0), _series, 2 * x * out - _TWO_PER_ROOT_PI),),
     edges="infinite from x = -26.7 down (f64), never underflows: 1/(sqrt(pi) x) for large "
     "x")  # fmt: skip
row("erfinv", 1, same("float"), special.reference(special.erfinv), "the y with erf(y) = x",
     emit="math", deriv=(t / _TWO_PER_ROOT_PI * exp(out * out),), domain=((-0.9, 0.9),),
     edges="±inf at ±1, NaN beyond; -0.0 stays")  # fmt: skip
row("erfcinv", 1, same("float"), special.reference(special.erfcinv), "the y with erfc(y) = x",
     emit="math", deriv=(-(t / _TWO_PER_ROOT_PI * exp(out * out)),), domain=((0.1, 1.9),),
     edges="inf at 0, -inf at 2, NaN outside; 0.0 at 1")  # fmt: skip


def _logerfc(v: Any) -> Any:
    v = np.asarray(v)
    beyond = np.log(_erfcx(np.maximum(v, 0))) - v * v
    return np.where(v > 0.5, beyond, np.log1p(-_erf(v)))


# the derivative of both branches is -2/sqrt(pi) exp(-x²)/erfc(x); erfcx overflows for negative x
row("logerfc", 1, same("float"), _logerfc, "log(erfc(x)) where erfc(x) underflows, too",
     deriv=(-(t * _TWO_PER_ROOT_PI * select(
         gt(x, 0.0), 1 / app("erfcx", x), exp(-(x * x)) / app("erfc", x))),),
     expand=select(gt(x, 0.5), log(app("erfcx", x)) - x * x, log1p(-app("erf", x))), emit="expand",
     edges="-x² for large x, log 2 for very negative x")  # fmt: skip

# -- the gamma function ---------------------------------------------------------------------------

_POLES = (0.3, 4.0)  # between the pole at 0 and what is smooth

row("gammaln", 1, same("float"), special.reference(special.lgamma), "log |gamma(x)|", emit="math",
     deriv=(t * digamma(x),), domain=(_POLES,),
     edges="infinite at 0, the negative integers and both infinities, as in C; keeps its digits "
     "at its zeros 1 and 2, and next to those at negative numbers only absolutely")  # fmt: skip
row("gamma", 1, same("float"), special.reference(special.gamma), "the gamma function, (x - 1)!",
     emit="math", deriv=(t * (out * digamma(x)),), domain=(_POLES,),
     edges="as in C: ±inf at ±0, NaN at negative integers and -inf; infinite from x = 171.62 on "
     "(f64)")  # fmt: skip


def _polygamma_slope(op: Op, k: int) -> Term:
    return t * app("polygamma", x, n=op.attrs["n"] + 1)


row("digamma", 1, same("float"), special.reference(special.digamma), "gamma'(x) / gamma(x)",
     emit="math", deriv=(t * app("polygamma", x, n=1),), domain=(_POLES,),
     edges="∓inf at ±0, NaN at negative integers and -inf; keeps its digits at its zero 1.46…, and "
     "next to those at negative numbers only absolutely")  # fmt: skip

HIGHEST_ORDER = 100
"""Of polygamma: beyond, n! and the coefficients at negative numbers near the end of f64."""


def _polygamma_types(
    name: str, types: Sequence[Any], attrs: Mapping[str, Any], regions: tuple
) -> tuple:
    check_dtype(name, types[0], "float")
    n = attrs["n"]
    if not 1 <= n <= HIGHEST_ORDER:
        raise DTypeError(
            f"{name} of order {n}: the order must be from 1 to {HIGHEST_ORDER}"
            + ("; order 0 is digamma" if n == 0 else "")
        )
    return (types[0],)


row("polygamma", 1, _polygamma_types, special.reference(special.polygamma),
     "the n-th derivative of digamma, n >= 1; its derivative is that of order n + 1",
     attrs={"n": "int"}, emit="math", deriv=_polygamma_slope, domain=(_POLES,),
     edges="at 0 and negative integers inf for odd n, -inf for even; NaN at -inf; at negative "
     "numbers the digits are absolute")  # fmt: skip
