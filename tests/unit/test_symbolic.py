"""The symbolic front end: variables, dtypes, broadcasting, gradients, `function` and its errors."""

from __future__ import annotations

import inspect
import warnings

import mpmath
import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import (
    DisconnectedInputError,
    In,
    MissingInputError,
    ShapeError,
    UnusedInputError,
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
    assert [pp(v) for v in T.constant([1.0, 2.0])] == ["[1., 2.][:1]", "[1., 2.][1:]"]


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


# -- operations against NumPy ---------------------------------------------------------------------

A = np.array([[0.5, -1.25, 2.25], [1.5, 0.25, -0.75]])
V = np.array([0.6, -2.0, 1.0])
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
    f = function([m], [m[1:, 0], m[2, 0], m[:4]], mode=mode)
    with pytest.raises(IndexError, match=r"Shape\(m\)\[0\] is 2") as err:
        f(np.eye(2))
    assert "m has shape (2, 2)" in str(err.value) and "test_symbolic.py" in str(err.value)
    with pytest.raises(ShapeError, match="a slice reaches beyond"):
        f(np.eye(3))
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
        m[m > 0]


@both
def test_integer_indices(mode):
    v, i = T.dvector("v"), T.lvector("i")
    f = function([v, i], [v[i], T.grad(T.sum(v[i] ** 2), v)], mode=mode)
    taken, g = f([1, 2, 3], [0, -1, 0])
    np.testing.assert_array_equal(taken, [1, 3, 1])
    np.testing.assert_array_equal(g, [4, 0, 6])
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        f([1, 2, 3], [3])


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


# -- gradients ------------------------------------------------------------------------------------


def test_grad_answers_as_it_was_asked():
    x, y = T.dscalars("x", "y")
    c = x * y**2
    assert pp(T.grad(c, y)) == pp(T.grad(c, [x, y])[1])
    both_ = T.grad(c, (y, x))
    assert isinstance(both_, tuple) and [float(g.eval({x: 3.0, y: 2.0})) for g in both_] == [12, 4]
    assert isinstance(T.grad(c, [x]), list)


def test_cost_must_be_a_scalar():
    x = T.dvector("x")
    with pytest.raises(TypeError) as err:
        T.grad(x * 2, x)
    assert str(err.value).startswith("cost must be a scalar.") and here(-1) in str(err.value)


def test_disconnected_inputs():
    x, y = T.dvectors("x", "y")
    cost = T.sum(x)
    with pytest.raises(DisconnectedInputError, match="not part of the computational graph.*: y"):
        T.grad(cost, [x, y])
    with pytest.warns(UserWarning, match=": y"):
        g = T.grad(cost, y, disconnected_inputs="warn")
    np.testing.assert_array_equal(g.eval({y: [1, 2]}), [0, 0])
    assert T.grad(cost, y, disconnected_inputs="ignore", return_disconnected="none") is None
    with pytest.raises(DisconnectedInputError):
        T.grad(T.sum(T.disconnected_grad(y)), y)
    # steps and integers are connected, with the gradient 0
    np.testing.assert_array_equal(T.grad(T.sum(x > 0), x).eval({x: [1.0, 2.0]}), [0, 0])
    with pytest.raises(ValueError, match="'maybe'"):
        T.grad(cost, y, disconnected_inputs="maybe")


def test_integers_have_float_gradients():
    i, x = T.iscalar("i"), T.dscalar("x")
    g = T.grad(x * i + 2.5 * i, i)
    assert g.dtype == "float64"
    np.testing.assert_array_equal(g.eval({x: 2.0, i: 3}), 4.5)
    assert T.grad(i * i, i).dtype == "float64"


def test_grad_by_values_in_the_middle():
    x = T.dvector("x")
    z = T.exp(x)
    c = T.sum(z * x)
    gz, gx = function([x], T.grad(c, [z, x]))([0.0, 1.0])
    np.testing.assert_allclose(gz, [0, 1])
    np.testing.assert_allclose(gx, [1, 2 * np.e])
    # stabilized, though z lies between: log(1 + z) alone would be softplus(x)
    gz, gx = function([x], T.grad(T.sum(T.log(1 + z)), [z, x]))([0.0, 1.0])
    np.testing.assert_allclose(gz, 1 / (1 + np.exp([0, 1])))
    np.testing.assert_allclose(gx, 1 / (1 + np.exp([-0.0, -1])))
    fixed = T.grad(c, x, consider_constant=[z])
    np.testing.assert_allclose(fixed.eval({x: [0.0, 1.0]}), [1, np.e])


def test_known_grads():
    x = T.dvector("x")
    z = T.exp(x)
    g = T.grad(None, x, known_grads={z: T.ones_like(x) * 2})
    np.testing.assert_allclose(g.eval({x: [0.0, 1.0]}), [2, 2 * np.e])
    g = T.grad(T.sum(z * x), x, known_grads={z: 2.0})  # instead of what the cost gives z
    np.testing.assert_allclose(g.eval({x: [0.0, 1.0]}), [3, 3 * np.e])


def test_grads_of_any_order():
    x = T.dscalar("x")
    g = T.sin(x)
    for _ in range(5):
        g = T.grad(g, x)
    np.testing.assert_allclose(g.eval({x: 0.3}), np.cos(0.3), rtol=1e-14)


def test_names_of_gradients():
    x = T.dscalar("x")
    y = x**2
    y.name = "y"
    assert T.grad(y, x).name == "(dy/dx)" and T.grad(y, x, add_names=False).name is None


@both
def test_a_thousand_inputs(mode):
    xs = T.dscalars(1000)
    cost = sum(k * x**2 for k, x in enumerate(xs))
    f = function(xs, T.grad(cost, xs), mode=mode, on_unused_input="ignore")
    np.testing.assert_array_equal(f(*range(1000)), [2.0 * k * k for k in range(1000)])


def test_ten_thousand_ops_need_no_recursion():
    x = T.dscalar("x")
    y = x
    for _ in range(5000):
        y = T.sin(y) + 1
    f = function([x], [y, T.grad(y, x)], mode=SLOW)
    value, slope = 0.5, 1.0
    for _ in range(5000):
        value, slope = np.sin(value) + 1, slope * np.cos(value)
    np.testing.assert_allclose(f(0.5), [value, slope])
    assert pp(y).startswith("(sin((sin(") and len(pp(y)) > 40_000


# -- stability: naive formulas, exact answers -----------------------------------------------------


def ulps(got, exact):
    exact = mpmath.mpf(exact)
    if not np.isfinite(got):
        return 0.0 if mpmath.isinf(exact) and got == float(exact) else np.inf
    unit = mpmath.mpf(float(np.spacing(abs(float(exact)))))
    return float(abs(mpmath.mpf(float(got)) - exact) / unit)


@both
def test_sum_of_logistics(mode):
    v = T.dvector("v")
    s = T.sum(1 / (1 + T.exp(-v)))
    f = function([v], [s, T.grad(s, v)], mode=mode)
    at = np.linspace(-700, 700, 501)
    got = f(at)[1]
    with mpmath.workdps(40):
        for x, g in zip(at, got):
            e = mpmath.exp(-mpmath.mpf(x))
            assert ulps(g, e / (1 + e) ** 2) <= 4, x
    value, far = f([-1e4, 1e4, -800.0, 800.0])
    assert value == 2 and np.isfinite(far).all()


@both
def test_log_of_one_plus_exp(mode):
    x = T.dscalar("x")
    y = T.log(1 + T.exp(x))
    f = function([x], [y, T.grad(y, x), T.grad(T.grad(y, x), x)], mode=mode)
    with mpmath.workdps(40):
        for at in (-1000.0, -40.0, -1.0, 0.0, 2.0, 40.0, 1000.0):
            e = mpmath.exp(-mpmath.mpf(at))
            exact = (mpmath.log(1 + 1 / e), 1 / (1 + e), e / (1 + e) ** 2)
            for got, want in zip(f(at), exact):
                assert ulps(got, want) <= 4 or abs(want) < 1e-308
    assert pp(f.maker.fgraph.outputs[0]) == "softplus(x)"


@both
def test_log_of_a_sum_of_exps(mode):
    v = T.dvector("v")
    y = T.log(T.sum(T.exp(v)))
    f = function([v], [y, T.grad(y, v)], mode=mode)
    value, g = f([1e4, 1e4 - 1, -1e4])
    e = np.exp(-1.0)
    np.testing.assert_allclose(value, 1e4 + np.log1p(e), rtol=1e-15)
    np.testing.assert_allclose(g, [1 / (1 + e), e / (1 + e), 0], rtol=1e-15)
    assert f([-np.inf, -np.inf])[0] == -np.inf


@both
def test_log_of_softmax(mode):
    m = T.dmatrix("m")
    for p in (T.nnet.softmax(m), T.exp(m) / T.exp(m).sum(axis=1, keepdims=True)):
        out = T.log(p)
        f = function([m], [out, T.grad(T.sum(out[:, 0]), m)], mode=mode)
        value, g = f([[1000.0, 0.0, -1000.0], [-1e4, 1e4, 0.0]])
        np.testing.assert_array_equal(value, [[0, -1000, -2000], [-2e4, 0, -1e4]])
        np.testing.assert_array_equal(g, [[0, 0, 0], [1, -1, 0]])


# -- function -------------------------------------------------------------------------------------


@both
def test_forms_of_results(mode):
    x = T.dscalar("x")
    assert repr(function([x], x + 1, mode=mode)(2)) == "array(3.)"
    assert function([x], [x + 1], mode=mode)(2) == [3]
    assert function([x], {"a": x, "b": x * 2}, mode=mode)(2) == {"a": 2, "b": 4}
    assert function([x], None, mode=mode, on_unused_input="ignore")(2) is None
    assert function([], T.constant(2.0) * 3, mode=mode)() == 6
    a = np.ones(3)
    v = T.dvector("v")
    assert function([v], v, mode=mode)(a) is not a


@both
def test_calls_by_name_and_defaults(mode):
    x, y = T.dscalars("x", "y")
    f = function([x, In(y, value=10.0, name="why")], x - y, mode=mode, name="minus")
    assert (f(1), f(1, 2), f(1, why=3), f(why=1, x=2)) == (-9, -1, -2, 1)
    for args, named, message in (
        ((), {}, "Missing required input: x"),
        ((1, 2, 3), {}, "minus takes 2 inputs, not 3: x, why"),
        ((1,), {"z": 2}, "no input named 'z'"),
        ((1,), {"x": 2}, "two values for its input 'x'"),
    ):
        with pytest.raises(TypeError, match=message):
            f(*args, **named)


@both
def test_arrays_of_every_kind(mode):
    m = T.dmatrix("m")
    g = function([m], m * 2, mode=mode)
    base = np.arange(12.0).reshape(3, 4)
    frozen = base.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + base.tobytes(), offset=1, dtype=float).reshape(3, 4)
    for a in (base, base.T, base[::-1], base[:, ::2], base[::2, ::-1], base.astype(">f8"), frozen,
              base.astype("f4"), base.astype("i2"), base > 3, base[:0], unaligned,
              base.tolist()):  # fmt: skip
        np.testing.assert_array_equal(g(a), np.asarray(a) * 2.0)
    s = T.dscalar("s")
    h = function([s], s + 1, mode=mode)
    for one in (1, 1.0, True, np.float64(1), np.int8(1), np.array(1), np.array(1.0, ">f8")):
        assert h(one) == 2
    b, i, x = T.TensorType("bool", (False,))("b"), T.lvector("i"), T.fvector("x")
    k = function([b, i, x], T.switch(b, i, 0) + x, mode=mode)
    got = k([True, False], np.array([1, 2], "i4"), [0.5, 1.5])
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, [1.5, 1.5])


@both
def test_arguments_that_do_not_fit(mode):
    m, i, f = T.dmatrix("m"), T.lscalar("i"), T.fvector("f")
    made = here(-1)
    call = function([m, i, f], T.sum(m) * i + T.sum(f), mode=mode, name="call")
    ok = (np.eye(2), 1, np.ones(1, "f4"))
    call(*ok)
    for k, value, kind, message in (
        (0, [1.0, 2.0], ShapeError, r'"m" to call at index 0.*expected 2, got 1 with shape \(2,\)'),
        (0, 1j * np.eye(2), TypeError, '"m".*expected float64, got complex128'),
        (0, [["a"]], TypeError, '"m".*expected float64'),
        (0, m, TypeError, '"m".*found a variable'),
        (1, 1.5, TypeError, '"i" to call at index 1.*expected int64, got float64'),
        (2, np.ones(1), TypeError, '"f".*expected float32, got float64'),
        (2, [0.1], TypeError, '"f".*expected float32, got float64'),
    ):
        args = list(ok)
        args[k] = value
        with pytest.raises(kind, match=message) as err:
            call(*args)
        assert made in str(err.value)
    loose = function([i], i * 2, mode=mode, allow_input_downcast=True)
    assert loose(2.7) == 4
    s = T.fscalar("s")
    assert function([s], s, mode=mode)(0.1) == np.float32(0.1)
    with pytest.raises(TypeError):
        function([s], s, mode=mode, allow_input_downcast=False)(0.1)


def test_missing_unused_and_double_inputs():
    x, y = T.dscalars("x", "y")
    z = T.exp(y)
    line = here(-1)
    with pytest.raises(MissingInputError, match="Input y .*used to compute exp") as err:
        function([x], x + z)
    assert line in str(err.value)
    with pytest.raises(UnusedInputError, match="index 1 is not part.*: y"):
        function([x, y], x + 1)
    with pytest.warns(UserWarning, match=": y"):
        function([x, y], x + 1, on_unused_input="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function([x, y], x + 1, on_unused_input="ignore")(1, 2) == 2
    with pytest.raises(UnusedInputError, match="x is used twice in inputs, at indices 0 and 1"):
        function([x, x], x)
    with pytest.raises(TypeError, match="inputs is a list"):
        function(x, x)
    with pytest.raises(TypeError, match="Unknown parameter type: int"):
        function([1], x)
    with pytest.raises(TypeError, match="Outputs must be variables, not float"):
        function([x], 1.0)
    with pytest.raises(ValueError, match="mode 'FAST'"):
        function([x], x, mode="FAST")


@both
def test_givens_and_inputs_in_the_middle(mode):
    x, y = T.dvectors("x", "y")
    c = T.sum(T.exp(x) * y)
    f = function([x], [c, T.grad(c, x)], givens={y: x * 2}, mode=mode)
    value, g = f([1.0, 2.0])
    np.testing.assert_allclose(value, np.sum(np.exp([1, 2]) * [2, 4]))
    np.testing.assert_allclose(g, np.exp([1, 2]) * [2, 4])
    z = T.exp(x)
    h = function([x, z], T.grad(T.sum(z * x), x), mode=mode)  # z is whatever the call says
    np.testing.assert_allclose(h([1.0, 2.0], [0.0, 5.0]), [0, 15])
    swap = function([x, y], x - y, givens=[(x, y), (y, x)], mode=mode)
    np.testing.assert_array_equal(swap([1.0], [3.0]), [2])
    with pytest.raises(TypeError, match="givens: y of"):
        function([x], c, givens={y: T.dmatrix("z")})


def test_eval():
    x, y = T.dscalars("x", "y")
    z = x + 2 * y
    assert z.eval({x: 1.0, y: 2.0}) == 5
    assert z.eval({y: 2.0, x: 1.0}) == 5
    assert T.constant(3).eval() == 3
    with pytest.raises(TypeError, match="dict of variables"):
        z.eval({"x": 1.0})


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
