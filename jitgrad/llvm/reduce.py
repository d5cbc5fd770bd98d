"""Reductions: what a loop carries from one iteration to the next, a monoid at a time.

Sums of floats are accumulated in blocks; the block totals are added by the error-free
transformation of Knuth (1969), lane by lane, so that the error is that of one block.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.ops.kernel import MONOIDS
from ..ir.types import DType
from .code import Code
from .scalar import evaluate, join, part
from .text import const, vec

BLOCK = 2048  # elements of a block of a vector loop
STEPS = 64  # iterations of a block of any other loop


States = list[list[str]]
"""The texts of a loop's carried values, a list for each carry."""


class Carry:
    """The state of one monoid: `slots` of (LLVM type, first value, whether it starts anew a block).

    `step` takes the state and the values of one iteration; `fold` ends a block; `finish` gives the
    monoid's carries with all lanes combined into one, or lane by lane if `keep`.
    """

    def __init__(self, code: Code, name: str, dtypes: list[DType], lanes: int) -> None:
        self.c = code
        self.monoid = MONOIDS[name]
        self.dtypes = dtypes
        self.lanes = lanes
        self.neutral = [const(d.name, lanes, f(d)) for d, f in zip(dtypes, self.monoid.init)]
        self.slots = [(vec(d.name, lanes), z, False) for d, z in zip(dtypes, self.neutral)]

    def step(self, state: list[str], new: list[str], mask: str | None) -> list[str]:
        return self.combine(state, self.masked(new, mask), self.lanes)

    def masked(self, new: list[str], mask: str | None) -> list[str]:
        """The neutral in lanes that do not take part."""
        if mask is None:
            return list(new)
        m = vec("bool", self.lanes)
        return [
            self.c.ins(f"select {m} {mask}, {t} {v}, {t} {z}")
            for v, (t, _, _), z in zip(new, self.slots, self.neutral)
        ]

    def fold(self, state: list[str]) -> list[str]:
        return list(state)

    def combine(self, a: Sequence[str], b: Sequence[str], lanes: int) -> list[str]:
        env = {f"a{k}": (v, d) for k, (v, d) in enumerate(zip(a, self.dtypes))}
        env |= {f"b{k}": (v, d) for k, (v, d) in enumerate(zip(b, self.dtypes))}
        memo: dict = {}
        return [
            evaluate(self.c, self.c.cur, t, env, lanes, d, memo)[0]
            for t, d in zip(self.monoid.combine, self.dtypes)
        ]

    def finish(self, state: list[str], keep: bool) -> list[str]:
        return list(state) if keep else self.across(state)

    def fewer(self, state: list[str], lanes: int) -> list[str]:
        """The state in fewer lanes."""
        c, n = self.c, self.lanes
        out = list(state)
        # a slot a carry, or some of the one carry's dtype
        kinds = [(self.dtypes * len(out))[k].name for k in range(len(out))]
        while n > lanes:
            n //= 2
            low = [part(c, c.cur, v, d, 2 * n, 0, n) for v, d in zip(out, kinds)]
            high = [part(c, c.cur, v, d, 2 * n, n, n) for v, d in zip(out, kinds)]
            out = self._two(low, high, n)
        return out

    def _two(self, a: list[str], b: list[str], lanes: int) -> list[str]:
        return self.combine(a, b, lanes)

    def across(self, state: list[str]) -> list[str]:
        """All lanes combined."""
        return self.halved(state, self.lanes, 1)

    def halved(self, state: list[str], have: int, want: int) -> list[str]:
        """Lanes combined by halving their number until it is `want`."""
        c, n = self.c, have
        out = list(state)
        while n > want:
            half = n // 2
            low = [part(c, c.cur, v, d.name, n, 0, half) for v, d in zip(out, self.dtypes)]
            high = [part(c, c.cur, v, d.name, n, half, half) for v, d in zip(out, self.dtypes)]
            out, n = self.combine(low, high, half), half
        return out


class FloatSum(Carry):
    """A sum of floats: slots are the block's sum, the total, the total's error so far.

    The last two have `narrow` lanes, to which a block's sum is folded first: less code.
    """

    def __init__(self, code: Code, name: str, dtypes: list[DType], lanes: int, narrow: int) -> None:
        super().__init__(code, name, dtypes, lanes)
        self.narrow = narrow
        d = dtypes[0].name
        few, zero = vec(d, narrow), const(d, narrow, 0)
        self.slots = [(*self.slots[0][:2], True), (few, zero, False), (few, zero, False)]

    def step(self, state: list[str], new: list[str], mask: str | None) -> list[str]:
        (x,) = self.masked(new, mask)
        t = self.slots[0][0]
        return [self.c.ins(f"fadd {t} {state[0]}, {x}"), state[1], state[2]]

    def fold(self, state: list[str]) -> list[str]:
        """total + block, and the error so far with what that sum lost."""
        c, t = self.c, self.slots[1][0]
        (block,), total, error = self.halved([state[0]], self.lanes, self.narrow), *state[1:]
        s = c.ins(f"fadd {t} {total}, {block}")
        back = c.ins(f"fsub {t} {s}, {total}")
        lost = c.ins(f"fsub {t} {total}, {c.ins(f'fsub {t} {s}, {back}')}")
        more = c.ins(f"fsub {t} {block}, {back}")
        error = c.ins(f"fadd {t} {error}, {c.ins(f'fadd {t} {lost}, {more}')}")
        return [self.slots[0][1], s, error]

    def fewer(self, state: list[str], lanes: int) -> list[str]:
        """The sum, for a plain one of so few elements behind that it needs no blocks."""
        out, have, d = (
            self.halved([self._best(state)], self.narrow, lanes),
            self.narrow,
            self.dtypes[0],
        )
        while have < lanes:  # the rest is wider than the totals: lanes of nothing
            nothing = const(d.name, have, 0)
            out = [join(self.c, self.c.cur, out[0], nothing, d.name, have)]
            have *= 2
        return out

    def _best(self, state: list[str]) -> str:
        c, t, m = self.c, self.slots[1][0], vec("bool", self.narrow)
        _, total, error = state
        best = c.ins(f"fadd {t} {total}, {error}")
        # once the total is infinite or NaN its error is NaN and says nothing
        odd = c.ins(f"fcmp uno {t} {error}, {error}")
        return c.ins(f"select {m} {odd}, {t} {total}, {t} {best}")

    def finish(self, state: list[str], keep: bool) -> list[str]:
        best = [self._best(state)]
        return best if keep else self.halved(best, self.narrow, 1)


class Extreme(Carry):
    """max or min of floats: slots are the best so far, blind to NaN, and any NaN that came by."""

    def __init__(self, code: Code, name: str, dtypes: list[DType], lanes: int) -> None:
        super().__init__(code, name, dtypes, lanes)
        t, first, _ = self.slots[0]
        self.slots = [(t, first, False), (t, const(dtypes[0].name, lanes, 0), False)]
        self.wins = "ogt" if name == "max" else "olt"

    def step(self, state: list[str], new: list[str], mask: str | None) -> list[str]:
        (x,) = self.masked(new, mask)
        c, t, m = self.c, self.slots[0][0], vec("bool", self.lanes)
        wins = c.ins(f"fcmp {self.wins} {t} {x}, {state[0]}")
        best = c.ins(f"select {m} {wins}, {t} {x}, {t} {state[0]}")
        nan = c.ins(f"fcmp uno {t} {x}, {x}")
        return [best, c.ins(f"select {m} {nan}, {t} {x}, {t} {state[1]}")]

    def _two(self, a: list[str], b: list[str], lanes: int) -> list[str]:
        c, t, m = self.c, vec(self.dtypes[0].name, lanes), vec("bool", lanes)
        wins = c.ins(f"fcmp {self.wins} {t} {b[0]}, {a[0]}")
        nan = c.ins(f"fcmp uno {t} {b[1]}, {b[1]}")
        return [c.ins(f"select {m} {wins}, {t} {b[0]}, {t} {a[0]}"),
                c.ins(f"select {m} {nan}, {t} {b[1]}, {t} {a[1]}")]  # fmt: skip

    def finish(self, state: list[str], keep: bool) -> list[str]:
        c, t, m = self.c, self.slots[0][0], vec("bool", self.lanes)
        nan = c.ins(f"fcmp uno {t} {state[1]}, {state[1]}")
        best = c.ins(f"select {m} {nan}, {t} {state[1]}, {t} {state[0]}")
        return [best] if keep else self.across([best])


class Place(Carry):
    """The first largest (or smallest) element's value and index; NaN wins over all."""

    def step(self, state: list[str], new: list[str], mask: str | None) -> list[str]:
        # A step's value comes later than the carry's: no ties to decide, unlike across lanes. An
        # untouched carry loses, even to the lowest value there is.
        c, n = self.c, self.lanes
        (x, at), (best, where) = self.masked(new, mask), state
        (t, _, _), (i, untouched, _) = self.slots
        m, kind = vec("bool", n), self.dtypes[0].kind
        more = "gt" if self.monoid is MONOIDS["argmax"] else "lt"
        if kind == "f":
            wins = c.ins(f"fcmp u{more} {t} {x}, {best}")
            wins = c.ins(f"and {m} {wins}, {c.ins(f'fcmp ord {t} {best}, {best}')}")
        else:
            wins = c.ins(f"icmp {'s' if kind == 'i' else 'u'}{more} {t} {x}, {best}")
        wins = c.ins(f"or {m} {wins}, {c.ins(f'icmp eq {i} {where}, {untouched}')}")
        return [c.ins(f"select {m} {wins}, {t} {x}, {t} {best}"),
                c.ins(f"select {m} {wins}, {i} {at}, {i} {where}")]  # fmt: skip


def first_states(carries: Sequence[Carry]) -> States:
    """What the carries begin with."""
    return [[first for _, first, _ in c.slots] for c in carries]


def carry(code: Code, name: str, dtypes: list[DType], lanes: int, long: bool, narrow: int) -> Carry:
    """The state of monoid `name`; `long` where blocks pay, with totals of `narrow` lanes."""
    if name in ("argmax", "argmin"):
        return Place(code, name, dtypes, lanes)
    if dtypes[0].is_float:
        if name == "sum" and long:
            return FloatSum(code, name, dtypes, lanes, min(narrow, lanes))
        if name in ("max", "min"):
            return Extreme(code, name, dtypes, lanes)
    return Carry(code, name, dtypes, lanes)
