"""The picture of a number unit: its gates and its value along two sentences that differ in the subject's number."""

import importlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.draw.output import check_folder, write_picture
from tinygrad_lstm.errors import DrawingError
from tinygrad_lstm.runtime.files import as_path
from tinygrad_lstm.tasks.agreement.grammar import PAIR
from tinygrad_lstm.tasks.agreement.number_unit import NumberUnit, values_along
from tinygrad_lstm.tasks.agreement.sentence_model import Agreement
from tinygrad_lstm.tasks.sequence_data import Floats

__all__ = ["UnitPicture", "picture_of_unit"]

_PANELS: Final = (("forget", "$f_t$"), ("input", "$i_t$"), ("output", "$o_t$"), ("cell", "$C_t$"))
_LOOKS: Final = (("o-", "#0072b2"), ("s--", "#d55e00"))


@dataclass(frozen=True, eq=False)
class UnitPicture:
    """A unit along two sentences, drawn by matplotlib when it is saved.

    Attributes:
        title: what is shown.
        description: the same for who cannot see it.
        values: of the cell, ``(time, 2, units)`` each.
        unit: which one.
        sentences: the two.
    """

    title: str
    description: str
    values: dict[str, Floats]
    unit: int
    sentences: tuple[Sequence[str], ...]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the form that the suffix says, such as ``.svg`` or ``.png``, and return the path.

        Raises:
            DrawingError: when matplotlib is not installed, the form is another, or the file cannot be written.
        """
        path = as_path(path, DrawingError)
        form = path.suffix[1:].lower()
        if form not in ("svg", "png", "pdf"):
            raise DrawingError(f"a unit is drawn as .svg, .png or .pdf; end {path.name!r} in one of these")
        check_folder(path)
        try:
            mpl: Any = importlib.import_module("matplotlib")
            plt: Any = importlib.import_module("matplotlib.pyplot")
        except ImportError:
            raise DrawingError(
                "the picture of a number unit is drawn by matplotlib; get it with: pip install 'tinygrad-lstm[plots]'"
            ) from None
        with mpl.rc_context({"svg.hashsalt": "tinygrad_lstm", "svg.fonttype": "none"}):
            figure, panels = plt.subplots(
                4, sharex=True, figsize=(7.2, 5.4), layout="constrained", height_ratios=(1, 1, 1, 2)
            )
            figure.suptitle(self.title, fontsize=12)
            for axes, (name, label) in zip(panels, _PANELS, strict=True):
                for k, (line, colour) in enumerate(_LOOKS):
                    said = " ".join(self.sentences[k][:2])
                    axes.plot(self.values[name][:, k, self.unit], line, color=colour, label=said, markersize=4)
                axes.set_ylabel(label, rotation=0, labelpad=14, fontsize=13)
                axes.grid(alpha=0.3)
                axes.spines[["top", "right"]].set_visible(False)
                if name != "cell":
                    axes.set_ylim(-0.08, 1.08)
                    axes.set_yticks([0, 1])
            panels[-1].axhline(0, color="#616161", linewidth=0.8)
            panels[-1].legend(frameon=False)
            words = [a if a == b else f"{a}/{b}" for a, b in zip(*self.sentences, strict=True)]
            panels[-1].set_xticks(range(len(words)), words, rotation=45, ha="right", rotation_mode="anchor")
            held = io.BytesIO()
            figure.savefig(held, format=form, metadata={"Date": None} if form == "svg" else None, dpi=144)
            plt.close(figure)
        write_picture(path, held.getvalue())
        return path


def picture_of_unit(trained: Agreement, found: NumberUnit) -> UnitPicture:
    """The picture of a unit along two sentences whose subjects are "the dog" and "the dogs"."""
    values = values_along(trained, PAIR, found.trial)
    ends = [float(values["cell"][-1, k, found.unit]) for k in (0, 1)]
    return UnitPicture(
        f"Unit {found.unit} of the LSTM carries the number from the subject to the verb",
        f"Gates and state of unit {found.unit} along two sentences: at the last word before the verb the state is "
        f"{ends[0]:.2f} after “the dog” and {ends[1]:.2f} after “the dogs”",
        values,
        found.unit,
        PAIR,
    )
