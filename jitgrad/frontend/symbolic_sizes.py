"""Sizes and axes: a shape as a variable, and what functions take as a size, a shape or an axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.dims import DimLike
from ..ir.types import I64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import written
from .symbolic_ops import is_number


class ShapeVariable(TensorVariable):
    """A shape whose elements are known as dims; an int64 vector where it is used as one."""

    __slots__ = ("dims",)

    def __init__(self, dims: tuple[DimLike, ...]) -> None:
        self.dims = dims
        b = Builder(here())
        if dims:
            one = [b.reshape(b("dim", expr=d), (1,)) for d in dims]
            value = b("concatenate", *one, axis=0) if len(one) > 1 else one[0]
        else:
            value = b.const(np.zeros(0, np.int64), tensor(I64, (0,)))
        super().__init__(value, b.loc)

    def __getitem__(self, key: Any) -> TensorVariable:
        if isinstance(key, slice) and not any(
            isinstance(k, TensorVariable) for k in (key.start, key.stop, key.step)
        ):
            return ShapeVariable(self.dims[key])
        if isinstance(key, (int, np.integer)) and -len(self.dims) <= key < len(self.dims):
            return dim(self.dims[key])
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[TensorVariable]:
        return iter([dim(d) for d in self.dims])

    def __len__(self) -> int:
        return len(self.dims)


def dim(d: DimLike) -> TensorVariable:
    """A size as an int64 scalar."""
    return wrap(Builder(here())("dim", expr=d))


def shape(x: Any) -> TensorVariable:
    """The shape as an int64 vector; its elements are known where sizes are asked for."""
    v = as_tensor_variable(x).value
    out = ShapeVariable(v.type.shape)
    written[out.value] = ("Shape(", v, ")")
    return out


def size_of(x: Any, what: str) -> DimLike:
    """The dim that an int, `x.shape[0] + 1` or the value of an integer scalar stands for."""
    from .symbolic_dims import dim_of

    return dim_of(x, what)


def sizes_of(what: str, sizes: Any) -> tuple[DimLike, ...]:
    """Sizes given as a list, as one number, as a whole shape or as an integer vector.

    Each is an int, made of sizes of variables, or the value of an integer variable. A vector must
    have a length that is known.
    """
    if isinstance(sizes, ShapeVariable):
        return sizes.dims
    if isinstance(sizes, TensorVariable) and sizes.ndim == 1:
        op = sizes.value.op
        if op is not None and op.opdef.name == "constant":
            sizes = sizes.data.tolist()  # type: ignore[attr-defined]
        elif sizes.value.type.shape[0].__class__ is not int:
            raise ShapeError(at(f"{what}: the shape {sizes!r} is a vector of unknown length: give "
                                "its sizes one by one, or (to reshape) ndim", here()))  # fmt: skip
        else:
            sizes = [sizes[i] for i in range(len(sizes))]
    if is_number(sizes) or isinstance(sizes, (TensorVariable, np.integer)):
        sizes = (sizes,)
    if not isinstance(sizes, (tuple, list, np.ndarray)):
        raise TypeError(at(f"{what}: a shape is a list of sizes, not {sizes!r:.60}", here()))
    return tuple([size_of(s, f"{what}: a size") for s in sizes])


def axis_of(what: str, axis: Any, rank: int) -> int:
    """`axis` as 0 … rank-1; `ShapeError` where there is none such."""
    try:
        out = axis.__index__()
    except (AttributeError, TypeError):
        raise TypeError(at(f"{what}: an axis is an int, not {axis!r}", here())) from None
    if not -rank <= out < rank:
        raise ShapeError(
            at(f"{what}: axis {out} is out of bounds for a tensor of {rank} dims", here())
        )
    return out % rank


def axes_of(what: str, axes: Any, rank: int) -> tuple[int, ...]:
    """One axis or several, non-negative and different."""
    given = axes if isinstance(axes, (tuple, list)) else (axes,)
    out = tuple([axis_of(what, a, rank) for a in given])
    if len(set(out)) != len(out):
        raise ShapeError(at(f"{what}: an axis is named twice in {axes}", here()))
    return out
