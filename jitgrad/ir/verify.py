"""The verifier: checks that a function obeys the rules of the IR, op by op.

It re-runs every type rule and checks that values are defined before they are used and in scope,
that regions stand alone (loops in kernels excepted), that every dim symbol has somebody who gives
its size, that attributes have the kinds their row names, and that effects stand where they may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from ..errors import JitgradError, VerifyError, at
from .core import Block, Function, Op, Value
from .dims import Dim, symbol, symbols
from .ops import TABLE
from .ops.kernel import MONOIDS
from .printer import IDENT, Printer, callees, function_names
from .types import DType, TensorType

LAYOUTS = ("c", "strided")
_REGIONS = {"cond": 2, "scan": 1, "kernel": 1, "loop": 1}
# what may stand only in a kernel, with the number of operands before computed indices
_ACCESS = {"load": 1, "store": 2, "load_if": 3}
_IN_KERNEL = {"constant", "dim"}


def verify(fn: Function, *, dims: Iterable[str] = ()) -> None:
    """Check `fn` and the functions it calls; `dims` are symbols that its caller knows.

    Raises `VerifyError` that shows the op, its neighbours and the user's line.

    >>> from .parser import parse_function
    >>> fn = parse_function("func @f(%x: f64) -> (f64) { %0: f64 = exp %x return %0 }")
    >>> verify(fn)
    >>> verify(fn.with_body(Block(fn.params, (), fn.results)))
    Traceback (most recent call last):
        ...
    jitgrad.errors.VerifyError: @f: a result of @f is not defined: <%?: f64 = exp>
    """
    order = callees(fn)
    free: dict[Function, dict[str, Op | None]] = {}
    for f in order:
        checker = _Checker(f, order, free)
        checker.function()
        free[f] = checker.free
    unbound = {s: op for s, op in free[fn].items() if s not in set(dims)}
    for s, op in unbound.items():
        checker.fail(f"nothing gives the size of the dim {s}: no parameter has it as a dim", op)


class _Checker:
    def __init__(
        self,
        fn: Function,
        order: list[Function],
        free: dict[Function, dict[str, Op | None]],
    ) -> None:
        self.fn = fn
        self.order = order
        self.called = free
        self.free: dict[str, Op | None] = {}
        # symbols in scope: those that stand alone as a dim of a parameter, and loop variables
        self.symbols: set[str] = {
            s
            for p in fn.params
            for d in p.type.shape
            if isinstance(d, Dim)
            for s in symbols(d)
            if d is symbol(s)
        }
        self.types: set[TensorType] = set()
        self.scope: set[Value] = set()
        self.buffers: set[Value] = set()
        self.loops: list[str] = []
        self.vector = False

    def fail(self, message: str, op: Op | None = None) -> NoReturn:
        message = f"@{self.fn.name}: {message}"
        if op is None:
            raise VerifyError(message)
        raise VerifyError(at(f"{message}\n{self.neighbours(op)}", op.loc)) from None

    def neighbours(self, op: Op) -> str:
        """The op as printed, two lines around it."""
        printer = Printer(function_names(self.order), mark=op)
        try:
            printer.function(self.fn)
        except (KeyError, TypeError, AttributeError, ValueError):
            return f"  > {op!r}"  # so broken that it cannot be printed
        lines, k = printer.lines, max(printer.found, 0)
        return "\n".join(
            ("  > " if i == k else "    ") + lines[i]
            for i in range(max(k - 2, 0), min(k + 3, len(lines)))
        )

    # -- functions and blocks ---------------------------------------------------------------------

    def function(self) -> None:
        fn = self.fn
        if len(fn.layouts) != len(fn.params):
            self.fail(f"{len(fn.layouts)} layouts for {len(fn.params)} parameters")
        for layout in fn.layouts:
            if layout not in LAYOUTS:
                self.fail(f"a layout is one of {', '.join(LAYOUTS)}, not {layout!r}")
        self.block(fn.body, None, in_kernel=False)

    def block(self, block: Block, owner: Op | None, in_kernel: bool) -> None:
        what = "a parameter of " + (f"@{self.fn.name}" if owner is None else owner.name)
        for p in block.params:
            if p.op is not None:
                self.fail(f"{what} is the result of an op: {p!r}", owner)
            if p in self.scope:
                self.fail(f"{what} stands twice: {p!r}", owner)
            self.scope.add(p)
            self.type(p.type, owner)
        for op in block.ops:
            self.op(op, in_kernel)
        for v in block.results:
            if v not in self.scope:
                name = f"@{self.fn.name}" if owner is None else f"the region of {owner.name}"
                self.fail(f"a result of {name} is not defined: {v!r}", owner)

    def region(self, block: Block, owner: Op, in_kernel: bool) -> None:
        """A region with a scope of its own."""
        outer, self.scope = self.scope, set()
        self.block(block, owner, in_kernel)
        self.scope = outer

    # -- operations -------------------------------------------------------------------------------

    def op(self, op: Op, in_kernel: bool) -> None:
        row, scope = op.opdef, self.scope
        if TABLE.get(row.name) is not row:
            self.fail(f"{row.name} is not the table's", op)
        for k, v in enumerate(op.operands):
            if v not in scope:
                self.fail(f"operand {k} of {row.name} is not defined above it or not in scope", op)
        if row.arity is not None and len(op.operands) != row.arity:
            self.fail(f"{row.name} takes {row.arity} operands, not {len(op.operands)}", op)
        if len(op.regions) != _REGIONS.get(row.name, 0):
            self.fail(f"{row.name} has {len(op.regions)} regions", op)
        if row.attrs or op.attrs:
            self.attrs(op)
        try:
            types = row.types(row.name, [v.type for v in op.operands], op.attrs, op.regions)
        except JitgradError as err:
            self.fail(str(err), op)
        except (ValueError, TypeError, LookupError) as err:
            # operands or attributes that no builder makes
            self.fail(f"{row.name} is malformed: {err}", op)
        if len(types) != len(op.results):
            self.fail(f"{row.name} gives {len(types)} results, not {len(op.results)}", op)
        for k, (v, t) in enumerate(zip(op.results, types)):
            if v.type is not t:
                self.fail(f"result {k} of {row.name} has type {v.type}, the rule says {t}", op)
            if v.op is not op or v.index != k:
                self.fail(f"result {k} of {row.name} says it is made elsewhere", op)
            if v in scope:
                self.fail(f"{row.name} stands twice in this scope", op)
            if t not in self.types:
                self.type(t, op)
        if in_kernel:
            self.in_kernel(op)
        elif row.name in _ACCESS or row.name == "loop":
            self.fail(f"{row.name} stands outside a kernel", op)
        elif row.name == "kernel":
            self.kernel(op)
        elif row.name == "call":
            for s in self.called[op.attrs["callee"]]:
                self.symbol(s, op)
        else:
            for r in op.regions:
                self.region(r, op, in_kernel=False)
        scope.update(op.results)

    def kernel(self, op: Op) -> None:
        self.buffers = set(op.regions[0].params[len(op.operands) :])
        if op.regions[0].results:
            self.fail("a kernel fills its buffers, its region gives nothing", op)
        self.region(op.regions[0], op, in_kernel=True)
        self.buffers = set()

    def in_kernel(self, op: Op) -> None:
        """What may stand in a kernel: loops, accesses, and ops on single elements."""
        row = op.opdef
        if row.name == "loop":
            self.loop(op)
            return
        first = _ACCESS.get(row.name)
        if first is None:
            if not row.elementwise and row.name not in _IN_KERNEL:
                self.fail(f"{row.name} cannot stand in a kernel", op)
            if any(v.type.shape for v in (*op.operands, *op.results)):
                self.fail(f"{row.name} in a kernel takes and gives single elements", op)
            return
        for v in op.operands[first:]:
            if v.type.shape or v.type.dtype.kind not in "iu":
                self.fail(f"{row.name} is indexed by integers, not by {v.type}", op)
        if row.name == "store" and op.operands[1] not in self.buffers:
            self.fail("store goes into a result of the kernel, not into an operand", op)

    def loop(self, op: Op) -> None:
        var, vector = op.attrs["var"], op.attrs["vector"]
        if not IDENT.match(var) or var in self.symbols:
            self.fail(f"the loop variable {var!r} is no name or taken already", op)
        if vector and self.vector:
            self.fail("a vector loop stands in another one", op)
        for m in op.attrs["monoids"]:
            if m not in MONOIDS:
                self.fail(f"there is no reduction {m}; they are {', '.join(MONOIDS)}", op)
        body = op.regions[0]
        # the region sees what is around it, but nobody sees into the region
        outer, self.scope = self.scope, _Nested(self.scope)
        outer_vector, self.vector = self.vector, self.vector or vector
        self.symbols.add(var)
        self.block(body, op, in_kernel=True)
        self.symbols.discard(var)
        self.vector, self.scope = outer_vector, outer

    # -- types, dims, attributes ------------------------------------------------------------------

    def symbol(self, s: str, op: Op | None) -> None:
        if s in self.symbols:
            return
        if s.startswith("$"):
            self.fail(f"{s} stands for no computed index here", op)
        self.free.setdefault(s, op)

    def dim(self, d: Any, op: Op | None) -> None:
        if isinstance(d, Dim):
            for s in symbols(d):
                self.symbol(s, op)

    def type(self, t: TensorType, op: Op | None) -> None:
        for d in t.shape:
            if d.__class__ is int:
                if d < 0:
                    self.fail(f"the type {t} has a negative dim", op)
            elif isinstance(d, Dim):
                self.dim(d, op)
            else:
                self.fail(f"the type {t} has the dim {d!r}, which is no int", op)
        self.types.add(t)

    def attrs(self, op: Op) -> None:
        row = op.opdef
        if list(op.attrs) != list(row.attrs):
            self.fail(f"{row.name} has the attributes {list(op.attrs)}, not {list(row.attrs)}", op)
        for key, kind in row.attrs.items():
            a = op.attrs[key]
            if not _IS[kind](a):
                self.fail(f"{row.name}: {key}={a!r} is not of the kind {kind}", op)
            if kind == "type":
                if a not in self.types:
                    self.type(a, op)
            elif kind == "dim":
                self.dim(a, op)
            elif kind == "dims":
                self.index(a, op)
        if row.name == "constant":
            self.constant(op)
        elif row.name == "require" and op.attrs["cmp"] not in ("eq", "ge"):
            self.fail("require compares by eq or ge", op)

    def index(self, dims: tuple, op: Op) -> None:
        computed: set[str] = set()
        first = _ACCESS.get(op.opdef.name)
        if first is not None:
            computed = {f"${k}" for k in range(len(op.operands) - first)}
        for d in dims:
            if isinstance(d, Dim):
                for s in symbols(d) - computed:
                    self.symbol(s, op)

    def constant(self, op: Op) -> None:
        value, dtype = op.attrs["value"], op.attrs["type"].dtype
        if isinstance(value, np.ndarray):
            if value.dtype != dtype.np:
                self.fail(f"constant of {dtype} holds an array of {value.dtype}", op)
        elif not isinstance(value, _PYTHON[dtype.kind]) or (
            isinstance(value, bool) and dtype.kind != "b"
        ):
            self.fail(f"constant of {dtype} holds {value!r}", op)


class _Nested(set):
    """A scope inside another one."""

    def __init__(self, outer: set[Value]) -> None:
        super().__init__()
        self.outer = outer

    def __contains__(self, v: object) -> bool:
        return set.__contains__(self, v) or v in self.outer


_PYTHON: dict[str, type] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def _is_int(a: Any) -> bool:
    return a.__class__ is int


def _is_dim(a: Any) -> bool:
    return a.__class__ is int or isinstance(a, Dim)


def _each(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda a: isinstance(a, tuple) and all(map(test, a))


def _of(cls: type) -> Callable[[Any], bool]:
    return lambda a: isinstance(a, cls)


_IS: dict[str, Callable[[Any], bool]] = {
    "value": lambda a: isinstance(a, (bool, int, float, complex, np.ndarray)),
    "type": _of(TensorType),
    "dtype": _of(DType),
    "dim": _is_dim,
    "dims": _each(_is_dim),
    "int": _is_int,
    "ints": _each(_is_int),
    "bool": _of(bool),
    "str": _of(str),
    "strs": _each(_of(str)),
    "function": _of(Function),
}
