"""How `pp` writes parts of tensors: the index as the user wrote it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.core import Value

Pieces = tuple[Any, ...]


def part(x: Value, key: Any) -> Pieces:
    """`x[key]` as text and values."""
    keys = key if isinstance(key, tuple) else (key,)
    out: list[Any] = [x, "["]
    for i, k in enumerate(keys):
        if i:
            out.append(", ")
        if isinstance(k, slice):
            out += [*_piece(k.start, ""), ":", *_piece(k.stop, "")]
            out += [] if k.step is None else [":", *_piece(k.step, "")]
        else:
            out += _piece(k, "None")
    return (*out, "]")


def _piece(k: Any, nothing: str) -> Pieces:
    if k is None or k is Ellipsis:
        return ("..." if k is Ellipsis else nothing,)
    value = getattr(k, "value", None)
    if value.__class__ is Value or isinstance(value, Value):
        return (value,)
    if isinstance(k, np.ndarray):
        return (np.array2string(k, separator=", ", threshold=10).replace("\n", ""),)
    return (str(k),)


def written_to(what: str, part: Value, new: Value) -> Pieces:
    """`inc_subtensor(part, new)`."""
    return (f"{what}(", part, ", ", new, ")")
