"""Rows that make tensors or change their shape: each says its transpose, its JVP is itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ...errors import ShapeError
from ..core import Op, Value
from ..dims import Dim, DimLike, ceildiv
from ..types import BOOL, TensorType, tensor
from .base import Case, check_dtype, define

Types = Sequence[TensorType]


def _row(name: str, arity: int | None, types: Any, ref: Any, doc: str, **kw: Any) -> None:
    define(name, "shape", arity, types, ref, doc, **kw)


def plain(v: Any) -> bool:
    """True for a static dim."""
    return v.__class__ is not Dim


def must_match(name: str, what: str, a: DimLike, b: DimLike, *types: TensorType) -> None:
    """Two dims that must be one; undecided counts as different (the front end guards first)."""
    if a is not b and a != b:
        raise ShapeError(f"{name} of {', '.join(map(str, types))}: {what} {a} is not {b}")


# -- sources --------------------------------------------------------------------------------------


def _constant_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    value, type_ = attrs["value"], attrs["type"]
    if isinstance(value, np.ndarray) and value.shape != type_.shape:
        raise ShapeError(f"constant of shape {value.shape} cannot be {type_}")
    return (type_,)


def _constant(*, value: Any, type: TensorType, spelling: str) -> Any:
    if isinstance(value, np.ndarray):
        return value
    return np.full(type.shape, value, type.dtype.np)


def _constant_batch(b: Any, op: Op, ins: Sequence[Value], flags: Any, size: DimLike) -> tuple:
    return (b.broadcast_front(op.result, size),)


_row("constant", 0, _constant_types, _constant,
     "a number in every element, or an array; `spelling` is the user's literal, for printing",
     attrs={"value": "value", "type": "type", "spelling": "str"}, deriv=(),
     batch=_constant_batch, emit="constant",
     cases=(Case((), {"value": 1.5, "type": tensor("f64", (3,)), "spelling": ""}),))  # fmt: skip


def _iota_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    check_dtype(name, attrs["type"], "num")
    return (attrs["type"],)


def _iota(*, type: Any, axis: int) -> Any:
    shape = [1] * len(type.shape)
    shape[axis] = -1
    return np.broadcast_to(np.arange(type.shape[axis], dtype=type.dtype.np).reshape(shape),
                           type.shape).copy()  # fmt: skip


_row("iota", 0, _iota_types, _iota, "the index along one axis",
     attrs={"type": "type", "axis": "int"}, deriv=(), batch=_constant_batch, emit="iota",
     cases=(Case((), {"type": tensor("f64", (3, 4)), "axis": 1}),))  # fmt: skip


def _dim_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    return (tensor("i64", ()),)


_row("dim", 0, _dim_types, lambda *, expr: np.int64(expr),
     "a dim (in kernels: an index) as a number", attrs={"expr": "dim"}, deriv=(),
     batch=_constant_batch, emit="dim", cases=(Case((), {"expr": 3}),))  # fmt: skip


def _fill_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    like, value = types
    if value.shape:
        raise ShapeError(f"fill takes a scalar value, not {value}")
    return (tensor(value.dtype, like.shape),)


def _fill_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    return b.sum(ct, range(ct.type.rank)) if k == 1 else None


def _fill_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    like, value = ins
    shape = like.type.shape if flags[0] else (size, *like.type.shape)
    return (b.broadcast(value, shape, (0,) if flags[1] else ()),)


_row("fill", 2, _fill_types, lambda like, v: np.full(np.shape(like), v, np.asarray(v).dtype),
     "the scalar y in the shape of x", linear=(1,), transpose=_fill_transpose, batch=_fill_batch,
     emit="fill", cases=(Case(("f64[2, 3]", "f64")),),
     edges="depends on x by its shape alone: a NaN in x does not matter")  # fmt: skip

# -- broadcast, reshape, transpose, reverse, refine -----------------------------------------------


def _broadcast_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,), shape, dims = types, attrs["shape"], attrs["dims"]
    if (
        len(dims) != x.rank
        or any(not 0 <= d < len(shape) for d in dims)
        or list(dims) != sorted(set(dims))
    ):
        raise ShapeError(f"broadcast of {x} to {shape} cannot map its axes to {dims}")
    for size, d in zip(x.shape, dims):
        if size != 1:
            must_match(name, "axis", size, shape[d], x, x.with_shape(shape))
    return (x.with_shape(shape),)


def _broadcast(v: Any, *, shape: tuple, dims: tuple) -> Any:
    v = np.asarray(v)
    full = [1] * len(shape)
    for size, d in zip(v.shape, dims):
        full[d] = size
    return np.broadcast_to(v.reshape(full), shape)


def _broadcast_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    x, dims = op.operands[0].type, op.attrs["dims"]
    shape = op.attrs["shape"]
    kept = {d for size, d in zip(x.shape, dims) if size is shape[d] or size == shape[d]}
    out = b.sum(ct, [d for d in range(len(shape)) if d not in kept])
    return b.reshape(out, x.shape)


def _broadcast_batch(b: Any, op: Op, ins: Sequence[Value], flags: Any, size: DimLike) -> tuple:
    dims = (0, *(d + 1 for d in op.attrs["dims"]))
    return (b.broadcast(ins[0], (size, *op.attrs["shape"]), dims),)


_row("broadcast", 1, _broadcast_types, _broadcast,
     "axis i becomes axis dims[i]; new axes and axes of size 1 repeat",
     attrs={"shape": "dims", "dims": "ints"}, linear=(0,), transpose=_broadcast_transpose,
     batch=_broadcast_batch, emit="index",
     cases=(Case(("f64[3]",), {"shape": (2, 3), "dims": (1,)}),
            Case(("f64[3, 1]",), {"shape": (3, 4), "dims": (0, 1)}),
            Case(("f64",), {"shape": (5,), "dims": ()})))  # fmt: skip


def _reshape_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,), shape = types, attrs["shape"]
    out = x.with_shape(shape)
    if x.static and out.static and x.size != out.size:
        raise ShapeError(f"reshape of {x} to {list(shape)}: {x.size} elements are not {out.size}")
    return (out,)


def _reshape_batch(b: Any, op: Op, ins: Sequence[Value], flags: Any, size: DimLike) -> tuple:
    return (b.reshape(ins[0], (size, *op.attrs["shape"])),)


_row("reshape", 1, _reshape_types, lambda v, *, shape: np.reshape(v, shape),
     "the same elements in row-major order in another shape", attrs={"shape": "dims"}, linear=(0,),
     transpose=lambda b, op, ct, k: b.reshape(ct, op.operands[0].type.shape), batch=_reshape_batch,
     emit="alias", props=("alias",),
     cases=(Case(("f64[2, 6]",), {"shape": (3, 4)}), Case(("f64[1]",), {"shape": ()})),
     edges="an undecided number of elements must be guarded by `require` before")  # fmt: skip


def _refine_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,), shape = types, attrs["shape"]
    if x.rank != len(shape):
        raise ShapeError(f"refine of {x} to {list(shape)}: ranks differ")
    for a, c in zip(x.shape, shape):
        if plain(a) and plain(c) and a != c:
            raise ShapeError(f"refine of {x} to {list(shape)}: {a} is not {c}")
    return (x.with_shape(shape),)


def _refine(v: Any, *, shape: tuple) -> Any:
    if np.shape(v) != tuple(shape):
        raise ShapeError(f"a value of shape {np.shape(v)} where {tuple(shape)} is needed")
    return v


_row("refine", 1, _refine_types, _refine, "the same value, its dims known by another name",
     attrs={"shape": "dims"}, linear=(0,),
     transpose=lambda b, op, ct, k: b("refine", ct, shape=op.operands[0].type.shape),
     batch=lambda b, op, ins, flags, size: (
         b("refine", ins[0], shape=(size, *op.attrs["shape"])),),
     emit="alias", props=("alias",), cases=(Case(("f64[2, 3]",), {"shape": (2, 3)}),),
     edges="follows a `require` that checked the dims")  # fmt: skip


def _transpose_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,), perm = types, attrs["perm"]
    if sorted(perm) != list(range(x.rank)):
        raise ShapeError(f"transpose of {x}: {perm} is no permutation of its axes")
    return (x.with_shape(tuple(x.shape[p] for p in perm)),)


def _inverse(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


_row("transpose", 1, _transpose_types, lambda v, *, perm: np.transpose(v, perm),
     "axes permuted: axis i of the result is axis perm[i]", attrs={"perm": "ints"}, linear=(0,),
     transpose=lambda b, op, ct, k: b.transpose(ct, _inverse(op.attrs["perm"])),
     batch=lambda b, op, ins, flags, size: (
         b.transpose(ins[0], (0, *(p + 1 for p in op.attrs["perm"]))),),
     emit="index", cases=(Case(("f64[2, 3, 4]",), {"perm": (2, 0, 1)}),))  # fmt: skip


def _axes_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    if any(not 0 <= a < types[0].rank for a in attrs["axes"]):
        raise ShapeError(f"{name} of {types[0]} has no axes {attrs['axes']}")
    return (types[0],)


_row("reverse", 1, _axes_types, lambda v, *, axes: np.flip(v, axes), "order reversed along axes",
     attrs={"axes": "ints"}, linear=(0,),
     transpose=lambda b, op, ct, k: b("reverse", ct, axes=op.attrs["axes"]),
     batch=lambda b, op, ins, flags, size: (
         b("reverse", ins[0], axes=tuple(a + 1 for a in op.attrs["axes"])),),
     emit="index", cases=(Case(("f64[2, 3]",), {"axes": (1,)}),))  # fmt: skip

# -- slice, pad, concatenate ----------------------------------------------------------------------


def _slice_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (x,) = types
    starts, stops, steps = attrs["starts"], attrs["stops"], attrs["steps"]
    if not len(starts) == len(stops) == len(steps) == x.rank or any(s < 1 for s in steps):
        raise ShapeError(f"slice of {x} by {starts}, {stops}, {steps}")
    for a, c, n in zip(starts, stops, x.shape):
        if plain(a) and (a < 0 or (plain(c) and c < a) or (plain(n) and plain(c) and c > n)):
            raise ShapeError(f"slice of {x} from {a} to {c} leaves it")
    return (x.with_shape(tuple(ceildiv(c - a, s) for a, c, s in zip(starts, stops, steps))),)


def _slice(v: Any, *, starts: tuple, stops: tuple, steps: tuple) -> Any:
    # where nothing is taken `c` may lie before `a`, and below 0 Python counts from the end
    return v[tuple(slice(a, max(a, c), s) for a, c, s in zip(starts, stops, steps))]


def _slice_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    x, steps = op.operands[0].type, op.attrs["steps"]
    lo = op.attrs["starts"]
    # what the steps spread: step*(m-1)+1 elements from `lo` on; m = 0 cannot be told from here,
    # so the front end keeps the extents of strided slices positive by a guard
    hi = tuple(
        n - a - (s * (m - 1) + 1 if m != 0 else 0)
        for n, a, s, m in zip(x.shape, lo, steps, ct.type.shape)
    )
    zero = b.const(0, tensor(ct.type.dtype, ()))
    return b("pad", ct, zero, lo=tuple(lo), hi=hi, interior=tuple(
        s - 1 if m != 0 else 0 for s, m in zip(steps, ct.type.shape)))  # fmt: skip


def _slice_batch(b: Any, op: Op, ins: Sequence[Value], flags: Any, size: DimLike) -> tuple:
    a = op.attrs
    return (b("slice", ins[0], starts=(0, *a["starts"]), stops=(size, *a["stops"]),
              steps=(1, *a["steps"])),)  # fmt: skip


_row("slice", 1, _slice_types, _slice, "x[start:stop:step] along every axis, steps positive",
     attrs={"starts": "dims", "stops": "dims", "steps": "ints"}, linear=(0,),
     transpose=_slice_transpose, batch=_slice_batch, emit="index",
     cases=(Case(("f64[6, 4]",), {"starts": (1, 0), "stops": (6, 3), "steps": (2, 1)}),
            Case(("f64[5]",), {"starts": (2,), "stops": (2,), "steps": (1,)})))  # fmt: skip


def padded(n: DimLike, lo: DimLike, hi: DimLike, interior: int) -> DimLike:
    """The size of a padded axis."""
    spread = n if interior == 0 else (n - 1) * (interior + 1) + 1
    return lo + spread + hi


def _pad_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    x, value = types
    lo, hi, interior = attrs["lo"], attrs["hi"], attrs["interior"]
    if (
        not len(lo) == len(hi) == len(interior) == x.rank
        or value.shape
        or value.dtype is not x.dtype
    ):
        raise ShapeError(f"pad of {x} with {value} by {lo}, {hi}, {interior}")
    return (x.with_shape(tuple(padded(n, *p) for n, *p in zip(x.shape, lo, hi, interior))),)


def _pad(v: Any, fill: Any, *, lo: tuple, hi: tuple, interior: tuple) -> Any:
    v = np.asarray(v)
    size: Any = padded
    out = np.full([size(n, *p) for n, *p in zip(v.shape, lo, hi, interior)], fill, v.dtype)
    out[tuple(slice(a, a + (n - 1) * (s + 1) + 1 if n else a, s + 1)
              for n, a, s in zip(v.shape, lo, interior))] = v  # fmt: skip
    return out


def _pad_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    x = op.operands[0].type
    lo, interior = op.attrs["lo"], op.attrs["interior"]
    if k == 0:
        return b("slice", ct, starts=tuple(lo), steps=tuple(s + 1 for s in interior), stops=tuple(
            a + padded(n, 0, 0, s) for n, a, s in zip(x.shape, lo, interior)))  # fmt: skip
    inside = b("pad", b.const(True, tensor(BOOL, x.shape)), b.const(False, tensor(BOOL, ())),
               **op.attrs)  # fmt: skip
    return b.sum(b.select(inside, b.zeros(ct.type), ct), range(ct.type.rank))


def _pad_batch(b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike) -> tuple:
    x, value = ins
    if not flags[0]:
        x = b.broadcast_front(x, size)
    a = {k: (0, *v) for k, v in op.attrs.items()}
    if not flags[1]:
        return (b("pad", x, value, **a),)
    # a fill value an example: pad a mask and choose
    ones = b(
        "pad", b.const(True, tensor(BOOL, x.type.shape)), b.const(False, tensor(BOOL, ())), **a
    )
    zeros = b("pad", x, b.const(0, tensor(x.type.dtype, ())), **a)
    return (b.select(ones, zeros, b.broadcast(value, zeros.type.shape, (0,))),)


_row("pad", 2, _pad_types, _pad, "y put around x (lo, hi) and between its elements (interior)",
     attrs={"lo": "dims", "hi": "dims", "interior": "ints"}, linear="all",
     transpose=_pad_transpose, batch=_pad_batch, emit="index",
     cases=(Case(("f64[3, 2]", "f64"),
                 {"lo": (1, 0), "hi": (2, 1), "interior": (1, 0)}),))  # fmt: skip


def _concat_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    axis, first = attrs["axis"], types[0]
    total: DimLike = 0
    for other in types:
        if other.rank != first.rank or other.dtype is not first.dtype or not 0 <= axis < first.rank:
            raise ShapeError(f"concatenate of {', '.join(map(str, types))} along axis {axis}")
        for i, (a, c) in enumerate(zip(first.shape, other.shape)):
            if i != axis:
                must_match(name, f"axis {i}:", a, c, *types)
        total = total + other.shape[axis]
    return (first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :])),)


# (serial number, where each operand begins) of the op asked last: a transpose is asked once an
# operand, and adding up the sizes each time would be quadratic in their number
_offsets: tuple[int, list[DimLike]] = (-1, [])


def _concat_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    global _offsets
    axis, shape = op.attrs["axis"], ct.type.shape
    serial, places = _offsets
    if serial != op.serial:
        places = list(accumulate((v.type.shape[axis] for v in op.operands), initial=0))
        _offsets = op.serial, places
    start, stop = places[k], places[k + 1]
    starts: list[DimLike] = [0] * len(shape)
    stops = list(shape)
    starts[axis], stops[axis] = start, stop
    return b("slice", ct, starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(shape))


def _concat_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    ins = [v if f else b.broadcast_front(v, size) for v, f in zip(ins, flags)]
    return (b("concatenate", *ins, axis=op.attrs["axis"] + 1),)


_row("concatenate", None, _concat_types, lambda *vs, axis: np.concatenate(vs, axis),
     "tensors joined along an axis", attrs={"axis": "int"}, linear="all",
     transpose=_concat_transpose, batch=_concat_batch, emit="index",
     cases=(Case(("f64[2, 3]", "f64[1, 3]"), {"axis": 0}),
            Case(("f64[2]", "f64[0]", "f64[3]"), {"axis": 0})))  # fmt: skip
