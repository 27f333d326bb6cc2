"""The gallery: its pictures, and the page that shows them."""

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import tinygrad_lstm as tl

GALLERY = runpy.run_path(str(Path(__file__).parent.parent.parent / "examples" / "gallery.py"), run_name="gallery")
ENTRIES = {entry.name: entry for entry in GALLERY["GALLERY"]}
TRAINED = {"counting", "number_unit"}


def test_the_page_is_that_of_the_code():
    assert GALLERY["PAGE"].read_text(encoding="utf-8") == GALLERY["page"](), "run `python examples/gallery.py`"


def test_every_picture_is_there_and_no_other():
    assert {path.stem for path in GALLERY["FOLDER"].glob("*.svg")} == set(ENTRIES)
    for name in ENTRIES:
        ET.fromstring((GALLERY["FOLDER"] / f"{name}.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in TRAINED])
def test_pictures_are_made(name, tmp_path):
    picture = ENTRIES[name].make()
    assert picture.description
    assert picture.save(tmp_path / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_pictures_of_trained_models_are_made(name, tmp_path):
    ENTRIES[name].make().save(tmp_path / f"{name}.svg")


def test_the_model_of_the_gallery_is_trained():
    """One update suffices to run the code."""
    assert GALLERY["trained"](steps=1)(tl.tensor([[0], [1], [2]])).shape == (3, 1, 3)


def test_one_picture_can_be_made_elsewhere(tmp_path, capsys):
    GALLERY["main"](["--out", str(tmp_path), "--only", "rnn_cell"])
    assert [path.name for path in tmp_path.iterdir()] == ["rnn_cell.svg"]
    with pytest.raises(SystemExit):
        GALLERY["main"](["--out", str(tmp_path), "--only", "nothing"])
    assert "no picture is called nothing; there are lstm_cell" in capsys.readouterr().err


def test_captions_and_code_are_there():
    for entry in ENTRIES.values():
        assert entry.caption
        compile(entry.code, entry.name, "exec")
