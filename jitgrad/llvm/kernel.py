"""Loop nests: one LLVM function a `kernel` op, its vector loop as explicit wide vectors.

A vector loop is a main loop of full vectors and one masked iteration for the rest; a body so big
that a second copy would cost more compile time than masks cost run time is one masked loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..ir.core import Op
from ..ir.dims import Dim, DimLike, symbol
from ..ir.ops.kernel import MONOIDS
from .address import Buffer, Item
from .checks import CheckedCode
from .code import Code, Operand, Scope, Unit
from .reduce import BLOCK, STEPS, Carry, States, carry, first_states
from .scalar import emitter
from .vector import VectorLoop, interchanged, shape_of_loop, weigh


class KernelFunction(NamedTuple):
    """A kernel's function: how core calls it. `symbols` are the i64 arguments behind the pointers
    (dim names, or `@k.j` for stride j of buffer k); `fails` says that it returns a status."""

    name: str
    symbols: tuple[str, ...]
    fails: bool


class Host(NamedTuple):
    """The function that takes a kernel in: its code, the buffers' pointers, values of symbols."""

    code: Code
    pointers: Sequence[str]
    resolve: Callable[[str], str]


class Kernel(CheckedCode):
    """The emitter of one kernel; with a `host`, into that function's text instead of its own."""

    def __init__(
        self,
        unit: Unit,
        op: Op,
        strided: Sequence[bool],
        scratch: Mapping[int, int] = {},
        host: Host | None = None,
    ) -> None:
        super().__init__(unit)
        (body,) = op.regions
        self.host = host
        if host is not None:
            self.number_from(host.code)
            self.root.block = host.code.cur.block
        self.arguments: dict[str, str] = {}
        self.fails = False
        self.again = False  # a second copy of a body: what was hoisted is there already
        self.loops: list[dict[str, Any]] = []  # for the report
        reads = len(op.operands)
        for k, p in enumerate(body.params):
            strides = None
            if k < reads and strided[k] and p.type.shape:
                strides = tuple([symbol(f"@{k}.{j}") for j in range(p.type.rank)])
            name = f"%b{k}" if host is None else host.pointers[k]
            self.buffers[id(p)] = Buffer(
                name, p.type, strides, k >= reads, scratch.get(k - reads, 0)
            )
        self.count = len(body.params)
        self.run(body.ops)

    def finish(self, name: str) -> KernelFunction:
        """Write the function into the unit."""
        args = [f"ptr %b{k}" for k in range(self.count)]
        args += [f"i64 {a}" for a in self.arguments.values()]
        if self.fails:
            args.insert(0, "ptr %ctx")
        result = "i32" if self.fails else "void"
        head = f"define internal {result} @{name}({', '.join(args)}) nounwind "
        lines = [head + self.unit.target.attributes + " {", "entry:", *self.root.lines]
        lines += ["  ret i32 0" if self.fails else "  ret void", *self.ends, "}", ""]
        self.unit.functions.append("\n".join(lines))
        return KernelFunction(name, tuple(self.arguments), self.fails)

    def blend(self) -> None:
        """Hand the text over to the host."""
        assert self.host is not None
        code = self.host.code
        code.number_from(self)
        code.cur.lines += self.root.lines
        code.cur.block = self.root.block
        code.ends += self.ends

    def symbol(self, name: str) -> Operand:
        hit = self.syms.get(name)
        if hit is None and self.host is not None:
            self.host.code.number_from(self)
            hit = self.syms[name] = (self.host.resolve(name), self.root)
            self.number_from(self.host.code)
        elif hit is None:  # a dim: an argument
            arg = self.arguments[name] = f"%n{len(self.arguments)}"
            hit = self.syms[name] = (arg, self.root)
        return hit

    # -- straight-line code -----------------------------------------------------------------------

    def run(self, ops: Iterable[Op]) -> None:
        env = self.env
        for op in ops:
            row = op.opdef
            if self.again and op.results:
                hit = env.get(id(op.results[0]))
                if hit is not None and hit[2].open:
                    continue
            special = _OPS.get(row.name)
            if special is not None:
                special(self, op)
                continue
            operands = op.operands
            items = [env[id(v)] for v in operands]
            dtype = operands[-1].type.dtype
            lanes, scope = 1, self.root
            for item in items:
                if item[2].level > scope.level:
                    scope = item[2]
                if item[1] > lanes:
                    lanes = item[1]
            if lanes == 1:
                texts = [item[0] for item in items]
            else:
                texts = [
                    item[0] if item[1] == lanes else self.splat(item, v.type.dtype, lanes, scope)
                    for item, v in zip(items, operands)
                ]
            env[id(op.results[0])] = (
                emitter(row, dtype)(self, scope, texts, lanes, op.attrs),
                lanes,
                scope,
            )

    # -- loops ------------------------------------------------------------------------------------

    def loop(self, op: Op) -> None:
        if self.vec is None:
            swapped, strided = interchanged(op, self)
            if swapped is not None:
                self._swap(op, swapped, strided)
                return
        self._loop(op)

    def _swap(self, op: Op, swapped: Op, strided: Buffer | None) -> None:
        """The interchanged nest, or both forms and a look at a buffer's strides."""
        if strided is None:
            self._loop(swapped)
            return
        assert strided.strides is not None
        yes, no, done = self.fresh("columns"), self.fresh("rows"), self.fresh("both")
        scopes = []
        for label, form in ((yes, swapped), (no, op)):
            scopes.append(self.push(label))
            self._loop(form)
            self.line(f"br label %{done}")
            self.pop()
        head = self.intrinsic("abs", "i64", 1, 1, ", i1")
        last, before = (
            self.ins(f"call {head}(i64 {self.dim(s)}, i1 false)") for s in strided.strides[:-3:-1]
        )
        wider = self.ins(f"icmp ugt i64 {last}, {before}")
        self.line(f"br i1 {wider}, label %{yes}, label %{no}")
        for scope in scopes:
            self.cur.lines += scope.lines
        self.label(done)

    def _loop(self, op: Op) -> None:
        extent: DimLike = op.attrs["extent"]
        (body,) = op.regions
        lanes = 1
        vector = op.attrs["vector"] and self.vec is None
        if vector:
            lanes, copies = shape_of_loop(op, self)
        elif self.vec is not None:
            lanes = self.vec.lanes
        if not self.again:
            self.loops.append({"var": op.attrs["var"], "extent": extent,
                               "lanes": lanes if vector else 1,
                               "cost": weigh(body.ops)[0] if vector else 0})  # fmt: skip
        length = BLOCK if vector else STEPS
        long = extent.__class__ is Dim or extent > length  # type: ignore[operator]
        carries = self.carries(op, lanes, long, self.native(op) if vector else lanes)
        states = first_states(carries)
        blocked = any(reset for c in carries for _, _, reset in c.slots)
        if extent.__class__ is Dim or extent > 0:  # type: ignore[operator]
            block = length if blocked else 0
            if vector:
                carries, states = VectorLoop(self, op, lanes, copies, long, block).emit()
            else:
                states = self.guarded(
                    op, carries, lambda label, n: self._rows(op, carries, states, n, block)
                )
        outs: list[Item] = []
        for c, state in zip(carries, states):
            n = 1 if vector else lanes
            outs += [(text, n, self.cur) for text in c.finish(state, not vector)]
        for v, item in zip(op.results, outs):
            self.env[id(v)] = item

    def carries(self, op: Op, lanes: int, long: bool, narrow: int = 64) -> list[Carry]:
        """The monoids' states; long float sums keep totals of `narrow` lanes."""
        out, k = [], 0
        types = [v.type.dtype for v in op.results]
        for m in op.attrs["monoids"]:
            arity = MONOIDS[m].arity
            out.append(carry(self, m, types[k : k + arity], lanes, long, narrow))
            k += arity
        return out

    def guarded(
        self,
        op: Op,
        carries: Sequence[Carry],
        inside: Callable[[str, str], States],
        needed: Callable[[], bool] = lambda: True,
    ) -> States:
        """Run `inside(label, extent)` in a scope of its own, entered only if the extent is > 0.

        `needed`, asked afterwards, says whether anything must not run otherwise.
        """
        extent = op.attrs["extent"]
        n = self.dim(extent)
        parent, outer = self.cur, self.pre
        enter, leave = self.fresh("pre"), self.fresh("exit")
        came = parent.block
        self.pre = self.push(enter)
        inner = inside(enter, n)
        self.line(f"br label %{leave}")
        pre, self.pre = self.pop(), outer
        known = extent.__class__ is not Dim or not needed()
        if known:
            self.line(f"br label %{enter}")
        else:
            some = self.ins(f"icmp sgt i64 {n}, 0")
            self.line(f"br i1 {some}, label %{enter}, label %{leave}")
        parent.lines += pre.lines
        self.label(leave)
        if known:
            return inner
        return self.merge(carries, (first_states(carries), came), (inner, pre.block))

    def native(self, op: Op) -> int:
        """How many of a loop's elements a register takes."""
        return max(2, self.unit.target.lanes(weigh(op.regions[0].ops)[1]))

    def merge(self, carries: Sequence[Carry], *edges: tuple[States, str]) -> States:
        return [
            [
                self.phi(t, *[(state[k][j], block) for state, block in edges])
                for j, (t, _, _) in enumerate(c.slots)
            ]
            for k, c in enumerate(carries)
        ]

    def body(self, op: Op, carries: Sequence[Carry], states: States, mask: str | None) -> States:
        """One iteration: the body's ops, its values reduced into the states."""
        (body,) = op.regions
        self.run(body.ops)
        items = [(v, self.env[id(v)]) for v in body.results]
        out, k = [], 0
        for c, state in zip(carries, states):
            new = [
                self.splat(item, v.type.dtype, c.lanes, self.cur)
                for v, item in items[k : k + len(c.dtypes)]
            ]
            out.append(c.step(state, new, mask))
            k += len(c.dtypes)
        return out

    def _rows(self, op: Op, carries: Sequence[Carry], states: States, n: str, block: int) -> States:
        """A loop whose iterations follow each other."""

        def one(i: str, scope: Scope, inner: States) -> States:
            self.syms[op.attrs["var"]] = (i, scope)
            return self.body(op, carries, inner, None)

        return self.spin(carries, states, "0", n, 1, one, block)

    def spin(
        self,
        carries: Sequence[Carry],
        states: States,
        start: str,
        stop: str,
        step: int,
        emit: Callable[[str, Scope, States], States],
        block: int,
    ) -> States:
        """`i` from start to stop (above it) by step; with `block`, the carries fold that often.

        Goes on in the block behind the loop. What `emit` hoists lands before it.
        """
        c = self
        came = c.cur.block
        i, following = c.tmp(), c.tmp()
        names: States = [[c.tmp() for _ in r.slots] for r in carries]
        head, leave = c.fresh("loop"), c.fresh("end")
        scope = c.push(head)
        new = emit(i, scope, names)
        c.pop()
        latch = scope.block
        flat = [
            (*slot, *texts)
            for r, outs, olds, backs in zip(carries, names, states, new)
            for slot, *texts in zip(r.slots, outs, olds, backs)
        ]
        if start.isdigit() and stop.isdigit() and int(start) + step >= int(stop):  # once
            c.line(f"br label %{head}")
            c.label(head)
            c.line(f"{i} = phi i64 [ {start}, %{came} ]")
            for t, first, reset, out, old, _ in flat:
                c.line(f"{out} = phi {t} [ {first if reset else old}, %{came} ]")
            c.cur.lines += scope.lines[1:]
            c.cur.block = latch
            return [r.fold(state) for r, state in zip(carries, new)] if block else new
        if not block:
            c.line(f"br label %{head}")
            c.label(head)
            c.line(f"{i} = phi i64 [ {start}, %{came} ], [ {following}, %{latch} ]")
            for t, _, _, out, old, back in flat:
                c.line(f"{out} = phi {t} [ {old}, %{came} ], [ {back}, %{latch} ]")
            c.cur.lines += scope.lines[1:]
            c.advance(i, following, step)
            more = c.ins(f"icmp slt i64 {following}, {stop}")
            c.line(f"br i1 {more}, label %{head}, label %{leave}")
            c.label(leave)
            return new
        outer, fold = c.fresh("block"), c.fresh("fold")
        c.line(f"br label %{outer}")
        c.label(outer)
        first_i = c.tmp()
        kept = [c.tmp() for _ in flat]
        folding = c.push(fold)
        folded = [r.fold(state) for r, state in zip(carries, new)]
        c.pop()
        ends = [v for state in folded for v in state]
        c.line(f"{first_i} = phi i64 [ {start}, %{came} ], [ {following}, %{fold} ]")
        for (t, _, reset, _, old, _), out, back in zip(flat, kept, ends):
            if not reset:
                c.line(f"{out} = phi {t} [ {old}, %{came} ], [ {back}, %{fold} ]")
        full = c.ins(f"add i64 {first_i}, {block}")
        less = c.ins(f"icmp slt i64 {full}, {stop}")
        end = c.ins(f"select i1 {less}, i64 {full}, i64 {stop}")
        c.line(f"br label %{head}")
        c.label(head)
        c.line(f"{i} = phi i64 [ {first_i}, %{outer} ], [ {following}, %{latch} ]")
        for (t, first, reset, out, _, back), old in zip(flat, kept):
            begin = first if reset else old
            c.line(f"{out} = phi {t} [ {begin}, %{outer} ], [ {back}, %{latch} ]")
        c.cur.lines += scope.lines[1:]
        c.advance(i, following, step)
        more = c.ins(f"icmp slt i64 {following}, {end}")
        c.line(f"br i1 {more}, label %{head}, label %{fold}")
        c.cur.lines += folding.lines
        more = c.ins(f"icmp slt i64 {following}, {stop}")
        c.line(f"br i1 {more}, label %{outer}, label %{leave}")
        c.label(leave)
        return folded

    def advance(self, i: str, following: str, step: int) -> None:
        """The next value of a loop's variable, behind an empty asm, which costs no instruction.

        It hides from LLVM that the variable is affine: loop strength reduction takes a tenth of
        the codegen and improves nothing, since the addresses are the machine's own modes.
        """
        self.line(f'{following} = call i64 asm "", "=r,0"(i64 {self.ins(f"add i64 {i}, {step}")})')


_OPS: dict[str, Callable[[Kernel, Op], None]] = {
    "load": Kernel.load,
    "load_if": Kernel.load_if,
    "store": Kernel.store,
    "constant": Kernel.constant,
    "dim": Kernel.number,
    "wrap_index": Kernel.wrap_index,
    "nonnegative": Kernel.nonnegative,
    "loop": Kernel.loop,
}
