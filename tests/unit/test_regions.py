"""Transforms through call, cond and scan: values, both modes, all orders, batching, masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jitgrad.errors import GuardError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Value, block, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.ir.printer import callees, format_function
from jitgrad.ir.types import BOOL, F64, scalar, tensor
from jitgrad.ir.verify import verify
from jitgrad.testing.gradcheck import check_derivatives
from jitgrad.transforms import batched, jvp, pullback, pushforward, vjp

RNG = np.random.default_rng(5)


def var(name: str, *shape, dtype="f64") -> Value:
    return Value(tensor(dtype, shape), name=name)


def where_positive(b: Builder, x: Value, v: Value) -> Value:
    return b.select(b("gt", x, b.zeros(x.type)), v, b.zeros(v.type))


# -- programs -------------------------------------------------------------------------------------


def callee(*shape) -> Function:
    b = Builder()
    x, y = var("x", *shape), var("y", *shape)
    s = b("sin", b.mul(x, y))
    return function("inner", [x, y], [b.mul(s, x), b("exp", y), b("gt", x, y)])


def call_program() -> tuple[Function, list]:
    b = Builder()
    x, y = var("x", 3), var("y", 3)
    inner = callee(3)
    one = b.op("call", x, b("tanh", y), callee=inner)
    two = b.op("call", one.results[0], one.results[1], callee=inner)
    out = b.select(one.results[2], two.results[0], two.results[1])
    return function("calls", [x, y], [b.sum(out, (0,)), one.results[0]]), [
        np.array([0.5, -0.3, 1.2]), np.array([0.1, 0.8, -0.4])]  # fmt: skip


def cond_program(up: bool = True) -> tuple[Function, list]:
    b = Builder()
    p, x, y = var("p", dtype="bool"), var("x", 3), var("y", 3)
    ax, ay = var("ax", 3), var("ay", 3)
    yes = block([ax, ay], [b("exp", b.mul(ax, ay)), b.sum(ax, (0,))])
    bx, by = var("bx", 3), var("by", 3)
    no = block([bx, by], [b("sin", bx), b.const(2, scalar(F64))])
    op = b.op("cond", p, x, b.mul(x, y), regions=(yes, no))
    out = b.mul(op.results[0], b.broadcast(op.results[1], (3,), ()))
    return function("cond", [p, x, y], [out]), [
        np.bool_(up), np.array([0.5, -0.3, 1.2]), np.array([0.1, 0.8, -0.4])]  # fmt: skip


def scan_program(reverse: bool = False, steps=5) -> tuple[Function, list]:
    """Constants w, c; carries h, s, n (an int); inputs u; outputs y and h·h."""
    b = Builder()
    w, c, h, s, n, u = (var("w", 2, 2), var("c", 2), var("h", 2), var("s"),
                        var("n", dtype="i64"), var("u", 2))  # fmt: skip
    wh = b.reshape(b("matmul", w, b.reshape(h, (2, 1)), ta=False, tb=False), (2,))
    new = b("tanh", b.add(b.add(wh, c), u))
    count = b.cast(n, F64)
    total = b.add(s, b.mul(b.sum(new, (0,)), count))
    body = block(
        [w, c, h, s, n, u],
        [new, total, b.add(n, b.const(1, n.type)), b.mul(new, u), b.mul(h, h)],
    )
    W, C, H, S, U = (var("W", 2, 2), var("C", 2), var("H", 2), var("S"), var("U", steps, 2))
    op = b.op("scan", W, C, H, S, b.const(0, n.type), U, regions=(body,), length=steps,
              carries=3, consts=2, reverse=reverse)  # fmt: skip
    fn = function("loop", [W, C, H, S, U], [*op.results[:2], *op.results[3:]])
    k = steps if isinstance(steps, int) else 4
    args = [0.5 * RNG.standard_normal(s) for s in ((2, 2), (2,), (2,), (), (k, 2))]
    return fn, args


def nested_program() -> tuple[Function, list]:
    """A scan whose body has a cond and a call, and a scan inside."""
    b = Builder()
    inner = callee()
    acc, a, v = var("acc"), var("a"), var("v")
    deep_body_c, deep_k = var("dc"), var("dk")
    deep = block([deep_k, deep_body_c], [b("sin", b.mul(deep_k, deep_body_c))])
    deep_op = b.op("scan", a, acc, regions=(deep,), length=3, carries=1, consts=1, reverse=False)
    called = b.op("call", deep_op.result, v, callee=inner)
    ca, cb = var("ca"), var("cb")
    da, db = var("da"), var("db")
    choice = b.op(
        "cond",
        b("gt", v, b.zeros(v.type)),
        called.results[0],
        called.results[1],
        regions=(block([ca, cb], [b.mul(ca, cb)]), block([da, db], [b("tanh", db)])),
    )
    body = block([a, acc, v], [b.add(acc, choice.result), choice.result])
    A, X, V = var("A"), var("X"), var("V", 4)
    op = b.op("scan", A, X, V, regions=(body,), length=4, carries=1, consts=1, reverse=False)
    return function("nested", [A, X, V], op.results), [
        np.float64(0.7), np.float64(0.3), np.array([0.5, -0.6, 0.2, -0.9])]  # fmt: skip


PROGRAMS = {
    "call": call_program, "cond-true": cond_program, "cond-false": lambda: cond_program(False),
    "scan": scan_program, "scan-reverse": lambda: scan_program(True),
    "scan-symbolic": lambda: scan_program(steps=symbol("k")),
    "scan-none": lambda: scan_program(steps=0), "nested": nested_program,
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_modes_to_second_order(name: str):
    fn, args = PROGRAMS[name]()
    check_derivatives(fn, args, order=2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["call", "cond-true", "scan"])
def test_third_order(name: str):
    fn, args = PROGRAMS[name]()
    check_derivatives(vjp(fn), [*args, *(np.ones(np.shape(r)) for r in run(fn, args))], order=2,
                      rtol=1e-5, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("mode", ["plain", "jvp", "vjp"])
def test_batched_is_a_loop(name: str, mode: str):
    fn, args = PROGRAMS[name]()
    if mode == "jvp":
        args = [*args, *(RNG.standard_normal(np.shape(a)) for p, a in zip(fn.params, args)
                         if p.type.dtype.inexact)]  # fmt: skip
        fn = jvp(fn)
    elif mode == "vjp":
        args = [*args, *(RNG.standard_normal(np.shape(r)) for r in run(fn, args))]
        fn = vjp(fn)
    n, size = len(args), 3
    subsets = list(itertools.product([False, True], repeat=n))[1:]
    picks = (
        subsets
        if len(subsets) < 16
        else [subsets[i] for i in RNG.choice(len(subsets), 12, replace=False)]
    )
    for flags in picks:
        stacks = []
        for a, f in zip(args, flags):
            a = np.asarray(a)
            if a.dtype == bool:
                stacks.append(np.array([True, False, True]) if f else a)
            else:
                stacks.append(a + RNG.uniform(-0.1, 0.1, (size, *a.shape)) if f else a)
        got = run(batched(fn, flags, size), stacks)
        want = [run(fn, [s[i] if f else s for s, f in zip(stacks, flags)]) for i in range(size)]
        for g, w in zip(got, zip(*want)):
            np.testing.assert_allclose(g, np.stack(w), 1e-12, 1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_derived_functions_verify_and_print(name: str):
    fn, _ = PROGRAMS[name]()
    every = [jvp(fn), vjp(fn), jvp(vjp(fn)), vjp(jvp(fn)), vjp(vjp(fn))]
    for f in (*every, *(batched(f, [True] * len(f.params), 3) for f in every)):
        verify(f)
        if not callees(f):
            text = format_function(f)
            assert format_function(parse_function(text)) == text


# -- only what is active --------------------------------------------------------------------------


def test_zeros_stay_symbolic_through_regions():
    b = Builder()
    x, y = var("x", 3), var("y", 3)
    op = b.op("call", x, y, callee=callee(3))
    first, second, flag = op.results
    one = b.const(1, x.type)
    assert pullback([second], [one], [x]) == [None]  # exp(y) does not depend on x
    assert pushforward([second, flag], [x], [one]) == [None, None]
    (g,) = pullback([first], [one], [y])
    assert g is not None and g.op is not None and g.op.name == "call"
    assert len(g.op.results) == 1  # the cotangent of y alone
    p = var("p", dtype="bool")
    ax, bx, ay, by = var("ax", 3), var("bx", 3), var("ay", 3), var("by", 3)
    op = b.op("cond", p, x, y, regions=(block([ax, ay], [ay]), block([bx, by], [b("sin", by)])))
    assert pullback([op.result], [one], [x]) == [None]
    assert pushforward([op.result], [x], [one]) == [None]


def test_scan_reverse_stacks_only_the_carries_it_needs():
    b = Builder()
    s, u = var("s"), var("u")
    body = block([s, u], [b.add(s, b("sin", u))])  # linear in the carry: nothing to keep
    S, U = var("S"), var("U", 4)
    op = b.op("scan", S, U, regions=(body,), length=4, carries=1, consts=0, reverse=False)
    gs, gu = pullback([op.result], [b.const(1, S.type)], [S, U])
    made = [o for o in function("g", [S, U], [gs, gu]).ops if o.name == "scan"]
    assert len(made) == 1 and made[0].attrs["reverse"] is True


def test_augmented_scan_shares_parameters_and_ops():
    b = Builder()
    s, u = var("s"), var("u")
    body = block([s, u], [b.mul(b("sin", s), u)])
    S, U = var("S"), var("U", 4)
    op = b.op("scan", S, U, regions=(body,), length=4, carries=1, consts=0, reverse=False)
    (g,) = pullback([op.result], [b.const(1, S.type)], [S])
    ahead, back = (o for o in function("g", [S, U], [g]).ops if o.name == "scan")
    assert ahead.operands == op.operands and ahead.regions[0].params == body.params
    assert ahead.regions[0].ops == body.ops
    assert ahead.regions[0].results == (*body.results, s)
    assert back.attrs["reverse"] is True


def test_effects_inside_a_callee_stay():
    b = Builder()
    x = var("x")
    g = b.op("guard", b("gt", x, b.zeros(x.type)), expect=True, message="positive")
    inner = function("inner", [x], [b("log", x)], [g])
    y = var("y")
    fn = function("outer", [y], [b.op("call", y, callee=inner).result])
    for derived in (jvp(fn), vjp(fn), batched(fn, [True], 2)):
        ok = [np.full(p.type.shape, 2.0) for p in derived.params]
        run(derived, ok)
        with pytest.raises(GuardError, match="positive"):
            run(derived, [np.full(p.type.shape, -2.0) for p in derived.params])


def test_guard_inside_a_batched_branch_holds_only_for_its_lanes():
    b = Builder()
    ax, bx = var("ax"), var("bx")
    g = b.op("guard", b("gt", ax, b.zeros(ax.type)), expect=True, message="positive")
    yes, no = block([ax], [b("log", ax)], [g]), block([bx], [b("exp", bx)])
    p, x = var("p", dtype="bool"), var("x")
    fn = function("f", [p, x], [b.op("cond", p, x, regions=(yes, no)).result])
    for flags, xs in (([True, True], np.array([1.0, -1.0])), ([True, False], np.float64(1.0))):
        many = batched(fn, flags, 2)
        got = run(many, [np.array([True, False]), xs])[0]
        lanes = np.broadcast_to(xs, (2,))
        np.testing.assert_allclose(got, [np.log(lanes[0]), np.exp(lanes[1])])
        with pytest.raises(GuardError, match="positive"):
            run(many, [np.array([True, False]), -np.abs(xs)])


def test_guard_inside_nested_batched_branches():
    b = Builder()
    a, c, d, e = (var(n) for n in "acde")
    g = b.op("guard", b("gt", a, b.zeros(a.type)), expect=True, message="positive")
    deep = block([a], [b("log", a)], [g]), block([c], [c])
    inner = b.op("cond", b("lt", d, b.const(10, d.type)), d, regions=deep)
    outer = block([d], [inner.result], [inner]), block([e], [e])
    p, x = var("p", dtype="bool"), var("x")
    fn = function("f", [p, x], [b.op("cond", p, x, regions=outer).result])
    many = batched(fn, [True, True], 3)
    preds = np.array([True, False, True])
    got = run(many, [preds, np.array([1.0, -1.0, 20.0])])[0]
    np.testing.assert_array_equal(got, [0, -1, 20])
    with pytest.raises(GuardError, match="positive"):
        run(many, [preds, np.array([-1.0, -1.0, 20.0])])


def test_index_inside_a_batched_branch_is_checked_only_for_its_lanes():
    b = Builder()
    table = b.const(np.array([1.0, 2.0, 3.0]), tensor(F64, (3,)))
    i, j = var("i", dtype="i64"), var("j", dtype="i64")
    yes = block([i], [b("gather", table, b("wrap_index", i, size=3), axis=0)])
    no = block([j], [b.zeros(scalar(F64))])
    p, k = var("p", dtype="bool"), var("k", dtype="i64")
    fn = function("f", [p, k], [b.op("cond", p, k, regions=(yes, no)).result])
    many = batched(fn, [True, True], 2)
    preds = np.array([True, False])
    np.testing.assert_array_equal(run(many, [preds, np.array([-1, 7])])[0], [3, 0])
    with pytest.raises(IndexError, match="7"):
        run(many, [preds, np.array([7, 7])])


# -- masks ----------------------------------------------------------------------------------------


def root_by(way: str, b: Builder, x: Value) -> Value:
    """sqrt of x, computed inside a region."""
    v = Value(x.type)
    inner = function("root", [v], [b("sqrt", v)])
    if way == "call":
        return b.op("call", x, callee=inner).result
    if way == "cond":
        w = Value(x.type)
        return b.op("cond", b.const(True, scalar(BOOL)), x,
                    regions=(inner.body, block([w], [b("sqrt", w)]))).result  # fmt: skip
    if way == "scan-const":
        acc, k = Value(x.type), Value(x.type)
        body = block([k, acc], [b.add(acc, b("sqrt", k))])
        return b.op("scan", x, b.zeros(x.type), regions=(body,), length=2, carries=1, consts=1,
                    reverse=False).result  # fmt: skip
    if way == "scan-carry":
        c = Value(x.type)
        body = block([c], [b("sqrt", c)])
        return b.op("scan", x, regions=(body,), length=2, carries=1, consts=0,
                    reverse=False).result  # fmt: skip
    c, e = Value(x.type), Value(scalar(F64))
    body = block([c, e], [c, b("sqrt", e)])
    op = b.op("scan", b.zeros(x.type), x, regions=(body,), length=x.type.shape[0], carries=1,
              consts=0, reverse=False) if x.type.rank else None  # fmt: skip
    assert op is not None
    return op.results[1]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("way", ["call", "cond", "scan-const", "scan-carry", "scan-xs"])
def test_mask_goes_through(way: str, outside: bool, order: int):
    # the root inside the region, or (outside) before it with an identity-like region after
    b = Builder()
    x = var("x", 3)
    inner = root_by(way, b, b("sqrt", x) if outside else x)
    out = where_positive(b, x, inner)
    for _ in range(order):
        (out,) = pullback([out], [b.const(1, x.type)], [x])
        assert out is not None
    (g,) = run(function("g", [x], [out]), [np.array([0.0, -1.0, 4.0])])
    assert g[0] == 0 and g[1] == 0 and np.isfinite(g[2]) and g[2] != 0, g


@pytest.mark.parametrize("order", [1, 2])
def test_batched_cond_does_not_contaminate(order: int):
    b = Builder()
    x = var("x")
    ax, bx = var("ax"), var("bx")
    regions = (block([ax], [b("sqrt", ax)]), block([bx], [b.zeros(bx.type)]))
    out = b.op("cond", b("gt", x, b.zeros(x.type)), x, regions=regions).result
    fn = function("f", [x], [out])
    many = batched(fn, [True], 3)
    for _ in range(order):
        (xs,) = many.params[:1]
        (g,) = pullback(many.results[:1], [b.const(1, xs.type)], [xs])
        many = function("g", [xs], [g])
    (g,) = run(many, [np.array([0.0, -1.0, 4.0])])
    want = 0.25 if order == 1 else -1 / 32
    np.testing.assert_allclose(g, [0, 0, want])


def test_mask_made_by_one_step_protects_the_steps_before():
    b = Builder()
    r, o, u = var("r"), var("o"), var("u")
    # r carries a root; o takes it only where u is positive: with u = 0 nothing flows back
    body = block([r, o, u], [b("sqrt", u), where_positive(b, u, r)])
    R, O, U = var("R"), var("O"), var("U", 3)
    op = b.op("scan", R, O, U, regions=(body,), length=3, carries=2, consts=0, reverse=False)
    (g,) = pullback([op.results[1]], [b.const(1, R.type)], [U])
    (value,) = run(function("g", [R, O, U], [g]),
                   [np.float64(1), np.float64(1), np.array([4.0, 0.0, 0.0])])  # fmt: skip
    np.testing.assert_array_equal(value, [0, 0, 0])


def test_long_scan_body_is_shared_not_copied():
    fn, _ = scan_program()
    (op,) = (o for o in fn.ops if o.name == "scan")
    total = Builder().sum(op.results[0], (0,))
    grads = pullback([total], [Builder().const(1, total.type)], list(fn.params))
    whole = function("g", fn.params, [fn.results[0], *(g for g in grads if g is not None)])
    bodies = [o.regions[0] for o in whole.ops if o.name == "scan"]
    assert isinstance(bodies[0], Block)
    assert sum(b.ops == bodies[0].ops for b in bodies) == 2
