"""Theano's tutorial "Derivatives in Theano", to the letter; and the symbolic modules' doctests."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import jitgrad.frontend.pp as pp_module
import jitgrad.frontend.pp_graph
import jitgrad.frontend.symbolic
import jitgrad.graph
import jitgrad.printing
import jitgrad.symbolic_function
import jitgrad.symbolic_grad
import jitgrad.tensor
import jitgrad.tensor as T
from jitgrad import function, grad, pp

MODES = ["FAST_RUN", "FAST_COMPILE"]


@pytest.mark.parametrize("mode", MODES)
def test_derivative_of_a_square(mode):
    x = T.dscalar("x")
    y = x**2
    gy = T.grad(y, x)
    assert pp(gy) == "((fill((x ** 2), 1.0) * 2) * (x ** (2 - 1)))"
    f = function([x], gy, mode=mode)
    assert repr(f(4)) == "array(8.)"
    assert repr(f(94.2)) == "array(188.4)"
    assert pp(f.maker.fgraph.outputs[0]) == "(2.0 * x)"
    assert pp(f.maker.env.outputs[0]) == "(2.0 * x)"
    assert [v.name for v in f.maker.fgraph.inputs] == ["x"]
    assert pp(grad(y, x)) == pp(gy) and pp(grad(y, [x])[0]) == pp(gy)


@pytest.mark.parametrize("mode", MODES)
def test_derivative_of_the_logistic_function(mode):
    x = T.dmatrix("x")
    s = T.sum(1 / (1 + T.exp(-x)))
    dlogistic = function([x], T.grad(s, x), mode=mode)
    expected = np.array([[0.25, 0.19661193], [0.19661193, 0.10499359]])
    got = dlogistic([[0, 1], [-1, -2]])
    assert type(got) is np.ndarray and got.flags.writeable
    np.testing.assert_allclose(got, expected, atol=5e-9)


@pytest.mark.parametrize(
    "module",
    [
        jitgrad.tensor,
        jitgrad.symbolic_grad,
        jitgrad.symbolic_jacobian,
        jitgrad.symbolic_markers,
        jitgrad.symbolic_numeric,
        jitgrad.printing,
        jitgrad.graph,
        jitgrad.frontend.pp_graph,
        jitgrad.frontend.pp_layout,
        jitgrad.frontend.pp_tree,
        jitgrad.frontend.symbolic_graph,
        jitgrad.symbolic_function,
        jitgrad.frontend.symbolic,
        pp_module,
    ],
    ids=lambda m: m.__name__,
)
def test_doctests(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
