"""Whole numbers: division with remainder, and shifts of bits."""

from typing import Any

from tinygrad_lstm.graph.convert import operands
from tinygrad_lstm.graph.registry import define, function
from tinygrad_lstm.graph.tensor import Tensor, make
from tinygrad_lstm.graph.types import integers, numbers_alike

__all__ = ["floor_divide", "remainder", "right_shift"]


define(
    "floor_divide", numbers_alike, "floor_divide",
    c="floor_divide_{t}({0}, {1})", label="⌊÷⌋", latex=r"\operatorname{floordiv}",
    kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def floor_divide(x: Any, y: Any) -> Tensor:
    """``⌊x / y⌋``, rounded towards −∞; not differentiable. An integer divided by 0 gives 0, as in NumPy.

    >>> print(tl.floor_divide(tl.tensor([7, -7]), 2))
    [ 3 -4]
    """
    return make("floor_divide", *operands(x, y))


define(
    "remainder", numbers_alike, "remainder", (lambda g, y, a, b: g, lambda g, y, a, b: -(g * floor_divide(a, b))),
    c="remainder_{t}({0}, {1})", label="mod", latex=r"\bmod", kind="elementwise",
)  # fmt: skip


@function
def remainder(x: Any, y: Any) -> Tensor:
    """``x − y·⌊x / y⌋``, of the sign of ``y``; of integers divided by 0 it is 0, as in NumPy.

    The derivatives are 1 by ``x`` and ``−⌊x / y⌋`` by ``y``.

    >>> print(tl.remainder([5.5, -5.5], 2))
    [1.5 0.5]
    """
    return make("remainder", *operands(x, y))


define(
    "right_shift", integers, "right_shift",
    c="right_shift_{t}({0}, {1})", label="≫", latex=r"\gg", kind="elementwise", differentiable=False,
)  # fmt: skip


@function
def right_shift(x: Any, y: Any) -> Tensor:
    """``x >> y`` of integers; not differentiable.

    >>> print(tl.right_shift(tl.tensor([8, 9]), 1))
    [4 4]
    """
    return make("right_shift", *operands(x, y))
