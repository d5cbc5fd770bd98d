"""`debugprint`, `min_informative_str`, and the graph as programs walk it."""

from __future__ import annotations

import io

import numpy as np
import pytest

import jitgrad
import jitgrad.tensor as T
from jitgrad import function, scan, shared
from jitgrad.frontend.pp_tree import DEEP
from jitgrad.ifelse import ifelse
from jitgrad.printing import debugprint, hex_digest, min_informative_str, pprint


def tree(*args, **kwargs):
    return debugprint(*args, file="str", **kwargs)


# -- trees ----------------------------------------------------------------------------------------


def test_shared_values_are_drawn_once():
    x = T.dscalar("x")
    y = x * x
    y.name = "y"
    assert tree(T.exp(y) + y) == (
        "add [id A]\n"
        " ├─ exp [id B]\n"
        " │  └─ mul 'y' [id C]\n"
        " │     ├─ x [id D]\n"
        " │     └─ x [id D]\n"
        " └─ mul 'y' [id C]\n"
        "    └─ ···"
    )


def test_depth():
    x = T.dscalar("x")
    y = T.exp(T.sin(x) + 1)
    assert tree(y, depth=1) == "exp [id A]"
    assert tree(y, depth=2) == "exp [id A]\n └─ add [id B]"
    assert tree(y, depth=0) == ""
    assert len(tree(y, depth=-1).splitlines()) == 5 == len(tree(y, depth=99).splitlines())


def test_ids_and_types():
    x = T.dvector("x")
    y = x + 1.5
    assert tree(y, ids="") == "add\n ├─ x\n └─ 1.5"
    assert tree(y, ids="int") == "add [id 0]\n ├─ x [id 1]\n └─ 1.5 [id 2]"
    assert "[id " in tree(y, ids="id") and f"[id {id(x.value)}]" in tree(y, ids="id")
    lines = tree(T.cast(y, "float32"), print_type=True).splitlines()
    assert lines[0].startswith("cast{'float32'} [id A] <f32[") and "x [id C] <f64[d" in lines[2]
    with pytest.raises(ValueError, match="'roman'"):
        tree(y, ids="roman")
    assert [jitgrad.frontend.pp_tree.letters(n) for n in (0, 25, 26, 701, 702)] == (
        ["A", "Z", "AA", "ZZ", "AAA"]
    )


def test_stop_on_name():
    x = T.dscalar("x")
    y = T.exp(x)
    y.name = "y"
    assert tree(y * 2, stop_on_name=True) == "mul [id A]\n ├─ exp 'y' [id B]\n └─ 2 [id C]"


def test_what_is_printed_and_where(capsys):
    x = T.dscalar("x")
    y = T.exp(x)
    assert debugprint(y) is None
    want = "exp [id A]\n └─ x [id B]\n"
    assert capsys.readouterr().out == want
    out = io.StringIO()
    assert debugprint(y, file=out) is out and out.getvalue() == want
    assert tree(y.owner) == tree([y]) == tree((y,)) == want[:-1]
    assert tree([y, x]) == want + "x [id B]"
    f = function([x], y)
    assert tree(f) == want[:-1] == tree(f.maker.fgraph)
    for bad in (1.0, None, "x", [y, 2]):
        with pytest.raises(TypeError, match="debugprint takes"):
            tree(bad)


def test_updates_are_shown():
    x = T.dscalar("x")
    total, count = shared(0.0, "total"), shared(0)
    f = function([x], 2 * x, updates=[(total, total + x), (count, count + 1)])
    assert tree(f, ids="").splitlines() == [
        "mul", " ├─ 2.0", " └─ x", "total ← add", " ├─ total", " └─ x",
        "an unnamed variable ← add", " ├─ 1", " └─ <i64>",
    ]  # fmt: skip
    state = jitgrad.In(T.dscalar("s"), value=1.0, update=x)
    assert "s ← x" in tree(function([x, state], state.variable), ids="")


def test_loops_and_branches_show_their_insides():
    x, s = T.dvector("x"), T.dscalar("s")
    out, _ = scan(lambda a, h: a * h, sequences=x, outputs_info=s)
    text = tree(ifelse(s > 0, out[-1], s))
    assert "ifelse" in text and "Inner graphs of ifelse" in text
    assert "then: " in text and "else: " in text
    assert text.count("Inner graphs of scan") == 1 and "next state: mul" in text
    assert "x[t] from [id" in text and "element: " in text
    assert "Inner graphs" not in tree(out, depth=0)
    assert "next state" in tree(function([x, s], out))


def test_deep_and_wide_graphs_print_in_linear_time():
    x = T.dscalar("x")
    deep, both = x, x
    for _ in range(5000):
        deep, both = T.sin(deep), both * both
    lines = tree(deep).splitlines()
    assert len(lines) == 5001 and max(map(len, lines)) < 4 * DEEP + 40
    assert lines[DEEP + 1].startswith("⋯1 ") or lines[DEEP + 2].startswith("⋯1 ")
    assert len(tree(both).splitlines()) < 15_010
    assert len(min_informative_str(deep)) < 5000 * 5020  # its indentation is part of the form


def test_min_informative_str():
    A, B, D, E = T.dmatrices("A", "B", "D", "E")
    C = A + B
    C.name = "C"
    text = min_informative_str(T.exp(C) + (D + E) * C)
    assert text.splitlines() == [
        "A. add", " B. exp", "  C. C", " D. mul", "  E. add", "   F. D", "   G. E", "  <C>",
    ]  # fmt: skip
    assert min_informative_str(T.dscalar("x"), indent_level=2) == "  A. x"
    assert min_informative_str(function([A], A * 2)).splitlines()[0] == "A. mul"


def test_digests():
    a = np.arange(6.0).reshape(2, 3)
    assert hex_digest(a) == hex_digest(a.copy())
    assert len({hex_digest(v) for v in (a, a.T, a.ravel(), a + 1, np.asfortranarray(a))}) == 5
    assert pprint is jitgrad.pp is jitgrad.pprint


# -- the graph ------------------------------------------------------------------------------------


def test_owners():
    x, y = T.dvectors("x", "y")
    z = x + y
    node = z.owner
    assert node.inputs == [x, y] and node.outputs == [z] and node.out == node.default_output() == z
    assert (node.nin, node.nout) == (2, 1) and str(node.op) == "add" == node.op.name
    assert node == z.owner and hash(node) == hash(z.owner) and len({node, z.owner}) == 1
    assert node != (x + y).owner and node.op == (x + y).owner.op != (x * y).owner.op
    assert x.owner is None and T.constant(2.0).owner is None and shared(1.0).owner is None
    assert node.op.attrs == {} and "x + y" in node.op.doc
    summed = T.dmatrix("A").sum(axis=0).owner
    assert str(summed.op) == "sum{axis=(0,)}" and summed.op.attrs == {"axes": (0,)}
    assert summed.op != T.dmatrix("A").sum(axis=1).owner.op


def test_what_broadcasts_does_not_show():
    A, x = T.dmatrix("A"), T.dvector("x")
    assert (A * x + 1).owner.inputs[0].owner.inputs == [A, x]
    assert (x.shape[0] * 2).owner.inputs == [x]


def test_nodes_with_several_outputs():
    x = T.dvector("x")
    out, _ = scan(lambda a, h: a * h, sequences=x, outputs_info=T.constant(1.0))
    assert out in out.owner.outputs and out.owner.nout == 2
    with pytest.raises(ValueError):
        _ = out.owner.out


def test_graphs_of_compiled_functions():
    x, y = T.dscalars("x", "y")
    f = function([x, y], [T.sin(x + y), x])
    graph = f.maker.fgraph
    order = graph.toposort()
    assert [str(n.op) for n in order] == ["add", "sin"]
    assert graph.apply_nodes == set(order) and len(graph.variables) == 4
    assert graph.clients(graph.inputs[0]) == [(order[0], 0), ("output", 1)]
    assert order[1].inputs[0].owner == order[0]
    assert "sin" in repr(graph) and repr(order[0]) == "add(x, y)"


def test_helpers_that_walk_graphs():
    x, y = T.dvectors("x", "y")
    u = x + y
    z = T.exp(u) * 2 + x.shape[0]
    graph = jitgrad.gof.graph
    assert graph is jitgrad.graph and jitgrad.gof.Apply is type(u.owner)
    leaves = [v for v in graph.inputs([z]) if v.name]
    assert leaves == [x, y] and graph.inputs([T.exp(u)], blockers=[u]) == [u]
    assert [str(n.op) for n in graph.toposort(T.exp(u))] == ["add", "exp"]
    assert [str(n.op) for n in graph.io_toposort([u], [T.exp(u)])] == ["exp"]
    assert graph.variables([x, y], [T.exp(u)]) >= {x, y, u}
    assert graph.is_in_ancestors(z, u) and not graph.is_in_ancestors(u, z)
    assert isinstance(x, graph.Variable) and isinstance(T.constant(1), graph.Constant)


def test_graphs_without_operations():
    x = T.dscalar("x")
    assert function([x], x).maker.fgraph.toposort() == []
    assert function([], T.constant(2.0)).maker.fgraph.toposort() == []
