"""Examples of the structural rules: functions on which each fires, and on which it must not."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """Texts of functions on which a rule fires, and of some on which it must stay away."""

    fires: tuple[str, ...]
    stays: tuple[str, ...]


EXAMPLES: dict[str, Example] = {}
