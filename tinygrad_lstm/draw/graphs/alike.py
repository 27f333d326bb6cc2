"""Scopes side by side that do the same, as updates of parameters: one stays, and one vertex stands for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tinygrad_lstm.draw.graphs.vertices import LEAVES, Cluster, Edge, Vertex, around

__all__ = ["alike_scopes"]

FEWEST: Final = 4
"""So many scopes alike are folded."""


def alike_scopes(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> dict[Vertex, Vertex]:
    """For the vertices of scopes that are like one beside them, the vertex that stands for them all.

    Scopes are alike if they do the same operations in the same order; none depends on another.
    """
    members: dict[Cluster, list[Vertex]] = {}
    for v in vertices:
        for cluster in around(v.cluster):
            members.setdefault(cluster, []).append(v)
    groups: dict[Any, list[Cluster]] = {}
    for cluster in sorted(members, key=lambda c: c.level):
        groups.setdefault((cluster.parent, cluster.level, *_structure(cluster, members[cluster])), []).append(cluster)
    after: dict[Vertex, list[Vertex]] = {}
    for e in edges:
        after.setdefault(e.source, []).append(e.target)
    standing: dict[Vertex, Vertex] = {}
    for group in groups.values():
        inside = {v: cluster for cluster in group for v in members[cluster]}
        if len(group) < FEWEST or any(v in standing for v in inside) or _depend(inside, after):
            continue
        rest = group[1:]
        notes = [rest[0].name, *["…"] * (len(rest) > 2), rest[-1].name]
        box = Vertex("folded", f"{len(rest)} like {group[0].name}", group[0].parent, role=group[0].role, notes=notes)
        box.count = sum(v.count for cluster in rest for v in members[cluster])
        box.gradient = all(v.gradient for cluster in rest for v in members[cluster] if v.kind not in LEAVES)
        standing.update((v, box) for cluster in rest for v in members[cluster])
    return standing


def _structure(cluster: Cluster, group: Sequence[Vertex]) -> tuple[Any, ...]:
    """What is done in a scope: the operations in their order, each with the scopes in ``cluster`` that it is in."""
    found: list[Any] = []
    for v in group:
        if v.kind not in LEAVES:
            chain = around(v.cluster)
            found.append((v.kind, v.label, *(c.name for c in chain[chain.index(cluster) + 1 :])))
    return tuple(found)


def _depend(inside: Mapping[Vertex, Cluster], after: Mapping[Vertex, Sequence[Vertex]]) -> bool:
    """Whether a scope reads something of another one, or of what comes after it."""
    pending = [t for v, cluster in inside.items() for t in after.get(v, ()) if inside.get(t) is not cluster]
    seen = set(pending)
    while pending:
        v = pending.pop()
        if v in inside:
            return True
        fresh = [t for t in after.get(v, ()) if t not in seen]
        seen.update(fresh)
        pending += fresh
    return False
