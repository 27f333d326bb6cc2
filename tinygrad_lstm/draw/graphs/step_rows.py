"""Where steps of unrolled loops stand: a row for each loop, a column for each time, and beside them all else."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from tinygrad_lstm.draw.graphs.mirroring import Columns, Places, StepFrame
from tinygrad_lstm.draw.graphs.step_folding import BETWEEN
from tinygrad_lstm.draw.graphs.step_plan import MARGIN, StepPlan, brought
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Edge, Vertex
from tinygrad_lstm.draw.layered import APART, Curve, Lane, Point, Size, layered

__all__ = ["BELOW", "BETWEEN_ROWS", "BUS", "StepRows"]

GAP: Final = 22.0
BELOW: Final = 16.0
"""From the frame of a step to what enters it from below."""
BUS: Final = 14.0
"""The room for lines along the steps, above and below them."""
BETWEEN_ROWS: Final = 34.0


class StepRows:
    """The steps in their rows and columns, what stands beside them, and its edges.

    Attributes:
        places: where all stands, with the ways of edges between things outside of the steps.
        side_ways: of edges from what stands on the left of all steps, the part outside of the steps.
        far_ways: of edges to what stands on the right, the part outside of the steps.
        initial: the numbers that carries begin with, each with its edge; they stand before their lane.
        left: where the inside of the steps of a time begins.
        right: where the last column ends.
        middle: the height of the zero of the plan of each row.
    """

    def __init__(
        self,
        line: Timeline,
        blocks: Sequence[StepPlan],
        columns: Columns,
        size: Callable[[Vertex], Size],
        oval: Callable[[Vertex], bool],
    ) -> None:
        self.line, self.blocks, self.size, self.oval = line, blocks, size, oval
        self.places = Places(sizes={v: size(v) for v in line.vertices})
        self.side_ways: dict[Edge, Curve] = {}
        self.far_ways: dict[Edge, Curve] = {}
        self.times, self.wide, self.folded = columns.times, columns.wide, columns.folded
        self.of: dict[tuple[int, int], dict[int, Vertex]] = {}
        for v, m in line.at.items():
            self.of.setdefault((m.row, m.at), {})[m.key] = v
        begun = (e for e in line.edges if e in line.carried and e.source.kind in LEAVES and e.source not in line.at)
        self.initial = {e.source: e for e in begun}
        self._stand()
        self._sides()

    def point(self, row: int, at: int, point: Point) -> Point:
        """A point of the plan of a step, in the picture; time may run from right to left."""
        x = self.wide - point[0] if self.line.rows[row].reverse else point[0]
        return self.left[at] + x, self.middle[row] + point[1]

    def curve(self, row: int, at: int, edge: tuple[Any, Any]) -> Curve:
        """The part of an edge in a step, between two of its vertices and ports."""
        return [self.point(row, at, p) for p in self.blocks[row].plan.ways[edge]]

    def starts_here(self, e: Edge) -> bool:
        """Whether an edge goes straight on from what is on the left to the first step, which alone reads it."""
        read = {
            (m.row, m.at, m.key == BETWEEN)
            for o in self.line.edges
            if o.source is e.source and (m := self.line.at.get(o.target))
        }
        m = self.line.at[e.target]
        straight = m.at == self.times[0] and not self.line.rows[m.row].reverse
        return (
            straight
            and read == {(m.row, m.at, False)}
            and e not in self.line.carried
            and e.target not in self.line.entering
        )

    def ends_here(self, e: Edge) -> bool:
        """Whether an edge goes straight on from the last step to what is on the right."""
        m = self.line.at[e.source]
        row = self.line.rows[m.row]
        exit = self.blocks[m.row].out.get(m.key)
        carried = isinstance(exit, tuple) and exit[0] == "out"
        return m.at == self.times[-1] and not row.reverse and carried

    def _stand(self) -> None:
        """The steps: columns from left to right, rows from below."""
        line = self.line
        wide = self.wide + 2 * MARGIN
        x, self.left = 0.0, dict[int, float]()
        for at in self.times:
            self.left[at] = x + MARGIN
            folded = any(BETWEEN in self.of.get((row, at), {}) for row in range(len(line.rows)))
            x += (self.folded if folded else wide) + GAP
        self.right = x - GAP
        self.middle: list[float] = []
        y = 0.0
        for row, block in enumerate(self.blocks):
            if row:
                entering = [v for v in line.entering if line.at[v].row == row]
                room = max([self.size(v)[1] + 2 * BELOW for v in entering], default=BETWEEN_ROWS)
                y -= room + block.bottom
            self.middle.append(y)
            y += block.top - BUS
        for (row, at), inside in self.of.items():
            self._step(row, at, inside)

    def _step(self, row: int, at: int, inside: Mapping[int, Vertex]) -> None:
        block, line = self.blocks[row], self.line
        top, bottom = self.middle[row] + block.top, self.middle[row] + block.bottom
        if BETWEEN in inside:
            middle = self.left[at] - MARGIN + self.folded / 2
            self.places.spots[inside[BETWEEN]] = (middle, (top + bottom) / 2)
            self.places.sizes[inside[BETWEEN]] = (self.folded, bottom - top)
            for v in inside.values():
                if v in line.entering:
                    self.places.spots[v] = (middle, bottom + BELOW + self.size(v)[1] / 2)
            return
        left = self.left[at] - MARGIN
        name = line.rows[row].names[at]
        right = left + self.wide + 2 * MARGIN
        self.places.frames.append(StepFrame(left, top, right, bottom, name, line.rows[row].role))
        for key, v in inside.items():
            if v in line.entering:
                k = block.below.index(key) if key in block.below else 0
                x = self.left[at] + 44.0 * k
                x = self.wide + 2 * self.left[at] - x if line.rows[row].reverse else x
                self.places.spots[v] = (x, bottom + BELOW + self.size(v)[1] / 2)
            else:
                self.places.spots[v] = self.point(row, at, block.plan.places[key])
                self.places.sizes[v] = block.sizes[key]

    def _sides(self) -> None:
        """What is outside of the steps: on the left what they depend on, on the right the rest."""
        line = self.line
        for before in (True, False):
            group = [v for v, ahead in line.outside.items() if ahead == before and v not in self.initial]
            if not group:
                continue
            members = set(group)
            inner = [(e.source, e.target) for e in line.edges if e.source in members and e.target in members]
            crossing = [e for e in line.edges if (e.source in members) != (e.target in members)]
            met = {e: self._end(e, before) for e in crossing}
            part = {e: (e.source, end) if before else (end, e.target) for e, end in met.items()}
            ranked = sorted(dict.fromkeys(met.values()), key=lambda end: self._rank(end, before))
            lanes = [Lane(None, end) if before else Lane(end, None) for end in ranked]
            sizes: dict[Hashable, Size] = {v: self.size(v) for v in group}
            oval = frozenset(v for v in group if self.oval(v))
            near = frozenset(v for v in group if v.kind in LEAVES)
            close = 5.0 if len(group) > 6 else APART
            plan = layered(sizes, [*inner, *part.values()], lanes, oval=oval, near=near, channel=22.0, apart=close)
            wanted = [height - plan.places[end][1] for end in ranked if (height := self._height(end)) is not None]
            first = self.blocks[0]
            down = wanted[-1] if wanted else (first.top + first.bottom - plan.top - plan.bottom) / 2
            if len(wanted) <= 1:
                # Where one line leads to many things, they stand beside the steps, not over them.
                down = max(down, min(0.0, self.middle[-1] + self.blocks[-1].top - BUS) - plan.top)
            begins = [self.size(v)[0] for v in self.initial]
            room = GAP + 14 + max(begins, default=0.0) if before else GAP + 22
            # Lines go down to the steps beside what enters the first one.
            halves = [self.size(v)[0] / 2 for v in line.entering if line.at[v].at == self.times[0]]
            room = max([room, *[half + GAP for half in halves]]) if before else room
            x = -room - plan.wide if before else self.right + room
            for v in group:
                self.places.spots[v] = (plan.places[v][0] + x, plan.places[v][1] + down)
            for e in line.edges:
                if e.source in members and e.target in members:
                    self.places.ways[e] = _moved(plan.ways[e.source, e.target], x, down)
            ways = self.side_ways if before else self.far_ways
            ways |= {e: _moved(plan.ways[ends], x, down) for e, ends in part.items()}

    def _end(self, e: Edge, before: bool) -> Hashable:
        """Where an edge leaves or enters what is outside."""
        if e.source in self.line.outside and e.target in self.line.outside:
            return ("past", e.source)
        if before:
            target = self.line.at[e.target]
            if self.starts_here(e):
                return ("first", e.source, brought(self.line, e), target.row)
            return ("to", e.source, self.line.carried.get(e, -1) if e in self.line.carried else "steps", target.row)
        source = self.line.at.get(e.source)
        if source is not None and self.ends_here(e):
            return ("last", e.source)
        return ("bus", e.target, source.row if source is not None else 0)

    def _rank(self, end: Any, before: bool) -> tuple[float, ...]:
        height = self._height(end)
        if height is not None:
            return (1, height)
        return (2, 0) if before else (0, 0)

    def _height(self, end: Any) -> float | None:
        """At which height a wire stands where it meets the steps; None for a bus."""
        port: Any
        if end[0] == "last":
            m = self.line.at[end[1]]
            row, port = m.row, self.blocks[m.row].out[m.key]
        elif end[0] == "first":
            row, port = end[3], ("below", end[2])
        elif end[0] == "to" and end[2] != "steps":
            row, port = end[3], ("in", end[2])
        else:
            return None
        return self.middle[row] + self.blocks[row].plan.places[port][1]


def _moved(curve: Sequence[Point], x: float, y: float) -> Curve:
    return [(px + x, py + y) for px, py in curve]
