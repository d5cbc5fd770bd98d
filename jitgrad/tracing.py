"""A Python function run once on tracers: its IR, and the structure of its arguments and result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from . import numpy as _numpy  # noqa: F401  (fills the tables that tracers' methods look into)
from .errors import DTypeError, TraceError, at
from .frontend.ops import lift, plain
from .frontend.pytree import TreeDef, flatten, unflatten
from .frontend.source import here
from .frontend.trace import ARRAY, SCALAR, WEAK, Root, Tracer, activate
from .ir.core import Function, Op, Value, function
from .ir.dims import DimLike, symbol
from .ir.gcpause import without_gc
from .ir.types import dtype_of, tensor
from .runtime.specialize import SYMBOL

_KINDS = {float: "float", int: "int", bool: "bool", complex: "complex"}
_LETTERS = "nmkpqrsuvw"


class ShapeDtypeStruct:
    """A shape and a dtype: an argument of `eval_shape` and `lower` that has no values."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, ShapeDtypeStruct) and self.shape == other.shape
                and self.dtype == other.dtype)  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name})"


class Static:
    """A leaf that is no number: part of the key, compared by equality."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Static) and self.value.__class__ is other.value.__class__
                and bool(self.value == other.value))  # fmt: skip

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


def classify(x: Any) -> Any:
    """What of a leaf its family is found by: dtype and rank, kind of number, or itself."""
    c = x.__class__
    if c is np.ndarray or c is ShapeDtypeStruct:
        return (x.dtype, len(x.shape))
    if isinstance(x, np.ndarray):
        plain(x)
        return (x.dtype, len(x.shape))
    if c is int:
        return "int" if -(2**63) <= x < 2**63 else Static(x)
    if c in _KINDS:
        return _KINDS[c]
    if isinstance(x, np.generic):
        return x.dtype
    if hasattr(x, "__array__") and not isinstance(x, type):
        raise TypeError(at(f"jit: an argument of type {c.__name__} is no array; pass np.asarray(x)",
                           here()))  # fmt: skip
    try:
        hash(x)
    except TypeError:
        raise TypeError(at(
            f"jit: an argument of type {c.__name__} is neither an array, a number, a pytree of "
            "them, nor hashable; make it hashable or register it as a pytree", here()
        )) from None  # fmt: skip
    return Static(x)


class Traced:
    """What a trace of a function gave: its IR, the structure of its result, hidden inputs."""

    __slots__ = ("captures", "fn", "forms", "given", "guards", "known", "out_tree", "outs")

    def __init__(
        self,
        fn: Function,
        out_tree: TreeDef,
        outs: list[Any],
        forms: list[int],
        captures: list[np.ndarray],
        guards: list[str],
        known: list[Any],
        given: list[int],
    ) -> None:
        self.fn = fn
        self.out_tree = out_tree
        self.outs = outs  # for each leaf: None where it is a result of fn, else the thing itself
        self.forms = forms
        self.captures = captures
        self.guards = guards
        self.known = known
        self.given = given  # the form of each argument: array, NumPy scalar or Python number


@without_gc
def trace(
    fun: Callable[..., Any],
    name: str,
    leaves: Sequence[Any],
    treedef: TreeDef,
    pattern: Sequence[tuple[int, ...]],
    names: Sequence[str],
    kind: str = "jit",
) -> Traced:
    """Run `fun` on tracers. `pattern` has the size of each axis, or SYMBOL."""
    root = Root(kind)
    fresh = count()
    params: list[Value] = []
    given: list[Any] = []
    forms: list[int] = []
    for leaf, label, sizes in zip(leaves, names, pattern):
        what = classify(leaf)
        if what.__class__ is Static:
            given.append(leaf)
            continue
        if what.__class__ is str:
            dtype, form = dtype_of(type(leaf)), WEAK
        else:
            array = what.__class__ is tuple
            try:
                dtype, form = dtype_of(leaf.dtype), ARRAY if array else SCALAR
            except TypeError as err:
                raise DTypeError(at(f"argument {label or 'of jit'}: {err}", here())) from None
        dims: list[DimLike] = []
        for d, size in zip(sizes, getattr(leaf, "shape", ())):
            if d == SYMBOL:
                k = next(fresh)
                d = symbol(_LETTERS[k] if k < len(_LETTERS) else f"d{k}")  # type: ignore[assignment]
                root.env[repr(d)] = size
            dims.append(d)
        v = Value(tensor(dtype, tuple(dims)), name=label)
        if kind == "jit" and leaf.__class__ is not ShapeDtypeStruct:
            root.known[v] = np.asarray(leaf, dtype.np)
        params.append(v)
        forms.append(form)
        given.append(Tracer(v, root, form, 0))
    args, kwargs = unflatten(treedef, given)
    with activate(root):
        result = fun(*args, **kwargs)
        return _traced(root, name, params, forms, result)


def _traced(root: Root, name: str, params: list[Value], given: list[int], result: Any) -> Traced:
    leaves, out_tree = flatten(result)
    outs: list[Any] = []
    forms: list[int] = []
    values: list[Value] = []
    taken: set[Value] = {*params}
    for leaf in leaves:
        if not isinstance(leaf, (Tracer, np.ndarray, np.generic, int, float)):
            outs.append(leaf)
            continue
        t = lift(leaf, root)
        v = t.value
        if v in taken or v.op is None:
            v = root.b("identity", v)  # outputs alias neither arguments nor each other
        taken.add(v)
        values.append(v)
        forms.append(t.form)
        outs.append(None)
    for array, v in root.captures.values():
        if not np.array_equal(array, root.known[v], equal_nan=array.dtype.kind == "f"):
            raise TraceError(
                f"the function changed an array of shape {array.shape} that it also reads as a "
                "captured value; make it inside with jitgrad.numpy"
            )
    hidden = [v for _, v in root.captures.values()]
    fn = function(name, [*params, *hidden], values, root.effects)
    guards = [_guard_text(op) for op in root.effects]
    known = [root.value(v) for v in values] if root.kind == "jit" and root.decided else []
    captures = [a for a, _ in root.captures.values()]
    return Traced(fn, out_tree, outs, forms, captures, guards, known, given)


def _guard_text(op: Op) -> str:
    message = " ".join(op.attrs["message"].split())
    if op.name == "guard":
        return message
    return f"{op.attrs['lhs']} {op.attrs['cmp']} {op.attrs['rhs']} is required: {message}"
