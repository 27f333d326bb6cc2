"""Which sums may be added up in another order: ``docs/decisions/0016-order-of-sums.md`` says what is kept."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lstm.graph.tensor import Node, Tensor
from tinygrad_lstm.passes.rewriting import is_zero

__all__ = ["MOVING", "adds", "may_leave"]

MOVING = ("concatenate", "negative", "transpose", "reshape", "slice", "named")
"""Ops that only move elements, so that they may be applied to a sum instead of to each of its terms."""


def adds(node: Any) -> bool:
    """Whether a node is a sum or difference of two values of its own type."""
    return node.op in ("add", "subtract") and all(x.type == node.type for x in node.inputs)


def may_leave(init: Tensor, terms: Sequence[Tensor]) -> bool:
    """Whether a carry that starts at ``init`` and sums ``terms`` may be added up outside the loop.

    What stays in the loop and each term that leaves it are added up separately. In float16 one of these sums may be
    out of range though the total is not. There the terms leave only if they form one sum.
    """
    if not init.dtype.is_half:
        return True
    return is_zero(init) and len(terms) == 1 and _is_one_sum(terms[0])


def _is_one_sum(term: Node) -> bool:
    """Whether a term has no additions in it, so that over all steps it is a single sum."""
    pending, seen = [term], {term}
    while pending:
        node = pending.pop()
        if adds(node):
            return False
        if node.op in MOVING:
            pending += [x for x in node.inputs if x not in seen]
            seen.update(node.inputs)
    return True
