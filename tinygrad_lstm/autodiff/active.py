"""Which nodes a derivative flows through."""

from collections.abc import Iterable

from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node

__all__ = ["active_nodes"]


def active_nodes(order: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """Those nodes of a topological ``order`` that depend differentiably on a source, the sources included."""
    found = set(sources)
    for node in order:
        if node in found:
            continue
        for x in node.inputs:
            if x in found:
                if OPS[node.op].differentiable and (isinstance(node.type, tuple) or node.type.dtype.is_float):
                    found.add(node)
                break
    return found
