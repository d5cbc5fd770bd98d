"""Where in the user's source a traced operation was written: the nearest frame that is not ours."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType, TracebackType

import numpy as np

from ..errors import JitgradError, Loc

_OURS = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.dirname(os.path.abspath(np.__file__)) + os.sep,
)
# code objects hash by their content, slowly: both caches go by identity and keep the object alive
_skipped: dict[int, tuple[bool, CodeType]] = {}
_places: dict[tuple[int, int], Loc] = {}


def _ours(code: CodeType) -> bool:
    found = code.co_filename.startswith(_OURS)
    _skipped[id(code)] = (found, code)
    return found


def here() -> Loc | None:
    """The line of the nearest caller outside jitgrad and NumPy; under a microsecond when cached."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        known = _skipped.get(id(code))
        if not (_ours(code) if known is None else known[0]):
            key = (id(code), frame.f_lasti)
            loc = _places.get(key)
            if loc is None:
                loc = Loc(code.co_filename, frame.f_lineno or 0, code.co_name)
                _places[key] = loc
            return loc
        frame = frame.f_back
    return None


def without_our_frames(err: BaseException) -> BaseException:
    """`err` with jitgrad's frames taken out of its traceback, where the user's remain."""
    entries = []
    tb = err.__traceback__
    while tb is not None:
        if not tb.tb_frame.f_code.co_filename.startswith(_OURS[0]):
            entries.append(tb)
        tb = tb.tb_next
    kept: TracebackType | None = None
    for entry in reversed(entries):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return err.with_traceback(kept)


def explained(err: BaseException) -> bool:
    """Whether the message says it all: an error of ours, or one that names the user's line."""
    return isinstance(err, JitgradError) or (
        isinstance(err, (TypeError, ValueError, IndexError, OverflowError))
        and "\n  at " in str(err)
    )


def unwrapped(err: BaseException) -> BaseException:
    """The error of ours that NumPy hid behind one of its own, in the same place; else `err`.

    (An assignment `array[i] = tracer` ends in "setting an array element with a sequence".)
    """
    cause = err.__cause__
    return cause.with_traceback(err.__traceback__) if isinstance(cause, JitgradError) else err
