"""jitgrad.numpy against NumPy: dtype, shape, kind of scalar and values, in traces and outside."""

import warnings
from contextlib import nullcontext

import numpy as onp
import pytest

import jitgrad.numpy as np
from jitgrad.api import at, grad, jit, jvp, vmap
from jitgrad.errors import DTypeError, ShapeError, TraceError
from jitgrad.traced import interpreted

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def make(dtype, shape, seed=0):
    r = onp.random.default_rng(seed)
    if dtype is bool:
        return r.integers(0, 2, shape).astype(bool)
    if onp.dtype(dtype).kind in "iu":
        return r.integers(1, 9, shape).astype(dtype)
    return r.uniform(0.2, 0.9, shape).astype(dtype)


def same(got, want, rtol=1e-13):
    if isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for g, w in zip(got, want):
            same(g, w, rtol)
        return
    assert isinstance(got, type(want)) or isinstance(want, (bool, int, float))
    got, want = onp.asarray(got), onp.asarray(want)
    assert got.dtype == want.dtype, (got.dtype, want.dtype)
    assert got.shape == want.shape, (got.shape, want.shape)
    if want.dtype.kind == "f":
        tol = rtol if want.dtype == onp.float64 else 3e-6
        onp.testing.assert_allclose(got, want, rtol=tol, atol=tol)
    else:
        onp.testing.assert_array_equal(got, want)


def check(fun, *args, rtol=1e-13, compiled=False):
    """fun(namespace, *args) under jit equals NumPy's, fresh and writable."""
    with warnings.catch_warnings(), onp.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = fun(onp, *args)
        outside = fun(np, *args)
    same(outside, want, rtol)
    with nullcontext() if compiled else interpreted():
        got = jit(lambda *a: fun(np, *a))(*args)
    same(got, want, rtol)
    if isinstance(got, onp.ndarray):
        assert got.flags.writeable
        assert not any(onp.shares_memory(got, a) for a in args if isinstance(a, onp.ndarray))


UNARY = [
    "negative", "positive", "absolute", "sign", "exp", "expm1", "log", "log1p", "log2", "log10",
    "sqrt", "square", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arctanh", "arcsinh",
    "reciprocal", "floor", "ceil", "trunc", "rint", "exp2", "isnan", "isinf", "isfinite",
    "logical_not", "deg2rad", "rad2deg", "fabs", "conjugate",
]  # fmt: skip
BINARY = [
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "fmax", "fmin",
    "logaddexp", "hypot", "floor_divide", "remainder", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "logical_and", "logical_or", "logical_xor", "heaviside",
]  # fmt: skip
DTYPES = [onp.float64, onp.float32, onp.int64, onp.int32, bool]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary(name, dtype):
    fn = getattr(onp, name)
    for shape in ((3, 4), (), (0,), (1,)):
        x = make(dtype, shape)
        try:
            want = fn(x)
        except TypeError:  # no loop in NumPy: none here
            with pytest.raises(DTypeError), interpreted():
                jit(lambda v: getattr(np, name)(v))(x)
            return
        if want.dtype == onp.float16:
            with pytest.raises(DTypeError, match="float16"), interpreted():
                jit(lambda v: getattr(np, name)(v))(x)
            return
        check(lambda m, v: getattr(m, name)(v), x, rtol=1e-14)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
def test_binary(name, left, right):
    fn = getattr(onp, name)
    for a, b in (((3, 4), (4,)), ((2, 1), (1, 3)), ((), (3,)), ((0, 2), (1, 2)), ((), ())):
        x, y = make(left, a, 1), make(right, b, 2)
        try:
            want = fn(x, y)
        except TypeError:
            with pytest.raises(DTypeError), interpreted():
                jit(lambda v, w: getattr(np, name)(v, w))(x, y)
            return
        if want.dtype == onp.float16:
            return
        check(lambda m, v, w: getattr(m, name)(v, w), x, y, rtol=1e-14)


OPERATORS = [
    lambda x, s: x + s,
    lambda x, s: s + x,
    lambda x, s: x - s,
    lambda x, s: s - x,
    lambda x, s: x * s,
    lambda x, s: x / s,
    lambda x, s: s / x,
    lambda x, s: x**s,
    lambda x, s: x // s,
    lambda x, s: x % s,
    lambda x, s: x < s,
    lambda x, s: x == s,
    lambda x, s: -x + abs(x) + (+x),
    lambda x, s: x**2,
    lambda x, s: x**3,
    lambda x, s: x**0.5,
]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("dtype", [onp.float64, onp.float32, onp.int64, onp.int32])
@pytest.mark.parametrize("scalar", [2, 2.5, onp.float32(1.5), onp.float64(1.5), onp.int64(3), True])
def test_operators_promote_as_numpy(op, dtype, scalar):
    for shape in ((3,), ()):
        x = make(dtype, shape, 3)
        for v in (x, x[()]):
            try:
                op(v, scalar)
            except (TypeError, ValueError):
                continue
            check(lambda m, a: op(a, scalar), v, rtol=1e-14)


@pytest.mark.parametrize("x", [3.0, 3, True])
@pytest.mark.parametrize(
    "other", [onp.float32(2), onp.ones(2, onp.float32), onp.ones(2, onp.int32), 2.0, 2]
)
def test_python_scalars_are_weak(x, other):
    for op in (lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a / b):
        check(lambda m, a, op=op: m.asarray(op(a, other)), x)
    with interpreted():
        assert jit(lambda a: onp.sin(a * 2.0))(1.0) == onp.sin(2.0)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "argmax",
                                  "argmin", "any", "all", "cumsum", "cumprod", "ptp",
                                  "count_nonzero"])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(name, dtype):
    x = make(dtype, (3, 4, 2), 5)
    if name == "ptp" and dtype is bool:
        return
    for axis in (None, 0, 1, -1, (0, 2)):
        if axis.__class__ is tuple and name in ("argmax", "argmin", "cumsum", "cumprod"):
            continue
        check(lambda m, v, a=axis: getattr(m, name)(v, axis=a), x, rtol=1e-14)
        if not name.startswith("cum"):
            check(lambda m, v, a=axis: getattr(m, name)(v, axis=a, keepdims=True), x, rtol=1e-14)
    if name not in ("ptp", "count_nonzero"):
        check(lambda m, v: getattr(v, name)(), x)
    if name not in ("max", "min", "argmax", "argmin", "ptp", "mean", "var", "std"):
        check(lambda m, v: getattr(m, name)(v, axis=0), make(dtype, (0, 3)))


def test_reductions_with_options():
    x = make(float, (3, 4), 6)
    mask = x > 0.5
    check(lambda m, v: m.sum(v, where=mask, initial=2.0), x)
    check(lambda m, v: m.mean(v, axis=0, where=mask), x)
    check(lambda m, v: m.max(v, axis=0, where=mask, initial=-1.0), x)
    check(lambda m, v: m.sum(v, dtype=onp.float32), x)
    check(lambda m, v: m.var(v, ddof=1), x)
    check(lambda m, v: m.std(v, axis=1, ddof=1, keepdims=True), x)
    check(lambda m, v: m.average(v, axis=0, weights=[1.0, 2.0, 3.0]), x)
    check(lambda m, v: m.add.reduce(v, axis=1), x)
    y = onp.where(mask, x, onp.nan)
    for name in ("nansum", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd"):
        check(lambda m, v, name=name: getattr(m, name)(v, axis=0), y)


SHAPES = [
    lambda m, x: m.reshape(x, (4, 3)),
    lambda m, x: x.reshape(2, -1),
    lambda m, x: x.reshape(-1),
    lambda m, x: m.ravel(x),
    lambda m, x: x.flatten(),
    lambda m, x: x.T,
    lambda m, x: m.swapaxes(x, 0, 1),
    lambda m, x: m.moveaxis(x, 0, -1),
    lambda m, x: m.expand_dims(x, (0, 2)),
    lambda m, x: m.squeeze(m.expand_dims(x, 1)),
    lambda m, x: m.broadcast_to(x, (2, 3, 4)),
    lambda m, x: m.concatenate([x, x[:1]]),
    lambda m, x: m.concatenate([x, x], axis=1),
    lambda m, x: m.concatenate([x, x], axis=None),
    lambda m, x: m.stack([x, 2 * x], axis=-1),
    lambda m, x: m.vstack([x, x[0]]),
    lambda m, x: m.hstack([x, x]),
    lambda m, x: m.dstack([x, x]),
    lambda m, x: m.column_stack([x[0], x[1]]),
    lambda m, x: m.flip(x),
    lambda m, x: m.flip(x, 1),
    lambda m, x: m.flipud(x),
    lambda m, x: m.fliplr(x),
    lambda m, x: m.roll(x, 2),
    lambda m, x: m.roll(x, -1, axis=1),
    lambda m, x: m.roll(x, (1, 2), axis=(0, 1)),
    lambda m, x: m.pad(x, 1),
    lambda m, x: m.pad(x, ((1, 0), (0, 2)), constant_values=3),
    lambda m, x: m.pad(x, ((1, 0), (2, 2)), mode="edge"),
    lambda m, x: m.pad(x, 1, mode="wrap"),
    lambda m, x: m.tile(x, 2),
    lambda m, x: m.tile(x, (2, 1, 2)),
    lambda m, x: m.repeat(x, 2),
    lambda m, x: m.repeat(x, 3, axis=1),
    lambda m, x: m.repeat(x, [1, 0, 2], axis=0),
    lambda m, x: m.split(x, 2, axis=1),
    lambda m, x: m.split(x, [1, 3], axis=1),
    lambda m, x: m.array_split(x, 3, axis=1),
    lambda m, x: m.hsplit(x, 2),
    lambda m, x: m.vsplit(x, 3),
    lambda m, x: m.rot90(x),
    lambda m, x: m.rot90(x, 3),
    lambda m, x: m.atleast_3d(x),
    lambda m, x: m.atleast_1d(x[0, 0]),
    lambda m, x: m.diag(x[0]),
    lambda m, x: m.diag(x[0], 1),
    lambda m, x: m.diag(x[0], -2),
    lambda m, x: m.diag(x),
    lambda m, x: m.diag(x, 1),
    lambda m, x: m.trace(x),
    lambda m, x: m.tril(x),
    lambda m, x: m.triu(x, 1),
    lambda m, x: m.diff(x),
    lambda m, x: m.diff(x, axis=0),
    lambda m, x: m.diff(x, n=2),
    lambda m, x: m.array([x[0, 0], 1, x[1, 1]]),
    lambda m, x: m.array([[x[0, 0], 2.0], [x[1, 0], 3]]),
    lambda m, x: m.asarray(x),
    lambda m, x: m.zeros_like(x),
    lambda m, x: m.ones_like(x, dtype=int),
    lambda m, x: m.full_like(x, 7),
    lambda m, x: x.astype(onp.float32),
    lambda m, x: x.copy(),
    lambda m, x: m.rollaxis(x, 1),
    lambda m, x: m.append(x, x[0]),
    lambda m, x: m.meshgrid(x[0], x[1]),
    lambda m, x: m.broadcast_arrays(x, x[0]),
    lambda m, x: m.reshape(x, (4, 3), order="F"),
    lambda m, x: x.transpose(1, 0),
    lambda m, x: m.transpose(x, (1, 0)),
    lambda m, x: x.real,
    lambda m, x: x.trace(),
    lambda m, x: x.dot(x.T),
    lambda m, x: x.clip(2, 5),
    lambda m, x: m.clip(x, None, 4),
    lambda m, x: m.where(x > 3, x, 0),
    lambda m, x: m.where(x > 3, 1, 2),
    lambda m, x: m.select([x > 5, x > 2], [x, 2 * x], 9),
    lambda m, x: m.take(x, [0, 2], axis=0),
    lambda m, x: m.take(x, [1, 5]),
    lambda m, x: x.take(-1),
    lambda m, x: m.nan_to_num(x),
    lambda m, x: m.take_along_axis(x, m.argmax(x, axis=1)[:, None], 1),
    lambda m, x: x.size * x,
    lambda m, x: m.allclose(x, x),
    lambda m, x: m.round(x * 1.7, 1),
    lambda m, x: m.round(x * 0.5),
    lambda m, x: m.isclose(x, 3.0),
    lambda m, x: x.sum(0) @ x[0],
    lambda m, x: [*x],
]


@pytest.mark.parametrize("fun", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("dtype", [onp.float64, onp.int64])
def test_shapes(fun, dtype):
    check(fun, make(dtype, (3, 4), 7), compiled=dtype is onp.float64)


INDEXES = [
    lambda x: x[0],
    lambda x: x[-1],
    lambda x: x[1, 2],
    lambda x: x[1:],
    lambda x: x[:-1, 1:3],
    lambda x: x[::2],
    lambda x: x[::-1],
    lambda x: x[4:1:-2],
    lambda x: x[:, ::-2],
    lambda x: x[None],
    lambda x: x[..., 0],
    lambda x: x[1, ...],
    lambda x: x[:, None, 1],
    lambda x: x[10:],
    lambda x: x[3:1],
    lambda x: x[-3:],
    lambda x: x[:100],
    lambda x: x[[0, 2, -1]],
    lambda x: x[:, [1, 0]],
    lambda x: x[[0, 1], [2, 3]],
    lambda x: x[[[0], [1]], [2, 3]],
    lambda x: x[1, [0, 1]],
    lambda x: x[[0, 1], None, [1, 2]],
    lambda x: x[onp.array([True, False, True, False, True])],
    lambda x: x[onp.array([0, 1]), 1:3],
    lambda x: x[onp.array([[0, 1], [2, 3]])],
    lambda x: x[...],
    lambda x: x[()],
    lambda x: x[onp.int64(1)],
    lambda x: x[1:1],
]


@pytest.mark.parametrize("fun", INDEXES, ids=range(len(INDEXES)))
def test_indexing(fun):
    check(lambda m, x: fun(x), make(float, (5, 4), 8))
    big = make(float, (20, 30), 8)
    if fun not in (INDEXES[23],):
        check(lambda m, x: fun(x), big, compiled=True)
    x = make(float, (5, 4), 9)
    t = make(float, (5, 4), 10)  # indexing is linear: the derivative in a direction is its indexing
    same(jvp(lambda v: fun(v) * 1.0, (x,), (t,))[1], fun(t) * 1.0)


INDEXES3 = [
    lambda x: x[0, :, [0, 1]],
    lambda x: x[:, [0, 1], [1, 2]],
    lambda x: x[[0, 1], :, [1, 2]],
    lambda x: x[[0, 1], 1, :],
    lambda x: x[:, 0, [1, 2]],
    lambda x: x[..., [0, 1], None],
    lambda x: x[:, None, [0, 1], 0],
    lambda x: x[[1], :, None, 0],
    lambda x: x[0, ..., [[0, 1]]],
]


@pytest.mark.parametrize("fun", INDEXES3, ids=range(len(INDEXES3)))
def test_advanced_indexes_stand_where_numpy_puts_them(fun):
    check(lambda m, x: fun(x), make(float, (2, 3, 4), 8), compiled=True)


def test_traced_indexes():
    x, i = make(float, (5, 4)), onp.array([3, -1, 0])
    with interpreted():
        same(jit(lambda a, k: a[k])(x, i), x[i])
        same(jit(lambda a, k: a[k, 1])(x, i), x[i, 1])
        same(jit(lambda a, k: a[1:, k[2]])(x, i), x[1:, 0])
        same(jit(lambda a, k: a[k[0]])(x, i), x[3])
        with pytest.raises(IndexError, match="out of bounds"):
            jit(lambda a, k: a[k])(x, onp.array([7]))


def test_at():
    x = make(float, (5, 4), 11)
    cases = [
        (slice(1, 3), 2.0),
        (0, onp.arange(4.0)),
        ((slice(None), 1), 5.0),
        ([0, 2, 0], 1.0),
        ((slice(None, None, -2), slice(1, None, 2)), 3.0),
        ((1, 2), 7.0),
        ((..., None), 1.0),
    ]
    for index, value in cases:
        want = x.copy()
        want[index] = value
        same(grad_free(lambda v, i=index, c=value: v.at[i].set(c), x), want)
        want = x.copy()
        onp.add.at(want, index, value)
        same(grad_free(lambda v, i=index, c=value: v.at[i].add(c), x), want)
    same(grad_free(lambda v: v.at[1].multiply(3.0), x)[1], x[1] * 3)
    same(grad_free(lambda v: v.at[1].max(0.5), x)[1], onp.maximum(x[1], 0.5))
    g = grad(lambda v: (v.at[0].set(2.0) ** 2).sum())(x)
    same(g, onp.vstack([onp.zeros((1, 4)), 2 * x[1:]]))


def test_at_of_numpy_arrays():
    x = make(float, (5, 4), 11)
    same(at(x)[1].set(2.0)[1], onp.full(4, 2.0))
    same(at(x)[[0, 0], 1].add(1.0)[0, 1], x[0, 1] + 2)
    same(at(x)[0].subtract(x[0])[0], onp.zeros(4))
    same(at(x)[0].get(), x[0])
    same(jvp(lambda v: at(onp.ones(3))[1].set(v), (2.0,), (1.0,))[1], onp.array([0, 1.0, 0]))


def grad_free(fun, x):
    """fun on a tracer, outside jit."""
    return jvp(fun, (x,), (x,))[0]


PRODUCTS = [
    lambda m, a, b, v: a @ b,
    lambda m, a, b, v: m.dot(a, b),
    lambda m, a, b, v: a @ v,
    lambda m, a, b, v: v @ b,
    lambda m, a, b, v: v @ v,
    lambda m, a, b, v: m.dot(v, v),
    lambda m, a, b, v: m.outer(v, v),
    lambda m, a, b, v: m.inner(a, a),
    lambda m, a, b, v: m.vdot(a, a),
    lambda m, a, b, v: m.tensordot(a, b, 1),
    lambda m, a, b, v: m.tensordot(a, a, ([0, 1], [0, 1])),
    lambda m, a, b, v: m.tensordot(a, b, 0),
    lambda m, a, b, v: m.einsum("ij,jk->ik", a, b),
    lambda m, a, b, v: m.einsum("ij,jk", a, b),
    lambda m, a, b, v: m.einsum("ij->ji", a),
    lambda m, a, b, v: m.einsum("ij->", a),
    lambda m, a, b, v: m.einsum("ij,j->i", a, v),
    lambda m, a, b, v: m.einsum("ij,kj,j->ik", a, a, v),
    lambda m, a, b, v: m.einsum("...j,j", a, v),
    lambda m, a, b, v: m.einsum("ii->i", b @ a),
    lambda m, a, b, v: m.einsum("ii", b @ a),
    lambda m, a, b, v: m.einsum("i,j->ij", v, v),
    lambda m, a, b, v: m.einsum("ij,ij->j", a, a),
    lambda m, a, b, v: m.einsum(a, [0, 1], b, [1, 2], [2, 0]),
    lambda m, a, b, v: m.kron(a, b),
    lambda m, a, b, v: m.matmul(m.stack([a, a]), b),
    lambda m, a, b, v: m.matmul(m.stack([a, a]), m.stack([b, b])),
    lambda m, a, b, v: m.cross(a[:, :3], b.T[:, :3]),
    lambda m, a, b, v: m.linalg.norm(a),
    lambda m, a, b, v: m.linalg.norm(v, 1),
    lambda m, a, b, v: m.linalg.norm(a, axis=1),
    lambda m, a, b, v: m.linalg.norm(v, onp.inf),
    lambda m, a, b, v: m.add.outer(v, v),
    lambda m, a, b, v: m.dot(a, m.stack([b, b])),
    lambda m, a, b, v: m.dot(2.0, a),
]


@pytest.mark.parametrize("fun", PRODUCTS, ids=range(len(PRODUCTS)))
def test_products(fun):
    a, b, v = make(float, (3, 4), 1), make(float, (4, 3), 2), make(float, (4,), 3)
    check(fun, a, b, v, compiled=True)
    a, b, v = make(float, (30, 40), 1), make(float, (40, 30), 2), make(float, (40,), 3)
    check(fun, a, b, v, rtol=1e-12)


def test_creation():
    x = make(float, (20, 3))
    n = 20
    for fun in (
        lambda m, v: m.zeros(v.shape[0]), lambda m, v: m.ones((v.shape[0], 2), int),
        lambda m, v: m.arange(v.shape[0]), lambda m, v: m.arange(1, v.shape[0], 3),
        lambda m, v: m.arange(v.shape[0], dtype=float), lambda m, v: m.eye(v.shape[0]),
        lambda m, v: m.eye(2, v.shape[0], 1), lambda m, v: m.full(v.shape, 2),
        lambda m, v: m.linspace(0.0, 1.0, v.shape[0]), lambda m, v: m.linspace(0, 1, 5),
        lambda m, v: m.arange(0.0, 1.0, 0.25), lambda m, v: m.arange(5), lambda m, v: m.tri(3),
        lambda m, v: m.array([1, 2]), lambda m, v: m.identity(3),
        lambda m, v: m.linspace(v[0], v[1], 4), lambda m, v: v / v.shape[0],
        lambda m, v: v.shape[0] * v[0], lambda m, v: v * (v.shape[0] - 1),
        lambda m, v: v.reshape(v.shape[0] * v.shape[1]), lambda m, v: v[: v.shape[0] // 2],
        lambda m, v: v[: v.shape[0] // 2 + 1] * 2, lambda m, v: m.zeros(int(v.shape[0])),
        lambda m, v: m.sum(v) / v.size, lambda m, v: v.reshape(-1, v.shape[1], 1),
    ):  # fmt: skip
        check(fun, x)
    with interpreted():
        f = jit(lambda v: np.zeros(v.shape[0]) + len(v))
        assert f(x).shape == (n,)


def test_sizes_are_symbols():
    with interpreted():
        f = jit(lambda x: (x[1:] - x[:-1]).sum() / x.shape[0] + np.arange(x.shape[0])[-1])
        for n in (20, 21, 30, 1000, 50):
            x = make(float, (n,))
            same(f(x), (x[1:] - x[:-1]).sum() / n + onp.arange(n)[-1])
    assert "1 compiled path" in f.explain()


def test_outside_traces_it_is_numpy():
    x = np.zeros(3)
    assert type(x) is onp.ndarray
    x[0] = 1
    assert np.prod((2, 3)) == 6
    assert np.sin.reduce is not None if hasattr(np.sin, "reduce") else True
    assert np.add.reduce([1, 2, 3]) == 6
    assert np.float32 is onp.float32 and np.pi == onp.pi
    assert np.fft.fft is onp.fft.fft
    assert np.linalg.det(onp.eye(2)) == 1.0
    assert "unique" in dir(np)


def test_what_is_missing_names_itself():
    with pytest.raises(TraceError, match=r"numpy\.unique"):
        grad(lambda x: np.unique(x))(onp.ones(3))
    with pytest.raises(TraceError, match=r"numpy\.linalg\.det"):
        grad(lambda x: onp.linalg.det(x))(onp.eye(2))
    with pytest.raises(TraceError, match=r"det"):
        grad(lambda x: np.linalg.det(x))(onp.eye(2))
    with pytest.raises(TraceError, match=r"i0"):
        grad(lambda x: np.i0(x))(1.0)


def test_numpys_own_functions_take_tracers():
    x = make(float, (3, 4))
    f = lambda v: onp.sum(onp.concatenate([onp.sin(v), onp.ones((1, 4)) * v[:1]]) ** 2)  # noqa: E731
    want = 2 * onp.sin(x) * onp.cos(x)
    want[0] += 2 * x[0]
    same(grad(f)(x), want)
    same(grad(lambda v: (onp.ones(4) * v).sum())(x), onp.ones((3, 4)))
    same(vmap(lambda v: onp.float64(2) * v)(x), 2 * x)


def test_shapes_that_do_not_fit():
    with pytest.raises(
        ShapeError, match=r"could not be broadcast together with shapes \(3,\) \(4,\)"
    ):
        grad(lambda x: (x + onp.ones(4)).sum())(onp.ones(3))
    with pytest.raises(ShapeError, match="not aligned"):
        grad(lambda x: (x @ onp.ones(4)).sum())(onp.ones(3))
    with pytest.raises(ValueError, match="cannot reshape array of size 6"):
        grad(lambda x: x.reshape(4).sum())(onp.ones((2, 3)))
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 3"):
        grad(lambda x: x[5])(onp.ones(3))
    with pytest.raises(IndexError, match="too many indices"):
        grad(lambda x: x[0, 0])(onp.ones(3))
    with interpreted(), pytest.raises(ShapeError, match=r"\(20,\) \(30,\)"):
        jit(lambda x, y: x + y)(onp.ones(20), onp.ones(30))
    with interpreted(), pytest.raises(ShapeError):
        f = jit(lambda x, y: x + y)
        f(onp.ones(20), onp.ones(20))
        f(onp.ones(20), onp.ones(30))
    with interpreted():
        same(f(onp.ones(20), onp.ones(1)), onp.full(20, 2.0))


def test_a_mask_as_an_index():
    x = make(float, (6,))
    same(grad(lambda v: (v[v > 0.5] ** 2).sum())(x), onp.where(x > 0.5, 2 * x, 0))
    with interpreted(), pytest.raises(TraceError, match="where"):
        jit(lambda v: v[v > 0.5])(x)
