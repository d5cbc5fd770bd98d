"""Constants: their identity as bit patterns, splats seen through shape ops, and folding.

Folding calls the op's own reference, so it cannot disagree with the interpreter. What would raise
is left in the program, to raise when it runs.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ..ir.build import Builder, python_value
from ..ir.core import Op, Value
from ..ir.interp import eval_op
from ..ir.ops import TABLE
from ..ir.types import TensorType

_CONST = TABLE["constant"]
_SAME_ELEMENTS = frozenset(
    TABLE[n] for n in ("broadcast", "reshape", "transpose", "refine", "reverse", "identity")
)
_pack = struct.Struct("<d").pack


def value_key(value: Any) -> Any:
    """A hashable key for a constant's number: equal only for equal bits (nan, -0.0, 1 and True).

    >>> value_key(0.0) == value_key(-0.0), value_key(1.0) == value_key(1)
    (False, False)
    """
    cls = value.__class__
    if cls is float:
        return _pack(value) if value == 0.0 or value != value else value
    if cls is complex:
        return _pack(value.real) + _pack(value.imag)
    return (cls, value)


def constant_key(op: Op) -> tuple:
    """A key equal for constants of the same type and bits; spelling does not matter."""
    value = op.attrs["value"]
    type_ = op.attrs["type"]
    if value.__class__ is np.ndarray:
        if value.size > 64:
            return (_CONST, type_, "array", id(value))
        return (_CONST, type_, value.tobytes())
    return (_CONST, type_, value_key(value))


def splat(v: Value) -> Any:
    """The number that every element of `v` is, or None; looks through broadcasts and the like."""
    op = v.op
    while op is not None:
        if op.opdef is _CONST:
            value = op.attrs["value"]
            if value.__class__ is not np.ndarray:
                return value
            return value.item() if value.ndim == 0 else None
        if op.opdef in _SAME_ELEMENTS:
            op = op.operands[0].op
        elif op.opdef.name == "fill":
            op = op.operands[1].op
        else:
            return None
    return None


def is_number(value: Any, want: Any) -> bool:
    """Whether a constant's number is exactly `want`: signed zeros differ, 1 stands for 1.0.

    >>> is_number(2.0, 2), is_number(-0.0, 0.0), is_number(True, 1.0)
    (True, False, False)
    """
    if value.__class__ is bool or want.__class__ is bool:
        return value is want
    if value is None or value != want:
        return value is not None and value != value and want != want
    return value != 0 or str(float(value))[0] == str(float(want))[0]


def constant(value: Any, type_: TensorType, like: Op, rule: str = "fold") -> Value:
    """A constant made in the place of `like`."""
    return Builder(like.loc, rule).const(value, type_)


def fold_op(op: Op, limit: int = 64) -> Value | None:
    """The result of an op on constants, as a constant; None where it cannot or must not fold.

    Elementwise ops on splats fold as scalars, whatever the size; other ops only where the result
    and the operands are static and have at most `limit` elements.
    """
    row = op.opdef
    if len(op.results) != 1 or op.regions or row.ref is None or "prints" in row.props:
        return None
    values = [v.op.attrs["value"] for v in op.operands]  # type: ignore[union-attr]
    type_ = op.results[0].type
    splats = not any(v.__class__ is np.ndarray for v in values)
    try:
        if splats and op.opdef.elementwise and "size" not in op.attrs:
            args = [np.asarray(v, o.type.dtype.np) for v, o in zip(values, op.operands)]
            out = eval_op(op, args, {})[0]
            return constant(python_value(out.item(), type_.dtype), type_, op)
        if not type_.static or any(not v.type.static for v in op.operands):
            return None
        if any(n > limit for n in (type_.size, *(v.type.size for v in op.operands))):  # type: ignore[operator]
            return None
        args = [_array(v, o.type) for v, o in zip(values, op.operands)]
        out = np.asarray(eval_op(op, args, {})[0])
    except Exception:  # it raises when it runs, too
        return None
    if out.size and (out == out.ravel()[0]).all() and _one_sign(out):
        return constant(python_value(out.ravel()[0].item(), type_.dtype), type_, op)
    out = np.array(out)
    out.flags.writeable = False
    return constant(out, type_, op)


def _array(value: Any, type_: TensorType) -> np.ndarray:
    if value.__class__ is np.ndarray:
        return value
    shape: Any = type_.shape  # static here
    return np.full(shape, value, type_.dtype.np)


def _one_sign(a: np.ndarray) -> bool:
    return a.dtype.kind != "f" or bool((np.signbit(a) == np.signbit(a.ravel()[0])).all())
