"""Gaps in curved wires: of two that cross, the steeper one is interrupted, as in the textbook's arrangement."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from tinygrad_lstm.draw.cells.curves import GAP, Point, flattened
from tinygrad_lstm.draw.cells.wires import Wire

__all__ = ["with_gaps_at_crossings"]

NEAR_AN_END: Final = GAP + 14.0
"""So near to its beginning or head a wire is not interrupted."""
ASKEW: Final = 0.3
"""The sine of the smallest angle at which wires cross; flatter ones run beside each other."""


def with_gaps_at_crossings(wires: Sequence[Wire]) -> list[Wire]:
    """The wires with gaps where something else crosses; the conveyor is never interrupted."""
    lines = [flattened(wire.way, 12) for wire in wires]
    gaps: list[list[Point]] = [[] for _ in wires]
    for k, wire in enumerate(wires):
        for j, other in enumerate(wires[:k]):
            merging = wire.target is other.target and wire.target.kind == "join"
            if wire.source is other.source or merging:
                continue
            for at, steeper in _crossings(lines[k], lines[j]):
                under = k if not wire.bold and (steeper or other.bold) else j
                if not wires[under].bold and _is_inside(at, lines[under]):
                    gaps[under].append(at)
    return [replace(wire, gaps=tuple(found)) for wire, found in zip(wires, gaps, strict=True)]


def _crossings(line: Sequence[Point], other: Sequence[Point]) -> Iterator[tuple[Point, bool]]:
    """Where two lines cross, and whether the first is the steeper one."""
    for a, b in pairwise(line):
        for c, d in pairwise(other):
            if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
                continue
            (ux, uy), (vx, vy) = (b[0] - a[0], b[1] - a[1]), (d[0] - c[0], d[1] - c[1])
            size = (ux * ux + uy * uy) ** 0.5 * (vx * vx + vy * vy) ** 0.5
            turn = ux * vy - uy * vx
            if size == 0 or abs(turn) < ASKEW * size:
                continue
            s = ((c[0] - a[0]) * vy - (c[1] - a[1]) * vx) / turn
            t = ((c[0] - a[0]) * uy - (c[1] - a[1]) * ux) / turn
            if 0 <= s < 1 and 0 <= t < 1:
                yield (a[0] + s * ux, a[1] + s * uy), abs(uy * vx) > abs(vy * ux)


def _is_inside(at: Point, line: Sequence[Point]) -> bool:
    return all(abs(at[0] - x) + abs(at[1] - y) > NEAR_AN_END for x, y in (line[0], line[-1]))
