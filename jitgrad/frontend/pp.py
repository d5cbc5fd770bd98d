"""`pp`, a graph as a formula, and `debugprint`, a graph as a tree.

Infix operators always stand in parentheses; constants are spelled as the user wrote them; what
broadcasts or renames dims does not show; reductions are `sum(x)` or, over some axes,
`sum(x, axis=(0,))`; a product of matrices is `(x \\dot y)`; a transposed matrix `x.T`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir.core import Op, Value
from ..ir.dims import Dim, minimum, symbols
from .symbolic import TensorVariable
from .symbolic_notes import notes, owners

LIMIT = 1_000_000  # characters; a formula repeats what a graph shares, so it can grow without end
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "\\dot",
          "and": "&", "or": "|", "xor": "^"}  # fmt: skip
_THROUGH = frozenset(("broadcast", "refine", "identity", "wrap_index"))
_NAMES = {"select": "switch", "sign": "sgn", "ne": "neq", "not": "invert", "concatenate": "join",
          "stop_gradient": "disconnected_grad"}  # fmt: skip


def pp(variable: Any) -> str:
    """The expression as a formula, as Theano prints it.

    >>> from .symbolic import TensorType
    >>> x = TensorType("float64", ())("x")
    >>> pp(x**2 + 1.5)
    '((x ** 2) + 1.5)'

    Beyond a million characters the text is cut off and ends in "…".
    """
    return _text(_value(variable), LIMIT)


def short(variable: Any, place: int, limit: int = 60) -> str:
    """A name or a short formula for messages; "input 0" where there is neither."""
    v = _value(variable)
    if v is None:
        return f"input {place}"
    if v.name:
        return v.name
    return _text(v, limit) if v.op is not None else f"input {place}"


def _value(variable: Any) -> Value:
    return variable.value if isinstance(variable, TensorVariable) else variable


def _text(root: Value, limit: int) -> str:
    out: list[str] = []
    length = 0
    stack: list[Any] = [root]
    while stack:
        item = stack.pop()
        if item.__class__ is not str:
            stack.extend(reversed(_pieces(item)))
            continue
        out.append(item)
        length += len(item)
        if length > limit:
            return "".join(out)[:limit] + "…"
    return "".join(out)


def _pieces(v: Value) -> list[Any]:
    """The text of a value: strings, and operands still to be written."""
    op = v.op
    if op is None:
        return [v.name or f"<{v.type}>"]
    name, ins = op.opdef.name, list(op.operands)
    if name == "constant":
        return [_constant(op)]
    if name in _THROUGH or (name == "reshape" and _same_but_ones(op)):
        return ins[:1]
    if name == "matmul":
        sides: list[Any] = [[w, ".T"] if op.attrs[f] else [w] for w, f in zip(ins, ("ta", "tb"))]
        return ["(", *sides[0], " \\dot ", *sides[1], ")"]
    if name in _INFIX:
        return ["(", ins[0], f" {_INFIX[name]} ", ins[1], ")"]
    if name == "neg":
        return ["(-", ins[0], ")"]
    if name == "transpose" and op.attrs["perm"] == tuple(range(v.type.rank))[::-1]:
        return [ins[0], ".T"]
    if name == "dim":
        return [dim_text(op.attrs["expr"])]
    if name == "slice":
        note = notes.get(v)
        return [ins[0], "[", _slices(op, note is not None and note.op == "index"), "]"]
    if name == "gather":
        lead = ":, " * op.attrs["axis"]
        return [ins[0], f"[{lead}", ins[1], "]"]
    words: list[Any] = [_NAMES.get(name, name), "("]
    for i, w in enumerate(ins):
        words += [", ", w] if i else [w]
    words += [("" if k == 0 and not ins else ", ") + text for k, text in enumerate(_attrs(op))]
    return [*words, ")"]


def _attrs(op: Op) -> Iterable[str]:
    for key, a in op.attrs.items():
        if key == "axes":
            if a != tuple(range(op.operands[0].type.rank)):
                yield f"axis={a}"
        elif key == "dtype":
            yield f"'{a.np.name}'"
        elif key in ("axis", "perm", "starts", "stops", "lo", "hi"):
            yield f"{key}={a}"
        elif key == "shape":
            yield f"({', '.join(map(dim_text, a))}{',' if len(a) == 1 else ''})"
        elif key == "type":
            yield f"({', '.join(map(dim_text, a.shape))}{',' if len(a.shape) == 1 else ''})"


def _constant(op: Op) -> str:
    spelling, value = op.attrs["spelling"], op.attrs["value"]
    if spelling:
        return spelling
    if isinstance(value, np.ndarray):
        return np.array2string(value, separator=", ", threshold=10).replace("\n", "")
    return repr(value)


def _same_but_ones(op: Op) -> bool:
    def kept(shape: tuple) -> list:
        return [d for d in shape if d.__class__ is Dim or d != 1]

    return kept(op.results[0].type.shape) == kept(op.operands[0].type.shape)


def _slices(op: Op, picks: bool) -> str:
    """What stands in the brackets; `picks` where single elements are cut out for ints."""
    parts = []
    for lo, hi, step, n in zip(op.attrs["starts"], op.attrs["stops"], op.attrs["steps"],
                               op.operands[0].type.shape):  # fmt: skip
        low = "" if lo.__class__ is int and lo == 0 else _bound(lo, n)
        high = "" if hi is n else _bound(hi, n, lo)
        if picks:
            parts.append(dim_text(lo) if low or high else ":")
            continue
        parts.append(f"{low}:{high}" + (f":{step}" if step != 1 else ""))
    while picks and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def _bound(d: Any, n: Any, lo: Any = 0) -> str:
    """A bound of a slice of an axis of size `n`: as the user wrote it, where it was clipped."""
    if d.__class__ is Dim and n.__class__ is Dim:
        base = sum(c for mono, c in n.terms if not mono)
        for mono, _ in d.terms:
            for k in mono[0][1:] if len(mono) == 1 and mono[0].__class__ is tuple else ():
                if k.__class__ is int and d is minimum(n, k + base):
                    return str(k + base)
                if k.__class__ is int and d is n - minimum(n, k + base):
                    return str(-(k + base))
                if k.__class__ is int and d is lo + n - minimum(n, k + base):
                    start = _bound(lo, n)
                    return str(int(start) - k - base) if start.isdigit() else dim_text(d)
    return dim_text(d)


def dim_text(d: Any) -> str:
    """A dim in terms of the variables' shapes: "Shape(x)[0]"."""
    if d.__class__ is not Dim:
        return str(d)
    from .symbolic_dims import describe

    text = repr(d)
    for name in sorted(symbols(d), key=len, reverse=True):
        from ..ir.dims import symbol

        owner = owners.get(symbol(name))
        v = owner[0]() if owner else None
        if owner and v is not None and v.name:
            text = text.replace(name, f"Shape({v.name})[{owner[1]}]")
        elif owner is None:
            text = text.replace(name, describe(name) or name)
    return text


def debugprint(variable: Any, file: Any = None, print_type: bool = False) -> str | None:
    """The graph as a tree, one line a value, with an id; what came before is marked "···".

    Printed, or (file="str") returned. Several variables, or a compiled function, print one tree
    each.

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
    """
    maker = getattr(variable, "maker", None)
    if maker is not None:
        variable = maker.fgraph.outputs
    roots = variable if isinstance(variable, (list, tuple)) else [variable]
    lines: list[str] = []
    ids: dict[int, str] = {}
    stack: list[tuple[Value, str, str]] = [(_value(r), "", "") for r in reversed(roots)]
    while stack:
        v, first, rest = stack.pop()
        known = id(v) in ids
        tag = ids.setdefault(id(v), _letters(len(ids)))
        what = f" <{v.type}>" if print_type else ""
        lines.append(f"{first}{_label(v)} [id {tag}]{what}")
        ins = v.op.operands if v.op is not None else ()
        if known and ins:
            lines.append(f"{rest} └─ ···")
            continue
        for k, w in reversed(list(enumerate(ins))):
            end = k == len(ins) - 1
            stack.append((w, f"{rest} {'└─' if end else '├─'} ", rest + ("   " if end else " │ ")))
    text = "\n".join(lines)
    if file == "str":
        return text
    print(text, file=file)
    return None


def _letters(n: int) -> str:
    out = ""
    n += 1
    while n:
        n, k = divmod(n - 1, 26)
        out = chr(65 + k) + out
    return out


def _label(v: Value) -> str:
    if v.op is None:
        return v.name or f"<{v.type}>"
    if v.op.opdef.name == "constant":
        return _constant(v.op)
    label = _NAMES.get(v.op.opdef.name, v.op.opdef.name)
    attrs = ", ".join(_attrs(v.op))
    return label + (f"{{{attrs}}}" if attrs else "") + (f" '{v.name}'" if v.name else "")
