"""What a function needs of a graph in the air: its ops, the gradients to derive anew, and regions.

A region of a graph in the air may have a value from outside as its parameter, the very value that
is the operand there: then its ops, and the gradients taken in it, name that value as they would
outside. A gradient inside a region may be one by such a value *behind* another of them (`grad(y[i],
x)` in a loop over i, with y made of x outside). To derive it anew, what lies between the two is
planned again inside of the region; passes push what does not vary out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..ir.core import Block, Op, Value, reachable
from .symbolic_notes import Recipe, recipes

_CHEAP = ("constant", "dim")  # made again wherever they are used


class Group:
    """Gradients of one cost that are needed: derived together."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.serial = recipe.serial
        self.members: dict[int, tuple[Value, Value]] = {}  # raw gradient, its wrt


class Region(NamedTuple):
    """A region's plan; which parameters it starts from (the others are made again inside); and the
    values from outside that it needs beside them."""

    block: Block
    items: list[Any]
    given: list[bool]
    extra: list[Value]


class Nest:
    """An op with regions, and their plans."""

    def __init__(self, op: Op, derive: bool, known: Nests) -> None:
        self.op = op
        self.serial = op.serial
        # the parameters that may be values from outside: a branch's all, a loop's constants
        free = op.operands[: op.attrs["consts"]] if "consts" in op.attrs else op.operands[1:]
        self.regions = [region(r, free, derive, known) for r in op.regions]

    @property
    def extra(self) -> list[Value]:
        return list({id(v): v for r in self.regions for v in r.extra}.values())


class Nests(dict[int, Nest]):
    """The nests that are planned, by their op's id. `ends` are ids of the values that are given,
    one of which a region may make again for itself."""

    def __init__(self, ends: set[int]) -> None:
        super().__init__()
        self.ends = ends


def plan(
    roots: Sequence[Value], stops: set[int], derive: bool, known: Nests | None = None
) -> tuple[list[Any], set[int]]:
    """What `roots` need, in order: `Op`s, `Nest`s and `Group`s; and the ids of all values met.

    The walk ends at the values whose ids are in `stops`. Gradients are derived anew if `derive`.
    `known` are the nests that are planned already.
    """
    nests = Nests(stops) if known is None else known
    ops: list[Any] = []
    groups: dict[tuple, Group] = {}
    seen: set[int] = set()
    made: set[int] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        op = v.op
        if op is None or id(v) in stops:
            continue
        found = recipes.get(v) if derive and op.made_by else None
        if found is not None:
            recipe, k = found
            given = tuple([(id(a), id(g)) for a, g in recipe.known])
            # a walk stops at what it is asked for: one that is to end at variables only goes by
            # itself, since the rules see more of the cost in one piece
            middle = recipe.wrt[k].op is not None
            constants = tuple([id(c) for c in recipe.constants])
            key = (recipe.derive, id(recipe.cost), constants, given, middle)
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(recipe)
            group.serial = min(group.serial, recipe.serial)
            group.members[id(v)] = v, recipe.wrt[k]
            stack.append(recipe.wrt[k])
            stack += roots_of(recipe)
        elif id(op) not in made:
            made.add(id(op))
            stack += op.operands
            if op.regions:
                nest = _nest(op, derive, nests)
                ops.append(nest)
                stack += nest.extra
            else:
                ops.append(op)
    ops += groups.values()
    ops.sort(key=lambda o: o.serial)
    return ops, seen


def roots_of(recipe: Recipe) -> list[Value]:
    """The values that a gradient is derived from, but for what it is taken by."""
    out = [w for pair in recipe.known for w in pair]
    out += recipe.constants
    if recipe.cost is not None:
        out.append(recipe.cost)
    return out


def flat(items: Iterable[Any], branch: bool = False) -> Iterable[tuple[Op, bool]]:
    """All ops of a plan, those in regions too, each with whether it stands in a branch."""
    for item in items:
        if item.__class__ is Op:
            yield item, branch
        elif item.__class__ is Nest:
            yield item.op, branch
            for r in item.regions:
                yield from flat(r.items, branch or item.op.opdef.name == "cond")


def region(block: Block, free: Sequence[Value], derive: bool, known: Nests) -> Region:
    """The plan of a region whose first parameters stand for the values `free`."""
    stops = {id(p) for p in block.params}
    have = set(stops)
    roots = list(block.results)
    effects = [op for op in block.ops if op.opdef.effect]
    for e in effects:
        roots += e.operands
    inside = _recipes(block) if derive else []
    deeper = [v for op in block.ops if op.regions for v in _nest(op, derive, known).extra]
    given = {id(v) for op in block.ops for v in op.results if id(v) in known.ends}
    more = inside or given or any(id(v) not in have for v in deeper)
    if more:
        stops = _stops(block, free, [*roots, *deeper], inside) | given
    items, seen = plan(roots, stops, derive, known)
    extra: list[Value] = []
    if more:
        values = {id(v): v for v in _met(items)}
        extra = [v for i, v in values.items() if i in seen and i not in have
                 and (v.op is None or i in stops)]  # fmt: skip
    if effects:
        items += effects
        items.sort(key=lambda o: o.serial)
    starts = [p.op is None or id(p) in stops for p in block.params]
    return Region(block, items, starts, extra)


def _nest(op: Op, derive: bool, known: Nests) -> Nest:
    found = known.get(id(op))
    if found is None:
        found = known[id(op)] = Nest(op, derive, known)
    return found


def _met(items: Sequence[Any]) -> Iterable[Value]:
    """The values that a plan starts from or makes."""
    for item in items:
        if item.__class__ is Op:
            yield from item.operands
        elif item.__class__ is Nest:
            yield from item.op.operands
            yield from item.extra
        else:
            yield from roots_of(item.recipe)
            yield from (w for _, w in item.members.values())


def _recipes(block: Block) -> list[tuple[Recipe, int]]:
    """The gradients that a block's own ops make."""
    return [r for op in block.ops if op.made_by for v in op.results if (r := recipes.get(v))]


def _stops(
    block: Block, free: Sequence[Value], roots: Sequence[Value],
    inside: Sequence[tuple[Recipe, int]],
) -> set[int]:  # fmt: skip
    """Where the plan of a region with gradients ends: at its own parameters, and at the values from
    outside that do not lie between a cost and what it is differentiated by."""
    outer = {id(p) for p, v in zip(block.params, free) if p is v}
    own = [p for p in block.params if id(p) not in outer]
    everything = list(roots)
    for recipe, k in inside:
        everything += [*roots_of(recipe), recipe.wrt[k]]
    ops = reachable(everything, own)
    inner = {id(p) for p in own}
    wrt = {id(v) for recipe, k in inside for v in recipe.by(k)} - inner
    between: set[int] = set()
    stops = inner | wrt
    for op in ops:
        ids = [id(r) for r in op.results]
        if any(id(v) in inner for v in op.operands):
            inner.update(ids)
            stops.difference_update(ids)
        elif op.opdef.name in _CHEAP:
            continue
        elif any(id(v) in between or id(v) in wrt for v in op.operands):
            between.update(ids)
            stops.difference_update(ids)
        else:
            stops.update(ids)
    return stops
