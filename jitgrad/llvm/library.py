"""What is no elementwise loop: matrix products, running sums, scatters, copies.

All but BLAS calls are written as kernels of the IR, for which there is an emitter already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..ir.build import Builder
from ..ir.core import Block, Op, Value
from ..ir.dims import Dim, DimLike, product, symbol
from ..ir.types import BOOL, TensorType, tensor
from .text import DTYPES

if TYPE_CHECKING:
    from .buffers import Step
    from .lower import Core

ROWS = 4  # of a product that are made together
SMALL = 16  # a product whose dims are all static and at most this is made in line


class _Nest:
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
    nest = _Nest(b.op("identity", v), (v,))
    nest.loops(v.type.shape, lambda i: nest.emit(
        "store", nest.emit("load", nest.ins[0], index=i), nest.outs[0], index=i))  # fmt: skip
    return nest.kernel()


def fill(op: Op) -> Op:
    """A kernel that writes a constant's number into every element."""
    nest = _Nest(op)
    value = nest.const(op.attrs["value"], op.result.type)
    nest.loops(op.result.type.shape, lambda i: nest.emit("store", value, nest.outs[0], index=i))
    return nest.kernel()


def matmul(op: Op) -> Op:
    """A product as loops: vectors over the columns, or over the inner dim where rows meet rows."""
    nest = _Nest(op)
    (x, y), (out,), ta, tb = nest.ins, nest.outs, op.attrs["ta"], op.attrs["tb"]
    *batch, m, n = out.type.shape
    k = x.type.shape[-2 if ta else -1]
    dots = tb and not ta and (k.__class__ is Dim or k >= SMALL)  # type: ignore[operator]

    def rows(front: tuple[DimLike, ...], first: DimLike, count: int, col: DimLike) -> None:
        def products(j: DimLike) -> Sequence[Value]:
            c = nest.emit("load", y, index=(*front, col, j) if tb else (*front, j, col))
            out = []
            for r in range(count):
                row = first + r
                a = nest.emit("load", x, index=(*front, j, row) if ta else (*front, row, j))
                out.append(nest.emit("mul", a, c))
            return out

        made = nest.loop(k, products, dots, ("sum",) * count)
        for r, v in enumerate(made if count > 1 else (made,)):
            nest.emit("store", v, out, index=(*front, first + r, col))

    def groups(front: tuple[DimLike, ...]) -> Sequence[Value]:
        if dots:
            nest.loops((m, n), lambda i: rows(front, i[0], 1, i[1]), vector=False)
            return ()
        # rows in groups, which share the loads of the other operand
        if m.__class__ is Dim or m >= ROWS:  # type: ignore[operator]
            nest.loops((m // ROWS, n), lambda i: rows(front, ROWS * i[0], ROWS, i[1]))
        left = m % ROWS
        if isinstance(left, Dim):
            nest.loops((left, n), lambda i: rows(front, m // ROWS * ROWS + i[0], 1, i[1]))
        elif left:
            nest.loops((n,), lambda i: rows(front, m - left, left, i[0]))
        return ()

    if batch:
        nest.loops(batch, groups, vector=False)
    else:
        groups(())
    return nest.kernel()


def cumsum(op: Op) -> Op:
    """Each element is the one before it plus its own; vectors over the axes behind the axis."""
    nest = _Nest(op)
    (x,), (out,), axis = nest.ins, nest.outs, op.attrs["axis"]
    type_ = x.type
    first = -0.0 if type_.dtype.is_float else 0  # adding it changes nothing, not even -0.0

    def element(i: tuple[DimLike, ...]) -> None:
        at = nest.emit("dim", expr=i[axis])
        some = nest.emit("gt", at, nest.const(0, at.type))
        before = (*i[:axis], i[axis] - 1, *i[axis + 1 :])
        old = nest.emit("load_if", out, some, nest.const(first, type_), index=before)
        new = nest.emit("load", x, index=i)
        nest.emit("store", nest.emit("add", old, new), out, index=i)

    nest.loops(type_.shape, element, axis < type_.rank - 1)
    return nest.kernel()


def scatter_add(op: Op) -> Op:
    """A copy of the base, then the updates one after another; vectors over what stands behind."""
    nest = _Nest(op)
    (x, idx, upd), (out,), axis = nest.ins, nest.outs, op.attrs["axis"]
    behind = x.type.rank - axis - 1
    nest.loops(x.type.shape, lambda i: nest.emit(
        "store", nest.emit("load", x, index=i), out, index=i))  # fmt: skip

    def update(i: tuple[DimLike, ...]) -> None:
        at = nest.emit("load", idx, index=i[axis : axis + idx.type.rank])
        place = (*i[:axis], symbol("$0"), *i[len(i) - behind :])
        old = nest.emit("load", out, at, index=place)
        new = nest.emit("load", upd, index=i)
        nest.emit("store", nest.emit("add", old, new), out, at, index=place)

    nest.loops(upd.type.shape, update, behind > 0)
    return nest.kernel()


_KERNELS: dict[str, Callable[[Op], Op]] = {
    "matmul": matmul,
    "cumsum": cumsum,
    "scatter_add": scatter_add,
    "constant": fill,
}


def as_kernel(op: Op) -> Op:
    """A library op as a kernel of the same operands and results; KeyError for other ops."""
    return _KERNELS[op.opdef.name](op)


# -- BLAS -----------------------------------------------------------------------------------------


def uses_blas(op: Op, blas: Any) -> bool:
    """Whether a product is left to BLAS: floats, not small, and not a dot product."""
    out = op.result.type
    prefix = {"f64": "d", "f32": "s"}.get(out.dtype.name, "")
    if not prefix or f"cblas_{prefix}gemm" not in blas or f"cblas_{prefix}gemv" not in blas:
        return False
    dims = [*out.shape[-2:], *op.operands[0].type.shape[-2:]]
    if all(d.__class__ is int and d <= SMALL for d in dims):
        return False
    return not (out.shape[-1] == 1 and out.shape[-2] == 1)


def blas_product(core: Core, step: Step) -> None:
    """Calls of gemm or gemv, one for each matrix of the stack."""
    op = step.op
    ta, tb = op.attrs["ta"], op.attrs["tb"]
    out = op.result.type
    *batch, m, n = out.shape
    k = op.operands[0].type.shape[-2 if ta else -1]
    real = "double" if out.dtype.bits == 64 else "float"
    prefix = "d" if out.dtype.bits == 64 else "s"
    x, y = (core.pointer(v) for v in step.ins)
    z = core.pointer(step.outs[0])

    def one(x: str, y: str, z: str) -> None:
        M, N, K = (core.dim(d) for d in (m, n, k))
        one_, zero = f"{real} 1.0", f"{real} 0.0"
        if m == 1 or n == 1:
            # gemv leaves its result as it is when the inner dim is 0
            none = core.ins(f"icmp eq i64 {K}, 0")
            size = core.dim(m * n * (out.dtype.bits // 8))
            size = core.ins(f"select i1 {none}, i64 {size}, i64 0")
            core.unit.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            core.line(f"call void @llvm.memset.p0.i64(ptr {z}, i8 0, i64 {size}, i1 false)")
            if n == 1:
                a, v, rows, cols, flip = x, y, (K if ta else M), (M if ta else K), ta
            else:
                a, v, rows, cols, flip = y, x, (N if tb else K), (K if tb else N), not tb
            name = f"cblas_{prefix}gemv"
            core.unit.declare(
                f"declare void @{name}(i32, i32, i64, i64, {real}, ptr, i64, ptr, i64, {real}, "
                "ptr, i64)"
            )
            core.line(
                f"call void @{name}(i32 101, i32 {112 if flip else 111}, i64 {rows}, i64 {cols}, "
                f"{one_}, ptr {a}, i64 {_at_least_one(core, cols)}, ptr {v}, i64 1, {zero}, "
                f"ptr {z}, i64 1)"
            )
        else:
            name = f"cblas_{prefix}gemm"
            core.unit.declare(
                f"declare void @{name}(i32, i32, i32, i64, i64, i64, {real}, ptr, i64, ptr, i64, "
                f"{real}, ptr, i64)"
            )
            lda, ldb, ldc = (_at_least_one(core, d) for d in (M if ta else K, K if tb else N, N))
            core.line(
                f"call void @{name}(i32 101, i32 {112 if ta else 111}, i32 {112 if tb else 111}, "
                f"i64 {M}, i64 {N}, i64 {K}, {one_}, ptr {x}, i64 {lda}, ptr {y}, i64 {ldb}, "
                f"{zero}, ptr {z}, i64 {ldc})"
            )
        core.unit.externals.add(name)

    if not batch:
        one(x, y, z)
        return

    def body(i: str, _: list[str]) -> list[str]:
        sizes = [m * k, k * n, m * n]
        at = [core.offset(p, i, size * (out.dtype.bits // 8)) for p, size in zip((x, y, z), sizes)]
        one(*at)
        return []

    core.count(core.dim(product(batch)), body)


def running_sum(core: Core, step: Step) -> None:
    """`cumsum` along the last axis: the sum stays in a register."""
    type_ = step.outs[0].type
    dtype = type_.dtype
    t = DTYPES[dtype.name]
    x, y = core.pointer(step.ins[0]), core.pointer(step.outs[0])
    n = type_.shape[-1]
    add, first = ("fadd", "-0.0") if dtype.is_float else ("add", "0")  # -0.0 + -0.0 is -0.0

    def row(r: str, _: list[str]) -> list[str]:
        base = core.ins(f"mul i64 {r}, {core.dim(n)}")

        def element(i: str, sums: list[str]) -> list[str]:
            at = core.ins(f"add i64 {base}, {i}")
            source = core.ins(f"getelementptr {t}, ptr {x}, i64 {at}")
            value = core.ins(f"load {t}, ptr {source}, align {dtype.np.itemsize}")
            total = core.ins(f"{add} {t} {sums[0]}, {value}")
            target = core.ins(f"getelementptr {t}, ptr {y}, i64 {at}")
            core.line(f"store {t} {total}, ptr {target}, align {dtype.np.itemsize}")
            return [total]

        core.count(core.dim(n), element, [(t, first)])
        return []

    core.count(core.dim(product(type_.shape[:-1])), row)


def _at_least_one(core: Core, d: str) -> str:
    if d.isdigit():
        return str(max(1, int(d)))
    less = core.ins(f"icmp slt i64 {d}, 1")
    return core.ins(f"select i1 {less}, i64 1, i64 {d}")


def is_splat(op: Op) -> bool:
    """A constant whose elements are one number (and more than one element)."""
    value = op.attrs["value"]
    return not hasattr(value, "shape") and bool(op.result.type.shape)


def constant_data(op: Op) -> bytes:
    """The bytes of a dense constant, in C order."""
    import numpy as np

    type_ = op.result.type
    data = np.ascontiguousarray(np.asarray(op.attrs["value"], type_.dtype.np))
    return data.tobytes() if type_.dtype is not BOOL else data.astype(np.uint8).tobytes()
