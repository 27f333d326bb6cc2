"""Places for steps of unrolled loops: a row for each loop, a column for each time.

Everything stands in a step where it stands in all others, and what is carried runs straight from step to step.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from tinygrad_lstm.draw.graphs.annotations import rounded
from tinygrad_lstm.draw.graphs.mirroring import Columns, Places, StepFrame, below, last_step_first, mirrored
from tinygrad_lstm.draw.graphs.step_folding import BETWEEN, Moment
from tinygrad_lstm.draw.graphs.step_plan import MARGIN, StepPlan, brought, step_plan
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Edge, Vertex
from tinygrad_lstm.draw.layered import APART, Curve, Lane, Point, Size, curve_of, layered
from tinygrad_lstm.draw.markup import width_of

__all__ = ["in_rows"]

GAP: Final = 22.0
BELOW: Final = 16.0
"""From the frame of a step to what enters it from below."""
BUS: Final = 14.0
BETWEEN_ROWS: Final = 34.0


def in_rows(line: Timeline, size: Callable[[Vertex], Size], oval: Callable[[Vertex], bool]) -> Places:
    """Lay out a graph over time; the backward half stands below the forward one, as its mirror image.

    Args:
        size: of a vertex.
        oval: whether a vertex is an ellipse.
    """
    lines = [line] if line.backward is None else [line, last_step_first(line.backward, line)]
    plans = [
        [step_plan(one, row, size, oval, upside_down=k > 0) for row in range(len(one.rows))]
        for k, one in enumerate(lines)
    ]
    titles = [name for one in lines for row in one.rows for name in row.names]
    columns = Columns(
        sorted({m.at for one in lines for m in one.at.values()}),
        max(*(block.plan.wide for blocks in plans for block in blocks), *(width_of(name, 10) - 2 for name in titles)),
        max([size(v)[0] for one in lines for v, m in one.at.items() if m.key == BETWEEN], default=0.0),
    )
    rows = [_Rows(one, blocks, columns, size, oval) for one, blocks in zip(lines, plans, strict=True)]
    return rows[0].places if len(rows) == 1 else below(rows[0].places, mirrored(rows[1].places, rows[0].right))


class _Rows:
    def __init__(
        self,
        line: Timeline,
        blocks: Sequence[StepPlan],
        columns: Columns,
        size: Callable[[Vertex], Size],
        oval: Callable[[Vertex], bool],
    ) -> None:
        self.line, self.size, self.oval = line, size, oval
        self.places = Places(sizes={v: size(v) for v in line.vertices})
        # The parts of edges that lie outside of the steps.
        self.side_ways: dict[Edge, Curve] = {}
        self.far_ways: dict[Edge, Curve] = {}
        self.lines: dict[Vertex, int] = {}
        self.lines_above: dict[tuple[int, Vertex], int] = {}
        self.passing: dict[Vertex, int] = {}
        self.of: dict[tuple[int, int], dict[int, Vertex]] = {}
        for v, m in line.at.items():
            self.of.setdefault((m.row, m.at), {})[m.key] = v
        self.times, self.wide, self.folded = columns.times, columns.wide, columns.folded
        self.initial = {e.source: e for e in line.edges if e in line.carried and self._begins(e)}
        self.blocks = blocks
        self._stand()
        self._sides()
        self.words: dict[Point, str] = {}
        self.flows: dict[Point, float] = {}
        for e in line.edges:
            if e not in self.places.ways:
                self._lead(e)
        self.places.words = [(x, y, said) for (x, y), said in self.words.items()]

    def _begins(self, e: Edge) -> bool:
        return e.source.kind in LEAVES and e.source not in self.line.at

    def _moment(self, v: Vertex) -> Moment | None:
        return self.line.at.get(v)

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

    def _point(self, row: int, at: int, point: Point) -> Point:
        """A point of the plan of a step, in the picture; time may run from right to left."""
        x = self.wide - point[0] if self.line.rows[row].reverse else point[0]
        return self.left[at] + x, self.middle[row] + point[1]

    def _curve(self, row: int, at: int, edge: tuple[Any, Any]) -> Curve:
        return [self._point(row, at, p) for p in self.blocks[row].plan.ways[edge]]

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
                self.places.spots[v] = self._point(row, at, block.plan.places[key])
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
            if self._starts_here(e):
                return ("first", e.source, brought(self.line, e), target.row)
            return ("to", e.source, self.line.carried.get(e, -1) if e in self.line.carried else "steps", target.row)
        source = self.line.at.get(e.source)
        if source is not None and self._ends_here(e):
            return ("last", e.source)
        return ("bus", e.target, source.row if source is not None else 0)

    def _starts_here(self, e: Edge) -> bool:
        """Whether an edge goes straight on from what is on the left to the first step, which alone reads it."""
        read = {
            (m.row, m.at, m.key == BETWEEN)
            for o in self.line.edges
            if o.source is e.source and (m := self._moment(o.target))
        }
        m = self.line.at[e.target]
        straight = m.at == self.times[0] and not self.line.rows[m.row].reverse
        return (
            straight
            and read == {(m.row, m.at, False)}
            and e not in self.line.carried
            and e.target not in self.line.entering
        )

    def _ends_here(self, e: Edge) -> bool:
        """Whether an edge goes straight on from the last step to what is on the right."""
        m = self.line.at[e.source]
        row = self.line.rows[m.row]
        exit = self.blocks[m.row].out.get(m.key)
        carried = isinstance(exit, tuple) and exit[0] == "out"
        return m.at == self.times[-1] and not row.reverse and carried

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

    def _lead(self, e: Edge) -> None:
        """The curve of an edge that has to do with a step."""
        line, a, b = self.line, self._moment(e.source), self._moment(e.target)
        if e.source in self.initial and b is not None:
            self._begin(e, b)
        elif a is not None and b is not None and a.row == b.row and a.at == b.at:
            if e.source in line.entering:
                self.places.ways[e] = self._from_below(e, b)
            else:
                self.places.ways[e] = self._curve(a.row, a.at, (a.key, b.key))
        elif a is not None and b is not None and a.row == b.row:
            self._carry(e, a, b)
        elif a is not None and b is not None:
            self._rise(e, a, b)
        elif b is not None:
            self._bring(e, b)
        elif a is not None:
            self._put_out(e, a)
        else:
            self._pass(e)

    def _begin(self, e: Edge, b: Moment) -> None:
        """From a number to the lane that begins with it."""
        port = ("in", self.line.carried[e])
        x, y = self._point(b.row, b.at, self.blocks[b.row].plan.places[port])
        side = 1 if self.line.rows[b.row].reverse else -1
        half = self.size(e.source)[0] / 2
        spot = self.places.spots.setdefault(e.source, (x + side * (MARGIN + 14 + half), y))
        start = curve_of([(spot[0] - side * half, y), (x, y)])
        self.places.ways[e] = [*start, *self._curve(b.row, b.at, (port, b.key))[1:]]

    def _carry(self, e: Edge, a: Moment, b: Moment) -> None:
        """From a step to the next, on a lane."""
        k = self.line.carried[e]
        block = self.blocks[a.row]
        y = self.middle[a.row] + block.plan.places.get(("out", k), block.plan.places.get(("in", k), (0.0, 0.0)))[1]
        back = self.line.rows[a.row].reverse
        if a.key == BETWEEN:
            edge = self.left[a.at] - MARGIN + (0.0 if back else self.folded)
            curve: Curve = [(edge, y)]
        else:
            curve = self._curve(a.row, a.at, (a.key, ("out", k)))
        start = curve[-1]
        if b.key == BETWEEN:
            edge = self.left[b.at] - MARGIN + (self.folded if back else 0.0)
            curve += curve_of([start, (edge, y)])[1:]
            end: Point = (edge, y)
        else:
            inside = self._curve(b.row, b.at, (("in", k), b.key))
            curve += curve_of([start, inside[0]])[1:] + inside[1:]
            end = inside[0]
        self.places.ways[e] = curve
        name = self.line.rows[a.row].carries[k]
        middle = (start[0] + end[0]) / 2
        if len(name) <= 4:
            self.words[middle, y - 7] = name
        if e.flow is not None:
            flow = self.flows[middle, y + 7] = max(e.flow, self.flows.get((middle, y + 7), 0.0))
            self.words[middle, y + 7] = rounded(flow)

    def _from_below(self, e: Edge, b: Moment) -> Curve:
        x, y = self.places.spots[e.source]
        return self._up(e, b, [(x, y - self.size(e.source)[1] / 2)])

    def _up(self, e: Edge, b: Moment, start: list[Point]) -> Curve:
        """From under a step to where something enters from below, and on to its reader."""
        if b.key == BETWEEN:
            middle, bottom = self.places.spots[e.target][0], self.middle[b.row] + self.blocks[b.row].bottom
            across = [] if start[-1][0] == middle else [(middle, start[-1][1])]
            return curve_of([*start, *across, (middle, bottom)])
        way = self._curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
        (x, y), side = way[0], -1 if self.line.rows[b.row].reverse else 1
        # What enters beside each other goes up beside each other.
        x += side * min(10.0, 5.0 * self.blocks[b.row].below.index(brought(self.line, e)))
        if start[-1][0] != x:
            turn = self.middle[b.row] + self.blocks[b.row].bottom + BELOW / 2
            start = [*start, (start[-1][0], turn), (x, turn)]
        led = curve_of([*start, (x, y), (x + side * 3, y)], 3.0)
        return [*led, *way[1:]]

    def _rise(self, e: Edge, a: Moment, b: Moment) -> None:
        """To the step of the loop above at the same time."""
        if a.key == BETWEEN or b.key == BETWEEN:
            x, _ = self.places.spots[e.source]
            top = self.middle[a.row] + self.blocks[a.row].top
            self.places.ways[e] = curve_of([(x, top), (x, self.middle[b.row] + self.blocks[b.row].bottom)])
            return
        way, x, top = self._out_of(a)
        target = self._curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
        (x0, y0), level = target[0], top - BETWEEN_ROWS / 2
        side = -1 if self.line.rows[b.row].reverse else 1
        led = curve_of([way[-1], (x, level), (x0, level), (x0, y0), (x0 + side * 7, y0)])
        self.places.ways[e] = [*way, *led[1:], *target[1:]]

    def _out_of(self, a: Moment) -> tuple[Curve, float, float]:
        """The way to the side of the step, its place, and where the frame ends above."""
        way = self._curve(a.row, a.at, (a.key, self.blocks[a.row].out[a.key]))
        return way, way[-1][0], self.middle[a.row] + self.blocks[a.row].top

    def _bring(self, e: Edge, b: Moment) -> None:
        """From the left into the steps."""
        side = self.side_ways[e]
        x, y = side[-1]
        if e in self.line.carried and self.line.rows[b.row].reverse:
            self._bring_round(e, b)
            return
        if e in self.line.carried or self._starts_here(e):
            carried = e in self.line.carried
            port = ("in", self.line.carried[e]) if carried else ("below", brought(self.line, e))
            inside = self._curve(b.row, b.at, (port, b.key))
            bend = (x + inside[0][0]) / 2
            link = [(bend, y), (bend, inside[0][1]), inside[0]]
            self.places.ways[e] = [*side, *link, *inside[1:]]
            return
        under, number = self._under(e, b.row)
        x -= 5.0 * number
        if e.target in self.line.entering:
            tx, ty = self.places.spots[e.target]
            end = [(tx, under), (tx, ty + self.size(e.target)[1] / 2)]
            self.places.ways[e] = [*side, *curve_of([side[-1], (x + 12, y), (x + 12, under), *end])[1:]]
        elif b.key == BETWEEN:
            self.places.ways[e] = [*side, *self._up(e, b, [side[-1], (x + 12, y), (x + 12, under)])[1:]]
        else:
            way = self._curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
            shift = min(10.0, 5.0 * self.blocks[b.row].below.index(brought(self.line, e)))
            x0 = way[0][0] + (-shift if self.line.rows[b.row].reverse else shift)
            led = self._up(e, b, [side[-1], (x + 12, y), (x + 12, under), (x0, under)])
            self.places.ways[e] = [*side, *led[1:]]

    def _under(self, e: Edge, row: int) -> tuple[float, int]:
        """The height and the number of the line under the steps that each value has for itself."""
        under = self.middle[row] + self.blocks[row].bottom + BELOW + BUS
        under += max([self.size(v)[1] for v in self.line.entering if self.line.at[v].row == row], default=0.0)
        number = self.lines.setdefault(e.source, len(self.lines))
        return under + 7.0 * number, number

    def _bring_round(self, e: Edge, b: Moment) -> None:
        """From the left to the loop that begins on the right, under all steps."""
        side = self.side_ways[e]
        under, number = self._under(e, b.row)
        port = ("in", self.line.carried[e])
        (x, y), inside = side[-1], self._curve(b.row, b.at, (port, b.key))
        left, right = x + 12 - 5.0 * number, inside[0][0] + MARGIN + 6 + 3.0 * number
        led = curve_of([side[-1], (left, y), (left, under), (right, under), (right, inside[0][1]), inside[0]])
        self.places.ways[e] = [*side, *led[1:], *inside[1:]]

    def _put_out(self, e: Edge, a: Moment) -> None:
        """From a step to what is on the right: straight on from the last one, else over the steps."""
        side = self.far_ways[e]
        top = self.middle[a.row] + self.blocks[a.row].top
        bus = top - BUS / 2
        if a.key == BETWEEN:
            x, way = self.places.spots[e.source][0], [(self.places.spots[e.source][0], top)]
        else:
            way, x, _ = self._out_of(a)
            if self._ends_here(e):
                (x0, y0), (x1, y1) = way[-1], side[0]
                self.places.ways[e] = [*way, ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1), *side[1:]]
                return
        x1, y1 = side[0]
        # Each value has a line of its own over the steps; those of what one thing reads are one.
        number = self.lines_above.setdefault((a.row, e.target), len(self.lines_above))
        rise, bus, turn = min(6.0, 3.0 * number), bus - 5.0 * number, x1 - 8 - 3.0 * number
        begin = [way[-1]] if a.key == BETWEEN or not rise else [way[-1], (x + rise, way[-1][1])]
        led = curve_of([*begin, (begin[-1][0], bus), (turn, bus), (turn, y1), (x1, y1)])
        self.places.ways[e] = [*way, *led[1:], *side[1:]]

    def _pass(self, e: Edge) -> None:
        """From the left to the right, over all steps."""
        start, end = self.side_ways[e], self.far_ways[e]
        number = self.passing.setdefault(e.source, len(self.passing))
        row = len(self.blocks) - 1
        beside = sum(key[0] == row for key in self.lines_above)
        level = self.middle[row] + self.blocks[row].top - BUS / 2 - 5.0 * (number + beside + 1)
        (x0, y0), (x1, y1) = start[-1], end[0]
        left, right = x0 + 8 + 3.0 * number, x1 - 8 - 3.0 * (number + beside)
        led = curve_of([(x0, y0), (left, y0), (left, level), (right, level), (right, y1), (x1, y1)])
        self.places.ways[e] = [*start, *led[1:], *end[1:]]


def _moved(curve: Sequence[Point], x: float, y: float) -> Curve:
    return [(px + x, py + y) for px, py in curve]
