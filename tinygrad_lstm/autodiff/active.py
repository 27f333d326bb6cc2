"""Which nodes a derivative flows through."""

from collections.abc import Iterable

from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node

__all__ = ["active_nodes"]


def active_nodes(order: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """The nodes of a topological ``order`` that depend differentiably on a source, and the sources themselves."""
    active = set(sources)
    for node in order:
        if node in active:
            continue
        for x in node.inputs:
            if x in active:
                if OPS[node.op].differentiable and (isinstance(node.type, tuple) or node.type.dtype.is_float):
                    active.add(node)
                break
    return active
