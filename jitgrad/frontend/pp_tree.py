"""`debugprint`, a graph as a tree; `min_informative_str`, a graph by the names in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..ir.core import Block, Op, Value
from .pp import leaf, op_label
from .symbolic import TensorVariable
from .symbolic_graph import Apply, FunctionGraph, through

# How deep a tree is drawn in full: below, a line says how many levels it leaves out.
DEEP = 40


class Root(NamedTuple):
    """A value whose tree is printed, and what stands before it ("total ← ")."""

    value: Value
    before: str = ""


def roots_of(obj: Any) -> list[Root]:
    """What there is to print of an object: its results, and what it updates.

    Raises `TypeError` for what is no variable, node, graph, compiled function, or list of these.
    """
    if isinstance(obj, TensorVariable):
        return [Root(obj.value)]
    if isinstance(obj, Value):
        return [Root(obj)]
    if isinstance(obj, Apply):
        return [Root(v.value) for v in obj.outputs]
    if isinstance(obj, FunctionGraph):
        return [Root(v.value) for v in obj.outputs]
    if isinstance(obj, (list, tuple)):
        return [r for o in obj for r in roots_of(o)]
    graph = getattr(getattr(obj, "maker", None), "fgraph", None)
    if graph is None:
        raise TypeError("debugprint takes variables, nodes, compiled functions and lists of them, "
                        f"not {type(obj).__name__}")  # fmt: skip
    results = [v.value for v in graph.outputs]
    names = updated(obj)
    first = len(results) - len(names)
    return [Root(v, f"{names[k - first]} ← " if k >= first else "") for k, v in enumerate(results)]


def updated(function: Any) -> list[str]:
    """The names of what a compiled function updates, in the order of its last results."""
    state: Any = getattr(function, "_owner", None)
    out: list[str] = []
    if state is None:
        return out
    for cell in state.targets:
        user = next((i for i in state.inputs if i.cell is cell), None)
        name = str(user.name) if user is not None and user.name else cell.name
        out.append(name or "an unnamed variable")
    return out


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: Any = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
) -> Any:
    """The graph as a tree, one line a value, with an id; what came before is marked "···".

    obj           a variable, a node (`x.owner`), a compiled function (its updates stand behind its
                  results, as "name ← …"), a graph, or a list of those
    depth         how many levels are printed; -1 for all
    print_type    the dtype and the sizes of each value too
    file          where it is printed: a file object (which is returned), "str" for a string that
                  is returned, None for the standard output
    ids           "CHAR" numbers values A, B, …; "int" 0, 1, …; "id" by Python's id; "" not at all
    stop_on_name  print nothing below what has a name

    The bodies of loops and branches follow under "Inner graphs". Levels beyond the 40th are
    drawn from the left margin again, behind the number of those left out.

    >>> from .symbolic import TensorType
    >>> x = TensorType("float64", ())("x")
    >>> y = x * x
    >>> debugprint(y + y)
    add [id A]
     ├─ mul [id B]
     │  ├─ x [id C]
     │  └─ x [id C]
     └─ mul [id B]
        └─ ···

    Raises `TypeError` for what has no graph, `ValueError` for other `ids`.
    """
    if ids not in ("CHAR", "int", "id", "", "AUTO"):
        raise ValueError(f"ids is 'CHAR', 'int', 'id' or '', not {ids!r}")
    lines = list(_lines(roots_of(obj), depth, print_type, ids, stop_on_name))
    text = "\n".join(lines)
    if file == "str":
        return text
    print(text, file=file)
    return file


def _lines(
    roots: Iterable[Root], depth: int, types: bool, ids: str, stop_on_name: bool
) -> Iterator[str]:
    tags: dict[int, str] = {}

    def tag(v: Value) -> str:
        found = tags.get(id(v))
        if found is None:
            number = len(tags)
            found = {"int": str(number), "id": str(id(v))}.get(ids) or letters(number)
            tags[id(v)] = found
        return f" [id {found}]" if ids else ""

    inner: dict[int, Value] = {}
    done: set[int] = set()
    names: dict[int, str] = {}  # of parameters
    todo = list(roots)
    while True:
        yield from _tree(todo, depth, types, stop_on_name, tag, done, inner, names)
        if not inner:
            return
        v = inner.pop(next(iter(inner)))
        op = v.op
        assert op is not None
        yield ""
        yield f"Inner graphs of {label(v)}{tag(v)}:"
        todo = [r for k, block in enumerate(op.regions) for r in _inside(op, k, block)]
        for block in op.regions:
            outer = op.operands[len(op.operands) - len(block.params) :]
            for k, (p, w) in enumerate(zip(block.params, outer)):
                if p is not w and p.op is None:
                    source = tag(through(w)).replace("[id", "from [id")
                    names[id(p)] = f"{p.name or f'*{k}'}{source}"


def _inside(op: Op, k: int, block: Block) -> list[Root]:
    """The results of a region, each with what it becomes."""
    before = ""
    if op.opdef.name == "cond":
        before = "else: " if k else "then: "
    out = []
    carries = op.attrs.get("carries", 0) if op.opdef.name == "scan" else 0
    for i, v in enumerate(block.results):
        if op.opdef.name == "scan":
            before = "next state: " if i < carries else "element: "
        out.append(Root(v, before))
    return out


def _tree(
    roots: Iterable[Root], depth: int, types: bool, stop_on_name: bool, tag: Any, done: set[int],
    inner: dict[int, Value], names: dict[int, str],
) -> Iterator[str]:  # fmt: skip
    # value, text before its line, bars of the lines below, level
    stack = [(r.value, r.before, "", 1) for r in roots][::-1]
    while stack:
        v, first, bars, level = stack.pop()
        v = through(v)
        if depth >= 0 and level > depth:
            continue
        known = id(v) in done
        done.add(id(v))
        what = f" <{v.type}>" if types else ""
        yield f"{first}{names.get(id(v)) or label(v)}{tag(v)}{what}"
        op = v.op
        if op is None or op.opdef.name == "constant" or (stop_on_name and v.name):
            continue
        if op.regions and not known and op.opdef.name != "kernel":
            inner.setdefault(id(op), v)
        ins = op.operands
        if not ins or (depth >= 0 and level >= depth):
            continue
        if known:
            yield f"{_margin(bars, level)} └─ ···"
            continue
        for k in range(len(ins) - 1, -1, -1):
            last = k == len(ins) - 1
            head = f"{_margin(bars, level)} {'└─' if last else '├─'} "
            stack.append((ins[k], head, (bars + ("   " if last else " │ "))[-3 * DEEP :],
                          level + 1))  # fmt: skip


def _margin(bars: str, level: int) -> str:
    """The bars before a line; of a deep one only the last, behind the number of those left out."""
    return bars if level <= DEEP + 1 else f"⋯{level - 1 - DEEP}{bars}"


def letters(n: int) -> str:
    """A, B, … Z, AA, AB …"""
    out = ""
    n += 1
    while n:
        n, k = divmod(n - 1, 26)
        out = chr(65 + k) + out
    return out


def label(v: Value) -> str:
    """What a line says of a value: its op with attributes and its name."""
    if v.op is None:
        return leaf(v)
    text = op_label(v.op)
    if len(v.op.results) > 1:
        text += f".{v.index}"
    named = v.name and v.op.opdef.name != "constant"
    return text + (f" '{v.name}'" if named else "")


def min_informative_str(obj: Any, indent_level: int = 0, _prev_obs: Any = None,
                        _tag_generator: Any = None) -> str:  # fmt: skip
    """The least that tells a graph: a line a value, down to what has a name.

    Each line has a letter; what came before is its letter in brackets.

    >>> import jitgrad.tensor as T
    >>> A, B = T.dmatrices("A", "B")
    >>> C = A + B
    >>> C.name = "C"
    >>> D, E = T.dmatrices("D", "E")
    >>> print(min_informative_str(C + (D + E)))
    A. add
     B. C
     C. add
      D. D
      E. E
    """
    known: dict[int, str] = {}
    lines: list[str] = []
    stack = [(r.value, indent_level) for r in roots_of(obj)][::-1]
    while stack:
        v, level = stack.pop()
        v = through(v)
        found = known.get(id(v))
        if found is not None:
            lines.append(f"{' ' * level}<{found}>")
            continue
        known[id(v)] = name = letters(len(known))
        named = v.name or v.op is None
        lines.append(f"{' ' * level}{name}. {(v.name or leaf(v)) if named else label(v)}")
        if not named and v.op is not None:
            stack += [(w, level + 1) for w in v.op.operands[::-1]]
    return "\n".join(lines)
