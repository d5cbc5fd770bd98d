"""`jacobian`, `hessian`, `Rop`, `Lop`, `hessian_vector_product`, `subgraph_grad`."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import function, scan, shared
from jitgrad import gradient as G

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])


def softplus(x):
    return T.log(1 + T.exp(x))


# -- Jacobians ------------------------------------------------------------------------------------


@both
def test_jacobians_of_several_variables(mode):
    A, x = T.dmatrix("A"), T.dvector("x")
    by_A, by_x = function([A, x], G.jacobian(T.dot(A, x), [A, x]), mode=mode)(
        np.arange(6.0).reshape(2, 3), [1.0, 2.0, 3.0]
    )
    np.testing.assert_array_equal(by_x, np.arange(6.0).reshape(2, 3))
    want = np.zeros((2, 2, 3))
    want[[0, 1], [0, 1]] = 1, 2, 3
    np.testing.assert_array_equal(by_A, want)


def test_jacobians_answer_as_they_were_asked():
    x = T.dvector("x")
    assert isinstance(T.jacobian(x**2, [x]), list) and isinstance(T.jacobian(x**2, (x, x)), tuple)
    s = T.dscalar("s")
    assert G.jacobian(s**2, s).eval({s: 3.0}) == 6  # of a scalar it is the gradient
    assert G.jacobian(x**2, []) == []
    np.testing.assert_array_equal(G.jacobian(s * x, s).eval({s: 2.0, x: [1.0, 5.0]}), [1, 5])


@both
@pytest.mark.parametrize("n", [0, 1, 3])
def test_jacobians_of_any_size(mode, n):
    x = T.dvector("x")
    at = np.linspace(-1, 1, n)
    got = function([x], [G.jacobian(T.exp(x), x), G.hessian(T.exp(x).sum(), x)], mode=mode)(at)
    for g in got:
        np.testing.assert_allclose(g, np.diag(np.exp(at)))


@both
def test_jacobians_are_stable(mode):
    x = T.dvector("x")
    p = T.exp(x) / T.sum(T.exp(x))
    f = function([x], [G.jacobian(softplus(x), x), G.jacobian(T.log(p), x)], mode=mode)
    a, c = f([1000.0, -1000.0, 0.0])
    np.testing.assert_allclose(a, np.diag([1, 0, 0.5]), atol=1e-300)
    np.testing.assert_allclose(c, np.eye(3) - [1, 0, 0], atol=1e-300)


@both
def test_hessians_are_stable(mode):
    x, v = T.dvectors("x", "v")
    y = T.log(T.sum(T.exp(x)))
    f = function([x, v], [G.hessian(y, x), G.hessian_vector_product(y, x, v)], mode=mode)
    e = np.exp(-1.0)
    want = e / (1 + e) ** 2 * np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]])
    hess, product = f([1e4, 1e4 - 1, -1e4], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(hess, want, rtol=1e-13)
    np.testing.assert_allclose(product, want @ [1, 2, 3], rtol=1e-13)


def test_jacobians_by_other_things_than_inputs():
    x = T.dvector("x")
    u = x * 2
    by_u, by_x = function([x], G.jacobian(T.exp(u), [u, x]))([0.0, 1.0])
    np.testing.assert_allclose(by_u, np.diag(np.exp([0, 2])))
    np.testing.assert_allclose(by_x, 2 * np.diag(np.exp([0, 2])))
    fixed = G.jacobian(u * x, x, consider_constant=[u])
    np.testing.assert_array_equal(fixed.eval({x: [1.0, 2.0]}), np.diag([2, 4]))
    w = shared(np.array([1.0, 2.0]), "w")
    np.testing.assert_array_equal(function([], G.jacobian(w**3, w))(), np.diag([3, 12]))
    i, f = T.ivector("i"), T.fvector("f")
    np.testing.assert_array_equal(G.jacobian(i * 2.5, i).eval({i: [1, 2]}), 2.5 * np.eye(2))
    made = G.jacobian(f * f, f).eval({f: np.array([1, 2], np.float32)})
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.diag([2, 4]))


def test_disconnected_jacobians():
    x, y = T.dvector("x"), T.dmatrix("y")
    with pytest.raises(G.DisconnectedInputError, match=r": y\n  at .*test_gradient_jacobian"):
        G.jacobian(x**2, y)
    with pytest.warns(UserWarning, match=": y"):
        G.jacobian(x**2, y, disconnected_inputs="warn")
    got = G.jacobian(x**2, y, disconnected_inputs="ignore")
    assert got.eval({x: [1.0], y: np.ones((2, 3))}).shape == (1, 2, 3)
    flat = G.jacobian(T.floor(x), x)  # connected, with the derivative 0
    np.testing.assert_array_equal(flat.eval({x: [1.5, 2.5]}), np.zeros((2, 2)))
    np.testing.assert_array_equal(G.jacobian(T.cast(x, "int64"), x).eval({x: [1.5]}), [[0]])
    linear = G.hessian((2 * x).sum(), x)
    np.testing.assert_array_equal(linear.eval({x: [1.5, 2.5]}), np.zeros((2, 2)))


def test_what_has_no_jacobian():
    x, A, s = T.dvector("x"), T.dmatrix("A"), T.dscalar("s")
    for bad, kind, text in (
        (lambda: G.jacobian(A, x), ValueError, "flatten"),
        (lambda: G.jacobian(2.0, x), TypeError, "not float"),
        (lambda: G.jacobian(x, 2.0), TypeError, "not float"),
        (lambda: G.hessian(x, x), ValueError, "scalar as cost"),
        (lambda: G.hessian(2.0, x), TypeError, "not float"),
        (lambda: G.hessian(A.sum(), A), ValueError, "vectors as wrt, not A"),
        (lambda: G.jacobian(G.undefined_grad(x), x), G.NullTypeGradError, "undefined"),
        (lambda: G.hessian_vector_product(s, [s, s], s), ValueError, "2 variables.*1 in p"),
    ):
        with pytest.raises(kind, match=text):
            bad()


@both
def test_jacobian_by_scan_as_theanos_tutorial_has_it(mode):
    x = T.dvector("x")
    y = softplus(x)
    rows, updates = scan(
        lambda i, y, x: T.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x]
    )
    f = function([x], [rows, G.jacobian(y, x)], updates=updates, mode=mode)
    for got in (f([4.0, 400.0]), f([])):
        np.testing.assert_allclose(got[0], got[1], rtol=1e-14)


@both
def test_hessian_vector_products_mix_variables(mode):
    x, A = T.dvector("x"), T.dmatrix("A")
    p, P = T.dvector("p"), T.dmatrix("P")
    cost = T.dot(x, T.dot(A, x)) ** 2
    by_x, by_A = G.hessian_vector_product(cost, [x, A], [p, P])
    rng = np.random.default_rng(5)
    xs, As, ps, Ps = (rng.normal(size=s) for s in ((2,), (2, 2), (2,), (2, 2)))
    grads = function([x, A], T.grad(cost, [x, A]), mode=mode)
    h = 1e-6
    up, down = grads(xs + h * ps, As + h * Ps), grads(xs - h * ps, As - h * Ps)
    got = function([x, A, p, P], [by_x, by_A], mode=mode)(xs, As, ps, Ps)
    for g, a, c in zip(got, up, down):
        np.testing.assert_allclose(g, (a - c) / (2 * h), rtol=1e-6, atol=1e-6)
    linear = G.hessian_vector_product(x.sum(), x, p)
    np.testing.assert_array_equal(linear.eval({x: [1.0]}), [0])


# -- forward and reverse products -----------------------------------------------------------------


@both
def test_products_are_stable(mode):
    x, v = T.dvectors("x", "v")
    y = T.log(T.sum(T.exp(x)))
    outs = [G.Rop(softplus(x), x, v), G.Lop(softplus(x), x, v), G.Rop(y, x, v)]
    f = function([x, v], outs, mode=mode)
    right, left, total = f([1000.0, -1000.0, 0.0], [1.0, 1.0, 2.0])
    np.testing.assert_allclose(right, [1, 0, 1], atol=1e-300)
    np.testing.assert_allclose(left, [1, 0, 1], atol=1e-300)
    assert total == 1


def test_rop_of_the_gradient_is_the_hessian_times_a_vector():
    x, v = T.dvectors("x", "v")
    cost = (softplus(x) ** 2).sum()
    g = T.grad(cost, x)
    f = function([x, v], [G.Rop(g, x, v), T.dot(G.hessian(cost, x), v)])
    a, c = f([0.3, -40.0, 800.0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(a, c, rtol=1e-13)


@both
def test_rop_through_a_loop(mode):
    x, v, s = T.dvector("x"), T.dvector("v"), T.dscalar("s")
    out, _ = scan(lambda a, b: softplus(a * b), sequences=x, outputs_info=s)
    f = function([x, s, v], [G.Rop(out, x, v), T.dot(G.jacobian(out, x), v)], mode=mode)
    a, c = f([1.0, 2.0, 0.5], 0.3, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(a, c, rtol=1e-13)


@both
def test_rop_inside_of_a_loop(mode):
    x, v = T.dvectors("x", "v")
    y = x**2
    rows, _ = scan(
        lambda k, y, x, v: G.Rop(softplus(y * k), x, v),
        sequences=T.arange(2.0), non_sequences=[y, x, v],
    )  # fmt: skip
    got = function([x, v], rows, mode=mode)([4.0, 40.0], [1.0, 2.0])
    np.testing.assert_allclose(got, [[0, 0], [8 / (1 + np.exp(-16.0)), 160]], rtol=1e-14)


def test_rop_answers_as_it_was_asked():
    x, y, v, w = T.dvectors("x", "y", "v", "w")
    at = {x: [2.0], y: [3.0], v: [10.0], w: [100.0]}
    assert G.Rop(x * y, [x, y], [v, w]).eval(at) == [230]
    assert G.Rop(x * y, [x, y], [v, None]).eval({k: at[k] for k in (x, y, v)}) == [30]
    made = G.Rop([x * y, x], x, v)
    assert isinstance(made, list) and made[1].eval({v: [5.0]}) == [5]
    assert isinstance(G.Rop((x,), x, v), tuple)
    u = x * 2  # by something in the middle
    assert G.Rop(u * x, u, v).eval({x: [2.0], v: [10.0]}) == [20]
    assert G.Rop(u * x, [u, x], [v, w]).eval({x: [2.0], v: [10.0], w: [100.0]}) == [20 + 400]


def test_rop_by_integers_and_in_float32():
    i, f, v = T.ivector("i"), T.fvector("f"), T.dvector("v")
    np.testing.assert_array_equal(G.Rop(i * 2.5, i, v).eval({i: [1, 2], v: [1.0, 2.0]}), [2.5, 5])
    made = G.Rop(f * f, f, v)
    assert made.dtype == "float32" and made.eval({f: [3.0], v: [2.0]}) == [12]


def test_rop_of_what_does_not_depend_on_it():
    x, y, v = T.dvectors("x", "y", "v")
    np.testing.assert_array_equal(G.Rop(y**2, x, v).eval({y: [1.0, 2.0]}), [0, 0])
    with pytest.raises(G.DisconnectedInputError):
        G.Rop(y**2, x, v, disconnected_outputs="raise")
    with pytest.warns(UserWarning):
        G.Rop(y**2, x, v, disconnected_outputs="warn")
    assert G.Rop(y**2, x, v, return_disconnected="none") is None
    flat = G.Rop(T.floor(x), x, v, disconnected_outputs="raise")  # connected
    np.testing.assert_array_equal(flat.eval({x: [1.5]}), [0])


def test_evaluation_points_must_fit():
    x, A, v = T.dvector("x"), T.dmatrix("A"), T.dvector("v")
    with pytest.raises(ValueError, match=r"Element 0 .* mismatched dimensionality: 1 versus 2"):
        G.Rop(x**2, x, A)
    with pytest.raises(ValueError, match="1 variables in wrt, but 2"):
        G.Rop(x**2, x, [v, v])
    with pytest.raises(ValueError, match="1 outputs, but 2"):
        G.Lop(x**2, x, [v, v])
    f = function([x, v], G.Rop(x**2, x, v))
    with pytest.raises(jitgrad.ShapeError, match=r"Rop.*x has shape \(2,\); v has shape \(3,\)"):
        f([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(G.NullTypeGradError):
        G.Rop(G.undefined_grad(x), x, v)


def test_lop_of_several_outputs():
    x, v, w = T.dvectors("x", "v", "w")
    got = G.Lop([x**2, x**3], x, [v, w]).eval({x: [2.0], v: [1.0], w: [10.0]})
    np.testing.assert_array_equal(got, [4 + 120])
    twice = G.Lop([y := x**2, y], [x], [v, w])[0].eval({x: [2.0], v: [1.0], w: [10.0]})
    np.testing.assert_array_equal(twice, [44])
    with pytest.raises(G.DisconnectedInputError):
        G.Lop(x**2, T.dvector("y"), v)


def test_lop_needs_only_what_the_product_needs():
    """As in Theano's tutorial: the matrix is no input of the function."""
    W, v, x = T.dmatrix("W"), T.dvector("v"), T.dvector("x")
    f = function([v, x], G.Lop(T.dot(x, W), W, v))
    np.testing.assert_array_equal(f([2, 2], [0, 1]), [[0, 0], [2, 2]])


# -- pieces of a gradient -------------------------------------------------------------------------


def test_layer_by_layer_is_the_whole():
    rng = np.random.default_rng(2012)
    x, t = T.fvector("x"), T.fvector("t")
    w1, w2 = shared(rng.normal(size=(3, 4)), "w1"), shared(rng.normal(size=(4, 2)), "w2")
    a1 = T.tanh(T.dot(x, w1))
    a2 = T.tanh(T.dot(a1, w2))
    cost2 = T.sqr(a2 - t).sum() + T.sqr(w2.sum())
    cost1 = T.sqr(w1.sum())
    params, costs, ends = [[w2], [w1]], [cost2, cost1], [[a1], [x]]
    after, pieces = None, []
    for k in range(2):
        grads, after = G.subgraph_grad(params[k], ends[k], start=after, cost=costs[k])
        after = dict(zip(ends[k], after))
        pieces += grads
    f = function([x, t], [*pieces, *T.grad(cost1 + cost2, [w2, w1])])
    got = f(rng.normal(size=3).astype("f"), rng.normal(size=2).astype("f"))
    np.testing.assert_allclose(got[0], got[2], rtol=1e-6)
    np.testing.assert_allclose(got[1], got[3], rtol=1e-6)


def test_subgraph_details():
    w, x, start = T.dscalars("w", "x", "start")
    y = w * x
    at = {w: 2.0, x: 3.0, start: 10.0}
    by_w, by_x, from_start, from_cost = G.subgraph_grad(
        [w], [x], start={y: start}, cost=w**2, details=True
    )
    f = function([w, x, start], [by_w[0], by_x[0], from_start[0], from_cost[0]])
    assert f(*at.values()) == [34, 20, 30, 4]
    assert G.subgraph_grad([w], [x], cost=y, details=True)[2] is None
    for bad, kind in (
        (lambda: G.subgraph_grad([w], [x]), ValueError),
        (lambda: G.subgraph_grad(w, [x], cost=y), TypeError),
        (lambda: G.subgraph_grad([w], x, cost=y), TypeError),
        (lambda: G.subgraph_grad([w], [x], start=[y]), TypeError),
    ):
        with pytest.raises(kind):
            bad()
