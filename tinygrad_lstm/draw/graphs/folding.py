"""Large graphs made small enough to look at: scopes, runs and stretches of nodes become one vertex each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinygrad_lstm.draw.graphs.alike import alike_scopes
from tinygrad_lstm.draw.graphs.repeats import LEAST, repeated_blocks
from tinygrad_lstm.draw.graphs.vertices import (
    LEAVES,
    TO_THE_NEXT_STEP,
    Cluster,
    Edge,
    Vertex,
    around,
    computes_gradient,
)
from tinygrad_lstm.graph.tensor import Node

__all__ = ["Folded", "fold_graph"]

KEPT = 2
"""How many vertices of a folded run stay visible at either end."""
STRETCHES = 60
READABLE = 150
"""A graph that has to be folded is folded to so many vertices, which are few enough for labels on edges."""
MONOTONOUS = 12
"""Of more vertices than the readable ones, runs of so many alike are folded in any case."""
MANY = 12
"""With more results than these, those of one origin are shown as one."""
ALIKE = 4
"""So many results of one origin are."""
READERS = 6
"""The parameters that so many scopes share are drawn once."""
FEW = 4
"""A stretch of so many different operations is called by them."""
SHOWN = ("pointwise", "op", "view", "loop", "folded")
"""Kinds whose labels say what is done; those of others are names of values."""
BACKWARD = "gradient"
"""The scope of the backward pass."""
PERIOD = 6
"""A run of at most so many operations again and again is told as such."""


@dataclass(frozen=True)
class Folded:
    """What is left to draw, a sentence on what was folded, and whether stretches of the order had to be cut."""

    vertices: list[Vertex]
    edges: list[Edge]
    said: str
    cut: bool = False


def fold_graph(
    vertices: list[Vertex], edges: list[Edge], depth: int | None, limit: int, repeats: bool | None = None
) -> Folded:
    """Fold repeated blocks, then scopes, then runs, then stretches, where there are more than ``limit`` vertices.

    Each is folded only as long as more than the ``READABLE`` ones are left.

    Args:
        depth: how many levels of scopes to open in any case.
        repeats: whether to fold repeated blocks in any case, or never.
    """
    said = []
    results = sum(v.kind == "output" for v in vertices)
    if results > MANY and depth is None:
        # As of a step of training, which changes all parameters: what leads to them is shown in large, unless
        # scopes are asked for.
        limit = min(limit, results + MANY)
    if results > MANY and depth and repeats is not False:
        vertices, edges, text = _fold_alike(vertices, edges)
        said.append(text)
    if len(vertices) > min(limit, READABLE) and repeats is None:
        # What fits may still be a hundred times the same.
        for fold in (_fold_repeats, _fold_runs):
            vertices, edges, text = fold(vertices, edges, MONOTONOUS)
            said.append(text)
    if len(vertices) > limit:
        repeats = repeats is not False
        limit = min(limit, READABLE)
    if repeats:
        vertices, edges, text = _fold_repeats(vertices, edges)
        said.append(text)
    levels = max([v.cluster.level for v in vertices if v.cluster is not None], default=0)
    if depth is None:
        depth = next((d for d in range(levels, -1, -1) if _visible(vertices, d) <= limit), 0)
    if depth < levels:
        vertices, edges, text = _fold_scopes(vertices, edges, depth)
        said.append(text)
    if len(vertices) > limit:
        vertices, edges, text = _fold_runs(vertices, edges)
        said.append(text)
    if results > MANY:
        vertices, edges, text = _fold_parallel(vertices, edges)
        said.append(text)
    cut = len(vertices) > limit
    if cut:
        vertices, edges, text = _fold_stretches(vertices, edges, min(limit, STRETCHES))
        said.append(text)
    return Folded(vertices, edges, "; ".join(text for text in said if text), cut)


def _fold_repeats(
    vertices: list[Vertex], edges: list[Edge], least: int = LEAST
) -> tuple[list[Vertex], list[Edge], str]:
    standing = repeated_blocks(vertices, edges, least)
    boxes = dict.fromkeys(standing.values())
    text = "; ".join(f"{_count(b.count, 'node')} in {b.times} repetitions, {b.label}, {b.notes[0]}" for b in boxes)
    return *_replaced(vertices, edges, standing), text


def _fold_alike(vertices: list[Vertex], edges: list[Edge]) -> tuple[list[Vertex], list[Edge], str]:
    standing = alike_scopes(vertices, edges)
    boxes = dict.fromkeys(standing.values())
    text = "; ".join(f"{_count(box.count, 'node')} in {box.label}" for box in boxes)
    return *_replaced(vertices, edges, standing), text


def _at_level(cluster: Cluster | None, level: int) -> Cluster | None:
    """The ancestor of ``cluster`` on ``level``, or itself when it lies above."""
    while cluster is not None and cluster.level > level:
        cluster = cluster.parent
    return cluster


def _visible(vertices: list[Vertex], depth: int) -> int:
    shown = 0
    closed = set()
    for v in vertices:
        if v.cluster is None or v.cluster.level <= depth:
            shown += 1
        else:
            closed.add(_at_level(v.cluster, depth + 1))
    return shown + len(closed)


def _fold_scopes(vertices: list[Vertex], edges: list[Edge], depth: int) -> tuple[list[Vertex], list[Edge], str]:
    standing: dict[Vertex, Vertex] = {}
    made: dict[Cluster, Vertex] = {}
    inside: dict[Vertex, list[Vertex]] = {}
    shared = _shared_parameters(vertices) if depth == 0 else {}
    for v in vertices:
        if v.cluster is None or v.cluster.level <= depth or v in shared:
            continue
        closed = _at_level(v.cluster, depth + 1)
        assert closed is not None
        if closed not in made:
            name = closed.name.removesuffix(TO_THE_NEXT_STEP)
            made[closed] = Vertex("folded", name, closed.parent, role=closed.role, count=0)
        made[closed].count += v.count
        inside.setdefault(made[closed], []).append(v)
        standing[v] = made[closed]
    for box, members in inside.items():
        # Values of the forward pass may be kept for the backward pass alone: that makes no gradient of the rest.
        box.gradient = computes_gradient(members)
    text = f"{_count(sum(v.count for v in standing), 'node')} in {_count(len(made), 'scope')}" if made else ""
    if shared:
        text += f", {len(shared):,} of parameters in 1 vertex"
    return *_replaced(vertices, edges, {**standing, **shared}), text


def _shared_parameters(vertices: list[Vertex]) -> dict[Vertex, Vertex]:
    """For each parameter in a scope that another reads too, as the model and its optimiser do: the vertex of them all.

    None where more scopes read them than anybody could follow lines to. The steps of a loop that is written out share
    theirs as a matter of course; they have one name.
    """
    readers: dict[Node, set[Cluster]] = {}
    for v in vertices:
        outermost = _at_level(v.cluster, 1)
        if v.kind == "parameter" and outermost is not None and v.node is not None:
            readers.setdefault(v.node, set()).add(outermost)
    read = {node for node, scopes in readers.items() if len({c.name.rstrip("0123456789") for c in scopes}) > 1}
    if len(read) < 2 or len(set().union(*(readers[node] for node in read))) > READERS:
        return {}
    members = [v for v in vertices if v.node in read and v.cluster is not None]
    labels = list(dict.fromkeys(v.label for v in members))
    notes = [labels[0], *["…"] * (len(labels) > 2), labels[-1]]
    box = Vertex("parameter", f"{len(read)} parameters", None, notes=notes, count=len(members))
    return dict.fromkeys(members, box)


def _fold_runs(vertices: list[Vertex], edges: list[Edge], least: int = LEAST) -> tuple[list[Vertex], list[Edge], str]:
    """Fold the middle of each run of vertices with one operand and one reader; their leaves go with them.

    Args:
        least: how long the middle is at least.
    """
    before: dict[Vertex, list[Vertex]] = {}
    after: dict[Vertex, list[Vertex]] = {}
    leaves: dict[Vertex, list[Vertex]] = {}
    for e in edges:
        if e.source.kind in LEAVES:
            leaves.setdefault(e.target, []).append(e.source)
        elif not e.back:
            before.setdefault(e.target, []).append(e.source)
            after.setdefault(e.source, []).append(e.target)

    def continues(v: Vertex) -> bool:
        previous = before.get(v, [])
        # A square reads one vertex twice, and still is one step of a run.
        if len(set(previous)) != 1 or len(set(after.get(previous[0], []))) != 1:
            return False
        return v.kind != "output" and previous[0].cluster is v.cluster

    standing: dict[Vertex, Vertex] = {}
    runs: dict[Vertex, list[Vertex]] = {}
    for v in vertices:
        if v.kind in LEAVES:
            continue
        run = runs.pop(before[v][0], []) if continues(v) else []
        run.append(v)
        runs[v] = run
    folded = 0
    for run in runs.values():
        middle = run[KEPT:-KEPT]
        if len(middle) >= least:
            folded += 1
            words, times = _summed_up([v.label for v in middle])
            box = Vertex("folded", words, middle[0].cluster, gradient=computes_gradient(middle), count=0)
            box.times = times
            for v in middle:
                for inner in (v, *leaves.get(v, [])):
                    standing[inner] = box
                    box.count += inner.count
    text = f"{_count(sum(v.count for v in standing), 'node')} in {_count(folded, 'chain')}" if standing else ""
    return *_replaced(vertices, edges, standing), text


def _fold_parallel(vertices: list[Vertex], edges: list[Edge]) -> tuple[list[Vertex], list[Edge], str]:
    """What stands side by side between the same two vertices becomes one, and so do results that come from one."""
    before: dict[Vertex, list[Vertex]] = {}
    after: dict[Vertex, list[Vertex]] = {}
    for e in edges:
        before.setdefault(e.target, []).append(e.source)
        after.setdefault(e.source, []).append(e.target)
    groups: dict[tuple[Vertex, Vertex | None, str], list[Vertex]] = {}
    for v in vertices:
        if len(before.get(v, ())) == 1 and v.kind not in ("folded", "symbol", "loop"):
            ends = after.get(v, [])
            if v.kind == "output" or len(ends) == 1:
                label = "" if v.kind == "output" else v.label
                groups.setdefault((before[v][0], None if v.kind == "output" else ends[0], label), []).append(v)
    standing: dict[Vertex, Vertex] = {}
    for group in groups.values():
        if len(group) < ALIKE:
            continue
        first, last = group[0], group[-1]
        if first.kind == "output":
            kind = "gradients" if all(v.label.startswith("∂") for v in group) else "results"
            box = Vertex("output", f"{len(group)} {kind}", None, notes=[first.label, "…", last.label])
        else:
            box = Vertex(first.kind, first.label, first.cluster, times=len(group), gradient=first.gradient)
        box.count = len(group)
        standing.update(dict.fromkeys(group, box))
    boxes = _count(len(set(standing.values())), "vertex", "vertices")
    text = f"{len(standing):,} alike in {boxes}" if standing else ""
    return *_replaced(vertices, edges, standing), text


def _summed_up(labels: list[str]) -> tuple[str, int]:
    """What a run does, and how often where it is one short row again and again."""
    for period in range(1, PERIOD + 1):
        if len(labels) >= 2 * period and labels[period:] == labels[:-period]:
            return " ".join(labels[:period]), len(labels) // period
    return _listed(labels), 0


def _listed(labels: list[str]) -> str:
    different = list(dict.fromkeys(labels))
    return " ".join(different[:4]) + (" …" if len(different) > 4 else "")


def _fold_stretches(vertices: list[Vertex], edges: list[Edge], pieces: int) -> tuple[list[Vertex], list[Edge], str]:
    """Cut the order of computation into ``pieces`` of one length: no edge then leads backwards."""
    inner = [v for v in vertices if v.kind not in ("output", "symbol")]
    size = -(-len(inner) // max(1, pieces))
    standing = {}
    made = []
    for start in range(0, len(inner), size):
        part = inner[start : start + size]
        name, small = _named(part)
        # Of numbers alone only the scope says that a gradient needs them.
        gradient = computes_gradient(part) or name.startswith(f"{BACKWARD} of ")
        box = Vertex("folded", name, None, gradient=gradient, count=sum(v.count for v in part))
        box.notes += small
        made.append(box)
        standing.update(dict.fromkeys(part, made[-1]))
    text = f"{_count(sum(v.count for v in made), 'node')} in {_count(len(made), 'stretch', 'stretches')}"
    return *_replaced(vertices, edges, standing), text


def _named(part: Sequence[Vertex]) -> tuple[str, list[str]]:
    """What to call a stretch, and the small print: by the scope that most of it is in, else by its operations."""
    counted = [v for v in part if v.kind not in LEAVES] or part
    scopes: Counter[tuple[str, ...]] = Counter()
    for v in counted:
        path = tuple(c.name for c in around(v.cluster) if not c.loop)
        for level in range(len(path)):
            scopes[path[: level + 1]] += v.count
    most = [path for path, count in scopes.items() if 2 * count > sum(v.count for v in counted)]
    shown = [v.label for v in part if v.kind in SHOWN]
    words = _listed(shown)
    if not most:
        return words if len(set(shown)) <= FEW else f"{len(shown)} operations", []
    path = max(most, key=len)
    back = path[0] == BACKWARD and len(path) > 1
    return f"{BACKWARD} of {path[-1]}" if back else path[-1], [words] if words else []


def _replaced(
    vertices: list[Vertex], edges: list[Edge], standing: dict[Vertex, Vertex]
) -> tuple[list[Vertex], list[Edge]]:
    """Each vertex with its stand-in, at the place of the first; edges inside of one vanish, parallel ones merge."""
    shown = list(dict.fromkeys(standing.get(v, v) for v in vertices))
    kept: dict[tuple[Vertex, Vertex, str, bool], Edge] = {}
    for e in edges:
        source, target = standing.get(e.source, e.source), standing.get(e.target, e.target)
        if source is target and (e.source in standing or e.target in standing):
            continue
        if source is e.source and target is e.target:
            kept[source, target, str(id(e)), e.back] = e
            continue
        merged = kept.setdefault((source, target, "", e.back), Edge(source, target, e.type, e.note, e.back))
        if merged.type != e.type:
            merged.type = None
        if merged.note != e.note:
            merged.note = ""
        if e.flow is not None:
            merged.flow = max(e.flow, merged.flow or 0.0)
    return shown, list(kept.values())


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
