"""Pooling over windows of the last axes, and images cut into patches."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, ceildiv, floordiv, maximum, product
from ..ir.types import F64, I64, DType, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_conv import each, padded, windows
from .symbolic_notes import Note
from .symbolic_ops import elemwise, refine, switch
from .symbolic_shape import fitted

_MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def _pool(what: str, rank: int, input: Any, ws: Any, ignore_border: bool | None, stride: Any,
          pad: Any, mode: str) -> TensorVariable:  # fmt: skip
    x = as_tensor_variable(input)
    if x.ndim < rank:
        raise TypeError(at(f"{what} takes at least {rank} dims, not {x.type}", here()))
    if mode not in _MODES:
        raise ValueError(at(f"{what}: mode is one of {', '.join(_MODES)}, not {mode!r}", here()))
    size = each(f"{what}: ws", ws, rank, 1)
    step = size if stride is None else each(f"{what}: stride", stride, rank, 1)
    edge = each(f"{what}: pad", pad, rank)
    if any(edge) and not ignore_border:
        raise NotImplementedError(at(f"{what}: padding works only with ignore_border=True", here()))
    if any(e >= s for e, s in zip(edge, size)):
        raise NotImplementedError(at(f"{what}: the padding {edge} must be smaller than the window "
                                     f"{size}", here()))  # fmt: skip
    b = Builder(here())
    v = x.value
    kind = v.type.dtype
    if mode.startswith("average") and not kind.is_float:
        kind = F64
    v = b.cast(v, kind)
    lead = v.type.rank - rank
    counts: list[DimLike] = []
    pads = []
    for i in range(rank):
        n = v.type.shape[lead + i]
        if ignore_border:
            count = floordiv(n + 2 * edge[i] - size[i], step[i]) + 1
            if count.__class__ is int:
                count = max(count, 0)
            else:
                count = maximum(count, 0)
            behind: DimLike = edge[i]
        else:  # windows that reach beyond the end count as well
            if step[i] >= size[i]:
                count = ceildiv(n, step[i])
            else:
                count = ceildiv(maximum(n - size[i], 0), step[i]) + 1
            behind = maximum((count - 1) * step[i] + size[i] - n, 0)
        counts.append(count)
        pads.append((edge[i], behind))
    note = Note(what, (ref(x.value),), text=f"{what}: sizes do not fit")
    v = padded(b, v, pads, note, _neutral(kind) if mode == "max" else 0)
    v = windows(b, v, size, counts, step, [1] * rank, note)
    out = b("max" if mode == "max" else "sum", v, axes=tuple(range(lead, lead + rank)))
    if not mode.startswith("average"):
        return wrap(out)
    total = wrap(out)
    for i in range(rank):
        n = x.value.type.shape[lead + i]
        inc = mode == "average_inc_pad"
        lo, hi = (0, n + 2 * edge[i]) if inc else (edge[i], n + edge[i])
        share = _shares(b, counts[i], size[i], step[i], lo, hi, kind)
        total = total / share.dimshuffle(*(0 if k == i else "x" for k in range(rank)))
    return total


def _neutral(kind: DType) -> Any:
    if kind.is_float:
        return -np.inf
    return False if kind.kind == "b" else int(np.iinfo(kind.np).min)


def _shares(b: Builder, count: DimLike, size: int, step: int, lo: DimLike, hi: DimLike,
            kind: DType) -> TensorVariable:  # fmt: skip
    """How many elements of each window lie within [lo, hi) (at least 1)."""
    type_ = tensor(I64, (count,))
    start = b.mul(b("iota", type=type_, axis=0), b.const(step, type_))
    stop = b.add(start, b.const(size, type_))

    def number(d: DimLike) -> Value:
        return b.const(d, type_) if d.__class__ is int else b.broadcast(
            b("dim", expr=d), type_.shape, ())  # fmt: skip

    inside = b("sub", b("minimum", stop, number(hi)), b("maximum", start, number(lo)))
    return wrap(b.cast(b("maximum", inside, b.const(1, type_)), kind))


def _old_names(what: str, ws: Any, stride: Any, pad: Any, ds: Any, st: Any, padding: Any
               ) -> tuple[Any, Any, Any]:  # fmt: skip
    """The arguments, old names among them: `ds`, `st`, `padding`."""
    ws = ds if ws is None else ws
    if ws is None:
        raise TypeError(at(f"{what} needs the size of a window, ws", here()))
    return ws, st if stride is None else stride, pad if padding is None else padding


def pool_2d(input: Any, ws: Any = None, ignore_border: bool | None = None, stride: Any = None,
            pad: Any = (0, 0), mode: str = "max", ds: Any = None, st: Any = None,
            padding: Any = None) -> TensorVariable:  # fmt: skip
    """The largest element, the sum or the mean of windows of the last two axes.

    ws             rows and columns of a window (`ds` is its old name)
    ignore_border  whether windows that reach beyond the end are left out (None: they are not)
    stride         how far apart windows begin (None: as far as they are large; old name `st`)
    pad            zeros (for "max": nothing) put around, less than a window; needs ignore_border
    mode           "max", "sum", "average_inc_pad" (padding counts) or "average_exc_pad"

    >>> import jitgrad.tensor as T
    >>> T.signal.pool.pool_2d(T.arange(16).reshape((4, 4)), (2, 2), ignore_border=True).eval()
    array([[ 5,  7],
           [13, 15]])
    """
    ws, stride, pad = _old_names("pool_2d", ws, stride, pad, ds, st, padding)
    return _pool("pool_2d", 2, input, ws, ignore_border, stride, pad, mode)


def pool_3d(input: Any, ws: Any = None, ignore_border: bool | None = None, stride: Any = None,
            pad: Any = (0, 0, 0), mode: str = "max", ds: Any = None, st: Any = None,
            padding: Any = None) -> TensorVariable:  # fmt: skip
    """`pool_2d` over the last three axes."""
    ws, stride, pad = _old_names("pool_3d", ws, stride, pad, ds, st, padding)
    return _pool("pool_3d", 3, input, ws, ignore_border, stride, pad, mode)


def max_pool_2d(input: Any, ds: Any, ignore_border: bool | None = None, st: Any = None,
                padding: Any = (0, 0), mode: str = "max") -> TensorVariable:  # fmt: skip
    """`pool_2d` under its old name and arguments: `T.signal.downsample.max_pool_2d`."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


def max_pool_2d_same_size(input: Any, patch_size: Any) -> TensorVariable:
    """`input` with everything set to 0 but the largest element of each patch of the last two axes
    (all of them, where several are the largest)."""
    x = as_tensor_variable(input)
    rows, cols = each("max_pool_2d_same_size: patch_size", patch_size, 2, 1)
    tops = pool_2d(x, (rows, cols))
    from .symbolic_join import repeat

    wide = repeat(repeat(tops, rows, x.ndim - 2), cols, x.ndim - 1)
    wide = wide[(Ellipsis, slice(None, x.shape[x.ndim - 2]), slice(None, x.shape[x.ndim - 1]))]
    same = wrap(fitted(Builder(here()), "max_pool_2d_same_size", wide.value, x.value.type.shape))
    return switch(elemwise("eq", x, same), x, 0)


# -- patches --------------------------------------------------------------------------------------


def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid"
                 ) -> TensorVariable:  # fmt: skip
    """A matrix with one row a patch of the images `ten4`, (batch, channels, rows, columns).

    Patches begin `neib_step` (None: `neib_shape`) apart. `mode` "valid": the images must be whole
    numbers of patches; "ignore_borders": what is left over is; "half", "full": zeros are put
    around.
    """
    x = as_tensor_variable(ten4)
    if x.ndim != 4:
        raise TypeError(at(f"images2neibs takes 4 dims, not {x.type}", here()))
    size = each("images2neibs: neib_shape", neib_shape, 2, 1)
    step = size if neib_step is None else each("images2neibs: neib_step", neib_step, 2, 1)
    if mode not in ("valid", "ignore_borders", "half", "full"):
        raise ValueError(at(f"images2neibs: mode {mode!r}; the modes are 'valid', "
                            "'ignore_borders', 'half' and 'full'", here()))  # fmt: skip
    b = Builder(here())
    v = x.value
    around = {"half": [s // 2 for s in size], "full": [s - 1 for s in size]}.get(mode, [0, 0])
    note = Note("images2neibs", (ref(x.value),),
                text="images2neibs: a patch is larger than the image")  # fmt: skip
    v = padded(b, v, [(a, a) for a in around], note)
    counts = []
    for i in range(2):
        count = floordiv(v.type.shape[2 + i] - size[i], step[i]) + 1
        if mode == "valid":
            goal = list(v.type.shape)
            goal[2 + i] = (count - 1) * step[i] + size[i]
            v = refine(b, v, tuple(goal), Note(
                "images2neibs", (ref(x.value),),
                text="images2neibs: the image is no whole number of patches"))  # fmt: skip
        counts.append(count)
    v = windows(b, v, size, counts, step, (1, 1), note)
    v = b.transpose(v, (0, 1, 4, 5, 2, 3))
    whole = product((*v.type.shape[:2], *counts))
    return wrap(b.reshape(v, (whole, size[0] * size[1])))


def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid"
                 ) -> TensorVariable:  # fmt: skip
    """The images of which `images2neibs`, with patches side by side, made these rows."""
    from .symbolic_sizes import sizes_of

    if mode != "valid":
        raise NotImplementedError(at("neibs2images: only the mode 'valid' can be turned back",
                                     here()))  # fmt: skip
    x = as_tensor_variable(neibs)
    size = each("neibs2images: neib_shape", neib_shape, 2, 1)
    shape = sizes_of("neibs2images", original_shape)
    if x.ndim != 2 or len(shape) != 4:
        raise ShapeError(at("neibs2images takes a matrix and a shape of 4 sizes", here()))
    rows, cols = (floordiv(n, s) for n, s in zip(shape[2:], size))
    b = Builder(here())
    from .symbolic_shape import reshape
    from .symbolic_sizes import dim

    six = reshape(x, [dim(d) for d in (*shape[:2], rows, cols, *size)])
    v = b.transpose(six.value, (0, 1, 2, 4, 3, 5))
    return reshape(wrap(v), [dim(d) for d in shape])


__all__ = ["max_pool_2d", "max_pool_2d_same_size", "pool_2d", "pool_3d"]
