"""How a call of a symbolic function is made: values from containers, updates, forms of results.

What is compiled is a program from arrays to arrays (`compile/mode.py`). A `State` says which of its
inputs a call gives and which are read from containers, and where results go. Where every input is
given and every result is the user's, the program's machine code is what the user calls.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from time import perf_counter
from typing import Any

import numpy as np

from .compile.io import Out
from .compile.mode import Mode, Program
from .compile.profiling import ProfileStats
from .errors import at
from .frontend.source import here
from .frontend.symbolic import TensorVariable
from .frontend.symbolic_graph import FunctionGraph
from .frontend.symbolic_shared import Container, Guard, SharedVariable, guards_of
from .ir.core import Function
from .runtime.standin import PythonFunction
from .symbolic_call import Input, SlowCall

Call = Callable[..., Any]
_TWICE: Any = object()
_data = attrgetter("data")


class Values:
    """`f.value`: what the containers hold, by the input's position, name or variable."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __getitem__(self, key: Any) -> Any:
        return self._state.container_of(key).value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._state.container_of(key).put(value)

    def __contains__(self, key: Any) -> bool:
        return self._state.find(key) is not None


class Containers(Values):
    """`f.container`: the containers themselves."""

    def __getitem__(self, key: Any) -> Any:
        return self._state.container_of(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("containers cannot be replaced; set f.value[...], or f.copy(swap=...)")


class State:
    """Everything about a function but its code.

    inputs    one for each of the program's: those of calls first
    targets   the containers that take the results behind the user's, in order
    n_out     how many results are the user's; `form` what a call gives of them: "single", "list",
              "none", or "dict", with `keys`
    """

    def __init__(self, name: str, program: Program, slow: SlowCall, inputs: Sequence[Input],
                 targets: Sequence[Container], n_out: int, form: str, keys: Sequence[Any] | None,
                 maker: Any) -> None:  # fmt: skip
        self.name, self.program, self.slow = name, program, slow
        self.inputs, self.targets = list(inputs), list(targets)
        self.n_out, self.form, self.keys = n_out, form, keys
        self.maker = maker
        self.profile: ProfileStats | None = None
        self.values = Values(self)

    # -- look-ups ---------------------------------------------------------------------------------

    def find(self, key: Any) -> Any:
        """The input that a position, a name or a variable means; None, or _TWICE."""
        found = None
        for i in self.inputs:
            if isinstance(key, TensorVariable):
                same = i.variable is key or i.value is key.value
            elif isinstance(key, (int, np.integer)) and not isinstance(key, bool):
                same = i.index == key
            else:
                same = i.name is not None and i.name == key
            if same:
                if found is not None:
                    return _TWICE
                found = i
        return found

    def container_of(self, key: Any) -> Container:
        found = self.find(key)
        if found is None:
            names = ", ".join([str(i.name) for i in self.inputs if i.name]) or "none"
            raise TypeError(f"Unknown input or state: {key}; the named ones of {self.name} are "
                            f"{names}")  # fmt: skip
        if found is _TWICE:
            raise TypeError(f"Ambiguous name: {key} - please check the names of the inputs of your "
                            "function for duplicates.")  # fmt: skip
        return found.cell

    def shared(self) -> list[SharedVariable]:
        """The shared variables that the function reads or updates."""
        return [i.variable for i in self.inputs if isinstance(i.variable, SharedVariable)]

    # -- the callable -----------------------------------------------------------------------------

    def callable(self) -> Any:
        """The function that the user calls, with Theano's attributes."""
        inner = self.program.call
        alone = direct(self.inputs, self.targets, self.form) and inner is not None
        # a copy has a call of its own: the first one is called by its users
        if not alone or self.maker.before is not None or "_owner" in inner.__dict__:
            inner = self.timed(self.caller())
            call = bare(inner, self.name, self.maker.mode.native)
        elif self.profile is not None:
            call = bare(self.timed(inner), self.name, True)
        else:
            call = inner
        call.__name__ = call.__qualname__ = call.name = self.name
        call._owner = self
        call.maker, call.profile, call.trust_input = self.maker, self.profile, False
        call.copy, call.free, call.get_shared = self.copy, self.free, self.shared
        call.sync_shared = _nothing
        call.value, call.container = self.values, Containers(self)
        call.input_storage = [i.cell for i in self.inputs]
        call.n_returned_outputs = self.n_out
        call.unpack_single, call.return_none = self.form == "single", self.form == "none"
        return call

    def timed(self, call: Call) -> Call:
        profile = self.profile
        if profile is None:
            return call

        def timed(*given: Any, **named: Any) -> Any:
            start = perf_counter()
            try:
                return call(*given, **named)
            finally:
                profile.fct_callcount += 1
                profile.fct_call_time += perf_counter() - start

        return timed

    def caller(self) -> Call:
        """A call in Python around the program's: what is missing comes from containers.

        These are read, and written, by one call of `map`: no other thread comes between.
        """
        slow, program, form, keys = self.slow, self.program, self.form, self.keys
        direct = program.call if program.call is not None else slow.whole
        given = [i for i in self.inputs if i.given]
        n, n_out = len(given), self.n_out
        least = max((k + 1 for k, i in enumerate(given) if i.cell.data is None), default=0)
        cells = tuple([i.cell for i in self.inputs])
        rest, targets = cells[n:], tuple(self.targets)
        data = ("data",) * len(targets)
        plain = not targets and form != "dict"  # what the program gives is the result
        subset_is_mine = all(i.name != "output_subset" for i in given)

        def call(*args: Any, **named: Any) -> Any:
            k = len(args)
            if named or k > n or k < least:
                if subset_is_mine and "output_subset" in named:
                    subset = self.chosen(named.pop("output_subset"))
                    return self.subset(call(*args, **named), subset)
                outs = slow(*args, **named)
            else:
                outs = direct(*args, *map(_data, rest if k == n else cells[k:]))
            if plain:
                return outs
            any(map(setattr, targets, data, outs[n_out:]))
            if form == "single":
                return outs[0]
            if form == "list":
                return outs[:n_out]
            return dict(zip(keys, outs)) if keys is not None else None

        return guarded(call, guards_of(targets)) if targets else call

    def chosen(self, wanted: Any) -> Any:
        """`output_subset`, looked at before anything is computed or updated."""
        known = list(range(self.n_out)) if self.keys is None else list(self.keys)
        wrong = [k for k in wanted if k not in known] if wanted is not None else []
        if wrong:
            raise ValueError(at(f"output_subset of {self.name} names {wrong!r:.80}; its outputs "
                                f"are {known!r:.200}", here()))  # fmt: skip
        return wanted

    def subset(self, outs: Any, wanted: Any) -> Any:
        """The results that `output_subset` names: by position, or by the keys of a dict."""
        if wanted is None:
            return outs
        if self.form == "dict":
            return {k: outs[k] for k in wanted}
        if self.form == "none":
            return None
        return [outs[k] for k in wanted] if self.form == "list" else [[outs][k] for k in wanted]

    # -- copies -----------------------------------------------------------------------------------

    def remade(self, cells: Mapping[int, Container], variables: Mapping[int, Any],
               name: str | None = None, profile: Any = None, keep: bool = True) -> Any:  # fmt: skip
        """A function of the same code on other containers and variables, by the ids of these."""
        inputs = []
        for i in self.inputs:
            variable = variables.get(id(i.variable), i.variable)
            inputs.append(i.replaced(cells.get(id(i.cell), i.cell), variable))
        targets = [cells.get(id(c), c) if keep else Container(c.type) for c in self.targets]
        out = State(name or self.name, self.program, self.slow.of(inputs), inputs, targets,
                    self.n_out, self.form, self.keys, self.maker)  # fmt: skip
        out.profile = profiled(profile, out.name)
        return out.callable()

    def copy(self, share_memory: bool = False, swap: Any = None, delete_updates: bool = False,
             name: str | None = None, profile: Any = None) -> Any:  # fmt: skip
        """Another function of the same code: shared variables stay shared, the values of inputs are
        its own.

        swap            shared variables that it uses instead of others: pairs, or a dict
        delete_updates  it updates nothing
        share_memory    taken and ignored: functions keep no memory between calls

        Raises `TypeError` for a swap of another type, `ValueError` for one of a variable that the
        function does not use.
        """
        loc = here()
        cells: dict[int, Container] = {}
        variables: dict[int, Any] = {}
        for i in self.inputs:
            if i.given:
                cells[id(i.cell)] = copy.deepcopy(i.cell)
        pairs = swap.items() if isinstance(swap, Mapping) else swap or ()
        for old, new in pairs:
            if not isinstance(old, SharedVariable) or not isinstance(new, SharedVariable):
                raise TypeError(at("swap takes pairs of shared variables", loc))
            if old not in self.shared():
                raise ValueError(at(f"swap: {old!r} is not among the function's shared variables: "
                                    f"{self.shared()}", loc))  # fmt: skip
            if old.type != new.type:
                raise TypeError(at(f"swap: {old!r} of {old.type} cannot be replaced by {new!r} of "
                                   f"{new.type}", loc))  # fmt: skip
            cells[id(old.container)] = new.container
            variables[id(old)] = new
        return self.remade(cells, variables, name, profile, not delete_updates)

    def deepcopy(self, memo: dict[int, Any]) -> Any:
        """A function with a state of its own; what shares a state in one deep copy still does."""
        cells = {id(i.cell): copy.deepcopy(i.cell, memo) for i in self.inputs}
        cells |= {id(c): copy.deepcopy(c, memo) for c in self.targets}
        variables = {}
        for v in self.shared():
            if id(v) not in memo:
                memo[id(v)] = v.around(cells[id(v.container)])
            variables[id(v)] = memo[id(v)]
        return self.remade(cells, variables, self.name, self.profile is not None)

    def reduce(self) -> Any:
        from .symbolic_pickle import frozen

        return frozen(self)

    def free(self) -> None:
        """Forget what calls have left behind: code for arrays in layouts met so far."""
        exact = getattr(self.program.compiled, "exact", None)
        if exact is not None:
            exact.variants.clear()


def _nothing() -> None:
    """`f.sync_shared()`: shared variables are in memory, and up to date, after every call."""


def guarded(call: Call, guards: Sequence[Guard]) -> Call:
    """`call`, one thread after the other: two that update the same container exclude each other."""
    first, *more = guards

    def alone(*args: Any, **named: Any) -> Any:
        with first.lock:
            return inner(*args, **named)

    inner = guarded(call, more) if more else call
    return alone


def direct(inputs: Sequence[Input], targets: Sequence[Any], form: str) -> bool:
    """Whether machine code can be called as it is: every input given, every result the user's."""
    given = all(i.given and i.cell.data is None for i in inputs)
    return given and not targets and form != "dict"


class Maker:
    """What a compiled function came from.

    fgraph (old name env)  the optimized graph, as variables that `pp` and `debugprint` take
    compiled               the program with all stages; `mode` how it is run
    inputs                 what it is given: objects with `variable`, `name` and `cell`
    outputs                its results and new values of what it updates, as `Out(variable)`
    """

    def __init__(self, compiled: Any, mode: Mode, before: Any = None,
                 inputs: Sequence[Input] = ()) -> None:  # fmt: skip
        self.compiled, self.mode, self.before = compiled, mode, before
        self.inputs = list(inputs)

    @property
    def outputs(self) -> list[Out]:
        return [Out(v) for v in self.fgraph.outputs]

    @property
    def fgraph(self) -> FunctionGraph:
        return FunctionGraph(self.compiled.optimized)

    env = fgraph


def assemble(name: str, fn: Function, before: Any, mode: Mode, inputs: Sequence[Input],
             targets: Sequence[Container], n_out: int, form: str, keys: Sequence[Any] | None,
             checks: Sequence[Any] = (), profile: ProfileStats | None = None) -> Any:  # fmt: skip
    """The callable of `fn`; `before` computes sizes for its last parameters (`symbolic_stages`)."""
    slow = SlowCall(name, inputs, checks)
    gives = form if not targets and form != "dict" else "list"
    fast: dict[str, Any] = {}
    if mode.native:
        accept = accepted(inputs)
        if before is None:
            alone = direct(inputs, targets, form)
            fast = {"slow": slow if alone else slow.whole, "accept": accept,
                    "on_shape": slow.explain}  # fmt: skip
        else:
            names = [c.name for c in before.carriers]
            fast = {"slow": lambda *values: slow.whole(*values[: len(inputs)]),
                    "accept": [*accept, *[1] * len(names)],
                    "on_shape": partial(before.explain, slow, checks, names)}  # fmt: skip
    program = mode.program(fn, name, gives, **fast)
    slow.target = program.run
    if before is not None:
        before.compiled(mode, slow, accept if mode.native else ())
        slow.target = before.slowly(program.run, slow)
        program.call = before.quickly(program.call, slow) if mode.native else None
    maker = Maker(program.compiled, mode, before, inputs)
    state = State(name, program, slow, inputs, targets, n_out, form, keys, maker)
    state.profile = profile
    return state.callable()


def accepted(inputs: Sequence[Input]) -> list[int]:
    """What machine code takes for each input without asking: not the floats that lose digits."""
    from .llvm.entry import ACCEPT_ARRAY, ACCEPT_FLOAT
    from .runtime.native import accepts

    out = []
    for i in inputs:
        t = i.value.type
        flags = ACCEPT_ARRAY if i.strict or not i.given else accepts(t.dtype.np, t.rank)
        strict = i.downcast is False and t.dtype.bits < 64
        out.append(flags & ~ACCEPT_FLOAT if strict else flags)
    return out


def bare(inner: Call, name: str, native: bool) -> Any:
    """A callable of the type that compiled functions have, around a Python function."""
    if not native:  # the native type would bring the compiler
        return PythonFunction(None, 0, None, inner, inner, None, name, None)
    from .runtime.native import make_native

    return make_native(None, 0, None, inner, inner, None, name)


def profiled(profile: Any, name: str) -> ProfileStats | None:
    """What `profile=` means: a `ProfileStats`, True or a message for a new one, or nothing."""
    if isinstance(profile, ProfileStats) or not profile:
        return profile or None
    if profile is True or isinstance(profile, str):
        return ProfileStats(name if profile is True else profile)
    raise TypeError(f"profile is a bool, a string or a ProfileStats, not {type(profile).__name__}")
