"""Texts coloured by numbers, and heat maps of what was observed."""

import io
import re
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib.image
import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.themes import contrast
from tinygrad_lstm.draw.time.frames import LINE, placed_words
from tinygrad_lstm.draw.time.plotting import PALETTES, colours_of
from tinygrad_lstm.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
KEY = tl.random.key(0)
TEXT = 'a "b"\ncd'


def rectangles(figure: Any) -> list[Any]:
    return [e for e in ET.fromstring(figure.svg()).iter(f"{SVG}rect") if e.get("height") == f"{LINE:g}"]


def letters(figure: Any) -> list[str]:
    """What is written on the colours, in the order of reading."""
    (group,) = [g for g in ET.fromstring(figure.svg()).iter(f"{SVG}g") if g.get("font-family") == "monospace"]
    found = []
    for text in group:
        places = text.get("x").split()
        parts = list(text.text) if len(places) > 1 else [text.text]
        found += [(float(text.get("y")), float(x), said) for x, said in zip(places, parts, strict=True)]
    return [said for _, _, said in sorted(found)]


def test_each_letter_has_the_colour_of_its_number() -> None:
    values = np.array([-1.0, 0.0, 0.5, 1.0, 0.25, -0.5, -0.25, 0.75])
    figure = draw.coloured(TEXT, values)
    found = rectangles(figure)
    assert [r.get("fill") for r in found] == [PALETTES["light"].at((-1, 1), (v + 1) / 2) for v in values]
    # A space is an empty rectangle; a line break is shown, and ends the line.
    assert letters(figure) == ["a", '"', "b", '"', "⏎", "c", "d"]
    places = [(float(r.get("x")), float(r.get("y"))) for r in found]
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert places[6][1] == places[0][1] + LINE


def test_lines_are_wrapped_and_words_have_room() -> None:
    placed = placed_words("x" * 25, 10)
    assert [sum(c.y == y for c in placed) for y in (0, LINE, 2 * LINE)] == [10, 10, 5]
    words = placed_words(["the", "cat", "sees"], 9)
    assert [(c.y, c.wide) for c in words] == [(0, 36), (0, 36), (LINE, 45)]
    assert len(placed_words(["a", "longerthanaline"], 5)) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_can_be_read_on_every_colour(theme: Any) -> None:
    for limits in ((0.0, 1.0), (-1.0, 1.0)):
        for value in np.linspace(*limits, 64):
            fill, ink = colours_of(float(value), limits, PALETTES[theme])
            assert contrast(fill, ink) > 4.5, (theme, value, fill, ink)


def test_several_units_and_the_ends_of_their_scales() -> None:
    seen = tl.observe(nn.LSTM(3, 4, key=KEY), tl.random.normal(KEY, (len(TEXT), 1, 3)))["cells.0"]
    figure = draw.coloured(TEXT, {"f_t": seen.f_t[:, 0, 1], "C_t": tl.tensor(seen.C_t[:, 0, 2])}, title="Two units")
    assert repr(figure) == "<Figure 'Two units': f_t, C_t>"
    assert figure.panels[0].limits == (0, 1)
    state = seen.C_t[:, 0, 2] - 0.5
    far = float(np.abs(state).max())
    assert draw.coloured(TEXT, state).panels[0].limits == (-far, far)
    own = draw.coloured(TEXT, seen.f_t[:, 0, 1], scale="own").panels[0]
    assert own.limits == (seen.f_t[:, 0, 1].min(), seen.f_t[:, 0, 1].max())
    assert draw.coloured("ab", [True, False]).panels[0].limits == (0, 1)


def test_numbers_that_are_none_are_hatched_and_names_are_text() -> None:
    figure = draw.coloured("a<b", [1.0, np.nan, np.inf], title="<&>")
    assert [r.get("fill") for r in rectangles(figure)][1:] == [PALETTES["light"].lost] * 2
    assert letters(figure) == ["a", "<", "b"]
    for option in ({}, {"theme": "dark"}, {"transparent": True}):
        assert ET.fromstring(draw.coloured("a$b", [0.0, 1.0, 2.0], **option).svg()) is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pngs_show_the_same_colours(theme: Any) -> None:
    values = np.array([-1.0, 1.0, 0.0])
    figure = draw.coloured("   ", values, theme=theme)
    held = io.BytesIO()
    figure.figure().savefig(held, format="png", dpi=96)
    pixels = matplotlib.image.imread(io.BytesIO(held.getvalue()))
    wide, tall = map(int, re.findall(r'(?:width|height)="(\d+)"', figure.svg())[:2])
    assert abs(pixels.shape[1] - wide) <= 1
    assert abs(pixels.shape[0] - tall) <= 1
    for rectangle, value in zip(rectangles(figure), values, strict=True):
        x, y = float(rectangle.get("x")) + 4, float(rectangle.get("y")) + 42 + LINE / 2
        wanted = colours_of(float(value), (-1, 1), PALETTES[theme])[0]
        got = [round(255 * float(c)) for c in pixels[int(y), int(x), :3]]
        assert np.abs(np.array(got) - [int(wanted[k : k + 2], 16) for k in (1, 3, 5)]).max() <= 2


def test_gates_of_what_was_observed() -> None:
    lstm = nn.LSTM(3, 8, 2, bidirectional=True, key=KEY)
    x = tl.random.normal(KEY, (5, 2, 3))
    seen = tl.observe(lstm, x)
    for loop in range(4):
        got = draw.gates(seen, "hello", loop=loop, batch=1)
        want = draw.gates(lstm, "hello", x=x, loop=loop, batch=1)
        for a, b in zip(got.panels, want.panels, strict=True):
            assert (a.name, a.units) == (b.name, b.units)
            np.testing.assert_array_equal(a.values, b.values)
    part = draw.gates(seen["reverse_cells.1"], "hello")
    assert part.title == "Gates of reverse_cells.1 along the sequence"
    np.testing.assert_array_equal(part.panels[0].values, draw.gates(seen, loop=3).panels[0].values)
    slopes = seen.gradients(lambda result: (result[0] ** 2).sum())
    assert [p.name for p in draw.gates(slopes["cells.0"]).panels] == ["f_t", "i_t", "o_t", "C_t"]


SEEN = tl.observe(nn.LSTM(3, 4, key=KEY), tl.ones((2, 1, 3)))


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (r"2 letters or words, so values holds 2 numbers, not float32\[2, 1, 4\]; of an observation .* take one unit",
            lambda: draw.coloured("ab", SEEN.C_t)),
        ("values holds 2 numbers, not <U1", lambda: draw.coloured("ab", ["c", "d"])),
        ("words is a text or a list of words, and not empty; got ''", lambda: draw.coloured("", [])),
        (r"words is a text or a list of words, and not empty; got \[1\]", lambda: draw.coloured([1], [1.0])),
        ("a dict of arrays by name, and this dict is empty", lambda: draw.coloured("a", {})),
        ("columns is an integer of at least 1, not 0", lambda: draw.coloured("a", [1.0], columns=0)),
        ("scale is one of 'fixed', 'own', not 'log'", lambda: draw.coloured("a", [1.0], scale="log")),
        ("nothing of what was observed lies in a loop over time",
            lambda: draw.gates(tl.observe(nn.LSTMCell(3, 4), tl.ones((1, 3))))),
        ("loop is an integer from 0 to 0, not 1", lambda: draw.gates(SEEN, loop=1)),
    ],
)  # fmt: skip
def test_mistakes(message: str, call: Any) -> None:
    with pytest.raises(UsageError, match=message):
        call()
