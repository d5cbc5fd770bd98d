"""`function`: from symbolic inputs and outputs to a compiled callable, with Theano's call rules."""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from . import config
from .compile.io import In, Out, Param
from .compile.mode import Mode, get_mode, stabilized
from .errors import Loc, MissingInputError, UnusedInputError, at
from .frontend.cut import cut
from .frontend.pp import dim_text
from .frontend.reach import reach
from .frontend.source import here
from .frontend.symbolic import TensorVariable, as_tensor_variable, wrap
from .frontend.symbolic_ops import broadcast
from .frontend.symbolic_shared import (
    Container,
    SharedValue,
    SharedVariable,
    shared,
    shared_values,
)
from .ir.build import Builder
from .ir.core import Value
from .ir.dims import Dim, symbols
from .ir.gcpause import without_gc
from .symbolic_call import Input
from .symbolic_stages import prelude
from .symbolic_state import FunctionGraph, Maker, assemble, profiled

__all__ = ["FunctionGraph", "In", "Maker", "Mode", "Out", "Param", "SharedVariable",
           "evaluate_variable", "function", "get_mode", "shared", "stabilize"]  # fmt: skip

stabilize = stabilized


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
    inputs: Sequence[Any] = (),
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
) -> Any:
    """A callable that computes `outputs` from `inputs` and from shared variables.

    inputs                variables, or `In(variable, value=…, name=…, update=…)`
    outputs               a variable (a call gives an array), a list (a list of them), a dict with
                          variables as values (a dict), or None (None); `Out(variable)` too
    mode                  "FAST_RUN", machine code (the default), "FAST_COMPILE", the interpreter,
                          "DebugMode", both compared, "NanGuardMode", every value looked at; or a
                          `Mode`
    updates               pairs (shared variable, expression), or a dict: the values of the shared
                          variables after a call, all computed from the values before it
    givens                pairs, or a dict: variables that are replaced by others of their type
    no_default_updates    True, or a list of shared variables: not updated by `default_update`
    name                  how errors call the function
    rebuild_strict        False: what `givens` replaces may be of another dtype, and is converted
    allow_input_downcast  True: arguments are converted to the inputs' dtypes whatever is lost;
                          False: never; None: only Python floats to float32
    profile               True, a message or a `ProfileStats`: calls are timed, see `f.profile`
    on_unused_input       "raise" (the default) `UnusedInputError`, "warn" or "ignore"
    accept_inplace        taken and ignored: no operation overwrites its operands

    Arguments are given by position or by name: NumPy arrays of any layout, numbers, lists. The
    results are arrays, 0-d for scalars, that nothing else shares memory with. Sizes that do not fit
    raise `ShapeError`. A call that fails changes no shared variable.

    `f[name]` reads and sets the value of an input that has one, `f.copy()` makes a function with
    inputs' values of its own, pickles and deep copies have shared variables of their own too.

    >>> from .frontend.symbolic_type import TensorType
    >>> x = TensorType("float64", ())("x")
    >>> total = shared(0.0, "total")
    >>> f = function([x], 2 * x, updates=[(total, total + x)])
    >>> f(4), f(5), total.get_value()
    (array(8.), array(10.), array(9.))

    Raises `MissingInputError` where the outputs need another variable, `TypeError` for a shared
    variable as input and for an update of another type than its variable, `ValueError` for two
    updates of one variable.
    """
    start = perf_counter()
    loc = here()
    how = get_mode(mode)
    unused = on_unused_input or config.on_unused_input
    if unused not in ("raise", "warn", "ignore"):
        raise ValueError(f"on_unused_input is 'raise', 'warn' or 'ignore', not {on_unused_input!r}")
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(at(f"inputs is a list of variables, not {type(inputs).__name__}", loc))
    ins = [_input(i, loc) for i in inputs]
    _distinct(ins, loc)
    keys, wanted, form = _outputs(outputs, loc)
    title = name or "function"
    default = config.profile if how.stats is None else how.stats
    stats = profiled(default if profile is None else profile, title)
    job = _Job(ins, wanted, _givens(givens, rebuild_strict, loc), loc)
    with _no_collection():
        job.update(updates, no_default_updates)
        try:
            made = job.compiled(title, how, unused, allow_input_downcast, form, keys, stats)
        except MissingInputError as err:  # a variable alone has no line
            text = str(err)
            raise err if "\n  at " in text else MissingInputError(at(text, loc)) from None
    if stats is not None:
        stats.compiled(perf_counter() - start, made.maker.compiled.timings)
    return made


class _Job:
    """What one call of `function` compiles: inputs, outputs, updates, replacements."""

    def __init__(self, ins: list[In], wanted: list[Value], givens: list[tuple[Value, Value]],
                 loc: Loc | None) -> None:  # fmt: skip
        self.ins, self.wanted, self.givens, self.loc = ins, wanted, givens, loc
        self.hidden: list[SharedValue] = []
        self.updates: dict[int, tuple[Any, Value]] = {}  # by the id of the updated value

    def update(self, updates: Any, no_default: Any) -> None:
        """Find the shared variables of the graph, and what becomes of them after a call."""
        loc = self.loc
        for i in self.ins:
            if i.update is not None:
                self.updates[id(i.variable.value)] = i, _new_value(i.variable, i.update, loc)
        pairs = updates.items() if isinstance(updates, Mapping) else updates or ()
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(at("updates takes pairs (shared variable, expression), or a dict, "
                                   f"not {pair!r:.80}", loc))  # fmt: skip
            target, new = pair
            if not isinstance(target, SharedVariable):
                raise TypeError(at(f"update target must be a SharedVariable, not {target!r:.80} of "
                                   f"type {type(target).__name__}", loc))  # fmt: skip
            if id(target.value) in self.updates:
                raise ValueError(at("this shared variable already has an update expression: "
                                    f"{target!r}", loc))  # fmt: skip
            self.updates[id(target.value)] = target, _new_value(target, new, loc)
        several = isinstance(no_default, (list, tuple, set, frozenset))
        if not several and not any(no_default is v for v in (True, False, None)):
            raise TypeError(at("no_default_updates is True, False or a list of shared variables, "
                               f"not {no_default!r:.80}", loc))  # fmt: skip
        kept = {id(v.value) for v in no_default} if several else set()
        while True:
            roots = [*self.wanted, *(new for _, new in self.updates.values())]
            self.hidden = self._hidden(roots)
            more = 0
            for v in self.hidden:
                new = v.variable.default_update
                if new is None or no_default is True or id(v) in kept or id(v) in self.updates:
                    continue
                self.updates[id(v)] = v.variable, _new_value(v.variable, new, loc)
                more += 1
            if not more:
                break
        known = {id(v) for v in self.hidden}  # what is only updated is an input too, as Theano's is
        for target, _ in self.updates.values():
            if isinstance(target, SharedVariable) and id(target.value) not in known:
                self.hidden.append(target.value)

    def _hidden(self, roots: list[Value]) -> list[SharedValue]:
        given = [i.variable.value for i in self.ins]
        found = shared_values(roots, [*given, *(k for k, _ in self.givens)])
        if self.givens:
            known = {id(v) for v in found}
            more = shared_values([v for _, v in self.givens], given)
            found += [v for v in more if id(v) not in known]
        return found

    def inputs(self, downcast: bool | None) -> list[Input]:
        """Those that calls give first, then what is read from containers."""
        out = []
        for k, i in enumerate(self.ins):
            v, value = i.variable, i.value
            flag = downcast if i.allow_downcast is None else i.allow_downcast
            if not isinstance(value, Container):
                value = Container(v.type, i.name, i.strict, flag)
                value.put(i.value, borrow=i.borrow)
            elif value.type != v.type:
                raise TypeError(at(f"input {v!r} of {v.type} cannot have a container of "
                                   f"{value.type}", self.loc))  # fmt: skip
            out.append(Input(v.value, i.name, value, not i.implicit, k, flag, i.strict, v))
        out.sort(key=lambda i: not i.given)
        out += [Input(v, v.name, v.variable.container, variable=v.variable) for v in self.hidden]
        return out

    def compiled(self, title: str, mode: Mode, unused: str, downcast: bool | None, form: str,
                 keys: list | None, stats: Any) -> Any:  # fmt: skip
        loc = self.loc
        for i in self.ins:
            for d in i.variable.value.type.shape:
                if d.__class__ is Dim and repr(d) not in symbols(d):
                    raise TypeError(at(f"input {i.variable!r} has a size computed from another "
                                       f"variable's, {dim_text(d)}: make that variable the input, "
                                       "or replace this one by givens", loc))  # fmt: skip
        inputs = self.inputs(downcast)
        values = [i.value for i in inputs]
        cells = {id(i.value): i.cell for i in inputs}
        targets, wanted = [], list(self.wanted)
        for target, new in self.updates.values():
            of_input = isinstance(target, In)
            value = (target.variable if of_input else target).value
            cell = cells.get(id(value))
            targets.append(target.container if cell is None else cell)
            wanted.append(new)
        name = re.sub(r"\W", "_", title)
        before = prelude(name, values, wanted, self.givens, mode.stabilize)
        carriers = before.carriers if before is not None else []
        made = cut(name, [*values, *carriers], wanted, self.givens, mode.stabilize)
        used = {id(v) for v, yes in zip(values, made.used) if yes}
        if before is not None:
            used |= {id(v) for v, yes in zip(values, before.used) if yes}
        left = [(k, i) for k, i in enumerate(self.ins)
                if i.update is None and id(i.variable.value) not in used]  # fmt: skip
        _unused(left, unused, loc)
        return assemble(title, made.fn, before, mode, inputs, targets, len(self.wanted), form, keys,
                        made.checks, stats)  # fmt: skip


def _input(v: Any, loc: Loc | None) -> In:
    """What stands in `inputs`, as an `In`; Theano's tuples among it: (variable, value),
    ((variable, update), value), (name, …)."""
    given = v
    if isinstance(v, tuple) and 2 <= len(v) <= 3:
        name = v[0] if isinstance(v[0], str) else None
        what, *value = v[1:] if name is not None else v
        what, update = what if isinstance(what, tuple) and len(what) == 2 else (what, None)
        if isinstance(what, TensorVariable):
            v = In(what, name, value[0] if value else None, update)
    if isinstance(v, TensorVariable):
        v = In(v)
    if not isinstance(v, In):
        raise TypeError(at(f"Unknown parameter type: {type(given).__name__}; inputs are variables "
                           "or In(...)", loc))  # fmt: skip
    if isinstance(v.variable, SharedVariable):
        raise TypeError(at(f"Cannot use a shared variable ({v.variable!r}) as explicit input. "
                           "Consider substituting a non-shared variable via the `givens` parameter",
                           loc))  # fmt: skip
    return v


def _distinct(ins: list[In], loc: Loc | None) -> None:
    places: dict[int, int] = {}
    for k, i in enumerate(ins):
        v = i.variable.value
        if v.op is not None and v.op.opdef.name == "constant":
            raise TypeError(at(f"input {k} is a constant", loc))
        first = places.setdefault(id(v), k)
        if first != k:
            raise UnusedInputError(at(
                f"Variable {i.variable!r} is used twice in inputs, at indices {first} and {k}. "
                "This would result in values provided for it being ignored. Please do not "
                "duplicate variables in the inputs list.", loc))  # fmt: skip


def _outputs(outputs: Any, loc: Loc | None) -> tuple[list | None, list[Value], str]:
    """Keys of a dict, the values wanted, and the form of the result."""
    keys = None
    if outputs is None:
        return None, [], "none"
    form = "list"
    if isinstance(outputs, Mapping):
        keys, outputs, form = list(outputs), list(outputs.values()), "dict"
    elif not isinstance(outputs, (list, tuple)):
        outputs, form = [outputs], "single"
    plain = [o.variable if isinstance(o, Out) else o for o in outputs]
    for o in plain:
        if not isinstance(o, TensorVariable):
            raise TypeError(at(f"Outputs must be variables, not {type(o).__name__}", loc))
    return keys, [o.value for o in plain], form


def _new_value(target: TensorVariable, new: Any, loc: Loc | None) -> Value:
    """The expression that becomes the value of `target`: of just its type."""
    want = target.type
    if not isinstance(new, TensorVariable):
        cell = Container(want, target.name)
        return as_tensor_variable(cell.fit(new)).value
    if new.type != want:
        raise TypeError(at(
            f"An update must have the same type as the original shared variable (shared_var="
            f"{target!r}, shared_var.type={want}, update_val={new!r}, update_val.type={new.type}). "
            "If the difference is related to the broadcast pattern, you can call the "
            "tensor.unbroadcast(var, axis_to_unbroadcast[, ...]) function to remove broadcastable "
            f"dimensions; a dtype is changed by .astype({want.dtype!r}).", loc))  # fmt: skip
    return new.value


def _givens(givens: Any, strict: bool, loc: Loc | None) -> list[tuple[Value, Value]]:
    pairs = givens.items() if isinstance(givens, Mapping) else (givens or ())
    out: list[tuple[Value, Value]] = []
    for k, g in pairs:
        if not isinstance(k, TensorVariable):
            raise TypeError(at(f"given keys must be variables: givens replaces variables, not "
                               f"{type(k).__name__}", loc))  # fmt: skip
        if any(k.value is other for other, _ in out):
            raise ValueError(at(f"givens replaces {k!r} twice", loc))
        b = Builder(loc)
        v = as_tensor_variable(g).value
        goal = k.value.type.dtype
        kept = not strict or np.result_type(v.type.dtype.np, goal.np) == goal.np
        if v.type.rank != k.ndim or not kept:
            raise TypeError(at(f"givens: {k!r} of {k.type} cannot be replaced by {g!r} of "
                               f"{as_tensor_variable(g).type}", loc))  # fmt: skip
        both = (b.cast(v, goal), k.value)
        out.append((k.value, broadcast(b, "givens", both)[0] if v.type.rank else both[0]))
    return out


def _unused(left: Sequence[tuple[int, In]], how: str, loc: Loc | None) -> None:
    for k, i in left:
        if how == "ignore":
            continue
        message = (
            "function was asked to create a function computing outputs given certain inputs, but "
            f"the provided input variable at index {k} is not part of the computational graph "
            f"needed to compute the outputs: {i.variable!r}.\nTo make this error into a warning, "
            "you can pass the parameter on_unused_input='warn' to function. To disable it "
            "completely, use on_unused_input='ignore'."
        )
        if how == "warn":
            warnings.warn(message, stacklevel=5)
        else:
            raise UnusedInputError(at(message, loc))


def evaluate_variable(variable: TensorVariable, inputs: Mapping[Any, Any] | None = None) -> Any:
    """The value of a variable, given those of the variables (or names) it depends on.

    What was compiled is kept for the next time.
    """
    given = {}
    for k, value in dict(inputs or {}).items():
        if isinstance(k, str):
            k = _named(variable, k)
        if not isinstance(k, TensorVariable):
            raise TypeError(
                at(f"eval takes a dict of variables, not of {type(k).__name__}", here())
            )
        given[k] = value
    key = tuple(given)
    if variable._cache is None:
        variable._cache = {}
    f = variable._cache.get(key)
    if f is None:
        f = variable._cache[key] = function(list(key), variable)
    return f(*given.values())


def _named(variable: TensorVariable, name: str) -> TensorVariable:
    """The variable of this name that `variable` is computed from."""
    found = [v for v in reach([variable.value]).values.values() if v.name == name]
    if len(found) != 1:
        count = "no variable" if not found else f"{len(found)} variables"
        raise ValueError(at(f"eval: {variable!r} is computed from {count} named {name!r}", here()))
    return wrap(found[0])
