"""Emitters of elementwise ops, on scalars and on vectors alike, found by the `emit` column.

An emitter is looked up once for an op and a dtype and then called as
`emit(code, scope, operands, lanes, attrs)`; the operands are texts of that many lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from ..ir.ops import TABLE, OpDef
from ..ir.terms import Term
from ..ir.types import BOOL, DTYPES, DType
from . import scalar_float, scalar_int
from .code import Code, Scope
from .text import const, vec

Emit = Callable[[Code, Scope, Sequence[str], int, Mapping[str, Any]], str]
MEMORY = {"bool": "i8"}
"""LLVM type in memory, where it is another than in registers."""


@cache
def emitter(row: OpDef, dtype: DType) -> Emit:
    """The emitter of an elementwise op whose operand (of select: its second) has `dtype`."""
    key = row.emitter(dtype)
    if not key:
        raise KeyError(f"{row.name} has no instruction for {dtype}")
    if key == "expand":
        assert row.expand is not None
        return _expansion(row.expand, dtype)
    if key == "math":
        return _math(row.name, dtype.name)
    special = _SPECIAL.get(key)
    return _instruction(key, dtype.name) if special is None else special(dtype)


def _instruction(name: str, d: str) -> Emit:
    if name == "copy":
        return lambda c, s, a, n, _: a[0]
    if name == "fneg":
        return lambda c, s, a, n, _: c.ins(f"fneg {vec(d, n)} {a[0]}", s)
    if name == "neg":
        return lambda c, s, a, n, _: c.ins(f"sub {vec(d, n)} {const(d, n, 0)}, {a[0]}", s)
    if name == "fabs":
        return _unary("fabs", d)
    if name == "abs":

        def absolute(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
            head = c.intrinsic("abs", d, n, 1, ", i1")
            return c.ins(f"call {head}({vec(d, n)} {a[0]}, i1 false)", s)

        return absolute
    heads = {n: f"{name} {vec(d, n)}" for n in (1, 2, 4, 8, 16, 32, 64)}
    return lambda c, s, a, n, _: c.ins(f"{heads[n]} {a[0]}, {a[1]}", s)


def _unary(name: str, d: str) -> Emit:
    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        return c.ins(f"call {c.intrinsic(name, d, n, 1)}({vec(d, n)} {a[0]})", s)

    return emit


def _math(name: str, d: str) -> Emit:
    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        if n > 32:  # more lanes than the library makes: in two halves
            low = emit(c, s, [part(c, s, x, d, n, 0, n // 2) for x in a], n // 2, attrs)
            high = emit(c, s, [part(c, s, x, d, n, n // 2, n // 2) for x in a], n // 2, attrs)
            return join(c, s, low, high, d, n // 2)
        t = vec(d, n)
        symbol = c.unit.lib.use(name, d, n, **attrs)
        return c.ins(f"call {t} {symbol}({', '.join([f'{t} {x}' for x in a])})", s)

    return emit


def part(c: Code, s: Scope, x: str, d: str, lanes: int, start: int, count: int) -> str:
    """`count` lanes of a vector from `start` on; one lane is a scalar."""
    t = vec(d, lanes)
    if count == 1:
        return c.ins(f"extractelement {t} {x}, i32 {start}", s)
    mask = ", ".join([f"i32 {k}" for k in range(start, start + count)])
    return c.ins(f"shufflevector {t} {x}, {t} poison, <{count} x i32> <{mask}>", s)


def join(c: Code, s: Scope, low: str, high: str, d: str, lanes: int) -> str:
    """Two vectors of `lanes` lanes, one behind the other."""
    t = vec(d, lanes)
    mask = ", ".join([f"i32 {k}" for k in range(2 * lanes)])
    return c.ins(f"shufflevector {t} {low}, {t} {high}, <{2 * lanes} x i32> <{mask}>", s)


def _extreme(largest: bool) -> Callable[[DType], Emit]:
    def make(dtype: DType) -> Emit:
        d = dtype.name
        if dtype is BOOL:
            return _instruction("or" if largest else "and", d)
        if dtype.kind != "f":
            name = ("s" if dtype.kind == "i" else "u") + ("max" if largest else "min")

            def ints(c: Code, s: Scope, a: Sequence[str], n: int, _: Mapping[str, Any]) -> str:
                t = vec(d, n)
                return c.ins(f"call {c.intrinsic(name, d, n, 2)}({t} {a[0]}, {t} {a[1]})", s)

            return ints
        cmp = "ogt" if largest else "olt"

        def floats(c: Code, s: Scope, a: Sequence[str], n: int, _: Mapping[str, Any]) -> str:
            # the first compare is one maxpd, which gives y if either is NaN; then x if x is
            t, m = vec(d, n), vec("bool", n)
            wins = c.ins(f"fcmp {cmp} {t} {a[0]}, {a[1]}", s)
            best = c.ins(f"select {m} {wins}, {t} {a[0]}, {t} {a[1]}", s)
            nan = c.ins(f"fcmp uno {t} {a[0]}, {a[0]}", s)
            return c.ins(f"select {m} {nan}, {t} {a[0]}, {t} {best}", s)

        return floats

    return make


def _sign(dtype: DType) -> Emit:
    d, kind = dtype.name, dtype.kind

    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        t, m, x = vec(d, n), vec("bool", n), a[0]
        zero, one = const(d, n, 0), const(d, n, 1)
        if kind == "u":
            return c.ins(f"zext {m} {c.ins(f'icmp ne {t} {x}, {zero}', s)} to {t}", s)
        gt, lt = ("fcmp ogt", "fcmp olt") if kind == "f" else ("icmp sgt", "icmp slt")
        out = zero
        if kind == "f":
            nan = c.ins(f"fcmp uno {t} {x}, {x}", s)
            out = c.ins(f"select {m} {nan}, {t} {x}, {t} {zero}", s)
        low = c.ins(f"{lt} {t} {x}, {zero}", s)
        out = c.ins(f"select {m} {low}, {t} {const(d, n, -1)}, {t} {out}", s)
        high = c.ins(f"{gt} {t} {x}, {zero}", s)
        return c.ins(f"select {m} {high}, {t} {one}, {t} {out}", s)

    return emit


def _not(dtype: DType) -> Emit:
    d = dtype.name
    ones = True if dtype is BOOL else -1
    return lambda c, s, a, n, _: c.ins(f"xor {vec(d, n)} {a[0]}, {const(d, n, ones)}", s)


def _select(dtype: DType) -> Emit:
    d = dtype.name

    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        t = vec(d, n)
        return c.ins(f"select {vec('bool', n)} {a[0]}, {t} {a[1]}, {t} {a[2]}", s)

    return emit


# -- casts ----------------------------------------------------------------------------------------


def _cast(dtype: DType) -> Emit:
    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        return cast(c, s, a[0], dtype, attrs["dtype"], n)

    return emit


def cast(c: Code, s: Scope, x: str, src: DType, dst: DType, n: int) -> str:
    """`x` of dtype `src` as `dst`, with NumPy's meaning on x86 for what does not fit."""
    if src is dst or (src.kind in "iu" and dst.kind in "iu" and src.bits == dst.bits):
        return x
    a, b = vec(src.name, n), vec(dst.name, n)
    if dst is BOOL:
        cmp = "fcmp une" if src.kind == "f" else "icmp ne"
        return c.ins(f"{cmp} {a} {x}, {const(src.name, n, 0)}", s)
    if dst.kind == "f":
        if src.kind == "f":
            how = "fpext" if dst.bits > src.bits else "fptrunc"
        else:
            how = "sitofp" if src.kind == "i" else "uitofp"
    elif src.kind == "f":
        return _to_int(c, s, x, src, dst, n)
    elif dst.bits < src.bits and src is not BOOL:
        how = "trunc"
    else:
        how = "sext" if src.kind == "i" else "zext"
    return c.ins(f"{how} {a} {x} to {b}", s)


def _to_int(c: Code, s: Scope, x: str, src: DType, dst: DType, n: int) -> str:
    # Narrow ints and u32 go through a wider signed one and wrap, as C compilers do it.
    t, m = vec(src.name, n), vec("bool", n)
    if dst.name == "u64":
        top = const(src.name, n, 2.0**63)
        small = c.ins(f"fcmp olt {t} {x}, {top}", s)
        low = _to_signed(c, s, x, src, 64, n)
        high = _to_signed(c, s, c.ins(f"fsub {t} {x}, {top}", s), src, 64, n)
        high = c.ins(f"xor {vec('i64', n)} {high}, {const('i64', n, -(2**63))}", s)
        return c.ins(f"select {m} {small}, {vec('i64', n)} {low}, {vec('i64', n)} {high}", s)
    bits = 64 if dst.bits == 64 or dst.name == "u32" else 32
    out = _to_signed(c, s, x, src, bits, n)
    if dst.bits < bits:
        out = c.ins(f"trunc {vec(f'i{bits}', n)} {out} to {vec(dst.name, n)}", s)
    return out


def _to_signed(c: Code, s: Scope, x: str, src: DType, bits: int, n: int) -> str:
    """Truncated; the least int for what does not fit (`fptosi` alone would be poison there)."""
    t, m, i = vec(src.name, n), vec("bool", n), vec(f"i{bits}", n)
    if bits == 32 and src.bits == 64:
        above = c.ins(f"fcmp ogt {t} {x}, {const(src.name, n, -(2.0**31) - 1)}", s)
    else:
        above = c.ins(f"fcmp oge {t} {x}, {const(src.name, n, -(2.0 ** (bits - 1)))}", s)
    below = c.ins(f"fcmp olt {t} {x}, {const(src.name, n, 2.0 ** (bits - 1))}", s)
    fits = c.ins(f"and {m} {above}, {below}", s)
    safe = c.ins(f"select {m} {fits}, {t} {x}, {t} {const(src.name, n, 0)}", s)
    out = c.ins(f"fptosi {t} {safe} to {i}", s)
    return c.ins(f"select {m} {fits}, {i} {out}, {i} {const(f'i{bits}', n, -(1 << (bits - 1)))}", s)


_SPECIAL: dict[str, Callable[[DType], Emit]] = {
    "maximum": _extreme(True),
    "minimum": _extreme(False),
    "sign": _sign,
    "not": _not,
    "select": _select,
    "cast": _cast,
    "copy": lambda dtype: _instruction("copy", dtype.name),
    **scalar_float.SPECIAL,
    **scalar_int.SPECIAL,
}

# -- terms ----------------------------------------------------------------------------------------

Typed = tuple[str, DType]


def _expansion(term: Term, dtype: DType) -> Emit:
    def emit(c: Code, s: Scope, a: Sequence[str], n: int, attrs: Mapping[str, Any]) -> str:
        env = {name: (text, dtype) for name, text in zip("xyz", a)}
        return evaluate(c, s, term, env, n, dtype, {})[0]

    return emit


def evaluate(
    c: Code,
    s: Scope,
    term: Term,
    env: Mapping[str, Typed],
    n: int,
    like: DType,
    memo: dict[tuple, Typed],
) -> Typed:
    """A term on texts; equal applications are written once, numbers take a neighbour's dtype."""
    if term.op is None:
        if term.name:
            return env[term.name]
        return (const(like.name, n, term.value), like)
    made: list[Typed | None] = [
        None if a.op is None and not a.name else evaluate(c, s, a, env, n, like, memo)
        for a in term.args
    ]
    first = 1 if term.op == "select" else 0
    near = next((v[1] for v in made[first:] if v), like)
    args = [v or (const(near.name, n, a.value), near) for v, a in zip(made, term.args)]
    key = (term.op, *term.attrs.values(), *[v[0] for v in args])
    hit = memo.get(key)
    if hit is None:
        row = TABLE[term.op]
        dtype = args[first][1]
        text = emitter(row, dtype)(c, s, [v[0] for v in args], n, term.attrs)
        out = BOOL if term.op in _PREDICATES else dtype
        hit = memo[key] = (text, out)
    return hit


_PREDICATES = frozenset(
    {"eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "signbit"}
)
I64 = DTYPES["i64"]
