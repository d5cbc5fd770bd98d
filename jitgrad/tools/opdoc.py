"""Writes the op tables of docs/ir_reference.md from the op table itself.

python -m jitgrad.tools.opdoc docs/ir_reference.md           rewrites what stands between the marks
python -m jitgrad.tools.opdoc --check docs/ir_reference.md   fails where it is out of date
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Value
from ..ir.ops import TABLE, OpDef
from ..ir.ops.kernel import MONOIDS
from ..ir.types import BOOL, F64, I64, tensor

BEGIN = "<!-- begin of the generated tables: python -m jitgrad.tools.opdoc docs/ir_reference.md -->"
END = "<!-- end of the generated tables -->"
FAMILIES = {
    "elementwise": "Elementwise",
    "shape": "Sources and shapes",
    "index": "Indices",
    "reduce": "Reductions and products",
    "running": "Along an axis",
    "sort": "Sorting",
    "markers": "Printing",
    "control": "Control, guards",
    "kernel": "Kernels",
}
_NAMES = "xyz"


def tables() -> str:
    """The generated part of the page, as Markdown."""
    parts = []
    for family in dict.fromkeys([*FAMILIES, *(r.family for r in TABLE.values())]):
        rows = [r for r in TABLE.values() if r.family == family]
        parts.append(f"### {FAMILIES.get(family, family)}\n")
        parts.append(
            _table(("op", "attributes", "meaning", "derivative", "edges"), map(_row, rows))
        )
    parts.append("### Reductions of kernel loops\n")
    rows_ = (
        (f"`{name}`", str(m.arity), m.doc, "<br>".join(f"`{c}`" for c in m.combine))
        for name, m in MONOIDS.items()
    )
    parts.append(_table(("monoid", "carries", "meaning", "combine"), rows_))
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in lines)
    return text + "\n"


def _row(row: OpDef) -> tuple[str, ...]:
    operands = "x, …" if row.arity is None else ", ".join(_NAMES[: row.arity])
    attrs = ", ".join(f"{k}: {kind}" for k, kind in row.attrs.items())
    doc, edges = (s.replace("*", "\\*") for s in (row.doc, row.edges))
    return f"`{row.name} {operands}`".replace(" `", "`"), attrs, doc, derivative(row), edges


def derivative(row: OpDef) -> str:
    """The derivative of a row as the table shows it."""
    if row.nondiff:
        return f"none: {row.nondiff}"
    if row.linear:
        names = [_NAMES[k] for k in range(row.arity or 0) if row.is_linear(k)] or ["every operand"]
        return "linear in " + (" and in " if row.bilinear else ", ").join(names)
    if row.jvp is not None:
        return "written in ops of this table"
    if row.deriv is None:
        return "of its function or regions"
    terms = [_term(row, k) for k in range(row.arity or 0)]
    if not any(terms):
        return "0"
    if len(terms) == 1:
        return f"`{terms[0]}`"
    return "<br>".join(f"{_NAMES[k]}: " + (f"`{t}`" if t else "0") for k, t in enumerate(terms))


def _term(row: OpDef, k: int) -> str:
    """The derivative by operand k; where it depends on the op, that of an op on parameters."""
    attrs: dict[str, Any] = _attrs(row)
    types = next(_operand_types(row), None)
    if types is None:  # not left to a loop that would take a StopIteration for its end
        raise JitgradError(f"no operands are found that the op {row.name} takes")
    op = Builder().op(row.name, *[Value(t) for t in types], **attrs)
    term = row.derivative(op, k)
    return "" if term is None else str(term)


def _attrs(row: OpDef) -> dict[str, Any]:
    return {**row.cases[0].attrs} if row.cases else dict.fromkeys(row.attrs, 3)


def _operand_types(row: OpDef) -> Iterator[tuple]:
    n, attrs = row.arity or 0, _attrs(row)
    for first in (F64, I64, BOOL):
        for rest in (F64, first):
            types = (tensor(first, ()), *[tensor(rest, ())] * (n - 1))[:n]
            try:
                row.types(row.name, types, attrs, ())
            except JitgradError:
                continue
            yield types


def page(text: str) -> str:
    """`text` with the tables between the marks brought up to date."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise JitgradError(f"the page lacks the mark {BEGIN if not begin else END}")
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check a page; 1 where a check finds it out of date."""
    parser = argparse.ArgumentParser(description="The op tables of the IR reference.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args(argv)
    have = args.page.read_text(encoding="utf-8")
    want = page(have)
    if not args.check:
        args.page.write_text(want, encoding="utf-8")
    elif have != want:
        print(f"{args.page} is out of date: python -m jitgrad.tools.opdoc {args.page}",
              file=sys.stderr)  # fmt: skip
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
