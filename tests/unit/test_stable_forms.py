"""Naive formulas in their stable form, as `pp` prints the compiled function's graph; and their
values and gradients where the naive formula overflows, vanishes or cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, grad, pp
from jitgrad.printing import debugprint

DTYPES = ("float64", "float32")
MODES = ("FAST_RUN", "FAST_COMPILE")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_mode = pytest.mark.parametrize("mode", MODES)

s = T.nnet.sigmoid


def two(formula: Callable[..., Any]) -> tuple[list[Any], Any]:
    ins = [T.dvector("x"), T.dvector("y")]
    return ins, formula(*ins)


FORMS: dict[str, tuple[Callable[..., Any], str]] = {
    "log(1 + x)": (lambda x, y: T.log(1 + x), "log1p(x)"),
    "log(1 - x)": (lambda x, y: T.log(1 - x), "log1p((-x))"),
    "exp(x) - 1": (lambda x, y: T.exp(x) - 1, "expm1(x)"),
    "1 - exp(x)": (lambda x, y: 1 - T.exp(x), "(0.0 - expm1(x))"),
    "log(1 - exp(x))": (lambda x, y: T.log(1 - T.exp(x)), "log1mexp(x)"),
    "log(-expm1(x))": (lambda x, y: T.log(-T.expm1(x)), "log1mexp(x)"),
    "log1p(-exp(x))": (lambda x, y: T.log1p(-T.exp(x)), "log1mexp(x)"),
    "log(1 + exp(x))": (lambda x, y: T.log(1 + T.exp(x)), "softplus(x)"),
    "log1p(exp(x))": (lambda x, y: T.log1p(T.exp(x)), "softplus(x)"),
    "log(1 + exp(-x))": (lambda x, y: T.log(1 + T.exp(-x)), "softplus((-x))"),
    "-log(sigmoid(-x))": (lambda x, y: -T.log(s(-x)), "softplus(x)"),
    "-log(1 - sigmoid(x))": (lambda x, y: -T.log(1 - s(x)), "softplus(x)"),
    "max(x, 0) + log1p(exp(-|x|))": (
        lambda x, y: T.maximum(x, 0) + T.log1p(T.exp(-abs(x))),
        "softplus(x)",
    ),
    "log(3 + 2 exp(x))": (
        lambda x, y: T.log(2 + 2 * T.exp(x)),
        "(0.6931471805599453 + softplus(x))",
    ),
    "1 / (1 + exp(-x))": (lambda x, y: 1 / (1 + T.exp(-x)), "sigmoid(x)"),
    "exp(x) / (1 + exp(x))": (lambda x, y: T.exp(x) / (1 + T.exp(x)), "sigmoid(x)"),
    "1 - sigmoid(x)": (lambda x, y: 1 - s(x), "sigmoid((-x))"),
    "sigmoid(x) exp(-x)": (lambda x, y: s(x) * T.exp(-x), "sigmoid((-x))"),
    "4 / (1 + exp(-x))": (lambda x, y: 4 / (1 + T.exp(-x)), "(4.0 * sigmoid(x))"),
    "4 / (2 + 2 exp(-x))": (lambda x, y: 4 / (2 + 2 * T.exp(-x)), "(2.0 * sigmoid(x))"),
    "log(s / (1 - s))": (lambda x, y: T.log(s(x) / (1 - s(x))), "x"),
    "log s - log(1 - s)": (lambda x, y: T.log(s(x)) - T.log(1 - s(x)), "x"),
    "log(x / (1 - x))": (lambda x, y: T.log(x / (1 - x)), "logit(x)"),
    "log(exp(x) + exp(y))": (lambda x, y: T.log(T.exp(x) + T.exp(y)), "logaddexp(x, y)"),
    "exp(log(x))": (lambda x, y: T.exp(T.log(x)), "(x * switch(ge(x, 0.0), 1.0, nan))"),
    "log(exp(x))": (lambda x, y: T.log(T.exp(x)), "x"),
    "log(exp(x) y)": (lambda x, y: T.log(T.exp(x) * y), "(x + log(y))"),
    "log(exp(x) / y)": (lambda x, y: T.log(T.exp(x) / y), "(x - log(y))"),
    "log of a Gaussian": (lambda x, y: T.log(T.exp(-(x**2) / 2)), "(-0.5 * (x * x))"),
    "log(sqrt(x))": (lambda x, y: T.log(T.sqrt(x)), "(0.5 * log(x))"),
    "log(x ** 2)": (lambda x, y: T.log(x**2), "(2.0 * log(abs(x)))"),
    "log(1 / x)": (lambda x, y: T.log(1 / x), "(-log(x))"),
    "sqrt(x ** 2)": (lambda x, y: T.sqrt(x**2), "abs(x)"),
    "sqrt(x) ** 2": (lambda x, y: T.sqrt(x) ** 2, "(x * switch(ge(x, 0.0), 1.0, nan))"),
    "1 - erf(x)": (lambda x, y: 1 - T.erf(x), "erfc(x)"),
    "erf(x) - 1": (lambda x, y: T.erf(x) - 1, "(-erfc(x))"),
    "1 - erfc(x)": (lambda x, y: 1 - T.erfc(x), "erf(x)"),
    "log(1 - erf(x))": (lambda x, y: T.log(1 - T.erf(x)), "logerfc(x)"),
    "log(erfc(x))": (lambda x, y: T.log(T.erfc(x)), "logerfc(x)"),
    "sinh": (lambda x, y: (T.exp(x) - T.exp(-x)) / 2, "sinh(x)"),
    "tanh": (lambda x, y: T.sinh(x) / T.cosh(x), "tanh(x)"),
    "log(prod(exp(x)))": (lambda x, y: T.log(T.prod(T.exp(x))), "sum(x)"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_compiled_graph_is_the_stable_form(name: str) -> None:
    formula, want = FORMS[name]
    ins, out = two(formula)
    f = function(ins, out, on_unused_input="ignore")
    assert pp(f.maker.fgraph.outputs[0]) == want


SLOPES: dict[str, tuple[Callable[..., Any], str]] = {
    "log(1 + exp(x))": (lambda x, y: T.log(1 + T.exp(x)), "sigmoid(x)"),
    "log(1 - exp(x))": (lambda x, y: T.log(1 - T.exp(x)), "(-1.0 / expm1((-x)))"),
    "1 / (1 + exp(-x))": (lambda x, y: 1 / (1 + T.exp(-x)), "(sigmoid(x) * sigmoid((-x)))"),
    "log(sigmoid(x))": (lambda x, y: T.log(s(x)), "sigmoid((-x))"),
    "log(exp(x) / y)": (lambda x, y: T.log(T.exp(x) / y), "1.0"),
    "log of a Gaussian": (lambda x, y: T.log(T.exp(-(x**2) / 2)), "(-x)"),
    "log(exp(x) + exp(y))": (
        lambda x, y: T.log(T.exp(x) + T.exp(y)),
        "sigmoid(switch((neq(x, y) | eq((x - y), (x - y))), (x - y), 0.0))"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOPES)
def test_the_gradient_is_that_of_the_stable_form(name: str) -> None:
    formula, want = SLOPES[name]
    ins, out = two(formula)
    f = function(ins, grad(T.sum(out), ins[0]), on_unused_input="ignore")
    assert pp(f.maker.fgraph.outputs[0]) == want


def test_debugprint_shows_the_stable_form() -> None:
    x = T.dvector("x")
    text = debugprint(function([x], T.log(1 + T.exp(x))), file="str")
    assert "softplus" in text and "log" not in text.replace("softplus", "")


# -- values and gradients --------------------------------------------------------------------------


def evaluate(formula: Callable[..., Any], mode: str, dtype: str, *args: Any) -> list[np.ndarray]:
    """The sum of the formula and its gradient by each argument."""
    arrays = [np.asarray(a, dtype) for a in args]
    ins = [T.TensorType(dtype, (False,) * a.ndim)(f"a{k}") for k, a in enumerate(arrays)]
    cost = T.sum(formula(*ins))
    f = function(ins, [cost, *(T.grad(cost, i) for i in ins)], mode=mode)
    out = [np.asarray(o) for o in f(*arrays)]
    assert all(o.dtype == dtype for o in out)
    return out


def close(got: Any, want: Any, dtype: str, units: float = 8) -> None:
    np.testing.assert_allclose(got, np.asarray(want, dtype), rtol=units * np.finfo(dtype).eps)


@each_mode
@each_dtype
def test_log_of_erfc(mode: str, dtype: str) -> None:
    points = [-1e10, -30.0, -3.0, -1e-3, 0.0, 0.3, 0.6, 3.0, 9.0, 30.0, 1e4, 1e10]
    with mpmath.workprec(200):
        for p in points:
            x = mpmath.mpf(float(np.asarray(p, dtype)))
            if x < 1e4:
                value, slope = mpmath.log(mpmath.erfc(x)), mpmath.exp(-x * x) / mpmath.erfc(x)
                slope *= -2 / mpmath.sqrt(mpmath.pi)
            else:
                series = 1 - 1 / (2 * x * x)
                value = -x * x - mpmath.log(x * mpmath.sqrt(mpmath.pi) / series)
                slope = -2 * x / series
            got, g = evaluate(lambda v: T.log(T.erfc(v)), mode, dtype, [p])
            close(got, float(value), dtype)
            if abs(slope) > np.finfo(dtype).tiny:
                close(g[0], float(slope), dtype, 16)
            else:
                assert abs(g[0]) <= np.finfo(dtype).tiny


@each_mode
@each_dtype
def test_log_of_the_normal_distribution(mode: str, dtype: str) -> None:
    def cdf(x: Any) -> Any:
        return T.log(0.5 * (1 + T.erf(x / np.sqrt(2).astype(dtype))))

    got, g = evaluate(cdf, mode, dtype, [-30.0])
    with mpmath.workprec(200):
        x = mpmath.mpf(-30) / mpmath.mpf(float(np.sqrt(2).astype(dtype)))
        want = mpmath.log(mpmath.erfc(-x) / 2)
        slope = mpmath.exp(-x * x) / mpmath.erfc(-x) * 2 / mpmath.sqrt(2 * mpmath.pi)
    close(got, float(want), dtype, 16)
    close(g[0], float(slope), dtype, 32)


@each_mode
@each_dtype
def test_log_1_minus_exp(mode: str, dtype: str) -> None:
    for p in (-1e-5, -0.1, -0.7, -5.0, -80.0):
        with mpmath.workprec(300):
            x = mpmath.mpf(float(np.asarray(p, dtype)))
            value, slope = mpmath.log(1 - mpmath.exp(x)), -1 / mpmath.expm1(-x)
        got, g = evaluate(lambda v: T.log(1 - T.exp(v)), mode, dtype, [p])
        close(got, float(value), dtype)
        close(g[0], float(slope), dtype)
    got, g = evaluate(lambda v: T.log(1 - T.exp(v)), mode, dtype, [-1e4, -np.inf])
    assert got == 0 and not g.any()
    assert np.isnan(evaluate(lambda v: T.log(1 - T.exp(v)), mode, dtype, [1.0])[0])


@each_mode
@each_dtype
def test_log_of_a_difference_of_exponentials(mode: str, dtype: str) -> None:
    def f(x: Any, y: Any) -> Any:
        return T.log(T.exp(x) - T.exp(y))

    got, gx, gy = evaluate(f, mode, dtype, [1e4], [1e4 - 1])
    close(got, 1e4 + np.log1p(-np.exp(-1.0)), dtype)
    close(gx[0], 1 / (1 - np.exp(-1.0)), dtype)
    close(gy[0], -1 / (np.e - 1), dtype)
    assert evaluate(f, mode, dtype, [-np.inf], [-np.inf])[0] == -np.inf
    assert evaluate(f, mode, dtype, [5.0], [5.0])[0] == -np.inf
    assert np.isnan(evaluate(f, mode, dtype, [5.0], [6.0])[0])


@each_mode
@each_dtype
@pytest.mark.parametrize("at", [-1000.0, 0.0, 1000.0, -3e30])
def test_weighted_log_sum_exp(mode: str, dtype: str, at: float) -> None:
    def f(x: Any, w: Any) -> Any:
        return T.log(T.sum(w * T.exp(x)))

    x = np.asarray([at, at, at], dtype)
    got, gx, gw = evaluate(f, mode, dtype, x, [1.0, 2.0, 0.0])
    close(got, at + np.log(3), dtype)
    close(gx, [1 / 3, 2 / 3, 0], dtype)
    close(gw, [1 / 3] * 3, dtype)  # by the weight that is 0, too
    got, gx, _ = evaluate(f, mode, dtype, x, [1.0, 2.0, -1.0])
    close(got, at + np.log(2), dtype)
    close(gx, [0.5, 1, -0.5], dtype)
    assert np.isnan(evaluate(f, mode, dtype, x, [1.0, 1.0, -3.0])[0])
    assert evaluate(f, mode, dtype, x, [0.0, 0.0, 0.0])[0] == -np.inf


@each_mode
@each_dtype
def test_a_weight_of_zero_hides_nothing(mode: str, dtype: str) -> None:
    def f(x: Any, w: Any) -> Any:
        return T.log(T.sum(w * T.exp(x)))

    got, gx, _ = evaluate(f, mode, dtype, [1000.0, -1000.0], [0.0, 2.0])
    close(got, -1000 + np.log(2), dtype)
    close(gx, [0, 1], dtype)
    tiny = float(np.finfo(dtype).tiny) * 4
    top = -np.log(tiny)  # the small weight's term is as large as the other
    got, gx, _ = evaluate(f, mode, dtype, [2 * top, top], [tiny, 1.0])
    np.testing.assert_allclose(got, top + np.log(2), rtol=1e-6)
    np.testing.assert_allclose(gx, [0.5, 0.5], rtol=1e-3 if dtype == "float32" else 1e-10)


@each_mode
@each_dtype
def test_a_masked_log_sum_exp(mode: str, dtype: str) -> None:
    def f(x: Any) -> Any:
        return T.log(T.sum(T.switch(x > -2000, T.exp(x), 0)))

    got, g = evaluate(f, mode, dtype, [-1000.0, -1001.0, -3000.0])
    close(got, -1000 + np.log1p(np.exp(-1.0)), dtype)
    close(g, [1 / (1 + np.exp(-1.0)), 1 / (1 + np.e), 0], dtype)


@each_mode
@each_dtype
def test_log_of_a_mean_of_exponentials(mode: str, dtype: str) -> None:
    got, g = evaluate(lambda x: T.log(T.mean(T.exp(x))), mode, dtype, [-1000.0, -1000.0])
    assert got == -1000
    close(g, [0.5, 0.5], dtype)


@each_mode
@each_dtype
def test_log_likelihoods(mode: str, dtype: str) -> None:
    def density(x: Any) -> Any:
        return T.log(T.exp(-(x**2) / 2) / np.sqrt(2 * np.pi).astype(dtype))

    got, g = evaluate(density, mode, dtype, [60.0])
    close(got, -1800 - np.log(2 * np.pi) / 2, dtype)
    assert g[0] == -60
    ps = np.full(2000, 0.25, dtype)
    got, g = evaluate(lambda p: T.log(T.prod(p)), mode, dtype, ps)
    close(got, 2000 * np.log(0.25), dtype, 64)
    close(g, np.full(2000, 4.0), dtype)
    ps[0] = -0.25
    assert np.isnan(evaluate(lambda p: T.log(T.prod(p)), mode, dtype, ps)[0])
    ps[1] = -0.25
    close(evaluate(lambda p: T.log(T.prod(p)), mode, dtype, ps)[0], 2000 * np.log(0.25), dtype, 64)


@each_mode
@each_dtype
@pytest.mark.parametrize("inside", [False, True])
def test_cross_entropy_with_labels(mode: str, dtype: str, inside: bool) -> None:
    m, k = T.TensorType(dtype, (False, False))("m"), T.lvector("k")
    p = T.nnet.softmax(m)
    rows = T.arange(k.shape[0])
    cost = -T.sum(T.log(p[rows, k]) if inside else T.log(p)[rows, k])
    f = function([m, k], [cost, grad(cost, m)], mode=mode)
    x = np.array([[1e4, 0, -1e4], [3, 3, 3], [-1e3, -2e3, -1e3]], dtype)
    y = np.array([2, 0, 1])
    got, g = f(x, y)
    close(got, 2e4 + np.log(3) + 1000 + np.log(2), dtype)
    soft = np.array([[1, 0, 0], [1 / 3] * 3, [0.5, 0, 0.5]])
    np.testing.assert_allclose(g, soft - np.eye(3)[y], rtol=1e-6, atol=1e-15)


@each_mode
@each_dtype
def test_small_arguments_keep_their_digits(mode: str, dtype: str) -> None:
    tiny = np.asarray(1e-18, dtype)
    for f in (
        lambda x: (T.exp(x) - T.exp(-x)) / 2,
        lambda x: T.log(x + T.sqrt(1 + x**2)),
        lambda x: 0.5 * T.log((1 + x) / (1 - x)),
        lambda x: T.exp(x) - 1,
        lambda x: T.log(1 + x),
    ):
        for sign in (1, -1):
            got, g = evaluate(f, mode, dtype, [sign * tiny])
            close(got, sign * tiny, dtype)
            close(g[0], 1, dtype)
    for x in (1e-12, -1e-12):
        got, g = evaluate(lambda v: T.log((v + 0.5) / (1 - (v + 0.5))), mode, "float64", [x])
        np.testing.assert_allclose(got, 4 * x, rtol=1e-4)
        np.testing.assert_allclose(g, 4, rtol=1e-9)


@each_mode
def test_what_is_not_defined_stays_nan(mode: str) -> None:
    for f in (
        lambda x: T.exp(T.log(x)),
        lambda x: T.sqrt(x) ** 2,
        lambda x: T.expm1(T.log1p(x)),
        lambda x: T.sin(T.arcsin(x)),
    ):
        got, g = evaluate(f, mode, "float64", [-3.0])
        assert np.isnan(got) and np.isnan(g[0])
        close(evaluate(f, mode, "float64", [0.25])[0], 0.25, "float64")
