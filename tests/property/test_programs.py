"""Random programs: the interpreter, every pass and the machine code agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import HealthCheck, given, settings

from jitgrad.compile import compile_ir
from jitgrad.ir.core import Function
from jitgrad.ir.interp import run
from jitgrad.ir.verify import verify
from jitgrad.passes.pipelines import LOWER, TENSOR, parse_pipeline
from jitgrad.testing.programs import Program, programs

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def agree(got: Sequence[np.ndarray], want: Sequence[np.ndarray], where: str) -> None:
    """Same dtypes and shapes, and values within what rounding may do to a moderate program."""
    assert len(got) == len(want)
    for k, (g, w) in enumerate(zip(got, want)):
        g, w = np.asarray(g), np.asarray(w)
        assert (g.dtype, g.shape) == (w.dtype, w.shape), f"{where}, result {k}"
        tol = {"f": (1e-3 if w.dtype == np.float32 else 1e-9)}.get(w.dtype.kind, 0)
        np.testing.assert_allclose(g, w, rtol=tol, atol=tol, err_msg=f"{where}, result {k}")


@given(programs())
@quick
def test_every_pass_keeps_the_meaning(program: Program) -> None:
    want = run(program.fn, program.args)
    fn = program.fn
    for step in parse_pipeline(f"{TENSOR},{LOWER}").passes:
        after: Function = step.run(fn)
        verify(after)
        agree(run(after, program.args), want, f"after {step}")
        fn = after


@given(programs())
@quick
def test_machine_code_agrees(program: Program) -> None:
    want = run(program.fn, program.args)
    compiled = compile_ir(program.fn)
    agree(compiled.call(*program.args), want, "machine code")
