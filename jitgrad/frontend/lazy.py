"""What only a branch of `ifelse` needs: there an index or an empty axis is an error only where the
branch is taken, so that it is checked in the program, and not ahead of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike
from ..ir.types import I64, tensor
from .plan import Nest, flat, roots_of
from .relations import at_least
from .symbolic_notes import notes, recipes

_EMPTY = ("max", "min", "argmax", "argmin")


def soft(items: Sequence[Any], roots: Iterable[Value], stops: set[int], derive: bool) -> set[int]:
    """Ids of the ops of a plan that are to be checked where they stand; see `plan`."""
    nests = [i for i in items if i.__class__ is Nest]
    if not any(op.opdef.name == "cond" for op, _ in flat(nests)):
        return set()
    surely: set[int] = set()  # ops that are needed whatever branches are taken
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        op = v.op
        if op is None or id(v) in seen or id(v) in stops:
            continue
        seen.add(id(v))
        found = recipes.get(v) if derive and op.made_by else None
        if found is not None:
            stack += [*roots_of(found[0]), *found[0].wrt]
        elif id(op) not in surely:
            surely.add(id(op))
            stack += op.operands[:1] if op.opdef.name == "cond" else op.operands
    out: set[int] = set()
    for item in items:
        if item.__class__ is Op and id(item) not in surely and may_fail(item):
            out.add(id(item))
        elif item.__class__ is Nest:
            for r in item.regions:
                if id(item.op) in surely:
                    ends = {id(p) for p in r.block.params}
                    out |= soft(r.items, r.block.results, ends, derive)
                else:
                    out |= {id(op) for op, _ in flat(r.items) if may_fail(op)}
    return out


def may_fail(op: Op) -> bool:
    """Whether an op is an error for some sizes, apart from sizes that do not fit each other."""
    if op.opdef.name == "slice":
        note = notes.get(op.results[0])
        return note is not None and note.error is IndexError
    return op.opdef.name in _EMPTY


def checked(b: Builder, op: Op, v: Value, attrs: Any) -> Value:
    """The result of an op on `v` that raises `IndexError` by itself where it cannot be had."""
    if op.opdef.name in _EMPTY:
        out = b(op.opdef.name, v, **attrs)
        axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
        for size in {v.type.shape[i] for i in axes if v.type.shape[i].__class__ is Dim}:
            zero = b.const(0, I64.rank0)
            there = b("eq", b("wrap_index", zero, size=size), zero)
            out = b.select(b.broadcast(there, out.type.shape, ()), out, b.zeros(out.type))
        return out
    starts, stops = list(attrs["starts"]), list(attrs["stops"])
    for axis, (lo, hi) in enumerate(zip(starts, stops)):
        n = v.type.shape[axis]
        if hi - lo != 1 or (at_least(n - hi, 0) and at_least(lo, 0)):
            continue
        place = b("wrap_index", _number(b, lo, n), size=n)
        v = b("gather", v, place, axis=axis)
        starts[axis], stops[axis] = 0, 1
    return b("slice", v, **{**attrs, "starts": tuple(starts), "stops": tuple(stops)})


def _number(b: Builder, lo: DimLike, n: DimLike) -> Value:
    """An index as a value: as the user wrote it, from either end."""
    if lo.__class__ is Dim and (lo - n).__class__ is int:
        lo = lo - n
    if lo.__class__ is Dim:
        return b.reshape(b("dim", expr=lo), (1,))
    return b.const(lo, tensor(I64, (1,)))
