"""The plan of fusion: what exists in memory in a block, and at which stage each root runs."""

from __future__ import annotations

import numpy as np

from ..ir.core import Block, Op, Value
from ..ir.ops import TABLE
from .fuse_build import axes_of
from .fuse_index import squeezed

REDUCTIONS = frozenset(name for name, row in TABLE.items() if row.emit == "reduce")
_CALLS = ("matmul", "running", "sort", "search", "scatter", "print")  # emitters of code of its own
LIBRARY = frozenset(name for name, row in TABLE.items() if row.emit in _CALLS) | {
    "cond", "scan", "guard", "require"
}  # fmt: skip
GATHERS = frozenset({"gather", "take_along", "dynamic_slice"})
INDEX = frozenset({"broadcast", "transpose", "reverse", "slice", "pad", "fill"}) | GATHERS
_COST = {"div": 4, "sqrt": 6, "select": 1, "constant": 0, "iota": 1, "pow": 40, "sin": 20,
         "cos": 20, "tanh": 16, "cast": 1, "fmod": 12, "ipow": 20, "gcd": 60,
         "lcm": 60, "atan2": 24, "asinh": 30, "acosh": 30, "atanh": 28, "erfc": 45, "erfcx": 45,
         "erfinv": 45, "erfcinv": 45, "gammaln": 55, "gamma": 80, "digamma": 50, "polygamma": 120,
         "log1mexp": 45, "logit": 45, "sinc": 25, "logaddexp2": 30, "logerfc": 100}  # fmt: skip


def cost_of(op: Op) -> int:
    """Rough price of one element, in units of an addition."""
    known = _COST.get(op.opdef.name)
    if known is not None:
        return known
    return 12 if op.opdef.emit == "math" else 1


def is_dense(op: Op) -> bool:
    return op.opdef.name == "constant" and isinstance(op.attrs["value"], np.ndarray)


class Plan:
    """What is materialized in a block, and when each root runs."""

    def __init__(self, block: Block, recompute: int) -> None:
        self.block = block
        self.roots: dict[int, Value] = {}
        self.alias: set[int] = set()
        self.limit = recompute
        self.users: dict[int, list[Op]] = {}
        self.cost: dict[int, int] = {}
        self.point: dict[int, int] = {}  # stage of roots reached at the same index
        self.later: dict[int, int] = {}  # 1 + stage of everything else that must have run
        self.stage: dict[int, int] = {}

    def decide(self) -> None:
        for op in self.block.ops:
            for v in op.operands:
                self.users.setdefault(id(v), []).append(op)
        self.mandatory()
        self.schedule()
        if self.several():
            if not self.cost:
                self.price(spread=False)
            if self.shared():
                self.schedule()

    def need(self, v: Value) -> None:
        """`v` must exist in memory; through reshapes and refines, what they rename must."""
        op = v.op
        while op is not None and op.opdef.name in ("reshape", "refine"):
            self.alias.add(id(v))
            v = op.operands[0]
            op = v.op
        if op is not None and op.opdef.name not in LIBRARY and not is_dense(op):
            self.roots[id(v)] = v

    def mandatory(self) -> None:
        """Roots that no choice can avoid, and the prices of what stays inline."""
        for op in self.block.ops:
            name = op.opdef.name
            if name in LIBRARY:
                for v in op.operands:
                    self.need(v)
            elif name in REDUCTIONS or name == "concatenate" or "raises" in op.opdef.props:
                self.roots[id(op.results[0])] = op.results[0]
            elif name in GATHERS:
                self.need(op.operands[0])
            elif name == "reshape" and squeezed(op.operands[0].type.shape) != squeezed(
                op.results[0].type.shape
            ):
                self.need(op.results[0])
        for v in self.block.results:
            self.need(v)
        if any(op.opdef.name in INDEX or op.opdef.name == "reshape" for op in self.block.ops):
            self.price(spread=True)

    def price(self, spread: bool) -> None:
        """What one element of each inline value costs; with `spread`, store what index maps would
        compute many times over."""
        cost, roots, alias = self.cost, self.roots, self.alias
        for op in self.block.ops:
            name = op.opdef.name
            if name in LIBRARY or name in REDUCTIONS:
                continue
            total = cost_of(op)
            for v in op.operands:
                k = id(v)
                total += 1 if k in roots or k in alias else cost.get(k, 1)
            out = op.results[0]
            cost[id(out)] = total = min(total, 1000)
            if spread and total > self.limit and not self.stored(out) and self._spread(op):
                self.need(out)

    def _spread(self, op: Op) -> bool:
        """Would index maps between `op` and its users compute it many times over?"""
        users = self.users.get(id(op.results[0]), ())
        moved = [u for u in users if u.opdef.name in INDEX or u.opdef.name == "reshape"]
        if moved and len(users) > 1:
            return any(u.opdef.name != "broadcast" or not _prefix(u) for u in moved)
        return any(u.opdef.name == "broadcast" and not _prefix(u) and _grows(u) for u in moved)

    def stored(self, v: Value) -> bool:
        if v.op is None or id(v) in self.roots or id(v) in self.alias:
            return True
        return v.op.opdef.name in LIBRARY or is_dense(v.op)

    def schedule(self) -> None:
        """Stages: ASAP; equal only for roots read at their own index."""
        point, later, stage = self.point, self.later, self.stage
        for table in (point, later, stage):
            table.clear()
        for op in self.block.ops:
            name = op.opdef.name
            p = -1
            n = 0
            for v in op.operands:
                k = id(v)
                p = max(p, point.get(k, -1))
                n = max(n, later.get(k, 0))
            if name in LIBRARY or name == "concatenate" or id(op.results[0]) in self.alias:
                # reads memory as it is: whatever it reads was finished before
                s = max(n, p + 1)
                if op.results and id(op.results[0]) in self.alias:
                    for v in op.results:  # the alias is there as soon as its source is
                        point[id(v)], later[id(v)] = -1, s
                    continue
                stage[id(op)] = s
                for v in op.results:
                    point[id(v)], later[id(v)] = -1, s + 1
                continue
            out = id(op.results[0])
            if name in INDEX or name == "reshape":
                p, n = -1, max(n, p + 1)
            if out in self.roots:
                s = max(n, p)
                stage[id(op)] = s
                # a reduction's result is not there before its loop ends
                p, n = (-1, s + 1) if name in REDUCTIONS else (s, 0)
            point[out], later[out] = p, n

    def several(self) -> bool:
        """Whether the roots fall into more than one kernel."""
        return len({self.kernel(v.op) for v in self.roots.values() if v.op}) > 1

    def kernel(self, op: Op) -> tuple:
        """What roots of one kernel have in common: stage, space, and what reductions reduce."""
        return self.stage[id(op)], space_of(op), axes_of(op)

    def shared(self) -> bool:
        """Store what kernels of different stages or spaces would each compute; True if any."""
        groups: dict[int, set] = {}
        found = False
        # what reduces nothing joins the first reduction of its stage and space
        first: dict[tuple, tuple] = {}
        for v in self.roots.values():
            if v.op is not None and axes_of(v.op):
                first.setdefault(self.kernel(v.op)[:2], axes_of(v.op))
        for op in reversed(self.block.ops):
            name = op.opdef.name
            if name in LIBRARY:
                continue
            out = op.results[0]
            if id(op) in self.stage:  # a root, and not one of those found here
                at = self.kernel(op)
                mine: set = {at if at[2] else (*at[:2], first.get(at[:2], ()))}
            else:
                mine = groups.get(id(out), set())
                if len(mine) > 1 and self.cost[id(out)] > self.limit and not self.stored(out):
                    self.need(out)
                    found = True
            renames = id(out) in self.alias
            for v in op.operands:
                if v.op is not None and (renames or not self.stored(v)):
                    have = groups.get(id(v))
                    if have is None:
                        groups[id(v)] = mine
                    elif have is not mine and not mine <= have:
                        groups[id(v)] = have | mine
        return found


def space_of(op: Op) -> tuple:
    """The iteration space of a root."""
    return (op.operands if op.opdef.name in REDUCTIONS else op.results)[0].type.shape


def _prefix(u: Op) -> bool:
    """A broadcast whose source runs along the outermost axes: computed once an outer iteration."""
    return u.attrs["dims"] == tuple(range(len(u.attrs["dims"])))


def _grows(u: Op) -> bool:
    return u.results[0].type.size != u.operands[0].type.size
