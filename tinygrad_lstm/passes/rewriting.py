"""``rewrite``, the walk that most passes are made of, and the types of passes and rules."""

from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor, rebuilt
from tinygrad_lstm.graph.walk import topological

__all__ = ["Pass", "Rewrite", "rewrite"]

Pass = Callable[[Iterable[Tensor]], list[Tensor]]
"""A pass: from the outputs of a graph to those of another graph with the same values."""
Rewrite = Callable[[Any], Node | None]
"""From a node whose inputs are rewritten already to its replacement, or None to keep it."""


def rewrite(outputs: Iterable[Tensor], rule: Rewrite, where: Callable[[Node], bool] | None = None) -> list[Tensor]:
    """``outputs`` with ``rule`` applied to every node once, inputs before readers.

    Args:
        where: which nodes may be replaced; all by default.
    """
    outputs = list(outputs)
    new: dict[Node, Any] = {}
    for node in topological(outputs):
        candidate = rebuilt(node, new)
        replacement = rule(candidate) if where is None or where(candidate) else None
        new[node] = candidate if replacement is None else replacement
    return [new[y] for y in outputs]
