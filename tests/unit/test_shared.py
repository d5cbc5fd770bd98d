"""Shared variables: values, types, storage; how functions read them."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import Param, SharedVariable, function, shared
from jitgrad.compile.sharedvalue import Container

both = pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])


def test_types_follow_the_values() -> None:
    for value, dtype, ndim in (
        (0, "int64", 0), (1.5, "float64", 0), (True, "bool", 0), (np.float32(1), "float32", 0),
        (np.int8(3), "int8", 0), (np.zeros((2, 3), "f4"), "float32", 2),
        (np.zeros(0), "float64", 1), (np.array([True]), "bool", 1),
        (np.ones(3, ">f8"), "float64", 1), (np.uint64(2**64 - 1), "uint64", 0),
    ):  # fmt: skip
        s = shared(value, "s")
        assert (s.dtype, s.ndim, s.name) == (dtype, ndim, "s")
        got = s.get_value()
        assert isinstance(got, np.ndarray) and got.dtype == dtype and got.shape == np.shape(value)
        assert np.array_equal(got, value)
        assert isinstance(s, SharedVariable) and isinstance(s, T.TensorVariable)


def test_nothing_broadcasts_unless_told() -> None:
    assert shared(np.ones((1, 3))).broadcastable == (False, False)
    row = shared(np.ones((1, 3)), broadcastable=(True, False))
    assert row.broadcastable == (True, False) and row.type == T.row().type
    with pytest.raises(TypeError, match="axis 0 is broadcastable: its size is 1, not 2"):
        row.set_value(np.ones((2, 3)))
    with pytest.raises(TypeError, match="axis 0 is broadcastable"):
        shared(np.ones((2, 3)), broadcastable=(True, False))
    with pytest.raises(TypeError, match="2 entries for 1 dims"):
        shared(np.ones(3), broadcastable=(True, False))
    x = T.dmatrix("x")
    with pytest.raises(ValueError, match="mis-match"):
        function([x], x + shared(np.ones((1, 3))))(np.ones((2, 3)))
    assert np.array_equal(function([x], x + row)(np.ones((2, 3))), np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    "value, text",
    [
        ([1, 2], "np.array of it"), ((1.0,), "np.array of it"), ("text", "not 'text'"),
        (None, "not None"), ({}, "of type dict"), (1j, "complex128"),
        (np.array(["a"]), "<U1"), (np.array([None]), "object"), (np.ones(2, complex), "complex128"),
        (10**30, "object"),
    ],
)  # fmt: skip
def test_what_is_no_value(value: object, text: str) -> None:
    with pytest.raises(TypeError, match=text) as err:
        shared(value)
    assert "test_shared.py" in str(err.value)


def test_a_variable_is_no_value() -> None:
    for v in (T.dscalar("x"), shared(1.0)):
        with pytest.raises(TypeError, match="numeric values and not symbolic variables"):
            shared(v)


def test_values_are_copied_unless_borrowed() -> None:
    a = np.ones(3)
    s, b = shared(a), shared(a, borrow=True)
    a[0] = 5
    assert s.get_value()[0] == 1 and b.get_value()[0] == 5
    assert b.get_value(borrow=True) is a
    s.get_value()[1] = 7
    assert s.get_value()[1] == 1
    inner = s.get_value(borrow=True, return_internal_type=True)
    inner[1] = 7
    assert s.get_value()[1] == 7
    c = np.zeros(2)
    s.set_value(c)
    c[0] = 1
    assert s.get_value()[0] == 0
    s.set_value(c, borrow=True)
    c[1] = 4
    assert np.array_equal(s.get_value(), [1, 4])
    assert np.array_equal(function([], s * 2)(), [2, 8])


@both
def test_arrays_of_every_layout(mode: str) -> None:
    base = np.arange(24.0).reshape(4, 6)
    frozen = base.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + base.tobytes(), offset=1, dtype=float).reshape(4, 6)
    s = shared(base)
    f = function([], s * 2, mode=mode)
    for a in (base, base.T, base[::-1], base[:, ::2], base[:0], frozen, unaligned,
              base.astype(">f8"), np.asfortranarray(base), np.ma.masked_array(base)):  # fmt: skip
        for borrow in (False, True):
            s.set_value(a, borrow=borrow)
            assert np.array_equal(f(), np.asarray(a) * 2)
            assert np.array_equal(s.get_value(), np.asarray(a))
            assert type(s.get_value()) is np.ndarray


def test_what_set_value_takes() -> None:
    v = shared(np.ones(3, "f4"), "v")
    for good in (
        [1.0, 2.0],
        np.zeros(7, "f4"),
        [1, 2],
        np.arange(3, dtype="i2"),
        np.zeros(0, "f4"),
    ):
        v.set_value(good)
        assert v.get_value().dtype == np.float32 and np.array_equal(v.get_value(), good)
    for bad, text in (
        (np.ones((2, 2), "f4"), r"expected 1, got 2 with shape \(2, 2\)"),
        (1.0, "expected 1, got 0"),
        (np.ones(2), "expected float32, got float64"), ("text", "expected float32"),
        (None, "None is no value"), ([[1.0], [1.0, 2.0]], "no array"), (T.dvector(), "variable"),
        (np.ones(2) * 1j, "complex128"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=text):
            v.set_value(bad)
    assert v.get_value().shape == (0,)  # what it was
    i = shared(3)
    for bad in (1.5, np.array(1.0), True + 0.5):
        with pytest.raises(TypeError):
            i.set_value(bad)
    i.set_value(np.int8(4))
    assert i.get_value() == 4


def test_strict_and_downcast() -> None:
    s = shared(np.ones(3), strict=True)
    s.set_value(np.zeros(2))
    for bad in ([1.0, 2.0], np.ones(2, "f4"), np.ones(2, "i8")):
        with pytest.raises(TypeError, match="strict"):
            s.set_value(bad)
    d = shared(np.float32(1), allow_downcast=True)
    d.set_value(np.float64(0.1))
    assert d.get_value() == np.float32(0.1)
    n = shared(np.float32(1), allow_downcast=False)
    with pytest.raises(TypeError):
        n.set_value(0.1)


def test_zero_clone_and_container() -> None:
    s = shared(np.ones(3), "s")
    inner = s.get_value(borrow=True)
    s.zero()
    assert np.array_equal(s.get_value(), np.zeros(3)) and inner[0] == 1
    s.set_value(np.ones(2))
    inner = s.get_value(borrow=True)
    s.zero(borrow=True)
    assert np.array_equal(inner, [0, 0])
    twin = s.clone()
    assert twin is not s and twin.name == "s" and twin.container is s.container
    s.set_value([4.0])
    assert twin.get_value() == [4]
    f = function([], [s + 1, twin * 2], updates=[(s, s * 10)])
    assert [float(v[0]) for v in f()] == [5, 8] and twin.get_value() == [40]
    assert isinstance(s.container, Container) and np.array_equal(s.container.value, [40])
    s.container.value = [1, 2]
    assert np.array_equal(s.get_value(), [1.0, 2.0])
    with pytest.raises(TypeError, match='Container "s" of'):
        s.container.value = 1.0
    assert copy.copy(s).container is s.container


def test_the_shape_alone() -> None:
    s = shared(np.ones((2, 3)))
    f = function([], [s.shape, s.shape[0] * 2, T.zeros((s.shape[1],))])
    shape, n, z = f()
    assert list(shape) == [2, 3] and n == 4 and z.shape == (3,)
    s.set_value(np.ones((5, 1)))
    assert list(f()[0]) == [5, 1]
    count = shared(2)
    g = function([], T.zeros((count + 1,)))
    assert g().shape == (3,)
    count.set_value(-5)
    with pytest.raises(ValueError, match="negative dimensions"):
        g()


@both
def test_gradients_and_sizes(mode: str) -> None:
    x, w = T.dmatrix("x"), shared(np.array([1.0, 2.0]), "w")
    cost = (T.dot(x, w) ** 2).sum()
    f = function([x], T.grad(cost, w), mode=mode)
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.allclose(f(a), 2 * a.T @ (a @ w.get_value()))
    w.set_value([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"mis-match.*\n.*w has shape \(3,\)"):
        f(a)
    assert w.eval().shape == (3,)


def test_functions_keep_their_variables_alive_and_no_longer() -> None:
    def made() -> tuple:
        w = shared(np.ones(2), "w")
        w.default_update = w + 1
        x = T.dvector("x")
        return function([x], x * w), weakref.ref(w.value)

    f, ref = made()
    gc.collect()
    assert np.array_equal(f([1, 1]), [1, 1]) and np.array_equal(f([1, 1]), [2, 2])
    (w,) = f.get_shared()
    assert w.name == "w" and np.array_equal(w.get_value(), [3, 3])
    del f, w
    gc.collect()
    assert ref() is None


def test_a_graph_keeps_the_variable() -> None:
    x = T.dscalar("x")
    y = x * shared(3.0, "three")
    gc.collect()
    f = function([x], y)
    assert f(2) == 6 and f.get_shared()[0].name == "three"


def test_copies_and_pickles() -> None:
    s = shared(np.arange(3.0), "s", broadcastable=(False,))
    for twin in (copy.deepcopy(s), pickle.loads(pickle.dumps(s))):
        assert twin.name == "s" and twin.type == s.type
        assert np.array_equal(twin.get_value(), s.get_value())
        twin.set_value([9.0])
        assert s.get_value().shape == (3,)
    both_ = copy.deepcopy([s, s, {"w": s}])
    assert both_[0] is both_[1] is both_[2]["w"]
    one, two = pickle.loads(pickle.dumps((s, s)))
    assert one is two
    s.default_update = s + 1
    for what in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="default_update"):
            what(s)


def test_theanos_names() -> None:
    import jitgrad.compile.sharedvalue as module

    assert theano.shared is module.shared is theano.compile.shared
    assert theano.compile.SharedVariable is SharedVariable
    assert shared(1.0, target="cpu").get_value() == 1
    with pytest.raises(TypeError, match="target 'gpu'"):
        shared(1.0, target="gpu")
    x, y = T.dscalars("x", "y")
    f = function([x, Param(y, default=1)], x + y)
    assert f(33) == 34 and f(33, 2) == 35
