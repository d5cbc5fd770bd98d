"""Pass manager, driver and the passes that are not rules."""

from __future__ import annotations

import time

import numpy as np
import pytest

from jitgrad.errors import JitgradError, VerifyError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, block, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.ir.types import scalar, tensor
from jitgrad.ir.verify import verify
from jitgrad.passes import pipelines
from jitgrad.passes.base import Pass, PassManager, parse_pipeline, rewrite_limit
from jitgrad.passes.dce import has_effect
from jitgrad.passes.rewrite import Rewriter
from jitgrad.passes.simplify import Simplify, rules_of

F = scalar("f64")
n = symbol("n")


def names(fn: Function) -> list[str]:
    return [op.name for op in fn.ops]


# -- manager --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "dce", "canonicalize,simplify,dce", "simplify{fold=false},dce",
    "simplify{fastmath=assoc+nan fold-size=8}", pipelines.TENSOR,
])  # fmt: skip
def test_pipeline_text_round_trips(text: str) -> None:
    assert str(parse_pipeline(text)) == text
    assert str(parse_pipeline(text.replace(",", " , "))) == text


@pytest.mark.parametrize(("text", "says"), [
    ("nope", "no pass 'nope'"), ("dce,", "not a pipeline"), ("simplify{fold}", "no option 'fold'"),
    ("simplify{x=1}", "no option 'x=1'"), ("simplify{fold=1}", "true or false"),
    ("simplify{fold-size=a}", "a number"), ("simplify{rules=nope}", "no rule or rule set nope"),
    ("simplify dce", "not a pipeline"), ("rules", "no pass 'rules'"),
])  # fmt: skip
def test_bad_pipelines(text: str, says: str) -> None:
    x = Value(F, name="x")
    with pytest.raises(JitgradError, match=says):
        parse_pipeline(text).run(function("f", [x], [x]))


def test_order_is_checked() -> None:
    assert not pipelines.misplaced(("inline", "simplify", "dce", "fuse"))
    (broken,) = pipelines.misplaced(("simplify", "stabilize"))
    assert broken.reason
    assert pipelines.pipeline("tensor") is pipelines.pipeline("tensor")


def test_every_order_names_known_passes() -> None:
    from jitgrad.passes.base import find_pass

    for o in pipelines.ORDERS:
        for name in (o.first, o.then):
            assert find_pass(name).name == name


def test_manager_reports_times_and_stages() -> None:
    x = Value(F, name="x")
    b = Builder()
    fn = function("f", [x], [b.mul(b.const(1, F), x)])
    times: dict[str, float] = {}
    seen: list[str] = []
    parse_pipeline("simplify,dce").run(
        fn, verify=True, timings=times, after=lambda p, f: seen.append(f"{p}: {len(f.ops)}")
    )
    assert list(times) == ["simplify", "dce"] and seen == ["simplify: 1", "dce: 0"]


def test_verification_names_the_pass() -> None:
    class Broken(Pass):
        name = "broken"

        def run(self, fn: Function) -> Function:
            return Function("f", block(fn.params, [Builder()("neg", fn.params[0])]).__class__(
                fn.params, [], [Builder()("neg", fn.params[0])]))  # fmt: skip

        def __str__(self) -> str:
            return "broken"

    x = Value(F, name="x")
    with pytest.raises(VerifyError, match="after broken"):
        PassManager([Broken()]).run(function("f", [x], [x]), verify=True)


def test_rewrite_limit_bisects() -> None:
    x = Value(F, name="x")
    b = Builder()
    v = x
    for _ in range(5):
        v = b.mul(b.const(1, F), b("neg", b("neg", v)))
    fn = function("f", [x], [v])
    sizes = []
    for k in (0, 1, 3, 100):
        with rewrite_limit(k) as budget:
            sizes.append(len(parse_pipeline("simplify,dce").run(fn).ops))
        assert len(budget.used) <= k
    assert sizes == sorted(sizes, reverse=True) and (sizes[0], sizes[-1]) == (16, 0)


# -- the driver -----------------------------------------------------------------------------------


def test_nothing_to_do_changes_nothing() -> None:
    x = Value(F, name="x")
    b = Builder()
    fn = function("f", [x], [b.add(b("sin", x), b("exp", x))])
    assert parse_pipeline(pipelines.TENSOR).run(fn) is fn


def test_tutorial() -> None:
    b = Builder()
    x = Value(F, name="x")
    two, one = b.const(2, F, "2"), b.const(1, F, "1")
    seed = b("fill", b("pow", x, two), b.const(1.0, F, "1.0"))
    g = b.mul(b.mul(seed, two), b("pow", x, b("sub", two, one)))
    out = parse_pipeline(pipelines.TENSOR).run(function("g", [x], [g]), verify=True)
    const, mul = out.ops
    assert (const.name, const.attrs["value"], const.attrs["spelling"]) == ("constant", 2.0, "")
    assert mul.name == "mul" and mul.operands == (const.result, x)


def test_constants_are_shared_by_bits() -> None:
    b = Builder()
    x = Value(F, name="x")
    nan = float("nan")
    parts = [b.const(v, F) for v in (0.0, -0.0, 0.0, nan, nan, -0.0)]
    fn = function("f", [x], parts)
    assert len(Rewriter().function(fn).ops) == 3
    i = Value(scalar("i64"), name="i")
    parts = [b.const(True, scalar("bool")), b.const(1, scalar("i64")), b.const(1, F)]
    assert len(Rewriter().function(function("f", [i], parts)).ops) == 3


def test_equal_ops_are_shared() -> None:
    b = Builder()
    x, y = Value(F, name="x"), Value(F, name="y")
    fn = function("f", [x, y], [b.add(b.mul(x, y), b("exp", x)), b.add(b("exp", x), b.mul(y, x))])
    out = parse_pipeline("cse").run(fn)
    assert out.results[0] is out.results[1] and len(out.ops) == 3
    fn = function("f", [x, y], [b("sub", x, y), b("sub", y, x)])
    assert parse_pipeline("cse").run(fn) is fn


def test_folding_calls_the_reference_and_never_raises() -> None:
    b = Builder()
    x = Value(F, name="x")
    v = b.add(x, b("sin", b.const(0.5, F)))
    out = parse_pipeline("fold,dce").run(function("f", [x], [v]))
    assert out.ops[0].attrs["value"] == np.sin(0.5)
    i64 = scalar("i64")
    bad = b("wrap_index", b.const(7, i64), size=3)
    fn = function("f", [x], [bad])
    assert parse_pipeline("simplify").run(fn) is fn
    with pytest.raises(IndexError):
        run(fn, [1.0])


def test_big_arrays_are_not_folded() -> None:
    b = Builder()
    big = b.const(np.arange(1000.0), tensor("f64", (1000,)))
    small = b.const(np.arange(4.0), tensor("f64", (4,)))
    fn = function("f", [], [b("exp", big), b("exp", small)])
    assert names(parse_pipeline("simplify,dce").run(fn)).count("exp") == 1
    splat = b("exp", b.const(1.0, tensor("f64", (n, 1000))))
    out = parse_pipeline("simplify,dce").run(function("f", [Value(tensor("f64", (n,)))], [splat]))
    assert names(out) == ["constant"] and out.results[0].type is splat.type


def test_provenance_is_kept() -> None:
    from jitgrad.errors import Loc

    b = Builder(Loc("user.py", 7))
    x = Value(F, name="x")
    fn = function("f", [x], [b("pow", x, b.const(2, F))])
    out = parse_pipeline("simplify,dce").run(fn)
    assert out.ops[-1].made_by == "square" and out.ops[-1].loc == Loc("user.py", 7)


def test_regions_are_rewritten() -> None:
    fn = parse_function("""
func @f<n>(%x: f64, %s: f64[n]) -> (f64) {
  %0: f64 = scan %x, %s {length=n, carries=1, consts=0, reverse=false} {
    ^(%c: f64, %e: f64):
    %1: f64 = constant {value=1.0, type=f64, spelling="1.0"}
    %2: f64 = mul %e, %1
    %3: f64 = add %c, %2
    yield %3
  }
  return %0
}""")
    out = parse_pipeline("simplify,dce").run(fn, verify=True)
    assert [o.name for o in out.ops[0].regions[0].ops] == ["add"]
    s = np.arange(4.0)
    assert run(out, [1.0, s])[0] == run(fn, [1.0, s])[0] == 7.0


# -- single passes --------------------------------------------------------------------------------

GUARDED = """
func @g<n>(%x: f64[n]) -> (f64) {
  require {lhs=n, cmp="ge", rhs=2, message="two at least"}
  %0: f64 = sum %x {axes=[0]}
  %1: f64 = exp %0
  return %0
}
"""


def test_dce_keeps_effects() -> None:
    fn = parse_function(GUARDED)
    out = parse_pipeline("dce").run(fn)
    assert names(out) == ["require", "sum"]
    assert has_effect(fn.ops[0]) and not has_effect(fn.ops[1])
    b = Builder()
    x = Value(tensor("f64", (n,)), name="x")
    call = b.op("call", x, callee=fn)
    assert has_effect(call)
    outer = function("f", [x], [x], effects=[call])
    assert names(parse_pipeline("dce").run(outer)) == ["call"]
    inlined = parse_pipeline("inline,dce").run(outer, verify=True)
    assert names(inlined) == ["require"]


def test_inline_to_any_depth_and_twice() -> None:
    fn = parse_function("""
func @sq(%x: f64) -> (f64) {
  %0: f64 = constant {value=3.0, type=f64, spelling=""}
  %1: f64 = mul %x, %0
  return %1
}
func @two(%x: f64) -> (f64) {
  %0: f64 = call %x {callee=@sq}
  %1: f64 = call %0 {callee=@sq}
  return %1
}
func @main(%x: f64) -> (f64) {
  %0: f64 = call %x {callee=@two}
  return %0
}""")
    out = parse_pipeline("inline").run(fn, verify=True)
    assert names(out) == ["constant", "mul", "mul"]
    assert run(out, [2.0])[0] == 18.0


def test_expand_leaves_ops_with_code() -> None:
    from jitgrad.ir.ops import TABLE

    b = Builder()
    params = [Value(tensor("f64", (n,)), name=name) for name in "xyz"]
    results = [b(k, *params[: r.arity]) for k, r in TABLE.items() if r.expand is not None]
    fn = function("f", params, results)
    out = parse_pipeline("expand,simplify,dce").run(fn, verify=True)
    assert not any(op.opdef.expand is not None for op in out.ops)
    args = [np.array([-800.0, -1.0, 0.0, 3.0, 800.0]), np.array([0.0, 1.0, -800.0, 3.0, np.inf])]
    args.append(args[0][::-1])
    for g, w in zip(run(out, args), run(fn, args)):
        np.testing.assert_allclose(g, w, rtol=1e-15)


RESOLVE = """
func @f<n, m>(%x: f64[n], %y: f64[m]) -> (f64[n]) {
  require {lhs=n, cmp="eq", rhs=m, message="x and y must be of one length"}
  require {lhs=m, cmp="ge", rhs=n, message="trivial then"}
  %0: f64[n] = refine %y {shape=[n]}
  %1: f64[n] = add %x, %0
  %2: f64[m] = exp %y
  %3: f64[n] = refine %2 {shape=[n]}
  %4: f64[n] = mul %1, %3
  return %4
}
"""


def test_resolve_dims() -> None:
    fn = parse_function(RESOLVE)
    out = parse_pipeline("resolve-dims").run(fn, verify=True)
    assert names(out) == ["add", "exp", "mul"]
    assert [p.type for p in out.params] == [tensor("f64", (n,))] * 2
    ((kept, dropped, message, _),) = out.cache["dim_notes"]
    assert (kept, dropped, message) == (n, "m", "x and y must be of one length")
    later = parse_pipeline("canonicalize,simplify,dce").run(out)
    assert later.cache.get("dim_notes", out.cache["dim_notes"]) == out.cache["dim_notes"]
    x, y = np.arange(3.0), np.ones(3)
    np.testing.assert_array_equal(run(out, [x, y])[0], run(fn, [x, y])[0])
    with pytest.raises(ValueError):
        run(out, [x, np.ones(2)])


def test_resolve_dims_by_an_expression_and_a_number() -> None:
    fn = parse_function("""
func @f<n, m, k>(%x: f64[n], %y: f64[m], %z: f64[k]) -> (f64[n], f64[k]) {
  require {lhs=m, cmp="eq", rhs=2*n + 1, message="a"}
  require {lhs=k, cmp="eq", rhs=3, message="b"}
  require {lhs=n*m, cmp="eq", rhs=n + 7, message="undecided"}
  return %x, %z
}""")
    out = parse_pipeline("resolve-dims").run(fn, verify=True)
    assert [str(p.type) for p in out.params] == ["f64[n]", "f64[m]", "f64[3]"]
    # the entry binds bare symbols only: m = 2*n + 1 stays a check
    assert names(out) == ["require", "require"]


def test_merge_scans() -> None:
    body = """ {
    ^(%c{k}: f64, %e{k}: f64):
    %a{k}: f64 = mul %c{k}, %e{k}
    %b{k}: f64 = sin %a{k}
    yield %b{k}{extra}
  }"""
    text = (
        """
func @f<n>(%x: f64, %s: f64[n]) -> (f64, f64, f64[n]) {
  %0: f64 = scan %x, %s {length=n, carries=1, consts=0, reverse=false}"""
        + (body.replace("{k}", "1").replace("{extra}", ""))
        + """
  %1: f64, %2: f64[n] = scan %x, %s {length=n, carries=1, consts=0, reverse=false}"""
        + (body.replace("{k}", "2").replace("{extra}", ", %a2"))
        + """
  return %0, %1, %2
}"""
    )
    fn = parse_function(text)
    out = parse_pipeline("merge-scans,dce").run(fn, verify=True)
    assert names(out) == ["scan"] and len(out.ops[0].results) == 2
    assert out.results[0] is out.results[1]
    args = [0.5, np.array([1.0, 2.0, 3.0])]
    for g, w in zip(run(out, args), run(fn, args)):
        np.testing.assert_array_equal(g, w)


def test_other_loops_are_not_merged() -> None:
    fn = parse_function("""
func @f<n>(%x: f64, %s: f64[n]) -> (f64, f64) {
  %0: f64 = scan %x, %s {length=n, carries=1, consts=0, reverse=false} {
    ^(%c: f64, %e: f64):
    %2: f64 = mul %c, %e
    yield %2
  }
  %1: f64 = scan %x, %s {length=n, carries=1, consts=0, reverse=false} {
    ^(%d: f64, %g: f64):
    %3: f64 = add %d, %g
    yield %3
  }
  return %0, %1
}""")
    assert names(parse_pipeline("merge-scans").run(fn, verify=True)) == ["scan", "scan"]


def test_cost_is_linear_and_small() -> None:
    def program(size: int) -> Function:
        b = Builder()
        x = Value(F, name="x")
        v = x
        for _ in range(size // 4):
            v = b.mul(b("sin", v), x)
            v = b.add(v, b("exp", v))
        return function("big", [x], [v])

    def cost(fn: Function) -> float:
        p = Simplify()
        best = 1.0
        for _ in range(5):
            start = time.perf_counter()
            assert p.run(fn) is fn
            best = min(best, time.perf_counter() - start)
        return best / len(fn.ops)

    small, big = program(1000), program(10_000)
    assert cost(big) < 20e-6  # measured: 1.2 microseconds an op; slack for a busy machine
    assert cost(big) < 4 * cost(small)


def test_long_chains_need_no_recursion() -> None:
    b = Builder()
    x = Value(F, name="x")
    v = x
    for _ in range(20_000):
        v = b("neg", v)
    fn = function("f", [x], [v])
    out = parse_pipeline(pipelines.TENSOR).run(fn)
    verify(out)
    assert out.results == (x,)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(JitgradError, match="no rule"):
        rules_of(frozenset({"nope"}), frozenset())
