"""`clone`: a graph again, with some of its variables replaced by others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..errors import at
from ..ir.build import Builder
from ..ir.core import Block, Op, Value, reachable, serial
from ..ir.dims import Dim, DimLike, substitute, symbol, symbols
from ..ir.types import TensorType
from .plan import roots_of
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_dims import computed_dims, dim_of, source_of
from .symbolic_notes import Note, Recipe, either, notes, recipes, views
from .symbolic_ops import refine
from .symbolic_shared import SharedValue
from .symbolic_type import TensorType as VariableType


def clone(output: Any, replace: Any = None, strict: bool = True, share_inputs: bool = True,
          copy_inputs: Any = None) -> Any:  # fmt: skip
    """`output` (a variable, or a list of them) again, with variables in it replaced.

    replace       a dict or pairs: a variable of the graph, and what takes its place. All are
                  replaced at once: replacements are not looked into
    strict        a replacement has the dtype of what it replaces; False: it is converted, where no
                  kind of number is lost
    share_inputs  False: the other inputs are new variables, too; a shared variable's copy has its
                  value in the same place
    copy_inputs   the old name of `share_inputs`

    Gradients in the graph stay gradients: that of a cost by x becomes the one of the new cost by
    what x is replaced by.

    >>> import jitgrad.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> clone(x**2 + x, replace={x: y + 1}).eval({y: 2.0})
    array(12.)

    Raises `TypeError` for a replacement of another dtype, number of dims, or size 1 where the
    variable has 1; `ValueError` for a `replace` that is no dict or list of pairs.
    """
    loc = here()
    if copy_inputs is not None:
        share_inputs = copy_inputs
    if isinstance(replace, Mapping):
        pairs = list(replace.items())
    elif isinstance(replace, (list, tuple)):
        pairs = list(replace)
    elif replace is None:
        pairs = []
    else:
        raise ValueError(at("replace is neither a dictionary, list, tuple or None! The value "
                            f"provided is {replace!r:.60}, of type {type(replace).__name__}",
                            loc))  # fmt: skip
    many = isinstance(output, (list, tuple))
    outs = list(output) if many else [output]
    for v in outs:
        if not isinstance(v, TensorVariable):
            raise TypeError(at(f"clone takes variables, not {v!r:.60}", loc))
    given = {}
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(at(f"replace is a list of pairs, not of {pair!r:.60}", loc))
        old, new = pair
        if not isinstance(old, TensorVariable):
            raise TypeError(at(f"replace: {old!r:.60} is no variable", loc))
        given[old.value] = _fitting(old, as_tensor_variable(new), strict)
    roots = [v.value for v in outs]
    if not share_inputs:
        for leaf in leaves(roots, given):
            given[leaf] = _another(leaf)
    made = [TensorVariable(v, loc) for v in cloned(roots, given)]
    return (tuple(made) if isinstance(output, tuple) else made) if many else made[0]


clone_replace = clone


def _fitting(old: TensorVariable, new: TensorVariable, strict: bool) -> Value:
    """The replacement, of the dtype, rank and broadcast pattern of what it replaces."""
    b = Builder(here())
    have, want = new.value.type, old.value.type
    bad = have.rank != want.rank or any(
        w.__class__ is int and h != w for h, w in zip(have.shape, want.shape)
    )
    if have.dtype is not want.dtype:
        bad = bad or strict or not np.can_cast(have.dtype.np, want.dtype.np, "same_kind")
    if bad:
        raise TypeError(at(f"Cannot convert Type {new.type} (of Variable {new!r}) into Type "
                           f"{old.type}. You can try to manually convert {new!r} into a "
                           f"{old.type}.", b.loc))  # fmt: skip
    return b.cast(new.value, want.dtype)


def _another(leaf: Value) -> Value:
    if leaf.__class__ is SharedValue:
        return leaf.variable.clone().value
    t = leaf.type
    sizes = [d if d.__class__ is int else None for d in t.shape]
    return VariableType(t.dtype, shape=sizes)(leaf.name or None).value


def leaves(roots: Iterable[Value], stops: Iterable[Value] = ()) -> list[Value]:
    """The values without an op that `roots` are made of, in order of appearance."""
    found: dict[int, Value] = {}
    ends = {id(v) for v in stops}
    seen: set[int] = set()
    stack = list(roots)[::-1]
    while stack:
        v = stack.pop()
        if id(v) in seen or id(v) in ends:
            continue
        seen.add(id(v))
        if v.op is None:
            found[id(v)] = v
        else:
            stack += v.op.operands[::-1]
    return list(found.values())


def cloned(roots: Sequence[Value], given: Mapping[Value, Value]) -> list[Value]:
    """`roots` with values replaced; what does not depend on them is shared."""
    found = _recipes(roots, given)
    derived: _Cloner | None = None
    if found:
        # what gradients are derived from: there a replacement is a value of its own, since by it,
        # and not by what else it is used for, is differentiated
        b = Builder(made_by="clone")
        apart = {k: b("identity", v) for k, v in given.items()}
        derived = _Cloner(apart)
        derived.derived = derived
        derived.run([v for r in found for v in (*roots_of(r), *r.wrt)], found)
    main = _Cloner(given)
    main.derived = derived
    return main.run(roots, [])


def _recipes(roots: Sequence[Value], given: Mapping[Value, Value]) -> list[Recipe]:
    """All recipes behind `roots`, the oldest first."""
    found: dict[int, Recipe] = {}
    todo = list(roots)
    while todo:
        ops = reachable(todo, given)
        todo = []
        for op in _every(ops):
            for v in op.results if op.made_by else ():
                known = recipes.get(v)
                if known is not None and id(known[0]) not in found:
                    found[id(known[0])] = known[0]
                    todo += [*roots_of(known[0]), *known[0].wrt]
    return sorted(found.values(), key=lambda r: r.serial)


def _every(ops: Iterable[Op]) -> Iterable[Op]:
    for op in ops:
        yield op
        for r in op.regions:
            yield from _every(r.ops)


class _Cloner:
    """Values of a graph and what takes their place; dims likewise."""

    def __init__(self, given: Mapping[Value, Value]) -> None:
        self.env: dict[Value, Value] = {}
        self.dims: dict[str, DimLike] = {}
        self.asked: set[str] = set()
        self.derived: _Cloner | None = None
        self.remade: dict[int, Recipe] = {}
        for old, new in given.items():
            if old.op is None:  # a variable's own sizes: what they are in its place
                for d, size in zip(old.type.shape, new.type.shape):
                    if d.__class__ is Dim and repr(d) in symbols(d):
                        self.dims[repr(d)] = size
        for old, new in given.items():
            shape = tuple([substitute(d, self.dims) for d in old.type.shape])
            text = "clone: a replacement has other sizes"
            self.env[old] = refine(
                Builder(here()), new, shape, Note("clone", (ref(new),), text=text)
            )
        self.stops = list(given)

    def run(self, roots: Sequence[Value], found: Sequence[Recipe]) -> list[Value]:
        """The new `roots`; `found` are recipes to be made anew on the way."""
        ops = reachable(roots, self.stops)
        self._sizes(ops)
        rest = list(found)[::-1]
        for op in ops:
            while rest and rest[-1].serial < op.serial:
                self._recipe(rest.pop())
            if op.results and op.results[0] not in self.env:
                self._op(op, self.env, None)
        while rest:
            self._recipe(rest.pop())
        return [self.env.get(v, v) for v in roots]

    def _sizes(self, ops: Sequence[Op]) -> None:
        """New computed sizes for those that depend on what is replaced."""
        for name in sorted(computed_dims(ops) - self.asked, key=lambda s: (len(s), s)):
            self.asked.add(name)
            source = source_of(name)
            if source is None or name in self.dims:
                continue
            (new,) = self.run([source], [])
            if new is source:
                continue
            size = self.dims[name] = dim_of(TensorVariable(new), "a size")
            pair = either.get(symbol(name))
            if pair is not None and size.__class__ is Dim:
                either[size] = tuple([substitute(d, self.dims) for d in pair])  # type: ignore

    def _recipe(self, r: Recipe) -> None:
        get = self.env.get
        self.remade[id(r)] = Recipe(
            None if r.cost is None else get(r.cost, r.cost),
            tuple([get(v, v) for v in r.wrt]),
            tuple([get(v, v) for v in r.constants]),
            tuple([(get(k, k), get(g, g)) for k, g in r.known]),
            serial(),
            r.derive,
        )

    def _type(self, t: TensorType) -> TensorType:
        if t.static or not self.dims:
            return t
        return t.with_shape(tuple([substitute(d, self.dims) for d in t.shape]))

    def _attr(self, a: Any) -> Any:
        if a.__class__ is Dim:
            return substitute(a, self.dims)
        if a.__class__ is tuple:
            return tuple([self._attr(i) for i in a])
        return self._type(a) if a.__class__ is TensorType else a

    def _op(self, op: Op, env: dict[Value, Value], extra: dict[Value, None] | None) -> None:
        """`op` again, if anything in it changes; `extra` takes what a region needs from outside."""
        ins = tuple([env.get(v, v) for v in op.operands])
        attrs = {k: self._attr(a) for k, a in op.attrs.items()} if self.dims else op.attrs
        types = tuple([self._type(r.type) for r in op.results])
        same = op.opdef.name in ("refine", "reshape") and ins[0].type is types[0]
        if same and ins[0] is not op.operands[0]:
            env[op.results[0]] = ins[0]
            return
        more: dict[Value, None] = {}
        regions = op.regions
        if regions:
            first = len(op.operands) - len(regions[0].params)
            regions = tuple(
                [self._block(r, op.operands[first:], ins[first:], more) for r in regions]
            )
        if ins == op.operands and attrs == op.attrs and regions == op.regions:
            return
        if more:
            nk = attrs["consts"] if op.opdef.name == "scan" else len(ins) - 1
            place = len(ins) - len(op.regions[0].params) + nk
            ins = (*ins[:place], *more, *ins[place:])
            regions = tuple([Block([*r.params[:nk], *more, *r.params[nk:]], r.ops, r.results)
                             for r in regions])  # fmt: skip
            if op.opdef.name == "scan":
                attrs = {**attrs, "consts": nk + len(more)}
        new = Op(op.opdef, ins, attrs, types, regions, op.loc, op.made_by)
        for old, r in zip(op.results, new.results):
            r.name = old.name
            env[old] = r
            if old in notes:
                notes[r] = notes[old]
            if old in views:
                x, key = views[old]
                views[r] = (env.get(x, x), key)
            known = recipes.get(old)
            if known is not None and self.derived is not None:
                recipe = self.derived.remade.get(id(known[0]))
                if recipe is not None:
                    recipes[r] = (recipe, known[1])

    def _block(self, block: Block, olds: Sequence[Value], news: Sequence[Value],
               more: dict[Value, None]) -> Block:  # fmt: skip
        """A region again; parameters that are values from outside stay the operands."""
        env: dict[Value, Value] = {}
        params = []
        for p, v, new in zip(block.params, olds, news):
            t = self._type(p.type)
            q = new if p is v and new is not v else p if t is p.type else Value(t, name=p.name)
            params.append(q)
            if q is not p:
                env[p] = q
        inside = {v for op in block.ops for v in op.results}
        for op in block.ops:
            for v in op.operands:  # a value from outside that is made again inside
                if v in inside and v in self.env and v not in env and v in self.stops:
                    env[v] = self.env[v]
                    more[self.env[v]] = None
            self._op(op, env, more)
        ops = [env[op.results[0]].op if op.results and op.results[0] in env else op
               for op in block.ops]  # fmt: skip
        results = [env.get(v, v) for v in block.results]
        if params == list(block.params) and not env:
            return block
        kept = {id(op): op for op in ops if op is not None}
        return Block(params, [op for op in kept.values() if op.results[0] not in more], results)
