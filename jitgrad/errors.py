"""Errors that users see, each able to carry the user's source line."""

from __future__ import annotations

import linecache
from typing import NamedTuple


class Loc(NamedTuple):
    """A place in the user's source: file, 1-based line, enclosing function."""

    file: str
    line: int
    func: str = ""

    def __str__(self) -> str:
        where = f'"{self.file}", line {self.line}'
        return f"{where}, in {self.func}" if self.func else where

    def source(self) -> str:
        """The text of the line, stripped; empty where it cannot be read."""
        return linecache.getline(self.file, self.line).strip()


def at(message: str, loc: Loc | None) -> str:
    """`message` with the user's line under it, where it is known.

    >>> at("shapes differ", None)
    'shapes differ'
    """
    if loc is None:
        return message
    text = loc.source()
    return f"{message}\n  at {loc}" + (f"\n    {text}" if text else "")


class JitgradError(Exception):
    """Base of the errors that are jitgrad's own."""


class ShapeError(JitgradError, ValueError):
    """Shapes do not fit; the message names them, the argument and the line."""


class RankError(ShapeError, TypeError):
    """An argument with another number of dims than its input (TypeError, as Theano has it)."""


class DTypeError(JitgradError, TypeError):
    """A dtype that an operation or an argument does not take."""


class TraceError(JitgradError, TypeError):
    """A traced value was used where only a number can stand."""


class GuardError(JitgradError, RuntimeError):
    """A value guard of a specialization failed at run time."""


class VerifyError(JitgradError):
    """The IR breaks a rule of its own; always a bug in a transform or a hand-written file."""


class ParseError(JitgradError, ValueError):
    """Text that is not IR; the message names the line and column."""


class NotDifferentiableError(JitgradError, TypeError):
    """A derivative was asked of an operation that has none."""


class NullTypeGradError(NotDifferentiableError):
    """A gradient was asked for that is not defined; the message says why."""


class GradientError(JitgradError):
    """A gradient is not what finite differences give: position, both values, errors, tolerances."""

    def __init__(self, arg: int, err_pos: int, shape: tuple[int, ...], val1: float, val2: float,
                 abs_err: float, rel_err: float, abs_tol: float,
                 rel_tol: float) -> None:  # fmt: skip
        super().__init__(
            f"numeric gradient and analytic gradient exceed tolerance:\n"
            f"  at position {err_pos} of argument {arg}, of shape {shape}: {val1:g} (analytic) and "
            f"{val2:g} (numeric)\n"
            f"  abs. error = {abs_err:g}, abs. tolerance = {abs_tol:g}\n"
            f"  rel. error = {rel_err:g}, rel. tolerance = {rel_tol:g}"
        )
        self.arg, self.err_pos, self.shape, self.val1, self.val2 = arg, err_pos, shape, val1, val2
        self.abs_err, self.rel_err, self.abs_tol, self.rel_tol = abs_err, rel_err, abs_tol, rel_tol


class DisconnectedInputError(JitgradError, ValueError):
    """`wrt` is not part of the graph of the cost."""


class UnusedInputError(JitgradError, ValueError):
    """An input of `function` on which no output depends."""


class MissingInputError(JitgradError, ValueError):
    """An output of `function` depends on a variable that is not among its inputs."""
