"""Calls of compiled symbolic functions: inputs with options, arguments converted, errors named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .arguments import LARGE
from .errors import JitgradError, ShapeError, at
from .frontend.relations import Check
from .frontend.symbolic import TensorVariable
from .ir.dims import Dim, evaluate, symbols


class In:
    """An input of `function` with options.

    value           what is taken where the call leaves the input out
    name            how the call names it; the variable's name by default
    allow_downcast  convert where precision is lost too (None: Python floats only)
    """

    def __init__(self, variable: TensorVariable, name: str | None = None, value: Any = None,
                 allow_downcast: bool | None = None) -> None:  # fmt: skip
        self.variable, self.value, self.allow_downcast = variable, value, allow_downcast
        self.name = name if name is not None else variable.name

    def __repr__(self) -> str:
        return f"In({self.variable!r})"


class PythonCall:
    """A callable with attributes over a Python function."""

    def __init__(self, inner: Callable[..., Any], name: str) -> None:
        self._inner = inner
        self.__name__ = self.__qualname__ = name

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._inner(*given, **named)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class SlowCall:
    """The slow path of a call: arguments converted, every error named.

    `target` takes aligned arrays of exactly the inputs' dtypes and ranks; large ones in any layout.
    """

    def __init__(self, name: str, ins: Sequence[In], checks: Sequence[Check],
                 downcast: bool | None) -> None:  # fmt: skip
        self.name, self.ins, self.checks = name, list(ins), list(checks)
        self.types = [i.variable.value.type for i in ins]
        self.downcast = [downcast if i.allow_downcast is None else i.allow_downcast for i in ins]
        self.target: Callable[..., Any] = self.refuse

    def refuse(self, *arrays: Any) -> Any:
        raise JitgradError(f"{self.name} does not take arguments that fit its inputs")

    def __call__(self, *given: Any, **named: Any) -> Any:
        arrays = self.convert(given, named)
        self.check(arrays)
        return self.target(*arrays)

    def convert(self, given: Sequence[Any], named: Mapping[str, Any]) -> list[np.ndarray]:
        if len(given) > len(self.ins):
            raise TypeError(f"{self.name} takes {len(self.ins)} inputs, not {len(given)}: "
                            f"{', '.join(map(self.label, range(len(self.ins))))}")  # fmt: skip
        values: list[Any] = [*given, *(i.value for i in self.ins[len(given) :])]
        names = [i.name for i in self.ins]
        for name, value in named.items():
            if name not in names:
                raise TypeError(f"{self.name} has no input named {name!r}; its inputs are "
                                f"{', '.join(map(self.label, range(len(self.ins))))}")  # fmt: skip
            k = names.index(name)
            if k < len(given):
                raise TypeError(f"{self.name} got two values for its input {name!r}")
            values[k] = value
        out = []
        for k, value in enumerate(values):
            if value is None:
                raise TypeError(f"Missing required input: {self.label(k)}, "
                                f"{self.ins[k].variable.type}, of {self.name}")  # fmt: skip
            out.append(self.one(k, value))
        return out

    def label(self, k: int) -> str:
        return self.ins[k].name or f"input {k}"

    def bad(self, k: int, kind: type[Exception], what: str) -> Exception:
        """An error about one argument, with the line where the variable was made."""
        text = f'Bad input argument "{self.label(k)}" to {self.name} at index {k} (0-based): {what}'
        return kind(at(text, self.ins[k].variable.loc))

    def one(self, k: int, value: Any) -> np.ndarray:
        """One argument as an array of the input's dtype and rank."""
        type_, downcast = self.types[k], self.downcast[k]
        want = type_.dtype.np
        array = value if value.__class__ is np.ndarray else self.array(k, value)
        if array.dtype != want:
            native = array.dtype.newbyteorder("=")
            if native.kind not in "biuf":
                raise self.bad(k, TypeError, f"expected {want.name}, got {array.dtype}")
            loose = not isinstance(value, (np.ndarray, np.generic))
            ok = downcast is True or np.can_cast(native, want, "safe")
            ok = ok or (native.kind in "biu" and want.kind == "f")
            if not ok and loose and downcast is None:
                # Python numbers: a float fits float32; others, where their values are kept
                ok = value.__class__ is float and want.kind == "f"
            if not ok and loose and (want.kind == "f" or native.kind != "f" or array.size == 0):
                with np.errstate(all="ignore"):
                    made = array.astype(want)
                ok = bool(np.all((made == array) | (made != made))) and want.kind != "b"
            if not ok:
                raise self.bad(k, TypeError, f"expected {want.name}, got {native.name}, which "
                               f"loses precision or kind; convert it by .astype({want.name!r}), or "
                               "give function allow_input_downcast=True")  # fmt: skip
        if array.ndim != len(type_.shape):
            what = f"expected {len(type_.shape)}, got {array.ndim} with shape {array.shape}"
            raise self.bad(k, ShapeError, f"Wrong number of dimensions: {what}")
        if array.dtype == want and array.dtype.isnative and array.size >= LARGE:
            return np.require(array, want, ["A"])  # read where it lies
        with np.errstate(all="ignore"):
            out = np.require(array, want, ["C", "A"])
        return out if out.ndim == array.ndim else out.reshape(array.shape)

    def array(self, k: int, value: Any) -> np.ndarray:
        if isinstance(value, TensorVariable):
            raise self.bad(k, TypeError, "expected an array-like object, but found a variable: "
                           "maybe you are trying to call a function on a (possibly shared) "
                           "variable instead of a number?")  # fmt: skip
        try:
            return np.asarray(value)
        except ValueError as err:
            raise self.bad(k, TypeError, f"it is no array: {err}") from None

    def check(self, arrays: Sequence[np.ndarray], sizes: Mapping[str, int] | None = None) -> None:
        """Raise where sizes contradict the inputs' types or the graph.

        `sizes` are those of computed dims, as far as they are known yet.
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
        for c in self.checks:
            if symbols(c.lhs) | symbols(c.rhs) <= env.keys() and c.fails(env):
                raise c.error(env)
