"""Cut a function out of a graph in the air: dims unified and renamed, gradients derived anew.

What the graph assumes about dims (a `refine`, a reshape, a slice) becomes relations here. Where one
says that two symbols are equal they become one symbol of the function; where it says that a symbol
is a number, the number; the rest become `require` operations. Each is kept as a `Check` too, which
names variables, shapes and the user's line when a call breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import Loc, MissingInputError, at
from ..ir.build import Builder
from ..ir.core import Block, Function, Op, Value, block, function
from ..ir.dims import Dim, DimLike, substitute, symbol, symbols
from ..ir.types import TensorType
from .lazy import checked, soft
from .plan import Group, Nest, Nests, Region, flat, plan, region
from .relations import Check, at_least, relations
from .symbolic import TensorVariable
from .symbolic_notes import notes, owners

Stabilize = Callable[[Sequence[Op], Value], Value]


class Cut(NamedTuple):
    """A function, the checks behind its dims, and which inputs it depends on."""

    fn: Function
    checks: list[Check]
    used: list[bool]


def cut(
    name: str,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    givens: Sequence[tuple[Value, Value]] = (),
    stabilize: Stabilize | None = None,
) -> Cut:
    """The function from `inputs` to `outputs`, with the first of each pair of `givens` replaced by
    the second.

    Raises `MissingInputError` where it needs another variable, `ShapeError` where sizes that are
    known contradict each other.
    """
    # a variable in the middle of the graph that is an input, or replaced, may lie between a cost
    # and what it was differentiated by: then the gradient stays as it was built
    leaves = all(v.op is None for v in (*inputs, *(k for k, _ in givens)))
    try:
        return _cut(name, inputs, outputs, givens, stabilize, leaves)
    except MissingInputError as err:
        # a gradient may depend on fewer variables than its cost: then it stays as it was built too
        try:
            if leaves:
                return _cut(name, inputs, outputs, givens, stabilize, False)
        except MissingInputError:
            pass
        raise err


def _cut(
    name: str,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    givens: Sequence[tuple[Value, Value]],
    stabilize: Stabilize | None,
    leaves: bool,
) -> Cut:
    """`cut`; gradients are derived anew if `leaves`."""
    stops = {id(v) for v in inputs}
    keys = {id(k) for k, _ in givens}
    plans = [plan([v for _, v in givens], stops, leaves)] if givens else []
    plans.append(plan(outputs, stops | keys, leaves))
    late = soft(plans[-1][0], outputs, stops | keys, leaves)
    checks = [c for items, _ in plans for op, branch in flat(items) if id(op) not in late
              for c in relations(op, branch)]  # fmt: skip
    own = {s for v in inputs for d in v.type.shape for s in symbols(d)}
    defined: dict[str, DimLike] = {}  # sizes of what is replaced, where they are computed
    for k, v in givens:
        for a, c in zip(k.type.shape, v.type.shape):
            if a is c or a == c:
                continue
            name_a, plain = repr(a), c.__class__ is int or repr(c) in symbols(c)
            if plain or a.__class__ is int or name_a in own or name_a in defined:
                checks.append(Check(c, "eq", a, None, None))
            else:
                defined[name_a] = c
    world = _World(inputs, checks, defined)
    world.late = late
    memo = {id(v): p for v, p in zip(inputs, world.params)}
    if givens:
        inner = dict(memo)
        world.build(plans[0][0], inner, stabilize)
        for k, v in givens:
            # a gradient was built before the replacement: it does not pass through it
            memo[id(k)] = Builder()("stop_gradient", world.fit(world.get(v, inner, None), k))
    world.build(plans[-1][0], memo, stabilize)
    results = [world.get(v, memo, None) for v in outputs]
    touched = set().union(*[seen for _, seen in plans])
    used = [id(v) in touched or world.used_by_shape(v) for v in inputs]
    fn = function(name, world.params, results, world.effects())
    return Cut(fn, checks, used)


# -- the function's own world ---------------------------------------------------------------------


class _World:
    """Dims of the graph as dims of the function, and the ops made in them."""

    def __init__(self, inputs: Sequence[Value], checks: Sequence[Check],
                 defined: Mapping[str, DimLike]) -> None:  # fmt: skip
        self.late: set[int] = set()  # ops that are checked where they stand
        self.env: dict[str, DimLike] = {}
        self.defined = defined
        order = [s for v in inputs for d in v.type.shape for s in sorted(symbols(d))]
        self.rank = {s: i for i, s in enumerate(dict.fromkeys(order))}
        left = [c for c in checks if c.cmp == "eq" and not self._unify(c)]
        while left:  # until nothing more can be solved
            again = [c for c in left if not self._unify(c)]
            if len(again) == len(left):
                break
            left = again
        env: dict[str, DimLike] = {}
        for s in self.rank:
            root = self._find(symbol(s))
            if root.__class__ is Dim:
                (root_name,) = symbols(root)
                env.setdefault(root_name, symbol(f"n{len({repr(d) for d in env.values()})}"))
        for s in [*self.env, *self.rank]:
            root = self._find(symbol(s))
            if root.__class__ is int:
                env[s] = root
            else:
                (root_name,) = symbols(root)
                if root_name in env:
                    env[s] = env[root_name]
        self.env = env
        self.dims: dict[Dim, DimLike] = {}
        self.types: dict[TensorType, TensorType] = {}
        self.loc: Loc | None = None
        self.asked: set[str] = set()  # symbols that attributes name
        self.open = checks
        self.params = [Value(self.retype(v.type), name=v.name) for v in inputs]

    def _find(self, d: DimLike) -> DimLike:
        while d.__class__ is Dim:
            (name,) = symbols(d)
            if name not in self.env:
                break
            d = self.env[name]
        return d

    def _resolved(self, d: DimLike) -> DimLike:
        if d.__class__ is Dim and self.defined:
            d = substitute(d, self.defined)
        if d.__class__ is not Dim:
            return d
        return substitute(d, {s: self._find(symbol(s)) for s in symbols(d)})

    def _unify(self, check: Check) -> bool:
        """Take an equality into account; False where it cannot be solved (yet)."""
        gap = self._resolved(check.lhs) - self._resolved(check.rhs)
        if gap.__class__ is int:
            if gap != 0:
                raise check.error({s: self._find(symbol(s)) for s in self.env})
            return True
        plus: list[str] = []
        minus: list[str] = []
        number = 0
        for mono, c in gap.terms:  # type: ignore[union-attr]
            if mono == ():
                number = c
            elif len(mono) == 1 and isinstance(mono[0], str) and abs(c) == 1:
                (plus if c > 0 else minus).append(mono[0])
            else:
                return False
        names = plus + minus
        if len(names) == 1:
            size = -number if plus else number
            if size < 0:
                raise check.error({})
            self.env[names[0]] = size
            return True
        if len(plus) == 1 == len(minus) and number == 0:
            last = len(self.rank)
            first, second = sorted(names, key=lambda s: self.rank.get(s, last))
            self.env[second] = symbol(first)
            return True
        return False

    def dim(self, d: DimLike) -> DimLike:
        if d.__class__ is not Dim:
            return d
        new = self.dims.get(d)
        if new is None:
            for s in symbols(d):
                if s not in self.env:
                    if s not in self.defined:
                        self._missing_symbol(s)
                    self.env[s] = self.dim(self.defined[s])
            new = self.dims[d] = substitute(d, self.env)
        return new

    def _missing_symbol(self, s: str) -> None:
        owner = owners.get(symbol(s))
        v = owner[0]() if owner else None
        name = (v.name if v is not None else "") or "an unnamed variable"
        what = f"the shape of {name} is needed, and {name} is not among the inputs"
        raise MissingInputError(at(what, self.loc))

    def retype(self, t: TensorType) -> TensorType:
        new = self.types.get(t)
        if new is None:
            new = t if t.static else t.with_shape(tuple([self.dim(d) for d in t.shape]))
            self.types[t] = new
        return new

    def attr(self, a: Any) -> Any:
        if a.__class__ is Dim:
            self.asked |= symbols(a)
            return self.dim(a)
        if a.__class__ is tuple:
            return tuple([self.attr(i) for i in a])
        if a.__class__ is TensorType:
            if not a.static:
                self.attr(a.shape)
            return self.retype(a)
        if a.__class__ is Function:
            return Function(
                a.name, self.region(region(a.body, (), False, Nests(set())), (), None), a.layouts
            )
        return a

    def region(self, r: Region, extra: Sequence[Value], stabilize: Stabilize | None,
               consts: int = 0) -> Block:  # fmt: skip
        """A region in the function's dims, with parameters for `extra` behind `consts` others."""
        params = [Value(self.retype(p.type), name=p.name) for p in r.block.params]
        memo = {id(p): q for p, q, given in zip(r.block.params, params, r.given) if given}
        more = [Value(self.retype(v.type), name=v.name) for v in extra]
        memo.update({id(v): q for v, q in zip(extra, more)})
        effects = self.build(r.items, memo, stabilize)
        results = [self.get(v, memo, None) for v in r.block.results]
        return block([*params[:consts], *more, *params[consts:]], results, effects)

    def nest(self, nest: Nest, memo: dict[int, Value], stabilize: Stabilize | None) -> None:
        """An op with regions; what gradients in them need from outside becomes operands."""
        op, extra = nest.op, nest.extra
        more = [self.get(v, memo, op) for v in extra]
        at_ = op.attrs["consts"] if op.opdef.name == "scan" else len(op.operands) - 1
        ins = [self.get(v, memo, op) for v in op.operands]
        first = len(ins) - len(op.regions[0].params)  # a cond's condition is no parameter
        ins[first + at_ : first + at_] = more
        self.loc = op.loc
        attrs = {k: self.attr(a) for k, a in op.attrs.items()} if op.attrs else op.attrs
        if op.opdef.name == "scan":
            attrs = {**attrs, "consts": at_ + len(more)}
        regions = tuple([self.region(r, extra, stabilize, at_) for r in nest.regions])
        types = tuple([self.retype(r.type) for r in op.results])
        self.put(op, Op(op.opdef, tuple(ins), attrs, types, regions, op.loc, op.made_by), memo)

    def get(self, v: Value, memo: dict[int, Value], op: Op | None) -> Value:
        found = memo.get(id(v))
        if found is None:
            name = v.name or "an unnamed variable"
            note = notes.get(op.results[0]) if op is not None else None
            user = note.op if note is not None else op.opdef.name if op is not None else ""
            use = f"used to compute {user}, " if user else ""
            raise MissingInputError(at(
                f"Input {name} of the graph, {use}was not provided and not given a value: {name}, "
                f"{TensorVariable(v).type}, is not among the inputs",
                op.loc if op is not None else None))  # fmt: skip
        return found

    def op(self, op: Op, memo: dict[int, Value]) -> Op | None:
        """`op` made anew; None where nothing is left of it."""
        self.loc = op.loc
        ins = tuple([memo.get(id(v)) or self.get(v, memo, op) for v in op.operands])
        types = tuple([self.retype(r.type) for r in op.results])
        attrs = op.attrs
        if attrs:
            attrs = {k: self.attr(a) for k, a in attrs.items()}
        if op.opdef.name in ("refine", "reshape") and ins[0].type is types[0]:
            memo[id(op.results[0])] = ins[0]
            return None
        if id(op) in self.late:
            v = memo[id(op.results[0])] = checked(Builder(op.loc, op.made_by), op, ins[0], attrs)
            v.name = op.results[0].name
            return v.op
        return self.put(op, Op(op.opdef, ins, attrs, types, (), op.loc, op.made_by), memo)

    def put(self, op: Op, new: Op, memo: dict[int, Value]) -> Op:
        for old, r in zip(op.results, new.results):
            r.name = old.name
            memo[id(old)] = r
        return new

    def build(self, items: Sequence[Any], memo: dict[int, Value],
              stabilize: Stabilize | None) -> list[Op]:  # fmt: skip
        """Make what is planned; `memo` leads from the graph's values to the function's.

        The ops with effects are returned.
        """
        effects: list[Op] = []
        for item in items:
            if item.__class__ is Op:
                if not item.results:
                    new = self.op(item, memo)
                    assert new is not None
                    effects.append(new)
                elif id(item.results[0]) not in memo:
                    self.op(item, memo)
            elif item.__class__ is Group:
                self._group(item, memo, stabilize)
            elif id(item.op.results[0]) not in memo:
                self.nest(item, memo, stabilize)
        return effects

    def _group(self, group: Group, memo: dict[int, Value], stabilize: Stabilize | None) -> None:
        recipe, members = group.recipe, list(group.members.values())
        cost = None if recipe.cost is None else self.get(recipe.cost, memo, None)
        found = recipe.derive(
            cost,
            [self.get(w, memo, None) for _, w in members],
            [self.get(c, memo, None) for c in recipe.constants],
            [(self.get(k, memo, None), self.get(g, memo, None)) for k, g in recipe.known],
            stabilize,
        )
        for (raw, _), new in zip(members, found):
            if new is None:  # simplification found that nothing depends on it
                new = Builder().zeros(self.retype(raw.type))
            memo[id(raw)] = self.fit(new, raw)

    def fit(self, new: Value, raw: Value) -> Value:
        """`new` in the place of `raw`: of its type."""
        want = self.retype(raw.type)
        b = Builder()
        new = b.cast(new, want.dtype)
        return new if new.type is want else b("refine", new, shape=want.shape)

    def used_by_shape(self, v: Value) -> bool:
        return any(s in self.asked for d in v.type.shape for s in symbols(d))

    def effects(self) -> list[Op]:
        """`require` operations for what unification did not settle."""
        out = []
        done = set()
        for c in self.open:
            self.loc = c.loc
            lhs, rhs = self.dim(c.lhs), self.dim(c.rhs)
            key = (repr(lhs), c.cmp, repr(rhs))
            settled = lhs is rhs or lhs == rhs if c.cmp == "eq" else at_least(lhs - rhs, 0)
            if settled or key in done:
                continue
            if lhs.__class__ is int and rhs.__class__ is int:
                raise c.error(self.env)
            done.add(key)
            text = (c.note.text if c.note is not None else "") or "Input dimension mis-match"
            b = Builder(c.loc)
            out.append(b.op("require", lhs=lhs, cmp=c.cmp, rhs=rhs, message=text))
        return out
