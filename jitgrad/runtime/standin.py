"""A native callable in Python, for interpreters and NumPys whose memory layout is unknown."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.llvm.entry import (
    ACCEPT_ARRAY,
    ACCEPT_BOOL,
    ACCEPT_COMPLEX,
    ACCEPT_FLOAT,
    ACCEPT_INT,
    ACCEPT_SCALAR,
)

from .spec import NEVER, ArgSpec, CallSpec, check, int_range


def _repr(self: Any) -> str:
    return f"<compiled function {self.__qualname__}>"


def _owned(self: Any) -> Any:
    """What gives a function its look-ups, copies and pickles: its attribute `_owner`."""
    return self.__dict__.get("_owner")


def _copy(self: Any) -> Any:
    owner = _owned(self)
    return self if owner is None else owner.copy()


def _deepcopy(self: Any, memo: dict) -> Any:
    owner = _owned(self)
    return self if owner is None else owner.deepcopy(memo)


def _reduce(self: Any) -> Any:
    owner = _owned(self)
    if owner is not None:
        return owner.reduce()
    fun = self.__dict__.get("__wrapped__")
    if fun is None:
        raise TypeError(f"cannot pickle the compiled function {self.__name__}")
    return fun.__qualname__  # a name to import, as functions are pickled


def _lookup(self: Any) -> Any:
    owner = _owned(self)
    if owner is None:
        raise TypeError(f"the compiled function {self.__name__} has no values to look up by name")
    return owner.values


def _getitem(self: Any, key: Any) -> Any:
    return _lookup(self)[key]


def _setitem(self: Any, key: Any, value: Any) -> None:
    _lookup(self)[key] = value


def _contains(self: Any, key: Any) -> bool:
    return key in _lookup(self)


METHODS = (_repr, _copy, _deepcopy, _reduce, _getitem, _setitem, _contains)


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
        check(spec, prep)
        self._bound = (spec, core, prep, keepalive)
        self._slow, self._on_error = slow, on_error
        self.__name__ = self.__qualname__ = name
        self.__doc__ = doc

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        return self if obj is None else types.MethodType(self, obj)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
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
        low, high = (-NEVER - 1, NEVER) if arg.dtype.kind in "fc" else int_range(arg.dtype)
        if not low <= value <= high:
            return None
    with np.errstate(over="ignore"):
        made = np.array(value, arg.dtype)
    finite = not isinstance(value, float) or np.isfinite(value)
    return made if np.isfinite(made) or not finite or kind is complex else None


for _method in METHODS:
    setattr(PythonFunction, f"__{_method.__name__[1:]}__", _method)
