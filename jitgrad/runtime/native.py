"""The native callable: what a user of a compiled function holds and calls.

`NativeFunction` is a heap type with a vectorcall slot into one machine-code entry that all
compiled functions share (`jitgrad.llvm.entry`), driven by a table that `make_native` packs from a
`CallSpec`. It is made on first use. Where the interpreter's or NumPy's memory layout is not the
expected one (checked at start-up), `PythonFunction` does the same, slowly, through ctypes.

The core ABI
------------
``i32 core(ptr ctx, ptr inputs, ptr outputs, ptr dims, ptr arena)`` returns 0, or a status after
filling ``ctx``, the error record ``{i64 op_id, i64 v0, i64 v1, i64 v2}`` on the caller's stack.

- ``inputs``: array of data pointers, one an argument. A rank-0 argument points at its value (an
  array's data, a scalar object's payload, or 16 bytes of scratch); read-only.
- ``outputs``: array of data pointers, C-contiguous, uninitialised.
- ``dims``: i64 array: the dim symbols' values (``n_syms``), then for every ``strided`` argument
  its strides in bytes, ``nd`` of them, in argument order.
- ``arena``: scratch memory, 64-byte aligned, uninitialised; never to be kept.

``i32 prep(ptr ctx, ptr dims, ptr out_shapes, ptr arena_size)`` runs before outputs exist: checks
requirements on dims (status != 0: as above), writes the outputs' dims one after another as i64 and
the arena's bytes. Null where shapes are numbers and symbols: `OutSpec` has them then.

Both are reentrant and need no GIL; a core that takes the GIL may set a Python exception and return
non-zero: that exception is raised as it is.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
import sysconfig
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitgrad.llvm import entry
from jitgrad.llvm.entry import (
    ACCEPT_ARRAY,
    ACCEPT_BOOL,
    ACCEPT_COMPLEX,
    ACCEPT_FLOAT,
    ACCEPT_INT,
    ACCEPT_SCALAR,
    LAYOUT,
)

from .spec import NOGIL_ELEMENTS, ArgSpec, CallSpec, OutSpec, accepts, check, pack
from .standin import METHODS, PythonFunction

# fmt: off
__all__ = [
    "ACCEPT_ARRAY", "ACCEPT_BOOL", "ACCEPT_COMPLEX", "ACCEPT_FLOAT", "ACCEPT_INT",
    "ACCEPT_SCALAR", "NOGIL_ELEMENTS", "ArgSpec", "CallSpec", "OutSpec", "PythonFunction",
    "accepts", "layout_problem", "make_native", "native_type", "rebind",
]
# fmt: on


def make_native(
    spec: CallSpec | None,
    core: int,
    prep: int | None,
    slow: Callable[..., Any],
    on_error: Callable[..., Any],
    keepalive: object,
    name: str,
    doc: str | None = None,
) -> Any:
    """A `NativeFunction` that calls ``core`` (an address) when its arguments fit ``spec``.

    Every other call becomes ``slow(*args, **kwargs)``; with ``spec`` None, every call. A non-zero
    status of prep or core becomes ``on_error(status, op_id, v0, v1, v2, args)``, which raises or
    gives the call's result. ``keepalive`` (the module that holds the code) lives as long as the
    function. Raises ValueError for a spec that contradicts itself.
    """
    make = native_type()
    if make is PythonFunction:
        return PythonFunction(spec, core, prep, slow, on_error, keepalive, name, doc)
    packed = pack(spec, core, prep, _support().shapes)
    self = _support().new()
    at = id(self)
    for field, value in (
        ("SELF_SLOW", slow),
        ("SELF_ERROR", on_error),
        ("SELF_KEEP", [(packed, spec, keepalive)]),
    ):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
        _write(at + LAYOUT[field], id(value))
    _write(at + LAYOUT["SELF_SPEC"], ctypes.addressof(packed))
    _write(at + LAYOUT["SELF_CALL"], _support().call)
    self.__name__ = self.__qualname__ = name
    self.__doc__ = doc
    return self


def rebind(
    function: Any, spec: CallSpec | None, core: int, prep: int | None, keepalive: object
) -> None:
    """Gives ``function`` another spec and core, atomically under the GIL.

    What it had before stays alive with it, since another thread may be inside the old code.
    """
    if isinstance(function, PythonFunction):
        check(spec, prep)
        function._bound = (spec, core, prep, keepalive)
        return
    if type(function) is not native_type():
        raise TypeError(f"expected a NativeFunction, not {type(function).__name__}")
    packed = pack(spec, core, prep, _support().shapes)
    at = id(function)
    keep = ctypes.cast(_read(at + LAYOUT["SELF_KEEP"]), ctypes.py_object).value
    keep.append((packed, spec, keepalive))
    _write(at + LAYOUT["SELF_SPEC"], ctypes.addressof(packed))


def native_type() -> type:
    """The type that `make_native` gives: `NativeFunction`, or `PythonFunction` as its stand-in."""
    support = _support()
    return PythonFunction if support is None else support.type


def __getattr__(name: str) -> Any:
    if name == "NativeFunction":  # made on first use: it needs the compiler
        return native_type()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _write(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value


def _read(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


# ---- the type ----


class _Support(NamedTuple):
    type: type
    call: int
    new: Callable[[], Any]
    shapes: int


_lock = threading.Lock()
_made: list[_Support | None] = []


def _after_fork_child() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that does not exist here may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


def _support() -> Any:
    """The type and its entry, made once a process; None where the layouts are unexpected."""
    if not _made:
        with _lock:
            if not _made:
                _made.append(_make_support() if layout_problem() is None else None)
    return _made[0]


def layout_problem() -> str | None:
    """Why the native entry cannot be used here, or None: headers are read and compared."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "not CPython with a GIL"
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return "not a 64-bit little-endian machine"
    if object.__basicsize__ != 16:
        return "object header of another size"
    ints, longs = ctypes.c_int.from_address, ctypes.c_int64.from_address
    for array in (np.zeros((3, 5))[1:, ::-2], np.arange(6, dtype=np.int32), np.zeros((), "?")):
        at, nd = id(array), array.ndim
        dims, strides = _read(at + LAYOUT["ARR_DIMS"]), _read(at + LAYOUT["ARR_STRIDES"])
        descr = _read(at + LAYOUT["ARR_DESCR"])
        fine = (
            _read(at + LAYOUT["OB_TYPE"]) == id(np.ndarray)
            and _read(at + LAYOUT["ARR_DATA"]) == array.ctypes.data
            and ints(at + LAYOUT["ARR_ND"]).value == nd
            and tuple(longs(dims + 8 * i).value for i in range(nd)) == array.shape
            and tuple(longs(strides + 8 * i).value for i in range(nd)) == array.strides
            and descr == id(array.dtype)
            and ints(at + LAYOUT["ARR_FLAGS"]).value == array.flags.num
            and ints(descr + LAYOUT["D_TYPENUM"]).value == array.dtype.num
            and ctypes.string_at(descr + LAYOUT["D_ORDER"], 1) == array.dtype.byteorder.encode()
        )
        if not fine:
            return "ndarray header of another layout"
    for value in (1.25, 1.5 - 2j, *(np.dtype(c).type(1) for c in "?bhilqBHILQefdFD")):
        raw = np.asarray(value).tobytes()
        if ctypes.string_at(id(value) + LAYOUT["OB_VALUE"], len(raw)) != raw:
            return f"{type(value).__name__} objects of another layout"
    return None


def _make_support() -> _Support:
    from jitgrad.llvm.engine import compile_module

    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = pointer(capsule, None)
    objects = (np.ndarray, float, int, bool, complex, True, None)
    symbols = {name: id(o) for name, o in zip(entry.DATA_SYMBOLS, objects)}
    symbols |= {name: _read(table + 8 * i) for name, i in entry.NUMPY_FUNCTIONS.items()}
    rest = compile_module(entry.rest_text(), symbols, opt="none")
    addresses = {name: rest.address(name) for name in rest.names}
    call = compile_module(entry.call_text(), symbols | addresses)
    # Functions may outlive every module of the interpreter at shutdown, so their entry must too.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object((rest, call)))
    made = _make_type(addresses)
    allocate = ctypes.pythonapi.PyType_GenericAlloc
    allocate.restype, allocate.argtypes = ctypes.py_object, [ctypes.py_object, ctypes.c_ssize_t]
    new = functools.partial(allocate, made, 0)
    return _Support(made, call.address("jg_call"), new, addresses["jg_shapes"])


def _forever(content: bytes) -> int:
    """The address of a copy of ``content`` that is never freed: a type points into it."""
    buffer = ctypes.create_string_buffer(content, len(content) + 1)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(buffer))
    return ctypes.addressof(buffer)


def _make_type(address: dict[str, int]) -> type:
    def python(name: str) -> int:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0

    # C structs of the stable API: PyMemberDef (name, type, offset, flags, doc), PyGetSetDef,
    # PyType_Slot, PyType_Spec (name, basicsize, itemsize, flags, slots).
    offsets = {"vectorcall": "SELF_CALL", "dict": "SELF_DICT", "weaklist": "SELF_WEAK"}
    members = b"".join(
        struct.pack("@QiqiQ", _forever(f"__{name}offset__".encode()), 19, LAYOUT[field], 1, 0)
        for name, field in offsets.items()  # 19, 1: Py_ssize_t, read-only
    )
    get, put = python("PyObject_GenericGetDict"), python("PyObject_GenericSetDict")
    getset = struct.pack("@QQQQQ", _forever(b"__dict__"), get, put, 0, 0)
    slots = {
        50: python("PyVectorcall_Call"),  # tp_call
        51: address["jg_clear"],
        52: address["jg_dealloc"],
        54: address["jg_descr_get"],
        56: _forever(b"A compiled function; called on NumPy arrays and scalars."),  # tp_doc
        71: address["jg_traverse"],
        72: _forever(members + bytes(40)),
        73: _forever(getset + bytes(40)),
    }
    table = b"".join(struct.pack("@iQ", *item) for item in slots.items()) + bytes(16)
    # DISALLOW_INSTANTIATION, HAVE_VECTORCALL, HAVE_GC, METHOD_DESCRIPTOR (binds as functions do:
    # f.__get__(obj)(x) is f(obj, x)), HAVE_VERSION_TAG.
    flags = 1 << 7 | 1 << 11 | 1 << 14 | 1 << 17 | 1 << 18
    name = _forever(f"{__name__}.NativeFunction".encode())
    spec = struct.pack("@QiiIQ", name, LAYOUT["SELF_SIZE"], 0, flags, _forever(table))
    from_spec = ctypes.pythonapi.PyType_FromSpec
    from_spec.restype, from_spec.argtypes = ctypes.py_object, [ctypes.c_void_p]
    made = from_spec(_forever(spec))
    for method in METHODS:
        setattr(made, f"__{method.__name__[1:]}__", method)
    return made
