"""NumPy's sorts, searches, running and gathering functions in traces, against NumPy itself."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
from test_numpy import DTYPES, check, make

import jitgrad.numpy as np
from jitgrad import grad, jit
from jitgrad.errors import TraceError

X = onp.array([[3.0, onp.nan, -1.0, 3.0], [0.0, -0.0, onp.inf, -onp.inf], [2.0, 2.0, 1.0, 5.0]])

SORTS = [
    lambda m, x: m.sort(x),
    lambda m, x: m.sort(x, axis=0),
    lambda m, x: m.sort(x, axis=None),
    lambda m, x: m.sort(x, kind="stable"),
    lambda m, x: m.argsort(x, axis=0, kind="stable"),
    lambda m, x: m.argsort(x, axis=None, stable=True),
    lambda m, x: x.argsort(axis=-1, kind="stable"),
    lambda m, x: m.partition(x, 1)[:, 1],
    lambda m, x: m.partition(x, (0, -1), axis=0)[0],
    lambda m, x: m.lexsort((x[0], x[1])),
    lambda m, x: m.take_along_axis(x, m.argsort(x, axis=1, kind="stable"), axis=1),
    lambda m, x: m.take_along_axis(x, m.argsort(x, axis=None, kind="stable"), axis=None),
    lambda m, x: m.take_along_axis(x, onp.array([[0], [-1], [2]]), 1),
    lambda m, x: m.take_along_axis(x[:1], onp.array([[0, 1], [2, 0], [1, 1]]), 1),
    lambda m, x: m.searchsorted(m.sort(x[2]), x[:2]),
    lambda m, x: m.searchsorted(m.sort(x[2]), 2.0, side="right"),
    lambda m, x: m.searchsorted(x[2], x[1], sorter=m.argsort(x[2], kind="stable")),
    lambda m, x: m.searchsorted(m.array([1, 2, 3]), x),
    lambda m, x: m.digitize(x, onp.array([-1.0, 0.0, 2.0])),
    lambda m, x: m.digitize(x, m.array([2.0, 0.0, -1.0]), right=True),
    lambda m, x: m.maximum.accumulate(x, axis=1),
    lambda m, x: m.minimum.accumulate(x),
    lambda m, x: m.median(x),
    lambda m, x: m.median(x, axis=0),
    lambda m, x: m.median(x, axis=1, keepdims=True),
    lambda m, x: m.median(x[:, :3], axis=(0, 1)),
    lambda m, x: m.quantile(x[2], 0.3),
    lambda m, x: m.quantile(x, [0.0, 0.5, 0.9, 1.0], axis=1),
    lambda m, x: m.percentile(x[2], 40),
    lambda m, x: m.quantile(x[1:], 0.25, axis=0, keepdims=True),
    lambda m, x: m.argmin(x, axis=0),
    lambda m, x: m.argmin(x),
    lambda m, x: m.nanprod(x, axis=0),
    lambda m, x: m.nancumsum(x, axis=1),
    lambda m, x: m.nancumprod(x[2]),
    lambda m, x: m.cumprod(x, axis=1),
    lambda m, x: m.multiply.accumulate(x),
    lambda m, x: m.cumulative_sum(x, axis=0, include_initial=True),
    lambda m, x: m.cumulative_prod(x[0]),
    lambda m, x: m.prod(x, axis=(0, 1)),
    lambda m, x: m.prod(x, where=x > 1, initial=2.0),
]


@pytest.mark.parametrize("k", range(len(SORTS)))
def test_functions(k: int) -> None:
    check(SORTS[k], X)
    check(SORTS[k], onp.asfortranarray(X[::-1]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: Any) -> None:
    x = make(dtype, (3, 5), 4)
    for f in (lambda m, v: m.sort(v, axis=0), lambda m, v: m.argsort(v, kind="stable"),
              lambda m, v: m.argmin(v, axis=1), lambda m, v: m.maximum.accumulate(v, axis=1),
              lambda m, v: m.searchsorted(m.sort(v[0]), v), lambda m, v: m.median(v, axis=1),
              lambda m, v: m.prod(v), lambda m, v: m.cumprod(v)):  # fmt: skip
        check(f, x)


def test_empty_and_scalar_arrays() -> None:
    check(lambda m, x: m.sort(x), onp.zeros((3, 0)))
    check(lambda m, x: m.sort(x, axis=0), onp.zeros((3, 0)))
    check(lambda m, x: m.sort(x, axis=None), onp.float64(3.0))
    check(lambda m, x: m.argsort(x), onp.zeros(0))
    check(lambda m, x: m.median(x, axis=0), onp.zeros((0, 2)))
    check(lambda m, x: m.prod(x, axis=0), onp.zeros((0, 2)))
    check(lambda m, x: m.searchsorted(x, 1.0), onp.zeros(0))


def test_sizes_unknown_when_compiled() -> None:
    f = jit(lambda x: (np.median(x), np.sort(x)[::-1], np.prod(x), np.quantile(x, 0.3)))
    for n in range(2, 25):
        x = onp.random.default_rng(n).permutation(n) / n + 0.5
        got = f(x)
        want = (onp.median(x), onp.sort(x)[::-1], onp.prod(x), onp.quantile(x, 0.3))
        for g, w in zip(got, want):
            onp.testing.assert_allclose(g, w, rtol=1e-13)


def test_gradients() -> None:
    x = onp.array([3.0, 1.0, 0.0, 2.0])
    assert grad(lambda v: np.median(v))(x).tolist() == [0, 0.5, 0, 0.5]
    assert jit(grad(lambda v: np.prod(v)))(x).tolist() == [0, 0, 6, 0]
    assert grad(lambda v: np.sort(v)[-1] * np.sort(v)[0])(x).tolist() == [0, 0, 3, 0]
    twice = jit(grad(lambda v: np.sum(grad(lambda w: np.prod(w))(v))))
    assert twice(x).tolist() == [2, 6, 11, 3]
    assert grad(lambda v: np.sum(np.maximum.accumulate(v)))(x).tolist() == [4, 0, 0, 0]
    assert grad(lambda v: np.quantile(v, 0.5))(x).tolist() == [0, 0.5, 0, 0.5]


def test_what_is_refused() -> None:
    x = onp.ones((2, 3))
    for f, error in (
        (lambda v: v.sort(), TraceError), (lambda v: np.sort(v, axis=2), ValueError),
        (lambda v: np.sort(v, order="a"), ValueError),
        (lambda v: np.searchsorted(v, 1.0), ValueError),
        (lambda v: np.searchsorted(v[0], 1.0, side="up"), ValueError),
        (lambda v: np.take_along_axis(v, np.argsort(v[0]), 0), ValueError),
        (lambda v: np.take_along_axis(v, v, 0), IndexError),
        (lambda v: np.take_along_axis(v, onp.array([[5, 0, 0]]), 0), IndexError),
        (lambda v: np.partition(v, 3), ValueError), (lambda v: np.quantile(v, 2.0), ValueError),
        (lambda v: np.quantile(v, 0.5, method="lower"), TraceError),
        (lambda v: np.cumulative_sum(v), ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=r"(?s).*\n  at .*test_numpy_sort"):
            jit(f)(x)


NUMBERS = [
    lambda m, x: m.median(x),
    lambda m, x: m.quantile(x, [0.1, 0.9]),
    lambda m, x: m.percentile(x, 50.0),
    lambda m, x: m.argsort(x, axis=None),
    lambda m, x: m.cumprod(x),
    lambda m, x: m.prod(x, axis=0),
    lambda m, x: m.argmin(x, axis=0),
    lambda m, x: m.searchsorted(onp.arange(5.0), x),
    lambda m, x: m.digitize(x, onp.arange(5.0)),
]


@pytest.mark.parametrize("k", range(len(NUMBERS)))
def test_numbers(k: int) -> None:
    check(NUMBERS[k], onp.float64(2.5))


@pytest.mark.parametrize("how", ["reversed", "step", "fortran", "swapped", "read-only"])
def test_arrays_laid_out_oddly(how: str) -> None:
    """Small ones are copied; for large ones machine code is made that reads them where they are."""
    fs = [lambda m, x: m.sort(x, axis=0), lambda m, x: m.argsort(x, axis=1, kind="stable"),
          lambda m, x: m.prod(x, axis=0), lambda m, x: m.cumprod(x, axis=1),
          lambda m, x: m.take_along_axis(x, m.argsort(x, axis=1, kind="stable"), 1),
          lambda m, x: m.argmin(x, axis=1)]  # fmt: skip
    for shape in ((3, 4), (700, 90)):
        base = onp.random.default_rng(1).uniform(0.5, 1.5, (2 * shape[0], 2 * shape[1]))
        x = {"reversed": base[::-2, ::-2], "step": base[::2, ::2],
             "fortran": onp.asfortranarray(base[: shape[0], : shape[1]]),
             "swapped": base[: shape[0], : shape[1]].astype(">f8"),
             "read-only": base[: shape[0], : shape[1]].copy()}[how]  # fmt: skip
        x.flags.writeable = how != "read-only"
        for f in fs:
            got = jit(lambda v, f=f: f(np, v))(x)
            onp.testing.assert_allclose(got, f(onp, x), rtol=1e-12)
