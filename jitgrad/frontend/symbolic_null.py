"""Gradients that are none: undefined ones (`NullType`) and those of no connection."""

from __future__ import annotations

from typing import Any

from ..errors import at
from .source import here


class Placeholder:
    """A variable of a type without values: what `NullType(...)()` and `DisconnectedType()()` give.

    It stands where a gradient would, among the answers of `grad` or in `known_grads`; nothing can
    be computed from it.
    """

    owner = None

    def __init__(self, type: NullType | DisconnectedType, name: str | None = None) -> None:
        self.type, self.name = type, name

    def __repr__(self) -> str:
        return self.name or f"<{self.type}>"

    def eval(self, inputs: Any = None) -> Any:
        """Raises `TypeError`: there is no value."""
        raise TypeError(at(f"{self!r} has no value", here()))


class NullType:
    """The type of a gradient that is not defined; `why_null` says why."""

    def __init__(self, why_null: str = "(no explanation given)") -> None:
        self.why_null = why_null

    def __call__(self, name: str | None = None) -> Placeholder:
        return Placeholder(self, name)

    make_variable = __call__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NullType)

    def __hash__(self) -> int:
        return hash(NullType)

    def __repr__(self) -> str:
        return "NullType"


class DisconnectedType:
    """The type of a gradient that is 0 since there is no connection: a placeholder for 0."""

    def __call__(self, name: str | None = None) -> Placeholder:
        return Placeholder(self, name)

    make_variable = __call__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DisconnectedType)

    def __hash__(self) -> int:
        return hash(DisconnectedType)

    def __repr__(self) -> str:
        return "DisconnectedType"


null_type, disconnected_type = NullType(), DisconnectedType()
