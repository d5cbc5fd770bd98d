"""The builder: makes operations, applying their type rules; the one way IR comes into being."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import JitgradError, Loc, at
from .core import NO_ATTRS, Block, Op, Value
from .dims import DimLike
from .ops import TABLE
from .ops.base import OpDef
from .terms import Term
from .types import BOOL, DType, TensorType


def python_value(value: Any, dtype: DType) -> Any:
    """`value` as the Python number that a `constant` of `dtype` holds (f32 rounded to f32)."""
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        return int(value) if isinstance(value, int) else int(np.asarray(value).astype(dtype.np))
    if dtype.kind == "c":
        return complex(value)
    return float(np.float32(value)) if dtype.bits == 32 else float(value)


class Builder:
    """Makes ops at one source location and with one "made by"; both may be set at any time.

    >>> from .types import tensor
    >>> from .dims import symbol
    >>> b = Builder()
    >>> x = Value(tensor("f64", (symbol("n"),)), name="x")
    >>> b("sum", b("exp", x), axes=(0,))
    <%?: f64 = sum>
    """

    __slots__ = ("loc", "made_by")

    def __init__(self, loc: Loc | None = None, made_by: str = "") -> None:
        self.loc = loc
        self.made_by = made_by

    def make(
        self,
        opdef: OpDef,
        operands: tuple[Value, ...],
        attrs: Mapping[str, Any] = NO_ATTRS,
        regions: tuple[Block, ...] = (),
    ) -> Op:
        """The op, its result types worked out; errors of its type rule carry the user's line."""
        try:
            types = opdef.types(opdef.name, [v.type for v in operands], attrs, regions)
        except JitgradError as err:
            if self.loc is not None and "\n  at " not in str(err):
                raise type(err)(at(str(err), self.loc)) from None
            raise
        return Op(opdef, operands, attrs, types, regions, self.loc, self.made_by)

    def op(self, name: str, *operands: Value, regions: tuple = (), **attrs: Any) -> Op:
        """An op by name, attributes in any order."""
        row = TABLE[name]
        if row.attrs:
            attrs = {k: attrs[k] for k in row.attrs}
        return self.make(row, operands, attrs or NO_ATTRS, regions)

    def __call__(self, name: str, *operands: Value, **attrs: Any) -> Value:
        """An op with one result, by name; the result."""
        row = TABLE[name]
        if row.attrs:
            attrs = {k: attrs[k] for k in row.attrs}
        return self.make(row, operands, attrs or NO_ATTRS).results[0]

    # -- helpers that every transform needs -------------------------------------------------------

    def const(self, value: Any, type: TensorType, spelling: str = "") -> Value:
        """A constant: every element of `type` is `value` (or, for an array, that array)."""
        if not isinstance(value, np.ndarray):
            value = python_value(value, type.dtype)
        return self("constant", value=value, type=type, spelling=spelling)

    def zeros(self, type: TensorType) -> Value:
        return self.const(0, type)

    def add(self, x: Value, y: Value) -> Value:
        return self.make(TABLE["add"], (x, y)).results[0]

    def mul(self, x: Value, y: Value) -> Value:
        return self.make(TABLE["mul"], (x, y)).results[0]

    def select(self, mask: Value, x: Value, y: Value) -> Value:
        return self.make(TABLE["select"], (mask, x, y)).results[0]

    def cast(self, x: Value, dtype: DType) -> Value:
        return x if x.type.dtype is dtype else self("cast", x, dtype=dtype)

    def broadcast(self, x: Value, shape: Sequence[DimLike], dims: Sequence[int]) -> Value:
        """`x`'s axis i becomes axis dims[i] of the result; the others repeat."""
        shape = tuple(shape)
        if shape == x.type.shape:
            return x
        return self("broadcast", x, shape=shape, dims=tuple(dims))

    def broadcast_front(self, x: Value, size: DimLike) -> Value:
        """A new leading axis of `size`."""
        r = x.type.rank
        return self.broadcast(x, (size, *x.type.shape), tuple(range(1, r + 1)))

    def reshape(self, x: Value, shape: Sequence[DimLike]) -> Value:
        shape = tuple(shape)
        return x if shape == x.type.shape else self("reshape", x, shape=shape)

    def transpose(self, x: Value, perm: Sequence[int]) -> Value:
        perm = tuple(perm)
        return x if perm == tuple(range(len(perm))) else self("transpose", x, perm=perm)

    def sum(self, x: Value, axes: Sequence[int]) -> Value:
        """The sum over axes; of a bool mask, whether any lane is set."""
        axes = tuple(axes)
        if not axes:
            return x
        return self("any" if x.type.dtype is BOOL else "sum", x, axes=axes)

    def term(self, term: Term, env: Mapping[str, Value], like: TensorType) -> Value:
        """Build a term; its variables from `env`, bare numbers with the type `like`."""
        make = term.made
        if make is None:
            make = term.made = compile_term(term)
        return make(self, env, like)


Maker = Callable[[Builder, Mapping[str, Value], TensorType], Value]


def compile_term(term: Term) -> Maker:
    """A closure that builds the term: nothing of its shape is looked at twice."""
    if term.op is None:
        if term.name:
            name = term.name
            return lambda b, env, like: env[name]
        value = term.value
        spelling = f"{value:g}" if isinstance(value, float) and value.is_integer() else ""
        return lambda b, env, like: b.const(value, like, spelling)
    row = TABLE[term.op]
    args = [compile_term(a) for a in term.args]
    numbers = [a.op is None and not a.name for a in term.args]
    if len(args) == 1:
        one, attrs = args[0], term.attrs
        return lambda b, env, like: b.make(row, (one(b, env, like),), attrs).results[0]
    if len(args) == 2 and not any(numbers) and not term.attrs:
        left, right = args
        return lambda b, env, like: b.make(row, (left(b, env, like), right(b, env, like))).results[
            0
        ]

    def build(b: Builder, env: Mapping[str, Value], like: TensorType) -> Value:
        made = [None if n else a(b, env, like) for a, n in zip(args, numbers)]
        # a number takes the type of its neighbours (behind the mask, for select)
        near = next((v.type for v in (made[1:] if row.name == "select" else made) if v), like)
        return b.make(
            row,
            tuple([a(b, env, near) if v is None else v for a, v in zip(args, made)]),
            term.attrs,
        ).results[0]

    return build
