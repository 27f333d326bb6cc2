"""Functions that a reader knows by name, such as softmax: one vertex each, drawn like an operation."""

import heapq
from collections.abc import Iterable, Mapping, Sequence

from tinygrad_lstm.draw.graphs.repeats import between_circles
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around, computes_gradient

__all__ = ["close_functions"]

_GIVEN = ("parameter", "state", "leaf")
_ROLES = ("weight", "bias")
"""Parameters whose names say what a function does with them."""
Piece = tuple[Cluster, int]
"""A function, and how often the way of computation had left it before."""


def close_functions(
    vertices: Sequence[Vertex], edges: Sequence[Edge], depth: int | None
) -> tuple[list[Vertex], list[Edge]]:
    """The graph with one vertex for each function, and one for what computes its gradient.

    A function of a single operation is that operation, but what computes its gradient is one vertex always. What is all
    of the forward pass is not closed: who draws ``softmax(x)`` wants to see it.

    Args:
        depth: functions in so many levels of scopes stay open.
    """
    of = _functions(vertices, depth)
    pieces = _convex({v: (cluster, 0) for v, cluster in of.items()}, vertices, edges)
    members: dict[Piece, list[Vertex]] = {}
    for v in vertices:
        if v in pieces:
            members.setdefault(pieces[v], []).append(v)
    read_outside = {e.source for e in edges if pieces.get(e.source) != pieces.get(e.target)}
    standing: dict[Vertex, Vertex] = {}
    for (cluster, left), group in members.items():
        operations = [v for v in group if v.kind != "constant"]
        if len(operations) > 1 or (operations and not left and operations[0].origin in standing):
            standing.update(dict.fromkeys(group, _box(cluster, operations, read_outside)))
    if not standing:
        return list(vertices), list(edges)
    standing |= _given_once(edges, standing)
    shown = list(dict.fromkeys(standing.get(v, v) for v in vertices))
    for v in vertices:
        if v.origin is not None:
            v.origin = standing.get(v.origin, v.origin)
    for inner, box in standing.items():
        if box.part and box.origin is None and inner.origin is not None and inner.origin.part:
            box.origin = inner.origin
    found = _edges(edges, standing)
    return _in_order(shown, found), found


def _functions(vertices: Iterable[Vertex], depth: int | None) -> dict[Vertex, Cluster]:
    """For each vertex in a function that is to be closed, the outermost such function around it."""
    whole: set[str] = set()
    while True:
        of = {}
        forward = set()
        for v in vertices:
            inside = [c for c in around(v.cluster) if c.function and (depth is None or c.level > depth)]
            while inside and inside[0].name in whole:
                del inside[0]
            if inside:
                of[v] = inside[0]
            if v.kind not in (*LEAVES, "symbol", "output") and not v.gradient:
                forward.add(of.get(v))
        (only,) = forward if len(forward) == 1 else (None,)
        if depth is not None or only is None:
            return of
        whole.add(only.name)


def _convex(pieces: dict[Vertex, Piece], vertices: Sequence[Vertex], edges: Sequence[Edge]) -> dict[Vertex, Piece]:
    """``pieces``, those cut in two that the way of computation leaves and comes back to, as for a sum of gradients."""
    if not (circles := _on_circles(pieces, edges)):
        return pieces
    wanted = {v: piece[0] for v, piece in pieces.items() if piece in circles}
    before: dict[Vertex, list[Vertex]] = {}
    for e in edges:
        if not e.back:
            before.setdefault(e.target, []).append(e.source)
    times: dict[Vertex, dict[Cluster, int]] = {}
    found = dict(pieces)
    for v in _in_order(vertices, edges):
        own = wanted.get(v)
        reached: dict[Cluster, int] = {} if own is None else {own: 0}
        for u in before.get(v, ()):
            for cluster, n in times[u].items():
                left = cluster is own and wanted.get(u) is not own
                reached[cluster] = max(reached.get(cluster, 0), n + left)
        times[v] = reached
        if own is not None:
            found[v] = (own, reached[own])
    circles = _on_circles(found, edges)
    return {v: piece for v, piece in found.items() if piece not in circles}


def _on_circles(pieces: Mapping[Vertex, Piece], edges: Iterable[Edge]) -> set[Piece]:
    after: dict[Vertex | Piece, set[Vertex | Piece]] = {}
    for e in edges:
        source, target = pieces.get(e.source, e.source), pieces.get(e.target, e.target)
        if source != target and not e.back:
            after.setdefault(source, set()).add(target)
    return {piece for piece in between_circles(after) if isinstance(piece, tuple)}


def _box(cluster: Cluster, operations: Sequence[Vertex], read_outside: set[Vertex]) -> Vertex:
    """One vertex for the operations of a function: its value is that of the last one that others read."""
    result = next((v for v in reversed(operations) if v in read_outside), operations[-1])
    box = Vertex("op", cluster.name, cluster.parent, list(result.names), result.type, result.node, result.path)
    if all(v.kind == "pointwise" for v in operations):
        box.kind = "pointwise"
    box.gradient = computes_gradient(operations)
    if box.gradient:
        box.label = f"gradient of {cluster.name}"
    elif cluster.note:
        box.notes.append(cluster.note)
    box.part, box.count = True, sum(v.count for v in operations)
    return box


def _given_once(edges: Iterable[Edge], standing: Mapping[Vertex, Vertex]) -> dict[Vertex, Vertex]:
    """What a function is called with is drawn once beside it, however often it reads it."""
    first: dict[tuple[Vertex, int], Vertex] = {}
    found = {}
    for e in edges:
        box = standing.get(e.target)
        if box is not None and e.source.kind in _GIVEN and e.source not in standing and e.source.node is not None:
            leaf = first.setdefault((box, id(e.source.node)), e.source)
            if leaf is not e.source:
                found[e.source] = leaf
    return found


def _edges(edges: Iterable[Edge], standing: Mapping[Vertex, Vertex]) -> list[Edge]:
    """The edges between what is shown: one into a function for each thing that it reads, in the order of reading."""
    found: list[Edge] = []
    into: dict[tuple[Vertex, Vertex], Edge] = {}
    entering: dict[Vertex, list[Edge]] = {}
    for e in edges:
        source, target = standing.get(e.source, e.source), standing.get(e.target, e.target)
        if source is target and (e.source in standing or e.target in standing):
            continue
        if source is e.source and target is e.target:
            found.append(e)
        elif target is e.target or not target.part:
            found.append(Edge(source, target, e.type, e.note, e.back, e.reads, e.mark))
        elif (source, target) not in into:
            into[source, target] = made = Edge(source, target, e.type, e.note, e.back, e.reads)
            found.append(made)
            entering.setdefault(target, []).append(made)
    for box, given in entering.items():
        named = [e for e in given if e.source.label.rpartition(".")[2] not in _ROLES]
        types = [str(e.source.type) for e in named]
        if not box.gradient and len(set(types)) < len(types):
            for number, e in enumerate(named, 1):
                e.mark = str(number)
    return found


def _in_order(vertices: Sequence[Vertex], edges: Iterable[Edge]) -> list[Vertex]:
    """The vertices so that each comes after those that it reads, otherwise as they come."""
    place = {v: k for k, v in enumerate(vertices)}
    after: dict[Vertex, list[Vertex]] = {}
    waiting = dict.fromkeys(vertices, 0)
    for e in edges:
        if not e.back:
            after.setdefault(e.source, []).append(e.target)
            waiting[e.target] += 1
    ready = [place[v] for v, count in waiting.items() if not count]
    heapq.heapify(ready)
    found = []
    while ready:
        v = vertices[heapq.heappop(ready)]
        found.append(v)
        for target in after.get(v, ()):
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, place[target])
    return [*found, *(v for v, count in waiting.items() if count)]
