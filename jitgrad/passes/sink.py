"""Sinking: what only one branch of a `cond` needs is computed inside of that branch.

Front ends hand both branches' values to a `cond`; this makes it lazy. It comes before derivatives,
so that the gradient of a branch that is not taken is not computed either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import has_effect, keep_notes

_COND, _CONST = TABLE["cond"], TABLE["constant"]
# The branches that need something (a cond's position in its block, a branch), and whether each is
# sure to compute it or leaves it to a cond inside of it.
Where = dict[tuple[int, int], bool]
_ALWAYS: Where = {(-1, -1): True}  # compared by identity: outside of all branches


def remake(op: Op, operands: tuple[Value, ...], regions: tuple[Block, ...],
           env: dict[Value, Value]) -> Op:  # fmt: skip
    """`op` on other operands of the same types, or with other regions; `env` learns its results."""
    if operands == op.operands and regions == op.regions:
        return op
    new = Op(op.opdef, operands, op.attrs, tuple([r.type for r in op.results]), regions, op.loc,
             op.made_by)  # fmt: skip
    for old, r in zip(op.results, new.results):
        r.name = old.name
        env[old] = r
    return new


def has_cond(block: Block) -> bool:
    return any(
        op.opdef is _COND or (op.opdef.family == "control" and any(map(has_cond, op.regions)))
        for op in block.ops
    )


def sink_block(block: Block) -> Block:
    """The block with everything where it is needed, in regions too; itself if nothing moves."""
    if not has_cond(block):
        return block
    places = _needs(block)[0]
    env: dict[Value, Value] = {}
    out: list[Op] = []
    moved: dict[tuple[int, int], list[Op]] = {}
    for k, op in enumerate(block.ops):
        if places[k] is not _ALWAYS:
            for place in places[k]:
                moved.setdefault(place, []).append(op)
            continue
        if op.opdef is _COND:
            new = _filled(op, [moved.get((k, side), []) for side in (0, 1)], env)
        else:
            operands = tuple([env.get(v, v) for v in op.operands])
            regions = op.regions
            if op.opdef.family == "control":
                regions = tuple([sink_block(r) for r in regions])
            new = remake(op, operands, regions, env)
        out.append(new)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


def _needs(block: Block) -> tuple[list[Where], dict[int, Where]]:
    """Where each op of a block is needed, and each value, by its id."""
    found: dict[int, Where] = {id(v): _ALWAYS for v in block.results}
    ops: list[Where] = [_ALWAYS] * len(block.ops)
    for k in range(len(block.ops) - 1, -1, -1):
        op = block.ops[k]
        where: Where = {}
        for r in op.results:
            where = _union(where, found.get(id(r), {}))
        if not where or not op.results or has_effect(op):
            where = _ALWAYS  # what nobody needs stays as it is
        ops[k] = where
        for v, w in _operands(op, k, where):
            found[id(v)] = _union(found.get(id(v), {}), w)
    return ops, found


def _operands(op: Op, k: int, where: Where) -> list[tuple[Value, Where]]:
    """Where an op at position `k`, needed at `where`, needs its operands."""
    if op.opdef is not _COND:
        return [(v, where) for v in op.operands]
    out = [(op.operands[0], where)]
    sides = [_needs(r)[1] for r in op.regions]
    for j, v in enumerate(op.operands[1:]):
        pair = [found.get(id(r.params[j]), {}) for r, found in zip(op.regions, sides)]
        surely = [w is _ALWAYS for w in pair]
        mine: Where
        if not any(pair):
            mine = where  # no branch reads it, but the cond still names it (dce drops it)
        elif where is _ALWAYS:
            mine = {(k, side): surely[side] for side in (0, 1) if pair[side]}
        else:  # the cond goes into branches itself
            mine = {place: sure and all(surely) for place, sure in where.items()}
        out.append((v, _union(mine, {})))
    return out


def _union(a: Where, b: Where) -> Where:
    """Needed where `a` or `b` says: always, if surely in both branches of a cond."""
    if a is _ALWAYS or b is _ALWAYS:
        return _ALWAYS
    both = dict(a)
    for place, sure in b.items():
        both[place] = both.get(place, False) or sure
    return _ALWAYS if any(s and both.get((k, 1 - side)) for (k, side), s in both.items()) else both


def _filled(op: Op, moved: Sequence[Sequence[Op]], env: dict[Value, Value]) -> Op:
    """A cond with ops moved into its branches, and constants copied there."""
    frontier: dict[Value, None] = {}
    plans = []
    for region, ops in zip(op.regions, moved):
        inside = {r for o in ops for r in o.results}
        given = dict(zip(region.params, op.operands[1:]))
        used = {v for o in region.ops for v in o.operands} | set(region.results)
        constants = []
        for p, v in given.items():
            if p in used and v not in inside:
                if v.op is not None and v.op.opdef is _CONST:
                    constants.append(v.op)
                    inside.add(v)
                else:
                    frontier[env.get(v, v)] = None
        for o in ops:
            for v in o.operands:
                if v not in inside:
                    frontier[env.get(v, v)] = None
        plans.append((region, [*constants, *ops], given))
    predicate = env.get(op.operands[0], op.operands[0])
    now = tuple([env.get(v, v) for v in op.operands[1:]])
    if not any(ops for _, ops, _ in plans) and set(now) == set(frontier):
        return remake(op, (predicate, *now), tuple([sink_block(r) for r in op.regions]), env)
    operands = list(frontier)
    regions = []
    for region, ops, given in plans:
        params = [Value(v.type, name=v.name) for v in operands]
        mine: dict[Value, Value] = dict(zip(operands, params))
        body: list[Op] = []
        for o in ops:  # copied: an op stands in one block only
            ins = tuple([mine[env.get(v, v)] for v in o.operands])
            types = tuple([r.type for r in o.results])
            made = Op(o.opdef, ins, o.attrs, types, o.regions, o.loc, o.made_by)
            for old, r in zip(o.results, made.results):
                r.name = old.name
                mine[old] = r
            body.append(made)
        for p, v in given.items():
            at = env.get(v, v)
            mine[p] = mine.get(at, p)  # p itself: nothing reads it
        body += copies(region.ops, mine)
        results = [mine.get(v, v) for v in region.results]
        regions.append(sink_block(Block(params, body, results)))
    return remake(op, (predicate, *operands), tuple(regions), env)


def copies(ops: Sequence[Op], env: dict[Value, Value]) -> list[Op]:
    return [remake(o, tuple([env.get(v, v) for v in o.operands]), o.regions, env) for o in ops]


@register
@dataclass(frozen=True)
class Sink(Pass):
    """Move what only one branch needs into it."""

    name: ClassVar[str] = "sink"

    def run(self, fn: Function) -> Function:
        body = sink_block(fn.body)
        return fn if body is fn.body else keep_notes(fn, fn.with_body(body))
