"""Batching: inputs get a leading batch axis, and only what depends on them is rebuilt."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence

from ..ir.build import Builder
from ..ir.core import Block, Op, Value, reachable
from ..ir.dims import DimLike

# results, which of them are batched, and the ops of theirs that have effects
Batched = tuple[Sequence[Value], Sequence[bool], Sequence[Op]]
RegionRule = Callable[[Builder, Op, Sequence[Value], Sequence[bool], DimLike], Batched]
REGIONS: dict[str, RegionRule] = {}
Env = dict[int, tuple[Value, bool]]
LANES = "batch(guard)"  # made_by of the reduction that makes one guard of a vector of them


def batch(
    outputs: Sequence[Value],
    inputs: Sequence[Value],
    batched: Sequence[Value],
    size: DimLike,
    *,
    since: int = -1,
    effects: MutableSequence[Op] | None = None,
) -> list[tuple[Value, bool]]:
    """`outputs` where each of `inputs` is replaced by a value with a leading axis of `size`.

    Each output comes with whether it has the new axis; one that does not depend on the inputs is
    returned as it is. `since`: a serial number before which nothing depends on the inputs.
    `effects`: the ops with effects that belong to the graph (guards …); those that depend on the
    inputs are replaced in this list by their batched counterparts.

    >>> from ..ir.types import scalar, tensor
    >>> b = Builder()
    >>> x, xs = Value(scalar("f64")), Value(tensor("f64", (5,)))
    >>> batch([b("exp", x)], [x], [xs], 5)
    [(<%?: f64[5] = exp>, True)]
    """
    env = {id(v): (new, True) for v, new in zip(inputs, batched)}
    return substitute(outputs, inputs, env, size, since, effects)


def inline(
    body: Block,
    args: Sequence[Value],
    flags: Sequence[bool],
    size: DimLike,
    effects: MutableSequence[Op],
    lanes: Value,
) -> list[tuple[Value, bool]]:
    """The results of a block on arguments, batched or not, as straight-line code.

    Only the examples in the bool vector `lanes` want them: the others' indices are not checked.
    """
    env = {id(p): (a, f) for p, a, f in zip(body.params, args, flags)}
    return substitute(body.results, body.params, env, size, -1, effects, lanes)


def substitute(
    outputs: Sequence[Value],
    stop: Sequence[Value],
    env: Env,
    size: DimLike,
    since: int,
    effects: MutableSequence[Op] | None,
    lanes: Value | None = None,
) -> list[tuple[Value, bool]]:
    """The engine: rebuild what depends on the values in `env`."""
    roots = list(outputs)
    extra = {}
    for e in effects or ():
        roots += e.operands
        extra[id(e)] = e
    ops = reachable(roots, stop, since)
    if extra:
        have = {id(op) for op in ops}
        ops += [e for e in extra.values() if id(e) not in have]
        ops.sort(key=lambda op: op.serial)
    kept: list[Op] = []
    b = Builder()
    for op in ops:
        found = [env.get(id(v)) for v in op.operands]
        if not any(found):
            if id(op) in extra:
                kept.append(op)
            continue
        ins = [v if f is None else f[0] for v, f in zip(op.operands, found)]
        flags = [f is not None and f[1] for f in found]
        b.loc, b.made_by = op.loc, f"batch({op.opdef.name})"
        if lanes is not None and "raises" in op.opdef.props:
            index = ins[0] if flags[0] else b.broadcast_front(ins[0], size)
            wanted = b.broadcast(lanes, index.type.shape, (0,))
            ins, flags = [b.select(wanted, index, b.zeros(index.type))], [True]
        results, outs, effs = _rebuild(b, op, ins, flags, size)
        for r, v, flag in zip(op.results, results, outs):
            env.setdefault(id(r), (v, flag))
        if id(op) in extra:
            kept += effs
    if effects is not None:
        effects[:] = kept
    return [env.get(id(v), (v, False)) for v in outputs]


def _rebuild(
    b: Builder, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> Batched:
    row = op.opdef
    if not any(flags):
        made = b.make(row, tuple(ins), op.attrs, op.regions)
        return made.results, (False,) * len(made.results), [made]
    if row.name in REGIONS:
        return REGIONS[row.name](b, op, ins, flags, size)
    if row.name == "guard":  # every lane must have the value that was seen
        expect = op.attrs["expect"]
        b.made_by = LANES
        p = b("all" if expect else "any", ins[0], axes=(0,))
        return (), (), [b.make(row, (p,), op.attrs)]
    assert row.batch is not None, row.name
    out = row.batch(b, op, ins, flags, size)
    return out, (True,) * len(out), ()
