"""Profiles of functions: how often they were called, how long calls and compiling took."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["ProfileStats"]


class ProfileStats:
    """What `function(..., profile=True)` measures; several functions may share one.

    fct_callcount, fct_call_time  calls, and seconds in them
    compile_time                  seconds from the call of `function` to its result
    phases                        seconds by phase of compiling

    >>> from jitgrad import function, tensor as T
    >>> x = T.dscalar("x")
    >>> f = function([x], x + 1, profile=True)
    >>> f(1.0), f.profile.fct_callcount
    (array(2.), 1)
    """

    def __init__(self, message: str | None = None) -> None:
        self.message = message
        self.fct_callcount = 0
        self.fct_call_time = 0.0
        self.compile_time = 0.0
        self.phases: dict[str, float] = {}

    def compiled(self, seconds: float, phases: dict[str, float]) -> None:
        """Add what a compile took."""
        self.compile_time += seconds
        for name, time in phases.items():
            self.phases[name] = self.phases.get(name, 0.0) + time

    def text(self) -> str:
        lines = ["Function profiling", "=================="]
        if self.message:
            lines.append(f"  Message: {self.message}")
        lines.append(f"  Time in {self.fct_callcount} calls to Function.__call__: "
                     f"{self.fct_call_time:.6e}s")  # fmt: skip
        if self.fct_callcount:
            lines.append(f"  Time a call: {self.fct_call_time / self.fct_callcount:.6e}s")
        lines.append(f"  Total compile time: {self.compile_time:.6e}s")
        lines += [f"    {name}: {time:.6e}s" for name, time in self.phases.items()]
        return "\n".join(lines)

    def summary(self, file: Any = None, **options: Any) -> None:
        """Print the profile, to stderr by default; Theano's other options are taken and ignored."""
        print(self.text(), file=sys.stderr if file is None else file)

    def __repr__(self) -> str:
        return f"<ProfileStats: {self.fct_callcount} calls, {self.fct_call_time:.3g} s>"
