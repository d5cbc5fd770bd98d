"""Constructors of variables under Theano's names: `dscalar`, `fmatrices`, `row` …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import config
from .symbolic import TensorType, TensorVariable

_PREFIX = {"": "float64", "b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32",
           "d": "float64"}  # fmt: skip
_PATTERN = {"scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False),
            "col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4}  # fmt: skip
_PLURAL = {"matrix": "matrices"}


def _one(type_: TensorType, plain: bool) -> Callable[..., TensorVariable]:
    def make(name: str | None = None, dtype: Any = None) -> TensorVariable:
        if plain:
            return TensorType(
                config.floatX if dtype in (None, "floatX") else dtype, type_.broadcastable
            )(name)
        return type_(name)

    make.__doc__ = f"A variable of {type_}."
    return make


def _many(one: Callable[..., TensorVariable]) -> Callable[..., Any]:
    def make(*names: Any) -> Any:
        if len(names) == 1 and isinstance(names[0], int):
            names = (None,) * names[0]
        elif len(names) == 1 and isinstance(names[0], str):
            names = tuple(names[0].split())
        made = [one(n) for n in names]
        return made[0] if len(made) == 1 else made

    make.__doc__ = "Variables by names (`('x', 'y')` or `'x y'`), or a number of unnamed ones."
    return make


def constructor(name: str) -> Callable[..., Any] | None:
    """The constructor of that name; None where no constructor is called so."""
    for kind, pattern in _PATTERN.items():
        for ending in (kind, _PLURAL.get(kind, kind + "s")):
            prefix = name.removesuffix(ending)
            if name.endswith(ending) and prefix in _PREFIX:
                one = _one(TensorType(_PREFIX[prefix], pattern), not prefix)
                made = one if ending == kind else _many(one)
                made.__name__ = name
                return made
            if name.endswith(ending) and prefix in ("z", "c"):
                raise AttributeError(f"T.{name}: complex variables are not there yet")
    return None


def constructor_names() -> list[str]:
    """The names of all constructors."""
    return [p + w for k in _PATTERN for p in _PREFIX for w in (k, _PLURAL.get(k, k + "s"))]
