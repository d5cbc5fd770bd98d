"""Canonical forms: rules that bring constants and shape ops into one form.

Other rules and fusion rely on it: constants are splats
without a spelling and stand first; no `fill`; the operand of a `broadcast` has no axis of size 1;
reshapes and broadcasts follow elementwise ops instead of preceding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.build import Builder
from ...ir.core import Op, Value
from ...ir.dims import Dim, DimLike
from ...ir.ops import TABLE
from ...ir.ops.markers import IDENTITIES
from ..fold import splat
from ..match import RuleSet, structural

CANONICAL: RuleSet = []

ELEMENTWISE = tuple(
    n
    for n, r in TABLE.items()
    if r.elementwise and n not in IDENTITIES[1:] and "raises" not in r.props
)
COMMUTATIVE = tuple(n for n, r in TABLE.items() if "commutative" in r.props and r.arity == 2)


def maker(v: Value, name: str) -> Op | None:
    """The op that made `v`, if it is a `name`."""
    op = v.op
    return op if op is not None and op.opdef.name == name else None


def at_least_one(n: DimLike) -> bool:
    return n.__class__ is int and n >= 1


def checked(idx: Value) -> bool:
    """Whether an index (or what it is computed from) may be out of range: it is not dropped then,
    since the error would be gone with it."""
    todo, seen = [idx], 0
    while todo:
        op = todo.pop().op
        seen += 1
        if seen > 64 or (op is not None and "raises" in op.opdef.props):
            return True
        if op is not None:
            todo += op.operands
    return False


# -- constants ------------------------------------------------------------------------------------


@structural(CANONICAL, "drop-spelling", "constant")
def _spelling(op: Op, b: Builder) -> Any:
    """A constant forgets the user's literal; small uniform arrays become numbers."""
    value = op.attrs["value"]
    if value.__class__ is np.ndarray:
        if not 0 < value.size <= 64:
            return None
        flat = value.ravel()
        if flat.tobytes() != flat[:1].tobytes() * flat.size:
            return None
        value = flat[0].item()
    elif not op.attrs["spelling"]:
        return None
    return b.const(value, op.attrs["type"])


@structural(CANONICAL, "constant-first", *COMMUTATIVE, child=("constant",))
def _constant_first(op: Op, b: Builder) -> Any:
    """Commutative ops have their constant first: x * 2 → 2 * x."""
    x, y = op.operands
    if maker(x, "constant") or not maker(y, "constant"):
        return None
    return b.make(op.opdef, (y, x), op.attrs).results[0]


@structural(CANONICAL, "splat-through", "broadcast", "reshape", "transpose", "reverse", "refine",
            "slice", "gather", child=("constant",))  # fmt: skip
def _splat_through(op: Op, b: Builder) -> Any:
    """A broadcast, reshape, slice … of a number is that number in the new type."""
    source = maker(op.operands[0], "constant")
    if source is None or source.attrs["value"].__class__ is np.ndarray:
        return None
    if len(op.operands) > 1 and checked(op.operands[1]):
        return None
    return b.const(source.attrs["value"], op.results[0].type)


@structural(CANONICAL, "fill-broadcast", "fill")
def _fill(op: Op, b: Builder) -> Any:
    """fill(x, v) → broadcast(v) to the shape of x."""
    like, value = op.operands
    return b.broadcast(value, like.type.shape, ())


@structural(CANONICAL, "static-dim", "dim")
def _dim(op: Op, b: Builder) -> Any:
    """A dim that is a number → constant."""
    expr = op.attrs["expr"]
    return None if expr.__class__ is Dim else b.const(int(expr), op.results[0].type)


# -- broadcast, reshape, transpose ----------------------------------------------------------------


@structural(CANONICAL, "broadcast-same", "broadcast")
def _broadcast_same(op: Op, b: Builder) -> Any:
    """A broadcast to the same shape → x."""
    (x,) = op.operands
    return x if x.type is op.results[0].type else None


@structural(CANONICAL, "broadcast-broadcast", "broadcast", child=("broadcast",))
def _broadcast_twice(op: Op, b: Builder) -> Any:
    """A broadcast of a broadcast → one."""
    inner = op.operands[0].op
    assert inner is not None
    dims = tuple(op.attrs["dims"][d] for d in inner.attrs["dims"])
    return b("broadcast", inner.operands[0], shape=op.attrs["shape"], dims=dims)


@structural(CANONICAL, "broadcast-is-reshape", "broadcast")
def _broadcast_ones(op: Op, b: Builder) -> Any:
    """A broadcast that only adds axes of size 1 → reshape."""
    (x,), shape, dims = op.operands, op.attrs["shape"], op.attrs["dims"]
    if all(shape[d] == n for n, d in zip(x.type.shape, dims)) and all(
        n == 1 for d, n in enumerate(shape) if d not in dims
    ):
        return b.reshape(x, shape)
    return None


@structural(CANONICAL, "broadcast-squeeze", "broadcast")
def _broadcast_squeeze(op: Op, b: Builder) -> Any:
    """The operand of a broadcast loses its axes of size 1."""
    (x,) = op.operands
    keep = [i for i, n in enumerate(x.type.shape) if n != 1]
    if len(keep) == x.type.rank:
        return None
    small = b.reshape(x, [x.type.shape[i] for i in keep])
    return b("broadcast", small, shape=op.attrs["shape"],
             dims=tuple(op.attrs["dims"][i] for i in keep))  # fmt: skip


@structural(CANONICAL, "reshape-same", "reshape", "refine")
def _reshape_same(op: Op, b: Builder) -> Any:
    """A reshape or refine to the same shape → x."""
    (x,) = op.operands
    return x if x.type is op.results[0].type else None


@structural(CANONICAL, "reshape-reshape", "reshape", child=("reshape",))
def _reshape_twice(op: Op, b: Builder) -> Any:
    """A reshape of a reshape → one."""
    return b.reshape(op.operands[0].op.operands[0], op.attrs["shape"])  # type: ignore[union-attr]


@structural(CANONICAL, "reshape-broadcast", "reshape", child=("broadcast",))
def _reshape_broadcast(op: Op, b: Builder) -> Any:
    """A reshape that only adds or drops axes of size 1 goes into the broadcast below."""
    inner = op.operands[0].op
    assert inner is not None
    have, want = inner.attrs["shape"], op.attrs["shape"]
    place = squeezed_places(have, want)
    dims = inner.attrs["dims"]
    if place is None or any(d not in place for d in dims):
        return None
    return b("broadcast", inner.operands[0], shape=want, dims=tuple(place[d] for d in dims))


def squeezed_places(have: Sequence[DimLike], want: Sequence[DimLike]) -> dict[int, int] | None:
    """Where each axis not of size 1 goes, if the shapes differ by axes of size 1 only."""
    a = [i for i, n in enumerate(have) if n != 1]
    c = [i for i, n in enumerate(want) if n != 1]
    if [have[i] for i in a] != [want[i] for i in c]:
        return None
    return dict(zip(a, c))


@structural(CANONICAL, "refine-refine", "refine", child=("refine",))
def _refine_twice(op: Op, b: Builder) -> Any:
    """A refine of a refine → one."""
    return b("refine", op.operands[0].op.operands[0], shape=op.attrs["shape"])  # type: ignore[union-attr]


@structural(CANONICAL, "transpose-same", "transpose")
def _transpose_same(op: Op, b: Builder) -> Any:
    """A transpose that moves nothing → x; one that moves only axes of size 1 → reshape."""
    (x,), perm = op.operands, op.attrs["perm"]
    moved = [p for p in perm if x.type.shape[p] != 1]
    return b.reshape(x, op.results[0].type.shape) if moved == sorted(moved) else None


@structural(CANONICAL, "transpose-transpose", "transpose", child=("transpose",))
def _transpose_twice(op: Op, b: Builder) -> Any:
    """A transpose of a transpose → one, or none."""
    inner = op.operands[0].op
    assert inner is not None
    return b.transpose(inner.operands[0], [inner.attrs["perm"][p] for p in op.attrs["perm"]])


@structural(CANONICAL, "transpose-broadcast", "transpose", child=("broadcast",))
def _transpose_broadcast(op: Op, b: Builder) -> Any:
    """A transpose of a broadcast → the broadcast of the (smaller) operand transposed."""
    inner, perm = op.operands[0].op, op.attrs["perm"]
    assert inner is not None
    dims = [perm.index(d) for d in inner.attrs["dims"]]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    return b("broadcast", b.transpose(inner.operands[0], order), shape=op.results[0].type.shape,
             dims=tuple(dims[i] for i in order))  # fmt: skip


@structural(CANONICAL, "reverse-short", "reverse")
def _reverse_short(op: Op, b: Builder) -> Any:
    """Axes of size 1 need no reversing."""
    (x,), axes = op.operands, op.attrs["axes"]
    left = tuple(a for a in axes if x.type.shape[a] != 1)
    if len(left) == len(axes) and axes:
        return None
    return b("reverse", x, axes=left) if left else x


@structural(CANONICAL, "reverse-reverse", "reverse", child=("reverse",))
def _reverse_twice(op: Op, b: Builder) -> Any:
    """A reverse of a reverse → one over the axes that only one of them has."""
    inner = op.operands[0].op
    assert inner is not None
    axes = tuple(sorted(set(op.attrs["axes"]) ^ set(inner.attrs["axes"])))
    x = inner.operands[0]
    return b("reverse", x, axes=axes) if axes else x


@structural(CANONICAL, "reverse-broadcast", "reverse", child=("broadcast",))
def _reverse_broadcast(op: Op, b: Builder) -> Any:
    """Reversing an axis that a broadcast repeats changes nothing."""
    (x,), axes = op.operands, op.attrs["axes"]
    dims = x.op.attrs["dims"]  # type: ignore[union-attr]
    left = tuple(a for a in axes if a in dims)
    if left == axes:
        return None
    return b("reverse", x, axes=left) if left else x


def _hoistable(op: Op, name: str) -> list[Op | None] | None:
    """The makers of the operands, all `name`s of one source shape and the same attrs, or splats."""
    makers: list[Op | None] = []
    first: Op | None = None
    for v in op.operands:
        m = maker(v, name)
        if m is None:
            if splat(v) is None:
                return None
        elif first is None:
            first = m
        elif m.operands[0].type.shape != first.operands[0].type.shape or m.attrs != first.attrs:
            return None
        makers.append(m)
    return makers if first is not None else None


def under(op: Op, b: Builder, name: str) -> Any:
    makers = _hoistable(op, name)
    if makers is None:
        return None
    outer = next(m for m in makers if m is not None)
    shape = outer.operands[0].type.shape
    ins = []
    for m, v in zip(makers, op.operands):
        if m is not None:
            ins.append(m.operands[0])
        else:
            ins.append(b.const(splat(v), v.type.with_shape(shape)))
    inner = b.make(op.opdef, tuple(ins), op.attrs).results[0]
    return b.make(outer.opdef, (inner,), outer.attrs).results[0]


@structural(CANONICAL, "elementwise-broadcast", *ELEMENTWISE, child=("broadcast",))
def _elementwise_broadcast(op: Op, b: Builder) -> Any:
    """f(broadcast(x), broadcast(y)) → broadcast(f(x, y)): computed once, not repeated."""
    return under(op, b, "broadcast")


@structural(CANONICAL, "elementwise-reshape", *ELEMENTWISE, child=("reshape",))
def _elementwise_reshape(op: Op, b: Builder) -> Any:
    """f(reshape(x), reshape(y)) → reshape(f(x, y)), where x and y have one shape."""
    return under(op, b, "reshape")
