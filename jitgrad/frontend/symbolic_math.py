"""Elementwise functions of variables under Theano's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .symbolic import TensorVariable
from .symbolic_ops import cast, clip, elemwise, power, square, switch, unary


def _unary(op: str, doc: str) -> Callable[[Any], TensorVariable]:
    def make(x: Any) -> TensorVariable:
        return unary(op, x)

    make.__doc__ = doc
    return make


def _binary(op: str, doc: str) -> Callable[[Any, Any], TensorVariable]:
    def make(x: Any, y: Any) -> TensorVariable:
        return elemwise(op, x, y)

    make.__doc__ = doc
    return make


exp = _unary("exp", "e to the x, elementwise.")
expm1 = _unary("expm1", "exp(x) - 1 without cancellation.")
log = _unary("log", "The natural logarithm.")
log1p = _unary("log1p", "log(1 + x) without cancellation.")
sqrt = _unary("sqrt", "The square root.")
sin = _unary("sin", "The sine.")
cos = _unary("cos", "The cosine.")
tan = _unary("tan", "The tangent.")
tanh = _unary("tanh", "The hyperbolic tangent.")
erf = _unary("erf", "The error function.")
sigmoid = _unary("sigmoid", "1 / (1 + exp(-x)).")
softplus = _unary("softplus", "log(1 + exp(x)).")
floor = _unary("floor", "Rounded down.")
isnan = _unary("isnan", "Whether x is NaN.")
neg = _unary("neg", "-x.")
abs_ = _unary("abs", "|x|; the gradient at 0 is 0.")
sgn = _unary("sign", "-1, 0 or 1.")
invert = _unary("not", "Bitwise (of bools: logical) not.")
sqr = square
identity = _unary("identity", "x itself.")

add = _binary("add", "x + y.")
sub = _binary("sub", "x - y.")
mul = _binary("mul", "x * y.")
true_div = _binary("div", "x / y, a float.")
maximum = _binary("maximum", "The larger; equal elements share the gradient.")
minimum = _binary("minimum", "The smaller; equal elements share the gradient.")
logaddexp = _binary("logaddexp", "log(exp(x) + exp(y)).")
eq = _binary("eq", "Whether elements are equal (`==` compares variables).")
neq = _binary("ne", "Whether elements differ.")
lt = _binary("lt", "x < y.")
le = _binary("le", "x <= y.")
gt = _binary("gt", "x > y.")
ge = _binary("ge", "x >= y.")
and_ = _binary("and", "Bitwise (of bools: logical) and.")
or_ = _binary("or", "Bitwise (of bools: logical) or.")
xor = _binary("xor", "Bitwise (of bools: logical) exclusive or.")
pow = power
where = switch


__all__ = [
    "abs_", "add", "and_", "cast", "clip", "cos", "eq", "erf", "exp", "expm1", "floor", "ge", "gt",
    "identity", "invert", "isnan", "le", "log", "log1p", "logaddexp", "lt", "maximum", "minimum",
    "mul", "neg", "neq", "or_", "pow", "sgn", "sigmoid", "sin", "softplus", "sqr", "sqrt", "sub",
    "switch", "tan", "tanh", "true_div", "where", "xor",
]  # fmt: skip
