"""Structural rules of slices, pads, joins, gathers, casts and markers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import DimLike
from ..dce import has_effect
from ..fold import is_number, splat
from ..inline import splice
from ..match import RuleSet, structural
from .canonical import maker

STRUCTURE: RuleSet = []
MARKERS: RuleSet = []


# -- slice, pad, concatenate, gather --------------------------------------------------------------


@structural(STRUCTURE, "slice-all", "slice")
def _slice_all(op: Op, b: Builder) -> Any:
    """x[:] → x."""
    (x,), a = op.operands, op.attrs
    whole = all(
        lo == 0 and hi == n and s == 1
        for lo, hi, s, n in zip(a["starts"], a["stops"], a["steps"], x.type.shape)
    )
    return x if whole and x.type is op.results[0].type else None


@structural(STRUCTURE, "slice-slice", "slice", child=("slice",))
def _slice_twice(op: Op, b: Builder) -> Any:
    """A slice of a slice → one."""
    inner = op.operands[0].op
    assert inner is not None
    lo, st = inner.attrs["starts"], inner.attrs["steps"]
    lo2, hi2, st2 = (op.attrs[k] for k in ("starts", "stops", "steps"))
    starts = tuple(a + c * s for a, c, s in zip(lo, lo2, st))
    # the last element is at start + (stop2 - 1) * step; one behind it is a stop that stays inside
    stops = tuple(a + e * s if s == 1 else a + (e - 1) * s + 1 for a, e, s in zip(lo, hi2, st))
    steps = tuple(s * s2 for s, s2 in zip(st, st2))
    if any(isinstance(a, int) and isinstance(e, int) and e < a for a, e in zip(starts, stops)):
        return None
    made = b("slice", inner.operands[0], starts=starts, stops=stops, steps=steps)
    return made if made.type is op.results[0].type else None


@structural(STRUCTURE, "slice-pad", "slice", child=("pad",))
def _slice_pad(op: Op, b: Builder) -> Any:
    """A slice that takes exactly what was padded → x."""
    pad = op.operands[0].op
    assert pad is not None
    x = pad.operands[0]
    fits = x.type is op.results[0].type and all(
        lo == a and s == i + 1
        for lo, a, s, i in zip(
            pad.attrs["lo"], op.attrs["starts"], op.attrs["steps"], pad.attrs["interior"]
        )
    )
    return x if fits else None


@structural(STRUCTURE, "slice-concatenate", "slice", child=("concatenate",))
def _slice_concatenate(op: Op, b: Builder) -> Any:
    """A slice that lies in one part of a concatenate → a slice of that part."""
    cat = op.operands[0].op
    assert cat is not None
    axis = cat.attrs["axis"]
    lo, hi = op.attrs["starts"][axis], op.attrs["stops"][axis]
    start: DimLike = 0
    for part in cat.operands:
        size = part.type.shape[axis]
        stop = start + size
        before, behind = lo - start, stop - hi
        if all(d.__class__ is int and d >= 0 for d in (before, behind)):
            starts, stops = list(op.attrs["starts"]), list(op.attrs["stops"])
            starts[axis], stops[axis] = before, hi - start
            made = b("slice", part, starts=tuple(starts), stops=tuple(stops),
                     steps=op.attrs["steps"])  # fmt: skip
            return made if made.type is op.results[0].type else None
        start = stop
    return None


@structural(STRUCTURE, "slice-broadcast", "slice", child=("broadcast",))
def _slice_broadcast(op: Op, b: Builder) -> Any:
    """A slice of a broadcast → the broadcast of a slice."""
    inner, a = op.operands[0].op, op.attrs
    assert inner is not None
    x, dims = inner.operands[0], inner.attrs["dims"]
    pick = {k: tuple(a[k][d] for d in dims) for k in ("starts", "stops", "steps")}
    if any(n == 1 and inner.attrs["shape"][d] != 1 for n, d in zip(x.type.shape, dims)):
        return None
    small = b("slice", x, **pick) if dims else x
    return b("broadcast", small, shape=op.results[0].type.shape, dims=dims)


@structural(STRUCTURE, "pad-nothing", "pad")
def _pad_nothing(op: Op, b: Builder) -> Any:
    """A pad by nothing → x; by its own constant → that constant."""
    (x, value), a = op.operands, op.attrs
    if x.type is op.results[0].type and all(n == 0 for k in ("lo", "hi", "interior") for n in a[k]):
        return x
    s = splat(value)
    if s is not None and is_number(splat(x), s):
        return b.const(s, op.results[0].type)
    return None


@structural(STRUCTURE, "pad-pad", "pad", child=("pad",))
def _pad_twice(op: Op, b: Builder) -> Any:
    """Pads around one another with the same number → one."""
    (x, value), a = op.operands, op.attrs
    inner = maker(x, "pad")
    if inner is None or any(a["interior"]) or any(inner.attrs["interior"]):
        return None
    s = splat(value)
    if value is not inner.operands[1] and (s is None or not is_number(splat(inner.operands[1]), s)):
        return None
    sides = {k: tuple(p + q for p, q in zip(a[k], inner.attrs[k])) for k in ("lo", "hi")}
    if any(n.__class__ is not int or n < 0 for k in ("lo", "hi") for n in inner.attrs[k]):
        return None
    return b("pad", inner.operands[0], value, **sides, interior=a["interior"])


@structural(STRUCTURE, "concatenate-parts", "concatenate")
def _concatenate_parts(op: Op, b: Builder) -> Any:
    """Empty parts are dropped, nested concatenates flattened; of one part → that part."""
    axis = op.attrs["axis"]
    parts: list[Value] = []
    for v in op.operands:
        inner = maker(v, "concatenate")
        if inner is not None and inner.attrs["axis"] == axis:
            parts += inner.operands
        elif v.type.shape[axis] != 0:
            parts.append(v)
    if not parts or tuple(parts) == op.operands:
        return op.operands[0] if len(op.operands) == 1 else None
    return parts[0] if len(parts) == 1 else b("concatenate", *parts, axis=axis)


@structural(STRUCTURE, "concatenate-slices", "concatenate", child=("slice",))
def _concatenate_slices(op: Op, b: Builder) -> Any:
    """Slices of one tensor that follow each other, joined → one slice."""
    axis = op.attrs["axis"]
    parts = list(op.operands)
    for i in range(len(parts) - 1):
        p, q = maker(parts[i], "slice"), maker(parts[i + 1], "slice")
        if p is None or q is None or p.operands[0] is not q.operands[0]:
            continue
        stops = list(p.attrs["stops"])
        stops[axis] = q.attrs["starts"][axis]
        starts = list(q.attrs["starts"])
        starts[axis] = p.attrs["starts"][axis]
        if (
            p.attrs["steps"] == q.attrs["steps"] == (1,) * len(stops)
            and p.attrs["stops"] == tuple(stops)
            and p.attrs["starts"] == tuple(starts)
        ):
            joined = b("slice", p.operands[0], starts=tuple(starts), stops=q.attrs["stops"],
                       steps=p.attrs["steps"])  # fmt: skip
            parts[i : i + 2] = [joined]
            return joined if len(parts) == 1 else b("concatenate", *parts, axis=axis)
    return None


@structural(STRUCTURE, "gather-constant", "gather", child=("constant",))
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


# -- branches, casts and markers -------------------------------------------------------------------


@structural(STRUCTURE, "cond-constant", "cond", child=("constant",))
def _cond_constant(op: Op, b: Builder) -> Any:
    """A branch whose condition is known → what that branch computes."""
    flag = splat(op.operands[0])
    if flag is None:
        return None
    taken = op.regions[0 if flag else 1]
    if any(has_effect(o) for o in taken.ops):
        return None
    return tuple(splice(taken, op.operands[1:], fresh=True)[1])


@structural(STRUCTURE, "cast-same", "cast")
def _cast_same(op: Op, b: Builder) -> Any:
    """A cast to the dtype it has → x."""
    return op.operands[0] if op.operands[0].type is op.results[0].type else None


@structural(STRUCTURE, "cast-cast", "cast", child=("cast",))
def _cast_twice(op: Op, b: Builder) -> Any:
    """A cast of a cast that loses nothing → one cast."""
    inner = op.operands[0].op
    assert inner is not None
    (x,) = inner.operands
    src, mid = x.type.dtype, inner.results[0].type.dtype
    if not np.can_cast(src.np, mid.np, "safe"):
        return None
    if src.kind in "iu" and mid.kind == "f" and src.bits >= mid.bits:
        return None  # NumPy calls i64 → f64 safe
    return b.cast(x, op.attrs["dtype"])


@structural(MARKERS, "drop-marker", "identity", "stop_gradient")
def _marker(op: Op, b: Builder) -> Any:
    """identity(x), stop_gradient(x) → x: they mean something to derivatives only."""
    return op.operands[0]
