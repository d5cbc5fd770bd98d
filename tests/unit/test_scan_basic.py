"""`scan`: what a step sees, what comes out, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import function, scan
from jitgrad.scan_module import StateError, until

MODES = ["FAST_RUN", "FAST_COMPILE"]
rng = np.random.default_rng(3)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_the_arguments(mode: str) -> None:
    """Sequences with their taps, outputs with theirs, then the rest: all in the order given."""
    s1, s2, s3, o3 = T.dvectors("s1", "s2", "s3", "o3init")
    o1 = T.dvector("o1")
    a1, a2 = T.dscalars("a1", "a2")
    weights = 10.0 ** np.arange(10)

    def step(*args):  # type: ignore[no-untyped-def]
        assert len(args) == 10
        assert [v.ndim for v in args] == [0] * 7 + [1, 0, 0]
        mixed = sum(w * v for w, v in zip(weights, [*args[:7], args[7][0], *args[8:]]))
        return [mixed, args[0] * 2, args[7] + 1]

    outs, updates = scan(
        step,
        sequences=[{"input": s1, "taps": [-3, 2, -1]}, s2, {"input": s3, "taps": 3}],
        outputs_info=[{"initial": o1, "taps": [-3, -5]}, {"initial": None, "taps": None}, o3],
        non_sequences=[a1, a2],
    )
    assert not updates
    f = function([s1, s2, s3, o1, o3, a1, a2], outs, mode=mode)
    x1, x2, x3 = (rng.integers(0, 9, n).astype(float) for n in (9, 12, 8))
    init, last = rng.integers(0, 9, 6).astype(float), np.array([3.0])
    got = f(x1, x2, x3, init, last, 4.0, 5.0)
    hist, o = list(init[:5]), last
    want: list[list] = [[], [], []]
    for t in range(min(9 - 5, 12, 8 - 3)):
        seen = [x1[t], x1[t + 5], x1[t + 2], x2[t], x3[t + 3], hist[-3], hist[-5], o[0], 4.0, 5.0]
        mixed = sum(w * v for w, v in zip(weights, seen))
        hist.append(mixed)
        o = o + 1
        for w, v in zip(want, (mixed, x1[t] * 2, o)):
            w.append(v)
    for g, w in zip(got, want):
        assert np.array_equal(g, np.array(w))


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("mode", MODES)
def test_steps_as_a_number_and_as_a_variable(n: int, mode: str) -> None:
    x, k = T.dvector("x"), T.iscalar("k")
    for steps, args in ((n, ()), (k, (n,))):
        out, _ = scan(lambda p: p * 2, outputs_info=x, n_steps=steps)
        f = function([x, k] if args else [x], out, mode=mode)
        got = f(np.array([1.0, 3.0]), *args)
        assert got.shape == (n, 2)
        assert np.array_equal(got, [[2.0 ** (i + 1), 3 * 2.0 ** (i + 1)] for i in range(n)] or
                              np.zeros((0, 2)))  # fmt: skip


def test_a_negative_number_of_steps() -> None:
    x, k = T.dvector("x"), T.lscalar("k")
    out, _ = scan(lambda v, acc: acc * 10 + v, x, T.constant(0.0), n_steps=-3)
    assert np.array_equal(function([x], out)([1.0, 2, 3, 4, 5]), [5, 54, 543])
    out, _ = scan(lambda p: p + 1, outputs_info=T.constant(0.0), n_steps=k)
    with pytest.raises(ValueError, match="number of steps"):
        function([k], out)(-1)


def test_number_of_steps_of_odd_kinds() -> None:
    x = T.dvector("x")
    for steps in (np.int32(2), 2.0, np.float64(2), T.constant(2), np.array(2)):
        out, _ = scan(lambda v: v + 1, x, n_steps=steps)
        assert np.array_equal(function([x], out)([1.0, 2, 3]), [2, 3]), steps
    for steps in (float("nan"), float("inf"), None):
        out, _ = scan(lambda v: v + 1, x, n_steps=steps)
        assert function([x], out)([1.0, 2, 3]).shape == (3,)
    with pytest.raises(ValueError, match="n_steps must be an int. dtype provided is float64"):
        scan(lambda v: v + 1, x, n_steps=T.dscalar("k"))
    with pytest.raises(ValueError, match="No information about the number of steps"):
        scan(lambda p: p + 1, outputs_info=T.constant(0.0))


def test_a_sequence_shorter_than_the_steps() -> None:
    x, k = T.dvector("x"), T.iscalar("k")
    out, _ = scan(lambda v: v + 1, x, n_steps=k)
    f = function([x, k], out)
    assert np.array_equal(f([1.0, 2, 3], 2), [2, 3])
    with pytest.raises(ValueError, match="shorter than the required number of steps"):
        f([1.0, 2, 3], 4)


@pytest.mark.parametrize("lengths", [(0, 3), (3, 0), (1, 5), (5, 2), (4, 4)])
def test_the_shortest_sequence_decides(lengths: tuple[int, int]) -> None:
    a, b = T.dvector("a"), T.dmatrix("b")
    out, _ = scan(lambda u, v: u * v, [a, b])
    x, y = np.arange(lengths[0]) + 1.0, rng.standard_normal((lengths[1], 3))
    n = min(lengths)
    assert np.array_equal(function([a, b], out)(x, y), x[:n, None] * y[:n])


@pytest.mark.parametrize("n", [0, 2, 3, 4, 9])
@pytest.mark.parametrize("back", [False, True])
def test_taps_of_a_sequence(n: int, back: bool) -> None:
    x = T.dvector("x")
    seqs = {"input": x, "taps": [-1, 2, 0]}
    out, _ = scan(lambda p, q, r: p + 10 * q + 100 * r, seqs, go_backwards=back)
    v = np.arange(n) + 1.0
    m = max(n - 3, 0)
    want = v[:m] + 10 * v[3 : 3 + m] + 100 * v[1 : 1 + m]
    assert np.array_equal(function([x], out)(v), want[::-1] if back else want)


def test_backwards_over_fewer_steps_begins_at_the_end() -> None:
    x = T.ivector("x")
    out, _ = scan(lambda v: v * 1, x, n_steps=2, go_backwards=True)
    assert np.array_equal(function([x], out)(np.arange(5, dtype=np.int32)), [4, 3])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "bool"])
def test_dtypes_of_states_stay(dtype: str) -> None:
    x = T.TensorType(dtype, (False,))("x")
    out, _ = scan(lambda p: T.maximum(p, p), outputs_info=x, n_steps=2)
    got = function([x], out)(np.array([1, 0, 1], dtype))
    assert got.dtype == dtype and np.array_equal(got, [[1, 0, 1]] * 2)


def test_odd_layouts_of_sequences() -> None:
    X = T.dmatrix("X")
    out, _ = scan(lambda v, acc: acc + v, X, T.zeros((3,)))
    f = function([X], out)
    base = rng.standard_normal((10, 6))
    frozen = base[:, :3].copy()
    frozen.flags.writeable = False
    for a in (base[::2, ::2], base[::-1, 3:], np.asfortranarray(base[:, :3]), frozen,
              base[:, :3].astype(">f8"), base[:0, :3]):  # fmt: skip
        assert np.allclose(f(a), np.cumsum(a, axis=0))


def test_outputs_come_alone_in_lists_or_not_at_all() -> None:
    x = T.dvector("x")
    one, _ = scan(lambda v: v, x)
    assert one.ndim == 1
    (only,), _ = scan(lambda v: [v], x, return_list=True)
    assert only.ndim == 1
    two, _ = scan(lambda v: (v, v * 2), x)
    assert isinstance(two, list) and len(two) == 2
    state = jitgrad.shared(0)
    assert scan(lambda: {state: state + 1}, n_steps=2)[0] is None
    assert scan(lambda: [(state, state + 1)], n_steps=2, return_list=True)[0] == []


def test_names_of_what_a_step_sees() -> None:
    x, h = T.dvector("x"), T.dvector("h")
    seen = []

    def step(*args):  # type: ignore[no-untyped-def]
        seen.extend(v.name for v in args)
        return args[-1] + args[0]

    scan(step, {"input": x, "taps": [0, 1, -2]}, {"initial": h, "taps": [-1, -2]})
    assert seen == ["x[t]", "x[t+1]", "x[t-2]", "h[t-1]", "h[t-2]"]


def test_what_does_not_change_stays_outside() -> None:
    """An invariant product is computed once: the loop's body has no matmul."""
    A, B, x = [*T.dmatrices("A", "B"), T.dvector("x")]
    out, _ = scan(lambda p: p + T.dot(A, B).sum() + T.exp(A)[0, 0], outputs_info=x, n_steps=5)
    f = function([A, B, x], out[-1])
    (loop,) = [op for op in f.maker.compiled.optimized.ops if op.name == "scan"]
    names = {op.name for op in loop.regions[0].ops}
    assert not names & {"matmul", "exp", "sum"}, names
    a, b = rng.standard_normal((2, 3, 3))
    want = np.ones(2) + 5 * ((a @ b).sum() + np.exp(a[0, 0]))
    assert np.allclose(f(a, b, np.ones(2)), want)


def test_an_invariant_output() -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    out, _ = scan(lambda v: [w * 2, T.constant(3.0), v], x)
    got = function([x, w], out)([1.0, 2.0], 4.0)
    assert [list(g) for g in got] == [[8, 8], [3, 3], [1, 2]]


def test_what_raises_stays_in_the_loop() -> None:
    x, i, k = T.dvector("x"), T.lscalar("i"), T.lscalar("k")
    out, _ = scan(lambda: x[i] * 2, n_steps=k)
    f = function([x, i, k], out)
    assert np.array_equal(f([1.0, 2.0], 1, 2), [4, 4])
    assert f([1.0, 2.0], 7, 0).shape == (0,)
    with pytest.raises(IndexError):
        f([1.0, 2.0], 7, 1)


def test_nested_loops() -> None:
    X, w = T.dmatrix("X"), T.dscalar("w")

    def row(r, w):  # type: ignore[no-untyped-def]
        inner, _ = scan(lambda v, acc, scale: acc + scale * v * r[0], r, T.constant(0.0), w)
        return inner[-1]

    out, _ = scan(row, X, non_sequences=w)
    f = function([X, w], [out, T.grad(out.sum(), X), T.grad(out.sum(), w)])
    x = rng.standard_normal((4, 3))
    value, gx, gw = f(x, 2.0)
    assert np.allclose(value, 2 * x.sum(1) * x[:, 0])
    want = 2 * np.broadcast_to(x[:, :1], x.shape).copy()
    want[:, 0] += 2 * x.sum(1)
    assert np.allclose(gx, want) and np.allclose(gw, (x.sum(1) * x[:, 0]).sum())


@pytest.mark.parametrize(
    ("initial", "result", "error", "words"),
    [
        ("dvector", lambda p: p.sum(), ValueError, "1 dimension.s., while the result"),
        ("dscalar", lambda p: p > 0, ValueError, "dtype float64, while the result .* dtype bool"),
        ("ivector", lambda p: p * 1.5, TypeError, "dtype int32, while the result .* dtype float64"),
        ("row", lambda p: T.concatenate([p, p], 0), TypeError, "broadcastable along axis 0"),
    ],
)
def test_a_state_keeps_its_type(initial, result, error, words) -> None:  # type: ignore[no-untyped-def]
    x = getattr(T, initial)("x")
    with pytest.raises(error, match=words) as err:
        scan(result, outputs_info=x, n_steps=3)
    assert "test_scan_basic.py" in str(err.value) and isinstance(err.value, StateError)
    assert "of x" in str(err.value)


def test_a_state_that_grows_is_an_error_of_the_call() -> None:
    x, y = T.dvectors("x", "y")
    out, _ = scan(lambda p, y: y * 2, outputs_info=x, non_sequences=y, n_steps=2)
    f = function([x, y], out)
    assert f([1.0, 2.0], [3.0, 4.0]).shape == (2, 2)
    with pytest.raises(ValueError, match="changes its size"):
        f([1.0, 2.0], [3.0, 4.0, 5.0])
    with pytest.raises(ValueError, match="size"):
        scan(lambda p: T.concatenate([p, p]), outputs_info=T.constant([1.0, 2.0]), n_steps=3)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"taps": [-1]}, "need to provide a initial state"),
        ({"initial": T.dvector(), "taps": [-1, -1]}, "must be different"),
        ({"initial": T.dvector(), "taps": [-1, 0]}, "smaller than 0"),
        ({"initial": T.dvector(), "return_steps": 1}, "return_steps"),
        ([T.dscalar(), T.dscalar()], "Please provide None as outputs_info"),
    ],
)
def test_states_that_make_no_sense(info, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        scan(lambda *a: T.constant(1.0), outputs_info=info, n_steps=3)


@pytest.mark.parametrize(
    "returned", [3.0, np.zeros(2), None, "x", [T.constant(1.0), 2.0], [T.constant(1.0), {}, 5]]
)
def test_what_a_step_may_return(returned) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"only be made of|cannot parse"):
        scan(lambda: returned, n_steps=2)


def test_too_few_earlier_values() -> None:
    h = T.dvector("h")
    out, _ = scan(lambda a, b: a + b, outputs_info={"initial": h, "taps": [-1, -3]}, n_steps=3)
    f = function([h], out)
    assert np.array_equal(f([1.0, 1, 1]), [2, 3, 4])
    with pytest.raises(IndexError, match="too few values"):
        f([1.0, 1])


def test_a_scalar_is_no_sequence() -> None:
    with pytest.raises(ValueError, match="no dimension to loop over"):
        scan(lambda v: v, T.dscalar("x"))
    with pytest.raises(TypeError, match="scalar condition"):
        until(T.dvector("x") > 0)


def test_sizes_that_change_from_step_to_step_are_refused() -> None:
    x = T.dvector("x")
    with pytest.raises(ValueError, match="changes from step to step") as err:
        scan(lambda i: x[:i].sum(), T.arange(3))
    assert "x[:i]" in str(err.value)


def test_givens_reach_into_a_step() -> None:
    x, z, w, v = T.dvector("x"), T.dmatrix("z"), T.dscalar("w"), T.dscalar("v")
    row = x.reshape((1, x.shape[0]))  # costs nothing: made again in the step
    out, _ = scan(lambda p: p + row.sum() * w, outputs_info=T.constant(0.0), n_steps=2)
    f = function([x, z, v], out, givens={row: z[:1], w: v + 1}, on_unused_input="ignore")
    assert list(f(np.ones(3), 5 * np.ones((1, 3)), 1.0)) == [30, 60]
