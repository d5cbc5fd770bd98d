"""Rows that reduce along axes, and the matrix product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError
from ..core import Op, Value
from ..dims import DimLike, product
from ..types import BOOL, I64, TensorType, tensor
from .base import Case, check_dtype, define
from .running import shifted
from .shape import must_match

Types = Sequence[TensorType]


def _reduced(name: str, x: TensorType, axes: Sequence[int]) -> tuple[DimLike, ...]:
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.rank for a in axes):
        raise ShapeError(f"{name} of {x} over axes {tuple(axes)}")
    return tuple(d for i, d in enumerate(x.shape) if i not in axes)


def _reduce_types(cls: str, nonempty: bool = False) -> Any:
    def rule(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
        (x,) = types
        axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
        shape = _reduced(name, x, axes)
        if cls == "bool":
            if x.dtype is not BOOL:
                raise DTypeError(f"{name} takes bools, not {x.dtype}")
        else:
            check_dtype(name, x, cls)
        if nonempty and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{name} of {x}: an empty axis has no {name}")
        return (x.with_shape(shape),)

    return rule


def _spread(b: Any, v: Value, shape: Sequence[DimLike], axes: Sequence[int]) -> Value:
    """A reduced value repeated along the axes it lost."""
    return b.broadcast(v, shape, [i for i in range(len(shape)) if i not in axes])


def _reduce_batch(b: Any, op: Op, ins: Sequence[Value], flags: Any, size: DimLike) -> tuple:
    if "axis" in op.attrs:
        attrs: dict[str, Any] = {"axis": op.attrs["axis"] + 1}
    else:
        attrs = {"axes": tuple(a + 1 for a in op.attrs["axes"])}
    return (b(op.opdef.name, ins[0], **attrs),)


_CASES = (Case(("f64[3, 4]",), {"axes": (0,)}), Case(("f64[3, 4]",), {"axes": (0, 1)}),
          Case(("f64[2, 3, 4]",), {"axes": (1,)}))  # fmt: skip

define("sum", "reduce", 1, _reduce_types("num"),
       lambda v, *, axes: np.sum(v, axis=axes, dtype=np.asarray(v).dtype),
       "sum over axes", attrs={"axes": "ints"}, linear=(0,),
       transpose=lambda b, op, ct, k: _spread(b, ct, op.operands[0].type.shape, op.attrs["axes"]),
       batch=_reduce_batch, emit="reduce", cases=_CASES,
       edges="of nothing 0; may be re-associated, with pairwise-like error")  # fmt: skip


def _prod_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    """Each tangent times the product of the others: of those before and of those behind."""
    (dx,), (x,), axes = tangents, op.operands, op.attrs["axes"]
    if dx is None:
        return (None,)
    if not axes:
        return (dx,)
    keep = [i for i in range(x.type.rank) if i not in axes]
    shape = tuple([x.type.shape[i] for i in keep])
    line = (*shape, product(x.type.shape[i] for i in axes))
    x, dx = (b.reshape(b.transpose(v, (*keep, *axes)), line) for v in (x, dx))
    last = len(keep)
    before = shifted(b, b("cumprod", x, axis=last), last, 1)
    back = b("cumprod", b("reverse", x, axes=(last,)), axis=last)
    behind = b("reverse", shifted(b, back, last, 1), axes=(last,))
    return (b.sum(b.mul(dx, b.mul(before, behind)), (last,)),)


define("prod", "reduce", 1, _reduce_types("num"),
       lambda v, *, axes: np.prod(v, axis=axes, dtype=np.asarray(v).dtype),
       "product over axes", attrs={"axes": "ints"}, jvp=_prod_jvp, batch=_reduce_batch,
       emit="reduce", cases=_CASES,
       edges="of nothing 1; may be re-associated; the derivative by an element is the product of "
             "the others, never a quotient: right where elements are 0")  # fmt: skip


def _max_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> tuple[Value | None, ...]:
    (dx,), (x,), axes = tangents, op.operands, op.attrs["axes"]
    if dx is None:
        return (None,)
    shape = x.type.shape
    top = _spread(b, op.result, shape, axes)
    hit = b("eq", x, top)
    if x.type.dtype.is_float:  # a NaN wins, and is not equal to itself
        hit = b("or", hit, b("isnan", x))
    zero = b.zeros(x.type)
    count = b.sum(b.select(hit, b.const(1, x.type), zero), axes)
    return (b("div", b.sum(b.select(hit, dx, zero), axes), count),)


def _extreme(ref: Any, largest: bool) -> Any:
    def reference(v: Any, *, axes: Sequence[int]) -> Any:
        v = np.asarray(v)
        return ref(v, axis=axes, initial=_extreme_of_nothing(v.dtype, largest))

    return reference


def _extreme_of_nothing(dtype: np.dtype, largest: bool) -> Any:
    if dtype.kind == "f":
        return -np.inf if largest else np.inf
    if dtype.kind == "b":
        return not largest
    return np.iinfo(dtype).min if largest else np.iinfo(dtype).max


for _name, _ref in (("max", np.max), ("min", np.min)):
    define(_name, "reduce", 1, _reduce_types("any"), _extreme(_ref, _name == "max"),
           f"{_name} over axes; equal elements share the derivative", attrs={"axes": "ints"},
           jvp=_max_jvp, batch=_reduce_batch, emit="reduce", cases=_CASES,
           edges="NaN if any element is; of nothing the neutral element (-inf or the least integer "
                 "for max), where NumPy has an error: front ends raise it")  # fmt: skip
for _name, _test in (("any", np.any), ("all", np.all)):
    define(_name, "reduce", 1, _reduce_types("bool"),
           (lambda ref: lambda v, *, axes: ref(v, axis=axes))(_test), f"logical {_name} over axes",
           attrs={"axes": "ints"}, nondiff="its result is bool", batch=_reduce_batch,
           emit="reduce", cases=(Case(("bool[3, 4]",), {"axes": (1,)}),))  # fmt: skip


def _place_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (out,) = _reduce_types("any", nonempty=True)(name, types, attrs, regions)
    return (tensor(I64, out.shape),)


for _name, _place in (("argmax", np.argmax), ("argmin", np.argmin)):
    define(_name, "reduce", 1, _place_types,
           (lambda ref: lambda v, *, axis: ref(v, axis=axis))(_place),
           f"the first index of the {'larg' if _name == 'argmax' else 'small'}est element along an "
           "axis", attrs={"axis": "int"}, nondiff="its result is an integer", batch=_reduce_batch,
           emit="reduce", cases=(Case(("f64[3, 4]",), {"axis": 1}),
                                 Case(("f64[3, 4]",), {"axis": 0})),
           edges="the first NaN, if there is one")  # fmt: skip


def _matmul_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    x, y = types
    if x.rank < 2 or y.rank != x.rank or x.dtype is not y.dtype:
        raise ShapeError(f"matmul of {x} and {y}")
    check_dtype(name, x, "num")
    for i, (a, c) in enumerate(zip(x.shape[:-2], y.shape[:-2])):
        must_match(name, f"axis {i}:", a, c, x, y)
    (m, k), (k2, n) = (t.shape[-2:][::-1] if flip else t.shape[-2:]
                       for t, flip in ((x, attrs["ta"]), (y, attrs["tb"])))  # fmt: skip
    must_match(name, "the inner dim", k, k2, x, y)
    return (x.with_shape((*x.shape[:-2], m, n)),)


def _matmul(v: Any, w: Any, *, ta: bool, tb: bool) -> Any:
    return np.matmul(np.swapaxes(v, -1, -2) if ta else v, np.swapaxes(w, -1, -2) if tb else w)


def _matmul_transpose(b: Any, op: Op, ct: Value, k: int) -> Value | None:
    ta, tb = op.attrs["ta"], op.attrs["tb"]
    if ct.type.dtype is BOOL:  # a row of x is active where any lane of the product's row is
        shape, r = op.operands[k].type.shape, ct.type.rank
        flipped = ta if k == 0 else tb
        line = b("any", ct, axes=(r - 1 - k,))
        last = r - 2 + k if not flipped else r - 1 - k
        return b.broadcast(line, shape, (*range(r - 2), last))
    if k == 0:
        y = op.operands[1]
        return b("matmul", y, ct, ta=tb, tb=True) if ta else b("matmul", ct, y, ta=False, tb=not tb)
    x = op.operands[0]
    return b("matmul", ct, x, ta=True, tb=ta) if tb else b("matmul", x, ct, ta=not ta, tb=False)


def _matmul_batch(
    b: Any, op: Op, ins: Sequence[Value], flags: Sequence[bool], size: DimLike
) -> tuple:
    x, y = ins
    ta, tb = op.attrs["ta"], op.attrs["tb"]
    if x.type.rank + y.type.rank == 5 and not (ta if flags[0] else not tb):
        # one matrix for the whole batch: one product, the batch among the rows of the other
        if flags[0]:
            _, m, k = x.type.shape
            out = b("matmul", b.reshape(x, (size * m, k)), y, ta=False, tb=tb)
            return (b.reshape(out, (size, m, out.type.shape[1])),)
        _, n, k = y.type.shape
        out = b("matmul", x, b.reshape(y, (size * n, k)), ta=ta, tb=True)
        split = b.reshape(out, (out.type.shape[0], size, n))
        return (b.transpose(split, (1, 0, 2)),)
    ins = [v if f else b.broadcast_front(v, size) for v, f in zip(ins, flags)]
    return (b("matmul", *ins, **op.attrs),)


define("matmul", "reduce", 2, _matmul_types, _matmul,
       "product of matrices (or of stacks of them), each transposed first if its flag says so",
       attrs={"ta": "bool", "tb": "bool"}, linear="all", bilinear=True,
       transpose=_matmul_transpose, batch=_matmul_batch, emit="matmul",
       cases=(*(Case(("f64[4, 3]" if ta else "f64[3, 4]", "f64[2, 4]" if tb else "f64[4, 2]"),
                     {"ta": ta, "tb": tb}) for ta in (False, True) for tb in (False, True)),
              Case(("f64[2, 3, 4]", "f64[2, 4, 5]"), {"ta": False, "tb": False})),
       edges="an empty inner dim gives zeros")  # fmt: skip
