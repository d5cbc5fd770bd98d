"""The text-IR writer that every emitter of LLVM code shares.

jitgrad writes LLVM IR as text (opaque pointers, the syntax of LLVM 19 and later): building
objects and printing them costs more than ten times as much (see ``docs/architecture.md``).

A value's type is a pair ``(dtype, lanes)``: jitgrad's dtype name and a power of two. One lane
means the scalar type. Integers carry no sign in LLVM, so ``u32`` and ``i32`` are the same type
here; the instruction chosen says which was meant. ``bool`` is ``i1`` in registers; in memory it
is one byte.

>>> w = Writer()
>>> x = w.op(f"fadd {vec('f64', 4)} %a, {const('f64', 4, 0.5)}")
>>> w.line(f"ret {vec('f64', 4)} {x}")
>>> print("\\n".join(w.lines))
  %t0 = fadd <4 x double> %a, splat (double 0x3FE0000000000000)
  ret <4 x double> %t0
"""

from __future__ import annotations

import struct

DTYPES: dict[str, str] = {
    "bool": "i1",
    "i8": "i8",
    "i16": "i16",
    "i32": "i32",
    "i64": "i64",
    "u8": "i8",
    "u16": "i16",
    "u32": "i32",
    "u64": "i64",
    "f32": "float",
    "f64": "double",
}
"""jitgrad dtype name -> LLVM scalar type in registers."""

BITS: dict[str, int] = {name: int(name[1:]) for name in DTYPES if name != "bool"} | {"bool": 1}
"""jitgrad dtype name -> width in bits in registers."""

_double = struct.Struct("<d")
_float = struct.Struct("<f")
_u64 = struct.Struct("<Q")


def vec(dtype: str, lanes: int) -> str:
    """The LLVM type of `lanes` elements: ``double`` for one lane, else ``<16 x double>``."""
    if lanes == 1:
        return DTYPES[dtype]
    return f"<{lanes} x {DTYPES[dtype]}>"


def float_bits(value: float) -> str:
    """``0x`` and 16 hex digits of a double: LLVM's exact spelling of double *and* float."""
    return f"0x{_u64.unpack(_double.pack(value))[0]:016X}"


def _round_f32(value: float) -> float:
    """The nearest f32, as a double; overflow rounds to infinity."""
    try:
        rounded: float = _float.unpack(_float.pack(value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return rounded


def scalar_const(dtype: str, value: object) -> str:
    """The exact text of one constant without its type: ``0x3FF0000000000000``, ``-1``, ``true``.

    Floats are rounded to the dtype (every NaN becomes the canonical quiet one), integers wrap,
    and a bool is ``value != 0``.

    >>> scalar_const("f32", 0.1), scalar_const("i8", 255), scalar_const("bool", 3)
    ('0x3FB99999A0000000', '-1', 'true')
    """
    if dtype == "f64" or dtype == "f32":
        number = float(value)  # type: ignore[arg-type]
        if number != number:
            return "0x7FF8000000000000"
        return float_bits(number if dtype == "f64" else _round_f32(number))
    if dtype == "bool":
        return "true" if value else "false"
    bits = BITS[dtype]
    wrapped = int(value) & ((1 << bits) - 1)  # type: ignore[call-overload]
    return str(wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped)


def const(dtype: str, lanes: int, value: object) -> str:
    """The exact text of a constant operand without its type; the same value in every lane.

    >>> const("f64", 1, 1.0), const("f64", 8, 1.0), const("i64", 2, 7)
    ('0x3FF0000000000000', 'splat (double 0x3FF0000000000000)', 'splat (i64 7)')
    """
    text = scalar_const(dtype, value)
    if lanes == 1:
        return text
    return f"splat ({DTYPES[dtype]} {text})"


class Writer:
    """Collects the lines of one function body and numbers its temporaries.

    Names made by :meth:`tmp` are ``%t0``, ``%t1`` …; callers name arguments and labels
    themselves, so nothing else may start with ``%t`` and a digit.
    """

    __slots__ = ("_count", "_labels", "lines")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0
        self._labels = 0

    def tmp(self) -> str:
        """A fresh SSA name."""
        n = self._count
        self._count = n + 1
        return f"%t{n}"

    def op(self, text: str) -> str:
        """Write ``%tN = text`` and return ``%tN``."""
        n = self._count
        self._count = n + 1
        self.lines.append(f"  %t{n} = {text}")
        return f"%t{n}"

    def line(self, text: str) -> None:
        """Write an instruction that has no result."""
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        """Start the block `name` (given without ``%`` and colon)."""
        self.lines.append(name + ":")

    def fresh_label(self, stem: str) -> str:
        """A block name that this writer has not handed out: ``stem.0``, ``stem.1`` …"""
        n = self._labels
        self._labels = n + 1
        return f"{stem}.{n}"

    def text(self) -> str:
        """All lines, each ended by a newline."""
        return "\n".join(self.lines) + "\n" if self.lines else ""
