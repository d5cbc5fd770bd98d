"""Numbers that a graph fixes: `get_scalar_constant_value`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import at
from ..ir.core import Value, function, reachable
from ..ir.interp import run
from .source import here
from .symbolic import TensorVariable

# ops that give the elements of their first operand (of `fill`: of the second)
_SAME = {"broadcast": 0, "reshape": 0, "refine": 0, "transpose": 0, "reverse": 0, "identity": 0,
         "stop_gradient": 0, "slice": 0, "fill": 1}  # fmt: skip


class NotScalarConstantError(TypeError):
    """A variable whose value is not one number, the same at each call."""


class EmptyConstantError(NotScalarConstantError):
    """A constant without elements."""


def get_scalar_constant_value(v: Any, elemwise: bool = True, only_process_constants: bool = False,
                              max_recur: int = 10) -> np.ndarray:  # fmt: skip
    """The number, a 0-d array, that all elements of a variable are, whatever the inputs.

    >>> get_scalar_constant_value(3)
    array(3)

    Raises `NotScalarConstantError` where there is none. The other arguments mean nothing here.
    """
    if isinstance(v, TensorVariable):
        return _number(v.value, v)
    got = np.asarray(v)
    if got.dtype.kind not in "biuf":
        raise NotScalarConstantError(at(f"{v!r:.60} is no number", here()))
    return _one(got, v)


def _number(v: Value, shown: Any) -> np.ndarray:
    op = v.op
    while op is not None and op.opdef.name in _SAME:
        v = op.operands[_SAME[op.opdef.name]]
        op = v.op
    if op is not None and op.opdef.name == "cast":
        return _number(op.operands[0], shown).astype(op.attrs["dtype"].np)
    if op is not None and op.opdef.name == "constant":
        value = op.attrs["value"]
        if isinstance(value, np.ndarray):
            return _one(value, shown)
        return np.asarray(value, v.type.dtype.np)
    if v.type.static and v.type.rank == 0:
        try:
            fn = function("constant", [], [v])
        except Exception as err:
            raise NotScalarConstantError(at(f"{shown!r} depends on {err}", here())) from None
        if all(o.opdef.name != "dim" or o.attrs["expr"].__class__ is int for o in reachable([v])):
            return np.asarray(run(fn, [])[0])
    raise NotScalarConstantError(at(f"{shown!r} is not one constant number", here()))


def _one(value: np.ndarray, shown: Any) -> np.ndarray:
    if not value.size:
        raise EmptyConstantError(at(f"{shown!r} has no elements", here()))
    first = value.reshape(-1)[0]
    if not np.all((value == first) | ((value != value) & (first != first))):
        raise NotScalarConstantError(at(f"{shown!r} has elements that differ", here()))
    return np.array(first)


__all__ = ["EmptyConstantError", "NotScalarConstantError", "get_scalar_constant_value"]
