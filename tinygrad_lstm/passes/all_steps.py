"""Computes nodes of a loop's body for all steps at once: the same operations with a new first axis, time."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tinygrad_lstm.batching.nodes import batched, has_rule
from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.tensor import Node, Tensor, in_place_of, make_like, remake
from tinygrad_lstm.ops.linalg import LETTERS
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.sums import MOVING, adds

__all__ = ["Batch", "can_batch"]


_ONE_BY_ONE: Final = frozenset(("scatter_add", "threefry2x32"))
"""Their results for all steps at once would take more memory than they save time."""


def can_batch(node: Node) -> bool:
    """Whether :class:`Batch` computes the operation for all steps at once."""
    return has_rule(node.op) and node.op not in _ONE_BY_ONE


class Batch:
    """The values of the nodes of a body at all steps, computed outside of its loop.

    Args:
        fixed: nodes that have the same value at every step, with the node outside that has this value.
        stacks: nodes whose values at all steps are known, with their stack.
    """

    def __init__(self, length: int, fixed: Mapping[Any, Tensor], stacks: Mapping[Any, Tensor]) -> None:
        self._length = length
        self._fixed: dict[Node, Any] = dict(fixed)
        self._stacks: dict[Node, Tensor] = dict(stacks)
        self._known = frozenset(stacks)
        self._totals: dict[Node, Tensor] = {}

    def stack(self, node: Any) -> Tensor:
        """The values of a node at all steps, along a new first axis."""
        self._compute([node])
        if node in self._fixed:
            return self._repeated(node)
        return self._stacks[node]

    def total(self, node: Any, depth: int = 0) -> Tensor:
        """The sum of a node's values over all steps. Where both operands of a product vary, the sum is one product.

        ``Σ (x_t @ W)`` does not become ``(Σ x_t) @ W``: the sum of the x_t may overflow where no product does.
        """
        if node not in self._totals:
            self._totals[node] = self._total(node, depth)
        return self._totals[node]

    def _total(self, node: Any, depth: int) -> Tensor:
        """As :meth:`total`, for a node whose sum is not computed yet."""
        if depth > 100 or node in self._known:
            # The depth bounds the recursion: deeper nodes are stacked and summed. A known stack is summed as it is; its
            # inputs need not be known.
            return make_like(node, "sum", self.stack(node), axis=(0,), keepdims=False)
        if adds(node) and self._has_products(node):
            return make_like(node, node.op, *[self.total(x, depth + 1) for x in node.inputs])
        if node.op in MOVING:
            return make_like(node, node.op, *[self.total(x, depth + 1) for x in node.inputs], **node.attrs)
        if node.op == "contract" and self._varies_on_both_sides(node):
            left, right, out = letters_of(node)
            a, b = (self._stacks[x] for x in node.inputs)
            t = _free_letter(left + right)
            return contract(node, a, b, t + left, t + right, out)
        if node.op == "sum" and not node.attrs["keepdims"]:
            axes = (0, *[a + 1 for a in node.attrs["axis"]])
            return make_like(node, "sum", self.stack(node.inputs[0]), axis=axes, keepdims=False)
        return make_like(node, "sum", self.stack(node), axis=(0,), keepdims=False)

    def _varies_on_both_sides(self, node: Any) -> bool:
        self._compute(node.inputs)
        return all(x not in self._fixed for x in node.inputs)

    def _has_products(self, node: Any) -> bool:
        """Whether a term of the sum becomes one product over time, so that it pays to sum each term by itself."""
        pending, seen = [node], {node}
        while pending:
            node = pending.pop()
            if node in self._known:
                continue
            if node.op == "contract" and self._varies_on_both_sides(node):
                return True
            if node.op in MOVING or adds(node):
                pending += [x for x in node.inputs if x not in seen]
                seen.update(node.inputs)
        return False

    def _compute(self, nodes: Iterable[Any]) -> None:
        """Compute the stacks of ``nodes`` and of what they are computed from."""
        known = (self._fixed, self._stacks)
        for node in topological(nodes, stop=lambda n: n in known[0] or n in known[1]):
            if node in self._fixed or node in self._stacks:
                continue
            if all(x in self._fixed for x in node.inputs):
                self._fixed[node] = remake(node, tuple(self._fixed[x] for x in node.inputs)) if node.inputs else node
            else:
                mapped = [x not in self._fixed for x in node.inputs]
                inputs = [
                    self._stacks[x] if own else self._fixed[x] for x, own in zip(node.inputs, mapped, strict=True)
                ]
                with in_place_of(node):
                    self._stacks[node] = batched(node, self._length, inputs, mapped)

    def _repeated(self, x: Tensor) -> Tensor:
        fixed = self._fixed[x]
        first = make_like(x, "reshape", fixed, shape=(1, *x.shape))
        return make_like(x, "broadcast_to", first, shape=(self._length, *x.shape))


def _free_letter(taken: str) -> str:
    return next(c for c in LETTERS if c not in taken)
