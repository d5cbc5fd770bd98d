"""Emitters of elementwise ops: on lesser machines, by constants, and those that may fail."""

from __future__ import annotations

import numpy as np
import pytest
from lowering import INTS, Compiled, Nest, StatusError, elementwise, i, n, of_op, param, samples

from jitgrad import numpy as jnp
from jitgrad.api import grad, jit, vmap
from jitgrad.compile import compile_ir
from jitgrad.ir.build import Builder
from jitgrad.ir.core import function
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import DTYPES, tensor
from jitgrad.llvm.code import VALUE
from jitgrad.llvm.target import Target

TARGETS = [Target.x86(level) for level in ("sse2", "avx2")]
RUNNABLE = [t for t in TARGETS if t.runs_on(Target.host())]
INTEGRAL = ("fmod", "mod", "floordiv", "shl", "shr", "ipow", "gcd", "lcm", "bitwise_count")
BITS = ("floor", "ceil", "trunc", "rint", "round_away", "copysign", "signbit", "nextafter",
        "spacing", "ldexp", "mantissa", "exponent", "isinf", "isfinite", "fmod")  # fmt: skip


def check(name, dtype, target, count):
    row = TABLE[name]
    kinds = [dtype] * row.arity
    (out,) = row.types(name, [tensor(d, (n,)) for d in kinds], {}, ())
    made = Compiled(of_op(elementwise(name, kinds, out.dtype.name)), target=target)
    args = [samples(d, count, k) for k, d in enumerate(kinds)]
    with np.errstate(all="ignore"):
        want = row.ref(*args)
    (got,) = made(*args)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        zero = (want == 0) & ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[zero], np.signbit(want)[zero])


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
@pytest.mark.parametrize("name", INTEGRAL)
def test_ints_on_lesser_machines(name, target):
    for dtype in INTS:
        check(name, dtype, target, 133)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
@pytest.mark.parametrize("name", BITS)
def test_floats_on_lesser_machines(name, target):
    for dtype in ("f64", "f32"):
        check(name, dtype, target, 133)


@pytest.mark.parametrize("name", ["fmod", "mod", "floordiv", "shl", "shr", "ipow", "gcd"])
def test_by_a_constant(name):
    for dtype in ("i64", "i32", "u16", "i8", "u64"):
        d = DTYPES[dtype]
        info = np.iinfo(d.np)
        for number in {0, 1, 3, 8, 10, 63, int(info.max), -1, -3, int(info.min)}:
            if not info.min <= number <= info.max:
                continue
            x = param(dtype, n)
            b = Builder()
            fn = function("f", [x], [b(name, x, b.const(number, x.type))])
            a = samples(dtype, 77, 1)
            with np.errstate(all="ignore"):
                want = TABLE[name].ref(a, np.full(77, number, d.np))
            np.testing.assert_array_equal(compile_ir(fn).call(a)[0], want, f"{dtype} {number}")


def test_scalars_of_every_row():
    for name in INTEGRAL:
        for dtype in ("i64", "i8", "u32"):
            row = TABLE[name]
            params = [param(dtype, name=c) for c in "xy"[: row.arity]]
            call = compile_ir(function("f", params, [Builder()(name, *params)])).call
            for k in range(8):
                args = [samples(dtype, 1, 8 * k + j)[0] for j in range(row.arity)]
                with np.errstate(all="ignore"):
                    assert call(*args)[0] == row.ref(*args), (name, args)


# -- ops that may fail ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64, 133])
def test_a_negative_exponent_is_found_in_any_lane(size):
    made = Compiled(of_op(elementwise("nonnegative", ["i32"], "i32")))
    a = np.arange(size, dtype=np.int32)
    np.testing.assert_array_equal(made(a)[0], a)
    for place in {0, size // 2, size - 1}:
        bad = a.copy()
        bad[place] = -1
        with pytest.raises(StatusError) as info:
            made(bad)
        assert info.value.args[0] == VALUE


def test_lanes_behind_the_end_do_not_fail():
    k = Nest([param("i64", n)], [tensor("i64", (n,))])

    def body():
        less = k("sub", k("load", k.ins[0], index=(i,)), k.const(1, "i64"))
        k("store", k("nonnegative", less), k.outs[0], index=(i,))

    k.loop("i", n, body, vector=True)
    made = Compiled(k.function())
    for size in (1, 5, 9, 40):  # what a mask switches off is -1
        np.testing.assert_array_equal(made(np.ones(size, np.int64))[0], np.zeros(size, np.int64))


def test_power_of_traced_ints():
    f = jit(lambda x, y: x**y)
    x, y = np.array([2, 3, -3]), np.array([10, 0, 3])
    np.testing.assert_array_equal(f(x, y), x**y)
    with pytest.raises(ValueError, match=r"negative integer powers(.|\n)*test_scalar.*\n.*x\*\*y"):
        f(x, -y)
    with pytest.raises(ValueError, match="negative integer powers"):
        jit(lambda x: x**-1)(x)
    np.testing.assert_array_equal(jit(lambda x: x**100)(x), x**100)
    many = vmap(lambda a, b: a**b)
    np.testing.assert_array_equal(many(x, y), x**y)
    np.testing.assert_array_equal(jit(many)(x, y), x**y)


def test_two_results_are_traced():
    x = np.array([-7.3, 0.0, 5.5, np.inf])
    for fn in (np.modf, np.frexp):
        for got in (
            jit(lambda v, fn=fn: fn(v))(x),
            jit(lambda v, fn=fn: getattr(jnp, fn.__name__)(v))(x),
        ):
            for g, w in zip(got, fn(x)):
                np.testing.assert_array_equal(g, w)
                assert g.dtype == w.dtype
    got = jit(lambda v: divmod(v, 2.0))(x)
    with np.errstate(invalid="ignore"):
        for g, w in zip(got, divmod(x, 2.0)):
            np.testing.assert_array_equal(g, w)
    assert grad(lambda v: np.modf(v)[0] * 3 + np.frexp(v)[0])(5.5) == 3 + 1 / 8
    assert jit(lambda v: v << 2 | v >> 1)(12) == (12 << 2 | 12 >> 1)


def test_derivatives_of_choices():
    nan = np.nan
    for fn, at, want in (
        (np.fmax, (1.0, nan), (1, 0)), (np.fmax, (nan, 2.0), (0, 1)), (np.fmin, (1.0, 2.0), (1, 0)),
        (np.fmin, (3.0, 3.0), (0.5, 0.5)), (np.copysign, (-2.0, 5.0), (-1, 0)),
        (np.copysign, (0.0, 5.0), (0, 0)),
        (np.heaviside, (0.0, 5.0), (0, 1)), (np.heaviside, (1.0, 5.0), (0, 0)),
        (np.remainder, (-7.5, 2.0), (1, 4)), (np.fmod, (-7.5, 2.0), (1, 3)),
        (np.floor_divide, (7.5, 2.0), (0, 0)), (np.nextafter, (1.0, 2.0), (1, 0)),
    ):  # fmt: skip
        for run in (lambda f: f, jit):
            got = run(grad(lambda a, b, fn=fn: fn(a, b), (0, 1)))(*at)
            assert tuple(map(float, got)) == want, (fn, at, got)


def test_clip_takes_bounds_as_numpy_does():
    x = np.array([-5, 3, 9], np.int8)
    for args in ((0, 5), (-1000, 5), (0, 1000), (None, 4), (2, None), (0.5, 4), (5, 0)):
        want = np.clip(x, *args)
        got = jit(lambda v, args=args: jnp.clip(v, *args))(x)
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype
    np.testing.assert_array_equal(jit(lambda v: jnp.clip(v, min=0))(x), np.clip(x, min=0))
    with pytest.raises(ValueError, match="forbidden"):
        jit(lambda v: jnp.clip(v, 0, max=3))(x)
    got = jit(grad(lambda v: jnp.clip(v, -1.0, 1.0).sum()))(np.array([-2.0, -1, 0, 1, 2]))
    np.testing.assert_array_equal(got, [0, 1, 1, 1, 0])


def test_rounding_to_decimals():
    for x in (
        np.array([1.2345, -2.675, 1e300, np.inf]),
        np.array([15, 25, -35]),
        np.float32(1.005),
    ):
        for decimals in (0, 2, -1):
            want = np.round(x, decimals)
            got = jit(lambda v, d=decimals: jnp.round(v, d))(x)
            np.testing.assert_array_equal(got, want)
            assert got.dtype == want.dtype


def test_numbers_for_what_is_none():
    x = np.array([np.nan, np.inf, -np.inf, 1.5], np.float32)
    for options in ({}, {"nan": 2.0, "posinf": 7.0}, {"neginf": np.float64(-3)}):
        want = np.nan_to_num(x, **options)
        got = jit(lambda v, options=options: jnp.nan_to_num(v, **options))(x)
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype
    np.testing.assert_array_equal(jit(jnp.isposinf)(x), np.isposinf(x))
    np.testing.assert_array_equal(jit(jnp.isneginf)(x), np.isneginf(x))
    low = np.array([-128, 5], np.int8)
    np.testing.assert_array_equal(jit(jnp.isclose)(low, low), [True, True])
