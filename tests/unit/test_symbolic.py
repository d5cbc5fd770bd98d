"""Symbolic variables: dtypes, operations against NumPy, broadcasting, sizes, printing."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import (
    MissingInputError,
    ShapeError,
    function,
    pp,
)
from jitgrad.errors import DTypeError

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])


def here(offset=0):
    """The text by which an error names the caller's line."""
    frame = inspect.currentframe().f_back
    return f'"{frame.f_code.co_filename}", line {frame.f_lineno + offset}'


# -- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "dtype"),
    [("", "float64"), ("b", "int8"), ("w", "int16"), ("i", "int32"), ("l", "int64"),
     ("f", "float32"), ("d", "float64")],
)  # fmt: skip
def test_constructors(prefix, dtype):
    kinds = {"scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False),
             "col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4}  # fmt: skip
    for kind, pattern in kinds.items():
        v = getattr(T, prefix + kind)("v")
        assert (v.name, v.dtype, v.ndim, v.broadcastable) == ("v", dtype, len(pattern), pattern)


def test_plurals_and_types():
    assert [v.name for v in T.dscalars("x", "y")] == ["x", "y"]
    assert [v.name for v in T.dmatrices("a b c")] == ["a", "b", "c"]
    assert len(T.fvectors(3)) == 3
    x = T.TensorType("float32", (False, True))("x")
    assert repr(x.type) == "TensorType(float32, col)" and x.type == T.fcol().type
    assert (repr(x), repr(T.dscalar())) == ("x", "<TensorType(float64, scalar)>")
    assert repr(T.vector("v", dtype="int8").type) == "TensorType(int8, vector)"
    assert repr(T.dscalar("x") * 2) == "mul.0"
    with pytest.raises(AttributeError, match="complex"):
        _ = T.zmatrix
    with pytest.raises(AttributeError, match="qscalar"):
        _ = T.qscalar


def test_identity_truth_and_iteration():
    x, y = T.dvectors("x", "y")
    assert x == x and x != y and len({x: 1, y: 2}) == 2
    with pytest.raises(TypeError, match="truth value"):
        bool(x > 0)
    with pytest.raises(TypeError, match="length is not known"):
        list(x)
    with pytest.raises(TypeError, match="length is not known"):
        len(x)
    with pytest.raises(TypeError, match="symbolic"):
        float(T.dscalar())
    assert [pp(v) for v in T.constant([1.0, 2.0])] == ["[1., 2.][0]", "[1., 2.][1]"]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [("iscalar", 2, "int32"), ("iscalar", 2.0, "float64"), ("fscalar", 2, "float32"),
     ("fscalar", 2.5, "float32"), ("fscalar", "dscalar", "float64"),
     ("iscalar", "fscalar", "float64"), ("bscalar", "wscalar", "int16"),
     ("fscalar", np.float64(2), "float64")],
)  # fmt: skip
def test_dtypes_of_arithmetic(left, right, expected):
    x = getattr(T, left)("x")
    y = getattr(T, right)("y") if isinstance(right, str) else right
    assert (x + y).dtype == (y * x).dtype == expected
    assert (x > y).dtype == "bool"


def test_dtypes_of_functions():
    i, f, x = T.iscalar("i"), T.fscalar("f"), T.dscalar("x")
    assert (i / 2).dtype == (i / i).dtype == T.exp(i).dtype == "float64"
    assert (f / 2).dtype == T.exp(f).dtype == "float32"
    assert (i**3).dtype == "int32" and (i**2.0).dtype == "float64"
    assert T.sum(T.ivector()).dtype == "int64" and T.mean(T.ivector()).dtype == "float64"
    assert T.cast(x, "int8").dtype == "int8" and x.astype("float64") is x
    with pytest.raises(DTypeError, match="negative"):
        i**-1
    with pytest.raises(OverflowError, match="300"):
        T.bscalar() + 300
    np.testing.assert_array_equal((i**5 - i**0).eval({i: 3}), 242)


def test_numpy_operands_and_unknown_ones():
    x = T.dvector("x")
    np.testing.assert_array_equal((np.arange(3.0) * x).eval({x: [1, 2, 3]}), [0, 2, 6])
    np.testing.assert_array_equal(([1.0, 2.0] - x).eval({x: [1, 1]}), [0, 1])
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "a"
    for odd in ("a", None, 1j):
        with pytest.raises(TypeError, match="Cannot convert") as err:
            T.exp(odd)
        assert here(-1) in str(err.value)


# -- operations against NumPy ---------------------------------------------------------------------

A = np.array([[0.5, -1.25, 2.25], [1.5, 0.25, -0.75]])
V = np.array([0.6, -2.0, 1.0])


def log_softmax(m):
    return m - np.log(np.exp(m).sum(1, keepdims=True))


def crossentropies(m, v):
    logs = log_softmax(m)
    by_class, by_weight = logs[[0, 1], [2, 0]], (np.exp(logs) * logs).sum(1)
    return np.log1p(np.exp(m)) - m / (1 + np.exp(-v)) + (by_class - by_weight)[:, None]


CASES = {
    "arithmetic": (
        lambda m, v: (m + v) * 2 - v / (1 + m * m),
        lambda m, v: (m + v) * 2 - v / (1 + m * m),
    ),
    "dot": (lambda m, v: T.dot(m, v) @ m, lambda m, v: m @ v @ m),
    "dot matrices": (lambda m, v: T.dot(m, m.T), lambda m, v: m @ m.T),
    "reductions": (
        lambda m, v: m.sum(axis=0) + m.mean(axis=0) + m.max(0) * m.min(0) + m.var(0) + m.std(0),
        lambda m, v: m.sum(0) + m.mean(0) + m.max(0) * m.min(0) + m.var(0) + m.std(0),
    ),
    "keepdims": (
        lambda m, v: m / m.sum(axis=-1, keepdims=True),
        lambda m, v: m / m.sum(-1, keepdims=True),
    ),
    "indices": (
        lambda m, v: m[1:, 0] + m[0, -1] + v[::2].sum() + m[..., None, 1][0],
        lambda m, v: m[1:, 0] + m[0, -1] + v[::2].sum() + m[..., None, 1][0],
    ),
    "reversed": (lambda m, v: v[::-1] - v[::-2].sum(), lambda m, v: v[::-1] - v[::-2].sum()),
    "take": (lambda m, v: m[:, [2, 0, -1, 2]], lambda m, v: m[:, [2, 0, -1, 2]]),
    "take elements": (
        lambda m, v: (
            m[T.arange(m.shape[0]), [2, -1]]
            + m[[[0], [1]], [2, 0]].sum(axis=1)
            + T.outer(m[:, 0], m[1])[None, [1, 0], [2, 1], None][0, :, 0]
        ),
        lambda m, v: (
            m[np.arange(2), [2, -1]]
            + m[[[0], [1]], [2, 0]].sum(1)
            + np.outer(m[:, 0], m[1])[[1, 0], [2, 1]]
        ),
    ),
    "reshape": (
        lambda m, v: m.reshape((3, -1)) + m.flatten().reshape((m.shape[1], 2)),
        lambda m, v: m.reshape(3, -1) + m.reshape(3, 2),
    ),
    "dimshuffle": (lambda m, v: v.dimshuffle(0, "x") * m.T, lambda m, v: v[:, None] * m.T),
    "joins": (
        lambda m, v: T.concatenate([m, T.stack([v, v * 2])], axis=0),
        lambda m, v: np.concatenate([m, np.stack([v, v * 2])]),
    ),
    "choices": (
        lambda m, v: T.switch(m > v, m, -v) + T.maximum(m, 0) + T.clip(v, -1, 0.5),
        lambda m, v: np.where(m > v, m, -v) + np.maximum(m, 0) + np.clip(v, -1, 0.5),
    ),
    "relu": (
        lambda m, v: T.nnet.relu(m, 0.1) * T.nnet.relu(v),
        lambda m, v: np.where(m > 0, m, m * 0.1) * np.maximum(v, 0),
    ),
    "functions": (
        lambda m, v: T.sin(m) * T.cos(v) + T.tanh(m) + T.sqrt(T.sqr(m)) + T.log1p(abs(v)),
        lambda m, v: np.sin(m) * np.cos(v) + np.tanh(m) + abs(m) + np.log1p(abs(v)),
    ),
    "more functions": (
        lambda m, v: T.expm1(m) + T.sgn(v) + abs(v) ** m + T.logaddexp(m, v) + T.floor(m),
        lambda m, v: np.expm1(m) + np.sign(v) + abs(v) ** m + np.logaddexp(m, v) + np.floor(m),
    ),
    "erf and tan": (
        lambda m, v: T.tan(m / 2) + T.erf(v),
        lambda m, v: np.tan(m / 2) + [math.erf(a) for a in v],
    ),
    "crossentropies": (
        lambda m, v: (
            T.nnet.binary_crossentropy(T.nnet.sigmoid(m), T.nnet.sigmoid(v))
            - T.nnet.categorical_crossentropy(T.nnet.softmax(m), [2, 0])[:, None]
            + T.nnet.categorical_crossentropy(T.nnet.softmax(m), T.nnet.softmax(m))[:, None]
        ),
        crossentropies,
    ),
    "softmax": (
        lambda m, v: T.nnet.softmax(m) + T.logsumexp(m, axis=1, keepdims=True),
        lambda m, v: (
            np.exp(m) / np.exp(m).sum(1, keepdims=True) + np.log(np.exp(m).sum(1, keepdims=True))
        ),
    ),
    "nnet": (
        lambda m, v: T.nnet.sigmoid(v) + T.nnet.softplus(m) + T.nnet.logsoftmax(m),
        lambda m, v: (
            1 / (1 + np.exp(-v)) + np.log1p(np.exp(m)) + m - np.log(np.exp(m).sum(1, keepdims=True))
        ),
    ),
    "cumsum": (
        lambda m, v: T.cumsum(m, axis=1) + T.cumsum(v),
        lambda m, v: np.cumsum(m, 1) + np.cumsum(v),
    ),
    "sources": (
        lambda m, v: T.zeros_like(m) + T.ones_like(v) * v + T.fill(v, 3.0) + T.ones((2, 1)),
        lambda m, v: np.zeros_like(m) + v + 3 + 1,
    ),
    "arange": (lambda m, v: T.arange(v.shape[0]) * v, lambda m, v: np.arange(3) * v),
    "logic": (
        lambda m, v: (T.any(m > 1, axis=0) & ~T.all(m > 0, axis=0)) | T.eq(v, 1),
        lambda m, v: ((m > 1).any(0) & ~(m > 0).all(0)) | (v == 1),
    ),
    "extremes": (
        lambda m, v: T.argmax(m, axis=1) + T.argmin(m) + T.argmin(T.cast(v, "int8")),
        lambda m, v: m.argmax(1) + m.argmin() + v.astype("int8").argmin(),
    ),
}


@both
@pytest.mark.parametrize("name", CASES)
def test_operations(name, mode):
    m, v = T.dmatrix("m"), T.dvector("v")
    symbolic, plain = CASES[name]
    f = function([m, v], symbolic(m, v), mode=mode, on_unused_input="ignore")
    expected = plain(A, V)
    got = f(A, V)
    assert got.shape == np.shape(expected) and got.dtype.kind == np.asarray(expected).dtype.kind
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("logic", "extremes")])
def test_gradients_of_operations(name):
    m, v = T.dmatrix("m"), T.dvector("v")
    out = T.sum(T.sin(CASES[name][0](m, v)))
    grads = T.grad(out, [m, v], disconnected_inputs="ignore")
    f = function([m, v], [out, *grads], on_unused_input="ignore", mode=SLOW)
    found = f(A, V)[1:]
    for k, at in enumerate((A, V)):
        for i in np.ndindex(at.shape):
            args = [A.copy(), V.copy()]
            step = 1e-6
            args[k][i] += step
            high = f(*args)[0]
            args[k][i] -= 2 * step
            assert (high - f(*args)[0]) / (2 * step) == pytest.approx(found[k][i], abs=2e-7)


# -- broadcasting and shapes ----------------------------------------------------------------------


@both
def test_known_ones_broadcast(mode):
    r, c, m = T.row("r"), T.col("c"), T.matrix("m")
    f = function([r, c, m], r * c + m, mode=mode)
    np.testing.assert_array_equal(f([[1, 2]], [[3], [4]], np.ones((2, 2))), [[4, 7], [5, 9]])
    with pytest.raises(ShapeError, match=r'"r" .*\(2, 2\).*axis 0 is broadcastable'):
        f(np.ones((2, 2)), [[3], [4]], np.ones((2, 2)))


@both
def test_unknown_dims_do_not_broadcast(mode):
    x, y = T.dmatrix("x"), T.dvector("y")
    f = function([x, y], T.exp(x) * y, mode=mode)
    line = here(-1)
    assert f(np.ones((2, 3)), np.ones(3)).shape == (2, 3)
    for size in (1, 4):
        with pytest.raises(ValueError) as err:
            f(np.ones((2, 3)), np.ones(size))
        text = str(err.value)
        assert (
            f"Input dimension mis-match. (input[0].shape[1] = 3, input[1].shape[0] = {size})"
            in text
        )
        assert f"exp(x) has shape (2, 3); y has shape ({size},)" in text and line in text


def test_shapes_known_to_differ_fail_at_once():
    with pytest.raises(ShapeError, match=r"shape\[0\] = 2, input\[1\].shape\[0\] = 3") as err:
        T.constant([1.0, 2.0]) + np.ones(3)
    assert here(-1) in str(err.value)


@both
def test_checks_at_a_call(mode):
    m = T.dmatrix("m")
    f = function([m], [m[1:, 0], m[2, 0], m[:4]], mode=mode)  # slices are clipped, ints are not
    np.testing.assert_array_equal(f(np.eye(3))[2], np.eye(3))
    with pytest.raises(IndexError, match=r"Shape\(m\)\[0\] is 2") as err:
        f(np.eye(2))
    assert "m has shape (2, 2)" in str(err.value) and "test_symbolic.py" in str(err.value)
    g = function([m], m.reshape((2, -1)), mode=mode)
    assert g(np.ones((3, 4))).shape == (2, 6)
    with pytest.raises(ShapeError, match="numbers of elements differ"):
        g(np.ones((3, 3)))
    h = function([m], T.concatenate([m, m.T]), mode=mode)
    assert h(np.ones((2, 2))).shape == (4, 2)
    with pytest.raises(ShapeError, match=r"m has shape \(2, 3\); m.T has shape \(3, 2\)"):
        h(np.ones((2, 3)))
    with pytest.raises(IndexError, match="too many indices"):
        m[0, 0, 0]
    with pytest.raises(TypeError, match=r"T\.switch"):
        m[True]


@both
def test_integer_indices(mode):
    v, i = T.dvector("v"), T.lvector("i")
    f = function([v, i], [v[i], T.grad(T.sum(v[i] ** 2), v)], mode=mode)
    taken, g = f([1, 2, 3], [0, -1, 0])
    np.testing.assert_array_equal(taken, [1, 3, 1])
    np.testing.assert_array_equal(g, [4, 0, 6])
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        f([1, 2, 3], [3])
    m, k = T.dmatrix("m"), T.lvector("k")
    g = function([m, i, k], [m[i, k], T.grad(T.sum(m[i, k] ** 2), m)], mode=mode)
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    taken, slope = g(a, [0, 1, 0], [2, -3, 2])
    np.testing.assert_array_equal(taken, [3, 4, 3])
    np.testing.assert_array_equal(slope, [[0, 0, 12], [8, 0, 0]])
    for row, column, message in ((2, 0, "index 2"), (0, 3, "index 3"), (0, -4, "index -4")):
        with pytest.raises(IndexError, match=message):
            g(a, [row], [column])
    with pytest.raises(ShapeError, match=r"in index: i has shape \(2,\); k has shape \(3,\)"):
        g(a, [0, 1], [0, 1, 2])
    t = T.tensor3("t")
    f = function([t, i, k], t[i, :, k], mode=mode)
    a = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(f(a, [0, 1], [3, -1]), a[[0, 1], :, [3, -1]])


def test_sizes():
    m, v = T.dmatrix("m"), T.dvector("v")
    n, k = m.shape
    f = function([m], [m.shape, n * k + 1, m.size // 4, m.shape[1:], T.zeros((k, n)).shape])
    got = f(np.ones((2, 5)))
    for a, b in zip(got, ([2, 5], 11, 2, [5], [5, 2])):
        np.testing.assert_array_equal(a, b)
    assert pp(n * 2) == "2*Shape(m)[0]"
    # an input of which only the shape counts is used
    assert function([v], T.zeros(v.shape))([1, 2]).shape == (2,)
    with pytest.raises(MissingInputError, match="the shape of v is needed"):
        function([m], m + v.shape[0])


# -- printing -------------------------------------------------------------------------------------


def test_pp():
    x, w, b = T.dmatrix("x"), T.dvector("w"), T.dscalar("b")
    p = 1 / (1 + T.exp(-T.dot(x, w) - b))
    assert pp(p) == "(1 / (1 + exp(((-(x \\dot w)) - b))))"
    assert pp(p > 0.5) == "gt((1 / (1 + exp(((-(x \\dot w)) - b)))), 0.5)"
    assert pp(T.sum(x)) == "sum(x)" and pp(x.sum(axis=0)) == "sum(x, axis=(0,))"
    assert pp(x.T + 1.0) == "(x.T + 1.0)" and pp(w.dimshuffle("x", 0) * x) == "(w * x)"
    assert pp(T.switch(x > 0, x, 0)) == "switch(gt(x, 0), x, 0)"
    assert pp(T.dscalar()) == "<f64>"


def test_pp_of_indices():
    m, i = T.dmatrix("m"), T.lvector("i")
    assert pp(m[0]) == "m[0]" and pp(m[:, 1]) == "m[:, 1]" and pp(m[1, 2]) == "m[1, 2]"
    assert pp(m[-1]) == "m[-1]"
    assert pp(m[1:, 0]) == "m[1:, 0]"
    assert pp(m[i]) == "m[i]" and pp(m[:, i]) == "m[:, i]"


def test_arange_of_numbers():
    for args in ((4,), (1, 4), (0, 1, 0.25), (5, 0, -2), (0.5, 3), (0, 10, 3)):
        got, want = T.arange(*args).eval(), np.arange(*args)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    assert T.arange(3, dtype="float32").eval().dtype == np.float32


def test_debugprint():
    x = T.dscalar("x")
    y = T.exp(x)
    expected = """mul [id A]
 ├─ exp [id B]
 │  └─ x [id C]
 └─ exp [id B]
    └─ ···"""
    assert T.debugprint(y * y, file="str") == expected
    f = function([x], 2 * x)
    assert T.debugprint(f, file="str", print_type=True).startswith("mul [id A] <f64>")
