"""The demo: the derivatives tutorial, then a logistic regression on real data, compiled."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as onp
from scipy.optimize import minimize

import jitgrad
import jitgrad.numpy as np
import jitgrad.tensor as T
from jitgrad import function, pp

PENALTY = 1.0


def tutorial() -> None:
    """Symbolic derivatives, as Theano's tutorial goes."""
    print("== Derivatives, symbolically ==")
    x = T.dscalar("x")
    gy = T.grad(x**2, x)
    print("d(x ** 2)/dx, as built:     ", pp(gy))
    f = function([x], gy)
    print("             as compiled:   ", pp(f.maker.fgraph.outputs[0]))
    print("f(4), f(94.2):              ", repr(f(4)), repr(f(94.2)))
    x = T.dmatrix("x")
    s = T.sum(1 / (1 + T.exp(-x)))
    dlogistic = function([x], T.grad(s, x))
    print("the logistic's derivative:  ", str(dlogistic([[0, 1], [-1, -2]])).replace("\n", ""))
    print()


def load() -> tuple[onp.ndarray, onp.ndarray]:
    """Standardized features (569, 31) with a column of ones, and labels -1 or 1."""
    path = Path(__file__).parent / "data" / "breast_cancer.csv"
    table = onp.loadtxt(path, delimiter=",", skiprows=1)
    X, y = table[:, :-1], table[:, -1]
    X = (X - X.mean(0)) / X.std(0)
    return onp.column_stack([X, onp.ones(len(X))]), 2 * y - 1


def loss(w, X, y):
    """Regularized negative log-likelihood of logistic regression, from its naive formula."""
    return np.sum(np.log(1 + np.exp(-y * (X @ w)))) + 0.5 * PENALTY * np.sum(w**2)


def by_hand(w, X, y):
    """The same value and its gradient, derived by hand and written in NumPy with care."""
    z = -y * (X @ w)
    s = onp.where(z > 0, 1, onp.exp(onp.minimum(z, 0))) / (1 + onp.exp(-onp.abs(z)))
    value = onp.sum(onp.logaddexp(0, z)) + 0.5 * PENALTY * onp.sum(w**2)
    return value, X.T @ (-y * s) + PENALTY * w


def clock(f, *args, seconds: float = 0.4) -> float:
    """Seconds a call: the best of several batches."""
    best, stop = float("inf"), perf_counter() + seconds
    while perf_counter() < stop:
        start = perf_counter()
        for _ in range(100):
            f(*args)
        best = min(best, (perf_counter() - start) / 100)
    return best


def regression() -> None:
    """Fit by L-BFGS, look at what was compiled, compare with NumPy."""
    print("== Logistic regression on 569 biopsies with 30 features ==")
    X, y = load()
    w0 = onp.zeros(X.shape[1])
    start = perf_counter()
    fun = jitgrad.jit(jitgrad.value_and_grad(loss))
    fun(w0, X, y)
    first = perf_counter() - start
    start = perf_counter()
    fit = minimize(fun, w0, args=(X, y), jac=True, method="L-BFGS-B")
    took = perf_counter() - start
    accuracy = onp.mean((X @ fit.x > 0) == (y > 0))
    value, gradient = fun(fit.x, X, y)
    print(
        f"fit: {fit.message} after {fit.nit} iterations, {fit.nfev} gradients, {took * 1e3:.1f} ms"
    )
    print(f"loss {value:.6f}, |gradient| {onp.abs(gradient).max():.1e}, accuracy {accuracy:.2%}")
    other = by_hand(fit.x, X, y)
    print(f"against the hand-written gradient: {onp.abs(gradient - other[1]).max():.1e}\n")
    print("the optimized IR of the loss with its gradient:\n")
    print(fun.ir("optimized"))
    ours, theirs = clock(fun, fit.x, X, y), clock(by_hand, fit.x, X, y)
    print(f"first call, tracing and compiling included: {first * 1e3:.0f} ms")
    print(f"value and gradient: {ours * 1e6:.1f} us compiled, {theirs * 1e6:.1f} us in NumPy, "
          f"{theirs / ours:.1f} times faster")  # fmt: skip


if __name__ == "__main__":
    tutorial()
    regression()
