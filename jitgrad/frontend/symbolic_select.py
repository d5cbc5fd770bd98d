"""Elements chosen by indices, masks and diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, maximum, minimum, product
from ..ir.types import BOOL, I64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_index import mask_places
from .symbolic_join import stack
from .symbolic_ops import as_dim, broadcast, cast, elemwise, switch
from .symbolic_reduce import sum
from .symbolic_sizes import axis_of, dim, sizes_of


def _whole(what: str, x: Any) -> TensorVariable:
    """`x` as int64 indices."""
    x = as_tensor_variable(np.zeros(0, np.int64) if isinstance(x, (list, tuple)) and not x else x)
    if x.value.type.dtype.kind not in "iu":
        raise TypeError(at(f"{what}: indices must be integers, not {x.type}", here()))
    return cast(x, "int64")


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> TensorVariable:
    """`a` at integer indices along an axis (None: of the flattened tensor).

    mode  what an index out of bounds does: "raise" `IndexError`, "clip" to the nearest, "wrap"
          around

    >>> take([10, 20, 30], [2, -1, 0]).eval()
    array([30, 30, 10])
    """
    a = as_tensor_variable(a)
    if axis is None:
        a, axis = a.flatten(), 0
    place = axis_of("take", axis, a.ndim)
    index = _moded("take", _whole("take", indices), dim(a.value.type.shape[place]), mode)
    return a[(*(slice(None),) * place, index)]


def _moded(what: str, index: TensorVariable, n: TensorVariable, mode: str) -> TensorVariable:
    """`index` into `n` elements brought into bounds as `mode` says."""
    if mode == "raise":
        return index
    if mode == "clip":
        return elemwise("minimum", elemwise("maximum", index, 0), n - 1)
    if mode == "wrap":
        return index % elemwise("maximum", n, 1)
    raise ValueError(at(f"{what}: mode is 'raise', 'clip' or 'wrap', not {mode!r}", here()))


def take_along_axis(arr: Any, indices: Any, axis: int | None = 0) -> TensorVariable:
    """For each line of `arr` along an axis, the elements at the line of `indices` beside it."""
    arr, index = as_tensor_variable(arr), _whole("take_along_axis", indices)
    if axis is None:
        arr, axis = arr.flatten(), 0
    if arr.ndim != index.ndim:
        raise ShapeError(at(f"take_along_axis: {index.ndim} dims of indices for a tensor of "
                            f"{arr.ndim}", here()))  # fmt: skip
    place = axis_of("take_along_axis", axis, arr.ndim)
    b = Builder(here())
    key: list[Any] = []
    for i, n in enumerate(arr.value.type.shape):
        line = wrap(b("iota", type=tensor(I64, (n,)), axis=0))
        beside = line.dimshuffle(*("x" if k != i else 0 for k in range(arr.ndim)))
        key.append(index if i == place else beside)
    return arr[tuple(key)]


def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> TensorVariable:
    """From several tensors, for each element of `a` the one with its number.

    `choices` is a list of tensors, or a tensor whose first axis counts them; all broadcast. `mode`
    is `take`'s, but a negative number is out of bounds; `out` must be None.

    >>> choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]]).eval()
    array([ 1, 20,  3])
    """
    a = _whole("choose", a)
    if out is not None:
        raise TypeError(at("choose: nothing is written in place; out must be None", here()))
    parts = list(choices) if isinstance(choices, (list, tuple)) else None
    if parts is None:
        table = as_tensor_variable(choices)
        if not table.ndim:
            raise ShapeError(at("choose takes a list of choices, not a scalar", here()))
        lead = ("x",) * max(0, a.ndim - table.ndim + 1)
        table = table.dimshuffle(0, *lead, *range(1, table.ndim))
        count = dim(table.value.type.shape[0])
    else:
        b = Builder(here())
        values = broadcast(b, "choose", [a.value, *(as_tensor_variable(p).value for p in parts)])
        a = wrap(values[0])
        table = stack([wrap(v) for v in values[1:]])
        count = as_tensor_variable(len(parts))
    b = Builder(here())
    index = _moded("choose", a, count, mode)
    if mode == "raise":  # NumPy takes no negative number here
        low = switch(elemwise("lt", index, 0), count, index)
        index = wrap(b("wrap_index", low.value, size=_dim_value(count)))
    rest = table.value.type.shape[1:]
    # the index, and where each element of a choice lies, in the shape of both
    index_value, *lines = broadcast(b, "choose", [index.value, *(
        b.broadcast(b("iota", type=tensor(I64, (n,)), axis=0), (*(1,) * i, n, *(1,) * (
            len(rest) - i - 1)), (i,)) for i, n in enumerate(rest))])  # fmt: skip
    return table[(wrap(index_value), *map(wrap, lines))]


def permute_row_elements(x: Any, y: Any, inverse: bool = False) -> TensorVariable:
    """Every row of `x` with its elements in the order of the row of `y` beside it, a permutation
    (or, `inverse`, put where that says). A vector `y` stands beside every row."""
    x, y = as_tensor_variable(x), _whole("permute_row_elements", y)
    if inverse:
        from .symbolic_sort import argsort

        y = argsort(y, -1)
    b = Builder(here())
    rank = max(x.ndim, y.ndim)
    x, y = (v.dimshuffle(*("x",) * (rank - v.ndim), *range(v.ndim)) for v in (x, y))
    pair = [wrap(u) for u in broadcast(b, "permute_row_elements", (x.value, y.value))]
    return take_along_axis(pair[0], pair[1], -1)


# -- masks ----------------------------------------------------------------------------------------


def _mask(x: Any) -> Value:
    x = as_tensor_variable(x)
    return x.value if x.value.type.dtype is BOOL else elemwise("ne", x, 0).value


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The indices of the elements that are not 0, in row-major order: a tuple of one int64 vector
    an axis, or (`return_matrix`) a matrix with one row an axis.

    >>> [i.eval() for i in nonzero([[1, 0], [2, 3]])]
    [array([0, 1, 1]), array([0, 0, 1])]

    Raises `ValueError` for a scalar.
    """
    m = _mask(a)
    b = Builder(here())
    if not m.type.rank:
        raise ValueError(at("nonzero takes a tensor of at least one dim, not a scalar", b.loc))
    flat = mask_places(b, m)
    out = []
    for axis in range(m.type.rank):
        place = b("iota", type=tensor(I64, m.type.shape), axis=axis)
        place = b.reshape(place, (m.type.size,))
        out.append(wrap(b("gather", place, flat, axis=0) if m.type.rank > 1 else flat))
    return stack(out) if return_matrix else tuple(out)


def flatnonzero(a: Any) -> TensorVariable:
    """The indices of the elements that are not 0 in the flattened tensor."""
    m = _mask(a)
    return wrap(mask_places(Builder(here()), m))


def nonzero_values(a: Any) -> TensorVariable:
    """The elements that are not 0, in row-major order, a vector."""
    a = as_tensor_variable(a)
    return a.flatten()[flatnonzero(a)]


def argwhere(a: Any) -> TensorVariable:
    """The indices of the elements that are not 0: one row each."""
    return nonzero(a, return_matrix=True).T


def compress(condition: Any, x: Any, axis: int | None = None) -> TensorVariable:
    """`x` where `condition`, a vector, holds along an axis (None: of the flattened tensor); what
    lies behind its end is left out.

    >>> compress([0, 1, 1], [1, 2, 3]).eval()
    array([2, 3])
    """
    x, condition = as_tensor_variable(x), as_tensor_variable(condition)
    if condition.ndim != 1:
        raise ShapeError(at(f"compress takes a vector as condition, not {condition.type}", here()))
    if axis is None:
        x, axis = x.flatten(), 0
    return take(x, flatnonzero(condition), axis)


extract = compress


# -- diagonals ------------------------------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
    """The diagonal of two axes, which becomes the last axis; `offset` > 0 lies above the main one.

    >>> diagonal([[1, 2], [3, 4]]).eval()
    array([1, 4])
    """
    a = as_tensor_variable(a)
    one, two = (axis_of("diagonal", i, a.ndim) for i in (axis1, axis2))
    if one == two:
        raise ShapeError(at("diagonal: the two axes must differ", here()))
    k = as_dim(offset)
    if k.__class__ is not int:
        raise TypeError(at(f"diagonal: the offset must be an int, not {offset!r}", here()))
    b = Builder(here())
    others = [i for i in range(a.ndim) if i not in (one, two)]
    v = b.transpose(a.value, (*others, one, two))
    *lead, rows, cols = v.type.shape
    n, start = _diagonal(rows, cols, k)
    flat = b.reshape(v, (*lead, product((rows, cols))))
    step = b("iota", type=tensor(I64, (n,)), axis=0)
    place = b.add(b.mul(step, _spread(b, cols + 1, step)), _spread(b, start, step))
    return wrap(b("gather", flat, place, axis=len(lead)))


def _diagonal(rows: DimLike, cols: DimLike, k: int) -> tuple[DimLike, DimLike]:
    """Length and first place, in row-major order, of diagonal `k`."""
    if k >= 0:
        return maximum(minimum(rows, cols - k), 0), k
    return maximum(minimum(rows + k, cols), 0), -k * cols


def _spread(b: Builder, d: DimLike, like: Value) -> Value:
    return b.broadcast(dim(d).value, like.type.shape, ())


def diag(v: Any, k: int = 0) -> TensorVariable:
    """A vector as diagonal `k` of a square matrix of zeros; of a matrix that diagonal.

    >>> diag([1, 2]).eval()
    array([[1, 0],
           [0, 2]])
    """
    v = as_tensor_variable(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(at(f"diag takes a vector or a matrix, not {v.type}", here()))
    return make_diagonal(v, k)


def make_diagonal(v: Any, offset: int = 0, axis1: int = -2, axis2: int = -1) -> TensorVariable:
    """Vectors along the last axis as the diagonals of square matrices of zeros."""
    v = as_tensor_variable(v)
    if not v.ndim:
        raise ShapeError(at("a scalar is no diagonal", here()))
    k = as_dim(offset)
    if k.__class__ is not int:
        raise TypeError(at(f"the offset of a diagonal must be an int, not {offset!r}", here()))
    b = Builder(here())
    *lead, n = v.value.type.shape
    wide = b.broadcast(v.value, (*lead, n, n), range(v.ndim))
    row = b("iota", type=tensor(I64, wide.type.shape), axis=len(lead))
    col = b("iota", type=tensor(I64, wide.type.shape), axis=len(lead) + 1)
    zero = b.zeros(wide.type)
    wide = b.select(b("eq", row, col), wide, zero)
    down, right = max(-k, 0), max(k, 0)
    if k:
        edge = b.const(0, tensor(wide.type.dtype, ()))
        rank = v.ndim + 1
        wide = b("pad", wide, edge, lo=(*(0,) * len(lead), down, right), interior=(0,) * rank,
                 hi=(*(0,) * len(lead), right, down))  # fmt: skip
    one, two = (axis_of("diagonal", a, v.ndim + 1) for a in (axis1, axis2))
    order = list(range(len(lead)))
    for place, axis in sorted([(one, len(lead)), (two, len(lead) + 1)]):
        order.insert(place, axis)
    return wrap(b.transpose(wide, order))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
    """The sum of a diagonal."""
    return sum(diagonal(a, offset, axis1, axis2), -1)


# -- places ---------------------------------------------------------------------------------------


def ravel_multi_index(multi_index: Sequence[Any], dims: Any, mode: str = "raise", order: str = "C"
                      ) -> TensorVariable:  # fmt: skip
    """Places in the flattened tensor of shape `dims` of elements with these indices, one tensor an
    axis.

    >>> ravel_multi_index(([0, 1], [2, 0]), (2, 3)).eval()
    array([2, 3])
    """
    sizes = _sizes("ravel_multi_index", dims, order)
    if isinstance(multi_index, TensorVariable):
        multi_index = list(multi_index)
    parts = [_whole("ravel_multi_index", i) for i in multi_index]
    if len(parts) != len(sizes):
        raise ShapeError(at(f"ravel_multi_index: {len(parts)} indices for {len(sizes)} dims",
                            here()))  # fmt: skip
    if order == "F":
        parts, sizes = parts[::-1], sizes[::-1]
    out: Any = 0
    b = Builder(here())
    for i, n in zip(parts, sizes):
        if mode == "raise":  # NumPy takes no negative index here
            low = switch(elemwise("lt", i, 0), n, i)
            i = wrap(b("wrap_index", low.value, size=_dim_value(n)))
        else:
            i = _moded("ravel_multi_index", i, n, mode)
        out = out * n + i if out.__class__ is not int else i
    return out


def _dim_value(n: TensorVariable) -> DimLike:
    found = as_dim(n)
    assert found is not None
    return found


def _sizes(what: str, dims: Any, order: str) -> list[TensorVariable]:
    if order not in ("C", "F"):
        raise ValueError(at(f"{what}: order is 'C' or 'F', not {order!r}", here()))
    return [dim(d) for d in sizes_of(what, dims)]


def unravel_index(indices: Any, dims: Any, order: str = "C") -> list[TensorVariable]:
    """The indices, one tensor an axis, of places in the flattened tensor of shape `dims`.

    >>> [i.eval() for i in unravel_index([2, 3], (2, 3))]
    [array([0, 1]), array([2, 0])]

    Raises `IndexError` for a place out of bounds.
    """
    sizes = _sizes("unravel_index", dims, order)
    place = _whole("unravel_index", indices)
    b = Builder(here())
    total = product([_dim_value(n) for n in sizes])
    low = switch(elemwise("lt", place, 0), dim(total), place)
    place = wrap(b("wrap_index", low.value, size=total))
    out = []
    for n in sizes if order == "F" else sizes[::-1]:
        n = elemwise("maximum", n, 1)
        out.append(place % n)
        place = place // n
    return out if order == "F" else out[::-1]


def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> TensorVariable:
    """A matrix of `nb_class` columns with a 1 at column y[i] of row i.

    >>> to_one_hot([1, 0], 3).eval()
    array([[0., 1., 0.],
           [1., 0., 0.]])

    Raises `IndexError` at the call for a class that is not 0 … nb_class - 1.
    """
    from .symbolic_create import arange

    y = _whole("to_one_hot", y)
    if y.ndim != 1:
        raise ShapeError(at(f"to_one_hot takes a vector of classes, not {y.type}", here()))
    classes = arange(nb_class)
    b = Builder(here())
    n = classes.value.type.shape[0]
    low = switch(elemwise("lt", y, 0), dim(n), y)  # no class is counted from the end
    y = wrap(b("wrap_index", low.value, size=n))
    from .symbolic_type import checked_dtype

    hit = elemwise("eq", y.dimshuffle(0, "x"), classes)
    return cast(hit, checked_dtype("floatX" if dtype is None else dtype).np.name)


__all__ = [
    "argwhere", "choose", "compress", "diag", "diagonal", "extract", "flatnonzero",
    "make_diagonal", "nonzero", "nonzero_values", "permute_row_elements", "ravel_multi_index",
    "take", "take_along_axis", "to_one_hot", "trace", "unravel_index",
]  # fmt: skip
