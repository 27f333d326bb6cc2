"""Blocks of one structure that follow each other, such as the steps of an unrolled loop: the first stands for all."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tinygrad_lstm.draw.graphs.vertices import Cluster, Edge, Vertex

__all__ = ["repeated_blocks"]

DEEPEST: Final = 8
"""Blocks are looked for in so many levels of scopes."""
PERIOD: Final = 4
"""So many unlike blocks may take turns."""
LEAST: Final = 3
_DIGITS: Final = re.compile(r"\d+")


def repeated_blocks(vertices: list[Vertex], edges: list[Edge]) -> dict[Vertex, Vertex]:
    """For each vertex in a block that is like the ones before it: the box that stands for it.

    Blocks are clusters side by side that hold the same operations on operands of the same types, wired alike; numbers
    in names may differ. The first of a run stays, and one box stands for the rest. Blocks are compared from the
    outside in, and what is folded is not looked into.
    """
    children: dict[Cluster | None, dict[Cluster, None]] = {}
    members: dict[Cluster, list[Vertex]] = {}
    before: dict[Vertex, list[Edge]] = {}
    for e in edges:
        before.setdefault(e.target, []).append(e)
    for v in vertices:
        at = v.cluster
        while at is not None:
            if at.level <= DEEPEST:
                children.setdefault(at.parent, {}).setdefault(at)
                members.setdefault(at, []).append(v)
            at = at.parent

    standing: dict[Vertex, Vertex] = {}
    pending: list[Cluster | None] = [None]
    while pending:
        parent = pending.pop()
        blocks = list(children.get(parent, ()))
        folded: set[Cluster] = set()
        # A long row of unlike blocks need not be compared in depth.
        shapes = [_outline(members[b], before, b) for b in blocks] if len(blocks) >= LEAST else []
        for start, period, times in _runs(shapes):
            rest = blocks[start + period : start + period * times]
            folded.update(rest)
            first, last = rest[0].name, rest[-1].name
            name = f"{first} … {last}" if last != first else first
            like = ", ".join(dict.fromkeys(b.name for b in blocks[start : start + period]))
            box = Vertex("folded", name, parent, role=rest[0].role, count=0, times=times - 1, notes=[f"like {like}"])
            box.gradient = all(v.gradient for b in rest for v in members[b])
            for b in rest:
                for v in members[b]:
                    standing[v] = box
                    box.count += v.count
        pending += [b for b in blocks if b not in folded]
    return standing


def _outline(block: list[Vertex], before: dict[Vertex, list[Edge]], cluster: Cluster) -> Any:
    """What two blocks have in common when they are alike."""
    places = {v: k for k, v in enumerate(block)}
    found = []
    for v in block:
        wires = [(places.get(e.source, -1), e.source.kind if e.source not in places else "") for e in before.get(v, ())]
        inner = []
        at = v.cluster
        while at is not None and at is not cluster:
            inner.append((_plain(at.name), at.role))
            at = at.parent
        found.append((v.kind, _plain(v.label), str(v.type), v.gradient, tuple(inner), tuple(wires)))
    return _plain(cluster.name), cluster.role, cluster.loop, tuple(found)


def _plain(name: str) -> str:
    return _DIGITS.sub("#", name)


def _runs(shapes: list[Any]) -> Iterator[tuple[int, int, int]]:
    """Start, period and times of what repeats in a row of outlines."""
    numbers: dict[Any, int] = {}
    row = [numbers.setdefault(s, len(numbers)) for s in shapes]
    start = 0
    while start < len(row):
        for period in range(1, PERIOD + 1):
            end = start + period
            while end < len(row) and row[end] == row[end - period]:
                end += 1
            times = (end - start) // period
            if times >= LEAST:
                yield start, period, times
                start += period * times
                break
        else:
            start += 1
