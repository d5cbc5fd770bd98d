"""Gradients of symbolic variables: forms, orders, options, size; naive formulas made stable."""

from __future__ import annotations

import gc
import inspect

import mpmath
import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import (
    DisconnectedInputError,
    function,
    pp,
)
from jitgrad.frontend.symbolic_notes import dim_notes, notes, owners, recipes

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])


def here(offset=0):
    """The text by which an error names the caller's line."""
    frame = inspect.currentframe().f_back
    return f'"{frame.f_code.co_filename}", line {frame.f_lineno + offset}'


# -- gradients ------------------------------------------------------------------------------------


def test_grad_answers_as_it_was_asked():
    x, y = T.dscalars("x", "y")
    c = x * y**2
    assert pp(T.grad(c, y)) == pp(T.grad(c, [x, y])[1])
    both_ = T.grad(c, (y, x))
    assert isinstance(both_, tuple) and [float(g.eval({x: 3.0, y: 2.0})) for g in both_] == [12, 4]
    assert isinstance(T.grad(c, [x]), list)


def test_cost_must_be_a_scalar():
    x = T.dvector("x")
    with pytest.raises(TypeError) as err:
        T.grad(x * 2, x)
    assert str(err.value).startswith("cost must be a scalar.") and here(-1) in str(err.value)


def test_disconnected_inputs():
    x, y = T.dvectors("x", "y")
    cost = T.sum(x)
    with pytest.raises(DisconnectedInputError, match="not part of the computational graph.*: y"):
        T.grad(cost, [x, y])
    with pytest.warns(UserWarning, match=": y"):
        g = T.grad(cost, y, disconnected_inputs="warn")
    np.testing.assert_array_equal(g.eval({y: [1, 2]}), [0, 0])
    assert T.grad(cost, y, disconnected_inputs="ignore", return_disconnected="none") is None
    with pytest.raises(DisconnectedInputError):
        T.grad(T.sum(T.disconnected_grad(y)), y)
    # steps and integers are connected, with the gradient 0
    np.testing.assert_array_equal(T.grad(T.sum(x > 0), x).eval({x: [1.0, 2.0]}), [0, 0])
    with pytest.raises(ValueError, match="'maybe'"):
        T.grad(cost, y, disconnected_inputs="maybe")


def test_integers_have_float_gradients():
    i, x = T.iscalar("i"), T.dscalar("x")
    g = T.grad(x * i + 2.5 * i, i)
    assert g.dtype == "float64"
    np.testing.assert_array_equal(g.eval({x: 2.0, i: 3}), 4.5)
    assert T.grad(i * i, i).dtype == "float64"


def test_grad_by_values_in_the_middle():
    x = T.dvector("x")
    z = T.exp(x)
    c = T.sum(z * x)
    gz, gx = function([x], T.grad(c, [z, x]))([0.0, 1.0])
    np.testing.assert_allclose(gz, [0, 1])
    np.testing.assert_allclose(gx, [1, 2 * np.e])
    # stabilized, though z lies between: log(1 + z) alone would be softplus(x)
    gz, gx = function([x], T.grad(T.sum(T.log(1 + z)), [z, x]))([0.0, 1.0])
    np.testing.assert_allclose(gz, 1 / (1 + np.exp([0, 1])))
    np.testing.assert_allclose(gx, 1 / (1 + np.exp([-0.0, -1])))
    fixed = T.grad(c, x, consider_constant=[z])
    np.testing.assert_allclose(fixed.eval({x: [0.0, 1.0]}), [1, np.e])


def test_a_value_in_the_middle_does_not_spoil_the_rest():
    """Asked for by itself, the gradient by x sees the logarithm of a softmax in one piece."""
    x = T.dvector("x")
    p = T.exp(x) / T.sum(T.exp(x))
    c = -T.sum(T.log(p))
    both = [T.grad(c, p), T.grad(c, x)], T.grad(c, [p, x])
    for asked in both:
        for mode in (RUN, SLOW):
            with np.errstate(all="ignore"):
                by_p, by_x = function([x], asked, mode=mode)([1000.0, 0.0])
            np.testing.assert_array_equal(by_p, [-1, -np.inf])
            np.testing.assert_array_equal(by_x, [1, -1])
            by_p, by_x = function([x], asked, mode=mode)([1.0, 0.0])
            np.testing.assert_allclose(by_p, [-1 - np.exp(-1), -1 - np.e])
            np.testing.assert_allclose(by_x, np.array([2, -2]) / (1 + np.exp(-1)) - [1, -1])


def test_known_grads():
    x = T.dvector("x")
    z = T.exp(x)
    g = T.grad(None, x, known_grads={z: T.ones_like(x) * 2})
    np.testing.assert_allclose(g.eval({x: [0.0, 1.0]}), [2, 2 * np.e])
    g = T.grad(T.sum(z * x), x, known_grads={z: 2.0})  # instead of what the cost gives z
    np.testing.assert_allclose(g.eval({x: [0.0, 1.0]}), [3, 3 * np.e])


def test_grads_of_any_order():
    x = T.dscalar("x")
    g = T.sin(x)
    for _ in range(5):
        g = T.grad(g, x)
    np.testing.assert_allclose(g.eval({x: 0.3}), np.cos(0.3), rtol=1e-14)


def test_names_of_gradients():
    x = T.dscalar("x")
    y = x**2
    y.name = "y"
    assert T.grad(y, x).name == "(dy/dx)" and T.grad(y, x, add_names=False).name is None


@both
def test_a_thousand_inputs(mode):
    xs = T.dscalars(1000)
    cost = sum(k * x**2 for k, x in enumerate(xs))
    f = function(xs, T.grad(cost, xs), mode=mode, on_unused_input="ignore")
    np.testing.assert_array_equal(f(*range(1000)), [2.0 * k * k for k in range(1000)])


def test_ten_thousand_ops_need_no_recursion():
    x = T.dscalar("x")
    y = x
    for _ in range(5000):
        y = T.sin(y) + 1
    f = function([x], [y, T.grad(y, x)], mode=SLOW)
    value, slope = 0.5, 1.0
    for _ in range(5000):
        value, slope = np.sin(value) + 1, slope * np.cos(value)
    np.testing.assert_allclose(f(0.5), [value, slope])
    assert pp(y).startswith("(sin((sin(") and len(pp(y)) > 40_000


# -- stability: naive formulas, exact answers -----------------------------------------------------


def ulps(got, exact):
    exact = mpmath.mpf(exact)
    if not np.isfinite(got):
        return 0.0 if mpmath.isinf(exact) and got == float(exact) else np.inf
    unit = mpmath.mpf(float(np.spacing(abs(float(exact)))))
    return float(abs(mpmath.mpf(float(got)) - exact) / unit)


@both
def test_sum_of_logistics(mode):
    v = T.dvector("v")
    s = T.sum(1 / (1 + T.exp(-v)))
    f = function([v], [s, T.grad(s, v)], mode=mode)
    at = np.linspace(-700, 700, 501)
    got = f(at)[1]
    with mpmath.workdps(40):
        for x, g in zip(at, got):
            e = mpmath.exp(-mpmath.mpf(x))
            assert ulps(g, e / (1 + e) ** 2) <= 4, x
    value, far = f([-1e4, 1e4, -800.0, 800.0])
    assert value == 2 and np.isfinite(far).all()


@both
def test_log_of_one_plus_exp(mode):
    x = T.dscalar("x")
    y = T.log(1 + T.exp(x))
    f = function([x], [y, T.grad(y, x), T.grad(T.grad(y, x), x)], mode=mode)
    with mpmath.workdps(40):
        for at in (-1000.0, -40.0, -1.0, 0.0, 2.0, 40.0, 1000.0):
            e = mpmath.exp(-mpmath.mpf(at))
            exact = (mpmath.log(1 + 1 / e), 1 / (1 + e), e / (1 + e) ** 2)
            for got, want in zip(f(at), exact):
                assert ulps(got, want) <= 4 or abs(want) < 1e-308
    assert pp(f.maker.fgraph.outputs[0]) == "softplus(x)"


@both
def test_log_of_a_sum_of_exps(mode):
    v = T.dvector("v")
    y = T.log(T.sum(T.exp(v)))
    f = function([v], [y, T.grad(y, v)], mode=mode)
    value, g = f([1e4, 1e4 - 1, -1e4])
    e = np.exp(-1.0)
    np.testing.assert_allclose(value, 1e4 + np.log1p(e), rtol=1e-15)
    np.testing.assert_allclose(g, [1 / (1 + e), e / (1 + e), 0], rtol=1e-15)
    assert f([-np.inf, -np.inf])[0] == -np.inf


@both
def test_log_of_softmax(mode):
    m = T.dmatrix("m")
    for p in (T.nnet.softmax(m), T.exp(m) / T.exp(m).sum(axis=1, keepdims=True)):
        out = T.log(p)
        f = function([m], [out, T.grad(T.sum(out[:, 0]), m)], mode=mode)
        value, g = f([[1000.0, 0.0, -1000.0], [-1e4, 1e4, 0.0]])
        np.testing.assert_array_equal(value, [[0, -1000, -2000], [-2e4, 0, -1e4]])
        np.testing.assert_array_equal(g, [[0, 0, 0], [1, -1, 0]])


def test_side_tables_keep_no_graph_alive():
    def make():
        x, y = T.dvectors("x", "y")
        g = T.grad(T.sum(T.exp(x) * y), [x, y])
        T.grad(T.sum(g[0]), x)
        function([x, y], g, mode=SLOW)([1.0], [2.0])

    make()
    for _ in range(4):  # a graph is a cycle, and a recipe holds the next one
        gc.collect()
    before = [len(t) for t in (recipes, notes, dim_notes, owners)]
    for _ in range(3):
        make()
    for _ in range(4):
        gc.collect()
    assert [len(t) for t in (recipes, notes, dim_notes, owners)] == before
