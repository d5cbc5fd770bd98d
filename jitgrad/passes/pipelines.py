"""The pipelines: the only place where the order of passes is written, with the reasons for it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .base import PassManager, parse_pipeline

# What every program goes through before code is made, whichever back end runs it.
TENSOR = ("inline,last,sink,hoist,merge-scans,resolve-dims,stabilize{canonical=true},simplify,"
          "merge-conds,dce,bulk,simplify,dce")  # fmt: skip
# What the machine-code back end adds.
LOWER = "expand,simplify,dce,fuse"
# What a graph may go through before it is differentiated: nothing that derivatives would notice.
PRIMAL = "last,sink,hoist,stabilize"

PIPELINES: dict[str, str] = {"tensor": TENSOR, "lower": LOWER, "primal": PRIMAL}


class Order(NamedTuple):
    """`first` stands before `then` wherever both stand in a pipeline."""

    first: str
    then: str
    reason: str


ORDERS = (
    Order("inline", "merge-scans", "a loop and its recording twin often come from two callees"),
    Order("inline", "sink", "a callee's ops may be needed by one branch only"),
    Order("last", "merge-scans", "a graph was made so before it was differentiated: a loop and its "
          "recording twin are still alike"),
    Order("sink", "merge-scans", "as for last"),
    Order("sink", "hoist", "what only a branch of a step needs is not computed ahead of the loop"),
    Order("hoist", "merge-scans", "as for last"),
    Order("sink", "merge-conds", "a cond that only a branch needs must not be merged with others"),
    Order("stabilize", "merge-conds", "a seed does not depend any more on what it is filled into"),
    Order("inline", "resolve-dims", "a callee's dims are its caller's, and requires may be inside"),
    Order("inline", "stabilize", "patterns do not look into callees"),
    Order("merge-scans", "simplify", "twin loops are recognised by their shared bodies, which "
          "simplification rewrites one by one"),
    Order("resolve-dims", "canonicalize", "broadcasts are equal only once their dims are"),
    Order("resolve-dims", "stabilize", "patterns compare dims, and broadcasts by theirs"),
    Order("resolve-dims", "simplify", "ops on n and on m are shared only once n is m"),
    Order("canonicalize", "stabilize", "keepdims and fill come in one form then"),
    Order("stabilize", "simplify", "simplification may take a pattern apart, and drops the "
          "stop_gradient that a second differentiation of a stabilized graph needs"),
    Order("merge-scans", "bulk", "twin loops are alike until one of them has lost its products"),
    Order("stabilize", "bulk", "patterns do not look from a loop's body into what is around it"),
    Order("bulk", "fuse", "loops whose bodies are kernels cannot be taken apart"),
    Order("stabilize", "expand", "an expanded sigmoid is no sigmoid to a pattern"),
    Order("simplify", "fuse", "what is computed twice would be fused twice"),
    Order("expand", "fuse", "kernels hold only ops that have machine code"),
    Order("dce", "fuse", "a dead op in a kernel is no longer dead"),
)  # fmt: skip


def misplaced(names: tuple[str, ...]) -> list[Order]:
    """The constraints that a sequence of passes breaks."""
    first = {n: len(names) - 1 - names[::-1].index(n) for n in names}
    return [
        o
        for o in ORDERS
        if o.first in first and o.then in names and names.index(o.first) > first[o.then]
    ]


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.split("{")[0].strip() for part in text.split(","))


for _name, _text in (*PIPELINES.items(), ("tensor + lower", f"{TENSOR},{LOWER}")):
    if _bad := misplaced(_names(_text)):
        raise AssertionError(f"pipeline {_name}: {_bad[0].first} must precede {_bad[0].then}, "
                             f"because {_bad[0].reason}")  # fmt: skip


@lru_cache(maxsize=32)
def pipeline(text: str) -> PassManager:
    """The pass manager of a named pipeline ("tensor", "lower") or of a pipeline's text."""
    return parse_pipeline(PIPELINES.get(text, text))


__all__ = ["LOWER", "ORDERS", "PIPELINES", "PRIMAL", "TENSOR", "Order", "misplaced",
           "parse_pipeline", "pipeline"]  # fmt: skip
