"""DebugMode: the interpreter runs the graph as it was written beside the machine code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import JitgradError, at
from ..ir.core import Function
from .mode import Mode, Program, packed
from .native import compile_ir

__all__ = ["BadOptimization", "DebugMode", "DebugModeError", "InvalidValueError", "difference"]


class DebugModeError(JitgradError):
    """Base of what DebugMode raises."""


class BadOptimization(DebugModeError):
    """The compiled function computes something else than the graph says."""


class InvalidValueError(DebugModeError):
    """A NaN or an infinity, where `check_isfinite` forbids them."""


def difference(got: np.ndarray, want: np.ndarray, spread: Any = 0) -> tuple[int, ...] | None:
    """The index of the first element in which a compiled result differs from a reference.

    Integers and bools must be equal; floats to the square root of the dtype's epsilon, relative to
    the element and absolutely. `spread` is what rounding the arguments changes: where it is not 0,
    as much is allowed. Where the reference is no number the compiled code may be better
    (log(exp(1000)) is 1000): a NaN allows anything, an infinity itself or a finite number.

    >>> difference(np.array([1.0, 2.0, 5.0]), np.array([1.0, np.nan, 6.0]))
    (2,)
    >>> difference(np.array(1.0), np.array(1.0 + 1e-9)) is None
    True
    """
    if want.dtype.kind in "fc":
        slack = float(np.sqrt(np.finfo(want.dtype).eps))
        with np.errstate(all="ignore"):
            near = np.abs(got - want) <= slack * (1 + np.abs(want)) + spread
            fine = (got == want) | np.isnan(want) | np.where(
                np.isfinite(want), near & np.isfinite(got), np.isfinite(got))  # fmt: skip
    else:
        fine = (got == want) | (np.asarray(spread) != 0)
    if np.all(fine):
        return None
    return tuple([int(i) for i in np.argwhere(~np.asarray(fine))[0]])


def nudged(arrays: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Arrays whose floats are off by a rounding error each, up or down."""
    rng = np.random.default_rng(seed)
    out = []
    for a in arrays:
        if a.dtype.kind == "f":
            step = a.dtype.type(np.finfo(a.dtype).eps) * rng.choice([-1, 1], a.shape)
            with np.errstate(all="ignore"):
                a = (a * (1 + step)).astype(a.dtype).reshape(a.shape)
        out.append(a)
    return out


class DebugMode(Mode):
    """Every call runs machine code, and the interpreter on the graph as it was written, and
    compares: outputs and new values of shared variables.

    check_isfinite  raise `InvalidValueError` for a result that is NaN or infinite

    Theano's other options are taken, and have nothing to check here. A call raises
    `BadOptimization`, which names the result, the element, both values, and whether a pass or the
    machine code is to blame.
    """

    plain = False

    def __init__(self, optimizer: str | None = "fast_run", stability_patience: int | None = None,
                 check_c_code: bool | None = None, check_py_code: bool | None = None,
                 check_isfinite: bool | None = None,
                 check_preallocated_output: Any = None,
                 require_matching_strides: bool | None = None,
                 linker: Any = None) -> None:  # fmt: skip
        super().__init__(linker, optimizer)
        self.check_isfinite = bool(check_isfinite)

    def program(self, fn: Function, name: str, form: str, **fast: Any) -> Program:
        made = compile_ir(fn, name=name, result="list")

        def run(*arrays: np.ndarray) -> Any:
            outs = made.exact(arrays)
            wants = self.interpret(fn, arrays)
            for k, (got, want) in enumerate(zip(outs, wants)):
                self.compare(name, k, got, want, made.optimized, fn, arrays)
            return packed(outs, form)

        return Program(made, None, run)

    def compare(self, name: str, k: int, got: np.ndarray, want: np.ndarray, optimized: Function,
                fn: Function, arrays: Sequence[np.ndarray]) -> None:  # fmt: skip
        """Raise where result `k` is not what it must be."""
        value = fn.results[k]
        loc = value.op.loc if value.op is not None else None
        what = f"result {k}{f' ({value.name})' if value.name else ''} of {name}"
        if got.shape != want.shape or got.dtype != want.dtype:
            raise BadOptimization(at(f"{what} is {_kind(got)}, but must be {_kind(want)}", loc))
        if self.check_isfinite and got.dtype.kind == "f" and not np.all(np.isfinite(got)):
            bad = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
            raise InvalidValueError(at(f"{what}{_place(bad)} is {got[bad]}", loc))
        if difference(got, want) is None:
            return
        spread: Any = 0
        for seed in range(4):  # perhaps the result is as unsure as that
            with np.errstate(all="ignore"):
                other = self.interpret(fn, nudged(arrays, seed))[k]
                off = np.abs(other - want) if want.dtype.kind == "f" else other != want
            spread = np.maximum(spread, np.where(np.isfinite(off), off, np.inf))
        index = difference(got, want, 8 * spread)
        if index is None:
            return
        again = self.interpret(optimized, arrays)[k]
        right = difference(again, want, 8 * spread) is None
        blame = "the machine code" if right else "a pass over the IR"
        raise BadOptimization(at(
            f"{what} differs from what the graph says.\n  compiled{_place(index)} = {got[index]!r}"
            f"\n  expected{_place(index)} = {want[index]!r}\n  interpreted after optimization: "
            f"{again[index]!r}, so {blame} is to blame", loc))  # fmt: skip


def _kind(a: np.ndarray) -> str:
    return f"{a.dtype}[{', '.join(map(str, a.shape))}]"


def _place(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
