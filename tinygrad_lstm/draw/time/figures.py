"""Values over time as heat maps and curves: SVG without any library, PNG and PDF through matplotlib."""

import importlib
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lstm.draw.markup import split_name
from tinygrad_lstm.draw.output import check_folder, open_in_browser, write_picture
from tinygrad_lstm.draw.time import plotting
from tinygrad_lstm.draw.time.plotting import Array
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.formula.notation import LATEX

__all__ = ["Curves", "Figure", "HeatMap", "decades_of"]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A matrix in colours, a row for each unit and a column for each step.

    Attributes:
        name: of the value, in textbook form.
        values: ``(units, steps)``.
        units: the numbers of the rows.
    """

    name: str
    values: Array
    units: tuple[int, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale: 0 and 1 for a gate, else as far below zero as above."""
        low, high = _finite_range(self.values)
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        far = max(abs(low), abs(high))
        return -far, far


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

    Jupyter shows it as SVG, which needs no further library; PNG and PDF are made by matplotlib.

    Attributes:
        title: what is shown.
        description: the same for who cannot see it.
        panels: heat maps or curves.
        words: what stands under each step.
        columns: how many panels stand side by side.
    """

    title: str
    description: str
    panels: tuple[HeatMap | Curves, ...]
    words: tuple[str, ...]
    columns: int = 1

    def __repr__(self) -> str:
        return f"<Figure {self.title!r}: {', '.join(panel.name for panel in self.panels)}>"

    def svg(self) -> str:
        """The figure as one ``<svg>`` element."""
        drawn = []
        for panel in self.panels:
            if isinstance(panel, HeatMap):
                drawn.append(plotting.heat_map(panel.name, panel.values, panel.limits, self.words, panel.units))
            else:
                drawn.append(plotting.curves(panel.name, panel.values, panel.decades, self.words))
        return plotting.sheet(drawn, self.columns, self.title, self.description)

    def figure(self) -> Any:
        """A ``matplotlib`` figure, to be changed or saved.

        Raises:
            DrawingError: matplotlib is not installed.
        """
        rows = -(-len(self.panels) // self.columns)
        made = _matplotlib("matplotlib.figure").Figure
        width = self.columns * max(5.0, 1.6 + 0.16 * len(self.words))
        sheet = made(figsize=(width, 2.4 * rows + 0.6), layout="constrained")
        sheet.suptitle(self.title)
        for k, panel in enumerate(self.panels):
            axes = sheet.add_subplot(rows, self.columns, k + 1)
            if isinstance(panel, HeatMap):
                low, high = panel.limits
                colours = "YlGnBu" if low == 0 else "PuOr_r"
                image = axes.imshow(panel.values, aspect="auto", cmap=colours, vmin=low, vmax=high)
                sheet.colorbar(image, ax=axes)
                whole = panel.units[-1] - panel.units[0] == len(panel.units) - 1
                axes.set_ylabel("unit" if whole else f"{len(panel.units)} of the units")
                axes.set_yticks((0, len(panel.units) - 1), (panel.units[0], panel.units[-1]))
            else:
                for name, values in panel.values.items():
                    (line,) = axes.semilogy(np.where(values > 0, values, np.nan), marker=".", label=_mathematics(name))
                    # Zeros have no place on the scale: they are rings at its foot.
                    zeros = np.flatnonzero(values == 0)
                    foot = np.full(zeros.size, 10.0 ** panel.decades[0])
                    axes.plot(zeros, foot, "o", mfc="white", mec=line.get_color(), clip_on=False)
                axes.set_ylabel("norm of the gradient")
                axes.set_ylim(10.0 ** panel.decades[0], 10.0 ** panel.decades[1])
                axes.legend()
                axes.grid(alpha=0.3)
            axes.set_title(_mathematics(panel.name))
            axes.set_xticks(range(len(self.words)), [plotting.shown_word(w) for w in self.words])
            lost = isinstance(panel, Curves) and any(bool((v == 0).any()) for v in panel.values.values())
            axes.set_xlabel(f"step{'; ○ is exactly 0' * lost}")
            axes.tick_params(axis="x", labelrotation=90 if max(map(len, self.words), default=0) > 2 else 0)
        return sheet

    def save(self, path: str | os.PathLike[str], *, dpi: float = 144) -> Path:
        """Write the figure in the form that the suffix says, and return the path.

        Raises:
            UsageError: the suffix is none of ``.svg``, ``.png``, ``.pdf``.
            DrawingError: the file cannot be written; or it is no SVG, and matplotlib is not installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png", ".pdf"):
            raise UsageError(f"cannot tell the picture's form from {path.name!r}: end it in one of .svg, .png, .pdf.")
        check_folder(path)
        if suffix == ".svg":
            content = self.svg().encode("utf-8")
        else:
            held = io.BytesIO()
            self.figure().savefig(held, format=suffix[1:], dpi=dpi)
            content = held.getvalue()
        write_picture(path, content)
        return path

    def show(self) -> Path:
        """Open the figure as SVG in the browser, from a temporary file, and return its path. Notebooks show it anyway.

        Raises:
            DrawingError: when there is no browser.
        """
        return open_in_browser(self.svg().encode("utf-8"), ".svg")

    def _repr_svg_(self) -> str:
        return self.svg()


def _mathematics(name: str) -> str:
    """A name for matplotlib, as a formula where it is one."""
    return f"${LATEX.name(name)}$" if split_name(name) is not None else name


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


def _matplotlib(module: str) -> Any:
    """The one place where matplotlib is imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DrawingError(
            f"PNG and PDF of a figure need matplotlib, which cannot be imported ({error}): "
            "pip install 'tinygrad-lstm[plots]', or save the figure as .svg, which needs nothing"
        ) from None
