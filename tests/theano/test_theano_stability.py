"""Naive formulas that Theano makes stable, and what is printed of the compiled graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, pp


def printed(y: Callable[[Any], Any], x: Any = None) -> str:
    x = T.dvector("x") if x is None else x
    return pp(function([x], y(x)).maker.fgraph.outputs[0])


@pytest.mark.parametrize(
    "formula, at, value",
    [
        (lambda x: T.log(1 + T.exp(x)), 1000.0, 1000.0),
        (lambda x: T.log(1 + x), 1e-20, 1e-20),
        (lambda x: T.exp(x) - 1, 1e-20, 1e-20),
        (lambda x: 1 / (1 + T.exp(-x)), -800.0, 0.0),
        (lambda x: T.log(T.nnet.sigmoid(x)), -800.0, -800.0),
        (lambda x: T.log(1 - T.nnet.sigmoid(x)), 800.0, -800.0),
        (lambda x: 1 - T.nnet.sigmoid(x), 40.0, np.exp(-40.0)),
        (lambda x: T.exp(x) / (1 + T.exp(x)), 800.0, 1.0),
        (lambda x: T.log(1 - T.exp(x)), -1e-20, np.log(1e-20)),
        (lambda x: T.log(T.exp(x)), 1000.0, 1000.0),
        (lambda x: T.log(T.erfc(x)), 30.0, -903.9741171106439),
        (lambda x: 1 - T.erf(x), 10.0, 2.088487583762545e-45),
        (lambda x: T.log(T.exp(x) + T.exp(x - 1)), 1000.0, 1000 + np.log1p(np.exp(-1))),
        (lambda x: T.log(T.exp(x) - T.exp(x - 1)), 1000.0, 1000 + np.log1p(-np.exp(-1))),
        (lambda x: T.exp(T.log(x)), 3.0, 3.0),
        (lambda x: -T.log(T.nnet.sigmoid(-x)), 800.0, 800.0),
        (lambda x: T.log1p(-T.nnet.sigmoid(x)), 800.0, -800.0),
        (lambda x: T.nnet.sigmoid(x) * T.exp(-x), -800.0, 1.0),
    ],
)
def test_values(formula: Callable[[Any], Any], at: float, value: float) -> None:
    x = T.dscalar("x")
    got = function([x], formula(x))(at)
    assert np.allclose(got, value, rtol=1e-9, atol=0), got


@pytest.mark.parametrize(
    "formula, at, slope",
    [
        (lambda x: T.log(1 + T.exp(x)), 1000.0, 1.0),
        (lambda x: 1 / (1 + T.exp(-x)), -1000.0, 0.0),
        (lambda x: T.log(T.nnet.sigmoid(x)), -1000.0, 1.0),
        (lambda x: T.log(T.erfc(x)), 30.0, -60.0333),
        (lambda x: T.log(1 - T.exp(x)), -1e-10, -1e10),
        (lambda x: T.log(T.exp(x) + T.exp(2 * x)), 500.0, 2.0),
        (lambda x: T.switch(x > 0, T.sqrt(x), 0), 0.0, 0.0),
        (lambda x: abs(x), 0.0, 0.0),
    ],
)
def test_gradients(formula: Callable[[Any], Any], at: float, slope: float) -> None:
    x = T.dscalar("x")
    got = function([x], T.grad(formula(x), x))(at)
    assert np.allclose(got, slope, rtol=1e-4, atol=0), got


def test_logsumexp_and_softmax() -> None:
    x = T.dmatrix("x")
    a = np.array([[1000.0, 1000.0], [-1000.0, -1001.0]])
    lse = T.log(T.sum(T.exp(x), axis=1))
    assert np.allclose(function([x], lse)(a), [1000 + np.log(2), -1000 + np.log1p(np.exp(-1))])
    assert np.isneginf(function([x], lse)(np.full((1, 3), -np.inf)))
    soft = T.exp(x) / T.exp(x).sum(axis=1, keepdims=True)
    e = 1 / (1 + np.exp(-1))
    assert np.allclose(function([x], soft)(a), [[0.5, 0.5], [e, 1 - e]])
    log_soft = T.log(T.nnet.softmax(x))
    assert np.allclose(function([x], log_soft)([[0.0, 1000.0]]), [[-1000.0, 0.0]])


def test_cross_entropy_of_a_softmax() -> None:
    x, y = T.dmatrix("x"), T.ivector("y")
    p = T.nnet.softmax(x)
    for loss in (-T.log(p)[T.arange(y.shape[0]), y].sum(),
                 -T.log(p[T.arange(y.shape[0]), y]).sum(),
                 T.nnet.categorical_crossentropy(p, y).sum()):  # fmt: skip
        f = function([x, y], [loss, T.grad(loss, x)])
        value, g = f([[0.0, 1000.0]], [0])
        assert np.allclose(value, 1000.0) and np.allclose(g, [[-1.0, 1.0]])


def test_binary_cross_entropy_of_a_sigmoid() -> None:
    x, t = T.dvector("x"), T.dvector("t")
    loss = T.nnet.binary_crossentropy(T.nnet.sigmoid(x), t).sum()
    f = function([x, t], [loss, T.grad(loss, x)])
    value, g = f([800.0, -800.0], [0.0, 1.0])
    assert np.allclose(value, 1600.0) and np.allclose(g, [1.0, -1.0])


def test_printed_stable_forms() -> None:
    assert printed(lambda x: T.log(1 + T.exp(x))) == "softplus(x)"
    assert printed(lambda x: T.log(1 + x)) == "log1p(x)"
    assert printed(lambda x: T.exp(x) - 1) == "expm1(x)"
    assert printed(lambda x: 1 / (1 + T.exp(-x))) == "sigmoid(x)"
    assert printed(lambda x: 1 - T.nnet.sigmoid(x)) == "sigmoid((-x))"
    assert printed(lambda x: T.log(T.exp(x))) == "x"
    assert printed(lambda x: T.log(T.nnet.sigmoid(x))) == "(-softplus((-x)))"
    assert printed(lambda x: 1 - T.erf(x)) == "erfc(x)"


def test_printed_simplifications() -> None:
    assert printed(lambda x: x * 1) == "x"
    assert printed(lambda x: x / 1) == "x"
    assert printed(lambda x: T.neg(-x)) == "x"
    assert printed(lambda x: x**1) == "x"
    assert printed(lambda x: x**2) in ("(x * x)", "sqr(x)")
    assert (
        printed(lambda x: 2 * (x * 3)) == "(6.0 * x)"
        or printed(lambda x: 2 * (x * 3)) == "(x * 6.0)"
    )
    assert printed(lambda x: x.dimshuffle("x", 0).dimshuffle(1)) == "x"
    assert printed(lambda x: x[::-1][::-1]) == "x"
    assert printed(lambda x: T.switch(T.constant(True), x, x * 2)) == "x"
    assert printed(lambda x: T.abs_(T.abs_(x))) in ("|x|", "abs(x)")


def test_constants_are_folded() -> None:
    x = T.dscalar("x")
    f = function([x], x + T.constant(2.0) * 3 * T.cos(0.0))
    assert pp(f.maker.fgraph.outputs[0]) in ("(x + 6.0)", "(6.0 + x)")
    f = function([], T.constant([1.0, 2.0]).sum())
    assert f() == 3.0


def test_matrix_products_and_transposes() -> None:
    A, B = T.dmatrices("A", "B")
    f = function([A, B], T.dot(A.T, B.T).T)
    text = pp(f.maker.fgraph.outputs[0])
    assert text in ("(B \\dot A)",), text
    f = function([A], A.T.T)
    assert pp(f.maker.fgraph.outputs[0]) == "A"
