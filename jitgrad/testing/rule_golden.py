"""Golden files of rules: for each one a function on whose first result it fires, on whose last not.

`python -m jitgrad.testing.rule_golden DIR` writes the inputs of `tests/golden/rules-*`; the results
are filled in by `pytest --bless` and then belong to the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Function, Value, function
from ..ir.dims import symbol
from ..ir.printer import format_function
from ..ir.terms import Term, app, exp, log, sqrt, var
from ..ir.types import BOOL, DType, tensor
from ..passes.match import Rule, TermRule
from ..passes.rules import RULE_SETS
from .rule_examples import EXAMPLES, graph
from .rulecheck import dtypes_of, pairs, variables

# Left sides on which a relaxed rule keeps its result on ordinary arguments, too.
_x, _y = (app("abs", var(n)) for n in "xy")
TAME: dict[str, Term] = {"exp-log": exp(log(_x)), "sqrt-mul-sqrt": sqrt(_x) * sqrt(_y),
                         "log-gamma": log(app("gamma", _x)),
                         "log-abs-gamma": log(app("abs", app("gamma", _x)))}  # fmt: skip


def counterexample(rule: TermRule, dtype: DType) -> Function | None:
    """The left side with one thing changed, so that the rule must not fire; None if none is found.

    A repeated variable becomes two, or a number another, or an inner formula a variable.
    """
    for wrong in _mutations(rule.left):
        b = Builder()
        masks = variables(wrong)
        like = tensor(dtype, (symbol("n"),))
        env = {n: b.const(3, like) if n.startswith("c")
               else Value(like.with_dtype(BOOL) if mask else like, name=n)
               for n, mask in masks.items()}  # fmt: skip
        try:
            value = b.term(wrong, env, like)
        except JitgradError:
            continue
        if value.op is None or rule.apply(value.op, b) is not None:
            continue
        return function("stays", [v for v in env.values() if v.op is None], [value])
    return None


def _mutations(term: Term, top: bool = True) -> Iterator[Term]:
    if term.op is None:
        if not term.name:
            yield Term(None, value=not term.value if term.value.__class__ is bool
                       else term.value + 2.0)  # fmt: skip
        return
    names = [a.name for a in term.args if a.op is None and a.name]
    if len(set(names)) < len(names):
        k = max(i for i, a in enumerate(term.args) if a.name in names)
        yield Term(term.op, (*term.args[:k], Term(None, name="w"), *term.args[k + 1 :]))
    for k, a in enumerate(term.args):
        for other in _mutations(a, False):
            yield Term(term.op, (*term.args[:k], other, *term.args[k + 1 :]))
    for k, a in enumerate(term.args):
        if a.op is not None or a.name.startswith("c"):
            yield Term(term.op, (*term.args[:k], Term(None, name="w"), *term.args[k + 1 :]))


def golden(rule: Rule) -> Function | None:
    """One function: an example on which `rule` fires, and behind it one on which it does not."""
    parts: list[Function] = []
    if rule.name in TAME:
        parts = [_plain(TAME[rule.name])]
    elif isinstance(rule, TermRule):
        for dtype in dtypes_of(rule):
            fires = next((left for _, left, _ in pairs(rule, dtype, symbol("n"))), None)
            if fires is not None:
                stays = counterexample(rule, dtype)
                parts = [fires] if stays is None else [fires, stays]
                break
    elif (found := EXAMPLES.get(rule.name)) is not None:
        parts = [graph(*e) for e in (*found.fires, *found.stays)]
    params: list[Value] = []
    results: list[Value] = []
    for k, fn in enumerate(parts):
        for p in fn.params:
            p.name = f"{p.name}{k}" if k else p.name
            params.append(p)
        results += fn.results
    return function("f", params, results) if parts else None


def _plain(term: Term) -> Function:
    like = tensor("f64", (symbol("n"),))
    env = {name: Value(like, name=name) for name in variables(term)}
    return function("f", list(env.values()), [Builder().term(term, env, like)])


def write(root: Path) -> list[Path]:
    """Write the inputs that are not there yet; the paths of those written."""
    out = []
    for name, rules in RULE_SETS.items():
        (root / f"rules-{name}").mkdir(parents=True, exist_ok=True)
        for r in rules:
            path = root / f"rules-{name}" / f"{r.name}.jg"
            fn = golden(r)
            if fn is None or path.exists():
                continue
            fast = f" fastmath={'+'.join(sorted(r.promises))}" if r.promises else ""
            text = f"// pass: simplify{{rules={r.name}{fast}}},dce\n{format_function(fn)}\n"
            path.write_text(text, encoding="utf-8")
            out.append(path)
    return out


if __name__ == "__main__":
    for made in write(Path(sys.argv[1])):
        print(made)
