"""`OrderedUpdates`: updates of shared variables, as `scan` gives them and `function` takes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .frontend.symbolic_shared import SharedVariable

__all__ = ["OrderedUpdates"]


class OrderedUpdates(OrderedDict):
    """Shared variables and the expressions that become their values, in order.

    Adding two that update one variable differently raises `KeyError`; a key that is no shared
    variable, `TypeError`.

    >>> from jitgrad import shared
    >>> n = shared(0, "n")
    >>> OrderedUpdates([(n, n + 1)]) + OrderedUpdates()
    OrderedUpdates([(n, add.0)])
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError("OrderedUpdates keys must inherit from SharedVariable, not "
                            f"{type(key).__name__}: {key!r}")  # fmt: skip
        super().__setitem__(key, value)

    def update(self, other: Any = None, **named: Any) -> None:  # type: ignore[override]
        if named:
            raise TypeError("OrderedUpdates takes shared variables as keys, no names")
        pairs = other.items() if isinstance(other, Mapping) else other or ()
        for key, value in pairs:
            if key in self and self[key] is not value and self[key] != value:
                raise KeyError(f"Collision: {key!r} has an update already: {self[key]!r}")
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        out = OrderedUpdates(self)
        out.update(other)
        return out

    def __radd__(self, other: Any) -> OrderedUpdates:
        out = OrderedUpdates(other)
        out.update(self)
        return out
