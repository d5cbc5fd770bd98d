"""Matrix products: calls of BLAS, and loops of our own for what is small or not a float."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike, product
from .nests import Nest

if TYPE_CHECKING:
    from .buffers import Step
    from .lower import Core

ROWS = 4  # of a product that are made together
SMALL = 16  # a product whose dims are all static and at most this is made in line


def matmul(op: Op) -> Op:
    """A product as loops: vectors over the columns, or over the inner dim where rows meet rows."""
    nest = Nest(op)
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


def _at_least_one(core: Core, d: str) -> str:
    if d.isdigit():
        return str(max(1, int(d)))
    less = core.ins(f"icmp slt i64 {d}, 1")
    return core.ins(f"select i1 {less}, i64 1, i64 {d}")
