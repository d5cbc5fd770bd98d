"""Derivatives of Python functions: grad, value_and_grad, vjp, jvp and what belongs to them.

Each traces its function inside the trace in progress, or in a new one that computes as it records,
and then asks `jitgrad.transforms` for a derivative or a batched version of the graph that came to
be. Nesting is nothing but calling one inside another: a transform differentiates by values that it
made itself (`identity` of its arguments), so levels cannot be confused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .errors import at as at_line
from .frontend.ops import cast, lift
from .frontend.pytree import LEAF, TreeDef, flatten, flatten_up_to, unflatten
from .frontend.source import here
from .frontend.trace import SCALAR, WEAK, Root, Tracer, activate, current, wrap
from .frontend.updates import At
from .ir.core import Value, function, reachable
from .ir.types import F64
from .levels import Inputs, check_callable, leave, leave_tree, level, stabilized
from .transforms import pullback, pushforward

Function = Callable[..., Any]


def _symbolic_grad(cost: Any, wrt: Any, options: tuple, named: dict[str, Any]) -> Any:
    """Theano's `grad(cost, wrt, …)`, which shares the name."""
    from .frontend.symbolic import TensorVariable
    from .gradient import grad as gradient_of

    cost = named.pop("cost", cost)
    known = cost is None and named.get("known_grads")
    if not (isinstance(cost, TensorVariable) or known):
        raise TypeError(f"grad takes a function or a symbolic variable, not {cost!r:.60}")
    return gradient_of(cost, named.pop("wrt", wrt), *options, **named)


def _split_aux(out: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"{name} with has_aux takes a function that gives a pair (result, aux)")
    return out


def _argnums(argnums: Any, argnum: Any) -> Any:
    return argnums if argnum is None else argnum


def _scalar_result(root: Root, y: Any, name: str) -> Tracer:
    if not isinstance(y, (Tracer, int, float, np.ndarray, np.generic)):
        raise TypeError(at_line(f"{name} takes a function with a scalar result, this one gave a "
                                f"{y.__class__.__name__}; use has_aux=True for more results",
                                here()))  # fmt: skip
    t = lift(y, root)
    loc = t.value.op.loc if t.value.op is not None else None
    if not all(root.compare(d, "eq", 1) for d in t.value.type.shape):
        shape = root.sizes(t.value.type.shape)
        raise TypeError(at_line(f"{name} takes a function with a scalar result, this one gave "
                                f"shape {shape}; use jacobian or elementwise_grad",
                                loc or here()))  # fmt: skip
    if not t.value.type.dtype.inexact:
        if y.__class__ is not Tracer or t.form == WEAK:
            return cast(t, F64)
        raise TypeError(at_line(f"{name} takes a function with a float result, this one gave "
                                f"{t.dtype.name}", loc or here()))  # fmt: skip
    return t


# -- reverse mode ---------------------------------------------------------------------------------


def value_and_grad(
    fun: Function, argnums: Any = 0, has_aux: bool = False, *, argnum: Any = None
) -> Function:
    """A function that gives `fun`'s result and its gradient by argument `argnums`.

    `argnums` (or `argnum`) is a number or a tuple of them; the gradient mirrors the argument, a
    pytree of floats. With `has_aux`, `fun` gives (result, aux) and the value is that pair.

    >>> value_and_grad(lambda x: x**3)(2.0)
    (np.float64(8.0), np.float64(12.0))
    """
    which = _argnums(argnums, argnum)
    check_callable(fun, "value_and_grad")

    @wraps(fun)
    def with_grad(*args: Any, **kwargs: Any) -> Any:
        with level("grad") as (root, bit):
            inputs = Inputs(root, bit, args, which, "grad")
            y, aux = _split_aux(fun(*inputs.args, **kwargs), has_aux, "grad")
            t = _scalar_result(root, y, "grad")
            (v,) = stabilized([t.value], inputs.made)
            root.b.loc = here()
            seed = root.const(1, v.type)
            cts = pullback([v], [seed], inputs.values, since=inputs.since)
            mask, seen = t.mask | inputs.mask, set[int]()
            grads = [inputs.result(c, p, mask, seen) for c, p in zip(cts, inputs.tracers)]
            form = SCALAR if t.form == WEAK and y.__class__ is not Tracer else t.form
            value = leave(root, wrap(root, v, t.mask, form), bit, seen)
            if has_aux:
                return (value, leave_tree(root, aux, bit)), inputs.tree(grads)
            return value, inputs.tree(grads)

    return with_grad


def grad(fun: Any = None, argnums: Any = 0, has_aux: Any = False, *args: Any, **kwargs: Any) -> Any:
    """The gradient of a function with a scalar result, as a function of the same arguments.

    `argnums` (or `argnum`) chooses arguments: a number or a tuple of numbers. The gradient has the
    structure, shapes and dtypes of the argument. With `has_aux` it comes as (gradient, aux).

    >>> grad(lambda x: x**2)(4.0)
    np.float64(8.0)

    Raises `TypeError` where the result is no scalar or an argument is no float. Given a symbolic
    variable this is `jitgrad.gradient.grad(cost, wrt)`.
    """
    if not callable(fun):
        options = (has_aux, *args) if args or has_aux is not False else ()
        return _symbolic_grad(fun, argnums, options, kwargs)
    which = _argnums(argnums, kwargs.pop("argnum", None))
    if args or kwargs:
        raise TypeError(f"grad got unexpected arguments {args or ''}{kwargs or ''}")
    both = value_and_grad(fun, which, has_aux)

    @wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return gradient


def grad_and_aux(fun: Function, argnums: Any = 0, *, argnum: Any = None) -> Function:
    """The gradient and the second result of `fun`, which gives (result, aux)."""
    return grad(fun, _argnums(argnums, argnum), True)


def elementwise_grad(fun: Function, argnums: Any = 0, *, argnum: Any = None) -> Function:
    """The gradient of the sum of `fun`'s results: the derivative of an elementwise function.

    >>> elementwise_grad(lambda x: x**2)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    which = _argnums(argnums, argnum)

    @wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        with level("elementwise_grad") as (root, bit):
            inputs = Inputs(root, bit, args, which, "elementwise_grad")
            t = lift(fun(*inputs.args, **kwargs), root)
            (v,) = stabilized([t.value], inputs.made)
            cts = pullback([v], [root.const(1, v.type)], inputs.values, since=inputs.since)
            mask, seen = t.mask | inputs.mask, set[int]()
            return inputs.tree(
                [inputs.result(c, p, mask, seen) for c, p in zip(cts, inputs.tracers)]
            )

    return derivative


def _cotangents(root: Root, outs: Sequence[Tracer], treedef: TreeDef, ct: Any) -> list[Tracer]:
    leaves = _mirrored(treedef, ct, "the cotangent", "the result")
    return [_like(root, lift(c, root), t, "a cotangent") for c, t in zip(leaves, outs)]


def _mirrored(treedef: TreeDef, tree: Any, what: str, like: str) -> list[Any]:
    """The leaves of a tree that has another's structure; its dicts may be in any order."""
    try:
        leaves = flatten_up_to(treedef, tree)
        if any(flatten(x)[1] is not LEAF for x in leaves):
            raise ValueError
        return leaves
    except ValueError:
        text = f"{what} has structure {flatten(tree)[1]}, {like} {treedef}"
        raise TypeError(at_line(text, here())) from None


def _like(root: Root, c: Tracer, t: Tracer, what: str) -> Tracer:
    """A tangent or cotangent with the type of its value."""
    have, want = c.value.type, t.value.type
    if have is want:
        return c
    fits = len(have.shape) == len(want.shape) and all(
        root.same_dim(a, b, what, lambda: f"{root.sizes(have.shape)} for {root.sizes(want.shape)}")
        for a, b in zip(have.shape, want.shape)
    )
    if not fits or not np.can_cast(have.dtype.np, want.dtype.np, "same_kind"):
        raise TypeError(at_line(f"{what} of type {have} for a value of type {want}", here()))
    v = root.refine(root.b.cast(c.value, want.dtype), want.shape)
    return wrap(root, v, c.mask, c.form)


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> tuple:
    """`fun(*primals)` and a function from a cotangent of the result to those of the arguments.

    >>> y, back = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> back(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    with level("vjp") as (root, bit):
        inputs = Inputs(root, bit, primals, range(len(primals)), "vjp")
        y, aux = _split_aux(fun(*inputs.args), has_aux, "vjp")
        leaves, treedef = flatten(y)
        outs = [lift(x, root) for x in leaves]
        values = stabilized([t.value for t in outs], inputs.made)
        outs = [wrap(root, v, t.mask, t.form) for v, t in zip(values, outs)]
        seen: set[int] = set()
        result = unflatten(treedef, [leave(root, t, bit, seen) for t in outs])
        mask = inputs.mask
        for t in outs:
            mask |= t.mask
        aux = leave_tree(root, aux, bit)

    def back(*cts: Any) -> Any:
        ct = cts[0] if len(cts) == 1 else cts
        now = current()
        if now is not None and now is not root:
            return inputs.tree(_replay(now, root, inputs, outs, treedef, ct))
        with activate(root):
            seeds = _cotangents(root, outs, treedef, ct)
            found = pullback([t.value for t in outs], [c.value for c in seeds], inputs.values,
                             since=inputs.since)  # fmt: skip
            every = mask
            for c in seeds:
                every |= c.mask
            mine: set[int] = set()
            grads = [inputs.result(c, p, every, mine) for c, p in zip(found, inputs.tracers)]
        return inputs.tree(grads)

    return (result, back, aux) if has_aux else (result, back)


def _replay(
    now: Root, root: Root, inputs: Inputs, outs: Sequence[Tracer], treedef: TreeDef, ct: Any
) -> list[Any]:
    """A pullback of a finished trace inside another: one call of its backward function."""
    seeds = _cotangents(now, outs, treedef, ct)
    places = [Value(t.value.type) for t in outs]
    found = pullback([t.value for t in outs], places, inputs.values, since=inputs.since)
    known = root.known
    for v in (t.value for t in outs):
        root.value(v)
    grads = [root.b.zeros(p.value.type) if c is None else c
             for c, p in zip(found, inputs.tracers)]  # fmt: skip
    ops = reachable(grads, known)
    needed = [*grads, *(v for op in ops for v in op.operands)]
    residuals = list({id(v): v for v in needed if v in known}.values())
    fn = function("pullback", [*places, *residuals], grads)
    given = [c.value for c in seeds] + [now.array(known[v]) for v in residuals]
    call = now.b.op("call", *given, callee=fn)
    mask = 0
    for c in seeds:
        mask |= c.mask
    return [wrap(now, r, mask, p.form) for r, p in zip(call.results, inputs.tracers)]


# -- forward mode ---------------------------------------------------------------------------------


def jvp(
    fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """`fun(*primals)` and its derivative in the direction `tangents`.

    >>> jvp(lambda x: x**2, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(at_line("jvp takes a tuple of primals and one of tangents, as in "
                                "jvp(f, (x,), (v,))", here()))  # fmt: skip
    with level("jvp") as (root, bit):
        inputs = Inputs(root, bit, primals, range(len(primals)), "jvp")
        treedef = flatten(tuple(primals))[1]
        given = _mirrored(treedef, tuple(tangents), "jvp: the tuple of tangents", "that of primals")
        dirs = [_like(root, lift(float(d) if d.__class__ is int else d, root), p, "a tangent")
                for d, p in zip(given, inputs.tracers)]  # fmt: skip
        y, aux = _split_aux(fun(*inputs.args), has_aux, "jvp")
        leaves, treedef = flatten(y)
        outs = [lift(x, root) for x in leaves]
        values = stabilized([t.value for t in outs], inputs.made)
        found = pushforward(values, inputs.values, [d.value for d in dirs], since=inputs.since)
        mask, seen = inputs.mask, set[int]()
        for t in (*outs, *dirs):
            mask |= t.mask
        primal = [leave(root, wrap(root, v, t.mask, t.form), bit, seen)
                  for v, t in zip(values, outs)]  # fmt: skip
        tangent = [
            leave(
                root, wrap(root, root.b.zeros(v.type) if d is None else d, mask, t.form), bit, seen
            )
            for d, v, t in zip(found, values, outs)
        ]
        result = unflatten(treedef, primal), unflatten(treedef, tangent)
        return (*result, leave_tree(root, aux, bit)) if has_aux else result


def at(x: Any) -> At:
    """`at(x)[index].set(values)`, `.add(values)` …: copies of `x` with elements replaced.

    What `x.at[index]` is for traced arrays, for NumPy's arrays too.

    >>> at(np.zeros(3))[1:].set(2.0)
    array([0., 2., 2.])
    """
    return At(x)


def stop_gradient(x: Any) -> Any:
    """`x`, held constant by derivatives; a pytree's leaves each."""
    leaves, treedef = flatten(x)
    out = []
    for leaf in leaves:
        if leaf.__class__ is Tracer:
            root = leaf.root
            root.b.loc = here()
            leaf = wrap(root, root.b("stop_gradient", leaf.value), 0, leaf.form)
        out.append(leaf)
    return unflatten(treedef, out)


__all__ = ["at", "elementwise_grad", "grad", "grad_and_aux", "jvp", "stop_gradient",
           "value_and_grad", "vjp"]  # fmt: skip
