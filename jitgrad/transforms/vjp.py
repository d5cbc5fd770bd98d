"""Reverse mode: one backward engine for pullbacks and for transposing linear code.

The active operations are walked in reverse. Elementwise: the row's derivative term with t the
cotangent (the map is diagonal, its own transpose). Linear and bilinear: the row's transpose. Rows
with a JVP rule only: the rule is applied to placeholder tangents and the linear operations it made
are walked by this same engine. Regions: `regions.py`. Zeros are symbolic (None) throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import NotDifferentiableError, at
from ..ir.build import Builder
from ..ir.core import Op, Value, reachable, serial
from ..ir.ops import TABLE
from ..ir.types import BOOL, tensor
from .masks import Cotangent, Maker, Rule, both, merge, rule, solid, steep

Maybe = Cotangent | None
# (b, op, cotangents of the results, which operands are active) -> cotangents of the operands
RegionRule = Callable[[Builder, Op, "Sequence[Maybe]", "Sequence[bool]"], "Sequence[Maybe]"]
REGIONS: dict[str, RegionRule] = {}

# rows whose transpose leaves elements without a cotangent
_PARTIAL = frozenset(
    TABLE[n]
    for n in ("slice", "gather", "take_along", "dynamic_slice", "scatter", "dynamic_update_slice")
)
_made_by: dict[str, str] = {}


def not_differentiable(op: Op) -> NotDifferentiableError:
    """The error for an op without a derivative, with the user's line."""
    why = op.opdef.nondiff or "it has no rule"
    return NotDifferentiableError(at(f"{op.opdef.name} has no derivative: {why}", op.loc))


def active_path(ops: Sequence[Op], active: set[int]) -> list[Op]:
    """The ops that carry a derivative, in order; their active results are added to `active`."""
    path = []
    for op in ops:
        for v in op.operands:
            if id(v) in active:
                break
        else:
            continue
        row = op.opdef
        deriv = row.deriv
        if deriv.__class__ is tuple and all(
            d is None or id(v) not in active for d, v in zip(deriv, op.operands)
        ):
            continue
        found = False
        for r in op.results:
            if r.type.dtype.kind in "fc":
                active.add(id(r))
                found = True
        if found:
            path.append(op)
    return path


def pullback(
    outputs: Sequence[Value],
    cotangents: Sequence[Value | None],
    wrt: Sequence[Value],
    *,
    since: int = -1,
) -> list[Value | None]:
    """Cotangents of `wrt`, given those of `outputs`; None stands for zero, both ways.

    A cotangent has the type of its value. Values of `wrt` may be parameters or results of any op
    (`identity` makes a fresh one); what lies between `wrt` and what they are made from is not
    looked at. `since` is a serial number before which nothing depends on `wrt`.

    Raises `NotDifferentiableError`, naming the user's line, where an operation on the path has no
    derivative.

    >>> from ..ir.build import Builder
    >>> from ..ir.types import scalar
    >>> b = Builder()
    >>> x = Value(scalar("f64"), name="x")
    >>> y = b("exp", x)
    >>> pullback([y], [b.const(1, y.type)], [x])
    [<%?: f64 = mul>]
    """
    b = Builder()
    cts = [None if c is None else Cotangent(c) for c in cotangents]
    found = backward(outputs, cts, wrt, since)
    b.made_by = "vjp(select)"
    out: list[Value | None] = []
    for c in found:
        if c is not None and c.value.op is not None:
            b.loc = c.value.op.loc
        out.append(None if c is None else solid(b, c))
    return out


def backward(
    outputs: Sequence[Value],
    cotangents: Sequence[Maybe],
    wrt: Sequence[Value],
    since: int = -1,
    made_by: str = "",
) -> list[Maybe]:
    """The engine: like `pullback`, on masked cotangents."""
    live = [o for o, c in zip(outputs, cotangents) if c is not None]
    active = {id(v) for v in wrt if v.type.dtype.inexact}
    path = active_path(reachable(live, wrt, since), active)
    b = Maker()
    cts: dict[int, Value] = {}
    masks: dict[int, tuple[Value, bool]] = {}  # only of cotangents that have one

    def put(v: Value, ct: Cotangent) -> None:
        key = id(v)
        old = cts.get(key)
        if old is not None:
            ct = merge(b, Cotangent(old, *masks.pop(key, (None, False))), ct)
        cts[key] = ct.value
        if ct.mask is not None:
            masks[key] = (ct.mask, ct.clean)

    for o, c in zip(outputs, cotangents):
        if c is not None and id(o) in active:
            put(o, c)
    keep = {id(v) for v in wrt}
    # where what was not taken could meet an infinite derivative, it is inactive by a mask
    risky = steep(path) if any(op.opdef in _PARTIAL for op in path) else ()
    for op in reversed(path):
        row = op.opdef
        results = op.results
        operands = op.operands
        deriv = row.deriv
        if deriv is not None:
            out = results[0]
            t = cts.pop(id(out), None)
            if t is None:
                continue
            b.loc = op.loc
            b.made_by = made_by or _made_by.get(row.name) or _name(row.name)
            mask, clean = masks.pop(id(out), (None, False)) if masks else (None, False)
            env: dict[str, Value] | None = None
            for k, v in enumerate(operands):
                key = id(v)
                if key not in active:
                    continue
                term = deriv[k] if deriv.__class__ is tuple else row.derivative(op, k)
                if term is None:
                    continue
                if env is None:
                    env = _env(t, out, operands)
                how: Rule = rule(term)
                value = how.value(b, env, v.type)
                if mask is None and how.mask is None:
                    if key not in cts:
                        cts[key] = value
                    elif key not in masks:
                        cts[key] = b.add(cts[key], value)
                    else:
                        put(v, Cotangent(value))
                    continue
                m = mask
                if how.mask is not None:
                    m = both(b, how.mask(b, env, v.type), mask)
                put(v, Cotangent(value, m, clean and how.keeps_zero and m is mask))
            continue
        seeds: list[Maybe] = []
        for r in results:
            key = id(r)
            if key in keep or key not in cts:
                seeds.append(None)
            else:
                seeds.append(Cotangent(cts.pop(key), *masks.pop(key, (None, False))))
        if all(s is None for s in seeds):
            continue
        b.loc = op.loc
        b.made_by = made_by or _made_by.get(row.name) or _name(row.name)
        flags = [id(v) in active for v in operands]
        if risky and row in _PARTIAL and any(id(v) in risky for v in operands):
            (ct,) = seeds
            if ct is not None and ct.mask is None:
                everywhere = b.const(True, tensor(BOOL, ct.value.type.shape))
                seeds = [Cotangent(ct.value, everywhere, True)]
        for v, ct in zip(operands, _structured(b, op, seeds, flags)):
            if ct is not None:
                put(v, ct)
    out_cts: list[Maybe] = []
    for v in wrt:
        value_ = cts.get(id(v))
        out_cts.append(
            None if value_ is None else Cotangent(value_, *masks.get(id(v), (None, False)))
        )
    return out_cts


def _env(t: Value, out: Value, operands: tuple[Value, ...]) -> dict[str, Value]:
    n = len(operands)
    if n == 1:
        return {"t": t, "out": out, "x": operands[0]}
    if n == 2:
        return {"t": t, "out": out, "x": operands[0], "y": operands[1]}
    return {"t": t, "out": out, **dict(zip("xyz", operands))}


def _name(op: str) -> str:
    return _made_by.setdefault(op, f"vjp({op})")


def _structured(
    b: Builder, op: Op, seeds: Sequence[Maybe], flags: Sequence[bool]
) -> Sequence[Maybe]:
    """Cotangents of the operands of an op that is not elementwise."""
    row = op.opdef
    if row.name in REGIONS:
        return REGIONS[row.name](b, op, seeds, flags)
    if row.transpose is not None and (
        row.jvp is None or all(row.is_linear(k) for k, f in enumerate(flags) if f)
    ):
        ct = seeds[0]
        assert ct is not None
        if row.elementwise:  # cast, grad_clip: lanes stay where they are
            clean = ct.clean and row.name == "cast"  # a clipped 0 may be another number
            made = Cotangent(row.transpose(b, op, ct.value, 0), ct.mask, clean)
            return [made, *[None] * (len(flags) - 1)]
        value = solid(b, ct)
        outs: list[Maybe] = []
        for k, flag in enumerate(flags):
            got = row.transpose(b, op, value, k) if flag and row.is_linear(k) else None
            mask = None
            if got is not None and ct.mask is not None:
                mask = row.transpose(b, op, ct.mask, k)
            outs.append(None if got is None else Cotangent(got, mask, mask is not None))
        return outs
    if row.jvp is None:
        raise not_differentiable(op)
    start = serial()
    places = [Value(v.type) if f else None for v, f in zip(op.operands, flags)]
    tangents: Sequence[Any] = row.jvp(b, op, places)
    pairs = [(d, c) for d, c in zip(tangents, seeds) if d is not None and c is not None]
    found = iter(
        backward([d for d, _ in pairs], [c for _, c in pairs],
                 [p for p in places if p is not None], start, b.made_by)
    )  # fmt: skip
    return [None if p is None else next(found) for p in places]
