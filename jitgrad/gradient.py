"""Gradients of symbolic variables: `grad`, and how `function` derives them anew when it compiles.

`grad` differentiates the graph as the user wrote it, and that is what `pp` shows. Beside each
gradient a recipe is kept; `function` follows it on the *stabilized* cost, so that naive formulas
such as log(1 + exp(x)) have finite, exact gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import DisconnectedInputError, at
from .frontend.pp import short
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_notes import Recipe, recipes
from .frontend.symbolic_ops import broadcast
from .ir.build import Builder
from .ir.core import Op, Value, reachable, serial
from .ir.types import F64, tensor
from .transforms import pullback

__all__ = ["DisconnectedInputError", "consider_constant", "disconnected_grad", "grad"]

Stabilize = Callable[[Sequence[Op], Value], Value]


def derive(
    cost: Value | None,
    wrt: Sequence[Value],
    constants: Sequence[Value],
    known: Sequence[tuple[Value, Value]],
    stabilize: Stabilize | None = None,
) -> list[Value | None]:
    """Gradients of `cost` by `wrt` (None: no path); see `Recipe`.

    A walk ends at every value of `wrt`, `constants` and `known`; those that are results of
    operations are then walked from in turn, the latest first, with what they received.
    """
    b = Builder()
    given = {id(k): g for k, g in known}
    ints = {id(v) for v in wrt if not v.type.dtype.inexact}
    casts = []
    if ints:  # an integer moves what it becomes as a float, nothing else
        roots = [*([cost] if cost is not None else []), *(k for k, _ in known)]
        casts = [op.results[0] for op in reachable(roots) if op.opdef.name == "cast"
                 and id(op.operands[0]) in ints and op.results[0].type.dtype.inexact]  # fmt: skip
    fixed = {id(c) for c in (*constants, *casts)}
    stops = {id(v): v for v in (*wrt, *constants, *casts, *(k for k, _ in known))}
    total: dict[int, Value] = dict(given)

    def walk(source: Value, seed: Value, ends: list[Value]) -> None:
        if stabilize is not None:
            source = stabilize(reachable([source], ends), source)
        for v, ct in zip(ends, pullback([source], [seed], ends)):
            if ct is not None and id(v) not in given:
                old = total.get(id(v))
                total[id(v)] = ct if old is None else b.add(old, ct)

    def age(v: Value) -> int:
        return -1 if v.op is None else v.op.serial

    ends = sorted(stops.values(), key=age)
    if cost is not None:
        b.loc = cost.op.loc if cost.op is not None else None
        b.made_by = "grad"
        kind = cost.type.dtype if cost.type.dtype.is_float else F64
        one = b.const(1.0, tensor(kind, ()), "1.0")
        seed = b("fill", cost, one)
        if id(cost) in stops:  # the cost itself is asked for
            if id(cost) not in given:
                total[id(cost)] = seed
        else:
            walk(cost, seed, ends)
    while ends and ends[-1].op is not None:
        v = ends.pop()
        ct = total.get(id(v))
        if ct is not None and id(v) not in fixed and ends:
            walk(v, ct, ends)
    for c in casts:
        ct, i = total.get(id(c)), id(c.op.operands[0]) if c.op else 0
        if ct is not None and i not in given:
            ct, old = b.cast(ct, F64), total.get(i)
            total[i] = ct if old is None else b.add(old, ct)
    return [total.get(id(v)) for v in wrt]


# Operands of which only the shape or the place counts, or through which nothing may pass.
_APART = {"gather": 1, "scatter_add": 1, "fill": 0, "stop_gradient": 0}


def _connected(roots: Sequence[Value], stops: set[int]) -> set[int]:
    """Ids of the values that `roots` depend on by value, through integers and flat ops too."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        if v.op is None or id(v) in stops:
            continue
        apart = _APART.get(v.op.opdef.name, -1)
        stack += [w for k, w in enumerate(v.op.operands) if k != apart]
    return seen


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Sequence[TensorVariable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[TensorVariable, Any] | None = None,
    return_disconnected: str = "zero",
) -> Any:
    """The gradient of a scalar `cost` by `wrt`: one for a variable, a list for a list, and so on.

    consider_constant    variables through which nothing is propagated
    disconnected_inputs  what to do where the cost does not depend on a `wrt`: "raise"
                         `DisconnectedInputError`, "warn" or "ignore"
    add_names            name the gradients "(dy/dx)" where both have names
    known_grads          gradients by some variables, used instead of those that the cost gives;
                         `cost` may then be None
    return_disconnected  what such a gradient is then: "zero", or "none" (None)

    >>> from .frontend.symbolic import TensorType
    >>> from .frontend.pp import pp
    >>> x = TensorType("float64", ())("x")
    >>> pp(grad(x**2, x))
    '((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))'

    Integer variables have float gradients. A variable that the cost depends on, though only through
    integers or steps, has the gradient 0.

    Raises `TypeError` for a cost that is not scalar.
    """
    loc = here()
    if disconnected_inputs not in ("raise", "warn", "ignore"):
        raise ValueError("disconnected_inputs is 'raise', 'warn' or 'ignore', "
                         f"not {disconnected_inputs!r}")  # fmt: skip
    if return_disconnected not in ("zero", "none"):
        raise ValueError(f"return_disconnected is 'zero' or 'none', not {return_disconnected!r}")
    if cost is None and not known_grads:
        raise ValueError("grad of no cost needs known_grads")
    if cost is not None:
        cost = as_tensor_variable(cost)
        if cost.ndim:
            raise TypeError(at(f"cost must be a scalar.\n  {short(cost, 0)} has {cost.ndim} dims: "
                               f"{cost.type}", loc))  # fmt: skip
    many = isinstance(wrt, (list, tuple))
    asked = list(wrt) if many else [wrt]
    for w in asked:
        if not isinstance(w, TensorVariable):
            raise TypeError(at(f"wrt takes variables, not {type(w).__name__}", loc))
    constants = tuple([c.value for c in consider_constant or ()])
    known = tuple([(k.value, _known(k, g)) for k, g in (known_grads or {}).items()])
    start = serial()
    root = cost.value if cost is not None else None
    values = tuple([w.value for w in asked])
    found = derive(root, values, constants, known)
    recipe = Recipe(root, values, constants, known, start, derive)
    kept = {id(g) for _, g in known}
    out: list[Any] = []
    flat: set[int] = set()
    if any(g is None for g in found):
        roots = [*([root] if root is not None else []), *(k for k, _ in known)]
        flat = _connected(roots, {id(c) for c in constants})
    for k, (w, g) in enumerate(zip(asked, found)):
        if g is None:
            apart = id(w.value) not in flat
            if apart:
                _disconnected(w, disconnected_inputs, loc)
            out.append(None if apart and return_disconnected == "none" else _zero(w))
            continue
        if id(g) not in kept and g.op is not None and g.op.serial > start:
            recipes.setdefault(g, (recipe, k))
            if add_names and cost is not None and cost.name and w.name and not g.name:
                g.name = f"(d{cost.name}/d{w.name})"
        out.append(wrap(g))
    if not many:
        return out[0]
    return tuple(out) if isinstance(wrt, tuple) else out


def _known(k: TensorVariable, g: Any) -> Value:
    b = Builder(here())
    v = as_tensor_variable(g).value
    pair = broadcast(b, "known_grads", (k.value, v))
    if pair[1].type.shape != k.value.type.shape:
        raise ValueError(at(f"the known gradient of {k!r} has more dims than it", b.loc))
    return b.cast(pair[1], k.value.type.dtype)


def _zero(w: TensorVariable) -> TensorVariable:
    b = Builder(here())
    kind = w.value.type.dtype if w.value.type.dtype.is_float else F64
    return wrap(b("fill", w.value, b.const(0.0, tensor(kind, ()), "0.0")))


def _disconnected(w: TensorVariable, how: str, loc: Any) -> None:
    if how == "ignore":
        return
    message = (
        "grad method was asked to compute the gradient with respect to a variable that is not part "
        "of the computational graph of the cost, or is used only by a non-differentiable operator: "
        f"{w!r}"
    )
    if how == "warn":
        warnings.warn(message, stacklevel=3)
        return
    raise DisconnectedInputError(at(message, loc))


def disconnected_grad(x: Any) -> TensorVariable:
    """`x`, through which no gradient passes."""
    return wrap(Builder(here())("stop_gradient", as_tensor_variable(x).value))


consider_constant = disconnected_grad

# `jitgrad.grad` of a variable is this one
