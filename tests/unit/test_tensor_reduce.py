"""Reductions, running sums, order and choice against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
M = np.array([[0.5, -1.25, 2.25], [1.5, 0.25, -0.75]])
T3 = np.sin(np.arange(24.0)).reshape(2, 3, 4)
EMPTY = np.zeros((2, 0, 4))
V = np.array([3.0, -1.0, 2.0, 2.0, 0.5])

AXES = [None, 0, -1, (0, 2), (1,), [2, 0, 1], ()]
NAMES = ("sum", "prod", "mean", "var", "std", "max", "min", "ptp", "any", "all", "argmax", "argmin")


@pytest.mark.parametrize("name", NAMES)
def test_reductions(name):
    ref = getattr(np, name)

    def one(x, axis, keep):
        axis = tuple(axis) if isinstance(axis, list) else axis
        if name.startswith("arg") and isinstance(axis, tuple):
            rest = [i for i in range(x.ndim) if i not in axis]
            flat = np.transpose(x, (*rest, *sorted(axis))).reshape(
                *[x.shape[i] for i in rest], int(np.prod([x.shape[a] for a in axis]))
            )
            out = ref(flat, -1)
            return np.expand_dims(out, tuple(sorted(axis))) if keep else out
        return ref(x, axis=axis, keepdims=keep)

    axes = [a for a in AXES if not (name.startswith("arg") and a == ())]
    sets = [(T3,), (np.round(T3 * 2),)] if name in ("any", "all", "argmax", "argmin") else [(T3,)]
    if name in ("sum", "prod"):
        sets.append((EMPTY,))
    for keep in (False, True):
        agree(lambda x, k=keep: [getattr(T, name)(x, axis=a, keepdims=k) for a in axes],
              lambda x, k=keep: [one(x, a, k) for a in axes], *sets, rtol=1e-11,
              grad=name not in ("any", "all") and not keep)  # fmt: skip
    x = T.dtensor3("x")
    np.testing.assert_allclose(getattr(x, name)(axis=0).eval({x: T3}), one(T3, 0, False))


def test_reductions_of_zeros_have_gradients():
    v = np.array([2.0, 0.0, 3.0])
    agree(lambda x: [T.prod(x), x.prod(no_zeros_in_input=True)],
          lambda x: [np.prod(x)] * 2, (v,), (np.array([0.0, 0.0, 1.0]),), (V,))  # fmt: skip
    agree(lambda x: T.cumprod(x), np.cumprod, (v,), (V,))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint32", "int64", "float32"])
def test_dtypes_of_reductions(dtype):
    a = np.array([[0, 1, 1], [1, 1, 0]], dtype)
    names = ("sum", "prod", "max", "min", "argmax", "argmin", "any", "all", "cumsum", "cumprod")
    agree(lambda x: [getattr(T, n)(x, axis=1) for n in names],
          lambda x: [getattr(np, n)(x, axis=1) for n in names], (a,), grad=False)  # fmt: skip
    agree(lambda x: [T.mean(x), T.var(x), T.std(x, axis=0, ddof=1)],
          lambda x: [np.mean(x), np.var(x), np.std(x, axis=0, ddof=1)], (a,), grad=False,
          rtol=1e-6)  # fmt: skip


def test_dtype_arguments():
    i, f, x = T.bvector("i"), T.fvector("f"), T.dvector("x")
    a = np.full(5, 100, np.int8)
    assert T.sum(i, dtype="int8").dtype == "int8" and T.sum(i, acc_dtype="int16").dtype == "int64"
    assert int(T.sum(i).eval({i: a})) == 500
    assert int(T.sum(i, dtype="int8").eval({i: a})) == np.int8(500 - 512)
    assert T.sum(f, dtype="float64").dtype == "float64" == T.mean(f, dtype="float64").dtype
    assert T.sum(x, dtype="float32").dtype == "float32" == T.mean(f).dtype
    assert T.mean(i).dtype == "float64" and T.prod(i, dtype="float64").dtype == "float64"
    assert T.mean(x, acc_dtype="float64", op=True).dtype == "float64"
    with pytest.raises(TypeError, match="a mean is a float"):
        T.mean(x, dtype="int32")
    with pytest.raises(TypeError, match="complex"):
        T.sum(x, dtype="complex128")


def test_var_and_norms():
    agree(lambda x: [T.var(x, corrected=True), x.std(ddof=1), T.var(x, 1, ddof=2)],
          lambda x: [np.var(x), np.std(x, ddof=1), np.var(x, 1, ddof=2)], (T3,),
          rtol=1e-10)  # fmt: skip
    agree(lambda x: [x.norm(2), x.norm(1, axis=0), x.norm(3), x.norm(np.inf), x.norm(-np.inf)],
          lambda x: [np.linalg.norm(x), np.abs(x).sum(0), (np.abs(x) ** 3).sum() ** (1 / 3),
                     np.abs(x).max(), np.abs(x).min()], (M,))  # fmt: skip
    assert int(T.constant([0.0, 2.0, 3.0]).norm(0).eval()) == 2


def test_running_and_differences():
    agree(lambda x: [T.cumsum(x), T.cumsum(x, 0), x.cumsum(-1), T.cumprod(x, 1), T.diff(x),
                     T.diff(x, 2, 0), T.diff(x, 0), T.diff(x, n=1, axis=0)],
          lambda x: [np.cumsum(x), np.cumsum(x, 0), np.cumsum(x, -1), np.cumprod(x, 1), np.diff(x),
                     np.diff(x, 2, 0), x, np.diff(x, axis=0)], (M,), (M[:1],), (M[:, :1],),
          (np.zeros((0, 3)),))  # fmt: skip
    b = np.array([True, False, False])
    agree(lambda x: [T.diff(x), T.cumsum(x)], lambda x: [np.diff(x), np.cumsum(x)], (b,))


def test_max_and_argmax():
    agree(lambda x: T.max_and_argmax(x, axis=1), lambda x: [x.max(1), x.argmax(1)], (M,))
    nan = np.array([1.0, np.nan, 3.0, np.nan])
    agree(lambda x: [T.max(x), T.min(x), T.argmax(x), T.argmin(x), T.sort(x), T.argsort(x)],
          lambda x: [np.max(x), np.min(x), np.argmax(x), np.argmin(x), np.sort(x),
                     np.argsort(x, kind="stable")], (nan,), grad=False)  # fmt: skip


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "ptp"])
@both
def test_extremes_of_nothing(name, mode):
    x = T.dmatrix("x")
    f = function([x], getattr(T, name)(x, axis=1), mode=mode)
    assert f(np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ShapeError, match="empty|zero-size") as err:
        f(np.zeros((3, 0)))
    assert "test_tensor_reduce.py" in str(err.value)
    with pytest.raises(ShapeError, match="empty|zero-size"):
        getattr(T, name)(T.zeros((3, 0)))


# -- order ----------------------------------------------------------------------------------------


@both
def test_sorts(mode):
    def stable(x, axis=-1):
        return np.argsort(x, axis, kind="stable")

    agree(lambda x: [T.sort(x), x.sort(0), T.sort(x, None), T.argsort(x), x.argsort(axis=0),
                     T.argsort(x, None, kind="mergesort")],
          lambda x: [np.sort(x), np.sort(x, 0), np.sort(x, None), stable(x), stable(x, 0),
                     stable(x, None)], (M,), (M[:, :1],), (np.zeros((0, 2)),),
          (np.zeros((2, 0)),), mode=mode)  # fmt: skip
    i = np.array([3, -1, 3, 0], np.int8)
    agree(lambda x: [T.sort(x), T.argsort(x)], lambda x: [np.sort(x), stable(x)], (i,),
          (i.astype(np.int8)[:0],), mode=mode)  # fmt: skip


def test_topk():
    agree(lambda x: [T.topk(x, 2), T.argtopk(x, 2), T.topk(x, -2), *T.topk_and_argtopk(x, 1, 0)],
          lambda x: [np.sort(x)[:, -2:], np.argsort(x, kind="stable")[:, -2:], np.sort(x)[:, :2],
                     np.sort(x, 0)[-1:], np.argsort(x, 0, kind="stable")[-1:]], (M,))  # fmt: skip
    with pytest.raises(ValueError, match="other than 0"):
        T.topk(T.dvector(), 0)
    x = T.dvector("x")
    for kth in (3, -3):
        f = function([x], T.topk(x, kth))
        assert sorted(f([5.0, 7.0, 6.0])) == [5, 6, 7]
        for short in ([], [1.0, 2.0]):
            with pytest.raises(ValueError, match="fewer than 3") as err:
                f(short)
            assert "test_tensor_reduce.py" in str(err.value)


@both
def test_searchsorted(mode):
    xs = np.array([1.0, 2.0, 2.0, 5.0])
    vs = np.array([[0.0, 2.0], [5.0, 9.0]])
    agree(lambda x, v: [T.searchsorted(x, v), x.searchsorted(v, "right"),
                        T.searchsorted(x, v, sorter=T.argsort(x))],
          lambda x, v: [np.searchsorted(x, v), np.searchsorted(x, v, "right"),
                        np.searchsorted(x, v)],
          (xs, vs), (xs[:0], vs), (xs, vs[:0]), mode=mode, grad=False)  # fmt: skip
    agree(T.searchsorted, np.searchsorted, (np.array([1, 3]), np.array([2.5])), grad=False)
    assert int(T.searchsorted([1, 2], 2).eval()) == 1


@both
def test_bincount(mode):
    x, w = np.array([1, 1, 3, 0]), np.array([0.5, 1.0, 2.0, 4.0])
    agree(lambda x, w: [T.bincount(x), T.bincount(x, minlength=6), T.bincount(x, w),
                        T.bincount(x, weights=w, minlength=2)],
          lambda x, w: [np.bincount(x), np.bincount(x, minlength=6), np.bincount(x, w),
                        np.bincount(x, w, 2)], (x, w), (x[:0], w[:0]), (x[:1], w[:1]),
          mode=mode, dtypes=False)  # fmt: skip
    i = T.lvector("i")
    with pytest.raises(IndexError):
        function([i], T.bincount(i), mode=mode)([1, -1])
    with pytest.raises(TypeError, match="vector of integers"):
        T.bincount(T.dvector())


@both
def test_unique(mode):
    sets = [(np.array([3.0, 1.0, 3.0, 2.0]),), (np.zeros(0),), (np.ones(4),),
            (np.array([np.nan, 1.0, np.nan]),)]  # fmt: skip
    agree(lambda x: T.unique(x, True, True, True),
          lambda x: np.unique(x, True, True, True), *sets, mode=mode, grad=False)  # fmt: skip
    m = np.array([[1, 2], [2, 1]])
    agree(lambda x: [T.unique(x), T.unique(x, return_counts=True)[1]],
          lambda x: [np.unique(x), np.unique(x, return_counts=True)[1]],
          (m,), mode=mode)  # fmt: skip


def test_errors():
    m, v = T.dmatrix("m"), T.dvector("v")
    for make, kind, text in (
        (lambda: T.sum(m, axis=2), ShapeError, "axis 2"),
        (lambda: m.sum(axis=(0, -2)), ShapeError, "named twice"),
        (lambda: m.max(axis=1.5), TypeError, "axis must be an int"),
        (lambda: T.argmax(v, axis=1), ShapeError, "axis 1"),
        (lambda: T.cumsum(m, 2), ShapeError, "axis 2"),
        (lambda: T.cumsum(m, (0, 1)), TypeError, "one axis"),
        (lambda: T.diff(m, -1), ValueError, "non-negative"),
        (lambda: T.sort(m, axis=2), ShapeError, "axis 2"),
        (lambda: T.sort(m, kind="bubble"), ValueError, "kind"),
        (lambda: T.sort(m, order="a"), ValueError, "order"),
        (lambda: T.searchsorted(m, v), ShapeError, "vector"),
        (lambda: T.searchsorted(v, v, side="up"), ValueError, "side"),
        (lambda: T.mean(v, axis=-2), ShapeError, "axis -2"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_reduce.py" in str(err.value), text
