"""Masked cotangents: which lanes are active, known from `select` and never from a value.

A cotangent is a value and, optionally, a bool mask of the same shape. A lane whose mask is false is
zero whatever its value holds: `where(x > 0, sqrt(x), 0)` sends (t, x > 0) to the root, whose
derivative at 0 is infinite, and only the end of the chain puts 0 there. `clean` says that the value
already is zero outside its mask, so that no second `select` has to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.build import Builder, compile_term
from ..ir.core import Op, Value
from ..ir.ops import TABLE
from ..ir.terms import Term
from ..ir.types import TensorType

_AND, _NOT, _OR = TABLE["and"], TABLE["not"], TABLE["or"]


class Maker(Builder):
    """A builder that makes each constant once: rules ask for the same zeros again and again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple, Value] = {}

    def const(self, value: Any, type: TensorType, spelling: str = "") -> Value:
        """A constant; the one made before if there is one (not for arrays, nor for -0.0)."""
        if value.__class__ is np.ndarray or (value == 0 and str(value)[0] == "-"):
            return super().const(value, type, spelling)
        key = (value.__class__, value, type, spelling)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = super().const(value, type, spelling)
        return found


class Cotangent(NamedTuple):
    """A value, its mask (None: every lane is active), whether it is zero outside the mask."""

    value: Value
    mask: Value | None = None
    clean: bool = False


def solid(b: Builder, ct: Cotangent) -> Value:
    """The cotangent as a plain value: one `select` where there is a mask."""
    value, mask, clean = ct
    if mask is None or clean:
        return value
    return b.select(mask, value, b.zeros(value.type))


def both(b: Builder, m: Value | None, n: Value | None) -> Value | None:
    """Lanes active in both masks."""
    if m is None or m is n:
        return n
    if n is None:
        return m
    return b.make(_AND, (m, n)).results[0]


def _negates(m: Value, n: Value) -> bool:
    return m.op is not None and m.op.opdef is _NOT and m.op.operands[0] is n


def _split(m: Value, n: Value) -> tuple[bool, Value, Value | None] | None:
    """(swap, c, rest): m is c & rest and n is ~c & rest; for swap, the other way round."""
    if _negates(n, m):
        return False, m, None
    if _negates(m, n):
        return True, n, None
    if m.op is None or n.op is None or m.op.opdef is not _AND or n.op.opdef is not _AND:
        return None
    (a, rest), (c, rest2) = m.op.operands, n.op.operands
    if rest is rest2:
        if _negates(c, a):
            return False, a, rest
        if _negates(a, c):
            return True, c, rest
    return None


def merge(b: Builder, p: Cotangent, q: Cotangent) -> Cotangent:
    """The sum of two cotangents of one value."""
    m, n = p.mask, q.mask
    if m is n:
        return Cotangent(b.add(p.value, q.value), m, p.clean and q.clean)
    if m is not None and n is not None:
        found = _split(m, n)
        if found is not None:  # the two sides of one `select`: again one select
            swap, c, rest = found
            yes, no = (q, p) if swap else (p, q)
            return Cotangent(b.select(c, yes.value, no.value), rest, p.clean and q.clean)
    total = b.add(solid(b, p), solid(b, q))
    if m is None or n is None:
        return Cotangent(total)
    return Cotangent(total, b.make(_OR, (m, n)).results[0], True)


# what may give infinity at finite operands
_POLES = frozenset({"div", "pow", "log", "log1p", "sqrt"})
_poles: dict[Term, bool] = {}


def _has_pole(term: Term) -> bool:
    found = _poles.get(term)
    if found is None:
        found = _poles[term] = term.op in _POLES or any(map(_has_pole, term.args))
    return found


def steep(path: Sequence[Op]) -> set[int]:
    """Ids of the values with an op before them on the path whose derivative may be infinite.

    The zeros of a transposed slice or gather must not meet such a derivative: 0 * inf is NaN.
    """
    found: set[int] = set()
    for op in path:
        if any(id(v) in found for v in op.operands) or _is_steep(op):
            found.update(map(id, op.results))
    return found


def _is_steep(op: Op) -> bool:
    row = op.opdef
    if row.deriv is None:
        return False
    if row.name in ("div", "pow"):  # by a constant
        by = op.operands[1].op
        value = by.attrs["value"] if by is not None and by.opdef.name == "constant" else None
        if isinstance(value, (int, float)):
            return not (value >= 1 if row.name == "pow" else value != 0)
    terms = [row.derivative(op, k) for k in range(len(op.operands))]
    return any(t is not None and _has_pole(t) for t in terms)


Make = Callable[[Builder, Mapping[str, Value], TensorType], Value]


class Rule(NamedTuple):
    """A derivative term ready to be built: value, mask if its root is a select, kind of map."""

    value: Make
    mask: Make | None
    keeps_zero: bool  # t or -t: 0 stays 0 whatever the operands are


_rules: dict[Term, Rule] = {}


def rule(term: Term) -> Rule:
    """How to build `term`: for `select(c, A, 0)` the value A with the mask c."""
    found = _rules.get(term)
    if found is None:
        mask = None
        root = term
        if term.op == "select" and term.args[2].op is None and term.args[2].value == 0.0:
            mask, root = compile_term(term.args[0]), term.args[1]
        inner = root.args[0] if root.op == "neg" else root
        found = _rules[term] = Rule(compile_term(root), mask, inner.name == "t")
    return found
