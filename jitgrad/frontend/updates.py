"""`x.at[index]`: elements of a traced array replaced in a copy of it, JAX's way to write them."""

from __future__ import annotations

from operator import truediv
from typing import Any

import numpy as np

from ..errors import at
from ..ir.core import Value
from ..ir.dims import DimLike, ceildiv, product
from ..ir.types import BOOL, I64, scalar, tensor
from .indexing import KEEP, NEW, TAKE, Item, apply, parse
from .ops import broadcast_shapes, cast, find_root, is_traced, lift, result_dtype, spread
from .source import here
from .trace import ARRAY, FUNCTIONS, WEAK, Root, Tracer, wrap


class At:
    """`x.at[index]`: updates that give a new array (JAX's way to write elements)."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self.x, index)


class Place:
    """The elements `x[index]` of an array, to be read or replaced in a copy of it."""

    __slots__ = ("index", "x")

    def __init__(self, x: Any, index: Any) -> None:
        self.x = x
        self.index = index

    def get(self) -> Any:
        return self.x[self.index]

    def set(self, values: Any) -> Any:
        """A copy of x with these elements replaced."""
        return update(self.x, self.index, values, "set")

    def add(self, values: Any) -> Any:
        """A copy of x with `values` added; an element named twice gets both."""
        return update(self.x, self.index, values, "add")

    def subtract(self, values: Any) -> Any:
        return update(self.x, self.index, FUNCTIONS["negative"](values), "add")

    def multiply(self, values: Any) -> Any:
        """A copy of x with these elements multiplied; one named twice by both values."""
        return update(self.x, self.index, values, "multiply")

    mul = multiply

    def divide(self, values: Any) -> Any:
        """A copy of x with these elements divided; one named twice by both values' product."""
        return self._by_factors(truediv, values)

    def power(self, values: Any) -> Any:
        """A copy of x with these elements raised; one named twice to both values' product."""
        return self._by_factors(pow, values)

    def min(self, values: Any) -> Any:
        """A copy of x with the lesser of these elements and `values`."""
        return update(self.x, self.index, values, "minimum")

    def max(self, values: Any) -> Any:
        """A copy of x with the greater of these elements and `values`."""
        return update(self.x, self.index, values, "maximum")

    def _by_factors(self, fn: Any, values: Any) -> Any:
        x = self.x
        if x.__class__ is Tracer or is_traced(x, self.index, values):
            x = lift(x, find_root((x, self.index, values)))
            if not any(kind == TAKE for kind, _ in parse(x, self.index)):
                return self.set(fn(self.get(), values))
            ones = FUNCTIONS["ones_like"](x)
        else:
            ones = np.ones_like(x)
        out = fn(x, update(ones, self.index, values, "multiply"))
        if np.dtype(out.dtype) != np.dtype(x.dtype):
            what = f"cannot write {out.dtype} into an array of {x.dtype}"
            raise TypeError(at(what, here()))
        return out


# how -> the op for computed places; of bools, "add" is or, "multiply" is and
_HOW = {"set": "scatter", "add": "scatter_add", "multiply": "scatter_mul",
        "minimum": "scatter_min", "maximum": "scatter_max"}  # fmt: skip
_OF_BOOLS = {"add": "scatter_max", "multiply": "scatter_min"}


def update(x: Any, index: Any, values: Any, how: str) -> Any:
    """`x` with the elements at `index` set to `values`, or joined with them by a ufunc (`how`).

    Where computed indices name one element twice, the last value set stays, and the ufunc takes
    all of them in, as `ufunc.at` does.
    """
    if x.__class__ is not Tracer and not is_traced(x, index, values):
        changed = np.array(x)
        if how == "set":
            changed[index] = values
        else:
            getattr(np, how).at(changed, index, values)
        return changed
    root = find_root((x, index, values))
    b = root.b
    x = lift(x, root)
    items = parse(x, index)
    new = lift(values, root)
    if not np.can_cast(result_dtype((new,)), x.dtype, "same_kind") and new.form != WEAK:
        raise TypeError(
            at(f"cannot write {new.dtype.name} into an array of {x.dtype.name}", here())
        )
    new = cast(new, x.dtype)
    v = x.value
    if any(kind == TAKE for kind, _ in items):
        return _scatter(x, items, new, how)
    if how not in ("set", "add") or (how == "add" and v.type.dtype is BOOL):
        changed = FUNCTIONS[how](apply(x, items), new)
        return update(x, index, changed, "set")
    mask = x.mask | new.mask
    shape, lo, hi, steps, turned = [], [], [], [], []
    for axis, (kind, what) in enumerate(i for i in items if i[0] != NEW):
        start, stop, step = what if kind == KEEP else (what, what + 1, 1)
        if step < 0:
            turned.append(axis)
            step = -step
        n = ceildiv(stop - start, step)
        shape.append(n)
        lo.append(start)
        none = n.__class__ is int and n == 0
        steps.append(0 if none else step - 1)
        hi.append(v.type.shape[axis] - start - (0 if none else (n - 1) * step + 1))
    target: list[DimLike] = []
    axis = 0
    for kind, _ in items:
        if kind == NEW:
            target.append(1)
            continue
        if kind == KEEP:
            target.append(shape[axis])
        axis += 1
    part = _fit(root, new.value, tuple(target))
    part = b.reshape(part, shape)
    if turned:
        part = b("reverse", part, axes=tuple(turned))
    attrs = {"lo": tuple(lo), "hi": tuple(hi), "interior": tuple(steps)}
    spots = b("pad", part, b.const(0, scalar(part.type.dtype)), **attrs)
    if how == "add":
        out = b.add(v, spots)
    else:
        inside = b("pad", b.const(True, tensor(BOOL, part.type.shape)),
                   b.const(False, scalar(BOOL)), **attrs)  # fmt: skip
        out = b.select(inside, root.refine(spots, v.type.shape), v)
    return wrap(root, out, mask, x.form)


def _fit(root: Root, v: Value, shape: tuple[DimLike, ...]) -> Value:
    """`v` broadcast to the shape of the elements it is written to; leading 1s may go."""
    have = v.type.shape
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    v = root.b.reshape(v, have)
    if broadcast_shapes(root, [shape, have], "assignment") != shape:
        raise ValueError(at(f"could not broadcast input array from shape {root.sizes(have)} into "
                            f"shape {root.sizes(shape)}", here()))  # fmt: skip
    return spread(root, v, shape)


def _scatter(x: Tracer, items: list[Item], new: Tracer, how: str) -> Tracer:
    """Along the one axis that an array of places picks from, or through the positions that the
    index picks from 0 … size-1."""
    root, type_ = x.root, x.value.type
    b = root.b
    name = (_OF_BOOLS.get(how) if type_.dtype is BOOL else None) or _HOW[how]
    mask = x.mask | new.mask
    axis = _one_axis(items, type_.shape)
    if axis is not None:
        idx = b("wrap_index", items[axis][1].value, size=type_.shape[axis])
        want = (*type_.shape[:axis], *idx.type.shape, *type_.shape[axis + 1 :])
        part = root.refine(_fit(root, new.value, want), want)
        return wrap(root, b(name, x.value, idx, part, axis=axis), mask, x.form)
    count = product(type_.shape)
    every = b.reshape(b("iota", type=tensor(I64, (count,)), axis=0), type_.shape)
    places = apply(wrap(root, every, 0, ARRAY), items)
    part = b.reshape(_fit(root, new.value, places.value.type.shape), (places.value.type.size,))
    idx = b.reshape(places.value, part.type.shape)
    out = b(name, b.reshape(x.value, (count,)), idx, part, axis=0)
    return wrap(root, b.reshape(out, type_.shape), mask, x.form)


def _one_axis(items: list[Item], shape: tuple[DimLike, ...]) -> int | None:
    """The axis of the only array in the index, where everything else is kept whole."""
    found = [axis for axis, (kind, _) in enumerate(items) if kind == TAKE]
    if len(found) != 1 or len(items) != len(shape):
        return None
    for (kind, what), n in zip(items, shape):
        if kind != TAKE and (kind != KEEP or what != (0, n, 1)):
            return None
    return found[0]


FUNCTIONS["at"] = At
