"""Theano's module `gradient`: derivatives of symbolic variables, and what changes them."""

from __future__ import annotations

from .errors import DisconnectedInputError, GradientError, NullTypeGradError
from .frontend.symbolic_null import DisconnectedType, NullType, disconnected_type, null_type
from .symbolic_grad import grad
from .symbolic_jacobian import (
    Lop,
    Rop,
    format_as,
    hessian,
    hessian_vector_product,
    jacobian,
    subgraph_grad,
)
from .symbolic_markers import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_not_implemented,
    grad_scale,
    grad_undefined,
    undefined_grad,
    zero_grad,
)
from .symbolic_numeric import numeric_grad, verify_grad

__all__ = ["DisconnectedInputError", "DisconnectedType", "GradientError", "Lop", "NullType",
           "NullTypeGradError", "Rop", "consider_constant", "disconnected_grad",
           "disconnected_type", "format_as", "grad", "grad_clip", "grad_not_implemented",
           "grad_scale", "grad_undefined", "hessian", "hessian_vector_product", "jacobian",
           "null_type", "numeric_grad", "subgraph_grad", "undefined_grad", "verify_grad",
           "zero_grad"]  # fmt: skip
