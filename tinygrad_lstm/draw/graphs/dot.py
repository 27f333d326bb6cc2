"""Vertices, edges and clusters as DOT."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import graphviz

from tinygrad_lstm.draw.graphs.annotations import Scale, fraction_between, rounded
from tinygrad_lstm.draw.graphs.caption import caption, escaped
from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.mirroring import Places, StepFrame
from tinygrad_lstm.draw.graphs.over_time import in_rows
from tinygrad_lstm.draw.graphs.timeline import Timeline
from tinygrad_lstm.draw.graphs.vertices import Cluster, Edge, Vertex
from tinygrad_lstm.draw.layered import Point, Size
from tinygrad_lstm.draw.markup import FONT, plain, pretty, rich, shortened, split_name, width_of
from tinygrad_lstm.draw.themes import SHAPES, Theme, between, contrast

__all__ = ["BOUNDED", "Style", "dot_text"]

BOUNDED: Final = 150
"""Above so many vertices Graphviz gets settings that bound its time, and edges lose their labels."""
STRICT: Final = 400
"""Above so many the bounds are tighter, and edges are lines."""
SMALL: Final = 9.0
NAMES: Final = ("symbol", "output", "carry", "slice")
"""Kinds whose label is a name of the user's."""
_BELOW: Final = re.compile(r"(?<=[\w\u0300-\u036f])_(?:\{(?P<more>[^{}]{1,8})\}|(?P<one>\w))(?![A-Za-z0-9_])")
BARE: Final = ("constant", "loop")
"""Kinds that never show a type: a number stands for every place, and a loop has several results."""
TYPED: Final = ("symbol", "parameter", "state", "leaf", "output")
"""Kinds that show their type on themselves."""


@dataclass(frozen=True)
class Style:
    """How a picture looks.

    Attributes:
        direction: ``LR`` or ``TB``.
        shapes: whether every vertex shows the type of its value.
        types: whether anything does; where everything is one number, nothing has to.
        ties: whether what computes a gradient is tied to the vertex of the forward pass it belongs to.
        scales: what colours mean.
        title: over the picture.
        legend: whether the shapes and colours are explained.
    """

    theme: Theme
    direction: str
    shapes: bool
    ties: bool
    scales: Sequence[Scale] = ()
    types: bool = True
    title: str = ""
    legend: bool = False


def dot_text(folded: Folded, tooltips: Mapping[Vertex, str], style: Style, line: Timeline | None = None) -> str:
    """The picture in DOT; the same vertices give the same text.

    Args:
        line: the steps of unrolled loops, to be placed in rows; the DOT is one for ``nop2`` then.
    """
    return _Emission(folded, tooltips, style, line).text()


class _Emission:
    def __init__(
        self, folded: Folded, tooltips: Mapping[Vertex, str], style: Style, line: Timeline | None = None
    ) -> None:
        self.folded = folded
        self.size = 13.0 if line is None else 11.0
        self.tooltips = tooltips
        self.style = style
        self.theme = style.theme
        self.large = folded.cut or len(folded.vertices) > BOUNDED or line is not None
        self.shapes = style.shapes and style.types and not self.large
        self.ids = {v: f"n{k}" for k, v in enumerate(folded.vertices)}
        flows = [e.flow for e in folded.edges if e.flow is not None and math.isfinite(e.flow) and e.flow > 0]
        self.flows = (min(flows), max(flows)) if flows else None
        self.dot = graphviz.Digraph("graph")
        settings = {"rankdir": style.direction, "nodesep": "0.18", "ranksep": "0.3", "pad": "0.1"}
        self.placed = line is not None
        self.places = in_rows(line, self._box, self._is_oval) if line is not None else None
        if line is not None:
            settings = {"outputorder": "nodesfirst", "splines": "true", "pad": "0.15"}
        elif self.large:
            # Measured on the 700 nodes of an LSTM: splines cost a half more time than lines and are far easier to
            # follow; a bound of 0.3 takes half the time of 1, and less saves no more.
            settings |= {"nslimit": "1", "nslimit1": "1"}
            if len(folded.vertices) > STRICT:
                settings |= {"nslimit": "0.3", "nslimit1": "0.3", "mclimit": "0.2", "splines": "line"}
        if folded.said or style.scales or style.title or style.legend:
            settings |= {
                "label": caption(self.theme, folded, style.scales, style.title, meanings=style.legend),
                "labelloc": "t" if style.title else "b",
                "labeljust": "l",
            }
        theme = self.theme
        self.dot.attr("graph", fontname=FONT, fontsize="11", fontcolor=theme.soft, bgcolor=theme.background, **settings)
        self.dot.attr(
            "node",
            fontname=FONT,
            fontsize=f"{self.size:g}",
            fontcolor=theme.text,
            style="filled",
            margin="0.08,0.04",
            height="0.3",
            width="0.3",
        )
        self.dot.attr("edge", fontname=FONT, fontsize="9", fontcolor=theme.soft, color=theme.edge, arrowsize="0.6")

    def text(self) -> str:
        if self.places is not None:
            return self._in_rows(self.places)
        members: dict[Cluster | None, list[Vertex]] = {None: []}
        children: dict[Cluster | None, list[Cluster]] = {None: []}
        for v in self.folded.vertices:
            members.setdefault(v.frame, []).append(v)
            at = v.frame
            while at is not None and at not in children:
                children[at] = []
                at = at.parent
        for cluster in children:
            if cluster is not None:
                children[cluster.parent].append(cluster)
        self._fill(members, children)
        for e in self.folded.edges:
            self._edge(e)
        if self.style.ties:
            for v in self.folded.vertices:
                if v.origin in self.ids:
                    self._tie(v, v.origin)
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
                self._cluster(cluster, f"title{count}", bool(children[cluster]))
                count += 1
                pending.append(("close", None))
            for v in members.get(cluster, ()):
                self._vertex(v)
            pending += [("open", child) for child in reversed(children.get(cluster, []))]

    def _cluster(self, cluster: Cluster, title: str, outer: bool) -> None:
        """The frame of a cluster; its title is a node in it, which no edge crosses."""
        fill, color = self.theme.tints["loop" if cluster.loop else cluster.role or ""]
        style = "filled,rounded" if cluster.loop or cluster.role else "rounded,dotted"
        look = {"fillcolor": fill, "color": color, "style": style, "penwidth": "2" if cluster.loop else "1"}
        # The background of the whole would be inherited.
        look["bgcolor"] = "transparent"
        # `attr(None, …)` writes the attributes of the subgraph that is open.
        self.dot.attr(None, label="", tooltip=plain(cluster.name), margin="10", **look)
        lines = [escaped(line) for line in shortened(cluster.name).split(", ")]
        name = ",<BR/>".join(f"<B>{line}</B>" if outer and line.strip() else line for line in lines)
        said = {"label": f"<{name if name.strip() else ' '}>", "fontsize": "12"}
        looks = {"shape": "plaintext", "style": "solid", "fontcolor": self.theme.soft, "margin": "0", "height": "0.2"}
        self.dot.node(title, tooltip=plain(cluster.name), **{"class": "title"}, **said, **looks)

    def _vertex(self, v: Vertex) -> None:
        theme = self.theme
        fill, color = theme.fills[v.kind]
        if v.kind == "folded" and v.role is not None:
            fill, color = theme.tints[v.role]
        look = {"fillcolor": fill, "color": color, "class": v.kind, **self._look(v)}
        if v.gradient:
            look |= {"style": "filled,dashed", "color": theme.gradient, "penwidth": "1.6"}
            if v.kind == "view":
                look["style"] = "filled,dashed,rounded"
        soft = theme.soft
        if v.heat is not None:
            look["fillcolor"] = between(theme.heat, v.heat)
            best = max((theme.text, theme.inverse), key=lambda text: contrast(text, look["fillcolor"]))
            soft = look["fontcolor"] = best
        label = self._label(v, soft)
        look |= {"tooltip": plain(self.tooltips.get(v, v.label)), **self._spot(v)}
        self.dot.node(self.ids[v], label=label, **look)

    def _look(self, v: Vertex) -> dict[str, str]:
        """What a vertex looks like, apart from its words."""
        return {**SHAPES[v.kind], **({"shape": "box"} if v.closed else {}), **self._several(v)}

    def _several(self, v: Vertex) -> dict[str, str]:
        """The look of what stands for many steps in a row of them."""
        return (
            {"shape": "box", "style": "filled,rounded,dashed"} if self.placed and v.times and v.kind == "folded" else {}
        )

    def _words(self, v: Vertex) -> tuple[str, list[str]]:
        """The first line of a label, and the small print."""
        small = list(v.notes)
        if v.origin is not None and v.kind != "folded" and not v.part and not self.large and not self.style.ties:
            small.append(" ".join(["of", v.origin.label, *(pretty(n) for n in v.origin.names[:1])]))
        if v.kind == "folded" and not v.closed:
            count = f"{v.count:,} node{'s' * (v.count != 1)}"
            small.append(count)
        elif v.type is not None and self.style.types and (v.kind in TYPED or self.shapes) and v.kind not in BARE:
            small.insert(0, str(v.type))
        text = ".".join(v.label.split(".")[-2:]) if v.kind in ("parameter", "state") else v.label
        text = f"{text} {v.factor}" if v.factor else text
        return text + (f"  ×{v.times:,}" if v.times else ""), small

    def _font(self, v: Vertex) -> float:
        return min(self.size, float(SHAPES[v.kind].get("fontsize", "13")), 10.0 if v.factor else 13.0)

    def _label(self, v: Vertex, soft: str) -> str:
        text, small = self._words(v)
        return _lines(text, v.names, small, self._font(v), v.kind in NAMES, soft, formulas=bool(v.lent))

    def _edge(self, e: Edge) -> None:
        theme = self.theme
        look: dict[str, str] = {}
        # What a gradient reads of the forward pass comes from afar: thin lines, so that the flow stays visible.
        lent = e.target.gradient and not e.source.gradient and e.source.kind != "constant"
        # A type stands in the vertex; on its way out of a loop a value becomes a stack, and has another one.
        turned = self.shapes and e.type is not None and not lent and e.type not in (e.source.type, e.target.type)
        parts = [str(e.type)] if turned else []
        if e.note and not self.large and not e.back and e.target.kind not in ("carry", "slice"):
            parts.insert(0, e.note)
        told = [str(e.type)] if e.type is not None else []
        if e.back:
            look |= {"style": "dashed", "constraint": "false", "color": theme.gradient, "fontcolor": theme.gradient}
        elif lent:
            look |= {"color": theme.lent, "penwidth": "0.7"}
        if e.flow is not None:
            strength = f"{rounded(e.range[0])} … {rounded(e.range[1])}" if e.range is not None else rounded(e.flow)
            told.append(f"gradient {strength}")
            if not self.large:
                parts = [*[p for p in parts if p == e.note], strength]
            look |= self._flow(e.flow, e.back)
        if parts:
            # Below the words stands an empty line, so that a level edge underlines them and does not cross them.
            look["label"] = plain(" ".join(parts) + ("\n " if self.style.direction == "LR" else ""))
        if e.mark and not self.large:
            look |= {"headlabel": plain(e.mark), "labeldistance": "1.7", "labelangle": "-18", "labelfontsize": "8"}
        if told:
            look["tooltip"] = look["labeltooltip"] = plain(" · ".join(told))
        if self.places is not None:
            way = self.places.ways[e]
            look["pos"] = f"e,{_at(way[-1])} {' '.join(map(_at, [*way[:-1], _before(way)]))}"
        self.dot.edge(self.ids[e.source], self.ids[e.target], **look)

    def _is_oval(self, v: Vertex) -> bool:
        return self._look(v)["shape"] == "ellipse"

    def _box(self, v: Vertex) -> Size:
        """How large a vertex has to be for its words, in points."""
        text, small = self._words(v)
        size = self._font(v)
        lines = [
            *[(line, size) for line in text.split("\n")],
            *[(name, size - 2) for name in v.names],
            *[(line, SMALL) for line in small],
        ]
        wide = max(_width(line, points) for line, points in lines)
        tall = sum(1.25 * points for _, points in lines)
        if v.kind == "constant":
            return wide + 2, tall
        if v.factor:
            # In the middle of an ellipse a line of text may be nearly as long as the ellipse.
            return (1.1 * wide + 10, max(22.0, tall + 10)) if len(lines) == 1 else (1.15 * wide + 10, 1.5 * tall + 4)
        if self._is_oval(v):
            factor = 1.2 if len(lines) > 1 or len(text) > 2 else 1.0
            return max(22.0, factor * wide + 8), max(22.0, 1.12 * tall + 8)
        more = 10 if v.kind in ("parameter", "state") else 0
        return wide + 12, tall + 8 + more

    def _spot(self, v: Vertex) -> dict[str, str]:
        if self.places is None:
            return {}
        return {"pos": _at(self.places.spots[v]), **_measured(*self.places.sizes[v])}

    def _in_rows(self, places: Places) -> str:
        """The picture of steps in rows, where everything has its place."""
        for k, frame in enumerate(places.frames):
            self._frame(k, frame)
        for v in self.folded.vertices:
            self._vertex(v)
        said = {"shape": "plaintext", "style": "solid", "fontcolor": self.theme.soft}
        for k, (x, y, name) in enumerate(places.words):
            self.dot.node(
                f"w{k}", label=rich(name, SMALL), fontsize=f"{SMALL:g}", pos=_at((x, y)), **said, **_measured(20, 10)
            )
        for k, (at, mark) in enumerate(self._marks(places)):
            self.dot.node(f"m{k}", label=plain(mark), fontsize="8", pos=_at(at), **said, **_measured(14, 8))
        for e in self.folded.edges:
            self._edge(e)
        return str(self.dot.source)

    def _marks(self, places: Places) -> list[tuple[Point, str]]:
        """Where the marks of operands stand: beside the heads of their wires, and those of one head as one."""
        heads: dict[Vertex, set[float]] = {}
        met: dict[tuple[Vertex, Point, bool], list[str]] = {}
        for e in self.folded.edges:
            way = places.ways[e]
            heads.setdefault(e.target, set()).add(way[-1][1])
            if e.mark:
                met.setdefault((e.target, way[-1], way[-2][0] > way[-1][0]), []).append(e.mark)
        found = []
        for (target, (x, y), leftwards), marks in met.items():
            first, last = marks[0].partition("…")[0], marks[-1].rpartition("…")[2]
            mark = f"{first}…{last}" if len(marks) > 2 or "…" in "".join(marks) else ", ".join(marks)
            aside = 5 + 2.2 * len(mark)
            # Under the lowest wire, over the others.
            lowest = y == max(heads[target]) > min(heads[target])
            found.append(((x + aside if leftwards else x - aside, y + 8 if lowest else y - 7), mark))
        return found

    def _frame(self, k: int, frame: StepFrame) -> None:
        fill, color = self.theme.tints[frame.role or "loop"]
        wide, tall = frame.right - frame.left, frame.bottom - frame.top
        look = {"shape": "box", "style": "filled,rounded", "fillcolor": fill, "color": color, "label": ""}
        middle = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2)
        self.dot.node(f"step{k}", pos=_at(middle), tooltip=plain(frame.title), **look, **_measured(wide, tall))
        size = width_of(frame.title, 10) + 10
        said = {"shape": "plaintext", "style": "solid", "fontsize": "10", "fontcolor": self.theme.soft}
        place = _at((frame.left + size / 2 + 1, frame.top + 9))
        self.dot.node(f"title{k}", label=plain(frame.title), pos=place, **said, **_measured(size, 12))

    def _flow(self, flow: float, back: bool) -> dict[str, str]:
        if not math.isfinite(flow):
            return {"penwidth": "5", "style": "bold,dashed", "color": self.theme.gradient}
        if flow == 0 or self.flows is None:
            return {"penwidth": "0.8", "style": "dotted", "color": self.theme.lent}
        at = fraction_between(flow, *self.flows)
        widest = 4.4 if self.places is None else 2.4
        look = {"penwidth": f"{0.6 + widest * at:.2g}", "color": between(self.theme.flow, at)}
        return look | ({"style": "dashed"} if back else {})

    def _tie(self, v: Vertex, origin: Vertex) -> None:
        look = {"style": "dotted", "dir": "none", "constraint": "false", "color": self.theme.gradient}
        look |= {"penwidth": "0.9", "tooltip": plain(f"belongs to {origin.label}")}
        self.dot.edge(self.ids[v], self.ids[origin], **look)


def _width(line: str, size: float) -> float:
    """How wide a name or word is."""
    parts = split_name(line)
    line = _BELOW.sub(lambda m: (m["one"] or m["more"])[:-1] + "i", line)
    return width_of(line, size) if parts is None else width_of(parts[0], size) + width_of(parts[1], 0.86 * size)


def _at(point: Point) -> str:
    # Graphviz counts upwards.
    return f"{point[0]:.1f},{0 - point[1]:.1f}"


def _measured(wide: float, tall: float) -> dict[str, str]:
    return {"width": f"{wide / 72:.3f}", "height": f"{tall / 72:.3f}", "fixedsize": "true", "margin": "0"}


def _before(way: Sequence[Point]) -> Point:
    """Where a curve ends before its arrowhead."""
    (x0, y0), (x, y) = way[-2], way[-1]
    far = math.hypot(x - x0, y - y0)
    part = min(0.9, 6.0 / far) if far else 0.0
    return x - (x - x0) * part, y - (y - y0) * part


def _lowered(text: str, size: float) -> str:
    """A formula with its subscripts below the line: ``C_2`` and ``C_{10}``."""
    return _BELOW.sub(lambda m: f'<SUB><FONT POINT-SIZE="{0.8 * size:g}">{m["one"] or m["more"]}</FONT></SUB>', text)


def _lines(
    text: str, names: Sequence[str], small: Sequence[str], size: float, name: bool, soft: str, *, formulas: bool = False
) -> str:
    """An HTML-like label: ``text``, the ``names`` of the value, and ``small`` print in the colour ``soft``.

    Args:
        formulas: whether text and small print have names with subscripts.
    """
    first = rich(text, size)[1:-1] if name else "\n".join(escaped(shortened(line)) for line in text.split("\n"))
    if formulas:
        first, small_print = _lowered(first, size), [_lowered(escaped(s), SMALL) for s in small]
    else:
        small_print = [escaped(s) for s in small]
    lines = [first, *[f'<FONT POINT-SIZE="{size - 2:g}">{rich(n, size - 2)[1:-1]}</FONT>' for n in names]]
    lines += [f'<FONT POINT-SIZE="{SMALL:g}" COLOR="{soft}">{s}</FONT>' for s in small_print]
    lines[:1] = first.split("\n") if formulas else [first]
    if len(lines) == 1:
        return f"<{first or ' '}>"
    # Viewers set subscripts lower than Graphviz reckons.
    room = f' HEIGHT="{1.5 * size:.0f}" VALIGN="TOP"'
    rows = "".join(f"<TR><TD{room * ('<SUB>' in line)}>{line or ' '}</TD></TR>" for line in lines)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>>'
