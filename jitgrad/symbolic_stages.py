"""Functions whose sizes are computed: numbers first, then the main program with them as sizes.

`T.zeros((n,))`, a number of steps, the count of what is True: the value of such an integer
is a size of the main program. A prelude computes it (for an input as it is: reads it), and the main
program gets an array of that length, of which only the length matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import at
from .frontend.cut import cut
from .frontend.reach import reach
from .frontend.relations import Check
from .frontend.symbolic_dims import Source, Stage, stages
from .ir.core import Function, Value
from .ir.dims import symbol
from .ir.parser import parse_function
from .ir.printer import format_function
from .ir.types import BOOL, tensor

Arrays = list[np.ndarray]
Run = Callable[[Sequence[np.ndarray]], Any]
Compile = Callable[[Any], Run]


class _Step(NamedTuple):
    """One stage: which inputs are read as they are, and the program that computes the others."""

    sources: list[Source]
    direct: list[int | None]  # the input that is the number
    run: Run | None
    checks: list[Check]
    fn: Function | None


class Prelude:
    """Computes the sizes that a function needs from its inputs.

    `carriers` are the inputs that the main program has behind its own; calling the prelude with the
    arrays of the inputs gives arrays for them. Raises `ValueError` for a negative size.
    """

    def __init__(self, name: str, values: Sequence[Value], found: Sequence[Stage],
                 givens: Sequence[tuple[Value, Value]], stabilize: Any,
                 compile_: Compile) -> None:  # fmt: skip
        self.carriers: list[Value] = []
        self.steps: list[_Step] = []
        self.staged: list[list[Value]] = []  # the carriers of each stage
        self.used = [False] * len(values)
        places = {id(v): k for k, v in enumerate(values)}
        replaced = {id(k) for k, _ in givens}
        for stage in found:
            direct = [None if id(s.value) in replaced else places.get(id(_plain(s.value)))
                      for s in stage.sources]  # fmt: skip
            wanted = [s.value for s, k in zip(stage.sources, direct) if k is None]
            run, checks, fn = None, [], None
            if wanted:
                met = reach(wanted, values)  # what replaces others may have sizes of a later stage
                needed = [(k, v) for k, v in givens if met.needs(k)]
                made = cut(f"{name}_sizes", [*values, *self.carriers], wanted, needed, stabilize)
                fn, checks = made.fn, made.checks
                run = compile_(fn)
                self.used = [a or b for a, b in zip(self.used, made.used)]
            for k in direct:
                if k is not None:
                    self.used[k] = True
            self.steps.append(_Step(stage.sources, direct, run, checks, fn))
            self.carriers += stage.carriers
            self.staged.append(stage.carriers)

    def frozen(self) -> list[tuple]:
        """The prelude as plain data: for each stage messages, direct inputs, the program's text."""
        return [([(s.name, s.what, s.loc) for s in step.sources], step.direct,
                 None if step.fn is None else format_function(step.fn, locs=True),
                 [c.name for c in carriers])
                for step, carriers in zip(self.steps, self.staged)]  # fmt: skip

    @classmethod
    def thawed(cls, data: Sequence[tuple], compile_: Compile) -> Prelude:
        """The prelude that `frozen` described."""
        self = cls.__new__(cls)
        self.steps, self.carriers, self.staged, self.used = [], [], [], []
        for sources, direct, text, names in data:
            fn = None if text is None else parse_function(text)
            self.steps.append(_Step([Source(None, *s) for s in sources], direct,  # type: ignore[arg-type]
                                    None if fn is None else compile_(fn), [], fn))  # fmt: skip
            self.staged.append([Value(tensor(BOOL, (symbol(n),)), name=n) for n in names])
            self.carriers += self.staged[-1]
        return self

    def __call__(self, arrays: Sequence[np.ndarray]) -> Arrays:
        out: Arrays = []
        for step in self.steps:
            made = iter(step.run([*arrays, *out]) if step.run is not None else ())
            new = []
            for source, k in zip(step.sources, step.direct):
                size = int(arrays[k]) if k is not None else int(next(made))
                if size < 0:
                    raise ValueError(at(f"negative dimensions are not allowed: {source.what} is "
                                        f"{size}", source.loc))  # fmt: skip
                try:
                    new.append(np.empty(size, np.bool_))
                except (MemoryError, ValueError):
                    raise MemoryError(at(f"{source.what} is {size}", source.loc)) from None
            out += new
        return out

    def ahead_of(
        self, target: Callable[..., Any], check: Callable[..., None]
    ) -> Callable[..., Any]:
        """`target` of the arrays and the carriers, as a function of the arrays alone.

        `check` raises where the sizes contradict the graph: compiled code knows no names.
        """
        names = [c.name for c in self.carriers]

        def run(*arrays: np.ndarray) -> Any:
            more = self(arrays)
            check(arrays, {n: a.size for n, a in zip(names, more)})
            return target(*arrays, *more)

        return run


def _plain(v: Value) -> Value:
    """The integer behind a cast to i64 that keeps every value."""
    op = v.op
    if op is not None and op.opdef.name == "cast":
        inner = op.operands[0]
        if inner.type.dtype.kind in "iu" and inner.type.dtype.name != "u64":
            return inner
    return v


def prelude(name: str, values: Sequence[Value], wanted: Sequence[Value],
            givens: Sequence[tuple[Value, Value]], stabilize: Any,
            compile_: Compile) -> Prelude | None:  # fmt: skip
    """What computes the sizes that `wanted` need; None where none is computed."""
    roots = [*wanted, *(v for _, v in givens)]
    found = stages(roots, [*values, *(k for k, _ in givens)])
    return Prelude(name, values, found, givens, stabilize, compile_) if found else None


__all__ = ["Prelude", "prelude"]
