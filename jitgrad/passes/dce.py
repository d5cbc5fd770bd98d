"""Dead code elimination: pure ops that nothing needs go; effects and what they need stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
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
            known = callee.cache["has_effect"] = any(has_effect(o) for o in callee.ops)
        return known
    return False


def live_ops(ops: Sequence[Op], results: Sequence[Value]) -> list[Op]:
    """Those of `ops` that `results` or effects need, in their order."""
    needed: set[Value] = set(results)
    kept: list[Op] = []
    for op in reversed(ops):
        if has_effect(op) or not needed.isdisjoint(op.results):
            kept.append(op)
            needed.update(op.operands)
    kept.reverse()
    return kept


def dce_block(block: Block) -> Block:
    """The block without dead ops, in regions too; itself where there are none."""
    ops = live_ops(block.ops, block.results)
    env: dict[Value, Value] = {}
    for i, op in enumerate(ops):
        operands = tuple([env.get(v, v) for v in op.operands]) if env else op.operands
        regions = op.regions
        if regions and op.opdef.family != "kernel":
            regions = tuple([dce_block(r) for r in regions])
        if operands != op.operands or regions != op.regions:
            types = tuple([r.type for r in op.results])
            new = Op(op.opdef, operands, op.attrs, types, regions, op.loc, op.made_by)
            for old, r in zip(op.results, new.results):
                r.name = old.name
                env[old] = r
            ops[i] = new
    if len(ops) == len(block.ops) and not env and all(a is b for a, b in zip(ops, block.ops)):
        return block
    return Block(block.params, ops, [env.get(v, v) for v in block.results])


@register
@dataclass(frozen=True)
class Dce(Pass):
    """Drop ops that nothing needs."""

    name: ClassVar[str] = "dce"

    def run(self, fn: Function) -> Function:
        body = dce_block(fn.body)
        return fn if body is fn.body else keep_notes(fn, fn.with_body(body))


def keep_notes(old: Function, new: Function) -> Function:
    """What is known about the dims of `old` holds for `new`."""
    if "dim_notes" in old.cache:
        new.cache["dim_notes"] = old.cache["dim_notes"]
    return new
