"""Where the legend of curves stands: in the corner of their frame in which it covers least of them."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.draw.markup import width_of
from tinygrad_lstm.draw.time.frames import Array, Frame

__all__ = ["DASH", "NAME", "ROW", "Legend", "heights", "place_legend"]

Corner = Literal["lower right", "upper left", "upper right", "lower left"]

CORNERS: Final[tuple[Corner, ...]] = ("lower right", "upper left", "upper right", "lower left")
ROW, DASH = 18.0, 26.0
"""The height of a line of the legend, and how long the stroke before a name is."""
NAME: Final = 15.0
"""The size of the letters."""
LEAST: Final = 74.0
BESIDE, ABOVE = 12.0, 14.0
"""The room to the sides of the frame, and to its top or foot."""


class Legend(NamedTuple):
    """A corner, as matplotlib calls it, and from the upper left corner of the frame the foot of the first line."""

    corner: Corner
    x: float
    y: float


def heights(numbers: Array, decades: tuple[int, int], tall: float) -> NDArray[np.float64]:
    """How far under the top of a frame numbers stand on a logarithmic scale; nan where they have no place on it.

    >>> heights(np.array([1.0, 0.01, 0.0]), (-4, 0), 100.0)
    array([ 0., 50., nan])
    """
    bottom, top = decades
    known = np.isfinite(numbers) & (numbers > 0)
    decade = np.log10(numbers, out=np.full(len(numbers), np.nan), where=known)
    return tall * (1 - np.clip((decade - bottom) / (top - bottom), 0.0, 1.0))


def place_legend(values: Mapping[str, Array], decades: tuple[int, int], frame: Frame) -> Legend:
    """The place of the legend of these curves: of the corners that are covered least, the first.

    >>> from tinygrad_lstm.draw.time.frames import frame_of_curves
    >>> falling = 10.0 ** -np.arange(25)
    >>> place_legend({"h_t": falling}, (-24, 0), frame_of_curves("x" * 25)).corner
    'upper right'
    """
    wide = max(LEAST, *(DASH + 6 + width_of(name, NAME) + BESIDE for name in values))
    tall = ROW * (len(values) - 1) + 2 * ABOVE
    curves = [heights(numbers, decades, frame.tall) for numbers in values.values()]

    def covered(corner: Corner) -> float:
        left = frame.wide - wide if corner.endswith("right") else 0.0
        top = frame.tall - tall if corner.startswith("lower") else 0.0
        total = 0.0
        for curve in curves:
            steps = np.flatnonzero(np.isfinite(curve))
            if len(steps):
                # Curves are straight from step to step, and steps may be wider than the legend.
                x = frame.across * (steps + 0.5)
                across = np.array([left, *x[(x > left) & (x < left + wide)], left + wide])
                y = np.interp(across, x, curve[steps], left=np.nan, right=np.nan)
                met = (np.fmax(y[1:], y[:-1]) > top) & (np.fmin(y[1:], y[:-1]) < top + tall)
                total += float(np.diff(across)[met].sum())
        return round(total)

    corner = min(CORNERS, key=covered)
    x = frame.wide - wide if corner.endswith("right") else BESIDE
    y = frame.tall - ABOVE - ROW * (len(values) - 1) if corner.startswith("lower") else ABOVE + 8
    return Legend(corner, x, y)
