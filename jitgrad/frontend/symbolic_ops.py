"""Elementwise functions of variables: dtypes by NumPy's rules, broadcasting by Theano's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..errors import DTypeError, ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, floordiv, mod
from ..ir.types import BOOL, DTYPES, F64, DType, tensor
from .compare import UFUNC, answer, compare, inside
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_dtypes import QUESTIONS, ROUNDING, common, suited
from .symbolic_notes import Note, dim_notes, notes
from .symbolic_type import checked_dtype

_common = common

_SCALARS = (bool, int, float)  # Python's own: weak, they take the dtype of what they meet
_OPERANDS = (TensorVariable, *_SCALARS, np.ndarray, np.generic, list, tuple)


def is_number(x: Any) -> bool:
    """True for Python's numbers (NumPy's scalars have a dtype of their own)."""
    return x.__class__ in _SCALARS


def spell(x: Any) -> str:
    return repr(x)


def _number(b: Builder, x: Any, dtype: DType, shape: tuple[DimLike, ...]) -> Value:
    if dtype.kind in "iu" and not inside(x, dtype):
        raise OverflowError(at(f"the Python integer {x} is out of bounds for {dtype.np}", b.loc))
    return b.const(x, tensor(dtype, shape), spell(x))


def refine(b: Builder, v: Value, shape: tuple[DimLike, ...], note: Note) -> Value:
    """`v` with its dims known as `shape`; the check is made when a function is cut out."""
    old = v.type.shape
    if old == shape:
        return v
    out = b("refine", v, shape=shape)
    notes[out] = note
    for a, c in zip(old, shape):
        if a is not c and a != c:
            for one, other in ((a, c), (c, a)):
                if one.__class__ is Dim:
                    dim_notes.setdefault(one, {})[repr(other)] = (note, b.loc)
    return out


def match(b: Builder, op: str, values: Sequence[Value], pairs: Any) -> Value:
    """The second value refined so that its axis equals one of the first: for dot and joins.

    `pairs` are (axis of the first, axis of the second).
    """
    first, second = values
    shape = list(second.type.shape)
    out = second
    for i, k in pairs:
        a, c = first.type.shape[i], shape[k]
        if a is c or a == c:
            continue
        if a.__class__ is int and c.__class__ is int:
            raise ShapeError(at(mismatch(op, values, ((0, i), (1, k)), (first.type.shape,
                                second.type.shape)), b.loc))  # fmt: skip
        shape[k] = a
        note = Note(op, tuple([ref(v) for v in values]), ((0, i), (1, k)))
        out = refine(b, out, tuple(shape), note)
    return out


def mismatch(op: str, values: Sequence[Any], places: Any, shapes: Sequence[Any]) -> str:
    """Theano's message for dims that differ, with names and shapes behind it."""
    from .pp import short

    (i, ai), (k, ak) = places
    names = [v if isinstance(v, str) else short(v, i) for i, v in enumerate(values)]
    what = "; ".join(
        f"{n} has shape ({', '.join(map(str, s))}{',' if len(s) == 1 else ''})"
        for n, s in zip(names, shapes)
    )
    return (f"Input dimension mis-match. (input[{i}].shape[{ai}] = {shapes[i][ai]}, "
            f"input[{k}].shape[{ak}] = {shapes[k][ak]})\n  in {op}: {what}")  # fmt: skip


def broadcast(b: Builder, op: str, values: Sequence[Value]) -> list[Value]:
    """Values brought to one shape: dims known to be 1 repeat, unknown ones must agree."""
    rank = max([len(v.type.shape) for v in values])
    full: list[DimLike] = [1] * rank
    source = [0] * rank  # which value gave the dim
    for k, v in enumerate(values):
        shape = v.type.shape
        for i in range(rank - len(shape), rank):
            d = shape[i - rank + len(shape)]
            if d.__class__ is int and d == 1:
                continue
            # a static size is the better name; else the first
            if full[i].__class__ is int and (full[i] == 1 or d.__class__ is Dim):
                if full[i] == 1:
                    full[i], source[i] = d, k
            elif full[i].__class__ is Dim and d.__class__ is int:
                full[i], source[i] = d, k
    out = []
    for k, v in enumerate(values):
        shape, skip = v.type.shape, rank - len(v.type.shape)
        for i in range(skip, rank):
            d = v.type.shape[i - skip]
            if d is full[i] or d == full[i] or (d.__class__ is int and d == 1):
                continue
            s = source[i]
            there = i - rank + len(values[s].type.shape)
            places = ((s, there), (k, i - skip)) if s < k else ((k, i - skip), (s, there))
            if d.__class__ is int and full[i].__class__ is int:
                raise ShapeError(at(mismatch(op, values, places, [u.type.shape for u in values]),
                                    b.loc))  # fmt: skip
            shape = (*shape[: i - skip], full[i], *shape[i - skip + 1 :])
            v = refine(b, v, shape, Note(op, tuple([ref(u) for u in values]), places))
        out.append(v)
    goal = tuple(full)
    return [
        v if v.type.shape == goal else b.broadcast(v, goal, range(rank - v.type.rank, rank))
        for v in out
    ]


def elemwise(name: str, *args: Any, keep: int = 0) -> TensorVariable:
    """An elementwise op of variables, arrays and Python numbers.

    The first `keep` operands (the mask of a choice) keep their dtypes.
    """
    b = Builder(here())
    weak = [is_number(a) for a in args]
    if all(weak):
        args = (as_tensor_variable(args[0]), *args[1:])
        weak[0] = False
    values = [None if w else as_tensor_variable(a).value for a, w in zip(args, weak)]
    strong = [v for v in values if v is not None]
    free = strong[keep:] if keep else strong
    dtype = free[0].type.dtype if free else F64
    if any(v.type.dtype is not dtype for v in free) or any(weak):
        classes = tuple([a.__class__ for a, w in zip(args, weak) if w])
        dtype = common(tuple([v.type.dtype for v in free]), classes)
    if name in UFUNC:
        found = _compared(b, name, args, weak, free)
        if found is not None:
            return wrap(found)
    name, dtype = suited(name, dtype)
    first = strong[0].type.shape
    if any(v.type.shape != first for v in strong):
        strong = broadcast(b, name, strong)
        first = strong[0].type.shape
    ready = iter(strong)
    ins = []
    for i, (a, w) in enumerate(zip(args, weak)):
        if w:
            ins.append(_number(b, a, dtype, first))
        else:
            v = next(ready)
            ins.append(v if i < keep else b.cast(v, dtype))
    return wrap(b(name, *ins))


def _compared(
    b: Builder, name: str, args: Sequence[Any], weak: Sequence[bool], free: Sequence[Value]
) -> Value | None:
    """Comparisons of ints in no common dtype: with a number out of range, or of i64 with u64."""
    if len(free) == 1:
        v, k = free[0], weak.index(True)
        dtype = v.type.dtype
        if dtype.kind in "iu" and args[k].__class__ is int and not inside(args[k], dtype):
            truth = answer(name, args[k], 0) if k == 0 else answer(name, 0, args[k])
            return b("eq" if truth else "ne", v, v)
    elif {v.type.dtype.name for v in free} == {"i64", "u64"}:
        return compare(b, name, *broadcast(b, name, free))
    return None


def unary(name: str, x: Any) -> TensorVariable:
    """An elementwise op of one variable; functions of floats make floats of ints."""
    v = as_tensor_variable(x).value
    b = Builder(here())
    if v.type.dtype.kind != "f":
        if name in QUESTIONS:
            return wrap(b(QUESTIONS[name], v, v))
        if name in ROUNDING or (name == "abs" and v.type.dtype is BOOL):
            return wrap(b("identity", v))
        name, dtype = suited(name, v.type.dtype)
        v = b.cast(v, dtype)
    return wrap(b(name, v))


def binary(name: str, x: Any, y: Any) -> TensorVariable:
    """An elementwise op of two; arithmetic of dims stays known as a dim."""
    for o in (x, y):
        if not isinstance(o, _OPERANDS):
            return NotImplemented
    if name in _DIM_OPS:
        dims = both_dims(x, y)
        if dims is not None:
            from .symbolic_shape import dim

            return dim(_DIM_OPS[name](*dims))
    return elemwise(name, x, y)


_DIM_OPS = {
    "add": lambda a, c: a + c,
    "sub": lambda a, c: a - c,
    "mul": lambda a, c: a * c,
}


def as_dim(x: Any) -> DimLike | None:
    """The dim that a number or a variable (`x.shape[0] // 2`) stands for; None if it is none."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int(x)
    if not isinstance(x, TensorVariable) or x.ndim or x.value.op is None:
        return None
    op = x.value.op
    if op.opdef.name == "dim":
        return op.attrs["expr"]
    if op.opdef.name == "constant" and op.results[0].type.dtype.kind in "iu":
        return int(op.attrs["value"])
    return None


def both_dims(x: Any, y: Any) -> tuple[DimLike, DimLike] | None:
    """Both as dims, if one of them at least is a size of a variable."""
    made = [isinstance(v, TensorVariable) and v.value.op is not None
            and v.value.op.opdef.name == "dim" for v in (x, y)]  # fmt: skip
    if not any(made):
        return None
    a, c = as_dim(x), as_dim(y)
    return None if a is None or c is None else (a, c)


def on_dims(sign: str, x: Any, y: Any) -> TensorVariable:
    """`//` and `%` of sizes."""
    dims = both_dims(x, y)
    if dims is None:
        return binary("floordiv" if sign == "//" else "mod", x, y)
    from .symbolic_shape import dim

    return dim((floordiv if sign == "//" else mod)(*dims))


def power(x: Any, y: Any) -> TensorVariable:
    """x ** y; an integer to an integer stays an integer, which may not be negative then."""
    if isinstance(x, TensorVariable) and x.value.type.dtype.kind in "iu" and y.__class__ is int:
        if y < 0:
            raise DTypeError(at("integers to negative integer powers are not allowed", here()))
        if y >= 64:
            return elemwise("ipow", x, y)
        out, base = None, x
        while y:
            if y & 1:
                out = base if out is None else out * base
            y >>= 1
            base = base * base if y else base
        return elemwise("add", x * 0, 1) if out is None else out
    for o in (x, y):
        if not isinstance(o, _OPERANDS):
            return NotImplemented
    if all(_integral(v) for v in (x, y)):
        if not is_number(y):
            y = as_tensor_variable(y)
            if y.value.type.dtype.kind == "i":
                y = unary("nonnegative", y)
        elif y < 0:
            raise DTypeError(at("integers to negative integer powers are not allowed", here()))
        return elemwise("ipow", x, y)
    return elemwise("pow", x, y)


def _integral(x: Any) -> bool:
    if isinstance(x, TensorVariable):
        return x.value.type.dtype.kind in "biu"
    return x.__class__ in (int, bool) or np.asarray(x).dtype.kind in "biu"


def cast(x: Any, dtype: Any) -> TensorVariable:
    """`x` in another dtype ("floatX" is `config.floatX`); itself if it has that one."""
    x = as_tensor_variable(x)
    try:
        goal = checked_dtype(dtype)
    except TypeError as err:
        raise type(err)(at(str(err), here())) from None
    if x.value.type.dtype is goal:
        return x
    return wrap(Builder(here())("cast", x.value, dtype=goal))


def switch(condition: Any, x: Any, y: Any) -> TensorVariable:
    """x where the condition holds (is not 0), else y; the other branch never spoils a gradient."""
    c = as_tensor_variable(condition)
    if c.value.type.dtype is not BOOL:
        c = elemwise("ne", c, 0)
    if is_number(x) and is_number(y):
        x = as_tensor_variable(float(x) if float in (x.__class__, y.__class__) else x)
    return elemwise("select", c, x, y, keep=1)


def clip(x: Any, low: Any, high: Any) -> TensorVariable:
    """`x` kept within [low, high]: `high` where they cross. At a bound the gradient is x's."""
    x = as_tensor_variable(x)
    dtype = x.value.type.dtype
    if dtype.kind in "iu":  # bounds that no element can reach, as NumPy takes them
        info = np.iinfo(dtype.np)
        low = max(low, int(info.min)) if low.__class__ is int else low
        high = min(high, int(info.max)) if high.__class__ is int else high
    return elemwise("clip", x, low, high)


def square(x: Any) -> TensorVariable:
    x = as_tensor_variable(x)
    return elemwise("mul", x, x)


def dot(x: Any, y: Any) -> TensorVariable:
    """The product over the last dim of `x` and the last but one of `y` (the last of a vector).

    Scalars multiply. Raises `ShapeError` for inner sizes that differ.
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if not x.ndim or not y.ndim:
        return elemwise("mul", x, y)
    b = Builder(here())
    dtype = common((x.value.type.dtype, y.value.type.dtype), ())
    v, w = x.value, y.value
    inner = w.type.rank - 2 if w.type.rank > 1 else 0
    w = match(b, "dot", (v, w), [(v.type.rank - 1, inner)])
    if dtype is BOOL:
        dtype = DTYPES["i64"]
    v, w = b.cast(v, dtype), b.cast(w, dtype)
    if v.type.rank == 1 and w.type.rank == 1:
        return wrap(b.sum(b.mul(v, w), (0,)))
    if w.type.rank > 2:
        what = f"dot of {x.type} and {y.type}: the second has more than 2 dims"
        raise ShapeError(at(what, b.loc))
    lead, tail = v.type.shape[:-1], w.type.shape[1:] if w.type.rank == 2 else ()
    k = v.type.shape[-1]
    rows: DimLike = 1
    for d in lead:
        rows = rows * d
    v = b.reshape(v, (rows, k))
    w = b.reshape(w, (k, tail[0] if tail else 1))
    return wrap(b.reshape(b("matmul", v, w, ta=False, tb=False), (*lead, *tail)))
