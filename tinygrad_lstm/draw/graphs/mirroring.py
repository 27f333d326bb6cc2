"""Places of what stands over time, and the picture of the backward half: the mirror image under the forward one."""

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from tinygrad_lstm.draw.graphs.step_folding import Moment
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import Edge, Vertex
from tinygrad_lstm.draw.layered import Curve, Point, Size

__all__ = ["Columns", "Places", "StepFrame", "below", "last_step_first", "mirrored"]

APART: Final = 24.0
"""Between the two halves."""


@dataclass(frozen=True)
class StepFrame:
    """The box of a step."""

    left: float
    top: float
    right: float
    bottom: float
    title: str
    role: str | None


@dataclass(frozen=True)
class Columns:
    """What both halves have in common: the times, how wide a step is, and how wide several folded ones are."""

    times: list[int]
    wide: float
    folded: float


@dataclass
class Places:
    """Where everything stands, in points; y counts downwards.

    Attributes:
        spots: the middle of each vertex.
        sizes: width and height of each vertex.
        ways: the curve of each edge.
        frames: the boxes of the steps.
        words: names of what is carried, and strengths of its gradient, with the middle of each.
    """

    spots: dict[Vertex, Point] = field(default_factory=dict)
    sizes: dict[Vertex, Size] = field(default_factory=dict)
    ways: dict[Edge, Curve] = field(default_factory=dict)
    frames: list[StepFrame] = field(default_factory=list)
    words: list[tuple[float, float, str]] = field(default_factory=list)

    def heights(self) -> tuple[float, float]:
        """The highest and the lowest place that anything reaches."""
        boxes = [(y, self.sizes[v][1] / 2) for v, (_, y) in self.spots.items()]
        points = [y for way in self.ways.values() for _, y in way]
        frames = [(f.top, f.bottom) for f in self.frames]
        tops = chain((y - half for y, half in boxes), points, (top for top, _ in frames))
        return min(tops), max(chain((y + half for y, half in boxes), points, (bottom for _, bottom in frames)))


def last_step_first(line: Timeline, other: Timeline) -> Timeline:
    """The steps of ``line`` from the last to the first, where the longest loop of both ends.

    What computes a gradient runs from left to right then, as the loops of the forward half do.
    """
    times = sorted({m.at for one in (line, other) for m in one.at.values()})
    turned = dict(zip(times, reversed(times), strict=True))
    rows = []
    for row in line.rows:
        names = [""] * (times[-1] + 1)
        for at in times:
            names[turned[at]] = row.names[at] if at < len(row.names) else ""
        rows.append(replace(row, names=names, reverse=not row.reverse))
    moments = {v: Moment(m.row, turned[m.at], m.key) for v, m in line.at.items()}
    return replace(line, rows=rows, at=moments)


def mirrored(places: Places, right: float) -> Places:
    """The places upside down, and from the ``right`` to the left."""

    def turn(point: Point) -> Point:
        return right - point[0], -point[1]

    return Places(
        {v: turn(spot) for v, spot in places.spots.items()},
        places.sizes,
        {e: [turn(point) for point in way] for e, way in places.ways.items()},
        [StepFrame(right - f.right, -f.bottom, right - f.left, -f.top, f.title, f.role) for f in places.frames],
        [(*turn((x, y)), said) for x, y, said in places.words],
    )


def below(first: Places, second: Places) -> Places:
    """Both, the second under the first."""
    down = first.heights()[1] - second.heights()[0] + APART
    return Places(
        first.spots | {v: (x, y + down) for v, (x, y) in second.spots.items()},
        first.sizes | second.sizes,
        first.ways | {e: _moved(way, down) for e, way in second.ways.items()},
        [*first.frames, *[replace(f, top=f.top + down, bottom=f.bottom + down) for f in second.frames]],
        [*first.words, *[(x, y + down, said) for x, y, said in second.words]],
    )


def _moved(curve: Curve, down: float) -> Curve:
    return [(x, y + down) for x, y in curve]
