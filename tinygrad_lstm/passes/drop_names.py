"""drop_names: ``named`` nodes, which only serve readers, go; ``normal_form`` has done so in and around loops."""

from collections.abc import Iterable

from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import rewrite

__all__ = ["drop_names"]


def drop_names(outputs: Iterable[Tensor]) -> list[Tensor]:
    """``named(x, …) → x``.

    >>> x = tl.symbol("x")
    >>> print(tl.printed(*drop_names([tl.tanh(x).named("y")])))
    %0: f32[] = symbol "x"
    %1: f32[] = tanh %0
    return %1
    """
    return rewrite(outputs, _without_name)


def _without_name(node: Node) -> Node | None:
    return node.inputs[0] if node.op == "named" else None
