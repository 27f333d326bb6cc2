"""Heat maps, curves and coloured texts as plain SVG."""

import hashlib
import html
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lstm.draw.markup import FONT, shortened, split_name, width_of
from tinygrad_lstm.draw.themes import THEMES, ThemeName, contrast
from tinygrad_lstm.draw.time.frames import (
    LINE,
    SMALL,
    Array,
    Frame,
    PlacedWord,
    frame_of_curves,
    frame_of_map,
    frame_of_text,
    hatching,
    marked_steps,
    marked_units,
    panels_in_rows,
    rings,
    runs,
)
from tinygrad_lstm.draw.time.legends import DASH, NAME, ROW, heights, place_legend
from tinygrad_lstm.graph.scopes import legal_text

__all__ = [
    "DASHES",
    "LEVELS",
    "PALETTES",
    "Palette",
    "Panel",
    "axis",
    "below_zero",
    "coloured_text",
    "colours_of",
    "curves",
    "decades_shown",
    "heat_map",
    "sheet",
    "shown_number",
]

Color = tuple[int, int, int]

LEVELS: Final = 64
"""In how many steps a scale is cut: cells of one colour are one shape."""

NARROW: Final = 8.0
"""Cells that are narrower have no room for a sign each."""

DASHES: Final[tuple[tuple[int, ...], ...]] = ((), (7, 4), (2, 3), (9, 3, 2, 3))


@dataclass(frozen=True)
class Palette:
    """The colours of a figure.

    Attributes:
        ground: behind everything.
        words: of all text.
        line: of frames; ``grid`` is fainter.
        lost, hatch: behind values that are no numbers, and the lines over them.
        inks: of curves.
        sequential: a scale of one sign, from its least value to its greatest.
        diverging: a scale through zero.
    """

    ground: str
    words: str
    line: str
    grid: str
    lost: str
    hatch: str
    inks: tuple[str, ...]
    sequential: tuple[Color, ...]
    diverging: tuple[Color, ...]

    def at(self, limits: tuple[float, float], part: float) -> str:
        """The colour at a part of a scale from 0 to 1; scales through zero have two colours, the others one."""
        return _colour(self.diverging if limits[0] < 0 < limits[1] else self.sequential, part)


PALETTES: Final[dict[ThemeName, Palette]] = {
    "light": Palette(
        ground="#ffffff",
        words="#000000",
        line="#616161",
        grid="#d5d8dc",
        lost="#e0e0e0",
        hatch="#757575",
        inks=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"),
        sequential=((255, 255, 229), (161, 218, 180), (65, 182, 196), (34, 94, 168), (8, 29, 88)),
        diverging=((84, 39, 136), (153, 142, 195), (247, 247, 247), (241, 163, 64), (179, 88, 6)),
    ),
    "dark": Palette(
        ground=THEMES["dark"].background,
        words=THEMES["dark"].text,
        line="#8a98a3",
        grid="#333d46",
        lost="#2a333b",
        hatch="#8a98a3",
        inks=("#56b4e9", "#ff8f4d", "#2fd0a0", "#e59ac3", "#8fd0ff", "#f0c04a"),
        sequential=((18, 26, 52), (27, 71, 128), (33, 132, 158), (103, 195, 164), (253, 250, 205)),
        diverging=((201, 178, 255), (111, 92, 176), (32, 38, 45), (186, 104, 22), (255, 196, 120)),
    ),
}


@dataclass(frozen=True)
class Panel:
    """One drawn panel: elements of SVG round the origin, and how much room they take."""

    elements: tuple[str, ...]
    frame: Frame


def axis(lost: bool, zero: bool = False, negative: bool = False) -> str:
    """What stands under a panel: the name of the axis, and what marks mean.

    >>> axis(False), axis(True)
    ('step', 'step; hatched: nan or infinite')
    """
    return f"step{'; ○ is exactly 0' * zero}{'; – is negative' * negative}{'; hatched: nan or infinite' * lost}"


def heat_map(
    name: str,
    values: Array,
    limits: tuple[float, float],
    words: Sequence[str],
    numbers: Sequence[int],
    palette: Palette,
) -> Panel:
    """A matrix ``(units, steps)`` in colours, with the numbers of its units, and its scale on the right."""
    frame = frame_of_map(len(values), words)
    low, high = limits
    elements = [_name(frame.left, 19, name, 16)]
    span = high - low if high > low else 1.0
    finite = np.isfinite(values)
    level = np.zeros(values.shape, dtype=int)
    level[finite] = (np.clip((values[finite] - low) / span, 0, 1) * (LEVELS - 1)).round()
    level[~finite] = LEVELS
    for at in np.unique(level).tolist():
        fill = palette.lost if at == LEVELS else palette.at(limits, at / (LEVELS - 1))
        elements.append(f'<path fill="{fill}" shape-rendering="crispEdges" d="{_cells(level == at, frame)}"/>')
    for row, start, end in runs(~finite):
        x, y = frame.left + frame.across * start, frame.top + frame.down * row
        elements.append(_hatched(x, y, frame.across * (end - start), frame.down, palette))
    below = below_zero(values, limits, frame, palette)
    for ink, lines in below.items():
        ways = "".join(f"M{frame.left + a:.2f} {frame.top + y:.2f}h{b - a:.2f}" for a, b, y in lines)
        elements.append(f'<path d="{ways}" stroke="{ink}" stroke-opacity="0.8" fill="none"/>')
    elements.append(_frame(frame.left, frame.top, frame.wide, frame.tall, palette))
    for k, unit in marked_units(frame, numbers):
        y = frame.top + frame.down * (k + 0.5) + 3
        elements.append(_text(frame.left - 6, y, str(unit), min(SMALL, frame.down), anchor="end"))
    elements.append(_text(frame.left - 34, frame.top + frame.tall / 2, "unit", 11, anchor="middle", turn=-90))
    elements += _under(frame, words, axis(not finite.all(), negative=bool(below)))
    elements += _scale(limits, frame.left + frame.wide + 16, frame.top, frame.tall, palette)
    return Panel(tuple(elements), frame)


def coloured_text(
    name: str, values: Array, limits: tuple[float, float], placed: Sequence[PlacedWord], palette: Palette
) -> Panel:
    """Words in lines, each on the colour of its value, and the scale on the right."""
    frame = frame_of_text(placed)
    grounds, hatches, letters = [], [], defaultdict[tuple[str, float], list[tuple[float, str]]](list)
    for value, word in zip(values.tolist(), placed, strict=True):
        fill, ink = colours_of(value, limits, palette)
        x, y = frame.left + word.x, frame.top + word.y
        grounds.append(f'<rect x="{x:g}" y="{y:g}" width="{word.wide:g}" height="{LINE:g}" fill="{fill}"/>')
        if not math.isfinite(value):
            hatches.append(_hatched(x, y, word.wide, LINE, palette))
        if word.said.strip():
            letters[ink, y + 15].append((x + word.wide / 2, word.said))
    said = []
    for (ink, y), words in letters.items():
        # Single letters of a line are one element, which says where each of them stands.
        single = [(x, said_there) for x, said_there in words if len(said_there) == 1]
        if single:
            places = " ".join(f"{x:g}" for x, _ in single)
            said.append(f'<text x="{places}" y="{y:g}" fill="{ink}">{_escaped("".join(w for _, w in single))}</text>')
        said += [f'<text x="{x:g}" y="{y:g}" fill="{ink}">{_escaped(w)}</text>' for x, w in words if len(w) > 1]
    elements = [
        _name(frame.left, 19, name, 16),
        f'<g shape-rendering="crispEdges">{"".join(grounds)}</g>',
        *hatches,
        f'<g font-family="monospace" font-size="14" text-anchor="middle">{"".join(said)}</g>',
    ]
    elements += _scale(limits, frame.left + frame.wide + 16, frame.top, max(3 * LINE, min(frame.tall, 160)), palette)
    return Panel(tuple(elements), frame)


def colours_of(value: float, limits: tuple[float, float], palette: Palette) -> tuple[str, str]:
    """The colour of a value on its scale, and black or white for words on it: the one with more contrast."""
    low, high = limits
    if not math.isfinite(value):
        return palette.lost, palette.words
    fill = palette.at(limits, min(max((value - low) / (high - low or 1.0), 0.0), 1.0))
    return fill, max(("#000000", "#ffffff"), key=lambda ink: contrast(fill, ink))


def below_zero(
    values: Array, limits: tuple[float, float], frame: Frame, palette: Palette
) -> dict[str, list[tuple[float, float, float]]]:
    """The minus signs in cells below zero, which say the sign where colours are printed in grey.

    Narrow cells have one for a whole run. Values close to zero have none.

    Returns:
        both ends and the height of each, from the corner of the frame, by their colour.
    """
    if not limits[0] < 0 < limits[1]:
        return {}
    finite = np.isfinite(values)
    # A tenth of the way to the end of the scale.
    marked = np.where(finite, values, 0.0) < 0.1 * limits[0]
    light = np.zeros(values.shape, dtype=bool)
    light[marked] = [colours_of(v, limits, palette)[1] == "#ffffff" for v in values[marked].tolist()]
    across, found = frame.across, defaultdict[str, list[tuple[float, float, float]]](list)
    for ink, wanted in (("#000000", marked & ~light), ("#ffffff", marked & light)):
        for row, start, end in runs(wanted):
            single = [(k, k + 1) for k in range(start, end)] if across >= NARROW else [(start, end)]
            inset = across * 0.3 if across >= NARROW else 0.5
            height = frame.down * (row + 0.5)
            found[ink] += [
                (across * a + inset, across * b - inset, height) for a, b in single if across * (b - a) >= 2 * inset + 2
            ]
    return {ink: lines for ink, lines in found.items() if lines}


def decades_shown(decades: tuple[int, int]) -> list[int]:
    """The powers of ten that are marked between two of them, at most nine.

    >>> decades_shown((-3, 0)), decades_shown((-40, 1))
    ([0, -1, -2, -3], [1, -5, -11, -17, -23, -29, -35])
    """
    bottom, top = decades
    return list(range(top, bottom - 1, -max(1, math.ceil((top - bottom) / 8))))


def curves(
    name: str, values: Mapping[str, Array], decades: tuple[int, int], words: Sequence[str], palette: Palette
) -> Panel:
    """Values over time on a logarithmic scale. Zeros, which have no place on it, are rings at its foot."""
    frame = frame_of_curves(words)
    left, top, tall, wide, across = frame.left, frame.top, frame.tall, frame.wide, frame.across
    legend = place_legend(values, decades, frame)
    elements = [_name(left, 19, name, 16)]
    marked = decades_shown(decades)
    for decade, y in zip(marked, (top + heights(10.0 ** np.array(marked), decades, tall)).tolist(), strict=True):
        elements.append(f'<path d="M{left:g} {y:g}h{wide:g}" stroke="{palette.grid}" fill="none"/>')
        elements.append(_text(left - 8, y + 4, _power_of_ten(decade), 11, anchor="end"))
    lost = ~np.all([np.isfinite(numbers) for numbers in values.values()], axis=0)
    for _, start, end in runs(lost[None]):
        elements.append(_hatched(left + across * start, top, across * (end - start), tall, palette))
    elements.append(_frame(left, top, wide, tall, palette))
    for k, (curve, numbers) in enumerate(values.items()):
        ink, dash = palette.inks[k % len(palette.inks)], " ".join(map(str, DASHES[k % len(DASHES)]))
        zeros = [left + across * (j + 0.5) for j in rings(numbers, across)]
        ring = f'r="3" fill="{palette.ground}" stroke="{ink}" stroke-width="1.4"'
        elements += [f'<circle cx="{x:.2f}" cy="{top + tall:g}" {ring}/>' for x in zeros]
        style = f' stroke-dasharray="{dash}"' if dash else ""
        curve_at = top + heights(numbers, decades, tall)
        for _, start, end in runs(np.isfinite(curve_at)[None]):
            spots = [(left + across * (j + 0.5), curve_at[j]) for j in range(start, end)]
            line = " ".join(f"{x:.2f},{y:.2f}" for x, y in spots)
            elements.append(f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2"{style}/>')
            if across >= 5:
                elements += [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.4" fill="{ink}"/>' for x, y in spots]
        x, y = left + legend.x, top + legend.y + ROW * k
        elements.append(f'<path d="M{x:g} {y - 4:g}h{DASH:g}" stroke="{ink}" stroke-width="2"{style}/>')
        elements.append(_name(x + DASH + 6, y, curve, NAME))
    elements.append(_text(16, top + tall / 2, "norm of the gradient", 11, anchor="middle", turn=-90))
    zero = any(bool((numbers == 0).any()) for numbers in values.values())
    elements += _under(frame, words, axis(bool(lost.any()), zero))
    return Panel(tuple(elements), frame)


def sheet(
    panels: Sequence[Panel], columns: int, title: str, description: str, palette: Palette, transparent: bool
) -> str:
    """Panels in rows as one ``<svg>`` element, with title and description for screen readers."""
    places, wide, y = panels_in_rows([p.frame for p in panels], columns, title)
    body = [_text(12, 26, shortened(title), 17)]
    for panel, (x, top) in zip(panels, places, strict=True):
        body.append(f'<g transform="translate({x:g} {top:g})">{"".join(panel.elements)}</g>')
    digest = hashlib.sha256("\0".join([title, description, *body]).encode("utf-8", "replace")).hexdigest()[:12]
    words = "".join(
        f'<{tag} id="{tag}-{digest}">{_escaped(said)}</{tag}>'
        for tag, said in (("title", title), ("desc", description))
    )
    ground = "" if transparent else f'<rect width="100%" height="100%" fill="{palette.ground}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{y:.0f}" '
        f'viewBox="0 0 {wide:.0f} {y:.0f}" font-family="{FONT}" fill="{palette.words}" role="img" '
        f'aria-labelledby="title-{digest} desc-{digest}">{words}'
        f"{ground}{''.join(body)}</svg>"
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


def _frame(x: float, y: float, w: float, h: float, palette: Palette) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="none" stroke="{palette.line}"/>'


def _hatched(x: float, y: float, wide: float, tall: float, palette: Palette) -> str:
    lines = "".join(f"M{a:.2f} {b:.2f}L{c:.2f} {d:.2f}" for a, b, c, d in hatching(x, y, wide, tall))
    return f'<path d="{lines}" stroke="{palette.hatch}" fill="none"/>'


def _under(frame: Frame, words: Sequence[str], said: str) -> list[str]:
    """The words under the steps, and the name of the axis."""
    marked, turned = marked_steps(words, frame.across)
    y = frame.top + frame.tall
    found = []
    for k, word in marked:
        x = frame.left + frame.across * (k + 0.5)
        if turned:
            found.append(_text(x + 4, y + 8, word, 12, anchor="end", turn=-90))
        else:
            found.append(_text(x, y + 16, word, 12, anchor="middle"))
    # Words that are wider than the frame begin where it does.
    wide = width_of(said, 11) > frame.wide
    x, anchor = (frame.left, "start") if wide else (frame.left + frame.wide / 2, "middle")
    found.append(_text(x, frame.height - 12, said, 11, anchor=anchor))
    return found


def _cells(wanted: NDArray[np.bool_], frame: Frame) -> str:
    """The outline of the marked cells of a matrix, neighbours in a row as one."""
    across, down = frame.across, frame.down
    return "".join(
        f"M{frame.left + across * a:g} {frame.top + down * r:g}h{across * (b - a):g}v{down:g}h{-across * (b - a):g}z"
        for r, a, b in runs(wanted)
    )


def _colour(colours: Sequence[Color], part: float) -> str:
    at = part * (len(colours) - 1)
    k = min(int(at), len(colours) - 2)
    mixed = [round(a + (b - a) * (at - k)) for a, b in zip(colours[k], colours[k + 1], strict=True)]
    return "#" + "".join(f"{c:02x}" for c in mixed)


def _scale(limits: tuple[float, float], x: float, y: float, tall: float, palette: Palette) -> list[str]:
    count = 24
    step = tall / count
    found = [
        f'<rect x="{x:g}" y="{y + step * k:.2f}" width="12" height="{step + 0.5:.2f}" shape-rendering="crispEdges" '
        f'fill="{palette.at(limits, 1 - k / (count - 1))}"/>'
        for k in range(count)
    ]
    found.append(_frame(x, y, 12, tall, palette))
    found.append(_text(x + 17, y + 9, shown_number(limits[1]), SMALL))
    found.append(_text(x + 17, y + tall - 1, shown_number(limits[0]), SMALL))
    return found


def shown_number(value: float) -> str:
    """A number at the end of a scale."""
    return f"{value:.3g}".replace("-", "−")


def _power_of_ten(decade: int) -> str:
    return "10" + str(decade).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
