"""Variables with another derivative than their own: `disconnected_grad`, `grad_clip` …"""

from __future__ import annotations

from typing import Any

from .errors import at
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_null import NullType, Placeholder
from .frontend.symbolic_ops import is_number
from .ir.build import Builder
from .ir.core import Value
from .symbolic_grad import onto

__all__ = ["consider_constant", "disconnected_grad", "grad_clip", "grad_not_implemented",
           "grad_scale", "grad_undefined", "undefined_grad", "zero_grad"]  # fmt: skip


def disconnected_grad(x: Any) -> TensorVariable:
    """`x`, through which no gradient passes: to derivatives there is no connection.

    >>> import jitgrad.tensor as T
    >>> x = T.dscalar("x")
    >>> T.grad(x * disconnected_grad(x), x).eval({x: 3.0})
    array(3.)
    """
    return wrap(Builder(here())("stop_gradient", as_tensor_variable(x).value))


def zero_grad(x: Any) -> TensorVariable:
    """`x`, by which every derivative is 0: connected, unlike `disconnected_grad`.

    >>> import jitgrad.tensor as T
    >>> x = T.dscalar("x")
    >>> T.grad(zero_grad(x) ** 2, x).eval({x: 3.0})
    array(0.)
    """
    return wrap(Builder(here())("zero_grad", as_tensor_variable(x).value))


consider_constant = zero_grad


def undefined_grad(x: Any) -> TensorVariable:
    """`x`, by which no derivative is defined: to ask for one raises `NullTypeGradError`, unless
    `grad` is told to return what it is (`null_gradients="return"`)."""
    return wrap(Builder(here())("undefined_grad", as_tensor_variable(x).value))


def grad_scale(x: Any, multiplier: Any) -> TensorVariable:
    """`x`, whose derivative is `multiplier` instead of 1: -1 reverses gradients.

    `multiplier` is a number or a variable that broadcasts to `x`; it is held constant.

    >>> import jitgrad.tensor as T
    >>> x = T.dscalar("x")
    >>> T.grad(grad_scale(T.sin(x), -1.0), x).eval({x: 0.0})
    array(-1.)

    Raises `ValueError` for a multiplier that does not broadcast to `x`.
    """
    x = as_tensor_variable(x)
    b = Builder(here())
    if not x.value.type.dtype.inexact:
        return wrap(b("identity", x.value))
    (m,) = _beside(b, "grad_scale", x, multiplier)
    return wrap(b("grad_scale", x.value, m))


def grad_clip(x: Any, lower_bound: Any, upper_bound: Any) -> TensorVariable:
    """`x`; what the gradient of a cost by it would be is kept in [lower_bound, upper_bound].

    The bounds are numbers or variables that broadcast to `x`. It acts in reverse mode, element by
    element, and in every order: the gradient of a clipped gradient is 0 where it was clipped.

    >>> import jitgrad.tensor as T
    >>> x = T.dscalar("x")
    >>> T.grad(grad_clip(x, -1, 1) ** 2, x).eval({x: 2.0})
    array(1.)

    Raises `ValueError` for a lower bound above the upper one, and for bounds that do not broadcast
    to `x`.
    """
    x = as_tensor_variable(x)
    b = Builder(here())
    if is_number(lower_bound) and is_number(upper_bound) and not lower_bound <= upper_bound:
        raise ValueError(at(f"grad_clip: the lower bound {lower_bound} is above the upper bound "
                            f"{upper_bound}", b.loc))  # fmt: skip
    if not x.value.type.dtype.inexact:
        return wrap(b("identity", x.value))
    low, high = _beside(b, "grad_clip", x, lower_bound, upper_bound)
    return wrap(b("grad_clip", x.value, low, high))


def _beside(b: Builder, name: str, x: TensorVariable, *others: Any) -> list[Value]:
    """Numbers or variables in the shape and dtype of `x`."""
    out = []
    for o in others:
        out.append(onto(b, name, x, b.cast(as_tensor_variable(o).value, x.value.type.dtype)))
    return out


def grad_undefined(op: Any, x_pos: int, x: Any, comment: str = "") -> Placeholder:
    """What stands for the gradient by operand `x_pos` of `op`, `x`, that is not defined."""
    return NullType(f"This variable is Null because the grad method for input {x_pos} ({x}) of the "
                    f"{op} op is mathematically undefined. {comment}".rstrip())()  # fmt: skip


def grad_not_implemented(op: Any, x_pos: int, x: Any, comment: str = "") -> Placeholder:
    """What stands for the gradient by operand `x_pos` of `op`, `x`, that nobody has written."""
    return NullType(f"This variable is Null because the grad method for input {x_pos} ({x}) of the "
                    f"{op} op is not implemented. {comment}".rstrip())()  # fmt: skip
