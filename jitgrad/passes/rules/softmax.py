"""Stabilization of sums of exponentials along axes: log-sum-exp, softmax, log-softmax.

The maximum is subtracted as a constant to derivatives. Where it is infinite or NaN nothing is
subtracted, so that a row of -inf has the log-sum-exp -inf, with gradient 0; so does an empty axis,
since the maximum of nothing is -inf. A sum whose exponents have already lost their own maximum is
left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.types import BOOL
from ..fold import is_number, splat
from ..match import RuleSet, structural
from .canonical import maker, squeezed_places

SOFTMAX: RuleSet = []
MOVES = frozenset({"broadcast", "reshape", "transpose", "refine", "reverse", "slice", "gather"})
INF = float("inf")


def chain(v: Value, names: frozenset[str] = MOVES) -> tuple[Value, list[Op]]:
    """What `v` is made of by ops that only move elements, and these ops, the last first."""
    moves: list[Op] = []
    while v.op is not None and v.op.opdef.name in names:
        moves.append(v.op)
        v = v.op.operands[0]
    return v, moves


def moved(b: Builder, v: Value, moves: Sequence[Op]) -> Value:
    """`v` moved as `moves` say."""
    for op in reversed(moves):
        v = b.make(op.opdef, (v, *op.operands[1:]), op.attrs).results[0]
    return v


def axis_places(v: Value, moves: Sequence[Op]) -> dict[int, int] | None:
    """Where the axes of `v` (but those of size 1) are after the moves; None where they break up."""
    place = {i: i for i, n in enumerate(v.type.shape) if n != 1}
    for op in reversed(moves):
        name = op.opdef.name
        if name == "broadcast":
            step = dict(enumerate(op.attrs["dims"]))
        elif name == "transpose":
            step = {p: i for i, p in enumerate(op.attrs["perm"])}
        elif name == "reshape":
            found = squeezed_places(op.operands[0].type.shape, op.attrs["shape"])
            if found is None:
                return None
            step = found
        elif name == "refine":
            continue
        else:
            return None
        place = {i: step[p] for i, p in place.items()}
    return place


def kept_axes(rank: int, axes: Sequence[int]) -> list[int]:
    return [i for i in range(rank) if i not in axes]


def shifted(u: Value, axes: Sequence[int]) -> bool:
    """Whether `u` is x - max(x) over these axes already."""
    sub = maker(u, "sub")
    if sub is None:
        return False
    x, m = sub.operands
    for _ in range(16):
        m, _moves = chain(m)
        op = m.op
        if op is None:
            return False
        name = op.opdef.name
        if name == "max":
            return op.operands[0] is x and tuple(op.attrs["axes"]) == tuple(axes)
        if name == "select":
            m = op.operands[1]
        elif name in ("stop_gradient", "identity"):
            m = op.operands[0]
        else:
            return False
    return False


def shift(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """The maximum over axes, 0 where it is not finite; no derivative passes through it."""
    m = b("max", x, axes=tuple(axes))
    finite = b("lt", b("abs", m), b.const(INF, m.type))
    return b("stop_gradient", b.select(finite, m, b.zeros(m.type)))


def lowered(b: Builder, x: Value, m: Value, axes: Sequence[int]) -> Value:
    """x - m, with m repeated along the axes."""
    return b("sub", x, b.broadcast(m, x.type.shape, kept_axes(x.type.rank, axes)))


def sum_of_exp(v: Value, b: Builder | None = None) -> tuple[Value, tuple[int, ...]] | None:
    """x and the axes of sum(exp(x)); with a builder also of a sum over exp(x) that was moved."""
    s = maker(v, "sum")
    if s is None:
        return None
    inner, moves = chain(s.operands[0]) if b is not None else (s.operands[0], [])
    e = maker(inner, "exp")
    if e is None or any(s.operands[0].type.shape[a] == 0 for a in s.attrs["axes"]):
        return None
    x = moved(b, e.operands[0], moves) if b is not None else e.operands[0]
    return x, tuple(s.attrs["axes"])


def log_sum_exp(b: Builder, x: Value, axes: tuple[int, ...]) -> Value:
    """log(sum(exp(x))) of exponents that are not shifted yet."""
    m = shift(b, x, axes)
    s = b("sum", b("exp", lowered(b, x, m, axes)), axes=axes)
    # a sum of 0 (all exponents -inf) takes no part in the gradient
    nothing = b.const(-INF, s.type)
    some = b("ne", s, b.zeros(s.type))
    return b.add(m, b.select(some, b("log", s), nothing))


@structural(SOFTMAX, "log-sum-exp", "log", exact="closer", ulp=4,
            child=("sum", "mul", "div", *sorted(MOVES)))  # fmt: skip
def _log_sum_exp(op: Op, b: Builder) -> Any:
    """log(sum(exp(x))) → m + log(sum(exp(x - m))); the logarithm of a mean of exp, too."""
    v, moves = chain(op.operands[0])
    inner: list[Op] = []
    scale = 0.0
    if v.op is not None and v.op.opdef.name in ("mul", "div"):
        divides = v.op.opdef.name == "div"
        left, right = v.op.operands
        if not divides and splat(left) is not None:
            left, right = right, left
        c = splat(right)
        if c is None or not 0 < c < INF:
            return None
        scale = -math.log(c) if divides else math.log(c)
        v, inner = chain(left)
    found = sum_of_exp(v, b)
    if found is None or shifted(*found):
        return None
    out = moved(b, log_sum_exp(b, *found), inner)
    if scale:
        out = b.add(out, b.const(scale, out.type))
    return moved(b, out, moves)


def same_exp(a: Value, c: Value) -> bool:
    """Whether both are exp of one value: front ends need not have shared the two."""
    m, n = maker(a, "exp"), maker(c, "exp")
    return m is not None and n is not None and m.operands[0] is n.operands[0]


def _normalizer(den: Value, e: Value) -> tuple[Value, tuple[int, ...], list[Op]] | None:
    """x, the axes and the moves, where `den` is sum(e) spread over the shape of e = exp(x)."""
    total, moves = chain(den)
    s = maker(total, "sum")
    if s is None or not same_exp(s.operands[0], e):
        return None
    places = axis_places(total, moves)
    kept = kept_axes(e.type.rank, s.attrs["axes"])
    if places is None or any(kept[i] != p for i, p in places.items()):
        return None
    if any(e.type.shape[a] == 0 for a in s.attrs["axes"]):
        return None
    return e.op.operands[0], tuple(s.attrs["axes"]), moves  # type: ignore[union-attr]


def softmax(b: Builder, x: Value, axes: tuple[int, ...], moves: Sequence[Op]) -> Value:
    """exp(x - m) / sum(exp(x - m)), the sum spread as `moves` say."""
    e = b("exp", lowered(b, x, shift(b, x, axes), axes))
    return b("div", e, moved(b, b("sum", e, axes=axes), moves))


@structural(SOFTMAX, "softmax", "div", child=("exp",), exact="closer", ulp=4)
def _softmax(op: Op, b: Builder) -> Any:
    """exp(x) / sum(exp(x)) → exp(x - m) / sum(exp(x - m))."""
    e, den = op.operands
    found = _normalizer(den, e)
    if found is None or shifted(found[0], found[1]):
        return None
    return softmax(b, *found)


@structural(SOFTMAX, "softmax-product", "mul", child=("exp",), exact="closer", ulp=4)
def _softmax_product(op: Op, b: Builder) -> Any:
    """exp(x) · (t / sum(exp(x))) → t · softmax(x): the raw gradient of log-sum-exp."""
    for e, other in (op.operands, op.operands[::-1]):
        if not maker(e, "exp"):
            continue
        q, moves = chain(other)
        negative = False
        while (n := maker(q, "neg")) is not None:
            q, inner = chain(n.operands[0])
            moves = [*moves, *inner]
            negative = not negative
        div = maker(q, "div")
        if div is None:
            continue
        t, den = div.operands
        s = maker(chain(den)[0], "sum")
        found = _normalizer(moved(b, den, moves), e) if s and same_exp(s.operands[0], e) else None
        if found is None or shifted(found[0], found[1]):
            continue
        p = softmax(b, *found)
        out = p if is_number(splat(t), 1) else b.mul(moved(b, t, moves), p)
        return b("neg", out) if negative else out
    return None


@structural(SOFTMAX, "log-softmax", "log", exact="closer", ulp=4,
            child=("div", *sorted(MOVES)))  # fmt: skip
def _log_softmax(op: Op, b: Builder) -> Any:
    """log(exp(u) / sum(exp(u))) → u - log(sum(exp(u))), u shifted."""
    v, moves = chain(op.operands[0])
    div = maker(v, "div")
    if div is None:
        return None
    e, den = div.operands
    found = _normalizer(den, e)
    if found is None or v.type.dtype is BOOL:
        return None
    total, inner = chain(den)
    out = b("sub", found[0], moved(b, b("log", total), inner))
    return moved(b, out, moves)
