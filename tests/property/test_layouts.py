"""Random programs on arrays that lie in any way, compiled for several machines."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.compile import compile_ir
from jitgrad.errors import GuardError
from jitgrad.ir.core import Function
from jitgrad.ir.interp import run
from jitgrad.llvm.target import Target
from jitgrad.testing.agreement import check_same, precision
from jitgrad.testing.programs import Program, programs


def scattered(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same elements, lying otherwise; or, by a stride of 0, fewer of them."""
    how = int(rng.integers(0, 5))
    if a.ndim == 0 or how == 0:
        return a
    if how == 1:
        return a[tuple(slice(None, None, -1) for _ in a.shape)]
    if how == 2:
        return np.asfortranarray(a)
    if how == 3 and a.size:
        axis = int(rng.integers(0, a.ndim))
        return np.broadcast_to(np.take(a, [0], axis), a.shape)
    room = np.zeros([3 * s + 2 for s in a.shape], a.dtype)
    view = room[tuple(slice(1, 1 + 3 * s, 3) for s in a.shape)]
    view[...] = a
    return view


@given(programs(), st.integers(0, 2**16), st.sampled_from(("sse2", "avx2", "avx512")))
def test_machine_code_reads_strided_arrays(program: Program, seed: int, level: str) -> None:
    rng = np.random.default_rng(seed)
    fn = Function(program.fn.name, program.fn.body, ["strided"] * len(program.fn.params))
    args = [scattered(a, rng) for a in program.args]
    target = Target.x86(level)
    target = target if target.runs_on(Target.host()) else Target.host()
    with mock.patch.object(Target, "host", staticmethod(lambda: target)):
        compiled = compile_ir(fn)
    try:
        want = run(fn, args)
    except GuardError:  # a stride of 0 changed what a guard was drawn for
        with pytest.raises(GuardError):
            compiled.call(*args)
        return
    check_same(compiled.call(*args), want, precision(fn), f"machine code of {level}")
