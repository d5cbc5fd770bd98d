"""A layered drawing of a directed graph: what gives stands above what takes.

Layers by longest paths; the order within a layer by repeatedly sorting by the mean place of the
neighbours (Sugiyama, Tagawa and Toda 1981), with invisible nodes where an edge passes a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GAP_X, GAP_Y = 24.0, 46.0
_SWEEPS, _MANY = 8, 40_000
Point = tuple[float, float]


class Node(NamedTuple):
    """A box: what kind it is, its lines of text, a colour other than its kind's ("" for none)."""

    kind: str
    lines: list[str]
    color: str = ""


class Edge(NamedTuple):
    """An arrow between nodes, by their numbers."""

    source: int
    target: int
    label: str = ""


class Layout(NamedTuple):
    """Centres of the nodes, points of the edges, from box to box; and the size of it all."""

    centers: list[Point]
    paths: list[list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[Point], edges: Sequence[Edge]) -> Layout:
    """Places for boxes of these sizes. Edges must have no cycle.

    >>> made = layout([(40, 20), (40, 20)], [Edge(0, 1)])
    >>> made.centers, made.paths
    ([(20.0, 10.0), (20.0, 76.0)], [[(20.0, 20.0), (20.0, 66.0)]])
    """
    level = _levels(len(sizes), edges)
    widths = [w for w, _ in sizes]
    links: list[tuple[int, int]] = []  # between neighbouring layers
    chains: dict[tuple[int, int], int] = {}  # the invisible node of a source on a layer
    routes: list[list[int]] = []
    long = sum(max(level[e.target] - level[e.source] - 1, 0) for e in edges)
    for e in edges:
        route = [e.source]
        for k in range(level[e.source] + 1, level[e.target] if long <= _MANY else 0):
            key = e.source, k
            if key not in chains:
                chains[key] = len(widths)
                widths.append(2.0)
                level.append(k)
                links.append((route[-1], chains[key]))
            route.append(chains[key])
        links.append((route[-1], e.target))
        routes.append([*route, e.target])
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for v in _visited(len(widths), links):
        rows[level[v]].append(v)
    before: list[list[int]] = [[] for _ in widths]
    after: list[list[int]] = [[] for _ in widths]
    for a, b in links:
        after[a].append(b)
        before[b].append(a)
    _order(rows, before, after)
    xs = _columns(rows, before, after, widths)
    heights = [max([sizes[v][1] for v in row if v < len(sizes)], default=0.0) for row in rows]
    tops = [0.0]
    for h in heights:
        tops.append(tops[-1] + h + GAP_Y)
    centers = [(xs[v], tops[level[v]] + heights[level[v]] / 2) for v in range(len(widths))]
    paths = []
    for route, enters in zip(routes, _entries(routes, xs, widths)):
        a, b = route[0], route[-1]
        points = [(centers[a][0], centers[a][1] + sizes[a][1] / 2)]
        points += [centers[v] for v in route[1:-1]]
        points.append((enters, centers[b][1] - sizes[b][1] / 2))
        paths.append(points)
    width = max([x + w / 2 for x, w in zip(xs, widths)], default=0.0)
    return Layout(centers[: len(sizes)], paths, width, max(tops[-1] - GAP_Y, 0.0))


def _entries(routes: Sequence[Sequence[int]], xs: Sequence[float], widths: Sequence[float]
             ) -> list[float]:  # fmt: skip
    """Where each edge meets the upper side of its target: side by side, in the order in which they
    come from the left."""
    into: dict[int, list[int]] = {}
    for k, route in enumerate(routes):
        into.setdefault(route[-1], []).append(k)
    out = [0.0] * len(routes)
    for target, ks in into.items():
        ks.sort(key=lambda k: xs[routes[k][-2]])
        room = min(max(widths[target] - 24, 0.0), 30.0 * (len(ks) - 1))
        for i, k in enumerate(ks):
            part = i / (len(ks) - 1) - 0.5 if len(ks) > 1 else 0.0
            out[k] = xs[target] + part * room
    return out


def _levels(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each node; what nothing leads to stands just above its first user."""
    users: list[list[int]] = [[] for _ in range(count)]
    open_ = [0] * count
    for e in edges:
        users[e.source].append(e.target)
        open_[e.target] += 1
    level = [0] * count
    ready = [v for v in range(count) if not open_[v]]
    sources = list(ready)
    while ready:
        v = ready.pop()
        for u in users[v]:
            level[u] = max(level[u], level[v] + 1)
            open_[u] -= 1
            if not open_[u]:
                ready.append(u)
    for v in sources:
        if users[v]:
            level[v] = min(level[u] for u in users[v]) - 1
    return level


def _visited(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """Nodes in the order in which a walk up from the ends meets them, left operands first."""
    before: list[list[int]] = [[] for _ in range(count)]
    ends = [True] * count
    for a, b in links:
        before[b].append(a)
        ends[a] = False
    seen: dict[int, None] = {}
    stack = [v for v in range(count) if ends[v]][::-1]
    while stack:
        v = stack.pop()
        if v not in seen:
            seen[v] = None
            stack += before[v][::-1]
    return list(seen)


def _order(rows: list[list[int]], before: list[list[int]], after: list[list[int]]) -> None:
    place = {v: i for row in rows for i, v in enumerate(row)}
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            means = {
                v: sum(place[u] for u in near[v]) / len(near[v]) if near[v] else place[v]
                for v in row
            }
            row.sort(key=means.__getitem__)
            for i, v in enumerate(row):
                place[v] = i


def _columns(rows: list[list[int]], before: list[list[int]], after: list[list[int]],
             widths: Sequence[float]) -> list[float]:  # fmt: skip
    """Centres: near the mean of the neighbours', in the order of each row."""
    xs = [0.0] * len(widths)
    for row in rows:
        x = 0.0
        for v in row:
            xs[v] = x + widths[v] / 2
            x += widths[v] + GAP_X
    for sweep in range(2 * _SWEEPS):
        near = before if sweep % 2 == 0 else after
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wish = [sum(xs[u] for u in near[v]) / len(near[v]) if near[v] else xs[v] for v in row]
            left, right = list(wish), list(wish)
            for i in range(1, len(row)):
                apart = (widths[row[i - 1]] + widths[row[i]]) / 2 + GAP_X
                left[i] = max(wish[i], left[i - 1] + apart)
            for i in range(len(row) - 2, -1, -1):
                apart = (widths[row[i]] + widths[row[i + 1]]) / 2 + GAP_X
                right[i] = min(wish[i], right[i + 1] - apart)
            for i, v in enumerate(row):
                xs[v] = (left[i] + right[i]) / 2
    least = min([x - w / 2 for x, w in zip(xs, widths)], default=0.0)
    return [x - least for x in xs]
