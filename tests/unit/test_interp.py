"""The reference interpreter: control, kernels, dims, errors. (Rows: see test_ops.)"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jitgrad.errors import GuardError, Loc, ShapeError
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.ir.types import tensor
from jitgrad.ir.verify import verify

n, m = symbol("n"), symbol("m")


def read(text: str) -> Function:
    fn = parse_function(text)
    verify(fn)
    return fn


SCAN = """
func @f<n>(%x: f64[n], %c: f64) -> (f64, f64[n]) {
  %0: f64, %1: f64[n] = scan %c, %c, %x {length=n, carries=1, consts=1, reverse=REVERSE} {
    ^(%k: f64, %s: f64, %xi: f64):
    %2: f64 = mul %s, %k
    %3: f64 = add %2, %xi
    yield %3, %2
  }
  return %0, %1
}"""


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_scan(reverse: bool, steps: int) -> None:
    fn = read(SCAN.replace("REVERSE", str(reverse).lower()))
    x = np.arange(1.0, steps + 1)
    end, ys = run(fn, [x, np.float64(0.5)])
    s, want = 0.5, np.zeros(steps)
    for i in reversed(range(steps)) if reverse else range(steps):
        want[i] = s * 0.5
        s = want[i] + x[i]
    assert end == s
    np.testing.assert_array_equal(ys, want)


COND = """
func @f(%p: bool, %i: i64, %x: f64[2]) -> (f64) {
  %0: f64 = cond %p, %i, %x {
    ^(%j: i64, %y: f64[2]):
    %k: i64 = wrap_index %j {size=2}
    %1: f64 = gather %y, %k {axis=0}
    yield %1
  } {
    ^(%j2: i64, %y2: f64[2]):
    %2: f64 = sum %y2 {axes=[0]}
    yield %2
  }
  return %0
}"""


def test_cond_runs_one_branch() -> None:
    fn = read(COND)
    x = np.array([1.0, 2.0])
    assert run(fn, [np.True_, np.int64(-1), x])[0] == 2.0
    # the branch not taken raises nothing
    assert run(fn, [np.False_, np.int64(9), x])[0] == 3.0
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis with size 2"):
        run(fn, [np.True_, np.int64(9), x])


def test_guard_and_require() -> None:
    fn = read("""
    func @f<n, m>(%x: f64[n], %y: f64[m], %p: bool) -> (f64[n]) {
      require {lhs=n, cmp="eq", rhs=m, message="x and y go together"}
      require {lhs=n, cmp="ge", rhs=2, message="two at least"}
      guard %p {expect=true, message="if p:"}
      %0: f64[n] = refine %y {shape=[n]}
      %1: f64[n] = add %x, %0
      return %1
    }""")
    x = np.ones(3)
    np.testing.assert_array_equal(run(fn, [x, x, np.True_])[0], 2 * x)
    with pytest.raises(GuardError, match="if p:"):
        run(fn, [x, x, np.False_])
    with pytest.raises(ShapeError, match=r"x and y go together \(n is 3, m is 4\)"):
        run(fn, [x, np.ones(4), np.False_])
    with pytest.raises(ShapeError, match=r"two at least \(n is 1, 2 is 2\)"):
        run(fn, [x[:1], x[:1], np.True_])


def test_arguments_are_checked() -> None:
    fn = read("""
    func @f<n>(%x: f64[n, n], %y: f64[2*n + 1], %z: f64[3]) -> (f64[n, n]) { return %x }""")
    good = [np.zeros((2, 2)), np.zeros(5), np.zeros(3)]
    run(fn, good)
    for k, bad, message in (
        (0, np.zeros((2, 3)), "x: n is 2 elsewhere, but 3 in shape"),
        (0, np.zeros(2), r"x takes f64\[n, n\], not shape \(2,\)"),
        (1, np.zeros(4), r"y takes f64\[2\*n \+ 1\], not shape \(4,\)"),
        (2, np.zeros(4), r"z takes f64\[3\], not shape \(4,\)"),
    ):
        with pytest.raises(ShapeError, match=message):
            run(fn, [*good[:k], bad, *good[k + 1 :]])
    with pytest.raises(TypeError, match="takes 3 arguments, not 2"):
        run(fn, good[:2])
    with pytest.raises(TypeError, match=r"x takes f64\[n, n\], not float32"):
        run(fn, [np.zeros((2, 2), np.float32), *good[1:]])


def test_dims_are_bound_in_any_order() -> None:
    fn = read("func @f<n>(%y: f64[2*n], %x: f64[n]) -> (i64) { %0: i64 = dim {expr=n} return %0 }")
    assert run(fn, [np.zeros(6), np.zeros(3)])[0] == 3


def test_errors_carry_the_users_line(tmp_path: Path) -> None:
    source = tmp_path / "user.py"
    source.write_text("y = x[i]\n")
    b = Builder(Loc(str(source), 1, "f"))
    i = Value(tensor("i64", ()), name="i")
    fn = function("f", [i], [b("wrap_index", i, size=3)])
    with pytest.raises(IndexError, match="out of bounds") as err:
        run(fn, [np.int64(3)])
    assert f'at "{source}", line 1, in f\n    y = x[i]' in str(err.value)


def test_errors_of_the_builder_carry_the_users_line() -> None:
    b = Builder(Loc("user.py", 7, "f"))
    x, y = Value(tensor("f64", (n,))), Value(tensor("f64", (m,)))
    with pytest.raises(ShapeError, match=r"add of f64\[n\] and f64\[m\](.|\n)*line 7, in f"):
        b("add", x, y)


KERNEL = """
func @f<n, m>(%x: f64[n, m]) -> (f64[n], i64[n], f64[m], bool, bool, f64) {
  %0: f64[n], %1: i64[n], %2: f64[m], %3: bool, %4: bool, %5: f64 = kernel %x {
    ^(%in: f64[n, m], %sums: f64[n], %args: i64[n], %last: f64[m],
      %any: bool, %all: bool, %lo: f64):
    %zero: f64 = constant {value=0.0, type=f64, spelling=""}
    %p: bool, %q: bool, %low: f64 = loop {var="i", extent=n, vector=false,
                                              monoids=["any", "all", "min"]} {
      %s: f64, %top: f64, %at: i64, %r: bool, %l: f64 = loop {var="j", extent=m,
          vector=true, monoids=["sum", "argmax", "any", "min"]} {
        %a: f64 = load %in {index=[i, m - 1 - j]}
        %j: i64 = dim {expr=j}
        %neg: bool = lt %a, %zero
        store %a, %last {index=[j]}
        yield %a, %a, %j, %neg, %a
      }
      store %s, %sums {index=[i]}
      store %at, %args {index=[i]}
      yield %r, %r, %l
    }
    store %p, %any {index=[]}
    store %q, %all {index=[]}
    store %low, %lo {index=[]}
  }
  return %0, %1, %2, %3, %4, %5
}"""


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (4, 1)])
def test_kernel(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    sums, args, last, some, every, low = run(read(KERNEL), [x])
    np.testing.assert_allclose(sums, x.sum(1), rtol=1e-15)
    np.testing.assert_array_equal(args, x[:, ::-1].argmax(1))
    np.testing.assert_array_equal(last, x[-1, ::-1])
    negative = (x < 0).any(1)
    assert some == negative.any()
    assert every == negative.all()
    assert low == x.min()


def test_kernel_of_nothing_gives_neutrals() -> None:
    _, _, _, some, every, low = run(read(KERNEL), [np.zeros((0, 3))])
    assert not some
    assert every
    assert low == np.inf


def test_results_do_not_alias_what_comes_later() -> None:
    fn = read("func @f(%x: f64[3]) -> (f64[3]) { %0: f64[3] = identity %x return %0 }")
    x = np.arange(3.0)
    np.testing.assert_array_equal(run(fn, [x])[0], x)
