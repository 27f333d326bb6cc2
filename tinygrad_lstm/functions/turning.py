"""Arrays turned, mirrored, and with their axes in another order."""

from typing import Any

from tinygrad_lstm.errors import ShapeError, UsageError
from tinygrad_lstm.functions.arrangement import moveaxis, swapaxes
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.registry import function
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.types import listed, normalize_axis, whole
from tinygrad_lstm.ops.shape import flip

__all__ = ["fliplr", "flipud", "matrix_transpose", "rollaxis", "rot90"]


@function
def matrix_transpose(x: Any) -> Tensor:
    """Each matrix transposed: the last two axes exchanged, as ``x.mT``.

    Raises:
        ShapeError: when there are fewer than two axes.

    >>> tl.matrix_transpose(tl.zeros((4, 2, 3))).shape
    (4, 3, 2)
    """
    node = as_tensor(x)
    if node.ndim < 2:
        raise ShapeError(f"matrix_transpose({node.type}): a matrix is expected, at least two axes")
    return swapaxes(node, -2, -1)


@function
def flipud(x: Any) -> Tensor:
    """``x`` upside down: the first axis in reversed order.

    >>> print(tl.flipud([[1.0], [2.0]]))
    [[2.]
     [1.]]
    """
    return flip(x, 0)


@function
def fliplr(x: Any) -> Tensor:
    """``x`` mirrored: the second axis in reversed order.

    >>> print(tl.fliplr([[1.0, 2.0]]))
    [[2. 1.]]
    """
    return flip(x, 1)


@function
def rot90(x: Any, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    """``x`` turned by ``k`` quarters of a circle, from the first of two axes towards the second.

    Raises:
        ShapeError: when ``axes`` does not name two different axes.

    >>> print(tl.rot90([[1.0, 2.0], [3.0, 4.0]]))
    [[2. 4.]
     [1. 3.]]
    """
    node = as_tensor(x)
    plane = [normalize_axis(a, node.ndim) for a in listed(axes)]
    if len(plane) != 2 or plane[0] == plane[1]:
        raise ShapeError(f"rot90({node.type}): two different axes are expected, got {axes!r}")
    quarters = whole(k)
    if quarters is None:
        raise UsageError(f"rot90: k is an integer, the number of quarter turns, not {k!r}")
    first, second = plane
    match quarters % 4:
        case 1:
            return flip(swapaxes(node, first, second), first)
        case 2:
            return flip(node, (first, second))
        case 3:
            return flip(swapaxes(node, first, second), second)
        case _:
            return node


@function
def rollaxis(x: Any, axis: int, start: int = 0) -> Tensor:
    """``x`` with an axis moved in front of the one that is ``start`` now; :func:`moveaxis` says it more plainly.

    >>> tl.rollaxis(tl.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    node = as_tensor(x)
    place = normalize_axis(axis, node.ndim)
    before = normalize_axis(start, node.ndim + 1, "start") if start >= 0 else normalize_axis(start, node.ndim, "start")
    return moveaxis(node, place, before - 1 if place < before else before)
