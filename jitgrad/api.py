"""The transforms of Python functions, gathered: what `jitgrad` itself exports of them."""

from __future__ import annotations

from .batching import vmap
from .derivatives import (
    at,
    elementwise_grad,
    grad,
    grad_and_aux,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from .jacobians import (
    deriv,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    jacfwd,
    jacobian,
    jacrev,
    linearize,
    make_hvp,
    make_jvp,
    make_vjp,
    tensor_jacobian_product,
)
from .traced import ShapeDtypeStruct, disable_jit, eval_shape, jit, make_ir

__all__ = ["ShapeDtypeStruct", "at", "deriv", "disable_jit", "elementwise_grad", "eval_shape",
           "grad", "grad_and_aux", "hessian", "hessian_tensor_product", "hessian_vector_product",
           "jacfwd", "jacobian", "jacrev", "jit", "jvp", "linearize", "make_hvp", "make_ir",
           "make_jvp", "make_vjp", "stop_gradient",
           "tensor_jacobian_product", "value_and_grad", "vjp", "vmap"]  # fmt: skip
