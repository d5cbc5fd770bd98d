"""The rewrite driver: one walk over a block that renumbers, folds, shares and applies rules.

Every pass that rewrites ops is this walk with its own rules. Ops are visited in order with their
operands already rewritten; what a rule makes is visited at once in the same way, so that one walk
reaches the end for all rules that look at an op and what is below it. Nothing is changed in place:
an op whose operands stay and on which no rule fires is the same object afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value, reachable, remade, serial
from ..ir.ops import TABLE
from ..ir.ops.base import OpDef
from .base import current_budget
from .fold import constant_key, fold_op

_CONST = TABLE["constant"]
_COMMUTATIVE = frozenset(r for r in TABLE.values() if "commutative" in r.props and r.arity == 2)
# rules and folding never touch them, two alike are not merged
_OPAQUE = frozenset(
    r for r in TABLE.values() if r.effect or r.family == "kernel" or r.name == "call"
)
FIRINGS = 64  # rewrites that one op of the input may set off; more is a cycle in the rules

Made = Value | tuple[Value, ...] | None
Applier = Callable[[Op, Builder], Made]


SAME = "="  # no op has this name


# rules tried whatever the operands are; rules by the row of an operand; candidates found before
Entry = tuple[list, dict[OpDef | None, list], dict[tuple, list]]


class Index:
    """Rules by what they look at: the root's row, then the rows of its operands.

    Each rule comes as (name, root op names, child op names or () for any, function). A rule with
    children is tried only where an operand is made by one of them, so that an op on which nothing
    can fire costs a dictionary look-up an operand. The child SAME stands for: the last two operands
    are one value.
    """

    __slots__ = ("roots",)

    def __init__(self, rules: Iterable[tuple[str, Sequence[str], Sequence[str], Applier]]) -> None:
        self.roots: dict[OpDef, Entry] = {}
        for order, (name, roots, children, apply) in enumerate(rules):
            entry = (order, name, apply)
            for root in roots:
                always, by_child, _ = self.roots.setdefault(TABLE[root], ([], {}, {}))
                if not children:
                    always.append(entry)
                for child in children:
                    by_child.setdefault(TABLE.get(child), []).append(entry)

    def candidates(self, op: Op) -> list:
        """The rules that may fire on an op."""
        entry = self.roots.get(op.opdef)
        return [] if entry is None else candidates_of(entry, op)


EMPTY = Index(())


class Rewriter:
    """One walk: the rules, whether to fold constants and to share equal ops.

    `fired` counts rewrites by rule name; `endless` has ops at which rules did not come to an end
    (the tests hold that there are none).
    """

    def __init__(
        self, rules: Index = EMPTY, *, fold: bool = True, cse: bool = True, fold_size: int = 64
    ) -> None:
        self.rules = rules
        self.fold = fold
        self.cse = cse
        self.fold_size = fold_size
        self.fired: dict[str, int] = {}
        self.endless: list[Op] = []
        self.budget = current_budget()

    def function(self, fn: Function) -> Function:
        """`fn` rewritten; itself where nothing changed."""
        body = self.block(fn.body)
        if body is fn.body:
            return fn
        out = fn.with_body(body)
        if "dim_notes" in fn.cache:
            out.cache["dim_notes"] = fn.cache["dim_notes"]
        return out

    def block(self, block: Block) -> Block:
        """The block rewritten; itself where nothing changed."""
        if any(p.op is not None for p in block.params):  # cut out of a graph: see `rewrite_graph`
            before = sum(self.fired.values())
            made = rewrite_graph(block.ops, block.results, self)
            if before == sum(self.fired.values()):
                return block
            return Block(block.params, reachable(made, block.params), made)
        env: dict[Value, Value] = {}
        ops = self.walk(block.ops, env)
        results = tuple([env.get(v, v) for v in block.results])
        if results == block.results and len(ops) == len(block.ops) and tuple(ops) == block.ops:
            return block
        return Block(block.params, ops, results)

    def walk(self, ops: Sequence[Op], env: dict[Value, Value]) -> list[Op]:
        """The new ops; `env` learns which values took the place of which."""
        out: list[Op] = []
        numbers: dict[Any, Op] = {}
        roots, folding, sharing = self.rules.roots, self.fold, self.cse
        get = env.get
        stack: list[Any] = list(reversed(ops))
        last = len(stack)
        firings = 0
        while stack:
            op = stack.pop()
            if op.__class__ is tuple:  # what a rule put in the place of an op is now rewritten
                for old, new in zip(*op):
                    env[old] = get(new, new)
                continue
            if len(stack) < last:
                last = len(stack)
                firings = 0
            first = op
            row = op.opdef
            operands = op.operands
            if env:
                mapped = tuple([get(v, v) for v in operands])
                if mapped != operands:
                    operands = mapped
                    op = copied(op, operands, op.regions)
            if op.regions and row.family != "kernel":
                regions = tuple([self.block(r) for r in op.regions])
                if regions != op.regions:
                    op = copied(op, operands, regions)
            plain = row not in _OPAQUE
            if sharing and plain:
                if row is _CONST:
                    key: Any = constant_key(op)
                elif row in _COMMUTATIVE:
                    v, w = operands
                    key = (row, v, w) if id(v) < id(w) else (row, w, v)
                elif op.attrs or op.regions:
                    key = (row, operands, tuple(op.attrs.values()), op.regions)
                else:
                    key = (row, operands)
                twin = numbers.setdefault(key, op)
                if twin is not op:
                    for old, new in zip(first.results, twin.results):
                        env[old] = new
                    continue
            made: tuple[Value, ...] | None = None
            mark = 0
            if folding and plain and operands:
                for v in operands:
                    if v.op is None or v.op.opdef is not _CONST:
                        break
                else:
                    mark = serial()
                    folded = fold_op(op, self.fold_size)
                    if folded is not None and self.allowed("fold"):
                        made = (folded,)
            if made is None:
                entry = roots.get(row)
                if entry is not None:
                    if firings < FIRINGS:
                        mark, made = self.apply(entry, op)
                    else:
                        self.endless.append(op)
            if made is not None:
                firings += 1
                if sharing and plain:
                    del numbers[key]
                stack.append((first.results, made))
                stack.extend(reversed(reachable(made, since=mark)))
                continue
            if op is not first:
                for old, new in zip(first.results, op.results):
                    env[old] = new
            out.append(op)
        return out

    def apply(self, entry: Entry, op: Op) -> tuple[int, tuple[Value, ...] | None]:
        """What the first rule that fires puts in the place of `op`'s results."""
        candidates = candidates_of(entry, op)
        if not candidates:
            return 0, None
        b = Builder(op.loc)
        mark = serial()
        for _, name, rule in candidates:
            b.made_by = name
            made = rule(op, b)
            if made is None:
                continue
            values = (made,) if made.__class__ is Value else made
            if values == op.results or not self.allowed(name):
                continue
            return mark, values
        return 0, None

    def allowed(self, name: str) -> bool:
        """Count a rewrite; False where the limit is reached."""
        budget = self.budget
        if budget is not None:
            if budget.left <= 0:
                return False
            budget.left -= 1
            budget.used.append(name)
        self.fired[name] = self.fired.get(name, 0) + 1
        return True


def copied(op: Op, operands: tuple[Value, ...], regions: tuple[Block, ...]) -> Op:
    """`op` on other operands of the same types, or with other regions of the same results."""
    if len(op.results) == 1 and regions is op.regions:
        return remade(op, operands, name=op.results[0].name)
    types = tuple([r.type for r in op.results])
    new = Op(op.opdef, operands, op.attrs, types, regions, op.loc, op.made_by)
    for old, r in zip(op.results, new.results):
        r.name = old.name
    return new


def _order(entry: tuple) -> int:
    return entry[0]


def candidates_of(entry: Entry, op: Op) -> list:
    """The rules that may fire on an op, by what makes its operands, in the rules' order."""
    operands = op.operands
    rows = [None if v.op is None else v.op.opdef for v in operands]
    same = len(operands) > 1 and operands[-1] is operands[-2]
    key = (same, *(dict.fromkeys(rows) if len(rows) > 3 else rows))
    always, by_child, known = entry
    found = known.get(key)
    if found is None:
        rules = {*always, *(by_child.get(None, ()) if same else ())}
        for row in rows:
            if row is not None:
                rules.update(by_child.get(row, ()))
        found = known[key] = sorted(rules, key=_order)
    return found


def rewrite_graph(ops: Sequence[Op], results: Sequence[Value], rewriter: Rewriter) -> list[Value]:
    """`results` of a graph in the air, rewritten; values from outside `ops` stay as they are.

    Rules do not see what made a value from outside: it may be one to differentiate by.
    """
    inside = {v for op in ops for v in op.results}
    outside = {
        v: Value(v.type, name=v.name)
        for op in ops
        for v in op.operands
        if v.op is not None and v not in inside
    }
    if outside:
        ops, results = substituted(ops, results, outside)
    env: dict[Value, Value] = {}
    ops = rewriter.walk(ops, env)
    results = [env.get(v, v) for v in results]
    if outside:
        results = substituted(ops, results, {v: k for k, v in outside.items()})[1]
    return results


def substituted(
    ops: Sequence[Op], results: Sequence[Value], env: dict[Value, Value]
) -> tuple[list[Op], list[Value]]:
    """Ops and results with the values in `env` replaced by others of the same types."""
    env = dict(env)
    out: list[Op] = []
    for op in ops:
        operands = tuple([env.get(v, v) for v in op.operands])
        if operands != op.operands:
            new = copied(op, operands, op.regions)
            env.update(zip(op.results, new.results))
            op = new
        out.append(op)
    return out, [env.get(v, v) for v in results]
