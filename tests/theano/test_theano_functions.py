"""`function`, `shared` and their options as Theano documents them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import In, Out, function, shared


def test_forms_of_outputs() -> None:
    x = T.dscalar("x")
    assert isinstance(function([x], x + 1)(1), np.ndarray)
    assert isinstance(function([x], [x + 1])(1), list)
    assert function([x], None, on_unused_input="ignore")(1) in (None, [])
    assert function([x], {"a": x, "b": x * 2})(3)["b"] == 6
    assert function([x], Out(x * 2, borrow=True))(3) == 6


def test_unused_inputs() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(theano.UnusedInputError):
        function([x, y], x)
    function([x, y], x, on_unused_input="ignore")
    with pytest.warns(UserWarning):
        function([x, y], x, on_unused_input="warn")


def test_missing_inputs() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(theano.MissingInputError, match="y"):
        function([x], x + y)
    f = function([x], x)
    with pytest.raises(TypeError):
        f()
    with pytest.raises(TypeError):
        f(1, 2)


def test_wrong_types_of_arguments() -> None:
    x = T.dvector("x")
    f = function([x], x)
    with pytest.raises(TypeError):
        f(1.0)
    with pytest.raises(TypeError):
        f(np.ones((2, 2)))
    with pytest.raises(TypeError):
        f("text")
    with pytest.raises(TypeError):
        f(None)
    i = T.ivector("i")
    with pytest.raises(TypeError):
        function([i], i)([1.5])


def test_downcast() -> None:
    x = T.fvector("x")
    f = function([x], x)
    with pytest.raises(TypeError):
        f(np.array([0.1]))
    assert function([x], x, allow_input_downcast=True)(np.array([0.1])).dtype == np.float32
    s = T.fscalar("s")
    assert function([s], s)(0.1).dtype == np.float32  # a Python float may


def test_duplicate_inputs() -> None:
    x = T.dscalar("x")
    with pytest.raises(theano.UnusedInputError):
        function([x, x], x)


def test_inputs_must_be_variables() -> None:
    with pytest.raises(TypeError):
        function([3], T.dscalar())
    s = shared(1.0)
    with pytest.raises(TypeError):
        function([s], s)
    with pytest.raises(TypeError):
        function(T.dscalar(), 3)


def test_shared_variables() -> None:
    s = shared(np.ones(3), name="s")
    assert s.name == "s" and s.dtype == "float64" and s.ndim == 1
    v = s.get_value()
    v[0] = 5
    assert s.get_value()[0] == 1  # a copy
    inner = s.get_value(borrow=True)
    assert np.array_equal(inner, np.ones(3))
    a = np.zeros(3)
    s.set_value(a)
    a[0] = 1
    assert s.get_value()[0] == 0
    s.set_value(np.arange(5.0))  # another length
    assert function([], s.sum())() == 10
    with pytest.raises(TypeError):
        s.set_value(np.ones((2, 2)))
    with pytest.raises(TypeError):
        s.set_value("text")


def test_types_of_shared_variables() -> None:
    assert shared(1).ndim == 0 and shared(1).dtype == "int64"
    assert shared(1.5).dtype == "float64"
    assert shared(np.float32(1)).dtype == "float32"
    assert shared(np.ones((1, 3))).broadcastable == (False, False)
    assert shared(np.ones((1, 3)), broadcastable=(True, False)).broadcastable == (True, False)


def test_updates_happen_together() -> None:
    a, b = shared(1.0), shared(2.0)
    f = function([], [a, b], updates=[(a, b), (b, a + b)])
    assert [float(v) for v in f()] == [1, 2]
    assert a.get_value() == 2 and b.get_value() == 3


def test_updates_are_checked() -> None:
    a = shared(np.float32(1))
    with pytest.raises(TypeError):
        function([], updates=[(a, T.constant(1.0) * np.float64(2))])
    v = shared(np.ones(3))
    with pytest.raises(TypeError):
        function([], updates=[(v, v.sum())])
    with pytest.raises((TypeError, ValueError)):
        function([], updates=[(T.dscalar(), T.constant(1.0))])
    with pytest.raises(ValueError):
        function([], updates=[(v, v + 1), (v, v + 2)])


def test_a_failing_call_changes_nothing() -> None:
    s, x, i = shared(0.0), T.dvector("x"), T.lscalar("i")
    f = function([x, i], x[i], updates=[(s, s + 1)])
    f([1.0], 0)
    with pytest.raises(IndexError):
        f([1.0], 3)
    assert s.get_value() == 1


def test_default_updates() -> None:
    s = shared(0)
    s.default_update = s + 1
    f = function([], s)
    assert f() == 0 and f() == 1
    g = function([], s, no_default_updates=True)
    assert g() == 2 and g() == 2
    h = function([], s, updates=[(s, s + 10)])
    assert h() == 2 and s.get_value() == 12


def test_an_input_with_state() -> None:
    x, s = T.dscalar("x"), T.dscalar("s")
    f = function([x, In(s, value=10.0, update=s + x, name="s")], s * 1.0)
    assert f(1) == 10 and f(5) == 11
    assert f["s"] == 16
    f["s"] = 100.0
    assert f(0) == 100


def test_outputs_are_the_users() -> None:
    s = shared(np.zeros(2))
    f = function([], s)
    out = f()
    out[0] = 9
    assert s.get_value()[0] == 0
    x = T.dvector("x")
    g = function([x], x)
    a = np.ones(3)
    r = g(a)
    r[0] = 5
    assert a[0] == 1


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode"])
def test_modes(mode: str) -> None:
    x = T.dvector("x")
    s = shared(1.0)
    f = function([x], (T.log(1 + T.exp(x)) * s).sum(), mode=mode, updates=[(s, s * 2)])
    assert np.allclose(f([0.0]), np.log(2))
    assert np.allclose(f([0.0]), 2 * np.log(2))


def test_nan_guard_names_the_operation() -> None:
    x = T.dvector("x")
    f = function([x], T.log(x).sum(), mode="NanGuardMode")
    f([1.0])
    with pytest.raises(AssertionError, match="log"):
        f([-1.0])


def test_unknown_modes() -> None:
    x = T.dscalar("x")
    with pytest.raises(ValueError):
        function([x], x, mode="FASTEST")


def test_names_and_attributes() -> None:
    x = T.dscalar("x")
    f = function([x], x + 1, name="plus_one")
    assert f.name == "plus_one"
    assert [v.name for v in f.maker.fgraph.inputs] == ["x"]
    f.trust_input = True
    assert f(np.array(1.0)) == 2
    f.free()


def test_evaluation() -> None:
    x, y = T.dscalars("x", "y")
    assert (x + y).eval({x: 1, y: 2}) == 3
    s = shared(5.0)
    assert (s * 2).eval() == 10
    with pytest.raises(theano.MissingInputError):
        (x + y).eval({x: 1})


def test_profile() -> None:
    x = T.dvector("x")
    f = function([x], (x**2).sum(), profile=True)
    f([1.0, 2.0])
    assert f.profile is not None


def test_equality_is_identity() -> None:
    x, y = T.dscalars("x", "y")
    assert x == x and x != y
    assert len({x, y, x}) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert T.eq(x, y).dtype == "bool"
    with pytest.raises(TypeError):
        bool(x > 1)
    with pytest.raises(TypeError):
        if x:
            pass
