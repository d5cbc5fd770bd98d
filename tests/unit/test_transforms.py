"""Transforms of straight-line code: every row in both modes and batched, masks, exact shapes."""

from __future__ import annotations

import gc
import inspect
import itertools
import sys
import time

import numpy as np
import pytest

from jitgrad.errors import Loc, NotDifferentiableError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import F32, F64, scalar, tensor
from jitgrad.passes.pipelines import parse_pipeline
from jitgrad.testing.gradcheck import check_derivatives, examples, gradient
from jitgrad.transforms import batch, batched, jvp, pullback, pushforward, vjp

ROWS = [name for name, row in TABLE.items() if row.family not in ("control", "kernel")]
EXAMPLES = [(f"{name}-{i}", *ex) for name in ROWS for i, ex in enumerate(examples(TABLE[name]))]


def text(v: Value) -> str:
    """The tree above a value, constants by their spelling."""
    if v.op is None:
        return v.name
    if v.op.name == "constant":
        return v.op.attrs["spelling"] or repr(v.op.attrs["value"])
    return f"{v.op.name}({', '.join(map(text, v.op.operands))})"


def var(name: str = "x", *shape) -> Value:
    return Value(tensor(F64, shape), name=name)


# -- every row ------------------------------------------------------------------------------------


def test_every_row_is_differentiable_or_says_why():
    for name in ROWS:
        row = TABLE[name]
        ways = [row.deriv is not None, bool(row.linear) and row.transpose is not None,
                row.jvp is not None, bool(row.nondiff)]  # fmt: skip
        mixed = row.linear and row.jvp is not None  # linear in some operands, smooth in others
        assert sum(ways) == (2 if mixed else 1), name
        assert row.batch is not None, name
        assert list(examples(row)), name


# whose derivative is another than that of what they compute
APART = ("stop_gradient", "zero_grad", "undefined_grad", "grad_scale")
DIFFERENTIABLE = [
    e for e in EXAMPLES if e[1].results[0].type.dtype.is_float and not e[0].startswith(APART)
]


@pytest.mark.parametrize("name, fn, args", DIFFERENTIABLE, ids=[e[0] for e in DIFFERENTIABLE])
def test_row_derivatives_to_second_order(name: str, fn: Function, args):
    f32 = any(v.type.dtype.name == "f32" for v in (*fn.params, *fn.results))
    check_derivatives(fn, args, **({"rtol": 1e-3, "atol": 1e-3, "h": 0.25} if f32 else {}))


@pytest.mark.parametrize("name", [n for n in ROWS if TABLE[n].elementwise and not TABLE[n].nondiff])
def test_row_derivatives_in_single_precision(name: str):
    # the same ops on f32: derivatives stay f32, and are those of f64 but for rounding
    for fn, args in examples(TABLE[name]):
        kinds = {v.type.dtype.name for v in (*fn.params, *fn.results)}
        if "f64" not in kinds or name == "cast":
            continue
        params = [Value(p.type.with_dtype(F32) if p.type.dtype is F64 else p.type)
                  for p in fn.params]  # fmt: skip
        (op,) = fn.ops
        small = function("small", params, Builder().make(op.opdef, tuple(params), op.attrs).results)
        seeds = [np.ones_like(a) for p, a in zip(fn.params, args) if p.type.dtype is F64]
        for wide, narrow in ((jvp(fn), jvp(small)), (vjp(fn), vjp(small))):
            extra = seeds if wide is jvp(fn) else [np.ones(p.type.shape)
                                                   for p in wide.params[len(args) :]]  # fmt: skip
            want = run(wide, [*args, *extra])
            ins = [np.asarray(a).astype(p.type.dtype.np)
                   for p, a in zip(narrow.params, [*args, *extra])]  # fmt: skip
            for g, w, v in zip(run(narrow, ins), want, narrow.results):
                assert v.type.dtype is not F64
                np.testing.assert_allclose(g, w, 2e-4, 2e-4)


def test_structured_rows_with_symbolic_dims():
    # every transpose must bring back the very dims of the operand
    n, m = symbol("n"), symbol("m")
    b = Builder()
    x = Value(tensor(F64, (n, m)), name="x")
    zero = b.zeros(scalar(F64))
    idx = b("iota", type=tensor("i64", (n,)), axis=0)
    outs = [
        b("slice", x, starts=(0, 0), stops=(n, m), steps=(2, 1)),
        b("slice", x, starts=(1, 0), stops=(n, m), steps=(1, 3)),
        b("pad", x, zero, lo=(1, 0), hi=(m, 2), interior=(0, 0)),
        b("pad", x, zero, lo=(0, 0), hi=(0, 0), interior=(2, 0)),
        b("concatenate", x, b("sin", x), axis=0),
        b.reshape(x, (n * m,)),
        b.transpose(x, (1, 0)),
        b("cumsum", x, axis=1),
        b("max", x, axes=(0,)),
        b("sum", x, axes=(0, 1)),
        b.broadcast(x, (3, n, m), (1, 2)),
        b("gather", x, idx, axis=0),
        b("scatter_add", x, idx, b("exp", x), axis=0),
        b("matmul", x, x, ta=False, tb=True),
        b("fill", x, b.sum(x, (0, 1))),
        b("reverse", x, axes=(1,)),
        b("prod", x, axes=(0,)), b("prod", x, axes=(0, 1)), b("cumprod", x, axis=0),
        b("cummax", x, axis=1), b("cummin", x, axis=0), b("sort", x, axis=1),
        b("recurrence", x, b("sin", x), axis=0),
        b("take_along", x, b("argsort", x, axis=0), axis=0),
        b("scatter", x, idx, b("exp", x), axis=0), b("scatter_mul", x, idx, b("exp", x), axis=0),
        b("scatter_max", x, idx, b("neg", x), axis=0),
        (row := b("dynamic_slice", x, *[b.const(1, scalar("i64"))] * 2, sizes=(1, m))),
        b("dynamic_update_slice", x, row, *[b.const(1, scalar("i64"))] * 2),
    ]  # fmt: skip
    fn = function("f", [x], [b("tanh", o) for o in outs])
    for shape in ((4, 5), (3, 1), (2, 7)):
        args = [np.random.default_rng(0).uniform(-1, 1, shape)]
        check_derivatives(fn, args, order=2)
        size = symbol("batch")
        many = batched(vjp(fn), [True] + [False] * len(outs), size)
        cts = [np.ones_like(r) for r in run(fn, args)]
        stack = np.stack([args[0], 0.5 * args[0]])
        got = run(many, [stack, *cts])[-1]
        for g, a in zip(got, stack):
            np.testing.assert_allclose(g, run(vjp(fn), [a, *cts])[-1], rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in ROWS if TABLE[n].family == "elementwise"])
def test_rows_of_other_dtypes_have_zero_derivatives(name: str):
    for fn, args in examples(TABLE[name]):
        if fn.results[0].type.dtype.is_float:
            continue
        tangents = [np.ones_like(a) for p, a in zip(fn.params, args) if p.type.dtype.inexact]
        assert len(run(jvp(fn), [*args, *tangents])) == 1  # the result; it has no tangent
        for g in run(vjp(fn), args)[1:]:
            assert not g.any()


def test_stop_gradient_is_flat():
    (g,) = gradient(lambda b, x: b.mul(x, b("stop_gradient", x)), [2.0, 3.0])
    np.testing.assert_array_equal(g, [2.0, 3.0])


@pytest.mark.parametrize("name, fn, args", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_row_batched_is_a_loop(name: str, fn: Function, args):
    rng = np.random.default_rng(1)
    size, n = 3, len(fn.params)
    for flags in itertools.product([False, True], repeat=n):
        stacks = []
        for a, flag in zip(args, flags):
            a = np.asarray(a)
            more = np.stack([rng.permutation(a.ravel()).reshape(a.shape) for _ in range(size)])
            stacks.append(more if flag else a)
        for dim in (size, symbol("batch")):
            if not any(flags) and dim is not size:
                continue
            got = run(batched(fn, flags, dim), stacks)
            want = [run(fn, [s[i] if f else s for s, f in zip(stacks, flags)]) for i in range(size)]
            for g, w in zip(got, zip(*want)):
                np.testing.assert_allclose(g, np.stack(w), 1e-14, 1e-14)
                assert g.dtype == w[0].dtype


# -- exact shapes ---------------------------------------------------------------------------------


def test_pullback_of_the_tutorial_is_theanos_graph():
    b, x = Builder(), var()
    y = b("pow", x, b.const(2, x.type, "2"))
    seed = b("fill", y, b.const(1, x.type, "1.0"))
    (g,) = pullback([y], [seed], [x])
    assert g is not None
    assert text(g) == "mul(mul(fill(pow(x, 2), 1.0), 2), pow(x, sub(2, 1)))"
    assert g.op is not None and g.op.made_by == "vjp(pow)"


def test_zeros_are_symbolic():
    b, x, y = Builder(), var("x", 3), var("y", 3)
    n = b("argmax", x, axis=0)
    out = b("exp", x)
    one = b.const(1, out.type)
    assert pullback([out], [one], [y]) == [None]
    assert pullback([out], [None], [x]) == [None]
    assert pullback([n], [None], [x]) == [None]
    assert pullback([b("floor", x)], [one], [x]) == [None]
    assert pushforward([out, y, n], [x], [None]) == [None, None, None]
    assert pushforward([n, b("sign", x)], [x], [one]) == [None, None]
    assert pullback([x], [one], [x]) == [one]
    assert pushforward([x], [x], [one]) == [one]


def test_pullback_stops_at_fresh_values_and_starts_at_since():
    b, x = Builder(), var()
    before = b("sin", x)
    fresh = b("identity", before)
    out = b.mul(b("exp", fresh), before)
    (g,) = pullback([out], [b.const(1, x.type)], [fresh], since=fresh.op.serial)
    value = run(function("g", [x], [g]), [np.float64(0.7)])[0]
    np.testing.assert_allclose(value, np.exp(np.sin(0.7)) * np.sin(0.7))


def test_ops_carry_the_line_and_what_made_them():
    b, x = Builder(), var()
    b.loc = Loc("model.py", 7, "f")
    y = b("tanh", x)
    (g,) = pullback([y], [b.const(1, y.type)], [x])
    (d,) = pushforward([y], [x], [b.const(1, y.type)])
    for v, made_by in ((g, "vjp(tanh)"), (d, "jvp(tanh)")):
        assert v.op.loc == b.loc and v.op.made_by == made_by


def test_no_derivative_names_op_and_line():
    b, x = Builder(), var("x", 3)
    b.loc = Loc("model.py", 7, "f")
    out = b.op("kernel", x, regions=(_kernel_body(x),)).result
    for run_mode in (
        lambda: pullback([out], [b.const(1, out.type)], [x]),
        lambda: pushforward([out], [x], [b.const(1, out.type)]),
    ):
        with pytest.raises(NotDifferentiableError, match=r"(?s)kernel.*model.py\", line 7"):
            run_mode()


def _kernel_body(x: Value):
    from jitgrad.ir.core import Block

    return Block([Value(x.type), Value(x.type)], [], [])


# -- composition, batching, size ------------------------------------------------------------------


def small_program() -> tuple[Function, list[np.ndarray]]:
    b = Builder()
    x, w = var("x", 3, 4), var("w", 4, 2)
    h = b("tanh", b("matmul", x, w, ta=False, tb=False))
    top = b("max", h, axes=(1,))
    soft = b("exp", b("sub", h, b.broadcast(top, (3, 2), (0,))))
    p = b("div", soft, b.broadcast(b.sum(soft, (1,)), (3, 2), (0,)))
    c = b("cumsum", b("concatenate", p, b("sin", h), axis=0), axis=0)
    out = b.mul(c, b("slice", c, starts=(0, 0), stops=(6, 2), steps=(1, 1)))
    rng = np.random.default_rng(3)
    return function("small", [x, w], [b.sum(out, (0, 1)), h]), [
        rng.standard_normal((3, 4)), rng.standard_normal((4, 2))]  # fmt: skip


def test_program_in_both_modes_to_third_order():
    fn, args = small_program()
    check_derivatives(fn, args, order=3, rtol=1e-6, atol=1e-6)


def test_hessian_forward_over_reverse_is_symmetric_and_reverse_over_forward_agrees():
    fn, (x, w) = small_program()
    grad_fn = vjp(fn)
    n = x.size
    cts = [np.float64(1.0), np.zeros((3, 2))]
    zeros = [np.zeros_like(w), np.float64(0.0), np.zeros((3, 2))]
    eye = np.eye(n).reshape(n, 3, 4)
    fr = np.stack([run(jvp(grad_fn), [x, w, *cts, e, *zeros])[-2].ravel() for e in eye])
    np.testing.assert_allclose(fr, fr.T, atol=1e-12)
    rf = []
    for e in eye:  # the gradient of a directional derivative
        outs = run(vjp(jvp(fn)), [x, w, e, np.zeros_like(w), np.float64(0), np.zeros((3, 2)),
                                  np.float64(1), np.zeros((3, 2))])  # fmt: skip
        rf.append(outs[4].ravel())
    np.testing.assert_allclose(fr, np.stack(rf), atol=1e-12)


def test_batch_of_vjp_is_the_jacobian():
    fn, (x, w) = small_program()
    rows = np.eye(6).reshape(6, 3, 2)
    flags = [False, False, False, True]
    jac = run(batched(vjp(fn), flags, 6), [x, w, np.float64(0), rows])[2]
    for row, got in zip(rows, jac):
        want = run(vjp(fn), [x, w, np.float64(0), row])[2]
        np.testing.assert_allclose(got, want, atol=1e-14)


def test_batch_leaves_alone_what_does_not_depend():
    b, x, y = Builder(), var("x", 2), var("y", 2)
    side = b("exp", y)
    (plain, flag), (moved, moved_flag) = batch([side, b.mul(x, side)], [x], [var("xs", 5, 2)], 5)
    assert plain is side and not flag
    assert moved_flag and moved.type is tensor(F64, (5, 2))


def test_batched_guard_holds_for_every_lane():
    from jitgrad.errors import GuardError

    b, x = Builder(), var()
    g = b.op("guard", b("gt", x, b.zeros(x.type)), expect=True, message="x > 0")
    fn = function("f", [x], [b("log", x)], [g])
    many = batched(fn, [True], 2)
    np.testing.assert_allclose(run(many, [np.array([1.0, 2.0])])[0], np.log([1.0, 2.0]))
    with pytest.raises(GuardError, match="x > 0"):
        run(many, [np.array([1.0, -2.0])])
    with pytest.raises(GuardError):
        run(jvp(fn), [np.float64(-1), np.float64(1)])
    with pytest.raises(GuardError):
        run(vjp(fn), [np.float64(-1), np.float64(1)])


def test_derived_functions_are_made_once():
    fn, _ = small_program()
    assert jvp(fn) is jvp(fn) and vjp(fn) is vjp(fn)
    assert batched(fn, [True, False], 4) is batched(fn, (True, False), 4)


def chain(n: int) -> tuple[Value, Value]:
    b, x = Builder(), var()
    z = x
    for i in range(n):
        kind = i % 4
        z = (b.mul(z, x) if kind == 0 else b.add(z, x) if kind == 1
             else b("sin", z) if kind == 2 else b("exp", z))  # fmt: skip
    return x, z


def seconds(work) -> float:
    """The best of five runs, the collector of garbage resting."""
    gc.disable()
    try:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)
    finally:
        gc.enable()


def test_many_operands_take_linear_time():
    times = {}
    for n in (1_000, 4_000):
        b, x = Builder(), var("x", 1)
        out = b("concatenate", *(b("sin", x) for _ in range(n)), axis=0)
        seed = b.const(1, out.type)
        times[n] = seconds(lambda: pullback([out], [seed], [x]))  # noqa: B023
        (g,) = pullback([out], [seed], [x])
        (value,) = run(function("g", [x], [g]), [np.array([0.5])])
        np.testing.assert_allclose(value, n * np.cos(0.5))
    assert times[4_000] < 12 * times[1_000]


def test_long_chains_take_linear_time_and_no_recursion():
    times = {}
    for n in (2_500, 10_000):
        x, z = chain(n)
        one = Builder().const(1, x.type)
        times[n] = seconds(lambda: pullback([z], [one], [x]))  # noqa: B023
        times[n] += seconds(lambda: pushforward([z], [x], [one]))  # noqa: B023
        (g,), (d,) = pullback([z], [one], [x]), pushforward([z], [x], [one])
        at = [np.float64(0.3)]
        np.testing.assert_allclose(
            run(function("g", [x], [g]), at), run(function("d", [x], [d]), at), rtol=1e-9
        )
    assert times[10_000] < 12 * times[2_500]


def nested_calls(levels: int) -> Function:
    """sin(x) * 1.01 ** levels, each factor in a function of its own."""
    b, x = Builder(), var("x", 2)
    fn = function("f0", [x], [b("sin", x)])
    for k in range(levels):
        x = var("x", 2)
        inner = b.op("call", x, callee=fn).result
        fn = function(f"f{k + 1}", [x], [b.mul(inner, b.const(1.01, x.type))])
    return fn


def test_calls_nest_deeper_than_the_recursion_limit():
    fn = nested_calls(400)
    x, one = np.array([0.3, 0.7]), np.ones(2)
    factor = 1.01**400
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 300)
    try:
        (value,) = run(fn, [x])
        forward, reverse = run(jvp(fn), [x, one])[1], run(vjp(fn), [x, one])[1]
        second = run(vjp(vjp(fn)), [x, one, np.zeros(2), one])[2]
        (many,) = run(batched(fn, [True], 2), [np.stack([x, x])])
        flat = run(parse_pipeline("dce,inline").run(vjp(fn)), [x, one])[1]
    finally:
        sys.setrecursionlimit(limit)
    np.testing.assert_allclose(value, np.sin(x) * factor)
    for got in (forward, reverse, flat):
        np.testing.assert_allclose(got, np.cos(x) * factor)
    np.testing.assert_allclose(second, -np.sin(x) * factor)
    np.testing.assert_allclose(many, np.stack([value, value]))
