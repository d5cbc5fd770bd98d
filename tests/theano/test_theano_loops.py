"""`scan` and `ifelse` as Theano's pages describe them."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import function
from jitgrad.ifelse import ifelse


def test_power() -> None:
    k, A = T.iscalar("k"), T.vector("A")
    result, updates = theano.scan(
        fn=lambda prior, A: prior * A,
        outputs_info=T.ones_like(A),
        non_sequences=A,
        n_steps=k,
    )
    power = function(inputs=[A, k], outputs=result[-1], updates=updates)
    assert np.array_equal(power(range(10), 2), np.arange(10.0) ** 2)
    assert np.array_equal(power(range(10), 4), np.arange(10.0) ** 4)


def test_polynomial() -> None:
    coefficients, x = T.vector("coefficients"), T.scalar("x")
    components, updates = theano.scan(
        fn=lambda c, power, free: c * (free**power),
        outputs_info=None,
        sequences=[coefficients, T.arange(10000)],
        non_sequences=x,
    )
    f = function(inputs=[coefficients, x], outputs=components.sum())
    assert f(np.asarray([1, 0, 2], dtype=np.float32), 3) == 19.0
    assert not updates


def test_sums_of_arange_by_scan() -> None:
    up_to = T.iscalar("up_to")
    seq = T.arange(up_to)
    outputs_info = T.as_tensor_variable(np.asarray(0, seq.dtype))
    result, _ = theano.scan(
        fn=lambda value, total: total + value, outputs_info=outputs_info, sequences=seq
    )
    triangular = function(inputs=[up_to], outputs=result)
    assert np.array_equal(triangular(15), np.cumsum(np.arange(15)))


def test_setting_elements() -> None:
    location, values = T.imatrix("location"), T.vector("values")
    output_model = T.matrix("output_model")

    def set_value_at_position(a_location, a_value, output_model):  # type: ignore[no-untyped-def]
        zeros = T.zeros_like(output_model)
        zeros_subtensor = zeros[a_location[0], a_location[1]]
        return T.set_subtensor(zeros_subtensor, a_value)

    result, _ = theano.scan(
        fn=set_value_at_position,
        outputs_info=None,
        sequences=[location, values],
        non_sequences=output_model,
    )
    assign = function([location, values, output_model], result)
    got = assign(np.asarray([[1, 1], [2, 3]], "int32"), [42.0, 50.0], np.zeros((5, 5)))
    expected = np.zeros((2, 5, 5))
    expected[0, 1, 1], expected[1, 2, 3] = 42, 50
    assert np.array_equal(got, expected)


def test_shared_variables_are_found() -> None:
    a = theano.shared(1)
    values, updates = theano.scan(lambda: {a: a + 1}, n_steps=10)
    b = a + 1
    c = updates[a] + 1
    f = function([], [b, c, a], updates=updates)
    assert [int(v) for v in f()] == [2, 12, 1]
    assert a.get_value() == 11
    assert [int(v) for v in f()] == [12, 22, 11]
    assert values is None or values == []


def test_taps() -> None:
    """x(n) = tanh(W x(n-1) + W_in u(n) + W_in2 u(n-4) + W_fb y(n-1)), y(n) = W_out x(n-3)."""
    rng = np.random.default_rng(0)
    W, W_in, W_in2 = (rng.standard_normal((3, 3)) * 0.3 for _ in range(3))
    W_fb, W_out = rng.standard_normal((2, 3)), rng.standard_normal((3, 2))
    u, x0, y0 = T.matrix("u"), T.matrix("x0"), T.vector("y0")

    def step(u_tm4, u_t, x_tm3, x_tm1, y_tm1):  # type: ignore[no-untyped-def]
        x_t = T.tanh(T.dot(x_tm1, W) + T.dot(u_t, W_in) + T.dot(u_tm4, W_in2) + T.dot(y_tm1, W_fb))
        return [x_t, T.dot(x_tm3, W_out)]

    (xs, ys), _ = theano.scan(
        fn=step,
        sequences={"input": u, "taps": [-4, -0]},
        outputs_info=[{"initial": x0, "taps": [-3, -1]}, y0],
    )
    f = function([u, x0, y0], [xs, ys])
    un, xn, yn = rng.standard_normal((9, 3)), rng.standard_normal((3, 3)), rng.standard_normal(2)
    got_x, got_y = f(un, xn, yn)
    hist, y, want_x, want_y = list(xn), yn, [], []
    for t in range(4, 9):
        x = np.tanh(hist[-1] @ W + un[t] @ W_in + un[t - 4] @ W_in2 + y @ W_fb)
        y = hist[-3] @ W_out
        hist.append(x)
        want_x.append(x)
        want_y.append(y)
    assert np.allclose(got_x, want_x) and np.allclose(got_y, want_y)


def test_until() -> None:
    def step(previous, limit):  # type: ignore[no-untyped-def]
        return previous * 2, theano.scan_module.until(previous * 2 > limit)

    limit = T.scalar()
    values, _ = theano.scan(step, outputs_info=T.constant(1.0), non_sequences=limit, n_steps=1024)
    f = function([limit], values)
    assert np.array_equal(f(45), [2, 4, 8, 16, 32, 64])
    assert np.array_equal(f(0), [2])


def test_one_step_and_none() -> None:
    x = T.dvector("x")
    r, _ = theano.scan(lambda p: p + 1, outputs_info=x, n_steps=1)
    assert function([x], r)([1.0, 2.0]).shape == (1, 2)
    n = T.iscalar("n")
    r, _ = theano.scan(lambda p: p + 1, outputs_info=x, n_steps=n)
    assert function([x, n], r)([1.0, 2.0], 3).shape == (3, 2)


def test_sequences_of_unlike_lengths() -> None:
    a, b = T.dvector("a"), T.dvector("b")
    r, _ = theano.scan(lambda p, q: p * q, sequences=[a, b])
    assert np.array_equal(function([a, b], r)([1, 2, 3.0], [1, 10.0]), [1, 20])


def test_backwards() -> None:
    a = T.dvector("a")
    r, _ = theano.scan(
        lambda v, acc: acc * 10 + v, sequences=a, outputs_info=T.constant(0.0), go_backwards=True
    )
    assert function([a], r[-1])([1, 2, 3.0]) == 321


def test_map_reduce_fold() -> None:
    x = T.dvector("x")
    m, _ = theano.map(lambda v: v**2, x)
    assert np.array_equal(m.eval({x: [1, 2, 3.0]}), [1, 4, 9])
    r, _ = theano.reduce(lambda v, acc: v + acc, x, T.constant(0.0))
    assert r.eval({x: [1, 2, 3.0]}) == 6
    left, _ = theano.foldl(lambda v, acc: acc * 10 + v, x, T.constant(0.0))
    right, _ = theano.foldr(lambda v, acc: acc * 10 + v, x, T.constant(0.0))
    assert left.eval({x: [1, 2, 3.0]}) == 123 and right.eval({x: [1, 2, 3.0]}) == 321


def test_jacobian_by_scan() -> None:
    x = T.dvector("x")
    y = x**2
    J, updates = theano.scan(
        lambda i, y, x: T.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x]
    )
    f = function([x], J, updates=updates)
    assert np.array_equal(f([4, 4]), [[8, 0], [0, 8]])


def test_hessian_by_scan() -> None:
    x = T.dvector("x")
    cost = (x**2).sum()
    gy = T.grad(cost, x)
    H, updates = theano.scan(
        lambda i, gy, x: T.grad(gy[i], x), sequences=T.arange(gy.shape[0]), non_sequences=[gy, x]
    )
    f = function([x], H, updates=updates)
    assert np.array_equal(f([4, 4]), [[2, 0], [0, 2]])


def test_gradient_through_scan() -> None:
    x, k = T.dscalar("x"), T.iscalar("k")
    r, _ = theano.scan(lambda p, x: p * x, outputs_info=T.constant(1.0), non_sequences=x, n_steps=k)
    f = function([x, k], [r[-1], T.grad(r[-1], x), T.grad(T.grad(r[-1], x), x)])
    value, first, second = f(2.0, 5)
    assert value == 32 and first == 80 and second == 160


def test_elementwise_tanh_of_rows() -> None:
    X, W, b = T.matrix("X"), T.matrix("W"), T.vector("b_sym")
    results, _ = theano.scan(lambda v: T.tanh(T.dot(v, W) + b), sequences=X)
    f = function(inputs=[X, W, b], outputs=results)
    x, w = np.eye(2), np.ones((2, 2))
    assert np.allclose(f(x, w, [2.0, 2.0]), np.tanh(x @ w + 2))


def test_ifelse_is_lazy() -> None:
    a, b = T.scalars("a", "b")
    x, y = T.vectors("x", "y")
    i = T.lscalar("i")
    z_lazy = ifelse(T.lt(a, b), x[i], T.mean(y))
    f = function([a, b, x, y, i], z_lazy)
    assert f(0.0, 1.0, [1.0, 2.0], [5.0, 7.0], 1) == 2.0
    assert f(1.0, 0.0, [1.0, 2.0], [5.0, 7.0], 10) == 6.0  # x[10] is never looked at
    with pytest.raises(IndexError):
        f(0.0, 1.0, [1.0, 2.0], [5.0, 7.0], 10)


def test_ifelse_of_several() -> None:
    c, x = T.dscalar("c"), T.dvector("x")
    u, v = ifelse(T.gt(c, 0), [x, x * 2], [x * 3, x * 4])
    f = function([c, x], [u, v])
    assert np.array_equal(f(1, [1.0])[1], [2.0]) and np.array_equal(f(-1, [1.0])[1], [4.0])


def test_gradient_of_ifelse() -> None:
    c, x = T.dscalar("c"), T.dscalar("x")
    y = ifelse(T.gt(c, 0), x**2, T.log(x))
    g = function([c, x], T.grad(y, x))
    assert g(1.0, 3.0) == 6.0 and g(-1.0, 4.0) == 0.25 and g(1.0, 0.0) == 0.0


def test_clone() -> None:
    x, y = T.dscalars("x", "y")
    z = x**2 + x
    w = theano.clone(z, replace={x: y + 1})
    assert w.eval({y: 2.0}) == 12.0
    assert z.eval({x: 2.0}) == 6.0


def test_scan_rejects_a_state_that_changes_type() -> None:
    x = T.dvector("x")
    with pytest.raises((TypeError, ValueError)):
        theano.scan(lambda p: p.sum(), outputs_info=x, n_steps=3)
