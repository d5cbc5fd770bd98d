"""`function`: forms of inputs and results, conversions, every error with names and lines."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import (
    In,
    MissingInputError,
    ShapeError,
    UnusedInputError,
    function,
)
from jitgrad.ir.parser import parse_function
from jitgrad.ir.printer import format_function

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])


def here(offset=0):
    """The text by which an error names the caller's line."""
    frame = inspect.currentframe().f_back
    return f'"{frame.f_code.co_filename}", line {frame.f_lineno + offset}'


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
    part = x[1:]
    with pytest.raises(TypeError, match=r"computed from another variable's, Shape\(x\)\[0\] - "):
        function([part], part * 2, mode=mode)
    with pytest.raises(TypeError, match="givens: y of"):
        function([x], c, givens={y: T.dmatrix("z")})


def test_eval():
    x, y = T.dscalars("x", "y")
    z = x + 2 * y
    assert z.eval({x: 1.0, y: 2.0}) == 5
    assert z.eval({y: 2.0, x: 1.0}) == 5
    assert T.constant(3).eval() == 3
    assert z.eval({"x": 1.0, "y": 2.0}) == 5
    with pytest.raises(TypeError, match="dict of variables"):
        z.eval({3: 1.0})
    with pytest.raises(ValueError, match="no variable named 'w'"):
        z.eval({"w": 1.0})


def test_any_name_will_do():
    x, twin, u = T.dscalar("x"), T.dscalar("x"), T.dscalar()
    y = T.exp(x) * twin + u
    y.name = "my cost"
    f = function([x, twin, u], [y, T.grad(y, x)], name="a b")
    assert [float(v) for v in f(0.0, 2.0, 3.0)] == [5, 2]
    for stage in ("trace", "optimized"):
        text = f.maker.compiled.ir(stage)
        assert format_function(parse_function(text)) == text
    assert f.name == f.__name__ == "a b"
