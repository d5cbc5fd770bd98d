"""Settings of the process: `jitgrad.config.floatX = "float32"`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

floatX = "float64"
"""The dtype of `T.scalar()`, `T.vector()` … and of what is made without naming one."""

mode = "Mode"
"""How functions that name no mode are run; "Mode" means by `linker` and `optimizer`."""

linker = "cvm"
"""What `Mode()` runs functions with: machine code, or "py", the interpreter."""

optimizer = "fast_run"
"""What `Mode()` does to graphs: all passes, or "None", none of them."""

on_unused_input = "raise"
"""What `function` does about an input on which no output depends."""

profile = False
"""Whether functions measure their calls unless they say otherwise: `f.profile.summary()`."""

exception_verbosity = "low"
"""Taken for Theano's sake: errors always name shapes, variables and lines."""

compute_test_value = "off"
"""Taken for Theano's sake: shapes are checked as far as they are known when a graph is built."""

warn_float64 = "ignore"
"""Taken for Theano's sake: float64 variables are made silently."""

device = "cpu"
"""Taken for Theano's sake: arrays live in memory."""

MODES = ("Mode", "FAST_RUN", "FAST_COMPILE", "DebugMode", "DEBUG_MODE", "NanGuardMode",
         "ProfileMode", "PROFILE_MODE")  # fmt: skip

_ALLOWED: dict[str, tuple[Any, ...]] = {
    "floatX": ("float64", "float32"),
    "mode": MODES,
    "linker": ("cvm", "vm", "c|py", "c", "py", "c|py_nogc", "cvm_nogc", "vm_nogc"),
    "optimizer": ("fast_run", "fast_compile", "o4", "o3", "o2", "o1", "unsafe", "merge", "None"),
    "on_unused_input": ("raise", "warn", "ignore"),
    "profile": (False, True),
    "exception_verbosity": ("low", "high"),
    "compute_test_value": ("off",),
    "warn_float64": ("ignore",),
    "device": ("cpu",),
}


def _check(where: str, allowed: dict[str, tuple[Any, ...]], name: str, value: Any) -> None:
    if name not in allowed:
        raise AttributeError(f"jitgrad.{where} has no setting {name!r}; it has "
                             f"{', '.join(allowed)}")  # fmt: skip
    if value not in allowed[name]:
        raise ValueError(f"{where}.{name} is one of {', '.join(map(repr, allowed[name]))}, "
                         f"not {value!r}")  # fmt: skip


class Section:
    """Settings that belong together: `config.NanGuardMode.big_is_error = False`."""

    def __init__(self, name: str, allowed: dict[str, tuple[Any, ...]]) -> None:
        self.__dict__.update(_name=name, _allowed=allowed)
        for key, (first, *_) in allowed.items():
            self.__dict__[key] = first

    def __setattr__(self, name: str, value: Any) -> None:
        _check(f"config.{self._name}", self._allowed, name, value)
        self.__dict__[name] = value

    _name: str
    _allowed: dict[str, tuple[Any, ...]]


_BOTH = (True, False)


class _Guard(Section):
    nan_is_error: bool
    inf_is_error: bool
    big_is_error: bool
    action: str


NanGuardMode = _Guard("NanGuardMode", {
    "nan_is_error": _BOTH, "inf_is_error": _BOTH, "big_is_error": _BOTH,
    "action": ("raise", "warn"),
})  # fmt: skip
"""What `NanGuardMode` looks for, and what it does: "raise" or "warn"."""


class _Config(ModuleType):
    """This module: what is set is checked."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("__"):
            _check("config", _ALLOWED, name, value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Config
