"""`T.nnet` against NumPy, gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
R = np.random.default_rng(11)
X = R.standard_normal((3, 4))
V = np.array([-2.7, -0.3, 0.4, 1.7])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    return scipy.special.softmax(x, axis)


ACTIVATIONS = {
    "sigmoid": (lambda x: T.nnet.sigmoid(x), sigmoid),
    "ultra_fast_sigmoid": (lambda x: T.nnet.ultra_fast_sigmoid(x), sigmoid),
    "hard_sigmoid": (lambda x: T.nnet.hard_sigmoid(x), lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "softplus": (lambda x: T.nnet.softplus(x), lambda x: np.log1p(np.exp(x))),
    "softsign": (lambda x: T.nnet.softsign(x), lambda x: x / (1 + np.abs(x))),
    "relu": (lambda x: [T.nnet.relu(x), T.nnet.relu(x, 0.1), T.nnet.leaky_relu(x)],
             lambda x: [np.maximum(x, 0), np.where(x > 0, x, 0.1 * x),
                        np.where(x > 0, x, 0.01 * x)]),
    "elu": (lambda x: [T.nnet.elu(x), T.nnet.elu(x, 2.0), T.nnet.selu(x)],
            lambda x: [np.where(x > 0, x, np.expm1(x)), np.where(x > 0, x, 2 * np.expm1(x)),
                       1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))]),
    "swish": (lambda x: T.nnet.swish(x), lambda x: x * sigmoid(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    agree(*ACTIVATIONS[name], (V,), (V[:0],), (V[1:2],))
    f = T.dvector("x")
    got = flat = ACTIVATIONS[name][0](f)
    for out in flat if isinstance(got, list) else [got]:
        value = out.eval({f: [800.0, -800.0, 0.0]})
        slope = T.grad(T.sum(out), f).eval({f: [800.0, -800.0, 0.0]})
        assert np.all(np.isfinite(value)) and np.all(np.isfinite(slope))


def test_alpha_may_be_a_tensor():
    agree(lambda x, a: T.nnet.relu(x, a), lambda x, a: np.where(x > 0, x, a * x), (X, V))


@both
def test_softmax(mode):
    agree(lambda x: [T.nnet.softmax(x), T.nnet.logsoftmax(x), T.nnet.softmax(x, axis=0),
                     T.nnet.softmax_with_bias(x, x[0]), T.nnet.logsumexp(x, axis=1)],
          lambda x: [softmax(x), np.log(softmax(x)), softmax(x, 0), softmax(x + x[0]),
                     scipy.special.logsumexp(x, 1)], (X,), (X[:1],), mode=mode)  # fmt: skip
    agree(lambda v: T.nnet.softmax(v), softmax, (V,), mode=mode)
    x = T.dmatrix("x")
    big = [[800.0, -800.0, 800.0]]
    p, logs = function([x], [T.nnet.softmax(x), T.nnet.logsoftmax(x)])(big)
    np.testing.assert_allclose(p, [[0.5, 0, 0.5]])
    np.testing.assert_allclose(logs, [[-np.log(2), -1600 - np.log(2), -np.log(2)]])
    with pytest.raises(ShapeError, match="scalar"):
        T.nnet.softmax(T.dscalar())


def test_crossentropies():
    t = np.array([[0.2, 0.3, 0.5, 0.0], [1, 0, 0, 0], [0.25] * 4])
    y = np.array([1, 0, 3])
    logp = np.log(softmax(X))
    rows = np.arange(3)
    agree(lambda x, t, y, b: [
              T.nnet.categorical_crossentropy(T.nnet.softmax(x), t),
              T.nnet.categorical_crossentropy(T.nnet.softmax(x), y),
              T.nnet.crossentropy_categorical_1hot(T.nnet.softmax(x), y),
              *T.nnet.crossentropy_softmax_1hot(x, y),
              *T.nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, y),
              *T.nnet.crossentropy_softmax_max_and_argmax_1hot(x, y)],
          lambda x, t, y, b: [
              -(t * np.log(softmax(x))).sum(1), *[-np.log(softmax(x))[rows, y]] * 3, softmax(x),
              -np.log(softmax(x + b))[rows, y], softmax(x + b), (x + b).argmax(1),
              -np.log(softmax(x))[rows, y], softmax(x), softmax(x).max(1), x.argmax(1)],
          (X, t, y, V), rtol=1e-10)  # fmt: skip
    assert logp.shape == (3, 4)
    with pytest.raises(TypeError, match="takes a matrix"):
        T.nnet.categorical_crossentropy(T.dvector(), T.lscalar())


def test_binary_crossentropies():
    t = np.array([0.0, 1.0, 0.3, 1.0])

    def ref(x, t):
        p = sigmoid(x)
        return -(t * np.log(p) + (1 - t) * np.log(1 - p))

    agree(lambda x, t: [T.nnet.binary_crossentropy(T.nnet.sigmoid(x), t),
                        T.nnet.sigmoid_binary_crossentropy(x, t)],
          lambda x, t: [ref(x, t)] * 2, (V, t), rtol=1e-10)  # fmt: skip
    x = T.dvector("x")
    for loss in (T.nnet.binary_crossentropy(T.nnet.sigmoid(x), 1.0),
                 T.nnet.sigmoid_binary_crossentropy(x, 1.0)):  # fmt: skip
        value, slope = function([x], [loss, T.grad(loss.sum(), x)])([-800.0, 800.0])
        np.testing.assert_allclose(value, [800, 0])
        np.testing.assert_allclose(slope, [-1, 0])


def test_h_softmax():
    n, inside, classes, per = 3, 4, 2, 3
    W1, b1 = R.standard_normal((inside, classes)), R.standard_normal(classes)
    W2, b2 = R.standard_normal((classes, inside, per)), R.standard_normal((classes, per))
    y = np.array([0, 4, 5])

    def whole(x, W1, b1, W2, b2):
        first = softmax(x @ W1 + b1)
        second = softmax(np.einsum("bi,cip->bcp", x, W2) + b2)
        return (first[..., None] * second).reshape(n, -1)

    agree(lambda x, *w: T.nnet.h_softmax(x, n, 6, classes, per, *w), whole,
          (X, W1, b1, W2, b2), rtol=1e-10)  # fmt: skip
    agree(lambda y, x, *w: T.nnet.h_softmax(x, n, 6, classes, per, *w, y),
          lambda y, x, *w: whole(x, *w)[np.arange(n), y],
          (y, X, W1, b1, W2, b2), rtol=1e-10)  # fmt: skip


def test_small_ones():
    f = T.lvector("f")
    matrix, order = function([f], T.nnet.confusion_matrix(f, f[::-1]))([2, 0, 2, 7])
    np.testing.assert_array_equal(order, [0, 2, 7])
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    agree(lambda m: T.nnet.prepend_1_to_each_row(m), lambda m: np.c_[np.ones(len(m)), m], (X,))
    agree(lambda v, m: T.nnet.prepend_scalar_to_each_row(v, m),
          lambda v, m: np.c_[np.full(len(m), v), m], (np.float64(3), X))  # fmt: skip


# -- normalization --------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["per-activation", "spatial", (0, 3)])
def test_batch_normalization(axes):
    x = R.standard_normal((3, 2, 4, 5))
    over = {"per-activation": (0,), "spatial": (0, 2, 3)}.get(axes, axes)
    size = tuple(1 if i in over else n for i, n in enumerate(x.shape))
    g, b, m, v = (R.uniform(0.5, 1.5, size) for _ in range(4))

    def train(x, g, b, m, v):
        mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
        inv = 1 / np.sqrt(var + 1e-4)
        n = np.prod([x.shape[a] for a in over])
        return [(x - mean) * inv * g + b, mean, inv, 0.9 * m + 0.1 * mean,
                0.9 * v + 0.1 * var * n / (n - 1)]  # fmt: skip

    bn = T.nnet.bn
    agree(lambda x, g, b, m, v: list(bn.batch_normalization_train(
              x, g, b, axes, running_mean=m, running_var=v)),
          train, (x, g, b, m, v), rtol=1e-8)  # fmt: skip
    agree(lambda x, g, b, m, v: bn.batch_normalization_test(x, g, b, m, v, axes),
          lambda x, g, b, m, v: (x - m) / np.sqrt(v + 1e-4) * g + b,
          (x, g, b, m, v), rtol=1e-9)  # fmt: skip
    keep = tuple(n for i, n in enumerate(x.shape) if i not in over)
    agree(lambda x, g, b, m, v: bn.batch_normalization_test(x, g, b, m, v, axes),
          lambda x, *p: (x - p[2].reshape(size)) / np.sqrt(p[3].reshape(size) + 1e-4)
          * p[0].reshape(size) + p[1].reshape(size),
          (x, *(p.reshape(keep) for p in (g, b, m, v))), rtol=1e-9, grad=False)  # fmt: skip


def test_batch_normalization_old_form_and_errors():
    bn = T.nnet.bn
    agree(lambda x, g: bn.batch_normalization(x, g, 1.0, x.mean(0), x.std(0)),
          lambda x, g: (x - x.mean(0)) * g / x.std(0) + 1.0, (X, V), rtol=1e-8)  # fmt: skip
    x, v = T.dmatrix("x"), T.dvector("v")
    with pytest.raises(ShapeError, match="2 dims for inputs"):
        bn.batch_normalization_test(T.dtensor4(), x, x, x, x, "spatial")
    with pytest.raises(ValueError, match="axes is"):
        bn.batch_normalization_train(x, v, v, axes="rows")
    f = function([x, v], bn.batch_normalization_test(x, v, v, v, v, "spatial"))
    with pytest.raises(ShapeError):
        f(X, np.ones(3))
