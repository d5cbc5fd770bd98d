"""Elements replaced in a copy: `set_subtensor(x[key], y)`, `inc_subtensor`, filled diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, ceildiv, product
from ..ir.types import BOOL, I64, tensor
from .pp_index import written_to
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_create import places
from .symbolic_index import DROP, KEEP, NEW, TAKE, Item, apply
from .symbolic_notes import views, written
from .symbolic_ops import is_number
from .symbolic_shape import fitted


def set_subtensor(x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
                  ) -> TensorVariable:  # fmt: skip
    """The tensor of which `x` is a part, `set_subtensor(a[key], y)`, that part replaced by `y`.

    `y` broadcasts to the part. Where an index names an element twice the last value stays. The
    flags are accepted and mean nothing: nothing is changed in place.

    >>> a = as_tensor_variable([1, 2, 3, 4])
    >>> set_subtensor(a[1:3], 0).eval()
    array([1, 0, 0, 4])

    Raises `TypeError` where `x` is no part of a tensor, or `y` is of a dtype that does not fit.
    """
    return _write("set_subtensor", x, y, "scatter")


def inc_subtensor(x: Any, y: Any, inplace: bool = False, set_instead_of_inc: bool = False,
                  tolerate_inplace_aliasing: bool = False, ignore_duplicates: bool = False
                  ) -> TensorVariable:  # fmt: skip
    """The tensor of which `x` is a part, `inc_subtensor(a[key], y)`, with `y` added to that part.

    Where an index names an element twice both are added (but for `ignore_duplicates`: the last).

    >>> a = as_tensor_variable([1, 2, 3])
    >>> inc_subtensor(a[[0, 0, 2]], 10).eval()
    array([21,  2, 13])
    """
    if set_instead_of_inc:
        return _write("set_subtensor", x, y, "scatter")
    if ignore_duplicates:
        part = as_tensor_variable(x)
        return _write("inc_subtensor", part, part + y, "scatter")
    return _write("inc_subtensor", x, y, "scatter_add")


def _write(what: str, x: Any, y: Any, how: str) -> TensorVariable:
    out = _replaced(what, x, y, how)
    written[out.value] = written_to(what, x.value, as_tensor_variable(y).value)
    return out


def _replaced(what: str, x: Any, y: Any, how: str) -> TensorVariable:
    b = Builder(here())
    part = x.value if isinstance(x, TensorVariable) else None
    found = views.get(part) if part is not None else None
    if part is None or found is None:
        raise TypeError(at(f"{what} takes a part of a variable, as in {what}(x[2:4], y), and {x!r} "
                           "is not the result of an index", b.loc))  # fmt: skip
    whole, items = found
    new = as_tensor_variable(y).value
    kind = whole.type.dtype
    if is_number(y):
        if isinstance(y, float) and not kind.is_float:
            raise TypeError(at(f"{what}: {y!r} cannot be written into {kind.np}", b.loc))
        new = b.const(y, tensor(kind, ()), repr(y))
    elif not np.can_cast(new.type.dtype.np, kind.np, "same_kind"):
        raise TypeError(at(f"{what}: a tensor of {new.type.dtype.np} cannot be written into one of "
                           f"{kind.np}; convert it by .astype", b.loc))  # fmt: skip
    new = b.cast(new, kind)
    if new.type.rank > part.type.rank:
        raise TypeError(at(f"{what}: a part of {part.type.rank} dims cannot take a value of "
                           f"{new.type.rank} dims", b.loc))  # fmt: skip
    taken = [i for i in items if i.kind == TAKE]
    if not taken:
        return wrap(_pad(b, whole, items, fitted(b, what, new, part.type.shape), how))
    plain = all(i.kind == TAKE or (i.kind == KEEP and not i.flip and i.step == 1 and i.lo == 0
                                   and (i.hi is n or i.hi == n))
                for i, n in _with_sizes(whole, items)) and len(taken) == 1  # fmt: skip
    if not plain:
        return wrap(_scatter(b, whole, items, fitted(b, what, new, part.type.shape), how))
    # one index beside whole axes: along its axis (those of a mask seen as one)
    first = next(k for k, i in enumerate(items) if i.kind == TAKE)
    (item,) = taken
    assert item.where is not None
    wide = item.where.type.rank
    after = new.type.rank - (part.type.rank - first - wide)  # axes of `new` up to the index's
    alike = after <= first or new.type.shape[after - 1] == 1  # one value for all that is taken
    if item.mask is not None and alike:
        return wrap(_masked(b, what, whole, item, first, new, max(after, 0), how))
    new = fitted(b, what, new, part.type.shape)
    shape = whole.type.shape
    merged = (*shape[:first], product(shape[first : first + item.axes]),
              *shape[first + item.axes :])  # fmt: skip
    out = b(how, b.reshape(whole, merged), item.where, new, axis=first)
    return wrap(b.reshape(out, shape))


def _with_sizes(v: Value, items: Sequence[Item]) -> list[tuple[Item, DimLike]]:
    out = []
    axis = 0
    for i in items:
        out.append((i, v.type.shape[axis] if i.kind == KEEP else -1))
        axis += i.axes if i.kind != NEW else 0
    return out


def _masked(b: Builder, what: str, x: Value, item: Item, first: int, new: Value, after: int,
            how: str) -> Value:  # fmt: skip
    """The elements under a mask, all given the same value: a choice, no place is computed."""
    assert item.mask is not None
    shape = x.type.shape
    mask = b.broadcast(item.mask, shape, range(first, first + item.axes))
    old = new.type.shape
    lead = old[: max(after - 1, 0)] if after > first else old[:after]
    if (
        after > first or after or len(old) > after
    ):  # the axis of the index, of size 1, becomes those of the mask
        new = b.reshape(new, (*lead, *(1,) * item.axes, *old[after:]))
    new = fitted(b, what, new, shape)
    if how == "scatter_add":
        return b.add(x, b.select(mask, new, b.zeros(new.type)))
    return b.select(mask, new, x)


def _pad(b: Builder, x: Value, items: Sequence[Item], part: Value, how: str) -> Value:
    """Slices and ints: the part, with zeros put around it, in the shape of `x`."""
    sizes: list[DimLike] = []
    lo, hi, gaps, flipped = [], [], [], []
    axis = 0
    for i in items:
        if i.kind == NEW:
            continue
        n = x.type.shape[axis]
        start, stop, step = (i.lo, i.lo + 1, 1) if i.kind == DROP else (i.lo, i.hi, i.step)
        m = ceildiv(stop - start, step)
        none = m.__class__ is int and m == 0
        sizes.append(m)
        lo.append(start)
        gaps.append(0 if none else step - 1)
        hi.append(n - start - (0 if none else (m - 1) * step + 1))
        if i.flip:
            flipped.append(axis)
        axis += 1
    part = b.reshape(part, sizes)
    if tuple(sizes) == x.type.shape and not any(gaps):
        inside = None
    else:
        attrs = {"lo": tuple(lo), "hi": tuple(hi), "interior": tuple(gaps)}
        inside = b("pad", b.const(True, tensor(BOOL, part.type.shape)),
                   b.const(False, tensor(BOOL, ())), **attrs)  # fmt: skip
        part = b("pad", part, b.const(0, tensor(part.type.dtype, ())), **attrs)
    if part.type.shape != x.type.shape:  # the same sizes, spelled in another way
        part = b("refine", part, shape=x.type.shape)
        inside = b("refine", inside, shape=x.type.shape) if inside is not None else None
    if flipped:
        part = b("reverse", part, axes=tuple(flipped))
        inside = b("reverse", inside, axes=tuple(flipped)) if inside is not None else None
    if how == "scatter_add":
        return b("or", x, part) if x.type.dtype is BOOL else b.add(x, part)
    return part if inside is None else b.select(inside, part, x)


def _scatter(b: Builder, x: Value, items: Sequence[Item], part: Value, how: str) -> Value:
    """Any key: through the places it picks from 0 … size-1."""
    count = x.type.size
    every = b.reshape(b("iota", type=tensor(I64, (count,)), axis=0), x.type.shape)
    spots = apply(b, every, items)
    flat = b.reshape(x, (count,))
    k = spots.type.size
    out = b(how, flat, b.reshape(spots, (k,)), b.reshape(part, (k,)), axis=0)
    return b.reshape(out, x.type.shape)


# -- diagonals ------------------------------------------------------------------------------------


def fill_diagonal(a: Any, val: Any) -> TensorVariable:
    """`a` with its main diagonal set to the scalar `val`. A tensor of more than 2 dims must have
    them all of one size."""
    a = as_tensor_variable(a)
    if a.ndim < 2:
        raise ShapeError(at(f"fill_diagonal takes at least 2 dims, not {a.type}", here()))
    b = Builder(here())
    v = a.value
    if a.ndim > 2:
        from .symbolic_shape import specify_shape

        v = specify_shape(a, [v.type.shape[0]] * a.ndim).value
    hit = None
    for axis in range(1, a.ndim):
        one, two = (b("iota", type=tensor(I64, v.type.shape), axis=k) for k in (axis - 1, axis))
        same = b("eq", one, two)
        hit = same if hit is None else b("and", hit, same)
    return _filled(b, "fill_diagonal", v, hit, val)


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> TensorVariable:
    """The matrix `a` with a diagonal (`offset` > 0: above the main one; an int or an integer
    scalar) set to the scalar `val`."""
    a = as_tensor_variable(a)
    if a.ndim != 2:
        raise ShapeError(at(f"fill_diagonal_offset takes a matrix, not {a.type}", here()))
    k = as_tensor_variable(offset)
    if k.ndim or k.value.type.dtype.kind not in "iu":
        raise TypeError(at(f"the offset of a diagonal is an integer, not {offset!r}", here()))
    b = Builder(here())
    row, col = places(b, *a.value.type.shape)
    by = b.broadcast(b.cast(k.value, I64), row.type.shape, ())
    return _filled(b, "fill_diagonal_offset", a.value, b("eq", b.add(row, by), col), val)


def _filled(b: Builder, what: str, v: Value, hit: Any, val: Any) -> TensorVariable:
    new = as_tensor_variable(val).value
    if new.type.rank:
        raise ShapeError(at(f"{what} takes a scalar value", b.loc))
    if not (is_number(val) or np.can_cast(new.type.dtype.np, v.type.dtype.np, "same_kind")):
        raise TypeError(at(f"{what}: {new.type.dtype.np} cannot be written into "
                           f"{v.type.dtype.np}", b.loc))  # fmt: skip
    new = b.broadcast(b.cast(new, v.type.dtype), v.type.shape, ())
    return wrap(b.select(hit, new, v))


__all__ = ["fill_diagonal", "fill_diagonal_offset", "inc_subtensor", "set_subtensor"]
