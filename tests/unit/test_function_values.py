"""What functions take as values, and what they say of what they do not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import MissingInputError, function, shared
from jitgrad.compile import Out
from jitgrad.tensor.shared_randomstreams import RandomStreams


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
@pytest.mark.parametrize("code", [np.longlong, np.ulonglong])
def test_long_long_is_an_int64(mode: str, code: Any) -> None:
    kind = np.dtype(code)
    x = T.TensorType(kind.name, (False,))("x")
    s = T.TensorType(kind.name, ())("s")
    f, g = function([x], 2 * x, mode=mode), function([s], 2 * s, mode=mode)
    a = np.arange(6, dtype=code)
    assert np.array_equal(f(a), 2 * a) and np.array_equal(f(a[::-2]), 2 * a[::-2])
    assert np.array_equal(f(a.astype(kind.newbyteorder())), 2 * a)
    assert g(a[3:4].reshape(())) == 6 and g(code(3)) == 6
    w = shared(a, "w", borrow=True)
    assert np.array_equal(function([], w + w, mode=mode)(), 2 * a)
    big = np.arange(100_000, dtype=code)[::-1]
    assert np.array_equal(f(big), 2 * big)


def test_traced_functions_take_long_long() -> None:
    f = jitgrad.jit(lambda a: a * 2)
    for a in (np.arange(3), np.arange(3, dtype=np.longlong), np.array(3, np.longlong)):
        assert np.array_equal(f(a), a * 2)
    big = np.arange(200_000, dtype=np.longlong)[::-2]
    assert np.array_equal(f(big), big * 2)


def test_integers_beyond_int64() -> None:
    s = T.TensorType("uint64", ())("s")
    assert function([s], s)(2**63 + 5) == 2**63 + 5


def test_masked_elements_have_no_value() -> None:
    x = T.dvector("x")
    f = function([x], 2 * x)
    a = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(TypeError, match="masked"):
        f(a)
    with pytest.raises(TypeError, match="masked"):
        shared(np.zeros(2)).set_value(a)
    assert np.array_equal(f(np.ma.array([1.0, 2.0])), [2, 4])


def test_a_missing_input_has_a_line() -> None:
    x = T.dvector("x")
    for out in (x, 2 * x, {"a": x}):
        with pytest.raises(MissingInputError, match=r"x(?s:.)*test_function_values"):
            function([], out)


def test_no_default_updates_is_checked() -> None:
    s = shared(0, "s")
    s.default_update = s + 1
    for wrong in (3, "s", s):
        with pytest.raises(TypeError, match="no_default_updates is"):
            function([], s, no_default_updates=wrong)
    f = function([], s, no_default_updates={s})
    assert f() == f() == 0


def test_eval_takes_names() -> None:
    x, y = T.dvectors("x", "y")
    z = (x * y).sum()
    assert z.eval({"x": [1.0, 2.0], y: [3.0, 4.0]}) == 11
    with pytest.raises(ValueError, match="no variable named 'q'"):
        z.eval({"q": 1.0})
    again = T.dvector("x")
    with pytest.raises(ValueError, match="2 variables named 'x'"):
        (x + again).eval({"x": [1.0]})
    with pytest.raises(TypeError, match="not of int"):
        z.eval({1: 2})  # type: ignore[dict-item]


def test_a_maker_knows_inputs_and_outputs() -> None:
    x = T.dvector("x")
    w = shared(0, "w")
    f = function([x], x + w, updates=[(w, w + 1)])
    assert [i.variable for i in f.maker.inputs] == [x, w]
    assert len(f.maker.outputs) == 2 and isinstance(f.maker.outputs[0], Out)
    assert f.sync_shared() is None


def test_random_numbers_pass_nan_guards() -> None:
    rng = RandomStreams(3)
    f = function([], [rng.normal((3,)), rng.uniform((3,)), rng.binomial((3,))], mode="NanGuardMode")
    assert len(f()) == 3
    x = T.dscalar("x")
    g = function([x], x * 1e9, mode="NanGuardMode")
    with pytest.raises(AssertionError, match="Big value"):
        g(1e9)


def test_wrong_seeds_and_parameters() -> None:
    for seed in ("a", -1, 1.5):
        with pytest.raises(ValueError, match=r"a seed is(?s:.)*test_function_values"):
            RandomStreams(seed)
    rng = RandomStreams(1)
    with pytest.raises(ValueError, match="a seed is"):
        rng.seed(-1)
    for wrong in (lambda: rng.normal((2,), std=-1), lambda: rng.binomial((2,), p=1.5),
                  lambda: rng.binomial((2,), n=-1), lambda: rng.binomial((2,), p=np.nan),
                  lambda: rng.truncated_normal((2,), std=[1.0, -1.0])):  # fmt: skip
        with pytest.raises(ValueError, match=r"is (at least 0|from 0 to 1)"):
            wrong()


def test_a_wrong_output_subset_changes_nothing() -> None:
    c = shared(0, "c")
    f = function([], [c], updates=[(c, c + 1)], name="count")
    g = function([], {"a": c, "b": 2 * c}, updates=[(c, c + 1)])
    with pytest.raises(ValueError, match=r"output_subset of count names \[3\](?s:.)*test_function"):
        f(output_subset=[3])
    with pytest.raises(ValueError, match=r"names \['q'\]; its outputs are \['a', 'b'\]"):
        g(output_subset=["a", "q"])
    assert c.get_value() == 0
    assert f(output_subset=[0]) == [0] and g(output_subset=["b"]) == {"b": 2}


def test_an_input_may_be_called_self() -> None:
    for name in ("self", "given", "named", "args"):
        x = T.dscalar(name)
        assert function([x], 2 * x)(**{name: 3.0}) == 6
        n = T.lscalar(name)
        assert function([n], T.arange(n), profile=True)(**{name: 3}).shape == (3,)


def test_names_of_the_top_module() -> None:
    a, x = T.dmatrix("a"), T.dvector("x")
    assert np.array_equal(jitgrad.dot(a, x).eval({a: np.eye(2), x: [1.0, 2.0]}), [1, 2])
    assert "FAST_RUN" in jitgrad.predefined_modes
    assert jitgrad.ProfileMode().stats.fct_callcount == 0
