"""Rows of fused kernels: a tree of loops over named dims with affine accesses.

A `kernel`'s region takes its operands and, behind them, one buffer a result. Inside, `loop` runs
its region once for each value of its variable (`vector` marks the loop whose iterations become
lanes; at most one on a path from the root; how many lanes is the target's affair); scalar ops
compute on rank-0 values; `load` and `store` access buffers at affine indices, written as dims over
loop variables (`i0`, `n - 1 - i1`) and `$k` for the k-th computed index operand. What a loop's
region gives is reduced over its iterations by the `monoids`, rows of the table below, each with a
carry of one or more values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import DTypeError, ShapeError
from ..terms import Term, app, eq, maximum, minimum, ne, select, var
from ..types import BOOL, TensorType, tensor
from .base import define

Types = Sequence[TensorType]


class Monoid(NamedTuple):
    """A reduction whose carry is a tuple: `init` (by dtype), `combine` of carries a… and b….

    `combine` is one Term a carry over the variables a0, a1 …, b0, b1 …; element b comes later than
    (or from a later part than) a.
    """

    arity: int
    init: tuple[Callable[[Any], Any], ...]
    combine: tuple[Term, ...]
    doc: str


def _lowest(dtype: Any) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype.np).min)


def _highest(dtype: Any) -> Any:
    if dtype.kind == "f":
        return np.inf
    return True if dtype.kind == "b" else int(np.iinfo(dtype.np).max)


_a0, _a1, _b0, _b1 = (var(n) for n in ("a0", "a1", "b0", "b1"))
_isnan = ne(_b0, _b0) & eq(_a0, _a0)  # the first NaN wins
_later = _isnan | (_b0 > _a0)
# parts of a vector are combined out of order: among equals the smaller index wins, and a NaN with
# a smaller index beats a NaN with a larger one
_tie = (eq(_a0, _b0) | (ne(_a0, _a0) & ne(_b0, _b0))) & (_b1 < _a1)
_largest = _later | _tie
_least = _isnan | (_b0 < _a0) | _tie
MONOIDS: dict[str, Monoid] = {
    "sum": Monoid(1, (lambda d: 0,), (app("add", _a0, _b0),), "sum"),
    "prod": Monoid(1, (lambda d: 1,), (app("mul", _a0, _b0),), "product"),
    "max": Monoid(1, (_lowest,), (maximum(_a0, _b0),), "largest; NaN if any is"),
    "min": Monoid(1, (_highest,), (minimum(_a0, _b0),), "smallest; NaN if any is"),
    "any": Monoid(1, (lambda d: False,), (app("or", _a0, _b0),), "logical or"),
    "all": Monoid(1, (lambda d: True,), (app("and", _a0, _b0),), "logical and"),
    "argmax": Monoid(
        2,
        (_lowest, _highest),
        (select(_largest, _b0, _a0), select(_largest, _b1, _a1)),
        "(value, index) of the first largest",
    ),
    "argmin": Monoid(
        2,
        (_highest, _highest),
        (select(_least, _b0, _a0), select(_least, _b1, _a1)),
        "(value, index) of the first smallest",
    ),
}


def _kernel_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (body,) = regions
    params = [p.type for p in body.params]
    if params[: len(types)] != list(types) or body.results:
        raise ShapeError(f"kernel: its region takes {params}, its operands are {list(types)}")
    return tuple(params[len(types) :])


define("kernel", "kernel", None, _kernel_types, None,
       "a fused loop nest: the region fills one buffer a result",
       emit="kernel", nondiff="fusion runs after differentiation")  # fmt: skip


def _loop_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    (body,) = regions
    want = sum(MONOIDS[m].arity for m in attrs["monoids"])
    if body.params or len(body.results) != want:
        raise ShapeError(f"loop over {attrs['var']}: {len(body.results)} values for {want} carries")
    if any(v.type.shape for v in body.results):
        raise ShapeError(f"loop over {attrs['var']} reduces scalars only")
    return tuple(v.type for v in body.results)


define("loop", "kernel", 0, _loop_types, None,
       "runs its region for var = 0 … extent-1; its results are the reductions of the region's",
       attrs={"var": "str", "extent": "dim", "vector": "bool", "monoids": "strs"}, emit="kernel",
       nondiff="fusion runs after differentiation",
       edges="of no steps: the monoids' neutrals")  # fmt: skip


def _index_rank(name: str, ref: TensorType, attrs: Mapping) -> None:
    if len(attrs["index"]) != ref.rank:
        raise ShapeError(f"{name} of {ref} at {attrs['index']}")


def _load_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    _index_rank(name, types[0], attrs)
    return (tensor(types[0].dtype, ()),)


def _load_if_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    ref, mask, other = types[:3]
    _index_rank(name, ref, attrs)
    if mask.dtype is not BOOL or other is not tensor(ref.dtype, ()):
        raise DTypeError(f"load_if of {ref} with {mask} and {other}")
    return (other,)


def _store_types(name: str, types: Types, attrs: Mapping, regions: tuple) -> tuple:
    value, ref = types[:2]
    _index_rank(name, ref, attrs)
    if value is not tensor(ref.dtype, ()):
        raise DTypeError(f"store of {value} into {ref}")
    return ()


_WHY = "fusion runs after differentiation"
define("load", "kernel", None, _load_types, None, "the element of x at index", emit="kernel",
       attrs={"index": "dims"}, nondiff=_WHY)  # fmt: skip
define("load_if", "kernel", None, _load_if_types, None,
       "the element of x at index where y is true, else z; no access where false", emit="kernel",
       attrs={"index": "dims"}, nondiff=_WHY)  # fmt: skip
define("store", "kernel", None, _store_types, None, "x becomes the element of y at index",
       attrs={"index": "dims"}, emit="kernel", props=("effect",), nondiff=_WHY)  # fmt: skip
