"""What runs along an axis: each element is made of the one before it and of its own operands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.core import Op
from ..ir.dims import DimLike, product
from ..ir.ops import TABLE
from ..ir.ops.kernel import MONOIDS
from ..ir.types import DType
from .nests import Nest
from .scalar import MEMORY, emitter
from .text import DTYPES, scalar_const

if TYPE_CHECKING:
    from .buffers import Step
    from .lower import Core

# what joins the element before with the operand
COMBINE = {"cumsum": "add", "cumprod": "mul", "cummax": "maximum", "cummin": "minimum",
           "recurrence": ""}  # fmt: skip
_MONOID = {"cumprod": "prod", "cummax": "max", "cummin": "min"}


def _neutral(name: str, dtype: DType) -> Any:
    """What stands before the first element and changes nothing."""
    monoid = _MONOID.get(name)
    if monoid is None:
        return -0.0 if dtype.is_float else 0  # adding it changes nothing, not even -0.0
    return MONOIDS[monoid].init[0](dtype)


def kernel(op: Op) -> Op:
    """A nest with vectors over the axes behind the axis."""
    nest = Nest(op)
    (out,), axis, name = nest.outs, op.attrs["axis"], op.opdef.name
    type_ = out.type

    def element(i: tuple[DimLike, ...]) -> None:
        at = nest.emit("dim", expr=i[axis])
        some = nest.emit("gt", at, nest.const(0, at.type))
        before = (*i[:axis], i[axis] - 1, *i[axis + 1 :])
        first = nest.const(_neutral(name, type_.dtype), type_)
        old = nest.emit("load_if", out, some, first, index=before)
        new = [nest.emit("load", x, index=i) for x in nest.ins]
        if name == "recurrence":
            made = nest.emit("add", nest.emit("mul", new[0], old), new[1])
            if len(new) == 3:
                some = nest.emit("and", some, nest.emit("not", new[2]))
            made = nest.emit("select", some, made, new[1])
        else:
            made = nest.emit(COMBINE[name], old, new[0])
        nest.emit("store", made, out, index=i)

    nest.loops(type_.shape, element, axis < type_.rank - 1)
    return nest.kernel()


def along_last(core: Core, step: Step) -> None:
    """Along the last axis: what came before stays in a register."""
    type_, name = step.outs[0].type, step.op.opdef.name
    dtype = type_.dtype
    t = DTYPES[dtype.name]
    y = core.pointer(step.outs[0])
    sources = [(core.pointer(v), v.type.dtype) for v in step.ins]
    n = type_.shape[-1]
    first = scalar_const(dtype.name, _neutral(name, dtype))

    def apply(op: str, *values: str) -> str:
        return emitter(TABLE[op], dtype)(core, core.cur, values, 1, {})

    def row(r: str, _: list[str]) -> list[str]:
        base = core.ins(f"mul i64 {r}, {core.dim(n)}")

        def element(i: str, before: list[str]) -> list[str]:
            at = core.ins(f"add i64 {base}, {i}")
            new = [_load(core, p, d, at) for p, d in sources]
            if name == "recurrence":
                made = apply("add", apply("mul", new[0], before[0]), new[1])
                anew = core.ins(f"icmp eq i64 {i}, 0")
                if len(new) == 3:
                    anew = core.ins(f"or i1 {anew}, {new[2]}")
                made = core.ins(f"select i1 {anew}, {t} {new[1]}, {t} {made}")
            else:
                made = apply(COMBINE[name], before[0], new[0])
            _store(core, y, dtype, at, made)
            return [made]

        core.count(core.dim(n), element, [(t, first)])
        return []

    core.count(core.dim(product(type_.shape[:-1])), row)


def _load(core: Core, array: str, dtype: DType, at: str) -> str:
    t = MEMORY.get(dtype.name) or DTYPES[dtype.name]
    place = core.ins(f"getelementptr {t}, ptr {array}, i64 {at}")
    value = core.ins(f"load {t}, ptr {place}, align {dtype.np.itemsize}")
    return core.ins(f"icmp ne i8 {value}, 0") if dtype.kind == "b" else value


def _store(core: Core, array: str, dtype: DType, at: str, value: str) -> None:
    t = MEMORY.get(dtype.name) or DTYPES[dtype.name]
    if dtype.kind == "b":
        value = core.ins(f"zext i1 {value} to i8")
    place = core.ins(f"getelementptr {t}, ptr {array}, i64 {at}")
    core.line(f"store {t} {value}, ptr {place}, align {dtype.np.itemsize}")
