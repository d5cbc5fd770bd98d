"""`numeric_grad` and `verify_grad`."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import gradient as G
from jitgrad.gradient import numeric_grad, verify_grad

RNG = np.random.default_rng(42)


def test_differences():
    n = numeric_grad(lambda x, y: (x**2).sum() + y, [np.array([1.0, 2.0]), np.array(3.0)])
    assert isinstance(n.gf, list) and n.gf[1].shape == ()
    np.testing.assert_allclose(n.gf[0], [2, 4], rtol=1e-6)
    one = numeric_grad(lambda x: x.prod(), np.array([[2.0, 3.0]], np.float32))
    assert one.gf.dtype == np.float32
    np.testing.assert_allclose(one.gf, [[3, 2]], rtol=1e-2)
    assert numeric_grad(lambda x: x.sum(), np.zeros((0, 2))).gf.shape == (0, 2)
    wide = numeric_grad(lambda x: float(x[0]) ** 2, np.array([1.0]), eps=1.0)
    np.testing.assert_allclose(wide.gf, [3])
    mixed = numeric_grad(lambda x, y: float(x.sum() + y.sum()), [np.ones(2, "f"), np.ones(1)])
    assert [g.dtype for g in mixed.gf] == [np.float64] * 2  # computed in the wider dtype


def test_the_arrays_of_a_point_are_left_alone():
    p = np.array([1.0, 2.0])
    numeric_grad(lambda x: x.fill(7) or 0.0, p)
    np.testing.assert_array_equal(p, [1, 2])


@pytest.mark.parametrize("bad", [np.array([1, 2]), np.array([True]), np.array([1j])])
def test_only_floats_have_differences(bad):
    with pytest.raises(TypeError, match=f"input 0 has dtype '{bad.dtype}'"):
        numeric_grad(lambda x: 0.0, bad)
    with pytest.raises(TypeError, match=f"input 0 has dtype '{bad.dtype}'"):
        verify_grad(T.tanh, [bad], rng=RNG)


def test_errors():
    n = numeric_grad(lambda x: (x**2).sum(), np.array([1.0, 2.0]))
    abs_err, rel_err = numeric_grad.abs_rel_err(np.array([1.0, 0.0]), np.array([3.0, 0.0]))
    np.testing.assert_array_equal(abs_err, [2, 0])
    np.testing.assert_array_equal(rel_err, [0.5, 0])
    arg, pos, most, _ = n.max_err([np.array([2.0, 5.0])], 1e-4, 1e-4)
    assert (arg, pos) == (0, 1) and abs(most - 1) < 1e-6
    with pytest.raises(ValueError, match="wrong number of elements"):
        n.max_err([], 1e-4, 1e-4)
    with pytest.raises(ValueError, match="wrong shape"):
        n.max_err([np.zeros(3)], 1e-4, 1e-4)
    with pytest.raises(ValueError, match="abs_err not finite"):
        n.max_err([np.array([np.nan, 1.0])], 1e-4, 1e-4)
    many = numeric_grad(lambda a, b: b.sum(), [np.zeros(0), np.ones(2)])
    assert many.max_err([np.zeros(0), np.array([1.0, 9.0])], 1e-4, 1e-4)[:2] == (1, 1)


@pytest.mark.parametrize(
    "rng", [RNG, np.random.RandomState(1), np.random], ids=["Generator", "RandomState", "module"]
)
def test_right_gradients_pass(rng):
    verify_grad(T.tanh, (np.asarray([[2, 3, 4], [-1, 3.3, 9.9]]),), rng=rng)
    verify_grad(lambda x, A: T.dot(x * x, T.dot(A, x)), [RNG.normal(size=2),
                RNG.normal(size=(2, 2))], rng=rng)  # fmt: skip


def quadratic(x, A):
    return T.dot(x, T.dot(A, x))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_gradients_of_gradients_pass(order):
    def fun(x, A):
        y = quadratic(x, A) ** 2
        for _ in range(order):
            y = T.grad(y if y.ndim == 0 else y.sum(), x)
        return y

    verify_grad(fun, [RNG.normal(size=2), RNG.normal(size=(2, 2))], rng=RNG)


def test_shapes_and_dtypes_pass():
    for shape in ((), (1,), (0,), (1, 3), (2, 1, 2)):
        verify_grad(lambda x: T.exp(x) * 2, [RNG.normal(size=shape)], rng=RNG)
    verify_grad(T.sin, [RNG.normal(size=3).astype("f")], rng=RNG, cast_to_output_type=True)
    verify_grad(lambda x, y: x * y, [np.ones(2, "f"), np.ones(2)], rng=RNG)
    verify_grad(T.sin, [np.ones(2)], rng=RNG, mode="FAST_COMPILE", n_tests=1)
    verify_grad(T.sin, [np.ones(2)], rng=RNG, mode="DebugMode", n_tests=1)


def test_wrong_gradients_are_found():
    def wrong(x):
        return G.grad_scale(x, 2.0) ** 2

    with pytest.raises(G.GradientError) as err:
        verify_grad(wrong, [np.array([1.0, 0.0])], rng=RNG)
    e = err.value
    assert (e.arg, e.err_pos, e.shape) == (0, 0, (2,))
    assert abs(e.val1 / e.val2 - 2) < 1e-5 and e.abs_err > e.abs_tol and e.rel_err > e.rel_tol
    assert "argument 0" in str(e) and verify_grad.E_grad is G.GradientError
    verify_grad(wrong, [np.array([1.0, 0.0])], rng=RNG, rel_tol=0.9)  # both must be exceeded


def test_what_cannot_be_verified():
    at = [np.ones(2)]
    with pytest.raises(TypeError, match="rng"):
        verify_grad(T.sin, at)
    with pytest.raises(TypeError, match="list or a tuple"):
        verify_grad(T.sin, np.ones(2), rng=RNG)
    with pytest.raises(NotImplementedError):
        verify_grad(lambda x: [x, x], at, rng=RNG)
    with pytest.raises(TypeError, match="must give a variable"):
        verify_grad(lambda x: 1.0, at, rng=RNG)
    with pytest.raises(ValueError, match="not finite"):
        verify_grad(T.sqrt, [np.array([0.0])], rng=RNG)
