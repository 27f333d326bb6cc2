"""The picture of a computation graph: operations, leaves, scopes, loops."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.graphs.annotations import ValueStyle, annotate_flow, annotate_values
from tinygrad_lstm.draw.graphs.called_steps import called_steps
from tinygrad_lstm.draw.graphs.closing import close_functions
from tinygrad_lstm.draw.graphs.dot import Style, dot_text
from tinygrad_lstm.draw.graphs.exports import as_json
from tinygrad_lstm.draw.graphs.folding import BACKWARD, Folded, fold_graph
from tinygrad_lstm.draw.graphs.measures import Measures, measure
from tinygrad_lstm.draw.graphs.mermaid import mermaid
from tinygrad_lstm.draw.graphs.numbering import number_nodes
from tinygrad_lstm.draw.graphs.sources import Sources, sources
from tinygrad_lstm.draw.graphs.step_places import StepPlaces
from tinygrad_lstm.draw.graphs.survey import survey
from tinygrad_lstm.draw.graphs.timeline import Timeline, timeline
from tinygrad_lstm.draw.graphs.unrolling import Unrolled, unroll
from tinygrad_lstm.draw.graphs.vertices import Edge, Vertex, around, node_in_words
from tinygrad_lstm.draw.options import check_at, check_look, check_title
from tinygrad_lstm.draw.render import Engine
from tinygrad_lstm.draw.themes import THEMES, ThemeName
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.function import Graph
from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.pipeline import simplified_gradients

__all__ = ["graph"]

LoopStyle = Literal["rolled", "box", "unrolled"]
Gradients = Literal["apart", "together"]
Direction = Literal["LR", "TB"]

_DERIVATIVE: Final = re.compile(r"∂(.+?)/∂", re.DOTALL)
_WRITTEN: Final = 20_000
"""Parts of more nodes get no expressions in their tooltips: nobody reads them, and each takes its time."""


def graph(
    what: Any,
    *args: Any,
    depth: int | None = None,
    fold: int = 400,
    repeats: bool | None = None,
    loops: LoopStyle = "rolled",
    gradients: Gradients = "apart",
    ties: bool = False,
    values: ValueStyle | None = None,
    flow: bool = False,
    at: Mapping[Tensor, Any] | None = None,
    shapes: bool = True,
    legend: bool = False,
    direction: Direction = "LR",
    theme: ThemeName = "light",
    transparent: bool = False,
    title: str | None = None,
) -> Drawing:
    """The computation graph of tensors, of a function or module, or of a compiled function.

    Operations are nodes, elementwise ones ellipses; scopes are boxes around them; a loop is a box with its body
    inside, drawn once, where dashed edges lead to the next step. Parameters (cylinders), states (blocks) and
    constants are drawn again beside each reader; with all scopes closed, those parameters that model, gradient and
    optimiser share are one. Nodes that help to compute a gradient have a dashed outline; those that would only
    multiply by 1 are left out, except in a ``Graph``, which is shown as it is. Functions that are composed of
    others, such as softmax or a loss, are one node each, and so is the gradient of each, unless they are all there
    is to draw. Each node's tooltip has its number in the printed form, its expression, its type, and the line that
    made it.

    Args:
        what: a tensor, nested tuples, lists or dicts of tensors, a traced ``Graph``, anything with a method ``graph``
            that returns one (a compiled function), or a function or module, which is called on symbols like ``args``.
        args: for a function: what it takes; tensors and arrays stand for symbols of their types. What it would change,
            gradients and the contents of variables, is shown after its results, and stays as it is.
        depth: how many levels of scopes are open, functions among them; the ones below become one node each. By
            default all scopes are open, and functions are closed.
        fold: with more nodes than this, repeated blocks are folded, then scopes, then chains, then stretches; the
            picture says what was folded.
        repeats: whether blocks of one structure that follow each other are folded in any case (True) or never
            (False). The first stays open, and one node stands for the rest: ``×12``.
        loops: ``"rolled"`` draws a loop's body once, ``"box"`` the loop as one node, ``"unrolled"`` every step: side by
            side in one row for each loop, what is carried straight from one to the next; gates and layers, and scopes
            that hold no steps, are one node each as long as ``depth`` opens none. Gradients stand in another row below,
            each step under its forward step; they read values of the forward pass by their names, and what they
            compute of such values alone is written as its formula. Sums of gradients over all steps are one line.
            Calls of one cell in a Python loop, each on the state that the one before gave, are drawn so by default.
        gradients: whether the backward pass stands ``"apart"`` or ``"together"`` with the scopes it belongs to.
        ties: whether dotted lines tie the nodes of the backward pass to those of the forward pass they belong to.
        values: computes the graph and puts on each node its first ``"numbers"``, the same and under them those of the
            gradient of the summed results by it (``"gradients"``), its ``"statistics"``, or a ``"heat"`` colour by its
            root mean square. In a rolled loop they are those of all steps.
        flow: whether an edge's width and colour show the norm of the gradient of the summed results that comes back
            over it; in a rolled loop, the largest of all steps. ``loops="unrolled"`` shows where it vanishes.
        at: what to compute with: values for the symbols. A function's arrays are taken by themselves.
        shapes: whether every vertex shows the type of its value. Pictures of more than 150 nodes never do, nor those
            where everything is one number.
        legend: whether to say below what the shapes and colours of this picture mean.
        direction: ``"LR"`` from left to right, ``"TB"`` from top to bottom.
        theme: ``"light"`` or ``"dark"``.
        transparent: whether nothing is painted behind the picture.
        title: over the picture, and for screen readers, who hear what it is of when there is none.

    Raises:
        UsageError: when there is nothing to draw in ``what``, an option has no such value, or a symbol has no value.
        TraceError: when a function reads the value of a symbol in Python, as in ``if x > 0``.

    >>> x = tl.symbol("x", (3,))
    >>> picture = tl.draw.graph(tl.sigmoid(x) * 2)
    >>> picture.description
    'A computation graph of 2 operations on 1 input. Result: f32[3].'
    >>> cell = tl.nn.LSTMCell(3, 4, key=tl.random.key(0))
    >>> tl.draw.graph(cell, tl.ones((1, 3)), cell.zeros(1), values="statistics", theme="dark").title
    'Computation graph of LSTMCell'
    """
    _check(direction=(direction, Direction), loops=(loops, LoopStyle), gradients=(gradients, Gradients))
    _check(**({} if values is None else {"values": (values, ValueStyle)}))
    check_title(
        "draw.graph",
        title,
        shapes=shapes,
        ties=ties,
        flow=flow,
        legend=legend,
        repeats=bool(repeats) if repeats is None else repeats,
    )
    check_at("draw.graph", at)
    check_look("draw.graph", theme, transparent)
    for name, value in (("depth", depth), ("fold", fold)):
        if value is None and name == "depth":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"draw.graph: {name} is an integer of at least 0, not {value!r}")
    found = sources(what, args)
    if not isinstance(what, Graph):
        # A graph that was traced or rewritten is shown as it is.
        found = replace(found, outputs=simplified_gradients(found.outputs))
    unrolled = unroll(found.outputs) if loops == "unrolled" else None
    if unrolled is not None:
        found = replace(found, outputs=unrolled.outputs)
    vertices, edges = survey(
        found.inputs, found.outputs, found.names, boxes=loops == "box", together=gradients == "together"
    )
    for v in vertices:
        if v.kind == "parameter" and v.node in found.letters:
            v.names.append(found.letters[v.node])
    vertices, edges = close_functions(vertices, edges, depth)
    description = _described(vertices, found.outputs)
    if at is not None and values is None and not flow:
        values = "numbers"
    measures: Measures | None = None
    scales = []
    if values is not None or flow:
        slopes = flow or values == "gradients"
        given = {x: v for x, v in found.bindings.items() if not v.symbolic}
        measures = measure(found.outputs, {**given, **(at or {})}, gradient=slopes, changes=found.changes)
        if values is not None:
            scales.append(annotate_values(vertices, measures, values))
        if flow:
            scales.append(annotate_flow(edges, measures))
    line = None
    if direction == "LR" and not ties:
        line = _over_time(vertices, edges, unrolled, gradients, depth, fold, repeats)
    folded = line.folded() if line is not None else fold_graph(vertices, edges, depth, fold, repeats)
    _call_by_loss(folded.vertices, found.names)
    if folded.said:
        description += f" Folded: {folded.said}."
    types = any(str(v.type) != "f32[]" for v in vertices if v.type is not None)
    style = Style(
        replace(THEMES[theme], background="transparent") if transparent else THEMES[theme],
        direction,
        shapes,
        ties,
        [scale for scale in scales if scale],
        types,
        title if title else "",
        legend,
    )
    dot = dot_text(folded, _tooltips(found, folded.vertices), style, line)
    title = title if title is not None else f"Computation graph of {found.called}"
    engine: Engine = "dot" if line is None else "nop2"
    return Drawing(dot, engine, title, description, _Content(found, title, measures, folded, style))


def _over_time(
    vertices: list[Vertex],
    edges: list[Edge],
    unrolled: Unrolled | None,
    gradients: Gradients,
    depth: int | None,
    fold: int,
    repeats: bool | None,
) -> Timeline | None:
    """The steps of unrolled loops, or of loops in Python, where they can stand in rows."""
    if unrolled is not None and unrolled.copies:
        line = timeline(vertices, edges, StepPlaces(unrolled), depth, fold, repeats)
        if line is not None:
            return line
    called = called_steps(vertices, edges) if gradients == "apart" else None
    if called is None:
        return None
    line = timeline(vertices, edges, called, depth, fold, repeats)
    if line is None or len(line.folded().vertices) > fold:
        called.forget()
        return None
    return line


def _check(**options: tuple[Any, Any]) -> None:
    for name, (value, choices) in options.items():
        known = get_args(choices)
        if value not in known:
            listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
            raise UsageError(f"draw.graph: {name} is {listed}, not {value!r}")


@dataclass(frozen=True)
class _Content:
    """What the forms of a drawing that are no pictures are made of."""

    graph: Sources
    title: str
    measures: Measures | None
    folded: Folded
    style: Style

    def json(self) -> str:
        return as_json(self.graph, self.title, self.measures)

    def mermaid(self) -> str:
        style = self.style
        return mermaid(self.folded, style.direction, style.shapes, style.theme, style.types)


def _call_by_loss(vertices: list[Vertex], names: Sequence[str]) -> None:
    """Call the backward pass by what is differentiated, as the results are: ``∂loss`` where they are ``∂loss/∂W_f``."""
    losses = {match[1] for name in names if (match := _DERIVATIVE.match(name))}
    if len(losses) != 1:
        return
    called = f"∂{losses.pop()}"
    for v in vertices:
        if v.gradient and v.kind == "folded" and v.label == BACKWARD:
            v.label = called
        for cluster in around(v.cluster):
            if v.gradient and cluster.level == 1 and cluster.name == BACKWARD:
                cluster.name = called


def _tooltips(graph: Sources, vertices: Sequence[Vertex]) -> dict[Vertex, str]:
    numbers = number_nodes(graph.inputs, graph.outputs)
    texts: dict[Any, Mapping[Node, str]] = {}
    found = {}
    for v in vertices:
        if v.node is None:
            continue
        if v.path not in texts:
            texts[v.path] = numbers.texts(v.path) if len(numbers.parts.get(v.path, ())) <= _WRITTEN else {}
        id = numbers.ids.get((v.path, v.node)) or numbers.first.get(v.node, "")
        said = texts[v.path].get(v.node, "")
        # A leaf of the outside that is drawn in a body belongs to another part.
        lines = [f"{id}: {' = '.join([*v.names, said])}" if said else id, node_in_words(v.node)]
        origin = numbers.origin_id(v.path, v.node)
        if origin is not None and v.origin is not None:
            lines.append(f"for the gradient of {origin}: {' '.join([v.origin.label, *v.origin.names])}")
        found[v] = "\n".join(line for line in [*lines, *v.notes] if line)
    return found


def _described(vertices: list[Vertex], outputs: list[Tensor]) -> str:
    counts: dict[str, int] = {}
    for v in vertices:
        counts[v.kind] = counts.get(v.kind, 0) + 1
    parameters = len({v.label for v in vertices if v.kind == "parameter"})
    operations = sum(counts.get(kind, 0) for kind in ("pointwise", "op", "view"))
    parts = [(operations, "operation"), (counts.get("symbol", 0), "input"), (parameters, "parameter")]
    said = [f"{n:,} {word}{'s' * (n != 1)}" for n, word in parts if n]
    loops = len({v.cluster for v in vertices if v.cluster is not None and v.cluster.loop}) + counts.get("loop", 0)
    inside = f", {loops} loop{'s' * (loops != 1)}" if loops else ""
    types = [str(y.type) for y in outputs]
    shown = ", ".join(types[:6]) + (", …" if len(types) > 6 else "")
    what = f"{said[0]}{' on ' + ' and '.join(said[1:]) if said[1:] else ''}{inside}" if said else "no operations"
    return f"A computation graph of {what}. Result{'s' * (len(types) != 1)}: {shown}."
