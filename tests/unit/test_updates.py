"""`x.at[index]` against NumPy's assignment and `ufunc.at`, repeated places included."""

from __future__ import annotations

from typing import Any

import numpy as onp
import pytest
from test_numpy import same

import jitgrad.numpy as np
from jitgrad import grad, jit
from jitgrad.api import at

X = onp.arange(1.0, 13.0).reshape(3, 4)
I = onp.array([2, 0, -1, 2])
INDICES: list[Any] = [
    I, (I, 1), (slice(None), onp.array([0, 0, 3])), (I, I[::-1] - 3), (1, onp.array([0, 0])),
    (onp.array([[0, 1], [1, 0]]), slice(1, 3)), (slice(None, None, -2), onp.array([1, 1])),
    (Ellipsis, onp.array([0, 0])), onp.array([], int), (onp.array([0, 2]), None, slice(3)),
    1, (slice(None), slice(None, None, -1)), (slice(5, 0, -2), 1), (None, 2), slice(0, 0), Ellipsis,
]  # fmt: skip
UFUNCS = {"add": onp.add, "subtract": onp.subtract, "multiply": onp.multiply, "min": onp.minimum,
          "max": onp.maximum, "divide": onp.divide}  # fmt: skip


@pytest.mark.parametrize("k", range(len(INDICES)))
def test_every_way_to_write(k: int) -> None:
    index = INDICES[k]
    rng = onp.random.default_rng(k)
    values = rng.uniform(0.5, 9.0, onp.shape(X[index]))
    for value in (values, 2.5):
        want = X.copy()
        want[index] = value
        both(lambda v, c: at(v)[index].set(c), X, value, want)
        for name, ufunc in UFUNCS.items():
            want = X.copy()
            ufunc.at(want, index, value)
            both(lambda v, c, name=name: getattr(at(v)[index], name)(c), X, value, want)
    want = at(X)[index].get()
    same(want, X[index])


def both(f: Any, x: Any, value: Any, want: Any) -> None:
    same(f(x, value), want)
    same(jit(f)(x, value), want, rtol=1e-14)


def test_powers() -> None:
    same(jit(lambda v: v.at[onp.array([1, 1])].power(onp.array([2.0, 3.0])))(X[0]),
         onp.array([1.0, 64.0, 3.0, 4.0]))  # fmt: skip
    same(jit(lambda v: v.at[1].power(2))(X[0]), onp.array([1.0, 4.0, 3.0, 4.0]))
    same(at(X[0])[1].power(2), onp.array([1.0, 4.0, 3.0, 4.0]))


@pytest.mark.parametrize("dtype", [onp.float32, onp.int32, onp.uint8, bool])
def test_other_dtypes(dtype: Any) -> None:
    x, u = onp.array([0, 1, 2, 3]).astype(dtype), onp.array([1, 0, 5, 2]).astype(dtype)
    for name in ("add", "multiply", "min", "max"):
        want = x.copy()
        UFUNCS[name].at(want, I, u)
        both(lambda v, c, name=name: getattr(at(v)[I], name)(c), x, u, want)
        want = x.copy()
        UFUNCS[name].at(want, 1, u[0])
        both(lambda v, c, name=name: getattr(at(v)[1], name)(c), x, u[0], want)
    if onp.dtype(dtype).kind != "f":
        with pytest.raises(TypeError):
            jit(lambda v: v.at[I].divide(2))(x)


def test_gradients_of_writes() -> None:
    u = onp.array([2.0, 3.0, 5.0, 7.0])
    x = onp.array([1.0, 2.0, 4.0])
    idx = onp.array([2, 0, 2, 2])
    weights = onp.array([1.0, 10.0, 100.0])

    def of(name: str) -> Any:
        f = grad(lambda v, c: np.sum(getattr(v.at[idx], name)(c) * weights), (0, 1))
        got = f(x, u)
        for g, w in zip(jit(f)(x, u), got):
            onp.testing.assert_allclose(g, w, rtol=1e-14)
        return [g.tolist() for g in got]

    assert of("set") == [[0, 10, 0], [0, 1, 0, 100]]
    assert of("add") == [[1, 10, 100], [100, 1, 100, 100]]
    assert of("multiply") == [[3, 10, 7000], [14000, 1, 5600, 4000]]
    assert of("max") == [[0, 10, 0], [0, 1, 0, 100]]
    assert of("min") == [[1, 10, 0], [100, 0, 0, 0]]


def test_wrong_writes() -> None:
    with pytest.raises(TypeError, match="cannot write"):
        jit(lambda v: v.at[0].set(2.5 * np.ones(3)))(onp.ones((2, 3), int))
    with pytest.raises(ValueError, match="broadcast"):
        jit(lambda v: v.at[I].set(np.ones(3)))(onp.ones(4))
    with pytest.raises(IndexError, match="out of bounds"):
        jit(lambda v: v.at[I].multiply(2.0))(onp.ones(2))
