"""Derivatives of random programs: differences, both modes, orders, batches, regions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.ir.build import Builder
from jitgrad.ir.core import function
from jitgrad.ir.interp import run
from jitgrad.testing.agreement import check_batched, check_differences, check_modes, seeds
from jitgrad.testing.gradcheck import check_derivatives
from jitgrad.testing.programs import Program, programs
from jitgrad.transforms import jvp, vjp

SMOOTH = programs(max_ops=8, dtypes=("f64", "i64", "bool"), differentiable=True)
ANY = programs(max_ops=8, dtypes=("f64", "i64", "bool"))
SEED = st.integers(0, 99)


@given(SMOOTH)
def test_forward_mode_is_the_limit_of_differences(program: Program):
    check_differences(*program, np.random.default_rng(0))


@given(ANY, SEED)
def test_forward_equals_reverse(program: Program, seed: int):
    check_modes(*program, np.random.default_rng(seed))


@given(programs(max_ops=5, dtypes=("f64", "i64", "bool")), SEED)
def test_forward_equals_reverse_in_the_second_order(program: Program, seed: int):
    fn, args = program
    rng = np.random.default_rng(seed)
    along, cts = seeds(fn, args, rng)
    check_modes(jvp(fn), [*args, *along], rng)
    check_modes(vjp(fn), [*args, *cts], rng)


@given(ANY, SEED, st.sampled_from(["plain", "jvp", "vjp"]))
def test_batched_equals_a_loop(program: Program, seed: int, mode: str):
    fn, args = program
    rng = np.random.default_rng(seed)
    along, cts = seeds(fn, args, rng)
    if mode == "jvp":
        fn, args = jvp(fn), (*args, *along)
    elif mode == "vjp":
        fn, args = vjp(fn), (*args, *cts)
    check_batched(fn, args, rng)


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
