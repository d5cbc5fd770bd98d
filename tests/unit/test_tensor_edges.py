"""Functions of tensors on what nobody chose kindly: scalars, other layouts, small dtypes, names."""

from __future__ import annotations

import numpy as np
import pytest
from tensorfns import agree

import jitgrad.tensor as T
from jitgrad import function
from jitgrad.errors import ShapeError

S = np.float64(1.5)
M = np.sin(np.arange(12.0)).reshape(3, 4)


def test_scalars():
    def ref(x):
        return [np.cumsum(x), np.repeat(x, 3), np.tile(x, (2, 2)), x[None], x, x, np.sum(x),
                np.prod(x), np.max(x), np.argmax(x), np.var(x), np.ravel(x), np.unique(x), x, x * 0,
                np.broadcast_to(x, (2, 3)), np.mean(x), np.roll(x, 1), np.full(2, x),
                x[..., None]]  # fmt: skip

    agree(lambda x: [T.cumsum(x), T.repeat(x, 3), T.tile(x, (2, 2)), x[None], T.flip(x), x.T,
                     T.sum(x), T.prod(x), T.max(x), T.argmax(x), T.var(x), x.flatten(),
                     T.unique(x), T.squeeze(x), T.zeros_like(x), T.broadcast_to(x, (2, 3)),
                     x.mean(), T.roll(x, 1), T.stack([x, x]), x[..., None]],
          lambda x: ref(np.asarray(x)), (S,), dtypes=False)  # fmt: skip
    with pytest.raises(ShapeError, match="axis -1"):
        T.sort(T.dscalar())
    with pytest.raises(IndexError, match="too many indices"):
        T.dscalar("x")[0]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "uint64", "float32"])
def test_every_dtype_moves(dtype):
    a = (np.arange(12).reshape(3, 4) % 3).astype(dtype)

    def both(m, lib):
        return [m[::-1, 1:], m[[0, 2]], lib.concatenate([m, m]), lib.tile(m, 2), lib.roll(m, 1),
                lib.repeat(m, 2, 1), m.T, lib.diagonal(m), lib.tril(m), lib.take(m, [1, 1], 1),
                lib.stack([m, m], 1), lib.flip(m, 1), m.reshape((2, 6)), m[m > 1]]  # fmt: skip

    agree(lambda m: [*both(m, T), T.set_subtensor(m[1:, 0], m[0, 1]), T.sort(m), T.argsort(m)],
          lambda m: [*both(m, np), _written(m), np.sort(m), np.argsort(m, kind="stable")], (a,),
          grad=False)  # fmt: skip


def _written(m):
    out = m.copy()
    out[1:, 0] = m[0, 1]
    return out


def test_layouts():
    m = T.dmatrix("m")
    f = function([m], [m[1:, ::-2], T.sort(m, 0), m[m > 0], T.cumsum(m, 1), T.roll(m, 1, 0),
                       T.set_subtensor(m[0], 7), T.dot(m, m.T), T.tensordot(m, m, 2)])  # fmt: skip
    want = f(np.ascontiguousarray(M))
    wide = np.zeros((6, 8))
    wide[::2, ::2] = M
    for same in (np.asfortranarray(M), wide[::2, ::2], M[::-1].copy()[::-1], M.astype(">f8"),
                 np.require(M, requirements="O").view()):  # fmt: skip
        same.flags.writeable = False
        for a, b in zip(f(same), want):
            np.testing.assert_allclose(a, b, rtol=1e-14)


def test_names_of_few_words():
    x, n = T.dvector("x"), T.iscalar("n")
    f = function([x, n], [T.largest(x, 0.5, -x), T.smallest(x, 0.5), T.make_vector(n, 2, n),
                          T.second(x, 3.0), T.tensor_copy(x), T.logspace(0.0, 2.0, 3),
                          *T.tril_indices(n), *T.triu_indices(3, 1, n),
                          T.Rebroadcast((0, False))(x)])  # fmt: skip
    got = f([1.0, -2.0], 2)
    want = [[1, 2], [0.5, -2], [2, 2, 2], [3, 3], [1, -2], [1, 10, 100], *np.tril_indices(2),
            *np.triu_indices(3, 1, 2), [1, -2]]  # fmt: skip
    for a, b in zip(got, want):
        np.testing.assert_allclose(a, b)
    assert T.get_vector_length(T.make_vector(n, n)) == 2
    with pytest.raises(ValueError, match="not known"):
        T.get_vector_length(x)
    assert T.Rebroadcast((0, True))(x).broadcastable == (True,)


def test_median_and_permutations():
    agree(lambda m: [T.median(m), T.median(m, 0), T.median(m, (0, 1), keepdims=True)],
          lambda m: [np.median(m), np.median(m, 0), np.median(m, (0, 1), keepdims=True)],
          (M,), (M[:1],), (M[:, :1],))  # fmt: skip
    nan = np.array([1.0, np.nan, 2.0])
    x = T.dvector("x")
    assert np.isnan(T.median(x).eval({x: nan}))
    none = function([x], [T.median(x), T.grad(T.median(x), x)])  # as the mean of nothing
    assert np.isnan(none([])[0]) and none([])[1].shape == (0,)
    assert np.isnan(T.median(np.zeros((0, 2)), 0).eval()).tolist() == [True, True]
    assert T.median(np.zeros((2, 0)), 0).eval().shape == (0,)
    i = np.argsort(M, 1)
    back = np.empty_like(M)
    np.put_along_axis(back, i, M, 1)
    agree(lambda m, i: [T.permute_row_elements(m, i), T.permute_row_elements(m, i, True),
                        T.permute_row_elements(m, i[0])],
          lambda m, i: [np.take_along_axis(m, i, 1), back, m[:, i[0]]], (M, i))  # fmt: skip


def test_shifts_and_division():
    i, k = T.lvector("i"), T.lvector("k")
    f = function([i, k], [i << k, i >> k, 1 << k, 100 >> k, i // k, i % k, 7 // k, 7 % k, ~i,
                          i & k, i | 1, i ^ k, *divmod(i, k)])  # fmt: skip
    a, b = np.array([5, -9, 12]), np.array([1, 2, 3])
    want = [a << b, a >> b, 1 << b, 100 >> b, a // b, a % b, 7 // b, 7 % b, ~a, a & b, a | 1, a ^ b,
            *divmod(a, b)]  # fmt: skip
    for g, w in zip(f(a, b), want):
        np.testing.assert_array_equal(g, w)


def test_what_python_would_do_to_an_array():
    x = T.dvector("x")
    with pytest.raises(TypeError, match="set_subtensor"):
        x[0] = 1
    with pytest.raises(TypeError, match="length is not known"):
        list(x)
    with pytest.raises(TypeError, match="truth value"):
        if x[0] > 0:
            pass
    y = x
    y += 1  # another variable; x stays
    assert y is not x and x.name == "x"


def test_the_same_variable_again():
    """Walking a graph meets the very objects that made it."""
    from jitgrad.frontend.symbolic import wrap

    x = T.dvector("x")
    y = T.exp(x)
    assert y.value.op is not None and wrap(y.value.op.operands[0]) is x
    values = [wrap(v) for v in y.value.op.operands]
    assert values == [x] and {x: 1}[values[0]] == 1


def test_shape_of_variables():
    x, y = T.dmatrix("x"), T.dvector("y")
    graph = function([x, y], T.dot(x, y)[1:]).maker.fgraph
    shapes = T.utils.shape_of_variables(graph, dict(zip(graph.inputs, [(4, 3), (3,)])))
    assert shapes[graph.outputs[0]] == (3,)
    for bad in ({}, dict(zip(graph.inputs, [(4, 3), (2,)])), dict(zip(graph.inputs, [(4,), (3,)]))):
        with pytest.raises(ValueError, match="input"):
            T.utils.shape_of_variables(graph, bad)
    assert T.utils.hash_from_ndarray(M) != T.utils.hash_from_ndarray(M.T)
    assert T.utils.hash_from_ndarray(M) == T.utils.hash_from_ndarray(M.copy(order="F"))
