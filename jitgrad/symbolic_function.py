"""`function`: from symbolic inputs and outputs to a compiled callable, with Theano's call rules."""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .compile import compile_ir, optimize
from .errors import Loc, ShapeError, UnusedInputError, at
from .frontend.cut import cut
from .frontend.pp import dim_text
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_ops import broadcast
from .ir.build import Builder
from .ir.core import Function, Op, Value
from .ir.dims import Dim, symbols
from .ir.gcpause import without_gc
from .ir.interp import run
from .passes.stabilize import stabilize_values
from .symbolic_call import In, PythonCall, SlowCall
from .symbolic_stages import prelude

MODES = ("FAST_RUN", "FAST_COMPILE")


class FunctionGraph:
    """Inputs and outputs of the optimized graph, as variables that `pp` and `debugprint` take."""

    def __init__(self, fn: Function) -> None:
        self.inputs = [wrap(p) for p in fn.params]
        self.outputs = [wrap(r) for r in fn.results]


class Maker:
    """What a compiled function came from: `fgraph` (old name `env`), `compiled` with all stages."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled

    @property
    def fgraph(self) -> FunctionGraph:
        return FunctionGraph(self.compiled.optimized)

    env = fgraph


class Interpreted:
    """What `FAST_COMPILE` gives: the optimized graph, run by the interpreter at each call."""

    def __init__(self, fn: Function, name: str, result: str, slow: Callable[..., Any]) -> None:
        self.source = fn
        self.optimized = optimize(fn)
        self.result = result
        self.call = PythonCall(slow, name)

    def run(self, *arrays: np.ndarray) -> Any:
        outs = [np.array(a) for a in run(self.optimized, arrays)]
        if self.result == "single":
            return outs[0]
        return None if self.result == "none" else outs


def stabilize(ops: Sequence[Op], value: Value) -> Value:
    """`value` of a graph in the air, made by `ops`, after the rules that go before derivatives."""
    return stabilize_values(ops, [value])[0]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Reference cycles are not looked for meanwhile: a compile makes many objects that all stay."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@without_gc
def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: str | None = None,
    givens: Any = None,
    name: str | None = None,
    on_unused_input: str | None = None,
    allow_input_downcast: bool | None = None,
) -> Any:
    """A callable that computes `outputs` from `inputs`.

    inputs                variables, or `In(variable, value=…, name=…)`
    outputs               a variable (a call gives an array), a list (a list of them), a dict with
                          variables as values (a dict), or None (None)
    mode                  "FAST_RUN", machine code (the default), or "FAST_COMPILE", the interpreter
    givens                pairs, or a dict: variables that are replaced by others of their type
    name                  how errors call the function
    on_unused_input       "raise" (the default) `UnusedInputError`, "warn" or "ignore"
    allow_input_downcast  True: arguments are converted to the inputs' dtypes whatever is lost;
                          False: never; None: only Python floats to float32

    Arguments are given by position or by name: NumPy arrays of any layout, numbers, lists. The
    results are arrays, 0-d for scalars. Sizes that do not fit raise `ShapeError`.

    >>> from .frontend.symbolic import TensorType
    >>> x = TensorType("float64", ())("x")
    >>> f = function([x], 2 * x)
    >>> f(4)
    array(8.)

    Raises `MissingInputError` where the outputs need another variable.
    """
    loc = here()
    if mode is not None and mode not in MODES:
        raise ValueError(f"mode {mode!r}; the modes are {', '.join(MODES)}")
    if on_unused_input not in (None, "raise", "warn", "ignore"):
        raise ValueError(f"on_unused_input is 'raise', 'warn' or 'ignore', not {on_unused_input!r}")
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(at(f"inputs is a list of variables, not {type(inputs).__name__}", loc))
    ins = [i if isinstance(i, In) else In(i) for i in map(_variable(loc), inputs)]
    values = [i.variable.value for i in ins]
    for k, v in enumerate(values):
        if v.op is not None and v.op.opdef.name == "constant":
            raise TypeError(at(f"input {k} is a constant", loc))
        if any(v is w for w in values[:k]):
            first = next(i for i, w in enumerate(values) if w is v)
            raise UnusedInputError(at(
                f"Variable {ins[k].variable!r} is used twice in inputs, at indices {first} and "
                f"{k}. This would result in values provided for it being ignored. Please do not "
                "duplicate variables in the inputs list.", loc))  # fmt: skip
    keys, wanted, result = _outputs(outputs, loc)
    title = name or "function"
    with _no_collection():
        return _compiled(ins, keys, wanted, result, _givens(givens, loc), title, mode,
                         on_unused_input or "raise", allow_input_downcast, loc)  # fmt: skip


def _compiled(
    ins: list[In],
    keys: list | None,
    wanted: list[Value],
    result: str,
    givens: list[tuple[Value, Value]],
    title: str,
    mode: str | None,
    on_unused_input: str,
    allow_input_downcast: bool | None,
    loc: Loc | None,
) -> Any:
    values = [i.variable.value for i in ins]
    for i in ins:
        for d in i.variable.value.type.shape:
            if d.__class__ is Dim and repr(d) not in symbols(d):
                raise TypeError(at(f"input {i.variable!r} has a size computed from another "
                                   f"variable's, {dim_text(d)}: make that variable the input, or "
                                   "replace this one by givens", loc))  # fmt: skip
    name = re.sub(r"\W", "_", title)
    before = prelude(name, values, wanted, givens, stabilize, _runner(mode))
    carriers = before.carriers if before is not None else []
    made = cut(name, [*values, *carriers], wanted, givens, stabilize)
    used = made.used
    if before is not None:
        used = [a or b for a, b in zip(used, before.used)]
    _unused(ins, used, on_unused_input, loc)
    slow = SlowCall(title, ins, made.checks, allow_input_downcast)
    compiled: Any
    if mode == "FAST_COMPILE":
        compiled = Interpreted(made.fn, title, result, slow)
        slow.target = compiled.run
    else:
        own: dict[str, Any] = {} if carriers else {"slow": slow, "accept": _accept(slow)}
        compiled = compile_ir(made.fn, name=title, result=result, **own)
        slow.target = lambda *arrays: compiled.exact(arrays)
    call = compiled.call
    if before is not None:
        slow.target = before.ahead_of(slow.target, slow.check)
        call = PythonCall(slow, title)
    elif mode != "FAST_COMPILE" and any(op.opdef.name == "require" for op in made.fn.ops):
        call = PythonCall(_explained(call, slow), title)
    if keys is not None:
        call = PythonCall(_named(call, keys), title)
    call.maker = Maker(compiled)
    call.name = title
    return call


def _runner(mode: str | None) -> Callable[[Function], Callable[[Sequence[np.ndarray]], Any]]:
    """Compiles a program that a function runs before its own: arrays to a list of results."""

    def make(fn: Function) -> Callable[[Sequence[np.ndarray]], Any]:
        if mode == "FAST_COMPILE":
            graph = optimize(fn)
            return lambda arrays: run(graph, arrays)
        return compile_ir(fn, name=fn.name, result="list").exact

    return make


def _accept(slow: SlowCall) -> list[int]:
    """What compiled code takes for each input without asking: not the floats that lose digits."""
    from .llvm.entry import ACCEPT_FLOAT
    from .runtime.native import accepts

    out = []
    for t, downcast in zip(slow.types, slow.downcast):
        flags = accepts(t.dtype.np, t.rank)
        strict = downcast is False and t.dtype.bits < 64
        out.append(flags & ~ACCEPT_FLOAT if strict else flags)
    return out


def _named(call: Callable[..., Any], keys: Sequence[Any]) -> Callable[..., dict]:
    def give(*given: Any, **named: Any) -> dict:
        return dict(zip(keys, call(*given, **named)))

    return give


def _explained(call: Callable[..., Any], slow: SlowCall) -> Callable[..., Any]:
    def give(*given: Any, **named: Any) -> Any:
        try:
            return call(*given, **named)
        except ShapeError:  # compiled code knows numbers; the checks know names and shapes
            slow.check(slow.convert(given, named))
            raise

    return give


def _variable(loc: Loc | None) -> Callable[[Any], Any]:
    def check(v: Any) -> Any:
        if not isinstance(v, (TensorVariable, In)):
            raise TypeError(at(f"Unknown parameter type: {type(v).__name__}; inputs are variables "
                               "or In(...)", loc))  # fmt: skip
        return v

    return check


def _outputs(outputs: Any, loc: Loc | None) -> tuple[list | None, list[Value], str]:
    """Keys of a dict, the values wanted, and the form of the result."""
    keys = None
    if outputs is None:
        return None, [], "none"
    result = "list"
    if isinstance(outputs, Mapping):
        keys, outputs = list(outputs), list(outputs.values())
    elif not isinstance(outputs, (list, tuple)):
        outputs, result = [outputs], "single"
    for o in outputs:
        if not isinstance(o, TensorVariable):
            raise TypeError(at(f"Outputs must be variables, not {type(o).__name__}", loc))
    return keys, [o.value for o in outputs], result


def _givens(givens: Any, loc: Loc | None) -> list[tuple[Value, Value]]:
    pairs = givens.items() if isinstance(givens, Mapping) else (givens or ())
    out = []
    for k, g in pairs:
        if not isinstance(k, TensorVariable):
            raise TypeError(at(f"givens replaces variables, not {type(k).__name__}", loc))
        b = Builder(loc)
        v = as_tensor_variable(g).value
        both = (b.cast(v, k.value.type.dtype), k.value)
        if v.type.rank != k.ndim or np.result_type(v.type.dtype.np, k.value.type.dtype.np) != (
            k.value.type.dtype.np
        ):
            raise TypeError(at(f"givens: {k!r} of {k.type} cannot be replaced by {g!r} of "
                               f"{as_tensor_variable(g).type}", loc))  # fmt: skip
        out.append((k.value, broadcast(b, "givens", both)[0] if v.type.rank else both[0]))
    return out


def _unused(ins: Sequence[In], used: Sequence[bool], how: str, loc: Loc | None) -> None:
    for k, (i, yes) in enumerate(zip(ins, used)):
        if yes or how == "ignore":
            continue
        message = (
            "function was asked to create a function computing outputs given certain inputs, but "
            f"the provided input variable at index {k} is not part of the computational graph "
            f"needed to compute the outputs: {i.variable!r}.\nTo make this error into a warning, "
            "you can pass the parameter on_unused_input='warn' to function. To disable it "
            "completely, use on_unused_input='ignore'."
        )
        if how == "warn":
            warnings.warn(message, stacklevel=4)
        else:
            raise UnusedInputError(at(message, loc))


def evaluate_variable(variable: TensorVariable, inputs: Mapping[Any, Any] | None = None) -> Any:
    """The value of a variable, given those of the variables (or names) it depends on.

    What was compiled is kept for the next time.
    """
    given = dict(inputs or {})
    for k in given:
        if not isinstance(k, TensorVariable):
            raise TypeError(f"eval takes a dict of variables, not of {type(k).__name__}")
    key = tuple(given)
    if variable._cache is None:
        variable._cache = {}
    f = variable._cache.get(key)
    if f is None:
        f = variable._cache[key] = function(list(key), variable)
    return f(*given.values())


__all__ = ["In", "evaluate_variable", "function"]
