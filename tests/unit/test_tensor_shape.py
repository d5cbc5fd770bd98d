"""Shapes, creation and joins of variables against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from tensorfns import MODES, agree

import jitgrad.tensor as T
from jitgrad import config, function
from jitgrad.errors import ShapeError

both = pytest.mark.parametrize("mode", MODES)
M = np.arange(6.0).reshape(2, 3) + 0.5
V = np.array([1.5, -2.0, 0.25])
EMPTY = np.zeros((0, 3))
ONE = np.ones((1, 1))

SHAPES = {
    "reshape": (lambda m: T.reshape(m, (-1, 2)), lambda m: m.reshape(-1, 2)),
    "reshape by sizes": (lambda m: m.reshape((m.shape[1], -1)),
                         lambda m: m.reshape(m.shape[1], m.size // m.shape[1])),
    "reshape method": (lambda m: m.reshape(3, -1), lambda m: m.reshape(3, m.size // 3)),
    "reshape vector": (lambda m: T.reshape(m, T.stack([m.shape[1], m.shape[0]])),
                       lambda m: m.reshape(m.shape[::-1])),
    "flatten": (lambda m: [m.flatten(), T.flatten(m, 2), m.ravel(), T.flatten(m, outdim=1)],
                lambda m: [m.ravel(), m, m.ravel(), m.ravel()]),
    "dimshuffle": (lambda m: [m.dimshuffle(1, "x", 0), m.dimshuffle([0, "x", 1])],
                   lambda m: [m.T[:, None], m[:, None]]),
    "transpose": (lambda m: [m.T, m.transpose(1, 0), T.transpose(m, (0, 1)), m.transpose()],
                  lambda m: [m.T, m.T, m, m.T]),
    "swapaxes": (lambda m: [m.swapaxes(0, 1), T.swapaxes(m, -1, -1)], lambda m: [m.T, m]),
    "moveaxis": (lambda m: T.moveaxis(m[None], [0, 1], [-1, 0]),
                 lambda m: np.moveaxis(m[None], [0, 1], [-1, 0])),
    "squeeze": (lambda m: [m[None, :, None].squeeze(), T.squeeze(m[None], 0)],
                lambda m: [m, m]),
    "expand_dims": (lambda m: [T.expand_dims(m, 1), T.expand_dims(m, (0, -1))],
                    lambda m: [m[:, None], m[None, :, :, None]]),
    "pads": (lambda m: [T.shape_padleft(m, 2), T.shape_padright(m), T.shape_padaxis(m, 1),
                        T.atleast_3d(m), T.atleast_1d(m)],
             lambda m: [m[None, None], m[..., None], m[:, None], m[None], m]),
    "flip": (lambda m: [T.flip(m), T.flip(m, 1), T.flip(m, (0, -1))],
             lambda m: [np.flip(m), np.flip(m, 1), np.flip(m)]),
    "broadcast_to": (lambda m: T.broadcast_to(m, (2, m.shape[0], m.shape[1])),
                     lambda m: np.broadcast_to(m, (2, *m.shape))),
    "shape": (lambda m: [m.shape, m.shape[0] * 2, m.size, T.shape_i(m, -1), T.shape(m)[1:]],
              lambda m: [np.array(m.shape), np.array(2 * len(m)), np.array(m.size),
                         np.array(m.shape[1]), np.array(m.shape[1:])]),
    "repeat": (lambda m: [T.repeat(m, 2), m.repeat(3, axis=1), T.repeat(m, 0, 0)],
               lambda m: [np.repeat(m, 2), np.repeat(m, 3, 1), np.repeat(m, 0, 0)]),
    "tile": (lambda m: [T.tile(m, 2), T.tile(m, (2, 1)), T.tile(m, (2, 1, 3)), T.tile(m, (0, 1))],
             lambda m: [np.tile(m, 2), np.tile(m, (2, 1)), np.tile(m, (2, 1, 3)),
                        np.tile(m, (0, 1))]),
    "roll": (lambda m: [T.roll(m, 1), T.roll(m, -2, 1), T.roll(m, 7, axis=0)],
             lambda m: [np.roll(m, 1), np.roll(m, -2, 1), np.roll(m, 7, 0)]),
    "concatenate": (lambda m: [T.concatenate([m, m * 2], 1), T.join(0, m, m[:1]),
                               T.concatenate([m])],
                    lambda m: [np.concatenate([m, m * 2], 1), np.concatenate([m, m[:1]]), m]),
    "stack": (lambda m: [T.stack([m, 2 * m]), T.stack([m, m], axis=-1), T.stack(m, m),
                         T.stacklists([[m, m], [m, 3 * m]])],
              lambda m: [np.stack([m, 2 * m]), np.stack([m, m], -1), np.stack([m, m]),
                         np.stack([np.stack([m, m]), np.stack([m, 3 * m])])]),
    "stacks": (lambda m: [T.horizontal_stack(m, m), T.vertical_stack(m, m, m)],
               lambda m: [np.hstack([m, m]), np.vstack([m, m, m])]),
    "like": (lambda m: [T.zeros_like(m), T.ones_like(m, "int8"), m.zeros_like(), T.full_like(m, 3),
                        T.empty_like(m), T.fill(m, 2.0), m.fill(1.5)],
             lambda m: [m * 0, np.ones(m.shape, "int8"), m * 0, m * 0 + 3, m * 0, m * 0 + 2,
                        m * 0 + 1.5]),
    "alloc": (lambda m: [T.alloc(m, 2, *m.shape),
                         T.alloc(1.5, m.shape[0], 2), T.full((2, m.shape[1]), m.sum())],
              lambda m: [np.broadcast_to(m, (2, *m.shape)), np.full((len(m), 2), 1.5),
                         np.full((2, m.shape[1]), m.sum())]),
    "triangles": (lambda m: [T.tril(m), T.triu(m, 1), T.tril(m[None], -1), T.triu(m, -1)],
                  lambda m: [np.tril(m), np.triu(m, 1), np.tril(m[None], -1), np.triu(m, -1)]),
    "identity_like": (lambda m: T.identity_like(m), lambda m: np.eye(*m.shape)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    symbolic, reference = SHAPES[name]
    sets = [(M,), (EMPTY,), (np.arange(12.0).reshape(4, 3),)]
    if name in ("reshape by sizes",):
        sets = [(M,), (np.ones((4, 2)),)]
    agree(symbolic, reference, *sets, rtol=0)


def test_sizes_that_are_values():
    n, k, s = T.iscalar("n"), T.lscalar("k"), T.lvector("s")
    x = T.dvector("x")
    f = function([x, n, k, s], [
        T.zeros((n, 2)), T.reshape(x, (n, -1)), T.reshape(x, (k, n)), T.reshape(x, s, ndim=2),
        T.arange(n), T.arange(n, k, 2), T.eye(n), T.tile(x, n), T.repeat(x, n), T.alloc(x, n, 6),
        T.linspace(0.0, 1.0, n), T.roll(x, k), T.tri(n, 3, k), T.eye(n, 3, k)])  # fmt: skip
    a = np.arange(6.0)
    got = f(a, 2, 3, [-1, 2])
    want = [np.zeros((2, 2)), a.reshape(2, 3), a.reshape(3, 2), a.reshape(3, 2), np.arange(2),
            np.arange(2, 3, 2), np.eye(2), np.tile(a, 2), np.repeat(a, 2),
            np.broadcast_to(a, (2, 6)), np.linspace(0, 1, 2), np.roll(a, 3), np.tri(2, 3, 3),
            np.eye(2, 3, 3)]  # fmt: skip
    for i, (g, w) in enumerate(zip(got, want)):
        assert g.shape == w.shape, i
        np.testing.assert_array_equal(g, w, err_msg=str(i))
    np.testing.assert_array_equal(f(a, 2, -1, [2, 3])[2], a.reshape(3, 2))
    with pytest.raises(ShapeError, match="numbers of elements differ"):
        f(a, 2, 2, [2, 3])
    with pytest.raises(ValueError, match="n") as err:
        function([n], T.zeros((n,)))(-1)
    assert "test_tensor_shape.py" in str(err.value)


RANGES = [(4,), (1, 4), (5, 0, -2), (0.0, 1.0, 0.25), (3, 3), (0,), (2, -1), (1.5, -1.5, -1.0)]


@pytest.mark.parametrize("args", RANGES)
@both
def test_arange(args, mode):
    kinds = [T.lscalar() if isinstance(a, int) else T.dscalar() for a in args]
    got = function(kinds, T.arange(*kinds), mode=mode)(*args)
    want = np.arange(*args)
    assert got.dtype == want.dtype == T.arange(*args).eval().dtype
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(T.arange(*args).eval(), want)


def test_arange_dtypes_and_sizes():
    v, n = T.dvector("v"), T.iscalar("n")
    assert T.arange(n).dtype == "int64" and T.arange(3, dtype="int8").dtype == "int8"
    assert T.arange(T.fscalar()).dtype == "float32" and T.arange(n, dtype="float32").ndim == 1
    f = function([v], [T.arange(v.shape[0] - 2), T.arange(0, v.shape[0], 3),
                       T.arange(v.shape[0], 0, -1), T.arange(v.shape[0]) * v])  # fmt: skip
    for size in (0, 1, 2, 5):
        a = np.ones(size)
        for got, want in zip(f(a), (np.arange(size - 2), np.arange(0, size, 3),
                                    np.arange(size, 0, -1), np.arange(size) * a)):  # fmt: skip
            np.testing.assert_array_equal(got, want)
    with pytest.raises(ValueError, match="step is 0"):
        T.arange(0, 3, 0)
    with pytest.raises(ValueError, match="step of 0"):
        function([n], T.arange(0, 3, n))(0)
    f = function([v], T.arange(v[0], v[1], v[2]))
    np.testing.assert_array_equal(f([0, -2, -0.5]), np.arange(0, -2, -0.5))
    assert f([0, -np.inf, 1]).shape == f([3, 3, 1]).shape == (0,)
    for bad in ([0, 1, 0], [1, 1, 0], [1, 0, 0], [0, np.nan, 1], [0, 1e30, 1], [0, np.inf, 1]):
        with pytest.raises(ValueError, match="arange") as err:
            f(bad)
        assert "test_tensor_shape.py" in str(err.value)
    k = T.lvector("k")
    with pytest.raises(ValueError, match="overflow"):
        function([k], T.arange(k[0], k[1], k[2]))([-(2**63), 2**63 - 1, 2**62])
    with pytest.raises(TypeError, match="scalars"):
        T.arange(v)


def test_creation():
    for got, want in (
        (T.eye(3), np.eye(3)), (T.eye(2, 4, -1, "int8"), np.eye(2, 4, -1, "int8")),
        (T.tri(3, 2, 1), np.tri(3, 2, 1)), (T.zeros(3), np.zeros(3)),
        (T.ones((2, 0), "bool"), np.ones((2, 0), bool)), (T.empty((2,)), np.zeros(2)),
        (T.linspace(1, 2, 7), np.linspace(1, 2, 7)), (T.linspace(1.0, 2.0, 1), [1.0]),
        (T.linspace(0, 1, 4, endpoint=False), np.linspace(0, 1, 4, endpoint=False)),
        (T.bartlett(1), np.bartlett(1)), (T.bartlett(6), np.bartlett(6)),
        (T.bartlett(0), np.zeros(0)), (T.zeros(()), np.zeros(())), (T.full(2, 5), [5, 5]),
        (T.stack(T.mgrid[0:2, 1:4]), np.mgrid[0:2, 1:4]), (T.mgrid[0:4], np.mgrid[0:4]),
        (T.mgrid[0:1:5j], np.mgrid[0:1:5j]), (T.ogrid[0:2, 0:3][0], np.ogrid[0:2, 0:3][0]),
        (T.ogrid[0:2, 0:3][1], np.ogrid[0:2, 0:3][1]),
        (T.stack(T.meshgrid([1, 2], [3, 4, 5])), np.stack(np.meshgrid([1, 2], [3, 4, 5]))),
        (T.stack(T.meshgrid([1, 2], [3, 4], indexing="ij")),
         np.stack(np.meshgrid([1, 2], [3, 4], indexing="ij"))),
    ):  # fmt: skip
        value = got.eval()
        assert value.shape == np.shape(want)
        np.testing.assert_allclose(value, want, rtol=1e-15)
    config.floatX = "float32"
    try:
        kinds = [T.zeros(2), T.eye(2), T.scalar(), T.constant(1.5), T.tri(2)]
        assert [v.dtype for v in kinds] == ["float32"] * 5
    finally:
        config.floatX = "float64"


def test_split():
    x, s = T.dvector("x"), T.lvector("s")
    a, b, c = T.split(x, [1, 2, 3], 3)
    agree(lambda x: T.split(x, [1, 2, 3], 3), lambda x: np.split(x, [1, 3]), (np.arange(6.0),))
    agree(lambda m: T.split(m, [2, 1], 2, axis=1), lambda m: np.split(m, [2], 1), (M,), (EMPTY,))
    f = function([x, s], T.split(x, s, n_splits=2))
    for one, other in zip(f([1, 2, 3], [3, 0]), ([1, 2, 3], [])):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ShapeError, match="do not add up"):
        f([1, 2, 3], [1, 1])
    with pytest.raises(ValueError, match="split"):
        f([1, 2, 3], [4, -1])
    with pytest.raises(ShapeError, match="2 sizes for 3 pieces"):
        T.split(x, [1, 2], 3)
    assert a.broadcastable == (True,) and b.ndim == c.ndim == 1


@both
def test_repeats_that_differ(mode):
    x, r = T.dvector("x"), T.lvector("r")
    f = function([x, r], [T.repeat(x, r), T.grad(T.sum(T.repeat(x, r) ** 2), x)], mode=mode)
    for a, k in (([1, 2, 3], [2, 0, 1]), ([], []), ([4], [0]), ([5, 6], [0, 3])):
        got, slope = f(a, np.array(k, int))
        np.testing.assert_array_equal(got, np.repeat(np.array(a, float), np.array(k, int)))
        np.testing.assert_array_equal(slope, 2 * np.array(a) * k)
    with pytest.raises(ShapeError, match="repeat"):
        f([1, 2], [1])
    with pytest.raises(ValueError, match="negative number of times"):
        f([1, 2], [3, -1])


def test_broadcast_patterns():
    m, v = T.dmatrix("m"), T.dvector("v")
    one = T.addbroadcast(m, 0)
    assert one.broadcastable == (True, False)
    assert T.patternbroadcast(m, (False, True)).broadcastable == (False, True)
    assert T.unbroadcast(one, 0) is one
    f = function([m, v], one + v.dimshuffle(0, "x"))
    assert f(np.ones((1, 3)), [1, 2]).shape == (2, 3)
    with pytest.raises(ShapeError, match="must have size 1") as err:
        f(np.ones((2, 3)), [1, 2])
    assert "test_tensor_shape.py" in str(err.value)
    with pytest.raises(ShapeError, match="cannot be made broadcastable"):
        T.addbroadcast(T.constant([1.0, 2.0]), 0)
    # an unknown size never broadcasts silently, whatever function meets it
    w = T.dvector("w")
    for make in (lambda: v + w, lambda: T.switch(v > 0, w, 1.0), lambda: T.dot(v, w),
                 lambda: T.concatenate([m, m[:, :1] * w[:, None]], 0)):  # fmt: skip
        g = function([m, v, w], make(), on_unused_input="ignore")
        with pytest.raises(ShapeError):
            g(np.ones((2, 3)), [1.0], [1.0, 2.0])


def test_specify_shape():
    m = T.dmatrix("m")
    fixed = T.specify_shape(m, (2, None))
    assert fixed.type.shape == (2, None) and len(list(fixed)) == 2
    f = function([m], fixed * 2)
    np.testing.assert_array_equal(f(np.ones((2, 3))), np.full((2, 3), 2.0))
    with pytest.raises(ShapeError, match="another size was promised"):
        f(np.ones((3, 3)))
    with pytest.raises(ShapeError, match="has size 2, not 3"):
        T.specify_shape(T.constant([1, 2]), (3,))


def test_errors():
    m, v = T.dmatrix("m"), T.dvector("v")
    for make, kind, text in (
        (lambda: m.reshape((2, -1, -1)), ShapeError, "only one size can be -1"),
        (lambda: m.reshape((2, -2)), ShapeError, "negative"),
        (lambda: m.reshape((2.5, 2)), TypeError, "size must be an integer"),
        (lambda: T.reshape(m, T.lvector()), ShapeError, "unknown length"),
        (lambda: T.constant([1, 2, 3]).reshape((2, 2)), ShapeError, "elements"),
        (lambda: m.dimshuffle(0), ShapeError, "non-broadcastable"),
        (lambda: m.dimshuffle(0, 0), ShapeError, "named twice"),
        (lambda: m.dimshuffle(0, 2), ShapeError, "out of bounds"),
        (lambda: m.transpose(0), ShapeError, "1 axes for a tensor of 2"),
        (lambda: T.squeeze(T.constant([1, 2]), 0), ShapeError, "broadcastable"),
        (lambda: m.flatten(3), ShapeError, "flatten"),
        (lambda: T.concatenate([m, v]), ShapeError, "2, 1 dims"),
        (lambda: T.concatenate(m), TypeError, "list of tensors"),
        (lambda: T.concatenate([]), ShapeError, "at least one"),
        (lambda: T.stack([m, v]), ShapeError, "one shape"),
        (lambda: T.horizontal_stack(v, v), ShapeError, "matrices"),
        (lambda: T.repeat(v, 1.5), TypeError, "integers"),
        (lambda: T.repeat(v, -1), ValueError, "negative"),
        (lambda: T.tile(v, -1), ValueError, "negative"),
        (lambda: T.tile(m, 2, ndim=1), ValueError, "ndim"),
        (lambda: T.roll(v, 0.5), TypeError, "integer scalar"),
        (lambda: T.roll(v, 1, 3), ShapeError, "axis 3"),
        (lambda: T.tril(v), ShapeError, "matrix"),
        (lambda: T.eye(2, k=1.5), TypeError, "integer"),
        (lambda: T.zeros((2, v)), TypeError, "integer scalar"),
        (lambda: T.zeros("ab"), TypeError, "list of sizes"),
        (lambda: T.broadcast_to(T.constant([1, 2]), (3,)), ShapeError, "cannot be broadcast"),
        (lambda: T.expand_dims(m, 5), ShapeError, "axis 5"),
    ):  # fmt: skip
        with pytest.raises(kind, match=text) as err:
            make()
        assert "test_tensor_shape.py" in str(err.value), text
