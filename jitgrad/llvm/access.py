"""Where a kernel reads and writes: scalars, vectors, reversed vectors, gathers, all with masks."""

from __future__ import annotations

from ..ir.core import Op
from ..ir.dims import Dim
from .address import AddressCode, Buffer, Place
from .code import Scope
from .text import const, scalar_const, vec


class AccessCode(AddressCode):
    """Code that loads and stores."""

    # -- vectors in memory ------------------------------------------------------------------------

    def _memory(self, buffer: Buffer) -> tuple[str, str]:
        assert self.vec is not None
        e = buffer.element
        base = {"double": "f64", "float": "f32"}.get(e, e)
        return f"<{self.vec.lanes} x {e}>", f"v{self.vec.lanes}{base}"

    def read(self, buffer: Buffer, p: Place, mask: str | None, other: str, scope: Scope) -> str:
        """The lanes' elements as they are in memory; `other` where `mask` is false."""
        assert self.vec is not None
        t, suffix = self._memory(buffer)
        n, m, align = self.vec.lanes, vec("bool", self.vec.lanes), buffer.bytes
        if not p.vary and buffer.strides is None and p.stride in (1, -1):
            at, back = p.pointer, p.stride == -1
            turn = reversal(n)
            if back:
                at = self.ins(f"getelementptr {buffer.element}, ptr {at}, i64 {1 - n}", scope)
            if mask is None:
                out = self.ins(f"load {t}, ptr {at}, align {align}", scope)
            else:
                if back:
                    mask = self.ins(f"shufflevector {m} {mask}, {m} {turn}", scope)
                    other = self.ins(f"shufflevector {t} {other}, {t} {turn}", scope)
                head = f"{t} @llvm.masked.load.{suffix}.p0"
                self.unit.declare(f"declare {head}(ptr, i32, {m}, {t})")
                out = self.ins(
                    f"call {head}(ptr {at}, i32 {align}, {m} {mask}, {t} {other})", scope
                )
            return self.ins(f"shufflevector {t} {out}, {t} {turn}", scope) if back else out
        if not p.vary and buffer.strides is not None and p.stride.__class__ is Dim:
            return self._read_dense_or_not(buffer, p, mask, other)
        return self._gather(buffer, p, mask, other)

    def _gather(self, buffer: Buffer, p: Place, mask: str | None, other: str) -> str:
        assert self.vec is not None
        t, suffix = self._memory(buffer)
        n, m = self.vec.lanes, vec("bool", self.vec.lanes)
        if mask is None and not p.vary:
            return self._lane_by_lane(buffer, p, t)
        at = self.addresses(buffer, p)
        head = f"{t} @llvm.masked.gather.{suffix}.v{n}p0"
        self.unit.declare(f"declare {head}(<{n} x ptr>, i32, {m}, {t})")
        mask = mask or const("bool", n, True)
        return self.ins(
            f"call {head}(<{n} x ptr> {at}, i32 {buffer.bytes}, {m} {mask}, {t} {other})"
        )

    def _lane_by_lane(self, buffer: Buffer, p: Place, t: str) -> str:
        """Scalar loads a stride apart: twice as fast as a gather instruction."""
        assert self.vec is not None
        unit = "i8" if buffer.strides is not None else buffer.element
        stride, at, out = self.dim(p.stride), p.pointer, "poison"
        for k in range(self.vec.lanes):
            if k:
                at = self.ins(f"getelementptr {unit}, ptr {at}, i64 {stride}")
            one = self.ins(f"load {buffer.element}, ptr {at}, align {buffer.bytes}")
            out = self.ins(f"insertelement {t} {out}, {buffer.element} {one}, i32 {k}")
        return out

    def _read_dense_or_not(self, buffer: Buffer, p: Place, mask: str | None, other: str) -> str:
        """A stride known at run time only: a vector load where it turns out to be one element."""
        t, _ = self._memory(buffer)
        stride, scope = self.operand(p.stride)
        dense = self.ins(f"icmp eq i64 {stride}, {buffer.bytes}", scope)
        yes, no, done = self.fresh("dense"), self.fresh("sparse"), self.fresh("read")
        self.line(f"br i1 {dense}, label %{yes}, label %{no}")
        self.label(yes)
        plain = buffer._replace(strides=None)
        fast = self.read(plain, p._replace(stride=1), mask, other, self.cur)
        self.line(f"br label %{done}")
        self.label(no)
        slow = self._gather(buffer, p, mask, other)
        self.line(f"br label %{done}")
        self.label(done)
        return self.phi(t, (fast, yes), (slow, no))

    def write(self, buffer: Buffer, p: Place, value: str, mask: str | None) -> None:
        """Store the lanes' elements (as they are in memory)."""
        assert self.vec is not None
        t, suffix = self._memory(buffer)
        n, m, align = self.vec.lanes, vec("bool", self.vec.lanes), buffer.bytes
        if not p.vary and p.stride in (1, -1):
            at = p.pointer
            if p.stride == -1:
                turn = reversal(n)
                at = self.ins(f"getelementptr {buffer.element}, ptr {at}, i64 {1 - n}")
                value = self.ins(f"shufflevector {t} {value}, {t} {turn}")
                if mask is not None:
                    mask = self.ins(f"shufflevector {m} {mask}, {m} {turn}")
            if mask is None:
                self.line(f"store {t} {value}, ptr {at}, align {align}")
                return
            head = f"void @llvm.masked.store.{suffix}.p0"
            self.unit.declare(f"declare {head}({t}, ptr, i32, {m})")
            self.line(f"call {head}({t} {value}, ptr {at}, i32 {align}, {m} {mask})")
            return
        at = self.addresses(buffer, p)
        head = f"void @llvm.masked.scatter.{suffix}.v{n}p0"
        self.unit.declare(f"declare {head}({t}, <{n} x ptr>, i32, {m})")
        mask = mask or const("bool", n, True)
        self.line(f"call {head}({t} {value}, <{n} x ptr> {at}, i32 {align}, {m} {mask})")

    # -- the ops ----------------------------------------------------------------------------------

    def load(self, op: Op) -> None:
        buffer = self.buffers[id(op.operands[0])]
        d = buffer.type.dtype
        p = self.place(buffer, op.attrs["index"], op.operands[1:])
        if buffer.written:
            scope = self.cur
        elif not op.attrs["index"]:
            scope = self.root  # a rank-0 array always has its element
        else:
            scope = p.scope if p.scope.level >= self.pre.level else self.pre
        if p.stride.__class__ is int and p.stride == 0 and not p.vary:
            out = self.ins(f"load {buffer.element}, ptr {p.pointer}, align {buffer.bytes}", scope)
            lanes = 1
        else:
            v = self.vec
            assert v is not None
            if p.vary or v.scope.level > scope.level or buffer.strides is not None:
                scope = self.cur
            if p.stride not in (1, -1):
                scope = self.cur
            out = self.read(buffer, p, v.mask, "zeroinitializer", scope)
            lanes = v.lanes
        if d.name == "bool":
            t = vec("i8", lanes)
            out = self.ins(f"icmp ne {t} {out}, {const('i8', lanes, 0)}", scope)
        self.env[id(op.results[0])] = (out, lanes, scope)

    def load_if(self, op: Op) -> None:
        buffer = self.buffers[id(op.operands[0])]
        d = buffer.type.dtype
        p = self.place(buffer, op.attrs["index"], op.operands[3:])
        mask, other = self.env[id(op.operands[1])], self.env[id(op.operands[2])]
        one = p.stride.__class__ is int and p.stride == 0 and not p.vary
        v, scope = self.vec, self.cur
        if v is None or (one and mask[1] < 2):
            safe = "@jg.nothing"
            self.unit.declare(f"{safe} = private constant [16 x i8] zeroinitializer, align 16")
            at = self.ins(f"select i1 {mask[0]}, ptr {p.pointer}, ptr {safe}")
            out = self.ins(f"load {buffer.element}, ptr {at}, align {buffer.bytes}")
            if d.name == "bool":
                out = self.ins(f"icmp ne i8 {out}, 0")
            n = max(other[1], 1)
            if n > 1:
                out = self.splat((out, 1, scope), d, n, scope)
            t = vec(d.name, n)
            out = self.ins(f"select i1 {mask[0]}, {t} {out}, {t} {other[0]}")
            self.env[id(op.results[0])] = (out, n, scope)
            return
        n = v.lanes
        m, t = vec("bool", n), vec(d.name, n)
        if mask[1] < 2:
            mask = (self.splat(mask, op.operands[1].type.dtype, n, scope), n, scope)
        active = mask[0]
        if v.mask is not None:
            active = self.ins(f"and {m} {active}, {v.mask}")
        rest = self.splat(other, d, n, scope)
        if d.name == "bool":
            rest = self.ins(f"zext {t} {rest} to {vec('i8', n)}")
        out = self.read(buffer, p, active, rest, scope)
        if d.name == "bool":
            out = self.ins(f"icmp ne {vec('i8', n)} {out}, {const('i8', n, 0)}")
        self.env[id(op.results[0])] = (out, n, scope)

    def store(self, op: Op) -> None:
        buffer = self.buffers[id(op.operands[1])]
        if buffer.skip < 0:
            return
        d = buffer.type.dtype
        p = self.place(buffer, op.attrs["index"], op.operands[2:])
        item = self.env[id(op.operands[0])]
        value, lanes, _ = item
        v = self.vec
        if v is None or (p.stride.__class__ is int and p.stride == 0 and not p.vary):
            if lanes > 1:  # every lane writes one place: the last one stays
                assert v is not None
                last = self.ins(f"sub i64 {v.rest}, 1")
                value = self.ins(f"extractelement {vec(d.name, lanes)} {value}, i64 {last}")
            if d.name == "bool":
                value = self.ins(f"zext i1 {value} to i8")
            self.line(f"store {buffer.element} {value}, ptr {p.pointer}, align {buffer.bytes}")
            return
        value = self.splat(item, d, v.lanes, self.cur)
        if d.name == "bool":
            value = self.ins(f"zext {vec('bool', v.lanes)} {value} to {vec('i8', v.lanes)}")
        self.write(buffer, p, value, v.mask)

    def constant(self, op: Op) -> None:
        value, dtype = op.attrs["value"], op.attrs["type"].dtype
        text = scalar_const(dtype.name, value.item() if hasattr(value, "item") else value)
        self.env[id(op.results[0])] = (text, 0, self.root)

    def number(self, op: Op) -> None:
        """The `dim` op."""
        self.env[id(op.results[0])] = self.index_value(op.attrs["expr"])


def reversal(lanes: int) -> str:
    """The second half of a shufflevector that turns a vector around."""
    mask = ", ".join([f"i32 {k}" for k in range(lanes - 1, -1, -1)])
    return f"poison, <{lanes} x i32> <{mask}>"
