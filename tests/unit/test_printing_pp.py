"""`pp`: a formula for every op, and indices as the user wrote them."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, pp
from jitgrad.ir.build import Builder
from jitgrad.ir.core import Value
from jitgrad.ir.ops import TABLE
from jitgrad.ir.types import DTYPES, tensor
from jitgrad.testing.gradcheck import examples

NAMES = {
    "x": T.dvector("x"), "y": T.dvector("y"), "A": T.dmatrix("A"), "B": T.dmatrix("B"),
    "i": T.lscalar("i"), "j": T.lscalar("j"), "k": T.lvector("k"), "s": T.dscalar("s"), "T": T,
}  # fmt: skip

# the Python that makes it, and what pp gives, where that is something else
FORMULAS = """
(x + y)
(x - y)
(x * y)
(x / y)
(x // y)
(x % y)
(x ** 2)
(i // j)
(i % j)
(i ** j)
(i << j)
(i >> j)
(i & j)
(i | j)
(i ^ j)
(-x)
~i                          invert(i)
x > y                       gt(x, y)
x <= 0                      le(x, 0)
T.eq(x, y)                  eq(x, y)
T.neq(x, y)                 neq(x, y)
abs(x)
T.sgn(x)                    sgn(x)
T.arcsin(x)                 arcsin(x)
T.arctan2(x, y)             arctan2(x, y)
T.arccosh(x)                arccosh(x)
T.round(x)                  round_half_to_even(x)
T.maximum(x, y)             maximum(x, y)
T.switch(x > 0, x, y)       switch(gt(x, 0), x, y)
T.cast(x, 'int32')          cast(x, 'int32')
T.clip(x, 0, 1)             clip(x, 0, 1)
A.sum()                     sum(A)
A.sum(axis=0)               sum(A, axis=(0,))
A.max()                     max(A)
A.min(axis=1)               min(A, axis=(1,))
A.prod()                    prod(A)
A.argmax()                  argmax(A)
A.argmax(axis=1)            argmax(A, axis=1)
x.mean()                    (sum(x) / Shape(x)[0])
A.mean()                    (sum(A) / (Shape(A)[0]*Shape(A)[1]))
T.dot(A, B)                 (A \\dot B)
T.dot(A, x)                 (A \\dot x)
A.T
T.concatenate([x, y])       join(x, y, axis=0)
T.cumsum(x)                 cumsum(x, axis=0)
T.sort(x)                   sort(x, axis=0)
T.ones_like(x)              fill(x, 1.0)
x.shape                     Shape(x)
x.shape[0]                  Shape(x)[0]
x.shape[0] * 2              2*Shape(x)[0]
x * (x.shape[0] * 2)        (x * (2*Shape(x)[0]))
A.reshape((2, -1))          reshape(A, (2, (Shape(A)[0]*Shape(A)[1])//2))
x[0]
x[-1]
x[i]
x[1:3]
x[1:-1]
x[::-1]
x[::2]
x[i:]
x[:-i]                      x[:(-i)]
A[0]
A[:, 1]
A[i, j]
A[k]
A[:, k]
A[1:, ::2]
A[..., 0]
x[x > 0]                    x[gt(x, 0)]
x[None]
x[[0, 1]]
T.set_subtensor(x[0], 1.0)       set_subtensor(x[0], 1.0)
T.inc_subtensor(x[1:3], y[1:3])  inc_subtensor(x[1:3], y[1:3])
T.inc_subtensor(A[k], 1.0)       inc_subtensor(A[k], 1.0)
T.grad(x[k].sum(), x)            inc_subtensor(0.0[k], fill(sum(x[k]), 1.0))
""".strip().splitlines()


@pytest.mark.parametrize("line", FORMULAS)
def test_formulas(line):
    source, _, want = line.partition("  ")
    assert pp(eval(source, dict(NAMES))) == (want.strip() or source)


@pytest.mark.parametrize("name", [n for n, r in TABLE.items() if r.ref is not None])
def test_every_op_has_a_formula(name):
    """With its operands in it, and nothing of the IR's own spelling."""
    row = TABLE[name]
    made = 0
    for example in examples(row):
        (result,) = example[0].results
        text = pp(result)
        assert text and "\n" not in text
        if name not in ("constant", "iota", "dim"):
            assert all(p.name in text for p in example[0].params[:1])
        made += 1
    assert made


def test_names_of_values_stand_for_inputs_only():
    x, y = T.dscalars("x", "y")
    z = x + y
    z.name = "z"
    assert pp(z * 2) == "((x + y) * 2)"
    assert pp(T.dscalar()) == "<f64>"


def test_compiled_graphs_have_formulas():
    x = T.dvector("x")
    f = function([x], [x[-1], x[1:3], x[::-1], T.log(1 + T.exp(x)), x[1:-1]])
    texts = [pp(v) for v in f.maker.fgraph.outputs]
    assert texts == ["x[-1]", "x[1:3]", "reverse(x)", "softplus(x)", "x[1:-1]"]


def test_an_op_that_nobody_thought_of():
    """The default form: name, operands, attributes by name."""
    b = Builder()
    x = Value(tensor("f64", (4,)), name="x")
    assert pp(b("pad", x, b.const(0, tensor("f64", ())), lo=(1,), hi=(0,), interior=(0,))) == (
        "pad(x, 0.0, lo=(1,), hi=(0,))"
    )
    assert pp(b("searchsorted", x, x, right=True)) == "searchsorted(x, x, right=True)"
    dense = b.const(np.arange(3.0), tensor("f64", (3,)))
    assert pp(dense) == "[0., 1., 2.]" and pp(b.cast(dense, DTYPES["f32"])).endswith("'float32')")
