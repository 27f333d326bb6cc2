"""A picture not rendered yet: DOT, the layout engine it is made for, and words for who cannot see it."""

import hashlib
import html
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tinygrad_lstm.draw.output import check_folder, fitted, in_notebook, open_in_browser, write_picture
from tinygrad_lstm.draw.render import Engine, render
from tinygrad_lstm.draw.tikz import latex_document
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.scopes import legal_text
from tinygrad_lstm.reflexes import DRAWINGS, unknown
from tinygrad_lstm.runtime.files import as_path

__all__ = ["Drawing"]

_SUFFIXES = (".svg", ".png", ".pdf", ".tex", ".dot", ".json", ".mmd")
_SVG_TAG = re.compile(r"<svg\b([^>]*)>")


class Content(Protocol):
    """The forms of a drawing that are no pictures."""

    def json(self) -> str:
        """For other tools."""

    def mermaid(self) -> str:
        """For READMEs."""


@dataclass(frozen=True, repr=False)
class Drawing:
    """A graph in DOT with a title and a description; rendered when it is asked for.

    Jupyter shows it as SVG. A drawing's DOT is the same bytes everywhere; the rendered forms depend on the
    machine's fonts. The picture of a graph is JSON and Mermaid too, the picture of a cell is not.

    >>> drawing = Drawing("digraph { x -> y }", "dot", "y of x", "One arrow, from x to y.")
    >>> drawing
    <Drawing 'y of x': 1 line of DOT for dot>
    >>> drawing.png()[:4]
    b'\\x89PNG'
    """

    dot: str
    engine: Engine
    title: str
    description: str = ""
    content: Content | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        lines = len(self.dot.splitlines())
        return f"<Drawing {self.title!r}: {lines} line{'s' * (lines != 1)} of DOT for {self.engine}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            unknown("a Drawing", name, DRAWINGS, self)

    def svg(self, *, timeout: float = 20.0) -> str:
        """The picture as one ``<svg>`` element, to be written to a file or put into a page as it is.

        Its ``<title>`` and ``<desc>`` are the drawing's; screen readers read them. There is no XML prolog.
        Raises what :func:`~tinygrad_lstm.draw.render.render` raises.

        >>> text = Drawing("digraph { x -> y }", "dot", "x < y").svg()
        >>> text[:4], "<title id=" in text, "x &lt; y</title>" in text
        ('<svg', True, True)
        """
        picture = render(self.dot, "svg", engine=self.engine, timeout=timeout)
        text = legal_text(picture.decode("utf-8", "replace"))
        tag = _SVG_TAG.search(text)
        if tag is None:
            raise DrawingError(f"Graphviz returned no <svg> element for {self!r}.")
        # Several drawings may stand in one page, where an id must be unique.
        content = "\0".join((self.dot, self.title, self.description)).encode("utf-8", "replace")
        digest = hashlib.sha256(content).hexdigest()
        words = {"title": self.title, "desc": self.description}
        named = {name: f"{name}-{digest[:12]}" for name, said in words.items() if said.strip()}
        label = f' aria-labelledby="{" ".join(named.values())}"' if named else ""
        elements = "".join(
            f'\n<{name} id="{id}">{html.escape(legal_text(words[name]), quote=False)}</{name}>'
            for name, id in named.items()
        )
        return f'<svg{tag[1]} role="img"{label}>{elements}{text[tag.end() :]}'

    def png(self, *, dpi: float | None = None, timeout: float = 20.0) -> bytes:
        """The picture as PNG, at ``dpi`` dots an inch (Graphviz's own choice is 96)."""
        return render(self.dot, "png", engine=self.engine, timeout=timeout, dpi=dpi)

    def pdf(self, *, timeout: float = 20.0) -> bytes:
        """The picture as a PDF of one page."""
        return render(self.dot, "pdf", engine=self.engine, timeout=timeout)

    def tikz(self, *, timeout: float = 20.0) -> str:
        r"""The picture as a LaTeX document with one ``tikzpicture``, which ``pdflatex`` compiles as it is.

        Vertices are nodes with names and styles, wires are paths from node to node, and labels are formulas in the
        document's fonts, so that all of it can be edited by hand.

        >>> text = Drawing('digraph { x -> y [label="f"] }', "dot", "y of x").tikz()
        >>> print(*[line for line in text.splitlines() if r"\draw" in line])
        \draw[wire, pointed] (x.south) -- (y.north);
        """
        layout = render(self.dot, "json", engine=self.engine, timeout=timeout)
        return latex_document(json.loads(layout), self.title)

    def json(self) -> str:
        """Nodes and edges as JSON, folded or not: see :func:`tinygrad_lstm.draw.graphs.exports.as_data`.

        Raises:
            UsageError: this is no picture of a graph.
        """
        return self._content("JSON").json()

    def mermaid(self) -> str:
        """The folded picture as a Mermaid flowchart; in a README it stands in a block of the language ``mermaid``.

        Raises:
            UsageError: this is no picture of a graph.
        """
        return self._content("Mermaid").mermaid()

    def _content(self, form: str) -> Content:
        if self.content is None:
            raise UsageError(f"{form} is made of a graph, and {self.title!r} is another picture; use draw.graph")
        return self.content

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None, timeout: float = 20.0) -> Path:
        """Write the picture in the form that the suffix says, and return the path.

        The file appears whole or not at all: it is written beside and then renamed. ``dpi`` is for ``.png``.

        Raises:
            UsageError: the suffix is none of ``.svg``, ``.png``, ``.pdf``, ``.tex``, ``.dot``, ``.json`` and ``.mmd``,
                or this is no picture of a graph and the suffix one of the last two.
            DrawingError: the picture cannot be rendered, or the file not be written.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Drawing("digraph { x -> y }", "dot", "y of x").save(f"{folder}/y.svg").name
        'y.svg'
        """
        path = as_path(path, DrawingError)
        suffix = path.suffix.lower()
        if suffix not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            page = "; draw.page makes a page" if suffix == ".html" else ""
            raise UsageError(f"cannot tell the picture's form from {path.name!r}: end it in one of {known}{page}.")
        check_folder(path)
        if suffix == ".dot":
            content = legal_text(self.dot).encode("utf-8")
        elif suffix == ".json":
            content = self.json().encode("utf-8")
        elif suffix == ".mmd":
            content = self.mermaid().encode("utf-8")
        elif suffix == ".svg":
            content = self.svg(timeout=timeout).encode("utf-8")
        elif suffix == ".tex":
            content = self.tikz(timeout=timeout).encode("utf-8")
        elif suffix == ".png":
            content = self.png(dpi=dpi, timeout=timeout)
        else:
            content = self.pdf(timeout=timeout)
        write_picture(path, content)
        return path

    def show(self) -> Path:
        """Open the picture as SVG in the browser, from a temporary file, and return its path.

        Notebooks show a drawing by themselves.

        Raises:
            DrawingError: when there is no browser, or the picture cannot be rendered.
        """
        return open_in_browser(self.svg().encode("utf-8"), ".svg")

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        # A notebook shows what can be shown: the words, where there is no Graphviz.
        try:
            svg = self.svg()
        except DrawingError as error:
            return {"text/plain": f"{self!r}\n{self.description}\n{error}"}
        shown = in_notebook(svg, f"{self.title}. {self.description}".strip())
        return {"text/html": shown, "image/svg+xml": fitted(svg), "text/plain": repr(self)}
