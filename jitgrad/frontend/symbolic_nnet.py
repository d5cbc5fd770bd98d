"""Functions of neural networks and of likelihoods: `T.nnet`."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, at
from .source import here
from .symbolic import TensorVariable, as_tensor_variable
from .symbolic_create import arange
from .symbolic_join import concatenate
from .symbolic_math import exp, log, sigmoid, softplus
from .symbolic_ops import cast, clip, elemwise, switch
from .symbolic_products import batched_dot, dot
from .symbolic_reduce import argmax, sum
from .symbolic_reduce import max as largest
from .symbolic_sort import unique

# -- activations ----------------------------------------------------------------------------------


def relu(x: Any, alpha: Any = 0) -> TensorVariable:
    """max(x, 0), or alpha·x below 0; `alpha` may be a tensor."""
    if not isinstance(alpha, TensorVariable) and alpha.__class__ in (int, float) and alpha == 0:
        return elemwise("maximum", x, 0)
    return switch(elemwise("gt", x, 0), x, elemwise("mul", x, alpha))


def leaky_relu(x: Any, alpha: Any = 0.01) -> TensorVariable:
    """x above 0, alpha·x below."""
    return relu(x, alpha)


def elu(x: Any, alpha: Any = 1) -> TensorVariable:
    """x above 0, alpha·(exp(x) - 1) below (Clevert, Unterthiner & Hochreiter 2015)."""
    return switch(elemwise("gt", x, 0), x, alpha * elemwise("expm1", x))


def selu(x: Any) -> TensorVariable:
    """`elu` scaled so that mean 0 and variance 1 are kept (Klambauer et al. 2017)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * elu(x, alpha)


def hard_sigmoid(x: Any) -> TensorVariable:
    """0.2·x + 0.5 kept within [0, 1]."""
    return clip(elemwise("add", elemwise("mul", x, 0.2), 0.5), 0.0, 1.0)


def ultra_fast_sigmoid(x: Any) -> TensorVariable:
    """`sigmoid`: the vector code for it is as fast as an approximation would be."""
    return sigmoid(x)


def softsign(x: Any) -> TensorVariable:
    """x / (1 + |x|)."""
    x = as_tensor_variable(x)
    return x / (1.0 + abs(x))


def swish(x: Any) -> TensorVariable:
    """x·sigmoid(x)."""
    return elemwise("mul", x, sigmoid(x))


silu = swish

# -- softmax --------------------------------------------------------------------------------------


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """log(sum(exp(x))); compiled without overflow."""
    return log(sum(exp(x), axis, keepdims=keepdims))


def softmax(c: Any, axis: int = -1) -> TensorVariable:
    """exp(c) / sum(exp(c)) along an axis (of a matrix: rows); compiled without overflow."""
    e = exp(_line("softmax", c))
    return e / sum(e, axis, keepdims=True)


def log_softmax(c: Any, axis: int = -1) -> TensorVariable:
    """log(softmax(c)); compiled in its stable form."""
    return log(softmax(c, axis))


logsoftmax = log_softmax


def _line(what: str, c: Any) -> TensorVariable:
    c = as_tensor_variable(c)
    if not c.ndim:
        raise ShapeError(at(f"{what} of a scalar: a vector or a matrix is needed", here()))
    return c


def softmax_with_bias(x: Any, b: Any) -> TensorVariable:
    """softmax(x + b) of every row of the matrix `x`."""
    return softmax(elemwise("add", x, b))


def h_softmax(x: Any, batch_size: Any, n_outputs: Any, n_classes: Any, n_outputs_per_class: Any,
              W1: Any, b1: Any, W2: Any, b2: Any, target: Any = None
              ) -> TensorVariable:  # fmt: skip
    """Two layers of softmax: the class of an output, then the output within its class.

    x            (batch_size, features)
    W1, b1       (features, n_classes), (n_classes,)
    W2, b2       (n_classes, features, n_outputs_per_class), (n_classes, n_outputs_per_class)
    target       a vector of outputs' numbers: the result is their probability, (batch_size,);
                 None: those of all outputs, (batch_size, n_outputs)

    Morin & Bengio, Hierarchical probabilistic neural network language model, 2005.
    """
    x, W2, b2 = as_tensor_variable(x), as_tensor_variable(W2), as_tensor_variable(b2)
    first = softmax(dot(x, W1) + b1)
    if target is None:
        second = softmax(dot(x, W2) + b2)  # (batch, class, output)
        whole = first.dimshuffle(0, 1, "x") * second
        return whole.reshape((whole.shape[0], -1))[:, :n_outputs]
    target = cast(as_tensor_variable(target).flatten(), "int64")
    of_class, within = target // n_outputs_per_class, target % n_outputs_per_class
    rows = arange(x.shape[0])
    scores = batched_dot(x.dimshuffle(0, "x", 1), W2[of_class])[:, 0, :] + b2[of_class]
    return first[rows, of_class] * softmax(scores)[rows, within]


# -- likelihoods ----------------------------------------------------------------------------------


def binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """-target·log(output) - (1 - target)·log(1 - output), elementwise; stable for a sigmoid."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> TensorVariable:
    """binary_crossentropy(sigmoid(output), target) for scores `output`, without overflow."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return target * softplus(-output) + (1.0 - target) * softplus(output)


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> TensorVariable:
    """-sum(true·log(coding)) over the last axis of a matrix of distributions.

    `true_dist` is a matrix of distributions too, or a vector of the right classes' numbers.

    >>> import jitgrad.tensor as T
    >>> p, y = T.dmatrix("p"), T.lvector("y")
    >>> T.nnet.categorical_crossentropy(p, y).eval({p: [[0.5, 0.5], [1.0, 0.0]], y: [1, 0]})
    array([ 0.69314718, -0.        ])
    """
    p, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.ndim == p.ndim:
        return -sum(true * log(p), -1)
    if true.ndim != p.ndim - 1 or p.ndim != 2:
        raise TypeError(at("categorical_crossentropy takes a matrix, and a matrix or a vector of "
                           f"integers, not {p.type} and {true.type}", here()))  # fmt: skip
    return -log(p)[arange(p.shape[0]), true]


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> TensorVariable:
    """-log(coding[i, true[i]]) for every row i."""
    return categorical_crossentropy(coding_dist, true_one_of_n)


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> tuple[TensorVariable, TensorVariable]:
    """-log(softmax(x)[i, y_idx[i]]) for every row of the scores `x`, and softmax(x)."""
    p = softmax(x)
    return categorical_crossentropy(p, y_idx), p


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any
                                        ) -> tuple[TensorVariable, TensorVariable]:  # fmt: skip
    """`crossentropy_softmax_1hot(x + b, y_idx)`."""
    return crossentropy_softmax_1hot(elemwise("add", x, b), y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> list[TensorVariable]:
    """`crossentropy_softmax_1hot(x + b, y_idx)`, and the largest class of every row."""
    scores = elemwise("add", x, b)
    return [*crossentropy_softmax_1hot(scores, y_idx), argmax(scores, -1)]


def crossentropy_softmax_max_and_argmax_1hot(x: Any, y_idx: Any) -> list[TensorVariable]:
    """`crossentropy_softmax_1hot(x, y_idx)`, and of every row the largest probability and its
    class."""
    nll, p = crossentropy_softmax_1hot(x, y_idx)
    return [nll, p, largest(p, -1), argmax(as_tensor_variable(x), -1)]


def crossentropy_softmax_max_and_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any
                                                       ) -> list[TensorVariable]:  # fmt: skip
    """`crossentropy_softmax_max_and_argmax_1hot(x + b, y_idx)`."""
    return crossentropy_softmax_max_and_argmax_1hot(elemwise("add", x, b), y_idx)


def confusion_matrix(actual: Any, pred: Any) -> list[TensorVariable]:
    """How often class `order[i]` was taken for `order[k]`: the matrix, and the classes in order.

    >>> [v.eval() for v in confusion_matrix([2, 0, 2], [0, 0, 2])]
    [array([[1, 0],
           [1, 1]]), array([0, 2])]
    """
    actual, pred = as_tensor_variable(actual), as_tensor_variable(pred)
    if actual.ndim != 1 or pred.ndim != 1:
        raise ShapeError(at(f"confusion_matrix takes two vectors, not {actual.type} and "
                            f"{pred.type}", here()))  # fmt: skip
    order = unique(concatenate([actual, pred]))
    one, other = (elemwise("eq", v.dimshuffle(0, "x"), order) for v in (actual, pred))
    return [dot(cast(one, "int64").T, cast(other, "int64")), order]


def prepend_scalar_to_each_row(val: Any, mat: Any) -> TensorVariable:
    """The matrix with one more column, of the scalar `val`, in front."""
    val, mat = as_tensor_variable(val), as_tensor_variable(mat)
    if val.ndim or mat.ndim != 2:
        raise ShapeError(at(f"a scalar and a matrix are needed, not {val.type} and {mat.type}",
                            here()))  # fmt: skip
    from .symbolic_create import full

    return concatenate([full((mat.shape[0], 1), val), mat], 1)


def prepend_1_to_each_row(mat: Any) -> TensorVariable:
    """The matrix with one more column, of ones, in front."""
    mat = as_tensor_variable(mat)
    return prepend_scalar_to_each_row(cast(as_tensor_variable(1.0), mat.dtype), mat)


__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "confusion_matrix",
    "crossentropy_categorical_1hot", "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias", "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias", "elu", "h_softmax", "hard_sigmoid",
    "leaky_relu", "log_softmax", "logsoftmax", "logsumexp", "prepend_1_to_each_row",
    "prepend_scalar_to_each_row", "relu", "selu", "sigmoid", "sigmoid_binary_crossentropy",
    "silu", "softmax", "softmax_with_bias", "softplus", "softsign", "swish", "ultra_fast_sigmoid",
]  # fmt: skip
