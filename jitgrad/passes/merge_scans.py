"""Merging loops: scans that run the same computation on the same operands become one.

Differentiation makes such pairs: a loop, and the same loop again that also records what its
backward half needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import has_effect, keep_notes
from .fold import constant_key
from .hoist import has_scan
from .rewrite import Rewriter
from .sink import remake

_SCAN = TABLE["scan"]


def _numbered(block: Block, params: Sequence[Value], table: dict[Any, Op], ops: list[Op]) -> list:
    """Results of `block` on other parameters, its ops shared with those in `table`."""
    env: dict[Value, Value] = dict(zip(block.params, params))
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        if op.opdef.name == "constant":
            key: Any = constant_key(op)
        else:
            key = (op.opdef, operands, tuple(op.attrs.values()), op.regions)
        twin = table.get(key)
        if twin is None:
            twin = op
            if operands != op.operands:
                types = tuple([r.type for r in op.results])
                twin = Op(op.opdef, operands, op.attrs, types, op.regions, op.loc, op.made_by)
            table[key] = twin
            ops.append(twin)
        env.update(zip(op.results, twin.results))
    return [env.get(v, v) for v in block.results]


def merged(scans: Sequence[Op]) -> tuple[Op, list[list[Value]]] | None:
    """One scan for several on the same operands, and each one's results; None if carries differ."""
    first = scans[0]
    nc = first.attrs["carries"]
    body = first.regions[0]
    table: dict[Any, Op] = {}
    ops: list[Op] = []
    carries: list[Value] | None = None
    stacks: list[Value] = []
    places: list[list[int]] = []
    for scan in scans:
        results = _numbered(scan.regions[0], body.params, table, ops)
        if carries is None:
            carries = results[:nc]
        elif carries != results[:nc]:
            return None
        place = []
        for v in results[nc:]:
            if v not in stacks:
                stacks.append(v)
            place.append(nc + stacks.index(v))
        places.append(place)
    assert carries is not None
    block = Block(body.params, ops, [*carries, *stacks])
    types = _SCAN.types("scan", [v.type for v in first.operands], first.attrs, (block,))
    new = Op(_SCAN, first.operands, first.attrs, types, (block,), first.loc, "merge-scans")
    return new, [[new.results[i] for i in (*range(nc), *place)] for place in places]


def _group_key(op: Op) -> Any:
    return (op.operands, tuple(op.attrs.values()))


def merge_block(block: Block) -> Block:
    """The block with scans merged, in regions too; itself where there is nothing to merge."""
    block = _deeper(block)
    groups: dict[Any, list[Op]] = {}
    for op in block.ops:
        if op.opdef is _SCAN and not has_effect(op):
            groups.setdefault(_group_key(op), []).append(op)
    env: dict[Value, Value] = {}
    replaced: dict[int, Op] = {}
    for scans in groups.values():
        while len(scans) > 1:
            head, rest, others = scans[0], scans[1:], []
            together = [head]
            made = None
            for scan in rest:
                trial = merged([*together, scan])
                if trial is None:
                    others.append(scan)
                else:
                    together.append(scan)
                    made = trial
            if made is not None:
                new, results = made
                for scan, values in zip(together, results):
                    env.update(zip(scan.results, values))
                    replaced[id(scan)] = new
            scans = others
    if not env:
        return block
    out: list[Op] = []
    done: set[int] = set()
    for op in block.ops:
        new_op = replaced.get(id(op))
        if new_op is not None:
            # operands are the same for all and stand before the first of them
            if id(new_op) in done:
                continue
            done.add(id(new_op))
            op = new_op
        operands = tuple([env.get(v, v) for v in op.operands])
        if operands != op.operands:
            types = tuple([r.type for r in op.results])
            copy = Op(op.opdef, operands, op.attrs, types, op.regions, op.loc, op.made_by)
            for old, r in zip(op.results, copy.results):
                r.name = old.name
                env[old] = r
                if new_op is not None:
                    for k, v in list(env.items()):
                        if v is old:
                            env[k] = r
            op = copy
        out.append(op)
    return Block(block.params, out, [env.get(v, v) for v in block.results])


def _deeper(block: Block) -> Block:
    """The block with scans in its loops and branches merged."""
    env: dict[Value, Value] = {}
    out: list[Op] = []
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands]) if env else op.operands
        regions = op.regions
        if op.opdef.family == "control" and any(map(has_scan, regions)):
            regions = tuple([merge_block(r) for r in regions])
        out.append(remake(op, operands, regions, env))
    if all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


@register
@dataclass(frozen=True)
class MergeScans(Pass):
    """Merge scans on the same operands whose carries are the same computation."""

    name: ClassVar[str] = "merge-scans"

    def run(self, fn: Function) -> Function:
        if not has_scan(fn.body):
            return fn
        while True:
            shared = Rewriter(fold=False).function(fn)  # equal operands become the same values
            body = merge_block(shared.body)
            if body is shared.body:
                return shared
            fn = keep_notes(fn, fn.with_body(body))  # loops over merged loops may be next
