"""The textbook's picture of one step of a recurrent cell, drawn from the cell's own graph."""

from typing import Any, Final

import graphviz

from tinygrad_lstm.draw.anatomy import Anatomy, Part, dissect
from tinygrad_lstm.draw.curves import Point, splines
from tinygrad_lstm.draw.drawing import Drawing
from tinygrad_lstm.draw.markup import FONT, plain, pretty, rich
from tinygrad_lstm.draw.placement import Placement, Spot, UnplacedError
from tinygrad_lstm.draw.wires import Plan, Wire, plan

__all__ = ["cell"]

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
PREFIX: Final = {"input": "x", "state": "state", "pointwise": "op", "output": "out"}


def cell(cell: Any, *, title: str | None = None, legend: bool = False, x: Any = None, state: Any = None) -> Drawing:
    """One step of a recurrent cell as textbooks draw it.

    The step is traced on symbols, and every box is read off the graph that comes out: what was made in a scope of
    the role ``gate`` or ``layer`` is one yellow box under its activation, operations outside of them are pink,
    joined vectors are merging lines, and ``named`` tensors lend their names to the lines. A cell that the
    textbook's arrangement does not fit is laid out in ranks, with the same colours and shapes.

    Args:
        cell: a callable ``(x, state) -> new state``, such as ``tl.nn.LSTMCell``.
        title: for screen readers; the name of the cell's class by default.
        legend: whether to say below what the shapes mean.
        x: an input that tells the shapes, when the cell has no ``input_size``.
        state: a state that tells the shapes, when the cell has no ``zeros(batch)``.

    Raises:
        UsageError: when ``cell`` is no cell, or its shapes are not known.

    >>> import tinygrad_lstm as tl
    >>> picture = tl.draw.cell(tl.nn.GRUCell(3, 4))
    >>> picture.title
    'GRUCell: one step'
    """
    anatomy = dissect(cell, x, state)
    name = title if title is not None else f"{anatomy.title}: one step"
    try:
        placed = plan(Placement(anatomy))
    except UnplacedError:
        return Drawing(_ranked(anatomy, legend), "dot", name, _described(anatomy))
    return Drawing(_fixed(anatomy, placed, legend), "nop2", name, _described(anatomy))


def _ids(anatomy: Anatomy) -> dict[Part, str]:
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
        words = plain(part.label)
    return {
        "label": words,
        "tooltip": plain(about or pretty(part.label)),
        "class": part.kind,
        "fontsize": f"{size:g}",
        **LOOKS[part.kind],
    }


def _graph(**attributes: str) -> Any:
    dot = graphviz.Digraph("cell")
    dot.attr("graph", bgcolor="white", fontname=FONT, outputorder="nodesfirst", pad="0.1", **attributes)
    dot.attr("node", fontname=FONT, style="filled", fontcolor="#000000", margin="0")
    dot.attr("edge", fontname=FONT, color=INK, penwidth="2.2", arrowsize="0.9")
    return dot


def _fixed(anatomy: Anatomy, placed: Plan, legend: bool) -> str:
    ids = _ids(anatomy)
    dot = _graph(splines="true")
    left, top, right, bottom = placed.box
    box = Spot((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)
    about = plain(anatomy.title)
    dot.node("cell", label="", tooltip=about, shape="box", style="filled,rounded", penwidth="1.5", **CELL, **_at(box))
    for part in anatomy.parts:
        spot = placed.spots.get(part)
        if spot is not None:
            size = 14.5 if part.kind == "pointwise" and len(part.label) == 1 else None
            dot.node(ids[part], **{**_looks(part, size), **_at(spot)})
    for k, (part, x, y) in enumerate(placed.labels, 1):
        half = 6.0 * max(2, len(pretty(part.name or "")) - 1)
        look = {"shape": "plaintext", "style": "solid", "fontsize": "14.5"}
        dot.node(f"name{k}", label=rich(part.name or "", 14.5), **look, **_at(Spot(x + half, y, half, 12)))
    # Thick lines last, so that they cover the beginnings of the thin ones that fork from them.
    for wire in sorted(placed.wires, key=lambda w: (w.bold, not w.peephole)):
        dot.edge(ids[wire.source], ids[wire.target], **_drawn(wire))
    if legend:
        _add_legend(dot, (left + right) / 2, bottom + 120)
    return str(dot.source)


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


def _drawn(wire: Wire) -> dict[str, str]:
    pointed = wire.target.kind != "join"
    size = 0.7 if wire.peephole else 0.9
    pieces, tip = splines(wire.way, wire.gaps, 10 * size / SCALE if pointed else 0.0)
    ways = [" ".join(_point(p) for p in piece) for piece in pieces]
    if tip is not None:
        ways[-1] = f"e,{_point(tip)} {ways[-1]}"
    look = {"pos": ";".join(ways)}
    if not pointed:
        look["arrowhead"] = "none"
    if wire.bold:
        look["penwidth"] = "3"
    if wire.peephole:
        look |= {"color": PEEPHOLE, "penwidth": "1.5", "arrowsize": f"{size:g}"}
    return look


def _add_legend(dot: Any, middle: float, y: float) -> None:
    """What the shapes mean, in one row below."""
    words = ["Neural network\nlayer", "Pointwise\noperation", "Vector\ntransfer", "Concatenate", "Copy"]
    for k, text in enumerate(words):
        x = middle + 158 * (k - 2)
        caption = {"shape": "plaintext", "style": "solid", "fontsize": "12.5", "label": plain(text)}
        dot.node(f"legend{k}", **caption, **_at(Spot(x, y + 44, 70, 20)))
        if k < 2:
            look = LOOKS["layer" if k == 0 else "pointwise"]
            dot.node(
                f"legend{k}s", **{"label": "", **look, **_at(Spot(x, y, 25 if k == 0 else 16, 17 if k == 0 else 16))}
            )
            continue
        ways: list[tuple[tuple[Point, ...], bool]] = [(((x - 38, y), (x + 38, y)), True)]
        if k == 3:
            ways.append((((x - 10, y + 20), (x - 10, y), (x + 20, y)), False))
        if k == 4:
            ways.append((((x - 20, y), (x, y), (x, y - 28)), True))
        for j, (way, pointed) in enumerate(ways):
            start, end = f"legend{k}{'ac'[j]}", f"legend{k}{'bd'[j]}"
            for name, (px, py) in ((start, way[0]), (end, way[-1])):
                dot.node(name, label="", shape="point", style="invis", **_at(Spot(px, py, 0.5, 0.5)))
            drawn = _drawn(Wire(Part("op", ""), Part("op" if pointed else "join", ""), way))
            dot.edge(start, end, **drawn)


def _ranked(anatomy: Anatomy, legend: bool) -> str:
    """The same parts laid out by ``dot``, for cells that the rules of the placement do not fit."""
    ids = _ids(anatomy)
    dot = _graph(rankdir="LR", ranksep="0.4", nodesep="0.3", compound="true")
    outside = [p for p in anatomy.parts if p.kind in ("input", "state", "next", "output")]
    for part in outside:
        dot.node(ids[part], **_looks(part))
    with dot.subgraph(name="cluster_cell") as box:
        box.attr(label="", style="filled,rounded", penwidth="1.5", margin="16", tooltip=plain(anatomy.title), **CELL)
        for part in anatomy.parts:
            if part not in outside:
                look = _looks(part)
                if part.kind == "join":
                    look |= {"style": "filled", "width": "0.08", "fillcolor": INK, "color": INK}
                elif part.kind != "pointwise":
                    look |= {"margin": "0.12,0.06"}
                elif len(part.label) <= 2:
                    look |= {"width": "0.34", "height": "0.34", "fixedsize": "true", "fontsize": "14"}
                else:
                    look |= {"margin": "0.02,0.03", "height": "0.34"}
                box.node(ids[part], **look)
    for kinds in (("input", "state"), ("next", "output")):
        with dot.subgraph() as side:
            side.attr(rank="source" if "input" in kinds else "sink")
            for part in outside:
                if part.kind in kinds:
                    side.node(ids[part])
    for part in anatomy.parts:
        for source in dict.fromkeys(part.reads):
            look = {"arrowhead": "none"} if part.kind == "join" else {}
            if source.name and part.kind not in ("next", "output"):
                look["label"] = rich(source.name, 14)
            dot.edge(ids[source], ids[part], **look)
    return str(dot.source)


def _described(anatomy: Anatomy) -> str:
    """The picture in words: the layers, then the equations."""
    layers = [f"{p.about} ({p.label})" if p.about != p.label else p.about for p in anatomy.parts if p.kind == "layer"]
    words = [f"Layers: {', '.join(layers)}." if layers else "No layers."]
    terms: dict[Part, str] = {}
    named = {after.reads[0]: after.label for _, after in anatomy.states}
    for part in anatomy.parts:
        if part.kind in ("input", "state"):
            terms[part] = pretty(part.label)
            continue
        if part.kind in ("next", "output"):
            continue
        term = _term(part, [terms[r] for r in part.reads])
        name = named.get(part, part.name)
        if name is not None:
            words.append(f"{pretty(name)} = {term}.")
        loose = part.kind == "pointwise" and len(part.reads) > 1 and part.label in ("+", "−", "÷")
        terms[part] = pretty(name) if name is not None else f"({term})" if loose else term
        # Shared values without a name would double the text again and again.
        if len(terms[part]) > 400:
            terms[part] = "…"
    return " ".join(words)


def _term(part: Part, operands: list[str]) -> str:
    if part.kind == "join":
        return f"[{', '.join(operands)}]"
    if part.kind == "layer":
        if not part.affine or len(operands) > 1:
            return (
                f"{part.label}(layer({', '.join(operands)}))"
                if part.about != part.label
                else f"{part.label}({', '.join(operands)})"
            )
        below = f"_{letter}" if (letter := (part.name or "")[:1]).isalpha() else ""
        return f"{part.label}(W{below}·{operands[0]} + b{below})"
    if len(operands) == 1:
        after = part.kind == "pointwise" and part.label[:1] in "×+−÷"
        before = part.label[-1:] in "×+−÷" and len(part.label) > 1
        if part.label.startswith("x") and part.kind == "pointwise":
            return f"{operands[0]}{part.label[1:]}" if len(operands[0]) < 9 else f"({operands[0]}){part.label[1:]}"
        if before:
            return f"({part.label}{operands[0]})"
        return f"({operands[0]}{part.label})" if after and len(part.label) > 1 else f"{part.label}({operands[0]})"
    if part.label in ("+", "−", "×", "÷"):
        return f" {part.label} ".join(operands)
    return f"{part.label}({', '.join(operands)})"
