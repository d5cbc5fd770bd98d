"""Dims from their text: `parse_dim` reads what a dim prints as."""

from __future__ import annotations

import re
from collections.abc import Callable

from .dims import ATOMS, DimLike, symbol


class _Reader:
    """Recursive descent over `+ - * // % min ( )`; never Python's own evaluator."""

    def __init__(self, text: str, make: Callable[[str], DimLike]) -> None:
        self.make = make
        self.tokens = re.findall(r"[A-Za-z_$][\w.$]*|\d+|//|[-+*%()]|\S", text)
        self.pos = 0
        self.text = text

    def peek(self) -> str:
        return self.tokens[self.pos] if self.pos < len(self.tokens) else ""

    def take(self) -> str:
        self.pos += 1
        return self.tokens[self.pos - 1] if self.pos <= len(self.tokens) else ""

    def sum(self) -> DimLike:
        out = self.term()
        while self.peek() in ("+", "-"):
            out = out + self.term() if self.take() == "+" else out - self.term()
        return out

    def term(self) -> DimLike:
        out = self.atom()
        while self.peek() in ("*", *ATOMS):
            kind, right = self.take(), self.atom()
            out = out * right if kind == "*" else ATOMS[kind](out, right)
        return out

    def atom(self) -> DimLike:
        tok = self.take()
        if tok == "-":
            return -1 * self.atom()
        if tok == "(":
            out = self.sum()
            if self.take() != ")":
                raise ValueError(f"a ) is missing in the dim {self.text!r}")
            return out
        if tok.isdigit():
            return int(tok)
        if tok and (tok[0].isalpha() or tok[0] in "_$"):
            return self.make(tok)
        raise ValueError(f"not a dim: {self.text!r}")


def parse_dim(text: str) -> DimLike:
    """The dim that prints as `text`.

    >>> parse_dim("2*n + (m + 1)//2 - 3")
    (m + 1)//2 + 2*n - 3
    """
    reader = _Reader(text, symbol)
    out = reader.sum()
    if reader.peek():
        raise ValueError(f"not a dim: {text!r}")
    return out
