"""Literals of constants: how a value is written, and read back to the last bit."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from .build import python_value
from .types import DType, TensorType

# arrays up to this many elements are written element by element
SMALL = 32


def format_number(v: Any) -> str:
    """An exact literal of a Python or NumPy number."""
    if isinstance(v, np.generic):
        v = v.item()
    if isinstance(v, (bool, np.bool_)):
        return "true" if v else "false"
    if isinstance(v, complex):
        return f"({v.real!r}, {v.imag!r})"
    return repr(v)


def format_value(v: Any) -> str:
    """The value of a constant: a number, or an array exactly."""
    if v.__class__ is float:
        return repr(v)
    if not isinstance(v, np.ndarray):
        return format_number(v)
    if v.ndim == 0:
        return format_number(v[()])
    if v.size <= SMALL and not _odd_nan(v):
        return _nested(v)
    raw = np.ascontiguousarray(v, v.dtype.newbyteorder("<")).tobytes()
    return f'base64"{b64encode(raw).decode()}"'


def _odd_nan(v: np.ndarray) -> bool:
    """Whether a NaN in `v` has bits (a sign, a payload) that the word `nan` would lose."""
    if v.dtype.kind not in "fc":
        return False
    parts = np.ascontiguousarray(v).reshape(-1).view(v.real.dtype)
    nans = parts[np.isnan(parts)]
    return bool(nans.size) and nans.tobytes() != np.full_like(nans, np.nan).tobytes()


def _nested(v: np.ndarray) -> str:
    if v.ndim == 0:
        return format_number(v[()])
    return f"[{', '.join([_nested(np.asarray(e)) for e in v])}]"


def read_value(raw: Any, type_: TensorType) -> Any:
    """The value of a constant of `type_`: a Python number, or an array of its shape.

    `raw` is what was written: a word, a pair of words (complex), nested lists of them, or bytes.
    Raises `ValueError` where the type does not hold it.
    """
    dtype = type_.dtype
    if isinstance(raw, (str, tuple)):
        return python_value(_number(raw, dtype), dtype)
    if not type_.static:
        raise ValueError("an array has a shape of numbers")
    shape: Any = type_.shape
    if isinstance(raw, bytes):
        wire = np.frombuffer(raw, dtype.np.newbyteorder("<"))
        return wire.astype(dtype.np).reshape(shape)
    if type_.size == 0 and not _flat(raw):
        return np.zeros(shape, dtype.np)
    out = np.array(_numbers(raw, dtype), dtype.np)
    if out.shape != shape:
        raise ValueError(f"it has the shape {list(out.shape)}")
    return out


def _number(raw: Any, dtype: DType) -> Any:
    """The number that a literal writes; `ValueError` where the dtype does not hold it."""
    if isinstance(raw, tuple):
        if dtype.kind != "c":
            raise ValueError(f"({raw[0]}, {raw[1]}) is complex")
        return complex(float(raw[0]), float(raw[1]))
    if raw in ("true", "false"):
        if dtype.kind != "b":
            raise ValueError(f"{raw} is a bool")
        return raw == "true"
    if dtype.kind == "b":
        raise ValueError(f"{raw} is not a bool")
    if dtype.kind in "iu":
        number = int(raw)
        if not np.iinfo(dtype.np).min <= number <= np.iinfo(dtype.np).max:
            raise ValueError(f"{raw} does not fit {dtype}")
        return number
    return float(raw)


def _numbers(raw: Any, dtype: DType) -> Any:
    return [_numbers(r, dtype) for r in raw] if isinstance(raw, list) else _number(raw, dtype)


def _flat(raw: Any) -> bool:
    """Whether there is a number in nested lists."""
    return any(_flat(r) for r in raw) if isinstance(raw, list) else True
