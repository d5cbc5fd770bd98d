"""Rules that break a promise: each is off unless the pass's `fastmath` names what it breaks."""

from __future__ import annotations

import math
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.terms import Term, app, exp, log, select, sqrt, var, x, y, z
from ...ir.types import tensor
from ..fold import splat
from ..match import ASSOC, NAN, SIGNED_ZERO, ULP, Bound, RuleSet, structural
from ..match import rule as _rule
from .canonical import maker

RELAXED: RuleSet = []
c, c1, c2, w = var("c"), var("c1"), var("c2"), var("w")


def rule(name: str, left: Term, right: Any, *, relax: Any, when: Any = None) -> None:
    _rule(RELAXED, name, left, right, depth=4, kinds="f", relax=relax, when=when)


def _ordinary(env: Bound) -> bool:
    """the exponents are not huge."""
    return all(abs(splat(v)) < 2**20 for k, v in env.items() if k[0] == "c")


rule("add-zero", x + 0.0, x, relax=SIGNED_ZERO)
rule("mul-zero", x * 0.0, 0.0, relax=(SIGNED_ZERO, NAN))
rule("zero-div", 0.0 / x, 0.0, relax=(SIGNED_ZERO, NAN))
rule("sub-self", x - x, 0.0, relax=NAN)
rule("div-self", x / x, 1.0, relax=NAN)
rule("neg-sub", -(x - y), y - x, relax=SIGNED_ZERO)
rule("assoc-mul", c1 * (c2 * x), (c1 * c2) * x, relax=ASSOC)
rule("assoc-add", c1 + (c2 + x), (c1 + c2) + x, relax=ASSOC)
rule("sub-const", x - c, -c + x, relax=ASSOC)
rule("add-const-minus", c1 + (c2 - x), (c1 + c2) - x, relax=ASSOC)
rule("const-minus-minus", c1 - (c2 - x), (c1 - c2) + x, relax=(ASSOC, SIGNED_ZERO))
rule("const-minus-add", c1 - (c2 + x), (c1 - c2) - x, relax=(ASSOC, SIGNED_ZERO))
rule("collect", x + c * x, (1 + c) * x, relax=(ASSOC, NAN))
rule("collect-two", c1 * x + c2 * x, (c1 + c2) * x, relax=(ASSOC, NAN))
rule("factor", x * y + x * z, x * (y + z), relax=(ASSOC, NAN, SIGNED_ZERO))
rule("add-sub", x + (y - x), y, relax=(ASSOC, NAN, SIGNED_ZERO))
rule("sub-add", (x + y) - x, y, relax=(ASSOC, NAN, SIGNED_ZERO))
rule("sub-sub", x - (x - y), y, relax=(ASSOC, NAN, SIGNED_ZERO))
rule("div-div", (x / y) / z, x / (y * z), relax=(ASSOC, NAN))
rule("div-by-quotient", x / (y / z), (x * z) / y, relax=(ASSOC, NAN))
rule("mul-recip", x * (1 / y), x / y, relax=(ULP(2), NAN, ASSOC))
rule("div-const", x / c, x * (1 / c), relax=ULP(1))
rule("exp-exp", exp(x) * exp(y), exp(x + y), relax=(ASSOC, NAN))
rule("exp-over-exp", exp(x) / exp(y), exp(x - y), relax=(ASSOC, NAN))
rule("recip-exp", 1 / exp(x), exp(-x), relax=ULP(4))
rule("div-exp", x / exp(y), x * exp(-y), relax=(ULP(4), NAN, ASSOC))
rule("exp-log", exp(log(x)), x, relax=(NAN, ASSOC))
rule("sqrt-pow", x**0.5, sqrt(x), relax=(SIGNED_ZERO, NAN, ULP(1)))
rule("sqrt-mul-sqrt", sqrt(x) * sqrt(y), sqrt(x * y), relax=(ASSOC, NAN))
rule("pow-mul-pow", x**c1 * x**c2, x ** (c1 + c2), relax=(ASSOC, NAN, SIGNED_ZERO), when=_ordinary)
rule("pow-mul-one", x * x**c, x ** (1 + c), relax=(ASSOC, NAN, SIGNED_ZERO), when=_ordinary)
rule("e-pow", app("pow", math.e, x), exp(x), relax=ULP(400))
rule("select-mul", select(x, y, 0.0) * z, select(x, y * z, 0.0), relax=(NAN, SIGNED_ZERO))
rule("select-div", select(x, y, 0.0) / z, select(x, y / z, 0.0), relax=(NAN, SIGNED_ZERO))

FACTORS = 16


@structural(RELAXED, "cancel-factors", "div", relax=(ASSOC, NAN), exact="reassociates")
def _cancel(op: Op, b: Builder) -> Any:
    """(x·y)/(x·z) → y/z, through products, quotients and signs on both sides."""
    up: list[Value] = []
    down: list[Value] = []
    negative = False
    todo = [(op.results[0], True)]
    while todo:
        v, top = todo.pop()
        name = v.op.opdef.name if v.op is not None else ""
        if name in ("mul", "div") and len(up) + len(down) + len(todo) < FACTORS:
            left, right = v.op.operands  # type: ignore[union-attr]
            todo += [(right, top if name == "mul" else not top), (left, top)]
        elif name == "neg":
            negative = not negative
            todo.append((v.op.operands[0], top))  # type: ignore[union-attr]
        else:
            (up if top else down).append(v)
    left_over = list(down)
    kept = []
    for v in up:
        if v in left_over and splat(v) is None:
            left_over.remove(v)
        else:
            kept.append(v)
    if len(kept) == len(up):
        return None
    top_, below = _multiplied(b, kept), _multiplied(b, left_over)
    if top_ is None:
        top_ = b.const(1, op.results[0].type)
    out = top_ if below is None else b("div", top_, below)
    return b("neg", out) if negative else out


def _multiplied(b: Builder, values: list[Value]) -> Value | None:
    out: Value | None = None
    for v in values:
        out = v if out is None else b.mul(out, v)
    return out


# -- reductions and products ----------------------------------------------------------------------


def _scaled(op: Op, b: Builder) -> Any:
    product = op.operands[0].op
    assert product is not None
    for factor, rest in (product.operands, product.operands[::-1]):
        s = splat(factor)
        if s is not None:
            number = b.const(s, op.results[0].type)
        else:
            spread = maker(factor, "broadcast")
            if spread is None or spread.operands[0].type.rank:
                continue
            number = b.broadcast(spread.operands[0], op.results[0].type.shape, ())
        if splat(rest) is not None:
            continue  # a number in every element: the other rule's
        total = b("sum", rest, axes=op.attrs["axes"])
        return b(product.opdef.name, total, number) if product.opdef.name == "div" else b.mul(
            number, total)  # fmt: skip
    return None


@structural(RELAXED, "sum-scaled", "sum", child=("mul",), relax=(ASSOC, NAN, SIGNED_ZERO),
            exact="reassociates")  # fmt: skip
def _sum_scaled(op: Op, b: Builder) -> Any:
    """sum(s·x) → s·sum(x), s a number or a scalar."""
    return _scaled(op, b) if op.operands[0].op.opdef.name == "mul" else None  # type: ignore[union-attr]


@structural(RELAXED, "sum-divided", "sum", child=("div",), relax=(ASSOC, NAN, SIGNED_ZERO),
            exact="reassociates")  # fmt: skip
def _sum_divided(op: Op, b: Builder) -> Any:
    """sum(x/s) → sum(x)/s, s a number or a scalar."""
    div = maker(op.operands[0], "div")
    if div is None:
        return None
    x, s = div.operands
    spread, number = maker(s, "broadcast"), splat(s)
    if number is not None:
        by = b.const(number, op.results[0].type)
    elif spread is not None and not spread.operands[0].type.rank:
        by = b.broadcast(spread.operands[0], op.results[0].type.shape, ())
    else:
        return None
    return b("div", b("sum", x, axes=op.attrs["axes"]), by)


@structural(RELAXED, "sum-neg", "sum", child=("neg",), relax=SIGNED_ZERO)
def _sum_neg(op: Op, b: Builder) -> Any:
    """sum(-x) → -sum(x)."""
    neg = maker(op.operands[0], "neg")
    return neg and b("neg", b("sum", neg.operands[0], axes=op.attrs["axes"]))


@structural(RELAXED, "matmul-zero", "matmul", child=("constant", "broadcast"), relax=NAN)
def _matmul_zero(op: Op, b: Builder) -> Any:
    """A product with a matrix of zeros → zeros."""
    zero = any(splat(v) == 0 for v in op.operands)
    return b.zeros(op.results[0].type) if zero and op.results[0].type.dtype.kind == "f" else None


@structural(RELAXED, "matmul-scaled", "matmul", child=("mul",), relax=(ASSOC, NAN),
            exact="reassociates")  # fmt: skip
def _matmul_scaled(op: Op, b: Builder) -> Any:
    """(s·x) y → s·(x y), s a number or a scalar, where that means fewer products."""
    for k in (0, 1):
        m = maker(op.operands[k], "mul")
        if m is None:
            continue
        for factor, rest in (m.operands, m.operands[::-1]):
            s, spread = splat(factor), maker(factor, "broadcast")
            if s is None and (spread is None or spread.operands[0].type.rank):
                continue
            out = op.results[0].type
            if not (rest.type.static and out.static and out.size <= rest.type.size):  # type: ignore[operator]
                continue
            ins = list(op.operands)
            ins[k] = rest
            number = b.const(s, tensor(out.dtype, ())) if spread is None else spread.operands[0]
            return b.mul(b.broadcast(number, out.shape, ()), b("matmul", *ins, **op.attrs))
    return None
