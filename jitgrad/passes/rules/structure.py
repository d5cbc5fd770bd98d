"""Structural rules: shapes, layout, slices, casts, reductions, products, written as functions.

CANONICAL brings shape ops into one form, which other rules and fusion rely on: constants are splats
without a spelling and stand first; no `fill`; the operand of a `broadcast` has no axis of size 1;
reshapes and broadcasts follow elementwise ops instead of preceding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import Dim, DimLike
from ...ir.ops import TABLE
from ..fold import is_number, splat
from ..match import RuleSet, structural

CANONICAL: RuleSet = []
STRUCTURE: RuleSet = []
MARKERS: RuleSet = []

ELEMENTWISE = tuple(
    n for n, r in TABLE.items() if r.elementwise and n not in ("wrap_index", "stop_gradient")
)
COMMUTATIVE = tuple(n for n, r in TABLE.items() if "commutative" in r.props and r.arity == 2)


def maker(v: Value, name: str) -> Op | None:
    """The op that made `v`, if it is a `name`."""
    op = v.op
    return op if op is not None and op.opdef.name == name else None


def at_least_one(n: DimLike) -> bool:
    return n.__class__ is int and n >= 1


# -- constants ------------------------------------------------------------------------------------


@structural(CANONICAL, "drop-spelling", "constant")
def _spelling(op: Op, b: Builder) -> Any:
    """A constant forgets the user's literal; small uniform arrays become numbers."""
    value = op.attrs["value"]
    if value.__class__ is np.ndarray:
        if not 0 < value.size <= 64:
            return None
        flat = value.ravel()
        if flat.tobytes() != flat[:1].tobytes() * flat.size:
            return None
        value = flat[0].item()
    elif not op.attrs["spelling"]:
        return None
    return b.const(value, op.attrs["type"])


@structural(CANONICAL, "constant-first", *COMMUTATIVE, child=("constant",))
def _constant_first(op: Op, b: Builder) -> Any:
    """Commutative ops have their constant first: x * 2 → 2 * x."""
    x, y = op.operands
    if maker(x, "constant") or not maker(y, "constant"):
        return None
    return b.make(op.opdef, (y, x), op.attrs).results[0]


@structural(CANONICAL, "splat-through", "broadcast", "reshape", "transpose", "reverse", "refine",
            "slice", "gather", child=("constant",))  # fmt: skip
def _splat_through(op: Op, b: Builder) -> Any:
    """A broadcast, reshape, slice … of a number is that number in the new type."""
    source = maker(op.operands[0], "constant")
    if source is None or source.attrs["value"].__class__ is np.ndarray:
        return None
    return b.const(source.attrs["value"], op.results[0].type)


@structural(CANONICAL, "fill-broadcast", "fill")
def _fill(op: Op, b: Builder) -> Any:
    """fill(x, v) → broadcast(v) to the shape of x."""
    like, value = op.operands
    return b.broadcast(value, like.type.shape, ())


@structural(CANONICAL, "static-dim", "dim")
def _dim(op: Op, b: Builder) -> Any:
    """A dim that is a number → constant."""
    expr = op.attrs["expr"]
    return None if expr.__class__ is Dim else b.const(int(expr), op.results[0].type)


# -- broadcast, reshape, transpose ----------------------------------------------------------------


@structural(CANONICAL, "broadcast-same", "broadcast")
def _broadcast_same(op: Op, b: Builder) -> Any:
    """A broadcast to the same shape → x."""
    (x,) = op.operands
    return x if x.type is op.results[0].type else None


@structural(CANONICAL, "broadcast-broadcast", "broadcast", child=("broadcast",))
def _broadcast_twice(op: Op, b: Builder) -> Any:
    """A broadcast of a broadcast → one."""
    inner = op.operands[0].op
    assert inner is not None
    dims = tuple(op.attrs["dims"][d] for d in inner.attrs["dims"])
    return b("broadcast", inner.operands[0], shape=op.attrs["shape"], dims=dims)


@structural(CANONICAL, "broadcast-is-reshape", "broadcast")
def _broadcast_ones(op: Op, b: Builder) -> Any:
    """A broadcast that only adds axes of size 1 → reshape."""
    (x,), shape, dims = op.operands, op.attrs["shape"], op.attrs["dims"]
    if all(shape[d] == n for n, d in zip(x.type.shape, dims)) and all(
        n == 1 for d, n in enumerate(shape) if d not in dims
    ):
        return b.reshape(x, shape)
    return None


@structural(CANONICAL, "broadcast-squeeze", "broadcast")
def _broadcast_squeeze(op: Op, b: Builder) -> Any:
    """The operand of a broadcast loses its axes of size 1."""
    (x,) = op.operands
    keep = [i for i, n in enumerate(x.type.shape) if n != 1]
    if len(keep) == x.type.rank:
        return None
    small = b.reshape(x, [x.type.shape[i] for i in keep])
    return b("broadcast", small, shape=op.attrs["shape"],
             dims=tuple(op.attrs["dims"][i] for i in keep))  # fmt: skip


@structural(CANONICAL, "reshape-same", "reshape", "refine")
def _reshape_same(op: Op, b: Builder) -> Any:
    """A reshape or refine to the same shape → x."""
    (x,) = op.operands
    return x if x.type is op.results[0].type else None


@structural(CANONICAL, "reshape-reshape", "reshape", child=("reshape",))
def _reshape_twice(op: Op, b: Builder) -> Any:
    """A reshape of a reshape → one."""
    return b.reshape(op.operands[0].op.operands[0], op.attrs["shape"])  # type: ignore[union-attr]


@structural(CANONICAL, "reshape-broadcast", "reshape", child=("broadcast",))
def _reshape_broadcast(op: Op, b: Builder) -> Any:
    """A reshape that only adds or drops axes of size 1 goes into the broadcast below."""
    inner = op.operands[0].op
    assert inner is not None
    have, want = inner.attrs["shape"], op.attrs["shape"]
    place = squeezed_places(have, want)
    dims = inner.attrs["dims"]
    if place is None or any(d not in place for d in dims):
        return None
    return b("broadcast", inner.operands[0], shape=want, dims=tuple(place[d] for d in dims))


def squeezed_places(have: Sequence[DimLike], want: Sequence[DimLike]) -> dict[int, int] | None:
    """Where each axis not of size 1 goes, if the shapes differ by axes of size 1 only."""
    a = [i for i, n in enumerate(have) if n != 1]
    c = [i for i, n in enumerate(want) if n != 1]
    if [have[i] for i in a] != [want[i] for i in c]:
        return None
    return dict(zip(a, c))


@structural(CANONICAL, "refine-refine", "refine", child=("refine",))
def _refine_twice(op: Op, b: Builder) -> Any:
    """A refine of a refine → one."""
    return b("refine", op.operands[0].op.operands[0], shape=op.attrs["shape"])  # type: ignore[union-attr]


@structural(CANONICAL, "transpose-same", "transpose")
def _transpose_same(op: Op, b: Builder) -> Any:
    """A transpose that moves nothing → x; one that moves only axes of size 1 → reshape."""
    (x,), perm = op.operands, op.attrs["perm"]
    moved = [p for p in perm if x.type.shape[p] != 1]
    return b.reshape(x, op.results[0].type.shape) if moved == sorted(moved) else None


@structural(CANONICAL, "transpose-transpose", "transpose", child=("transpose",))
def _transpose_twice(op: Op, b: Builder) -> Any:
    """A transpose of a transpose → one, or none."""
    inner = op.operands[0].op
    assert inner is not None
    return b.transpose(inner.operands[0], [inner.attrs["perm"][p] for p in op.attrs["perm"]])


@structural(CANONICAL, "transpose-broadcast", "transpose", child=("broadcast",))
def _transpose_broadcast(op: Op, b: Builder) -> Any:
    """A transpose of a broadcast → the broadcast of the (smaller) operand transposed."""
    inner, perm = op.operands[0].op, op.attrs["perm"]
    assert inner is not None
    dims = [perm.index(d) for d in inner.attrs["dims"]]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    return b("broadcast", b.transpose(inner.operands[0], order), shape=op.results[0].type.shape,
             dims=tuple(dims[i] for i in order))  # fmt: skip


@structural(CANONICAL, "reverse-short", "reverse")
def _reverse_short(op: Op, b: Builder) -> Any:
    """Axes of size 1 need no reversing."""
    (x,), axes = op.operands, op.attrs["axes"]
    left = tuple(a for a in axes if x.type.shape[a] != 1)
    if len(left) == len(axes) and axes:
        return None
    return b("reverse", x, axes=left) if left else x


@structural(CANONICAL, "reverse-reverse", "reverse", child=("reverse",))
def _reverse_twice(op: Op, b: Builder) -> Any:
    """A reverse of a reverse → one over the axes that only one of them has."""
    inner = op.operands[0].op
    assert inner is not None
    axes = tuple(sorted(set(op.attrs["axes"]) ^ set(inner.attrs["axes"])))
    x = inner.operands[0]
    return b("reverse", x, axes=axes) if axes else x


@structural(CANONICAL, "reverse-broadcast", "reverse", child=("broadcast",))
def _reverse_broadcast(op: Op, b: Builder) -> Any:
    """Reversing an axis that a broadcast repeats changes nothing."""
    (x,), axes = op.operands, op.attrs["axes"]
    dims = x.op.attrs["dims"]  # type: ignore[union-attr]
    left = tuple(a for a in axes if a in dims)
    if left == axes:
        return None
    return b("reverse", x, axes=left) if left else x


def _hoistable(op: Op, name: str) -> list[Op | None] | None:
    """The makers of the operands, all `name`s of one source shape and the same attrs, or splats."""
    makers: list[Op | None] = []
    first: Op | None = None
    for v in op.operands:
        m = maker(v, name)
        if m is None:
            if splat(v) is None:
                return None
        elif first is None:
            first = m
        elif m.operands[0].type.shape != first.operands[0].type.shape or m.attrs != first.attrs:
            return None
        makers.append(m)
    return makers if first is not None else None


def _under(op: Op, b: Builder, name: str) -> Any:
    makers = _hoistable(op, name)
    if makers is None:
        return None
    outer = next(m for m in makers if m is not None)
    shape = outer.operands[0].type.shape
    ins = []
    for m, v in zip(makers, op.operands):
        if m is not None:
            ins.append(m.operands[0])
        else:
            ins.append(b.const(splat(v), v.type.with_shape(shape)))
    inner = b.make(op.opdef, tuple(ins), op.attrs).results[0]
    return b.make(outer.opdef, (inner,), outer.attrs).results[0]


@structural(CANONICAL, "elementwise-broadcast", *ELEMENTWISE, child=("broadcast",))
def _elementwise_broadcast(op: Op, b: Builder) -> Any:
    """f(broadcast(x), broadcast(y)) → broadcast(f(x, y)): computed once, not repeated."""
    return _under(op, b, "broadcast")


@structural(CANONICAL, "elementwise-reshape", *ELEMENTWISE, child=("reshape",))
def _elementwise_reshape(op: Op, b: Builder) -> Any:
    """f(reshape(x), reshape(y)) → reshape(f(x, y)), where x and y have one shape."""
    return _under(op, b, "reshape")


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


# -- casts and markers ----------------------------------------------------------------------------


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
