"""Symbolic dims: integers and polynomials over symbols, //, % and min, in one canonical form.

A static dim is a Python int. A symbolic one is a `Dim`, interned, so that `is` (and `==`) decides
equality of canonical forms: sound, but incomplete (`(n*n)//n` is not found equal to `n`); what
cannot be decided is for the caller to guard. A `Dim` is deliberately no subclass of int: C code
reads those without asking, and no guard would be recorded.

The same expressions index kernels: there the symbols are loop variables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, Union
from weakref import WeakValueDictionary

from ..errors import JitgradError

# A monomial is a sorted tuple of atoms (repeated for powers); an atom is a symbol's name or
# ("//" | "%" | "min", left, right).
Mono = tuple
DimLike = Union[int, "Dim"]

_interned: WeakValueDictionary[tuple, Dim] = WeakValueDictionary()
_lock = Lock()


def _after_fork_child() -> None:
    global _lock
    _lock = Lock()  # a thread that does not exist here may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_child)


def _key(mono: Mono) -> tuple:
    return (len(mono), [a if isinstance(a, str) else _atom_text(a) for a in mono])


def _atom_text(atom: Any) -> str:
    if isinstance(atom, str):
        return atom
    kind, a, b = atom
    gap = " " if kind == "min" else ""
    return f"{_operand(a)}{gap}{kind}{gap}{_operand(b)}"


def _operand(d: DimLike) -> str:
    """`d` beside //, % or min, in parentheses unless it is one symbol or number."""
    if isinstance(d, Dim):
        ((mono, c), *rest) = d.terms
        simple = not rest and c == 1 and len(mono) == 1 and isinstance(mono[0], str)
        return mono[0] if simple else f"({d})"
    return str(d) if d >= 0 else f"({d})"


class Dim:
    """A symbolic dim in canonical form: a sum of integer multiples of monomials.

    >>> n = symbol("n")
    >>> 2 * (n + 1) - n
    n + 2
    >>> (4 * n + 8) // 4
    n + 2
    >>> n + 1 is 1 + n
    True
    """

    __slots__ = ("__weakref__", "_hash", "terms")
    terms: tuple[tuple[Mono, int], ...]
    _hash: int

    def __hash__(self) -> int:
        return self._hash

    # equality is identity: the default, and what interning makes true
    def __bool__(self) -> bool:
        raise JitgradError(f"the truth of the symbolic dim {self} is not known")

    def __add__(self, other: DimLike) -> DimLike:
        if other.__class__ is int:
            return self if other == 0 else _sum(((self, 1), (other, 1)))
        return _sum(((self, 1), (other, 1))) if isinstance(other, (int, Dim)) else NotImplemented

    __radd__ = __add__

    def __neg__(self) -> DimLike:
        return _sum(((self, -1),))

    def __sub__(self, other: DimLike) -> DimLike:
        return _sum(((self, 1), (other, -1)))

    def __rsub__(self, other: DimLike) -> DimLike:
        return _sum(((other, 1), (self, -1)))

    def __mul__(self, other: DimLike) -> DimLike:
        if other.__class__ is int:
            return self if other == 1 else _sum(((self, int(other)),))
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        out: dict[Mono, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(other):
                m = tuple(sorted(m1 + m2, key=_atom_text))
                out[m] = out.get(m, 0) + c1 * c2
        return _make(out)

    __rmul__ = __mul__

    def __floordiv__(self, other: DimLike) -> DimLike:
        return floordiv(self, other)

    def __rfloordiv__(self, other: DimLike) -> DimLike:
        return floordiv(other, self)

    def __mod__(self, other: DimLike) -> DimLike:
        return mod(self, other)

    def __rmod__(self, other: DimLike) -> DimLike:
        return mod(other, self)

    def __repr__(self) -> str:
        parts: list[str] = []
        for mono, c in self.terms:
            # a minus in front binds tighter than the // behind it, one in the middle does not
            alone = len(mono) == 1 and (c == 1 or (c == -1 and bool(parts)))
            body = "*".join(
                a if isinstance(a, str) else _atom_text(a) if alone else f"({_atom_text(a)})"
                for a in mono
            )
            if not body:
                text = str(abs(c))
            elif abs(c) == 1:
                text = body
            else:
                text = f"{abs(c)}*{body}"
            sign = ("-" if c < 0 else "") if not parts else (" - " if c < 0 else " + ")
            parts.append(sign + text)
        return "".join(parts)

    def __reduce__(self) -> tuple:
        from .dim_parser import parse_dim

        return parse_dim, (repr(self),)

    def __deepcopy__(self, memo: dict) -> Dim:
        return self


def _terms(d: DimLike) -> tuple[tuple[Mono, int], ...]:
    if isinstance(d, Dim):
        return d.terms
    return (((), int(d)),) if d else ()


def _make(terms: dict[Mono, int]) -> DimLike:
    items = [(m, c) for m, c in terms.items() if c]
    if not items:
        return 0
    if len(items) == 1 and items[0][0] == ():
        return items[0][1]
    if len(items) > 1:
        # constants last, then by degree and name: the way people write them
        items.sort(key=lambda mc: (mc[0] == (), *_key(mc[0])))
    key = tuple(items)
    dim = _interned.get(key)
    if dim is None:
        dim = Dim()
        dim.terms = key
        dim._hash = hash(key)
        with _lock:  # setdefault of a weak dictionary is not atomic
            dim = _interned.setdefault(key, dim)
    return dim


def _sum(parts: Iterable[tuple[DimLike, int]]) -> DimLike:
    out: dict[Mono, int] = {}
    for d, k in parts:
        for m, c in _terms(d):
            out[m] = out.get(m, 0) + c * k
    return _make(out)


def symbol(name: str) -> Dim:
    """The dim that stands for one unknown size (or, in kernels, for a loop variable)."""
    dim = _make({(name,): 1})
    assert isinstance(dim, Dim)
    return dim


def floordiv(a: DimLike, b: DimLike) -> DimLike:
    """`a // b` with Python's meaning; whole multiples of an integer `b` come out of the quotient.

    >>> n = symbol("n")
    >>> floordiv(6 * n + 3, 3), floordiv(n + 5, 2)
    (2*n + 1, (n + 1)//2 + 2)
    """
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if isinstance(b, int):
        if b == 1:
            return a
        if b < 0:
            return floordiv(-1 * a, -b)
        whole = {m: c // b for m, c in _terms(a)}
        rest = _make({m: c % b for m, c in _terms(a)})
        if isinstance(rest, int):  # 0 <= rest < b
            return _make(whole)
        return _make(whole) + _make({(("//", rest, b),): 1})
    if a is b:
        return 1
    if a == 0:
        return 0
    return _make({(("//", a, b),): 1})


def mod(a: DimLike, b: DimLike) -> DimLike:
    """`a % b` with Python's meaning."""
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if isinstance(b, int):
        if b == 1 or b == -1:
            return 0
        if b > 0:
            a = _make({m: c % b for m, c in _terms(a)})
            if isinstance(a, int):
                return a
    if a is b or a == 0:
        return 0
    return _make({(("%", a, b),): 1})


def minimum(a: DimLike, b: DimLike) -> DimLike:
    """The lesser of two dims; symbols are sizes or indices, and so never negative.

    >>> n = symbol("n")
    >>> minimum(n, 100), minimum(n, n + 1), minimum(0, n), minimum(minimum(n, 3), minimum(n, 1))
    (n min 100, n, 0, n min 1)
    """
    least: list[DimLike] = []
    for d in (*_choices(a), *_choices(b)):
        if not any(_below(c, d) for c in least):
            least = [*(c for c in least if not _below(d, c)), d]
    if len(least) > 1:  # one spelling of all orders: by text, the number last
        least.sort(key=lambda d: (isinstance(d, int), repr(d)))
    out = least[0]
    for d in least[1:]:
        out = _make({(("min", out, d),): 1})
    return out


def _choices(d: DimLike) -> tuple[DimLike, ...]:
    """What `d` is the least of."""
    if isinstance(d, Dim) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1:
        atom = d.terms[0][0][0]
        if not isinstance(atom, str) and atom[0] == "min":
            return (*_choices(atom[1]), *_choices(atom[2]))
    return (d,)


def _below(a: DimLike, b: DimLike) -> bool:
    """True where `a <= b` is plain."""
    gap = _sum(((b, 1), (a, -1)))
    if isinstance(gap, int):
        return gap >= 0
    return all(c > 0 and all(a.__class__ is str for a in mono) for mono, c in gap.terms)


def maximum(a: DimLike, b: DimLike) -> DimLike:
    """The greater of two dims, `a + b - minimum(a, b)`."""
    low = minimum(a, b)
    return b if low is a else a if low is b else _sum(((a, 1), (b, 1), (low, -1)))


def nonnegative(d: DimLike) -> bool:
    """True where `d >= 0` is certain, whatever sizes its symbols stand for.

    >>> n = symbol("n")
    >>> nonnegative(n * n + 1), nonnegative(n - minimum(n, 5)), nonnegative(n - 1)
    (True, True, False)
    """
    if not isinstance(d, Dim):
        return d >= 0
    # those that count in favour first: there both cases must hold, of the others either
    for mono, c in sorted(d.terms, key=lambda t: -t[1]) if len(d.terms) > 1 else d.terms:
        if len(mono) == 1 and mono[0][0] == "min" and not isinstance(mono[0], str):
            _, a, b = mono[0]  # it is one of the two; with a minus, at least the one as the other
            rest = d - c * _make({mono: 1})
            first = nonnegative(rest + c * a)
            return first and nonnegative(rest + c * b) if c > 0 else (
                first or nonnegative(rest + c * b))  # fmt: skip
    return all(c >= 0 and all(map(_nonnegative_atom, mono)) for mono, c in d.terms)


def _nonnegative_atom(atom: Any) -> bool:
    if isinstance(atom, str):
        return True
    kind, a, b = atom
    if kind == "min":
        return nonnegative(a) and nonnegative(b)
    return nonnegative(b) and (kind == "%" or nonnegative(a))


ATOMS: dict[str, Callable[[DimLike, DimLike], DimLike]] = {"//": floordiv, "%": mod, "min": minimum}


def ceildiv(a: DimLike, b: DimLike) -> DimLike:
    """The least integer not below `a / b`."""
    return -1 * floordiv(-1 * a, b)


def product(dims: Iterable[DimLike]) -> DimLike:
    """The number of elements of a shape."""
    out: DimLike = 1
    for d in dims:
        out = out * d
    return out


def symbols(d: DimLike, into: set[str] | None = None) -> set[str]:
    """The names that `d` depends on."""
    out = set() if into is None else into
    for mono, _ in _terms(d):
        for atom in mono:
            if isinstance(atom, str):
                out.add(atom)
            else:
                symbols(atom[1], out)
                symbols(atom[2], out)
    return out


def substitute(d: DimLike, env: Mapping[str, DimLike]) -> DimLike:
    """`d` with symbols replaced; an int when all of them become ints.

    >>> substitute(symbol("n") * 2 + 1, {"n": 5})
    11
    """
    if not isinstance(d, Dim):
        return d
    if len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1:
        atom = d.terms[0][0][0]
        if isinstance(atom, str):
            return env.get(atom, d)
    out: DimLike = 0
    for mono, c in d.terms:
        term: DimLike = c
        for atom in mono:
            if isinstance(atom, str):
                term = term * env.get(atom, symbol(atom))
            else:
                kind, a, b = atom
                term = term * ATOMS[kind](substitute(a, env), substitute(b, env))
        out = out + term
    return out


def evaluate(d: DimLike, env: Mapping[str, int]) -> int:
    """The number that `d` is where every symbol has a value."""
    out = substitute(d, env)
    if isinstance(out, Dim):
        raise JitgradError(f"the dim {d} needs {sorted(symbols(out))}")
    return out
