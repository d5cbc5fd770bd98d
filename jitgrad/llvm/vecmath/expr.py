"""Vector expressions in Python operators, written as LLVM text IR: ``p = fma(p, x, c)``.

An :class:`X` is one SSA value with its dtype and number of lanes; its operators write one
instruction each and lift Python numbers to constants of the same type. No instruction carries
fast-math flags: the error compensation in these functions is exactly what such flags remove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from ..text import BITS, DTYPES, Writer, const, vec

if TYPE_CHECKING:
    from .library import MathLibrary

Operand = Union["X", float, int]

INT = {"f64": "i64", "f32": "i32"}
"""Float dtype -> the integer dtype of its bits."""
MANTISSA = {"f64": 52, "f32": 23}
"""Float dtype -> stored bits of the significand."""
BIAS = {"f64": 1023, "f32": 127}
"""Float dtype -> exponent bias, which is the largest exponent of a finite number too."""
SIGN = {"f64": 1 << 63, "f32": 1 << 31}
"""Float dtype -> the sign bit."""
INF = float("inf")
NAN = float("nan")


class X:
    """One SSA value: writer and library it belongs to, dtype, lanes, name."""

    __slots__ = ("dtype", "lanes", "lib", "name", "w")

    def __init__(self, w: Writer, lib: MathLibrary, dtype: str, lanes: int, name: str) -> None:
        self.w, self.lib, self.dtype, self.lanes, self.name = w, lib, dtype, lanes, name

    def like(self, name: str, dtype: str | None = None) -> X:
        """The SSA value `name` with this value's lanes, and its dtype unless another is given."""
        return X(self.w, self.lib, dtype or self.dtype, self.lanes, name)

    def lift(self, other: Operand) -> str:
        """The operand text of a value or a Python number of this type."""
        if isinstance(other, X):
            return other.name
        return const(self.dtype, self.lanes, other)

    def constant(self, value: float | int) -> X:
        """A constant of this type."""
        return self.like(const(self.dtype, self.lanes, value))

    @property
    def type(self) -> str:
        """The LLVM type."""
        return vec(self.dtype, self.lanes)

    def _bin(self, fop: str, iop: str, other: Operand) -> X:
        op = fop if self.dtype in INT else iop
        return self.like(self.w.op(f"{op} {self.type} {self.name}, {self.lift(other)}"))

    def _rbin(self, fop: str, iop: str, other: Operand) -> X:
        op = fop if self.dtype in INT else iop
        return self.like(self.w.op(f"{op} {self.type} {self.lift(other)}, {self.name}"))

    def __add__(self, other: Operand) -> X:
        return self._bin("fadd", "add", other)

    def __radd__(self, other: Operand) -> X:
        return self._rbin("fadd", "add", other)

    def __sub__(self, other: Operand) -> X:
        return self._bin("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> X:
        return self._rbin("fsub", "sub", other)

    def __mul__(self, other: Operand) -> X:
        return self._bin("fmul", "mul", other)

    def __rmul__(self, other: Operand) -> X:
        return self._rbin("fmul", "mul", other)

    def __truediv__(self, other: Operand) -> X:
        return self._bin("fdiv", "", other)

    def __rtruediv__(self, other: Operand) -> X:
        return self._rbin("fdiv", "", other)

    def __neg__(self) -> X:
        return self.like(self.w.op(f"fneg {self.type} {self.name}"))

    def __and__(self, other: Operand) -> X:
        return self._bin("", "and", other)

    def __or__(self, other: Operand) -> X:
        return self._bin("", "or", other)

    def __xor__(self, other: Operand) -> X:
        return self._bin("", "xor", other)

    def __invert__(self) -> X:
        return self._bin("", "xor", -1 if self.dtype != "bool" else 1)

    def __lshift__(self, bits: int) -> X:
        return self._bin("", "shl", bits)

    def __rshift__(self, bits: int) -> X:
        """Logical: zeros come in."""
        return self._bin("", "lshr", bits)

    def _cmp(self, fpred: str, ipred: str, other: Operand) -> X:
        op = f"fcmp {fpred}" if self.dtype in INT else f"icmp {ipred}"
        return self.like(self.w.op(f"{op} {self.type} {self.name}, {self.lift(other)}"), "bool")

    def __lt__(self, other: Operand) -> X:
        return self._cmp("olt", "slt", other)

    def __le__(self, other: Operand) -> X:
        return self._cmp("ole", "sle", other)

    def __gt__(self, other: Operand) -> X:
        return self._cmp("ogt", "sgt", other)

    def __ge__(self, other: Operand) -> X:
        return self._cmp("oge", "sge", other)

    def eq(self, other: Operand) -> X:
        """Lanes that are equal (false where either is NaN)."""
        return self._cmp("oeq", "eq", other)

    def ne(self, other: Operand) -> X:
        """Lanes that are not equal (true where either is NaN)."""
        return self._cmp("une", "ne", other)

    def bits(self) -> X:
        """The bit pattern of a float, as integers."""
        return bitcast(self, INT[self.dtype])


def bitcast(x: X, dtype: str) -> X:
    """The same bits as `dtype`."""
    return x.like(x.w.op(f"bitcast {x.type} {x.name} to {vec(dtype, x.lanes)}"), dtype)


def convert(x: X, dtype: str) -> X:
    """f32 to f64, exactly, or f64 to f32, rounded."""
    op = "fpext" if BITS[dtype] > BITS[x.dtype] else "fptrunc"
    return x.like(x.w.op(f"{op} {x.type} {x.name} to {vec(dtype, x.lanes)}"), dtype)


def select(mask: X, a: Operand, b: Operand) -> X:
    """`a` in the lanes where `mask` is set, else `b`; one of the two is an :class:`X`."""
    v = a if isinstance(a, X) else b
    assert isinstance(v, X)
    return v.like(
        v.w.op(
            f"select {mask.type} {mask.name}, {v.type} {v.lift(a)}, {v.type} {v.lift(b)}",
        )
    )


def intrinsic(name: str, *args: X) -> X:
    """A call of ``llvm.name`` over the operands' common float type."""
    x = args[0]
    suffix = x.dtype if x.lanes == 1 else f"v{x.lanes}{x.dtype}"
    ty = x.type
    lib = x.lib
    lib.declares.add(f"declare {ty} @llvm.{name}.{suffix}({', '.join([ty] * len(args))})")
    operands = ", ".join(f"{ty} {a.name}" for a in args)
    return x.like(x.w.op(f"call {ty} @llvm.{name}.{suffix}({operands})"))


def fma(a: Operand, b: Operand, c: Operand) -> X:
    """a*b + c with one rounding, with two where the target has no FMA; one is an :class:`X`."""
    v = a if isinstance(a, X) else b if isinstance(b, X) else c
    assert isinstance(v, X)
    x, y, z = (o if isinstance(o, X) else v.constant(o) for o in (a, b, c))
    if not v.lib.fma:
        return x * y + z
    return intrinsic("fma", x, y, z)


def fabs(x: X) -> X:
    """|x|."""
    return intrinsic("fabs", x)


def sqrt(x: X) -> X:
    """The correctly rounded square root."""
    return intrinsic("sqrt", x)


def floor(x: X) -> X:
    """Rounded down."""
    return intrinsic("floor", x)


def copysign(magnitude: X, sign: X) -> X:
    """`magnitude` with the sign of `sign`."""
    return intrinsic("copysign", magnitude, sign)


def clamp_above(x: X, limit: float) -> X:
    """min(limit, x); NaN stays NaN."""
    return select(x > limit, limit, x)


def clamp_below(x: X, limit: float) -> X:
    """max(limit, x); NaN stays NaN."""
    return select(x < limit, limit, x)


def poly(x: X, coefficients: tuple[float, ...]) -> X:
    """The polynomial with these coefficients, lowest power first, by Horner's rule."""
    p = x.constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        p = fma(p, x, c)
    return p


def flip_sign(x: X, bits: X) -> X:
    """`x` with its bits exclusive-ored by `bits`, integers that hold a sign bit or zero."""
    return bitcast(x.bits() ^ bits, x.dtype)


def fast_two_sum(a: Operand, b: Operand) -> tuple[X, X]:
    """a + b as an unevaluated sum, given |a| >= |b| or a = 0 (Dekker 1971)."""
    s = a + b
    assert isinstance(s, X)
    return s, b - (s - a)


def two_sum(a: X, b: Operand) -> tuple[X, X]:
    """a + b as an unevaluated sum, whichever is the larger (Knuth 1969)."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def two_product(a: X, b: Operand) -> tuple[X, X]:
    """a * b as an unevaluated sum; without FMA by halves (Dekker 1971), far from overflow."""
    p = a * b
    return p, residue(a, b, p)


def residue(a: X, b: Operand, p: X) -> X:
    """a * b - p where that is a float, as it is for the product rounded."""
    if a.lib.fma:
        return fma(a, b, -p)
    a_high, a_low = _halves(a)
    if isinstance(b, X):
        b_high, b_low = (a_high, a_low) if b is a else _halves(b)
    else:
        b_high, b_low = _halves(a.constant(b))
    return ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(x: X) -> tuple[X, X]:
    t = x * (2.0 ** (MANTISSA[x.dtype] // 2 + 1) + 1.0)
    high = t - (t - x)
    return high, x - high


def number(low: X) -> X:
    """A low part, zero where it is no number for the high one being infinite or very large."""
    return select(fabs(low) < INF, low, 0.0)


def magic(dtype: str) -> float:
    """1.5 * 2**(significand bits): adding it rounds to an integer, left in the low bits."""
    return 1.5 * 2.0 ** MANTISSA[dtype]


def any_lane(mask: X) -> str:
    """An ``i1``: whether the mask is set in any lane."""
    if mask.lanes == 1:
        return mask.name
    bits = mask.w.op(f"bitcast {mask.type} {mask.name} to i{mask.lanes}")
    return mask.w.op(f"icmp ne i{mask.lanes} {bits}, 0")


def scalar_type(x: X) -> str:
    """The LLVM type of one lane."""
    return DTYPES[x.dtype]
