"""The vector loop: a main loop of wide vectors, then masked iterations of one register each.

The rest is at most a few iterations, and narrow ones compile four times as fast as wide ones. A
body so big that a second copy costs more compile time than masks cost run time is one masked loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..ir.build import Builder
from ..ir.core import Block, Op, Value
from ..ir.dims import Dim, symbols
from ..ir.types import BOOL
from .address import Buffer, Vec
from .code import Scope
from .reduce import Carry, States, first_states
from .text import vec

if TYPE_CHECKING:
    from .kernel import Kernel

# What an op costs next to an addition, for the choice of lanes and of one copy of the body or two.
_WEIGHT = {"exp": 18, "log": 20, "expm1": 22, "log1p": 25, "sin": 30, "cos": 30, "tanh": 28,
           "pow": 60, "div": 4, "sqrt": 4, "sigmoid": 40, "softplus": 60, "logaddexp": 60,
           "fmod": 14, "constant": 0, "wrap_index": 6, "nonnegative": 6, "ldexp": 20,
           "nextafter": 9, "mantissa": 9, "exponent": 9, "ipow": 14, "gcd": 40,
           "lcm": 50, "atan2": 45, "asinh": 60, "acosh": 60, "atanh": 55, "hypot": 16,
           "logaddexp2": 60, "logit": 70, "sinc": 40}  # fmt: skip
# wide vectors bring these nothing but four times the code
_WEIGHT.update(dict.fromkeys(("erfc", "erfcx", "erfinv", "erfcinv", "logerfc", "log1mexp",
                              "gammaln", "gamma", "digamma", "polygamma"), 2001))  # fmt: skip
_MATH = 30  # another function of the vector library
_DIVIDE = {64: 20, 32: 12}  # a quotient of ints by their bits; fewer: 8
# Measured, f64 with 8 native lanes (ns an element; ms of LLVM), by lanes x copies of the body:
#   exp              8x2 .64, 4.9    16x1 .69, 4.6    16x2 .61, 5.9   32x2 .59, 6.6
#   sigmoid, slope   8x2 1.03, 6.4   16x1 1.02, 5.8   16x2 .97, 7.1   32x1 1.11, 8.2
#   tanh             8x2 1.6, 5.0    16x1 1.48, 5.5   16x2 1.34, 7.3  32x1 1.44, 7.9
#   5 functions      8x2 9.3, 15     16x1 5.4, 18     16x2 5.3, 29    32x1 4.7, 28
#   max              8x2 .13, 4.7    32x1 .17, 5.5    32x2 .12, 5.7
# Independent vectors hide the latency of polynomials; masks cost where there is little else.
LIGHT, TWO_COPIES, MEDIUM, FOUR_WIDE, TWO_WIDE = 12, 30, 80, 400, 2000


class VectorLoop:
    """The emission of one vector loop: `wide` lanes in the main loop, `narrow` behind it."""

    def __init__(
        self, kernel: Kernel, op: Op, lanes: int, copies: int, long: bool, block: int
    ) -> None:
        self.k = kernel
        self.op = op
        self.copies = copies
        self.block = block
        self.extent: Any = op.attrs["extent"]
        self.known = self.extent.__class__ is not Dim
        self.wide = self.narrow = lanes
        native = min(lanes, kernel.native(op))
        if copies == 2:
            self.narrow = native
            if self.known:
                rest = self.extent % lanes
                while self.narrow > 2 and self.narrow // 2 >= rest:
                    self.narrow //= 2
        self.wides = self.narrows = kernel.carries(op, self.wide, long, native)
        if copies == 2 or self.known:  # the rest is too short for blocks of sums
            self.narrows = kernel.carries(op, self.narrow, False)
        self.careful = True  # whether nothing of it may run where there is no iteration

    def emit(self) -> tuple[list[Carry], States]:
        """Write the loop; the carries behind it (how many lanes they have) and their states."""
        k = self.k
        was = k.again
        out = self.narrows
        if self.known:
            inside = self._static
            if self.extent % self.wide == 0:
                out = self.wides
        else:
            inside = self._one_copy if self.copies == 1 else self._two_copies
        states = k.guarded(self.op, out, inside, lambda: self.careful)
        k.vec, k.again = None, was
        return out, states

    # -- bodies -----------------------------------------------------------------------------------

    def _full(self, i: str, scope: Scope, states: States) -> States:
        self.k.syms[self.op.attrs["var"]] = (i, scope)
        self.k.vec = Vec(self.op.attrs["var"], self.wide, scope, None, str(self.wide))
        return self.k.body(self.op, self.wides, states, None)

    def _masked(self, n: str, i: str, scope: Scope, states: States) -> States:
        self.k.syms[self.op.attrs["var"]] = (i, scope)
        rest, mask = self._mask(n, i, self.narrow)
        self.k.vec = Vec(self.op.attrs["var"], self.narrow, scope, mask, rest)
        return self.k.body(self.op, self.narrows, states, mask)

    def _tail(self, states: States, start: str, n: str) -> States:
        """The iterations behind the main loop."""
        k = self.k
        single = self.narrow == self.wide
        if self.known:
            single = self.extent % self.wide <= self.narrow
        if single:
            scope = k.push(k.fresh("tail"))
            states = self._masked(n, start, scope, states)
            k.pop()
            k.line(f"br label %{scope.lines[0][:-1]}")
            k.cur.lines += scope.lines
            k.cur.block = scope.block
            return states
        return k.spin(
            self.narrows, states, start, n, self.narrow,
            lambda i, scope, inner: self._masked(n, i, scope, inner), 0,
        )  # fmt: skip

    def _fewer(self, states: States) -> States:
        """The main loop's states in as many lanes as the rest has."""
        return [c.fewer(state, self.narrow) for c, state in zip(self.wides, states)]

    # -- the three forms --------------------------------------------------------------------------

    def _static(self, label: str, n: str) -> States:
        whole = self.extent // self.wide * self.wide
        states = first_states(self.wides if whole else self.narrows)
        if whole:
            stop = str(whole)
            states = self.k.spin(self.wides, states, "0", stop, self.wide, self._full, self.block)
        if self.extent > whole:
            self.k.again = whole > 0
            states = self._tail(self._fewer(states) if whole else states, str(whole), n)
        return states

    def _one_copy(self, label: str, n: str) -> States:
        return self.k.spin(
            self.wides, first_states(self.wides), "0", n, self.wide,
            lambda i, scope, inner: self._masked(n, i, scope, inner), self.block,
        )  # fmt: skip

    def _two_copies(self, label: str, n: str) -> States:
        k = self.k
        # the bodies first: what they hoist must stand before the branches
        whole, entry, join = k.tmp(), k.fresh("main"), k.fresh("join")
        rest, done = k.fresh("rest"), k.fresh("done")
        main = k.push(entry)
        first = first_states(self.wides)
        now = self._fewer(k.spin(self.wides, first, "0", whole, self.wide, self._full, self.block))
        k.pop()
        k.again = True
        joined: States = [[k.tmp() for _ in c.slots] for c in self.narrows]
        last = k.push(rest)
        after = self._tail(joined, whole, n)
        k.pop()
        before = k.cur.block
        # without hoisted loads a look at the extent would only repeat what stands here
        self.careful = not _natural(self.extent) or any(" = load " in s for s in k.cur.lines)
        k.line(f"{whole} = and i64 {n}, {-self.wide}")
        some = k.ins(f"icmp sgt i64 {whole}, 0")
        k.line(f"br i1 {some}, label %{entry}, label %{join}")
        k.cur.lines += main.lines
        k.line(f"br label %{join}")
        k.label(join)
        for c, names, new in zip(self.narrows, joined, now):
            for (t, old, _), name, value in zip(c.slots, names, new):
                k.line(f"{name} = phi {t} [ {old}, %{before} ], [ {value}, %{main.block} ]")
        more = k.ins(f"icmp slt i64 {whole}, {n}")
        k.line(f"br i1 {more}, label %{rest}, label %{done}")
        k.cur.lines += last.lines
        k.line(f"br label %{done}")
        k.label(done)
        return k.merge(self.narrows, (joined, join), (after, last.block))

    def _mask(self, n: str, i: str, lanes: int) -> tuple[str, str]:
        """How many lanes from `i` on lie below `n`, and which."""
        k = self.k
        if n.isdigit() and i.isdigit():
            count = int(n) - int(i)
            bits = ", ".join([f"i1 {'true' if b < count else 'false'}" for b in range(lanes)])
            return str(count), f"<{bits}>"
        rest = k.ins(f"sub i64 {n}, {i}")
        less = k.ins(f"icmp slt i64 {rest}, {lanes}")
        rest = k.ins(f"select i1 {less}, i64 {rest}, i64 {lanes}")
        few = k.ins(f"trunc i64 {rest} to i8")
        t = vec("i8", lanes)
        first = k.ins(f"insertelement {t} poison, i8 {few}, i32 0")
        many = k.ins(f"shufflevector {t} {first}, {t} poison, <{lanes} x i32> zeroinitializer")
        numbers = ", ".join([f"i8 {b}" for b in range(lanes)])
        return rest, k.ins(f"icmp ugt {t} {many}, <{numbers}>")


def _natural(extent: Dim) -> bool:
    """Whether an extent is of the kind that cannot be negative."""
    return all(c > 0 and all(a.__class__ is str for a in mono) for mono, c in extent.terms)


def weigh(ops: Iterable[Op]) -> tuple[int, int]:
    """What a body costs, and the bits of its widest element."""
    cost, bits = 0, 8
    for op in ops:
        if op.regions:
            c, w = weigh(op.regions[0].ops)
            cost, bits = cost + c, max(bits, w)
            continue
        name = op.opdef.name
        weight = _WEIGHT.get(name)
        cost += _weight(op) if weight is None else weight
        v: Value = op.operands[0] if name == "store" else op.results[0]
        dtype = v.type.dtype
        if dtype is not BOOL and name != "constant":
            bits = max(bits, dtype.bits)
    return cost, bits


def _weight(op: Op) -> int:
    row = op.opdef
    if row.emit == "math":
        return _MATH
    if row.name in ("mod", "floordiv") and op.results[0].type.dtype.kind in "iu":
        return _DIVIDE.get(op.results[0].type.dtype.bits, 8)
    return 1


def scattered(ops: Iterable[Op], var: str, kernel: Kernel) -> bool:
    """Whether lanes that follow each other load from places that do not (in all likelihood)."""
    for op in ops:
        if op.regions:
            if scattered(op.regions[0].ops, var, kernel):
                return True
        elif op.opdef.name == "load":
            strided = kernel.buffers[id(op.operands[0])].strides is not None
            index = op.attrs["index"]
            if any(var in symbols(d) for d in (index if strided else index[:-1])):
                return True
    return False


def interchanged(op: Op, kernel: Kernel) -> tuple[Op | None, Buffer | None]:
    """A nest of two loops that reads a transposed array, with the vector loop outside; else None.

    Then each lane walks along a row of that array, a cache line lasts for several iterations, and
    the stores still fill whole lines: transposing a large matrix is twice as fast, and reading one
    in Fortran order many times. Of a strided array only the strides tell whether it is transposed:
    that buffer is given too.
    """
    (body,) = op.regions
    if op.attrs["vector"] or op.attrs["monoids"] or len(body.ops) != 1:
        return None, None
    (inner,) = body.ops
    if inner.opdef.name != "loop" or not inner.attrs["vector"] or inner.attrs["monoids"]:
        return None, None
    row, column = op.attrs["var"], inner.attrs["var"]
    (region,) = inner.regions
    transposed, strided = False, None
    for each in region.ops:
        if each.regions or "raises" in each.opdef.props:  # errors must come in order
            return None, None
        if each.opdef.name in ("load", "load_if"):
            buffer = kernel.buffers[id(each.operands[0])]
            if buffer.written:
                return None, None
            index = each.attrs["index"]
            if buffer.strides is None:
                transposed |= any(column in symbols(d) for d in index[:-1])
            elif buffer.type.rank > 1:
                strided = strided or buffer
    if not (transposed or strided) or row in symbols(inner.attrs["extent"]):
        return None, None
    b = Builder(op.loc, op.made_by)
    deep = b.op("loop", regions=(region,), **op.attrs)
    return b.op("loop", regions=(Block((), (deep,), ()),), **inner.attrs), (
        None if transposed else strided
    )


def shape_of_loop(op: Op, kernel: Kernel) -> tuple[int, int]:
    """Lanes of a vector loop, and how many copies of its body: 2, or 1 masked one."""
    cost, bits = weigh(op.regions[0].ops)
    factor = 4 if cost <= FOUR_WIDE else 2 if cost <= TWO_WIDE else 1
    if LIGHT < cost <= MEDIUM:
        factor = 2
    if cost <= TWO_COPIES and scattered(op.regions[0].ops, op.attrs["var"], kernel):
        factor = 1  # elements are loaded one by one: more lanes are only more code
    lanes = min(max(kernel.unit.target.lanes(bits) * factor, 2), 64)
    extent: Any = op.attrs["extent"]
    if extent.__class__ is not Dim:
        while lanes > 2 and lanes // 2 >= extent:
            lanes //= 2
    return lanes, 1 if cost > TWO_COPIES else 2
