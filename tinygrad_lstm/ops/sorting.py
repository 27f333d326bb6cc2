"""``argsort``, the primitive of sorting; ``functions/order.py`` composes the others of it."""

from typing import Any

from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, normalize_axis
from tinygrad_lstm.ops.shape import flip, reshape

__all__ = ["argsort"]


define(
    "argsort", lambda x, *, axis: TensorType(x.shape, int64, x.device),
    lambda xp, x, *, axis: xp.argsort(x, axis=axis, kind="stable"),
    batch=lambda count, _, x, axis: make("argsort", x, axis=axis + 1), differentiable=False,
)  # fmt: skip


@function
def argsort(x: Any, axis: int | None = -1, *, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices (int64) that sort ``x`` along ``axis``. Equal elements keep their order, nan is last; None flattens.

    Args:
        descending: whether the largest comes first; nan counts as the largest, and equal elements still keep their
            order.
        stable: as in NumPy; sorting is stable either way.

    >>> print(tl.argsort([3.0, 1.0, 2.0]), tl.argsort([3.0, 1.0, 3.0], descending=True))
    [1 2 0] [0 2 1]
    """
    node = as_tensor(x)
    if axis is None or not node.shape:
        axis = normalize_axis(axis or 0, node.ndim or 1)
        node = reshape(node, (node.size,))
    place = normalize_axis(axis, node.ndim)
    if descending:
        order: Tensor = make("argsort", flip(node, place), axis=place)
        return node.shape[place] - 1 - flip(order, place)
    return make("argsort", node, axis=place)
