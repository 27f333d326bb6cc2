"""A graph with its values as plain data: what the page's script reads."""

import linecache
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from tinygrad_lstm.draw.graphs.vertices import place_of
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.draw.pages.gradient_terms import rules_of, short_texts
from tinygrad_lstm.draw.pages.grids import GRIDS, shown
from tinygrad_lstm.draw.pages.layout import lay_out, word
from tinygrad_lstm.draw.pages.page_graph import GIVEN, Item, PageGraph, ShownLoop
from tinygrad_lstm.draw.pages.running import Array, Run, kept_steps
from tinygrad_lstm.formula.expression import node_texts, text
from tinygrad_lstm.graph.tensor import Node, name_of

__all__ = ["graph_data"]

_NUMBERS: Final = 90_000
"""About how many numbers a graph may bring along: at most two thirds of a megabyte."""
_LONG: Final = 240
_FULL_TEXTS: Final = 150
"""With more items than this expressions are cut short where they are made: to write each in full takes too long."""


def graph_data(structure: PageGraph, run: Run | None) -> dict[str, Any]:
    """PageGraph, places and values of a graph.

    Returns:
        A dict of ``items``, ``program`` (numbers of items, and ``[number of a loop, [program]]``), ``loops``,
        ``boxes``, ``sites``, ``wires``, ``layouts``, and ``values``: each item has in ``v`` and ``g`` the numbers of
        its value and gradient there, one for each step of the loops round it, the innermost last.
    """
    numbers: list[dict[str, Any]] = []
    values = _Values(structure, run) if run is not None else None
    items = []
    texts = _texts(structure)
    names = short_texts(structure, texts)
    differentiated = run is not None and bool(run.gradients)
    rules = rules_of(structure, names) if differentiated else {}
    for item in structure.items:
        data = _told(item, texts) | {"called": names[item], "rule": rules.get(item, [])}
        if values is not None:
            data["v"], data["g"] = values.of(item, numbers)
        items.append(data)
    site = {s: k for k, s in enumerate(structure.sites)}
    return {
        "items": items,
        "program": _program(structure.program),
        "loops": [
            {
                "label": loop.label,
                "parent": loop.parent.index if loop.parent is not None else -1,
                "steps": loop.steps,
                "times": kept_steps(loop),
                "reverse": bool(loop.node.attrs.get("reverse")),
            }
            for loop in structure.loops
        ],
        "boxes": [
            {
                "name": pretty(box.name),
                "role": "loop" if box.loop is not None else box.role or "",
                "parent": box.parent.index if box.parent is not None else -1,
                "loop": box.loop.index if box.loop is not None else -1,
            }
            for box in structure.boxes
        ],
        "sites": [[s.item.index, s.box.index if s.box is not None else -1] for s in structure.sites],
        "wires": [[site[w.source], site[w.target], w.note, int(w.back)] for w in structure.wires],
        "layouts": {"LR": lay_out(structure, "LR"), "TB": lay_out(structure, "TB")},
        "values": numbers,
    }


def _program(program: Sequence[Item | ShownLoop]) -> list[Any]:  # as deep as loops are nested
    return [p.index if isinstance(p, Item) else [p.index, _program(p.program)] for p in program]


def _texts(structure: PageGraph) -> dict[Node, str]:
    """The expression of each item that is computed, from the last named values where that is not too long."""
    short: dict[Node, str] = {}
    for order in (structure.order, *(loop.order for loop in structure.loops)):
        short |= node_texts(order, {node: name_of(node) or "…" for node in order})
    computed = [i.node for i in structure.items if i.kind not in (*GIVEN, "carry", "slice", "result")]
    if len(computed) > _FULL_TEXTS:
        return {node: short[node] for node in computed}
    full = {node: text(node) for node in computed}
    return {node: said if len(said) <= _LONG else short[node] for node, said in full.items()}


def _told(item: Item, texts: Mapping[Node, str]) -> dict[str, Any]:
    """What is known of an item without its values."""
    node = item.node
    data = {
        "kind": item.kind,
        "word": word(item),
        "name": pretty(item.label),
        "names": [pretty(n) for n in item.names],
        "op": node.op,
        "type": str(node.type),
        "loop": item.loop.index if item.loop is not None else -1,
        "reads": [x.index for x in item.reads],
        "scope": " / ".join(s.name for s in node.scope.path) if node.scope is not None else "",
        "line": "",
        "code": "",
        "said": texts[node] if item.kind not in (*GIVEN, "carry", "slice", "result") else "",
    }
    place = place_of(node)
    if place is not None:
        # The folder would make other bytes on another machine.
        data["line"] = f"{PurePath(place[0]).name}, line {place[1]}"
        data["code"] = linecache.getline(*place).strip()[:200]
    return data


class _Values:
    """The arrays of items, as large as the page has room for."""

    def __init__(self, structure: PageGraph, run: Run) -> None:
        self.run = run
        self.chains: dict[ShownLoop | None, list[Run]] = {None: [run]}
        for loop in structure.loops:
            outer = self.chains[loop.parent]
            self.chains[loop] = [r.loops[loop][t] for r in outer for t in kept_steps(loop)]
        self.known: dict[str, int] = {}
        # What is outside of loops comes once, and may be seen in more detail.
        outside = [item for item in structure.items if item.loop is None]
        inside = [item for item in structure.items if item.loop is not None]
        self.most = {False: self._fitting(outside, _NUMBERS // 3), True: self._fitting(inside, 2 * _NUMBERS // 3)}

    def _fitting(self, items: list[Item], numbers: int) -> int:
        """The largest grid for which the values and gradients of ``items`` are not more than so many numbers."""

        def room(most: int) -> int:
            return sum(2 * len(self.chains[x.loop]) * min(math.prod(x.node.shape), most) for x in items)

        return next((most for most in GRIDS if room(most) <= numbers), GRIDS[-1])

    def of(self, item: Item, numbers: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
        """The numbers of values and gradients; −1 for a gradient that there is not."""
        runs, most = self.chains[item.loop], self.most[item.loop is not None]
        values = [self._number(r.values.get(item.node), most, numbers) for r in runs]
        if item.kind == "constant":
            return values, [-1] * len(runs)
        found: list[Mapping[Node, Array]] = [r.seeds if item.kind == "result" else r.gradients for r in runs]
        return values, [self._number(g.get(item.node), most, numbers) for g in found]

    def _number(self, array: Array | None, most: int, numbers: list[dict[str, Any]]) -> int:
        if array is None:
            return -1
        data = shown(array, most)
        key = repr(data)
        if key not in self.known:
            self.known[key] = len(numbers)
            numbers.append(data)
        return self.known[key]
