"""Rows that read or write a block whose place is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike
from ..types import I64, TensorType
from .base import Case, define
from .shape import plain

Types = Sequence[TensorType]
_EDGES = "a start is moved until the block lies inside, as far as needed"


def _check(name: str, x: TensorType, starts: Types, sizes: Sequence[DimLike]) -> None:
    if len(starts) != x.rank or any(s.dtype is not I64 or s.shape for s in starts):
        raise DTypeError(f"{name} of {x} takes {x.rank} i64 scalars, not {list(starts)}")
    if len(sizes) != x.rank:
        raise ShapeError(f"{name} of {x}: a block of {list(sizes)}")
    for n, size in zip(x.shape, sizes):
        if plain(n) and plain(size) and not 0 <= size <= n:  # type: ignore[operator]
            raise ShapeError(f"{name} of {x}: a block of {list(sizes)} does not fit")


def _block(v: Any, starts: Sequence[Any], sizes: Sequence[int]) -> tuple[slice, ...]:
    at = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, np.shape(v), sizes)]
    return tuple([slice(a, a + size) for a, size in zip(at, sizes)])


def clamped(b: Any, start: Value, n: DimLike, size: DimLike) -> Value:
    """The nearest start at which a block of `size` lies within `n`."""
    shape = start.type.shape
    top = b.broadcast(b("dim", expr=n - size), shape, ())
    return b("minimum", b("maximum", start, b.zeros(start.type)), top)


def _places(
    b: Any, x: TensorType, starts: Sequence[Value], sizes: Sequence[DimLike], size: DimLike
) -> Value:
    """Indices of the blocks of a batch into the batch of x's seen as one long axis."""
    shape = (size, *sizes)
    type_ = _places_type(shape)
    where: Value = b("iota", type=type_, axis=0)
    for a, (n, s, count) in enumerate(zip(x.shape, starts, sizes)):
        start = b.broadcast(clamped(b, s, n, count), shape, (0,) if s.type.shape else ())
        here = b.add(start, b("iota", type=type_, axis=a + 1))
        where = b.add(b.mul(where, b.broadcast(b("dim", expr=n), shape, ())), here)
    return where


def _places_type(shape: tuple[DimLike, ...]) -> TensorType:
    return I64.rank0.with_shape(shape)


# -- reading --------------------------------------------------------------------------------------


def _read_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    _check(name, types[0], types[1:], attrs["sizes"])
    return (types[0].with_shape(tuple(attrs["sizes"])),)


def _read_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    if k:
        return None
    zeros = b.zeros(op.operands[0].type.with_dtype(ct.type.dtype))
    return b("dynamic_update_slice", zeros, ct, *op.operands[1:])


def _read_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, starts, sizes = ins[0], ins[1:], op.attrs["sizes"]
    if not any(flags[1:]):
        zero = b.const(0, I64.rank0)
        return (b("dynamic_slice", x, zero, *starts, sizes=(size, *sizes)),)
    if not flags[0]:
        x = b.broadcast_front(x, size)
    where = _places(b, op.operands[0].type, starts, sizes, size)
    return (b("gather", b.reshape(x, (x.type.size,)), where, axis=0),)


define("dynamic_slice", "index", None, _read_types,
       lambda v, *starts, sizes: v[_block(v, starts, sizes)],
       "a block of x of the given sizes; the other operands say where it starts, one an axis",
       attrs={"sizes": "dims"}, linear=(0,), transpose=_read_transpose, batch=_read_batch,
       emit="index", cases=(Case(("f64[4, 3]", "i64", "i64"), {"sizes": (2, 3)}, (-1, 6)),
                            Case(("f64[5]", "i64"), {"sizes": (2,)}, (0, 5))),
       edges=_EDGES)  # fmt: skip

# -- writing --------------------------------------------------------------------------------------


def _write_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    x, upd = types[:2]
    if upd.dtype is not x.dtype or upd.rank != x.rank:
        raise ShapeError(f"{name} of {x} takes a block of it, not {upd}")
    _check(name, x, types[2:], upd.shape)
    return (x,)


def _write(v: Any, u: Any, *starts: Any) -> Any:
    out = np.array(v)
    out[_block(v, starts, np.shape(u))] = u
    return out


def _write_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    upd, starts = op.operands[1].type, op.operands[2:]
    if k == 1:
        return b("dynamic_slice", ct, *starts, sizes=upd.shape)
    zeros = b.zeros(upd.with_dtype(ct.type.dtype))
    return b("dynamic_update_slice", ct, zeros, *starts) if k == 0 else None


def _write_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, upd = (v if f else b.broadcast_front(v, size) for v, f in zip(ins[:2], flags))
    starts = ins[2:]
    if not any(flags[2:]):
        return (b("dynamic_update_slice", x, upd, b.const(0, I64.rank0), *starts),)
    where = _places(b, op.operands[0].type, starts, upd.type.shape[1:], size)
    count = (upd.type.size,)
    out = b("scatter", b.reshape(x, (x.type.size,)), b.reshape(where, count),
            b.reshape(upd, count), axis=0)  # fmt: skip
    return (b.reshape(out, x.type.shape),)


define("dynamic_update_slice", "index", None, _write_types, _write,
       "x with the block y written; the other operands say where it starts, one an axis",
       linear=(0, 1), transpose=_write_transpose, batch=_write_batch, emit="scatter",
       cases=(Case(("f64[4, 3]", "f64[2, 3]", "i64", "i64"), {}, (0, 6)),
              Case(("f64[5]", "f64[2]", "i64"), {}, (0, 5))),
       edges=_EDGES)  # fmt: skip
