"""Derivatives through `scan`, inside of its steps, and around both."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, scan, shared
from jitgrad.gradient import Rop, verify_grad
from jitgrad.tensor import grad

rng = np.random.default_rng(5)


def _numeric(f, args, k, eps=1e-6):  # type: ignore[no-untyped-def]
    """The derivative of a scalar function by its k-th argument, by central differences."""
    out = np.zeros_like(args[k])
    for i in np.ndindex(out.shape):
        up, down = [a.copy() for a in args], [a.copy() for a in args]
        up[k][i] += eps
        down[k][i] -= eps
        out[i] = (f(*up) - f(*down)) / (2 * eps)
    return out


def _network():  # type: ignore[no-untyped-def]
    X, W = T.dmatrices("X", "W")
    b, h0 = T.dvectors("b", "h0")
    hs, _ = scan(lambda x, h: T.tanh(T.dot(x, W) + h * b), X, h0)
    args = [rng.standard_normal(s) for s in ((4, 3), (3, 2), (2,), (2,))]
    return [X, W, b, h0], hs, args


def test_by_everything_that_a_loop_takes() -> None:
    ins, hs, args = _network()
    for cost in (hs.sum(), (hs**2)[-1].sum(), hs[1].sum() * 2 + hs[-1, 0]):
        value = function(ins, cost, on_unused_input="ignore")
        got = function(ins, grad(cost, ins))(*args)
        for k, g in enumerate(got):
            assert np.allclose(g, _numeric(value, args, k), atol=1e-7)


def test_second_order() -> None:
    ins, hs, args = _network()
    first = grad((hs[-1] ** 2).sum(), ins)
    cost = sum((g * g).sum() for g in first)
    value = function(ins, cost)
    got = function(ins, grad(cost, ins))(*args)
    for k, g in enumerate(got):
        assert np.allclose(g, _numeric(value, args, k), atol=1e-5)


def test_with_several_taps_and_integer_states() -> None:
    x, h, w = T.dvector("x"), T.dvector("h"), T.dscalar("w")

    def step(u, p1, p3, count, w):  # type: ignore[no-untyped-def]
        return T.sin(u * p1) + w * p3 / (1 + count), count + 1

    (hs, _), _ = scan(step, x, [{"initial": h, "taps": [-1, -3]}, T.constant(0)], w)
    cost = (hs * T.arange(hs.shape[0])).sum() + hs[-1]
    value = function([x, h, w], cost)
    args = [rng.standard_normal(6), rng.standard_normal(3), np.array(0.7)]
    got = function([x, h, w], grad(cost, [x, h, w]))(*args)
    for k, g in enumerate(got):
        assert np.allclose(g, _numeric(value, args, k), atol=1e-7)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_of_few_steps(n: int) -> None:
    x, k = T.dvector("x"), T.iscalar("k")
    out, _ = scan(lambda p, x: p * x, outputs_info=T.ones_like(x), non_sequences=x, n_steps=k)
    f = function([x, k], [out.sum(), grad(out.sum(), x)])
    v = np.array([2.0, 3.0])
    value, g = f(v, n)
    assert value == sum((v**j).sum() for j in range(1, n + 1))
    assert np.allclose(g, sum((j * v ** (j - 1) for j in range(1, n + 1)), np.zeros(2)))


def test_elementwise_with_masks() -> None:
    """sqrt behind a switch: lanes that are not taken have gradient 0 in every step."""
    x = T.dvector("x")
    out, _ = scan(lambda v, acc: acc + T.switch(v > 0, T.sqrt(v), 0), x, T.constant(0.0))
    g = function([x], grad(out[-1], x))([4.0, 0.0, -1.0, 1.0])
    assert np.array_equal(g, [0.25, 0, 0, 0.5])


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_truncated(steps: int) -> None:
    """The gradient sees the last steps; what came before them is constant."""
    x, h, w = T.dvector("x"), T.dscalar("h"), T.dscalar("w")
    out, _ = scan(lambda v, p, w: T.tanh(w * p + v), x, h, w, truncate_gradient=steps)
    full, _ = scan(lambda v, p, w: T.tanh(w * p + v), x, h, w)
    xs, h0, w0 = rng.standard_normal(5), 0.3, 0.8
    f = function([x, h, w], [out, full])
    assert np.array_equal(*f(xs, h0, w0))
    for cost, whole in ((out[-1], full[-1]), (out.sum(), full.sum())):
        got = function([x, h, w], grad(cost, [x, h, w]))(xs, h0, w0)
        k = max(5 - steps, 0)
        before = function([x, h, w], full)(xs, h0, w0)
        start = before[k - 1] if k else h0
        gx, gh, gw = function([x, h, w], grad(whole, [x, h, w]))(xs[k:], start, w0)
        assert np.allclose(got[0], [0] * k + list(gx)) and np.allclose(got[2], gw)
        assert np.allclose(got[1], gh if not k else 0)


def test_jacobian_by_a_loop_of_gradients() -> None:
    """The gradient is taken inside of a step, by a variable outside, through ops outside."""
    x, w = T.dvector("x"), T.dmatrix("w")
    y = T.tanh(T.dot(w, x))
    J, _ = scan(lambda i, y, x: grad(y[i], x), T.arange(y.shape[0]), non_sequences=[y, x])
    a, m = rng.standard_normal(3), rng.standard_normal((4, 3))
    want = (1 - np.tanh(m @ a) ** 2)[:, None] * m
    assert np.allclose(function([x, w], J)(a, m), want)
    # … and a gradient of that
    g = function([x, w], grad((J**2).sum(), x))(a, m)
    value = function([x, w], (J**2).sum())
    assert np.allclose(g, _numeric(lambda v: value(v, m), [a], 0), atol=1e-6)


def test_hessian_by_a_loop_of_gradients() -> None:
    x = T.dvector("x")
    cost = (x**3).sum() * x[0]
    gy = grad(cost, x)
    H, _ = scan(lambda i, gy, x: grad(gy[i], x), T.arange(gy.shape[0]), non_sequences=[gy, x])
    a = rng.standard_normal(3)
    want = np.diag(6 * a * a[0])
    want[0, :] += 3 * a**2
    want[:, 0] += 3 * a**2
    assert np.allclose(function([x], H)(a), want)


def test_gradients_inside_are_stabilized() -> None:
    """log(1 + exp(v)) has a finite slope at 1000, in a step and by something outside of it."""
    x = T.dvector("x")
    out, _ = scan(lambda v: grad(T.log(1 + T.exp(v)), v), x)
    assert np.array_equal(function([x], out)([1000.0, -1000.0, 0.0]), [1, 0, 0.5])
    y = T.log(1 + T.exp(x))
    J, _ = scan(lambda i, y, x: grad(y[i], x), T.arange(y.shape[0]), non_sequences=[y, x])
    assert np.array_equal(function([x], J)([1000.0, 0.0]), [[1, 0], [0, 0.5]])


def test_steepest_descent_inside_of_a_loop() -> None:
    """A step takes the gradient by its own state."""
    x0, rate = T.dvector("x0"), T.dscalar("rate")

    def step(x, rate):  # type: ignore[no-untyped-def]
        return x - rate * grad(((x - 3) ** 2).sum(), x)

    out, _ = scan(step, outputs_info=x0, non_sequences=rate, n_steps=3)
    f = function([x0, rate], [out[-1], grad(out[-1].sum(), rate)])
    value, g = f([0.0, 1.0], 0.1)
    want = 3 + (np.array([0.0, 1.0]) - 3) * 0.8**3
    assert np.allclose(value, want)
    assert np.allclose(g, ((np.array([0.0, 1.0]) - 3) * 3 * 0.8**2 * -2).sum())


def test_training_inside_of_a_loop() -> None:
    """Updates of a shared variable by the gradient of a step's cost."""
    w = shared(np.zeros(2), "w")
    X, y = T.dmatrix("X"), T.dvector("y")

    def step(x, t):  # type: ignore[no-untyped-def]
        cost = (T.dot(x, w) - t) ** 2
        return cost, {w: w - 0.1 * grad(cost, w)}

    costs, updates = scan(step, [X, y])
    f = function([X, y], costs, updates=updates)
    xs, ts = rng.standard_normal((6, 2)), rng.standard_normal(6)
    got, v, want = f(xs, ts), np.zeros(2), []
    for a, t in zip(xs, ts):
        e = a @ v - t
        want.append(e**2)
        v = v - 0.2 * e * a
    assert np.allclose(got, want) and np.allclose(w.get_value(), v)


def test_by_a_shared_variable() -> None:
    w = shared(np.array([0.5, -1.0]), "w")
    x = T.dmatrix("x")
    out, _ = scan(lambda r, acc: acc + T.tanh(r * w), x, T.zeros((2,)))
    a = rng.standard_normal((3, 2))
    g = function([x], grad(out[-1].sum(), w))(a)
    assert np.allclose(g, ((1 - np.tanh(a * w.get_value()) ** 2) * a).sum(0))


def test_forward_mode() -> None:
    x, v, w = T.dvectors("x", "v", "w")
    out, _ = scan(lambda p, w: T.sin(p * w), outputs_info=x, non_sequences=w, n_steps=4)
    a, d, c = rng.standard_normal((3, 3))
    got = function([x, w, v], Rop(out, x, v))(a, c, d)
    value = function([x, w], out)
    want = (value(a + 1e-6 * d, c) - value(a - 1e-6 * d, c)) / 2e-6
    assert np.allclose(got, want, atol=1e-8)


def test_verify_grad_takes_loops() -> None:
    def f(x, w):  # type: ignore[no-untyped-def]
        out, _ = scan(lambda r, p: T.tanh(r + T.dot(p, w)), x, T.zeros_like(x[0]))
        return out

    verify_grad(f, [rng.standard_normal((3, 2)), rng.standard_normal((2, 2))], rng=rng)


def test_consider_constant_and_known_gradients() -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    out, _ = scan(lambda v, p: p * w + v, x, T.constant(0.0))
    last = out[-1]
    g = function([x, w], grad(last * w, w, consider_constant=[last]))([1.0, 2.0], 3.0)
    assert g == 5.0
    g = function([x, w], grad(None, w, known_grads={last: T.constant(2.0)}))([1.0, 2.0], 3.0)
    assert g == 2.0
