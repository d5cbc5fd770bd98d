"""Dtypes of elementwise functions of variables: NumPy's promotion, and what rows need of it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import DTypeError, JitgradError
from ..ir.ops import TABLE, OpDef
from ..ir.types import BOOL, DTYPES, F64, I64, DType, dtype_of, tensor

_LOGIC = {"add": "or", "mul": "and"}  # of two bools, as NumPy
# of bools NumPy makes int8 here
_WIDENED = frozenset({"mod", "floordiv", "fmod", "shl", "shr", "ipow", "bitwise_count"})
ROUNDING = frozenset({"floor", "ceil", "trunc", "rint", "round_away"})
"""What ints and bools are already."""
QUESTIONS = {"isnan": "ne", "isinf": "ne", "isfinite": "eq"}
"""What is asked of floats; ints answer as this comparison with themselves does."""


@lru_cache(4096)
def common(dtypes: tuple[DType, ...], weak: tuple[type, ...]) -> DType:
    """NumPy's result dtype of dtypes and of Python numbers of the given classes."""
    found = dtype_of(np.result_type(*[d.np for d in dtypes], *[w(0) for w in weak]))
    if found.kind == "c":
        raise DTypeError("complex numbers are not there yet")
    return found


def _refuses_ints(row: OpDef) -> bool:
    if row.attrs or not row.elementwise:
        return False
    try:
        row.types(row.name, [tensor(I64, ())] * (row.arity or 0), {}, ())
    except JitgradError:
        return row.name != "select"
    return False


_FLOAT_ONLY = frozenset(row.name for row in TABLE.values() if _refuses_ints(row))


def suited(name: str, dtype: DType) -> tuple[str, DType]:
    """The op and the dtype of its operands for operands of `dtype`: a function of floats takes
    float64 for ints, arithmetic of bools is logic or int8."""
    if dtype.kind == "f":
        return name, dtype
    if name in _FLOAT_ONLY:
        return name, F64
    if dtype is BOOL:
        if name in _LOGIC:
            return _LOGIC[name], dtype
        if name in _WIDENED:
            return name, DTYPES["i8"]
    return name, dtype
