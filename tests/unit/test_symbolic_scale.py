"""Large graphs through both front ends: many inputs, long chains, no recursion, linear growth."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import jitgrad.numpy as jnp
import jitgrad.tensor as T
from jitgrad import function, grad, jit, pp, value_and_grad
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.ir.printer import format_function
from jitgrad.ir.verify import verify
from jitgrad.traced import make_ir

MODES = ("FAST_RUN", "FAST_COMPILE")
INPUTS = 1000
LONG = 10_000
ROOM = 120  # frames that any call may take: what NumPy, ctypes and the passes nest, and a little


@contextmanager
def little_stack() -> Iterator[None]:
    """The recursion limit just above the frames that stand already."""
    before = sys.getrecursionlimit()
    depth = len(inspect.stack(0))
    sys.setrecursionlimit(depth + ROOM)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def warm() -> None:
    """Imports made by the first compile nest deeper than anything after it."""
    x = T.dvector("x")
    f = function([x], T.grad(T.sum(T.tanh(T.sin(x)) * x + 0.5), x))
    f([1.0])
    f.maker.compiled.ir("kernels")
    jit(value_and_grad(lambda x: jnp.sum(jnp.tanh(jnp.sin(x)) * x + 0.5)))(np.ones(1))


STEP = 5e-4


def chain(n: Any, x: Any, length: int) -> Any:
    """`length` ops in a row, each of which needs the one before; its derivative stays near 1."""
    for _ in range(length // 3):
        x = x + STEP * n.sin(x)
    return x


def derivative(x: float, length: int) -> tuple[float, float]:
    """The chain's value and derivative, forwards in plain floats."""
    d = 1.0
    for _ in range(length // 3):
        d *= 1 + STEP * np.cos(x)
        x += STEP * np.sin(x)
    assert 0.1 < d < 10
    return x, d


# -- 1,000 inputs ----------------------------------------------------------------------------------


def ring(n: Any, xs: Any) -> Any:
    """Each input meets its neighbour."""
    total = 0
    for a, b in zip(xs, [*xs[1:], xs[0]]):
        total = total + n.sum(n.sin(a) * b)
    return total


def ring_gradient(xs: Any) -> list[Any]:
    return [np.cos(x) * xs[(k + 1) % len(xs)] + np.sin(xs[k - 1]) for k, x in enumerate(xs)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_thousand_symbolic_inputs(mode: str, rank: int) -> None:
    shape = (3,) * rank
    rng = np.random.default_rng(rank)
    values = [rng.normal(size=shape) for _ in range(INPUTS)]
    kind = T.TensorType("float64", (False,) * rank)
    xs = [kind(f"x{k}") for k in range(INPUTS)]
    gs = T.grad(ring(T, xs), xs)
    assert len(gs) == INPUTS
    got = function(xs, gs, mode=mode)(*values)
    np.testing.assert_allclose(got, ring_gradient(values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wrap", [jit, lambda f: f], ids=["jit", "eager"])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_thousand_traced_inputs(wrap: Callable, rank: int) -> None:
    rng = np.random.default_rng(rank)
    values = [rng.normal(size=(3,) * rank) for _ in range(INPUTS)]
    want = ring_gradient(values)
    by_number = grad(lambda *xs: ring(jnp, xs), argnums=tuple(range(INPUTS)))
    got = wrap(by_number)(*values)
    assert isinstance(got, tuple)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    as_list = wrap(grad(lambda xs: ring(jnp, xs)))(values)
    assert isinstance(as_list, list)
    np.testing.assert_allclose(as_list, want, rtol=1e-12, atol=1e-12)


# -- linear growth ---------------------------------------------------------------------------------


def sizes(length: int) -> dict[str, int]:
    """Ops and characters of every stage of a chain's gradient, in both front ends."""
    x = T.dvector("x")
    y = T.sum(chain(T, x, length))
    f = function([x], [y, T.grad(y, x)])
    out = {}
    for stage in ("trace", "optimized", "kernels"):
        text = f.maker.compiled.ir(stage)
        out[f"symbolic {stage}"] = len(text)
        out[f"symbolic {stage} ops"] = text.count("\n")
    fn = make_ir(value_and_grad(lambda v: jnp.sum(chain(jnp, v, length))))(np.ones(3))
    out["traced"], out["traced ops"] = len(format_function(fn)), len(fn.ops)
    return out


def test_programs_grow_linearly_with_the_graph() -> None:
    one, two, four = sizes(400), sizes(800), sizes(1600)
    for key in one:
        first, second = two[key] - one[key], four[key] - two[key]
        assert first > 0, key
        # numbers get a digit more on the way
        assert 1.95 * first <= second <= 2.1 * first, key
    assert four["traced ops"] < 12 * 1600
    assert four["symbolic optimized ops"] < 6 * 1600


# -- no recursion ----------------------------------------------------------------------------------


def test_a_long_symbolic_chain_needs_no_stack() -> None:
    warm()
    want = derivative(0.75, LONG)
    with little_stack():
        x = T.dvector("x")
        y = T.sum(chain(T, x, LONG))
        g = T.grad(y, x)
        repr(y), repr(g)
        assert copy.deepcopy({"y": [y]})["y"][0] is y
        for mode in MODES:
            f = function([x], [y, g], mode=mode)
            got = f(np.full(2, 0.75))
            np.testing.assert_allclose(got[0], 2 * want[0], rtol=1e-9)
            np.testing.assert_allclose(got[1], [want[1]] * 2, rtol=1e-9)
            repr(f)
            assert len(pp(f.maker.fgraph.outputs[0])) > 1000
            copy.deepcopy(f)
        text = f.maker.compiled.optimized
        np.testing.assert_array_equal(run(text, (np.full(2, 0.75),))[0], got[0])
        del x, y, g, f, text


def test_a_long_formula_is_printed_without_a_stack() -> None:
    warm()
    with little_stack():
        x = T.dvector("x")
        y = x
        for _ in range(LONG):
            y = T.sin(y)
        assert pp(y) == "sin(" * LONG + "x" + ")" * LONG
        few = T.sum(chain(T, x, 1500))  # the indentation alone grows with the square
        assert T.debugprint(few, file="str").count("\n") > 1500
        # a formula repeats what the graph shares: this one would have 2**10000 factors
        z = x
        for _ in range(LONG):
            z = z * z
        assert len(pp(z)) <= 1_000_001 and pp(z).endswith("…")


def test_a_long_traced_chain_needs_no_stack() -> None:
    warm()
    want = derivative(0.75, LONG)
    with little_stack():
        both = value_and_grad(lambda v: jnp.sum(chain(jnp, v, LONG)))
        for f in (both, jit(both)):
            got = f(np.full(2, 0.75))
            np.testing.assert_allclose(got[0], 2 * want[0], rtol=1e-9)
            np.testing.assert_allclose(got[1], [want[1]] * 2, rtol=1e-9)
        copy.deepcopy(f)
        repr(f)


def test_a_long_function_is_copied_pickled_and_printed_without_a_stack() -> None:
    warm()
    with little_stack():
        fn = make_ir(value_and_grad(lambda v: jnp.sum(chain(jnp, v, LONG))))(np.ones(3))
        repr(fn), str(fn)
        text = format_function(fn)
        back = parse_function(text)
        verify(back)
        assert format_function(back) == text
        other = copy.deepcopy(fn)
        assert format_function(pickle.loads(pickle.dumps(fn))) == text
        assert format_function(other) == text
        del fn, back, other


def test_variables_are_not_pickled() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match="x is a variable of this process and cannot be pickled"):
        pickle.dumps([x])
    assert copy.copy(x) is x and copy.deepcopy(x) is x
