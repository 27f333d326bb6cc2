"""Slides: pictures with words under them, one after the other, as pages, in an archive or as a moving picture."""

import html
import importlib
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.markup import ACCENTED, shortened, width_of
from tinygrad_lstm.draw.moving import Animation
from tinygrad_lstm.draw.themes import THEMES, ThemeName
from tinygrad_lstm.errors import DrawingError

__all__ = ["Slide", "animated", "in_one_pdf", "in_one_zip", "slides"]

_TITLE, _LINE = 22.0, 17.0
_BELOW: Final = re.compile(r"_(?:\{([^{}]*)\}|(\w))")
_ACCENT: Final = re.compile(r"\w[\u0300-\u036f]+")


@dataclass(frozen=True)
class Slide:
    """What stands on a slide, and for how long: a picture, a title, equations as text."""

    drawing: Drawing
    title: str
    lines: tuple[str, ...] = ()
    seconds: float = 3.5


def slides(contents: Sequence[Slide], theme: ThemeName) -> list[Drawing]:
    """The pictures with the words under them, all of one size."""
    rows = max(len(c.lines) for c in contents)
    texts = [(c.title, _TITLE) for c in contents] + [(line, _LINE) for c in contents for line in c.lines]
    wide = max(width_of(_BELOW.sub("", text), size) for text, size in texts)
    found = []
    for content in contents:
        lines = [*content.lines, *[" "] * (rows - len(content.lines))]
        written = [
            _row(html.escape(shortened(content.title)), _TITLE, wide, theme),
            *(_row(_equation(shortened(line)), _LINE, wide, theme) for line in lines),
        ]
        table = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">{"".join(written)}</TABLE>'
        dot = content.drawing.dot.replace("graph [", f"graph [label=<{table}> labelloc=b ", 1)
        found.append(replace(content.drawing, dot=dot))
    return found


def animated(contents: Sequence[Slide], theme: ThemeName, title: str) -> Animation:
    """The slides one after the other."""
    words = "; ".join(f"{c.title}: {', '.join(c.lines)}" if c.lines else c.title for c in contents)
    frames = tuple(zip(slides(contents, theme), (c.seconds for c in contents), strict=True))
    return Animation(title, f"{words}.", frames, THEMES[theme].background)


def in_one_pdf(drawings: Sequence[Drawing]) -> bytes:
    """A PDF with a page for each picture.

    Raises:
        DrawingError: pypdf is not installed, or a picture cannot be rendered.
    """
    pypdf = _pypdf()
    writer = pypdf.PdfWriter()
    for drawing in drawings:
        writer.append(io.BytesIO(drawing.pdf()))
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


def in_one_zip(drawings: Sequence[Drawing], text: str, stem: str, dpi: float | None) -> bytes:
    """An archive with each picture as PNG and as SVG, and all words as text."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, drawing in enumerate(drawings):
            archive.writestr(_entry(f"{stem}-{k}.png"), drawing.png(dpi=dpi))
            archive.writestr(_entry(f"{stem}-{k}.svg"), drawing.svg())
        archive.writestr(_entry(f"{stem}.txt"), text)
    return held.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """A file of no particular time, so that equal pictures make equal archives."""
    found = zipfile.ZipInfo(name)
    found.compress_type = zipfile.ZIP_DEFLATED
    found.external_attr = 0o644 << 16
    return found


def _row(inner: str, size: float, wide: float, theme: ThemeName) -> str:
    font = f'<FONT POINT-SIZE="{size:g}" COLOR="{THEMES[theme].text}">{inner}</FONT>'
    return f'<TR><TD WIDTH="{wide:.0f}" HEIGHT="{1.75 * size:.0f}">{font}</TD></TR>'


def _equation(line: str) -> str:
    """A line of text as markup: what stands below stands below."""
    text = _ACCENT.sub(lambda m: f'<FONT FACE="{ACCENTED}">{m[0]}</FONT>', html.escape(line))
    below = f'<SUB><FONT POINT-SIZE="{_LINE * 0.86:.3g}">{{}}</FONT></SUB>'
    return _BELOW.sub(lambda m: below.format(m[1] or m[2]), text).replace("\\", "\\\\")


def _pypdf() -> Any:
    """The one place where pypdf is imported."""
    try:
        return importlib.import_module("pypdf")
    except ImportError as error:
        raise DrawingError(
            f"pictures in one PDF need pypdf, which cannot be imported ({error}): pip install "
            "'tinygrad-lstm[slides]', or save .zip, which needs nothing"
        ) from None
