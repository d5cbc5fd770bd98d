"""Symbolic variables, Theano's way: a `TensorVariable` wraps a value of a graph in the air.

Every unknown dim of a new variable is a dim symbol of its own; a broadcastable one is the static 1.
Where an operation needs two unknown dims to be equal, the second operand is *refined* to the first
one's dims: the graph says so, and `cut` turns it into a check at the start of a call. An unknown
dim never broadcasts silently. Operators and methods stand in `symbolic_methods`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, ref

import numpy as np

import jitgrad.frontend.symbolic as front  # this module, for what it loads when it is used

from .. import config
from ..errors import Loc, at
from ..ir import types as ir
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, symbol
from ..ir.types import DType, dtype_of
from .source import here
from .symbolic_methods import Operators
from .symbolic_notes import owners, tags
from .symbolic_type import TensorType, checked_dtype, of_shape

if TYPE_CHECKING:
    from . import symbolic_constants as constants  # noqa: F401
    from . import symbolic_create as creation  # noqa: F401
    from . import symbolic_index as indexing  # noqa: F401
    from . import symbolic_join as joins  # noqa: F401
    from . import symbolic_math as maths  # noqa: F401
    from . import symbolic_ops as ops  # noqa: F401
    from . import symbolic_products as products  # noqa: F401
    from . import symbolic_reduce as reductions  # noqa: F401
    from . import symbolic_select as selections  # noqa: F401
    from . import symbolic_shape as shapes  # noqa: F401
    from . import symbolic_sort as sorting  # noqa: F401
    from . import symbolic_update as updates  # noqa: F401

_count = iter(range(sys.maxsize))
# the variable around a value, while somebody holds it: so walking a graph meets the same objects
_around: WeakValueDictionary[Value, TensorVariable] = WeakValueDictionary()


class TensorVariable(Operators):
    """A tensor that has no data yet: what `T.dscalar("x")` and operations on variables give.

    Operators work elementwise and broadcast over the dims that are known to be 1; `<`, `<=`, `>`,
    `>=` compare elements, but `==` and `hash` go by identity, as Theano's do (so that variables can
    be keys of `givens`): elements are compared by `T.eq`. A variable has no truth value, and no
    length unless its first dim is known.

    >>> x = TensorType("float64", (False,))("x")
    >>> x, (x + 1).type
    (x, TensorType(float64, vector))
    """

    __slots__ = ("__weakref__", "_cache", "loc", "value")
    __array_ufunc__ = None  # NumPy's arrays leave binary operators to us
    value: Value

    def __init__(self, value: Value, loc: Loc | None = None) -> None:
        self.value = value
        self.loc = loc
        self._cache: dict[Any, Any] | None = None  # what `eval` compiled
        _around[value] = self

    @property
    def name(self) -> str | None:
        return self.value.name or None

    @name.setter
    def name(self, name: str | None) -> None:
        self.value.name = name or ""

    @property
    def type(self) -> TensorType:
        t = self.value.type
        return of_shape(t.dtype, t.shape)

    @property
    def dtype(self) -> str:
        return self.value.type.dtype.np.name

    @property
    def ndim(self) -> int:
        return len(self.value.type.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        return self.type.broadcastable

    @property
    def owner(self) -> Any:
        """The operation that gives the variable, an `Apply`; None for inputs and constants."""
        from .symbolic_graph import owner_of

        return owner_of(self.value)

    @property
    def tag(self) -> SimpleNamespace:
        """A namespace for whatever a program keeps with the variable, `x.tag.test_value = …`."""
        found = tags.get(self.value)
        if found is None:
            found = tags[self.value] = SimpleNamespace()
        return found

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, TensorVariable) and other.value is self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        v = self.value
        if v.name:
            return v.name
        if v.op is None:
            return f"<{self.type}>"
        if v.op.opdef.name == "constant":
            return f"TensorConstant{{{v.op.attrs['spelling'] or v.type}}}"
        return f"{v.op.opdef.name}.{v.index}"

    def __bool__(self) -> bool:
        raise TypeError(at(
            "Variables do not support boolean operations: a variable has no truth value before its "
            "function is called. Use T.switch for a choice, & and | for logic, T.eq to compare "
            "elements", here()))  # fmt: skip

    def __float__(self) -> float:
        raise TypeError(at(f"{self!r} is symbolic and has no number; use .eval()", here()))

    __int__ = __index__ = __float__

    # A graph does not change, so that a copy of it (in a deep copy of what holds it) is itself.
    # Another process may use its dims' names for others: a pickle could not be told from a new
    # graph there, and its gradients would not know what they are gradients of.

    def __copy__(self) -> TensorVariable:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TensorVariable:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(at(f"{self!r} is a variable of this process and cannot be pickled; keep "
                           "the IR text of a function of it: f.maker.compiled.ir('trace')",
                           here()))  # fmt: skip


class TensorConstant(TensorVariable):
    """A variable whose value is part of the graph: what `constant` gives."""

    __slots__ = ()

    @property
    def data(self) -> np.ndarray:
        """The value, a read-only array."""
        op, t = self.value.op, self.value.type
        assert op is not None
        if not isinstance(op.attrs["value"], np.ndarray) and not t.static:
            raise TypeError(at(f"{self!r} has the sizes of a variable, known at a call", here()))
        value = np.asarray(op.attrs["value"], t.dtype.np)
        return np.broadcast_to(value, t.shape)  # type: ignore[arg-type]


def fresh(dtype: DType, sizes: tuple[int | None, ...], name: str | None) -> TensorVariable:
    """A new variable; every size that is None is a dim symbol of its own."""
    shape = tuple([symbol(f"d{next(_count)}") if s is None else s for s in sizes])
    value = Value(ir.tensor(dtype, shape), name=name or "")
    for axis, d in enumerate(shape):
        if d.__class__ is Dim:
            owners[d] = (ref(value), axis)
    return TensorVariable(value, here())


def wrap(value: Value) -> TensorVariable:
    """The variable around a value that an operation gave."""
    found = _around.get(value)
    if found is not None:
        return found
    if value.op is None and value.__class__ is not Value:
        return value.variable  # type: ignore[attr-defined]  # a shared variable's
    op = value.op
    if op is None:
        return TensorVariable(value)
    made = TensorConstant if op.opdef.name == "constant" else TensorVariable
    return made(value, op.loc)


def constant(value: Any, name: str | None = None, ndim: int | None = None,
             dtype: Any = None) -> TensorVariable:  # fmt: skip
    """A constant of a number or an array; dims of size 1 broadcast.

    A Python float has the dtype `config.floatX`, an int int64, an array its own. `ndim` asks for
    leading dims of 1.

    >>> constant(2), constant([1.0, 2.0]).type
    (TensorConstant{2}, TensorType(float64, vector))
    """
    if isinstance(value, TensorVariable):
        if value.value.op is not None and value.value.op.opdef.name == "constant":
            return value
        raise TypeError(at(f"constant takes numbers and arrays, not the variable {value!r}; "
                           "use T.as_tensor_variable", here()))  # fmt: skip
    spelling = repr(value) if isinstance(value, (bool, int, float)) else ""
    b = Builder(here())
    if dtype is None and value.__class__ is float:
        dtype = config.floatX
    try:
        array = np.array(value, checked_dtype(dtype).np if dtype is not None else None)
    except ValueError as err:  # lists of different lengths
        raise TypeError(at(f"Cannot convert {value!r:.60} to a variable: {err}", b.loc)) from None
    if array.dtype.kind not in "biuf":
        why = "is not there yet" if array.dtype.kind == "c" else "is no number or array of numbers"
        raise TypeError(
            at(f"Cannot convert {value!r:.60} to a variable: {array.dtype} {why}", b.loc)
        )
    kind: DType = dtype_of(array.dtype)
    array = array.astype(kind.np, copy=False)
    if ndim is not None:
        if array.ndim > ndim:
            what = f"a constant of shape {array.shape} has more than {ndim} dims"
            raise ValueError(at(what, b.loc))
        array = array.reshape((1,) * (ndim - array.ndim) + array.shape)
    shape: tuple[DimLike, ...] = array.shape
    number = array.item() if not shape else array
    if isinstance(number, np.ndarray):
        number.flags.writeable = False
    out = b.const(number, ir.tensor(kind, shape), spelling)
    out.name = name or ""
    return TensorConstant(out, b.loc)


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None,
                       dtype: Any = None) -> TensorVariable:  # fmt: skip
    """`x` itself if it is a variable, else a constant (lists with variables in them are stacked).

    `ndim` asks for a number of dims: leading ones of size 1 come or go. `dtype` converts.

    >>> as_tensor_variable([1, constant(2)]).eval()
    array([1, 2])

    Raises `TypeError` for what is no number or array, `ValueError` for more than `ndim` dims.
    """
    if isinstance(x, TensorVariable):
        if dtype is not None:
            x = front.ops.cast(x, dtype)
        if ndim is not None and x.ndim != ndim:
            extra = x.ndim - ndim
            if extra < 0:
                return x.dimshuffle(*("x",) * -extra, *range(x.ndim))
            if not all(x.broadcastable[:extra]):
                raise ValueError(at(f"{x!r} has {x.ndim} dims, more than {ndim}, and the leading "
                                    "ones are not known to be 1", here()))  # fmt: skip
            return x.dimshuffle(*range(extra, x.ndim))
        return x
    if isinstance(x, (list, tuple)) and _has_variables(x):
        return as_tensor_variable(front.joins.stacklists(x), name, ndim, dtype)
    return constant(x, name, ndim, dtype)


def _has_variables(x: Any) -> bool:
    return isinstance(x, TensorVariable) or (
        isinstance(x, (list, tuple)) and any(map(_has_variables, x))
    )


# The functions behind operators and methods: modules that need the classes above, so each is loaded
# when it is first used, and every module of the front end can be the first one imported.
_HOMES = {
    "constants": "constants", "creation": "create", "indexing": "index", "joins": "join",
    "maths": "math", "ops": "ops", "products": "products", "reductions": "reduce",
    "selections": "select", "shapes": "shape", "sorting": "sort", "updates": "update",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, import_module(f".symbolic_{_HOMES[name]}", __package__))
