"""Arguments of a call: converted where nothing is lost, refused by name where something is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import ShapeError
from .ir.core import Function
from .ir.types import TensorType

LARGE = 32_768  # elements from which code for a layout is worth more than a copy


def describe(value: Any) -> str:
    """An argument as errors show it: dtype and shape of arrays, the type of anything else."""
    if isinstance(value, (np.ndarray, np.generic)):
        return (
            f"{value.dtype}[{', '.join(map(str, value.shape))}]"
            if value.shape
            else str(value.dtype)
        )
    return type(value).__name__


def convert_one(value: Any, type: TensorType, name: str) -> np.ndarray:
    """`value` as a native array of `type`'s dtype and rank, if nothing is lost.

    It comes C-contiguous, unless it is large and needs no copy otherwise.

    bool → int → float is allowed, and float64 → float32 for Python floats only. Raises TypeError
    for another dtype and ShapeError for another rank, naming the argument.
    """
    array = np.asarray(value)
    want = type.dtype.np
    if array.dtype != want:
        weak = isinstance(value, (bool, int, float)) or not isinstance(
            value, (np.ndarray, np.generic)
        )
        ok = np.can_cast(array.dtype, want, "same_kind" if weak else "safe") or (
            array.dtype.kind in "biu" and want.kind == "f"
        ) or (weak and array.size == 0)  # fmt: skip
        if not ok:
            raise TypeError(f"{name} takes {type}, not {describe(array)}; convert it with "
                            f".astype({want.name!r}) if that is meant")  # fmt: skip
    if array.ndim != len(type.shape):
        raise ShapeError(f"{name} takes {type}, of rank {len(type.shape)}, not an array of shape "
                         f"{array.shape}, of rank {array.ndim}")  # fmt: skip
    if array.dtype.num != want.num and array.dtype == want and array.dtype.isnative:
        array = array.view(want)  # C's long long is an int64 of another number
    if array.ndim == 0:
        return np.array(array, want)
    if array.dtype == want and array.dtype.isnative and array.flags.aligned and array.size >= LARGE:
        return np.asarray(array)  # read where it lies: see `Exact` in jitgrad.compile
    return np.require(array, want, ["C", "A"])


def convert(fn: Function, given: Sequence[Any], named: Mapping[str, Any]) -> list[np.ndarray]:
    """Arguments of a call, by position or name, as the arrays that compiled code takes."""
    names = [p.name or f"argument {k}" for k, p in enumerate(fn.params)]
    values = dict(zip(names, given))
    unknown = [n for n in named if n not in names]
    if unknown or len(given) > len(names):
        what = f"no argument {unknown[0]!r}" if unknown else f"not {len(given)} arguments"
        raise TypeError(f"{fn.name}({', '.join(names)}) takes {what}")
    for n, v in named.items():
        if n in values:
            raise TypeError(f"{fn.name} got {n!r} twice")
        values[n] = v
    lacking = [n for n in names if n not in values]
    if lacking:
        raise TypeError(f"{fn.name}({', '.join(names)}) lacks {', '.join(lacking)}")
    return [convert_one(values[n], p.type, n) for n, p in zip(names, fn.params)]
