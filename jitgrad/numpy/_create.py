"""Making arrays: array, zeros, arange, linspace, eye, diag, tril …"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..frontend.ops import (
    array_of,
    cast,
    emit,
    find_root,
    is_traced,
    lift,
    result_dtype,
    shape_of,
    spread,
)
from ..frontend.ops import where as select
from ..frontend.source import here
from ..frontend.trace import (
    ARRAY,
    FUNCTIONS,
    Root,
    Tracer,
    dim_of,
    size_of,
    state,
    wrap,
)
from ..ir.dims import DimLike
from ..ir.types import I64, dtype_of, tensor
from ._base import NAMES, axis_of, one, public


def creates(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that makes an array of its own: in a jit trace a constant of the program."""

    def enter(impl: Callable[..., Any]) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            root = state.root
            if root is not None and (
                root.kind != "eager" or is_traced(*args) or is_traced(*kwargs.values())
            ):
                root.b.loc = here()
                return impl(root, *args, **kwargs)
            return fn(*args, **kwargs)

        update_wrapper(function, fn, assigned=("__name__", "__qualname__", "__doc__"), updated=())
        NAMES[fn.__name__] = function
        FUNCTIONS[fn.__name__] = function
        return impl

    return enter


def _splat(root: Root, value: Any, shape: Any, dtype: Any) -> Tracer:
    return wrap(root, root.const(value, tensor(dtype_of(dtype), shape_of(shape))), 0, ARRAY)


@creates(np.zeros)
def _zeros(root: Root, shape: Any, dtype: Any = float, order: str = "C") -> Tracer:
    return _splat(root, 0, shape, dtype or float)


@creates(np.empty)
def _empty(root: Root, shape: Any, dtype: Any = float, order: str = "C") -> Tracer:
    return _splat(root, 0, shape, dtype or float)


@creates(np.ones)
def _ones(root: Root, shape: Any, dtype: Any = None, order: str = "C") -> Tracer:
    return _splat(root, 1, shape, dtype or float)


@creates(np.full)
def _full(root: Root, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Tracer:
    x = lift(fill_value, root)
    x = cast(x, x.dtype if dtype is None else dtype)
    return wrap(root, spread(root, x.value, shape_of(shape)), x.mask, ARRAY)


def _like(fn: Any, fill: Any) -> None:
    @public(fn)
    def impl(a: Any, dtype: Any = None, order: str = "K", subok: bool = True,
             shape: Any = None) -> Tracer:  # fmt: skip
        root, x = one(a)
        want = x.value.type.shape if shape is None else shape_of(shape)
        d = x.value.type.dtype if dtype is None else dtype_of(dtype)
        return wrap(root, root.const(fill, tensor(d, want)), 0, ARRAY)


_like(np.zeros_like, 0)
_like(np.ones_like, 1)
_like(np.empty_like, 0)


@public(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
               shape: Any = None) -> Tracer:  # fmt: skip
    root, x = one(a, fill_value)
    v = cast(lift(fill_value, root), x.dtype if dtype is None else dtype)
    want = x.value.type.shape if shape is None else shape_of(shape)
    return wrap(root, spread(root, v.value, want), v.mask, ARRAY)


def _array(root: Root, object: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K",
           subok: bool = False, ndmin: int = 0, like: Any = None) -> Tracer:  # fmt: skip
    if object.__class__ in (list, tuple):
        x = array_of(object, root, None if dtype is None else dtype_of(dtype))
    else:
        x = lift(object, root)
        if dtype is not None:
            x = cast(x, dtype)
    if x.ndim < ndmin:
        x = FUNCTIONS["reshape"](x, (*(1,) * (ndmin - x.ndim), *x.shape))
    return Tracer(x.value, root, ARRAY, x.mask)


creates(np.array)(_array)
creates(np.asarray)(lambda root, a, dtype=None, *args, **kw: _array(root, a, dtype))
creates(np.asanyarray)(lambda root, a, dtype=None, *args, **kw: _array(root, a, dtype))
creates(np.ascontiguousarray)(lambda root, a, dtype=None, **kw: _array(root, a, dtype, ndmin=1))
public(np.copy)(lambda a, order="K", subok=False: _array(find_root((a,)), a))


@creates(np.arange)
def _arange(root: Root, *given: Any, dtype: Any = None, **kw: Any) -> Tracer:
    args = [*given, *(kw[k] for k in ("start", "stop", "step") if k in kw)]
    if len(args) == 4:
        args, dtype = args[:3], args[3]
    args = [float(a) if a.__class__ is Tracer and a.dtype.kind == "f" else
            int(a) if a.__class__ is Tracer else a for a in args]  # fmt: skip
    if not is_traced(*args):
        got = np.arange(*args, dtype=dtype)
        if got.dtype.kind not in "iu" or (len(args) > 2 and args[2] == 0):
            return Tracer(root.array(got, True), root, ARRAY, 0)
        start, step = (args[0] if len(args) > 1 else 0), (args[2] if len(args) > 2 else 1)
        n: DimLike = len(got)
        kind = dtype_of(got.dtype)
    else:
        start, stop, step = (0, args[0], 1) if len(args) == 1 else [*args, 1][:3]
        if not all(isinstance(a, (int, np.integer)) or hasattr(a, "dim") for a in args):
            raise TraceError(at("arange of symbolic sizes takes integers", here()))
        count = -((dim_of(start) - dim_of(stop)) // dim_of(step))
        n = 0 if root.compare(count, "lt", 0) else count
        kind = I64 if dtype is None else dtype_of(dtype)
    type_ = tensor(kind, (n,))
    if n.__class__ is int and n == 0:
        return wrap(root, root.const(0, type_), 0, ARRAY)
    b = root.b
    if kind.kind not in "iuf":
        raise TraceError(at(f"arange of dtype {kind.np.name}", here()))
    v = b("iota", type=type_, axis=0)
    for value, op in ((step, "mul"), (start, "add")):
        d = dim_of(value)
        if d == (1 if op == "mul" else 0):
            continue
        number = b.cast(root.number(d), kind)
        v = b(op, v, b.broadcast(number, (n,), ()))
    return wrap(root, v, 0, ARRAY)


@creates(np.linspace)
def _linspace(root: Root, start: Any, stop: Any, num: Any = 50, endpoint: bool = True,
              retstep: bool = False, dtype: Any = None, axis: int = 0) -> Any:  # fmt: skip
    if not is_traced(start, stop, num):
        make: Any = np.linspace
        got = make(start, stop, num, endpoint, retstep, dtype, axis)
        if retstep:
            return Tracer(root.array(got[0], True), root, ARRAY, 0), got[1]
        return Tracer(root.array(got, True), root, ARRAY, 0)
    n = size_of(dim_of(num), root)
    kind = np.result_type(result_dtype((start, stop)), float(0))
    first, last = cast(lift(start, root), kind), cast(lift(stop, root), kind)
    div = n - 1 if endpoint else n
    step = (last - first) / (div if div != 0 else 1)
    count = cast(wrap(root, root.b("iota", type=tensor(I64, (dim_of(n),)), axis=0), 0, ARRAY), kind)
    shape = (n, *(1,) * max(first.ndim, last.ndim))
    places = FUNCTIONS["reshape"](count, shape)
    out = places * step + first
    if endpoint and div != 0:  # the end is met exactly
        out = select(places == div, last, out)
    out = FUNCTIONS["moveaxis"](out, 0, axis) if axis else out
    out = out if dtype is None else cast(out, dtype)
    return (out, step) if retstep else out


@creates(np.eye)
def _eye(
    root: Root, N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C"
) -> Tracer:
    n, m = dim_of(N), dim_of(N if M is None else M)
    return wrap(root, root.b.cast(_band(root, (n, m), "eq", k), dtype_of(dtype)), 0, ARRAY)


@creates(np.identity)
def _identity(root: Root, n: Any, dtype: Any = None) -> Tracer:
    return _eye(root, n, dtype=dtype or float)


@creates(np.tri)
def _tri(root: Root, N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Tracer:
    n, m = dim_of(N), dim_of(N if M is None else M)
    return wrap(root, root.b.cast(_band(root, (n, m), "le", k), dtype_of(dtype)), 0, ARRAY)


def _band(root: Root, shape: tuple[DimLike, ...], cmp: str, k: int) -> Any:
    """column - row cmp k, over the last two axes of `shape`."""
    b, type_ = root.b, tensor(I64, shape)
    rank = len(shape)
    col, row = b("iota", type=type_, axis=rank - 1), b("iota", type=type_, axis=rank - 2)
    return b(cmp, b("sub", col, row), root.const(int(k), type_))


def _triangle(fn: Any, lower: bool) -> None:
    @public(fn)
    def impl(m: Any, k: int = 0) -> Tracer:
        root, x = one(m)
        if x.ndim < 2:
            x = FUNCTIONS["broadcast_to"](x, (x.shape[0], x.shape[0]))
        band = _band(root, x.value.type.shape, "le" if lower else "ge", k)
        v = root.b.select(band, x.value, root.const(0, x.value.type))
        return wrap(root, v, x.mask, ARRAY)


_triangle(np.tril, True)
_triangle(np.triu, False)


@public(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tracer:
    root, x = one(a)
    i, j = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    x = FUNCTIONS["moveaxis"](x, (i, j), (-2, -1))
    x = x[..., max(-offset, 0) :, max(offset, 0) :]
    n, m = x.shape[-2:]
    k = n if n <= m else m
    x = x[..., :k, :k]
    flat = FUNCTIONS["reshape"](x, (*x.shape[:-2], k * k))
    places = FUNCTIONS["arange"](k) * (k + 1)
    if places.__class__ is not Tracer:
        places = Tracer(root.array(places, True), root, ARRAY, 0)
    return emit(root, "gather", flat, places, axis=flat.ndim - 1)


@public(np.diag)
def _diag(v: Any, k: int = 0) -> Tracer:
    root, x = one(v)
    if x.ndim == 2:
        return _diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(at("Input must be 1- or 2-d.", here()))
    n = x.shape[0] + abs(k)
    rows = FUNCTIONS["pad"](x, (max(-k, 0), max(k, 0)))  # row i holds x at column i + k
    wide = FUNCTIONS["broadcast_to"](FUNCTIONS["reshape"](rows, (n, 1)), (n, n))
    if k > 0:
        rows = FUNCTIONS["pad"](x, (0, k))
        wide = FUNCTIONS["broadcast_to"](FUNCTIONS["reshape"](rows, (n, 1)), (n, n))
    band = _band(root, wide.value.type.shape, "eq", k)
    v = root.b.select(band, wide.value, root.const(0, wide.value.type))
    return wrap(root, v, x.mask, ARRAY)


@public(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Tracer:
    return _diag(FUNCTIONS["ravel"](v), k)


@public(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None,
           out: Any = None) -> Tracer:  # fmt: skip
    return FUNCTIONS["sum"](_diagonal(a, offset, axis1, axis2), -1, dtype, out)
