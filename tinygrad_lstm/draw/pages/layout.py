"""Where everything stands: sizes that depend on the text alone, positions and curves from Graphviz.

All folding is done in the page, by closing the room that becomes free, so one layout a direction is enough.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from typing import Any, Final, Literal

from tinygrad_lstm.draw.markup import pretty, width_of
from tinygrad_lstm.draw.pages.page_graph import Box, Item, PageGraph, Site
from tinygrad_lstm.draw.render import render
from tinygrad_lstm.errors import DrawingError

__all__ = ["Direction", "lay_out", "size_of", "word"]

Direction = Literal["LR", "TB"]
BOUNDED: Final = 150
"""Above so many sites Graphviz gets settings that bound its time."""
HEADER: Final = 18
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_LETTERS: Final = 34


def word(item: Item) -> str:
    """What is written on an item: the operation, or the last two parts of a path."""
    text = item.label
    if item.kind in ("parameter", "state"):
        text = ".".join(text.split(".")[-2:])
    text = pretty(text)
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def size_of(item: Item) -> tuple[int, int]:
    """Width and height in points: a line for the label, one for the names, one for the heat maps of value and gradient.

    >>> from tinygrad_lstm.ops.source import symbol
    >>> size_of(Item(0, "constant", "2", symbol("x"), None))
    (20, 20)
    """
    wide = width_of(word(item), 13) + 16
    if item.kind == "constant":
        return max(20, round(width_of(word(item), 11) + 10)), 20
    if item.names:
        wide = max(wide, width_of(", ".join(map(pretty, item.names)), 12) + 16)
    return max(46, round(wide)), 40 + 15 * bool(item.names)


def lay_out(shown: PageGraph, direction: Direction, timeout: float = 30.0) -> dict[str, Any]:
    """Sites and boxes as ``[x, y, width, height]`` (the centre of a site, the corner of a box), wires as points.

    Raises:
        DrawingError: when there is no Graphviz, or it takes longer than ``timeout`` seconds.
    """
    picture = render(_dot(shown, direction), "svg", engine="dot", timeout=timeout)
    root = ElementTree.fromstring(picture)
    shift = (0.0, 0.0)
    found: dict[str, Any] = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        kind, name = group.get("class"), group.get("id", "")
        if kind == "graph":
            numbers = [float(n) for n in _NUMBER.findall(group.get("transform", "").rpartition("translate")[2])]
            shift = numbers[0], numbers[1]
        elif kind in ("node", "cluster"):
            found[name] = _frame(_points(group, "polygon", "points", shift), kind == "node")
        elif kind == "edge":
            found[name] = [n for p in _points(group, "path", "d", shift) for n in p]
    try:
        return {
            "size": [_short(float(root.get(a, "0").removesuffix("pt"))) for a in ("width", "height")],
            "sites": [found[f"s{k}"] for k in range(len(shown.sites))],
            "boxes": [found[f"b{box.index}"] for box in shown.boxes],
            "wires": [found[f"w{k}"] for k in range(len(shown.wires))],
        }
    except KeyError as error:
        raise DrawingError(f"Graphviz left {error} out of its picture; another version of it may not.") from None


def _points(group: ElementTree.Element, tag: str, attribute: str, shift: tuple[float, float]) -> list[list[float]]:
    element = group.find(f".//{{http://www.w3.org/2000/svg}}{tag}")
    numbers = [float(n) for n in _NUMBER.findall(element.get(attribute, ""))] if element is not None else []
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [[_short(x + shift[0]), _short(y + shift[1])] for x, y in pairs]


def _frame(points: list[list[float]], centred: bool) -> list[float]:
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    w, h = _short(right - left), _short(bottom - top)
    return [_short((left + right) / 2), _short((top + bottom) / 2), w, h] if centred else [left, top, w, h]


def _short(number: float) -> float:
    return round(number, 1)


def _dot(shown: PageGraph, direction: Direction) -> str:
    """The graph as DOT that holds no text of the user's: sizes are given, so that no font plays a part."""
    lines = ["digraph {", f"rankdir={direction}; nodesep=0.2; ranksep=0.35; pad=0.1;"]
    if len(shown.sites) > BOUNDED:
        lines.append("nslimit=1; nslimit1=1; mclimit=0.2; splines=line;")
    lines += ['node [shape=box, fixedsize=true, label=""];', "edge [arrowhead=none];"]
    inside: dict[Box | None, list[int]] = {}
    for k, site in enumerate(shown.sites):
        inside.setdefault(site.box, []).append(k)
    children: dict[Box | None, list[Box]] = {}
    for box in shown.boxes:
        children.setdefault(box.parent, []).append(box)
    pending: list[Box | str | None] = [None]
    while pending:
        at = pending.pop()
        if isinstance(at, str):
            lines.append(at)
            continue
        if at is not None:
            # A table of a fixed size stands where the page writes the name.
            cell = f'FIXEDSIZE="TRUE" WIDTH="{_header(at)}" HEIGHT="{HEADER}" BORDER="0"'
            label = f'<<TABLE {cell} CELLBORDER="0"><TR><TD></TD></TR></TABLE>>'
            lines.append(f'subgraph cluster_{at.index} {{ id="b{at.index}"; margin=8; labeljust=l; label={label};')
            pending.append("}")
        lines += [_vertex(k, shown.sites[k]) for k in inside.get(at, ())]
        pending += reversed(children.get(at, []))
    return "\n".join([*lines, *_edges(shown), "}"])


def _header(box: Box) -> int:
    return round(width_of(pretty(box.name)[:_LETTERS], 12)) + 26


def _vertex(k: int, site: Site) -> str:
    w, h = size_of(site.item)
    return f's{k} [id="s{k}", width={w / 72:.4f}, height={h / 72:.4f}];'


def _edges(shown: PageGraph) -> Iterable[str]:
    number = {site: k for k, site in enumerate(shown.sites)}
    for k, wire in enumerate(shown.wires):
        free = ", constraint=false" if wire.back else ""
        yield f's{number[wire.source]} -> s{number[wire.target]} [id="w{k}"{free}];'
