"""Gaps in curved wires: of two that cross, the steeper one is interrupted, as in the textbook's arrangement."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tinygrad_lstm.draw.cells.curves import GAP, Point, flattened
from tinygrad_lstm.draw.cells.wires import Wire

__all__ = ["with_gaps_at_crossings"]

Numbers = np.ndarray[Any, np.dtype[Any]]
NEAR_AN_END: Final = GAP + 14.0
"""So near to its beginning or head a wire is not interrupted."""
ASKEW: Final = 0.3
"""The sine of the smallest angle at which wires cross; flatter ones run beside each other."""
AT_ONCE: Final = 1 << 20
"""About how many pairs of stretches are looked at together."""


def with_gaps_at_crossings(wires: Sequence[Wire]) -> list[Wire]:
    """The wires with gaps where something else crosses; the conveyor is never interrupted."""
    lines = [np.array(flattened(wire.way, 12)) for wire in wires]
    gaps: list[list[Point]] = [[] for _ in wires]
    for k, j, at, steeper in _crossings(lines):
        wire, other = wires[k], wires[j]
        merging = wire.target is other.target and wire.target.kind == "join"
        if wire.source is other.source or merging:
            continue
        under = k if not wire.bold and (steeper or other.bold) else j
        if not wires[under].bold and _is_inside(at, lines[under]):
            gaps[under].append(at)
    return [replace(wire, gaps=tuple(found)) for wire, found in zip(wires, gaps, strict=True)]


def _crossings(lines: Sequence[Numbers]) -> Iterator[tuple[int, int, Point, bool]]:
    """Pairs of lines, a later one and an earlier one, where they cross, and whether the later one is the steeper."""
    if not lines:
        return
    of = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    start = np.concatenate([line[:-1] for line in lines])
    way = np.concatenate([line[1:] - line[:-1] for line in lines])
    first, second = _near(of, start, start + way)
    u, v, between = way[first], way[second], start[second] - start[first]
    turn = _cross(u, v)
    askew = np.abs(turn) > ASKEW * np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s, t = _cross(between, v) / turn, _cross(between, u) / turn
    steeper = np.abs(u[:, 1] * v[:, 0]) > np.abs(v[:, 1] * u[:, 0])
    for m in np.flatnonzero(askew & (s >= 0) & (s < 1) & (t >= 0) & (t < 1)):
        x, y = start[first[m]] + s[m] * u[m]
        yield int(of[first[m]]), int(of[second[m]]), (float(x), float(y)), bool(steeper[m])


def _near(of: Numbers, start: Numbers, end: Numbers) -> tuple[Numbers, Numbers]:
    """The stretches of different lines whose boxes meet, the one of the later line first, in the order of the lines."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.argsort(low[:, 0], kind="stable")
    # Behind each stretch, in the order of their left ends, those that begin before it ends.
    behind = np.searchsorted(low[order, 0], high[order, 0], side="right") - np.arange(len(order)) - 1
    pairs = []
    for part in np.array_split(np.arange(len(order)), max(1, int(behind.sum()) // AT_ONCE)):
        left = np.repeat(part, behind[part])
        counted = np.arange(len(left)) - np.repeat(np.cumsum(behind[part]) - behind[part], behind[part])
        a, b = order[left], order[left + 1 + counted]
        met = (of[a] != of[b]) & (low[a, 1] <= high[b, 1]) & (low[b, 1] <= high[a, 1])
        pairs.append(np.stack([a[met], b[met]]))
    a, b = np.concatenate(pairs, axis=1)
    first, second = np.where(of[a] > of[b], (a, b), (b, a))
    sorted_pairs = np.lexsort((second, first, of[second], of[first]))
    return first[sorted_pairs], second[sorted_pairs]


def _cross(u: Numbers, v: Numbers) -> Numbers:
    """The cross products of vectors in the plane."""
    product: Numbers = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return product


def _is_inside(at: Point, line: Numbers) -> bool:
    return all(abs(at[0] - x) + abs(at[1] - y) > NEAR_AN_END for x, y in (line[0], line[-1]))
