"""Comparisons that no common dtype could make: i64 with u64, ints with numbers out of range."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.build import Builder
from ..ir.core import Value
from ..ir.types import BOOL, DType, tensor

UFUNC: dict[str, np.ufunc] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
"""The comparisons: row -> NumPy's function."""


def inside(x: int, kind: DType) -> bool:
    """Whether an int dtype holds a Python number."""
    info = np.iinfo(kind.np)
    return bool(info.min <= x <= info.max)


def compare(b: Builder, op: str, x: Value, y: Value) -> Value:
    """A comparison of two values of one shape, of one dtype or of i64 and u64."""
    if x.type.dtype is y.type.dtype:
        return b(op, x, y)
    swap = x.type.dtype.kind == "u"
    signed, other = (y, x) if swap else (x, y)
    wrapped = b.cast(signed, other.type.dtype)
    plain = b(op, other, wrapped) if swap else b(op, wrapped, other)
    # a negative number is below all of the other dtype
    below = b.const(answer(op, 0, -1) if swap else answer(op, -1, 0), tensor(BOOL, x.type.shape))
    return b.select(b("lt", signed, b.zeros(signed.type)), below, plain)


def answer(op: str, x: Any, y: Any) -> bool:
    """The comparison of two Python numbers."""
    return bool(UFUNC[op](x, y))
