"""Vertices, edges and clusters as DOT."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import graphviz

from tinygrad_lstm.draw.graphs.annotations import Scale, fraction_between, rounded
from tinygrad_lstm.draw.graphs.folding import Folded
from tinygrad_lstm.draw.graphs.vertices import Cluster, Edge, Vertex
from tinygrad_lstm.draw.markup import FONT, plain, pretty, rich, shortened
from tinygrad_lstm.draw.themes import SHAPES, Theme, between, contrast

__all__ = ["BOUNDED", "Style", "dot_text"]

BOUNDED: Final = 150
"""Above so many vertices Graphviz gets settings that bound its time, and edges lose their labels."""
STRICT: Final = 400
"""Above so many the bounds are tighter, and edges are lines."""
SMALL: Final = 9.0
NAMES: Final = ("symbol", "output", "carry", "slice")
"""Kinds whose label is a name of the user's."""
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
    """

    theme: Theme
    direction: str
    shapes: bool
    ties: bool
    scales: Sequence[Scale] = ()
    types: bool = True
    title: str = ""


def dot_text(folded: Folded, tooltips: Mapping[Vertex, str], style: Style) -> str:
    """The picture in DOT; the same vertices give the same text."""
    return _Emission(folded, tooltips, style).text()


class _Emission:
    def __init__(self, folded: Folded, tooltips: Mapping[Vertex, str], style: Style) -> None:
        self.folded = folded
        self.tooltips = tooltips
        self.style = style
        self.theme = style.theme
        self.large = folded.cut or len(folded.vertices) > BOUNDED
        self.shapes = style.shapes and style.types and not self.large
        self.ids = {v: f"n{k}" for k, v in enumerate(folded.vertices)}
        flows = [e.flow for e in folded.edges if e.flow is not None and math.isfinite(e.flow) and e.flow > 0]
        self.flows = (min(flows), max(flows)) if flows else None
        self.dot = graphviz.Digraph("graph")
        settings = {"rankdir": style.direction, "nodesep": "0.18", "ranksep": "0.32", "pad": "0.15"}
        if self.large:
            # Measured on the 700 nodes of an LSTM: splines cost a half more time than lines and are far easier to
            # follow; a bound of 0.3 takes half the time of 1, and less saves no more.
            settings |= {"nslimit": "1", "nslimit1": "1"}
            if len(folded.vertices) > STRICT:
                settings |= {"nslimit": "0.3", "nslimit1": "0.3", "mclimit": "0.2", "splines": "line"}
        if folded.said or style.scales or style.title:
            settings |= {"label": self._legend(), "labelloc": "t" if style.title else "b", "labeljust": "l"}
        theme = self.theme
        self.dot.attr("graph", fontname=FONT, fontsize="11", fontcolor=theme.soft, bgcolor=theme.background, **settings)
        self.dot.attr(
            "node",
            fontname=FONT,
            fontsize="13",
            fontcolor=theme.text,
            style="filled",
            margin="0.08,0.04",
            height="0.3",
            width="0.3",
        )
        self.dot.attr("edge", fontname=FONT, fontsize="9", fontcolor=theme.soft, color=theme.edge, arrowsize="0.6")

    def _legend(self) -> str:
        rows = [f"<TD>{_escaped(line)}</TD>" for line in _wrapped(f"… folded: {self.folded.said}")]
        rows = rows if self.folded.said else []
        if self.style.title:
            said = f'<FONT POINT-SIZE="16" COLOR="{self.theme.text}">{_escaped(self.style.title)}</FONT>'
            rows.insert(0, f"<TD>{said}</TD>")
        for scale in self.style.scales:
            colors = self.theme.heat if scale.kind == "heat" else self.theme.flow
            cells = [f"<TD>{_escaped(scale.text)}:  </TD>" if scale.low else f"<TD>{_escaped(scale.text)}</TD>"]
            if scale.low:
                thin, thick = ("", "") if scale.kind == "heat" else (" (thin)", " (thick)")
                swatches = [f'<TD BGCOLOR="{c}" WIDTH="16" HEIGHT="10" FIXEDSIZE="TRUE"></TD>' for c in colors]
                cells += [f"<TD>{scale.low}{thin} </TD>", *swatches, f"<TD> {scale.high}{thick}</TD>"]
            row = "".join(cells)
            rows.append(f'<TD><TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2"><TR>{row}</TR></TABLE></TD>')
        lines = "".join("<TR>" + row.replace("<TD", '<TD ALIGN="LEFT"', 1) + "</TR>" for row in rows)
        return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{lines}</TABLE>>'

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
                count += 1
                self._cluster(cluster)
                pending.append(("close", None))
            for v in members.get(cluster, ()):
                self._vertex(v)
            pending += [("open", child) for child in reversed(children.get(cluster, []))]

    def _cluster(self, cluster: Cluster) -> None:
        fill, color = self.theme.tints["loop" if cluster.loop else cluster.role or ""]
        style = "filled,rounded" if cluster.loop or cluster.role else "rounded,dotted"
        look = {"fillcolor": fill, "color": color, "style": style, "penwidth": "2" if cluster.loop else "1"}
        # The background of the whole would be inherited.
        look["bgcolor"] = "transparent"
        size = {"fontsize": "12", "fontcolor": self.theme.soft, "labeljust": "l", "labelloc": "t", "margin": "10"}
        # `attr(None, …)` writes the attributes of the subgraph that is open.
        self.dot.attr(None, label=plain(shortened(cluster.name)), tooltip=plain(cluster.name), **look, **size)

    def _vertex(self, v: Vertex) -> None:
        theme = self.theme
        fill, color = theme.fills[v.kind]
        if v.kind == "folded" and v.role is not None:
            fill, color = theme.tints[v.role]
        look = {"fillcolor": fill, "color": color, "class": v.kind, **SHAPES[v.kind]}
        if v.gradient:
            look |= {"style": "filled,dashed", "color": theme.gradient, "penwidth": "1.6"}
            if v.kind == "view":
                look["style"] = "filled,dashed,rounded"
        soft = theme.soft
        if v.heat is not None:
            look["fillcolor"] = between(theme.heat, v.heat)
            best = max((theme.text, theme.inverse), key=lambda text: contrast(text, look["fillcolor"]))
            soft = look["fontcolor"] = best
        small = list(v.notes)
        if v.origin is not None and v.kind != "folded" and not self.large and not self.style.ties:
            small.append(" ".join(["of", v.origin.label, *(pretty(n) for n in v.origin.names[:1])]))
        if v.kind == "folded":
            count = f"{v.count:,} node{'s' * (v.count != 1)}"
            small.append(count)
        elif v.type is not None and self.style.types and (v.kind in TYPED or self.shapes) and v.kind not in BARE:
            small.insert(0, str(v.type))
        size = float(look.get("fontsize", "13"))
        text = ".".join(v.label.split(".")[-2:]) if v.kind in ("parameter", "state") else v.label
        text += f"  ×{v.times:,}" if v.times else ""
        label = _lines(text, v.names, small, size, v.kind in NAMES, soft)
        self.dot.node(self.ids[v], label=label, tooltip=plain(self.tooltips.get(v, v.label)), **look)

    def _edge(self, e: Edge) -> None:
        theme = self.theme
        look: dict[str, str] = {}
        # What a gradient reads of the forward pass comes from afar: thin lines, so that the flow stays visible.
        lent = e.target.gradient and not e.source.gradient and e.source.kind != "constant"
        # A type stands in the vertex; on its way out of a loop a value becomes a stack, and has another one.
        turned = self.shapes and e.type is not None and not lent and e.type not in (e.source.type, e.target.type)
        parts = [str(e.type)] if turned else []
        if e.note and not self.large and not e.back:
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
        self.dot.edge(self.ids[e.source], self.ids[e.target], **look)

    def _flow(self, flow: float, back: bool) -> dict[str, str]:
        if not math.isfinite(flow):
            return {"penwidth": "5", "style": "bold,dashed", "color": self.theme.gradient}
        if flow == 0 or self.flows is None:
            return {"penwidth": "0.8", "style": "dotted", "color": self.theme.lent}
        at = fraction_between(flow, *self.flows)
        look = {"penwidth": f"{0.6 + 4.4 * at:.2g}", "color": between(self.theme.flow, at)}
        return look | ({"style": "dashed"} if back else {})

    def _tie(self, v: Vertex, origin: Vertex) -> None:
        look = {"style": "dotted", "dir": "none", "constraint": "false", "color": self.theme.gradient}
        look |= {"penwidth": "0.9", "tooltip": plain(f"belongs to {origin.label}")}
        self.dot.edge(self.ids[v], self.ids[origin], **look)


def _wrapped(text: str, width: int = 120) -> list[str]:
    """Lines of about ``width``, broken at blanks."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _lines(text: str, names: Sequence[str], small: Sequence[str], size: float, name: bool, soft: str) -> str:
    """An HTML-like label: ``text``, the ``names`` of the value, and ``small`` print in the colour ``soft``."""
    first = rich(text, size)[1:-1] if name else _escaped(shortened(text))
    lines = [first, *[f'<FONT POINT-SIZE="{size - 2:g}">{rich(n, size - 2)[1:-1]}</FONT>' for n in names]]
    lines += [f'<FONT POINT-SIZE="{SMALL:g}" COLOR="{soft}">{_escaped(s)}</FONT>' for s in small]
    if len(lines) == 1:
        return f"<{first or ' '}>"
    rows = "".join(f"<TR><TD>{line or ' '}</TD></TR>" for line in lines)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>>'


def _escaped(text: str) -> str:
    # Graphviz replaces \N and its like in HTML-like labels too.
    return html.escape("".join(c if c.isprintable() else " " for c in text)).replace("\\", "\\\\")
