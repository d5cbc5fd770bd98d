"""Derivatives of random programs: differences, both modes, orders, batches, regions."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jitgrad.ir.build import Builder
from jitgrad.ir.core import function
from jitgrad.ir.interp import run
from jitgrad.ir.verify import verify
from jitgrad.testing.gradcheck import check_derivatives, directional
from jitgrad.testing.programs import Program, programs
from jitgrad.transforms import batched, jvp, vjp

QUICK = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SMOOTH = programs(max_ops=8, dtypes=("f64", "i64", "bool"), differentiable=True)
ANY = programs(max_ops=8, dtypes=("f64", "i64", "bool"))


def inexact(fn, arrays) -> list[np.ndarray]:
    return [np.asarray(a) for p, a in zip(fn.params, arrays) if p.type.dtype.inexact]


def random_like(rng, arrays) -> list[np.ndarray]:
    return [rng.standard_normal(np.shape(a)).astype(np.asarray(a).dtype) for a in arrays]


def precision(fn) -> float:
    """What rounding may do: 1e-10, or 1e-3 where single precision is on the way."""
    stack, narrow = [fn.body], False
    while stack:
        body = stack.pop()
        for op in body.ops:
            stack += [*op.regions, *(f.body for f in [op.attrs.get("callee")] if f is not None)]
            narrow |= any(v.type.dtype.name == "f32" for v in op.results)
    return 1e-3 if narrow else 1e-10


def scale(arrays) -> float:
    return max([1.0, *(float(np.max(np.abs(a), initial=0)) for a in arrays)])


@QUICK
@given(SMOOTH)
def test_forward_mode_is_the_limit_of_differences(program: Program):
    fn, args = program
    along = random_like(np.random.default_rng(0), inexact(fn, args))
    got = run(jvp(fn), [*args, *along])[len(fn.results) :]
    fine = directional(fn, args, along, h=2e-3)
    coarse = directional(fn, args, along, h=4e-3)
    for g, f, c in zip(got, fine, coarse):
        # how far the two step sizes are apart says what the differences are worth
        slack = 1e-6 * scale([f]) + 10 * np.abs(f - c)
        assert np.all(np.abs(g - f) <= slack), (g, f)


@QUICK
@given(ANY, st.integers(0, 99))
def test_forward_equals_reverse(program: Program, seed: int):
    fn, args = program
    agree(fn, args, seed)


@QUICK
@given(programs(max_ops=5, dtypes=("f64", "i64", "bool")), st.integers(0, 99))
def test_forward_equals_reverse_in_the_second_order(program: Program, seed: int):
    fn, args = program
    rng = np.random.default_rng(seed)
    agree(jvp(fn), [*args, *random_like(rng, inexact(fn, args))], seed)
    outs = [r for r, v in zip(run(fn, args), fn.results) if v.type.dtype.inexact]
    agree(vjp(fn), [*args, *random_like(rng, outs)], seed)


def agree(fn, args, seed: int) -> None:
    """⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩, and the primal is what it was."""
    rng = np.random.default_rng(seed)
    along = random_like(rng, inexact(fn, args))
    verify(jvp(fn))
    verify(vjp(fn))
    primal = run(fn, args)
    cts = random_like(rng, [r for r, v in zip(primal, fn.results) if v.type.dtype.inexact])
    forward = run(jvp(fn), [*args, *along])
    reverse = run(vjp(fn), [*args, *cts])
    for p, f, r in zip(primal, forward, reverse):
        np.testing.assert_array_equal(p, f)
        np.testing.assert_array_equal(p, r)
    dots, grads = forward[len(primal) :], reverse[len(primal) :]
    assume(all(np.isfinite(a).all() for a in (*dots, *grads)))
    left = [c * d for c, d in zip(cts, dots)]
    right = [g * v for g, v in zip(grads, along)]
    size = sum(float(np.abs(a).sum()) for a in (*left, *right)) + scale([*dots, *grads])
    gap = sum(float(a.sum()) for a in left) - sum(float(a.sum()) for a in right)
    assert abs(gap) <= precision(fn) * size, (left, right)


@QUICK
@given(ANY, st.integers(0, 99), st.sampled_from(["plain", "jvp", "vjp"]))
def test_batched_equals_a_loop(program: Program, seed: int, mode: str):
    fn, args = program
    rng = np.random.default_rng(seed)
    if mode == "jvp":
        args = (*args, *random_like(rng, inexact(fn, args)))
        fn = jvp(fn)
    elif mode == "vjp":
        outs = [r for r, v in zip(run(fn, args), fn.results) if v.type.dtype.inexact]
        args = (*args, *random_like(rng, outs))
        fn = vjp(fn)
    size = 3
    flags = [bool(rng.integers(2)) for _ in args]
    stacks = []
    for a, f in zip(args, flags):
        a = np.asarray(a)
        lanes = [rng.permutation(a.ravel()).reshape(a.shape) for _ in range(size)]
        if a.dtype == bool:
            lanes = [lane ^ bool(i % 2) for i, lane in enumerate(lanes)]
        stacks.append(np.stack(lanes) if f else a)
    many = batched(fn, flags, size)
    verify(many)
    got = run(many, stacks)
    for i in range(size):
        want = run(fn, [s[i] if f else s for s, f in zip(stacks, flags)])
        for g, w in zip(got, want):
            tol = precision(fn)
            np.testing.assert_allclose(g[i], w, tol, tol * scale([w[np.isfinite(w)]]))


@QUICK
@given(SMOOTH, st.data())
def test_a_switched_off_program_has_no_gradient(program: Program, data: st.DataObject):
    # select(False, program, 0): nothing may come back, whatever the program's derivatives are
    fn, args = program
    b = Builder()
    results = [
        b.select(b.const(False, v.type.with_dtype(b.zeros(v.type).type.dtype)), v, v)
        if v.type.dtype.name == "bool"
        else b.select(b("ne", z := b.zeros(v.type), z), v, z)
        for v in fn.results
    ]
    off = function("off", fn.params, results, [op for op in fn.ops if op.opdef.effect])
    cts = [np.full(np.shape(r), 1.5) for r in run(off, args)]
    for g in run(vjp(off), [*args, *cts])[len(results) :]:
        assert not g.any()


def test_reference_finds_a_wrong_derivative():
    from jitgrad.ir.core import Value
    from jitgrad.ir.types import scalar

    x = Value(scalar("f64"), name="x")
    b = Builder()
    good = function("good", [x], [b("sin", x)])
    bad = function("bad", [x], [b.mul(b("stop_gradient", x), x)])
    check_derivatives(good, [np.float64(0.3)])
    try:
        check_derivatives(bad, [np.float64(0.3)])
    except AssertionError:
        return
    raise AssertionError("a wrong derivative went unnoticed")
