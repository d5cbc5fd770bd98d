"""Jacobians, Hessians and products with them, and autograd's `make_…` functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .derivatives import _argnums, elementwise_grad, grad, jvp, vjp
from .errors import at
from .frontend.ops import lift
from .frontend.pytree import flatten, unflatten
from .frontend.source import here
from .frontend.trace import ARRAY, SCALAR, Root, wrap
from .ir.core import Value, serial
from .ir.dims import product
from .ir.types import I64, TensorType, tensor
from .levels import Inputs, check_callable, leave, leave_tree, level, stabilized
from .transforms import batch, pullback, pushforward

Function = Callable[..., Any]


def _basis(root: Root, type_: TensorType) -> Value:
    """All unit tensors of a type, stacked: an identity matrix, reshaped."""
    b, n = root.b, product(type_.shape)
    square = tensor(I64, (n, n))
    eye = b("eq", b("iota", type=square, axis=0), b("iota", type=square, axis=1))
    return b.reshape(b.cast(eye, type_.dtype), (n, *type_.shape))


def _stacked(
    root: Root, outs: Sequence[Value | None], seed: Value, since: int
) -> list[Value | None]:
    """`outs`, linear in `seed`, for every unit tensor in its place: new leading axes."""
    basis = _basis(root, seed.type)
    n = basis.type.shape[0]
    live = [v for v in outs if v is not None]
    found = iter(batch(live, [seed], [basis], n, since=since))
    result: list[Value | None] = []
    for v in outs:
        if v is None:
            result.append(None)
            continue
        w, flag = next(found)
        if not flag:
            w = root.b.broadcast_front(w, n)
        result.append(root.b.reshape(w, (*seed.type.shape, *v.type.shape)))
    return result


class _Parts:
    """The pieces of a Jacobian: one array for each pair of an output and an input leaf."""

    def __init__(self, root: Root, inputs: Inputs, y: Any, aux: Any) -> None:
        self.root, self.inputs, self.aux = root, inputs, aux
        leaves, self.treedef = flatten(y)
        outs = [lift(x, root) for x in leaves]
        for t in outs:
            if not t.value.type.dtype.inexact:
                raise TypeError(at(f"a Jacobian takes a function with a float result, this one "
                                   f"gave {t.dtype.name}", here()))  # fmt: skip
        self.values = stabilized([t.value for t in outs], inputs.made)
        self.mask = inputs.mask
        for t in outs:
            self.mask |= t.mask
        root.b.loc = here()

    def finish(self, rows: Sequence[Sequence[Value | None]], bit: int, has_aux: bool) -> Any:
        """rows[i][j] belongs to output i and input j."""
        root, inputs = self.root, self.inputs
        seen: set[int] = set()
        trees = []
        for v, row in zip(self.values, rows):
            leaves = []
            for p, piece in zip(inputs.tracers, row):
                if piece is None:
                    shape = (*v.type.shape, *p.value.type.shape)
                    piece = root.b.zeros(p.value.type.with_shape(shape))
                form = ARRAY if piece.type.shape else SCALAR
                leaves.append(leave(root, wrap(root, piece, self.mask, form), bit, seen))
            trees.append(inputs.tree(leaves))
        out = unflatten(self.treedef, trees)
        return (out, leave_tree(root, self.aux, bit)) if has_aux else out


def jacrev(
    fun: Function, argnums: Any = 0, has_aux: bool = False, *, argnum: Any = None
) -> Function:
    """The Jacobian of `fun` by argument `argnums`, in reverse mode: shape (*out, *in).

    >>> import numpy as np
    >>> jacrev(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    which = _argnums(argnums, argnum)
    check_callable(fun, "jacobian")

    @wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with level("jacobian") as (root, bit):
            inputs = Inputs(root, bit, args, which, "jacobian")
            y = fun(*inputs.args, **kwargs)
            y, aux = y if has_aux else (y, None)
            parts = _Parts(root, inputs, y, aux)
            rows = []
            for v in parts.values:
                if not v.type.shape:
                    seed = root.const(1, v.type)
                    rows.append(pullback([v], [seed], inputs.values, since=inputs.since))
                    continue
                since = serial()
                seed = Value(v.type)
                root.unknown.add(seed)
                grads = pullback([v], [seed], inputs.values, since=inputs.since)
                rows.append(_stacked(root, grads, seed, since))
            return parts.finish(rows, bit, has_aux)

    return jacobian


def jacfwd(
    fun: Function, argnums: Any = 0, has_aux: bool = False, *, argnum: Any = None
) -> Function:
    """The Jacobian of `fun` by argument `argnums`, in forward mode: shape (*out, *in).

    >>> import numpy as np
    >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    which = _argnums(argnums, argnum)
    check_callable(fun, "jacobian")

    @wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with level("jacobian") as (root, bit):
            inputs = Inputs(root, bit, args, which, "jacobian")
            y = fun(*inputs.args, **kwargs)
            y, aux = y if has_aux else (y, None)
            parts = _Parts(root, inputs, y, aux)
            columns = []
            for p in inputs.values:
                since = serial()
                seed = Value(p.type)
                root.unknown.add(seed)
                tangents = pushforward(parts.values, [p], [seed], since=inputs.since)
                stacked = _stacked(root, tangents, seed, since)
                # the new axes, those of the input, go behind
                k = p.type.rank
                columns.append([
                    None if t is None else root.b.transpose(t, (*range(k, t.type.rank), *range(k)))
                    for t in stacked
                ])  # fmt: skip
            return parts.finish(list(zip(*columns)), bit, has_aux)

    return jacobian


jacobian = jacrev


def hessian(
    fun: Function, argnums: Any = 0, has_aux: bool = False, *, argnum: Any = None
) -> Function:
    """The matrix of second derivatives of a scalar function: shape (*in, *in).

    >>> import numpy as np
    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    which = _argnums(argnums, argnum)
    return jacfwd(jacrev(fun, which, has_aux), which, has_aux)


def hessian_vector_product(fun: Function, argnum: int = 0) -> Function:
    """A function of `fun`'s arguments and a vector: the Hessian by argument `argnum` times it.

    >>> import numpy as np
    >>> hessian_vector_product(lambda x: (x**3).sum())(np.array([1.0, 2.0]), np.ones(2))
    array([ 6., 12.])
    """
    gradient = grad(fun, argnum)

    @wraps(fun)
    def product_(*args: Any, **kwargs: Any) -> Any:
        *args, vector = args  # type: ignore[assignment]

        def by_one(x: Any) -> Any:
            return gradient(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        return jvp(by_one, (args[argnum],), (vector,))[1]

    return product_


hessian_tensor_product = hessian_vector_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """A function of `fun`'s arguments and a tensor: the tensor times the Jacobian."""

    @wraps(fun)
    def product_(*args: Any, **kwargs: Any) -> Any:
        *args, vector = args  # type: ignore[assignment]

        def by_one(x: Any) -> Any:
            return fun(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        return vjp(by_one, args[argnum])[1](vector)[0]

    return product_


def make_hvp(fun: Function, argnum: int = 0) -> Function:
    """`make_hvp(f)(x)` gives (the function v ↦ H v at x, the gradient at x)."""

    @wraps(fun)
    def at_point(*args: Any, **kwargs: Any) -> Any:
        gradient = grad(fun, argnum)

        def by_one(x: Any) -> Any:
            return gradient(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        value, back = vjp(by_one, args[argnum])
        return (lambda v: back(v)[0]), value

    return at_point


def make_vjp(fun: Function, argnum: int = 0) -> Function:
    """`make_vjp(f)(x)` gives (the function from a cotangent of f(x) to that of x, f(x))."""

    @wraps(fun)
    def at_point(*args: Any, **kwargs: Any) -> Any:
        def by_one(x: Any) -> Any:
            return fun(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        value, back = vjp(by_one, args[argnum])
        return (lambda ct: back(ct)[0]), value

    return at_point


def make_jvp(fun: Function, argnum: int = 0) -> Function:
    """`make_jvp(f)(x)(v)` gives (f(x), the derivative of f at x in the direction v)."""

    @wraps(fun)
    def at_point(*args: Any, **kwargs: Any) -> Any:
        def by_one(x: Any) -> Any:
            return fun(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        return lambda v: jvp(by_one, (args[argnum],), (v,))

    return at_point


def linearize(fun: Function, *primals: Any) -> tuple[Any, Function]:
    """`fun(*primals)` and the linear function from tangents of the arguments to that of it."""
    value = fun(*primals)
    return value, lambda *tangents: jvp(fun, primals, tangents)[1]


def deriv(fun: Function, argnum: int = 0) -> Function:
    """The derivative of a function of a number, or of each element."""
    return elementwise_grad(fun, argnum)
