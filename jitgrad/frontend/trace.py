"""Tracers and the trace they belong to: what a Python function runs on to become IR.

A `Root` is one trace in progress, one at a time in a thread; grad, jvp and vmap nest inside it.
A `Tracer` stands for an array, a NumPy scalar or a Python number. Outside `jit` (kind "eager") every
operation is computed as it is recorded; under `jit` values are computed on demand, to answer a
branch; what depends on a batched value or an abstract argument has no value at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import JitgradError, Loc, TraceError, at
from ..ir.build import Builder
from ..ir.core import Op, Value
from ..ir.dims import Dim, DimLike, evaluate
from ..ir.interp import eval_op
from ..ir.types import BOOL, I64, TensorType, dtype_of, scalar, tensor
from .source import here

ARRAY, SCALAR, WEAK = 0, 1, 2  # forms: an ndarray, a NumPy scalar, a Python number
_SMALL = 1 << 16  # captured arrays up to so many bytes are copied, so that later writes do not show

# What Tracer's operators and methods call, by name; filled by protocol and jitgrad.numpy, which
# stand above this module.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


class _State(threading.local):
    root: Root | None = None
    disabled: bool = False
    interpret: bool = False


state = _State()


def current() -> Root | None:
    """The trace in progress in this thread."""
    return state.root


class Escape(TraceError):
    """A value left a jitted function (`float(x)`): the function is then run on its arrays."""


class Root:
    """One trace in progress.

    known holds the arrays of values that are computed (or given), env the observed size of each
    dim symbol, effects the guards and requirements in order, captures the arrays that a jitted
    function reads from outside, depth the number of transforms around, which is also the next
    bit of the masks that say on which differentiated or batched arguments a tracer depends.
    """

    __slots__ = ("arrays", "b", "captures", "consts", "decided", "depth", "effects", "env", "kind",
                 "known", "open", "refined", "unknown")  # fmt: skip

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.b = Builder()
        self.known: dict[Value, Any] = {}
        self.unknown: set[Value] = set()
        self.env: dict[str, int] = {}
        self.effects: list[Op] = []
        self.decided: dict[Any, bool] = {}
        self.consts: dict[Any, Value] = {}
        self.refined: dict[Any, Value] = {}
        self.captures: dict[int, tuple[np.ndarray, Value]] = {}
        self.depth = 0
        self.open = True

    # -- constants and captured arrays -------------------------------------------------------------

    def const(self, value: Any, type: TensorType) -> Value:
        """A constant in every element of `type`; equal ones are made once."""
        key = (value, type, value.__class__)
        if value == 0:
            return self.b.const(value, type)  # 0.0 equals -0.0
        found = self.consts.get(key)
        if found is None:
            found = self.consts[key] = self.b.const(value, type)
        return found

    def number(self, d: DimLike) -> Value:
        """A dim as an i64 scalar."""
        return self.b("dim", expr=d) if d.__class__ is Dim else self.const(d, scalar(I64))

    def array(self, x: np.ndarray, fixed: bool = False) -> Value:
        """A NumPy array that the function reads: a hidden argument under jit, else a constant."""
        x = np.asarray(x)
        type_ = tensor(dtype_of(x.dtype), x.shape)
        if x.dtype != type_.dtype.np:
            x = x.astype(type_.dtype.np)  # another byte order
            fixed = True
        if self.kind == "jit" and not fixed:
            found = self.captures.get(id(x))
            if found is None:
                v = Value(type_, name=f"captured{len(self.captures)}")
                found = self.captures[id(x)] = (x, v)
                self.known[v] = x.copy()
            return found[1]
        if not fixed and x.nbytes <= _SMALL:
            x = x.copy()
        return self.b("constant", value=x, type=type_, spelling="")

    # -- values ------------------------------------------------------------------------------------

    def value(self, v: Value) -> Any:
        """The array that `v` is in this call; None where there is none."""
        known, unknown = self.known, self.unknown
        got = known.get(v)
        if got is not None or v in unknown:
            return got
        todo = [v]
        while todo:
            u = todo[-1]
            op = u.op
            if u in known or u in unknown:
                todo.pop()
                continue
            if op is None:
                unknown.add(u)
                continue
            missing = [w for w in op.operands if w not in known and w not in unknown]
            if missing:
                todo.extend(missing)
                continue
            todo.pop()
            if unknown and any(w in unknown for w in op.operands):
                unknown.update(op.results)
                continue
            for r, a in zip(op.results, self._eval(op)):
                known[r] = a
        return known.get(v)

    def _eval(self, op: Op) -> tuple[Any, ...]:
        if op.opdef.name == "constant":
            value, type_ = op.attrs["value"], op.attrs["type"]
            if not isinstance(value, np.ndarray):
                if not type_.static:
                    type_ = type_.with_shape(tuple(evaluate(d, self.env) for d in type_.shape))
                value = np.broadcast_to(np.asarray(value, type_.dtype.np), type_.shape)
            return (value,)
        try:
            return eval_op(op, [self.known[w] for w in op.operands], self.env)
        except (JitgradError, IndexError, ValueError, ZeroDivisionError) as err:
            if op.loc is not None and "\n  at " not in str(err):
                raise type(err)(at(str(err), op.loc)) from None
            raise

    # -- answers to Python -------------------------------------------------------------------------

    def decide(self, cond: Value, what: str) -> bool:
        """The truth of a bool scalar, guarded under jit; `TraceError` where it has no value."""
        answer = self.decided.get(cond)
        if answer is None:
            got = self.value(cond)
            if got is None:
                raise TraceError(at(
                    f"{what} needs the value of a traced array, and here it has none (under vmap, "
                    "eval_shape or a lax body); use jitgrad.numpy.where or jitgrad.lax.cond",
                    here()))  # fmt: skip
            answer = self.decided[cond] = bool(got)
            if self.kind == "jit":
                message = at(f"{what} was {answer} when this path was traced", here())
                self.effects.append(self.b.op("guard", cond, expect=answer, message=message))
        return answer

    def compare(self, a: DimLike, cmp: str, b: DimLike, what: str = "a comparison of sizes") -> bool:
        """a cmp b of dims: by canonical form and symbols being at least 2, else from the observed
        sizes, with a guard."""
        diff = a - b
        if diff.__class__ is not Dim:
            return _COMPARE[cmp](diff, 0)
        low = _lower_bound(diff)
        if low is not None and low > 0:
            return _COMPARE[cmp](low, 0)
        if low == 0 and cmp in ("ge", "lt"):
            return cmp == "ge"
        low = _lower_bound(-1 * diff)
        if low is not None and low > 0:
            return _COMPARE[cmp](-low, 0)
        if low == 0 and cmp in ("le", "gt"):
            return cmp == "le"
        key = (a, cmp, b)
        answer = self.decided.get(key)
        if answer is None:
            self.b.loc = here()
            cond = self.b(cmp, self.number(a), self.number(b))
            answer = self.decided[key] = self.decide(cond, what)
        return answer

    def same_dim(self, a: DimLike, b: DimLike, op: str, shapes: Callable[[], str]) -> bool:
        """Whether two dims are one; what is only observed to be so is required of later calls."""
        if a is b or a == b:
            return True
        if a.__class__ is not Dim and b.__class__ is not Dim:
            return False
        if not (_at_least_two(a) and _at_least_two(b)):
            return self.compare(a, "eq", b, f"an equality of sizes in {op}")
        if evaluate(a, self.env) != evaluate(b, self.env):
            return False
        if ("require", a, b) not in self.decided:
            self.decided["require", a, b] = True
            message = at(f"{op}: {shapes()}", here())
            self.effects.append(self.b.op("require", lhs=a, cmp="eq", rhs=b, message=message))
        return True

    def refine(self, v: Value, shape: tuple[DimLike, ...]) -> Value:
        """`v` with dims that were found equal to `shape` under those names."""
        if v.type.shape == shape:
            return v
        key = (v, shape)
        found = self.refined.get(key)
        if found is None:
            found = self.refined[key] = self.b("refine", v, shape=shape)
        return found

    def sizes(self, shape: tuple[DimLike, ...]) -> tuple[int, ...]:
        """A shape in numbers, as this call has them (for messages)."""
        return tuple([evaluate(d, self.env) for d in shape])


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}  # fmt: skip


def _lower_bound(d: Dim) -> int | None:
    """The least value of a sum of positive multiples of symbols, each at least 2."""
    low = 0
    for mono, c in d.terms:
        if not mono:
            low += c
        elif c > 0 and all(a.__class__ is str for a in mono):
            low += c * 2 ** len(mono)
        else:
            return None
    return low


def _at_least_two(d: DimLike) -> bool:
    low = _lower_bound(d) if isinstance(d, Dim) else d
    return low is not None and low >= 2


@contextmanager
def activate(root: Root) -> Iterator[Root]:
    """Make `root` this thread's trace."""
    before, state.root = state.root, root
    was, root.open = root.open, True
    try:
        yield root
    finally:
        state.root = before
        root.open = was and before is root


def leaked(x: Tracer) -> TraceError:
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
                if name == "pow" or other.__class__ is not Tracer and not isinstance(
                    other, (float, np.ndarray, np.generic)
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
    Size.__neg__ = lambda self: size_of(-1 * self.dim, self.root)  # type: ignore[attr-defined]
    for cmp in _COMPARE:

        def compare(self: Size, other: Any, cmp: str = cmp) -> Any:
            if other.__class__ is Size or isinstance(other, (int, np.integer)):
                return self.root.compare(self.dim, cmp, dim_of(other))
            if isinstance(other, (float, np.floating)):
                return _COMPARE[cmp](float(self), other)
            return NotImplemented

        setattr(Size, f"__{cmp}__", compare)


_size_arithmetic()


class Tracer:
    """A traced array, NumPy scalar (form SCALAR) or Python number (WEAK).

    mask has a bit for each differentiated or batched argument it depends on.
    """

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
            raise leaked(self)
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
            raise TypeError(at("only integer scalar arrays can be converted to a scalar index", here()))
        return self.__int__()

    def escape(self, what: str) -> Any:
        """The value, leaving the trace for good: refused where a derivative would be lost."""
        if not self.root.open:
            raise leaked(self)
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
        raise TraceError(at(
            "x[...] = value cannot change a traced array in place; build a new one: "
            "x = x.at[index].set(value), or jitgrad.numpy.where(mask, value, x)", here()))  # fmt: skip

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
    "float()": "use x as it is",
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


__all__ = ["ARRAY", "FUNCTIONS", "SCALAR", "WEAK", "Escape", "Loc", "Root", "Size", "Tracer",
           "activate", "as_number", "current", "dim_of", "leaked", "size_of", "state", "wrap"]  # fmt: skip
