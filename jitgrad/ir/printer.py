"""The text form of the IR: what dumps show, golden files hold and the parser reads back.

A value keeps its own name (made an identifier, and unique in its function), the others are
numbered in order; so the same graph always prints the same way. Every attribute of an op's row is
printed by its kind:

    value     number, bool, complex `(re, im)`, nested list of numbers, or base64"…" (raw bytes)
    type      f64[n, 3]          dtype   f64
    dim       2*n + 1            dims    [n, 3]
    int       3                  ints    [0, 1]
    bool      true               function  @name
    str       "…" (as in JSON)   strs    ["sum", "max"]

Linear in the number of operations; recursion follows nested regions only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from .core import Block, Function, Op, Value
from .literals import format_value
from .ops.base import OpDef
from .types import TensorType

IDENT = re.compile(r"[^\W\d][\w.]*\Z")
_BAD = re.compile(r"[^\w.]")


def format_function(fn: Function, *, locs: bool = False) -> str:
    """The text of `fn`, behind the functions it calls, each once.

    With `locs`, source lines and what made an op are printed too.

    >>> from .build import Builder
    >>> from .core import function
    >>> from .types import tensor
    >>> x = Value(tensor("f64", (3,)), name="x")
    >>> y = Builder()("exp", x)
    >>> print(format_function(function("f", [x], [y])))
    func @f(%x: f64[3]) -> (f64[3]) {
      %0: f64[3] = exp %x
      return %0
    }
    """
    order = callees(fn)
    names = function_names(order)
    return "\n\n".join([Printer(names, locs).function(f) for f in order])


def format_block(block: Block, *, locs: bool = False) -> str:
    """The text of a block as it stands in braces: parameters, ops, `yield`."""
    printer = Printer({}, locs)
    printer.block(block, "")
    return "\n".join(printer.lines)


def format_op(op: Op, *, locs: bool = False) -> str:
    """The text of one op, regions included; values without names are numbered from its operands."""
    printer = Printer({}, locs)
    printer.name_all(op.operands)
    printer.op(op, "")
    return "\n".join(printer.lines)


def print_ir(fn: Function, *, locs: bool = False) -> None:
    """Print `fn` to standard output."""
    print(format_function(fn, locs=locs))


def walk(block: Block) -> Iterator[Op]:
    """Every op of a block and of the regions in it, outer ones first."""
    stack = [iter(block.ops)]
    while stack:
        for op in stack[-1]:
            yield op
            if op.regions:
                stack.extend(iter(r.ops) for r in reversed(op.regions))
                break
        else:
            stack.pop()


def callees(fn: Function) -> list[Function]:
    """The functions that `fn` calls, directly or not, each behind those it calls; `fn` last."""
    done: dict[Function, None] = {}
    stack: list[tuple[Function, bool]] = [(fn, False)]
    while stack:
        f, ready = stack.pop()
        if ready:
            done.setdefault(f)
        elif f not in done:
            called = [
                a
                for op in walk(f.body)
                if op.opdef.name == "call" or "function" in op.opdef.attrs.values()
                for a in op.attrs.values()
                if a.__class__ is Function
            ]
            stack.append((f, True))
            stack.extend((g, False) for g in reversed(called) if g not in done)
    return list(done)


def function_names(order: list[Function]) -> dict[Function, str]:
    """`@name` of each function, unique; names that are no identifiers stand in quotes."""
    used: set[str] = set()
    out = {}
    for f in order:
        name = _unique(f.name, used)
        out[f] = f"@{name}" if IDENT.match(name) else f"@{quoted(name)}"
    return out


def _unique(name: str, used: set[str]) -> str:
    found, k = name, 0
    while found in used:
        k += 1
        found = f"{name}_{k}"
    used.add(found)
    return found


class _Names(dict):
    """Value -> its name in one scope; `outer` is the scope around it.

    Regions may share ops with each other and with what is around them (each cut is its own), so a
    value takes a new name wherever it is defined.
    """

    __slots__ = ("outer", "state")

    def __init__(self, outer: _Names | None = None) -> None:
        self.outer = outer
        self.state: _Taken = _Taken() if outer is None else outer.state

    def __missing__(self, v: Value) -> str:
        """The name of a value that this scope does not define."""
        scope = self.outer
        while scope is not None:
            if v in scope:
                name = self[v] = scope[v]
                return name
            scope = scope.outer
        return self.define(v)

    def define(self, v: Value) -> str:
        if v.name:
            name = self[v] = self.state.named(v.name)
        else:
            name = self[v] = f"%{self.state.count}"
            self.state.count += 1
        return name


class _Taken:
    """The names taken in a function."""

    __slots__ = ("count", "tries", "used")

    def __init__(self) -> None:
        self.count = 0
        self.used: set[str] = set()
        self.tries: dict[str, int] = {}

    def named(self, text: str) -> str:
        name = text if IDENT.match(text) else _BAD.sub("_", text)
        if not IDENT.match(name):
            name = "_" + name
        if name in self.used:
            # remembering the last number tried keeps many equal names linear
            base, k = name, self.tries.get(name, 0)
            while name in self.used:
                k += 1
                name = f"{base}_{k}"
            self.tries[base] = k
        self.used.add(name)
        return "%" + name


class Printer:
    """Prints into `lines`; `found` is the line on which the op `mark` stands."""

    def __init__(
        self, functions: dict[Function, str], locs: bool = False, mark: Op | None = None
    ) -> None:
        self.functions = functions
        self.locs = locs
        self.mark = mark
        self.found = -1
        self.names: _Names = _Names()
        self.types: dict[TensorType, str] = {}
        self.lines: list[str] = []

    def type(self, t: TensorType) -> str:
        text = self.types.get(t)
        if text is None:
            text = self.types[t] = repr(t)
        return text

    def callee(self, fn: Function) -> str:
        return self.functions.get(fn) or function_names([fn])[fn]

    def name_all(self, values: tuple[Value, ...]) -> str:
        names = self.names
        return ", ".join([names[v] for v in values])

    def typed(self, values: tuple[Value, ...]) -> str:
        """Values as they are defined."""
        define, type_ = self.names.define, self.type
        return ", ".join([f"{define(v)}: {type_(v.type)}" for v in values])

    def header(self, fn: Function) -> str:
        """The first line of a function, brace included."""
        dims = f"<{', '.join(fn.dims)}>" if fn.dims else ""
        params = ", ".join(
            [
                f"{self.names.define(p)}: {self.type(p.type)}" + ("" if lay == "c" else f" {lay}")
                for p, lay in zip(fn.params, fn.layouts)
            ]
        )
        results = ", ".join([self.type(v.type) for v in fn.results])
        return f"func {self.callee(fn)}{dims}({params}) -> ({results}) {{"

    def function(self, fn: Function) -> str:
        self.lines.append(self.header(fn))
        self.ops(fn.body, "  ")
        self.lines.append(f"  return {self.name_all(fn.results)}".rstrip())
        self.lines.append("}")
        return "\n".join(self.lines)

    def block(self, block: Block, pad: str) -> None:
        if block.params:
            self.lines.append(f"{pad}^({self.typed(block.params)}):")
        self.ops(block, pad)
        if block.results:
            self.lines.append(f"{pad}yield {self.name_all(block.results)}")

    def ops(self, block: Block, pad: str) -> None:
        lines, names, types, locs = self.lines, self.names, self.types, self.locs
        define, mark = names.define, self.mark
        for op in block.ops:
            if op.regions or locs or len(op.results) != 1 or op is mark:
                self.op(op, pad)
                continue
            # the common op, written out: this loop is what printing costs
            row = op.opdef
            ins = ", ".join([names[v] for v in op.operands])
            out = op.results[0]
            kind = types.get(out.type) or self.type(out.type)
            text = f"{pad}{define(out)}: {kind} = {row.name}{' ' if ins else ''}{ins}"
            lines.append(f"{text} {self.attrs(op)}" if row.attrs else text)

    def op(self, op: Op, pad: str) -> None:
        """One op on a line of its own, its regions below it."""
        ins = self.name_all(op.operands)
        text = f"{pad}{self.typed(op.results)} = " if op.results else pad
        text += f"{op.opdef.name} {ins}" if ins else op.opdef.name
        if op.opdef.attrs:
            text += " " + self.attrs(op)
        if self.locs:
            text += self.origin(op)
        lines, names = self.lines, self.names
        if op is self.mark and self.found < 0:
            self.found = len(lines)
        for region in op.regions:
            lines.append(text + " {")
            self.names = _Names(names)
            self.block(region, pad + "  ")
            text = pad + "}"
        self.names = names
        lines.append(text)

    def origin(self, op: Op) -> str:
        """Where the op comes from: ` loc("f.py":3 in f) by "vjp(exp)"`."""
        text = ""
        if op.loc is not None:
            file, line, func = op.loc
            where = f" in {func if IDENT.match(func) else quoted(func)}" if func else ""
            text = f" loc({quoted(file)}:{line}{where})"
        return f"{text} by {quoted(op.made_by)}" if op.made_by else text

    def attrs(self, op: Op) -> str:
        plan = _PLANS.get(op.opdef) or _plan(op.opdef)
        have = op.attrs
        return f"{{{', '.join([f'{k}={show(self, have[k])}' for k, show in plan])}}}"


# -- attributes by kind ---------------------------------------------------------------------------


def _bracketed(p: Printer, v: Any) -> str:
    return f"[{', '.join([repr(e) for e in v])}]"


_KINDS: dict[str, Callable[[Printer, Any], str]] = {
    "value": lambda p, v: format_value(v),
    "type": Printer.type,
    "dtype": lambda p, v: v.name,
    "dim": lambda p, v: repr(v),
    "dims": _bracketed,
    "int": lambda p, v: repr(v),
    "ints": _bracketed,
    "bool": lambda p, v: "true" if v else "false",
    "str": lambda p, v: quoted(v),
    "strs": lambda p, v: f"[{', '.join([quoted(e) for e in v])}]",
    "function": Printer.callee,
}
_PLANS: dict[OpDef, list[tuple[str, Callable[[Printer, Any], str]]]] = {}


def _plan(row: OpDef) -> list[tuple[str, Callable[[Printer, Any], str]]]:
    plan = _PLANS[row] = [(k, _KINDS[kind]) for k, kind in row.attrs.items()]
    return plan
