"""How a compiled function reads arguments and gives results: specs, their checks, their packing."""

from __future__ import annotations

import ctypes
import functools
import struct
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
NEVER = 2**63 - 1
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


def check(spec: CallSpec | None, prep: int | None) -> None:
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


def int_range(dtype: np.dtype) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind not in "iu":
        return 0, 0
    info = np.iinfo(dtype)
    return int(info.min), min(int(info.max), NEVER)


def pack(spec: CallSpec | None, core: int, prep: int | None, shape_prep: int) -> Any:
    """The spec block as ctypes memory; `shape_prep` is the prep for shapes of plain symbols."""
    check(spec, prep)
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
        low, high = int_range(arg.dtype)
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
    struct.pack_into("=q", block, at_static + offset, -NEVER - 1)
    if symbolic and not prep:
        prep = shape_prep
    header: tuple[int, ...] = (n, m, core, prep or 0, spec.arena_static)
    header += (entry.RESULTS.index(spec.result),)
    header += (NOGIL_ELEMENTS if spec.nogil else NEVER, slot, outdata, outobj, dims, strides)
    header += (shapes, base + at_static, base + at_args, base + at_outs, late)
    struct.pack_into("=17q", block, 0, *header)
    return block


@functools.cache
def _allocator(scalar_type: Any) -> int:
    get = ctypes.pythonapi.PyType_GetSlot
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    return get(scalar_type, 47) or 0  # Py_tp_alloc
