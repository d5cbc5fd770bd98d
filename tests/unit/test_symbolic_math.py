"""Elementwise names of `T`: NumPy's values and dtypes, Theano's meanings where they are its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import DTypeError, JitgradError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
FLOATS = np.array([0.0, -0.0, 0.3, -0.3, 0.5, -0.5, 1.5, -2.5, 7.25, np.inf, -np.inf, np.nan])
INTS = np.array([0, 1, 2, 3, 7, 100])


def value(build, *arrays):
    """`build` of variables like the arrays, called on them."""
    variables = [T.constant(a).type(f"x{k}") for k, a in enumerate(map(np.asarray, arrays))]
    out = build(*variables)
    return function(variables, list(out) if isinstance(out, tuple) else out,
                    on_unused_input="ignore")(*arrays)  # fmt: skip


def same(got, want, rtol=1e-14):
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype, (got.dtype, want.dtype)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=0)


UNARY = {
    "ceil": np.ceil, "floor": np.floor, "trunc": np.trunc, "rint": np.rint, "round": np.rint,
    "round_half_to_even": np.rint, "fix": np.fix, "sqr": np.square, "square": np.square,
    "abs_": np.abs, "abs": np.abs, "sgn": np.sign, "neg": np.negative, "inv": np.reciprocal,
    "reciprocal": np.reciprocal, "exp2": np.exp2, "log2": np.log2, "log10": np.log10,
    "cbrt": np.cbrt, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "arcsinh": np.arcsinh, "arccosh": np.arccosh,
    "arctanh": np.arctanh, "sinc": np.sinc, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg,
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "isposinf": np.isposinf,
    "isneginf": np.isneginf, "signbit": np.signbit, "spacing": np.spacing,
    "nan_to_num": np.nan_to_num, "logical_not": np.logical_not, "identity": np.positive,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_unary(name, dtype):
    x = FLOATS.astype(dtype)
    want = UNARY[name](x)
    same(value(getattr(T, name), x), want, 1e-14 if dtype == "float64" else 3e-6)


OF_INTS = "ceil floor trunc rint round isnan isinf isfinite isposinf isneginf abs_ logical_not"


@pytest.mark.parametrize("name", OF_INTS.split())
def test_ints_and_bools_are_round_and_finite(name):
    for x in (INTS, INTS.astype(np.uint8), np.array([True, False])):
        want = np.asarray(UNARY[name](x))
        if name in ("rint", "round"):
            want = x
        same(value(getattr(T, name), x), want)


def test_ints_become_float64_under_functions_of_floats():
    for dtype in ("int8", "uint16", "int64", "bool"):
        x = np.array([1, 0, 1], dtype)
        for name in ("sqrt", "exp2", "arctan", "sinh", "deg2rad", "spacing"):
            same(value(getattr(T, name), x), getattr(np, name)(x.astype("float64")))
        same(value(lambda v: T.arctan2(v, 2), x), np.arctan2(x.astype("float64"), 2))
        same(value(T.inv, x + x.dtype.type(1)), 1 / (x + x.dtype.type(1)).astype("float64"))


BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "true_div": np.divide,
    "int_div": np.floor_divide, "floor_div": np.floor_divide, "mod": np.remainder,
    "remainder": np.remainder, "fmod": np.fmod, "maximum": np.maximum, "minimum": np.minimum,
    "fmax": np.fmax, "fmin": np.fmin, "arctan2": np.arctan2, "hypot": np.hypot,
    "copysign": np.copysign, "nextafter": np.nextafter, "heaviside": np.heaviside,
    "largest": np.maximum, "smallest": np.minimum, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor, "eq": np.equal, "neq": np.not_equal,
    "lt": np.less, "ge": np.greater_equal, "isclose": np.isclose, "float_power": np.float_power,
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    x, y = (a.ravel() for a in np.meshgrid(FLOATS, FLOATS))
    same(value(getattr(T, name), x, y), BINARY[name](x, y))


INTEGRAL = {
    "add": np.add, "int_div": np.floor_divide, "mod": np.remainder, "fmod": np.fmod,
    "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor, "gcd": np.gcd,
    "lcm": np.lcm, "left_shift": np.left_shift, "right_shift": np.right_shift,
    "bitwise_and": np.bitwise_and, "pow": np.power, "maximum": np.maximum,
    "lt": np.less, "ge": np.greater_equal, "eq": np.equal,
}  # fmt: skip


@pytest.mark.parametrize("name", INTEGRAL)
@pytest.mark.parametrize("dtypes", ["ll", "bb", "BB", "ib", "LL", "Bi", "??"])
def test_ints(name, dtypes):
    x, y = (a.ravel() for a in np.meshgrid(INTS, INTS))
    x, y = (a.astype(d) for a, d in zip((x - (dtypes[0] in "lib"), y), dtypes))
    try:
        want = INTEGRAL[name](x, y)
    except TypeError:  # bools have no divisors
        with pytest.raises(DTypeError, match=f"{name} takes ints"):
            value(getattr(T, name), x, y)
        return
    same(value(getattr(T, name), x, y), want)


def test_operators():
    x, y = np.array([7, -7, 5, 0]), np.array([2, 2, -3, 0])
    got = value(lambda a, b: (a // b, a % b, *divmod(a, b), a << 2, a >> 1, 7 // b, -7 % b), x, y)
    with np.errstate(divide="ignore"):
        want = (x // y, x % y, *divmod(x, y), x << 2, x >> 1, 7 // y, -7 % y)
    for g, w in zip(got, want):
        same(g, w)
    f = np.array([7.5, -7.5, np.inf, 0.0])
    for g, w in zip(value(lambda a: (a // 2, a % 2, 2 // a, 2 % a), f),
                    (f // 2, f % 2, 2 // f, 2 % f)):  # fmt: skip
        same(g, w)


def test_sizes_stay_sizes():
    x = T.dvector("x")
    half, rest = T.divmod(x.shape[0], 2)
    f = function([x], [T.zeros((half + rest,)), T.ceil_intdiv(x.shape[0], 2)])
    zeros, up = f(np.ones(7))
    assert zeros.shape == (4,) and up == 4


def test_rounding_modes():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 2.0**52 + 1])
    same(value(lambda v: T.round(v, "half_away_from_zero"), x),
         np.array([1, 2, 3, -1, -2, 0, 2.0**52 + 1]))  # fmt: skip
    same(value(T.round, x), np.rint(x))
    same(value(T.iround, x[:-1]), np.rint(x[:-1]).astype("int64"))
    same(value(lambda v: T.iround(v, mode="half_away_from_zero"), x[:3]), np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="half_to_even"):
        T.round(T.dscalar(), mode="up")


def test_two_results():
    for build, want in ((T.frexp, np.frexp), (T.modf, np.modf)):
        for g, w in zip(value(build, FLOATS), want(FLOATS)):
            same(g, w)
    same(value(T.ldexp, FLOATS, np.arange(12, dtype="int32")), np.ldexp(FLOATS, np.arange(12)))
    same(value(T.ldexp, np.float32(1), np.int64(-149)), np.float32(2.0**-149))
    with pytest.raises(TypeError, match="integer"):
        T.ldexp(T.dscalar(), T.dscalar())


def test_several_operands():
    x, y, z = np.arange(3.0), np.ones(3), np.full(3, 2.0)
    same(value(lambda a, b, c: T.add(a, b, c, 1), x, y, z), x + y + z + 1)
    same(value(lambda a, b, c: T.mul(a, b, c), x, y, z), x * y * z)
    same(value(lambda a, b, c: T.largest(a, b, c), x, y, z), np.full(3, 2.0))
    same(value(lambda a, b, c: T.smallest(a, b, c), x, y, z), np.array([0.0, 1.0, 1.0]))


def test_clip():
    x = np.array([-2.0, -1.0, 0.5, 1.0, 3.0, np.nan])
    same(value(lambda v: T.clip(v, -1, 1), x), np.clip(x, -1, 1))
    same(value(lambda v: T.clip(v, 2, 1), x), np.clip(x, 2, 1))  # crossed: the upper one
    same(
        value(lambda v: T.clip(v, -300, 5), np.array([3, 200], "uint8")), np.array([3, 5], "uint8")
    )
    v, lo, hi = T.dvectors("v", "lo", "hi")
    gradients = T.grad(T.clip(v, lo, hi).sum(), [v, lo, hi])
    got = function([v, lo, hi], gradients)(x[:5], -np.ones(5), np.ones(5))
    for g, w in zip(got, ([0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1])):
        same(g, np.array(w, float))
    got = function([v, lo, hi], gradients)(np.zeros(1), np.full(1, 2.0), np.ones(1))
    assert [float(g[0]) for g in got] == [0, 0, 1]


def test_closeness():
    a, b = np.array([1.0, np.inf, np.nan, 1e-9]), np.array([1.0 + 1e-7, np.inf, np.nan, 0.0])
    same(
        value(lambda x, y: T.isclose(x, y, equal_nan=True), a, b), np.isclose(a, b, equal_nan=True)
    )
    assert not value(T.allclose, a, b)
    assert value(lambda x, y: T.allclose(x, y, equal_nan=True), a, b)
    low = np.array([np.iinfo("int8").min], "int8")
    same(value(T.isclose, low, low), np.array([True]))


def test_integer_powers():
    x = np.array([2, -3, 0, 5], "int32")
    same(value(lambda v: v**70, x), x**70)
    same(value(lambda v: 3**v, np.array([0, 1, 39])), 3 ** np.array([0, 1, 39]))
    f = function([a := T.lvector("a"), b := T.lvector("b")], a**b)
    same(f([2, 7], [10, 0]), np.array([1024, 1]))
    with pytest.raises(ValueError, match=r"negative integer powers(.|\n)*test_symbolic_math"):
        f([2, 2], [1, -1])
    with pytest.raises(JitgradError, match="negative integer powers"):
        a**-1
    same(value(lambda v, w: v**w, np.array([2, 3], "uint8"), np.array([3, 200], "uint8")),
         np.array([2, 3], "uint8") ** np.array([3, 200], "uint8"))  # fmt: skip


def test_comparisons_beyond_a_dtype():
    x = np.array([0, 200], "uint8")
    same(value(lambda v: T.lt(v, 300), x), np.array([True, True]))
    same(value(lambda v: T.eq(-1, v), x), np.array([False, False]))
    big, low = np.array([2**63, 5], "uint64"), np.array([-1, 5], "int64")
    same(value(T.lt, low, big), low < big)
    same(value(T.ge, big, low), big >= low)
    with pytest.raises(OverflowError, match="out of bounds"):
        T.bvector() + 300


def test_errors_say_what_is_wrong():
    x = T.dvector("x")
    for build in (lambda: x << 1, lambda: T.gcd(x, 2), lambda: x & 1, lambda: T.bitwise_count(x)):
        with pytest.raises(DTypeError, match=r"takes (bools or )?ints(.|\n)*test_symbolic_math"):
            build()
    for dtype in ("complex64", "complex128"):
        with pytest.raises(TypeError, match=r"not there yet"):
            T.cast(x, dtype)
    same(value(lambda v: T.cast(v, "bool"), FLOATS), FLOATS.astype(bool))
    same(value(lambda v: T.switch(v, 1.0, 2.0), FLOATS), np.where(FLOATS, 1.0, 2.0))


@pytest.mark.parametrize("build", [T.mod, T.fmod])
def test_gradient_of_a_remainder(build):
    x, y = T.dscalars("x", "y")
    f = function([x, y], [build(x, y), *T.grad(build(x, y), [x, y])])
    for a, b in ((7.3, 2.0), (-7.3, 2.0), (7.3, -2.0)):
        v, dx, dy = (float(r) for r in f(a, b))
        h = 1e-6
        assert dx == 1
        assert dy == pytest.approx((float(f(a, b + h)[0]) - float(f(a, b - h)[0])) / (2 * h))
        assert v == pytest.approx(a - b * -dy)


def test_special_functions():
    x = np.array([0.3, 1.0, 2.5, -0.4])
    for name in ("erf", "erfc", "erfcx", "gamma", "gammaln", "psi", "digamma"):
        same(value(getattr(T, name), x), getattr(special, name)(x), 1e-13)
    for name in ("erfinv", "erfcinv"):
        same(
            value(getattr(T, name), x[[0, 3]] + 0.5), getattr(special, name)(x[[0, 3]] + 0.5), 1e-13
        )
    same(value(T.tri_gamma, x[:3]), special.polygamma(1, x[:3]), 1e-13)
    same(value(lambda v: T.polygamma(3, v), x[:3]), special.polygamma(3, x[:3]), 1e-13)
    same(value(lambda v: T.polygamma(0, v), np.array([1, 2])), special.psi([1.0, 2.0]), 1e-13)
    same(value(T.erf, np.array([0, 1])), special.erf([0.0, 1.0]), 1e-13)
    with pytest.raises(TypeError, match="order"):
        T.polygamma(T.iscalar(), x)
    with pytest.raises(TypeError, match="order"):
        T.polygamma(-1, x)
    v = T.dscalar("v")
    slope = function([v], [T.grad(f(v), v) for f in (T.gammaln, T.psi, T.erfinv, T.erfc)])
    bell = 2 / np.sqrt(np.pi)
    inverse = np.exp(special.erfinv(0.4) ** 2) / bell
    want = [special.psi(0.4), special.polygamma(1, 0.4), inverse, -bell * np.exp(-0.16)]
    np.testing.assert_allclose(slope(0.4), want, rtol=1e-12)
