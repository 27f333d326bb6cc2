"""``argsort``, the primitive of sorting; ``functions/order.py`` composes the others of it."""

from typing import Any

from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.dtypes import int64
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import TensorType, normalize_axis
from tinygrad_lstm.ops.shape import reshape

__all__ = ["argsort"]


define(
    "argsort", lambda x, *, axis: TensorType(x.shape, int64, x.device),
    lambda xp, x, *, axis: xp.argsort(x, axis=axis, kind="stable"), differentiable=False,
)  # fmt: skip


@function
def argsort(x: Any, axis: int | None = -1) -> Tensor:
    """The indices (int64) that sort ``x`` along ``axis``. Equal elements keep their order, nan is last; None flattens.

    >>> print(tl.argsort([3.0, 1.0, 2.0]))
    [1 2 0]
    """
    node = as_tensor(x)
    if axis is None:
        node, axis = reshape(node, (node.size,)), 0
    return make("argsort", node, axis=normalize_axis(axis, node.ndim))
