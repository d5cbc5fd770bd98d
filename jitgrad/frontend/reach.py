"""What a graph in the air leads to: the values met on the way, and the dim symbols named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..ir.core import Op, Value
from ..ir.dims import Dim, symbol, symbols
from ..ir.types import TensorType
from .symbolic_dims import source_of
from .symbolic_notes import owners, recipes


class Reach(NamedTuple):
    """Values by their ids, and names of dim symbols."""

    values: dict[int, Value]
    names: set[str]

    def needs(self, v: Value) -> bool:
        """Whether the graph needs `v`, or a size of it."""
        return id(v) in self.values or any(
            s in self.names for d in v.type.shape if d.__class__ is Dim for s in symbols(d)
        )


def reach(roots: Iterable[Value], stops: Iterable[Value] = ()) -> Reach:
    """What `roots` need, by values or by sizes; the walk ends behind the values of `stops`.

    A gradient leads to all of what it is derived from, since `function` derives it anew.
    """
    ends = {id(v) for v in stops}
    met: dict[int, Value] = {}
    ops: set[int] = set()
    names: set[str] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if id(v) in met:
            continue
        met[id(v)] = v
        op = v.op
        if op is None or id(v) in ends:
            continue
        known = recipes.get(v) if op.made_by else None
        if known is not None:
            recipe = known[0]
            stack += [w for w in (recipe.cost, *recipe.wrt, *recipe.constants) if w is not None]
            stack += [w for pair in recipe.known for w in pair]
        if id(op) in ops:
            continue
        ops.add(id(op))
        stack += op.operands
        if op.attrs or op.regions:
            _inside(op, stack, names)
    return Reach(met, names)


def _inside(op: Op, stack: list[Value], names: set[str]) -> None:
    """The sizes that an op names, and what its regions need."""
    found: set[str] = set()
    for a in op.attrs.values():
        _symbols(a, found)
    for s in found - names:
        names.add(s)
        owner = owners.get(symbol(s))
        w = owner[0]() if owner is not None else source_of(s)
        if w is not None:
            stack.append(w)
    for block in op.regions:
        for inner in block.ops:
            stack += inner.results or inner.operands
            if not inner.results:
                _inside(inner, stack, names)


def _symbols(a: Any, out: set[str]) -> None:
    if a.__class__ is Dim:
        symbols(a, out)
    elif a.__class__ is tuple:
        for i in a:
            _symbols(i, out)
    elif a.__class__ is TensorType and not a.static:
        _symbols(a.shape, out)
