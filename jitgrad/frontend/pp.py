"""`pp`, a graph as a formula.

Infix operators always stand in parentheses; constants are spelled as the user wrote them; what
broadcasts or renames dims does not show; reductions are `sum(x)` or, over some axes,
`sum(x, axis=(0,))`; a product of matrices is `(x \\dot y)`; a transposed matrix `x.T`; a part of a
tensor is what the user wrote, `x[1:-1]`. What has no form of its own is `name(operands, attr=…)`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from ..ir.core import Function, Op, Value
from ..ir.dims import Dim, minimum, symbols
from .symbolic import TensorVariable
from .symbolic_notes import notes, owners, written

LIMIT = 1_000_000  # characters; a formula repeats what a graph shares, so it can grow without end
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%",
          "pow": "**", "ipow": "**", "and": "&", "or": "|", "xor": "^", "shl": "<<",
          "shr": ">>"}  # fmt: skip
_THROUGH = frozenset(("broadcast", "refine", "identity", "wrap_index", "nonnegative"))
# Theano's names
NAMES = {"select": "switch", "sign": "sgn", "ne": "neq", "not": "invert", "concatenate": "join",
         "stop_gradient": "disconnected_grad", "cond": "ifelse", "asin": "arcsin",
         "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
         "acosh": "arccosh", "atanh": "arctanh", "rint": "round_half_to_even",
         "round_away": "round_half_away_from_zero", "digamma": "psi", "lgamma": "gammaln",
         "scatter_add": "inc_subtensor", "scatter": "set_subtensor"}  # fmt: skip


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
        return [leaf(v)]
    said = written.get(v)
    if said is not None:
        return list(said)
    name, ins = op.opdef.name, list(op.operands)
    if name == "constant":
        return [_constant(op)]
    if name in _THROUGH or (name == "reshape" and _same_but_ones(op)):
        cut = ins[0].op
        if cut is not None and cut.opdef.name == "slice" and v.type.rank < ins[0].type.rank:
            picked = {k for k, d in enumerate(ins[0].type.shape) if d.__class__ is int and d == 1}
            if ins[0] not in written and len(picked) == ins[0].type.rank - v.type.rank:
                return [cut.operands[0], "[", _slices(cut, picked), "]"]
        return ins[:1]
    if name == "matmul":
        sides: list[Any] = [[w, ".T"] if op.attrs[f] else [w] for w, f in zip(ins, ("ta", "tb"))]
        return ["(", *sides[0], " \\dot ", *sides[1], ")"]
    if name in _INFIX:
        return ["(", *_side(ins[0]), f" {_INFIX[name]} ", *_side(ins[1]), ")"]
    if name == "neg":
        return ["(-", ins[0], ")"]
    if name == "transpose" and op.attrs["perm"] == tuple(range(v.type.rank))[::-1]:
        return [ins[0], ".T"]
    if name == "dim":
        return [dim_text(op.attrs["expr"])]
    if name == "slice":
        note = notes.get(v)
        single = note is not None and note.op == "index"
        return [ins[0], "[", _slices(op, range(v.type.rank if single else 0)), "]"]
    if name == "gather":
        lead = ":, " * op.attrs["axis"]
        return [ins[0], f"[{lead}", ins[1], "]"]
    if name in ("scatter", "scatter_add"):
        lead = ":, " * op.attrs["axis"]
        return [NAMES[name], "(", ins[0], f"[{lead}", ins[1], "], ", ins[2], ")"]
    if name == "iota" and v.type.rank == 1:
        return [f"arange({dim_text(v.type.shape[0])})"]
    size = _size(v) if name == "cast" else None
    if size is not None:
        return [size]
    attrs = list(attrs_of(op))
    if name in ("argmax", "argmin") and ins[0].type.rank == 1 and _is_flat(ins[0]):
        ins, attrs = list(ins[0].op.operands), []  # type: ignore[union-attr]
    words: list[Any] = [NAMES.get(name, name)]
    if len(op.results) > 1:
        words.append(f".{v.index}")
    words.append("(")
    for i, w in enumerate(ins):
        words += [", ", w] if i else [w]
    words += [("" if k == 0 and not ins else ", ") + text for k, text in enumerate(attrs)]
    return [*words, ")"]


def _side(v: Value) -> list[Any]:
    """An operand of an infix operator: a size that is computed in parentheses."""
    size = _size(v)
    if size is None or size.op is None:
        return [v]
    d = size.op.attrs["expr"]
    return [size] if d.__class__ is not Dim or repr(d) in symbols(d) else ["(", size, ")"]


def _size(v: Value) -> Value | None:
    """The size that a value is, in whatever dtype."""
    while v.op is not None and (v.op.opdef.name in _THROUGH or v.op.opdef.name == "cast"):
        v = v.op.operands[0]
    return v if v.op is not None and v.op.opdef.name == "dim" else None


def _is_flat(v: Value) -> bool:
    return v.op is not None and v.op.opdef.name == "reshape"


# attributes that say nothing to a reader, or are shown in another way
_SILENT = frozenset(("spelling", "value", "hook", "consts", "carries", "monoids"))
_PLAIN = {
    ("print", "attrs"): ("__str__",),
    ("print", "message"): "",
    ("scan", "reverse"): False,
    ("searchsorted", "right"): False,
    ("matmul", "ta"): False,
    ("matmul", "tb"): False,
}


def attrs_of(op: Op) -> Iterable[str]:
    """The attributes of an operation, as they stand behind its operands."""
    for key, a in op.attrs.items():
        if key in _SILENT or _PLAIN.get((op.opdef.name, key)) == a:
            continue
        if key == "axes":
            if a != tuple(range(op.operands[0].type.rank)):
                yield f"axis={a}"
        elif key == "dtype":
            yield f"'{a.np.name}'"
        elif key in ("shape", "type"):
            yield _shown(a if key == "shape" else a.shape)
        elif key == "interior":
            if any(a):
                yield f"interior={a}"
        else:
            yield f"{key}={_shown(a)}"


def _shown(a: Any) -> str:
    if a.__class__ is tuple:
        return f"({', '.join(map(_shown, a))}{',' if len(a) == 1 else ''})"
    if a.__class__ is str:
        return repr(a)
    return f"@{a.name}" if a.__class__ is Function else dim_text(a)


def op_label(op: Op) -> str:
    """An operation without its operands: `sum{axis=(0,)}`."""
    name = op.opdef.name
    if name == "constant":
        return _constant(op)
    attrs = ", ".join(attrs_of(op))
    return NAMES.get(name, name) + (f"{{{attrs}}}" if attrs else "")


def leaf(v: Value) -> str:
    """The name of a value that nothing makes; its type where it has none."""
    return v.name or f"<{v.type}>"


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


def _slices(op: Op, picked: Container[int]) -> str:
    """What stands in the brackets; `picked` are the axes of which single elements are cut out."""
    parts = []
    a = op.attrs
    shape = op.operands[0].type.shape
    for k, (lo, hi, step, n) in enumerate(zip(a["starts"], a["stops"], a["steps"], shape)):
        low = "" if lo.__class__ is int and lo == 0 else _bound(lo, n)
        high = "" if hi is n else _bound(hi, n, lo)
        if k in picked:
            back = n - lo
            pick = str(-back) if back.__class__ is int and n.__class__ is Dim else dim_text(lo)
            parts.append(pick if low or high else ":")
            continue
        parts.append(f"{low}:{high}" + (f":{step}" if step != 1 else ""))
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def _bound(d: Any, n: Any, lo: Any = 0) -> str:
    """A bound of a slice of an axis of size `n`: as the user wrote it, where it was clipped."""
    if d.__class__ is Dim and n.__class__ is Dim:
        back = n - d
        if back.__class__ is int and back > 0:
            return f"-{back}"
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
    text = repr(d)
    for name in sorted(symbols(d), key=len, reverse=True):
        from ..ir.dims import symbol

        owner = owners.get(symbol(name))
        v = owner[0]() if owner else None
        if owner and v is not None and v.name:
            text = text.replace(name, f"Shape({v.name})[{owner[1]}]")
        elif owner is None:
            text = text.replace(name, _computed(name) or name)
    return text


def _computed(name: str) -> str | None:
    """What gives a computed dim its number, as a formula."""
    from .symbolic_dims import describe, source_of

    source = source_of(name)
    if source is None:
        return None
    text = source.name or (_text(source, 60) if source.op is not None else "")
    return text if text and not text.endswith("…") else describe(name)
