"""Derivatives of mathematical functions: their digits at hard arguments, and what edges give."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest

from jitgrad.compile import compile_ir
from jitgrad.errors import DTypeError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value, function
from jitgrad.ir.interp import run
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import F32, F64, tensor
from jitgrad.transforms import pullback, pushforward

INF, NAN = math.inf, math.nan
WAYS = ["reverse", "forward", "machine code"]


def slope(way: str, name: str, *args: float, order: int = 1, by: int = 0) -> float:
    """A derivative of the function `name` by operand `by`; `polygamma.2` is of order 2."""
    stem, _, n = name.partition(".")
    b = Builder()
    params = [Value(tensor(F64, ()), name=c) for c in "xyz"[: TABLE[stem].arity]]
    out, wrt = b(stem, *params, **({"n": int(n)} if n else {})), params[by]
    for _ in range(order):
        one = b.const(1.0, wrt.type)
        if way == "forward":
            (found,) = pushforward([out], [wrt], [one])
        else:
            (found,) = pullback([out], [one], [wrt])
        out = b.zeros(wrt.type) if found is None else found
    fn = function("slope", params, [out])
    arrays = [np.array(a) for a in args]
    with np.errstate(all="ignore"):
        if way == "machine code":
            return float(compile_ir(fn).call(*arrays)[0])
        (value,) = run(fn, arrays)
    return float(value)


def exact(f: Callable, *args: float, order: int = 1, by: int = 0) -> float:
    """The derivative by mpmath, by differences in many digits."""
    with mpmath.workprec(700):
        at = [mpmath.mpf(a) for a in args]

        def along(v):
            return f(*at[:by], v, *at[by + 1 :])

        h = mpmath.mpf(2) ** -100 * max(abs(at[by]), mpmath.mpf(2) ** -1000)
        return float(mpmath.diff(along, at[by], order, h=h))


def _erfcx(v):
    return mpmath.exp(v * v) * mpmath.erfc(v)


def _sinc(v):
    return mpmath.sin(mpmath.pi * v) / (mpmath.pi * v)


HARD = [
    ("exp2", lambda v: mpmath.power(2, v), [-1000.0, 0.5, 1000.0], 1e-14),
    ("log2", lambda v: mpmath.log(v, 2), [1e-300, 3.0, 1e300], 1e-15),
    ("log10", mpmath.log10, [1e-300, 3.0, 1e300], 1e-15),
    ("cbrt", mpmath.cbrt, [1e-200, 2.0, 1e300], 4e-15),
    ("sinh", mpmath.sinh, [1e-10, 3.0, -700.0], 4e-15),
    ("cosh", mpmath.cosh, [1e-10, 3.0, -700.0], 4e-15),
    ("asin", mpmath.asin, [0.0, 0.999, 1 - 1e-12, -1 + 1e-15], 4e-15),
    ("acos", mpmath.acos, [0.0, 0.999, 1 - 1e-12, -1 + 1e-15], 4e-15),
    ("atan", mpmath.atan, [0.0, 3.0, 1e100], 4e-15),
    ("asinh", mpmath.asinh, [0.0, 3.0, -1e200, 1e300], 4e-15),
    ("acosh", mpmath.acosh, [1 + 1e-12, 3.0, 1e200, 1e300], 4e-15),
    ("atanh", mpmath.atanh, [0.0, 0.999, -1 + 1e-15], 4e-15),
    ("erfc", mpmath.erfc, [-5.0, 0.0, 10.0, 26.0], 1e-12),
    ("erfcx", _erfcx, [-20.0, 0.0, 3.0, 15.99, 16.01, 1e3, 1e100], 2e-13),
    ("erfinv", mpmath.erfinv, [0.0, 0.9, -1 + 1e-15], 1e-13),
    ("erfcinv", lambda v: mpmath.erfinv(1 - v), [1.0, 0.01, 1e-200], 4e-13),
    ("gammaln", lambda v: mpmath.log(abs(mpmath.gamma(v))), [1e-10, 1.4616, 100.0, -2.3], 1e-14),
    ("gamma", mpmath.gamma, [1e-10, 1.5, 100.0, -2.3], 1e-14),
    ("digamma", mpmath.digamma, [1e-10, 1.5, 100.0, -2.3], 1e-14),
    ("polygamma.1", lambda v: mpmath.psi(1, v), [1e-10, 1.5, 100.0, -2.3], 1e-14),
    ("log1mexp", lambda v: mpmath.log(1 - mpmath.exp(v)), [-1e-10, -0.7, -30.0, -700.0], 1e-14),
    ("logit", lambda v: mpmath.log(v / (1 - v)), [1e-300, 0.3, 0.5, 1 - 1e-12], 1e-14),
    ("sinc", _sinc, [1e-9, 1e-3, 0.499, 0.501, 20.3], 1e-14),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name, f, points, rtol", HARD, ids=[row[0] for row in HARD])
def test_derivatives_keep_their_digits(name, f, points, rtol, way):
    for x in points:
        np.testing.assert_allclose(slope(way, name, x), exact(f, x), rtol, 1e-320, err_msg=f"{x}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name, f, points, rtol", HARD, ids=[row[0] for row in HARD])
def test_second_derivatives_too(name, f, points, rtol, way):
    x = next(p for p in points if 0.01 < abs(p) < 20)
    want = exact(f, x, order=2)
    np.testing.assert_allclose(slope(way, name, x, order=2), want, 1e-11, 1e-13)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_the_point_of_an_angle_may_be_anywhere(way, scale):
    x, y = 3 * scale, -4 * scale
    np.testing.assert_allclose(slope(way, "hypot", x, y, by=0), 0.6, 1e-15)
    np.testing.assert_allclose(slope(way, "hypot", x, y, by=1), -0.8, 1e-15)
    np.testing.assert_allclose(slope(way, "atan2", x, y, by=0), -0.16 / scale, 1e-14)
    np.testing.assert_allclose(slope(way, "atan2", x, y, by=1), -0.12 / scale, 1e-14)


EDGES = [
    ("sqrt", (0.0,), INF), ("cbrt", (0.0,), INF), ("cbrt", (-0.0,), INF),
    ("hypot", (0.0, 0.0), 0.0), ("hypot", (0.0, 2.0), 0.0), ("hypot", (-3.0, 0.0), -1.0),
    ("atan2", (0.0, 0.0), 0.0), ("atan2", (1.0, INF), 0.0), ("atan2", (INF, 1.0), 0.0),
    ("atan2", (0.0, -2.0), -0.5), ("atan2", (NAN, 1.0), NAN),
    ("asin", (1.0,), INF), ("asin", (2.0,), NAN), ("acos", (-1.0,), -INF),
    ("acosh", (1.0,), INF), ("acosh", (0.5,), NAN), ("atanh", (-1.0,), INF),
    ("asinh", (INF,), 0.0), ("atan", (INF,), 0.0), ("atan", (1e300,), 0.0),
    ("sinc", (0.0,), 0.0), ("sinc", (-0.0,), 0.0), ("logit", (0.5,), 4.0), ("logit", (0.0,), INF),
    ("log1mexp", (-INF,), -0.0), ("log1mexp", (-1000.0,), -0.0),
    ("erfc", (INF,), -0.0), ("erfcx", (INF,), -0.0), ("erfinv", (1.0,), INF),
    ("erfcinv", (0.0,), -INF), ("gammaln", (INF,), INF), ("gammaln", (0.0,), -INF),
    ("gammaln", (-1.0,), NAN), ("digamma", (INF,), 0.0), ("digamma", (-1.0,), INF),
    ("gamma", (200.0,), INF), ("logaddexp2", (INF, INF), 0.5), ("logaddexp2", (-INF, 0.0), 0.0),
    ("logaddexp2", (5000.0, -5000.0), 1.0),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name, args, want", EDGES, ids=[f"{e[0]}{e[1]}" for e in EDGES])
def test_edges_of_derivatives(name, args, want, way):
    np.testing.assert_array_equal(slope(way, name, *args), want)


@pytest.mark.parametrize("way", ["reverse", "machine code"])
def test_a_masked_edge_stays_masked(way):
    # sqrt(x² + y²) and hypot differ there: no infinity further up may come back as NaN
    b = Builder()
    x = Value(tensor(F64, ()), name="x")
    out = b("hypot", b("sqrt", x), b("sqrt", x))
    (g,) = pullback([out], [b.const(1.0, x.type)], [x])
    fn = function("g", [x], [g])
    with np.errstate(all="ignore"):
        zero = np.array(0.0)
        got = compile_ir(fn).call(zero)[0] if way == "machine code" else run(fn, [zero])[0]
    assert float(got) == 0


def test_derivatives_of_gammaln_go_to_any_order():
    for order in range(1, 8):
        got = slope("machine code", "gammaln", 2.5, order=order)
        want = float(mpmath.psi(order - 1, mpmath.mpf(2.5)))
        np.testing.assert_allclose(got, want, 1e-14)


@pytest.mark.parametrize("n", [0, -1, 101])
def test_an_order_that_cannot_be_is_refused(n):
    x = Value(tensor(F64, ()), name="x")
    with pytest.raises(DTypeError, match=f"order {n}: the order must be from 1 to 100"):
        Builder()("polygamma", x, n=n)


# -- references ------------------------------------------------------------------------------------

REFERENCES = [r for r in HARD if r[0] not in ("exp2", "log2", "log10", "sinc", "erfc")]


@pytest.mark.parametrize("name, f, points, rtol", REFERENCES, ids=[r[0] for r in REFERENCES])
def test_references_are_good_to_an_ulp(name, f, points, rtol):
    stem, _, n = name.partition(".")
    row, attrs = TABLE[stem], {"n": int(n)} if n else {}
    ((low, high),) = row.domain
    x = np.concatenate([np.random.default_rng(5).uniform(low, high, 50), points])
    for dtype in (F64, F32):
        with np.errstate(over="ignore"):
            v = x.astype(dtype.np)
        v = v[
            (v > low - 5) & (np.abs(v) != 1)
            | (stem not in ("asin", "acos", "atanh", "erfinv", "logit"))
        ]
        with np.errstate(all="ignore"):
            got = row.ref(v, **attrs)
        assert got.dtype == dtype.np
        with mpmath.workprec(1200):
            want = np.array([float(mpmath.re(f(mpmath.mpf(float(a))))) for a in v])
        ok = np.isfinite(want) & (np.abs(want) < np.finfo(dtype.np).max)
        eps = 2 * np.finfo(dtype.np).eps
        np.testing.assert_allclose(got[ok], want[ok], eps, np.finfo(dtype.np).tiny, err_msg=name)


def test_references_keep_shapes_and_take_anything():
    for name in ("erfcx", "erfinv", "gammaln", "gamma", "digamma"):
        ref = TABLE[name].ref
        assert ref(np.zeros((0, 3))).shape == (0, 3)
        assert ref(np.float32(0.5)).shape == () and ref(np.float32(0.5)).dtype == np.float32
        grid = np.linspace(0.1, 0.9, 12).reshape(3, 4)
        np.testing.assert_array_equal(ref(grid[::-1, ::2].T), ref(grid)[::-1, ::2].T)
        swapped = grid.astype(">f8")
        np.testing.assert_array_equal(ref(swapped), ref(grid))
        assert np.isnan(ref(np.array(NAN)))
