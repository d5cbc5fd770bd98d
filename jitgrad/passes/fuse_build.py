"""Builds kernels: a loop nest over the space of its roots, with everything inline computed in it.

A value is computed at an index, a tuple of dims over loop variables; index ops (transpose, slice,
broadcast …) turn the index of their result into that of their operand and vanish. What does not
depend on an inner variable is computed outside its loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Op, Value, remade
from ..ir.dims import Dim, DimLike, product, symbols
from ..ir.ops import TABLE
from ..ir.ops.kernel import MONOIDS
from ..ir.types import TensorType, tensor
from .fuse_index import INLINE, Index, full_index

Env = Mapping[int, Value]
View = Callable[[Value], Value]


class Nest:
    """One loop nest under construction; `levels[k]` holds what runs inside the k-th loop.

    The first `kept` loops are shared by its phases; each phase runs the remaining loops once, one
    after the other inside the shared ones: a softmax is three phases a row.
    """

    def __init__(self, buffers: Buffers, space: Sequence[DimLike], reduced: Sequence[int]) -> None:
        self.buffers = buffers
        real = [a for a, d in enumerate(space) if d.__class__ is Dim or d != 1]
        kept = [a for a in real if a not in reduced]
        inner = [a for a in real if a in reduced]
        self.order = kept + inner
        self.kept = len(kept)
        # the last axis is the contiguous one: its iterations become the lanes
        self.vector = self.order.index(real[-1]) if real else -1
        self.space = space
        self.depth = {f"i{a}": k + 1 for k, a in enumerate(self.order)}
        self.index = full_index(space)
        self.levels: list[list[Op]] = [[] for _ in range(len(self.order) + 1)]
        self.memo: dict[Any, Value] = {}
        self.local: dict[int, Value] = {}  # values that an earlier phase stored, and where
        self.at: dict[int, int] = {}  # value -> level
        self.b = Builder()

    # -- emitting ---------------------------------------------------------------------------------

    def level_of(self, dims: Sequence[DimLike]) -> int:
        level = 0
        for d in dims:
            if d.__class__ is Dim:
                for s in symbols(d):
                    level = max(level, self.depth.get(s, 0))
        return level

    def put(self, op: Op, level: int) -> Value:
        self.levels[level].append(op)
        out = op.results[0]
        self.at[id(out)] = level
        return out

    def apply(self, name: str, *ins: Value, **attrs: Any) -> Value:
        """A scalar op at the level where its operands are known."""
        level = max([self.at[id(v)] for v in ins], default=0)
        if name == "dim":
            level = self.level_of((attrs["expr"],))
        return self.put(self.b.op(name, *ins, **attrs), level)

    def const(self, value: Any, type: TensorType) -> Value:
        key = (type, repr(value))
        made = self.memo.get(key)
        if made is None:
            op = self.b.const(value, type).op
            assert op is not None
            made = self.memo[key] = self.put(op, 0)
        return made

    def position(self, d: DimLike) -> Value:
        """An index expression as a number."""
        key = ("dim", d)
        made = self.memo.get(key)
        if made is None:
            made = self.memo[key] = self.apply("dim", expr=d)
        return made

    def load(self, v: Value, index: Index, mask: Value | None, extra: Sequence[Value]) -> Value:
        ref = self.buffers.ref(v)
        level = max(self.level_of(index), *(self.at[id(e)] for e in extra), 0)
        if mask is None:
            return self.put(self.b.op("load", ref, *extra, index=index), level)
        level = max(level, self.at[id(mask)])
        other = self.const(0, tensor(v.type.dtype, ()))
        return self.put(self.b.op("load_if", ref, mask, other, *extra, index=index), level)

    # -- values at an index -----------------------------------------------------------------------

    def value(self, v: Value, index: Index, mask: Value | None = None) -> Value:
        """The element of `v` at `index`; no memory is touched where `mask` is false."""
        memo, env = self.memo, self.buffers.env
        m = 0 if mask is None else id(mask)
        top = (id(v), index, m)
        if top in memo:
            return memo[top]
        stack: list[tuple[Value, Index, Value | None]] = [(v, index, mask)]
        missing: list[tuple[Value, Index, Value | None]] = []

        def get(v: Value, index: Index, mask: Value | None) -> Value | None:
            made = memo.get((id(v), index, 0 if mask is None else id(mask)))
            if made is None:
                missing.append((v, index, mask))
            return made

        while stack:
            v, index, mask = stack[-1]
            m = 0 if mask is None else id(mask)
            key = (id(v), index, m)
            if key in memo:
                stack.pop()
                continue
            leaf = env.get(id(v))
            if leaf is not None:
                memo[key] = self.load(leaf, index, mask, ())
                stack.pop()
                continue
            here = self.local.get(id(v))
            if here is not None and index == self.index and mask is None:
                level = self.level_of(index)
                memo[key] = self.put(self.b.op("load", here, index=index), level)
                stack.pop()
                continue
            op = v.op
            assert op is not None
            made: Value | None
            if op.opdef.elementwise:
                ins = []
                for o in op.operands:
                    have = memo.get((id(o), index, m))
                    if have is None:
                        missing.append((o, index, mask))
                    else:
                        ins.append(have)
                made = None if missing else self.scalar_op(op, tuple(ins))
            else:
                made = INLINE[op.opdef.name](self, op, index, mask, get)
            if missing:
                missing.reverse()
                stack += missing
                missing.clear()
            else:
                assert made is not None
                memo[key] = made
                stack.pop()
        return memo[top]

    def scalar_op(self, op: Op, ins: tuple[Value, ...]) -> Value:
        """An elementwise op on elements, at the level where they are known."""
        at = self.at
        level = 0
        for w in ins:
            if at[id(w)] > level:
                level = at[id(w)]
        # what the type rule would find, at less cost: the op's own dtype at rank 0
        made = remade(op, ins, op.results[0].type.dtype.rank0)
        self.levels[level].append(made)
        out = made.results[0]
        at[id(out)] = level
        return out

    # -- closing ----------------------------------------------------------------------------------

    def end_phase(self, yields: Sequence[Value], monoids: Sequence[str]) -> Sequence[Value]:
        """Close the inner loops of a phase; the reduced values, known at the shared level."""
        last = len(self.order)
        values: Sequence[Value] = tuple(yields)
        for k in range(last, self.kept, -1):
            values = self._wrap(k, values, monoids)
        if last > self.kept:
            gone = [key for key, v in self.memo.items() if self.at[id(v)] > self.kept]
            for key in gone:
                del self.memo[key]
        return values

    def _wrap(self, k: int, values: Sequence[Value], monoids: Sequence[str]) -> Sequence[Value]:
        """Put what stands at level k into its loop, and that one level further out."""
        axis = self.order[k - 1]
        loop = self.b.op(
            "loop",
            regions=(Block((), self.levels[k], values),),
            var=f"i{axis}",
            extent=self.space[axis],
            vector=k - 1 == self.vector,
            monoids=tuple(monoids),
        )
        self.levels[k] = []
        self.levels[k - 1].append(loop)
        for r in loop.results:
            self.at[id(r)] = k - 1
        return loop.results

    def close(self) -> list[Op]:
        """Close the shared loops; the finished nest."""
        for k in range(self.kept, 0, -1):
            self._wrap(k, (), ())
        return self.levels[0]

    def store(self, v: Value, out: Value, index: Index) -> None:
        level = max(self.at[id(v)], self.level_of(index))
        self.levels[level].append(self.b.op("store", v, out, index=index))


class Buffers:
    """A kernel's operands: memory that its nests read, each once."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.refs: dict[int, Value] = {}
        self.operands: list[Value] = []

    def ref(self, v: Value) -> Value:
        have = self.refs.get(id(v))
        if have is None:
            have = self.refs[id(v)] = Value(v.type, name=v.name)
            self.operands.append(v)
        return have


# -- kernels --------------------------------------------------------------------------------------


def build_kernel(
    phases: Sequence[Sequence[Op]], env: Env, strided: set[int]
) -> tuple[Op, list[Op], list[View | None]]:
    """A kernel that computes the roots, all over one space: (op, ops before it, views after it).

    The first phase decides the shared loops: the axes that it does not reduce.
    """
    roots = [op for phase in phases for op in phase]
    first = next((r for r in roots if axes_of(r)), None)
    space = (first.operands[0] if first is not None else roots[0].results[0]).type.shape
    axes = axes_of(first) if first is not None else ()
    before: list[Op] = []
    whole = space
    whole_buffers = None
    if len(space) > 1 and len(axes) in (0, len(space)):
        whole_buffers = _flat(roots, space, env, strided)
    flat = whole_buffers is not None
    if whole_buffers is not None:
        env = _Flattened(env, whole_buffers, before)
        whole = (product(space),)
        axes = (0,) if axes else ()
    buffers = Buffers(env)
    nest = Nest(buffers, whole, axes)
    outs: list[Value] = []
    for phase in phases:
        outs += _phase(nest, phase, axes, whole if flat else None)
    kernel = _finish(roots[0], buffers, outs, nest.close())
    b = Builder(None, "fuse")
    views: list[View | None] = [
        (lambda v: b.reshape(v, space)) if flat and not axes_of(op) else None for op in roots
    ]
    return kernel, before, views


def _phase(
    nest: Nest, roots: Sequence[Op], axes: Sequence[int], flat: tuple[DimLike, ...] | None
) -> list[Value]:
    """The roots of one phase; their buffers."""
    outs: list[Value] = []
    yields: list[Value] = []
    reduced: list[tuple[Op, Value]] = []
    stored: list[tuple[Op, Value]] = []
    for op in roots:
        type_ = op.results[0].type
        if not axes_of(op):
            out = Value(type_.with_shape(flat) if flat else type_)
            nest.store(nest.value(op.results[0], nest.index), out, nest.index)
            stored.append((op, out))
        else:
            out = Value(type_)
            yields.append(nest.value(op.operands[0], nest.index))
            if "axis" in op.attrs:  # of (value, index) the index is wanted
                yields.append(nest.position(nest.index[op.attrs["axis"]]))
            reduced.append((op, out))
        outs.append(out)
    values = nest.end_phase(yields, [op.opdef.name for op, _ in reduced])
    keep = tuple([i for a, i in enumerate(nest.index) if a not in axes])
    k = 0
    for op, out in reduced:
        k += MONOIDS[op.opdef.name].arity
        nest.store(values[k - 1], out, keep)
        nest.memo[id(op.results[0]), keep, 0] = values[k - 1]
    for op, out in stored:
        nest.local[id(op.results[0])] = out
    return outs


def build_concat(
    phases: Sequence[Sequence[Op]], env: Env, strided: set[int]
) -> tuple[Op, list[Op], list[View | None]]:
    """A concatenation: one nest a part, each writing its own stretch of the result."""
    ((op,),) = phases
    axis = op.attrs["axis"]
    buffers = Buffers(env)
    out = Value(op.results[0].type)
    body: list[Op] = []
    start: DimLike = 0
    for part in op.operands:
        nest = Nest(buffers, part.type.shape, ())
        at = list(nest.index)
        at[axis] = at[axis] + start
        nest.store(nest.value(part, nest.index), out, tuple(at))
        body += nest.close()
        start = start + part.type.shape[axis]
    return _finish(op, buffers, [out], body), [], [None]


def _finish(root: Op, buffers: Buffers, outs: Sequence[Value], body: Sequence[Op]) -> Op:
    region = Block((*buffers.refs.values(), *outs), body, ())
    b = Builder(root.loc, "fuse")
    return b.make(TABLE["kernel"], tuple(buffers.operands), regions=(region,))


def axes_of(op: Op) -> tuple[int, ...]:
    """The axes that a reduction reduces; none for other ops."""
    if op.opdef.emit != "reduce":
        return ()
    return op.attrs["axes"] if "axes" in op.attrs else (op.attrs["axis"],)


class _Flattened(dict):
    """Buffers of the whole space seen as one long axis, the others as they are."""

    def __init__(self, env: Env, whole: set[int], before: list[Op]) -> None:
        super().__init__()
        self.env = env
        self.whole = whole
        self.before = before

    def get(self, key: int, default: Any = None) -> Any:
        have = self.env.get(key)
        if have is None or key not in self.whole:
            return have
        made = super().get(key)
        if made is None:
            op = Builder(None, "fuse").op("reshape", have, shape=(have.type.size,))
            self.before.append(op)
            made = self[key] = op.results[0]
        return made


def _flat(
    roots: Sequence[Op], space: tuple[DimLike, ...], env: Env, strided: set[int]
) -> set[int] | None:
    """Where the space may be one long axis, because every access is at the element itself or at
    scalars: the buffers that are accessed at the element itself."""
    seen: set[int] = set()
    whole: set[int] = set()
    scalars: list[Value] = []
    stack: list[Value] = []
    for op in roots:
        if axes_of(op) and "axis" in op.attrs:  # an index along one axis
            return None
        stack.append(op.operands[0] if axes_of(op) else op.results[0])
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        if v.type.shape != space:
            return None
        leaf = env.get(id(v))
        if leaf is not None:
            if id(leaf) in strided:
                return None
            whole.add(id(v))
            continue
        made = v.op
        assert made is not None
        if made.opdef.name == "broadcast" and not made.operands[0].type.shape:
            scalars.append(made.operands[0])
            continue
        if made.opdef.name in ("fill", "constant"):
            scalars += made.operands[1:]
            continue
        if not made.opdef.elementwise:
            return None
        stack += made.operands
    seen.clear()
    while scalars:  # one element of a buffer is read at that buffer's own index
        v = scalars.pop()
        if id(v) in whole:
            return None
        if id(v) not in seen and id(v) not in env and v.op is not None:
            scalars += v.op.operands
        seen.add(id(v))
    return whole
