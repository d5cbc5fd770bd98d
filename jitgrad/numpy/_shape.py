"""Shapes of arrays, and their elements in other orders."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..frontend.ops import (
    broadcast_shapes,
    cast,
    emit,
    find_root,
    lift,
    shape_of,
    spread,
)
from ..frontend.source import here
from ..frontend.trace import ARRAY, Root, Tracer, dim_of, size_of, wrap
from ..ir.core import Value
from ..ir.dims import DimLike, floordiv, product
from ._base import FUNCTIONS, axes_of, axis_of, one, public
from ._join import join


def _view(root: Root, v: Value, x: Tracer) -> Tracer:
    return wrap(root, v, x.mask, ARRAY)


@public(np.reshape)
def _reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None,
             copy: Any = None) -> Tracer:  # fmt: skip
    root, x = one(a)
    want = shape_of(newshape if shape is None else shape)
    if order == "F":
        turned = _reshape(_transpose(x), tuple(size_of(d, root) for d in want[::-1]))
        return _transpose(turned)
    have = x.value.type.shape
    total = product(have)
    if any(d.__class__ is int and d < 0 for d in want):
        at_ = [i for i, d in enumerate(want) if d.__class__ is int and d < 0]
        if len(at_) > 1:
            raise ValueError(at("can only specify one unknown dimension", here()))
        rest = product(d for i, d in enumerate(want) if i != at_[0])
        if root.compare(rest, "eq", 0):
            raise ValueError(at(f"cannot reshape array of size 0 into shape {want}", here()))
        want = (*want[: at_[0]], floordiv(total, rest), *want[at_[0] + 1 :])
        pool, others = list(have), [d for i, d in enumerate(want) if i != at_[0]]
        if all(d in pool and not pool.remove(d) for d in others):  # type: ignore[func-returns-value]
            # (n*m)//n is m where the other sizes stand in the shape as they are
            want = (*want[: at_[0]], product(pool), *want[at_[0] + 1 :])
    asked = product(want)
    if asked is not total and asked != total and not root.compare(asked, "eq", total, "reshape"):
        (size,) = root.sizes((total,))
        shown = tuple(root.sizes(want))
        raise ShapeError(at(f"cannot reshape array of size {size} into shape {shown}", here()))
    return _view(root, root.b.reshape(x.value, want), x)


@public(np.ravel)
def _ravel(a: Any, order: str = "C") -> Tracer:
    root, x = one(a)
    if order == "F":
        x = _transpose(x)
    return _view(root, root.b.reshape(x.value, (product(x.value.type.shape),)), x)


@public(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Tracer:
    root, x = one(a)
    if axes is None or axes == (None,):
        perm = tuple(reversed(range(x.ndim)))
    else:
        perm = np.lib.array_utils.normalize_axis_tuple(axes, x.ndim)
        if len(perm) != x.ndim:
            raise ValueError(at("axes don't match array", here()))
    return _view(root, root.b.transpose(x.value, perm), x)


public(np.permute_dims)(_transpose)


@public(np.matrix_transpose)
def _matrix_transpose(x: Any) -> Tracer:
    return _swapaxes(x, -1, -2)


@public(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Tracer:
    root, x = one(a)
    perm = list(range(x.ndim))
    i, j = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    perm[i], perm[j] = j, i
    return _view(root, root.b.transpose(x.value, perm), x)


@public(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Tracer:
    _, x = one(a)
    norm = np.lib.array_utils.normalize_axis_tuple
    src, dst = norm(source, x.ndim), norm(destination, x.ndim)
    if len(src) != len(dst):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [i for i in range(x.ndim) if i not in src]
    for to, start in sorted(zip(dst, src)):
        order.insert(to, start)
    return _transpose(x, order)


@public(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Tracer:
    _, x = one(a)
    axis = axis_of(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    return _moveaxis(x, axis, start - 1 if axis < start else start)


@public(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Tracer:
    root, x = one(a)
    new = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    rank = x.ndim + len(new)
    spots = np.lib.array_utils.normalize_axis_tuple(new, rank)
    dims = iter(x.value.type.shape)
    shape = [1 if i in spots else next(dims) for i in range(rank)]
    return _view(root, root.b.reshape(x.value, shape), x)


@public(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Tracer:
    root, x = one(a)
    shape = x.value.type.shape
    if axis is None:
        gone: tuple[int, ...] = tuple(i for i, d in enumerate(shape) if root.compare(d, "eq", 1))
    else:
        gone = axes_of(axis, x.ndim)
        if not all(root.compare(shape[i], "eq", 1) for i in gone):
            raise ValueError(at("cannot select an axis to squeeze out which has size not equal to "
                                f"one (shape {root.sizes(shape)})", here()))  # fmt: skip
    left = [d for i, d in enumerate(shape) if i not in gone]
    return _view(root, root.b.reshape(x.value, left), x)


@public(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Tracer:
    root, x = one(array, *([shape] if not isinstance(shape, np.ndarray) else []))
    want = shape_of(shape)
    have = x.value.type.shape
    if len(have) > len(want) or broadcast_shapes(root, [want, have], "broadcast_to") != want:
        raise ShapeError(at("operands could not be broadcast together with remapped shapes: "
                            f"{root.sizes(have)} to {root.sizes(want)}", here()))  # fmt: skip
    return _view(root, spread(root, x.value, want), x)


@public(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Tracer, ...]:
    root = find_root(args)
    xs = [lift(a, root) for a in args]
    shape = broadcast_shapes(root, [x.value.type.shape for x in xs], "broadcast_arrays")
    return tuple([_view(root, spread(root, x.value, shape), x) for x in xs])


def _at_least(rank: int, fn: Any) -> None:
    @public(fn)
    def impl(*args: Any) -> Any:
        root = find_root(args)
        outs = []
        for a in args:
            x = lift(a, root)
            shape: list[DimLike] = list(x.value.type.shape)
            if rank == 1:
                shape = shape or [1]
            elif rank == 2:
                shape = [*(1,) * (2 - len(shape)), *shape]
            elif len(shape) < 3:
                shape = [1, *shape, 1] if len(shape) < 2 else [*shape, 1]
                shape = shape if len(shape) == 3 else [1, 1, 1]
            outs.append(_view(root, root.b.reshape(x.value, shape), x))
        return outs[0] if len(outs) == 1 else tuple(outs)


_at_least(1, np.atleast_1d)
_at_least(2, np.atleast_2d)
_at_least(3, np.atleast_3d)


# -- rearranging ----------------------------------------------------------------------------------


@public(np.flip)
def _flip(m: Any, axis: Any = None) -> Tracer:
    root, x = one(m)
    axes = axes_of(axis, x.ndim)
    return emit(root, "reverse", x, axes=axes) if axes else x


@public(np.flipud)
def _flipud(m: Any) -> Tracer:
    return _flip(m, 0)


@public(np.fliplr)
def _fliplr(m: Any) -> Tracer:
    return _flip(m, 1)


@public(np.rot90)
def _rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tracer:
    _, x = one(m)
    i, j = (axis_of(a, x.ndim) for a in axes)
    k %= 4
    if k == 2:
        return _flip(_flip(x, i), j)
    if k == 1:
        return _swapaxes(_flip(x, j), i, j)
    return _flip(_swapaxes(x, i, j), j) if k == 3 else x


@public(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Tracer:
    root, x = one(a)
    if axis is None:
        return _reshape(_roll(_ravel(x), shift, 0), x.shape)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    if len(shifts) == 1:
        shifts = tuple(shifts) * len(axes)
    for s, ax in zip(shifts, axes):
        ax = axis_of(ax, x.ndim)
        n = size_of(x.value.type.shape[ax], root)
        if n == 0:
            continue
        s = int(s) if s.__class__ is Tracer else s
        cut = s % n if isinstance(n, int) else (
            s if root.compare(dim_of(s), "ge", 0) else n + s)  # fmt: skip
        if cut == 0:
            continue
        lead = (slice(None),) * ax
        x = join(
            root, [x[(*lead, slice(n - cut, None))], x[(*lead, slice(0, n - cut))]], ax, "roll"
        )
    return x


@public(np.tile)
def _tile(A: Any, reps: Any) -> Tracer:
    root, x = one(A)
    times = shape_of(reps)
    shape: list[DimLike] = list(x.value.type.shape)
    rank = max(len(shape), len(times))
    shape = [*(1,) * (rank - len(shape)), *shape]
    times = (1,) * (rank - len(times)) + times
    double: list[DimLike] = []
    for r, n in zip(times, shape):
        double += [r, n]
    v = root.b.reshape(x.value, shape)
    v = root.b.broadcast(v, double, tuple(range(1, 2 * rank, 2)))
    return _view(root, root.b.reshape(v, [r * n for r, n in zip(times, shape)]), x)


@public(np.repeat)
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Tracer:
    root, x = one(a)
    if axis is None:
        x, axis = _ravel(x), 0
    axis = axis_of(axis, x.ndim)
    if isinstance(repeats, (list, tuple, np.ndarray)) and np.size(repeats) > 1:
        size = size_of(x.value.type.shape[axis], root).__index__()
        return FUNCTIONS["take"](x, np.repeat(np.arange(size), np.asarray(repeats)), axis)
    if np.size(repeats) == 0:  # none for an axis without elements
        return FUNCTIONS["take"](x, np.zeros(0, int), axis)
    k = dim_of(np.asarray(repeats).reshape(-1)[0] if not hasattr(repeats, "dim") else repeats)
    shape = x.value.type.shape
    wide = (*shape[: axis + 1], k, *shape[axis + 1 :])
    v = root.b.broadcast(x.value, wide, [i for i in range(len(wide)) if i != axis + 1])
    return _view(root, root.b.reshape(v, (*shape[:axis], shape[axis] * k, *shape[axis + 1 :])), x)


@public(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Tracer:
    root, x = one(array, kwargs.get("constant_values", 0))
    widths = np.broadcast_to(np.asarray(pad_width, int), (x.ndim, 2)).tolist()
    if mode == "constant":
        value = kwargs.get("constant_values", 0)
        if isinstance(value, (int, float, np.number)) or value.__class__ is Tracer:
            fill = root.b.reshape(cast(lift(value, root), x.dtype).value, ())
            return emit(root, "pad", x, wrap(root, fill, 0, ARRAY), lo=tuple(w[0] for w in widths),
                        hi=tuple(w[1] for w in widths), interior=(0,) * x.ndim)  # fmt: skip
    elif mode in ("edge", "wrap", "reflect", "symmetric"):
        for axis, (lo, hi) in enumerate(widths):
            n = size_of(x.value.type.shape[axis], root).__index__()
            places = np.pad(np.arange(n), (lo, hi), mode)
            x = FUNCTIONS["take"](x, places, axis)
        return x
    raise TypeError(at(f"pad with mode={mode!r} and {kwargs} is not supported for traced arrays; "
                       "use mode='constant' with one value, 'edge', 'wrap', 'reflect' or "
                       "'symmetric'", here()))  # fmt: skip
