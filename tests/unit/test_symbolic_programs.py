"""Programs of Theano's documentation, and that what they share is computed once in both halves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad.numpy as jnp
import jitgrad.tensor as T
from jitgrad import In, function, grad, jit, pp, value_and_grad
from jitgrad.ir.core import Function
from jitgrad.ir.parser import parse_function, parse_type_list
from jitgrad.testing.gradcheck import draw

MODES = ("FAST_RUN", "FAST_COMPILE")
both = pytest.mark.parametrize("mode", MODES)


def slope(f: Callable[..., Any], args: list[np.ndarray], k: int) -> np.ndarray:
    """The gradient of a scalar function by its argument k, by central differences."""
    out = np.zeros_like(args[k])
    for i in np.ndindex(args[k].shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = [a.copy() for a in args]
            moved[k][i] += step
            sides.append(f(*moved))
        out[i] = (sides[0] - sides[1]) / 2e-5
    return out


# -- the tutorial's pages --------------------------------------------------------------------------


@both
def test_more_examples(mode: str) -> None:
    """The page that follows "Adding two scalars": several results, defaults, names."""
    a, b = T.dmatrices("a", "b")
    diff = a - b
    f = function([a, b], [diff, abs(diff), diff**2], mode=mode)
    got = f([[1, 1], [1, 1]], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(got[0], [[1, 0], [-1, -2]])
    np.testing.assert_array_equal(got[1], [[1, 0], [1, 2]])
    np.testing.assert_array_equal(got[2], [[1, 0], [1, 4]])
    x, y, w = T.dscalars("x", "y", "w")
    f = function([x, In(y, value=1), In(w, value=2, name="w_by_name")], (x + y) * w, mode=mode)
    assert [float(v) for v in (f(33), f(33, 2), f(33, 0, 1), f(33, w_by_name=1))] == [
        68,
        70,
        33,
        34,
    ]
    x = T.dmatrix("x")
    s, s2 = 1 / (1 + T.exp(-x)), (1 + T.tanh(x / 2)) / 2
    one, two = function([x], [s, s2], mode=mode)([[0, 1], [-1, -2]])
    np.testing.assert_allclose(one, two, rtol=1e-14)


@both
def test_hessian_row_by_row(mode: str) -> None:
    x = T.dvector("x")
    gy = T.grad((x**3).sum(), x)
    rows = function([x], [T.grad(gy[i], x) for i in range(2)], mode=mode)
    np.testing.assert_allclose(rows([4.0, 5.0]), [[24, 0], [0, 30]])


def test_every_spelling_of_grad() -> None:
    x = T.dscalar("x")
    y = x**2
    want = "((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))"
    import jitgrad.gradient

    for g in (
        T.grad(y, x), T.grad(y, wrt=x), T.grad(cost=y, wrt=x), grad(y, x), grad(y, wrt=x),
        grad(cost=y, wrt=x), jitgrad.gradient.grad(y, x), y.grad(x), grad(y, [x])[0],
        grad(y, (x,))[0], grad(cost=y, wrt=[x])[0],
    ):  # fmt: skip
        assert pp(g) == want


def logistic_regression() -> tuple[list[Any], list[Any]]:
    x, y, w, b = T.dmatrix("x"), T.dvector("y"), T.dvector("w"), T.dscalar("b")
    p_1 = 1 / (1 + T.exp(-T.dot(x, w) - b))
    prediction = p_1 > 0.5
    xent = -y * T.log(p_1) - (1 - y) * T.log(1 - p_1)
    cost = xent.mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    return [x, y, w, b], [cost, gw, gb, prediction]


@both
def test_logistic_regression(mode: str) -> None:
    ins, outs = logistic_regression()
    train = function(inputs=ins, outputs=outs, mode=mode)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 5))
    right = (data @ [1, -2, 0.5, 0, 3] + 0.3 > 0).astype(float)
    w, b = np.zeros(5), np.zeros(())
    first = train(data, right, w, b)[0]
    for k in (2, 3):
        args = [data, right, rng.normal(size=5), np.array(0.2)]
        found = train(*args)
        want = slope(lambda *a: float(train(*a)[0]), args, k)
        np.testing.assert_allclose(found[k - 1], want, atol=1e-8)
    for _ in range(300):
        cost, gw, gb, _ = train(data, right, w, b)
        w, b = w - 0.5 * gw, b - 0.5 * gb
    assert cost < first / 2  # what is left is mostly the penalty
    assert np.mean(train(data, right, w, b)[3] == right) > 0.9
    # far from the decision boundary the naive formula has long lost its logarithm
    value, gw, gb, _ = train(data * 1e4, 1 - right, w, b)
    assert np.isfinite([value, gb]).all() and np.isfinite(gw).all()


def perceptron() -> tuple[list[Any], list[Any]]:
    """Two layers, a softmax, the negative log-likelihood of integer labels."""
    x, y = T.dmatrix("x"), T.ivector("y")
    weights = [T.dmatrix("W1"), T.dvector("b1"), T.dmatrix("W2"), T.dvector("b2")]
    w1, b1, w2, b2 = weights
    h = T.tanh(T.dot(x, w1) + b1)
    p = T.nnet.softmax(T.dot(h, w2) + b2)
    nll = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    cost = nll + 1e-3 * ((w1**2).sum() + (w2**2).sum())
    errors = T.mean(T.neq(T.argmax(p, axis=1), y))
    return [x, y, *weights], [cost, *T.grad(cost, weights), errors]


@both
def test_multilayer_perceptron(mode: str) -> None:
    ins, outs = perceptron()
    f = function(ins, outs, mode=mode)
    rng = np.random.default_rng(1)
    shapes = [(4, 6), (6,), (6, 3), (3,)]
    data, labels = rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1], np.int32)
    args = [data, labels, *[rng.normal(size=s) for s in shapes]]
    found = f(*args)
    for k in range(2, 6):
        want = slope(lambda *a: float(f(*a)[0]), args, k)
        np.testing.assert_allclose(found[k - 1], want, atol=1e-8)
    assert found[-1] in np.arange(6) / 5
    # the naive softmax overflows and its logarithm is -inf; neither shows
    huge = [data, labels, *[1e4 * a for a in args[2:]]]
    assert all(np.isfinite(v).all() for v in f(*huge))


# -- each shared subexpression once ----------------------------------------------------------------


def repeated(fn: Function) -> list[str]:
    """Ops that compute again what an op before them has computed."""
    seen = Counter(
        (op.name, tuple(map(id, op.operands)), repr(op.attrs)) for op in fn.ops
        if op.results and not op.regions and op.name != "constant"
    )  # fmt: skip
    return [name for (name, _, _), n in seen.items() if n > 1]


def test_repetitions_are_noticed() -> None:
    text = """func @f(%x: f64) -> (f64) {
  %0: f64 = exp %x
  %1: f64 = exp %x
  %2: f64 = mul %0, %1
  return %2
}"""
    assert repeated(parse_function(text)) == ["exp"]


def count(fn: Function, *names: str) -> list[int]:
    found = Counter(op.name for op in fn.ops)
    return [found[n] for n in names]


def test_forward_and_backward_share_in_the_symbolic_front_end() -> None:
    for build, shared in (
        # s(-m) for the loss, s(m) for the slope: log and exp stand in softplus and sigmoid
        (logistic_regression, {"matmul": 2, "log": 0}),
        # 2 products forwards, 3 backwards (none by the data); one tanh, one exp, one log
        (perceptron, {"matmul": 5, "tanh": 1, "exp": 1, "log": 1, "argmax": 1}),
    ):
        ins, outs = build()
        fn = function(ins, outs).maker.compiled.optimized
        assert repeated(fn) == []
        assert dict(zip(shared, count(fn, *shared))) == shared


TYPES = "f64[4, 6], f64[6], f64[6, 3], f64[3], f64[5, 4], f64[5, 3]"


def network(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, target: Any) -> Any:
    h = jnp.tanh(x @ w1 + b1)
    z = h @ w2 + b2
    p = jnp.exp(z) / jnp.sum(jnp.exp(z), axis=1, keepdims=True)
    return -jnp.sum(target * jnp.log(p))


def test_forward_and_backward_share_in_the_traced_front_end() -> None:
    rng = np.random.default_rng(2)
    args = [draw(rng, t, -1, 1) for t in parse_type_list(TYPES)]
    step = jit(value_and_grad(network, argnums=(0, 1, 2, 3)))
    fn = parse_function(step.lower(*args).ir("optimized"))
    assert repeated(fn) == []
    assert count(fn, "matmul", "tanh", "exp", "log") == [5, 1, 1, 1]
    eager = value_and_grad(network, argnums=(0, 1, 2, 3))(*args)
    compiled = step(*args)
    for g, w in zip([compiled[0], *compiled[1]], [eager[0], *eager[1]]):
        np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [2048, 4099, 4104, 4111, 20045])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_against_a_constant_of_any_size(size: int, dtype: str) -> None:
    """The size is compiled in: what is left behind whole vectors may be wider than a total."""
    x = T.TensorType(dtype, (False,))("x")
    weights = (np.arange(size) % 7).astype(dtype)
    cost = T.sum(T.sigmoid(x) * weights)
    value, g = function([x], [cost, T.grad(cost, x)])(np.zeros(size, dtype))
    assert value == weights.sum() / 2
    np.testing.assert_allclose(g, weights / 4, rtol=1e-6)
