"""ProfileMode: all functions of a mode share one profile."""

from __future__ import annotations

from typing import Any

from .mode import Mode
from .profiling import ProfileStats

__all__ = ["ProfileMode"]


class ProfileMode(Mode):
    """A mode that times the calls of all functions compiled with it; `print_summary` tells.

    >>> from jitgrad import function, tensor as T
    >>> mode = ProfileMode()
    >>> x = T.dscalar("x")
    >>> function([x], x + 1, mode=mode)(1.0), mode.stats.fct_callcount
    (array(2.), 1)
    """

    def __init__(self, linker: str | None = None, optimizer: str | None = "default") -> None:
        super().__init__(linker, optimizer)
        self.stats = ProfileStats("ProfileMode")

    def print_summary(self, n_apply_to_print: int = 15, n_ops_to_print: int = 20,
                      file: Any = None) -> None:  # fmt: skip
        """Print the profile, to stderr by default."""
        self.stats.summary(file)
