"""Pictures and pages in files."""

import base64
import html
import os
import tempfile
import webbrowser
from pathlib import Path
from typing import Final

from tinygrad_lstm.errors import DrawingError
from tinygrad_lstm.runtime.files import replaceable, write_whole

__all__ = ["check_folder", "fitted", "in_notebook", "open_in_browser", "write_picture"]

_FITTED: Final = (
    ".fitted-picture { max-width: 100%; height: auto; cursor: zoom-in; } "
    "TAG.fitted-picture:focus { max-width: none; cursor: zoom-out; outline: none; }"
)


def check_folder(path: Path) -> None:
    """Find out whether a file can be written, before the picture is laid out, which may take a while.

    Raises:
        DrawingError: when there is no folder for it, or something else in its place than a regular file.
    """
    if not path.parent.is_dir():
        raise DrawingError(f"cannot write {path}: there is no folder {path.parent}; make it first.")
    try:
        replaceable(Path(os.path.realpath(path)))
    except (OSError, ValueError) as error:
        raise DrawingError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}.") from None


def write_picture(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        DrawingError: when it cannot be written; then the path holds what it held.
    """
    check_folder(path)
    try:
        write_whole(path, content)
    except (OSError, ValueError) as error:
        # A ValueError is that of a path with a zero byte.
        told = getattr(error, "strerror", None) or error
        raise DrawingError(f"cannot write {path}: {told}.") from error


def fitted(svg: str) -> str:
    """A picture for a notebook: no wider than the cell, and in its own size while it has the focus, after a click.

    >>> fitted("<svg></svg>")[:45]
    '<svg class="fitted-picture" tabindex="0"><sty'
    """
    start, end = svg.split(">", 1)
    head = start.replace("<svg", '<svg class="fitted-picture" tabindex="0"', 1)
    return f"{head}><style>{_FITTED.replace('TAG', 'svg')}</style>{end}"


def in_notebook(svg: str, said: str) -> str:
    """A picture as HTML for a notebook, with its words for who cannot see it.

    JupyterLab and nbconvert put a mere SVG into an image without words, which is cut where the page ends. An image
    of HTML stays in notebooks that are not trusted, too.

    >>> in_notebook("<svg></svg>", "A circle.")[-106:]
    '<img class="fitted-picture" tabindex="0" alt="A circle." src="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=">'
    """
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return (
        f"<style>{_FITTED.replace('TAG', 'img')}</style>"
        f'<img class="fitted-picture" tabindex="0" alt="{html.escape(said)}" src="data:image/svg+xml;base64,{data}">'
    )


def open_in_browser(content: bytes, suffix: str) -> Path:
    """Open a picture or page in the browser, from a temporary file that stays: the browser reads it later.

    Raises:
        DrawingError: when there is no browser.
    """
    with tempfile.NamedTemporaryFile(prefix="tinygrad-lstm-", suffix=suffix, delete=False) as file:
        file.write(content)
    path = Path(file.name)
    if not webbrowser.open(path.as_uri()):
        path.unlink()
        raise DrawingError(f"there is no browser here to show it in; save it instead: .save('picture{suffix}')")
    return path
