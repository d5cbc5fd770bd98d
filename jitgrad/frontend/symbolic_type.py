"""`TensorType`: what a symbolic variable is a tensor of, Theano's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import config
from ..errors import at
from ..ir.dims import DimLike
from ..ir.types import DType, dtype_of
from .source import here

if TYPE_CHECKING:
    from .symbolic import TensorVariable

_KINDS = {(): "scalar", (False,): "vector", (False, False): "matrix", (True, False): "row",
          (False, True): "col"}  # fmt: skip


def checked_dtype(dtype: Any) -> DType:
    """The IR's dtype of a name, `"floatX"` among them; `TypeError` for what no variable has."""
    if isinstance(dtype, str) and dtype == "floatX":
        dtype = config.floatX
    found = dtype_of(dtype)
    if found.kind == "c":
        raise TypeError(f"{found.np} variables are not there yet; use two real ones")
    return found


class TensorType:
    """dtype and broadcast pattern of a variable; called, it makes a variable.

    An entry of `broadcastable` is True where the size is 1 and broadcasts, False where it is not
    known. A size may stand there too, or None for an unknown one, so that it can be a shape.

    >>> TensorType("float64", (False, True))("w")
    w
    >>> TensorType("float32", [False] * 3)
    TensorType(float32, 3D)
    >>> TensorType("float64", shape=(None, 1)) == TensorType("float64", (False, True))
    True

    Types are equal where dtypes and broadcast patterns are. Raises `TypeError` for complex dtypes.
    """

    __slots__ = ("_dtype", "broadcastable", "name", "shape")

    def __init__(self, dtype: Any, broadcastable: Sequence[Any] | None = None,
                 name: str | None = None, shape: Sequence[Any] | None = None) -> None:  # fmt: skip
        self._dtype = checked_dtype(dtype)
        if (broadcastable is None) == (shape is None):
            raise TypeError("TensorType takes a dtype and either `broadcastable` or `shape`")
        sizes = tuple([_size(s) for s in (broadcastable if shape is None else shape) or ()])
        self.shape: tuple[int | None, ...] = sizes
        self.broadcastable: tuple[bool, ...] = tuple([s == 1 for s in sizes])
        self.name = name

    @property
    def dtype(self) -> str:
        """NumPy's name of the dtype."""
        return self._dtype.np.name

    @property
    def numpy_dtype(self) -> np.dtype:
        return self._dtype.np

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __call__(self, name: str | None = None, shape: Sequence[Any] | None = None
                 ) -> TensorVariable:  # fmt: skip
        from .symbolic import fresh

        if shape is not None:
            return TensorType(self._dtype, shape=shape)(name)
        return fresh(self._dtype, self.shape, name)

    make_variable = __call__

    def make_constant(self, value: Any, name: str | None = None) -> TensorVariable:
        """A constant of this type; `TypeError` for a value that does not fit."""
        from .symbolic import constant

        return constant(self.filter(value), name)

    def clone(self, dtype: Any = None, broadcastable: Sequence[Any] | None = None,
              shape: Sequence[Any] | None = None) -> TensorType:  # fmt: skip
        """This type with another dtype or pattern."""
        if broadcastable is not None:
            shape = [True if b is True else _size(b) for b in broadcastable]
        return TensorType(dtype or self._dtype, shape=self.shape if shape is None else shape,
                          name=self.name)  # fmt: skip

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None
               ) -> np.ndarray:  # fmt: skip
        """`data` as an array of this type.

        strict          take nothing but an array of just this dtype
        allow_downcast  True: convert whatever is lost; False: only what loses nothing; None: also
                        Python floats to float32, and Python numbers whose values are kept

        Raises `TypeError` for another dtype, number of dims, or a size other than 1 where this type
        broadcasts.
        """
        from .symbolic_filter import Misfit, fitted

        try:
            out = fitted(data, self._dtype, self.ndim, allow_downcast, strict)
        except Misfit as err:
            raise TypeError(at(f"{self}: {err}", here())) from None
        for axis, (n, want) in enumerate(zip(out.shape, self.shape)):
            if want is not None and n != want:
                what = "Non-unit value on shape on a broadcastable dimension" if want == 1 else (
                    f"size {n} where {want} is needed")  # fmt: skip
                raise TypeError(at(f"{what}: axis {axis} of shape {out.shape} for {self}", here()))
        return out

    def is_valid_value(self, data: Any, strict: bool = True) -> bool:
        """Whether `filter` takes `data`."""
        try:
            self.filter(data, strict=strict)
        except TypeError:
            return False
        return True

    @staticmethod
    def values_eq(a: Any, b: Any, force_same_dtype: bool = True) -> bool:
        """Whether two arrays have one shape, dtype and elements (a NaN equals a NaN)."""
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or (force_same_dtype and a.dtype != b.dtype):
            return False
        return bool(np.all((a == b) | ((a != a) & (b != b))))

    @staticmethod
    def values_eq_approx(a: Any, b: Any, rtol: float | None = None, atol: float | None = None
                         ) -> bool:  # fmt: skip
        """Whether two arrays are equal but for rounding (1e-5 of their size, 1e-4 for float32)."""
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind != "f":
            return bool(np.all(a == b))
        least = 1e-5 if a.dtype.itemsize == 8 else 1e-4
        return bool(np.allclose(a, b, rtol or least, least / 100 if atol is None else atol,
                                equal_nan=True))  # fmt: skip

    def value_zeros(self, shape: Sequence[int]) -> np.ndarray:
        return np.zeros(tuple(shape), self._dtype.np)

    def in_same_class(self, other: Any) -> bool:
        return self == other

    def is_super(self, other: Any) -> bool:
        """Whether every value of `other` is one of this type."""
        return (
            isinstance(other, TensorType)
            and other._dtype is self._dtype
            and len(other.shape) == len(self.shape)
            and all(a is None or a == b for a, b in zip(self.shape, other.shape))
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TensorType)
            and other._dtype is self._dtype
            and other.broadcastable == self.broadcastable
        )

    def __hash__(self) -> int:
        return hash((self._dtype.name, self.broadcastable))

    def __reduce__(self) -> Any:
        return _type, (self.dtype, self.shape, self.name)

    def __repr__(self) -> str:
        if self.name:
            return self.name
        pattern = self.broadcastable
        what = _KINDS.get(pattern) or (str(pattern) if any(pattern) else f"{len(pattern)}D")
        return f"TensorType({self.dtype}, {what})"


def _type(dtype: str, shape: tuple[int | None, ...], name: str | None) -> TensorType:
    return TensorType(dtype, shape=shape, name=name)


def of_shape(dtype: DType, shape: tuple[DimLike, ...]) -> TensorType:
    """The type of a value of the graph."""
    out = TensorType.__new__(TensorType)
    out._dtype, out.name = dtype, None
    out.shape = tuple([d if d.__class__ is int else None for d in shape])
    out.broadcastable = tuple([d.__class__ is int and d == 1 for d in shape])
    return out


def _size(entry: Any) -> int | None:
    if entry is None or entry is False or entry is np.False_:
        return None
    size = entry.__index__() if not isinstance(entry, np.bool_) else int(entry)
    if size < 0:
        raise ValueError(f"a size cannot be negative: {size}")
    return size
