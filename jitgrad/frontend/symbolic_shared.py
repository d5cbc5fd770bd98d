"""Shared variables: variables with a value that functions read at each call, and may update."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any
from weakref import WeakSet, ref

import numpy as np

from ..errors import Loc, at
from ..ir import types as ir
from ..ir.core import Value
from ..ir.dims import Dim, symbol
from .reach import reach
from .source import here
from .symbolic import TensorVariable, _around
from .symbolic_filter import Misfit, fitted
from .symbolic_notes import owners
from .symbolic_type import TensorType

_count = count()
_alive: WeakSet[SharedValue] = WeakSet()


class Guard:
    """A lock that calls which update a container hold from reading it to writing it.

    Without it two threads could compute updates of the same value, and one of them would be lost.
    Whoever needs several takes them in the order of their numbers.
    """

    __slots__ = ("__weakref__", "lock", "number")

    def __init__(self) -> None:
        self.number, self.lock = next(_count), threading.RLock()
        _guards.add(self)


_guards: WeakSet[Guard] = WeakSet()
_guarding = Guard()


def guards_of(targets: Iterable[Container]) -> list[Guard]:
    """The guards of containers that are updated together, in order; made where there is none."""
    with _guarding.lock:
        targets = list(targets)
        found = {c.guard.number: c.guard for c in targets if c.guard is not None}
        without = [c for c in targets if c.guard is None]
        if without:
            joint = next(iter(found.values()), None) or Guard()
            found[joint.number] = joint
            for c in without:
                c.guard = joint
        return [found[k] for k in sorted(found)]


def _after_fork_child() -> None:
    for guard in list(_guards):  # a thread that does not exist here may hold the old lock
        guard.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


class Container:
    """The storage of a value of one type: `value` reads it, and checks what is put in.

    A function reads its inputs' defaults and its shared variables here, and puts updates here.
    """

    __slots__ = ("__weakref__", "allow_downcast", "data", "guard", "name", "strict", "type")

    def __init__(self, type: TensorType, name: str | None = None, strict: bool = False,
                 allow_downcast: bool | None = None) -> None:  # fmt: skip
        self.type, self.name, self.strict = type, name, strict
        self.allow_downcast = allow_downcast
        self.data: np.ndarray | None = None
        self.guard: Guard | None = None  # of what is updated by functions

    @property
    def value(self) -> Any:
        return self.data

    @value.setter
    def value(self, value: Any) -> None:
        self.put(value, borrow=True)

    def put(self, value: Any, borrow: bool = False) -> None:
        """Store `value` (None: nothing), a copy of it unless `borrow`; `TypeError` if it is not of
        the type."""
        new = None if value is None else self.fit(value, borrow)
        if self.guard is None:
            self.data = new
        else:
            with self.guard.lock:  # not amid a call that would overwrite it
                self.data = new

    def fit(self, value: Any, borrow: bool = False) -> np.ndarray:
        t = self.type
        try:
            array = fitted(value, t._dtype, t.ndim, self.allow_downcast, self.strict)
            for axis, size in enumerate(t.shape):
                if size is not None and array.shape[axis] != size:
                    what = "is broadcastable: its size is 1" if size == 1 else f"has size {size}"
                    raise Misfit(f"axis {axis} {what}, not {array.shape[axis]}")
        except Misfit as err:
            name = f'"{self.name}"' if self.name else "without a name"
            raise TypeError(at(f"Container {name} of {t}: {err}", here())) from None
        if borrow and array.flags.aligned:
            return array
        return np.array(array, order="C")

    def __deepcopy__(self, memo: dict[int, Any]) -> Container:
        new = Container(self.type, self.name, self.strict, self.allow_downcast)
        new.data = None if self.data is None else self.data.copy()
        return new

    def __reduce__(self) -> Any:
        t = self.type
        return _container, (t.dtype, t.shape, self.name, self.strict, self.allow_downcast,
                            self.data)  # fmt: skip

    def __repr__(self) -> str:
        return f"<{self.data!r}>"


def _container(dtype: str, shape: Sequence[int | None], name: str | None, strict: bool,
               allow_downcast: bool | None, data: Any) -> Container:  # fmt: skip
    made = Container(TensorType(dtype, shape=shape), name, strict, allow_downcast)
    made.data = data
    return made


class SharedValue(Value):
    """The value of a shared variable in the graph; it knows its variable."""

    __slots__ = ("number", "variable")
    variable: SharedVariable

    def __init__(self, type: TensorType, name: str) -> None:
        self.number = next(_count)
        shape = [
            symbol(f"s{self.number}_{i}") if n is None else n for i, n in enumerate(type.shape)
        ]
        super().__init__(ir.tensor(type._dtype, tuple(shape)), name=name)
        for axis, d in enumerate(shape):
            if d.__class__ is Dim:
                owners[d] = (ref(self), axis)
        _alive.add(self)


class SharedVariable(TensorVariable):
    """A variable with a value of its own, in a `container`: what `shared` gives.

    Functions whose graphs it is part of read the value at each call; all of them share it. Sizes
    may change by `set_value`, dtype and number of dims do not.

    default_update  an expression that becomes the value after each call of a function that depends
                    on the variable, unless the function's `updates` say otherwise; or None
    """

    value: SharedValue

    def __init__(self, name: str | None, type: TensorType, value: Any = None,
                 strict: bool = False, allow_downcast: bool | None = None,
                 container: Container | None = None, borrow: bool = False,
                 loc: Loc | None = None) -> None:  # fmt: skip
        super().__init__(SharedValue(type, name or ""), loc if loc is not None else here())
        self.value.variable = self  # the graph keeps the variable alive, as it does the value
        _around.pop(self.value, None)
        self._default_update: Any = None
        if container is None:
            container = Container(type, name, strict, allow_downcast)
            container.put(value, borrow)
        self.container = container

    @property
    def default_update(self) -> Any:
        return self._default_update

    @default_update.setter
    def default_update(self, update: Any) -> None:
        self._default_update = update
        if isinstance(update, TensorVariable):  # the graph leads to it from its own operands: a
            _around.pop(update.value, None)  # table that held it would hold it for good

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray:
        """A copy of the value; with `borrow`, the array itself.

        >>> w = shared(np.zeros(2), "w")
        >>> w.get_value()[0] = 1.0
        >>> w.get_value()
        array([0., 0.])
        """
        data = self.container.data
        assert data is not None
        return data if borrow else data.copy()

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Store a copy of `new_value`; with `borrow`, the array itself if it is one of the dtype.

        Raises `TypeError` for another number of dims, for a dtype that loses precision or kind, and
        for a size other than 1 on a broadcastable axis.
        """
        if new_value is None:
            raise TypeError(at(f"None is no value for {self!r}, of {self.type}", here()))
        self.container.put(new_value, borrow)

    def zero(self, borrow: bool = False) -> None:
        """Make all elements 0; with `borrow`, in the array itself."""
        data = self.container.data
        assert data is not None
        if borrow and data.flags.writeable:
            data[...] = 0
        else:
            self.container.put(np.zeros(data.shape, data.dtype), borrow=True)

    def clone(self) -> SharedVariable:
        """Another variable with the same container, so with the same value at all times."""
        return self.around(self.container)

    def around(self, container: Container) -> SharedVariable:
        """A variable like this one with another container."""
        kind = type(self)
        return kind(self.name, self.type, container=container, loc=self.loc)

    # a copy of the object is another variable: `copy` of a variable is an expression

    def __copy__(self) -> SharedVariable:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedVariable:
        self._closed("copied deeply")
        return self.around(copy.deepcopy(self.container, memo))

    def __reduce__(self) -> Any:
        self._closed("pickled")
        return _variable, (self.name, self.container)

    def _closed(self, what: str) -> None:
        if self.default_update is not None:
            raise TypeError(at(
                f"{self!r} has a default_update, an expression of this process, and cannot be "
                f"{what}: take the value by get_value(), or the compiled functions, which keep "
                "their updates", here()))  # fmt: skip


TensorSharedVariable = ScalarSharedVariable = SharedVariable


def _variable(name: str | None, container: Container) -> SharedVariable:
    return SharedVariable(name, container.type, container=container)


def shared(value: Any, name: str | None = None, strict: bool = False,
           allow_downcast: bool | None = None, borrow: bool = False,
           broadcastable: Sequence[bool] | None = None,
           target: str = "cpu") -> SharedVariable:  # fmt: skip
    """A variable that holds `value`: an array, a NumPy scalar or a Python number.

    strict          `set_value` converts nothing: TypeError for what is no array of the dtype
    allow_downcast  whether `set_value` may lose precision
    borrow          keep the array itself, not a copy: changes of it are seen by functions
    broadcastable   which axes have size 1 for good and repeat beside others; by default none,
                    whatever the sizes, for they may change

    A Python float makes a float64 scalar, an int an int64 one, a bool a bool.

    >>> state = shared(0, "state")
    >>> state, state.type, state.get_value()
    (state, TensorType(int64, scalar), array(0))

    Raises `TypeError` for variables, lists and other objects.
    """
    loc = here()
    if isinstance(value, TensorVariable):
        raise TypeError(at("Shared variable constructor needs numeric values and not symbolic "
                           "variables.", loc))  # fmt: skip
    if not isinstance(value, (np.ndarray, np.generic, int, float, complex)):
        hint = ", or np.array of it" if isinstance(value, (list, tuple)) else ""
        raise TypeError(at(f"No suitable SharedVariable constructor could be found: shared takes "
                           f"arrays and numbers, not {value!r:.60} of type "
                           f"{type(value).__name__}{hint}", loc))  # fmt: skip
    if target != "cpu":
        raise TypeError(at(f"target {target!r}: shared variables live in memory, on the 'cpu'",
                           loc))  # fmt: skip
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(at(f"shared takes bools, integers and floats, not {value!r:.60}, of "
                           f"{array.dtype}", loc))  # fmt: skip
    pattern = (False,) * array.ndim if broadcastable is None else tuple(broadcastable)
    if len(pattern) != array.ndim:
        raise TypeError(at(f"broadcastable={pattern} has {len(pattern)} entries for {array.ndim} "
                           "dims", loc))  # fmt: skip
    try:
        kind = TensorType(array.dtype.newbyteorder("="), pattern)
    except (TypeError, ValueError) as err:
        raise TypeError(at(f"shared: {err}", loc)) from None
    made = SharedVariable(name, kind, array, False, allow_downcast, borrow=borrow, loc=loc)
    made.container.strict = strict
    return made


# -- what a function needs ------------------------------------------------------------------------


def shared_values(roots: Iterable[Value], stops: Sequence[Value]) -> list[SharedValue]:
    """The shared variables' values that `roots` need, by values or by sizes, oldest first.

    `stops` are the values that are given at a call, or replaced.
    """
    if not _alive:
        return []
    given = {id(v) for v in stops}
    met = reach(roots, stops).values.values()
    found = [v for v in met if v.__class__ is SharedValue and id(v) not in given]
    return sorted(found, key=lambda v: v.number)


__all__ = ["Container", "SharedValue", "SharedVariable", "TensorSharedVariable", "shared"]
