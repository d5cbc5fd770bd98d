"""Scoped code: text that is written level by level, so that what a loop need not repeat is hoisted.

LLVM's light passes neither hoist nor merge. So every loop has two scopes, one before it and one
inside, each with its own list of lines; an instruction goes to the outermost scope that knows its
operands. The lists are put together when a loop is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import Loc
from ..ir.core import Op
from ..ir.dims import Dim, DimLike, Mono
from .target import Target
from .text import const, vec

OK, REQUIRE, GUARD, INDEX, VALUE, PYTHON = range(6)
"""Status codes of core and prep."""


class ErrorSite(NamedTuple):
    """Where an error record comes from: kind ("require", "guard", "index", "value", "print"),
    message, the line."""

    kind: str
    message: str
    loc: Loc | None
    op: str


class Unit:
    """What the functions of one module share: declarations, data, error sites, maths library."""

    def __init__(self, target: Target, lib: Any, blas: Mapping[str, int]) -> None:
        self.target = target
        self.lib = lib
        self.blas = blas
        self.declarations: dict[str, None] = {}
        self.data: list[str] = []
        self.functions: list[str] = []
        self.errors: list[ErrorSite] = []
        self.sites: dict[int, int] = {}  # id of an op -> its op id
        self.externals: set[str] = set()
        self.helpers: set[str] = set()
        self.report: list[dict[str, Any]] = []

    def declare(self, text: str) -> None:
        """A declaration that the module needs, once."""
        self.declarations[text] = None

    def helper(self, name: str, write: Callable[[], str]) -> str:
        """The symbol of a function of the module that `write` gives the text of, once."""
        if name not in self.helpers:
            self.helpers.add(name)
            self.functions.append(write())
        return "@" + name

    def error(self, kind: str, message: str, op: Op) -> int:
        """The op id of an op that may fail: the same for all copies of its code."""
        site = self.sites.get(id(op))
        if site is None:
            site = self.sites[id(op)] = len(self.errors)
            self.errors.append(ErrorSite(kind, message, op.loc, op.opdef.name))
        return site


class Scope:
    """One level of text: its lines, the block it is in, and whether it can still take lines."""

    __slots__ = ("block", "level", "lines", "open")

    def __init__(self, level: int, block: str) -> None:
        self.level = level
        self.block = block
        self.lines: list[str] = []
        self.open = True


Operand = tuple[str, Scope]  # an i64 and the scope that knows it
Terms = tuple[tuple[Mono, int], ...]  # those of a Dim


class Code:
    """The body of one function, with the index expressions it computes."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.root = Scope(0, "entry")
        self.cur = self.root
        self.stack = [self.root]
        self.syms: dict[str, Operand] = {}
        self.exprs: dict[Terms, Operand] = {}
        self.ends: list[str] = []  # blocks behind the last `ret`
        self._count = 0
        self._labels = 0

    def number_from(self, other: Code) -> None:
        """Go on with the other's names, in the same function."""
        self._count, self._labels = other._count, other._labels

    # -- text -------------------------------------------------------------------------------------

    def tmp(self) -> str:
        n = self._count
        self._count = n + 1
        return f"%t{n}"

    def ins(self, text: str, scope: Scope | None = None) -> str:
        """Write an instruction with a result, into the current scope if no other is given."""
        n = self._count
        self._count = n + 1
        (scope or self.cur).lines.append(f"  %t{n} = {text}")
        return f"%t{n}"

    def line(self, text: str) -> None:
        self.cur.lines.append("  " + text)

    def fresh(self, stem: str) -> str:
        """A new label."""
        n = self._labels
        self._labels = n + 1
        return f"{stem}.{n}"

    def label(self, name: str) -> None:
        """Go on in the block `name`."""
        self.cur.lines.append(name + ":")
        self.cur.block = name

    def push(self, block: str) -> Scope:
        """A scope inside the current one that starts with the block `block`."""
        scope = Scope(self.cur.level + 1, block)
        scope.lines.append(block + ":")
        self.stack.append(scope)
        self.cur = scope
        return scope

    def pop(self) -> Scope:
        """Close the current scope; its lines are the caller's to place."""
        scope = self.stack.pop()
        scope.open = False
        self.cur = self.stack[-1]
        return scope

    def phi(self, type_: str, *edges: tuple[str, str]) -> str:
        """A phi of (value, block) pairs."""
        return self.ins(f"phi {type_} " + ", ".join(f"[ {v}, %{b} ]" for v, b in edges))

    def intrinsic(self, name: str, dtype: str, lanes: int, arity: int, extra: str = "") -> str:
        """`TYPE @llvm.name.suffix`, declared; `extra` are further parameter types."""
        t = vec(dtype, lanes)
        base = ("f" if dtype[0] == "f" else "i") + (dtype[1:] if dtype != "bool" else "1")
        suffix = base if lanes == 1 else f"v{lanes}{base}"
        head = f"{t} @llvm.{name}.{suffix}"
        self.unit.declare(f"declare {head}({', '.join([t] * arity)}{extra})")
        return head

    # -- index expressions ------------------------------------------------------------------------

    def symbol(self, name: str) -> Operand:
        """The value of a dim symbol or loop variable; `KeyError` for one that is not known."""
        return self.syms[name]

    def dim(self, d: DimLike) -> str:
        return self.operand(d)[0]

    def operand(self, d: DimLike) -> Operand:
        """A dim as an i64, computed as far out as can be."""
        if d.__class__ is not Dim:
            return (str(d), self.root)
        return self.poly(d.terms)

    def poly(self, terms: Terms, keep: bool = True) -> Operand:
        """A polynomial; not to be kept where it names operands (`$0`) of one access."""
        if keep:
            hit = self.exprs.get(terms)
            if hit is not None and hit[1].open:
                return hit
        number = 0
        parts: list[tuple[int, str, Scope]] = []
        for mono, c in terms:
            if not mono:
                number = c
                continue
            name, scope = self._mono(mono, keep)
            if c != 1:
                name = self.ins(f"mul i64 {name}, {c}", scope)
            parts.append((scope.level, name, scope))
        if not parts:
            return (str(number), self.root)
        if len(parts) > 1:
            parts.sort(key=_level)
        _, acc, scope = parts[0]
        if number:
            acc = self.ins(f"add i64 {acc}, {number}", scope)
        for _, name, scope in parts[1:]:
            acc = self.ins(f"add i64 {acc}, {name}", scope)
        if keep:
            self.exprs[terms] = (acc, scope)
        return (acc, scope)

    def _mono(self, mono: Mono, keep: bool) -> Operand:
        if len(mono) == 1:
            return self._atom(mono[0], keep)
        atoms = sorted([self._atom(a, keep) for a in mono], key=lambda o: o[1].level)
        acc, scope = atoms[0]
        for name, scope in atoms[1:]:
            acc = self.ins(f"mul i64 {acc}, {name}", scope)
        return (acc, scope)

    def _atom(self, atom: Any, keep: bool) -> Operand:
        if atom.__class__ is str:
            return self.symbol(atom)
        key = (((atom,), 1),)
        if keep:
            hit = self.exprs.get(key)
            if hit is not None and hit[1].open:
                return hit
        kind, a, b = atom
        x, sx = self.poly(a.terms, keep) if a.__class__ is Dim else (str(a), self.root)
        y, sy = self.poly(b.terms, keep) if b.__class__ is Dim else (str(b), self.root)
        scope = sx if sx.level >= sy.level else sy
        out = divide(lambda text: self.ins(text, scope), kind, 1, x, y, b)
        if keep:
            self.exprs[key] = (out, scope)
        return (out, scope)


def _level(part: tuple[int, str, Scope]) -> int:
    return part[0]


def divide(ins: Callable[[str], str], kind: str, lanes: int, x: str, y: str, b: DimLike) -> str:
    """Python's `x // y` or `x % y` of i64, or the lesser; `y` is the text of the dim `b`.

    A zero divisor counts as 1: nothing is accessed then, but the machine must not trap.
    """
    t = vec("i64", lanes)

    def c(value: int) -> str:
        return const("i64", lanes, value)

    if kind == "min":
        lesser = ins(f"icmp slt {t} {x}, {c(b) if isinstance(b, int) else y}")
        return ins(f"select {vec('bool', lanes)} {lesser}, {t} {x}, {t} "
                   f"{c(b) if isinstance(b, int) else y}")  # fmt: skip
    if isinstance(b, int) and b > 0:
        if b & (b - 1) == 0:
            if kind == "//":
                return ins(f"ashr {t} {x}, {c(b.bit_length() - 1)}")
            return ins(f"and {t} {x}, {c(b - 1)}")
        if kind == "%":
            r = ins(f"srem {t} {x}, {c(b)}")
            fix = ins(f"and {t} {ins(f'ashr {t} {r}, {c(63)}')}, {c(b)}")
            return ins(f"add {t} {r}, {fix}")
        q = ins(f"sdiv {t} {x}, {c(b)}")
        back = ins(f"mul {t} {q}, {c(b)}")
        r = ins(f"sub {t} {x}, {back}")
        return ins(f"add {t} {q}, {ins(f'ashr {t} {r}, {c(63)}')}")
    m = vec("bool", lanes)
    zero = ins(f"icmp eq {t} {y}, {c(0)}")
    y = ins(f"select {m} {zero}, {t} {c(1)}, {t} {y}")
    r = ins(f"srem {t} {x}, {y}")
    some = ins(f"icmp ne {t} {r}, {c(0)}")
    unlike = ins(f"icmp slt {t} {ins(f'xor {t} {r}, {y}')}, {c(0)}")
    fix = ins(f"and {m} {some}, {unlike}")
    if kind == "%":
        return ins(f"select {m} {fix}, {t} {ins(f'add {t} {r}, {y}')}, {t} {r}")
    q = ins(f"sdiv {t} {x}, {y}")
    return ins(f"select {m} {fix}, {t} {ins(f'sub {t} {q}, {c(1)}')}, {t} {q}")
