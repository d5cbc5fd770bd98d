"""`ifelse`: only the branch that is taken is computed, and only its gradient."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, scan, shared
from jitgrad.ifelse import ifelse
from jitgrad.tensor import grad

MODES = ["FAST_RUN", "FAST_COMPILE"]


@pytest.mark.parametrize("mode", MODES)
def test_the_branch_that_is_not_taken_raises_nothing(mode: str) -> None:
    c, i, x, y = T.lscalar("c"), T.lscalar("i"), T.dvector("x"), T.dvector("y")
    out = ifelse(c, x[i] * 2 + T.exp(x).sum(), T.mean(y))
    f = function([c, i, x, y], out, mode=mode)
    assert f(0, 99, [1.0], [2.0, 4.0]) == 3.0
    assert f(1, 0, [0.0], [2.0]) == 1.0
    with pytest.raises(IndexError):
        f(1, 99, [1.0], [2.0])


@pytest.mark.parametrize("mode", MODES)
def test_nor_does_its_gradient(mode: str) -> None:
    c, i, x = T.bscalar("c"), T.lscalar("i"), T.dvector("x")
    y = ifelse(c, (x[i] ** 2) * x.sum(), T.log(x).sum())
    f = function([c, i, x], [y, grad(y, x)], mode=mode)
    value, g = f(0, 99, [1.0, 4.0])
    assert np.isclose(value, np.log(4)) and np.allclose(g, [1, 0.25])
    value, g = f(1, 1, [0.0, 3.0])  # log(0) has an infinite derivative: not here
    assert value == 27 and np.array_equal(g, [9, 27])
    with pytest.raises(IndexError):
        f(1, 99, [1.0, 4.0])


def test_second_derivatives_are_lazy_too() -> None:
    c, i, x = T.bscalar("c"), T.lscalar("i"), T.dvector("x")
    y = ifelse(c, x[i] ** 3, T.sqrt(x).sum())
    h = grad(grad(y, x).sum(), x)
    f = function([c, i, x], h)
    assert np.allclose(f(0, 99, [1.0, 4.0]), [-0.25, -1 / 32])
    assert np.array_equal(f(1, 1, [0.0, 2.0]), [0, 12])


def test_what_both_need_is_computed_once_and_what_others_need_outside() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    common, one, other = T.exp(x), T.sin(x), T.cos(x)
    y = ifelse(c, common * one, common * other)
    f = function([c, x], [y, other])
    fn = f.maker.compiled.optimized
    names = [op.name for op in fn.ops]
    assert names.count("exp") == 1 and "cos" in names and "sin" not in names
    v = np.array([0.3, 2.0])
    for k, g in ((0, np.cos), (1, np.sin)):
        assert np.allclose(f(k, v)[0], np.exp(v) * g(v))


def test_nested() -> None:
    a, b, i, x = T.bscalar("a"), T.bscalar("b"), T.lscalar("i"), T.dvector("x")
    deep = x[i] * 10
    y = ifelse(a, ifelse(b, deep, x.sum()), ifelse(b, x[0], deep + 1))
    f = function([a, b, i, x], [y, grad(y, x)])
    got = {(p, q): f(p, q, 1, [2.0, 3.0]) for p in (0, 1) for q in (0, 1)}
    assert [float(got[k][0]) for k in sorted(got)] == [31, 2, 5, 30]
    assert [list(got[k][1]) for k in sorted(got)] == [[0, 10], [1, 0], [1, 1], [0, 10]]
    assert f(1, 0, 99, [2.0, 3.0])[0] == 5 and f(0, 1, 99, [2.0, 3.0])[0] == 2
    for p, q in ((1, 1), (0, 0)):
        with pytest.raises(IndexError):
            f(p, q, 99, [2.0, 3.0])


def test_a_value_used_by_two_choices_stays_lazy() -> None:
    c, d, i, x = T.bscalar("c"), T.bscalar("d"), T.lscalar("i"), T.dvector("x")
    v = x[i]
    y = ifelse(c, v, x[0]) + ifelse(d, v * 2, x[0] * 2)
    f = function([c, d, i, x], y)
    assert f(0, 0, 99, [1.0, 5.0]) == 3 and f(1, 0, 1, [1.0, 5.0]) == 7
    assert f(1, 1, 1, [1.0, 5.0]) == 15


def test_several_outputs() -> None:
    c, x, y = T.dscalar("c"), T.dvector("x"), T.imatrix("y")
    u, v = ifelse(c, [x, y], [x * 2, y + 1])
    assert isinstance(ifelse(c, (x, y), (x, y)), tuple) and isinstance(ifelse(c, [x], [x]), list)
    f = function([c, x, y], [u, v])
    assert [r.tolist() for r in f(0.0, [1.0], [[1, 2]])] == [[2], [[2, 3]]]
    assert [r.tolist() for r in f(np.nan, [1.0], [[1, 2]])] == [[1], [[1, 2]]]
    assert ifelse(c, x, x, name="chosen").name == "chosen"


@pytest.mark.parametrize("mode", MODES)
def test_branches_of_different_sizes(mode: str) -> None:
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    out = ifelse(c, x * 2, y)
    f = function([c, x, y], [out, out.shape[0], grad((out**2).sum(), [x, y])[0]], mode=mode)
    for k in (0, 1):
        got = f(k, [1.0, 2.0, 3.0], [5.0])
        want = [2.0, 4, 6] if k else [5.0]
        assert np.array_equal(got[0], want) and got[1] == len(want)
        assert np.array_equal(got[2], [8.0, 16, 24] if k else [0, 0, 0])
    g = function([c, x, y], out + x, mode=mode)
    assert np.array_equal(g(1, [1.0, 2.0], [5.0]), [3, 6])
    with pytest.raises(ValueError, match="Input dimension mis-match"):
        g(0, [1.0, 2.0], [5.0])


def test_in_a_loop() -> None:
    x, h = T.dvector("x"), T.dvector("h")

    def step(v, h, x):  # type: ignore[no-untyped-def]
        return ifelse(v > 0, T.sqrt(v) * h, x - h)

    out, _ = scan(step, x, h, x)
    f = function([x, h], [out, grad(out[-1].sum(), x)])
    v, s = np.array([4.0, -1.0, 9.0]), np.array([1.0, 2.0, 3.0])
    want, state = [], s
    for a in v:
        state = np.sqrt(a) * state if a > 0 else v - state
        want.append(state)
    value, g = f(v, s)
    assert np.allclose(value, want)
    # out = 3 (x - 2 h) with 2 = sqrt(x0), 3 = sqrt(x2)
    assert np.allclose(g, [3 - 3 * 6 / 4, 3, 3 + (v - 2 * s).sum() / 6])


def test_a_loop_in_a_branch() -> None:
    c, k, x = T.bscalar("c"), T.lscalar("k"), T.dvector("x")
    i = T.lscalar("i")
    powers, _ = scan(
        lambda p, x: p * x[i], outputs_info=T.constant(1.0), non_sequences=x, n_steps=k
    )
    y = ifelse(c, powers[-1], x.sum())
    f = function([c, k, i, x], [y, grad(y, x)])
    value, g = f(1, 3, 1, [5.0, 2.0])
    assert value == 8 and np.array_equal(g, [0, 12])
    value, g = f(0, 3, 99, [5.0, 2.0])
    assert value == 7 and np.array_equal(g, [1, 1])


def test_updates_by_a_condition() -> None:
    n, c = shared(np.zeros(2), "n"), T.bscalar("c")
    f = function([c], [], updates=[(n, ifelse(c, n + 1, n))])
    for k in (1, 0, 1):
        f(k)
    assert np.array_equal(n.get_value(), [2, 2])


def test_conditions_of_all_kinds() -> None:
    x = T.dscalar("x")
    for prefix, zero, one in (("b", 0, -1), ("l", 0, 5), ("f", 0.0, 0.5), ("d", -0.0, np.inf)):
        c = getattr(T, prefix + "scalar")("c")
        f = function([c, x], ifelse(c, x, -x))
        assert f(zero, 2.0) == -2 and f(one, 2.0) == 2
    f = function([x], ifelse(True, x, -x))
    assert f(2.0) == 2


@pytest.mark.parametrize(
    ("branches", "error", "words"),
    [
        (lambda: (T.dscalar(), T.fscalar()), TypeError, "should have identical types"),
        (lambda: (T.dscalar(), T.dvector()), TypeError, "should have identical types"),
        (lambda: ([T.dscalar()], [T.dscalar()] * 2), ValueError, "same number of variables"),
        (lambda: ([T.dscalar()], T.dscalar()), ValueError, "one branch is a list"),
    ],
)
def test_branches_that_do_not_fit(branches, error, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words) as err:
        ifelse(T.bscalar(), *branches())
    assert "test_ifelse.py" in str(err.value)


def test_a_condition_is_a_scalar() -> None:
    with pytest.raises(TypeError, match=r"T\.switch"):
        ifelse(T.dvector("c"), 1.0, 2.0)


@pytest.mark.parametrize("mode", MODES)
def test_constant_indices_and_empty_axes_of_the_other_branch(mode: str) -> None:
    x, c, k = T.dvector("x"), T.bscalar("c"), T.lscalar("k")
    y = ifelse(c, x[5] + x[-3], x.sum())
    f = function([c, x], [y, grad(y, x)], mode=mode)
    value, g = f(0, [1.0, 2.0])
    assert value == 3 and np.array_equal(g, [1, 1])
    value, g = f(1, np.arange(6.0))
    assert value == 5 + 3 and np.array_equal(g, [0, 0, 0, 1, 0, 1])
    with pytest.raises(IndexError, match="out of bounds"):
        f(1, [1.0, 2.0])
    top = ifelse(T.eq(x.size, 0), T.constant(0.0), x.max())
    f = function([x], [top, grad(top, x)], mode=mode)
    assert f([])[0] == 0 and f([])[1].shape == (0,) and f([1.0, 4.0])[0] == 4
    f = function([c, x], ifelse(c, x.argmax(), T.constant(-1)), mode=mode)
    assert f(0, []) == -1 and f(1, [1.0, 2.0]) == 1
    with pytest.raises((IndexError, ValueError)):
        f(1, [])
    # inside of a loop's step
    out, _ = scan(lambda i: ifelse(i < x.size, x[0] * i, x[7]), T.arange(k))
    f = function([x, k], out, mode=mode)
    assert list(f([2.0, 3.0, 4.0], 3)) == [0, 2, 4]
    with pytest.raises(IndexError):
        f([2.0, 3.0, 4.0], 4)
