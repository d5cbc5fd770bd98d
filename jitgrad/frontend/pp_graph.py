"""`pydotprint`: a graph as a picture, in the DOT language or as an SVG of our own layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..ir.core import Block, Op, Value, reachable
from .pp import leaf, op_label
from .pp_layout import Edge, Layout, Node, layout
from .pp_tree import Root, roots_of
from .symbolic_graph import _HIDDEN, operands, through

# by kind of node: fill, border
_COLORS = {"input": ("#c8e6c9", "#2e7d32"), "constant": ("#eeeeee", "#757575"),
           "op": ("#e3f2fd", "#1565c0"), "control": ("#ffe0b2", "#e65100"),
           "output": ("#bbdefb", "#0d47a1"), "update": ("#e1bee7", "#6a1b9a")}  # fmt: skip


class Picture(NamedTuple):
    """Nodes and edges of one graph, under a title ("" for none)."""

    title: str
    nodes: list[Node]
    edges: list[Edge]


class _Options(NamedTuple):
    most: int  # characters of a line
    ids: bool
    colors: Mapping[str, str]


def pydotprint(
    fct: Any,
    outfile: Any = None,
    compact: bool = True,
    format: str | None = None,
    with_ids: bool = False,
    high_contrast: bool = True,
    cond_highlight: Any = None,
    colorCodes: Mapping[str, str] | None = None,
    max_label_size: int = 70,
    scan_graphs: bool = False,
    var_with_name_simple: bool = False,
    print_output_file: bool = True,
    assert_nb_all_strings: int = -1,
    return_image: bool = False,
) -> str | None:
    """Draw a graph: inputs above, results below, nodes coloured by what they are.

    fct             a compiled function (with its updates), a variable, a node, a graph, or a list
    outfile         the file to write, named by its ending; without it the text is returned
    format          "svg" or "dot"; by default what `outfile` ends in, else "svg"
    compact         False: sizes and types stand in the nodes of inputs only
    with_ids        number the operations in program order
    high_contrast   fill the nodes with their colour; False: only draw their borders in it
    colorCodes      colours by a part of an operation's text: {"exp": "red"}
    max_label_size  longer lines are cut
    scan_graphs     draw what loops and branches contain, too
    print_output_file    say where the file is
    return_image         return the text even if it was written

    An edge has the number of the operand where there are several. Nothing but Python is needed:
    neither pydot nor graphviz. The other arguments are taken as Theano has them, and ignored.

    >>> import jitgrad.tensor as T
    >>> print(pydotprint(T.dscalar("x") + 1, format="dot"))
    digraph G {
      node [shape=box, style="filled,rounded", fontname="monospace"];
      n0 [label="add\\nf64", fillcolor="#e3f2fd", color="#1565c0"];
      n1 [label="x\\nf64", fillcolor="#c8e6c9", color="#2e7d32"];
      n2 [label="1", fillcolor="#eeeeee", color="#757575"];
      n3 [label="output 0", fillcolor="#bbdefb", color="#0d47a1"];
      n1 -> n0 [label="0"];
      n2 -> n0 [label="1"];
      n0 -> n3;
    }

    Raises `ValueError` for another format, `TypeError` for what has no graph.
    """
    name = os.fspath(outfile) if outfile is not None else ""
    ending = os.path.splitext(name)[1].lstrip(".").lower()
    kind = (format or ending or "svg").lower()
    if kind not in ("svg", "dot"):
        raise ValueError(f"pydotprint draws 'svg' and 'dot', not {kind!r}; graphviz makes other "
                         "formats of a 'dot' file")  # fmt: skip
    options = _Options(max(max_label_size, 8), with_ids, colorCodes or {})
    pictures = _pictures(roots_of(fct), options, scan_graphs, compact)
    text = to_dot(pictures, high_contrast) if kind == "dot" else to_svg(pictures, high_contrast)
    if not name:
        return text
    path = name if ending else f"{name}.{kind}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    if print_output_file:
        print("The output file is available at", path)
    return text if return_image else None


# -- what is drawn --------------------------------------------------------------------------------


def _pictures(
    roots: Sequence[Root], options: _Options, inner: bool, compact: bool
) -> list[Picture]:
    out = [_picture("", roots, (), options, compact)]
    todo = list(reachable([through(r.value) for r in roots]) if inner else ())
    seen: set[int] = set()
    while todo:
        op = todo.pop(0)
        if id(op) in seen or op.opdef.name == "kernel":
            continue
        seen.add(id(op))
        for k, block in enumerate(op.regions):
            what = ("else" if k else "then") if op.opdef.name == "cond" else "step"
            title = f"{what} of {op_label(op)}"
            inside = [Root(v) for v in block.results]
            out.append(_picture(title, inside, block.params, options, compact))
            todo += _ops(block)
    return out


def _ops(block: Block) -> Iterable[Op]:
    return [op for op in block.ops if op.regions]


def _picture(
    title: str, roots: Sequence[Root], params: Sequence[Value], options: _Options, compact: bool
) -> Picture:
    nodes: list[Node] = []
    edges: list[Edge] = []
    places: dict[int, int] = {}  # of a value without an op, or of an op, by id
    stops = {id(p) for p in params}

    def node(kind: str, *lines: str) -> int:
        cut = [line if len(line) <= options.most else line[: options.most - 1] + "…"
               for line in lines]  # fmt: skip
        color = next((c for part, c in options.colors.items() if part in lines[0]), "")
        nodes.append(Node(kind, cut, color))
        return len(nodes) - 1

    ends = [through(r.value, stops) for r in roots]
    ops = [op for op in reachable(ends, params) if op.opdef.name not in _HIDDEN]
    for k, op in enumerate(ops):
        label = op_label(op) + (f" id={k}" if options.ids else "")
        name = next((r.name for r in op.results if r.name), "")
        types = ", ".join([str(r.type) for r in op.results])
        kind = "control" if op.regions else "op"
        lines = [label, *([name] if name else []), *([types] if compact else [])]
        places[id(op)] = node(kind, *lines)

    def place(v: Value) -> int:
        known = v.op if v.op is not None and id(v) not in stops else None
        if known is not None and id(known) in places:
            return places[id(known)]
        if id(v) not in places:
            if known is not None:  # a constant
                places[id(v)] = node("constant", op_label(known))
            else:
                places[id(v)] = node("input", leaf(v), str(v.type))
        return places[id(v)]

    for op in ops:
        ins = operands(op, stops)
        for k, v in enumerate(ins):
            edges.append(Edge(place(v), places[id(op)], str(k) if len(ins) > 1 else ""))
    for k, (r, v) in enumerate(zip(roots, ends)):
        update = r.before.removesuffix(" ← ") if r.before.endswith(" ← ") else ""
        label = f"new {update}" if update else (r.value.name or f"output {k}")
        end = node("update" if update else "output", label)
        which = f".{v.index}" if v.op is not None and len(v.op.results) > 1 else ""
        edges.append(Edge(place(v), end, which))
    return Picture(title, nodes, edges)


# -- DOT ------------------------------------------------------------------------------------------


def to_dot(pictures: Sequence[Picture], filled: bool) -> str:
    """The DOT text of pictures; all but the first are clusters."""
    style = "filled,rounded" if filled else "rounded"
    out = ["digraph G {", f'  node [shape=box, style="{style}", fontname="monospace"];']
    first = 0
    for k, p in enumerate(pictures):
        if k:
            out += [f"  subgraph cluster_{k} {{", f"  label={_quoted(p.title)};"]
        for i, n in enumerate(p.nodes):
            fill, border = (n.color, n.color) if n.color else _COLORS[n.kind]
            look = f'fillcolor="{fill}", color="{border}"' if filled else f'color="{border}"'
            out.append(f"  n{first + i} [label={_quoted(*n.lines)}, {look}];")
        for e in p.edges:
            label = f" [label={_quoted(e.label)}]" if e.label else ""
            out.append(f"  n{first + e.source} -> n{first + e.target}{label};")
        if k:
            out.append("  }")
        first += len(p.nodes)
    return "\n".join([*out, "}"])


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + "\\n".join(escaped) + '"'


# -- SVG ------------------------------------------------------------------------------------------

_BAD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # no character of XML
_SIZE, _WIDE, _LINE = 13, 7.85, 17  # of the letters: height, width, distance of lines
_PAD = 12


def to_svg(pictures: Sequence[Picture], filled: bool) -> str:
    """The SVG of pictures, one below the other."""
    body: list[str] = []
    width, top = 0.0, float(_PAD)
    for p in pictures:
        sizes = [(max(map(len, n.lines)) * _WIDE + 2 * _PAD, len(n.lines) * _LINE + _PAD)
                 for n in p.nodes]  # fmt: skip
        made = layout(sizes, p.edges)
        if p.title:
            body.append(_text(_PAD, top + _SIZE, p.title, "start", "bold"))
            top += 2 * _LINE
        body.append(f'<g transform="translate({_PAD} {top:g})">')
        body += _edges(p, made)
        body += _nodes(p, made, sizes, filled)
        body.append("</g>")
        width = max(width, made.width, len(p.title) * _WIDE)
        top += made.height + 2 * _PAD
    w, h = width + 2 * _PAD, top
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" '
            f'viewBox="0 0 {w:.0f} {h:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, '
            f'monospace" font-size="{_SIZE}">')  # fmt: skip
    arrow = ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
             'markerHeight="8" orient="auto"><path d="M0 0.5L8 4L0 7.5z" fill="#555"/></marker>'
             "</defs>")  # fmt: skip
    paper = f'<rect width="{w:.0f}" height="{h:.0f}" fill="white"/>'
    return "\n".join([head, arrow, paper, *body, "</svg>"]) + "\n"


def _edges(p: Picture, made: Layout) -> list[str]:
    out = []
    for e, points in zip(p.edges, made.paths):
        (x, y), *rest = points
        d = f"M{x:.1f} {y:.1f}"
        for x2, y2 in rest:
            bend = (y2 - y) / 2
            d += f"C{x:.1f} {y + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
            x, y = x2, y2
        out.append(f'<path d="{d}" fill="none" stroke="#555" marker-end="url(#arrow)"/>')
        if e.label:
            out.append(_text(x + 5, y - 7, e.label, "start", size=10))
    return out


def _nodes(
    p: Picture, made: Layout, sizes: Sequence[tuple[float, float]], filled: bool
) -> list[str]:
    out = []
    for n, (x, y), (w, h) in zip(p.nodes, made.centers, sizes):
        fill, border = (n.color, "#333" if filled else n.color) if n.color else _COLORS[n.kind]
        look = f'fill="{_escaped(fill if filled else "white")}" stroke="{_escaped(border)}"'
        round_ = 2 if n.kind in ("op", "control") else h / 2.5
        out.append(f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" '
                   f'height="{h:.1f}" rx="{round_:.1f}" {look}/>')  # fmt: skip
        first = y - (len(n.lines) - 1) * _LINE / 2 + _SIZE * 0.35
        for k, line in enumerate(n.lines):
            weight = "bold" if k == 0 and n.kind in ("op", "control") else ""
            out.append(_text(x, first + k * _LINE, line, "middle", weight))
    return out


def _text(x: float, y: float, text: str, anchor: str, weight: str = "", size: int = 0) -> str:
    more = (f' font-weight="{weight}"' if weight else "") + (f' font-size="{size}"' if size else "")
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more} fill="#111">'
            f"{_escaped(text)}</text>")  # fmt: skip


def _escaped(text: str) -> str:
    text = _BAD.sub("\ufffd", text).replace("&", "&amp;").replace("<", "&lt;")
    return text.replace(">", "&gt;").replace('"', "&quot;")
