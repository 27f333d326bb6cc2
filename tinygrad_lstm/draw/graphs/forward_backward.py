"""A graph whose values come one after the other, and then its gradients on the way back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.graphs.annotations import annotate_values
from tinygrad_lstm.draw.graphs.dot import Style, dot_text
from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.measures import Measures, measure
from tinygrad_lstm.draw.graphs.picture import Direction
from tinygrad_lstm.draw.graphs.sources import sources
from tinygrad_lstm.draw.graphs.survey import survey
from tinygrad_lstm.draw.graphs.unrolling import unroll
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Edge, Vertex
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.moving import Animation
from tinygrad_lstm.draw.options import check_at, check_look, check_title
from tinygrad_lstm.draw.slides import Slide, animated
from tinygrad_lstm.draw.themes import THEMES, Theme, ThemeName
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.tensor import Tensor

__all__ = ["animation"]

MOST: Final = 60
"""More vertices are no longer read one after the other."""
_CALLER: Final = "draw.animation"
_GIVEN: Final = ("symbol", *LEAVES)
_VALUE, _GRADIENT = "= ", "∂ "
_FIRST, _EACH, _LAST = 1.5, 0.9, 3.5
"""For how many seconds a picture stands."""
_LINE: Final = re.compile(r"\t+(?P<tail>n\d+)(?: -> (?P<head>n\d+))? \[.*\]\n")
_NOTE: Final = re.compile(f'COLOR="#[0-9a-f]{{6}}">(?=(?P<kind>{_VALUE}|{_GRADIENT}))')


def animation(
    what: Any,
    *args: Any,
    at: Mapping[Tensor, Any] | None = None,
    direction: Direction = "LR",
    theme: ThemeName = "light",
    transparent: bool = False,
    title: str | None = None,
) -> Animation:
    """A small computation that plays: each value from those before it, and then each gradient from those behind it.

    What stands beside ``=`` is a value, beside ``∂`` the gradient of the summed results. Loops are unrolled.

    Args:
        what: as for :func:`tinygrad_lstm.draw.graph`: tensors, or a function or module.
        args: for a function: arrays or tensors to call it with.
        at: values for the symbols.
        direction: ``"LR"`` from left to right, ``"TB"`` from top to bottom.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind it, in WebP and APNG.
        title: for screen readers.

    Raises:
        UsageError: when there is nothing to compute in ``what``, a symbol has no value, no result can be
            differentiated, or the graph has more than 60 vertices.

    >>> moving = tl.draw.animation(lambda x, w: tl.tanh(x * w), 0.5, 2.0)
    >>> moving
    <Animation '<lambda>, forwards and backwards': 8 pictures in 10.4 s>
    """
    check_title(_CALLER, title)
    check_at(_CALLER, at)
    check_look(_CALLER, theme, transparent)
    if direction not in get_args(Direction):
        raise UsageError(f"{_CALLER}: direction is 'LR' or 'TB', not {direction!r}")
    found = sources(what, args, _CALLER)
    outputs = unroll(found.outputs).outputs
    vertices, edges = survey(found.inputs, outputs, found.names, boxes=False, together=False)
    if len(vertices) > MOST:
        raise UsageError(
            f"{_CALLER}: this graph has {len(vertices):,} vertices, and one plays that has {MOST} at most; "
            "take a smaller function or fewer steps, or draw.page, which folds"
        )
    given = {x: v for x, v in found.bindings.items() if not v.symbolic}
    measures = measure(outputs, {**given, **(at or {})}, caller=_CALLER, changes=found.changes)
    valued = _annotated(vertices, measures, _VALUE)
    sloped = _annotated(vertices, Measures(measures.gradients), _GRADIENT)
    colors = replace(THEMES[theme], background="transparent") if transparent else THEMES[theme]
    dot = dot_text(Folded(vertices, edges, ""), {}, Style(colors, direction, shapes=False, ties=False, types=False))
    name = title if title is not None else f"{found.called[:1].upper()}{found.called[1:]}, forwards and backwards"
    of = pretty(found.names[0]) if len(found.results) == 1 else "Σ results"
    ids = {v: f"n{k}" for k, v in enumerate(vertices)}
    forward = [v for v in _in_order(vertices, edges) if v in valued and v.kind not in _GIVEN]
    backward = [v for v in reversed(_in_order(vertices, edges)) if v in sloped]
    known = {ids[v] for v in vertices if v not in forward and v.kind != "output"}
    told: set[str] = set()
    paint = _Painter(dot, THEMES[theme])
    pictures = [Slide(Drawing(paint.still(known, told, None), "dot", name), "What is given", (" ",), _FIRST)]
    for v in forward:
        known |= {ids[v], *(ids[e.target] for e in edges if e.source is v and e.target.kind == "output")}
        shown = Drawing(paint.still(known, told, ids[v]), "dot", name)
        pictures.append(Slide(shown, "Forwards: values", (f"{_called(v)} {valued[v]}",), _EACH))
    for v in backward:
        told.add(ids[v])
        shown = Drawing(paint.still(known, told, ids[v], back=True), "dot", name)
        pictures.append(
            Slide(shown, "Backwards: gradients", (f"∂{of}/∂{_called(v)} = {sloped[v].removeprefix(_GRADIENT)}",), _EACH)
        )
    whole = Drawing(paint.still(known, told, None), "dot", name)
    return animated([*pictures, Slide(whole, "Values and gradients", (" ",), _LAST)], theme, name)


def _annotated(vertices: Sequence[Vertex], measures: Measures, sign: str) -> dict[Vertex, str]:
    """Put numbers on the vertices, with a sign before them, and return them."""
    before = {v: len(v.notes) for v in vertices}
    annotate_values(vertices, measures, "numbers")
    found = {}
    for v in vertices:
        if len(v.notes) > before[v]:
            found[v] = v.notes[-1] = sign + v.notes[-1]
    return found


def _called(v: Vertex) -> str:
    return pretty(v.names[-1] if v.names else v.label)


def _in_order(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> list[Vertex]:
    """The vertices so that each comes after those that it reads, otherwise as they come."""
    waiting = dict.fromkeys(vertices, 0)
    for e in edges:
        waiting[e.target] += 1
    ready = [v for v in vertices if not waiting[v]]
    for v in ready:
        for e in edges:
            if e.source is v:
                waiting[e.target] -= 1
                if not waiting[e.target]:
                    ready.append(e.target)
    return ready


class _Painter:
    """Paints what is not known yet in grey, and what is computed now in colour; nothing changes its place."""

    def __init__(self, dot: str, theme: Theme) -> None:
        self.dot = dot
        self.theme = theme

    def still(self, known: set[str], told: set[str], now: str | None, *, back: bool = False) -> str:
        """One picture.

        Args:
            known: the vertices that have a value.
            told: the vertices that have a gradient.
            now: the one that has just got it.
            back: whether that is a gradient.
        """
        theme = self.theme
        accent = theme.gradient if back else theme.tints["gate"][1]

        def painted(match: re.Match[str]) -> str:
            tail, head = match["tail"], match["head"]
            here = tail if head is None or back else head
            look = {}
            if here == now and (head is None or not back or head in told):
                look = {"color": f'"{accent}"', "penwidth": "3"}
            elif tail not in known or head not in (None, *known):
                look = {"color": f'"{theme.lent}"', "penwidth": "0.7"}
                if head is None:
                    look |= {"fillcolor": "transparent", "fontcolor": f'"{theme.lent}"'}
            line = match[0]
            if head is None:
                shown = {_VALUE: tail in known, _GRADIENT: tail in told}
                line = _NOTE.sub(lambda note: note[0] if shown[note["kind"]] else 'COLOR="#00000000">', line)
            more = "".join(f" {key}={value}" for key, value in look.items())
            return line.removesuffix("]\n") + f"{more}]\n"

        return _LINE.sub(painted, self.dot)
