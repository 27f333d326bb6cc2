"""Walkthroughs as slides and as moving pictures."""

import io
import sys
import zipfile

import pypdf
import pytest
from PIL import Image

import tinygrad_lstm as tl
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.moving import Animation
from tinygrad_lstm.errors import DrawingError, UsageError

CELL = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))


@pytest.fixture(scope="module")
def steps():
    return tl.draw.walkthrough(CELL, tl.ones((1, 3)))


def dots(*names, **look):
    return [Drawing(f"digraph {{ {name} }}", "dot", name, **look) for name in names]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_the_moving_picture_is_small_and_has_all_stages(suffix, steps, tmp_path):
    (path,) = steps.save(tmp_path / f"walk{suffix}")
    assert path.stat().st_size < 1_000_000
    image = Image.open(io.BytesIO(path.read_bytes()))
    assert image.n_frames == 1 + len(steps)
    times = []
    for k in range(image.n_frames):
        image.seek(k)
        image.load()
        times.append(image.info["duration"])
    assert sum(times) == 1000 * steps.animation().seconds
    assert image.info["loop"] == 0
    assert image.size[0] > 700


def test_the_moving_picture_says_what_it_shows(steps):
    moving = steps.animation()
    assert moving.title == "LSTMCell: one step, explained"
    assert "3. Update the state: C_t = f_t∘C_{t−1} + i_t∘C̃_t" in moving.description
    assert "<img alt=" in moving._repr_html_()
    assert repr(moving) == "<Animation 'LSTMCell: one step, explained': 5 pictures in 16 s>"


def test_slides_are_pages_of_one_pdf(steps, tmp_path):
    (path,) = steps.save(tmp_path / "walk.pdf")
    pages = pypdf.PdfReader(path).pages
    assert len(pages) == 1 + len(steps)
    assert len({(page.mediabox.width, page.mediabox.height) for page in pages}) == 1
    assert "2. What to store" in pages[2].extract_text()


def test_slides_are_pictures_in_one_archive(steps, tmp_path):
    (path,) = steps.save(tmp_path / "walk.zip", dpi=50)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert sorted(names) == sorted([f"walk-{k}.{form}" for k in range(5) for form in ("png", "svg")] + ["walk.txt"])
        assert "What to store" in archive.read("walk-2.svg").decode()
        assert archive.read("walk.txt").decode() == f"{steps}\n"
        sizes = {Image.open(io.BytesIO(archive.read(name))).size for name in names if name.endswith("png")}
    assert len(sizes) == 1
    assert steps.save(tmp_path / "walk.zip", dpi=50)[0].read_bytes() == path.read_bytes()


def test_frames_of_several_sizes_stand_on_sheets_of_one():
    moving = Animation("x", "y", tuple((d, 0.5) for d in dots("a", "a -> b")))
    image = Image.open(io.BytesIO(moving.encoded("APNG")))
    one, two = (Image.open(io.BytesIO(d.png())).size for d, _ in moving.frames)
    assert image.size == (max(one[0], two[0]), max(one[1], two[1]))


def test_a_gif_of_transparent_pictures_has_the_ground_of_its_theme():
    walk = tl.draw.walkthrough(CELL, theme="dark", transparent=True).animation()
    gif = Image.open(io.BytesIO(walk.encoded())).convert("RGB")
    assert max(abs(a - b) for a, b in zip(gif.getpixel((0, 0)), (0x12, 0x16, 0x1B), strict=True)) < 3
    webp = Image.open(io.BytesIO(walk.encoded("WebP")))
    assert webp.convert("RGBA").getpixel((0, 0))[3] == 0


def test_what_can_not_be_saved_is_told(tmp_path, steps):
    moving = Animation("x", "y", tuple((d, 0.5) for d in dots("a", "b")))
    with pytest.raises(UsageError, match=r"end it in \.gif, \.webp or \.apng"):
        moving.save(tmp_path / "x.mp4")
    with pytest.raises(UsageError, match=r"encoded as GIF, WebP or APNG, not as 'MP4'"):
        moving.encoded("MP4")
    with pytest.raises(DrawingError, match="there is no folder"):
        steps.save(tmp_path / "none" / "x.gif")


@pytest.mark.parametrize(("module", "suffix"), [("PIL.Image", ".gif"), ("pypdf", ".pdf")])
def test_without_what_it_needs_the_error_says_what_to_install(module, suffix, steps, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DrawingError, match=r"pip install 'tinygrad-lstm\[slides\]'"):
        steps.save(tmp_path / f"x{suffix}")
    assert list(tmp_path.iterdir()) == []
