"""Computes nodes of a loop's body for all steps at once: the same operations with a new first axis, time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygrad_lstm.graph.function import topological
from tinygrad_lstm.graph.registry import OPS
from tinygrad_lstm.graph.tensor import Node, Tensor, make_like, remake
from tinygrad_lstm.ops.linalg import LETTERS
from tinygrad_lstm.passes.contraction import contract, letters_of
from tinygrad_lstm.passes.sums import MOVING, adds

__all__ = ["Batch", "can_batch"]


def can_batch(node: Node) -> bool:
    """Whether :class:`Batch` has a rule for the operation."""
    if node.op == "take":
        # The table, the indices, or both may vary from step to step.
        return True
    return OPS[node.op].kind in ("elementwise", "identity") or node.op in _RULES


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
            elif node.op == "take":
                self._stacks[node] = self._take(node)
            elif OPS[node.op].kind in ("elementwise", "identity"):
                self._stacks[node] = remake(node, tuple(self._aligned(x, node) for x in node.inputs))
            else:
                self._stacks[node] = _RULES[node.op](self, node)

    def _aligned(self, x: Tensor, reader: Any) -> Tensor:
        """The stack of an operand of an elementwise operation, with axes of size 1 behind time to broadcast."""
        if x in self._fixed:
            fixed: Tensor = self._fixed[x]
            return fixed
        return self._widened(x, len(reader.shape))

    def _widened(self, x: Tensor, rank: int) -> Tensor:
        stack = self._stacks[x]
        if len(x.shape) == rank:
            return stack
        shape = (self._length, *(1,) * (rank - len(x.shape)), *x.shape)
        return make_like(x, "reshape", stack, shape=shape)

    def _repeated(self, x: Tensor) -> Tensor:
        fixed = self._fixed[x]
        first = make_like(x, "reshape", fixed, shape=(1, *x.shape))
        return make_like(x, "broadcast_to", first, shape=(self._length, *x.shape))

    def _first(self, node: Node) -> Tensor:
        return self._stacks[node.inputs[0]]

    def _take(self, node: Any) -> Tensor:
        """The stack of a ``take``: its table, its indices, or both vary."""
        x, indices = node.inputs
        axis = node.attrs["axis"]
        if x in self._fixed:
            taken = make_like(node, "take", self._fixed[x], self._stacks[indices], axis=axis)
            # The first axis of the stacked indices, time, has come to stand at `axis`.
            order = (axis, *range(axis), *range(axis + 1, len(taken.shape)))
            return taken if axis == 0 else make_like(node, "transpose", taken, axes=order)
        if indices in self._fixed:
            return make_like(node, "take", self._stacks[x], self._fixed[indices], axis=axis + 1)
        # Both vary. The tables of all steps become one long table, into which the indices of step t are shifted by
        # t·size.
        table, places = self._stacks[x], self._stacks[indices]
        moved = make_like(
            node, "transpose", table, axes=(0, axis + 1, *[i for i in range(1, len(table.shape)) if i != axis + 1])
        )
        size, rest = x.shape[axis], moved.shape[2:]
        flat = make_like(node, "reshape", moved, shape=(self._length * size, *rest))
        time = make_like(node, "arange", length=self._length, dtype=indices.dtype, device=indices.device)
        wide = (self._length, *(1,) * len(indices.shape))
        zero, width, end = [
            make_like(node, "constant", value=n, dtype=indices.dtype, device=indices.device)
            for n in (0, size, self._length * size)
        ]
        inside = make_like(
            node, "where", make_like(node, "less", places, zero), make_like(node, "add", places, width), places
        )
        offset = make_like(node, "multiply", make_like(node, "reshape", time, shape=wide), width)
        # An index out of range of its own table must not hit the table of another step: it becomes the end of all.
        bounds = make_like(node, "less_equal", zero, inside), make_like(node, "less", inside, width)
        known = make_like(node, "bitwise_and", *bounds)
        rows = make_like(node, "where", known, make_like(node, "add", inside, offset), end)
        taken = make_like(node, "take", flat, rows, axis=0)
        count = len(indices.shape)
        order = (
            0,
            *range(1 + count, 1 + count + axis),
            *range(1, 1 + count),
            *range(1 + count + axis, len(taken.shape)),
        )
        return make_like(node, "transpose", taken, axes=order)


def _free_letter(taken: str) -> str:
    return next(c for c in LETTERS if c not in taken)


def _batch_contract(batch: Batch, node: Any) -> Tensor:
    left, right, out = letters_of(node)
    t = _free_letter(left + right)
    sides = []
    for x, letters in zip(node.inputs, (left, right), strict=True):
        fixed = x in batch._fixed
        sides.append((batch._fixed[x], letters) if fixed else (batch._stacks[x], t + letters))
    (a, left), (b, right) = sides
    return contract(node, a, b, left, right, t + out)


def _batch_concatenate(batch: Batch, node: Any) -> Tensor:
    parts = [batch.stack(x) for x in node.inputs]
    return make_like(node, "concatenate", *parts, axis=node.attrs["axis"] + 1)


def _batch_broadcast(batch: Batch, node: Any) -> Tensor:
    wide = batch._widened(node.inputs[0], len(node.shape))
    return make_like(node, "broadcast_to", wide, shape=(batch._length, *node.shape))


def _batch_slice(batch: Batch, node: Any) -> Tensor:
    a = node.attrs
    x = batch._first(node)
    return make_like(node, "slice", x, start=(0, *a["start"]), stop=(x.shape[0], *a["stop"]), step=(1, *a["step"]))


def _batch_pad(batch: Batch, node: Any) -> Tensor:
    a = node.attrs
    return make_like(
        node, "pad", batch._first(node), low=(0, *a["low"]), high=(0, *a["high"]), interior=(0, *a["interior"])
    )


def _over_axes(batch: Batch, node: Any) -> Tensor:
    result: Tensor = remake(
        node, (batch._first(node),), {**node.attrs, "axis": tuple(a + 1 for a in node.attrs["axis"])}
    )
    return result


def _over_axis(batch: Batch, node: Any) -> Tensor:
    result: Tensor = remake(node, (batch._first(node),), {**node.attrs, "axis": node.attrs["axis"] + 1})
    return result


_RULES: dict[str, Callable[[Batch, Any], Tensor]] = {
    "contract": _batch_contract,
    "concatenate": _batch_concatenate,
    "broadcast_to": _batch_broadcast,
    "slice": _batch_slice,
    "pad": _batch_pad,
    "reshape": lambda batch, node: make_like(node, "reshape", batch._first(node), shape=(batch._length, *node.shape)),
    "transpose": lambda batch, node: make_like(
        node, "transpose", batch._first(node), axes=(0, *[a + 1 for a in node.attrs["axes"]])
    ),
    "flip": _over_axes,
    "sum": _over_axes,
    "max": _over_axes,
    "min": _over_axes,
    "logsumexp": _over_axes,
    "argmax": _over_axis,
    "argsort": _over_axis,
}
