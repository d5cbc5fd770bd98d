"""Convolutions: windows of the image gathered side by side, and one product of matrices.

That is the im2col method (Chellapilla, Puri & Simard 2006). All sizes may be symbolic; gradients
come from those of the gather and the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

from ..errors import ShapeError, at
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.dims import DimLike, floordiv, nonnegative, product
from ..ir.types import I64, tensor
from .source import here
from .symbolic import TensorVariable, as_tensor_variable, wrap
from .symbolic_notes import Note, notes
from .symbolic_ops import _common, match
from .symbolic_shape import specify_shape
from .symbolic_sizes import size_of

Pads = list[tuple[DimLike, DimLike]]


def each(what: str, given: Any, rank: int, least: int = 0) -> list[int]:
    """One int a spatial axis, from an int or a list."""
    parts = list(given) if isinstance(given, (tuple, list)) else [given] * rank
    out = []
    for p in parts:
        n = size_of(p, what)
        if n.__class__ is not int or n < least:
            raise ValueError(at(f"{what} is an int of at least {least} an axis, not {given!r}",
                                here()))  # fmt: skip
        out.append(n)
    if len(out) != rank:
        raise ValueError(at(f"{what}: {len(out)} numbers for {rank} axes", here()))
    return out


def pads_of(what: str, border_mode: Any, reach: Sequence[DimLike]) -> Pads:
    """What is put before and behind each spatial axis; `reach` is the filter's size less 1."""
    rank = len(reach)
    if isinstance(border_mode, str):
        if border_mode == "valid":
            return [(0, 0)] * rank
        if border_mode == "full":
            return [(r, r) for r in reach]
        if border_mode == "half":
            return [(floordiv(r + 1, 2), floordiv(r + 1, 2)) for r in reach]
        raise ValueError(at(f"{what}: border_mode is 'valid', 'full', 'half', an int, or one int "
                            f"or pair an axis, not {border_mode!r}", here()))  # fmt: skip
    if isinstance(border_mode, (tuple, list)):
        if len(border_mode) != rank:
            raise ValueError(at(f"{what}: border_mode {border_mode!r} for {rank} axes", here()))
        out: Pads = []
        for p in border_mode:
            pair = each(f"{what}: border_mode", p if isinstance(p, (tuple, list)) else [p, p], 2)
            out.append((pair[0], pair[1]))
        return out
    (n,) = each(f"{what}: border_mode", border_mode, 1)
    return [(n, n)] * rank


def padded(b: Builder, v: Value, pads: Sequence[tuple[DimLike, DimLike]], note: Note,
           edge: Any = 0, gaps: Sequence[int] | None = None) -> Value:  # fmt: skip
    """The last axes of `v` with `edge` before and behind, and (`gaps`) between their elements.

    What is put before and behind is not negative: that is checked at the call where it must be.
    """
    gaps = gaps or [0] * len(pads)
    if not any(gaps) and all(d.__class__ is int and d == 0 for p in pads for d in p):
        return v
    lead = v.type.rank - len(pads)
    out = b("pad", v, b.const(edge, tensor(v.type.dtype, ())),
            lo=(*(0,) * lead, *[p[0] for p in pads]), hi=(*(0,) * lead, *[p[1] for p in pads]),
             interior=(*(0,) * lead, *gaps))  # fmt: skip
    notes[out] = note
    return out


def windows(b: Builder, v: Value, sizes: Sequence[DimLike], counts: Sequence[DimLike],
            steps: Sequence[int], apart: Sequence[int], note: Note) -> Value:  # fmt: skip
    """The last axes of `v`, as many as there are sizes, in windows: one gather from all of them
    seen as one. They become the axes of a window's elements, then those of the windows.

    Along each, windows have `sizes` elements, `apart` apart; `counts` of them begin `steps` apart.
    """
    rank = len(sizes)
    lead, inner = v.type.shape[: v.type.rank - rank], v.type.shape[v.type.rank - rank :]
    type_ = tensor(I64, (*sizes, *counts))
    place = None
    for i, n in enumerate(inner):
        first, inside = b("iota", type=type_, axis=rank + i), b("iota", type=type_, axis=i)
        notes[first] = notes[inside] = note
        here_ = b.add(
            b.mul(first, b.const(steps[i], type_)), b.mul(inside, b.const(apart[i], type_))
        )
        if place is not None:
            wide = b.const(n, type_) if isinstance(n, int) else b.broadcast(
                b("dim", expr=n), type_.shape, ())  # fmt: skip
            here_ = b.add(b.mul(place, wide), here_)
        place = here_
    assert place is not None
    return b("gather", b.reshape(v, (*lead, product(inner))), place, axis=len(lead))


def _hinted(x: TensorVariable, shape: Any) -> TensorVariable:
    """`x` with the sizes that a shape hint knows."""
    if shape is None:
        return x
    if len(shape) != x.ndim:
        raise ShapeError(at(f"a shape hint of {len(shape)} sizes for {x!r} of {x.ndim} dims",
                            here()))  # fmt: skip
    return specify_shape(x, list(shape))


def _conv(what: str, rank: int, input: Any, filters: Any, input_shape: Any, filter_shape: Any,
          border_mode: Any, subsample: Any, filter_flip: bool, dilation: Any, num_groups: int,
          unshared: bool = False) -> TensorVariable:  # fmt: skip
    x = _hinted(as_tensor_variable(input), input_shape)
    w = _hinted(as_tensor_variable(filters), filter_shape)
    inner = 1 + rank + (rank if unshared else 0)
    if x.ndim != rank + 2 or w.ndim != 1 + inner:
        raise ShapeError(at(f"{what} takes an input of {rank + 2} dims and filters of {1 + inner}, "
                            f"not {x.type} and {w.type}", here()))  # fmt: skip
    b = Builder(here())
    dtype = _common((x.value.type.dtype, w.value.type.dtype), ())
    v, f = b.cast(x.value, dtype), b.cast(w.value, dtype)
    steps = each(f"{what}: subsample", subsample, rank, 1)
    apart = each(f"{what}: filter_dilation", dilation, rank, 1)
    groups = each(f"{what}: num_groups", num_groups, 1, 1)[0]
    place = 1 + (rank if unshared else 0)  # of the input channels among the filters' axes
    if groups == 1:
        f = match(b, what, (v, f), [(1, place)])
    elif unshared:
        raise NotImplementedError(at(f"{what}: unshared filters in groups are not there yet",
                                     b.loc))  # fmt: skip
    channels: DimLike = f.type.shape[place]
    kernel = f.type.shape[place + 1 :]
    out_channels = f.type.shape[0]
    if groups > 1:
        for n, which in ((out_channels, "filters"), (v.type.shape[1], "channels")):
            if n.__class__ is int and n % groups:
                raise ShapeError(at(f"{what}: {n} {which} in {groups} groups", b.loc))
        goal = (v.type.shape[0], channels * groups, *v.type.shape[2:])
        v = specify_shape(wrap(v), goal).value if goal != v.type.shape else v
    reach = [a * (k - 1) for a, k in zip(apart, kernel)]
    pads = pads_of(what, border_mode, reach)
    if filter_flip:
        f = b("reverse", f, axes=tuple(range(place + 1, f.type.rank)))
    text = f"{what}: the filter is larger than the (padded) image"
    note = Note(what, (ref(x.value), ref(w.value)), text=text)
    v = padded(b, v, pads, note._replace(text=f"{what}: the filter has no elements"))
    counts = []
    for i in range(rank):
        n = floordiv(v.type.shape[2 + i] - reach[i] - 1, steps[i]) + 1
        if isinstance(n, int) and n < 0:
            raise ShapeError(at(f"{text}: {kernel} and {x.value.type.shape[2:]}", b.loc))
        counts.append(n)
    v = windows(b, v, kernel, counts, steps, apart, note)
    kerns, outs = range(2, 2 + rank), range(2 + rank, 2 + 2 * rank)
    batch = v.type.shape[0]
    spots = product(counts)
    depth = channels * product(kernel)
    if unshared:
        v = b.reshape(b.transpose(v, (*outs, 0, 1, *kerns)), (spots, batch, depth))
        g = match(b, what, (b.zeros(tensor(dtype, tuple(counts))), f),
                  [(i, 1 + i) for i in range(rank)])  # fmt: skip
        order = (*range(1, 1 + rank), *range(1 + rank, f.type.rank), 0)
        g = b.reshape(b.transpose(g, order), (spots, depth, out_channels))
        out = b.reshape(b("matmul", v, g, ta=False, tb=False), (*counts, batch, out_channels))
        return wrap(b.transpose(out, (rank, rank + 1, *range(rank))))
    each_out = floordiv(out_channels, groups)
    v = b.reshape(v, (batch, groups, depth, spots))
    f = b.reshape(f, (groups, each_out, depth))
    f = b.broadcast(f, (batch, groups, each_out, depth), (1, 2, 3))
    if groups == 1:
        v, f = (b.reshape(u, (batch, *u.type.shape[2:])) for u in (v, f))
    out = b("matmul", f, v, ta=False, tb=False)
    return wrap(b.reshape(out, (batch, out_channels, *counts)))


def conv2d(input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None,
           border_mode: Any = "valid", subsample: Any = (1, 1), filter_flip: bool = True,
           image_shape: Any = None, filter_dilation: Any = (1, 1), num_groups: int = 1,
           unshared: bool = False, **kwargs: Any) -> TensorVariable:  # fmt: skip
    """A stack of images convolved with a set of filters.

    input            (batch, channels, rows, columns)
    filters          (filters, channels / num_groups, filter rows, filter columns), with the rows
                     and columns of the output after the first for `unshared`
    input_shape, filter_shape  what is known of these, None for a size that is not; checked
    border_mode      "valid": where the filter fits; "full": wherever it overlaps; "half": padded by
                     half the filter; an int, one int an axis, or a pair (before, behind) an axis:
                     so many zeros
    subsample        how far apart the filter is put down
    filter_flip      True for a convolution, False for a correlation
    filter_dilation  how far apart a filter's elements lie

    The result is (batch, filters, output rows, output columns).

    >>> import jitgrad.tensor as T
    >>> image, edge = T.arange(9.0).reshape((1, 1, 3, 3)), T.constant([[[[1.0, -1.0]]]])
    >>> T.nnet.conv2d(image, edge).eval()[0, 0]
    array([[1., 1.],
           [1., 1.],
           [1., 1.]])

    Raises `ShapeError` for another number of channels, and for a filter larger than the image.
    """
    if kwargs:
        raise TypeError(at(f"conv2d has no argument {sorted(kwargs)[0]!r}", here()))
    if image_shape is not None:
        input_shape = image_shape
    return _conv("conv2d", 2, input, filters, input_shape, filter_shape, border_mode, subsample,
                 filter_flip, filter_dilation, num_groups, unshared)  # fmt: skip


def conv3d(input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None,
           border_mode: Any = "valid", subsample: Any = (1, 1, 1), filter_flip: bool = True,
           filter_dilation: Any = (1, 1, 1), num_groups: int = 1) -> TensorVariable:  # fmt: skip
    """`conv2d` with one more spatial axis, the depth, in front of rows and columns."""
    return _conv("conv3d", 3, input, filters, input_shape, filter_shape, border_mode, subsample,
                 filter_flip, filter_dilation, num_groups)  # fmt: skip


def conv1d(input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None,
           border_mode: Any = "valid", subsample: Any = (1,), filter_flip: bool = True,
           filter_dilation: Any = (1,), num_groups: int = 1) -> TensorVariable:  # fmt: skip
    """`conv2d` with one spatial axis."""
    return _conv("conv1d", 1, input, filters, input_shape, filter_shape, border_mode, subsample,
                 filter_flip, filter_dilation, num_groups)  # fmt: skip


def conv2d_transpose(input: Any, filters: Any, output_shape: Any, filter_shape: Any = None,
                     border_mode: Any = "valid", input_dilation: Any = (1, 1),
                     filter_flip: bool = True, filter_dilation: Any = (1, 1), num_groups: int = 1,
                     unshared: bool = False) -> TensorVariable:  # fmt: skip
    """What `conv2d` does to a gradient: the map from its output back to its input.

    input           (batch, filters, rows, columns), the shape of a `conv2d`'s output
    filters         (filters, channels, filter rows, filter columns), as that `conv2d` has them
    output_shape    (batch, channels, output rows, output columns) of the result, its input; batch
                    and channels may be None
    input_dilation  its `subsample`
    """
    what = "conv2d_transpose"
    if num_groups != 1 or unshared:
        raise NotImplementedError(at(f"{what}: groups and unshared filters are not there yet",
                                     here()))  # fmt: skip
    y = as_tensor_variable(input)
    w = _hinted(as_tensor_variable(filters), filter_shape)
    if y.ndim != 4 or w.ndim != 4 or len(output_shape) != 4:
        raise ShapeError(at(f"{what} takes tensors of 4 dims and 4 sizes, not {y.type}, {w.type}",
                            here()))  # fmt: skip
    b = Builder(here())
    steps = each(f"{what}: input_dilation", input_dilation, 2, 1)
    apart = each(f"{what}: filter_dilation", filter_dilation, 2, 1)
    kernel = w.value.type.shape[2:]
    reach = [a * (k - 1) for a, k in zip(apart, kernel)]
    pads = pads_of(what, border_mode, reach)
    goal = [size_of(s, f"{what}: a size of the output") for s in output_shape[2:]]
    known = list(y.value.type.shape)
    around: Pads = []
    for i in range(2):
        before, behind = pads[i]
        known[2 + i] = floordiv(goal[i] + before + behind - reach[i] - 1, steps[i]) + 1
        lo = reach[i] - before
        if not (isinstance(border_mode, str) or nonnegative(lo)):
            raise ShapeError(at(f"{what}: border_mode {border_mode!r} must be a mode by name, or "
                                "at most the filter's size less 1, which filter_shape tells",
                                b.loc))  # fmt: skip
        around.append((lo, goal[i] + reach[i] - lo - ((known[2 + i] - 1) * steps[i] + 1)))
    v = specify_shape(y, known).value
    note = Note(what, (ref(y.value), ref(w.value)), text=f"{what}: the filter has no elements")
    v = padded(b, v, around, note, gaps=[s - 1 for s in steps])
    turned = w.dimshuffle(1, 0, 2, 3)
    out = _conv(what, 2, wrap(v), turned, None, None, "valid", (1, 1), not filter_flip, apart, 1)
    shape = [*output_shape[:2], *goal]
    return specify_shape(out, [None if s is None or s == -1 else s for s in shape[:2]] + goal)


def conv2d_signal(input: Any, filters: Any, image_shape: Any = None, filter_shape: Any = None,
                  border_mode: Any = "valid", subsample: Any = (1, 1), **kargs: Any
                  ) -> TensorVariable:  # fmt: skip
    """Images, each convolved with every filter: `T.signal.conv.conv2d`.

    A matrix is one image or filter, a tensor of 3 dims several. The result has an axis for each of
    the two that has several: (images, filters, rows, columns).
    """
    x, w = as_tensor_variable(input), as_tensor_variable(filters)
    if x.ndim not in (2, 3) or w.ndim not in (2, 3):
        raise ShapeError(at(f"conv2d takes matrices or tensors of 3 dims, not {x.type} and "
                            f"{w.type}", here()))  # fmt: skip
    x, w = _hinted(x, image_shape), _hinted(w, filter_shape)
    one = x if x.ndim == 3 else x.dimshuffle("x", 0, 1)
    other = w if w.ndim == 3 else w.dimshuffle("x", 0, 1)
    out = conv2d(one.dimshuffle(0, "x", 1, 2), other.dimshuffle(0, "x", 1, 2),
                 border_mode=border_mode, subsample=subsample)  # fmt: skip
    if w.ndim == 2:
        out = out[:, 0]
    return out[0] if x.ndim == 2 else out


__all__ = ["conv1d", "conv2d", "conv2d_transpose", "conv3d"]
