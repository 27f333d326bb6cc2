"""One node for many examples at once: the same operation with a new first axis."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.graph.function import Graph, fresh_symbol
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.ops.loop import loop_items, loop_node
from tinygrad_lstm.ops.shape import with_rank

__all__ = ["batched", "has_rule"]


def has_rule(op: str) -> bool:
    """Whether all examples are computed at once; otherwise :func:`batched` makes a loop."""
    return OPS[op].batch is not None or OPS[op].kind in ("elementwise", "identity")


def batched(node: Any, count: int, inputs: Sequence[Tensor], mapped: Sequence[bool]) -> Tensor:
    """``node`` on ``count`` examples, which lie along the first axis of the result.

    Elementwise ops broadcast, so that they need no rule: an example gets axes of size 1 in front where it has fewer
    than the result. Other ops have their rule in their record. Where there is none, as in an op that a user has
    defined, the examples are computed one after the other.

    Args:
        inputs: for each input of the node what it has become, with the axis of the examples in front where it is
            ``mapped``; at least one is.
    """
    op = OPS[node.op]
    if op.kind in ("elementwise", "identity"):
        rank = len(node.shape)
        aligned = [with_rank(x, rank) if own else x for x, own in zip(inputs, mapped, strict=True)]
        return make(node.op, *aligned, **node.attrs)
    if op.batch is not None:
        result: Tensor = op.batch(count, mapped, *inputs, **node.attrs)
        return result
    return _one_by_one(node, count, inputs, mapped)


def _one_by_one(node: Any, count: int, inputs: Sequence[Tensor], mapped: Sequence[bool]) -> Tensor:
    """A loop over the examples, whose body is the operation."""
    symbols = [fresh_symbol(f"operand {k}", x.type, "the body of a vmap") for k, x in enumerate(node.inputs)]
    sliced = [k for k, own in enumerate(mapped) if own]
    fixed = [k for k, own in enumerate(mapped) if not own]
    body = Graph(tuple(symbols[k] for k in (*sliced, *fixed)), (make(node.op, *symbols, **node.attrs),))
    loop: Any = loop_node(body, [], [inputs[k] for k in sliced], [inputs[k] for k in fixed], count, reverse=False)
    return loop_items(loop)[0]
