"""Rules as data and the pattern engine: a Term is matched against values, another is built.

In a pattern a variable matches any value, the same variable the same value; a variable whose name
starts with `c` matches only splat constants; a number matches constants of exactly that value, in
any spelling; the operands of commutative ops match both ways.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any

from ..ir.build import Builder
from ..ir.core import Op, Value
from ..ir.ops import TABLE
from ..ir.terms import Term
from .fold import is_number, splat
from .rewrite import SAME, Index

Bound = dict[str, Value]

# promises that a rule may break; `fastmath` names those that a user gives up
SIGNED_ZERO, NAN, ASSOC = "signed-zero", "nan", "assoc"
FASTMATH = frozenset({SIGNED_ZERO, NAN, ASSOC, "ulp"})


class ULP:
    """A relaxation: the result may differ by `n` units in the last place."""

    __slots__ = ("n",)

    def __init__(self, n: float) -> None:
        self.n = n

    def __repr__(self) -> str:
        return f"ULP({self.n:g})"


class Rule:
    """What every rule has: a name, the ops it looks at, the promises it breaks, where it stands.

    `exact` is "bits" (the same result, bit for bit, NaN payloads aside), "closer" (no further from
    the exact real value, or within `ulp` of it) or "reassociates" (sums in another order). With
    `conditioned`, "within" also covers what half a unit in the arguments makes of the result.
    """

    def __init__(
        self,
        name: str,
        roots: Sequence[str],
        children: Sequence[str] = (),
        *,
        relax: Sequence[Any] = (),
        exact: str = "bits",
        ulp: float = 0.0,
        conditioned: bool = False,
        doc: str = "",
        depth: int = 2,
    ) -> None:
        self.name = name
        self.roots = tuple(roots)
        self.children = tuple(children)
        self.relax = tuple(relax) if isinstance(relax, (tuple, list)) else (relax,)
        self.exact = exact
        self.conditioned = conditioned
        self.ulp = max([ulp, *(r.n for r in self.relax if isinstance(r, ULP))])
        self.told = doc
        frame = sys._getframe(depth)
        self.file, self.line = frame.f_code.co_filename, frame.f_lineno

    @property
    def promises(self) -> frozenset[str]:
        """The names in `fastmath` that switch the rule on."""
        return frozenset("ulp" if isinstance(r, ULP) else r for r in self.relax)

    @property
    def doc(self) -> str:
        """What the rule does, in one line."""
        return self.told

    def apply(self, op: Op, b: Builder) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


class TermRule(Rule):
    """`left` becomes `right` where `when` holds of the values bound."""

    def __init__(
        self,
        name: str,
        left: Term,
        right: Term,
        *,
        when: Callable[[Bound], bool] | None = None,
        kinds: str = "biufc",
        **kw: Any,
    ) -> None:
        kw.setdefault("depth", 3)
        super().__init__(name, (left.op,), **kw)  # type: ignore[arg-type]
        self.left, self.right, self.when, self.kinds = left, right, when, kinds
        self.children = _children(left)

    @property
    def doc(self) -> str:
        return f"{self.left} → {self.right}"

    @cached_property
    def variants(self) -> tuple[tuple[Part, ...], ...]:
        """Matchers of the operands and their places, commutative ops in every order."""
        return tuple([_parts(left.args) for left in _orders(self.left)])

    def apply(self, op: Op, b: Builder) -> Value | None:
        operands = op.operands
        if operands[-1].type.dtype.kind not in self.kinds:
            return None
        for matchers in self.variants:
            env: Bound = {}
            for k, m in matchers:
                if not m(operands[k], env):
                    break
            else:
                if self.when is None or self.when(env):
                    return b.term(self.right, env, op.results[0].type)
        return None


class FunctionRule(Rule):
    """A rule written as a function (op, builder) -> the new value(s), or None."""

    def __init__(self, name: str, roots: Sequence[str], fn: Any, **kw: Any) -> None:
        kw.setdefault("doc", (fn.__doc__ or "").strip().splitlines()[0])
        super().__init__(name, roots, **kw)
        self.fn = fn

    def apply(self, op: Op, b: Builder) -> Any:
        return self.fn(op, b)


RuleSet = list[Rule]


def rule(into: RuleSet, name: str, left: Term, right: Any, **kw: Any) -> None:
    """Add a Term rule to a set."""
    from ..ir.terms import lift

    into.append(TermRule(name, left, lift(right), **kw))


def structural(
    into: RuleSet, name: str, *roots: str, child: Sequence[str] = (), **kw: Any
) -> Callable[[Any], Any]:
    """Add the decorated function to a set as a rule for the ops `roots`.

    With `child`, it is tried only where an operand is made by one of these ops.
    """

    def enter(fn: Any) -> Any:
        into.append(FunctionRule(name, roots, fn, children=child, depth=3, **kw))
        return fn

    return enter


def enabled(rules: Iterable[Rule], fastmath: frozenset[str] = frozenset()) -> list[Rule]:
    """The rules whose broken promises are all given up."""
    return [r for r in rules if r.promises <= fastmath]


def index(rules: Iterable[Rule]) -> Index:
    """Rules ready for the driver."""
    return Index((r.name, r.roots, r.children, r.apply) for r in rules)


# -- matching -------------------------------------------------------------------------------------

_NUMBERS = ("constant", "broadcast", "fill", "reshape")


def _children(left: Term) -> tuple[str, ...]:
    """One operand's possible makers; none where a variable can be anything."""
    last = [a.name for a in left.args[-2:] if a.op is None and a.name]
    if len(last) == 2 and last[0] == last[1]:
        return (SAME,)
    choice: tuple[str, ...] = ()
    for a in left.args:
        if a.op is not None:
            return (a.op,)
        if not a.name or a.name.startswith("c"):
            choice = _NUMBERS
    return choice


def _orders(term: Term) -> Iterable[Term]:
    if term.op is None:
        return [term]
    rows = [list(_orders(a)) for a in term.args]
    out = [Term(term.op, tuple(args)) for args in product(*rows)]
    row = TABLE[term.op]
    if "commutative" in row.props and len(term.args) == 2:
        plain = [a.op is None and a.name and not a.name.startswith("c") for a in term.args]
        if not (all(plain) and _once(term)) and repr(term.args[0]) != repr(term.args[1]):
            out += [Term(t.op, (t.args[1], t.args[0])) for t in out]
    return out


def _once(term: Term) -> bool:
    return term.args[0].name != term.args[1].name


Matcher = Callable[[Value, Bound], bool]
Part = tuple[int, Matcher]


def _parts(args: Sequence[Term]) -> tuple[Part, ...]:
    """The operands' matchers, those first that most often fail: ops, numbers, variables."""
    rank = [0 if a.op is not None else 2 if a.name else 1 for a in args]
    order = sorted(range(len(args)), key=rank.__getitem__)
    return tuple([(k, _matcher(args[k])) for k in order])


def _matcher(pattern: Term) -> Matcher:
    """The pattern as a function that matches a value and binds variables: nothing of its shape is
    looked at twice."""
    name = pattern.name
    if pattern.op is not None:
        row = TABLE[pattern.op]
        inner = _parts(pattern.args)

        def application(value: Value, env: Bound) -> bool:
            op = value.op
            if op is None or op.opdef is not row or op.attrs:
                return False
            operands = op.operands
            for k, m in inner:  # noqa: SIM110  (a generator an op costs more)
                if not m(operands[k], env):
                    return False
            return True

        return application
    if not name:
        number = pattern.value
        return lambda value, env: is_number(splat(value), number)
    constant = name[0] == "c"

    def variable(value: Value, env: Bound) -> bool:
        known = env.get(name)
        if known is not None:
            return known is value or _same_constant(known, value)
        if constant and splat(value) is None:
            return False
        env[name] = value
        return True

    return variable


def _same_constant(a: Value, b: Value) -> bool:
    if a.type is not b.type or a.op is None or b.op is None:
        return False
    x = splat(a)
    return x is not None and is_number(splat(b), x)


def match(pattern: Term, value: Value, env: Bound | None = None) -> Bound | None:
    """What the variables of `pattern` stand for in `value`, or None.

    >>> from ..ir.terms import exp, x
    >>> from ..ir.types import scalar
    >>> v = Value(scalar("f64"), name="v")
    >>> match(1 + exp(x), Builder()("add", Builder()("exp", v), Builder().const(1, v.type)))
    {'x': <%v: f64>}
    """
    for p in _orders(pattern):
        out: Bound = dict(env or {})
        if _matcher(p)(value, out):
            return out
    return None


def numbers(env: Mapping[str, Value]) -> dict[str, Any]:
    """The numbers of the constants in a match, for guards."""
    return {k: s for k, v in env.items() if (s := splat(v)) is not None}
