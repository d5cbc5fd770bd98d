"""Naive formulas are right where they would overflow or cancel, in both front ends.

Each formula is written once, for `T` and for `jitgrad.numpy`, and run five ways: symbolically as
machine code and by the interpreter, traced with and without `jit`; f64 and f32. The exact values
come from multi-precision arithmetic. (A value computed by NumPy without `jit` and without a
transform is NumPy's, so the way "eager" looks at value_and_grad.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import jitgrad.numpy as jnp
import jitgrad.tensor as T
from jitgrad import function, grad, jit, value_and_grad

WAYS = ("FAST_RUN", "FAST_COMPILE", "eager", "jit")
DTYPES = ("float64", "float32")
each_way = pytest.mark.parametrize("way", WAYS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

Formula = Callable[[Any, Any], Any]  # (namespace, x) -> array or scalar
Three = tuple[np.ndarray, np.ndarray, np.ndarray]


def evaluate(formula: Formula, x: Any, way: str, dtype: str) -> Three:
    """sum(formula(x)), its gradient g, and the gradient of sum(g · (1, 2, 3, …))."""
    a = np.asarray(x, dtype)
    weights = np.arange(1, a.size + 1).reshape(a.shape).astype(dtype)
    if way in ("FAST_RUN", "FAST_COMPILE"):
        v = T.TensorType(dtype, (False,) * a.ndim)("v")
        cost = T.sum(formula(T, v))
        g = T.grad(cost, v)
        out = function([v], [cost, g, T.grad(T.sum(g * weights), v)], mode=way)(a)
    else:

        def total(v: Any) -> Any:
            return jnp.sum(formula(jnp, v))

        def twice(v: Any) -> Any:
            return jnp.sum(grad(total)(v) * weights)

        wrap = jit if way == "jit" else lambda f: f
        value, first = wrap(value_and_grad(total))(a)
        out = [value, first, wrap(grad(twice))(a)]
    got = tuple([np.asarray(o) for o in out])
    assert all(o.dtype == dtype for o in got)
    return got  # type: ignore[return-value]


def ulps(got: np.ndarray, exact: list[Any]) -> float:
    """The greatest error in units in the last place; infinite where a number is missing.

    `exact` are multi-precision numbers; each is split into a float and the rest of it, so that
    nothing is lost in the difference.
    """
    with mpmath.workprec(400):
        near = np.array([float(e) for e in exact])
        rest = np.array([float(e - mpmath.mpf(n)) for e, n in zip(exact, near)])
    assert np.isfinite(near).all()
    if not np.isfinite(got).all():
        return float("inf")
    unit = np.spacing(np.abs(near).astype(got.dtype)).astype(np.float64)
    return float((np.abs((got.astype(np.float64) - near) - rest) / unit).max())


# -- the logistic function -------------------------------------------------------------------------


def logistic(n: Any, x: Any) -> Any:
    return 1 / (1 + n.exp(-x))


def grid() -> np.ndarray:
    """20 001 evenly spaced arguments from -700 to 700 with both ends, and some around 0."""
    near = 10.0 ** np.arange(-300, 0, 13)
    return np.concatenate([np.linspace(-700, 700, 20001), near, -near, [0.0, -0.0]])


@pytest.fixture(scope="module")
def densities() -> dict[str, tuple[np.ndarray, list[Any]]]:
    """Arguments in each dtype, where the result is a normal number, and s(x)·s(-x) exactly."""
    out = {}
    for dtype in DTYPES:
        x = grid().astype(dtype)
        x = x[np.abs(x) < -np.log(np.finfo(dtype).tiny)]
        with mpmath.workprec(160):
            e = [mpmath.exp(-abs(mpmath.mpf(float(v)))) for v in x]
            out[dtype] = x, [v / (1 + v) ** 2 for v in e]
    assert len(out["float64"][0]) == len(grid())
    return out


@each_dtype
@each_way
def test_gradient_of_the_logistic_function_to_4_ulp(
    way: str, dtype: str, densities: dict[str, tuple[np.ndarray, list[Any]]]
) -> None:
    x, exact = densities[dtype]
    assert ulps(evaluate(logistic, x, way, dtype)[1], exact) <= 4


@each_dtype
@each_way
def test_second_derivative_of_the_logistic_function(way: str, dtype: str) -> None:
    """s(x)·s(-x)·(s(-x) - s(x)): its relative error is bounded where the difference is not 0."""
    x = np.array([-80.0, -20.0, -2.0, -0.5, 0.5, 2.0, 20.0, 80.0], dtype)
    with mpmath.workprec(400):
        s = [1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))) for v in x]
        exact = [k * p * (1 - p) * (1 - 2 * p) for k, p in enumerate(s, 1)]
    assert ulps(evaluate(logistic, x, way, dtype)[2], exact) <= 16


@each_dtype
@each_way
def test_the_logistic_function_far_out(way: str, dtype: str) -> None:
    far = np.array([745, 800, 1e4, 1e300, np.inf])
    with np.errstate(all="ignore"):
        x = np.concatenate([far, -far]).astype(dtype)
        value, g, h = evaluate(logistic, x, way, dtype)
    assert value == len(far)
    # exp(-745) is the least of all floats, and only there in f64
    least = 5e-324 if dtype == "float64" else 0.0
    np.testing.assert_array_equal(g, [least, 0, 0, 0, 0] * 2)
    assert np.isfinite(h).all()
    assert np.abs(h).max() <= 10 * least


@each_way
def test_the_logistic_function_among_denormals(way: str) -> None:
    """Between the last normal result and 0 the error is below one unit: nothing is flushed."""
    x = np.linspace(708, 746, 400)
    with np.errstate(all="ignore"):
        g = evaluate(logistic, np.concatenate([x, -x]), way, "float64")[1]
    with mpmath.workprec(160):
        exact = [mpmath.exp(-mpmath.mpf(float(v))) for v in x]
    assert ulps(g, exact * 2) <= 4


@pytest.mark.parametrize(
    "formula",
    [
        lambda n, x: n.exp(x) / (1 + n.exp(x)),
        lambda n, x: 1.0 / (n.exp(-x) + 1.0),
        lambda n, x: (1 + n.exp(-x)) ** -1,
        lambda n, x: 1 - 1 / (1 + n.exp(x)),
    ],
    ids=["exp/(1+exp)", "1/(exp+1)", "power -1", "1 - s(-x)"],
)
@each_way
def test_other_spellings_of_the_logistic_function(
    way: str, formula: Formula, densities: dict[str, tuple[np.ndarray, list[Any]]]
) -> None:
    x, exact = densities["float64"]
    got = evaluate(formula, x[::20], way, "float64")[1]
    assert ulps(got, exact[::20]) <= 4


# -- log(1 + exp(x)) -------------------------------------------------------------------------------


def naive_softplus(n: Any, x: Any) -> Any:
    return n.log(1 + n.exp(x))


@each_dtype
@each_way
def test_log_1_plus_exp(way: str, dtype: str) -> None:
    for x, want, slope in (
        (1000.0, 1000.0, 1.0),
        (-1000.0, 0.0, 0.0),
        (1e30, 1e30, 1.0),
        (-1e30, 0.0, 0.0),
        (np.inf, np.inf, 1.0),
        (-np.inf, 0.0, 0.0),
    ):
        with np.errstate(all="ignore"):
            value, g, h = evaluate(naive_softplus, [x], way, dtype)
        assert value == np.asarray(want, dtype)
        assert (g[0], h[0]) == (slope, 0.0), x
    x = np.array([-80.0, -30.0, -3.0, 0.0, 3.0, 30.0, 80.0], dtype)
    with mpmath.workprec(400):
        e = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        slopes = [v / (1 + v) for v in e]
        curves = [k * v / (1 + v) ** 2 for k, v in enumerate(e, 1)]
        values = [mpmath.log(1 + v) for v in e]
    for k, v in enumerate(x):
        value, g, h = evaluate(naive_softplus, [v], way, dtype)
        assert ulps(value.reshape(1), values[k : k + 1]) <= 4
        assert ulps(g, slopes[k : k + 1]) <= 4
        assert ulps(h, [curves[k] / (k + 1)]) <= 6


@each_dtype
@each_way
def test_cross_entropy_of_a_naive_probability(way: str, dtype: str) -> None:
    def entropy(n: Any, x: Any) -> Any:
        p = 1 / (1 + n.exp(-x))
        return -0.25 * n.log(p) - 0.75 * n.log(1 - p)

    with np.errstate(all="ignore"):
        value, g, h = evaluate(entropy, [1000.0, -1000.0, 0.0], way, dtype)
    np.testing.assert_allclose(value, 750 + 250 + np.log(2), rtol=1e-6)
    np.testing.assert_allclose(g, [0.75, -0.25, 0.25], rtol=1e-6)
    np.testing.assert_allclose(h, [0, 0, 0.75], rtol=1e-6)


# -- log(sum(exp(x))) and the softmax --------------------------------------------------------------


@each_dtype
@each_way
@pytest.mark.parametrize("at", [1e4, -1e4, 1000.0, 0.0, 1e30])
def test_log_sum_exp(way: str, dtype: str, at: float) -> None:
    x = np.asarray(at, dtype) + np.asarray([1.0, 0.0, -1.0, -3e4], dtype)
    with np.errstate(all="ignore"):
        value, g, h = evaluate(lambda n, v: n.log(n.sum(n.exp(v))), x, way, dtype)
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max())
    p = e / e.sum()
    w = np.arange(1.0, 5.0)
    tol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, wide.max() + np.log(e.sum()), rtol=tol)
    np.testing.assert_allclose(g, p, rtol=tol)
    np.testing.assert_allclose(h, p * (w - (w * p).sum()), rtol=8 * tol, atol=8 * tol)


@each_dtype
@each_way
def test_log_sum_exp_of_rows_with_infinities(way: str, dtype: str) -> None:
    for row, want, slopes in (
        ([1e4, -np.inf], 1e4, [1, 0]),
        ([-np.inf, -np.inf], -np.inf, [0, 0]),
        ([-1e4, -1e4], -1e4 + np.log(2), [0.5, 0.5]),
        ([np.inf, 0.0], np.inf, None),
    ):
        with np.errstate(all="ignore"):
            value, g, _ = evaluate(lambda n, v: n.log(n.sum(n.exp(v), axis=1)), [row], way, dtype)
        np.testing.assert_allclose(value, want, rtol=1e-6)
        if slopes is not None:
            np.testing.assert_array_equal(g, [slopes])


def naive_softmax(n: Any, x: Any) -> Any:
    e = n.exp(x)
    return e / n.sum(e)


@each_dtype
@each_way
def test_log_of_a_softmax_at_extremes(way: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        value, g, h = evaluate(lambda n, x: n.log(naive_softmax(n, x)), [1e4, 0, -1e4], way, dtype)
    assert value == -30000
    np.testing.assert_array_equal(g, [-2, 1, 1])
    np.testing.assert_array_equal(h, [0, 0, 0])
    with np.errstate(all="ignore"):
        _, g, h = evaluate(
            lambda n, x: n.sum(n.log(naive_softmax(n, x)) * np.array([1, 0, 0], dtype)),
            [1e4, 1e4, -1e4],
            way,
            dtype,
        )
    np.testing.assert_allclose(g, [0.5, -0.5, 0])
    np.testing.assert_allclose(h, [0.25, -0.25, 0])


@each_dtype
@each_way
def test_log_softmax_of_rows_by_a_kept_axis(way: str, dtype: str) -> None:
    def rows(n: Any, x: Any) -> Any:
        e = n.exp(x)
        return n.log(e / n.sum(e, axis=1, keepdims=True)) * np.array([[1, 0]], dtype)

    x = [[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0.0, 0.0]]
    with np.errstate(all="ignore"):
        value, g, _ = evaluate(rows, x, way, dtype)
    np.testing.assert_allclose(value, -2e4 - 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(g, [[0, 0], [1, -1], [0.5, -0.5], [0.5, -0.5]], rtol=1e-6)


@each_dtype
@each_way
def test_softmax_at_extremes(way: str, dtype: str) -> None:
    weights = np.array([1, 0, 0], dtype)
    with np.errstate(all="ignore"):
        value, g, h = evaluate(
            lambda n, x: n.sum(naive_softmax(n, x) * weights), [1e4, 1e4, -1e4], way, dtype
        )
    assert value == 0.5
    np.testing.assert_allclose(g, [0.25, -0.25, 0], atol=0)
    np.testing.assert_allclose(h, [0, 0, 0], atol=4 * np.finfo(dtype).eps)


# -- branches that are not taken -------------------------------------------------------------------


@each_dtype
@each_way
@pytest.mark.parametrize(
    ("inner", "flat"),
    [
        (lambda n, x: n.sqrt(x), 0.0),
        (lambda n, x: n.log(x), 0.0),
        (lambda n, x: 1 / x, 0.0),
        (lambda n, x: x**0.5, 0.0),
        (lambda n, x: n.exp(1 / x), 0.0),
        (lambda n, x: n.sqrt(n.sqrt(x)) * n.log(x), 3.0),
    ],
    ids=["sqrt", "log", "recip", "pow", "exp-recip", "sqrt-sqrt-log"],
)
def test_a_branch_not_taken_does_not_contaminate(
    way: str, dtype: str, inner: Formula, flat: float
) -> None:
    def formula(n: Any, x: Any) -> Any:
        choose = n.switch if n is T else n.where
        return choose(x > 0, inner(n, x), flat * x)

    x = np.array([0.0, -0.0, -1.0, -np.inf if not flat else -2.0])
    with np.errstate(all="ignore"):
        value, g, h = evaluate(formula, x[:3], way, dtype)
        far = evaluate(formula, x[3:], way, dtype)
    assert np.isfinite(value)
    np.testing.assert_array_equal(g, [flat] * 3)
    np.testing.assert_array_equal(h, [0] * 3)
    np.testing.assert_array_equal(far[1], [flat])
    np.testing.assert_array_equal(far[2], [0])
    taken = evaluate(formula, [4.0], way, dtype)
    eps = 1e-5
    low, high = (evaluate(formula, [4.0 + s], "FAST_COMPILE", "float64")[0] for s in (-eps, eps))
    np.testing.assert_allclose(taken[1], (high - low) / (2 * eps), rtol=1e-4)


@each_way
def test_a_zero_factor_is_no_mask(way: str) -> None:
    """sqrt(x)**2 at 0: its derivative is 1 in the limit, NaN or infinite by the chain rule, not 0.

    Inactive lanes are zero by a mask, never because a value happens to be 0.
    """
    with np.errstate(all="ignore"):
        value, g, _ = evaluate(lambda n, x: n.sqrt(x) * n.sqrt(x), [0.0], way, "float64")
    assert value == 0
    assert g[0] != 0
