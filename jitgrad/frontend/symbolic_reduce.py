"""Reductions of symbolic variables: `axis` None, an int or several; `keepdims` leaves dims of 1."""

from __future__ import annotations

import builtins
from typing import Any

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, maximum, product
from ..ir.types import BOOL, DTYPES, F64, I64, DType, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import EMPTY
from .symbolic_ops import as_dim, cast, elemwise
from .symbolic_type import checked_dtype


def axes_of(b: Builder, name: str, v: Value, axis: Any) -> tuple[int, ...]:
    """Sorted non-negative axes."""
    rank = v.type.rank
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [a for a in map(as_dim, given) if isinstance(a, int)]
    if len(axes) != len(given):
        raise TypeError(at(f"{name}: an axis must be an int, not {axis!r}", b.loc))
    out = sorted({a + rank if a < 0 else a for a in axes})
    if len(out) != len(axes) or builtins.any(not 0 <= a < rank for a in out):
        what = f"{name} over axis {axis}: a tensor of {rank} dims lacks it, or it is named twice"
        raise ShapeError(at(what, b.loc))
    return tuple(out)


def _kept(b: Builder, out: Value, v: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    if not keepdims:
        return out
    return b.reshape(out, [1 if i in axes else d for i, d in enumerate(v.type.shape)])


def _wide(dtype: DType) -> DType:
    """The dtype that sums and products of this one have: small integers and bools take 64 bits."""
    if dtype.kind in "biu" and dtype.bits < 64:
        return DTYPES["u64" if dtype.kind == "u" else "i64"]
    return dtype


def _total(name: str, x: Any, axis: Any, dtype: Any, keepdims: bool, acc_dtype: Any
           ) -> TensorVariable:  # fmt: skip
    """A sum or product: computed in `acc_dtype`, or in the wider of the input's and `dtype`."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    axes = axes_of(b, name, v, axis)
    goal = _wide(v.type.dtype) if dtype is None else checked_dtype(dtype)
    if acc_dtype is not None:
        work = checked_dtype(acc_dtype)
    else:  # never in fewer digits than the input has
        near = goal.kind == v.type.dtype.kind and goal.bits < v.type.dtype.bits
        work = v.type.dtype if near else goal
    if work is BOOL:
        work = I64
    v = b.cast(v, work)
    out = b(name, v, axes=axes) if axes else v
    return wrap(_kept(b, b.cast(out, goal), v, axes, keepdims))


def sum(input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False,
        acc_dtype: Any = None) -> TensorVariable:  # fmt: skip
    """The sum; of nothing 0. Small integers and bools are summed in 64 bits.

    dtype      the dtype of the result
    acc_dtype  the dtype that is computed in

    >>> sum([[1, 2], [3, 4]], axis=0).eval()
    array([4, 6])
    """
    return _total("sum", input, axis, dtype, keepdims, acc_dtype)


def prod(input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False,
         acc_dtype: Any = None, no_zeros_in_input: bool = False) -> TensorVariable:  # fmt: skip
    """The product; of nothing 1. The gradient is right where elements are 0, with or without
    `no_zeros_in_input` (a promise that is not needed here)."""
    return _total("prod", input, axis, dtype, keepdims, acc_dtype)


def _reduce(name: str, x: Any, axis: Any, keepdims: bool) -> TensorVariable:
    v = as_tensor_variable(x).value
    b = Builder(here())
    axes = axes_of(b, name, v, axis)
    if name in ("any", "all") and v.type.dtype is not BOOL:
        v = b("ne", v, b.zeros(v.type))
    if name in ("max", "min") and builtins.any(
        v.type.shape[a].__class__ is int and v.type.shape[a] == 0 for a in axes
    ):
        raise ShapeError(at(f"{EMPTY.format(name)} (shape {v.type.shape})", b.loc))
    out = b(name, v, axes=axes) if axes else v
    return wrap(_kept(b, out, v, axes, keepdims))


def max(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The largest; equal elements share the gradient.

    Raises `ShapeError` for the largest of nothing, at the call if it must be.
    """
    return _reduce("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The smallest; equal elements share the gradient. Of nothing as `max`."""
    return _reduce("min", x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """Whether an element is not 0, a bool."""
    return _reduce("any", x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """Whether no element is 0, a bool."""
    return _reduce("all", x, axis, keepdims)


def _count(b: Builder, v: Value, axes: tuple[int, ...], shape: tuple[DimLike, ...],
           ddof: Any = 0) -> Value:  # fmt: skip
    """The number of elements over `axes`, less `ddof`, in the dtype of `v`, in `shape`."""
    n = product([v.type.shape[a] for a in axes])
    less = as_dim(ddof)
    if less is not None:
        n = n - less
    if n.__class__ is int:
        out = b.const(n, tensor(v.type.dtype, shape))
    else:
        out = b.broadcast(b.cast(b("dim", expr=n), v.type.dtype), shape, ())
    if less is None:
        gap = b.cast(as_tensor_variable(ddof).value, v.type.dtype)
        out = b("sub", out, b.broadcast(gap, shape, ()))
    return out


def _mean(b: Builder, v: Value, axes: tuple[int, ...], ddof: Any = 0) -> Value:
    total = b.sum(v, axes)
    return b("div", total, _count(b, v, axes, total.type.shape, ddof))


def mean(input: Any, axis: Any = None, dtype: Any = None, op: Any = False, keepdims: bool = False,
         acc_dtype: Any = None) -> TensorVariable:  # fmt: skip
    """The mean, a float (`dtype`, or float64 for integers). `op` means nothing."""
    v = as_tensor_variable(input).value
    b = Builder(here())
    goal = checked_dtype(dtype) if dtype is not None else (
        v.type.dtype if v.type.dtype.is_float else F64)  # fmt: skip
    work = checked_dtype(acc_dtype) if acc_dtype is not None else goal
    if not work.is_float or not goal.is_float:
        raise TypeError(at(f"mean in the dtype {work if goal.is_float else goal}: a mean is a "
                           "float; convert it by .astype", b.loc))  # fmt: skip
    if v.type.dtype.is_float and v.type.dtype.bits > work.bits:
        work = v.type.dtype
    v = b.cast(v, work)
    axes = axes_of(b, "mean", v, axis)
    return wrap(b.cast(_kept(b, _mean(b, v, axes), v, axes, keepdims), goal))


def var(input: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False,
        corrected: bool = False) -> TensorVariable:  # fmt: skip
    """The mean squared distance from the mean (over n - ddof); `corrected` takes out what rounding
    of the mean adds (Chan, Golub & LeVeque 1983, the two-pass algorithm)."""
    v = as_tensor_variable(input).value
    b = Builder(here())
    v = v if v.type.dtype.is_float else b.cast(v, F64)
    axes = axes_of(b, "var", v, axis)
    middle = _mean(b, v, axes)
    kept = [i for i in range(v.type.rank) if i not in axes]
    gap = b("sub", v, b.broadcast(middle, v.type.shape, kept))
    out = _mean(b, b.mul(gap, gap), axes, ddof)
    if corrected:
        rest = _mean(b, gap, axes)
        out = b("sub", out, b.mul(rest, rest))
    return wrap(_kept(b, out, v, axes, keepdims))


def std(input: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False,
        corrected: bool = False) -> TensorVariable:  # fmt: skip
    """The root of `var`; its gradient is 0 where the data are constant."""
    from .symbolic_ops import switch

    spread = var(input, axis, ddof, keepdims, corrected)
    return switch(elemwise("eq", spread, 0), 0.0, elemwise("sqrt", spread))


def _arg(name: str, x: Any, axis: Any, keepdims: bool) -> TensorVariable:
    v = as_tensor_variable(x).value
    b = Builder(here())
    axes = axes_of(b, name, v, axis)
    if builtins.any(v.type.shape[a].__class__ is int and v.type.shape[a] == 0 for a in axes):
        raise ShapeError(at(f"attempt to get {name} of an empty sequence", b.loc))
    flat = v
    if len(axes) != 1:  # the axes meant go last, as one
        rest = [i for i in range(v.type.rank) if i not in axes]
        flat = b.transpose(v, (*rest, *axes))
        shape = v.type.shape
        flat = b.reshape(flat, (*[shape[i] for i in rest], product([shape[a] for a in axes])))
    place = axes[0] if len(axes) == 1 else flat.type.rank - 1
    return wrap(_kept(b, b(name, flat, axis=place), v, axes, keepdims))


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The first index of the largest along an axis, int64; over several axes (None: all) that into
    their elements in row-major order.

    >>> argmax([[1, 5], [7, 2]]).eval(), argmax([[1, 5], [7, 2]], axis=1).eval()
    (array(2), array([1, 0]))
    """
    return _arg("argmax", x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The first index of the smallest, as `argmax`."""
    return _arg("argmin", x, axis, keepdims)


def max_and_argmax(a: Any, axis: Any = None, keepdims: bool = False) -> list[TensorVariable]:
    """`max` and `argmax` along the same axes."""
    return [max(a, axis, keepdims), argmax(a, axis, keepdims)]


def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The largest less the smallest."""
    return max(a, axis, keepdims) - min(a, axis, keepdims)


def median(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The middle of the elements in order, or the mean of the two middle ones; NaN if one is NaN,
    or there are none.

    >>> median([3.0, 1.0, 2.0, 9.0]).eval()
    array(2.5)
    """
    v = as_tensor_variable(x).value
    b = Builder(here())
    axes = axes_of(b, "median", v, axis)
    kept = [i for i in range(v.type.rank) if i not in axes]
    shape = v.type.shape
    n = product([shape[a] for a in axes])
    v = v if v.type.dtype.is_float else b.cast(v, F64)
    flat = b.reshape(b.transpose(v, (*kept, *axes)), (*[shape[i] for i in kept], n))
    order = b("sort", flat, axis=len(kept))
    if n.__class__ is not int or n == 0:  # one NaN more, for the median of nothing
        none = (0,) * len(kept)
        nan = b.const(float("nan"), tensor(v.type.dtype, ()))
        order = b("pad", order, nan, lo=(*none, 0), hi=(*none, 1), interior=(*none, 0))
    line = wrap(order)
    places = [(n - 1) // 2, n // 2, n - 1]
    if n.__class__ is not int or n == 0:
        places = [maximum(d, 0) for d in places]
    low, high, last = (line[(Ellipsis, wrap(_size(b, d)))] for d in places)
    out = elemwise("select", elemwise("isnan", last), last, (low + high) * 0.5, keep=1)
    return wrap(_kept(b, out.value, v, axes, keepdims))


def _size(b: Builder, d: DimLike) -> Value:
    return b.const(d, I64.rank0) if d.__class__ is int else b("dim", expr=d)


def largest(*args: Any) -> TensorVariable:
    """The largest of several tensors, elementwise."""
    return _of_several("maximum", args)


def smallest(*args: Any) -> TensorVariable:
    """The smallest of several tensors, elementwise."""
    return _of_several("minimum", args)


def _of_several(name: str, args: tuple) -> TensorVariable:
    if not args:
        raise TypeError(at("at least one tensor is needed", here()))
    out = as_tensor_variable(args[0])
    for a in args[1:]:
        out = elemwise(name, out, a)
    return out


def norm(x: Any, L: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The L-norm along axes: sum(|x|**L)**(1/L); the largest |x| for inf, the smallest for -inf,
    how many are not 0 for L = 0."""
    x = as_tensor_variable(x)
    if L == 0:
        return sum(elemwise("ne", x, 0), axis, keepdims=keepdims)
    if L == 2:
        return elemwise("sqrt", sum(x * x, axis, keepdims=keepdims))
    size = abs(x)
    if float("inf") == L:
        return max(size, axis, keepdims)
    if float("-inf") == L:
        return min(size, axis, keepdims)
    if L == 1:
        return sum(size, axis, keepdims=keepdims)
    if not size.value.type.dtype.is_float:
        size = cast(size, "float64")
    return sum(size**L, axis, keepdims=keepdims) ** (1.0 / L)


# -- along an axis --------------------------------------------------------------------------------


def _running(name: str, x: Any, axis: int | None) -> TensorVariable:
    v = as_tensor_variable(x).value
    b = Builder(here())
    v = b.cast(v, _wide(v.type.dtype))
    if axis is None:
        return wrap(b(name, b.reshape(v, (v.type.size,)), axis=0))
    places = axes_of(b, name, v, axis)
    if len(places) != 1:
        raise TypeError(at(f"{name}: one axis is needed, not {axis!r}", b.loc))
    return wrap(b(name, v, axis=places[0]))


def cumsum(x: Any, axis: int | None = None) -> TensorVariable:
    """The running sum along an axis (None: of the flattened tensor), in 64 bits for integers.

    >>> cumsum([1, 2, 3]).eval()
    array([1, 3, 6])
    """
    return _running("cumsum", x, axis)


def cumprod(x: Any, axis: int | None = None) -> TensorVariable:
    """The running product along an axis (None: of the flattened tensor)."""
    return _running("cumprod", x, axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> TensorVariable:
    """The `n`-th difference of neighbours along an axis.

    >>> diff([1, 4, 9, 16]).eval()
    array([3, 5, 7])
    """
    from .symbolic_sizes import axis_of

    x = as_tensor_variable(x)
    if n < 0:
        raise ValueError(at(f"diff: the order must be non-negative, not {n}", here()))
    lead = (slice(None),) * axis_of("diff", axis, x.ndim)
    for _ in range(n):
        high, low = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = elemwise("ne", high, low) if x.dtype == "bool" else high - low
    return x


__all__ = [
    "all", "any", "argmax", "argmin", "cumprod", "cumsum", "diff", "largest", "max",
    "max_and_argmax", "mean", "median", "min", "norm", "prod", "ptp", "smallest", "std", "sum",
    "var",
]  # fmt: skip
