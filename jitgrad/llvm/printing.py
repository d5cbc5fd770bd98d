"""`print`: compiled code shows a value through a function of Python's.

`i32 jitgrad_print(ptr text, i64 length, ptr data, ptr dims)` takes the GIL by itself. `text` is
JSON that says what is shown and how; the value is C-contiguous. A result other than 0 means that
Python raised: the call ends, and the exception is raised again by whoever called.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .code import PYTHON

if TYPE_CHECKING:
    from .buffers import Step
    from .lower import Core

SYMBOL = "jitgrad_print"


def show(core: Core, step: Step) -> None:
    """The call for one `print`."""
    op, unit = step.op, core.unit
    type_ = op.results[0].type
    what = {**op.attrs, "dtype": type_.dtype.np.name, "rank": type_.rank}
    data = json.dumps(what).encode()
    name = f"@p{len(unit.data)}"
    text = "".join([f"\\{byte:02X}" for byte in data])
    unit.data.append(f'{name} = private unnamed_addr constant [{len(data)} x i8] c"{text}"\n')
    unit.declare(f"declare i32 @{SYMBOL}(ptr, i64, ptr, ptr)")
    unit.externals.add(SYMBOL)
    dims = "null"
    if type_.rank:  # memory on the stack, once a call: the outermost scope is no loop
        dims = core.ins(f"alloca [{type_.rank} x i64], align 8", core.root)
    for k, d in enumerate(type_.shape):
        at = core.ins(f"getelementptr i64, ptr {dims}, i64 {k}")
        core.line(f"store i64 {core.dim(d)}, ptr {at}, align 8")
    at = core.pointer(step.ins[0])
    status = core.ins(f"call i32 @{SYMBOL}(ptr {name}, i64 {len(data)}, ptr {at}, ptr {dims})")
    site = unit.error("print", op.attrs["message"], op)
    core.check(core.ins(f"icmp ne i32 {status}, 0"), PYTHON, (str(site),))
