"""Fewer runs of the cyclic garbage collector while graphs are built.

Ops and values refer to each other, so building a graph of n ops makes the collector walk it again
and again: half the time of a compile on 10,000 ops. It is not switched off, only called less often,
since a traced function may do anything.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

YOUNG = 2_000_000  # new objects between two runs: what compiling some 30,000 ops makes

_lock = threading.Lock()
_depth = 0
_before = (700, 10, 10)


def _after_fork_child() -> None:
    # A thread that does not exist here may hold the lock, and will not undo its pause.
    global _lock, _depth
    _lock = threading.Lock()
    if _depth:
        _depth = 0
        gc.set_threshold(*_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


class PausedGC:
    """`with PausedGC():`, nested and from several threads; the last one out restores the state.

    >>> with PausedGC():
    ...     gc.get_threshold()[0] >= YOUNG
    True
    """

    def __enter__(self) -> None:
        global _depth, _before
        with _lock:
            if _depth == 0:
                _before = gc.get_threshold()
                if 0 < _before[0] < YOUNG:  # 0 is off: it stays off
                    gc.set_threshold(YOUNG, *_before[1:])
            _depth += 1

    def __exit__(self, *exc: object) -> None:
        global _depth
        with _lock:
            _depth = max(_depth - 1, 0)  # a child that was forked in here began anew
            if _depth == 0:
                gc.set_threshold(*_before)


F = TypeVar("F", bound=Callable[..., Any])


def without_gc(fn: F) -> F:
    """A function that runs with the collector called less often."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        with PausedGC():
            return fn(*args, **kwargs)

    return run  # type: ignore[return-value]
