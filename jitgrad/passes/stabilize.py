"""Stabilization: part of the language's meaning, before both back ends and before derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from .base import Pass, register
from .hoist import hoist_block
from .last import last_block
from .rewrite import Rewriter, rewrite_graph
from .simplify import rules_of
from .sink import sink_block


def _driver(canonical: bool = False) -> Rewriter:
    # canonical forms come after all differentiation: a marker only hides a pattern then
    sets = frozenset({"stabilize", "canonical", "markers"} if canonical else {"stabilize"})
    return Rewriter(rules_of(sets, frozenset()), fold=False)


@register
@dataclass(frozen=True)
class Stabilize(Pass):
    """Replace naive formulas by functions that neither overflow nor cancel.

    canonical   canonicalize in the same walk: an op's operands are in their one form by the time
                its own pattern is looked at, and a walk less is a tenth of the passes' time
    """

    name: ClassVar[str] = "stabilize"
    canonical: bool = False

    def run(self, fn: Function) -> Function:
        return _driver(self.canonical).function(fn)


def stabilize_values(ops: Sequence[Op], results: Sequence[Value]) -> list[Value]:
    """`results` of a graph in the air, computed by `ops`, stabilized.

    Values from outside `ops` are taken as they are, so that a gradient by one of them stays whole.
    Where no rule fires the results are those given.
    """
    if any(op.regions for op in ops):
        ops, results = _structured(ops, results)
    driver = _driver()
    out = rewrite_graph(ops, results, driver)
    return out if driver.fired else list(results)


def _structured(ops: Sequence[Op], results: Sequence[Value]) -> tuple[Sequence[Op], list[Value]]:
    """Loops and branches as derivatives want them: each op where it is needed, once."""
    block = Block((), ops, results)
    for make in (last_block, sink_block, hoist_block):
        block = make(block)
    return block.ops, list(block.results)
