"""Structural rules of slices, pads and joins: lifted, merged, cancelled."""

from __future__ import annotations

from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import DimLike, nonnegative
from ..fold import is_number, splat
from ..match import RuleSet, structural
from .canonical import maker, squeezed_places

SLICES: RuleSet = []


@structural(SLICES, "slice-all", "slice")
def _slice_all(op: Op, b: Builder) -> Any:
    """x[:] → x."""
    (x,), a = op.operands, op.attrs
    whole = all(
        lo == 0 and hi == n and s == 1
        for lo, hi, s, n in zip(a["starts"], a["stops"], a["steps"], x.type.shape)
    )
    return x if whole and x.type is op.results[0].type else None


@structural(SLICES, "slice-slice", "slice", child=("slice",))
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


@structural(SLICES, "slice-pad", "slice", child=("pad",))
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


@structural(SLICES, "slice-concatenate", "slice", child=("concatenate",))
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


@structural(SLICES, "slice-broadcast", "slice", child=("broadcast",))
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


@structural(SLICES, "slice-reverse", "slice", child=("reverse",))
def _slice_reverse(op: Op, b: Builder) -> Any:
    """A slice of a reversed tensor → the reverse of a slice."""
    inner, a = op.operands[0].op, op.attrs
    assert inner is not None
    (x,), axes = inner.operands, inner.attrs["axes"]
    if any(a["steps"][k] != 1 for k in axes):
        return None
    starts, stops = list(a["starts"]), list(a["stops"])
    for k in axes:
        n = x.type.shape[k]
        starts[k], stops[k] = n - a["stops"][k], n - a["starts"][k]
    small = b("slice", x, starts=tuple(starts), stops=tuple(stops), steps=a["steps"])
    made = b("reverse", small, axes=axes)
    return made if made.type is op.results[0].type else None


@structural(SLICES, "slice-transpose", "slice", child=("transpose",))
def _slice_transpose(op: Op, b: Builder) -> Any:
    """A slice of a transposed tensor → the transpose of a slice."""
    inner = op.operands[0].op
    assert inner is not None
    perm = inner.attrs["perm"]
    back = sorted(range(len(perm)), key=perm.__getitem__)
    small = b("slice", inner.operands[0],
              **{k: tuple(v[i] for i in back) for k, v in op.attrs.items()})  # fmt: skip
    return b.transpose(small, perm)


@structural(SLICES, "slice-inside-pad", "slice", child=("pad",))
def _slice_inside_pad(op: Op, b: Builder) -> Any:
    """A slice of a pad → a smaller pad of a slice, or neither, where the places can be told."""
    pad, a = op.operands[0].op, op.attrs
    assert pad is not None
    x, value = pad.operands
    lo, hi, starts, stops = [], [], [], []
    less = False
    for n, p, q, gap, start, stop, step in zip(
        x.type.shape, pad.attrs["lo"], pad.attrs["hi"], pad.attrs["interior"],
        a["starts"], a["stops"], a["steps"],
    ):  # fmt: skip
        if gap or step != 1:
            return None
        first, last = start - p, stop - p  # in x's own numbers
        if nonnegative(-last) or nonnegative(first - n):
            return b.broadcast(value, op.results[0].type.shape, ())
        before = first if nonnegative(first) else 0 if nonnegative(-first) else None
        behind = n - last if nonnegative(n - last) else 0 if nonnegative(last - n) else None
        if before is None or behind is None or not nonnegative(n - before - behind):
            return None
        starts.append(before)
        stops.append(n - behind)
        lo.append(before - first)
        hi.append(last - n + behind)
        less = less or lo[-1] != p or hi[-1] != q
    if not less:
        return None
    small = b("slice", x, starts=tuple(starts), stops=tuple(stops), steps=a["steps"])
    made = b("pad", small, value, lo=tuple(lo), hi=tuple(hi), interior=pad.attrs["interior"])
    return made if made.type is op.results[0].type else None


@structural(SLICES, "slice-some-parts", "slice", child=("concatenate",))
def _slice_some_parts(op: Op, b: Builder) -> Any:
    """A slice of a concatenate → of the parts that it touches."""
    cat = op.operands[0].op
    assert cat is not None
    axis = cat.attrs["axis"]
    lo, hi = op.attrs["starts"][axis], op.attrs["stops"][axis]
    kept: list[Value] = []
    at: DimLike = 0
    cut: DimLike = 0
    for part in cat.operands:
        end = at + part.type.shape[axis]
        if nonnegative(lo - end):
            cut = end
        elif not nonnegative(at - hi):
            kept.append(part)
        at = end
    if len(kept) == len(cat.operands) or len(kept) < 2:
        return None
    starts, stops = list(op.attrs["starts"]), list(op.attrs["stops"])
    starts[axis], stops[axis] = lo - cut, hi - cut
    made = b("slice", b("concatenate", *kept, axis=axis), starts=tuple(starts),
             stops=tuple(stops), steps=op.attrs["steps"])  # fmt: skip
    return made if made.type is op.results[0].type else None


@structural(SLICES, "slice-squeeze", "slice", child=("reshape",))
def _slice_squeeze(op: Op, b: Builder) -> Any:
    """A slice of a reshape that only adds axes of size 1 → the reshape of a slice."""
    inner, a = op.operands[0].op, op.attrs
    assert inner is not None
    x, shape = inner.operands[0], inner.attrs["shape"]
    places = squeezed_places(shape, x.type.shape)
    if places is None or x.type.rank >= len(shape):
        return None
    starts, stops = [0] * x.type.rank, list(x.type.shape)
    steps = [1] * x.type.rank
    for k, n in enumerate(shape):
        if n == 1:
            if a["starts"][k] != 0 or a["stops"][k] != 1:
                return None
        else:
            i = places[k]
            starts[i], stops[i], steps[i] = a["starts"][k], a["stops"][k], a["steps"][k]
    small = b("slice", x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    return b.reshape(small, op.results[0].type.shape)


@structural(SLICES, "pad-nothing", "pad")
def _pad_nothing(op: Op, b: Builder) -> Any:
    """A pad by nothing → x; by its own constant → that constant."""
    (x, value), a = op.operands, op.attrs
    if x.type is op.results[0].type and all(n == 0 for k in ("lo", "hi", "interior") for n in a[k]):
        return x
    s = splat(value)
    if s is not None and is_number(splat(x), s):
        return b.const(s, op.results[0].type)
    return None


@structural(SLICES, "pad-pad", "pad", child=("pad",))
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


@structural(SLICES, "concatenate-parts", "concatenate")
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


@structural(SLICES, "concatenate-slices", "concatenate", child=("slice",))
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


@structural(SLICES, "concatenate-equal", "concatenate", child=("constant", "broadcast"))
def _concatenate_equal(op: Op, b: Builder) -> Any:
    """Neighbours that are one number in every element → one part."""
    axis = op.attrs["axis"]
    parts: list[Value] = []
    for v in op.operands:
        if parts and (s := splat(v)) is not None and is_number(splat(parts[-1]), s):
            shape = list(v.type.shape)
            shape[axis] = shape[axis] + parts[-1].type.shape[axis]
            parts[-1] = b.const(s, v.type.with_shape(tuple(shape)))
        else:
            parts.append(v)
    if len(parts) == len(op.operands):
        return None
    return parts[0] if len(parts) == 1 else b("concatenate", *parts, axis=axis)


@structural(SLICES, "concatenate-same", "concatenate")
def _concatenate_same(op: Op, b: Builder) -> Any:
    """One part of size 1 along the axis, over and over → its broadcast."""
    first, axis = op.operands[0], op.attrs["axis"]
    if first.type.shape[axis] != 1 or any(v is not first for v in op.operands):
        return None
    if len(op.operands) == 1:
        return first
    return b.broadcast(first, op.results[0].type.shape, range(first.type.rank))


@structural(SLICES, "concatenate-transpose", "concatenate", "pad", child=("transpose",))
def _concatenate_transpose(op: Op, b: Builder) -> Any:
    """Transposes by one permutation, joined or padded → the transpose of what is joined."""
    name = op.opdef.name
    tensors = op.operands[: None if name == "concatenate" else 1]
    makers = [maker(v, "transpose") for v in tensors]
    first = makers[0]
    if first is None or any(m is None or m.attrs != first.attrs for m in makers):
        return None
    perm = first.attrs["perm"]
    inner = [m.operands[0] for m in makers if m is not None]
    if name == "concatenate":
        made = b(name, *inner, axis=perm[op.attrs["axis"]])
    else:
        back = sorted(range(len(perm)), key=perm.__getitem__)
        made = b(name, *inner, op.operands[1],
                 **{k: tuple(v[i] for i in back) for k, v in op.attrs.items()})  # fmt: skip
    return b.transpose(made, perm)
