"""Algebraic rules: formulas of elementwise ops. Exact ones first, then those that break a promise.

What is not here is missing for a reason: `x + 0.0 → x` loses the sign of -0.0 + 0.0, `x * 0 → 0`
and `x - x → 0` a NaN, `-(x - y) → y - x` the sign of zero; they stand below with the promise they
break, and for integers without.
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.terms import Term, app, exp, log, maximum, minimum, not_, select, sqrt, var, x, y, z
from ..fold import splat
from ..match import ASSOC, NAN, SIGNED_ZERO, ULP, Bound, RuleSet
from ..match import rule as _rule

ALGEBRA: RuleSet = []
c, c1, c2, w = var("c"), var("c1"), var("c2"), var("w")
eq, ne, and_, or_, xor = (lambda *a, n=n: app(n, *a) for n in ("eq", "ne", "and", "or", "xor"))
abs_, cos, isnan = (lambda a, n=n: app(n, a) for n in ("abs", "cos", "isnan"))
INTS, FLOATS = "iu", "f"


def rule(name: str, left: Term, right: Any, **kw: Any) -> None:
    _rule(ALGEBRA, name, left, right, depth=4, **kw)


def _power_of_two(env: Bound) -> bool:
    """Dividing by c is multiplying by 1/c, exactly."""
    value = splat(env["c"])
    mantissa, e = math.frexp(value)
    return mantissa in (0.5, -0.5) and abs(e) < (1000 if env["c"].type.dtype.bits == 64 else 100)


# -- neutral elements and signs -------------------------------------------------------------------
rule("mul-one", x * 1, x)
rule("div-one", x / 1, x, kinds=FLOATS)
rule("sub-zero", x - 0, x)
rule("add-minus-zero", x + (-0.0), x, kinds=FLOATS)
rule("add-zero-int", x + 0, x, kinds=INTS)
rule("mul-zero-int", x * 0, 0, kinds=INTS)
rule("sub-self-int", x - x, 0, kinds=INTS)
rule("mul-minus-one", x * -1, -x)
rule("div-minus-one", x / -1, -x, kinds=FLOATS)
rule("neg-neg", app("neg", -x), x)
rule("add-neg", x + (-y), x - y)
rule("sub-neg", x - (-y), x + y)
rule("zero-minus", (-0.0) - x, -x, kinds=FLOATS)
rule("zero-minus-int", 0 - x, -x, kinds="i")
rule("neg-const-mul", -(c * x), -c * x)
rule("mul-const-neg", c * (-x), -c * x)
rule("mul-neg", x * (-y), -(x * y))
rule("div-neg-const", (-x) / c, x / -c, kinds=FLOATS)
rule("const-div-neg", c / (-x), -c / x, kinds=FLOATS)
rule("div-neg", x / (-y), -(x / y), kinds=FLOATS)
rule("neg-div", (-x) / y, -(x / y), kinds=FLOATS)
rule("neg-div-const", -(x / c), x / -c, kinds=FLOATS)
rule("neg-const-div", -(c / x), -c / x, kinds=FLOATS)
rule("abs-abs", abs_(abs_(x)), abs_(x))
rule("abs-neg", abs_(-x), abs_(x), kinds="if")
rule("cos-neg", cos(-x), cos(x))
rule("add-self", x + x, 2 * x, kinds=FLOATS)
rule("div-power-of-two", x / c, x * (1 / c), kinds=FLOATS, when=_power_of_two)
rule("assoc-mul-int", c1 * (c2 * x), (c1 * c2) * x, kinds=INTS)
rule("assoc-add-int", c1 + (c2 + x), (c1 + c2) + x, kinds=INTS)

# -- powers ---------------------------------------------------------------------------------------
rule("pow-one", x**1, x)
rule("pow-zero", x**0, 1)
rule("one-pow", app("pow", 1, x), 1)
rule("square", x**2, x * x, exact="closer", ulp=0.5)
rule("cube", x**3, x * x * x, exact="closer", ulp=2)
rule("fourth", x**4, (x * x) * (x * x), exact="closer", ulp=2)
rule("recip", x**-1, 1 / x, exact="closer", ulp=0.5)
rule("recip-square", x**-2, (1 / x) * (1 / x), exact="closer", ulp=2)

# -- order, logic, choice -------------------------------------------------------------------------
rule("maximum-self", maximum(x, x), x)
rule("minimum-self", minimum(x, x), x)
rule("and-self", and_(x, x), x)
rule("or-self", or_(x, x), x)
rule("and-true", and_(x, True), x, kinds="b")
rule("and-false", and_(x, False), False, kinds="b")
rule("or-true", or_(x, True), True, kinds="b")
rule("or-false", or_(x, False), x, kinds="b")
rule("xor-false", xor(x, False), x, kinds="b")
rule("xor-true", xor(x, True), not_(x), kinds="b")
rule("xor-self", xor(x, x), False, kinds="b")
rule("not-not", not_(not_(x)), x)
rule("not-eq", not_(eq(x, y)), ne(x, y))
rule("not-ne", not_(ne(x, y)), eq(x, y))
rule("ne-self", ne(x, x), isnan(x), kinds=FLOATS)
rule("select-same", select(x, y, y), y)
rule("select-true", select(True, x, y), x)
rule("select-false", select(False, x, y), y)
rule("select-not", select(not_(x), y, z), select(x, z, y))
rule("select-select-true", select(x, select(x, y, z), w), select(x, y, w))
rule("select-select-false", select(x, y, select(x, z, w)), select(x, y, w))
rule("select-bool", select(x, True, False), x, kinds="b")
rule("select-bool-not", select(x, False, True), not_(x), kinds="b")

# -- rules that break a promise: off unless `fastmath` names it ------------------------------------
rule("add-zero", x + 0.0, x, kinds=FLOATS, relax=SIGNED_ZERO)
rule("mul-zero", x * 0.0, 0.0, kinds=FLOATS, relax=(SIGNED_ZERO, NAN))
rule("sub-self", x - x, 0.0, kinds=FLOATS, relax=NAN)
rule("div-self", x / x, 1.0, kinds=FLOATS, relax=NAN)
rule("neg-sub", -(x - y), y - x, relax=SIGNED_ZERO, kinds=FLOATS)
rule("assoc-mul", c1 * (c2 * x), (c1 * c2) * x, kinds=FLOATS, relax=ASSOC)
rule("assoc-add", c1 + (c2 + x), (c1 + c2) + x, kinds=FLOATS, relax=ASSOC)
rule("factor", x * y + x * z, x * (y + z), kinds=FLOATS, relax=(ASSOC, NAN, SIGNED_ZERO))
rule("exp-exp", exp(x) * exp(y), exp(x + y), relax=(ASSOC, NAN))
rule("recip-exp", 1 / exp(x), exp(-x), relax=ULP(4))
rule("div-exp", x / exp(y), x * exp(-y), relax=(ULP(4), NAN, ASSOC))
rule("exp-log", exp(log(x)), x, relax=(NAN, ASSOC))
rule("sqrt-pow", x**0.5, sqrt(x), relax=(SIGNED_ZERO, NAN, ULP(1)))
rule("div-const", x / c, x * (1 / c), kinds=FLOATS, relax=ULP(1))
