"""What an op of a graph in the air assumes about dims, as data: relations with their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..errors import Loc, ShapeError, at
from ..ir.core import Op
from ..ir.dims import Dim, DimLike, evaluate, nonnegative, substitute
from .pp import dim_text, short
from .symbolic_notes import EMPTY, Note, dim_notes, either, notes
from .symbolic_ops import mismatch


class Check(NamedTuple):
    """One relation of dims, in the graph's own symbols, with what its failure says."""

    lhs: DimLike
    cmp: str
    rhs: DimLike
    loc: Loc | None
    note: Note | None
    names: tuple[str, ...] = ()
    shapes: tuple[tuple[DimLike, ...], ...] = ()

    def fails(self, env: Mapping[str, int]) -> bool:
        a, c = evaluate(self.lhs, env), evaluate(self.rhs, env)
        return a != c if self.cmp == "eq" else a < c

    def error(self, env: Mapping[str, DimLike]) -> Exception:
        """The error; sizes that `env` does not know stay symbols."""
        shapes = [tuple(substitute(d, env) for d in s) for s in self.shapes]
        note = self.note
        if note is not None and note.places:
            text = mismatch(note.op, self.names, note.places, shapes)
        else:
            a, c = substitute(self.lhs, env), substitute(self.rhs, env)
            what = note.text if note is not None else "sizes do not fit"
            sizes = f"{dim_text(self.lhs)} is {a}, but must be {dim_text(self.rhs)}"
            if self.cmp == "ge":
                sizes = f"{dim_text(self.lhs)} is {a}, less than {dim_text(self.rhs)}"
            elif c.__class__ is int and self.rhs.__class__ is Dim:
                sizes += f" = {c}"
            seen = "; ".join(
                f"{n} has shape ({', '.join(map(str, s))}{',' if len(s) == 1 else ''})"
                for n, s in zip(self.names, shapes)
            )
            text = f"{what}: {sizes}" + (f"\n  {seen}" if seen else "")
        kind = note.error if note is not None and note.error is not None else ShapeError
        return kind(at(text, self.loc))


def at_least(a: DimLike, least: int) -> bool:
    """True where `a >= least` whatever the sizes are."""
    return nonnegative(a - least)


def relations(op: Op, branch: bool = False) -> Iterator[Check]:
    """What an op, maybe in a branch, assumes about dims, as far as it is not plain."""
    name = op.opdef.name
    if name == "refine":
        for a, c in zip(op.operands[0].type.shape, op.results[0].type.shape):
            if a is not c and a != c and not (branch and (_either(a, c) or _either(c, a))):
                yield _check(op, a, "eq", c)
    elif name == "reshape":
        x, y = op.operands[0].type, op.results[0].type
        if not (x.static and y.static) and x.size is not y.size:
            yield _check(op, x.size, "eq", y.size)
    elif name == "slice":
        bounds = (op.attrs[k] for k in ("starts", "stops"))
        for n, lo, hi in zip(op.operands[0].type.shape, *bounds):
            if hi is n and lo.__class__ is int and lo == 0:
                continue
            if not at_least(n - hi, 0):
                yield _check(op, n, "ge", hi)
            if not at_least(lo, 0):
                yield _check(op, lo, "ge", 0)
            if not at_least(hi - lo, 0):
                yield _check(op, hi, "ge", lo)
    elif name == "pad" and op.results[0] in notes:
        for d in (*op.attrs["lo"], *op.attrs["hi"]):
            if d.__class__ is Dim and not at_least(d, 0):
                yield _check(op, d, "ge", 0)
    elif name in ("iota", "constant"):
        for d in op.results[0].type.shape:
            if d.__class__ is Dim and not at_least(d, 0):
                yield _check(op, d, "ge", 0)
    elif name in ("max", "min", "argmax", "argmin"):
        axes = op.attrs["axes"] if "axes" in op.attrs else (op.attrs["axis"],)
        for i in axes:
            d = op.operands[0].type.shape[i]
            if d.__class__ is Dim:
                yield _check(op, d, "ge", 1)


def _either(size: DimLike, a: DimLike) -> bool:
    """Whether `size` is `a` wherever the branch for it is taken."""
    return size.__class__ is Dim and a in either.get(size, ())


def _check(op: Op, lhs: DimLike, cmp: str, rhs: DimLike) -> Check:
    note, loc = notes.get(op.results[0]), op.loc
    if note is None and cmp == "eq":
        for one, other in ((lhs, rhs), (rhs, lhs)):
            found = dim_notes.get(one, {}).get(repr(other)) if one.__class__ is Dim else None
            if found is not None:
                note, loc = found
                break
    if note is None:
        name = op.opdef.name
        if name in ("max", "min"):
            what = EMPTY.format(name)
        elif name in ("argmax", "argmin"):
            what = f"attempt to get {name} of an empty sequence"
        else:
            what = f"{name}: sizes do not fit"
        note = Note(name, (), text=what)
    values = [r() for r in note.operands]
    if any(v is None for v in values):
        return Check(lhs, cmp, rhs, loc, note._replace(places=(), operands=()))
    names = tuple([short(v, i) for i, v in enumerate(values)])
    return Check(lhs, cmp, rhs, loc, note, names, tuple([v.type.shape for v in values if v]))
