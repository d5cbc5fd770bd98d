"""`grad` and its options, by Theano's page on gradients."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import config, function
from jitgrad import gradient as G

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])


# -- what is asked for ----------------------------------------------------------------------------


def test_the_cost_itself_and_twice_the_same_variable():
    x = T.dscalar("x")
    y = x**2
    gy, a, c = T.grad(y, [y, x, x])
    assert gy.eval({x: 3.0}) == 1 and a.eval({x: 3.0}) == c.eval({x: 3.0}) == 6


def test_an_integer_by_itself_is_one():
    x = T.iscalar("x")
    g = T.grad(x, x)
    assert g.dtype == config.floatX and g.eval({x: 12}) == 1


@pytest.mark.parametrize("wrt", [1.0, "x", None, np.ones(2)])
def test_wrt_takes_variables(wrt):
    with pytest.raises(TypeError, match=r"wrt takes variables.*\n  at "):
        T.grad(T.dscalar("x") ** 2, wrt)


def test_wrt_is_no_set():
    x = T.dscalar("x")
    with pytest.raises(TypeError, match="wrt must not be a set"):
        T.grad(x**2, {x})


def test_options_that_do_not_exist():
    x = T.dscalar("x")
    for name in ("disconnected_inputs", "return_disconnected", "null_gradients"):
        with pytest.raises(ValueError, match=f"{name}.*'maybe'"):
            T.grad(x**2, x, **{name: "maybe"})
    with pytest.raises(ValueError, match="known_grads"):
        T.grad(None, x)
    with pytest.raises(TypeError, match="known_grads is a dict"):
        T.grad(None, x, known_grads=[(x, x)])
    with pytest.raises(TypeError, match="consider_constant takes variables"):
        T.grad(x**2, x, consider_constant=[1.0])


@pytest.mark.parametrize("spelling", ["zero", "Zero"])
def test_disconnected_zeros_have_the_shape(spelling):
    x, y = T.dscalar("x"), T.fmatrix("y")
    g = T.grad(x**2, y, disconnected_inputs="ignore", return_disconnected=spelling)
    assert g.dtype == "float32"
    np.testing.assert_array_equal(g.eval({y: np.ones((2, 3), np.float32)}), np.zeros((2, 3)))


def test_what_stands_for_a_disconnected_gradient():
    x, y = T.dscalars("x", "y")
    how = {"disconnected_inputs": "ignore"}
    assert T.grad(x**2, y, return_disconnected="None", **how) is None
    found = T.grad(x**2, [x, y], return_disconnected="Disconnected", **how)
    assert found[1].type == G.DisconnectedType() and str(found[1].type) == "DisconnectedType"
    assert found[0].eval({x: 3.0}) == 6
    with pytest.raises(TypeError):
        function([x], found[1])
    with pytest.raises(TypeError, match="no value"):
        found[1].eval()


@pytest.mark.parametrize(
    "use",
    [
        lambda x, i: x[T.cast(i, "int64")],
        lambda x, i: T.zeros_like(i) * x[0],
        lambda x, i: x[: T.cast(i, "int64")].sum(),
        lambda x, i: T.set_subtensor(x[T.cast(i, "int64")], 1.0).sum(),
    ],
)
def test_places_and_sizes_are_no_connection(use):
    x, i = T.dvector("x"), T.lscalar("i")
    with pytest.raises(G.DisconnectedInputError):
        T.grad(use(x, i), i)


def test_a_cost_that_only_needs_a_shape():
    """The sum divided by the length, spread over it, summed: the gradient is 1."""
    x = T.dvector("x")
    cost = T.alloc(x.sum() / x.shape[0], x.shape[0]).sum()
    np.testing.assert_allclose(T.grad(cost, x).eval({x: [1.0, 2.0, 5.0]}), [1, 1, 1])


def test_steps_and_integers_are_connected_with_gradient_zero():
    x = T.dvector("x")
    for cost in ((x > 0).sum() * 1.0, T.cast(x, "int32").sum() * 2.5, T.floor(x).sum()):
        np.testing.assert_array_equal(T.grad(cost, x).eval({x: [1.0, 2.0]}), [0, 0])


# -- integers -------------------------------------------------------------------------------------


@both
def test_by_integers_as_by_floats(mode):
    """An integer matrix in a layer has the gradient that the same numbers as floats have."""
    W, b = T.dmatrix("W"), T.dvector("b")

    def made(X):
        cost = T.nnet.sigmoid(T.dot(X, W) + b).sum()
        return function([X, W, b], T.grad(cost, X), mode=mode)

    rng = np.random.default_rng(1)
    X = rng.integers(-3, 3, (5, 3)).astype(np.int32)
    w, c = rng.normal(size=(3, 4)), rng.normal(size=4)
    got, want = made(T.imatrix("X"))(X, w, c), made(T.dmatrix("X"))(X * 1.0, w, c)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_an_integer_that_is_broadcast():
    x, i = T.dvector("x"), T.iscalar("i")
    assert T.grad((x * i).sum(), i).eval({x: [1.0, 2.0, 4.0], i: 3}) == 7
    j = T.ivector("j")
    y = T.dmatrix("y")
    g = T.grad((y * j).sum(), j)
    np.testing.assert_array_equal(g.eval({y: np.ones((2, 3)), j: [1, 2, 3]}), [2, 2, 2])


def test_gradients_keep_float32():
    x, z = T.fscalar("x"), T.lscalar("z")
    y = x * 2
    cost = y + z
    by_x, _, by_z, _ = T.grad(cost, [x, y, z, cost])
    assert by_x.dtype == "float32" and by_z.dtype in ("float32", "float64")
    assert by_x.eval({x: 1.0, z: 2}) == 2 and by_z.eval({x: 1.0, z: 2}) == 1


# -- known gradients, constants -------------------------------------------------------------------


@both
def test_known_gradients_of_any_layer_give_the_whole(mode):
    x, t, coeffs = T.dscalar("x"), T.iscalar("t"), T.dvector("c")
    full = T.arange(10.0)
    ft, ct = full[t], coeffs[t]
    p = x**ft
    y = ct * p
    cost = T.sqr(y)
    layers = [[cost], [y], [ct, p], [ct, x, ft], [coeffs, t, full, x]]
    inputs = [coeffs, t, x]
    values = [np.random.default_rng(2).normal(size=10), 3, 1.3]
    how = {"disconnected_inputs": "ignore"}
    want = function(inputs, T.grad(cost, inputs, **how), mode=mode)(*values)
    for layer in layers:
        first = T.grad(cost, layer, **how)
        known = OrderedDict(zip(layer, first))
        got = function(
            inputs,
            T.grad(None, inputs, known_grads=known, **how),
            mode=mode,
            on_unused_input="ignore",
        )(*values)
        for a, c in zip(got, want):
            np.testing.assert_allclose(a, c)


def test_known_gradient_of_an_integer():
    x, g = T.iscalar("x"), T.dscalar("g")
    found = T.grad(None, x, known_grads={x: g})
    assert function([g], found)(0.6) == 0.6
    with pytest.raises(TypeError, match="must be floats"):
        T.grad(None, x, known_grads={x: T.iscalar("i")})


def test_known_gradient_of_the_cost_and_its_shape():
    x, y = T.dvectors("x", "y")
    z = x**2
    assert T.grad(z.sum(), x, known_grads={z: 1.0}).eval({x: [3.0]}) == 6
    cost = z.sum()
    assert T.grad(cost, x, known_grads={cost: 10.0}).eval({x: [3.0]}) == 60
    with pytest.raises(ValueError, match="does not fit"):
        T.grad(None, x, known_grads={z: T.dmatrix("m")})
    g = function([x, y], T.grad(None, x, known_grads={z: y}))
    np.testing.assert_array_equal(g([1.0, 2.0], [1.0, 10.0]), [2, 40])
    with pytest.raises(jitgrad.ShapeError):
        g([1.0, 2.0], [1.0, 10.0, 3.0])


def test_a_constant_and_a_variable_considered_constant_agree():
    x, y = T.dscalars("x", "y")
    one = T.constant(1.0)
    by_x = T.grad(x + y, x, consider_constant=[x])
    by_one = T.grad(one + y, one)
    assert function([x, y], [by_x, by_one], on_unused_input="ignore")(1.0, 0.5) == [1, 1]


# -- gradients that are not defined ---------------------------------------------------------------


def test_a_null_gradient_says_why():
    x, y = T.dscalars("x", "y")
    cost = G.undefined_grad(x) * y
    with pytest.raises(G.NullTypeGradError, match=r"undefined(.|\n)*test_gradient_options"):
        T.grad(cost, x)
    by_x, by_y = T.grad(cost, [x, y], null_gradients="return")
    assert isinstance(by_x.type, G.NullType) and "undefined" in by_x.type.why_null
    assert by_y.eval({x: 3.0, y: 1.0}) == 3
    assert T.grad(cost, y).eval({x: 3.0, y: 1.0}) == 3
    assert issubclass(G.NullTypeGradError, TypeError)


def test_known_null_and_disconnected_gradients():
    x, y, z = T.iscalar("x"), T.iscalar("y"), T.dscalar("z")
    cost = x + y
    null = G.NullType("for a reason")()
    with pytest.raises(G.NullTypeGradError, match="for a reason"):
        T.grad(cost, [x, y], known_grads={cost: null})
    assert T.grad(z**2, z, known_grads={z: null}, null_gradients="return").type == G.NullType()
    with pytest.raises(G.DisconnectedInputError):
        T.grad(cost, [x, y], known_grads={cost: G.DisconnectedType()()})


def test_names_for_what_is_not_defined():
    x = T.dscalar("x")
    for make, word in ((G.grad_undefined, "undefined"), (G.grad_not_implemented, "implemented")):
        v = make("Op", 0, x, "since I say so")
        assert word in v.type.why_null and "since I say so" in v.type.why_null
        assert "input 0 (x)" in v.type.why_null and v.owner is None
        with pytest.raises(TypeError):
            function([x], v)
        with pytest.raises(ValueError, match="Can't differentiate a NaN cost"):
            T.grad(v, x)


# -- names ----------------------------------------------------------------------------------------


def test_gradients_have_names():
    A, x = T.dmatrix("A"), T.dvector("x")
    f = T.dot(x, T.dot(A, x))
    f.name = "f"
    assert T.grad(f, x).name == "(df/dx)"
    assert [g.name for g in T.grad(f, [x, A])] == ["(df/dx)", "(df/dA)"]
    assert T.grad(f, x, add_names=False).name is None


def test_theanos_names_are_there():
    for name in ("grad", "Rop", "Lop", "subgraph_grad"):
        assert callable(getattr(jitgrad, name))
    for name in G.__all__:
        assert getattr(G, name) is not None
    assert G.format_as(True, False, (1, 2)) == [1, 2]
    for bad in (lambda: G.format_as(True, True, 1), lambda: G.format_as(False, False, [1, 2])):
        with pytest.raises(ValueError):
            bad()
