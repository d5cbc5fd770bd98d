"""Forward mode: tangents of outputs, given tangents of inputs. Zeros are symbolic (None)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Op, Value, reachable
from .masks import Cotangent, Maker, merge, rule, solid
from .vjp import active_path, not_differentiable

# (b, op, tangents of the operands) -> tangents of the results
RegionRule = Callable[[Builder, Op, "Sequence[Value | None]"], "Sequence[Value | None]"]
REGIONS: dict[str, RegionRule] = {}

_made_by: dict[str, str] = {}


def pushforward(
    outputs: Sequence[Value],
    wrt: Sequence[Value],
    tangents: Sequence[Value | None],
    *,
    since: int = -1,
) -> list[Value | None]:
    """Tangents of `outputs`, given those of `wrt`; None stands for zero, both ways.

    A tangent has the type of its value; `since` as in `pullback`. Raises `NotDifferentiableError`
    where an operation on the path has no derivative.

    >>> from ..ir.build import Builder
    >>> from ..ir.types import scalar
    >>> b = Builder()
    >>> x = Value(scalar("f64"), name="x")
    >>> pushforward([b("sin", x)], [x], [b.const(1, x.type)])
    [<%?: f64 = mul>]
    """
    tans: dict[int, Value] = {}
    for v, d in zip(wrt, tangents):
        if d is not None and v.type.dtype.inexact:
            tans[id(v)] = d
    b = Maker()
    for op in active_path(reachable(outputs, wrt, since), set(tans)):
        row = op.opdef
        known = [tans.get(id(v)) for v in op.operands]
        if not any(known):
            continue
        b.loc = op.loc
        b.made_by = _made_by.get(row.name) or _made_by.setdefault(row.name, f"jvp({row.name})")
        if row.deriv is not None:
            found = _elementwise(b, op, known)
            if found is not None:
                tans.setdefault(id(op.results[0]), found)
            continue
        for r, d in zip(op.results, _structured(b, op, known)):
            if d is not None and r.type.dtype.inexact:
                tans.setdefault(id(r), d)
    return [tans.get(id(v)) for v in outputs]


def _elementwise(b: Builder, op: Op, tangents: Sequence[Value | None]) -> Value | None:
    """The sum of the derivative terms; the two sides of a `select` become one select."""
    total: Cotangent | None = None
    env = {"out": op.results[0], **dict(zip("xyz", op.operands))}
    for k, t in enumerate(tangents):
        term = None if t is None else op.opdef.derivative(op, k)
        if term is None:
            continue
        assert t is not None
        env["t"] = t
        how = rule(term)
        like = op.operands[k].type
        part = Cotangent(how.value(b, env, like), how.mask and how.mask(b, env, like))
        total = part if total is None else merge(b, total, part)
    return None if total is None else solid(b, total)


def _structured(b: Builder, op: Op, tangents: Sequence[Value | None]) -> Sequence[Value | None]:
    row = op.opdef
    if row.name in REGIONS:
        return REGIONS[row.name](b, op, tangents)
    if row.jvp is not None:
        out: Sequence[Any] = row.jvp(b, op, tangents)
        return out
    if not row.linear:
        raise not_differentiable(op)
    if not row.bilinear:
        return _linear(b, op, tangents)
    total: Value | None = None
    for k, t in enumerate(tangents):
        if t is not None:
            ins = list(op.operands)
            ins[k] = t
            part = b.make(row, tuple(ins), op.attrs).results[0]
            total = part if total is None else b.add(total, part)
    return (total,)


def _linear(b: Builder, op: Op, tangents: Sequence[Value | None]) -> Sequence[Value | None]:
    """The op itself on the tangents, zeros where a linear operand has none."""
    row = op.opdef
    ins = list(op.operands)
    moved = False
    for k, t in enumerate(tangents):
        if row.is_linear(k):
            ins[k] = b.zeros(ins[k].type) if t is None else t
            moved = moved or t is not None
    return (b.make(row, tuple(ins), op.attrs).results[0],) if moved else (None,)
