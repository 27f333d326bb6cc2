"""The steps of unrolled loops: which vertex belongs to which step of which loop, and what goes from step to step.

Gates and layers are closed: one vertex each, as in the textbook's picture of a cell. Of many steps the first two and
the last stay, and one vertex stands for those between.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tinygrad_lstm.draw.graphs.unrolling import Path, Stack, Unrolled
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around
from tinygrad_lstm.graph.tensor import Node

__all__ = ["BETWEEN", "Moment", "TimeRow", "Timeline", "timeline"]

KEPT: Final = 2
"""So many steps stay at the beginning where those between are folded, and one at the end."""
BETWEEN: Final = -1
"""The key of the vertex that stands for several steps."""
ELEMENTS: Final = -2
"""The key of the elements that these steps take."""


@dataclass(frozen=True)
class Moment:
    """Where a vertex stands: the number of the loop, the place in time, and the number of what it is in the body."""

    row: int
    at: int
    key: int


@dataclass
class TimeRow:
    """One loop: its steps from left to right.

    Attributes:
        names: what each step is called, in the order of time.
        role: of the cell.
        reverse: whether time runs from right to left in it.
        carries: the names of what it carries.
    """

    loop: Node
    names: list[str]
    role: str | None
    reverse: bool
    carries: list[str]


@dataclass
class Timeline:
    """The graph, folded, and what stands where in time.

    Attributes:
        at: the moments of vertices that belong to a step.
        entering: vertices that bring in one element of a sequence.
        carried: for edges from a step to the next, and into the first one, the number of what is carried.
        outside: vertices that stand in no step, by whether a step depends on them.
        said: what was folded.
    """

    vertices: list[Vertex]
    edges: list[Edge]
    rows: list[TimeRow]
    at: dict[Vertex, Moment] = field(default_factory=dict)
    entering: set[Vertex] = field(default_factory=set)
    carried: dict[Edge, int] = field(default_factory=dict)
    outside: dict[Vertex, bool] = field(default_factory=dict)
    said: str = ""


def timeline(
    vertices: Sequence[Vertex],
    edges: Sequence[Edge],
    unrolled: Unrolled,
    depth: int | None,
    limit: int,
    repeats: bool | None,
) -> Timeline | None:
    """The steps of the loops in ``unrolled``.

    Args:
        depth: how many levels of scopes are open; by default all but gates, layers, and scopes that hold no steps.
        limit: with more vertices than this the steps in the middle are folded; ``repeats`` folds them in any case
            (True) or never (False).

    Returns:
        None where there are no steps that can stand in rows: a gradient goes back through them, loops stand in loops,
        or something else stands between one loop and the next.
    """
    found = _Sorting(vertices, edges, unrolled, depth)
    return found.timeline(limit, repeats) if found.possible() else None


class _Sorting:
    """The work of :func:`timeline`."""

    def __init__(
        self, vertices: Sequence[Vertex], edges: Sequence[Edge], unrolled: Unrolled, depth: int | None
    ) -> None:
        self.depth = depth
        self.vertices, self.edges = list(vertices), list(edges)
        self.origin: dict[Node, tuple[Path, Node, tuple[int, ...]]] = {}
        entering: list[tuple[Node, tuple[Path, Node, tuple[int, ...]]]] = []
        for (path, node), copies in unrolled.copies.items():
            for steps, copy in copies.items():
                if steps and not isinstance(copy, Stack):
                    if node.op != "symbol":
                        self.origin.setdefault(copy, (path, node, steps))
                    elif _enters(path, node):
                        entering.append((copy, (path, node, steps)))
        for given, place in entering:
            # What enters a step came about elsewhere, unless it is a slice made for it.
            self.origin.setdefault(given, place)
        self.loops = list(dict.fromkeys(p[-1] for p, _, _ in self.origin.values()))
        self.numbers: dict[Hashable, int] = {}
        self.place = {v: found for v in self.vertices if v.node is not None and (found := self.origin.get(v.node))}
        self.reader: dict[Vertex, Edge] = {e.source: e for e in self.edges if e.source.kind in LEAVES}

    def _key(self, thing: Hashable) -> int:
        """A number for a thing, by which things can be compared: ``==`` of nodes is elementwise."""
        return self.numbers.setdefault(thing, len(self.numbers))

    def _row_of(self, loop: Node) -> int:
        return next(k for k, one in enumerate(self.loops) if one is loop)

    def possible(self) -> bool:
        """Whether the steps can stand in rows."""
        scans = all(loop.op == "scan" and loop.attrs["length"] for loop in self.loops)
        single = all(len(path) == len(steps) == 1 for path, _, steps in self.origin.values())
        return bool(self.place) and scans and single and not any(v.gradient for v in self.vertices)

    def carry(self, e: Edge) -> int | None:
        """The number of what is carried over an edge, as its reader sees it."""
        if e.reads is None or (found := self.origin.get(e.reads[1])) is None:
            return None
        path, node, _ = found
        body, count = path[-1].attrs["body"], path[-1].attrs["carries"]
        read = node.inputs[e.reads[2]] if e.reads[2] < len(node.inputs) else None
        while read is not None and read.op == "named":
            read = read.inputs[0]
        return next((k for k, symbol in enumerate(body.inputs[:count]) if symbol is read), None)

    def timeline(self, limit: int, repeats: bool | None) -> Timeline | None:
        """The graph with closed layers, sorted by time; None where something stands between two loops."""
        moments: dict[Vertex, Moment] = {}
        for v, (path, node, (t,)) in self.place.items():
            moments[v] = Moment(self._row_of(path[-1]), t, self._key(node))
        carried = {e: k for e in self.edges if (k := self.carry(e)) is not None}
        first = {k: (loop.attrs["length"] - 1 if loop.attrs["reverse"] else 0) for k, loop in enumerate(self.loops)}
        for leaf, e in self.reader.items():
            target = moments.get(e.target)
            shared = sum(o.source is leaf for o in self.edges) > 1
            if target is not None and not shared and not (e in carried and target.at == first[target.row]):
                slot = e.reads[2] if e.reads is not None else 0
                moments[leaf] = Moment(target.row, target.at, self._key((target.key, slot)))
        standing = self._closed(moments)
        standing |= self._once(carried)
        rows = [self._row(loop, moments) for loop in self.loops]
        result = Timeline([], [], rows)
        closed = [box for box in dict.fromkeys(standing.values()) if box.closed]
        if closed:
            total = sum(box.count for box in closed)
            result.said = f"{total:,} nodes in {len(closed):,} gate{'s' * (len(closed) != 1)} and layers"
        shown = len({standing.get(v, v) for v in self.vertices})
        length = max(len(row.names) for row in rows)
        middle: dict[int, Vertex] = {}
        if repeats is not False and length > KEPT + 2 and (repeats or shown > limit):
            self._between(moments, standing, rows, middle)
            between = sum(box.count for box in middle.values())
            result.said = "; ".join(
                [*([result.said] if result.said else []), f"{between:,} nodes in {length - KEPT - 1} steps"]
            )
        self._outside(moments, standing)
        self._build(result, moments, standing, carried)
        if not self._sorted(result):
            return None
        # From here on vertices and edges are changed, which nobody else may see where they have no rows.
        self._elements(result, moments)
        for v, moment in result.at.items():
            v.names = [] if v.kind == "symbol" else _named_at(v.names, moment.at)
        return result

    def _closed(self, moments: dict[Vertex, Moment]) -> dict[Vertex, Vertex]:
        """For vertices in a gate or layer of a step, what stands for it."""
        members: dict[Cluster, list[Vertex]] = {}
        for v, moment in moments.items():
            chain = around(v.cluster)
            inside = [c for c in chain[_after_step(chain, moment.at) :] if self._closes(c, c.role in ("gate", "layer"))]
            if inside:
                members.setdefault(inside[0], []).append(v)
        standing: dict[Vertex, Vertex] = {}
        for cluster, group in members.items():
            if sum(v.kind not in LEAVES for v in group) < 2 and len(group) < 3:
                continue
            inner = set(group)
            leaving = [e.source for e in self.edges if e.source in inner and e.target not in inner]
            last = leaving[-1] if leaving else group[-1]
            box = Vertex("folded", last.label, cluster.parent, list(last.names), last.type, last.node, last.path)
            box.role, box.closed, box.count = cluster.role, True, sum(v.count for v in group)
            box.notes = [cluster.name, *[n for n in last.notes if n != cluster.name]]
            box.heat = last.heat
            standing.update(dict.fromkeys(group, box))
            moments[box] = moments[last]
        return standing

    def _closes(self, cluster: Cluster, by_default: bool) -> bool:
        return by_default if self.depth is None else cluster.level > self.depth

    def _once(self, carried: Mapping[Edge, int]) -> dict[Vertex, Vertex]:
        """A number from which a loop begins is drawn once, however many read it."""
        first: dict[tuple[int, int, str], Vertex] = {}
        standing = {}
        for e, k in carried.items():
            if e.source.kind in LEAVES and e.target in self.place:
                row = self._row_of(self.place[e.target][0][-1])
                begins = first.setdefault((row, k, e.source.label), e.source)
                begins.cluster = None
                if begins is not e.source:
                    standing[e.source] = begins
        return standing

    def _row(self, loop: Node, moments: Mapping[Vertex, Moment]) -> TimeRow:
        number = self._row_of(loop)
        length, body = loop.attrs["length"], loop.attrs["body"]
        chains = [(around(v.cluster), m.at) for v, m in moments.items() if m.row == number]
        cells = [c for chain, at in chains for c in chain[_after_step(chain, at) :][:1] if c.role == "cell"]
        several = len(self.loops) > 1 and bool(cells)
        names = [f"{cells[0].name}, step {t}" if several else f"step {t}" for t in range(length)]
        given = {n.inputs[0]: n.attrs["name"] for n in body.nodes() if n.op == "named"}
        states = body.inputs[: loop.attrs["carries"]]
        carries = [given.get(s, s.attrs["name"].removeprefix("carry")).removesuffix("_{t-1}") for s in states]
        return TimeRow(loop, names, cells[0].role if cells else None, bool(loop.attrs["reverse"]), carries)

    def _between(
        self,
        moments: dict[Vertex, Moment],
        standing: dict[Vertex, Vertex],
        rows: list[TimeRow],
        middle: dict[int, Vertex],
    ) -> None:
        """Fold the steps in the middle of each row."""
        length = max(len(row.names) for row in rows)
        for v, m in list(moments.items()):
            last = len(rows[m.row].names) - 1
            if KEPT <= m.at < last and len(rows[m.row].names) == length:
                if m.row not in middle:
                    box = Vertex("folded", f"step {KEPT} … step {last - 1}", None, times=last - KEPT, count=0)
                    box.role = rows[m.row].role
                    middle[m.row] = box
                    moments[box] = Moment(m.row, KEPT, BETWEEN)
                middle[m.row].count += v.count * (not v.closed)
                standing[v] = middle[m.row]
        for inner, box in list(standing.items()):
            standing[inner] = standing.get(box, box)

    def _outside(self, moments: Mapping[Vertex, Moment], standing: dict[Vertex, Vertex]) -> None:
        """Close the scopes that hold no step."""
        open_scopes = {c for v in moments for c in around(v.cluster)}
        made: dict[Cluster, list[Vertex]] = {}
        for v in self.vertices:
            if v not in moments and v not in standing:
                closing = next((c for c in around(v.cluster) if c not in open_scopes and self._closes(c, True)), None)
                if closing is not None:
                    made.setdefault(closing, []).append(v)
        for cluster, group in made.items():
            if len(group) > 1:
                count = sum(v.count for v in group)
                box = Vertex("folded", cluster.name, cluster.parent, role=cluster.role, count=count)
                standing.update(dict.fromkeys(group, box))

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
        result.entering = {v for v in result.at if self._enters(v)}

    def _elements(self, result: Timeline, moments: dict[Vertex, Moment]) -> None:
        """Draw a sequence that every step takes its own element of as its elements."""
        for symbol in [v for v in result.vertices if v.kind == "symbol" and v not in moments]:
            readers = [e for e in result.edges if e.source is symbol]
            if not readers or not all(self._enters(e.target) or _is_between(moments, e.target) for e in readers):
                continue
            for e in readers:
                if self._enters(e.target):
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

    def _enters(self, v: Vertex) -> bool:
        if v not in self.place:
            return v.kind == "symbol"
        path, node, _ = self.place[v]
        return _enters(path, node)

    def _sorted(self, result: Timeline) -> bool:
        """Tell what comes before the steps from what comes after; whether each edge has a way."""
        after: dict[Vertex, list[Vertex]] = {}
        before: dict[Vertex, list[Vertex]] = {}
        for e in result.edges:
            after.setdefault(e.source, []).append(e.target)
            before.setdefault(e.target, []).append(e.source)
        behind = _reached(list(result.at), after)
        ahead = _reached(list(result.at), before)
        for v in result.vertices:
            if v not in result.at:
                if v in behind and v in ahead:
                    return False
                result.outside[v] = v in ahead
        return all(_passable(e, result) for e in result.edges)


def _named_at(names: Sequence[str], at: int) -> list[str]:
    """The name of a value with its time in place of t; what it is called one step later, or above, goes without saying.

    >>> _named_at(["C_t", "C_{t-1}"], 3)
    ['C_{3}']
    """
    told = [f"{n.removesuffix('_t')}_{{{at}}}" if n.endswith("_t") else n for n in names]
    now = [n for n in told if not n.endswith("_{t-1}")]
    return (now or [f"{n.removesuffix('_{t-1}')}_{{{at}}}" for n in told])[:1]


def _enters(path: Path, node: Node) -> bool:
    """Whether a node is where the element of a sequence enters the body of a loop."""
    loop = path[-1]
    slices = loop.attrs["body"].inputs[loop.attrs["carries"] :][: loop.attrs["xs"]]
    return node.op == "symbol" and any(node is symbol for symbol in slices)


def _is_between(moments: Mapping[Vertex, Moment], v: Vertex) -> bool:
    return v in moments and moments[v].key == BETWEEN


def _after_step(chain: Sequence[Cluster], at: int) -> int:
    """Where in a chain of clusters those begin that lie in the step."""
    return next((k + 1 for k, c in enumerate(chain) if c.name == f"step {at}"), len(chain))


def _reached(starts: Sequence[Vertex], onward: Mapping[Vertex, Sequence[Vertex]]) -> set[Vertex]:
    found: set[Vertex] = set()
    pending = list(starts)
    while pending:
        for v in onward.get(pending.pop(), ()):
            if v not in found:
                found.add(v)
                pending.append(v)
    return found


def _passable(e: Edge, result: Timeline) -> bool:
    """Whether an edge stays in a step, goes to the next one or to the loop above, or in or out."""
    a, b = result.at.get(e.source), result.at.get(e.target)
    if a is None or b is None:
        # What begins a loop that goes backwards would have to come from the right.
        return not (
            b is not None and e in result.carried and result.rows[b.row].reverse and e.source.kind not in LEAVES
        )
    if a.row != b.row:
        return b.row == a.row + 1 and a.at == b.at and e not in result.carried
    row = result.rows[a.row]
    times = sorted({m.at for m in result.at.values() if m.row == a.row}, reverse=row.reverse)
    gap = times.index(b.at) - times.index(a.at)
    return gap == 0 or (gap == 1 and e in result.carried)
