"""What a graph consists of: `inputs`, `ancestors`, `toposort`, `Apply` …; and `clone`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .frontend.symbolic import TensorConstant, TensorVariable, wrap
from .frontend.symbolic_clone import clone, clone_replace
from .frontend.symbolic_graph import Apply, FunctionGraph, nodes, operands
from .ir.core import Value

__all__ = ["Apply", "Constant", "FunctionGraph", "Variable", "ancestors", "clone", "clone_replace",
           "graph_inputs", "inputs", "io_toposort", "is_in_ancestors", "toposort",
           "variables"]  # fmt: skip

Variable, Constant = TensorVariable, TensorConstant


def inputs(
    variables: Any, blockers: Iterable[TensorVariable] | None = None
) -> list[TensorVariable]:
    """The variables without a graph of their own that `variables` are made of, constants too.

    `blockers` end the walk, and are among the results where they are met.

    >>> import jitgrad.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> inputs([x * y + x])
    [x, y]
    """
    return [v for v in ancestors(variables, blockers) if _end(v) or v in set(blockers or ())]


def _end(v: TensorVariable) -> bool:
    return v.value.op is None or v.value.op.opdef.name == "constant"


def ancestors(
    variables: Any, blockers: Iterable[TensorVariable] | None = None
) -> list[TensorVariable]:
    """`variables` and all that they are made of, each once; the walk ends at `blockers`."""
    ends = {id(v.value) for v in blockers or ()}
    roots = variables if isinstance(variables, (list, tuple)) else [variables]
    stack = [v.value for v in roots][::-1]
    seen: dict[int, Value] = {}
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen[id(v)] = v
        if v.op is not None and id(v) not in ends:
            stack += operands(v.op, ends)[::-1]
    return [_variable(v) for v in seen.values()]


def toposort(outputs: Any, inputs: Iterable[TensorVariable] = ()) -> list[Apply]:
    """The operations that `outputs` are made by, operands before users; the walk ends at `inputs`.

    >>> import jitgrad.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> toposort(T.exp(x + y))
    [add(x, y), exp(add.0)]
    """
    roots = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return nodes([v.value for v in roots], [v.value for v in inputs])


def io_toposort(inputs: Iterable[TensorVariable], outputs: Any) -> list[Apply]:
    """`toposort`, with its arguments the other way round."""
    return toposort(outputs, inputs)


def variables(inputs: Iterable[TensorVariable], outputs: Any) -> set[TensorVariable]:
    """All variables between `inputs` and `outputs`, these among them."""
    return set(ancestors(outputs, inputs))


graph_inputs = inputs


def _variable(v: Value) -> TensorVariable:
    found = getattr(v, "variable", None)
    return found if found is not None else wrap(v)


def is_in_ancestors(variable: TensorVariable, other: TensorVariable) -> bool:
    """Whether `other` is `variable`, or something that it is made of."""
    return any(v == other for v in ancestors([variable]))
