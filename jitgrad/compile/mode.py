"""Modes: how a function of variables is run. Machine code, the interpreter, or both compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import config
from ..ir.core import Function, Op, Value
from ..ir.interp import run
from ..passes.stabilize import stabilize_values
from .native import Compiled, compile_ir, optimize

__all__ = ["FAST_COMPILE", "FAST_RUN", "Mode", "get_default_mode", "get_mode", "predefined_modes",
           "register_mode"]  # fmt: skip

_PYTHON = ("py",)
LINKERS = ("cvm", "vm", "c|py", "c", "py", "c|py_nogc", "cvm_nogc", "vm_nogc", "auto", "jit")
OPTIMIZERS = ("fast_run", "fast_compile", "merge", "o4", "o3", "o2", "o1", "unsafe",
              "fast_run_stable", "merge", "None")  # fmt: skip


class Program:
    """A compiled graph.

    compiled  what it went through: `source`, `optimized`, `ir(stage)`
    call      takes whatever a call gives; None where calls must be converted first
    run       takes one array for each input, of the right dtypes and ranks
    """

    def __init__(self, compiled: Compiled, call: Any, run: Callable[..., Any]) -> None:
        self.compiled, self.call, self.run = compiled, call, run


def packed(outs: Sequence[Any], form: str) -> Any:
    """Results in the form that a call gives: "single", "list", or "none"."""
    if form == "single":
        return outs[0]
    return None if form == "none" else list(outs)


class Mode:
    """How a function is run.

    linker     "py" interprets the graph; every other of Theano's names ("cvm", "c|py" …) means
               machine code
    optimizer  None (or "None") interprets the graph as it was written; every other of Theano's
               names ("fast_run", "o4" …) means all of jitgrad's passes

    `including` and `excluding` give modes that remember the names of Theano's optimizations; which
    passes run does not depend on them.

    >>> Mode("py", "fast_run").excluding("fusion")
    Mode(linker='py', optimizer='fast_run', excluding=['fusion'])

    Raises `ValueError` for other linkers and optimizers.
    """

    plain = True  # nothing is looked at beside the results
    stats: Any = None  # the profile of all functions of the mode

    def __init__(self, linker: str | None = None, optimizer: str | None = "default") -> None:
        linker = config.linker if linker in (None, "default") else linker
        optimizer = config.optimizer if optimizer == "default" else optimizer
        if linker not in LINKERS:
            raise ValueError(f"linker {linker!r}; the linkers are {', '.join(LINKERS)}")
        if optimizer is not None and optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer {optimizer!r}; the optimizers are {', '.join(OPTIMIZERS)}")
        self.provided_linker, self.provided_optimizer = linker, optimizer
        self.included: tuple[str, ...] = ()
        self.excluded: tuple[str, ...] = ()

    @property
    def linker(self) -> str | None:
        return self.provided_linker

    @property
    def optimizer(self) -> str | None:
        return self.provided_optimizer

    def _with(self, included: Sequence[str], excluded: Sequence[str]) -> Mode:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.included = (*[t for t in self.included if t not in excluded], *included)
        new.excluded = (*[t for t in self.excluded if t not in included], *excluded)
        return new

    def including(self, *tags: str) -> Mode:
        return self._with(tags, ())

    requiring = including

    def excluding(self, *tags: str) -> Mode:
        return self._with((), tags)

    def clone(self, link_kwargs: Any = None, optimizer: str | None = "", **kwargs: Any) -> Mode:
        """A copy, with another optimizer if one is named."""
        new = self._with((), ())
        if optimizer != "":
            new.provided_optimizer = Mode(None, optimizer).optimizer
        return new

    def __repr__(self) -> str:
        both = (("including", self.included), ("excluding", self.excluded))
        tags = "".join(f", {k}={list(v)}" for k, v in both if v)
        return (f"{type(self).__name__}(linker={self.linker!r}, optimizer={self.optimizer!r}"
                f"{tags})")  # fmt: skip

    # -- what `function` asks of a mode -----------------------------------------------------------

    @property
    def _raw(self) -> bool:
        return self.optimizer in (None, "None")

    @property
    def native(self) -> bool:
        """Whether calls may go to machine code directly."""
        return self.plain and self.linker not in _PYTHON and not self._raw

    @property
    def stabilize(self) -> Callable[[Sequence[Op], Value], Value] | None:
        """What gradients are derived from; None: from the cost as it was written."""
        return None if self._raw else stabilized

    def program(self, fn: Function, name: str, form: str, **fast: Any) -> Program:
        """`fn` made ready to run; `fast` are options of `compile_ir`, for direct calls."""
        if self.native:
            made = compile_ir(fn, name=name, result=form, **fast)
            return Program(made, made.call, lambda *arrays: made.exact(arrays))
        compiled = Compiled(fn)
        compiled.optimized = graph = fn if self._raw else optimize(fn, compiled.timings)
        return Program(compiled, None, lambda *arrays: packed(self.interpret(graph, arrays), form))

    def runner(self, fn: Function) -> Callable[[Sequence[np.ndarray]], Any]:
        """A program that a function runs before its own: arrays to a list of results."""
        run = self.program(fn, fn.name, "list").run
        return lambda arrays: run(*arrays)

    def interpret(self, fn: Function, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Results of a graph, none of which shares memory with another or with an argument."""
        return [np.array(a) for a in run(fn, arrays)]


def stabilized(ops: Sequence[Op], value: Value) -> Value:
    """`value` of a graph in the air, made by `ops`, after the rules that go before derivatives."""
    return stabilize_values(ops, [value])[0]


FAST_RUN = Mode("cvm", "fast_run")
FAST_COMPILE = Mode("py", "fast_compile")
predefined_modes: dict[str, Mode] = {"FAST_RUN": FAST_RUN, "FAST_COMPILE": FAST_COMPILE}


def register_mode(name: str, mode: Mode) -> None:
    """Let `mode=name` mean `mode`; `ValueError` if the name is taken."""
    if name in predefined_modes or name in config.MODES:
        raise ValueError(f"mode name already taken: {name!r}")
    if not isinstance(mode, Mode):
        raise TypeError(f"register_mode takes a Mode, not {type(mode).__name__}")
    predefined_modes[name] = mode


def get_mode(mode: Any) -> Mode:
    """The mode that a string names; None is `config.mode`; a `Mode` is itself.

    >>> get_mode("FAST_COMPILE")
    Mode(linker='py', optimizer='fast_compile')

    Raises `ValueError` for a string that names none, `TypeError` for other objects.
    """
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
    if not isinstance(name, str):
        raise TypeError(f"mode is a string or a Mode, not {type(mode).__name__}")
    if name in predefined_modes:
        return predefined_modes[name]
    if name == "Mode":
        return Mode()
    if name in ("DebugMode", "DEBUG_MODE"):
        from .debugmode import DebugMode

        return DebugMode()
    if name in ("ProfileMode", "PROFILE_MODE"):
        from .profilemode import ProfileMode

        return ProfileMode()
    if name == "NanGuardMode":
        from .nanguardmode import NanGuardMode

        return NanGuardMode()
    known = dict.fromkeys((*predefined_modes, *config.MODES))
    raise ValueError(f"mode {name!r}; the modes are {', '.join(known)}")


def get_default_mode() -> Mode:
    """The mode of functions that name none: `config.mode`."""
    return get_mode(None)
