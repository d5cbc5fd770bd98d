"""Sizes that are computed: the value of an integer variable as a dim, `T.zeros((n,))`.

Such a dim is a symbol of its own. What computes its number is remembered here; `function` finds the
symbols that a graph needs, computes the numbers first and hands them to the main program as sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import Loc, ShapeError, at
from ..ir.build import Builder
from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike, maximum, minimum, nonnegative, symbol, symbols
from ..ir.types import BOOL, I64, TensorType, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_notes import recipes
from .symbolic_ops import as_dim, is_number

_PREFIX = "computed"
_USES = 4


class Source(NamedTuple):
    """What gives a computed dim its number: an i64 scalar; the rest is for messages.

    `uses` are the first places where the number became a size, and what of.
    """

    value: Value
    name: str
    uses: list[tuple[str, Loc | None]]

    def fault(self, text: str) -> str:
        """A message, with the lines that it may be about."""
        return "\nor ".join([at(f"{what}: {self.name} {text}", loc) for what, loc in self.uses])


# By the symbol's name: a dim that is part of a polynomial is known there by its name alone. An
# entry lives as long as the process, since nothing tells which graphs still name it.
_sources: dict[str, Source] = {}
_known: dict[int, Dim] = {}  # by the id of a value; `_sources` keeps it alive


def dim_of(x: Any, what: str = "a size") -> DimLike:
    """The dim that `x` stands for: an int, `x.shape[0] + 1`, or an integer scalar variable's value.

    In the last case a call whose value is negative raises `ValueError`, with the user's line.

    Raises `TypeError` for what is no integer scalar.

    >>> from .symbolic import TensorType
    >>> n = TensorType("int64", ())("n")
    >>> dim_of(3), dim_of(n) is dim_of(n)
    (3, True)
    """
    known = as_dim(x)
    if known is not None:
        return known
    loc = here()
    if isinstance(x, (bool, np.bool_)) or (is_number(x) and int(x) != x):
        raise TypeError(at(f"{what} must be an integer, not {x!r}", loc))
    v = as_tensor_variable(x).value
    if v.type.rank or v.type.dtype.kind not in "iu":
        raise TypeError(at(f"{what} must be an integer scalar, not {x!r} of {v.type}; a float can "
                           "be converted by .astype('int64')", loc))  # fmt: skip
    found = _known.get(id(v))
    if found is None:
        number = Builder(loc).cast(v, I64.rank0.dtype)
        found = _known[id(v)] = symbol(f"{_PREFIX}{len(_sources)}")
        name = v.name or (f"{v.op.opdef.name}(…)" if v.op is not None else "an unnamed variable")
        _sources[repr(found)] = Source(number, name, [])
        if number is not v:
            _known[id(number)] = found
            _keep.append(v)
    uses = _sources[repr(found)].uses
    if len(uses) < _USES and (what, loc) not in uses:
        uses.append((what, loc))
    return found


_keep: list[Value] = []  # what `_known` names by id and `_sources` does not hold


def bounds_of(key: slice, n: DimLike) -> tuple[DimLike, DimLike]:
    """First index and end of `x[key]` along an axis of size `n`, for a step above 0: clipped.

    Bounds are ints, sizes or integer scalar variables; below 0 they count from the end.
    """
    lo = 0 if key.start is None else _clipped(key.start, n)
    hi = n if key.stop is None else _clipped(key.stop, n)
    return lo, maximum(lo, hi)


def _clipped(k: Any, n: DimLike) -> DimLike:
    d = as_dim(k)
    if d.__class__ is int:
        return minimum(d, n) if d >= 0 else maximum(n + d, 0)
    if d is not None:
        inside = maximum(minimum(d, n), 0)
        short = n - d
        if nonnegative(d) or (isinstance(short, int) and short in (1, 2)):
            return inside
        # what turns out to be below 0 counts from the end (n - 1 and n - 2 come to 0 either way)
        below = -1 * minimum(maximum(d, -1), 0)
        return inside + below * maximum(d + n, 0)
    # a value: its sign is known at the call only
    b = Builder(here())
    v = as_tensor_variable(k).value
    if v.type.rank or v.type.dtype.kind not in "iu":
        raise TypeError(at(f"a bound of a slice must be an integer scalar, not {k!r} of {v.type}",
                           b.loc))  # fmt: skip
    v = b.cast(v, I64)
    zero = b.const(0, v.type)
    size = b("dim", expr=n) if n.__class__ is Dim else b.const(n, v.type)
    v = b.select(b("lt", v, zero), b.add(v, size), v)
    v = b("minimum", b("maximum", v, zero), size)
    return dim_of(TensorVariable(v, b.loc), "a bound of a slice")


# -- what a function needs ------------------------------------------------------------------------


class Stage(NamedTuple):
    """Computed dims that can be computed together: their sources, and what brings each as a size.

    A carrier is an input of type bool[k]: only its length matters.
    """

    sources: list[Source]
    carriers: list[Value]


def stages(roots: Iterable[Value], stops: Sequence[Value]) -> list[Stage]:
    """The computed dims that `roots` need, in the order in which they can be computed.

    `stops` are the values that are given at a call (or replaced).
    """
    if not _sources:
        return []
    after: dict[str, set[str]] = {}
    todo = list(_named(roots, stops))
    while todo:
        name = todo.pop()
        if name not in after:
            after[name] = _named([_sources[name].value], stops)
            todo += after[name]
    out: list[Stage] = []
    done: set[str] = set()
    while len(done) < len(after):
        ready = [n for n, needs in after.items() if n not in done and needs <= done]
        if not ready:  # cannot happen: a value is older than the dims made of it
            raise ShapeError("sizes that depend on each other")
        ready.sort(key=lambda n: int(n.removeprefix(_PREFIX)))
        out.append(Stage([_sources[n] for n in ready],
                         [Value(tensor(BOOL, (symbol(n),)), name=n) for n in ready]))  # fmt: skip
        done.update(ready)
    return out


def _named(roots: Iterable[Value], stops: Sequence[Value]) -> set[str]:
    """Names of the computed dims in the types and attributes of what `roots` need."""
    out: set[str] = set()
    types: set[TensorType] = set()
    seen = {id(v) for v in stops}
    types.update([v.type for v in stops])
    met: set[int] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        types.add(v.type)
        found = recipes.get(v)
        if found is not None:  # `function` derives it anew, from all of the cost
            recipe = found[0]
            stack += [w for w in (recipe.cost, *recipe.wrt, *recipe.constants) if w is not None]
            stack += [w for pair in recipe.known for w in pair]
        if v.op is not None and id(v.op) not in met:
            met.add(id(v.op))
            _look(v.op, types, out)
            stack += v.op.operands
    for t in types:
        for d in t.shape:
            if d.__class__ is Dim:
                symbols(d, out)
    return {n for n in out if n in _sources}


def computed_dims(ops: Iterable[Op]) -> set[str]:
    """Names of the computed dims in the types and attributes of `ops`."""
    out: set[str] = set()
    types: set[TensorType] = set()
    for op in ops if _sources else ():
        _look(op, types, out)
    for t in types:
        for d in t.shape:
            if d.__class__ is Dim:
                symbols(d, out)
    return {n for n in out if n in _sources}


def _look(op: Op, types: set[TensorType], out: set[str]) -> None:
    for a in op.attrs.values():
        _names(a, out)
    types.update([r.type for r in op.results])
    for block in op.regions:
        types.update([p.type for p in block.params])
        for inner in block.ops:
            _look(inner, types, out)


def _names(a: Any, out: set[str]) -> None:
    if a.__class__ is Dim:
        symbols(a, out)
    elif a.__class__ is tuple:
        for i in a:
            _names(i, out)


def source_of(name: str) -> Value | None:
    """What gives the computed dim of this name its number; None for another name."""
    found = _sources.get(name)
    return None if found is None else found.value


def describe(name: str) -> str | None:
    """For messages and `pp`: what gives a computed dim its number; None for another name."""
    found = _sources.get(name)
    return None if found is None else found.name
