"""Specializations of a jitted function: which calls share one, and the traced paths of each.

A call belongs to a *family* by its pytree, dtypes, ranks and static arguments, and in it to a
*specialization* by the sizes that are compiled in. Sizes 0 and 1 always are, sizes up to SMALL are
until another one turns up at the same place; all others are symbols, so that a new size compiles
nothing. A specialization holds *paths*: traces whose guards on values chose different branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.core import Function

SMALL = 16
MAX_PATHS = 8
SYMBOL = -1
Pattern = tuple[tuple[int, ...], ...]


class Path:
    """One trace of a function, compiled.

    compiled    `call` takes flat arguments and raises GuardError where a guard does not hold
    captures    arrays from outside that are passed behind the arguments
    pack        flat results in the structure that the function gives
    direct      `compiled.call` needs no packing: it gives the function's result itself
    """

    __slots__ = ("captures", "compiled", "direct", "fn", "guards", "pack")

    def __init__(
        self,
        fn: Function,
        compiled: Any,
        captures: Sequence[np.ndarray],
        guards: Sequence[str],
        pack: Callable[[Any], Any],
        direct: bool,
    ) -> None:
        self.fn = fn
        self.compiled = compiled
        self.captures = tuple(captures)
        self.guards = list(guards)
        self.pack = pack
        self.direct = direct

    def __call__(self, args: Sequence[Any]) -> Any:
        results = self.compiled.call(*args, *self.captures)
        return results if self.direct else self.pack(results)


class Specialization:
    """The paths of one family with one pattern of compiled-in sizes."""

    __slots__ = ("overflow", "paths", "pattern", "python", "reason")

    def __init__(self, pattern: Pattern, reason: str) -> None:
        self.pattern = pattern
        self.reason = reason
        self.paths: list[Path] = []
        self.python = ""  # why the Python function itself is run, where it is
        self.overflow = False


class Family:
    """Calls that differ in sizes only."""

    __slots__ = ("moving", "seen", "specs", "title")

    def __init__(self, title: str) -> None:
        self.title = title
        self.seen: dict[tuple[int, int], int] = {}
        self.moving: set[tuple[int, int]] = set()
        self.specs: dict[Pattern, Specialization] = {}

    def find(self, shapes: Sequence[tuple[int, ...]]) -> Specialization:
        """The specialization of these shapes; a new one says why it is made."""
        pattern = self.pattern(shapes)
        found = self.specs.get(pattern)
        if found is None:
            found = self.specs[pattern] = Specialization(pattern, self._reason(pattern, shapes))
        return found

    def pattern(self, shapes: Sequence[tuple[int, ...]]) -> Pattern:
        out = []
        for leaf, shape in enumerate(shapes):
            dims = []
            for axis, d in enumerate(shape):
                if d >= 2:
                    place = (leaf, axis)
                    if place not in self.moving:
                        first = self.seen.setdefault(place, d if d <= SMALL else SYMBOL)
                        if first != d:
                            self.moving.add(place)
                    if place in self.moving:
                        d = SYMBOL
                dims.append(d)
            out.append(tuple(dims))
        return tuple(out)

    def _reason(self, pattern: Pattern, shapes: Sequence[tuple[int, ...]]) -> str:
        if not self.specs:
            return "the first call"
        nearest = min(self.specs, key=lambda p: _distance(p, pattern))
        changes = [
            f"axis {j} of argument leaf {i} is {_size(c)} instead of {_size(a)}"
            for i, (old, new) in enumerate(zip(nearest, pattern))
            for j, (a, c) in enumerate(zip(old, new))
            if a != c
        ]
        return "; ".join(changes)


def _distance(p: Pattern, q: Pattern) -> int:
    return sum(a != b for x, y in zip(p, q) for a, b in zip(x, y))


def _size(d: int) -> str:
    return "a symbol" if d == SYMBOL else str(d)
