"""Products of tensors."""

from __future__ import annotations

from typing import Any

from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_ops import dot


def outer(x: Any, y: Any) -> TensorVariable:
    """The matrix of products of the elements of two vectors (tensors are flattened)."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    return x.flatten().dimshuffle(0, "x") * y.flatten().dimshuffle("x", 0)


__all__ = ["dot", "outer"]
