"""The tables of agreement: errors by attractors, and what the number unit does."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tinygrad_lstm.tasks.agreement.number_unit import Clamped, NumberUnit
from tinygrad_lstm.tasks.agreement.sentence_model import Agreement
from tinygrad_lstm.tasks.results import markdown_table, written_page
from tinygrad_lstm.tasks.sequence_data import Floats

__all__ = ["ABOUT", "agreement_page", "agreement_table", "unit_lines"]

ABOUT: Final = (
    "In “the dogs that the cat near the birds sees bark” the verb agrees with a noun far to the left, over nouns of "
    "the other number, the attractors. The network reads the sentence up to a verb, and is asked for its number. In "
    "the test all nouns between subject and verb are attractors."
)


def agreement_table(trained: Sequence[Agreement], errors: Sequence[dict[int, Floats]]) -> str:
    """Errors in percent by the number of attractors, the mean of the trials and the range; a row for each cell."""
    head = ["cell", "weights", *[f"{n} attractors" if n != 1 else "1 attractor" for n in errors[0]]]
    rows = []
    for one, found in zip(trained, errors, strict=True):
        size = sum(p.size for p in one.model.parameters()) // one.model.trials
        name = f"{one.cell.upper()}, {one.model.cell.hidden} units"
        rows.append([name, f"{size:,}", *[_percent(100 * shares) for shares in found.values()]])
    return markdown_table(head, rows)


def _percent(shares: Floats) -> str:
    mean = f"{np.mean(shares):.1f} %"
    return mean if len(shares) == 1 else f"{mean} ({shares.min():.1f} … {shares.max():.1f})"


def unit_lines(found: NumberUnit, clamped: Clamped) -> list[str]:
    """What was found about the unit that carries the number, a sentence a line."""

    held = ", ".join(f"{100 * share:.0f} % ({units})" for units, share in clamped.best.items())
    return [
        f"Unit {found.unit} of the cell state of trial {found.trial} carries the number best: from the subject to the "
        f"verb one threshold is right at {100 * found.share:.1f} % of the words.",
        f"Its mean is {_signed(found.singular)} behind singular subjects, {_signed(found.plural)} behind plural ones.",
        f"The best linear function of all units is right at {100 * found.probe:.1f} % of the words.",
        f"With two attractors {100 * clamped.free:.1f} % of the verbs get the wrong number. When the best units are "
        "clamped, from the subject on, to their means behind the other number, so many verbs change theirs, by how "
        f"many units are clamped: {held}.",
        f"Another unit, clamped alone, changes {100 * clamped.other:.1f} %.",
    ]


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def agreement_page(objective: str, table: str, lines: Sequence[str], command: str, note: str, picture: str = "") -> str:
    """A page in Markdown.

    Args:
        picture: the path of the picture of the unit, if there is one.
    """
    told = {"number": "trained to predict the number", "language": "language models"}[objective]
    parts = [ABOUT, table]
    if lines:
        parts += ["## The unit that carries the number", "\n".join(f"- {line}" for line in lines)]
    if picture:
        parts.append(f"![Gates and state of the unit along two sentences]({picture})")
    return written_page(f"Subject and verb: {told}", *parts, "## How it was made", command=command, note=note)
