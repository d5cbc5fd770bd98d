"""Reductions of symbolic variables: `axis` None, an int or several; `keepdims` leaves dims of 1."""

from __future__ import annotations

import builtins
from typing import Any

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, product
from ..ir.types import BOOL, F64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import EMPTY
from .symbolic_ops import elemwise


def axes_of(b: Builder, name: str, v: Value, axis: Any) -> tuple[int, ...]:
    """Sorted non-negative axes."""
    rank = v.type.rank
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    out = sorted({int(a) + rank if a < 0 else int(a) for a in axes})
    if len(out) != len(axes) or builtins.any(not 0 <= a < rank for a in out):
        what = f"{name} over axis {axis}: a tensor of {rank} dims lacks it, or it is named twice"
        raise ShapeError(at(what, b.loc))
    return tuple(out)


def _kept(b: Builder, out: Value, v: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    if not keepdims:
        return out
    return b.reshape(out, [1 if i in axes else d for i, d in enumerate(v.type.shape)])


def _reduce(name: str, x: Any, axis: Any, keepdims: bool) -> TensorVariable:
    v = as_tensor_variable(x).value
    b = Builder(here())
    axes = axes_of(b, name, v, axis)
    if name == "sum" and v.type.dtype.kind in "biu" and v.type.dtype.bits < 64:
        from ..ir.types import DTYPES  # small ints and bools are summed in 64 bits, as NumPy does

        v = b.cast(v, DTYPES["u64" if v.type.dtype.kind == "u" else "i64"])
    if name in ("any", "all") and v.type.dtype is not BOOL:
        v = b("ne", v, b.zeros(v.type))
    if name in ("max", "min") and builtins.any(v.type.shape[a] == 0 for a in axes):
        raise ShapeError(at(f"{EMPTY.format(name)} (shape {v.type.shape})", b.loc))
    out = b(name, v, axes=axes) if axes else v
    return wrap(_kept(b, out, v, axes, keepdims))


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The sum; small integers and bools are summed in 64 bits."""
    return _reduce("sum", x, axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The largest; equal elements share the gradient."""
    return _reduce("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The smallest; equal elements share the gradient."""
    return _reduce("min", x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    return _reduce("any", x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    return _reduce("all", x, axis, keepdims)


def _count(b: Builder, v: Value, axes: tuple[int, ...], shape: tuple[DimLike, ...],
           ddof: int = 0) -> Value:  # fmt: skip
    """The number of elements over `axes`, less `ddof`, in the dtype of `v`, in `shape`."""
    n = product([v.type.shape[a] for a in axes]) - ddof
    if n.__class__ is int:
        return b.const(n, tensor(v.type.dtype, shape))
    return b.broadcast(b.cast(b("dim", expr=n), v.type.dtype), shape, ())


def _mean(b: Builder, v: Value, axes: tuple[int, ...], ddof: int = 0) -> Value:
    total = b.sum(v, axes)
    return b("div", total, _count(b, v, axes, total.type.shape, ddof))


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The mean, a float."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    v = v if v.type.dtype.is_float else b.cast(v, F64)
    axes = axes_of(b, "mean", v, axis)
    return wrap(_kept(b, _mean(b, v, axes), v, axes, keepdims))


def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> TensorVariable:
    """The mean squared distance from the mean (over n - ddof)."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    v = v if v.type.dtype.is_float else b.cast(v, F64)
    axes = axes_of(b, "var", v, axis)
    middle = _mean(b, v, axes)
    kept = [i for i in range(v.type.rank) if i not in axes]
    gap = b("sub", v, b.broadcast(middle, v.type.shape, kept))
    return wrap(_kept(b, _mean(b, b.mul(gap, gap), axes, ddof), v, axes, keepdims))


def std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> TensorVariable:
    return elemwise("sqrt", var(x, axis, ddof, keepdims))


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> TensorVariable:
    """The first index of the largest along an axis (None: of the flattened tensor), int64."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if axis is None:
        flat = b.reshape(v, (v.type.size,))
        out = b("argmax", flat, axis=0)
        return wrap(b.reshape(out, (1,) * v.type.rank) if keepdims else out)
    (a,) = axes_of(b, "argmax", v, axis)
    return wrap(_kept(b, b("argmax", v, axis=a), v, (a,), keepdims))


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> TensorVariable:
    """The first index of the smallest along an axis, int64."""
    x = as_tensor_variable(x)
    # order reversed without overflow: not for ints (bools too), minus for floats
    turned = -x if x.value.type.dtype.is_float else ~x
    return argmax(turned, axis, keepdims)


def cumsum(x: Any, axis: int | None = None) -> TensorVariable:
    """The running sum along an axis (None: of the flattened tensor)."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if v.type.dtype is BOOL:
        from ..ir.types import I64

        v = b.cast(v, I64)
    if axis is None:
        return wrap(b("cumsum", b.reshape(v, (v.type.size,)), axis=0))
    (a,) = axes_of(b, "cumsum", v, axis)
    return wrap(b("cumsum", v, axis=a))


__all__ = [
    "all", "any", "argmax", "argmin", "cumsum", "max", "mean", "min", "std", "sum", "var",
]  # fmt: skip
