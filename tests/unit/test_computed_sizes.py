"""Sizes that are values: `dim_of`, clipped slices, functions with a prelude."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import ShapeError, function
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
