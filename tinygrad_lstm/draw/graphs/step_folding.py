"""Folding unrolled steps: gates and layers, sums over all steps, the steps in the middle, and scopes without steps."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from tinygrad_lstm.draw.graphs.backward_half import Half
from tinygrad_lstm.draw.graphs.step_places import Place, StepPlaces, after_step, sums_of
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around
from tinygrad_lstm.graph.tensor import Node

__all__ = ["BETWEEN", "KEPT", "Moment", "StepFolding", "TimeRow"]

KEPT: Final = 2
"""So many steps stay at the beginning where those between are folded, and one at the end."""
BETWEEN: Final = -1
"""The key of the vertex that stands for several steps."""
CLOSED: Final = ("gate", "layer")
"""Scopes of these roles are one vertex."""
LEAST: Final = 3
"""So many sums over all steps are drawn as one."""


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


class StepFolding:
    """One half of a graph over time, and what stands for what in it.

    Attributes:
        moments: of vertices that stand in a step, and of what stands for them.
        standing: for vertices that are folded, what stands for them.
        carried: for edges from step to step, the number of what is carried.
        bundled: for rows whose sums over all steps are one, its number.
    """

    def __init__(self, half: Half, places: StepPlaces, depth: int | None, roles: Mapping[str, str] | None) -> None:
        self.places, self.depth, self.roles, self.back = places, depth, roles or {}, roles is not None
        self.vertices, self.edges, self.names = half.vertices, half.edges, half.names
        self.place: dict[Vertex, Place] = {v: found for v in self.vertices if (found := places.of(v)) is not None}
        self.loops = list(dict.fromkeys(path[-1] for path, _, _ in self.place.values()))
        self.numbers: dict[Hashable, int] = {}
        self.reader: dict[Vertex, Edge] = {e.source: e for e in self.edges if e.source.kind in LEAVES}
        self.moments: dict[Vertex, Moment] = {}
        self.standing: dict[Vertex, Vertex] = {}
        self.carried: dict[Edge, int] = {}
        # For rows whose sums over all steps are one, the number of what is carried.
        self.bundled: dict[int, int] = {}

    def _key(self, thing: Hashable) -> int:
        """A number for a thing, by which things can be compared: ``==`` of nodes is elementwise."""
        return self.numbers.setdefault(thing, len(self.numbers))

    def _row_of(self, loop: Node) -> int:
        return next(k for k, one in enumerate(self.loops) if one is loop)

    def _role(self, cluster: Cluster) -> str | None:
        """The role of a scope; one of the backward half has the role of the forward one of its name."""
        return cluster.role or self.roles.get(cluster.name)

    def _closes(self, cluster: Cluster, by_default: bool) -> bool:
        # The scope of all gradients is no level of its own.
        return by_default if self.depth is None else cluster.level - self.back > self.depth

    def _summed(self) -> dict[Vertex, Vertex]:
        """The sums over all steps, as of gradients of weights: one vertex a step, with one line through all."""
        standing: dict[Vertex, Vertex] = {}
        opened = self.depth is not None and self.depth >= max(c.level for v in self.place for c in around(v.cluster))
        for row, loop in enumerate(self.loops):
            sums = sums_of(loop)
            if opened or len(sums) < LEAST:
                continue
            nodes = {node: k for k, node in sums.items()}
            boxes: dict[int, Vertex] = {}
            for v, (path, node, (t,)) in self.place.items():
                if path[-1] is loop and node in nodes:
                    at = self.moments[v]
                    if t not in boxes:
                        box = boxes[t] = Vertex("pointwise", "+", v.cluster, type=None, gradient=True, count=0)
                        box.notes = [f"{len(sums)} sums"]
                        self.moments[box] = Moment(row, at.at, self._key(("sums", loop)))
                    boxes[t].count += v.count
                    standing[v] = boxes[t]
            one = min(sums)
            self._begin_sums(row, sums, boxes)
            for e, k in self.carried.items():
                if k in sums and self.place[e.target][0][-1] is loop:
                    self.carried[e] = one
            self.bundled[row] = one
        return standing

    def _begin_sums(self, row: int, sums: Mapping[int, Node], boxes: dict[int, Vertex]) -> None:
        """Where sums begin with the first thing that is added, it is drawn as what it is at the other steps."""
        nodes = set(sums.values())
        for e in [e for e, k in self.carried.items() if k in sums and e.target in self.moments]:
            place = self.place.get(e.source)
            if place is None or place[1] in nodes or self.moments[e.target].row != row:
                continue
            t = place[2][0]
            if t not in boxes:
                chain = around(e.source.cluster)
                cluster = chain[after_step(chain, t) - 1] if chain else None
                box = boxes[t] = Vertex("pointwise", "+", cluster, gradient=True, count=0)
                box.notes = [f"{len(sums)} sums"]
                self.vertices.append(box)
                self.moments[box] = Moment(row, t, self._key(("sums", self.loops[row])))
            self.edges.append(Edge(e.source, boxes[t], e.type))
            e.source = boxes[t]

    def _closed(self, moments: dict[Vertex, Moment]) -> dict[Vertex, Vertex]:
        """For vertices in a gate or layer of a step, what stands for it."""
        members: dict[Cluster, list[Vertex]] = {}
        for v, moment in moments.items():
            chain = around(v.cluster)
            inside = [c for c in chain[after_step(chain, moment.at) :] if self._closes(c, self._role(c) in CLOSED)]
            if inside:
                members.setdefault(inside[0], []).append(v)
        standing: dict[Vertex, Vertex] = {}
        for cluster, group in members.items():
            operations = [v for v in group if v.kind not in LEAVES]
            if not operations or (len(operations) < 2 and len(group) < 3):
                continue
            inner = set(group)
            leaving = [e.source for e in self.edges if e.source in inner and e.target not in inner]
            last = leaving[-1] if leaving else operations[-1]
            box = Vertex("folded", last.label, cluster.parent, list(last.names), last.type, last.node, last.path)
            box.role, box.closed, box.count = self._role(cluster), True, sum(v.count for v in group)
            box.notes = [cluster.name, *[n for n in last.notes if n != cluster.name]]
            box.heat, box.gradient = last.heat, self.back
            if self.back:
                lent = list(dict.fromkeys(name for v in group for name in v.lent))
                box.label, box.names, box.lent = f"∂ {cluster.name}", [], lent
                box.notes = [", ".join(lent[k : k + 2]) for k in range(0, min(len(lent), 4), 2)]
                box.notes += ["…"] * (len(lent) > 4)
            standing.update(dict.fromkeys(group, box))
            at = moments[last]
            inner_names = tuple(c.name for c in around(cluster)[after_step(around(cluster), at.at) :])
            moments[box] = Moment(at.row, at.at, self._key((at.row, inner_names)))
        return standing

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

    def _between(
        self,
        moments: dict[Vertex, Moment],
        standing: dict[Vertex, Vertex],
        rows: list[TimeRow],
        middle: dict[int, Vertex],
        length: int,
    ) -> None:
        """Fold the steps in the middle of each row."""
        for v, m in list(moments.items()):
            last = len(rows[m.row].names) - 1
            if KEPT <= m.at < last and len(rows[m.row].names) == length:
                if m.row not in middle:
                    said = f"{'gradient of ' * self.back}step {KEPT} … step {last - 1}"
                    box = Vertex("folded", said, None, times=last - KEPT, count=0, gradient=self.back)
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
                name = f"∂ {cluster.name}" if self.back else cluster.name
                box = Vertex("folded", name, cluster.parent, role=self._role(cluster), count=count, gradient=self.back)
                standing.update(dict.fromkeys(group, box))
