"""Undoing a broadcast."""

from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import Shape
from tinygrad_lstm.ops.shape import reshape

__all__ = ["sum_to"]


def sum_to(g: Tensor, shape: Shape) -> Tensor:
    """``g`` summed over the axes along which a value of ``shape`` was repeated."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i for i, (n, wanted) in enumerate(zip(g.shape[lead:], shape, strict=True), lead) if wanted == 1 and n != 1
    )
    summed: Tensor = make("sum", g, axis=axes, keepdims=False)
    return reshape(summed, shape)
