"""Indexing of tracers as NumPy's: ints, slices, newaxis, ellipsis, integer arrays.

What is known while tracing becomes slices and reshapes, what is computed becomes gathers behind
`wrap_index`, which checks bounds. Comparisons of symbolic sizes that clamp a slice are guarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..ir.core import Value
from ..ir.dims import DimLike, ceildiv, product
from ..ir.types import BOOL, I64, scalar
from .ops import array_of, broadcast_shapes, cast, emit, is_traced, lift, spread
from .source import here
from .trace import ARRAY, FUNCTIONS, SCALAR, Root, Size, Tracer, dim_of, leaked, size_of, wrap

# items of an index: what happens to an axis
KEEP, NEW, DROP, TAKE = range(4)
Item = tuple[int, Any]
_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
    "arrays are valid indices"
)
_MASK = (
    "a boolean mask as an index makes an array whose size depends on values; use "
    "jitgrad.numpy.where(mask, x, 0), or a reduction with where=mask"
)


def getitem(x: Tracer, index: Any) -> Tracer:
    """`x[index]`."""
    root = x.root
    if not root.open:
        raise leaked()
    root.b.loc = here()
    out = apply(x, parse(x, index))
    dots = index is Ellipsis or (index.__class__ is tuple and any(i is Ellipsis for i in index))
    form = ARRAY if dots or out.value.type.shape else SCALAR
    return out if out.form == form else Tracer(out.value, root, form, out.mask)


def parse(x: Tracer, index: Any) -> list[Item]:
    """One item an axis of `x`, or NEW: (KEEP, (start, stop, step)), (DROP, int), (TAKE, tracer)."""
    root, shape = x.root, x.value.type.shape
    given = index if index.__class__ is tuple else (index,)
    parts: list[Any] = []
    for part in given:
        parts += _part(root, part, shape)
    used = sum(1 for p in parts if p is not None and p is not Ellipsis)
    if used > len(shape):
        raise IndexError(at(f"too many indices for array: array is {len(shape)}-dimensional, but "
                            f"{used} were indexed", here()))  # fmt: skip
    fill = [slice(None)] * (len(shape) - used)
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if dots:
        parts[dots[0] : dots[0] + 1] = fill
    else:
        parts += fill
    items: list[Item] = []
    axis = 0
    for p in parts:
        if p is None:
            items.append((NEW, None))
            continue
        n = shape[axis]
        if p.__class__ is slice:
            items.append((KEEP, _bounds(root, p, n)))
        elif p.__class__ is Tracer:
            items.append((TAKE, p))
        else:
            items.append((DROP, _place(root, p, n, axis)))
        axis += 1
    return items


def _part(root: Root, part: Any, shape: tuple[DimLike, ...]) -> list[Any]:
    """An index as the user wrote it as slices, None, Ellipsis, dims or integer tracers."""
    c = part.__class__
    if part is None or part is Ellipsis or c is slice:
        return [part]
    if c is int or c is Size or isinstance(part, np.integer):
        return [dim_of(part)]
    if c is list:
        part = array_of(part, root) if is_traced(part) else np.asarray(part)
        if part.__class__ is np.ndarray and part.size == 0:
            part = part.astype(np.int64)
    if isinstance(part, (bool, np.bool_)):
        raise TraceError(at("a single bool is no index in a trace; use x[None] or where", here()))
    if isinstance(part, np.ndarray):
        if part.dtype == bool:
            return _mask(root, part, shape)
        if part.dtype.kind not in "iu":
            raise IndexError(
                at("arrays used as indices must be of integer (or boolean) type", here())
            )
        if part.ndim == 0:
            return [int(part)]
        return [Tracer(root.array(part.astype(np.int64), part.dtype != np.int64), root, ARRAY, 0)]
    if part.__class__ is Tracer:
        if part.value.type.dtype is BOOL:
            got = part.concrete() if root.kind == "eager" else None
            if got is None:
                raise TraceError(at(_MASK, here()))
            return _mask(root, got, shape)
        if part.value.type.dtype.kind not in "iu":
            raise IndexError(at(_KINDS, here()))
        return [cast(lift(part, root), I64)]
    if hasattr(part, "__index__"):
        return [part.__index__()]
    raise IndexError(at(_KINDS, here()))


def _mask(root: Root, mask: np.ndarray, shape: tuple[DimLike, ...]) -> list[Any]:
    if mask.ndim > len(shape):
        raise IndexError(at(f"too many indices for array: a mask of shape {mask.shape}", here()))
    return [Tracer(root.array(i, True), root, ARRAY, 0) for i in np.nonzero(mask)]


def _place(root: Root, i: DimLike, n: DimLike, axis: int) -> DimLike:
    """A static index made non-negative and checked."""
    place = i + n if root.compare(i, "lt", 0) else i
    if root.compare(place, "lt", 0) or root.compare(place, "ge", n):
        i, size = root.sizes((i, n))
        raise IndexError(at(f"index {i} is out of bounds for axis {axis} with size {size}", here()))
    return place


def _bounds(root: Root, s: slice, n: DimLike) -> tuple[DimLike, DimLike, int]:
    """start, stop, step of a slice, clamped as Python does; a negative step reads backwards from
    stop - 1, in steps, down to start."""
    step = 1 if s.step is None else s.step.__index__()
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step > 0 and s.start is None and s.stop is None:
        return _positive(root, 0, n, step)
    if step > 0:
        start = _clamp(root, s.start, n, 0, 0, n)
        stop = _clamp(root, s.stop, n, n, 0, n)
        if root.compare(stop, "lt", start):
            stop = start
        return _positive(root, start, stop, step)
    high = _clamp(root, s.start, n, n - 1, -1, n - 1)
    low = _clamp(root, s.stop, n, -1, -1, n - 1)
    if root.compare(high, "le", low):
        return 0, 0, 1
    if step < -1:
        low = high - (ceildiv(high - low, -step) - 1) * -step - 1
    return low + 1, high + 1, step


def _clamp(
    root: Root, v: Any, n: DimLike, default: DimLike, low: DimLike, high: DimLike
) -> DimLike:
    if v is None:
        return default
    d = dim_of(v)
    if root.compare(d, "lt", 0):
        d = d + n
        return low if root.compare(d, "lt", low) else d
    return high if root.compare(d, "gt", high) else d


def _positive(root: Root, start: DimLike, stop: DimLike, step: int) -> tuple[DimLike, DimLike, int]:
    # a strided slice must be known to have an element, or none
    if step > 1 and root.compare(stop - start, "lt", 1):
        return start, start, 1
    return start, stop, step


def _sliced(x: Tracer, items: Sequence[Item]) -> Value:
    """KEEP and DROP done as slices; every axis still there."""
    b, shape = x.root.b, x.value.type.shape
    starts, stops, steps, turned = [], [], [], []
    for axis, (kind, what) in enumerate(i for i in items if i[0] != NEW):
        if kind == KEEP:
            start, stop, step = what
            if step < 0:
                turned.append(axis)
                step = -step
        elif kind == DROP:
            start, stop, step = what, what + 1, 1
        else:
            start, stop, step = 0, shape[axis], 1
        starts.append(start)
        stops.append(stop)
        steps.append(step)
    v = x.value
    if any(steps[i] != 1 or starts[i] != 0 or stops[i] != n for i, n in enumerate(shape)):
        v = b("slice", v, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    return b("reverse", v, axes=tuple(turned)) if turned else v


def apply(x: Tracer, items: list[Item]) -> Tracer:
    root = x.root
    b = root.b
    v = _sliced(x, items)
    if any(kind == TAKE for kind, _ in items):
        return _gathered(x, v, items)
    shape: list[DimLike] = []
    axis = 0
    for kind, _ in items:
        if kind == NEW:
            shape.append(1)
            continue
        if kind == KEEP:
            shape.append(v.type.shape[axis])
        axis += 1
    form = SCALAR if not shape and items else ARRAY
    return wrap(root, b.reshape(v, shape), x.mask, form)


def _gathered(x: Tracer, v: Value, items: list[Item]) -> Tracer:
    """Integer arrays among the index: one gather, its axes where NumPy puts them."""
    root = x.root
    b = root.b
    arrays = any(kind == TAKE and what.value.type.shape for kind, what in items)
    taken: list[tuple[int, Value]] = []
    kept: list[int] = []
    middle: list[DimLike] = []  # the axes that stay, new ones among them
    where: list[int] = []
    lead = 0
    axis = 0
    for n, (kind, what) in enumerate(items):
        if kind == NEW:
            middle.append(1)
            continue
        if kind == TAKE or (kind == DROP and arrays):
            # a dropped axis was cut to one element: its index there is 0
            idx = (
                root.const(0, scalar(I64))
                if kind == DROP
                else b("wrap_index", what.value, size=v.type.shape[axis])
            )
            if not where:
                lead = len(middle)
            where.append(n)
            taken.append((axis, idx))
        elif kind == KEEP:
            kept.append(axis)
            middle.append(v.type.shape[axis])
        else:
            kept.append(axis)
        axis += 1
    shape = broadcast_shapes(root, [i.type.shape for _, i in taken], "indexing")
    ones = (1,) * (len(items) - len(where))
    if len(taken) == 1 and len(ones) == 0:
        out = b("gather", v, taken[0][1], axis=0)
    else:
        sizes = v.type.shape
        front = b.transpose(v, (*(a for a, _ in taken), *kept))
        idx = spread(root, taken[0][1], shape)
        for a, i in taken[1:]:
            count = b.broadcast(root.number(sizes[a]), shape, ())
            idx = b.add(b.mul(idx, count), spread(root, i, shape))
        total = product(sizes[a] for a, _ in taken)
        flat = b.reshape(front, (total, *front.type.shape[len(taken) :]))
        out = b("gather", flat, idx, axis=0)
        out = b.reshape(out, (*shape, *middle))
    together = where[-1] - where[0] == len(where) - 1
    if together and lead and shape:
        k = len(shape)
        order = [*range(k, k + lead), *range(k), *range(k + lead, out.type.rank)]
        out = b.transpose(out, order)
    return wrap(root, out, x.mask, ARRAY if out.type.shape or arrays else SCALAR)


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Tracer:
    """`np.take`; `mode` "raise", "wrap" or "clip"."""
    root = (a if a.__class__ is Tracer else indices).root
    root.b.loc = here()
    x, idx = lift(a, root), cast(lift(indices, root), I64)
    if axis is None:
        x, axis = FUNCTIONS["ravel"](x), 0
    axis = int(np.lib.array_utils.normalize_axis_index(axis, x.ndim))
    n = size_of(x.value.type.shape[axis], root)
    if mode == "clip":
        idx = FUNCTIONS["clip"](idx, 0, n - 1)
    elif mode == "wrap":
        idx = idx % n
    else:
        idx = emit(root, "wrap_index", idx, size=x.value.type.shape[axis])
    out = emit(root, "gather", x, idx, axis=axis)
    return Tracer(out.value, root, ARRAY if out.ndim else SCALAR, out.mask)


FUNCTIONS["getitem"] = getitem
