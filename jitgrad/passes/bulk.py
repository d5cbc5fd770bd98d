"""Work in bulk: products that the steps of a loop can all do at once leave the loop.

A product of what comes from the stacked inputs alone by a matrix that does not change is one
product of matrices for all steps, ahead of the loop; what is made of it goes along. So is, behind
the loop, what only stacked outputs need. A state that does nothing but add up products, as the
gradient by a loop's weights does, becomes one product of the stacked factors. A vector times a
matrix waits for memory, a product of matrices does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value, reachable, serial
from ..ir.dims import DimLike
from ..ir.ops import TABLE
from .base import Pass, register
from .dce import has_effect
from .fold import is_number, splat
from .hoist import has_scan, hoist_block
from .sink import remake

_SCAN, _MATMUL, _ADD, _MUL = (TABLE[n] for n in ("scan", "matmul", "add", "mul"))
_MOVES = frozenset(TABLE[n] for n in ("reshape", "transpose"))
_ALONG = _MOVES | {_MATMUL} | {
    r for r in TABLE.values() if r.elementwise and not r.props & {"raises", "prints", "effect"}
}  # fmt: skip
_ALIKE = _ALONG | {TABLE[n] for n in ("constant", "dim", "iota", "broadcast")}
ROUNDS = 4
Env = dict[Value, tuple[Value, bool]]  # values of the body, outside; whether one for each step


class Loop:
    """A scan taken apart. `key` is the place of a result in the scan that it was."""

    def __init__(self, op: Op) -> None:
        (body,) = op.regions
        nk, nc = op.attrs["consts"], op.attrs["carries"]
        self.op, self.ops, self.changed = op, list(body.ops), False
        self.size: DimLike = op.attrs["length"]
        pairs = list(zip(body.params, op.operands))
        self.consts, self.xs = pairs[:nk], pairs[nk + nc :]
        self.carries = [(p, v, r, k) for k, ((p, v), r) in
                        enumerate(zip(pairs[nk : nk + nc], body.results))]  # fmt: skip
        self.ys = [(v, nc + k) for k, v in enumerate(body.results[nc:])]
        self.done: dict[int, Value] = {}  # results that are known without the loop
        self.sums: list[tuple[int, Value, Op]] = []  # key, first state, the op that makes a term
        self.late: list[Op] = []  # ops for behind the loop, in order
        self.late_ys: list[tuple[Value, int]] = []
        self.b = Builder(op.loc, "bulk")

    def kinds(self) -> dict[Value, bool]:
        """Values made from stacked inputs alone (True), or the same in every step (False)."""
        kind = dict.fromkeys([p for p, _ in self.consts], False)
        kind.update(dict.fromkeys([p for p, _ in self.xs], True))
        for o in self.ops:
            if len(o.results) != 1 or o.regions or not all(v in kind for v in o.operands):
                continue
            each = [kind[v] for v in o.operands]
            if not any(each):
                if o.opdef in _ALIKE:
                    kind[o.results[0]] = False
            elif o.opdef in _ALONG and (o.opdef is not _MATMUL or _by_one_matrix(o, each)):
                kind[o.results[0]] = True
        return kind

    def users(self) -> dict[Value, list[Any]]:
        """Who reads a value: ops, and keys of results."""
        found: dict[Value, list[Any]] = {}
        for o in self.ops:
            for v in o.operands:
                found.setdefault(v, []).append(o)
        for _, _, v, k in self.carries:
            found.setdefault(v, []).append(k)
        for v, k in self.ys:
            found.setdefault(v, []).append(k)
        return found

    def outside(self) -> Env:
        return {**{p: (v, False) for p, v in self.consts}, **{p: (v, True) for p, v in self.xs}}

    # -- ahead of the loop ------------------------------------------------------------------------

    def ahead(self) -> None:
        kind = self.kinds()
        wanted = [o for o in self.ops if o.opdef is _MATMUL and kind.get(o.results[0])]
        if not wanted:
            return
        users = self.users()
        moved = {id(o) for o in wanted}
        for o in self.ops:
            if kind.get(o.results[0] if o.results else None) and any(  # type: ignore[arg-type]
                v.op is not None and id(v.op) in moved for v in o.operands
            ):
                moved.add(id(o))
        if len(self._read(moved, users)) > len(self._read({id(o) for o in wanted}, users)):
            moved = {id(o) for o in wanted}
        leaving = [o for o in self.ops if id(o) in moved]
        env = self.outside()
        batched(self.b, self._with_makers(leaving, env), env, self.size)
        inner: dict[Value, Value] = {}
        for v in self._read(moved, users):
            inner[v] = Value(v.type, name=v.name)
            self.xs.append((inner[v], env[v][0]))
        for v, k in self.ys:
            if v.op is not None and id(v.op) in moved:
                self.done[k] = env[v][0]
        self.ys = [(v, k) for v, k in self.ys if k not in self.done]
        self.ops = [remake(o, tuple([inner.get(v, v) for v in o.operands]), o.regions, inner)
                    for o in self.ops if id(o) not in moved]  # fmt: skip
        self.carries = [(p, v, inner.get(r, r), k) for p, v, r, k in self.carries]
        self.ys = [(inner.get(v, v), k) for v, k in self.ys]
        self.changed = True

    def _read(self, moved: set[int], users: dict[Value, list[Any]]) -> list[Value]:
        """Values made by the ops `moved` that the rest of the body reads."""
        states = {k for *_, k in self.carries}
        return [
            o.results[0]
            for o in self.ops
            if id(o) in moved
            and any(u in states if u.__class__ is int else id(u) not in moved
                    for u in users.get(o.results[0], ()))
        ]  # fmt: skip

    def _with_makers(self, ops: Sequence[Op], known: Env) -> list[Op]:
        """`ops` and what makes their operands, down to what is known, in order."""
        needed = {id(o) for o in ops}
        for o in reversed(self.ops):
            if id(o) in needed:
                needed |= {id(v.op) for v in o.operands if v not in known}
        return [o for o in self.ops if id(o) in needed]

    # -- behind the loop --------------------------------------------------------------------------

    def add_up(self) -> None:
        """States that only add up products."""
        kind, users = self.kinds(), self.users()
        for carry in list(self.carries):
            param, first, total, k = carry
            add = total.op
            if add is None or add.opdef is not _ADD or users.get(total) != [k]:
                continue
            if users.get(param) != [add] or param not in add.operands:
                continue
            term = add.operands[1 if add.operands[0] is param else 0]
            maker = term.op
            if maker is None or users.get(term) != [add] or term.type.rank != 2:
                continue
            parts = factors(maker)
            if parts is None or any(kind.get(v) is False for v in parts):
                continue
            self.sums.append((k, first, maker))
            self.carries.remove(carry)
            self.ops = [o for o in self.ops if o is not add and o is not maker]
            self.changed = True
            users = self.users()

    def outputs(self) -> None:
        """Products by a matrix that does not change, which only stacked outputs need."""
        kind, users = self.kinds(), self.users()
        stacked = {k for _, k in self.ys}
        only: set[int] = set()
        for o in reversed(self.ops):
            if len(o.results) != 1 or o.opdef not in _ALONG or o.results[0] in kind:
                continue
            if o.opdef is _MATMUL and not _by_one_matrix(
                o, [kind.get(v) is not False for v in o.operands]
            ):
                continue
            reads = users.get(o.results[0], ())
            if reads and all(u in stacked if u.__class__ is int else id(u) in only for u in reads):
                only.add(id(o))
        moved: set[int] = set()
        for o in self.ops:
            from_moved = any(v.op is not None and id(v.op) in moved for v in o.operands)
            if id(o) in only and (o.opdef is _MATMUL or from_moved):
                moved.add(id(o))
        if not moved:
            return
        self.late = [o for o in self.ops if id(o) in moved]
        self.late_ys = [(v, k) for v, k in self.ys if v.op is not None and id(v.op) in moved]
        gone = {k for _, k in self.late_ys}
        self.ys = [(v, k) for v, k in self.ys if k not in gone]
        self.ops = [o for o in self.ops if id(o) not in moved]
        self.changed = True

    # -- together again ---------------------------------------------------------------------------

    def results(self) -> list[Value]:
        """What the scan's results have become."""
        kind = self.kinds()
        extra: dict[Value, None] = {}  # values of the body that must be stacked as well
        given = self.outside()
        wanted = [v for _, _, maker in self.sums for v in factors(maker) or ()]
        mine = {o.results[0] for o in self.late}
        sources: list[Op] = []
        for o in self.late:
            wanted += [v for v in o.operands if v not in mine and kind.get(v) is not False]
            sources += [v.op for v in o.operands if kind.get(v) is False and v.op is not None]
        for i, v in enumerate(wanted):  # not the vector as a row, but the vector
            while v.op is not None and v.op.opdef in _MOVES:
                sources.append(v.op)
                v = v.op.operands[0]
            wanted[i] = v
            if v not in given:
                extra[v] = None
        ys = [v for v, _ in self.ys] + [v for v in extra if v not in {w for w, _ in self.ys}]
        params = [p for p, _ in self.consts] + [p for p, *_ in self.carries]
        params += [p for p, _ in self.xs]
        outs = [r for _, _, r, _ in self.carries] + ys
        block = Block(params, reachable(outs, params), outs)
        operands = ([v for _, v in self.consts] + [v for _, v, _, _ in self.carries]
                    + [v for _, v in self.xs])  # fmt: skip
        attrs = {**self.op.attrs, "carries": len(self.carries), "consts": len(self.consts)}
        types = _SCAN.types("scan", [v.type for v in operands], attrs, (block,))
        new = Op(_SCAN, tuple(operands), attrs, types, (block,), self.op.loc, self.op.made_by)
        nc = len(self.carries)
        done = dict(self.done)
        done.update(zip([k for *_, k in self.carries], new.results))
        done.update(zip([k for _, k in self.ys], new.results[nc:]))
        for k, r in enumerate(self.op.results):
            if k in done and done[k].op is new:
                done[k].name = r.name
        env: Env = dict(given)
        for v, r in zip(ys, new.results[nc:]):
            env.setdefault(v, (r, True))
        batched(self.b, self._with_makers(sources, env), env, self.size)
        for k, first, maker in self.sums:
            total = self._total(maker, env)
            done[k] = total if is_number(splat(first), 0) else self.b.add(first, total)
        batched(self.b, self.late, env, self.size)
        for v, k in self.late_ys:
            done[k] = env[v][0]
        return [done[k] for k in range(len(self.op.results))]

    def _total(self, maker: Op, env: Env) -> Value:
        """The sum over all steps of the products that `maker` makes."""
        b = self.b
        left, right = (env[v][0] for v in factors(maker) or ())
        if maker.opdef is _MATMUL:
            left = self._rows(left, not maker.attrs["ta"])
            right = self._rows(right, maker.attrs["tb"])
        elif maker.operands[0].op.attrs["dims"] == (1,):  # type: ignore[union-attr]
            left, right = right, left
        return b("matmul", left, right, ta=True, tb=False)

    def _rows(self, stack: Value, flip: bool) -> Value:
        """Stacked matrices (flipped first) below each other."""
        if flip:
            stack = self.b.transpose(stack, (0, 2, 1))
        n, rows, columns = stack.type.shape
        return self.b.reshape(stack, (n * rows, columns))


def _by_one_matrix(op: Op, each: Sequence[bool]) -> bool:
    """Whether a product is one by a matrix that is the same in every step."""
    return op.operands[0].type.rank == 2 and not all(each)


def factors(op: Op) -> tuple[Value, Value] | None:
    """The two sides of a product of matrices, or of a vector by a vector."""
    if op.opdef is _MATMUL:
        return (op.operands[0], op.operands[1])
    if op.opdef is not _MUL:
        return None
    a, c = (v.op for v in op.operands)
    if a is None or c is None or a.opdef.name != "broadcast" or c.opdef.name != "broadcast":
        return None
    if sorted((a.attrs["dims"], c.attrs["dims"])) != [(0,), (1,)]:
        return None
    return a.operands[0], c.operands[0]


def batched(b: Builder, ops: Sequence[Op], env: Env, size: DimLike) -> None:
    """Ops of a loop's body for all its steps at once; `env` learns what they make."""
    for o in ops:
        if o.results[0] in env:
            continue
        ins, flags = zip(*[env[v] for v in o.operands]) if o.operands else ((), ())
        b.loc = o.loc
        if not any(flags):
            new = Op(o.opdef, tuple(ins), o.attrs, (o.results[0].type,), (), o.loc, o.made_by)
            env[o.results[0]] = (new.results[0], False)
        elif o.opdef is _MATMUL:
            env[o.results[0]] = (_product(b, o, ins, flags, size), True)
        else:
            env[o.results[0]] = (o.opdef.batch(b, o, ins, flags, size)[0], True)  # type: ignore[misc]


def _product(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Value:
    """One product for all steps: the rows (or columns) of all steps as rows of one matrix."""
    ta, tb = op.attrs["ta"], op.attrs["tb"]
    p, q = op.results[0].type.shape
    turned = (0, 2, 1)
    if flags[0]:
        rows = b.transpose(ins[0], turned) if ta else ins[0]
        k = rows.type.shape[2]
        out = b("matmul", b.reshape(rows, (size * p, k)), ins[1], ta=False, tb=tb)
        return b.reshape(out, (size, p, q))
    rows = ins[1] if tb else b.transpose(ins[1], turned)
    k = rows.type.shape[2]
    out = b("matmul", b.reshape(rows, (size * q, k)), ins[0], ta=False, tb=not ta)
    return b.transpose(b.reshape(out, (size, q, p)), turned)


def bulk_block(block: Block) -> Block:
    """The block with its loops' products in bulk, in regions too; itself if there are none."""
    if not has_scan(block):
        return block
    env: dict[Value, Value] = {}
    out: list[Op] = []
    todo = [(op, 0) for op in reversed(block.ops)]
    while todo:
        op, round_ = todo.pop()
        operands = tuple([_last(v, env) for v in op.operands])
        regions = op.regions
        if not round_ and op.opdef.family == "control" and any(map(has_scan, regions)):
            regions = tuple([bulk_block(r) for r in regions])
        new = remake(op, operands, regions, env)
        if new.opdef is _SCAN and round_ < ROUNDS and not has_effect(new):
            mark = serial()
            loop = Loop(new)
            loop.ahead()
            loop.add_up()
            loop.outputs()
            if loop.changed:
                results = loop.results()
                env.update(zip(op.results, results))
                # what is stacked now may be what the last product is needed for
                todo += [(o, round_ + 1) for o in reversed(reachable(results, since=mark))]
                continue
        out.append(new)
    if len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops)):
        return block
    return Block(block.params, out, [_last(v, env) for v in block.results])


def _last(v: Value, env: dict[Value, Value]) -> Value:
    while v in env:
        v = env[v]
    return v


@register
@dataclass(frozen=True)
class Bulk(Pass):
    """Take products out of loops that their steps can do at once."""

    name: ClassVar[str] = "bulk"

    def run(self, fn: Function) -> Function:
        body = bulk_block(fn.body)
        if body is fn.body:
            return fn
        out = fn.with_body(hoist_block(body))  # what left an inner loop may be alike outside
        if "dim_notes" in fn.cache:
            out.cache["dim_notes"] = fn.cache["dim_notes"]
        return out
