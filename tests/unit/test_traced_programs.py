"""Programs as users of autograd and JAX write them: eager, jit and finite differences agree."""

import threading

import numpy as onp
import pytest

import jitgrad.numpy as np
from jitgrad import (
    at,
    elementwise_grad,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jit,
    jvp,
    value_and_grad,
    vjp,
    vmap,
)
from jitgrad.frontend.trace import current

R = onp.random.default_rng(0)
N = R.normal
I, J, RATINGS = onp.array([0, 1, 2, 3, 3, 0]), onp.array([1, 0, 2, 2, 1, 0]), N(size=6)
PROGRAMS = {}


def program(*args):
    def enter(fun):
        PROGRAMS[fun.__name__] = fun, args
        return fun

    return enter


@program([(N(size=(3, 4)), N(size=4)), (N(size=(4, 2)), N(size=2))], N(size=(5, 3)),
         onp.array([0, 1, 1, 0, 1]))  # fmt: skip
def network_with_naive_cross_entropy(params, h, y):
    for w, b in params:
        h = np.maximum(h @ w + b, 0.1 * (h @ w + b))
    p = np.exp(h) / np.sum(np.exp(h), axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(y)), y]))


@program({"w": N(size=3), "b": 0.3}, N(size=(6, 3)), onp.array([0.0, 1, 1, 0, 1, 0]))
def logistic(p, X, y):
    z = 1 / (1 + np.exp(-(X @ p["w"] + p["b"])))
    return -np.sum(y * np.log(z) + (1 - y) * np.log(1 - z))


@program({"x": N(size=(2, 3)), "h": N(size=(3, 3)), "b": N(size=3)}, N(size=(4, 2)))
def recurrent(p, xs):
    h = np.zeros(3)
    for t in range(xs.shape[0]):
        h = np.tanh(xs[t] @ p["x"] + h @ p["h"] + p["b"])
    return np.sum(h**2)


@program(onp.array([0.2, 0.5, -0.4]), N(size=(5, 2)))
def gaussian_process(theta, X):
    d = np.sum((X[:, None, :] - X[None, :, :]) ** 2 / np.exp(theta[:2]), axis=-1)
    K = np.exp(-0.5 * d) * np.exp(theta[2]) + 1e-2 * np.eye(X.shape[0])
    y = np.sin(X[:, 0])
    v = np.zeros_like(y)
    for _ in range(5):  # K v = y by steepest descent: two matrices of one value, renamed dims
        v = v + 0.1 * (y - K @ v)
    return 0.5 * y @ v + np.sum(np.log(np.diag(K)))


@program(N(size=(4, 3)), onp.array([1.0, 2, 0.5, 1]))
def n_bodies(x, m):
    r2 = np.sum((x[:, None] - x[None]) ** 2, -1)
    inverse = np.where(np.eye(4) > 0, 0.0, 1 / np.sqrt(r2))  # the diagonal is a trap
    return -0.5 * np.sum(m[:, None] * m[None] * inverse)


@program(N(size=(6, 7)))
def stencil(u):
    for _ in range(3):
        c = u[1:-1, 1:-1]
        c = c + 0.1 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * c)
        u = np.pad(c, 1)
    return np.sum(u**2)


@program(N(size=5))
def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def normal_cdf(x):
    k = 1 / (1 + 0.2316419 * np.abs(x))
    series = 0.319381530 + k * (-0.356563782 + k * (1.781477937 - k * 1.821255978))
    w = 1 - np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * k * series
    return np.where(x < 0, 1 - w, w)


@program(onp.array([90.0, 100, 110]), 105.0, 0.5, 0.03, 0.2)
def black_scholes(S, K, T, r, sigma):
    d1 = (np.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * np.sqrt(T))
    d2 = d1 - sigma * np.sqrt(T)
    return np.sum(S * normal_cdf(d1) - K * np.exp(-r * T) * normal_cdf(d2))


@program((N(size=2), N(size=(2, 3)), N(size=(2, 3))), N(size=(6, 3)))
def mixture(p, X):
    logits, mu, scale = p
    weights = logits - np.log(np.sum(np.exp(logits)))
    each = np.sum(-0.5 * ((X[:, None] - mu) / np.exp(scale)) ** 2 - scale, -1) + weights
    return -np.sum(np.log(np.sum(np.exp(each), axis=1)))


@program(N(size=3), N(size=(7, 3)), N(size=7))
def quantile_and_huber(w, X, y):
    e = y - X @ w
    size = np.abs(e)
    robust = np.where(size < 1, 0.5 * e**2, size - 0.5)
    return np.mean(np.maximum(0.3 * e, -0.7 * e)) + np.sum(robust)


@program((N(size=(4, 2)), N(size=(3, 2))))
def factorization(p):
    U, V = p
    return np.sum((np.sum(U[I] * V[J], axis=1) - RATINGS) ** 2) + 0.01 * np.sum(U**2)


@program((N(size=(4, 4)), N(size=(4, 4)), N(size=(4, 4))), N(size=(5, 4)))
def attention(p, x):
    q, k, v = (x @ w for w in p)
    s = np.where(np.tril(np.ones((5, 5))) > 0, q @ k.T / np.sqrt(4), -np.inf)
    a = np.exp(s) / np.sum(np.exp(s), -1, keepdims=True)
    return np.sum((a @ v) ** 2)


@program(N(size=4))
def derivatives_inside(x):
    def f(z):
        return np.sum(np.exp(z * z[::-1]))

    H, Q = hessian(f)(x), jacobian(lambda z: np.outer(z, z).ravel())(x)
    rows = vmap(lambda a: grad(lambda b: np.sum(a * b**2))(x))(np.stack([x, x * 2]))
    return np.sum(H) + np.trace(H @ H) + np.sum(Q**2) + np.sum(rows)


@program(N(size=6))
def pieces(x):
    y = np.concatenate([x, x[::-1] * 2, np.zeros(2)])
    a, b = np.split(np.stack([y, y**2], axis=1), 2)
    z = at(at(x)[2:4].set(x[0] * x[1]))[onp.array([0, 0, 5])].add(x[3])
    return np.sum(a * b) + np.vstack([x, x]).sum() * np.hstack([x, x]).prod() + np.sum(z**2)


@program(2.0)
def newton(a):
    x = 1.0
    for _ in range(6):
        x = 0.5 * (x + a / x)
    return x


def leaves(tree):
    if isinstance(tree, dict):
        tree = [tree[k] for k in sorted(tree)]
    if isinstance(tree, (list, tuple)) and not all(isinstance(x, (int, float)) for x in tree):
        return [x for part in tree for x in leaves(part)]
    return [onp.asarray(tree, float)]


def mapped(fun, tree):
    if isinstance(tree, dict):
        return {k: mapped(fun, tree[k]) for k in sorted(tree)}
    if isinstance(tree, (list, tuple)):
        return type(tree)(mapped(fun, v) for v in tree)
    return fun(tree)


def close(got, want, tol):
    got, want = leaves(got), leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want):
        onp.testing.assert_allclose(g, w, rtol=tol, atol=tol)


def along(fun, args, direction, h=1e-5):
    """The derivative of `fun` by its first argument in a direction, by central differences."""

    def moved(t):
        steps = iter(leaves(direction))
        return float(fun(mapped(lambda x: x + t * next(steps).reshape(onp.shape(x)), args[0]),
                         *args[1:]))  # fmt: skip

    return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    fun, args = PROGRAMS[name]
    value, g = fun(*args), grad(fun)(*args)
    direction = mapped(lambda x: N(size=onp.shape(x)) if onp.shape(x) else float(N()), args[0])
    slope = sum(onp.sum(a * b) for a, b in zip(leaves(g), leaves(direction)))
    onp.testing.assert_allclose(slope, along(fun, args, direction), rtol=1e-6, atol=1e-6)
    first = lambda x: fun(x, *args[1:])  # noqa: E731
    close(jvp(first, (args[0],), (direction,)), (value, slope), 1e-9)
    close(vjp(first, args[0])[1](1.0)[0], g, 1e-10)
    close(jit(value_and_grad(fun))(*args), (value, g), 1e-10)
    close(grad(jit(fun))(*args), g, 1e-10)
    stacks = [mapped(lambda x: onp.stack([onp.asarray(x)] * 3), a) for a in args]
    three = mapped(lambda x: onp.stack([onp.asarray(x)] * 3), g)
    close(jit(vmap(grad(fun)))(*stacks), three, 1e-9)
    close(vmap(jit(grad(fun)))(*stacks), three, 1e-9)
    close(grad(lambda *a: np.sum(vmap(fun)(*a)))(*stacks), three, 1e-9)


def test_second_derivatives_in_any_order():
    A, x = N(size=(4, 4)), N(size=4)
    fun = lambda x: np.sum(np.sin(x) * np.exp(A @ x * 0.1))  # noqa: E731
    want, unit = hessian(fun)(x), onp.eye(4)
    close(want, want.T, 1e-12)
    ways = [
        lambda: jit(hessian(fun))(x), lambda: jacobian(grad(fun))(x), lambda: jacfwd(grad(fun))(x),
        lambda: jacfwd(jacfwd(fun))(x), lambda: jit(jacobian(jit(jacfwd(fun))))(x),
        lambda: vmap(lambda v: jvp(grad(fun), (x,), (v,))[1])(unit),
        lambda: jit(vmap(lambda v: vjp(grad(fun), x)[1](v)[0]))(unit),
        lambda: vmap(hessian(fun))(onp.stack([x, x]))[1],
    ]  # fmt: skip
    for way in ways:
        close(way(), want, 1e-9)


def test_levels_are_not_confused():
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6
    assert jvp(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1] == 6


def test_masked_lanes_have_no_derivative_in_any_order():
    x = onp.array([-1.0, 0, 4])
    root = lambda x: np.where(x > 0, np.sqrt(x), 0.0)  # noqa: E731
    total = lambda x: np.sum(root(x))  # noqa: E731
    second = onp.diag([0, 0, -0.25 * 4**-1.5])
    for wrap in (jit, lambda f: f):
        close(wrap(grad(total))(x), [0, 0, 0.25], 1e-15)
        close(wrap(vmap(grad(root)))(x), [0, 0, 0.25], 1e-15)
        for twice in (hessian(total), jacfwd(jacfwd(total)), jacobian(jacobian(total))):
            close(wrap(twice)(x), second, 1e-15)
        close(wrap(grad(lambda x: np.sum(root(x)[onp.array([0, 2, 2])])))(x), [0, 0, 0.5], 1e-15)
        close(wrap(grad(lambda x: np.sum(root(x[:, None]) * onp.ones(2))))(x), [0, 0, 0.5], 1e-15)
        close(wrap(grad(np.linalg.norm))(onp.zeros(3)), onp.zeros(3), 1e-15)
        close(wrap(grad(np.max))(onp.ones(4)), onp.full(4, 0.25), 1e-15)
        powers = elementwise_grad(lambda x: x ** onp.array([0.0, 1, 2, 3]))
        close(wrap(powers)(onp.zeros(4)), [0, 1, 0, 0], 1e-15)
        close(wrap(elementwise_grad(lambda y: 0.0**y))(onp.array([1.0, 0.5])), [0, 0], 1e-15)


def test_threads_trace_and_compile_at_once():
    fun = lambda w, X: np.sum(np.log(1 + np.exp(X @ w)))  # noqa: E731
    shared, failed = jit(grad(fun)), []

    def work(seed):
        r = onp.random.default_rng(seed)
        try:
            for _ in range(5):
                n = r.integers(2, 6)
                w, X = r.normal(size=n), r.normal(size=(r.integers(2, 9), n))
                want = X.T @ (1 / (1 + onp.exp(-X @ w)))
                for g in (grad(fun), jit(grad(fun)), shared):
                    close(g(w, X), want, 1e-9)
        except BaseException as err:  # shown by the assert below
            failed.append(err)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_no_trace_behind(error):
    def broken(x):
        y = x * 2
        raise error(y.shape)

    for wrap in (grad, jit, vmap, hessian, lambda f: jit(grad(f)), lambda f: grad(vmap(f))):
        with pytest.raises(error):
            wrap(broken)(onp.ones(3))
        assert current() is None
    close(grad(lambda x: np.sum(x * x))(onp.ones(2)), [2, 2], 0)


def test_an_error_caught_inside_leaves_the_outer_trace_whole():
    def forgiving(x):
        with pytest.raises(TypeError):
            grad(lambda y: y * onp.ones(3))(x)
        with pytest.raises(TypeError):
            vmap(lambda y: float(y))(onp.ones(2))
        return np.sum(x**2)

    assert grad(forgiving)(3.0) == jit(grad(forgiving))(3.0) == 6


def test_tangents_are_matched_to_dicts_by_key():
    x = {"w": onp.ones(2), "b": 3.0}
    tangent = {"b": 1.0, "w": onp.zeros(2)}
    fun = lambda p: {"sum": np.sum(p["w"]) * p["b"], "b": p["b"]}  # noqa: E731
    y, t = jvp(fun, (x,), (tangent,))
    assert y["sum"] == 6 and t["sum"] == 2 and t["b"] == 1
    (back,) = vjp(fun, x)[1]({"b": 0.0, "sum": 1.0})
    assert back["b"] == 2 and list(back) == ["w", "b"]
    with pytest.raises(TypeError, match="tuple of tangents has structure"):
        jvp(fun, (x,), ({"w": onp.ones(2)},))
    with pytest.raises(TypeError, match="the cotangent has structure"):
        vjp(fun, x)[1]((1.0, 2.0))
