"""Vector math functions as LLVM text IR: exp, log, sin, pow … for f32 and f64, any lanes."""

# these fill FUNCTIONS
from . import (  # noqa: F401
    digammas,
    errorfn,
    exponential,
    gammas,
    hyperbolic,
    inverse,
    logarithm,
    power,
    remainder,
    special,
    trigonometry,
)
from .bounds import BELOW_ZERO, LIBM_BOUND, ULP_BOUNDS
from .library import FUNCTIONS, LANES, MathLibrary, function

__all__ = [
    "BELOW_ZERO",
    "FUNCTIONS",
    "LANES",
    "LIBM_BOUND",
    "ULP_BOUNDS",
    "MathLibrary",
    "function",
]
