"""Joining and splitting arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..frontend.ops import broadcast_shapes, cast, find_root, result_dtype, strong
from ..frontend.source import here
from ..frontend.trace import ARRAY, FUNCTIONS, Root, Tracer, dim_of, size_of, wrap
from ._base import axis_of, no_out, one, public


def _parts(root: Root, arrays: Any, dtype: Any = None) -> list[Tracer]:
    if arrays.__class__ is Tracer:
        arrays = list(arrays)
    xs = [strong(a, root) for a in arrays]
    want = result_dtype(xs) if dtype is None and xs else dtype
    return [cast(x, want) for x in xs]


def join(root: Root, xs: Sequence[Tracer], axis: int, name: str) -> Tracer:
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
        return join(root, [FUNCTIONS["ravel"](x) for x in xs], 0, "concatenate")
    return join(root, xs, axis, "concatenate")


@public(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None,
           casting: str = "same_kind") -> Tracer:  # fmt: skip
    no_out("stack", out)
    root = find_root((arrays,))
    xs = _parts(root, arrays, dtype)
    if xs:
        broadcast_shapes(root, [x.value.type.shape for x in xs], "stack", exact=True)
    return join(root, [FUNCTIONS["expand_dims"](x, axis) for x in xs], axis, "stack")


@public(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    root = find_root((tup,))
    return join(root, [FUNCTIONS["atleast_2d"](x) for x in _parts(root, tup, dtype)], 0, "vstack")


@public(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tracer:
    root = find_root((tup,))
    xs = [FUNCTIONS["atleast_1d"](x) for x in _parts(root, tup, dtype)]
    return join(root, xs, 0 if xs[0].ndim == 1 else 1, "hstack")


@public(np.dstack)
def _dstack(tup: Any) -> Tracer:
    root = find_root((tup,))
    return join(root, [FUNCTIONS["atleast_3d"](x) for x in _parts(root, tup)], 2, "dstack")


@public(np.column_stack)
def _column_stack(tup: Any) -> Tracer:
    root = find_root((tup,))
    xs = [FUNCTIONS["reshape"](x, (-1, 1)) if x.ndim < 2 else x for x in _parts(root, tup)]
    return join(root, xs, 1, "column_stack")


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
    return [x[(*lead, slice(a, c))] for a, c in pairwise(cuts)]


@public(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tracer]:
    root, x = one(ary)
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        return _array_split(x, indices_or_sections, axis)
    n = size_of(x.value.type.shape[axis_of(axis, x.ndim)], root)
    k = size_of(dim_of(indices_or_sections), root).__index__()
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
