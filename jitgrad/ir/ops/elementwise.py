"""Elementwise rows: arithmetic, exponentials, comparisons, select, casts.

A derivative is a term linear in `t`, the tangent or the cotangent; `x`, `y`, `z` are the operands,
`out` the result. Where its root is `select(c, …, 0)` the lanes with c false are *inactive*: reverse
mode keeps c as the cotangent's mask, so that an infinite derivative further up cannot turn their
zero into NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op
from ..terms import (
    Term,
    abs_,
    cos,
    eq,
    exp,
    log,
    log1p,
    maximum,
    ne,
    not_,
    out,
    select,
    sigmoid,
    sign,  # fmt: skip
    sin,
    t,
    x,
    y,
)
from ..types import BOOL, TensorType, tensor
from .base import batch_elementwise, check_dtype, check_same, define, predicate, same

R = (-4.0, 4.0)  # an ordinary test interval
POS = (0.05, 8.0)


def _row(name: str, arity: int, types: Any, ref: Any, doc: str, **kw: Any) -> None:
    kw.setdefault("domain", (R,) * arity)
    kw.setdefault("batch", batch_elementwise)
    define(name, "elementwise", arity, types, ref, doc, elementwise=True, **kw)


# -- arithmetic -----------------------------------------------------------------------------------

_row("add", 2, same("num"), np.add, "x + y; ints wrap", deriv=(t, t),
     emit={"f": "fadd", "i": "add", "u": "add"}, props=("commutative", "associative"),
     edges="-0.0 + 0.0 is 0.0, so 0.0 + x is not x (-0.0 + x is)")  # fmt: skip
_row("sub", 2, same("num"), np.subtract, "x - y; ints wrap", deriv=(t, -t),
     emit={"f": "fsub", "i": "sub", "u": "sub"},
     edges="x - x is NaN for infinite x")  # fmt: skip
_row("mul", 2, same("num"), np.multiply, "x * y; ints wrap", deriv=(t * y, t * x),
     emit={"f": "fmul", "i": "mul", "u": "mul"}, props=("commutative", "associative"),
     edges="0 * inf is NaN: 0 * x is not 0")  # fmt: skip
_row("div", 2, same("float"), np.true_divide, "x / y of floats", deriv=(t / y, -(t * out / y)),
     emit={"f": "fdiv"}, domain=(R, POS), edges="x / 0 is signed infinity, 0 / 0 NaN")  # fmt: skip
_row("neg", 1, same("num"), np.negative, "-x; ints wrap", deriv=(-t,),
     emit={"f": "fneg", "i": "neg", "u": "neg"},
     edges="flips the sign of zero and NaN")  # fmt: skip
_row("abs", 1, same("num"), np.abs, "|x|; the derivative at 0 is 0",
     deriv=(select(ne(x, 0.0), t * sign(x), 0.0),),
     emit={"f": "fabs", "i": "abs", "u": "copy"},
     edges="of the least int it is that int")  # fmt: skip
_row("sign", 1, same("num"), np.sign, "-1, 0 or 1", deriv=(None,), emit="sign",
     edges="NaN stays NaN; of -0.0 it is 0.0 (NumPy)")  # fmt: skip


def _extreme_grads(holds: Callable[[Term, Term], Term]) -> tuple[Term, ...]:
    # equal operands share the cotangent; a NaN result belongs to whichever operand is NaN
    def one(mine: Term, other: Term) -> Term:
        share = select(eq(mine, other), 0.5, 1.0)
        return select(holds(mine, other) | ne(mine, mine), t * share, 0.0)

    return one(x, y), one(y, x)


_row("maximum", 2, same("any"), np.maximum, "the larger; equal operands share the derivative",
     deriv=_extreme_grads(lambda mine, other: mine >= other), emit="maximum",
     props=("commutative", "associative"),
     edges="NaN if either is")  # fmt: skip
_row("minimum", 2, same("any"), np.minimum, "the smaller; equal operands share the derivative",
     deriv=_extreme_grads(lambda mine, other: mine <= other), emit="minimum",
     props=("commutative", "associative"),
     edges="NaN if either is")  # fmt: skip

# -- exponentials, powers, trigonometry -----------------------------------------------------------


def _softplus(v: Any) -> Any:
    return np.logaddexp(v, np.zeros((), np.asarray(v).dtype))


def _sigmoid(v: Any) -> Any:
    # exp of a non-positive argument never overflows
    v = np.asarray(v)
    e = np.exp(-np.abs(v))
    one = v.dtype.type(1)
    return np.where(v >= 0, one, e) / (one + e) if v.dtype.kind == "f" else 1 / (1 + e)


def _erf(v: Any) -> Any:
    # NumPy has none; Python's is the C library's, good to an ULP
    v = np.asarray(v)
    return np.array([math.erf(a) for a in v.ravel().tolist()], v.dtype).reshape(v.shape)


_POW_X = t * y * x ** (y - 1)
# 0**0 is 1 and x**0 is flat: 0 * 0**-1 must not become NaN. (With x not 0 nothing goes wrong, and
# d/dy of this is 1/x at y = 0: masking every y = 0 would lose it.)
_POW_X_SAFE = select(ne(x, 0.0) | ne(y, 0.0), _POW_X, 0.0)
# at x = 0 the result does not move with y > 0: out * log(0) must not become NaN
_POW_Y = select(ne(x, 0.0) | not_(y > 0.0), t * out * log(x), 0.0)


def _pow_grad(op: Op, k: int) -> Term:
    if k == 1:
        return _POW_Y
    exponent = op.operands[1].op
    if exponent is not None and exponent.opdef.name == "constant":
        value = exponent.attrs["value"]
        if not isinstance(value, np.ndarray) and value != 0:
            return _POW_X
    return _POW_X_SAFE


_row("exp", 1, same("float"), np.exp, "e to the x", deriv=(t * out,), emit="math")
_row("expm1", 1, same("float"), np.expm1, "exp(x) - 1 without cancellation", deriv=(t * exp(x),),
     emit="math")  # fmt: skip
_row("log", 1, same("float"), np.log, "natural logarithm", deriv=(t / x,), emit="math",
     domain=(POS,), edges="-inf at 0, NaN below")  # fmt: skip
_row("log1p", 1, same("float"), np.log1p, "log(1 + x) without cancellation",
     deriv=(t / (1 + x),), emit="math", domain=((-0.9, 4.0),), edges="-inf at -1")  # fmt: skip
_row("sqrt", 1, same("float"), np.sqrt, "square root", deriv=(t * 0.5 / out,), emit="sqrt",
     domain=(POS,), edges="-0.0 stays, NaN below; the derivative at 0 is infinite")  # fmt: skip
_row("pow", 2, same("float"), np.power, "x to the y", deriv=_pow_grad, emit="math",
     domain=(POS, R), edges="C99: x**0 is 1 and 1**y is 1, even for NaN; NaN for a negative x "
     "and a y that is no integer")  # fmt: skip
_row("sin", 1, same("float"), np.sin, "sine", deriv=(t * cos(x),), emit="math")
_row("cos", 1, same("float"), np.cos, "cosine", deriv=(-(t * sin(x)),), emit="math")
_row("tan", 1, same("float"), np.tan, "tangent", deriv=(t * (1 + out * out),), emit="math",
     domain=((-1.2, 1.2),), edges="never infinite: no float is a pole")  # fmt: skip
_row("tanh", 1, same("float"), np.tanh, "hyperbolic tangent", deriv=(t * (1 - out * out),),
     emit="math", edges="the derivative 1 - tanh² rounds to 0 for |x| > 19")  # fmt: skip
_row("erf", 1, same("float"), _erf, "the error function", emit="math",
     deriv=(t * (2 / math.sqrt(math.pi)) * exp(-(x * x)),),
     edges="±1 from |x| = 6 on (f64)")  # fmt: skip
_row("sigmoid", 1, same("float"), _sigmoid, "the logistic function 1/(1 + exp(-x))",
     deriv=(t * (sigmoid(x) * sigmoid(-x)),),
     expand=select(x >= 0.0, 1.0, exp(-abs_(x))) / (1 + exp(-abs_(x))), emit="expand",
     edges="no overflow; the derivative s(x)·s(-x) keeps its digits at both ends")  # fmt: skip
_row("softplus", 1, same("float"), _softplus, "log(1 + exp(x))", deriv=(t * sigmoid(x),),
     expand=maximum(x, 0.0) + log1p(exp(-abs_(x))), emit="expand",
     edges="x for large x, exp(x) for very negative x")  # fmt: skip
# x - y, but 0 for two equal infinities (for them only: the gap of equal numbers has a derivative)
_apart = ne(x, y) | eq(x - y, x - y)
_gap, _gap_back = select(_apart, x - y, 0.0), select(_apart, y - x, 0.0)
_row("logaddexp", 2, same("float"), np.logaddexp, "log(exp(x) + exp(y))",
     deriv=(t * sigmoid(_gap), t * sigmoid(_gap_back)),
     expand=maximum(x, y) + log1p(exp(-abs_(_gap))), emit="expand", props=("commutative",),
     edges="two equal infinities give that infinity")  # fmt: skip
_row("floor", 1, same("float"), np.floor, "round down", deriv=(None,), emit="floor")

# -- comparisons and logic ------------------------------------------------------------------------

for _name, _ref, _f, _s, _u in (
    ("eq", np.equal, "oeq", "eq", "eq"), ("ne", np.not_equal, "une", "ne", "ne"),
    ("lt", np.less, "olt", "slt", "ult"), ("le", np.less_equal, "ole", "sle", "ule"),
    ("gt", np.greater, "ogt", "sgt", "ugt"), ("ge", np.greater_equal, "oge", "sge", "uge"),
):  # fmt: skip
    _row(_name, 2, predicate("any"), _ref, f"elementwise {_ref.__name__}", deriv=(None, None),
         emit={"f": "fcmp " + _f, "i": "icmp " + _s, "u": "icmp " + _u, "b": "icmp " + _u},
         props=("commutative",) if _name in ("eq", "ne") else (),
         edges="with a NaN true only for ne")  # fmt: skip
for _name, _bits in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
    _row(_name, 2, same("logic"), _bits, f"bitwise {_name}; logical on bools", deriv=(None, None),
         emit=dict.fromkeys("biu", _name), props=("commutative", "associative"),
         domain=((0, 2), (0, 2)))  # fmt: skip
_row("not", 1, same("logic"), np.invert, "bitwise not; logical on bools", deriv=(None,),
     emit="not", domain=((0, 2),))  # fmt: skip
_row("isnan", 1, predicate("float"), np.isnan, "whether x is NaN", deriv=(None,), emit="isnan")


def _select_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    mask, a, b = types
    if mask.dtype is not BOOL:
        raise DTypeError(f"{name} takes a bool mask first, not {mask.dtype}")
    check_same(name, (a, b))
    if mask.shape != a.shape:
        raise ShapeError(f"{name} of {mask}, {a} and {b}: shapes differ")
    return (a,)


_row("select", 3, _select_types, np.where, "where the mask x is set y, else z",
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
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(v).astype(dtype.np)


def _cast_transpose(b: Any, op: Op, ct: Any, k: int) -> Any:
    return b.cast(ct, BOOL if ct.type.dtype is BOOL else op.operands[0].type.dtype)


_row("cast", 1, _cast_types, _cast, "the value in another dtype", attrs={"dtype": "dtype"},
     linear=(0,), transpose=_cast_transpose, emit="cast",
     edges="float to int truncates; what does not fit (NaN too) gives the least int")  # fmt: skip


def _stop(v: Any) -> Any:
    return v


_row("identity", 1, same("any"), _stop, "x itself; a fresh value to differentiate by",
     deriv=(t,), emit="copy")  # fmt: skip
_row("stop_gradient", 1, same("any"), _stop, "x, held constant by derivatives", deriv=(None,),
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


_row("wrap_index", 1, _wrap_types, _wrap_index, "an index made non-negative, checked against size",
     attrs={"size": "dim"}, deriv=(None,), emit="wrap_index", domain=((0, 2),),
     edges="IndexError outside [-size, size)")  # fmt: skip
