"""`vmap`: a function of one element over an axis of its arguments, all elements at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .errors import at
from .frontend.ops import lift
from .frontend.pytree import broadcast_prefix, flatten, unflatten
from .frontend.source import here
from .frontend.trace import ARRAY, SCALAR, Root, Tracer, wrap
from .ir.core import Value, serial
from .ir.dims import DimLike
from .levels import check_callable, leave, level
from .transforms import batch


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """`fun` over a leading (or chosen) axis of its arguments, all elements at once.

    `in_axes`: an int, None (not mapped), or a tuple with one of those, or a pytree of them, for
    each argument; `out_axes` the same for the results.

    >>> import numpy as np
    >>> vmap(lambda x, y: x * y, in_axes=(0, None))(np.arange(3.0), 2.0)
    array([0., 2., 4.])
    """

    check_callable(fun, "vmap")

    @wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        with level("vmap") as (root, bit):
            leaves, treedef = flatten((args, kwargs))
            prefix = tuple(in_axes) if isinstance(in_axes, list) else in_axes
            axes = broadcast_prefix(prefix, treedef.children[0], "in_axes")
            axes += [0] * (treedef.leaves - len(axes))
            since = serial()
            params, fronts, inner, size = _batched_inputs(root, bit, leaves, axes)
            new_args, new_kwargs = unflatten(treedef, inner)
            y = fun(*new_args, **new_kwargs)
            outs, out_tree = flatten(y)
            tracers = [lift(t, root) for t in outs]
            root.b.loc = here()
            found = batch([t.value for t in tracers], params, fronts, size, since=since)
            out_prefix = tuple(out_axes) if isinstance(out_axes, list) else out_axes
            to = broadcast_prefix(out_prefix, out_tree, "out_axes")
            seen: set[int] = set()
            results = [
                leave(root, _place(root, v, flag, size, axis, t), bit, seen)
                for (v, flag), t, axis in zip(found, tracers, to)
            ]
            return unflatten(out_tree, results)

    return mapped


def _batched_inputs(
    root: Root, bit: int, leaves: Sequence[Any], axes: Sequence[Any]
) -> tuple[list[Value], list[Value], list[Any], DimLike]:
    params, fronts, inner = [], [], []
    size: DimLike | None = None
    root.b.loc = here()
    for x, axis in zip(leaves, axes):
        if axis is None:
            inner.append(x)
            continue
        t = lift(x, root)
        shape = t.value.type.shape
        if not -len(shape) <= axis < len(shape):
            raise ValueError(at(f"vmap over axis {axis} of an argument of shape "
                                f"{root.sizes(shape)}", here()))  # fmt: skip
        axis %= len(shape)
        n = shape[axis]
        if size is None:
            size = n
        elif not root.same_dim(size, n, "vmap", lambda: "the mapped axes differ in size"):
            a, c = root.sizes((size, n))
            raise ValueError(at(f"vmap: the mapped axes differ in size: {a} and {c}", here()))
        front = root.b.transpose(t.value, (axis, *(i for i in range(len(shape)) if i != axis)))
        front = root.refine(front, (size, *front.type.shape[1:]))
        v = Value(t.value.type.with_shape(front.type.shape[1:]))
        root.unknown.add(v)
        params.append(v)
        fronts.append(front)
        inner.append(Tracer(v, root, ARRAY if v.type.shape else SCALAR, t.mask | bit))
    if size is None:
        raise ValueError(at("vmap maps no argument: all of in_axes are None", here()))
    return params, fronts, inner, size


def _place(root: Root, v: Value, flag: bool, size: DimLike, axis: Any, t: Tracer) -> Tracer:
    if axis is None:
        if flag:
            raise ValueError(at("vmap: out_axes is None for a result that is mapped", here()))
        return wrap(root, v, t.mask, t.form)
    if not flag:
        v = root.b.broadcast_front(v, size)
    rank = v.type.rank
    if not -rank <= axis < rank:
        raise ValueError(at(f"vmap: out_axes {axis} for a result of rank {rank}", here()))
    rest = list(range(1, rank))
    rest.insert(axis % rank, 0)
    return wrap(root, root.b.transpose(v, rest), t.mask, ARRAY)
