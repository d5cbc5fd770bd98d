"""Jacobians of symbolic variables and products with them: `jacobian`, `hessian`, `Rop`, `Lop` …"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import NotDifferentiableError, NullTypeGradError, at
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .ir.build import Builder
from .ir.core import Value
from .ir.types import tensor
from .symbolic_derive import connected, derive_jacobian, derive_rop, float_like
from .symbolic_grad import (
    cotangent,
    grad,
    like,
    onto,
    option,
    report_disconnected,
    variables,
    with_recipe,
    zeros_like,
)

__all__ = ["Lop", "Rop", "format_as", "hessian", "hessian_vector_product", "jacobian",
           "subgraph_grad"]  # fmt: skip


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """`outputs` as a list or as a tuple; with neither flag the only one of them.

    >>> format_as(True, False, 1), format_as(False, True, [1, 2]), format_as(False, False, [1])
    ([1], (1, 2), 1)
    """
    if use_list and use_tuple:
        raise ValueError("format_as: a list or a tuple, not both")
    several = isinstance(outputs, (list, tuple))
    if use_list or use_tuple:
        found = outputs if several else [outputs]
        return list(found) if use_list else tuple(found)
    if not several:
        return outputs
    if len(outputs) != 1:
        raise ValueError(f"format_as: one output is wanted, not {len(outputs)}")
    return outputs[0]


# -- products with Jacobians ----------------------------------------------------------------------


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "ignore",
    return_disconnected: str | None = "zero",
) -> Any:
    """The Jacobian of `f` by `wrt` times `eval_points`, in forward mode: the answer mirrors `f`.

    `wrt` is a variable or a list of them, `eval_points` one of the same shape for each (None: no
    change). Computed without the Jacobian, at about the cost of `f`.

    disconnected_outputs  what to do where an output does not depend on `wrt`: "ignore", "warn" or
                          "raise" `DisconnectedInputError`
    return_disconnected   its derivative: "zero", or "none" (None)

    >>> import jitgrad.tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> Rop(x**2, x, v).eval({x: [1.0, 2.0], v: [1.0, 10.0]})
    array([ 2., 40.])

    Raises `ValueError` for an evaluation point of another number of dims, and for more or fewer of
    them than `wrt`; `NullTypeGradError` where the derivative is not defined.
    """
    loc = here()
    missing = option("return_disconnected", return_disconnected, ("zero", "none"))
    option("disconnected_outputs", disconnected_outputs, ("ignore", "warn", "raise"))
    outputs = variables(f, "f", loc)
    by = variables(wrt, "wrt", loc)
    points = list(eval_points) if isinstance(eval_points, (list, tuple)) else [eval_points]
    if len(by) != len(points):
        raise ValueError(at(f"Rop: {len(by)} variables in wrt, but {len(points)} evaluation "
                            "points", loc))  # fmt: skip
    known = [(w.value, _point(k, w, p)) for k, (w, p) in enumerate(zip(by, points))
             if p is not None]  # fmt: skip
    try:
        found = with_recipe(derive_rop, None, [v.value for v in outputs], (), known)
    except NotDifferentiableError as err:
        raise NullTypeGradError(str(err)) from None
    out: list[Any] = []
    ends = [w for w, _ in known]
    for v, t in zip(outputs, found):
        if t is not None:
            out.append(wrap(t))
            continue
        met = connected([v.value], ends) | {id(v.value)}
        alone = met.isdisjoint(map(id, ends))
        if alone:
            report_disconnected(v, disconnected_outputs, loc)
        out.append(None if alone and missing == "none" else zeros_like(v.value, False))
    return like(f, out)


def _point(k: int, w: TensorVariable, point: Any) -> Value:
    """An evaluation point in the shape of what it is for, and in a float dtype."""
    b = Builder(here())
    p = as_tensor_variable(point)
    if p.ndim != w.ndim:
        raise ValueError(at(f"Element {k} of wrt/eval_point have mismatched dimensionality: "
                            f"{w.ndim} versus {p.ndim}", b.loc))  # fmt: skip
    return b.cast(onto(b, "Rop", w, p.value), float_like(w.value))


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Iterable[TensorVariable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """`eval_points` times the Jacobian of `f` by `wrt`, in reverse mode: the answer mirrors `wrt`.

    `eval_points` has a variable of the shape of each output in `f`.

    >>> import jitgrad.tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> Lop(x**2, x, v).eval({x: [1.0, 2.0], v: [1.0, 10.0]})
    array([ 2., 40.])

    Raises `ValueError` for more or fewer evaluation points than outputs, and what `grad` raises.
    """
    outputs = variables(f, "f", here())
    points = list(eval_points) if isinstance(eval_points, (list, tuple)) else [eval_points]
    if len(outputs) != len(points):
        raise ValueError(at(f"Lop: {len(outputs)} outputs, but {len(points)} evaluation points",
                            here()))  # fmt: skip
    known: dict[TensorVariable, Any] = {}
    for v, p in zip(outputs, points):  # an output that is named twice has both
        known[v] = known[v] + p if v in known else p
    return grad(None, wrt, consider_constant, disconnected_inputs, known_grads=known)


# -- whole Jacobians ------------------------------------------------------------------------------


def jacobian(
    expression: Any,
    wrt: Any,
    consider_constant: Iterable[TensorVariable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The derivatives of a vector `expression` by `wrt`: one for a variable, a list for a list.

    That by `x` has the shape (length of `expression`, *shape of `x`); row i is the gradient of
    element i. All rows are computed at once, in reverse mode. Of a scalar it is `grad`.

    >>> import jitgrad.tensor as T
    >>> x = T.dvector("x")
    >>> jacobian(x**2, x).eval({x: [4.0, 5.0]})
    array([[ 8.,  0.],
           [ 0., 10.]])

    Raises `TypeError` for an expression that is no variable, `ValueError` for one of more than one
    dim (`.flatten()` makes a vector of it), and what `grad` raises.
    """
    loc = here()
    if not isinstance(expression, TensorVariable):
        raise TypeError(at("jacobian expects a variable as expression, not "
                           f"{type(expression).__name__}", loc))  # fmt: skip
    if expression.ndim > 1:
        raise ValueError(at(f"jacobian expects a vector as expression, not {expression.type}; "
                            "expression.flatten() makes a vector of it", loc))  # fmt: skip
    option("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    if expression.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    by = variables(wrt, "wrt", loc)
    constants = [v.value for v in variables(list(consider_constant or ()), "consider_constant",
                                            loc)]  # fmt: skip
    root = expression.value
    try:
        found = with_recipe(derive_jacobian, root, [w.value for w in by], constants)
    except NotDifferentiableError as err:
        raise NullTypeGradError(str(err)) from None
    flat = connected([root], constants) | {id(root)}
    out = []
    for w, j in zip(by, found):
        if j is None:
            if id(w.value) not in flat:
                report_disconnected(w, disconnected_inputs, loc)
            b, t = Builder(loc), w.value.type
            j = b.zeros(tensor(float_like(w.value), (*root.type.shape, *t.shape)))
        out.append(wrap(j))
    return like(wrt, out)


def hessian(
    cost: Any,
    wrt: Any,
    consider_constant: Iterable[TensorVariable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The matrices of second derivatives of a scalar `cost` by vectors `wrt`, by each alone.

    >>> import jitgrad.tensor as T
    >>> x = T.dvector("x")
    >>> hessian((x**3).sum(), x).eval({x: [1.0, 2.0]})
    array([[ 6.,  0.],
           [ 0., 12.]])

    Raises `TypeError` for what is no variable, `ValueError` for a cost that is not scalar and for a
    `wrt` that is no vector.
    """
    loc = here()
    if not isinstance(cost, TensorVariable):
        raise TypeError(at(f"hessian expects a variable as cost, not {type(cost).__name__}", loc))
    if cost.ndim:
        raise ValueError(at(f"hessian expects a scalar as cost, not {cost.type}", loc))
    by = variables(wrt, "wrt", loc)
    for w in by:
        if w.ndim != 1:
            raise ValueError(at(f"hessian expects vectors as wrt, not {w!r}, {w.type}", loc))
    fixed = list(consider_constant or ())
    slopes = grad(cost, by, fixed, disconnected_inputs)
    # a gradient may be connected where its own gradient is not: that is no error
    return like(wrt, [jacobian(g, w, fixed, "ignore") for g, w in zip(slopes, by)])


def hessian_vector_product(cost: Any, wrt: Any, p: Any, **gradoptions: Any) -> Any:
    """The Hessian of a scalar `cost` times `p`, without the Hessian: the answer mirrors `wrt`.

    `wrt` may have any number of dims; `p` has a variable of the shape of each. Of several, the
    mixed derivatives count too. `gradoptions` are handed to `grad`.

    >>> import jitgrad.tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> hessian_vector_product((x**3).sum(), x, v).eval({x: [1.0, 2.0], v: [1.0, 10.0]})
    array([  6., 120.])

    Raises `ValueError` for more or fewer of `p` than of `wrt`.
    """
    by = variables(wrt, "wrt", here())
    points = list(p) if isinstance(p, (list, tuple)) else [p]
    if len(by) != len(points):
        raise ValueError(at(f"hessian_vector_product: {len(by)} variables in wrt, but "
                            f"{len(points)} in p", here()))  # fmt: skip
    slopes = grad(cost, by, **gradoptions)
    total: Any = None
    for g, w, v in zip(slopes, by, points):
        term = (g * wrap(cotangent("hessian_vector_product", w, v))).sum()
        total = term if total is None else total + term
    if total is None:
        return like(wrt, [])
    return grad(total, wrt, **{"disconnected_inputs": "ignore", **gradoptions})


# -- pieces of a gradient -------------------------------------------------------------------------


def subgraph_grad(
    wrt: Sequence[TensorVariable],
    end: Sequence[TensorVariable],
    start: Mapping[TensorVariable, Any] | None = None,
    cost: Any = None,
    details: bool = False,
) -> tuple[Any, ...]:
    """The gradients by `wrt` and by `end` of a part of a graph: a pair of lists.

    end      where the part ends: nothing is propagated through these variables
    start    gradients by the variables where it starts, as an earlier call gave them for its `end`
    cost     a cost of this part beside `start`, or alone
    details  add the gradients by `wrt` that come from `start`, and those that come from `cost`

    So a network is differentiated layer by layer, or with a formula of one's own in between. What
    is disconnected has the gradient 0.

    >>> import jitgrad.tensor as T
    >>> x, w, v = T.dscalars("x", "w", "v")
    >>> hidden = x * w
    >>> (gv,), back = subgraph_grad([v], [hidden], cost=(hidden * v) ** 2)
    >>> (gw,), _ = subgraph_grad([w], [x], start=dict(zip([hidden], back)))
    >>> gw.eval({x: 1.0, w: 2.0, v: 3.0}), T.grad((hidden * v) ** 2, w).eval(
    ...     {x: 1.0, w: 2.0, v: 3.0})
    (array(36.), array(36.))

    Raises `TypeError` where `wrt` and `end` are no lists, `ValueError` with neither `start` nor
    `cost`.
    """
    loc = here()
    if cost is None and start is None:
        raise ValueError(at("`cost` or `start` must be specified.", loc))
    if not isinstance(wrt, list) or not isinstance(end, list):
        raise TypeError(at("subgraph_grad takes lists of variables as wrt and end", loc))
    if start is not None and not isinstance(start, Mapping):
        raise TypeError(at(f"start is a dict of variables, not {type(start).__name__}", loc))
    params = list(dict.fromkeys([*variables(wrt, "wrt", loc), *variables(end, "end", loc)]))
    parts = []
    if start is not None:
        parts.append(grad(None, params, end, "ignore", known_grads=start))
    else:
        parts.append(None)
    parts.append(None if cost is None else grad(cost, params, end, "ignore"))
    there = [p for p in parts if p is not None]
    total = there[0] if len(there) == 1 else [a + c for a, c in zip(*there)]
    found = dict(zip(params, total))
    out = [found[w] for w in wrt], [found[e] for e in end]
    if not details:
        return out
    places = [params.index(w) for w in wrt]
    return (*out, *(p and [p[k] for k in places] for p in parts))
