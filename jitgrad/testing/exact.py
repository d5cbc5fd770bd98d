"""Exact values of terms by multi-precision arithmetic: the oracle of the rule checker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mpmath
import numpy as np

from ..ir.terms import Term

PRECISION = 2600  # bits: 1 + exp(-745) and then its logarithm must keep 53 of them


class NotExact(Exception):
    """The term has no finite real value there."""


def _sigmoid(v: Any) -> Any:
    return 1 / (1 + mpmath.exp(-v))


def _pow(a: Any, c: Any) -> Any:
    if a < 0 and c != int(c):
        raise NotExact
    return a ** int(c) if c == int(c) else mpmath.power(a, c)


def _log(v: Any) -> Any:
    if v <= 0:
        raise NotExact
    return mpmath.log(v)


def _erf(v: Any) -> Any:
    return mpmath.erf(v) if abs(v) < 100 else mpmath.sign(v)


def _gamma(v: Any) -> Any:
    if abs(v) > 1000:
        raise NotExact
    with mpmath.workprec(400):  # near its poles and at 1 and 2 there are digits enough
        return mpmath.gamma(v)


_OPS: dict[str, Any] = {
    "add": lambda a, c: a + c,
    "sub": lambda a, c: a - c,
    "mul": lambda a, c: a * c,
    "div": lambda a, c: a / c,
    "neg": lambda a: -a,
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "exp": mpmath.exp,
    "expm1": lambda v: mpmath.exp(v) - 1,
    "log": _log,
    "log1p": lambda v: _log(1 + v),
    "sigmoid": _sigmoid,
    "exp2": lambda v: mpmath.power(2, v),
    "log2": lambda v: _log(v) / mpmath.log(2),
    "log10": lambda v: _log(v) / mpmath.log(10),
    "log1mexp": lambda v: _log(1 - mpmath.exp(v)),
    "logit": lambda v: _log(v / (1 - v)),
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "asinh": mpmath.asinh,
    "acosh": lambda v: mpmath.acosh(v) if v >= 1 else _fail(),
    "atanh": lambda v: mpmath.atanh(v) if abs(v) < 1 else _fail(),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": lambda v: mpmath.asin(v) if abs(v) <= 1 else _fail(),
    "acos": lambda v: mpmath.acos(v) if abs(v) <= 1 else _fail(),
    "atan": mpmath.atan,
    "erf": _erf,
    "erfc": mpmath.erfc,
    "erfcx": lambda v: mpmath.exp(v * v) * mpmath.erfc(v),
    "logerfc": lambda v: _log(mpmath.erfc(v)),
    "erfinv": lambda v: mpmath.erfinv(v) if abs(v) < 1 else _fail(),
    "erfcinv": lambda v: mpmath.erfinv(1 - v) if 1e-3 < v < 2 - 1e-3 else _fail(),
    "gamma": _gamma,
    "gammaln": lambda v: _log(abs(_gamma(v))),
    "softplus": lambda v: mpmath.log(1 + mpmath.exp(v)),
    "logaddexp": lambda a, c: mpmath.log(mpmath.exp(a) + mpmath.exp(c)),
    "tanh": lambda v: 1 - 2 / (1 + mpmath.exp(2 * v)),
    "sqrt": lambda v: mpmath.sqrt(v) if v >= 0 else _fail(),
    "pow": _pow,
}


def _fail() -> Any:
    raise NotExact


# functions that undo another on all real numbers
_INVERSE = {"erfinv": "erf", "erfcinv": "erfc", "atanh": "tanh", "logit": "sigmoid",
            "log1p": "expm1", "log": "exp", "log2": "exp2", "asinh": "sinh"}  # fmt: skip


def _evaluate(term: Term, point: Mapping[str, Any]) -> Any:
    if term.op is None:
        return point[term.name] if term.name else mpmath.mpf(term.value)
    inner = term.args[0]
    if inner.op is not None and inner.op == _INVERSE.get(term.op):  # no digit is lost on the way
        return _evaluate(inner.args[0], point)
    if term.op == "erfc" and inner.op == "erfcinv":
        v = _evaluate(inner.args[0], point)
        return v if 0 < v < 2 else _fail()
    if term.op == "log1p" and inner.op == "neg" and inner.args[0].op == "erf":
        return _log(mpmath.erfc(_evaluate(inner.args[0].args[0], point)))
    if term.op == "log1p" and inner.op == "erf":
        return _log(mpmath.erfc(-_evaluate(inner.args[0], point)))
    try:
        return _OPS[term.op](*[_evaluate(a, point) for a in term.args])
    except (ZeroDivisionError, OverflowError, ValueError):
        raise NotExact from None


def exact_value(term: Term, point: Mapping[str, float], dtype: np.dtype) -> tuple[Any, float]:
    """The exact value of a term and how far half a unit in each argument moves it.

    Raises `NotExact` where there is no such value; infinite arguments are taken as limits.
    """
    try:
        return _exact_value(term, point, dtype, PRECISION)
    except NotExact:  # perhaps for want of digits: 1 - exp(-1e4) is not 0
        return _exact_value(term, point, dtype, 16 * PRECISION)


def _exact_value(
    term: Term, point: Mapping[str, float], dtype: np.dtype, precision: int
) -> tuple[Any, float]:
    with mpmath.workprec(precision):
        at = {k: mpmath.mpf(v) for k, v in point.items()}
        value = _evaluate(term, at)
        if mpmath.isnan(value):
            raise NotExact
        eps = mpmath.mpf(float(np.finfo(dtype).eps)) / 2
        slack = mpmath.mpf(0)
        for k, v in at.items():
            if not mpmath.isfinite(v):
                continue
            try:
                slack += abs(_evaluate(term, {**at, k: v * (1 + eps)}) - value)
            except NotExact:
                slack += abs(value)
        return value, float(slack) if slack < mpmath.mpf(10) ** 300 else float("inf")
