"""The wires of a placed cell: rectangular ways with rounded corners, gaps where they cross, and a check."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tinygrad_lstm.draw.cells.curves import GAP, RADIUS, Point
from tinygrad_lstm.draw.cells.parts import Part
from tinygrad_lstm.draw.cells.placement import (
    CONVEYOR,
    LEFT,
    RAIL_GAP,
    ROW,
    Placement,
    Spot,
    UnplacedError,
    half_of,
    half_of_name,
    spread,
)

__all__ = ["Plan", "Wire", "plan"]


@dataclass(frozen=True)
class Wire:
    """One edge of the picture: its way, and whether it is part of the conveyor or a peephole.

    The way is rectangular; a ``curved`` one is a start and three points for each cubic Bézier curve.
    """

    source: Part
    target: Part
    way: tuple[Point, ...]
    bold: bool = False
    peephole: bool = False
    gaps: tuple[Point, ...] = ()
    curved: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that has a place: parts, wires, the names on the wires, and the cell's box."""

    spots: dict[Part, Spot]
    wires: tuple[Wire, ...]
    labels: tuple[tuple[Part, float, float], ...]
    box: tuple[float, float, float, float]


def plan(placement: Placement) -> Plan:
    """Route every wire.

    Raises:
        UnplacedError: when a wire finds no way, or would run over a part or over another wire.
    """
    router = _Router(placement)
    wires = _with_gaps(router.wires)
    _check(wires, router.spots)
    return Plan(router.spots, tuple(wires), tuple(router.labels()), router.box)


class _Router:
    def __init__(self, placement: Placement) -> None:
        self.p = p = placement
        self.spots = dict(p.spots)
        self.wires: list[Wire] = []
        states = [before for before, _ in p.anatomy.states]
        self.x_of = p.input_x
        self.gap_x: dict[Part, float] = {}
        for column, parts in p.gaps.items():
            at = p.columns[column]
            edge = max(self.spots[q].x + self.spots[q].w for q in (at.base, *at.stack, at.top) if q)
            self.gap_x.update({part: edge + 22 + 24 * k for k, part in enumerate(parts)})
        self.end = max([p.end, *self.gap_x.values()])
        self._reach_of_rails()
        self.lowest = max([p.layer_y + 63, *p.rail_y.values()])
        self._lanes(states)
        self._frame()
        self._joins()
        for part in p.anatomy.parts:
            for source in dict.fromkeys(part.reads):
                self._wire(source, part)

    def _reach_of_rails(self) -> None:
        p = self.p
        self.rail_end: dict[Part, float] = {}
        for part in p.inner():
            for r in part.reads:
                if part.kind != "join" and p.on_rail(r, part):
                    self.rail_end[r] = max(self.rail_end.get(r, 0.0), self.spots[part].x)

    def _rails_with(self, part: Part) -> list[Part]:
        return [r for r in self.p.rails if r is part or (r.kind == "join" and part in r.reads)]

    def _lanes(self, states: list[Part]) -> None:
        """The heights at which states other than the conveyor's enter and leave."""
        p, carried = self.p, self.p.carried
        self.entry: dict[Part, float] = {} if carried is None else {carried[0]: CONVEYOR}
        self.lane: dict[Part, float] = {} if carried is None else {carried[1]: CONVEYOR}
        taken: list[float] = []
        for before, after in p.anatomy.states:
            if (before, after) == carried:
                continue
            rails = [r for r in self._rails_with(before) if p.rail_y[r] not in self.entry.values()]
            if not rails:
                self.lowest += RAIL_GAP
            self.entry[before] = p.rail_y[rails[0]] if rails else self.lowest
            source = after.reads[0]
            start = self.spots[source].x if source in self.spots else self.end
            here = self.entry[before]
            busy = [self.rail_end.get(r, 0.0) for r, y in p.rail_y.items() if y == here]
            if here in taken or any(end > start for end in busy):
                self.lowest += RAIL_GAP
                here = self.lowest
            self.lane[after] = here
            taken.append(here)

    def _frame(self) -> None:
        p = self.p
        carried_out = p.carried is not None and p.carried[1].reads[0]
        shown = p.anatomy.shown
        far = 72.0 if any(s.reads[0] is carried_out for s in shown) else 37.0
        self.top_x = spread(shown, self.end + far, 70)
        right = max([self.end + 37, *self.top_x.values()]) + 40
        heights = [s.y - s.h for s in self.spots.values()]
        top = CONVEYOR - 46 if p.carried is not None else min(heights, default=CONVEYOR) - 60
        bottom = self.lowest + 57 if len(p.rails) < 2 else self.lowest + 41
        self.box = (LEFT, top, right, bottom)
        for part, x in self.x_of.items():
            self.spots[part] = Spot(x, bottom + 53, half_of(part, 32), 32)
        for part, x in self.top_x.items():
            self.spots[part] = Spot(x, top - 57, half_of(part, 32), 32)
        for part, y in self.entry.items():
            self.spots[part] = Spot(LEFT - 57 - half_of(part, 16), y, half_of(part, 16), 15)
        for part, y in self.lane.items():
            self.spots[part] = Spot(right + 62 + half_of(part, 16), y, half_of(part, 16), 15)

    def _joins(self) -> None:
        """A join stands where the last of its lines has merged."""
        for part in self.p.inner():
            if part.kind == "join":
                if part not in self.p.rail_y:
                    raise UnplacedError("a concatenation feeds no layer")
                x = max(self._merge_x(r) for r in part.reads) + RADIUS
                self.spots[part] = Spot(x, self.p.rail_y[part], 0.5, 0.5)

    def _merge_x(self, source: Part) -> float:
        if source in self.p.segment:
            return self._tap_x(source)
        if source in self.x_of:
            return self.x_of[source]
        if source.kind == "state":
            return LEFT + 30
        if source.kind == "join":
            raise UnplacedError("a concatenation feeds another one and a layer")
        return self._descent_x(source)

    def _tap_x(self, source: Part) -> float:
        """Where a wire leaves the conveyor towards a rail."""
        p = self.p
        if p.segment[source]:
            return self.spots[source].x + 46
        lowest = max([p.rail_y[j] for j in self._rails_with(source)], default=0.0)
        highest = min([p.rail_y[j] for i in self.x_of for j in self._rails_with(i)], default=9e9)
        return p.inputs_x if lowest <= highest and len(self.x_of) == 1 else p.inputs_x + 22

    def _descent_x(self, source: Part) -> float:
        return self.gap_x.get(source, self.spots[source].x)

    def _descent(self, source: Part, y: float) -> list[Point]:
        """From a part of a column down to a rail or lane."""
        spot, p = self.spots[source], self.p
        x = self._descent_x(source)
        if not p.goes_down(source):
            return [(spot.x, spot.y + spot.h), (spot.x, y)]
        if not p.is_base(source):
            return [(spot.x + spot.w, spot.y), (x, spot.y), (x, y)]
        column = p.columns[p.column_of[source]]
        clear = not column.stack and column.top is None
        bend = spot.y - (ROW if clear else spot.h + 12)
        return [(spot.x, spot.y - spot.h), (spot.x, bend), (x, bend), (x, y)]

    def _add(self, source: Part, target: Part, *way: Point, bold: bool = False, peephole: bool = False) -> None:
        self.wires.append(Wire(source, target, _simplified(way), bold, peephole))

    def _wire(self, source: Part, target: Part) -> None:
        if target.kind == "join":
            self._add(source, target, *self._to_rail(source, target), self._centre(target))
        elif target.kind in ("next", "output"):
            self._out(source, target)
        elif self.p.is_base(target):
            self._to_layer(source, target)
        else:
            self._to_operation(source, target)

    def _centre(self, part: Part) -> Point:
        return self.spots[part].x, self.spots[part].y

    def _to_rail(self, source: Part, rail: Part) -> list[Point]:
        """From a value's origin onto the height of a rail."""
        y, spot = self.p.rail_y[rail], self.spots[source]
        if source in self.p.segment:
            return [(spot.x + spot.w, CONVEYOR), (self._tap_x(source), CONVEYOR), (self._tap_x(source), y)]
        if source in self.x_of:
            return [(spot.x, spot.y - spot.h), (spot.x, y)]
        if source.kind == "state":
            x = LEFT + 18
            return [(spot.x + spot.w, spot.y)] + ([] if spot.y == y else [(x, spot.y), (x, y)])
        if source.kind == "join":
            return [self._centre(source)]
        return self._descent(source, y)

    def _to_layer(self, source: Part, target: Part) -> None:
        p, spot, start = self.p, self.spots[target], self.spots[source]
        below = [r for r in p.rails if r in target.reads]
        if source in p.rail_y and source in below:
            x = spot.x + 18 * (below.index(source) - (len(below) - 1) / 2)
            self._add(source, target, *self._to_rail(source, source), (x, p.rail_y[source]), (x, spot.y + spot.h))
            return
        begin = (start.x + start.w, CONVEYOR)
        if not below:
            self._add(source, target, begin, (spot.x, CONVEYOR), (spot.x, spot.y - spot.h))
            return
        side = spot.x - spot.w + 12
        k = p.segment[source]
        next_x = self.spots[p.conveyor[k]].x if k < len(p.conveyor) else self.box[2]
        if start.x + start.w + RADIUS < side < next_x - 16 - RADIUS and k:
            way: list[Point] = [(side, CONVEYOR), (side, spot.y - spot.h)]
        else:
            tap = max(start.x + start.w, p.inputs_x) + 16
            bend = spot.y - spot.h - 18
            first = min(c.x for c in p.columns if c.x > tap)
            straight = spot.x == first
            way = [(tap, CONVEYOR), (tap, spot.y if straight else bend)]
            way += [(spot.x - spot.w, spot.y)] if straight else [(side, bend), (side, spot.y - spot.h)]
        self._add(source, target, begin, *way, peephole=True)

    def _to_operation(self, source: Part, target: Part) -> None:
        p, spot, start = self.p, self.spots[target], self.spots[source]
        port = p.port[source, target]
        bottom, top, left = (spot.x, spot.y + spot.h), (spot.x, spot.y - spot.h), (spot.x - spot.w, spot.y)
        if source in p.rail_y and p.on_rail(source, target):
            self._add(source, target, *self._to_rail(source, source), (spot.x, p.rail_y[source]), bottom)
        elif source in p.segment and port == "left":
            self._add(source, target, (start.x + start.w, CONVEYOR), left, bold=True)
        elif source in p.segment:
            self._add(source, target, (start.x + start.w, CONVEYOR), (spot.x, CONVEYOR), top)
        elif target in p.corner:
            corner = self.spots[p.corner[target]]
            self._add(source, target, *self._sideways(source, corner), (corner.x, corner.y), bottom)
        elif port == "bottom":
            self._add(source, target, (start.x, start.y - start.h), bottom)
        elif port == "top":
            self._add(source, target, (start.x, start.y + start.h), top)
        else:
            self._add(source, target, *self._sideways(source, spot), left)

    def _sideways(self, source: Part, to: Spot) -> list[Point]:
        spot = self.spots[source]
        if abs(spot.y - to.y) < 1:
            return [(spot.x + spot.w, spot.y)]
        if to.y < spot.y and not self.p.columns[self.p.column_of[source]].hanging:
            return [(spot.x, spot.y - spot.h), (spot.x, to.y)]
        x = spot.x + spot.w + 14
        return [(spot.x + spot.w, spot.y), (x, spot.y), (x, to.y)]

    def _out(self, source: Part, target: Part) -> None:
        """To the right side of the cell, or to the circle above it."""
        p, spot = self.p, self.spots[target]
        end = (spot.x - spot.w, spot.y) if target.kind == "next" else (spot.x, spot.y + spot.h)
        if source not in self.p.column_of:
            raise UnplacedError("an input goes out as it came in")
        start = self.spots[source]
        lanes = [self.lane[a] for _, a in p.anatomy.states if a.reads[0] is source]
        if source in p.segment:
            begin = (start.x + start.w, CONVEYOR)
            if target.kind == "output":
                self._add(source, target, begin, (spot.x, CONVEYOR), end)
            elif self.lane[target] == CONVEYOR:
                self._add(source, target, begin, end, bold=True)
            else:
                x = self.end + 14
                self._add(source, target, begin, (x, CONVEYOR), (x, spot.y), end)
        elif target.kind == "next":
            self._add(source, target, *self._descent(source, spot.y), end)
        elif lanes and p.carried is not None:
            self._add(source, target, *self._descent(source, lanes[0]), (spot.x, lanes[0]), end)
        else:
            way = self._descent(source, CONVEYOR)
            if not p.goes_down(source):
                way = [(start.x + start.w, start.y)]
            elif self.p.is_base(source):
                way = way[:2]
            else:
                way = way[:1]
            self._add(source, target, *way, (spot.x, way[-1][1]), end)

    def labels(self) -> list[tuple[Part, float, float]]:
        """Where the middle of names is that stand beside the wires out of layers and operations, upwards."""
        found = []
        out = {a.reads[0] for _, a in self.p.anatomy.states}
        for part in self.p.inner():
            if part.name and part not in out and part.kind in ("layer", "pointwise") and part not in self.p.segment:
                spot = self.spots[part]
                column = self.p.columns[self.p.column_of[part]]
                free = part is column.base and column.top is not None and not column.stack
                up = 60 if free else 18 if self.p.is_base(part) else 10
                found.append((part, spot.x + 10 + half_of_name(part.name), spot.y - spot.h - up))
        return found


def _simplified(way: Sequence[Point]) -> tuple[Point, ...]:
    """The way without points where it does not turn."""
    result: list[Point] = []
    for point in way:
        if result and abs(point[0] - result[-1][0]) < 0.01 and abs(point[1] - result[-1][1]) < 0.01:
            continue
        if len(result) > 1 and any(
            abs(result[-2][k] - result[-1][k]) + abs(result[-1][k] - point[k]) < 0.01 for k in (0, 1)
        ):
            result[-1] = point
        else:
            result.append(point)
    if any(abs(a[0] - b[0]) > 0.01 and abs(a[1] - b[1]) > 0.01 for a, b in pairwise(result)):
        raise UnplacedError("a wire is not rectangular")
    return tuple(result)


def _related(a: Wire, b: Wire) -> bool:
    """Wires that carry one value, or merge: they may touch and overlap."""
    return (
        a.source is b.source
        or (a.target is b.target and a.target.kind == "join")
        or a.target is b.source
        or (b.target is a.source)
    )


def _with_gaps(wires: list[Wire]) -> list[Wire]:
    """Vertical wires are interrupted where they cross a horizontal one that carries something else."""
    result = []
    for wire in wires:
        gaps = set()
        for (x, y0), (x1, y1) in pairwise(wire.way):
            if x != x1:
                continue
            low, high = sorted((y0, y1))
            for other in wires:
                for (a, y), (b, y2) in pairwise(other.way):
                    inside = min(a, b) + 2 < x < max(a, b) - 2 and low + GAP + 2 < y < high - GAP - 2
                    if y == y2 and inside and other.source is not wire.source:
                        gaps.add((x, y))
        result.append(replace(wire, gaps=tuple(sorted(gaps))))
    return result


def _check(wires: list[Wire], spots: dict[Part, Spot]) -> None:
    for wire in wires:
        for a, b in pairwise(wire.way):
            for part, s in spots.items():
                if part in (wire.source, wire.target) or part.kind == "join" or s.w == 0:
                    continue
                apart = max(a[0], b[0]) <= s.x - s.w - 1 or min(a[0], b[0]) >= s.x + s.w + 1
                if not apart and max(a[1], b[1]) > s.y - s.h - 1 and min(a[1], b[1]) < s.y + s.h + 1:
                    raise UnplacedError(f"the wire to {wire.target.label} runs over {part.label}")
    for k, wire in enumerate(wires):
        for other in wires[:k]:
            if not _related(wire, other):
                _check_overlap(wire, other)


def _check_overlap(wire: Wire, other: Wire) -> None:
    for a, b in pairwise(wire.way):
        for c, d in pairwise(other.way):
            for k in (0, 1):
                if a[k] == b[k] and c[k] == d[k] and abs(a[k] - c[k]) < 4:
                    shared = min(max(a[1 - k], b[1 - k]), max(c[1 - k], d[1 - k])) - max(
                        min(a[1 - k], b[1 - k]), min(c[1 - k], d[1 - k])
                    )
                    if shared > 1:
                        raise UnplacedError("two wires run over each other")
