"""`scan` with shared variables, random numbers and `until`; `map`, `reduce` and the folds."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import MissingInputError, OrderedUpdates, foldl, foldr, function, reduce, scan, shared
from jitgrad.scan_module import until
from jitgrad.tensor import grad

MODES = ["FAST_RUN", "FAST_COMPILE"]
rng = np.random.default_rng(11)


# -- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_state_outside_of_the_loop(mode: str) -> None:
    a = shared(1, "a")
    before = a + 1  # made before the loop, used in it: a step sees the value of its own time
    values, updates = scan(lambda: (before * 1, {a: a + 1}), n_steps=4)
    assert isinstance(updates, OrderedUpdates) and list(updates) == [a]
    f = function([], [values, before, updates[a]], updates=updates, mode=mode)
    got = f()
    assert [list(got[0]), int(got[1]), int(got[2])] == [[2, 3, 4, 5], 2, 5]
    assert a.get_value() == 5
    assert list(f()[0]) == [6, 7, 8, 9]
    # an argument is a value outside: it does not change
    values, updates = scan(lambda b: (b * 1, {a: a + 1}), non_sequences=before, n_steps=2)
    assert list(function([], values, mode=mode)()) == [10, 10]


def test_two_states_that_see_each_other() -> None:
    a, b = shared(1.0, "a"), shared(2.0, "b")
    _, updates = scan(lambda: {a: b, b: a + b}, n_steps=5)
    function([], [], updates=updates)()
    assert (a.get_value(), b.get_value()) == (21 - 8, 21)


def test_updates_and_gradients() -> None:
    w, x = shared(2.0, "w"), T.dvector("x")
    out, updates = scan(lambda v: (v * w, [(w, w * v)]), x)
    # out = v0 w, v1 v0 w, …
    f = function([x], [grad(out.sum(), w), grad(out.sum(), x)], updates=updates)
    gw, gx = f([3.0, 5.0])
    assert gw == 3 + 15 and np.array_equal(gx, [2 * (1 + 5), 2 * 3])
    assert w.get_value() == 30


@pytest.mark.parametrize(
    ("new", "words"),
    [(lambda a: a * 1.5, "dtype int64, while"), (lambda a: T.stack([a, a]), "0 dimension")],
)
def test_updates_keep_their_types(new, words: str) -> None:  # type: ignore[no-untyped-def]
    a = shared(1, "a")
    with pytest.raises(ValueError, match=words):
        scan(lambda: {a: new(a)}, n_steps=2)
    with pytest.raises(TypeError, match="shared variables"):
        scan(lambda: {T.dscalar("x"): T.dscalar("y")}, n_steps=2)


def test_strict() -> None:
    w, x = shared(2.0, "w"), T.dvector("x")
    with pytest.raises(MissingInputError, match="shared variable w"):
        scan(lambda v: v * w, x, strict=True)
    out, _ = scan(lambda v, w: v * w, x, non_sequences=w, strict=True)
    assert np.array_equal(function([x], out)([1.0, 2.0]), [2, 4])
    y = T.dscalar("y")
    out, _ = scan(lambda v: v * y, x, strict=True)  # variables that are not shared are found
    assert np.array_equal(function([x, y], out)([1.0, 2.0], 3.0), [3, 6])


def test_default_updates_take_place_in_every_step() -> None:
    n = shared(0, "n")
    n.default_update = n + 2
    out, updates = scan(lambda: n * 10, n_steps=3)
    assert list(updates) == [n]
    f = function([], out, updates=updates)
    assert list(f()) == [0, 20, 40] and list(f()) == [60, 80, 100]


def test_gibbs_sampling() -> None:
    """Random numbers are new in every step and in every call."""
    streams = pytest.importorskip("jitgrad.tensor.shared_randomstreams")
    W = shared(rng.standard_normal((4, 3)), "W")
    trng = streams.RandomStreams(1234)

    def one_step(v):  # type: ignore[no-untyped-def]
        mean = T.nnet.sigmoid(T.dot(v, W))
        h = trng.binomial(size=mean.shape, n=1, p=mean)
        back = T.nnet.sigmoid(T.dot(h, W.T))
        return T.cast(trng.binomial(size=back.shape, n=1, p=back), "float64")

    sample = T.dvector("sample")
    values, updates = scan(one_step, outputs_info=sample, n_steps=50)
    f = function([sample], values, updates=updates)
    one, two = f(np.zeros(4)), f(np.zeros(4))
    assert one.shape == (50, 4) and set(np.unique(one)) == {0.0, 1.0}
    assert not np.array_equal(one, two) and len(np.unique(one, axis=0)) > 4


# -- until ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("limit", "most", "want"), [
    (45, 1024, [2, 4, 8, 16, 32, 64]), (0, 1024, [2]), (1e9, 3, [2, 4, 8]), (5, 0, []), (5, 1, [2]),
])  # fmt: skip
def test_until(limit: float, most: int, want: list, mode: str) -> None:
    top = T.dscalar("top")
    k = T.lscalar("k")

    def power_of_2(previous, top):  # type: ignore[no-untyped-def]
        return previous * 2, until(previous * 2 > top)

    out, _ = scan(power_of_2, outputs_info=T.constant(1.0), non_sequences=top, n_steps=k)
    assert np.array_equal(function([top, k], out, mode=mode)(limit, most), want)


def test_until_with_sequences_updates_and_gradients() -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    count = shared(0, "count")

    def step(v, acc, w):  # type: ignore[no-untyped-def]
        new = acc + w * v
        return [new, v * 2], {count: count + 1}, until(new > 6)

    (sums, twice), updates = scan(step, x, [T.constant(0.0), None], w)
    f = function([x, w], [sums, twice, grad(sums.sum(), x), grad(sums[-1], w)], updates=updates)
    got = f([1.0, 2, 3, 4, 5], 1.5)
    assert [list(g) for g in got[:3]] == [[1.5, 4.5, 9], [2, 4, 6], [4.5, 3, 1.5, 0, 0]]
    assert got[3] == 6 and count.get_value() == 3
    got = f([1.0, 1.0], 1.5)  # the condition never holds
    assert [list(g) for g in got[:3]] == [[1.5, 3], [2, 2], [3, 1.5]] and count.get_value() == 5


def test_until_over_many_steps_and_other_conditions() -> None:
    x = T.dscalar("x")
    out, _ = scan(lambda p: (p + 1, until(T.cast(p >= 4, "int8"))), outputs_info=x, n_steps=10**6)
    assert list(function([x], out)(2.0)) == [3, 4, 5]
    # the shape that comes out is known to what follows
    assert function([x], [out.shape[0], out.sum(), out[::-1]])(2.0)[0] == 3


def test_until_of_a_fixed_step_in_another_loop_is_refused() -> None:
    x = T.dvector("x")

    def row(v):  # type: ignore[no-untyped-def]
        inner, _ = scan(lambda p: (p * 2, until(p > v)), outputs_info=T.constant(1.0), n_steps=9)
        return inner.sum()

    with pytest.raises(ValueError, match="changes from step to step"):
        scan(row, x)


# -- map, reduce, foldl, foldr --------------------------------------------------------------------


def test_polynomial_by_map_and_sum() -> None:
    c, x = T.dvector("c"), T.dscalar("x")
    parts, _ = jitgrad.map(
        lambda a, power, free: a * free**power, [c, T.arange(10000)], non_sequences=x
    )
    f = function([c, x], [parts.sum(), grad(parts.sum(), x)])
    assert f([1.0, 0, 2], 3.0) == [19, 12]


def test_reduce_and_folds() -> None:
    x, y = T.dvectors("x", "y")
    total, _ = reduce(lambda v, acc: acc + v, x, T.constant(0.0))
    assert function([x], total)([1.0, 2, 3]) == 6
    with pytest.raises(IndexError):
        function([x], total)([])
    left, _ = foldl(lambda a, b, acc: acc * 10 + a + b, [x, y], T.constant(0.0))
    right, _ = foldr(lambda a, b, acc: acc * 10 + a + b, [x, y], T.constant(0.0))
    f = function([x, y], [left, right])
    assert f([1.0, 2, 3], [0.0, 0, 1, 9]) == [124, 1231]  # backwards: from each end
    (low, high), updates = reduce(
        lambda v, lo, hi: [T.minimum(v, lo), T.maximum(v, hi)], x, [x[0], x[0]]
    )
    assert function([x], [low, high], updates=updates)([3.0, -1, 7]) == [-1, 7]


def test_norms_trace_and_powers() -> None:
    """Of Theano's exercises: norms of rows, a trace, powers of vectors, a logistic map."""
    X, v = T.dmatrix("X"), T.dvector("v")
    norms, _ = scan(lambda r: T.sqrt((r**2).sum()), X)
    columns, _ = scan(lambda i: T.sqrt((X[:, i] ** 2).sum()), T.arange(X.shape[1]))
    trace, _ = scan(lambda i, j, acc: T.cast(X[i, j] + acc, "float64"),
                    [T.arange(X.shape[0]), T.arange(X.shape[1])], T.constant(0.0))  # fmt: skip
    f = function([X], [norms, columns, trace[-1]])
    a = rng.standard_normal((4, 3))
    got = f(a)
    assert np.allclose(got[0], np.linalg.norm(a, axis=1))
    assert np.allclose(got[1], np.linalg.norm(a, axis=0)) and np.allclose(got[2], np.trace(a))
    k = T.iscalar("k")
    powers, _ = scan(lambda p, v: p * v, outputs_info=T.ones_like(v), non_sequences=v, n_steps=k)
    assert np.array_equal(function([v, k], powers[-1])(np.arange(4.0), 3), np.arange(4.0) ** 3)
    r = T.dscalar("r")
    logistic, _ = scan(lambda x, r: r * x * (1 - x), outputs_info=T.constant(0.5),
                       non_sequences=r, n_steps=20)  # fmt: skip
    x, want = 0.5, []
    for _ in range(20):
        x = 3.7 * x * (1 - x)
        want.append(x)
    assert np.allclose(function([r], logistic)(3.7), want)
