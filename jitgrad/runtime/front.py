"""What `jit` gives its user: a native callable bound to one compiled path, Python behind it.

Calls that fit the bound path run machine code with no Python in between; every other call, and one
on which a guard or a check fails, goes to the dispatcher, which finds or compiles another path and
may bind that. Attributes of the dispatcher (`explain`, `ir` …) are the callable's own.
"""

from __future__ import annotations

import os
import threading
from functools import update_wrapper
from typing import Any
from weakref import WeakSet

from .native import make_native, rebind

# What was bound once stays alive with the callable: a function that alternates between two kinds of
# arguments must not grow with every call.
MAX_BINDINGS = 4
METHODS = ("explain", "ir", "llvm", "asm", "lower", "cache_clear")

_fronts: WeakSet[Any] = WeakSet()
_lock = threading.Lock()
_held = 0


def _after_fork_child() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that does not exist here may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


def make_front(dispatch: Any, fun: Any, name: str) -> Any:
    """The native callable over `dispatch(*args, **kwargs)`, wrapping the Python function `fun`."""

    def again(status: int, op_id: int, v0: int, v1: int, v2: int, args: tuple) -> Any:
        return dispatch(
            *args
        )  # compiled code is pure: this raises the error, or takes another path

    front = make_native(None, 0, None, dispatch, again, None, name, getattr(fun, "__doc__", None))
    update_wrapper(front, fun)
    front.__wrapped__ = fun
    front._dispatch = dispatch
    for method in METHODS:
        setattr(front, method, getattr(dispatch, method))
    _fronts.add(front)
    return front


def bind(front: Any, path: Any) -> bool:
    """Let `front` run `path` natively; False where it was bound often enough, or must not be."""
    with _lock:
        if _held or front.__dict__.get("_bindings", 0) >= MAX_BINDINGS:
            return False
        front._bindings = front.__dict__.get("_bindings", 0) + 1
        code = path.compiled
        rebind(front, code.spec, code.core, code.prep, code.module)
        return True


def unbind(front: Any) -> None:
    """Every call goes to the dispatcher again."""
    with _lock:
        _unbind(front)


def _unbind(front: Any) -> None:
    front.__dict__.pop("_bindings", None)
    rebind(front, None, 0, None, None)


class HoldBack:
    """While one is entered, in whichever thread, no callable is bound to a path."""

    def __enter__(self) -> None:
        global _held
        with _lock:
            _held += 1
            for front in list(_fronts):
                _unbind(front)

    def __exit__(self, *exc: object) -> None:
        global _held
        with _lock:
            _held -= 1
