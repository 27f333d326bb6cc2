"""Every kind of picture in the dark, and with nothing behind it."""

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

import tinygrad_lstm as tl
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.themes import THEMES, contrast, dark_rules, darkened, themed
from tinygrad_lstm.draw.time.plotting import PALETTES
from tinygrad_lstm.errors import UsageError

COLOR = re.compile("#[0-9a-f]{6}")


class Odd(tl.nn.Module):
    """A cell that the textbook's arrangement does not fit."""

    input_size = 3

    def zeros(self, batch):
        return tl.zeros((batch, 4)), tl.zeros((batch, 4))

    def forward(self, x, state):
        a, b = state
        for k in range(20):
            a, b = tl.sin(a + b * k), tl.cos(b) * a
        return a, b + x.sum()


def pictures():
    lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    return {
        "cell": lambda **look: tl.draw.cell(tl.nn.LSTMCell(3, 4, peephole=True), legend=True, **look),
        "cell in ranks": lambda **look: tl.draw.cell(Odd(), legend=True, **look),
        "chain": lambda **look: tl.draw.chain(lstm, legend=True, **look),
        "rolled": lambda **look: tl.draw.rolled(lstm, **look),
        "unrolled": lambda **look: tl.draw.unrolled(lstm, beside_rolled=True, **look),
        "stage": lambda **look: tl.draw.walkthrough(tl.nn.GRUCell(3, 4), **look)[0].drawing,
        "graph": lambda **look: tl.draw.graph(lstm, tl.ones((3, 1, 3)), **look),
    }


PICTURES = pictures()


@pytest.mark.parametrize("name", PICTURES)
def test_no_light_colour_is_left_in_the_dark(name):
    light, dark = PICTURES[name]().dot, PICTURES[name](theme="dark").dot
    assert COLOR.sub("#", light).replace("white", '"#"') == COLOR.sub("#", dark).replace("white", '"#"')
    pairs = set(zip(COLOR.findall(light), COLOR.findall(dark.replace(THEMES["dark"].background, "", 1)), strict=False))
    assert not set(COLOR.findall(light)) & set(COLOR.findall(dark)) - {"#78909c"}, pairs


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_behind_a_transparent_picture(name, theme):
    picture = PICTURES[name](theme=theme, transparent=True)
    assert picture.dot.count("bgcolor=transparent") >= 1
    assert PICTURES[name](theme=theme).dot != picture.dot
    svg = picture.svg()
    ground = re.search(r'<g id="graph0".*?<polygon fill="(\w+)"', svg, re.DOTALL)
    assert ground is None or ground[1] == "none"


@pytest.mark.parametrize("name", ["cell", "stage", "rolled"])
def test_words_in_the_dark_can_be_read(name):
    dot = PICTURES[name](theme="dark").dot
    words = re.search(r'node \[fontcolor="(#\w+)"', dot)[1]
    bright = [line for line in dot.splitlines() if "fillcolor" in line and "fontcolor" not in line]
    fills = {re.search(r'fillcolor="(#\w+)"', line)[1] for line in bright if "->" not in line}
    assert fills
    assert all(contrast(words, fill) > 4.5 for fill in {*fills, THEMES["dark"].background})


def test_a_png_has_clear_corners():
    png = PICTURES["rolled"](transparent=True).png()
    assert png[25] == 6  # red, green, blue, alpha
    assert Image.open(io.BytesIO(png)).getpixel((0, 0))[3] == 0


def test_a_name_that_looks_like_a_colour_stays():
    x = tl.symbol('color="#000000" bgcolor=white ')
    dot = Drawing(themed(tl.draw.cell(lambda x, h: tl.tanh(x + h), x, tl.symbol("h")).dot, "dark"), "nop2", "x").dot
    assert r"#000000" in dot


def test_a_style_sheet_darkens_the_same_colours():
    light, dark = PICTURES["cell"]().svg(), PICTURES["cell"](theme="dark").svg()
    rules = dark_rules(".x")
    for color in set(re.findall('(?:fill|stroke)="([^"]+)"', light)) - {"none"}:
        assert f'[fill="{color}"]' in rules
    for color in set(re.findall('(?:fill|stroke)="(#[^"]+)"', dark)) - {THEMES["dark"].background}:
        assert color in rules


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_have_the_ground_and_the_words_of_their_theme(theme, transparent, tmp_path):
    lstm, x = tl.nn.LSTM(3, 4, key=tl.random.key(0)), tl.random.normal(tl.random.key(1), (6, 1, 3))
    look = {"theme": theme, "transparent": transparent}
    for figure in (tl.draw.gates(lstm(x)[0], **look), tl.draw.gradient_over_time(lstm, x, **look)):
        palette, svg = PALETTES[theme], figure.svg()
        assert (f'<rect width="100%" height="100%" fill="{palette.ground}"/>' in svg) != transparent
        assert f'fill="{palette.words}" role="img"' in svg
        other = PALETTES["dark" if theme == "light" else "light"]
        # The signs of cells below zero are black or white, as their cells ask for.
        unsigned = re.sub(r'<path [^>]*stroke-opacity="0.8"[^>]*>', "", svg)
        assert not {other.ground, other.words, other.line} & set(COLOR.findall(unsigned)) - {palette.line}
        corner = Image.open(io.BytesIO(figure.save(tmp_path / "x.png").read_bytes())).convert("RGBA").getpixel((0, 0))
        assert corner[3] == (0 if transparent else 255)
        assert transparent or "#{:02x}{:02x}{:02x}".format(*corner) == palette.ground


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_can_be_told_from_the_ground(theme):
    palette = PALETTES[theme]
    assert all(contrast(ink, palette.ground) > 2 for ink in palette.inks)
    assert contrast(palette.words, palette.ground) > 7


def test_a_walkthrough_is_dark_where_it_should_be():
    steps = tl.draw.walkthrough(tl.nn.GRUCell(3, 4))
    assert "prefers-color-scheme: dark" in steps.page().html
    dark = tl.draw.walkthrough(tl.nn.GRUCell(3, 4), theme="dark")
    assert "prefers-color-scheme" not in dark.page().html
    assert THEMES["dark"].background in dark.page().html


def test_a_page_begins_as_it_was_asked_to():
    assert 'data-begin="dark"' in tl.draw.page(lambda x: x * 2, 1.0, theme="dark").html
    assert 'data-begin=""' in tl.draw.page(lambda x: x * 2, 1.0).html


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("option", "said"), [({"theme": "grey"}, "theme is"), ({"transparent": 1}, "transparent is")])
def test_other_looks_are_refused(name, option, said):
    with pytest.raises(UsageError, match=rf"draw\.\w+: {said} "):
        PICTURES[name](**option)


def test_every_light_picture_of_the_documentation_has_a_dark_form():
    """Figures and the picture of the rooms have colours of their own; the site turns those round."""
    docs = Path(__file__).parent.parent.parent / "docs"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in docs.glob("*/*.svg")}
    drawn = {name for name, svg in texts.items() if 'id="graph0"' in svg and name not in ("packages", "rnn_values")}
    assert len(drawn) > 20
    for name in drawn:
        dark = darkened(texts[name])
        assert dark is not None, name
        ET.fromstring(dark)
        paints = {paint for _, paint in re.findall(r'(fill|stroke)="(#[0-9a-f]{6}|white|black)"', dark)}
        assert not paints & {"#ffffff", "white", "black", "#000000"}, name
    assert {name for name in texts if darkened(texts[name]) is not None} == drawn
    redrawn = themed(tl.draw.cell(tl.nn.LSTMCell(3, 4), legend=True).dot, "dark")
    wanted = set(re.findall(r'color="?(#[0-9a-f]{6})"?', redrawn)) | {THEMES["dark"].background}
    assert set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', darkened(texts["lstm_cell"]))) <= wanted
