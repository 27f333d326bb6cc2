"""Elements chosen by conditions and by rank, and how many there are."""

from typing import Any

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.functions.order import sort
from tinygrad_lstm.functions.predicates import truth
from tinygrad_lstm.graph.convert import as_tensor, operands
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import listed, normalize_axis
from tinygrad_lstm.ops.logic import where
from tinygrad_lstm.ops.reduce import sum
from tinygrad_lstm.ops.shape import reshape
from tinygrad_lstm.ops.sorting import argsort

__all__ = ["argpartition", "count_nonzero", "partition", "select"]


@function
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    """For each element the choice of the first condition that holds, ``default`` where none does.

    Raises:
        UsageError: when there are no conditions, or not one choice for each.

    >>> x = tl.arange(5)
    >>> print(tl.select([x < 2, x > 2], [x, x * 10], default=-1))
    [ 0  1 -1 30 40]
    """
    conditions, choices = list(condlist), list(choicelist)
    if not conditions or len(conditions) != len(choices):
        raise UsageError(f"select: {len(conditions)} conditions and {len(choices)} choices; one choice belongs to each")
    *arms, result = operands(*choices, default)
    for condition, choice in zip(reversed(conditions), reversed(arms), strict=True):
        result = where(condition, choice, result)
    return result


@function
def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements over ``axis`` are not 0, as int64.

    >>> print(tl.count_nonzero([[1.0, 0.0], [2.0, 3.0]], axis=0))
    [2 1]
    """
    return sum(truth(x), axis, keepdims)


@function
def partition(x: Any, kth: Any, axis: int | None = -1) -> Tensor:
    """``x`` with its ``kth`` smallest element along ``axis`` at its place, smaller ones before it and larger behind it.

    Both sides are sorted too, since no faster way is known here; NumPy leaves their order open.

    >>> print(tl.partition([3.0, 1.0, 2.0], 1))
    [1. 2. 3.]
    """
    node = as_tensor(x)
    return sort(*_along(node, kth, axis, "partition"))


@function
def argpartition(x: Any, kth: Any, axis: int | None = -1) -> Tensor:
    """The indices (int64) that bring ``x`` into the order of :func:`partition`.

    >>> print(tl.argpartition([3.0, 1.0, 2.0], 1))
    [1 2 0]
    """
    node = as_tensor(x)
    return argsort(*_along(node, kth, axis, "argpartition"))


def _along(node: Tensor, kth: Any, axis: int | None, name: str) -> tuple[Tensor, int]:
    """The array and axis to sort, with ``kth`` checked."""
    if axis is None:
        node, axis = reshape(node, (node.size,)), 0
    place = normalize_axis(axis, node.ndim)
    ranks = listed(kth)
    for k in ranks if isinstance(ranks, tuple | list) else (ranks,):
        normalize_axis(k, node.shape[place], f"{name}: kth")
    return node, place
