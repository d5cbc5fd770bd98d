"""`Print`: values shown by compiled code and by the interpreter."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, pp, scan, shared
from jitgrad import gradient as G
from jitgrad.ifelse import ifelse
from jitgrad.printing import Print

MODES = ["FAST_RUN", "FAST_COMPILE"]
both = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def said(capsys):
    """The lines that were printed since the last time."""
    return lambda: capsys.readouterr().out.splitlines()


@both
def test_the_value_is_shown_and_passed_on(mode, said):
    x = T.dvector("x")
    f = function([x], Print("hello")(x * 2) + 1, mode=mode)
    np.testing.assert_array_equal(f([1.0, 2.0]), [3, 5])
    assert said() == ["hello __str__ = [2. 4.]"]
    assert f([]).shape == (0,) and said() == ["hello __str__ = []"]


@both
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64"]
)
def test_every_dtype_and_shape(mode, dtype, said):
    for shape in ((), (2,), (2, 3), (0, 2), (1, 2, 2)):
        x = T.TensorType(dtype, (False,) * len(shape))("x")
        f = function([x], Print("x", attrs=["__str__", "dtype", "shape"])(x), mode=mode)
        value = np.ones(shape, dtype)
        np.testing.assert_array_equal(f(value), value)
        text, kind, size = "\n".join(said()).rsplit("\nx ", 2)
        assert text == f"x __str__ = {value}"
        assert (kind, size) == (f"dtype = {dtype}", f"shape = {shape}")


@both
def test_any_layout(mode, said):
    x = T.dmatrix("x")
    f = function([x], Print("x")(x) * 2, mode=mode)
    a = np.arange(6.0).reshape(2, 3)
    big = np.arange(90_000.0).reshape(300, 300)
    for value in (a, a.T, a[::-1, ::2], np.asfortranarray(a), big, big.T, big[::2, ::-1]):
        np.testing.assert_array_equal(f(value), value * 2)
        assert said() == f"x __str__ = {value}".splitlines()


@both
def test_attributes_are_called_where_they_can_be(mode, said):
    x = T.dvector("x")
    f = function([x], Print("of x", attrs=("shape", "sum", "ndim"))(x), mode=mode)
    f([1.0, 2.0])
    assert said() == ["of x shape = (2,)", "of x sum = 3.0", "of x ndim = 1"]
    f = function([x], Print(attrs=())(x), mode=mode)
    f([1.0])
    assert said() == []


@both
def test_only_what_is_needed_is_shown(mode, said):
    x = T.dvector("x")
    shown = Print("x")(x)
    function([x], x * 2, mode=mode)([1.0])
    function([x], shown.shape[0], mode=mode)([1.0])
    assert said() == []
    function([x], [shown, shown * 2, T.exp(shown)], mode=mode)([1.0])
    assert said() == ["x __str__ = [1.]"]
    cost = (Print("in the cost")(x) ** 2).sum()
    f = function([x], T.grad(cost, x), mode=mode)
    np.testing.assert_array_equal(f([3.0]), [6])
    assert said() == ["in the cost __str__ = [3.]"]


@both
def test_constants_are_shown_by_calls_not_by_the_compiler(mode, said):
    f = function([], Print("c")(T.constant([1.0, 2.0])) * 2, mode=mode)
    assert said() == []
    f(), f()
    assert said() == ["c __str__ = [1. 2.]"] * 2


@both
def test_derivatives_pass(mode, said):
    x, v = T.dvectors("x", "v")
    y = Print("y")(x**2)
    outs = [
        T.grad(y.sum(), x),
        G.Rop(y, x, v),
        G.jacobian(y, x),
        T.grad(T.grad(y.sum(), x).sum(), x),
    ]
    got = function([x, v], outs, mode=mode, on_unused_input="ignore")([1.0, 2.0], [1.0, 10.0])
    for a, want in zip(got, ([2, 4], [2, 40], np.diag([2, 4]), [2, 2])):
        np.testing.assert_array_equal(a, want)


@both
def test_in_loops_and_branches(mode, said):
    x, s = T.dvector("x"), T.dscalar("s")
    out, _ = scan(lambda a, h: Print("h")(h + a), sequences=x, outputs_info=s)
    f = function([x, s], out[-1], mode=mode)
    assert f([1.0, 2.0], 0.5) == 3.5 and said() == ["h __str__ = 1.5", "h __str__ = 3.5"]
    g = function([s], ifelse(s > 0, Print("yes")(s * 2), Print("no")(s)), mode=mode)
    assert g(1.0) == 2 and said() == ["yes __str__ = 2.0"]
    assert g(-1.0) == -1 and said() == ["no __str__ = -1.0"]


@both
def test_updates(mode, said):
    x, total = T.dscalar("x"), shared(0.0, "total")
    f = function([x], [], updates=[(total, Print("total")(total + x))], mode=mode)
    f(1.0), f(2.0)
    assert total.get_value() == 3 and said() == ["total __str__ = 1.0", "total __str__ = 3.0"]


@both
def test_a_function_of_ones_own(mode, said):
    x = T.dvector("x")
    seen = []
    op = Print("mine", global_fn=lambda op, value: seen.append((op, value)))
    f = function([x], op(x) * 2, mode=mode)
    f([1.0, 2.0])
    assert seen[0][0] is op and seen[0][1].tolist() == [1, 2] and said() == []
    seen[0][1][0] = 7  # the array is the function's to keep
    np.testing.assert_array_equal(f([1.0, 2.0]), [2, 4])


@both
def test_what_python_raises_is_raised(mode):
    x, s = T.dvector("x"), shared(0.0)

    def stop(op, value):
        raise KeyboardInterrupt("enough")

    f = function([x], Print(global_fn=stop)(x) * 2, updates=[(s, s + 1)], mode=mode)
    for n in (3, 50_000):  # with the GIL held, and without
        with pytest.raises(KeyboardInterrupt, match="enough"):
            f(np.ones(n))
    assert s.get_value() == 0
    g = function([x], Print("x", attrs=["reshape"])(x), mode=mode)
    with pytest.raises(TypeError):
        g([1.0])


def test_a_function_may_call_itself_while_it_prints():
    x = T.dvector("x")
    depth = []

    def again(op, value):
        if len(depth) < 3:
            depth.append(len(depth))
            np.testing.assert_array_equal(f(value + 1), 2 * (value + 2))

    f = function([x], (Print(global_fn=again)(x) + 1) * 2)
    np.testing.assert_array_equal(f(np.ones(30_000)), np.full(30_000, 4.0))
    assert len(depth) == 3


def test_threads(said):
    x = T.dvector("x")
    seen = []
    f = function([x], Print(global_fn=lambda op, v: seen.append(v[0]))(x) * 2)
    results = {}

    def work(k):
        for n in (2, 40_000) * 10:
            results[k] = f(np.full(n, float(k)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(seen) == sorted([float(k) for k in range(4)] * 20)
    assert all(np.all(results[k] == 2 * k) for k in range(4))


def test_copies_and_pickles_print(said):
    x = T.dvector("x")
    f = function([x], Print("kept")(x) * 2)
    for g in (f.copy(), pickle.loads(pickle.dumps(f))):
        np.testing.assert_array_equal(g([1.0]), [2])
        assert said() == ["kept __str__ = [1.]"]


def test_how_it_looks_itself():
    x = T.dvector("x")
    y = Print("x", attrs=["shape"])(x)
    assert pp(y) == "print(x, message='x', attrs=('shape',))" and pp(Print()(x)) == "print(x)"
    assert Print("a") == Print("a") != Print("b") and hash(Print("a")) == hash(Print("a"))
    assert "message='a'" in repr(Print("a"))
    assert y.owner.op.name == "print" and y.type == x.type


def test_what_cannot_be_shown():
    with pytest.raises(AttributeError, match=r"no attribute 'colour'\n  at "):
        Print("x", attrs=["colour"])
    with pytest.raises(TypeError, match="not the string 'shape'"):
        Print("x", attrs="shape")
    with pytest.raises(TypeError):
        Print("x")("no tensor")


def test_text_that_is_not_ascii(said):
    x = T.dscalar("x")
    function([x], Print('größer "\\ \n\x00 ')(x))(1.0)
    assert "\n".join(said()).startswith('größer "\\ ')
