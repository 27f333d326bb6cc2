"""A cell that the textbook's arrangement does not fit, in columns from left to right.

States enter and leave at one height, beside the box; those that go through pointwise operations alone do so in a
straight line along the top. Inputs come from below, what is shown leaves above. Every name stands over the beginning of
its wire, in room of its own. Units: 0.75 points; y grows downwards.
"""

from collections.abc import Hashable
from typing import Any, Final

from tinygrad_lstm.draw.cells.crossings import with_gaps_at_crossings
from tinygrad_lstm.draw.cells.curves import Point
from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.cells.placement import Spot, find_conveyors, half_of, half_of_name, spread
from tinygrad_lstm.draw.cells.wires import Plan, Wire
from tinygrad_lstm.draw.layered import Curve, Lane, curve_of, layered
from tinygrad_lstm.draw.markup import width_of

__all__ = ["in_columns"]

MARGIN: Final = 18.0
NAME: Final = 13.0
"""How far the middle of a name stands over its wire."""
CHANNEL: Final = 34.0
MARKED: Final = 24.0
"""How far apart wires with marks end."""
TURN: Final = 22.0
"""In how much room wires with marks merge."""
RADIUS: Final = 15.0
FIRST: Final = 119.0
"""Where the box begins, as in the textbook's arrangement."""


def in_columns(anatomy: Anatomy) -> Plan:
    """Place every part and wire; this fits any cell."""
    return _Columns(anatomy).plan()


class _Columns:
    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.inner = [p for p in anatomy.parts if p.kind in ("layer", "pointwise", "op", "join")]
        self.inputs = [p for p in anatomy.parts if p.kind == "input"]
        self.conveyors = find_conveyors(anatomy)
        ends = {after.reads[0] for _, after in anatomy.states}
        self.named = [
            p for p in self.inner if p.name and p not in ends and not any(p in c for c in self.conveyors.values())
        ]
        sizes: dict[Hashable, tuple[float, float]] = {part: self._room(part) for part in self.inner}
        self.exit: dict[Part, Any] = {s: self._exit_of(s) for s in anatomy.shown}
        edges: list[tuple[Hashable, Hashable]] = [(r, p) for p in self.inner for r in dict.fromkeys(p.reads)]
        edges += [(after.reads[0], after) for _, after in anatomy.states]
        edges += [(shown.reads[0], exit) for shown, exit in self.exit.items() if exit is shown]
        straight = [(pair, self.conveyors[pair]) for pair in reversed(anatomy.states) if pair in self.conveyors]
        others = [pair for pair in reversed(anatomy.states) if pair not in self.conveyors]
        lanes = [Lane(before, after, tuple(path)) for (before, after), path in straight]
        lanes += [Lane(None, shown) for shown, exit in self.exit.items() if exit is shown]
        lanes += [Lane(before, after) for before, after in others]
        lanes += [Lane(part, None) for part in self.inputs]
        ports: dict[Hashable, float] = {p: MARKED if p.marks else 12.0 for p in self.inner}
        self.found = layered(sizes, edges, lanes, channel=CHANNEL, apart=22.0, ports=ports)

    def _exit_of(self, shown: Part) -> Part:
        """The way out of what is shown: with the state of the same value, if there is one."""
        return next((after for _, after in self.anatomy.states if after.reads[0] is shown.reads[0]), shown)

    def _half(self, part: Part) -> tuple[float, float]:
        """Half of the size of a part."""
        if part.kind == "join":
            return 0.5, 0.5
        if part.kind == "layer":
            return max(29.0, width_of(part.label, 22) / 2 + 12), 18.0
        if part.kind == "op":
            return max(29.0, width_of(part.label, 16) / 2 + 12), 18.0
        tall = 16.0 if len(part.marks) < 3 else 0.8 * MARKED * len(part.marks)
        return (tall, tall) if len(part.label) <= 2 else (width_of(part.label, 18) / 2 + 13, tall)

    def _room(self, part: Part) -> tuple[float, float]:
        """Width and height of a part with its name over the wire behind it, and marks over the wires before it."""
        w, h = self._half(part)
        width = 2 * w + self._before(part)
        if part.kind == "join" and part.marks:
            # The lines come side by side, each with its mark, and merge then.
            width, h = width + 2 * TURN, 1.2 * MARKED * (len(part.marks) - 1)
        if part not in self.named:
            return width, 2 * h
        return width + 2 * half_of_name(part.name or "") + 10, max(2 * h, 2 * NAME + 22)

    @staticmethod
    def _before(part: Part) -> float:
        """How wide the marks of a part are."""
        return max([18 + 9.0 * len(mark) for mark in part.marks.values()], default=0.0)

    def plan(self) -> Plan:
        found, spots = self.found, dict[Part, Spot]()
        left = FIRST
        self.x0 = left + MARGIN

        def at(key: Hashable) -> Point:
            x, y = found.places[key]
            return self.x0 + x, y

        labels = []
        for part in self.inner:
            (x, y), (w, h) = at(part), self._half(part)
            x += self._before(part) + w - self._room(part)[0] / 2 + (TURN if part.kind == "join" and part.marks else 0)
            spots[part] = Spot(x, y, w, h)
            if part in self.named:
                labels.append((part, x + w + 6 + half_of_name(part.name or ""), y - NAME))
        x1 = self.x0 + found.wide
        shown_at = spread(self.anatomy.shown, x1, 70)
        inputs_at = spread(self.inputs, self.x0, 74)
        right = max([x1, *shown_at.values()]) + MARGIN + 22
        right = max([right, *[x + 40 for x in inputs_at.values()]])
        top, bottom = found.top - MARGIN - 10, found.bottom + MARGIN + 8
        self.box = (left, top, right, bottom)
        for before, after in self.anatomy.states:
            half = half_of(before, 16)
            spots[before] = Spot(left - 57 - half, at(before)[1], half, 15)
            half = half_of(after, 16)
            spots[after] = Spot(right + 62 + half, at(after)[1], half, 15)
        for part, x in inputs_at.items():
            spots[part] = Spot(x, bottom + 53, half_of(part, 32), 32)
        for part, x in shown_at.items():
            spots[part] = Spot(x, top - 57, half_of(part, 32), 32)
        wires = [self._inside(source, part, spots) for part in self.inner for source in dict.fromkeys(part.reads)]
        for _, after in self.anatomy.states:
            way = self._from(after.reads[0], after, spots)
            end = (spots[after].x - spots[after].w, spots[after].y)
            bold = any(
                path and path[-1] is after.reads[0] and pair[1] is after for pair, path in self.conveyors.items()
            )
            wires.append(self._wire(after.reads[0], after, [*way, *curve_of([way[-1], end])[1:]], bold))
        for shown, exit in self.exit.items():
            way = self._from(shown.reads[0], exit, spots)
            x, y = spots[shown].x, spots[shown].y + spots[shown].h
            wires.append(
                self._wire(shown.reads[0], shown, [*way, *curve_of([way[-1], (x, way[-1][1]), (x, y)], RADIUS)[1:]])
            )
        return Plan(spots, tuple(with_gaps_at_crossings(wires)), tuple(labels), self.box)

    def _inside(self, source: Part, target: Part, spots: dict[Part, Spot]) -> Wire:
        way, spot = self._from(source, target, spots), spots[target]
        level = way[-1][1]
        if target.kind == "join" and target.marks:
            x, middle = spot.x - TURN, spot.x - TURN / 2
            way = [*way, *curve_of([way[-1], (x, level)])[1:], (middle, level), (middle, spot.y), (spot.x, spot.y)]
            return self._wire(source, target, way)
        part = min(1.0, abs(level - spot.y) / spot.h)
        side = spot.x - spot.w * ((1 - part * part) ** 0.5 if target.kind == "pointwise" else 1.0)
        way = [*way, *curve_of([way[-1], (side, level)])[1:]]
        bold = any(
            (target in path and (source in path or source is before)) for (before, _), path in self.conveyors.items()
        )
        return self._wire(source, target, way, bold)

    def _from(self, source: Part, target: Hashable, spots: dict[Part, Spot]) -> Curve:
        """The curve of an edge, from the side of a part, from the label of a state, or from an input below."""
        way = [(self.x0 + x, y) for x, y in self.found.ways[source, target]]
        spot = spots[source]
        if source.kind == "state":
            return [*curve_of([(spot.x + spot.w, spot.y), way[0]]), *way[1:]]
        if source.kind == "input":
            (x, y), low = way[0], spot.y - spot.h
            turn = [] if spot.x == x else [(spot.x, self.box[3] + 12), (x + 6, self.box[3] + 12)]
            x = x if spot.x == x else x + 6
            return [*curve_of([(spot.x, low), *turn, (x, y), (x + RADIUS, y)], RADIUS), *way[1:]]
        if source in self.named or (source.kind == "join" and source.marks):
            return [*curve_of([(spot.x + spot.w, spot.y), way[0]]), *way[1:]]
        return way

    @staticmethod
    def _wire(source: Part, target: Part, way: Curve, bold: bool = False) -> Wire:
        return Wire(source, target, tuple(way), bold, curved=True)
