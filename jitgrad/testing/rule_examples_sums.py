"""Examples of the rules of reductions, products and stabilization; see `rule_examples`."""

from __future__ import annotations

import numpy as np

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.types import BOOL, F64, I64, tensor
from .rule_examples import M, S, V, example, n, two


def _padded(b: Builder, x: Value, value: float) -> Value:
    return b("pad", x, b.const(value, tensor(F64, ())), lo=(1, 0), hi=(0, 2), interior=(0, 1))


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

example(
    "extreme-constant",
    ("bool", V),
    lambda b, x, y: b("and", x, b("all", b.const(True, tensor(BOOL, (n,))), axes=(0,))),
    lambda b, x, y: b("and", x, b("any", b.const(True, tensor(BOOL, (n,))), axes=(0,))),
)
for _op in ("sum", "prod", "max", "min"):
    example(
        "reduce-concatenate",
        (M, "f64[n, 2]", M),
        lambda b, x, y, z, op=_op: b(op, b("concatenate", x, y, z, axis=1), axes=(1,)),
        lambda b, x, y, z, op=_op: b(op, b("exp", b("concatenate", x, y, z, axis=1)), axes=(1,)),
    )
    example(
        "reduce-reverse",
        "f64[2, 3, 4]",
        lambda b, x, op=_op: b(op, b("reverse", x, axes=(0, 1)), axes=(1,)),
        lambda b, x: b("argmax", b("reverse", x, axes=(0, 1)), axis=1),
    )
example("reduce-concatenate", (S, S), lambda b, x, y: b.sum(b("concatenate", x, y, axis=1), (0,)))
example(
    "reduce-pad",
    (M, "f64"),
    lambda b, x, y: b("sum", _padded(b, x, 0.0), axes=(0,)),
    lambda b, x, y: b("sum", _padded(b, x, 1.0), axes=(0,)),
)
example("reduce-pad", M, lambda b, x: b("max", _padded(b, x, -np.inf), axes=(0, 1)))
example("reduce-pad", M, lambda b, x: b("prod", _padded(b, x, 1.0), axes=(1,)))
example("reduce-reverse", S, lambda b, x: b("sum", b("sort", x, axis=1), axes=(1,)))
example(
    "reduce-squeeze",
    M,
    lambda b, x: b.sum(b.reshape(x, (n, 1, 3)), (2,)),
    lambda b, x: b.sum(b.reshape(x, (3 * n, 1)), (0,)),
)
example(
    "sum-scaled-up",
    M,
    lambda b, x: b.sum(b.mul(two(b, x), x), (0,)),
    lambda b, x: b.sum(b.mul(b.const(0.5, x.type), x), (0,)),
)
example("sum-scaled-up", "i64[n]", lambda b, x: b.sum(b.mul(b.const(-3, x.type), x), (0,)))
example(
    "sum-neg-int",
    "i64[n]",
    lambda b, x: b.sum(b("neg", x), (0,)),
    lambda b, x: b.sum(b("neg", x), (0,)),
    V,
)
example(
    "matmul-nothing",
    ("f64[n, 0]", "f64[0, 3]"),
    lambda b, x, y: b("matmul", x, y, ta=False, tb=False),
    lambda b, x, y: b("matmul", x, b.zeros(y.type), ta=False, tb=False),
    (S, "f64[4, 2]"),
)
example(
    "matmul-nothing",
    "i64[2, n]",
    lambda b, x: b("matmul", x, b.zeros(tensor(I64, (n, 3))), ta=False, tb=False),
)
for _flip in (False, True):
    example(
        "matmul-stack",
        ("f64[2, n, 3]", "f64[5, 3]" if _flip else "f64[3, 5]"),
        lambda b, x, y, tb=_flip: b(
            "matmul", x, b.broadcast(y, (2, *y.type.shape), (1, 2)), ta=False, tb=tb
        ),
        lambda b, x, y, tb=_flip: b(
            "matmul", x, b("exp", b.broadcast(y, (2, *y.type.shape), (1, 2))), ta=False, tb=tb
        ),
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


# -- products and weighted sums under a logarithm --------------------------------------------------


def _weighted(b: Builder, x: Value, w: Value) -> Value:
    return b("log", b.sum(b.mul(w, b("exp", x)), (1,)))


example(
    "log-power",
    V,
    lambda b, x: b("log", b.mul(x, x)),
    lambda b, x: b("log", b("pow", x, b.const(0.5, x.type))),
)
example("log-power", V, lambda b, x: b("log", b("pow", b("exp", x), b.const(-3, x.type))))
example(
    "log-product",
    (V, V),
    lambda b, x, y: b("log", b("div", b("exp", x), b.mul(b("exp", y), b("abs", x)))),
    lambda b, x, y: b("log", b("div", b("sin", x), b.mul(y, x))),
)
example(
    "log-product",
    (M, "f64[n]"),
    lambda b, x, y: b("log", b.mul(b.sum(b("exp", x), (1,)), b("abs", y))),
)
example(
    "log-weighted-sum",
    (M, M),
    _weighted,
    lambda b, x, y: b("log", b.sum(b.mul(y, b("exp", _shifted(b, x))), (1,))),
)
example(
    "log-weighted-sum",
    M,
    lambda b, x: b(
        "log",
        b.sum(b.select(b("gt", x, b.zeros(x.type)), b("exp", x), b.zeros(x.type)), (0,)),
    ),
)
example(
    "prod-of-exp",
    M,
    lambda b, x: b("prod", b("exp", x), axes=(1,)),
    lambda b, x: b("prod", b("sin", x), axes=(1,)),
)
example(
    "log-of-prod",
    M,
    lambda b, x: b("log", b("prod", x, axes=(1,))),
    lambda b, x: b("log", b.sum(x, (1,))),
)
example("log-of-prod", M, lambda b, x: b("log", b("prod", b("sigmoid", x), axes=(0, 1))))


def _scaled(b: Builder, x: Value, a: float, c: float) -> Value:
    return b.add(b.const(a, x.type), b.mul(b.const(c, x.type), b("exp", x)))


example(
    "scaled-logistic",
    (V, V),
    lambda b, x, y: b("div", y, _scaled(b, x, 3.0, 0.5)),
    lambda b, x, y: b("div", y, _scaled(b, x, 3.0, -0.5)),
)
example("scaled-logistic", V, lambda b, x: b("div", b.const(3.0, x.type), _scaled(b, x, 3.0, 0.5)))
example(
    "scaled-softplus",
    V,
    lambda b, x: b("log", _scaled(b, x, 3.0, 0.5)),
    lambda b, x: b("log", _scaled(b, x, -3.0, 0.5)),
)
example(
    "scaled-softplus",
    V,
    lambda b, x: b("log1p", b.mul(b.const(3.0, x.type), b("exp", x))),
)


def _gauss(b: Builder, x: Value, minus: bool) -> Value:
    square = b.mul(x, x)
    return b("exp", b("neg", square) if minus else square)


example(
    "erfcx-product",
    (V, V),
    lambda b, x, y: b("div", b.mul(y, _gauss(b, x, True)), b("erfc", x)),
    lambda b, x, y: b("div", b.mul(y, _gauss(b, x, False)), b("erfc", x)),
)
example("erfcx-product", (V, V), lambda b, x, y: b.mul(b("erfc", x), b.mul(_gauss(b, x, False), y)))
example("erfcx-product", V, lambda b, x: b("div", b("erfc", x), _gauss(b, x, True)))
