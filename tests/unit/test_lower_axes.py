"""Lowering against the interpreter: running ops, sorts, searches, writes to computed places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lowering import FLOATS, INTS, B, Compiled, m, n, p, param, samples

from jitgrad.ir.core import Value, function
from jitgrad.ir.types import DTYPES, tensor
from jitgrad.passes.pipelines import pipeline

REAL = (*FLOATS, *INTS, "bool")
SHAPES = ((3, 4, 5), (1, 40, 2), (2, 0, 3), (2, 3, 70), (0, 1, 1), (1, 1, 1))


def of(name: str, *params: Value, **attrs: Any) -> Compiled:
    return fused(list(params), [B(name, *params, **attrs)])


def fused(params: list[Value], results: list[Value]) -> Compiled:
    """Compared with the ops' references, not with the kernels made of them."""
    fn = function("f", params, results)
    made = Compiled(pipeline("lower").run(fn))
    made.fn = fn
    return made


def array(dtype: str, shape: Any, seed: int) -> np.ndarray:
    return samples(dtype, int(np.prod(shape)), seed).reshape(shape)


def exact(got: tuple[np.ndarray, ...], want: Any) -> None:
    """Equal to the last bit, the sign of zero too; every NaN counts as the same."""
    np.testing.assert_array_equal(got[0], want)
    if got[0].dtype.kind == "f":
        some = ~np.isnan(got[0])
        np.testing.assert_array_equal(np.signbit(got[0])[some], np.signbit(want)[some])


# -- along an axis --------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f64", "i32", "u8"])
def test_cumsum(axis: int, dtype: str) -> None:
    fn = of("cumsum", param(dtype, n, m, p), axis=axis)
    for shape in SHAPES:
        fn.check(np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[dtype].np))
    fn.check(np.full((2, 2, 2), -0.0).astype(DTYPES[dtype].np))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f64", "i8"])
def test_cumprod(axis: int, dtype: str) -> None:
    fn = of("cumprod", param(dtype, n, m, p), axis=axis)
    for k, shape in enumerate(SHAPES):
        a = array(dtype, shape, k)
        with np.errstate(all="ignore"):
            exact(fn(a), np.cumprod(a, axis, a.dtype))


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dtype", REAL)
def test_running_extremes(axis: int, dtype: str) -> None:
    x = param(dtype, n, m, p)
    fn = fused([x], [B("cummax", x, axis=axis), B("cummin", x, axis=axis)])
    for k, shape in enumerate(SHAPES):
        fn.check(array(dtype, shape, k))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["f64", "f32", "i16"])
@pytest.mark.parametrize("fresh", [False, True])
def test_recurrence(axis: int, dtype: str, fresh: bool) -> None:
    x, y, z = param(dtype, n, m), param(dtype, n, m, name="y"), param("bool", n, m, name="z")
    fn = of("recurrence", *((x, y, z) if fresh else (x, y)), axis=axis)
    for shape in ((3, 4), (1, 40), (70, 2), (0, 3), (3, 0)):
        a, b = array(dtype, shape, 1), array(dtype, shape, 2)
        fn.check(*((a, b, array("bool", shape, 3)) if fresh else (a, b)), ulps=1)


def test_recurrence_starts_anew_behind_nan() -> None:
    x, y, z = param("f64", n), param("f64", n, name="y"), param("bool", n, name="z")
    a, b = np.array([np.nan, np.inf, 2.0, 2.0]), np.array([np.inf, 1.0, 3.0, 1.0])
    (got,) = of("recurrence", x, y, z, axis=0)(a, b, np.array([False, False, True, False]))
    assert got.tolist() == [np.inf, np.inf, 3.0, 7.0]
    (got,) = of("recurrence", x, y, axis=0)(a[:1], b[:1])
    assert got.tolist() == [np.inf], "the first coefficient does not matter"


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTS])
def test_prod(axes: tuple[int, ...], dtype: str) -> None:
    fn = of("prod", param(dtype, n, m), axes=axes)
    rng = np.random.default_rng(3)
    for shape in ((3, 40), (40, 3), (0, 5), (5, 0), (33, 65), (1, 1)):
        a = rng.integers(1, 3, shape).astype(DTYPES[dtype].np)
        if dtype in FLOATS:
            a = (0.95 + 0.1 * rng.random(shape)).astype(a.dtype)
        fn.check(a, ulps=max(4, a.size))
    if dtype in FLOATS:
        fn.check(array(dtype, (3, 4), 1), ulps=12)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dtype", REAL)
def test_places_of_extremes(axis: int, dtype: str) -> None:
    x = param(dtype, n, m, p)
    fn = fused([x], [B("argmin", x, axis=axis), B("argmax", x, axis=axis)])
    for k, shape in enumerate(((3, 4, 5), (1, 40, 2), (2, 3, 70), (1, 1, 1), (90, 2, 3))):
        fn.check(array(dtype, shape, k))
    d = DTYPES[dtype]
    limits = (-np.inf, np.inf) if d.is_float else (0, 1) if d.kind == "b" else (
        np.iinfo(d.np).min, np.iinfo(d.np).max)  # fmt: skip
    for worst in limits:  # what the carries begin with
        fn.check(np.full((2, 3, 70), worst, d.np))


# -- sorting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_sorts(dtype: str, name: str) -> None:
    """Lengths around those of runs and of their unions."""
    fn = of(name, param(dtype, n), axis=0)
    for size in (0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 255, 257, 1000):
        for a in (samples(dtype, size, 1), np.sort(samples(dtype, size, 2))):
            for line in (a, a[::-1].copy()):
                ref: Any = getattr(np, name)
                exact(fn(line), ref(line, kind="stable"))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_sorts_along_any_axis(axis: int, name: str) -> None:
    fn = of(name, param("f64", n, m, p), axis=axis)
    for k, shape in enumerate(SHAPES):
        a = array("f64", shape, k)
        exact(fn(a), getattr(np, name)(a, axis, kind="stable"))


def test_sorts_of_what_is_equal_or_no_number() -> None:
    fn, places = of("sort", param("f64", n), axis=0), of("argsort", param("f64", n), axis=0)
    for a in (np.full(200, np.nan), np.zeros(200), np.resize([np.nan, 1.0, -0.0, 0.0], 201),
              np.resize([np.inf, -np.inf], 77)):  # fmt: skip
        exact(fn(a), np.sort(a, kind="stable"))
        exact(places(a), np.argsort(a, kind="stable"))


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(dtype: str, right: bool) -> None:
    fn = of("searchsorted", param(dtype, n), param(dtype, m, p, name="y"), right=right)
    for size in (0, 1, 2, 3, 7, 8, 100):
        table = np.sort(samples(dtype, size, 4))
        for shape in ((3, 5), (0, 2), (1, 1)):
            fn.check(table, array(dtype, shape, 5))


def test_searchsorted_line_by_line() -> None:
    fn = of("searchsorted", param("f64", n, m), param("f64", n, p, name="y"), right=False)
    fn.check(np.sort(array("f64", (3, 9), 0)), array("f64", (3, 4), 1))
    fn.check(np.zeros((0, 9)), np.zeros((0, 4)))


# -- computed places ------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["f64", "f32", "i32", "u8", "bool"])
def test_take_along(axis: int, dtype: str) -> None:
    shape = (p, m) if axis == 0 else (n, p)
    fn = of("take_along", param(dtype, n, m), param("i64", *shape, name="i"), axis=axis)
    a, rng = array(dtype, (5, 7), 1), np.random.default_rng(2)
    for size in (0, 1, 3, 40):
        where = (size, 7) if axis == 0 else (5, size)
        fn.check(a, rng.integers(0, (5, 7)[axis], where))


SCATTERS = ("scatter", "scatter_add", "scatter_mul", "scatter_max", "scatter_min")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", REAL)
def test_scatters(axis: int, dtype: str) -> None:
    names = SCATTERS
    if dtype == "bool":
        names = ("scatter", "scatter_max", "scatter_min")
        with pytest.raises(TypeError, match="takes numbers"):
            B("scatter_add", param("bool", 3), param("i64"), param("bool"), axis=0)
    x, idx = param(dtype, n, m), param("i64", 2, p, name="idx")
    upd = param(dtype, *((2, p, m) if axis == 0 else (n, 2, p)), name="upd")
    fn = fused([x, idx, upd], [B(name, x, idx, upd, axis=axis) for name in names])
    rng = np.random.default_rng(8)
    for size in (0, 1, 40):
        index = rng.integers(0, 5, (2, size))
        update = array(dtype, (2, size, 6) if axis == 0 else (5, 2, size), size)
        fn.check(array(dtype, (5, 6), 1), index, update)


@pytest.mark.parametrize("start", [(0, 0), (1, 2), (-3, 2), (9, -9), (2**62, -(2**62))])
def test_dynamic_slices(start: tuple[int, int]) -> None:
    starts = [param("i64", name="s"), param("i64", name="t")]
    x, upd = param("f64", n, m), param("f64", 2, p, name="upd")
    read = of("dynamic_slice", x, *starts, sizes=(2, 3))
    write = of("dynamic_update_slice", x, upd, *starts)
    for shape in ((2, 3), (5, 40), (7, 3)):
        a = array("f64", shape, 2)
        at = [np.asarray(s) for s in start]
        read.check(a, *at)
        for size in (0, 1, 3):
            write.check(a, np.ones((2, size)), *at)
    wide = of("dynamic_slice", x, *starts, sizes=(2, m))
    wide.check(array("f64", (5, 70), 2), *at)


def test_library_ops_inside_kernels_around() -> None:
    """Operands are computed before and results used after, several times each."""
    x = param("f64", n, m)
    s = B("sort", B("exp", x), axis=1)
    order = B("argsort", B("neg", x), axis=0)
    parts = [
        B.add(s, B("cumprod", s, axis=1)), B("take_along", x, order, axis=0),
        B("searchsorted", B("sort", B.reshape(x, (n * m,)), axis=0), s, right=True),
        B("prod", B.add(s, s), axes=(0,)),
    ]  # fmt: skip
    fn = fused([x], parts)
    for shape in ((3, 5), (1, 1), (0, 4), (4, 0), (33, 20)):
        fn.check(np.random.default_rng(0).normal(size=shape), ulps=200)


def test_wrong_operands() -> None:
    for name, types, attrs in (
        ("sort", ("f64[3]",), {"axis": 1}), ("cumprod", ("bool[3]",), {"axis": 0}),
        ("recurrence", ("f64[3]", "f64[3]", "f64[3]"), {"axis": 0}),
        ("recurrence", ("f64[3]",), {"axis": 0}), ("take_along", ("f64[3]", "i64"), {"axis": 0}),
        ("take_along", ("f64[3, 4]", "i64[2, 5]"), {"axis": 0}),
        ("scatter", ("f64[3]", "i64[2]", "f64[3]"), {"axis": 0}),
        ("scatter", ("f64[3]", "i32[2]", "f64[2]"), {"axis": 0}),
        ("searchsorted", ("f64", "f64"), {"right": True}),
        ("searchsorted", ("f64[3]", "f32[3]"), {"right": True}),
        ("searchsorted", ("f64[3, 4]", "f64[2, 4]"), {"right": True}),
        ("dynamic_slice", ("f64[3]", "f64"), {"sizes": (2,)}),
        ("dynamic_slice", ("f64[3]", "i64"), {"sizes": (4,)}),
        ("dynamic_slice", ("f64[3]", "i64", "i64"), {"sizes": (2,)}),
        ("dynamic_update_slice", ("f64[3]", "f64[4]", "i64"), {}),
        ("dynamic_update_slice", ("f64[3]", "f32[2]", "i64"), {}),
    ):  # fmt: skip
        params = [_param(t) for t in types]
        with pytest.raises((ValueError, TypeError), match=name):
            B(name, *params, **attrs)


def _param(text: str) -> Value:
    name, _, dims = text.rstrip("]").partition("[")
    return Value(tensor(name, tuple(int(d) for d in dims.split(",") if d)))
