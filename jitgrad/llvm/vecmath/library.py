"""The math functions a module uses: registered by name while its kernels are emitted, written once.

With hardware FMA a function is polynomials in vector IR; without it, and for the rare arguments
a polynomial path is not good for, it is the C library's scalar function lane by lane: slow, but
never wrong. What the C library has not, or not for threads, is the same polynomials with products
split in halves (see `expr.two_product`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial

from ..text import Writer, vec
from .expr import X, any_lane, scalar_type

LANES = (1, 2, 4, 8, 16, 32)
"""Numbers of lanes that functions are made for."""


@dataclass(frozen=True)
class Function:
    """One row of the table; `libm` says that its name is the C library's for f64 too."""

    arity: int
    build: Callable[..., X]
    needs_fma: bool
    libm: bool


FUNCTIONS: dict[str, Function] = {}
"""Every math function by its name."""


def define(
    name: str,
    arity: int,
    build: Callable[..., X],
    *,
    needs_fma: bool = True,
    libm: bool = True,
) -> None:
    """Add a row to :data:`FUNCTIONS`: `build` makes the vector form of :class:`X` arguments."""
    FUNCTIONS[name] = Function(arity, build, needs_fma, libm)


def function(name: str) -> Function:
    """The row of `name`; of `name.n` with `n` given to its builder."""
    stem, _, order = name.partition(".")
    row = FUNCTIONS[stem]
    if not order:
        return row
    return Function(row.arity, partial(row.build, n=int(order)), row.needs_fma, row.libm)


@dataclass
class _Body:
    """The text of one function between its braces, and what it needs from the module."""

    lines: str
    declares: frozenset[str]
    helpers: frozenset[tuple[str, str, int]]


@dataclass
class MathLibrary:
    """Collects the math functions of one module.

    `fma` says that the target has fused multiply-add in hardware. A function is inlined by LLVM
    where all its copies together have at most `inline_limit` lines, and called otherwise: a copy of
    exp costs 2 ms to compile, a call some 0.1 ns an element. `attributes` are added to each
    definition (see `Target.attributes`).

    >>> lib = MathLibrary(fma=True)
    >>> lib.use("exp", "f64", 8)
    '@jg.exp.f64x8'
    >>> print(lib.text().split(" alwaysinline")[0])
    define internal <8 x double> @jg.exp.f64x8(<8 x double> %x)
    """

    fma: bool
    inline_limit: int = 100
    attributes: str = ""
    declares: set[str] = field(default_factory=set)
    """`declare` lines of the whole module; other emitters may add theirs."""
    uses: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _helpers: set[tuple[str, str, int]] = field(default_factory=set)

    def use(self, name: str, dtype: str, lanes: int, n: int | None = None) -> str:
        """The symbol of a function of :data:`FUNCTIONS` on f32 or f64; counts the use.

        `n` is the order of a function that has one, polygamma. The symbol takes and gives
        ``vec(dtype, lanes)``. KeyError for an unknown function, ValueError for a dtype or a number
        of lanes that is not in :data:`LANES`.
        """
        if dtype not in ("f64", "f32") or lanes not in LANES:
            raise ValueError(f"no math functions on {lanes} lanes of {dtype}")
        if n is not None:
            name = f"{name}.{n}"
        function(name)
        key = (name, dtype, lanes)
        self.uses[key] = self.uses.get(key, 0) + 1
        return f"@jg.{name}.{dtype}x{lanes}"

    def per_lane(self, name: str, dtype: str, lanes: int) -> str:
        """The symbol of the C library's function applied lane by lane."""
        self._helpers.add((name, dtype, lanes))
        return f"@jg.libm.{name}.{dtype}x{lanes}"

    def text(self) -> str:
        """Definitions of all functions used, then all of :attr:`declares`."""
        out: list[str] = []
        for key, count in self.uses.items():
            body = _body(*key, self.fma)
            self._helpers |= body.helpers
            self.declares |= body.declares
            short = count * body.lines.count("\n") <= self.inline_limit
            inline = "alwaysinline" if short and "alloca" not in body.lines else "noinline"
            out.append(self._define("jg", key, inline, body.lines))
        for key in sorted(self._helpers):
            body = _body(*key, None)
            self.declares |= body.declares
            out.append(self._define("jg.libm", key, "noinline cold", body.lines))
        out.extend(line + "\n" for line in sorted(self.declares))
        return "".join(out)

    def _define(self, stem: str, key: tuple[str, str, int], inline: str, lines: str) -> str:
        name, dtype, lanes = key
        ty = vec(dtype, lanes)
        params = ", ".join(f"{ty} %{p}" for p in "xy"[: function(name).arity])
        attrs = f"{inline} nounwind willreturn memory(none)"
        if self.attributes:
            attrs += " " + self.attributes
        return (
            f"define internal {ty} @{stem}.{name}.{dtype}x{lanes}({params}) {attrs} {{\n{lines}}}\n"
        )


@lru_cache(maxsize=512)
def _body(name: str, dtype: str, lanes: int, fma: bool | None) -> _Body:
    """The text with hardware FMA, without, or (None) by the C library in any case."""
    row = function(name)
    w = Writer()
    scratch = MathLibrary(bool(fma))
    args = [X(w, scratch, dtype, lanes, "%" + p) for p in "xy"[: row.arity]]
    w.label("entry")
    plain = fma is not None and (fma or not row.needs_fma or not row.libm)
    result = row.build(*args) if plain else _lane_calls(name, args)
    w.line(f"ret {result.type} {result.name}")
    return _Body(w.text(), frozenset(scratch.declares), frozenset(scratch._helpers))


def _lane_calls(name: str, args: list[X]) -> X:
    """The C library's function on each lane, in a loop: short text for any number of lanes."""
    x = args[0]
    w, ty, scalar = x.w, x.type, scalar_type(x)
    symbol = name + ("f" if x.dtype == "f32" else "")
    params = ", ".join([scalar] * len(args))
    x.lib.declares.add(f"declare {scalar} @{symbol}({params}) nounwind willreturn memory(none)")
    if x.lanes == 1:
        operands = ", ".join(f"{scalar} {a.name}" for a in args)
        return x.like(w.op(f"call {scalar} @{symbol}({operands})"))
    buffers = [w.op(f"alloca {ty}, align 16") for _ in args]
    for buffer, a in zip(buffers, args, strict=True):
        w.line(f"store {ty} {a.name}, ptr {buffer}, align 16")
    w.line("br label %lane")
    w.label("lane")
    w.line("%i = phi i64 [ 0, %entry ], [ %next, %lane ]")
    places = [w.op(f"getelementptr {scalar}, ptr {buffer}, i64 %i") for buffer in buffers]
    parts = [w.op(f"load {scalar}, ptr {place}") for place in places]
    y = w.op(f"call {scalar} @{symbol}({', '.join(f'{scalar} {p}' for p in parts)})")
    w.line(f"store {scalar} {y}, ptr {places[0]}")
    w.line("%next = add i64 %i, 1")
    more = w.op(f"icmp ult i64 %next, {x.lanes}")
    w.line(f"br i1 {more}, label %lane, label %done")
    w.label("done")
    return x.like(w.op(f"load {ty}, ptr {buffers[0]}, align 16"))


def rarely(mask: X, usual: X, otherwise: Callable[[], X]) -> X:
    """`usual`, but where `mask` is set in any lane the whole of `otherwise()`, behind a branch."""
    w = usual.w
    test, rare, back, done = (w.fresh_label(s) for s in ("test", "rare", "back", "done"))
    bit = any_lane(mask)
    w.line(f"br label %{test}")
    w.label(test)
    w.line(f"br i1 {bit}, label %{rare}, label %{done}")
    w.label(rare)
    other = otherwise()
    w.line(f"br label %{back}")
    w.label(back)
    w.line(f"br label %{done}")
    w.label(done)
    return usual.like(
        w.op(f"phi {usual.type} [ {usual.name}, %{test} ], [ {other.name}, %{back} ]")
    )


def by_libm(name: str, *args: X) -> X:
    """The C library's function on each lane, out of line."""
    x = args[0]
    symbol = x.lib.per_lane(name, x.dtype, x.lanes)
    operands = ", ".join(f"{x.type} {a.name}" for a in args)
    return x.like(x.w.op(f"call {x.type} {symbol}({operands})"))
