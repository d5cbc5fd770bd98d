"""From a fused function to the text of an LLVM module: `core`, `prep` and a function a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import JitgradError
from ..ir.core import Function, Op, Value
from ..ir.dims import DimLike, product
from . import control, library, printing, products, running, sorting
from .buffers import Program, Step, Steps, aligned, bytes_of, static
from .code import GUARD, REQUIRE, Code, ErrorSite, Operand, Unit
from .kernel import Host, Kernel
from .target import Target
from .vecmath import MathLibrary


class Lowered(NamedTuple):
    """A module's text and what a caller must know of it.

    `text`: LLVM IR that defines `core` and, if `has_prep`, `prep`. `dims`: symbols in the order of
    the dims array, before the byte strides of strided parameters. Without prep the results' dims
    are numbers and symbols. `errors`: by op id of an error
    record. `static_arena`: bytes of the arena where there is no prep to tell them. `externals`:
    names to link beyond libc and libm. `report`: one dict a kernel.
    """

    text: str
    dims: tuple[str, ...]
    errors: list[ErrorSite]
    has_prep: bool
    static_arena: int
    externals: set[str]
    report: list[dict[str, Any]]


def lower(fn: Function, *, target: Target, blas: Mapping[str, int] | None = None) -> Lowered:
    """Lower a function whose blocks hold kernels, aliases, library ops and control flow only.

    `blas` has the names of available CBLAS functions with 64-bit ints. Raises `JitgradError` for
    an op that only fusion could have lowered.

    >>> from ..ir.core import function
    >>> from ..ir.types import tensor
    >>> x = Value(tensor("f64", (3, 4)), name="x")
    >>> from ..ir.build import Builder
    >>> low = lower(function("f", [x], [Builder()("cumsum", x, axis=0)]), target=Target.x86("avx2"))
    >>> low.has_prep, low.static_arena, [loop["lanes"] for loop in low.report[0]["loops"]]
    (False, 0, [1, 4])
    """
    lib = MathLibrary(fma=target.fma, attributes=target.attributes)
    unit = Unit(target, lib, blas or {})
    try:
        program = Program(fn, unit.blas)
    except KeyError as err:
        raise JitgradError(f"@{fn.name} has an op that is not fused: {err}") from None
    core = Core(unit, fn, program)
    core.whole()
    total = 0
    for size in program.slots:
        total = total + aligned(size)  # type: ignore[assignment]
    # an entry can look shapes of plain symbols up by itself: a function costs 0.5 ms of codegen
    dims = [d for r in fn.results for d in r.type.shape]
    computed = not static(total) or any(not static(d) and repr(d) not in fn.dims for d in dims)
    has_prep = bool(computed or program.requires)
    if has_prep:
        Prep(unit, fn).whole(program.requires, total)
    own = [*unit.declarations]
    text = [f'target triple = "{target.triple}"\n\n']
    text += [d + "\n" for d in own if d.startswith("@")] + unit.data
    mathematics = lib.text()
    have = set(mathematics.splitlines())
    text += [mathematics, *[f + "\n" for f in unit.functions]]
    text += [d + "\n" for d in own if not d.startswith("@") and d not in have]
    return Lowered(
        "".join(text), fn.dims, unit.errors, has_prep, total if static(total) else 0,
        unit.externals, unit.report,
    )  # fmt: skip


class Entry(Code):
    """A function with external linkage; dims come from the array `%dims`."""

    def __init__(self, unit: Unit, fn: Function) -> None:
        super().__init__(unit)
        self.fn = fn
        self.order: dict[str, int] = {name: k for k, name in enumerate(fn.dims)}
        k = len(self.order)
        for p, layout in zip(fn.params, fn.layouts):
            if layout == "strided":
                for j in range(p.type.rank):
                    self.order[f"@{id(p)}.{j}"] = k + j
                k += p.type.rank

    def symbol(self, name: str) -> Operand:
        hit = self.syms.get(name)
        if hit is None:
            at = self.ins(f"getelementptr i64, ptr %dims, i64 {self.order[name]}", self.root)
            text = self.ins(f"load i64, ptr {at}, align 8", self.root)
            hit = self.syms[name] = (text, self.root)
        return hit

    def define(self, head: str) -> None:
        """Write the function into the unit."""
        text = [f"define i32 {head} nounwind {self.unit.target.attributes} {{", "entry:"]
        text += [*self.root.lines, "  ret i32 0", *self.ends, "}", ""]
        self.unit.functions.append("\n".join(text))

    def put(self, values: Sequence[str]) -> None:
        """Fill the error record."""
        for k, value in enumerate(values):
            at = self.ins(f"getelementptr i64, ptr %ctx, i64 {k}")
            self.line(f"store i64 {value}, ptr {at}, align 8")

    def check(self, bad: str, status: int, record: Sequence[str]) -> None:
        """Leave with a status where `bad` holds."""
        fail, ok = self.fresh("fail"), self.fresh("ok")
        self.line(f"br i1 {bad}, label %{fail}, label %{ok}")
        self.label(fail)
        self.put(record)
        self.line(f"ret i32 {status}")
        self.label(ok)


class Prep(Entry):
    """`i32 @prep(ctx, dims, out_shapes, arena_size)`."""

    def whole(self, requires: Sequence[Op], arena: DimLike) -> None:
        for op in requires:
            a = op.attrs
            lhs, rhs = self.dim(a["lhs"]), self.dim(a["rhs"])
            bad = self.ins(f"icmp {'ne' if a['cmp'] == 'eq' else 'slt'} i64 {lhs}, {rhs}")
            site = self.unit.error("require", a["message"], op)
            self.check(bad, REQUIRE, (str(site), lhs, rhs))
        shapes = [d for r in self.fn.results for d in r.type.shape]
        for k, d in enumerate(shapes):
            at = self.ins(f"getelementptr i64, ptr %out_shapes, i64 {k}")
            self.line(f"store i64 {self.dim(d)}, ptr {at}, align 8")
        self.line(f"store i64 {self.dim(arena)}, ptr %arena_size, align 8")
        self.define("@prep(ptr %ctx, ptr %dims, ptr %out_shapes, ptr %arena_size)")


class Core(Entry):
    """`i32 @core(ctx, inputs, outputs, dims, arena)`."""

    def __init__(self, unit: Unit, fn: Function, program: Program) -> None:
        super().__init__(unit, fn)
        self.program = program
        self.pointers: dict[int, str] = {}  # id of a root -> its data
        self.slots: list[str] = []
        self.only = program.kernels() == 1
        self.strides = {
            id(p): [f"@{id(p)}.{j}" for j in range(p.type.rank)]
            for p in fn.params
            if id(p) in program.strided
        }

    def whole(self) -> None:
        self._arena()
        for k, p in enumerate(self.fn.params):
            self.pointers[id(p)] = self._element("%inputs", k)
        outputs = [self._element("%outputs", k) for k in range(len(self.fn.results))]
        self.run(self.program.top, outputs)
        self.define("@core(ptr %ctx, ptr %inputs, ptr %outputs, ptr %dims, ptr %arena)")

    def _element(self, array: str, k: int) -> str:
        at = self.ins(f"getelementptr ptr, ptr {array}, i64 {k}") if k else array
        return self.ins(f"load ptr, ptr {at}, align 8")

    def _arena(self) -> None:
        offset = "0"
        number = 0
        for size in self.program.slots:
            if offset.isdigit():
                offset = str(number)
            at = "%arena" if offset == "0" else self.ins(
                f"getelementptr i8, ptr %arena, i64 {offset}")  # fmt: skip
            self.slots.append(at)
            step = aligned(size)
            if static(step) and offset.isdigit():
                number += step  # type: ignore[assignment]
            else:
                offset = self.ins(f"add i64 {offset if number == 0 else number}, {self.dim(step)}")
                number = 0

    # -- helpers of library and control -----------------------------------------------------------

    def slot(self, k: int) -> str:
        return self.slots[k]

    def pointer(self, v: Value) -> str:
        """The data of a root."""
        at = self.pointers.get(id(v))
        if at is None:
            slot = self.program.where.get(id(v))  # none for what is never read
            at = self.pointers[id(v)] = "null" if slot is None else self.slots[slot]
        return at

    def offset(self, at: str, i: str, size: DimLike) -> str:
        """`at` plus `i` times `size` bytes."""
        bytes_ = self.ins(f"mul i64 {i}, {self.dim(size)}")
        return self.ins(f"getelementptr i8, ptr {at}, i64 {bytes_}")

    def copy(self, to: str, at: str, size: DimLike) -> None:
        self.unit.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        n = self.dim(size)
        self.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {at}, i64 {n}, i1 false)")

    def count(
        self,
        n: str,
        body: Callable[[str, list[str]], list[str]],
        carries: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A plain loop: `body(i, carried)` for i below n gives what the next step gets as carried;
        `carries` are the types and first values."""
        loop, done, came = self.fresh("each"), self.fresh("done"), self.cur.block
        scope = self.push(loop)
        i, j = self.tmp(), self.tmp()
        names = [self.tmp() for _ in carries]
        following = body(i, names)
        self.pop()
        some = self.ins(f"icmp sgt i64 {n}, 0")
        self.line(f"br i1 {some}, label %{loop}, label %{done}")
        self.cur.lines.append(scope.lines[0])
        self.line(f"{i} = phi i64 [ 0, %{came} ], [ {j}, %{scope.block} ]")
        for name, (t, first), back in zip(names, carries, following):
            self.line(f"{name} = phi {t} [ {first}, %{came} ], [ {back}, %{scope.block} ]")
        self.cur.lines += scope.lines[1:]
        self.line(f"{j} = add i64 {i}, 1")
        more = self.ins(f"icmp slt i64 {j}, {n}")
        self.line(f"br i1 {more}, label %{loop}, label %{done}")
        self.label(done)

    # -- steps ------------------------------------------------------------------------------------

    def run(self, steps: Steps, targets: Sequence[str]) -> None:
        """All steps of a block; its results end up in `targets`."""
        for key, k in steps.direct.items():
            self.pointers[key] = targets[k]
        for step in steps.steps:
            _STEPS[step.kind](self, step)
        for k, v in enumerate(steps.results):
            at = self.pointer(v)
            if at != targets[k]:
                self.copy(targets[k], at, bytes_of(v))

    def kernel(self, step: Step) -> None:
        strided = [id(v) in self.strides for v in step.ins]
        (body,) = step.op.regions
        # An only kernel stands in core (a function costs 0.5 ms of codegen), and so does one
        # without loops, which is not worth a call.
        if self.only or not any(op.regions for op in body.ops):
            pointers = [self.pointer(v) for v in (*step.ins, *step.outs)]
            host = Host(self, pointers, lambda name: self.stride_or_dim(name, step.ins))
            emitter = Kernel(self.unit, step.op, strided, step.scratch, host)
            emitter.blend()
            self.unit.report.append(_report(f"k{len(self.unit.report)}", step, emitter))
            return
        emitter = Kernel(self.unit, step.op, strided, step.scratch)
        made = emitter.finish(f"k{len(self.unit.report)}")
        self.unit.report.append(_report(made.name, step, emitter))
        args = [f"ptr {self.pointer(v)}" for v in (*step.ins, *step.outs)]
        args += [f"i64 {self.stride_or_dim(s, step.ins)}" for s in made.symbols]
        if not made.fails:
            self.line(f"call void @{made.name}({', '.join(args)})")
            return
        status = self.ins(f"call i32 @{made.name}({', '.join(['ptr %ctx', *args])})")
        bad = self.ins(f"icmp ne i32 {status}, 0")
        fail, ok = self.fresh("fail"), self.fresh("ok")
        self.line(f"br i1 {bad}, label %{fail}, label %{ok}")
        self.label(fail)
        self.line(f"ret i32 {status}")
        self.label(ok)

    def stride_or_dim(self, name: str, ins: Sequence[Value]) -> str:
        """A kernel's symbol as an i64: a dim, or a stride of one of its operands."""
        if name[0] == "@":
            k, j = name[1:].split(".")
            name = self.strides[id(ins[int(k)])][int(j)]
        return self.symbol(name)[0]

    def constant(self, step: Step) -> None:
        data = library.constant_data(step.op)
        name = f"@c{len(self.unit.data)}"
        text = "".join([f"\\{byte:02X}" for byte in data])
        self.unit.data.append(
            f'{name} = private unnamed_addr constant [{len(data)} x i8] c"{text}", align 64\n'
        )
        self.pointers[id(step.outs[0])] = name

    def guard(self, step: Step) -> None:
        op = step.op
        flag = self.ins(f"load i8, ptr {self.pointer(step.ins[0])}, align 1")
        bad = self.ins(f"icmp {'eq' if op.attrs['expect'] else 'ne'} i8 {flag}, 0")
        site = self.unit.error("guard", op.attrs["message"], op)
        self.check(bad, GUARD, (str(site),))


_STEPS: dict[str, Callable[[Core, Step], None]] = {
    "kernel": Core.kernel,
    "blas": products.blas_product,
    "running": running.along_last,
    "sort": sorting.sort,
    "search": sorting.search,
    "constant": Core.constant,
    "guard": Core.guard,
    "print": printing.show,
    "cond": control.cond,
    "scan": control.scan,
}


def _report(name: str, step: Step, emitter: Kernel) -> dict[str, Any]:
    moved: DimLike = 0
    for v in (*step.ins, *step.outs):
        moved = moved + product(v.type.shape) * v.type.dtype.np.itemsize
    return {"name": name, "loc": step.op.loc, "loops": emitter.loops, "bytes": moved}
