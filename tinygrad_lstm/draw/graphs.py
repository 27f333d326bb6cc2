"""The picture of a computation graph: operations, leaves, scopes, loops."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import graphviz

from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.folding import Folded, fold_graph
from tinygrad_lstm.draw.markup import FONT, last_name, plain, pretty, words
from tinygrad_lstm.draw.vertices import Cluster, Edge, Vertex, described, survey
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.cells import Cell
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.function import Graph, fresh_symbol
from tinygrad_lstm.graph.structure import flatten, paths, unflatten
from tinygrad_lstm.graph.tensor import Tensor

__all__ = ["graph"]

BOUNDED: Final = 150
"""Above so many vertices Graphviz gets settings that bound its time, and edges lose their labels."""

GRADIENT: Final = {"style": "filled,dashed", "color": "#00695c", "penwidth": "1.6"}
LOOKS: Final[dict[str, dict[str, str]]] = {
    "pointwise": {"shape": "ellipse", "fillcolor": "#f8bbd0", "color": "#880e4f"},
    "op": {"shape": "box", "fillcolor": "#ffffff", "color": "#455a64"},
    "view": {"shape": "box", "fillcolor": "#eceff1", "color": "#b0bec5", "style": "filled,rounded"},
    "symbol": {"shape": "ellipse", "fillcolor": "#bbdefb", "color": "#0d47a1", "peripheries": "2"},
    "parameter": {"shape": "cylinder", "margin": "0.1,0.06", "fillcolor": "#ffcc80", "color": "#e65100"},
    "state": {"shape": "box3d", "fillcolor": "#d1c4e9", "color": "#4527a0"},
    "leaf": {"shape": "note", "fillcolor": "#cfd8dc", "color": "#37474f"},
    "constant": {"shape": "plaintext", "style": "solid"},
    "carry": {"shape": "house", "orientation": "0", "fillcolor": "#b2dfdb", "color": "#00695c"},
    "slice": {"shape": "invtrapezium", "fillcolor": "#bbdefb", "color": "#0d47a1"},
    "output": {"shape": "ellipse", "fillcolor": "#e1bee7", "color": "#4a148c", "penwidth": "2"},
    "folded": {"shape": "folder", "fillcolor": "#fafafa", "color": "#757575"},
}
TINTS: Final[dict[str, tuple[str, str]]] = {
    "cell": ("#eef6e2", "#7cb342"),
    "layer": ("#fffbe0", "#f9a825"),
    "gate": ("#fff59d", "#f57f17"),
    "pointwise": ("#fdeef4", "#c2185b"),
    "state": ("#f7f0fa", "#8e24aa"),
    "loop": ("#f1f5f8", "#0277bd"),
    "": ("#fcfcfc", "#9e9e9e"),
}


def graph(
    what: Any,
    *args: Any,
    depth: int | None = None,
    fold: int = 400,
    direction: Literal["LR", "TB"] = "LR",
    title: str | None = None,
    shapes: bool = True,
) -> Drawing:
    """The computation graph of tensors, or of a function.

    Operations are nodes, elementwise ones ellipses; scopes are boxes around them; a loop is a box with its body
    inside, drawn once, where dashed edges lead to the next step. Parameters (cylinders), states (blocks) and
    constants are drawn again beside each reader. Nodes that help to compute a gradient have a dashed outline.

    Args:
        what: a tensor, nested tuples, lists or dicts of tensors, a traced ``Graph``, or a function or module, which
            is called on symbols like ``args``.
        args: for a function: what it takes; tensors and arrays stand for symbols of their types.
        depth: how many levels of scopes are open; the ones below become one node each. All of them by default.
        fold: with more nodes than this, scopes are folded, then chains; the picture says what was folded.
        direction: ``"LR"`` from left to right, ``"TB"`` from top to bottom.
        title: for screen readers.
        shapes: whether edges bear the types of the values. Pictures of more than 150 nodes never do.

    Raises:
        UsageError: when there is nothing to draw in ``what``, or an option has no such value.

    >>> import tinygrad_lstm as tl
    >>> x = tl.symbol("x", (3,))
    >>> picture = tl.draw.graph(tl.sigmoid(x) * 2)
    >>> picture.description
    'A computation graph of 2 operations on 1 input. Result: f32[3].'
    """
    if direction not in ("LR", "TB"):
        raise UsageError(f"draw.graph: direction is 'LR' or 'TB', not {direction!r}")
    for name, value in (("depth", depth), ("fold", fold)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise UsageError(f"draw.graph: {name} is an integer of at least 0, not {value!r}")
    inputs, outputs, names, called = _sources(what, args)
    vertices, edges = survey(inputs, outputs, names)
    description = _described(vertices, outputs)
    folded = fold_graph(vertices, edges, depth, fold)
    if folded.said:
        description += f" Folded: {folded.said}."
    dot = _Emission(folded, direction, shapes).text()
    return Drawing(dot, "dot", title if title is not None else f"Computation graph of {called}", description)


def _sources(what: Any, args: tuple[Any, ...]) -> tuple[list[Tensor], list[Tensor], list[str], str]:
    """Inputs to be drawn in any case, results, the results' names, and what to call it all."""
    if isinstance(what, Graph):
        return list(what.inputs), list(what.outputs), _numbered(len(what.outputs)), "a traced function"
    inputs: list[Tensor] = []
    called = ""
    if callable(what) and not isinstance(what, Tensor | Cell):
        called = getattr(what, "__name__", type(what).__name__)
        inputs, what = _traced(what, args)
    elif args:
        raise UsageError("draw.graph: several tensors come as one tuple or list; further arguments are a function's")
    leaves, structure = flatten(what)
    if not leaves or not all(isinstance(v, Tensor | Cell) for v in leaves):
        kinds = ", ".join(sorted({type(v).__name__ for v in leaves if not isinstance(v, Tensor | Cell)})) or "nothing"
        raise UsageError(f"draw.graph draws tensors, a Graph or a function; got {kinds}")
    outputs = [as_tensor(v) for v in leaves]
    numbered = _numbered(len(outputs))
    names = [last_name(path) or name for path, name in zip(paths(structure), numbered, strict=True)]
    names = [y.attrs["name"] if y.op == "named" else name for y, name in zip(outputs, names, strict=True)]
    return inputs, outputs, names, called or ", ".join(pretty(n) for n in names[:3]) + (", …" if len(names) > 3 else "")


def _numbered(count: int) -> list[str]:
    return ["result"] if count == 1 else [f"result {k}" for k in range(count)]


def _traced(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[list[Tensor], Any]:
    """The results of ``f`` on symbols, which take the names of its parameters."""
    try:
        target = f.forward if hasattr(f, "forward") else f
        parameters: Mapping[str, Any] = inspect.signature(target).parameters
    except (TypeError, ValueError):
        parameters = {}
    given = [p for p in parameters if not p.startswith("*")]
    symbols: list[Tensor] = []
    new = []
    for k, arg in enumerate(args):
        leaves, structure = flatten(arg)
        name = given[k] if k < len(given) else f"x{k}"
        made = []
        for leaf, path in zip(leaves, paths(structure, name), strict=True):
            node = as_tensor(leaf)
            made.append(node if node.op == "symbol" else fresh_symbol(path, node.type))
        symbols += made
        new.append(unflatten(structure, made))
    return symbols, f(*new)


def _described(vertices: list[Vertex], outputs: list[Tensor]) -> str:
    counts: dict[str, int] = {}
    for v in vertices:
        counts[v.kind] = counts.get(v.kind, 0) + 1
    parameters = len({v.label for v in vertices if v.kind == "parameter"})
    operations = sum(counts.get(kind, 0) for kind in ("pointwise", "op", "view"))
    parts = [(operations, "operation"), (counts.get("symbol", 0), "input"), (parameters, "parameter")]
    said = [f"{n:,} {word}{'s' * (n != 1)}" for n, word in parts if n]
    loops = {v.cluster for v in vertices if v.cluster is not None and v.cluster.loop}
    inside = f", {len(loops)} loop{'s' * (len(loops) != 1)}" if loops else ""
    types = [str(y.type) for y in outputs]
    shown = ", ".join(types[:6]) + (", …" if len(types) > 6 else "")
    what = f"{said[0]}{' on ' + ' and '.join(said[1:]) if said[1:] else ''}{inside}" if said else "no operations"
    return f"A computation graph of {what}. Result{'s' * (len(types) != 1)}: {shown}."


class _Emission:
    """Folded vertices and edges as DOT."""

    def __init__(self, folded: Folded, direction: str, shapes: bool) -> None:
        self.folded = folded
        self.large = folded.cut or len(folded.vertices) > BOUNDED
        self.shapes = shapes and not self.large
        self.ids = {v: f"n{k}" for k, v in enumerate(folded.vertices)}
        self.dot = graphviz.Digraph("graph")
        settings = {"rankdir": direction, "nodesep": "0.18", "ranksep": "0.32", "bgcolor": "white", "pad": "0.15"}
        if self.large:
            settings |= {"nslimit": "1", "nslimit1": "1", "mclimit": "0.2", "splines": "line"}
        said = {"label": plain(f"… folded: {folded.said}"), "labelloc": "b", "labeljust": "l"} if folded.said else {}
        self.dot.attr("graph", fontname=FONT, fontsize="11", fontcolor="#455a64", **settings, **said)
        self.dot.attr(
            "node", fontname=FONT, fontsize="13", style="filled", margin="0.08,0.04", height="0.3", width="0.3"
        )
        self.dot.attr("edge", fontname=FONT, fontsize="9", fontcolor="#546e7a", color="#37474f", arrowsize="0.6")

    def text(self) -> str:
        members: dict[Cluster | None, list[Vertex]] = {None: []}
        children: dict[Cluster | None, list[Cluster]] = {None: []}
        for v in self.folded.vertices:
            members.setdefault(v.cluster, []).append(v)
            at = v.cluster
            while at is not None and at not in children:
                children[at] = []
                at = at.parent
        for cluster in children:
            if cluster is not None:
                children[cluster.parent].append(cluster)
        self._fill(members, children)
        for e in self.folded.edges:
            self._edge(e)
        return str(self.dot.source)

    def _fill(self, members: Mapping[Any, list[Vertex]], children: Mapping[Any, list[Cluster]]) -> None:
        # Lines of DOT: nested subgraphs of the package would be as deep as the scopes.
        body = self.dot.body
        count = 0
        pending: list[tuple[str, Any]] = [("open", None)]
        while pending:
            step, cluster = pending.pop()
            if step == "close":
                body.append("\t}\n")
                continue
            if cluster is not None:
                body.append(f"\tsubgraph cluster_{count} {{\n")
                count += 1
                fill, color = TINTS["loop" if cluster.loop else cluster.role or ""]
                style = "filled,rounded" if cluster.loop or cluster.role else "rounded,dotted"
                width = "2" if cluster.loop else "1"
                look = {"fillcolor": fill, "color": color, "style": style, "penwidth": width, "margin": "10"}
                size = {"fontsize": "12", "fontcolor": "#37474f", "labeljust": "l"}
                # `attr(None, …)` writes the attributes of the subgraph that is open.
                self.dot.attr(None, label=plain(cluster.name), tooltip=plain(cluster.name), **look, **size)
                pending.append(("close", None))
            for v in members.get(cluster, ()):
                self._vertex(v)
            pending += [("open", child) for child in reversed(children.get(cluster, []))]

    def _vertex(self, v: Vertex) -> None:
        look = dict(LOOKS[v.kind])
        if v.kind == "folded" and v.role in TINTS:
            look["fillcolor"], look["color"] = TINTS[v.role]
        if v.gradient:
            look |= GRADIENT
            if v.kind == "view":
                look["style"] = "filled,dashed,rounded"
        small = []
        if v.kind == "folded":
            small = [f"{v.count:,} node{'s' * (v.count != 1)}"]
        elif v.kind in ("symbol", "parameter", "state", "leaf", "output") and v.type is not None:
            small = [str(v.type)]
        if v.kind == "view":
            look["fontsize"] = "10"
        if v.kind == "constant":
            look |= {"margin": "0.02", "height": "0.2", "width": "0.1"}
        size = float(look.get("fontsize", "13"))
        text = ".".join(v.label.split(".")[-2:]) if v.kind in ("parameter", "state") else v.label
        called = v.kind in ("symbol", "output", "carry", "slice")
        label = words(text, v.names, small, size, called)
        self.dot.node(
            self.ids[v], label=label, tooltip=plain(described(v.node) if v.node is not None else v.label), **look
        )

    def _edge(self, e: Edge) -> None:
        look = {}
        # What a gradient reads of the forward pass comes from afar: thin lines, so that the flow stays visible.
        lent = e.target.gradient and not e.source.gradient and e.source.kind != "constant"
        parts = [str(e.type)] if self.shapes and e.type is not None and not lent else []
        if e.note and not self.large and not e.back:
            parts.insert(0, e.note)
        if parts:
            look["label"] = plain(" ".join(parts))
        if e.type is not None:
            look["tooltip"] = look["labeltooltip"] = plain(str(e.type))
        if e.back:
            look |= {"style": "dashed", "constraint": "false", "color": "#00695c", "fontcolor": "#00695c"}
        elif lent:
            look |= {"color": "#90a4ae", "penwidth": "0.7"}
        self.dot.edge(self.ids[e.source], self.ids[e.target], **look)
