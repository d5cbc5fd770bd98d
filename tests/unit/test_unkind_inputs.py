"""What strangers hand to traced functions: nothing, numbers for arrays, odd subclasses, infinities.

Each case is NumPy's result or a clear error, in a trace that computes as it goes and compiled.
"""

import numpy as onp
import pytest

import jitgrad.numpy as np
import jitgrad.tensor as T
from jitgrad import function, grad, jacfwd, jit, vmap
from jitgrad.errors import DTypeError, ShapeError

EMPTY = onp.zeros(0)
LOSING = onp.full(3, -onp.inf)


def eager(fun):
    """Run as inside grad: recorded and computed op by op."""

    def run(*args):
        return grad(lambda x: (0.0, fun(*args[:-1], x)), has_aux=True)(args[-1])[1]

    return run


def same(got, want):
    assert onp.asarray(got).dtype == onp.asarray(want).dtype
    assert isinstance(got, onp.ndarray) is isinstance(want, onp.ndarray)
    onp.testing.assert_allclose(got, want, rtol=1e-13)


X32 = onp.array([0.5, -1.5], onp.float32)
NUMPY = {
    "dot with a number": (lambda np, x: np.dot(x, 2.5), X32),
    "outer with a number": (lambda np, x: np.outer(x, 2), X32),
    "inner with a number": (lambda np, x: np.inner(3, x), X32),
    "append a number": (lambda np, x: np.append(x, 1.5), X32),
    "a list with numbers": (lambda np, x: np.array([x[0], 1.0]), X32),
    "einsum keeps ints": (lambda np, x: np.einsum("ij->j", x), onp.ones((2, 3), onp.int32)),
    "einsum keeps bools": (lambda np, x: np.einsum("ij->j", x), onp.eye(2, 3) > 0),
    "einsum over nothing": (lambda np, x: np.einsum("ij->", x), onp.ones((0, 3))),
    "a number's axis": (lambda np, x: np.sum(x, axis=0), onp.float64(2.5)),
    "a number's last axis": (lambda np, x: np.cumsum(x, axis=-1), onp.float64(2.5)),
    "argmax of a number": (lambda np, x: np.argmax(x, axis=0), onp.float64(2.5)),
    "nanmax of ints": (lambda np, x: np.nanmax(x), onp.arange(4)),
    "nanmin of all": (lambda np, x: np.nanmin(x), onp.array([onp.nan, 2.0, -1.0])),
    "matrix norm 1": (lambda np, x: np.linalg.norm(x, 1), onp.arange(6.0).reshape(2, 3)),
    "matrix norm inf": (lambda np, x: np.linalg.norm(x, onp.inf), onp.arange(6.0).reshape(2, 3)),
    "matrix norm -1": (lambda np, x: np.linalg.norm(x, -1, (1, 0)), onp.arange(6.0).reshape(2, 3)),
    "norm of nothing": (lambda np, x: np.linalg.norm(x, onp.inf), EMPTY),
    "floor_divide of inf": (lambda np, x: x // 2.0, onp.array([onp.inf, -onp.inf, 5.0, onp.nan])),
    "reciprocal of ints": (lambda np, x: np.reciprocal(x), onp.array([-3, -1, 1, 2])),
    "reciprocal of uints": (lambda np, x: np.reciprocal(x), onp.array([1, 2], onp.uint8)),
    "an ellipsis keeps arrays": (lambda np, x: x[..., 0], onp.arange(3.0)),
    "repeats of nothing": (lambda np, x: np.repeat(x, [], axis=0), EMPTY),
    "max with an initial": (lambda np, x: np.max(x, initial=2.0), EMPTY),
    "max of no rows": (lambda np, x: np.max(x, axis=1), onp.zeros((0, 3))),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NUMPY)
def test_as_numpy(name):
    fun, x = NUMPY[name]
    want = fun(onp, x)
    same(jit(lambda x: fun(np, x))(x), want)
    # an integer is no argument of grad: it comes in as the ints of a float's place
    same(eager(lambda v: fun(np, v.astype(x.dtype)))(x.astype(float)) if x.dtype.kind != "f"
         else eager(lambda v: fun(np, v))(x), want)  # fmt: skip


def lse(x):
    return np.log(np.sum(np.exp(x)))


def softmax(x):
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_stable_forms_of_nothing_are_the_naive_ones():
    for wrap in (jit, lambda f: f):
        assert wrap(lse)(EMPTY) == -onp.inf
        assert wrap(grad(lse))(EMPTY).shape == (0,)
        onp.testing.assert_array_equal(wrap(grad(lse))(LOSING), onp.zeros(3))
        onp.testing.assert_array_equal(wrap(vmap(lse))(onp.zeros((2, 0))), [-onp.inf] * 2)
        assert wrap(softmax)(onp.zeros((3, 0))).shape == (3, 0)
        assert wrap(jacfwd(softmax))(EMPTY).shape == (0, 0)
        inner = wrap(grad(lambda x: lse(x[1:-1])))
        onp.testing.assert_array_equal(inner(onp.ones(4)), [0, 0.5, 0.5, 0])
        onp.testing.assert_array_equal(inner(onp.ones(2)), [0, 0])
    x = T.dvector("x")
    assert function([x], T.log(T.sum(T.exp(x))))(EMPTY) == -onp.inf
    assert function([x], T.nnet.softmax(x))(EMPTY).shape == (0,)


@pytest.mark.parametrize("name", ["max", "min"])
def test_the_extreme_of_nothing_is_an_error(name):
    text = f"zero-size array to reduction operation {name}imum which has no identity"
    fun = getattr(np, name)
    cut = jit(lambda x: fun(x[1:-1]))
    assert cut(onp.ones(4)) == 1
    for call, x in ((jit(fun), EMPTY), (grad(fun), EMPTY), (cut, onp.ones(2)),
                    (jit(lambda x: fun(x, axis=1)), onp.zeros((3, 0)))):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            call(x)
    v = T.dvector("v")
    of = getattr(T, name)
    f = function([v], of(v))
    assert f([1.0, 1.0]) == 1
    with pytest.raises(ShapeError, match=text):
        f(EMPTY)
    with pytest.raises(ShapeError, match=text):
        of(T.as_tensor_variable(EMPTY))


class Series:
    def __array__(self, dtype=None, copy=None):
        return onp.ones(2)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_subclasses_that_mean_more_are_refused():
    square = jit(lambda x: x * x)
    square(onp.ones((2, 2)))
    square(onp.ones((2, 2)))
    for x, fix in ((onp.matrix([[1.0, 2], [3, 4]]), "np.asarray"),
                   (onp.ma.masked_array(onp.ones((2, 2)), onp.eye(2)), "x.filled"),
                   (Series(), "np.asarray")):  # fmt: skip
        with pytest.raises(TypeError, match=fix):
            square(x)
        with pytest.raises(TypeError, match=fix):
            grad(lambda x: np.sum(x * x))(x)
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x * Series()))(onp.ones(2)), [1, 1])
    for bad in (onp.array(["a"]), onp.array([None]), onp.ones(2, onp.float16)):
        with pytest.raises(DTypeError, match=r"argument x: dtype .* is not supported"):
            square(bad)


@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_odd_layouts_through_grad(wrap):
    base = onp.arange(24.0).reshape(4, 6) + 1
    frozen = base[0].copy()
    frozen.flags.writeable = False
    g = wrap(grad(lambda x: np.sum(np.log(x) * x)))
    for x in (base[::2, ::3], base[::-1, ::-1], base.T, base.astype(">f8"), frozen,
              onp.broadcast_to(base[0], (3, 6))):  # fmt: skip
        got = g(x)
        onp.testing.assert_allclose(got, onp.log(x) + 1, rtol=1e-14)
        assert got.flags.writeable and not onp.shares_memory(got, x) and got.dtype.isnative


def test_an_argument_named_twice_has_its_gradient_twice():
    x = onp.arange(1.0, 4)
    fun = lambda a, b: np.sum(a * a * b)  # noqa: E731
    for g in (grad(fun, (0, 0, -2)), jit(grad(fun, (0, 0, -2)))):
        got = g(x, 2 * x)
        for part in got:
            onp.testing.assert_allclose(part, 4 * x * x)
        assert not onp.shares_memory(got[0], got[1])
