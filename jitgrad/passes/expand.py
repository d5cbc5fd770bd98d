"""Expansion: ops that have no machine code of their own become simpler ones, by their rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..ir.build import Builder
from ..ir.core import Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .rewrite import Index, Rewriter
from .simplify import rules_of

_NAMES = ("x", "y", "z")


def _expand(op: Op, b: Builder) -> Value | None:
    row = op.opdef
    term = row.expand
    assert term is not None
    if row.emit != "expand" and row.emitter(op.operands[-1].type.dtype) != "expand":
        return None  # ints have an instruction
    b.made_by = f"expand({op.opdef.name})"
    return b.term(term, dict(zip(_NAMES, op.operands)), op.results[0].type)


@lru_cache(maxsize=1)
def _rules() -> Index:
    return Index(
        (f"expand-{name}", (name,), (), _expand)
        for name, row in TABLE.items()
        if row.expand is not None
    )


@register
@dataclass(frozen=True)
class Expand(Pass):
    """Replace ops that have an `expand` term by that term (sigmoid, softplus, logaddexp …).

    Before that, products of such ops that have a cheaper formula of their own become that.
    """

    name: ClassVar[str] = "expand"

    def run(self, fn: Function) -> Function:
        if not any(op.regions or op.opdef.expand is not None for op in fn.ops):
            return fn
        fn = Rewriter(rules_of(frozenset({"expand"}), frozenset()), fold=False).function(fn)
        return Rewriter(_rules(), fold=False).function(fn)
