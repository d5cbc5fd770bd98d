"""Types of the IR: dtypes (complex named, its operations still to come) and tensors with dims."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .dims import Dim, DimLike, product


class DType:
    """An element type: `name` in the IR, NumPy's dtype `np`, kind (one of "b i u f c"), bits."""

    __slots__ = ("bits", "kind", "name", "np", "rank0")
    rank0: TensorType

    def __init__(self, name: str, dtype: Any) -> None:
        self.name = name
        self.np = np.dtype(dtype)
        self.kind = self.np.kind
        self.bits = 8 * self.np.itemsize

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    @property
    def inexact(self) -> bool:
        """True for the dtypes that have derivatives: floating and complex."""
        return self.kind in "fc"

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple:
        return dtype_of, (self.name,)

    def __deepcopy__(self, memo: dict) -> DType:
        return self


_TABLE = (
    ("bool", np.bool_),
    *((f"{k}{b}", f"{n}{b}") for k, n in (("i", "int"), ("u", "uint")) for b in (8, 16, 32, 64)),
    ("f32", np.float32),
    ("f64", np.float64),
    ("c64", np.complex64),
    ("c128", np.complex128),
)
DTYPES: dict[str, DType] = {name: DType(name, d) for name, d in _TABLE}
_BY_NP: dict[np.dtype, DType] = {d.np: d for d in DTYPES.values()}
BOOL, I64, F32, F64 = DTYPES["bool"], DTYPES["i64"], DTYPES["f32"], DTYPES["f64"]


def dtype_of(spec: Any) -> DType:
    """The IR's dtype for a name ("f64"), a NumPy dtype or anything `np.dtype` takes.

    >>> dtype_of("f32"), dtype_of(np.dtype(">f8")), dtype_of(bool)
    (f32, f64, bool)

    Raises `TypeError` for dtypes that the IR has no name for (strings, objects, float16 …).
    """
    if spec.__class__ is DType:
        return spec
    if isinstance(spec, str) and spec in DTYPES:
        return DTYPES[spec]
    dtype = np.dtype(spec)
    found = _BY_NP.get(dtype) or _BY_NP.get(dtype.newbyteorder("="))
    if found is None:
        raise TypeError(f"dtype {dtype} is not supported; the dtypes are {', '.join(DTYPES)}")
    return found


class TensorType:
    """dtype and shape; interned, so that `is` decides equality. Rank 0 prints as the dtype.

    >>> from .dims import symbol
    >>> tensor("f64", (symbol("n"), 3))
    f64[n, 3]
    >>> tensor("f64", ()) is tensor("f64", ())
    True
    """

    __slots__ = ("__weakref__", "dtype", "shape")
    dtype: DType
    shape: tuple[DimLike, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> DimLike:
        return product(self.shape)

    @property
    def static(self) -> bool:
        """True where every dim is a number."""
        return not any(d.__class__ is Dim for d in self.shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return self if dtype is self.dtype else tensor(dtype, self.shape)

    def with_shape(self, shape: tuple[DimLike, ...]) -> TensorType:
        return tensor(self.dtype, shape)

    def __repr__(self) -> str:
        if not self.shape:
            return self.dtype.name
        return f"{self.dtype.name}[{', '.join(map(repr, self.shape))}]"

    def __reduce__(self) -> tuple:
        return tensor, (self.dtype.name, self.shape)

    def __deepcopy__(self, memo: dict) -> TensorType:
        return self


_types: WeakValueDictionary[tuple, TensorType] = WeakValueDictionary()
_lock = Lock()


def _after_fork_child() -> None:
    global _lock
    _lock = Lock()  # a thread that does not exist here may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


def tensor(dtype: DType | str, shape: tuple[DimLike, ...]) -> TensorType:
    """The one tensor type of this dtype and shape."""
    if dtype.__class__ is str:
        dtype = DTYPES[dtype]
    key = (dtype, shape)
    found = _types.get(key)
    if found is None:
        found = TensorType()
        found.dtype = dtype  # type: ignore[assignment]
        found.shape = shape
        with _lock:  # setdefault of a weak dictionary is not atomic
            found = _types.setdefault(key, found)
    return found


for _dtype in DTYPES.values():
    _dtype.rank0 = tensor(_dtype, ())


def scalar(dtype: DType | str) -> TensorType:
    """The rank-0 type of `dtype`."""
    return DTYPES[dtype].rank0 if dtype.__class__ is str else dtype.rank0  # type: ignore[union-attr]
