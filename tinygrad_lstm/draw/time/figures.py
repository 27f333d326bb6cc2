"""Values over time as heat maps and curves: SVG without any library, PNG and PDF through matplotlib."""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tinygrad_lstm.draw.options import check_dpi
from tinygrad_lstm.draw.output import check_folder, fitted, in_notebook, open_in_browser, write_picture
from tinygrad_lstm.draw.themes import ThemeName
from tinygrad_lstm.draw.time import plotting
from tinygrad_lstm.draw.time.frames import (
    Array,
    Frame,
    PlacedWord,
    frame_of_curves,
    frame_of_map,
    frame_of_text,
    panels_in_rows,
    placed_words,
)
from tinygrad_lstm.draw.time.in_matplotlib import Sheet
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.runtime.files import as_path

__all__ = ["ColouredText", "Curves", "Figure", "HeatMap", "decades_of"]

_MOST_PIXELS: Final = 65_535
"""In a row, in a PNG of matplotlib."""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A matrix in colours, a row for each unit and a column for each step.

    Attributes:
        name: of the value, in textbook form.
        values: ``(units, steps)``.
        units: the numbers of the rows.
        own: whether the scale ends where the values do.
    """

    name: str
    values: Array
    units: tuple[int, ...]
    own: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale: 0 and 1 for a gate, else as far below zero as above; its own, if it was asked for."""
        return _limits(self.values, self.own)


@dataclass(frozen=True, eq=False)
class ColouredText:
    """Words in lines, each on the colour of a number.

    Attributes:
        name: what the numbers are.
        words: the words or letters.
        values: ``(words,)``.
        columns: how many letters a line has at most.
        own: whether the scale ends where the values do.
    """

    name: str
    words: tuple[str, ...]
    values: Array
    columns: int = 80
    own: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale, as those of a :class:`HeatMap`."""
        return _limits(self.values, self.own)

    @property
    def placed(self) -> list[PlacedWord]:
        """The places of the words."""
        return placed_words(self.words, self.columns)


@dataclass(frozen=True, eq=False)
class Curves:
    """Positive values over time on a logarithmic scale.

    Attributes:
        name: what the panel shows.
        values: ``(steps,)`` for each curve, by its name.
        decades: the powers of ten at the ends of the scale.
    """

    name: str
    values: dict[str, Array]
    decades: tuple[int, int]

    @property
    def steps(self) -> int:
        """How many values a curve has."""
        return len(next(iter(self.values.values())))


@dataclass(frozen=True, eq=False)
class Figure:
    """Panels below or beside each other, with the words of the sequence under them.

    Jupyter shows it as SVG, which needs no further library; PNG and PDF are made by matplotlib, with the same at the
    same places.

    Attributes:
        title: what is shown.
        description: the same for who cannot see it.
        panels: heat maps, curves, or coloured texts.
        words: what stands under each step.
        columns: how many panels stand side by side.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the panels.
    """

    title: str
    description: str
    panels: tuple[HeatMap | Curves | ColouredText, ...]
    words: tuple[str, ...]
    columns: int = 1
    theme: ThemeName = "light"
    transparent: bool = False

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: {', '.join(panel.name for panel in self.panels)}>"

    def svg(self) -> str:
        """The figure as one ``<svg>`` element."""
        drawn, palette = [], plotting.PALETTES[self.theme]
        for panel in self.panels:
            if isinstance(panel, HeatMap):
                drawn.append(
                    plotting.heat_map(panel.name, panel.values, panel.limits, self.words, panel.units, palette)
                )
            elif isinstance(panel, ColouredText):
                drawn.append(plotting.coloured_text(panel.name, panel.values, panel.limits, panel.placed, palette))
            else:
                drawn.append(plotting.curves(panel.name, panel.values, panel.decades, self.words, palette))
        return plotting.sheet(drawn, self.columns, self.title, self.description, palette, self.transparent)

    def figure(self) -> Any:
        """A ``matplotlib`` figure, to be changed or saved.

        Raises:
            DrawingError: matplotlib is not installed.
        """
        frames = [_frame_of(panel, self.words) for panel in self.panels]
        places, wide, tall = panels_in_rows(frames, self.columns, self.title)
        sheet = Sheet(wide, tall, self.title, plotting.PALETTES[self.theme], self.transparent)
        for panel, frame, at in zip(self.panels, frames, places, strict=True):
            if isinstance(panel, HeatMap):
                sheet.heat_map(frame, at, panel.name, panel.values, panel.limits, self.words, panel.units)
            elif isinstance(panel, ColouredText):
                sheet.coloured_text(frame, at, panel.name, panel.values, panel.limits, panel.placed)
            else:
                sheet.curves(frame, at, panel.name, panel.values, panel.decades, self.words)
        return sheet.figure

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Write the figure in the form that the suffix says, and return the path.

        ``dpi`` is for ``.png``, 144 by default.

        Raises:
            UsageError: the suffix is none of ``.svg``, ``.png``, ``.pdf``.
            DrawingError: the file cannot be written; or it is no SVG, and matplotlib is not installed; or a PNG would
                have more pixels than matplotlib paints.
        """
        path = as_path(path, DrawingError)
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png", ".pdf"):
            raise UsageError(f"cannot tell the picture's form from {path.name!r}: end it in one of .svg, .png, .pdf.")
        check_dpi("Figure.save", dpi)
        check_folder(path)
        if suffix == ".svg":
            content = self.svg().encode("utf-8")
        else:
            held = io.BytesIO()
            figure = self.figure()
            longest = max(figure.get_size_inches())
            if suffix == ".png" and longest * (dpi or 144) >= _MOST_PIXELS:
                raise DrawingError(
                    f"this PNG would be wider or higher than {_MOST_PIXELS:,} pixels, the most that matplotlib paints; "
                    f"it fits with dpi={int(_MOST_PIXELS / longest)}, and SVG and PDF have no such limit"
                )
            figure.savefig(held, format=suffix[1:], dpi=dpi or 144)
            content = held.getvalue()
        write_picture(path, content)
        return path

    def show(self) -> Path:
        """Open the figure as SVG in the browser, from a temporary file, and return its path. Notebooks show it anyway.

        Raises:
            DrawingError: when there is no browser.
        """
        return open_in_browser(self.svg().encode("utf-8"), ".svg")

    def _repr_html_(self) -> str:
        return in_notebook(self.svg(), f"{self.title}. {self.description}")

    def _repr_svg_(self) -> str:
        return fitted(self.svg())


def _limits(values: Array, own: bool) -> tuple[float, float]:
    low, high = _finite_range(values)
    if own and (low >= 0 or high <= 0):
        return low, high
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    far = max(abs(low), abs(high))
    return -far, far


def _frame_of(panel: HeatMap | Curves | ColouredText, words: Sequence[str]) -> Frame:
    if isinstance(panel, ColouredText):
        return frame_of_text(panel.placed)
    return frame_of_map(len(panel.values), words) if isinstance(panel, HeatMap) else frame_of_curves(words)


def decades_of(values: Sequence[Array]) -> tuple[int, int]:
    """The powers of ten round all positive values."""
    positive = np.concatenate([v[(v > 0) & np.isfinite(v)] for v in values])
    if not positive.size:
        return -1, 0
    top = math.ceil(math.log10(float(positive.max())) + 1e-9)
    bottom = math.floor(math.log10(float(positive.min())) - 1e-9)
    return min(bottom, top - 1), top


def _finite_range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
