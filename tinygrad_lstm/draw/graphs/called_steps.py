"""The steps of loops that are written in Python: calls of one cell, each of which reads the one before.

They get the places that copies of a loop's body have, so that they are laid out as those are.
"""

import weakref
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tinygrad_lstm.draw.graphs.call_chains import CallPlace, chains_of_calls
from tinygrad_lstm.draw.graphs.step_places import StepPlaces, reached
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around
from tinygrad_lstm.graph.function import Graph, fresh_symbol
from tinygrad_lstm.graph.tensor import Deriving, Node, Tensor, deriving, make
from tinygrad_lstm.graph.types import TensorType

__all__ = ["CalledSteps", "called_steps"]

UNNAMED: Final = "a state"
"""Longer than what is written beside a wire."""


class CalledSteps(StepPlaces):
    """The steps of Python's loops, as if they were copies of the body of a loop for each cell.

    Attributes:
        carried: for the reading node and the number of its operand, the number of what is carried there.
        entering: what brings an input into a step.
    """

    def __init__(self) -> None:
        self.origin = {}
        self.copies = {}
        self.carried: dict[tuple[Node, int], int] = {}
        self.entering: set[Node] = set()
        self.clusters: list[tuple[Vertex, Cluster | None]] = []

    def carry(self, e: Edge) -> int | None:
        return self.carried.get(e.reads[1:]) if e.reads is not None else None

    def enters(self, v: Vertex) -> bool:
        return v.node in self.entering or (v.kind == "symbol" and self.of(v) is None)

    def forget(self) -> None:
        """Put all vertices back into the scopes that they were in."""
        for v, cluster in self.clusters:
            v.cluster = cluster


def called_steps(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> CalledSteps | None:
    """The steps of the loops in a graph that has none as a node; their vertices then stand in scopes ``step 0`` ….

    Returns:
        None where no cell is called again and again on what it gave before.
    """
    if any(v.path or v.kind in ("loop", "carry", "slice") for v in vertices):
        return None
    forward = chains_of_calls(vertices, edges)
    if not forward:
        return None
    return _Naming(vertices, edges, forward).places()


@dataclass
class _Row:
    """A loop in the making, or that of its gradient.

    Attributes:
        classes: for each reader of something that is carried, by its key and operand, the number of what is carried.
        names: of what is carried.
        sums: for what every step only adds to, the key of the addition.
    """

    length: int
    back: bool
    classes: dict[tuple[Hashable, int], int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    types: list[TensorType] = field(default_factory=list)
    sums: dict[int, Hashable] = field(default_factory=dict)


class _Naming:
    """Finds out which vertices of different steps are the same one, and what is carried between them."""

    def __init__(self, vertices: Sequence[Vertex], edges: Sequence[Edge], forward: Mapping[Vertex, CallPlace]) -> None:
        self.vertices, self.edges = vertices, edges
        self.step: dict[Vertex, CallPlace] = dict(forward)
        self.given: dict[Vertex, list[Edge]] = {}
        self.readers: dict[Vertex, list[Edge]] = {}
        for e in edges:
            self.given.setdefault(e.target, []).append(e)
            self.readers.setdefault(e.source, []).append(e)
        self.rows = max(s.row for s in forward.values()) + 1
        self.keys: dict[Vertex, Hashable] = {}
        self.known: dict[Hashable, int] = {}

    def places(self) -> CalledSteps | None:
        self._place_gradients()
        self._order_gradients()
        self._name_all()
        rows: dict[tuple[int, bool], _Row] = {}
        for v, s in self.step.items():
            row = rows.setdefault((s.row, v.gradient), _Row(0, v.gradient))
            row.length = max(row.length, s.at + 1)
        for at, row in sorted(rows.items()):
            self._carry(at[0], row, rows.get((at[0], False)))
        result = CalledSteps()
        loops: dict[tuple[int, bool], Node] = {}
        for at, row in sorted(rows.items()):
            loops[at] = _loop(row, loops.get((at[0], False)))
        first: dict[Hashable, Node] = {}
        for (number, back), row in rows.items():
            outputs = loops[number, back].attrs["body"].outputs
            first.update({((number, back), key): outputs[k] for k, key in row.sums.items()})
        for v, s in self.step.items():
            if v.node is None or v.kind in LEAVES:
                continue
            at = (s.row, v.gradient)
            node = first.setdefault((at, self.keys[v]), v.node)
            result.origin[v.node] = ((loops[at],), node, (s.at,))
            if self._enters(v):
                result.entering.add(v.node)
            for e in self.given.get(v, ()):
                k = rows[at].classes.get((self.keys[v], _slot(e)))
                if k is not None and e.reads is not None and not self._is_within(e):
                    result.carried[e.reads[1:]] = k
        added = {((number, row.back), key) for (number, _), row in rows.items() for key in row.sums.values()}
        self._enclose(result, {v for v, s in self.step.items() if ((s.row, v.gradient), self.keys[v]) in added})
        return result

    def _place_gradients(self) -> None:
        """What helps to compute a gradient belongs to the step of what it is the gradient of."""
        for v in self.vertices:
            if v.gradient and v.origin in self.step:
                # The transpose of a weight is the same one at all steps.
                reads = [e.source for e in self.given.get(v, ())]
                if reads and all(x.kind in LEAVES for x in reads):
                    continue
                self.step[v] = self.step[v.origin]
        # So does what stands between steps, as a sum of what comes from the next one and from a loss.
        placed = [v for v in self.step if v.gradient]
        behind = reached(placed, {v: [e.target for e in es] for v, es in self.readers.items()})
        ahead = reached(placed, {v: [e.source for e in es] for v, es in self.given.items()})
        for v in reversed(self.vertices):
            if v.gradient and v not in self.step and v in behind and v in ahead:
                found = {s for e in self.readers.get(v, ()) if (s := self.step.get(e.target)) is not None}
                if found:
                    self.step[v] = max(found, key=lambda s: (s.at, s.row))

    def _order_gradients(self) -> None:
        """A sum belongs to the step at which the last part of it is known: gradients come from later steps."""
        for v in self.vertices:
            if v.gradient and v in self.step:
                known = [s for e in self.given.get(v, ()) if e.source.gradient and (s := self.step.get(e.source))]
                self.step[v] = min((self.step[v], *(s for s in known if s.row == self.step[v].row)), key=lambda s: s.at)

    def _is_within(self, e: Edge) -> bool:
        return self.step.get(e.source) == self.step[e.target]

    def _enters(self, v: Vertex) -> bool:
        if v.kind == "symbol":
            return True
        reads = self.given.get(v, [])
        return v.kind == "view" and v.label.startswith("[") and len(reads) == 1 and reads[0].source not in self.step

    def _name_all(self) -> None:
        """Give the same key to what is the same thing at different steps."""
        # What is computed of the forward pass alone is the same at each step; gradients are not, at the last.
        exact = {v for v in self.vertices if not v.gradient}
        factors: set[Hashable] = set()
        counts: dict[Hashable, int] = {}
        last = {row: max(s.at for s in self.step.values() if s.row == row) for row in range(self.rows)}
        inside = [v for v in self.vertices if v in self.step and v.kind != "symbol" and not self._enters(v)]
        self._name_forward([v for v in inside if not v.gradient], exact, counts)
        inside = [v for v in inside if v.gradient]
        # A gradient of 1 is no operand: at the last step, what it begins with looks like a factor.
        for at_last in (False, True):
            for v in inside:
                s = self.step[v]
                if (s.at == last[s.row]) != at_last:
                    continue
                factor = all(e.source in exact for e in self.given.get(v, ()))
                what = self._described(v, exact, factor)
                if factor and (not at_last or what in factors):
                    exact.add(v)
                    factors.add(what)
                elif factor:
                    what = self._described(v, exact, False)
                self.keys[v] = self._number(what, s, counts)
        for v in reversed(self.vertices):
            if v in self.step and v not in self.keys:
                s = self.step[v]
                readers = [e for e in self.readers.get(v, ()) if self._reads_here(e, v)]
                said = sorted((str(self.keys.get(e.target)), _slot(e)) for e in readers)
                self.keys[v] = self._number(("in", tuple(said)), s, counts)

    def _name_forward(self, inside: Sequence[Vertex], exact: set[Vertex], counts: dict[Hashable, int]) -> None:
        """What is computed alike of alike things is told apart by what is computed of it."""
        alike: dict[tuple[Hashable, CallPlace], int] = {}
        for v in inside:
            what = ("forward", self._described(v, exact, False))
            key = self.keys[v] = self.known.setdefault(what, len(self.known))
            alike[key, self.step[v]] = alike.get((key, self.step[v]), 0) + 1
        several = {key for (key, _), count in alike.items() if count > 1}
        read: dict[Vertex, int] = {}
        for v in reversed(inside):
            readers = sorted((read[e.target], _slot(e)) for e in self.readers.get(v, ()) if self._reads_here(e, v))
            read[v] = self.known.setdefault(("read", self.keys[v], tuple(readers)), len(self.known))
        for v in inside:
            if self.keys[v] in several:
                self.keys[v] = self._number(("several", read[v]), self.step[v], counts)

    def _reads_here(self, e: Edge, v: Vertex) -> bool:
        return self.step.get(e.target) == self.step[v] and not e.target.gradient

    def _described(self, v: Vertex, exact: set[Vertex], factor: bool) -> Hashable:
        """What a vertex is, as far as it is so at all steps."""
        s = self.step[v]
        cluster = tuple(c.name for c in around(v.cluster)) if factor or not v.gradient else ()
        # A state has its name at each step; what it is called one step later comes after that.
        names = tuple(v.names[:1]) if not v.gradient else ()
        what: list[Hashable] = [s.row, v.gradient, v.label, names, str(v.type), cluster]
        what.append(self.keys.get(v.origin) if v.origin is not None else None)
        for e in self.given.get(v, ()):
            if e.source.kind == "parameter":
                what.append((_slot(e), e.source.label))
            elif self.step.get(e.source) == s and e.source in exact:
                what.append((_slot(e), self.keys.get(e.source)))
            elif _op(v) == "add" and e.source.gradient and self.step.get(e.source) != s:
                # The sum of gradients of two steps is not one within a step.
                what.append((_slot(e), "carried"))
        return tuple(what)

    def _number(self, what: Hashable, s: CallPlace, counts: dict[Hashable, int]) -> int:
        """A number for a description; what is described alike in one step has different ones."""
        count = counts[what, s] = counts.get((what, s), -1) + 1
        return self.known.setdefault((what, count), len(self.known))

    def _carry(self, number: int, row: _Row, forward: _Row | None) -> None:
        """Find what goes from one step to the next."""
        crossing = []
        for e in self.edges:
            a, b = self.step.get(e.source), self.step.get(e.target)
            if a is None or b is None or a.row != number or b.row != number or a.at == b.at:
                continue
            if e.target.gradient == e.source.gradient == row.back:
                crossing.append(e)
        same: dict[Any, Any] = {}

        def root(x: Any) -> Any:
            while x in same:
                x = same[x]
            return x

        by_source: dict[Vertex, Any] = {}
        for e in crossing:
            here = root((self.keys[e.target], _slot(e)))
            there = root(by_source.setdefault(e.source, here))
            if here != there:
                same[here] = there
        numbers: dict[Any, int] = {}
        for e in crossing:
            reader = (self.keys[e.target], _slot(e))
            k = row.classes[reader] = numbers.setdefault(root(reader), len(numbers))
            if k == len(row.names):
                row.names.append(UNNAMED)
                assert isinstance(e.source.type, TensorType)
                row.types.append(e.source.type)
            if row.names[k] == UNNAMED:
                row.names[k] = self._called(e, forward) or UNNAMED
        for k in numbers.values():
            readers = [key for key, its in row.classes.items() if its == k]
            edges = [e for e in crossing if row.classes[self.keys[e.target], _slot(e)] == k]
            last = row.length - 1
            repeated = all(self.keys[e.source] == readers[0][0] for e in edges if self.step[e.source].at < last)
            only = all(_op(e.target) == "add" and self._is_last_of_step(e.target) for e in edges)
            if row.back and len(readers) == 1 and repeated and only:
                row.sums[k] = readers[0][0]

    def _is_last_of_step(self, v: Vertex) -> bool:
        return all(self.step.get(e.target) != self.step[v] for e in self.readers.get(v, ()))

    def _called(self, e: Edge, forward: _Row | None) -> str | None:
        """The name of what an edge carries: ``C``; ``∂C`` for the gradient of it."""
        if not e.source.gradient:
            states = [n.removesuffix("_t").removesuffix("_{t-1}") for n in e.source.names if n.endswith(("_t", "-1}"))]
            return states[0] if states else None
        origin = e.source.origin
        if forward is None or origin is None or origin not in self.keys:
            return None
        read = {forward.classes.get((self.keys[origin], _slot(given))) for given in self.given.get(origin, ())}
        names = {forward.names[k] for k in read if k is not None} - {UNNAMED}
        return f"∂{names.pop()}" if len(names) == 1 else None

    def _enclose(self, result: CalledSteps, sums: set[Vertex]) -> None:
        """Put what belongs to a step into a scope of the step, inside of the scopes that all steps are in.

        Args:
            sums: what belongs to no scope within a step.
        """
        inner: dict[int, list[list[Cluster]]] = {}
        for v, s in self.step.items():
            if not v.gradient and v.node in result.origin and not self._enters(v):
                inner.setdefault(s.row, []).append(around(v.cluster))
        depth = {row: _common(chains) for row, chains in inner.items()}
        made: dict[tuple[CallPlace, Cluster | None, Cluster | None], Cluster] = {}
        for v in self.vertices:
            # A weight stands beside its reader.
            readers = self.readers.get(v, []) if v.kind in LEAVES else []
            belongs = self.step.get(readers[0].target if len(readers) == 1 else v)
            if belongs is None:
                continue
            s = belongs
            chain, cut = around(v.cluster), depth[s.row] + _in_gradient(v)
            outer = chain[min(cut, len(chain)) - 1] if cut and chain else None
            result.clusters.append((v, v.cluster))
            at = outer
            inner_scopes = [] if v in sums else chain[cut:]
            # Nobody made the scope of the step: it is no level of its own.
            level = outer.level if outer is not None else 0
            at = made.setdefault((s, outer, None), Cluster(f"step {s.at}", None, outer, level))
            for c in inner_scopes:
                at = made.setdefault((s, at, c), Cluster(c.name, c.role, at, at.level + 1, note=c.note))
            v.cluster = at


def _in_gradient(v: Vertex) -> int:
    chain = around(v.cluster)
    return int(bool(chain) and chain[0].name == "gradient")


def _op(v: Vertex) -> str:
    """The one operation that a vertex stands for; nothing where it stands for a function."""
    return v.node.op if v.node is not None and not v.part else ""


def _slot(e: Edge) -> int:
    return e.reads[2] if e.reads is not None else -1


def _common(chains: Sequence[Sequence[Cluster]]) -> int:
    """In how many scopes everything is."""
    count = 0
    for level in zip(*chains, strict=False):
        if any(c is not level[0] for c in level):
            break
        count += 1
    return count


def _loop(row: _Row, forward: Node | None) -> Node:
    """A loop that carries what the steps carry; the origin of that for the gradient is the forward one."""
    carries = [fresh_symbol(name, type_) for name, type_ in zip(row.names, row.types, strict=True)]
    added = {k: fresh_symbol(f"addend {k}", row.types[k]) for k in row.sums}
    outputs = [make("add", x, added[k]) if k in added else x for k, x in enumerate(carries)]
    body = Graph((*carries, *added.values()), tuple(outputs))
    whole = [
        fresh_symbol(x.attrs["name"], TensorType((row.length, *x.type.shape), x.type.dtype, x.type.device))
        for x in added.values()
    ]
    given: list[Tensor] = [*[fresh_symbol(x.attrs["name"], x.type) for x in carries], *whole]
    place: Any = object.__new__(Deriving)
    place.line, place.scope = None, None
    place.origin = weakref.ref(forward) if forward is not None else None
    token = deriving.set(place)
    try:
        return make("scan", *given, body=body, carries=len(carries), xs=len(whole), length=row.length, reverse=row.back)
    finally:
        deriving.reset(token)
