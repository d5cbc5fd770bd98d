"""Examples of the algebraic rules that are functions; see `rule_examples`."""

from __future__ import annotations

from typing import Any

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import symbol
from ..ir.types import F64, I64, tensor
from .rule_examples import M, S, V, example, n, two

m = symbol("m")


def _num(b: Builder, x: Value, value: Any) -> Value:
    return b.const(value, x.type)


# -- powers and numbers that are not negative -----------------------------------------------------
example(
    "ipow-chain",
    "i64[n]",
    lambda b, x: b("ipow", x, _num(b, x, 13)),
    lambda b, x: b("ipow", x, _num(b, x, 65)),
)
example("ipow-chain", "u8[n]", lambda b, x: b("ipow", x, _num(b, x, 0)))
example(
    "pow-chain",
    V,
    lambda b, x: b("pow", x, _num(b, x, -7)),
    lambda b, x: b("pow", x, _num(b, x, 2.5)),
)
example(
    "abs-nonnegative",
    V,
    lambda b, x: b("abs", b.mul(x, x)),
    lambda b, x: b("abs", b.mul(x, b("exp", x))),
)
example("abs-nonnegative", M, lambda b, x: b("abs", b("max", b("exp", x), axes=(1,))))
example(
    "maximum-nonnegative",
    V,
    lambda b, x: b("maximum", b("exp", x), _num(b, x, -1)),
    lambda b, x: b("maximum", b("exp", x), _num(b, x, 1)),
)

# -- sizes ----------------------------------------------------------------------------------------


def _dim(b: Builder, expr: Any) -> Value:
    return b("dim", expr=expr)


def _whole(b: Builder, v: int) -> Value:
    return b.const(v, tensor(I64, ()))


for _op, _other in (("ge", 0), ("lt", 0), ("eq", -1), ("ne", -2), ("gt", -1), ("le", -3)):
    example(
        "compare-dim",
        (V, "bool"),
        lambda b, x, y, op=_op, k=_other: b("and", y, b(op, _dim(b, n), _whole(b, k))),
        lambda b, x, y, op=_op: b("and", y, b(op, _dim(b, n), _whole(b, 4))),
    )
example(
    "extreme-dim",
    (V, "i64"),
    lambda b, x, y: b.add(y, b("maximum", _dim(b, n), _whole(b, 0))),
    lambda b, x, y: b.add(y, b("maximum", _dim(b, n), _whole(b, 1))),
)
example(
    "extreme-dim", (V, "i64"), lambda b, x, y: b.add(y, b("minimum", _dim(b, n), _dim(b, n + 2)))
)
for _op in ("add", "sub", "mul"):
    example(
        "dim-arithmetic",
        (V, "f64[m]"),
        lambda b, x, y, op=_op: b(op, _dim(b, n), b(op, _dim(b, m), _whole(b, 3))),
        lambda b, x, y, op=_op: b(op, _dim(b, n), _whole(b, 2**40)),
    )

# -- rules that break a promise -------------------------------------------------------------------


def _over(b: Builder, x: Value, y: Value, z: Value) -> Value:
    return b("div", x, b.mul(y, z))


example(
    "cancel-factors",
    (V, V, V),
    lambda b, x, y, z: _over(b, b.mul(x, b("neg", b("exp", y))), b("exp", y), z),
    lambda b, x, y, z: _over(b, b.mul(x, b("cosh", y)), b("exp", y), z),
)
example("cancel-factors", V, lambda b, x: _over(b, b("exp", x), b("exp", x), b("exp", x)))
example(
    "sum-scaled",
    (M, "f64"),
    lambda b, x, y: b.sum(b.mul(b.broadcast(y, (n, 3), ()), x), (1,)),
    lambda b, x, y: b.sum(b.mul(x, x), (1,)),
)
example("sum-scaled", M, lambda b, x: b.sum(b.mul(_num(b, x, -0.25), x), (0, 1)))
example(
    "sum-divided",
    (M, "f64"),
    lambda b, x, y: b.sum(b("div", x, b.broadcast(y, (n, 3), ())), (1,)),
    lambda b, x, y: b.sum(b("div", b.broadcast(y, (n, 3), ()), x), (1,)),
)
example("sum-divided", M, lambda b, x: b.sum(b("div", x, _num(b, x, 3)), (0,)))
example("sum-neg", M, lambda b, x: b.sum(b("neg", x), (0,)), lambda b, x: b.sum(b("exp", x), (0,)))
example(
    "matmul-zero",
    S,
    lambda b, x: b("matmul", x, b.zeros(tensor(F64, (4, 2))), ta=False, tb=False),
    lambda b, x: b("matmul", x, b.const(1, tensor(F64, (4, 2))), ta=False, tb=False),
)
example(
    "matmul-scaled",
    (S, "f64[4, 1]", "f64"),
    lambda b, x, y, z: b("matmul", b.mul(x, b.broadcast(z, (3, 4), ())), y, ta=False, tb=False),
    lambda b, x, y, z: b("matmul", b.mul(x, x), y, ta=False, tb=False),
)
example(
    "matmul-scaled",
    (S, "f64[4, 1]"),
    lambda b, x, y: b("matmul", b.mul(two(b, x), x), y, ta=False, tb=False),
)
