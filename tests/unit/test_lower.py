"""Lowering to LLVM against the interpreter: kernels, control flow, library ops, buffers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from jitgrad.ir import interp
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Block, Function, Op, Value, function
from jitgrad.ir.dims import symbol
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import BOOL, DTYPES, F64, tensor
from jitgrad.llvm.engine import Module, compile_module
from jitgrad.llvm.lower import Lowered, lower
from jitgrad.llvm.target import Target
from jitgrad.runtime.blas import blas_symbols

HOST = Target.host()
B = Builder()
n, m, p = symbol("n"), symbol("m"), symbol("p")
SIZES = (0, 1, 7, 8, 9, 31, 32, 33, 64, 65, 2047, 2048, 2049, 5000)
FLOATS, INTS = ("f64", "f32"), tuple(f"{k}{b}" for k in "iu" for b in (8, 16, 32, 64))


class StatusError(Exception):
    """A core or prep that ended with a status: (status, op id, v0, v1)."""


class Compiled:
    """A function lowered and compiled, called on arrays as the entry would."""

    def __init__(self, fn: Function, blas: bool = False, target: Target = HOST) -> None:
        symbols = blas_symbols() if blas else {}
        self.fn = fn
        self.low: Lowered = lower(fn, target=target, blas=symbols)
        self.module: Module = compile_module(self.low.text, symbols, target=target)

    def _run(self, name: str, ctx: np.ndarray, *pointers: Any) -> None:
        kinds = [ctypes.c_void_p] * (1 + len(pointers))
        core = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(self.module.address(name))
        at = [a.ctypes.data if isinstance(a, np.ndarray) else ctypes.addressof(a) for a in pointers]
        status = core(ctx.ctypes.data, *at)
        if status:
            raise StatusError(status, *ctx[:3].tolist())

    def __call__(self, *args: np.ndarray) -> tuple[np.ndarray, ...]:
        env: dict[str, int] = {}
        interp.bind_dims(self.fn.params, args, env)
        dims = [env[d] for d in self.low.dims]
        for layout, a in zip(self.fn.layouts, args):
            if layout == "strided":
                dims += a.strides
            else:
                assert a.flags.c_contiguous
        ctx, dims_, size = np.zeros(4, np.int64), np.array([*dims, 0]), self.low.static_arena
        shapes = [interp.resolve(r.type.shape, env) for r in self.fn.results]
        if self.low.has_prep:
            out, arena = np.zeros(sum(map(len, shapes)) + 1, np.int64), np.zeros(1, np.int64)
            self._run("prep", ctx, dims_, out, arena)
            assert out[:-1].tolist() == [d for s in shapes for d in s]
            size = int(arena[0])
        outs = [np.full(s, 77, r.type.dtype.np) for s, r in zip(shapes, self.fn.results)]
        room = np.full(size + 128, 0x7F, np.uint8)
        start = -room.ctypes.data % 64
        room[start + size :] = 0x55
        pointers = ctypes.c_void_p * (len(args) + len(outs))
        self._run(
            "core",
            ctx,
            pointers(*(a.ctypes.data for a in args)),
            pointers(*(a.ctypes.data for a in outs)),
            dims_,
            room[start : start + size + 1],
        )
        assert (room[start + size :] == 0x55).all(), "the arena was overrun"
        return tuple(outs)

    def check(self, *args: Any, ulps: int = 4) -> tuple[np.ndarray, ...]:
        """Run, and compare with the interpreter."""
        arrays = [np.asarray(a) for a in args]
        kept = [a.copy() for a in arrays]
        got, want = self(*arrays), interp.run(self.fn, arrays)
        for a, b in zip(arrays, kept):
            np.testing.assert_array_equal(a, b)
        for g, w in zip(got, want):
            same(g, w, ulps)
        return got


def same(got: np.ndarray, want: np.ndarray, ulps: int) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape
    if got.dtype.kind == "f":
        eps = np.finfo(got.dtype).eps
        np.testing.assert_allclose(got, want, rtol=ulps * eps, atol=0)
    else:
        np.testing.assert_array_equal(got, want)


class Nest:
    """Hand-made kernels: `loop` and the ops inside go to the level that is open."""

    def __init__(self, ins: Sequence[Value], outs: Sequence[Any]) -> None:
        self.params = list(ins)
        self.ins = [Value(v.type) for v in ins]
        self.outs = [Value(t) for t in outs]
        self.ops: list[Op] = []

    def __call__(self, name: str, *operands: Value, **attrs: Any) -> Any:
        op = B.op(name, *operands, **attrs)
        self.ops.append(op)
        return op.results[0] if len(op.results) == 1 else op.results

    def const(self, value: Any, dtype: str = "f64") -> Value:
        return self("constant", value=value, type=tensor(dtype, ()), spelling="")

    def loop(
        self, var: str, extent: Any, body: Callable[[], Sequence[Value]], *, vector: bool = False,
        monoids: tuple[str, ...] = (),
    ) -> Any:  # fmt: skip
        outer, self.ops = self.ops, []
        results = body() or ()
        block, self.ops = Block((), self.ops, results), outer
        return self(
            "loop", regions=(block,), var=var, extent=extent, vector=vector, monoids=monoids
        )

    def kernel(self) -> Op:
        return B.op("kernel", *self.params, regions=(Block((*self.ins, *self.outs), self.ops, ()),))

    def function(self, layouts: Sequence[str] | None = None) -> Function:
        return function("f", self.params, self.kernel().results, layouts=layouts)


def param(dtype: str, *shape: Any, name: str = "x") -> Value:
    return Value(tensor(dtype, shape), name=name)


i, j = symbol("i"), symbol("j")


def elementwise(name: str, dtypes: Sequence[str], out: str, extent: Any = n, **attrs: Any) -> Op:
    k = Nest([param(d, extent) for d in dtypes], [tensor(out, (extent,))])

    def body() -> None:
        v = k(name, *(k("load", x, index=(i,)) for x in k.ins), **attrs)
        k("store", v, k.outs[0], index=(i,))

    k.loop("i", extent, body, vector=True)
    return k.kernel()


def of_op(op: Op) -> Function:
    return function("f", list(op.operands), op.results)


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e300, -1e-310, 0.5, 2.0, -2.5, 3.0]


def samples(dtype: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    d = DTYPES[dtype]
    if d.kind == "f":
        a = rng.normal(size=count) * 3
        special = np.resize(np.roll(SPECIAL, seed), count)
        with np.errstate(over="ignore"):
            return np.where(rng.random(count) < 0.4, special, a).astype(d.np)
    if d is BOOL:
        return rng.random(count) < 0.5
    info = np.iinfo(d.np)
    a = rng.integers(info.min, info.max, count, d.np, endpoint=True)
    return np.where(rng.random(count) < 0.5, a, rng.integers(0, 3, count).astype(d.np))


# -- elementwise ----------------------------------------------------------------------------------

CLASSES = {"f": FLOATS, "i": INTS[:4], "u": INTS[4:], "b": ("bool",)}


def _rows() -> list[tuple[str, str]]:
    out = []
    for row in TABLE.values():
        if row.elementwise and row.name not in ("cast", "wrap_index", "select"):
            for kinds in CLASSES.values():
                try:
                    row.types(row.name, [tensor(kinds[0], ())] * row.arity, {}, ())
                except TypeError:
                    continue
                out += [(row.name, d) for d in kinds]
    return out


@pytest.mark.parametrize("name, dtype", _rows())
def test_elementwise(name: str, dtype: str) -> None:
    row = TABLE[name]
    dtypes = [dtype] * row.arity
    (out,) = row.types(name, [tensor(dtype, ())] * row.arity, {}, ())
    fn = Compiled(of_op(elementwise(name, dtypes, out.dtype.name)))
    for count in (1, 67):
        args = [samples(dtype, count, k) for k in range(row.arity)]
        if name in ("sin", "cos"):  # NumPy is not exact there either
            args = [np.where(np.abs(a) < 1e6, a, 1) for a in args]
        fn.check(*args, ulps=6)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS, "bool"])
def test_select(dtype: str) -> None:
    fn = Compiled(of_op(elementwise("select", ["bool", dtype, dtype], dtype)))
    fn.check(samples("bool", 67, 0), samples(dtype, 67, 1), samples(dtype, 67, 2))


@pytest.mark.parametrize("src", [*FLOATS, *INTS, "bool"])
def test_cast(src: str) -> None:
    """To every dtype, in one kernel with as many outputs."""
    names = [*FLOATS, *INTS, "bool"]
    k = Nest([param(src, n)], [tensor(d, (n,)) for d in names])

    def body() -> None:
        v = k("load", k.ins[0], index=(i,))
        for d, out in zip(names, k.outs):
            k("store", k("cast", v, dtype=DTYPES[d]), out, index=(i,))

    k.loop("i", n, body, vector=True)
    fn = Compiled(k.function())
    a = samples(src, 67, 3)
    if src in FLOATS:  # what C leaves undefined is checked below
        a = np.where(np.isfinite(a) & (np.abs(a) < 100), np.abs(a), 7).astype(a.dtype)
    fn.check(a)


def test_cast_of_what_does_not_fit() -> None:
    a = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**31, 2.0**63, -(2.0**31) - 0.5])
    for d in ("i32", "i64"):
        (got,) = Compiled(of_op(elementwise("cast", ["f64"], d, dtype=DTYPES[d])))(a)
        least = np.iinfo(DTYPES[d].np).min
        want = [least if not abs(v) < 2.0**63 else int(v) for v in a]
        if d == "i32":
            want = [v if abs(v) < 2**31 else least for v in want]
        assert got.tolist() == want


@pytest.mark.parametrize("target", ["sse2", "avx2", "avx512"])
@pytest.mark.parametrize("size", SIZES)
def test_sizes(target: str, size: int) -> None:
    machine = Target.x86(target)
    if not machine.runs_on(HOST):
        machine = HOST
    key = machine.cpu
    if key not in _chains:
        _chains[key] = Compiled(_chain(), target=machine)
    x, y = np.linspace(-3, 3, size), np.linspace(1, 2, size)
    _chains[key].check(x, y, ulps=64)  # the interpreter's sum is plain


_chains: dict[str, Compiled] = {}


def _chain() -> Function:
    """exp(x) * y + y, reversed, and its sum, largest, smallest; a bool, and whether any and all."""
    outs = [tensor("f64", (n,)), tensor("bool", (n,)), *[tensor("f64", ())] * 3]
    outs += [tensor("bool", ())] * 2
    k = Nest([param("f64", n, name="x"), param("f64", n, name="y")], outs)

    def body() -> Sequence[Value]:
        x, y = (k("load", v, index=(i,)) for v in k.ins)
        v = k("add", k("mul", k("exp", x), y), y)
        big = k("gt", v, k.const(0.5))
        k("store", v, k.outs[0], index=(n - 1 - i,))
        k("store", big, k.outs[1], index=(i,))
        return v, v, v, big, big

    made = k.loop("i", n, body, vector=True, monoids=("sum", "max", "min", "any", "all"))
    for v, out in zip(made, k.outs[2:]):
        k("store", v, out, index=())
    return k.function()


@pytest.mark.parametrize("extent", [1, 2, 3, 5, 8, 31, 32, 33, 70])
def test_static_sizes(extent: int) -> None:
    fn = Compiled(of_op(elementwise("add", ["f64", "f64"], "f64", extent)))
    fn.check(np.arange(float(extent)), np.ones(extent))
    assert not fn.low.has_prep and fn.low.static_arena == 0


def test_scalars() -> None:
    """No loop at all; constants, and a literal stored as it is."""
    k = Nest([param("f64"), param("i32")], [tensor("f64", ()), tensor("f64", ())])
    x, y = (k("load", v, index=()) for v in k.ins)
    v = k("mul", k("sin", x), k("cast", y, dtype=F64))
    k("store", k("add", v, k.const(0.1)), k.outs[0], index=())
    k("store", k.const(2.5), k.outs[1], index=())
    Compiled(k.function()).check(np.float64(0.7), np.int32(-3))


# -- access ---------------------------------------------------------------------------------------


def _access(
    index: Any, in_shape: Any, out_shape: Any, layout: str = "c", out: Any = None
) -> Compiled:
    # the last parameter only says what n and m are
    k = Nest([param("f64", *in_shape), param("bool", n, m)], [tensor("f64", out_shape)])

    def inner() -> None:
        v = k("load", k.ins[0], index=index)
        k("store", v, k.outs[0], index=out or (i, j))

    k.loop("i", out_shape[0], lambda: k.loop("j", out_shape[1], inner, vector=True) and None)
    return Compiled(k.function([layout, "c"]))


SHAPES = ((1, 1), (3, 40), (40, 3), (0, 5), (5, 0), (33, 65))


@pytest.mark.parametrize(
    "index, in_shape",
    [
        ((i, j), (n, m)),
        ((j, i), (m, n)),
        ((j,), (m,)),
        ((i,), (n,)),
        ((i, 0), (n, 1)),
        ((), ()),
        ((n - 1 - i, m - 1 - j), (n, m)),
        ((i, 2 * j), (n, 2 * m)),
        ((i // 3, j % 4), (n, m + 4)),
        ((i * m + j,), (n * m,)),
        (((i * m + j) // n, (i * m + j) % n), (m, n)),
        ((i * j, j // (i + 1)), (n * m, m)),
    ],
    ids=str,
)
def test_affine_access(index: Any, in_shape: Any) -> None:
    fn = _access(index, in_shape, (n, m))
    for shape in SHAPES:
        env = dict(zip("nm", shape))
        size = tuple(interp.resolve(d, env) for d in in_shape)
        fn.check(np.arange(float(np.prod(size))).reshape(size), np.zeros(shape, bool))


@pytest.mark.parametrize("out", [(j, i), (i, m - 1 - j), (n - 1 - i, j)], ids=str)
def test_affine_stores(out: Any) -> None:
    shape = (m, n) if out == (j, i) else (n, m)
    k = Nest([param("f64", n, m)], [tensor("f64", shape), tensor("bool", shape)])

    def inner() -> None:
        v = k("load", k.ins[0], index=(i, j))
        k("store", v, k.outs[0], index=out)
        k("store", k("gt", v, k.const(7.0)), k.outs[1], index=out)

    k.loop("i", n, lambda: k.loop("j", m, inner, vector=True) and None)
    fn = Compiled(k.function())
    for size in SHAPES:
        fn.check(np.arange(float(np.prod(size))).reshape(size))


def test_broadcasts_keep_their_row() -> None:
    """Row, column, scalar and full operands in one nest."""
    k = Nest([param("f64", n, m), param("f64", m), param("f64", n), param("f64")],
             [tensor("f64", (n, m))])  # fmt: skip

    def inner() -> None:
        at = [(i, j), (j,), (i,), ()]
        v = [k("load", x, index=a) for x, a in zip(k.ins, at)]
        k("store", k("add", k("mul", v[0], v[1]), k("mul", v[2], v[3])), k.outs[0], index=(i, j))

    k.loop("i", n, lambda: k.loop("j", m, inner, vector=True) and None)
    fn = Compiled(k.function())
    for a, b in SHAPES:
        x = np.random.default_rng(0).normal(size=(a, b))
        fn.check(x, np.arange(float(b)), np.arange(float(a)), np.float64(2.5))


VIEWS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a,
    lambda a: a[::2, ::3],
    lambda a: a[::-1],
    lambda a: a[:, ::-1],
    lambda a: a.T,
    lambda a: a[3:9, 2:40],
    lambda a: np.broadcast_to(a[0], (5, a.shape[1])),
    lambda a: np.broadcast_to(a[:, :1], (a.shape[0], 37)),
    lambda a: a[:0],
]


@pytest.mark.parametrize("dtype", ["f64", "i16", "bool"])
def test_strided_parameters(dtype: str) -> None:
    k = Nest([param(dtype, n, m)], [tensor(dtype, (n, m)), tensor(dtype, (m, n))])

    def inner() -> None:
        v = k("load", k.ins[0], index=(i, j))
        k("store", v, k.outs[0], index=(i, j))
        k("store", v, k.outs[1], index=(j, i))

    k.loop("i", n, lambda: k.loop("j", m, inner, vector=True) and None)
    fn = Compiled(k.function(["strided"]))
    base = samples(dtype, 40 * 50, 1).reshape(40, 50)
    if dtype == "f64":
        base = np.arange(2000.0).reshape(40, 50)
    for view in VIEWS:
        fn.check(view(base))


def test_iota() -> None:
    k = Nest([param("f64", n, m)], [tensor("i64", (n, m))])
    k.loop("i", n, lambda: k.loop("j", m, lambda: k(
        "store", k("add", k("dim", expr=i * m + 2 * j), k("dim", expr=n - (j // 3) % 5)),
        k.outs[0], index=(i, j)), vector=True) and None)  # fmt: skip
    Compiled(k.function()).check(np.zeros((3, 70)))


def _gather() -> Compiled:
    k = Nest([param("f64", n, m), param("i64", p)], [tensor("f64", (p, m))])

    def row() -> None:
        at = k("wrap_index", k("load", k.ins[1], index=(i,)), size=n)
        k.loop("j", m, lambda: k("store", k("load", k.ins[0], at, index=(symbol("$0"), j)),
                                 k.outs[0], index=(i, j)), vector=True)  # fmt: skip

    k.loop("i", p, row)
    return Compiled(k.function())


def test_gather_of_rows() -> None:
    fn = _gather()
    x = np.arange(70.0 * 40).reshape(70, 40)
    fn.check(x, np.array([0, 5, -1, -70, 69]))
    with pytest.raises(StatusError, match=r"\(3, 0, 70, 70\)"):
        fn(x, np.array([0, 70, -71]))
    with pytest.raises(StatusError, match=r"\(3, 0, -71, 70\)"):
        fn(x, np.array([0, -71, 70]))
    assert fn.low.errors[0].kind == "index"


def test_gather_along_the_lanes() -> None:
    k = Nest([param("f32", n), param("i64", p)], [tensor("f32", (p,))])

    def body() -> None:
        at = k("wrap_index", k("load", k.ins[1], index=(i,)), size=n)
        k("store", k("load", k.ins[0], at, index=(symbol("$0"),)), k.outs[0], index=(i,))

    k.loop("i", p, body, vector=True)
    fn = Compiled(k.function())
    x = np.arange(50, dtype=np.float32)
    for size in (0, 1, 31, 64, 200):
        idx = np.random.default_rng(size).integers(-50, 50, size)
        fn.check(x, idx)
        for bad in (0, size // 2, size - 1):
            if size:
                wrong = idx.copy()
                wrong[bad:] = 50 + bad
                with pytest.raises(StatusError, match=rf"\(3, 0, {50 + bad}, 50\)"):
                    fn(x, wrong)


@pytest.mark.parametrize("dtype", ["f64", "bool"])
def test_load_if_pads(dtype: str) -> None:
    """x between three and four fill values, and no access outside."""
    k = Nest([param(dtype, n), param(dtype)], [tensor(dtype, (n + 7,))])

    def body() -> None:
        at = k("dim", expr=i - 3)
        inside = k("and", k("ge", at, k.const(0, "i64")), k("lt", at, k("dim", expr=n)))
        fill = k("load", k.ins[1], index=())
        k("store", k("load_if", k.ins[0], inside, fill, index=(i - 3,)), k.outs[0], index=(i,))

    for vector in (True, False):
        k.ops = []
        k.loop("i", n + 7, body, vector=vector)
        fn = Compiled(k.function())
        for size in (0, 1, 30, 80):
            fn.check(samples(dtype, size, 9), DTYPES[dtype].np.type(1))


def test_load_if_of_a_computed_place() -> None:
    k = Nest([param("f64", n), param("i64", p)], [tensor("f64", (p,))])

    def body() -> None:
        at = k("load", k.ins[1], index=(i,))
        inside = k("and", k("ge", at, k.const(0, "i64")), k("lt", at, k("dim", expr=n)))
        v = k("load_if", k.ins[0], inside, k.const(-1.0), at, index=(symbol("$0"),))
        k("store", v, k.outs[0], index=(i,))

    k.loop("i", p, body, vector=True)
    Compiled(k.function()).check(np.arange(5.0), np.array([0, -(2**40), 4, 5, 2**50, 3] * 9))


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


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f64", "i32"])
def test_cumsum(axis: int, dtype: str) -> None:
    x = param(dtype, n, m, p)
    fn = Compiled(function("f", [x], [B("cumsum", x, axis=axis)]))
    for shape in ((3, 4, 5), (1, 40, 2), (2, 0, 3), (2, 3, 70)):
        fn.check(np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[dtype].np))
    fn.check(np.full((2, 2, 2), -0.0).astype(DTYPES[dtype].np))


@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_add(axis: int) -> None:
    x, idx = param("f64", n, m), param("i64", 2, p, name="idx")
    shape = (2, p, m) if axis == 0 else (n, 2, p)
    upd = param("f64", *shape, name="upd")
    fn = Compiled(function("f", [x, idx, upd], [B("scatter_add", x, idx, upd, axis=axis)]))
    rng = np.random.default_rng(8)
    for size in (0, 1, 40):
        a = np.zeros((5, 6))
        index = rng.integers(0, 5, (2, size))
        update = rng.integers(0, 9, (2, size, 6) if axis == 0 else (5, 2, size)).astype(float)
        fn.check(a, index, update)


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
