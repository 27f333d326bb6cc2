"""One step of a cell, explained: what it forgets, what it stores, the new state, what it puts out."""

import html
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.equations import Equation, cell_in_words, equations
from tinygrad_lstm.draw.cells.explaining import spotlight_on, stages_of
from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.cells.picture import picture
from tinygrad_lstm.draw.cells.timestep import example, first_state, trace_step
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.moving import MOVING, Animation
from tinygrad_lstm.draw.options import check_look
from tinygrad_lstm.draw.output import check_folder, in_notebook, write_picture
from tinygrad_lstm.draw.pages.page import Page
from tinygrad_lstm.draw.slides import Slide, animated, in_one_pdf, in_one_zip, slides
from tinygrad_lstm.draw.themes import ThemeName, dark_rules
from tinygrad_lstm.errors import DrawingError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.structure import flatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.runtime.evaluation import evaluated
from tinygrad_lstm.runtime.files import as_path

__all__ = ["Stage", "Walkthrough", "walkthrough"]

_STYLE: Final = """
:root { color-scheme: light; --ink: #1b2430; --paper: #ffffff; --ground: #f4f6f8; --line: #b5c0ca; }
html { font-size: clamp(16px, 10px + 0.6vw, 24px); }
body { color: var(--ink); background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem;
  margin: 0 auto; padding: 1rem; }
section { border-top: 1px solid var(--line); break-inside: avoid; }
svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
p { font: italic 1.15rem/1.6 "STIX Two Math", "Cambria Math", Georgia, serif; margin: .2rem 0; overflow-x: auto; }
pre { background: var(--ground); font: .875rem/1.45 ui-monospace, monospace; padding: .6rem .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_DARK: Final = ":root { color-scheme: dark; --ink: #e8edf2; --paper: #12161b; --ground: #1b232c; --line: #3f4c59; }"
_BELOW: Final = re.compile(r"_(?:\{([^{}]*)\}|(\w))")


def _subscript(match: re.Match[str]) -> str:
    return f"<sub>{match[1] or match[2]}</sub>"


@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """One of the steps in which a cell is explained.

    Attributes:
        title: the question that it answers.
        drawing: the cell, with all else in grey.
        equations: what it computes, each with its ``text`` and ``latex``.
        values: what comes out for the given input and state, by name: ``values["f_t"]``.
    """

    title: str
    drawing: Drawing
    equations: tuple[Equation, ...]
    values: Mapping[str, Tensor]

    def __repr__(self) -> str:
        return f"<Stage {self.title!r}: {', '.join(map(pretty, self.values)) or 'no values'}>"

    def __str__(self) -> str:
        lines = [self.title, *(f"    {equation.text}" for equation in self.equations)]
        for name, value in self.values.items():
            numbers = str(value).replace("\n", "\n" + " " * (len(pretty(name)) + 7))
            lines.append(f"    {pretty(name)} = {numbers}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = "".join(f"<p>$$ {html.escape(equation.latex)} $$</p>" for equation in self.equations)
        picture = in_notebook(self.drawing.svg(), self.drawing.description)
        return f"<h3>{html.escape(self.title)}</h3>\n{picture}\n{shown}\n{self.numbers()}"

    def numbers(self) -> str:
        """The values as HTML."""
        lines = [f"{pretty(name)} = {value}" for name, value in self.values.items()]
        return f"<pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""


@dataclass(frozen=True, eq=False, repr=False)
class Walkthrough:
    """The stages of one step of a cell, in their order; printed as text, shown as pictures in Jupyter.

    ``save`` writes them to one page, to slides, to a moving picture, or each to a picture.

    Attributes:
        title: the name of the cell.
        stages: the stages.
        whole: the cell, with nothing in grey.
        theme: the colours of the pictures.
    """

    title: str
    stages: tuple[Stage, ...]
    whole: Drawing
    theme: ThemeName = "light"

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def __getitem__(self, index: int) -> Stage:
        return self.stages[index]

    def __repr__(self) -> str:
        return f"<Walkthrough {self.title!r}: {len(self)} stages; print it, show() it, or save it as .html>"

    def __str__(self) -> str:
        return "\n".join(f"{k}. {stage}" for k, stage in enumerate(self.stages, 1))

    def _repr_html_(self) -> str:
        return "\n".join(stage._repr_html_() for stage in self.stages)

    def page(self) -> Page:
        """All stages below each other with their equations and numbers, as HTML that needs nothing else.

        A light one is dark where the reader's browser prefers that; printed, it is light.
        """
        prefers = f"@media screen and (prefers-color-scheme: dark) {{\n{_DARK}\n{dark_rules('section')}\n}}\n"
        dark = _DARK if self.theme == "dark" else prefers
        title = html.escape(f"{self.title}: one step, explained")
        parts = [
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}{dark}</style></head><body><h1>{title}</h1>",
        ]
        for k, stage in enumerate(self.stages, 1):
            lines = "".join(f"<p>{_BELOW.sub(_subscript, html.escape(e.text))}</p>" for e in stage.equations)
            parts.append(f"<section><h2>{k}. {html.escape(stage.title)}</h2>\n{stage.drawing.svg()}")
            parts.append(f"{lines}\n{stage.numbers()}</section>")
        return Page("\n".join([*parts, "</body></html>\n"]), f"{self.title}: one step, explained")

    def animation(self) -> Animation:
        """The whole cell and then the stages, one after the other, each with its question and its equations.

        >>> tl.draw.walkthrough(tl.nn.GRUCell(3, 2)).animation()
        <Animation 'GRUCell: one step, explained': 4 pictures in 12.5 s>
        """
        return animated(self._slides(), self.theme, f"{self.title}: one step, explained")

    def _slides(self) -> list[Slide]:
        told = [
            Slide(stage.drawing, f"{k}. {stage.title}", tuple(e.text for e in stage.equations))
            for k, stage in enumerate(self.stages, 1)
        ]
        return [Slide(self.whole, f"{self.title}: one step", seconds=2.0), *told]

    def show(self) -> Path:
        """Open the page of all stages in the browser, from a temporary file, and return its path.

        Raises:
            DrawingError: when there is no browser, or a picture cannot be rendered.
        """
        return self.page().show()

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> list[Path]:
        """Write the stages, and return the paths of the files.

        ``lstm.html`` is one page with the pictures, equations and numbers. ``lstm.pdf`` and ``lstm.zip`` are slides,
        the whole cell first, as pages of a PDF or as PNG and SVG in an archive; ``lstm.gif``, ``.webp`` and ``.apng``
        are the slides one after the other. With ``lstm.svg``, ``.png``, ``.tex`` or ``.dot`` the picture of each stage
        gets a file: ``lstm-1.svg``, ``lstm-2.svg``, and so on.

        Args:
            dpi: dots an inch, for what consists of pixels.

        Raises:
            UsageError: the suffix is none of these.
            DrawingError: a picture cannot be rendered, or a file not be written; or what the form needs is not
                installed: ``pip install 'tinygrad-lstm[slides]'``.

        >>> from tempfile import TemporaryDirectory
        >>> steps = tl.draw.walkthrough(tl.nn.GRUCell(3, 2), tl.ones((1, 3)))
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in steps.save(f"{folder}/gru.dot")]
        ['gru-1.dot', 'gru-2.dot', 'gru-3.dot']
        """
        path = as_path(path, DrawingError)
        suffix = path.suffix.lower()
        if suffix in (".html", ".htm"):
            return [self.page().save(path)]
        if suffix in MOVING:
            return [self.animation().save(path, dpi=dpi or 96)]
        if suffix in (".pdf", ".zip"):
            check_folder(path)
            shown = slides(self._slides(), self.theme)
            content = in_one_pdf(shown) if suffix == ".pdf" else in_one_zip(shown, f"{self}\n", path.stem, dpi)
            write_picture(path, content)
            return [path]
        if suffix not in (".svg", ".png", ".tex", ".dot"):
            raise UsageError(
                f"cannot tell the form from {path.name!r}: end it in .html for one page with the equations and "
                "numbers, in .pdf or .zip for slides, in .gif, .webp or .apng for a moving picture, or in .svg, .png, "
                ".tex or .dot for a picture of each stage"
            )
        return [
            stage.drawing.save(path.with_stem(f"{path.stem}-{k}"), dpi=dpi) for k, stage in enumerate(self.stages, 1)
        ]


def walkthrough(
    cell: Any, x: Any = None, state: Any = None, *, theme: ThemeName = "light", transparent: bool = False
) -> Walkthrough:
    """The step of a cell in the order in which textbooks explain it, with this cell's numbers.

    What the operations on the conveyor read is told from the graph: layers in front of its products decide what to
    throw away, layers in front of its sums what to store, and one that is in front of both, as ``z`` and ``1 − z``,
    how much to renew; then comes the new state, and then whatever is made of it. An LSTM has four stages, a GRU three,
    a plain recurrent cell the last one alone. Where several states have conveyors, each is explained.

    Args:
        cell: a callable ``(x, state) -> new state``, such as ``tl.nn.LSTMCell``.
        x: the input of one step, ``(batch, input_size)``; without it, both it and the state are an example.
        state: the state before it; ``cell.zeros(batch)`` by default.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the pictures.

    Raises:
        UsageError: when ``cell`` is no cell, or ``x`` or the state has no values.

    >>> cell = tl.nn.LSTMCell(3, 2, key=tl.random.key(0))
    >>> steps = tl.draw.walkthrough(cell, tl.ones((1, 3)))
    >>> [stage.title for stage in steps]
    ['What to throw away', 'What to store', 'Update the state', 'What to output']
    >>> print(steps[2].equations[0])
    C_t = f_t∘C_{t−1} + i_t∘C̃_t
    >>> print(steps[0].equations[0].latex)
    f_{t} = \\sigma\\left(W_{f} \\cdot \\left[h_{t-1}, x_{t}\\right] + b_{f}\\right)
    >>> steps[0].values["f_t"].shape
    (1, 2)
    """
    check_look("draw.walkthrough", theme, transparent)
    if x is None and state is None:
        x, state = example(cell, caller="draw.walkthrough")
    state = first_state(cell, x, caller="draw.walkthrough") if state is None else state
    step = trace_step(cell, x, state, caller="draw.walkthrough")
    given = [as_tensor(v) for v in flatten((x, state))[0]]
    unknown = next((v for v in given if v.symbolic), None)
    if unknown is not None:
        raise UsageError(f"draw.walkthrough shows values, and {unknown!r} has none; give x and state as arrays")
    bindings = dict(zip((*step.inputs, *step.states), given, strict=True))
    anatomy = dissect(step)
    written = {equation.part: equation for equation in equations(anatomy)}
    names = {part: part.name for part in anatomy.parts if part.name is not None}
    names |= {after.reads[0]: after.label for _, after in anatomy.states}
    stages = []
    for title, focus in stages_of(anatomy, written.keys()):
        said = tuple(equation for part, equation in written.items() if part in focus)
        named = [part for part in anatomy.parts if part in focus and part in names]
        values = evaluated(tuple(_node(anatomy, part) for part in named), bindings)
        words = f"{title}: {'; '.join(e.text for e in said)}." if said else f"{title}."
        called = f"{anatomy.title}: {title[0].lower()}{title[1:]}"
        spotlight = spotlight_on(anatomy, focus)
        drawing = picture(anatomy, called, words, spotlight, theme=theme, transparent=transparent)
        stages.append(Stage(title, drawing, said, {names[p]: v for p, v in zip(named, values, strict=True)}))
    whole = picture(anatomy, f"{anatomy.title}: one step", cell_in_words(anatomy), theme=theme, transparent=transparent)
    return Walkthrough(anatomy.title, tuple(stages), whole, theme)


def _node(anatomy: Anatomy, part: Part) -> Tensor:
    """The node that a part's value comes from: the one that others read."""
    last = part.nodes[-1]
    assert isinstance(last, Tensor)
    return last
