"""Copies, pickles and attributes of functions."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import In, function, shared
from jitgrad.compile import ProfileStats
from jitgrad.compile.function_module import Function

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode"]
every = pytest.mark.parametrize("mode", MODES)


def accumulator(mode: str | None = None, **options):
    state, inc = shared(0, "state"), T.iscalar("inc")
    return state, function([inc], state, updates=[(state, state + inc)], mode=mode, **options)


@every
def test_copies_with_other_variables(mode: str) -> None:
    state, f = accumulator(mode, name="acc")
    f(10)
    other = shared(0, "other")
    for swap in ({state: other}, [(state, other)]):
        g = f.copy(swap=swap, name="swapped")
        assert g(100) == other.get_value() - 100 and state.get_value() == 10
        assert g.get_shared() == [other] and g.name == "swapped" and f.name == "acc"
    still = f.copy(delete_updates=True)
    assert still(9000) == 10 == state.get_value()
    both = f.copy(swap={state: other}, delete_updates=True, share_memory=True)
    assert both(1) == 200 == other.get_value()
    twin = f.copy()
    assert twin(1) == 10 and f(1) == 11 and twin.get_shared() == [state]
    with pytest.raises(TypeError, match="cannot be replaced by"):
        f.copy(swap={state: shared(1.0)})
    with pytest.raises(ValueError, match="not among the function's shared variables"):
        f.copy(swap={other: state})
    with pytest.raises(TypeError, match="pairs of shared variables"):
        f.copy(swap={T.iscalar(): state})
    assert f.copy(profile=True).profile.fct_callcount == 0
    x, last = T.dscalar("x"), shared(0.0, "last")
    keep = function([x], updates=[(last, x)], mode=mode)  # only updated, never read
    mine = shared(0.0)
    keep.copy(swap={last: mine})(5)
    assert (last.get_value(), mine.get_value(), keep["last"]) == (0, 5, 0)


@every
def test_copies_have_values_of_their_own(mode: str) -> None:
    x, s = T.dscalar("x"), T.dscalar("s")
    f = function([x, In(s, value=1.0, update=s + x)], s, mode=mode)
    f(1)
    for g in (copy.copy(f), f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert g(5) == 2 and g["s"] == 7 and f["s"] == 2
        assert g.container["s"] is not f.container["s"]
    plain = function([x], x + 1, mode=mode)
    for g in (copy.copy(plain), copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
        assert g is not plain and g(1) == g(x=1) == 2 and g.name == "function"
        with pytest.raises(TypeError, match="Missing required input: x"):
            g()


@every
def test_deep_copies_and_pickles_share_among_themselves(mode: str) -> None:
    w, x = shared(np.array([1.0, 2.0]), "w"), T.dvector("x")
    up = function([x], (w * x).sum(), updates=[(w, w + x)], mode=mode)
    look = function([], {"w": w}, mode=mode)
    for make in (copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        u, v, k = make((up, look, w))
        assert u([1, 1]) == 3 and np.array_equal(v()["w"], [2, 3])
        assert np.array_equal(k.get_value(), [2, 3]) and k.name == "w"
        assert u.container["w"] is v.container["w"] is k.container
        assert u.get_shared()[0].name == "w"
        assert np.array_equal(w.get_value(), [1, 2])


def test_pickles_of_many_kinds() -> None:
    x, n, b = T.fmatrix("my x"), T.lscalar("n"), T.TensorType("bool", (False,))("b")
    big = T.constant(np.arange(100.0), "big")
    odd = T.constant(np.array([np.nan, -0.0, np.inf, 1e-320]))
    for inputs, outputs, args in (
        ([x], [x * 2, T.grad(T.log(1 + T.exp(x)).sum(), x)], [np.ones((2, 3), "f4")]),
        ([n], T.zeros((n, n + 1)) + 1, [3]),
        ([b], T.switch(b, 1, 2), [[True, False]]),
        ([], big.sum(), []),
        ([], odd, []),
        ([x], None, [np.ones((1, 1), "f4")]),
    ):
        f = function(inputs, outputs, on_unused_input="ignore", name="any name!")
        g = pickle.loads(pickle.dumps(f))
        assert g.name == "any name!"
        for a, c in zip(np.atleast_1d(f(*args)), np.atleast_1d(g(*args))):
            np.testing.assert_array_equal(a, c)
    g = pickle.loads(pickle.dumps(function([x], x)))
    with pytest.raises(TypeError, match='"my x" to function at index 0'):
        g(1.0)
    y = T.dvector("y")
    h = pickle.loads(pickle.dumps(function([y], y.reshape((2, 3)))))
    assert h(np.arange(6.0)).shape == (2, 3)
    with pytest.raises(ValueError):
        h(np.arange(5.0))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(y + 1)


def test_pickles_are_read_as_text_by_another_process(tmp_path) -> None:
    w, x = shared(np.array([1.0, 2.0]), "w"), T.dvector("x")
    f = function([x], T.sqr(w - x).sum(), updates=[(w, w * 2)])
    f([0.0, 0.0])
    path = tmp_path / "f.pickle"
    path.write_bytes(pickle.dumps(f))
    code = ("import pickle, sys; f = pickle.load(open(sys.argv[1], 'rb')); "
            "print(f([0.0, 0.0]), f.get_shared()[0].get_value())")  # fmt: skip
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True,
                         check=True)  # fmt: skip
    assert out.stdout.split("[") == ["20.0 ", "4. 8.]\n"]
    (thaw, parts) = f.__reduce__()
    bad = [*parts]
    bad[2] = "__import__('os').abort()"
    with pytest.raises(theano.JitgradError):
        thaw(*bad)
    with pytest.raises(ValueError, match="another version"):
        thaw(99, *parts[1:])


def test_attributes() -> None:
    state, f = accumulator(name="acc")
    assert isinstance(f, Function) and not isinstance(accumulator, Function)
    assert f.name == f.__name__ == "acc" and "acc" in repr(f)
    assert f.n_returned_outputs == 1 and f.unpack_single and not f.return_none
    assert f.get_shared() == [state] and f["state"] == 0
    assert [c.value for c in f.input_storage] == [None, 0]
    f.trust_input = True
    f(np.array(3, "i4"))
    f.free()
    assert f(1) == 3 and state.get_value() == 4
    assert [v.name for v in f.maker.fgraph.inputs] == ["inc", "state"]
    assert len(f.maker.fgraph.outputs) == 2  # the user's, then the updates
    assert f.maker.compiled.ir("trace").startswith("func @acc")
    g = function([], None)
    assert g.return_none and g() is None
    x = T.dmatrix("x")
    h = function([x], x * 2)
    large = np.ones((600, 300)).T
    assert np.array_equal(h(large), large * 2)
    h.free()
    assert np.array_equal(h(large), large * 2)


def test_functions_of_jit_have_no_values() -> None:
    f = theano.jit(lambda x: x + 1)
    with pytest.raises(TypeError, match="no values to look up"):
        f["x"]
    with pytest.raises(TypeError, match="no values to look up"):
        f["x"] = 1
    assert copy.copy(f) is f and copy.deepcopy(f) is f


@every
def test_profiles(mode: str) -> None:
    x = T.dvector("x")
    f = function([x], (x**2).sum(), profile=True, mode=mode, name="squares")
    f([1.0, 2.0])
    f([1.0])
    with pytest.raises(TypeError):
        f("text")
    p = f.profile
    assert p.fct_callcount == 3 and 0 < p.fct_call_time < 60 and 0 < p.compile_time < 60
    out = io.StringIO()
    p.summary(file=out)
    assert "Message: squares" in out.getvalue() and "3 calls" in out.getvalue()
    mine = ProfileStats("ours")
    g = function([x], x, profile=mine, mode=mode)
    h = function([x], x + 1, profile=mine, mode=mode)
    g([1.0]), h([1.0])
    assert g.profile is h.profile is mine and mine.fct_callcount == 2 and "ours" in mine.text()
    assert function([x], x, profile="a word", mode=mode).profile.message == "a word"
    assert function([x], x, mode=mode).profile is None
    with pytest.raises(TypeError, match="profile is"):
        function([x], x, profile=3)
    theano.config.profile = True
    try:
        assert function([x], x, mode=mode).profile is not None
        assert function([x], x, mode=mode, profile=False).profile is None
    finally:
        theano.config.profile = False
