"""The transforms of Python functions: grad, jvp, vjp, jacobians, vmap … (`jit` is in `traced`).

Each traces its function inside the trace in progress, or in a new one that computes as it records,
and then asks `jitgrad.transforms` for a derivative or a batched version of the graph that came to
be. Nesting is nothing but calling one inside another: a transform differentiates by values that it
made itself (`identity` of its arguments), so levels cannot be confused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from . import numpy as _numpy  # noqa: F401  (fills the tables that tracers' methods look into)
from .errors import JitgradError, at
from .frontend.ops import cast, lift, result_dtype
from .frontend.pytree import TreeDef, broadcast_prefix, flatten, unflatten
from .frontend.source import here, without_our_frames
from .frontend.trace import ARRAY, SCALAR, WEAK, Root, Tracer, activate, current, wrap
from .ir.core import Value, function, reachable, serial
from .ir.dims import DimLike
from .ir.types import F64, TensorType, dtype_of, tensor
from .passes.stabilize import stabilize_values
from .transforms import batch, pullback, pushforward

Function = Callable[..., Any]
_symbolic: list[Callable[..., Any]] = []


def register_symbolic_grad(fn: Callable[..., Any]) -> None:
    """What `grad` calls when its first argument is no callable: Theano's `grad(cost, wrt)`."""
    _symbolic[:] = [fn]


# -- levels: entering and leaving a transform -----------------------------------------------------


@contextmanager
def _level(name: str) -> Iterator[tuple[Root, int]]:
    """The trace in progress, or a new one, with a bit for what this transform's values reach."""
    root = current()
    outermost = root is None
    if root is None:
        root = Root("eager")
    bit = 1 << root.depth
    root.depth += 1
    try:
        if outermost:
            with activate(root):
                yield root, bit
        else:
            yield root, bit
    except JitgradError as err:
        raise without_our_frames(err) from None if outermost else err
    finally:
        root.depth -= 1


def leave(root: Root, x: Any, bit: int, seen: set[int] | None = None) -> Any:
    """A result of a transform: a NumPy value where nothing around it is traced, else a tracer."""
    if x.__class__ is not Tracer:
        return x
    mask = x.mask & ~bit
    if root.kind == "eager" and not mask:
        got = root.value(x.value)
        if got is not None:
            return to_numpy(got, x.form, x.value, seen)
    return Tracer(x.value, root, x.form, mask)


_SHARED = frozenset({"constant", "identity", "stop_gradient", "refine"})


def to_numpy(array: Any, form: int, v: Value, seen: set[int] | None = None) -> Any:
    """A fresh, writable array, or a NumPy scalar."""
    if form != ARRAY:
        return np.asarray(array).reshape(())[()]
    array = np.asarray(array)
    shared = v.op is None or v.op.name in _SHARED or not array.flags.owndata
    if shared or not array.flags.writeable or (seen is not None and id(array) in seen):
        array = array.copy()
    if seen is not None:
        seen.add(id(array))
    return array


def _leave_tree(root: Root, tree: Any, bit: int) -> Any:
    leaves, treedef = flatten(tree)
    seen: set[int] = set()
    return unflatten(treedef, [leave(root, x, bit, seen) for x in leaves])


def stabilized(values: Sequence[Value], since: int) -> list[Value]:
    """The primal graph made since `since` with the numerically stable forms put in."""
    return stabilize_values(reachable(values, since=since), values)


def _float_leaf(root: Root, x: Any, what: str, name: str) -> Tracer:
    """A leaf of a differentiated argument as a float tracer."""
    if x.__class__ is int:
        x = float(x)
    if not isinstance(x, (Tracer, float, np.ndarray, np.generic)):
        raise TypeError(at(f"{name} needs numbers or arrays, {what} has {x!r:.60}", here()))
    t = lift(x, root)
    dtype = t.value.type.dtype
    if dtype.kind == "i" and t.form == WEAK:
        return Tracer(root.b.cast(t.value, F64), root, WEAK, t.mask)
    if not dtype.inexact:
        raise TypeError(at(f"{name} needs float inputs, {what} is {dtype.np.name}; pass 3.0 or "
                           "x.astype(float)", here()))  # fmt: skip
    return t


class _Inputs:
    """The arguments that a transform differentiates by, as fresh values inside the trace."""

    def __init__(
        self, root: Root, bit: int, args: Sequence[Any], argnums: Any, name: str
    ) -> None:
        self.root, self.bit, self.single = root, bit, isinstance(argnums, (int, np.integer))
        numbers = (argnums,) if self.single else tuple(argnums)
        self.args = list(args)
        self.trees: list[TreeDef] = []
        self.tracers: list[Tracer] = []
        self.since = serial()
        b = root.b
        b.loc = here()
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise TypeError(f"{name} by argument {n}: the function got {len(args)} arguments")
            leaves, treedef = flatten(args[n])
            inner = []
            for leaf in leaves:
                t = _float_leaf(root, leaf, f"argument {n % len(args)}", name)
                v = b("identity", t.value)
                inner.append(wrap(root, v, t.mask | bit, t.form))
            self.args[n] = unflatten(treedef, inner)
            self.trees.append(treedef)
            self.tracers += inner
        self.made = serial()  # the inputs themselves are older: no rewrite touches them
        self.mask = 0
        for t in self.tracers:
            self.mask |= t.mask

    @property
    def values(self) -> list[Value]:
        return [t.value for t in self.tracers]

    def tree(self, leaves: Sequence[Any]) -> Any:
        """One thing for each input leaf, in the structure of the chosen arguments."""
        out, k = [], 0
        for t in self.trees:
            out.append(unflatten(t, leaves[k : k + t.leaves]))
            k += t.leaves
        return out[0] if self.single else tuple(out)

    def result(self, v: Value | None, like: Tracer, mask: int, seen: set[int]) -> Any:
        """A cotangent of an input, mirroring it."""
        root = self.root
        if v is None:
            v = root.b.zeros(like.value.type)
        return leave(root, wrap(root, v, mask, like.form), self.bit, seen)


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
        raise TypeError(f"{name} takes a function with a scalar result, this one gave a "
                        f"{y.__class__.__name__}; use has_aux=True for more results")  # fmt: skip
    t = lift(y, root)
    if not all(root.compare(d, "eq", 1) for d in t.value.type.shape):
        shape = root.sizes(t.value.type.shape)
        raise TypeError(f"{name} takes a function with a scalar result, this one gave shape "
                        f"{shape}; use jacobian or elementwise_grad")  # fmt: skip
    if not t.value.type.dtype.inexact:
        if y.__class__ is not Tracer or t.form == WEAK:
            return cast(t, F64)
        raise TypeError(f"{name} takes a function with a float result, this one gave "
                        f"{t.dtype.name}")  # fmt: skip
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

    @wraps(fun)
    def with_grad(*args: Any, **kwargs: Any) -> Any:
        with _level("grad") as (root, bit):
            inputs = _Inputs(root, bit, args, which, "grad")
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
                return (value, _leave_tree(root, aux, bit)), inputs.tree(grads)
            return value, inputs.tree(grads)

    return with_grad


def grad(fun: Any, argnums: Any = 0, has_aux: bool = False, *args: Any, **kwargs: Any) -> Any:
    """The gradient of a function with a scalar result, as a function of the same arguments.

    `argnums` (or `argnum`) chooses arguments: a number or a tuple of numbers. The gradient has the
    structure, shapes and dtypes of the argument. With `has_aux` it comes as (gradient, aux).

    >>> grad(lambda x: x**2)(4.0)
    np.float64(8.0)

    Raises `TypeError` where the result is no scalar or an argument is no float. Given a symbolic
    variable this is `jitgrad.gradient.grad(cost, wrt)`.
    """
    if not callable(fun):
        if not _symbolic:
            raise TypeError(f"grad takes a function, not {fun!r:.60}")
        return _symbolic[0](fun, argnums, *((has_aux, *args) if args else ()), **kwargs)
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


def elementwise_grad(
    fun: Function, argnums: Any = 0, *, argnum: Any = None
) -> Function:
    """The gradient of the sum of `fun`'s results: the derivative of an elementwise function.

    >>> elementwise_grad(lambda x: x**2)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    which = _argnums(argnums, argnum)

    @wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        with _level("elementwise_grad") as (root, bit):
            inputs = _Inputs(root, bit, args, which, "elementwise_grad")
            t = lift(fun(*inputs.args, **kwargs), root)
            (v,) = stabilized([t.value], inputs.made)
            cts = pullback([v], [root.const(1, v.type)], inputs.values, since=inputs.since)
            mask, seen = t.mask | inputs.mask, set[int]()
            return inputs.tree(
                [inputs.result(c, p, mask, seen) for c, p in zip(cts, inputs.tracers)]
            )

    return derivative


def _cotangents(root: Root, outs: Sequence[Tracer], treedef: TreeDef, ct: Any) -> list[Tracer]:
    leaves, given = flatten(ct)
    if given != treedef:
        raise TypeError(f"the cotangent has structure {given}, the result {treedef}")
    return [_like(root, lift(c, root), t, "a cotangent") for c, t in zip(leaves, outs)]


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
        raise TypeError(f"{what} of type {have} for a value of type {want}")
    v = root.refine(root.b.cast(c.value, want.dtype), want.shape)
    return wrap(root, v, c.mask, c.form)


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> tuple:
    """`fun(*primals)` and a function from a cotangent of the result to those of the arguments.

    >>> y, back = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> back(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    with _level("vjp") as (root, bit):
        inputs = _Inputs(root, bit, primals, range(len(primals)), "vjp")
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
        aux = _leave_tree(root, aux, bit)

    def back(*cts: Any) -> Any:
        ct = cts[0] if len(cts) == 1 else cts
        now = current()
        if now is not None and now is not root:
            return unflatten_all(_replay(now, root, inputs, outs, treedef, ct), inputs)
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


def unflatten_all(leaves: Sequence[Any], inputs: _Inputs) -> Any:
    return inputs.tree(leaves)


def _replay(
    now: Root, root: Root, inputs: _Inputs, outs: Sequence[Tracer], treedef: TreeDef, ct: Any
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


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """`fun(*primals)` and its derivative in the direction `tangents`.

    >>> jvp(lambda x: x**2, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    with _level("jvp") as (root, bit):
        inputs = _Inputs(root, bit, primals, range(len(primals)), "jvp")
        given, shape = flatten(tuple(tangents))
        if shape != flatten(tuple(primals))[1]:
            raise TypeError("jvp: the tangents do not have the structure of the primals")
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
            leave(root, wrap(root, root.b.zeros(v.type) if d is None else d, mask, t.form), bit, seen)
            for d, v, t in zip(found, values, outs)
        ]
        result = unflatten(treedef, primal), unflatten(treedef, tangent)
        return (*result, _leave_tree(root, aux, bit)) if has_aux else result


# -- vmap -----------------------------------------------------------------------------------------


def vmap(fun: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """`fun` over a leading (or chosen) axis of its arguments, all elements at once.

    `in_axes`: an int, None (not mapped), or a tuple with one of those, or a pytree of them, for
    each argument; `out_axes` the same for the results.

    >>> vmap(lambda x, y: x * y, in_axes=(0, None))(np.arange(3.0), 2.0)
    array([0., 2., 4.])
    """

    @wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        with _level("vmap") as (root, bit):
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
        raise ValueError("vmap maps no argument: all of in_axes are None")
    return params, fronts, inner, size


def _place(root: Root, v: Value, flag: bool, size: DimLike, axis: Any, t: Tracer) -> Tracer:
    if axis is None:
        if flag:
            raise ValueError("vmap: out_axes is None for a result that is mapped")
        return wrap(root, v, t.mask, t.form)
    if not flag:
        v = root.b.broadcast_front(v, size)
    rank = v.type.rank
    if not -rank <= axis < rank:
        raise ValueError(f"vmap: out_axes {axis} for a result of rank {rank}")
    rest = list(range(1, rank))
    rest.insert(axis % rank, 0)
    return wrap(root, root.b.transpose(v, rest), t.mask, ARRAY)


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


__all__ = ["TensorType", "dtype_of", "elementwise_grad", "grad", "grad_and_aux", "jvp",
           "register_symbolic_grad", "result_dtype", "stop_gradient", "tensor", "value_and_grad",
           "vjp", "vmap"]  # fmt: skip
