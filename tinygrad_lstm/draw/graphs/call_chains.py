"""Calls of one cell in a row, each of which reads the one before: what belongs to which call."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tinygrad_lstm.draw.graphs.step_places import reached
from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around

__all__ = ["CallPlace", "chains_of_calls"]

PARTS: Final = ("layer", "gate", "pointwise", "state", "function")
"""Scopes of these roles are no cells, however often they are entered."""
GIVEN: Final = ("parameter", "state", "leaf")
ROUNDS: Final = 8


@dataclass(frozen=True)
class CallPlace:
    """Which call something belongs to: the number of the cell, and that of the call."""

    row: int
    at: int


def chains_of_calls(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> dict[Vertex, CallPlace]:
    """For vertices of the forward pass the call that they belong to; nothing where no cell is called in a loop.

    What stands between calls belongs to one too: what prepares the input of one alone, as an embedding does, and what
    is done with the result of each.
    """
    forward = [v for v in vertices if not v.gradient and v.kind != "output"]
    flow = [e for e in edges if not e.source.gradient and not e.target.gradient and e.target.kind != "output"]
    calls = _calls(forward, flow)
    if not calls:
        return {}
    steps = {v: calls[c] for v in forward if v.kind not in LEAVES for c in around(v.cluster) if c in calls}
    steps = _merged(steps, flow)
    return _with_company(forward, flow, {e.source for e in edges if e.target.kind == "output"}, steps)


def _calls(forward: Sequence[Vertex], flow: Sequence[Edge]) -> dict[Cluster, CallPlace]:
    """The scopes that are calls of a cell in a row."""
    given: dict[Cluster, set[int]] = {}
    for v in forward:
        for c in around(v.cluster):
            given.setdefault(c, set())
            if v.kind in GIVEN:
                given[c].add(id(v.node))
    counts = Counter(node for read in given.values() for node in read)
    groups: dict[Hashable, list[Cluster]] = {}
    for c, all_read in given.items():
        # What one call alone reads is no weight of a cell.
        read = {node for node in all_read if counts[node] > len([o for o in around(c) if node in given[o]])}
        if c.role == "cell" or (c.role not in PARTS and read):
            groups.setdefault((c.parent, c.name, frozenset(read)), []).append(c)
    found: dict[Cluster, CallPlace] = {}
    rows = 0
    # From the outside in: what is inside of a call is no call of its own.
    for group in sorted((g for g in groups.values() if len(g) > 1), key=lambda g: g[0].level):
        if any(c in found for c in around(group[0].parent)):
            continue
        for chain in _chains(group, flow):
            found.update((c, CallPlace(rows, at)) for at, c in enumerate(chain))
            rows += 1
    return found


def _chains(group: Sequence[Cluster], flow: Sequence[Edge]) -> list[list[Cluster]]:
    """Scopes in the order in which each reads the one before; none where one reads several."""
    calls = set(group)
    within: dict[Cluster | None, Cluster | None] = {}

    def call_of(v: Vertex) -> Cluster | None:
        if v.cluster not in within:
            within[v.cluster] = next((c for c in around(v.cluster) if c in calls), None)
        return within[v.cluster]

    after: dict[Cluster, set[Cluster]] = {c: set() for c in group}
    before: dict[Cluster, set[Cluster]] = {c: set() for c in group}
    for e in flow:
        a, b = call_of(e.source), call_of(e.target)
        if a is not None and b is not None and a is not b:
            after[a].add(b)
            before[b].add(a)
    if any(len(found) > 1 for found in (*after.values(), *before.values())):
        return []
    chains = []
    for c in group:
        if not before[c] and after[c]:
            chain = [c]
            while after[chain[-1]]:
                chain.extend(after[chain[-1]])
            chains.append(chain)
    return chains


def _merged(steps: Mapping[Vertex, CallPlace], flow: Sequence[Edge]) -> dict[Vertex, CallPlace]:
    """Cells that read each other in both directions, or others than the one below, are one row: one step calls all."""
    rows = sorted({s.row for s in steps.values()})
    into = {row: row for row in rows}
    reads = {
        (a.row, b.row, b.at - a.at)
        for e in flow
        if (a := steps.get(e.source)) is not None and (b := steps.get(e.target)) is not None and a.row != b.row
    }
    for lower, upper, late in sorted(reads):
        if (late or upper != lower + 1) and into[lower] != into[upper]:
            low, high = sorted((into[lower], into[upper]))
            into = {row: low if its == high else its for row, its in into.items()}
    kept = {row: k for k, row in enumerate(sorted(set(into.values())))}
    return {v: CallPlace(kept[into[s.row]], s.at) for v, s in steps.items()}


def _with_company(
    forward: Sequence[Vertex], flow: Sequence[Edge], results: set[Vertex], steps: dict[Vertex, CallPlace]
) -> dict[Vertex, CallPlace]:
    """The steps with what stands before, between and after the calls."""
    given: dict[Vertex, list[Edge]] = {}
    readers: dict[Vertex, list[Edge]] = {}
    for e in flow:
        given.setdefault(e.target, []).append(e)
        readers.setdefault(e.source, []).append(e)
    lengths: dict[int, int] = {}
    for s in steps.values():
        lengths[s.row] = max(lengths.get(s.row, 0), s.at + 1)
    needed = reached(list(steps), {v: [e.source for e in es] for v, es in given.items()})
    late = reached(list(steps), {v: [e.target for e in es] for v, es in readers.items()})
    steps = steps | _after(forward, given, steps, lengths, needed)
    return steps | _before(forward, given, readers, results, steps, lengths, late)


def _after(
    forward: Sequence[Vertex],
    given: Mapping[Vertex, Sequence[Edge]],
    steps: Mapping[Vertex, CallPlace],
    lengths: Mapping[int, int],
    needed: set[Vertex],
) -> dict[Vertex, CallPlace]:
    """What is done with the result of each call; and with some, where a call needs it."""
    refused: set[Hashable] = set()
    found: dict[Vertex, CallPlace] = {}
    for _ in range(ROUNDS):
        found = {}
        keys: dict[Vertex, Hashable] = {}
        for v in forward:
            if v in steps or v.kind in LEAVES:
                continue
            read = [(e, s) for e in given.get(v, ()) if (s := found.get(e.source, steps.get(e.source))) is not None]
            if not read:
                continue
            now = max((s for _, s in read), key=lambda s: (s.at, s.row))
            if any(now.at - s.at > 1 or (s.row != now.row and s.at != now.at) for _, s in read):
                continue
            here = (keys.get(e.source, str(e.source.names[:1] or e.source.label)) for e, s in read if s == now)
            keys[v] = (now.row, v.label, str(v.type), tuple(here))
            if keys[v] not in refused:
                found[v] = now
        counts: dict[Hashable, set[int]] = {}
        for v, s in found.items():
            counts.setdefault(keys[v], set()).add(s.at)
        asked = {keys[v] for v in found if v in needed}
        rare = {
            key
            for v, s in found.items()
            if (key := keys[v]) not in asked and len(counts[key]) < max(2, lengths[s.row] - 1)
        }
        if not rare:
            return found
        refused |= rare
    return {}


def _before(
    forward: Sequence[Vertex],
    given: Mapping[Vertex, Sequence[Edge]],
    readers: Mapping[Vertex, Sequence[Edge]],
    results: set[Vertex],
    steps: Mapping[Vertex, CallPlace],
    lengths: Mapping[int, int],
    late: set[Vertex],
) -> dict[Vertex, CallPlace]:
    """What one step alone reads, and every step has something like it."""
    found: dict[Vertex, CallPlace] = {}
    keys: dict[Vertex, Hashable] = {}
    for v in reversed(forward):
        if v in steps or v in late or v in results or v.kind in LEAVES:
            continue
        own = {found.get(e.target, steps.get(e.target)) for e in readers.get(v, ())}
        at = own.pop() if len(own) == 1 else None
        if at is not None:
            found[v] = at
            said = sorted(
                (str(keys.get(e.target, (e.target.label, *[c.name for c in around(e.target.cluster)]))), e.mark)
                for e in readers[v]
            )
            keys[v] = (at.row, v.kind, str(v.type), tuple(said))
    counts: dict[Hashable, set[int]] = {}
    for v, s in found.items():
        counts.setdefault(keys[v], set()).add(s.at)
    # What stands before something that not all steps have is not there at each step either.
    return {v: s for v, s in found.items() if len(counts[keys[v]]) == lengths[s.row]}
