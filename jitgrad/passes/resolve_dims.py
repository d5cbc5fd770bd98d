"""Resolving dims: symbols that a `require` proves equal become one, throughout a function.

`f(x: f64[n], y: f64[m])` with `require n eq m` becomes a function of two f64[n]: the entry checks
the equality before anything runs, ops see one symbol, and the refines between the two go.
What was merged is kept in `Function.cache["dim_notes"]`, so that the entry's error can say what the
user's line wanted: a list of (kept dim, dropped symbol, message, loc).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import Loc
from ..ir.core import Block, Function, Op, Value
from ..ir.dims import Dim, DimLike, substitute, symbols
from ..ir.types import TensorType, tensor
from .base import Pass, register

Note = tuple[DimLike, str, str, Loc | None]


def bare(d: DimLike) -> str | None:
    """The name of a dim that is one symbol and nothing else."""
    if isinstance(d, Dim) and len(d.terms) == 1:
        mono, c = d.terms[0]
        if c == 1 and len(mono) == 1 and isinstance(mono[0], str):
            return mono[0]
    return None


def equalities(fn: Function) -> tuple[dict[str, DimLike], list[Note]]:
    """What each dropped symbol stands for, from the requires at the top of `fn`."""
    order = {name: i for i, name in enumerate(fn.dims)}
    env: dict[str, DimLike] = {}
    notes: list[Note] = []
    for op in fn.ops:
        if op.opdef.name != "require" or op.attrs["cmp"] != "eq":
            continue
        a, b = (substitute(op.attrs[k], env) for k in ("lhs", "rhs"))
        if a is b or a == b:
            continue
        left, right = bare(a), bare(b)
        # the symbol that comes later goes, the first stays
        if left and right and order.get(left, -1) < order.get(right, -1):
            a, b, left, right = b, a, right, left
        if left is None or left not in order or left in symbols(b):
            a, b, left = b, a, right
        if left is None or left not in order or left in symbols(b):
            continue
        if b.__class__ is Dim and bare(b) is None:
            continue  # the entry binds bare symbols only; the require and its refines stay
        env = {k: substitute(v, {left: b}) for k, v in env.items()}
        env[left] = b
        notes.append((b, left, op.attrs["message"], op.loc))
    return env, notes


class _Substitution:
    def __init__(self, dims: Mapping[str, DimLike]) -> None:
        self.dims = dims
        self.types: dict[TensorType, TensorType] = {}

    def type(self, t: TensorType) -> TensorType:
        found = self.types.get(t)
        if found is None:
            found = self.types[t] = tensor(
                t.dtype, tuple([substitute(d, self.dims) for d in t.shape])
            )
        return found

    def attr(self, a: Any) -> Any:
        if a.__class__ is Dim:
            return substitute(a, self.dims)
        if a.__class__ is tuple:
            return tuple([self.attr(x) for x in a])
        return self.type(a) if a.__class__ is TensorType else a

    def value(self, v: Value) -> Value:
        t = self.type(v.type)
        return v if t is v.type else Value(t, name=v.name)

    def block(self, block: Block) -> Block:
        params = [self.value(p) for p in block.params]
        env: dict[Value, Value] = dict(zip(block.params, params))
        out: list[Op] = []
        known: set[tuple] = set()  # a relation is checked once
        for op in block.ops:
            operands = tuple([env.get(v, v) for v in op.operands])
            types = tuple([self.type(r.type) for r in op.results])
            name = op.opdef.name
            if name == "refine" and types[0] is operands[0].type:
                env[op.results[0]] = operands[0]
                continue
            attrs = {k: self.attr(a) for k, a in op.attrs.items()} if op.attrs else op.attrs
            if name == "require":
                relation = (attrs["lhs"], attrs["cmp"], attrs["rhs"])
                if _holds(attrs) or relation in known:
                    continue
                known.add(relation)
            regions = tuple([self.block(r) for r in op.regions])
            same = all(r.type is t for r, t in zip(op.results, types))
            if operands != op.operands or regions != op.regions or not same or attrs != op.attrs:
                new = Op(op.opdef, operands, attrs, types, regions, op.loc, op.made_by)
                for old, r in zip(op.results, new.results):
                    r.name = old.name
                    env[old] = r
                op = new
            out.append(op)
        same_ops = len(out) == len(block.ops) and all(a is b for a, b in zip(out, block.ops))
        if same_ops and all(p is q for p, q in zip(params, block.params)):
            return block
        return Block(params, out, [env.get(v, v) for v in block.results])


def _holds(attrs: Mapping[str, Any]) -> bool:
    a, b = attrs["lhs"], attrs["rhs"]
    if attrs["cmp"] == "eq":
        return a is b or (a.__class__ is int and a == b)
    gap = a - b
    return gap.__class__ is int and gap >= 0


@register
@dataclass(frozen=True)
class ResolveDims(Pass):
    """Merge dim symbols that requires make equal; drop the requires and refines this settles."""

    name: ClassVar[str] = "resolve-dims"

    def run(self, fn: Function) -> Function:
        if any(op.opdef.name == "call" for op in fn.ops):
            return fn  # a callee's dims are its caller's: inline first
        env, notes = equalities(fn)
        if not env and not any(op.opdef.name in ("require", "refine") for op in fn.ops):
            return fn
        body = _Substitution(env).block(fn.body)
        if body is fn.body:
            return fn
        out = fn.with_body(body)
        out.cache["dim_notes"] = [*fn.cache.get("dim_notes", ()), *notes]
        return out
