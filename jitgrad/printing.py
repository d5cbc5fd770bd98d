"""Theano's module `printing`: `pp`, `debugprint`, `pydotprint`, `Print` and their neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import at
from .frontend.pp import pp
from .frontend.pp_graph import pydotprint
from .frontend.pp_tree import debugprint, min_informative_str
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .ir.build import Builder
from .ir.ops.markers import HOOKS

__all__ = ["Print", "debugprint", "hex_digest", "min_informative_str", "pp", "pprint",
           "pydotprint"]  # fmt: skip

pprint = pp


class Print:
    """The identity, which shows its operand whenever a compiled function computes the result.

    message    what stands before the value
    attrs      which attributes of the array are shown; what can be called is called
    global_fn  called instead, with this object and the array

    A line is "message attribute = value". Nothing is shown where the result is not needed; what is
    computed once is shown once. Derivatives pass through. The value has to be in memory, so
    that operations before and after it are not fused into one loop.

    >>> import jitgrad.tensor as T
    >>> x = T.dvector("x")
    >>> (Print("x", attrs=["__str__", "shape"])(x) * 2).eval({x: [1.0, 2.0]})
    x __str__ = [1. 2.]
    x shape = (2,)
    array([2., 4.])

    Raises `AttributeError` for attributes that arrays do not have.
    """

    def __init__(self, message: str = "", attrs: Sequence[str] = ("__str__",),
                 global_fn: Callable[[Print, np.ndarray], Any] | None = None) -> None:  # fmt: skip
        self.message, self.attrs = str(message), tuple(attrs)
        if isinstance(attrs, str):
            raise TypeError(at(f"Print: attrs is a list of names, not the string {attrs!r}",
                               here()))  # fmt: skip
        for name in self.attrs:
            if not hasattr(np.ndarray, name):
                raise AttributeError(at(f"Print: arrays have no attribute {name!r}", here()))
        self.global_fn = global_fn
        self._hook = 0
        if global_fn is not None:
            self._hook = len(HOOKS)
            HOOKS.append(lambda message, attrs, value: global_fn(self, value))

    def __call__(self, x: Any) -> TensorVariable:
        v = as_tensor_variable(x).value
        b = Builder(here())
        return wrap(b("print", v, message=self.message, attrs=self.attrs, hook=self._hook))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Print) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple:
        return self.message, self.attrs, self.global_fn

    def __repr__(self) -> str:
        return f"Print{{message={self.message!r}, attrs={self.attrs}}}"


def hex_digest(x: np.ndarray) -> str:
    """A short text that tells arrays of different bytes, shapes or strides apart.

    >>> hex_digest(np.zeros(2)) == hex_digest(np.zeros((2, 1)))
    False
    """
    x = np.asarray(x)
    found = hashlib.md5(x.tobytes(), usedforsecurity=False).hexdigest()
    return f"{found}|strides={list(x.strides)}|shape={list(x.shape)}"
