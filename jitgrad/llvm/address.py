"""Addresses: affine indices of arrays as pointers, for one element or for all lanes.

Along the vector variable an access has a stride in elements. 0 is one scalar, 1 a vector, -1 a
vector read backwards; every other stride, and an index that is not affine in the variable, is an
address a lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..ir.core import Value
from ..ir.dims import Dim, DimLike, minimum, symbol, symbols
from ..ir.types import DType, TensorType
from .code import Code, Operand, Scope, Terms, Unit, divide
from .scalar import MEMORY
from .text import DTYPES, const, vec

Item = tuple[str, int, Scope]
"""A value in a kernel: text, lanes (0 for a literal), and the scope that knows it."""


class Buffer(NamedTuple):
    """An array that a kernel gets: pointer, type, strides in bytes (None: contiguous), whether the
    kernel writes it, and how many leading axes there is no memory for (-1: none at all)."""

    name: str
    type: TensorType
    strides: tuple[Dim, ...] | None
    written: bool
    skip: int = 0

    @property
    def element(self) -> str:
        """The LLVM type of an element in memory."""
        d = self.type.dtype.name
        return MEMORY.get(d) or DTYPES[d]

    @property
    def bytes(self) -> int:
        return self.type.dtype.np.itemsize


class Vec:
    """The open vector loop: variable, its first lane's value, lanes, mask (None: all take part)."""

    __slots__ = ("lanes", "mask", "rest", "scope", "var")

    def __init__(self, var: str, lanes: int, scope: Scope, mask: str | None, rest: str) -> None:
        self.var, self.lanes, self.scope = var, lanes, scope
        self.mask, self.rest = mask, rest  # rest: how many lanes take part, as an i64


class Place(NamedTuple):
    """An address: a scalar pointer, its scope, the lanes' stride (0: one place for all), and what
    else varies by lane (a vector of i64, in units of elements or bytes)."""

    pointer: str
    scope: Scope
    stride: DimLike
    vary: str


class AddressCode(Code):
    """Code that knows buffers, values and the open vector loop."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit)
        self.env: dict[int, Item] = {}
        self.buffers: dict[int, Buffer] = {}
        self.vec: Vec | None = None
        self.pre = self.root  # the scope before the innermost loop, entered only if it runs
        self._linear: dict[tuple, Terms] = {}
        self._pointers: dict[tuple, Operand] = {}
        self._splats: dict[tuple, tuple[str, Scope]] = {}

    # -- values -----------------------------------------------------------------------------------

    def splat(self, item: Item, dtype: DType, lanes: int, scope: Scope) -> str:
        """The value in that many lanes, known in `scope`."""
        name, have, _ = item
        if have == lanes:
            return name
        t = vec(dtype.name, lanes)
        if have == 0:
            return name if lanes == 1 else f"splat ({DTYPES[dtype.name]} {name})"
        key = (name, lanes)
        hit = self._splats.get(key)
        if hit is not None and hit[1].open and hit[1].level <= scope.level:
            return hit[0]
        first = self.ins(f"insertelement {t} poison, {DTYPES[dtype.name]} {name}, i32 0", scope)
        out = self.ins(
            f"shufflevector {t} {first}, {t} poison, <{lanes} x i32> zeroinitializer", scope
        )
        self._splats[key] = (out, scope)
        return out

    def lane_numbers(self, scale: int = 1) -> str:
        """A constant: 0, 1, 2 … times `scale`."""
        assert self.vec is not None
        return "<" + ", ".join([f"i64 {k * scale}" for k in range(self.vec.lanes)]) + ">"

    # -- addresses --------------------------------------------------------------------------------

    def linear(self, buffer: Buffer, index: tuple[DimLike, ...]) -> Terms:
        """The offset of an index: in bytes where the buffer has strides, else in elements."""
        key = (buffer.name, index)
        hit = self._linear.get(key)
        if hit is None:
            d: DimLike = 0
            if buffer.strides is not None:
                for i, s in zip(index, buffer.strides):
                    d = d + i * s
            else:
                for i, n in zip(index[buffer.skip :], buffer.type.shape[buffer.skip :]):
                    d = d * n + i
            hit = self._linear[key] = as_terms(d)
        return hit

    def place(self, buffer: Buffer, index: tuple[DimLike, ...], computed: Sequence[Value]) -> Place:
        """The address of an index whose `$k` are the values `computed`."""
        terms = self.linear(buffer, index)
        varying: set[str] = set() if self.vec is None else {self.vec.var}
        for k, v in enumerate(computed):
            name, lanes, scope = self.env[id(v)]
            self.syms[f"${k}"] = (name, scope)
            if lanes > 1:
                varying.add(f"${k}")
        keep = not computed
        stride: DimLike = 0
        vary = ""
        if varying:
            flat, stride, odd = self.split(terms, varying)
            if odd:
                terms, vary = flat, self.vector(odd, varying, computed)
        offset, scope = self.poly(terms, keep)
        if offset == "0":
            return Place(buffer.name, self.root, stride, vary)
        key = (buffer.name, offset)
        hit = self._pointers.get(key)
        if hit is None or not hit[1].open:
            unit = "i8" if buffer.strides is not None else buffer.element
            at = self.ins(f"getelementptr {unit}, ptr {buffer.name}, i64 {offset}", scope)
            hit = self._pointers[key] = (at, scope)
        return Place(hit[0], hit[1], stride, vary)

    def split(self, terms: Terms, varying: set[str]) -> tuple[Terms, DimLike, Terms]:
        """Terms into those affine in the vector variable, their stride, and all the others."""
        var = self.vec.var if self.vec is not None else ""
        flat, odd = [], []
        stride: DimLike = 0
        for term in terms:
            mono, c = term
            found = [a for a in mono if _varies(a, varying)]
            if not found:
                flat.append(term)
            elif found == [var]:
                flat.append(term)
                rest: DimLike = c
                for a in mono:
                    if a != var:
                        rest = rest * (symbol(a) if a.__class__ is str else _divided(a))
                stride = stride + rest
            else:
                odd.append(term)
        return tuple(flat), stride, tuple(odd)

    def vector(self, terms: Terms, varying: set[str], computed: Sequence[Value] = ()) -> str:
        """A polynomial as a vector of i64, a lane at a time."""
        assert self.vec is not None
        n = self.vec.lanes
        t = vec("i64", n)
        acc = ""
        for mono, c in terms:
            out = ""
            for atom in mono:
                factor = self._vector_atom(atom, varying, computed)
                out = self.ins(f"mul {t} {out}, {factor}") if out else factor
            if not out:
                out = const("i64", n, c)
            elif c != 1:
                out = self.ins(f"mul {t} {out}, {const('i64', n, c)}")
            acc = self.ins(f"add {t} {acc}, {out}") if acc else out
        return acc or const("i64", n, 0)

    def _vector_atom(self, atom: Any, varying: set[str], computed: Sequence[Value]) -> str:
        assert self.vec is not None
        n, t = self.vec.lanes, vec("i64", self.vec.lanes)
        if not _varies(atom, varying):
            name, scope = self._atom(atom, False)
            return self._spread(name, scope)
        if atom.__class__ is str:
            name, scope = self.syms[atom]
            if atom != self.vec.var:
                return name  # a computed index
            return self.ins(f"add {t} {self._spread(name, scope)}, {self.lane_numbers()}")
        kind, a, b = atom
        x = self.vector(as_terms(a), varying, computed)
        if b.__class__ is Dim:
            y = self.vector(b.terms, varying, computed)
        else:
            y = const("i64", n, b)
        return divide(self.ins, kind, n, x, y, b)

    def _spread(self, name: str, scope: Scope) -> str:
        assert self.vec is not None
        t = vec("i64", self.vec.lanes)
        first = self.ins(f"insertelement {t} poison, i64 {name}, i32 0")
        many = f"<{self.vec.lanes} x i32> zeroinitializer"
        return self.ins(f"shufflevector {t} {first}, {t} poison, {many}")

    def index_value(self, d: DimLike) -> Item:
        """An index expression as a number: a vector where it depends on the vector variable."""
        v = self.vec
        if v is None or d.__class__ is not Dim or v.var not in symbols(d):
            text, scope = self.operand(d)
            return (text, 0 if d.__class__ is not Dim else 1, scope)
        terms: Terms = as_terms(d)
        flat, stride, odd = self.split(terms, {v.var})
        t = vec("i64", v.lanes)
        out = self.vector(odd, {v.var}) if odd else ""
        if flat:
            base = self._spread(*self.poly(flat))
            base = self.ins(f"add {t} {base}, {self._steps(stride)}")
            out = self.ins(f"add {t} {out}, {base}") if out else base
        return (out, v.lanes, self.cur)

    def _steps(self, stride: DimLike) -> str:
        """The lane numbers times a stride."""
        assert self.vec is not None
        if stride.__class__ is not Dim:
            return self.lane_numbers(stride)  # type: ignore[arg-type]
        t = vec("i64", self.vec.lanes)
        return self.ins(f"mul {t} {self._spread(*self.operand(stride))}, {self.lane_numbers()}")

    def addresses(self, buffer: Buffer, p: Place) -> str:
        """A pointer a lane."""
        assert self.vec is not None
        n = self.vec.lanes
        t = vec("i64", n)
        offsets = p.vary
        if p.stride.__class__ is Dim or p.stride != 0 or not offsets:
            steps = self._steps(p.stride)
            offsets = self.ins(f"add {t} {offsets}, {steps}") if offsets else steps
        unit = "i8" if buffer.strides is not None else buffer.element
        return self.ins(f"getelementptr {unit}, ptr {p.pointer}, {t} {offsets}")


def as_terms(d: DimLike) -> Terms:
    """The terms of a dim, static or not."""
    if isinstance(d, Dim):
        return d.terms
    return (((), d),) if d else ()


def _varies(atom: Any, varying: set[str]) -> bool:
    if atom.__class__ is str:
        return atom in varying
    _, a, b = atom
    return not (varying.isdisjoint(symbols(a)) and varying.isdisjoint(symbols(b)))


def _divided(atom: Any) -> DimLike:
    kind, a, b = atom
    return minimum(a, b) if kind == "min" else a // b if kind == "//" else a % b
