"""Choice by indices and masks, diagonals, and products against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
M = np.array([[0.5, -1.25, 0.0], [1.5, 0.0, -0.75]])
T3 = np.sin(np.arange(24.0)).reshape(2, 3, 4)
V = np.array([1.5, 0.0, 2.0, -0.5])


@both
def test_take(mode):
    i = np.array([[2, 0], [-1, 1]])
    agree(lambda x, i: [T.take(x, i, axis=1), x.take(i), T.take(x, 1, 0), T.take(x, [0, 1], -1),
                        T.take(x, i + 5, mode="clip"), T.take(x, i * 7, mode="wrap")],
          lambda x, i: [np.take(x, i, 1), np.take(x, i), np.take(x, 1, 0), np.take(x, [0, 1], -1),
                        np.take(x, i + 5, mode="clip"), np.take(x, i * 7, mode="wrap")],
          (M, i), (M, i[:, :0]), mode=mode)  # fmt: skip
    x, k = T.dvector("x"), T.lvector("k")
    f = function([x, k], T.take(x, k), mode=mode)
    with pytest.raises(IndexError, match="index 4 is out of bounds") as err:
        f(V, [0, 4])
    assert "test_tensor_select.py" in str(err.value)
    with pytest.raises(ValueError, match="mode"):
        T.take(x, k, mode="loop")
    with pytest.raises(TypeError, match="integers"):
        T.take(x, 1.5)


@both
def test_choose_and_take_along(mode):
    a = np.array([0, 1, 1, 0])
    c = np.arange(8.0).reshape(2, 4)
    agree(lambda a, c: [T.choose(a, c), a.choose([c[0], c[1] * 2]), T.choose(a + 1, c, mode="wrap"),
                        T.choose(a * 5, c, mode="clip"), T.choose(a[:, None], [c[0], c[1]])],
          lambda a, c: [np.choose(a, c), np.choose(a, [c[0], c[1] * 2]),
                        np.choose(a + 1, c, mode="wrap"), np.choose(a * 5, c, mode="clip"),
                        np.choose(a[:, None], [c[0], c[1]])], (a, c), mode=mode)  # fmt: skip
    i = np.argsort(T3, 1)
    agree(lambda x, i: [T.take_along_axis(x, i, 1), T.take_along_axis(x.ravel(), i.ravel(), None)],
          lambda x, i: [np.take_along_axis(x, i, 1),
                        np.take_along_axis(x.ravel(), i.ravel(), None)],
          (T3, i), mode=mode)  # fmt: skip
    k = T.lvector("k")
    f = function([k], [T.choose(k, [[10, 20], [30, 40]]), k.choose(T.eye(2))], mode=mode)
    for bad in ([-1, 1], [0, 2]):  # a number is not counted from the end
        with pytest.raises(IndexError, match="out of bounds") as err:
            f(bad)
        assert "test_tensor_select.py" in str(err.value)


@both
def test_nonzero(mode):
    sets = [(M,), (np.zeros((2, 2)),), (np.zeros((0, 3)),)]
    agree(lambda m: [*m.nonzero(), m.nonzero(return_matrix=True), T.flatnonzero(m),
                     T.nonzero_values(m), T.argwhere(m), m.nonzero_values()],
          lambda m: [*m.nonzero(), np.array(m.nonzero()), np.flatnonzero(m), m[m != 0],
                     np.argwhere(m), m[m != 0]], *sets, mode=mode, grad=False)  # fmt: skip
    agree(lambda m, k: m[k.nonzero()] ** 2, lambda m, k: m[k.nonzero()] ** 2, (M, M != 0),
          mode=mode)  # fmt: skip
    agree(lambda v: [T.nonzero(v)[0], T.flatnonzero(v > 1)],
          lambda v: [v.nonzero()[0], np.flatnonzero(v > 1)], (V,), mode=mode)  # fmt: skip
    with pytest.raises(ValueError, match="scalar"):
        T.nonzero(T.dscalar())


def test_compress():
    c = np.array([True, False, True])
    agree(lambda m, c: [T.compress(c, m, axis=1), m.compress(c, 1), T.compress([0, 1], m, 0),
                        T.extract(c, m)],
          lambda m, c: [np.compress(c, m, 1), np.compress(c, m, 1), np.compress([0, 1], m, 0),
                        np.compress(c, m)], (M, c), (M, ~c), (M, c & False))  # fmt: skip
    with pytest.raises(ShapeError, match="vector as condition"):
        T.compress(T.dmatrix(), T.dmatrix())


def test_diagonals():
    agree(lambda m: [m.diagonal(), T.diagonal(m, 1), T.diagonal(m, -1), T.diag(m), T.diag(m, 5),
                     m.trace(), T.trace(m, 1)],
          lambda m: [m.diagonal(), m.diagonal(1), m.diagonal(-1), np.diag(m), np.diag(m, 5),
                     m.trace(), m.trace(1)], (M,), (M.T,), (np.ones((1, 1)),),
          (np.zeros((0, 2)),))  # fmt: skip
    agree(lambda t: [T.diagonal(t), T.diagonal(t, 1, 2, 0), t.diagonal(axis1=-1, axis2=1)],
          lambda t: [np.diagonal(t), np.diagonal(t, 1, 2, 0), np.diagonal(t, 0, -1, 1)],
          (T3,))  # fmt: skip
    agree(lambda v: [T.diag(v), T.diag(v, 2), T.diag(v, -1)],
          lambda v: [np.diag(v), np.diag(v, 2), np.diag(v, -1)], (V,), (V[:0],))  # fmt: skip
    stacked = T.nlinalg.alloc_diag(T.dmatrix("m"), 1)
    assert stacked.ndim == 3
    agree(lambda m: T.make_diagonal(m, 1), lambda m: np.stack([np.diag(r, 1) for r in m]), (M,))
    agree(lambda m: T.make_diagonal(m, 0, 0, 1),
          lambda m: np.stack([np.diag(r) for r in m], -1), (M,))  # fmt: skip


def test_filled_diagonals():
    def filled(m, v, k=0):
        out = m.copy()
        i = np.arange(max(0, min(m.shape[0] + min(k, 0), m.shape[1] - max(k, 0))))
        out[i - min(k, 0), i + max(k, 0)] = v
        return out

    agree(lambda m, v: [T.fill_diagonal(m, v), T.fill_diagonal_offset(m, v, 1),
                        T.fill_diagonal_offset(m, v, -1), T.fill_diagonal(m, 2)],
          lambda m, v: [filled(m, v), filled(m, v, 1), filled(m, v, -1), filled(m, 2)],
          (M, np.float64(7)), (M.T.copy(), np.float64(3)))  # fmt: skip
    cube = np.arange(8.0).reshape(2, 2, 2)
    want = cube.copy()
    np.fill_diagonal(want, 9)
    x, k = T.dtensor3("x"), T.iscalar("k")
    np.testing.assert_array_equal(T.fill_diagonal(x, 9).eval({x: cube}), want)
    with pytest.raises(ShapeError):
        T.fill_diagonal(x, 9).eval({x: np.ones((2, 2, 3))})
    m = T.dmatrix("m")
    f = function([m, k], T.fill_diagonal_offset(m, 0, k))
    np.testing.assert_array_equal(f(M, 1), filled(M, 0, 1))
    with pytest.raises(TypeError, match="cannot be written"):
        T.fill_diagonal(T.lmatrix(), T.dscalar())


def test_places():
    a, b = np.array([0, 1, 1]), np.array([2, 0, 3])
    agree(lambda a, b: [T.ravel_multi_index((a, b), (2, 4)),
                        T.ravel_multi_index((a, b), (2, 4), order="F"),
                        T.ravel_multi_index((a * 3, b), (2, 3), mode="clip"),
                        T.ravel_multi_index((a * 3, b), (2, 3), mode="wrap"),
                        *T.unravel_index(a + 2 * b, (2, 4)),
                        *T.unravel_index(a + 2 * b, (2, 4), order="F")],
          lambda a, b: [np.ravel_multi_index((a, b), (2, 4)),
                        np.ravel_multi_index((a, b), (2, 4), order="F"),
                        np.ravel_multi_index((a * 3, b), (2, 3), mode="clip"),
                        np.ravel_multi_index((a * 3, b), (2, 3), mode="wrap"),
                        *np.unravel_index(a + 2 * b, (2, 4)),
                        *np.unravel_index(a + 2 * b, (2, 4), order="F")], (a, b))  # fmt: skip
    i = T.lvector("i")
    for make in (T.ravel_multi_index([i, i], (2, 2)), T.unravel_index(i, (2, 2))[0],
                 T.to_one_hot(i, 2)):  # fmt: skip
        f = function([i], make)
        for bad in (-1, 4):
            with pytest.raises(IndexError, match="out of bounds"):
                f([0, bad])


def test_one_hot():
    i, n = T.ivector("i"), T.iscalar("n")
    f = function([i, n], [T.to_one_hot(i, 3), T.to_one_hot(i, n, dtype="int8")])
    got, small = f([2, 0], 4)
    np.testing.assert_array_equal(got, [[0, 0, 1], [1, 0, 0]])
    assert small.dtype == np.int8 and small.shape == (2, 4)


# -- products -------------------------------------------------------------------------------------

R = np.random.default_rng(3)
A, B, C = R.standard_normal((3, 4)), R.standard_normal((4, 2)), R.standard_normal((5, 3, 4))


@both
def test_products(mode):
    agree(lambda a, b, v: [T.dot(a, b), T.dot(a, v), T.dot(v, b), T.dot(v, v), a @ b, v @ b,
                           T.matmul(a, v), T.outer(v, v), T.inner(a, a), T.inner(v, a),
                           T.vdot(a, a), T.dot(2.0, v), T.nlinalg.matrix_dot(a, b, b.T)],
          lambda a, b, v: [a @ b, a @ v, v @ b, v @ v, a @ b, v @ b, a @ v, np.outer(v, v),
                           np.inner(a, a), np.inner(v, a), np.vdot(a, a), 2 * v, a @ b @ b.T],
          (A, B, R.standard_normal(4)), (np.ones((0, 4)), B, V), mode=mode)  # fmt: skip


@both
def test_stacks_of_products(mode):
    agree(lambda c, b, v: [T.matmul(c, b), T.matmul(c, v), T.matmul(c, c.transpose(0, 2, 1)),
                           c @ b, T.matmul(c[None], b[None, None]), T.dot(c, b),
                           T.matmul(b.T, c.transpose(0, 2, 1)), T.matmul(v, b[None])],
          lambda c, b, v: [c @ b, c @ v, c @ c.transpose(0, 2, 1), c @ b, c[None] @ b[None, None],
                           c @ b, b.T @ c.transpose(0, 2, 1), v @ b[None]],
          (C, B, R.standard_normal(4)), (np.ones((0, 3, 4)), B, V), mode=mode)  # fmt: skip
    agree(lambda c, d: [T.batched_dot(c, d), T.batched_dot(c[:, 0], d), T.batched_dot(c, d[..., 0]),
                        T.batched_dot(c[:, 0, 0], d), T.batched_tensordot(c, d, [[2], [1]]),
                        T.batched_tensordot(c, c, 2), T.batched_tensordot(c, d, 1)],
          lambda c, d: [c @ d, np.einsum("ik,ikl->il", c[:, 0], d),
                        np.einsum("ijk,ik->ij", c, d[..., 0]), c[:, 0, 0, None, None] * d, c @ d,
                        np.einsum("ijk,ijk->i", c, c), c @ d],
          (C, R.standard_normal((5, 4, 2))), mode=mode)  # fmt: skip


AXES = [2, 1, 0, [[0, 1], [0, 1]], [[2], [2]], [1, 1], [[0, 2], [0, 2]], [[-1], [-1]],
        ([0, 1, 2], [0, 1, 2])]  # fmt: skip


@pytest.mark.parametrize("axes", AXES)
def test_tensordot(axes):
    turn = isinstance(axes, int)
    agree(lambda c, d: T.tensordot(c, d.transpose(1, 2, 0) if turn else d, axes),
          lambda c, d: np.asarray(np.tensordot(c, d.transpose(1, 2, 0) if turn else d, axes)),
          (C[:3, :, :3] if turn else C, C[:3, :, :3] if turn else C))  # fmt: skip


def test_products_of_integers():
    i = np.arange(6).reshape(2, 3)
    b = i % 2 == 0
    agree(lambda i, b: [T.dot(i, i.T), T.tensordot(i, i, 2), T.matmul(b, b.T.astype("int64"))],
          lambda i, b: [i @ i.T, np.asarray(np.tensordot(i, i, 2)), b @ b.T.astype("int64")],
          (i, b))  # fmt: skip


def test_products_that_do_not_fit():
    a, c, v, s = T.dmatrix("a"), T.dtensor3("c"), T.dvector("v"), T.dscalar("s")
    for make, text in (
        (lambda: T.matmul(a, s), "scalar"),
        (lambda: T.tensordot(a, c, 3), "3 axes"),
        (lambda: T.tensordot(a, a, [[0, 1], [0]]), "pair off"),
        (lambda: T.tensordot(a, a, [[0, 0], [0, 1]]), "pair off"),
        (lambda: T.batched_dot(s, a), "scalar"),
        (lambda: T.batched_tensordot(c, c, [[0], [1]]), "axis of the stack"),
        (lambda: T.dot(T.constant([1.0, 2.0]), T.constant([1.0])), "mis-match"),
        (lambda: T.diag(c), "vector or a matrix"),
        (lambda: T.diagonal(v), "out of bounds"),
    ):
        with pytest.raises(ShapeError, match=text) as err:
            make()
        assert "test_tensor_select.py" in str(err.value), text
    for make in (T.matmul(c, a), T.tensordot(c, a, [[1], [0]]), T.batched_dot(c, c), T.dot(a, a)):
        f = function([c, a], make, on_unused_input="ignore")
        with pytest.raises(ShapeError, match="mis-match") as err:
            f(np.ones((2, 3, 4)), np.ones((5, 6)))
        assert "test_tensor_select.py" in str(err.value)
