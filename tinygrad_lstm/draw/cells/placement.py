"""Where the parts of a cell stand: columns, rows and rails, by rules that hold for any small cell.

The *conveyor* is the way of a state through pointwise operations to its next value; it runs straight along the top.
Each layer opens a column; an operation stands above its rightmost operand, or hangs below what it reads from the
conveyor. *Rails* at the bottom bring inputs and joined vectors to the layers. Units: 0.75 points; y grows downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.markup import pretty, split_name, width_of

__all__ = [
    "Column",
    "Placement",
    "Spot",
    "UnplacedError",
    "find_conveyor",
    "find_conveyors",
    "half_of",
    "half_of_name",
    "spread",
]

LEFT, CONVEYOR, ROW, RAIL_DROP, RAIL_GAP = 119.0, 149.0, 55.7, 63.0, 36.0
MOST_PARTS = 60
_BRACES = {ord(mark): None for mark in "_{}"}


class UnplacedError(Exception):
    """The rules do not fit this cell; it stands in columns."""


def find_conveyor(anatomy: Anatomy) -> tuple[tuple[Part, Part] | None, list[Part]]:
    """The state that goes through pointwise operations to its next value, and these; the last one where several do."""
    carried, conveyor = None, list[Part]()
    for before, after in anatomy.states:
        path = _pointwise_path(before, after.reads[0])
        if path:
            carried, conveyor = (before, after), path
    return carried, conveyor


def find_conveyors(anatomy: Anatomy) -> dict[tuple[Part, Part], list[Part]]:
    """The states that go through pointwise operations to their next value, and these; of two that meet the last."""
    found: dict[tuple[Part, Part], list[Part]] = {}
    taken: set[Part] = set()
    for before, after in reversed(anatomy.states):
        path = _pointwise_path(before, after.reads[0])
        if path and not taken & set(path):
            found[before, after] = path
            taken |= set(path)
    return found


def _pointwise_path(before: Part, end: Part) -> list[Part]:
    """The shortest way from a state through pointwise operations, or nothing."""
    behind: dict[Part, Part] = {}
    reached = [end]
    for part in reached:
        if part is before:
            path = [part]
            while path[-1] is not end:
                path.append(behind[path[-1]])
            return path[1:]
        if part.kind == "pointwise":
            for r in part.reads:
                if r is not end and r not in behind and r.kind in ("pointwise", "state"):
                    behind[r] = part
                    reached.append(r)
    return []


def half_of(part: Part, least: float) -> float:
    """Half the width that the name of an input, state or output takes."""
    if split_name(part.label) is None:
        return max(least, width_of(part.label, 23) / 2 + 14)
    return max(least, width_of(pretty(part.label).translate(_BRACES), 19) / 2 + 8)


def half_of_name(name: str) -> float:
    """Half the width of a name on a wire."""
    if split_name(name) is not None:
        return 6.0 * max(2, len(pretty(name)) - 1)
    return width_of(name, 19.5) / 2 + 3


def spread(parts: Sequence[Part], start: float, least: float) -> dict[Part, float]:
    """Where circles with names stand beside each other, the first at ``start``."""
    places: dict[Part, float] = {}
    for k, part in enumerate(parts):
        if k:
            start += max(least, half_of(parts[k - 1], 32) + half_of(part, 32) + 8)
        places[part] = start
    return places


@dataclass(frozen=True)
class Spot:
    """Centre and half sizes."""

    x: float
    y: float
    w: float
    h: float


@dataclass
class Column:
    """What stands above each other: a layer, operations from the lowest to the highest, one on the conveyor."""

    base: Part | None = None
    stack: list[Part] = field(default_factory=list)
    top: Part | None = None
    hanging: bool = False
    x: float = 0.0


class Placement:
    """The rules applied to one cell.

    Attributes:
        spots: where each part stands.
        port: by which side a wire enters an operation: ``left``, ``top`` or ``bottom``.
        rails: the values that are brought from below, from the upper rail to the lowest.
        gaps: the values that go down to a rail or a lane right of a column, by column.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        if len(anatomy.parts) > MOST_PARTS:
            raise UnplacedError("too many parts")
        self.carried, self.conveyor = find_conveyor(anatomy)
        self.segment: dict[Part, int] = {}
        if self.carried is not None:
            self.segment = {part: k for k, part in enumerate([self.carried[0], *self.conveyor])}
        self.depth: dict[Part, int] = {}
        for part in anatomy.parts:
            self.depth[part] = self.segment.get(part, max([self.depth[r] for r in part.reads], default=-1))
        # What operations make of the conveyor alone: it hangs from there, right of the layers that it meets. So does
        # a layer that looks at nothing else.
        self.hangs: dict[Part, int] = {}
        for part in anatomy.parts:
            below = [-1] if self._stands(part) else [self.hangs[r] for r in part.reads]
            self.hangs[part] = self.segment.get(part, max(below, default=-1))
        self.columns: list[Column] = []
        self.column_of: dict[Part, int] = {}
        self.port: dict[tuple[Part, Part], str] = {}
        self.corner: dict[Part, Part] = {}
        self._taken: set[Part] = set()
        self._fill_columns()
        self.rails = self._find_rails()
        self.gaps: dict[int, list[Part]] = {}
        self._find_gaps()
        self.spots: dict[Part, Spot] = {}
        self._place()

    def _stands(self, part: Part) -> bool:
        """Whether the part is a layer in the row of layers."""
        return part.kind == "layer" and not (part.reads and all(r in self.segment for r in part.reads))

    def is_base(self, part: Part) -> bool:
        """Whether the part is the layer at the foot of its column."""
        return part in self.column_of and self.columns[self.column_of[part]].base is part

    def inner(self) -> list[Part]:
        """The parts inside of the cell."""
        return [p for p in self.anatomy.parts if p.kind in ("layer", "pointwise", "op", "join")]

    def _fill_columns(self) -> None:
        inner = self.inner()
        for k, part in enumerate(self.conveyor):
            for reader in inner:
                # What a layer made of the conveyor counts as read from there.
                reads_here = any(
                    self.segment.get(r) == k or (r.kind == "layer" and self.hangs[r] == k) for r in reader.reads
                )
                if reads_here and reader.kind in ("pointwise", "op") and self.depth[reader] == k:
                    self._emit(reader)
            self._emit(part)
        for _, after in self.anatomy.states:
            self._emit(after.reads[0])
        for part in inner:
            self._emit(part)

    def _emit(self, part: Part) -> None:
        # As deep as one step of a cell, which `MOST_PARTS` bounds.
        if part in self.column_of or part in self._taken or part.kind not in ("layer", "pointwise", "op", "join"):
            return
        self._taken.add(part)
        for operand in sorted(part.reads, key=lambda r: self.hangs[r]):
            self._emit(operand)
        if self._stands(part):
            self.columns.append(Column(base=part))
        elif part.kind == "join":
            return
        elif part in self.segment:
            self._put_on_conveyor(part)
            return
        else:
            self._put(part)
            return
        self.column_of[part] = len(self.columns) - 1

    def _solid(self, part: Part) -> list[Part]:
        """The operands that stand in columns and not on the conveyor, from left to right."""
        solid = {r for r in part.reads if r in self.column_of and r not in self.segment}
        return sorted(solid, key=lambda r: self.column_of[r])

    def _is_open(self, part: Part) -> bool:
        """Whether the next operation may stand right above (below, when it hangs)."""
        column = self.columns[self.column_of[part]]
        if column.hanging:
            return column.stack[0] is part
        tapped = any(reader is part and port == "top" for (_, reader), port in self.port.items())
        highest = column.stack[-1] if column.stack else column.base
        return not tapped and column.top is None and highest is part

    def _put(self, part: Part) -> None:
        solid = self._solid(part)
        taps = {r for r in part.reads if r in self.segment}
        below = [r for r in dict.fromkeys(part.reads) if r not in self.column_of and r not in self.segment]
        last = solid[-1] if solid else None
        if last is not None and not below and self._is_open(last):
            column = self.columns[self.column_of[last]]
            column.stack.insert(0 if column.hanging else len(column.stack), part)
            self.port[last, part] = "top" if column.hanging else "bottom"
            self.column_of[part] = self.column_of[last]
            solid = solid[:-1]
        else:
            hanging = bool(taps) and not below
            self.columns.append(Column(stack=[part], hanging=hanging))
            self.column_of[part] = len(self.columns) - 1
        self._assign(part, {**dict.fromkeys(below, "bottom"), **dict.fromkeys(taps, "top")})
        self._assign(part, dict.fromkeys(solid, "left"))

    def _put_on_conveyor(self, part: Part) -> None:
        k = self.segment[part] - 1
        solid = self._solid(part)
        before = [r for r in part.reads if self.segment.get(r) == k]
        others = [r for r in dict.fromkeys(part.reads) if r not in before and r not in solid]
        if len(solid) + len(others) > 1 or any(r in self.segment for r in others):
            raise UnplacedError("an operation on the conveyor reads too much")
        self.port[before[0], part] = "left"
        start = self.column_of[self.conveyor[k - 1]] + 1 if k else 0
        if solid and self._is_open(solid[0]) and self.column_of[solid[0]] >= start:
            column = self.columns[self.column_of[solid[0]]]
            if column.hanging:
                raise UnplacedError("what hangs from the conveyor cannot go back to it")
            column.top = part
            self.column_of[part] = self.column_of[solid[0]]
        else:
            self.columns.append(Column(top=part))
            self.column_of[part] = len(self.columns) - 1
            if solid:
                # A wire that comes from the left and turns up to the conveyor.
                corner = self.corner[part] = Part("op", "")
                self.columns[-1].stack.append(corner)
                self.column_of[corner] = len(self.columns) - 1
                self.port[solid[0], corner] = "left"
        self._assign(part, dict.fromkeys([*solid, *others], "bottom"))

    def _assign(self, part: Part, ports: dict[Part, str]) -> None:
        for source, port in ports.items():
            if port in [p for (_, reader), p in self.port.items() if reader is part]:
                raise UnplacedError(f"two wires want the {port} of {part.label}")
            self.port[source, part] = port

    def _find_rails(self) -> list[Part]:
        """Values read from below, those of the leftmost readers first, states before inputs."""
        first: dict[Part, tuple[int, int, int]] = {}
        for part in self.inner():
            if part.kind != "join":
                for k, r in enumerate(part.reads):
                    if self.on_rail(r, part):
                        key = (self.column_of[part], r.kind == "input", k)
                        first[r] = min(first.get(r, key), key)
        return sorted(first, key=lambda r: first[r])

    def on_rail(self, source: Part, reader: Part) -> bool:
        """Whether the value reaches its reader from a rail."""
        if source in self.segment:
            return False
        return self.is_base(reader) or source.kind in ("input", "state", "join")

    def goes_down(self, part: Part) -> bool:
        """Whether the value leaves its column to the right, down to a rail or a lane."""
        column = self.columns[self.column_of[part]]
        return not (column.hanging and column.stack[0] is part)

    def _find_gaps(self) -> None:
        for part in self.anatomy.parts:
            for r in part.reads:
                down = part.kind in ("join", "next") or (self.is_base(part) and self.on_rail(r, part))
                if down and r in self.column_of and r not in self.segment and self.goes_down(r):
                    gap = self.gaps.setdefault(self.column_of[r], [])
                    if r not in gap:
                        gap.append(r)

    def _rows(self) -> tuple[dict[Part, float], int]:
        """The row of each operation off the conveyor, counted from the layers up, and how many rows there are."""
        stacks = [c.stack for c in self.columns]
        lateral = [(a, b) for (a, b), port in self.port.items() if port == "left" and a not in self.segment]
        low = {p: 1 for stack in stacks for p in stack}
        for _ in range(len(low) + 1):
            for stack in stacks:
                for lower, upper in pairwise(stack):
                    low[upper] = max(low[upper], low[lower] + 1)
            for a, b in lateral:
                low[b] = max(low[b], low.get(a, 1))
                stack = self.columns[self.column_of[a]].stack
                if self.is_base(a) and stack:
                    low[stack[0]] = max(low[stack[0]], low[b] + 1)
                for column in self.columns[self.column_of[a] + 1 : self.column_of[b]]:
                    for p in column.stack:
                        if low[p] == low[b] and not column.hanging:
                            low[p] += 1
        height = max([2, *low.values()])
        if height > len(low) + 2:
            raise UnplacedError("the wires between columns have no order")
        high = {}
        for stack in stacks:
            for k, p in enumerate(reversed(stack)):
                high[p] = height - k
        for a, b in lateral:
            stack = self.columns[self.column_of[a]].stack
            if self.is_base(a) and stack:
                high[b] = min(high[b], high[stack[0]] - 1)
        rows: dict[Part, float] = {}
        for column in self.columns:
            for p in column.stack:
                mixed = any(r in self.segment for r in p.reads)
                rows[p] = high[p] if column.hanging else (low[p] + high[p]) / 2 if mixed else low[p]
        for a, b in lateral:
            if a in rows and len(self.columns[self.column_of[b]].stack) == 1 and low[b] <= rows[a] <= high[b]:
                rows[b] = rows[a]
        return rows, height

    def size(self, part: Part) -> tuple[float, float]:
        """Half width and half height."""
        if part.kind == "layer":
            return max(28.5, width_of(part.label, 22) / 2 + 9), 17.5
        if part.label == "":
            return 0.0, 0.0
        wide = width_of(part.label, 17)
        return (16.0, 16.0) if len(part.label) <= 2 else (max(24.0, wide / 2 + 13), 16.0)

    def _before(self, column: Column) -> float:
        """How far left of its middle a column wants room for arrowheads with the marks over their wires."""
        return max(
            [
                self.size(reader)[0] + 24 + width_of(reader.marks[source], 18)
                for (source, reader), port in self.port.items()
                if port == "left" and reader in (*column.stack, column.top) and reader.marks.get(source)
            ],
            default=0.0,
        )

    def _place(self) -> None:
        rows, height = self._rows()
        if self.carried is None:
            used = max(rows.values(), default=1.0)
            self.layer_y = CONVEYOR + ROW * used
        else:
            self.layer_y = CONVEYOR + ROW * (height + 1)
        drop = RAIL_DROP if len(self.rails) < 2 else RAIL_DROP - 20
        self.rail_y = {r: self.layer_y + drop + RAIL_GAP * k for k, r in enumerate(self.rails)}
        taps = any(r in self.segment for p in self.inner() if p.kind == "join" for r in p.reads)
        peeps = any(r in self.segment for p in self.inner() if self.is_base(p) for r in p.reads)
        wide = [max([self.size(p)[0] for p in (c.base, *c.stack, c.top) if p], default=16.0) for c in self.columns]
        inputs = [p for p in self.anatomy.parts if p.kind == "input"]
        self.input_x = spread(inputs, LEFT + 57, 74)
        self.inputs_x = max(self.input_x.values(), default=LEFT + 57)
        before = [self._before(column) for column in self.columns]
        at = self.inputs_x + 32 + (wide[0] if wide else 0) + (20 if taps or peeps else 0)
        at = max(at, LEFT + before[0] if before else 0)
        for k, column in enumerate(self.columns):
            column.x = at
            if k + 1 < len(wide):
                named = [p.name for p in (column.base, *column.stack) if p and p.name]
                names = max([2 * half_of_name(name) for name in named], default=0.0)
                beside = max(wide[k] + wide[k + 1] + 29, names + wide[k + 1] + 16, wide[k] + before[k + 1])
                at += max(86.0, beside) + 24 * len(self.gaps.get(k, []))
        for column in self.columns:
            for part in (p for p in (column.base, *column.stack, column.top) if p):
                y = self.layer_y if part is column.base else CONVEYOR if part is column.top else None
                y = self.layer_y - ROW * rows[part] if y is None else y
                self.spots[part] = Spot(column.x, y, *self.size(part))
        self.end = at + (wide[-1] if wide else 0)
