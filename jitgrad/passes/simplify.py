"""Simplification: constant folding, sharing of equal ops and the algebraic rules, in one walk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..errors import JitgradError
from ..ir.core import Function
from .base import Pass, register
from .match import enabled, index
from .rewrite import EMPTY, Index, Rewriter
from .rules import RULE_SETS


@lru_cache(maxsize=64)
def rules_of(sets: frozenset[str], fastmath: frozenset[str]) -> Index:
    """The rules of the named sets that `fastmath` allows, and those named singly."""
    known = {r.name for rules in RULE_SETS.values() for r in rules}
    if unknown := sets - RULE_SETS.keys() - known:
        raise JitgradError(f"there is no rule or rule set {', '.join(sorted(unknown))}")
    chosen = [r for name, rules in RULE_SETS.items() for r in rules if {name, r.name} & sets]
    return index(enabled(chosen, fastmath)) if chosen else EMPTY


@register
@dataclass(frozen=True)
class Simplify(Pass):
    """Fold, share and simplify; runs after differentiation.

    rules       the rule sets to apply (see `rules.RULE_SETS`), or single rules by name
    fastmath    promises given up: "assoc", "nan", "signed-zero", "ulp"
    fold, cse   constant folding and common subexpressions, on or off
    fold_size   the largest array, in elements, that is computed at compile time
    """

    name: ClassVar[str] = "simplify"
    rules: frozenset[str] = frozenset({"canonical", "algebra", "structure", "markers"})
    fastmath: frozenset[str] = frozenset()
    fold: bool = True
    cse: bool = True
    fold_size: int = 64

    def run(self, fn: Function) -> Function:
        if fn.cache.get("settled") == self:
            return fn  # one walk reaches the end, and nothing but dce came since
        driver = Rewriter(
            rules_of(self.rules, self.fastmath),
            fold=self.fold,
            cse=self.cse,
            fold_size=self.fold_size,
        )
        out = driver.function(fn)
        if driver.budget is None:
            out.cache["settled"] = self
        return out


@register
@dataclass(frozen=True)
class Cse(Pass):
    """Share equal ops, nothing else."""

    name: ClassVar[str] = "cse"

    def run(self, fn: Function) -> Function:
        return Rewriter(fold=False).function(fn)


@register
@dataclass(frozen=True)
class Fold(Pass):
    """Compute what depends on constants alone, nothing else."""

    name: ClassVar[str] = "fold"

    def run(self, fn: Function) -> Function:
        return Rewriter(cse=False).function(fn)
