"""Steps of random programs for rows that run along an axis, sort, or write to computed places."""

from __future__ import annotations

from hypothesis import strategies as st

from ..ir.dims import DimLike
from ..ir.types import I64, tensor
from .programs import Item, Pool
from .steps import Step, axes_of, axis_of, index_into


def _float(item: Item) -> bool:
    return item.type.dtype.inexact


# -- along an axis --------------------------------------------------------------------------------


def _prod(p: Pool) -> None:
    x = p.any("iuf", rank=1, special=False)
    if x is not None:
        x = p.squash(x, -1.0, 1.0)
        p.add(p.b("prod", x.value, axes=axes_of(p, x)), -1.0, 1.0, not _float(x))


def _cumprod(p: Pool) -> None:
    x = p.any("iuf", rank=1, special=False)
    if x is not None:
        x = p.squash(x, -1.0, 1.0)
        p.add(p.b("cumprod", x.value, axis=axis_of(p, x)), -1.0, 1.0, not _float(x))


def _recurrence(p: Pool) -> None:
    x = p.any("iuf", rank=1, special=False)
    if x is None:
        return
    a, v = p.squash(x, -1.0, 1.0), p.squash(p.operand(x.type, special=False), -4.0, 4.0)
    axis = axis_of(p, x)
    bound = 4.0 * p.size([x.type.shape[axis]]) + 4.0
    rest = [p.mask(x.type.shape).value] if p.draw(st.booleans()) else []
    out = p.b("recurrence", a.value, v.value, *rest, axis=axis)
    p.add(out, -bound, bound, not _float(x))


def _moved(name: str) -> Step:
    """Rows whose result has some of x's elements."""

    def step(p: Pool) -> None:
        x = p.any(rank=1)
        if x is not None:
            p.like(p.b(name, x.value, axis=axis_of(p, x)), x)

    return step


def _place(name: str) -> Step:
    def step(p: Pool) -> None:
        x = p.where(lambda i: i.exact and i.type.rank >= 1)
        if x is None:
            return
        axis = axis_of(p, x)
        if name == "argsort" or p.require(x.type.shape[axis], "ge", 1):
            p.add(p.b(name, x.value, axis=axis), 0.0, 1e3, True)

    return step


def _searchsorted(p: Pool) -> None:
    x = p.where(lambda i: i.exact and i.type.rank >= 1)
    if x is None:
        return
    lead = x.type.shape[:-1]
    y = p.where(
        lambda i: i.exact and i.type.dtype is x.type.dtype and i.type.shape[: len(lead)] == lead
    )
    assert y is not None
    table = p.b("sort", x.value, axis=x.type.rank - 1)
    out = p.b("searchsorted", table, y.value, right=p.draw(st.booleans()))
    p.add(out, 0.0, 1e3, True)


# -- computed places ------------------------------------------------------------------------------


def _take_along(p: Pool) -> None:
    x = p.any(rank=1)
    if x is None:
        return
    axis, shape = axis_of(p, x), x.type.shape
    if not p.require(shape[axis], "ge", 1):
        return

    def fits(i: Item) -> bool:
        pairs = enumerate(zip(i.type.shape, shape))
        return i.type.rank == len(shape) and all(
            a == axis or c is d or c == d for a, (c, d) in pairs
        )

    like = p.where(fits)
    assert like is not None
    along = p.draw(st.integers(0, like.type.rank - 1))
    where = p.b("iota", type=tensor(I64, like.type.shape), axis=along)
    top = p.b.broadcast(p.b("dim", expr=shape[axis]), like.type.shape, ())
    last = p.b("sub", top, p.b.const(1, top.type))
    p.like(p.b("take_along", x.value, p.b("minimum", where, last), axis=axis), x)


def _scatter(name: str) -> Step:
    def step(p: Pool) -> None:
        moves = name not in ("scatter_add", "scatter_mul")
        x = p.any("biuf" if moves else "iuf", rank=1, special=moves)
        if x is None:
            return
        span = 4.0 if name == "scatter_add" else 1.0
        x = x if moves else p.squash(x, -span, span)
        axis, shape = axis_of(p, x), x.type.shape
        i = index_into(p, shape[axis])
        if i is None or i.type.rank + x.type.rank > 4:
            return
        want = x.type.with_shape((*shape[:axis], *i.type.shape, *shape[axis + 1 :]))
        upd = p.operand(want, special=moves)
        upd = upd if moves else p.squash(upd, -span, span)
        out = p.b(name, x.value, i.value, upd.value, axis=axis)
        if moves:
            p.like(out, x, upd)
            return
        bound = 4.0 + 4.0 * p.size(i.type.shape) if name == "scatter_add" else 1.0
        p.add(out, -bound, bound, not _float(x))

    return step


def _block(p: Pool, x: Item) -> tuple[list[DimLike], list[Item]] | None:
    """The sizes of a block of x, and where it starts: anywhere, since starts are clamped."""
    sizes: list[DimLike] = []
    for d in x.type.shape:
        less = p.draw(st.integers(0, 1))
        if not p.require(d, "ge", less):
            return None
        sizes.append(d - less)
    scalars = [i for i in p.items if i.type is I64.rank0]
    zero = Item(p.b.const(p.choose((0, 1, -1, 7)), I64.rank0), -1.0, 7.0, True)
    return sizes, [p.choose([zero, *scalars]) for _ in sizes]


def _dynamic_slice(p: Pool) -> None:
    x = p.any(rank=1)
    made = None if x is None else _block(p, x)
    if x is not None and made is not None:
        sizes, starts = made
        p.like(p.b("dynamic_slice", x.value, *[s.value for s in starts], sizes=tuple(sizes)), x)


def _dynamic_update_slice(p: Pool) -> None:
    x = p.any(rank=1)
    made = None if x is None else _block(p, x)
    if x is not None and made is not None:
        sizes, starts = made
        upd = p.operand(x.type.with_shape(tuple(sizes)))
        out = p.b("dynamic_update_slice", x.value, upd.value, *[s.value for s in starts])
        p.like(out, x, upd)


AXES: dict[str, Step] = {
    "prod": _prod, "cumprod": _cumprod, "recurrence": _recurrence,
    **{name: _moved(name) for name in ("cummax", "cummin", "sort")},
    **{name: _place(name) for name in ("argmax", "argmin", "argsort")},
    "searchsorted": _searchsorted, "take_along": _take_along,
    **{name: _scatter(name) for name in ("scatter", "scatter_add", "scatter_mul", "scatter_max",
                                         "scatter_min")},
    "dynamic_slice": _dynamic_slice, "dynamic_update_slice": _dynamic_update_slice,
}  # fmt: skip
