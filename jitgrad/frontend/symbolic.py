"""Symbolic variables, Theano's way: a `TensorVariable` wraps a value of a graph in the air.

Every unknown dim of a new variable is a dim symbol of its own; a broadcastable one is the static 1.
Where an operation needs two unknown dims to be equal, the second operand is *refined* to the first
one's dims: the graph says so, and `cut` turns it into a check at the start of a call. An unknown
dim never broadcasts silently.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..errors import Loc, at
from ..ir import types as ir
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, symbol
from ..ir.types import DType, dtype_of
from .source import here
from .symbolic_notes import owners

_KINDS = {(): "scalar", (False,): "vector", (False, False): "matrix", (True, False): "row",
          (False, True): "col"}  # fmt: skip
_count = iter(range(sys.maxsize))


class TensorType:
    """dtype and broadcast pattern of a variable; called, it makes a variable.

    >>> TensorType("float64", (False, True))("w")
    w
    >>> TensorType("float32", [False] * 3)
    TensorType(float32, 3D)
    """

    __slots__ = ("_dtype", "broadcastable")

    def __init__(self, dtype: Any, broadcastable: Sequence[bool], name: str | None = None) -> None:
        self._dtype = dtype_of(dtype)
        if self._dtype.kind == "c":
            raise TypeError(f"{self._dtype.np} variables are not there yet; use two real ones")
        self.broadcastable = tuple([bool(b) for b in broadcastable])

    @property
    def dtype(self) -> str:
        """NumPy's name of the dtype."""
        return self._dtype.np.name

    @property
    def ndim(self) -> int:
        return len(self.broadcastable)

    def __call__(self, name: str | None = None) -> TensorVariable:
        shape = tuple([1 if b else symbol(f"d{next(_count)}") for b in self.broadcastable])
        value = Value(ir.tensor(self._dtype, shape), name=name or "")
        for axis, d in enumerate(shape):
            if d.__class__ is Dim:
                owners[d] = (ref(value), axis)
        return TensorVariable(value, here())

    make_variable = __call__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((self._dtype.name, self.broadcastable))

    def __repr__(self) -> str:
        pattern = self.broadcastable
        what = _KINDS.get(pattern) or (str(pattern) if any(pattern) else f"{len(pattern)}D")
        return f"TensorType({self.dtype}, {what})"


class TensorVariable:
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

    # -- what it is -------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        return self.value.name or None

    @name.setter
    def name(self, name: str | None) -> None:
        self.value.name = name or ""

    @property
    def type(self) -> TensorType:
        t = self.value.type
        return TensorType(t.dtype, [d.__class__ is int and d == 1 for d in t.shape])

    @property
    def dtype(self) -> str:
        return self.value.type.dtype.np.name

    @property
    def ndim(self) -> int:
        return len(self.value.type.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        return self.type.broadcastable

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

    def __len__(self) -> int:
        if self.ndim and self.value.type.shape[0].__class__ is int:
            return int(self.value.type.shape[0])
        raise TypeError(at(f"len() of {self!r}: its length is not known; use .shape[0]", here()))

    def __iter__(self) -> Iterator[TensorVariable]:
        if not self.ndim:
            raise TypeError(at(f"iteration over {self!r}, a 0-d tensor", here()))
        if self.value.type.shape[0].__class__ is not int:
            what = f"iteration over {self!r}: its length is not known before a call"
            raise TypeError(at(what, here()))
        return iter([self[i] for i in range(len(self))])

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

    # -- operators --------------------------------------------------------------------------------

    def __add__(self, o: Any) -> TensorVariable:
        return ops.binary("add", self, o)

    def __radd__(self, o: Any) -> TensorVariable:
        return ops.binary("add", o, self)

    def __sub__(self, o: Any) -> TensorVariable:
        return ops.binary("sub", self, o)

    def __rsub__(self, o: Any) -> TensorVariable:
        return ops.binary("sub", o, self)

    def __mul__(self, o: Any) -> TensorVariable:
        return ops.binary("mul", self, o)

    def __rmul__(self, o: Any) -> TensorVariable:
        return ops.binary("mul", o, self)

    def __truediv__(self, o: Any) -> TensorVariable:
        return ops.binary("div", self, o)

    def __rtruediv__(self, o: Any) -> TensorVariable:
        return ops.binary("div", o, self)

    def __floordiv__(self, o: Any) -> TensorVariable:
        return ops.on_dims("//", self, o)

    def __rfloordiv__(self, o: Any) -> TensorVariable:
        return ops.on_dims("//", o, self)

    def __mod__(self, o: Any) -> TensorVariable:
        return ops.on_dims("%", self, o)

    def __rmod__(self, o: Any) -> TensorVariable:
        return ops.on_dims("%", o, self)

    def __pow__(self, o: Any) -> TensorVariable:
        return ops.power(self, o)

    def __rpow__(self, o: Any) -> TensorVariable:
        return ops.power(o, self)

    def __matmul__(self, o: Any) -> TensorVariable:
        return ops.dot(self, o)

    def __rmatmul__(self, o: Any) -> TensorVariable:
        return ops.dot(o, self)

    def __neg__(self) -> TensorVariable:
        return ops.unary("neg", self)

    def __pos__(self) -> TensorVariable:
        return self

    def __abs__(self) -> TensorVariable:
        return ops.unary("abs", self)

    def __lt__(self, o: Any) -> TensorVariable:
        return ops.binary("lt", self, o)

    def __le__(self, o: Any) -> TensorVariable:
        return ops.binary("le", self, o)

    def __gt__(self, o: Any) -> TensorVariable:
        return ops.binary("gt", self, o)

    def __ge__(self, o: Any) -> TensorVariable:
        return ops.binary("ge", self, o)

    def __and__(self, o: Any) -> TensorVariable:
        return ops.binary("and", self, o)

    def __rand__(self, o: Any) -> TensorVariable:
        return ops.binary("and", o, self)

    def __or__(self, o: Any) -> TensorVariable:
        return ops.binary("or", self, o)

    def __ror__(self, o: Any) -> TensorVariable:
        return ops.binary("or", o, self)

    def __xor__(self, o: Any) -> TensorVariable:
        return ops.binary("xor", self, o)

    def __rxor__(self, o: Any) -> TensorVariable:
        return ops.binary("xor", o, self)

    def __invert__(self) -> TensorVariable:
        return ops.unary("not", self)

    def __getitem__(self, key: Any) -> TensorVariable:
        return indexing.getitem(self, key)

    # -- shape ------------------------------------------------------------------------------------

    @property
    def shape(self) -> TensorVariable:
        """The shape, an int64 vector; its elements are known to `reshape` and slices."""
        return shapes.shape(self)

    @property
    def size(self) -> TensorVariable:
        return shapes.dim(self.value.type.size)

    @property
    def T(self) -> TensorVariable:
        return shapes.transpose(self)

    def transpose(self, *axes: Any) -> TensorVariable:
        return shapes.transpose(self, *axes)

    def dimshuffle(self, *pattern: Any) -> TensorVariable:
        return shapes.dimshuffle(self, *pattern)

    def reshape(self, shape: Any, ndim: int | None = None) -> TensorVariable:
        return shapes.reshape(self, shape, ndim)

    def flatten(self, ndim: int = 1) -> TensorVariable:
        return shapes.flatten(self, ndim)

    def ravel(self) -> TensorVariable:
        return shapes.flatten(self, 1)

    def astype(self, dtype: Any) -> TensorVariable:
        return ops.cast(self, dtype)

    def copy(self, name: str | None = None) -> TensorVariable:
        """A variable of the same value, named on its own."""
        out = ops.unary("identity", self)
        out.name = name
        return out

    def fill(self, value: Any) -> TensorVariable:
        return shapes.fill(self, value)

    # -- reductions -------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.mean(self, axis, keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> TensorVariable:
        return reductions.var(self, axis, ddof, keepdims)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> TensorVariable:
        return reductions.std(self, axis, ddof, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.min(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.any(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return reductions.all(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> TensorVariable:
        return reductions.argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> TensorVariable:
        return reductions.argmin(self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> TensorVariable:
        return reductions.cumsum(self, axis)

    def clip(self, low: Any, high: Any) -> TensorVariable:
        return ops.clip(self, low, high)

    def dot(self, o: Any) -> TensorVariable:
        return ops.dot(self, o)


def wrap(value: Value) -> TensorVariable:
    """A variable for a value that an operation gave."""
    return TensorVariable(value, value.op.loc if value.op is not None else None)


def constant(value: Any, name: str | None = None, ndim: int | None = None,
             dtype: Any = None) -> TensorVariable:  # fmt: skip
    """A constant of a number or an array; dims of size 1 broadcast.

    >>> constant(2), constant([1.0, 2.0]).type
    (TensorConstant{2}, TensorType(float64, vector))
    """
    spelling = repr(value) if isinstance(value, (bool, int, float)) else ""
    b = Builder(here())
    array = np.array(value, dtype_of(dtype).np if dtype is not None else None)
    if array.dtype.kind not in "biuf":
        why = "is not there yet" if array.dtype.kind == "c" else "is no number or array of numbers"
        raise TypeError(
            at(f"Cannot convert {value!r:.60} to a variable: {array.dtype} {why}", b.loc)
        )
    kind: DType = dtype_of(array.dtype)
    array = array.astype(kind.np, copy=False)
    if ndim is not None:
        if array.ndim > ndim:
            raise ValueError(f"a constant of shape {array.shape} has more than {ndim} dims")
        array = array.reshape((1,) * (ndim - array.ndim) + array.shape)
    shape: tuple[DimLike, ...] = array.shape
    number = array.item() if not shape else array
    if isinstance(number, np.ndarray):
        number.flags.writeable = False
    out = b.const(number, ir.tensor(kind, shape), spelling)
    out.name = name or ""
    return TensorVariable(out, b.loc)


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> TensorVariable:
    """`x` itself if it is a variable, else a constant (lists of variables are stacked)."""
    if isinstance(x, TensorVariable):
        if ndim is not None and x.ndim != ndim:
            if x.ndim > ndim:
                raise ValueError(f"{x!r} has {x.ndim} dims, more than {ndim}")
            return x.dimshuffle(*("x",) * (ndim - x.ndim), *range(x.ndim))
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(i, TensorVariable) for i in x):
        return shapes.stack([as_tensor_variable(i) for i in x])
    return constant(x, name, ndim)


# The functions behind operators and methods; they need the classes above.
import jitgrad.frontend.symbolic_index as indexing  # noqa: E402
import jitgrad.frontend.symbolic_ops as ops  # noqa: E402
import jitgrad.frontend.symbolic_reduce as reductions  # noqa: E402
import jitgrad.frontend.symbolic_shape as shapes  # noqa: E402
