"""Dead code elimination: pure ops that nothing needs go; effects and what they need stay.

Loops and branches lose what is dead inside, the stacks that nobody reads, and the operands that
only those read: differentiation records more than a gradient ends up using.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.printer import callees
from .base import Pass, register


def has_effect(op: Op) -> bool:
    """True for effects and for ops whose regions or callee contain one."""
    if op.opdef.effect:
        return True
    if op.regions and op.opdef.name != "kernel":
        return any(has_effect(o) for r in op.regions for o in r.ops)
    if op.opdef.name == "call":
        callee: Function = op.attrs["callee"]
        known = callee.cache.get("has_effect")
        if known is None:
            for f in callees(callee):  # from the inside out: nests may be deep
                if "has_effect" not in f.cache:
                    f.cache["has_effect"] = any(has_effect(o) for o in f.ops)
            known = callee.cache["has_effect"]
        return known
    return False


Live = tuple[Op, Op, Sequence[Value]]  # an op, what it becomes, which of its results that has


def live_ops(ops: Sequence[Op], results: Sequence[Value]) -> list[Live]:
    """Those of `ops` that `results` or effects need, in their order."""
    needed: set[Value] = set(results)
    kept: list[Live] = []
    for op in reversed(ops):
        if has_effect(op) or not needed.isdisjoint(op.results):
            if op.regions and op.opdef.family != "kernel":
                entry = narrowed(op, needed)
            else:
                entry = (op, op, op.results)
            kept.append(entry)
            needed.update(entry[1].operands)
    kept.reverse()
    return kept


def narrowed(op: Op, needed: set[Value]) -> Live:
    """A loop or branch without dead code inside, without stacks, states and results that nobody
    reads and without the operands that only those read; `op` itself where nothing is dead.
    """
    fixed = _states(op, needed) if op.attrs.get("carries") else ()
    keep = [i for i, r in enumerate(op.results) if i in fixed or r in needed]
    blocks = [
        dce_block(Block(r.params, r.ops, [r.results[i] for i in keep])
                  if len(keep) < len(op.results) else r)
        for r in op.regions
    ]  # fmt: skip
    used: set[int] = set()
    for r in blocks:
        read = {v for o in r.ops for v in o.operands} | set(r.results)
        used |= {i for i, p in enumerate(r.params) if p in read}
    first = len(op.operands) - len(blocks[0].params)  # a cond's condition is no parameter
    attrs = op.attrs
    if op.opdef.name == "scan":
        nk, nc = attrs["consts"], attrs["carries"]
        used |= {nk + i for i in fixed}
        used -= {i for i in range(nk, nk + nc) if i - nk not in fixed}
        attrs = {**attrs, "consts": sum(i < nk for i in used), "carries": len(fixed)}
    count = len(blocks[0].params)
    if len(keep) == len(op.results) and len(used) == count and tuple(blocks) == op.regions:
        return op, op, op.results
    some = sorted(used)
    regions = tuple([Block([r.params[i] for i in some], r.ops, r.results) for r in blocks])
    operands = (*op.operands[:first], *(op.operands[first + i] for i in some))
    types = tuple([op.results[i].type for i in keep])
    new = Op(op.opdef, operands, attrs, types, regions, op.loc, op.made_by)
    return op, new, [op.results[i] for i in keep]


def _states(op: Op, needed: set[Value]) -> set[int]:
    """The carries of a loop whose ends are needed, or read in a step for something that is."""
    (body,) = op.regions
    nk, nc = op.attrs["consts"], op.attrs["carries"]
    wanted = {v for r, v in zip(op.results, body.results) if r in needed}
    live = {i for i in range(nc) if op.results[i] in needed}
    while True:
        made = live_ops(body.ops, [*wanted, *(body.results[i] for i in live)])
        read = {v for _, o, _ in made for v in o.operands} | wanted
        read |= {body.results[i] for i in live}
        more = live | {i for i in range(nc) if body.params[nk + i] in read}
        if more == live:
            return live
        live = more


def dce_block(block: Block) -> Block:
    """The block without dead ops, in regions too; itself where there are none."""
    live = live_ops(block.ops, block.results)
    env: dict[Value, Value] = {}
    out: list[Op] = []
    for old, op, results in live:
        operands = tuple([env.get(v, v) for v in op.operands]) if env else op.operands
        if operands != op.operands:
            types = tuple([r.type for r in op.results])
            op = Op(op.opdef, operands, op.attrs, types, op.regions, op.loc, op.made_by)
        if op is not old:
            for r, new in zip(results, op.results):
                new.name = r.name
                env[r] = new
        out.append(op)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


@register
@dataclass(frozen=True)
class Dce(Pass):
    """Drop ops that nothing needs."""

    name: ClassVar[str] = "dce"

    def run(self, fn: Function) -> Function:
        if "live" in fn.cache:
            return fn
        body = dce_block(fn.body)
        out = fn if body is fn.body else keep_notes(fn, fn.with_body(body))
        out.cache["live"] = True
        return out


def keep_notes(old: Function, new: Function) -> Function:
    """What is known about the dims of `old` holds for `new`."""
    for key in ("dim_notes", "settled"):  # what stays true of fewer ops
        if key in old.cache:
            new.cache[key] = old.cache[key]
    return new
