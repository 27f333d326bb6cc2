"""The layout of unrolled loops: steps in rows, and the wires between them.

Everything stands in a step where it stands in all others, and what is carried runs straight from step to step.
"""

from collections.abc import Callable

from tinygrad_lstm.draw.graphs.annotations import rounded
from tinygrad_lstm.draw.graphs.mirroring import Columns, Places, below, last_step_first, mirrored
from tinygrad_lstm.draw.graphs.step_folding import BETWEEN, Moment
from tinygrad_lstm.draw.graphs.step_plan import MARGIN, brought, step_plan
from tinygrad_lstm.draw.graphs.step_rows import BELOW, BETWEEN_ROWS, BUS, StepRows
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import Edge, Vertex
from tinygrad_lstm.draw.layered import Curve, Point, Size, curve_of
from tinygrad_lstm.draw.markup import width_of

__all__ = ["in_rows"]


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
    rows = [StepRows(one, blocks, columns, size, oval) for one, blocks in zip(lines, plans, strict=True)]
    for one in rows:
        _Wires(one).lead()
    return rows[0].places if len(rows) == 1 else below(rows[0].places, mirrored(rows[1].places, rows[0].right))


class _Wires:
    """The curves of all edges that have to do with a step."""

    def __init__(self, rows: StepRows) -> None:
        self.rows, self.line, self.blocks, self.places = rows, rows.line, rows.blocks, rows.places
        # Values that share the room along the steps, each with the number of its line there.
        self.lines: dict[Vertex, int] = {}
        self.lines_above: dict[tuple[int, Vertex], int] = {}
        self.passing: dict[Vertex, int] = {}
        self.words: dict[Point, str] = {}
        self.flows: dict[Point, float] = {}

    def lead(self) -> None:
        """Find the ways that are still missing, and the words beside them."""
        for e in self.line.edges:
            if e not in self.places.ways:
                self._lead(e)
        self.places.words = [(x, y, said) for (x, y), said in self.words.items()]

    def _lead(self, e: Edge) -> None:
        """The curve of an edge that has to do with a step."""
        line, a, b = self.line, self.line.at.get(e.source), self.line.at.get(e.target)
        if e.source in self.rows.initial and b is not None:
            self._begin(e, b)
        elif a is not None and b is not None and a.row == b.row and a.at == b.at:
            if e.source in line.entering:
                self.places.ways[e] = self._from_below(e, b)
            else:
                self.places.ways[e] = self.rows.curve(a.row, a.at, (a.key, b.key))
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
        x, y = self.rows.point(b.row, b.at, self.blocks[b.row].plan.places[port])
        side = 1 if self.line.rows[b.row].reverse else -1
        half = self.rows.size(e.source)[0] / 2
        spot = self.places.spots.setdefault(e.source, (x + side * (MARGIN + 14 + half), y))
        start = curve_of([(spot[0] - side * half, y), (x, y)])
        self.places.ways[e] = [*start, *self.rows.curve(b.row, b.at, (port, b.key))[1:]]

    def _carry(self, e: Edge, a: Moment, b: Moment) -> None:
        """From a step to the next, on a lane."""
        k = self.line.carried[e]
        block = self.blocks[a.row]
        y = self.rows.middle[a.row] + block.plan.places.get(("out", k), block.plan.places.get(("in", k), (0.0, 0.0)))[1]
        back = self.line.rows[a.row].reverse
        if a.key == BETWEEN:
            edge = self.rows.left[a.at] - MARGIN + (0.0 if back else self.rows.folded)
            curve: Curve = [(edge, y)]
        else:
            curve = self.rows.curve(a.row, a.at, (a.key, ("out", k)))
        start = curve[-1]
        if b.key == BETWEEN:
            edge = self.rows.left[b.at] - MARGIN + (self.rows.folded if back else 0.0)
            curve += curve_of([start, (edge, y)])[1:]
            end: Point = (edge, y)
        else:
            inside = self.rows.curve(b.row, b.at, (("in", k), b.key))
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
        return self._up(e, b, [(x, y - self.rows.size(e.source)[1] / 2)])

    def _up(self, e: Edge, b: Moment, start: list[Point]) -> Curve:
        """From under a step to where something enters from below, and on to its reader."""
        if b.key == BETWEEN:
            middle, bottom = self.places.spots[e.target][0], self.rows.middle[b.row] + self.blocks[b.row].bottom
            across = [] if start[-1][0] == middle else [(middle, start[-1][1])]
            return curve_of([*start, *across, (middle, bottom)])
        way = self.rows.curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
        (x, y), side = way[0], -1 if self.line.rows[b.row].reverse else 1
        # What enters beside each other goes up beside each other.
        x += side * min(10.0, 5.0 * self.blocks[b.row].below.index(brought(self.line, e)))
        if start[-1][0] != x:
            turn = self.rows.middle[b.row] + self.blocks[b.row].bottom + BELOW / 2
            start = [*start, (start[-1][0], turn), (x, turn)]
        led = curve_of([*start, (x, y), (x + side * 3, y)], 3.0)
        return [*led, *way[1:]]

    def _rise(self, e: Edge, a: Moment, b: Moment) -> None:
        """To the step of the loop above at the same time."""
        if a.key == BETWEEN or b.key == BETWEEN:
            x, _ = self.places.spots[e.source]
            top = self.rows.middle[a.row] + self.blocks[a.row].top
            self.places.ways[e] = curve_of([(x, top), (x, self.rows.middle[b.row] + self.blocks[b.row].bottom)])
            return
        way, x, top = self._out_of(a)
        target = self.rows.curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
        (x0, y0), level = target[0], top - BETWEEN_ROWS / 2
        side = -1 if self.line.rows[b.row].reverse else 1
        led = curve_of([way[-1], (x, level), (x0, level), (x0, y0), (x0 + side * 7, y0)])
        self.places.ways[e] = [*way, *led[1:], *target[1:]]

    def _out_of(self, a: Moment) -> tuple[Curve, float, float]:
        """The way to the side of the step, its place, and where the frame ends above."""
        way = self.rows.curve(a.row, a.at, (a.key, self.blocks[a.row].out[a.key]))
        return way, way[-1][0], self.rows.middle[a.row] + self.blocks[a.row].top

    def _bring(self, e: Edge, b: Moment) -> None:
        """From the left into the steps."""
        side = self.rows.side_ways[e]
        x, y = side[-1]
        if e in self.line.carried and self.line.rows[b.row].reverse:
            self._bring_round(e, b)
            return
        if e in self.line.carried or self.rows.starts_here(e):
            carried = e in self.line.carried
            port = ("in", self.line.carried[e]) if carried else ("below", brought(self.line, e))
            inside = self.rows.curve(b.row, b.at, (port, b.key))
            bend = (x + inside[0][0]) / 2
            link = [(bend, y), (bend, inside[0][1]), inside[0]]
            self.places.ways[e] = [*side, *link, *inside[1:]]
            return
        under, number = self._under(e, b.row)
        x -= 5.0 * number
        if e.target in self.line.entering:
            tx, ty = self.places.spots[e.target]
            end = [(tx, under), (tx, ty + self.rows.size(e.target)[1] / 2)]
            self.places.ways[e] = [*side, *curve_of([side[-1], (x + 12, y), (x + 12, under), *end])[1:]]
        elif b.key == BETWEEN:
            self.places.ways[e] = [*side, *self._up(e, b, [side[-1], (x + 12, y), (x + 12, under)])[1:]]
        else:
            way = self.rows.curve(b.row, b.at, (("below", brought(self.line, e)), b.key))
            shift = min(10.0, 5.0 * self.blocks[b.row].below.index(brought(self.line, e)))
            x0 = way[0][0] + (-shift if self.line.rows[b.row].reverse else shift)
            led = self._up(e, b, [side[-1], (x + 12, y), (x + 12, under), (x0, under)])
            self.places.ways[e] = [*side, *led[1:]]

    def _under(self, e: Edge, row: int) -> tuple[float, int]:
        """The height and the number of the line under the steps that each value has for itself."""
        under = self.rows.middle[row] + self.blocks[row].bottom + BELOW + BUS
        under += max([self.rows.size(v)[1] for v in self.line.entering if self.line.at[v].row == row], default=0.0)
        number = self.lines.setdefault(e.source, len(self.lines))
        return under + 7.0 * number, number

    def _bring_round(self, e: Edge, b: Moment) -> None:
        """From the left to the loop that begins on the right, under all steps."""
        side = self.rows.side_ways[e]
        under, number = self._under(e, b.row)
        port = ("in", self.line.carried[e])
        (x, y), inside = side[-1], self.rows.curve(b.row, b.at, (port, b.key))
        left, right = x + 12 - 5.0 * number, inside[0][0] + MARGIN + 6 + 3.0 * number
        led = curve_of([side[-1], (left, y), (left, under), (right, under), (right, inside[0][1]), inside[0]])
        self.places.ways[e] = [*side, *led[1:], *inside[1:]]

    def _put_out(self, e: Edge, a: Moment) -> None:
        """From a step to what is on the right: straight on from the last one, else over the steps."""
        side = self.rows.far_ways[e]
        top = self.rows.middle[a.row] + self.blocks[a.row].top
        bus = top - BUS / 2
        if a.key == BETWEEN:
            x, way = self.places.spots[e.source][0], [(self.places.spots[e.source][0], top)]
        else:
            way, x, _ = self._out_of(a)
            if self.rows.ends_here(e):
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
        start, end = self.rows.side_ways[e], self.rows.far_ways[e]
        number = self.passing.setdefault(e.source, len(self.passing))
        row = len(self.blocks) - 1
        beside = sum(key[0] == row for key in self.lines_above)
        level = self.rows.middle[row] + self.blocks[row].top - BUS / 2 - 5.0 * (number + beside + 1)
        (x0, y0), (x1, y1) = start[-1], end[0]
        left, right = x0 + 8 + 3.0 * number, x1 - 8 - 3.0 * (number + beside)
        led = curve_of([(x0, y0), (left, y0), (left, level), (right, level), (right, y1), (x1, y1)])
        self.places.ways[e] = [*start, *led[1:], *end[1:]]
