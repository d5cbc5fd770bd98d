"""Stabilization: part of the language's meaning, before both back ends and before derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Function, Op, Value
from .base import Pass, register
from .rewrite import Rewriter, rewrite_graph
from .simplify import rules_of


def _driver() -> Rewriter:
    return Rewriter(rules_of(frozenset({"stabilize"}), frozenset()), fold=False)


@register
@dataclass(frozen=True)
class Stabilize(Pass):
    """Replace naive formulas by functions that neither overflow nor cancel."""

    name: ClassVar[str] = "stabilize"

    def run(self, fn: Function) -> Function:
        return _driver().function(fn)


def stabilize_values(ops: Sequence[Op], results: Sequence[Value]) -> list[Value]:
    """`results` of a graph in the air, computed by `ops`, stabilized.

    Values from outside `ops` are taken as they are, so that a gradient by one of them stays whole.
    Where no rule fires the results are those given.
    """
    driver = _driver()
    out = rewrite_graph(ops, results, driver)
    return out if driver.fired else list(results)
