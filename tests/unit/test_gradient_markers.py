"""Variables with another derivative: `disconnected_grad`, `zero_grad`, `grad_scale` …"""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, pp, scan
from jitgrad import gradient as G
from jitgrad.ifelse import ifelse
from jitgrad.ir.ops.markers import IDENTITIES

RUN, SLOW = "FAST_RUN", "FAST_COMPILE"
both = pytest.mark.parametrize("mode", [RUN, SLOW])
A = np.random.default_rng(3).normal(size=(5, 5))


@both
@pytest.mark.parametrize("held", ["zero_grad", "consider_constant", "disconnected_grad"])
def test_what_is_held_constant(held, mode):
    hold = getattr(G, held)
    x = T.dmatrix("x")
    pairs = [
        (x * hold(x), x),
        (x * hold(T.exp(x)), T.exp(x)),
        (x**2 * hold(x), 2 * x**2),
    ]
    if held != "disconnected_grad":
        pairs.append((hold(x), x * 0))
    for expression, want in pairs:
        g = function([x], T.grad(expression.sum(), x), mode=mode, on_unused_input="ignore")
        np.testing.assert_allclose(g(A), function([x], want)(A), rtol=1e-14)


def test_disconnected_paths():
    x, a, b = T.dmatrices("x", "a", "b")
    with pytest.raises(G.DisconnectedInputError):
        T.grad(G.disconnected_grad(x).sum(), x)
    T.grad((x + G.disconnected_grad(x)).sum(), x)
    y = a + G.disconnected_grad(b)
    with pytest.raises(G.DisconnectedInputError):
        T.grad(y.sum(), b)
    T.grad(y.sum(), a)


@both
def test_functions_contain_none_of_them(mode):
    x = T.dvector("x")
    y = G.zero_grad(x) + G.disconnected_grad(x) + G.undefined_grad(x) + x
    y = y + G.grad_scale(x, 2.0) + G.grad_clip(x, -1, 1) + x.copy()
    f = function([x], y, mode=mode)
    assert not {n.op.name for n in f.maker.fgraph.toposort()} & set(IDENTITIES)
    np.testing.assert_array_equal(f([1.0, 2.0]), [7, 14])
    assert f([]).shape == (0,)


@both
def test_clipped_gradients(mode):
    x, v = T.dvectors("x", "v")
    z = T.grad((G.grad_clip(x, -1, 1) ** 2).sum(), x)
    f = function([x], [z, T.grad(z.sum(), x)], mode=mode)
    first, second = f([0.2, 2.0, -3.0])
    np.testing.assert_array_equal(first, [0.4, 1, -1])
    np.testing.assert_array_equal(second, [1, 0, 0])  # 2 where it was not clipped, then clipped
    own = function([x, v], T.grad((G.grad_clip(x, -v, v) ** 2).sum(), x), mode=mode)
    np.testing.assert_array_equal(own([1.0, 2.0], [0.5, 30.0]), [0.5, 4])
    np.testing.assert_array_equal(
        function([x, v], G.Rop(G.grad_clip(x, -1, 1) ** 2, x, v), mode=mode)([2.0], [3.0]), [12]
    )


@both
def test_each_use_is_clipped_by_itself(mode):
    """As in Theano's code for recurrent networks: the gradient of every step."""
    x, w = T.dvector("x"), T.dscalar("w")
    out, _ = scan(
        lambda a, h: G.grad_clip(h * w + a, -0.5, 0.5), sequences=x, outputs_info=T.constant(0.0)
    )
    g = function([x, w], T.grad(3 * out[-1], x), mode=mode)([1.0, 1.0, 1.0], 2.0)
    np.testing.assert_array_equal(g, [0.5, 0.5, 0.5])  # 3, 2 * 0.5, 2 * 0.5, each clipped


def test_bounds_of_a_clipped_gradient():
    x, f, i = T.dvector("x"), T.fscalar("f"), T.ivector("i")
    for bad, kind in (
        (lambda: G.grad_clip(x, 1, -1), ValueError),
        (lambda: G.grad_clip(x, 0.0, float("nan")), ValueError),
        (lambda: G.grad_clip(f, x, 1), ValueError),
        (lambda: G.grad_scale(f, x), ValueError),
    ):
        with pytest.raises(kind, match=r"\n  at .*test_gradient_markers"):
            bad()
    g = T.grad(G.grad_clip(f, -1, 1) ** 2, f)
    assert g.dtype == "float32" and g.eval({f: 2.0}) == 1
    assert G.grad_clip(i, -1, 1).dtype == "int32" and G.grad_scale(i, 2).dtype == "int32"
    # a lower bound above 0 pushes: also where the gradient is 0
    pushed = T.grad((G.grad_clip(x, 1, 2) * T.constant([0.0, 1.5])).sum(), x)
    np.testing.assert_array_equal(pushed.eval({x: [3.0, 3.0]}), [1, 1.5])
    nan = T.grad(T.log(G.grad_clip(x, -1, 1)).sum() * np.nan, x)
    assert np.isnan(nan.eval({x: [3.0]})).all()


@both
def test_scaled_gradients(mode):
    x, k, v = T.dvector("x"), T.dscalar("k"), T.dvector("v")
    y = T.sin(x)
    f = function([x], T.grad(G.grad_scale(y, -1.0).sum(), x), mode=mode)
    np.testing.assert_allclose(f([2.0]), [0.416146836547], rtol=1e-10)
    z = T.grad((G.grad_scale(x, 3.0) ** 2).sum(), x)
    f = function([x], [z, T.grad(z.sum(), x)], mode=mode)
    first, second = f([2.0])
    assert first == 12 and second == 18
    f = function([x, k, v], [T.grad((G.grad_scale(x, k) ** 2).sum(), x),
                             G.Rop(G.grad_scale(x, k) ** 2, x, v)], mode=mode)  # fmt: skip
    np.testing.assert_array_equal(f([2.0], -3.0, [1.0]), [[-12], [-12]])
    with pytest.raises(G.DisconnectedInputError):
        T.grad(G.grad_scale(x, k).sum(), k)


@both
def test_in_branches(mode):
    x = T.dscalar("x")
    y = ifelse(x > 0, G.grad_scale(x, 10.0) ** 2, G.zero_grad(x) ** 2)
    f = function([x], T.grad(y, x), mode=mode)
    assert f(3.0) == 60 and f(-3.0) == 0


@both
def test_they_do_not_stand_in_the_way_of_stable_forms(mode):
    """A gradient is scaled, and the logarithm around it is still a softplus."""
    x = T.dvector("x")
    y = T.log(1 + T.exp(G.grad_scale(x, 2.0)))
    f = function([x], [y, T.grad(y.sum(), x)], mode=mode)
    value, g = f([1000.0, -1000.0])
    np.testing.assert_array_equal(value, [1000, 0])
    np.testing.assert_array_equal(g, [2, 0])


@both
@pytest.mark.parametrize(
    "hold",
    [G.zero_grad, G.disconnected_grad, lambda v: G.grad_clip(v, -1, 1),
     lambda v: G.grad_scale(v, 2.0), lambda v: v.copy()],
    ids=["zero", "disconnected", "clip", "scale", "copy"],
)  # fmt: skip
def test_values_are_stable_through_them(hold, mode):
    x = T.dvector("x")
    f = function([x], T.log(1 + hold(T.exp(x))), mode=mode)
    np.testing.assert_array_equal(f([1000.0, -1000.0]), [1000, 0])
    assert pp(f.maker.fgraph.outputs[0]) == "softplus(x)"


def test_masks_pass():
    """Where the branch is not taken no infinite derivative gets through."""
    x = T.dvector("x")
    for hold in (lambda v: G.grad_scale(v, 2.0), lambda v: G.grad_clip(v, -9, 9)):
        y = T.switch(x > 0, hold(T.sqrt(x)), 0.0)
        got = T.grad(y.sum(), x).eval({x: [0.0, 1.0, 4.0]})
        assert got[0] == 0 and np.isfinite(got).all()
