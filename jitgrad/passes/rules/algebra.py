"""Algebraic rules of numbers: neutral elements, signs, constants merged, powers.

All of them keep the result bit for bit, or bring it closer to the exact real value; what breaks a
promise stands in `relaxed`. What is in neither is missing for a reason: `x + 0.0 → x` loses the
sign of -0.0 + 0.0, `x * 0 → 0` and `x - x → 0` a NaN, `-(x - y) → y - x` the sign of zero.

Constants are merged where their product (or quotient) is exact: then `c1 * (c2 * x)` is rounded
once instead of twice, and nothing overflows on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.terms import Term, abs_, app, cos, eq, select, sqrt, var, x, y
from ...ir.types import DType
from ..fold import splat
from ..match import ULP, Bound, RuleSet, structural
from ..match import rule as _rule
from .canonical import maker

ALGEBRA: RuleSet = []
c, c1, c2 = var("c"), var("c1"), var("c2")
INTS, FLOATS = "iu", "f"


def rule(name: str, left: Term, right: Any, **kw: Any) -> None:
    _rule(ALGEBRA, name, left, right, depth=4, **kw)


def _power_of_two(env: Bound) -> bool:
    """c is a power of two."""
    value = splat(env["c"])
    mantissa, e = math.frexp(value)
    return mantissa in (0.5, -0.5) and abs(e) < (1000 if env["c"].type.dtype.bits == 64 else 100)


def is_exact(value: Fraction, dtype: DType) -> bool:
    """Whether a rational number is a float of the dtype, and a normal one."""
    try:
        with np.errstate(over="ignore"):
            near = float(dtype.np.type(float(value)))
    except OverflowError:
        return False
    edge = np.finfo(dtype.np)
    return edge.tiny <= abs(near) <= edge.max and Fraction(near) == value


def exactly(text: str, form: Callable[[Fraction, Fraction], Fraction]) -> Callable[[Bound], bool]:
    """A guard: the constants c1 and c2 are finite, not 0, and `form` of them is a float."""

    def guard(env: Bound) -> bool:
        a, b = splat(env["c1"]), splat(env["c2"])
        if not (math.isfinite(a) and math.isfinite(b)) or a == 0 or b == 0:
            return False
        return is_exact(form(Fraction(a), Fraction(b)), env["c1"].type.dtype)

    guard.__doc__ = f"{text} is exact"
    return guard


_product = exactly("c1 * c2", lambda a, b: a * b)
_quotient = exactly("c1 / c2", lambda a, b: a / b)
_inverse = exactly("c2 / c1", lambda a, b: b / a)

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
rule("neg-sub-int", -(x - y), y - x, kinds="i")
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
rule("abs-mul-abs", abs_(x) * abs_(y), abs_(x * y), kinds=FLOATS)
rule("abs-div-abs", abs_(x) / abs_(y), abs_(x / y), kinds=FLOATS)
rule("cos-neg", cos(-x), cos(x))
rule("cosh-neg", app("cosh", -x), app("cosh", x))
rule("hypot-neg", app("hypot", x, -y), app("hypot", x, y))
rule("copysign-neg", app("copysign", -x, y), app("copysign", x, y))
rule("copysign-abs", app("copysign", abs_(x), y), app("copysign", x, y))
rule("copysign-self", app("copysign", x, x), x)
rule("ldexp-zero", app("ldexp", x, 0.0), x)
for _odd in ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "cbrt", "erf", "trunc",
             "rint", "round_away"):  # fmt: skip
    rule(f"{_odd.replace('_', '-')}-neg", app(_odd, -x), -app(_odd, x), kinds=FLOATS)
rule("add-self", x + x, 2 * x, kinds=FLOATS)
rule("add-self-int", x + x, 2 * x, kinds=INTS)

# -- constants merged -----------------------------------------------------------------------------
rule("div-power-of-two", x / c, x * (1 / c), kinds=FLOATS, when=_power_of_two)
_once: dict[str, Any] = {"kinds": FLOATS, "exact": "closer", "ulp": 0.5}
rule("merge-mul-mul", c1 * (c2 * x), (c1 * c2) * x, when=_product, **_once)
rule("merge-mul-div", c1 * (x / c2), (c1 / c2) * x, when=_quotient, **_once)
rule("merge-mul-div-up", c1 * (x / c2), x / (c2 / c1), when=_inverse, **_once)
rule("merge-div-mul", (c1 * x) / c2, (c1 / c2) * x, when=_quotient, **_once)
rule("merge-div-mul-up", (c1 * x) / c2, x / (c2 / c1), when=_inverse, **_once)
rule("merge-div-div", (x / c1) / c2, x / (c1 * c2), when=_product, **_once)
rule("merge-mul-over", c1 * (c2 / x), (c1 * c2) / x, when=_product, **_once)
rule("merge-over-div", (c1 / x) / c2, (c1 / c2) / x, when=_quotient, **_once)
rule("merge-over-mul", c1 / (c2 * x), (c1 / c2) / x, when=_quotient, **_once)
rule("merge-over-quotient", c1 / (x / c2), (c1 * c2) / x, when=_product, **_once)
rule("merge-over-over", c1 / (c2 / x), (c1 / c2) * x, when=_quotient, **_once)

# -- sums and products of ints: they wrap, so nothing is lost --------------------------------------
rule("assoc-mul-int", c1 * (c2 * x), (c1 * c2) * x, kinds=INTS)
rule("assoc-add-int", c1 + (c2 + x), (c1 + c2) + x, kinds=INTS)
rule("sub-const-int", x - c, -c + x, kinds=INTS)
rule("add-const-minus-int", c1 + (c2 - x), (c1 + c2) - x, kinds=INTS)
rule("const-minus-add-int", c1 - (c2 + x), (c1 - c2) - x, kinds=INTS)
rule("const-minus-minus-int", c1 - (c2 - x), (c1 - c2) + x, kinds=INTS)
rule("add-sub-int", x + (y - x), y, kinds=INTS)
rule("sub-add-int", (x + y) - x, y, kinds=INTS)
rule("sub-sub-int", x - (x - y), y, kinds=INTS)
rule("sub-left-int", (x - y) - x, -y, kinds="i")
rule("collect-int", x + c * x, (1 + c) * x, kinds=INTS)
rule("collect-two-int", c1 * x + c2 * x, (c1 + c2) * x, kinds=INTS)
rule("floordiv-one-int", app("floordiv", x, 1), x, kinds=INTS)
rule("mod-one-int", app("mod", x, 1), 0, kinds=INTS)
rule("mod-mod-int", app("mod", app("mod", x, y), y), app("mod", x, y), kinds=INTS)
rule("fmod-fmod", app("fmod", app("fmod", x, y), y), app("fmod", x, y))
rule("shl-zero", app("shl", x, 0), x, kinds=INTS)
rule("shr-zero", app("shr", x, 0), x, kinds=INTS)

# -- powers ---------------------------------------------------------------------------------------
_minus_inf = eq(x, -math.inf)
rule("pow-one", x**1, x)
rule("pow-zero", x**0, 1)
rule("one-pow", app("pow", 1, x), 1)
rule("two-pow", app("pow", 2, x), app("exp2", x), exact="closer", ulp=1.5)
rule("square", x**2, x * x, exact="closer", ulp=0.5)
rule("cube", x**3, x * x * x, exact="closer", ulp=2)
rule("fourth", x**4, (x * x) * (x * x), exact="closer", ulp=2)
rule("recip", x**-1, 1 / x, exact="closer", ulp=0.5)
rule("recip-square", x**-2, (1 / x) * (1 / x), exact="closer", ulp=2)
# x + 0.0 makes 0.0 of -0.0, whose power is 0.0; the power of -inf is that of inf
rule("pow-half", x**0.5, select(_minus_inf, math.inf, sqrt(x + 0.0)), exact="closer", ulp=0.5)
rule("pow-minus-half", x**-0.5, select(_minus_inf, 0.0, 1 / sqrt(x + 0.0)), exact="closer", ulp=1.5)
rule("pow-three-halves", x**1.5, select(_minus_inf, math.inf, x * sqrt(x)), exact="closer", ulp=1.5)

_MOST = 64


def _chain(b: Builder, x: Value, n: int) -> Value:
    """x**n for n >= 1 by squaring."""
    out: Value | None = None
    while True:
        if n & 1:
            out = x if out is None else b.mul(out, x)
        n >>= 1
        if not n:
            assert out is not None
            return out
        x = b.mul(x, x)


@structural(ALGEBRA, "ipow-chain", "ipow", child=("constant", "broadcast"))
def _ipow_chain(op: Op, b: Builder) -> Any:
    """An int to the power of a number up to 64 → products."""
    x, n = op.operands[0], splat(op.operands[1])
    if n is None or not 0 <= n <= _MOST:
        return None
    return _chain(b, x, n) if n else b.const(1, x.type)


@structural(ALGEBRA, "pow-chain", "pow", child=("constant", "broadcast"), relax=ULP(16),
            exact="reassociates")  # fmt: skip
def _pow_chain(op: Op, b: Builder) -> Any:
    """x to the power of an integer from -64 to 64 → products."""
    x, n = op.operands[0], splat(op.operands[1])
    if n is None or n != n or abs(n) > _MOST or n != int(n) or not n:
        return None
    out = _chain(b, x, abs(int(n)))
    return out if n > 0 else b("div", b.const(1, x.type), out)


# -- numbers that are not negative ----------------------------------------------------------------
NONNEGATIVE = frozenset(
    ("exp", "exp2", "sigmoid", "softplus", "abs", "cosh", "acosh", "hypot", "erfc", "erfcx")
)


def nonnegative(v: Value) -> bool:
    """Whether no element is below 0 or is -0.0 (NaN may be)."""
    op = v.op
    if op is None:
        return False
    name = op.opdef.name
    if name == "mul":
        return op.operands[0] is op.operands[1] and v.type.dtype.kind == "f"
    if name in ("broadcast", "reshape", "transpose", "slice", "gather", "reverse", "max", "min"):
        return nonnegative(op.operands[0])
    return name in NONNEGATIVE and v.type.dtype.kind == "f"


@structural(ALGEBRA, "abs-nonnegative", "abs", child=("mul", "broadcast", "reshape", "max", "min",
            *sorted(NONNEGATIVE)))  # fmt: skip
def _abs_nonnegative(op: Op, b: Builder) -> Any:
    """|exp(x)| → exp(x), and |x·x|, and others that are not negative."""
    (x,) = op.operands
    return x if nonnegative(x) else None


@structural(ALGEBRA, "maximum-nonnegative", "maximum", child=("constant", "broadcast"))
def _maximum_nonnegative(op: Op, b: Builder) -> Any:
    """max(0, exp(x)) → exp(x), and the like."""
    for number, v in (op.operands, op.operands[::-1]):
        s = splat(number)
        if s is not None and s <= 0 and nonnegative(v) and maker(v, "constant") is None:
            return v
    return None
