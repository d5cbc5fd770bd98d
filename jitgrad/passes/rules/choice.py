"""Rules of comparisons, logic, extremes and choices: all of them keep the result bit for bit."""

from __future__ import annotations

import math
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import Dim
from ...ir.dims import nonnegative as certain
from ...ir.terms import (
    Term,
    abs_,
    app,
    eq,
    gt,
    lt,
    maximum,
    minimum,
    ne,
    not_,
    select,
    var,
    x,
    y,
    z,
)
from ...ir.types import BOOL
from ..fold import splat
from ..match import Bound, RuleSet, structural
from ..match import rule as _rule
from .canonical import maker

CHOICE: RuleSet = []
c, c1, c2, w = var("c"), var("c1"), var("c2"), var("w")
le, ge, and_, or_, xor = (
    lambda a, b, n=n: app(n, a, b) for n in ("le", "ge", "and", "or", "xor")
)  # fmt: skip
clip = lambda *a: app("clip", *a)  # noqa: E731
isnan = lambda a: app("isnan", a)  # noqa: E731
FLOATS, INTS = "f", "iu"


def rule(name: str, left: Term, right: Any, **kw: Any) -> None:
    _rule(CHOICE, name, left, right, depth=4, **kw)


def _ints(env: Bound) -> bool:
    """x is an int or a bool."""
    return env["x"].type.dtype.kind in "biu"


# -- order ----------------------------------------------------------------------------------------
rule("lt-self", lt(x, x), False)
rule("gt-self", gt(x, x), False)
rule("le-self-int", le(x, x), True, kinds="biu")
rule("ge-self-int", ge(x, x), True, kinds="biu")
rule("eq-self-int", eq(x, x), True, kinds="biu")
rule("ne-self-int", ne(x, x), False, kinds="biu")
rule("le-self", le(x, x), eq(x, x), kinds=FLOATS)
rule("ge-self", ge(x, x), eq(x, x), kinds=FLOATS)
rule("ne-self", ne(x, x), isnan(x), kinds=FLOATS)
rule("not-eq", not_(eq(x, y)), ne(x, y))
rule("not-ne", not_(ne(x, y)), eq(x, y))
rule("not-lt", not_(lt(x, y)), ge(x, y), when=_ints)
rule("not-le", not_(le(x, y)), gt(x, y), when=_ints)
rule("not-gt", not_(gt(x, y)), le(x, y), when=_ints)
rule("not-ge", not_(ge(x, y)), lt(x, y), when=_ints)
rule("difference-lt", lt(x - y, 0.0), lt(x, y), kinds=FLOATS)
rule("difference-gt", gt(x - y, 0.0), gt(x, y), kinds=FLOATS)
for _op, _back in (("lt", "gt"), ("le", "ge"), ("gt", "lt"), ("ge", "le")):
    rule(f"neg-{_op}", app(_op, -x, c), app(_back, x, -c), kinds=FLOATS)
rule("below-zero-unsigned", lt(x, 0), False, kinds="u")
rule("from-zero-unsigned", ge(x, 0), True, kinds="u")
rule("abs-below-zero", lt(abs_(x), 0.0), False, kinds=FLOATS)
for _test in ("isnan", "isinf", "isfinite"):
    rule(f"{_test}-neg", app(_test, -x), app(_test, x))
    rule(f"{_test}-abs", app(_test, abs_(x)), app(_test, x))
rule("isnan-exp", isnan(app("exp", x)), isnan(x))

# -- extremes -------------------------------------------------------------------------------------
rule("maximum-self", maximum(x, x), x)
rule("minimum-self", minimum(x, x), x)
rule("maximum-again", maximum(x, maximum(x, y)), maximum(x, y))
rule("minimum-again", minimum(x, minimum(x, y)), minimum(x, y))
rule("maximum-least", maximum(x, -math.inf), x, kinds=FLOATS)
rule("minimum-greatest", minimum(x, math.inf), x, kinds=FLOATS)
rule("maximum-zero-unsigned", maximum(x, 0), x, kinds="u")


def _not_zeros(env: Bound) -> bool:
    """c1 or c2 is not 0: which of -0.0 and 0.0 is the larger is not said."""
    return splat(env["c1"]) != 0 or splat(env["c2"]) != 0


rule("maximum-constants", maximum(c1, maximum(c2, x)), maximum(maximum(c1, c2), x),
     when=_not_zeros)  # fmt: skip
rule("minimum-constants", minimum(c1, minimum(c2, x)), minimum(minimum(c1, c2), x),
     when=_not_zeros)  # fmt: skip
rule("clip-clip", clip(clip(x, y, z), y, z), clip(x, y, z))
rule("clip-above", clip(x, -math.inf, y), minimum(x, y), kinds=FLOATS)
rule("clip-below", clip(x, y, math.inf), maximum(x, y), kinds=FLOATS)
rule("fmax-self", app("fmax", x, x), x)
rule("fmin-self", app("fmin", x, x), x)

# -- logic ----------------------------------------------------------------------------------------
rule("and-self", and_(x, x), x)
rule("or-self", or_(x, x), x)
rule("and-true", and_(x, True), x, kinds="b")
rule("and-false", and_(x, False), False, kinds="b")
rule("or-true", or_(x, True), True, kinds="b")
rule("or-false", or_(x, False), x, kinds="b")
rule("xor-false", xor(x, False), x, kinds="b")
rule("xor-true", xor(x, True), not_(x), kinds="b")
rule("xor-self", xor(x, x), False, kinds="b")
rule("xor-self-int", xor(x, x), 0, kinds=INTS)
rule("and-zero", and_(x, 0), 0, kinds=INTS)
rule("or-zero", or_(x, 0), x, kinds=INTS)
rule("xor-zero", xor(x, 0), x, kinds=INTS)
rule("not-not", not_(not_(x)), x)
rule("and-not", and_(x, not_(x)), False, kinds="b")
rule("or-not", or_(x, not_(x)), True, kinds="b")
rule("and-or", and_(x, or_(x, y)), x)
rule("or-and", or_(x, and_(x, y)), x)
rule("and-again", and_(x, and_(x, y)), and_(x, y))
rule("or-again", or_(x, or_(x, y)), or_(x, y))

# -- choice ---------------------------------------------------------------------------------------
rule("select-same", select(x, y, y), y)
rule("select-true", select(True, x, y), x)
rule("select-false", select(False, x, y), y)
rule("select-not", select(not_(x), y, z), select(x, z, y))
rule("select-select-true", select(x, select(x, y, z), w), select(x, y, w))
rule("select-select-false", select(x, y, select(x, z, w)), select(x, y, w))
rule("select-and", select(x, select(y, z, w), w), select(and_(x, y), z, w))
rule("select-or", select(x, z, select(y, z, w)), select(or_(x, y), z, w))
rule("select-bool", select(x, True, False), x, kinds="b")
rule("select-bool-not", select(x, False, True), not_(x), kinds="b")
rule("select-or-bool", select(x, True, y), or_(x, y), kinds="b")
rule("select-and-bool", select(x, y, False), and_(x, y), kinds="b")


@structural(CHOICE, "compare-cast-bool", "eq", "ne", "gt", "lt", "ge", "le", child=("cast",))
def _compare_cast_bool(op: Op, b: Builder) -> Any:
    """cast(b) == 1, cast(b) > 0 … of a bool b → b, its negation, or what is always so."""
    for k in (0, 1):
        cast, value = maker(op.operands[k], "cast"), splat(op.operands[1 - k])
        if cast is None or cast.operands[0].type.dtype is not BOOL or value is None:
            continue
        row = op.opdef.ref
        assert row is not None
        no, yes = (bool(row(*((v, value) if k == 0 else (value, v)))) for v in (0, 1))
        m = cast.operands[0]
        if no == yes:
            return b.const(yes, m.type)
        return m if yes else b("not", m)
    return None


@structural(CHOICE, "compare-dim", "lt", "le", "gt", "ge", "eq", "ne", child=("dim", "constant"))
def _compare_dim(op: Op, b: Builder) -> Any:
    """A comparison of sizes that is so for every size, or for none: n >= 0, n + 1 == n."""
    sides = [_size(v) for v in op.operands]
    if None in sides:
        return None
    gap = sides[0] - sides[1]
    more, less = certain(gap), certain(-gap)
    name = op.opdef.name
    if name in ("eq", "ne"):
        apart = certain(gap - 1) or certain(-gap - 1)
        if gap.__class__ is int:
            return b.const((gap == 0) == (name == "eq"), op.results[0].type)
        return b.const(name == "ne", op.results[0].type) if apart else None
    yes = {"ge": more, "le": less, "gt": certain(gap - 1), "lt": certain(-gap - 1)}[name]
    no = {"lt": more, "gt": less, "le": certain(gap - 1), "ge": certain(-gap - 1)}[name]
    return b.const(yes, op.results[0].type) if yes or no else None


@structural(CHOICE, "extreme-dim", "maximum", "minimum", child=("dim", "constant"))
def _extreme_dim(op: Op, b: Builder) -> Any:
    """The larger or smaller of two sizes, where it is known which: max(n, 0) → n."""
    sides = [_size(v) for v in op.operands]
    if None in sides:
        return None
    gap = sides[0] - sides[1]
    first = certain(gap)
    if not first and not certain(-gap):
        return None
    return op.operands[0 if first == (op.opdef.name == "maximum") else 1]


@structural(CHOICE, "dim-arithmetic", "add", "sub", "mul", child=("dim",))
def _dim_arithmetic(op: Op, b: Builder) -> Any:
    """Sums and products of sizes and whole numbers → one size."""
    left, right = (_size(v) for v in op.operands)
    if left is None or right is None:
        return None
    name = op.opdef.name
    expr = left + right if name == "add" else left - right if name == "sub" else left * right
    # an int64 wraps, a size does not: numbers near its limits are left alone
    if expr.__class__ is Dim and any(abs(k) >= 2**31 for _, k in expr.terms):
        return None
    return b("dim", expr=expr)


def _size(v: Value) -> Any:
    """The dim that an i64 scalar is, or None; a constant counts as one."""
    m = maker(v, "dim")
    if m is not None:
        return m.attrs["expr"]
    s = splat(v) if v.type.dtype.name == "i64" and not v.type.rank else None
    return s if s.__class__ is int and abs(s) < 2**31 else None
