"""Functions of Python's that compiled code calls: by address, whether it holds the GIL or not."""

from __future__ import annotations

import ctypes
import functools
import json
import threading
from typing import Any

import numpy as np

from ..ir.ops.markers import HOOKS

_raised = threading.local()  # .error: what Python raised while compiled code was running


def _print(text: int, length: int, data: int, dims: int) -> int:
    try:
        what = _read(ctypes.string_at(text, length))
        shape = (ctypes.c_int64 * what["rank"]).from_address(dims) if what["rank"] else ()
        dtype = np.dtype(what["dtype"])
        size = dtype.itemsize
        for n in shape:
            size *= n
        value = np.frombuffer(bytearray(ctypes.string_at(data, size) if size else b""), dtype)
        HOOKS[what["hook"]](what["message"], tuple(what["attrs"]), value.reshape(tuple(shape)))
    except BaseException as err:  # it cannot pass through machine code
        _raised.error = err
        return 1
    return 0


@functools.lru_cache(maxsize=256)
def _read(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def pending() -> BaseException | None:
    """What a function of Python's raised in this thread; it is forgotten then."""
    error = getattr(_raised, "error", None)
    _raised.error = None
    return error


@functools.cache
def callbacks() -> dict[str, int]:
    """Addresses by the names that compiled code knows."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    made = ctypes.CFUNCTYPE(ctypes.c_int, pointer, number, pointer, pointer)(_print)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))  # compiled functions may outlive this module
    address = ctypes.cast(made, pointer).value
    assert address is not None
    return {"jitgrad_print": address}
