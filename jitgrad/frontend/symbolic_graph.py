"""The graph as programs walk it: `y.owner.op`, `y.owner.inputs`, `f.maker.fgraph.toposort()`.

Views of the IR, made when they are asked for: two views of one operation are equal. What broadcasts
or renames sizes does not show; constants have no owner.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from ..ir.core import Function, Op, Value, reachable
from ..ir.dims import symbol, symbols
from .symbolic import TensorVariable, wrap
from .symbolic_notes import owners

_THROUGH = frozenset(("broadcast", "refine", "wrap_index"))
_HIDDEN = _THROUGH | {"constant"}


class GraphOp:
    """What an operation does, without its operands: `name` and `attrs`; equal if both are."""

    def __init__(self, op: Op) -> None:
        self._op = op

    @property
    def name(self) -> str:
        return self._op.opdef.name

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The attributes of the IR operation."""
        return dict(self._op.attrs)

    @property
    def doc(self) -> str:
        """What it computes, in a line."""
        return self._op.opdef.doc

    def _key(self) -> tuple:
        attrs = tuple([(k, str(a)) for k, a in self._op.attrs.items()])
        return self._op.opdef, attrs, tuple(map(id, self._op.regions))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GraphOp) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._op.opdef)

    def __repr__(self) -> str:
        from .pp import op_label

        return op_label(self._op)


class Apply:
    """One operation of a graph: `op`, `inputs` and `outputs`, which are variables.

    >>> import jitgrad.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> node = (x + y).owner
    >>> node, node.inputs, node.op == (y + x).owner.op
    (add(x, y), [x, y], True)
    """

    def __init__(self, op: Op) -> None:
        self._op = op

    @property
    def op(self) -> GraphOp:
        return GraphOp(self._op)

    @property
    def inputs(self) -> list[TensorVariable]:
        return [wrap(v) for v in operands(self._op)]

    @property
    def outputs(self) -> list[TensorVariable]:
        return [wrap(v) for v in self._op.results]

    @property
    def out(self) -> TensorVariable:
        """The only output."""
        return wrap(self._op.result)

    def default_output(self) -> TensorVariable:
        """The first output."""
        return wrap(self._op.results[0])

    @property
    def nin(self) -> int:
        return len(operands(self._op))

    @property
    def nout(self) -> int:
        return len(self._op.results)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Apply) and self._op is other._op

    def __hash__(self) -> int:
        return id(self._op)

    def __repr__(self) -> str:
        return f"{self.op!r}({', '.join(map(repr, self.inputs))})"


def through(v: Value, stops: Container[int] = ()) -> Value:
    """What is broadcast, or renamed; not behind the values with the ids `stops`."""
    while v.op is not None and v.op.opdef.name in _THROUGH and id(v) not in stops:
        v = v.op.operands[0]
    return v


def operands(op: Op, stops: Container[int] = ()) -> list[Value]:
    """What an operation takes; a size takes the variables that it is a size of."""
    if op.opdef.name == "dim":
        found = [owners.get(symbol(s)) for s in sorted(symbols(op.attrs["expr"]))]
        sources = [o[0]() for o in found if o is not None]
        return list({id(v): v for v in sources if v is not None}.values())
    return [through(v, stops) for v in op.operands]


def owner_of(v: Value) -> Apply | None:
    """The operation that a value comes from; None for inputs and constants."""
    return None if v.op is None or v.op.opdef.name == "constant" else Apply(v.op)


def nodes(outputs: Iterable[Value], inputs: Iterable[Value] = ()) -> list[Apply]:
    """The operations between values, operands before their users."""
    ends = list(inputs)
    stops = {id(v) for v in ends}
    outputs = [through(v, stops) for v in outputs]
    return [Apply(op) for op in reachable(outputs, ends) if op.opdef.name not in _HIDDEN]


class FunctionGraph:
    """The graph of a compiled function: `inputs`, `outputs`, and what is between."""

    def __init__(self, fn: Function) -> None:
        self.inputs = [wrap(p) for p in fn.params]
        self.outputs = [wrap(r) for r in fn.results]

    def toposort(self) -> list[Apply]:
        """All operations, operands before their users."""
        return nodes([v.value for v in self.outputs], [v.value for v in self.inputs])

    @property
    def apply_nodes(self) -> set[Apply]:
        return set(self.toposort())

    @property
    def variables(self) -> set[TensorVariable]:
        """Inputs, outputs, constants and all in between."""
        found = {*self.inputs, *self.outputs}
        for node in self.toposort():
            found.update(node.inputs, node.outputs)
        return found

    def clients(self, variable: TensorVariable) -> Sequence[tuple[Apply | str, int]]:
        """Who uses a variable: (operation or "output", which operand or output it is)."""
        out: list[tuple[Apply | str, int]] = []
        for node in self.toposort():
            out += [(node, k) for k, v in enumerate(node.inputs) if v == variable]
        return out + [("output", k) for k, v in enumerate(self.outputs) if v == variable]

    def __repr__(self) -> str:
        return f"FunctionGraph({', '.join(map(repr, self.outputs))})"
