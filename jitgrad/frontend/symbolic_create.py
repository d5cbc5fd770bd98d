"""Variables made from nothing but sizes and numbers: zeros, eye, arange, grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import config
from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, maximum
from ..ir.types import F64, I64, DType, dtype_of, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_ops import _common, as_dim, cast, elemwise, is_number, switch
from .symbolic_shape import fitted
from .symbolic_sizes import dim, size_of, sizes_of
from .symbolic_type import checked_dtype


def _kind(dtype: Any) -> DType:
    """The dtype asked for; None is `config.floatX`."""
    return checked_dtype(config.floatX if dtype is None else dtype)


def fill(a: Any, b: Any) -> TensorVariable:
    """The scalar `b` in the shape of `a` (a tensor is broadcast to it)."""
    v, f = as_tensor_variable(a).value, as_tensor_variable(b)
    build = Builder(here())
    if f.ndim:
        return wrap(fitted(build, "fill", f.value, v.type.shape))
    return wrap(build("fill", v, f.value))


second = fill


def _like(x: Any, dtype: Any, number: float, text: str) -> TensorVariable:
    v = as_tensor_variable(x).value
    kind = v.type.dtype if dtype is None else checked_dtype(dtype)
    b = Builder(here())
    one = b.const(number, tensor(kind, ()), text if kind.kind != "f" else f"{text}.0")
    return wrap(b("fill", v, one))


def zeros_like(model: Any, dtype: Any = None, opt: bool = False) -> TensorVariable:
    """Zeros in the shape (and, unless told, of the dtype) of `model`."""
    return _like(model, dtype, 0, "0")


def ones_like(model: Any, dtype: Any = None, opt: bool = False) -> TensorVariable:
    """Ones in the shape (and, unless told, of the dtype) of `model`."""
    return _like(model, dtype, 1, "1")


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> TensorVariable:
    """`fill_value` in the shape (and, unless told, of the dtype) of `a`."""
    a = as_tensor_variable(a)
    return fill(a, cast(as_tensor_variable(fill_value), a.dtype if dtype is None else dtype))


def empty_like(a: Any, dtype: Any = None) -> TensorVariable:
    """`zeros_like`: no element is left undefined here."""
    return _like(a, dtype, 0, "0")


def _full(what: str, shape: Any, number: int, dtype: Any) -> TensorVariable:
    b = Builder(here())
    return wrap(b.const(number, tensor(_kind(dtype), sizes_of(what, shape)), str(number)))


def zeros(shape: Any, dtype: Any = None) -> TensorVariable:
    """Zeros; sizes are ints, made of sizes of variables, or values of integer variables.

    >>> zeros((2, 3), "int32").eval()
    array([[0, 0, 0],
           [0, 0, 0]], dtype=int32)

    Raises `ValueError` for a negative size, at the call if it must be.
    """
    return _full("zeros", shape, 0, dtype)


def ones(shape: Any, dtype: Any = None) -> TensorVariable:
    """Ones; sizes as `zeros` takes them."""
    return _full("ones", shape, 1, dtype)


def empty(shape: Any, dtype: Any = None) -> TensorVariable:
    """`zeros`: no element is left undefined here."""
    return _full("empty", shape, 0, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> TensorVariable:
    """`fill_value` (a scalar, or what broadcasts) in a shape."""
    value = as_tensor_variable(fill_value)
    if dtype is not None:
        value = cast(value, dtype)
    return wrap(fitted(Builder(here()), "full", value.value, sizes_of("full", shape)))


def alloc(value: Any, *shape: Any) -> TensorVariable:
    """`value` (a scalar, or what broadcasts) in the shape given by the other arguments.

    >>> alloc(1.5, 2).eval()
    array([1.5, 1.5])
    """
    if len(shape) == 1 and (
        isinstance(shape[0], (list, tuple)) or getattr(shape[0], "ndim", False)
    ):
        shape = shape[0]
    return full(shape, value)


# -- matrices -------------------------------------------------------------------------------------


def places(b: Builder, rows: DimLike, cols: DimLike) -> tuple[Value, Value]:
    """Row and column of every element of a matrix, int64."""
    type_ = tensor(I64, (rows, cols))
    return b("iota", type=type_, axis=0), b("iota", type=type_, axis=1)


def _offset(b: Builder, k: Any, type_: Any) -> Value:
    """The diagonal's number in every element; a number or an integer scalar."""
    v = as_tensor_variable(k)
    if v.ndim or v.value.type.dtype.kind not in "iu":
        raise TypeError(at(f"the number of a diagonal is an integer, not {k!r}", b.loc))
    return b.broadcast(b.cast(v.value, I64), type_.shape, ())


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> TensorVariable:
    """A matrix of `n` rows and `m` (None: as many) columns, 1 on diagonal `k` and 0 elsewhere.

    >>> eye(2, 3, 1).eval()
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    b = Builder(here())
    rows = size_of(n, "eye: a size")
    row, col = places(b, rows, rows if m is None else size_of(m, "eye: a size"))
    hit = b("eq", b.add(row, _offset(b, k, row.type)), col)
    return wrap(b.cast(hit, _kind(dtype)))


def identity_like(x: Any, dtype: Any = None) -> TensorVariable:
    """The identity in the shape of the matrix `x`."""
    x = as_tensor_variable(x)
    if x.ndim != 2:
        raise ShapeError(at(f"identity_like takes a matrix, not {x.type}", here()))
    return eye(x.shape[0], x.shape[1], dtype=x.dtype if dtype is None else dtype)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> TensorVariable:
    """A matrix of `N` rows and `M` (None: as many) columns, 1 on and below diagonal `k`, else 0."""
    b = Builder(here())
    rows = size_of(N, "tri: a size")
    row, col = places(b, rows, rows if M is None else size_of(M, "tri: a size"))
    hit = b("ge", b.add(row, _offset(b, k, row.type)), col)
    return wrap(b.cast(hit, _kind(dtype)))


def _triangle(what: str, m: Any, k: Any, lower: bool) -> TensorVariable:
    m = as_tensor_variable(m)
    if m.ndim < 2:
        raise ShapeError(at(f"{what} takes a matrix (or a stack of them), not {m.type}", here()))
    b = Builder(here())
    shape = m.value.type.shape
    row, col = places(b, shape[-2], shape[-1])
    edge = b.add(row, _offset(b, k, row.type))
    keep = b("ge", edge, col) if lower else b("le", edge, col)
    keep = b.broadcast(keep, shape, (m.ndim - 2, m.ndim - 1))
    return wrap(b.select(keep, m.value, b.zeros(m.value.type)))


def tril(m: Any, k: Any = 0) -> TensorVariable:
    """`m` with the elements above diagonal `k` set to 0.

    >>> tril([[1, 2], [3, 4]]).eval()
    array([[1, 0],
           [3, 4]])
    """
    return _triangle("tril", m, k, True)


def triu(m: Any, k: Any = 0) -> TensorVariable:
    """`m` with the elements below diagonal `k` set to 0."""
    return _triangle("triu", m, k, False)


def _triangle_places(n: Any, k: int, m: Any, lower: bool) -> tuple[TensorVariable, ...]:
    from .symbolic_select import nonzero

    mask = tri(n, m, k if lower else k - 1, dtype="bool")
    return nonzero(mask if lower else ~mask)


def tril_indices(n: Any, k: int = 0, m: Any = None) -> tuple[TensorVariable, ...]:
    """Rows and columns of the elements on and below diagonal `k` of an (n, m) matrix."""
    return _triangle_places(n, k, m, True)


def triu_indices(n: Any, k: int = 0, m: Any = None) -> tuple[TensorVariable, ...]:
    """Rows and columns of the elements on and above diagonal `k` of an (n, m) matrix."""
    return _triangle_places(n, k, m, False)


# -- ranges ---------------------------------------------------------------------------------------


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> TensorVariable:
    """start, start + step … up to, not including, stop: numbers or scalar variables.

    The dtype is that of the arguments (at least int64 for integers, as NumPy's), or `dtype`.

    >>> arange(5, 0, -2).eval()
    array([5, 3, 1])

    Raises `ValueError` for a step of 0, and for a length that no int64 holds (of NaNs, of infinite
    bounds), at the call if it must be.
    """
    if stop is None:
        start, stop = 0, start
    loc = here()
    b = Builder(loc)
    args = (start, stop, step)
    if all(is_number(a) or isinstance(a, np.number) for a in args):
        if step == 0:
            raise ValueError(at("arange: the step is 0", loc))
        goal = None if dtype is None else checked_dtype(dtype).np
        got = np.arange(start, stop, step)
        return as_tensor_variable(got if goal is None else got.astype(goal))
    for a in args:
        if getattr(a, "ndim", 0) or (isinstance(a, TensorVariable) and a.dtype == "bool"):
            raise TypeError(at(f"arange takes scalars, not {a!r}", loc))
    strong = [a.value.type.dtype for a in args if isinstance(a, TensorVariable)]
    weak = tuple([a.__class__ for a in args if is_number(a)])
    kind = _common((*strong, *[dtype_of(a.dtype) for a in args if isinstance(a, np.number)]), weak)
    if kind.kind in "iu":
        kind = _common((kind, I64), ())
    out = kind if dtype is None else checked_dtype(dtype)
    lo, hi, by = as_dim(start), as_dim(stop), as_dim(step)
    if lo is not None and hi is not None and by.__class__ is int and kind.kind == "i":
        if by == 0:
            raise ValueError(at("arange: the step is 0", loc))
        count = maximum(-(-(hi - lo) // by), 0)
        number = b("iota", type=tensor(I64, (count,)), axis=0)
        if by != 1:
            number = b.mul(number, b.const(by, number.type, str(by)))
        if lo.__class__ is not int or lo != 0:
            number = b.add(number, b.broadcast(dim(lo).value, number.type.shape, ()))
        return wrap(b.cast(number, out))
    return _computed_range(b, *args, kind, out)


def _computed_range(b: Builder, start: Any, stop: Any, step: Any, kind: DType, out: DType
                    ) -> TensorVariable:  # fmt: skip
    """A range whose length is a value: ceil((stop - start) / step), at least 0."""
    work = F64 if kind.is_float else I64
    lo, hi, by = (cast(as_tensor_variable(a), work.np.name) for a in (start, stop, step))
    limit = float(2**63)
    if kind.is_float:
        real = elemwise("ceil", (hi - lo) / by)
        fits = elemwise("lt", real, limit)  # a NaN does not
        count = cast(switch(fits, real, 0.0), "int64")
    else:
        count = -((lo - hi) // by)
        fits = elemwise("lt", abs(cast(hi, "float64") - cast(lo, "float64")), limit)
    fits = fits & elemwise("ne", by, 0)
    count = switch(fits, elemwise("maximum", count, 0), -1)
    n = size_of(count, "arange: the number of elements (a step of 0, NaN or overflow has none)")
    place = b.cast(b("iota", type=tensor(I64, (n,)), axis=0), work)
    first, gap = (b.broadcast(v.value, place.type.shape, ()) for v in (lo, by))
    return wrap(b.cast(b.add(b.mul(place, gap), first), out))


def linspace(start: Any, end: Any, steps: Any = 50, endpoint: bool = True, dtype: Any = None
             ) -> TensorVariable:  # fmt: skip
    """`steps` numbers from `start` to `end`, the same distance apart; a float vector.

    >>> linspace(0.0, 1.0, 5).eval()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    n = size_of(steps, "linspace: the number of steps")
    b = Builder(here())
    place = wrap(b.cast(b("iota", type=tensor(I64, (n,)), axis=0), F64))
    gaps = elemwise("maximum", dim(n) - (1 if endpoint else 0), 1)
    first, last = as_tensor_variable(start), as_tensor_variable(end)
    out = first + place * ((last - first) / gaps)
    if endpoint:  # the last one is `end` to the letter
        at_end = elemwise("eq", place, cast(dim(n) - 1, "float64")) & elemwise("gt", dim(n), 1)
        out = switch(at_end, last, out)
    return cast(out, out.dtype if dtype is None else dtype)


def logspace(start: Any, end: Any, steps: Any = 50, base: float = 10.0, endpoint: bool = True,
             dtype: Any = None) -> TensorVariable:  # fmt: skip
    """`steps` numbers from base**start to base**end, the same factor apart."""
    out = base ** linspace(start, end, steps, endpoint)
    return cast(out, out.dtype if dtype is None else dtype)


class _Grid:
    """`mgrid[0:5, 0:n]`: coordinates of a grid by slices, each a variable.

    `mgrid` gives them in full shape, `ogrid` each along its own axis. The step of a slice counts
    numbers where it is written as a complex (`0:1:5j`), as NumPy's.
    """

    __slots__ = ("open",)

    def __init__(self, open: bool) -> None:
        self.open = open

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        lines = [self._line(k) for k in keys]
        if not isinstance(key, tuple):
            return lines[0]
        rank = len(lines)
        spread = [
            v.dimshuffle(*(("x",) * i), 0, *(("x",) * (rank - i - 1))) for i, v in enumerate(lines)
        ]
        if self.open:
            return spread
        sizes = tuple([v.value.type.shape[0] for v in lines])
        b = Builder(here())
        return [wrap(b.broadcast(v.value, sizes, range(rank))) for v in spread]

    @staticmethod
    def _line(k: Any) -> TensorVariable:
        if not isinstance(k, slice) or k.stop is None:
            raise TypeError(at("a grid takes slices with an end: mgrid[0:5, 0:n]", here()))
        start = 0 if k.start is None else k.start
        if isinstance(k.step, complex):
            return linspace(start, k.stop, int(abs(k.step)))
        return arange(start, k.stop, 1 if k.step is None else k.step)


mgrid = _Grid(False)
ogrid = _Grid(True)


def meshgrid(*xs: Any, indexing: str = "xy") -> list[TensorVariable]:
    """Coordinate tensors of vectors, the first two exchanged for "xy"."""
    if indexing not in ("xy", "ij"):
        raise ValueError(at(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}", here()))
    lines = [as_tensor_variable(x).flatten() for x in xs]
    rank = len(lines)
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[:2] = [1, 0]
    place = {k: order.index(k) for k in range(rank)}
    sizes = tuple([lines[k].value.type.shape[0] for k in order])
    b = Builder(here())
    return [wrap(b.broadcast(v.value, sizes, (place[i],))) for i, v in enumerate(lines)]


# -- windows --------------------------------------------------------------------------------------


def bartlett(M: Any) -> TensorVariable:
    """The triangular window of `M` points, 0 at both ends (1 where there is but one).

    >>> bartlett(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    n = size_of(M, "bartlett: the number of points")
    b = Builder(here())
    place = wrap(b.cast(b("iota", type=tensor(I64, (n,)), axis=0), F64))
    last = cast(elemwise("maximum", dim(n) - 1, 1), "float64")
    window = 1 - abs(2 * place / last - 1)
    return switch(elemwise("gt", dim(n), 1), window, 1.0)


__all__ = [
    "alloc", "arange", "bartlett", "empty", "empty_like", "eye", "fill", "full", "full_like",
    "identity_like", "linspace", "logspace", "meshgrid", "mgrid", "ogrid", "ones", "ones_like",
    "second", "tri", "tril", "tril_indices", "triu", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
