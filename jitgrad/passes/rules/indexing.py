"""Structural rules of gathers, scatters and blocks whose place is computed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import DimLike, nonnegative
from ..fold import splat
from ..match import RuleSet, structural
from .canonical import checked, maker

INDEXING: RuleSet = []
SCATTERS = ("scatter", "scatter_add", "scatter_max", "scatter_min", "scatter_mul")


def counts_up(idx: Value, size: DimLike) -> bool:
    """Whether `idx` is 0, 1, 2 … size - 1."""
    m = maker(idx, "iota")
    return m is not None and idx.type.rank == 1 and idx.type.shape[0] == size


# -- indices ---------------------------------------------------------------------------------------


@structural(INDEXING, "wrap-in-range", "wrap_index", child=("iota", "argmax", "argmin", "argsort",
            "wrap_index", "broadcast", "reshape"))  # fmt: skip
def _wrap_in_range(op: Op, b: Builder) -> Any:
    """An index that is known to lie in range needs no check."""
    (x,), size = op.operands, op.attrs["size"]
    v = x
    while v.op is not None and v.op.opdef.name in ("broadcast", "reshape"):
        v = v.op.operands[0]
    inner = v.op
    if inner is None:
        return None
    name = inner.opdef.name
    if name == "wrap_index":
        return x if nonnegative(size - inner.attrs["size"]) else None
    if name == "iota":
        return x if nonnegative(size - v.type.shape[inner.attrs["axis"]]) else None
    if name in ("argmax", "argmin", "argsort"):
        n = inner.operands[0].type.shape[inner.attrs["axis"]]
        return x if nonnegative(size - n) else None
    return None


@structural(INDEXING, "wrap-of-constant", "wrap_index", child=("constant",))
def _wrap_constant(op: Op, b: Builder) -> Any:
    """A known index into an axis that is certainly long enough needs no check."""
    k, size = splat(op.operands[0]), op.attrs["size"]
    if k is None or not nonnegative(size - (k + 1 if k >= 0 else -k)):
        return None
    if k >= 0:
        return op.operands[0]
    shape = op.results[0].type.shape
    return b.broadcast(b("dim", expr=size + k), shape, ())


# -- gather ----------------------------------------------------------------------------------------


@structural(INDEXING, "gather-constant", "gather", child=("constant",))
def _gather_constant(op: Op, b: Builder) -> Any:
    """x taken at one known index → a slice of x."""
    x, idx = op.operands
    axis, k = op.attrs["axis"], splat(idx)
    n = x.type.shape[axis]
    if k is None or idx.type.rank or n.__class__ is not int or not 0 <= k < n:
        return None
    starts, stops = [0] * x.type.rank, list(x.type.shape)
    starts[axis], stops[axis] = k, k + 1
    one = b("slice", x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.type.rank)
    return b.reshape(one, op.results[0].type.shape)


@structural(INDEXING, "gather-all", "gather", child=("iota",))
def _gather_all(op: Op, b: Builder) -> Any:
    """x taken at 0, 1, 2 … → x."""
    x, idx = op.operands
    return x if counts_up(idx, x.type.shape[op.attrs["axis"]]) else None


@structural(INDEXING, "gather-iota", "gather", child=("iota",))
def _gather_iota(op: Op, b: Builder) -> Any:
    """0, 1, 2 … taken at the indices → the indices."""
    x, idx = op.operands
    m = maker(x, "iota")
    if m is None or x.type.rank != 1:
        return None
    return b.cast(idx, x.type.dtype)


@structural(INDEXING, "gather-broadcast", "gather", child=("broadcast",))
def _gather_broadcast(op: Op, b: Builder) -> Any:
    """A broadcast, taken along an axis that it repeats → a broadcast."""
    x, idx = op.operands
    spread, axis = maker(x, "broadcast"), op.attrs["axis"]
    if spread is None:
        return None
    (y,), dims = spread.operands, spread.attrs["dims"]
    grown = idx.type.rank - 1
    if axis in dims:
        i = dims.index(axis)
        if y.type.shape[i] == 1:
            return None  # broadcast-squeeze comes first
        part = b("gather", y, idx, axis=i)
        at = [d if d < axis else d + grown for d in dims if d != axis]
        at[i:i] = range(axis, axis + idx.type.rank)
        return b.broadcast(part, op.results[0].type.shape, at)
    if checked(idx):
        return None
    return b.broadcast(y, op.results[0].type.shape, [d if d < axis else d + grown for d in dims])


@structural(INDEXING, "gather-single", "gather")
def _gather_single(op: Op, b: Builder) -> Any:
    """From an axis of size 1 the only element is taken."""
    x, idx = op.operands
    axis = op.attrs["axis"]
    if x.type.shape[axis] != 1 or checked(idx):
        return None
    flat = b.reshape(x, (*x.type.shape[:axis], *x.type.shape[axis + 1 :]))
    grown = idx.type.rank
    return b.broadcast(flat, op.results[0].type.shape,
                       [d if d < axis else d + grown for d in range(flat.type.rank)])  # fmt: skip


@structural(INDEXING, "gather-gather", "gather", child=("gather",))
def _gather_twice(op: Op, b: Builder) -> Any:
    """x[i][j] → x[i[j]] along one axis."""
    x, j = op.operands
    inner = maker(x, "gather")
    axis = op.attrs["axis"]
    if inner is None or inner.attrs["axis"] != axis or inner.operands[1].type.rank != 1:
        return None
    source, i = inner.operands
    return b("gather", source, b("gather", i, j, axis=0), axis=axis)


@structural(INDEXING, "gather-constant-rows", "gather", child=("constant",))
def _gather_run(op: Op, b: Builder) -> Any:
    """x taken at known indices that follow each other evenly → a slice."""
    x, idx = op.operands
    axis, n = op.attrs["axis"], x.type.shape[op.attrs["axis"]]
    made = maker(idx, "constant")
    if made is None or idx.type.rank != 1 or splat(idx) is not None or n.__class__ is not int:
        return None
    places = [int(k) for k in made.attrs["value"].ravel()]
    if not places:
        return None
    step = places[1] - places[0] if len(places) > 1 else 1
    if step < 1 or any(c - a != step for a, c in pairwise(places)):
        return None
    if not 0 <= places[0] <= places[-1] < n:
        return None
    starts, stops, steps = [0] * x.type.rank, list(x.type.shape), [1] * x.type.rank
    starts[axis], stops[axis], steps[axis] = places[0], places[-1] + 1, step
    return b("slice", x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


# -- scatter ---------------------------------------------------------------------------------------

_COMBINE = {"scatter_add": "add", "scatter_mul": "mul", "scatter_max": "maximum",
            "scatter_min": "minimum"}  # fmt: skip


@structural(INDEXING, "scatter-all", *SCATTERS, child=("iota",))
def _scatter_all(op: Op, b: Builder) -> Any:
    """Updates of every place, each once → an elementwise op; of a plain scatter the updates."""
    x, idx, new = op.operands
    if not counts_up(idx, x.type.shape[op.attrs["axis"]]):
        return None
    how = _COMBINE.get(op.opdef.name)
    return new if how is None else b(how, x, new)


@structural(INDEXING, "scatter-scatter", "scatter", child=("scatter",))
def _scatter_twice(op: Op, b: Builder) -> Any:
    """A scatter over one to the same places → the last one."""
    x, idx, new = op.operands
    inner = maker(x, "scatter")
    if inner is None or inner.operands[1] is not idx or inner.attrs != op.attrs:
        return None
    return b("scatter", inner.operands[0], idx, new, axis=op.attrs["axis"])


@structural(INDEXING, "gather-scatter", "gather", child=("scatter",))
def _gather_scatter(op: Op, b: Builder) -> Any:
    """What was just written to one place, read from there → what was written."""
    x, idx = op.operands
    inner = maker(x, "scatter")
    if inner is None or idx.type.rank or inner.operands[1] is not idx or inner.attrs != op.attrs:
        return None
    return inner.operands[2]


# -- blocks ----------------------------------------------------------------------------------------


def _known_starts(x: Value, starts: Any, sizes: Any) -> list[DimLike] | None:
    """Where a block begins along each axis, if that can be told."""
    out: list[DimLike] = []
    for v, n, size in zip(starts, x.type.shape, sizes):
        k = splat(v)
        top = n - size
        if top == 0 or (k is not None and k <= 0):
            out.append(0)
        elif k is not None and nonnegative(top - k):
            out.append(k)
        elif k is not None and nonnegative(k - top):
            out.append(top)
        else:
            return None
    return out


@structural(INDEXING, "block-known", "dynamic_slice")
def _block_known(op: Op, b: Builder) -> Any:
    """A block whose place is known → a slice."""
    x, *starts = op.operands
    sizes = op.attrs["sizes"]
    at = _known_starts(x, starts, sizes)
    if at is None:
        return None
    return b("slice", x, starts=tuple(at), stops=tuple(a + n for a, n in zip(at, sizes)),
             steps=(1,) * x.type.rank)  # fmt: skip


@structural(INDEXING, "block-all", "dynamic_update_slice")
def _block_all(op: Op, b: Builder) -> Any:
    """A block as large as the tensor, put into it → the block."""
    return op.operands[1] if op.operands[1].type is op.operands[0].type else None


@structural(INDEXING, "block-back", "dynamic_slice", child=("dynamic_update_slice",))
def _block_back(op: Op, b: Builder) -> Any:
    """The block that was just written, read again → what was written."""
    inner = op.operands[0].op
    assert inner is not None
    new = inner.operands[1]
    same = inner.operands[2:] == op.operands[1:] and new.type is op.results[0].type
    return new if same else None
