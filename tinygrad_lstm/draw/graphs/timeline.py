"""The steps of unrolled loops: which vertex belongs to which step of which loop, and what goes from step to step.

Gates and layers are closed: one vertex each, as in the textbook's picture of a cell. Of many steps the first two and
the last stay, and one vertex stands for those between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tinygrad_lstm.draw.graphs.backward_half import forward_and_backward
from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.step_folding import BETWEEN, KEPT, Moment, StepFolding, TimeRow
from tinygrad_lstm.draw.graphs.step_places import StepPlaces, after_step, named_at, reached
from tinygrad_lstm.draw.graphs.vertices import Cluster, Edge, Vertex, around
from tinygrad_lstm.graph.tensor import Node, origin_of

__all__ = ["Timeline", "timeline", "told_apart"]

ELEMENTS: Final = -2
"""The key of the elements that these steps take."""


@dataclass
class Timeline:
    """The graph, folded, and what stands where in time.

    Attributes:
        at: the moments of vertices that belong to a step.
        entering: vertices that bring in one element of a sequence.
        carried: for edges from a step to the next, and into the first one, the number of what is carried.
        outside: vertices that stand in no step, by whether a step depends on them.
        said: what was folded.
        backward: the same for what computes gradients, and for what comes after them.
    """

    vertices: list[Vertex]
    edges: list[Edge]
    rows: list[TimeRow]
    at: dict[Vertex, Moment] = field(default_factory=dict)
    entering: set[Vertex] = field(default_factory=set)
    carried: dict[Edge, int] = field(default_factory=dict)
    outside: dict[Vertex, bool] = field(default_factory=dict)
    said: str = ""
    backward: "Timeline | None" = None

    def folded(self) -> Folded:
        """What is left to draw."""
        halves = [self] if self.backward is None else [self, self.backward]
        vertices = [v for half in halves for v in half.vertices]
        edges = [e for half in halves for e in half.edges]
        return Folded(vertices, edges, "; ".join(dict.fromkeys(half.said for half in halves if half.said)))


def timeline(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    places: StepPlaces,
    depth: int | None,
    limit: int,
    repeats: bool | None,
) -> Timeline | None:
    """The steps of loops.

    Args:
        places: the steps that vertices belong to.
        depth: how many levels of scopes are open; by default all but gates, layers, and scopes that hold no steps.
        limit: with more vertices than this the steps in the middle are folded; ``repeats`` folds them in any case
            (True) or never (False).

    Returns:
        None where there are no steps that can stand in rows: loops stand in loops, gradients are computed in a step of
        the forward pass, or something else stands between one loop and the next.
    """
    parts = forward_and_backward(vertices, edges, places)
    if parts is None:
        return None
    roles = {c.name: c.role for v in parts[0].vertices for c in around(v.cluster) if c.role is not None}
    sortings = [
        _Sorting(half, places, depth, None if half is parts[0] else roles) for half in parts if half is not None
    ]
    if not all(sorting.possible() for sorting in sortings):
        return None
    lines = [sorting.begun() for sorting in sortings]
    length = max(len(row.names) for line in lines for row in line.rows)
    shown = sum(sorting.shown() for sorting in sortings)
    fold = repeats is not False and length > KEPT + 2 and bool(repeats or shown > limit)
    if not all(sorting.sorted(length if fold else None) for sorting in sortings):
        return None
    for sorting in sortings:
        sorting.finish()
    if len(lines) > 1:
        lines[0].backward = lines[1]
    return lines[0]


class _Sorting(StepFolding):
    """The work of :func:`timeline` on one half, in the order of the methods."""

    def possible(self) -> bool:
        """Whether the steps can stand in rows."""
        scans = all(loop.op == "scan" and loop.attrs["length"] for loop in self.loops)
        return (
            bool(self.place) and scans and all(len(path) == len(steps) == 1 for path, _, steps in self.place.values())
        )

    def begun(self) -> Timeline:
        """The rows, with closed layers."""
        moments = self.moments
        for v, (path, node, (t,)) in self.place.items():
            moments[v] = Moment(self._row_of(path[-1]), t, self._key(node))
        self.carried = {e: k for e in self.edges if (k := self.places.carry(e)) is not None}
        first = {k: (loop.attrs["length"] - 1 if loop.attrs["reverse"] else 0) for k, loop in enumerate(self.loops)}
        for leaf, e in self.reader.items():
            target = moments.get(e.target)
            shared = sum(o.source is leaf for o in self.edges) > 1
            if target is not None and not shared and not (e in self.carried and target.at == first[target.row]):
                slot = e.reads[2] if e.reads is not None else 0
                moments[leaf] = Moment(target.row, target.at, self._key((target.key, slot)))
        standing = self.standing = self._summed()
        standing |= self._closed(moments)
        standing |= self._once(self.carried)
        cells = [self._cell_of(row, moments) for row in range(len(self.loops))]
        paths = [
            (*(s.name for s in (loop.scope.path if loop.scope is not None else ())), cell.name if cell else "")
            for loop, cell in zip(self.loops, cells, strict=True)
        ]
        rows = [self._row(*row) for row in zip(self.loops, cells, told_apart(paths), strict=True)]
        self.result = Timeline([], [], rows)
        closed = [box for box in dict.fromkeys(standing.values()) if box.closed]
        if closed:
            total = sum(box.count for box in closed)
            what = f"{'gradients of ' * self.back}gate{'s' * (self.back or len(closed) != 1)} and layers"
            self._say(f"{total:,} nodes in {len(closed):,} {what}")
        return self.result

    def _say(self, text: str) -> None:
        self.result.said = "; ".join([*([self.result.said] if self.result.said else []), text])

    def shown(self) -> int:
        """How many vertices are left."""
        return len({self.standing.get(v, v) for v in self.vertices})

    def sorted(self, length: int | None) -> bool:
        """Sort the graph by time; whether nothing stands between two loops.

        Args:
            length: of the longest loop, whose steps in the middle are folded; None where they are not.
        """
        if length is not None:
            middle: dict[int, Vertex] = {}
            self._between(self.moments, self.standing, self.result.rows, middle, length)
            between = sum(box.count for box in middle.values())
            self._say(f"{between:,} nodes in {length - KEPT - 1} steps")
        self._outside(self.moments, self.standing)
        self._build(self.result, self.moments, self.standing, self.carried)
        return self._sorted(self.result)

    def finish(self) -> None:
        """Change vertices and edges, which nobody else may see where they have no rows."""
        self._elements(self.result, self.moments)
        for v, moment in self.result.at.items():
            v.names = [] if v.kind == "symbol" else named_at(v.names, moment.at)
        for v, name in self.names.items():
            box = self.standing.get(v, v)
            if box is v:
                v.names.append(name)
            elif box.closed:
                box.notes.append(f"{name}: {v.label}")
                box.lent.append(name)

    def _cell_of(self, row: int, moments: Mapping[Vertex, Moment]) -> Cluster | None:
        """The cell whose steps a row shows."""
        chains = [(around(v.cluster), m.at) for v, m in moments.items() if m.row == row]
        outer = (c for chain, at in chains for c in chain[after_step(chain, at) :][:1])
        return next((c for c in outer if self._role(c) == "cell"), None)

    def _row(self, loop: Node, cell: Cluster | None, called: str) -> TimeRow:
        number = self._row_of(loop)
        several = len(self.loops) > 1 and cell is not None
        names = [f"{called}, step {t}" if several else f"step {t}" for t in range(loop.attrs["length"])]
        if self.back:
            names = [f"gradient of {name}" for name in names]
        carries = _carry_names(loop)
        if number in self.bundled:
            carries[self.bundled[number]] = "Σ"
        role = cell.role if cell is not None and not self.back else None
        return TimeRow(loop, names, role, bool(loop.attrs["reverse"]), carries)

    def _build(
        self,
        result: Timeline,
        moments: dict[Vertex, Moment],
        standing: Mapping[Vertex, Vertex],
        carried: Mapping[Edge, int],
    ) -> None:
        """Vertices and edges after the folding."""
        kept: dict[tuple[Vertex, Vertex, int | None], Edge] = {}
        for e in self.edges:
            source, target = standing.get(e.source, e.source), standing.get(e.target, e.target)
            if source is target:
                continue
            carry = carried.get(e)
            a, b = moments.get(source), moments.get(target)
            if a is not None and b is not None and (a.row, a.at) == (b.row, b.at):
                carry = None
            if source is e.source and target is e.target:
                made = e
                result.edges.append(e)
            else:
                key = (source, target, carry)
                if key not in kept:
                    kept[key] = Edge(source, target, e.type, "", mark=e.mark if target is e.target else "")
                    result.edges.append(kept[key])
                made = kept[key]
                if made.mark and e.mark and made.mark != e.mark:
                    made.mark = f"{made.mark.partition('…')[0]}…{e.mark}"
                made.flow = e.flow if made.flow is None else max(made.flow, e.flow or 0.0)
                made.range = None
            if carry is not None:
                result.carried[made] = carry
        shown = dict.fromkeys(standing.get(v, v) for v in self.vertices)
        result.vertices = list(shown)
        result.at = {v: moments[v] for v in shown if v in moments}
        result.entering = {v for v in result.at if self.places.enters(v)}

    def _elements(self, result: Timeline, moments: dict[Vertex, Moment]) -> None:
        """Draw a sequence that every step takes its own element of as its elements."""
        for symbol in [v for v in result.vertices if v.kind == "symbol" and v not in moments]:
            readers = [e for e in result.edges if e.source is symbol]
            if not readers or not all(self.places.enters(e.target) or _is_between(moments, e.target) for e in readers):
                continue
            for e in readers:
                if self.places.enters(e.target):
                    e.target.kind, e.target.label = "symbol", f"{symbol.label}{e.target.label}"
                    result.edges.remove(e)
                else:
                    moment = moments[e.target]
                    last = KEPT + e.target.times - 1
                    e.source = Vertex("symbol", f"{symbol.label}[{KEPT}] … {symbol.label}[{last}]", None)
                    result.at[e.source] = Moment(moment.row, moment.at, ELEMENTS)
                    result.entering.add(e.source)
                    result.vertices.append(e.source)
            result.vertices.remove(symbol)
            result.outside.pop(symbol, None)

    def _sorted(self, result: Timeline) -> bool:
        """Tell what comes before the steps from what comes after; whether each edge has a way."""
        after: dict[Vertex, list[Vertex]] = {}
        before: dict[Vertex, list[Vertex]] = {}
        for e in result.edges:
            after.setdefault(e.source, []).append(e.target)
            before.setdefault(e.target, []).append(e.source)
        behind = reached(list(result.at), after)
        ahead = reached(list(result.at), before)
        if any(v in behind and v in ahead for v in result.vertices if v not in result.at):
            return False
        # What needs no step, and no step needs, stands with what it is connected to on the left, else on the right.
        free = {v for v in result.vertices if v not in result.at and v not in behind}
        around_free = {v: [o for o in (*after.get(v, ()), *before.get(v, ())) if o in free] for v in free}
        left = (ahead & free) | reached(list(ahead & free), around_free)
        result.outside.update((v, v in left) for v in result.vertices if v not in result.at)
        return all(_passable(e, result) for e in result.edges) and not _circular(result)


def told_apart(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The last name of each path, with those before it that tell it from the others; where none do, with a number.

    >>> told_apart([("LSTM", "cells.0"), ("LSTM", "cells.1")])
    ['cells.0', 'cells.1']
    >>> told_apart([("layers.0", "cells.0"), ("layers.1", "cells.0")])
    ['layers.0.cells.0', 'layers.1.cells.0']
    >>> told_apart([("LSTM", "cells.0"), ("LSTM", "cells.0")])
    ['cells.0 (1)', 'cells.0 (2)']
    """
    names = []
    for k, path in enumerate(paths):
        sizes = (n for n in range(1, len(path)) if len({p for p in paths if p[-n:] == path[-n:]}) == 1)
        name = ".".join(path[-next(sizes, len(path)) :])
        names.append(f"{name} ({paths[:k].count(path) + 1})" if paths.count(path) > 1 else name)
    return names


def _carry_names(loop: Node) -> list[str]:
    """What a loop carries, by its textbook's name: ``C``; ``∂C`` for the gradient of that."""
    body = loop.attrs["body"]
    given = {n.inputs[0]: n.attrs["name"] for n in body.nodes() if n.op == "named"}
    states = body.inputs[: loop.attrs["carries"]]
    names = [given.get(s, s.attrs["name"].removeprefix("carry")).removesuffix("_{t-1}") for s in states]
    forward = origin_of(loop)
    if forward is None or forward.op != "scan":
        return names
    said = forward.attrs["body"].inputs[: forward.attrs["carries"]]
    known = {f"d {s.attrs['name']}": f"∂{name}" for s, name in zip(said, _carry_names(forward), strict=True)}
    return [known.get(name, name) for name in names]


def _is_between(moments: Mapping[Vertex, Moment], v: Vertex) -> bool:
    return v in moments and moments[v].key == BETWEEN


def _circular(result: Timeline) -> bool:
    """Whether something comes before another at one step and after it at the next: they have no place for all steps."""
    after: dict[tuple[int, int], set[tuple[int, int]]] = {}
    counts: dict[tuple[int, int], int] = {}
    for e in result.edges:
        a, b = result.at.get(e.source), result.at.get(e.target)
        if a is not None and b is not None and (a.row, a.at) == (b.row, b.at):
            source, target = (a.row, a.key), (b.row, b.key)
            if target not in after.setdefault(source, set()):
                after[source].add(target)
                counts[target] = counts.get(target, 0) + 1
    pending = [key for key in after if not counts.get(key)]
    while pending:
        for target in after.get(pending.pop(), ()):
            counts[target] -= 1
            if not counts[target]:
                pending.append(target)
    return any(counts.values())


def _passable(e: Edge, result: Timeline) -> bool:
    """Whether an edge stays in a step, goes to the next one or to the loop above, or in or out."""
    a, b = result.at.get(e.source), result.at.get(e.target)
    if a is None or b is None:
        return True
    if a.row != b.row:
        return b.row == a.row + 1 and a.at == b.at and e not in result.carried
    row = result.rows[a.row]
    times = sorted({m.at for m in result.at.values() if m.row == a.row}, reverse=row.reverse)
    gap = times.index(b.at) - times.index(a.at)
    return gap == 0 or (gap == 1 and e in result.carried)
