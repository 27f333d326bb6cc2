"""Heat maps, curves and coloured texts as a figure of matplotlib, with everything where the SVG has it."""

import importlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tinygrad_lstm.draw.markup import shortened, split_name, width_of
from tinygrad_lstm.draw.time.frames import (
    LINE,
    SMALL,
    Array,
    Frame,
    PlacedWord,
    marked_steps,
    marked_units,
    rings,
    runs,
)
from tinygrad_lstm.draw.time.legends import place_legend
from tinygrad_lstm.draw.time.plotting import (
    DASHES,
    LEVELS,
    Palette,
    axis,
    below_zero,
    colours_of,
    decades_shown,
    shown_number,
)
from tinygrad_lstm.errors import DrawingError
from tinygrad_lstm.formula.notation import LATEX

__all__ = ["Sheet"]

PIXELS: Final = 96.0
"""In an inch, as in SVG."""
POINTS: Final = 0.75
"""In a pixel."""


class Sheet:
    """A figure of so many pixels, to which panels are added."""

    def __init__(self, wide: float, tall: float, title: str, palette: Palette, transparent: bool) -> None:
        self.wide, self.tall, self.palette, self.transparent = wide, tall, palette, transparent
        ground = "none" if transparent else palette.ground
        size = (wide / PIXELS, tall / PIXELS)
        self.figure = _matplotlib("matplotlib.figure").Figure(figsize=size, facecolor=ground)
        said = {"fontsize": 17 * POINTS, "va": "baseline", "color": palette.words}
        self.figure.text(12 / wide, 1 - 26 / tall, _shown(shortened(title)), **said)

    def heat_map(
        self,
        frame: Frame,
        at: tuple[float, float],
        name: str,
        values: Array,
        limits: tuple[float, float],
        words: Sequence[str],
        units: Sequence[int],
    ) -> None:
        """Add a matrix ``(units, steps)`` in colours, with its scale."""
        axes = self._axes(frame, at, name, words)
        patches = _matplotlib("matplotlib.patches")
        colours = [self.palette.at(limits, k / (LEVELS - 1)) for k in range(LEVELS)]
        scale = _matplotlib("matplotlib.colors").ListedColormap(colours).with_extremes(bad=self.palette.lost)
        finite = np.isfinite(values)
        shown = np.ma.masked_array(np.where(finite, values, limits[0]), ~finite)
        image = axes.imshow(shown, aspect="auto", cmap=scale, vmin=limits[0], vmax=limits[1], interpolation="nearest")
        for row, start, end in runs(~finite):
            where = (start - 0.5, row - 0.5)
            axes.add_patch(
                patches.Rectangle(
                    where, end - start, 1, fill=False, hatch="////", edgecolor=self.palette.hatch, linewidth=0
                )
            )
        below = below_zero(values, limits, frame, self.palette)
        for ink, lines in below.items():
            left, right, height = (np.array(part) for part in zip(*lines, strict=True))
            ends = left / frame.across - 0.5, right / frame.across - 0.5
            axes.hlines(height / frame.down - 0.5, *ends, colors=ink, linewidth=POINTS, alpha=0.8)
        marked = marked_units(frame, units)
        axes.set_yticks([k for k, _ in marked], [str(unit) for _, unit in marked])
        axes.tick_params(axis="y", labelsize=min(SMALL, frame.down) * POINTS, length=0, pad=4)
        axes.set_ylabel("unit", fontsize=11 * POINTS, color=self.palette.words)
        _name_steps(axes, frame, axis(not finite.all(), negative=bool(below)), self.palette)
        beside = self.figure.add_axes(self._place(at, frame.left + frame.wide + 16, frame.top, 12, frame.tall))
        self.figure.colorbar(image, cax=beside)
        beside.set_yticks(limits, [shown_number(value) for value in limits])
        beside.tick_params(labelsize=SMALL * POINTS, length=0, pad=4, labelcolor=self.palette.words)
        for side in beside.spines.values():
            side.set_edgecolor(self.palette.line)

    def curves(
        self,
        frame: Frame,
        at: tuple[float, float],
        name: str,
        values: dict[str, Array],
        decades: tuple[int, int],
        words: Sequence[str],
    ) -> None:
        """Add positive values over time on a logarithmic scale."""
        axes = self._axes(frame, at, name, words)
        axes.set_yscale("log")
        zero = False
        for k, (curve, numbers) in enumerate(values.items()):
            ink, dash = self.palette.inks[k % len(self.palette.inks)], DASHES[k % len(DASHES)]
            shown = np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
            look = {"color": ink, "linestyle": (0, tuple(d * POINTS / 1.5 for d in dash)) if dash else "-"}
            dots = {"marker": "o", "markersize": 4.8 * POINTS} if frame.across >= 5 else {}
            axes.plot(shown, linewidth=2 * POINTS, label=_mathematics(curve), **look, **dots)
            # Zeros have no place on the scale: they are rings at its foot.
            zeros = rings(numbers, frame.across)
            if zeros:
                zero, foot = True, np.full(len(zeros), 10.0 ** decades[0])
                axes.plot(zeros, foot, "o", mfc=self.palette.ground, mec=ink, ms=6 * POINTS, clip_on=False, zorder=4)
        lost = ~np.all([np.isfinite(numbers) for numbers in values.values()], axis=0)
        for _, start, end in runs(lost[None]):
            axes.axvspan(start - 0.5, end - 0.5, fill=False, hatch="////", edgecolor=self.palette.hatch, linewidth=0)
        axes.set_xlim(-0.5, len(words) - 0.5)
        axes.set_ylim(10.0 ** decades[0], 10.0 ** decades[1])
        marked = decades_shown(decades)
        axes.set_yticks([10.0**d for d in marked], [f"$10^{{{d}}}$" for d in marked], minor=False)
        axes.minorticks_off()
        axes.tick_params(axis="y", labelsize=11 * POINTS, length=0)
        axes.grid(axis="y", color=self.palette.grid)
        axes.set_ylabel("norm of the gradient", fontsize=11 * POINTS, color=self.palette.words)
        _name_steps(axes, frame, axis(bool(lost.any()), zero), self.palette)
        corner = place_legend(values, decades, frame).corner
        axes.legend(loc=corner, frameon=False, fontsize=15 * POINTS, labelcolor=self.palette.words)

    def coloured_text(
        self,
        frame: Frame,
        at: tuple[float, float],
        name: str,
        values: Array,
        limits: tuple[float, float],
        placed: Sequence[PlacedWord],
    ) -> None:
        """Add words in lines, each on the colour of its value, with their scale."""
        axes = self._axes(frame, at, name, ("",))
        axes.set_axis_off()
        axes.set_xlim(0, frame.wide)
        axes.set_ylim(frame.tall, 0)
        patches = _matplotlib("matplotlib.patches")
        look = {"ha": "center", "va": "baseline", "fontsize": 14 * POINTS, "family": "monospace"}
        for value, word in zip(values.tolist(), placed, strict=True):
            fill, ink = colours_of(value, limits, self.palette)
            hatch = {} if np.isfinite(value) else {"hatch": "////", "edgecolor": self.palette.hatch}
            # A little wider, or the edges of pixels show between neighbours.
            place, wide = (word.x, word.y), word.wide + 0.5
            axes.add_patch(patches.Rectangle(place, wide, LINE, facecolor=fill, linewidth=0, **hatch))
            if word.said.strip():
                axes.text(word.x + word.wide / 2, word.y + 15, _shown(word.said), color=ink, **look)
        colours = [self.palette.at(limits, k / (LEVELS - 1)) for k in range(LEVELS)]
        tall = max(3 * LINE, min(frame.tall, 160))
        beside = self.figure.add_axes(self._place(at, frame.left + frame.wide + 16, frame.top, 12, tall))
        scale = _matplotlib("matplotlib.colors").ListedColormap(colours)
        beside.imshow(np.linspace(1, 0, LEVELS)[:, None], cmap=scale, vmin=0, vmax=1, aspect="auto")
        beside.yaxis.tick_right()
        beside.set_xticks([])
        beside.set_yticks((0, LEVELS - 1), [shown_number(value) for value in reversed(limits)])
        beside.tick_params(labelsize=SMALL * POINTS, length=0, pad=4, labelcolor=self.palette.words)
        for side in beside.spines.values():
            side.set_edgecolor(self.palette.line)

    def _place(self, at: tuple[float, float], x: float, y: float, wide: float, tall: float) -> tuple[float, ...]:
        """A rectangle of a panel in parts of the figure, from below."""
        return (at[0] + x) / self.wide, 1 - (at[1] + y + tall) / self.tall, wide / self.wide, tall / self.tall

    def _axes(self, frame: Frame, at: tuple[float, float], name: str, words: Sequence[str]) -> Any:
        axes = self.figure.add_axes(self._place(at, frame.left, frame.top, frame.wide, frame.tall))
        axes.set_facecolor("none" if self.transparent else self.palette.ground)
        axes.set_title(_mathematics(name), loc="left", fontsize=16 * POINTS, pad=6, color=self.palette.words)
        axes.tick_params(labelcolor=self.palette.words)
        marked, turned = marked_steps(words, frame.across)
        axes.set_xticks([k for k, _ in marked], [_shown(word) for _, word in marked])
        axes.tick_params(axis="x", labelsize=12 * POINTS, labelrotation=90 if turned else 0, length=0)
        for side in axes.spines.values():
            side.set_edgecolor(self.palette.line)
        return axes


def _name_steps(axes: Any, frame: Frame, said: str, palette: Palette) -> None:
    wide = width_of(said, 11) > frame.wide
    place = {"x": 0.0, "horizontalalignment": "left"} if wide else {"x": 0.5, "horizontalalignment": "center"}
    axes.set_xlabel(said, fontsize=11 * POINTS, color=palette.words, **place)


def _mathematics(name: str) -> str:
    """A name for matplotlib, as a formula where it is one."""
    return f"${LATEX.name(name)}$" if split_name(name) is not None else _shown(name)


def _shown(text: str) -> str:
    """Text that matplotlib shows as it is: between two dollar signs it would read a formula."""
    return text.replace("$", r"\$")


def _matplotlib(module: str) -> Any:
    """The one place where matplotlib is imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DrawingError(
            f"PNG and PDF of a figure need matplotlib, which cannot be imported ({error}): "
            "pip install 'tinygrad-lstm[plots]', or save the figure as .svg, which needs nothing"
        ) from None
