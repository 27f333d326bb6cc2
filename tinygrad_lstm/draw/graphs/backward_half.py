"""The two halves of unrolled steps: the forward pass, and what computes gradients and whatever comes after them.

The backward half reads values of the forward half by their names, as a formula does; lines to all of them would cover
both. What it computes of such values alone, as ``f·(1 − f)``, is written as their formula.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tinygrad_lstm.draw.graphs.step_places import StepPlaces, named_at, reached
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around
from tinygrad_lstm.draw.markup import pretty
from tinygrad_lstm.formula.expression import node_texts
from tinygrad_lstm.graph.tensor import Node

__all__ = ["Half", "forward_and_backward"]

LONGEST: Final = 30
"""A longer formula of what is read is drawn, not written."""
_SCALES: Final = {"multiply": "×", "add": "+", "subtract": "−", "divide": "÷"}
_SUM: Final = re.compile(r" [+−] (?![^()]*\))")


@dataclass
class Half:
    """Vertices and edges of one half, and names for values of it that the other half reads and nobody has named."""

    vertices: list[Vertex]
    edges: list[Edge]
    names: dict[Vertex, str] = field(default_factory=dict)


@dataclass
class _Written:
    """Something that is read by its name or formula, and the names in it."""

    text: str
    of: list[str] = field(default_factory=list)


def forward_and_backward(
    vertices: Sequence[Vertex], edges: Sequence[Edge], places: StepPlaces
) -> tuple[Half, Half | None] | None:
    """The forward half, and the backward half if there is one, of which nothing is an object of the given graph.

    Returns:
        None where steps of one loop belong to both.
    """
    after: dict[Vertex, list[Vertex]] = {}
    for e in edges:
        after.setdefault(e.source, []).append(e.target)
    starts = [v for v in vertices if v.kind not in LEAVES and (v.gradient or _in_gradient(v, places))]
    back = {*starts, *reached(starts, after)}
    if not back:
        return Half(list(vertices), list(edges)), None
    back |= {v for v in vertices if v.kind in LEAVES and after.get(v) and all(r in back for r in after[v])}
    forward = [v for v in vertices if v not in back]
    loops = [{p[0][-1] for v in half if (p := places.of(v)) is not None} for half in (forward, back)]
    if not loops[1] or loops[0] & loops[1]:
        return None
    within = [e for e in edges if e.source not in back and e.target not in back]
    work = _Backward(vertices, edges, back, places)
    backward = work.half()
    return Half(forward, within, work.names), backward


def _in_gradient(v: Vertex, places: StepPlaces) -> bool:
    place = places.of(v)
    return place is not None and place[0][-1].origin is not None


class _Backward:
    """Makes the backward half, in the order of the methods."""

    def __init__(
        self, vertices: Sequence[Vertex], edges: Sequence[Edge], back: set[Vertex], places: StepPlaces
    ) -> None:
        self.places = places
        self.names: dict[Vertex, str] = {}
        self.numbers: dict[Any, int] = {}
        self.given: dict[Vertex, list[Edge]] = {}
        for e in edges:
            self.given.setdefault(e.target, []).append(e)
        copies = {
            v: replace(v, names=list(v.names), notes=list(v.notes), lent=list(v.lent)) for v in vertices if v in back
        }
        self.vertices = list(copies.values())
        self.edges: list[Edge] = []
        # Edges from the forward half, whose sources are no copies.
        self.lent: list[Edge] = []
        for e in edges:
            if e.target in copies:
                made = replace(e, source=copies.get(e.source, e.source), target=copies[e.target])
                (self.edges if e.source in copies else self.lent).append(made)
        self.reads: dict[Vertex, list[Edge]] = {}
        for e in [*self.edges, *self.lent]:
            self.reads.setdefault(e.target, []).append(e)

    def half(self) -> Half:
        self._write()
        self._widen()
        self._add_up()
        self._join()
        return Half(self.vertices, self.edges)

    def _step(self, v: Vertex) -> int | None:
        place = self.places.of(v)
        return place[2][-1] if place is not None else None

    def _called(self, v: Vertex) -> _Written:
        """A value of the forward pass as it is called in a formula."""
        text = self._name(v)
        if text is not None:
            return _Written(text, [text])
        reads = [e.source for e in self.given.get(v, ())]
        names = [self._name(x) for x in reads]
        if names and all(names):
            if _op(v) == "concatenate":
                joined = ", ".join(map(str, names))
                return _Written(f"[{joined}]", [f"[{joined}]"])
            if v.kind == "pointwise":
                written = self._formula(v, [v], {x: _Written(str(n)) for x, n in zip(reads, names, strict=True)})
                if written is not None:
                    return _Written(written.text, [written.text])
        if v not in self.names:
            place = self.places.of(v)
            number = self.numbers.setdefault(place[:2] if place is not None else v, len(self.numbers) + 1)
            self.names[v] = f"v{number}" if place is None else f"v{number}_{place[2][-1]}"
        return _Written(self.names[v], [self.names[v]])

    def _name(self, v: Vertex) -> str | None:
        at = self._step(v)
        if v.kind in ("constant", "leaf", "symbol"):
            return v.label
        if at is not None and self.places.enters(v):
            whole = [e.source for e in self.given.get(v, ()) if e.source.kind == "symbol"]
            if whole:
                return f"{whole[0].label}{v.label}"
        if v.names:
            return _short(named_at(v.names, at)[0] if at is not None else v.names[0])
        return None

    def _write(self) -> None:
        """Write what is computed from lent values alone, and what is lent, at those that read it."""
        steps = {v: at for v in self.vertices if (at := self._step(v)) is not None}
        onward: dict[Vertex, list[Vertex]] = {}
        for e in self.edges:
            onward.setdefault(e.source, []).append(e.target)
        carried = [e for e in self.edges if self.places.carry(e) is not None]
        begun = [e.target for e in carried] + [v for v in steps if self.places.enters(v)]
        outside = [v for v in self.vertices if v not in steps and v.kind not in LEAVES]
        weights = {v: text for v in outside if (text := self._turned_weight(v)) is not None}
        begun += [v for v in outside if v not in weights]
        # What a gradient depends on: it is worth a line. All else in a step is a factor.
        gradient = {*begun, *reached(begun, onward)}
        # What is one at any step is one at the last too, where the gradient of a sum begins with a plain 1.
        alike = {place[:2] for v in gradient if (place := self.places.of(v)) is not None}
        begun += [v for v in steps if v not in gradient and (place := self.places.of(v)) and place[:2] in alike]
        gradient |= {*begun, *reached(begun, onward)}
        written: dict[Vertex, _Written] = dict(weights)
        hidden: dict[Vertex, int] = {}
        for v in self.vertices:
            if v in steps and v not in gradient and v.kind not in LEAVES:
                known = {e.source: w for e in self.reads.get(v, ()) if (w := self._operand(e, written)) is not None}
                found = self._formula(v, [v], known) if len(known) == len({e.source for e in self.reads[v]}) else None
                if found is not None:
                    written[v] = found
                    hidden[v] = 1 + sum(hidden.get(e.source, e.source.kind in LEAVES) for e in self.reads[v])
        # What the gradient begins with at one step alone is one thing, however many read it.
        times: dict[Any, int] = {}
        for v in steps:
            if (place := self.places.of(v)) is not None:
                times[place[:2]] = times.get(place[:2], 0) + 1
        for v in [v for v in written if v in steps and sum(r in gradient for r in onward.get(v, ())) > 1]:
            place = self.places.of(v)
            if place is not None and times[place[:2]] == 1:
                begins = written.pop(v)
                v.label, v.lent, v.count, self.reads[v] = begins.text, begins.of, hidden.pop(v), []
        gone = set(written)
        kept = [v for v in self.vertices if v not in gone]
        lines: list[Edge] = []
        leaves: dict[Vertex, list[Vertex]] = {}
        for v in kept:
            for e in self.reads.get(v, ()):
                text = written.get(e.source)
                if text is None and e in self.lent:
                    text = self._called(e.source)
                if text is None:
                    lines.append(e)
                    continue
                v.lent += [name for name in text.of if name not in v.lent]
                v.count += hidden.get(e.source, 0)
                if not self._take(v, e, text, written):
                    leaf = Vertex("constant", text.text, v.cluster, path=v.path)
                    leaf.lent = list(text.of)
                    leaves.setdefault(v, []).append(leaf)
                    lines.append(replace(e, source=leaf))
        needed = {e.source for e in lines}
        self.vertices = [x for v in kept if v.kind not in LEAVES or v in needed for x in (*leaves.get(v, ()), v)]
        self.edges = lines

    def _operand(self, e: Edge, written: Mapping[Vertex, _Written]) -> _Written | None:
        """What a factor reads, written; None for what is drawn."""
        if e.source in written:
            return written[e.source]
        if e.source.kind == "constant":
            return _Written(e.source.label)
        return self._called(e.source) if e in self.lent else None

    def _turned_weight(self, v: Vertex) -> _Written | None:
        """A parameter or value of the forward pass that all steps read turned, by its name."""
        reads = self.reads.get(v, [])
        if _op(v) != "transpose" or len(reads) != 1 or not _is_turned(v):
            return None
        if reads[0].source.kind == "parameter":
            return _Written(f"{'.'.join(reads[0].source.label.split('.')[-2:])}ᵀ")
        if reads[0] not in self.lent:
            return None
        found = self._called(reads[0].source)
        return _Written(f"{_inside(found.text)}ᵀ", found.of)

    def _formula(self, v: Vertex, order: Sequence[Vertex], known: Mapping[Vertex, _Written]) -> _Written | None:
        """What a vertex computes of ``known`` values; None where that is long or no matter of elements."""
        node = v.node
        if node is None or v.part or not known:
            return None
        names = list(dict.fromkeys(name for w in known.values() for name in w.of))
        texts = [known[e.source].text for e in self.reads.get(v, self.given.get(v, ())) if e.source in known]
        if node.op == "transpose" and _is_turned(v) and len(texts) == 1:
            return _Written(f"{_inside(texts[0])}ᵀ", names)
        if v.kind != "pointwise" or len(texts) not in (1, len(node.inputs)):
            return None
        text = _pointwise(node, v.label, texts)
        return _Written(text, names) if text is not None and len(text) <= LONGEST else None

    def _take(self, v: Vertex, e: Edge, text: _Written, written: Mapping[Vertex, _Written]) -> bool:
        """Whether ``v`` does something to one gradient with ``text``, and says so itself: ``× f``."""
        op, reads = _op(v), self.reads[v]
        if op not in _SCALES or len(reads) != 2 or v.factor:
            return False
        other = reads[1] if reads[0] is e else reads[0]
        if other.source in written or other in self.lent or other.source.kind in LEAVES:
            return False
        if op in ("subtract", "divide") and e is reads[0]:
            return False
        v.label, v.factor = _SCALES[op], text.text if op == "add" else _inside(text.text)
        other.mark = ""
        return True

    def _widen(self) -> None:
        """A sum of parts from different scopes belongs to none of them."""
        reads: dict[Vertex, list[Edge]] = {}
        for e in self.edges:
            reads.setdefault(e.target, []).append(e)
        for v in self.vertices:
            sources = [e.source for e in reads.get(v, ())]
            if self._is_sum(v) and len(sources) > 1 and {self._step(x) for x in sources} == {self._step(v)}:
                common = _common([around(x.cluster) for x in sources])
                if common and common[-1] in around(v.cluster):
                    v.cluster = common[-1]

    def _add_up(self) -> None:
        """Sums of sums are one."""
        readers: dict[Vertex, list[Edge]] = {}
        for e in self.edges:
            readers.setdefault(e.source, []).append(e)
        into: dict[Vertex, Vertex] = {}
        for v in self.vertices:
            found = readers.get(v, [])
            if self._is_sum(v) and len(found) == 1 and self._is_sum(found[0].target):
                target = found[0].target
                if target.cluster is v.cluster and self._step(target) == self._step(v) and self._step(v) is not None:
                    into[v] = target
        for v, target in into.items():
            while target in into:
                target = into[target]
            target.count += v.count
            for e in self.edges:
                if e.target is v:
                    e.target = target
        self.vertices = [v for v in self.vertices if v not in into]
        self.edges = [e for e in self.edges if e.source not in into]

    def _join(self) -> None:
        """Two factors after each other are one vertex, and so are a sum and the part of it that is read."""
        readers: dict[Vertex, list[Edge]] = {}
        given: dict[Vertex, list[Edge]] = {}
        for e in self.edges:
            readers.setdefault(e.source, []).append(e)
            given.setdefault(e.target, []).append(e)
        # Steps are alike: what is one thing at one step is at all.
        several = {place[:2] for v in self.vertices if len(readers.get(v, ())) > 1 and (place := self.places.of(v))}
        for v in self.vertices:
            found, place = readers.get(v, []), self.places.of(v)
            if len(found) != 1 or place is None or self._step(v) != self._step(found[0].target) or v.notes:
                continue
            if place[:2] in several:
                continue
            w = found[0].target
            scaled = v.factor and w.factor and v.label == w.label == "×" and v.cluster is w.cluster
            part = self._is_sum(v) and _op(w) == "slice" and len(given[w]) == 1
            if scaled:
                w.factor = f"{v.factor}\n× {w.factor}"
            elif part:
                w.kind, w.label, w.notes = "pointwise", "+", [f"then {note}" for note in w.notes]
            if scaled or part:
                w.lent, w.count = [*v.lent, *w.lent], v.count + w.count
                given[w] = given[v]
                for e in given[v]:
                    e.target = w
                self.edges = [e for e in self.edges if e is not found[0]]
                self.vertices = [x for x in self.vertices if x is not v]

    def _is_sum(self, v: Vertex) -> bool:
        return v.gradient and _op(v) == "add" and not v.factor


def _short(name: str) -> str:
    """A name for a line of text: ``C_2``."""
    return pretty(re.sub(r"_\{(\d+)\}$", r"_\1", name))


def _pointwise(node: Node, label: str, texts: Sequence[str]) -> str | None:
    """The expression of one elementwise operation on operands that are written already."""
    if node.op == "power" and len(texts) == 1:
        return label.replace("x", texts[0] if texts[0].isalnum() else f"({texts[0]})", 1)
    operands: dict[Node, str] = dict(zip(node.inputs, texts, strict=False))
    if len(texts) == 1:
        operands = dict.fromkeys(node.inputs, texts[0])
    if node.op == "multiply" and len(set(operands.values())) == 1:
        return f"{_inside(next(iter(operands.values())))}²"
    if node.op == "multiply":
        return "·".join(_inside(operands[x]) for x in node.inputs)
    if node.op == "subtract":
        first, second = (operands[x] for x in node.inputs)
        return f"{first} − {_inside(second)}"
    return node_texts([node], {**operands, node: " " * LONGEST})[node].replace(" - ", " − ")


def _inside(text: str) -> str:
    return f"({text})" if _SUM.search(text) else text


def _op(v: Vertex) -> str:
    """The one operation that a vertex stands for; nothing where it stands for a function."""
    return v.node.op if v.node is not None and not v.part else ""


def _is_turned(v: Vertex) -> bool:
    axes = v.node.attrs["axes"] if v.node is not None else ()
    return bool(axes == tuple(reversed(range(len(axes)))))


def _common(chains: Iterable[Sequence[Cluster]]) -> list[Cluster]:
    found: list[Cluster] = []
    for level in zip(*chains, strict=False):
        if any(c is not level[0] for c in level):
            break
        found.append(level[0])
    return found
