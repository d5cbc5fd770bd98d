"""`T.utils`: small helpers on arrays and graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..frontend.symbolic import TensorVariable, wrap
from ..ir.core import reachable
from ..ir.dims import Dim, evaluate, symbols

__all__ = ["hash_from_ndarray", "shape_of_variables"]


def hash_from_ndarray(data: np.ndarray) -> str:
    """A hash of an array's dtype, shape and elements.

    >>> hash_from_ndarray(np.zeros(3)) == hash_from_ndarray(np.zeros((3, 1)))
    False
    """
    array = np.ascontiguousarray(data)
    digest = hashlib.sha256(f"{array.dtype.str}{np.shape(data)}".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


def shape_of_variables(
    fgraph: Any, input_shapes: Mapping[TensorVariable, Any]
) -> dict[TensorVariable, tuple[int, ...]]:
    """The shapes, in numbers, of all variables of a graph, given those of its inputs.

    `fgraph` is a compiled function's `maker.fgraph`, or anything with `inputs` and `outputs`.

    >>> import jitgrad.tensor as T
    >>> from jitgrad import function
    >>> x = T.dmatrix("x")
    >>> graph = function([x], T.dot(x, x.T)).maker.fgraph
    >>> shape_of_variables(graph, {graph.inputs[0]: (2, 3)})[graph.outputs[0]]
    (2, 2)

    Raises `ValueError` for an input without a shape, or with one that does not fit.
    """
    env: dict[str, int] = {}
    for x in fgraph.inputs:
        if x not in input_shapes:
            raise ValueError(f"the shape of the input {x!r} is missing")
        have = tuple(input_shapes[x])
        want = x.value.type.shape
        if len(have) != len(want):
            raise ValueError(f"the input {x!r} has {len(want)} dims, not {len(have)}")
        for n, d in zip(have, want):
            name = repr(d) if d.__class__ is Dim and repr(d) in symbols(d) else None
            if (env.setdefault(name, n) if name else d) != n:
                raise ValueError(f"the input {x!r} has shape {want}, which {have} does not fit")
    values = [v.value for v in (*fgraph.inputs, *fgraph.outputs)]
    values += [r for op in reachable(values) for r in op.results]
    return {wrap(v): tuple([evaluate(d, env) for d in v.type.shape]) for v in values}
