"""x[key] of variables, and elements replaced, against NumPy for every kind of key."""

from __future__ import annotations

import numpy as np
import pytest
from tensorfns import MODES, agree, here

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
A3 = np.arange(24.0).reshape(2, 3, 4) ** 2 / 7
BOUNDS = [None, 0, 2, 5, -1, -3, -7]


@pytest.mark.parametrize("step", [1, 2, 3, -1, -2, -3])
def test_every_slice(step):
    """Values, gradients and updates, on sizes that the bounds leave, 0 among them."""
    for lo in BOUNDS:
        x = T.dvector("x")
        outs = []
        for hi in BOUNDS:
            part = x[lo:hi:step]
            outs += [part, T.grad((part**2).sum(), x), T.set_subtensor(part, 7.0),
                     T.inc_subtensor(part, 2.0)]  # fmt: skip
        f = function([x], outs, mode="FAST_COMPILE")
        for n in (0, 1, 2, 6):
            v = np.linspace(1, 2, n)
            got = f(v)
            for k, hi in enumerate(BOUNDS):
                key = slice(lo, hi, step)
                slope, wrote, added = np.zeros(n), v.copy(), v.copy()
                slope[key] = 2 * v[key]
                wrote[key] = 7
                added[key] += 2
                for a, b in zip(got[4 * k : 4 * k + 4], (v[key], slope, wrote, added)):
                    np.testing.assert_allclose(a, b, err_msg=f"{key} of {n}")


def test_slices_compiled():
    agree(lambda x: [x[1:-1], x[:3] * 2, x[5:2:-2], x[::-3], x[-2:], x[2:][1:], x[4:1]],
          lambda x: [x[1:-1], x[:3] * 2, x[5:2:-2], x[::-3], x[-2:], x[2:][1:], x[4:1]],
          *[(np.linspace(1, 2, n),) for n in (7, 0, 1, 2, 3, 30)])  # fmt: skip


def test_neighbours_fit_without_a_check():
    x = T.dvector("x")
    assert (x[1:] - x[:-1]).value.type is x[1:].value.type
    assert (x[2:] - 2 * x[1:-1] + x[:-2]).value.type is x[2:].value.type


KEYS = [
    "0", "-1", "0, 1, 2", "..., 1", "1, ...", "None, 0", "0, None, :, None", ":, 1:, ::2", "...",
    ":", "[0, 1, 1]", ":, [2, 0]", "[1, 0], [2, 0]", "[[0], [1]], [0, 2]", "[0, 1], :, [3, 1]",
    "0, :, [3, 1]", "0, [2, 1]", ":, [0, 2], 1", "[0, 1], 1, [0, 3]", ":, [0], [[1, 2]]",
    "..., [0, 1]", "None, [1, 0]", "[1, 0], None, [1, 0]", ":, None, [0, 1]", "::-1, [1, 0]",
    "[], 0", "np.array([True, False])", ":, np.array([True, False, True])",
    "np.array([1, 0]), ..., np.array([0, 1])", "1:, 0:2, ::-1", "np.int64(1)", "np.array(1)",
    "np.array([[True, False, True], [False, False, True]])",
    "np.array([True, True]), [0, 2]", "0, np.array([True, False, True]), 1:",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_keys(key):
    k = eval(f"np.s_[{key}]", {"np": np})
    agree(lambda x: x[k], lambda x: x[k], (A3,))


@pytest.mark.parametrize("key", KEYS)
def test_updates(key):
    k = eval(f"np.s_[{key}]", {"np": np})
    part = A3[k]

    def wrote(x, y):
        out = np.broadcast_to(x, x.shape).copy()
        out[k] = y
        return out

    def added(x, y):
        out = x.copy()
        np.add.at(out, k, y)
        return out

    agree(lambda x, y: [T.set_subtensor(x[k], y), T.inc_subtensor(x[k], y)],
          lambda x, y: [wrote(x, y), added(x, y)],
          (A3, np.sqrt(1 + np.arange(part.size)).reshape(part.shape)),
          grad="[0, 1, 1]" not in key)  # fmt: skip
    agree(lambda x, y: [T.set_subtensor(x[k], y), T.inc_subtensor(x[k], y)],
          lambda x, y: [wrote(x, y), added(x, y)], (A3, np.float64(2.5)))  # fmt: skip


@both
def test_masks_that_are_computed(mode):
    agree(lambda x: [x[x > 1], x[x > 1] * 2 + x[x <= 1].sum(), T.sum(x[x > 5] ** 2)],
          lambda x: [x[x > 1], x[x > 1] * 2 + x[x <= 1].sum(), np.sum(x[x > 5] ** 2)],
          (np.array([0.5, 2, 3, 0.1, 4]),), (np.zeros(4),), (np.zeros(0),),
          (np.full(3, 9.0),), mode=mode)  # fmt: skip
    agree(lambda m: [m[m > 3], m[m.sum(1) > 9], m[:, m[0] > 0]],
          lambda m: [m[m > 3], m[m.sum(1) > 9], m[:, m[0] > 0]],
          (np.arange(6.0).reshape(2, 3) + 0.2,), (np.ones((1, 1)),), (np.ones((3, 1)),),
          mode=mode)  # fmt: skip


def test_masks_from_outside():
    x, m = T.dmatrix("x"), T.matrix("m", dtype="bool")
    f = function([x, m], [x[m], T.set_subtensor(x[m], 0), T.inc_subtensor(x[m], x[m])])
    a = np.arange(6.0).reshape(2, 3)
    for mask in (a > 2, a < -1, a > -1):
        got, zeroed, doubled = f(a, mask)
        np.testing.assert_array_equal(got, a[mask])
        np.testing.assert_array_equal(zeroed, np.where(mask, 0, a))
        np.testing.assert_array_equal(doubled, np.where(mask, 2 * a, a))
    with pytest.raises(IndexError, match="boolean index did not match") as err:
        f(a, np.ones((2, 2), bool))
    assert "test_tensor_index.py" in str(err.value)
    with pytest.raises(IndexError, match="boolean index did not match"):
        T.constant([1.0, 2.0])[np.array([True])]


@both
def test_indices_that_are_computed(mode):
    v, i, j = T.dvector("v"), T.iscalar("i"), T.iscalar("j")
    outs = [v[i:j], v[i:], v[:j], v[i:j:2], v[j:i:-1], T.grad(v[i:j].sum(), v),
            T.set_subtensor(v[i:j], 0)]  # fmt: skip
    f = function([v, i, j], outs, mode=mode)
    for n in (0, 1, 4, 6):
        a = np.linspace(1, 2, n)
        for lo in (-9, -2, 0, 1, 3, 8):
            for hi in (-8, -1, 0, 2, 7):
                slope, wrote = np.zeros(n), a.copy()
                slope[lo:hi] = 1
                wrote[lo:hi] = 0
                want = [a[lo:hi], a[lo:], a[:hi], a[lo:hi:2], a[hi:lo:-1], slope, wrote]
                for got, w in zip(f(a, lo, hi), want):
                    np.testing.assert_array_equal(got, w, err_msg=f"{lo}:{hi} of {n}")


def test_bounds_made_of_sizes():
    """What is below 0 counts from the end, whether a number or a size less a number."""
    x, y = T.dvector("x"), T.dvector("y")
    n, m = x.shape[0], y.shape[0]
    f = function([x, y], [x[: n - 1], x[n - 5 :], x[: m - 3], x[m - n :], x[n - 4 : n - 1],
                          x[m - 2 :: -1], x[n // 2 :], x[-m:], x[: 2 * m]])  # fmt: skip
    for n in range(8):
        for m in range(6):
            a = np.arange(1.0, n + 1)
            want = [a[: n - 1], a[n - 5 :], a[: m - 3], a[m - n :], a[n - 4 : n - 1],
                    a[m - 2 :: -1], a[n // 2 :], a[-m:], a[: 2 * m]]  # fmt: skip
            for i, (got, w) in enumerate(zip(f(a, np.ones(m)), want)):
                np.testing.assert_array_equal(got, w, err_msg=f"{i}: {n}, {m}")


@both
def test_a_scalar_index(mode):
    m, i = T.dmatrix("m"), T.iscalar("i")
    f = function([m, i], [m[i], m[:, i], m[i, 1], T.set_subtensor(m[i], 0.0),
                          T.inc_subtensor(m[i, 1:], 5.0)], mode=mode)  # fmt: skip
    a = np.arange(9.0).reshape(3, 3)
    for k in (0, 2, -1, -3):
        row, column, one, wrote, added = f(a, k)
        np.testing.assert_array_equal(row, a[k])
        np.testing.assert_array_equal(column, a[:, k])
        assert one == a[k, 1]
        want = a.copy()
        want[k] = 0
        np.testing.assert_array_equal(wrote, want)
        want = a.copy()
        want[k, 1:] += 5
        np.testing.assert_array_equal(added, want)
    for k in (3, -4):
        with pytest.raises(IndexError, match=f"index {k} is out of bounds") as err:
            f(a, k)
        assert "test_tensor_index.py" in str(err.value)


def test_repeated_indices():
    v, i, y = T.dvector("v"), T.lvector("i"), T.dvector("y")
    f = function([v, i, y], [T.inc_subtensor(v[i], y), T.set_subtensor(v[i], y),
                             T.inc_subtensor(v[i], y, ignore_duplicates=True),
                             T.inc_subtensor(v[i], y, set_instead_of_inc=True)])  # fmt: skip
    added, wrote, once, again = f([1, 2, 3], [0, 0, 2], [10, 20, 30])
    np.testing.assert_array_equal(added, [31, 2, 33])
    np.testing.assert_array_equal(wrote, [20, 2, 30])
    np.testing.assert_array_equal(once, [21, 2, 33])
    np.testing.assert_array_equal(again, wrote)


def test_updates_of_views_keep_their_source():
    x = T.dvector("x")
    y = T.inc_subtensor(T.set_subtensor(x[1:3], 0)[:2], x[-2:])
    assert y.ndim == 1
    np.testing.assert_array_equal(y.eval({x: [1, 2, 3, 4]}), [4, 4, 0, 4])
    whole = T.set_subtensor(x[:], 2.0)
    np.testing.assert_array_equal(whole.eval({x: [1, 2]}), [2, 2])
    np.testing.assert_array_equal(x[1:].set(0).eval({x: [1, 2]}), [1, 0])
    np.testing.assert_array_equal(x[1:].inc(3).eval({x: [1, 2]}), [1, 5])


def test_dtypes_of_updates():
    x = T.fvector("x")
    assert T.set_subtensor(x[0], 1.5).dtype == "float32"
    assert T.inc_subtensor(x[0], T.dscalar()).dtype == "float32"
    i = T.ivector("i")
    assert T.set_subtensor(i[0], T.lscalar()).dtype == "int32"
    b = T.vector("b", dtype="bool")
    np.testing.assert_array_equal(T.set_subtensor(b[1], True).eval({b: [False] * 2}), [0, 1])
    for bad in (1.5, T.dscalar()):
        with pytest.raises(TypeError, match="cannot be written into") as err:
            T.set_subtensor(i[0], bad)
        assert here(-1) in str(err.value)


def test_errors_name_the_line():
    x, m = T.dvector("x"), T.dmatrix("m")
    for make, kind, text in (
        (lambda: x[0, 1], IndexError, "too many indices"),
        (lambda: x[..., ...], IndexError, "single ellipsis"),
        (lambda: x[1.5], TypeError, "indices must be integers"),
        (lambda: x["a"], TypeError, "indices must be integers"),
        (lambda: x[True], TypeError, "a single bool"),
        (lambda: x[::0], ValueError, "step cannot be zero"),
        (lambda: x[1.0:], TypeError, "bound of a slice"),
        (lambda: x[:: T.iscalar()], TypeError, "step of a slice must be an int"),
        (lambda: x[T.dvector()], TypeError, "indices must be integers"),
        (lambda: T.constant([1.0])[1], IndexError, "index 1 is out of bounds"),
        (lambda: T.constant([1.0])[[0, -2]], IndexError, "index -2 is out of bounds"),
        (lambda: m[T.tensor3(dtype="bool")], IndexError, "too many indices"),
        (lambda: T.set_subtensor(x, 1), TypeError, "takes a part of a variable"),
        (lambda: T.set_subtensor(x[0], x), TypeError, "cannot take a value of 1 dims"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_index.py" in str(err.value), text
    f = function([m, x], T.set_subtensor(m[0:2], x))
    np.testing.assert_array_equal(f(np.eye(3), [1, 2, 3])[:2], [[1, 2, 3]] * 2)
    with pytest.raises(ShapeError, match="does not broadcast") as err:
        f(np.eye(3), [1.0])
    assert "test_tensor_index.py" in str(err.value)
    g = function([x], x[2])
    with pytest.raises(IndexError, match="out of bounds"):
        g([1, 2])


@both
def test_second_order_of_a_strided_slice_of_nothing(mode):
    key = (slice(-4, -(10**6), 2), 1, np.array([True, False]))
    x = T.dtensor3("x")
    y = T.inc_subtensor(x[key], x[key] * 3) * x
    g = T.grad((y * y).sum(), x)
    w = T.cos(T.arange(x.size)).reshape(x.shape)
    a = np.arange(8.0).reshape(2, 2, 2)
    got = function([x], T.grad((g * w).sum(), x), mode=mode)(a)
    np.testing.assert_allclose(got, 12 * a**2 * np.cos(np.arange(8)).reshape(a.shape), atol=1e-12)


@both
def test_constant_places_that_are_none(mode):
    x = T.tensor("float64", shape=(3, 2), name="x")
    for key in (np.zeros(0, int), (0, np.zeros(2, bool)), ([], [])):
        y = T.inc_subtensor(x[key], x[key] * 3) * x
        f = function([x], [x[key] * 2, y, T.grad(y.sum(), x)], mode=mode)
        a = np.arange(6.0).reshape(3, 2)
        for got, want in zip(f(a), (a[key], a * a, 2 * a)):
            np.testing.assert_array_equal(got, want)
