"""Text coloured by numbers: what one unit of a model does at each letter."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from tinygrad_lstm.draw.options import check_look, check_title
from tinygrad_lstm.draw.themes import ThemeName
from tinygrad_lstm.draw.time.figures import ColouredText, Figure
from tinygrad_lstm.draw.time.frames import Array
from tinygrad_lstm.draw.time.sequences import ScaleChoice
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import whole

__all__ = ["coloured"]


def coloured(
    words: Sequence[str],
    values: Any,
    *,
    columns: int = 80,
    scale: ScaleChoice = "fixed",
    title: str | None = None,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Figure:
    """A text, each letter or word of it on the colour of a number, such as the cell state of one unit there.

    Args:
        words: a text, for its characters, or a list of words.
        values: a number for each of them; or several such arrays in a dict, by the names to show over them.
        columns: how many letters a line has at most; line breaks of the text are kept.
        scale: the ends of the colours: ``"fixed"`` from 0 to 1 for gates, and as far below zero as above for others;
            ``"own"`` from the least to the greatest value where no value is of another sign.
        title: over the figure.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind it.

    Raises:
        UsageError: when there is no text, or another number of values than of letters or words.

    Source: A. Karpathy, J. Johnson, L. Fei-Fei, "Visualizing and understanding recurrent networks", 2015.

    >>> text = "to be or not to be"
    >>> lstm = tl.nn.LSTM(1, 8, key=tl.random.key(0))
    >>> seen = tl.observe(lstm, tl.random.normal(tl.random.key(1), (len(text), 1, 1)))
    >>> tl.draw.coloured(text, {"unit 3": seen["cells.0"].C_t[:, 0, 3]})
    <Figure 'A text coloured by a unit': unit 3>
    """
    check_title("draw.coloured", title)
    check_look("draw.coloured", theme, transparent)
    if scale not in get_args(ScaleChoice):
        known = ", ".join(map(repr, get_args(ScaleChoice)))
        raise UsageError(f"draw.coloured: scale is one of {known}, not {scale!r}")
    if (most := whole(columns)) is None or most < 1:
        raise UsageError(f"draw.coloured: columns is an integer of at least 1, not {columns!r}")
    said = _words(words)
    several = values if isinstance(values, Mapping) else {"": values}
    if not several:
        raise UsageError("draw.coloured: values is an array, or a dict of arrays by name, and this dict is empty")
    panels = tuple(
        ColouredText(str(name), said, _numbers(array, len(said)), most, scale == "own")
        for name, array in several.items()
    )
    names = ", ".join(p.name for p in panels if p.name) or "one number for each"
    heading = title or f"A text coloured by {'a unit' if len(panels) == 1 else f'{len(panels)} units'}"
    described = f"The text of {len(said)} letters or words on colours: {names}."
    return Figure(heading, described, panels, (), 1, theme, transparent)


def _words(words: Any) -> tuple[str, ...]:
    try:
        said = tuple(words)
    except TypeError:
        said = ()
    if not said or not all(isinstance(word, str) for word in said):
        raise UsageError(f"draw.coloured: words is a text or a list of words, and not empty; got {words!r}")
    return said


def _numbers(values: Any, count: int) -> Array:
    array = np.asarray(values.numpy() if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "fiub" or array.shape != (count,):
        raise UsageError(
            f"draw.coloured: there are {count} letters or words, so values holds {count} numbers, not "
            f"{array.dtype}{list(array.shape)}; of an observation (time, batch, hidden) take one unit: C_t[:, 0, 3]"
        )
    return array.astype(np.float64)
