"""Steps of random programs with regions and guards: call, cond, scan, to some depth."""

from __future__ import annotations

from hypothesis import strategies as st

from ..ir.core import Value, block, function
from ..ir.types import BOOL
from .programs import Item, Pool
from .steps import Step


def _operands(p: Pool) -> list[Item]:
    return [p.pick(p.items) for _ in range(p.draw(st.integers(1, 3)))]


def _result(p: Pool, like: Item) -> Item:
    """A value of the type of `like`, the newest by preference."""
    return p.pick([i for i in p.items if i.type is like.type and i.special <= like.special])


def _count(p: Pool) -> int:
    return p.draw(st.integers(0, 3))


def _call(p: Pool) -> None:
    ins = _operands(p)
    pool, params = p.inner(ins)
    pool.grow(_count(p))
    outs = [pool.pick(pool.items) for _ in range(p.draw(st.integers(1, 2)))]
    callee = function("callee", params, [i.value for i in outs], pool.guards)
    op = p.b.op("call", *[i.value for i in ins], callee=callee)
    for v, i in zip(op.results, outs):
        p.add(v, i.lo, i.hi, i.exact)


def _cond(p: Pool) -> None:
    pred = p.mask(())
    ins = _operands(p)
    regions, ends = [], []
    for _ in range(2):
        pool, params = p.inner(ins)
        pool.grow(_count(p))
        end = _result(pool, ins[0])
        regions.append(block(params, [end.value], pool.guards))
        ends.append(end)
    op = p.b.op("cond", pred.value, *[i.value for i in ins], regions=tuple(regions))
    p.like(op.result, *ends)


def _scan(p: Pool) -> None:
    carry = p.any("f", special=False) or p.any("iu")
    xs = p.any(rank=1)
    if carry is None or xs is None:
        return
    const = p.pick(p.items)
    # a carry stays in [-1, 1] over any number of steps
    carry = p.squash(carry, -1.0, 1.0)
    if carry.type.dtype.inexact:
        carry = carry._replace(lo=-1.0, hi=1.0, exact=False)
    length, *shape = xs.type.shape
    step = xs._replace(value=Value(xs.type.with_shape(tuple(shape))))
    pool, params = p.inner([const, carry, step])
    pool.grow(_count(p))
    after = pool.squash(_result(pool, carry), -1.0, 1.0)
    ys = [pool.pick(pool.items) for _ in range(p.draw(st.integers(0, 1)))]
    body = block(params, [after.value, *(y.value for y in ys)], pool.guards)
    op = p.b.op(
        "scan", const.value, carry.value, xs.value, regions=(body,), length=length, carries=1,
        consts=1, reverse=p.draw(st.booleans()),
    )  # fmt: skip
    for v, i in zip(op.results, (carry, *ys)):
        p.add(v, i.lo, i.hi, i.exact)


def _guard(p: Pool) -> None:
    """A guard: of what a predicate is found to be, or inside a region of what always holds."""
    m = p.where(lambda i: i.exact and i.type.dtype is BOOL and not i.type.shape) or p.mask(())
    if not p.inside:
        p.predicates.append(m.value)
        return
    b = p.b
    holds = b("or", m.value, b("not", m.value))
    p.guards.append(b.op("guard", holds, expect=True, message="always holds"))


CONTROL: dict[str, Step] = {"call": _call, "cond": _cond, "scan": _scan, "guard": _guard}
