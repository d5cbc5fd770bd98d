"""Regions in every transform: `call` and `cond` (loops have a file of their own).

The derivative of a call is a call of the callee's derivative, made once a combination of active
arguments and kept in the callee's cache; it computes the primal again, which inlining and common
subexpressions merge with the call that was there. The derivative of a cond is a cond on the same
predicate. Masks of cotangents pass through both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import local
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value, block, function
from ..ir.dims import DimLike
from .batch import LANES, Batched, batch, inline
from .batch import REGIONS as BATCH
from .forms import conform, flatten, form, join, kind, placeholders, unflatten
from .jvp import REGIONS as JVP
from .jvp import pushforward
from .vjp import REGIONS as VJP
from .vjp import Maybe, backward, pullback


def has_effect(op: Op) -> bool:
    """Whether an op, or anything in its regions or callee, has an effect."""
    stack, seen = [op], set()
    while stack:
        op = stack.pop()
        if op.opdef.effect:
            return True
        if op.opdef.family != "control":
            continue
        for r in op.regions:
            stack.extend(r.ops)
        callee = op.attrs.get("callee")
        if callee is not None and id(callee) not in seen:
            seen.add(id(callee))
            known = callee.cache.get("has_effect")  # a callee derived before was asked already
            if known:
                return True
            if known is None:
                stack.extend(callee.ops)
    return False


def effects_of(body: Block) -> list[Op]:
    """The ops of a block that stay even where nothing needs their results."""
    return [op for op in body.ops if has_effect(op)]


def _chosen(values: Sequence[Value], flags: Sequence[bool]) -> list[Value]:
    return [v for v, f in zip(values, flags) if f]


def _spread(flags: Sequence[bool], found: Sequence[Any]) -> list[Any]:
    """`found` at the places of `flags`, None elsewhere."""
    rest = iter(found)
    return [next(rest) if f else None for f in flags]


def _variant(fn: Function, what: str) -> str:
    """A name for one more function derived from `fn`."""
    n = fn.cache[f"#{what}"] = fn.cache.get(f"#{what}", 0) + 1
    return f"{fn.name}_{what}" + (str(n) if n > 1 else "")


def _derived(
    fn: Function, what: str, extra: Sequence[Value], results: Sequence[Value], effects: Any = None
) -> Function:
    return _note(function(
        _variant(fn, what), [*fn.params, *extra], results,
        effects_of(fn.body) if effects is None else effects,
        [*fn.layouts, *["c"] * len(extra)],
    ))  # fmt: skip


def _note(fn: Function) -> Function:
    """Notes whether `fn` has an effect: its callees have been asked, so this stays cheap."""
    fn.cache["has_effect"] = any(map(has_effect, fn.ops))
    return fn


class _Deeper(Exception):
    """A callee's derivative is needed first; calls are nested too deep to make it right here."""

    def __init__(self, *want: Any) -> None:
        self.want = want


_nesting = local()  # .depth: how many derived functions are being made inside each other
_DEEP = 16


def once(fn: Function, key: Any, make: Callable[[], Any]) -> Any:
    """`fn.cache[key]`, made at the first need.

    Making it may need the same of what `fn` calls. Nests deeper than `_DEEP` are made from the
    inside out, so that their depth does not meet Python's recursion limit: the attempt is given
    up, what it lacked is made, and then it finds that in the cache.
    """
    if key in fn.cache:
        return fn.cache[key]
    depth = getattr(_nesting, "depth", 0)
    if depth == _DEEP:
        raise _Deeper(fn, key, make)
    todo = [(fn, key, make)]
    while todo:
        owner, name, build = todo[-1]
        _nesting.depth = depth + 1
        try:
            owner.cache[name] = build()
            todo.pop()
        except _Deeper as deeper:
            if depth:
                raise
            todo.append(deeper.want)
        finally:
            _nesting.depth = depth
    return fn.cache[key]


def _inexact(values: Iterable[Value]) -> list[bool]:
    return [v.type.dtype.inexact for v in values]


# -- whole functions ------------------------------------------------------------------------------


def vjp(fn: Function) -> Function:
    """(params, cotangents of inexact results) -> (results, cotangents of inexact params).

    Made once and kept in `fn.cache`. Raises `NotDifferentiableError`.
    """
    found = fn.cache.get("vjp")
    if found is None:
        b = Builder(made_by=f"vjp({fn.name})")
        outs = _chosen(fn.results, _inexact(fn.results))
        ins = _chosen(fn.params, _inexact(fn.params))
        cts = [Value(v.type, name=v.name and f"d{v.name}") for v in outs]
        got = pullback(outs, cts, ins)
        grads = [b.zeros(v.type) if g is None else g for v, g in zip(ins, got)]
        found = fn.cache["vjp"] = _derived(fn, "vjp", cts, [*fn.results, *grads])
    return found


def jvp(fn: Function) -> Function:
    """(params, tangents of inexact params) -> (results, tangents of inexact results).

    Made once and kept in `fn.cache`. Raises `NotDifferentiableError`.
    """
    found = fn.cache.get("jvp")
    if found is None:
        b = Builder(made_by=f"jvp({fn.name})")
        ins = _chosen(fn.params, _inexact(fn.params))
        outs = _chosen(fn.results, _inexact(fn.results))
        tans = [Value(v.type, name=v.name and f"d{v.name}") for v in ins]
        got = pushforward(outs, ins, tans)
        dots = [b.zeros(v.type) if g is None else g for v, g in zip(outs, got)]
        found = fn.cache["jvp"] = _derived(fn, "jvp", tans, [*fn.results, *dots])
    return found


def batched(fn: Function, flags: Sequence[bool], size: DimLike) -> Function:
    """`fn` with a leading axis of `size` on the parameters that `flags` names and on all results.

    Made once a combination and kept in `fn.cache`.
    """
    key = ("batched", tuple(flags), size)
    found = fn.cache.get(key)
    if found is None:
        inner, out_flags = _batched(fn, tuple(flags), size)
        b = Builder(made_by=f"batch({fn.name})")
        full = [r if f else b.broadcast_front(r, size) for r, f in zip(inner.results, out_flags)]
        found = inner
        if not all(out_flags):
            found = function(inner.name + "_full", inner.params, full, effects_of(inner.body),
                             inner.layouts)  # fmt: skip
        fn.cache[key] = found
    return found


def _batched(
    fn: Function, flags: tuple[bool, ...], size: DimLike
) -> tuple[Function, tuple[bool, ...]]:
    """`fn` batched, and which of its results have the new axis."""

    def make() -> tuple[Function, tuple[bool, ...]]:
        body, out_flags = batch_block(fn.body, flags, size)
        return _note(Function(_variant(fn, "batch"), body, fn.layouts)), out_flags

    return once(fn, ("batch", flags, size), make)


def batch_block(
    body: Block, flags: Sequence[bool], size: DimLike
) -> tuple[Block, tuple[bool, ...]]:
    """A block with batched parameters, and which of its results came out batched."""
    params = [
        Value(p.type.with_shape((size, *p.type.shape)), name=p.name) if f else p
        for p, f in zip(body.params, flags)
    ]
    effects = effects_of(body)
    outs = batch(
        body.results, _chosen(body.params, flags), _chosen(params, flags), size, effects=effects
    )
    return block(params, [v for v, _ in outs], effects), tuple([f for _, f in outs])


# -- call -----------------------------------------------------------------------------------------


def _call_vjp(b: Builder, op: Op, seeds: Sequence[Maybe], flags: Sequence[bool]) -> list[Maybe]:
    fn: Function = op.attrs["callee"]
    kinds = tuple([kind(s) for s in seeds])

    def make() -> tuple[Function, list[int]]:
        cts = placeholders(kinds, fn.results)
        got = backward(fn.results, cts, _chosen(fn.params, flags))
        return _derived(fn, "bwd", flatten(cts), flatten(got)), [kind(c) for c in got]

    callee, out_kinds = once(fn, ("bwd", tuple(flags), kinds), make)
    made_op = b.op("call", *op.operands, *flatten(seeds), callee=callee)
    return _spread(flags, unflatten(out_kinds, made_op.results))


def _call_jvp(b: Builder, op: Op, tangents: Sequence[Value | None]) -> list[Value | None]:
    fn: Function = op.attrs["callee"]
    flags = tuple([t is not None for t in tangents])

    def make() -> tuple[Function, list[bool]]:
        ins = _chosen(fn.params, flags)
        tans = [Value(v.type) for v in ins]
        got = pushforward(fn.results, ins, tans)
        made = _derived(fn, "fwd", tans, [g for g in got if g is not None])
        return made, [g is not None for g in got]

    callee, there = once(fn, ("fwd", flags), make)
    made_op = b.op("call", *op.operands, *(t for t in tangents if t is not None), callee=callee)
    return _spread(there, made_op.results)


def _call_batch(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Batched:
    fn, out_flags = _batched(op.attrs["callee"], tuple(flags), size)
    made = b.op("call", *ins, callee=fn)
    return made.results, out_flags, [made]


# -- cond -----------------------------------------------------------------------------------------


def _cond_vjp(b: Builder, op: Op, seeds: Sequence[Maybe], flags: Sequence[bool]) -> list[Maybe]:
    active = flags[1:]
    kinds = [kind(s) for s in seeds]
    pulled = []
    for region in op.regions:
        cts = placeholders(kinds, region.results)
        ins = _chosen(region.params, active)
        pulled.append((region, cts, ins, backward(region.results, cts, ins)))
    inner = Builder(b.loc, b.made_by)  # what it makes stands inside the branches
    # an argument's cotangent has a mask where it has one in every branch that it comes from
    out_kinds = []
    for pair in zip(*(got for *_, got in pulled)):
        out_kinds.append(join(*map(form, pair)))
    blocks = []
    for region, cts, ins, got in pulled:
        results = [conform(inner, c, k, v) for c, k, v in zip(got, out_kinds, ins)]
        blocks.append(block([*region.params, *flatten(cts)], flatten(results), effects_of(region)))
    if not any(out_kinds):
        return [None] * len(flags)
    made = b.op("cond", *op.operands, *flatten(seeds), regions=tuple(blocks))
    return [None, *_spread(active, unflatten(out_kinds, made.results))]


def _cond_jvp(b: Builder, op: Op, tangents: Sequence[Value | None]) -> list[Value | None]:
    flags = [t is not None for t in tangents[1:]]
    pushed = []
    for region in op.regions:
        ins = _chosen(region.params, flags)
        tans = [Value(v.type) for v in ins]
        pushed.append((region, tans, pushforward(region.results, ins, tans)))
    there = [any(d is not None for d in ds) for ds in zip(*(got for *_, got in pushed))]
    if not any(there):
        return [None] * len(op.results)
    inner, blocks = Builder(b.loc, b.made_by), []
    for region, tans, got in pushed:
        results = [inner.zeros(r.type) if d is None else d
                   for r, d, w in zip(region.results, got, there) if w]  # fmt: skip
        blocks.append(block([*region.params, *tans], results, effects_of(region)))
    seeds = [t for t in tangents[1:] if t is not None]
    made = b.op("cond", *op.operands, *seeds, regions=tuple(blocks))
    return _spread(there, made.results)


def _cond_batch(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Batched:
    if flags[0]:
        return _cond_select(b, op, ins, flags, size)
    pairs = [batch_block(r, flags[1:], size) for r in op.regions]
    out_flags = tuple([any(f) for f in zip(*(fs for _, fs in pairs))])
    regions = tuple([match_flags(b, r, fs, out_flags, size) for r, fs in pairs])
    made = b.op("cond", *ins, regions=regions)
    return made.results, out_flags, [made]


def match_flags(
    b: Builder, body: Block, have: Sequence[bool], want: Sequence[bool], size: DimLike
) -> Block:
    """The block with the results that `want` names batched, though they do not vary."""
    if tuple(have) == tuple(want):
        return body
    results = [
        b.broadcast_front(v, size) if w and not h else v
        for v, h, w in zip(body.results, have, want)
    ]
    return block(body.params, results, effects_of(body))


def _cond_select(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Batched:
    """Every lane has its own predicate: both branches, and the lanes chosen."""
    pred, args = ins[0], ins[1:]
    outs, effects = [], []
    for region, taken in zip(op.regions, (pred, b("not", pred))):
        kept = effects_of(region)
        # unbatched arguments are substituted too: the region becomes straight-line code
        outs.append(inline(region, args, flags[1:], size, kept, taken))
        for e in kept:
            effects += _guard_lanes(b, e, taken)
    results = []
    for (v, fv), (w, fw) in zip(*outs):
        v = v if fv else b.broadcast_front(v, size)
        w = w if fw else b.broadcast_front(w, size)
        results.append(b.select(b.broadcast(pred, v.type.shape, (0,)), v, w))
    return tuple(results), (True,) * len(results), effects


def _guard_lanes(b: Builder, effect: Op, taken: Value) -> list[Op]:
    """A guard inside a branch holds for the lanes that take the branch."""
    if effect.opdef.name != "guard":
        return [effect]
    (p,) = effect.operands
    attrs = dict(effect.attrs)
    source = p.op
    if source is not None and source.opdef.name in ("any", "all") and source.made_by == LANES:
        p = source.operands[0]
    else:
        p = b.broadcast(p, taken.type.shape, ())
    ok = p if attrs["expect"] else b("not", p)
    every = Builder(b.loc, LANES)("all", b("or", ok, b("not", taken)), axes=(0,))
    return [b.op("guard", every, expect=True, message=attrs["message"])]


VJP |= {"call": _call_vjp, "cond": _cond_vjp}
JVP |= {"call": _call_jvp, "cond": _cond_jvp}
BATCH |= {"call": _call_batch, "cond": _cond_batch}
