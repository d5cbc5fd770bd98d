"""`function`: inputs with options, updates, replacements, forms of outputs, memory."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import In, Out, UnusedInputError, function, shared
from jitgrad.updates import OrderedUpdates

MODES = ["FAST_RUN", "FAST_COMPILE"]
both = pytest.mark.parametrize("mode", MODES)


# -- inputs ---------------------------------------------------------------------------------------


@both
def test_values_that_stay_and_values_that_do_not(mode: str) -> None:
    u, x, s = T.dscalars("u", "x", "s")
    inc = function([u, In(x, value=3), In(s, update=s + x * u, value=10.0)], [], mode=mode)
    assert inc(5) == [] and inc[s] == 25
    assert inc(3, 4) == [] and inc[s] == 37 and inc[x] == 3
    inc(3, 4, 7)
    assert inc[s] == 19 and inc["s"] == inc[2] == inc.value[s] == inc.container["s"].value
    inc[s] = 10
    assert isinstance(inc[s], np.ndarray) and inc["s"] is inc.value[2]
    inc.value["x"] = 100
    inc(1)
    assert inc[s] == 110
    inc.container["s"].value = 1
    inc(1, s=5)
    assert inc[s] == 105
    assert "s" in inc and u in inc and 2 in inc and "nothing" not in inc
    assert inc["u"] is None


def test_tuples_mean_inputs() -> None:
    x, y, z, w = T.dscalar(), T.dscalar("y"), T.dscalar("z"), T.dscalar("w")
    fn = function([x, y, In(z, value=42), ((w, w + x), 0)], x + y + z)
    with pytest.raises(TypeError, match="Missing required input: y"):
        fn(1)
    with pytest.raises(TypeError, match="Unknown input or state: x"):
        fn(x=1, y=2)
    assert fn(1, 2) == fn(1, y=2) == 45 and fn["w"] == 2
    assert fn(1, 2, 3) == fn(1, z=3, y=2) == 6
    fn(1, 2, w=400)
    assert fn["w"] == 401
    fn(1, 2)
    assert fn["w"] == 402
    g = function(
        [("first", x), (y, 2.0), ("last", z, 3.0), ("state", (w, w + 1), 0)], x + y + z + w
    )
    assert g(first=1) == 6 and g(1, last=4) == 8 and g["state"] == 2


def test_names() -> None:
    x, y = T.dscalar("same"), T.dscalar("same")
    f = function([x, y, In(T.dscalar("z"), value=1.0, autoname=False)], x - y,
                 on_unused_input="ignore")  # fmt: skip
    assert f(3, 1) == 2 and f[2] == 1.0
    for look in (lambda: f["same"], lambda: f.container["same"]):
        with pytest.raises(TypeError, match="Ambiguous name: same"):
            look()
    with pytest.raises(TypeError, match="Unknown input or state: z"):
        f["z"]
    with pytest.raises(TypeError, match="containers cannot be replaced"):
        f.container[0] = 3


def test_strict_and_downcast_inputs() -> None:
    x, i, s = T.dvector("x"), T.iscalar("i"), T.fscalar("s")
    f = function([In(x, strict=True)], x * 2)
    assert np.array_equal(f(np.ones(2)), [2, 2])
    assert np.array_equal(f(np.ones(4)[::2]), [2, 2])
    for bad in ([1.0, 2.0], np.ones(2, "f4"), np.ones(2, int)):
        with pytest.raises(TypeError, match='"x".*strict'):
            f(bad)
    d = T.dscalar("d")
    only_arrays = function([In(d, strict=True)], d)
    assert only_arrays(np.array(2.0)) == 2
    with pytest.raises(TypeError, match="strict"):
        only_arrays(2.0)
    g = function([In(i, allow_downcast=True), s], i * 2 + s, allow_input_downcast=False)
    assert g(2.9, np.float32(0.5)) == 4.5
    with pytest.raises(TypeError, match='"s"'):
        g(2, 0.1)
    with pytest.raises(TypeError, match="expected int32, got float64"):
        function([In(i, value=1.5)], i)
    assert function([In(i, value=1.5, allow_downcast=True)], i)() == 1


def test_implicit_inputs_and_shared_containers() -> None:
    x, s = T.dscalar("x"), T.dscalar("s")
    first = function([x, In(s, value=1.0, update=s + x)], s)
    second = function([x, In(s, value=first.container[s], update=s * x)], s)
    assert first(4) == 1 and second(10) == 5 and first(0) == 50 and second["s"] == 50
    for wrong in (lambda: second(1, 2), lambda: second(1, s=2)):
        with pytest.raises(TypeError, match="takes 1 inputs|implicit input: s"):
            wrong()
    reader = function([In(s, value=first.container[s], implicit=False)], s)
    assert reader() == 50 and reader(3) == 3 and first["s"] == 50
    w = shared(7.0)
    of_shared = function([In(s, value=w)], s + 1)
    assert of_shared() == 8
    w.set_value(1.0)
    assert of_shared() == 2
    with pytest.raises(TypeError, match="needs a value"):
        In(s, implicit=True)
    with pytest.raises(TypeError, match="cannot have a container"):
        function([In(T.dvector("v"), value=w)], s, on_unused_input="ignore")


def test_default_values_are_copies() -> None:
    x = T.dvector("x")
    a = np.ones(2)
    f = function([In(x, value=a)], x * 1.0)
    a[0] = 5
    assert np.array_equal(f(), [1, 1])
    f()[0] = 9
    assert np.array_equal(f(), [1, 1])


def test_what_is_no_input() -> None:
    x, s = T.dscalar("x"), shared(1.0, "w")
    with pytest.raises(TypeError, match=r"Cannot use a shared variable \(w\) as explicit input"):
        function([s], s * 2)
    with pytest.raises(TypeError, match="Cannot use a shared variable"):
        function([In(s, value=2.0)], s * 2)
    with pytest.raises(AssertionError, match="mutable=True and borrow=False"):
        In(x, mutable=True, borrow=False)
    assert In(x, mutable=True).borrow
    with pytest.raises(TypeError, match="In takes a variable"):
        In(1.0)
    with pytest.raises(TypeError, match="Out takes a variable"):
        Out(1.0)
    with pytest.raises(TypeError, match="same type"):
        function([In(x, value=1.0, update=T.dvector("v").sum(keepdims=True))], x)
    with pytest.raises(UnusedInputError):
        function([x, In(T.dscalar("y"), value=1.0)], x)


# -- outputs --------------------------------------------------------------------------------------


@both
def test_forms_with_updates(mode: str) -> None:
    x, s = T.dscalar("x"), shared(0.0)
    up = [(s, s + x)]
    assert function([x], s * 2, updates=up, mode=mode)(1) == 0
    assert function([x], [s], updates=up, mode=mode)(1) == [1]
    assert function([x], (s, s + 1), updates=up, mode=mode)(1) == [2, 3]
    assert function([x], {"s": Out(s, borrow=True)}, updates=up, mode=mode)(1) == {"s": 3}
    assert function([x], None, updates=up, mode=mode)(1) is None
    assert function([x], [], updates=up, mode=mode)(1) == []
    assert s.get_value() == 6
    f = function([x], {"a": x, 1: x + s}, updates=up, mode=mode)
    assert f(1) == {"a": 1, 1: 7} and f.n_returned_outputs == 2
    assert f(0, output_subset=["a"]) == {"a": 0}
    g = function([x], [x, x + 1, x + 2], mode=mode)
    assert function([x], [x, x + 1, x + 2], updates=up, mode=mode)(3, output_subset=[2, 0]) == [
        5,
        3,
    ]
    assert g(3) == [3, 4, 5]


@both
def test_results_share_no_memory(mode: str) -> None:
    x, s, t = T.dvector("x"), shared(np.ones(2), "s"), shared(np.zeros(2), "t")
    y = x * 2
    f = function([x], [x, x, y, y, s, Out(s, borrow=True)], updates=[(s, y), (t, y)], mode=mode)
    a = np.ones(2)
    outs = [a, *f(a), s.get_value(borrow=True), t.get_value(borrow=True)]
    for k, one in enumerate(outs):
        for other in outs[:k]:
            assert not np.shares_memory(one, other)
    for one in outs[1:-2]:
        one[:] = 99
    assert np.array_equal(s.get_value(), [2, 2]) and np.array_equal(t.get_value(), [2, 2])
    again = f(a)
    assert np.array_equal(again[4], [2, 2]) and np.array_equal(again[0], [1, 1])
    keep = function([], updates=[(s, s), (t, s)], mode=mode)
    keep()
    assert not np.shares_memory(s.get_value(borrow=True), t.get_value(borrow=True))


# -- updates --------------------------------------------------------------------------------------


@both
def test_updates_see_the_old_values(mode: str) -> None:
    a, b = shared(np.array([1.0, 2.0])), shared(np.array([3.0]))
    swap = function([], [a.sum(), b.sum()], updates=[(a, b), (b, a)], mode=mode)
    assert swap() == [3, 3] and np.array_equal(a.get_value(), [3])
    assert np.array_equal(b.get_value(), [1, 2]) and swap() == [3, 3]
    n = shared(0)
    for pairs in ({n: n + 1}, OrderedDict([(n, n + 1)]), [(n, n + 1)], ((n, n + 1),),
                  OrderedUpdates([(n, n + 1)]), [[n, n + 1]], iter([(n, n + 1)])):  # fmt: skip
        function([], updates=pairs, mode=mode)()
    assert n.get_value() == 7


def test_constants_as_updates() -> None:
    f, i, v = shared(1.5), shared(3), shared(np.ones(2, "f4"))
    function([], updates=[(f, 0), (i, 5), (v, [1.0, 2.0, 3.0])])()
    assert f.get_value() == 0 and f.get_value().dtype == np.float64
    assert i.get_value() == 5 and i.get_value().dtype == np.int64
    assert np.array_equal(v.get_value(), [1, 2, 3]) and v.get_value().dtype == np.float32
    with pytest.raises(TypeError, match="expected int64, got float64"):
        function([], updates=[(i, 1.5)])


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (lambda v, i: [(v, v.sum())], TypeError, "same type as the original shared variable"),
        (lambda v, i: [(v, v.dimshuffle("x", 0))], TypeError, "same type"),
        (lambda v, i: [(v, v.astype("float32"))], TypeError, r"astype\('float64'\)"),
        (lambda v, i: [(i, i + 0.5)], TypeError, "same type"),
        (lambda v, i: [(v, v.sum(keepdims=True))], TypeError, "unbroadcast"),
        (lambda v, i: [(v, v), (i, i), (v, v + 1)], ValueError, "already has an update"),
        (lambda v, i: [(v + 1, v)], TypeError, "target must be a SharedVariable"),
        (lambda v, i: {T.dscalar("x"): v}, TypeError, "target must be a SharedVariable"),
        (lambda v, i: [v], TypeError, "takes pairs"),
        (lambda v, i: [(v, "text")], TypeError, "expected float64"),
    ],
)
def test_updates_are_checked(make, kind, text) -> None:
    v, i = shared(np.ones(3), "v"), shared(0, "i")
    with pytest.raises(kind, match=text) as err:
        function([], updates=make(v, i))
    assert "test_function_calls.py" in str(err.value)


@both
def test_a_failing_call_changes_nothing(mode: str) -> None:
    x, i, s = T.dvector("x"), T.lscalar("i"), shared(np.zeros(2), "s")
    y = T.dscalar("y")
    f = function([x, i, In(y, value=0.0, update=y + 1)], x[i], updates=[(s, s + x)], mode=mode)
    f([1.0, 2.0], 0)
    for wrong in (lambda: f([1.0, 2.0], 9), lambda: f([1.0], 0), lambda: f([1.0], "text")):
        with pytest.raises((IndexError, ValueError, TypeError)):
            wrong()
    assert np.array_equal(s.get_value(), [1, 2]) and f["y"] == 1
    with pytest.raises(ValueError, match=r"x has shape \(3,\)"):
        f([1.0, 2.0, 3.0], 0)


@both
def test_default_updates(mode: str) -> None:
    s, t = shared(0, "s"), shared(100, "t")
    s.default_update = s + t  # brings t, whose own default counts too
    t.default_update = t + 1
    f = function([], s, mode=mode)
    assert [int(f()), int(f()), int(f())] == [0, 100, 201]
    assert t.get_value() == 103
    assert function([], s, no_default_updates=True, mode=mode)() == 303
    assert function([], s, no_default_updates=[s], mode=mode)() == 303
    assert (s.get_value(), t.get_value()) == (303, 103)
    function([], s + t, no_default_updates=[s], mode=mode)()
    assert (s.get_value(), t.get_value()) == (303, 104)
    function([], s, updates=[(s, s * 0)], mode=mode)()
    assert (s.get_value(), t.get_value()) == (0, 104)
    function([], T.constant(1), mode=mode)()
    assert t.get_value() == 104
    x = T.lscalar("x")
    assert function([x], s + 1, givens={s: x}, mode=mode)(5) == 6 and s.get_value() == 0
    s.default_update = T.dvector("v")
    with pytest.raises(TypeError, match="same type"):
        function([], s)


# -- givens ---------------------------------------------------------------------------------------


@both
def test_givens_with_shared_variables(mode: str) -> None:
    x, w, data = T.dmatrix("x"), shared(np.ones(3), "w"), shared(np.arange(12.0).reshape(4, 3))
    y = T.dot(x, w)
    i = T.lscalar("i")
    f = function([i], [y, T.grad(y.sum(), w)], givens={x: data[i : i + 2]}, mode=mode)
    out, g = f(1)
    assert np.array_equal(out, [12, 21]) and np.array_equal(g, [9, 11, 13])
    assert f(3)[0].shape == (1,)
    assert np.array_equal(function([], y, givens=[(x, data)], mode=mode)(), [3, 12, 21, 30])
    v = T.dvector("v")
    h = function([x, v], y, givens=[(w, v * 2)], mode=mode)
    assert np.array_equal(h(np.ones((1, 2)), [1, 2]), [6])
    own = function([x], y, givens={w: w + 1}, mode=mode)
    assert np.array_equal(own(np.ones((1, 3))), [6])
    up = function([], [], givens={v: w}, updates=[(w, v * 3)], mode=mode)
    up()
    assert np.array_equal(w.get_value(), [3, 3, 3])
    numbers = function([], x.sum(), givens={x: np.ones((2, 2))}, mode=mode)
    assert numbers() == 4


def test_givens_are_checked() -> None:
    x, s = T.dscalar("x"), shared(np.float32(2))
    f = T.fscalar("f")
    with pytest.raises(TypeError, match="givens: f of"):
        function([x], f, givens={f: x})
    assert function([x], f, givens={f: x}, rebuild_strict=False)(1.5).dtype == np.float32
    assert function([], x * 2, givens={x: s})() == 4  # a narrower dtype fits
    with pytest.raises(TypeError, match="given keys must be variables"):
        function([], x, givens={1: x})
    with pytest.raises(ValueError, match="replaces x twice"):
        function([], x, givens=[(x, s), (x, s)])


def test_ordered_updates() -> None:
    a, b = shared(0, "a"), shared(0, "b")
    one, two = OrderedUpdates({a: a + 1}), OrderedUpdates([(b, b + 2)])
    assert list(one + two) == [a, b] and list({b: 0} + one) == [b, a]
    one.update(two)
    assert list(one) == [a, b]
    one.update({a: one[a]})
    with pytest.raises(KeyError, match="Collision"):
        one.update([(a, a + 5)])
    with pytest.raises(TypeError, match="must inherit from SharedVariable"):
        one[T.dscalar("x")] = a
    with pytest.raises(TypeError, match="must inherit"):
        OrderedUpdates({3: 4})
