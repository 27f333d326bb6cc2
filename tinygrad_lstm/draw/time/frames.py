"""Where the parts of a figure stand, in pixels, whoever paints them: frames, steps, marks on the axes, hatching."""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.draw.markup import shortened, width_of

__all__ = [
    "LETTER",
    "LINE",
    "SMALL",
    "Array",
    "Frame",
    "PlacedWord",
    "abreast",
    "frame_of_curves",
    "frame_of_map",
    "frame_of_text",
    "hatching",
    "marked_steps",
    "marked_units",
    "panels_in_rows",
    "placed_words",
    "rings",
    "runs",
    "shown_word",
    "step_width",
]

Array = NDArray[np.float64]

PAGE: Final = 820.0
"""Figures are at most about as wide as a page or notebook, which would shrink their words otherwise."""
WIDEST: Final = 660.0
"""Steps get narrower, so that a sequence takes at most so many pixels."""
SMALL: Final = 11.0
"""No words are smaller, so that units are at least so tall."""
ROOM: Final = 9.0
"""In narrower steps not every word has room."""
AXIS: Final = 16.0
"""The room that the name of the axis takes."""
TITLE: Final = 42.0
"""The room over the panels."""
BETWEEN: Final = 10.0
UNDER_A_MAP, UNDER_CURVES = 170.0, 250.0
"""The room that what is written under a panel takes at most."""
LEAST: Final = 150.0
"""Curves are at least so wide, so that there is room for their names."""


@dataclass(frozen=True)
class Frame:
    """The rectangle of a panel in which values are shown, and the room that the panel takes with all that is round it.

    Attributes:
        across: the width of a step.
        down: the height of a unit; 0 where there are none.
    """

    left: float
    top: float
    wide: float
    tall: float
    width: float
    height: float
    across: float
    down: float = 0.0


def shown_word(word: str) -> str:
    """A word with what is invisible in it made visible.

    >>> shown_word(" "), shown_word(chr(10)), shown_word("the")
    ('␣', '⏎', 'the')
    """
    shown = {" ": "␣", "\n": "⏎", "\t": "⇥"}
    if word in shown:
        return shown[word]
    return "".join("·" if unicodedata.category(c).startswith("C") else c for c in shortened(word).replace("\n", "⏎"))


def step_width(steps: int) -> float:
    """How wide one of so many steps is.

    >>> step_width(20), step_width(100), step_width(1000)
    (15.0, 6.6, 0.66)
    """
    return min(15.0, WIDEST / steps)


def marked_steps(words: Sequence[str], across: float | None = None) -> tuple[list[tuple[int, str]], bool]:
    """The words that have room under their steps, by number of step, and whether they are turned by 90 degrees.

    >>> marked_steps(["the", "cat"]), marked_steps(["a", "b"])
    (([(0, 'the'), (1, 'cat')], True), ([(0, 'a'), (1, 'b')], False))
    """
    across = step_width(len(words)) if across is None else across
    found = [(k, shown_word(word)) for k, word in enumerate(words) if word]
    apart = min([b - a for (a, _), (b, _) in pairwise(found)], default=len(words)) * across
    if apart < ROOM:
        every = math.ceil(ROOM / apart)
        found, apart = found[::every], every * apart
    return found, any(width_of(word, 12) > apart - 1 for _, word in found)


def marked_units(frame: Frame, units: Sequence[int]) -> list[tuple[int, int]]:
    """The rows whose number has room beside them, and the numbers."""
    every = math.ceil(ROOM / frame.down)
    return [(k, unit) for k, unit in enumerate(units) if k % every == 0]


def _depth(words: Sequence[str], across: float) -> float:
    """The room that words take under a panel."""
    marked, turned = marked_steps(words, across)
    return 14.0 + max(width_of(word, 12) for _, word in marked) if turned else 26.0


def frame_of_map(units: int, words: Sequence[str]) -> Frame:
    """For a heat map of so many units, with its scale on the right."""
    across, down = step_width(len(words)), max(SMALL, min(16.0, 288.0 / units))
    left, top, wide, tall = 52.0, 30.0, across * len(words), down * units
    width = left + max(wide + 76, UNDER_A_MAP)
    return Frame(left, top, wide, tall, width, top + tall + _depth(words, across) + AXIS, across, down)


@dataclass(frozen=True)
class PlacedWord:
    """The place of one word in a text: a coloured rectangle, from the corner of the frame."""

    x: float
    y: float
    wide: float
    said: str


LETTER, LINE = 9.0, 20.0
"""The width of a letter and the height of a line."""


def placed_words(words: Sequence[str], columns: int) -> list[PlacedWord]:
    """Words one behind the other in lines of at most so many letters; a line break ends a line.

    >>> [(w.x, w.y, w.said) for w in placed_words("ab⏎c".replace("⏎", chr(10)), 80)]
    [(0.0, 0.0, 'a'), (9.0, 0.0, 'b'), (18.0, 0.0, '⏎'), (0.0, 20.0, 'c')]
    """
    x = y = 0.0
    found = []
    for word in words:
        said = word if word == " " else shown_word(word)
        wide = LETTER * max(len(said), 1) + (0 if len(word) <= 1 else LETTER)
        if x and x + wide > LETTER * columns:
            x, y = 0.0, y + LINE
        found.append(PlacedWord(x, y, wide, said))
        x += wide
        if word.endswith("\n"):
            x, y = 0.0, y + LINE
    return found


def frame_of_text(placed: Sequence[PlacedWord]) -> Frame:
    """For words in lines, with their scale on the right."""
    left, top = 12.0, 30.0
    wide = max(w.x + w.wide for w in placed)
    tall = max(w.y for w in placed) + LINE
    return Frame(left, top, wide, tall, left + max(wide + 76, UNDER_A_MAP), top + max(tall, 3 * LINE) + 8, LETTER)


def frame_of_curves(words: Sequence[str]) -> Frame:
    """For curves, with the names of powers of ten on the left."""
    across = max(step_width(len(words)), LEAST / len(words))
    left, top, wide, tall = 66.0, 30.0, across * len(words), 210.0
    width = left + max(wide + 24, UNDER_CURVES)
    return Frame(left, top, wide, tall, width, top + tall + _depth(words, across) + AXIS, across)


def abreast(frame: Frame) -> int:
    """How many panels of the same width stand beside each other on a page.

    >>> abreast(frame_of_map(8, "a short text")), abreast(frame_of_map(8, "a text of several words"))
    (2, 1)
    """
    return max(1, int(PAGE / frame.width))


def panels_in_rows(frames: Sequence[Frame], columns: int, title: str) -> tuple[list[tuple[float, float]], float, float]:
    """The places of panels in rows under a title, and width and height of all."""
    rows = [frames[k : k + columns] for k in range(0, len(frames), columns)]
    wide = max([sum(f.width for f in row) for row in rows] + [width_of(title, 17) + 24])
    places, y = [], TITLE
    for row in rows:
        x = 0.0
        for frame in row:
            places.append((x, y))
            x += frame.width
        y += max(f.height for f in row) + BETWEEN
    return places, wide, y


def rings(numbers: Array, across: float) -> list[int]:
    """The steps at which a ring says that a value is zero: of steps closer than a ring is wide some only.

    >>> rings(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), 15.0), rings(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), 3.0)
    ([0, 1, 2, 3], [0, 3])
    """
    zeros = np.flatnonzero(numbers == 0).tolist()
    return zeros[:: max(1, math.ceil(ROOM / across))]


def runs(wanted: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Row, first and last column (not included) of the marked cells of a matrix, neighbours in a row as one."""
    padded = np.pad(wanted.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    yield from zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)


def hatching(x: float, y: float, wide: float, tall: float, apart: float = 5.0) -> Iterator[tuple[float, ...]]:
    """Oblique lines inside a rectangle, as x and y of both ends; those of neighbours continue each other."""
    first = math.ceil((x + y) / apart)
    for k in range(first, math.ceil((x + wide + y + tall) / apart)):
        total = k * apart
        left, right = max(x, total - y - tall), min(x + wide, total - y)
        if right > left:
            yield left, total - left, right, total - right
