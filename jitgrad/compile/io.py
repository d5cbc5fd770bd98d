"""Inputs and outputs of `function` with options: `In`, `Out`."""

from __future__ import annotations

from typing import Any

from ..errors import at
from ..frontend.source import here
from ..frontend.symbolic import TensorVariable
from ..frontend.symbolic_shared import Container, SharedVariable

__all__ = ["In", "Out", "Param", "SymbolicInput", "SymbolicOutput"]


class In:
    """An input of `function` with options.

    value           what is taken where the call leaves the input out: a number, an array, or the
                    `Container` of another function (or a shared variable), whose value is read
    name            how the call names it; the variable's name by default, unless `autoname` is off
    update          an expression that becomes `value` after each call: the input keeps a state
    mutable         the function may overwrite the argument; it never does
    strict          convert nothing: TypeError for what is no array of the variable's dtype
    allow_downcast  convert where precision is lost too (None: Python floats only)
    implicit        calls cannot give it; by default so where `value` is a container
    borrow          outputs may share the argument's memory; they never do

    >>> from jitgrad import function, tensor as T
    >>> x, s = T.dscalars("x", "s")
    >>> f = function([x, In(s, value=10.0, update=s + x)], s)
    >>> f(1), f(1), f["s"]
    (array(10.), array(11.), array(12.))

    Raises `TypeError` for an update of another type than the variable's.
    """

    def __init__(self, variable: TensorVariable, name: Any = None, value: Any = None,
                 update: Any = None, mutable: bool | None = None, strict: bool = False,
                 allow_downcast: bool | None = None, autoname: bool = True,
                 implicit: bool | None = None, borrow: bool | None = None,
                 shared: bool = False) -> None:  # fmt: skip
        loc = here()
        if not isinstance(variable, TensorVariable):
            raise TypeError(at(f"In takes a variable, not {type(variable).__name__}", loc))
        if mutable and borrow is False:
            raise AssertionError(at(f"the input {variable!r} is mutable=True and borrow=False: "
                                    "what may be overwritten may be shared too", loc))  # fmt: skip
        if isinstance(value, SharedVariable):
            value = value.container
        if implicit is None:
            implicit = isinstance(value, Container)
        if implicit and value is None:
            raise TypeError(at(f"the implicit input {variable!r} needs a value", loc))
        self.variable, self.value, self.update = variable, value, update
        self.mutable, self.strict, self.allow_downcast = bool(mutable), strict, allow_downcast
        self.autoname, self.implicit, self.shared = autoname, implicit, shared
        self.borrow = self.mutable if borrow is None else borrow
        self.name = name if name is not None or not autoname else variable.name

    def __repr__(self) -> str:
        return f"In({self.variable!r})"


class Out:
    """An output of `function`; `borrow` permits it to share the function's memory: none does."""

    def __init__(self, variable: TensorVariable, borrow: bool = False) -> None:
        if not isinstance(variable, TensorVariable):
            raise TypeError(at(f"Out takes a variable, not {type(variable).__name__}", here()))
        self.variable, self.borrow = variable, borrow

    def __repr__(self) -> str:
        return f"Out({self.variable!r}, {self.borrow})"


def Param(variable: TensorVariable, default: Any = None, name: Any = None, mutable: bool = False,
          strict: bool = False, allow_downcast: bool | None = None, implicit: bool | None = None,
          borrow: bool | None = None) -> In:  # fmt: skip
    """An `In` under its older name: `default` is its `value`."""
    return In(
        variable, name, default, None, mutable, strict, allow_downcast, True, implicit, borrow
    )


SymbolicInput, SymbolicOutput = In, Out
