"""Stabilization: naive formulas become functions that neither overflow nor cancel.

These rules are part of the language's meaning, always on, and run before differentiation where the
primal is at hand: a derivative of the naive formula may be NaN where the function is fine. They
move a result only towards the exact real value. The order counts: the first rule that fits is
taken, and operands were rewritten before, so that 1 - exp(x) is met as 0 - expm1(x).

Sums of exponentials along axes are in `softmax`.
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.terms import (
    Term,
    abs_,
    app,
    atanh,
    cos,
    cosh,
    eq,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    logaddexp,
    maximum,
    ne,
    select,
    sigmoid,
    sin,
    sinh,
    softplus,
    sqrt,
    tanh,
    x,
    y,
    z,
)
from ..fold import is_number, splat
from ..match import RuleSet, structural
from ..match import rule as _rule
from .algebra import nonnegative
from .canonical import maker

STABILIZE: RuleSet = []
log2, log1mexp, logit = (lambda a, n=n: app(n, a) for n in ("log2", "log1mexp", "logit"))


def rule(name: str, left: Term, right: Term, ulp: float, conditioned: bool = False) -> None:
    _rule(STABILIZE, name, left, right, exact="closer", ulp=ulp, depth=4, kinds="f",
          conditioned=conditioned)  # fmt: skip


# -- hyperbolic functions, spelled out -------------------------------------------------------------
rule("sinh-half", 0.5 * (exp(x) - exp(-x)), sinh(x), 3)
rule("sinh-over-two", (exp(x) - exp(-x)) / 2, sinh(x), 3)
rule("cosh-half", 0.5 * (exp(x) + exp(-x)), cosh(x), 3)
rule("cosh-over-two", (exp(x) + exp(-x)) / 2, cosh(x), 3)
rule("tanh-quotient", sinh(x) / cosh(x), tanh(x), 3)
rule("asinh-spelled", log(x + sqrt(1 + x * x)), app("asinh", x), 3)
rule("asinh-power", log(x + sqrt(1 + x**2)), app("asinh", x), 3)
rule("atanh-spelled", log((1 + x) / (1 - x)), 2 * atanh(x), 3)
rule("atanh-difference", log1p(x) - log1p(-x), 2 * atanh(x), 3)
rule("tanh-sinh-cosh", (exp(x) - exp(-x)) / (exp(x) + exp(-x)), tanh(x), 3)
rule("tanh-expm1", expm1(x) / (1 + exp(x)), tanh(0.5 * x), 4)
rule("tanh-expm1-neg", (0.0 - expm1(x)) / (1 + exp(x)), tanh(-0.5 * x), 4)

# -- the logistic function ------------------------------------------------------------------------
rule("sigmoid", 1 / (1 + exp(-x)), sigmoid(x), 3)
rule("sigmoid-neg", 1 / (1 + exp(x)), sigmoid(-x), 3)
rule("sigmoid-exp", exp(x) / (1 + exp(x)), sigmoid(x), 3)
rule("sigmoid-power", (1 + exp(-x)) ** -1, sigmoid(x), 3)
rule("sigmoid-two", exp(x) / (exp(x) + exp(y)), sigmoid(x - y), 4, conditioned=True)
rule("logistic-density", exp(x) / (1 + exp(x)) ** 2, sigmoid(x) * sigmoid(-x), 6)
rule("times-sigmoid", y / (1 + exp(-x)), y * sigmoid(x), 4)
rule("times-sigmoid-neg", y / (1 + exp(x)), y * sigmoid(-x), 4)
rule("one-minus-sigmoid-neg", 1 - sigmoid(-x), sigmoid(x), 3)
rule("one-minus-sigmoid", 1 - sigmoid(x), sigmoid(-x), 3)
rule("minus-times-sigmoid", y - y * sigmoid(x), y * sigmoid(-x), 4)
rule("plus-minus-times-sigmoid", y + (-(y * sigmoid(x))), y * sigmoid(-x), 4)
rule("tanh-of-sigmoid", 2 * sigmoid(x) - 1, tanh(0.5 * x), 4)
rule("sigmoid-odds", sigmoid(x) / sigmoid(-x), exp(x), 3)
rule("sigmoid-odds-neg", sigmoid(-x) / sigmoid(x), exp(-x), 3)
rule("logit-spelled", log(x / (1 - x)), logit(x), 4)
rule("logit-difference", log(x) - log1p(-x), logit(x), 4)

# -- logarithms and exponentials ------------------------------------------------------------------
rule("softplus", log(1 + exp(x)), softplus(x), 4)
rule("softplus-log1p", log1p(exp(x)), softplus(x), 4)
rule("log-sigmoid-neg", log(sigmoid(-x)), -softplus(x), 4)
rule("log-sigmoid", log(sigmoid(x)), -softplus(-x), 4)
rule("log1p-sigmoid", log1p(-sigmoid(x)), -softplus(x), 4)
rule("logaddexp-zero", logaddexp(x, 0.0), softplus(x), 4)
rule("softplus-spelled", maximum(x, 0.0) + softplus(-abs_(x)), softplus(x), 4)
rule("logaddexp-spelled", maximum(x, y) + softplus(-abs_(x - y)), logaddexp(x, y), 4)
rule("softplus-difference", softplus(x) - softplus(-x), x, 1)
rule("softplus-difference-neg", softplus(-x) - softplus(x), -x, 1)
rule("log-odds", (-softplus(-x)) - (-softplus(x)), x, 1)
rule("log-odds-neg", (-softplus(x)) - (-softplus(-x)), -x, 1)
rule("exp-softplus", exp(softplus(x)), 1 + exp(x), 2)
rule("exp-minus-softplus-neg", exp(-softplus(-x)), sigmoid(x), 4)
rule("exp-minus-softplus", exp(-softplus(x)), sigmoid(-x), 4)
rule("minus-softplus", x - softplus(x), -softplus(-x), 4)
rule("softplus-minus", softplus(x) - x, softplus(-x), 4)
rule("log-exp", log(exp(x)), x, 0)
rule("logaddexp", log(exp(x) + exp(y)), logaddexp(x, y), 4)
rule("logaddexp-three", log((exp(x) + exp(y)) + exp(z)), logaddexp(logaddexp(x, y), z), 6)
rule("log1p", log(1 + x), log1p(x), 2)
rule("log1p-neg", log(1 - x), log1p(-x), 2)
rule("log1mexp", log(-expm1(x)), log1mexp(x), 3)
rule("log1mexp-minus", log(0.0 - expm1(x)), log1mexp(x), 3)
rule("log1mexp-log1p", log1p(-exp(x)), log1mexp(x), 3)
# y - x, but 0 for two equal infinities
_gap = select(ne(x, y) | eq(y - x, y - x), y - x, 0.0)
rule("logdiffexp", log(exp(x) - exp(y)), x + log1mexp(_gap), 4, conditioned=True)
rule("logaddexp2", log2(exp2(x) + exp2(y)), app("logaddexp2", x, y), 4)
rule("logaddexp2-one", log2(1 + exp2(x)), app("logaddexp2", x, 0.0), 4)
rule("expm1", exp(x) - 1, expm1(x), 3)
rule("expm1-add", exp(x) + (-1), expm1(x), 3)
rule("one-minus-exp", 1 - exp(x), 0.0 - expm1(x), 3)

# -- functions and their inverses: outside of the domain the result stays NaN ----------------------
_positive = select(x >= 0.0, 1.0, math.nan)
_above = select(x >= -1.0, 1.0, math.nan)
_unit = select(abs_(x) <= 1.0, 1.0, math.nan)
rule("exp-of-log", exp(log(x)), x * _positive, 0)
rule("exp-of-log1p", exp(log1p(x)), (1 + x) * _above, 1)
rule("expm1-of-log", expm1(log(x)), (x - 1) * _positive, 1)
rule("expm1-of-log1p", expm1(log1p(x)), x * _above, 0)
rule("log1p-of-expm1", log1p(expm1(x)), x, 0)
rule("log2-of-exp2", log2(exp2(x)), x, 0)
rule("exp2-of-log2", exp2(log2(x)), x * _positive, 0)
rule("log-of-exp2", log(exp2(x)), math.log(2) * x, 2)
rule("log2-of-exp", log2(exp(x)), (1 / math.log(2)) * x, 2)
rule("log10-of-exp", app("log10", exp(x)), (1 / math.log(10)) * x, 2)
rule("exp-of-log1mexp", exp(log1mexp(x)), -expm1(x) * select(x <= 0.0, 1.0, math.nan), 2)
rule("sigmoid-of-logit", sigmoid(logit(x)),
     x * select((x >= 0.0) & (x <= 1.0), 1.0, math.nan), 0)  # fmt: skip
rule("logit-of-sigmoid", logit(sigmoid(x)), x, 0)
rule("sinh-of-asinh", sinh(app("asinh", x)), x, 0)
rule("asinh-of-sinh", app("asinh", sinh(x)), x, 0)
rule("cosh-of-acosh", cosh(app("acosh", x)), x * select(x >= 1.0, 1.0, math.nan), 0)
rule("tanh-of-atanh", tanh(atanh(x)), x * _unit, 0)
rule("atanh-of-tanh", atanh(tanh(x)), x, 0)
rule("sin-of-asin", sin(app("asin", x)), x * _unit, 0)
rule("cos-of-acos", cos(app("acos", x)), x * _unit, 0)
rule("tan-of-atan", app("tan", app("atan", x)), x, 0)
rule("sqrt-of-exp", sqrt(exp(x)), exp(0.5 * x), 2)
rule("sqrt-of-square", sqrt(x * x), abs_(x), 0)
rule("sqrt-of-power", sqrt(x**2), abs_(x), 0)
rule("square-of-sqrt", sqrt(x) * sqrt(x), x * _positive, 0)
rule("power-of-sqrt", sqrt(x) ** 2, x * _positive, 0)
rule("log-of-sqrt", log(sqrt(x)), 0.5 * log(x), 1)
rule("log-of-recip", log(1 / x), -log(x), 1)


@structural(STABILIZE, "log-power", "log", child=("mul", "pow"), exact="closer", ulp=2)
def _log_power(op: Op, b: Builder) -> Any:
    """log(x**n) → n·log|x| for an integer n (log(x) where it is odd), and so for x·x."""
    (v,) = op.operands
    m = maker(v, "pow")
    if m is not None:
        n, base = splat(m.operands[1]), m.operands[0]
        if n is None or n in (0, 1) or abs(n) > 2**53 or n != int(n):
            return None
    else:
        m = maker(v, "mul")
        if m is None or m.operands[0] is not m.operands[1]:
            return None
        n, base = 2, m.operands[0]
    inner = base if n % 2 or nonnegative(base) else b("abs", base)
    return b.mul(b.const(n, v.type), b("log", inner))


# -- products of exponentials and logistic functions: what raw gradients are made of ---------------

FACTORS = 12


def factors(op: Op) -> tuple[list[Value], list[Value], bool]:
    """What a product (through mul, div, neg) multiplies and divides by; whether it is negated."""
    up: list[Value] = []
    down: list[Value] = []
    negative = False
    todo: list[tuple[Value, bool]] = [(op.results[0], True)]
    while todo:
        v, top = todo.pop()
        name = v.op.opdef.name if v.op is not None else ""
        if name in ("mul", "div") and len(up) + len(down) + len(todo) < FACTORS:
            left, right = v.op.operands  # type: ignore[union-attr]
            todo.append((right, top if name == "mul" else not top))
            todo.append((left, top))
        elif name == "neg":
            negative = not negative
            todo.append((v.op.operands[0], top))  # type: ignore[union-attr]
        else:
            (up if top else down).append(v)
    return up, down, negative


def opposite(a: Value, c: Value) -> bool:
    """Whether one is the negative of the other."""
    m, n = maker(a, "neg"), maker(c, "neg")
    return bool((m and m.operands[0] is c) or (n and n.operands[0] is a))


def negated(b: Builder, v: Value) -> Value:
    m = maker(v, "neg")
    return m.operands[0] if m else b("neg", v)


def _one_plus_exp(v: Value) -> Value | None:
    """u of 1 + exp(u)."""
    add = maker(v, "add")
    if add is None:
        return None
    for one, e in (add.operands, add.operands[::-1]):
        if maker(e, "exp") and is_number(splat(one), 1):
            return e.op.operands[0]  # type: ignore[union-attr]
    return None


def _reduce(b: Builder, up: list[Value], down: list[Value]) -> bool:
    """One simplification of a product, if there is one."""
    for d in down:
        if d in up and (maker(d, "sigmoid") or maker(d, "exp")):
            up.remove(d)
            down.remove(d)
            return True
        u = _one_plus_exp(d)
        if u is not None:
            down.remove(d)
            up.append(b("sigmoid", negated(b, u)))
            return True
    for e in up:
        if maker(e, "exp"):
            u = e.op.operands[0]  # type: ignore[union-attr]
            for s in up:
                if maker(s, "sigmoid") and opposite(s.op.operands[0], u):  # type: ignore[union-attr]
                    up[up.index(s)] = b("sigmoid", u)
                    up.remove(e)
                    return True
    return False


@structural(STABILIZE, "logistic-product", "mul", "div", child=("exp", "sigmoid", "neg"),
            exact="closer", ulp=6)  # fmt: skip
def _logistic_product(op: Op, b: Builder) -> Any:
    """s(x)·exp(-x) → s(-x), s/s → 1, t/(1 + exp(x)) → t·s(-x), anywhere in a product."""
    up, down, negative = factors(op)
    if not any(maker(v, "sigmoid") for v in (*up, *down)):
        return None
    fired = False
    while _reduce(b, up, down):
        fired = True
    if not fired:
        return None
    out: Value | None = None
    for v in up:
        out = v if out is None else b.mul(out, v)
    if out is None:
        out = b.const(1, op.results[0].type)
    for v in down:
        out = b("div", out, v)
    return b("neg", out) if negative else out
