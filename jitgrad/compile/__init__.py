"""From functions of the IR to native callables; and Theano's names: modes, inputs, profiles.

`compile_ir` is the one way to machine code (`compile/native.py`). Beside it stand the names that
programs written for Theano look up here: `Mode`, `get_default_mode`, `DebugMode`,
`nanguardmode.NanGuardMode`, `In`, `Out`, `shared`, `ProfileStats` …
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .native import (
    NUMBERS,
    Compiled,
    Exact,
    check_dims,
    compile_ir,
    error_of,
    notes_of,
    optimize,
)

_HOMES = {
    ".mode": ("Mode", "FAST_RUN", "FAST_COMPILE", "get_mode", "get_default_mode", "register_mode",
              "predefined_modes"),
    ".debugmode": ("DebugMode",),
    ".nanguardmode": ("NanGuardMode",),
    ".profilemode": ("ProfileMode",),
    ".io": ("In", "Out", "SymbolicInput", "SymbolicOutput"),
    ".sharedvalue": ("SharedVariable", "shared"),
    ".profiling": ("ProfileStats",),
    ".function_module": ("Function",),
    "..symbolic_function": ("function",),
    "..errors": ("UnusedInputError",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("mode", "debugmode", "nanguardmode", "profilemode", "io", "sharedvalue", "profiling",
            "function_module")  # fmt: skip

__all__ = ["NUMBERS", "Compiled", "Exact", "check_dims", "compile_ir", "error_of", "notes_of",
           "optimize"]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Theano's names, loaded when they are used: the compiler itself needs none of them."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(home, __name__), name))
