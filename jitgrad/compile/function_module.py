"""`Function`: what `function` gives, for `isinstance`."""

from __future__ import annotations

from typing import Any

from ..symbolic_state import State

__all__ = ["Function"]


class _Owned(type):
    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(getattr(thing, "_owner", None), State)


class Function(metaclass=_Owned):
    """The type of compiled functions of variables, as far as `isinstance` can tell.

    >>> from jitgrad import function, tensor as T
    >>> x = T.dscalar("x")
    >>> isinstance(function([x], x), Function), isinstance(len, Function)
    (True, False)
    """
