"""Random well-typed programs over the op table, as a hypothesis strategy that shrinks well.

A program comes with arguments that fit it. Two implementations that differ by rounding must still
agree on it, so every float value is known to lie in a moderate interval, and what would turn a
rounding error into a jump (comparisons, floor, argmax, casts to int) is applied to *exact* values
only: parameters, integers, and what selection and data movement make of them. With `special`,
parameters hold NaN, infinities and -0.0 too; such values are moved, compared and chosen among, and
nothing is computed with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Function, Op, Value, function
from ..ir.dims import DimLike, evaluate, symbol
from ..ir.interp import run
from ..ir.ops import TABLE, OpDef
from ..ir.types import BOOL, I64, DType, TensorType, tensor
from .arguments import RANGE, arguments
from .traits import APART, EXACT, JUMPS, NOT_SMOOTH, WILD, attributes

n, m = symbol("n"), symbol("m")
SHAPES: tuple[tuple[DimLike, ...], ...] = (
    (n,), (), (n, m), (3,), (m, n), (n, 3), (2, n), (n, n), (1, m), (2, 3, n), (0,), (m, 0),
)  # fmt: skip
SIZES = (3, 1, 0, 2, 5, 9, 17)


class Program(NamedTuple):
    """A function and arrays that it takes."""

    fn: Function
    args: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        from ..ir.printer import format_function

        sizes = ", ".join(str(a.shape) for a in self.args)
        return f"{format_function(self.fn)}\non arrays of shapes {sizes}:\n{list(self.args)!r}"


class Item(NamedTuple):
    """A value, the interval it lies in, and whether it is free of rounding."""

    value: Value
    lo: float
    hi: float
    exact: bool

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def special(self) -> bool:
        """Whether it may hold NaN or infinities."""
        return self.hi == np.inf


def programs(
    max_ops: int = 12,
    dtypes: Sequence[str] = ("f64", "f32", "i64", "bool", "i32", "u8"),
    regions: bool = True,
    differentiable: bool = False,
    ops: Sequence[str] | None = None,
    special: bool = False,
) -> st.SearchStrategy[Program]:
    """Programs of up to `max_ops` drawn steps on parameters of `dtypes`.

    With `differentiable`, every op is smooth in the floats around every argument, and the results
    are floats; masks and indices come from integers. `ops` restricts the steps to those rows.
    `special` puts NaN, infinities and -0.0 into the arguments.
    """
    return st.composite(_program)(max_ops, tuple(dtypes), regions, differentiable, ops, special)


def _program(
    draw: Callable[..., Any],
    max_ops: int,
    dtypes: tuple[str, ...],
    regions: bool,
    differentiable: bool,
    ops: Sequence[str] | None,
    special: bool,
) -> Program:
    env = {"n": draw(st.sampled_from(SIZES)), "m": draw(st.sampled_from(SIZES))}
    effects: list[Op] = []
    pool = Pool(draw, Builder(), env, differentiable, effects, depth=3 if regions else 0, ops=ops)
    params = []
    for k in range(draw(st.integers(1, 3))):
        # the first parameter is a float where there is a choice: derivatives need one
        dtype = dtypes[0] if k == 0 else draw(st.sampled_from(dtypes))
        p = Value(tensor(dtype, draw(st.sampled_from(SHAPES))), name="xyz"[k])
        params.append(p)
        bounds = (-np.inf, np.inf) if special and p.type.dtype.inexact else _interval(p.type.dtype)
        pool.add(p, *bounds, exact=True)
    pool.grow(draw(st.integers(1, max_ops)))
    items = [i for i in pool.items if i.type.dtype.inexact or not differentiable]
    results = [items[-1].value]
    for _ in range(draw(st.integers(0, 3))):
        results.append(pool.pick(items).value)
    seed = draw(st.integers(0, 2**16))
    args = arguments(function("main", params, ()), seed, env)
    if special:
        args = tuple(_with_special(a, seed + k) for k, a in enumerate(args))
    fn = function("main", params, results, [*effects, *_guards(pool, params, args)])
    return Program(fn, args)


def _guards(pool: Pool, params: Sequence[Value], args: Sequence[np.ndarray]) -> list[Op]:
    """Guards of the predicates that were drawn, which expect what they are."""
    found = function("predicates", params, pool.predicates, pool.effects)
    return [
        pool.b.op("guard", p, expect=bool(seen), message="as drawn")
        for p, seen in zip(pool.predicates, run(found, args))
    ]


def _with_special(a: np.ndarray, seed: int) -> np.ndarray:
    if a.dtype.kind != "f":
        return a
    rng = np.random.default_rng(seed)
    odd = rng.choice(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], a.dtype), a.shape)
    return np.asarray(np.where(rng.random(a.shape) < 0.4, odd, a), a.dtype)


def _interval(dtype: DType) -> tuple[float, float]:
    return RANGE if dtype.inexact else (0.0, 1.0) if dtype is BOOL else (-(2.0**63), 2.0**63)


class Pool:
    """The values made so far, and how to make more."""

    def __init__(
        self,
        draw: Callable[..., Any],
        b: Builder,
        env: dict[str, int],
        differentiable: bool,
        effects: list[Op],
        depth: int,
        ops: Sequence[str] | None = None,
        inside: bool = False,
    ) -> None:
        self.draw, self.b, self.env = draw, b, env
        self.differentiable, self.depth, self.ops = differentiable, depth, ops
        self.effects = effects  # requires, which always stand outside of regions
        self.inside = inside
        self.guards: list[Op] = []  # of a region
        self.predicates: list[Value] = []  # of the program: guarded once their values are known
        self.items: list[Item] = []

    # -- drawing ----------------------------------------------------------------------------------

    def pick(self, items: Sequence[Any]) -> Any:
        """One of `items`; the last, which is the newest, is the simplest choice."""
        return items[len(items) - 1 - self.draw(st.integers(0, len(items) - 1))]

    def choose(self, items: Sequence[Any]) -> Any:
        """One of `items`, the first being the simplest."""
        return self.draw(st.sampled_from(items))

    def where(self, test: Callable[[Item], bool], special: bool = True) -> Item | None:
        found = [i for i in self.items if (special or not i.special) and test(i)]
        return self.pick(found) if found else None

    def any(self, kinds: str = "biuf", rank: int = 0, special: bool = True) -> Item | None:
        return self.where(lambda i: i.type.dtype.kind in kinds and i.type.rank >= rank, special)

    def size(self, dims: Sequence[DimLike]) -> int:
        return int(np.prod([evaluate(d, self.env) for d in dims]))

    # -- making -----------------------------------------------------------------------------------

    def add(self, value: Value, lo: float, hi: float, exact: bool) -> Item:
        item = Item(value, lo, hi, exact)
        self.items.append(item)
        return item

    def like(self, value: Value, *sources: Item) -> Item:
        """A result made of its sources' elements."""
        return self.add(
            value,
            min(s.lo for s in sources),
            max(s.hi for s in sources),
            all(s.exact for s in sources),
        )

    def scaled(self, value: Value, item: Item, count: float, exact: bool = False) -> Item:
        """A result that adds up `count` elements of `item`."""
        return self.add(
            value, min(item.lo * count, 0.0), max(item.hi * count, 0.0), exact or not _float(item)
        )

    def squash(self, item: Item, lo: float, hi: float) -> Item:
        """`item`, or a smooth function of it, within [lo, hi]."""
        if not _float(item) or (lo <= item.lo and item.hi <= hi):
            return item
        b, v = self.b, item.value
        if lo <= -1.0 and hi >= 1.0:
            return Item(b("tanh", v), -1.0, 1.0, False)
        room = min(0.05, (hi - lo) / 4)
        out = b("sigmoid", v)
        width = min(1.0, hi - lo - 2 * room)
        if width < 1.0:
            out = b.mul(out, b.const(width, out.type))
        out = b.add(out, b.const(lo + room, out.type))
        return Item(out, lo + room, lo + room + width, False)

    def fit(self, item: Item, shape: tuple[DimLike, ...]) -> Item:
        """`item` repeated to `shape`, whose last axes are its own."""
        k = len(shape) - item.type.rank
        dims = range(k, len(shape))
        return item._replace(value=self.b.broadcast(item.value, shape, tuple(dims)))

    def operand(self, type_: TensorType, special: bool = True) -> Item:
        """A value of a type: one of the pool, a smaller one repeated, or a constant."""
        r = type_.rank
        found = [
            i
            for i in self.items
            if i.type.dtype is type_.dtype
            and (special or not i.special)
            and i.type.rank <= r
            and i.type.shape == type_.shape[r - i.type.rank :]
        ]
        k = self.draw(st.integers(0, len(found)))
        if k < len(found):
            return self.fit(found[len(found) - 1 - k], type_.shape)
        value = self.choose((1, 0, 2, -1, 0.5, 3))
        if type_.dtype.kind == "u":
            value = abs(value)
        item = self.b.const(value if type_.dtype.inexact else int(value), type_)
        return Item(item, float(value), float(value), True)

    def mask(self, shape: tuple[DimLike, ...]) -> Item:
        """A bool value free of rounding; with `differentiable`, not made of floats."""
        kinds = "biu" if self.differentiable else "biuf"
        item = self.where(
            lambda i: i.exact and i.type.dtype.kind in kinds and i.type.shape == shape
        )
        if item is None and shape:
            type_ = tensor(I64, shape)
            axis = self.draw(st.integers(0, len(shape) - 1))
            item = Item(self.b("iota", type=type_, axis=axis), 0, 1e3, True)
        if item is None:
            value = self.b.const(self.draw(st.booleans()), tensor(BOOL, ()))
            return Item(value, 0.0, 1.0, True)
        if item.type.dtype is BOOL:
            return item
        name = self.choose(("gt", "lt", "ge", "le", "eq", "ne"))
        other = self.b.const(self.choose((1, 0, 2)), item.type)
        return Item(self.b(name, item.value, other), 0.0, 1.0, True)

    def require(self, lhs: DimLike, cmp: str, rhs: DimLike) -> bool:
        """Ask for a relation of dims; False where it cannot be had."""
        a, c = evaluate(lhs, self.env), evaluate(rhs, self.env)
        if not (a == c if cmp == "eq" else a >= c):
            return False
        if isinstance(lhs, int) and isinstance(rhs, int):
            return True
        self.effects.append(self.b.op("require", lhs=lhs, cmp=cmp, rhs=rhs, message="as drawn"))
        return True

    def grow(self, count: int) -> None:
        """Up to `count` more steps."""
        kinds = [
            [s for s in kind if self.ops is None or s[0] in self.ops]
            for kind in _steps(self.differentiable, self.depth > 0)
        ]
        kinds = [kind for kind in kinds if kind]
        for _ in range(count):
            before = len(self.items)
            for _ in range(3):  # a step may find nothing to work on: others may
                _, step = self.choose(self.choose(kinds))
                step(self)
                if len(self.items) > before:
                    break

    def inner(self, operands: Sequence[Item]) -> tuple[Pool, list[Value]]:
        """A pool for a region that takes `operands`."""
        pool = Pool(
            self.draw, self.b, self.env, self.differentiable, self.effects, self.depth - 1,
            inside=True,
        )  # fmt: skip
        params = [Value(i.type) for i in operands]
        for p, i in zip(params, operands):
            pool.add(p, i.lo, i.hi, i.exact)
        return pool, params


def _float(item: Item) -> bool:
    return item.type.dtype.inexact


# -- elementwise rows: straight from the table ----------------------------------------------------


@cache
def _image(row: OpDef, inner: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """The interval that an elementwise row gives on intervals, by sampling."""
    axes = [np.linspace(lo, hi, 41 if len(inner) < 3 else 9) for lo, hi in inner]
    assert row.ref is not None
    with np.errstate(all="ignore"):
        out = np.asarray(row.ref(*np.meshgrid(*axes), **attributes(row)), np.float64)
    out = out[np.isfinite(out)]
    if not out.size:
        return RANGE
    slack = 0.05 * (1.0 + float(np.max(np.abs(out))))
    return float(out.min()) - slack, float(out.max()) + slack


def _elementwise(row: OpDef) -> Callable[[Pool], None]:
    assert row.arity is not None

    def step(p: Pool) -> None:
        jumps = row.name in JUMPS
        moves = jumps or row.name in EXACT
        first = p.where(
            lambda i: _takes(row, i.type) and (i.exact or not jumps or not _float(i)), moves
        )
        if first is None:
            return
        count = (row.arity or 1) - 1
        items = [first, *(p.operand(first.type, moves) for _ in range(count))]
        if jumps and not all(i.exact for i in items):
            return
        if _float(first):
            if moves:
                bounds = tuple((i.lo, i.hi) for i in items)
            else:
                items = [p.squash(i, *d) for i, d in zip(items, row.domain)]
                bounds = tuple((i.lo, i.hi) for i in items)
            special = row.name in WILD or any(i.special for i in items)
            lo, hi = (-np.inf, np.inf) if special else _image(row, bounds)
        else:
            lo, hi = _interval(first.type.dtype)
        exact = all(i.exact for i in items) and (row.name in EXACT or jumps or not _float(first))
        out = p.b(row.name, *[i.value for i in items], **attributes(row))
        if out.type.dtype is BOOL:
            lo, hi = 0.0, 1.0
        p.add(out, lo, hi, exact)

    return step


@cache
def _takes(row: OpDef, type_: TensorType) -> bool:
    try:
        row.types(row.name, [type_] * row.arity, attributes(row), ())  # type: ignore[operator]
    except JitgradError:
        return False
    return True


@cache
def _steps(differentiable: bool, regions: bool) -> list[list[tuple[str, Callable[[Pool], None]]]]:
    """What can be drawn, simplest first: elementwise, structured, with regions.

    Structured rows twice, since most of what can go wrong is in how they meet.
    """
    from .steps import STRUCTURED
    from .steps_axes import AXES
    from .steps_regions import CONTROL

    out: list[tuple[str, Callable[[Pool], None]]] = []
    for row in TABLE.values():
        if row.elementwise and row.name not in STRUCTURED and row.name not in APART:
            smooth = row.name not in NOT_SMOOTH and row.deriv is not None
            if smooth and not callable(row.deriv) and any(d is None for d in row.deriv or ()):
                smooth = False
            if smooth or not differentiable:
                out.append((row.name, _elementwise(row)))
    structured = [
        (name, step)
        for name, step in {**STRUCTURED, **AXES}.items()
        if not (differentiable and name in NOT_SMOOTH)
    ]
    return [out, structured, structured, *([list(CONTROL.items())] if regions else [])]


def covered() -> set[str]:
    """The rows that programs draw."""
    return {name for kind in _steps(False, True) for name, _ in kind} | {"require"}
