"""Functions whose sizes are computed: numbers first, then the main program with them as sizes.

`T.zeros((n,))`, a number of steps, the count of what is True: the value of such an integer
is a size of the main program. A prelude computes it (for an input as it is: reads it), and the main
program gets an array of that length, of which only the length matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .compile.mode import Mode, Program
from .errors import ShapeError
from .frontend.cut import cut
from .frontend.reach import reach
from .frontend.relations import Check
from .frontend.symbolic_dims import Source, Stage, stages
from .ir.core import Function, Value
from .ir.dims import symbol
from .ir.parser import parse_function
from .ir.printer import format_function
from .ir.types import BOOL, tensor
from .symbolic_call import Input, SlowCall

Arrays = list[np.ndarray]

_CARRIER = np.empty(4096, np.bool_)  # carriers up to this length: only a length is looked at


class _Step:
    """One stage: which inputs are read as they are, and the program that computes the others."""

    def __init__(self, sources: list[Source], direct: list[int | None], fn: Function | None,
                 checks: Sequence[Check], carriers: list[Value]) -> None:  # fmt: skip
        self.sources, self.direct = sources, direct  # direct: the input that is the number
        self.fn, self.checks, self.carriers = fn, checks, carriers
        self.program: Program | None = None

    def sized(self, numbers: Sequence[int]) -> Arrays:
        """The carriers for these sizes."""
        out = []
        for size, source in zip(numbers, self.sources):
            if 0 <= size <= 4096:
                out.append(_CARRIER[:size])
                continue
            if size < 0:
                raise ValueError("negative dimensions are not allowed: "
                                 + source.fault(f"is {size}"))  # fmt: skip
            try:
                out.append(np.empty(size, np.bool_))
            except (MemoryError, ValueError):
                raise MemoryError(source.fault(f"is {size}")) from None
        return out


class Prelude:
    """Computes the sizes that a function needs from its inputs.

    `carriers` are the inputs that the main program has behind its own. Once it has been `compiled`,
    calling the prelude with the arrays of the inputs gives arrays for them. Raises `ValueError` for
    a negative size.
    """

    def __init__(self, name: str, values: Sequence[Value], found: Sequence[Stage],
                 givens: Sequence[tuple[Value, Value]], stabilize: Any) -> None:  # fmt: skip
        self.carriers: list[Value] = []
        self.steps: list[_Step] = []
        self.used = [False] * len(values)
        places = {id(v): k for k, v in enumerate(values)}
        replaced = {id(k) for k, _ in givens}
        for stage in found:
            direct = [None if id(s.value) in replaced else places.get(id(_plain(s.value)))
                      for s in stage.sources]  # fmt: skip
            wanted = [s.value for s, k in zip(stage.sources, direct) if k is None]
            checks: Sequence[Check] = []
            fn = None
            if wanted:
                met = reach(wanted, values)  # what replaces others may have sizes of a later stage
                needed = [(k, v) for k, v in givens if met.needs(k)]
                made = cut(f"{name}_sizes", [*values, *self.carriers], wanted, needed, stabilize)
                fn, checks = made.fn, made.checks
                self.used = [a or b for a, b in zip(self.used, made.used)]
            for k in direct:
                if k is not None:
                    self.used[k] = True
            self.steps.append(_Step(stage.sources, direct, fn, checks, stage.carriers))
            self.carriers += stage.carriers

    def frozen(self) -> list[tuple]:
        """The prelude as plain data: for each stage messages, direct inputs, the program's text."""
        return [([(s.name, s.uses) for s in step.sources], step.direct,
                 None if step.fn is None else format_function(step.fn, locs=True),
                 [c.name for c in step.carriers])
                for step in self.steps]  # fmt: skip

    @classmethod
    def thawed(cls, data: Sequence[tuple]) -> Prelude:
        """The prelude that `frozen` described."""
        self = cls.__new__(cls)
        self.steps, self.carriers, self.used = [], [], []
        for sources, direct, text, names in data:
            fn = None if text is None else parse_function(text)
            carriers = [Value(tensor(BOOL, (symbol(n),)), name=n) for n in names]
            self.steps.append(_Step([Source(None, *s) for s in sources], direct,  # type: ignore[arg-type]
                                    fn, (), carriers))  # fmt: skip
            self.carriers += carriers
        return self

    def compiled(self, mode: Mode, slow: SlowCall, accept: Sequence[int]) -> None:
        """Make the programs ready; `accept` says what machine code takes for each input."""
        done: list[Value] = []
        for step in self.steps:
            if step.fn is not None:
                fast: dict[str, Any] = {}
                if mode.native:
                    explain = partial(self.explain, slow, step.checks, [v.name for v in done])
                    fast = {"slow": _missed, "accept": [*accept, *[1] * len(done)],
                            "on_shape": explain}  # fmt: skip
                step.program = mode.program(step.fn, step.fn.name, "list", **fast)
            done += step.carriers

    def explain(self, slow: SlowCall, checks: Sequence[Check], names: Sequence[str],
                values: Sequence[Any]) -> None:  # fmt: skip
        """Raise the error of sizes that do not fit; the last values are the carriers `names`."""
        n = len(slow.inputs)
        sizes = {name: a.size for name, a in zip(names, values[n:])}
        slow.check(slow.arrays(values[:n]), sizes, checks)

    def __call__(self, arrays: Sequence[np.ndarray]) -> Arrays:
        out: Arrays = []
        for step in self.steps:
            made = iter(step.program.run(*arrays, *out) if step.program is not None else ())
            numbers = [int(arrays[k]) if k is not None else int(next(made)) for k in step.direct]
            out += step.sized(numbers)
        return out

    def slowly(self, target: Callable[..., Any], slow: SlowCall) -> Callable[..., Any]:
        """`target` of the arrays and the carriers, as a function of the arrays alone."""
        names = [c.name for c in self.carriers]
        checks = [c for step in self.steps for c in step.checks]

        def run(*arrays: np.ndarray) -> Any:
            try:
                more = self(arrays)
            except ShapeError:
                slow.check(arrays, None, checks)
                raise
            try:
                return target(*arrays, *more)
            except ShapeError:
                slow.check(arrays, {n: a.size for n, a in zip(names, more)})
                raise

        return run

    def quickly(self, target: Callable[..., Any], slow: SlowCall) -> Callable[..., Any]:
        """The same for whatever a call gives, with machine code for stages and `target`.

        Numbers are read where they stand; a value that is not just what an input takes makes the
        call a slow one.
        """
        whole = slow.whole
        steps = []
        for step in self.steps:
            readers = [None if k is None else (k, *_taken(slow.inputs[k])) for k in step.direct]
            call = step.program.call if step.program is not None else None
            steps.append((step.sized, call, readers if any(readers) else None))

        def run(*values: Any) -> Any:
            given = values
            for sized, call, readers in steps:
                numbers = call(*values) if call is not None else ()
                if numbers is None:
                    return whole(*given)
                if readers is None:
                    numbers = [int(a) for a in numbers]
                else:
                    made, numbers = iter(numbers), []
                    for reader in readers:
                        if reader is None:
                            numbers.append(int(next(made)))
                            continue
                        k, dtype, kind, low, high, ints = reader
                        v = values[k]
                        if v.__class__ is int:
                            fine = ints and low <= v <= high
                        else:
                            fine = v.__class__ is np.ndarray and v.dtype == dtype and not v.ndim
                            fine = fine or (v.__class__ is kind and ints)
                        if not fine:
                            return whole(*given)
                        numbers.append(int(v))
                values = (*values, *sized(numbers))
            return target(*values)

        return run


def _missed(*given: Any, **named: Any) -> None:
    """What a stage gives for arguments that it does not take as they are."""


def _taken(i: Input) -> tuple[np.dtype, type, int, int, bool]:
    """The numbers that an integer input takes as they are: dtype, NumPy's scalar, bounds."""
    dtype = i.value.type.dtype.np
    return dtype, dtype.type, *_bounds(dtype), i.given and not i.strict


def _bounds(dtype: np.dtype) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _plain(v: Value) -> Value:
    """The integer behind a cast to i64 that keeps every value."""
    op = v.op
    if op is not None and op.opdef.name == "cast":
        inner = op.operands[0]
        if inner.type.dtype.kind in "iu" and inner.type.dtype.name != "u64":
            return inner
    return v


def prelude(name: str, values: Sequence[Value], wanted: Sequence[Value],
            givens: Sequence[tuple[Value, Value]], stabilize: Any) -> Prelude | None:  # fmt: skip
    """What computes the sizes that `wanted` need; None where none is computed."""
    roots = [*wanted, *(v for _, v in givens)]
    found = stages(roots, [*values, *(k for k, _ in givens)])
    return Prelude(name, values, found, givens, stabilize) if found else None


__all__ = ["Prelude", "prelude"]
