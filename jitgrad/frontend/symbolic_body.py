"""The body of a loop: what one call of the user's function built, cut out of the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import local
from typing import NamedTuple
from weakref import ref

from ..errors import Loc, ShapeError, at
from ..ir.build import Builder
from ..ir.core import Block, Op, Value, reachable
from ..ir.types import I64
from .lazy import may_fail
from .symbolic_dims import computed_dims, describe, source_of
from .symbolic_notes import Note
from .symbolic_ops import refine
from .symbolic_shared import SharedValue

# Ops that cost nothing where they stand, but memory where a loop reads their results: they are made
# in the loop, though they do not vary.
_FREE = frozenset(("constant", "dim", "iota", "broadcast", "refine", "reshape", "fill", "identity"))


class Body(NamedTuple):
    """The ops of a step, in order, and the values from outside that they use."""

    ops: list[Op]
    consts: list[Value]

    def block(self, carries: Sequence[Value], xs: Sequence[Value],
              results: Sequence[Value]) -> Block:  # fmt: skip
        return Block([*self.consts, *carries, *xs], self.ops, results)


def body_of(results: Sequence[Value], own: Sequence[Value], apart: Sequence[Value], since: int,
            loc: Loc | None) -> Body:  # fmt: skip
    """What `results` need of the ops that depend on `own`, the values that change in every step.

    What does not depend on them stays outside, and so does what `apart` names; but not the ops that
    may raise, since a loop of no steps does not. `since`: the serial number before the step was
    built.

    Raises `ShapeError` where a size depends on `own`.
    """
    old = any(v.__class__ is SharedValue for v in own)  # these were there before
    ops = reachable(results, [*own, *apart], -1 if old else since)
    inner = {id(v) for v in own}
    fixed = {id(v) for v in apart}
    kept: list[Op] = []
    for op in ops:
        if any(id(v) in inner for v in op.operands) or (
            op.serial >= since and ("raises" in op.opdef.props or may_fail(op))
        ):
            inner.update([id(r) for r in op.results])
            kept.append(op)
    _sizes(ops, own, since, loc)
    consts: dict[int, Value] = {}
    pulled: set[int] = set()
    stack = [*results, *(v for op in kept for v in op.operands)]
    while stack:
        v = stack.pop()
        made = v.op
        if id(v) in inner or id(v) in consts:
            continue
        if (
            made is None
            or made.opdef.name not in _FREE
            or (id(v) in fixed and made.opdef.name != "constant")
        ):
            consts[id(v)] = v
        elif id(made) not in pulled:
            pulled.add(id(made))
            kept.append(made)
            stack += made.operands
    kept.sort(key=lambda op: op.serial)
    return Body(kept, sorted(consts.values(), key=_age))


def _age(v: Value) -> int:
    return -1 if v.op is None else v.op.serial


def depends(v: Value, own: Sequence[Value], since: int = -1) -> bool:
    """Whether `v` is made of one of `own`."""
    ids = {id(o) for o in own}
    return id(v) in ids or any(
        id(w) in ids for op in reachable([v], own, since) for w in op.operands
    )


_building = local()  # .steps: the values that change in the loops whose steps are being built


@contextmanager
def building(own: Sequence[Value], since: int) -> Iterator[None]:
    """While a step is built: `own` changes from step to step; `since` is older."""
    before = getattr(_building, "steps", ())
    _building.steps = (*before, (own, since))
    try:
        yield
    finally:
        _building.steps = before


def varies(v: Value) -> bool:
    """Whether `v` changes from step to step of a loop that is being built."""
    return any(depends(v, own, since) for own, since in getattr(_building, "steps", ()))


def _sizes(ops: Sequence[Op], own: Sequence[Value], since: int,
           loc: Loc | None) -> None:  # fmt: skip
    """Raise where a size is computed from what changes."""
    for name in sorted(computed_dims(ops)):
        v = source_of(name)
        if v is not None and depends(v, own, since):
            line = next((op.loc for op in ops if name in computed_dims([op])), loc)
            raise ShapeError(at(
                f"scan: a size, the value of {describe(name)}, changes from step to step; sizes in "
                "a loop are the same in all steps (compare with T.arange and use T.switch, to "
                "leave elements out)", line))  # fmt: skip


class StateError(ShapeError, TypeError):
    """A state of another type than the value that the step gives for it."""


def conform(v: Value, state: Value, what: str, loc: Loc | None) -> Value:
    """`v`, that a step gives for `state`, as a value of its type.

    Raises `StateError` for another dtype, rank or broadcast pattern.
    """
    have, want = v.type, state.type
    if have is want:
        return v
    hint = ""
    if have.dtype is not want.dtype:
        text = (f"has dtype {want.dtype.np.name}, while the result of the inner function has dtype "
                f"{have.dtype.np.name}")  # fmt: skip
        hint = (f"; give a state of {have.dtype.np.name}, or convert the result by "
                f".astype({want.dtype.np.name!r})")  # fmt: skip
    elif have.rank != want.rank:
        text = (f"has {want.rank} dimension(s), while the result of the inner function has "
                f"{have.rank}")  # fmt: skip
    else:
        for k, (a, c) in enumerate(zip(have.shape, want.shape)):
            if a is c or a == c or c.__class__ is not int:
                continue
            if c == 1:
                raise StateError(at(
                    f"scan: {what} is broadcastable along axis {k}, of size 1 there, while the "
                    "result of the inner function is not; give it the size that it is to have, as "
                    "T.zeros_like of something of that size", loc))  # fmt: skip
            if a.__class__ is int:
                raise StateError(at(f"scan: {what} has size {c} along axis {k}, while the result "
                                    f"of the inner function has {a}", loc))  # fmt: skip
        note = Note("scan", (ref(state), ref(v)), text=f"scan: {what} changes its size in a step")
        return refine(Builder(loc), v, want.shape, note)
    raise StateError(at(f"scan: {what} {text}{hint}", loc))


def counted(
    body: Body, carries: Sequence[Value], firsts: Sequence[Value], nexts: Sequence[Value],
    xs: Sequence[Value], stacks: Sequence[Value], stop: Value, length: object, loc: Loc | None,
) -> Value:  # fmt: skip
    """How many steps are run until `stop` holds after one, of `length` at most.

    Steps after that are skipped. Only the states that `stop` depends on are computed.
    """
    needed: set[int] = set()
    roots = [stop]
    while True:  # until nothing more is needed
        ops = reachable(roots, [*carries, *xs, *body.consts])
        used = {id(v) for op in ops for v in op.operands} | {id(v) for v in roots}
        more = {k for k, c in enumerate(carries) if id(c) in used}
        if more <= needed:
            break
        needed |= more
        roots = [stop, *(nexts[k] for k in sorted(needed))]
    keep = sorted(needed)
    states = [carries[k] for k in keep]
    own = {id(op) for op in body.ops}
    step = Body([op for op in ops if id(op) in own], body.consts)
    b = Builder(loc, "until")
    done, count = Value(stop.type, name="done"), Value(I64.rank0, name="steps")
    passed = [*states, *step.consts, *xs]
    run = Block(passed, step.ops, [stop, *(nexts[k] for k in keep)])
    yes = b.const(True, stop.type)
    skip = Block(passed, [yes.op] if yes.op else [], [yes, *states])
    choice = b.op("cond", done, *passed, regions=(skip, run))
    ran = b.cast(b("not", done), I64)
    total = b.add(count, ran)
    ops = sorted([choice, *reachable([total], [count, done])], key=lambda op: op.serial)
    block = Block([*step.consts, done, count, *states, *xs], ops,
                  [choice.results[0], total, *choice.results[1:]])  # fmt: skip
    start = [b.const(False, stop.type), b.const(0, I64.rank0)]
    loop = b.op("scan", *step.consts, *start, *(firsts[k] for k in keep), *stacks,
                regions=(block,), length=length, carries=2 + len(keep), consts=len(step.consts),
                reverse=False)  # fmt: skip
    return loop.results[1]


__all__ = ["Body", "StateError", "body_of", "conform", "counted", "building", "varies"]
