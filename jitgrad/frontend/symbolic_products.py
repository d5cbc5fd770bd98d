"""Products of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, product
from ..ir.types import BOOL, I64
from . import symbolic_ops as ops
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_ops import _common, as_dim, broadcast, elemwise, match
from .symbolic_sizes import axis_of


def dot(a: Any, b: Any) -> TensorVariable:
    """The product over the last axis of `a` and the last but one of `b` (the last of a vector);
    scalars multiply.

    >>> dot([[1, 2], [3, 4]], [1, 1]).eval()
    array([3, 7])

    Raises `ShapeError` for inner sizes that differ, at the call if it must be.
    """
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    if x.ndim and y.ndim > 2:
        return tensordot(x, y, [[x.ndim - 1], [y.ndim - 2]])
    return ops.dot(x, y)


def outer(x: Any, y: Any) -> TensorVariable:
    """The matrix of products of the elements of two vectors (tensors are flattened)."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    return x.flatten().dimshuffle(0, "x") * y.flatten().dimshuffle("x", 0)


def inner(x: Any, y: Any) -> TensorVariable:
    """The sums of products over the last axes; scalars multiply.

    >>> inner([1, 2], [[3, 4], [5, 6]]).eval()
    array([11, 17])
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if not x.ndim or not y.ndim:
        return elemwise("mul", x, y)
    return tensordot(x, y, [[x.ndim - 1], [y.ndim - 1]])


def vdot(x: Any, y: Any) -> TensorVariable:
    """The sum of the products of all elements, of one number on both sides."""
    return dot(as_tensor_variable(x).flatten(), as_tensor_variable(y).flatten())


def _pair(b: Builder, x: TensorVariable, y: TensorVariable) -> tuple[Value, Value]:
    dtype = _common((x.value.type.dtype, y.value.type.dtype), ())
    if dtype is BOOL:
        dtype = I64
    return b.cast(x.value, dtype), b.cast(y.value, dtype)


def matmul(x1: Any, x2: Any) -> TensorVariable:
    """The product of matrices; leading axes are stacks of them and broadcast, vectors are rows in
    front and columns behind.

    >>> matmul([[1, 2], [3, 4]], [1, 1]).eval()
    array([3, 7])

    Raises `ShapeError` for scalars, and for sizes that do not fit.
    """
    for o in (x1, x2):
        if isinstance(o, (str, dict, set)) or o is None:
            return NotImplemented
    x, y = as_tensor_variable(x1), as_tensor_variable(x2)
    if not x.ndim or not y.ndim:
        raise ShapeError(at("matmul: a scalar is no matrix; use *", here()))
    if x.ndim <= 2 and y.ndim <= 2:
        return dot(x, y)
    b = Builder(here())
    left, right = x.ndim == 1, y.ndim == 1
    x = x.dimshuffle("x", 0) if left else x
    y = y.dimshuffle(0, "x") if right else y
    v, w = _pair(b, x, y)
    w = match(b, "matmul", (v, w), [(v.type.rank - 1, w.type.rank - 2)])
    if w.type.rank == 2:  # one matrix for all: the rows of the stack are one matrix
        *lead, k = v.type.shape
        flat = b("matmul", b.reshape(v, (product(lead), k)), w, ta=False, tb=False)
        out = b.reshape(flat, (*lead, w.type.shape[1]))
    else:
        v, w = _stacks(b, "matmul", v, w, 2)
        out = b("matmul", v, w, ta=False, tb=False)
    shape = list(out.type.shape)
    if left:
        del shape[-2]
    if right:
        del shape[-1]
    return wrap(b.reshape(out, shape))


def _stacks(b: Builder, what: str, v: Value, w: Value, tail: int) -> tuple[Value, Value]:
    """The leading axes of both brought to one shape."""
    from .symbolic_shape import fitted

    one, other = v.type.shape[: v.type.rank - tail], w.type.shape[: w.type.rank - tail]
    if one == other:
        return v, w
    ones = [b.zeros(v.type.with_shape(s)) for s in (one, other)]
    lead = broadcast(b, what, ones)[0].type.shape
    return tuple(
        [  # type: ignore[return-value]
            fitted(b, what, u, (*lead, *u.type.shape[u.type.rank - tail :])) for u in (v, w)
        ]
    )


def tensordot(a: Any, b: Any, axes: Any = 2) -> TensorVariable:
    """The sums of products over axes of `a` and of `b`: the last `axes` of `a` and the first of `b`
    for an int, else a pair of lists (or ints) that name them.

    >>> tensordot([[1, 2], [3, 4]], [[1, 0], [0, 1]], 2).eval()
    array(5)

    Raises `ShapeError` for sizes that differ, at the call if it must be.
    """
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    build = Builder(here())
    one, other = _contracted("tensordot", axes, x.ndim, y.ndim)
    v, w = _pair(build, x, y)
    w = match(build, "tensordot", (v, w), list(zip(one, other)))
    keep = [i for i in range(x.ndim) if i not in one]
    stay = [i for i in range(y.ndim) if i not in other]
    rows = [v.type.shape[i] for i in keep]
    cols = [w.type.shape[i] for i in stay]
    inside = product([v.type.shape[i] for i in one])
    v = build.reshape(build.transpose(v, (*keep, *one)), (product(rows), inside))
    w = build.reshape(build.transpose(w, (*other, *stay)), (inside, product(cols)))
    if not keep and not stay:
        flat = build.reshape(v, (inside,)), build.reshape(w, (inside,))
        return wrap(build.sum(build.mul(*flat), (0,)))
    return wrap(build.reshape(build("matmul", v, w, ta=False, tb=False), (*rows, *cols)))


def _contracted(what: str, axes: Any, left: int, right: int) -> tuple[list[int], list[int]]:
    count = as_dim(axes)
    if count is not None:
        if count.__class__ is not int or not 0 <= count <= min(left, right):
            raise ShapeError(at(f"{what}: {axes!r} axes of tensors of {left} and {right} dims",
                                here()))  # fmt: skip
        return list(range(left - count, left)), list(range(count))
    if not isinstance(axes, Sequence) or len(axes) != 2:
        raise TypeError(at(f"{what}: axes is an int or a pair of lists, not {axes!r}", here()))
    one, other = ([*s] if isinstance(s, (list, tuple)) else [s] for s in axes)
    out = ([axis_of(what, i, left) for i in one], [axis_of(what, i, right) for i in other])
    if len(one) != len(other) or len(set(out[0])) != len(one) or len(set(out[1])) != len(other):
        raise ShapeError(at(f"{what}: axes {axes} do not pair off", here()))
    return out


def batched_dot(a: Any, b: Any) -> TensorVariable:
    """`dot(a[i], b[i])` for every i: products of stacks of matrices or vectors.

    >>> batched_dot([[1, 2], [3, 4]], [[1, 1], [2, 2]]).eval()
    array([ 3, 14])
    """
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    if not x.ndim or not y.ndim:
        raise ShapeError(at("batched_dot: a scalar is no stack", here()))
    if x.ndim == 1 or y.ndim == 1:  # numbers times whatever they stand beside
        low, high = (x, y) if x.ndim == 1 else (y, x)
        return low.dimshuffle(0, *("x",) * (high.ndim - 1)) * high
    left, right = x.ndim, y.ndim
    return batched_tensordot(x, y, [[left - 1], [max(right - 2, 1)]])


def batched_tensordot(x: Any, y: Any, axes: Any = 2) -> TensorVariable:
    """`tensordot(x[i], y[i])` for every i; axes in lists count with the first one, which is none of
    them."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    build = Builder(here())
    if not x.ndim or not y.ndim:
        raise ShapeError(at("batched_tensordot: a scalar is no stack", build.loc))
    one, other = _contracted("batched_tensordot", axes, x.ndim, y.ndim)
    if as_dim(axes) is not None:
        other = [i + 1 for i in other]
    if 0 in one or 0 in other or any(i >= y.ndim for i in other):
        raise ShapeError(at(f"batched_tensordot: axes {axes} take in the axis of the stack, or "
                            "leave a tensor", build.loc))  # fmt: skip
    v, w = _pair(build, x, y)
    w = match(build, "batched_tensordot", (v, w), [(0, 0), *zip(one, other)])
    keep = [i for i in range(1, x.ndim) if i not in one]
    stay = [i for i in range(1, y.ndim) if i not in other]
    n: DimLike = v.type.shape[0]
    rows = [v.type.shape[i] for i in keep]
    cols = [w.type.shape[i] for i in stay]
    inside = product([v.type.shape[i] for i in one])
    v = build.reshape(build.transpose(v, (0, *keep, *one)), (n, product(rows), inside))
    w = build.reshape(build.transpose(w, (0, *other, *stay)), (n, inside, product(cols)))
    out = build("matmul", v, w, ta=False, tb=False)
    return wrap(build.reshape(out, (n, *rows, *cols)))


def matrix_dot(*args: Any) -> TensorVariable:
    """The product of several matrices, from the left to the right."""
    if not args:
        raise ShapeError(at("matrix_dot needs at least one matrix", here()))
    out = as_tensor_variable(args[0])
    for a in args[1:]:
        out = dot(out, a)
    return out


__all__ = [
    "batched_dot", "batched_tensordot", "dot", "inner", "matmul", "matrix_dot", "outer",
    "tensordot", "vdot",
]  # fmt: skip
