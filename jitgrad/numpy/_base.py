"""What the namespace is made of: functions that go to NumPy outside traces, to IR inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..frontend.ops import find_root, is_traced, lift
from ..frontend.protocol import call_ufunc, implements, missing
from ..frontend.source import here
from ..frontend.trace import FUNCTIONS, Root, Tracer, state
from ..frontend.ufuncs import UFUNCS
from ..ir.dims import DimLike

NAMES: dict[str, Any] = {}  # the public names, filled by the modules of this package


def use_trace(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether a call belongs to the trace in progress: a tracer is among its arguments, or, under
    jit, an array, which is read again at each call."""
    root = state.root
    if root is None:
        return False
    if is_traced(*args) or (kwargs and is_traced(*kwargs.values())):
        return True
    return root.kind == "jit" and any(a.__class__ is np.ndarray for a in args)


class Ufunc:
    """A ufunc of the namespace: NumPy's outside traces (`reduce`, `outer` … too), ops inside."""

    def __init__(self, fn: np.ufunc) -> None:
        self._fn = fn
        update_wrapper(self, fn, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if use_trace(args, kwargs):
            return call_ufunc(self._fn, args, kwargs)
        return self._fn(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fn, name)

    def __repr__(self) -> str:
        return f"<function jitgrad.numpy.{self._fn.__name__}>"

    def __reduce__(self) -> str:
        return self._fn.__name__


def public(*fns: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter an implementation for NumPy's function(s), and their names into the namespace."""

    def enter(impl: Callable[..., Any]) -> Callable[..., Any]:
        implements(*fns)(impl)
        for fn in fns:
            NAMES[fn.__name__] = dispatch(fn, impl)
        return impl

    return enter


def dispatch(fn: Any, impl: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if use_trace(args, kwargs):
            return impl(*args, **kwargs)
        return fn(*args, **kwargs)

    update_wrapper(function, fn, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    return function


def unsupported(fn: Any) -> Callable[..., Any]:
    """A function of NumPy that traces do not know: as it is outside, an error inside."""

    def function(*args: Any, **kwargs: Any) -> Any:
        if state.root is not None and (is_traced(*args) or is_traced(*kwargs.values())):
            raise missing(fn.__name__)
        return fn(*args, **kwargs)

    update_wrapper(function, fn, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    return function


def one(x: Any, *others: Any) -> tuple[Root, Tracer]:
    """The trace and the first argument as a tracer."""
    root = find_root((x, *others))
    return root, lift(x, root)


def no_out(name: str, out: Any) -> None:
    """`out=` cannot be written in a trace."""
    if out is not None:
        raise TraceError(at(f"{name}(out=…) cannot write into an array in a trace; use its result",
                            here()))  # fmt: skip


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes of a reduction, normalized and sorted; None is all of them. A number has, as in NumPy,
    an axis 0 to reduce over, though it has none."""
    if axis is None or (not rank and axis.__class__ is int and axis in (0, -1)):
        return tuple(range(rank))
    if axis.__class__ is Tracer:
        axis = int(axis)
    try:
        return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, rank)))
    except (np.exceptions.AxisError, ValueError) as err:
        raise err.__class__(at(str(err), here())) from None


def axis_of(axis: Any, rank: int) -> int:
    """One axis, normalized."""
    if axis.__class__ is Tracer:
        axis = int(axis)
    return axes_of(axis, rank)[0] if rank else _no_axis(axis)


def _no_axis(axis: Any) -> int:
    text = f"axis {axis} is out of bounds for array of dimension 0"
    raise np.exceptions.AxisError(at(text, here()))


def without(shape: tuple[DimLike, ...], axes: tuple[int, ...], keep: bool) -> tuple[DimLike, ...]:
    """A shape after a reduction."""
    if keep:
        return tuple([1 if i in axes else d for i, d in enumerate(shape)])
    return tuple([d for i, d in enumerate(shape) if i not in axes])


for _fn in UFUNCS:
    NAMES[_fn.__name__] = Ufunc(_fn)
    FUNCTIONS[_fn.__name__] = NAMES[_fn.__name__]
for _alias, _name in {"abs": "absolute", "divide": "true_divide", "mod": "remainder",
                      "conj": "conjugate", "bitwise_not": "invert", "pow": "power",
                      "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
                      "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
                      "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
                      "bitwise_right_shift": "right_shift"}.items():  # fmt: skip
    _ufn = getattr(np, _name)
    if _ufn in UFUNCS:
        NAMES[_alias] = NAMES[_ufn.__name__]
NAMES["true_divide"] = NAMES["divide"]
NAMES["abs"] = NAMES["absolute"]

__all__ = ["FUNCTIONS", "NAMES", "Ufunc", "axes_of", "axis_of", "dispatch", "implements", "no_out",
           "one", "public", "unsupported", "use_trace", "without"]  # fmt: skip
