"""Random programs: everything that can run or differentiate one says the same.

A sample in `make test`; thousands with `pytest --long`.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jitgrad.ir.interp import run
from jitgrad.testing.agreement import (
    check_batched,
    check_compiled,
    check_differences,
    check_modes,
    check_passes,
    check_same,
    narrow,
    precision,
    seeds,
)
from jitgrad.testing.programs import Program, programs
from jitgrad.transforms import jvp, vjp

FLOATS = ("f64", "i64", "bool", "i32")
SAMPLE = settings(max_examples=settings().max_examples)
FEW = settings(max_examples=settings().max_examples // 2)
SEED = st.integers(0, 99)


@SAMPLE
@given(programs(max_ops=8, dtypes=FLOATS, differentiable=True), SEED)
def test_derivatives_agree_however_they_are_made_and_run(program: Program, seed: int) -> None:
    fn, args = program
    rng = np.random.default_rng(seed)
    check_modes(fn, args, rng)
    if not narrow(fn):
        check_differences(fn, args, rng)
    along, cts = seeds(fn, args, rng)
    for how, extra in ((jvp, along), (vjp, cts)):
        derived, full = how(fn), [*args, *extra]
        want = run(derived, full)
        check_passes(derived, full, want, how.__name__)
        check_compiled(derived, full, want, how.__name__)


@FEW
@given(programs(max_ops=4, dtypes=FLOATS, differentiable=True), SEED)
def test_second_derivatives_agree(program: Program, seed: int) -> None:
    fn, args = program
    rng = np.random.default_rng(seed)
    along, cts = seeds(fn, args, rng)
    for how, extra in ((jvp, along), (vjp, cts)):
        first, full = how(fn), [*args, *extra]
        check_modes(first, full, rng)
        more, again = seeds(first, full, rng)
        for outer, last in ((jvp, more), (vjp, again)):
            second = outer(first)
            want = run(second, [*full, *last])
            check_passes(second, [*full, *last], want, f"{outer.__name__} of {how.__name__}")
            check_compiled(second, [*full, *last], want, f"{outer.__name__} of {how.__name__}")


@FEW
@given(programs(max_ops=6, dtypes=FLOATS), SEED)
def test_a_compiled_batch_is_a_loop(program: Program, seed: int) -> None:
    fn, args = program
    rng = np.random.default_rng(seed)
    check_batched(fn, args, rng, compiled=True)
    _, cts = seeds(fn, args, rng)
    check_batched(vjp(fn), [*args, *cts], rng, compiled=True)


@SAMPLE
@given(programs(special=True))
def test_special_values_move_alike(program: Program) -> None:
    fn, args = program
    want = run(fn, args)
    check_passes(fn, args, want)
    check_compiled(fn, args, want)


@SAMPLE
@given(programs(max_ops=6, dtypes=("f32", "i64", "u8", "i32")), SEED)
def test_single_precision_derivatives(program: Program, seed: int) -> None:
    fn, args = program
    rng = np.random.default_rng(seed)
    check_modes(fn, args, rng)
    _, cts = seeds(fn, args, rng)
    want = run(vjp(fn), [*args, *cts])
    if all(np.isfinite(w).all() for w in want):
        check_same(run(vjp(fn), [*args, *cts]), want, precision(fn), "again")
        check_passes(vjp(fn), [*args, *cts], want, "vjp")
        check_compiled(vjp(fn), [*args, *cts], want, "vjp")
