"""Walks over the graph. None is recursive, so that depth is bounded by memory alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, rebuilt

__all__ = ["reaching", "substitute", "topological"]


def topological(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """Every ancestor of ``outputs`` and themselves, inputs before the nodes that read them.

    Args:
        stop: nodes for which it answers True are listed, but what lies before them is not.
    """
    order: list[Node] = []
    append = order.append
    done: set[Node] = set()
    # Two visits a node: the first pushes its inputs above it, the second lists it.
    opened: set[Node] = set()
    stack: list[Node] = list(outputs)[::-1]
    pop = stack.pop
    while stack:
        node = stack[-1]
        if node in done:
            pop()
        elif node in opened or not node.inputs or (stop is not None and stop(node)):
            pop()
            done.add(node)
            append(node)
        else:
            opened.add(node)
            stack.extend([x for x in node.inputs[::-1] if x not in done])
    return order


def reaching(order: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """Those nodes of a topological ``order`` that depend on a source, the sources included."""
    found = set(sources)
    for node in order:
        if node not in found:
            for x in node.inputs:
                if x in found:
                    found.add(node)
                    break
    return found


def substitute(outputs: Iterable[Tensor], mapping: Mapping[Any, Tensor]) -> list[Tensor]:
    """``outputs`` rebuilt with the keys of ``mapping`` replaced by its values; what depends on no key is kept."""
    outputs = list(outputs)
    new: dict[Node, Node] = {}
    new.update(mapping)
    for node in topological(outputs, stop=new.__contains__):
        if node not in new:
            new[node] = rebuilt(node, new)
    return [new[y] for y in outputs]  # type: ignore[misc]  # an output's replacement is a tensor
