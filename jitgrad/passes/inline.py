"""Inlining: calls are replaced by the ops of their callees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from ..ir.printer import callees
from .base import Pass, register
from .dce import keep_notes

_CALL = TABLE["call"]


def splice(block: Block, args: Sequence[Value], *, fresh: bool = False) -> tuple[list, list[Value]]:
    """The ops and results of a block with `args` in the place of its parameters.

    Ops that depend on no parameter are shared, not copied, unless `fresh` is set.
    """
    env: dict[Value, Value] = dict(zip(block.params, args))
    ops: list[Op] = []
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        if fresh or operands != op.operands:
            types = tuple([r.type for r in op.results])
            new = Op(op.opdef, operands, op.attrs, types, op.regions, op.loc, op.made_by)
            for old, r in zip(op.results, new.results):
                r.name = old.name
                env[old] = r
            op = new
        ops.append(op)
    return ops, [env.get(v, v) for v in block.results]


def inline_block(block: Block) -> Block:
    """The block without calls, in regions too; itself where it has none.

    What it calls has been inlined before.
    """
    if not any(op.regions or op.opdef is _CALL for op in block.ops):
        return block
    env: dict[Value, Value] = {}
    out: list[Op] = []
    have: set[int] = set()
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        if op.opdef is _CALL:
            body = op.attrs["callee"].cache["inlined"]
            ops, results = splice(body, operands)
            for o in ops:  # a second call of the same callee shares what needs no argument
                if id(o) not in have:
                    have.add(id(o))
                    out.append(o)
            env.update(zip(op.results, results))
            continue
        regions = tuple([inline_block(r) for r in op.regions])
        if operands != op.operands or regions != op.regions:
            types = tuple([r.type for r in op.results])
            new = Op(op.opdef, operands, op.attrs, types, regions, op.loc, op.made_by)
            for old, r in zip(op.results, new.results):
                r.name = old.name
                env[old] = r
            op = new
        if id(op) not in have:
            have.add(id(op))
            out.append(op)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


@register
@dataclass(frozen=True)
class Inline(Pass):
    """Replace calls by the callees' ops, to any depth."""

    name: ClassVar[str] = "inline"

    def run(self, fn: Function) -> Function:
        for callee in callees(fn)[:-1]:  # from the inside out: nests may be deep
            if "inlined" not in callee.cache:
                callee.cache["inlined"] = inline_block(callee.body)
        body = inline_block(fn.body)
        return fn if body is fn.body else keep_notes(fn, fn.with_body(body))
