"""The commonest mistakes of a new user end in one readable error: their line, shapes, a fix."""

import math
import os
import traceback

import numpy as onp
import pytest

import jitgrad
import jitgrad.numpy as np
from jitgrad.api import grad, hessian, jit, jvp, vjp, vmap
from jitgrad.errors import DTypeError, ShapeError, TraceError
from jitgrad.traced import interpreted

X = onp.ones(3)
OURS = os.path.dirname(jitgrad.__file__)


def add_wrong(x):
    return (x + onp.ones(4)).sum()


def matmul_wrong(x):
    return (onp.ones((2, 4)) @ x).sum()


def use_math(x):
    return math.exp(x[0])


def use_float(x):
    return float(x[0]) ** 2


def assign(x):
    x[0] = 2.0
    return x.sum()


def fill_numpy(x):
    out = onp.zeros(3)
    for i in range(3):
        out[i] = x[i] ** 2
    return np.sum(out)


def mask(x):
    return x[x > 0.5].sum()


def branch(x):
    return x if x > 0 else -x


def wrong_axis(x):
    return np.sum(x, axis=1)


def unwrap(x):
    return np.unwrap(x)


def out_of_range(x):
    return x[7]


def stack_wrong(x):
    return np.stack([x, x[:2]]).sum()


def concat_wrong(x):
    return np.concatenate([x[None], x]).sum()


def power_of_ints(x, n):
    return x**n


def not_scalar(x):
    return x * 3


def add_text(x, text):
    return x + text


def array_truth(x):
    return x if x > 0 else -x


CASES = [
    (grad(add_wrong), (X,), ShapeError, ["(3,)", "(4,)", "onp.ones(4)"]),
    (jit(add_wrong), (X,), ShapeError, ["(3,)", "(4,)", "onp.ones(4)"]),
    (grad(matmul_wrong), (X,), ShapeError, ["(2, 4)", "(3,)", "@ x"]),
    (grad(use_math), (X,), TraceError, ["jitgrad.numpy", "math.exp(x[0])"]),
    (grad(use_float), (X,), TraceError, ["float()", "use x as it is", "float(x[0]) ** 2"]),
    (jit(assign), (X,), TraceError, ["x.at[index].set(value)", "x[0] = 2.0"]),
    (grad(fill_numpy), (X,), TraceError, ["lists instead of assigning", "out[i] = x[i] ** 2"]),
    (jit(mask), (X,), TraceError, ["jitgrad.numpy.where", "x[x > 0.5]"]),
    (vmap(branch), (X,), TraceError, ["where", "where", "x if x > 0"]),
    (grad(unwrap), (X,), TraceError, ["numpy.unwrap", "np.unwrap(x)"]),
    (jit(out_of_range), (X,), IndexError, ["index 7", "size 3", "x[7]"]),
    (grad(stack_wrong), (X,), ShapeError, ["same shape", "np.stack"]),
    (grad(concat_wrong), (X,), ShapeError, ["dimensions", "np.concatenate"]),
    (jit(power_of_ints), (onp.arange(3), -onp.arange(3)), ValueError, ["negative", "x**n"]),
    (grad(array_truth), (X,), ValueError, ["ambiguous", "a.any()", "x if x > 0"]),
    (grad(not_scalar), (X,), TypeError, ["scalar result", "(3,)", "jacobian", "return x * 3"]),
    (grad(wrong_axis), (X,), IndexError, ["axis 1", "axis=1"]),
    (jit(add_text), (X, "abc"), TypeError, ["'abc'", "return x + text"]),
    (grad(add_wrong, "x"), (X,), TypeError, ["argnums", "'x'", "call(*args)"]),
    (grad(add_wrong, 1), (X,), TypeError, ["argument 1", "1 arguments by position"]),
    (lambda x: vmap(x), (X,), TypeError, ["vmap takes a function"]),
    (lambda x: jvp(abs, x, x), (X,), TypeError, ["jvp(f, (x,), (v,))"]),
    (lambda x: jvp(abs, (x,), (onp.ones(4),)), (X,), TypeError, ["f64[4]", "f64[3]"]),
    (lambda x: vjp(abs, x)[1](onp.ones(4)), (X,), TypeError, ["f64[4]", "f64[3]"]),
    (jit(add_wrong), ({1, 2},), TypeError, ["type set", "pytree"]),
    (grad(lambda x: x.sum()), (onp.arange(3),), TypeError, ["int64", "pass 3.0"]),
    (grad(lambda x: np.sum(x.astype(object))), (X,), DTypeError, ["object", "astype(object)"]),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(CASES)))
def test_the_error_names_the_line_and_the_fix(k):
    call, args, kind, words = CASES[k]
    with interpreted(), pytest.raises(kind) as caught:
        call(*args)
    text = str(caught.value)
    for word in words:
        assert word in text, text
    if "\n  at " in text:
        assert __file__ in text


def test_numpys_own_exceptions_stay():
    with pytest.raises(onp.exceptions.AxisError, match=r"axis=1\)"):
        grad(wrong_axis)(X)


def test_frames_of_the_library_do_not_drown_the_users():
    for call in (grad(use_math), jit(assign), vmap(branch), hessian(add_wrong)):
        with interpreted(), pytest.raises((TraceError, ShapeError)) as caught:
            call(X)
        frames = traceback.extract_tb(caught.value.__traceback__)
        ours = [f for f in frames if f.filename.startswith(OURS)]
        assert len(ours) <= 5, frames  # hessian is two calls of jacobian
        assert frames[-1].filename == __file__, frames


def test_no_derivative_through_an_op_that_has_none():
    def fun(x):
        return x.astype(int).astype(float).sum()

    onp.testing.assert_array_equal(grad(fun)(X), onp.zeros(3))
    with pytest.raises(TypeError, match="float result, this one gave int64"):
        grad(lambda x: np.argmax(x))(X)
