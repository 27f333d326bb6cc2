"""Curves of Graphviz as paths of TikZ: straight where they are straight, and with rounded corners where those are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Point", "anchored", "coordinate", "ends_of", "outline", "tikz_path"]

Point = tuple[float, float]
_NEAR = 0.35


def coordinate(value: float) -> str:
    """A length with two decimals at most.

    >>> coordinate(12.0), coordinate(0.125), coordinate(-0.001)
    ('12', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def ends_of(pos: str) -> list[tuple[list[Point], Point | None]]:
    """The pieces of an edge: the points of cubic Bézier curves, and the tip of the arrowhead.

    >>> ends_of("e,9,0 0,0 1,0 2,0 3,0")
    [([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)], (9.0, 0.0))]
    """
    found = []
    for piece in pos.split(";"):
        tip, points = None, []
        for word in piece.split():
            if word.startswith("e,"):
                tip = _point(word[2:])
            elif not word.startswith("s,"):
                points.append(_point(word))
        found.append((points, tip))
    return found


@dataclass(frozen=True)
class _Leg:
    """A line to a point, which may be a corner to be rounded; with ``controls`` a curve to it."""

    to: Point
    radius: float = 0.0
    controls: tuple[Point, Point] | None = None


def tikz_path(points: Sequence[Point], tip: Point | None, first: str = "", last: str = "") -> str:
    """A curve in TikZ's notation.

    Args:
        tip: where it ends, straight on, behind its last point.
        first: an anchor instead of the first point.
        last: an anchor instead of the last one.

    >>> tikz_path([(0, 0), (1, 0), (2, 0), (3, 0)], (9, 0), first="(a.east)")
    '(a.east) -- (9,0)'
    """
    legs = _legs(points)
    if tip is not None:
        legs.append(_Leg(tip))
    legs = _joined(points[0], legs)
    written = [first or _shown(points[0])]
    radius = 0.0
    for k, leg in enumerate(legs):
        end = last if last and k + 1 == len(legs) else _shown(leg.to)
        if leg.controls is not None:
            a, b = leg.controls
            written.append(f".. controls {_shown(a)} and {_shown(b)} .. {end}")
            continue
        if leg.radius and leg.radius != radius:
            radius = leg.radius
            written.append(f"[rounded corners={coordinate(radius)}bp]")
        written.append(f"-- {end}")
    return " ".join(written)


def _legs(points: Sequence[Point]) -> list[_Leg]:
    legs: list[_Leg] = []
    at = points[0]
    for k in range(1, len(points) - 2, 3):
        a, b, end = points[k : k + 3]
        corner = _corner(at, a, b, end)
        if _straight(at, a, end) and _straight(at, b, end):
            legs.append(_Leg(end))
        elif corner is not None:
            legs += [_Leg(corner, round(4 * max(abs(corner[0] - at[0]), abs(corner[1] - at[1]))) / 4), _Leg(end)]
        else:
            legs.append(_Leg(end, controls=(a, b)))
        at = end
    return legs


def _joined(start: Point, legs: Sequence[_Leg]) -> list[_Leg]:
    """The same legs; those that only lead on to the next one, straight on, are left out."""
    kept: list[_Leg] = []
    for k, leg in enumerate(legs):
        before = kept[-1].to if kept else start
        follows = legs[k + 1] if k + 1 < len(legs) and legs[k + 1].controls is None else None
        passed = leg.controls is None and not leg.radius and follows is not None
        if not (passed and follows is not None and _straight(before, leg.to, follows.to)):
            kept.append(leg)
    return kept


def _corner(start: Point, a: Point, b: Point, end: Point) -> Point | None:
    """The corner that a quarter of a circle rounds, if the curve is one."""
    for corner in ((start[0], end[1]), (end[0], start[1])):
        wide, high = abs(end[0] - start[0]), abs(end[1] - start[1])
        if abs(wide - high) < _NEAR and wide > 1 and _straight(start, a, corner) and _straight(corner, b, end):
            return corner
    return None


def _straight(a: Point, b: Point, c: Point) -> bool:
    """Whether ``b`` stands on the line from ``a`` to ``c``, between them."""
    across = (c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])
    length = max(math.hypot(c[0] - a[0], c[1] - a[1]), 1e-9)
    along = ((b[0] - a[0]) * (c[0] - a[0]) + (b[1] - a[1]) * (c[1] - a[1])) / length
    return abs(across) / length < _NEAR and -_NEAR <= along <= length + _NEAR


def anchored(name: str, middle: Point, half: Point, point: Point) -> str:
    """The anchor of a vertex at a point, where that is the middle of one of its sides; otherwise nothing.

    >>> anchored("gate", (10, 10), (5, 3), (10, 13.1)), anchored("gate", (10, 10), (5, 3), (12, 13))
    ('(gate.north)', '')
    """
    sides = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
    for side, (dx, dy) in sides.items():
        x, y = middle[0] + dx * half[0], middle[1] + dy * half[1]
        if abs(point[0] - x) < 1 and abs(point[1] - y) < 1:
            return f"({name}.{side})"
    return ""


def outline(operations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Polygons, curves and ellipses as paths."""
    found = []
    for op in operations:
        kind = op["op"]
        if kind in "Pp":
            found.append(" -- ".join(_shown(p) for p in op["points"]) + " -- cycle")
        elif kind == "L":
            found.append(" -- ".join(_shown(p) for p in op["points"]))
        elif kind in "bB":
            found.append(tikz_path([(x, y) for x, y in op["points"]], None))
        elif kind in "eE":
            x, y, wide, high = op["rect"]
            found.append(f"{_shown((x, y))} ellipse [x radius={coordinate(wide)}, y radius={coordinate(high)}]")
    return found


def _point(text: str) -> Point:
    x, y = text.split(",")[:2]
    return float(x), float(y)


def _shown(point: Sequence[float]) -> str:
    return f"({coordinate(point[0])},{coordinate(point[1])})"
