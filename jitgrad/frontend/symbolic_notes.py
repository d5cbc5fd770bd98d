"""What is known of graphs in the air beside their ops: side tables that keep nothing alive."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from ..errors import Loc
from ..ir.core import Value
from ..ir.dims import Dim, DimLike

# What NumPy says of the max and min of nothing (the IR gives the neutral element for them).
EMPTY = "zero-size array to reduction operation {}imum which has no identity"

# Which variable brings a dim symbol, and on which axis: for messages and for `pp`.
owners: WeakKeyDictionary[Dim, tuple[ref[Value], int]] = WeakKeyDictionary()


class Note(NamedTuple):
    """Why a graph needs a relation of dims: what the message of its failure is made of.

    `op` names the operation; `operands` are the values as the user wrote them, `places` the
    operand and axis of either side ((0, 1), (1, 1)); `error` is the class that is raised.
    """

    op: str
    operands: tuple[ref[Value], ...]
    places: tuple[tuple[int, int], ...] = ()
    text: str = ""
    error: type[Exception] | None = None


# What a program keeps with a variable (`x.tag`).
tags: WeakKeyDictionary[Value, SimpleNamespace] = WeakKeyDictionary()

# What `x[key]` was made from, so that `set_subtensor(x[key], y)` knows: x and the parsed key.
views: WeakKeyDictionary[Value, tuple[Value, Any]] = WeakKeyDictionary()

# How the user wrote what other ops compute: text, and values in it. `x[-1]`, `inc_subtensor(…)`.
written: WeakKeyDictionary[Value, tuple[Any, ...]] = WeakKeyDictionary()

notes: WeakKeyDictionary[Value, Note] = WeakKeyDictionary()  # by the refined, cut … value
# The sizes of the two branches that a computed size is one of: inside of a branch it is that one's.
either: WeakKeyDictionary[Dim, tuple[DimLike, DimLike]] = WeakKeyDictionary()
# by the two dims, for the values that differentiation refines back: first dim, the other's text
dim_notes: WeakKeyDictionary[Dim, dict[str, tuple[Note, Loc | None]]] = WeakKeyDictionary()


class Recipe:
    """How a gradient came about, so that `function` can derive it anew from the stabilized cost.

    derive(cost, wrt, constants, known) gives one gradient (or None) for each `wrt`; `known` are
    pairs of values and their gradients; `serial` is older than everything `derive` made. Other
    derivatives fit in: for a Jacobian the cost is a vector; for forward mode there is no cost,
    `wrt` are the values whose tangents are asked for, `known` pairs of what they are
    differentiated by and its tangents.
    """

    __slots__ = ("constants", "cost", "derive", "known", "serial", "wrt")

    def __init__(
        self,
        cost: Value | None,
        wrt: tuple[Value, ...],
        constants: tuple[Value, ...],
        known: tuple[tuple[Value, Value], ...],
        serial: int,
        derive: Callable[..., list[Value | None]],
    ) -> None:
        self.cost, self.wrt, self.constants, self.known = cost, wrt, constants, known
        self.serial, self.derive = serial, derive

    def by(self, k: int) -> list[Value]:
        """What derivative k is differentiated by."""
        if getattr(self.derive, "forward", False):
            return [v for v, _ in self.known]
        return [self.wrt[k]]


# The gradients that `grad` built on raw graphs: value -> recipe and position in its `wrt`.
recipes: WeakKeyDictionary[Value, tuple[Recipe, int]] = WeakKeyDictionary()
