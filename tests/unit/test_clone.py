"""`clone`: graphs with variables replaced, gradients and loops among them."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import clone, function, scan, shared
from jitgrad.graph import ancestors, inputs, is_in_ancestors
from jitgrad.ifelse import ifelse
from jitgrad.tensor import grad

rng = np.random.default_rng(2)


def test_variables_and_expressions_are_replaced() -> None:
    x, y, z = T.dvectors("x", "y", "z")
    e = T.exp(x)
    out = (e * y).sum() + x[0]
    a, b, c = rng.standard_normal((3, 4))
    made = clone(out, replace={x: z})
    assert np.isclose(made.eval({z: a, y: b}), (np.exp(a) * b).sum() + a[0])
    made = clone(out, replace=[(e, z * 2)])
    assert np.isclose(made.eval({x: c, z: a, y: b}), (2 * a * b).sum() + c[0])
    made = clone(out, {x: y, y: x})  # at once
    assert np.isclose(made.eval({y: a, x: b}), (np.exp(a) * b).sum() + a[0])
    assert np.isclose(out.eval({x: a, y: b}), (np.exp(a) * b).sum() + a[0])


def test_what_does_not_change_is_shared() -> None:
    x, y = T.dscalars("x", "y")
    e = T.exp(x)
    one, two = clone([e, e * y], {y: T.constant(2.0)})
    assert one == e and is_in_ancestors(two, e)
    assert clone(e).value is e.value
    assert isinstance(clone((e,), {y: x}), tuple)


def test_sizes_follow() -> None:
    x, y = T.dvectors("x", "y")
    out = T.zeros((x.shape[0], 2)).sum() + x.shape[0] + T.arange(x.shape[0]).sum() + (x + y).sum()
    made = clone(out, {x: T.constant([1.0, 2.0, 3.0])})
    assert made.eval({y: np.ones(3)}) == 0 + 3 + 3 + 9
    with pytest.raises(ValueError):
        made.eval({y: np.ones(2)})
    n, m = T.lscalars("n", "m")
    made = clone(T.arange(n) * 2, {n: m + 1})  # a size that is a value
    assert list(made.eval({m: 2})) == [0, 2, 4]


def test_gradients_are_those_of_the_new_cost() -> None:
    x, y = T.dscalars("x", "y")
    cost = T.log(1 + T.exp(x)) * y
    g = grad(cost, x)
    made = clone(g, {x: y * 2})
    f = function([y], made)
    assert f(1000.0) == 1000  # stabilized, and not a derivative by y
    assert np.isclose(f(0.5), 0.5 / (1 + np.exp(-1)))
    made = clone(g, {x: y})
    assert np.isclose(function([y], made)(0.3), 0.3 / (1 + np.exp(-0.3)))
    h = grad(g, x)
    assert np.isclose(
        function([y], clone(h, {x: y}))(0.3), 0.3 * np.exp(0.3) / (1 + np.exp(0.3)) ** 2
    )
    # and a gradient of the copy
    assert np.isclose(function([y], grad(clone(cost, {x: y}), y))(0.3),
                      np.log(1 + np.exp(0.3)) + 0.3 / (1 + np.exp(-0.3)))  # fmt: skip


def test_loops_and_branches() -> None:
    x, w, v, c = T.dvector("x"), T.dscalar("w"), T.dscalar("v"), T.bscalar("c")
    out, _ = scan(lambda e, p: p * w + e * T.exp(w), x, T.constant(0.0))
    got = clone(out, {w: v * 2}).eval({x: [1.0, 2.0], v: 0.5})
    assert np.allclose(got, out.eval({x: [1.0, 2.0], w: 1.0}))
    y = T.dvector("y")
    assert np.allclose(clone(out, {x: y * 2}).eval({y: [0.5, 1.0], w: 1.0}), got)
    choice = clone(ifelse(c, x.sum() * w, T.log(w)), {w: v + 1})
    assert choice.eval({c: 1, x: [1.0, 2.0], v: 1.0}) == 6
    i = T.arange(x.shape[0])
    z = x**2 * w
    J, _ = scan(lambda i, z, x: grad(z[i], x), i, non_sequences=[z, x])
    made = clone(J, {w: v, x: y})
    assert np.array_equal(function([y, v], made)([3.0, 4.0], 2.0), [[12, 0], [0, 16]])


def test_inputs_may_be_copied_too() -> None:
    x, s = T.dvector("x"), shared(2.0, "s")
    out = x * s
    made = clone(out, share_inputs=False)
    new, other = inputs([made])
    assert new != x and new.name == "x" and other != s
    assert np.array_equal(made.eval({new: [1.0, 2.0]}), [2, 4])
    s.set_value(3.0)  # the copy has its value in the same place
    assert np.array_equal(made.eval({new: [1.0, 2.0]}), [3, 6])
    assert clone(out, copy_inputs=True).value is out.value


def test_replacements_that_do_not_fit() -> None:
    x = T.dvector("x")
    for bad in (T.fvector(), T.dscalar(), T.ivector()):
        with pytest.raises(TypeError, match="Cannot convert Type"):
            clone(x * 2, {x: bad})
    f = T.fvector("f")
    made = clone(x * 2, {x: f}, strict=False)
    assert made.dtype == "float64" and list(made.eval({f: np.float32([1.5])})) == [3]
    with pytest.raises(TypeError, match="Cannot convert"):  # a kind is lost
        clone(T.iscalar("i") * f, {T.iscalar("k"): T.dscalar()}, strict=False)
    with pytest.raises(ValueError, match="neither a dictionary"):
        clone(x, 3)
    r = T.row("r")
    with pytest.raises(TypeError, match="Cannot convert"):
        clone(r * 2, {r: T.dmatrix()})


def test_inputs_and_ancestors_of_a_graph() -> None:
    x, y = T.dscalars("x", "y")
    e = x * y
    out = e + 3.0 * x
    found = inputs([out])
    assert {v.name for v in found if v.name} == {"x", "y"} and len(found) == 3
    assert inputs([out], blockers=[e])[0] == e
    assert is_in_ancestors(out, e) and not is_in_ancestors(e, out)
    assert out in ancestors([out])
    assert jitgrad.clone_replace is clone
