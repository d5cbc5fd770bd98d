"""Elementwise ops that fail on some values: they leave the kernel with an error record."""

from __future__ import annotations

from ..ir.core import Op
from .access import AccessCode
from .code import INDEX, VALUE
from .text import const, vec


class CheckedCode(AccessCode):
    """The emitters of ops whose row says that they raise."""

    fails: bool
    """Whether the code may end with an error."""

    def wrap_index(self, op: Op) -> None:
        x, n, _ = self.env[id(op.operands[0])]
        n = max(n, 1)
        t, m = vec("i64", n), vec("bool", n)
        size = self.dim(op.attrs["size"])
        sizes = self.splat((size, 1, self.root), op.operands[0].type.dtype, n, self.cur)
        if n == 1:
            sizes = size
        below = self.ins(f"icmp slt {t} {x}, {const('i64', n, 0)}")
        out = self.ins(f"select {m} {below}, {t} {self.ins(f'add {t} {x}, {sizes}')}, {t} {x}")
        bad = self.ins(f"icmp uge {t} {out}, {sizes}")  # negative ones are huge without a sign
        site = self.unit.error("index", "index is out of bounds for axis with size", op)
        self._fail_if(bad, n, INDEX, site, (x, t), size)
        self.env[id(op.results[0])] = (out, n, self.cur)

    def nonnegative(self, op: Op) -> None:
        x, n, scope = self.env[id(op.operands[0])]
        dtype = op.operands[0].type.dtype
        if dtype.kind == "i":
            n = max(n, 1)
            t = vec(dtype.name, n)
            if not x.startswith("%") and n > 1:
                x = const(dtype.name, n, int(x))
            bad = self.ins(f"icmp slt {t} {x}, {const(dtype.name, n, 0)}")
            message = "Integers to negative integer powers are not allowed."
            self._fail_if(bad, n, VALUE, self.unit.error("value", message, op))
            scope = self.cur
        self.env[id(op.results[0])] = (x, n, scope)

    def _fail_if(
        self, bad: str, n: int, status: int, site: int, first: tuple[str, str] = ("0", ""),
        second: str = "0",
    ) -> None:  # fmt: skip
        """Leave with an error where a lane of `bad` is set; the record has the first such lane of
        `first`, a text and its type, and `second`."""
        fail, ok = self.fresh("bad"), self.fresh("ok")
        self.ends += [f"{fail}:"]
        value, t = first
        if n > 1:
            assert self.vec is not None
            if self.vec.mask is not None:
                bad = self.ins(f"and {vec('bool', n)} {bad}, {self.vec.mask}")
            bits = self.ins(f"bitcast {vec('bool', n)} {bad} to i{n}")
            bad = self.ins(f"icmp ne i{n} {bits}, 0")
            if t:
                self.unit.declare(f"declare i{n} @llvm.cttz.i{n}(i{n}, i1)")
                lane, found = self.tmp(), self.tmp()
                self.ends += [f"  {lane} = call i{n} @llvm.cttz.i{n}(i{n} {bits}, i1 true)",
                              f"  {found} = extractelement {t} {value}, i{n} {lane}"]  # fmt: skip
                value = found
        self.line(f"br i1 {bad}, label %{fail}, label %{ok}")
        self.label(ok)
        for k, text in enumerate((str(site), value, second)):
            at = self.tmp()
            self.ends += [f"  {at} = getelementptr i64, ptr %ctx, i64 {k}",
                          f"  store i64 {text}, ptr {at}"]  # fmt: skip
        self.ends += [f"  ret i32 {status}"]
        self.fails = True
