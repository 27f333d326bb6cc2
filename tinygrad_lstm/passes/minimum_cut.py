"""The cheapest set of values from which others can be computed: a minimum vertex cut."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

from tinygrad_lstm.graph.tensor import Node

__all__ = ["minimum_cut"]

_ENDLESS = 1 << 62


def minimum_cut(
    order: Sequence[Node], sources: Collection[Node], sinks: Iterable[Node], cost: Callable[[Node], int]
) -> list[Node]:
    """The cheapest nodes that every path from a source to a sink passes; of several cuts, that nearest to the sinks.

    Args:
        order: all nodes, inputs before readers.
        sources: nodes that cannot be computed again.
        sinks: nodes to be computed again.
        cost: the cost of keeping a node.

    Returns:
        The cut, in the order of ``order``. It may contain sources and sinks.
    """
    # Node k becomes an edge from its entry 2k to its exit 2k + 1, with its cost as the capacity.
    place = {node: k for k, node in enumerate(order)}
    start, end = 2 * len(order), 2 * len(order) + 1
    heads: list[int] = []
    room: list[int] = []
    edges: list[list[int]] = [[] for _ in range(end + 1)]

    def connect(a: int, b: int, capacity: int) -> None:
        for tail, head, space in ((a, b, capacity), (b, a, 0)):
            edges[tail].append(len(heads))
            heads.append(head)
            room.append(space)

    for node, k in place.items():
        connect(2 * k, 2 * k + 1, cost(node))
        if node in sources:
            connect(start, 2 * k, _ENDLESS)
        else:
            for x in dict.fromkeys(node.inputs):
                if x in place:
                    connect(2 * place[x] + 1, 2 * k, _ENDLESS)
    for node in dict.fromkeys(sinks):
        connect(2 * place[node] + 1, end, _ENDLESS)

    while (path := _path(start, end, edges, heads, room)) is not None:
        amount = min(room[e] for e in path)
        for e in path:
            room[e] -= amount
            room[e ^ 1] += amount

    # The nodes from which the end can still be reached lie behind the cut that is nearest to the end.
    behind = {end}
    pending = [end]
    while pending:
        for e in edges[pending.pop()]:
            if room[e ^ 1] > 0 and heads[e] not in behind:
                behind.add(heads[e])
                pending.append(heads[e])
    return [node for node, k in place.items() if 2 * k + 1 in behind and 2 * k not in behind]


def _path(start: int, end: int, edges: list[list[int]], heads: list[int], room: list[int]) -> list[int] | None:
    """The edges of a shortest path from ``start`` to ``end`` on which every edge has room left."""
    came: dict[int, int] = {start: -1}
    pending = deque([start])
    while pending:
        for e in edges[pending.popleft()]:
            head = heads[e]
            if room[e] > 0 and head not in came:
                came[head] = e
                if head == end:
                    path = []
                    while (e := came[head]) >= 0:
                        path.append(e)
                        head = heads[e ^ 1]
                    return path
                pending.append(head)
    return None
