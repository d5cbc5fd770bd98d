"""Emitters of ops that only ints have, or have otherwise than floats: division, shifts, powers.

No instruction here may trap or be undefined, whatever the lanes hold, and those that a mask
switches off hold anything: a division by 0 or -1 divides by 1, and the true result is chosen
afterwards. Vector units have no integer division: up to 32 bits the quotient is made in floats,
where rounding cannot reach the next integer, since 1/x is more than half an ULP of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.types import DType
from .code import Code, Scope
from .text import BITS, const, vec

Emit = Callable[[Code, Scope, Sequence[str], int, Mapping[str, Any]], str]


class _Lanes:
    """Instructions on operands of one int dtype and number of lanes, in one scope."""

    __slots__ = ("bits", "bools", "c", "d", "n", "s", "signed", "t")

    def __init__(self, c: Code, s: Scope, d: str, n: int) -> None:
        self.c, self.s, self.d, self.n = c, s, d, n
        self.t, self.bools, self.bits = vec(d, n), vec("bool", n), BITS[d]
        self.signed = d[0] == "i"

    def num(self, value: int) -> str:
        return const(self.d, self.n, value)

    def ins(self, op: str, a: str, b: str) -> str:
        return self.c.ins(f"{op} {self.t} {a}, {b}", self.s)

    def both(self, op: str, a: str, b: str) -> str:
        """An instruction on masks."""
        return self.c.ins(f"{op} {self.bools} {a}, {b}", self.s)

    def select(self, mask: str, a: str, b: str) -> str:
        return self.c.ins(f"select {self.bools} {mask}, {self.t} {a}, {self.t} {b}", self.s)

    def call(self, name: str, *args: str) -> str:
        """An intrinsic."""
        head = self.c.intrinsic(name, self.d, self.n, len(args))
        return self.c.ins(f"call {head}({', '.join([f'{self.t} {a}' for a in args])})", self.s)

    def convert(self, op: str, x: str, a: str, b: str) -> str:
        return self.c.ins(f"{op} {vec(a, self.n)} {x} to {vec(b, self.n)}", self.s)

    def abs(self, x: str) -> str:
        if not self.signed:
            return x
        head = self.c.intrinsic("abs", self.d, self.n, 1, ", i1")
        return self.c.ins(f"call {head}({self.t} {x}, i1 false)", self.s)

    def helper(self, name: str, write: Callable[[str, int], str], *args: str) -> str:
        """A call of a function of the module for this width, written at its first use."""
        head = f"jg.{name}.i{self.bits}x{self.n}"
        attrs = self.c.unit.target.attributes
        symbol = self.c.unit.helper(head, lambda: _define(head, write, self.bits, self.n, attrs))
        return self.c.ins(
            f"call {self.t} {symbol}({', '.join([f'{self.t} {a}' for a in args])})", self.s
        )


def _ints(build: Callable[..., str]) -> Callable[[DType], Emit]:
    def make(dtype: DType) -> Emit:
        d = dtype.name
        return lambda c, s, a, n, _: build(_Lanes(c, s, d, n), *a)

    return make


def _literal(text: str) -> int | None:
    """The number that every lane of an operand is, if its text says so."""
    if text.startswith("splat"):
        text = text[text.rindex(" ") + 1 : -1]
    try:
        return int(text)
    except ValueError:
        return None


# -- division -------------------------------------------------------------------------------------


def _quotient(v: _Lanes, x: str, y: str) -> str:
    """x / y without its fraction; y is neither 0 nor -1."""
    if v.bits == 64 or v.n == 1 or _literal(y) is not None:
        return v.ins("sdiv" if v.signed else "udiv", x, y)
    f = "f64" if v.bits == 32 else "f32"
    to, back = ("sitofp", "fptosi") if v.signed else ("uitofp", "fptoui")
    a, b = (v.convert(to, o, v.d, f) for o in (x, y))
    return v.convert(back, v.c.ins(f"fdiv {vec(f, v.n)} {a}, {b}", v.s), f, v.d)


def _parts(v: _Lanes, x: str, y: str) -> tuple[str, str, str]:
    """The divisor made harmless, the quotient and the rest, both towards zero."""
    number = _literal(y)
    if number is None:
        bad = v.ins("icmp eq", y, v.num(0))
        if v.signed:
            bad = v.both("or", bad, v.ins("icmp eq", y, v.num(-1)))
        y = v.select(bad, v.num(1), y)
    elif number == 0 or (number == -1 and v.signed):
        y = v.num(1)
    q = _quotient(v, x, y)
    return y, q, v.ins("sub", x, v.ins("mul", q, y))


def _fmod(v: _Lanes, x: str, y: str) -> str:
    return _parts(v, x, y)[2]


def _unlike(v: _Lanes, rest: str, y: str) -> str:
    """Where a rest is not 0 and has another sign than the divisor."""
    some = v.ins("icmp ne", rest, v.num(0))
    return v.both("and", some, v.ins("icmp slt", v.ins("xor", rest, y), v.num(0)))


def _mod(v: _Lanes, x: str, y: str) -> str:
    safe, _, rest = _parts(v, x, y)
    return v.select(_unlike(v, rest, safe), v.ins("add", rest, safe), rest)


def _floordiv(v: _Lanes, x: str, y: str) -> str:
    safe, q, rest = _parts(v, x, y)
    if v.signed:
        q = v.select(_unlike(v, rest, safe), v.ins("sub", q, v.num(1)), q)
    number = _literal(y)
    if v.signed and (number is None or number == -1):
        minus = v.ins("sub", v.num(0), x)
        q = minus if number == -1 else v.select(v.ins("icmp eq", y, v.num(-1)), minus, q)
    if number is None:
        q = v.select(v.ins("icmp eq", y, v.num(0)), v.num(0), q)
    return v.num(0) if number == 0 else q


# -- shifts and bits ------------------------------------------------------------------------------


def _shl(v: _Lanes, x: str, y: str) -> str:
    inside = v.ins("icmp ult", y, v.num(v.bits))
    return v.select(inside, v.ins("shl", x, y), v.num(0))


def _shr(v: _Lanes, x: str, y: str) -> str:
    if v.signed:
        return v.ins("ashr", x, v.call("umin", y, v.num(v.bits - 1)))
    inside = v.ins("icmp ult", y, v.num(v.bits))
    return v.select(inside, v.ins("lshr", x, y), v.num(0))


def _bitwise_count(v: _Lanes, x: str) -> str:
    out = v.call("ctpop", v.abs(x))
    return out if v.bits == 8 else v.convert("trunc", out, v.d, "u8")


# -- loops over bits, as functions ----------------------------------------------------------------


def _define(head: str, write: Callable[[str, int], str], bits: int, n: int, attrs: str) -> str:
    t = vec(f"i{bits}", n)
    return (f"define internal {t} @{head}({t} %x, {t} %y) noinline nounwind {attrs} {{\n"
            f"entry:\n{write(t, n)}}}\n")  # fmt: skip


def _any(name: str, n: int) -> str:
    """Lines that set %more to whether a lane of the mask is set."""
    if n == 1:
        return f"  %more = or i1 {name}, false\n"
    return f"  %any = bitcast <{n} x i1> {name} to i{n}\n  %more = icmp ne i{n} %any, 0\n"


def _zero(t: str) -> str:
    return "zeroinitializer" if t[0] == "<" else "0"


def _ones(t: str) -> str:
    return f"splat ({t[1:-1].split(' x ')[1]} 1)" if t[0] == "<" else "1"


def _power_text(t: str, n: int) -> str:
    """Squares and products, a bit of the exponent at a time, until no lane has one left."""
    one, zero, mask = _ones(t), _zero(t), vec("bool", n)
    return f"""  br label %loop
loop:
  %acc = phi {t} [ {one}, %entry ], [ %acc2, %loop ]
  %base = phi {t} [ %x, %entry ], [ %base2, %loop ]
  %e = phi {t} [ %y, %entry ], [ %e2, %loop ]
  %low = and {t} %e, {one}
  %odd = icmp ne {t} %low, {zero}
  %times = mul {t} %acc, %base
  %acc2 = select {mask} %odd, {t} %times, {t} %acc
  %base2 = mul {t} %base, %base
  %e2 = lshr {t} %e, {one}
  %left = icmp ne {t} %e2, {zero}
{_any("%left", n)}  br i1 %more, label %loop, label %done
done:
  ret {t} %acc2
"""


def _gcd_text(t: str, n: int) -> str:
    """Stein's algorithm (1967): the common power of two aside, odd numbers are subtracted."""
    zero, bool_ = _zero(t), vec("bool", n)
    suffix = t if n == 1 else f"v{n}{t[1:-1].split(' x ')[1]}"
    ctz, umin, umax = (f"@llvm.{name}.{suffix}" for name in ("cttz", "umin", "umax"))
    # a lane with a zero in it starts with the larger one and 0, which is its end
    return f"""  %or = or {t} %x, %y
  %k = call {t} {ctz}({t} %or, i1 false)
  %low = call {t} {umin}({t} %x, {t} %y)
  %high = call {t} {umax}({t} %x, {t} %y)
  %none = icmp eq {t} %low, {zero}
  %hk = call {t} {ctz}({t} %high, i1 false)
  %lk = call {t} {ctz}({t} %low, i1 false)
  %ho = lshr {t} %high, %hk
  %lo = lshr {t} %low, %lk
  %b0 = select {bool_} %none, {t} {zero}, {t} %ho
  %a0 = select {bool_} %none, {t} {zero}, {t} %lo
  br label %loop
loop:
  %a = phi {t} [ %a0, %entry ], [ %a2, %loop ]
  %b = phi {t} [ %b0, %entry ], [ %b2, %loop ]
  %a2 = call {t} {umin}({t} %a, {t} %b)
  %top = call {t} {umax}({t} %a, {t} %b)
  %diff = sub {t} %top, %a2
  %twos = call {t} {ctz}({t} %diff, i1 false)
  %same = icmp eq {t} %diff, {zero}
  %odd = lshr {t} %diff, %twos
  %b2 = select {bool_} %same, {t} %a2, {t} %odd
  %left = xor {bool_} %same, {"splat (i1 true)" if n > 1 else "true"}
{_any("%left", n)}  br i1 %more, label %loop, label %done
done:
  %twice = shl {t} %a2, %k
  %out = select {bool_} %none, {t} %high, {t} %twice
  ret {t} %out
"""


def _ipow(v: _Lanes, x: str, y: str) -> str:
    return v.helper("ipow", _power_text, x, y)


def _gcd(v: _Lanes, x: str, y: str) -> str:
    for name, extra in (("cttz", ", i1"), ("umin", f", {v.t}"), ("umax", f", {v.t}")):
        v.c.intrinsic(name, v.d, v.n, 1, extra)
    return v.helper("gcd", _gcd_text, v.abs(x), v.abs(y))


def _lcm(v: _Lanes, x: str, y: str) -> str:
    # lanes of unsigned numbers: of the least int the absolute value is 2**(bits - 1)
    u = _Lanes(v.c, v.s, "u" + v.d[1:], v.n)
    x, y = v.abs(x), v.abs(y)
    for name, extra in (("cttz", ", i1"), ("umin", f", {v.t}"), ("umax", f", {v.t}")):
        v.c.intrinsic(name, v.d, v.n, 1, extra)
    common = u.helper("gcd", _gcd_text, x, y)
    zero = u.ins("icmp eq", common, u.num(0))
    share = _quotient(u, x, u.select(zero, u.num(1), common))
    return u.ins("mul", share, y)


SPECIAL: dict[str, Callable[[DType], Emit]] = {
    "fmod": _ints(_fmod), "mod": _ints(_mod), "floordiv": _ints(_floordiv), "shl": _ints(_shl),
    "shr": _ints(_shr), "ipow": _ints(_ipow), "gcd": _ints(_gcd), "lcm": _ints(_lcm),
    "bitwise_count": _ints(_bitwise_count),
}  # fmt: skip
