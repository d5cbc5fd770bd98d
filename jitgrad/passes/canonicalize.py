"""Canonicalization: one form for constants, shape ops and commutative operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Function
from .base import Pass, register
from .rewrite import Rewriter
from .simplify import rules_of


@register
@dataclass(frozen=True)
class Canonicalize(Pass):
    """Bring ops into the form that the other rules expect; drops the spelling of constants."""

    name: ClassVar[str] = "canonicalize"

    def run(self, fn: Function) -> Function:
        return Rewriter(rules_of(frozenset({"canonical"}), frozenset()), fold=False).function(fn)
