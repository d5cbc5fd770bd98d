"""NumPy's ufuncs on tracers: the loop that NumPy picks, broadcasting, the ops of a builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.ops import TABLE
from ..ir.ops.base import OpDef
from ..ir.types import BOOL, DType, dtype_of, tensor
from .compare import inside
from .ops import DEFAULT, broadcast_shapes, find_root, lift, spread, weak_type
from .source import here
from .trace import ARRAY, SCALAR, WEAK, Root, Tracer, wrap

_CONSTANT = TABLE["constant"]
Build = Callable[..., Value | tuple[Value, ...]]


class Elementwise:
    """A NumPy ufunc on tracers: `build(b, *values)` makes the ops on values of one shape, already
    cast to the dtypes of the loop that NumPy would run."""

    __slots__ = ("build", "cache", "name", "nout", "ufunc")

    def __init__(self, ufunc: np.ufunc, build: Build) -> None:
        self.ufunc = ufunc
        self.name = ufunc.__name__
        self.build = build
        self.nout = ufunc.nout
        self.cache: dict[Any, tuple[DType, ...]] = {}

    def dtypes(self, args: Sequence[Any], dtype: Any = None) -> tuple[DType, ...]:
        """Input dtypes of the loop that NumPy picks for these arguments (and `dtype`)."""
        key = tuple([weak_type(a) for a in args])
        if dtype is not None:
            key = (*key, np.dtype(dtype))
        found = self.cache.get(key)
        if found is None:
            types: tuple = tuple([DEFAULT[bool] if t is bool else t for t in key[: len(args)]])
            if all(t.__class__ is type for t in types):
                types = tuple([DEFAULT[t] for t in types])
            how = (None,) * len(args) + (None if dtype is None else key[-1],) * self.nout
            try:
                resolved = self.ufunc.resolve_dtypes((*types, *(None,) * self.nout), signature=how)
                ins, outs = resolved[: len(args)], resolved[len(args) :]
                if not any(d.char == "e" for d in outs):  # signbit of int8: any float will do
                    ins = tuple([np.dtype(np.float32) if d.char == "e" else d for d in ins])
                found = tuple([dtype_of(d) for d in ins])
                for d in outs:
                    dtype_of(d)
            except TypeError as err:
                if "float16" in str(err):
                    names = ", ".join(np.dtype(t).name for t in types)
                    text = f"{self.name} of {names} is float16 in NumPy, which is not supported"
                    raise DTypeError(at(text + "; use x.astype(float)", here())) from None
                raise DTypeError(at(str(err), here())) from None
            self.cache[key] = found
        return found

    def __call__(self, *args: Any) -> Any:
        return self.apply(find_root(args), args, False)

    def apply(self, root: Root, args: Sequence[Any], operator: bool, dtype: Any = None) -> Any:
        """The result, or a tuple of them; `operator` where Python numbers give a Python number, as
        `2 * 3` does."""
        args = [
            a if (a.__class__ is Tracer and a.root is root) or a.__class__ in DEFAULT
            else lift(a, root)
            for a in args
        ]  # fmt: skip
        kinds = self.dtypes(args, dtype)
        b = root.b
        shapes = [a.value.type.shape for a in args if a.__class__ is Tracer]
        shape = (
            broadcast_shapes(root, shapes, self.name)
            if len(shapes) > 1
            else (shapes[0] if shapes else ())
        )
        values = []
        mask, weak = 0, True
        for a, kind in zip(args, kinds):
            if a.__class__ is not Tracer:
                values.append(root.const(_fits(a, kind), tensor(kind, shape)))
                continue
            v = a.value
            mask |= a.mask
            weak = weak and a.form == WEAK
            op = v.op
            if op is not None and op.opdef is _CONSTANT and op.attrs["value"].__class__ in DEFAULT:
                values.append(root.const(op.attrs["value"], tensor(kind, shape)))
                continue
            if v.type.dtype is not kind:
                v = b.cast(v, kind)
            values.append(v if v.type.shape == shape else spread(root, v, shape))
        out = self.build(b, *values)
        form = ARRAY if shape else WEAK if weak and operator else SCALAR
        if isinstance(out, tuple):
            return tuple([wrap(root, v, mask, form) for v in out])
        return wrap(root, out, mask, form)


class Comparison(Elementwise):
    """A comparison: a Python number outside of an int dtype's range is compared as it is."""

    __slots__ = ()

    def apply(self, root: Root, args: Sequence[Any], operator: bool, dtype: Any = None) -> Any:
        for k, a in enumerate(args):
            if a.__class__ is int and len(args) == 2 and not 0 <= a < 128:
                x = lift(args[1 - k], root)
                kind = x.value.type.dtype
                if kind.kind in "iu" and x.form != WEAK and not inside(a, kind):
                    answer = bool(self.ufunc(a, 0) if k == 0 else self.ufunc(0, a))
                    shape = x.value.type.shape
                    out = root.const(answer, tensor(BOOL, shape))
                    return wrap(root, out, x.mask, ARRAY if shape else SCALAR)
        return super().apply(root, args, operator, dtype)


def _fits(x: Any, kind: DType) -> Any:
    if kind.kind in "iu" and x.__class__ is int and not inside(x, kind):
        raise OverflowError(at(f"Python integer {x} out of bounds for {kind.np.name}", here()))
    return x


def row_builder(row: OpDef) -> Build:
    """The builder of a ufunc that is one op."""

    def build(b: Builder, *values: Value) -> Value:
        return b.make(row, values).results[0]

    return build
