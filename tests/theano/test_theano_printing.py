"""`pp`, `debugprint`, `pydotprint`, `Print` and the view of the graph."""

from __future__ import annotations

import io

import numpy as np
import pytest

import jitgrad as theano
import jitgrad.tensor as T
from jitgrad import function, pp


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda x, y: x + y, "(x + y)"),
        (lambda x, y: x - y, "(x - y)"),
        (lambda x, y: x * y / 2, "((x * y) / 2)"),
        (lambda x, y: x**y, "(x ** y)"),
        (lambda x, y: -x, "(-x)"),
        (lambda x, y: T.exp(x), "exp(x)"),
        (lambda x, y: T.switch(x > 0, x, y), "switch((x > 0), x, y)"),
        (lambda x, y: T.maximum(x, y), "maximum(x, y)"),
        (lambda x, y: x.sum(), "sum(x)"),
        (lambda x, y: x[0], "x[0]"),
        (lambda x, y: x[1:3], "x[1:3]"),
    ],
)
def test_formulas(make, text: str) -> None:  # type: ignore[no-untyped-def]
    x, y = T.dvectors("x", "y")
    got = pp(make(x, y))
    assert got in (text, text.replace("switch((x > 0)", "switch(gt(x, 0)"))


def test_matrices() -> None:
    A, B = T.dmatrices("A", "B")
    assert pp(T.dot(A, B)) == "(A \\dot B)"
    assert pp(A.T) == "A.T"


def test_debugprint() -> None:
    x = T.dscalar("x")
    y = x * x
    text = theano.printing.debugprint(y + y, file="str")
    assert "add" in text.lower() and "[id A]" in text and text.count("[id B]") == 2
    out = io.StringIO()
    theano.printing.debugprint(function([x], y), file=out)
    assert "mul" in out.getvalue().lower()
    shallow = theano.printing.debugprint(T.exp(T.sin(x)), depth=1, file="str")
    assert "sin" not in shallow.lower() or len(shallow.splitlines()) <= 2
    assert "f64" in theano.printing.debugprint(y, print_type=True, file="str") or (
        "float64" in theano.printing.debugprint(y, print_type=True, file="str")
    )


def test_a_deep_graph_prints_in_time() -> None:
    x = T.dscalar("x")
    y = x
    for _ in range(3000):
        y = T.sin(y)
    assert len(theano.printing.debugprint(y, file="str").splitlines()) == 3001


def test_pydotprint(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = T.dvector("x<&>")
    f = function([x], T.exp(x).sum())
    out = tmp_path / "graph.svg"
    theano.printing.pydotprint(f, outfile=str(out))
    text = out.read_text()
    assert text.lstrip().startswith("<") and "svg" in text and "<&>" not in text
    dot = theano.printing.pydotprint(f, outfile=None, format="dot")
    assert "digraph" in str(dot)


def test_print(capfd) -> None:  # type: ignore[no-untyped-def]
    x = T.dvector("x")
    y = theano.printing.Print("hello")(x) * 2
    f = function([x], y)
    assert np.array_equal(f([1.0, 2.0]), [2.0, 4.0])
    seen = capfd.readouterr().out
    assert "hello" in seen and "[1. 2.]" in seen
    g = function([x], T.grad(y.sum(), x), on_unused_input="ignore")
    assert np.array_equal(g([1.0, 2.0]), [2.0, 2.0])
    shape = theano.printing.Print("shape of x", attrs=["shape"])(x)
    function([x], shape)([1.0, 2.0])
    assert "(2,)" in capfd.readouterr().out


def test_min_informative_str() -> None:
    A, B = T.dmatrices("A", "B")
    C = A + B
    C.name = "C"
    D, E = T.dmatrices("D", "E")
    G = C + (D + E)
    text = theano.printing.min_informative_str(G)
    assert text.splitlines()[0].startswith("A.") and "C" in text and "D" in text


def test_the_graph_can_be_walked() -> None:
    x, y = T.dscalars("x", "y")
    z = T.sin(x + y)
    assert x.owner is None
    (inner,) = z.owner.inputs
    assert [v.name for v in inner.owner.inputs] == ["x", "y"]
    assert z in z.owner.outputs
    f = function([x, y], z)
    assert [str(n.op).lower() for n in f.maker.fgraph.toposort()] == ["add", "sin"]
    assert len(f.maker.fgraph.apply_nodes) == 2
