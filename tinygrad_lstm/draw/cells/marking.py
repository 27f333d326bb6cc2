"""Where marks stand that say which operand of its reader a wire is: beside its head, and free of everything else."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from tinygrad_lstm.draw.cells.curves import Point, flattened
from tinygrad_lstm.draw.cells.placement import Spot, half_of_name
from tinygrad_lstm.draw.cells.wires import Plan, Wire
from tinygrad_lstm.draw.markup import width_of

__all__ = ["mark_spots"]

SIZE: Final = 18.0
"""The size of the letters, in the units of the plan."""
HIGH: Final = 6.0
"""Half the height of a mark."""
CLOSE: Final = 5.0
"""A mark that is so close to another wire than its own might be taken for that of the other."""
ARROW: Final = (13.0, 5.0)
"""Length and half width of an arrowhead."""
FURTHER: Final = (0.0, 6.0, 13.0, 20.0, 28.0, 36.0, 45.0, 55.0)
"""How far back along its wire a mark is tried."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def mark_spots(placed: Plan) -> dict[Wire, Point]:
    """For each wire with a mark the middle of it: where it belongs, or as near to there as it stands free."""
    lines = {wire: flattened(wire.way) if wire.curved else list(wire.way) for wire in placed.wires}
    heads = [_head(line) for wire, line in lines.items() if wire.target.kind != "join"]
    left, top, right, bottom = placed.box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    names = [_box((x, y), half_of_name(part.name or ""), 9.0) for part, x, y in placed.labels]
    found: dict[Wire, Point] = {}
    taken = [*heads, *names]
    for wire in lines:
        mark = wire.target.marks.get(wire.source)
        if not mark:
            continue
        half = width_of(mark, SIZE) / 2

        def cost(spot: Point, own: Wire = wire, half: float = half) -> float:
            box, around = _box(spot, half, HIGH), _box(spot, half + CLOSE, HIGH + CLOSE)
            # In columns the lines that merge come side by side, each with its mark.
            others = (line for other, line in lines.items() if not own.curved and other.source is not own.source)
            close = sum(any(_meets(around, a, b) for a, b in pairwise(line)) for line in others)
            crossed = sum(any(_meets(box, a, b) for a, b in pairwise(line)) for line in lines.values())
            covered = sum(_covers(box, part.kind == "pointwise", s) for part, s in placed.spots.items() if s.w > 1)
            framed = any(_meets(around, a, b) for a, b in pairwise(corners))
            return (
                2 * crossed + 6 * covered + 6 * framed + 4 * sum(_overlap(box, other) for other in taken) + 0.4 * close
            )

        # The first of the best: they are tried from the usual place outwards.
        found[wire] = min(_candidates(placed, wire, lines[wire], half), key=cost)
        taken.append(_box(found[wire], half + 1, HIGH))
    return found


def _candidates(placed: Plan, wire: Wire, line: Sequence[Point], half: float) -> Iterator[Point]:
    """Places beside the end of a wire, from the usual one further back along it, and then on its other side."""
    way = _until_it_merges(wire)
    x, y = way[-1]
    x0, y0 = way[-2]
    upright = abs(x - x0) < abs(y - y0)
    below = False
    if wire.curved:
        # Of lines side by side the lowest has its mark below.
        ends = [_until_it_merges(other)[-1][1] for other in placed.wires if other.target is wire.target]
        below = min(ends) + 1 < y == max(ends)
    for back in FURTHER:
        for side in (1, -1):
            if upright:
                yield x - side * (8.0 + half), y + (16.0 + back if y < y0 else -16.0 - back)
            else:
                over = -side * (11.5 if not below else -11.5)
                gap = 16.0 + half + back
                yield x + (-gap if x > x0 else gap), y + over
    # Beside a level line a little higher or lower, where a circle leaves room at its corner.
    for back in FURTHER:
        for over in (-14.0, 14.0):
            if not upright:
                gap = 16.0 + half + back
                yield x + (-gap if x > x0 else gap), y + over


def _until_it_merges(wire: Wire) -> Sequence[Point]:
    """The way of a wire as long as it is alone: lines that merge run on together."""
    if wire.target.kind != "join" or len(wire.way) <= 2:
        return wire.way
    return wire.way[: -3 if wire.curved else -1]


def _box(spot: Point, wide: float, high: float) -> Box:
    return spot[0] - wide, spot[1] - high, spot[0] + wide, spot[1] + high


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _head(line: Sequence[Point]) -> Box:
    """The room of the arrowhead of a wire."""
    (x0, y0), (x, y) = line[-2], line[-1]
    length, half = ARROW
    if abs(x - x0) >= abs(y - y0):
        start = x - length if x > x0 else x + length
        return min(x, start), y - half, max(x, start), y + half
    start = y - length if y > y0 else y + length
    return x - half, min(y, start), x + half, max(y, start)


def _meets(box: Box, a: Point, b: Point) -> bool:
    """Whether a straight line goes through a box (Liang and Barsky 1984, doi:10.1145/357332.357333)."""
    first, last = 0.0, 1.0
    for k in (0, 1):
        step = b[k] - a[k]
        low, high = box[k] - a[k], box[k + 2] - a[k]
        if abs(step) < 1e-9:
            if low >= 0 or high <= 0:
                return False
            continue
        enter, leave = sorted((low / step, high / step))
        first, last = max(first, enter), min(last, leave)
    return first < last


def _covers(box: Box, oval: bool, spot: Spot) -> bool:
    """Whether a box stands on a part."""
    if not _overlap(box, (spot.x - spot.w, spot.y - spot.h, spot.x + spot.w, spot.y + spot.h)):
        return False
    if not oval:
        return True
    x = max(box[0], min(spot.x, box[2]))
    y = max(box[1], min(spot.y, box[3]))
    return ((x - spot.x) / spot.w) ** 2 + ((y - spot.y) / spot.h) ** 2 < 1
