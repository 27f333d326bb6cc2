"""Rectangular lines with rounded corners and gaps, as cubic Bézier curves."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

__all__ = ["GAP", "RADIUS", "Point", "flattened", "interrupted", "shortened_curve", "splines"]

Point = tuple[float, float]
RADIUS, GAP = 15.0, 8.0
_STEPS: Final = 64
"""How finely a curve is searched for the ends of its gaps."""
KAPPA = 0.5523  # the cubic Bézier curve nearest to a quarter of a circle


def splines(way: Sequence[Point], gaps: Sequence[Point], arrow: float) -> tuple[list[list[Point]], Point | None]:
    """Cubic Bézier curves, one list of points each, and the tip of the arrow, if it has a length.

    Args:
        way: the corners of a rectangular line.
        gaps: points on it round which it is interrupted.
        arrow: the length of the arrowhead, 0 for none.
    """
    way = list(way)
    tip = None
    if arrow:
        tip, before = way[-1], way[-2]
        length = abs(tip[0] - before[0]) + abs(tip[1] - before[1])
        short = min(arrow, length * 0.9) / length
        way[-1] = (tip[0] + (before[0] - tip[0]) * short, tip[1] + (before[1] - tip[1]) * short)
    pieces = [[way[0]]]
    at = way[0]
    for k in range(1, len(way)):
        corner = way[k]
        last = k + 1 == len(way)
        radius = 0.0
        if not last:
            room = _length(way[k - 1], corner) / (1 if k == 1 else 2)
            behind = _length(corner, way[k + 1]) / (1 if k + 2 == len(way) else 2)
            radius = min(RADIUS, room, behind)
        stop = _towards(corner, way[k - 1], radius)
        for gap in sorted((g for g in gaps if _between(at, g, stop)), key=lambda g: _length(at, g)):
            _line(pieces[-1], _towards(gap, at, GAP))
            pieces.append([_towards(gap, stop, GAP)])
        _line(pieces[-1], stop)
        at = stop
        if radius:
            after = _towards(corner, way[k + 1], radius)
            bent = 1 - KAPPA
            pieces[-1] += [_towards(corner, stop, radius * bent), _towards(corner, after, radius * bent), after]
            at = after
    return pieces, tip


def shortened_curve(curve: Sequence[Point], arrow: float) -> tuple[list[list[Point]], Point | None]:
    """Cubic Bézier curves without the room of the arrow at their end, and its tip, if it has a length.

    Args:
        curve: a start and three points for each curve; the last one is level or upright at its end.
        arrow: the length of the arrowhead, 0 for none.
    """
    points = list(curve)
    if not arrow:
        return [points], None
    tip, bend = points[-1], points[-2]
    # A straight end that is shorter than the arrow becomes part of it.
    while len(points) > 4 and _length(points[-4], tip) < arrow:
        bend = points[-5] if len(points) > 7 else points[-3]
        del points[-3:]
    upright = abs(bend[0] - tip[0]) < 0.01
    end = _towards(tip, (tip[0], bend[1]) if upright else (bend[0], tip[1]), arrow)
    points[-1] = end
    along = points[-4]
    points[-2] = (end[0], (along[1] + end[1]) / 2) if upright else ((along[0] + end[0]) / 2, end[1])
    return [points], tip


def flattened(curve: Sequence[Point], parts: int = 8) -> list[Point]:
    """A curve as short straight lines.

    >>> flattened([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)], 2)
    [(0.0, 0.0), (1.5, 0.0), (3.0, 0.0)]
    """
    points = [curve[0]]
    for k in range(1, len(curve), 3):
        piece = (curve[k - 1], *curve[k : k + 3])
        points += [_on(piece, j / parts) for j in range(1, parts + 1)]
    return points


def _on(piece: Sequence[Point], t: float) -> Point:
    """A point of a cubic Bézier curve."""
    u = 1 - t
    parts = (u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t)
    return sum(p * x for p, (x, _) in zip(parts, piece, strict=True)), sum(
        p * y for p, (_, y) in zip(parts, piece, strict=True)
    )


def interrupted(curve: Sequence[Point], gaps: Sequence[Point]) -> list[list[Point]]:
    """The pieces of a curve that are left when it is interrupted round some points on it."""
    pieces: list[list[Point]] = []
    for k in range(1, len(curve), 3):
        piece = (curve[k - 1], *curve[k : k + 3])
        steps = [j / _STEPS for j in range(_STEPS + 1)]
        free = [all(_far(_on(piece, t), gap) > GAP for gap in gaps) for t in steps]
        for first in (j for j in range(_STEPS) if free[j] and (j == 0 or not free[j - 1])):
            last = next((j for j in range(first, _STEPS) if not free[j + 1]), _STEPS)
            if first == last:
                continue
            part = _part(piece, steps[first], steps[last])
            if pieces and _far(pieces[-1][-1], part[0]) < 1e-6:
                pieces[-1] += part[1:]
            else:
                pieces.append(part)
    return pieces


def _part(piece: Sequence[Point], start: float, stop: float) -> list[Point]:
    """A part of a cubic Bézier curve, by de Casteljau's construction."""
    if stop < 1:
        piece = _halves(piece, stop)[0]
    return list(_halves(piece, start / stop)[1] if start else piece)


def _halves(piece: Sequence[Point], t: float) -> tuple[list[Point], list[Point]]:
    rows = [list(piece)]
    while len(rows[-1]) > 1:
        rows.append([(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(rows[-1])])
    return [row[0] for row in rows], [row[-1] for row in reversed(rows)]


def _far(a: Point, b: Point) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, by: float) -> Point:
    length = _length(a, b)
    part = by / length if length else 0.0
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part


def _between(a: Point, g: Point, b: Point) -> bool:
    return a[0] == g[0] == b[0] and min(a[1], b[1]) + GAP <= g[1] <= max(a[1], b[1]) - GAP


def _line(points: list[Point], end: Point) -> None:
    start = points[-1]
    if _length(start, end) > 0.01:
        thirds = [(start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t) for t in (1 / 3, 2 / 3)]
        points += [*thirds, end]
