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
the arena's bytes. Null where nothing is symbolic; the static shapes and arena size serve then.

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
import types
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
    KIND_C64,
    KIND_C128,
    KIND_F32,
    KIND_F64,
    KIND_INT,
    LAYOUT,
)

NOGIL_ELEMENTS = 20_000
_NEVER = 2**63 - 1
_ALIGNED, _C_CONTIGUOUS = 0x100, 0x1

# What each dtype's rank-0 arguments can be read from, and how a Python number is stored for it.
_REAL = ACCEPT_FLOAT | ACCEPT_INT | ACCEPT_BOOL
_NUMBERS = {
    "d": (_REAL, KIND_F64),
    "f": (_REAL, KIND_F32),
    "D": (_REAL | ACCEPT_COMPLEX, KIND_C128),
    "F": (_REAL, KIND_C64),
    "e": (0, KIND_F64),
    "?": (ACCEPT_BOOL, KIND_INT),
}


class ArgSpec(NamedTuple):
    """One argument: an ndarray of ``dtype`` and of rank ``len(dims)``.

    A dim is a size that must match, or ``("sym", k)``: symbol k takes the first size it meets and
    is compared afterwards. Arrays must be C-contiguous unless ``strided``. ``accept``
    (ACCEPT_* bits) adds for rank 0: the NumPy scalar of the dtype, Python float, int (if it fits),
    bool, complex. Lists, other dtypes, subclasses and the like go to the slow callable.
    """

    name: str
    dtype: np.dtype
    dims: tuple[int | tuple[str, int], ...]
    strided: bool = False
    accept: int = ACCEPT_ARRAY


class OutSpec(NamedTuple):
    """One output: ``kind`` "array" (an ndarray, of rank 0 too) or "scalar" (a NumPy scalar).

    ``static_shape`` has sizes and symbols, as `ArgSpec.dims`; with None, and where there is a prep,
    prep tells.
    """

    dtype: np.dtype
    ndim: int
    kind: str = "array"
    static_shape: tuple[int | tuple[str, int], ...] | None = None


class CallSpec(NamedTuple):
    """How arguments are checked and results returned; see `make_native`.

    ``result``: "single", "tuple", "list" or "none". With ``nogil`` the GIL is released around the
    core when inputs and outputs together have more than 20,000 elements.
    """

    args: tuple[ArgSpec, ...]
    outputs: tuple[OutSpec, ...]
    n_syms: int = 0
    arena_static: int = 0
    result: str = "single"
    nogil: bool = False


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
    packed = _pack(spec, core, prep)
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
        _check(spec, prep)
        function._bound = (spec, core, prep, keepalive)
        return
    if type(function) is not native_type():
        raise TypeError(f"expected a NativeFunction, not {type(function).__name__}")
    packed = _pack(spec, core, prep)
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


# ---- packing a spec ----


def _check(spec: CallSpec | None, prep: int | None) -> None:
    if spec is None:
        return
    for arg in spec.args:
        numbers, _ = _number(arg.dtype)
        allowed = ACCEPT_ARRAY | (0 if arg.dims else ACCEPT_SCALAR | numbers)
        if arg.accept & ~allowed or not arg.accept:
            raise ValueError(f"argument {arg.name}: {arg.dtype} cannot accept {arg.accept:#x}")
        for dim in arg.dims:
            low, high = (dim, dim) if isinstance(dim, int) else (dim[1], dim[1] - spec.n_syms)
            if low < 0 or (not isinstance(dim, int) and high >= 0):
                raise ValueError(f"argument {arg.name}: bad dim {dim!r}")
    for out in spec.outputs:
        _number(out.dtype)
        if out.kind not in ("array", "scalar") or (out.kind == "scalar" and out.ndim):
            raise ValueError(f"an output of kind {out.kind!r} and rank {out.ndim}")
        if out.static_shape is None and out.ndim and not prep:
            raise ValueError("an output without a static shape needs prep")
        if out.static_shape is not None and len(out.static_shape) != out.ndim:
            raise ValueError(f"static shape {out.static_shape} for rank {out.ndim}")
        if any(_code(d) < -spec.n_syms for d in out.static_shape or ()):
            raise ValueError(f"static shape {out.static_shape} with {spec.n_syms} symbols")
    count = {"single": 1, "none": 0}.get(spec.result, len(spec.outputs))
    if spec.result not in entry.RESULTS or count != len(spec.outputs):
        raise ValueError(f"result {spec.result!r} of {len(spec.outputs)} outputs")


def _number(dtype: np.dtype) -> tuple[int, int]:
    """The Python numbers that ``dtype`` accepts and how they are stored."""
    if dtype.kind in "iu":
        found = (ACCEPT_INT | ACCEPT_BOOL, KIND_INT)
    else:
        found = _NUMBERS.get(dtype.char, (-1, 0))
    if found[0] < 0 or not dtype.isnative or dtype is not np.dtype(dtype.char):
        raise ValueError(f"no native calls with dtype {dtype!r}")
    return found


def accepts(dtype: np.dtype, rank: int) -> int:
    """The ACCEPT_* bits of all that an argument of ``dtype`` takes without loss: arrays and, at
    rank 0, NumPy scalars of the dtype and Python numbers."""
    return ACCEPT_ARRAY if rank else ACCEPT_ARRAY | ACCEPT_SCALAR | _number(dtype)[0]


def _code(dim: int | tuple[str, int]) -> int:
    """A size as it is, symbol k as ~k."""
    return dim if isinstance(dim, int) else ~dim[1]


def _range(dtype: np.dtype) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind not in "iu":
        return 0, 0
    info = np.iinfo(dtype)
    return int(info.min), min(int(info.max), _NEVER)


def _pack(spec: CallSpec | None, core: int, prep: int | None) -> Any:
    """The spec block as ctypes memory."""
    _check(spec, prep)
    if spec is None:
        return ctypes.create_string_buffer(struct.pack("=q", -1))
    n, m = len(spec.args), len(spec.outputs)
    ranks = sum(len(a.dims) for a in spec.args)
    shape_ints = sum(o.ndim for o in spec.outputs)
    # Scratch of a call, in bytes from its start.
    outdata = 8 * n
    outobj = outdata + 8 * m
    dims = outobj + 8 * m
    strides = dims + 8 * spec.n_syms
    shapes = strides + 8 * sum(len(a.dims) for a in spec.args if a.strided)
    slot = (shapes + 8 * shape_ints + 15) // 16 * 16
    # The block: header, argument records, output records, dim codes, static shapes.
    at_args = LAYOUT["S_SIZE"]
    at_outs = at_args + n * LAYOUT["A_SIZE"]
    at_codes = at_outs + m * LAYOUT["O_SIZE"]
    at_static = at_codes + 8 * ranks
    block = ctypes.create_string_buffer(at_static + 8 * shape_ints + 8)
    base = ctypes.addressof(block)
    seen: set[int] = set()
    for i, arg in enumerate(spec.args):
        kind = _number(arg.dtype)[1]
        low, high = _range(arg.dtype)
        mask = _ALIGNED | (0 if arg.strided else _C_CONTIGUOUS)
        record: tuple[int, ...] = (id(arg.dtype), id(arg.dtype.type), len(arg.dims))
        record += (arg.accept, mask, arg.strided, base + at_codes)
        record += (arg.dtype.num, kind, slot, low, high)
        struct.pack_into("=QQiiiiQiiqqq", block, at_args + i * LAYOUT["A_SIZE"], *record)
        for dim in arg.dims:
            if not isinstance(dim, int):
                later = dim[1] in seen
                seen.add(dim[1])
                dim = ~(2 * dim[1] + later)
            struct.pack_into("=q", block, at_codes, dim)
            at_codes += 8
        slot += 0 if arg.dims else 16
    offset, late, symbolic = 0, False, False
    for i, out in enumerate(spec.outputs):
        scalar_type, alloc = 0, 0
        if out.kind == "scalar":
            scalar: Any = out.dtype.type
            scalar_type = id(scalar)
            # np.bool has two immutable objects, so its scalars are chosen after the core.
            alloc = 0 if out.dtype.kind == "b" else _allocator(scalar)
            late = late or not alloc
        record = (id(out.dtype), scalar_type, out.ndim, 0, offset, alloc, slot)
        struct.pack_into("=QQiiqQq", block, at_outs + i * LAYOUT["O_SIZE"], *record)
        codes = [_code(d) for d in out.static_shape or (0,) * out.ndim]
        symbolic = symbolic or any(c < 0 for c in codes)
        struct.pack_into(f"={out.ndim}q", block, at_static + offset, *codes)
        offset += 8 * out.ndim
        slot += 16
    struct.pack_into("=q", block, at_static + offset, -_NEVER - 1)
    if symbolic and not prep:
        prep = _support().shapes
    header: tuple[int, ...] = (n, m, core, prep or 0, spec.arena_static)
    header += (entry.RESULTS.index(spec.result),)
    header += (NOGIL_ELEMENTS if spec.nogil else _NEVER, slot, outdata, outobj, dims, strides)
    header += (shapes, base + at_static, base + at_args, base + at_outs, late)
    struct.pack_into("=17q", block, 0, *header)
    return block


@functools.cache
def _allocator(scalar_type: Any) -> int:
    get = ctypes.pythonapi.PyType_GetSlot
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    return get(scalar_type, 47) or 0  # Py_tp_alloc


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
    for method in (_repr, _copy, _deepcopy):
        setattr(made, f"__{method.__name__[1:]}__", method)
    return made


def _repr(self: Any) -> str:
    return f"<compiled function {self.__qualname__}>"


def _copy(self: Any) -> Any:
    return self


def _deepcopy(self: Any, memo: dict) -> Any:
    return self


# ---- the stand-in ----


class PythonFunction:
    """A `NativeFunction` in Python, for interpreters whose layouts are unknown; ~10 µs a call."""

    def __init__(
        self,
        spec: CallSpec | None,
        core: int,
        prep: int | None,
        slow: Callable[..., Any],
        on_error: Callable[..., Any],
        keepalive: object,
        name: str,
        doc: str | None,
    ) -> None:
        _check(spec, prep)
        self._bound = (spec, core, prep, keepalive)
        self._slow, self._on_error = slow, on_error
        self.__name__ = self.__qualname__ = name
        self.__doc__ = doc

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        return self if obj is None else types.MethodType(self, obj)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        spec, core, prep, _keep = self._bound
        if spec is None or kwargs or len(args) != len(spec.args):
            return self._slow(*args, **kwargs)
        syms: dict[int, int] = {}
        arrays = [_as_input(a, arg, syms) for a, arg in zip(args, spec.args)]
        if any(a is None for a in arrays):
            return self._slow(*args, **kwargs)
        values = [syms.get(k, 0) for k in range(spec.n_syms)]
        for given, arg in zip(arrays, spec.args):
            values += given.strides if arg.strided else ()
        ctx, dims = (ctypes.c_int64 * 4)(), (ctypes.c_int64 * (len(values) + 1))(*values)
        arena = ctypes.c_int64(spec.arena_static)
        known = [d for o in spec.outputs for d in o.static_shape or (0,) * o.ndim]
        shape = (ctypes.c_int64 * (len(known) + 1))(
            *[d if isinstance(d, int) else syms[d[1]] for d in known]
        )
        function = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * (4 if prep else 5))
        if prep:
            status = function(prep)(ctx, dims, shape, ctypes.addressof(arena))
            if status:
                return self._on_error(status, *ctx, args)
        sizes = iter(shape)
        outs = [np.empty([next(sizes) for _ in range(o.ndim)], o.dtype) for o in spec.outputs]
        scratch = np.empty(arena.value + 64, np.uint8)
        at = scratch.ctypes.data
        run = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)(core)
        pointers = [
            (ctypes.c_void_p * (len(group) + 1))(*(a.ctypes.data for a in group))
            for group in (arrays, outs)
        ]
        status = run(ctx, *pointers, dims, at + -at % 64)
        if status:
            return self._on_error(status, *ctx, args)
        results = [o[()] if s.kind == "scalar" else o for o, s in zip(outs, spec.outputs)]
        if spec.result == "single":
            return results[0]
        if spec.result == "none":
            return None
        return tuple(results) if spec.result == "tuple" else results


def _as_input(value: Any, arg: ArgSpec, syms: dict[int, int]) -> Any:
    """The array to read argument ``arg`` from, or None if the call is one for the slow path."""
    kind, accept = type(value), arg.accept
    if kind is np.ndarray:
        flags = value.flags
        if not accept & ACCEPT_ARRAY or value.dtype != arg.dtype or value.ndim != len(arg.dims):
            return None
        if not flags.aligned or not (arg.strided or flags.c_contiguous):
            return None
        for size, dim in zip(value.shape, arg.dims):
            if size != (dim if isinstance(dim, int) else syms.setdefault(dim[1], size)):
                return None
        return value
    if kind is arg.dtype.type and accept & ACCEPT_SCALAR:
        return np.asarray(value)
    bit = {float: ACCEPT_FLOAT, int: ACCEPT_INT, bool: ACCEPT_BOOL, complex: ACCEPT_COMPLEX}
    if not accept & bit.get(kind, 0):
        return None
    if kind in (int, bool):
        low, high = (-_NEVER - 1, _NEVER) if arg.dtype.kind in "fc" else _range(arg.dtype)
        if not low <= value <= high:
            return None
    with np.errstate(over="ignore"):
        made = np.array(value, arg.dtype)
    finite = not isinstance(value, float) or np.isfinite(value)
    return made if np.isfinite(made) or not finite or kind is complex else None


for _method in (_repr, _copy, _deepcopy):
    setattr(PythonFunction, f"__{_method.__name__[1:]}__", _method)
