"""`scan` in every transform.

Forward: one scan over carries and tangents. Reverse: an *augmented* scan, then a scan the other
way. The augmented scan has the parameters and the very ops of the original body; its results are
those of the original, then the carries that the step began with (those that are needed), stacked as
further outputs. So a pass can replace the original by it: same operands, same body, a longer list
of results. The reverse scan runs the pullback of the body on those carries, recomputing the step
inside; its carries are the cotangents of the carries, then the running cotangents of the constants;
its stacked outputs are the cotangents of the stacked inputs. Masks are carried along where
cotangents have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Op, Value, block
from ..ir.dims import DimLike
from .batch import REGIONS as BATCH
from .batch import Batched
from .forms import conform, flatten, form, join, placeholders, unflatten
from .jvp import REGIONS as JVP
from .jvp import pushforward
from .masks import merge
from .regions import batch_block, effects_of, match_flags
from .vjp import REGIONS as VJP
from .vjp import Maybe, active_path, backward


class Loop:
    """A scan taken apart."""

    def __init__(self, op: Op) -> None:
        (self.body,) = op.regions
        self.op = op
        self.nk, self.nc = op.attrs["consts"], op.attrs["carries"]
        self.length, self.reverse = op.attrs["length"], op.attrs["reverse"]

    def split(self, items: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Operands, or parameters of the body, as constants, carries, stacked inputs."""
        m = self.nk + self.nc
        return items[: self.nk], items[self.nk : m], items[m:]

    def active(self, flags: Sequence[bool]) -> tuple[list[bool], set[int]]:
        """Which parameters of the body are active, given which operands are; and which values."""
        now = list(flags)
        while True:
            ids = {id(p) for p, f in zip(self.body.params, now) if f}
            active_path(self.body.ops, ids)
            new = list(now)
            for j, r in enumerate(self.body.results[: self.nc]):
                new[self.nk + j] = now[self.nk + j] or id(r) in ids
            if new == now:
                return now, ids
            now = new

    def make(
        self, b: Builder, body: Block, consts: Sequence[Value], carries: Sequence[Value],
        xs: Sequence[Value], back: bool = False,
    ) -> Op:  # fmt: skip
        """Another scan of the same length; `back` runs it the other way."""
        return b.op(
            "scan", *consts, *carries, *xs, regions=(body,), length=self.length,
            carries=len(carries), consts=len(consts), reverse=self.reverse is not back,
        )  # fmt: skip


def _some(values: Sequence[Value | None]) -> list[Value]:
    return [v for v in values if v is not None]


def _scan_jvp(b: Builder, op: Op, tangents: Sequence[Value | None]) -> list[Value | None]:
    loop = Loop(op)
    body, nc = loop.body, loop.nc
    flags, _ = loop.active([t is not None for t in tangents])
    duals = [Value(p.type) if f else None for p, f in zip(body.params, flags)]
    ins = [p for p, f in zip(body.params, flags) if f]
    got = pushforward(body.results, ins, _some(duals))
    inner = Builder(b.loc, b.made_by)  # what it makes stands inside the step
    # a carry that is active has a tangent in every step, be it zero
    dots = [
        inner.zeros(r.type) if d is None and j < nc and flags[loop.nk + j] else d
        for j, (r, d) in enumerate(zip(body.results, got))
    ]
    operands = [
        b.zeros(v.type) if t is None and f else t for v, t, f in zip(op.operands, tangents, flags)
    ]
    params: list[Value] = []
    args: list[list[Value]] = []
    for own, dual, values, tans in zip(
        loop.split(body.params), loop.split(duals), loop.split(op.operands), loop.split(operands)
    ):
        params += [*own, *_some(dual)]
        args.append([*values, *_some(tans)])
    results = [*body.results[:nc], *_some(dots[:nc]), *body.results[nc:], *_some(dots[nc:])]
    consts, carries, xs = args
    made = loop.make(b, block(params, results, effects_of(body)), consts, carries, xs)
    ndc = len(_some(dots[:nc]))
    rest = iter([*made.results[nc : nc + ndc], *made.results[ndc + len(body.results) :]])
    return [None if d is None else next(rest) for d in dots]


def _scan_vjp(b: Builder, op: Op, seeds: Sequence[Maybe], flags: Sequence[bool]) -> list[Maybe]:
    loop = Loop(op)
    body, nk, nc = loop.body, loop.nk, loop.nc
    act, ids = loop.active(flags)
    params, results = body.params, body.results
    wrt = [p for p, f in zip(params, act) if f]
    cots = [s if id(r) in ids or (j < nc and act[nk + j]) else None
            for j, (r, s) in enumerate(zip(results, seeds))]  # fmt: skip
    # what form the cotangent of each carry has after any number of steps back
    forms = [form(s) for s in cots]
    while True:
        cts = placeholders(forms, results)
        found = dict(zip(map(id, wrt), backward(results, cts, wrt)))
        got = [found.get(id(p)) for p in params]
        new = list(forms)
        for j in range(nc):
            new[j] = join(forms[j], form(got[nk + j]))
        if new == forms:
            break
        forms = new
    ct_k, ct_c, ct_x = loop.split(got)
    inner = Builder(b.loc, b.made_by)  # what it makes stands inside the step
    # the running cotangents of constants
    acc_forms = [form(c) for c in ct_k]
    accs = placeholders(acc_forms, params[:nk])
    sums = [None if a is None or c is None else merge(inner, a, c) for a, c in zip(accs, ct_k)]
    out_c = [conform(inner, c, f, p) for c, f, p in zip(ct_c, forms, params[nk:])]
    out_k = [conform(inner, c, f, p) for c, f, p in zip(sums, acc_forms, params)]
    x_forms = [form(c) for c in ct_x]
    out_x = [conform(inner, c, f, p) for c, f, p in zip(ct_x, x_forms, params[nk + nc :])]
    outs = [*flatten(out_c), *flatten(out_k), *flatten(out_x)]

    probe = block([*params, *flatten(cts), *flatten(accs)], outs)
    used = {id(v) for o in probe.ops for v in o.operands} | {id(v) for v in outs}
    p_k, p_c, p_x = ([p for p in part if id(p) in used] for part in loop.split(params))
    by_param = dict(zip(map(id, params), op.operands))
    saved: Sequence[Value] = ()
    if p_c:
        augmented = Block(params, body.ops, (*results, *p_c))
        more = loop.make(b, augmented, *loop.split(op.operands))
        saved = more.results[len(results) :]
    step = [*p_k, *flatten(cts[:nc]), *flatten(accs), *p_x, *p_c, *flatten(cts[nc:])]
    carries = [conform(b, s, f, r) for s, f, r in zip(cots, forms, results[:nc])]
    starts = [conform(b, None, f, p) for f, p in zip(acc_forms, params)]
    ys = [None if s is None else conform(b, s, f, r)
          for s, f, r in zip(cots[nc:], forms[nc:], op.results[nc:])]  # fmt: skip
    made = loop.make(
        b, block(step, outs), [by_param[id(p)] for p in p_k], [*flatten(carries), *flatten(starts)],
        [*(by_param[id(p)] for p in p_x), *saved, *flatten(ys)], back=True,
    )  # fmt: skip
    ends = unflatten([*forms[:nc], *acc_forms, *x_forms], made.results)
    mine = [*ends[nc : nc + nk], *ends[:nc], *ends[nc + nk :]]
    return [c if f else None for c, f in zip(mine, flags)]


def _scan_batch(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Batched:
    loop = Loop(op)
    nk, nc = loop.nk, loop.nc
    now = list(flags)
    while True:
        body, outs = batch_block(loop.body, now, size)
        new = [*now[:nk], *(f or g for f, g in zip(now[nk:], outs[:nc])), *now[nk + nc :]]
        if new == now:
            break
        now = new
    want = (*now[nk : nk + nc], *outs[nc:])
    body = match_flags(b, body, outs, want, size)
    args = []
    for i, (v, f, g) in enumerate(zip(ins, flags, now)):
        if f and i >= nk + nc:
            v = _swap(b, v)
        elif g and not f:
            v = b.broadcast_front(v, size)
        args.append(v)
    made = loop.make(b, body, *loop.split(args))
    results = [
        _swap(b, r) if f and j >= nc else r for j, (r, f) in enumerate(zip(made.results, want))
    ]
    return results, want, [made]


def _swap(b: Builder, v: Value) -> Value:
    """The batch axis and the steps' axis change places."""
    return b.transpose(v, (1, 0, *range(2, v.type.rank)))


VJP["scan"] = _scan_vjp
JVP["scan"] = _scan_jvp
BATCH["scan"] = _scan_batch
