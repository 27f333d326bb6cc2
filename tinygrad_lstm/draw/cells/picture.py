"""The textbook's picture of one step of a recurrent cell, drawn from the cell's own graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.columns import in_columns
from tinygrad_lstm.draw.cells.equations import cell_in_words
from tinygrad_lstm.draw.cells.marking import mark_spots
from tinygrad_lstm.draw.cells.parts import Anatomy, Part
from tinygrad_lstm.draw.cells.placed import LOOKS, SIZES, Canvas
from tinygrad_lstm.draw.cells.placement import Placement, Spot, UnplacedError
from tinygrad_lstm.draw.cells.timestep import trace_step
from tinygrad_lstm.draw.cells.wires import Plan, plan
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.markup import plain, pretty, rich, shortened
from tinygrad_lstm.draw.options import check_look, check_title
from tinygrad_lstm.draw.themes import ThemeName, themed

__all__ = ["Spotlight", "cell", "fixed", "identifiers", "picture", "placed_cell"]

PREFIX: Final = {"input": "x", "state": "state", "pointwise": "op", "output": "out"}


@dataclass(frozen=True)
class Spotlight:
    """The parts and wires that a picture speaks of."""

    parts: frozenset[Part]
    wires: frozenset[tuple[Part, Part]]


def cell(
    cell: Any,
    x: Any = None,
    state: Any = None,
    *,
    title: str | None = None,
    legend: bool = False,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Drawing:
    """One step of a recurrent cell as textbooks draw it.

    The step is traced on symbols, and every box is read off the graph that comes out: what was made in a scope of
    the role ``gate`` or ``layer`` is one yellow box under its activation, operations outside of them are pink,
    joined vectors are merging lines, and ``named`` tensors lend their names to the lines. A cell that the
    textbook's arrangement does not fit stands in columns, with the same colours and shapes.

    Args:
        cell: a callable ``(x, state) -> new state``, such as ``tl.nn.LSTMCell``.
        x: an input that tells the shapes, when the cell has no ``input_size``.
        state: a state that tells the shapes, when the cell has no ``zeros(batch)``.
        title: for screen readers; the name of the cell's class by default.
        legend: whether to say below what the shapes mean.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the picture.

    Raises:
        UsageError: when ``cell`` is no cell, or its shapes are not known.

    >>> picture = tl.draw.cell(tl.nn.GRUCell(3, 4))
    >>> picture.title
    'GRUCell: one step'
    """
    check_title("draw.cell", title, legend=legend)
    check_look("draw.cell", theme, transparent)
    anatomy = dissect(trace_step(cell, x, state))
    name = title if title is not None else f"{anatomy.title}: one step"
    return picture(anatomy, name, cell_in_words(anatomy), legend=legend, theme=theme, transparent=transparent)


def picture(
    anatomy: Anatomy,
    title: str,
    words: str,
    spotlight: Spotlight | None = None,
    *,
    legend: bool = False,
    theme: ThemeName = "light",
    transparent: bool = False,
) -> Drawing:
    """The drawing of one step; with a ``spotlight`` everything else in it is grey."""
    canvas, placed = Canvas(), placed_cell(anatomy)
    fixed(canvas, anatomy, placed, spotlight=spotlight)
    if legend:
        left, _, right, bottom = placed.box
        canvas.legend((left + right) / 2, bottom + 138)
    return Drawing(themed(canvas.source(), theme, transparent), "nop2", title, words)


def placed_cell(anatomy: Anatomy) -> Plan:
    """Where everything stands: as in the textbook, or in columns where that does not fit."""
    try:
        return plan(Placement(anatomy))
    except UnplacedError:
        return in_columns(anatomy)


def identifiers(anatomy: Anatomy) -> dict[Part, str]:
    """A name for the DOT of each part."""
    counts: dict[str, int] = {}
    ids = {}
    for part in anatomy.parts:
        prefix = PREFIX.get(part.kind, part.kind)
        counts[prefix] = counts.get(prefix, 0) + 1
        ids[part] = f"{prefix}{counts[prefix]}"
    return ids


def _looks(part: Part, size: float | None = None) -> dict[str, str]:
    about = part.about
    if part.name:
        about = f"{about}: {pretty(part.name)}" if about else pretty(part.name)
    size = size or SIZES.get(part.kind, 12.0)
    words = "" if part.kind == "join" else rich(part.label, size)
    if part.kind in ("layer", "pointwise", "op"):
        words = plain(shortened(part.label))
    return {
        "label": words,
        "tooltip": plain(about or pretty(part.label)),
        "class": part.kind,
        "fontsize": f"{size:g}",
        **LOOKS[part.kind],
    }


def fixed(
    canvas: Canvas,
    anatomy: Anatomy,
    placed: Plan,
    *,
    spotlight: Spotlight | None = None,
    instead: Mapping[Part, str] | None = None,
) -> None:
    """Put a cell with its wires onto a canvas.

    Args:
        spotlight: what is spoken of; everything else is grey.
        instead: where the wires of parts begin and end that have no place of their own.
    """
    ids = {**identifiers(anatomy), **(instead or {})}
    left, top, right, bottom = placed.box
    box = Spot((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)
    canvas.box("cell", box, anatomy.title, dim=spotlight is not None)
    for part in anatomy.parts:
        spot = placed.spots.get(part)
        if spot is not None:
            size = 14.5 if part.kind == "pointwise" and len(part.label) == 1 else None
            dim = spotlight is not None and part not in spotlight.parts
            canvas.node(ids[part], spot, _looks(part, size), dim=dim)
    for k, (part, x, y) in enumerate(placed.labels, 1):
        name = part.name or ""
        dim = spotlight is not None and not any(source is part for source, _ in spotlight.wires)
        canvas.text(f"name{k}", x, y, name, 14.5, dim=dim)
    marks = mark_spots(placed)
    for k, wire in enumerate(placed.wires, 1):
        canvas.wire(
            ids[wire.source],
            ids[wire.target],
            wire.way,
            gaps=wire.gaps,
            pointed=wire.target.kind != "join",
            bold=wire.bold,
            peephole=wire.peephole,
            curved=wire.curved,
            dim=spotlight is not None and (wire.source, wire.target) not in spotlight.wires,
        )
        mark = wire.target.marks.get(wire.source)
        if mark:
            x, y = marks[wire]
            canvas.text(f"mark{k}", x, y, mark, 13.5, dim=spotlight is not None and wire.target not in spotlight.parts)
