"""Writes the table of the rewrite rules in docs/rules.md from the rules themselves.

python -m jitgrad.tools.ruledoc docs/rules.md           rewrites what stands between the marks
python -m jitgrad.tools.ruledoc --check docs/rules.md   fails where it is out of date
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import JitgradError
from ..passes.match import Rule, TermRule
from ..passes.rules import RULE_SETS

BEGIN = "<!-- begin of the generated table: python -m jitgrad.tools.ruledoc docs/rules.md -->"
END = "<!-- end of the generated table -->"
SETS = {
    "stabilize": "before derivatives and before everything else; always on",
    "canonical": "one form for constants and shapes",
    "algebra": "formulas of elementwise ops",
    "structure": "shapes, slices, joins, gathers, reductions, products, casts, branches",
    "markers": "what only derivatives look at",
    "expand": "before code is made",
}
KINDS = {"f": "floats", "i": "signed ints", "u": "unsigned ints", "b": "bools", "iu": "ints",
         "biu": "ints and bools", "if": "signed numbers"}  # fmt: skip


def tables() -> str:
    """The generated part of the page, as Markdown."""
    parts = []
    for name, rules in RULE_SETS.items():
        parts.append(f"### {name}: {SETS[name]}\n")
        parts.append("| rule | what it does | result |\n| --- | --- | --- |")
        parts += map(_row, rules)
        parts.append("")
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    if isinstance(rule, TermRule):
        what = f"`{rule.left}` → `{rule.right}`"
        if rule.when is not None:
            what += ", where " + (rule.when.__doc__ or "its guard holds").split("\n")[0].rstrip(".")
        kinds = KINDS.get(rule.kinds)
        what += f" ({kinds})" if kinds else ""
    else:
        what = rule.doc
    cells = (f"`{rule.name}`", what, promise(rule))
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def promise(rule: Rule) -> str:
    """What may differ between the two sides of a rule, as the page says it."""
    if rule.relax:
        return "**off**; needs fastmath " + ", ".join(sorted(rule.promises))
    if rule.exact == "bits":
        return "the same bits"
    if rule.exact == "reassociates":
        return "added up in another order"
    bound = f"closer to the exact value, or within {rule.ulp:g} ulp"
    return bound + (" or half an ulp of the arguments" if rule.conditioned else "")


def page(text: str) -> str:
    """`text` with the table between the marks brought up to date."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise JitgradError(f"the page lacks the mark {BEGIN if not begin else END}")
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check a page; 1 where a check finds it out of date."""
    parser = argparse.ArgumentParser(description="The table of the rewrite rules.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args(argv)
    have = args.page.read_text(encoding="utf-8")
    want = page(have)
    if not args.check:
        args.page.write_text(want, encoding="utf-8")
    elif have != want:
        print(f"{args.page} is out of date: python -m jitgrad.tools.ruledoc {args.page}",
              file=sys.stderr)  # fmt: skip
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
