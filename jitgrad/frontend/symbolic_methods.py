"""Operators and methods of symbolic variables: each calls the function of its name.

They are a base class of `TensorVariable`; the functions stand in the `symbolic_*` modules, which
need that class and so are looked up in `symbolic` when a method runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import at
from .source import here

if TYPE_CHECKING:
    from .symbolic import TensorVariable


class Operators:
    """What `TensorVariable` can do."""

    __slots__ = ()
    value: Any

    def __len__(self) -> int:
        if self.value.type.shape and self.value.type.shape[0].__class__ is int:
            return int(self.value.type.shape[0])
        raise TypeError(at(f"len() of {self!r}: its length is not known; use .shape[0]", here()))

    def __iter__(self) -> Iterator[TensorVariable]:
        if not self.value.type.shape:
            raise TypeError(at(f"iteration over {self!r}, a 0-d tensor", here()))
        if self.value.type.shape[0].__class__ is not int:
            what = f"iteration over {self!r}: its length is not known before a call"
            raise TypeError(at(what, here()))
        return iter([self[i] for i in range(len(self))])

    # -- operators --------------------------------------------------------------------------------

    def __add__(self, o: Any) -> TensorVariable:
        return front.ops.binary("add", self, o)

    def __radd__(self, o: Any) -> TensorVariable:
        return front.ops.binary("add", o, self)

    def __sub__(self, o: Any) -> TensorVariable:
        return front.ops.binary("sub", self, o)

    def __rsub__(self, o: Any) -> TensorVariable:
        return front.ops.binary("sub", o, self)

    def __mul__(self, o: Any) -> TensorVariable:
        return front.ops.binary("mul", self, o)

    def __rmul__(self, o: Any) -> TensorVariable:
        return front.ops.binary("mul", o, self)

    def __truediv__(self, o: Any) -> TensorVariable:
        return front.ops.binary("div", self, o)

    def __rtruediv__(self, o: Any) -> TensorVariable:
        return front.ops.binary("div", o, self)

    def __floordiv__(self, o: Any) -> TensorVariable:
        return front.ops.on_dims("//", self, o)

    def __rfloordiv__(self, o: Any) -> TensorVariable:
        return front.ops.on_dims("//", o, self)

    def __mod__(self, o: Any) -> TensorVariable:
        return front.ops.on_dims("%", self, o)

    def __rmod__(self, o: Any) -> TensorVariable:
        return front.ops.on_dims("%", o, self)

    def __pow__(self, o: Any) -> TensorVariable:
        return front.ops.power(self, o)

    def __rpow__(self, o: Any) -> TensorVariable:
        return front.ops.power(o, self)

    def __divmod__(self, o: Any) -> tuple[TensorVariable, TensorVariable]:
        return self // o, self % o

    def __rdivmod__(self, o: Any) -> tuple[TensorVariable, TensorVariable]:
        return o // self, o % self

    def __matmul__(self, o: Any) -> TensorVariable:
        return front.products.matmul(self, o)

    def __rmatmul__(self, o: Any) -> TensorVariable:
        return front.products.matmul(o, self)

    def __neg__(self) -> TensorVariable:
        return front.ops.unary("neg", self)

    def __pos__(self) -> TensorVariable:
        return self  # type: ignore[return-value]

    def __abs__(self) -> TensorVariable:
        return front.ops.unary("abs", self)

    def __lt__(self, o: Any) -> TensorVariable:
        return front.ops.binary("lt", self, o)

    def __le__(self, o: Any) -> TensorVariable:
        return front.ops.binary("le", self, o)

    def __gt__(self, o: Any) -> TensorVariable:
        return front.ops.binary("gt", self, o)

    def __ge__(self, o: Any) -> TensorVariable:
        return front.ops.binary("ge", self, o)

    def __and__(self, o: Any) -> TensorVariable:
        return front.ops.binary("and", self, o)

    def __rand__(self, o: Any) -> TensorVariable:
        return front.ops.binary("and", o, self)

    def __or__(self, o: Any) -> TensorVariable:
        return front.ops.binary("or", self, o)

    def __ror__(self, o: Any) -> TensorVariable:
        return front.ops.binary("or", o, self)

    def __xor__(self, o: Any) -> TensorVariable:
        return front.ops.binary("xor", self, o)

    def __rxor__(self, o: Any) -> TensorVariable:
        return front.ops.binary("xor", o, self)

    def __lshift__(self, o: Any) -> TensorVariable:
        return front.ops.binary("shl", self, o)

    def __rlshift__(self, o: Any) -> TensorVariable:
        return front.ops.binary("shl", o, self)

    def __rshift__(self, o: Any) -> TensorVariable:
        return front.ops.binary("shr", self, o)

    def __rrshift__(self, o: Any) -> TensorVariable:
        return front.ops.binary("shr", o, self)

    def __invert__(self) -> TensorVariable:
        return front.ops.unary("not", self)

    def __ceil__(self) -> TensorVariable:
        return front.maths.ceil(self)

    def __floor__(self) -> TensorVariable:
        return front.maths.floor(self)

    def __trunc__(self) -> TensorVariable:
        return front.maths.trunc(self)

    def __getitem__(self, key: Any) -> TensorVariable:
        return front.indexing.getitem(self, key)  # type: ignore[arg-type]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(at(f"{self!r} cannot be changed in place: y = T.set_subtensor(x[key], "
                           "value) gives a changed copy", here()))  # fmt: skip

    # -- elementwise ------------------------------------------------------------------------------

    def astype(self, dtype: Any) -> TensorVariable:
        """The same numbers in another dtype."""
        return front.ops.cast(self, dtype)

    def copy(self, name: str | None = None) -> TensorVariable:
        """A variable of the same value, named on its own."""
        out = front.ops.unary("identity", self)
        out.name = name
        return out

    def fill(self, value: Any) -> TensorVariable:
        return front.creation.fill(self, value)

    def zeros_like(self, dtype: Any = None) -> TensorVariable:
        return front.creation.zeros_like(self, dtype)

    def ones_like(self, dtype: Any = None) -> TensorVariable:
        return front.creation.ones_like(self, dtype)

    def clip(self, a_min: Any, a_max: Any) -> TensorVariable:
        return front.ops.clip(self, a_min, a_max)

    def round(self, mode: Any = None) -> TensorVariable:
        return front.maths.round(self, mode)

    def ceil(self) -> TensorVariable:
        return front.maths.ceil(self)

    def floor(self) -> TensorVariable:
        return front.maths.floor(self)

    def trunc(self) -> TensorVariable:
        return front.maths.trunc(self)

    def conj(self) -> TensorVariable:
        """The complex conjugate: of reals, themselves."""
        return self  # type: ignore[return-value]

    conjugate = conj

    @property
    def real(self) -> TensorVariable:
        return self  # type: ignore[return-value]

    @property
    def imag(self) -> TensorVariable:
        return front.creation.zeros_like(self)

    # -- shape ------------------------------------------------------------------------------------

    @property
    def shape(self) -> TensorVariable:
        """The shape, an int64 vector; its elements are known to `reshape` and slices."""
        return front.shapes.shape(self)

    @property
    def size(self) -> TensorVariable:
        """The number of elements, an int64 scalar."""
        return front.shapes.dim(self.value.type.size)

    @property
    def T(self) -> TensorVariable:
        return front.shapes.transpose(self)

    def transpose(self, *axes: Any) -> TensorVariable:
        return front.shapes.transpose(self, *axes)

    def dimshuffle(self, *pattern: Any) -> TensorVariable:
        return front.shapes.dimshuffle(self, *pattern)

    def swapaxes(self, axis1: int, axis2: int) -> TensorVariable:
        return front.shapes.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> TensorVariable:
        return front.shapes.squeeze(self, axis)

    def reshape(self, shape: Any, *more: Any, ndim: int | None = None) -> TensorVariable:
        """The same elements in another shape: `x.reshape((2, -1))` or `x.reshape(2, -1)`."""
        return front.shapes.reshape_method(self, shape, more, ndim)

    def flatten(self, ndim: int = 1) -> TensorVariable:
        return front.shapes.flatten(self, ndim)

    def ravel(self) -> TensorVariable:
        return front.shapes.flatten(self, 1)

    def repeat(self, repeats: Any, axis: int | None = None) -> TensorVariable:
        return front.joins.repeat(self, repeats, axis)

    # -- reductions -------------------------------------------------------------------------------

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False,
            acc_dtype: Any = None) -> TensorVariable:  # fmt: skip
        return front.reductions.sum(self, axis, dtype, keepdims, acc_dtype)

    def prod(self, axis: Any = None, dtype: Any = None, keepdims: bool = False,
             acc_dtype: Any = None, no_zeros_in_input: bool = False) -> TensorVariable:  # fmt: skip
        return front.reductions.prod(self, axis, dtype, keepdims, acc_dtype, no_zeros_in_input)

    def mean(self, axis: Any = None, dtype: Any = None, keepdims: bool = False,
             acc_dtype: Any = None) -> TensorVariable:  # fmt: skip
        return front.reductions.mean(self, axis, dtype, None, keepdims, acc_dtype)

    def var(self, axis: Any = None, ddof: Any = 0, keepdims: bool = False,
            corrected: bool = False) -> TensorVariable:  # fmt: skip
        return front.reductions.var(self, axis, ddof, keepdims, corrected)

    def std(self, axis: Any = None, ddof: Any = 0, keepdims: bool = False,
            corrected: bool = False) -> TensorVariable:  # fmt: skip
        return front.reductions.std(self, axis, ddof, keepdims, corrected)

    def max(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.min(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.any(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.all(self, axis, keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.argmax(self, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.argmin(self, axis, keepdims)

    def ptp(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        return front.reductions.ptp(self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> TensorVariable:
        return front.reductions.cumsum(self, axis)

    def cumprod(self, axis: int | None = None) -> TensorVariable:
        return front.reductions.cumprod(self, axis)

    def norm(self, L: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """The L-norm: (sum |x|**L) ** (1/L); for infinity the largest |x|, for 0 how many are not
        0."""
        return front.reductions.norm(self, L, axis, keepdims)

    def trace(self) -> TensorVariable:
        """The sum of the diagonal of a matrix."""
        return front.selections.trace(self)

    # -- products, choices, order -----------------------------------------------------------------

    def dot(self, o: Any) -> TensorVariable:
        return front.products.dot(self, o)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
        return front.selections.diagonal(self, offset, axis1, axis2)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> TensorVariable:
        return front.selections.take(self, indices, axis, mode)

    def choose(self, choices: Any, out: None = None, mode: str = "raise") -> TensorVariable:
        return front.selections.choose(self, choices, out, mode)

    def compress(self, condition: Any, axis: int | None = None) -> TensorVariable:
        """`self` where the vector `condition` holds along `axis` (None: of the flattened one)."""
        return front.selections.compress(condition, self, axis)

    def nonzero(self, return_matrix: bool = False) -> Any:
        """The indices of the elements that are not 0: one vector an axis."""
        return front.selections.nonzero(self, return_matrix)

    def nonzero_values(self) -> TensorVariable:
        return front.selections.nonzero_values(self)

    def sort(self, axis: int | None = -1, kind: str = "quicksort", order: Any = None
             ) -> TensorVariable:  # fmt: skip
        return front.sorting.sort(self, axis, kind, order)

    def argsort(self, axis: int | None = -1, kind: str = "quicksort", order: Any = None
                ) -> TensorVariable:  # fmt: skip
        return front.sorting.argsort(self, axis, kind, order)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> TensorVariable:
        """Where the elements of `v` belong in this sorted vector."""
        return front.sorting.searchsorted(self, v, side, sorter)

    def set(self, y: Any) -> TensorVariable:
        """`x[key].set(y)`: x with these elements replaced."""
        return front.updates.set_subtensor(self, y)

    def inc(self, y: Any) -> TensorVariable:
        """`x[key].inc(y)`: x with `y` added to these elements."""
        return front.updates.inc_subtensor(self, y)

    def get_scalar_constant_value(self) -> Any:
        """The number this variable always has; `NotScalarConstantError` where it has none."""
        return front.constants.get_scalar_constant_value(self)

    get_constant_value = get_scalar_constant_value


import jitgrad.frontend.symbolic as front  # noqa: E402  # it needs the class
