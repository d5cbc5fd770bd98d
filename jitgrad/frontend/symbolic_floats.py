"""Rounding of variables, and what looks into a float: its sign, its parts, its kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..ir.build import Builder
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_ops import cast, elemwise, switch, unary

# -- rounding -------------------------------------------------------------------------------------


def ceil(x: Any) -> TensorVariable:
    """Rounded up."""
    return unary("ceil", x)


def floor(x: Any) -> TensorVariable:
    """Rounded down."""
    return unary("floor", x)


def trunc(x: Any) -> TensorVariable:
    """Rounded towards zero."""
    return unary("trunc", x)


def round_half_to_even(x: Any) -> TensorVariable:
    """Rounded to the nearest integer, halves to the even one."""
    return unary("rint", x)


def round_half_away_from_zero(x: Any) -> TensorVariable:
    """Rounded to the nearest integer, halves away from zero."""
    return unary("round_away", x)


_MODES = {"half_to_even": "rint", "half_away_from_zero": "round_away"}


def round(x: Any, mode: str | None = None) -> TensorVariable:
    """Rounded to the nearest integer; what is between two goes to the even one, or with `mode`
    "half_away_from_zero" away from zero. Raises `ValueError` for another mode.

    >>> round([0.5, 1.5, -2.5]).eval(), round([0.5, 1.5, -2.5], "half_away_from_zero").eval()
    (array([ 0.,  2., -2.]), array([ 1.,  2., -3.]))
    """
    op = _MODES.get("half_to_even" if mode is None else mode)
    if op is None:
        raise ValueError(at(f"round: mode is {' or '.join(map(repr, _MODES))}, not {mode!r}",
                            here()))  # fmt: skip
    return unary(op, x)


def iround(x: Any, mode: str | None = None) -> TensorVariable:
    """`round` as int64."""
    return cast(round(x, mode), "int64")


# -- questions ------------------------------------------------------------------------------------


def isnan(x: Any) -> TensorVariable:
    """Whether elements are NaN; no int is."""
    return unary("isnan", x)


def isinf(x: Any) -> TensorVariable:
    """Whether elements are infinite; no int is."""
    return unary("isinf", x)


def isfinite(x: Any) -> TensorVariable:
    """Whether elements are neither infinite nor NaN; every int is."""
    return unary("isfinite", x)


def isposinf(x: Any) -> TensorVariable:
    """Whether elements are positive infinity."""
    return elemwise("and", isinf(x), elemwise("gt", x, 0))


def isneginf(x: Any) -> TensorVariable:
    """Whether elements are negative infinity."""
    return elemwise("and", isinf(x), elemwise("lt", x, 0))


def signbit(x: Any) -> TensorVariable:
    """Whether the sign bit is set, of -0.0 and NaN too."""
    return unary("signbit", x)


# -- signs and parts ------------------------------------------------------------------------------


def copysign(x: Any, y: Any) -> TensorVariable:
    """|x| with the sign of y."""
    return elemwise("copysign", x, y)


def nextafter(x: Any, y: Any) -> TensorVariable:
    """The next float from x on the way to y."""
    return elemwise("nextafter", x, y)


def spacing(x: Any) -> TensorVariable:
    """The distance to the next float away from zero, with the sign of x."""
    return unary("spacing", x)


def heaviside(x: Any, y: Any) -> TensorVariable:
    """0 for negative x, 1 for positive ones, y at 0."""
    return elemwise("heaviside", x, y)


def ldexp(x: Any, n: Any) -> TensorVariable:
    """x * 2**n for integers n. Raises `TypeError` for an n that is none.

    >>> ldexp([1.0, 3.0], [4, -1]).eval()
    array([16. ,  1.5])
    """
    x, n = as_tensor_variable(x), as_tensor_variable(n)
    if n.value.type.dtype.kind not in "biu":
        raise TypeError(at(f"ldexp: the exponent is an integer, not {n.type}", here()))
    if x.value.type.dtype.kind != "f":
        x = cast(x, "float64")
    return elemwise("ldexp", x, cast(n, x.dtype))


def frexp(x: Any) -> tuple[TensorVariable, TensorVariable]:
    """(m, n) of x = m * 2**n with 0.5 <= |m| < 1; n is int32."""
    return unary("mantissa", x), cast(unary("exponent", x), "int32")


def modf(x: Any) -> tuple[TensorVariable, TensorVariable]:
    """(x without its integral part, that part), both floats with the sign of x."""
    x = as_tensor_variable(x)
    if x.value.type.dtype.kind != "f":
        x = cast(x, "float64")
    return unary("frac", x), unary("trunc", x)


def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> TensorVariable:
    """`x` with numbers for NaN and infinities: by default 0 and the largest of the dtype.

    >>> nan_to_num([1.0, float("nan"), float("-inf")], neginf=-5.0).eval()
    array([ 1.,  0., -5.])
    """
    x = as_tensor_variable(x)
    dtype = x.value.type.dtype
    if dtype.kind != "f":
        return wrap(Builder(here())("identity", x.value))
    info = np.finfo(dtype.np)
    top = float(info.max) if posinf is None else posinf
    low = float(info.min) if neginf is None else neginf
    out = switch(isnan(x), _as(nan, dtype), x)
    return switch(isposinf(x), _as(top, dtype), switch(isneginf(x), _as(low, dtype), out))


def _as(value: Any, dtype: Any) -> Any:
    return value if isinstance(value, (int, float)) else cast(value, dtype)


rint = round_half_to_even
fix = trunc

__all__ = [
    "ceil", "copysign", "fix", "floor", "frexp", "heaviside", "iround", "isfinite", "isinf",
    "isnan", "isneginf", "isposinf", "ldexp", "modf", "nan_to_num", "nextafter", "rint", "round",
    "round_half_away_from_zero", "round_half_to_even", "signbit", "spacing", "trunc",
]  # fmt: skip
