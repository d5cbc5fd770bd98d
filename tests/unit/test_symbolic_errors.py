"""Bad input, kind by kind and by both front ends: one error with names, shapes, the user's line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad.numpy as jnp
import jitgrad.tensor as T
from jitgrad import (
    DisconnectedInputError,
    MissingInputError,
    ShapeError,
    UnusedInputError,
    function,
    grad,
    jit,
    value_and_grad,
)
from jitgrad.errors import DTypeError

MODES = ("FAST_RUN", "FAST_COMPILE")
HERE = __file__


def line(of: Callable[..., Any], text: str) -> str:
    """How an error shows the line of `of` that holds `text`."""
    source, first = inspect.getsourcelines(of)
    number = next(k for k, s in enumerate(source) if text in s) + first
    return f'at "{HERE}", line {number}, in {of.__name__}'


class says:
    """Expects an error whose text holds every part; with `here`, the line in the test as well.

    A line is said once.
    """

    def __init__(self, kind: type[Exception], *parts: str, here: bool = False) -> None:
        self.kind, self.parts, self.here = kind, parts, here

    def __enter__(self) -> None:
        pass

    def __exit__(self, found: Any, err: Any, trace: Any) -> bool:
        assert found is not None, f"no {self.kind.__name__}"
        if not issubclass(found, self.kind):
            return False
        where = [f'at "{HERE}", line {trace.tb_lineno}, in test_'] if self.here else []
        for part in (*self.parts, *where):
            assert part in str(err), f"{part!r} is not in: {err}"
            if part.startswith("at "):
                assert str(err).count(part) == 1, f"said twice: {err}"
        return True


# -- symbolic: at the call -------------------------------------------------------------------------


def model() -> tuple[Any, Any, Any]:
    """A linear model's loss and gradient."""
    X, w = T.dmatrix("X"), T.dvector("w")
    y = T.dvector("y")
    error = T.dot(X, w) - y
    cost = T.sum(error**2)
    return [X, w, y], [cost, *T.grad(cost, [X, w])], cost


GOOD = (np.ones((4, 3)), np.ones(3), np.ones(4))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("place", "value", "kind", "parts"),
    [
        (0, np.ones(4), ShapeError, ['"X"', "index 0", "expected 2, got 1", "(4,)", "X, w = "]),
        (1, np.ones((3, 1)), ShapeError, ['"w"', "index 1", "expected 1, got 2", "(3, 1)", "X, w"]),
        (2, 1.0, ShapeError, ['"y"', "index 2", "expected 1, got 0", "()", "y = T"]),
        (1, np.ones(3, complex), TypeError, ['"w"', "expected float64, got complex128", "X, w = "]),
        (1, ["a", "b", "c"], TypeError, ['"w"', "expected float64", "X, w = "]),
        (1, None, TypeError, ["Missing required input: w", "vector"]),
        (1, [[1.0], [1.0, 2.0]], TypeError, ['"w"', "no array", "X, w = "]),
        (1, np.ones(5), ShapeError,
         ["X has shape (4, 3); w has shape (5,)", "in dot", "error = T.dot"]),
        (2, np.ones(5), ShapeError, ["(X \\dot w) has shape (4,); y has shape (5,)", "in sub",
                                     "error = T.dot"]),
    ],
)  # fmt: skip
def test_a_symbolic_call(mode: str, place: int, value: Any, kind: type[Exception],
                         parts: list[str]) -> None:  # fmt: skip
    ins, outs, _ = model()
    f = function(ins, outs, mode=mode, name="loss")
    np.testing.assert_array_equal(f(*GOOD)[0], 16)
    args = list(GOOD)
    args[place] = value
    source = [p for p in parts if "= " in p or "y = T" in p or p == "X, w"]
    where = [line(model, s) for s in source]
    with says(kind, *[p for p in parts if p not in source], *where):
        f(*args)
    np.testing.assert_array_equal(f(*GOOD)[0], 16)


@pytest.mark.parametrize("mode", MODES)
def test_arguments_that_are_missing_or_too_many(mode: str) -> None:
    ins, outs, _ = model()
    f = function(ins, outs, mode=mode, name="loss")
    with says(TypeError, "Missing required input: y", "vector", "loss"):
        f(*GOOD[:2])
    with says(TypeError, "loss takes 3 inputs, not 4: X, w, y"):
        f(*GOOD, 1)
    with says(TypeError, "no input named 'z'", "X, w, y"):
        f(*GOOD[:2], z=1)


# -- symbolic: when the graph is built -------------------------------------------------------------


def test_a_cost_that_is_not_scalar() -> None:
    v = T.dvector("v")
    with says(TypeError, "cost must be a scalar.", "(v ** 2) has 1 dims", "vector", here=True):
        T.grad(v**2, v)
    with says(TypeError, "cost must be a scalar.", "(2 * v) has 1 dims", here=True):
        grad(2 * v, wrt=v)


def test_inputs_that_are_missing_unused_or_no_variables() -> None:
    ins, outs, cost = model()
    with says(MissingInputError, "Input w of the graph", "used to compute dot", "vector",
              line(model, "error = T.dot")):  # fmt: skip
        function([ins[0], ins[2]], outs)
    u = T.dscalar("u")
    with says(UnusedInputError, "index 3", "u.", here=True):
        function([*ins, u], outs)
    with says(DisconnectedInputError, "not part of", ": u", here=True):
        T.grad(cost, u)
    with says(TypeError, "wrt takes variables, not str", here=True):
        T.grad(cost, "w")
    with says(TypeError, "Unknown parameter type: str", here=True):
        function(["w"], outs)


def test_shapes_that_are_known_to_differ() -> None:
    m = T.dmatrix("m")
    with says(ShapeError, "(m + ", "has shape (3, 2)", "has shape (2, 2)", here=True):
        m + np.ones((3, 2)) + np.ones((2, 2))
    with says(ShapeError, "axis 2", "2 dims", here=True):
        T.sum(m, axis=2)
    with says(IndexError, "too many indices for m", here=True):
        m[0, 0, 0]
    with says(TypeError, "no truth value", "T.switch", here=True):
        if m > 0:
            raise AssertionError
    with says(TypeError, "m is symbolic", ".eval()", here=True):
        float(m)
    with says(TypeError, "iteration over m", here=True):
        list(m)


# -- traced ----------------------------------------------------------------------------------------


def loss(X: Any, w: Any, y: Any) -> Any:
    error = X @ w - y
    return jnp.sum(error**2)


WRAPS = {
    "jit": jit,
    "eager grad": lambda f: grad(f, argnums=(0, 1)),
    "jit grad": lambda f: jit(value_and_grad(f, argnums=(0, 1))),
}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize(
    ("place", "value", "kind", "parts"),
    [
        (1, np.ones(5), ShapeError, ["(4, 3)", "(5,)"]),
        (2, np.ones(5), ShapeError, ["(4,)", "(5,)"]),
        (1, np.ones((5, 1)), ShapeError, ["(4, 3)", "(5, 1)"]),
    ],
)
def test_a_traced_call(wrap: str, place: int, value: Any, kind: type[Exception],
                       parts: list[str]) -> None:  # fmt: skip
    args = list(GOOD)
    args[place] = value
    with says(kind, *parts, line(loss, "error = ")):
        WRAPS[wrap](loss)(*args)


@pytest.mark.parametrize("wrap", WRAPS)
def test_traced_arguments_of_a_wrong_kind(wrap: str) -> None:
    f = WRAPS[wrap](loss)
    with pytest.raises(TypeError, match=re.escape("missing 1 required positional argument: 'y'")):
        f(*GOOD[:2])
    with pytest.raises(TypeError, match="takes 3 positional arguments but 4 were given"):
        f(*GOOD, 1)
    with pytest.raises((DTypeError, TypeError), match="float16"):
        f(GOOD[0], np.ones(3, np.float16), GOOD[2])
    with pytest.raises(TypeError, match="object"):
        f(GOOD[0], np.array([None] * 3), GOOD[2])


def test_a_traced_cost_that_is_not_scalar() -> None:
    for wrap in (grad, lambda f: jit(grad(f)), value_and_grad):
        with pytest.raises(TypeError, match=r"scalar result, this one gave shape \(3,\)"):
            wrap(lambda x: x * 2)(np.ones(3))
