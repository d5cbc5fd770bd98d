"""Elementwise rows: arithmetic, comparisons, logic, select, casts.

A derivative is a term linear in `t`, the tangent or the cotangent; `x`, `y`, `z` are the operands,
`out` the result. Where its root is `select(c, …, 0)` the lanes with c false are *inactive*: reverse
mode keeps c as the cotangent's mask, so that an infinite derivative further up cannot turn their
zero into NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op
from ..terms import (
    Term,
    eq,
    ne,
    not_,
    out,
    select,
    sign,  # fmt: skip
    t,
    x,
    y,
)
from ..types import BOOL, TensorType, tensor
from .base import batch_elementwise, check_dtype, check_same, define, predicate, same

R = (-4.0, 4.0)  # an ordinary test interval
POS = (0.05, 8.0)


def row(name: str, arity: int, types: Any, ref: Any, doc: str, **kw: Any) -> None:
    kw.setdefault("domain", (R,) * arity)
    kw.setdefault("batch", batch_elementwise)
    define(name, "elementwise", arity, types, ref, doc, elementwise=True, **kw)


# -- arithmetic -----------------------------------------------------------------------------------

row("add", 2, same("num"), np.add, "x + y; ints wrap", deriv=(t, t),
     emit={"f": "fadd", "i": "add", "u": "add"}, props=("commutative", "associative"),
     edges="-0.0 + 0.0 is 0.0, so 0.0 + x is not x (-0.0 + x is)")  # fmt: skip
row("sub", 2, same("num"), np.subtract, "x - y; ints wrap", deriv=(t, -t),
     emit={"f": "fsub", "i": "sub", "u": "sub"},
     edges="x - x is NaN for infinite x")  # fmt: skip
row("mul", 2, same("num"), np.multiply, "x * y; ints wrap", deriv=(t * y, t * x),
     emit={"f": "fmul", "i": "mul", "u": "mul"}, props=("commutative", "associative"),
     edges="0 * inf is NaN: 0 * x is not 0")  # fmt: skip
row("div", 2, same("float"), np.true_divide, "x / y of floats", deriv=(t / y, -(t * out / y)),
     emit={"f": "fdiv"}, domain=(R, POS), edges="x / 0 is signed infinity, 0 / 0 NaN")  # fmt: skip
row("neg", 1, same("num"), np.negative, "-x; ints wrap", deriv=(-t,),
     emit={"f": "fneg", "i": "neg", "u": "neg"},
     edges="flips the sign of zero and NaN")  # fmt: skip
row("abs", 1, same("num"), np.abs, "|x|; the derivative at 0 is 0",
     deriv=(select(ne(x, 0.0), t * sign(x), 0.0),),
     emit={"f": "fabs", "i": "abs", "u": "copy"},
     edges="of the least int it is that int")  # fmt: skip
row("sign", 1, same("num"), np.sign, "-1, 0 or 1", deriv=(None,), emit="sign",
     edges="NaN stays NaN; of -0.0 it is 0.0 (NumPy)")  # fmt: skip


def extreme_grads(holds: Callable[[Term, Term], Term], nan: bool = True) -> tuple[Term, ...]:
    """Derivatives of a larger or smaller one: equal operands share the cotangent; with `nan`, a
    NaN result belongs to whichever operand is NaN."""

    def one(mine: Term, other: Term) -> Term:
        share = select(eq(mine, other), 0.5, 1.0)
        held = holds(mine, other)
        return select(held | ne(mine, mine) if nan else held, t * share, 0.0)

    return one(x, y), one(y, x)


row("maximum", 2, same("any"), np.maximum, "the larger; equal operands share the derivative",
     deriv=extreme_grads(lambda mine, other: mine >= other), emit="maximum",
     props=("commutative", "associative"),
     edges="NaN if either is")  # fmt: skip
row("minimum", 2, same("any"), np.minimum, "the smaller; equal operands share the derivative",
     deriv=extreme_grads(lambda mine, other: mine <= other), emit="minimum",
     props=("commutative", "associative"),
     edges="NaN if either is")  # fmt: skip

# -- comparisons and logic ------------------------------------------------------------------------

for _name, _ref, _f, _s, _u in (
    ("eq", np.equal, "oeq", "eq", "eq"), ("ne", np.not_equal, "une", "ne", "ne"),
    ("lt", np.less, "olt", "slt", "ult"), ("le", np.less_equal, "ole", "sle", "ule"),
    ("gt", np.greater, "ogt", "sgt", "ugt"), ("ge", np.greater_equal, "oge", "sge", "uge"),
):  # fmt: skip
    row(_name, 2, predicate("any"), _ref, f"elementwise {_ref.__name__}", deriv=(None, None),
         emit={"f": "fcmp " + _f, "i": "icmp " + _s, "u": "icmp " + _u, "b": "icmp " + _u},
         props=("commutative",) if _name in ("eq", "ne") else (),
         edges="with a NaN true only for ne")  # fmt: skip
for _name, _bits in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
    row(_name, 2, same("logic"), _bits, f"bitwise {_name}; logical on bools", deriv=(None, None),
         emit=dict.fromkeys("biu", _name), props=("commutative", "associative"),
         domain=((0, 2), (0, 2)))  # fmt: skip
row("not", 1, same("logic"), np.invert, "bitwise not; logical on bools", deriv=(None,),
     emit="not", domain=((0, 2),))  # fmt: skip


def _select_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    mask, a, b = types
    if mask.dtype is not BOOL:
        raise DTypeError(f"{name} takes a bool mask first, not {mask.dtype}")
    check_same(name, (a, b))
    if mask.shape != a.shape:
        raise ShapeError(f"{name} of {mask}, {a} and {b}: shapes differ")
    return (a,)


row("select", 3, _select_types, np.where, "where the mask x is set y, else z",
     deriv=(None, select(x, t, 0.0), select(not_(x), t, 0.0)), emit="select",
     domain=((0, 2), R, R),
     edges="the lane not taken never contaminates value or gradient")  # fmt: skip

# -- casts and markers ----------------------------------------------------------------------------


def _cast_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    dtype = attrs["dtype"]
    check_dtype(name, tensor(dtype, ()), "any")
    check_dtype(name, types[0], "any")
    return (tensor(dtype, types[0].shape),)


def _cast(v: Any, *, dtype: Any) -> Any:
    v = np.asarray(v)
    with np.errstate(invalid="ignore", over="ignore"):
        if v.dtype.kind == "f" and dtype.kind in "iu":
            return _to_int(v, dtype)
        return v.astype(dtype.np)


def _to_int(v: Any, dtype: Any) -> Any:
    """What x86 gives by its one conversion, to i32 or i64: NumPy's result depends on the length
    of the array where the number does not fit."""
    if dtype.name == "u64":
        top = v.dtype.type(2.0**63)
        low, high = _signed(v, 64), _signed(v - top, 64) ^ np.int64(-(2**63))
        return np.where(v < top, low, high).astype(dtype.np)
    return _signed(v, 64 if dtype.bits == 64 or dtype.name == "u32" else 32).astype(dtype.np)


def _signed(v: Any, bits: int) -> Any:
    v, top = np.trunc(v), v.dtype.type(2.0 ** (bits - 1))
    fits = (v >= -top) & (v < top)
    kind = np.int64 if bits == 64 else np.int32
    return np.where(fits, np.where(fits, v, 0).astype(kind), np.iinfo(kind).min).astype(kind)


def _cast_transpose(b: Any, op: Op, ct: Any, k: int) -> Any:
    return b.cast(ct, BOOL if ct.type.dtype is BOOL else op.operands[0].type.dtype)


row("cast", 1, _cast_types, _cast, "the value in another dtype", attrs={"dtype": "dtype"},
     linear=(0,), transpose=_cast_transpose, emit="cast",
     edges="float to int truncates; what does not fit (NaN too) gives the least int of i64 (for "
     "i64, u64, u32) or of i32, wrapped, but 0 for u64; NaN is true")  # fmt: skip


def _stop(v: Any) -> Any:
    return v


row("identity", 1, same("any"), _stop, "x itself; a fresh value to differentiate by",
     deriv=(t,), emit="copy")  # fmt: skip
row("stop_gradient", 1, same("any"), _stop, "x, held constant by derivatives", deriv=(None,),
     emit="copy")  # fmt: skip


def _wrap_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    if types[0].dtype.name != "i64":
        raise DTypeError(f"{name} takes i64, not {types[0].dtype}")
    return (types[0],)


def _wrap_index(v: Any, *, size: int) -> Any:
    v = np.asarray(v)
    bad = (v < -size) | (v >= size)
    if bad.any():
        first = int(v[bad].ravel()[0]) if v.ndim else int(v)
        raise IndexError(f"index {first} is out of bounds for axis with size {size}")
    return np.where(v < 0, v + size, v)


row("wrap_index", 1, _wrap_types, _wrap_index, "an index made non-negative, checked against size",
     attrs={"size": "dim"}, deriv=(None,), emit="wrap_index", domain=((0, 2),),
     props=("raises",), edges="IndexError outside [-size, size)")  # fmt: skip
