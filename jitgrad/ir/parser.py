"""Reads the text form back: every op is made by the builder, so its type rule checks the text.

A recursive descent over the characters with one small regular expression a token; nothing of the
text is ever evaluated. Recursion follows nested regions only.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import JitgradError, Loc, ParseError
from .build import Builder
from .core import Block, Function, Op, Value
from .dim_parser import parse_dim
from .dims import DimLike
from .literals import read_value
from .ops import TABLE
from .types import DTYPES, DType, TensorType, tensor

_SPACE = re.compile(r"(?:\s+|//[^\n]*)*")
_WORD = re.compile(r"[^\W\d][\w.]*")
_VALUE = re.compile(r"%([\w.]+)")
_TYPE = re.compile(r"([a-z]\w*)(?:\[([^\]\n]*)\])?")
_DIM = re.compile(r"[^,\[\]{}:\n]+")
_INT = re.compile(r"-?\d{1,18}(?!\d)")
_NUMBER = re.compile(r"-?(?:inf|nan|\d+(?:\.\d*)?(?:e[-+]?\d+)?)|true|false")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LAYOUT = re.compile(r"[a-z]+")


def parse_module(text: str) -> dict[str, Function]:
    """Every function of `text` by name, in order; a function may call those above it.

    Raises `ParseError` with line, column and what was expected; also where an op's type rule
    refuses its operands or infers another type than the one declared.
    """
    parser = _Parser(text)
    try:
        return parser.module()
    except RecursionError:
        parser.fail("nested too deeply")


def parse_function(text: str) -> Function:
    """The last function of `text`.

    >>> fn = parse_function('''
    ... func @f<n>(%x: f64[n]) -> (f64) {
    ...   %0: f64 = sum %x {axes=[0]}  // over everything
    ...   return %0
    ... }''')
    >>> fn
    <func @f: 1 ops>
    """
    return list(parse_module(text).values())[-1]


def parse_type_list(text: str) -> list[TensorType]:
    """Types with commas between them.

    >>> parse_type_list("f64[n, 2*n], bool")
    [f64[n, 2*n], bool]
    """
    parser = _Parser(text)
    out: list[TensorType] = []
    while parser.pos < len(text):
        if out:
            parser.need(",")
        out.append(parser.type())
    return out


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.functions: dict[str, Function] = {}
        self.scopes: list[dict[str, Value]] = []
        self.names: set[str] = set()
        self.types: dict[str, TensorType] = {}
        self.builder = Builder()
        self.space()

    # -- characters -------------------------------------------------------------------------------

    def fail(self, message: str, pos: int | None = None) -> NoReturn:
        pos = self.pos if pos is None else pos
        line = self.text.count("\n", 0, pos) + 1
        start = self.text.rfind("\n", 0, pos) + 1
        end = self.text.find("\n", pos)
        shown = self.text[start : len(self.text) if end < 0 else end]
        column = pos - start + 1
        raise ParseError(
            f"line {line}, column {column}: {message}\n  {shown}\n  {' ' * (column - 1)}^"
        ) from None

    def wanted(self, what: str) -> NoReturn:
        found = _WORD.match(self.text, self.pos)
        have = found[0] if found else self.text[self.pos : self.pos + 1]
        self.fail(f"expected {what}, found {have!r}" if have else f"expected {what}, found the end")

    def space(self) -> None:
        m = _SPACE.match(self.text, self.pos)
        assert m is not None
        self.pos = m.end()

    def take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        m = pattern.match(self.text, self.pos)
        if m is None:
            self.wanted(what)
        self.pos = m.end()
        self.space()
        return m

    def peek(self, mark: str) -> bool:
        return self.text.startswith(mark, self.pos)

    def have(self, mark: str) -> bool:
        """Step over `mark` if it is next."""
        if not self.text.startswith(mark, self.pos):
            return False
        self.pos += len(mark)
        if self.text[self.pos : self.pos + 1] in " \n/\t\r":
            self.space()
        return True

    def need(self, mark: str) -> None:
        if not self.have(mark):
            self.wanted(f"'{mark}'")

    def word(self, what: str) -> str:
        return self.take(_WORD, what)[0]

    def string(self) -> str:
        start = self.pos
        try:
            return json.loads(self.take(_STRING, "a string in double quotes")[0])
        except json.JSONDecodeError:
            self.fail("expected a string with JSON's escapes", start)

    def until(self, end: str, item: Callable[[], Any]) -> list[Any]:
        """Items with commas between them, up to `end`."""
        out: list[Any] = []
        if self.have(end):
            return out
        while True:
            out.append(item())
            if self.have(end):
                return out
            if not self.have(","):
                self.wanted(f"',' or '{end}'")

    # -- functions and blocks ---------------------------------------------------------------------

    def module(self) -> dict[str, Function]:
        while self.pos < len(self.text):
            if self.word("'func'") != "func":
                self.fail("expected 'func'")
            self.function()
        if not self.functions:
            self.wanted("'func'")
        return self.functions

    def symbol(self) -> str:
        """A function's name, behind its @."""
        self.need("@")
        return self.string() if self.peek('"') else self.word("a function's name")

    def function(self) -> None:
        start = self.pos
        name = self.symbol()
        if name in self.functions:
            self.fail(f"@{name} is defined twice", start)
        self.names.clear()
        self.scopes = [{}]
        at_dims = self.pos
        dims = self.until(">", lambda: self.word("a dim's name")) if self.have("<") else []
        self.need("(")
        layouts: list[str] = []

        def param() -> Value:
            v = self.declare()
            m = _LAYOUT.match(self.text, self.pos)
            layouts.append(self.take(_LAYOUT, "a layout")[0] if m else "c")
            return v

        params = self.until(")", param)
        self.need("->")
        self.need("(")
        at_types = self.pos
        types = self.until(")", self.type)
        self.need("{")
        ops = self.ops("return")
        results = self.values("}")
        self.need("}")
        fn = Function(name, Block(params, ops, results), layouts)
        if tuple(dims) != fn.dims:
            self.fail(f"the parameters bring the dims <{', '.join(fn.dims)}>", at_dims)
        have = [v.type for v in results]
        if types != have:
            self.fail(f"the function returns ({', '.join(map(repr, have))})", at_types)
        self.functions[name] = fn

    def declare(self) -> Value:
        """A parameter: `%x: f64[n]`."""
        start = self.pos
        name = self.take(_VALUE, "a value's name, as %x")[1]
        self.need(":")
        v = Value(self.type())
        self.define(name, v, start)
        return v

    def define(self, name: str, v: Value, pos: int) -> None:
        if name in self.names:
            self.fail(f"%{name} is defined twice", pos)
        self.names.add(name)
        self.scopes[-1][name] = v
        if not name[0].isdecimal():
            v.name = name

    def use(self) -> Value:
        start = self.pos
        name = self.take(_VALUE, "a value, as %x")[1]
        for scope in reversed(self.scopes):
            v = scope.get(name)
            if v is not None:
                return v
        self.fail(f"%{name} is not defined above this place", start)

    def values(self, end: str) -> list[Value]:
        out: list[Value] = []
        if self.peek("%"):
            out.append(self.use())
            while self.have(","):
                out.append(self.use())
        return out

    def ops(self, last: str) -> list[Op]:
        """Operations up to the word `last`, or up to a closing brace."""
        out: list[Op] = []
        while True:
            if self.peek(last) and _WORD.match(self.text, self.pos)[0] == last:  # type: ignore[index]
                self.have(last)
                self.space()
                return out
            if self.peek("}"):
                if last == "return":
                    self.wanted("an operation or 'return'")
                return out
            out.append(self.op())

    def region(self) -> Block:
        self.scopes.append({})
        params = []
        if self.have("^"):
            self.need("(")
            params = self.until(")", self.declare)
            self.need(":")
        ops = self.ops("yield")
        results = self.values("}")
        self.need("}")
        self.scopes.pop()
        return Block(params, ops, results)

    def op(self) -> Op:
        declared: list[tuple[str, TensorType, int]] = []
        if self.peek("%"):
            while True:
                start = self.pos
                name = self.take(_VALUE, "a value's name, as %x")[1]
                self.need(":")
                declared.append((name, self.type(), start))
                if not self.have(","):
                    break
            self.need("=")
        start = self.pos
        what = self.word("an operation")
        row = TABLE.get(what)
        if row is None:
            self.fail(f"there is no operation {what}", start)
        operands = tuple(self.values(""))
        if row.arity is not None and len(operands) != row.arity:
            self.fail(f"{what} takes {row.arity} operands, not {len(operands)}", start)
        attrs = self.attrs(row.attrs) if row.attrs else {}
        loc, made_by = self.origin()
        regions = []
        while self.have("{"):
            regions.append(self.region())
        builder = self.builder
        builder.loc, builder.made_by = loc, made_by
        try:
            op = builder.make(row, operands, attrs, tuple(regions))
        except JitgradError as err:
            self.fail(str(err), start)
        except (ValueError, TypeError, LookupError) as err:
            # a type rule meets what no builder makes: another number of operands or regions
            self.fail(f"{what} is malformed here ({err})", start)
        if len(op.results) != len(declared):
            self.fail(f"{what} has {len(op.results)} results, not {len(declared)}", start)
        for v, (name, type_, pos) in zip(op.results, declared):
            if v.type is not type_:
                self.fail(f"%{name} is declared {type_}, but {what} gives {v.type}", pos)
            self.define(name, v, pos)
        return op

    def origin(self) -> tuple[Loc | None, str]:
        loc, made_by = None, ""
        if self.have("loc("):
            file = self.string()
            self.need(":")
            line = int(self.take(_INT, "a line number")[0])
            func = ""
            if not self.peek(")"):
                self.need("in")
                self.space()
                func = self.string() if self.peek('"') else self.word("a function's name")
            self.need(")")
            loc = Loc(file, line, func)
        if self.have("by "):
            made_by = self.string()
        return loc, made_by

    # -- types and attributes ---------------------------------------------------------------------

    def type(self) -> TensorType:
        start = self.pos
        m = self.take(_TYPE, "a type, as f64[n, 3]")
        text = m[0]
        found = self.types.get(text)
        if found is None:
            if m[1] not in DTYPES:
                self.fail(f"there is no dtype {m[1]}; they are {', '.join(DTYPES)}", start)
            parts = m[2].split(",") if m[2] else []
            found = tensor(m[1], tuple([self.as_dim(p, start) for p in parts]))
            self.types[text] = found
        return found

    def as_dim(self, text: str, pos: int) -> DimLike:
        try:
            return parse_dim(text)
        except (ValueError, ZeroDivisionError) as err:
            self.fail(f"expected a dim: {err}", pos)

    def dtype(self) -> DType:
        start = self.pos
        name = self.word("a dtype")
        if name not in DTYPES:
            self.fail(f"there is no dtype {name}; they are {', '.join(DTYPES)}", start)
        return DTYPES[name]

    def dim(self) -> DimLike:
        start = self.pos
        return self.as_dim(self.take(_DIM, "a dim")[0], start)

    def integer(self) -> int:
        return int(self.take(_INT, "an integer")[0])

    def boolean(self) -> bool:
        start = self.pos
        word = self.word("true or false")
        if word not in ("true", "false"):
            self.fail("expected true or false", start)
        return word == "true"

    def callee(self) -> Function:
        start = self.pos
        name = self.symbol()
        if name not in self.functions:
            self.fail(f"@{name} is not defined above this place", start)
        return self.functions[name]

    def attrs(self, kinds: dict[str, str]) -> dict[str, Any]:
        self.need("{")
        out: dict[str, Any] = {}
        at_value = 0
        for i, (key, kind) in enumerate(kinds.items()):
            if i:
                self.need(",")
            start = self.pos
            if self.word(f"the attribute {key}") != key:
                self.fail(f"expected the attribute {key}", start)
            self.need("=")
            if kind == "value":
                at_value = self.pos
            out[key] = _KINDS[kind](self)
        self.need("}")
        if at_value:  # only now is its type known
            out["value"] = self.typed_value(out["value"], out["type"], at_value)
        return out

    def value(self) -> Any:
        """A constant's value as it is written: text of a number, a list of them, or bytes."""
        if self.have("["):
            return self.until("]", self.value)
        if self.have("("):
            parts = self.until(")", lambda: self.take(_NUMBER, "a number")[0])
            if len(parts) != 2:
                self.fail("expected (real, imaginary)")
            return tuple(parts)
        if self.have("base64"):
            start = self.pos
            try:
                return b64decode(self.string(), validate=True)
            except binascii.Error:
                self.fail("expected base64 text", start)
        return self.take(_NUMBER, "a number, true, false, a list or base64")[0]

    def typed_value(self, raw: Any, type_: TensorType, pos: int) -> Any:
        try:
            return read_value(raw, type_)
        except (ValueError, TypeError, OverflowError) as err:
            self.fail(f"not a value of type {type_}: {err}", pos)


def _bracketed(item: Callable[[_Parser], Any]) -> Callable[[_Parser], tuple]:
    def read(p: _Parser) -> tuple:
        p.need("[")
        return tuple(p.until("]", lambda: item(p)))

    return read


_KINDS: dict[str, Callable[[_Parser], Any]] = {
    "value": _Parser.value,
    "type": _Parser.type,
    "dtype": _Parser.dtype,
    "dim": _Parser.dim,
    "dims": _bracketed(_Parser.dim),
    "int": _Parser.integer,
    "ints": _bracketed(_Parser.integer),
    "bool": _Parser.boolean,
    "str": _Parser.string,
    "strs": _bracketed(_Parser.string),
    "function": _Parser.callee,
}
