"""Hoisting: what is the same in every step of a loop is computed once, before it.

What may raise stays where it is, since a loop of no steps does not raise; so do branches' ops, that
may not be run at all, and what costs nothing in the step but memory outside of it (broadcasts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import has_effect, keep_notes
from .sink import remake

_SCAN = TABLE["scan"]
# made in the step, unless something that is hoisted needs them
_FREE = frozenset(
    TABLE[n] for n in ("constant", "dim", "iota", "broadcast", "refine", "reshape", "fill")
)


def has_scan(block: Block) -> bool:
    return any(
        op.opdef is _SCAN or (op.opdef.family == "control" and any(map(has_scan, op.regions)))
        for op in block.ops
    )


def hoist_block(block: Block) -> Block:
    """The block with invariant ops before its loops, in regions too; itself if nothing moves."""
    if not has_scan(block):
        return block
    env: dict[Value, Value] = {}
    out: list[Op] = []
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        regions = op.regions
        if op.opdef.family == "control":
            regions = tuple([hoist_block(r) for r in regions])
        new = remake(op, operands, regions, env)
        if new.opdef is _SCAN:
            new = _emptied(new, out)
            env.update(zip(op.results, new.results))
        out.append(new)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


def _raises(op: Op) -> bool:
    return "raises" in op.opdef.props or any(_raises(o) for r in op.regions for o in r.ops)


def _emptied(op: Op, out: list[Op]) -> Op:
    """The loop without its invariant ops, which go to `out`."""
    (body,) = op.regions
    nk = op.attrs["consts"]
    outside: dict[Value, Value] = dict(zip(body.params[:nk], op.operands[:nk]))
    fixed: set[Value] = set(outside)  # values of the body that do not vary
    free: dict[Value, Op] = {}  # … made by ops that cost nothing, not hoisted yet
    staying: list[Op] = []
    moved: dict[Value, None] = {}

    def bring(v: Value) -> Value:
        """An invariant value of the body, outside."""
        if v not in outside:
            _copy(free[v])
        return outside[v]

    def _copy(o: Op) -> None:
        ins = tuple([bring(v) for v in o.operands])
        types = tuple([r.type for r in o.results])
        new = Op(o.opdef, ins, o.attrs, types, o.regions, o.loc, o.made_by)
        for old, r in zip(o.results, new.results):
            r.name = old.name
            outside[old] = r
        out.append(new)

    for o in body.ops:
        if not all(v in fixed for v in o.operands) or not o.results or has_effect(o) or _raises(o):
            staying.append(o)
            continue
        fixed.update(o.results)
        if o.opdef in _FREE:
            free.update(dict.fromkeys(o.results, o))
            staying.append(o)
        else:
            _copy(o)
            moved.update(dict.fromkeys(o.results))
    if not moved:
        return op
    used = {v for o in staying for v in o.operands} | set(body.results)
    new_consts = [v for v in moved if v in used]
    params = [Value(v.type, name=v.name) for v in new_consts]
    inner: dict[Value, Value] = dict(zip(new_consts, params))
    ops = [remake(o, tuple([inner.get(v, v) for v in o.operands]), o.regions, inner)
           for o in staying]  # fmt: skip
    results = [inner.get(v, v) for v in body.results]
    block = Block([*body.params[:nk], *params, *body.params[nk:]], ops, results)
    operands = (*op.operands[:nk], *(outside[v] for v in new_consts), *op.operands[nk:])
    new = looped(op, operands, block, {**op.attrs, "consts": nk + len(params)})
    for old, r in zip(op.results, new.results):
        r.name = old.name
    return new


def looped(op: Op, operands: Sequence[Value], block: Block, attrs: dict) -> Op:
    """Another loop in the place of `op`."""
    types = _SCAN.types("scan", [v.type for v in operands], attrs, (block,))
    return Op(_SCAN, tuple(operands), attrs, types, (block,), op.loc, op.made_by)


@register
@dataclass(frozen=True)
class Hoist(Pass):
    """Move what no step of a loop changes out of it."""

    name: ClassVar[str] = "hoist"

    def run(self, fn: Function) -> Function:
        body = hoist_block(fn.body)
        return fn if body is fn.body else keep_notes(fn, fn.with_body(body))
