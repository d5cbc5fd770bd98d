"""`pydotprint`: pictures of graphs, as DOT and as SVG."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import jitgrad.tensor as T
from jitgrad import function, scan, shared
from jitgrad.frontend.pp_layout import GAP_X, GAP_Y, Edge, layout
from jitgrad.printing import pydotprint

SVG = "{http://www.w3.org/2000/svg}"


def boxes(text):
    """The rectangles of the nodes: (x, y, width, height)."""
    root = ElementTree.fromstring(text)
    found = []
    for group in root.iter(f"{SVG}g"):
        found += [tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
                  for r in group.iter(f"{SVG}rect")]  # fmt: skip
    return found


def words(text):
    return [t.text for t in ElementTree.fromstring(text).iter(f"{SVG}text")]


def model():
    x, y = T.dmatrix("x"), T.dvector("y")
    w, b = shared(np.zeros(3), "w"), shared(0.0, "b")
    p = 1 / (1 + T.exp(-T.dot(x, w) - b))
    cost = (-y * T.log(p) - (1 - y) * T.log(1 - p)).mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    return function([x, y], [p > 0.5, cost], updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)])


def test_a_model_as_svg():
    text = pydotprint(model())
    seen = words(text)
    assert {"x", "y", "w", "b", "output 0", "new w", "new b", "sigmoid"} <= set(seen)
    found = boxes(text)
    root = ElementTree.fromstring(text)
    width, height = (float(root.get(k)) for k in ("width", "height"))
    for x, y, w, h in found:
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(found, 2):
        assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, "boxes overlap"


def test_texts_fit_into_their_boxes():
    text = pydotprint(model())
    for (_, _, width, _), group in zip(boxes(text), words(text)):
        assert width >= 16 and group is not None
    assert all(len(w) * 7 <= max(b[2] for b in boxes(text)) for w in words(text))


@pytest.mark.parametrize("format", ["svg", "dot"])
def test_names_are_escaped(format):
    x = T.dvector('x<&>"\\\x00')
    text = pydotprint(T.exp(x), format=format)
    if format == "svg":
        assert 'x<&>"\\\ufffd' in words(text)
    else:
        assert 'label="x<&>\\"\\\\' in text


def test_dot():
    x = T.dvector("x")
    text = pydotprint(function([x], T.exp(x) * x), format="dot", with_ids=True)
    assert text.startswith("digraph G {") and text.endswith("}")
    assert 'label="exp id=0\\nf64[n0]"' in text
    edges = re.findall(r"n(\d+) -> n(\d+)( \[label=\"\d\"\])?;", text)
    assert len(edges) == 4 and sum(bool(label) for *_, label in edges) == 2
    nodes = set(re.findall(r"^  n(\d+) \[label", text, re.M))
    assert {n for a, b, _ in edges for n in (a, b)} <= nodes


def test_files(tmp_path, capsys, monkeypatch):
    x = T.dscalar("x")
    f = function([x], T.exp(x))
    svg = tmp_path / "graph.svg"
    assert pydotprint(f, outfile=svg) is None
    assert f"The output file is available at {svg}" in capsys.readouterr().out
    assert svg.read_text().startswith("<svg")
    dot = str(tmp_path / "graph.dot")
    assert pydotprint(f, dot, print_output_file=False, return_image=True).startswith("digraph")
    assert not capsys.readouterr().out
    pydotprint(f, str(tmp_path / "plain"), format="dot", print_output_file=False)
    assert (tmp_path / "plain.dot").read_text().startswith("digraph")
    for bad in ({"outfile": str(tmp_path / "x.png")}, {"format": "png"}):
        with pytest.raises(ValueError, match="'png'.*graphviz"):
            pydotprint(f, **bad)
    assert not (tmp_path / "x.png").exists()
    with pytest.raises(TypeError):
        pydotprint(2.0)


def test_looks():
    x = T.dscalar("x")
    y = T.exp(x) * 2
    assert 'fill="white"' in pydotprint(y, high_contrast=False).replace("<rect width", "", 1)
    assert 'fill="red"' in pydotprint(y, colorCodes={"exp": "red"})
    assert 'fillcolor="red"' in pydotprint(y, format="dot", colorCodes={"exp": "red"})
    long = T.exp(T.dscalar("a" * 200))
    assert max(map(len, words(pydotprint(long, max_label_size=20)))) == 20
    assert "f64" not in words(pydotprint(T.exp(y), compact=False))[0]


def test_insides_of_loops():
    x = T.dvector("x")
    out, _ = scan(lambda a, h: T.tanh(a * h), sequences=x, outputs_info=T.constant(1.0))
    assert "tanh" not in words(pydotprint(out))
    for f in (out, function([x], out)):
        seen = words(pydotprint(f, scan_graphs=True))
        assert "tanh" in seen and any(w.startswith("step of scan") for w in seen)
    assert "subgraph cluster_1" in pydotprint(out, format="dot", scan_graphs=True)


def test_graphs_of_one_node_and_of_many():
    x = T.dscalar("x")
    assert len(boxes(pydotprint(x))) == 2 and len(boxes(pydotprint(T.constant(1.0)))) == 2
    y = x
    for _ in range(300):
        y = T.sin(y) * x + y
    assert len(boxes(pydotprint(y))) == 902
    assert len(boxes(pydotprint([x, x]))) == 3


# -- the layout by itself -------------------------------------------------------------------------


def test_layers_go_down():
    edges = [Edge(0, 1), Edge(1, 2), Edge(0, 2), Edge(3, 2), Edge(2, 4)]
    made = layout([(40.0, 20.0)] * 5, edges)
    ys = [y for _, y in made.centers]
    assert all(ys[e.source] < ys[e.target] for e in edges)
    assert ys[3] == ys[1]  # as late as it can be
    for e, path in zip(edges, made.paths):
        assert path[0][1] == ys[e.source] + 10 and path[-1][1] == ys[e.target] - 10
        assert [y for _, y in path] == sorted(y for _, y in path)
    assert len(made.paths[2]) == 3  # passes the layer between
    assert made.height == 4 * 20 + 3 * GAP_Y


def test_neighbours_keep_apart_and_edges_do_not_cross():
    edges = [Edge(k, 4 + k) for k in range(4)]
    made = layout([(30.0, 10.0)] * 8, edges)
    xs = [x for x, _ in made.centers]
    assert np.all(np.diff(sorted(xs[:4])) >= 30 + GAP_X - 1e-9)
    assert np.argsort(xs[:4]).tolist() == np.argsort(xs[4:]).tolist()
    assert layout([], []).width == 0
