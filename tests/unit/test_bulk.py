"""Products that leave their loops: the results stay, the loops lose their products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import function
from jitgrad.ir.core import Block, Function
from jitgrad.ir.interp import run
from jitgrad.ir.parser import parse_function
from jitgrad.passes.base import parse_pipeline
from jitgrad.passes.pipelines import TENSOR, pipeline

BEFORE = TENSOR.removesuffix(",bulk,simplify,dce")


def inside(fn: Function, name: str) -> int:
    """How many ops of a name stand in the loops of a function."""

    def count(block: Block, deep: bool) -> int:
        return sum(
            (deep and op.name == name)
            + sum(count(r, deep or op.name == "scan") for r in op.regions)
            for op in block.ops
        )

    return count(fn.body, False)


def rnn(x: Any, w: Any, u: Any, v: Any, h: Any, **kw: Any) -> Any:
    def step(row: Any, state: Any, w: Any, u: Any, v: Any) -> Any:
        new = T.tanh(T.dot(row, w) + T.dot(state, u))
        return new, T.nnet.sigmoid(T.dot(new, v))

    outs, _ = jitgrad.scan(step, sequences=[x], outputs_info=[h, None],
                           non_sequences=[w, u, v], **kw)  # fmt: skip
    return outs[1]


def columns(x: Any, w: Any, u: Any, v: Any, h: Any) -> Any:
    """The matrices stand on the left; two products ahead in a row."""

    def step(row: Any, state: Any, w: Any, u: Any, v: Any) -> Any:
        return T.tanh(T.dot(u.T, T.tanh(T.dot(w.T, row))) + state)

    out, _ = jitgrad.scan(step, sequences=[x], outputs_info=[h], non_sequences=[w, u, v])
    return T.dot(out, v)


def running(x: Any, w: Any, u: Any, v: Any, h: Any) -> Any:
    """A sum of products that does not begin at 0."""

    def step(row: Any, state: Any, w: Any) -> Any:
        return state + T.outer(row, T.exp(row))

    n = x.shape[1]
    first = T.ones((n, n), x.dtype)
    out, _ = jitgrad.scan(step, sequences=[x], outputs_info=[first], non_sequences=[w])
    return T.dot(T.dot(h, w.T), out[-1]) * T.sum(u) * T.sum(v)


def nested(x: Any, w: Any, u: Any, v: Any, h: Any) -> Any:
    def outer(row: Any, state: Any, x: Any, w: Any, u: Any) -> Any:
        def step(inner: Any, total: Any, state: Any, w: Any) -> Any:
            return total + T.tanh(T.dot(inner, w)) * state

        out, _ = jitgrad.scan(step, sequences=[x], outputs_info=[state], non_sequences=[state, w])
        return T.tanh(T.dot(out[-1], u) + T.dot(row, w))

    out, _ = jitgrad.scan(outer, sequences=[x], outputs_info=[h], non_sequences=[x, w, u])
    return T.dot(out, v)


LOOPS: dict[str, tuple[Callable[..., Any], int, int]] = {
    # products that may be left in the loops of its value, and of value and gradient
    "rows": (rnn, 1, 2),
    "backwards": (lambda *a: rnn(*a, go_backwards=True), 1, 2),
    "columns": (columns, 0, 0),
    "running": (running, 0, 0),
    "nested": (nested, 1, 6),
}


def sources(name: str, batch: bool) -> tuple[list[Any], Function, Function]:
    x = (T.dtensor3 if batch else T.dmatrix)("x")
    ins = [x, *map(T.dmatrix, "wuv"), (T.dmatrix if batch else T.dvector)("h")]
    out = LOOPS[name][0](*ins)
    cost = T.sum(out**2)
    return ins, *(
        function(ins, outs, mode="FAST_COMPILE", on_unused_input="ignore").maker.compiled.source
        for outs in ([cost], [cost, *T.grad(cost, ins, disconnected_inputs="ignore")])
    )


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("name", LOOPS)
def test_products_leave_loops_and_results_stay(name: str, batch: bool) -> None:
    if batch and name in ("columns", "running"):
        return  # they are written for vectors
    _, value, both = sources(name, batch)
    rng = np.random.default_rng(0)
    for fn, left in zip((value, both), LOOPS[name][1:]):
        before = pipeline(BEFORE).run(fn)
        after = pipeline(TENSOR).run(fn, verify=True)
        assert inside(before, "matmul") > inside(after, "matmul") or name == "running"
        assert inside(after, "matmul") <= left
        for steps in (1, 4):
            k, m = 3, 2
            shapes = [(steps, 5, k) if batch else (steps, k), (k, m), (m, m), (m, 4),
                      (5, m) if batch else (m,)]  # fmt: skip
            args = [rng.normal(size=s) for s in shapes][: len(fn.params)]
            for got, want in zip(run(after, args), run(fn, args)):
                np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


def test_the_machine_code_agrees() -> None:
    ins = [T.dmatrix("x"), *map(T.dmatrix, "wuv"), T.dvector("h")]
    cost = T.sum(rnn(*ins) ** 2)
    outs = [cost, *T.grad(cost, ins)]
    rng = np.random.default_rng(1)
    args = [rng.normal(size=s) for s in ((7, 3), (3, 2), (2, 2), (2, 4), (2,))]
    want = function(ins, outs, mode="FAST_COMPILE")(*args)
    for g, w in zip(function(ins, outs)(*args), want):
        np.testing.assert_allclose(g, w, rtol=1e-10)


TEXT = """
func @f<k, n>(%w: f64[k, k], %s: f64[k, k], %h: f64[k, k], %x: f64[n, k, k]) -> (f64[k, k], SS) {{
  %0: f64[k, k], %1: SS = scan %w, %h, %x {{length=n, carries=1, consts=1, reverse=false}} {{
    ^(%w1: f64[k, k], %h1: f64[k, k], %x1: f64[k, k]):
    {body}
  }}
  return %0, %1
}}
""".replace("SS", "f64[n, k, k]")


@pytest.mark.parametrize(
    "body",
    [
        # a sum that is read in the loop, one of a product that is read, and one that is stacked
        """%2: f64[k, k] = matmul %h1, %h1 {ta=false, tb=false}
           %3: f64[k, k] = add %h1, %2
           yield %3, %h1""",
        """%2: f64[k, k] = matmul %x1, %x1 {ta=false, tb=true}
           %3: f64[k, k] = add %2, %h1
           yield %3, %2""",
        """%2: f64[k, k] = matmul %x1, %x1 {ta=true, tb=false}
           %3: f64[k, k] = add %2, %h1
           yield %3, %3""",
        # a product of what differs from step to step
        """%2: f64[k, k] = matmul %x1, %h1 {ta=false, tb=true}
           yield %2, %h1""",
    ],
)
def test_what_depends_on_the_steps_before_stays(body: str) -> None:
    fn = parse_function(TEXT.format(body=body).replace("\n           ", "\n    "))
    assert parse_pipeline("bulk").run(fn) is fn


@pytest.mark.parametrize("ta", ["false", "true"])
@pytest.mark.parametrize("tb", ["false", "true"])
def test_all_flags(ta: str, tb: str) -> None:
    body = f"""%2: f64[k, k] = matmul %x1, %w1 {{ta={ta}, tb={tb}}}
           %3: f64[k, k] = matmul %w1, %x1 {{ta={ta}, tb={tb}}}
           %4: f64[k, k] = sin %2
           %5: f64[k, k] = matmul %4, %3 {{ta={ta}, tb={tb}}}
           %6: f64[k, k] = add %h1, %5
           %7: f64[k, k] = matmul %4, %w1 {{ta={ta}, tb={tb}}}
           yield %6, %7"""
    fn = parse_function(TEXT.format(body=body).replace("\n           ", "\n    "))
    out = parse_pipeline("bulk,simplify,dce").run(fn, verify=True)
    assert inside(out, "matmul") == 0
    rng = np.random.default_rng(2)
    for n in (0, 1, 3):
        args = [rng.normal(size=s) for s in ((2, 2), (2, 2), (2, 2), (n, 2, 2))]
        for got, want in zip(run(out, args), run(fn, args)):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
