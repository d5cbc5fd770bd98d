"""The rules keep their word: against the references, the exact values and their own examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from jitgrad.errors import JitgradError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value, function, reachable
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.types import DTYPES, scalar, tensor
from jitgrad.passes.match import FASTMATH, FunctionRule, Rule, TermRule
from jitgrad.passes.pipelines import TENSOR, pipeline
from jitgrad.passes.rewrite import Rewriter
from jitgrad.passes.rules import RULE_SETS
from jitgrad.passes.simplify import rules_of
from jitgrad.passes.stabilize import stabilize_values
from jitgrad.testing import rule_golden, rulecheck
from jitgrad.testing.programs import Program, programs
from jitgrad.testing.rule_examples import EXAMPLES
from jitgrad.tools import ruledoc
from jitgrad.transforms import pullback

RULES = [r for rules in RULE_SETS.values() for r in rules]
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_rule(rule: Rule) -> None:
    if isinstance(rule, TermRule):
        found = list(rulecheck.check_formula(rule, 40))
    else:
        assert isinstance(rule, FunctionRule)
        found = list(rulecheck.check_example(rule))
    assert found and sum(o.cases for o in found) > 0
    assert not [o.problem for o in found if o.problem]


def test_a_wrong_rule_is_caught() -> None:
    from jitgrad.ir.terms import exp, log, x, y

    for left, right in ((x + 0.0, x), (x - x, 0.0), (x * 0, 0), (-(x - y), y - x),
                        (1 / exp(x), exp(-x)), (log(x * y), log(x) + log(y))):  # fmt: skip
        from jitgrad.ir.terms import lift

        wrong = TermRule("wrong", left, lift(right), kinds="f")
        assert any(o.problem for o in rulecheck.check_formula(wrong, 100)), left


def test_a_rule_that_cancels_is_caught() -> None:
    from jitgrad.ir.terms import exp, expm1, x

    backwards = TermRule("wrong", expm1(x), exp(x) - 1, kinds="f", exact="closer", ulp=4)
    assert any(o.problem for o in rulecheck.check_formula(backwards, 100))


def test_no_rule_is_dead() -> None:
    assert rulecheck.dead_rules() == []


def test_names_are_unique_and_examples_have_rules() -> None:
    names = [r.name for r in RULES]
    assert len(set(names)) == len(names)
    assert EXAMPLES.keys() <= set(names)


@pytest.mark.parametrize("name", list(RULE_SETS))
def test_every_rule_has_a_golden_file(name: str) -> None:
    have = {p.stem for p in (GOLDEN / f"rules-{name}").glob("*.jg")}
    assert have == {r.name for r in RULE_SETS[name]}


SETS = (
    frozenset({"stabilize", "canonical"}),
    frozenset({"canonical", "algebra", "structure", "markers"}),
    frozenset(RULE_SETS) - {"expand"},
)


@pytest.mark.parametrize("name", list(RULE_SETS))
def test_rules_come_to_an_end(name: str) -> None:
    """What a rule fires on, rewritten by all rules together: nothing is left to do then."""
    for r in RULE_SETS[name]:
        fn = rule_golden.golden(r)
        assert fn is not None
        for sets in SETS:
            for fast in (frozenset[str](), FASTMATH):
                first = Rewriter(rules_of(sets, fast))
                once = pipeline("dce").run(first.function(fn))
                second = Rewriter(first.rules)
                second.function(once)
                assert not first.endless, r.name
                assert not second.fired, r.name


def test_the_page_of_rules_is_up_to_date(tmp_path: Path) -> None:
    page = GOLDEN.parent.parent / "docs" / "rules.md"
    assert ruledoc.main(["--check", str(page)]) == 0
    stale = tmp_path / "rules.md"
    stale.write_text(page.read_text(encoding="utf-8").replace("`mul-one`", "`mul-won`"))
    assert ruledoc.main(["--check", str(stale)]) == 1
    assert ruledoc.main([str(stale)]) == 0
    assert stale.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    stale.write_text("no marks")
    with pytest.raises(JitgradError, match="lacks the mark"):
        ruledoc.main([str(stale)])


def test_rules_that_break_promises_are_off_by_default() -> None:
    x = Value(scalar("f64"), name="x")
    b = Builder()
    fn = function("f", [x], [b.add(x, b.const(0.0, x.type))])
    assert pipeline("simplify").run(fn).ops[-1].name == "add"
    fast = pipeline("simplify{fastmath=" + "+".join(sorted(FASTMATH)) + "},dce").run(fn)
    assert fast.results == (x,)


@settings(max_examples=80)
@given(programs())
def test_programs_are_the_same_after_the_tensor_passes(p: Program) -> None:
    out = pipeline(TENSOR + ",expand,simplify,dce").run(p.fn, verify=True)
    try:
        want = run(p.fn, p.args)
    except Exception:
        return  # what raises may be folded away, never the other way round
    for g, w in zip(run(out, p.args), want):
        assert g.dtype == w.dtype and g.shape == w.shape
        if w.dtype.kind == "f":
            tol = 1e-4 if w.dtype.itemsize == 4 else 1e-9
            np.testing.assert_allclose(g, w, rtol=tol, atol=tol)
        else:
            np.testing.assert_array_equal(g, w)


@settings(max_examples=60)
@given(programs())
def test_a_second_walk_finds_nothing(p: Program) -> None:
    first = Rewriter(rules_of(frozenset({"canonical", "algebra", "structure"}), frozenset()))
    once = first.function(p.fn)
    assert not first.endless
    second = Rewriter(first.rules)
    second.function(pipeline("dce").run(once))
    assert not second.fired


@settings(max_examples=40)
@given(programs(differentiable=True, dtypes=("f64", "i64", "bool")))
def test_nothing_is_computed_twice(p: Program) -> None:
    x, *_ = p.fn.params
    roots = [r for r in p.fn.results if r.type.dtype.inexact]
    grads = pullback(roots, [Builder().const(1, r.type) for r in roots], [x])
    fn = function("both", p.fn.params, [*roots, *(g for g in grads if g is not None)],
                  [op for op in p.fn.ops if op.opdef.effect])  # fmt: skip
    out = pipeline(TENSOR).run(fn, verify=True)
    assert pipeline("cse").run(out) is out
    assert pipeline("dce").run(out) is out


# -- the naive formulas of the tutorial at their extremes -----------------------------------------

X = tensor("f64", (symbol("n"), 3))
ROWS = np.array([[1e4, -1e4, 0], [-np.inf] * 3, [1, 2, 3], [-800, 800, 30], [0, 0, 0]])


def _value_and_gradient(f, stable_first: bool, data: np.ndarray, t=X):  # type: ignore[no-untyped-def]
    b = Builder()
    x = Value(t, name="x")
    y = f(b, x)
    y = b.sum(y, range(y.type.rank))
    if stable_first:
        (y,) = stabilize_values(reachable([y]), [y])
    (g,) = pullback([y], [b.const(1, y.type)], [x])
    assert g is not None
    out = pipeline(TENSOR).run(function("f", [x], [y, g]), verify=True)
    return (*run(out, [data]), out)


def _logistic(b: Builder, x: Value) -> Value:
    one = b.const(1, x.type)
    return b("div", one, b.add(one, b("exp", b("neg", x))))


@pytest.mark.parametrize("stable_first", [True, False])
def test_gradient_of_the_logistic(stable_first: bool) -> None:
    import mpmath

    data = np.linspace(-700, 700, 300).reshape(100, 3)
    _, g, out = _value_and_gradient(_logistic, stable_first, data)
    with mpmath.workprec(2500):
        s = [1 / (1 + mpmath.exp(-mpmath.mpf(v))) for v in data.ravel()]
        exact = np.array([float(v * (1 - v)) for v in s])
    assert np.max(np.abs(g.ravel() - exact) / np.spacing(exact)) <= 4
    _, g, _ = _value_and_gradient(_logistic, stable_first, np.array([[1e4, -1e4, 800]]))
    assert np.array_equal(g, np.zeros((1, 3)))
    assert [op.name for op in out.ops].count("sigmoid") == 2


@pytest.mark.parametrize("stable_first", [True, False])
def test_softplus(stable_first: bool) -> None:
    def f(b: Builder, x: Value) -> Value:
        return b("log", b.add(b.const(1, x.type), b("exp", x)))

    y, g, out = _value_and_gradient(f, stable_first, np.array([[1000.0, -1000.0, 0.0]]))
    assert y == 1000 + np.log(2)
    np.testing.assert_array_equal(g, [[1, 0, 0.5]])
    assert [op.name for op in out.ops] == ["softplus", "sum", "sigmoid"]


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("stable_first", [True, False])
def test_log_sum_exp(stable_first: bool, keepdims: bool) -> None:
    def f(b: Builder, x: Value) -> Value:
        s = b.sum(b("exp", x), (1,))
        return b("log", b.reshape(s, (symbol("n"), 1)) if keepdims else s)

    finite = ROWS[np.isfinite(ROWS).all(1)]
    y, g, _ = _value_and_gradient(f, stable_first, finite)
    assert y == pytest.approx(1e4 + 800 + 3.4076059644443806 + np.log(3), rel=1e-15)
    top = np.exp(finite - finite.max(1, keepdims=True))
    np.testing.assert_allclose(g, top / top.sum(1, keepdims=True), rtol=1e-14)
    if stable_first:
        y, g, _ = _value_and_gradient(f, True, ROWS[1:2])
        assert y == -np.inf
        np.testing.assert_array_equal(g, np.zeros((1, 3)))


def test_single_precision() -> None:
    def naive(b: Builder, x: Value) -> Value:
        s = b("log", b.sum(b("exp", x), (1,)))
        return b.add(s, b.sum(b("log", b.add(b.const(1, x.type), b("exp", x))), (1,)))

    data = np.array([[1e4, -1e4, 0], [100, 90, -90]], np.float32)
    y, g, out = _value_and_gradient(naive, True, data, X.with_dtype(DTYPES["f32"]))
    assert y.dtype == g.dtype == np.float32
    np.testing.assert_allclose(y, 20000 + np.log(2) + 290, rtol=1e-6)
    assert np.isfinite(g).all()
    assert "softplus" in [op.name for op in out.ops]


def test_log_sum_exp_of_infinity_and_nan() -> None:
    def f(b: Builder, x: Value) -> Value:
        return b("log", b.sum(b("exp", x), (1,)))

    for row, want in (
        ([np.inf, 1, 2], np.inf),
        ([np.nan, 1, 2], np.nan),
        ([-np.inf, 0, 0], np.log(2)),
    ):
        y, _, _ = _value_and_gradient(f, True, np.array([row]))
        np.testing.assert_array_equal(y, want)


def test_log_softmax_is_not_shifted_twice() -> None:
    n = symbol("n")

    def f(b: Builder, x: Value) -> Value:
        e = b("exp", x)
        s = b.reshape(b.sum(e, (1,)), (n, 1))
        return b("log", b("div", e, b.broadcast(s, (n, 3), (0, 1))))

    y, g, out = _value_and_gradient(f, True, ROWS[[0, 2, 3, 4]])
    assert np.isfinite(y) and np.isfinite(g).all()
    names = [op.name for op in out.ops]
    assert (names.count("max"), names.count("exp"), names.count("log")) == (1, 1, 1)


def test_empty_axes_are_left_alone() -> None:
    b = Builder()
    x = Value(tensor("f64", (0, 3)), name="x")
    e = b("exp", x)
    s = b.sum(e, (0,))
    p = b("div", e, b.broadcast(s, (0, 3), (1,)))
    assert stabilize_values(reachable([p, b("log", s)]), [p]) == [p]


def test_a_shift_by_the_user_is_kept() -> None:
    n = symbol("n")
    b = Builder()
    x = Value(X, name="x")
    u = b("sub", x, b.broadcast(b("max", x, axes=(1,)), (n, 3), (0,)))
    y = b("log", b.sum(b("exp", u), (1,)))
    assert stabilize_values(reachable([y]), [y]) == [y]


def test_a_value_to_differentiate_by_is_not_seen_through() -> None:
    b = Builder()
    x = Value(scalar("f64"), name="x")
    z = b("exp", x)
    y = b("log", b.add(b.const(1, z.type), z))
    (out,) = stabilize_values(reachable([y], [z]), [y])
    assert out.op is not None and out.op.name == "log1p" and out.op.operands == (z,)
    (g,) = pullback([out], [b.const(1, y.type)], [z])
    assert g is not None and g.op is not None and g.op.name == "div"
