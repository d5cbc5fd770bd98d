"""Examples of the rules of reductions, products and stabilization; see `rule_examples`."""

from __future__ import annotations

import numpy as np

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.types import F64, tensor
from .rule_examples import M, S, V, example, n, two

# -- reductions and products ----------------------------------------------------------------------
example("reduce-short", "f64[n, 1]", lambda b, x: b.sum(x, (1,)), lambda b, x: b.sum(x, (0, 1)))
example(
    "reduce-reduce",
    S,
    lambda b, x: b.sum(b.sum(x, (0,)), (0,)),
    lambda b, x: b("max", b.sum(x, (0,)), axes=(0,)),
)
example(
    "reduce-transpose",
    "f64[2, 3, 4]",
    lambda b, x: b.sum(b.transpose(x, (2, 0, 1)), (1,)),
    lambda b, x: b("cumsum", b.transpose(x, (2, 0, 1)), axis=1),
)
example(
    "reduce-reshape",
    S,
    lambda b, x: b.sum(b.reshape(x, (12,)), (0,)),
    lambda b, x: b.sum(b.reshape(x, (6, 2)), (0,)),
)
example(
    "sum-broadcast",
    V,
    lambda b, x: b.sum(b.broadcast(x, (n, 3), (0,)), (1,)),
    lambda b, x: b.sum(b("exp", x), (0,)),
)
example("sum-broadcast", "f64", lambda b, x: b.sum(b.broadcast(x, (3, 4), ()), (0, 1)))
example("sum-broadcast", (V, "f64"), lambda b, x, y: b.sum(b.broadcast(y, x.type.shape, ()), (0,)))
example(
    "extreme-broadcast",
    V,
    lambda b, x: b("max", b.broadcast(x, (n, 3), (0,)), axes=(1,)),
    lambda b, x: b("max", b.broadcast(x, (3, n), (1,)), axes=(1,)),
)
example(
    "extreme-constant",
    "f64",
    lambda b, x: b.mul(x, b("max", b.const(3, tensor(F64, (5,))), axes=(0,))),
    lambda b, x: b.mul(x, b("max", b.const(np.array([1.0, 2.0]), tensor(F64, (2,))), axes=(0,))),
)
example(
    "scan-short",
    "f64[n, 1]",
    lambda b, x: b("cumsum", x, axis=1),
    lambda b, x: b("cumsum", x, axis=0),
)
example(
    "matmul-transposed",
    (S, "f64[5, 4]"),
    lambda b, x, y: b("matmul", x, b.transpose(y, (1, 0)), ta=False, tb=False),
    lambda b, x, y: b("matmul", x, b.transpose(y, (1, 2, 0)), ta=False, tb=False),
    ("f64[2, 3, 4]", "f64[5, 2, 4]"),
)
example(
    "transpose-matmul",
    (S, "f64[4, 5]"),
    lambda b, x, y: b.transpose(b("matmul", x, y, ta=False, tb=False), (1, 0)),
    lambda b, x, y: b.transpose(b("matmul", x, y, ta=False, tb=False), (1, 0, 2)),
    ("f64[2, 3, 4]", "f64[2, 4, 5]"),
)
example(
    "outer-product",
    ("f64[n, 1]", "f64[1, 4]"),
    lambda b, x, y: b("matmul", x, y, ta=False, tb=False),
    lambda b, x, y: b("matmul", x, y, ta=False, tb=False),
    ("f64[n, 2]", "f64[2, 4]"),
)

# -- stabilization --------------------------------------------------------------------------------


def _keep(b: Builder, s: Value) -> Value:
    return b.broadcast(b.reshape(s, (n, 1)), (n, 3), (0, 1))


def _soft(b: Builder, x: Value) -> Value:
    e = b("exp", x)
    return b("div", e, _keep(b, b.sum(e, (1,))))


def _columns(b: Builder, x: Value, place: int) -> Value:
    e = b("exp", x)
    return b("div", e, b.broadcast(b.sum(e, (0,)), (3, 3), (place,)))


def _shifted(b: Builder, x: Value) -> Value:
    return b("sub", x, b.broadcast(b("max", x, axes=(1,)), (n, 3), (0,)))


def _logistic(b: Builder, x: Value) -> Value:
    return b.mul(b("sigmoid", x), b("exp", b("neg", x)))


example(
    "logistic-product",
    (V, V),
    lambda b, x, y: b.mul(b.mul(y, b("sigmoid", x)), b("exp", b("neg", x))),
    lambda b, x, y: b.mul(b.mul(y, b("sigmoid", x)), b("exp", b("neg", y))),
)
example("logistic-product", V, lambda b, x: b("neg", b("div", _logistic(b, x), b("sigmoid", x))))
example(
    "log-sum-exp",
    M,
    lambda b, x: b("log", b.sum(b("exp", x), (1,))),
    lambda b, x: b("log", b.sum(b("exp", _shifted(b, x)), (1,))),
)
example(
    "log-sum-exp",
    M,
    lambda b, x: b("log", b.reshape(b.sum(b("exp", x), (1,)), (n, 1))),
    lambda b, x: b("log", b.sum(b("sin", x), (1,))),
)
example(
    "log-sum-exp",
    M,
    lambda b, x: b("log", b("div", b.sum(b("exp", x), (1,)), b.const(3, tensor(F64, (n,))))),
)
example("softmax", M, _soft, lambda b, x: _soft(b, _shifted(b, x)))
example("softmax", "f64[3, 3]", lambda b, x: _columns(b, x, 1), lambda b, x: _columns(b, x, 0))
example(
    "softmax-product",
    M,
    lambda b, x: b.mul(
        _keep(b, b("div", b.const(1, tensor(F64, (n,))), b.sum(b("exp", x), (1,)))), b("exp", x)
    ),
    lambda b, x: b.mul(
        _keep(b, b("div", b.const(1, tensor(F64, (n,))), b.sum(b("sin", x), (1,)))), b("exp", x)
    ),
)
example(
    "log-softmax",
    M,
    lambda b, x: b("log", _soft(b, _shifted(b, x))),
    lambda b, x: b("log", b("div", b("exp", x), b("exp", two(b, x)))),
)
