"""Rows that are the identity and say something beside it: to derivatives, or on the screen.

`identity` and `stop_gradient` stand with the elementwise rows. Of these a function loses all but
`print` once nothing differentiates it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DTypeError
from ..core import Op
from ..terms import t, y
from ..types import TensorType
from .base import Case, define, same
from .elementwise import R, row


def _itself(v: Any, *_: Any) -> Any:
    return v


row("zero_grad", 1, same("any"), _itself, "x, by which every derivative is 0", deriv=(None,),
    emit="copy")  # fmt: skip
row("undefined_grad", 1, same("any"), _itself, "x, by which no derivative is defined",
    nondiff="its gradient is undefined", emit="copy")  # fmt: skip
row("grad_scale", 2, same("float"), _itself, "x, whose derivative is y instead of 1",
    deriv=(t * y, None), emit="copy", edges="y is held constant: its derivative is 0")  # fmt: skip


def _clip_transpose(b: Any, op: Op, ct: Any, k: int) -> Any:
    return b("clip", ct, op.operands[1], op.operands[2])


row("grad_clip", 3, same("float"), _itself, "x; reverse mode keeps what passes here in [y, z]",
    linear=(0,), transpose=_clip_transpose, emit="copy",
    domain=(R, (-40.0, -30.0), (30.0, 40.0)),
    edges="forward mode takes tangents as they are; a NaN passes")  # fmt: skip

IDENTITIES = ("identity", "stop_gradient", "zero_grad", "undefined_grad", "grad_scale", "grad_clip")
"""Rows that are their first operand, to everything but derivatives."""

# -- printing -------------------------------------------------------------------------------------

Hook = Callable[[str, tuple[str, ...], np.ndarray], None]
HOOKS: list[Hook] = []
"""What `print` calls, by its attribute `hook`; the first one prints."""


def shown(message: str, attrs: Sequence[str], value: np.ndarray) -> None:
    """Print attributes of an array, or what they give when called, behind `message`; Theano's form.

    >>> shown("x", ["shape", "sum"], np.ones(2))
    x shape = (2,)
    x sum = 2.0
    """
    for name in attrs:
        found = getattr(value, name)
        print(message, name, "=", found() if callable(found) else found)


HOOKS.append(shown)


def _print(v: Any, *, message: str, attrs: tuple[str, ...], hook: int) -> Any:
    HOOKS[hook](message, attrs, np.asarray(v))
    return v


def _print_types(name: str, types: Sequence[TensorType], attrs: Mapping, regions: tuple) -> tuple:
    if not 0 <= attrs["hook"] < len(HOOKS):
        raise DTypeError(f"{name} calls the Python function {attrs['hook']}, which belongs to "
                         "another process")  # fmt: skip
    return (types[0],)


def _print_batch(b: Any, op: Op, operands: Any, flags: Any, size: Any) -> Any:
    return b.make(op.opdef, tuple(operands), op.attrs).results


define("print", "markers", 1, _print_types, _print,
       "x, which is shown when a function runs that needs the result",
       attrs={"message": "str", "attrs": "strs", "hook": "int"}, deriv=(t,), batch=_print_batch,
       emit="print", props=("prints",),
       cases=(Case(("f64[2, 3]",), {"message": "x", "attrs": ("shape",), "hook": 0}),),
       edges="batched, all examples are shown at once; equal ones are shown once")  # fmt: skip
