"""Kernels of the IR written by hand: a builder of loop nests, for library ops and copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Op, Value
from ..ir.dims import DimLike, symbol
from ..ir.types import TensorType, tensor


class Nest:
    """Builds a kernel from nested loops; the innermost of `vector` becomes lanes."""

    def __init__(self, op: Op, operands: Sequence[Value] | None = None) -> None:
        self.b = Builder(op.loc, op.made_by)
        self.ops: list[Op] = []
        self.operands = tuple(op.operands if operands is None else operands)
        self.ins = [Value(v.type, name="x") for v in self.operands]
        self.outs = [Value(r.type, name="out") for r in op.results]
        self.count = 0

    def emit(self, name: str, *operands: Value, regions: tuple = (), **attrs: Any) -> Any:
        op = self.b.op(name, *operands, regions=regions, **attrs)
        self.ops.append(op)
        if len(op.results) > 1:
            return op.results
        return op.results[0] if op.results else None

    def const(self, value: Any, type_: TensorType) -> Value:
        return self.emit("constant", value=value, type=tensor(type_.dtype, ()), spelling="")

    def loop(
        self,
        extent: DimLike,
        body: Callable[[DimLike], Sequence[Value]],
        vector: bool = False,
        monoids: tuple[str, ...] = (),
    ) -> Any:
        var = f"_{self.count}"
        self.count += 1
        outer, self.ops = self.ops, []
        results = body(symbol(var))
        block = Block((), self.ops, results)
        self.ops = outer
        return self.emit(
            "loop", regions=(block,), var=var, extent=extent, vector=vector, monoids=monoids
        )

    def loops(
        self,
        extents: Sequence[DimLike],
        body: Callable[[tuple[DimLike, ...]], Any],
        vector: bool = True,
        index: tuple[DimLike, ...] = (),
    ) -> None:
        """A full nest; its last loop is the vector one."""
        k = len(index)
        if k == len(extents):
            body(index)
            return

        def inside(i: DimLike) -> Sequence[Value]:
            self.loops(extents, body, vector, (*index, i))
            return ()

        self.loop(extents[k], inside, vector and k == len(extents) - 1)

    def kernel(self) -> Op:
        region = Block((*self.ins, *self.outs), self.ops, ())
        return self.b.op("kernel", *self.operands, regions=(region,))


def copy(v: Value) -> Op:
    """A kernel that copies its operand into a contiguous array."""
    b = Builder()
    nest = Nest(b.op("identity", v), (v,))
    nest.loops(v.type.shape, lambda i: nest.emit(
        "store", nest.emit("load", nest.ins[0], index=i), nest.outs[0], index=i))  # fmt: skip
    return nest.kernel()


def fill(op: Op) -> Op:
    """A kernel that writes a constant's number into every element."""
    nest = Nest(op)
    value = nest.const(op.attrs["value"], op.result.type)
    nest.loops(op.result.type.shape, lambda i: nest.emit("store", value, nest.outs[0], index=i))
    return nest.kernel()
