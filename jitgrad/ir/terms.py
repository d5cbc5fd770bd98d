"""Terms: small expression trees written as Python formulas; data for derivatives and rules.

`t * cos(x)` over the variables below is an ordinary object: it can be built on IR values (a
derivative, the right side of a rule), matched against them (the left side), printed in the
documentation, and evaluated on arrays. A number in a term takes the type of what it meets, as a
Python number does in NumPy.

>>> t * cos(x)
t * cos(x)
>>> 1 / (1 + exp(-x))
1.0 / (1.0 + exp(-x))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NO_ATTRS: Mapping[str, Any] = {}

# sign and how tightly it binds, as in Python
_INFIX = {"gt": (">", 0), "ge": (">=", 0), "lt": ("<", 0), "le": ("<=", 0), "eq": ("==", 0),
          "ne": ("!=", 0), "or": ("|", 1), "and": ("&", 2), "add": ("+", 3), "sub": ("-", 3),
          "mul": ("*", 4), "div": ("/", 4), "pow": ("**", 6)}  # fmt: skip
_UNARY = 5


class Term:
    """A node: a variable (`op` is None, `name` set), a number (`value` set) or an application,
    with the attributes of its op."""

    __slots__ = ("args", "attrs", "made", "name", "op", "value")

    def __init__(
        self, op: str | None, args: tuple[Term, ...] = (), name: str = "", value: Any = None,
        attrs: Mapping[str, Any] = NO_ATTRS,
    ):  # fmt: skip
        self.op = op
        self.args = args
        self.name = name
        self.value = value
        self.attrs = attrs
        self.made: Any = None  # the builder closure, compiled at first use

    def __add__(self, o: Any) -> Term:
        return app("add", self, o)

    def __radd__(self, o: Any) -> Term:
        return app("add", o, self)

    def __sub__(self, o: Any) -> Term:
        return app("sub", self, o)

    def __rsub__(self, o: Any) -> Term:
        return app("sub", o, self)

    def __mul__(self, o: Any) -> Term:
        return app("mul", self, o)

    def __rmul__(self, o: Any) -> Term:
        return app("mul", o, self)

    def __truediv__(self, o: Any) -> Term:
        return app("div", self, o)

    def __rtruediv__(self, o: Any) -> Term:
        return app("div", o, self)

    def __pow__(self, o: Any) -> Term:
        return app("pow", self, o)

    def __neg__(self) -> Term:
        return app("neg", self)

    def __gt__(self, o: Any) -> Term:
        return app("gt", self, o)

    def __ge__(self, o: Any) -> Term:
        return app("ge", self, o)

    def __lt__(self, o: Any) -> Term:
        return app("lt", self, o)

    def __le__(self, o: Any) -> Term:
        return app("le", self, o)

    def __and__(self, o: Any) -> Term:
        return app("and", self, o)

    def __or__(self, o: Any) -> Term:
        return app("or", self, o)

    def __repr__(self) -> str:
        return _show(self, 0)


def _show(term: Term, outer: int) -> str:
    if term.op is None:
        return term.name or repr(term.value)
    if term.op == "neg":
        text = "-" + _show(term.args[0], _UNARY)
        return f"({text})" if outer > _UNARY else text
    if term.op in _INFIX:
        sign, level = _INFIX[term.op]
        # a ** b ** c is a ** (b ** c), and a < b < c is something else altogether
        left, right = (level + (term.op == "pow" or level == 0), level + (term.op != "pow"))
        text = f"{_show(term.args[0], left)} {sign} {_show(term.args[1], right)}"
        return f"({text})" if outer > level else text
    args = [_show(a, 0) for a in term.args] + [f"{k}={v}" for k, v in term.attrs.items()]
    return f"{term.op}({', '.join(args)})"


def lift(o: Any) -> Term:
    """`o` as a term: a Python number becomes a number node (bools stay bools)."""
    if isinstance(o, Term):
        return o
    return Term(None, value=o if isinstance(o, bool) else float(o))


def app(op: str, *args: Any, **attrs: Any) -> Term:
    """The application of an op of the table, by name, with its attributes."""
    return Term(op, tuple([lift(a) for a in args]), attrs=attrs)


def var(name: str) -> Term:
    """A variable; a name that starts with `c` matches only constants."""
    return Term(None, name=name)


def _function(name: str) -> Callable[..., Term]:
    def make(*args: Any) -> Term:
        return app(name, *args)

    make.__name__ = name
    return make


t, x, y, z, out = (var(n) for n in ("t", "x", "y", "z", "out"))
exp, log, log1p, expm1, sqrt, sin, cos, tanh, sigmoid, softplus, logaddexp, maximum, minimum = (
    _function(n)
    for n in (
        "exp",
        "log",
        "log1p",
        "expm1",
        "sqrt",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "softplus",
        "logaddexp",
        "maximum",
        "minimum",
    )
)
abs_, sign, select, eq, ne, gt, lt, not_, ldexp = (
    _function(n) for n in ("abs", "sign", "select", "eq", "ne", "gt", "lt", "not", "ldexp")
)
exp2, sinh, cosh, atanh, hypot, digamma = (
    _function(n) for n in ("exp2", "sinh", "cosh", "atanh", "hypot", "digamma")
)
