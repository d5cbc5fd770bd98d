"""Stabilization of products and of weighted sums under a logarithm, and of scaled logistics.

A product under a logarithm is taken apart where a factor can overflow or vanish while the result is
an ordinary number: log(c · exp(-u)) is -u + log(c). In a weighted sum of exponentials, what is
subtracted is the greatest exponent among the terms that count, log|w| included, so that the
greatest term is ±1: neither a large exponent of weight 0 nor a tiny weight hides the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Op, Value
from ..fold import splat
from ..match import RuleSet, structural
from .algebra import nonnegative
from .canonical import maker
from .softmax import MOVES, chain, log_sum_exp, lowered, moved, shift, shifted, sum_of_exp
from .stabilize import factors

LIKELIHOOD: RuleSet = []
INF = math.inf


def multiplied(b: Builder, up: list[Value], down: list[Value]) -> Value | None:
    """The product of `up` by `down`, None where there are none; below a 1 if need be."""
    out: Value | None = None
    for v in up:
        out = v if out is None else b.mul(out, v)
    for v in down:
        out = b("div", b.const(1, v.type) if out is None else out, v)
    return out


# -- log(exp(x) · y) -------------------------------------------------------------------------------


def _wide(v: Value) -> bool:
    """Whether a factor may overflow or vanish though its logarithm is an ordinary number."""
    base, _ = chain(v)
    if base.op is None:
        return False
    if base.op.opdef.name in ("exp", "sigmoid", "erfc", "prod"):
        return True
    found = sum_of_exp(base)
    return found is not None and not shifted(*found)


def _log(b: Builder, v: Value) -> Value:
    """log(v), moved behind the moves."""
    base, moves = chain(v)
    return moved(b, b("log", base), moves)


@structural(LIKELIHOOD, "log-product", "log", child=("mul", "div", *sorted(MOVES)),
            exact="closer", ulp=4, conditioned=True)  # fmt: skip
def _log_product(op: Op, b: Builder) -> Any:
    """log(exp(x)·y) → x + log(y), and so for sums of exp, sigmoids and quotients."""
    v, moves = chain(op.operands[0])
    if v.op is None or v.op.opdef.name not in ("mul", "div"):
        return None
    up, down, negative = factors(v.op)
    if negative or len(up) + len(down) < 2 or not any(map(_wide, (*up, *down))):
        return None
    rest = multiplied(b, [f for f in up if not _wide(f)], [f for f in down if not _wide(f)])
    out = None if rest is None else b("log", rest)
    for f in up:
        if _wide(f):
            out = _log(b, f) if out is None else b.add(_log(b, f), out)
    for f in down:
        if _wide(f):
            out = b("neg", _log(b, f)) if out is None else b("sub", out, _log(b, f))
    assert out is not None
    return moved(b, out, moves)


# -- log(sum(w · exp(x))) --------------------------------------------------------------------------


def weighted(total: Value, b: Builder) -> tuple[Value, Value | None, tuple[int, ...]] | None:
    """x, w (None for 1) and the axes of sum(w · exp(x)), x not shifted yet."""
    s = maker(total, "sum")
    if s is None or any(s.operands[0].type.shape[a] == 0 for a in s.attrs["axes"]):
        return None
    axes = tuple(s.attrs["axes"])
    inner = s.operands[0].op
    if inner is None or total.type.dtype.kind != "f":
        return None
    if inner.opdef.name == "select":  # masked: the others have the exponent -inf
        mask, yes, no = inner.operands
        least = b.const(-INF, yes.type)
        if splat(no) == 0 and (e := maker(yes, "exp")):
            return b.select(mask, e.operands[0], least), None, axes
        if splat(yes) == 0 and (e := maker(no, "exp")):
            return b.select(mask, least, e.operands[0]), None, axes
        return None
    if inner.opdef.name not in ("mul", "div"):
        return None
    up, down, negative = factors(inner)
    x: Value | None = None
    for f in up:
        if e := maker(f, "exp"):
            x = e.operands[0] if x is None else b.add(x, e.operands[0])
    for f in down:
        if e := maker(f, "exp"):
            x = b("neg", e.operands[0]) if x is None else b("sub", x, e.operands[0])
    if x is None or shifted(x, axes) or _shifted_by_weight(x):
        return None
    w = multiplied(b, [f for f in up if not maker(f, "exp")],
                   [f for f in down if not maker(f, "exp")])  # fmt: skip
    if negative:
        w = b.const(-1, x.type) if w is None else b("neg", w)
    return x, w, axes


def _shifted_by_weight(u: Value) -> bool:
    """Whether `u` is what the rule below makes of exponents: they have lost their maximum."""
    choice = maker(u, "select")
    sub = maker(choice.operands[2], "sub") if choice is not None else None
    if sub is None:
        return False
    m = sub.operands[1]
    for _ in range(8):
        m, _moves = chain(m)
        if m.op is None or m.op.opdef.name not in ("stop_gradient", "select", "max"):
            return False
        if m.op.opdef.name == "max":
            counted = maker(m.op.operands[0], "select")
            best = maker(counted.operands[2], "add") if counted is not None else None
            return best is not None and sub.operands[0] in best.operands
        m = m.op.operands[1 if m.op.opdef.name == "select" else 0]
    return False


def _log_max(edge: np.finfo) -> float:
    """The largest float of a dtype whose exponential is finite."""
    return float(np.nextafter(edge.dtype.type(math.log(float(edge.max))), edge.dtype.type(0)))


@structural(LIKELIHOOD, "log-weighted-sum", "log", child=("sum", *sorted(MOVES)),
            exact="closer", ulp=4, conditioned=True)  # fmt: skip
def _log_weighted_sum(op: Op, b: Builder) -> Any:
    """log(sum(w·exp(x))) → m + log(sum(w·exp(x - m))), m the maximum of x + log|w|."""
    v, moves = chain(op.operands[0])
    found = weighted(v, b)
    if found is None:
        return None
    x, w, axes = found
    if w is None:
        return moved(b, log_sum_exp(b, x, axes), moves)
    edge = np.finfo(x.type.dtype.np)
    size = b("abs", w)
    none = b("eq", size, b.zeros(w.type))  # a term of weight 0 does not count
    least = b("log", b("maximum", size, b.const(float(edge.tiny), w.type)))
    m = shift(b, b.select(none, b.const(-INF, x.type), b.add(x, least)), axes)
    u = lowered(b, x, m, axes)
    # the derivative by a weight that is 0 is exp(u) even so: only an infinite one is bounded
    top = b("minimum", u, b.const(_log_max(edge), u.type))
    s = b("sum", b.mul(w, b("exp", b.select(none, top, u))), axes=axes)
    some = b("ne", s, b.zeros(s.type))
    out = b.add(m, b.select(some, b("log", s), b.const(-INF, s.type)))
    return moved(b, out, moves)


# -- products of many ------------------------------------------------------------------------------


@structural(LIKELIHOOD, "prod-of-exp", "prod", child=("exp",), exact="closer", ulp=4,
            conditioned=True)  # fmt: skip
def _prod_of_exp(op: Op, b: Builder) -> Any:
    """prod(exp(x)) → exp(sum(x))."""
    e = maker(op.operands[0], "exp")
    return e and b("exp", b("sum", e.operands[0], axes=op.attrs["axes"]))


@structural(LIKELIHOOD, "log-of-prod", "log", child=("prod", *sorted(MOVES)), exact="closer", ulp=4,
            conditioned=True)  # fmt: skip
def _log_of_prod(op: Op, b: Builder) -> Any:
    """log(prod(x)) → sum(log|x|), NaN where the product is negative."""
    v, moves = chain(op.operands[0])
    p = maker(v, "prod")
    if p is None:
        return None
    x, axes = p.operands[0], p.attrs["axes"]
    if nonnegative(x):
        return moved(b, b("sum", b("log", x), axes=axes), moves)
    total = b("sum", b("log", b("abs", x)), axes=axes)
    odd = b("lt", b("prod", b("sign", x), axes=axes), b.zeros(v.type))
    right = b.select(odd, b.const(math.nan, v.type), b.const(1, v.type))
    return moved(b, b.mul(total, right), moves)


# -- logistics with numbers in them ----------------------------------------------------------------


def _affine(v: Value) -> tuple[float, float, Value] | None:
    """a, c and u of a + c·exp(u), both numbers positive."""
    add = maker(v, "add")
    if add is None:
        return None
    for number, rest in (add.operands, add.operands[::-1]):
        a = splat(number)
        if a is None or not 0 < a < INF:
            continue
        c, e = 1.0, maker(rest, "exp")
        if e is None and (m := maker(rest, "mul")):
            for left, right in (m.operands, m.operands[::-1]):
                c, e = splat(left), maker(right, "exp")
                if c is not None and e is not None:
                    break
        if e is not None and c is not None and 0 < c < INF:
            return a, c, e.operands[0]
    return None


@structural(LIKELIHOOD, "scaled-logistic", "div", child=("add",), exact="closer", ulp=6,
            conditioned=True)  # fmt: skip
def _scaled_logistic(op: Op, b: Builder) -> Any:
    """y/(a + c·exp(u)) → (y/a)·sigmoid(log(a/c) - u) for positive numbers a and c."""
    y, below = op.operands
    found = _affine(below)
    if found is None:
        return None
    a, c, u = found
    place = math.log(a) - math.log(c)
    s = b("sigmoid", b("sub", b.const(place, u.type), u) if place else b("neg", u))
    known = splat(y)
    if known is not None:
        return s if known == a else b.mul(b.const(known / a, y.type), s)
    return b.mul(y if a == 1 else b.mul(b.const(1 / a, y.type), y), s)


@structural(LIKELIHOOD, "scaled-softplus", "log", "log1p", child=("add", "mul"), exact="closer",
            ulp=6, conditioned=True)  # fmt: skip
def _scaled_softplus(op: Op, b: Builder) -> Any:
    """log(a + c·exp(u)) → log(a) + softplus(u + log(c/a)) for positive numbers a and c."""
    (v,) = op.operands
    if op.opdef.name == "log1p":
        m = maker(v, "mul")
        if m is None:
            return None
        for left, right in (m.operands, m.operands[::-1]):
            c, e = splat(left), maker(right, "exp")
            if c is not None and e is not None and 0 < c < INF:
                return b("softplus", b.add(e.operands[0], b.const(math.log(c), v.type)))
        return None
    found = _affine(v)
    if found is None:
        return None
    a, c, u = found
    shift_ = math.log(c) - math.log(a)
    out = b("softplus", b.add(u, b.const(shift_, u.type)) if shift_ else u)
    return b.add(b.const(math.log(a), u.type), out) if a != 1 else out
