import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lstm.draw import drawing as module
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.scopes import legal_text

SVG = "{http://www.w3.org/2000/svg}"
HELLO = Drawing('digraph { x -> y [label="größer"] }', "dot", "y of x", "One arrow, from x to y.")
MAGIC = {".svg": b"<svg ", ".png": b"\x89PNG", ".pdf": b"%PDF", ".tex": b"% y of x", ".dot": b"digraph"}


def test_svg_has_a_role_a_title_and_a_description_and_keeps_the_view_box():
    text = HELLO.svg()
    root = ET.fromstring(text)
    title, description = root[0], root[1]
    assert text.startswith("<svg ")
    assert "größer" in text
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert (title.tag, title.text) == (f"{SVG}title", "y of x")
    assert (description.tag, description.text) == (f"{SVG}desc", "One arrow, from x to y.")
    assert len(root.attrib["viewBox"].split()) == 4


def test_jupyter_shows_the_svg_no_wider_than_its_cell():
    shown = HELLO._repr_mimebundle_()["image/svg+xml"]
    root, plain = ET.fromstring(shown), ET.fromstring(HELLO.svg())
    assert [e.tag for e in root] == [f"{SVG}style", *[e.tag for e in plain]]
    assert "max-width: 100%" in root[0].text
    assert (root.attrib["class"], root.attrib["tabindex"]) == ("fitted-picture", "0")
    assert root.attrib["aria-labelledby"] == plain.attrib["aria-labelledby"]


def test_two_drawings_can_stand_in_one_page():
    other = Drawing(HELLO.dot, "dot", "another title")
    ids = [ET.fromstring(drawing.svg())[0].attrib["id"] for drawing in (HELLO, other)]
    assert ids[0] != ids[1]


def test_a_title_or_description_that_is_empty_leaves_no_element():
    root = ET.fromstring(Drawing(HELLO.dot, "dot", " ").svg())
    assert "aria-labelledby" not in root.attrib
    assert root[0].tag == f"{SVG}g"


@given(title=st.text(min_size=1), description=st.text(min_size=1))
def test_any_title_comes_out_as_that_text(title, description):
    picture = b'<?xml version="1.0"?>\n<svg width="1pt"\n viewBox="0 0 1 1" xmlns="http://www.w3.org/2000/svg"></svg>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "render", lambda *args, **kwargs: picture)
        root = ET.fromstring(Drawing("digraph {}", "dot", title, description).svg())
    texts = {element.tag.removeprefix(SVG): element.text for element in root}
    # XML's parser reads each line end as \n (https://www.w3.org/TR/xml/#sec-line-ends).
    expected = {
        name: legal_text(text).replace("\r\n", "\n").replace("\r", "\n")
        for name, text in {"title": title, "desc": description}.items()
        if text.strip()
    }
    assert texts == expected


@pytest.mark.parametrize("title", ['"<script>alert(1)</script>', 'a"];', "]]>", "--><svg>", "&amp;", "\x00\udc80"])
def test_hostile_titles_through_graphviz(title):
    root = ET.fromstring(Drawing(HELLO.dot, "dot", title, title).svg())
    assert root[0].text == root[1].text == legal_text(title)


def test_something_that_is_no_svg_is_refused(monkeypatch):
    monkeypatch.setattr(module, "render", lambda *args, **kwargs: b"<html>")
    with pytest.raises(DrawingError, match="no <svg> element"):
        HELLO.svg()


@pytest.mark.parametrize("suffix", MAGIC)
def test_save_writes_the_form_of_the_suffix_and_leaves_nothing_else(suffix, tmp_path):
    path = tmp_path / f"picture{suffix.upper()}"
    path.write_text("old", encoding="utf-8")
    assert HELLO.save(str(path)) == path
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


def test_dot_is_saved_as_the_same_bytes(tmp_path):
    assert HELLO.save(tmp_path / "x.dot").read_bytes() == HELLO.dot.encode()


def test_dpi_is_for_png(tmp_path):
    small, large = (HELLO.save(tmp_path / f"{dpi}.png", dpi=dpi).stat().st_size for dpi in (50, 400))
    assert small < large


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.", ".svg"])
def test_an_unknown_suffix_names_the_known_ones(name, tmp_path):
    with pytest.raises(UsageError, match=r"\.svg, \.png, \.pdf, \.tex, \.dot, \.json, \.mmd"):
        HELLO.save(tmp_path / name)


def test_a_page_is_another_function(tmp_path):
    with pytest.raises(UsageError, match=r"draw\.page makes a page"):
        HELLO.save(tmp_path / "x.html")


def test_an_equal_picture_is_equal_whatever_it_was_made_from():
    assert Drawing("digraph {}", "dot", "x", content=None) == Drawing("digraph {}", "dot", "x")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DrawingError, match=r"there is no folder .*nowhere"):
        HELLO.save(tmp_path / "nowhere" / "x.svg")


def test_a_path_that_can_not_be_written_is_named_and_nothing_is_left(tmp_path):
    folder = tmp_path / "x.dot"
    folder.mkdir()
    with pytest.raises(DrawingError, match=r"cannot write .*x\.dot: "):
        HELLO.save(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_picture_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(DrawingError, match="syntax error"):
        Drawing("no graph", "dot", "broken").save(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_repr_is_short():
    assert repr(Drawing("digraph {\n}\n", "nop2", "a" * 10)) == "<Drawing 'aaaaaaaaaa': 2 lines of DOT for nop2>"
