"""Values, operations, blocks, functions: an immutable SSA graph.

An operation never changes once made, and nobody keeps a list of its users. So operations can be
shared between functions, a front end can simply make them (a graph in the air) and let `function`
cut out what a result needs, and a transform returns new operations beside the old ones. Every
operation takes a serial number when it is made, operands always before users: sorting by it puts
any set of reachable operations into a valid order, the program's own, without recursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from ..errors import Loc, MissingInputError
from .dims import Dim, symbols
from .types import TensorType

if TYPE_CHECKING:
    from .ops.base import OpDef

_serial = count()
NO_ATTRS: Mapping[str, Any] = {}


def serial() -> int:
    """A serial number above those of all operations so far; later ones come after it."""
    return next(_serial)


class Value:
    """One SSA value: its type, the operation that makes it (None for a parameter), its name."""

    __slots__ = ("__weakref__", "index", "name", "op", "type")

    def __init__(self, type: TensorType, op: Op | None = None, index: int = 0, name: str = ""):
        self.type = type
        self.op = op
        self.index = index
        self.name = name

    def __repr__(self) -> str:
        made = f" = {self.op.opdef.name}" if self.op is not None else ""
        return f"<%{self.name or '?'}: {self.type}{made}>"


class Op:
    """One operation. `attrs` stand in the order of the op's row; `regions` are blocks.

    `loc` is the user's line, `made_by` what put it there ("vjp(exp)", "recip-exp"), "" for the
    user's own.
    """

    __slots__ = ("attrs", "loc", "made_by", "opdef", "operands", "regions", "results", "serial")

    def __init__(
        self,
        opdef: OpDef,
        operands: tuple[Value, ...],
        attrs: Mapping[str, Any],
        types: tuple[TensorType, ...],
        regions: tuple[Block, ...] = (),
        loc: Loc | None = None,
        made_by: str = "",
    ) -> None:
        self.opdef = opdef
        self.operands = operands
        self.attrs = attrs
        self.regions = regions
        self.loc = loc
        self.made_by = made_by
        self.serial = next(_serial)
        if len(types) == 1:
            self.results: tuple[Value, ...] = (Value(types[0], self),)
        else:
            self.results = tuple([Value(t, self, i) for i, t in enumerate(types)])

    @property
    def name(self) -> str:
        return self.opdef.name

    @property
    def result(self) -> Value:
        """The only result."""
        (out,) = self.results
        return out

    def __repr__(self) -> str:
        ins = ", ".join(map(repr, self.operands))
        return f"<{self.opdef.name} {ins} {dict(self.attrs)}>"


_new_op, _new_value = Op.__new__, Value.__new__


def remade(
    op: Op, operands: tuple[Value, ...], type: TensorType | None = None, name: str = ""
) -> Op:
    """`op` again on other operands, with one result: of its old type, or of `type`.

    What `Op(...)` does, without a question asked: rewriting a graph makes each op at least once.
    """
    new = _new_op(Op)
    new.opdef, new.operands, new.attrs, new.regions = op.opdef, operands, op.attrs, op.regions
    new.loc, new.made_by, new.serial = op.loc, op.made_by, next(_serial)
    v = _new_value(Value)
    v.type = op.results[0].type if type is None else type
    v.op, v.index, v.name = new, 0, name
    new.results = (v,)
    return new


class Block:
    """Straight-line code with parameters and results: a function's body or an op's region.

    A region sees no value from outside but its parameters (loops inside a kernel are the one
    exception: they see what the kernel around them computed).
    """

    __slots__ = ("__weakref__", "ops", "params", "results")

    def __init__(
        self, params: Sequence[Value], ops: Sequence[Op], results: Sequence[Value]
    ) -> None:
        self.params = tuple(params)
        self.ops = tuple(ops)
        self.results = tuple(results)


class Function:
    """A named block with its dim symbols: what is printed, transformed, compiled and called.

    `layouts` says for each parameter how its data lie: "c" (C-contiguous) or "strided".
    """

    __slots__ = ("__weakref__", "body", "cache", "layouts", "name")

    def __init__(self, name: str, body: Block, layouts: Sequence[str] | None = None) -> None:
        self.name = name
        self.body = body
        self.layouts = tuple(layouts) if layouts is not None else ("c",) * len(body.params)
        self.cache: dict[Any, Any] = {}  # derived functions (jvp, vjp, batched), made once

    @property
    def params(self) -> tuple[Value, ...]:
        return self.body.params

    @property
    def results(self) -> tuple[Value, ...]:
        return self.body.results

    @property
    def ops(self) -> tuple[Op, ...]:
        return self.body.ops

    @property
    def dims(self) -> tuple[str, ...]:
        """Dim symbols in the order in which the parameters bring them."""
        return dim_names(p.type for p in self.body.params)

    def with_body(self, body: Block) -> Function:
        return Function(self.name, body, self.layouts)

    def __repr__(self) -> str:
        return f"<func @{self.name}: {len(self.ops)} ops>"


def dim_names(types: Iterable[TensorType]) -> tuple[str, ...]:
    """Symbols of `types`, each once, in order of appearance."""
    seen: dict[str, None] = {}
    for t in types:
        for d in t.shape:
            if d.__class__ is Dim:
                for s in sorted(symbols(d)):
                    seen.setdefault(s)
    return tuple(seen)


def reachable(outputs: Iterable[Value], stop: Iterable[Value] = (), since: int = -1) -> list[Op]:
    """The operations that `outputs` need, in order; the walk ends at the values in `stop`.

    Operations older than the serial number `since` are left out: none of them can depend on a
    value made later. Linear in the number of operations, without recursion.
    """
    stopped = {id(v) for v in stop}
    seen: set[int] = set()
    found: list[Op] = []
    stack = [v.op for v in outputs if v.op is not None and id(v) not in stopped]
    while stack:
        op = stack.pop()
        if id(op) in seen or op.serial < since:
            continue
        seen.add(id(op))
        found.append(op)
        for v in op.operands:
            if v.op is not None and id(v.op) not in seen and id(v) not in stopped:
                stack.append(v.op)
    found.sort(key=_by_serial)
    return found


def _by_serial(op: Op) -> int:
    return op.serial


def function(
    name: str,
    params: Sequence[Value],
    results: Sequence[Value],
    effects: Sequence[Op] = (),
    layouts: Sequence[str] | None = None,
) -> Function:
    """Cut a function out of the graph: what `results` and `effects` need, down to `params`.

    Raises `MissingInputError` where they need another parameter.
    """
    return Function(name, block(params, results, effects), layouts)


def block(params: Sequence[Value], results: Sequence[Value], effects: Sequence[Op] = ()) -> Block:
    """Like `function`, for a region."""
    roots = [*results, *(v for e in effects for v in e.operands)]
    ops = reachable(roots, params)
    if effects:
        have = {id(op) for op in ops}
        ops += [e for e in effects if id(e) not in have]
        ops.sort(key=_by_serial)
    known = {id(p) for p in params}
    for v in (*roots, *(v for op in ops for v in op.operands)):
        if v.op is None and id(v) not in known:
            raise MissingInputError(
                f"the graph depends on {v.name or 'an unnamed variable'}, "
                f"of type {v.type}, which is not among the inputs"
            )
    return Block(params, ops, results)
