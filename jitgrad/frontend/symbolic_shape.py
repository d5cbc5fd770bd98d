"""Shapes of symbolic variables: sizes, reshape, axes moved, added, dropped and repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import ref

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, floordiv, product
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import Note, notes
from .symbolic_ops import broadcast, elemwise, refine
from .symbolic_sizes import ShapeVariable, axes_of, axis_of, dim, shape, size_of, sizes_of

# -- reshape --------------------------------------------------------------------------------------


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> TensorVariable:
    """The same elements, in row-major order, in another shape; one size may be -1.

    `ndim` is needed where `newshape` is a vector of unknown length, and checked elsewhere.

    >>> reshape([1, 2, 3, 4, 5, 6], (2, -1)).eval()
    array([[1, 2, 3],
           [4, 5, 6]])

    Raises `ShapeError` where the numbers of elements differ, at the call if it must be.
    """
    v = as_tensor_variable(x).value
    b = Builder(here())
    if ndim is not None and isinstance(newshape, TensorVariable) and newshape.ndim == 1:
        n = newshape.value.type.shape[0]
        if n.__class__ is Dim:
            fixed = refine(
                b,
                newshape.value,
                (ndim,),
                Note(
                    "reshape", (ref(newshape.value),), text="reshape: the shape has not ndim sizes"
                ),
            )
            newshape = wrap(fixed)  # fmt: skip
    if _has_values(newshape):
        newshape = _without_gap(newshape, v)
    goal = sizes_of("reshape", newshape)
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


def reshape_method(x: Any, first: Any, more: tuple, ndim: int | None) -> TensorVariable:
    """`x.reshape((2, 3))`, `x.reshape(2, 3)`, and Theano's `x.reshape(shape, ndim)`."""
    if more:
        whole = isinstance(first, (tuple, list)) or (
            isinstance(first, TensorVariable) and first.ndim == 1
        )
        if whole and len(more) == 1:
            return reshape(x, first, more[0])
        first = (first, *more)
    return reshape(x, first, ndim)


def _has_values(sizes: Any) -> bool:
    """Whether some sizes are known by the values of variables only (and so may be -1)."""
    from .symbolic_ops import as_dim

    if isinstance(sizes, ShapeVariable):
        return False
    if isinstance(sizes, TensorVariable):
        op = sizes.value.op
        return op is None or op.opdef.name not in ("constant", "dim")
    return isinstance(sizes, (tuple, list)) and any(
        isinstance(s, TensorVariable) and as_dim(s) is None for s in sizes
    )


def _without_gap(sizes: Any, v: Value) -> list[Any]:
    """Sizes of which one may turn out to be -1: it is worked out from the others' product."""
    from .symbolic_ops import as_dim, cast, switch

    if isinstance(sizes, TensorVariable) and not sizes.ndim:
        sizes = (sizes,)
    if isinstance(sizes, TensorVariable) and sizes.value.type.shape[0].__class__ is not int:
        raise ShapeError(at(f"reshape: the shape {sizes!r} is a vector of unknown length: say how "
                            "many sizes it has, ndim=…", here()))  # fmt: skip
    parts = [as_tensor_variable(s) for s in sizes]
    if any(as_dim(s) == -1 for s in parts):
        return parts  # the gap is known: no other can be one
    if any(s.ndim or s.value.type.dtype.kind not in "iu" for s in parts):
        raise TypeError(at("reshape: a size must be an integer scalar", here()))
    parts = [cast(s, "int64") for s in parts]
    whole = cast(as_tensor_variable(1), "int64")
    for s in parts:
        whole = elemwise("mul", whole, s)
    rest = elemwise("maximum", -whole, 1)  # without the -1; where there is none it is not used
    gap = dim(product(v.type.shape)) // rest
    return [s if as_dim(s) is not None else switch(elemwise("eq", s, -1), gap, s) for s in parts]


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


def flatten(x: Any, ndim: int = 1, outdim: int | None = None) -> TensorVariable:
    """The trailing dims merged, so that `ndim` are left (`outdim` is its old name)."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    ndim = ndim if outdim is None else outdim
    if not 1 <= ndim <= max(v.type.rank, 1):
        raise ShapeError(at(f"flatten of {v.type} to {ndim} dims", b.loc))
    lead = v.type.shape[: ndim - 1]
    return wrap(b.reshape(v, (*lead, product(v.type.shape[ndim - 1 :]))))


# -- axes -----------------------------------------------------------------------------------------


def dimshuffle(x: Any, *pattern: Any) -> TensorVariable:
    """Axes in the order of `pattern`; "x" is a new axis of 1; only axes of 1 may be left out."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)):
        pattern = tuple(pattern[0])
    rank = v.type.rank
    used = [p for p in pattern if not isinstance(p, str) or p != "x"]
    used = [axis_of(f"dimshuffle {pattern}", p, rank) for p in used]
    if len(set(used)) != len(used):
        raise ShapeError(at(f"dimshuffle {pattern}: an axis is named twice", b.loc))
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
    v = b.reshape(v, [1 if isinstance(p, str) else next(sizes) for p in pattern])
    return wrap(v)


def transpose(x: Any, *axes: Any) -> TensorVariable:
    """Axes reversed, or in the given order (a list, or one argument each)."""
    v = as_tensor_variable(x).value
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        axes = tuple(axes[0] or ())
    rank = v.type.rank
    order = axes_of("transpose", axes, rank) if axes else tuple(range(rank))[::-1]
    if len(order) != rank:
        raise ShapeError(at(f"transpose: {len(order)} axes for a tensor of {rank} dims", here()))
    return wrap(Builder(here()).transpose(v, order))


def swapaxes(x: Any, axis1: int, axis2: int) -> TensorVariable:
    """Two axes exchanged."""
    x = as_tensor_variable(x)
    order = list(range(x.ndim))
    i, k = (axis_of("swapaxes", a, x.ndim) for a in (axis1, axis2))
    order[i], order[k] = k, i
    return transpose(x, order)


def moveaxis(x: Any, source: Any, destination: Any) -> TensorVariable:
    """Axes moved to other places; the others keep their order."""
    x = as_tensor_variable(x)
    old, new = (axes_of("moveaxis", a, x.ndim) for a in (source, destination))
    if len(old) != len(new):
        raise ShapeError(at("moveaxis: as many destinations as sources are needed", here()))
    order = [a for a in range(x.ndim) if a not in old]
    for place, a in sorted(zip(new, old)):
        order.insert(place, a)
    return transpose(x, order)


def squeeze(x: Any, axis: Any = None) -> TensorVariable:
    """Without the axes of size 1: all that are known to be 1, or the given ones."""
    x = as_tensor_variable(x)
    known = x.broadcastable
    axes = [i for i, one in enumerate(known) if one] if axis is None else axes_of(
        "squeeze", axis, x.ndim)  # fmt: skip
    y = addbroadcast(x, *axes)
    return y.dimshuffle(*(i for i in range(x.ndim) if i not in axes))


def expand_dims(x: Any, axis: Any) -> TensorVariable:
    """New axes of size 1 at these places of the result."""
    x = as_tensor_variable(x)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.ndim + len(given)
    new = axes_of("expand_dims", given, rank)
    old = iter(range(x.ndim))
    return x.dimshuffle(*("x" if i in new else next(old) for i in range(rank)))


def shape_padleft(t: Any, n_ones: int = 1) -> TensorVariable:
    """`n_ones` leading axes of size 1."""
    t = as_tensor_variable(t)
    return t.dimshuffle(*("x",) * n_ones, *range(t.ndim))


def shape_padright(t: Any, n_ones: int = 1) -> TensorVariable:
    """`n_ones` trailing axes of size 1."""
    t = as_tensor_variable(t)
    return t.dimshuffle(*range(t.ndim), *("x",) * n_ones)


def shape_padaxis(t: Any, axis: int) -> TensorVariable:
    """One axis of size 1, at the place `axis` of the result."""
    return expand_dims(t, axis)


def flip(x: Any, axis: Any = None) -> TensorVariable:
    """The order reversed along an axis, several, or (None) all."""
    v = as_tensor_variable(x).value
    axes = range(v.type.rank) if axis is None else axes_of("flip", axis, v.type.rank)
    return wrap(Builder(here())("reverse", v, axes=tuple(sorted(axes)))) if axes else wrap(v)


# -- broadcast patterns ---------------------------------------------------------------------------


def addbroadcast(x: Any, *axes: Any) -> TensorVariable:
    """`x` with these axes known to be of size 1, so that they broadcast; checked at the call."""
    x = as_tensor_variable(x)
    ones = axes_of("addbroadcast", axes, x.ndim)
    old = x.value.type.shape
    for i in ones:
        if old[i].__class__ is int and old[i] != 1:
            raise ShapeError(
                at(f"axis {i} of {x!r} has size {old[i]}: it cannot be made broadcastable", here())
            )
    goal = tuple([1 if i in ones else d for i, d in enumerate(old)])
    note = Note("addbroadcast", (ref(x.value),), text="a broadcastable axis must have size 1")
    return wrap(refine(Builder(here()), x.value, goal, note))


def unbroadcast(x: Any, *axes: Any) -> TensorVariable:
    """`x` with these axes of size 1 treated as of unknown size. Here a size that is known stays
    known, so that this is `x`: what is 1 broadcasts."""
    x = as_tensor_variable(x)
    axes_of("unbroadcast", axes, x.ndim)
    return x


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> TensorVariable:
    """`x` with the axes marked True known to be of size 1; checked at the call."""
    x = as_tensor_variable(x)
    if len(broadcastable) != x.ndim:
        raise ShapeError(
            at(f"a pattern of {len(broadcastable)} entries for {x!r} of {x.ndim} dims", here())
        )
    return addbroadcast(x, *(i for i, one in enumerate(broadcastable) if one))


class Rebroadcast:
    """`Rebroadcast((0, True), (1, False))(x)`: axes broadcastable, or not (see `unbroadcast`)."""

    def __init__(self, *pattern: tuple[int, bool]) -> None:
        self.pattern = pattern

    def __call__(self, x: Any) -> TensorVariable:
        return addbroadcast(x, *(axis for axis, one in self.pattern if one))


def specify_shape(x: Any, shape: Any) -> TensorVariable:
    """`x`, whose shape is known to be this (None leaves a size open); checked at the call."""
    x = as_tensor_variable(x)
    old = x.value.type.shape
    if isinstance(shape, (list, tuple)):
        given = [d if s is None else s for s, d in zip(shape, old)] + list(shape[len(old) :])
        goal = tuple([s if s.__class__ is Dim else size_of(s, "specify_shape: a size")
                      for s in given])  # fmt: skip
    else:
        goal = sizes_of("specify_shape", shape)
    if len(goal) != len(old):
        raise ShapeError(at(f"specify_shape: {len(goal)} sizes for {x!r} of {x.ndim} dims", here()))
    for i, (a, c) in enumerate(zip(old, goal)):
        if a.__class__ is int and c.__class__ is int and a != c:
            raise ShapeError(at(f"axis {i} of {x!r} has size {a}, not {c}", here()))
    note = Note("specify_shape", (ref(x.value),), text="specify_shape: another size was promised")
    return wrap(refine(Builder(here()), x.value, goal, note))


def broadcast_to(x: Any, shape: Any) -> TensorVariable:
    """`x` repeated along new leading axes and axes of size 1 to this shape."""
    v = as_tensor_variable(x).value
    return wrap(fitted(Builder(here()), "broadcast_to", v, sizes_of("broadcast_to", shape)))


def fitted(b: Builder, what: str, v: Value, goal: tuple[DimLike, ...]) -> Value:
    """`v` broadcast to a shape; sizes that are not known to fit are checked at the call."""
    rank, old = len(goal), v.type.shape
    skip = rank - len(old)
    for d, n in zip(old, goal[skip:] if skip >= 0 else ()):
        if d.__class__ is int and d != 1 and n.__class__ is int and d != n:
            skip = -1
    if skip < 0:
        raise ShapeError(at(f"{what}: shape {_text(old)} cannot be broadcast to {_text(goal)}",
                            b.loc))  # fmt: skip
    known = tuple([d if d.__class__ is int and d == 1 else n for d, n in zip(old, goal[skip:])])
    text = f"{what}: a size that is not known to be 1 does not broadcast"
    v = refine(b, v, known, Note(what, (ref(v),), text=text))
    return b.broadcast(v, goal, range(skip, rank))


def _text(shape: Iterable[DimLike]) -> str:
    from .pp import dim_text

    parts = [dim_text(d) for d in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def broadcast_arrays(*xs: Any) -> list[TensorVariable]:
    """The variables brought to their common shape."""
    b = Builder(here())
    return [wrap(v) for v in broadcast(b, "broadcast", [as_tensor_variable(x).value for x in xs])]


def atleast_Nd(x: Any, n: int = 1, left: bool = True) -> TensorVariable:
    """`x` with axes of size 1 in front (or behind) until it has `n` dims."""
    x = as_tensor_variable(x)
    extra = max(n - x.ndim, 0)
    return shape_padleft(x, extra) if left else shape_padright(x, extra)


def atleast_1d(x: Any) -> TensorVariable:
    return atleast_Nd(x, 1)


def atleast_2d(x: Any) -> TensorVariable:
    return atleast_Nd(x, 2)


def atleast_3d(x: Any) -> TensorVariable:
    return atleast_Nd(x, 3)


def shape_i(x: Any, i: int) -> TensorVariable:
    """The size of axis `i`, an int64 scalar."""
    x = as_tensor_variable(x)
    return dim(x.value.type.shape[axis_of("shape_i", i, x.ndim)])


__all__ = [
    "Rebroadcast",
    "addbroadcast", "atleast_1d", "atleast_2d", "atleast_3d", "atleast_Nd", "broadcast_arrays",
    "broadcast_to", "dimshuffle", "expand_dims", "flatten", "flip", "moveaxis", "patternbroadcast",
    "reshape", "shape", "shape_i", "shape_padaxis", "shape_padleft", "shape_padright",
    "specify_shape", "squeeze", "swapaxes", "transpose", "unbroadcast",
]  # fmt: skip
