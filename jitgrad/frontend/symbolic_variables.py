"""Constructors of variables under Theano's names: `dscalar`, `fmatrices`, `row` …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import config
from ..errors import at
from .source import here
from .symbolic import TensorType, TensorVariable
from .symbolic_ops import as_dim

_PREFIX = {"": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32",
           "d": "float64"}  # fmt: skip
_PATTERN = {"scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False),
            "col": (False, True),
            **{f"tensor{n}": (False,) * n for n in range(3, 8)}}  # fmt: skip
_PLURAL = {"matrix": "matrices"}


def tensor(*args: Any, name: str | None = None, dtype: Any = None,
           broadcastable: Sequence[Any] | None = None, shape: Sequence[Any] | None = None
           ) -> TensorVariable:  # fmt: skip
    """A variable of any dtype and pattern: `tensor("float64", (False, True), name="x")`, or
    `tensor("x", dtype="float64", shape=(None, 3))`.

    `broadcastable` says which sizes are 1; `shape` has sizes, or None where they are not known.

    >>> tensor("x", dtype="int32", shape=(None, 1)).type
    TensorType(int32, col)
    """
    given = list(args)
    if given and dtype is None and _names_dtype(given[0]):
        dtype = given.pop(0)
    elif given and name is None and (given[0] is None or isinstance(given[0], str)):
        name = given.pop(0)
        if given and dtype is None:
            dtype = given.pop(0)
    if given and broadcastable is None and shape is None:
        broadcastable = given.pop(0)
    if given:
        raise TypeError(at(f"tensor: {given!r} is more than a name, a dtype and a pattern", here()))
    if broadcastable is None and shape is None:
        raise TypeError(at("tensor needs broadcastable or shape", here()))
    return TensorType("floatX" if dtype is None else dtype, broadcastable, shape=shape)(name)


def _names_dtype(x: Any) -> bool:
    if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, (np.generic, int, float))):
        return True
    if not isinstance(x, str):
        return False
    try:
        return x == "floatX" or np.dtype(x).name == x
    except TypeError:
        return False


def _plain(pattern: tuple[bool, ...]) -> Callable[..., TensorVariable]:
    """A constructor without a prefix: its dtype is `config.floatX` unless told."""

    def make(name: str | None = None, dtype: Any = None, shape: Sequence[Any] | None = None
             ) -> TensorVariable:  # fmt: skip
        if shape is not None and len(shape) != len(pattern):
            raise ValueError(at(f"{make.__name__}: a shape of {len(shape)} sizes", here()))
        sizes = pattern if shape is None else shape
        return TensorType(config.floatX if dtype is None else dtype, shape=sizes)(name)

    make.__doc__ = f"A variable of {len(pattern)} dims, of `config.floatX` or the dtype given."
    return make


def _many(one: Callable[..., TensorVariable]) -> Callable[..., Any]:
    def make(*names: Any, **options: Any) -> Any:
        if len(names) == 1 and as_dim(names[0]).__class__ is int:
            names = (None,) * int(names[0])
            return [one(None, **options) for _ in names]
        if len(names) == 1 and isinstance(names[0], str):  # "a b", or "ab" as Theano has it
            words = names[0].replace(",", " ").split()
            names = tuple(words if len(words) > 1 else names[0].strip())
        elif len(names) == 1 and isinstance(names[0], (list, tuple)):
            names = tuple(names[0])
        made = [one(n, **options) for n in names]
        return made[0] if len(made) == 1 else made

    make.__doc__ = (
        "Variables by names (`('x', 'y')`, `'x y'` or `'xy'`), or a number of unnamed ones."
    )
    return make


def constructor(name: str) -> Any:
    """The constructor of that name; None where no constructor is called so.

    With a prefix it is a `TensorType`, which may be called.
    """
    for kind, pattern in _PATTERN.items():
        for ending in (kind, _PLURAL.get(kind, kind + "s")):
            prefix = name.removesuffix(ending)
            if name.endswith(ending) and prefix in _PREFIX:
                one: Any = TensorType(_PREFIX[prefix], pattern) if prefix else _plain(pattern)
                if not prefix:
                    one.__name__ = kind
                if ending == kind:
                    return one
                made = _many(one)
                made.__name__ = name
                return made
            if name.endswith(ending) and prefix in ("z", "c"):
                raise AttributeError(f"T.{name}: complex variables are not there yet; use two real "
                                     "ones")  # fmt: skip
    return None


def constructor_names() -> list[str]:
    """The names of all constructors."""
    return [p + w for k in _PATTERN for p in _PREFIX for w in (k, _PLURAL.get(k, k + "s"))]


__all__ = ["tensor"]
