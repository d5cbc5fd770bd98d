"""NumPy's protocols on tracers: operators, `__array_ufunc__`, `__array_function__`, methods.

`FUNCTIONS` (by name) and `BY_NUMPY` (by NumPy's own function) hold the implementations, which
`jitgrad.numpy` enters; what is not there ends in an error that names the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import TraceError, at
from ..ir.dims import DimLike
from ..ir.ops import TABLE
from ..ir.ops.base import OpDef
from ..ir.types import TensorType
from . import indexing, updates  # noqa: F401  (they fill FUNCTIONS)
from .ops import cast, find_root, lift
from .source import here
from .trace import ARRAY, FUNCTIONS, SCALAR, WEAK, Size, Tracer, leaked, wrap
from .ufuncs import UFUNCS

BY_NUMPY: dict[Any, Callable[..., Any]] = {}
METHODS: dict[tuple[str, str], Callable[..., Any]] = {}  # ("add", "reduce") -> sum


def implements(*fns: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the implementation of a NumPy function on tracers."""

    def enter(impl: Callable[..., Any]) -> Callable[..., Any]:
        for fn in fns:
            BY_NUMPY[fn] = impl
            FUNCTIONS[fn.__name__] = impl
        return impl

    return enter


def missing(name: str) -> TraceError:
    """The error for a function that traces do not know."""
    return TraceError(at(
        f"numpy.{name} of a traced array is not supported; compute it outside the traced function "
        "or with other functions of jitgrad.numpy", here()))  # fmt: skip


def array_function(self: Tracer, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    impl = BY_NUMPY.get(func)
    if impl is None:
        raise missing(
            f"{func.__module__.removeprefix('numpy').lstrip('.')}.{func.__name__}".lstrip(".")
        )
    return impl(*args, **kwargs)


def array_ufunc(self: Tracer, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if method == "__call__":
        return call_ufunc(ufunc, inputs, kwargs)
    impl = METHODS.get((ufunc.__name__, method))
    if impl is None:
        raise missing(f"{ufunc.__name__}.{method}")
    return impl(*inputs, **kwargs)


def call_ufunc(ufunc: np.ufunc, inputs: tuple, kwargs: dict[str, Any]) -> Any:
    """A ufunc call on tracers, with `dtype`, `where` and (None only) `out`."""
    found = UFUNCS.get(ufunc)
    if found is None:
        special = BY_NUMPY.get(ufunc)
        if special is None:
            raise missing(ufunc.__name__)
        return special(*inputs, **kwargs)
    if not kwargs:
        return found(*inputs)
    out = kwargs.pop("out", None)
    if isinstance(out, tuple):
        out = next((o for o in out if o is not None), None)
    if out is not None:
        raise TraceError(at(f"{ufunc.__name__}(out=…) cannot write into an array in a trace; "
                            "use its result", here()))  # fmt: skip
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    if kwargs:
        raise TypeError(f"{ufunc.__name__}() got an unexpected keyword {next(iter(kwargs))!r}")
    result = found.apply(find_root(inputs), inputs, False, dtype)
    if where is True:
        return result
    raise TraceError(at(f"{ufunc.__name__}(where=…) without out= leaves elements undefined; "
                        "use jitgrad.numpy.where", here()))  # fmt: skip


# -- operators ------------------------------------------------------------------------------------

_NUMBERS = (int, float, bool, complex)


def _accepts(other: Any) -> bool:
    return isinstance(other, (Tracer, Size, np.ndarray, np.generic, list, tuple, *_NUMBERS)) or (
        hasattr(other, "__array__") and not hasattr(other, "__array_ufunc__")
    )


def _binary(fn: np.ufunc, row: OpDef | None, swapped: bool) -> Callable[[Tracer, Any], Any]:
    """An operator. Two arrays of one type, or a float and a number, take the short way."""
    general = UFUNCS[fn]

    def method(self: Tracer, other: Any) -> Any:
        value, root = self.value, self.root
        type_ = value.type
        if type_.dtype.kind == "f" and row is not None:
            if other.__class__ is Tracer:
                v = other.value
                same = v.type is type_ and self.form == other.form and other.root is root
                mask = self.mask | other.mask
            elif other.__class__ is float or other.__class__ is int:
                same, mask = True, self.mask
            else:
                same = False
            if same:
                if not root.open:
                    raise leaked()
                root.b.loc = here()
                if other.__class__ is not Tracer:
                    v = root.const(other, type_)
                pair = (v, value) if swapped else (value, v)
                form = ARRAY if type_.shape else self.form or SCALAR
                return wrap(root, root.b.make(row, pair).results[0], mask, form)
        if not _accepts(other):
            if isinstance(other, (str, bytes)) and fn not in (np.equal, np.not_equal):
                raise TypeError(at(f"{fn.__name__} of a traced array and {other!r:.60}; a string "
                                   "can choose between branches, as an argument of jit, too, but "
                                   "is no number", here()))  # fmt: skip
            return NotImplemented
        args = (other, self) if swapped else (self, other)
        return general.apply(find_root(args), args, True)

    return method


def _power(self: Tracer, other: Any, mod: Any = None) -> Any:
    if not _accepts(other):
        return NotImplemented
    # NumPy's own short cuts for Python exponents
    if self.value.type.dtype.kind == "f" and other.__class__ in (int, float):
        if other == 2:
            return self * self
        if other == 0.5 and self.form != WEAK:
            return UFUNCS[np.sqrt].apply(find_root((self,)), (self,), True)
        if other == 1:
            return self
    if self.form == WEAK and other.__class__ is int and other < 0:
        other = float(other)
    return UFUNCS[np.power].apply(find_root((self, other)), (self, other), True)


def _rpower(self: Tracer, other: Any) -> Any:
    if not _accepts(other):
        return NotImplemented
    return UFUNCS[np.power].apply(find_root((self, other)), (other, self), True)


def _unary(fn: np.ufunc) -> Callable[[Tracer], Any]:
    general = UFUNCS[fn]

    def method(self: Tracer) -> Any:
        return general.apply(find_root((self,)), (self,), True)

    return method


def _matmul(self: Tracer, other: Any) -> Any:
    return FUNCTIONS["matmul"](self, other) if _accepts(other) else NotImplemented


def _rmatmul(self: Tracer, other: Any) -> Any:
    return FUNCTIONS["matmul"](other, self) if _accepts(other) else NotImplemented


def _install_operators() -> None:
    arithmetic: dict[str, tuple[np.ufunc, str]]
    arithmetic = {"add": (np.add, "add"), "sub": (np.subtract, "sub"), "mul": (np.multiply, "mul"),
                  "truediv": (np.true_divide, "div"), "floordiv": (np.floor_divide, ""),
                  "mod": (np.remainder, ""), "divmod": (np.divmod, ""),
                  "lshift": (np.left_shift, ""), "rshift": (np.right_shift, ""),
                  "and": (np.bitwise_and, ""), "or": (np.bitwise_or, ""),
                  "xor": (np.bitwise_xor, "")}  # fmt: skip
    for name, (fn, op) in arithmetic.items():
        row = TABLE[op] if op else None
        setattr(Tracer, f"__{name}__", _binary(fn, row, False))
        setattr(Tracer, f"__r{name}__", _binary(fn, row, True))
    compare: dict[str, np.ufunc]
    compare = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
               "gt": np.greater, "ge": np.greater_equal}  # fmt: skip
    for name, fn in compare.items():
        setattr(Tracer, f"__{name}__", _binary(fn, None, False))
    unary: dict[str, np.ufunc] = {
        "neg": np.negative,
        "pos": np.positive,
        "abs": np.absolute,
        "invert": np.invert,
    }
    for name, one in unary.items():
        setattr(Tracer, f"__{name}__", _unary(one))
    for name, method in {
        "pow": _power, "rpow": _rpower, "matmul": _matmul, "rmatmul": _rmatmul,
        "array_ufunc": array_ufunc,
        "array_function": array_function,
    }.items():  # fmt: skip
        setattr(Tracer, f"__{name}__", method)


# -- methods --------------------------------------------------------------------------------------


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[name](self, *args, **kwargs)

    method.__name__ = name
    return method


def _shape_method(name: str, key: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not isinstance(args[0], (int, np.integer, Size)):
            return FUNCTIONS[name](self, args[0], **kwargs)
        return FUNCTIONS[name](self, args, **kwargs) if args else FUNCTIONS[name](self, **kwargs)

    method.__name__ = key
    return method


def _astype(self: Tracer, dtype: Any, *args: Any, **kwargs: Any) -> Tracer:
    return cast(self, dtype)


def _copy(self: Tracer, order: str = "C") -> Tracer:
    return self


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> None:
        raise TraceError(at(f"x.{name}() cannot change a traced array in place; use "
                            f"x = jitgrad.numpy.{name}(x)", here()))  # fmt: skip

    method.__name__ = name
    return method


def _fill(self: Tracer, value: Any) -> None:
    raise TraceError(at("x.fill(value) cannot change a traced array in place; use "
                        "x = jitgrad.numpy.full_like(x, value)", here()))  # fmt: skip


def _wait(self: Tracer) -> Tracer:
    return self


def _install_methods() -> None:
    for name in ("sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "any",
                 "all", "cumsum", "cumprod", "ravel", "swapaxes", "squeeze", "repeat", "take",
                 "dot", "trace", "diagonal", "clip", "round", "nonzero", "argsort",
                 "argpartition", "searchsorted", "ptp"):  # fmt: skip
        setattr(Tracer, name, _delegate(name))
    setattr(Tracer, "flatten", _delegate("ravel"))  # noqa: B010
    setattr(Tracer, "conj", _delegate("conjugate"))  # noqa: B010
    setattr(Tracer, "__round__", lambda self, n=0: FUNCTIONS["round"](self, n or 0))  # noqa: B010
    setattr(Tracer, "reshape", _shape_method("reshape", "reshape"))  # noqa: B010
    setattr(Tracer, "transpose", _shape_method("transpose", "transpose"))  # noqa: B010
    methods = {"astype": _astype, "copy": _copy, "fill": _fill, "sort": _in_place("sort"),
               "partition": _in_place("partition"), "__copy__": _copy,
               "block_until_ready": _wait, "__contains__": _contains}  # fmt: skip
    for name, method in methods.items():
        setattr(Tracer, name, method)
    for name, get in {
        "T": lambda self: FUNCTIONS["transpose"](self),
        "mT": lambda self: FUNCTIONS["swapaxes"](self, -1, -2),
        "real": lambda self: self,
        "imag": lambda self: FUNCTIONS["zeros_like"](self),
        "flat": lambda self: FUNCTIONS["ravel"](self),
        "at": lambda self: FUNCTIONS["at"](self),
        "nbytes": lambda self: self.size * self.itemsize,
    }.items():
        setattr(Tracer, name, property(get))


def _contains(self: Tracer, item: Any) -> bool:
    return bool(FUNCTIONS["any"](self == item))


_install_operators()
_install_methods()

__all__ = ["ARRAY", "BY_NUMPY", "DimLike", "METHODS", "TensorType", "call_ufunc", "implements",
           "lift", "missing"]  # fmt: skip
