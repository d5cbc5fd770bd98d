"""`grad`: gradients of symbolic variables.

`grad` differentiates the graph as the user wrote it, and that is what `pp` shows. Beside each
gradient a recipe is kept; `function` follows it on the *stabilized* cost, so that naive formulas
such as log(1 + exp(x)) have finite, exact gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import ref

from .errors import (
    DisconnectedInputError,
    DTypeError,
    Loc,
    NotDifferentiableError,
    NullTypeGradError,
    at,
)
from .frontend.pp import short
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_notes import Note, Recipe, recipes
from .frontend.symbolic_null import NullType, Placeholder, disconnected_type
from .frontend.symbolic_ops import refine
from .ir.build import Builder
from .ir.core import Value, serial
from .ir.types import tensor
from .symbolic_derive import connected, derive, float_like

__all__ = ["grad"]


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Iterable[TensorVariable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[TensorVariable, Any] | None = None,
    return_disconnected: str | None = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of a scalar `cost` by `wrt`: one for a variable, a list for a list, and so on.

    consider_constant    variables through which nothing is propagated
    disconnected_inputs  what to do where the cost does not depend on a `wrt`: "raise"
                         `DisconnectedInputError`, "warn" or "ignore"
    add_names            name the gradients "(dy/dx)" where both have names
    known_grads          gradients by some variables, used instead of those that the cost gives;
                         `cost` may then be None
    return_disconnected  what a disconnected gradient is if no error: "zero", "none" (None) or
                         "disconnected", a placeholder of `DisconnectedType`
    null_gradients       what to do where a gradient is not defined: "raise" `NullTypeGradError`, or
                         "return" a placeholder of `NullType`, which says why

    >>> from .frontend.symbolic import TensorType
    >>> from .frontend.pp import pp
    >>> x = TensorType("float64", ())("x")
    >>> pp(grad(x**2, x))
    '((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))'

    Integer variables have float gradients: the cost depends on what they become as floats. A
    variable that the cost depends on, though only through integers or steps, has the gradient 0.

    Raises `TypeError` for a cost that is not scalar, and for a `wrt` that is no variable;
    `ValueError` for options that do not exist.
    """
    loc = here()
    missing = option("return_disconnected", return_disconnected, ("zero", "none", "disconnected"))
    null = option("null_gradients", null_gradients, ("raise", "return"))
    option("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    if cost is None and known_grads is None:
        raise ValueError(at("grad of no cost needs known_grads", loc))
    root = None if cost is None else _scalar(cost, loc)
    asked = variables(wrt, "wrt", loc)
    constants = tuple([v.value for v in variables(list(consider_constant or ()),
                                                  "consider_constant", loc)])  # fmt: skip
    known, apart = _known_grads(known_grads or {}, loc)
    constants += tuple([k for k, _ in apart.values()])
    if id(root) in apart:
        root = None
    answers = _answers(root, [w.value for w in asked], constants, known, null)
    reasons: set[int] = set()
    for k, p in apart.values():
        if isinstance(p.type, NullType):
            reasons |= connected([k], (*constants, *(v for v, _ in known)))
    flat: set[int] | None = None
    out: list[Any] = []
    for w, g in zip(asked, answers):
        given = apart.get(id(w.value))
        if given is not None and isinstance(given[1].type, NullType):
            g = given[1]
        elif given is None and id(w.value) in reasons:
            g = next(p for _, p in apart.values() if isinstance(p.type, NullType))
        if isinstance(g, Placeholder):
            if null == "raise":
                why = g.type.why_null if isinstance(g.type, NullType) else ""
                raise NullTypeGradError(at(f"the gradient by {w!r} is not defined. {why}", loc))
            out.append(g)
            continue
        if g is not None:
            if add_names and cost is not None and g in recipes and not g.name:
                name = as_tensor_variable(cost).name
                g.name = f"(d{name}/d{w.name})" if name and w.name else ""
            out.append(wrap(g))
            continue
        if flat is None:
            flat = connected([*([root] if root is not None else []), *(k for k, _ in known)],
                             (*constants, *(k for k, _ in known)))  # fmt: skip
        alone = given is not None or id(w.value) not in flat
        if alone:
            report_disconnected(w, disconnected_inputs, loc)
        if alone and missing != "zero":
            out.append(None if missing == "none" else disconnected_type())
        else:
            out.append(zeros_like(w.value, alone))
    return like(wrt, out)


def option(name: str, value: Any, allowed: Sequence[str]) -> str:
    """A keyword of a few values, in whatever case."""
    found = str(value).lower()
    if found not in allowed:
        options = ", ".join(map(repr, allowed[:-1]))
        raise ValueError(at(f"Invalid value for keyword {name!r}: it is {options} or "
                            f"{allowed[-1]!r}, not {value!r}", here()))  # fmt: skip
    return found


def _scalar(cost: Any, loc: Loc | None) -> Value:
    if isinstance(cost, Placeholder):
        why = cost.type.why_null if isinstance(cost.type, NullType) else "it is disconnected"
        raise ValueError(at(f"Can't differentiate a NaN cost. It has no value: {why}", loc))
    cost = as_tensor_variable(cost)
    if cost.ndim:
        raise TypeError(at(f"cost must be a scalar.\n  {short(cost, 0)} has {cost.ndim} dims: "
                           f"{cost.type}", loc))  # fmt: skip
    return cost.value


def variables(given: Any, name: str, loc: Loc | None) -> list[TensorVariable]:
    """What is asked for, as a list; `TypeError` for what is no variable."""
    if isinstance(given, (set, frozenset)):
        raise TypeError(at(f"{name} must not be a set: it has no order, so the gradients could "
                           "not be returned in a matching one", loc))  # fmt: skip
    out = list(given) if isinstance(given, (list, tuple)) else [given]
    for v in out:
        if not isinstance(v, TensorVariable):
            raise TypeError(at(f"{name} takes variables, not {type(v).__name__}", loc))
    return out


def like(given: Any, answers: Sequence[Any]) -> Any:
    """Answers in the form of what was asked for: one, a list, a tuple."""
    if isinstance(given, list):
        return list(answers)
    return tuple(answers) if isinstance(given, tuple) else answers[0]


def _answers(
    root: Value | None,
    wrt: Sequence[Value],
    constants: tuple[Value, ...],
    known: tuple[tuple[Value, Value], ...],
    null: str,
) -> list[Any]:
    """Gradients, or None, or placeholders of what is not defined."""
    try:
        return with_recipe(derive, root, wrt, constants, known)
    except NotDifferentiableError as err:
        if null == "raise":
            raise NullTypeGradError(str(err)) from None
    out: list[Any] = []
    for w in wrt:
        try:
            out += with_recipe(derive, root, [w], constants, known)
        except NotDifferentiableError as err:
            out.append(NullType(str(err))())
    return out


def with_recipe(
    make: Any,
    cost: Value | None,
    asked: Sequence[Value],
    constants: Sequence[Value] = (),
    known: Sequence[tuple[Value, Value]] = (),
) -> list[Value | None]:
    """What `make` derives, remembered for `function`."""
    start = serial()
    found: list[Value | None] = make(cost, asked, constants, known)
    recipe = Recipe(cost, tuple(asked), tuple(constants), tuple(known), start, make)
    kept = {id(g) for _, g in known}
    for k, g in enumerate(found):
        if g is not None and id(g) not in kept and g.op is not None and g.op.serial > start:
            recipes.setdefault(g, (recipe, k))
    return found


def _known_grads(
    given: Mapping[TensorVariable, Any], loc: Loc | None
) -> tuple[tuple[tuple[Value, Value], ...], dict[int, tuple[Value, Placeholder]]]:
    """Pairs of values and gradients; and, by id, the values whose gradients are placeholders."""
    if not isinstance(given, Mapping):
        raise TypeError(at(f"known_grads is a dict, not {type(given).__name__}", loc))
    pairs, apart = [], {}
    for k, g in given.items():
        if not isinstance(k, TensorVariable):
            raise TypeError(at(f"known_grads has variables as keys, not {type(k).__name__}", loc))
        if isinstance(g, Placeholder):
            apart[id(k.value)] = k.value, g
        else:
            pairs.append((k.value, cotangent("known_grads", k, g)))
    return tuple(pairs), apart


def cotangent(what: str, k: TensorVariable, g: Any) -> Value:
    """A gradient given by the user, in the shape and the float dtype of a gradient of `k`."""
    b = Builder(here())
    v = as_tensor_variable(g).value
    if isinstance(g, TensorVariable) and not v.type.dtype.inexact:
        raise DTypeError(at(f"Gradients must be floats, but {what} of {k!r} has one of "
                            f"{as_tensor_variable(g).type}", b.loc))  # fmt: skip
    return b.cast(onto(b, what, k, v), float_like(k.value))


def onto(b: Builder, what: str, x: TensorVariable, v: Value) -> Value:
    """`v` in the shape of `x`: dims known to be 1 repeat, others must agree.

    Raises `ValueError` where they cannot.
    """
    goal, shape = x.value.type.shape, v.type.shape
    skip = len(goal) - len(shape)
    sizes = list(shape)
    for i, d in enumerate(shape):
        want = goal[i + skip] if skip >= 0 else None
        if d == want or (d.__class__ is int and d == 1 and want is not None):
            continue
        if want is None or (d.__class__ is int and want.__class__ is int):
            raise ValueError(at(f"{what}: {wrap(v)!r} of {wrap(v).type} does not fit {x!r} of "
                                f"{x.type}", b.loc))  # fmt: skip
        sizes[i] = want
        places = ((0, i + skip), (1, i))
        note = Note(what, (ref(x.value), ref(v)), places)
        v = refine(b, v, (*sizes[: i + 1], *v.type.shape[i + 1 :]), note)
    return b.broadcast(v, goal, range(skip, len(goal)))


def zeros_like(v: Value, alone: bool) -> TensorVariable:
    """Zeros in the shape of `v`, of a float dtype; `alone`: that of a scalar needs not even it."""
    b = Builder(here())
    zero = b.const(0.0, tensor(float_like(v), ()), "0.0")
    return wrap(zero if alone and not v.type.rank else b("fill", v, zero))


def report_disconnected(v: TensorVariable, how: str, loc: Any) -> None:
    """Raise, warn or do nothing about what the cost does not depend on."""
    if how == "ignore":
        return
    message = (
        "grad method was asked to compute the gradient with respect to a variable that is not part "
        "of the computational graph of the cost, or is used only by a non-differentiable operator: "
        f"{v!r}"
    )
    if how == "warn":
        warnings.warn(message, stacklevel=3)
        return
    raise DisconnectedInputError(at(message, loc))
