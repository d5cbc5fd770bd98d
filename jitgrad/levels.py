"""Entering and leaving a transform of a Python function: what grad, jvp, vjp and vmap share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from . import numpy as _numpy  # noqa: F401  (fills the tables that tracers' methods look into)
from .errors import at
from .frontend.ops import lift
from .frontend.pytree import TreeDef, flatten, unflatten
from .frontend.source import explained, here, unwrapped, without_our_frames
from .frontend.trace import ARRAY, WEAK, Root, Tracer, activate, current, wrap
from .ir.core import Op, Value, reachable, serial
from .ir.types import F64
from .passes.simplify import rules_of
from .passes.stabilize import stabilize_values


class level:
    """The trace in progress, or a new one, with a bit for what this transform's values reach."""

    __slots__ = ("active", "root")

    def __init__(self, name: str) -> None:
        self.active: AbstractContextManager[Root] | None = None

    def __enter__(self) -> tuple[Root, int]:
        root = current()
        if root is None:
            root = Root("eager")
            self.active = activate(root)
            self.active.__enter__()
        self.root = root
        bit = 1 << root.depth
        root.depth += 1
        return root, bit

    def __exit__(self, kind: Any, err: BaseException | None, tb: Any) -> None:
        self.root.depth -= 1
        if self.active is None:
            return
        self.active.__exit__(None, None, None)
        if err is not None:
            mine = unwrapped(err)
            if explained(mine):
                raise without_our_frames(mine) from None


def check_callable(fun: Any, name: str) -> None:
    if not callable(fun):
        raise TypeError(at(f"{name} takes a function, not {fun!r:.60}", here()))


def leave(root: Root, x: Any, bit: int, seen: set[int] | None = None) -> Any:
    """A result of a transform: a NumPy value where nothing around it is traced, else a tracer."""
    if x.__class__ is not Tracer:
        return x
    mask = x.mask & ~bit
    if root.kind == "eager" and not mask:
        got = root.value(x.value)
        if got is not None:
            return to_numpy(got, x.form, x.value, seen)
    return Tracer(x.value, root, x.form, mask)


_SHARED = frozenset({"constant", "identity", "stop_gradient", "refine"})


def to_numpy(array: Any, form: int, v: Value, seen: set[int] | None = None) -> Any:
    """A fresh, writable array, or a NumPy scalar."""
    if form != ARRAY:
        return np.asarray(array).reshape(())[()]
    array = np.asarray(array)
    shared = v.op is None or v.op.name in _SHARED or not array.flags.owndata
    if shared or not array.flags.writeable or (seen is not None and id(array) in seen):
        array = array.copy()
    if seen is not None:
        seen.add(id(array))
    return array


def leave_tree(root: Root, tree: Any, bit: int) -> Any:
    leaves, treedef = flatten(tree)
    seen: set[int] = set()
    return unflatten(treedef, [leave(root, x, bit, seen) for x in leaves])


def stabilized(values: Sequence[Value], since: int) -> list[Value]:
    """The primal graph made since `since` with the numerically stable forms put in."""
    ops = reachable(values, since=since)
    return stabilize_values(ops, values) if _may_stabilize(ops) else list(values)


def _may_stabilize(ops: Sequence[Op]) -> bool:
    """Whether a rule looks at some op here; cheaper than to rewrite the graph and find nothing."""
    candidates = rules_of(frozenset({"stabilize"}), frozenset()).candidates
    return any(candidates(op) for op in ops)


def float_leaf(root: Root, x: Any, what: str, name: str) -> Tracer:
    """A leaf of a differentiated argument as a float tracer."""
    if x.__class__ is int:
        x = float(x)
    if not isinstance(x, (Tracer, float, bool, np.ndarray, np.generic)):
        fix = "; pass np.asarray(x)" if hasattr(x, "__array__") else ""
        raise TypeError(at(f"{name} needs numbers or arrays, {what} has {x!r:.60}{fix}", here()))
    t = lift(x, root)
    dtype = t.value.type.dtype
    if dtype.kind == "i" and t.form == WEAK:
        return Tracer(root.b.cast(t.value, F64), root, WEAK, t.mask)
    if not dtype.inexact:
        raise TypeError(at(f"{name} needs float inputs, {what} is {dtype.np.name}; pass 3.0 or "
                           "x.astype(float)", here()))  # fmt: skip
    return t


class Inputs:
    """The arguments that a transform differentiates by, as fresh values inside the trace."""

    def __init__(self, root: Root, bit: int, args: Sequence[Any], argnums: Any, name: str) -> None:
        self.root, self.bit, self.single = root, bit, isinstance(argnums, (int, np.integer))
        numbers = (argnums,) if self.single else argnums
        if not isinstance(numbers, Sequence) or not all(
            isinstance(n, (int, np.integer)) for n in numbers
        ):
            raise TypeError(at(f"{name}: argnums is a number or a tuple of numbers, not "
                               f"{argnums!r:.60}", here()))  # fmt: skip
        self.args = list(args)
        self.trees: list[TreeDef] = []
        self.tracers: list[Tracer] = []
        self.since = serial()
        places: dict[int, tuple[TreeDef, list[Tracer]]] = {}
        b = root.b
        b.loc = here()
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise TypeError(at(f"{name} by argument {n}: the function got {len(args)} "
                                   "arguments by position", here()))  # fmt: skip
            if n % len(args) in places:  # named twice
                treedef, inner = places[n % len(args)]
                self.trees.append(treedef)
                self.tracers += inner
                continue
            leaves, treedef = flatten(args[n])
            inner = []
            for leaf in leaves:
                t = float_leaf(root, leaf, f"argument {n % len(args)}", name)
                v = b("identity", t.value)
                inner.append(wrap(root, v, t.mask | bit, t.form))
            self.args[n] = unflatten(treedef, inner)
            places[n % len(args)] = treedef, inner
            self.trees.append(treedef)
            self.tracers += inner
        self.made = serial()  # the inputs themselves are older: no rewrite touches them
        self.mask = 0
        for t in self.tracers:
            self.mask |= t.mask

    @property
    def values(self) -> list[Value]:
        return [t.value for t in self.tracers]

    def tree(self, leaves: Sequence[Any]) -> Any:
        """One thing for each input leaf, in the structure of the chosen arguments."""
        out, k = [], 0
        for t in self.trees:
            out.append(unflatten(t, leaves[k : k + t.leaves]))
            k += t.leaves
        return out[0] if self.single else tuple(out)

    def result(self, v: Value | None, like: Tracer, mask: int, seen: set[int]) -> Any:
        """A cotangent of an input, mirroring it."""
        root = self.root
        if v is None:
            v = root.b.zeros(like.value.type)
        return leave(root, wrap(root, v, mask, like.form), self.bit, seen)
