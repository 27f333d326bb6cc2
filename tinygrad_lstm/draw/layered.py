"""A layout in columns from left to right, with lanes: what comes in on the left at some height and leaves at the same.

The columns follow the longest path (Sugiyama, Tagawa and Toda 1981, doi:10.1109/TSMC.1981.4308636), the order in them
the means of neighbours, and heights are pulled towards those of neighbours as far as the order lets them.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

__all__ = ["APART", "Curve", "Lane", "Layered", "Point", "Size", "curve_of", "layered"]

Key = Hashable
Point = tuple[float, float]
Size = tuple[float, float]
"""Width and height."""
Curve = list[Point]
"""A start, then three points for each cubic Bézier curve."""

SWEEPS: Final = 12
ROUNDS: Final = 60
APART: Final = 9.0
PORTS: Final = 9.0
PORT: Final = (0.0, 8.0)
"""The size of an entrance or way out: there may be something before it."""
BESIDE_A_BEND: Final = 6.0
CHANNEL: Final = 14.0


@dataclass(frozen=True)
class Lane:
    """Something that enters on the left and leaves on the right at one height.

    Attributes:
        entry: the key of the entrance, or None.
        exit: the key of the way out, or None.
        through: what it goes through in a straight line, from left to right.
    """

    entry: Key | None
    exit: Key | None
    through: tuple[Key, ...] = ()


@dataclass
class Layered:
    """Where everything stands; y counts downwards.

    Attributes:
        places: the middle of each item, of entrances and ways out too.
        ways: for each edge the curve from the right side of its source to the left of its target.
        wide: from the entrances to the ways out.
        top, bottom: of all items.
    """

    places: dict[Key, Point] = field(default_factory=dict)
    ways: dict[tuple[Key, Key], Curve] = field(default_factory=dict)
    wide: float = 0.0
    top: float = 0.0
    bottom: float = 0.0


def layered(
    sizes: Mapping[Key, Size],
    edges: Sequence[tuple[Key, Key]],
    lanes: Sequence[Lane] = (),
    *,
    oval: frozenset[Key] = frozenset(),
    near: frozenset[Key] = frozenset(),
    level: frozenset[Key] = frozenset(),
    channel: float = CHANNEL,
    apart: float = APART,
    ports: Mapping[Key, float] | None = None,
) -> Layered:
    """Lay out an acyclic graph.

    Args:
        sizes: of the items; those at the ends of lanes have none.
        edges: between items and ends of lanes.
        lanes: from the highest to the lowest. Those that go through items stand above everything else.
        oval: items with the shape of an ellipse.
        near: items that stand beside their reader, however far on the left they could.
        level: items that stand in one column, where their readers let them.
        channel: the room between two columns.
        apart: the room between two items of a column.
        ports: for items how far apart the wires into them end, if not as usual.

    >>> found = layered({"a": (20, 10), "b": (20, 10)}, [("a", "b")])
    >>> found.places["b"], found.ways["a", "b"][0], found.ways["a", "b"][-1]
    ((44.0, 0.0), (20.0, 0.0), (34.0, 0.0))
    """
    return _Layout(sizes, edges, lanes, oval, near, level, (channel, apart), ports or {}).result()


def curve_of(points: Sequence[Point], radius: float = 7.0) -> Curve:
    """A rectangular line through ``points`` with round corners.

    >>> curve_of([(0.0, 0.0), (30.0, 0.0)])
    [(0.0, 0.0), (10.0, 0.0), (20.0, 0.0), (30.0, 0.0)]
    """
    found: Curve = [points[0]]
    for k in range(1, len(points)):
        corner = points[k]
        if k + 1 == len(points):
            _straight(found, corner)
            break
        before, after = points[k - 1], points[k + 1]
        near = min(radius, _far(before, corner) / 2, _far(corner, after) / 2)
        start, end = _towards(corner, before, near), _towards(corner, after, near)
        _straight(found, start)
        found += [_towards(corner, start, near * 0.45), _towards(corner, end, near * 0.45), end]
    return found


def _far(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, by: float) -> Point:
    part = by / _far(a, b) if _far(a, b) else 0.0
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part


def _straight(curve: Curve, end: Point) -> None:
    (x0, y0), (x1, y1) = curve[-1], end
    if _far((x0, y0), end) > 0.01:
        curve += [(x0 + (x1 - x0) / 3, y0 + (y1 - y0) / 3), (x0 + (x1 - x0) * 2 / 3, y0 + (y1 - y0) * 2 / 3), end]


def _bent(curve: Curve, end: Point) -> None:
    """Go on to ``end``, level at both ends."""
    (x0, y0), (x1, y1) = curve[-1], end
    if abs(y0 - y1) < 0.01:
        _straight(curve, end)
    else:
        middle = (x0 + x1) / 2
        curve += [(middle, y0), (middle, y1), end]


@dataclass(frozen=True)
class _Bend:
    """Where the wires of one source pass a column."""

    source: Key
    column: int


class _Layout:
    """The work of :func:`layered`, in the order of the methods."""

    def __init__(
        self,
        sizes: Mapping[Key, Size],
        edges: Sequence[tuple[Key, Key]],
        lanes: Sequence[Lane],
        oval: frozenset[Key],
        near: frozenset[Key],
        level: frozenset[Key],
        rooms: tuple[float, float],
        ports: Mapping[Key, float],
    ) -> None:
        self.entries = [lane.entry for lane in lanes if lane.entry is not None]
        self.exits = [lane.exit for lane in lanes if lane.exit is not None]
        self.lanes, self.oval, self.near, self.level = lanes, oval, near, level
        (self.channel, self.apart), self.between_ports = rooms, ports
        self.sizes: dict[Any, Size] = dict(sizes) | dict.fromkeys((*self.entries, *self.exits), PORT)
        self.edges = list(dict.fromkeys(edges))
        self.before: dict[Key, list[Key]] = {key: [] for key in self.sizes}
        self.after: dict[Key, list[Key]] = {key: [] for key in self.sizes}
        for a, b in self.edges:
            self.after[a].append(b)
            self.before[b].append(a)

    def result(self) -> Layered:
        self._rank()
        self._bend()
        self._order()
        self._heights()
        return self._drawn()

    def _rank(self) -> None:
        """The column of each item."""
        count = {key: len(self.before[key]) for key in self.sizes}
        first = 1 if self.entries else 0
        self.column: dict[Any, int] = {}
        ready = [key for key in self.sizes if not count[key]]
        order = []
        while ready:
            key = ready.pop()
            order.append(key)
            behind = max([self.column[b] + 1 for b in self.before[key]], default=0)
            self.column[key] = 0 if key in self.entries else max(first, behind)
            for reader in self.after[key]:
                count[reader] -= 1
                if not count[reader]:
                    ready.append(reader)
        last = max([c for key, c in self.column.items() if key not in self.exits], default=0) + bool(self.exits)
        for key in reversed(order):
            if key in self.exits:
                self.column[key] = last
            elif key in self.near and not self.before[key] and self.after[key]:
                self.column[key] = max(first, min(self.column[r] for r in self.after[key]) - 1)
        aligned = max([self.column[key] for key in self.level], default=0)
        for key in self.level:
            if all(self.column[r] > aligned for r in self.after[key]):
                self.column[key] = aligned
        self.count = last + 1

    def _bend(self) -> None:
        """Items in the columns that wires pass, and the wires from column to column."""
        self.links: dict[Any, list[Any]] = {}
        for a, b in self.edges:
            at: Any = a
            for column in range(self.column[a] + 1, self.column[b]):
                bend = _Bend(a, column)
                if bend not in self.column:
                    self.column[bend] = column
                    self.sizes[bend] = (0.0, 0.0)
                if bend not in self.links.setdefault(at, []):
                    self.links[at].append(bend)
                at = bend
            self.links.setdefault(at, []).append(b)
        self.back: dict[Any, list[Any]] = {}
        for a, targets in self.links.items():
            for b in targets:
                self.back.setdefault(b, []).append(a)
        # What a lane goes through, the bends between included.
        self.lane_of: dict[Any, int] = {}
        for k, lane in enumerate(self.lanes):
            stops = [s for s in (lane.entry, *lane.through, lane.exit) if s is not None]
            if lane.through:
                self.lane_of |= dict.fromkeys(stops, k)
                for a, b in pairwise(stops):
                    bends = (_Bend(a, c) for c in range(self.column[a] + 1, self.column[b]))
                    self.lane_of |= {bend: k for bend in bends if bend in self.column}

    def _order(self) -> None:
        """The order in each column, with few crossings."""
        columns: list[list[Any]] = [[] for _ in range(self.count)]
        for key, column in self.column.items():
            columns[column].append(key)
        fixed = {id(columns[0])} if self.entries else set()
        if self.entries:
            columns[0][:] = [*self.entries, *[k for k in columns[0] if k not in self.entries]]
        if self.exits:
            columns[-1][:] = [*self.exits, *[k for k in columns[-1] if k not in self.exits]]
            fixed.add(id(columns[-1]))
        best, fewest = [list(c) for c in columns], self._crossings(columns)
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for k in range(1, self.count) if forward else range(self.count - 2, -1, -1):
                near = columns[k - 1] if forward else columns[k + 1]
                at = {key: j for j, key in enumerate(near)}
                if id(columns[k]) not in fixed:
                    self._sort(columns[k], at, self.back if forward else self.links)
            found = self._crossings(columns)
            if found < fewest or sweep == 0:
                best, fewest = [list(c) for c in columns], found
        self.columns = best

    def _sort(self, column: list[Any], at: Mapping[Any, int], near: Mapping[Any, list[Any]]) -> None:
        means = {}
        for j, key in enumerate(column):
            places = [at[n] for n in near.get(key, ()) if n in at]
            means[key] = sum(places) / len(places) if places else float(j)
        column.sort(key=lambda key: (self.lane_of.get(key, len(self.lanes)), means[key]))

    def _crossings(self, columns: Sequence[Sequence[Any]]) -> int:
        total = 0
        for left, right in pairwise(columns):
            at = {key: j for j, key in enumerate(right)}
            seen: list[int] = []
            for key in left:
                places = [at[b] for b in self.links.get(key, ()) if b in at]
                total += sum(len(seen) - bisect_left(seen, p + 1) for p in places)
                for p in places:
                    insort(seen, p)
        return total

    def _heights(self) -> None:
        """The height of each item: those of one lane have one, and so have the bends of a wire if order lets them."""
        group: dict[Any, Any] = {}
        for k, lane in enumerate(self.lanes):
            group |= dict.fromkeys([e for e in (lane.entry, lane.exit) if e is not None], ("lane", k))
        group |= {key: ("lane", k) for key, k in self.lane_of.items()}
        wires: dict[Any, list[Any]] = {}
        for key in self.column:
            if isinstance(key, _Bend) and key not in group:
                wires.setdefault(key.source, []).append(key)
        for source, bends in wires.items():
            tried = group | dict.fromkeys(bends, ("wire", source))
            if len(bends) > 1 and _order_of(self._over(tried)[1]) is not None:
                group = tried
        of, over, under = self._over(group)
        order = _order_of(over) or []
        y: dict[Any, float] = {}
        for g in order:
            y[g] = max([y[o] + gap for o, gap in over[g].items()], default=0.0)
        pulls: dict[Any, list[tuple[Any, float]]] = {g: [] for g in over}
        for a, targets in self.links.items():
            for b in targets:
                weight = 1.0 + 3.0 * isinstance(a, _Bend) + 3.0 * isinstance(b, _Bend)
                if of[a] != of[b]:
                    pulls[of[a]].append((of[b], weight))
                    pulls[of[b]].append((of[a], weight))
        for k in range(ROUNDS):
            for g in order if k % 2 else reversed(order):
                if pulls[g]:
                    total = sum(weight for _, weight in pulls[g])
                    wanted = sum(y[o] * weight for o, weight in pulls[g]) / total
                    low = max([y[o] + gap for o, gap in over[g].items()], default=-9e9)
                    high = min([y[u] - gap for u, gap in under[g].items()], default=9e9)
                    y[g] = min(max(wanted, low), high)
        self.y = {key: y[g] for key, g in of.items()}

    def _over(self, group: Mapping[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
        """The group of each item; for each group what stands over it and under it, and how far away at least."""
        of = {key: group.get(key, key) for column in self.columns for key in column}
        over: dict[Any, dict[Any, float]] = {g: {} for g in of.values()}
        under: dict[Any, dict[Any, float]] = {g: {} for g in of.values()}
        for column in self.columns:
            for a, b in pairwise(column):
                tall = (self.sizes[a][1] + self.sizes[b][1]) / 2
                gap = tall + (BESIDE_A_BEND if isinstance(a, _Bend) and isinstance(b, _Bend) else self.apart)
                under[of[a]][of[b]] = max(gap, under[of[a]].get(of[b], 0.0))
                over[of[b]][of[a]] = under[of[a]][of[b]]
        return of, over, under

    def _drawn(self) -> Layered:
        found = Layered()
        widths = [max([self.sizes[key][0] for key in column], default=0.0) for column in self.columns]
        lefts, x = [], 0.0
        for width in widths:
            lefts.append(x)
            x += width + self.channel
        found.wide = x - self.channel
        middle = {key: lefts[c] + widths[c] / 2 for key, c in self.column.items()}
        found.places = {key: (middle[key], self.y[key]) for key in self.column if not isinstance(key, _Bend)}
        found.top = min([self.y[key] - h / 2 for key, (_, h) in self.sizes.items()], default=0.0)
        found.bottom = max([self.y[key] + h / 2 for key, (_, h) in self.sizes.items()], default=0.0)
        ports = self._ports()
        for a, b in self.edges:
            curve: Curve = [(middle[a] + self.sizes[a][0] / 2, self.y[a])]
            _straight(curve, (lefts[self.column[a]] + widths[self.column[a]], self.y[a]))
            for column in range(self.column[a] + 1, self.column[b]):
                height = self.y[_Bend(a, column)]
                _bent(curve, (lefts[column], height))
                _straight(curve, (lefts[column] + widths[column], height))
            dy, inside = ports[a, b]
            _bent(curve, (lefts[self.column[b]], self.y[b] + dy))
            _straight(curve, (middle[b] - self.sizes[b][0] / 2 + inside, self.y[b] + dy))
            found.ways[a, b] = curve
        return found

    def _ports(self) -> dict[tuple[Any, Any], tuple[float, float]]:
        """For each edge where it meets its target: how far below the middle, and how far inside of the left end."""
        found = {}
        for key, sources in self.before.items():

            def height(a: Any, key: Any = key) -> float:
                last = self.column[key] - 1
                return self.y[_Bend(a, last)] if last > self.column[a] else self.y[a]

            ranked = sorted(sources, key=height)
            w, h = self.sizes[key]
            lanes = [k for k, a in enumerate(ranked) if self.lane_of.get(a, -1) == self.lane_of.get(key, -2)]
            # What comes on the lane of its target goes straight on; the others beside it.
            middle = lanes[0] if lanes else (len(ranked) - 1) / 2
            apart = min(self.between_ports.get(key, PORTS), 0.42 * h / max(0.5, middle, len(ranked) - 1 - middle))
            for k, a in enumerate(ranked):
                dy = apart * (k - middle)
                inside = w / 2 * (1 - (1 - min(1.0, 2 * abs(dy) / h) ** 2) ** 0.5) if key in self.oval and h else 0.0
                found[a, key] = (dy, inside)
        return found


def _order_of(over: Mapping[Any, Mapping[Any, float]]) -> list[Any] | None:
    """The groups from above to below; None where they stand in a circle."""
    under: dict[Any, list[Any]] = {g: [] for g in over}
    for g, above in over.items():
        for o in above:
            under[o].append(g)
    waiting = {g: len(above) for g, above in over.items()}
    ready = [g for g, n in waiting.items() if not n]
    order = []
    while ready:
        g = ready.pop(0)
        order.append(g)
        for below in under[g]:
            waiting[below] -= 1
            if not waiting[below]:
                ready.append(below)
    return order if len(order) == len(over) else None
