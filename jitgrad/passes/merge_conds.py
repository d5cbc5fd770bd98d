"""Merging branches: conds on one predicate, neither of which needs the other, become one.

A value and its gradient make such pairs; in one branch they share what both of them need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import has_effect, keep_notes
from .rewrite import Rewriter
from .sink import copies, has_cond, remake

_COND = TABLE["cond"]
_LOOKS = 100_000  # merging saves work, but is no reason to compile for long


def merge_conds(block: Block) -> Block:
    """The block with conds merged, in regions too; itself where there is nothing to merge."""
    if not has_cond(block):
        return block
    ops = list(block.ops)
    able = {id(op) for op in ops if op.opdef is _COND and not has_effect(op)}
    left = Counter([op.operands[0] for op in ops if id(op) in able])  # by predicate, from k on
    env: dict[Value, Value] = {}
    gives: dict[int, list[Value]] = {}  # a merged cond: the values that it stands for
    looks = 0
    k = 0 if any(n > 1 for n in left.values()) else len(ops)
    while k < len(ops) and looks < _LOOKS + len(ops):
        first = ops[k]
        if id(first) in able:
            left[first.operands[0]] -= 1
            found, n = _partner(ops, k, able, gives) if left[first.operands[0]] else (None, 0)
            looks += n
            if found is not None:
                j, late = found
                both = _join(first, ops[j], env)
                able.add(id(both))
                left[both.operands[0]] += 1
                left[first.operands[0]] -= 1
                gives[id(both)] = [v for o in (first, ops[j]) for v in gives.get(id(o), o.results)]
                between = [o for o in ops[k + 1 : j] if id(o) not in late]
                after = [o for o in ops[k + 1 : j] if id(o) in late]
                ops[k : j + 1] = [*between, both, *after]
                continue
        k += 1
    out: list[Op] = []
    for op in ops:
        regions = op.regions
        if op.opdef.family == "control":
            regions = tuple([merge_conds(r) for r in regions])
        out.append(remake(op, tuple([_last(v, env) for v in op.operands]), regions, env))
    if not env:
        return block
    return Block(block.params, out, [_last(v, env) for v in block.results])


def _last(v: Value, env: Mapping[Value, Value]) -> Value:
    while v in env:
        v = env[v]
    return v


def _partner(
    ops: Sequence[Op], k: int, able: set[int], gives: Mapping[int, list[Value]]
) -> tuple[tuple[int, set[int]] | None, int]:
    """The next cond on the predicate of the one at `k` that can be run with it: where it is, and
    what between the two needs the first one's results; and how many ops were looked at."""
    after = set(gives.get(id(ops[k]), ops[k].results))
    late: set[int] = set()
    for j in range(k + 1, len(ops)):
        op = ops[j]
        needs = not after.isdisjoint(op.operands)
        if id(op) in able and not needs and op.operands[0] is ops[k].operands[0]:
            return (j, late), j - k
        if needs:
            late.add(id(op))
            after.update(gives.get(id(op), op.results))
    return None, len(ops) - k


def _join(a: Op, b: Op, env: dict[Value, Value]) -> Op:
    """One cond for two on the same predicate."""
    operands = list(dict.fromkeys((*a.operands[1:], *b.operands[1:])))
    regions = []
    for one, two in zip(a.regions, b.regions):
        params = [Value(v.type, name=v.name) for v in operands]
        by = dict(zip(operands, params))
        ops: list[Op] = []
        results: list[Value] = []
        for r, op in ((one, a), (two, b)):
            mine = {p: by[v] for p, v in zip(r.params, op.operands[1:])}
            seen = {id(o) for o in ops}
            ops += [o for o in copies(r.ops, mine) if id(o) not in seen]
            results += [mine.get(v, v) for v in r.results]
        regions.append(Block(params, ops, results))
    types = tuple([r.type for r in (*a.results, *b.results)])
    new = Op(_COND, (a.operands[0], *operands), a.attrs, types, tuple(regions), a.loc, a.made_by)
    for old, v in zip((*a.results, *b.results), new.results):
        v.name = old.name
        env[old] = v
    return new


@register
@dataclass(frozen=True)
class MergeConds(Pass):
    """Merge the conds on one predicate that do not need each other, and what they share.

    Each cond is to be run whenever the block around it is: `sink` comes before.
    """

    name: ClassVar[str] = "merge-conds"

    def run(self, fn: Function) -> Function:
        body = merge_conds(fn.body)
        if body is fn.body:
            return fn
        return Rewriter(fold=False).function(keep_notes(fn, fn.with_body(body)))
