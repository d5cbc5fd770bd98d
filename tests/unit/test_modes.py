"""Modes: what they compute, what they find, and the settings behind them."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import function, shared
from jitgrad.compile import debugmode, nanguardmode
from jitgrad.compile import mode as modes
from jitgrad.compile.debugmode import BadOptimization, DebugMode, InvalidValueError, difference
from jitgrad.compile.mode import Mode, get_mode
from jitgrad.compile.nanguardmode import NanGuardMode
from jitgrad.ir.build import Builder
from jitgrad.ir.core import function as cut_function

ALL = [
    "Mode", "FAST_RUN", "FAST_COMPILE", "ProfileMode", "DebugMode", "DEBUG_MODE", "NanGuardMode",
    None, Mode(), Mode("py"), Mode("c|py", "fast_run"), Mode("py", None), Mode("cvm", None),
    DebugMode(), NanGuardMode(big_is_error=False), modes.FAST_COMPILE.excluding("fusion"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ALL, ids=str)
def test_every_mode_computes_the_same(mode: object) -> None:
    x, w = T.dmatrix("x"), shared(np.array([0.5, -1.0]), "w")
    n = T.lscalar("n")
    cost = T.log(1 + T.exp(T.dot(x, w))).sum() + T.ones((n,)).sum()
    f = function([x, n], [cost, T.grad(cost, w)], updates=[(w, w * 2)], mode=mode)
    a = np.array([[1.0, 2.0], [3.0, -4.0], [0.0, 0.0]])
    for k in range(3):
        v = np.array([0.5, -1.0]) * 2**k
        value, g = f(a, n=k)
        z = a @ v
        assert np.allclose(value, np.log1p(np.exp(z)).sum() + k)
        assert np.allclose(g, a.T @ (1 / (1 + np.exp(-z))))
        assert np.array_equal(w.get_value(), v * 2)
    with pytest.raises(ValueError, match="mis-match|aligned|shape"):
        f(np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="negative dimensions"):
        f(a, -1)


def test_names_of_modes() -> None:
    x = T.dscalar("x")
    for wrong in ("FASTEST", "fast_run", ""):
        with pytest.raises(ValueError, match="the modes are Mode|the modes are FAST_RUN"):
            function([x], x, mode=wrong)
    with pytest.raises(TypeError, match="mode is a string or a Mode"):
        function([x], x, mode=3)
    for wrong in ({"linker": "gpu"}, {"optimizer": "best"}):
        with pytest.raises(ValueError):
            Mode(**wrong)
    assert get_mode("FAST_RUN") is theano.compile.mode.FAST_RUN
    assert isinstance(get_mode("DebugMode"), theano.compile.DebugMode)
    assert isinstance(get_mode("NanGuardMode"), theano.compile.nanguardmode.NanGuardMode)
    m = Mode("py", "fast_run").including("a", "b").excluding("a").clone(optimizer="o1")
    assert repr(m) == "Mode(linker='py', optimizer='o1', including=['b'], excluding=['a'])"
    own = Mode("py")
    modes.register_mode("slow and sure", own)
    try:
        assert get_mode("slow and sure") is own
        with pytest.raises(ValueError, match="already taken"):
            modes.register_mode("FAST_RUN", own)
        with pytest.raises(TypeError):
            modes.register_mode("other", "FAST_RUN")
    finally:
        del modes.predefined_modes["slow and sure"]


def test_the_default_mode_is_a_setting() -> None:
    x = T.dscalar("x")
    assert theano.compile.get_default_mode().linker == "cvm"
    theano.config.mode = "NanGuardMode"
    try:
        with pytest.raises(AssertionError):
            function([x], T.log(x))(-1.0)
        theano.config.mode = "Mode"
        theano.config.linker, theano.config.optimizer = "py", "None"
        assert repr(theano.compile.get_default_mode()) == "Mode(linker='py', optimizer='None')"
        assert function([x], x + 1)(1) == 2
    finally:
        theano.config.mode, theano.config.linker = "Mode", "cvm"
        theano.config.optimizer = "fast_run"
    for name, wrong in (("mode", "FASTEST"), ("linker", "gpu"), ("on_unused_input", "shout"),
                        ("compute_test_value", "raise"), ("device", "gpu")):  # fmt: skip
        with pytest.raises(ValueError, match=f"config.{name} is one of"):
            setattr(theano.config, name, wrong)
    with pytest.raises(AttributeError, match="no setting 'colour'"):
        theano.config.colour = 1
    with pytest.raises(AttributeError, match="config.NanGuardMode has no setting"):
        theano.config.NanGuardMode.colour = 1
    theano.config.on_unused_input = "ignore"
    try:
        function([x], T.constant(1.0))
    finally:
        theano.config.on_unused_input = "raise"


def test_a_profile_of_a_mode() -> None:
    x, out = T.dscalar("x"), io.StringIO()
    mode = theano.compile.ProfileMode()
    f, g = function([x], x, mode=mode), function([x], x * 2, mode=mode)
    f(1), g(1), f(2)
    assert f.profile is mode.stats and mode.stats.fct_callcount == 3
    mode.print_summary(file=out)
    assert "3 calls" in out.getvalue()


# -- DebugMode ------------------------------------------------------------------------------------


def test_debug_mode_lets_stable_formulas_be_better() -> None:
    x = T.dvector("x")
    f = function([x], [T.log(1 + T.exp(x)), T.log(1 + x), T.exp(x) / (1 + T.exp(x))],
                 mode="DebugMode")  # fmt: skip
    soft, log1p, sigmoid = f([1000.0, -40.0, 1e-20])
    assert soft[0] == 1000 and np.isclose(soft[1], np.exp(-40.0), atol=0)
    assert log1p[2] == 1e-20 and sigmoid[0] == 1


def test_debug_mode_allows_what_rounding_does() -> None:
    x, y = T.fvector("x"), T.fvector("y")
    steep = T.exp(x * y) - T.exp(y * x + T.sin(x) * 0)  # nothing is left but rounding
    f = function([x, y], [steep, (x * y - 1) > 0, T.argmax(x * y)], mode="DebugMode")
    rng = np.random.default_rng(0)
    for _ in range(20):
        a = rng.uniform(1, 4, 50).astype("f4")
        f(a, (1 / a).astype("f4"))
        f(a * 5, rng.uniform(1, 2, 50).astype("f4"))


@pytest.mark.parametrize("stage", ["pass", "code"])
def test_debug_mode_finds_what_is_wrong(stage: str, monkeypatch) -> None:
    """A compiler that adds 1e-3 to one element: after the passes, or in the code alone."""
    real = debugmode.compile_ir

    def broken(fn, **options):
        b = Builder()
        v = fn.results[1]
        bump = b.const(np.array([0.0, 0.0, 1e-3]), v.type)
        wrong = cut_function(fn.name, fn.params, [fn.results[0], b.add(v, bump)])
        made = real(wrong, **options)
        if stage == "code":
            made.optimized = fn
        return made

    monkeypatch.setattr(debugmode, "compile_ir", broken)
    x = T.specify_shape(T.dvector("x"), (3,))
    s = shared(1.0)
    y = x * 2
    y.name = "twice"
    root = T.dvector("root")
    f = function([root], [x.sum() * s, y], givens={x: T.specify_shape(root, (3,))},
                 mode="DebugMode", name="doubled")  # fmt: skip
    with pytest.raises(BadOptimization) as err:
        f([1.0, 2.0, 3.0])
    text = str(err.value)
    assert "result 1" in text and "of doubled" in text and "compiled[2]" in text
    assert "6.001" in text and "expected[2] = np.float64(6.0)" in text
    assert ("a pass over the IR is to blame" if stage == "pass" else "machine code is") in text
    assert "test_modes.py" in text
    monkeypatch.undo()
    u = shared(1.0, "u")
    g = function([root], root.sum(), updates=[(u, u + root.sum())], mode=DebugMode())
    assert g([1.0]) == 1 and u.get_value() == 2


def test_debug_mode_checks_finiteness_on_request() -> None:
    x = T.dvector("x")
    f = function([x], T.log(x), mode=DebugMode(check_isfinite=True))
    f([1.0])
    with pytest.raises(InvalidValueError, match=r"result 0 of function\[1\] is -inf"):
        f([1.0, 0.0])
    assert function([x], T.log(x), mode="DebugMode")([0.0]) == -np.inf


@pytest.mark.parametrize(
    "got, want, place",
    [
        ([1.0, 2.0], [1.0, 2.0], None), ([1.0, 2.0], [1.0, 2.001], (1,)),
        ([1.0, np.nan], [1.0, np.nan], None), ([1.0, 5.0], [1.0, np.nan], None),
        ([np.nan, 1.0], [1.0, 1.0], (0,)), ([1e300, 1.0], [np.inf, 1.0], None),
        ([-np.inf, 1.0], [np.inf, 1.0], (0,)), ([np.nan, 1.0], [np.inf, 1.0], (0,)),
        ([np.inf, 1.0], [1.0, 1.0], (0,)), ([0.0], [-0.0], None), ([1e-10], [0.0], None),
        (np.float32([1, 1.0003]), np.float32([1, 1]), None),
        (np.float32([1, 1.001]), np.float32([1, 1]), (1,)),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], (1, 1)), ([True], [False], (0,)), ([], [], None),
        (1.0, 2.0, ()), (3, 3, None),
    ],
)  # fmt: skip
def test_differences(got: object, want: object, place: object) -> None:
    assert difference(np.asarray(got), np.asarray(want)) == place


# -- NanGuardMode ---------------------------------------------------------------------------------


def test_nan_guard_names_the_operation_and_the_line() -> None:
    x = T.dvector("x")
    y = T.sqrt(x)
    f = function([x], [y.sum(), T.grad(y.sum(), x)], mode="NanGuardMode")
    f([1.0, 4.0])
    with pytest.raises(AssertionError, match="NaN detected in the result of sqrt") as err:
        f([1.0, -1.0])
    text = str(err.value)
    assert "y = T.sqrt(x)" in text and "test_modes.py" in text and "-1." in text
    with pytest.raises(
        AssertionError, match=r"Inf detected in the result of div, made by vjp\(sqrt"
    ):
        f([1.0, 0.0])
    s = shared(np.zeros(2), "s")
    g = function([], s * 2, mode="NanGuardMode")
    s.set_value([1.0, np.inf])
    with pytest.raises(nanguardmode.NanGuardError, match="Inf detected in the input s"):
        g()
    with pytest.raises(AssertionError, match="NaN detected in the input x"):
        f([np.nan])


def test_what_nan_guard_looks_for() -> None:
    x = T.dvector("x")
    cases = {"nan": [np.nan], "inf": [-np.inf], "big": [1e11]}
    for kind in cases:
        only = {f"{k}_is_error": k == kind for k in cases}
        f = function([x], x * 1.0, mode=NanGuardMode(**only))
        for other, v in cases.items():
            if other == kind:
                with pytest.raises(AssertionError, match=f"(?i){kind}.* detected"):
                    f(v)
            else:
                f(v)
    with pytest.raises(AssertionError, match="nothing to look for"):
        NanGuardMode(False, False, False)
    i = T.lvector("i")
    assert function([i], i * 2, mode="NanGuardMode")([10**12]) == 2 * 10**12
    assert function([x], x * 2, mode="NanGuardMode")([]).shape == (0,)


def test_nan_guard_settings() -> None:
    x = T.dscalar("x")
    theano.config.NanGuardMode.action = "warn"
    try:
        f = function([x], T.log(x), mode="NanGuardMode")
        with pytest.warns(UserWarning, match="NanGuardMode: Inf detected in the result of log"):
            assert f(0.0) == -np.inf
    finally:
        theano.config.NanGuardMode.action = "raise"
    theano.config.NanGuardMode.inf_is_error = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert function([x], T.log(x), mode="NanGuardMode")(0.0) == -np.inf
    finally:
        theano.config.NanGuardMode.inf_is_error = True
