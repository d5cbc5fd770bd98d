"""Shapes, joining and splitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..frontend.ops import (
    array_of,
    broadcast_shapes,
    cast,
    emit,
    find_root,
    lift,
    result_dtype,
    shape_of,
    spread,
)
from ..frontend.source import here
from ..frontend.trace import ARRAY, Root, Tracer, dim_of, size_of, wrap
from ..ir.core import Value
from ..ir.dims import DimLike, floordiv, product
from ..ir.types import dtype_of, scalar
from ._base import FUNCTIONS, axes_of, axis_of, no_out, one, public


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
    if any(d.__class__ is int and d < 0 for d in want):  # type: ignore[operator]
        at_ = [i for i, d in enumerate(want) if d.__class__ is int and d < 0]  # type: ignore[operator]
        if len(at_) > 1:
            raise ValueError(at("can only specify one unknown dimension", here()))
        rest = product(d for i, d in enumerate(want) if i != at_[0])
        if root.compare(rest, "eq", 0):
            raise ValueError(at(f"cannot reshape array of size 0 into shape {want}", here()))
        want = (*want[: at_[0]], floordiv(total, rest), *want[at_[0] + 1 :])
        for d in have:  # (n*m)//n is m where the other sizes stand in the shape as they are
            pool = list(have)
            for w in (w for i, w in enumerate(want) if i != at_[0]):
                if w in pool:
                    pool.remove(w)
                    continue
                break
            else:
                want = (*want[: at_[0]], product(pool), *want[at_[0] + 1 :])
            break
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
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
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
            shape = list(x.value.type.shape)
            if rank == 1:
                shape = shape or [1]
            elif rank == 2:
                shape = [1] * (2 - len(shape)) + shape
            elif len(shape) < 3:
                shape = [[1, 1, 1], [1, *shape, 1], [*shape, 1]][len(shape)]
            outs.append(_view(root, root.b.reshape(x.value, shape), x))
        return outs[0] if len(outs) == 1 else tuple(outs)


_at_least(1, np.atleast_1d)
_at_least(2, np.atleast_2d)
_at_least(3, np.atleast_3d)


# -- joining --------------------------------------------------------------------------------------


def _parts(root: Root, arrays: Any, dtype: Any = None) -> list[Tracer]:
    if arrays.__class__ is Tracer:
        arrays = list(arrays)
    want = result_dtype(arrays) if dtype is None else dtype
    return [cast(lift(a, root), want) for a in arrays]


def _join(root: Root, xs: Sequence[Tracer], axis: int, name: str) -> Tracer:
    """Tensors of one rank joined; sizes of the other axes must agree."""
    if not xs:
        raise ValueError("need at least one array to concatenate")
    rank = xs[0].ndim
    shapes = [x.value.type.shape for x in xs]
    if any(len(s) != rank for s in shapes):
        ranks = ", ".join(f"{len(s)}" for s in shapes)
        raise ShapeError(at(f"all the input array dimensions must match, but the arrays of {name} "
                            f"have {ranks} dimensions", here()))  # fmt: skip
    if rank == 0:
        raise ShapeError(at("zero-dimensional arrays cannot be concatenated", here()))
    axis = axis_of(axis, rank)

    def text() -> str:
        return "sizes differ in " + " ".join(str(root.sizes(s)) for s in shapes)

    values, mask = [], 0
    for x, s in zip(xs, shapes):
        for i, (a, c) in enumerate(zip(shapes[0], s)):
            if i != axis and not root.same_dim(a, c, name, text):
                raise ShapeError(at("all the input array dimensions except for the concatenation "
                                    f"axis must match exactly, but {text()}", here()))  # fmt: skip
        shape = tuple(c if i == axis else a for i, (a, c) in enumerate(zip(shapes[0], s)))
        values.append(root.refine(x.value, shape))
        mask |= x.mask
    v = values[0] if len(values) == 1 else root.b("concatenate", *values, axis=axis)
    return wrap(root, v, mask, ARRAY)


@public(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None,
                 casting: str = "same_kind") -> Tracer:  # fmt: skip
    no_out("concatenate", out)
    root = find_root((arrays,))
    xs = _parts(root, arrays, dtype)
    if axis is None:
        return _join(root, [_ravel(x) for x in xs], 0, "concatenate")
    return _join(root, xs, axis, "concatenate")


@public(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None,
           casting: str = "same_kind") -> Tracer:  # fmt: skip
    no_out("stack", out)
    root = find_root((arrays,))
    xs = _parts(root, arrays, dtype)
    if xs and any(x.ndim != xs[0].ndim for x in xs):
        raise ShapeError(at("all input arrays must have the same shape", here()))
    return _join(root, [_expand_dims(x, axis) for x in xs], axis, "stack")


@public(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    root = find_root((tup,))
    return _join(root, [FUNCTIONS["atleast_2d"](x) for x in _parts(root, tup, dtype)], 0, "vstack")


@public(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    root = find_root((tup,))
    xs = [FUNCTIONS["atleast_1d"](x) for x in _parts(root, tup, dtype)]
    return _join(root, xs, 0 if xs[0].ndim == 1 else 1, "hstack")


@public(np.dstack)
def _dstack(tup: Any) -> Tracer:
    root = find_root((tup,))
    return _join(root, [FUNCTIONS["atleast_3d"](x) for x in _parts(root, tup)], 2, "dstack")


@public(np.column_stack)
def _column_stack(tup: Any) -> Tracer:
    root = find_root((tup,))
    xs = [_reshape(x, (-1, 1)) if x.ndim < 2 else x for x in _parts(root, tup)]
    return _join(root, xs, 1, "column_stack")


@public(np.append)
def _append(arr: Any, values: Any, axis: Any = None) -> Tracer:
    return _concatenate((arr, values), axis)


# -- splitting ------------------------------------------------------------------------------------


@public(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tracer]:
    root, x = one(ary)
    axis = axis_of(axis, x.ndim)
    n = size_of(x.value.type.shape[axis], root)
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        cuts = [0, *indices_or_sections, n]
    else:
        k = dim_of(indices_or_sections)
        size = n.__index__()
        each, extra = divmod(size, k)
        cuts = [0, *np.cumsum([each + 1] * extra + [each] * (k - extra)).tolist()]
    lead = (slice(None),) * axis
    return [x[(*lead, slice(a, c))] for a, c in zip(cuts, cuts[1:])]


@public(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tracer]:
    root, x = one(ary)
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        return _array_split(x, indices_or_sections, axis)
    n, k = size_of(x.value.type.shape[axis_of(axis, x.ndim)], root), dim_of(indices_or_sections)
    if n % k != 0:
        raise ValueError(at("array split does not result in an equal division", here()))
    step = n // k
    return _array_split(x, [step * i for i in range(1, k)], axis)


def _split_along(fn: Any, axis: int) -> None:
    @public(fn)
    def impl(ary: Any, indices_or_sections: Any) -> list[Tracer]:
        _, x = one(ary)
        return _split(x, indices_or_sections, 0 if fn is np.hsplit and x.ndim == 1 else axis)


_split_along(np.vsplit, 0)
_split_along(np.hsplit, 1)
_split_along(np.dsplit, 2)


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
        x = _join(root, [x[(*lead, slice(n - cut, None))], x[(*lead, slice(0, n - cut))]], ax, "roll")
    return x


@public(np.tile)
def _tile(A: Any, reps: Any) -> Tracer:
    root, x = one(A)
    times = shape_of(reps)
    shape = list(x.value.type.shape)
    rank = max(len(shape), len(times))
    shape = [1] * (rank - len(shape)) + shape
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


__all__ = ["array_of", "dtype_of", "scalar"]
