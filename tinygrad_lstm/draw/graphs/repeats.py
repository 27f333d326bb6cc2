"""Blocks of one structure that follow each other, such as the steps of an unrolled loop: the first stands for all."""

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, computes_gradient

__all__ = ["LEAST", "between_circles", "repeated_blocks"]

T = TypeVar("T", bound=Hashable)

DEEPEST: Final = 8
"""Blocks are looked for in so many levels of scopes."""
PERIOD: Final = 8
"""So many unlike units may take turns: a layer, its activation, a sum."""
LEAST: Final = 3
_DIGITS: Final = re.compile(r"\d+")


@dataclass(eq=False)
class _Unit:
    """What stands side by side in a scope: a scope within it, or an operation with the leaves that it alone reads."""

    name: str
    cluster: Cluster | None
    members: list[Vertex]


def repeated_blocks(vertices: list[Vertex], edges: list[Edge], least: int = LEAST) -> dict[Vertex, Vertex]:
    """For each vertex in a block that is like the ones before it: the box that stands for it.

    A block is a row of scopes and operations side by side. Blocks are alike that hold the same operations on operands
    of the same types, wired alike; numbers in names may differ. The first of a run stays, and one box stands for the
    rest. Blocks are compared from the outside in, and what is folded is not looked into. A run stays open where
    folding it would make the picture of a computation go in a circle. Shorter runs than ``least`` blocks stay too.
    """
    before: dict[Vertex, list[Edge]] = {}
    for e in edges:
        before.setdefault(e.target, []).append(e)
    children = _units(vertices, before)
    standing: dict[Vertex, Vertex] = {}
    pending: list[Cluster | None] = [None]
    while pending:
        parent = pending.pop()
        units = children.get(parent, [])
        folded: set[int] = set()
        # A long row of unlike blocks need not be compared in depth.
        own = {v: k for k, u in enumerate(units) for v in u.members} if least > LEAST else {}
        shapes = [_outline(u, before, own) for u in units] if len(units) >= LEAST else []
        for start, period, times in _runs(shapes, least):
            first = units[start : start + period]
            rest = units[start + period : start + period * times]
            if all(u.cluster is None for u in first) and (least == LEAST or _is_chain(first, before)):
                continue  # single operations are folded as a chain, where it is long
            folded.update(range(start + period, start + period * times))
            box = _box(parent, first, rest, times)
            for u in rest:
                for v in u.members:
                    standing[v] = box
                    box.count += v.count
        pending += [u.cluster for k, u in enumerate(units) if u.cluster is not None and k not in folded]
    return _without_circles(standing, edges)


def _is_chain(units: Sequence[_Unit], before: Mapping[Vertex, list[Edge]]) -> bool:
    """Whether each of some operations reads one thing, leaves apart."""
    last = [u.members[-1] for u in units]
    return all(len({e.source for e in before.get(v, ()) if e.source.kind not in LEAVES}) < 2 for v in last)


def _units(vertices: list[Vertex], before: Mapping[Vertex, list[Edge]]) -> dict[Cluster | None, list[_Unit]]:
    """By scope what stands in it, in the order of computation."""
    children: dict[Cluster | None, list[_Unit]] = {}
    of: dict[Cluster, _Unit] = {}
    for v in vertices:
        at = v.cluster
        if v.kind not in LEAVES and v.kind not in ("symbol", "output") and (at is None or at.level < DEEPEST):
            own = [e.source for e in before.get(v, ()) if e.source.kind in LEAVES and e.source.cluster is at]
            children.setdefault(at, []).append(_Unit(v.label, None, [*own, v]))
        while at is not None:
            if at.level <= DEEPEST:
                if at not in of:
                    of[at] = _Unit(at.name, at, [])
                    children.setdefault(at.parent, []).append(of[at])
                of[at].members.append(v)
            at = at.parent
    return children


def _box(parent: Cluster | None, first: Sequence[_Unit], rest: Sequence[_Unit], times: int) -> Vertex:
    """The box of all but the first block of a run."""
    period = len(first)
    names = [
        a.name if a.name == b.name else f"{a.name} … {b.name}"
        for a, b in zip(rest[:period], rest[-period:], strict=True)
    ]
    like = ", ".join(dict.fromkeys(u.name for u in first))
    role = next((u.cluster.role for u in rest if u.cluster is not None), None)
    box = Vertex("folded", " ".join(names), parent, role=role, count=0, times=times - 1, notes=[f"like {like}"])
    box.gradient = computes_gradient(v for u in rest for v in u.members)
    return box


def _without_circles(standing: dict[Vertex, Vertex], edges: list[Edge]) -> dict[Vertex, Vertex]:
    """``standing`` without the boxes that a path leaves and comes back to."""
    while True:
        after: dict[Vertex, set[Vertex]] = {}
        for e in edges:
            source, target = standing.get(e.source, e.source), standing.get(e.target, e.target)
            if source is not target and not e.back:
                after.setdefault(source, set()).add(target)
        on_circles = between_circles(after)
        open_again = {box for box in set(standing.values()) if box in on_circles}
        if not open_again:
            return standing
        standing = {v: box for v, box in standing.items() if box not in open_again}


def between_circles(after: Mapping[T, set[T]]) -> set[T]:
    """What is left when, again and again, all is taken away that nothing leads to, or that leads nowhere."""
    before: dict[T, set[T]] = {}
    for v, targets in after.items():
        for target in targets:
            before.setdefault(target, set()).add(v)
    left = {*after, *before}
    for onward, back in ((after, before), (before, after)):
        counts = {v: len(back.get(v, set()) & left) for v in left}
        free = [v for v, count in counts.items() if not count]
        while free:
            v = free.pop()
            left.discard(v)
            for target in onward.get(v, ()):
                if target in left:
                    counts[target] -= 1
                    if not counts[target]:
                        free.append(target)
    return left


def _outline(unit: _Unit, before: Mapping[Vertex, list[Edge]], own: Mapping[Vertex, int]) -> Any:
    """What two units have in common when they are alike; single operations among ``own`` read from as far away too."""
    block, cluster = unit.members, unit.cluster
    places = {v: k for k, v in enumerate(block)}
    found = []
    for v in block:
        wires: list[tuple[Any, ...]] = [
            (places.get(e.source, -1), e.source.kind if e.source not in places else "") for e in before.get(v, ())
        ]
        if cluster is None and v in own:
            wires += [(own[v] - own[e.source],) for e in before.get(v, ()) if e.source in own]
        inner = []
        at = v.cluster
        while at is not None and at is not cluster:
            inner.append((_plain(at.name), at.role))
            at = at.parent
        found.append((v.kind, _plain(v.label), str(v.type), v.gradient, tuple(inner if cluster else ()), tuple(wires)))
    shape = (cluster.role, cluster.loop) if cluster is not None else None
    return _plain(unit.name), shape, tuple(found)


def _plain(name: str) -> str:
    return _DIGITS.sub("#", name)


def _runs(shapes: list[Any], least: int) -> Iterator[tuple[int, int, int]]:
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
            if times >= least:
                yield start, period, times
                start += period * times
                break
        else:
            start += 1
