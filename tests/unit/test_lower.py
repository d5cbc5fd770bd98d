"""Lowering to LLVM against the interpreter: elementwise ops and access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from lowering import (
    FLOATS,
    HOST,
    INTS,
    SHAPES,
    SIZES,
    Compiled,
    Nest,
    StatusError,
    elementwise,
    i,
    j,
    m,
    n,
    of_op,
    p,
    param,
    samples,
)

from jitgrad.ir import interp
from jitgrad.ir.core import Function, Value
from jitgrad.ir.dims import symbol
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import DTYPES, F64, tensor
from jitgrad.llvm.target import Target
from jitgrad.testing.traits import attributes

# -- elementwise ----------------------------------------------------------------------------------

CLASSES = {"f": FLOATS, "i": INTS[:4], "u": INTS[4:], "b": ("bool",)}


# of other operands, raising, or good only absolutely where they are nearly 0: tests elsewhere,
# tests/property/test_elementwise.py has them all
OTHERS = {"cast", "wrap_index", "select", "nonnegative", "logaddexp2", "digamma", "gammaln"}


def _rows() -> list[tuple[str, str]]:
    out = []
    for row in TABLE.values():
        if row.elementwise and row.name not in OTHERS:
            for kinds in CLASSES.values():
                try:
                    row.types(row.name, [tensor(kinds[0], ())] * row.arity, attributes(row), ())
                except TypeError:
                    continue
                out += [(row.name, d) for d in kinds]
    return out


@pytest.mark.parametrize("name, dtype", _rows())
def test_elementwise(name: str, dtype: str) -> None:
    row = TABLE[name]
    dtypes = [dtype] * row.arity
    (out,) = row.types(name, [tensor(dtype, ())] * row.arity, attributes(row), ())
    fn = Compiled(of_op(elementwise(name, dtypes, out.dtype.name, **attributes(row))))
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
