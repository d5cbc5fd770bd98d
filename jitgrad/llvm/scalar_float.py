"""Emitters of what looks into a float's bits, and of rounding: one intrinsic or a few instructions.

An IEEE float is sign and magnitude: the integer of its bits plus one is the next float away from
zero, and the exponent field is a slice of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.types import DType
from .code import Code, Scope
from .text import const, vec

Emit = Callable[[Code, Scope, Sequence[str], int, Mapping[str, Any]], str]
_BITS = {"f64": "i64", "f32": "i32"}
_FIELD = {"f64": (52, 1023), "f32": (23, 127)}  # bits of the significand, bias of the exponent
_INF = float("inf")


class Lanes:
    """Instructions on operands of one float dtype and number of lanes, in one scope."""

    __slots__ = ("bools", "c", "d", "i", "ints", "n", "s", "t")

    def __init__(self, c: Code, s: Scope, d: str, n: int) -> None:
        self.c, self.s, self.d, self.i, self.n = c, s, d, _BITS[d], n
        self.t, self.ints, self.bools = vec(d, n), vec(self.i, n), vec("bool", n)

    def num(self, value: float) -> str:
        return const(self.d, self.n, value)

    def int(self, value: int) -> str:
        return const(self.i, self.n, value)

    def float(self, op: str, a: str, b: str) -> str:
        """A float instruction or comparison."""
        return self.c.ins(f"{op} {self.t} {a}, {b}", self.s)

    def bit(self, op: str, a: str, b: str) -> str:
        """An integer instruction or comparison."""
        return self.c.ins(f"{op} {self.ints} {a}, {b}", self.s)

    def both(self, op: str, a: str, b: str) -> str:
        """An instruction on masks."""
        return self.c.ins(f"{op} {self.bools} {a}, {b}", self.s)

    def select(self, mask: str, a: str, b: str) -> str:
        return self.c.ins(f"select {self.bools} {mask}, {self.t} {a}, {self.t} {b}", self.s)

    def pick(self, mask: str, a: str, b: str) -> str:
        """`select` of integers."""
        return self.c.ins(f"select {self.bools} {mask}, {self.ints} {a}, {self.ints} {b}", self.s)

    def bits(self, a: str) -> str:
        return self.c.ins(f"bitcast {self.t} {a} to {self.ints}", self.s)

    def of_bits(self, a: str) -> str:
        return self.c.ins(f"bitcast {self.ints} {a} to {self.t}", self.s)

    def call(self, name: str, *args: str) -> str:
        head = self.c.intrinsic(name, self.d, self.n, len(args))
        return self.c.ins(f"call {head}({', '.join([f'{self.t} {a}' for a in args])})", self.s)


def _floats(build: Callable[..., str]) -> Callable[[DType], Emit]:
    def make(dtype: DType) -> Emit:
        d = dtype.name
        return lambda c, s, a, n, _: build(Lanes(c, s, d, n), *a)

    return make


def intrinsic(name: str) -> Callable[[DType], Emit]:
    """The emitter that calls ``llvm.name``."""
    return _floats(lambda v, *args: v.call(name, *args))


def _isnan(v: Lanes, x: str) -> str:
    return v.float("fcmp uno", x, x)


def _isinf(v: Lanes, x: str) -> str:
    return v.float("fcmp oeq", v.call("fabs", x), v.num(_INF))


def _isfinite(v: Lanes, x: str) -> str:
    return v.float("fcmp olt", v.call("fabs", x), v.num(_INF))


def _signbit(v: Lanes, x: str) -> str:
    return v.bit("icmp slt", v.bits(x), v.int(0))


def _spacing(v: Lanes, x: str) -> str:
    x = v.float("fadd", x, v.num(0.0))  # of -0.0 it is positive
    return v.float("fsub", v.of_bits(v.bit("add", v.bits(x), v.int(1))), x)


def _nextafter(v: Lanes, x: str, y: str) -> str:
    up, positive = v.float("fcmp ogt", y, x), v.float("fcmp ogt", x, v.num(0.0))
    inwards = v.both("xor", up, positive)
    out = v.of_bits(v.bit("add", v.bits(x), v.pick(inwards, v.int(-1), v.int(1))))
    least = v.call("copysign", v.of_bits(v.int(1)), y)
    out = v.select(v.float("fcmp oeq", x, v.num(0.0)), least, out)
    out = v.select(v.float("fcmp oeq", x, y), y, out)
    return v.select(v.float("fcmp uno", x, y), v.float("fadd", x, y), out)


def _ldexp(v: Lanes, x: str, y: str) -> str:
    # Up to three factors. Those of a small result leave 2**(bits of the significand + 1) to the
    # last, so that only the last product rounds.
    width, bias = _FIELD[v.d]
    low = 2 - bias + width  # the exponent of a factor on the way down
    n = v.call("trunc", y)
    for _ in range(2):
        big = v.float("fcmp ogt", n, v.num(bias))
        small = v.float("fcmp olt", n, v.num(1 - bias))
        by = v.select(small, v.num(2.0**low), v.num(1.0))
        by = v.select(big, v.num(2.0**bias), by)
        x = v.float("fmul", x, by)
        step = v.select(small, v.num(low), v.num(0.0))
        n = v.float("fsub", n, v.select(big, v.num(bias), step))
    n = v.select(v.float("fcmp olt", n, v.num(bias)), n, v.num(bias))
    n = v.select(v.float("fcmp ogt", n, v.num(1 - bias)), n, v.num(1 - bias))
    # the sum with 1.5 * 2**width has n in its low bits
    n = v.bits(v.float("fadd", n, v.num(1.5 * 2.0**width)))
    n = v.bit("shl", v.bit("add", n, v.int(bias)), v.int(width))
    return v.select(_isnan(v, y), y, v.float("fmul", x, v.of_bits(n)))


def _split(v: Lanes, x: str) -> tuple[str, str, str]:
    """Which lanes frexp splits; their bits with a denormal made normal; which lanes were so."""
    width, bias = _FIELD[v.d]
    size = v.call("fabs", x)
    some = v.float("fcmp one", x, v.num(0.0))
    some = v.both("and", some, v.float("fcmp olt", size, v.num(_INF)))
    denormal = v.float("fcmp olt", size, v.num(2.0 ** (1 - bias)))
    wide = v.float("fmul", x, v.select(denormal, v.num(2.0 ** (width + 1)), v.num(1.0)))
    return some, v.bits(wide), denormal


def _mantissa(v: Lanes, x: str) -> str:
    width, bias = _FIELD[v.d]
    field = (2 * bias + 1) << width
    some, bits, _ = _split(v, x)
    bits = v.bit("or", v.bit("and", bits, v.int(~field)), v.int((bias - 1) << width))
    return v.select(some, v.of_bits(bits), x)


def _exponent(v: Lanes, x: str) -> str:
    width, bias = _FIELD[v.d]
    some, bits, denormal = _split(v, x)
    field = v.bit("and", v.bit("lshr", bits, v.int(width)), v.int(2 * bias + 1))
    # 2**width has the field in its low bits
    magic = v.of_bits(v.bit("or", field, v.int((bias + width) << width)))
    offset = v.select(denormal, v.num(2.0**width + bias + width), v.num(2.0**width + bias - 1))
    return v.select(some, v.float("fsub", magic, offset), v.num(0.0))


SPECIAL: dict[str, Callable[[DType], Emit]] = {
    "sqrt": intrinsic("sqrt"), "floor": intrinsic("floor"), "ceil": intrinsic("ceil"),
    "trunc": intrinsic("trunc"), "rint": intrinsic("rint"), "round_away": intrinsic("round"),
    "copysign": intrinsic("copysign"), "isnan": _floats(_isnan), "isinf": _floats(_isinf),
    "isfinite": _floats(_isfinite), "signbit": _floats(_signbit), "spacing": _floats(_spacing),
    "nextafter": _floats(_nextafter), "ldexp": _floats(_ldexp), "mantissa": _floats(_mantissa),
    "exponent": _floats(_exponent),
}  # fmt: skip
