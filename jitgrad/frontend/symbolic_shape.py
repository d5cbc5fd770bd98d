"""Shapes of symbolic variables: reshape, dimshuffle, joins, indexing, sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.dims import Dim, DimLike, floordiv, product
from ..ir.types import I64, dtype_of, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import Note, notes
from .symbolic_ops import _common, as_dim, is_number, match


class ShapeVariable(TensorVariable):
    """A shape whose elements are known as dims; an int64 vector where it is used as one."""

    __slots__ = ("dims",)

    def __init__(self, dims: tuple[DimLike, ...]) -> None:
        self.dims = dims
        b = Builder(here())
        if dims:
            one = [b.reshape(b("dim", expr=d), (1,)) for d in dims]
            value = b("concatenate", *one, axis=0) if len(one) > 1 else one[0]
        else:
            value = b.const(np.zeros(0, np.int64), tensor(I64, (0,)))
        super().__init__(value, b.loc)

    def __getitem__(self, key: Any) -> TensorVariable:
        if isinstance(key, slice) and not any(
            isinstance(k, TensorVariable) for k in (key.start, key.stop, key.step)
        ):
            return ShapeVariable(self.dims[key])
        if isinstance(key, int):
            return dim(self.dims[key])
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[TensorVariable]:
        return iter([dim(d) for d in self.dims])


def dim(d: DimLike) -> TensorVariable:
    """A size as an int64 scalar."""
    return wrap(Builder(here())("dim", expr=d))


def shape(x: Any) -> TensorVariable:
    """The shape as an int64 vector."""
    return ShapeVariable(as_tensor_variable(x).value.type.shape)


def _dims(b: Builder, what: str, sizes: Any) -> tuple[DimLike, ...]:
    """Sizes given as ints, as `x.shape[0]` and arithmetic of such, or as a whole shape."""
    if isinstance(sizes, ShapeVariable):
        return sizes.dims
    if isinstance(sizes, TensorVariable) and sizes.ndim == 1 and sizes.value.op is not None:
        known = sizes.value.op.attrs.get("value")
        sizes = known.tolist() if isinstance(known, np.ndarray) else sizes
    if is_number(sizes) or (isinstance(sizes, TensorVariable) and not sizes.ndim):
        sizes = (sizes,)
    out = []
    for s in sizes if isinstance(sizes, (tuple, list, np.ndarray)) else (None,):
        d = as_dim(s)
        if d is None:
            raise ShapeError(at(f"{what}: a size must be an int or made of sizes of variables "
                                f"(x.shape[0] * 2), not {s!r}", b.loc))  # fmt: skip
        out.append(d)
    return tuple(out)


def reshape(x: Any, shape: Any, ndim: int | None = None) -> TensorVariable:
    """The same elements in another shape; one size may be -1. Checked at the call if it must be."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    goal = _dims(b, "reshape", shape)
    if ndim is not None and ndim != len(goal):
        raise ShapeError(at(f"reshape to {goal} has not {ndim} dims", b.loc))
    gaps = [i for i, d in enumerate(goal) if d.__class__ is int and d == -1]
    if len(gaps) > 1:
        raise ShapeError(at("reshape: only one size can be -1", b.loc))
    if gaps:
        rest = product([d for i, d in enumerate(goal) if i != gaps[0]])
        goal = (*goal[: gaps[0]], _quotient(v.type.shape, rest), *goal[gaps[0] + 1 :])
    if any(d.__class__ is int and d < 0 for d in goal):
        raise ShapeError(at(f"reshape of {v.type} to {goal}: a size is negative", b.loc))
    if goal == v.type.shape:
        return wrap(b("identity", v))
    out = b.reshape(v, goal)
    notes[out] = Note("reshape", (ref(v),), text="reshape: the numbers of elements differ")
    return wrap(out)


def _quotient(dims: Sequence[DimLike], rest: DimLike) -> DimLike:
    """The number of elements over `rest`; whole dims cancel."""
    if rest == 0:
        return 0
    left = list(dims)
    if rest.__class__ is Dim:
        for i, d in enumerate(left):
            if d is rest:
                return product([*left[:i], *left[i + 1 :]])
    return floordiv(product(left), rest)


def flatten(x: Any, ndim: int = 1) -> TensorVariable:
    """The trailing dims merged, so that `ndim` are left."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if not 1 <= ndim <= max(v.type.rank, 1):
        raise ShapeError(at(f"flatten of {v.type} to {ndim} dims", b.loc))
    lead = v.type.shape[: ndim - 1]
    return wrap(b.reshape(v, (*lead, product(v.type.shape[ndim - 1 :]))))


def dimshuffle(x: Any, *pattern: Any) -> TensorVariable:
    """Axes in the order of `pattern`; "x" is a new axis of 1; only axes of 1 may be left out."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)):
        pattern = tuple(pattern[0])
    rank = v.type.rank
    order = [p if p == "x" else int(p) for p in pattern]
    used = [p for p in order if p != "x"]
    if len(set(used)) != len(used) or any(not 0 <= p < rank for p in used):
        raise ShapeError(at(f"dimshuffle {pattern} of a tensor of {rank} dims", b.loc))
    dropped = [i for i in range(rank) if i not in used]
    for i in dropped:
        d = v.type.shape[i]
        if not (d.__class__ is int and d == 1):
            what = (f"You cannot drop a non-broadcastable dimension: axis {i} of "
                    f"{as_tensor_variable(x)!r} in dimshuffle {pattern}")  # fmt: skip
            raise ShapeError(at(what, b.loc))
    if dropped:
        v = b.reshape(v, [d for i, d in enumerate(v.type.shape) if i in used])
    kept = sorted(used)
    v = b.transpose(v, [kept.index(p) for p in used])
    sizes = iter(v.type.shape)
    v = b.reshape(v, [1 if p == "x" else next(sizes) for p in order])
    return wrap(v)


def transpose(x: Any, *axes: Any) -> TensorVariable:
    """Axes reversed, or in the given order."""
    v = as_tensor_variable(x).value
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        axes = tuple(axes[0] or ())
    rank = v.type.rank
    order = [a + rank if a < 0 else a for a in axes] if axes else list(range(rank))[::-1]
    return wrap(Builder(here()).transpose(v, order))


# -- sources --------------------------------------------------------------------------------------


def fill(like: Any, value: Any) -> TensorVariable:
    """The scalar `value` in the shape of `like`."""
    v = as_tensor_variable(like).value
    f = as_tensor_variable(value)
    if f.ndim:
        raise ShapeError(at("fill takes a scalar value", here()))
    return wrap(Builder(here())("fill", v, f.value))


def _like(x: Any, dtype: Any, number: float, text: str) -> TensorVariable:
    v = as_tensor_variable(x).value
    kind = v.type.dtype if dtype is None else dtype_of(dtype)
    b = Builder(here())
    one = b.const(number, tensor(kind, ()), text if kind.kind != "f" else f"{text}.0")
    return wrap(b("fill", v, one))


def zeros_like(x: Any, dtype: Any = None) -> TensorVariable:
    return _like(x, dtype, 0, "0")


def ones_like(x: Any, dtype: Any = None) -> TensorVariable:
    return _like(x, dtype, 1, "1")


def _full(what: str, shape: Any, number: int, dtype: Any) -> TensorVariable:
    b = Builder(here())
    return wrap(b.const(number, tensor(dtype_of(dtype), _dims(b, what, shape)), str(number)))


def zeros(shape: Any, dtype: Any = "float64") -> TensorVariable:
    """Zeros; sizes are ints or made of sizes of variables."""
    return _full("zeros", shape, 0, dtype)


def ones(shape: Any, dtype: Any = "float64") -> TensorVariable:
    return _full("ones", shape, 1, dtype)


def arange(start: Any, stop: Any = None, step: int = 1, dtype: Any = None) -> TensorVariable:
    """start, start + step … below stop: numbers, or (for step 1) sizes of variables."""
    if stop is None:
        start, stop = 0, start
    b = Builder(here())
    lo, hi = as_dim(start), as_dim(stop)
    if lo is None or hi is None or float in (start.__class__, stop.__class__, step.__class__):
        if not all(is_number(a) for a in (start, stop, step)):
            raise ShapeError(at("arange takes numbers or sizes of variables", b.loc))
        return as_tensor_variable(_numbers(start, stop, step, dtype))
    kind = I64 if dtype is None else dtype_of(dtype)
    if lo.__class__ is int and hi.__class__ is int:
        return as_tensor_variable(np.arange(lo, hi, step, dtype=kind.np))
    if step != 1:
        raise ShapeError(at("arange up to the size of a variable takes step 1", b.loc))
    count = b("iota", type=tensor(I64, (hi - lo,)), axis=0)
    if lo != 0:
        count = b.add(count, b.broadcast(b("dim", expr=lo), count.type.shape, ()))
    return wrap(b.cast(count, kind))


def _numbers(start: Any, stop: Any, step: Any, dtype: Any) -> np.ndarray:
    out = np.arange(start, stop, step)
    return out if dtype is None else out.astype(dtype_of(dtype).np)


# -- joins ----------------------------------------------------------------------------------------


def concatenate(tensors: Sequence[Any], axis: int = 0) -> TensorVariable:
    """Tensors joined along an axis; their other dims must agree."""
    b = Builder(here())
    parts = [as_tensor_variable(t).value for t in tensors]
    if not parts:
        raise ShapeError(at("concatenate needs at least one tensor", b.loc))
    rank = parts[0].type.rank
    if any(p.type.rank != rank for p in parts) or not -rank <= axis < rank:
        ranks = ", ".join(str(p.type.rank) for p in parts)
        what = f"concatenate along axis {axis} of tensors of {ranks} dims"
        raise ShapeError(at(what, b.loc))
    axis %= rank
    dtype = _common(tuple([p.type.dtype for p in parts]), ())
    others = [(i, i) for i in range(rank) if i != axis]
    parts = [parts[0], *(match(b, "concatenate", (parts[0], p), others) for p in parts[1:])]
    parts = [b.cast(p, dtype) for p in parts]
    return wrap(b("concatenate", *parts, axis=axis))


def join(axis: int, *tensors: Any) -> TensorVariable:
    return concatenate(tensors, axis)


def stack(tensors: Sequence[Any], axis: int = 0) -> TensorVariable:
    """Tensors of one shape side by side along a new axis."""
    parts = [as_tensor_variable(t) for t in tensors]
    rank = parts[0].ndim if parts else 0
    axis = axis + rank + 1 if axis < 0 else axis
    pattern = [*range(axis), "x", *range(axis, rank)]
    return concatenate([p.dimshuffle(*pattern) for p in parts], axis)


__all__ = [
    "arange", "concatenate", "dimshuffle", "fill", "flatten", "join", "ones", "ones_like",
    "reshape", "shape", "stack", "transpose", "zeros", "zeros_like",
]  # fmt: skip
