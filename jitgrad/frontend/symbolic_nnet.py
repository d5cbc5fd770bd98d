"""Functions of neural networks and of likelihoods: `T.nnet`."""

from __future__ import annotations

from typing import Any

from ..errors import at
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_math import exp, log, sigmoid, softplus
from .symbolic_ops import elemwise, switch
from .symbolic_reduce import sum
from .symbolic_create import arange


def relu(x: Any, alpha: float = 0.0) -> TensorVariable:
    """max(x, 0), or alpha·x below 0."""
    if alpha == 0:
        return elemwise("maximum", x, 0)
    return switch(elemwise("gt", x, 0), x, elemwise("mul", x, alpha))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """log(sum(exp(x))); compiled without overflow."""
    return log(sum(exp(x), axis, keepdims))


def softmax(x: Any, axis: int = -1) -> TensorVariable:
    """exp(x) / sum(exp(x)) along an axis; compiled without overflow."""
    e = exp(x)
    return e / sum(e, axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> TensorVariable:
    """log(softmax(x)); compiled in its stable form."""
    return log(softmax(x, axis))


def binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """-target·log(output) - (1 - target)·log(1 - output), elementwise; stable for a sigmoid."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return -(target * log(output) + (1 - target) * log(1 - output))


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> TensorVariable:
    """-sum(true·log(coding)) over the last axis of a matrix of distributions.

    `true_dist` is a matrix of distributions too, or a vector of the right classes' numbers.

    >>> p, y = TensorType("float64", (False, False))("p"), TensorType("int64", (False,))("y")
    >>> categorical_crossentropy(p, y).eval({p: [[0.5, 0.5], [1.0, 0.0]], y: [1, 0]})
    array([ 0.69314718, -0.        ])
    """
    p, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.ndim == p.ndim:
        return -sum(true * log(p), -1)
    if true.ndim != p.ndim - 1 or p.ndim != 2:
        raise TypeError(at("categorical_crossentropy takes a matrix, and a matrix or a vector of "
                           f"integers, not {p.type} and {true.type}", here()))  # fmt: skip
    return -log(p)[arange(p.shape[0]), true]


__all__ = ["binary_crossentropy", "categorical_crossentropy", "log_softmax", "logsumexp", "relu",
           "sigmoid", "softmax", "softplus"]  # fmt: skip
