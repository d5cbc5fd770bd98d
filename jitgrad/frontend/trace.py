"""Tracers, which stand for arrays and numbers while a function is traced, and symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TraceError, at
from ..ir.core import Value
from ..ir.dims import Dim, DimLike, evaluate
from ..ir.types import BOOL, I64
from .root import COMPARE, FUNCTIONS, Escape, Root, activate, current, state
from .source import here

ARRAY, SCALAR, WEAK = 0, 1, 2  # forms: an ndarray, a NumPy scalar, a Python number


def leaked() -> TraceError:
    return TraceError(at(
        "a traced value outlived the function it was traced in (stored in a global, a closure or "
        "an object); return it from the function instead", here()))  # fmt: skip


class Size:
    """A symbolic size as `x.shape` gives it: arithmetic stays symbolic, a comparison is guarded.

    Where C code needs a true integer (`range(n)`), the observed size is used, guarded.
    """

    __slots__ = ("dim", "root")

    def __init__(self, dim: Dim, root: Root) -> None:
        self.dim = dim
        self.root = root

    def __index__(self) -> int:
        n = evaluate(self.dim, self.root.env)
        self.root.compare(self.dim, "eq", n, f"the size {self.dim} used as a number")
        return n

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __bool__(self) -> bool:
        return self.root.compare(self.dim, "ne", 0)

    def __hash__(self) -> int:
        return hash(self.dim)

    def __repr__(self) -> str:
        return str(self.dim)

    def __format__(self, spec: str) -> str:
        return format(self.__index__(), spec) if spec else str(self.dim)


def size_of(d: DimLike, root: Root) -> Any:
    """A dim as users see it: an int, or a `Size`."""
    return Size(d, root) if isinstance(d, Dim) else d


def dim_of(n: Any) -> DimLike:
    """A size from a user: a `Size`, or anything with `__index__`."""
    if n.__class__ is int:
        return n
    return n.dim if n.__class__ is Size else n.__index__()


def _size_arithmetic() -> None:
    import operator as o

    def arith(name: str, fn: Callable, swapped: bool) -> Callable:
        def method(self: Size, other: Any) -> Any:
            if other.__class__ is Size:
                d: DimLike = other.dim
            elif isinstance(other, (int, np.integer)) and not isinstance(other, bool):
                d = int(other)
            else:
                if name == "pow" or (
                    other.__class__ is not Tracer
                    and not isinstance(other, (float, np.ndarray, np.generic))
                ):
                    return NotImplemented
                x = as_number(self)
                return fn(other, x) if swapped else fn(x, other)
            return size_of(fn(d, self.dim) if swapped else fn(self.dim, d), self.root)

        return method

    for name in ("add", "sub", "mul", "floordiv", "mod"):
        setattr(Size, f"__{name}__", arith(name, getattr(o, name), False))
        setattr(Size, f"__r{name}__", arith(name, getattr(o, name), True))

    def via_number(name: str) -> Callable:
        def method(self: Size, *args: Any) -> Any:
            return getattr(as_number(self), name)(*args)

        return method

    for name in ("truediv", "rtruediv", "pow", "rpow"):
        setattr(Size, f"__{name}__", via_number(f"__{name}__"))
    setattr(Size, "__neg__", lambda self: size_of(-1 * self.dim, self.root))  # noqa: B010
    for cmp in COMPARE:

        def compare(self: Size, other: Any, cmp: str = cmp) -> Any:
            if other.__class__ is Size or isinstance(other, (int, np.integer)):
                return self.root.compare(self.dim, cmp, dim_of(other))
            if isinstance(other, (float, np.floating)):
                return COMPARE[cmp](float(self), other)
            return NotImplemented

        setattr(Size, f"__{cmp}__", compare)


_size_arithmetic()


class Tracer:
    """A traced array, NumPy scalar (form SCALAR) or Python number (WEAK).

    mask has a bit for each differentiated or batched argument it depends on.
    """

    if TYPE_CHECKING:  # what protocol installs

        def __getattr__(self, name: str) -> Any: ...

        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __mod__: Any
        __pow__: Any
        __and__: Any
        __or__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __neg__: Any
        __invert__: Any
        __abs__: Any

    __slots__ = ("__weakref__", "form", "mask", "root", "value")
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Value, root: Root, form: int, mask: int) -> None:
        self.value = value
        self.root = root
        self.form = form
        self.mask = mask

    @property
    def shape(self) -> tuple[Any, ...]:
        shape = self.value.type.shape
        for d in shape:
            if d.__class__ is Dim:
                return tuple([size_of(d, self.root) for d in shape])
        return shape

    @property
    def dtype(self) -> np.dtype:
        return self.value.type.dtype.np

    @property
    def ndim(self) -> int:
        return len(self.value.type.shape)

    @property
    def size(self) -> Any:
        return size_of(self.value.type.size, self.root)

    @property
    def itemsize(self) -> int:
        return self.value.type.dtype.np.itemsize

    def concrete(self) -> Any:
        """The array it stands for in this call, or None; no guard, no derivative."""
        return self.root.value(self.value)

    # -- to Python ---------------------------------------------------------------------------------

    def _scalar(self, what: str) -> Value:
        v, root = self.value, self.root
        if not root.open:
            raise leaked()
        root.b.loc = here()
        if v.type.shape:
            for d in v.type.shape:
                if not root.compare(d, "eq", 1, what):
                    raise _ambiguous(what, root.sizes(v.type.shape))
            v = root.b.reshape(v, ())
        return v

    def __bool__(self) -> bool:
        v, root = self._scalar("the truth of an array"), self.root
        if v.type.dtype is not BOOL:
            v = root.b("ne", v, root.const(0, v.type))
        return root.decide(v, "a branch on a traced value")

    def __int__(self) -> int:
        v, root = self._scalar("int()"), self.root
        got = root.value(v)
        if got is None:
            root.decide(v, "int() of a traced value")
        n = int(got)
        if root.kind == "jit":
            if v.type.dtype is not I64:
                v = root.b.cast(v, I64)
            root.decide(root.b("eq", v, root.const(n, v.type)), f"int() of a traced value, {n},")
        return n

    def __index__(self) -> int:
        if self.value.type.dtype.kind not in "iu" or self.value.type.shape:
            raise TypeError(
                at("only integer scalar arrays can be converted to a scalar index", here())
            )
        return self.__int__()

    def escape(self, what: str) -> Any:
        """The value, leaving the trace for good: refused where a derivative would be lost."""
        if not self.root.open:
            raise leaked()
        if self.mask or self.root.kind == "abstract":
            raise TraceError(at(
                f"{what} would take a differentiated or batched value out of the trace, and its "
                f"gradient with it; {_FIXES.get(what, 'use the functions of jitgrad.numpy')}, or "
                "jitgrad.stop_gradient(x) where no gradient is meant", here()))  # fmt: skip
        if self.root.kind == "jit":
            raise Escape(at(f"{what} of a traced value in a jitted function", here()))
        got = self.concrete()
        if got is None:
            raise TraceError(at(f"{what}: the traced value has no number here", here()))
        return got

    def __float__(self) -> float:
        self._scalar("float()")
        return float(self.escape("float()").reshape(()))

    def __complex__(self) -> complex:
        return complex(self.escape("complex()"))

    def item(self, *index: int) -> Any:
        if self.value.type.dtype.kind in "iub" and not index:
            return bool(self) if self.value.type.dtype is BOOL else int(self)
        return self.escape(".item()").item(*index)

    def tolist(self) -> Any:
        return self.escape(".tolist()").tolist()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.escape("conversion to a NumPy array"), dtype)

    def __len__(self) -> int:
        if not self.value.type.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0].__index__()

    def __iter__(self) -> Iterator[Any]:
        if not self.value.type.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> None:
        fix = "x = x.at[index].set(value), or jitgrad.numpy.where(mask, value, x)"
        text = f"x[...] = value cannot change a traced array in place; build a new one: {fix}"
        raise TraceError(at(text, here()))

    def _show(self) -> Any:
        got = self.concrete() if self.root.kind == "eager" else None
        return None if got is None else got[()] if self.form else got

    def __repr__(self) -> str:
        got = self._show()
        return f"Traced<{self.value.type}>" if got is None else f"Traced<{got!r}>"

    def __str__(self) -> str:
        got = self._show()
        return repr(self) if got is None else str(got)

    def __format__(self, spec: str) -> str:
        got = self._show()
        return repr(self) if got is None else format(got[()] if got.ndim == 0 else got, spec)

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS["getitem"](self, index)

    def __deepcopy__(self, memo: dict) -> Tracer:
        return self


_FIXES = {
    "float()": "use x as it is, functions of jitgrad.numpy instead of math, and build arrays from "
        "lists instead of assigning into a NumPy array",
    ".item()": "use x as it is",
    "conversion to a NumPy array":
        "use jitgrad.numpy (np.stack, np.array, np.where) instead of numpy or math, and build "
        "arrays from lists instead of assigning into a NumPy array; to index a NumPy array by it, "
        "use jitgrad.numpy.take(array, i)",
}  # fmt: skip


def _ambiguous(what: str, shape: tuple[int, ...]) -> Exception:
    if what == "the truth of an array":
        return ValueError(at("The truth value of an array with more than one element is ambiguous. "
                             f"Use a.any() or a.all() (shape {shape})", here()))  # fmt: skip
    return TypeError(at(f"only length-1 arrays can be converted by {what}; shape {shape}", here()))


def wrap(root: Root, v: Value, mask: int, form: int) -> Tracer:
    """A tracer for `v`; outside jit it is computed at once."""
    if root.kind == "eager" and v not in root.known:
        root.value(v)
    return Tracer(v, root, form, mask if v.type.dtype.kind in "fc" else 0)


def as_number(n: Size) -> Tracer:
    """A symbolic size as a traced Python int."""
    root = n.root
    root.b.loc = here()
    return wrap(root, root.number(n.dim), 0, WEAK)


__all__ = ["ARRAY", "FUNCTIONS", "SCALAR", "WEAK", "Escape", "Root", "Size", "Tracer", "activate",
           "as_number", "current", "dim_of", "leaked", "size_of", "state", "wrap"]  # fmt: skip
