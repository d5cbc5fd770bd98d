"""Structural rules of reductions and products."""

from __future__ import annotations

import math
from typing import Any

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import Dim, DimLike, product
from ...ir.types import BOOL, tensor
from ..fold import is_number, splat
from ..match import RuleSet, structural
from .canonical import at_least_one, maker, squeezed_places

REDUCTIONS: RuleSet = []
_AXES = ("sum", "prod", "max", "min", "any", "all")


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


@structural(REDUCTIONS, "extreme-constant", "max", "min", "any", "all", "prod", child=("constant",))
def _extreme_constant(op: Op, b: Builder) -> Any:
    """A reduction of equal elements, at least one, that gives the element; or of neutral ones."""
    value, name = splat(op.operands[0]), op.opdef.name
    if value is None:
        return None
    some = all(at_least_one(op.operands[0].type.shape[a]) for a in op.attrs["axes"])
    neutral = is_number(value, _NEUTRAL.get(name)) if name in _NEUTRAL else False
    if name == "prod":
        some = some and value in (0, 1)
    return b.const(value, op.results[0].type) if neutral or some else None


_NEUTRAL = {"any": False, "all": True, "prod": 1, "max": -math.inf, "min": math.inf, "sum": 0}
_PAIR = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "any": "or", "all": "and"}


@structural(REDUCTIONS, "reduce-concatenate", *_AXES, child=("concatenate",), exact="reassociates")
def _reduce_concatenate(op: Op, b: Builder) -> Any:
    """A reduction of a join → the parts', combined or joined: the join is never made."""
    cat = op.operands[0].op
    assert cat is not None
    name, axes, axis = op.opdef.name, op.attrs["axes"], cat.attrs["axis"]
    if len(cat.operands) > 64:
        return None
    parts = [b(name, v, axes=axes) for v in cat.operands]
    if axis not in axes:
        return b("concatenate", *parts, axis=axis - sum(a < axis for a in axes))
    while len(parts) > 1:  # in pairs, as a sum is added up
        pairs = [b(_PAIR[name], v, w) for v, w in zip(parts[::2], parts[1::2])]
        parts = pairs + parts[len(parts) // 2 * 2 :]
    return parts[0]


@structural(REDUCTIONS, "reduce-pad", *_AXES, child=("pad",), exact="reassociates")
def _reduce_pad(op: Op, b: Builder) -> Any:
    """A reduction of what is padded by its neutral element → without those pads."""
    pad, name, axes = op.operands[0].op, op.opdef.name, op.attrs["axes"]
    assert pad is not None
    x, value = pad.operands
    if not is_number(splat(value), _NEUTRAL[name]):
        return None
    total = b(name, x, axes=axes)
    kept = [i for i in range(x.type.rank) if i not in axes]
    left = {k: tuple(v[i] for i in kept) for k, v in pad.attrs.items()}
    return b("pad", total, value, **left) if kept else total


@structural(REDUCTIONS, "reduce-reverse", *_AXES, child=("reverse", "sort"), exact="reassociates")
def _reduce_reverse(op: Op, b: Builder) -> Any:
    """A reduction over an axis does not see its order: of a reverse, or of a sort."""
    inner, axes = op.operands[0].op, op.attrs["axes"]
    assert inner is not None
    (x,) = inner.operands
    if inner.opdef.name == "sort":
        return b(op.opdef.name, x, axes=axes) if inner.attrs["axis"] in axes else None
    left = tuple(a - sum(r < a for r in axes) for a in inner.attrs["axes"] if a not in axes)
    total = b(op.opdef.name, x, axes=axes)
    return b("reverse", total, axes=left) if left else total


@structural(REDUCTIONS, "reduce-squeeze", *_AXES, child=("reshape",), exact="reassociates")
def _reduce_squeeze(op: Op, b: Builder) -> Any:
    """A reduction of a reshape that only adds axes of size 1 → of the tensor itself."""
    inner, axes = op.operands[0].op, op.attrs["axes"]
    assert inner is not None
    x, shape = inner.operands[0], inner.attrs["shape"]
    places = squeezed_places(shape, x.type.shape)
    if places is None or x.type.rank >= len(shape) or any(shape[a] == 1 for a in axes):
        return None
    total = b(op.opdef.name, x, axes=tuple(sorted(places[a] for a in axes)))
    return b.reshape(total, op.results[0].type.shape)


@structural(REDUCTIONS, "sum-scaled-up", "sum", child=("mul",), exact="reassociates")
def _sum_scaled_up(op: Op, b: Builder) -> Any:
    """sum(c·x) → c·sum(x) for a number c >= 1: nothing overflows that did not before."""
    product = op.operands[0].op
    assert product is not None
    for factor, rest in (product.operands, product.operands[::-1]):
        c = splat(factor)
        if c is None or splat(rest) is not None:
            continue
        if rest.type.dtype.kind == "f" and not 1 <= c < math.inf:
            continue
        total = b("sum", rest, axes=op.attrs["axes"])
        return b.mul(b.const(c, total.type), total)
    return None


@structural(REDUCTIONS, "sum-neg-int", "sum", child=("neg",))
def _sum_neg_int(op: Op, b: Builder) -> Any:
    """sum(-x) → -sum(x) for ints."""
    neg = maker(op.operands[0], "neg")
    if neg is None or op.results[0].type.dtype.kind != "i":
        return None
    return b("neg", b("sum", neg.operands[0], axes=op.attrs["axes"]))


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


@structural(REDUCTIONS, "matmul-nothing", "matmul")
def _matmul_nothing(op: Op, b: Builder) -> Any:
    """A product over an inner axis of size 0 → zeros; of ints with zeros, too."""
    x, y = op.operands
    empty = x.type.shape[-2 if op.attrs["ta"] else -1] == 0
    zero = x.type.dtype.kind in "iu" and (splat(x) == 0 or splat(y) == 0)
    return b.zeros(op.results[0].type) if empty or zero else None


@structural(REDUCTIONS, "matmul-stack", "matmul", child=("broadcast",), exact="reassociates")
def _matmul_stack(op: Op, b: Builder) -> Any:
    """A stack of matrices times one matrix, broadcast → one product of the stack's rows."""
    x, y = op.operands
    spread = maker(y, "broadcast")
    if spread is None or op.attrs["ta"] or x.type.rank < 3:
        return None
    (m,), r = spread.operands, x.type.rank
    if m.type.rank != 2 or spread.attrs["dims"] != (r - 2, r - 1) or 1 in m.type.shape:
        return None
    rows = product(x.type.shape[:-1])
    flat = b("matmul", b.reshape(x, (rows, x.type.shape[-1])), m, ta=False, tb=op.attrs["tb"])
    return b.reshape(flat, op.results[0].type.shape)
