"""NanGuardMode: the interpreter runs the optimized graph and looks at every value."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import config
from ..errors import JitgradError, at
from ..ir.core import Function, Op
from ..ir.interp import Watched, run
from .mode import Mode

__all__ = ["NanGuardError", "NanGuardMode"]

BIG = 1e10


class NanGuardError(JitgradError, AssertionError):
    """A NaN, an infinity or a big value, where `NanGuardMode` forbids it."""


class NanGuardMode(Mode):
    """A call fails at the first operation that gives a NaN, an infinity, or a value above 1e10.

    nan_is_error, inf_is_error, big_is_error  what is looked for; by default what
                                              `config.NanGuardMode` says: all three

    Inputs and shared variables are looked at too. The error, an AssertionError, names the operation
    and its operands' values, and the line that made it; of a derivative, what it is derived from.
    `config.NanGuardMode.action` is "raise", or "warn".

    A lane that `switch` does not take is looked at as well: the graph computes it.
    """

    plain = False

    def __init__(self, nan_is_error: bool | None = None, inf_is_error: bool | None = None,
                 big_is_error: bool | None = None, optimizer: str | None = "default",
                 linker: Any = None) -> None:  # fmt: skip
        super().__init__(linker, optimizer)
        default = config.NanGuardMode
        self.nan = default.nan_is_error if nan_is_error is None else nan_is_error
        self.inf = default.inf_is_error if inf_is_error is None else inf_is_error
        self.big = default.big_is_error if big_is_error is None else big_is_error
        if not (self.nan or self.inf or self.big):
            raise AssertionError("NanGuardMode has nothing to look for")

    def interpret(self, fn: Function, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        for p, a in zip(fn.params, arrays):
            found = self.problem(a)
            if found:
                self.report(f"{found} in the input {p.name or 'without a name'}: {_shown(a)}")
        return [np.array(a) for a in run(fn, arrays, Watched(self.look))]

    def problem(self, value: Any, big: bool = True) -> str:
        """What is wrong with an array; "" where nothing is. `big`: whether big values are."""
        a = np.asarray(value)
        if a.dtype.kind != "f" or not a.size:
            return ""
        if self.nan and np.isnan(a).any():
            return "NaN detected"
        if self.inf and np.isinf(a).any():
            return "Inf detected"
        if self.big and big:
            with np.errstate(invalid="ignore"):
                if np.any(np.abs(a[np.isfinite(a)]) > BIG):
                    return "Big value detected"
        return ""

    def look(self, op: Op, args: Sequence[Any], outs: Sequence[Any]) -> None:
        if op.opdef.name == "constant":  # what is written is meant; what it leads to is looked at
            return
        # integers may be big, and so may the same numbers as floats: random bits are
        big = op.opdef.name != "cast" or op.operands[0].type.dtype.kind not in "iu"
        for a in outs:
            found = self.problem(a, big)
            if not found:
                continue
            by = f", made by {op.made_by}" if op.made_by else ""
            operands = "".join(f"\n  operand {k}: {_shown(x)}" for k, x in enumerate(args))
            self.report(f"{found} in the result of {op.opdef.name}{by}: {_shown(a)}{operands}", op)
            return

    def report(self, text: str, op: Op | None = None) -> None:
        text = at(f"NanGuardMode: {text}", op.loc if op is not None else None)
        if config.NanGuardMode.action == "warn":
            warnings.warn(text, stacklevel=2)
            return
        raise NanGuardError(text)


def _shown(value: Any) -> str:
    a = np.asarray(value)
    text = np.array2string(a, threshold=8, edgeitems=3, precision=6).replace("\n", " ")
    return f"{text} ({a.dtype}, shape {a.shape})"
