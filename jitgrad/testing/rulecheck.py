"""The rule checker: every rewrite rule against the references and, where it claims to be closer to
the exact real value, against multi-precision arithmetic.

`python -m jitgrad.testing.rulecheck` prints a table. For formulas both sides are evaluated on
special values and on random ones of all magnitudes, in every dtype they take; for structural rules
the examples of `rule_examples` are run before and after. A rule that never gets to see its own left
side, because rules on its parts rewrite it first, is reported as dead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..errors import JitgradError
from ..ir.build import Builder
from ..ir.core import Function, Value, function
from ..ir.interp import run
from ..ir.terms import Term
from ..ir.types import BOOL, DTYPES, DType, tensor
from ..passes.fold import splat
from ..passes.match import NAN, SIGNED_ZERO, FunctionRule, Rule, TermRule, index
from ..passes.rewrite import Rewriter
from ..passes.rules import RULE_SETS
from . import (  # noqa: F401  (their examples register here)
    rule_examples_algebra,
    rule_examples_index,
    rule_examples_sums,
)
from .arguments import arguments
from .exact import NotExact, exact_value
from .rule_examples import EXAMPLES, graph

CONSTANTS = {
    "f": (2.0, -0.5, 3.0, -1e-3, 1.0, -1.0, 0.0, -0.0, float("inf"), 1e300),
    "i": (2, -3, 0, 1, -1),
    "u": (2, 0, 1),
    "b": (True, False),
}
SPECIAL = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30,
    36.5, -36.5, 709.0, -709.0, 745.0, -745.0, 1e4, -1e4, 1e-8, -1e-8, 88.0, -88.0,
)  # fmt: skip


class Outcome(NamedTuple):
    """What was found for one rule: a message where it breaks its word, and the worst error."""

    rule: Rule
    where: str
    cases: int
    ulp: float
    problem: str


# -- formulas -------------------------------------------------------------------------------------


def variables(term: Term, into: dict[str, bool] | None = None, mask: bool = False) -> dict:
    """The variables of a term and whether each is a mask."""
    out = {} if into is None else into
    if term.op is None:
        if term.name:
            out[term.name] = mask or out.get(term.name, False)
        return out
    logic = term.op in ("and", "or", "xor", "not")
    for k, a in enumerate(term.args):
        variables(a, out, (term.op == "select" and k == 0) or (logic and mask))
    return out


def dtypes_of(rule: TermRule) -> Iterator[DType]:
    """The dtypes that a rule is checked in."""
    wide = {"f": ("f64", "f32"), "i": ("i64", "i32"), "u": ("u8",), "b": ("bool",)}
    for kind in sorted(rule.kinds, key="fiubc".find):
        for name in wide.get(kind, ()):
            yield DTYPES[name]


def pairs(rule: TermRule, dtype: DType, size: Any) -> Iterator[tuple[dict, Function, Function]]:
    """The two sides as functions, one pair for each choice of constants."""
    masks = variables(rule.left)
    names = list(masks)
    consts = [n for n in names if n.startswith("c")]
    choices = [v for v in CONSTANTS[dtype.kind] if dtype.bits != 32 or abs(v) < 1e30 or v > 1e301]
    for values in product(choices, repeat=len(consts)):
        b = Builder()
        env: dict[str, Value] = {}
        params = []
        like = tensor(dtype, (size,))
        for n in names:
            t = like.with_dtype(BOOL) if masks[n] else like
            if n in consts:
                env[n] = b.const(values[consts.index(n)], t)
            else:
                env[n] = Value(t, name=n)
                params.append(env[n])
        try:
            left = b.term(rule.left, env, like)
        except JitgradError:
            return  # the formula does not take this dtype
        right = rule.apply(left.op, b)  # type: ignore[arg-type]
        if right is None:
            continue
        if right.type is not left.type:
            raise AssertionError(f"{rule.name}: {left.type} becomes {right.type}")
        chosen = {n: splat(env[n]) for n in consts}  # rounded to the dtype
        yield chosen, function("left", params, [left]), function("right", params, [right])


def inputs(params: Sequence[Value], rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Special values in all combinations (of three or more a sample), random ones behind."""
    grids: list[list[Any]] = []
    special = np.array(SPECIAL)
    count = len(params)
    rows = list(product(range(len(SPECIAL)), repeat=count)) if count <= 2 else [
        tuple(rng.integers(0, len(SPECIAL), count)) for _ in range(700)
    ]  # fmt: skip
    columns = list(zip(*rows)) if count else []
    for p, column in zip(params, columns):
        dtype = p.type.dtype
        if dtype.kind == "f":
            edge = np.finfo(dtype.np)
            pool = np.concatenate(
                [special, [edge.max, -edge.max, edge.tiny, edge.smallest_subnormal]]
            )
            some = special[list(column)]
            magnitudes = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-300, 300, n)
            normal = rng.normal(0, 1, n) * 10.0 ** rng.integers(-3, 4, n)
            values = np.concatenate([some, np.where(rng.random(n) < 0.25, magnitudes, normal),
                                     rng.choice(pool, n // 8)])  # fmt: skip
            with np.errstate(all="ignore"):
                grids.append(list(values.astype(dtype.np)))
        elif dtype.kind == "b":
            grids.append(list(rng.random(len(rows) + n + n // 8) < 0.5))
        else:
            info = np.iinfo(dtype.np)
            values = rng.integers(max(info.min, -9), min(info.max, 9), len(rows) + n + n // 8,
                                  endpoint=True)  # fmt: skip
            values[: len(rows) // 4] = rng.choice([info.min, info.max, 0, 1], len(rows) // 4)
            grids.append(list(values.astype(dtype.np)))
    return [np.array(g, p.type.dtype.np) for g, p in zip(grids, params)]


def same_bits(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Elementwise: equal, signs of zeros included; any NaN is like any other."""
    if a.dtype.kind != "f":
        return np.asarray(a == c)
    return ((a == c) & (np.signbit(a) == np.signbit(c))) | (np.isnan(a) & np.isnan(c))


def ulps(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """|a - c| in units in the last place of the larger; infinite where only one is NaN."""
    with np.errstate(all="ignore"):
        unit = np.maximum(np.spacing(np.abs(a)), np.spacing(np.abs(c)))
        out = np.abs(a - c) / unit
    return np.where(a == c, 0, np.where(np.isfinite(out), out, np.inf))


def check_formula(rule: TermRule, n: int = 300, seed: int = 0) -> Iterator[Outcome]:
    """One outcome a dtype."""
    rng = np.random.default_rng(seed)
    for dtype in dtypes_of(rule):
        cases, worst, problem = 0, 0.0, ""
        size = 0
        for _chosen, left, _right in pairs(rule, dtype, 1):
            size = len(inputs(left.params, rng, n)[0]) if left.params else 1
            break
        if not size:
            continue
        for chosen, left, right in pairs(rule, dtype, size):
            args = inputs(left.params, rng, n)
            (a,), (c,) = run(left, args), run(right, args)
            cases += size
            named = {p.name: v for p, v in zip(left.params, args)}
            if rule.exact == "closer" and dtype.kind == "f":
                high, message = _closer(rule, a, c, named, chosen, n)
            else:
                high, message = _as_declared(rule, a, c, named, chosen)
            worst = max(worst, high)
            problem = problem or message
        yield Outcome(rule, dtype.name, cases, worst, problem)


def _at(named: dict[str, np.ndarray], k: int, a: Any, c: Any) -> str:
    point = ", ".join(f"{n} = {v[k]!r}" for n, v in named.items())
    return f"at {point}: {a[k]!r} becomes {c[k]!r}"


def _as_declared(
    rule: Rule,
    a: np.ndarray,
    c: np.ndarray,
    named: dict[str, np.ndarray],
    chosen: dict[str, Any],
) -> tuple[float, str]:
    fine = same_bits(a, c)
    worst = 0.0
    if a.dtype.kind == "f":
        if SIGNED_ZERO in rule.relax:
            fine |= (a == 0) & (c == 0)
        if NAN in rule.relax:
            wild = np.isnan(a)
            for v in named.values():
                wild |= ~np.isfinite(v) | (v == 0)
            fine |= wild
        if "assoc" in rule.relax:
            # other roundings, and overflow or underflow on the way, are allowed
            with np.errstate(all="ignore"):
                moderate = np.isfinite(a) & np.isfinite(c) & (np.abs(a) > 1e-30)
                size = np.maximum(np.abs(a), np.abs(c))
                for v in (*named.values(), *map(a.dtype.type, chosen.values())):
                    size = np.maximum(size, np.abs(v))
                near = np.abs(a - c) <= 1e3 * np.spacing(size)
                for v in named.values():
                    moderate &= (np.abs(v) < 30) & (np.abs(v) > 1e-3)
            fine |= ~moderate | near
        if rule.ulp:
            error = ulps(a, c)
            tiny = np.maximum(np.abs(a), np.abs(c)) < 4 * np.finfo(a.dtype).tiny
            fine |= (error <= rule.ulp) | tiny
            worst = float(np.max(error[~tiny & np.isfinite(error)], initial=0))
    if fine.all():
        return worst, ""
    return worst, _at(named, int(np.argmin(fine)), a, c)


def _closer(
    rule: TermRule,
    a: np.ndarray,
    c: np.ndarray,
    named: dict[str, np.ndarray],
    chosen: dict[str, Any],
    limit: int,
) -> tuple[float, str]:
    """The new result is at least as near the exact value, or within the rule's bound of it.

    The bound is in units in the last place of the result, or of what half a unit in the arguments
    makes of it where that is more.
    """
    worst = 0.0
    names = list(named)
    # results that did not change need no oracle
    ask = [k for k in range(len(a)) if not same_bits(a[k : k + 1], c[k : k + 1])[0]]
    rng = np.random.default_rng(1)
    if len(ask) > limit:
        ask = sorted(rng.choice(ask, limit, replace=False))
    for k in ask:
        point = {n: float(named[n][k]) for n in names} | {n: float(v) for n, v in chosen.items()}
        if a[k] == c[k] or np.isnan(a[k]):  # a zero's sign; a NaN can only become better
            continue
        try:
            exact, slack = exact_value(rule.left, point, a.dtype)
        except NotExact:
            if np.isfinite(a[k]):  # no real value: both must say the same
                return worst, _at(named, k, a, c)
            continue
        if not rule.conditioned:
            slack = 0.0
        largest = float(np.finfo(a.dtype).max)
        if abs(exact) > largest or not np.isfinite(c[k]):
            # overflow, to the right side, and nearly an overflow the other way round
            if (
                np.sign(c[k]) != np.sign(float(exact))
                or min(abs(exact), abs(_mp(c[k]))) < 0.99999 * largest
            ):
                return worst, _at(named, k, a, c) + f", exactly {float(exact)!r}"
            continue
        with np.errstate(all="ignore"):
            unit = float(np.spacing(np.abs(a.dtype.type(exact))))
        new = float(abs(exact - _mp(c[k])))
        old = float(abs(exact - _mp(a[k]))) if np.isfinite(a[k]) else np.inf
        error = new / unit
        if new > old and new > rule.ulp * unit + 2 * slack:
            return error, _at(named, k, a, c) + f", exactly {float(exact)!r} ({error:.1f} ulp)"
        worst = max(worst, error)
    return worst, ""


def _mp(v: Any) -> Any:
    import mpmath

    return mpmath.mpf(float(v))


# -- structural rules and dead rules ---------------------------------------------------------------


def check_example(rule: FunctionRule) -> Iterator[Outcome]:
    """The rule fires on each of its examples, and the result is what it declares."""
    found = EXAMPLES.get(rule.name)
    if found is None:
        yield Outcome(rule, "", 0, 0.0, "no example in testing/rule_examples.py")
        return
    for types, build in found.fires:
        fn = graph(types, build)
        driver = Rewriter(index([rule]), fold=False, cse=True)
        out = driver.function(fn)
        problem, worst = "", 0.0
        if rule.name not in driver.fired:
            problem = "does not fire on its example"
        again = Rewriter(index([rule]), fold=False, cse=True)
        again.function(out)
        if again.fired or driver.endless:
            problem = "fires again on what it made"
        for seed in range(3):
            args = arguments(fn, seed, dict.fromkeys(fn.dims, 2 + seed))
            for a, c in zip(run(fn, args), run(out, args)):
                if rule.exact == "bits":
                    fine = bool(same_bits(np.asarray(a), np.asarray(c)).all())
                else:
                    fine = bool(np.allclose(a, c, rtol=1e-13, atol=1e-13, equal_nan=True))
                if not fine:
                    problem = problem or f"{a!r} becomes {c!r}"
        yield Outcome(rule, "example", 1, worst, problem)
    for types, build in found.stays:
        fn = graph(types, build)
        driver = Rewriter(index([rule]), fold=False, cse=True)
        driver.function(fn)
        if rule.name in driver.fired:
            yield Outcome(rule, "example", 1, 0.0, "fires where it must not")


def dead_rules(sets: Sequence[str] = tuple(RULE_SETS)) -> list[str]:
    """Names of formulas whose left side other rules of the same walk rewrite before they see it.

    Judged by the left side on plain parameters: a rule is alive if it is among those that fire.
    """
    dead = []
    for name in sets:
        rules = RULE_SETS[name]
        for r in rules:
            if not isinstance(r, TermRule):
                continue
            peers = [p for p in rules if p.promises <= r.promises]
            if not any(_fires_among(r, peers, dtype) for dtype in dtypes_of(r)):
                dead.append(r.name)
    return dead


def _fires_among(rule: TermRule, peers: Sequence[Rule], dtype: DType) -> bool:
    rules = index(peers)
    for _chosen, left, _right in pairs(rule, dtype, 1):
        driver = Rewriter(rules, fold=False)
        driver.function(left)
        if rule.name in driver.fired:
            return True
    return False


def check_all(n: int = 300) -> list[Outcome]:
    """Every rule's outcomes."""
    out: list[Outcome] = []
    for rules in RULE_SETS.values():
        for r in rules:
            if isinstance(r, TermRule):
                found = list(check_formula(r, n))
                out += found or [Outcome(r, "", 0, 0.0, "no dtype fits")]
            elif isinstance(r, FunctionRule):
                out += check_example(r)
    return out


def main() -> int:
    """Print the table; the number of rules that break their word."""
    outcomes = check_all()
    for o in outcomes:
        promise = ", ".join(map(str, o.rule.relax)) or o.rule.exact
        state = o.problem or "ok"
        print(f"{o.rule.name:26} {o.where:8} {o.cases:7} {o.ulp:6.2f} ulp  {promise:28} {state}")
    for name in (dead := dead_rules()):
        print(f"{name:26} dead: its left side is rewritten before it is seen")
    bad = len({o.rule.name for o in outcomes if o.problem}) + len(dead)
    print(f"{len({o.rule.name for o in outcomes})} rules, {bad} with problems")
    return bad


if __name__ == "__main__":
    raise SystemExit(main() > 0)
