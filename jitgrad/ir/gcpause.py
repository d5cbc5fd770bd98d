"""A pause of the cyclic garbage collector while graphs are built.

Ops and values refer to each other, so building a graph of n ops makes the collector walk it again
and again: half the time of a compile on 10,000 ops. Nothing in a graph under construction is
garbage.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_lock = threading.Lock()
_depth = 0
_was_enabled = False


class PausedGC:
    """`with PausedGC():`, nested and from several threads; the last one out restores the state."""

    def __enter__(self) -> None:
        global _depth, _was_enabled
        with _lock:
            if _depth == 0:
                _was_enabled = gc.isenabled()
                gc.disable()
            _depth += 1

    def __exit__(self, *exc: object) -> None:
        global _depth
        with _lock:
            _depth -= 1
            if _depth == 0 and _was_enabled:
                gc.enable()


F = TypeVar("F", bound=Callable[..., Any])


def without_gc(fn: F) -> F:
    """A function that runs with the collector paused."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        with PausedGC():
            return fn(*args, **kwargs)

    return run  # type: ignore[return-value]
