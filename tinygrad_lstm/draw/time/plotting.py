"""Heat maps and curves as plain SVG."""

import hashlib
import html
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.draw.markup import FONT, split_name, width_of
from tinygrad_lstm.graph.scopes import legal_text

__all__ = ["Array", "Panel", "curves", "heat_map", "sheet", "shown_word"]

Array = NDArray[np.float64]
Color = tuple[int, int, int]

LEVELS: Final = 64
"""In how many steps a scale is cut: cells of one colour are one shape."""

SEQUENTIAL: Final[tuple[Color, ...]] = ((255, 255, 229), (161, 218, 180), (65, 182, 196), (34, 94, 168), (8, 29, 88))
DIVERGING: Final[tuple[Color, ...]] = ((84, 39, 136), (153, 142, 195), (247, 247, 247), (241, 163, 64), (179, 88, 6))
INKS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES: Final = ("", "7 4", "2 3", "9 3 2 3")
NOT_A_NUMBER: Final = "#bdbdbd"
AXIS: Final = 16.0
"""The room that the name of the axis takes."""


@dataclass(frozen=True)
class Panel:
    """One drawn panel: elements of SVG round the origin, and how much room they take."""

    elements: tuple[str, ...]
    width: float
    height: float


def shown_word(word: str) -> str:
    """A word with what is invisible in it made visible.

    >>> shown_word(" "), shown_word(chr(10)), shown_word("the")
    ('␣', '⏎', 'the')
    """
    shown = {" ": "␣", "\n": "⏎", "\t": "⇥"}
    if word in shown:
        return shown[word]
    return "".join("·" if unicodedata.category(c).startswith("C") else c for c in word.replace("\n", "⏎"))


def heat_map(
    name: str, values: Array, limits: tuple[float, float], words: Sequence[str], numbers: Sequence[int]
) -> Panel:
    """A matrix ``(units, steps)`` in colours, with the numbers of its units, and its scale on the right."""
    units, steps = values.shape
    low, high = limits
    colours = SEQUENTIAL if low == 0 else DIVERGING
    across = _step_width(words)
    down = max(4.0, min(16.0, 220.0 / units))
    left, top = 44.0, 30.0
    wide, tall = across * steps, down * units
    elements = [_name(left, 19, name, 16)]
    span = high - low if high > low else 1.0
    finite = np.isfinite(values)
    level = np.where(finite, np.clip((values - low) / span, 0, 1) * (LEVELS - 1), 0).round().astype(int)
    level[~finite] = LEVELS
    for at in np.unique(level).tolist():
        fill = NOT_A_NUMBER if at == LEVELS else _colour(colours, at / (LEVELS - 1))
        elements.append(f'<path fill="{fill}" d="{_cells(level == at, left, top, across, down)}"/>')
    elements.append(_frame(left, top, wide, tall))
    elements.append(_text(left - 8, top + 9, str(numbers[0]), 10, anchor="end"))
    if units > 1:
        elements.append(_text(left - 8, top + tall - 1, str(numbers[-1]), 10, anchor="end"))
    whole = numbers[-1] - numbers[0] == units - 1
    said = "unit" if whole else f"{units} of the units"
    elements.append(_text(left - 26, top + tall / 2, said, 11, anchor="middle", turn=-90))
    elements += _ticks(words, left, top + tall, across)
    elements.append(_axis(left + wide / 2, top + tall + _depth(words)))
    elements += _scale(colours, limits, left + wide + 16, top, tall)
    return Panel(tuple(elements), left + wide + 76, top + tall + _depth(words) + AXIS)


def curves(name: str, values: Mapping[str, Array], decades: tuple[int, int], words: Sequence[str]) -> Panel:
    """Values over time on a logarithmic scale. Zeros, which have no place on it, are rings at its foot."""
    across = _step_width(words)
    left, top, tall = 66.0, 30.0, 210.0
    wide = across * len(words)
    bottom_decade, top_decade = decades

    def height(value: float) -> float:
        part = (math.log10(value) - bottom_decade) / (top_decade - bottom_decade)
        return top + tall * (1 - min(1.0, max(0.0, part)))

    elements = [_name(left, 19, name, 16)]
    every = max(1, math.ceil((top_decade - bottom_decade) / 8))
    for decade in range(top_decade, bottom_decade - 1, -every):
        y = height(10.0**decade)
        elements.append(f'<path d="M{left:g} {y:g}h{wide:g}" stroke="#d5d8dc" fill="none"/>')
        elements.append(_text(left - 8, y + 4, _power_of_ten(decade), 11, anchor="end"))
    elements.append(_frame(left, top, wide, tall))
    for k, (curve, numbers) in enumerate(values.items()):
        ink, dash = INKS[k % len(INKS)], DASHES[k % len(DASHES)]
        spots = [
            (left + across * (j + 0.5), height(float(v))) for j, v in enumerate(numbers) if v > 0 and math.isfinite(v)
        ]
        zeros = [left + across * (j + 0.5) for j, v in enumerate(numbers) if v == 0]
        ring = f'r="3" fill="#ffffff" stroke="{ink}" stroke-width="1.4"'
        elements += [f'<circle cx="{x:.2f}" cy="{top + tall:g}" {ring}/>' for x in zeros]
        line = " ".join(f"{x:.2f},{y:.2f}" for x, y in spots)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        elements.append(f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2"{style}/>')
        elements += [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.4" fill="{ink}"/>' for x, y in spots]
        y = top + tall - 14 - 18 * (len(values) - 1 - k)
        x = left + wide - 74
        elements.append(f'<path d="M{x:g} {y - 4:g}h26" stroke="{ink}" stroke-width="2"{style}/>')
        elements.append(_name(x + 32, y, curve, 13))
    elements.append(_text(16, top + tall / 2, "norm of the gradient", 11, anchor="middle", turn=-90))
    elements += _ticks(words, left, top + tall, across)
    lost = any(bool((numbers == 0).any()) for numbers in values.values())
    elements.append(_axis(left + wide / 2, top + tall + _depth(words), "; ○ is exactly 0" * lost))
    return Panel(tuple(elements), left + wide + 24, top + tall + _depth(words) + AXIS)


def sheet(panels: Sequence[Panel], columns: int, title: str, description: str) -> str:
    """Panels in rows as one ``<svg>`` element, with title and description for screen readers."""
    rows = [panels[k : k + columns] for k in range(0, len(panels), columns)]
    wide = max([sum(p.width for p in row) for row in rows] + [width_of(title, 17) + 24])
    body, y = [_text(12, 26, title, 17)], 42.0
    for row in rows:
        x = 0.0
        for panel in row:
            body.append(f'<g transform="translate({x:g} {y:g})">{"".join(panel.elements)}</g>')
            x += panel.width
        y += max(p.height for p in row) + 10
    digest = hashlib.sha256("\0".join([title, description, *body]).encode("utf-8", "replace")).hexdigest()[:12]
    words = "".join(
        f'<{tag} id="{tag}-{digest}">{_escaped(said)}</{tag}>'
        for tag, said in (("title", title), ("desc", description))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{y:.0f}" '
        f'viewBox="0 0 {wide:.0f} {y:.0f}" font-family="{FONT}" role="img" '
        f'aria-labelledby="title-{digest} desc-{digest}">{words}'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(body)}</svg>'
    )


def _escaped(text: str) -> str:
    return html.escape(legal_text(text), quote=False)


def _text(x: float, y: float, said: str, size: float, *, anchor: str = "start", turn: float = 0) -> str:
    more = f' transform="rotate({turn:g} {x:g} {y:g})"' if turn else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"{more}>{_escaped(said)}</text>'


def _name(x: float, y: float, said: str, size: float) -> str:
    parts = split_name(said)
    if parts is None:
        return _text(x, y, said, size)
    letter, below = (_escaped(part) for part in parts)
    sub = f'<tspan dy="{size * 0.25:g}" font-size="{size * 0.75:g}">{below}</tspan>' if below else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"><tspan font-style="italic">{letter}</tspan>{sub}</text>'


def _frame(x: float, y: float, w: float, h: float) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="none" stroke="#616161"/>'


def _step_width(words: Sequence[str]) -> float:
    return 15.0 if len(words) <= 90 else 12.0


def _is_long(words: Sequence[str]) -> bool:
    return any(len(word) > 2 for word in words)


def _depth(words: Sequence[str]) -> float:
    """The room that words take under a panel."""
    return 14.0 + max(width_of(shown_word(w), 12) for w in words) if _is_long(words) else 26.0


def _axis(x: float, y: float, more: str = "") -> str:
    return _text(x, y + 4, f"step{more}", 11, anchor="middle")


def _ticks(words: Sequence[str], left: float, y: float, across: float) -> list[str]:
    found = []
    for k, word in ((k, word) for k, word in enumerate(words) if word):
        x = left + across * (k + 0.5)
        if _is_long(words):
            found.append(_text(x + 4, y + 8, shown_word(word), 12, anchor="end", turn=-90))
        else:
            found.append(_text(x, y + 16, shown_word(word), 12, anchor="middle"))
    return found


def _cells(wanted: NDArray[np.bool_], left: float, top: float, across: float, down: float) -> str:
    """The outline of the marked cells of a matrix, neighbours in a row as one."""
    padded = np.pad(wanted.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return "".join(
        f"M{left + across * a:g} {top + down * r:g}h{across * (b - a):g}v{down:g}h{-across * (b - a):g}z"
        for r, a, b in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    )


def _colour(colours: Sequence[Color], part: float) -> str:
    at = part * (len(colours) - 1)
    k = min(int(at), len(colours) - 2)
    mixed = [round(a + (b - a) * (at - k)) for a, b in zip(colours[k], colours[k + 1], strict=True)]
    return "#" + "".join(f"{c:02x}" for c in mixed)


def _scale(colours: Sequence[Color], limits: tuple[float, float], x: float, y: float, tall: float) -> list[str]:
    count = 24
    step = tall / count
    found = [
        f'<rect x="{x:g}" y="{y + step * k:.2f}" width="12" height="{step + 0.3:.2f}" '
        f'fill="{_colour(colours, 1 - k / (count - 1))}"/>'
        for k in range(count)
    ]
    found.append(_frame(x, y, 12, tall))
    found.append(_text(x + 17, y + 9, _number(limits[1]), 10))
    found.append(_text(x + 17, y + tall - 1, _number(limits[0]), 10))
    return found


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _power_of_ten(decade: int) -> str:
    return "10" + str(decade).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
