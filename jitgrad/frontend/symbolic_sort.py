"""Order: sorted elements, their places, searches in them, what occurs and how often."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.types import I64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_index import mask_places
from .symbolic_join import concatenate
from .symbolic_notes import Note, notes
from .symbolic_ops import _common, cast, elemwise
from .symbolic_reduce import max as largest
from .symbolic_sizes import axis_of, dim, size_of

_KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def _ordered(name: str, a: Any, axis: int | None, kind: str, order: Any) -> TensorVariable:
    a = as_tensor_variable(a)
    if kind not in _KINDS:
        raise ValueError(at(f"{name}: kind is one of {', '.join(_KINDS)}, not {kind!r}", here()))
    if order is not None:
        raise ValueError(at(f"{name}: order names fields, and a tensor has none", here()))
    if axis is None:
        a, axis = a.flatten(), 0
    place = axis_of(name, axis, a.ndim)
    return wrap(Builder(here())(name, a.value, axis=place))


def sort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None
         ) -> TensorVariable:  # fmt: skip
    """The elements in ascending order along an axis (None: of the flattened tensor), NaN last.

    The sort is stable, whatever `kind`.

    >>> sort([3, 1, 2]).eval()
    array([1, 2, 3])
    """
    return _ordered("sort", a, axis, kind, order)


def argsort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None
            ) -> TensorVariable:  # fmt: skip
    """The places, int64, from which `sort` takes the elements."""
    return _ordered("argsort", a, axis, kind, order)


def topk_and_argtopk(x: Any, kth: int, axis: int = -1, sorted: bool = True,
                     idx_dtype: Any = "int64") -> list[TensorVariable]:  # fmt: skip
    """The `kth` largest elements (smallest, for a negative number) along an axis, and their places.

    They come in ascending order, those of the largest of all last.
    """
    from .symbolic_select import take_along_axis

    x = as_tensor_variable(x)
    if axis is None:
        x, axis = x.flatten(), 0
    place = axis_of("topk", axis, x.ndim)
    if not isinstance(kth, (int, np.integer)) or kth == 0:
        raise ValueError(at(f"topk: the number of elements is an int other than 0, not {kth!r}",
                            here()))  # fmt: skip
    n = x.value.type.shape[place]
    count = abs(int(kth))
    if n.__class__ is int and count > n:
        raise ValueError(at(f"topk: {count} elements of {n}", here()))
    order = argsort(x, place).value
    # a slice of just as many: too few elements are an error, not fewer results
    starts, stops = [0] * x.ndim, list(order.type.shape)
    starts[place], stops[place] = (n - count, n) if kth > 0 else (0, count)
    b = Builder(here())
    cut = b("slice", order, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)
    notes[cut] = Note("topk", (ref(x.value),), text=f"topk: fewer than {count} elements",
                      error=ValueError)  # fmt: skip
    where = wrap(cut)
    return [take_along_axis(x, where, place), cast(where, idx_dtype)]


def topk(x: Any, kth: int, axis: int = -1, sorted: bool = True) -> TensorVariable:
    """The `kth` largest elements (smallest, for a negative number) along an axis."""
    return topk_and_argtopk(x, kth, axis, sorted)[0]


def argtopk(x: Any, kth: int, axis: int = -1, sorted: bool = True, idx_dtype: Any = "int64"
            ) -> TensorVariable:  # fmt: skip
    """The places of what `topk` gives."""
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[1]


def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> TensorVariable:
    """Where the elements of `v` belong in the sorted vector `x` so that it stays sorted, int64.

    side    before ("left") or behind ("right") those that are equal
    sorter  the places that sort `x`, where it is not

    >>> searchsorted([1, 2, 3], [2, 0]).eval()
    array([1, 0])
    """
    x, v = as_tensor_variable(x), as_tensor_variable(v)
    if side not in ("left", "right"):
        raise ValueError(at(f"searchsorted: side is 'left' or 'right', not {side!r}", here()))
    if x.ndim != 1:
        raise ShapeError(at(f"searchsorted looks in a vector, not {x.type}", here()))
    if sorter is not None:
        places = as_tensor_variable(sorter)
        if places.value.type.dtype.kind not in "iu" or places.ndim != 1:
            raise TypeError(at(f"searchsorted: sorter is a vector of places, not {places.type}",
                               here()))  # fmt: skip
        x = x[places]
    b = Builder(here())
    kind = _common((x.value.type.dtype, v.value.type.dtype), ())
    one, other = b.cast(x.value, kind), b.cast(v.value, kind)
    return wrap(b("searchsorted", one, other, right=side == "right"))


def bincount(x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False
             ) -> TensorVariable:  # fmt: skip
    """How often each of 0, 1, 2 … occurs in the integer vector `x`, or the sums of `weights` there.

    The result reaches to the largest that occurs, and has at least `minlength` elements.

    >>> bincount([1, 1, 3]).eval()
    array([0, 2, 0, 1])

    Raises `IndexError` at the call for a negative number.
    """
    x = as_tensor_variable(x)
    if x.ndim != 1 or x.value.type.dtype.kind not in "biu":
        raise TypeError(at(f"bincount takes a vector of integers, not {x.type}", here()))
    x = cast(x, "int64")
    b = Builder(here())
    top = largest(concatenate([x, [-1]])) + 1
    if minlength is not None:
        top = elemwise("maximum", top, cast(as_tensor_variable(minlength), "int64"))
    n = size_of(top, "bincount: the number of results")
    from .symbolic_ops import match, switch

    low = switch(elemwise("lt", x, 0), dim(n), x)  # nothing is counted from the end
    idx = b("wrap_index", low.value, size=n)
    if weights is None:
        parts = b.const(1, tensor(I64, idx.type.shape))
    else:
        w = as_tensor_variable(weights)
        if w.ndim != 1:
            raise ShapeError(at(f"bincount: weights are a vector, not {w.type}", b.loc))
        if not w.value.type.dtype.is_float:
            w = cast(w, "float64")
        parts = match(b, "bincount", (idx, w.value), [(0, 0)])
    base = b.zeros(tensor(parts.type.dtype, (n,)))
    return wrap(b("scatter_add", base, idx, parts, axis=0))


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False,
           return_counts: bool = False, axis: int | None = None) -> Any:  # fmt: skip
    """The different elements of the flattened tensor in ascending order; with it, as asked:

    return_index    where each occurs first
    return_inverse  for each element, in the shape of `ar`, which of them it is
    return_counts   how often each occurs

    Their number is computed first when the function is called. NaNs count as one, as in NumPy.

    >>> unique([3, 1, 3]).eval()
    array([1, 3])
    """
    ar = as_tensor_variable(ar)
    if axis is not None and not (ar.ndim == 1 and axis in (0, -1)):
        raise ValueError(at("unique along an axis is not there yet: only of all elements", here()))
    flat = ar.flatten()
    order = argsort(flat)
    line = flat[order]
    b = Builder(here())
    n = line.value.type.shape[0]
    # an element is new where it differs from the one before it
    place = wrap(b("iota", type=tensor(I64, (n,)), axis=0))
    before = line[elemwise("maximum", place - 1, 0)]
    new = elemwise("ne", line, before)
    if line.value.type.dtype.is_float:  # a NaN differs from itself, and comes last
        new = new & ~(elemwise("ne", line, line) & elemwise("ne", before, before))
    new = new | elemwise("eq", place, 0)
    spots = wrap(mask_places(b, new.value))
    out = [line[spots]]
    if return_index:
        out.append(order[spots])
    if return_inverse:
        from .symbolic_reduce import cumsum

        rank = cumsum(cast(new, "int64")) - 1
        base = b.zeros(tensor(I64, (n,)))
        back = wrap(b("scatter_add", base, order.value, rank.value, axis=0))
        out.append(back.reshape(ar.shape))
    if return_counts:
        ends = concatenate([spots, dim(n).dimshuffle("x")])[1:]
        out.append(ends - spots)
    return out[0] if len(out) == 1 else out


__all__ = [
    "argsort", "argtopk", "bincount", "searchsorted", "sort", "topk", "topk_and_argtopk", "unique",
]  # fmt: skip
