"""Stabilization of error functions and of the gamma function."""

from __future__ import annotations

import math
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.terms import Term, abs_, app, eq, exp, log, log1p, select, x
from ..fold import is_number, splat
from ..match import RuleSet, structural
from ..match import rule as _rule
from .canonical import maker
from .likelihood import multiplied
from .stabilize import factors

SPECIAL: RuleSet = []
erf, erfc, erfcx, erfinv, erfcinv, logerfc, gamma, gammaln, floor = (
    lambda a, n=n: app(n, a)
    for n in ("erf", "erfc", "erfcx", "erfinv", "erfcinv", "logerfc", "gamma", "gammaln", "floor")
)


def rule(name: str, left: Term, right: Term, ulp: float, conditioned: bool = False) -> None:
    _rule(SPECIAL, name, left, right, exact="closer", ulp=ulp, depth=4, kinds="f",
          conditioned=conditioned)  # fmt: skip


# -- error functions ------------------------------------------------------------------------------
rule("one-minus-erf", 1 - erf(x), erfc(x), 2)
rule("one-plus-erf", 1 + erf(x), erfc(-x), 2)
rule("erf-minus-one", erf(x) - 1, -erfc(x), 2)
rule("erf-plus-minus-one", erf(x) + (-1), -erfc(x), 2)
rule("one-minus-erfc", 1 - erfc(x), erf(x), 2)
rule("erfc-minus-one", erfc(x) - 1, -erf(x), 2)
rule("erfc-plus-minus-one", erfc(x) + (-1), -erf(x), 2)
rule("two-minus-erfc", 2 - erfc(x), erfc(-x), 2)
rule("log-erfc", log(erfc(x)), logerfc(x), 4)
rule("log1p-minus-erf", log1p(-erf(x)), logerfc(x), 4)
rule("log1p-erf", log1p(erf(x)), logerfc(-x), 4)
rule("exp-of-logerfc", exp(logerfc(x)), erfc(x), 2)
rule("erf-of-erfinv", erf(erfinv(x)), x * select(abs_(x) <= 1.0, 1.0, math.nan), 0)
rule("erfinv-of-erf", erfinv(erf(x)), x, 0)
rule("erfc-of-erfcinv", erfc(erfcinv(x)), x * select((x >= 0.0) & (x <= 2.0), 1.0, math.nan), 0)
rule("erfcinv-of-erfc", erfcinv(erfc(x)), x, 0)


def _square(v: Value) -> tuple[Value, bool] | None:
    """x and the sign of x² or -x² (True for minus)."""
    m = maker(v, "neg")
    inner = m.operands[0] if m is not None else v
    op = inner.op
    if op is None:
        return None
    name = op.opdef.name
    if (name == "mul" and op.operands[0] is op.operands[1]) or (
        name == "pow" and is_number(splat(op.operands[1]), 2)
    ):
        return op.operands[0], m is not None
    return None


@structural(SPECIAL, "erfcx-product", "mul", "div", child=("erfc",), exact="closer", ulp=6)
def _erfcx_product(op: Op, b: Builder) -> Any:
    """exp(x²)·erfc(x) → erfcx(x), and exp(-x²)/erfc(x) → 1/erfcx(x), anywhere in a product."""
    up, down, negative = factors(op)
    fired = False
    while (found := _pair(up, down)) is not None:
        ours, f, theirs, e = found
        theirs.remove(e)
        ours[ours.index(f)] = b("erfcx", f.op.operands[0])
        fired = True
    if not fired:
        return None
    out = multiplied(b, up, down)
    assert out is not None
    return b("neg", out) if negative else out


def _pair(up: list[Value], down: list[Value]) -> tuple | None:
    """An erfc(x), and the exp(x²) beside it or exp(-x²) across the line: lists and factors."""
    for ours, other in ((up, down), (down, up)):
        for f in ours:
            m = maker(f, "erfc")
            for side, minus in ((ours, False), (other, True)):
                for e in side if m is not None else ():
                    power = maker(e, "exp")
                    if power is not None and _square(power.operands[0]) == (m.operands[0], minus):  # type: ignore[union-attr]
                        return ours, f, side, e
    return None


# -- the gamma function ---------------------------------------------------------------------------
rule("log-abs-gamma", log(abs_(gamma(x))), gammaln(x), 4)
# gamma is positive for positive numbers and between -2k and -2k + 1
_even = eq(app("mod", floor(x), 2.0), 0.0)
rule("log-gamma", log(gamma(x)), gammaln(x) * select((x > 0.0) | _even, 1.0, math.nan), 4)
