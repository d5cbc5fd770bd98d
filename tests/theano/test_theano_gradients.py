"""What Theano's pages on derivatives promise."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import function, pp


def test_square() -> None:
    x = T.dscalar("x")
    y = x**2
    gy = T.grad(y, x)
    assert pp(gy) == "((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))"
    f = function([x], gy)
    assert f(4) == 8.0 and np.allclose(f(94.2), 188.4)
    assert pp(f.maker.fgraph.outputs[0]) == "(2.0 * x)"


def test_the_answer_mirrors_wrt() -> None:
    x, y = T.dscalars("x", "y")
    z = x * y
    assert isinstance(T.grad(z, x), T.TensorVariable)
    assert isinstance(T.grad(z, [x, y]), list) and len(T.grad(z, [x, y])) == 2
    assert isinstance(T.grad(z, (x, y)), tuple)
    assert T.grad(z, []) == []


def test_a_cost_must_be_scalar() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"[Cc]ost.*scalar|scalar"):
        T.grad(x * 2, x)


def test_disconnected_inputs() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(x**2, y)
    with pytest.raises(theano.gradient.DisconnectedInputError):
        T.grad(T.cast(x, "int32") * 1.0, y)
    assert T.grad(x**2, y, disconnected_inputs="ignore").eval({}) == 0
    with pytest.warns(UserWarning):
        T.grad(x**2, y, disconnected_inputs="warn")
    with pytest.raises(ValueError):
        T.grad(x**2, y, disconnected_inputs="oops")
    got = T.grad(x**2, [x, y], disconnected_inputs="ignore", return_disconnected="none")
    assert got[1] is None


def test_only_the_shape_of_something_is_no_connection() -> None:
    x = T.dmatrix("x")
    with pytest.raises(theano.DisconnectedInputError):
        T.grad(T.zeros_like(x).sum() * 1.0 + x.shape[0] * 2.0, x)


def test_consider_constant() -> None:
    x, y = T.dscalars("x", "y")
    u = x * 2
    z = u * y + x
    g = T.grad(z, x, consider_constant=[u])
    assert function([x, y], g, on_unused_input="ignore")(3.0, 5.0) == 1.0
    w = theano.gradient.consider_constant(x * 2) * x
    assert T.grad(w, x).eval({x: 3.0}) == 6.0


def test_known_grads() -> None:
    x = T.dvector("x")
    y = x**2
    gy = T.dvector("gy")
    g = T.grad(None, x, known_grads={y: gy})
    assert np.array_equal(function([x, gy], g)([1.0, 2.0], [10.0, 100.0]), [20.0, 400.0])


def test_integers_get_float_gradients() -> None:
    i = T.iscalar("i")
    g = T.grad(i * 2.5, i)
    assert np.dtype(g.dtype).kind == "f"
    a = T.dscalar("a")
    g = T.grad(a * i, i)
    assert np.dtype(g.dtype).kind == "f"


def test_null_gradients() -> None:
    x = T.dscalar("x")
    y = theano.gradient.undefined_grad(x) if hasattr(theano.gradient, "undefined_grad") else None
    with pytest.raises(theano.gradient.NullTypeGradError):
        T.grad(y**2, x)
    g = T.grad(y**2 + x, x, null_gradients="return")
    assert "Null" in str(g.type)


def test_disconnected_zero_and_scaled() -> None:
    x = T.dscalar("x")
    G = theano.gradient
    assert T.grad(x * G.disconnected_grad(x), x).eval({x: 3.0}) == 3.0
    with pytest.raises(G.DisconnectedInputError):
        T.grad(G.disconnected_grad(x) ** 2, x)
    assert T.grad(x * G.zero_grad(x), x).eval({x: 3.0}) == 3.0
    assert T.grad(G.zero_grad(x) ** 2, x).eval({x: 3.0}) == 0.0
    assert T.grad(G.grad_scale(x, -1) ** 2, x).eval({x: 3.0}) == -6.0
    z = T.grad(G.grad_clip(x, -1, 1) ** 2, x)
    z2 = T.grad(x**2, x)
    f = function([x], [z, z2])
    assert f(2.0) == [1.0, 4.0]


def test_jacobian_and_hessian() -> None:
    x = T.dvector("x")
    y = x**2
    J = theano.gradient.jacobian(y, x)
    f = function([x], J)
    assert np.array_equal(f([4, 4]), [[8, 0], [0, 8]])
    assert f([]).shape == (0, 0)
    H = theano.gradient.hessian((x**3).sum(), x)
    assert np.array_equal(function([x], H)([1.0, 2.0]), [[6, 0], [0, 12]])
    with pytest.raises((TypeError, ValueError)):
        theano.gradient.jacobian(T.dmatrix(), x)
    both = T.jacobian(y, [x, x])
    assert isinstance(both, list)


def test_rop() -> None:
    W, V, x = T.dmatrix("W"), T.dmatrix("V"), T.dvector("x")
    y = T.dot(x, W)
    JV = theano.gradient.Rop(y, W, V)
    f = function([W, V, x], JV, on_unused_input="ignore")
    assert np.array_equal(f([[1, 1], [1, 1]], [[2, 2], [2, 2]], [0, 1]), [2.0, 2.0])


def test_lop() -> None:
    W, v, x = T.dmatrix("W"), T.dvector("v"), T.dvector("x")
    y = T.dot(x, W)
    VJ = theano.gradient.Lop(y, W, v)
    f = function([v, x], VJ, on_unused_input="ignore")
    assert np.array_equal(f([2, 2], [0, 1]), [[0, 0], [2, 2]])


def test_hessian_times_vector() -> None:
    x, v = T.dvector("x"), T.dvector("v")
    y = T.sum(x**2)
    gy = T.grad(y, x)
    vH = T.grad(T.sum(gy * v), x)
    assert np.array_equal(function([x, v], vH, on_unused_input="ignore")([4, 4], [2, 2]), [4, 4])
    Hv = T.Rop(gy, x, v)
    assert np.array_equal(function([x, v], Hv, on_unused_input="ignore")([4, 4], [2, 2]), [4, 4])
    p = theano.gradient.hessian_vector_product((x**3).sum(), x, v)
    assert np.array_equal(function([x, v], p)([1.0, 2.0], [1.0, 10.0]), [6.0, 120.0])


def test_subgraph_grad() -> None:
    x, t = T.dvector("x"), T.dvector("t")
    w1 = theano.shared(np.array([[0.1, 0.2], [0.3, 0.4]]))
    w2 = theano.shared(np.array([[0.5, 0.6], [0.7, 0.8]]))
    a1 = T.tanh(T.dot(x, w1))
    a2 = T.tanh(T.dot(a1, w2))
    cost2 = T.sqr(a2 - t).sum() + T.sqr(w2.sum())
    cost1 = T.sqr(w1.sum())
    grads2, next_grad = theano.subgraph_grad([w2], [a1], cost=cost2)
    grads1, _ = theano.subgraph_grad([w1], [x], start=dict(zip([a1], next_grad)), cost=cost1)
    whole = T.grad(cost1 + cost2, [w2, w1])
    f = function([x, t], [*grads2, *grads1, *whole])
    got = f([1.0, 2.0], [0.3, 0.1])
    assert np.allclose(got[0], got[2]) and np.allclose(got[1], got[3])


def test_verify_grad() -> None:
    rng = np.random.RandomState(42)
    theano.gradient.verify_grad(T.tanh, (np.asarray([[2, 3, 4], [-1, 3.3, 9.9]]),), rng=rng)

    def wrong(x: T.TensorVariable) -> T.TensorVariable:
        return theano.gradient.grad_scale(x, 2.0) ** 2

    with pytest.raises(theano.gradient.GradientError):
        theano.gradient.verify_grad(wrong, [np.array([1.0, 2.0])], rng=rng)


def test_numeric_grad() -> None:
    n = theano.gradient.numeric_grad(lambda x: float((x**2).sum()), np.array([1.0, 2.0]))
    assert np.allclose(n.gf, [2.0, 4.0], rtol=1e-5)


def test_gradient_through_an_intermediate_variable() -> None:
    x = T.dscalar("x")
    u = x**2
    y = T.exp(u)
    assert np.allclose(T.grad(y, u).eval({x: 1.0}), np.e)
    gu, gx = T.grad(y, [u, x])
    f = function([x], [gu, gx])
    assert np.allclose(f(1.0), [np.e, 2 * np.e])


def test_names_of_gradients() -> None:
    x, y = T.dscalar("x"), None
    y = x**2
    y.name = "y"
    assert T.grad(y, x).name == "(dy/dx)"
    assert T.grad(y, x, add_names=False).name is None


def test_second_and_third_order() -> None:
    x = T.dscalar("x")
    g = T.grad(T.grad(T.grad(x**5, x), x), x)
    assert np.allclose(g.eval({x: 2.0}), 60 * 4)


def test_gradient_by_a_shared_variable() -> None:
    w = theano.shared(np.array([1.0, 2.0]), name="w")
    g = T.grad((w**2).sum(), w)
    assert np.array_equal(function([], g)(), [2.0, 4.0])


def test_grad_of_elements_and_slices() -> None:
    x = T.dvector("x")
    g = T.grad(x[1] ** 2 + x[-1], x)
    assert np.array_equal(g.eval({x: [1.0, 2.0, 3.0]}), [0, 4, 1])
    g = T.grad((x[::-2] * T.arange(2.0)).sum(), x)
    assert np.array_equal(g.eval({x: [1.0, 2.0, 3.0]}), [1, 0, 0])


def test_known_grads_alone_by_the_packages_grad() -> None:
    x = T.dscalar("x")
    y = x**3
    g = theano.grad(None, x, known_grads={y: T.constant(2.0)})
    assert g.eval({x: 2.0}) == 24.0
    with pytest.raises(TypeError):
        theano.grad(None, x)
