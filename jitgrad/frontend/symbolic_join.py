"""Variables joined, split and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.dims import DimLike
from ..ir.types import I64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import Note, notes
from .symbolic_ops import _common, as_dim, cast, elemwise, match
from .symbolic_sizes import axis_of, dim, size_of, sizes_of


def concatenate(tensor_list: Sequence[Any], axis: int = 0) -> TensorVariable:
    """Tensors of one number of dims joined along an axis; their other sizes must agree.

    >>> concatenate([[1, 2], [3]]).eval()
    array([1, 2, 3])

    Raises `ShapeError`, at the call if it must be.
    """
    b = Builder(here())
    if isinstance(tensor_list, TensorVariable):
        what = "concatenate takes a list of tensors, and this is a tensor: put it in a list"
        raise TypeError(at(what, b.loc))
    parts = [as_tensor_variable(t).value for t in tensor_list]
    if not parts:
        raise ShapeError(at("concatenate needs at least one tensor", b.loc))
    rank = parts[0].type.rank
    known = as_dim(axis)
    if known.__class__ is not int:
        raise TypeError(at(f"concatenate along axis {axis!r}: the axis must be an int", b.loc))
    axis = known
    if any(p.type.rank != rank for p in parts) or not -rank <= axis < rank:
        ranks = ", ".join(str(p.type.rank) for p in parts)
        what = f"concatenate along axis {axis} of tensors of {ranks} dims"
        raise ShapeError(at(what, b.loc))
    axis %= rank
    dtype = _common(tuple([p.type.dtype for p in parts]), ())
    if len(parts) == 1:
        return wrap(b("identity", parts[0]))
    others = [(i, i) for i in range(rank) if i != axis]
    # a size that is known is the better name for the others
    best = max(parts, key=lambda p: sum(d.__class__ is int for d in p.type.shape))
    parts = [p if p is best else match(b, "concatenate", (best, p), others) for p in parts]
    parts = [b.cast(p, dtype) for p in parts]
    return wrap(b("concatenate", *parts, axis=axis))


def join(axis: int, *tensors: Any) -> TensorVariable:
    """`concatenate(tensors, axis)`."""
    return concatenate(tensors, axis)


def stack(tensors: Any, *more: Any, axis: int = 0) -> TensorVariable:
    """Tensors of one shape side by side along a new axis: `stack([x, y], axis=1)`.

    >>> stack([[1, 2], [3, 4]], axis=1).eval()
    array([[1, 3],
           [2, 4]])
    """
    given: Any = tensors
    if more:
        if isinstance(tensors, (list, tuple)) and len(more) == 1:
            axis = more[0]
        else:  # the old way, `stack(x, y)`
            given = (tensors, *more)
    if isinstance(given, TensorVariable):
        given = [given]
    parts = [as_tensor_variable(t) for t in given]
    if not parts:
        raise ShapeError(at("stack needs at least one tensor", here()))
    rank = parts[0].ndim
    if any(p.ndim != rank for p in parts):
        ranks = ", ".join(str(p.ndim) for p in parts)
        raise ShapeError(at(f"stack of tensors of {ranks} dims: they must be of one shape", here()))
    place = axis_of("stack", axis, rank + 1)
    pattern = [*range(place), "x", *range(place, rank)]
    return concatenate([p.dimshuffle(*pattern) for p in parts], place)


def stacklists(arg: Any) -> TensorVariable:
    """Nested lists of tensors stacked along new leading axes; a scalar number stays one.

    >>> stacklists([[1, 2], [3, 4]]).eval()
    array([[1, 2],
           [3, 4]])
    """
    if isinstance(arg, (tuple, list)):
        return stack([stacklists(a) for a in arg])
    return as_tensor_variable(arg)


def make_vector(*scalars: Any) -> TensorVariable:
    """A vector of scalars."""
    parts = [as_tensor_variable(s) for s in scalars]
    if any(p.ndim for p in parts):
        raise ShapeError(at("make_vector takes scalars", here()))
    return stack(parts)


def get_vector_length(v: Any) -> int:
    """The length of a vector where it is known; `ValueError` where it is not."""
    v = as_tensor_variable(v)
    if v.ndim != 1:
        raise TypeError(at(f"a vector is needed, not {v.type}", here()))
    n = v.value.type.shape[0]
    if not isinstance(n, int):
        raise ValueError(at(f"the length of {v!r} is not known", here()))
    return n


def horizontal_stack(*args: Any) -> TensorVariable:
    """Matrices side by side."""
    return concatenate(_matrices("horizontal_stack", args), 1)


def vertical_stack(*args: Any) -> TensorVariable:
    """Matrices one above the other."""
    return concatenate(_matrices("vertical_stack", args), 0)


def _matrices(what: str, args: Sequence[Any]) -> list[TensorVariable]:
    parts = [as_tensor_variable(a) for a in args]
    if len(parts) < 2 or any(p.ndim != 2 for p in parts):
        raise ShapeError(at(f"{what} takes at least two matrices", here()))
    return parts


def split(x: Any, splits_size: Any, n_splits: int | None = None, axis: int = 0
          ) -> list[TensorVariable]:  # fmt: skip
    """`n_splits` pieces along an axis, of the sizes in `splits_size`.

    The sizes are a list or an integer vector. Raises `ShapeError` where they are not `n_splits`, or
    do not add up to the size of the axis.

    >>> [p.eval() for p in split([1, 2, 3], [1, 2], 2)]
    [array([1]), array([2, 3])]
    """
    x = as_tensor_variable(x)
    b = Builder(here())
    place = axis_of("split", axis, x.ndim)
    if isinstance(splits_size, TensorVariable) and n_splits is not None and splits_size.ndim == 1:
        from .symbolic_shape import specify_shape

        splits_size = specify_shape(splits_size, (n_splits,))
    sizes = sizes_of("split", splits_size)
    if n_splits is not None and len(sizes) != n_splits:
        raise ShapeError(at(f"split: {len(sizes)} sizes for {n_splits} pieces", b.loc))
    total: DimLike = 0
    for s in sizes:
        if s.__class__ is int and s < 0:
            raise ShapeError(at(f"split: the size {s} is negative", b.loc))
        total = total + s
    v = x.value
    from .symbolic_ops import refine

    n = v.type.shape[place]
    note = Note("split", (ref(v),), text="split: the sizes do not add up to the axis")
    if n.__class__ is int and total.__class__ is int and n != total:
        raise ShapeError(at(f"split: the sizes add up to {total}, not to {n}", b.loc))
    goal = (*v.type.shape[:place], total, *v.type.shape[place + 1 :])
    v = refine(b, v, goal, note)
    out = []
    start: DimLike = 0
    for s in sizes:
        lows: list[DimLike] = [0] * x.ndim
        highs = list(goal)
        lows[place], highs[place] = start, start + s
        piece = b("slice", v, starts=tuple(lows), stops=tuple(highs), steps=(1,) * x.ndim)
        notes[piece] = Note("slice", (ref(v),), text="split: a size is negative")
        out.append(wrap(piece))
        start = start + s
    return out


# -- repetition -----------------------------------------------------------------------------------


def repeat(x: Any, repeats: Any, axis: int | None = None) -> TensorVariable:
    """Every element repeated along an axis (None: of the flattened tensor).

    `repeats` is one number (an int or an integer scalar), or an integer vector with one number for
    each element.

    >>> repeat([1, 2], 2).eval(), repeat([1, 2], [1, 2]).eval()
    (array([1, 1, 2, 2]), array([1, 2, 2]))

    Raises `ValueError` for a negative number, at the call if it must be.
    """
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = x.flatten(), 0
    place = axis_of("repeat", axis, x.ndim)
    counts = as_tensor_variable(repeats)
    if counts.value.type.dtype.kind not in "biu":
        raise TypeError(at(f"repeat takes integers, not {counts.type}", here()))
    b = Builder(here())
    v = x.value
    shape = v.type.shape
    if counts.ndim > 1:
        raise TypeError(at(f"repeat takes a scalar or a vector of numbers, not {counts.type}",
                           b.loc))  # fmt: skip
    if counts.ndim == 1 and counts.broadcastable[0]:
        counts = counts[0]
    if counts.ndim == 0:
        n = size_of(repeats if not isinstance(repeats, (list, tuple, np.ndarray)) else counts,
                    "repeat: the number of repeats")  # fmt: skip
        if n.__class__ is int and n < 0:
            raise ValueError(at(f"repeats may not contain negative values, not {n}", b.loc))
        wide = b.broadcast(v, (*shape[: place + 1], n, *shape[place + 1 :]),
                           [i if i <= place else i + 1 for i in range(x.ndim)])  # fmt: skip
        return wrap(b.reshape(wide, (*shape[:place], shape[place] * n, *shape[place + 1 :])))
    return _repeated(b, x, counts, place)


def _repeated(b: Builder, x: TensorVariable, counts: TensorVariable, axis: int) -> TensorVariable:
    """Element i `counts[i]` times: a 1 where each begins, summed up, says which one is meant."""
    from .symbolic_reduce import cumsum
    from .symbolic_reduce import min as least
    from .symbolic_reduce import sum as total

    counts = cast(counts, "int64")
    ends = match(b, "repeat", (x.value, counts.value), [(axis, 0)])
    counts = wrap(ends)
    # no number is negative: else there is no such size
    sound = elemwise("ge", least(concatenate([counts, [0]])), 0)
    n = size_of(elemwise("select", sound, total(counts), -1, keep=1),
                "repeat: the number of elements, -1 where one is repeated a negative number of "
                "times")  # fmt: skip
    last = cumsum(counts).value
    zeros = b.zeros(tensor(I64, (n + 1,)))
    marks = b("scatter_add", zeros, last, b.const(1, last.type), axis=0)
    which = b("cumsum", marks, axis=0)
    which = b("slice", which, starts=(0,), stops=(n,), steps=(1,))
    return wrap(b("gather", x.value, which, axis=axis))


def tile(x: Any, reps: Any, ndim: int | None = None) -> TensorVariable:
    """`x` as a tile, laid `reps` times along each axis (the last axes where there are fewer).

    `reps` is an int, an integer scalar, or a list of such; `ndim` is the number of dims of the
    result, at least as many as there are numbers.

    >>> tile([1, 2], 2).eval()
    array([1, 2, 1, 2])
    """
    x = as_tensor_variable(x)
    if isinstance(reps, TensorVariable) and reps.ndim == 1 and ndim is not None and (
        reps.value.type.shape[0].__class__ is not int):  # fmt: skip
        from .symbolic_shape import specify_shape

        reps = specify_shape(reps, (ndim,))
    counts = sizes_of("tile", reps)
    if any(c.__class__ is int and c < 0 for c in counts):
        raise ValueError(at(f"tile: a number of repeats is negative in {counts}", here()))
    rank = max(len(counts), x.ndim, ndim or 0)
    if ndim is not None and ndim < max(len(counts), x.ndim):
        raise ValueError(at(f"tile: ndim {ndim} is less than the dims that reps and x have",
                            here()))  # fmt: skip
    counts = (*(1,) * (rank - len(counts)), *counts)
    b = Builder(here())
    shape = (*(1,) * (rank - x.ndim), *x.value.type.shape)
    v = b.reshape(x.value, shape)
    wide: list[DimLike] = []
    dims = []
    for c, n in zip(counts, shape):
        wide += [c, n]
        dims.append(len(wide) - 1)
    v = b.broadcast(v, tuple(wide), dims)
    return wrap(b.reshape(v, tuple([c * n for c, n in zip(counts, shape)])))


def roll(x: Any, shift: Any, axis: int | None = None) -> TensorVariable:
    """Elements moved `shift` places along an axis (None: of the flattened tensor); what leaves at
    one end comes in at the other.

    `shift` is an int or an integer scalar.

    >>> roll([1, 2, 3], 1).eval()
    array([3, 1, 2])
    """
    x = as_tensor_variable(x)
    if axis is None:
        return roll(x.flatten(), shift, 0).reshape(x.shape)
    place = axis_of("roll", axis, x.ndim)
    b = Builder(here())
    n = x.value.type.shape[place]
    by = as_tensor_variable(shift)
    if by.ndim or by.value.type.dtype.kind not in "iu":
        raise TypeError(at(f"roll takes an integer scalar, not {by.type}", b.loc))
    if n.__class__ is int and n == 0:
        return x
    idx = wrap(b("iota", type=tensor(I64, (n,)), axis=0))
    source = (idx - cast(by, "int64")) % elemwise("maximum", dim(n), 1)
    return wrap(b("gather", x.value, source.value, axis=place))


__all__ = [
    "concatenate", "get_vector_length", "horizontal_stack", "join", "make_vector", "repeat", "roll",
    "split", "stack", "stacklists", "tile", "vertical_stack",
]  # fmt: skip
