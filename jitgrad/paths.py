"""From one trace of a function to a compiled path, and `lower`, which stops in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .frontend.pytree import LEAF, unflatten
from .frontend.trace import ARRAY, SCALAR, WEAK, state
from .ir.build import Builder
from .ir.core import Block, Function
from .ir.dims import symbol
from .ir.interp import run
from .runtime.specialize import Path
from .tracing import Traced


class Lowered:
    """A traced function for one kind of arguments: `ir`, and `compile` to a callable."""

    def __init__(self, traced: Traced, name: str) -> None:
        self._traced = traced
        self._name = name

    @property
    def function(self) -> Function:
        """The IR as it was traced."""
        return self._traced.fn

    def ir(self, stage: str = "trace") -> str:
        """The IR as text; stages as `Jitted.ir`."""
        if stage == "trace":
            from .ir.printer import format_function

            return format_function(self.function)
        return self._path().compiled.ir(stage)

    def _path(self) -> Path:
        return compile_path(self._traced, self._name, None)

    def compile(self) -> Callable[..., Any]:
        """A function of the flat arguments that runs machine code."""
        path = self._path()
        return lambda *arrays: path(arrays)


class Interpreted:
    """The stand-in for compiled code: the IR on the reference interpreter."""

    llvm = asm = ""

    def __init__(self, fn: Function) -> None:
        self.source = fn

    def call(self, *args: Any) -> tuple[Any, ...]:
        fn = self.source
        arrays = [np.asarray(a, p.type.dtype.np) for p, a in zip(fn.params, args)]
        return tuple([np.array(a) for a in run(fn, arrays)])

    def ir(self, stage: str = "trace") -> str:
        from .ir.printer import format_function

        return format_function(self.source)


def compile_path(traced: Traced, name: str, doc: str | None) -> Path:
    """Compile a trace; its results come back in the structure that the function gave.

    Where the function gives arrays, or a tuple or list of them, the path is *direct*:
    `compiled.call` then is the function, for arguments of exactly these kinds.
    """
    fn, outs, out_tree = traced.fn, traced.outs, traced.out_tree
    scalars = [form != ARRAY for form in traced.forms]
    plain = all(o is None for o in outs)
    form = "single" if plain and out_tree is LEAF else _FLAT.get(out_tree.kind, "")
    direct = plain and bool(form) and all(c is LEAF for c in out_tree.children)
    direct = direct and not traced.captures
    if state.interpret:
        compiled: Any = Interpreted(fn)
        direct = False
    else:
        from .compile import compile_ir

        what, result = (_apart(fn), form) if direct else (fn, "tuple")
        compiled = compile_ir(what, name=name, doc=doc, result=result, scalars=scalars,
                              accept=accepted(traced))  # fmt: skip

    def pack(results: Any) -> Any:
        values = iter([r[()] if s else r for r, s in zip(results, scalars)])
        return unflatten(out_tree, [next(values) if o is None else o for o in outs])

    return Path(fn, compiled, traced.captures, traced.guards, pack, direct)


_FLAT = {tuple: "tuple", list: "list"}


def _apart(fn: Function) -> Function:
    """`fn` for calls that no dispatcher has looked at: a trace takes for granted that its symbols
    are at least 2, as sizes 0 and 1 are traced apart."""
    b = Builder()
    message = "sizes 0 and 1 are compiled apart"
    checks = [b.op("require", lhs=symbol(d), cmp="ge", rhs=2, message=message) for d in fn.dims]
    return fn.with_body(Block(fn.params, (*checks, *fn.ops), fn.results)) if checks else fn


def accepted(traced: Traced) -> list[int]:
    """ACCEPT_* bits of the arguments: what a native callable may take without asking the key.

    A Python number is weak in promotion, so that a NumPy scalar in its place is another function.
    """
    from .runtime import native

    numbers = {"b": native.ACCEPT_BOOL, "i": native.ACCEPT_INT, "f": native.ACCEPT_FLOAT}
    forms = {ARRAY: native.ACCEPT_ARRAY, SCALAR: native.ACCEPT_SCALAR}
    given = [
        numbers[p.type.dtype.kind] if form == WEAK else forms[form]
        for form, p in zip(traced.given, traced.fn.params)
    ]
    return given + [native.ACCEPT_ARRAY] * len(traced.captures)
