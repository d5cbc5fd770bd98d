"""The accuracy that the tests hold the vector forms to."""

from __future__ import annotations

ULP_BOUNDS: dict[str, tuple[float, float]] = {
    "exp": (0.95, 0.95),
    "exp2": (1.0, 0.95),
    "expm1": (1.05, 0.85),
    "tanh": (0.9, 0.75),
    "sinh": (0.9, 0.75),
    "cosh": (0.95, 0.95),
    "log": (0.85, 0.85),
    "log2": (0.7, 0.7),
    "log10": (0.7, 0.7),
    "log1p": (0.9, 0.95),
    "log1mexp": (1.1, 1.1),
    "sin": (0.9, 0.9),
    "cos": (0.9, 0.9),
    "tan": (1.05, 1.3),
    "asin": (0.7, 0.75),
    "acos": (0.65, 0.7),
    "atan": (0.85, 0.9),
    "atan2": (1.05, 1.05),
    "asinh": (0.85, 0.85),
    "acosh": (0.87, 0.85),
    "atanh": (0.85, 0.87),
    "hypot": (1.05, 1.05),
    "pow": (1.0, 0.55),
    "fmod": (0.0, 0.0),
    "cbrt": (0.55, 0.55),
    "sqrt": (0.51, 0.51),
    "erf": (1.1, 1.05),
    "erfc": (1.5, 1.65),
    "erfcx": (1.6, 1.7),
    "erfinv": (1.65, 1.6),
    "erfcinv": (1.65, 1.65),
    "gammaln": (1.95, 1.85),
    "gamma": (1.0, 0.55),
    "digamma": (1.0, 1.0),
    "polygamma": (1.5, 0.55),
}
"""Function -> bound in ULP for (f64, f32): the worst of some millions of arguments, and a little.

Holds with FMA, over the whole range of the dtype, denormals included; angles beyond
`trigonometry.LIMIT` are as good as the C library (tan of f32: 1.13). `sqrt` is correctly rounded.
"""

LIBM_BOUND = 3.0
"""Bound in ULP without FMA, where it is the C library's."""

BELOW_ZERO = {"gammaln": 1.0, "digamma": 1.0, "polygamma": 1.0}
"""Of negative arguments the bound is in ULP of the result or of this number (times n! for polygamma
of order n), whichever is larger: next to their zeros there the digits are absolute."""
