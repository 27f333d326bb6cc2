"""Every node of a graph, those in the bodies of loops included, with the number that the printed form gives it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tinygrad_lstm.draw.graphs.unrolling import Path, body_of
from tinygrad_lstm.formula.expression import node_texts
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, origin_of

__all__ = ["Numbering", "number_nodes"]


@dataclass(frozen=True, eq=False)
class Numbering:
    """Nodes by where they stand.

    Attributes:
        parts: the nodes of the top level, under the empty path, and of each body, under the loops round it.
        ids: such as ``%7``, and in the body of the loop ``%7`` ``%7.3``.
        first: for a node in several loops, where it stands first.
    """

    parts: dict[Path, list[Node]] = field(default_factory=dict)
    ids: dict[tuple[Path, Node], str] = field(default_factory=dict)
    first: dict[Node, str] = field(default_factory=dict)

    def id_of(self, path: Path, node: Node) -> str | None:
        """The number of a node that is referred to from the loops ``path``; None for one outside of the graph."""
        return self.ids.get((path, node)) or self.first.get(node)

    def origin_id(self, path: Path, node: Node) -> str | None:
        """The number of the forward node whose gradient ``node`` helps to compute."""
        origin = origin_of(node)
        return self.id_of(path, origin) if origin is not None else None

    def texts(self, path: Path) -> dict[Node, str]:
        """The expressions of a part."""
        order = self.parts[path]
        return node_texts(order, {node: self.ids[path, node] for node in order})


def number_nodes(inputs: Sequence[Node], outputs: Iterable[Node]) -> Numbering:
    """The numbers of the graph of ``outputs``; inputs are counted whether something reads them or not.

    >>> y = tl.tanh(tl.symbol("x"))
    >>> list(number_nodes((), (y,)).ids.values())
    ['%0', '%1']
    """
    found = Numbering()
    pending: list[tuple[Path, str, list[Node]]] = [((), "%", topological((*inputs, *outputs)))]
    while pending:
        path, prefix, order = pending.pop(0)
        found.parts[path] = order
        for k, node in enumerate(order):
            id = found.ids[path, node] = f"{prefix}{k}"
            found.first.setdefault(node, id)
            if OPS[node.op].kind == "loop":
                pending.append(((*path, node), f"{id}.", body_of(node, order)))
    return found
