"""Derivatives of graphs in the air, on IR values: what `grad`, `Rop` and `jacobian` have made.

Each function here can be a recipe's `derive` (`frontend/symbolic_notes.Recipe`): `function` calls
it again with `stabilize`, on the values of the graph that it compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import config
from .ir.build import Builder
from .ir.core import Op, Value, reachable, serial
from .ir.types import I64, DType, dtype_of, tensor
from .transforms import batch, pullback, pushforward

Stabilize = Callable[[Sequence[Op], Value], Value]
Pairs = Sequence[tuple[Value, Value]]


def float_like(v: Value) -> DType:
    """The dtype of a gradient by `v`, or of the gradient of `v` itself: floatX for integers."""
    return v.type.dtype if v.type.dtype.inexact else dtype_of(config.floatX)


def derive(
    cost: Value | None,
    wrt: Sequence[Value],
    constants: Sequence[Value],
    known: Pairs,
    stabilize: Stabilize | None = None,
) -> list[Value | None]:
    """Gradients of `cost` by `wrt` (None: no path); see `Recipe`.

    A walk ends at every value of `wrt`, `constants` and `known`; those that are results of
    operations are then walked from in turn, the latest first, with what they received.
    """
    b = Builder()
    given = {id(k): g for k, g in known}
    moved = _casts([*([cost] if cost is not None else []), *(k for k, _ in known)], wrt)
    casts = [c for c, _, _ in moved]
    fixed = {id(c) for c in (*constants, *casts)}
    stops = {id(v): v for v in (*wrt, *constants, *casts, *(k for k, _ in known))}
    total: dict[int, Value] = dict(given)

    def walk(source: Value, seed: Value, ends: list[Value]) -> None:
        if stabilize is not None:
            source = stabilize(reachable([source], ends), source)
        for v, ct in zip(ends, pullback([source], [seed], ends)):
            if ct is not None and id(v) not in given:
                old = total.get(id(v))
                total[id(v)] = ct if old is None else b.add(old, ct)

    def age(v: Value) -> int:
        return -1 if v.op is None else v.op.serial

    ends = sorted(stops.values(), key=age)
    if cost is not None:
        b.loc = cost.op.loc if cost.op is not None else None
        b.made_by = "grad"
        seed = b("fill", cost, b.const(1.0, tensor(float_like(cost), ()), "1.0"))
        if id(cost) in stops:  # the cost itself is asked for
            if id(cost) not in given:
                total[id(cost)] = seed
        else:
            walk(cost, seed, ends)
    while ends and ends[-1].op is not None:
        v = ends.pop()
        ct = total.get(id(v))
        if ct is not None and id(v) not in fixed and ends:
            walk(v, ct, ends)
    for c, chain, v in moved:
        ct = total.get(id(c))
        if ct is None or id(v) in given:
            continue
        for op in chain:
            assert op.opdef.transpose is not None
            ct = op.opdef.transpose(b, op, ct, 0)
        old = total.get(id(v))
        total[id(v)] = ct if old is None else _sum(b, old, ct)
    return [total.get(id(v)) for v in wrt]


def _casts(roots: Sequence[Value], wrt: Iterable[Value]) -> list[tuple[Value, list[Op], Value]]:
    """Where integers of `wrt` become floats: an integer moves what it becomes as a float, nothing
    else. With each cast the ops that repeat the integer before, the last one first, and it."""
    ints = {id(v) for v in wrt if not v.type.dtype.inexact}
    found: list[tuple[Value, list[Op], Value]] = []
    if not ints:
        return found
    for op in reachable(roots):
        if op.opdef.name == "cast" and op.results[0].type.dtype.inexact:
            chain, v = [], op.operands[0]
            while id(v) not in ints and v.op is not None and v.op.opdef.name in _REPEAT:
                chain.append(v.op)
                v = v.op.operands[0]
            if id(v) in ints:
                found.append((op.results[0], chain, v))
    return found


_REPEAT = ("broadcast", "refine")


def _sum(b: Builder, x: Value, y: Value) -> Value:
    """Gradients by one integer may come from floats of different widths."""
    wide = x.type.dtype if x.type.dtype.bits >= y.type.dtype.bits else y.type.dtype
    return b.add(b.cast(x, wide), b.cast(y, wide))


def derive_rop(
    cost: None,
    outputs: Sequence[Value],
    constants: Sequence[Value],
    known: Pairs,
    stabilize: Stabilize | None = None,
) -> list[Value | None]:
    """Tangents of `outputs`; `known` are what they are differentiated by, and its tangents."""
    b = Builder(made_by="Rop")
    moved = _casts(outputs, [w for w, _ in known])
    by = {id(w): (w, t) for w, t in known if w.type.dtype.inexact}
    tangents = {id(w): t for w, t in known}
    for c, chain, v in moved:
        t = b.cast(tangents[id(v)], c.type.dtype)
        for op in reversed(chain):
            t = b.make(op.opdef, (t,), op.attrs).results[0]
        by.setdefault(id(c), (c, t))
    ends = [w for w, _ in by.values()]
    if stabilize is not None:
        outputs = [v if id(v) in by else stabilize(reachable([v], ends), v) for v in outputs]
    return pushforward(outputs, ends, [t for _, t in by.values()])


derive_rop.forward = True  # type: ignore[attr-defined]  # see `Recipe.by`


def derive_jacobian(
    cost: Value,
    wrt: Sequence[Value],
    constants: Sequence[Value],
    known: Pairs,
    stabilize: Stabilize | None = None,
) -> list[Value | None]:
    """Jacobians of the vector `cost` by `wrt`: the pullback of all unit vectors at once."""
    if not cost.type.dtype.inexact:
        return [None] * len(wrt)
    since = serial()
    seed = Value(cost.type)
    rows = derive(None, wrt, constants, [(cost, seed)], stabilize)
    b = Builder(cost.op.loc if cost.op is not None else None, "jacobian")
    (n,) = cost.type.shape
    square = tensor(I64, (n, n))
    eye = b("eq", b("iota", type=square, axis=0), b("iota", type=square, axis=1))
    live = [r for r in rows if r is not None]
    found = iter(batch(live, [seed], [b.cast(eye, cost.type.dtype)], n, since=since))
    out: list[Value | None] = []
    for r in rows:
        if r is not None:
            v, varies = next(found)
            r = v if varies else b.broadcast_front(v, n)
        out.append(r)
    return out


# Operands of which only the shape or the place counts, or through which nothing may pass.
_APART = {"gather": (1,), "take_along": (1,), "fill": (0,), "stop_gradient": (0,),
          "grad_scale": (1,), "grad_clip": (1, 2), "dynamic_slice": range(1, 99),
          "dynamic_update_slice": range(2, 99),
          **dict.fromkeys(("scatter", "scatter_add", "scatter_mul", "scatter_max", "scatter_min"),
                          (1,))}  # fmt: skip


def connected(roots: Iterable[Value], stops: Iterable[Value] = ()) -> set[int]:
    """Ids of the values that `roots` depend on by value, through integers and flat ops too.

    The walk does not pass through `stops`, but starts from `roots` in any case.
    """
    ends = {id(v) for v in stops}
    seen: set[int] = set()
    stack = []
    for v in roots:
        seen.add(id(v))
        stack += _before(v)
    while stack:
        v = stack.pop()
        if id(v) not in seen:
            seen.add(id(v))
            if id(v) not in ends:
                stack += _before(v)
    return seen


def _before(v: Value) -> list[Value]:
    if v.op is None:
        return []
    apart = _APART.get(v.op.opdef.name, ())
    return [w for k, w in enumerate(v.op.operands) if k not in apart]
