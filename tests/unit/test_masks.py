"""Masks of cotangents, ties and special points: what is inactive stays out, in every order."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value, function, reachable
from jitgrad.ir.interp import run
from jitgrad.ir.types import F64, scalar, tensor
from jitgrad.testing.gradcheck import gradient
from jitgrad.transforms import jvp, pullback, pushforward, vjp


def var(name: str = "x", *shape) -> Value:
    return Value(tensor(F64, shape), name=name)


def selects(v: Value) -> int:
    """How many selects stand above a value."""
    return sum(op.name == "select" for op in reachable([v]))


def where_positive(b, x, f):
    return b.select(b("gt", x, b.zeros(x.type)), f(x), b.zeros(x.type))


@pytest.mark.parametrize("op, at_two", [("sqrt", 0.5 / 2**0.5), ("log", 0.5)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_where_trap_in_every_order(op: str, at_two: float, order: int):
    (g,) = gradient(lambda b, x: where_positive(b, x, lambda v: b(op, v)), [0.0, -1.0, 2.0],
                    order=order)  # fmt: skip
    assert g[0] == 0 and g[1] == 0 and np.isfinite(g[2]) and g[2] != 0
    if order == 1:
        np.testing.assert_allclose(g[2], at_two)


@pytest.mark.parametrize("outer", [jvp, vjp])
@pytest.mark.parametrize("inner", [jvp, vjp])
@pytest.mark.parametrize("route", ["none", "gather", "broadcast", "product"])
def test_where_trap_in_mixed_modes(inner, outer, route: str):
    b, x = Builder(), var("x", 3)
    wide, on = b("sqrt", x), x
    if route != "none":
        wide, on = ROUTES[route](b, wide), ROUTES[route](b, x)
    out = b.select(b("gt", on, b.zeros(on.type)), wide, b.zeros(on.type))
    fn = function("f", [x], [out])
    for transform in (inner, outer):
        fn = transform(fn)
    args = [np.array([0.0, 4.0, 0.0]), *(np.ones(p.type.shape) for p in fn.params[1:])]
    for r in run(fn, args):
        assert np.isfinite(r).all(), r


def test_where_trap_costs_one_select():
    b, x = Builder(), var()
    y = where_positive(b, x, lambda v: b("sqrt", b("exp", v)))
    (g,) = pullback([y], [var("t")], [x])
    assert selects(g) == 1 and g.op.name == "select"


def test_both_sides_of_a_select_merge_into_one():
    b, x = Builder(), var()
    y = b.select(b("gt", x, b.zeros(x.type)), b("sqrt", x), b("exp", x))
    (g,) = pullback([y], [var("t")], [x])
    assert selects(g) == 1
    (d,) = pushforward([y], [x], [var("t")])
    assert selects(d) == 1


ROUTES = {
    "broadcast": lambda b, x: b.broadcast(x, (2, 3), (1,)),
    "gather": lambda b, x: b("gather", x, b.const(np.array([2, 0, 0, 1]), tensor("i64", (4,))),
                             axis=0),
    "slice": lambda b, x: b("slice", x, starts=(0,), stops=(3,), steps=(2,)),
    "reshape": lambda b, x: b.reshape(x, (3, 1)),
    "transpose": lambda b, x: b.transpose(b.reshape(x, (1, 3)), (1, 0)),
    "reverse": lambda b, x: b("reverse", x, axes=(0,)),
    "pad": lambda b, x: b("pad", x, b.const(-1, scalar(F64)), lo=(1,), hi=(0,), interior=(1,)),
    "concatenate": lambda b, x: b("concatenate", x, b("neg", x), axis=0),
    "cast": lambda b, x: b.cast(b.cast(x, tensor("f32", ()).dtype), F64),
    "refine": lambda b, x: b("refine", x, shape=(3,)),
    "product": lambda b, x: b("matmul", b.reshape(x, (3, 1)), b.const(1, tensor(F64, (1, 2))),
                              ta=False, tb=False),
    "product-t": lambda b, x: b("matmul", b.const(1, tensor(F64, (1, 2))), b.reshape(x, (3, 1)),
                                ta=True, tb=True),
    "max": lambda b, x: b("max", b.broadcast(x, (3, 2), (0,)), axes=(1,)),
    "scatter_add": lambda b, x: b("scatter_add", b.zeros(tensor(F64, (4,))),
                              b.const(np.array([1, 3, 0]), tensor("i64", (3,))), x, axis=0),
    **{name: lambda b, x, name=name: b(name, b.const(0.5, tensor(F64, (4,))),
                                       b.const(np.array([1, 3, 0]), tensor("i64", (3,))), x,
                                       axis=0)
       for name in ("scatter", "scatter_mul", "scatter_max", "scatter_min")},
    "take_along": lambda b, x: b("take_along", x, b.const(np.array([2, 0, 0, 1]),
                                                          tensor("i64", (4,))), axis=0),
    "sort": lambda b, x: b("sort", x, axis=0),
    "prod": lambda b, x: b("prod", b.broadcast(x, (3, 3), (0,)), axes=(1,)),
    "cumprod": lambda b, x: b("cumprod", b.reshape(x, (3, 1)), axis=1),
    "cummax": lambda b, x: b("cummax", b.broadcast(x, (3, 2), (0,)), axis=1),
    "recurrence": lambda b, x: b("recurrence", *[b.reshape(x, (3, 1))] * 2, axis=1),
    "dynamic_slice": lambda b, x: b("dynamic_slice", x, b.const(0, scalar("i64")), sizes=(3,)),
    "dynamic_update_slice": lambda b, x: b(
        "dynamic_update_slice", b.zeros(tensor(F64, (4,))), x, b.const(1, scalar("i64"))),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("route", ROUTES)
def test_mask_reaches_the_root_through(route: str, order: int):
    # sqrt before the route, where after it: the inactive lanes are on the other side
    def build(b, x):
        wide = ROUTES[route](b, b("sqrt", x))
        on = ROUTES[route](b, x)
        return b.select(b("gt", on, b.zeros(on.type)), wide, b.const(3, wide.type))

    (g,) = gradient(build, [0.0, 4.0, 0.25], order=order)
    assert g[0] == 0 and np.isfinite(g).all(), g
    assert g[2] != 0


def test_mask_survives_a_scalar_fill():
    def build(b, x):
        wide = b("fill", b.const(0, tensor(F64, (2, 2))), b("sqrt", x))
        on = b("gt", b.broadcast(x, (2, 2), ()), b.zeros(wide.type))
        return b.select(on, wide, b.zeros(wide.type))

    (g,) = gradient(build, 0.0)
    assert g == 0


@pytest.mark.parametrize("order", [1, 2])
def test_mask_through_a_running_sum(order: int):
    # the last lanes are off, so nothing flows to what only they have summed
    def build(b, x):
        c = b("cumsum", b("sqrt", x), axis=0)
        on = b.const(np.array([True, True, False]), tensor("bool", (3,)))
        return b.select(on, c, b.zeros(c.type))

    (g,) = gradient(build, [4.0, 1.0, 0.0], order=order)
    np.testing.assert_allclose(g, [0.5, 0.5, 0.0] if order == 1 else [-1 / 16, -0.25, 0.0])


def test_masked_paths_sum():
    def build(b, x):
        r, zero = b("sqrt", x), b.zeros(x.type)
        first = b.select(b("gt", x, zero), r, zero)
        second = b.select(b("gt", x, b.const(1, x.type)), b.mul(r, r), zero)
        return b.add(first, second)

    (g,) = gradient(build, [0.0, 0.25, 4.0])
    np.testing.assert_allclose(g, [0.0, 1.0, 1.25])


def test_a_value_that_happens_to_be_zero_is_no_mask():
    # sqrt(x)**2 at 0: 2*sqrt(0) * inf is not zero by any mask
    (g,) = gradient(lambda b, x: b.mul(b("sqrt", x), b("sqrt", x)), [0.0, 4.0])
    assert np.isnan(g[0]) and g[1] == 1


def test_abs_sign_and_ties():
    (g,) = gradient(lambda b, x: b("abs", x), [-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(g, [-1, 0, 1])
    up, down = [0, 0.5, 1], [1, 0.5, 0]
    for op, dx, dy in (("maximum", up, down), ("minimum", down, up)):
        gx, gy = gradient(lambda b, x, y, op=op: b(op, x, y), [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
        np.testing.assert_array_equal(gx, dx)
        np.testing.assert_array_equal(gy, dy)
    for op in ("max", "min"):
        (g,) = gradient(lambda b, x, op=op: b(op, x, axes=(0, 1)), [[5.0, 1.0], [1.0, 5.0]])
        want = [[0.5, 0], [0, 0.5]] if op == "max" else [[0, 0.5], [0.5, 0]]
        np.testing.assert_array_equal(g, want)


def test_max_of_infinities_has_no_nan():
    (g,) = gradient(lambda b, x: b("max", x, axes=(0,)), [-np.inf, -np.inf])
    np.testing.assert_array_equal(g, [0.5, 0.5])


@pytest.mark.parametrize(
    "x, y, gx, gy",
    [
        (0.0, 0.0, 0.0, -np.inf),  # x**0 is 1 for every x; 0**y jumps at y = 0
        (0.0, 2.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (3.0, 0.0, 0.0, np.log(3.0)),
        (-2.0, 3.0, 12.0, np.nan),
        (2.0, -1.0, -0.25, 0.5 * np.log(2.0)),
    ],
)
def test_pow_at_special_points(x, y, gx, gy):
    got = gradient(lambda b, x, y: b("pow", x, y), [x], [y])
    np.testing.assert_allclose(np.concatenate(got), [gx, gy])


def test_second_derivatives_where_first_ones_are_special():
    # the mixed derivative of x**y at y = 0 is 1/x; that of log(e^x + e^y) at x = y is -1/4
    def mixed(op, x, y):
        fn = function("f", p := [var("x"), var("y")], [Builder()(op, *p)])
        args = [np.float64(x), np.float64(y), np.float64(1)]
        dots = [np.float64(0), np.float64(1), np.float64(0)]
        return run(jvp(vjp(fn)), [*args, *dots])[-2]

    np.testing.assert_allclose(mixed("pow", 4.0, 0.0), 0.25)
    np.testing.assert_allclose(mixed("logaddexp", 1.0, 1.0), -0.25)
    (g,) = gradient(lambda b, x: b("logaddexp", x, x), [np.inf, -np.inf, 2.0])
    np.testing.assert_array_equal(g, [1, 1, 1])


@pytest.mark.parametrize("n, want", [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (3.0, 0.0)])
def test_pow_with_a_constant_exponent_at_zero(n, want):
    (g,) = gradient(lambda b, x: b("pow", x, b.const(n, x.type)), [0.0])
    assert g[0] == want
    (h,) = gradient(lambda b, x: b("pow", x, b.const(n, x.type)), [0.0], order=2)
    assert h[0] == (2.0 if n == 2 else 0.0)


def tail(b: Builder, v: Value) -> Value:
    """v[1:]"""
    return b("slice", v, starts=(1,), stops=v.type.shape, steps=(1,))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("op", ["sqrt", "log"])
def test_what_a_slice_leaves_out_is_inactive(op: str, order: int):
    (g,) = gradient(lambda b, x: tail(b, b(op, x)), [0.0, 1.0, 4.0], order=order)
    assert g[0] == 0 and np.isfinite(g).all() and (g[1:] != 0).all()
    (g,) = gradient(lambda b, x: b("exp", tail(b, b("sin", b(op, x)))), [0.0, 1.0, 4.0])
    assert g[0] == 0 and np.isfinite(g).all()


def test_a_slice_of_what_is_used_elsewhere_stays_active():
    def both(b, x):
        s = b("sqrt", x)
        return b.add(b.sum(tail(b, s), (0,)), b.sum(s, (0,)))

    (g,) = gradient(both, [0.0, 4.0])
    assert g[0] == np.inf and g[1] == 0.5


@pytest.mark.parametrize("op", ["exp", "sin", "tanh", "sigmoid", "neg"])
def test_slices_cost_no_mask_where_no_derivative_is_infinite(op: str):
    b, x = Builder(), var("x", 4)
    y = tail(b, b(op, b("div", x, b.const(3, x.type))))
    (g,) = pullback([y], [var("t", 3)], [x])
    names = [o.name for o in reachable([g])]
    assert "select" not in names and names.count("pad") == 1
