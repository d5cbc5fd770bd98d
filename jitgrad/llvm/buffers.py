"""Where values live: output buffers and slots of the arena, reused when their values are dead.

A block becomes steps: aliases vanish into the value they show, library ops become kernels or BLAS
calls, and a strided parameter that something other than a kernel reads is copied first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ir.core import Block, Function, Op, Value
from ..ir.dims import Dim, DimLike, ceildiv, product, symbol
from . import library

ALIGN = 64


class Step:
    """One thing that core does: an op with its operands' roots, its results, its regions' steps."""

    __slots__ = ("ins", "kind", "op", "outs", "regions", "scratch", "temps")

    def __init__(self, kind: str, op: Op, ins: Sequence[Value], outs: Sequence[Value]) -> None:
        self.kind = kind
        self.op = op
        self.ins = tuple(ins)
        self.outs = tuple(outs)
        self.regions: list[Steps] = []
        self.temps: list[int] = []  # slots that only this step needs
        self.scratch: dict[int, int] = {}  # see `contraction`, by index of a result nobody needs


class Steps:
    """A block as steps; `direct`: results made in place, id of the root -> index of the result."""

    __slots__ = ("block", "direct", "results", "steps")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.steps: list[Step] = []
        self.results: tuple[Value, ...] = ()
        self.direct: dict[int, int] = {}


class Program:
    """All steps of a function and the slot of each value that lives in the arena."""

    def __init__(self, fn: Function, blas: Mapping[str, int]) -> None:
        self.blas = blas
        self.roots: dict[int, Value] = {}
        self.strided = {
            id(p) for p, layout in zip(fn.params, fn.layouts) if layout == "strided" and p.type.rank
        }
        self.copies: dict[int, Value] = {}
        self.front: list[Step] = []  # copies of strided parameters
        self.requires: list[Op] = []
        self.slots: list[DimLike] = []  # their sizes in bytes
        self.where: dict[int, int] = {}  # id of a root -> slot
        self._free: dict[DimLike, list[int]] = {}
        self.top = self._steps(fn.body)
        self.top.steps[:0] = self.front
        self._plan(self.top)

    # -- steps ------------------------------------------------------------------------------------

    def root(self, v: Value) -> Value:
        """The value whose memory `v` shows."""
        return self.roots.get(id(v), v)

    def dense(self, v: Value) -> Value:
        """The root of `v`, or of its contiguous copy."""
        r = self.root(v)
        if id(r) not in self.strided:
            return r
        made = self.copies.get(id(r))
        if made is None:
            op = library.copy(r)
            made = self.copies[id(r)] = op.results[0]
            self.front.append(Step("kernel", op, (r,), op.results))
        return made

    def _steps(self, block: Block) -> Steps:
        out = Steps(block)
        for op in block.ops:
            name = op.opdef.name
            if name == "refine":
                self.roots[id(op.results[0])] = self.root(op.operands[0])
                continue
            if name == "reshape":
                self.roots[id(op.results[0])] = self.dense(op.operands[0])
                continue
            if name == "require":
                self.requires.append(op)
                continue
            if name == "kernel":
                ins = [self.root(v) for v in op.operands]
                out.steps.append(Step("kernel", op, ins, op.results))
                continue
            ins = [self.dense(v) for v in op.operands]
            if name == "print":
                self.roots[id(op.results[0])] = ins[0]
                out.steps.append(Step(name, op, ins, ()))
                continue
            if name in ("cond", "scan"):
                step = Step(name, op, ins, op.results)
                step.regions = [self._steps(r) for r in op.regions]
                out.steps.append(step)
            elif name == "guard" or (name == "constant" and not library.is_splat(op)):
                out.steps.append(Step(name, op, ins, op.results))
            else:
                kind = library.step_kind(op, self.blas)
                made_op = library.as_kernel(op) if kind == "kernel" else op
                out.steps.append(Step(kind, made_op, ins, op.results))
        made = {id(v) for s in out.steps if s.kind != "constant" for v in s.outs}
        out.results = tuple([self.root(v) for v in block.results])
        for k, v in enumerate(out.results):
            if id(v) in made:
                out.direct.setdefault(id(v), k)
        return out

    def kernels(self) -> int:
        """The number of kernels, regions' included."""
        stack, count = [self.top], 0
        while stack:
            for step in stack.pop().steps:
                count += step.kind == "kernel"
                stack += step.regions
        return count

    # -- slots ------------------------------------------------------------------------------------

    def _take(self, size: DimLike) -> int:
        free = self._free.get(size)
        if free:
            return free.pop()
        self.slots.append(size)
        return len(self.slots) - 1

    def _release(self, slot: int) -> None:
        self._free.setdefault(self.slots[slot], []).append(slot)

    def _plan(self, steps: Steps) -> None:
        last: dict[int, int] = {}
        for k, step in enumerate(steps.steps):
            for v in (*step.ins, *step.outs):
                last[id(v)] = k
        for v in steps.results:
            last[id(v)] = len(steps.steps)
        taken: list[int] = []
        for k, step in enumerate(steps.steps):
            if step.kind not in ("constant", "guard"):
                for j, v in enumerate(step.outs):
                    if id(v) in steps.direct:
                        continue
                    size = bytes_of(v)
                    if step.kind == "kernel" and last[id(v)] == k:
                        skip = step.scratch[j] = contraction(step.op, len(step.ins) + j)
                        if skip < 0:
                            continue
                        size = product(v.type.shape[skip:]) * v.type.dtype.np.itemsize
                    self.where[id(v)] = self._take(size)
                    taken.append(id(v))
            if step.kind == "scan":
                carries = step.op.attrs["carries"]
                step.temps = [self._take(bytes_of(v)) for v in step.outs[:carries]]
            if step.kind == "sort":
                step.temps = [self._take(library.scratch_of(step.op))]
            for region in step.regions:
                self._plan(region)
            for slot in step.temps:
                self._release(slot)
            for v in {id(v): v for v in (*step.ins, *step.outs)}.values():
                if last[id(v)] == k and id(v) in self.where:
                    self._release(self.where[id(v)])
        for v in {id(v): v for v in steps.results}.values():  # copied out when the block ends
            if id(v) in self.where and id(v) in taken:
                self._release(self.where[id(v)])


def contraction(kernel: Op, k: int) -> int:
    """How much of a kernel's result must exist if only the kernel itself reads it.

    -1: nothing, as it is never read. Else the number of leading axes that can go: those indexed by
    the variables of loops outside of all accesses, where every iteration has a row of its own.
    """
    (body,) = kernel.regions
    buffer = body.params[k]
    ops: Sequence[Op] = body.ops
    found = _accesses(ops, buffer)
    if all(op.opdef.name == "store" for op in found):
        return -1
    skip = 0
    while True:
        users = [op for op in ops if op.regions and _accesses(op.regions[0].ops, buffer)]
        if len(users) != 1 or any(op in found for op in ops) or users[0].attrs["vector"]:
            return skip
        var = symbol(users[0].attrs["var"])
        if skip == buffer.type.rank or any(op.attrs["index"][skip] is not var for op in found):
            return skip
        skip += 1
        ops = users[0].regions[0].ops


def _accesses(ops: Sequence[Op], buffer: Value) -> list[Op]:
    """Loads and stores of a buffer, at any depth."""
    out: list[Op] = []
    stack = [ops]
    while stack:
        for op in stack.pop():
            if op.regions:
                stack.append(op.regions[0].ops)
            elif "index" in op.attrs:
                at = 1 if op.opdef.name == "store" else 0
                if op.operands[at] is buffer:
                    out.append(op)
    return out


def bytes_of(v: Value) -> DimLike:
    """The size of a value in memory."""
    return v.type.size * v.type.dtype.np.itemsize


def aligned(size: DimLike) -> DimLike:
    """A size rounded up to the next slot."""
    return ceildiv(size, ALIGN) * ALIGN


def static(d: Any) -> bool:
    return d.__class__ is not Dim
