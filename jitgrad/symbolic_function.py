"""`function`: from symbolic inputs and outputs to a compiled callable, with Theano's call rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .compile import compile_ir, optimize
from .errors import JitgradError, Loc, ShapeError, UnusedInputError, at
from .frontend.cut import Check, cut
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_notes import here
from .frontend.symbolic_ops import broadcast
from .ir.build import Builder
from .ir.core import Block, Function, Op, Value
from .ir.dims import Dim, evaluate, symbols
from .ir.interp import run
from .passes.pipelines import pipeline

MODES = ("FAST_RUN", "FAST_COMPILE")


class In:
    """An input of `function` with options.

    value           what is taken where the call leaves the input out
    name            how the call names it; the variable's name by default
    allow_downcast  convert where precision is lost too (None: Python floats only)
    """

    def __init__(self, variable: TensorVariable, name: str | None = None, value: Any = None,
                 allow_downcast: bool | None = None) -> None:  # fmt: skip
        self.variable, self.value, self.allow_downcast = variable, value, allow_downcast
        self.name = name if name is not None else variable.name

    def __repr__(self) -> str:
        return f"In({self.variable!r})"


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


class PythonCall:
    """A callable with attributes over a Python function."""

    def __init__(self, inner: Callable[..., Any], name: str) -> None:
        self._inner = inner
        self.__name__ = self.__qualname__ = name

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._inner(*given, **named)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


class _Call:
    """The slow path of a call: arguments converted, every error named.

    `target` takes arrays of exactly the inputs' dtypes and ranks, C-contiguous and aligned.
    """

    def __init__(self, name: str, ins: Sequence[In], checks: Sequence[Check],
                 downcast: bool | None) -> None:  # fmt: skip
        self.name, self.ins, self.checks = name, list(ins), list(checks)
        self.types = [i.variable.value.type for i in ins]
        self.downcast = [downcast if i.allow_downcast is None else i.allow_downcast for i in ins]
        self.target: Callable[..., Any] = self.refuse
        self.native = False

    def refuse(self, *arrays: Any) -> Any:
        raise JitgradError(f"{self.name} does not take arguments that fit its inputs")

    def __call__(self, *given: Any, **named: Any) -> Any:
        arrays = self.convert(given, named)
        self.check(arrays)
        again = len(given) == len(arrays) and all(a is g for a, g in zip(arrays, given))
        if again and given and self.native:  # compiled code has refused just these
            return self.refuse()
        return self.target(*arrays)

    def convert(self, given: Sequence[Any], named: Mapping[str, Any]) -> list[np.ndarray]:
        if len(given) > len(self.ins):
            raise TypeError(f"{self.name} takes {len(self.ins)} inputs, not {len(given)}: "
                            f"{', '.join(map(self.label, range(len(self.ins))))}")  # fmt: skip
        values: list[Any] = [*given, *(i.value for i in self.ins[len(given) :])]
        names = [i.name for i in self.ins]
        for name, value in named.items():
            if name not in names:
                raise TypeError(f"{self.name} has no input named {name!r}; its inputs are "
                                f"{', '.join(map(self.label, range(len(self.ins))))}")  # fmt: skip
            k = names.index(name)
            if k < len(given):
                raise TypeError(f"{self.name} got two values for its input {name!r}")
            values[k] = value
        out = []
        for k, value in enumerate(values):
            if value is None:
                raise TypeError(f"Missing required input: {self.label(k)}, "
                                f"{self.ins[k].variable.type}, of {self.name}")  # fmt: skip
            out.append(self.one(k, value))
        return out

    def label(self, k: int) -> str:
        return self.ins[k].name or f"input {k}"

    def bad(self, k: int, kind: type[Exception], what: str) -> Exception:
        """An error about one argument, with the line where the variable was made."""
        text = f'Bad input argument "{self.label(k)}" to {self.name} at index {k} (0-based): {what}'
        return kind(at(text, self.ins[k].variable.loc))

    def one(self, k: int, value: Any) -> np.ndarray:
        """One argument as an array of the input's dtype and rank."""
        type_, downcast = self.types[k], self.downcast[k]
        want = type_.dtype.np
        array = value if value.__class__ is np.ndarray else self.array(k, value)
        if array.dtype != want:
            native = array.dtype.newbyteorder("=")
            if native.kind not in "biuf":
                raise self.bad(k, TypeError, f"expected {want.name}, got {array.dtype}")
            loose = not isinstance(value, (np.ndarray, np.generic))
            ok = downcast is True or np.can_cast(native, want, "safe")
            ok = ok or (native.kind in "biu" and want.kind == "f")
            if not ok and loose and downcast is None:
                # Python numbers: a float fits float32; others, where their values are kept
                ok = value.__class__ is float and want.kind == "f"
            if not ok and loose and (want.kind == "f" or native.kind != "f" or array.size == 0):
                with np.errstate(all="ignore"):
                    made = array.astype(want)
                ok = bool(np.all((made == array) | (made != made))) and want.kind != "b"
            if not ok:
                raise self.bad(k, TypeError, f"expected {want.name}, got {native.name}, which "
                               f"loses precision or kind; convert it by .astype({want.name!r}), or "
                               "give function allow_input_downcast=True")  # fmt: skip
        if array.ndim != len(type_.shape):
            what = f"expected {len(type_.shape)}, got {array.ndim} with shape {array.shape}"
            raise self.bad(k, ShapeError, f"Wrong number of dimensions: {what}")
        with np.errstate(all="ignore"):
            out = np.require(array, want, ["C", "A"])
        return out if out.ndim == array.ndim else out.reshape(array.shape)

    def array(self, k: int, value: Any) -> np.ndarray:
        if isinstance(value, TensorVariable):
            raise self.bad(k, TypeError, "expected an array-like object, but found a variable: "
                           "maybe you are trying to call a function on a (possibly shared) "
                           "variable instead of a number?")  # fmt: skip
        try:
            return np.asarray(value)
        except ValueError as err:
            raise self.bad(k, TypeError, f"it is no array: {err}") from None

    def check(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise where sizes contradict the inputs' types or the graph."""
        env: dict[str, int] = {}
        later = []
        for k, (t, a) in enumerate(zip(self.types, arrays)):
            for axis, (d, size) in enumerate(zip(t.shape, a.shape)):
                if d.__class__ is Dim:
                    if len(symbols(d)) == 1 and repr(d) in symbols(d):
                        env.setdefault(repr(d), size)
                    later.append((k, axis, d, size))
                elif d != size:
                    raise self.bad(k, ShapeError, f"its shape is {a.shape}, but axis {axis} "
                                   + (f"is broadcastable: its size is 1, not {size}" if d == 1
                                      else f"must have size {d}"))  # fmt: skip
        for k, axis, d, size in later:
            if symbols(d) <= env.keys() and evaluate(d, env) != size:
                raise self.bad(k, ShapeError, f"its shape is {arrays[k].shape}, but axis {axis} "
                               f"must have size {evaluate(d, env)}")  # fmt: skip
        for c in self.checks:
            if symbols(c.lhs) | symbols(c.rhs) <= env.keys() and c.fails(env):
                raise c.error(env)


def stabilize(ops: Sequence[Op], value: Value) -> Value:
    """`value` of a graph in the air, after the passes that come before differentiation."""
    inside = {id(r) for op in ops for r in op.results}
    outside = {id(v): v for op in ops for v in op.operands if id(v) not in inside}
    fn = Function("cost", Block([*outside.values()], ops, [value]))
    return pipeline("primal").run(fn).results[0]


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
    made = cut(title, values, wanted, _givens(givens, loc), stabilize)
    _unused(ins, made.used, on_unused_input or "raise", loc)
    slow = _Call(title, ins, made.checks, allow_input_downcast)
    compiled: Any
    if mode == "FAST_COMPILE":
        compiled = Interpreted(made.fn, title, result, slow)
        slow.target = compiled.run
    else:
        compiled = compile_ir(made.fn, name=title, result=result, slow=slow, accept=_accept(slow))
        slow.target = compiled.call
        slow.native = True
    call = compiled.call
    if slow.native and any(op.opdef.name == "require" for op in made.fn.ops):
        call = PythonCall(_explained(call, slow), title)
    if keys is not None:
        call = PythonCall(_named(call, keys), title)
    call.maker = Maker(compiled)
    call.name = name
    call.checks = made.checks
    return call


def _accept(slow: _Call) -> list[int]:
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


def _explained(call: Callable[..., Any], slow: _Call) -> Callable[..., Any]:
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
            warnings.warn(message, stacklevel=3)
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
