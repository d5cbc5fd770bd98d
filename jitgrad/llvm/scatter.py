"""Writes to computed places: a copy of the base, then the updates one after another."""

from __future__ import annotations

from ..ir.core import Op
from ..ir.dims import DimLike, symbol
from .nests import Nest

COMBINE = {"scatter": "", "scatter_add": "add", "scatter_mul": "mul", "scatter_max": "maximum",
           "scatter_min": "minimum"}  # fmt: skip


def _copy_base(nest: Nest) -> None:
    x, out = nest.ins[0], nest.outs[0]
    nest.loops(x.type.shape, lambda i: nest.emit(
        "store", nest.emit("load", x, index=i), out, index=i))  # fmt: skip


def kernel(op: Op) -> Op:
    """Vectors over what stands behind the axis; the updates themselves in their order."""
    nest = Nest(op)
    (x, idx, upd), (out,), axis = nest.ins, nest.outs, op.attrs["axis"]
    behind = x.type.rank - axis - 1
    join = COMBINE[op.opdef.name]
    _copy_base(nest)

    def update(i: tuple[DimLike, ...]) -> None:
        at = nest.emit("load", idx, index=i[axis : axis + idx.type.rank])
        place = (*i[:axis], symbol("$0"), *i[len(i) - behind :])
        new = nest.emit("load", upd, index=i)
        if join:
            new = nest.emit(join, nest.emit("load", out, at, index=place), new)
        nest.emit("store", new, out, at, index=place)

    nest.loops(upd.type.shape, update, behind > 0)
    return nest.kernel()


def block(op: Op) -> Op:
    """`dynamic_update_slice`: vectors over the last axis."""
    nest = Nest(op)
    (x, upd, *starts), (out,) = nest.ins, nest.outs
    _copy_base(nest)
    at = []
    for start, n, size in zip(starts, x.type.shape, upd.type.shape):
        s = nest.emit("load", start, index=())
        s = nest.emit("maximum", s, nest.const(0, s.type))
        at.append(nest.emit("minimum", s, nest.emit("dim", expr=n - size)))

    def write(i: tuple[DimLike, ...]) -> None:
        place = tuple([symbol(f"${k}") + j for k, j in enumerate(i)])
        nest.emit("store", nest.emit("load", upd, index=i), out, *at, index=place)

    nest.loops(upd.type.shape, write)
    return nest.kernel()
