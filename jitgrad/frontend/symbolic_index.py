"""Indexing of symbolic variables: ints, slices, None, Ellipsis and integer tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

from ..errors import at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, product
from ..ir.types import I64
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import Note, notes
from .symbolic_ops import as_dim, broadcast, cast


def _bound(b: Builder, k: Any, n: DimLike, default: DimLike) -> DimLike:
    """A bound of a slice as a dim; negative numbers count from the end, static ones are clipped."""
    if k is None:
        return default
    d = as_dim(k)
    if d is None:
        raise TypeError(at(f"a bound of a slice must be an int or made of sizes of variables, not "
                           f"{k!r}", b.loc))  # fmt: skip
    if d.__class__ is not int:
        return d
    if n.__class__ is int:
        return max(0, d + n if d < 0 else min(d, n))
    return n + d if d < 0 else d


def getitem(x: TensorVariable, key: Any) -> TensorVariable:
    """x[key] for ints, slices, None, Ellipsis and integer tensors.

    Several integer tensors must stand side by side; they broadcast to one shape, which takes the
    place of their axes: `x[T.arange(n), y]` is element y[i] of each row i.

    An int, or a bound, beyond an unknown size is an error at the call: `IndexError` for an int,
    `ShapeError` for a bound of a slice (NumPy would clip it).
    """
    b = Builder(here())
    keys = list(key) if isinstance(key, tuple) else [key]
    if sum(k is Ellipsis for k in keys) == 0:
        keys.append(Ellipsis)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    rank = x.ndim
    if used > rank:
        raise IndexError(at(f"too many indices for {x!r}: it has {rank} dims, but {used} were "
                            "indexed", b.loc))  # fmt: skip
    at_dots = next(i for i, k in enumerate(keys) if k is Ellipsis)
    keys[at_dots : at_dots + 1] = [slice(None)] * (rank - used)

    v = x.value
    starts: list[DimLike] = []
    stops: list[DimLike] = []
    steps, flipped, takes = [], [], []
    out: list[Any] = []  # for each axis of the result: its axis in the slice, None or an index
    ints = []
    axis = 0
    for k in keys:
        if k is None:
            out.append(None)
            continue
        n = v.type.shape[axis]
        lo: DimLike = 0
        hi, step = n, 1
        index = None if isinstance(k, slice) else as_dim(k)
        if isinstance(k, slice):
            step = 1 if k.step is None else int(k.step)
            if step == 0:
                raise ValueError(at("slice step cannot be zero", b.loc))
            if step < 0:
                if k.start is not None or k.stop is not None:
                    raise TypeError(at("a slice with a negative step takes no bounds", b.loc))
                # the last element first: what is left over lies at the front
                flipped.append(axis)
                lo, step = (n - 1) % -step, -step
            else:
                lo, hi = _bound(b, k.start, n, 0), _bound(b, k.stop, n, n)
                if lo.__class__ is int and hi.__class__ is int:
                    hi = max(lo, hi)
            out.append(axis)
        elif index is not None and index.__class__ is int and not isinstance(k, TensorVariable):
            lo = index if index >= 0 else n + index
            if n.__class__ is int and not 0 <= lo < n:  # type: ignore[operator]
                raise IndexError(at(f"index {k} is out of bounds for axis {axis} with size {n}",
                                    b.loc))  # fmt: skip
            hi = lo + 1
            ints.append(axis)
        else:
            takes.append((axis, _index(b, k, n), len(out)))
            out.append(axis)
        starts.append(lo)
        stops.append(hi)
        steps.append(step)
        axis += 1
    # what ints pick is cut out on its own: leaving its axis is an IndexError
    picked = [i in ints for i in range(rank)]
    for pick in (True, False):
        if pick and not ints:
            continue
        box = [(lo, hi, st) if p is pick else (0, n, 1) for lo, hi, st, n, p in zip(
            starts, stops, steps, v.type.shape, picked)]  # fmt: skip
        if all(lo.__class__ is int and lo == 0 and hi == n and st == 1
               for (lo, hi, st), n in zip(box, v.type.shape)):  # fmt: skip
            continue
        lows, highs, strides = (tuple(c) for c in zip(*box))
        v = b("slice", v, starts=lows, stops=highs, steps=strides)
        text = "an index is out of bounds" if pick else "a slice reaches beyond its axis"
        notes[v] = Note("index" if pick else "slice", (ref(x.value),), text=text,
                        error=IndexError if pick else None)  # fmt: skip
    if flipped:
        v = b("reverse", v, axes=tuple(flipped))
    wide = 1
    count = len(takes)
    taken = takes[0][0] if takes else rank
    if takes:
        first = takes[0][2]
        if [(a, p) for a, _, p in takes] != [(taken + i, first + i) for i in range(count)]:
            raise TypeError(at("axes indexed by integer tensors must stand side by side", b.loc))
        v, index_value = _joined(b, v, taken, [i for _, i, _ in takes])
        wide = index_value.type.rank
        v = b("gather", v, index_value, axis=taken)
    sizes: list[DimLike] = []
    for o in out:
        if o is None:
            sizes.append(1)
        elif o == taken:
            sizes.extend(v.type.shape[taken : taken + wide])
        elif o < taken or o >= taken + count:
            sizes.append(v.type.shape[o if o < taken else o + wide - count])
    return wrap(b.reshape(v, sizes))


def _joined(b: Builder, v: Value, axis: int, indices: Sequence[Value]) -> tuple[Value, Value]:
    """`v` with the axes that are indexed merged into one, and the index into that."""
    if len(indices) == 1:
        return v, indices[0]
    shape = v.type.shape
    sizes = shape[axis : axis + len(indices)]
    flat, *others = broadcast(b, "index", indices)
    for n, i in zip(sizes[1:], others):
        step = b.const(n, i.type) if n.__class__ is int else b.broadcast(
            b("dim", expr=n), i.type.shape, ())  # fmt: skip
        flat = b.add(b.mul(flat, step), i)
    merged = (*shape[:axis], product(sizes), *shape[axis + len(indices) :])
    return b.reshape(v, merged), flat


def _index(b: Builder, k: Any, n: DimLike) -> Value:
    idx = as_tensor_variable(k)
    if idx.value.type.dtype.kind not in "iu":
        raise TypeError(at(f"indices must be integers, slices, None or Ellipsis, not {idx.type}"
                           + (": a mask has no size before the call, use T.switch"
                              if idx.dtype == "bool" else ""), b.loc))  # fmt: skip
    return b("wrap_index", b.cast(idx.value, I64), size=n)


def take(x: Any, indices: Any, axis: int | None = None) -> TensorVariable:
    """x taken at integer indices along an axis (None: of the flattened tensor)."""
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = x.flatten(), 0
    axis = axis + x.ndim if axis < 0 else axis
    return x[(*(slice(None),) * axis, cast(as_tensor_variable(indices), "int64"))]


__all__ = [
    "take",
]  # fmt: skip
