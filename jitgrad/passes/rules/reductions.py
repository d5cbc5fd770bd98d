"""Structural rules of reductions and products."""

from __future__ import annotations

from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import Dim, DimLike, product
from ...ir.types import BOOL, tensor
from ..fold import splat
from ..match import RuleSet, structural
from .canonical import at_least_one, maker

REDUCTIONS: RuleSet = []
_AXES = ("sum", "max", "min", "any", "all")


@structural(REDUCTIONS, "reduce-short", *_AXES)
def _reduce_short(op: Op, b: Builder) -> Any:
    """Reducing an axis of size 1 → dropping it."""
    (x,), axes = op.operands, op.attrs["axes"]
    left = [a for a in axes if x.type.shape[a] != 1]
    if len(left) == len(axes):
        return None if axes else x
    if left and len(axes) == x.type.rank:
        return None  # over everything: axes of size 1 do no harm
    gone = [a for a in axes if a not in left]
    small = b.reshape(x, [n for i, n in enumerate(x.type.shape) if i not in gone])
    moved = tuple(a - sum(g < a for g in gone) for a in left)
    return b(op.opdef.name, small, axes=moved) if moved else small


@structural(REDUCTIONS, "reduce-reduce", *_AXES, child=_AXES, exact="reassociates")
def _reduce_twice(op: Op, b: Builder) -> Any:
    """A sum of a sum (max of a max …) → one."""
    inner = op.operands[0].op
    assert inner is not None
    if inner.opdef is not op.opdef:
        return None
    x, first = inner.operands[0], set(inner.attrs["axes"])
    left = [i for i in range(x.type.rank) if i not in first]
    axes = tuple(sorted(first | {left[a] for a in op.attrs["axes"]}))
    return b(op.opdef.name, x, axes=axes)


@structural(REDUCTIONS, "reduce-transpose", *_AXES, child=("transpose",), exact="reassociates")
def _reduce_transpose(op: Op, b: Builder) -> Any:
    """A reduction of a transpose → of the tensor itself; what is left is transposed."""
    inner = op.operands[0].op
    assert inner is not None
    perm, (x,) = inner.attrs["perm"], inner.operands
    axes = tuple(sorted(perm[a] for a in op.attrs["axes"]))
    kept = [i for i in range(x.type.rank) if i not in axes]
    order = [kept.index(p) for a, p in enumerate(perm) if a not in op.attrs["axes"]]
    return b.transpose(b(op.opdef.name, x, axes=axes), order)


@structural(REDUCTIONS, "reduce-reshape", *_AXES, child=("reshape",), exact="reassociates")
def _reduce_reshape(op: Op, b: Builder) -> Any:
    """A reduction over everything does not see a reshape."""
    (x,) = op.operands
    if len(op.attrs["axes"]) != x.type.rank:
        return None
    y = x.op.operands[0]  # type: ignore[union-attr]
    return b(op.opdef.name, y, axes=tuple(range(y.type.rank))) if y.type.rank else y


@structural(REDUCTIONS, "sum-broadcast", "sum", child=("broadcast", "constant"),
            exact="reassociates")  # fmt: skip
def _sum_broadcast(op: Op, b: Builder) -> Any:
    """The sum of n equal values → n times the value (0 where n is 0)."""
    (x,), axes = op.operands, op.attrs["axes"]
    shape, out = x.type.shape, op.results[0].type
    value = splat(x)
    if value is not None:
        y = b.const(value, tensor(x.type.dtype, ()))
        dims: tuple[int, ...] = ()
    else:
        inner = maker(x, "broadcast")
        if inner is None:
            return None
        y, dims = inner.operands[0], inner.attrs["dims"]
        if any(n == 1 for n in y.type.shape):
            return None
    repeated = [a for a in axes if a not in dims]
    if not repeated:
        own = tuple(i for i, d in enumerate(dims) if d in axes)
        return _spread_rest(b, b("sum", y, axes=own), dims, axes, out.shape) if own else None
    n: DimLike = product(shape[a] for a in repeated)
    own = tuple(i for i, d in enumerate(dims) if d in axes)
    if own:
        y = b("sum", y, axes=own)
    total = _times(b, y, n, value)
    return _spread_rest(b, total, dims, axes, out.shape)


def _times(b: Builder, y: Value, n: DimLike, value: Any) -> Value:
    t = y.type
    if n.__class__ is not Dim:
        return b.mul(b.const(n, t), y) if n else b.zeros(t)
    count = b("dim", expr=n)
    size = b.broadcast(b.cast(count, t.dtype), t.shape, ())
    total = b.mul(size, y)
    if t.dtype.kind != "f" or (value is not None and 0 <= value < float("inf")):
        return total
    some = b("gt", count, b.const(0, count.type))
    return b.select(b.broadcast(some, t.shape, ()), total, b.zeros(t))


def _spread_rest(b: Builder, v: Value, dims: Any, axes: Any, shape: Any) -> Value:
    """`v`, what a broadcast's operand became, in the shape that the reduction leaves."""
    place = [d - sum(a < d for a in axes) for d in dims if d not in axes]
    return b.broadcast(v, shape, place)


@structural(REDUCTIONS, "extreme-broadcast", "max", "min", "any", "all", child=("broadcast",))
def _extreme_broadcast(op: Op, b: Builder) -> Any:
    """The max (min, any, all) of equal values, at least one → the value."""
    (x,), axes = op.operands, op.attrs["axes"]
    inner = x.op
    assert inner is not None
    dims, (y,) = inner.attrs["dims"], inner.operands
    repeated = [a for a in axes if a not in dims]
    if not repeated or not all(at_least_one(x.type.shape[a]) for a in repeated):
        return None
    if any(n == 1 for n in y.type.shape):
        return None
    own = tuple(i for i, d in enumerate(dims) if d in axes)
    if own:
        y = b(op.opdef.name, y, axes=own)
    return _spread_rest(b, y, dims, axes, op.results[0].type.shape)


@structural(REDUCTIONS, "extreme-constant", "max", "min", child=("constant",))
def _extreme_constant(op: Op, b: Builder) -> Any:
    """The max or min of a number in every element, at least one → the number."""
    (x,), value = op.operands, splat(op.operands[0])
    if value is None or not all(at_least_one(x.type.shape[a]) for a in op.attrs["axes"]):
        return None
    return b.const(value, op.results[0].type)


@structural(REDUCTIONS, "scan-short", "cumsum")
def _cumsum_short(op: Op, b: Builder) -> Any:
    """A running sum along an axis of size 1 → x."""
    (x,) = op.operands
    return x if x.type.shape[op.attrs["axis"]] == 1 else None


# -- products -------------------------------------------------------------------------------------


def _swaps_last(op: Op) -> bool:
    perm = op.attrs["perm"]
    r = len(perm)
    return r >= 2 and perm == (*range(r - 2), r - 1, r - 2)


@structural(REDUCTIONS, "matmul-transposed", "matmul", child=("transpose",))
def _matmul_of_transpose(op: Op, b: Builder) -> Any:
    """A transposed operand of a product → the product's own flag."""
    x, y = op.operands
    ta, tb = op.attrs["ta"], op.attrs["tb"]
    fired = False
    if (m := maker(x, "transpose")) and _swaps_last(m):
        x, ta, fired = m.operands[0], not ta, True
    if (m := maker(y, "transpose")) and _swaps_last(m):
        y, tb, fired = m.operands[0], not tb, True
    return b("matmul", x, y, ta=ta, tb=tb) if fired else None


@structural(REDUCTIONS, "transpose-matmul", "transpose", child=("matmul",), exact="reassociates")
def _transpose_of_matmul(op: Op, b: Builder) -> Any:
    """(x y)ᵀ → yᵀ xᵀ, by flags."""
    inner = op.operands[0].op
    assert inner is not None
    if not _swaps_last(op):
        return None
    x, y = inner.operands
    return b("matmul", y, x, ta=not inner.attrs["tb"], tb=not inner.attrs["ta"])


@structural(REDUCTIONS, "outer-product", "matmul")
def _outer(op: Op, b: Builder) -> Any:
    """A product over an inner axis of size 1 → elementwise product of broadcasts."""
    x, y = op.operands
    out = op.results[0].type
    if x.type.shape[-2 if op.attrs["ta"] else -1] != 1 or x.type.dtype is BOOL:
        return None
    r = out.rank
    left = b.reshape(x, (*x.type.shape[:-2], out.shape[-2]))
    right = b.reshape(y, (*y.type.shape[:-2], out.shape[-1]))
    stack = tuple(range(r - 2))
    return b.mul(b.broadcast(left, out.shape, (*stack, r - 2)),
                 b.broadcast(right, out.shape, (*stack, r - 1)))  # fmt: skip
