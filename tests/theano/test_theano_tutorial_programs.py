"""Programs of the kind that Theano's tutorial teaches, run with the import changed."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import In, function, shared


def test_add_two_scalars() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    z = x + y
    f = function([x, y], z)
    assert f(2, 3) == 5.0 and isinstance(f(2, 3), np.ndarray) and f(2, 3).shape == ()
    assert np.allclose(z.eval({x: 16.3, y: 12.1}), 28.4)
    assert theano.pp(z) == "(x + y)"


def test_add_two_matrices() -> None:
    x, y = T.dmatrices("x", "y")
    f = function([x, y], x + y)
    expected = [[11.0, 22.0], [33.0, 44.0]]
    assert np.array_equal(f([[1, 2], [3, 4]], [[10, 20], [30, 40]]), expected)
    assert np.array_equal(f(np.array([[1, 2], [3, 4]]), np.array([[10, 20], [30, 40]])), expected)


def test_an_exercise_with_vectors() -> None:
    a, b = T.vector(), T.vector()
    f = theano.function([a, b], a**2 + b**2 + 2 * a * b)
    assert np.array_equal(f([1, 2], [4, 5]), [25.0, 49.0])


def test_logistic_function_and_its_tanh_form() -> None:
    x = T.dmatrix("x")
    s = 1 / (1 + T.exp(-x))
    s2 = (1 + T.tanh(x / 2)) / 2
    at = [[0, 1], [-1, -2]]
    one, two = function([x], s)(at), function([x], s2)(at)
    assert np.allclose(one, [[0.5, 0.73105858], [0.26894142, 0.11920292]])
    assert np.allclose(one, two)


def test_several_outputs() -> None:
    a, b = T.dmatrices("a", "b")
    diff = a - b
    f = function([a, b], [diff, abs(diff), diff**2])
    d, ad, d2 = f([[1, 1], [1, 1]], [[0, 1], [2, 3]])
    assert np.array_equal(d, [[1, 0], [-1, -2]])
    assert np.array_equal(ad, [[1, 0], [1, 2]])
    assert np.array_equal(d2, [[1, 0], [1, 4]])


def test_default_values_and_names_of_inputs() -> None:
    x, y, w = T.dscalars("x", "y", "w")
    f = function([x, In(y, value=1), In(w, value=2, name="w_by_name")], (x + y) * w)
    assert f(33) == 68.0
    assert f(33, 2) == 70.0
    assert f(33, 0, 1) == 33.0
    assert f(33, w_by_name=1) == 34.0
    assert f(33, w_by_name=1, y=0) == 33.0


def test_an_accumulator() -> None:
    state, inc = shared(0), T.iscalar("inc")
    accumulator = function([inc], state, updates=[(state, state + inc)])
    assert state.get_value() == 0
    assert accumulator(1) == 0 and state.get_value() == 1
    assert accumulator(300) == 1 and state.get_value() == 301
    state.set_value(-1)
    assert accumulator(3) == -1 and state.get_value() == 2
    decrementor = function([inc], state, updates=[(state, state - inc)])
    assert decrementor(2) == 2 and state.get_value() == 0


def test_givens_replace_a_shared_variable() -> None:
    state, inc = shared(0), T.iscalar("inc")
    fn_of_state = state * 2 + inc
    foo = T.scalar(dtype=state.dtype)
    skip_shared = function([inc, foo], fn_of_state, givens=[(state, foo)])
    assert skip_shared(1, 3) == 7
    assert state.get_value() == 0


def test_copies_of_functions() -> None:
    state, inc = shared(0), T.iscalar("inc")
    accumulator = function([inc], state, updates=[(state, state + inc)])
    assert accumulator(10) == 0 and state.get_value() == 10
    new_state = shared(0)
    new_accumulator = accumulator.copy(swap={state: new_state})
    assert np.asarray(new_accumulator(100)) == 0
    assert new_state.get_value() == 100 and state.get_value() == 10
    null_accumulator = accumulator.copy(delete_updates=True)
    assert null_accumulator(9000) == 10
    assert state.get_value() == 10


def test_random_numbers() -> None:
    from jitgrad.tensor.shared_randomstreams import RandomStreams

    srng = RandomStreams(seed=234)
    rv_u, rv_n = srng.uniform((2, 2)), srng.normal((2, 2))
    f = function([], rv_u)
    g = function([], rv_n, no_default_updates=True)
    nearly_zeros = function([], rv_u + rv_u - 2 * rv_u)
    first, second = f(), f()
    assert first.shape == (2, 2) and not np.array_equal(first, second)
    assert np.array_equal(g(), g())
    assert np.allclose(nearly_zeros(), 0)
    srng.seed(902340)
    a = f()
    srng.seed(902340)
    assert np.array_equal(a, f())


def test_random_state_is_copied_between_graphs() -> None:
    from jitgrad.sandbox.rng_mrg import MRG_RandomStreams

    class Graph:
        def __init__(self, seed: int) -> None:
            self.rng = MRG_RandomStreams(seed)
            self.y = self.rng.uniform(size=(1,))

    g1, g2 = Graph(123), Graph(987)
    f1, f2 = function([], g1.y), function([], g2.y)
    assert f1() != f2()
    for one, other in zip(g1.rng.state_updates, g2.rng.state_updates):
        other[0].set_value(one[0].get_value())
    assert f1() == f2()


def test_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    n, feats = 400, 78
    xs = rng.standard_normal((n, feats))
    ys = rng.integers(0, 2, n)
    x, y = T.dmatrix("x"), T.dvector("y")
    w = shared(rng.standard_normal(feats), name="w")
    b = shared(0.0, name="b")
    p_1 = 1 / (1 + T.exp(-T.dot(x, w) - b))
    prediction = p_1 > 0.5
    xent = -y * T.log(p_1) - (1 - y) * T.log(1 - p_1)
    cost = xent.mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    train = function(
        inputs=[x, y],
        outputs=[prediction, xent],
        updates=((w, w - 0.1 * gw), (b, b - 0.1 * gb)),
    )
    predict = function(inputs=[x], outputs=prediction)
    before = function([x, y], cost)(xs, ys)
    for _ in range(300):
        train(xs, ys)
    after = function([x, y], cost)(xs, ys)
    assert after < 0.5 * before
    assert np.mean(predict(xs) == ys) > 0.6
    # one step by hand
    w0, b0 = w.get_value(), b.get_value()
    p = 1 / (1 + np.exp(-xs @ w0 - b0))
    expected = w0 - 0.1 * (xs.T @ (p - ys) / n + 0.02 * w0)
    train(xs, ys)
    assert np.allclose(w.get_value(), expected, rtol=1e-12)


def test_minibatches_of_a_shared_data_set() -> None:
    """The classifier of the deep learning tutorials: slices of shared data chosen by an index."""
    rng = np.random.default_rng(1)
    data = rng.standard_normal((50, 4)).astype(theano.config.floatX)
    truth = (data @ rng.standard_normal((4, 3))).argmax(1)
    train_x = shared(data, borrow=True)
    train_y = T.cast(shared(truth.astype(theano.config.floatX), borrow=True), "int32")
    index = T.lscalar()
    x, y = T.matrix("x"), T.ivector("y")
    W = shared(np.zeros((4, 3), theano.config.floatX), name="W", borrow=True)
    b = shared(np.zeros((3,), theano.config.floatX), name="b", borrow=True)
    p_y = T.nnet.softmax(T.dot(x, W) + b)
    y_pred = T.argmax(p_y, axis=1)
    cost = -T.mean(T.log(p_y)[T.arange(y.shape[0]), y])
    errors = T.mean(T.neq(y_pred, y))
    g_W, g_b = T.grad(cost=cost, wrt=W), T.grad(cost=cost, wrt=b)
    size = 20
    train = function(
        inputs=[index],
        outputs=cost,
        updates=[(W, W - 0.5 * g_W), (b, b - 0.5 * g_b)],
        givens={
            x: train_x[index * size : (index + 1) * size],
            y: train_y[index * size : (index + 1) * size],
        },
    )
    test = function([], errors, givens={x: train_x, y: train_y})
    assert np.allclose(train(0), np.log(3))
    assert np.isfinite(train(2))  # ten rows are left
    for _ in range(100):
        for k in range(3):
            train(k)
    assert test() < 0.15


def test_hidden_layer_with_regularization() -> None:
    rng = np.random.RandomState(23455)
    x, y = T.matrix("x"), T.ivector("y")

    def layer(inp: T.TensorVariable, n_in: int, n_out: int) -> tuple:
        bound = np.sqrt(6.0 / (n_in + n_out))
        W = shared(np.asarray(rng.uniform(-bound, bound, (n_in, n_out))), name="W")
        b = shared(np.zeros(n_out), name="b")
        return T.dot(inp, W) + b, [W, b]

    lin, p1 = layer(x, 5, 8)
    out, p2 = layer(T.tanh(lin), 8, 3)
    params = p1 + p2
    L1 = abs(p1[0]).sum() + abs(p2[0]).sum()
    L2_sqr = (p1[0] ** 2).sum() + (p2[0] ** 2).sum()
    nll = -T.mean(T.log(T.nnet.softmax(out))[T.arange(y.shape[0]), y])
    cost = nll + 0.0001 * L1 + 0.0001 * L2_sqr
    gparams = [T.grad(cost, param) for param in params]
    updates = [(param, param - 0.1 * g) for param, g in zip(params, gparams)]
    train = function([x, y], cost, updates=updates)
    xs = rng.standard_normal((60, 5))
    ys = (xs[:, 0] > 0).astype("int32") + (xs[:, 1] > 0).astype("int32")
    first = train(xs, ys)
    for _ in range(400):
        last = train(xs, ys)
    assert last < 0.5 * first


def test_functions_survive_pickle_and_copy() -> None:
    x = T.dvector("x")
    w = shared(np.array([1.0, 2.0]), name="w")
    f = function([x], (w * x).sum(), updates=[(w, w + 1)])
    g = pickle.loads(pickle.dumps(f))
    h = copy.deepcopy(f)
    assert f([1.0, 1.0]) == 3.0 and g([1.0, 1.0]) == 3.0 and h([1.0, 1.0]) == 3.0
    assert f([1.0, 1.0]) == 5.0
    assert g([1.0, 1.0]) == 5.0  # its own state
    assert np.array_equal(w.get_value(), [3.0, 4.0])


def test_broadcasting_a_row() -> None:
    r, m = T.row(), T.matrix()
    assert r.broadcastable == (True, False) and m.broadcastable == (False, False)
    f = function([r, m], r + m)
    assert np.array_equal(f([[1, 2]], [[3, 4], [5, 6]]), [[4, 6], [6, 8]])
    b = T.addbroadcast(T.matrix("b"), 0)
    assert b.broadcastable == (True, False)


def test_an_unknown_size_does_not_broadcast() -> None:
    x, y = T.dmatrices("x", "y")
    f = function([x, y], x + y)
    with pytest.raises(ValueError, match=r"mis-match"):
        f(np.ones((1, 3)), np.ones((2, 3)))
