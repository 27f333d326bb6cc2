"""The page that plays a computation: one HTML file that needs nothing else."""

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_lstm.draw.options import check_look, check_title
from tinygrad_lstm.draw.output import open_in_browser, write_picture
from tinygrad_lstm.draw.pages.differences import mark_changes
from tinygrad_lstm.draw.pages.document import document
from tinygrad_lstm.draw.pages.subjects import Subject, graph_of, picture_of, stage_of
from tinygrad_lstm.draw.themes import ThemeName
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.files import as_path

__all__ = ["Page", "page"]


@dataclass(frozen=True, repr=False)
class Page:
    """One HTML file as text. Jupyter shows it in a frame."""

    html: str
    title: str

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: {len(self.html.encode()) / 1000:.0f} kB of HTML>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file that ends in ``.html``, and return its path.

        Raises:
            UsageError: the path ends in something else.
            DrawingError: the file cannot be written.
        """
        path = as_path(path, DrawingError)
        if path.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"a page is HTML, and {path.name!r} does not say so: end it in .html")
        write_picture(path, self.html.encode())
        return path

    def show(self) -> Path:
        """Open the page in the browser, from a temporary file, and return its path. Notebooks show it by themselves.

        Raises:
            DrawingError: when there is no browser.
        """
        return open_in_browser(self.html.encode(), ".html")

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self.html)}" '
            'style="width: 100%; height: 640px; border: 1px solid #90a4ae"></iframe>'
        )


def page(
    what: Any,
    *args: Any,
    at: Mapping[Tensor, Any] | None = None,
    stages: Sequence[tuple[str, Any]] = (),
    title: str | None = None,
    theme: ThemeName | None = None,
) -> Page:
    """An interactive page of a computation: every value on the way to the results, and every gradient on the way back.

    It opens in any browser, without a network. The graph can be moved, searched, and folded scope by scope; each
    node shows its expression, shape, value, gradient and the line that made it. A player fills in the values node by
    node, and then the gradients ``∂(Σ results)/∂node``. The steps of a loop have a slider. A cell is shown as
    textbooks draw it, too.

    Args:
        what: tensors, nested in any way, or a function, cell or module.
        args: for a function: arrays or tensors to call it with. What it would change, as a step of training does, is
            shown after its results, and stays as it is. A cell alone is shown at an example, and one with an input
            alone from its first state.
        at: values for the symbols that the results depend on.
        stages: further graphs to switch to, each a title with a ``Graph`` or tensors, such as what the passes of the
            compiler made of this one. A graph with inputs of the same types as ``args`` shows its values, too. What
            is new in a stage is outlined.
        title: what the page is called.
        theme: ``"light"`` or ``"dark"`` at the beginning; by default what the reader's browser prefers.

    Raises:
        UsageError: when there is nothing to show in ``what``, a symbol has no value, or the graph is too large.
        TraceError: when a function reads the value of a traced tensor in Python, as in ``if x > 0``.
        DrawingError: when there is no Graphviz to lay the graph out with.

    >>> shown = page(lambda x: tl.sin(x**2), 1.0, title="sin(x²)")
    >>> shown.title, "<script src" in shown.html
    ('sin(x²)', False)
    """
    check_title("draw.page", title)
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        raise UsageError(f"draw.page: stages is a list of pairs, each a title and a graph, not {stages!r}")
    check_look("draw.page", theme or "light", False)
    subject = Subject.of(what, args, {} if at is None else at)
    name = title if title is not None else f"{subject.called}, step by step"
    views = [graph_of(subject)]
    picture = picture_of(subject, what)
    before = subject.structure
    for stage in stages:
        if not isinstance(stage, tuple | list) or len(stage) != 2 or not isinstance(stage[0], str):
            raise UsageError(f"draw.page: a stage is a pair of a title and a graph, not {type(stage).__name__}")
        view, built = stage_of(subject, *stage)
        mark_changes(view, before, built, views[-1]["title"])
        views.append(view)
        before = built
    return Page(document(name, views, picture, theme), name)
