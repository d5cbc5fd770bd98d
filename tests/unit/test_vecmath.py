"""Vector math: within its ULP bounds on random and special arguments, on every kind of target."""

import math

import mpmath
import numpy as np
import pytest

from jitgrad.llvm.target import Target
from jitgrad.llvm.vecmath import (
    BELOW_ZERO,
    FUNCTIONS,
    LANES,
    ULP_BOUNDS,
    MathLibrary,
    function,
)
from jitgrad.testing.accuracy import (
    FLOATS,
    NAMES,
    bound,
    compiled,
    errors,
    main,
    oracle,
    samples,
    special_values,
    ulp_error,
    wide,
    worst_ulp,
)

HOST = Target.host()
LEVELS = [HOST, Target.x86("avx2"), Target.x86("sse2")]
RUNNABLE = [t for t in LEVELS if t.runs_on(HOST)]
INF, NAN, PI = float("inf"), float("nan"), np.pi


def check(name, dtype, lanes, target, n, seed):
    f, exact = compiled(name, dtype, lanes, target), oracle(name, dtype)
    for regime, args in samples(name, dtype, n, seed):
        error = errors(name, args, f(*args), exact(*args))
        at = int(error.argmax())
        where = [float(a[at]) for a in args]
        assert error[at] <= bound(name, dtype, target), (regime, where, error[at])


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", NAMES)
def test_random_arguments_stay_within_the_bound(name, dtype):
    check(name, dtype, 16, HOST, 4000, 1)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
@pytest.mark.parametrize("lanes", [1, 8, 32])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", NAMES)
def test_every_target_and_width(name, dtype, lanes, target):
    if name.startswith("polygamma") and not target.fma:
        lanes = min(lanes, 4)  # so many registers take seconds, and no kernel is that wide
    check(name, dtype, lanes, target, 200, 2)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", NAMES)
def test_special_values_and_signs_of_zero(name, dtype, target):
    values = special_values(dtype)
    args = [values]
    if function(name).arity == 2:
        args = [a.ravel() for a in np.meshgrid(values, values)]
    got, exact = compiled(name, dtype, 8, target)(*args), oracle(name, dtype)(*args)
    assert errors(name, args, got, exact).max() <= bound(name, dtype, target)
    with np.errstate(over="ignore", under="ignore"):
        expected = exact.astype(FLOATS[dtype])
    wrong = (np.signbit(got) != np.signbit(expected)) & ~np.isnan(expected)
    assert not wrong.any(), [[float(a[i]) for a in args] for i in np.flatnonzero(wrong)]


EXACT: dict[str, list] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (1000.0, INF)],
    "exp2": [(10.0, 1024.0), (-1.0, 0.5), (-126.0, 2.0**-126), (5000.0, INF), (-5000.0, 0.0)],
    "expm1": [(-0.0, -0.0), (INF, INF), (-INF, -1.0), (-1000.0, -1.0), (1e-40, 1e-40)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log2": [(8.0, 3.0), (0.125, -3.0), (2.0**-140, -140.0), (2.0**100, 100.0)],
    "log10": [(1.0, 0.0), (1000.0, 3.0), (1e10, 10.0), (0.0, -INF), (-1.0, NAN)],
    "log1p": [(-0.0, -0.0), (-1.0, -INF), (-1.5, NAN), (INF, INF), (1e-40, 1e-40)],
    "tanh": [(-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (30.0, 1.0), (1e-40, 1e-40)],
    "sin": [(-0.0, -0.0), (INF, NAN), (-INF, NAN), (1e-40, 1e-40)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (1e-40, 1.0)],
    "sqrt": [(4.0, 2.0), (-0.0, -0.0), (-1.0, NAN), (INF, INF)],
    "cbrt": [(27.0, 3.0), (-8.0, -2.0), (-0.0, -0.0), (-INF, -INF)],
    "erf": [(-0.0, -0.0), (INF, 1.0), (-30.0, -1.0)],
    "acos": [(1.0, 0.0), (1.5, NAN)],
    "log1mexp": [(0.0, -INF), (-0.0, -INF), (1.0, NAN), (-INF, -0.0), (-1000.0, -0.0)],
    "asinh": [(-0.0, -0.0), (INF, INF), (-INF, -INF), (1e-40, 1e-40)],
    "acosh": [(1.0, 0.0), (0.5, NAN), (-2.0, NAN), (INF, INF), (-INF, NAN)],
    "atanh": [(-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN), (1e-40, 1e-40)],
    "hypot": [
        ((3.0, -4.0), 5.0), ((0.0, -0.0), 0.0), ((-INF, NAN), INF), ((NAN, INF), INF),
        ((NAN, 1.0), NAN), ((3e38, 0.0), 3e38), ((3 * 2.0**-149, 4 * 2.0**-149), 5 * 2.0**-149),
        ((6 * 2.0**124, -8 * 2.0**124), 10 * 2.0**124), ((-1e-40, 0.0), 1e-40),
    ],
    "erfc": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (30.0, 0.0), (-30.0, 2.0)],
    "erfcx": [(0.0, 1.0), (INF, 0.0), (-INF, INF), (-30.0, INF)],
    "erfinv": [(-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN)],
    "erfcinv": [(1.0, 0.0), (0.0, INF), (-0.0, INF), (2.0, -INF), (2.5, NAN), (-1.0, NAN)],
    "gammaln": [
        (1.0, 0.0), (2.0, 0.0), (0.0, INF), (-0.0, INF), (-1.0, INF), (-2.0**60, INF),
        (INF, INF), (-INF, INF),
    ],
    "gamma": [
        (1.0, 1.0), (5.0, 24.0), (0.0, INF), (-0.0, -INF), (-1.0, NAN), (-2.0**60, NAN),
        (INF, INF), (-INF, NAN), (1000.0, INF), (2.0**-130, 2.0**130),
        (-300.5, -0.0), (-301.5, 0.0),
    ],
    "digamma": [
        (0.0, -INF), (-0.0, INF), (-1.0, NAN), (-2.0**60, NAN), (INF, INF), (-INF, NAN),
    ],
    "polygamma.1": [(0.0, INF), (-0.0, INF), (-3.0, INF), (INF, 0.0), (-INF, NAN)],
    "polygamma.2": [(0.0, -INF), (-0.0, -INF), (-3.0, -INF), (INF, -0.0), (-INF, NAN)],
    "pow": [
        ((NAN, 0.0), 1.0), ((INF, -0.0), 1.0), ((1.0, NAN), 1.0), ((1.0, -INF), 1.0),
        ((-1.0, INF), 1.0), ((-1.0, -INF), 1.0), ((-1.0, NAN), NAN), ((NAN, 1.0), NAN),
        ((0.0, -1.0), INF), ((-0.0, -1.0), -INF), ((-0.0, -2.0), INF), ((-0.0, -0.5), INF),
        ((-0.0, 3.0), -0.0), ((-0.0, 2.0), 0.0), ((-0.0, 0.5), 0.0), ((0.0, INF), 0.0),
        ((0.0, -INF), INF), ((0.5, INF), 0.0), ((0.5, -INF), INF), ((-2.0, INF), INF),
        ((-2.0, -INF), 0.0), ((INF, -1.0), 0.0), ((INF, 0.5), INF), ((-INF, -3.0), -0.0),
        ((-INF, -2.5), 0.0), ((-INF, 3.0), -INF), ((-INF, 2.5), INF), ((-8.0, 1 / 3), NAN),
        ((-2.0, 3.0), -8.0), ((-2.0, 4.0), 16.0), ((-3.0, -1.0), -1 / 3),
        ((2.0, -149.0), 2.0**-149), ((-2.0, 1e300), INF), ((10.0, 5.0), 1e5),
        ((-1.0, 2.0**60 + 1), 1.0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", EXACT)
def test_results_that_are_exact(name, dtype):
    rows = [(a if isinstance(a, tuple) else (a,), b) for a, b in EXACT[name]]
    with np.errstate(over="ignore"):
        args = [np.array(column, FLOATS[dtype]) for column in zip(*(a for a, _ in rows))]
        expected = np.array([b for _, b in rows]).astype(FLOATS[dtype])
    for lanes in (1, 16):
        got = compiled(name, dtype, lanes)(*args)
        np.testing.assert_array_equal(got, expected)
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles_are_reduced_exactly(name):
    # 6381956970095103 * 2**797 is the f64 that comes closest to a multiple of pi/2
    x = np.array([1e22, -1e300, 6381956970095103.0 * 2.0**797, 2.0**36, 2.0**36 + 1, 0.5, 3e10])
    with mpmath.workprec(1200):
        exact = np.array([float(getattr(mpmath, name)(mpmath.mpf(v))) for v in x.tolist()])
    for lanes in (1, 8):
        # glibc's own reduction is 8 ULP off at the closest one
        np.testing.assert_allclose(compiled(name, "f64", lanes)(x), exact, rtol=4e-15, atol=0)


def test_one_huge_angle_does_not_disturb_its_neighbours():
    x = np.linspace(-3, 3, 16)
    alone = compiled("sin", "f64", 16)(x)
    x[5] = 1e18
    got = compiled("sin", "f64", 16)(x)
    assert worst_ulp(got, oracle("sin", "f64")(x)) <= 1
    np.testing.assert_array_equal(np.delete(got, 5), np.delete(alone, 5))


def test_denormal_results_are_rounded_once():
    x = np.linspace(-745.1, -708.5, 5000)
    got = compiled("exp", "f64", 16)(x)
    assert worst_ulp(got, oracle("exp", "f64")(x)) <= 1
    assert (got > 0).all() and (got < np.finfo(np.float64).tiny).sum() > 4000


EXACTLY = {
    "cbrt": mpmath.cbrt,
    "pow": mpmath.power,
    "exp2": lambda v: mpmath.power(2, v),
    "log2": lambda v: mpmath.log(v, 2),
    "log1mexp": lambda v: mpmath.log(1 - mpmath.exp(v)) if v < 0 else mpmath.nan,
    "acosh": lambda v: mpmath.acosh(v) if v >= 1 else mpmath.nan,
    "fmod": lambda v, w: mpmath.sign(v) * mpmath.fmod(abs(v), abs(w)),
    "hypot": lambda v, w: mpmath.sqrt(v * v + w * w),
    "erfcx": lambda v: mpmath.exp(v * v) * mpmath.erfc(v),
    "erfcinv": lambda v: mpmath.erfinv(1 - v),
    "gammaln": lambda v: mpmath.log(abs(mpmath.gamma(v))),
}


def exactly(name, *args):
    """By mpmath; `polygamma.2` is of order 2."""
    name, _, order = name.partition(".")
    if order:
        return mpmath.polygamma(int(order), *args)
    return (EXACTLY.get(name) or getattr(mpmath, name))(*args)


def distance(name, args, value):
    """|value - exact| in 2**-60 of the exact value; below zero as `BELOW_ZERO` says."""
    with mpmath.workprec(400):
        high = float(value)
        low = float(value - type(value)(high)) if math.isfinite(high) else 0.0
        exact = exactly(name, *(mpmath.mpf(float(a)) for a in args))
        if mpmath.isnan(exact):
            return 0.0 if math.isnan(high) else INF
        size = abs(exact)
        if args[0] < 0 and name.split(".")[0] in BELOW_ZERO:
            size = max(size, mpmath.factorial(int(name.partition(".")[2] or 0)))
        return float(abs(mpmath.mpf(high) + low - exact) / size * mpmath.mpf(2) ** 60)


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_agrees_with_mpmath(name):
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(0.1, 0.9, 20), rng.uniform(-4, 9, 60)])
    x = np.concatenate([x, 10 ** rng.uniform(-8, 2, 20)])
    if name in ("log", "log2", "log10", "pow", "gammaln", "gamma", "cbrt", "sqrt"):
        x = np.abs(x)
    if name == "erfc":
        x = x / 5
    if name in ("log1p", "erfinv", "asin", "acos", "atanh"):
        x = x / 101
    if name == "erfcinv":
        x = x / 101 + 1
    args = (x, np.roll(x, 1))[: function(name).arity]
    got = oracle(name, "f64")(*args)
    assert got.dtype == wide("f64")
    for i, value in enumerate(got):
        # of gamma the exponent is large
        assert distance(name, [a[i] for a in args], value) <= (16 if name == "gamma" else 4), x[i]


def test_ulp_error_counts_nan_and_infinity_as_infinite():
    got = np.array([NAN, 1.0, INF, 1.0, NAN, INF, 5e-324])
    exact = np.array([1.0, NAN, 1.0, INF, NAN, INF, 0.0], np.longdouble)
    assert ulp_error(got, exact).tolist() == [INF, INF, INF, INF, 0, 0, 1]


def test_without_fma_no_fma_is_called():
    for name in NAMES:
        lib = MathLibrary(fma=False)
        lib.use(name, "f64", 16)
        assert "llvm.fma" not in lib.text()


def test_few_uses_are_inlined_and_many_are_called():
    lib = MathLibrary(fma=True, inline_limit=70, attributes='"no-trapping-math"="true"')
    assert lib.use("exp", "f64", 16) == "@jg.exp.f64x16"
    lib.use("exp", "f64", 16)
    assert 'alwaysinline nounwind willreturn memory(none) "no-trapping' in lib.text()
    lib.use("exp", "f64", 16)
    text = lib.text()
    assert "noinline nounwind" in text and text.count("define") == 1
    assert text.count("declare <16 x double> @llvm.fma.v16f64") == 1


@pytest.mark.parametrize("name", ["exp", "sin", "pow"])
def test_called_out_of_line_it_gives_the_same(name):
    args = next(iter(samples(name, "f64", 500)))[1]
    inlined = compiled(name, "f64", 16)(*args)
    called = compiled(name, "f64", 16, inline_limit=0)
    assert "call <16 x double> @jg." in called.module.optimized_ir()
    np.testing.assert_array_equal(called(*args), inlined)


def test_unknown_functions_dtypes_and_lanes_are_refused():
    lib = MathLibrary(fma=True)
    with pytest.raises(KeyError):
        lib.use("zeta", "f64", 8)
    for dtype, lanes in (("i64", 8), ("f64", 3), ("f64", 64)):
        with pytest.raises(ValueError, match="no math functions"):
            lib.use(dtype=dtype, lanes=lanes, name="exp")
    assert lib.text() == ""


def test_the_tables_are_complete():
    assert set(ULP_BOUNDS) == set(FUNCTIONS)
    assert all(b == 0 or 0.5 <= b <= 2 for pair in ULP_BOUNDS.values() for b in pair)
    assert LANES == (1, 2, 4, 8, 16, 32)


ZEROS = {"gammaln": (1.0, 2.0), "digamma": (1.4616321449683622,), "erfcinv": (1.0,)}


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", ZEROS)
def test_digits_are_kept_next_to_a_zero(name, dtype):
    eps = np.finfo(FLOATS[dtype]).eps
    for zero in ZEROS[name]:
        steps = np.concatenate(
            [eps * np.arange(-4, 5), np.array([-1, 1]) * eps**0.5, [-1e-3, 1e-3]]
        )
        x = (zero * (1 + steps)).astype(FLOATS[dtype])
        got = compiled(name, dtype, 8)(x)
        with mpmath.workprec(300):
            exact = [exactly(name, mpmath.mpf(float(v))) for v in x]
            for g, e in zip(got, exact):
                assert abs(mpmath.mpf(float(g)) - e) <= abs(e) * 2 * eps


@pytest.mark.parametrize("order", [1, 3, 4, 30, 100])
def test_polygamma_of_any_order(order):
    rng = np.random.default_rng(order)
    x = np.concatenate([rng.uniform(-6, 0, 60), 10 ** rng.uniform(-2, 3, 60)])
    got, exact = compiled(f"polygamma.{order}", "f64", 8)(x), oracle(f"polygamma.{order}", "f64")(x)
    assert errors(f"polygamma.{order}", (x,), got, exact).max() <= ULP_BOUNDS["polygamma"][0]
    for at in range(0, 120, 7):
        far = not np.isfinite(got[at])
        assert far or distance(f"polygamma.{order}", [x[at]], exact[at]) <= 4 * (order + 1)


def test_an_order_has_a_function_of_its_own():
    lib = MathLibrary(fma=True)
    assert (
        lib.use("polygamma", "f64", 8, n=3)
        == "@jg.polygamma.3.f64x8"
        == lib.use("polygamma.3", "f64", 8)
    )
    assert lib.text().count("define") == 1


def test_the_command_measures_and_judges(capsys, monkeypatch):
    assert main(["-n", "50", "hypot", "polygamma.1"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 4 and "hypot" in out and "BEYOND" not in out
    monkeypatch.setitem(ULP_BOUNDS, "hypot", (0.1, 0.1))
    assert main(["-n", "50", "hypot"]) == 1
    assert capsys.readouterr().out.count("BEYOND") == 2
