"""Lowering to LLVM against the interpreter: reductions, library ops, buffers, control flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from lowering import (
    FLOATS,
    HOST,
    SHAPES,
    B,
    Compiled,
    Nest,
    StatusError,
    i,
    j,
    m,
    n,
    p,
    param,
    same,
    samples,
)

from jitgrad.ir import interp
from jitgrad.ir.core import Block, Function, Op, Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import DTYPES, tensor

# -- reductions -----------------------------------------------------------------------------------


def _reduce(monoid: str, dtype: str, over: str, shape: Any = (n, m)) -> Function:
    """A matrix reduced over "inner", "outer" or "both" axes."""
    index = monoid.startswith("arg")
    res = "i64" if index else dtype
    keep = {"inner": shape[:1], "outer": shape[1:], "both": ()}[over]
    k = Nest([param(dtype, *shape)], [tensor(res, keep)])

    def value() -> Sequence[Value]:
        v = k("load", k.ins[0], index=(i, j))
        return (v, k("dim", expr=i if over == "outer" else j)) if index else (v,)

    def last(made: Any) -> Value:
        return made[1] if index else made

    if over == "inner":

        def row() -> None:
            made = k.loop("j", shape[1], value, vector=True, monoids=(monoid,))
            k("store", last(made), k.outs[0], index=(i,))

        k.loop("i", shape[0], row)
    elif over == "outer":

        def column() -> None:
            made = k.loop("i", shape[0], value, monoids=(monoid,))
            k("store", last(made), k.outs[0], index=(j,))

        k.loop("j", shape[1], column, vector=True)
    else:

        def total() -> Sequence[Value]:
            return (k.loop("j", shape[1], value, vector=True, monoids=(monoid,)),)

        k("store", k.loop("i", shape[0], total, monoids=(monoid,)), k.outs[0], index=())
    return k.function()


@pytest.mark.parametrize("over", ["inner", "outer", "both"])
@pytest.mark.parametrize(
    "monoid, dtype",
    [("sum", "f64"), ("sum", "f32"), ("sum", "i32"), ("sum", "u8"), ("max", "f64"), ("max", "i16"),
     ("min", "f32"), ("min", "u64"), ("max", "bool"), ("any", "bool"), ("all", "bool"),
     ("argmax", "f64"), ("argmax", "i32"), ("argmax", "bool")],
)  # fmt: skip
def test_reductions(monoid: str, dtype: str, over: str) -> None:
    if monoid == "argmax" and over == "both":
        over = "inner"
    fn = Compiled(_reduce(monoid, dtype, over))
    for shape in (*SHAPES, (150, 2), (2, 150), (1, 2100)):
        a = samples(dtype, shape[0] * shape[1], 5).reshape(shape)
        if dtype in FLOATS and monoid == "sum":  # the interpreter's sum is plain
            a = np.random.default_rng(1).random(shape).astype(a.dtype)
            axes = {"inner": 1, "outer": 0, "both": None}[over]
            same(fn(a)[0], np.sum(a, axes, np.float64).astype(a.dtype), 12)
            continue
        fn.check(a)
        if dtype in FLOATS and a.size and monoid != "sum":
            b = np.round(np.random.default_rng(2).normal(size=shape)).astype(a.dtype)
            fn.check(b)  # ties
            b.flat[b.size // 2 :: 7] = np.nan
            fn.check(b)


@pytest.mark.parametrize("over", ["inner", "outer", "both"])
def test_sums_of_special_values(over: str) -> None:
    fn = Compiled(_reduce("sum", "f64", over))
    for shape in ((1, 5000), (5000, 1), (3, 7)):
        for values in ((np.inf,), (-np.inf,), (np.inf, -np.inf), (np.nan,), (1e308, 1e308)):
            a = np.ones(shape)
            a.flat[3 : 3 + len(values)] = values
            fn.check(a)


@pytest.mark.parametrize("shape, over", [((1, 10**6), "inner"), ((10**6, 1), "outer"),
                                         ((1000, 1000), "both")])  # fmt: skip
def test_sums_are_accurate(shape: tuple[int, int], over: str) -> None:
    """Constant data are the worst case: all roundings go the same way."""
    fn = Compiled(_reduce("sum", "f64", over))
    (got,) = fn(np.full(shape, 0.1))
    exact = 10**6 * float.fromhex("0x1.999999999999ap-4")
    assert abs(float(got.sum()) - exact) <= 16 * 2.0**-53 * exact


def test_static_reductions() -> None:
    for shape in ((4, 3), (1, 1), (33, 40), (2, 3000), (3000, 2)):
        for over in ("inner", "outer", "both"):
            fn = Compiled(_reduce("sum", "f64", over, shape))
            fn.check(np.random.default_rng(3).random(shape), ulps=12)


def test_row_softmax_in_one_kernel() -> None:
    """Three loops over a row, the later ones use what the earlier reduced and stored."""
    k = Nest([param("f64", n, m)], [tensor("f64", (n, m)), tensor("f64", (n,))])

    def row() -> None:
        top = k.loop("j", m, lambda: (k("load", k.ins[0], index=(i, j)),), vector=True,
                     monoids=("max",))  # fmt: skip

        def second() -> Sequence[Value]:
            e = k("exp", k("sub", k("load", k.ins[0], index=(i, j)), top))
            k("store", e, k.outs[0], index=(i, j))
            return (e,)

        total = k.loop("j", m, second, vector=True, monoids=("sum",))
        k("store", k("add", top, k("log", total)), k.outs[1], index=(i,))
        k.loop("j", m, lambda: k("store", k("div", k("load", k.outs[0], index=(i, j)), total),
                                 k.outs[0], index=(i, j)), vector=True)  # fmt: skip

    k.loop("i", n, row)
    fn = Compiled(k.function())
    for shape in ((4, 5), (3, 33), (2, 3000), (3, 0)):
        fn.check(np.random.default_rng(4).normal(size=shape), ulps=16)


def test_a_heavy_body_has_one_masked_copy() -> None:
    k = Nest([param("f64", n)], [tensor("f64", (n,)), tensor("f64", ())])

    def body() -> Sequence[Value]:
        v = k("load", k.ins[0], index=(i,))
        for name in ("sin", "exp", "tanh", "cos", "exp", "log1p", "sin", "expm1"):
            v = k(name, v)
        k("store", v, k.outs[0], index=(i,))
        return (v,)

    k("store", k.loop("i", n, body, vector=True, monoids=("sum",)), k.outs[1], index=())
    fn = Compiled(k.function())
    for size in (0, 1, 8, 15, 16, 2100):
        x = np.random.default_rng(size).normal(size=size)
        got, want = fn(x), interp.run(fn.fn, [x])
        np.testing.assert_allclose(got[0], want[0], rtol=1e-12)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-12)


# -- blocks ---------------------------------------------------------------------------------------


def ew(name: str, *operands: Value) -> Value:
    """An elementwise op on whole tensors as a kernel of its own."""
    out = TABLE[name].types(name, [v.type for v in operands], {}, ())[0]
    k = Nest(operands, [out])
    index = tuple(symbol(f"i{a}") for a in range(out.rank))

    def level(a: int) -> None:
        if a == out.rank:
            v = k(name, *(k("load", x, index=index) for x in k.ins))
            k("store", v, k.outs[0], index=index)
            return
        k.loop(f"i{a}", out.shape[a], lambda: level(a + 1), vector=a == out.rank - 1)

    level(0)
    return k.kernel().results[0]


def test_the_arena_is_reused() -> None:
    x = param("f64", n, name="x")
    v = x
    for name in ("neg", "exp", "neg", "abs", "sqrt", "neg", "exp", "neg"):
        v = ew(name, v)
    fn = Compiled(function("f", [x], [v]))
    fn.check(np.linspace(-1, 1, 1000))
    shapes, arena = np.zeros(2, np.int64), np.zeros(1, np.int64)
    fn._run("prep", np.zeros(4, np.int64), np.array([1000]), shapes, arena)
    assert arena[0] == 2 * 8000
    assert [r["name"] for r in fn.low.report] == [f"k{k}" for k in range(8)]
    assert fn.low.report[0]["loops"][0]["lanes"] == 4 * HOST.lanes(64)


def test_what_only_the_kernel_reads_is_one_row() -> None:
    """The second result of three is stored and loaded row by row; the first is never loaded."""
    k = Nest([param("f64", n, m)], [tensor("f64", (n,)), *[tensor("f64", (n, m))] * 2])

    def row() -> None:
        def first() -> Sequence[Value]:
            e = k("exp", k("load", k.ins[0], index=(i, j)))
            k("store", e, k.outs[1], index=(i, j))
            return (e,)

        def second() -> None:
            k("store", k("div", k("load", k.outs[1], index=(i, j)), total), k.outs[2], index=(i, j))

        total = k.loop("j", m, first, vector=True, monoids=("sum",))
        k("store", total, k.outs[0], index=(i,))
        k.loop("j", m, second, vector=True)

    k.loop("i", n, row)
    op = k.kernel()
    fn = Compiled(function("f", k.params, [op.results[2]]))
    for shape in ((0, 3), (3, 0), (5, 40), (40, 5)):
        fn.check(np.random.default_rng(0).random(shape), ulps=16)
    arena = np.zeros(1, np.int64)
    fn._run("prep", np.zeros(4, np.int64), np.array([1000, 16]), np.zeros(3, np.int64), arena)
    assert arena[0] == 16 * 8
    Compiled(function("f", k.params, op.results)).check(np.ones((4, 6)), ulps=16)


def test_values_of_many_sizes_stay_apart() -> None:
    x, y = param("f64", n, name="x"), param("f64", m, 3, name="y")
    a, c = ew("neg", x), ew("exp", y)
    d, e = ew("exp", a), ew("neg", c)
    fn = Compiled(function("f", [x, y], [ew("add", d, a), ew("mul", e, c), ew("sub", a, d)]))
    for s, t in ((5, 4), (0, 3), (3, 0), (33, 11)):
        fn.check(np.linspace(0, 1, s), np.linspace(0, 2, 3 * t).reshape(t, 3))


def test_aliases_and_constants() -> None:
    x = param("f64", n, 2, name="x")
    flat = B.reshape(ew("exp", x), (2 * n,))
    table = B("constant", value=np.arange(3.0), type=tensor("f64", (3,)), spelling="")
    mask = B("constant", value=np.array([True, False]), type=tensor("bool", (2,)), spelling="")
    ones = B.const(1.5, tensor("f64", (2 * n,)))
    fn = Compiled(function("f", [x], [flat, ew("neg", flat), ew("neg", table), table, flat,
                                      ew("add", flat, ones), ew("not", mask),
                                      B.const(3, tensor("i32", ()))]))  # fmt: skip
    fn.check(np.linspace(0, 1, 14).reshape(7, 2))


def test_requires_and_guards() -> None:
    x, y, flag = param("f64", n), param("f64", m, name="y"), param("bool", name="flag")
    need = B.op("require", lhs=n, cmp="eq", rhs=m, message="x and y differ")
    room = B.op("require", lhs=n, cmp="ge", rhs=2, message="x is short")
    guard = B.op("guard", flag, expect=True, message="flag changed")
    out = ew("add", x, B("refine", y, shape=(n,)))
    fn = Compiled(function("f", [x, y, flag], [out], [need, room, guard]))
    fn.check(np.arange(3.0), np.ones(3), np.True_)
    kinds = [e.kind for e in fn.low.errors]
    with pytest.raises(StatusError) as err:
        fn(np.arange(3.0), np.ones(4), np.array(True))
    assert err.value.args == (1, fn.low.errors.index(next(
        e for e in fn.low.errors if e.message == "x and y differ")), 3, 4)  # fmt: skip
    with pytest.raises(StatusError) as err:
        fn(np.arange(1.0), np.ones(1), np.array(True))
    assert err.value.args[0] == 1 and err.value.args[2:] == (1, 2)
    with pytest.raises(StatusError) as err:
        fn(np.arange(3.0), np.ones(3), np.array(False))
    assert err.value.args[0] == 2 and kinds[err.value.args[1]] == "guard"


@pytest.mark.parametrize("dtype", ["f64", "f32", "i32", "u8"])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul(dtype: str, ta: bool, tb: bool) -> None:
    x = param(dtype, *((p, n) if ta else (n, p)), name="x")
    y = param(dtype, *((m, p) if tb else (p, m)), name="y")
    f = function("f", [x, y], [B("matmul", x, y, ta=ta, tb=tb)])
    for blas in (True, False):
        fn = Compiled(f, blas)
        assert bool(fn.low.externals) == (blas and dtype in FLOATS)
        for a, b, c in ((3, 4, 5), (1, 1, 1), (20, 33, 40), (3, 0, 2), (0, 3, 2), (2, 3, 0)):
            rng = np.random.default_rng(6)
            v, w = (rng.integers(0, 5, s).astype(DTYPES[dtype].np) for s in ((a, b), (b, c)))
            fn.check(np.ascontiguousarray(v.T if ta else v), np.ascontiguousarray(w.T if tb else w))


@pytest.mark.parametrize("dims", [(1, n, m), (n, m, 1), (1, n, 1), (4, 3, 5), (16, 16, 16)])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul_with_known_dims(dims: Any, ta: bool, tb: bool) -> None:
    a, b, c = dims
    x = param("f64", *((b, a) if ta else (a, b)), name="x")
    y = param("f64", *((c, b) if tb else (b, c)), name="y")
    fn = Compiled(function("f", [x, y], [B("matmul", x, y, ta=ta, tb=tb)]), True)
    for env in ({"n": 4, "m": 7}, {"n": 0, "m": 3}, {"n": 3, "m": 0}, {"n": 40, "m": 50}):
        args = []
        for v in (x, y):
            shape = interp.resolve(v.type.shape, env)
            args.append(np.random.default_rng(7).integers(0, 5, shape).astype(float))
        fn.check(*args)


def test_stacks_of_matrices() -> None:
    x, y = param("f64", 2, n, m, p), param("f64", 2, n, p, 4, name="y")
    f = function("f", [x, y], [B("matmul", x, y, ta=False, tb=False)])
    for blas in (True, False):
        for size in (0, 1, 3):
            Compiled(f, blas).check(np.arange(size * 60.0).reshape(2, size, 5, 6),
                                    np.ones((2, size, 6, 4)))  # fmt: skip


def test_library_ops_read_strided_parameters() -> None:
    x, y = param("f64", n, m), param("f64", m, p, name="y")
    z = B("matmul", x, y, ta=False, tb=False)
    flat = B.reshape(x, (n * m,))
    f = function(
        "f", [x, y], [z, B("cumsum", flat, axis=0), ew("neg", x)], layouts=["strided", "c"]
    )
    base = np.arange(24.0).reshape(4, 6)
    for view in (base, base.T, base[::2, ::-1], base[:, 1:3]):
        Compiled(f, True).check(view, np.ones((view.shape[1], 3)))


# -- control flow ---------------------------------------------------------------------------------


def test_cond() -> None:
    x, flag = param("f64", n, name="x"), param("bool", name="flag")
    a, c = Value(x.type), Value(x.type)
    e = ew("exp", a)
    yes = _region([a], [ew("neg", e), e, a])
    no = _region([c], [c, c, ew("exp", ew("neg", c))])
    made = B.op("cond", flag, x, regions=(yes, no))
    fn = Compiled(function("f", [x, flag], [*made.results, ew("add", *made.results[:2])]))
    for value in (np.True_, np.False_):
        for size in (0, 5, 40):
            fn.check(np.linspace(0, 1, size), value)


def _region(params: list[Value], results: list[Value]) -> Block:
    return function("r", params, results).body


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5, None])
def test_scan(reverse: bool, length: int | None) -> None:
    """Two carries change places at each step; a third is rebuilt; two outputs, one carried."""
    steps = n if length is None else length
    w, a, b, c = (param("f64", m, name=s) for s in "wabc")
    xs = param("f64", steps, m, name="xs")
    pw, pa, pb, pc, px = (Value(w.type) for _ in range(5))
    new = ew("add", ew("mul", pc, pw), px)
    body = _region([pw, pa, pb, pc, px], [pb, pa, new, ew("neg", new), pa])
    made = B.op("scan", w, a, b, c, xs, regions=(body,), length=steps, carries=3, consts=1,
                reverse=reverse)  # fmt: skip
    fn = Compiled(function("f", [w, a, b, c, xs], made.results))
    for size in (0, 1, 2, 7) if length is None else (length,):
        rng = np.random.default_rng(9)
        fn.check(*rng.random((4, 35)), rng.random((size, 35)))


def test_scan_of_scalars_with_a_branch_inside() -> None:
    x, xs = param("f64", name="x"), param("f64", n, name="xs")
    px, pv = Value(x.type), Value(x.type)
    u, v = Value(x.type), Value(x.type)
    up = B.op("cond", ew("gt", px, pv), px, pv, regions=(
        _region([u, v], [ew("sub", u, v)]), _region([(s := Value(x.type)), (t := Value(x.type))],
                                                    [ew("add", t, ew("exp", s))])))  # fmt: skip
    body = _region([px, pv], [up.result, ew("neg", up.result)])
    made = B.op("scan", x, xs, regions=(body,), length=n, carries=1, consts=0, reverse=False)
    fn = Compiled(function("f", [x, xs], made.results))
    for size in (0, 1, 6, 33):
        fn.check(np.float64(0.5), np.linspace(0, 2, size), ulps=64)


def test_an_index_error_inside_a_scan() -> None:
    x, idx = param("f64", n, name="x"), param("i64", m, name="idx")
    px, pi = Value(x.type), Value(tensor("i64", ()))
    k = Nest([px, pi], [tensor("f64", ())])
    at = k("wrap_index", k("load", k.ins[1], index=()), size=n)
    k("store", k("load", k.ins[0], at, index=(symbol("$0"),)), k.outs[0], index=())
    body = _region([px, pi], [k.kernel().results[0]])
    made = B.op("scan", x, idx, regions=(body,), length=m, carries=0, consts=1, reverse=False)
    fn = Compiled(function("f", [x, idx], made.results))
    fn.check(np.arange(4.0), np.array([0, -1, 3]))
    with pytest.raises(StatusError, match=r"\(3, 0, 9, 4\)"):
        fn(np.arange(4.0), np.array([0, 9, 3]))


@pytest.mark.parametrize("shape", [(n,), (n, m), (3,), (5, n)])
@pytest.mark.parametrize("carried", [(), (n,), (m,)])
def test_scans_in_a_row_share_their_sizes(shape: tuple, carried: tuple) -> None:
    def passthrough(x: Value, c: Value, reverse: bool) -> Op:
        inside = [Value(c.type), Value(tensor("f64", x.type.shape[1:]))]
        length = x.type.shape[0]
        return B.op("scan", c, x, regions=(Block(inside, (), inside),), length=length,
                    reverse=reverse, consts=0, carries=1)  # fmt: skip

    x, c, y = param("f64", *shape), param("f64", *carried, name="c"), param("f64", n, m, name="y")
    first = passthrough(x, c, False)
    second = passthrough(first.results[1], first.results[0], True)
    third = passthrough(x, c, False)
    f = Compiled(function("f", [x, c, y], [*second.results, *third.results]))
    for size in (0, 1, 2, 5):
        env = {"n": size, "m": 4}
        shapes = [interp.resolve(v.type.shape, env) for v in (x, c, y)]
        f.check(*(np.random.default_rng(size).normal(size=s) for s in shapes))
