"""Steps of random programs for structured rows: shapes, indices, reductions, casts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from ..ir.dims import DimLike, evaluate, product
from ..ir.types import BOOL, DTYPES, F64, I64, tensor
from .arguments import RANGE, random_array
from .programs import Item, Pool

Step = Callable[[Pool], None]


def axis_of(p: Pool, item: Item) -> int:
    """Any axis of `item`."""
    return p.draw(st.integers(0, item.type.rank - 1))


def axes_of(p: Pool, item: Item) -> tuple[int, ...]:
    """Some axes of `item`, at least one; all of them the simplest."""
    r = item.type.rank
    return p.choose([tuple(a for a in range(r) if k >> a & 1) for k in range((1 << r) - 1, 0, -1)])


# -- elementwise rows with rules of their own -----------------------------------------------------


def _select(p: Pool) -> None:
    x = p.any()
    if x is None:
        return
    y = p.operand(x.type)
    mask = p.mask(x.type.shape)
    p.like(p.b.select(mask.value, x.value, y.value), x, y)


def _cast(p: Pool) -> None:
    names = ("f64",) if p.differentiable else ("f64", "i64", "f32", "bool", "i32", "u8")
    dtype = DTYPES[p.choose(names)]
    # a float that becomes an integer must be exact, and in range
    x = p.where(lambda i: i.type.dtype.is_float <= (i.exact or dtype.inexact), special=False)
    if x is None or x.type.dtype is dtype:
        return
    if dtype.kind in "iu" and x.type.dtype.is_float and (x.lo < 0 or x.hi > 200):
        x = Item(p.b("abs", x.value), 0.0, max(abs(x.lo), abs(x.hi)), True)
        if x.hi > 100:
            return
    out = p.b.cast(x.value, dtype)
    exact = x.exact and not (dtype.inexact and dtype.bits < 64)
    lo, hi = (
        (x.lo, x.hi) if dtype.inexact else (0.0, 1.0) if dtype is BOOL else (-(2.0**63), 2.0**63)
    )
    p.add(out, lo, hi, exact)


def _nonnegative(p: Pool) -> None:
    x = p.where(lambda i: i.type.dtype.kind in "iu")
    if x is not None:
        small = p.b("and", x.value, p.b.const(3, x.type))
        p.add(p.b("nonnegative", small), 0.0, 3.0, True)


# -- sources and shapes ---------------------------------------------------------------------------


def _dense(p: Pool) -> None:
    """An array of a constant's own, not always in C order."""
    dtype = DTYPES[p.choose(("f64", "i64", "bool", "f32", "i32", "u8"))]
    shape = p.choose(((3,), (2, 3), (), (1, 2), (3, 3), (0,), (2, 3, 2)))
    if p.differentiable and dtype.name == "f32":
        return
    array = random_array(tensor(dtype, shape), p.draw(st.integers(0, 99)), {})
    if array.ndim > 1 and p.draw(st.booleans()):
        array = np.asfortranarray(array)
    lo, hi = RANGE if dtype.inexact else (0.0, 3.0)
    p.add(p.b.const(array, tensor(dtype, shape)), lo, hi, True)


def _iota(p: Pool) -> None:
    x = p.any(rank=1)
    if x is not None:
        dtype = I64 if p.draw(st.booleans()) else F64
        axis = axis_of(p, x)
        top = evaluate(x.type.shape[axis], p.env)
        p.add(p.b("iota", type=tensor(dtype, x.type.shape), axis=axis), 0.0, float(top), True)


def _dim(p: Pool) -> None:
    x = p.any(rank=1)
    if x is not None:
        p.add(p.b("dim", expr=x.type.shape[axis_of(p, x)]), 0.0, 2.0**20, True)


def _fill(p: Pool) -> None:
    x, v = p.any(), p.where(lambda i: not i.type.shape)
    if x is not None and v is not None:
        p.like(p.b("fill", x.value, v.value), v)


def _broadcast(p: Pool) -> None:
    x, like = p.any(), p.any(rank=1)
    if x is None or like is None or x.type.rank > 2:
        return
    r = x.type.rank
    extra = like.type.shape[axis_of(p, like)]
    at = p.draw(st.integers(0, r))
    shape = (*x.type.shape[:at], extra, *x.type.shape[at:])
    p.like(p.b.broadcast(x.value, shape, [k for k in range(r + 1) if k != at]), x)


def _reshape(p: Pool) -> None:
    x = p.any()
    if x is None:
        return
    shape = x.type.shape
    forms: list[tuple[DimLike, ...]] = [(product(shape),), (1, *shape), (*shape, 1), shape[::-1]]
    if 1 in shape:
        forms.append(tuple(d for d in shape if d != 1))
    p.like(p.b.reshape(x.value, p.choose([f for f in forms if len(f) <= 4])), x)


def _transpose(p: Pool) -> None:
    x = p.any(rank=2)
    if x is not None:
        p.like(p.b.transpose(x.value, p.draw(st.permutations(range(x.type.rank)))), x)


def _reverse(p: Pool) -> None:
    x = p.any(rank=1)
    if x is not None:
        p.like(p.b("reverse", x.value, axes=axes_of(p, x)), x)


def _refine(p: Pool) -> None:
    x = p.where(lambda i: not i.type.static)
    if x is None:
        return
    shape = list(x.type.shape)
    axis = next(k for k, d in enumerate(shape) if not isinstance(d, int))
    size = evaluate(shape[axis], p.env)
    if p.require(shape[axis], "eq", size):
        shape[axis] = size
        p.like(p.b("refine", x.value, shape=tuple(shape)), x)


def _slice(p: Pool) -> None:
    x = p.any(rank=1)
    if x is None:
        return
    r, axis = x.type.rank, axis_of(p, x)
    d = x.type.shape[axis]
    lo, hi, step = p.choose(((1, 0, 1), (0, 1, 1), (0, 0, 2), (1, 1, 1), (1, 0, 2), (0, 0, 3)))
    # strided: the extent is positive, as front ends see to
    if not p.require(d, "ge", lo + hi + (step > 1)):
        return
    starts, stops, steps = [0] * r, list(x.type.shape), [1] * r
    starts[axis], stops[axis], steps[axis] = lo, d - hi, step
    p.like(p.b("slice", x.value, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps)), x)


def _pad(p: Pool) -> None:
    x = p.any(rank=1)
    if x is None:
        return
    fill = p.operand(tensor(x.type.dtype, ()))
    r, axis = x.type.rank, axis_of(p, x)
    lo, hi, interior = [0] * r, [0] * r, [0] * r
    lo[axis], hi[axis], interior[axis] = p.choose(((1, 0, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1)))
    if interior[axis] and not p.require(x.type.shape[axis], "ge", 1):
        return
    p.like(
        p.b("pad", x.value, fill.value, lo=tuple(lo), hi=tuple(hi), interior=tuple(interior)),
        x,
        fill,
    )


def _concatenate(p: Pool) -> None:
    x = p.any(rank=1)
    if x is None:
        return
    axis = axis_of(p, x)
    shape = x.type.shape

    def fits(i: Item) -> bool:
        s = i.type.shape
        return (
            i.type.dtype is x.type.dtype
            and len(s) == len(shape)
            and all(a == axis or c is d or c == d for a, (c, d) in enumerate(zip(s, shape)))
        )

    y = p.where(fits)
    assert y is not None
    p.like(p.b("concatenate", x.value, y.value, axis=axis), x, y)


# -- indices --------------------------------------------------------------------------------------


def index_into(p: Pool, d: DimLike) -> Item | None:
    """Indices into an axis of size d, checked; None where it is empty."""
    if not p.require(d, "ge", 1):
        return None
    i = p.where(lambda i: i.type.dtype is I64 and i.type.rank <= 2)
    if i is None:
        i = Item(p.b.const(p.choose((0, 1)), tensor(I64, p.choose(((2,), (), (3,))))), 0, 1, True)
    one = p.b.const(1 if evaluate(d, p.env) > 1 and p.require(d, "ge", 2) else 0, i.type)
    v = p.b("and", i.value, one)
    if p.draw(st.booleans()):  # -1 - v is as good an index
        v = p.b("not", v)
    return i._replace(value=p.b("wrap_index", v, size=d))


def _wrap_index(p: Pool) -> None:
    x = p.any(rank=1)
    i = None if x is None else index_into(p, x.type.shape[axis_of(p, x)])
    if i is not None:
        p.add(i.value, 0.0, 1e3, True)


def _gather(p: Pool) -> None:
    x = p.any(rank=1)
    if x is None:
        return
    axis = axis_of(p, x)
    i = index_into(p, x.type.shape[axis])
    if i is not None and i.type.rank + x.type.rank <= 4:
        p.like(p.b("gather", x.value, i.value, axis=axis), x)


# -- reductions -----------------------------------------------------------------------------------


def _sum(p: Pool) -> None:
    x = p.any("iuf", rank=1, special=False)
    if x is not None:
        axes = axes_of(p, x)
        p.scaled(p.b.sum(x.value, axes), x, p.size([x.type.shape[a] for a in axes]))


def _cumsum(p: Pool) -> None:
    x = p.any("iuf", rank=1, special=False)
    if x is not None:
        axis = axis_of(p, x)
        p.scaled(p.b("cumsum", x.value, axis=axis), x, p.size([x.type.shape[axis]]))


def _extreme(name: str) -> Step:
    def step(p: Pool) -> None:
        x = p.any(rank=1)
        if x is None:
            return
        axes = axes_of(p, x)
        if all(p.require(x.type.shape[a], "ge", 1) for a in axes):
            p.like(p.b(name, x.value, axes=axes), x)

    return step


def _logical(name: str) -> Step:
    def step(p: Pool) -> None:
        like = p.any(rank=1)
        if like is None:
            return
        x = p.mask(like.type.shape)
        p.add(p.b(name, x.value, axes=axes_of(p, x)), 0.0, 1.0, True)

    return step


def _matmul(p: Pool) -> None:
    x = p.any("iuf", rank=2, special=False)
    if x is None:
        return
    y = p.where(
        lambda i: (
            not i.special
            and i.type.dtype is x.type.dtype
            and i.type.rank == x.type.rank
            and i.type.shape[:-2] == x.type.shape[:-2]
            and any(d is e or d == e for d in i.type.shape[-2:] for e in x.type.shape[-2:])
        )
    )
    assert y is not None
    left, right = p.squash(x, -4.0, 4.0), p.squash(y, -4.0, 4.0)
    rows, cols = left.type.shape, right.type.shape
    flags = [
        (ta, tb)
        for ta in (False, True)
        for tb in (False, True)
        if rows[-2 if ta else -1] == cols[-1 if tb else -2]
    ]
    ta, tb = p.choose(flags)
    bound = 16.0 * max(p.size([rows[-2 if ta else -1]]), 1)
    out = p.b("matmul", left.value, right.value, ta=ta, tb=tb)
    p.add(out, -bound, bound, not left.type.dtype.inexact)


STRUCTURED: dict[str, Step] = {
    "sum": _sum, "broadcast": _broadcast, "transpose": _transpose, "reshape": _reshape,
    "select": _select, "cast": _cast, "reverse": _reverse, "iota": _iota, "dim": _dim,
    "fill": _fill, "slice": _slice, "pad": _pad, "concatenate": _concatenate, "gather": _gather,
    "cumsum": _cumsum, "matmul": _matmul, "max": _extreme("max"),
    "min": _extreme("min"), "any": _logical("any"), "all": _logical("all"),
    "refine": _refine, "wrap_index": _wrap_index, "constant": _dense,
    "nonnegative": _nonnegative,
}  # fmt: skip
