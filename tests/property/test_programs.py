"""Random programs: the interpreter, every pass and the machine code agree."""

from __future__ import annotations

from hypothesis import given

from jitgrad.ir.interp import run
from jitgrad.testing.agreement import check_compiled, check_passes
from jitgrad.testing.programs import Program, programs


@given(programs())
def test_every_pass_keeps_the_meaning(program: Program) -> None:
    check_passes(*program, run(*program))


@given(programs())
def test_machine_code_agrees(program: Program) -> None:
    check_compiled(*program, run(*program))
