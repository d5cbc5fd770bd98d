"""Sizes that are values: `dim_of`, clipped slices, functions with a prelude."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import In, ShapeError, function, shared
from jitgrad.frontend.symbolic import TensorVariable, wrap
from jitgrad.frontend.symbolic_dims import bounds_of, dim_of
from jitgrad.ir.build import Builder
from jitgrad.ir.types import F64, tensor


def iota(n: Any) -> TensorVariable:
    return wrap(Builder()("iota", type=tensor(F64, (dim_of(n),)), axis=0))


def part(x: Any, i: Any, j: Any) -> TensorVariable:
    lo, hi = bounds_of(slice(i, j), x.value.type.shape[0])
    return wrap(Builder()("slice", x.value, starts=(lo,), stops=(hi,), steps=(1,)))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_the_value_of_an_input_is_a_size(mode: str) -> None:
    n, x = T.iscalar("n"), T.dvector("x")
    f = function([n], iota(n), mode=mode)
    for size in (0, 1, 3, 1000):
        assert np.array_equal(f(size), np.arange(size, dtype=float))
    y = (iota(n) * x).sum()
    g = function([n, x], [y, T.grad(y, x)], mode=mode)
    value, gradient = g(3, [1.0, 2.0, 3.0])
    assert value == 8 and np.array_equal(gradient, [0.0, 1.0, 2.0])


def test_the_value_of_an_expression_is_a_size() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    m = T.cast(x.sum(), "int64")
    f = function([x, n], iota(m) + iota(m - n + n))
    assert np.array_equal(f([1.5, 1.6], 7), [0, 2, 4])
    assert f([], 0).shape == (0,)


def test_sizes_that_depend_on_sizes() -> None:
    n = T.lscalar("n")
    first = iota(n)
    second = iota(T.cast(first.sum(), "int64"))  # n(n-1)/2 elements
    f = function([n], [first.shape[0], second.shape[0], second])
    for size in (0, 1, 2, 5):
        assert f(size)[1] == size * (size - 1) // 2


def test_errors_name_the_value_and_the_line() -> None:
    n, x = T.iscalar("n"), T.dvector("x")
    f = function([n], iota(n))
    with pytest.raises(ValueError, match=r"negative dimensions.*n is -2(?s:.)*test_computed_sizes"):
        f(-2)
    g = function([n, x], iota(n) + x)
    with pytest.raises(ShapeError, match=r"= 4.*= 3"):
        g(4, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="integer scalar"):
        dim_of(T.dscalar("y"))
    with pytest.raises(TypeError, match="must be an integer"):
        dim_of(2.5)


def test_givens_replace_what_gives_a_size() -> None:
    n, m = T.lscalar("n"), T.lscalar("m")
    f = function([m], iota(n), givens={n: m + 1})
    assert f(2).shape == (3,)
    with pytest.raises(ValueError, match="negative"):
        f(-5)


@pytest.mark.parametrize(
    "bounds", [(None, 100), (2, None), (-3, None), (-100, -2), (5, 3), (3, -1)]
)
def test_slices_clip_at_unknown_sizes(bounds: tuple) -> None:
    x = T.dvector("x")
    y = part(x, *bounds)
    f = function([x], [y, T.grad((y**2).sum(), x)])
    for size in (0, 1, 2, 7, 200):
        a = np.arange(float(size))
        value, gradient = f(a)
        assert np.array_equal(value, a[slice(*bounds)])
        expected = np.zeros(size)
        expected[slice(*bounds)] = 2 * a[slice(*bounds)]
        assert np.array_equal(gradient, expected)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_slices_by_values(mode: str) -> None:
    x, i, j = T.dvector("x"), T.lscalar("i"), T.lscalar("j")
    y = part(x, i, j)
    f = function([x, i, j], [y, T.grad((y**2).sum(), x)], mode=mode)
    for size in (0, 2, 5):
        a = np.arange(float(size))
        for lo in range(-7, 8):
            for hi in range(-7, 8):
                value, gradient = f(a, lo, hi)
                assert np.array_equal(value, a[lo:hi])
                expected = np.zeros(size)
                expected[lo:hi] = 2 * a[lo:hi]
                assert np.array_equal(gradient, expected)


def test_an_error_names_each_line_that_made_a_size_of_the_value() -> None:
    n = T.lscalar("n")
    first = function([n], T.zeros((n,)))
    second = function([n], T.ones((n, 2)))
    for f in (first, second):
        with pytest.raises(ValueError, match=r"zeros: a size: n is -3(?s:.)*\nor ones.*n is -3"):
            f(-3)


@pytest.mark.parametrize("given", [
    2, True, np.int64(2), np.int32(2), np.uint8(2), np.array(2), np.array(2, ">i8"),
    np.array(2, np.longlong), np.arange(6)[2:3].reshape(()),
])  # fmt: skip
def test_numbers_of_every_kind_are_sizes(given: Any) -> None:
    n, x = T.lscalar("n"), T.dvector("x")
    size = int(given)
    f = function([n], T.arange(n))
    assert np.array_equal(f(given), np.arange(size))
    w = shared(np.arange(12.0).reshape(6, 2), "w")
    g = function([n, x], [w[n : 2 * n], x[:n]])
    for a in (np.arange(3.0), np.arange(6.0)[::-2], np.arange(3), [0, 1, 2],
              np.arange(3.0, dtype=">f8"), np.arange(3, dtype=np.float32)):  # fmt: skip
        part, head = g(given, a)
        assert np.array_equal(part, w.get_value()[size : 2 * size])
        assert np.array_equal(head, np.asarray(a)[:size])


@pytest.mark.parametrize("given", [1.0, [1], "a", None, 2**70, np.array([1]), 1j])
def test_what_is_no_integer_is_no_size(given: Any) -> None:
    n = T.lscalar("n")
    with pytest.raises(TypeError, match="n"):
        function([n], T.arange(n))(given)


def test_a_small_integer_keeps_its_range() -> None:
    n = T.bscalar("n")
    f = function([n], T.zeros((n,)))
    assert f(127).shape == (127,) and f(np.int8(3)).shape == (3,)
    for bad in (128, np.int64(3)):
        with pytest.raises(TypeError, match="expected int8"):
            f(bad)
    g = function([In(n, strict=True)], T.zeros((n,)))
    assert g(np.array(3, np.int8)).shape == (3,)
    with pytest.raises(TypeError, match="strict"):
        g(3)


def test_relations_of_a_prelude_are_named() -> None:
    x, y = T.dvectors("x", "y")
    f = function([x, y], T.zeros((T.cast((x + y).sum(), "int64"),)))
    for a in ([1.0, 2.0], np.arange(4.0)[::-2]):
        with pytest.raises(ShapeError, match=r"(?s)in add: x has shape.*test_computed_sizes"):
            f(a, [1.0])


def test_a_failed_call_changes_nothing() -> None:
    n = shared(2, "n")
    f = function([], T.zeros((n,)), updates=[(n, n - 3)])
    assert f().shape == (2,)
    with pytest.raises(ValueError, match="negative"):
        f()
    assert n.get_value() == -1


def test_large_sizes() -> None:
    n = T.lscalar("n")
    f = function([n], T.arange(n).sum())
    for size in (4095, 4096, 4097, 100_000):
        assert f(size) == size * (size - 1) // 2
    with pytest.raises(MemoryError, match="n is"):
        function([n], T.zeros((n,)))(2**60)
