"""Things that have a place, as DOT for ``nop2``: the shapes and colours of the textbook's pictures.

Graphviz paints the edges of a node in the order in which the nodes at their heads are listed, so the nodes are listed
in the order in which what leads to them has to be painted: grey wires, dark ones, and the conveyor over the
beginnings of the wires that fork from it.
"""

from collections.abc import Sequence
from typing import Any, Final

import graphviz

from tinygrad_lstm.draw.cells.curves import Point, interrupted, shortened_curve, splines
from tinygrad_lstm.draw.cells.placement import Spot
from tinygrad_lstm.draw.markup import FONT, plain, rich

__all__ = ["CELL", "INK", "LOOKS", "SIZES", "Canvas", "blank", "faint"]

SCALE: Final = 0.75  # points in a unit of the plan
INK: Final = "#212121"
PEEPHOLE: Final = "#6a1b9a"
CELL: Final = {"fillcolor": "#dcedc8", "color": "#7cb342"}
LOOKS: Final[dict[str, dict[str, str]]] = {
    "input": {"shape": "ellipse", "fillcolor": "#bbdefb", "color": "#000000", "penwidth": "1.5"},
    "output": {"shape": "ellipse", "fillcolor": "#e1bee7", "color": "#000000", "penwidth": "1.5"},
    "layer": {"shape": "box", "fillcolor": "#fff59d", "color": "#f57f17", "penwidth": "1.5"},
    "pointwise": {"shape": "ellipse", "fillcolor": "#f8bbd0", "color": "#880e4f", "penwidth": "1.5"},
    "op": {"shape": "box", "fillcolor": "#ffffff", "color": "#546e7a", "style": "filled,rounded"},
    "state": {"shape": "plaintext", "style": "solid"},
    "next": {"shape": "plaintext", "style": "solid"},
    "join": {"shape": "point", "style": "invis"},
}
SIZES: Final = {
    "input": 17.0,
    "output": 17.0,
    "state": 16.5,
    "next": 16.5,
    "layer": 16.5,
    "pointwise": 13.5,
    "op": 12.0,
}
_FAINT: Final = {"fillcolor": "#f2f2f2", "color": "#c4c4c4", "fontcolor": "#9e9e9e"}
_FAINT_CELL: Final = {"fillcolor": "#f6f9f0"}


def faint(look: dict[str, str]) -> dict[str, str]:
    """The same attributes in grey: something else is spoken of."""
    return look | {key: value for key, value in _FAINT.items() if key in look or key == "fontcolor"}


def blank(**attributes: str) -> Any:
    """An empty graph with the settings of all these pictures."""
    dot = graphviz.Digraph("cell")
    dot.attr("graph", bgcolor="white", fontname=FONT, outputorder="nodesfirst", pad="0.1", **attributes)
    dot.attr("node", fontname=FONT, style="filled", fontcolor="#000000", margin="0")
    dot.attr("edge", fontname=FONT, color=INK, penwidth="2.2", arrowsize="0.9")
    return dot


class Canvas:
    """Collects what is placed, and writes it in the order in which it has to be painted."""

    def __init__(self) -> None:
        self._boxes: list[tuple[str, dict[str, str]]] = []
        self._nodes: dict[str, dict[str, str]] = {}
        self._edges: list[tuple[str, str, dict[str, str]]] = []
        self._painted: dict[str, list[tuple[int, str]]] = {}

    def box(self, name: str, spot: Spot, about: str, *, dim: bool = False, label: str = "", size: float = 22.5) -> None:
        """The box of a cell, under everything else, with a label in DOT."""
        look = CELL | _FAINT_CELL if dim else CELL
        font = {"fontsize": f"{size:g}"} if label else {}
        shape = {"shape": "box", "style": "filled,rounded", "penwidth": "1.5"}
        self._boxes.append((name, {"label": label, "tooltip": plain(about), **shape, **font, **look, **_at(spot)}))

    def node(self, name: str, spot: Spot, look: dict[str, str], *, dim: bool = False) -> None:
        """A node with the attributes ``look``."""
        self._nodes[name] = {**(faint(look) if dim else look), **_at(spot)}

    def text(self, name: str, x: float, y: float, said: str, size: float, *, dim: bool = False) -> None:
        """A name in textbook form with its middle at a point."""
        half = 6.0 * max(2, len(said))
        look = {"label": rich(said, size), "shape": "plaintext", "style": "solid", "fontsize": f"{size:g}"}
        self.node(name, Spot(x, y, half, 12), look, dim=dim)

    def point(self, name: str, x: float, y: float) -> None:
        """Where a wire begins or ends in the open."""
        self.node(name, Spot(x, y, 0.5, 0.5), {"label": "", "shape": "point", "style": "invis"})

    def wire(
        self,
        tail: str,
        head: str,
        way: Sequence[Point],
        *,
        gaps: Sequence[Point] = (),
        pointed: bool = True,
        bold: bool = False,
        peephole: bool = False,
        dim: bool = False,
        dashed: bool = False,
        curved: bool = False,
    ) -> None:
        """An edge along ``way``; ``bold`` on the conveyor, ``dim`` where something else is spoken of."""
        size = 0.7 if peephole else 0.9
        arrow = 10 * size / SCALE if pointed else 0.0
        pieces, tip = shortened_curve(way, arrow) if curved else splines(way, gaps, arrow)
        if curved and gaps:
            pieces = interrupted(pieces[0], gaps)
        drawn = [" ".join(_point(p) for p in piece) for piece in pieces]
        if tip is not None:
            drawn[-1] = f"e,{_point(tip)} {drawn[-1]}"
        look = {"pos": ";".join(drawn), "class": "conveyor" if bold else "peephole" if peephole else "wire"}
        if not pointed:
            look["arrowhead"] = "none"
        if bold:
            look["penwidth"] = "3"
        if peephole:
            look |= {"color": PEEPHOLE, "penwidth": "1.5", "arrowsize": f"{size:g}"}
        if dim:
            look["color"] = _FAINT["color"]
        if dashed:
            look["style"] = "dashed"
        self._edges.append((tail, head, look))
        self._painted.setdefault(tail, []).append((4 * bold + 2 * (not dim) + (not peephole), head))

    def source(self) -> str:
        """The DOT."""
        dot = blank(splines="true")
        for name, look in self._boxes:
            dot.node(name, **look)
        for name in self._listed():
            dot.node(name, **self._nodes[name])
        for tail, head, look in self._edges:
            dot.edge(tail, head, **look)
        return str(dot.source)

    def _listed(self) -> list[str]:
        """The nodes in an order in which each follows those whose wires from the same node it has to cover."""
        covered: dict[str, set[str]] = {name: set() for name in self._nodes}
        for wires in self._painted.values():
            for rank, head in (wire for wire in wires if wire[1] in covered):
                covered[head] |= {
                    other for lower, other in wires if lower < rank and other != head and other in covered
                }
        waiting = list(self._nodes)
        listed: dict[str, None] = {}
        while waiting:
            # Where the wishes run in a circle, the first that was placed goes first.
            name = next((n for n in waiting if covered[n] <= listed.keys()), waiting[0])
            waiting.remove(name)
            listed[name] = None
        return list(listed)

    def legend(self, middle: float, y: float) -> None:
        """What the shapes mean, in one row below."""
        words = ["Neural network\nlayer", "Pointwise\noperation", "Vector\ntransfer", "Concatenate", "Copy"]
        for k, said in enumerate(words):
            x = middle + 158 * (k - 2)
            caption = {"shape": "plaintext", "style": "solid", "fontsize": "12.5", "label": plain(said)}
            self.node(f"legend{k}", Spot(x, y + 44, 70, 20), caption)
            if k < 2:
                kind, w, h = (("layer", 25, 17), ("pointwise", 16, 16))[k]
                self.node(f"legend{k}s", Spot(x, y, w, h), {"label": "", **LOOKS[kind]})
                continue
            ways: list[tuple[tuple[Point, ...], bool]] = [(((x - 38, y), (x + 38, y)), True)]
            if k == 3:
                ways.append((((x - 10, y + 20), (x - 10, y), (x + 20, y)), False))
            if k == 4:
                ways.append((((x - 20, y), (x, y), (x, y - 28)), True))
            for j, (way, pointed) in enumerate(ways):
                start, end = f"legend{k}{'ac'[j]}", f"legend{k}{'bd'[j]}"
                for name, (px, py) in ((start, way[0]), (end, way[-1])):
                    self.point(name, px, py)
                self.wire(start, end, way, pointed=pointed)


def _at(spot: Spot) -> dict[str, str]:
    return {
        "pos": _point((spot.x, spot.y)),
        "width": f"{spot.w * 2 * SCALE / 72:.4f}",
        "height": f"{spot.h * 2 * SCALE / 72:.4f}",
        "fixedsize": "true",
    }


def _point(point: Point) -> str:
    # Graphviz counts upwards.
    return f"{point[0] * SCALE:.2f},{0 - point[1] * SCALE:.2f}"
