"""Structural rules of branches, loops, casts, sorting and markers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Block, Op, Value
from ...ir.ops.markers import IDENTITIES
from ..dce import has_effect
from ..fold import splat
from ..inline import splice
from ..match import RuleSet, structural
from .canonical import ELEMENTWISE, maker, under

STRUCTURE: RuleSet = []
MARKERS: RuleSet = []

ROUND = ("floor", "ceil", "trunc", "rint", "round_away")


# -- branches --------------------------------------------------------------------------------------


@structural(STRUCTURE, "cond-constant", "cond", child=("constant",))
def _cond_constant(op: Op, b: Builder) -> Any:
    """A branch whose condition is known → what that branch computes."""
    flag = splat(op.operands[0])
    if flag is None:
        return None
    taken = op.regions[0 if flag else 1]
    if any(has_effect(o) for o in taken.ops):
        return None
    return tuple(splice(taken, op.operands[1:], fresh=True)[1])


@structural(STRUCTURE, "cond-same", "cond")
def _cond_same(op: Op, b: Builder) -> Any:
    """Results for which both branches give the same operand → that operand."""
    yes, no = op.regions
    place = {v: i for i, v in enumerate(yes.params)}
    other = {v: i for i, v in enumerate(no.params)}
    given: dict[int, Value] = {}
    for k, (a, c) in enumerate(zip(yes.results, no.results)):
        i = place.get(a)
        if i is not None and i == other.get(c):
            given[k] = op.operands[1 + i]
    if not given or any(has_effect(o) for r in op.regions for o in r.ops):
        return None
    rest = [k for k in range(len(yes.results)) if k not in given]
    made: dict[int, Value] = {}
    if rest:
        blocks = tuple([Block(r.params, r.ops, [r.results[k] for k in rest]) for r in op.regions])
        small = b.op("cond", *op.operands, regions=blocks)
        made = dict(zip(rest, small.results))
    return tuple([given[k] if k in given else made[k] for k in range(len(yes.results))])


# -- casts and rounding ----------------------------------------------------------------------------


@structural(STRUCTURE, "cast-same", "cast")
def _cast_same(op: Op, b: Builder) -> Any:
    """A cast to the dtype it has → x."""
    return op.operands[0] if op.operands[0].type is op.results[0].type else None


@structural(STRUCTURE, "cast-cast", "cast", child=("cast",))
def _cast_twice(op: Op, b: Builder) -> Any:
    """A cast of a cast that loses nothing → one cast; of ints, that loses less than the next."""
    inner = op.operands[0].op
    assert inner is not None
    (x,) = inner.operands
    src, mid, out = x.type.dtype, inner.results[0].type.dtype, op.attrs["dtype"]
    if all(d.kind in "iu" for d in (src, mid, out)) and mid.bits >= out.bits:
        return b.cast(x, out)  # low bits of low bits
    if not np.can_cast(src.np, mid.np, "safe"):
        return None
    if src.kind in "iu" and mid.kind == "f" and src.bits >= mid.bits:
        return None  # NumPy calls i64 → f64 safe
    return b.cast(x, out)


@structural(STRUCTURE, "cast-select", "cast", child=("select",))
def _cast_select(op: Op, b: Builder) -> Any:
    """A cast of a choice between two numbers → the choice between the numbers, cast."""
    choose = op.operands[0].op
    assert choose is not None
    mask, x, y = choose.operands
    if splat(x) is None or splat(y) is None:
        return None
    dtype = op.attrs["dtype"]
    return b.select(mask, b.cast(x, dtype), b.cast(y, dtype))


def _whole(v: Value) -> bool:
    """Whether every element is an integer, an infinity or NaN."""
    op = v.op
    if op is None:
        return False
    name = op.opdef.name
    if name == "cast":
        return op.operands[0].type.dtype.kind in "biu"
    if name in ("neg", "abs", "broadcast", "reshape", "transpose", "slice", "gather", "reverse"):
        return _whole(op.operands[0])
    if name in ("maximum", "minimum"):
        return _whole(op.operands[0]) and _whole(op.operands[1])
    return name in ROUND or name == "sign"


@structural(STRUCTURE, "round-whole", *ROUND, child=(*ROUND, "cast", "neg", "abs", "broadcast",
            "reshape", "maximum", "minimum", "sign"))  # fmt: skip
def _round_whole(op: Op, b: Builder) -> Any:
    """Rounding what is whole already → x."""
    (x,) = op.operands
    return x if _whole(x) else None


@structural(STRUCTURE, "sign-sign", "sign", child=("sign",))
def _sign_twice(op: Op, b: Builder) -> Any:
    """The sign of a sign → the sign."""
    return op.operands[0]


# -- sorting and running values --------------------------------------------------------------------


@structural(STRUCTURE, "sort-sort", "sort", child=("sort",))
def _sort_twice(op: Op, b: Builder) -> Any:
    """Sorting what is sorted along the axis → x."""
    inner = op.operands[0].op
    assert inner is not None
    return op.operands[0] if inner.attrs["axis"] == op.attrs["axis"] else None


@structural(STRUCTURE, "sort-equal", "sort", child=("constant", "broadcast"))
def _sort_equal(op: Op, b: Builder) -> Any:
    """Sorting equal elements → x."""
    (x,) = op.operands
    if splat(x) is not None:
        return x
    spread = maker(x, "broadcast")
    if spread is None:
        return None
    dims, (y,) = spread.attrs["dims"], spread.operands
    axis = op.attrs["axis"]
    return x if axis not in dims or y.type.shape[dims.index(axis)] == 1 else None


@structural(STRUCTURE, "take-argsort", "take_along", child=("argsort",))
def _take_argsort(op: Op, b: Builder) -> Any:
    """x taken in the order of argsort(x) → sort(x)."""
    x, idx = op.operands
    order = maker(idx, "argsort")
    axis = op.attrs["axis"]
    if order is None or order.operands[0] is not x or order.attrs["axis"] != axis:
        return None
    return b("sort", x, axis=axis)


@structural(STRUCTURE, "running-extreme-twice", "cummax", "cummin", child=("cummax", "cummin"))
def _running_twice(op: Op, b: Builder) -> Any:
    """The running maximum of a running maximum → that."""
    inner = op.operands[0].op
    assert inner is not None
    same = inner.opdef is op.opdef and inner.attrs["axis"] == op.attrs["axis"]
    return op.operands[0] if same else None


@structural(STRUCTURE, "scan-short", "cumsum", "cumprod", "cummax", "cummin", "sort")
def _scan_short(op: Op, b: Builder) -> Any:
    """A running sum, or a sort, along an axis of size 1 → x."""
    (x,) = op.operands
    return x if x.type.shape[op.attrs["axis"]] == 1 else None


@structural(STRUCTURE, "index-short", "argmax", "argmin", "argsort")
def _index_short(op: Op, b: Builder) -> Any:
    """The index of the largest of one element → 0."""
    (x,) = op.operands
    return b.zeros(op.results[0].type) if x.type.shape[op.attrs["axis"]] == 1 else None


# -- transposes and reverses go behind elementwise ops ---------------------------------------------


@structural(STRUCTURE, "elementwise-transpose", *ELEMENTWISE, child=("transpose",))
def _elementwise_transpose(op: Op, b: Builder) -> Any:
    """f(transpose(x), transpose(y)) → transpose(f(x, y)), by one permutation."""
    return under(op, b, "transpose")


@structural(STRUCTURE, "elementwise-reverse", *ELEMENTWISE, child=("reverse",))
def _elementwise_reverse(op: Op, b: Builder) -> Any:
    """f(reverse(x), reverse(y)) → reverse(f(x, y)), along the same axes."""
    return under(op, b, "reverse")


# -- markers ---------------------------------------------------------------------------------------


@structural(MARKERS, "drop-marker", *IDENTITIES)
def _marker(op: Op, b: Builder) -> Any:
    """identity(x), stop_gradient(x), grad_scale(x, y) … → x: they mean something to derivatives
    only."""
    return op.operands[0]
