"""Pickles of symbolic functions: the IR as text, the inputs' descriptions, the containers.

Loading one parses the text, never runs it, and compiles again. Functions that are pickled together
go on sharing their shared variables; they share none with functions of the process that they are
loaded into. The errors of a loaded function know sizes, but not the lines of the graph.
"""

from __future__ import annotations

from typing import Any

from .compile.mode import Mode
from .frontend.symbolic_shared import SharedVariable
from .ir.parser import parse_function
from .ir.printer import format_function
from .symbolic_call import Input
from .symbolic_stages import Prelude
from .symbolic_state import State, assemble, profiled

VERSION = 1


def frozen(state: State) -> Any:
    """What `pickle` makes of a function: `thaw`, and its arguments."""
    inputs = [(i.name, i.cell, i.given, i.index, i.downcast, i.strict,
               getattr(i.variable, "name", None)) for i in state.inputs]  # fmt: skip
    maker, before = state.maker, state.maker.before
    return thaw, (
        VERSION,
        state.name,
        format_function(maker.compiled.source, locs=True),
        None if before is None else before.frozen(),
        maker.mode,
        inputs,
        state.targets,
        state.n_out,
        state.form,
        state.keys,
        state.profile is not None,
    )


def thaw(version: int, name: str, text: str, before: Any, mode: Mode, inputs: Any, targets: Any,
         n_out: int, form: str, keys: Any, profile: bool) -> Any:  # fmt: skip
    """The function that `frozen` described, compiled anew."""
    if version != VERSION:
        raise ValueError(f"a function pickled by another version of jitgrad: {version}")
    fn = parse_function(text)
    made = []
    for p, (own, cell, given, index, downcast, strict, variable) in zip(fn.params, inputs):
        kept = None
        if index is None:
            kept = SharedVariable(variable, cell.type, container=cell)
        made.append(Input(p, own, cell, given, index, downcast, strict, kept))
    ahead = None if before is None else Prelude.thawed(before)
    return assemble(name, fn, ahead, mode, made, targets, n_out, form, keys, (),
                    profiled(profile, name))  # fmt: skip
