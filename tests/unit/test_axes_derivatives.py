"""Derivatives of what runs along axes or writes to computed places, where they could go wrong:
zeros in products, ties, repeated places, places never read, NaN that must not spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Builder
from jitgrad.ir.core import Function, Value, function
from jitgrad.ir.interp import run
from jitgrad.ir.types import F64, I64, tensor
from jitgrad.testing.agreement import check_compiled
from jitgrad.testing.gradcheck import check_derivatives
from jitgrad.transforms import batched, jvp, pullback, vjp

B = Builder()


def param(*shape: int, name: str = "x", dtype: Any = F64) -> Value:
    return Value(tensor(dtype, shape), name=name)


def of(name: str, *params: Value, **attrs: Any) -> Function:
    return function("f", params, [B(name, *params, **attrs)])


def pull(fn: Function, args: Sequence[Any], ct: Any) -> list[np.ndarray]:
    """The cotangents of the float parameters, by the interpreter and by machine code."""
    back = vjp(fn)
    ins = [*map(np.asarray, args), np.asarray(ct, float)]
    out = run(back, ins)
    check_compiled(back, ins, out)
    return list(out[len(fn.results) :])


# -- products -------------------------------------------------------------------------------------

ZEROS = ([2.0, -3.0, 0.5, 1.5], [2.0, 0.0, 0.5, 1.5], [0.0, -3.0, 0.0, 1.5], [0.0, 0.0, 0.0, 2.0],
         [0.0, 0.0, 0.0, 0.0], [5.0], [0.0], [])  # fmt: skip


@pytest.mark.parametrize("line", ZEROS, ids=str)
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_with_zeros(line: list[float], name: str) -> None:
    """Polynomials in each element: differences see no kink at 0, whatever divides by it."""
    a = np.array(line)
    attrs: dict[str, Any] = {"axes": (0,)} if name == "prod" else {"axis": 0}
    fn = of(name, param(len(a)), **attrs)
    check_derivatives(fn, [a], order=3 if len(a) < 4 else 2, atol=1e-6)
    lines = of(name, param(2, len(a)), **dict.fromkeys(attrs, (1,) if name == "prod" else 1))
    check_derivatives(lines, [np.stack([a, a[::-1]])], atol=1e-6)
    if name == "prod":
        want = [np.prod(np.delete(a, i)) for i in range(len(a))]
        assert pull(fn, [a], 1.0)[0].tolist() == want


def test_products_with_infinities_and_nan() -> None:
    """The product of the others: what an element itself is does not matter."""
    inf, nan = np.inf, np.nan
    fn = of("prod", param(3), axes=(0,))
    for line, want in (([inf, 2.0, 3.0], [6.0, inf, inf]), ([nan, 2.0, 3.0], [6.0, nan, nan]),
                       ([inf, 0.0, 3.0], [0.0, inf, nan]),
                       ([0.0, nan, 0.0], [nan, 0.0, nan])):  # fmt: skip
        np.testing.assert_array_equal(pull(fn, [np.array(line)], 1.0)[0], want)


def test_product_over_axes_apart() -> None:
    a = np.random.default_rng(1).integers(-1, 2, (2, 3, 4)).astype(float)
    check_derivatives(of("prod", param(2, 3, 4), axes=(0, 2)), [a], atol=1e-6)
    check_derivatives(of("prod", param(2, 3, 4), axes=()), [a])


# -- running extremes, sorting --------------------------------------------------------------------


def test_running_extremes_give_all_to_the_first() -> None:
    a = np.array([1.0, 3.0, 3.0, 2.0, 4.0])
    assert pull(of("cummax", param(5), axis=0), [a], np.ones(5))[0].tolist() == [1, 3, 0, 0, 1]
    assert pull(of("cummin", param(5), axis=0), [-a], np.ones(5))[0].tolist() == [1, 3, 0, 0, 1]
    for b in (np.array([np.nan, 1.0, np.nan]), np.array([-np.inf, -np.inf, 0.0])):
        (got,) = pull(of("cummax", param(3), axis=0), [b], np.ones(3))
        assert got.tolist() == ([3, 0, 0] if np.isnan(b[0]) else [2, 0, 1])
    empty = of("cummax", param(0), axis=0)
    assert pull(empty, [np.zeros(0)], np.zeros(0))[0].shape == (0,)


def test_sort_takes_cotangents_along() -> None:
    a = np.array([3.0, np.nan, 1.0, 1.0, -np.inf])
    (got,) = pull(of("sort", param(5), axis=0), [a], np.arange(5.0))
    assert got.tolist() == [3.0, 4.0, 1.0, 2.0, 0.0]
    x = param(3, 4)
    y = B("sort", x, axis=0)
    fn = function("f", [x], [B.sum(B.mul(y, B.mul(y, y)), (1,))])
    check_derivatives(fn, [np.random.default_rng(3).permutation(12).reshape(3, 4) / 4])


# -- scatters -------------------------------------------------------------------------------------

PLACES = np.array([2, 0, 2, 2, 3])


def scatter(name: str) -> Function:
    return of(name, param(5), param(5, name="i", dtype=I64), param(5, name="u"), axis=0)


def test_scatter_gives_all_to_the_last() -> None:
    base, upd = np.arange(5.0), 10 + np.arange(5.0)
    x, u = pull(scatter("scatter"), [base, PLACES, upd], [1.0, 2, 3, 4, 5])
    assert x.tolist() == [0, 2, 0, 0, 5]
    assert u.tolist() == [0, 1, 0, 3, 4]


def test_scattered_extremes_share() -> None:
    base, upd = np.array([1.0, 2, 3, 4, 5]), np.array([3.0, 1, 3, 2, 9])
    x, u = pull(scatter("scatter_max"), [base, PLACES, upd], [1.0, 2, 3, 4, 5])
    assert x.tolist() == [0.5, 2, 1, 0, 5]
    assert u.tolist() == [1, 0.5, 1, 0, 4]


@pytest.mark.parametrize("upd", [[2.0, 3, 4, 5, 6], [0.0, 3, 4, 5, 6], [0.0, 3, 0, 5, 0],
                                 [0.0, 0, 0, 0, 0]])  # fmt: skip
@pytest.mark.parametrize("base", [[1.0, 2, 3, 4, 5], [0.0, 2, 0, 4, 5]])
def test_scattered_products_with_zeros(upd: list[float], base: list[float]) -> None:
    args = [np.array(base), PLACES, np.array(upd)]
    check_derivatives(scatter("scatter_mul"), args, atol=1e-6)


def test_what_is_not_finite_stays_at_its_place() -> None:
    base, upd = np.ones(5), np.array([2.0, np.inf, np.nan, 5.0, 6.0])
    x, u = pull(scatter("scatter_mul"), [base, PLACES, upd], np.ones(5))
    np.testing.assert_array_equal(x, [np.inf, 1, np.nan, 6, 1])
    np.testing.assert_array_equal(u, [np.nan, 1, 10, np.nan, 1])


@pytest.mark.parametrize(
    "name", ["scatter", "scatter_add", "scatter_mul", "scatter_max", "scatter_min"]
)
def test_scatters_of_lines(name: str) -> None:
    """Indices of two axes between others, with repeats; and batched over everything."""
    x, idx, upd = param(2, 4, 3), param(3, 2, name="i", dtype=I64), param(2, 3, 2, 3, name="u")
    fn = of(name, x, idx, upd, axis=1)
    rng = np.random.default_rng(4)
    args = [rng.permutation(24).reshape(2, 4, 3) / 8, rng.integers(0, 4, (3, 2)),
            -rng.permutation(36).reshape(2, 3, 2, 3) / 9 - 0.05]  # fmt: skip
    check_derivatives(fn, args, atol=1e-6)
    for f in (jvp(fn), vjp(fn)):
        ins = [np.asarray(rng.normal(size=v.type.shape)) for v in f.params[3:]]
        stacks = [np.stack([a, a[::-1]]) for a in (*args, *ins)]
        got = run(batched(f, [True] * len(stacks), 2), stacks)
        for k in range(2):
            for g, w in zip(got, run(f, [s[k] for s in stacks])):
                np.testing.assert_allclose(g[k], w, rtol=1e-12, atol=1e-12)


# -- what is not taken does not matter ------------------------------------------------------------


def test_no_nan_from_what_is_not_taken() -> None:
    """sqrt has an infinite derivative at 0; where nothing reads it, the gradient there is 0."""
    x, i = param(3), param(2, name="i", dtype=I64)
    root, start, zero = B("sqrt", x), B.const(1, I64.rank0), B.const(0, I64.rank0)
    repeats = B.const(np.array([1, 2, 1]), tensor(I64, (3,)))
    forms = {
        "gather": B("gather", root, i, axis=0),
        "take_along": B("take_along", root, i, axis=0),
        "dynamic_slice": B("dynamic_slice", root, start, sizes=(2,)),
        "scatter": B("scatter", root, zero, B.const(5.0, F64.rank0), axis=0),
        "overwritten": B("scatter", B.zeros(x.type), repeats, B("reverse", root, axes=(0,)),
                         axis=0),
        "update": B("dynamic_update_slice", root, B.const(1.0, tensor(F64, (1,))), zero),
        "sorted": B("slice", B("sort", B("neg", root), axis=0), starts=(0,), stops=(2,),
                    steps=(1,)),
        "product": B("prod", B("gather", root, i, axis=0), axes=(0,)),
    }  # fmt: skip
    a, places = np.array([0.0, 4.0, 9.0]), np.array([1, 2])
    for name, y in forms.items():
        if name == "overwritten":  # the first of two writes to place 1 is the one of x[2]
            a = np.array([1.0, 4.0, 0.0])
        fn = function("f", [x, i], [B.sum(y, range(y.type.rank))])
        (got,) = pull(fn, [a, places], 1.0)
        assert np.isfinite(got).all(), (name, got)
        (again,) = pull(function("g", [x, i], [B.sum(vjp_of(y, x), (0,))]), [a, places], 1.0)
        assert np.isfinite(again).all(), (name, again)
        a = np.array([0.0, 4.0, 9.0])


def vjp_of(y: Value, x: Value) -> Value:
    (out,) = pullback([y], [B.const(1.0, y.type)], [x])
    assert out is not None
    return out


def test_masks_cost_nothing_where_nothing_is_steep() -> None:
    x, i = param(3), param(2, name="i", dtype=I64)
    fn = vjp(function("f", [x, i], [B("gather", B("exp", x), i, axis=0)]))
    assert [op.opdef.name for op in fn.ops].count("scatter_max") == 0
