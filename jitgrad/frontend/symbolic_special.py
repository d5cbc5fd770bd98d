"""Error and gamma functions of variables under Theano's names."""

from __future__ import annotations

from typing import Any

from ..errors import at
from ..ir.build import Builder
from ..ir.types import F64
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_ops import unary


def erf(x: Any) -> TensorVariable:
    """The error function."""
    return unary("erf", x)


def erfc(x: Any) -> TensorVariable:
    """1 - erf(x) without cancellation."""
    return unary("erfc", x)


def erfcx(x: Any) -> TensorVariable:
    """exp(x²) erfc(x), which does not underflow."""
    return unary("erfcx", x)


def erfinv(x: Any) -> TensorVariable:
    """The y with erf(y) = x."""
    return unary("erfinv", x)


def erfcinv(x: Any) -> TensorVariable:
    """The y with erfc(y) = x."""
    return unary("erfcinv", x)


def gamma(x: Any) -> TensorVariable:
    """The gamma function, (x - 1)! for positive integers."""
    return unary("gamma", x)


def gammaln(x: Any) -> TensorVariable:
    """log |gamma(x)|."""
    return unary("gammaln", x)


def psi(x: Any) -> TensorVariable:
    """The derivative of `gammaln`."""
    return unary("digamma", x)


def tri_gamma(x: Any) -> TensorVariable:
    """The second derivative of `gammaln`."""
    return polygamma(1, x)


def polygamma(n: int, x: Any) -> TensorVariable:
    """The n-th derivative of `psi`, for a Python integer n from 0 to 100.

    >>> import jitgrad.tensor as T
    >>> T.polygamma(1, 1.0).eval() * 6 / 3.141592653589793 ** 2
    np.float64(1.0)

    Raises `TypeError` for an n that is a variable or no integer, or out of range.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(at(f"polygamma: the order is a Python integer, not {n!r}", here()))
    if n == 0:
        return psi(x)
    v = as_tensor_variable(x).value
    b = Builder(here())
    return wrap(b("polygamma", v if v.type.dtype.kind == "f" else b.cast(v, F64), n=n))


digamma = psi

__all__ = ["digamma", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "gamma", "gammaln", "polygamma",
           "psi", "tri_gamma"]  # fmt: skip
