"""The last step: of a loop whose stacked outputs are read at the last step only, a carry is read.

`result[-1]` then keeps no stack: dce drops it, and its cotangent starts the loop's way back instead
of being added, mostly as zeros, in every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import keep_notes
from .hoist import has_scan, looped
from .sink import remake

_SCAN, _SLICE = TABLE["scan"], TABLE["slice"]


def _last_step(op: Op) -> tuple[Op, int] | None:
    """The loop, and its result, of which a slice takes the last step's part."""
    v = op.operands[0]
    loop = v.op
    if loop is None or loop.opdef is not _SCAN or v.index < loop.attrs["carries"]:
        return None
    n = loop.attrs["length"]
    lo, hi = op.attrs["starts"][0], op.attrs["stops"][0]
    if loop.attrs["reverse"] and n.__class__ is not int:
        return None  # a first row, of which nothing says that it exists
    at = 0 if loop.attrs["reverse"] else n - 1
    same = lo == at if lo.__class__ is int and at.__class__ is int else lo is at
    return (loop, v.index) if same and hi - lo == 1 else None


def last_block(block: Block) -> Block:
    """The block with slices of stacks at the last step replaced; itself where there are none."""
    if not has_scan(block):
        return block
    wanted: dict[int, list[int]] = {}  # by loop: the stacks of which only the last part is read
    whole = set(block.results)
    for op in block.ops:
        if op.opdef is _SLICE and (found := _last_step(op)) is not None:
            wanted.setdefault(id(found[0]), []).append(found[1])
        else:
            whole.update(op.operands)
    env: dict[Value, Value] = {}
    carried: dict[Value, Value] = {}  # a stack to the carry with its last part
    out: list[Op] = []
    for op in block.ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        if op.opdef is _SLICE and op.operands[0] in carried:
            out += _read(op, carried[op.operands[0]], env)
            continue
        regions = op.regions
        if op.opdef.family == "control":
            regions = tuple([last_block(r) for r in regions])
        new = remake(op, operands, regions, env)
        stacks = [k for k in dict.fromkeys(wanted.get(id(op), ())) if op.results[k] not in whole]
        if stacks:
            new = _carrying(new, op, stacks, out, carried)
            nc = op.attrs["carries"]
            more = new.attrs["carries"] - nc
            for old, r in zip(op.results, (*new.results[:nc], *new.results[nc + more :])):
                r.name = old.name
                env[old] = r
        out.append(new)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [env.get(v, v) for v in block.results])


def _carrying(new: Op, op: Op, stacks: list[int], out: list[Op],
              carried: dict[Value, Value]) -> Op:  # fmt: skip
    """The loop with a carry for each of `stacks`: one that it has, or one more."""
    (body,) = new.regions
    nk, nc = new.attrs["consts"], new.attrs["carries"]
    have = {v: k for k, v in reversed(list(enumerate(body.results[:nc])))}
    more = [k for k in stacks if body.results[k] not in have]
    if more:
        b = Builder(new.loc, "last")
        firsts = [b.zeros(body.results[k].type) for k in more]
        out += [v.op for v in firsts if v.op is not None]
        params = [Value(v.type) for v in firsts]
        m = nk + nc
        results = [*body.results[:nc], *(body.results[k] for k in more), *body.results[nc:]]
        block = Block([*body.params[:m], *params, *body.params[m:]], body.ops, results)
        operands = (*new.operands[:m], *firsts, *new.operands[m:])
        new = looped(new, operands, block, {**new.attrs, "carries": nc + len(more)})
    for k in stacks:
        place = have.get(body.results[k])
        carried[op.results[k]] = new.results[nc + more.index(k) if place is None else place]
    return new


def _read(op: Op, last: Value, env: dict[Value, Value]) -> list[Op]:
    """A slice of the last step's part: of the carry."""
    b = Builder(op.loc, "last")
    shape = (1, *last.type.shape)
    row = b.reshape(last, shape)
    attrs = {k: tuple(op.attrs[k][1:]) for k in ("starts", "stops", "steps")}
    made = b("slice", row, starts=(0, *attrs["starts"]), stops=(1, *attrs["stops"]),
             steps=(1, *attrs["steps"]))  # fmt: skip
    if made.type is row.type:
        env[op.results[0]] = row
        return [v.op for v in (row,) if v.op is not None]
    env[op.results[0]] = made
    return [v.op for v in (row, made) if v.op is not None]


@register
@dataclass(frozen=True)
class Last(Pass):
    """Read carries where only the last step of a stack is wanted."""

    name: ClassVar[str] = "last"

    def run(self, fn: Function) -> Function:
        body = last_block(fn.body)
        return fn if body is fn.body else keep_notes(fn, fn.with_body(body))
