"""From NumPy's operations to IR: lifting of arguments, promotion, broadcasting, building.

The IR has no implicit casts or broadcasts, so both are decided here, by NumPy's own rules: result
dtypes come from `ufunc.resolve_dtypes` and `np.result_type` (Python numbers are weak), shapes from
NumPy's broadcasting, undecided equalities of symbolic dims from the sizes of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, TraceError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike
from ..ir.ops import TABLE
from ..ir.types import BOOL, F64, I64, DType, dtype_of, scalar
from .source import here
from .trace import ARRAY, SCALAR, WEAK, Root, Size, Tracer, as_number, current, dim_of, leaked, wrap

_BOOL0, _I640, _F640 = scalar(BOOL), scalar(I64), scalar(F64)
_CONSTANT = TABLE["constant"]
PYTHON = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
DEFAULT = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(float),
            complex: np.dtype(complex)}  # fmt: skip


def find_root(args: Sequence[Any]) -> Root:
    """The trace that these arguments belong to; sets the line of the operations to come."""
    first = next(_tracers(args), None)
    root = current() if first is None else first.root
    if root is None:
        raise TraceError("there is no trace in progress")
    if not root.open:
        raise leaked()
    root.b.loc = here()
    return root


def _tracers(args: Any) -> Any:
    for a in args:
        if a.__class__ is Tracer or a.__class__ is Size:
            yield a
        elif a.__class__ in (list, tuple):
            yield from _tracers(a)


def is_traced(*args: Any) -> bool:
    """Whether a tracer is among the arguments, or inside their lists and tuples."""
    for a in args:
        c = a.__class__
        if c is Tracer or c is Size:
            return True
        if (c is list or c is tuple) and is_traced(*a):
            return True
    return False


def lift(x: Any, root: Root) -> Tracer:
    """Anything array-like as a tracer: NumPy arrays are captured, nested lists stacked."""
    c = x.__class__
    if c is Tracer:
        if x.root is not root:
            return _foreign(x, root)
        return x
    if c is float:
        return Tracer(root.const(x, _F640), root, WEAK, 0)
    if c is int:
        if not -(2**63) <= x < 2**63:
            raise OverflowError(at(f"the integer {x} does not fit int64", here()))
        return Tracer(root.const(x, _I640), root, WEAK, 0)
    if c is bool:
        return Tracer(root.const(x, _BOOL0), root, WEAK, 0)
    if c is Size:
        return as_number(x)
    if isinstance(x, np.generic):
        return Tracer(root.const(x.item(), scalar(_dtype(x.dtype))), root, SCALAR, 0)
    if isinstance(x, np.ndarray):
        _dtype(x.dtype)
        if c is not np.ndarray:
            plain(x)
        return Tracer(root.array(x), root, ARRAY, 0)
    if c in (list, tuple):
        return array_of(x, root)
    if isinstance(x, (int, float, bool)):
        return lift(c.__mro__[-2](x), root)
    if hasattr(x, "__array__") or (isinstance(x, Sequence) and not isinstance(x, (str, bytes))):
        return lift(np.asarray(x), root)
    raise TypeError(at(f"a {c.__name__} is no array or number: {x!r:.80}", here()))


def plain(x: np.ndarray) -> None:
    """Refuse the arrays that are more, or calculate otherwise, than their elements."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(at("masked arrays are not supported, their mask would be lost; pass "
                           "x.filled(value), and the mask to jitgrad.numpy.where",
                           here()))  # fmt: skip
    if isinstance(x, np.matrix):
        raise TypeError(at("np.matrix is not supported, its * is not that of arrays; pass "
                           "np.asarray(x)", here()))  # fmt: skip


def _dtype(d: np.dtype) -> DType:
    try:
        return dtype_of(d)
    except TypeError as err:
        raise DTypeError(at(str(err), here())) from None


def _foreign(x: Tracer, root: Root) -> Tracer:
    if not x.root.open:
        raise leaked()
    got = x.concrete()
    if got is None or x.mask:
        raise TraceError(at("a traced value of another trace is used here", here()))
    return Tracer(root.array(got), root, x.form, 0)


def array_of(items: Any, root: Root, dtype: DType | None = None) -> Tracer:
    """`np.array` of nested lists with tracers in them: stacked level by level."""
    if not is_traced(items):
        return Tracer(root.array(np.asarray(items, None if dtype is None else dtype.np), True),
                      root, ARRAY, 0)  # fmt: skip
    parts = [strong(i, root) for i in items]
    want = dtype or dtype_of(result_dtype(parts))
    b = root.b
    shape = broadcast_shapes(root, [p.value.type.shape for p in parts], "array", exact=True)
    rows = [b.reshape(root.refine(b.cast(p.value, want), shape), (1, *shape)) for p in parts]
    value = rows[0] if len(rows) == 1 else b("concatenate", *rows, axis=0)
    return wrap(root, value, _masks(parts), ARRAY)


def strong(x: Any, root: Root) -> Tracer:
    """`lift` as functions of arrays see their arguments: a Python number has a dtype of its own."""
    t = lift(x, root)
    return Tracer(t.value, root, SCALAR, t.mask) if t.form == WEAK else t


def _masks(parts: Sequence[Tracer]) -> int:
    mask = 0
    for p in parts:
        mask |= p.mask
    return mask


# -- promotion ------------------------------------------------------------------------------------


def weak_type(x: Any) -> Any:
    """What promotion sees: a Python type for Python numbers (weak), else a NumPy dtype."""
    if x.__class__ is Tracer:
        dtype = x.value.type.dtype
        return PYTHON[dtype.kind] if x.form == WEAK else dtype.np
    if x.__class__ in DEFAULT:
        return x.__class__
    return int if x.__class__ is Size else np.asarray(x).dtype


def result_dtype(args: Sequence[Any]) -> np.dtype:
    """`np.result_type` with tracers among the arguments."""
    types = [weak_type(a) for a in args]
    if all(t.__class__ is type for t in types):
        return np.result_type(*[DEFAULT[t] for t in types])
    return np.result_type(*[t(0) if t.__class__ is type else t for t in types])


def broadcast_shapes(
    root: Root, shapes: Sequence[tuple[DimLike, ...]], op: str, exact: bool = False
) -> tuple[DimLike, ...]:
    """NumPy's broadcasting (with `exact`, plain equality) of shapes with symbolic dims."""
    first = shapes[0]
    for s in shapes:
        if s != first:
            break
    else:
        return first
    rank = max(map(len, shapes))
    out: list[DimLike] = [1] * rank

    def text() -> str:
        every = " ".join(_show(root.sizes(s)) for s in shapes)
        if exact:
            return f"all input arrays must have the same shape, these differ: {every}"
        return f"operands could not be broadcast together with shapes {every}"

    for s in shapes:
        if exact and len(s) != rank:
            raise ShapeError(at(f"{op}: {text()}", here()))
        for i, d in enumerate(s, rank - len(s)):
            have = out[i]
            if d is have or d == have:
                continue
            if not exact and d.__class__ is int and d == 1:
                continue
            if have.__class__ is int and have == 1 and not (exact and s is not first):
                out[i] = d
                continue
            if root.same_dim(have, d, op, text):
                if d.__class__ is int:
                    out[i] = d
                continue
            if (
                not exact
                and d.__class__ is Dim
                and root.compare(d, "eq", 1, f"broadcasting in {op}")
            ):
                continue
            if (
                not exact
                and have.__class__ is Dim
                and root.compare(have, "eq", 1, f"broadcasting in {op}")
            ):
                out[i] = d
                continue
            raise ShapeError(at(f"{op}: {text()}" if exact else text(), here()))
    return tuple(out)


def _show(shape: tuple[int, ...]) -> str:
    return "(" + ",".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def spread(root: Root, v: Value, shape: tuple[DimLike, ...]) -> Value:
    """`v` broadcast to `shape`, which `broadcast_shapes` gave."""
    have = v.type.shape
    if have == shape:
        return v
    lead = len(shape) - len(have)
    # a dim that was found equal under another name, or a symbolic one that was found to be 1
    fixed = tuple(
        [
            d if d == 1 or d == w else (1 if root.decided.get((d, "eq", 1)) else w)
            for d, w in zip(have, shape[lead:])
        ]
    )
    v = root.refine(v, fixed)
    return root.b.broadcast(v, shape, tuple(range(lead, len(shape))))


# -- other builders -------------------------------------------------------------------------------


def emit(root: Root, name: str, *xs: Tracer, form: int = ARRAY, **attrs: Any) -> Tracer:
    """One op with one result on tracers."""
    return wrap(root, root.b(name, *[x.value for x in xs], **attrs), _masks(xs), form)


def cast(x: Tracer, dtype: Any) -> Tracer:
    """`x` in another dtype, strong from now on."""
    want = _dtype(np.dtype(dtype)) if dtype.__class__ is not DType else dtype
    form = SCALAR if x.form == WEAK else x.form
    if x.value.type.dtype is want:
        return x if form == x.form else Tracer(x.value, x.root, form, x.mask)
    x.root.b.loc = here()
    return wrap(x.root, x.root.b.cast(x.value, want), x.mask, form)


def where(cond: Any, x: Any, y: Any) -> Tracer:
    """`np.where` with three arguments; the lane not taken contaminates nothing."""
    root = find_root((cond, x, y))
    c = truth(lift(cond, root))
    dtype = dtype_of(result_dtype((x, y)))
    args = [cast(lift(a, root), dtype) for a in (x, y)]
    shape = broadcast_shapes(root, [a.value.type.shape for a in (c, *args)], "where")
    mask, a, b = (spread(root, t.value, shape) for t in (c, *args))
    return wrap(root, root.b.select(mask, a, b), _masks(args), ARRAY)


def truth(x: Tracer) -> Tracer:
    """x != 0, as a bool tracer."""
    if x.value.type.dtype is BOOL:
        return x
    root = x.root
    return wrap(root, nonzero(root.b, x.value), 0, x.form)


def nonzero(b: Builder, v: Value) -> Value:
    return v if v.type.dtype is BOOL else b("ne", v, b.const(0, v.type))


def shape_of(shape: Any) -> tuple[DimLike, ...]:
    """A shape argument: an int, a `Size`, a sequence of them."""
    if isinstance(shape, (int, np.integer, Size)) or shape.__class__ is Tracer:
        return (dim_of(shape),)
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    return tuple([dim_of(n) for n in shape])
