"""Indexing of symbolic variables: ints, slices, None, Ellipsis, integer tensors, masks.

A key is parsed once into items, one for what happens to an axis (or, for a mask, to several). Items
are applied to a value here; `symbolic_update` writes through the same items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from ..errors import at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, maximum, minimum, nonnegative, product
from ..ir.types import BOOL, I64, tensor
from .pp_index import part
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_dims import bounds_of, dim_of
from .symbolic_notes import Note, notes, views, written
from .symbolic_ops import as_dim, broadcast, refine

KEEP, NEW, DROP, TAKE = "keep", "new", "drop", "take"
_KINDS = ("indices must be integers, slices, None, Ellipsis, integer tensors or masks of bools, "
          "not {}")  # fmt: skip


class Item(NamedTuple):
    """What an index does: KEEP elements lo … hi in steps (backwards for `flip`), DROP an axis for
    its element lo, TAKE elements at the indices `where` (those of `mask`) of `axes` axes seen as
    one, NEW axis."""

    kind: str
    lo: DimLike = 0
    hi: DimLike = 0
    step: int = 1
    flip: bool = False
    where: Value | None = None
    axes: int = 1
    mask: Value | None = None


def getitem(x: TensorVariable, key: Any) -> TensorVariable:
    """x[key] as NumPy's: ints, slices of any step, None, Ellipsis, integer tensors and masks.

    Ints and bounds may be variables: sizes, or values that are known at the call only. Integer
    tensors broadcast to one shape, which takes the place of their axes where these stand side by
    side, and the front elsewhere. A mask counts as the indices of its True elements; the size of
    what comes out is computed first when the function is called.

    Raises `IndexError` for an index out of bounds, at the call if it must be, with the user's line.
    """
    b = Builder(here())
    items = parse(b, x.value, key)
    v = apply(b, x.value, items)
    if v is x.value:
        v = b("identity", v)
    views[v] = (x.value, items)
    written[v] = part(x.value, key)
    return wrap(v)


# -- keys -----------------------------------------------------------------------------------------


def parse(b: Builder, v: Value, key: Any) -> list[Item]:
    """The items of a key of `v`, with one for every axis."""
    given = list(key) if isinstance(key, tuple) else [key]
    parts = [_part(b, k) for k in given]
    used = sum(_axes(p) for p in parts)
    rank = v.type.rank
    if used > rank:
        raise IndexError(at(f"too many indices for {wrap(v)!r}: it has {rank} dims, but {used} "
                            "were indexed", b.loc))  # fmt: skip
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise IndexError(at("an index can only have a single ellipsis ('...')", b.loc))
    place = dots[0] if dots else len(parts)
    parts[place : place + 1] = [slice(None)] * (rank - used)
    items = []
    axis = 0
    for p in parts:
        if p is None:
            items.append(Item(NEW))
            continue
        items.append(_item(b, v, p, axis))
        axis += items[-1].axes
    return items


def _axes(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.type.rank if part.__class__ is Value and part.type.dtype is BOOL else 1


def _part(b: Builder, k: Any) -> Any:
    """A slice, None, Ellipsis, an int, or a value: integers of 64 bits or a mask."""
    if k is None or k is Ellipsis or isinstance(k, slice):
        return k
    if isinstance(k, (bool, np.bool_)):
        raise TypeError(at("a single bool is no index; use T.switch, or x[None]", b.loc))
    if isinstance(k, (list, tuple)) and not len(k):
        k = np.zeros(0, np.int64)
    d = as_dim(k) if isinstance(k, (int, np.integer, TensorVariable)) else None
    if d.__class__ is int:
        return d
    if isinstance(k, (float, np.floating, str, dict, set)) or hasattr(k, "dims") or (
        hasattr(k, "make_variable")):  # fmt: skip
        raise TypeError(at(_KINDS.format(repr(k)), b.loc))
    try:
        v = as_tensor_variable(k).value
    except TypeError:
        raise TypeError(at(_KINDS.format(f"{k!r:.60}"), b.loc)) from None
    if v.type.dtype is BOOL:
        if not v.type.rank:
            raise TypeError(at("a single bool is no index; use T.switch, or x[None]", b.loc))
        return v
    if v.type.dtype.kind not in "iu":
        raise TypeError(at(_KINDS.format(wrap(v).type), b.loc))
    return b.cast(v, I64)


def _item(b: Builder, v: Value, p: Any, axis: int) -> Item:
    n = v.type.shape[axis]
    if isinstance(p, slice):
        return _slice(b, p, n)
    if p.__class__ is int:
        lo = p if p >= 0 else n + p
        if n.__class__ is int and not 0 <= lo < n:  # type: ignore[operator]
            raise IndexError(at(f"index {p} is out of bounds for axis {axis} with size {n}", b.loc))
        return Item(DROP, lo)
    if p.type.dtype is BOOL:
        rank = p.type.rank
        want = v.type.shape[axis : axis + rank]
        for i, (a, c) in enumerate(zip(p.type.shape, want)):
            if a.__class__ is int and c.__class__ is int and a != c:
                raise IndexError(at(f"boolean index did not match indexed array along axis "
                                    f"{axis + i}: the size of the axis is {c}, but the size of the "
                                    f"boolean axis is {a}", b.loc))  # fmt: skip
        text = "boolean index did not match the axis it stands for"
        mask = refine(b, p, want, Note("index", (ref(p),), text=text, error=IndexError))
        return Item(TAKE, where=mask_places(b, mask), axes=rank, mask=mask)
    op = p.op
    if op is not None and op.opdef.name == "constant" and n.__class__ is int:
        got = np.asarray(op.attrs["value"])
        if got.size and not -n <= got.min() <= got.max() < n:
            bad = int(got.min() if got.min() < -n else got.max())
            raise IndexError(at(f"index {bad} is out of bounds for axis {axis} with size {n}",
                                b.loc))  # fmt: skip
    return Item(TAKE, where=b("wrap_index", p, size=n))


def _slice(b: Builder, s: slice, n: DimLike) -> Item:
    step = 1 if s.step is None else as_dim(s.step)
    if step.__class__ is not int:
        raise TypeError(at(f"the step of a slice must be an int, not {s.step!r}; "
                           "x[T.arange(start, stop, step)] takes a variable", b.loc))  # fmt: skip
    if step == 0:
        raise ValueError(at("slice step cannot be zero", b.loc))
    for k in (s.start, s.stop):
        if isinstance(k, (bool, float, np.floating, str)):
            raise TypeError(at(f"a bound of a slice must be an integer, not {k!r}", b.loc))
    if step > 0:
        return Item(KEEP, *_bounds(s, n), step)
    # backwards: a slice, forwards, of the axis reversed
    lo = 0 if s.start is None else _mirrored(b, s.start, n)
    hi = n if s.stop is None else _mirrored(b, s.stop, n)
    return Item(KEEP, lo, maximum(lo, hi), -step, True)


def _bounds(s: slice, n: DimLike) -> tuple[DimLike, DimLike]:
    """First index and end, clipped; those of `x[1:-1]` in the simplest of their forms."""
    start = 0 if s.start is None else as_dim(s.start)
    stop = 0 if s.stop is None else as_dim(s.stop)
    if start.__class__ is int and start >= 0 and stop.__class__ is int:
        lo = minimum(n, start)
        if s.stop is None or stop < 0:
            return lo, lo + n - minimum(n, start - stop)
    return bounds_of(s, n)


def _mirrored(b: Builder, k: Any, n: DimLike) -> DimLike:
    """Where element `k` lies in the axis reversed; clipped to it."""
    d = as_dim(k)
    if d.__class__ is int and d < 0:
        return minimum(-1 - d, n)
    if d is not None and nonnegative(d):
        return maximum(n - 1 - d, 0)
    v = as_tensor_variable(k).value
    if v.type.rank or v.type.dtype.kind not in "iu":
        raise TypeError(at(f"a bound of a slice must be an integer scalar, not {k!r}", b.loc))
    v = b.cast(v, I64)
    size = b("dim", expr=n) if n.__class__ is Dim else b.const(n, v.type)
    zero, one = b.const(0, v.type), b.const(1, v.type)
    whole = b.select(b("lt", v, zero), b.add(v, size), v)
    back = b("sub", b("sub", size, one), whole)
    back = b("minimum", b("maximum", back, zero), size)
    return dim_of(wrap(back), "a bound of a slice")


_places: WeakKeyDictionary[Value, Value] = WeakKeyDictionary()  # masks: their places, made once


def mask_places(b: Builder, mask: Value) -> Value:
    """The row-major places of the True elements, an int64 vector.

    A running count of them says where each place belongs; the others go to one more element at the
    end, which is cut off.
    """
    found = _places.get(mask)
    if found is not None:
        return found
    op = mask.op
    if op is not None and op.opdef.name == "constant" and mask.type.static:
        value = np.broadcast_to(op.attrs["value"], mask.type.shape)  # type: ignore[arg-type]
        got = np.flatnonzero(value).astype(np.int64)
        out = b.const(got, tensor(I64, got.shape))
    else:
        flat = b.reshape(mask, (mask.type.size,))
        ones = b.cast(flat, I64)
        count = dim_of(wrap(b.sum(ones, (0,))), "the number of True in a mask")
        running = b("cumsum", ones, axis=0)
        last = b.broadcast(_number(b, count), running.type.shape, ())
        spot = b.select(flat, b("sub", running, b.const(1, running.type)), last)
        every = b("iota", type=running.type, axis=0)
        base = b.zeros(tensor(I64, (count + 1,)))
        every = b.select(flat, every, b.zeros(every.type))
        out = b("scatter_add", base, spot, every, axis=0)
        out = b("slice", out, starts=(0,), stops=(count,), steps=(1,))
    _places[mask] = out
    return out


def _number(b: Builder, d: DimLike) -> Value:
    return b("dim", expr=d) if d.__class__ is Dim else b.const(d, tensor(I64, ()))


# -- reading --------------------------------------------------------------------------------------


def apply(b: Builder, x: Value, items: Sequence[Item]) -> Value:
    """The elements that `items` say; `x` itself where they say all of it."""
    v = _cut(b, x, items)
    # axes that ints dropped go, new ones come, those of a mask become one
    live = [i for i in items if i.kind != DROP]
    sizes: list[DimLike] = []
    axis = 0
    for i in items:
        if i.kind == NEW:
            sizes.append(1)
            continue
        if i.kind != DROP:
            sizes.append(product(v.type.shape[axis : axis + i.axes]))
        axis += i.axes
    v = b.reshape(v, sizes)
    places = [k for k, i in enumerate(live) if i.kind == TAKE]
    if not places:
        return v
    first = places[0]
    if places != list(range(first, first + len(places))):  # to the front, side by side
        v = b.transpose(v, (*places, *[k for k in range(len(live)) if k not in places]))
        first = 0
    v, index = _joined(b, v, first, [i.where for i in items if i.where is not None])
    v = b("gather", v, index, axis=first)
    wide = index.type.rank
    lead = _lead(items)
    if wide and lead != first:
        others = [k for k in range(v.type.rank) if not first <= k < first + wide]
        v = b.transpose(v, (*others[:lead], *range(first, first + wide), *others[lead:]))
    return v


def _cut(b: Builder, x: Value, items: Sequence[Item]) -> Value:
    """`x` with its slices taken and its dropped axes cut to one element; every axis is still there.

    What ints pick is cut out on its own: leaving its axis is an IndexError.
    """
    boxes = []
    flipped = []
    axis = 0
    for i in items:
        if i.kind == NEW:
            continue
        if i.kind == DROP:
            boxes.append((True, i.lo, i.lo + 1, 1))
        elif i.kind == KEEP:
            if i.flip:
                flipped.append(axis)
            boxes.append((False, i.lo, i.hi, i.step))
        else:
            boxes += [(False, 0, d, 1) for d in x.type.shape[axis : axis + i.axes]]
        axis += i.axes
    v = b("reverse", x, axes=tuple(flipped)) if flipped else x
    for pick in (True, False):
        box = [(lo, hi, st) if p is pick else (0, n, 1)
               for (p, lo, hi, st), n in zip(boxes, v.type.shape)]  # fmt: skip
        if not pick:  # an axis that an int cut down has one element now
            box = [(0, n, 1) if p else now for (p, *_), n, now in zip(boxes, v.type.shape, box)]
        if all(lo.__class__ is int and lo == 0 and (hi is n or hi == n) and st == 1
               for (lo, hi, st), n in zip(box, v.type.shape)):  # fmt: skip
            continue
        lows, highs, strides = (tuple(c) for c in zip(*box))
        v = b("slice", v, starts=lows, stops=highs, steps=strides)
        text = "an index is out of bounds" if pick else "a slice reaches beyond its axis"
        notes[v] = Note("index" if pick else "slice", (ref(x),), text=text,
                        error=IndexError if pick else None)  # fmt: skip
    return v


def _lead(items: Sequence[Item]) -> int:
    """How many axes of the result stand before those of the index tensors, by NumPy's rule: all
    before the first, or none where ints and index tensors do not stand side by side."""
    wide = any(i.where is not None and i.where.type.rank for i in items)
    adv = [k for k, i in enumerate(items) if i.kind == TAKE or (i.kind == DROP and wide)]
    if adv[-1] - adv[0] + 1 != len(adv):
        return 0
    return sum(i.kind in (KEEP, NEW) for i in items[: adv[0]])


def _joined(b: Builder, v: Value, axis: int, indices: Sequence[Value]) -> tuple[Value, Value]:
    """`v` with the axes that are indexed merged into one, and the index into that."""
    if len(indices) == 1:
        return v, indices[0]
    shape = v.type.shape
    sizes = shape[axis : axis + len(indices)]
    flat, *others = broadcast(b, "index", indices)
    for n, i in zip(sizes[1:], others):
        step = b.broadcast(_number(b, n), i.type.shape, ())
        flat = b.add(b.mul(flat, step), i)
    merged = (*shape[:axis], product(sizes), *shape[axis + len(indices) :])
    return b.reshape(v, merged), flat


__all__: list[str] = []
