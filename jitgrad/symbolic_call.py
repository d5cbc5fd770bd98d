"""Calls of compiled symbolic functions: arguments converted, errors named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .arguments import LARGE
from .compile.io import In, Out
from .errors import JitgradError, RankError, ShapeError, at
from .frontend.relations import Check
from .frontend.symbolic_filter import Misfit, fitted
from .frontend.symbolic_shared import Container
from .ir.core import Value
from .ir.dims import Dim, evaluate, symbols

__all__ = ["In", "Input", "Out", "PythonCall", "SlowCall"]

_data = attrgetter("cell.data")


class PythonCall:
    """A callable with attributes over a Python function."""

    def __init__(self, inner: Callable[..., Any], name: str) -> None:
        self._inner = inner
        self.__name__ = self.__qualname__ = name

    def __call__(self, /, *given: Any, **named: Any) -> Any:
        return self._inner(*given, **named)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class Input:
    """An input of a compiled function: its value in the graph, its storage, what calls may do.

    The inputs that calls give come first; then the implicit ones and the shared variables, which
    are read from their containers.
    """

    __slots__ = ("cell", "downcast", "given", "index", "name", "strict", "value", "variable")

    def __init__(self, value: Value, name: Any, cell: Container, given: bool = False,
                 index: int | None = None, downcast: bool | None = None, strict: bool = False,
                 variable: Any = None) -> None:  # fmt: skip
        self.value, self.name, self.cell, self.given = value, name, cell, given
        self.index = index  # in the user's list; None: a shared variable
        self.downcast, self.strict = downcast, strict
        self.variable = variable  # what the user calls it

    def replaced(self, cell: Container, variable: Any) -> Input:
        """The same input with another container."""
        return Input(self.value, self.name, cell, self.given, self.index, self.downcast,
                     self.strict, variable)  # fmt: skip


class SlowCall:
    """The slow path of a call: arguments converted, every error named.

    `target` takes aligned arrays of exactly the inputs' dtypes and ranks; large ones in any layout.
    """

    def __init__(self, name: str, inputs: Sequence[Input], checks: Sequence[Check]) -> None:
        self.name, self.inputs, self.checks = name, list(inputs), list(checks)
        self.given = [i for i in inputs if i.given]
        self.types = [i.value.type for i in inputs]
        self.target: Callable[..., Any] = self.refuse

    def of(self, inputs: Sequence[Input]) -> SlowCall:
        """The same for other containers."""
        out = SlowCall(self.name, inputs, self.checks)
        out.target = self.target
        return out

    def refuse(self, *arrays: Any) -> Any:
        raise JitgradError(f"{self.name} does not take arguments that fit its inputs")

    def __call__(self, /, *given: Any, **named: Any) -> Any:
        return self.checked(self.convert(given, named))

    def whole(self, *values: Any) -> Any:
        """A call with a value for every input, those of containers among them."""
        return self.checked(self.arrays(values))

    def arrays(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.one(k, v) if i.given else v
                for k, (i, v) in enumerate(zip(self.inputs, values))]  # fmt: skip

    def checked(self, arrays: Sequence[np.ndarray]) -> Any:
        try:  # what runs checks all sizes, but knows no names
            return self.target(*arrays)
        except (ValueError, IndexError):  # the interpreter may stumble before it meets a check
            self.check(arrays)
            raise

    def explain(self, values: Sequence[Any]) -> None:
        """Raise the error of sizes that do not fit, with names and shapes."""
        self.check(self.arrays(values))

    def convert(self, given: Sequence[Any], named: Mapping[str, Any]) -> list[np.ndarray]:
        """An array for every input: from the call, or from its container."""
        n = len(self.given)
        if len(given) > n:
            raise TypeError(f"{self.name} takes {n} inputs, not {len(given)}: {self.listed()}")
        values: list[Any] = [*given, *map(_data, self.inputs[len(given) :])]
        for name, value in named.items():
            k = self.place(name)
            if k < len(given):
                raise TypeError(f"{self.name} got two values for its input {name!r}: Multiple "
                                f"values for input: {name}")  # fmt: skip
            values[k] = value
        return self.arrays(values)

    def place(self, name: str) -> int:
        """Which input a keyword means."""
        for k, i in enumerate(self.given):
            if i.name == name:
                return k
        if any(i.name == name and i.index is not None for i in self.inputs):
            raise TypeError(f"Tried to provide value for implicit input: {name}, of {self.name}")
        raise TypeError(f"Unknown input or state: {name}: {self.name} has no input named {name!r}; "
                        f"its inputs are {self.listed()}")  # fmt: skip

    def listed(self) -> str:
        return ", ".join([self.label(k) for k in range(len(self.given))]) or "none"

    def label(self, k: int) -> str:
        i = self.inputs[k]
        return str(i.name) if i.name else f"input {k}" if i.index is not None else "unnamed"

    def bad(self, k: int, kind: type[Exception], what: str) -> Exception:
        """An error about one input, with the line where the variable was made."""
        text = f'Bad input argument "{self.label(k)}" to {self.name} at index {k} (0-based): {what}'
        if not self.inputs[k].given:
            text = f'The shared variable "{self.label(k)}" of {self.name}: {what}'
        variable = self.inputs[k].variable
        return kind(at(text, variable.loc if variable is not None else None))

    def one(self, k: int, value: Any) -> np.ndarray:
        """One argument as an array of the input's dtype and rank."""
        i, type_ = self.inputs[k], self.types[k]
        if value is None:
            raise TypeError(f"Missing required input: {self.label(k)}, {i.cell.type}, of "
                            f"{self.name}")  # fmt: skip
        try:
            array = fitted(value, type_.dtype, type_.rank, i.downcast, i.strict,
                           "function allow_input_downcast=True")  # fmt: skip
        except Misfit as err:
            raise self.bad(k, RankError if err.rank else TypeError, str(err)) from None
        if array.size >= LARGE:
            return np.require(array, None, ["A"])  # read where it lies
        out = np.require(array, None, ["C", "A"])
        return out if out.ndim == array.ndim else out.reshape(array.shape)

    def check(self, arrays: Sequence[np.ndarray], sizes: Mapping[str, int] | None = None,
              checks: Sequence[Check] | None = None) -> None:  # fmt: skip
        """Raise where sizes contradict the inputs' types or the graph.

        `sizes` are those of computed dims, as far as they are known yet; `checks` other relations
        than those of the main program.
        """
        env: dict[str, int] = dict(sizes or {})
        later = []
        for k, (t, a) in enumerate(zip(self.types, arrays)):
            for axis, (d, size) in enumerate(zip(t.shape, a.shape)):
                if d.__class__ is Dim:
                    if len(symbols(d)) == 1 and repr(d) in symbols(d):
                        env.setdefault(repr(d), size)
                    later.append((k, axis, d, size))
                elif d != size:
                    raise self.bad(k, ShapeError, f"its shape is {a.shape}, but axis {axis} "
                                   + (f"is broadcastable: its size is 1, not {size}" if d == 1
                                      else f"must have size {d}"))  # fmt: skip
        for k, axis, d, size in later:
            if symbols(d) <= env.keys() and evaluate(d, env) != size:
                raise self.bad(k, ShapeError, f"its shape is {arrays[k].shape}, but axis {axis} "
                               f"must have size {evaluate(d, env)}")  # fmt: skip
        for c in self.checks if checks is None else checks:
            if symbols(c.lhs) | symbols(c.rhs) <= env.keys() and c.fails(env):
                raise c.error(env)
